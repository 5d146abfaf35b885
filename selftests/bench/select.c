// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * select - wait for three channels at once
 *
 * Three goroutines send on an unbuffered channel each, a fourth receives from
 * all of them by select.  The time is that of one value.
 */
#include "bench.h"

#define SENDERS	3
#define VALUES	300000	/* of each sender */
#define WARM	3000

static struct kgo_chan *c[SENDERS];
static long nr;

static void sender(void *arg)
{
	struct kgo_chan *to = arg;
	/* The last value may be taken, and the next round begun, before we look. */
	const long last = nr;
	long i;

	for (i = 1; i <= last; i++)
		kgo_chan_send(to, &i);
}

static void all(long n)
{
	long sum = 0, v[SENDERS], i;
	int got;

	nr = n;
	for (i = 0; i < SENDERS; i++)
		bench_ok(!kgo_go(sender, c[i]), "kgo_go");
	for (i = 0; i < SENDERS * n; i++) {
		struct kgo_case cases[] = {
			KGO_RECV(c[0], &v[0]),
			KGO_RECV(c[1], &v[1]),
			KGO_RECV(c[2], &v[2]),
		};

		got = kgo_select(cases, SENDERS);
		bench_ok(got >= 0 && got < SENDERS, "kgo_select");
		sum += v[got];
	}
	bench_ok(sum == SENDERS * (n * (n + 1) / 2), "the sum");
}

static int start(void *arg)
{
	long n = bench_scaled(VALUES);
	long long t0;
	int i;

	(void)arg;
	for (i = 0; i < SENDERS; i++) {
		c[i] = kgo_chan_make(sizeof(long), 0);
		bench_ok(!!c[i], "kgo_chan_make");
	}
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
