// SPDX-License-Identifier: GPL-2.0 OR MIT

// The peer of timers.c.
package main

import (
	"fmt"
	"time"
)

const (
	timers = 1000000
	rounds = 3
	warm   = 1
	step   = 387420489
)

var all [timers]*time.Timer

func never() {
	panic("stop failed")
}

func someTime(x *uint32) time.Duration {
	*x = *x*1664525 + 1013904223
	return time.Hour + time.Duration(*x)*1000
}

func ok(is bool) {
	if !is {
		panic("bench")
	}
}

func main() {
	var t0 time.Time
	x := uint32(1)

	for round := -warm; round < rounds; round++ {
		if round == 0 {
			t0 = time.Now()
		}
		for i := range all {
			all[i] = time.AfterFunc(someTime(&x), never)
		}
		for i := range all {
			ok(all[i].Reset(someTime(&x)))
		}
		for i := range all {
			ok(all[i*step%timers].Stop())
		}
	}
	fmt.Printf("%.2f\n", float64(time.Since(t0).Nanoseconds())/(rounds*3*timers))
}
