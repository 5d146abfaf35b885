// SPDX-License-Identifier: GPL-2.0 OR MIT

// The peer of spawn.c.
package main

import (
	"fmt"
	"sync"
	"time"
)

const (
	batch  = 1000
	rounds = 1000
	warm   = 50
)

var wg sync.WaitGroup

func nothing() {
	wg.Done()
}

func main() {
	var t0 time.Time

	rounds := scaled(rounds)
	for round := -warm; round < rounds; round++ {
		if round == 0 {
			t0 = time.Now()
		}
		wg.Add(batch)
		for i := 0; i < batch; i++ {
			go nothing()
		}
		wg.Wait()
	}
	fmt.Printf("%.2f\n", float64(time.Since(t0).Nanoseconds())/float64(rounds*batch))
}
