// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The weighted semaphore: bound, order, and waits that are given up.
 */
#include "lib_test.h"

#define WAIT	"semaphore.Weighted.Acquire"

struct shared {
	struct kgo_semaphore s;
	struct kgo_wg wg;
	struct kgo_ctx *ctx;
	long long size, inside;
	int rounds, order, wrong, got, gave_up;
};

struct who {
	struct shared *s;
	long long n;
	int at;
	int ret;
};

GO_TEST(it_gives_what_is_free)
{
	struct kgo_semaphore s = KGO_SEMAPHORE_INIT(4);

	EXPECT_EQ(0, kgo_semaphore_acquire(&s, NULL, 1));
	EXPECT_EQ(0, kgo_semaphore_acquire(&s, kgo_ctx_background(), 1));
	EXPECT_TRUE(kgo_semaphore_try_acquire(&s, 2));
	EXPECT_FALSE(kgo_semaphore_try_acquire(&s, 1));
	EXPECT_TRUE(kgo_semaphore_try_acquire(&s, 0));
	kgo_semaphore_release(&s, 1);
	EXPECT_FALSE(kgo_semaphore_try_acquire(&s, 2));
	EXPECT_TRUE(kgo_semaphore_try_acquire(&s, 1));
	kgo_semaphore_release(&s, 4);
	EXPECT_EQ(0, s.used);
	EXPECT_FALSE(kgo_semaphore_try_acquire(&s, 5));
	EXPECT_FALSE(kgo_semaphore_try_acquire(&s, -1));
	EXPECT_EQ(-EINVAL, kgo_semaphore_acquire(&s, NULL, -1));
	EXPECT_EQ(0, s.used);
}

static void hammer(void *arg)
{
	struct who *w = arg;
	struct shared *s = w->s;
	long long inside;
	int i;

	for (i = 0; i < s->rounds; i++) {
		if (kgo_semaphore_acquire(&s->s, i % 3 ? NULL : s->ctx, w->n))
			ADD(s->wrong, 1);
		inside = ADD(s->inside, w->n);
		if (inside > s->size)
			ADD(s->wrong, 1);
		if (i % 4 == 0)
			kgo_yield();
		ADD(s->inside, -w->n);
		kgo_semaphore_release(&s->s, w->n);
	}
}

GO_TEST(never_more_than_its_size_is_in_use)
{
	struct shared s = { .size = 7, .rounds = MANY(3000) };
	struct who w[10];
	int i;

	kgo_semaphore_init(&s.s, s.size);
	s.ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	for (i = 0; i < 10; i++) {
		w[i] = (struct who){ .s = &s, .n = 1 + i % 7 };
		EXPECT_EQ(0, kgo_wg_go(&s.wg, hammer, &w[i]));
	}
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(0, s.wrong);
	EXPECT_EQ(0, s.s.used);
	kgo_ctx_cancel(s.ctx, 0);
	kgo_ctx_put(s.ctx);
}

static void acquire(void *arg)
{
	struct who *w = arg;

	w->ret = kgo_semaphore_acquire(&w->s->s, w->s->ctx, w->n);
	w->at = ADD(w->s->order, 1);
	if (!w->ret)
		ADD(w->s->got, 1);
	else
		ADD(w->s->gave_up, 1);
}

GO_TEST(who_asks_for_much_is_not_overtaken)
{
	struct shared s = { 0 };
	struct who big = { .s = &s, .n = 3 }, small = { .s = &s, .n = 1 };

	kgo_semaphore_init(&s.s, 3);
	EXPECT_TRUE(kgo_semaphore_try_acquire(&s.s, 1));
	EXPECT_EQ(0, kgo_wg_go(&s.wg, acquire, &big));
	yield_until(waiting(WAIT) == 1);
	/* There would be enough for it, but not before the other. */
	EXPECT_FALSE(kgo_semaphore_try_acquire(&s.s, 1));
	EXPECT_EQ(0, kgo_wg_go(&s.wg, acquire, &small));
	yield_until(waiting(WAIT) == 2);
	kgo_semaphore_release(&s.s, 1);
	yield_until(LOAD(s.order) == 1);
	EXPECT_EQ(1, waiting(WAIT));
	kgo_semaphore_release(&s.s, 3);
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(1, big.at);
	EXPECT_EQ(2, small.at);
	EXPECT_EQ(1, s.s.used);
}

GO_TEST(one_release_serves_as_many_as_it_can)
{
	struct shared s = { 0 };
	struct who w[5];
	int i;

	kgo_semaphore_init(&s.s, 8);
	EXPECT_TRUE(kgo_semaphore_try_acquire(&s.s, 8));
	for (i = 0; i < 5; i++) {
		w[i] = (struct who){ .s = &s, .n = i == 3 ? 4 : 2 };
		EXPECT_EQ(0, kgo_wg_go(&s.wg, acquire, &w[i]));
		yield_until(waiting(WAIT) == i + 1);
	}
	kgo_semaphore_release(&s.s, 8);
	/* 2 + 2 + 2; then 4, which does not fit, and keeps the last 2 waiting. */
	yield_until(LOAD(s.got) == 3);
	EXPECT_EQ(2, waiting(WAIT));
	kgo_semaphore_release(&s.s, 6);
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(5, s.got);
	EXPECT_EQ(6, s.s.used);
}

GO_TEST(a_wait_ends_with_its_context)
{
	struct shared s = { 0 };
	struct who w = { .s = &s, .n = 1 };

	s.ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	kgo_semaphore_init(&s.s, 1);
	EXPECT_TRUE(kgo_semaphore_try_acquire(&s.s, 1));
	EXPECT_EQ(0, kgo_wg_go(&s.wg, acquire, &w));
	yield_until(waiting(WAIT) == 1);
	kgo_ctx_cancel(s.ctx, -EIO);
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(-ECANCELED, w.ret);
	EXPECT_EQ(1, s.s.used);
	kgo_semaphore_release(&s.s, 1);
	/* Done before: not even what is free. */
	EXPECT_EQ(-ECANCELED, kgo_semaphore_acquire(&s.s, s.ctx, 1));
	EXPECT_EQ(0, s.s.used);
	EXPECT_EQ(0, kgo_semaphore_acquire(&s.s, NULL, 1));
	kgo_ctx_put(s.ctx);
}

GO_TEST(a_wait_ends_at_a_deadline)
{
	struct kgo_semaphore s = KGO_SEMAPHORE_INIT(1);
	struct kgo_ctx *ctx = kgo_ctx_with_timeout(kgo_ctx_background(), MS);

	EXPECT_TRUE(kgo_semaphore_try_acquire(&s, 1));
	EXPECT_EQ(-ETIMEDOUT, kgo_semaphore_acquire(&s, ctx, 1));
	EXPECT_EQ(1, s.used);
	kgo_ctx_cancel(ctx, 0);
	kgo_ctx_put(ctx);
}

GO_TEST(when_the_first_gives_up_the_others_are_served)
{
	struct shared s = { 0 };
	struct who big = { .s = &s, .n = 3 }, small[2];
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	int i;

	kgo_semaphore_init(&s.s, 3);
	EXPECT_TRUE(kgo_semaphore_try_acquire(&s.s, 1));
	s.ctx = ctx;
	EXPECT_EQ(0, kgo_wg_go(&s.wg, acquire, &big));
	yield_until(waiting(WAIT) == 1);
	/* Those behind it wait without a context. */
	s.ctx = NULL;
	for (i = 0; i < 2; i++) {
		small[i] = (struct who){ .s = &s, .n = 1 };
		EXPECT_EQ(0, kgo_wg_go(&s.wg, acquire, &small[i]));
		yield_until(waiting(WAIT) == i + 2);
	}
	kgo_ctx_cancel(ctx, 0);
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(-ECANCELED, big.ret);
	EXPECT_EQ(0, small[0].ret);
	EXPECT_EQ(0, small[1].ret);
	EXPECT_EQ(3, s.s.used);
	kgo_ctx_put(ctx);
}

/* More than there will ever be. */
GO_TEST(a_hopeless_wait_keeps_nobody_out)
{
	struct shared s = { 0 };
	struct who w = { .s = &s, .n = 4 };

	s.ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	kgo_semaphore_init(&s.s, 3);
	EXPECT_EQ(0, kgo_wg_go(&s.wg, acquire, &w));
	yield_until(waiting(WAIT) == 1);
	EXPECT_TRUE(kgo_semaphore_try_acquire(&s.s, 3));
	kgo_semaphore_release(&s.s, 3);
	EXPECT_EQ(1, waiting(WAIT));
	kgo_ctx_cancel(s.ctx, 0);
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(-ECANCELED, w.ret);
	EXPECT_EQ(0, s.s.used);
	kgo_ctx_put(s.ctx);
}

/* Cancel against release: it is one or the other, and nothing is lost. */
GO_TEST(cancel_and_release_race)
{
	int round, rounds = MANY(3000);

	for (round = 0; round < rounds; round++) {
		struct shared s = { 0 };
		struct who w = { .s = &s, .n = 1 };

		s.ctx = kgo_ctx_with_cancel(kgo_ctx_background());
		kgo_semaphore_init(&s.s, 1);
		EXPECT_TRUE(kgo_semaphore_try_acquire(&s.s, 1));
		EXPECT_EQ(0, kgo_wg_go(&s.wg, acquire, &w));
		if (round % 2)
			kgo_yield();
		if (round % 3)
			kgo_semaphore_release(&s.s, 1);
		kgo_ctx_cancel(s.ctx, 0);
		if (round % 3 == 0)
			kgo_semaphore_release(&s.s, 1);
		kgo_wg_wait(&s.wg);
		EXPECT_TRUE(w.ret == 0 || w.ret == -ECANCELED);
		EXPECT_EQ(w.ret ? 0 : 1, s.s.used);
		kgo_ctx_put(s.ctx);
	}
	yield_until(kgo_num_goroutine() == 1);
}

static int release_too_much(void *arg)
{
	struct kgo_semaphore s = KGO_SEMAPHORE_INIT(3);

	kgo_semaphore_try_acquire(&s, 1);
	kgo_semaphore_release(&s, 2);
	return 0;
}

TEST(to_release_more_than_is_held_panics)
{
	struct ended e;

	run_child(&e, release_too_much, NULL);
	EXPECT_PANIC(e, "semaphore: released more than held");
}

TEST_HARNESS_MAIN
