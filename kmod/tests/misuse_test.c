// SPDX-License-Identifier: GPL-2.0
/*
 * What must not be done with a primitive: a goroutine of the kernel panics with
 * Go's words, can recover, and the primitive is as it was.
 */
#include "test.h"

#define HOUR_NS		(3600LL * NSEC_PER_SEC)

struct things {
	struct kgo_chan *c;
	struct kgo_wg wg;
	struct kgo_semaphore sem;
	struct kgo_errgroup group;
	struct kgo_timer after;
	struct kgo_ticker *ticker;
};

static void nothing(void *arg)
{
}

static void send_on_closed(void *arg)
{
	struct things *t = arg;
	u32 v = 1;

	kgo_chan_send(t->c, &v);
}

static void select_send_on_closed(void *arg)
{
	struct things *t = arg;
	u32 v = 1;
	struct kgo_case k[] = { KGO_SEND(t->c, &v), KGO_SEND(NULL, &v) };

	kgo_select(k, 2);
}

static void close_closed(void *arg)
{
	struct things *t = arg;

	kgo_chan_close(t->c);
}

static void close_nil(void *arg)
{
	kgo_chan_close(NULL);
}

static void one_done_too_many(void *arg)
{
	struct things *t = arg;

	kgo_wg_done(&t->wg);
}

static void release_too_much(void *arg)
{
	struct things *t = arg;

	kgo_semaphore_release(&t->sem, 1);
}

static void derive_from_nothing(void *arg)
{
	kgo_ctx_with_timeout(NULL, HOUR_NS);
}

static void ticker_without_interval(void *arg)
{
	kgo_ticker_new(0);
}

static void reset_ticker_to_nothing(void *arg)
{
	struct things *t = arg;

	kgo_ticker_reset(t->ticker, -1);
}

static void wait_outside_of_a_bubble(void *arg)
{
	kgo_synctest_wait();
}

static void then_with_a_stack(void *arg)
{
	struct things *t = arg;

	kgo_wg_wait_then(&t->wg, NULL, NULL);
}

static const struct {
	void (*fn)(void *arg);
	const char *words;
} misuses[] = {
	{ send_on_closed, "send on closed channel" },
	{ select_send_on_closed, "send on closed channel" },
	{ close_closed, "close of closed channel" },
	{ close_nil, "close of nil channel" },
	{ one_done_too_many, "sync: negative WaitGroup counter" },
	{ release_too_much, "semaphore: released more than held" },
	{ derive_from_nothing, "cannot create context from nil parent" },
	{ ticker_without_interval, "non-positive interval for NewTicker" },
	{ reset_ticker_to_nothing, "non-positive interval for Ticker.Reset" },
	{ wait_outside_of_a_bubble, "goroutine is not in a bubble" },
	{ then_with_a_stack, "a ..._then() call outside of a stackless goroutine" },
};

KGO_TEST(it_panics_with_the_words_of_go)
{
	struct things t = { .sem = KGO_SEMAPHORE_INIT(2) };
	const char *msg;
	u32 i;

	t.c = kgo_chan_make(sizeof(u32), 1);
	t.ticker = kgo_ticker_new(HOUR_NS);
	KUNIT_EXPECT_NOT_NULL(test, t.ticker);
	kgo_chan_close(t.c);
	for (i = 0; i < ARRAY_SIZE(misuses); i++) {
		msg = kgo_test_panic(misuses[i].fn, &t);
		KUNIT_EXPECT_NOT_NULL_MSG(test, msg, "%s", misuses[i].words);
		if (msg)
			KUNIT_EXPECT_STREQ(test, msg, misuses[i].words);
	}
	/* All is as it was. */
	KUNIT_EXPECT_EQ(test, kgo_chan_recv(t.c, NULL), 0);
	KUNIT_EXPECT_EQ(test, t.sem.used, 0);
	KUNIT_EXPECT_TRUE(test, kgo_semaphore_try_acquire(&t.sem, 2));
	KUNIT_EXPECT_EQ(test, kgo_ticker_free(t.ticker), 0);
	KUNIT_EXPECT_EQ(test, kgo_chan_free(t.c), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static int wait_for_close(void *arg)
{
	struct things *t = arg;

	kgo_chan_recv(t->c, NULL);
	return 0;
}

static void change_limit(void *arg)
{
	struct things *t = arg;

	kgo_errgroup_set_limit(&t->group, 5);
}

KGO_TEST(a_limit_is_not_changed_while_some_run)
{
	struct things t = {};
	const char *msg;

	t.c = kgo_chan_make(0, 0);
	kgo_errgroup_set_limit(&t.group, 1);
	KUNIT_EXPECT_EQ(test, kgo_errgroup_go(&t.group, wait_for_close, &t), 0);
	msg = kgo_test_panic(change_limit, &t);
	KUNIT_EXPECT_NOT_NULL(test, msg);
	/* It holds still. */
	KUNIT_EXPECT_EQ(test, kgo_errgroup_try_go(&t.group, wait_for_close, &t), -EBUSY);
	kgo_chan_close(t.c);
	KUNIT_EXPECT_EQ(test, kgo_errgroup_wait(&t.group), 0);
	KUNIT_EXPECT_NULL(test, kgo_test_panic(change_limit, &t));
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, kgo_chan_free(t.c), 0);
}

static void reset_zero(void *arg)
{
	kgo_timer_reset(arg, 0);
}

static void bubble_in_a_bubble(void *arg)
{
	kgo_synctest_run(nothing, NULL);
}

static void body(void *arg)
{
	*(const char **)arg = kgo_test_panic(bubble_in_a_bubble, NULL);
}

KGO_TEST(timers_and_bubbles_refuse_what_they_cannot_be)
{
	struct kgo_timer t = {};
	const char *msg = NULL;

	msg = kgo_test_panic(reset_zero, &t);
	KUNIT_EXPECT_NOT_NULL(test, msg);
	if (msg)
		KUNIT_EXPECT_STREQ(test, msg, "time: Reset called on uninitialized Timer");
	msg = NULL;
	KUNIT_EXPECT_EQ(test, kgo_synctest_run(body, &msg), 0);
	KUNIT_EXPECT_NOT_NULL(test, msg);
	if (msg)
		KUNIT_EXPECT_STREQ(test, msg,
				   "synctest.Run called from within a synctest bubble");
}

static void unlock_rw(void *arg)
{
	kgo_rwmutex_unlock(arg);
}

static void runlock_rw(void *arg)
{
	kgo_rwmutex_runlock(arg);
}

/* What cannot be recovered from warns, and does not panic. */
KGO_TEST(unlock_of_an_unlocked_rwmutex_throws)
{
	struct kgo_rwmutex a = {}, b = {};

	kgo_test_catch_throws();
	KUNIT_EXPECT_NULL(test, kgo_test_panic(unlock_rw, &a));
	KUNIT_EXPECT_NULL(test, kgo_test_panic(runlock_rw, &b));
	KUNIT_EXPECT_EQ(test, kgo_test_throws(), 2);
}

static struct kunit_case misuse_cases[] = {
	KUNIT_CASE(it_panics_with_the_words_of_go),
	KUNIT_CASE(a_limit_is_not_changed_while_some_run),
	KUNIT_CASE(timers_and_bubbles_refuse_what_they_cannot_be),
	KUNIT_CASE(unlock_of_an_unlocked_rwmutex_throws),
	{}
};

static struct kunit_suite misuse_suite = {
	.name = "kgo_misuse",
	.test_cases = misuse_cases,
};

kunit_test_suite(misuse_suite);
