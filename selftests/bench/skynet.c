// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * skynet - a tree of a million goroutines
 *
 * Each goroutine but the leaves starts ten more, and sends the sum of what
 * they send to it to the one above.  The time is the whole time by the number
 * of leaves.  After the skynet benchmark of Alexander Temerev.
 */
#include "bench.h"

#define LEAVES	1000000
#define DIV	10

struct node {
	struct kgo_chan	*up;
	long		num;
	long		size;
};

static void skynet(void *arg)
{
	struct node n = *(struct node *)arg, child[DIV];
	struct kgo_chan *down;
	long sum = 0, v;
	int i;

	if (n.size == 1) {
		kgo_chan_send(n.up, &n.num);
		return;
	}
	down = kgo_chan_make(sizeof(long), 0);
	bench_ok(!!down, "kgo_chan_make");
	for (i = 0; i < DIV; i++) {
		child[i] = (struct node){ down, n.num + i * (n.size / DIV),
					  n.size / DIV };
		bench_ok(!kgo_go(skynet, &child[i]), "kgo_go");
	}
	for (i = 0; i < DIV; i++) {
		kgo_chan_recv(down, &v);
		sum += v;
	}
	kgo_chan_free(down);
	kgo_chan_send(n.up, &sum);
}

static void all(long leaves)
{
	struct node root = { kgo_chan_make(sizeof(long), 0), 0, leaves };
	long sum;

	bench_ok(!!root.up, "kgo_chan_make");
	bench_ok(!kgo_go(skynet, &root), "kgo_go");
	kgo_chan_recv(root.up, &sum);
	bench_ok(sum == leaves * (leaves - 1) / 2, "the sum");
	kgo_chan_free(root.up);
}

static int start(void *arg)
{
	long leaves = DIV;
	long long t0;

	(void)arg;
	while (leaves * DIV <= bench_scaled(LEAVES))
		leaves *= DIV;
	all(leaves / 10);
	t0 = bench_now();
	all(leaves);
	printf("%.2f\n", (double)(bench_now() - t0) / (double)leaves);
	return 0;
}

int main(void)
{
	return kgo_main(start, NULL);
}
