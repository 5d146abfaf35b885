// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Channels between many goroutines: nothing is lost, doubled or overtaken,
 * whatever meets whatever.
 */
#include "lib_test.h"

#define SENDERS		8
#define RECEIVERS	8

struct crowd {
	struct kgo_chan *c;
	struct kgo_wg senders, all;
	int each;
	unsigned long long sum, got;
	int disorder, stray;
};

struct item {
	int sender, n;
};

struct hand {
	struct crowd *crowd;
	int id;
};

static void crowd_send(void *arg)
{
	struct hand *h = arg;
	struct item it = { h->id, 0 };

	for (it.n = 1; it.n <= h->crowd->each; it.n++)
		kgo_chan_send(h->crowd->c, &it);
	kgo_wg_done(&h->crowd->senders);
	kgo_wg_done(&h->crowd->all);
}

/* What one receiver gets of one sender is in that sender's order. */
static void crowd_recv(void *arg)
{
	struct crowd *w = arg;
	int last[SENDERS] = { 0 };
	struct item it = { -1, -1 };

	while (kgo_chan_recv(w->c, &it) == 1) {
		if (it.sender < 0 || it.sender >= SENDERS) {
			ADD(w->stray, 1);
			continue;
		}
		if (it.n <= last[it.sender])
			ADD(w->disorder, 1);
		last[it.sender] = it.n;
		ADD(w->sum, (unsigned long long)it.n);
		ADD(w->got, 1);
		it = (struct item){ -1, -1 };
	}
	kgo_wg_done(&w->all);
}

static void crowd(struct __test_metadata *_metadata, size_t cap)
{
	static struct hand h[SENDERS];
	struct crowd w = { .c = kgo_chan_make(sizeof(struct item), cap),
			   .each = MANY(20000) };
	unsigned long long n = (unsigned long long)w.each;
	int i;

	kgo_wg_add(&w.senders, SENDERS);
	kgo_wg_add(&w.all, SENDERS + RECEIVERS);
	for (i = 0; i < RECEIVERS; i++)
		EXPECT_EQ(0, kgo_go(crowd_recv, &w));
	for (i = 0; i < SENDERS; i++) {
		h[i] = (struct hand){ &w, i };
		EXPECT_EQ(0, kgo_go(crowd_send, &h[i]));
	}
	kgo_wg_wait(&w.senders);
	EXPECT_EQ(0, kgo_chan_close(w.c));
	kgo_wg_wait(&w.all);
	EXPECT_EQ(SENDERS * n, w.got);
	EXPECT_EQ(SENDERS * (n * (n + 1) / 2), w.sum);
	EXPECT_EQ(0, w.disorder);
	EXPECT_EQ(0, w.stray);
	EXPECT_EQ(0, kgo_chan_len(w.c));
	EXPECT_EQ(0, kgo_chan_free(w.c));
}

GO_TEST(a_crowd_on_an_unbuffered_channel)
{
	crowd(_metadata, 0);
}

GO_TEST(a_crowd_on_a_channel_of_one)
{
	crowd(_metadata, 1);
}

GO_TEST(a_crowd_on_a_buffered_channel)
{
	crowd(_metadata, 10);
}

GO_TEST_PS(a_crowd_on_one_processor, 1)
{
	crowd(_metadata, 3);
}

GO_TEST_PS(a_crowd_on_more_processors_than_cpus, 16)
{
	crowd(_metadata, 3);
}

struct waiter {
	struct kgo_chan *c;
	int id, v;
	int *order, *n;
};

static void wait_in_line(void *arg)
{
	struct waiter *w = arg;

	kgo_chan_recv(w->c, &w->v);
}

/* Each waits before the next one starts; they are served in that order. */
GO_TEST(receivers_are_served_in_the_order_they_came)
{
	static struct waiter w[40];
	struct kgo_chan *c = kgo_chan_make(sizeof(int), 0);
	unsigned int i;
	int v;

	for (i = 0; i < ARRAY_SIZE(w); i++) {
		w[i] = (struct waiter){ .c = c, .v = -1 };
		EXPECT_EQ(0, kgo_go(wait_in_line, &w[i]));
		yield_until(waiting("chan receive") == (int)i + 1);
	}
	for (v = 0; v < (int)ARRAY_SIZE(w); v++)
		EXPECT_EQ(0, kgo_chan_send(c, &v));
	yield_until(kgo_num_goroutine() == 1);
	for (i = 0; i < ARRAY_SIZE(w); i++)
		EXPECT_EQ((int)i, w[i].v);
	EXPECT_EQ(0, kgo_chan_free(c));
}

static void send_in_line(void *arg)
{
	struct waiter *w = arg;

	kgo_chan_send(w->c, &w->id);
}

GO_TEST(senders_are_served_in_the_order_they_came)
{
	static struct waiter w[40];
	struct kgo_chan *c = kgo_chan_make(sizeof(int), 0);
	unsigned int i;
	int v;

	for (i = 0; i < ARRAY_SIZE(w); i++) {
		w[i] = (struct waiter){ .c = c, .id = (int)i };
		EXPECT_EQ(0, kgo_go(send_in_line, &w[i]));
		yield_until(waiting("chan send") == (int)i + 1);
	}
	for (i = 0; i < ARRAY_SIZE(w); i++) {
		v = -1;
		EXPECT_EQ(1, kgo_chan_recv(c, &v));
		EXPECT_EQ((int)i, v);
	}
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(0, kgo_chan_free(c));
}

/* The sieve of Go's chan test: a chain of goroutines, one for each prime. */
static void sieve_source(void *arg)
{
	int i;

	for (i = 2;; i++)
		kgo_chan_send(arg, &i);
}

struct filter {
	struct kgo_chan *in, *out;
	int prime;
};

static void sieve_filter(void *arg)
{
	struct filter f = *(struct filter *)arg;
	int i;

	free(arg);
	for (;;) {
		kgo_chan_recv(f.in, &i);
		if (i % f.prime)
			kgo_chan_send(f.out, &i);
	}
}

GO_TEST(prime_sieve)
{
	static const int prime[] = {
		2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61,
		67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137,
		139, 149, 151, 157, 163, 167, 173,
	};
	struct kgo_chan *c = kgo_chan_make(sizeof(int), 1);
	unsigned int k;
	int got;

	EXPECT_EQ(0, kgo_go(sieve_source, c));
	for (k = 0; k < ARRAY_SIZE(prime); k++) {
		struct filter *f = malloc(sizeof(*f));

		got = -1;
		EXPECT_EQ(1, kgo_chan_recv(c, &got));
		EXPECT_EQ(prime[k], got);
		*f = (struct filter){ c, kgo_chan_make(sizeof(int), 1), got };
		c = f->out;
		EXPECT_EQ(0, kgo_go(sieve_filter, f));
	}
}

/*
 * Timeouts that race with values: what a sender was told was sent is received
 * once, what it was told was not is not received.
 */
struct race {
	struct kgo_chan *c;
	struct kgo_wg wg;
	int each;
	unsigned long long sent, received, timeouts, bad;
};

static void race_send(void *arg)
{
	struct race *r = arg;
	int i, ret;

	for (i = 1; i <= r->each; i++) {
		ret = kgo_chan_send_timeout(r->c, &i, i % 50 * 1000);
		if (!ret)
			ADD(r->sent, (unsigned long long)i);
		else if (ret == -ETIMEDOUT)
			ADD(r->timeouts, 1);
		else
			ADD(r->bad, 1);
	}
	kgo_wg_done(&r->wg);
}

static void race_recv(void *arg)
{
	struct race *r = arg;
	int i, v, ret;

	for (i = 1; i <= r->each; i++) {
		v = -1;
		ret = kgo_chan_recv_timeout(r->c, &v, i % 70 * 1000);
		if (ret == 1 && v > 0)
			ADD(r->received, (unsigned long long)v);
		else if (ret == -ETIMEDOUT && v == -1)
			ADD(r->timeouts, 1);
		else
			ADD(r->bad, 1);
	}
	kgo_wg_done(&r->wg);
}

static void race(struct __test_metadata *_metadata, size_t cap)
{
	struct race r = { .c = kgo_chan_make(sizeof(int), cap), .each = MANY(3000) };
	int i, v;

	kgo_wg_add(&r.wg, 20);
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0, kgo_go(race_send, &r));
		EXPECT_EQ(0, kgo_go(race_recv, &r));
	}
	kgo_wg_wait(&r.wg);
	while (kgo_chan_try_recv(r.c, &v) == 1)
		r.received += (unsigned long long)v;
	EXPECT_EQ(0, r.bad);
	EXPECT_EQ(r.sent, r.received);
	EXPECT_LT(0, r.sent);
	EXPECT_EQ(0, kgo_chan_free(r.c));
}

GO_TEST(timeouts_race_with_values)
{
	race(_metadata, 0);
}

GO_TEST(timeouts_race_with_values_in_a_buffer)
{
	race(_metadata, 2);
}

/* Two goroutines, one value to and fro. */
static void pong(void *arg)
{
	struct kgo_chan **c = arg;
	int v;

	while (kgo_chan_recv(c[0], &v) == 1) {
		v++;
		kgo_chan_send(c[1], &v);
	}
	kgo_chan_close(c[1]);
}

GO_TEST(ping_pong)
{
	struct kgo_chan *c[2] = { kgo_chan_make(sizeof(int), 0), kgo_chan_make(sizeof(int), 0) };
	int i, v = 0, n = MANY(100000);

	EXPECT_EQ(0, kgo_go(pong, c));
	for (i = 0; i < n; i++) {
		EXPECT_EQ(0, kgo_chan_send(c[0], &v));
		EXPECT_EQ(1, kgo_chan_recv(c[1], &v));
		if (v != i + 1)
			break;
	}
	EXPECT_EQ(n, v);
	EXPECT_EQ(0, kgo_chan_close(c[0]));
	EXPECT_EQ(0, kgo_chan_recv(c[1], &v));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(0, kgo_chan_free(c[0]));
	EXPECT_EQ(0, kgo_chan_free(c[1]));
}

TEST_HARNESS_MAIN
