// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The scheduler, from outside: queues that overflow, work that spreads, and
 * nobody who is forgotten.
 */
#include "lib_test.h"

static int ran[5000];
static int stop_all;

static void mark(void *arg)
{
	ADD(*(int *)arg, 1);
}

static void overflow_queue(struct __test_metadata *_metadata)
{
	unsigned int n = MANY(ARRAY_SIZE(ran)), i;

	memset(ran, 0, sizeof(ran));
	for (i = 0; i < n; i++)
		EXPECT_EQ(0, kgo_go(mark, &ran[i]));
	yield_until(kgo_num_goroutine() == 1);
	for (i = 0; i < n; i++)
		if (ran[i] != 1)
			break;
	EXPECT_EQ(n, i);
}

/* Far more than a local queue holds, started without a pause. */
GO_TEST_PS(more_than_a_local_queue_holds, 1)
{
	overflow_queue(_metadata);
}

GO_TEST_PS(more_than_a_local_queue_holds_and_thieves, 4)
{
	overflow_queue(_metadata);
}

/* Those that meet here run at the same time, each on a thread of its own. */
static int present;

static void meet(void *arg)
{
	int want = (int)(uintptr_t)arg;

	ADD(present, 1);
	while (LOAD(present) < want)
		;
}

/* Started on one P, they spread: else they would wait for each other for ever. */
GO_TEST_PS(work_spreads_over_all_processors, 4)
{
	int i;

	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, kgo_go(meet, (void *)4));
	meet((void *)4);
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(4, present);
}

static void meet_after_sleep(void *arg)
{
	kgo_sleep(MS);
	meet(arg);
}

GO_TEST_PS(sleepers_that_wake_together_spread_too, 4)
{
	int i;

	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, kgo_go(meet_after_sleep, (void *)4));
	meet_after_sleep((void *)4);
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(4, present);
}

static void yield_for_ever(void *arg)
{
	while (!LOAD(stop_all)) {
		ADD(*(int *)arg, 1);
		kgo_yield();
	}
}

/* A pair that yields to and fro: the third has its turn, too. */
GO_TEST_PS(a_yielding_pair_does_not_starve_a_third, 1)
{
	int a = 0, b = 0, c = 0;

	EXPECT_EQ(0, kgo_go(yield_for_ever, &a));
	EXPECT_EQ(0, kgo_go(yield_for_ever, &b));
	yield_until(LOAD(a) > 10 && LOAD(b) > 10);
	EXPECT_EQ(0, kgo_go(yield_for_ever, &c));
	yield_until(LOAD(c) > 100);
	STORE(stop_all, 1);
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_LT(100, c);
}

struct pair {
	struct kgo_chan *to, *fro;
	int turns;
};

static void pair_a(void *arg)
{
	struct pair *p = arg;
	int v = 0;

	while (!LOAD(stop_all)) {
		kgo_chan_send(p->to, &v);
		kgo_chan_recv(p->fro, &v);
		ADD(p->turns, 1);
	}
	kgo_chan_close(p->to);
}

static void pair_b(void *arg)
{
	struct pair *p = arg;
	int v;

	while (kgo_chan_recv(p->to, &v) == 1)
		kgo_chan_send(p->fro, &v);
}

/*
 * Two that ready each other run "next" all the time.  Everybody else on that P
 * must have turns all the same.
 */
GO_TEST_PS(a_pair_on_a_channel_does_not_starve_a_third, 1)
{
	struct pair p = { kgo_chan_make(sizeof(int), 0), kgo_chan_make(sizeof(int), 0), 0 };
	int c = 0;

	EXPECT_EQ(0, kgo_go(pair_b, &p));
	EXPECT_EQ(0, kgo_go(pair_a, &p));
	yield_until(LOAD(p.turns) > 100);
	EXPECT_EQ(0, kgo_go(yield_for_ever, &c));
	yield_until(LOAD(c) > 20);
	STORE(stop_all, 1);
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_LT(20, c);
	EXPECT_LT(100, p.turns);
	EXPECT_EQ(0, kgo_chan_free(p.to));
	EXPECT_EQ(0, kgo_chan_free(p.fro));
}

/* Three pairs on two Ps, and sleepers between them. */
GO_TEST_PS(pairs_do_not_starve_sleepers, 2)
{
	struct pair p[3];
	int i;

	for (i = 0; i < 3; i++) {
		p[i] = (struct pair){ kgo_chan_make(4, 0), kgo_chan_make(4, 0), 0 };
		EXPECT_EQ(0, kgo_go(pair_b, &p[i]));
		EXPECT_EQ(0, kgo_go(pair_a, &p[i]));
	}
	for (i = 0; i < 20; i++)
		EXPECT_EQ(0, kgo_sleep(MS));
	for (i = 0; i < 3; i++)
		while (LOAD(p[i].turns) < 10)
			kgo_sleep(MS);
	STORE(stop_all, 1);
	yield_until(kgo_num_goroutine() == 1);
}

/*
 * Go's TestTimerFairness: a channel that is always ready does not keep a timer
 * from being heard, nor do calls that return at once (TestTimerFairness2).
 */
struct din {
	struct kgo_chan *c, *done;
	int calls, heard;
};

static void makes_din(void *arg)
{
	struct din *d = arg;
	struct kgo_case k[] = { KGO_SEND(d->c, NULL), KGO_RECV(d->done, NULL) };

	while (kgo_select(k, 2) == 0)
		;
}

static void hears_timer_in_din(void *arg)
{
	struct din *d = arg;
	struct kgo_timer *t = kgo_timer_new(20 * MS);
	struct kgo_case k[] = {
		KGO_SEND(d->c, NULL), KGO_RECV(d->c, NULL), KGO_RECV(kgo_timer_c(t), NULL),
	};

	do {
		if (d->calls && read(0, NULL, 0) > 0)
			abort();
	} while (kgo_select(k, 3) != 2);
	kgo_timer_free(t);
	ADD(d->heard, 1);
}

static void timers_in_din(struct __test_metadata *_metadata, int calls)
{
	struct din d = { kgo_chan_make(0, 0), kgo_chan_make(0, 0), calls, 0 };
	int i;

	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, kgo_go(makes_din, &d));
		EXPECT_EQ(0, kgo_go(hears_timer_in_din, &d));
	}
	hears_timer_in_din(&d);
	while (LOAD(d.heard) != 3)
		kgo_sleep(MS);
	EXPECT_EQ(0, kgo_chan_close(d.done));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(0, kgo_chan_free(d.c));
	EXPECT_EQ(0, kgo_chan_free(d.done));
}

GO_TEST_PS(timers_are_heard_among_channels_that_are_always_ready, 1)
{
	timers_in_din(_metadata, 0);
}

GO_TEST_PS(they_are_among_calls_that_return_at_once, 2)
{
	timers_in_din(_metadata, 1);
}

static void start_from_thread_body(void *arg)
{
	ADD(*(int *)arg, 1);
}

static void *start_from_thread(void *arg)
{
	long bad = 0;
	int i;

	for (i = 0; i < 1000; i++)
		bad += kgo_go(start_from_thread_body, arg) != 0;
	return (void *)bad;
}

/* A thread that the runtime does not know queues globally, others find it. */
GO_TEST(plain_threads_may_start_goroutines)
{
	pthread_t t[3];
	int n = 0, i;
	void *bad;

	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, pthread_create(&t[i], NULL, start_from_thread, &n));
	for (i = 0; i < 3; i++) {
		bad = (void *)1;
		pthread_join(t[i], &bad);
		EXPECT_EQ(NULL, bad);
	}
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(3000, n);
}

/* The same from idle: nobody runs, all Ms are parked, and it must wake one. */
GO_TEST(a_plain_thread_wakes_an_idle_runtime)
{
	struct kgo_chan *c = kgo_chan_make(0, 0);
	int n = 0, i;

	for (i = 0; i < 20; i++) {
		pthread_t t;

		EXPECT_EQ(0, pthread_create(&t, NULL, start_from_thread, &n));
		/* Parked, not in join: the runtime is idle now and then. */
		while (LOAD(n) < 1000 * (i + 1))
			kgo_chan_recv_timeout(c, NULL, MS);
		pthread_join(t, NULL);
	}
	EXPECT_EQ(20000, n);
	EXPECT_EQ(0, kgo_chan_free(c));
}

/* Bound goroutines (kgo_run's) and others ready each other. */
static int bound_body(void *arg)
{
	struct pair *p = arg;
	int v = 0, i, n = MANY(5000);

	if (kgo_go(pair_b, p))
		return -1;
	for (i = 0; i < n; i++) {
		kgo_chan_send(p->to, &i);
		kgo_chan_recv(p->fro, &v);
		if (v != i)
			return i + 1;
	}
	kgo_chan_close(p->to);
	return 0;
}

static void bound_pair(struct __test_metadata *_metadata, const char *procs)
{
	static struct pair p;	/* pair_b() may take its last step after our return */
	int ret = -1;

	p.to = kgo_chan_make(sizeof(int), 0);
	p.fro = kgo_chan_make(sizeof(int), 0);
	setenv("KGO_PROCS", procs, 1);
	EXPECT_EQ(0, kgo_run(bound_body, &p, &ret));
	EXPECT_EQ(0, ret);
}

TEST(a_bound_goroutine_talks_to_others)
{
	bound_pair(_metadata, "2");
}

TEST(a_bound_goroutine_talks_to_others_on_one_processor)
{
	bound_pair(_metadata, "1");
}

TEST_HARNESS_MAIN
