// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Goroutines without a stack: each way to wait, ready at once and not, what
 * comes of it, and what they must not do.
 */
#include "lib_test.h"

#include <string.h>

#define POISON	0x5a5a5a5a
#define CROWD	10000

static const struct kgo_attr bare = { .flags = KGO_ATTR_STACKLESS };

/* What the next function was told. */
static struct {
	int ret;
	void *arg;
	int calls;
	uint64_t goid;
} told;

static void forget(void)
{
	STORE(told.ret, POISON);
	STORE(told.arg, NULL);
	STORE(told.calls, 0);
}

static void tell(void *arg, int ret)
{
	STORE(told.ret, ret);
	STORE(told.arg, arg);
	STORE(told.goid, kgo_goid());
	ADD(told.calls, 1);
}

static int go_bare(void (*fn)(void *), void *arg)
{
	return kgo_go_attr(fn, arg, &bare);
}

static void ends_at_once(void *arg)
{
	ADD(*(int *)arg, 1);
}

GO_TEST(a_body_that_asks_for_nothing_ends)
{
	int n = 0, i;

	for (i = 0; i < 1000; i++)
		EXPECT_EQ(0, go_bare(ends_at_once, &n));
	yield_until(LOAD(n) == 1000);
	EXPECT_EQ(0, kgo_quiesce(1, -1));
}

static void yields(void *arg)
{
	STORE(*(uint64_t *)arg, kgo_goid());
	kgo_yield_then(tell, arg);
}

static void sleeps(void *arg)
{
	kgo_sleep_then(2 * MS, tell, arg);
}

static void sleeps_not(void *arg)
{
	kgo_sleep_then(0, tell, arg);
}

GO_TEST(yield_and_sleep_go_on_as_the_same_goroutine)
{
	long long since;
	uint64_t id = 0;
	int x;

	forget();
	EXPECT_EQ(0, go_bare(yields, &id));
	yield_until(LOAD(told.calls) == 1);
	EXPECT_EQ(0, told.ret);
	EXPECT_EQ(&id, told.arg);
	EXPECT_NE(0, id);
	EXPECT_EQ(id, told.goid);

	forget();
	since = now_ns();
	EXPECT_EQ(0, go_bare(sleeps, &x));
	yield_until(LOAD(told.calls) == 1);
	EXPECT_LE(2 * MS, now_ns() - since);
	EXPECT_EQ(0, told.ret);

	forget();
	EXPECT_EQ(0, go_bare(sleeps_not, &x));
	yield_until(LOAD(told.calls) == 1);
	EXPECT_EQ(0, told.ret);
}

static struct kgo_chan *c;
static int value;

static void receives(void *arg)
{
	kgo_chan_recv_then(c, &value, tell, arg);
}

static void sends(void *arg)
{
	kgo_chan_send_then(c, arg, tell, arg);
}

GO_TEST(a_receive_gets_the_value_at_once_or_later_and_the_end)
{
	int v = 41;

	c = kgo_chan_make(sizeof(int), 1);
	/* At once. */
	forget();
	EXPECT_EQ(0, kgo_chan_send(c, &v));
	EXPECT_EQ(0, go_bare(receives, &v));
	yield_until(LOAD(told.calls) == 1);
	EXPECT_EQ(1, told.ret);
	EXPECT_EQ(41, value);
	/* Later. */
	forget();
	EXPECT_EQ(0, go_bare(receives, &v));
	yield_until(waiting("chan receive"));
	EXPECT_EQ(0, LOAD(told.calls));
	v = 42;
	EXPECT_EQ(0, kgo_chan_send(c, &v));
	yield_until(LOAD(told.calls) == 1);
	EXPECT_EQ(1, told.ret);
	EXPECT_EQ(42, value);
	/* The end, for one that waits and for one that comes later. */
	forget();
	EXPECT_EQ(0, go_bare(receives, &v));
	yield_until(waiting("chan receive"));
	kgo_chan_close(c);
	yield_until(LOAD(told.calls) == 1);
	EXPECT_EQ(0, told.ret);
	EXPECT_EQ(0, value);
	EXPECT_EQ(0, go_bare(receives, &v));
	yield_until(LOAD(told.calls) == 2);
	EXPECT_EQ(0, told.ret);
}

GO_TEST(a_send_waits_for_who_takes_it)
{
	int v = 43, got = 0;

	c = kgo_chan_make(sizeof(int), 0);
	forget();
	EXPECT_EQ(0, go_bare(sends, &v));
	yield_until(waiting("chan send"));
	EXPECT_EQ(0, LOAD(told.calls));
	EXPECT_EQ(1, kgo_chan_recv(c, &got));
	EXPECT_EQ(43, got);
	yield_until(LOAD(told.calls) == 1);
	EXPECT_EQ(0, told.ret);
}

static struct kgo_mutex mu;
static struct kgo_wg wg;
static struct kgo_ctx *ctx;

static void locks(void *arg)
{
	kgo_mutex_lock_then(&mu, tell, arg);
}

static void waits(void *arg)
{
	kgo_wg_wait_then(&wg, tell, arg);
}

static void until_done(void *arg)
{
	kgo_ctx_done_then(ctx, tell, arg);
}

GO_TEST(a_mutex_is_locked_when_it_goes_on)
{
	int x;

	forget();
	kgo_mutex_lock(&mu);
	EXPECT_EQ(0, go_bare(locks, &x));
	yield_until(waiting("sync.Mutex.Lock"));
	EXPECT_EQ(0, LOAD(told.calls));
	kgo_mutex_unlock(&mu);
	yield_until(LOAD(told.calls) == 1);
	EXPECT_EQ(0, told.ret);
	/* It ended with the lock held. */
	EXPECT_FALSE(kgo_mutex_try_lock(&mu));
	kgo_mutex_unlock(&mu);
	EXPECT_TRUE(kgo_mutex_try_lock(&mu));
}

GO_TEST(a_waitgroup_and_a_context_let_it_go_on)
{
	int x;

	forget();
	kgo_wg_add(&wg, 1);
	EXPECT_EQ(0, go_bare(waits, &x));
	yield_until(waiting("sync.WaitGroup.Wait"));
	EXPECT_EQ(0, LOAD(told.calls));
	kgo_wg_done(&wg);
	yield_until(LOAD(told.calls) == 1);
	EXPECT_EQ(0, told.ret);

	forget();
	ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	EXPECT_EQ(0, go_bare(until_done, &x));
	yield_until(waiting("chan receive"));
	EXPECT_EQ(0, LOAD(told.calls));
	kgo_ctx_cancel(ctx, 0);
	yield_until(LOAD(told.calls) == 1);
	EXPECT_EQ(-ECANCELED, told.ret);
	kgo_ctx_put(ctx);
}

static struct kgo_case cases[2];
static int from[2];

static void selects(void *arg)
{
	kgo_select_then(cases, 2, tell, arg);
}

static void selects_for_a_while(void *arg)
{
	kgo_select_timeout_then(cases, 2, 2 * MS, tell, arg);
}

GO_TEST(a_select_does_one_case_or_none_in_time)
{
	struct kgo_chan *a = kgo_chan_make(sizeof(int), 0);
	struct kgo_chan *b = kgo_chan_make(sizeof(int), 0);
	int v = 44, x;

	cases[0] = (struct kgo_case)KGO_CASE(a, &from[0], KGO_CASE_RECV);
	cases[1] = (struct kgo_case)KGO_CASE(b, &from[1], KGO_CASE_RECV);
	forget();
	EXPECT_EQ(0, go_bare(selects, &x));
	yield_until(waiting("select"));
	EXPECT_EQ(0, kgo_chan_send(b, &v));
	yield_until(LOAD(told.calls) == 1);
	EXPECT_EQ(1, told.ret);
	EXPECT_EQ(44, from[1]);
	/* It waits on neither any more. */
	EXPECT_EQ(-EAGAIN, kgo_chan_try_send(a, &v));

	forget();
	EXPECT_EQ(0, go_bare(selects_for_a_while, &x));
	yield_until(LOAD(told.calls) == 1);
	EXPECT_EQ(-ETIMEDOUT, told.ret);
	EXPECT_EQ(-EAGAIN, kgo_chan_try_send(b, &v));
	EXPECT_EQ(0, kgo_chan_free(a));
	EXPECT_EQ(0, kgo_chan_free(b));
}

/* A row of waits that are none, and the lowest place that a body stood at. */
static struct {
	int left;
	char *low, *high;
} row;

static void again(void *arg, int ret UNUSED)
{
	char *at = __builtin_frame_address(0);

	if (!row.low || at < row.low)
		row.low = at;
	if (at > row.high)
		row.high = at;
	if (row.left-- > 0)
		kgo_chan_recv_then(c, NULL, again, arg);
	else
		STORE(told.calls, 1);
}

static void begins_row(void *arg)
{
	again(arg, 0);
}

GO_TEST_PS(a_long_row_of_what_is_ready_needs_no_more_stack, 1)
{
	c = kgo_chan_make(0, 0);
	kgo_chan_close(c);
	forget();
	memset(&row, 0, sizeof(row));
	row.left = 100000;
	EXPECT_EQ(0, go_bare(begins_row, NULL));
	yield_until(LOAD(told.calls) == 1);
	EXPECT_GT(4096, row.high - row.low);
}

static int turns;

static void takes_turns(void *arg UNUSED, int ret UNUSED)
{
	if (ADD(turns, 1) < 100000)
		kgo_chan_recv_then(c, NULL, takes_turns, NULL);
}

static void begins_turns(void *arg)
{
	takes_turns(arg, 0);
}

GO_TEST_PS(a_row_without_end_lets_others_run, 1)
{
	int seen;

	c = kgo_chan_make(0, 0);
	kgo_chan_close(c);
	EXPECT_EQ(0, go_bare(begins_turns, NULL));
	do {
		kgo_yield();
		seen = LOAD(turns);
	} while (!seen);
	EXPECT_GT(100000, seen);
	yield_until(LOAD(turns) == 100000);
}

static int woken;

static void is_woken(void *arg UNUSED, int ret)
{
	ADD(woken, !ret);
}

static void joins_crowd(void *arg)
{
	kgo_chan_recv_then(c, NULL, is_woken, arg);
}

GO_TEST(a_crowd_is_woken_by_one_close)
{
	const int n = MANY(CROWD);
	int i;

	c = kgo_chan_make(0, 0);
	for (i = 0; i < n; i++)
		EXPECT_EQ(0, go_bare(joins_crowd, NULL));
	EXPECT_EQ(n + 1, (int)kgo_num_goroutine());
	kgo_chan_close(c);
	yield_until(LOAD(woken) == n);
	EXPECT_EQ(0, kgo_quiesce(1, -1));
}

static int order[4], nr_order;

static void notes_stackless(void *arg, int ret UNUSED)
{
	order[ADD(nr_order, 1) - 1] = (int)(long)arg;
}

static void queues_stackless(void *arg)
{
	kgo_chan_recv_then(c, NULL, notes_stackless, arg);
}

static void queues_stackful(void *arg)
{
	kgo_chan_recv(c, NULL);
	order[ADD(nr_order, 1) - 1] = (int)(long)arg;
}

GO_TEST_PS(both_kinds_wait_in_one_line, 1)
{
	long i;

	c = kgo_chan_make(0, 0);
	for (i = 0; i < 4; i++) {
		int ret = i % 2 ? kgo_go(queues_stackful, (void *)(i + 1)) :
				  go_bare(queues_stackless, (void *)(i + 1));

		EXPECT_EQ(0, ret);
		yield_until(waiting("chan receive") == i + 1);
	}
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, kgo_chan_send(c, NULL));
		yield_until(LOAD(nr_order) == i + 1);
		EXPECT_EQ(i + 1, order[i]);
	}
}

static int deferred;

static void note_deferred(void *arg)
{
	STORE(deferred, (int)(long)arg);
}

static void exits(void *arg UNUSED, int ret UNUSED)
{
	kgo_exit();
}

static void defers(void *arg)
{
	kgo_defer(note_deferred, arg);
	kgo_yield_then(exits, NULL);
}

static void recovers(void *arg UNUSED)
{
	STORE(told.arg, kgo_recover());
}

static void panics_inside(void *arg)
{
	KGO_SCOPE {
		kgo_defer(recovers, NULL);
		kgo_panic("inside");
	}
	kgo_yield_then(tell, arg);
}

GO_TEST(deferred_calls_run_at_its_end_and_panics_are_recovered)
{
	int x;

	EXPECT_EQ(0, go_bare(defers, (void *)7L));
	yield_until(LOAD(deferred) == 7);
	forget();
	EXPECT_EQ(0, go_bare(panics_inside, &x));
	yield_until(LOAD(told.calls) == 1);
	EXPECT_EQ(&x, told.arg);
	EXPECT_EQ(0, told.ret);
	EXPECT_EQ(0, kgo_quiesce(1, -1));
}

struct row {
	struct kgo_chan *gate;
	int begun;
	int went_on;
};

static void waits_once_more(void *arg, int ret UNUSED)
{
	struct row *row = arg;

	/* All are woken at once, so that they run in a row on one stack. */
	if (ADD(row->went_on, 1) % 3 == 0)
		kgo_exit();
	kgo_yield_then(tell, arg);
}

static void waits_at_the_gate(void *arg)
{
	struct row *row = arg;

	ADD(row->begun, 1);
	kgo_chan_recv_then(row->gate, NULL, waits_once_more, row);
}

GO_TEST(an_exit_in_a_row_of_them_ends_that_one_alone)
{
	struct row row = { .gate = kgo_chan_make(0, 0) };
	int i;

	forget();
	for (i = 0; i < 300; i++)
		EXPECT_EQ(0, go_bare(waits_at_the_gate, &row));
	yield_until(LOAD(row.begun) == 300);
	kgo_chan_close(row.gate);
	EXPECT_EQ(0, kgo_quiesce(1, -1));
	EXPECT_EQ(300, LOAD(row.went_on));
	EXPECT_EQ(200, LOAD(told.calls));
	EXPECT_EQ(&row, told.arg);
	EXPECT_EQ(0, kgo_chan_free(row.gate));

	/* The thread of one that has exited knows of no body any more. */
	forget();
	KGO_SCOPE {
		kgo_defer(recovers, NULL);
		kgo_yield_then(tell, &row);
	}
	ASSERT_NE(NULL, told.arg);
	EXPECT_NE(NULL, strstr(told.arg, "outside of a stackless goroutine"));
	EXPECT_EQ(0, LOAD(told.calls));
}

static void panics(void *arg UNUSED, int ret UNUSED)
{
	kgo_panic("in the second body");
}

static void parks(void *arg UNUSED)
{
	kgo_chan_recv(kgo_chan_make(0, 0), NULL);
}

static void asks_twice(void *arg UNUSED)
{
	kgo_yield_then(tell, NULL);
	kgo_yield_then(tell, NULL);
}

static void asks_for_nothing(void *arg UNUSED)
{
	kgo_yield_then(NULL, NULL);
}

static void locks_thread(void *arg UNUSED)
{
	kgo_lock_os_thread();
}

static void panics_later(void *arg)
{
	kgo_yield_then(panics, arg);
}

static int starts(void *fn)
{
	go_bare((void (*)(void *))(unsigned long)fn, NULL);
	for (;;)
		kgo_yield();
	return 0;
}

static int asks_with_a_stack(void *arg UNUSED)
{
	kgo_yield_then(tell, NULL);
	return 0;
}

TEST(what_it_must_not_do_panics)
{
	static const struct {
		void (*fn)(void *);
		const char *words;
	} wrong[] = {
		{ panics_later, "panic: in the second body" },
		{ parks, "use kgo_chan_recv_then()" },
		{ asks_twice, "a second ..._then() call in one body" },
		{ asks_for_nothing, "without a function to go on with" },
		{ locks_thread, "LockOSThread in a stackless goroutine" },
	};
	struct ended e;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		run_child(&e, starts, (void *)(unsigned long)wrong[i].fn);
		EXPECT_PANIC(e, wrong[i].words);
	}
	run_child(&e, asks_with_a_stack, NULL);
	EXPECT_PANIC(e, "outside of a stackless goroutine");
}

GO_TEST(a_stack_size_makes_no_sense)
{
	struct kgo_attr a = bare;

	a.stack_size = 65536;
	EXPECT_EQ(-EINVAL, kgo_go_attr(ends_at_once, NULL, &a));
	EXPECT_EQ(1, (int)kgo_num_goroutine());
}

TEST_HARNESS_MAIN
