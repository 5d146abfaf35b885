// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Functions that run when a context is done.
 */
#include "context_test.h"

GO_TEST(after_func_runs_once_when_cancelled)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	struct kgo_ctx *value = kgo_ctx_with_value(ctx, &key1, NULL);
	struct kgo_ctx_after *a = kgo_ctx_after_func(ctx, count_one, NULL);
	struct kgo_ctx_after *b = kgo_ctx_after_func(value, count_one, NULL);

	kgo_yield();
	EXPECT_EQ(0, LOAD(count));
	kgo_ctx_cancel(ctx, 0);
	kgo_ctx_cancel(ctx, 0);
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(2, LOAD(count));
	EXPECT_FALSE(kgo_ctx_after_stop(a));
	kgo_ctx_after_put(b);
	kgo_ctx_put(value);
	kgo_ctx_put(ctx);
	EXPECT_EQ(2, LOAD(count));
	kgo_ctx_after_put(NULL);
}

GO_TEST(after_func_stopped_does_not_run)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	struct kgo_ctx_after *a = kgo_ctx_after_func(ctx, count_one, NULL);
	struct kgo_ctx_after *b = kgo_ctx_after_func(ctx, count_one, NULL);

	EXPECT_TRUE(kgo_ctx_after_stop(a));
	finish(ctx);
	/* The handle keeps what it needs of the context. */
	EXPECT_FALSE(kgo_ctx_after_stop(b));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(1, LOAD(count));
}

GO_TEST(after_func_of_a_cancelled_context_runs_at_once)
{
	struct kgo_ctx *ctx = kgo_ctx_with_timeout(kgo_ctx_background(), 0);
	struct kgo_ctx_after *a = kgo_ctx_after_func(ctx, count_one, NULL);

	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(1, LOAD(count));
	EXPECT_FALSE(kgo_ctx_after_stop(a));
	kgo_ctx_put(ctx);
}

GO_TEST(after_func_of_the_background_never_runs)
{
	struct kgo_ctx_after *a = kgo_ctx_after_func(kgo_ctx_background(), count_one, NULL);

	EXPECT_TRUE(kgo_ctx_after_stop(a));
	a = kgo_ctx_after_func(kgo_ctx_background(), count_one, NULL);
	kgo_ctx_after_put(a);
	kgo_yield();
	EXPECT_EQ(1, kgo_num_goroutine());
	EXPECT_EQ(0, LOAD(count));
}

GO_TEST(after_func_runs_when_the_time_is_up)
{
	struct kgo_ctx *ctx = kgo_ctx_with_timeout(kgo_ctx_background(), 1000000);
	struct kgo_ctx *below = kgo_ctx_with_cancel(ctx);
	struct kgo_ctx_after *a = kgo_ctx_after_func(below, count_one, NULL);

	yield_until(LOAD(count) == 1);
	EXPECT_CANCELED(below, -ETIMEDOUT, -ETIMEDOUT);
	EXPECT_FALSE(kgo_ctx_after_stop(a));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(1, LOAD(count));
	kgo_ctx_put(below);
	kgo_ctx_put(ctx);
}

static void wait_then_count(void *arg)
{
	int v;

	kgo_chan_recv(arg, &v);
	ADD(count, 1);
}

GO_TEST(neither_cancel_nor_stop_waits_for_what_after_func_runs)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(int), 0);
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	struct kgo_ctx_after *a = kgo_ctx_after_func(ctx, wait_then_count, c);
	int v = 1;

	EXPECT_EQ(1, kgo_ctx_cancel(ctx, 0));
	EXPECT_EQ(0, LOAD(count));
	yield_until(waiting("chan receive") == 1);
	EXPECT_FALSE(kgo_ctx_after_stop(a));
	EXPECT_EQ(0, LOAD(count));
	EXPECT_EQ(0, kgo_chan_send(c, &v));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(1, LOAD(count));
	kgo_ctx_put(ctx);
	kgo_chan_free(c);
}

/* It may use the context that it was registered for, and block. */
static void cancel_another(void *arg)
{
	struct kgo_ctx **c = arg;

	if (kgo_ctx_err(c[0]) == -ECANCELED)
		kgo_ctx_cancel(c[1], kgo_ctx_cause(c[0]));
}

GO_TEST(after_func_can_cancel_another_tree)
{
	struct kgo_ctx *c[] = { kgo_ctx_with_cancel(kgo_ctx_background()),
				kgo_ctx_with_cancel(kgo_ctx_background()) };
	struct kgo_ctx_after *a = kgo_ctx_after_func(c[0], cancel_another, c);

	kgo_ctx_cancel(c[0], -EIO);
	EXPECT_EQ(0, kgo_chan_recv(kgo_ctx_done(c[1]), NULL));
	EXPECT_CANCELED(c[1], -ECANCELED, -EIO);
	EXPECT_FALSE(kgo_ctx_after_stop(a));
	yield_until(kgo_num_goroutine() == 1);
	kgo_ctx_put(c[0]);
	kgo_ctx_put(c[1]);
}

/*
 * Two trees that cancel each other, from both sides at one time.
 */
static void cancel_it(void *arg)
{
	kgo_ctx_cancel(arg, 0);
}

GO_TEST(interlocked_cancels)
{
	int i;

	for (i = 0; i < MANY(2000); i++) {
		struct kgo_ctx *a = kgo_ctx_with_cancel(kgo_ctx_background());
		struct kgo_ctx *b = kgo_ctx_with_cancel(kgo_ctx_background());
		struct kgo_ctx *below = kgo_ctx_with_cancel(a);
		struct kgo_ctx_after *aa = kgo_ctx_after_func(below, cancel_it, b);
		struct kgo_ctx_after *bb = kgo_ctx_after_func(b, cancel_it, a);

		EXPECT_EQ(0, kgo_go(cancel_it, a));
		EXPECT_EQ(0, kgo_go(cancel_it, b));
		EXPECT_EQ(0, kgo_go(cancel_it, below));
		yield_until(kgo_num_goroutine() == 1);
		EXPECT_CANCELED(a, -ECANCELED, -ECANCELED);
		EXPECT_CANCELED(b, -ECANCELED, -ECANCELED);
		EXPECT_CANCELED(below, -ECANCELED, -ECANCELED);
		kgo_ctx_after_put(aa);
		EXPECT_FALSE(kgo_ctx_after_stop(bb));
		kgo_ctx_put(a);
		kgo_ctx_put(below);
		kgo_ctx_put(b);
	}
	EXPECT_EQ(0, kgo_ctx_lost());
}

/* Every node of a tree at one time: a cancel meets those that come down. */
GO_TEST(simultaneous_cancels)
{
	struct kgo_ctx *c[15];
	int i, k;

	for (i = 0; i < MANY(500); i++) {
		c[0] = kgo_ctx_with_cancel(kgo_ctx_background());
		for (k = 1; k < 15; k++)
			c[k] = kgo_ctx_with_cancel(c[(k - 1) / 2]);
		for (k = 14; k >= 0; k--)
			EXPECT_EQ(0, kgo_go(cancel_it, c[k]));
		for (k = 0; k < 15; k++)
			EXPECT_EQ(0, kgo_chan_recv(kgo_ctx_done(c[k]), NULL));
		yield_until(kgo_num_goroutine() == 1);
		for (k = 0; k < 15; k++) {
			EXPECT_CANCELED(c[k], -ECANCELED, -ECANCELED);
			kgo_ctx_put(c[k]);
		}
	}
	EXPECT_EQ(0, kgo_ctx_lost());
}

TEST_HARNESS_MAIN
