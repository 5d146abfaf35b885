// SPDX-License-Identifier: GPL-2.0
/*
 * When the arbiter calls a runtime dead, and when it does not.
 */
#include "arb_rig.h"

/* @n Ms, none of which is parked. */
static struct fix *detecting(struct kunit *test, u32 n)
{
	struct fix *f = with_ms(test, 2, n);

	f->arb.detect = true;
	return f;
}

/* Does the park of @m make a dead runtime of one that has so many threads? */
static bool dies(struct fix *f, u32 m, u32 op, u32 nr_threads)
{
	return !park(f, m, op) && f->m[m].suspect &&
	       arb_dead(&f->arb, &f->m[m], nr_threads);
}

static void the_last_park_is_told(struct kunit *test)
{
	struct fix *f = detecting(test, 3);

	KUNIT_EXPECT_FALSE(test, dies(f, 0, KGO_ENTER_PARK_SPARE, 3));
	KUNIT_EXPECT_FALSE(test, dies(f, 1, KGO_ENTER_PARK_BOUND, 3));
	KUNIT_EXPECT_TRUE(test, dies(f, 2, KGO_ENTER_PARK_SPARE, 3));
	KUNIT_EXPECT_EQ(test, f->m[2].mode, ARB_OUT);
	KUNIT_EXPECT_EQ(test, f->m[2].p, KGO_NONE);
	/* Not again before a goroutine has run. */
	KUNIT_EXPECT_FALSE(test, dies(f, 2, KGO_ENTER_PARK_SPARE, 3));
	arb_unpark(&f->arb, &f->m[2]);
	pdesc(f, 0)->schedtick++;
	KUNIT_EXPECT_TRUE(test, dies(f, 2, KGO_ENTER_PARK_BOUND, 3));
}

static void another_thread_is_life(struct kunit *test)
{
	struct fix *f = detecting(test, 2);

	KUNIT_EXPECT_FALSE(test, dies(f, 0, KGO_ENTER_PARK_SPARE, 2));
	KUNIT_EXPECT_FALSE(test, dies(f, 1, KGO_ENTER_PARK_SPARE, 3));
	/* It does not know how many there are: no /proc. */
	arb_unpark(&f->arb, &f->m[1]);
	KUNIT_EXPECT_FALSE(test, dies(f, 1, KGO_ENTER_PARK_SPARE, 0));
	arb_unpark(&f->arb, &f->m[1]);
	KUNIT_EXPECT_TRUE(test, dies(f, 1, KGO_ENTER_PARK_SPARE, 2));
}

static void a_blocked_m_is_life(struct kunit *test)
{
	struct fix *f = detecting(test, 2);

	KUNIT_ASSERT_EQ(test, arb_acquire(&f->arb, &f->m[1]), 0);
	arb_block(&f->arb, &f->m[1]);
	KUNIT_EXPECT_FALSE(test, dies(f, 0, KGO_ENTER_PARK_SPARE, 2));
	arb_unblock(&f->arb, &f->m[1]);
	KUNIT_EXPECT_TRUE(test, dies(f, 1, KGO_ENTER_PARK_SPARE, 2));
}

static void what_happens_while_threads_are_counted_is_seen(struct kunit *test)
{
	struct fix *f = detecting(test, 2);

	KUNIT_EXPECT_FALSE(test, dies(f, 0, KGO_ENTER_PARK_SPARE, 2));
	KUNIT_EXPECT_EQ(test, park(f, 1, KGO_ENTER_PARK_SPARE), 0);
	KUNIT_EXPECT_NE(test, f->m[1].suspect, 0);
	/* One that handles a signal and parks again may have started a thread. */
	arb_unpark(&f->arb, &f->m[0]);
	KUNIT_EXPECT_FALSE(test, arb_dead(&f->arb, &f->m[1], 2));
	KUNIT_EXPECT_EQ(test, park(f, 0, KGO_ENTER_PARK_SPARE), 0);
	KUNIT_EXPECT_FALSE(test, arb_dead(&f->arb, &f->m[1], 2));
	/* Work that a thread queued as its last act. */
	f->r.gq_len = 1;
	KUNIT_EXPECT_FALSE(test, arb_dead(&f->arb, &f->m[0], 2));
	f->r.gq_len = 0;
	KUNIT_EXPECT_TRUE(test, arb_dead(&f->arb, &f->m[0], 2));
}

static void one_that_leaves_counts_no_more(struct kunit *test)
{
	struct fix *f = detecting(test, 2);

	arb_leave(&f->arb, &f->m[1]);
	KUNIT_EXPECT_FALSE(test, dies(f, 0, KGO_ENTER_PARK_SPARE, 2));
	arb_unpark(&f->arb, &f->m[0]);
	KUNIT_EXPECT_TRUE(test, dies(f, 0, KGO_ENTER_PARK_SPARE, 1));
}

static void work_timers_and_seekers_are_life(struct kunit *test)
{
	struct fix *f = detecting(test, 1);
	struct kgo_pdesc *d = pdesc(f, 1);

	d->timer_when = 1;
	KUNIT_EXPECT_FALSE(test, dies(f, 0, KGO_ENTER_PARK_BOUND, 1));
	arb_unpark(&f->arb, &f->m[0]);
	d->timer_when = 0;
	f->r.keeper_when = 1;
	KUNIT_EXPECT_FALSE(test, dies(f, 0, KGO_ENTER_PARK_SPARE, 1));
	arb_unpark(&f->arb, &f->m[0]);
	f->r.keeper_when = 0;
	f->r.nr_spinning = 1;
	KUNIT_EXPECT_FALSE(test, dies(f, 0, KGO_ENTER_PARK_SPARE, 1));
	arb_unpark(&f->arb, &f->m[0]);
	f->r.nr_spinning = 0;
	d->runnext = 7;
	KUNIT_EXPECT_FALSE(test, dies(f, 0, KGO_ENTER_PARK_BOUND, 1));
	arb_unpark(&f->arb, &f->m[0]);
	d->runnext = 0;
	f->arb.detect = false;
	KUNIT_EXPECT_FALSE(test, dies(f, 0, KGO_ENTER_PARK_SPARE, 1));
	arb_unpark(&f->arb, &f->m[0]);
	f->arb.detect = true;
	KUNIT_EXPECT_TRUE(test, dies(f, 0, KGO_ENTER_PARK_SPARE, 1));
}

static struct kunit_case deadlock_cases[] = {
	KUNIT_CASE(the_last_park_is_told),
	KUNIT_CASE(another_thread_is_life),
	KUNIT_CASE(a_blocked_m_is_life),
	KUNIT_CASE(what_happens_while_threads_are_counted_is_seen),
	KUNIT_CASE(one_that_leaves_counts_no_more),
	KUNIT_CASE(work_timers_and_seekers_are_life),
	{}
};

static struct kunit_suite deadlock_suite = {
	.name = "kgo_deadlock",
	.test_cases = deadlock_cases,
};

kunit_test_suite(deadlock_suite);
