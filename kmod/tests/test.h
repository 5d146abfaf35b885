/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the suites that run on the live runtime of the kernel share.
 *
 * The body of a KGO_TEST() is a goroutine.  Use KUNIT_EXPECT_* there: what
 * KUNIT_ASSERT_* does when it fails is to end the thread, which is one of
 * the pool and not KUnit's.
 */
#ifndef KGO_TESTS_TEST_H
#define KGO_TESTS_TEST_H

#include <kunit/test.h>
#include <linux/ktime.h>

#include "../core/core.h"
#include "../include/linux/kgo.h"

#define KGO_TEST(name)							\
	static void name##_body(struct kunit *test);			\
	static int name##_call(void *test)				\
	{								\
		name##_body(test);					\
		return 0;						\
	}								\
	static void name(struct kunit *test)				\
	{								\
		KUNIT_EXPECT_EQ(test, kgo_call(name##_call, test), 0);	\
	}								\
	static void name##_body(struct kunit *test)

/* watch.c: goroutines started by the calling one. */
u32 kgo_test_children(u32 state, u16 reason);
bool kgo_test_until_waiting(u32 n, u16 reason);
bool kgo_test_until_ended(void);

/* watch.c: what a call panics with, or NULL. */
const char *kgo_test_panic(void (*fn)(void *arg), void *arg);

/* watch.c: count panics that nobody recovers instead of logging them. */
void kgo_test_catch_panics(void);
u32 kgo_test_panics(void);

/* watch.c: count what the core throws instead of warning. */
void kgo_test_catch_throws(void);
u32 kgo_test_throws(void);

#endif
