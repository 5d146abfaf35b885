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
	{}
};

static struct kunit_suite context_suite = {
	.name = "kgo_context",
	.test_cases = context_cases,
};

kunit_test_suite(context_suite);
