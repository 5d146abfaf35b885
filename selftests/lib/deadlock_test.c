// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * "all goroutines are asleep - deadlock!": told when it is true, and never
 * while anything could still wake one.  And SIGQUIT, which tells the same of a
 * program that is not dead.
 */
#include "lib_test.h"

#include <sys/resource.h>

#define ASLEEP	"fatal error: all goroutines are asleep - deadlock!\n"
#define NO_MAIN	"fatal error: no goroutines (main called runtime.Goexit) - deadlock!"

/* ThreadSanitizer's own threads hide every deadlock. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define SKIP_IF_HIDDEN()	SKIP(return, "ThreadSanitizer has threads")
#else
#define SKIP_IF_HIDDEN()	do { } while (0)
#endif

/* Keeps a function on the stack while what it calls last waits. */
#define STAY()	__asm__ volatile("" : : : "memory")

#define EXPECT_DEAD(e, words)						\
	do {								\
		EXPECT_TRUE(WIFEXITED((e).status));			\
		EXPECT_EQ(2, WEXITSTATUS((e).status));			\
		EXPECT_NE(NULL, strstr((e).err, words)) {		\
			TH_LOG("stderr: %s", (e).err);			\
		}							\
	} while (0)

#define EXPECT_ALIVE(e)							\
	do {								\
		EXPECT_TRUE(WIFEXITED((e).status));			\
		EXPECT_EQ(0, WEXITSTATUS((e).status)) {			\
			TH_LOG("stderr: %s", (e).err);			\
		}							\
		EXPECT_EQ(NULL, strstr((e).err, "deadlock"));		\
	} while (0)

static int wait_alone(void *arg UNUSED)
{
	kgo_chan_recv(kgo_chan_make(4, 0), NULL);
	return 0;
}

TEST(a_program_that_only_waits_is_dead)
{
	struct ended e;

	SKIP_IF_HIDDEN();
	run_child(&e, wait_alone, NULL);
	EXPECT_DEAD(e, ASLEEP);
	EXPECT_NE(NULL, strstr(e.err, "\ngoroutine 1 [chan receive]:\n"));
}

TEST(so_is_one_with_a_single_processor)
{
	struct ended e;

	SKIP_IF_HIDDEN();
	setenv("KGO_PROCS", "1", 1);
	run_child(&e, wait_alone, NULL);
	EXPECT_DEAD(e, ASLEEP);
}

static struct kgo_mutex mu;
static struct kgo_wg wg;

static void lock(void *arg UNUSED)
{
	kgo_mutex_lock(&mu);
	STAY();
}

static void send_nowhere(void *arg UNUSED)
{
	kgo_chan_send(kgo_chan_make(0, 0), NULL);
	STAY();
}

static void nil(void *arg UNUSED)
{
	kgo_chan_recv(NULL, NULL);
	STAY();
}

static int wait_in_all_ways(void *arg UNUSED)
{
	kgo_mutex_lock(&mu);
	kgo_wg_add(&wg, 1);
	kgo_go(lock, NULL);
	kgo_go(send_nowhere, NULL);
	kgo_go(nil, NULL);
	kgo_wg_wait(&wg);
	return 0;
}

TEST(every_goroutine_is_shown_with_what_it_waits_for)
{
	struct ended e;

	SKIP_IF_HIDDEN();
	run_child(&e, wait_in_all_ways, NULL);
	EXPECT_DEAD(e, ASLEEP);
	EXPECT_NE(NULL, strstr(e.err, "goroutine 1 [sync.WaitGroup.Wait]:"));
	EXPECT_NE(NULL, strstr(e.err, "[sync.Mutex.Lock]:\n"));
	EXPECT_NE(NULL, strstr(e.err, "\nlock(...)\n"));
	EXPECT_NE(NULL, strstr(e.err, "created by wait_in_all_ways in goroutine 1\n"));
	EXPECT_NE(NULL, strstr(e.err, "[chan send]:\n"));
	EXPECT_NE(NULL, strstr(e.err, "\nsend_nowhere(...)"));
	EXPECT_NE(NULL, strstr(e.err, "[chan receive (nil chan)]:\n"));
	EXPECT_NE(NULL, strstr(e.err, "\nnil(...)"));
	EXPECT_NE(NULL, strstr(e.err, "deadlock_test.c:"));
}

#define CROWD	120

static __attribute__((noinline)) void wait_deep(struct kgo_chan *c)
{
	kgo_chan_recv(c, NULL);
	STAY();
}

static void wait_in_crowd(void *arg)
{
	wait_deep(arg);
	STAY();
}

static int crowd(void *arg UNUSED)
{
	struct kgo_chan *c = kgo_chan_make(0, 0);
	int i;

	for (i = 0; i < CROWD; i++)
		kgo_go(wait_in_crowd, c);
	kgo_chan_recv(c, NULL);
	return 0;
}

TEST(each_of_many_is_told_with_its_stack)
{
	struct ended e;
	int told = 0, deep = 0;
	char *s;

	SKIP_IF_HIDDEN();
	run_child(&e, crowd, NULL);
	EXPECT_DEAD(e, ASLEEP);
	for (s = e.err; (s = strstr(s, "\ngoroutine ")); s++)
		told++;
	for (s = e.err; (s = strstr(s, "\nwait_deep(...)\n")); s++)
		deep++;
	EXPECT_EQ(CROWD + 1, told);
	/* By names if there are any. */
	if (deep)
		EXPECT_EQ(CROWD, deep);
}

static int run_then_wait(void *arg UNUSED)
{
	return 0;
}

/* The thread of a plain program calls kgo_run(). */
static int call_run(void *arg UNUSED)
{
	int ret;

	if (kgo_run(run_then_wait, NULL, &ret))
		return 3;
	kgo_run(wait_alone, NULL, &ret);
	return 4;
}

TEST(a_goroutine_that_is_bound_to_its_thread_counts_as_well)
{
	struct ended e;

	SKIP_IF_HIDDEN();
	run_process(&e, call_run, NULL);
	EXPECT_DEAD(e, ASLEEP);
	EXPECT_NE(NULL, strstr(e.err, "[chan receive, locked to thread]:"));
}

static void end_soon(void *arg UNUSED)
{
	kgo_yield();
}

static int main_exits(void *arg)
{
	int i;

	for (i = 0; i < 5; i++)
		kgo_go(end_soon, NULL);
	if (arg)
		kgo_go(nil, NULL);
	kgo_exit();
}

TEST(a_main_that_exits_leaves_the_others_to_end_and_then_nobody)
{
	struct ended e;

	SKIP_IF_HIDDEN();
	run_child(&e, main_exits, NULL);
	EXPECT_DEAD(e, NO_MAIN);
	run_child(&e, main_exits, &e);
	EXPECT_DEAD(e, ASLEEP);
}

static void panics(void *arg)
{
	kgo_panic(arg);
}

static void recovers(void *arg UNUSED)
{
	if (!kgo_recover())
		abort();
}

static void exits(void *arg UNUSED)
{
	kgo_exit();
}

static void panics_and_recovers(void *arg UNUSED)
{
	KGO_SCOPE {
		kgo_defer(recovers, NULL);
		kgo_panic("hello");
	}
}

static void exits_in_a_panic(void *arg UNUSED)
{
	KGO_SCOPE {
		kgo_defer(exits, NULL);
		kgo_panic("hello");
	}
}

/* Go's RecoveredPanicAfterGoexit. */
static int exit_recovered_inside(void *arg UNUSED)
{
	kgo_defer(panics_and_recovers, NULL);
	kgo_exit();
}

/* RecoverBeforePanicAfterGoexit, and in a scope that others wait behind. */
static int exit_recovered_after(void *arg UNUSED)
{
	kgo_defer(end_soon, NULL);
	kgo_defer(end_soon, NULL);
	kgo_defer(recovers, NULL);
	kgo_defer(panics, "hello");
	kgo_exit();
}

static int exit_recovered_in_scope(void *arg UNUSED)
{
	KGO_SCOPE {
		kgo_defer(recovers, NULL);
		kgo_defer(panics, "hello");
		kgo_exit();
	}
	return 0;
}

/* GoexitInPanic */
static int exit_beside_a_panic(void *arg UNUSED)
{
	kgo_go(exits_in_a_panic, NULL);
	kgo_exit();
}

TEST(a_main_that_exits_is_gone_whatever_panics_its_end_met)
{
	static int (*const program[])(void *arg) = {
		exit_recovered_inside, exit_recovered_after, exit_recovered_in_scope,
		exit_beside_a_panic,
	};
	struct ended e;
	unsigned int i;

	SKIP_IF_HIDDEN();
	for (i = 0; i < ARRAY_SIZE(program); i++) {
		run_child(&e, program[i], NULL);
		EXPECT_DEAD(e, NO_MAIN);
		EXPECT_EQ(NULL, strstr(e.err, "panic: "));
	}
}

/* LockedDeadlock, LockedDeadlock2 */
static void waits_locked(void *arg UNUSED)
{
	kgo_lock_os_thread();
	kgo_select(NULL, 0);
}

static int main_waits_locked(void *arg UNUSED)
{
	waits_locked(NULL);
	return 0;
}

static int other_waits_locked(void *arg UNUSED)
{
	kgo_go(waits_locked, NULL);
	kgo_sleep(MS);
	kgo_select(NULL, 0);
	return 0;
}

TEST(goroutines_that_wait_locked_to_their_threads_are_dead_too)
{
	struct ended e;

	SKIP_IF_HIDDEN();
	run_child(&e, main_waits_locked, NULL);
	EXPECT_DEAD(e, ASLEEP);
	EXPECT_NE(NULL, strstr(e.err, "\ngoroutine 1 [select (no cases), locked to thread]:\n"));
	run_child(&e, other_waits_locked, NULL);
	EXPECT_DEAD(e, ASLEEP);
	EXPECT_NE(NULL, strstr(e.err, "\ngoroutine 1 [select (no cases)]:\n"));
	EXPECT_NE(NULL, strstr(e.err, " [select (no cases), locked to thread]:\n"));
}

static int last_one_exits_the_process(void *arg);

static void exit_process(void *arg UNUSED)
{
	kgo_sleep(20 * MS);
	exit(0);
}

static int last_one_exits_the_process(void *arg UNUSED)
{
	kgo_go(exit_process, NULL);
	kgo_exit();
}

TEST(without_main_another_can_end_the_process)
{
	struct ended e;

	run_child(&e, last_one_exits_the_process, NULL);
	EXPECT_ALIVE(e);
}

/* What may look like a deadlock and is none. */

static int sleeps(void *arg UNUSED)
{
	struct kgo_chan *c = kgo_chan_make(0, 0);
	int i;

	for (i = 0; i < 20; i++) {
		kgo_sleep(MS);
		if (kgo_chan_recv_timeout(c, NULL, MS) != -ETIMEDOUT)
			return 1;
	}
	return kgo_chan_free(c);
}

TEST(who_sleeps_is_not_dead)
{
	struct ended e;

	run_child(&e, sleeps, NULL);
	EXPECT_ALIVE(e);
}

static int pipe_fd[2];

static void reader(void *arg)
{
	char c;

	/* The main goroutine waits for this one, which waits for another process. */
	if (read(pipe_fd[0], &c, 1) != 1)
		_exit(5);
	kgo_chan_send(arg, &c);
}

static int wait_for_reader(void *arg UNUSED)
{
	struct kgo_chan *c = kgo_chan_make(1, 0);
	char v;

	kgo_go(reader, c);
	return kgo_chan_recv(c, &v) != 1;
}

TEST(who_blocks_in_a_system_call_is_not_dead)
{
	struct ended e;
	pid_t pid;

	ASSERT_EQ(0, pipe(pipe_fd));
	pid = fork();
	if (!pid) {
		usleep(300000);
		_exit(write(pipe_fd[1], "x", 1) != 1);
	}
	run_child(&e, wait_for_reader, NULL);
	EXPECT_ALIVE(e);
	waitpid(pid, NULL, 0);
}

static void greet(void *arg)
{
	int v = 1;

	kgo_chan_send(arg, &v);
}

/* A thread that the runtime does not know, and that starts a goroutine. */
static void *thread_starts_one(void *arg)
{
	while (!waiting("chan receive"))
		usleep(1000);
	usleep(100000);		/* all Ms had the time to park: it may be told */
	kgo_go(greet, arg);
	for (;;)
		pause();
	return NULL;
}

static int wait_for_thread(void *arg UNUSED)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(int), 0);
	pthread_t t;
	int v = 0;

	if (pthread_create(&t, NULL, thread_starts_one, c))
		return 7;
	return kgo_chan_recv(c, &v) != 1 || v != 1;
}

TEST(a_thread_beside_the_runtime_may_wake_somebody)
{
	struct ended e;

	run_child(&e, wait_for_thread, NULL);
	EXPECT_ALIVE(e);
}

static void *thread_ends(void *arg UNUSED)
{
	while (!waiting("chan receive"))
		usleep(1000);
	usleep(50000);
	return NULL;
}

static int outlive_thread(void *arg UNUSED)
{
	pthread_t t;

	if (pthread_create(&t, NULL, thread_ends, NULL))
		return 7;
	pthread_detach(t);
	return wait_alone(NULL);
}

TEST(when_that_thread_has_ended_the_deadlock_is_told)
{
	struct ended e;

	SKIP_IF_HIDDEN();
	run_child(&e, outlive_thread, NULL);
	EXPECT_DEAD(e, ASLEEP);
}

/* Threads come and go, and all goroutines park again and again. */
static void pinger(void *arg)
{
	struct kgo_chan **c = arg;
	int v;

	while (kgo_chan_recv(c[0], &v) == 1) {
		if (v % 7 == 0)
			usleep(50);
		kgo_chan_send(c[1], &v);
	}
}

static int busy(void *arg UNUSED)
{
	static struct kgo_chan *c[2];	/* a leak checker sees it to the end */
	int i, v;

	c[0] = kgo_chan_make(4, 0);
	c[1] = kgo_chan_make(4, 0);
	for (i = 0; i < 4; i++)
		kgo_go(pinger, c);
	for (i = 0; i < MANY(20000); i++) {
		v = i;
		kgo_chan_send(c[0], &v);
		if (kgo_chan_recv(c[1], &v) != 1)
			return 1;
		if (i % 100 == 0)
			kgo_sleep(1000);
	}
	return 0;
}

TEST(a_busy_program_is_never_called_dead)
{
	struct ended e;

	run_child(&e, busy, NULL);
	EXPECT_ALIVE(e);
}

/* SIGQUIT */

static int quit_myself(void *arg UNUSED)
{
	kgo_go(nil, NULL);
	yield_until(waiting("chan receive (nil chan)") == 1);
	kill(getpid(), SIGQUIT);
	for (;;)
		kgo_sleep(MS);
	return 0;
}

TEST(sigquit_shows_all_goroutines_and_ends_the_program)
{
	struct ended e;

	signal(SIGQUIT, SIG_DFL);	/* a shell's background jobs ignore it */
	run_child(&e, quit_myself, NULL);
	EXPECT_DEAD(e, "SIGQUIT: quit\n");
	EXPECT_NE(NULL, strstr(e.err, "goroutine 1 ["));
	EXPECT_NE(NULL, strstr(e.err, "[chan receive (nil chan)]:\nnil(...)\n"
			       "created by quit_myself in goroutine 1\n"));
}

static int ignore_quit(void *arg UNUSED)
{
	kill(getpid(), SIGQUIT);
	kgo_sleep(10 * MS);
	return 0;
}

TEST(a_program_that_ignores_sigquit_goes_on)
{
	struct ended e;

	signal(SIGQUIT, SIG_IGN);
	run_child(&e, ignore_quit, NULL);
	EXPECT_ALIVE(e);
}

static void on_quit(int sig UNUSED)
{
	_exit(0);
}

TEST(a_handler_of_the_program_for_sigquit_is_kept)
{
	struct ended e;

	signal(SIGQUIT, on_quit);
	run_child(&e, quit_myself, NULL);
	EXPECT_ALIVE(e);
}

static int fork_and_quit(void *arg UNUSED)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		struct rlimit none = { 0, 0 };

		setrlimit(RLIMIT_CORE, &none);
		raise(SIGQUIT);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	return !WIFSIGNALED(status) || WTERMSIG(status) != SIGQUIT;
}

TEST(a_child_of_fork_dies_of_sigquit_as_ever)
{
	struct ended e;

#ifdef __SANITIZE_THREAD__
	SKIP(return, "ThreadSanitizer calls no handler in a child of fork()");
#endif
	signal(SIGQUIT, SIG_DFL);
	run_child(&e, fork_and_quit, NULL);
	EXPECT_ALIVE(e);
}

TEST_HARNESS_MAIN
