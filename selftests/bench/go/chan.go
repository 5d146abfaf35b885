// SPDX-License-Identifier: GPL-2.0 OR MIT

// The peer of chan.c.
package main

import (
	"fmt"
	"sync"
	"time"
)

const (
	senders   = 4
	receivers = 4
	capacity  = 64
	values    = 500000
	warm      = 5000
)

var (
	c              chan int
	sent, received sync.WaitGroup
	sums           [receivers]int
)

func sender(n int) {
	for i := 1; i <= n; i++ {
		c <- i
	}
	sent.Done()
}

func receiver(to *int) {
	sum := 0
	for v := range c {
		sum += v
	}
	*to = sum
	received.Done()
}

func all(n int) {
	sum := 0

	c = make(chan int, capacity)
	sent.Add(senders)
	received.Add(receivers)
	for i := 0; i < receivers; i++ {
		go receiver(&sums[i])
	}
	for i := 0; i < senders; i++ {
		go sender(n)
	}
	sent.Wait()
	close(c)
	received.Wait()
	for i := 0; i < receivers; i++ {
		sum += sums[i]
	}
	must(sum == senders*(n*(n+1)/2), "the sum")
}

func main() {
	n := scaled(values)
	all(warm)
	t0 := time.Now()
	all(n)
	fmt.Printf("%.2f\n", float64(time.Since(t0).Nanoseconds())/float64(senders*n))
}
