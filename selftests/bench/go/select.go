// SPDX-License-Identifier: GPL-2.0 OR MIT

// The peer of select.c.
package main

import (
	"fmt"
	"time"
)

const (
	senders = 3
	values  = 300000
	warm    = 3000
)

var c [senders]chan int

func sender(to chan int, n int) {
	for i := 1; i <= n; i++ {
		to <- i
	}
}

func all(n int) {
	var v int

	sum := 0
	for i := 0; i < senders; i++ {
		go sender(c[i], n)
	}
	for i := 0; i < senders*n; i++ {
		select {
		case v = <-c[0]:
		case v = <-c[1]:
		case v = <-c[2]:
		}
		sum += v
	}
	must(sum == senders*(n*(n+1)/2), "the sum")
}

func main() {
	n := scaled(values)
	for i := range c {
		c[i] = make(chan int)
	}
	all(warm)
	t0 := time.Now()
	all(n)
	fmt.Printf("%.2f\n", float64(time.Since(t0).Nanoseconds())/float64(senders*n))
}
