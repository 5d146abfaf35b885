// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * One processor, where its owner goes without locked instructions, and those
 * who come from outside: threads that are no goroutines, threads that come
 * back from a system call, who reads stacks, a child of fork().
 */
#include "lib_test.h"

#define GOROUTINES	4

static struct kgo_chan *values;
static struct kgo_mutex mu;
static long guarded;		/* with mu */
static int inside;		/* likewise: who is between lock and unlock */
static int overlaps;
static long long sum;
static int rounds, foreign_rounds;
static int go_on, running;
static struct kgo_wg senders, receivers;

static void guard(void)
{
	if (ADD(inside, 1) != 1)
		STORE(overlaps, 1);
	guarded++;
	ADD(inside, -1);
}

static void sender(UNUSED void *arg)
{
	int i, v = 1;

	for (i = 0; i < rounds; i++) {
		kgo_chan_send(values, &v);
		kgo_mutex_lock(&mu);
		guard();
		if (i % 16 == 0)
			kgo_yield();
		kgo_mutex_unlock(&mu);
		STORE(running, 1);
	}
	kgo_wg_done(&senders);
}

static void receiver(UNUSED void *arg)
{
	int v = -1;

	while (kgo_chan_recv(values, &v) == 1) {
		sum += v;
		v = -1;
	}
	kgo_wg_done(&receivers);
}

/* A thread that is no goroutine does what goroutines do, without waiting. */
static void *outsider(UNUSED void *arg)
{
	int i, v = 1;

	while (!LOAD(go_on))
		;
	for (i = 0; i < foreign_rounds; i++) {
		while (kgo_chan_try_send(values, &v))
			sched_yield();
		while (!kgo_mutex_try_lock(&mu))
			sched_yield();
		guard();
		kgo_mutex_unlock(&mu);
	}
	return NULL;
}

/* With so many rounds by each; the outsider begins when the others run. */
static int together(void *arg)
{
	struct timespec nap = { .tv_nsec = *(int *)arg };
	pthread_t thread;
	int i;

	values = kgo_chan_make(sizeof(int), 3);
	kgo_wg_add(&senders, GOROUTINES);
	kgo_wg_add(&receivers, GOROUTINES);
	if (pthread_create(&thread, NULL, outsider, NULL))
		return 10;
	for (i = 0; i < GOROUTINES; i++)
		if (kgo_go(sender, NULL) || kgo_go(receiver, NULL))
			return 11;
	while (!LOAD(running))
		kgo_yield();
	/* At another moment of theirs each time. */
	nanosleep(&nap, NULL);
	STORE(go_on, 1);
	kgo_wg_wait(&senders);
	/* It cannot be waited for but by the thread: others go on meanwhile. */
	pthread_join(thread, NULL);
	kgo_chan_close(values);
	kgo_wg_wait(&receivers);
	if (LOAD(overlaps))
		return 12;
	if (guarded != (long)GOROUTINES * rounds + foreign_rounds)
		return 13;
	if (sum != (long long)GOROUTINES * rounds + foreign_rounds)
		return 14;
	return 0;
}

static int together_main(void *arg)
{
	return kgo_main(together, arg);
}

TEST(threads_send_and_lock_beside_the_goroutines_of_one_processor)
{
	struct ended e;
	int nap = 0;

	setenv("KGO_PROCS", "1", 1);
	rounds = MANY(20000);
	foreign_rounds = MANY(20000);
	run_process(&e, together_main, &nap);
	EXPECT_EQ(0, e.status) TH_LOG("%s", e.err);
}

TEST(the_first_thread_from_outside_may_come_at_any_moment)
{
	struct ended e;
	int i, nap;

	setenv("KGO_PROCS", "1", 1);
	rounds = 400;
	foreign_rounds = 3;
	for (i = 0; i < MANY(100); i++) {
		nap = i * 997;
		run_process(&e, together_main, &nap);
		EXPECT_EQ(0, e.status) TH_LOG("%s", e.err);
	}
}

static int early_receiver(UNUSED void *arg)
{
	int i, v = -1;

	for (i = 0; i < foreign_rounds; i++) {
		if (kgo_chan_recv(values, &v) != 1)
			return 10;
		sum += v;
		v = -1;
		kgo_mutex_lock(&mu);
		guard();
		kgo_mutex_unlock(&mu);
	}
	return 0;
}

static int early(UNUSED void *arg)
{
	pthread_t thread;
	int ret, result = -1;

	values = kgo_chan_make(sizeof(int), 3);
	STORE(go_on, 1);
	if (pthread_create(&thread, NULL, outsider, NULL))
		return 11;
	ret = kgo_run(early_receiver, NULL, &result);
	pthread_join(thread, NULL);
	if (ret || result)
		return 12;
	return LOAD(overlaps) || sum != foreign_rounds ||
	       guarded != 2L * foreign_rounds ? 13 : 0;
}

TEST(a_thread_may_send_while_the_runtime_is_being_started)
{
	struct ended e;
	int i;

	setenv("KGO_PROCS", "1", 1);
	foreign_rounds = 50;
	for (i = 0; i < MANY(40); i++) {
		run_process(&e, early, NULL);
		EXPECT_EQ(0, e.status) TH_LOG("%s", e.err);
	}
}

/* Goroutines whose threads lose the processor all the time. */
static void blocker(void *arg)
{
	int *fd = arg, i, v = 1;
	char c;

	for (i = 0; i < rounds; i++) {
		/* Nobody else writes: it is there, or the thread sleeps. */
		if (i % 8 == 0)
			usleep(50);
		if (write(fd[1], "x", 1) != 1 || read(fd[0], &c, 1) != 1)
			STORE(overlaps, 2);
		kgo_mutex_lock(&mu);
		guard();
		kgo_mutex_unlock(&mu);
		kgo_chan_send(values, &v);
	}
	kgo_wg_done(&senders);
}

GO_TEST_PS(the_processor_goes_from_thread_to_thread_and_nothing_is_lost, 1)
{
	static int fd[GOROUTINES][2];
	int i;

	rounds = MANY(1000);
	values = kgo_chan_make(sizeof(int), 3);
	kgo_wg_add(&senders, 2 * GOROUTINES);
	kgo_wg_add(&receivers, 1);
	EXPECT_EQ(0, kgo_go(receiver, NULL));
	for (i = 0; i < GOROUTINES; i++) {
		EXPECT_EQ(0, pipe(fd[i]));
		EXPECT_EQ(0, kgo_go(blocker, fd[i]));
		EXPECT_EQ(0, kgo_go(sender, NULL));
	}
	kgo_wg_wait(&senders);
	kgo_chan_close(values);
	kgo_wg_wait(&receivers);
	EXPECT_EQ(0, LOAD(overlaps));
	EXPECT_EQ(2L * GOROUTINES * rounds, guarded);
	EXPECT_EQ(2LL * GOROUTINES * rounds, sum);
}

static void *stack_reader(void *arg)
{
	int n = 0, fd = memfd_create("stacks", MFD_CLOEXEC);

	while (!LOAD(go_on) || !n) {
		kgo_traceback(fd);
		n++;
	}
	close(fd);
	*(int *)arg = n;
	return NULL;
}

GO_TEST_PS(stacks_are_read_while_their_goroutines_are_woken, 1)
{
	pthread_t thread;
	int i, read = -1;

	rounds = MANY(4000);
	values = kgo_chan_make(sizeof(int), 0);
	kgo_wg_add(&senders, GOROUTINES);
	kgo_wg_add(&receivers, GOROUTINES);
	for (i = 0; i < GOROUTINES; i++) {
		EXPECT_EQ(0, kgo_go(sender, NULL));
		EXPECT_EQ(0, kgo_go(receiver, NULL));
	}
	yield_until(LOAD(running));
	EXPECT_EQ(0, pthread_create(&thread, NULL, stack_reader, &read));
	kgo_wg_wait(&senders);
	kgo_chan_close(values);
	kgo_wg_wait(&receivers);
	STORE(go_on, 1);
	pthread_join(thread, NULL);
	EXPECT_LT(0, read);
	EXPECT_EQ((long)GOROUTINES * rounds, guarded);
	EXPECT_EQ((long long)GOROUTINES * rounds, sum);
}

struct parked {
	struct kgo_waker w;
	int woken;
};

static void park_often(void *arg)
{
	struct parked *p = arg;
	int i;

	for (i = 0; i < rounds; i++) {
		if (kgo_park(&p->w))
			abort();
		STORE(p->woken, i + 1);
	}
	kgo_wg_done(&senders);
}

static void *readies(void *arg)
{
	struct parked *p = arg;
	int i;

	for (i = 0; i < rounds; i++) {
		kgo_ready(&p->w);
		while (LOAD(p->woken) != i + 1)
			sched_yield();
	}
	return NULL;
}

GO_TEST_PS(a_thread_wakes_a_goroutine_of_an_idle_or_a_busy_processor, 1)
{
	static struct parked p;
	pthread_t thread;

	rounds = MANY(2000);
	kgo_waker_init(&p.w);
	values = kgo_chan_make(sizeof(int), 0);
	kgo_wg_add(&senders, 2);
	kgo_wg_add(&receivers, 1);
	EXPECT_EQ(0, kgo_go(park_often, &p));
	/* These are busy for the first part. */
	EXPECT_EQ(0, kgo_go(sender, NULL));
	EXPECT_EQ(0, kgo_go(receiver, NULL));
	EXPECT_EQ(0, pthread_create(&thread, NULL, readies, &p));
	kgo_wg_wait(&senders);
	pthread_join(thread, NULL);
	EXPECT_EQ(rounds, LOAD(p.woken));
	kgo_chan_close(values);
	kgo_wg_wait(&receivers);
	EXPECT_EQ(rounds, sum);
}

GO_TEST_PS(a_child_of_fork_may_lock_a_free_mutex, 1)
{
	int status = -1;
	pid_t pid;

	kgo_mutex_lock(&mu);
	kgo_mutex_unlock(&mu);
	pid = fork();
	if (!pid) {
		kgo_mutex_lock(&mu);
		if (kgo_mutex_try_lock(&mu))
			_exit(3);
		kgo_mutex_unlock(&mu);
		_exit(kgo_mutex_try_lock(&mu) ? 0 : 4);
	}
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
