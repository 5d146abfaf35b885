// SPDX-License-Identifier: GPL-2.0
/*
 * Contexts in the kernel.
 */
#include "../core/context.h"
#include "test.h"

#define HOUR_NS		(3600LL * NSEC_PER_SEC)

static const char key;

KGO_TEST(parents_cancel_children)
{
	u64 lost = kgo_ctx_lost();
	struct kgo_ctx *top = kgo_ctx_with_cancel(kgo_ctx_background());
	struct kgo_ctx *value = kgo_ctx_with_value(top, &key, test);
	struct kgo_ctx *child = kgo_ctx_with_timeout(value, HOUR_NS);
	struct kgo_ctx *apart = kgo_ctx_without_cancel(child);

	KUNIT_EXPECT_PTR_EQ(test, kgo_ctx_value(apart, &key), (void *)test);
	KUNIT_EXPECT_EQ(test, kgo_chan_try_recv(kgo_ctx_done(child), NULL), -EAGAIN);
	KUNIT_EXPECT_EQ(test, kgo_ctx_cancel(value, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, kgo_ctx_cancel(top, -EIO), 1);
	KUNIT_EXPECT_EQ(test, kgo_ctx_cancel(top, -EPIPE), 0);
	KUNIT_EXPECT_EQ(test, kgo_chan_try_recv(kgo_ctx_done(child), NULL), 0);
	KUNIT_EXPECT_EQ(test, kgo_ctx_err(child), -ECANCELED);
	KUNIT_EXPECT_EQ(test, kgo_ctx_cause(child), -EIO);
	KUNIT_EXPECT_EQ(test, kgo_ctx_err(apart), 0);
	KUNIT_EXPECT_NULL(test, kgo_ctx_done(apart));
	kgo_ctx_put(top);
	kgo_ctx_put(value);
	kgo_ctx_put(child);
	kgo_ctx_put(apart);
	KUNIT_EXPECT_EQ(test, kgo_ctx_lost(), lost);
}

KGO_TEST(a_deadline_cancels)
{
	struct kgo_ctx *ctx = kgo_ctx_with_timeout(kgo_ctx_background(), NSEC_PER_MSEC);

	KUNIT_EXPECT_EQ(test, kgo_chan_recv(kgo_ctx_done(ctx), NULL), 0);
	KUNIT_EXPECT_EQ(test, kgo_ctx_err(ctx), -ETIMEDOUT);
	kgo_ctx_put(ctx);
}

static void count_one(void *arg)
{
	atomic_inc(arg);
}

KGO_TEST(a_lost_cancel_is_counted_and_runs_what_waits_for_it)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	u64 lost = kgo_ctx_lost();
	atomic_t ran = ATOMIC_INIT(0);
	struct kgo_ctx_after *a = kgo_ctx_after_func(ctx, count_one, &ran);
	struct kgo_ctx_after *b = kgo_ctx_after_func(ctx, count_one, &ran);

	KUNIT_EXPECT_TRUE(test, kgo_ctx_after_stop(b));
	kgo_ctx_put(ctx);
	KUNIT_EXPECT_EQ(test, kgo_ctx_lost(), lost + 1);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, atomic_read(&ran), 1);
	KUNIT_EXPECT_FALSE(test, kgo_ctx_after_stop(a));
}

KGO_TEST(after_func_runs_once_or_was_stopped)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	atomic_t ran = ATOMIC_INIT(0);
	struct kgo_ctx_after *a = kgo_ctx_after_func(ctx, count_one, &ran);
	struct kgo_ctx_after *b = kgo_ctx_after_func(ctx, count_one, &ran);

	KUNIT_EXPECT_TRUE(test, kgo_ctx_after_stop(a));
	KUNIT_EXPECT_EQ(test, kgo_ctx_cancel(ctx, 0), 1);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, atomic_read(&ran), 1);
	KUNIT_EXPECT_FALSE(test, kgo_ctx_after_stop(b));
	/* Of one that is cancelled it runs at once. */
	a = kgo_ctx_after_func(ctx, count_one, &ran);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, atomic_read(&ran), 2);
	KUNIT_EXPECT_FALSE(test, kgo_ctx_after_stop(a));
	kgo_ctx_put(ctx);
}

KGO_TEST(the_nearest_value_and_the_earlier_deadline_count)
{
	u64 now = ktime_get_ns();
	unsigned long long when = 0;
	struct kgo_ctx *far = kgo_ctx_with_deadline(kgo_ctx_background(), now + HOUR_NS);
	struct kgo_ctx *outer = kgo_ctx_with_value(far, &key, far);
	struct kgo_ctx *farther = kgo_ctx_with_deadline(outer, now + 2 * HOUR_NS);
	struct kgo_ctx *inner = kgo_ctx_with_value(farther, &key, test);

	KUNIT_EXPECT_TRUE(test, kgo_ctx_deadline(inner, &when));
	KUNIT_EXPECT_EQ(test, when, now + HOUR_NS);
	KUNIT_EXPECT_PTR_EQ(test, kgo_ctx_value(farther, &key), (void *)far);
	KUNIT_EXPECT_PTR_EQ(test, kgo_ctx_value(inner, &key), (void *)test);
	KUNIT_EXPECT_NULL(test, kgo_ctx_value(inner, &when));
	kgo_ctx_put(inner);
	kgo_ctx_cancel(farther, 0);
	kgo_ctx_put(farther);
	/* A child's end is not its parent's. */
	KUNIT_EXPECT_EQ(test, kgo_ctx_err(far), 0);
	kgo_ctx_put(outer);
	kgo_ctx_cancel(far, 0);
	kgo_ctx_put(far);
}

/* Derived and cancelled by many while the parent ends. */
static void derive(void *arg)
{
	struct kgo_ctx *parent = arg, *c;
	u32 i;

	for (i = 0; i < 200; i++) {
		c = i % 2 ? kgo_ctx_with_cancel(parent) :
			    kgo_ctx_with_timeout(parent, i * NSEC_PER_USEC);
		if (!c)
			continue;
		if (i % 16 == 0)
			kgo_yield();
		kgo_ctx_cancel(c, 0);
		kgo_ctx_put(c);
	}
	kgo_ctx_put(parent);
}

KGO_TEST(derived_while_the_parent_is_cancelled)
{
	u64 lost = kgo_ctx_lost();
	struct kgo_ctx *ctx;
	u32 round, i;

	for (round = 0; round < 20; round++) {
		ctx = kgo_ctx_with_cancel(kgo_ctx_background());
		for (i = 0; i < 4; i++)
			KUNIT_EXPECT_EQ(test, kgo_go(derive, kgo_ctx_get(ctx)), 0);
		for (i = 0; i < round; i++)
			kgo_yield();
		KUNIT_EXPECT_EQ(test, kgo_ctx_cancel(ctx, -EIO), 1);
		KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
		KUNIT_EXPECT_EQ(test, kgo_ctx_cause(ctx), -EIO);
		kgo_ctx_put(ctx);
	}
	KUNIT_EXPECT_EQ(test, kgo_ctx_lost(), lost);
}

/* How many rows were made at a line of this file. */
static u32 rows_of(u32 line)
{
	struct kgo_ctx_reader rd;
	struct kgo_ctx_info info;
	u32 n = 0;

	kgo_ctx_read_begin(&rd);
	while (kgo_ctx_read_next(&rd, &info))
		n += info.site && info.site->line == line;
	kgo_ctx_read_end(&rd);
	return n;
}

KGO_TEST(the_table_has_each_once)
{
	struct kgo_ctx *ctx[20];
	u32 i, line;

	for (i = 0; i < ARRAY_SIZE(ctx); i++) {
		line = __LINE__ + 1;
		ctx[i] = kgo_ctx_with_cancel(kgo_ctx_background());
	}
	KUNIT_EXPECT_EQ(test, rows_of(line), ARRAY_SIZE(ctx));
	for (i = 0; i < ARRAY_SIZE(ctx); i++) {
		kgo_ctx_cancel(ctx[i], 0);
		kgo_ctx_put(ctx[i]);
		KUNIT_EXPECT_EQ(test, rows_of(line), ARRAY_SIZE(ctx) - 1 - i);
	}
}

static struct kunit_case context_cases[] = {
	KUNIT_CASE(parents_cancel_children),
	KUNIT_CASE(a_deadline_cancels),
	KUNIT_CASE(a_lost_cancel_is_counted_and_runs_what_waits_for_it),
	KUNIT_CASE(the_table_has_each_once),
	KUNIT_CASE(after_func_runs_once_or_was_stopped),
	KUNIT_CASE(the_nearest_value_and_the_earlier_deadline_count),
	KUNIT_CASE(derived_while_the_parent_is_cancelled),
	{}
};

static struct kunit_suite context_suite = {
	.name = "kgo_context",
	.test_cases = context_cases,
};

kunit_test_suite(context_suite);
