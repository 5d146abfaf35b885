// SPDX-License-Identifier: GPL-2.0
/*
 * Timers: the heap of a P, looked into, and what sleeps.
 */
#include <linux/ktime.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "test.h"

#define NR_TIMERS	500
#define HOUR_NS		(3600LL * NSEC_PER_SEC)

struct probe {
	struct kgo_alarm timer;
	u32 fired;		/* its place in the order, from 1 */
};

static u32 nr_fired;

static struct kgo_g *fire(struct kgo_alarm *t)
{
	container_of(t, struct probe, timer)->fired = ++nr_fired;
	return NULL;
}

static void check_heap(struct kunit *test, struct kgo_p *p)
{
	struct kgo_timers *ts = &p->timers;
	u32 i;

	port_lock(&ts->lock);
	/* Any four children are in one line. */
	KUNIT_EXPECT_EQ(test, (unsigned long)(ts->heap + 1) % 64, 0UL);
	for (i = 0; i < ts->n; i++) {
		KUNIT_EXPECT_EQ(test, ts->heap[i].alarm->slot, i + 1);
		KUNIT_EXPECT_EQ(test, ts->heap[i].alarm->p, p->index);
		KUNIT_EXPECT_EQ(test, ts->heap[i].alarm->when, ts->heap[i].when);
		if (i)
			KUNIT_EXPECT_LE(test, ts->heap[(i - 1) / 4].when, ts->heap[i].when);
	}
	KUNIT_EXPECT_EQ(test, p->d.nr_timers, ts->n);
	KUNIT_EXPECT_EQ(test, p->d.timer_when, ts->n ? ts->heap[0].when : 0);
	port_unlock(&ts->lock);
}

/* All on one P: the caller keeps it. */
static void start_at_random(struct kunit *test, struct probe *t, u32 n, long long from,
			    u32 range, struct rnd_state *rnd)
{
	u32 i;

	for (i = 0; i < n; i++) {
		t[i].timer.fire = fire;
		KUNIT_EXPECT_EQ(test, kgo_alarm_start(&t[i].timer,
						      from + prandom_u32_state(rnd) % range), 0);
	}
}

KGO_TEST(heap_is_in_order_whatever_is_stopped)
{
	struct probe *t = kcalloc(NR_TIMERS, sizeof(*t), GFP_KERNEL);
	struct rnd_state rnd;
	struct kgo_p *p;
	u32 seed, i, n;

	KUNIT_EXPECT_NOT_NULL(test, t);
	for (seed = 1; t && seed <= 5; seed++) {
		memset(t, 0, NR_TIMERS * sizeof(*t));
		prandom_seed_state(&rnd, seed);
		p = kgo_m_p(kgo_enter_sched());
		n = p->d.nr_timers;
		start_at_random(test, t, NR_TIMERS, HOUR_NS, 1000, &rnd);
		KUNIT_EXPECT_EQ(test, p->d.nr_timers - n, NR_TIMERS);
		check_heap(test, p);
		for (i = 0; i < NR_TIMERS; i += 1 + prandom_u32_state(&rnd) % 3) {
			KUNIT_EXPECT_TRUE(test, kgo_alarm_stop(&t[i].timer));
			KUNIT_EXPECT_FALSE(test, kgo_alarm_stop(&t[i].timer));
			check_heap(test, p);
		}
		for (i = 0; i < NR_TIMERS; i++)
			kgo_alarm_stop(&t[i].timer);
		check_heap(test, p);
		KUNIT_EXPECT_EQ(test, p->d.nr_timers, n);
		kgo_leave_sched();
	}
	kfree(t);
}

KGO_TEST(timers_fire_in_order_and_not_early)
{
	struct probe *t = kcalloc(NR_TIMERS, sizeof(*t), GFP_KERNEL);
	struct rnd_state rnd;
	struct kgo_p *p;
	u32 i, j, fired;
	long long from;
	u64 now;

	KUNIT_EXPECT_NOT_NULL(test, t);
	if (!t)
		return;
	prandom_seed_state(&rnd, 42);
	p = kgo_m_p(kgo_enter_sched());
	/* One that is started when a later one has fired already has no order. */
	for (from = NSEC_PER_MSEC;; from *= 2) {
		nr_fired = 0;
		start_at_random(test, t, NR_TIMERS, from, 20 * NSEC_PER_MSEC, &rnd);
		port_lock(&p->timers.lock);
		fired = nr_fired;
		port_unlock(&p->timers.lock);
		if (!fired)
			break;
		for (i = 0; i < NR_TIMERS; i++)
			kgo_alarm_stop(&t[i].timer);
		memset(t, 0, NR_TIMERS * sizeof(*t));
	}
	do {
		now = port_now();
		kgo_timers_run(p, now);
		port_lock(&p->timers.lock);
		fired = nr_fired;
		for (i = 0; i < NR_TIMERS; i++)
			if (t[i].fired)
				KUNIT_EXPECT_LE(test, t[i].timer.when, port_now());
			else
				KUNIT_EXPECT_GT(test, t[i].timer.when, now);
		port_unlock(&p->timers.lock);
		cpu_relax();
	} while (fired < NR_TIMERS && test->status == KUNIT_SUCCESS);
	for (i = 0; i < NR_TIMERS; i++)
		KUNIT_EXPECT_FALSE(test, kgo_alarm_stop(&t[i].timer));
	kgo_leave_sched();

	for (i = 0; i < NR_TIMERS; i++)
		for (j = 0; j < i; j++)
			if (t[i].timer.when < t[j].timer.when)
				KUNIT_EXPECT_LT(test, t[i].fired, t[j].fired);
	kfree(t);
}

KGO_TEST(sleep_without_time_returns_at_once)
{
	u64 since = ktime_get_ns();

	KUNIT_EXPECT_EQ(test, kgo_sleep(0), 0);
	KUNIT_EXPECT_EQ(test, kgo_sleep(-HOUR_NS), 0);
	KUNIT_EXPECT_LT(test, ktime_get_ns() - since, NSEC_PER_SEC);
}

KGO_TEST(sleep_is_never_short)
{
	static const u32 us[] = { 1, 10, 100, 1000, 10000, 50000 };
	u64 since;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(us); i++) {
		since = ktime_get_ns();
		KUNIT_EXPECT_EQ(test, kgo_sleep(us[i] * NSEC_PER_USEC), 0);
		KUNIT_EXPECT_GE(test, ktime_get_ns() - since, us[i] * NSEC_PER_USEC);
	}
}

struct sleepers {
	struct kgo_wg wg;
	atomic_t early;
	atomic_t n;
};

static void sleeper(void *arg)
{
	struct sleepers *s = arg;
	long long ns = (1 + atomic_inc_return(&s->n) % 20) * NSEC_PER_MSEC;
	u64 since = ktime_get_ns();

	kgo_sleep(ns);
	if (ktime_get_ns() - since < ns)
		atomic_inc(&s->early);
	kgo_wg_done(&s->wg);
}

KGO_TEST(many_sleep_at_one_time)
{
	struct sleepers s = {};
	u64 since = ktime_get_ns();
	u32 i;

	for (i = 0; i < 100; i++) {
		kgo_wg_add(&s.wg, 1);
		KUNIT_EXPECT_EQ(test, kgo_go(sleeper, &s), 0);
	}
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.early), 0);
	KUNIT_EXPECT_LT(test, ktime_get_ns() - since, 20ULL * NSEC_PER_SEC);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static struct kunit_case timer_cases[] = {
	KUNIT_CASE(heap_is_in_order_whatever_is_stopped),
	KUNIT_CASE(timers_fire_in_order_and_not_early),
	KUNIT_CASE(sleep_without_time_returns_at_once),
	KUNIT_CASE(sleep_is_never_short),
	KUNIT_CASE(many_sleep_at_one_time),
	{}
};

static struct kunit_suite timer_suite = {
	.name = "kgo_timer",
	.test_cases = timer_cases,
};

kunit_test_suite(timer_suite);
