// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Once.
 */
#include "lib_test.h"

struct shared {
	struct kgo_once o;
	struct kgo_wg wg;
	int calls, early, after;
	int go, begun;
	long long plain;	/* written once, and not atomic on purpose */
};

static void init(void *arg)
{
	struct shared *s = arg;

	s->calls++;
	kgo_yield();
	s->plain = 42;
}

static void use(void *arg)
{
	struct shared *s = arg;

	kgo_once_do(&s->o, init, s);
	if (s->plain != 42)
		ADD(s->early, 1);
}

GO_TEST(it_is_done_once_and_before_anybody_goes_on)
{
	int round, i, rounds = MANY(500);

	for (round = 0; round < rounds; round++) {
		struct shared s = { 0 };

		for (i = 0; i < 10; i++)
			EXPECT_EQ(0, kgo_wg_go(&s.wg, use, &s));
		kgo_wg_wait(&s.wg);
		EXPECT_EQ(1, s.calls);
		EXPECT_EQ(0, s.early);
	}
}

static void slow_init(void *arg)
{
	struct shared *s = arg;

	STORE(s->begun, 1);
	while (!LOAD(s->go))
		kgo_yield();
	s->calls++;
}

static void use_slow(void *arg)
{
	struct shared *s = arg;

	kgo_once_do(&s->o, slow_init, s);
	ADD(s->after, 1);
}

GO_TEST(the_others_wait_while_it_runs)
{
	struct shared s = { 0 };
	int i;

	EXPECT_EQ(0, kgo_wg_go(&s.wg, use_slow, &s));
	yield_until(LOAD(s.begun));
	for (i = 0; i < 5; i++)
		EXPECT_EQ(0, kgo_wg_go(&s.wg, use_slow, &s));
	yield_until(waiting("sync.Mutex.Lock") == 5);
	EXPECT_EQ(0, LOAD(s.after));
	STORE(s.go, 1);
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(6, s.after);
	EXPECT_EQ(1, s.calls);
}

static void count(void *arg)
{
	++*(int *)arg;
}

GO_TEST(it_is_the_once_that_counts_not_the_function)
{
	struct kgo_once a = { 0 }, b = { 0 };
	int n = 0, other = 0;

	kgo_once_do(&a, count, &n);
	kgo_once_do(&a, count, &other);
	kgo_once_do(&b, count, &n);
	EXPECT_EQ(2, n);
	EXPECT_EQ(0, other);
}

static __attribute__((noinline)) void leave(void)
{
	kgo_exit();
}

static void init_and_leave(void *arg)
{
	struct shared *s = arg;

	s->calls++;
	leave();
	s->early++;
}

static void leave_in_once(void *arg)
{
	struct shared *s = arg;

	kgo_once_do(&s->o, init_and_leave, s);
	s->early++;
}

GO_TEST(to_leave_it_by_exit_counts_as_done)
{
	struct shared s = { 0 };

	EXPECT_EQ(0, kgo_wg_go(&s.wg, leave_in_once, &s));
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(1, s.calls);
	EXPECT_EQ(0, s.early);
	kgo_once_do(&s.o, init_and_leave, &s);
	EXPECT_EQ(1, s.calls);
}

static void init_and_panic(void *arg)
{
	struct shared *s = arg;

	s->calls++;
	kgo_panic("in a Once");
}

static void recover_it(void *arg)
{
	struct shared *s = arg;

	s->after += !!kgo_recover();
}

GO_TEST(so_does_a_panic_that_its_caller_recovers)
{
	static struct shared s;

	memset(&s, 0, sizeof(s));
	KGO_SCOPE {
		kgo_defer(recover_it, &s);
		kgo_once_do(&s.o, init_and_panic, &s);
		s.early++;
	}
	EXPECT_EQ(1, s.after);
	EXPECT_EQ(0, s.early);
	EXPECT_EQ(1, s.calls);
	kgo_once_do(&s.o, init_and_panic, &s);
	EXPECT_EQ(1, s.calls);
	EXPECT_EQ(0, s.o.mu.state);
}

/* Two Onces, one in the other, left from within the inner one. */
struct nested {
	struct kgo_once outer, inner;
	struct kgo_wg wg;
	int calls;
};

static void inner(void *arg)
{
	struct nested *n = arg;

	n->calls++;
	leave();
}

static void outer(void *arg)
{
	struct nested *n = arg;

	kgo_once_do(&n->inner, inner, n);
	n->calls += 100;
}

static void leave_nested(void *arg)
{
	struct nested *n = arg;

	kgo_once_do(&n->outer, outer, n);
	n->calls += 100;
}

GO_TEST(all_that_are_left_are_done)
{
	struct nested n = { 0 };

	EXPECT_EQ(0, kgo_wg_go(&n.wg, leave_nested, &n));
	kgo_wg_wait(&n.wg);
	kgo_once_do(&n.outer, outer, &n);
	kgo_once_do(&n.inner, inner, &n);
	EXPECT_EQ(1, n.calls);
}

static void again(void *arg)
{
	struct shared *s = arg;

	ADD(s->begun, 1);
	kgo_once_do(&s->o, again, s);
	s->early++;
}

static void recurse(void *arg)
{
	kgo_once_do(&((struct shared *)arg)->o, again, arg);
}

GO_TEST(to_do_it_within_itself_waits_for_ever)
{
	struct shared s = { 0 };

	EXPECT_EQ(0, kgo_go(recurse, &s));
	yield_until(waiting("sync.Mutex.Lock") == 1);
	EXPECT_EQ(1, LOAD(s.begun));
	EXPECT_EQ(0, s.early);
}

static int leave_main_in_once(void *arg)
{
	struct shared *s = arg;

	kgo_once_do(&s->o, init_and_leave, s);
	return 7;
}

static int do_it_again(void *arg)
{
	struct shared *s = arg;

	kgo_once_do(&s->o, init_and_leave, s);
	return 5;
}

/* The goroutine of kgo_run() ends by a jump. */
TEST(so_does_the_main_goroutine_of_kgo_run)
{
	struct shared s = { 0 };
	int ret = 99;

	EXPECT_EQ(0, kgo_run(leave_main_in_once, &s, &ret));
	EXPECT_EQ(0, ret);
	EXPECT_EQ(0, kgo_run(do_it_again, &s, &ret));
	EXPECT_EQ(5, ret);
	EXPECT_EQ(1, s.calls);
}

TEST_HARNESS_MAIN
