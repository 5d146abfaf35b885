// SPDX-License-Identifier: GPL-2.0 OR MIT

// What the benchmarks share; see bench.h.
package main

import (
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

const clockProcessCPU = 2

// Processor time of the whole process, in nanoseconds.
func cpuNow() int64 {
	var t syscall.Timespec

	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockProcessCPU,
		uintptr(unsafe.Pointer(&t)), 0)
	return t.Nano()
}

// A count of the measurement, fewer where BENCH_DIV says so.
func scaled(n int) int {
	div, err := strconv.Atoi(os.Getenv("BENCH_DIV"))
	if err != nil || div <= 0 {
		return n
	}
	return n / div
}

func must(ok bool, what string) {
	if !ok {
		panic(what + " failed")
	}
}
