// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * fire - a million timers that fire
 *
 * A million timers are started, due within a tenth of a second from the
 * moment on when all are there, and each runs a function that says so to a
 * WaitGroup.  What is told is the processor time of all of it for each timer.
 * The first round is not counted.
 */
#include <stdint.h>
#include <sys/resource.h>

#include "bench.h"

#define TIMERS	1000000
#define ROUNDS	2
#define WARM	1
#define LEAST	1000000000LL
#define SPREAD	100000000

static struct kgo_timer timers[TIMERS];
static struct kgo_wg wg;

static void fired(void *arg)
{
	(void)arg;
	kgo_wg_done(&wg);
}

static double cpu_ns(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e9 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e3;
}

static int start(void *arg)
{
	double t0 = 0;
	uint32_t x = 1;
	int round;
	long i;

	(void)arg;
	for (round = -WARM; round < ROUNDS; round++) {
		if (!round)
			t0 = cpu_ns();
		kgo_wg_add(&wg, TIMERS);
		for (i = 0; i < TIMERS; i++) {
			x = x * 1664525 + 1013904223;
			bench_ok(!kgo_after_func(&timers[i], LEAST + x % SPREAD, fired, NULL),
				 "start");
		}
		kgo_wg_wait(&wg);
	}
	printf("%.2f\n", (cpu_ns() - t0) / ((double)ROUNDS * TIMERS));
	return 0;
}

int main(void)
{
	return kgo_main(start, NULL);
}
