// SPDX-License-Identifier: GPL-2.0
/*
 * Bubbles of kernel goroutines.
 */
#include "test.h"

#define BEGIN	946684800000000000ULL
#define HOUR	(3600 * NSEC_PER_SEC)

struct shared {
	struct kgo_wg wg;
	struct kgo_chan *c;
	u64 begin, woke, received;
	u32 got;
};

static void sleep_an_hour(void *arg)
{
	struct shared *s = arg;
	u32 v = 7;

	kgo_sleep(HOUR);
	s->woke = kgo_now();
	kgo_chan_send(s->c, &v);
}

static void body(void *arg)
{
	struct shared *s = arg;

	s->c = kgo_chan_make(sizeof(u32), 0);
	s->begin = kgo_now();
	kgo_wg_go(&s->wg, sleep_an_hour, s);
	kgo_synctest_wait();
	if (kgo_now() == s->begin && !s->woke)
		kgo_chan_recv(s->c, &s->got);
	s->received = kgo_now();
	kgo_wg_wait(&s->wg);
	kgo_chan_free(s->c);
}

KGO_TEST(an_hour_in_a_bubble_takes_no_time)
{
	struct shared s = {};

	KUNIT_EXPECT_EQ(test, kgo_synctest_run(body, &s), 0);
	KUNIT_EXPECT_EQ(test, s.begin, BEGIN);
	KUNIT_EXPECT_EQ(test, s.woke, BEGIN + HOUR);
	KUNIT_EXPECT_EQ(test, s.received, BEGIN + HOUR);
	KUNIT_EXPECT_EQ(test, s.got, 7);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static struct kunit_case synctest_cases[] = {
	KUNIT_CASE(an_hour_in_a_bubble_takes_no_time),
	{}
};

static struct kunit_suite synctest_suite = {
	.name = "kgo_synctest",
	.test_cases = synctest_cases,
};

kunit_test_suite(synctest_suite);
