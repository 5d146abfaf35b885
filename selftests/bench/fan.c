// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * fan - out to many workers and in again
 *
 * One goroutine sends jobs to sixteen workers over an unbuffered channel; they
 * send results over another one, from which the first goroutine receives.  The
 * time is that of one job.
 */
#include "bench.h"

#define WORKERS	16
#define JOBS	1000000
#define WARM	10000

static struct kgo_chan *jobs, *results;

static void worker(void *arg)
{
	long v;

	(void)arg;
	while (kgo_chan_recv(jobs, &v) == 1) {
		v *= 2;
		kgo_chan_send(results, &v);
	}
}

static void producer(void *arg)
{
	long n = *(long *)arg, i;

	for (i = 0; i < n; i++)
		kgo_chan_send(jobs, &i);
}

static void all(long n)
{
	long sum = 0, i, v;

	bench_ok(!kgo_go(producer, &n), "kgo_go");
	for (i = 0; i < n; i++) {
		kgo_chan_recv(results, &v);
		sum += v;
	}
	bench_ok(sum == n * (n - 1), "the sum");
}

static int start(void *arg)
{
	long n = bench_scaled(JOBS);
	long long t0;
	int i;

	(void)arg;
	jobs = kgo_chan_make(sizeof(long), 0);
	results = kgo_chan_make(sizeof(long), 0);
	bench_ok(jobs && results, "kgo_chan_make");
	for (i = 0; i < WORKERS; i++)
		bench_ok(!kgo_go(worker, NULL), "kgo_go");
	all(WARM);
	t0 = bench_now();
	all(n);
	printf("%.2f\n", (double)(bench_now() - t0) / (double)n);
	return 0;
}

int main(void)
{
	return kgo_main(start, NULL);
}
