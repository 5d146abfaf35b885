// SPDX-License-Identifier: GPL-2.0
/*
 * Singleflight, between goroutines of the kernel.
 */
#include "test.h"

struct shared {
	struct kgo_flight f;
	struct kgo_wg wg;
	atomic_t calls;
	atomic_t shared;
	atomic_t wrong;
	bool go;
};

static int slow_answer(void *arg, void **val)
{
	struct shared *s = arg;

	atomic_inc(&s->calls);
	while (!READ_ONCE(s->go))
		kgo_sleep(NSEC_PER_USEC);
	*val = s;
	return -EIO;
}

static void want(void *arg)
{
	struct kgo_flight_result res = {};
	struct shared *s = arg;

	if (kgo_flight_do(&s->f, "key", 3, slow_answer, s, &res) != -EIO ||
	    res.val != s)
		atomic_inc(&s->wrong);
	atomic_add(res.shared, &s->shared);
}

KGO_TEST(those_who_come_meanwhile_share_one_call)
{
	struct shared s = {};
	u32 i;

	for (i = 0; i < 6; i++)
		KUNIT_EXPECT_EQ(test, kgo_wg_go(&s.wg, want, &s), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(5, KGO_WAIT_WAITGROUP));
	WRITE_ONCE(s.go, true);
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.calls), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.shared), 6);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.wrong), 0);
	KUNIT_EXPECT_NULL(test, s.f.calls);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

KGO_TEST(result_comes_by_channel)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(struct kgo_flight_result), 1);
	struct kgo_flight_result res = {};
	struct shared s = { .go = true };

	KUNIT_EXPECT_EQ(test, kgo_flight_do_chan(&s.f, "key", 3, slow_answer, &s, c), 0);
	KUNIT_EXPECT_EQ(test, kgo_chan_recv(c, &res), 1);
	KUNIT_EXPECT_EQ(test, res.err, -EIO);
	KUNIT_EXPECT_PTR_EQ(test, res.val, (void *)&s);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, kgo_chan_free(c), 0);
}

static int quick_answer(void *arg, void **val)
{
	struct shared *s = arg;

	atomic_inc(&s->calls);
	*val = &s->wrong;
	return 0;
}

KGO_TEST(what_is_forgotten_is_called_again)
{
	struct kgo_flight_result res = {};
	struct shared s = {};

	KUNIT_EXPECT_EQ(test, kgo_wg_go(&s.wg, want, &s), 0);
	while (!atomic_read(&s.calls))
		kgo_sleep(NSEC_PER_USEC);
	kgo_flight_forget(&s.f, "key", 3);
	KUNIT_EXPECT_EQ(test, kgo_flight_do(&s.f, "key", 3, quick_answer, &s, &res), 0);
	KUNIT_EXPECT_PTR_EQ(test, res.val, (void *)&s.wrong);
	KUNIT_EXPECT_FALSE(test, res.shared);
	WRITE_ONCE(s.go, true);
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.calls), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.wrong), 0);
	KUNIT_EXPECT_NULL(test, s.f.calls);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static struct kunit_case singleflight_cases[] = {
	KUNIT_CASE(those_who_come_meanwhile_share_one_call),
	KUNIT_CASE(result_comes_by_channel),
	KUNIT_CASE(what_is_forgotten_is_called_again),
	{}
};

static struct kunit_suite singleflight_suite = {
	.name = "kgo_singleflight",
	.test_cases = singleflight_cases,
};

kunit_test_suite(singleflight_suite);
