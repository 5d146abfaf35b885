// SPDX-License-Identifier: GPL-2.0
/*
 * Clients, and the references of modules that goroutines without one hold.
 */
#include <linux/delay.h>
#include <linux/module.h>

#include "test.h"

struct shared {
	struct kgo_client cl;
	struct kgo_waker waker;
	struct kgo_reserve reserve;
	struct kgo_wg wg;
	atomic_t ran;
	atomic_t ended;
	int ret;
};

static void until_cancelled(void *arg)
{
	struct shared *s = arg;

	atomic_inc(&s->ran);
	kgo_chan_recv(kgo_ctx_done(kgo_client_ctx(&s->cl)), NULL);
	kgo_sleep(NSEC_PER_MSEC);
	atomic_inc(&s->ended);
}

static void starts_two(void *arg)
{
	kgo_go(until_cancelled, arg);
	kgo_go(until_cancelled, arg);
	until_cancelled(arg);
}

static int client_exit(void *arg)
{
	struct shared *s = arg;

	return kgo_client_exit(&s->cl);
}

KGO_TEST(exit_cancels_and_waits_for_all_also_for_children)
{
	struct shared s = {};

	KUNIT_EXPECT_EQ(test, kgo_client_init(&s.cl, THIS_MODULE), 0);
	KUNIT_EXPECT_EQ(test, kgo_client_go(&s.cl, starts_two, &s), 0);
	while (atomic_read(&s.ran) != 3)
		kgo_sleep(NSEC_PER_MSEC);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.ended), 0);
	KUNIT_EXPECT_EQ(test, kgo_client_exit(&s.cl), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.ended), 3);
	KUNIT_EXPECT_EQ(test, kgo_client_err(&s.cl), 0);
	KUNIT_EXPECT_EQ(test, kgo_client_go(&s.cl, starts_two, &s), -ESHUTDOWN);
	KUNIT_EXPECT_EQ(test, kgo_client_exit(&s.cl), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.ran), 3);
}

/* As the exit of a module does: in a thread that is no goroutine. */
static void exit_from_a_thread(struct kunit *test)
{
	struct shared s = {};

	KUNIT_ASSERT_EQ(test, kgo_client_init(&s.cl, THIS_MODULE), 0);
	KUNIT_EXPECT_EQ(test, kgo_client_go(&s.cl, starts_two, &s), 0);
	while (atomic_read(&s.ran) != 3)
		usleep_range(1000, 2000);
	KUNIT_EXPECT_EQ(test, kgo_client_exit(&s.cl), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.ended), 3);
}

static void exits_itself(void *arg)
{
	struct shared *s = arg;

	s->ret = client_exit(s);
}

KGO_TEST(exit_by_one_of_its_goroutines_is_refused)
{
	struct shared s = {};

	KUNIT_EXPECT_EQ(test, kgo_client_init(&s.cl, THIS_MODULE), 0);
	KUNIT_EXPECT_EQ(test, kgo_client_go(&s.cl, exits_itself, &s), 0);
	KUNIT_EXPECT_EQ(test, kgo_client_exit(&s.cl), 0);
	KUNIT_EXPECT_EQ(test, s.ret, -EDEADLK);
}

static void panics(void *arg)
{
	kgo_panic("on purpose");
}

KGO_TEST(panic_that_nobody_recovers_fails_the_client)
{
	struct shared s = {};

	KUNIT_EXPECT_EQ(test, kgo_client_init(&s.cl, THIS_MODULE), 0);
	KUNIT_EXPECT_EQ(test, kgo_client_go(&s.cl, until_cancelled, &s), 0);
	kgo_test_catch_panics();
	KUNIT_EXPECT_EQ(test, kgo_client_go(&s.cl, panics, &s), 0);
	/* The other one hears of it. */
	while (atomic_read(&s.ended) != 1)
		kgo_sleep(NSEC_PER_MSEC);
	KUNIT_EXPECT_EQ(test, kgo_test_panics(), 1);
	KUNIT_EXPECT_EQ(test, kgo_client_err(&s.cl), -ENOTRECOVERABLE);
	KUNIT_EXPECT_EQ(test, kgo_ctx_cause(kgo_client_ctx(&s.cl)), -ENOTRECOVERABLE);
	KUNIT_EXPECT_EQ(test, kgo_client_exit(&s.cl), 0);
}

static void after(void *arg)
{
	struct shared *s = arg;

	kgo_sleep(NSEC_PER_MSEC);
	atomic_inc(&s->ended);
}

KGO_TEST(functions_of_its_context_are_waited_for_too)
{
	struct kgo_ctx_after *a;
	struct shared s = {};

	KUNIT_EXPECT_EQ(test, kgo_client_init(&s.cl, THIS_MODULE), 0);
	a = kgo_ctx_after_func(kgo_client_ctx(&s.cl), after, &s);
	KUNIT_EXPECT_EQ(test, kgo_client_exit(&s.cl), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.ended), 1);
	kgo_ctx_after_put(a);
}

KGO_TEST(goroutines_of_a_reserve_belong_to_it)
{
	struct shared s = {};

	KUNIT_EXPECT_EQ(test, kgo_client_init(&s.cl, THIS_MODULE), 0);
	KUNIT_EXPECT_EQ(test, kgo_reserve_init(&s.reserve, 1), 0);
	KUNIT_EXPECT_EQ(test, kgo_client_go_reserved(&s.cl, &s.reserve,
						     until_cancelled, &s), 0);
	KUNIT_EXPECT_EQ(test, kgo_client_exit(&s.cl), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.ended), 1);
	KUNIT_EXPECT_EQ(test, kgo_client_go_reserved(&s.cl, &s.reserve,
						     until_cancelled, &s), -ESHUTDOWN);
	/* What was refused is not gone. */
	KUNIT_EXPECT_EQ(test, kgo_go_reserved(&s.reserve, after, &s), 0);
	kgo_reserve_destroy(&s.reserve);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.ended), 2);
}

static void parks(void *arg)
{
	struct shared *s = arg;

	kgo_park(&s->waker);
}

/* Goroutines of other suites may be on their last steps: wait for the number. */
static void until_refs(int n)
{
	while (module_refcount(THIS_MODULE) != n)
		kgo_sleep(NSEC_PER_MSEC);
}

KGO_TEST(goroutine_without_a_client_holds_its_module)
{
	struct shared s = {};
	int refs;

	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	refs = module_refcount(THIS_MODULE);
	KUNIT_EXPECT_EQ(test, kgo_wg_go(&s.wg, parks, &s), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(1, KGO_WAIT_WAKER));
	KUNIT_EXPECT_EQ(test, module_refcount(THIS_MODULE), refs + 1);
	kgo_ready(&s.waker);
	kgo_wg_wait(&s.wg);
	until_refs(refs);

	KUNIT_EXPECT_EQ(test, kgo_client_init(&s.cl, THIS_MODULE), 0);
	KUNIT_EXPECT_EQ(test, kgo_client_go(&s.cl, until_cancelled, &s), 0);
	while (!atomic_read(&s.ran))
		kgo_sleep(NSEC_PER_MSEC);
	KUNIT_EXPECT_EQ(test, module_refcount(THIS_MODULE), refs);
	KUNIT_EXPECT_EQ(test, kgo_client_exit(&s.cl), 0);
}

static struct kunit_case client_cases[] = {
	KUNIT_CASE(exit_cancels_and_waits_for_all_also_for_children),
	KUNIT_CASE(exit_from_a_thread),
	KUNIT_CASE(exit_by_one_of_its_goroutines_is_refused),
	KUNIT_CASE(panic_that_nobody_recovers_fails_the_client),
	KUNIT_CASE(functions_of_its_context_are_waited_for_too),
	KUNIT_CASE(goroutines_of_a_reserve_belong_to_it),
	KUNIT_CASE(goroutine_without_a_client_holds_its_module),
	{}
};

static struct kunit_suite client_suite = {
	.name = "kgo_client",
	.test_cases = client_cases,
};

kunit_test_suite(client_suite);
