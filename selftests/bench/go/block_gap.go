// SPDX-License-Identifier: GPL-2.0 OR MIT

// The peer of block_gap.c. The pipe is read by the bare system call, with the
// runtime told of it (syscall.Syscall), as every blocking call of a Go program
// is; not by os.File, which would poll it.
package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const (
	blocks = 400
	warm   = 20
)

var (
	fromFeeder, toFeeder [2]int
	gaps                 [blocks]int64
	nrGaps               = -warm
	blockedAt            atomic.Int64
	done                 atomic.Bool
	wg                   sync.WaitGroup
	base                 = time.Now()
)

func now() int64 {
	return int64(time.Since(base)) + 1
}

func io(what string, call uintptr, fd int, b *byte) {
	n, _, err := syscall.Syscall(call, uintptr(fd), uintptr(unsafe.Pointer(b)), 1)
	if n != 1 {
		panic(fmt.Sprint(what, ": ", err))
	}
}

func untilSeen() {
	runtime.Gosched()
	for blockedAt.Load() != 0 {
		runtime.Gosched()
	}
}

func reader() {
	var b byte

	for i := -warm; i < blocks; i++ {
		io("write", syscall.SYS_WRITE, toFeeder[1], &b)
		untilSeen()
		blockedAt.Store(now())
		io("read", syscall.SYS_READ, fromFeeder[0], &b)
	}
	untilSeen()
	done.Store(true)
	wg.Done()
}

func watcher() {
	for !done.Load() {
		at := blockedAt.Load()
		if at != 0 {
			blockedAt.Store(0)
			at = now() - at
			if nrGaps >= 0 {
				gaps[nrGaps] = at
			}
			nrGaps++
		}
		runtime.Gosched()
	}
	wg.Done()
}

func main() {
	var sum float64

	if syscall.Pipe2(fromFeeder[:], syscall.O_CLOEXEC) != nil ||
		syscall.Pipe2(toFeeder[:], syscall.O_CLOEXEC) != nil {
		panic("pipe")
	}
	_, err := syscall.ForkExec(os.Args[1], os.Args[1:], &syscall.ProcAttr{
		Files: []uintptr{uintptr(toFeeder[0]), uintptr(fromFeeder[1]), 2},
	})
	if err != nil {
		panic(err)
	}

	wg.Add(2)
	go reader()
	go watcher()
	wg.Wait()

	if nrGaps != blocks {
		panic("one gap for each block")
	}
	slices.Sort(gaps[:])
	for _, gap := range gaps {
		sum += float64(gap)
	}
	fmt.Printf("%.0f %d\n", sum/blocks, gaps[blocks*99/100-1])
}
