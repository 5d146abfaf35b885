// SPDX-License-Identifier: GPL-2.0 OR MIT

// The peer of sleep.c.
package main

import (
	"fmt"
	"sync"
	"time"
)

const (
	sleepers = 1000000
	least    = 500000000
	spread   = 1000000000
)

var wg sync.WaitGroup

func sleeper(ns time.Duration) {
	time.Sleep(ns)
	wg.Done()
}

func all(n int) {
	x := uint32(1)

	wg.Add(n)
	for i := 0; i < n; i++ {
		x = x*1664525 + 1013904223
		go sleeper(time.Duration(least + x%spread))
	}
	wg.Wait()
}

func main() {
	n := scaled(sleepers)
	all(n)
	t0 := cpuNow()
	all(n)
	fmt.Printf("%.2f\n", float64(cpuNow()-t0)/float64(n))
}
