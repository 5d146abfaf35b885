/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the benchmarks share.  Each prints nanoseconds per operation; one that
 * measures several things prints a line for each, its name first.
 *
 * Every program NAME.c has its peer go/NAME.go with the same logic, the same
 * counts and the same warm-up, statement by statement as far as the languages
 * allow.  Both take the time inside the program, so that neither pays for its
 * start; KGO_PROCS and GOMAXPROCS give them the same number of processors.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <kgo.h>

static inline long long bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Processor time of the whole process. */
static inline long long bench_cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* A count of the measurement, fewer where BENCH_DIV says so: in an emulator. */
static inline long bench_scaled(long n)
{
	const char *div = getenv("BENCH_DIV");

	return div && atol(div) > 0 ? n / atol(div) : n;
}

/* For what must not fail in a measurement. */
static inline void bench_ok(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench: %s failed\n", what);
	exit(1);
}

#endif
