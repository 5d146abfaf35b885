// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * WaitGroup: what kgo_wg_go() adds, and misuse.  See also sync_test.c.
 */
#include "lib_test.h"

struct shared {
	struct kgo_wg wg;
	int n, ended;
	struct kgo_chan *c;
};

static void add_one(void *arg)
{
	struct shared *s = arg;

	kgo_yield();
	ADD(s->n, 1);
}

GO_TEST(wait_returns_when_all_that_it_started_have_ended)
{
	struct shared s = { 0 };
	int i, round, rounds = MANY(200);

	for (round = 0; round < rounds; round++) {
		for (i = 0; i < 50; i++)
			EXPECT_EQ(0, kgo_wg_go(&s.wg, add_one, &s));
		kgo_wg_wait(&s.wg);
		EXPECT_EQ(50 * (round + 1), LOAD(s.n));
	}
	EXPECT_EQ(0, s.wg.state);
}

static void after_sleep(void *arg, int ret)
{
	struct shared *s = arg;

	if (!ret)
		ADD(s->ended, 1);
}

static void sleep_bare(void *arg)
{
	struct shared *s = arg;

	ADD(s->n, 1);
	kgo_sleep_then(1000, after_sleep, s);
}

/* Not when the body has returned, but when the last function has. */
GO_TEST(one_without_a_stack_is_waited_for_to_its_last_function)
{
	const struct kgo_attr bare = { .flags = KGO_ATTR_STACKLESS };
	const struct kgo_attr bad = { .flags = ~0U };
	struct shared s = { 0 };
	int i, round, rounds = MANY(50);

	for (round = 1; round <= rounds; round++) {
		for (i = 0; i < 20; i++)
			EXPECT_EQ(0, kgo_wg_go_attr(&s.wg, sleep_bare, &s, &bare));
		kgo_wg_wait(&s.wg);
		EXPECT_EQ(20 * round, LOAD(s.n));
		EXPECT_EQ(20 * round, LOAD(s.ended));
	}
	EXPECT_EQ(-EINVAL, kgo_wg_go_attr(&s.wg, sleep_bare, &s, &bad));
	EXPECT_EQ(0, s.wg.state);
}

static __attribute__((noinline)) void deep(struct shared *s, int n)
{
	volatile char here = (char)n;

	if (n)
		deep(s, n - 1);
	else if (LOAD(s->n))
		kgo_exit();
	ADD(s->ended, here);
}

static void leave(void *arg)
{
	struct shared *s = arg;

	ADD(s->n, 1);
	deep(s, 20);
}

GO_TEST(an_end_by_exit_counts_as_well)
{
	struct shared s = { 0 };
	int i;

	for (i = 0; i < 100; i++)
		EXPECT_EQ(0, kgo_wg_go(&s.wg, leave, &s));
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(100, s.n);
	EXPECT_EQ(0, s.ended);
}

static void start_more(void *arg)
{
	struct shared *s = arg;
	int i;

	for (i = 0; i < 10; i++)
		if (kgo_wg_go(&s->wg, add_one, s))
			ADD(s->ended, 1);
}

GO_TEST(a_goroutine_of_the_group_may_start_others)
{
	struct shared s = { 0 };
	int i;

	for (i = 0; i < 10; i++)
		EXPECT_EQ(0, kgo_wg_go(&s.wg, start_more, &s));
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(100, s.n);
	EXPECT_EQ(0, s.ended);
}

GO_TEST(what_could_not_be_started_is_not_waited_for)
{
	struct kgo_wg wg = { 0 };

	EXPECT_EQ(-EINVAL, kgo_wg_go_at(NULL, &wg, NULL, NULL));
	kgo_wg_wait(&wg);
	EXPECT_EQ(0, wg.state);
}

static void plain(void *arg)
{
	ADD(((struct shared *)arg)->n, 1);
}

/* A descriptor that is used again has nothing of the task of its last life. */
GO_TEST(the_next_goroutine_of_a_descriptor_owes_nothing)
{
	struct shared s = { 0 };
	int i, n = MANY(2000);

	for (i = 0; i < n; i++) {
		EXPECT_EQ(0, kgo_wg_go(&s.wg, plain, &s));
		kgo_wg_wait(&s.wg);
		EXPECT_EQ(0, kgo_go(plain, &s));
		yield_until(kgo_num_goroutine() == 1);
		EXPECT_EQ(0, s.wg.state);
	}
	EXPECT_EQ(2 * n, s.n);
}

static void wait_for_it(void *arg)
{
	kgo_wg_wait(&((struct shared *)arg)->wg);
}

static int reuse_too_early(void *arg UNUSED)
{
	struct shared s = { 0 };

	kgo_wg_add(&s.wg, 1);
	kgo_go(wait_for_it, &s);
	yield_until(waiting("sync.WaitGroup.Wait") == 1);
	/* It is awake, but on one processor it has not run yet. */
	kgo_wg_done(&s.wg);
	kgo_wg_add(&s.wg, 1);
	for (;;)
		kgo_yield();
	return 0;
}

TEST(to_use_it_again_before_wait_has_returned_panics)
{
	struct ended e;

	setenv("KGO_PROCS", "1", 1);
	run_child(&e, reuse_too_early, NULL);
	EXPECT_PANIC(e, "sync: WaitGroup is reused before previous Wait has returned");
}

static int too_many_done(void *arg)
{
	struct shared s = { 0 };

	kgo_wg_add(&s.wg, 1);
	kgo_wg_done(&s.wg);
	kgo_wg_done(&s.wg);
	return 0;
}

TEST(one_done_too_many_panics)
{
	struct ended e;

	run_child(&e, too_many_done, NULL);
	EXPECT_PANIC(e, "sync: negative WaitGroup counter");
}

TEST_HARNESS_MAIN
