// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Wakers, reserves, and what else any thread may call.
 */
#include "lib_test.h"

static struct kgo_waker waker;
static struct kgo_reserve reserve;
static struct kgo_chan *chan;
static int said, live, most, ran;

static void *ready_from_thread(void *arg)
{
	STORE(said, 1);
	kgo_ready(arg);
	return NULL;
}

GO_TEST(thread_that_is_no_goroutine_readies)
{
	struct kgo_waker w = { 0 };
	pthread_t t;

	EXPECT_EQ(0, pthread_create(&t, NULL, ready_from_thread, &w));
	EXPECT_EQ(0, kgo_park(&w));
	EXPECT_EQ(1, LOAD(said));
	pthread_join(t, NULL);
}

GO_TEST(ready_before_the_park_is_kept_once)
{
	struct kgo_waker w;

	memset(&w, 0xa5, sizeof(w));
	kgo_waker_init(&w);
	kgo_ready(&w);
	kgo_ready(&w);
	EXPECT_EQ(0, kgo_park(&w));
	EXPECT_EQ(-ETIMEDOUT, kgo_park_timeout(&w, 0));
	EXPECT_EQ(-ETIMEDOUT, kgo_park_timeout(&w, 1));
	kgo_ready(&w);
	EXPECT_EQ(0, kgo_park_timeout(&w, -1));
}

static void park_it(void *arg)
{
	kgo_park(arg);
	STORE(said, 1);
}

GO_TEST(wait_is_named_in_the_table)
{
	kgo_go(park_it, &waker);
	yield_until(waiting("waker") == 1);
	EXPECT_EQ(0, LOAD(said));
	kgo_ready(&waker);
	yield_until(LOAD(said));
	EXPECT_EQ(0, waiting("waker"));
}

static int park_twice(void *arg)
{
	kgo_go(park_it, &waker);
	yield_until(waiting("waker") == 1);
	kgo_park(&waker);
	return 0;
}

TEST(two_on_one_waker_panic)
{
	static struct ended e;

	run_child(&e, park_twice, NULL);
	EXPECT_PANIC(e, "park on a waker that another goroutine is parked on");
}

static void count_itself(void *arg)
{
	int n = ADD(live, 1);

	if (n > LOAD(most))
		STORE(most, n);
	if (arg)
		kgo_park(arg);
	ADD(ran, 1);
	ADD(live, -1);
}

GO_TEST(reserve_has_no_more_than_it_has)
{
	int i;

	EXPECT_EQ(-EINVAL, kgo_reserve_init(&reserve, 0));
	EXPECT_EQ(0, kgo_reserve_init(&reserve, 1));
	EXPECT_EQ(-EINVAL, kgo_go_reserved(&reserve, NULL, NULL));
	for (i = 0; i < 100; i++) {
		EXPECT_EQ(0, kgo_go_reserved(&reserve, count_itself, &waker));
		EXPECT_EQ(-EAGAIN, kgo_go_reserved(&reserve, count_itself, &waker));
		kgo_ready(&waker);
		yield_until(LOAD(ran) == i + 1);
		EXPECT_EQ(0, kgo_quiesce(1, -1));
	}
	EXPECT_EQ(1, most);
	kgo_reserve_destroy(&reserve);
	kgo_reserve_destroy(&reserve);
}

static void *start_from_thread(void *arg)
{
	int i;

	for (i = 0; i < MANY(10000);)
		i += !kgo_go_reserved(&reserve, count_itself, NULL);
	STORE(said, 1);
	return NULL;
}

GO_TEST(thread_starts_of_a_reserve)
{
	pthread_t t;

	EXPECT_EQ(0, kgo_reserve_init(&reserve, 3));
	EXPECT_EQ(0, pthread_create(&t, NULL, start_from_thread, NULL));
	pthread_join(t, NULL);
	kgo_reserve_destroy(&reserve);
	EXPECT_EQ(MANY(10000), ran);
	EXPECT_EQ(0, live);
	EXPECT_GE(3, most);
}

static void *send_from_thread(void *arg)
{
	int i;

	for (i = 1; i <= MANY(10000);)
		i += !kgo_chan_try_send(chan, &i);
	kgo_chan_close(chan);
	return NULL;
}

GO_TEST(thread_sends_and_closes)
{
	long long sum = 0, n = MANY(10000);
	pthread_t t;
	int v;

	chan = kgo_chan_make(sizeof(int), 4);
	EXPECT_EQ(0, pthread_create(&t, NULL, send_from_thread, NULL));
	while (kgo_chan_recv(chan, &v) == 1)
		sum += v;
	pthread_join(t, NULL);
	EXPECT_EQ(n * (n + 1) / 2, sum);
	EXPECT_EQ(0, kgo_chan_free(chan));
}

TEST_HARNESS_MAIN
