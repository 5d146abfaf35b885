// SPDX-License-Identifier: GPL-2.0 OR MIT

// The peer of sieve.c.
package main

import (
	"fmt"
	"time"
)

const (
	primes = 1000
	warm   = 100
)

func count(out chan int) {
	for i := 2; ; i++ {
		out <- i
	}
}

func filter(in, out chan int, prime int) {
	for {
		v := <-in
		if v%prime != 0 {
			out <- v
		}
	}
}

func prime(n int) int {
	c := make(chan int)
	v := 0
	go count(c)
	for i := 0; i < n; i++ {
		v = <-c
		next := make(chan int)
		go filter(c, next, v)
		c = next
	}
	return v
}

func main() {
	n := scaled(primes)
	must(prime(warm) == 541, "the 100th prime")
	t0 := time.Now()
	must(prime(n) == 7919 || n != primes, "the 1000th prime")
	fmt.Printf("%.2f\n", float64(time.Since(t0).Nanoseconds())/float64(n))
}
