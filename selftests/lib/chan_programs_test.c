// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Programs of channels whose result is known, after those of Go's chan_test.go
 * and test/chan.  The sieve is in chan_many_test.c, power series are in
 * powser_test.c.
 */
#include "lib_test.h"

/* Go's TestMultiConsumer: a few workers pass on what they get. */
#define WORKERS	23

struct pool {
	struct kgo_chan *in, *out;
	struct kgo_wg wg;
	int n;
};

static void worker(void *arg)
{
	struct pool *p = arg;
	int v;

	while (kgo_chan_recv(p->in, &v) == 1) {
		/* Some are slower than others. */
		if (v % 23 == 0)
			kgo_yield();
		kgo_chan_send(p->out, &v);
	}
	kgo_wg_done(&p->wg);
}

static void feeder(void *arg)
{
	static const int primes[] = { 2, 3, 7, 11, 13, 17, 19, 23, 27, 31 };
	struct pool *p = arg;
	int i;

	for (i = 0; i < p->n; i++)
		kgo_chan_send(p->in, &primes[i % 10]);
	kgo_chan_close(p->in);
	kgo_wg_wait(&p->wg);
	kgo_chan_close(p->out);
}

GO_TEST(many_consumers_lose_nothing)
{
	struct pool p = {
		.in = kgo_chan_make(sizeof(int), WORKERS),
		.out = kgo_chan_make(sizeof(int), WORKERS), .n = MANY(20000),
	};
	int i, v, n = 0, count[32] = { 0 };

	kgo_wg_add(&p.wg, WORKERS);
	for (i = 0; i < WORKERS; i++)
		EXPECT_EQ(0, kgo_go(worker, &p));
	EXPECT_EQ(0, kgo_go(feeder, &p));
	for (; kgo_chan_recv(p.out, &v) == 1; n++)
		if (v > 0 && v < 32)
			count[v]++;
	EXPECT_EQ(p.n, n);
	EXPECT_EQ(p.n / 10, count[2]);
	EXPECT_EQ(p.n / 10, count[17]);
	EXPECT_EQ(p.n / 10, count[31]);
	EXPECT_EQ(0, count[4]);
}

/* Go's test/chan/goroutines.go: one passes to the next, all along a line. */
struct link {
	struct kgo_chan *left, *right;
};

static void pass_on(void *arg)
{
	struct link l = *(struct link *)arg;
	int v = 0;

	free(arg);
	kgo_chan_recv(l.right, &v);
	v++;
	kgo_chan_send(l.left, &v);
	kgo_chan_free(l.right);
}

GO_TEST(a_line_of_goroutines)
{
	struct kgo_chan *first = kgo_chan_make(sizeof(int), 0), *right = first;
	int i, n = MANY(10000), v = 0;

	for (i = 0; i < n; i++) {
		struct link *l = malloc(sizeof(*l));

		*l = (struct link){ .left = right, .right = kgo_chan_make(sizeof(int), 0) };
		right = l->right;
		EXPECT_EQ(0, kgo_go(pass_on, l));
	}
	EXPECT_EQ(0, kgo_chan_send(right, &v));
	EXPECT_EQ(1, kgo_chan_recv(first, &v));
	EXPECT_EQ(n, v);
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(0, kgo_chan_free(first));
}

/*
 * The elements of those who wait are on their stacks, all of them deep, while
 * others come and go (Go's TestShrinkStackDuringBlockedSend).
 */
struct deep {
	struct kgo_chan *c;
	struct kgo_wg *wg;
	int id, n, bad;
};

struct block {
	int id[200];
};

static __attribute__((noinline)) void deep_send(struct deep *d, int depth)
{
	volatile char frame[256];
	struct block b;
	int i, k;

	frame[0] = (char)depth;
	if (depth) {
		deep_send(d, depth - 1);
		d->bad += frame[0] != (char)depth;
		return;
	}
	for (i = 0; i < d->n; i++) {
		for (k = 0; k < 200; k++)
			b.id[k] = d->id;
		kgo_chan_send(d->c, &b);
		memset(&b, 0xee, sizeof(b));
	}
}

static void deep_sender(void *arg)
{
	struct deep *d = arg;

	deep_send(d, d->id % 40);
	kgo_wg_done(d->wg);
}

static void brief(void *arg)
{
	volatile char frame[8000];

	memset((void *)frame, 0x77, sizeof(frame));
	kgo_wg_done(arg);
}

GO_TEST(values_wait_on_the_stacks_of_their_senders)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(struct block), 0);
	struct kgo_wg wg = { 0 };
	static struct deep d[40];
	int i, k, got[40] = { 0 }, torn = 0, n = MANY(100);
	struct block b;

	for (i = 0; i < 40; i++) {
		d[i] = (struct deep){ c, &wg, i, n, 0 };
		kgo_wg_add(&wg, 1);
		EXPECT_EQ(0, kgo_go(deep_sender, &d[i]));
	}
	for (i = 0; i < 40 * n; i++) {
		kgo_wg_add(&wg, 1);
		kgo_go(brief, &wg);
		memset(&b, 0x5a, sizeof(b));
		kgo_chan_recv(c, &b);
		for (k = 1; k < 200; k++)
			torn += b.id[k] != b.id[0];
		if (b.id[0] >= 0 && b.id[0] < 40)
			got[b.id[0]]++;
	}
	kgo_wg_wait(&wg);
	EXPECT_EQ(0, torn);
	for (i = 0; i < 40; i++) {
		EXPECT_EQ(n, got[i]);
		EXPECT_EQ(0, d[i].bad);
	}
	EXPECT_EQ(0, kgo_chan_free(c));
}

TEST_HARNESS_MAIN
