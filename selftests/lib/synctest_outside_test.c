// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Bubbles and what is outside of them: channels and timers that were made
 * there, and a bubble's own when it has ended.  After Go's synctest_test.go.
 */
#include "lib_test.h"

#define BEGIN	946684800000000000ULL	/* 2000-01-01 */
#define HOUR	3600000000000LL
#define POISON	0x5a5a5a5a

/* One waits in a bubble for what a goroutine outside will do. */
struct across {
	struct kgo_chan *c, *other;	/* made outside */
	int (*inside)(struct across *a, int *v);
	int ret, v, done, slept;
	unsigned long long at;
};

static void sleeps_an_hour(void *arg)
{
	struct across *a = arg;

	kgo_sleep(HOUR);
	STORE(a->slept, 1);
}

static void across_body(void *arg)
{
	struct across *a = arg;

	if (kgo_go(sleeps_an_hour, a))
		return;
	a->ret = a->inside(a, &a->v);
	a->at = kgo_now();
	STORE(a->done, 1);
	/* The other one must not be left behind. */
	kgo_sleep(2 * HOUR);
}

static void run_across(void *arg)
{
	if (kgo_synctest_run(across_body, arg))
		abort();
}

static int receives(struct across *a, int *v)
{
	return kgo_chan_recv(a->c, v);
}

static int sends(struct across *a, int *v)
{
	*v = 23;
	return kgo_chan_send(a->c, v);
}

static int selects_outside(struct across *a, int *v)
{
	struct kgo_case k[] = { KGO_RECV(a->other, NULL), KGO_RECV(a->c, v) };

	return kgo_select(k, 2);
}

static int selects_mixed(struct across *a, int *v)
{
	struct kgo_chan *own = kgo_chan_make(sizeof(int), 0);
	struct kgo_case k[] = { KGO_RECV(own, NULL), KGO_RECV(a->c, v) };
	int ret = kgo_select(k, 2);

	kgo_chan_free(own);
	return ret;
}

static void wait_across(struct __test_metadata *_metadata, int (*inside)(struct across *, int *),
			const char *reason, char act, int ret, int v)
{
	struct across a = { .inside = inside, .ret = POISON, .v = POISON };
	struct kgo_wg wg = { 0 };
	int i, word = 42;

	a.c = kgo_chan_make(sizeof(int), 0);
	a.other = kgo_chan_make(sizeof(int), 0);
	EXPECT_EQ(0, kgo_wg_go(&wg, run_across, &a));
	yield_until(waiting(reason) == 1 && waiting("sleep") == 1);
	/* Its clock stands: this is not for the bubble to end. */
	for (i = 0; i < 100; i++) {
		kgo_yield();
		EXPECT_EQ(0, LOAD(a.slept));
		EXPECT_EQ(0, LOAD(a.done));
	}
	if (act == 'c') {
		EXPECT_EQ(0, kgo_chan_close(a.c));
	} else if (act == 's') {
		EXPECT_EQ(0, kgo_chan_send(a.c, &word));
	} else {
		word = POISON;
		EXPECT_EQ(1, kgo_chan_recv(a.c, &word));
		EXPECT_EQ(23, word);
	}
	kgo_wg_wait(&wg);
	EXPECT_EQ(1, a.done);
	EXPECT_EQ(ret, a.ret);
	EXPECT_EQ(v, a.v);
	EXPECT_EQ(BEGIN, a.at);
	EXPECT_EQ(1, a.slept);
	EXPECT_EQ(0, kgo_chan_free(a.c));
	EXPECT_EQ(0, kgo_chan_free(a.other));
}

/* TestChannelFromOutsideBubble */
GO_TEST(a_channel_of_outside_is_received_from_and_sent_to)
{
	wait_across(_metadata, receives, "chan receive", 'c', 0, 0);
	wait_across(_metadata, receives, "chan receive", 's', 1, 42);
	wait_across(_metadata, sends, "chan send", 'r', 0, 23);
}

GO_TEST(a_select_with_one_of_outside_does_not_let_time_go_on)
{
	wait_across(_metadata, selects_outside, "select", 'c', 1, 0);
	wait_across(_metadata, selects_outside, "select", 's', 1, 42);
	wait_across(_metadata, selects_mixed, "select", 'c', 1, 0);
	wait_across(_metadata, selects_mixed, "select", 's', 1, 42);
}

/* TestTimerFromOutsideBubble: it fires by the clock by which it was started. */
static int hears_timer(struct across *a, int *v UNUSED)
{
	unsigned long long when = 0;

	return kgo_chan_recv(a->c, &when) == 1 && when != 0 ? 7 : 8;
}

GO_TEST(a_timer_of_outside_fires_by_the_clock_of_outside)
{
	struct kgo_timer *t = kgo_timer_new(10 * MS);
	struct across a = { .c = kgo_timer_c(t), .inside = hears_timer, .ret = POISON };

	EXPECT_EQ(0, kgo_synctest_run(across_body, &a));
	EXPECT_EQ(7, a.ret);
	EXPECT_EQ(BEGIN, a.at);
	EXPECT_FALSE(kgo_timer_stop(t));
	EXPECT_EQ(0, kgo_timer_free(t));
}

/* TestTimerFromInsideBubble */
static void makes_timer(void *arg)
{
	*(struct kgo_timer **)arg = kgo_timer_new(HOUR);
}

static int receives_from_its_timer(void *arg UNUSED)
{
	struct kgo_timer *t = NULL;

	if (kgo_synctest_run(makes_timer, &t) || !t)
		return 3;
	kgo_chan_recv(kgo_timer_c(t), NULL);
	return 0;
}

TEST(a_receive_from_a_timer_of_a_bubble_panics_outside)
{
	struct ended e;

	run_child(&e, receives_from_its_timer, NULL);
	EXPECT_PANIC(e, "receive on synctest channel from outside bubble");
}

/* TestWait: it sees all of a row to its end, of which each starts the next. */
struct row {
	struct kgo_chan *c;
	int done, seen;
};

static void next_of_row(void *arg)
{
	struct row *r = arg;
	int n = -1;

	kgo_chan_recv(r->c, &n);
	if (!n) {
		r->done = 1;
		return;
	}
	if (kgo_go(next_of_row, r))
		abort();
	n--;
	kgo_chan_send(r->c, &n);
}

static void row_body(void *arg)
{
	struct row *r = arg;
	int n = 100;

	r->c = kgo_chan_make(sizeof(int), 0);
	if (kgo_go(next_of_row, r))
		abort();
	kgo_chan_send(r->c, &n);
	kgo_synctest_wait();
	r->seen = r->done;
	kgo_chan_free(r->c);
}

GO_TEST(wait_sees_a_row_of_goroutines_to_its_end)
{
	int i;

	for (i = 0; i < 20; i++) {
		struct row r = { .seen = -1 };

		EXPECT_EQ(0, kgo_synctest_run(row_body, &r));
		EXPECT_EQ(1, r.seen);
	}
}

/* TestTimerReadAfterDeadline, TestTimerReset */
static void timer_body(void *arg)
{
	struct kgo_timer *t = kgo_timer_new(HOUR);
	unsigned long long *when = arg;

	kgo_sleep(2 * HOUR);
	kgo_chan_recv(kgo_timer_c(t), &when[0]);
	kgo_timer_reset(t, 2 * HOUR);
	kgo_chan_recv(kgo_timer_c(t), &when[1]);
	kgo_timer_reset(t, 3 * HOUR);
	kgo_sleep(HOUR);
	kgo_timer_reset(t, 3 * HOUR);
	kgo_chan_recv(kgo_timer_c(t), &when[2]);
	when[3] = kgo_now();
	kgo_timer_free(t);
}

GO_TEST(a_timer_says_when_it_was_due)
{
	unsigned long long when[4] = { POISON, POISON, POISON, POISON };

	EXPECT_EQ(0, kgo_synctest_run(timer_body, when));
	EXPECT_EQ(BEGIN + HOUR, when[0]);
	EXPECT_EQ(BEGIN + 4 * HOUR, when[1]);
	EXPECT_EQ(BEGIN + 8 * HOUR, when[2]);
	EXPECT_EQ(BEGIN + 8 * HOUR, when[3]);
}

/* TestCond, TestWaitGroup */
struct bell {
	struct kgo_mutex mu;
	struct kgo_cond cond;
	struct kgo_wg wg;
	unsigned long long at[3];
	int heard;
};

static void rings(void *arg)
{
	struct bell *b = arg;

	kgo_sleep(HOUR);
	kgo_mutex_lock(&b->mu);
	kgo_cond_signal(&b->cond);
	kgo_mutex_unlock(&b->mu);
	kgo_sleep(HOUR);
	kgo_mutex_lock(&b->mu);
	kgo_cond_broadcast(&b->cond);
	kgo_mutex_unlock(&b->mu);
	kgo_sleep(HOUR);
}

static void hears(void *arg)
{
	struct bell *b = arg;

	kgo_mutex_lock(&b->mu);
	kgo_cond_wait(&b->cond, &b->mu);
	b->heard++;
	kgo_mutex_unlock(&b->mu);
}

static void bell_body(void *arg)
{
	struct bell *b = arg;

	if (kgo_wg_go(&b->wg, rings, b))
		abort();
	hears(b);
	b->at[0] = kgo_now();
	if (kgo_go(hears, b))
		abort();
	hears(b);
	kgo_synctest_wait();
	b->at[1] = kgo_now();
	kgo_wg_wait(&b->wg);
	b->at[2] = kgo_now();
}

GO_TEST(conds_and_waitgroups_wake_at_the_time_of_who_wakes_them)
{
	struct bell b = { .at = { POISON, POISON, POISON } };

	EXPECT_EQ(0, kgo_synctest_run(bell_body, &b));
	EXPECT_EQ(3, b.heard);
	EXPECT_EQ(BEGIN + HOUR, b.at[0]);
	EXPECT_EQ(BEGIN + 2 * HOUR, b.at[1]);
	EXPECT_EQ(BEGIN + 3 * HOUR, b.at[2]);
}

TEST_HARNESS_MAIN
