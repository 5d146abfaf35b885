// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * curve - the price of a goroutine by how many there are
 *
 * For 10, 100, ..., 1,000,000: so many goroutines are started, all park on one
 * channel, all are woken by closing it, and end.  The time is the whole time
 * by their number.  Smaller numbers are repeated, and one round of each size,
 * which gets memory from the system, is not counted: its time for the largest
 * is told as "fresh".
 *
 * A line for each size, the size first.
 */
#include "bench.h"

#define LARGEST		1000000
#define TOTAL		300000	/* goroutines of one size, at least */

static struct kgo_wg parked, ended;
static struct kgo_chan *gate;

static void waiter(void *arg)
{
	(void)arg;
	kgo_wg_done(&parked);
	kgo_chan_recv(gate, NULL);
	kgo_wg_done(&ended);
}

static double one_round(long n)
{
	long long t0 = bench_now();
	long i;

	gate = kgo_chan_make(0, 0);
	bench_ok(!!gate, "kgo_chan_make");
	kgo_wg_add(&parked, (int)n);
	kgo_wg_add(&ended, (int)n);
	for (i = 0; i < n; i++)
		bench_ok(!kgo_go(waiter, NULL), "kgo_go");
	kgo_wg_wait(&parked);
	kgo_chan_close(gate);
	kgo_wg_wait(&ended);
	kgo_chan_free(gate);
	return (double)(bench_now() - t0);
}

static int start(void *arg)
{
	long largest = bench_scaled(LARGEST), n, rounds, i;
	double fresh = 0, sum;

	(void)arg;
	for (n = 10; n <= largest; n *= 10) {
		fresh = one_round(n) / (double)n;
		rounds = bench_scaled(TOTAL) / n;
		if (!rounds)
			rounds = 1;
		for (i = 0, sum = 0; i < rounds; i++)
			sum += one_round(n);
		printf("%ld %.2f\n", n, sum / (double)rounds / (double)n);
	}
	printf("fresh %.2f\n", fresh);
	return 0;
}

int main(void)
{
	return kgo_main(start, NULL);
}
