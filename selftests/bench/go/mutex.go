// SPDX-License-Identifier: GPL-2.0 OR MIT

// The peer of mutex.c.
package main

import (
	"fmt"
	"sync"
	"time"
)

const (
	goroutines = 8
	locks      = 500000
	warm       = 5000
)

var (
	mu      sync.Mutex
	wg      sync.WaitGroup
	counter int
)

func locker(n int) {
	for i := 0; i < n; i++ {
		mu.Lock()
		counter++
		mu.Unlock()
	}
	wg.Done()
}

func all(n int) {
	counter = 0
	wg.Add(goroutines)
	for i := 0; i < goroutines; i++ {
		go locker(n)
	}
	wg.Wait()
	must(counter == goroutines*n, "the count")
}

func main() {
	n := scaled(locks)
	all(warm)
	t0 := time.Now()
	all(n)
	fmt.Printf("%.2f\n", float64(time.Since(t0).Nanoseconds())/float64(goroutines*n))
}
