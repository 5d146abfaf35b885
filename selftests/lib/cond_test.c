// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Cond: signals wake in order, none is lost, none is remembered.
 */
#include "lib_test.h"

struct shared {
	struct kgo_mutex mu;
	struct kgo_cond c;
	struct kgo_wg wg;
	int n, awake, done;
	int order[16];
	int flag;
};

struct who {
	struct shared *s;
	int i;
};

static void wait_in_order(void *arg)
{
	struct who *w = arg;
	struct shared *s = w->s;

	kgo_mutex_lock(&s->mu);
	kgo_cond_wait(&s->c, &s->mu);
	STORE(s->order[LOAD(s->awake)], w->i);
	ADD(s->awake, 1);
	kgo_mutex_unlock(&s->mu);
}

GO_TEST(signals_wake_in_the_order_of_the_waits)
{
	struct shared s = { 0 };
	struct who w[16];
	int i;

	for (i = 0; i < 16; i++) {
		w[i] = (struct who){ &s, i };
		EXPECT_EQ(0, kgo_wg_go(&s.wg, wait_in_order, &w[i]));
		yield_until(waiting("sync.Cond.Wait") == i + 1);
	}
	for (i = 0; i < 16; i++) {
		kgo_cond_signal(&s.c);
		yield_until(LOAD(s.awake) == i + 1);
		EXPECT_EQ(15 - i, waiting("sync.Cond.Wait"));
		EXPECT_EQ(i, LOAD(s.order[i]));
	}
	kgo_wg_wait(&s.wg);
}

static void wait_once(void *arg)
{
	struct shared *s = arg;

	kgo_mutex_lock(&s->mu);
	s->n++;
	kgo_cond_wait(&s->c, &s->mu);
	ADD(s->awake, 1);
	kgo_mutex_unlock(&s->mu);
}

GO_TEST(a_broadcast_wakes_all_who_wait)
{
	struct shared s = { 0 };
	int i;

	for (i = 0; i < 200; i++)
		EXPECT_EQ(0, kgo_wg_go(&s.wg, wait_once, &s));
	yield_until(waiting("sync.Cond.Wait") == 200);
	EXPECT_EQ(0, LOAD(s.awake));
	kgo_mutex_lock(&s.mu);
	kgo_cond_broadcast(&s.c);
	EXPECT_EQ(0, LOAD(s.awake));
	kgo_mutex_unlock(&s.mu);
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(200, s.awake);
	EXPECT_EQ(s.c.wait, s.c.notify);
}

GO_TEST(a_signal_without_waiters_is_not_remembered)
{
	struct shared s = { 0 };

	kgo_cond_signal(&s.c);
	kgo_cond_broadcast(&s.c);
	EXPECT_EQ(0, kgo_wg_go(&s.wg, wait_once, &s));
	yield_until(waiting("sync.Cond.Wait") == 1);
	kgo_cond_signal(&s.c);
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(1, s.awake);
}

/* Each turn of the flag wakes the other: any lost signal hangs it. */
static void take_turns(void *arg)
{
	struct who *w = arg;
	struct shared *s = w->s;
	int i;

	kgo_mutex_lock(&s->mu);
	for (i = 0; i < s->n; i++) {
		while (s->flag != w->i)
			kgo_cond_wait(&s->c, &s->mu);
		s->flag = (s->flag + 1) % 3;
		kgo_cond_broadcast(&s->c);
	}
	s->done++;
	kgo_mutex_unlock(&s->mu);
}

GO_TEST(no_wake_up_is_lost_between_three)
{
	struct shared s = { .n = MANY(20000) };
	struct who w[3];
	int i;

	for (i = 0; i < 3; i++) {
		w[i] = (struct who){ &s, i };
		EXPECT_EQ(0, kgo_wg_go(&s.wg, take_turns, &w[i]));
	}
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(3, s.done);
}

/* A bounded buffer with signals only: each must reach somebody who waits. */
static void produce(void *arg)
{
	struct who *w = arg;
	struct shared *s = w->s;
	int i;

	for (i = 0; i < s->n; i++) {
		kgo_mutex_lock(&s->mu);
		s->flag++;
		kgo_mutex_unlock(&s->mu);
		kgo_cond_signal(&s->c);
		if (i % 64 == w->i)
			kgo_yield();
	}
}

static void consume(void *arg)
{
	struct shared *s = arg;
	int i;

	for (i = 0; i < s->n; i++) {
		kgo_mutex_lock(&s->mu);
		while (!s->flag)
			kgo_cond_wait(&s->c, &s->mu);
		s->flag--;
		s->done++;
		kgo_mutex_unlock(&s->mu);
	}
}

GO_TEST(a_signal_for_each_value_is_enough)
{
	struct shared s = { .n = MANY(20000) };
	struct who w[4];
	int i;

	for (i = 0; i < 4; i++) {
		w[i] = (struct who){ &s, i };
		EXPECT_EQ(0, kgo_wg_go(&s.wg, consume, &s));
		EXPECT_EQ(0, kgo_wg_go(&s.wg, produce, &w[i]));
	}
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(4 * s.n, s.done);
	EXPECT_EQ(0, s.flag);
}

/* Only a ticket that was taken before the signal may be woken by it. */
GO_TEST(a_later_waiter_does_not_steal_a_signal)
{
	int round, rounds = MANY(1000);

	for (round = 0; round < rounds; round++) {
		struct shared s = { 0 };

		EXPECT_EQ(0, kgo_wg_go(&s.wg, wait_once, &s));
		for (;;) {
			kgo_mutex_lock(&s.mu);
			if (s.n)
				break;
			kgo_mutex_unlock(&s.mu);
			kgo_yield();
		}
		/* It has its ticket; it may not be in the queue yet. */
		kgo_mutex_unlock(&s.mu);
		kgo_cond_signal(&s.c);
		EXPECT_EQ(0, kgo_wg_go(&s.wg, wait_once, &s));
		yield_until(LOAD(s.awake) == 1 && waiting("sync.Cond.Wait") == 1);
		kgo_cond_signal(&s.c);
		kgo_wg_wait(&s.wg);
		EXPECT_EQ(2, s.awake);
	}
}

GO_TEST(tickets_wrap_around)
{
	struct shared s = { .c = { .wait = ~0U - 1, .notify = ~0U - 1 } };
	struct who w[4];
	int i;

	for (i = 0; i < 4; i++) {
		w[i] = (struct who){ &s, i };
		EXPECT_EQ(0, kgo_wg_go(&s.wg, wait_in_order, &w[i]));
		yield_until(waiting("sync.Cond.Wait") == i + 1);
	}
	for (i = 0; i < 4; i++) {
		kgo_cond_signal(&s.c);
		yield_until(LOAD(s.awake) == i + 1);
		EXPECT_EQ(i, LOAD(s.order[i]));
	}
	kgo_wg_wait(&s.wg);
}

static int wait_without_mutex(void *arg)
{
	struct kgo_mutex mu = { 0 };
	struct kgo_cond c = { 0 };

	kgo_cond_wait(&c, &mu);
	return 0;
}

TEST(to_wait_without_the_mutex_is_fatal)
{
	struct ended e;

	run_child(&e, wait_without_mutex, NULL);
	EXPECT_PANIC(e, "fatal error: sync: unlock of unlocked mutex");
}

TEST_HARNESS_MAIN
