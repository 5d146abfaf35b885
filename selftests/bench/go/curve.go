// SPDX-License-Identifier: GPL-2.0 OR MIT

// The peer of curve.c.
package main

import (
	"fmt"
	"sync"
	"time"
)

const (
	largest = 1000000
	total   = 300000
)

var (
	parked, ended sync.WaitGroup
	gate          chan struct{}
)

func waiter() {
	parked.Done()
	<-gate
	ended.Done()
}

func oneRound(n int) float64 {
	t0 := time.Now()
	gate = make(chan struct{})
	parked.Add(n)
	ended.Add(n)
	for i := 0; i < n; i++ {
		go waiter()
	}
	parked.Wait()
	close(gate)
	ended.Wait()
	return float64(time.Since(t0).Nanoseconds())
}

func main() {
	fresh := 0.0

	for n := 10; n <= scaled(largest); n *= 10 {
		fresh = oneRound(n) / float64(n)
		rounds := max(scaled(total)/n, 1)
		sum := 0.0
		for i := 0; i < rounds; i++ {
			sum += oneRound(n)
		}
		fmt.Printf("%d %.2f\n", n, sum/float64(rounds)/float64(n))
	}
	fmt.Printf("fresh %.2f\n", fresh)
}
