// SPDX-License-Identifier: GPL-2.0
/*
 * Timers and tickers in the kernel.
 */
#include "test.h"

#define HOUR_NS		(3600LL * NSEC_PER_SEC)

KGO_TEST(nothing_stale_after_stop_and_reset)
{
	struct kgo_timer *t = kgo_timer_new(0);
	struct kgo_chan *c = kgo_timer_c(t);
	unsigned long long v = 0, since;

	while (!kgo_chan_len(c))
		kgo_yield();
	KUNIT_EXPECT_TRUE(test, kgo_timer_stop(t));
	KUNIT_EXPECT_FALSE(test, kgo_timer_stop(t));
	KUNIT_EXPECT_EQ(test, kgo_chan_try_recv(c, &v), -EAGAIN);
	KUNIT_EXPECT_EQ(test, kgo_timer_reset(t, 0), 0);
	while (!kgo_chan_len(c))
		kgo_yield();
	since = ktime_get_ns();
	KUNIT_EXPECT_EQ(test, kgo_timer_reset(t, NSEC_PER_MSEC), 1);
	KUNIT_EXPECT_EQ(test, kgo_chan_recv(c, &v), 1);
	KUNIT_EXPECT_GE(test, v, since + NSEC_PER_MSEC);
	KUNIT_EXPECT_EQ(test, kgo_timer_free(t), 0);
}

static void count_one(void *arg)
{
	atomic_inc(arg);
}

KGO_TEST(after_func_runs_or_was_stopped)
{
	atomic_t ran = ATOMIC_INIT(0);
	struct kgo_timer t;
	u32 i, stopped = 0;

	for (i = 0; i < 200; i++) {
		KUNIT_EXPECT_EQ(test, kgo_after_func(&t, i * 100, count_one, &ran), 0);
		if (i % 2)
			kgo_yield();
		stopped += kgo_timer_stop(&t);
	}
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, atomic_read(&ran) + stopped, 200);
}

KGO_TEST(a_ticker_ticks)
{
	struct kgo_ticker *t = kgo_ticker_new(NSEC_PER_MSEC);
	unsigned long long v = 0, last = 0;
	u32 i;

	for (i = 0; i < 5; i++) {
		KUNIT_EXPECT_EQ(test, kgo_chan_recv(kgo_ticker_c(t), &v), 1);
		KUNIT_EXPECT_GT(test, v, last);
		last = v;
	}
	KUNIT_EXPECT_EQ(test, kgo_ticker_reset(t, HOUR_NS), 0);
	KUNIT_EXPECT_EQ(test, kgo_chan_try_recv(kgo_ticker_c(t), &v), -EAGAIN);
	KUNIT_EXPECT_EQ(test, kgo_ticker_free(t), 0);
}

static struct kunit_case time_cases[] = {
	KUNIT_CASE(nothing_stale_after_stop_and_reset),
	KUNIT_CASE(after_func_runs_or_was_stopped),
	KUNIT_CASE(a_ticker_ticks),
	{}
};

static struct kunit_suite time_suite = {
	.name = "kgo_time",
	.test_cases = time_cases,
};

kunit_test_suite(time_suite);
