// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Programs of channels whose result is known, after those of Go's chan_test.go
 * and test/chan.  The sieve is in chan_many_test.c, power series are in
 * powser_test.c.
 */
#include "lib_test.h"

#include <malloc.h>

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

/*
 * Go's test/chan/fifo.go: of a row of goroutines each is let go by the one
 * before, and gets the value that is next.
 */
struct member {
	struct kgo_chan *values, *in, *out;
	int want, got;
};

static void member(void *arg)
{
	struct member *m = arg;

	kgo_chan_recv(m->in, NULL);
	kgo_chan_recv(m->values, &m->got);
	kgo_chan_send(m->out, NULL);
}

GO_TEST(values_come_in_the_order_in_which_a_row_asks_for_them)
{
	struct kgo_chan *values = kgo_chan_make(sizeof(int), 0);
	struct kgo_chan *ends[11];
	struct member m[10];
	int i;

	for (i = 0; i < 11; i++)
		ends[i] = kgo_chan_make(0, 0);
	for (i = 0; i < 10; i++) {
		m[i] = (struct member){ values, ends[i], ends[i + 1], i, -1 };
		EXPECT_EQ(0, kgo_go(member, &m[i]));
	}
	EXPECT_EQ(0, kgo_chan_send(ends[0], NULL));
	for (i = 0; i < 10; i++)
		EXPECT_EQ(0, kgo_chan_send(values, &i));
	EXPECT_EQ(1, kgo_chan_recv(ends[10], NULL));
	for (i = 0; i < 10; i++)
		EXPECT_EQ(m[i].want, m[i].got);
	yield_until(kgo_num_goroutine() == 1);
	for (i = 0; i < 11; i++)
		EXPECT_EQ(0, kgo_chan_free(ends[i]));
	EXPECT_EQ(0, kgo_chan_free(values));
}

/* Go's test/chan/sendstmt.go: channels are values that channels carry. */
GO_TEST(a_channel_comes_through_a_channel)
{
	struct kgo_chan *cc = kgo_chan_make(sizeof(struct kgo_chan *), 1);
	struct kgo_chan *c = kgo_chan_make(sizeof(int), 1), *got = NULL;
	int v = 2;

	EXPECT_EQ(0, kgo_chan_send(cc, &c));
	EXPECT_EQ(1, kgo_chan_recv(cc, &got));
	EXPECT_EQ(c, got);
	EXPECT_EQ(0, kgo_chan_try_send(got, &v));
	v = -1;
	EXPECT_EQ(1, kgo_chan_recv(c, &v));
	EXPECT_EQ(2, v);
	EXPECT_EQ(0, kgo_chan_free(c));
	EXPECT_EQ(0, kgo_chan_free(cc));
}

/*
 * Go's TestSelectFairness: of two that always have something, beside two that
 * never have, both are heard as often, by one who selects between them and
 * hands on what it got.
 */
struct fair {
	struct kgo_chan *c[4], *out, *done;
	struct kgo_wg wg;
};

static void hands_on(void *arg)
{
	struct fair *f = arg;
	unsigned char b = 0;
	struct kgo_case in[] = {
		KGO_RECV(f->c[2], &b), KGO_RECV(f->c[3], &b),
		KGO_RECV(f->c[0], &b), KGO_RECV(f->c[1], &b),
	};
	struct kgo_case out[] = { KGO_SEND(f->out, &b), KGO_RECV(f->done, NULL) };

	do {
		kgo_select(in, 4);
	} while (kgo_select(out, 2) == 0);
}

GO_TEST(a_select_hears_two_that_always_speak_as_often)
{
	struct fair f = { 0 };
	int n = MANY(10000), i, k;
	long long count[2] = { 0 }, off;
	unsigned char b;

	for (i = 0; i < 4; i++)
		f.c[i] = kgo_chan_make(1, i < 2 ? (size_t)n + 1 : 0);
	f.out = kgo_chan_make(1, 0);
	f.done = kgo_chan_make(0, 0);
	for (k = 0; k < 2; k++) {
		b = (unsigned char)k;
		for (i = 0; i < n + 1; i++)
			EXPECT_EQ(0, kgo_chan_send(f.c[k], &b));
	}
	EXPECT_EQ(0, kgo_wg_go(&f.wg, hands_on, &f));
	for (i = 0; i < n; i++) {
		b = 0xa5;
		EXPECT_EQ(1, kgo_chan_recv(f.out, &b));
		if (b < 2)
			count[b]++;
	}
	EXPECT_EQ(n, count[0] + count[1]);
	/* Ten times the standard deviation, which is sqrt(n) / 2. */
	off = count[0] - n / 2;
	EXPECT_GT(25LL * n, off * off) {
		TH_LOG("%lld and %lld", count[0], count[1]);
	}
	EXPECT_EQ(0, kgo_chan_close(f.done));
	kgo_wg_wait(&f.wg);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, kgo_chan_free(f.c[i]));
	EXPECT_EQ(0, kgo_chan_free(f.out));
	EXPECT_EQ(0, kgo_chan_free(f.done));
}

/* Go's test/chan/select2.go: a select leaves no memory behind. */
struct feed {
	struct kgo_chan *c;
	int n;
};

static void feeds(void *arg)
{
	struct feed *f = arg;
	int i;

	for (i = 0; i < f->n; i++)
		kgo_chan_send(f->c, &i);
}

static int select_many(struct feed *f, struct kgo_chan *never)
{
	struct kgo_case k[12];
	int i, v, sum = 0;

	for (i = 0; i < 12; i++)
		k[i] = (struct kgo_case)KGO_RECV(i == 7 ? f->c : never, &v);
	if (kgo_go(feeds, f))
		return -1;
	for (i = 0; i < f->n; i++) {
		v = -1;
		/* Few cases and many, which need room of their own. */
		sum += i % 2 ? kgo_select(k, 12) == 7 : kgo_select(k + 6, 2) == 1;
		sum -= v != i;
	}
	yield_until(kgo_num_goroutine() == 1);
	return sum;
}

GO_TEST(selects_that_waited_leave_no_memory_behind)
{
	struct kgo_chan *never = kgo_chan_make(sizeof(int), 0);
	struct feed f = { kgo_chan_make(sizeof(int), 0), MANY(50000) };
	size_t before;

	EXPECT_EQ(f.n, select_many(&f, never));
	before = mallinfo2().uordblks;
	EXPECT_EQ(f.n, select_many(&f, never));
	/* Two bytes a select would be seen. */
	EXPECT_GT(before + 100000, mallinfo2().uordblks);
	EXPECT_EQ(0, kgo_chan_free(f.c));
	EXPECT_EQ(0, kgo_chan_free(never));
}

TEST_HARNESS_MAIN
