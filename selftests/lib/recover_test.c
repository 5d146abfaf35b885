// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Panic, recover and kgo_exit(), in all the ways in which they meet.
 */
#include "lib_test.h"

static void *got;
static int kind;
static int n_ran;

static void fresh(void)
{
	got = (void *)0xa5;
	kind = -1;
	n_ran = 0;
}

static void keep(void *arg UNUSED)
{
	kind = (int)kgo_recover_kind(&got);
}

static void count(void *arg UNUSED)
{
	ADD(n_ran, 1);
}

/* Panics from a depth, with frames that cannot be seen through. */
static void panics(int depth, void *v);
static void (*volatile deeper)(int depth, void *v) = panics;

static void panics(int depth, void *v)
{
	volatile char frame[64];

	frame[depth % 64] = 1;
	if (!depth)
		kgo_panic_value(v);
	deeper(depth - 1, v);
	frame[depth % 64]++;
	abort();
}

static __attribute__((noinline)) int recovers(int depth, void *v)
{
	volatile int steps = 1;

	KGO_SCOPE {
		kgo_defer(count, NULL);
		kgo_defer(keep, NULL);
		kgo_defer(count, NULL);
		steps = 2;
		panics(depth, v);
		steps = 3;
	}
	return steps;
}

GO_TEST(a_recovered_panic_ends_the_block_and_the_function_goes_on)
{
	int v, i;

	for (i = 0; i < MANY(2000); i++) {
		fresh();
		EXPECT_EQ(2, recovers(i % 30, &v));
		EXPECT_EQ(&v, got);
		EXPECT_EQ(KGO_PANIC_VALUE, kind);
		EXPECT_EQ(2, n_ran);
	}
	EXPECT_EQ(NULL, kgo_recover());
}

GO_TEST(the_value_says_of_what_kind_it_is)
{
	static const char msg[] = "a message";

	fresh();
	KGO_SCOPE {
		kgo_defer(keep, NULL);
		kgo_panic(msg);
	}
	EXPECT_EQ(KGO_PANIC_STRING, kind);
	EXPECT_EQ((void *)msg, got);
}

GO_TEST(no_value_is_a_panic_of_the_runtime)
{
	fresh();
	KGO_SCOPE {
		kgo_defer(keep, NULL);
		kgo_panic(NULL);
	}
	EXPECT_EQ(KGO_PANIC_RUNTIME, kind);
	EXPECT_STREQ("panic called with nil argument", (char *)got);
	fresh();
	KGO_SCOPE {
		kgo_defer(keep, NULL);
		kgo_panic_value(NULL);
	}
	EXPECT_EQ(KGO_PANIC_RUNTIME, kind);
}

GO_TEST(misuse_of_channels_and_groups_can_be_recovered)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(int), 1);
	struct kgo_wg wg = { 0 };
	int v = 1;

	fresh();
	KGO_SCOPE {
		kgo_defer(keep, NULL);
		kgo_chan_close(NULL);
	}
	EXPECT_EQ(KGO_PANIC_RUNTIME, kind);
	EXPECT_STREQ("close of nil channel", (char *)got);
	EXPECT_EQ(0, kgo_chan_close(c));
	KGO_SCOPE {
		kgo_defer(keep, NULL);
		kgo_chan_close(c);
	}
	EXPECT_STREQ("close of closed channel", (char *)got);
	fresh();
	KGO_SCOPE {
		kgo_defer(keep, NULL);
		kgo_chan_send(c, &v);
	}
	EXPECT_STREQ("send on closed channel", (char *)got);
	KGO_SCOPE {
		kgo_defer(keep, NULL);
		kgo_wg_done(&wg);
	}
	EXPECT_STREQ("sync: negative WaitGroup counter", (char *)got);
	kgo_chan_free(c);
}

static void late_sender(void *arg)
{
	int v = 1;

	KGO_SCOPE {
		kgo_defer(count, NULL);
		kgo_defer(keep, NULL);
		kgo_chan_send(arg, &v);
	}
}

GO_TEST(a_sender_that_close_woke_can_recover)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(int), 0);

	fresh();
	EXPECT_EQ(0, kgo_go(late_sender, c));
	yield_until(waiting("chan send") == 1);
	EXPECT_EQ(0, kgo_chan_close(c));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(1, LOAD(n_ran));
	EXPECT_STREQ("send on closed channel", (char *)got);
}

/* Go's rules of where recover works. */

GO_TEST(without_a_panic_there_is_nothing_to_recover)
{
	fresh();
	EXPECT_EQ(NULL, kgo_recover());
	KGO_SCOPE {
		kgo_defer(keep, NULL);
		EXPECT_EQ(NULL, kgo_recover());
	}
	EXPECT_EQ(KGO_PANIC_NONE, kind);
	EXPECT_EQ(NULL, got);
}

static void *second;

static void recovers_twice(void *arg UNUSED)
{
	keep(NULL);
	second = kgo_recover();
}

static void *inner;

static void keep_inner(void *arg UNUSED)
{
	inner = kgo_recover();
}

/* The inner call runs because a block ends, not because of the panic. */
static void has_a_block(void *arg UNUSED)
{
	inner = (void *)0xa5;
	KGO_SCOPE
		kgo_defer(keep_inner, NULL);
}

static void recovers_inside_a_block(void *arg UNUSED)
{
	KGO_SCOPE
		keep(NULL);
}

GO_TEST(a_call_that_was_not_run_by_the_panic_recovers_nothing)
{
	int v;

	fresh();
	KGO_SCOPE {
		kgo_defer(keep, NULL);
		kgo_defer(has_a_block, NULL);
		kgo_panic_value(&v);
	}
	EXPECT_EQ(NULL, inner);
	EXPECT_EQ(&v, got);
}

GO_TEST(a_deferred_call_may_recover_inside_a_block_of_its_own)
{
	int v;

	fresh();
	KGO_SCOPE {
		kgo_defer(recovers_inside_a_block, NULL);
		kgo_panic_value(&v);
	}
	EXPECT_EQ(&v, got);
}

GO_TEST(a_panic_is_recovered_once)
{
	int v;

	fresh();
	second = &v;
	KGO_SCOPE {
		kgo_defer(recovers_twice, NULL);
		kgo_panic_value(&v);
	}
	EXPECT_EQ(&v, got);
	EXPECT_EQ(NULL, second);
}

/* What is deferred further out no longer sees it. */
GO_TEST(outer_blocks_end_as_usual_after_a_recovery)
{
	int v;

	fresh();
	KGO_SCOPE {
		kgo_defer(keep_inner, NULL);
		KGO_SCOPE {
			kgo_defer(keep, NULL);
			kgo_panic_value(&v);
		}
		count(NULL);
	}
	EXPECT_EQ(&v, got);
	EXPECT_EQ(1, n_ran);
	EXPECT_EQ(NULL, inner);
}

/* A panic passes blocks of callers until one recovers. */
static __attribute__((noinline)) void passes(int depth, void *v)
{
	KGO_SCOPE {
		kgo_defer(count, NULL);
		if (depth)
			passes(depth - 1, v);
		else
			kgo_panic_value(v);
	}
	ADD(n_ran, 1000);
}

GO_TEST(a_panic_runs_the_deferred_calls_of_all_blocks_on_its_way)
{
	int v;

	fresh();
	KGO_SCOPE {
		kgo_defer(keep, NULL);
		passes(20, &v);
	}
	EXPECT_EQ(&v, got);
	EXPECT_EQ(21, n_ran);
}

/* Panics in deferred calls. */

static void panics_with(void *v)
{
	kgo_panic_value(v);
}

static void recovers_then_panics(void *v)
{
	inner = kgo_recover();
	kgo_panic_value(v);
}

GO_TEST(a_panic_in_a_deferred_call_takes_the_others_place)
{
	int a, b;

	fresh();
	KGO_SCOPE {
		kgo_defer(keep, NULL);
		kgo_defer(count, NULL);
		kgo_defer(panics_with, &b);
		kgo_panic_value(&a);
	}
	EXPECT_EQ(&b, got);
	EXPECT_EQ(1, n_ran);

	/* Also when the block has come to its end without one. */
	fresh();
	KGO_SCOPE {
		kgo_defer(keep, NULL);
		kgo_defer(count, NULL);
		kgo_defer(panics_with, &b);
	}
	EXPECT_EQ(&b, got);
	EXPECT_EQ(1, n_ran);

	fresh();
	KGO_SCOPE {
		kgo_defer(keep, NULL);
		kgo_defer(recovers_then_panics, &b);
		kgo_panic_value(&a);
	}
	EXPECT_EQ(&a, inner);
	EXPECT_EQ(&b, got);
}

static void recovers_a_panic_of_its_own(void *v)
{
	KGO_SCOPE {
		kgo_defer(keep_inner, NULL);
		kgo_panic_value(v);
	}
}

GO_TEST(a_panic_that_ends_inside_a_deferred_call_leaves_the_outer_one)
{
	int a, b;

	fresh();
	KGO_SCOPE {
		kgo_defer(keep, NULL);
		kgo_defer(recovers_a_panic_of_its_own, &b);
		kgo_panic_value(&a);
	}
	EXPECT_EQ(&b, inner);
	EXPECT_EQ(&a, got);
}

static void panics_again(void *arg)
{
	long n = (long)(intptr_t)arg;

	ADD(n_ran, 1);
	if (!n) {
		keep(NULL);
		return;
	}
	kgo_defer(panics_again, (void *)(intptr_t)(n - 1));
	kgo_panic_value(arg);
}

GO_TEST(panics_in_panics_in_panics)
{
	fresh();
	KGO_SCOPE {
		kgo_defer(panics_again, (void *)20);
	}
	EXPECT_EQ(21, n_ran);
	EXPECT_EQ((void *)1, got);
}

static int returns_by(int *p)
{
	volatile int way = 1;

	KGO_SCOPE {
		kgo_defer(keep, NULL);
		kgo_defer(panics_with, p);
		way = 2;
		return 5;
	}
	return way;
}

GO_TEST(a_return_that_a_recovered_panic_met_goes_on_after_the_block)
{
	int v;

	fresh();
	EXPECT_EQ(2, returns_by(&v));
	EXPECT_EQ(&v, got);
}

/* In goroutines: their end, their threads. */

static void recovered_at_the_base(void *v)
{
	kgo_defer(count, NULL);
	kgo_defer(keep, NULL);
	kgo_panic_value(v);
}

GO_TEST(a_panic_recovered_outside_of_blocks_ends_the_goroutine)
{
	int v;

	fresh();
	EXPECT_EQ(0, kgo_go(recovered_at_the_base, &v));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(&v, got);
	EXPECT_EQ(1, n_ran);
}

static void parks_then_recovers(void *arg UNUSED)
{
	int i;

	for (i = 0; i < 3; i++)
		kgo_sleep(1000);
	kgo_yield();
	if (kgo_recover())
		ADD(n_ran, 1);
}

struct many {
	struct kgo_wg wg;
	int times;
};

static void panics_and_parks(void *arg)
{
	struct many *m = arg;
	volatile int i;

	kgo_defer((void (*)(void *))kgo_wg_done, &m->wg);
	for (i = 0; i < m->times; i++) {
		KGO_SCOPE {
			kgo_defer(parks_then_recovers, NULL);
			kgo_yield();
			panics(i % 10, m);
		}
	}
}

GO_TEST_PS(many_goroutines_panic_at_one_time_and_change_threads, 4)
{
	struct many m = { .times = MANY(100) };
	int i;

	fresh();
	for (i = 0; i < 50; i++) {
		kgo_wg_add(&m.wg, 1);
		EXPECT_EQ(0, kgo_go(panics_and_parks, &m));
	}
	kgo_wg_wait(&m.wg);
	EXPECT_EQ(50 * m.times, LOAD(n_ran));
}

/* kgo_exit() */

static void exits(int depth);
static void (*volatile exit_deeper)(int depth) = exits;

static void exits(int depth)
{
	KGO_SCOPE {
		kgo_defer(count, NULL);
		if (!depth)
			kgo_exit();
		exit_deeper(depth - 1);
	}
	ADD(n_ran, 1000);
}

static void exits_deep(void *arg UNUSED)
{
	kgo_defer(count, NULL);
	exits(9);
}

GO_TEST(exit_runs_the_deferred_calls_of_all_blocks)
{
	fresh();
	EXPECT_EQ(0, kgo_go(exits_deep, NULL));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(11, n_ran);
}

static void exit_with_recover(void *arg UNUSED)
{
	kgo_defer(count, NULL);
	KGO_SCOPE {
		kgo_defer(keep, NULL);
		kgo_exit();
	}
	ADD(n_ran, 1000);
}

GO_TEST(recover_does_not_stop_an_exit)
{
	fresh();
	EXPECT_EQ(0, kgo_go(exit_with_recover, NULL));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(KGO_PANIC_NONE, kind);
	EXPECT_EQ(NULL, got);
	EXPECT_EQ(1, n_ran);
}

static void calls_exit(void *arg UNUSED)
{
	kgo_exit();
}

static void exit_in_panic(void *v)
{
	kgo_defer(count, NULL);
	KGO_SCOPE {
		kgo_defer(keep, NULL);
		kgo_defer(calls_exit, NULL);
		kgo_panic_value(v);
	}
	ADD(n_ran, 1000);
}

GO_TEST(an_exit_in_a_deferred_call_ends_the_panic)
{
	int v;

	fresh();
	EXPECT_EQ(0, kgo_go(exit_in_panic, &v));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(KGO_PANIC_NONE, kind);
	EXPECT_EQ(1, n_ran);
}

static void panic_in_exit(void *v)
{
	kgo_defer(count, NULL);
	KGO_SCOPE {
		kgo_defer(count, NULL);
		KGO_SCOPE {
			kgo_defer(keep, NULL);
			kgo_defer(panics_with, v);
			kgo_exit();
		}
		ADD(n_ran, 1000);
	}
	ADD(n_ran, 1000);
}

GO_TEST(an_exit_goes_on_when_a_panic_in_it_is_recovered)
{
	int v;

	fresh();
	EXPECT_EQ(0, kgo_go(panic_in_exit, &v));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(&v, got);
	EXPECT_EQ(2, n_ran);
}

static void exit_on_return(void *arg UNUSED)
{
	kgo_defer(count, NULL);
	kgo_defer(calls_exit, NULL);
	KGO_SCOPE
		kgo_defer(calls_exit, NULL);
	ADD(n_ran, 1000);
}

GO_TEST(exit_in_a_deferred_call_ends_a_goroutine_that_returns)
{
	fresh();
	EXPECT_EQ(0, kgo_go(exit_on_return, NULL));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(1, n_ran);
}

static int run_exits(void *arg)
{
	kgo_defer(count, NULL);
	if (arg)
		kgo_panic_value(arg);
	exits(5);
	return 9;
}

static int run_recovers(void *arg)
{
	kgo_defer(keep, NULL);
	panics(3, arg);
	return 9;
}

TEST(a_bound_function_ends_by_exit_or_a_recovered_panic)
{
	int ret = -1, i;

	fresh();
	for (i = 0; i < 100; i++) {
		EXPECT_EQ(0, kgo_run(run_exits, NULL, &ret));
		EXPECT_EQ(0, ret);
		EXPECT_EQ(7 * (i + 1), n_ran);
		ret = -1;
		EXPECT_EQ(0, kgo_run(run_recovers, &ret, &ret));
		EXPECT_EQ(0, ret);
		EXPECT_EQ(&ret, got);
	}
}

static void exits_process(void *arg UNUSED)
{
	yield_until(LOAD(n_ran));
	_exit(4);
}

static int main_exits(void *arg UNUSED)
{
	kgo_go(exits_process, NULL);
	kgo_defer(count, NULL);
	kgo_exit();
}

TEST(when_main_exits_its_deferred_calls_run_and_others_go_on)
{
	struct ended e;

	fresh();
	run_child(&e, main_exits, NULL);
	EXPECT_TRUE(WIFEXITED(e.status));
	EXPECT_EQ(4, WEXITSTATUS(e.status));
}

static int main_recovers(void *arg)
{
	kgo_defer(keep, NULL);
	kgo_panic_value(arg);
}

TEST(when_main_recovers_outside_of_blocks_the_program_ends_with_0)
{
	struct ended e;

	run_child(&e, main_recovers, &e);
	EXPECT_TRUE(WIFEXITED(e.status));
	EXPECT_EQ(0, WEXITSTATUS(e.status));
	EXPECT_EQ(NULL, strstr(e.err, "panic"));
}

TEST_HARNESS_MAIN
