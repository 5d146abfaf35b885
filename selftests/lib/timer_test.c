// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Timers, functions that run after a while, tickers: what Go's tests of
 * package time pin down for Go 1.23 and later.
 */
#include "lib_test.h"

#define HOUR	(3600LL * 1000000000LL)

static int count;
static unsigned long long ran_in;

static void count_one(void *arg)
{
	STORE(ran_in, kgo_goid());
	ADD(*(int *)arg, 1);
}

GO_TEST(a_timer_sends_the_time_once)
{
	unsigned long long before = (unsigned long long)now_ns(), v = 0;
	struct kgo_timer *t = kgo_timer_new(5 * MS);

	EXPECT_EQ(1, kgo_chan_recv(kgo_timer_c(t), &v));
	EXPECT_LE(before + 5 * MS, v);
	EXPECT_LE(v, (unsigned long long)now_ns());
	EXPECT_EQ(-ETIMEDOUT, kgo_chan_recv_timeout(kgo_timer_c(t), &v, 10 * MS));
	EXPECT_FALSE(kgo_timer_stop(t));
	EXPECT_EQ(0, kgo_timer_free(t));
}

GO_TEST(no_time_and_negative_time_fire_at_once)
{
	static const long long ns[] = { 0, -1, INT64_MIN };
	unsigned long long v;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ns); i++) {
		struct kgo_timer *t = kgo_timer_new(ns[i]);

		EXPECT_EQ(1, kgo_chan_recv(kgo_timer_c(t), &v));
		EXPECT_EQ(0, kgo_timer_reset(t, ns[i]));
		EXPECT_EQ(1, kgo_chan_recv(kgo_timer_c(t), &v));
		EXPECT_EQ(0, kgo_timer_free(t));
	}
}

/* However far it is, it neither fires nor keeps others from it. */
GO_TEST(the_longest_time_does_not_overflow)
{
	struct kgo_timer *far = kgo_timer_new(INT64_MAX);
	struct kgo_timer *farther = kgo_timer_new(INT64_MAX - 1);
	struct kgo_timer f;
	unsigned long long v;
	int i;

	EXPECT_EQ(0, kgo_after_func(&f, INT64_MAX, count_one, &count));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, kgo_sleep(2 * MS));
		EXPECT_EQ(-EAGAIN, kgo_chan_try_recv(kgo_timer_c(far), &v));
		EXPECT_EQ(-EAGAIN, kgo_chan_try_recv(kgo_timer_c(farther), &v));
	}
	EXPECT_EQ(1, kgo_timer_reset(far, MS));
	EXPECT_EQ(1, kgo_chan_recv(kgo_timer_c(far), &v));
	EXPECT_TRUE(kgo_timer_stop(&f));
	EXPECT_TRUE(kgo_timer_stop(farther));
	EXPECT_EQ(0, kgo_timer_free(far));
	EXPECT_EQ(0, kgo_timer_free(farther));
	EXPECT_EQ(0, LOAD(count));
}

/* Pending, stopped, fired and not received, fired and received. */
GO_TEST(what_stop_returns)
{
	struct kgo_timer *t = kgo_timer_new(HOUR);
	unsigned long long v;

	EXPECT_TRUE(kgo_timer_stop(t));
	EXPECT_FALSE(kgo_timer_stop(t));
	EXPECT_EQ(0, kgo_timer_reset(t, 0));
	yield_until(kgo_chan_len(kgo_timer_c(t)) == 1);
	EXPECT_TRUE(kgo_timer_stop(t));
	EXPECT_EQ(-EAGAIN, kgo_chan_try_recv(kgo_timer_c(t), &v));
	EXPECT_FALSE(kgo_timer_stop(t));
	EXPECT_EQ(0, kgo_timer_reset(t, 0));
	EXPECT_EQ(1, kgo_chan_recv(kgo_timer_c(t), &v));
	EXPECT_FALSE(kgo_timer_stop(t));
	EXPECT_EQ(0, kgo_timer_free(t));
}

GO_TEST(what_reset_returns)
{
	struct kgo_timer *t = kgo_timer_new(HOUR);
	struct kgo_chan *c = kgo_timer_c(t);
	unsigned long long v, since;

	EXPECT_EQ(1, kgo_timer_reset(t, HOUR));
	EXPECT_EQ(1, kgo_timer_reset(t, 0));
	yield_until(kgo_chan_len(c) == 1);
	/* It has fired, but nobody will ever see that. */
	since = (unsigned long long)now_ns();
	EXPECT_EQ(1, kgo_timer_reset(t, 5 * MS));
	EXPECT_EQ(1, kgo_chan_recv(c, &v));
	EXPECT_LE(since + 5 * MS, v);
	EXPECT_EQ(0, kgo_timer_reset(t, HOUR));
	EXPECT_EQ(c, kgo_timer_c(t));
	EXPECT_TRUE(kgo_timer_stop(t));
	EXPECT_EQ(0, kgo_timer_reset(t, HOUR));
	EXPECT_EQ(0, kgo_timer_free(t));
}

/* Later and earlier than it was, in the same heap. */
GO_TEST_PS(reset_moves_a_timer_both_ways, 1)
{
	enum { N = 200 };
	static struct kgo_timer t[N];
	static int fired[N];
	int i;

	for (i = 0; i < N; i++)
		EXPECT_EQ(0, kgo_after_func(&t[i], HOUR + i % 17, count_one, &fired[i]));
	for (i = 0; i < N; i++)
		EXPECT_EQ(1, kgo_timer_reset(&t[i], i % 3 ? HOUR * (1 + i % 7) : 0));
	for (i = 0; i < N; i += 3)
		yield_until(LOAD(fired[i]));
	yield_until(kgo_num_goroutine() == 1);
	for (i = 0; i < N; i++) {
		EXPECT_EQ(i % 3 == 0, fired[i]);
		EXPECT_EQ(i % 3 != 0, kgo_timer_stop(&t[i]));
	}
}

GO_TEST(after_func_runs_in_a_goroutine_of_its_own)
{
	struct kgo_timer t;

	memset(&t, 0xa5, sizeof(t));
	EXPECT_EQ(0, kgo_after_func(&t, 2 * MS, count_one, &count));
	EXPECT_EQ(NULL, kgo_timer_c(&t));
	EXPECT_EQ(0, LOAD(count));
	yield_until(LOAD(count));
	EXPECT_NE(0, LOAD(ran_in));
	EXPECT_NE(kgo_goid(), LOAD(ran_in));
	EXPECT_FALSE(kgo_timer_stop(&t));
	EXPECT_EQ(-EINVAL, kgo_timer_free(&t));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(1, LOAD(count));
	EXPECT_EQ(-EINVAL, kgo_after_func(&t, 0, NULL, NULL));
}

GO_TEST(after_func_stopped_does_not_run)
{
	struct kgo_timer far, near;

	EXPECT_EQ(0, kgo_after_func(&near, 20 * MS, count_one, &count));
	EXPECT_EQ(0, kgo_after_func(&far, HOUR, count_one, &count));
	/* A machine that stands still may be too late for this one. */
	if (!kgo_timer_stop(&near)) {
		yield_until(LOAD(count));
		STORE(count, 0);
	}
	EXPECT_TRUE(kgo_timer_stop(&far));
	EXPECT_FALSE(kgo_timer_stop(&far));
	EXPECT_EQ(0, kgo_sleep(25 * MS));
	EXPECT_EQ(0, LOAD(count));
}

/* Each time that it fires, it starts itself again. */
static struct kgo_timer again;

static void run_again(void *arg)
{
	int *n = arg;

	if (ADD(*n, 1) < 20 && kgo_timer_reset(&again, 10000) < 0)
		STORE(*n, -1000);
}

GO_TEST(after_func_can_reset_its_own_timer)
{
	EXPECT_EQ(0, kgo_after_func(&again, 0, run_again, &count));
	yield_until(LOAD(count) >= 20 || LOAD(count) < 0);
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(20, LOAD(count));
	EXPECT_FALSE(kgo_timer_stop(&again));
}

static void recv_from(void *arg)
{
	unsigned long long v;

	ADD(count, kgo_chan_recv(kgo_timer_c(arg), &v));
}

/* Stop wakes nobody; a receiver waits on, for the next start. */
GO_TEST(a_receiver_outlasts_a_stop)
{
	struct kgo_timer *t = kgo_timer_new(HOUR);

	EXPECT_EQ(0, kgo_go(recv_from, t));
	yield_until(waiting("chan receive") == 1);
	EXPECT_TRUE(kgo_timer_stop(t));
	EXPECT_EQ(-EBUSY, kgo_timer_free(t));
	EXPECT_EQ(1, waiting("chan receive"));
	EXPECT_EQ(0, kgo_timer_reset(t, 0));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(1, LOAD(count));
	EXPECT_EQ(0, kgo_timer_free(t));
	EXPECT_EQ(0, kgo_timer_free(NULL));
}

static struct kgo_timer *left_behind;

static void leave_timers(void *arg UNUSED)
{
	static struct kgo_timer f;

	left_behind = kgo_timer_new(5 * MS);
	kgo_after_func(&f, 5 * MS, count_one, &count);
}

GO_TEST(timers_outlive_the_goroutine_that_made_them)
{
	unsigned long long v;

	EXPECT_EQ(0, kgo_go(leave_timers, NULL));
	yield_until(kgo_num_goroutine() == 1 && LOAD(left_behind));
	EXPECT_EQ(1, kgo_chan_recv(kgo_timer_c(left_behind), &v));
	yield_until(LOAD(count) == 1);
	EXPECT_EQ(0, kgo_timer_free(left_behind));
}

/*
 * Go's TestTimerStopStress, and then some: the memory of a timer goes at once,
 * whether it was stopped in time or not.
 */
struct own {
	struct kgo_timer t;
	int refs;
};

static int own_ran, own_stopped, own_bad;

static void own_put(struct own *o)
{
	if (!ADD(o->refs, -1)) {
		memset(o, 0xdd, sizeof(*o));
		free(o);
	}
}

static void own_run(void *arg)
{
	ADD(own_ran, 1);
	own_put(arg);
}

static void own_many(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg, i;

	for (i = 0; i < 200; i++) {
		struct own *o = malloc(sizeof(*o));

		o->refs = 2;
		seed = seed * 1664525 + 1013904223;
		if (kgo_after_func(&o->t, seed >> 16 & 0xffff, own_run, o))
			ADD(own_bad, 1);
		if (seed & 1)
			kgo_yield();
		else if (seed & 2)
			kgo_sleep(seed & 0xffff);
		if (kgo_timer_stop(&o->t)) {
			ADD(own_stopped, 1);
			own_put(o);
		}
		own_put(o);
	}
}

GO_TEST(stopped_and_freed_while_they_fire)
{
	uintptr_t n = MANY(100), i;

	for (i = 0; i < n; i++)
		EXPECT_EQ(0, kgo_go(own_many, (void *)i));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ((int)n * 200, own_ran + own_stopped);
	EXPECT_EQ(0, own_bad);
}

/*
 * All reset, stop and receive from the same timers.  Each start ends in one
 * way: received, or stopped by a stop or another reset.
 */
enum { SHARED = 4 };
static struct kgo_timer *shared[SHARED];
static int started[SHARED], ended[SHARED];

static void meddle(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg, i, k;
	unsigned long long v;
	int ret;

	for (i = 0; i < 500; i++) {
		seed = seed * 1664525 + 1013904223;
		k = seed >> 24 & (SHARED - 1);
		switch (seed >> 28 & 3) {
		case 0:
			ADD(ended[k], kgo_timer_stop(shared[k]));
			break;
		case 1:
			ret = kgo_chan_try_recv(kgo_timer_c(shared[k]), &v);
			ADD(ended[k], ret == 1);
			break;
		case 2:
			ret = kgo_chan_recv_timeout(kgo_timer_c(shared[k]), &v, 1000);
			ADD(ended[k], ret == 1);
			break;
		default:
			ADD(started[k], 1);
			ret = kgo_timer_reset(shared[k], seed >> 8 & 0xfff);
			ADD(ended[k], ret);
		}
	}
}

GO_TEST(every_start_has_one_end)
{
	uintptr_t i;
	int k;

	for (k = 0; k < SHARED; k++) {
		started[k] = 1;
		shared[k] = kgo_timer_new(1000);
	}
	for (i = 1; i <= (uintptr_t)MANY(100); i++)
		EXPECT_EQ(0, kgo_go(meddle, (void *)(i * 2654435761)));
	yield_until(kgo_num_goroutine() == 1);
	for (k = 0; k < SHARED; k++) {
		ended[k] += kgo_timer_stop(shared[k]);
		EXPECT_EQ(started[k], ended[k]);
		EXPECT_EQ(0, kgo_timer_free(shared[k]));
	}
}

GO_TEST(very_many_timers)
{
	int n = MANY(200000), i, stopped = 0;
	struct kgo_timer *t = malloc((size_t)n * sizeof(*t));

	for (i = 0; i < n; i++)
		EXPECT_EQ(0, kgo_after_func(&t[i], i % 10 ? HOUR + i * 7919LL % 1000003 :
					    i * 100, count_one, &count));
	for (i = 0; i < n; i++)
		stopped += kgo_timer_stop(&t[i * 7919LL % n]);
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(n, LOAD(count) + stopped);
	EXPECT_LE(n - (n + 9) / 10, stopped);
	free(t);
}

static int stop_hogs;

static void hog(void *arg UNUSED)
{
	while (!LOAD(stop_hogs))
		kgo_yield();
}

GO_TEST(timers_fire_among_hogs)
{
	struct kgo_timer *t;
	struct kgo_timer f;
	unsigned long long v;
	int i;

	for (i = 0; i < 8; i++)
		EXPECT_EQ(0, kgo_go(hog, NULL));
	t = kgo_timer_new(3 * MS);
	EXPECT_EQ(0, kgo_after_func(&f, 3 * MS, count_one, &count));
	EXPECT_EQ(1, kgo_chan_recv(kgo_timer_c(t), &v));
	yield_until(LOAD(count) == 1);
	STORE(stop_hogs, 1);
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(0, kgo_timer_free(t));
}

/* It computes on and never enters the runtime: another P sees to the timer. */
GO_TEST_PS(a_timer_fires_though_who_started_it_computes, 2)
{
	struct kgo_timer f;
	int i;

	for (i = 0; i < 5; i++) {
		STORE(count, 0);
		EXPECT_EQ(0, kgo_after_func(&f, i * MS, count_one, &count));
		while (!LOAD(count))
			;
	}
	yield_until(kgo_num_goroutine() == 1);
}

GO_TEST(a_ticker_ticks_until_it_is_stopped)
{
	struct kgo_ticker *t = kgo_ticker_new(MS / 2);
	unsigned long long before = (unsigned long long)now_ns(), v, last = 0;
	int i;

	for (i = 0; i < 10; i++) {
		EXPECT_EQ(1, kgo_chan_recv(kgo_ticker_c(t), &v));
		EXPECT_LT(last, v);
		last = v;
	}
	EXPECT_LE(before + 10 * MS / 2, v);
	kgo_ticker_stop(t);
	EXPECT_EQ(-ETIMEDOUT, kgo_chan_recv_timeout(kgo_ticker_c(t), &v, 5 * MS));
	kgo_ticker_stop(t);
	EXPECT_EQ(0, kgo_ticker_free(t));
	EXPECT_EQ(0, kgo_ticker_free(NULL));
}

/* What was missed is dropped: the next tick is one of now. */
GO_TEST(a_ticker_drops_ticks_for_a_slow_receiver)
{
	struct kgo_ticker *t = kgo_ticker_new(MS);
	unsigned long long first, second, now;

	yield_until(kgo_chan_len(kgo_ticker_c(t)) == 1);
	EXPECT_EQ(0, kgo_sleep(20 * MS));
	EXPECT_EQ(1, kgo_chan_len(kgo_ticker_c(t)));
	now = (unsigned long long)now_ns();
	EXPECT_EQ(1, kgo_chan_recv(kgo_ticker_c(t), &first));
	EXPECT_LT(first, now);
	EXPECT_EQ(1, kgo_chan_recv(kgo_ticker_c(t), &second));
	EXPECT_LE(now, second);
	EXPECT_EQ(0, kgo_ticker_free(t));
}

GO_TEST(a_ticker_can_be_reset)
{
	struct kgo_ticker *t = kgo_ticker_new(HOUR);
	unsigned long long v, since;

	EXPECT_EQ(-ETIMEDOUT, kgo_chan_recv_timeout(kgo_ticker_c(t), &v, MS));
	since = (unsigned long long)now_ns();
	EXPECT_EQ(0, kgo_ticker_reset(t, 2 * MS));
	EXPECT_EQ(1, kgo_chan_recv(kgo_ticker_c(t), &v));
	EXPECT_LE(since + 2 * MS, v);
	EXPECT_EQ(1, kgo_chan_recv(kgo_ticker_c(t), &v));
	EXPECT_LE(since + 4 * MS, v);
	/* No tick of the old period is left. */
	yield_until(kgo_chan_len(kgo_ticker_c(t)) == 1);
	EXPECT_EQ(0, kgo_ticker_reset(t, HOUR));
	EXPECT_EQ(-EAGAIN, kgo_chan_try_recv(kgo_ticker_c(t), &v));
	kgo_ticker_stop(t);
	EXPECT_EQ(0, kgo_ticker_reset(t, MS));
	EXPECT_EQ(1, kgo_chan_recv(kgo_ticker_c(t), &v));
	EXPECT_EQ(0, kgo_ticker_reset(t, INT64_MAX));
	EXPECT_EQ(-ETIMEDOUT, kgo_chan_recv_timeout(kgo_ticker_c(t), &v, 2 * MS));
	EXPECT_EQ(0, kgo_ticker_free(t));
}

static struct kgo_timer zeroes;

static int misuse(void *arg)
{
	switch (*(const char *)arg) {
	case 'S':
		kgo_timer_stop(&zeroes);
		break;
	case 'R':
		kgo_timer_reset(&zeroes, 1);
		break;
	case 'N':
		kgo_ticker_new(0);
		break;
	case 'T':
		kgo_ticker_reset(kgo_ticker_new(HOUR), -1);
		break;
	}
	return 0;
}

TEST(misuse_panics)
{
	static const struct { const char *how, *words; } m[] = {
		{ "S", "time: Stop called on uninitialized Timer" },
		{ "R", "time: Reset called on uninitialized Timer" },
		{ "N", "non-positive interval for NewTicker" },
		{ "T", "non-positive interval for Ticker.Reset" },
	};
	struct ended e;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(m); i++) {
		run_child(&e, misuse, (void *)m[i].how);
		EXPECT_PANIC(e, m[i].words);
	}
}

TEST_HARNESS_MAIN
