// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * yield - give the processor to the next goroutine
 *
 * Eight goroutines yield to each other, so that a processor always has another
 * one to switch to.  The time is the whole time by the number of all yields:
 * with more than one processor they go on side by side.
 */
#include "bench.h"

#define GOROUTINES	8
#define YIELDS		250000
#define WARM		2500

static struct kgo_wg wg;

static void yielder(void *arg)
{
	long i;

	for (i = 0; i < *(long *)arg; i++)
		kgo_yield();
	kgo_wg_done(&wg);
}

static void all(long yields)
{
	int i;

	kgo_wg_add(&wg, GOROUTINES);
	for (i = 0; i < GOROUTINES; i++)
		bench_ok(!kgo_go(yielder, &yields), "kgo_go");
	kgo_wg_wait(&wg);
}

static int start(void *arg)
{
	long yields = bench_scaled(YIELDS);
	long long t0;

	(void)arg;
	all(WARM);
	t0 = bench_now();
	all(yields);
	printf("%.2f\n", (double)(bench_now() - t0) / ((double)GOROUTINES * yields));
	return 0;
}

int main(void)
{
	return kgo_main(start, NULL);
}
