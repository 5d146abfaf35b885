// SPDX-License-Identifier: GPL-2.0
/*
 * The weighted semaphore, between goroutines of the kernel.
 */
#include "test.h"

struct shared {
	struct kgo_semaphore sem;
	struct kgo_wg wg;
	struct kgo_ctx *ctx;
	atomic_t inside;
	atomic_t crowded;
	int ret;
};

static void use_two(void *arg)
{
	struct shared *s = arg;
	u32 i;

	for (i = 0; i < 50; i++) {
		kgo_semaphore_acquire(&s->sem, NULL, 2);
		if (atomic_add_return(2, &s->inside) > 5)
			atomic_inc(&s->crowded);
		if (i % 8 == 0)
			kgo_sleep(NSEC_PER_USEC);
		atomic_sub(2, &s->inside);
		kgo_semaphore_release(&s->sem, 2);
	}
}

KGO_TEST(no_more_than_its_size_is_in_use)
{
	struct shared s = { .sem = KGO_SEMAPHORE_INIT(5) };
	u32 i;

	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test, kgo_wg_go(&s.wg, use_two, &s), 0);
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.crowded), 0);
	KUNIT_EXPECT_EQ(test, s.sem.used, 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static void acquire_with_ctx(void *arg)
{
	struct shared *s = arg;

	s->ret = kgo_semaphore_acquire(&s->sem, s->ctx, 1);
}

KGO_TEST(wait_ends_with_its_context)
{
	struct shared s = { .sem = KGO_SEMAPHORE_INIT(1), .ret = 99 };

	s.ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	KUNIT_EXPECT_TRUE(test, kgo_semaphore_try_acquire(&s.sem, 1));
	KUNIT_EXPECT_EQ(test, kgo_wg_go(&s.wg, acquire_with_ctx, &s), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(1, KGO_WAIT_SEMAPHORE));
	kgo_ctx_cancel(s.ctx, 0);
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_EQ(test, s.ret, -ECANCELED);
	KUNIT_EXPECT_EQ(test, s.sem.used, 1);
	kgo_semaphore_release(&s.sem, 1);
	kgo_ctx_put(s.ctx);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static void take_all(void *arg)
{
	struct shared *s = arg;

	s->ret = kgo_semaphore_acquire(&s->sem, NULL, 3);
}

static void take_one(void *arg)
{
	struct shared *s = arg;

	kgo_semaphore_acquire(&s->sem, NULL, 1);
	atomic_inc(&s->inside);
}

KGO_TEST(who_asks_for_much_is_not_overtaken)
{
	struct shared s = { .sem = KGO_SEMAPHORE_INIT(3), .ret = 99 };

	KUNIT_EXPECT_TRUE(test, kgo_semaphore_try_acquire(&s.sem, 1));
	KUNIT_EXPECT_EQ(test, kgo_wg_go(&s.wg, take_all, &s), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(1, KGO_WAIT_SEMAPHORE));
	/* There are two left, and nobody gets one. */
	KUNIT_EXPECT_FALSE(test, kgo_semaphore_try_acquire(&s.sem, 1));
	KUNIT_EXPECT_EQ(test, kgo_wg_go(&s.wg, take_one, &s), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(2, KGO_WAIT_SEMAPHORE));
	kgo_semaphore_release(&s.sem, 1);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(1, KGO_WAIT_SEMAPHORE));
	KUNIT_EXPECT_EQ(test, s.sem.used, 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.inside), 0);
	kgo_semaphore_release(&s.sem, 3);
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_EQ(test, s.ret, 0);
	KUNIT_EXPECT_EQ(test, s.sem.used, 1);
	/* More than there will ever be: until the context ends. */
	s.ctx = kgo_ctx_with_timeout(kgo_ctx_background(), NSEC_PER_MSEC);
	KUNIT_EXPECT_EQ(test, kgo_semaphore_acquire(&s.sem, s.ctx, 4), -ETIMEDOUT);
	kgo_ctx_put(s.ctx);
	KUNIT_EXPECT_TRUE(test, kgo_semaphore_try_acquire(&s.sem, 2));
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static struct kunit_case semaphore_cases[] = {
	KUNIT_CASE(no_more_than_its_size_is_in_use),
	KUNIT_CASE(wait_ends_with_its_context),
	KUNIT_CASE(who_asks_for_much_is_not_overtaken),
	{}
};

static struct kunit_suite semaphore_suite = {
	.name = "kgo_semaphore",
	.test_cases = semaphore_cases,
};

kunit_test_suite(semaphore_suite);
