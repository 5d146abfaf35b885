// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Preemption: a goroutine that computes for long starves nobody, and does not
 * notice that it was stopped.
 *
 * Most of it runs on one processor: whoever goes on there while a hog has not
 * ended does so because the hog was stopped.  A hog reads a flag in its loop,
 * and calls nothing.
 */
#include "lib_test.h"

#include <poll.h>
#include <spawn.h>
#include <xmmintrin.h>

static int stop_all;
static unsigned long loops[16];

static void hog(void *arg)
{
	unsigned long *n = arg;

	while (!LOAD(stop_all))
		STORE(*n, *n + 1);
}

/* The caller goes on when its turn comes; that is all that can be waited for. */
static void yields(int n)
{
	while (n--)
		kgo_yield();
}

static void end_hogs(void)
{
	STORE(stop_all, 1);
	yield_until(kgo_num_goroutine() == 1);
}

GO_TEST_PS(a_hog_lets_others_go_on, 1)
{
	EXPECT_EQ(0, kgo_go(hog, &loops[0]));
	/* It may have been stopped before it did anything. */
	yields(3);
	yield_until(LOAD(loops[0]) != 0);
	end_hogs();
}

static void many_hogs(struct __test_metadata *_metadata, int n)
{
	unsigned long seen[ARRAY_SIZE(loops)];
	int i, k;

	for (i = 0; i < n; i++)
		EXPECT_EQ(0, kgo_go(hog, &loops[i]));
	for (k = 0; k < 3; k++) {
		for (i = 0; i < n; i++)
			seen[i] = LOAD(loops[i]);
		for (i = 0; i < n; i++)
			yield_until(LOAD(loops[i]) != seen[i]);
	}
	end_hogs();
}

GO_TEST_PS(each_of_many_hogs_has_its_turns, 1)
{
	many_hogs(_metadata, 8);
}

GO_TEST_PS(each_of_many_hogs_has_its_turns_on_two, 2)
{
	many_hogs(_metadata, 8);
}

/* Go's TestPreemption: each spins until the other has had its turn. */
static int turn;

static void take_turns(void *arg)
{
	int me = (int)(uintptr_t)arg, i;

	for (i = 0; i < 5; i++) {
		while (LOAD(turn) != 2 * i + me)
			;
		ADD(turn, 1);
	}
}

GO_TEST_PS(two_that_spin_for_each_other_come_to_an_end, 1)
{
	EXPECT_EQ(0, kgo_go(take_turns, (void *)0));
	EXPECT_EQ(0, kgo_go(take_turns, (void *)1));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(10, turn);
}

/*
 * Go's TestPingPongHog: two pairs, of which one computes a hundred times as
 * long between two words.  They share one processor, so both compute about as
 * much, whatever else the machine does.
 */
struct talk {
	struct kgo_chan *c;
	unsigned long limit, done;
};

static void talk(struct talk *t)
{
	volatile unsigned long work = 0;
	unsigned long i;
	int v;

	while (kgo_chan_recv(t->c, &v) == 1) {
		for (i = 0; i < t->limit; i++)
			work++;
		ADD(t->done, t->limit);
		if (LOAD(stop_all) || kgo_chan_send(t->c, &v))
			break;
	}
}

static void talker(void *arg)
{
	struct talk *t = arg;

	talk(t);
	kgo_chan_close(t->c);
}

static void talker_too(void *arg)
{
	talk(arg);
}

static void start_talk(struct __test_metadata *_metadata, struct talk *t)
{
	int v = 0;

	t->c = kgo_chan_make(sizeof(int), 0);
	EXPECT_EQ(0, kgo_go(talker, t));
	EXPECT_EQ(0, kgo_go(talker_too, t));
	EXPECT_EQ(0, kgo_chan_send(t->c, &v));
}

GO_TEST_PS(a_hogging_pair_does_not_starve_a_light_one, 1)
{
	/* A sanitizer makes words dear, which is not what is counted here. */
	const unsigned long scale = SANITIZED ? 20 : 1;
	struct talk heavy = { .limit = 1000000 * scale }, light = { .limit = 10000 * scale };
	unsigned long enough = SANITIZED ? 2000000000UL : MANY(1000000000UL);

	unsigned long h = 0, l = 0, h0, l0;
	int tries = 0;

	start_talk(_metadata, &heavy);
	start_talk(_metadata, &light);
	/* On a machine that does much else a slice may be long: not each time. */
	do {
		h0 = LOAD(heavy.done);
		l0 = LOAD(light.done);
		do {
			kgo_sleep(10 * MS);
			h = LOAD(heavy.done) - h0;
			l = LOAD(light.done) - l0;
		} while (h + l < enough);
	} while ((h >= 2 * l || l >= 2 * h) && ++tries < 20);
	TH_LOG("heavy %lu light %lu", h, l);
	EXPECT_LT(h, 2 * l);
	EXPECT_LT(l, 2 * h);
	_exit(!_metadata->passed);
}

/* On one processor nobody but the hog could run the timers. */
GO_TEST_PS(timers_fire_under_hogs, 1)
{
	int i;

	EXPECT_EQ(0, kgo_go(hog, &loops[0]));
	EXPECT_EQ(0, kgo_go(hog, &loops[1]));
	for (i = 0; i < 10; i++)
		EXPECT_EQ(0, kgo_sleep(MS));
	end_hogs();
}

static void sleeper(void *arg)
{
	int i;

	for (i = 0; i < 5; i++)
		kgo_sleep(1000);
	ADD(*(int *)arg, 1);
}

GO_TEST_PS(many_sleepers_wake_under_hogs_on_all_processors, 2)
{
	int woken = 0, i;

	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, kgo_go(hog, &loops[i]));
	for (i = 0; i < 20; i++)
		EXPECT_EQ(0, kgo_go(sleeper, &woken));
	yield_until(LOAD(woken) == 20);
	end_hogs();
}

/* A timeout of a channel is a timer, too. */
GO_TEST_PS(timeouts_come_under_hogs, 1)
{
	struct kgo_chan *c = kgo_chan_make(0, 0);

	EXPECT_EQ(0, kgo_go(hog, &loops[0]));
	EXPECT_EQ(-ETIMEDOUT, kgo_chan_recv_timeout(c, NULL, MS));
	EXPECT_EQ(-ETIMEDOUT, kgo_chan_send_timeout(c, NULL, MS));
	end_hogs();
	EXPECT_EQ(0, kgo_chan_free(c));
}

/* What never parks is stopped in the runtime, and needs no signal for that. */
static struct kgo_chan *empty;

static void poller(void *arg)
{
	unsigned long *n = arg;

	while (!LOAD(stop_all)) {
		kgo_chan_try_recv(empty, NULL);
		STORE(*n, *n + 1);
	}
}

static int pollers(void *arg)
{
	struct __test_metadata *_metadata = arg;

	empty = kgo_chan_make(0, 0);
	EXPECT_EQ(0, kgo_go(poller, &loops[0]));
	EXPECT_EQ(0, kgo_go(poller, &loops[1]));
	yield_until(LOAD(loops[0]) && LOAD(loops[1]));
	end_hogs();
	_exit(!_metadata->passed);
}

TEST(who_only_polls_lets_others_go_on)
{
	setenv("KGO_PROCS", "1", 1);
	EXPECT_EQ(0, kgo_main(pollers, _metadata));
}

TEST(who_only_polls_lets_others_go_on_without_a_signal)
{
	setenv("KGO_PROCS", "1", 1);
	setenv("KGO_PREEMPT", "0", 1);
	EXPECT_EQ(0, kgo_main(pollers, _metadata));
}

/* The goroutine of kgo_run() has its thread's own stack. */
static void set_flag(void *arg)
{
	STORE(*(int *)arg, 1);
}

static int bound_hog(void *arg)
{
	int flag[3] = { 0 }, i;

	for (i = 0; i < 3; i++) {
		if (kgo_go(set_flag, &flag[i]))
			return -1;
		while (!LOAD(flag[i]))
			;
	}
	return *(int *)arg;
}

TEST(a_bound_hog_is_stopped_too)
{
	int v = 17, ret = -1;

	setenv("KGO_PROCS", "1", 1);
	EXPECT_EQ(0, kgo_run(bound_hog, &v, &ret));
	EXPECT_EQ(17, ret);
}

/* Of three hogs on one processor two are stopped; the third may be, too. */
GO_TEST_PS(a_stopped_hog_is_shown_as_preempted, 1)
{
	int i;

	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, kgo_go(hog, &loops[i]));
	for (i = 0; i < 3; i++)
		yield_until(LOAD(loops[i]));
	yield_until(waiting("preempted") >= 2);
	end_hogs();
	EXPECT_EQ(0, waiting("preempted"));
}

/*
 * Hogs inside of libc: whatever lock or thread-local cache one is stopped with,
 * the others wait for it or have their own.
 */
static int by_value(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

#define NR_SORTED	3000

static __attribute__((noinline)) int libc_once(unsigned int seed)
{
	int *v = malloc(NR_SORTED * sizeof(*v)), i, bad = 0;
	char *text[16], want[32];

	for (i = 0; i < 16; i++)
		text[i] = malloc(64 + (seed + (unsigned int)i * 977) % 5000);
	for (i = 0; i < NR_SORTED; i++)
		v[i] = rand_r(&seed);
	qsort(v, NR_SORTED, sizeof(*v), by_value);
	for (i = 1; i < NR_SORTED; i++)
		bad += v[i - 1] > v[i];
	for (i = 0; i < 16; i++)
		snprintf(text[i], 64, "%d %.3f %s", v[i], i / 8.0, "words");
	for (i = 0; i < 16; i++) {
		snprintf(want, sizeof(want), "%d %.3f %s", v[i], i / 8.0, "words");
		bad += strcmp(text[i], want) != 0;
		free(text[i]);
	}
	free(v);
	return bad;
}

static int libc_bad;

static void libc_hog(void *arg)
{
	unsigned long *n = arg;

	while (!LOAD(stop_all)) {
		if (libc_once((unsigned int)*n * 31 + 7))
			ADD(libc_bad, 1);
		STORE(*n, *n + 1);
	}
}

static void libc_hogs(struct __test_metadata *_metadata)
{
	unsigned long seen[4];
	int i, k;

	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, kgo_go(libc_hog, &loops[i]));
	for (k = 0; k < 3; k++)
		for (i = 0; i < 4; i++) {
			seen[i] = LOAD(loops[i]);
			yield_until(LOAD(loops[i]) != seen[i]);
		}
	end_hogs();
	EXPECT_EQ(0, libc_bad);
}

GO_TEST_PS(hogs_in_libc_break_nothing, 1)
{
	libc_hogs(_metadata);
}

GO_TEST_PS(hogs_in_libc_break_nothing_on_two, 2)
{
	libc_hogs(_metadata);
}

/*
 * What a thread has and a goroutine sees.  It is looked at before and after a
 * spell in which another hog had a turn, on the only processor: so this one
 * was stopped in between.
 */
static __thread long in_tls;
static int odd;

static __attribute__((noinline)) void check(int cond)
{
	if (!cond)
		ADD(odd, 1);
}

typedef long double x87_t;

static __attribute__((noinline)) void keeps_state(unsigned long *mine, unsigned long *spins,
						   unsigned long *other)
{
	unsigned long seen = LOAD(*other);
	unsigned int csr = _mm_getcsr(), round = *mine % 2 ? _MM_ROUND_UP : _MM_ROUND_DOWN;
	double x = (double)(*mine + 1), y = x;
	pthread_t self = pthread_self();
	/* libc and the kernel write only the words that have signals. */
	sigset_t before = { 0 }, after = { 0 };
	x87_t ld = 1.0L / 3;

	check(!pthread_sigmask(SIG_SETMASK, NULL, &before));
	check(!sigismember(&before, SIGURG));
	errno = (int)*mine % 1000 + 1;
	in_tls = (long)*mine;
	_MM_SET_ROUNDING_MODE(round);
	while (LOAD(*other) == seen && !LOAD(stop_all)) {
		STORE(*spins, *spins + 1);
		/* Registers of SSE and x87 that live across the loop. */
		y += x;
		y -= x;
		ld += 1;
		ld -= 1;
	}
	check(errno == (int)*mine % 1000 + 1);
	check(in_tls == (long)*mine);
	check(_MM_GET_ROUNDING_MODE() == round);
	_mm_setcsr(csr);
	check(y == x);
	check(ld > 0.33L && ld < 0.34L);
	check(pthread_equal(self, pthread_self()));
	check(!pthread_sigmask(SIG_SETMASK, NULL, &after));
	check(!memcmp(&before, &after, sizeof(before)));
}

static void stateful(void *arg)
{
	unsigned long *mine = arg;
	int i = mine == loops ? 0 : 1;

	while (!LOAD(stop_all)) {
		keeps_state(mine, &loops[2 + i], &loops[3 - i]);
		STORE(*mine, *mine + 1);
	}
}

GO_TEST_PS(a_hog_does_not_notice_that_it_was_stopped, 1)
{
	EXPECT_EQ(0, kgo_go(stateful, &loops[0]));
	EXPECT_EQ(0, kgo_go(stateful, &loops[1]));
	yield_until(LOAD(loops[0]) > 3 && LOAD(loops[1]) > 3);
	end_hogs();
	EXPECT_EQ(0, odd);
}

/*
 * Calls that sleep, beside hogs.  The kernel never interrupts one; the monitor
 * of the futex back end may, but not those that are restarted.
 */
static int eintr_read, eintr_other;

static void caller(void *arg)
{
	unsigned long *n = arg;
	struct timespec ts = { .tv_nsec = 300000 };
	struct pollfd pfd;
	volatile int work;
	char byte = 1;
	int fd[2];

	if (pipe(fd))
		abort();
	pfd = (struct pollfd){ .fd = fd[0], .events = POLLIN };
	while (!LOAD(stop_all)) {
		for (work = 0; work < 100000; work++)
			;
		if (nanosleep(&ts, NULL))
			ADD(eintr_other, 1);
		if (poll(&pfd, 1, 1) < 0)
			ADD(eintr_other, 1);
		if (write(fd[1], &byte, 1) != 1)
			ADD(eintr_read, 1);
		if (poll(&pfd, 1, -1) != 1)
			ADD(eintr_other, 1);
		if (read(fd[0], &byte, 1) != 1)
			ADD(eintr_read, 1);
		STORE(*n, *n + 1);
	}
	close(fd[0]);
	close(fd[1]);
}

GO_TEST_PS(no_call_is_interrupted_under_hogs, 1)
{
	int i;

	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, kgo_go(hog, &loops[i]));
	for (i = 2; i < 5; i++)
		EXPECT_EQ(0, kgo_go(caller, &loops[i]));
	for (i = 2; i < 5; i++)
		yield_until(LOAD(loops[i]) > 10);
	end_hogs();
	EXPECT_EQ(0, eintr_read);
	if (kgo_backend() == KGO_BACKEND_DEVICE)
		EXPECT_EQ(0, eintr_other);
}

/* The overflow of a stack is still told as such. */
static __attribute__((noinline)) int too_deep(int n)
{
	volatile char frame[512];

	frame[0] = (char)n;
	return n < 1000000 ? too_deep(n + 1) + frame[0] : frame[0];
}

static void overflow(void *arg)
{
	*(int *)arg = too_deep(0);
}

static int overflow_under_hogs(void *arg)
{
	kgo_go(hog, &loops[0]);
	kgo_go(hog, &loops[1]);
	yields(3);
	kgo_go(overflow, arg);
	yield_until(0);
	return 0;
}

TEST(an_overflow_is_told_under_hogs)
{
	struct ended e;
	int v = 0;

	if (SANITIZED)
		SKIP(return, "a sanitizer tells it in its own words");
	setenv("KGO_PROCS", "1", 1);
	run_child(&e, overflow_under_hogs, &v);
	EXPECT_TRUE(WIFSIGNALED(e.status));
	EXPECT_EQ(SIGSEGV, WTERMSIG(e.status));
	EXPECT_NE(NULL, strstr(e.err, "stack overflow"));
}

/*
 * A child of fork() computes in peace, and one of exec starts afresh: this
 * program again, which only says so then.
 */
#define EXECED	"KGO_TEST_EXECED"

static void __attribute__((constructor)) say_execed(void)
{
	if (getenv(EXECED))
		_exit(9);
}

GO_TEST_PS(fork_and_exec_work_under_hogs, 1)
{
	char *args[] = { (char *)"/proc/self/exe", NULL };
	char *env[] = { (char *)EXECED "=1", NULL };
	volatile unsigned long work = 0;
	int status, i;
	pid_t pid;

	EXPECT_EQ(0, kgo_go(hog, &loops[0]));
	EXPECT_EQ(0, kgo_go(hog, &loops[1]));
	yields(2);
	for (i = 0; i < 5; i++) {
		pid = fork();
		if (!pid) {
			while (work < 30000000)
				work++;
			_exit(7);
		}
		status = -1;
		EXPECT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7);

		EXPECT_EQ(0, posix_spawn(&pid, args[0], NULL, NULL, args, env));
		status = -1;
		EXPECT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 9);
	}
	end_hogs();
}

/* A SIGURG that is not ours goes to the handler that was there before. */
static int urgent;

static void on_urgent(int sig)
{
	ADD(urgent, sig == SIGURG);
}

static int raises(void *arg)
{
	struct __test_metadata *_metadata = arg;

	EXPECT_EQ(0, raise(SIGURG));
	EXPECT_EQ(1, LOAD(urgent));
	_exit(!_metadata->passed);
}

TEST(the_programs_own_signal_reaches_its_handler)
{
	signal(SIGURG, on_urgent);
	EXPECT_EQ(0, kgo_main(raises, _metadata));
}

TEST_HARNESS_MAIN
