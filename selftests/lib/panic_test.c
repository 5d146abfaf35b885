// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What ends a program: Go's panics, broken locks, overflows, misuse.  Each in
 * a process of its own, which must say why on stderr.
 */
#include "lib_test.h"

#include <sys/auxv.h>

static int send_on_closed(void *arg)
{
	struct kgo_chan *c = kgo_chan_make(4, (size_t)(uintptr_t)arg);
	int v = 1;

	kgo_chan_close(c);
	kgo_chan_send(c, &v);
	return 0;
}

TEST(send_on_a_closed_channel_panics)
{
	struct ended e;

	run_child(&e, send_on_closed, (void *)0);
	EXPECT_PANIC(e, "send on closed channel");
	run_child(&e, send_on_closed, (void *)3);
	EXPECT_PANIC(e, "send on closed channel");
}

static int try_send_on_closed(void *arg)
{
	struct kgo_chan *c = kgo_chan_make(4, 1);
	int v = 1;

	kgo_chan_close(c);
	if (arg)
		kgo_chan_send_timeout(c, &v, 1000);
	else
		kgo_chan_try_send(c, &v);
	return 0;
}

TEST(so_do_the_variants_that_do_not_wait)
{
	struct ended e;

	run_child(&e, try_send_on_closed, NULL);
	EXPECT_PANIC(e, "send on closed channel");
	run_child(&e, try_send_on_closed, &e);
	EXPECT_PANIC(e, "send on closed channel");
}

static void late_sender(void *arg)
{
	int v = 1;

	kgo_chan_send(arg, &v);
}

static int close_under_sender(void *arg UNUSED)
{
	struct kgo_chan *c = kgo_chan_make(4, 0);

	kgo_go(late_sender, c);
	yield_until(waiting("chan send") == 1);
	kgo_chan_close(c);
	for (;;)
		kgo_yield();
	return 0;
}

TEST(a_sender_that_waits_panics_when_the_channel_is_closed)
{
	struct ended e;

	run_child(&e, close_under_sender, NULL);
	EXPECT_PANIC(e, "send on closed channel");
	/* And it is that goroutine that is named, with where it came from. */
	EXPECT_NE(NULL, strstr(e.err, "late_sender"));
	EXPECT_NE(NULL, strstr(e.err, "close_under_sender"));
	EXPECT_NE(NULL, strstr(e.err, "panic_test.c:"));
}

static void ignore(void *arg UNUSED)
{
}

static void panics_with(void *arg)
{
	kgo_panic(arg);
}

static void recovers_then_panics_with(void *arg)
{
	kgo_recover();
	kgo_panic(arg);
}

static int panic_plain(void *arg UNUSED)
{
	kgo_defer(ignore, NULL);
	kgo_panic("on purpose");
}

static int panic_value(void *arg)
{
	kgo_panic_value(arg);
}

static int panic_chain(void *arg UNUSED)
{
	KGO_SCOPE {
		kgo_defer(panics_with, "third");
		kgo_defer(recovers_then_panics_with, "second");
		kgo_panic("first");
	}
	return 0;
}

static int panic_nil(void *arg UNUSED)
{
	kgo_panic(NULL);
}

TEST(an_unrecovered_panic_prints_its_value)
{
	struct ended e;

	run_child(&e, panic_plain, NULL);
	EXPECT_PANIC(e, "panic: on purpose\n\ngoroutine 1 [running]:\n");
	run_child(&e, panic_value, (void *)0x1234abc);
	EXPECT_PANIC(e, "panic: (void *) 0x1234abc\n\ngoroutine ");
	run_child(&e, panic_nil, NULL);
	EXPECT_PANIC(e, "panic: panic called with nil argument\n");
}

TEST(a_panic_prints_those_that_it_interrupted)
{
	struct ended e;

	run_child(&e, panic_chain, NULL);
	EXPECT_PANIC(e, "panic: first [recovered]\n\tpanic: second\n"
		     "\tpanic: third\n\ngoroutine ");
}

/* An exit has no value to tell. */
static void exit_then_panic(void *arg)
{
	kgo_defer(panics_with, arg);
	kgo_exit();
}

static int panic_in_exit(void *arg UNUSED)
{
	kgo_go(exit_then_panic, "while it ended");
	for (;;)
		kgo_yield();
	return 0;
}

TEST(a_panic_while_a_goroutine_exits_is_told_too)
{
	struct ended e;

	run_child(&e, panic_in_exit, NULL);
	EXPECT_PANIC(e, "panic: while it ended\n\ngoroutine ");
}

/* Frames that stay: each does something after its call has returned. */
static __attribute__((noinline)) int third(const char *msg)
{
	kgo_panic(msg);
}

static __attribute__((noinline)) int second(const char *msg)
{
	return third(msg) + 1;
}

static void first(void *arg)
{
	volatile int n = second(arg);

	(void)n;
}

static int panic_deep(void *arg UNUSED)
{
	kgo_go(first, "deep");
	for (;;)
		kgo_yield();
	return 0;
}

/* Does this machine have libdw, and the program a loader to load it with? */
static bool has_libdw(void)
{
	return getauxval(AT_BASE) && !access("/usr/lib/x86_64-linux-gnu/libdw.so.1", F_OK);
}

TEST(the_stack_names_functions_files_and_lines)
{
	char *s = NULL;
	struct ended e;
	int i;

	static const char *const word[] = {
		"goroutine ", "[running]:\n", "third(...)\n\t", "panic_test.c:",
		"second(...)\n\t", "panic_test.c:", "first(...)\n",
		"created by panic_deep in goroutine 1\n\t", "panic_test.c:",
	};

	run_child(&e, panic_deep, NULL);
	EXPECT_PANIC(e, "panic: deep\n");
	if (!has_libdw())
		SKIP(return, "without libdw there are only addresses");
	s = e.err;
	for (i = 0; i < (int)ARRAY_SIZE(word) && s; i++) {
		s = strstr(s, word[i]);
		EXPECT_NE(NULL, s) {
			TH_LOG("no \"%s\" in %s", word[i], e.err);
		}
	}
	/* And nothing of the runtime's. */
	EXPECT_EQ(NULL, strstr(e.err, "kgo_g_entry"));
	EXPECT_EQ(NULL, strstr(e.err, "kgo_panic_unwind"));
}

/* Go's TestPanicTraceback: where each of several panics came from. */
static __attribute__((noinline)) int inner_of_two(void)
{
	KGO_SCOPE {
		kgo_defer(panics_with, "from inner");
		kgo_panic("hello");
	}
	return 1;
}

static __attribute__((noinline)) int outer_of_two(void)
{
	volatile int ret = 0;

	KGO_SCOPE {
		kgo_defer(panics_with, "from outer");
		ret = inner_of_two() + 1;
	}
	return ret;
}

static int panic_in_two(void *arg UNUSED)
{
	return outer_of_two() + 1;
}

TEST(the_stack_shows_panics_in_panics_down_to_the_first)
{
	static const char *const word[] = {
		"panic: hello\n\tpanic: from inner\n\tpanic: from outer\n",
		"panics_with(...)\n", "panics_with(...)\n", "inner_of_two(...)\n",
		"outer_of_two(...)\n", "panic_in_two(...)\n",
	};
	struct ended e;
	char *s = e.err;
	int i;

	run_child(&e, panic_in_two, NULL);
	EXPECT_PANIC(e, word[0]);
	if (!has_libdw())
		SKIP(return, "without libdw there are only addresses");
	for (i = 0; i < (int)ARRAY_SIZE(word) && s; i++) {
		s = strstr(s, word[i]);
		EXPECT_NE(NULL, s) {
			TH_LOG("no \"%s\" in %s", word[i], e.err);
		}
		if (s)
			s += strlen(word[i]);
	}
}

static __attribute__((noinline)) void waits(struct kgo_chan *c)
{
	kgo_chan_recv(c, NULL);
	__asm__ volatile("");	/* not its last step */
}

static void waiter(void *arg)
{
	waits(arg);
	__asm__ volatile("");
}

static int print_tracebacks(void *arg UNUSED)
{
	struct kgo_chan *c = kgo_chan_make(1, 0);

	kgo_go(waiter, c);
	yield_until(waiting("chan receive") == 1);
	kgo_traceback(STDERR_FILENO);
	/* It can still be woken. */
	kgo_chan_close(c);
	yield_until(kgo_num_goroutine() == 1);
	return 5;
}

TEST(tracebacks_show_where_others_wait)
{
	struct ended e;
	char *me, *other;

	run_child(&e, print_tracebacks, NULL);
	EXPECT_TRUE(WIFEXITED(e.status));
	EXPECT_EQ(5, WEXITSTATUS(e.status));
	me = strstr(e.err, "goroutine 1 [running]:\n");
	other = strstr(e.err, " [chan receive]:\n");
	EXPECT_NE(NULL, me);
	EXPECT_NE(NULL, other);
	EXPECT_TRUE(me < other);
	if (!other)
		return;
	EXPECT_NE(NULL, strstr(other, "waiter(...)\n"));
	EXPECT_NE(NULL, strstr(other, "created by print_tracebacks in goroutine 1\n"));
	if (!has_libdw())
		SKIP(return, "without libdw there are only addresses");
	EXPECT_NE(NULL, strstr(me, "print_tracebacks(...)\n"));
	EXPECT_NE(NULL, strstr(other, "waits(...)\n\t"));
	EXPECT_TRUE(strstr(other, "waits(...)") < strstr(other, "waiter(...)"));
	/* What the library does meanwhile is not shown. */
	EXPECT_EQ(NULL, strstr(other, "kgo_g_park"));
}

#define CROWD	20

static int crowd_ready;

static void panics_in_a_crowd(void *arg)
{
	ADD(crowd_ready, 1);
	yield_until(LOAD(crowd_ready) == CROWD);
	kgo_panic(arg);
}

static int crowd(void *arg UNUSED)
{
	int i;

	for (i = 0; i < CROWD; i++)
		kgo_go(panics_in_a_crowd, "one of many");
	for (;;)
		kgo_yield();
	return 0;
}

TEST(of_many_panics_at_one_time_one_is_told)
{
	struct ended e;
	char *s;

	run_child(&e, crowd, NULL);
	EXPECT_PANIC(e, "panic: one of many\n");
	s = strstr(e.err, "panic: ");
	EXPECT_EQ(NULL, s ? strstr(s + 1, "panic: one") : NULL);
}

static void slow_then_panics(void *arg)
{
	int i;

	ADD(crowd_ready, 1);
	for (i = 0; i < 100; i++)
		kgo_yield();
	(void)arg;
}

static void panics_slowly(void *arg)
{
	KGO_SCOPE {
		kgo_defer(slow_then_panics, NULL);
		kgo_panic(arg);
	}
}

static int returns_while_one_panics(void *arg UNUSED)
{
	kgo_go(panics_slowly, "was under way");
	yield_until(LOAD(crowd_ready));
	return 0;
}

TEST(a_panic_under_way_wins_over_the_end_of_main)
{
	struct ended e;

	run_child(&e, returns_while_one_panics, NULL);
	EXPECT_PANIC(e, "panic: was under way\n");
}

static int close_twice(void *arg UNUSED)
{
	struct kgo_chan *c = kgo_chan_make(4, 0);

	kgo_chan_close(c);
	kgo_chan_close(c);
	return 0;
}

TEST(close_of_a_closed_channel_panics)
{
	struct ended e;

	run_child(&e, close_twice, NULL);
	EXPECT_PANIC(e, "close of closed channel");
}

static int close_nil(void *arg UNUSED)
{
	kgo_chan_close(NULL);
	return 0;
}

TEST(close_of_a_nil_channel_panics)
{
	struct ended e;

	run_child(&e, close_nil, NULL);
	EXPECT_PANIC(e, "close of nil channel");
}

static int wg_negative(void *arg UNUSED)
{
	struct kgo_wg wg = { 0 };

	kgo_wg_add(&wg, 2);
	kgo_wg_done(&wg);
	kgo_wg_add(&wg, -2);
	return 0;
}

TEST(a_negative_waitgroup_panics)
{
	struct ended e;

	run_child(&e, wg_negative, NULL);
	EXPECT_PANIC(e, "negative WaitGroup counter");
}

static int unlock_unlocked(void *arg UNUSED)
{
	struct kgo_mutex mu = { 0 };

	kgo_mutex_lock(&mu);
	kgo_mutex_unlock(&mu);
	kgo_mutex_unlock(&mu);
	return 0;
}

TEST(unlock_of_an_unlocked_mutex_is_fatal)
{
	struct ended e;

	run_child(&e, unlock_unlocked, NULL);
	EXPECT_PANIC(e, "fatal error: sync: unlock of unlocked mutex\n\ngoroutine 1 [running]:\n");
}

/* Not optimised into a loop: each frame is used after the next has returned. */
static __attribute__((noinline)) int deep(volatile char *up, int n)
{
	volatile char frame[512];

	frame[0] = *up;
	frame[511] = (char)n;
	return n ? deep(frame, n - 1) + frame[511] + frame[0] : frame[511];
}

static void overflow(void *arg UNUSED)
{
	volatile char c = 1;

	deep(&c, 1 << 20);
}

static int overflow_main(void *arg UNUSED)
{
	kgo_go(overflow, NULL);
	for (;;)
		kgo_yield();
	return 0;
}

TEST(a_stack_overflow_says_which_goroutine)
{
	struct ended e;

	run_child(&e, overflow_main, NULL);
	EXPECT_TRUE(SANITIZED ? WIFEXITED(e.status) || WIFSIGNALED(e.status) :
		    WIFSIGNALED(e.status) && WTERMSIG(e.status) == SIGSEGV);
	EXPECT_NE(NULL, strstr(e.err, "stack overflow")) {
		TH_LOG("stderr: %s", e.err);
	}
	EXPECT_NE(NULL, strstr(e.err, "goroutine "));
	EXPECT_NE(NULL, strstr(e.err, "overflow(...)"));
	EXPECT_NE(NULL, strstr(e.err, "created by overflow_main"));
	EXPECT_NE(NULL, strstr(e.err, "panic_test.c:"));
}

static int bad_pointer(void *arg UNUSED)
{
	volatile uintptr_t nowhere = 16;

	*(volatile int *)nowhere = 1;
	return 0;
}

TEST(another_crash_is_not_called_an_overflow)
{
	struct ended e;

	run_child(&e, bad_pointer, NULL);
	EXPECT_TRUE(SANITIZED || (WIFSIGNALED(e.status) && WTERMSIG(e.status) == SIGSEGV));
	EXPECT_FALSE(WIFEXITED(e.status) && !WEXITSTATUS(e.status));
	EXPECT_EQ(NULL, strstr(e.err, "fatal error: stack overflow"));
}

/* Calls that need a goroutine, made where there is none. */
static int call_outside(void *arg)
{
	void (*const *call)(void) = arg;

	(*call)();
	return 0;
}

static void outside(void (*call)(void), struct ended *e)
{
	run_process(e, call_outside, &call);
}

static int nothing(void *arg UNUSED)
{
	return 0;
}

static void start_runtime(void)
{
	if (kgo_run(nothing, NULL, NULL))
		_exit(50);
}

static void yield_outside(void)
{
	start_runtime();
	kgo_yield();
}

static void sleep_outside(void)
{
	start_runtime();
	kgo_sleep(1);
}

static void exit_outside(void)
{
	start_runtime();
	kgo_exit();
}

static void send_outside(void)
{
	int v = 0;

	start_runtime();
	kgo_chan_send(kgo_chan_make(4, 1), &v);
}

TEST(calls_outside_of_a_goroutine_end_the_program_clearly)
{
	static void (*const call[])(void) = {
		yield_outside, sleep_outside, exit_outside, send_outside,
	};
	struct ended e;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(call); i++) {
		outside(call[i], &e);
		EXPECT_THROW(e, "outside of");
		EXPECT_NE(NULL, strstr(e.err, "goroutine"));
	}
}

static int main_returns(void *arg)
{
	return (int)(uintptr_t)arg;
}

static void forever(void *arg UNUSED)
{
	for (;;)
		kgo_yield();
}

static int returns_beside_others(void *arg)
{
	kgo_go(forever, NULL);
	kgo_go(forever, NULL);
	kgo_yield();
	return (int)(uintptr_t)arg;
}

TEST(the_program_ends_with_what_main_returns)
{
	struct ended e;

	run_child(&e, main_returns, (void *)0);
	EXPECT_TRUE(WIFEXITED(e.status));
	EXPECT_EQ(0, WEXITSTATUS(e.status));
	run_child(&e, main_returns, (void *)7);
	EXPECT_EQ(7, WEXITSTATUS(e.status));
	/* Whatever others do. */
	run_child(&e, returns_beside_others, (void *)9);
	EXPECT_TRUE(WIFEXITED(e.status));
	EXPECT_EQ(9, WEXITSTATUS(e.status));
}

TEST_HARNESS_MAIN
