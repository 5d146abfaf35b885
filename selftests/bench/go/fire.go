// SPDX-License-Identifier: GPL-2.0 OR MIT

// The peer of fire.c.
package main

import (
	"fmt"
	"sync"
	"syscall"
	"time"
)

const (
	timers = 1000000
	rounds = 2
	warm   = 1
	least  = 1000000000
	spread = 100000000
)

var (
	all [timers]*time.Timer
	wg  sync.WaitGroup
)

func fired() {
	wg.Done()
}

func cpuNs() float64 {
	var u syscall.Rusage

	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano() + u.Stime.Nano())
}

func main() {
	var t0 float64
	x := uint32(1)

	for round := -warm; round < rounds; round++ {
		if round == 0 {
			t0 = cpuNs()
		}
		wg.Add(timers)
		for i := range all {
			x = x*1664525 + 1013904223
			all[i] = time.AfterFunc(least+time.Duration(x%spread), fired)
		}
		wg.Wait()
	}
	fmt.Printf("%.2f\n", (cpuNs()-t0)/(rounds*timers))
}
