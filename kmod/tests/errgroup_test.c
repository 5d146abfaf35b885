// SPDX-License-Identifier: GPL-2.0
/*
 * Errgroup, between goroutines of the kernel.
 */
#include "test.h"

struct shared {
	struct kgo_errgroup g;
	struct kgo_ctx *ctx;
	atomic_t ran;
	atomic_t inside;
	atomic_t crowded;
};

static int run_in_limit(void *arg)
{
	struct shared *s = arg;

	if (atomic_inc_return(&s->inside) > 3)
		atomic_inc(&s->crowded);
	kgo_sleep(NSEC_PER_USEC);
	atomic_dec(&s->inside);
	atomic_inc(&s->ran);
	return 0;
}

KGO_TEST(limit_bounds_those_that_run)
{
	struct shared s = {};
	u32 i;

	kgo_errgroup_set_limit(&s.g, 3);
	for (i = 0; i < 40; i++)
		KUNIT_EXPECT_EQ(test, kgo_errgroup_go(&s.g, run_in_limit, &s), 0);
	KUNIT_EXPECT_EQ(test, kgo_errgroup_wait(&s.g), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.ran), 40);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.crowded), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static int fail(void *arg)
{
	return -EIO;
}

static int until_cancelled(void *arg)
{
	struct shared *s = arg;

	kgo_chan_recv(kgo_ctx_done(s->ctx), NULL);
	atomic_inc(&s->ran);
	return kgo_ctx_err(s->ctx);
}

KGO_TEST(first_error_cancels_the_others)
{
	struct shared s = {};
	u32 i;

	s.ctx = kgo_errgroup_with_context(&s.g, kgo_ctx_background());
	KUNIT_EXPECT_NOT_NULL(test, s.ctx);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, kgo_errgroup_go(&s.g, until_cancelled, &s), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(4, KGO_WAIT_CHAN_RECEIVE));
	KUNIT_EXPECT_EQ(test, kgo_errgroup_go(&s.g, fail, &s), 0);
	KUNIT_EXPECT_EQ(test, kgo_errgroup_wait(&s.g), -EIO);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.ran), 4);
	KUNIT_EXPECT_EQ(test, kgo_ctx_cause(s.ctx), -EIO);
	kgo_ctx_put(s.ctx);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static void fail_at_last(void *arg, int ret)
{
	struct shared *s = arg;

	if (ret || atomic_inc_return(&s->ran) == 7)
		atomic_add(kgo_errgroup_fail(-EBADMSG), &s->crowded);
}

static int sleep_bare(void *arg)
{
	return kgo_sleep_then(NSEC_PER_USEC, fail_at_last, arg);
}

KGO_TEST(without_a_stack_the_last_function_says_the_error)
{
	const struct kgo_attr bare = { .flags = KGO_ATTR_STACKLESS };
	struct shared s = {};
	u32 i;

	s.ctx = kgo_errgroup_with_context(&s.g, kgo_ctx_background());
	KUNIT_EXPECT_NOT_NULL(test, s.ctx);
	kgo_errgroup_set_limit(&s.g, 5);
	for (i = 0; i < 40; i++)
		KUNIT_EXPECT_EQ(test, kgo_errgroup_go_attr(&s.g, sleep_bare, &s, &bare), 0);
	KUNIT_EXPECT_EQ(test, kgo_errgroup_wait(&s.g), -EBADMSG);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.ran), 40);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.crowded), 0);
	KUNIT_EXPECT_EQ(test, kgo_ctx_cause(s.ctx), -EBADMSG);
	kgo_ctx_put(s.ctx);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

KGO_TEST(wrong_attributes_and_who_is_in_no_group_are_refused)
{
	const struct kgo_attr bad = { .flags = ~0U };
	struct shared s = {};

	kgo_errgroup_set_limit(&s.g, 0);
	KUNIT_EXPECT_EQ(test, kgo_errgroup_go_attr(&s.g, fail, &s, &bad), -EINVAL);
	KUNIT_EXPECT_EQ(test, kgo_errgroup_try_go_attr(&s.g, fail, &s, &bad), -EINVAL);
	KUNIT_EXPECT_EQ(test, kgo_errgroup_try_go_attr(&s.g, fail, &s, NULL), -EBUSY);
	KUNIT_EXPECT_EQ(test, kgo_errgroup_fail(-EIO), -EINVAL);
	KUNIT_EXPECT_EQ(test, kgo_errgroup_wait(&s.g), 0);
}

static struct kunit_case errgroup_cases[] = {
	KUNIT_CASE(limit_bounds_those_that_run),
	KUNIT_CASE(first_error_cancels_the_others),
	KUNIT_CASE(without_a_stack_the_last_function_says_the_error),
	KUNIT_CASE(wrong_attributes_and_who_is_in_no_group_are_refused),
	{}
};

static struct kunit_suite errgroup_suite = {
	.name = "kgo_errgroup",
	.test_cases = errgroup_cases,
};

kunit_test_suite(errgroup_suite);
