// SPDX-License-Identifier: GPL-2.0 OR MIT

// The peer of fan.c.
package main

import (
	"fmt"
	"time"
)

const (
	workers = 16
	jobs    = 1000000
	warm    = 10000
)

var (
	todo    = make(chan int)
	results = make(chan int)
)

func worker() {
	for v := range todo {
		results <- v * 2
	}
}

func producer(n int) {
	for i := 0; i < n; i++ {
		todo <- i
	}
}

func all(n int) {
	sum := 0

	go producer(n)
	for i := 0; i < n; i++ {
		sum += <-results
	}
	must(sum == n*(n-1), "the sum")
}

func main() {
	n := scaled(jobs)
	for i := 0; i < workers; i++ {
		go worker()
	}
	all(warm)
	t0 := time.Now()
	all(n)
	fmt.Printf("%.2f\n", float64(time.Since(t0).Nanoseconds())/float64(n))
}
