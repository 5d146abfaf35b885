// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * kgo_quiesce() and the numbers of goroutines: waiting for what is left,
 * without looking again and again.
 */
#include "lib_test.h"

static uint32_t ended, go;

static void ends(void *arg UNUSED)
{
	kgo_yield();
	ADD(ended, 1);
}

static void stays(void *arg UNUSED)
{
	while (!LOAD(go))
		kgo_yield();
}

static void waits(void *arg)
{
	kgo_chan_recv(arg, NULL);
	ADD(ended, 1);
}

GO_TEST(nothing_to_wait_for_returns_at_once)
{
	EXPECT_EQ(1, kgo_num_goroutine());
	EXPECT_EQ(1, kgo_num_goroutine_all());
	EXPECT_EQ(0, kgo_quiesce(1, 0));
	EXPECT_EQ(0, kgo_quiesce(1, -1));
	EXPECT_EQ(0, kgo_quiesce(100, MS));
}

GO_TEST(it_waits_until_the_last_of_them_has_ended)
{
	int i, round;

	for (round = 0; round < MANY(300); round++) {
		STORE(ended, 0);
		for (i = 0; i < 20; i++)
			kgo_go(ends, NULL);
		EXPECT_EQ(0, kgo_quiesce(1, -1));
		EXPECT_EQ(20, LOAD(ended));
		EXPECT_EQ(1, kgo_num_goroutine());
	}
}

GO_TEST(those_that_run_on_do_not_matter_below_the_target)
{
	int i, round;

	kgo_go(stays, NULL);
	kgo_go(stays, NULL);
	for (round = 0; round < MANY(300); round++) {
		STORE(ended, 0);
		for (i = 0; i < 5; i++)
			kgo_go(ends, NULL);
		EXPECT_EQ(0, kgo_quiesce(3, -1));
		EXPECT_EQ(5, LOAD(ended));
	}
	STORE(go, 1);
	EXPECT_EQ(0, kgo_quiesce(1, -1));
}

GO_TEST(who_does_not_end_makes_it_time_out)
{
	struct kgo_chan *c = kgo_chan_make(0, 0);
	long long then = now_ns();

	kgo_go(waits, c);
	EXPECT_EQ(-ETIMEDOUT, kgo_quiesce(1, 0));
	EXPECT_EQ(-ETIMEDOUT, kgo_quiesce(1, 5 * MS));
	EXPECT_LE(5 * MS, now_ns() - then);
	EXPECT_EQ(0, LOAD(ended));
	kgo_chan_close(c);
	EXPECT_EQ(0, kgo_quiesce(1, 60000 * MS));
	EXPECT_EQ(1, LOAD(ended));
}

GO_TEST(a_wait_that_timed_out_leaves_nothing_behind)
{
	struct kgo_chan *c = kgo_chan_make(0, 0);
	int i;

	kgo_go(waits, c);
	for (i = 0; i < 20; i++)
		EXPECT_EQ(-ETIMEDOUT, kgo_quiesce(1, 100000));
	EXPECT_EQ(0, waiting("quiesce"));
	kgo_chan_close(c);
	EXPECT_EQ(0, kgo_quiesce(1, -1));
}

static void waits_for_two(void *arg)
{
	if (!kgo_quiesce(2, -1))
		ADD(ended, 1);
	kgo_chan_send(arg, NULL);
}

GO_TEST(several_may_wait_for_different_numbers)
{
	struct kgo_chan *stop = kgo_chan_make(0, 0), *done = kgo_chan_make(0, 0);
	int i;

	for (i = 0; i < 3; i++)
		kgo_go(waits, stop);
	kgo_go(waits_for_two, done);
	yield_until(waiting("quiesce") == 1);
	EXPECT_EQ(0, LOAD(ended));
	kgo_chan_close(stop);
	EXPECT_EQ(1, kgo_chan_recv(done, NULL));
	EXPECT_EQ(4, LOAD(ended));
	EXPECT_EQ(0, kgo_quiesce(1, -1));
}

static void *plain_thread(void *arg UNUSED)
{
	int i;

	for (i = 0; i < 50; i++)
		kgo_go(ends, NULL);
	return NULL;
}

GO_TEST(goroutines_of_plain_threads_count)
{
	pthread_t t;

	if (pthread_create(&t, NULL, plain_thread, NULL))
		abort();
	pthread_join(t, NULL);
	EXPECT_EQ(0, kgo_quiesce(1, -1));
	EXPECT_EQ(50, LOAD(ended));
}

static int nobody_ends(void *arg)
{
	kgo_go(waits, arg);
	return kgo_quiesce(1, -1);
}

TEST(a_wait_that_nobody_can_end_is_a_deadlock)
{
	struct ended e;

	run_child(&e, nobody_ends, NULL);
	EXPECT_PANIC(e, "all goroutines are asleep - deadlock!");
	EXPECT_NE(NULL, strstr(e.err, "goroutine 1 [quiesce]:"));
}

TEST(without_a_runtime_there_are_no_goroutines)
{
	EXPECT_EQ(0, kgo_num_goroutine());
	EXPECT_EQ(0, kgo_num_goroutine_all());
}

/* The number is never below what there is, however they come and go. */
static void churn(void *arg UNUSED)
{
	while (!LOAD(go)) {
		kgo_go(ends, NULL);
		kgo_yield();
	}
}

GO_TEST(the_number_is_never_too_low)
{
	unsigned long long n;
	int i;

	kgo_go(churn, NULL);
	kgo_go(churn, NULL);
	for (i = 0; i < MANY(20000); i++) {
		n = kgo_num_goroutine();
		EXPECT_TRUE(n >= 3 && n < 1000000) {
			TH_LOG("%llu goroutines", n);
		}
		if (i % 16 == 0)
			kgo_yield();
	}
	STORE(go, 1);
	EXPECT_EQ(0, kgo_quiesce(1, -1));
}

TEST_HARNESS_MAIN
