// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Mutex and WaitGroup.  What panics there is in panic_test.c.
 */
#include "lib_test.h"

struct shared {
	struct kgo_mutex mu;
	struct kgo_wg wg;
	int each, yields;
	long long plain;	/* under mu, and not atomic on purpose */
	int inside, crowded;
	unsigned long long turns[8];
	int stop;
};

static void add_under_lock(void *arg)
{
	struct shared *s = arg;
	int i;

	for (i = 0; i < s->each; i++) {
		kgo_mutex_lock(&s->mu);
		if (s->inside++)
			s->crowded++;
		s->plain++;
		if (s->yields && i % s->yields == 0)
			kgo_yield();
		if (--s->inside)
			s->crowded++;
		kgo_mutex_unlock(&s->mu);
	}
	kgo_wg_done(&s->wg);
}

static void exclusion(struct __test_metadata *_metadata, int yields)
{
	struct shared s = { .each = MANY(20000), .yields = yields };
	int i;

	kgo_wg_add(&s.wg, 10);
	for (i = 0; i < 10; i++)
		EXPECT_EQ(0, kgo_go(add_under_lock, &s));
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(10LL * s.each, s.plain);
	EXPECT_EQ(0, s.crowded);
	EXPECT_TRUE(kgo_mutex_try_lock(&s.mu));
	kgo_mutex_unlock(&s.mu);
}

GO_TEST(a_mutex_lets_one_in)
{
	exclusion(_metadata, 0);
}

GO_TEST(a_mutex_lets_one_in_even_if_it_parks_inside)
{
	exclusion(_metadata, 7);
}

GO_TEST_PS(a_mutex_lets_one_in_on_one_processor, 1)
{
	exclusion(_metadata, 3);
}

GO_TEST_PS(a_mutex_lets_one_in_on_many_processors, 16)
{
	exclusion(_metadata, 5);
}

static void lock_once(void *arg)
{
	struct shared *s = arg;

	kgo_mutex_lock(&s->mu);
	s->plain++;
	kgo_mutex_unlock(&s->mu);
	kgo_wg_done(&s->wg);
}

GO_TEST(try_lock_takes_only_what_is_free)
{
	struct shared s = { 0 };

	EXPECT_TRUE(kgo_mutex_try_lock(&s.mu));
	EXPECT_FALSE(kgo_mutex_try_lock(&s.mu));
	kgo_wg_add(&s.wg, 1);
	EXPECT_EQ(0, kgo_go(lock_once, &s));
	yield_until(waiting("sync.Mutex.Lock") == 1);
	EXPECT_EQ(0, s.plain);
	EXPECT_FALSE(kgo_mutex_try_lock(&s.mu));
	kgo_mutex_unlock(&s.mu);
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(1, s.plain);
	EXPECT_TRUE(kgo_mutex_try_lock(&s.mu));
	kgo_mutex_unlock(&s.mu);
}

static void unlock_for_another(void *arg)
{
	struct shared *s = arg;

	kgo_mutex_unlock(&s->mu);
	kgo_wg_done(&s->wg);
}

GO_TEST(another_goroutine_may_unlock)
{
	struct shared s = { 0 };

	kgo_mutex_lock(&s.mu);
	kgo_wg_add(&s.wg, 1);
	EXPECT_EQ(0, kgo_go(unlock_for_another, &s));
	kgo_mutex_lock(&s.mu);
	kgo_wg_wait(&s.wg);
	kgo_mutex_unlock(&s.mu);
}

/* Always has it, but for moments. */
static void hog(void *arg)
{
	struct shared *s = arg;
	int n = 0;

	while (!LOAD(s->stop)) {
		kgo_mutex_lock(&s->mu);
		ADD(s->plain, 1);
		kgo_mutex_unlock(&s->mu);
		if (++n % 64 == 0)
			kgo_yield();
	}
	kgo_wg_done(&s->wg);
}

GO_TEST(a_waiter_gets_it_in_the_end_against_hogs)
{
	struct shared s = { 0 };
	int i;

	kgo_wg_add(&s.wg, 3);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, kgo_go(hog, &s));
	yield_until(LOAD(s.plain) > 100);
	for (i = 0; i < 50; i++) {
		kgo_mutex_lock(&s.mu);
		s.inside++;
		kgo_mutex_unlock(&s.mu);
		kgo_yield();
	}
	EXPECT_EQ(50, s.inside);
	STORE(s.stop, 1);
	kgo_wg_wait(&s.wg);
}

#define MU_STARVING	4U

static void lock_and_count(void *arg)
{
	struct shared *s = arg;

	kgo_mutex_lock(&s->mu);
	s->plain++;
	kgo_mutex_unlock(&s->mu);
}

/*
 * One that has waited for more than 1 ms and finds the mutex taken again does
 * not have to compete any more.
 */
GO_TEST_PS(who_starves_is_handed_the_mutex, 1)
{
	struct shared s = { 0 };

	kgo_mutex_lock(&s.mu);
	EXPECT_EQ(0, kgo_wg_go(&s.wg, lock_and_count, &s));
	yield_until(waiting("sync.Mutex.Lock") == 1);
	kgo_sleep(3 * MS);
	/* It is woken, but who runs already is faster. */
	kgo_mutex_unlock(&s.mu);
	EXPECT_TRUE(kgo_mutex_try_lock(&s.mu));
	EXPECT_EQ(0, LOAD(s.mu.state) & MU_STARVING);
	yield_until(LOAD(s.mu.state) & MU_STARVING);
	EXPECT_EQ(0, s.plain);
	EXPECT_FALSE(kgo_mutex_try_lock(&s.mu));

	/* Handed over: it has had it by the time that we run again. */
	kgo_mutex_unlock(&s.mu);
	EXPECT_EQ(1, s.plain);
	kgo_wg_wait(&s.wg);
	/* The last one that waited ends the starving. */
	EXPECT_EQ(0, s.mu.state);
	EXPECT_EQ(0, s.mu.sema);
}

GO_TEST_PS(nobody_overtakes_while_somebody_starves, 1)
{
	struct shared s = { 0 };
	int i;

	kgo_mutex_lock(&s.mu);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, kgo_wg_go(&s.wg, lock_and_count, &s));
	yield_until(waiting("sync.Mutex.Lock") == 3);
	kgo_sleep(3 * MS);
	kgo_mutex_unlock(&s.mu);
	EXPECT_TRUE(kgo_mutex_try_lock(&s.mu));
	yield_until(LOAD(s.mu.state) & MU_STARVING);
	kgo_mutex_unlock(&s.mu);
	/* We wait behind all of them. */
	kgo_mutex_lock(&s.mu);
	EXPECT_EQ(3, s.plain);
	kgo_mutex_unlock(&s.mu);
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(0, s.mu.state);
}

struct turn {
	struct shared *s;
	int i;
};

static void count_turns(void *arg)
{
	struct turn *t = arg;

	while (!LOAD(t->s->stop)) {
		kgo_mutex_lock(&t->s->mu);
		ADD(t->s->turns[t->i], 1);
		kgo_yield();
		kgo_mutex_unlock(&t->s->mu);
	}
	kgo_wg_done(&t->s->wg);
}

/* Eight that want nothing else: every one of them has it again and again. */
GO_TEST(nobody_starves_among_equals)
{
	struct shared s = { 0 };
	struct turn t[8];
	int i;

	kgo_wg_add(&s.wg, 8);
	for (i = 0; i < 8; i++) {
		t[i] = (struct turn){ &s, i };
		EXPECT_EQ(0, kgo_go(count_turns, &t[i]));
	}
	for (i = 0; i < 8; i++)
		while (LOAD(s.turns[i]) < 20)
			kgo_sleep(MS);
	STORE(s.stop, 1);
	kgo_wg_wait(&s.wg);
	for (i = 0; i < 8; i++)
		EXPECT_LE(20, s.turns[i]);
}

GO_TEST(a_waitgroup_at_zero_does_not_wait)
{
	struct kgo_wg wg = { 0 };

	kgo_wg_wait(&wg);
	kgo_wg_add(&wg, 3);
	kgo_wg_add(&wg, -3);
	kgo_wg_wait(&wg);
	EXPECT_EQ(0, wg.state);
}

static void wait_for_it(void *arg)
{
	struct shared *s = arg;

	kgo_wg_wait(&s->wg);
	ADD(s->inside, 1);
}

GO_TEST(all_waiters_go_when_the_last_is_done)
{
	struct shared s = { 0 };
	int i;

	kgo_wg_add(&s.wg, 2);
	for (i = 0; i < 100; i++)
		EXPECT_EQ(0, kgo_go(wait_for_it, &s));
	yield_until(waiting("sync.WaitGroup.Wait") == 100);
	kgo_wg_done(&s.wg);
	EXPECT_EQ(100, waiting("sync.WaitGroup.Wait"));
	EXPECT_EQ(0, LOAD(s.inside));
	kgo_wg_done(&s.wg);
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(100, s.inside);
}

static void work_then_done(void *arg)
{
	struct shared *s = arg;

	kgo_yield();
	ADD(s->inside, 1);
	kgo_wg_done(&s->wg);
}

GO_TEST(a_waitgroup_is_used_again_and_again)
{
	struct shared s = { 0 };
	int round, i, rounds = MANY(2000);

	for (round = 0; round < rounds; round++) {
		kgo_wg_add(&s.wg, 10);
		for (i = 0; i < 10; i++)
			EXPECT_EQ(0, kgo_go(work_then_done, &s));
		kgo_wg_wait(&s.wg);
		EXPECT_EQ(10 * (round + 1), LOAD(s.inside));
	}
}

/* Locks and channels that live next to each other share a bucket or not. */
GO_TEST(many_mutexes_do_not_mix)
{
	static struct shared s[300];
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(s); i++) {
		memset(&s[i], 0, sizeof(s[i]));
		kgo_mutex_lock(&s[i].mu);
		kgo_wg_add(&s[i].wg, 2);
		for (k = 0; k < 2; k++)
			EXPECT_EQ(0, kgo_go(lock_once, &s[i]));
	}
	yield_until(waiting("sync.Mutex.Lock") == 2 * ARRAY_SIZE(s));
	for (i = 0; i < ARRAY_SIZE(s); i++) {
		kgo_mutex_unlock(&s[i].mu);
		kgo_wg_wait(&s[i].wg);
		EXPECT_EQ(2, s[i].plain);
		if (i + 1 < ARRAY_SIZE(s))
			EXPECT_EQ(0, LOAD(s[i + 1].plain));
	}
}

TEST_HARNESS_MAIN
