// SPDX-License-Identifier: GPL-2.0
/*
 * Fewer Ps, and none: CPUs that go and come, and a system that freezes.
 *
 * The tests run on KUnit's own thread, which is no goroutine, since it waits
 * for what goroutines do while none of them may run.
 */
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/delay.h>

#include "../kernel.h"
#include "../runtime.h"
#include "test.h"

#define PATIENCE_MS	60000U
#define NR_CROWD	40U

struct crowd {
	atomic_t stop;
	atomic_t began;
	atomic_t ended;
	atomic_t turns;
	struct kgo_chan *c;
};

static bool wait_for(atomic_t *n, u32 want)
{
	u32 ms;

	for (ms = 0; ms < PATIENCE_MS && atomic_read(n) != want; ms++)
		usleep_range(1000, 2000);
	return atomic_read(n) == want;
}

static u32 state_of_p(u32 p)
{
	return arb_word_state(READ_ONCE(kgo_kernel_runtime->arb.word[p]));
}

/* Until all but the first @n are off, and nothing is left on them. */
static bool wait_for_off(u32 n)
{
	struct kgo_p *p;
	u32 ms, i;
	bool ok;

	for (ms = 0; ms < PATIENCE_MS; ms++) {
		for (i = n, ok = true; i < kgo_rt.nr_ps; i++) {
			p = kgo_p_at(i);
			ok &= state_of_p(i) == ARB_OFF && kgo_runq_empty(p) &&
			      !READ_ONCE(p->d.nr_timers);
		}
		if (ok)
			return true;
		usleep_range(1000, 2000);
	}
	return false;
}

static void yields(void *arg)
{
	struct crowd *cr = arg;

	atomic_inc(&cr->began);
	while (!atomic_read(&cr->stop)) {
		atomic_inc(&cr->turns);
		kgo_yield();
		cond_resched();
	}
	atomic_inc(&cr->ended);
}

static void sleeps(void *arg)
{
	struct crowd *cr = arg;

	atomic_inc(&cr->began);
	while (!atomic_read(&cr->stop)) {
		atomic_inc(&cr->turns);
		kgo_sleep(NSEC_PER_MSEC);
	}
	atomic_inc(&cr->ended);
}

static void blocks(void *arg)
{
	struct crowd *cr = arg;

	atomic_inc(&cr->began);
	while (!atomic_read(&cr->stop)) {
		atomic_inc(&cr->turns);
		usleep_range(500, 1000);
		kgo_yield();
	}
	atomic_inc(&cr->ended);
}

static void talks(void *arg)
{
	struct crowd *cr = arg;
	u32 v = 1;

	atomic_inc(&cr->began);
	/* With itself and with others: it never is the only one that can. */
	while (!atomic_read(&cr->stop)) {
		atomic_inc(&cr->turns);
		if (kgo_chan_try_send(cr->c, &v) <= 0)
			kgo_chan_try_recv(cr->c, &v);
		kgo_sleep(NSEC_PER_USEC);
	}
	atomic_inc(&cr->ended);
}

static void start_crowd(struct kunit *test, struct crowd *cr)
{
	static void (*const body[])(void *arg) = { yields, sleeps, blocks, talks };
	u32 i;

	cr->c = kgo_chan_make(sizeof(u32), 3);
	KUNIT_ASSERT_NOT_NULL(test, cr->c);
	for (i = 0; i < NR_CROWD; i++)
		KUNIT_EXPECT_EQ(test, kgo_go(body[i % ARRAY_SIZE(body)], cr), 0);
	KUNIT_EXPECT_TRUE(test, wait_for(&cr->began, NR_CROWD));
}

static void stop_crowd(struct kunit *test, struct crowd *cr)
{
	atomic_set(&cr->stop, 1);
	KUNIT_EXPECT_TRUE(test, wait_for(&cr->ended, NR_CROWD));
	kgo_module_wait(THIS_MODULE);
	KUNIT_EXPECT_EQ(test, kgo_chan_free(cr->c), 0);
}

/* Go on for a while: so many turns of whoever it is. */
static bool some_turns(struct crowd *cr)
{
	int from = atomic_read(&cr->turns);
	u32 ms;

	for (ms = 0; ms < PATIENCE_MS; ms++) {
		if (atomic_read(&cr->turns) - from > 200)
			return true;
		usleep_range(1000, 2000);
	}
	return false;
}

static void what_is_on_a_p_goes_on_when_its_cpu_goes(struct kunit *test)
{
	struct crowd *cr = kunit_kzalloc(test, sizeof(*cr), GFP_KERNEL);
	u32 most = READ_ONCE(kgo_rt.nr_on), i;

	KUNIT_ASSERT_NOT_NULL(test, cr);
	if (num_online_cpus() != 2 || most != 2 || !cpu_online(1))
		kunit_skip(test, "wants two CPUs\n");
	start_crowd(test, cr);
	for (i = 0; i < 10; i++) {
		KUNIT_EXPECT_TRUE(test, some_turns(cr));
		KUNIT_EXPECT_EQ(test, remove_cpu(1), 0);
		KUNIT_EXPECT_EQ(test, READ_ONCE(kgo_rt.nr_on), 1);
		KUNIT_EXPECT_TRUE(test, wait_for_off(1));
		KUNIT_EXPECT_TRUE(test, some_turns(cr));
		KUNIT_EXPECT_EQ(test, state_of_p(1), ARB_OFF);
		KUNIT_EXPECT_EQ(test, add_cpu(1), 0);
		KUNIT_EXPECT_EQ(test, READ_ONCE(kgo_rt.nr_on), 2);
		KUNIT_EXPECT_NE(test, state_of_p(1), ARB_OFF);
	}
	stop_crowd(test, cr);
	KUNIT_EXPECT_EQ(test, atomic_read(&cr->ended), NR_CROWD);
}

static bool freeze(void)
{
	u32 ms;

	for (ms = 0; ms < PATIENCE_MS; ms++) {
		if (kgo_procs_freeze())
			return true;
		usleep_range(1000, 2000);
	}
	return false;
}

/* Nor does one that comes back from a sleep of its own: it has no P. */
static void nothing_runs_while_the_system_is_frozen(struct kunit *test)
{
	struct crowd *cr = kunit_kzalloc(test, sizeof(*cr), GFP_KERNEL);
	u32 round, p;
	int turns;

	KUNIT_ASSERT_NOT_NULL(test, cr);
	start_crowd(test, cr);
	for (round = 0; round < 5; round++) {
		KUNIT_EXPECT_TRUE(test, some_turns(cr));
		KUNIT_EXPECT_TRUE(test, freeze());
		for (p = 0; p < kgo_rt.nr_ps; p++)
			KUNIT_EXPECT_EQ(test, state_of_p(p), ARB_OFF);
		turns = atomic_read(&cr->turns);
		msleep(100);
		KUNIT_EXPECT_EQ(test, atomic_read(&cr->turns), turns);
		kgo_procs_thaw();
	}
	stop_crowd(test, cr);
}

struct late {
	struct ordered {
		struct late *late;
		u32 rank;
	} o[16];
	u32 order[16];
	atomic_t n;
	u64 start;
};

static void comes_late(void *arg)
{
	struct ordered *o = arg;
	u64 due = o->late->start + (2000 + 100 * o->rank) * NSEC_PER_MSEC;

	/* In no order of the calls, and not of when each came to run either. */
	kgo_sleep((s64)(due - ktime_get_ns()));
	o->late->order[atomic_inc_return(&o->late->n) - 1] = o->rank;
}

static u32 nr_asleep(void)
{
	struct kgo_gdesc *d;
	u32 i, n = 0;

	for (i = 1; i < READ_ONCE(kgo_rt.r->nr_gs); i++) {
		d = &port_g(i)->d;
		/* Pairs with kgo_g_set_state(): what is read is of that life. */
		n += smp_load_acquire(&d->state) == KGO_G_WAITING &&
		     READ_ONCE(d->fn) == (u64)(unsigned long)comes_late &&
		     READ_ONCE(d->reason) == KGO_WAIT_SLEEP;
	}
	return n;
}

/* On one P, where what is made ready first runs first. */
static void timers_of_a_frozen_time_fire_in_order(struct kunit *test)
{
	struct late *late = kunit_kzalloc(test, sizeof(*late), GFP_KERNEL);
	u32 n, i;

	KUNIT_ASSERT_NOT_NULL(test, late);
	if (num_online_cpus() == 2)
		KUNIT_ASSERT_EQ(test, remove_cpu(1), 0);
	KUNIT_EXPECT_TRUE(test, wait_for_off(1));
	late->start = ktime_get_ns();
	for (i = 0; i < ARRAY_SIZE(late->o); i++) {
		late->o[i].late = late;
		late->o[i].rank = i * 7 % ARRAY_SIZE(late->o);
		late->order[i] = ~0U;
		KUNIT_EXPECT_EQ(test, kgo_go(comes_late, &late->o[i]), 0);
	}
	while (nr_asleep() + atomic_read(&late->n) < ARRAY_SIZE(late->o))
		usleep_range(1000, 2000);
	KUNIT_EXPECT_TRUE(test, freeze());
	/* All are due before those that are left may run. */
	n = atomic_read(&late->n);
	while (ktime_get_ns() - late->start < 4 * NSEC_PER_SEC)
		msleep(20);
	KUNIT_EXPECT_EQ(test, atomic_read(&late->n), n);
	kgo_procs_thaw();
	KUNIT_EXPECT_TRUE(test, wait_for(&late->n, ARRAY_SIZE(late->o)));
	for (i = n + 1; i < ARRAY_SIZE(late->o); i++)
		KUNIT_EXPECT_LT(test, late->order[i - 1], late->order[i]);
	kgo_module_wait(THIS_MODULE);
	if (!cpu_online(1))
		KUNIT_EXPECT_EQ(test, add_cpu(1), 0);
}

static void in_msleep(void *arg)
{
	struct crowd *cr = arg;

	atomic_inc(&cr->began);
	while (!atomic_read(&cr->stop))
		msleep(20);
	atomic_inc(&cr->ended);
	kgo_yield();
	atomic_inc(&cr->turns);
}

/* One that sleeps in a call of its own stops at its next call of the runtime. */
static void who_sleeps_otherwise_does_not_keep_it_from_freezing(struct kunit *test)
{
	struct crowd *cr = kunit_kzalloc(test, sizeof(*cr), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, cr);
	KUNIT_EXPECT_EQ(test, kgo_go(in_msleep, cr), 0);
	KUNIT_EXPECT_TRUE(test, wait_for(&cr->began, 1));
	KUNIT_EXPECT_TRUE(test, freeze());
	atomic_set(&cr->stop, 1);
	KUNIT_EXPECT_TRUE(test, wait_for(&cr->ended, 1));
	msleep(50);
	KUNIT_EXPECT_EQ(test, atomic_read(&cr->turns), 0);
	kgo_procs_thaw();
	KUNIT_EXPECT_TRUE(test, wait_for(&cr->turns, 1));
	kgo_module_wait(THIS_MODULE);
}

static struct kunit_case procs_cases[] = {
	KUNIT_CASE(what_is_on_a_p_goes_on_when_its_cpu_goes),
	KUNIT_CASE(nothing_runs_while_the_system_is_frozen),
	KUNIT_CASE(timers_of_a_frozen_time_fire_in_order),
	KUNIT_CASE(who_sleeps_otherwise_does_not_keep_it_from_freezing),
	{}
};

static struct kunit_suite procs_suite = {
	.name = "kgo_procs",
	.test_cases = procs_cases,
};

kunit_test_suite(procs_suite);
