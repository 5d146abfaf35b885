// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * mutex - one mutex, eight goroutines
 *
 * Each locks it, adds to a counter and unlocks it, as fast as it can.  The
 * time is the whole time by the number of all locks.
 */
#include "bench.h"

#define GOROUTINES	8
#define LOCKS		500000
#define WARM		5000

static struct kgo_mutex mu;
static struct kgo_wg wg;
static long counter;

static void locker(void *arg)
{
	long n = *(long *)arg, i;

	for (i = 0; i < n; i++) {
		kgo_mutex_lock(&mu);
		counter++;
		kgo_mutex_unlock(&mu);
	}
	kgo_wg_done(&wg);
}

static void all(long n)
{
	int i;

	counter = 0;
	kgo_wg_add(&wg, GOROUTINES);
	for (i = 0; i < GOROUTINES; i++)
		bench_ok(!kgo_go(locker, &n), "kgo_go");
	kgo_wg_wait(&wg);
	bench_ok(counter == GOROUTINES * n, "the count");
}

static int start(void *arg)
{
	long n = bench_scaled(LOCKS);
	long long t0;

	(void)arg;
	all(WARM);
	t0 = bench_now();
	all(n);
	printf("%.2f\n", (double)(bench_now() - t0) / ((double)GOROUTINES * n));
	return 0;
}

int main(void)
{
	return kgo_main(start, NULL);
}
