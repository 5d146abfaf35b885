// SPDX-License-Identifier: GPL-2.0 OR MIT

// The peer of skynet.c.
package main

import (
	"fmt"
	"time"
)

const (
	leaves = 1000000
	div    = 10
)

func skynet(up chan int, num, size int) {
	if size == 1 {
		up <- num
		return
	}
	down := make(chan int)
	sum := 0
	for i := 0; i < div; i++ {
		go skynet(down, num+i*(size/div), size/div)
	}
	for i := 0; i < div; i++ {
		sum += <-down
	}
	up <- sum
}

func all(leaves int) {
	up := make(chan int)
	go skynet(up, 0, leaves)
	must(<-up == leaves*(leaves-1)/2, "the sum")
}

func main() {
	n := div
	for n*div <= scaled(leaves) {
		n *= div
	}
	all(n / 10)
	t0 := time.Now()
	all(n)
	fmt.Printf("%.2f\n", float64(time.Since(t0).Nanoseconds())/float64(n))
}
