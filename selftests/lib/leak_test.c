// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Leak checks: what is left is found and named, what will end or is to be
 * overlooked is not, and tests that run beside each other do not see each
 * other's goroutines.
 */
#include "lib_test.h"

#define LONG	(60000 * MS)	/* never waited for if all is well */

/* Keeps a function on the stack while what it calls last waits. */
#define STAY()	__asm__ volatile("" : : : "memory")

static const struct kgo_leak_opts at_once = { .max_wait = -1 };

static void waits(void *arg)
{
	kgo_chan_recv(arg, NULL);
	STAY();
}

static void sends(void *arg)
{
	int v = 3;

	kgo_chan_send(arg, &v);
	STAY();
}

static void yields(void *arg UNUSED)
{
	int i;

	for (i = 0; i < 50; i++)
		kgo_yield();
}

static __attribute__((noinline)) void start_waiting(struct kgo_chan *c)
{
	kgo_go(waits, c);
}

GO_TEST(nothing_is_found_where_nothing_is)
{
	char *report = (char *)0x5a;

	EXPECT_EQ(0, kgo_leak_find(NULL, NULL));
	EXPECT_EQ(0, kgo_leak_find(&at_once, &report));
	EXPECT_EQ(NULL, report);
	EXPECT_EQ(0, kgo_leak_verify_none(NULL));
}

GO_TEST(a_goroutine_that_waits_for_ever_is_found_and_named)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(int), 0);
	struct kgo_chan *d = kgo_chan_make(sizeof(int), 0);
	char *report = NULL;

	start_waiting(c);
	kgo_go(sends, d);
	yield_until(waiting("chan receive") == 1 && waiting("chan send") == 1);
	EXPECT_EQ(2, kgo_leak_find(&at_once, &report));
	EXPECT_NE(NULL, report);
	EXPECT_NE(NULL, strstr(report, " [chan receive, "));
	EXPECT_NE(NULL, strstr(report, " ms]:\n"));
	EXPECT_NE(NULL, strstr(report, "waits"));
	EXPECT_NE(NULL, strstr(report, "created by start_waiting in goroutine 1\n"));
	EXPECT_NE(NULL, strstr(report, " [chan send, "));
	EXPECT_NE(NULL, strstr(report, "leak_test.c:"));
	free(report);
	kgo_chan_close(c);
	EXPECT_EQ(1, kgo_chan_recv(d, NULL));
	EXPECT_EQ(0, kgo_leak_find(NULL, NULL));
}

GO_TEST(one_that_ends_soon_is_waited_for)
{
	struct kgo_leak_opts opts = { .max_wait = LONG };
	int i, round;

	for (round = 0; round < MANY(100); round++) {
		for (i = 0; i < 10; i++)
			kgo_go(yields, NULL);
		EXPECT_EQ(0, kgo_leak_find(&opts, NULL));
		EXPECT_EQ(1, kgo_num_goroutine());
	}
}

GO_TEST(patience_has_an_end)
{
	struct kgo_leak_opts opts = { .max_wait = 20 * MS };
	struct kgo_chan *c = kgo_chan_make(0, 0);
	long long then = now_ns();

	kgo_go(waits, c);
	EXPECT_EQ(1, kgo_leak_find(&opts, NULL));
	EXPECT_LE(20 * MS, now_ns() - then);
	kgo_chan_close(c);
	EXPECT_EQ(0, kgo_leak_find(NULL, NULL));
}

GO_TEST(those_that_were_there_before_can_be_overlooked)
{
	struct kgo_chan *old = kgo_chan_make(0, 0), *new = kgo_chan_make(0, 0);
	struct kgo_leak_opts opts = { .max_wait = -1 };
	struct kgo_leak_current *current;
	int i;

	for (i = 0; i < 30; i++)
		kgo_go(waits, old);
	current = kgo_leak_current();
	EXPECT_NE(NULL, current);
	opts.ignore_current = current;
	EXPECT_EQ(0, kgo_leak_find(&opts, NULL));
	EXPECT_EQ(30, kgo_leak_find(&at_once, NULL));
	kgo_go(waits, new);
	EXPECT_EQ(1, kgo_leak_find(&opts, NULL));
	/* A descriptor that is used again is another goroutine. */
	kgo_chan_close(old);
	EXPECT_EQ(0, kgo_quiesce(2, -1));
	old = kgo_chan_make(0, 0);
	for (i = 0; i < 30; i++)
		kgo_go(waits, old);
	EXPECT_EQ(31, kgo_leak_find(&opts, NULL));
	kgo_chan_close(old);
	kgo_chan_close(new);
	opts.max_wait = LONG;
	EXPECT_EQ(0, kgo_leak_find(&opts, NULL));
	kgo_leak_current_free(current);
	kgo_leak_current_free(NULL);
}

GO_TEST(functions_can_be_overlooked)
{
	static const char *const waits_name[] = { "other", "waits", NULL };
	static const char *const part[] = { "wait", "waits_more", "", NULL };
	static const char *const creator[] = { "start_waiting", NULL };
	static const char *const no_creator[] = { "start", "functions_can_be_overlooked", NULL };
	struct kgo_chan *c = kgo_chan_make(0, 0);
	struct kgo_leak_opts opts = { .max_wait = -1 };

	start_waiting(c);
	yield_until(waiting("chan receive") == 1);
	EXPECT_EQ(1, kgo_leak_find(&opts, NULL));
	opts.ignore_top = waits_name;
	EXPECT_EQ(0, kgo_leak_find(&opts, NULL));
	opts.ignore_top = part;
	EXPECT_EQ(1, kgo_leak_find(&opts, NULL));
	opts.ignore_any = waits_name;
	EXPECT_EQ(0, kgo_leak_find(&opts, NULL));
	opts.ignore_any = part;
	EXPECT_EQ(1, kgo_leak_find(&opts, NULL));
	opts.ignore_created_by = no_creator;
	EXPECT_EQ(1, kgo_leak_find(&opts, NULL));
	opts.ignore_created_by = creator;
	EXPECT_EQ(0, kgo_leak_find(&opts, NULL));
	kgo_chan_close(c);
	EXPECT_EQ(0, kgo_leak_find(NULL, NULL));
}

static __attribute__((noinline)) void inner(struct kgo_chan *c)
{
	kgo_chan_recv(c, NULL);
	STAY();
}

static void outer(void *arg)
{
	inner(arg);
	STAY();
}

/* Where names of a stack cannot be had there is the start function only. */
GO_TEST(the_stack_says_where_a_goroutine_stands)
{
	static const char *const inner_name[] = { "inner", NULL };
	static const char *const outer_name[] = { "outer", NULL };
	struct kgo_leak_opts opts = { .max_wait = -1 };
	struct kgo_chan *c = kgo_chan_make(0, 0);
	char *report = NULL;
	bool deep;

	kgo_go(outer, c);
	yield_until(waiting("chan receive") == 1);
	EXPECT_EQ(1, kgo_leak_find(&opts, &report));
	deep = report && strstr(report, "\ninner(...)\n");
	EXPECT_TRUE(report && strstr(report, "\nouter(...)\n")) {
		TH_LOG("%s", report);
	}
	free(report);
	if (!deep)
		TH_LOG("stacks have no names here");
	opts.ignore_top = inner_name;
	EXPECT_EQ(deep ? 0 : 1, kgo_leak_find(&opts, NULL));
	opts.ignore_top = outer_name;
	EXPECT_EQ(deep ? 1 : 0, kgo_leak_find(&opts, NULL));
	opts.ignore_top = NULL;
	opts.ignore_any = inner_name;
	EXPECT_EQ(deep ? 0 : 1, kgo_leak_find(&opts, NULL));
	opts.ignore_any = outer_name;
	EXPECT_EQ(0, kgo_leak_find(&opts, NULL));
	kgo_chan_close(c);
	EXPECT_EQ(0, kgo_leak_find(NULL, NULL));
}

GO_TEST(bad_options_are_refused)
{
	struct kgo_leak_opts opts = { .flags = 0x80 };
	char *report = (char *)0x5a;

	EXPECT_EQ(-EINVAL, kgo_leak_find(&opts, &report));
	EXPECT_EQ(NULL, report);
	opts.flags = KGO_LEAK_RUN_ON_FAILURE;
	opts.reserved = 1;
	EXPECT_EQ(-EINVAL, kgo_leak_find(&opts, NULL));
	EXPECT_EQ(-EINVAL, kgo_leak_group_end(NULL, NULL));
	EXPECT_EQ(-EINVAL, kgo_leak_main(NULL, NULL, NULL));
}

/* Groups */

static void starts_another(void *arg)
{
	start_waiting(arg);
}

struct a_test {
	struct kgo_chan *hold, *done;
	uint32_t leak;
	int found;
	struct kgo_wg wg;
};

/* One test of several that run at a time; every second one leaks. */
static void a_test(void *arg)
{
	struct a_test *t = arg;
	struct kgo_leak_group *group = kgo_leak_group_begin();
	struct kgo_leak_opts opts = { .max_wait = LONG };
	struct kgo_leak_opts look = { .max_wait = -1, .group = group };
	int i;

	for (i = 0; i < 5; i++)
		kgo_go(yields, NULL);
	if (t->leak) {
		kgo_go(starts_another, t->hold);
		kgo_go(waits, t->hold);
		/* Those that end have ended. */
		yield_until(kgo_leak_find(&look, NULL) == 2);
		opts.max_wait = -1;
	}
	t->found = kgo_leak_group_end(group, &opts);
	kgo_chan_send(t->done, NULL);
}

static int parallel(void *arg)
{
	static struct a_test t[8];
	struct kgo_chan *done = kgo_chan_make(0, 0);
	int i;

	for (i = 0; i < 8; i++) {
		t[i].hold = kgo_chan_make(0, 0);
		t[i].done = done;
		t[i].leak = i & 1;
		t[i].found = -99;
		kgo_go(a_test, &t[i]);
	}
	for (i = 0; i < 8; i++)
		kgo_chan_recv(done, NULL);
	for (i = 0; i < 8; i++)
		if (t[i].found != (i & 1 ? 2 : 0))
			return 10 + i;
	for (i = 0; i < 8; i++)
		kgo_chan_close(t[i].hold);
	return arg ? 0 : kgo_quiesce(1, -1);
}

TEST(tests_that_run_beside_each_other_find_their_own_goroutines)
{
	struct ended e;

	run_child(&e, parallel, NULL);
	EXPECT_TRUE(WIFEXITED(e.status));
	EXPECT_EQ(0, WEXITSTATUS(e.status));
	EXPECT_NE(NULL, strstr(e.err, "kgo: 2 goroutines are left of a group:\n"));
	EXPECT_NE(NULL, strstr(e.err, "created by start_waiting"));
}

GO_TEST(groups_nest)
{
	struct kgo_chan *c = kgo_chan_make(0, 0), *d = kgo_chan_make(0, 0);
	struct kgo_leak_group *outer, *inner;
	int err;

	err = dup(STDERR_FILENO);
	dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
	kgo_go(waits, d);		/* of no group */
	outer = kgo_leak_group_begin();
	EXPECT_NE(NULL, outer);
	kgo_go(waits, c);
	inner = kgo_leak_group_begin();
	EXPECT_NE(NULL, inner);
	kgo_go(starts_another, c);
	EXPECT_EQ(-EINVAL, kgo_leak_group_end(outer, &at_once));
	yield_until(waiting("chan receive") == 3);
	EXPECT_EQ(0, kgo_quiesce(4, -1));
	EXPECT_EQ(1, kgo_leak_group_end(inner, &at_once));
	/* What the inner one left is the outer one's, too. */
	EXPECT_EQ(2, kgo_leak_group_end(outer, &at_once));
	kgo_chan_close(c);
	kgo_chan_close(d);
	EXPECT_EQ(0, kgo_quiesce(1, -1));
	outer = kgo_leak_group_begin();
	EXPECT_EQ(0, kgo_leak_group_end(outer, NULL));
	dup2(err, STDERR_FILENO);
}

/* The group's members end while they are looked at. */
GO_TEST(a_group_of_many_that_come_and_go)
{
	struct kgo_leak_opts opts = { .max_wait = LONG };
	struct kgo_leak_group *group;
	int i, round;

	for (round = 0; round < MANY(100); round++) {
		group = kgo_leak_group_begin();
		for (i = 0; i < 20; i++)
			kgo_go(yields, NULL);
		EXPECT_EQ(0, kgo_leak_group_end(group, &opts));
	}
}

/* Programs: how kgo_leak_main() ends them. */

static int child_leaks(void *arg)
{
	start_waiting(kgo_chan_make(0, 0));
	return (int)(uintptr_t)arg;
}

struct leak_call {
	int (*fn)(void *);
	void *arg;
	const struct kgo_leak_opts *opts;
};

static int call_leak_main(void *arg)
{
	struct leak_call *call = arg;

	kgo_leak_main(call->fn, call->arg, call->opts);
	return 77;
}

static void run_leak_main(struct ended *e, int (*fn)(void *), void *arg,
			  const struct kgo_leak_opts *opts)
{
	struct leak_call call = { fn, arg, opts };

	run_process(e, call_leak_main, &call);
}

static int child_does_not_leak(void *arg)
{
	kgo_go(yields, NULL);
	return (int)(uintptr_t)arg;
}

static const char left[] = "kgo: 1 goroutine is left after the tests:\n\ngoroutine ";

TEST(a_test_program_that_leaks_fails)
{
	struct ended e;

	run_leak_main(&e, child_leaks, NULL, &at_once);
	EXPECT_TRUE(WIFEXITED(e.status));
	EXPECT_EQ(1, WEXITSTATUS(e.status));
	EXPECT_NE(NULL, strstr(e.err, left)) {
		TH_LOG("stderr: %s", e.err);
	}
	EXPECT_NE(NULL, strstr(e.err, "created by start_waiting in goroutine 1"));
}

TEST(one_that_does_not_ends_with_its_own_status)
{
	struct ended e;

	run_leak_main(&e, child_does_not_leak, NULL, NULL);
	EXPECT_EQ(0, WEXITSTATUS(e.status));
	EXPECT_EQ(NULL, strstr(e.err, "left"));
	run_leak_main(&e, child_does_not_leak, (void *)5, NULL);
	EXPECT_EQ(5, WEXITSTATUS(e.status));
}

TEST(a_failed_one_is_checked_only_if_that_is_wanted)
{
	struct kgo_leak_opts opts = { .flags = KGO_LEAK_RUN_ON_FAILURE };
	struct ended e;

	run_leak_main(&e, child_leaks, (void *)4, NULL);
	EXPECT_EQ(4, WEXITSTATUS(e.status));
	EXPECT_EQ(NULL, strstr(e.err, "left"));
	run_leak_main(&e, child_leaks, (void *)4, &opts);
	EXPECT_EQ(4, WEXITSTATUS(e.status));
	EXPECT_NE(NULL, strstr(e.err, left));
}

static void cleanup(int status)
{
	static const char text[] = "cleaned up after ";
	char digit = (char)('0' + status);

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0 ||
	    write(STDERR_FILENO, &digit, 1) < 0)
		abort();
}

TEST(cleanup_is_called_with_the_status)
{
	struct kgo_leak_opts opts = { .cleanup = cleanup };
	struct ended e;

	run_leak_main(&e, child_leaks, NULL, &opts);
	EXPECT_EQ(1, WEXITSTATUS(e.status));
	EXPECT_NE(NULL, strstr(e.err, "cleaned up after 1"));
	run_leak_main(&e, child_does_not_leak, NULL, &opts);
	EXPECT_EQ(0, WEXITSTATUS(e.status));
	EXPECT_NE(NULL, strstr(e.err, "cleaned up after 0"));
}

/* A thread that is no goroutine, between and after runs. */
static int run_leaks(void *arg)
{
	start_waiting(arg);
	return 0;
}

TEST(a_plain_thread_can_look_as_well)
{
	struct kgo_leak_opts opts = { .max_wait = 5 * MS };
	char *report;

	EXPECT_EQ(0, kgo_leak_find(NULL, NULL));
	ASSERT_EQ(0, kgo_run(run_leaks, kgo_chan_make(0, 0), NULL));
	EXPECT_EQ(1, kgo_leak_find(&opts, &report));
	EXPECT_NE(NULL, strstr(report, "waits"));
	free(report);
}

TEST_HARNESS_MAIN
