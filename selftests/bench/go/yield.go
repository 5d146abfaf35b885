// SPDX-License-Identifier: GPL-2.0 OR MIT

// The peer of yield.c.
package main

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

const (
	goroutines = 8
	yields     = 250000
	warm       = 2500
)

var wg sync.WaitGroup

func yielder(n int) {
	for i := 0; i < n; i++ {
		runtime.Gosched()
	}
	wg.Done()
}

func all(n int) {
	wg.Add(goroutines)
	for i := 0; i < goroutines; i++ {
		go yielder(n)
	}
	wg.Wait()
}

func main() {
	yields := scaled(yields)
	all(warm)
	t0 := time.Now()
	all(yields)
	fmt.Printf("%.2f\n", float64(time.Since(t0).Nanoseconds())/float64(goroutines*yields))
}
