// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Sleep: never too short, in order, and whatever the others do.  How much too
 * long is a matter of measurement, not of tests.
 */
#include "lib_test.h"

static int order[64], nr_order;

struct sleeper {
	long long ns;
	int id;
	int ret, early, done;
	int *barrier;
};

static void sleep_and_note(void *arg)
{
	struct sleeper *s = arg;
	long long before = now_ns();

	s->ret = kgo_sleep(s->ns);
	s->early = now_ns() < before + s->ns;
	order[ADD(nr_order, 1) - 1] = s->id;
	STORE(s->done, 1);
}

GO_TEST(sleep_is_never_too_short)
{
	static const long long ns[] = { 1, 1000, 100000, MS, 5 * MS, 30 * MS };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ns); i++) {
		long long before = now_ns();

		EXPECT_EQ(0, kgo_sleep(ns[i]));
		EXPECT_LE(before + ns[i], now_ns());
	}
}

GO_TEST(not_positive_does_not_park)
{
	unsigned long long id = kgo_goid();

	EXPECT_EQ(0, kgo_sleep(0));
	EXPECT_EQ(0, kgo_sleep(-1));
	EXPECT_EQ(0, kgo_sleep(INT64_MIN));
	EXPECT_EQ(id, kgo_goid());
}

/*
 * One P, so that they wake in the order in which their timers fire; the gaps
 * are wide, and all start before the first is due or the test says nothing.
 */
GO_TEST_PS(the_first_due_wakes_first, 1)
{
	static struct sleeper s[8];
	static const int by[] = { 5, 2, 7, 0, 3, 6, 1, 4 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(s); i++) {
		s[i] = (struct sleeper){ .ns = (1000 + by[i] * 100) * MS, .id = by[i], .ret = -1 };
		EXPECT_EQ(0, kgo_go(sleep_and_note, &s[i]));
	}
	yield_until(waiting("sleep") == ARRAY_SIZE(s) || LOAD(nr_order));
	EXPECT_EQ(0, LOAD(nr_order));
	while (LOAD(nr_order) < (int)ARRAY_SIZE(s))
		kgo_sleep(20 * MS);
	for (i = 0; i < ARRAY_SIZE(s); i++) {
		EXPECT_EQ((int)i, order[i]);
		EXPECT_EQ(0, s[i].ret);
		EXPECT_EQ(0, s[i].early);
	}
}

/*
 * Also if all were due long ago when somebody looks: a P that was busy, with
 * somebody whom no signal stops.  (One that is due when others wait already to
 * run goes before them.)  The first of them is to run next, and a slice that ends
 * just then lets it run behind the others.
 */
GO_TEST_PS(those_that_are_late_wake_in_their_order, 1)
{
	static struct sleeper s[8];
	sigset_t all, old;
	unsigned int i, n = 1;
	long long until;

	for (i = 0; i < ARRAY_SIZE(s); i++) {
		s[i] = (struct sleeper){ .ns = (500 + 100 * i) * MS, .id = (int)i, .ret = -1 };
		EXPECT_EQ(0, kgo_go(sleep_and_note, &s[i]));
	}
	yield_until(waiting("sleep") == ARRAY_SIZE(s) || LOAD(nr_order));
	EXPECT_EQ(0, LOAD(nr_order));
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	until = now_ns() + 1300 * MS;
	while (now_ns() < until)
		;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	while (LOAD(nr_order) < (int)ARRAY_SIZE(s))
		kgo_yield();
	for (i = 0; i < ARRAY_SIZE(s); i++)
		if (order[i])
			EXPECT_EQ((int)n++, order[i]);
	EXPECT_EQ(ARRAY_SIZE(s), n);
}

/*
 * Sleepers and timers share a heap: those of both kinds move each other when
 * some of the timers are stopped or reset in the middle of it.
 */
#define MIXED	400

static int mixed_fired;

static void count_fired(void *arg)
{
	(void)arg;
	ADD(mixed_fired, 1);
}

GO_TEST_PS(sleepers_keep_their_place_among_timers_that_move, 1)
{
	static struct kgo_timer timers[MIXED];
	static struct sleeper s[ARRAY_SIZE(order)];
	unsigned int i;

	for (i = 0; i < MIXED; i++) {
		EXPECT_EQ(0, kgo_after_func(&timers[i], (1 + i * 7 % MIXED) * MS, count_fired,
					    NULL));
		if (i >= ARRAY_SIZE(s))
			continue;
		s[i] = (struct sleeper){ .ns = (1 + i * 13 % MIXED) * MS, .ret = -1 };
		EXPECT_EQ(0, kgo_go(sleep_and_note, &s[i]));
		kgo_yield();
	}
	/* From here on none is due for an hour, whether it has fired or not. */
	for (i = 0; i < MIXED; i++)
		kgo_timer_reset(&timers[i], 3600 * 1000 * MS + i * 7919 % MIXED * MS);
	for (i = 0; i < MIXED; i += 3)
		EXPECT_EQ(1, kgo_timer_stop(&timers[i]));
	while (LOAD(nr_order) < (int)ARRAY_SIZE(s))
		kgo_sleep(20 * MS);
	for (i = 0; i < ARRAY_SIZE(s); i++) {
		EXPECT_EQ(0, s[i].ret);
		EXPECT_EQ(0, s[i].early);
	}
	for (i = 0; i < MIXED; i++)
		EXPECT_EQ(i % 3 != 0, kgo_timer_stop(&timers[i]));
}

static int sleeps_done, sleeps_bad;

static void many_sleeps(void *arg)
{
	unsigned int i, seed = (unsigned int)(uintptr_t)arg;

	for (i = 0; i < 20; i++) {
		long long ns, before = now_ns();

		seed = seed * 1664525 + 1013904223;
		ns = seed % 3000000 + 1;
		if (kgo_sleep(ns) || now_ns() < before + ns)
			ADD(sleeps_bad, 1);
	}
	ADD(sleeps_done, 1);
}

GO_TEST(a_thousand_sleepers)
{
	uintptr_t i;

	for (i = 0; i < 1000; i++)
		EXPECT_EQ(0, kgo_go(many_sleeps, (void *)i));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(1000, sleeps_done);
	EXPECT_EQ(0, sleeps_bad);
}

/* All asleep: nobody but the keeper of the timers can wake them. */
GO_TEST(sleepers_wake_when_nothing_else_runs)
{
	struct sleeper s = { .ns = 30 * MS, .ret = -1 };

	EXPECT_EQ(0, kgo_go(sleep_and_note, &s));
	EXPECT_EQ(0, kgo_sleep(60 * MS));
	while (!LOAD(s.done))
		EXPECT_EQ(0, kgo_sleep(MS));
	EXPECT_EQ(0, s.ret);
	EXPECT_EQ(0, s.early);
}

static int stop_hogs;

static void hog(void *arg UNUSED)
{
	while (!LOAD(stop_hogs))
		kgo_yield();
}

/* No P is ever idle, and still the sleeper wakes. */
GO_TEST(sleepers_wake_among_hogs)
{
	struct sleeper s = { .ns = 5 * MS, .ret = -1 };
	int i;

	for (i = 0; i < 8; i++)
		EXPECT_EQ(0, kgo_go(hog, NULL));
	EXPECT_EQ(0, kgo_go(sleep_and_note, &s));
	while (!LOAD(s.done))
		kgo_sleep(MS);
	EXPECT_EQ(0, s.ret);
	EXPECT_EQ(0, s.early);
	STORE(stop_hogs, 1);
	yield_until(kgo_num_goroutine() == 1);
}

static int spun;

/* Holds its P and never calls the runtime, until the sleeper has woken. */
static void spin_hard(void *arg)
{
	struct sleeper *s = arg;

	STORE(spun, 1);
	while (!LOAD(s->done))
		;
}

GO_TEST_PS(a_sleeper_wakes_though_another_p_is_held, 2)
{
	struct sleeper s = { .ns = 5 * MS, .ret = -1 };

	EXPECT_EQ(0, kgo_go(sleep_and_note, &s));
	EXPECT_EQ(0, kgo_go(spin_hard, &s));
	/* This one parks too, on whichever P: the spinner does not hold its timer. */
	while (!LOAD(s.done))
		EXPECT_EQ(0, kgo_sleep(2 * MS));
	EXPECT_EQ(0, s.early);
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(1, spun);
}

static long long cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Nobody spins, polls or ticks while all sleep: measured against the clock. */
GO_TEST(a_sleeping_program_uses_no_cpu)
{
	long long before, cpu;

	kgo_sleep(50 * MS);	/* threads that look for work stop looking */
	cpu = cpu_ns();
	before = now_ns();
	EXPECT_EQ(0, kgo_sleep(1000 * MS));
	cpu = cpu_ns() - cpu;
	EXPECT_LT(cpu * 10, now_ns() - before);
}

TEST_HARNESS_MAIN
