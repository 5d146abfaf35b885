// SPDX-License-Identifier: GPL-2.0
/*
 * Goroutines without a stack, in the kernel: they take no thread, wait by
 * returning, and end alone.
 */
#include <linux/delay.h>

#include "../kernel.h"
#include "../runtime.h"
#include "test.h"

#define CROWD	10000U

static const struct kgo_attr bare = { .flags = KGO_ATTR_STACKLESS };

struct shared {
	struct kgo_chan *c;
	struct kgo_ctx *ctx;
	struct kgo_wg wg, others;
	struct kgo_mutex mu;
	struct kgo_case k[2];
	u32 v, to[2];
	int ret;
	atomic_t n;
	u32 order[4];
	u64 goid[2];
};

struct turn {
	struct shared *s;
	u32 v;
};

static void note(void *arg, int ret)
{
	struct shared *s = arg;

	s->ret = ret;
	s->goid[1] = kgo_goid();
	atomic_inc(&s->n);
	kgo_wg_done(&s->wg);
}

static void receives(void *arg)
{
	struct shared *s = arg;

	s->goid[0] = kgo_goid();
	kgo_chan_recv_then(s->c, &s->v, note, s);
}

static void sends(void *arg)
{
	struct shared *s = arg;

	kgo_chan_send_then(s->c, &s->v, note, s);
}

static void sleeps(void *arg)
{
	kgo_sleep_then(NSEC_PER_MSEC, note, arg);
}

static void locks(void *arg)
{
	kgo_mutex_lock_then(&((struct shared *)arg)->mu, note, arg);
}

static void selects(void *arg)
{
	struct shared *s = arg;

	kgo_select_timeout_then(s->k, 2, NSEC_PER_MSEC, note, s);
}

/* Start it and wait until it has gone on. */
static void run(struct kunit *test, struct shared *s, void (*fn)(void *arg))
{
	s->ret = 0x5a5a5a5a;
	kgo_wg_add(&s->wg, 1);
	KUNIT_EXPECT_EQ(test, kgo_go_attr(fn, s, &bare), 0);
	kgo_wg_wait(&s->wg);
}

KGO_TEST(what_is_ready_goes_on_at_once)
{
	struct shared s = {};
	u32 v = 7;

	s.c = kgo_chan_make(sizeof(u32), 1);
	KUNIT_EXPECT_EQ(test, kgo_chan_send(s.c, &v), 0);
	run(test, &s, receives);
	KUNIT_EXPECT_EQ(test, s.ret, 1);
	KUNIT_EXPECT_EQ(test, s.v, 7);
	KUNIT_EXPECT_NE(test, s.goid[0], 0);
	KUNIT_EXPECT_EQ(test, s.goid[0], s.goid[1]);
	run(test, &s, sends);
	KUNIT_EXPECT_EQ(test, s.ret, 0);
	KUNIT_EXPECT_EQ(test, kgo_chan_len(s.c), 1);
	run(test, &s, sleeps);
	KUNIT_EXPECT_EQ(test, s.ret, 0);
	run(test, &s, locks);
	KUNIT_EXPECT_EQ(test, s.ret, 0);
	KUNIT_EXPECT_FALSE(test, kgo_mutex_try_lock(&s.mu));
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	kgo_chan_free(s.c);
}

KGO_TEST(a_select_ends_in_time_and_leaves_no_waiter)
{
	struct shared s = {};
	struct kgo_chan *a = kgo_chan_make(sizeof(u32), 0);
	struct kgo_chan *b = kgo_chan_make(sizeof(u32), 0);

	s.k[0] = (struct kgo_case)KGO_CASE(a, &s.to[0], KGO_CASE_RECV);
	s.k[1] = (struct kgo_case)KGO_CASE(b, &s.to[1], KGO_CASE_RECV);
	run(test, &s, selects);
	KUNIT_EXPECT_EQ(test, s.ret, -ETIMEDOUT);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, kgo_chan_free(a), 0);
	KUNIT_EXPECT_EQ(test, kgo_chan_free(b), 0);
}

static void waits_for_wg(void *arg)
{
	struct shared *s = arg;

	kgo_wg_wait_then(&s->others, note, s);
}

static void waits_for_ctx(void *arg)
{
	struct shared *s = arg;

	kgo_ctx_done_then(s->ctx, note, s);
}

/* Started and parked, then let go. */
static void start(struct kunit *test, struct shared *s, void (*fn)(void *arg),
		  u16 reason)
{
	s->ret = 0x5a5a5a5a;
	kgo_wg_add(&s->wg, 1);
	KUNIT_EXPECT_EQ(test, kgo_go_attr(fn, s, &bare), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(1, reason));
	KUNIT_EXPECT_EQ(test, s->ret, 0x5a5a5a5a);
}

KGO_TEST(each_wait_ends_with_what_it_waits_for)
{
	struct shared s = {};
	u32 v = 9;

	s.c = kgo_chan_make(sizeof(u32), 0);
	s.ctx = kgo_ctx_with_cancel(kgo_ctx_background());

	start(test, &s, receives, KGO_WAIT_CHAN_RECEIVE);
	KUNIT_EXPECT_EQ(test, kgo_chan_send(s.c, &v), 0);
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_EQ(test, s.ret, 1);
	KUNIT_EXPECT_EQ(test, s.v, 9);

	start(test, &s, sends, KGO_WAIT_CHAN_SEND);
	v = 0;
	KUNIT_EXPECT_EQ(test, kgo_chan_recv(s.c, &v), 1);
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_EQ(test, s.ret, 0);
	KUNIT_EXPECT_EQ(test, v, 9);

	kgo_mutex_lock(&s.mu);
	start(test, &s, locks, KGO_WAIT_MUTEX);
	kgo_mutex_unlock(&s.mu);
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_EQ(test, s.ret, 0);
	KUNIT_EXPECT_FALSE(test, kgo_mutex_try_lock(&s.mu));

	kgo_wg_add(&s.others, 1);
	start(test, &s, waits_for_wg, KGO_WAIT_WAITGROUP);
	kgo_wg_done(&s.others);
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_EQ(test, s.ret, 0);

	start(test, &s, waits_for_ctx, KGO_WAIT_CHAN_RECEIVE);
	kgo_ctx_cancel(s.ctx, -EIO);
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_NE(test, s.ret, 0x5a5a5a5a);

	start(test, &s, receives, KGO_WAIT_CHAN_RECEIVE);
	kgo_chan_close(s.c);
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_EQ(test, s.ret, 0);
	KUNIT_EXPECT_EQ(test, s.v, 0);

	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	kgo_ctx_put(s.ctx);
	KUNIT_EXPECT_EQ(test, kgo_chan_free(s.c), 0);
}

static void note_turn(void *arg, int ret)
{
	struct turn *t = arg;

	t->s->order[atomic_inc_return(&t->s->n) - 1] = t->v;
	kgo_wg_done(&t->s->wg);
}

static void waits_bare(void *arg)
{
	struct turn *t = arg;

	kgo_chan_recv_then(t->s->c, NULL, note_turn, t);
}

static void waits_full(void *arg)
{
	struct turn *t = arg;

	kgo_chan_recv(t->s->c, NULL);
	note_turn(t, 1);
}

KGO_TEST(both_kinds_wait_in_one_line)
{
	struct shared s = {};
	struct turn t[4];
	u32 i;

	s.c = kgo_chan_make(0, 0);
	for (i = 0; i < 4; i++) {
		t[i] = (struct turn){ .s = &s, .v = i + 1 };
		if (i % 2)
			KUNIT_EXPECT_EQ(test, kgo_go(waits_full, &t[i]), 0);
		else
			KUNIT_EXPECT_EQ(test, kgo_go_attr(waits_bare, &t[i], &bare), 0);
		KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(i + 1, KGO_WAIT_CHAN_RECEIVE));
	}
	for (i = 0; i < 4; i++) {
		kgo_wg_add(&s.wg, 1);
		KUNIT_EXPECT_EQ(test, kgo_chan_send(s.c, NULL), 0);
		kgo_wg_wait(&s.wg);
		KUNIT_EXPECT_EQ(test, s.order[i], i + 1);
	}
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	kgo_chan_free(s.c);
}

static void count(void *arg, int ret)
{
	struct shared *s = arg;

	atomic_add(!ret, &s->n);
}

static void joins(void *arg)
{
	kgo_chan_recv_then(((struct shared *)arg)->c, NULL, count, arg);
}

KGO_TEST(a_crowd_needs_no_threads)
{
	u32 threads = READ_ONCE(kgo_kernel_runtime->nr_threads), i;
	struct shared s = {};

	s.c = kgo_chan_make(0, 0);
	for (i = 0; i < CROWD; i++)
		if (kgo_go_attr(joins, &s, &bare))
			break;
	KUNIT_EXPECT_EQ(test, i, CROWD);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(CROWD, KGO_WAIT_CHAN_RECEIVE));
	KUNIT_EXPECT_LE(test, READ_ONCE(kgo_kernel_runtime->nr_threads), threads + 4);
	kgo_chan_close(s.c);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, atomic_read(&s.n), CROWD);
	kgo_chan_free(s.c);
}

static void panics_later(void *arg, int ret)
{
	kgo_panic("of the second body");
}

static void panics(void *arg)
{
	kgo_yield_then(panics_later, arg);
}

static void parks(void *arg)
{
	kgo_chan_recv(((struct shared *)arg)->c, NULL);
}

KGO_TEST(a_panic_ends_that_one_alone)
{
	struct shared s = {};

	kgo_test_catch_panics();
	s.c = kgo_chan_make(0, 0);
	KUNIT_EXPECT_EQ(test, kgo_go_attr(panics, &s, &bare), 0);
	/* To wait with a stack that it has not is one, too. */
	KUNIT_EXPECT_EQ(test, kgo_go_attr(parks, &s, &bare), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, kgo_test_panics(), 2);
	KUNIT_EXPECT_EQ(test, kgo_chan_free(s.c), 0);
}

static struct kunit_case cont_cases[] = {
	KUNIT_CASE(what_is_ready_goes_on_at_once),
	KUNIT_CASE(a_select_ends_in_time_and_leaves_no_waiter),
	KUNIT_CASE(both_kinds_wait_in_one_line),
	KUNIT_CASE(a_crowd_needs_no_threads),
	KUNIT_CASE(a_panic_ends_that_one_alone),
	KUNIT_CASE(each_wait_ends_with_what_it_waits_for),
	{}
};

static struct kunit_suite cont_suite = {
	.name = "kgo_cont",
	.test_cases = cont_cases,
};

kunit_test_suite(cont_suite);
