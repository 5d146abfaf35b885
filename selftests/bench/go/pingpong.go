// SPDX-License-Identifier: GPL-2.0 OR MIT

// The peer of pingpong.c.
package main

import (
	"fmt"
	"time"
)

const (
	rounds = 1000000
	warm   = 10000
)

func player(ping, pong chan int) {
	for v := range ping {
		pong <- v
	}
}

func main() {
	var t0 time.Time

	rounds := scaled(rounds)
	ping := make(chan int)
	pong := make(chan int)
	go player(ping, pong)
	for i := -warm; i < rounds; i++ {
		if i == 0 {
			t0 = time.Now()
		}
		ping <- i
		if v := <-pong; v != i {
			panic("the way back failed")
		}
	}
	fmt.Printf("%.2f\n", float64(time.Since(t0).Nanoseconds())/float64(rounds))
}
