// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Scopes and deferred calls: when they run, in what order, and what they may
 * do.
 */
#include "lib_test.h"

#define MANY_CALLS	1000

static int order[MANY_CALLS * 2];
static int nr_ran;

static void fresh(void)
{
	memset(order, 0xa5, sizeof(order));
	nr_ran = 0;
}

static void note(void *arg)
{
	order[nr_ran++] = (int)(intptr_t)arg;
}

#define NR(n)	((void *)(intptr_t)(n))

GO_TEST(deferred_calls_run_at_the_end_of_the_block_last_first)
{
	fresh();
	KGO_SCOPE {
		EXPECT_EQ(0, kgo_defer(note, NR(1)));
		EXPECT_EQ(0, kgo_defer(note, NR(2)));
		EXPECT_EQ(0, kgo_defer(note, NR(3)));
		EXPECT_EQ(0, nr_ran);
	}
	EXPECT_EQ(3, nr_ran);
	EXPECT_EQ(3, order[0]);
	EXPECT_EQ(2, order[1]);
	EXPECT_EQ(1, order[2]);
}

static int leave_by(int how)
{
	KGO_SCOPE {
		kgo_defer(note, NR(how));
		if (how == 1)
			return 10;
		if (how == 2)
			goto out;
	}
	return 20;
out:
	return 30;
}

GO_TEST(every_way_out_of_the_block_runs_them)
{
	fresh();
	EXPECT_EQ(10, leave_by(1));
	EXPECT_EQ(1, nr_ran);
	EXPECT_EQ(1, order[0]);
	fresh();
	EXPECT_EQ(30, leave_by(2));
	EXPECT_EQ(1, nr_ran);
	EXPECT_EQ(2, order[0]);
	EXPECT_EQ(20, leave_by(3));
	EXPECT_EQ(2, nr_ran);
	EXPECT_EQ(3, order[1]);
}

static void add_to(void *arg)
{
	ADD(*(int *)arg, 1);
}

static int leave_loops(int how, int *n)
{
	int rounds = 0, i;

	for (i = 0; i < 3; i++) {
		KGO_SCOPE {
			kgo_defer(add_to, n);
			if (how == 2)
				break;
			if (how == 3)
				continue;
		}
		rounds++;
	}
	return rounds;
}

GO_TEST(break_and_continue_leave_the_block_only)
{
	int n = 0;

	EXPECT_EQ(3, leave_loops(2, &n));
	EXPECT_EQ(3, n);
	EXPECT_EQ(3, leave_loops(3, &n));
	EXPECT_EQ(6, n);
}

GO_TEST(a_loop_may_defer_in_one_block)
{
	int i;

	fresh();
	KGO_SCOPE {
		for (i = 0; i < MANY_CALLS; i++)
			EXPECT_EQ(0, kgo_defer(note, NR(i)));
	}
	EXPECT_EQ(MANY_CALLS, nr_ran);
	for (i = 0; i < MANY_CALLS; i++)
		EXPECT_EQ(MANY_CALLS - 1 - i, order[i]);
}

static int depth_sum;

static void sub_depth(void *arg)
{
	depth_sum -= (int)(intptr_t)arg;
}

static int recurse(int n)
{
	volatile int below = 0;

	KGO_SCOPE {
		kgo_defer(sub_depth, NR(n));
		depth_sum += n;
		below = n ? recurse(n - 1) : depth_sum;
	}
	return below;
}

GO_TEST(blocks_nest_in_functions_and_by_calls)
{
	fresh();
	KGO_SCOPE {
		kgo_defer(note, NR(1));
		KGO_SCOPE {
			kgo_defer(note, NR(2));
			KGO_SCOPE
				kgo_defer(note, NR(3));
			EXPECT_EQ(1, nr_ran);
			kgo_defer(note, NR(4));
		}
		EXPECT_EQ(3, nr_ran);
		EXPECT_EQ(4, order[1]);
		EXPECT_EQ(2, order[2]);
	}
	EXPECT_EQ(4, nr_ran);
	depth_sum = 0;
	EXPECT_EQ(100 * 101 / 2, recurse(100));
	EXPECT_EQ(0, depth_sum);
}

/* A helper without a block of its own defers for its caller's. */
static __attribute__((noinline)) void helper(struct kgo_mutex *mu)
{
	kgo_mutex_lock(mu);
	kgo_defer((void (*)(void *))kgo_mutex_unlock, mu);
}

GO_TEST(a_helper_defers_for_its_callers_block)
{
	struct kgo_mutex mu = { 0 };

	KGO_SCOPE {
		helper(&mu);
		EXPECT_FALSE(kgo_mutex_try_lock(&mu));
	}
	EXPECT_TRUE(kgo_mutex_try_lock(&mu));
}

static void defers_more(void *arg)
{
	long n = (long)(intptr_t)arg;

	note(arg);
	if (n)
		kgo_defer(defers_more, NR(n - 1));
}

GO_TEST(a_deferred_call_may_defer)
{
	int i;

	fresh();
	KGO_SCOPE {
		kgo_defer(note, NR(77));
		kgo_defer(defers_more, NR(9));
	}
	EXPECT_EQ(11, nr_ran);
	for (i = 0; i < 10; i++)
		EXPECT_EQ(9 - i, order[i]);
	EXPECT_EQ(77, order[10]);
}

struct base {
	int ran, returned;
	struct kgo_wg wg;
};

static void ends(void *arg)
{
	struct base *b = arg;

	/* After the body. */
	ADD(b->ran, LOAD(b->returned));
	kgo_wg_done(&b->wg);
}

static __attribute__((noinline)) void defer_without_block(struct base *b)
{
	kgo_defer(ends, b);
}

static void body(void *arg)
{
	struct base *b = arg;

	defer_without_block(b);
	kgo_yield();
	STORE(b->returned, 1);
}

GO_TEST(outside_of_a_block_it_is_the_goroutines_end)
{
	struct base b;
	int i;

	for (i = 0; i < 50; i++) {
		memset(&b, 0, sizeof(b));
		kgo_wg_add(&b.wg, 1);
		EXPECT_EQ(0, kgo_go(body, &b));
		kgo_wg_wait(&b.wg);
		EXPECT_EQ(1, LOAD(b.ran));
	}
}

static void parks(void *arg)
{
	struct kgo_chan *c = arg;
	int v = 0;

	kgo_chan_recv(c, &v);
	note(NR(v));
}

static void feeds(void *arg)
{
	int v = 5;

	yield_until(waiting("chan receive") == 1);
	kgo_chan_send(arg, &v);
}

GO_TEST(a_deferred_call_may_park_and_wake_on_another_thread)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(int), 0);
	int i;

	fresh();
	for (i = 0; i < 20; i++) {
		KGO_SCOPE {
			kgo_defer(parks, c);
			EXPECT_EQ(0, kgo_go(feeds, c));
		}
		EXPECT_EQ(i + 1, nr_ran);
		EXPECT_EQ(5, order[i]);
	}
	kgo_chan_free(c);
}

GO_TEST(no_function_is_refused)
{
	fresh();
	KGO_SCOPE {
		EXPECT_EQ(-EINVAL, kgo_defer(NULL, NR(1)));
	}
	EXPECT_EQ(0, nr_ran);
}

static void says(void *arg)
{
	const char *s = arg;

	if (write(STDERR_FILENO, s, strlen(s)) < 0)
		abort();
}

static void sleeper(void *arg UNUSED)
{
	KGO_SCOPE {
		kgo_defer(says, "[other]");
		kgo_chan_recv(NULL, NULL);
	}
}

static int returns(void *arg)
{
	kgo_go(sleeper, NULL);
	yield_until(waiting("chan receive (nil chan)") == 1);
	kgo_defer(says, "[main]");
	return (int)(intptr_t)arg;
}

TEST(when_main_returns_its_own_run_and_nobody_elses)
{
	struct ended e;

	run_child(&e, returns, NR(3));
	EXPECT_TRUE(WIFEXITED(e.status));
	EXPECT_EQ(3, WEXITSTATUS(e.status));
	EXPECT_NE(NULL, strstr(e.err, "[main]"));
	EXPECT_EQ(NULL, strstr(e.err, "[other]"));
}

static int run_fn(void *arg)
{
	kgo_defer(add_to, arg);
	KGO_SCOPE
		kgo_defer(add_to, arg);
	return *(int *)arg;
}

TEST(what_a_bound_function_deferred_runs_before_run_returns)
{
	int n = 0, ret = -1;

	EXPECT_EQ(0, kgo_run(run_fn, &n, &ret));
	EXPECT_EQ(1, ret);
	EXPECT_EQ(2, n);
}

TEST_HARNESS_MAIN
