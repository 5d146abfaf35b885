// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * sleep - a million timers
 *
 * A million goroutines sleep, each for another time, from half a second to a
 * second and a half, and are waited for.  What is told is the processor time
 * of all of it for each goroutine: start, timer, wake-up, end.  The time on
 * the clock would mostly be the sleep itself.  The first round is not counted,
 * as both runtimes get their memory from the system there.
 */
#include <stdint.h>

#include "bench.h"

#define SLEEPERS	1000000
#define LEAST_NS	500000000
#define SPREAD_NS	1000000000

static struct kgo_wg wg;

static void sleeper(void *arg)
{
	bench_ok(!kgo_sleep((long)(intptr_t)arg), "kgo_sleep");
	kgo_wg_done(&wg);
}

static void all(long n)
{
	uint32_t x = 1;
	long i;

	kgo_wg_add(&wg, (int)n);
	for (i = 0; i < n; i++) {
		/* Numerical Recipes' generator: the same times in both. */
		x = x * 1664525 + 1013904223;
		bench_ok(!kgo_go(sleeper, (void *)(intptr_t)
				 (LEAST_NS + x % SPREAD_NS)), "kgo_go");
	}
	kgo_wg_wait(&wg);
}

static int start(void *arg)
{
	long n = bench_scaled(SLEEPERS);
	long long t0;

	(void)arg;
	all(n);
	t0 = bench_cpu_now();
	all(n);
	printf("%.2f\n", (double)(bench_cpu_now() - t0) / (double)n);
	return 0;
}

int main(void)
{
	return kgo_main(start, NULL);
}
