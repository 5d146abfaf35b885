// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * chan - a buffered channel under contention
 *
 * Four goroutines send on one channel with room for 64, four receive from it
 * until it is closed.  The time is that of one value.
 */
#include "bench.h"

#define SENDERS		4
#define RECEIVERS	4
#define CAP		64
#define VALUES		500000	/* of each sender */
#define WARM		5000

static struct kgo_chan *c;
static struct kgo_wg sent, received;
static long sums[RECEIVERS];

static void sender(void *arg)
{
	long n = *(long *)arg, i;

	for (i = 1; i <= n; i++)
		kgo_chan_send(c, &i);
	kgo_wg_done(&sent);
}

static void receiver(void *arg)
{
	long sum = 0, v;

	while (kgo_chan_recv(c, &v) == 1)
		sum += v;
	*(long *)arg = sum;
	kgo_wg_done(&received);
}

static void all(long n)
{
	long sum = 0;
	int i;

	c = kgo_chan_make(sizeof(long), CAP);
	bench_ok(!!c, "kgo_chan_make");
	kgo_wg_add(&sent, SENDERS);
	kgo_wg_add(&received, RECEIVERS);
	for (i = 0; i < RECEIVERS; i++)
		bench_ok(!kgo_go(receiver, &sums[i]), "kgo_go");
	for (i = 0; i < SENDERS; i++)
		bench_ok(!kgo_go(sender, &n), "kgo_go");
	kgo_wg_wait(&sent);
	kgo_chan_close(c);
	kgo_wg_wait(&received);
	for (i = 0; i < RECEIVERS; i++)
		sum += sums[i];
	bench_ok(sum == SENDERS * (n * (n + 1) / 2), "the sum");
	kgo_chan_free(c);
}

static int start(void *arg)
{
	long n = bench_scaled(VALUES);
	long long t0;

	(void)arg;
	all(WARM);
	t0 = bench_now();
	all(n);
	printf("%.2f\n", (double)(bench_now() - t0) / ((double)SENDERS * n));
	return 0;
}

int main(void)
{
	return kgo_main(start, NULL);
}
