// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * pingpong - there and back over two unbuffered channels
 *
 * Eight bytes are sent to another goroutine, which sends them back: two
 * channel operations that park on each side, two switches.  The time is that
 * of a whole round.
 */
#include "bench.h"

#define ROUNDS	1000000
#define WARM	10000

static struct kgo_chan *ping, *pong;

static void player(void *arg)
{
	long v;

	(void)arg;
	while (kgo_chan_recv(ping, &v) == 1)
		kgo_chan_send(pong, &v);
}

static int start(void *arg)
{
	long rounds = bench_scaled(ROUNDS), i, v;
	long long t0 = 0;

	(void)arg;
	ping = kgo_chan_make(sizeof(long), 0);
	pong = kgo_chan_make(sizeof(long), 0);
	bench_ok(ping && pong, "kgo_chan_make");
	bench_ok(!kgo_go(player, NULL), "kgo_go");
	for (i = -WARM; i < rounds; i++) {
		if (!i)
			t0 = bench_now();
		kgo_chan_send(ping, &i);
		kgo_chan_recv(pong, &v);
		bench_ok(v == i, "the way back");
	}
	printf("%.2f\n", (double)(bench_now() - t0) / (double)rounds);
	return 0;
}

int main(void)
{
	return kgo_main(start, NULL);
}
