/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the tests of contexts share: what one says that is alive, and one that
 * was cancelled.
 */
#ifndef KGO_LIB_CONTEXT_TEST_H
#define KGO_LIB_CONTEXT_TEST_H

#include "lib_test.h"

#define HOUR	(3600LL * 1000000000LL)

static const char key1 UNUSED, key2 UNUSED, key3 UNUSED;

UNUSED static bool is_done(struct kgo_ctx *ctx)
{
	return kgo_chan_try_recv(kgo_ctx_done(ctx), NULL) == 0;
}

#define EXPECT_LIVE(ctx)						\
	do {								\
		EXPECT_EQ(0, kgo_ctx_err(ctx));				\
		EXPECT_EQ(0, kgo_ctx_cause(ctx));			\
		EXPECT_FALSE(is_done(ctx));				\
	} while (0)

#define EXPECT_CANCELED(ctx, err, cause)				\
	do {								\
		EXPECT_EQ(err, kgo_ctx_err(ctx));			\
		EXPECT_EQ(cause, kgo_ctx_cause(ctx));			\
		EXPECT_TRUE(is_done(ctx));				\
	} while (0)

/* Cancelled, and nobody else has it. */
UNUSED static void finish(struct kgo_ctx *ctx)
{
	kgo_ctx_cancel(ctx, 0);
	kgo_ctx_put(ctx);
}

UNUSED static int count;

UNUSED static void count_one(void *arg UNUSED)
{
	ADD(count, 1);
}

#endif
