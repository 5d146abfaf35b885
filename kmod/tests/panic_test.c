// SPDX-License-Identifier: GPL-2.0
/*
 * Defer, panic, recover and kgo_exit() of goroutines in the kernel: jumps on
 * a kthread's stack.
 */
#include <linux/completion.h>
#include <linux/delay.h>

#include "test.h"

#define MANY	40		/* more than a scope keeps without memory */

struct log {
	u32 n;
	u32 at[MANY];		/* who ran, in order */
	const char *recovered;
	bool went_on;
	struct completion done;
};

struct call {
	struct log *log;
	u32 nr;
};

static void note(void *arg)
{
	struct call *c = arg;

	if (c->log->n < MANY)
		c->log->at[c->log->n] = c->nr;
	c->log->n++;
}

KGO_TEST(deferred_calls_run_last_in_first_out)
{
	struct call c[MANY];
	struct log log = {};
	u32 i;

	KGO_SCOPE {
		for (i = 0; i < MANY; i++) {
			c[i] = (struct call){ .log = &log, .nr = i };
			KUNIT_EXPECT_EQ(test, kgo_defer(note, &c[i]), 0);
		}
		KUNIT_EXPECT_EQ(test, log.n, 0);
	}
	KUNIT_EXPECT_EQ(test, log.n, MANY);
	for (i = 0; i < MANY; i++)
		KUNIT_EXPECT_EQ(test, log.at[i], MANY - 1 - i);
	KUNIT_EXPECT_EQ(test, kgo_defer(NULL, NULL), -EINVAL);
}

/* Not to be seen through: the compiler warns of what never returns. */
static void panic_below(u32 depth);
static void (*panic_deeper)(u32 depth) = panic_below;

static void panic_below(u32 depth)
{
	/* Frames with something in them, for KASAN to have poisoned. */
	u32 frame[16];

	frame[depth % 16] = depth;
	barrier_data(frame);
	if (!depth)
		kgo_panic("deep");
	READ_ONCE(panic_deeper)(depth - 1);
	barrier_data(frame);
}

static void keep(void *arg)
{
	struct log *log = arg;

	kgo_yield();
	kgo_sleep(NSEC_PER_MSEC);	/* its thread sleeps in the middle of a panic */
	log->recovered = kgo_recover();
}

/* Uses as much stack as the panic did. */
static noinline u32 use_stack(u32 depth)
{
	u8 frame[200];

	memset(frame, (int)depth, sizeof(frame));
	barrier_data(frame);
	return depth ? use_stack(depth - 1) + frame[7] : frame[3];
}

KGO_TEST(a_recovered_panic_goes_on_after_its_scope)
{
	struct log log = {};
	u32 i;

	for (i = 0; i < 10; i++) {
		log.recovered = NULL;
		KGO_SCOPE {
			kgo_defer(keep, &log);
			panic_below(12);
			log.went_on = true;
		}
		KUNIT_EXPECT_STREQ(test, log.recovered, "deep");
		KUNIT_EXPECT_FALSE(test, log.went_on);
		use_stack(14);
	}
	KUNIT_EXPECT_PTR_EQ(test, kgo_recover(), NULL);
}

static void ends(void *arg)
{
	struct log *log = arg;

	complete(&log->done);
}

static void exit_below(u32 depth);
static void (*exit_deeper)(u32 depth) = exit_below;

static void exit_below(u32 depth)
{
	if (!depth)
		kgo_exit();
	READ_ONCE(exit_deeper)(depth - 1);
	barrier();
}

static void exiting(void *arg)
{
	struct log *log = arg;

	kgo_defer(ends, log);
	KGO_SCOPE {
		/* Nothing recovers an exit. */
		kgo_defer(keep, log);
		exit_below(8);
	}
	log->went_on = true;
}

KGO_TEST(exit_ends_a_goroutine_from_any_depth)
{
	struct log log = {};
	u32 i;

	for (i = 0; i < 20; i++) {
		init_completion(&log.done);
		KUNIT_EXPECT_EQ(test, kgo_go(exiting, &log), 0);
		wait_for_completion(&log.done);
	}
	KUNIT_EXPECT_FALSE(test, log.went_on);
	KUNIT_EXPECT_PTR_EQ(test, log.recovered, NULL);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static void panicking(void *arg)
{
	struct log *log = arg;

	kgo_defer(ends, log);
	KGO_SCOPE {
		panic_below(5);
	}
	log->went_on = true;
}

KGO_TEST(a_panic_ends_its_goroutine_only)
{
	struct log log = {};
	u32 i;

	kgo_test_catch_panics();
	for (i = 0; i < 5; i++) {
		init_completion(&log.done);
		KUNIT_EXPECT_EQ(test, kgo_go(panicking, &log), 0);
		wait_for_completion(&log.done);
	}
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, kgo_test_panics(), 5);
	KUNIT_EXPECT_FALSE(test, log.went_on);
}

static int call_that_exits(void *arg)
{
	kgo_exit();
}

static int call_that_panics(void *arg)
{
	kgo_panic_value(arg);
}

/* The caller is no goroutine: a plain KUnit case. */
static void a_call_that_does_not_return_is_cancelled(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, kgo_call(call_that_exits, NULL), -ECANCELED);
	kgo_test_catch_panics();
	KUNIT_EXPECT_EQ(test, kgo_call(call_that_panics, test), -ECANCELED);
	KUNIT_EXPECT_EQ(test, kgo_call(call_that_panics, NULL), -ECANCELED);
	while (kgo_num_goroutine())
		usleep_range(100, 1000);
	KUNIT_EXPECT_EQ(test, kgo_test_panics(), 2);
}

static void negative(void *arg)
{
	kgo_wg_done(arg);
}

KGO_TEST(misuse_of_a_waitgroup_panics)
{
	struct kgo_wg wg = {};

	KUNIT_EXPECT_STREQ(test, kgo_test_panic(negative, &wg),
			   "sync: negative WaitGroup counter");
}

static void a_thread_that_is_no_goroutine_has_no_scope(struct kunit *test)
{
	kgo_test_catch_throws();
	KUNIT_EXPECT_EQ(test, kgo_defer(ends, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, kgo_test_throws(), 1);
	KUNIT_EXPECT_PTR_EQ(test, kgo_recover(), NULL);
}

static struct kunit_case panic_cases[] = {
	KUNIT_CASE(deferred_calls_run_last_in_first_out),
	KUNIT_CASE(a_recovered_panic_goes_on_after_its_scope),
	KUNIT_CASE(exit_ends_a_goroutine_from_any_depth),
	KUNIT_CASE(a_panic_ends_its_goroutine_only),
	KUNIT_CASE(a_call_that_does_not_return_is_cancelled),
	KUNIT_CASE(misuse_of_a_waitgroup_panics),
	KUNIT_CASE(a_thread_that_is_no_goroutine_has_no_scope),
	{}
};

static struct kunit_suite panic_suite = {
	.name = "kgo_panic",
	.test_cases = panic_cases,
};

kunit_test_suite(panic_suite);
