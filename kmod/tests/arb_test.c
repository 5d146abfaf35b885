// SPDX-License-Identifier: GPL-2.0
/*
 * The arbiter alone: Ms are records, a grant is a line in a log.
 *
 * Every step is followed by check(), which proves from the words that each P
 * has one owner and that the hints which the runtime reads add up.
 */
#include <kunit/test.h>
#include <linux/prandom.h>

#include "../core/arb.h"

#define NR_PS	4
#define NR_MS	12
#define LOG	16

struct fix {
	struct arb arb;
	struct arb_m m[NR_MS];
	struct kgo_rdesc r;
	u64 word[NR_PS];
	char *pdesc;
	u32 log[LOG];		/* Ms in the order in which they were granted */
	u32 nr_log;
	bool asleep[NR_MS];	/* between arb_block() and arb_unblock() */
};

static void log_grant(struct arb *arb, struct arb_m *am)
{
	struct fix *f = container_of(arb, struct fix, arb);

	if (f->nr_log < LOG)
		f->log[f->nr_log] = am->index;
	f->nr_log++;
}

static struct kgo_pdesc *pdesc(struct fix *f, u32 p)
{
	return (struct kgo_pdesc *)(f->pdesc + p * KGO_P_STRIDE);
}

static void set_work(struct fix *f, u32 p, bool work)
{
	pdesc(f, p)->runq_tail = pdesc(f, p)->runq_head + work;
}

static void join(struct fix *f, u32 m)
{
	arb_m_init(&f->m[m], m);
	arb_join(&f->arb, &f->m[m]);
}

static struct fix *with_ps(struct kunit *test, u32 nr_ps)
{
	struct fix *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->pdesc = kunit_kzalloc(test, NR_PS * KGO_P_STRIDE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, f->pdesc);
	f->arb.word = f->word;
	f->arb.grant = log_grant;
	KUNIT_ASSERT_EQ(test, arb_init(&f->arb, nr_ps, &f->r, f->pdesc), 0);
	for (i = 0; i < NR_MS; i++)
		join(f, i);
	return f;
}

static u32 list_len(struct kgo_list *head)
{
	struct kgo_list *l;
	u32 n = 0;

	for (l = head->next; l != head; l = l->next)
		n++;
	return n;
}

static u32 count_mode(struct fix *f, u32 mode)
{
	u32 n = 0, i;

	for (i = 0; i < NR_MS; i++)
		n += f->m[i].mode == mode;
	return n;
}

/* The owner of a running word says so itself, and nobody else does. */
static void check_owner(struct kunit *test, struct fix *f, u32 p)
{
	u32 m = arb_word_m(f->word[p]), claims = 0, i;

	KUNIT_ASSERT_LT(test, m, NR_MS);
	KUNIT_EXPECT_TRUE(test, f->m[m].p == p || f->m[m].given == p);
	/* One that sleeps learns only when it wakes that it lost its P. */
	for (i = 0; i < NR_MS; i++)
		claims += (f->m[i].p == p && !f->asleep[i]) + (f->m[i].given == p);
	KUNIT_EXPECT_EQ(test, claims, 1);
}

static void check(struct kunit *test, struct fix *f)
{
	u32 avail = 0, idle = 0, p, i;

	for (p = 0; p < f->arb.nr_ps; p++) {
		avail += arb_word_state(f->word[p]) == ARB_IDLE ||
			 arb_word_state(f->word[p]) == ARB_BLOCKED;
		if (p >= f->arb.nr_on)
			KUNIT_EXPECT_NE(test, arb_word_state(f->word[p]), ARB_IDLE);
		else
			KUNIT_EXPECT_NE(test, arb_word_state(f->word[p]), ARB_OFF);
		idle += arb_word_state(f->word[p]) == ARB_IDLE;
		if (arb_word_state(f->word[p]) == ARB_RUNNING)
			check_owner(test, f, p);
	}
	for (i = 0; i < NR_MS; i++)
		if (f->m[i].mode != ARB_OUT)
			KUNIT_EXPECT_EQ(test, f->m[i].p, KGO_NONE);
	KUNIT_EXPECT_EQ(test, f->r.nr_avail, avail);
	KUNIT_EXPECT_EQ(test, f->r.nr_spare, list_len(&f->arb.spare));
	KUNIT_EXPECT_EQ(test, f->r.nr_spare, count_mode(f, ARB_SPARE));
	KUNIT_EXPECT_EQ(test, f->r.nr_want, list_len(&f->arb.want));
	KUNIT_EXPECT_EQ(test, f->r.nr_want, count_mode(f, ARB_WANT));
	KUNIT_EXPECT_EQ(test, f->arb.nr_parked, f->r.nr_spare + f->r.nr_want);
	if (f->r.nr_want)
		KUNIT_EXPECT_EQ(test, idle, 0);
}

static u32 state_of(struct fix *f, u32 p)
{
	return arb_word_state(f->word[p]);
}

static bool block(struct fix *f, u32 m)
{
	f->asleep[m] = true;
	return arb_block(&f->arb, &f->m[m]);
}

static bool unblock(struct fix *f, u32 m)
{
	f->asleep[m] = false;
	return arb_unblock(&f->arb, &f->m[m]);
}

/* Let Ms 0 .. n-1 own Ps 0 .. n-1. */
static void own(struct kunit *test, struct fix *f, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++) {
		KUNIT_ASSERT_EQ(test, arb_acquire(&f->arb, &f->m[i]), 0);
		KUNIT_ASSERT_EQ(test, f->m[i].p, i);
	}
}

static int park(struct fix *f, u32 m, u32 op)
{
	return arb_park(&f->arb, &f->m[m], op, NULL);
}

static void init_refuses_what_a_word_cannot_say(struct kunit *test)
{
	struct fix *f = with_ps(test, NR_PS);

	check(test, f);
	KUNIT_EXPECT_EQ(test, f->r.nr_avail, NR_PS);
	KUNIT_EXPECT_EQ(test, arb_init(&f->arb, 0, &f->r, f->pdesc), -EINVAL);
	KUNIT_EXPECT_EQ(test, arb_init(&f->arb, 1U << 20, &f->r, f->pdesc), -EINVAL);
	f->arb.word = NULL;
	KUNIT_EXPECT_EQ(test, arb_init(&f->arb, 1, &f->r, f->pdesc), -EINVAL);
}

static void acquire_takes_each_p_once(struct kunit *test)
{
	struct fix *f = with_ps(test, NR_PS);

	own(test, f, NR_PS);
	check(test, f);
	KUNIT_EXPECT_EQ(test, arb_acquire(&f->arb, &f->m[0]), 0);
	KUNIT_EXPECT_EQ(test, f->m[0].p, 0);
	KUNIT_EXPECT_EQ(test, arb_acquire(&f->arb, &f->m[4]), -EAGAIN);
	KUNIT_EXPECT_EQ(test, f->m[4].p, KGO_NONE);
	check(test, f);
}

static void acquire_prefers_the_p_it_had(struct kunit *test)
{
	struct fix *f = with_ps(test, NR_PS);

	own(test, f, 3);
	KUNIT_EXPECT_EQ(test, arb_release(&f->arb, &f->m[2], NULL), 0);
	KUNIT_EXPECT_EQ(test, arb_release(&f->arb, &f->m[0], NULL), 0);
	KUNIT_EXPECT_EQ(test, arb_acquire(&f->arb, &f->m[2]), 0);
	KUNIT_EXPECT_EQ(test, f->m[2].p, 2);
	check(test, f);
}

static void acquire_takes_an_idle_p_before_a_blocked_one(struct kunit *test)
{
	struct fix *f = with_ps(test, 2);

	own(test, f, 1);
	block(f, 0);
	KUNIT_EXPECT_EQ(test, arb_acquire(&f->arb, &f->m[1]), 0);
	KUNIT_EXPECT_EQ(test, f->m[1].p, 1);
	KUNIT_EXPECT_EQ(test, f->arb.handoffs, 0);
	KUNIT_EXPECT_EQ(test, arb_acquire(&f->arb, &f->m[2]), 0);
	KUNIT_EXPECT_EQ(test, f->m[2].p, 0);
	KUNIT_EXPECT_EQ(test, f->arb.handoffs, 1);
	check(test, f);
	KUNIT_EXPECT_FALSE(test, unblock(f, 0));
	KUNIT_EXPECT_EQ(test, f->m[0].p, KGO_NONE);
	check(test, f);
}

static void acquire_does_not_overtake_a_waiter(struct kunit *test)
{
	struct fix *f = with_ps(test, 1);

	own(test, f, 1);
	KUNIT_EXPECT_EQ(test, park(f, 1, KGO_ENTER_PARK_WANT), 0);
	block(f, 0);
	KUNIT_EXPECT_EQ(test, arb_acquire(&f->arb, &f->m[2]), -EAGAIN);
	check(test, f);
}

static void release_without_p_is_refused(struct kunit *test)
{
	struct fix *f = with_ps(test, 1);

	KUNIT_EXPECT_EQ(test, arb_release(&f->arb, &f->m[0], NULL), -ENXIO);
	KUNIT_EXPECT_EQ(test, arb_park(&f->arb, &f->m[0], KGO_ENTER_PARK_SPARE, &f->m[1]),
			-ENXIO);
	KUNIT_EXPECT_EQ(test, f->m[0].mode, ARB_OUT);
	check(test, f);
}

static void unblock_takes_the_p_back(struct kunit *test)
{
	struct fix *f = with_ps(test, 1);
	u64 word;

	own(test, f, 1);
	word = f->word[0];
	KUNIT_EXPECT_FALSE(test, block(f, 0));
	KUNIT_EXPECT_EQ(test, state_of(f, 0), ARB_BLOCKED);
	KUNIT_EXPECT_EQ(test, arb_word_m(f->word[0]), 0);
	check(test, f);
	KUNIT_EXPECT_TRUE(test, unblock(f, 0));
	KUNIT_EXPECT_EQ(test, state_of(f, 0), ARB_RUNNING);
	KUNIT_EXPECT_EQ(test, (f->word[0] >> 32) - (word >> 32), 2);
	check(test, f);
}

static void unblock_takes_the_old_p_if_idle_by_now(struct kunit *test)
{
	struct fix *f = with_ps(test, 1);

	own(test, f, 1);
	block(f, 0);
	KUNIT_EXPECT_EQ(test, arb_acquire(&f->arb, &f->m[1]), 0);
	KUNIT_EXPECT_EQ(test, arb_release(&f->arb, &f->m[1], NULL), 0);
	check(test, f);
	KUNIT_EXPECT_TRUE(test, unblock(f, 0));
	KUNIT_EXPECT_EQ(test, f->m[0].p, 0);
	check(test, f);
}

static void block_without_a_p_does_nothing(struct kunit *test)
{
	struct fix *f = with_ps(test, 1);

	KUNIT_EXPECT_FALSE(test, block(f, 0));
	KUNIT_EXPECT_FALSE(test, unblock(f, 0));
	own(test, f, 1);
	/* Asleep twice: the second changes nothing. */
	block(f, 0);
	KUNIT_EXPECT_FALSE(test, block(f, 0));
	check(test, f);
	KUNIT_EXPECT_TRUE(test, unblock(f, 0));
	check(test, f);
}

static void block_asks_for_a_handoff_only_if_of_use(struct kunit *test)
{
	struct fix *f = with_ps(test, 1);

	own(test, f, 1);
	set_work(f, 0, true);
	KUNIT_EXPECT_FALSE(test, block(f, 0));		/* nobody to hand it to */
	unblock(f, 0);

	park(f, 1, KGO_ENTER_PARK_SPARE);
	KUNIT_EXPECT_TRUE(test, block(f, 0));
	unblock(f, 0);

	set_work(f, 0, false);
	KUNIT_EXPECT_FALSE(test, block(f, 0));		/* nothing to do */
	unblock(f, 0);

	pdesc(f, 0)->runnext = 7;
	KUNIT_EXPECT_TRUE(test, block(f, 0));
	unblock(f, 0);
	pdesc(f, 0)->runnext = KGO_NO_G;

	pdesc(f, 0)->timer_when = 1000;
	KUNIT_EXPECT_TRUE(test, block(f, 0));		/* nobody watches the timer */
	unblock(f, 0);
	f->r.keeper_when = 500;
	KUNIT_EXPECT_FALSE(test, block(f, 0));
	unblock(f, 0);
	f->r.keeper_when = 2000;
	KUNIT_EXPECT_TRUE(test, block(f, 0));
	unblock(f, 0);
	pdesc(f, 0)->timer_when = 0;

	f->r.gq_len = 1;
	KUNIT_EXPECT_TRUE(test, block(f, 0));
	unblock(f, 0);
	f->r.gq_len = 0;

	KUNIT_EXPECT_EQ(test, park(f, 2, KGO_ENTER_PARK_WANT), 0);
	KUNIT_EXPECT_TRUE(test, block(f, 0));		/* somebody wants one */
	unblock(f, 0);
	check(test, f);
}

static void handoff_serves_waiters_before_spares(struct kunit *test)
{
	struct fix *f = with_ps(test, 1);

	own(test, f, 1);
	park(f, 1, KGO_ENTER_PARK_SPARE);
	park(f, 2, KGO_ENTER_PARK_WANT);
	block(f, 0);
	KUNIT_EXPECT_TRUE(test, arb_handoff(&f->arb, &f->m[0]));
	KUNIT_EXPECT_EQ(test, f->nr_log, 1);
	KUNIT_EXPECT_EQ(test, f->log[0], 2);
	KUNIT_EXPECT_EQ(test, f->m[2].p, 0);
	KUNIT_EXPECT_TRUE(test, arb_granted(&f->arb, &f->m[2]));
	KUNIT_EXPECT_FALSE(test, arb_granted(&f->arb, &f->m[1]));
	KUNIT_EXPECT_EQ(test, f->arb.handoffs, 1);
	check(test, f);
	KUNIT_EXPECT_FALSE(test, unblock(f, 0));
	check(test, f);
}

static void handoff_takes_the_newest_spare(struct kunit *test)
{
	struct fix *f = with_ps(test, 1);
	u32 i;

	own(test, f, 1);
	for (i = 1; i <= 3; i++)
		park(f, i, KGO_ENTER_PARK_SPARE);
	block(f, 0);
	KUNIT_EXPECT_TRUE(test, arb_handoff(&f->arb, &f->m[0]));
	KUNIT_EXPECT_EQ(test, f->log[0], 3);
	check(test, f);
}

static void handoff_that_comes_late_takes_nothing(struct kunit *test)
{
	struct fix *f = with_ps(test, 1);

	own(test, f, 1);
	park(f, 1, KGO_ENTER_PARK_SPARE);
	set_work(f, 0, true);
	KUNIT_EXPECT_TRUE(test, block(f, 0));
	KUNIT_EXPECT_TRUE(test, unblock(f, 0));
	KUNIT_EXPECT_FALSE(test, arb_handoff(&f->arb, &f->m[0]));
	KUNIT_EXPECT_EQ(test, f->m[0].p, 0);
	KUNIT_EXPECT_EQ(test, f->nr_log, 0);
	check(test, f);
}

/* The word that the hand-off was planned for is gone, though the P sleeps again. */
static void handoff_never_takes_the_p_of_another_sleeper(struct kunit *test)
{
	struct fix *f = with_ps(test, 1);

	own(test, f, 1);
	park(f, 2, KGO_ENTER_PARK_SPARE);
	block(f, 0);
	KUNIT_EXPECT_EQ(test, arb_acquire(&f->arb, &f->m[1]), 0);
	block(f, 1);
	KUNIT_EXPECT_EQ(test, state_of(f, 0), ARB_BLOCKED);
	KUNIT_EXPECT_FALSE(test, arb_handoff(&f->arb, &f->m[0]));
	KUNIT_EXPECT_EQ(test, arb_word_m(f->word[0]), 1);
	KUNIT_EXPECT_TRUE(test, unblock(f, 1));
	KUNIT_EXPECT_FALSE(test, unblock(f, 0));
	check(test, f);
}

static void handoff_without_anybody_parked_does_nothing(struct kunit *test)
{
	struct fix *f = with_ps(test, 1);

	own(test, f, 1);
	block(f, 0);
	KUNIT_EXPECT_FALSE(test, arb_handoff(&f->arb, &f->m[0]));
	KUNIT_EXPECT_TRUE(test, unblock(f, 0));
	check(test, f);
}

static void waiters_are_served_in_order(struct kunit *test)
{
	struct fix *f = with_ps(test, 1);
	u32 i;

	own(test, f, 1);
	for (i = 1; i <= 4; i++)
		KUNIT_EXPECT_EQ(test, park(f, i, KGO_ENTER_PARK_WANT), 0);
	check(test, f);
	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_EQ(test, arb_release(&f->arb, &f->m[i], NULL), 0);
		KUNIT_EXPECT_EQ(test, f->nr_log, i + 1);
		KUNIT_EXPECT_EQ(test, f->log[i], i + 1);
		check(test, f);
	}
}

static void want_takes_what_is_available_at_once(struct kunit *test)
{
	struct fix *f = with_ps(test, 1);

	KUNIT_EXPECT_EQ(test, park(f, 0, KGO_ENTER_PARK_WANT), 1);
	KUNIT_EXPECT_EQ(test, f->m[0].p, 0);
	KUNIT_EXPECT_EQ(test, park(f, 0, KGO_ENTER_PARK_WANT), 1);	/* keeps it */
	check(test, f);
	block(f, 0);
	KUNIT_EXPECT_EQ(test, park(f, 1, KGO_ENTER_PARK_WANT), 1);
	KUNIT_EXPECT_EQ(test, f->m[1].p, 0);
	KUNIT_EXPECT_EQ(test, f->arb.handoffs, 1);
	unblock(f, 0);
	check(test, f);
}

static void spare_gives_its_p_up(struct kunit *test)
{
	struct fix *f = with_ps(test, 1);

	own(test, f, 1);
	KUNIT_EXPECT_EQ(test, park(f, 0, KGO_ENTER_PARK_SPARE), 0);
	KUNIT_EXPECT_EQ(test, state_of(f, 0), ARB_IDLE);
	KUNIT_EXPECT_EQ(test, f->m[0].p, KGO_NONE);
	check(test, f);
}

static void spare_comes_back_if_there_is_work(struct kunit *test)
{
	struct fix *f = with_ps(test, 2);

	own(test, f, 1);
	set_work(f, 1, true);
	KUNIT_EXPECT_EQ(test, park(f, 0, KGO_ENTER_PARK_SPARE), 1);
	KUNIT_EXPECT_EQ(test, f->m[0].p, 1);	/* the P that has the work */
	check(test, f);
	f->r.nr_spinning = 1;			/* somebody is looking already */
	KUNIT_EXPECT_EQ(test, park(f, 0, KGO_ENTER_PARK_SPARE), 0);
	check(test, f);
}

static void put_gives_to_a_spare_only_with_work(struct kunit *test)
{
	struct fix *f = with_ps(test, 1);

	own(test, f, 1);
	park(f, 1, KGO_ENTER_PARK_SPARE);
	KUNIT_EXPECT_EQ(test, arb_release(&f->arb, &f->m[0], NULL), 0);
	KUNIT_EXPECT_EQ(test, f->nr_log, 0);
	KUNIT_EXPECT_EQ(test, arb_acquire(&f->arb, &f->m[0]), 0);
	set_work(f, 0, true);
	KUNIT_EXPECT_EQ(test, arb_release(&f->arb, &f->m[0], NULL), 0);
	KUNIT_EXPECT_EQ(test, f->nr_log, 1);
	KUNIT_EXPECT_EQ(test, f->m[1].p, 0);
	KUNIT_EXPECT_EQ(test, f->m[1].result, 0);
	check(test, f);
}

static void give_reaches_one_that_is_parked(struct kunit *test)
{
	static const u32 ops[] = {
		KGO_ENTER_PARK_BOUND, KGO_ENTER_PARK_WANT, KGO_ENTER_PARK_SPARE,
	};
	struct fix *f;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		f = with_ps(test, 1);
		own(test, f, 1);
		KUNIT_EXPECT_EQ(test, park(f, 1, ops[i]), 0);
		KUNIT_EXPECT_EQ(test, arb_release(&f->arb, &f->m[0], &f->m[1]), 0);
		KUNIT_EXPECT_EQ(test, f->m[1].p, 0);
		KUNIT_EXPECT_EQ(test, f->m[1].given, KGO_NONE);
		KUNIT_EXPECT_TRUE(test, arb_granted(&f->arb, &f->m[1]));
		KUNIT_EXPECT_EQ(test, f->nr_log, 1);
		check(test, f);
	}
}

static void give_before_the_park_is_not_lost(struct kunit *test)
{
	static const u32 ops[] = {
		KGO_ENTER_PARK_BOUND, KGO_ENTER_PARK_WANT, KGO_ENTER_PARK_SPARE,
	};
	struct fix *f;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		f = with_ps(test, 1);
		own(test, f, 1);
		KUNIT_EXPECT_EQ(test, arb_park(&f->arb, &f->m[0], KGO_ENTER_PARK_SPARE,
					       &f->m[1]), 0);
		KUNIT_EXPECT_EQ(test, f->m[1].given, 0);
		KUNIT_EXPECT_EQ(test, f->m[1].p, KGO_NONE);
		KUNIT_EXPECT_EQ(test, f->nr_log, 0);
		check(test, f);
		KUNIT_EXPECT_EQ(test, park(f, 1, ops[i]), 1);
		KUNIT_EXPECT_EQ(test, f->m[1].p, 0);
		KUNIT_EXPECT_EQ(test, f->m[1].given, KGO_NONE);
		check(test, f);
	}
}

static void acquire_takes_what_was_given(struct kunit *test)
{
	struct fix *f = with_ps(test, 2);

	own(test, f, 2);
	KUNIT_EXPECT_EQ(test, arb_release(&f->arb, &f->m[1], &f->m[2]), 0);
	KUNIT_EXPECT_EQ(test, arb_acquire(&f->arb, &f->m[2]), 0);
	KUNIT_EXPECT_EQ(test, f->m[2].p, 1);
	check(test, f);
}

static void give_twice_is_refused(struct kunit *test)
{
	struct fix *f = with_ps(test, 2);

	own(test, f, 2);
	KUNIT_EXPECT_EQ(test, arb_release(&f->arb, &f->m[0], &f->m[2]), 0);
	KUNIT_EXPECT_EQ(test, arb_release(&f->arb, &f->m[1], &f->m[2]), -EBUSY);
	KUNIT_EXPECT_EQ(test, arb_park(&f->arb, &f->m[1], KGO_ENTER_PARK_BOUND, &f->m[2]), -EBUSY);
	KUNIT_EXPECT_EQ(test, f->m[1].p, 1);
	KUNIT_EXPECT_EQ(test, f->m[1].mode, ARB_OUT);
	check(test, f);
}

static void given_p_replaces_the_one_owned(struct kunit *test)
{
	struct fix *f = with_ps(test, 2);

	own(test, f, 2);
	KUNIT_EXPECT_EQ(test, arb_release(&f->arb, &f->m[0], &f->m[1]), 0);
	KUNIT_EXPECT_EQ(test, park(f, 2, KGO_ENTER_PARK_WANT), 0);
	KUNIT_EXPECT_EQ(test, park(f, 1, KGO_ENTER_PARK_BOUND), 1);
	KUNIT_EXPECT_EQ(test, f->m[1].p, 0);
	KUNIT_EXPECT_EQ(test, f->m[2].p, 1);	/* what it had went on */
	check(test, f);
}

static void wake_says_whom_it_found(struct kunit *test)
{
	struct fix *f = with_ps(test, 2);

	KUNIT_EXPECT_EQ(test, arb_wake(&f->arb), -ESRCH);
	own(test, f, 2);
	park(f, 2, KGO_ENTER_PARK_SPARE);
	KUNIT_EXPECT_EQ(test, arb_wake(&f->arb), -EAGAIN);
	check(test, f);

	/* An M that wants one gets it, and has no spinning role. */
	KUNIT_EXPECT_EQ(test, park(f, 3, KGO_ENTER_PARK_WANT), 0);
	block(f, 0);
	KUNIT_EXPECT_EQ(test, arb_wake(&f->arb), 0);
	KUNIT_EXPECT_EQ(test, f->log[0], 3);
	KUNIT_EXPECT_EQ(test, f->m[3].result, 0);

	block(f, 1);
	KUNIT_EXPECT_EQ(test, arb_wake(&f->arb), KGO_ENTER_R_WAKE);
	KUNIT_EXPECT_EQ(test, f->log[1], 2);
	KUNIT_EXPECT_EQ(test, f->m[2].result, KGO_ENTER_R_WAKE);
	unblock(f, 0);
	unblock(f, 1);
	check(test, f);
}

static void wake_prefers_the_p_with_work(struct kunit *test)
{
	struct fix *f = with_ps(test, NR_PS);

	f->r.nr_spinning = 1;
	park(f, 0, KGO_ENTER_PARK_SPARE);
	set_work(f, 2, true);
	KUNIT_EXPECT_EQ(test, arb_wake(&f->arb), KGO_ENTER_R_WAKE);
	KUNIT_EXPECT_EQ(test, f->m[0].p, 2);
	check(test, f);
}

static void unpark_keeps_a_grant_of_the_last_moment(struct kunit *test)
{
	struct fix *f = with_ps(test, 1);

	own(test, f, 1);
	park(f, 1, KGO_ENTER_PARK_WANT);
	arb_unpark(&f->arb, &f->m[1]);
	KUNIT_EXPECT_EQ(test, f->m[1].p, KGO_NONE);
	check(test, f);
	park(f, 1, KGO_ENTER_PARK_WANT);
	arb_release(&f->arb, &f->m[0], NULL);
	arb_unpark(&f->arb, &f->m[1]);
	KUNIT_EXPECT_EQ(test, f->m[1].p, 0);
	check(test, f);
}

/* Another M may be given the index then. */
static void leave(struct fix *f, u32 m)
{
	arb_leave(&f->arb, &f->m[m]);
	f->asleep[m] = false;
	join(f, m);
}

static void nothing_is_given_to_one_that_left(struct kunit *test)
{
	struct fix *f = with_ps(test, 1);

	own(test, f, 1);
	arb_leave(&f->arb, &f->m[1]);
	KUNIT_EXPECT_EQ(test, f->m[1].mode, ARB_GONE);
	KUNIT_EXPECT_EQ(test, arb_release(&f->arb, &f->m[0], &f->m[1]), -ESRCH);
	KUNIT_EXPECT_EQ(test, arb_park(&f->arb, &f->m[0], KGO_ENTER_PARK_SPARE, &f->m[1]),
			-ESRCH);
	KUNIT_EXPECT_EQ(test, f->m[0].p, 0);
	KUNIT_EXPECT_EQ(test, f->m[1].given, KGO_NONE);
	check(test, f);
}

static void leave_works_in_every_position(struct kunit *test)
{
	static const u32 ops[] = {
		KGO_ENTER_PARK_BOUND, KGO_ENTER_PARK_WANT, KGO_ENTER_PARK_SPARE,
	};
	struct fix *f = with_ps(test, 1);
	u32 i;

	leave(f, 0);					/* never did anything */
	check(test, f);

	own(test, f, 1);
	leave(f, 0);					/* owning a P */
	KUNIT_EXPECT_EQ(test, state_of(f, 0), ARB_IDLE);
	check(test, f);

	own(test, f, 1);
	block(f, 0);
	leave(f, 0);					/* asleep with a P */
	KUNIT_EXPECT_EQ(test, state_of(f, 0), ARB_IDLE);
	check(test, f);

	own(test, f, 1);
	block(f, 0);
	KUNIT_EXPECT_EQ(test, arb_acquire(&f->arb, &f->m[1]), 0);
	leave(f, 0);					/* asleep, the P taken */
	KUNIT_EXPECT_EQ(test, f->m[1].p, 0);
	check(test, f);

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		KUNIT_EXPECT_EQ(test, park(f, 2, ops[i]), 0);
		leave(f, 2);				/* parked */
		check(test, f);
	}

	KUNIT_EXPECT_EQ(test, park(f, 3, KGO_ENTER_PARK_WANT), 0);
	KUNIT_EXPECT_EQ(test, arb_release(&f->arb, &f->m[1], &f->m[2]), 0);
	leave(f, 2);					/* with a P given to it */
	KUNIT_EXPECT_EQ(test, f->m[3].p, 0);
	check(test, f);
	leave(f, 3);
	check(test, f);
	arb_destroy(&f->arb);
}

static void what_is_not_in_use_is_turned_off_when_let_go_of(struct kunit *test)
{
	struct fix *f = with_ps(test, NR_PS);

	own(test, f, 3);
	block(f, 1);
	arb_use(&f->arb, 1);		/* running, running, blocked, idle */
	KUNIT_EXPECT_EQ(test, state_of(f, 0), ARB_RUNNING);
	KUNIT_EXPECT_EQ(test, state_of(f, 1), ARB_OFF);
	KUNIT_EXPECT_EQ(test, state_of(f, 2), ARB_RUNNING);
	KUNIT_EXPECT_EQ(test, state_of(f, 3), ARB_OFF);
	KUNIT_EXPECT_FALSE(test, unblock(f, 1));
	check(test, f);

	/* One that goes to sleep with it turns it off by its hand-off. */
	KUNIT_EXPECT_TRUE(test, block(f, 2));
	KUNIT_EXPECT_FALSE(test, arb_handoff(&f->arb, &f->m[2]));
	KUNIT_EXPECT_EQ(test, state_of(f, 2), ARB_OFF);
	KUNIT_EXPECT_FALSE(test, unblock(f, 2));
	check(test, f);

	/* Nobody gets it, though somebody wants one and there is work. */
	set_work(f, 0, true);
	set_work(f, 2, true);
	KUNIT_EXPECT_EQ(test, park(f, 1, KGO_ENTER_PARK_WANT), 0);
	KUNIT_EXPECT_EQ(test, park(f, 2, KGO_ENTER_PARK_SPARE), 0);
	KUNIT_EXPECT_EQ(test, arb_wake(&f->arb), -EAGAIN);
	arb_use(&f->arb, 0);
	KUNIT_EXPECT_EQ(test, arb_release(&f->arb, &f->m[0], NULL), 0);
	KUNIT_EXPECT_EQ(test, state_of(f, 0), ARB_OFF);
	check(test, f);
	KUNIT_EXPECT_EQ(test, f->nr_log, 0);
}

static void what_is_in_use_again_goes_to_who_waits(struct kunit *test)
{
	struct fix *f = with_ps(test, NR_PS);

	arb_use(&f->arb, 0);
	KUNIT_EXPECT_EQ(test, f->r.nr_avail, 0);
	KUNIT_EXPECT_EQ(test, park(f, 1, KGO_ENTER_PARK_SPARE), 0);
	KUNIT_EXPECT_EQ(test, park(f, 2, KGO_ENTER_PARK_WANT), 0);
	KUNIT_EXPECT_EQ(test, park(f, 3, KGO_ENTER_PARK_SPARE), 0);
	set_work(f, 3, true);
	arb_use(&f->arb, 2);
	/* One that wants a P, then a spare, as there is work somewhere. */
	KUNIT_EXPECT_EQ(test, f->nr_log, 2);
	KUNIT_EXPECT_EQ(test, f->log[0], 2);
	KUNIT_EXPECT_EQ(test, f->log[1], 3);
	check(test, f);
	set_work(f, 3, false);
	arb_use(&f->arb, NR_PS);
	KUNIT_EXPECT_EQ(test, f->nr_log, 2);
	KUNIT_EXPECT_EQ(test, f->r.nr_avail, 2);
	check(test, f);
}

/* A P that its owner gives to another is let go of by that one. */
static void what_is_given_on_is_turned_off_later(struct kunit *test)
{
	struct fix *f = with_ps(test, 2);

	own(test, f, 2);
	arb_use(&f->arb, 1);
	KUNIT_EXPECT_EQ(test, arb_park(&f->arb, &f->m[1], KGO_ENTER_PARK_BOUND,
				       &f->m[2]), 0);
	check(test, f);
	KUNIT_EXPECT_EQ(test, park(f, 2, KGO_ENTER_PARK_BOUND), 1);
	KUNIT_EXPECT_EQ(test, f->m[2].p, 1);
	KUNIT_EXPECT_EQ(test, park(f, 2, KGO_ENTER_PARK_BOUND), 0);
	KUNIT_EXPECT_EQ(test, state_of(f, 1), ARB_OFF);
	check(test, f);
}

/* One random step of one random M, from the state that it is in. */
static void random_step(struct kunit *test, struct fix *f, struct rnd_state *rnd)
{
	u32 i = prandom_u32_state(rnd) % NR_MS;
	u32 j = prandom_u32_state(rnd) % NR_MS;
	struct arb_m *am = &f->m[i];
	struct arb_m *target = i != j && prandom_u32_state(rnd) % 4 == 0 ? &f->m[j] : NULL;
	int ret;

	if (f->asleep[i]) {
		/* The hand-off comes before, after or instead of the wake-up. */
		if (prandom_u32_state(rnd) % 2)
			arb_handoff(&f->arb, am);
		else
			KUNIT_EXPECT_EQ(test, unblock(f, i), am->p != KGO_NONE);
		return;
	}
	if (am->mode != ARB_OUT) {
		if (prandom_u32_state(rnd) % 8 == 0)
			arb_unpark(&f->arb, am);
		return;
	}
	switch (prandom_u32_state(rnd) % 10) {
	case 0:
		ret = arb_acquire(&f->arb, am);
		KUNIT_EXPECT_EQ(test, ret, am->p == KGO_NONE ? -EAGAIN : 0);
		break;
	case 1:
		arb_release(&f->arb, am, target);
		break;
	case 2:
	case 3:
		if (am->p != KGO_NONE && block(f, i) && prandom_u32_state(rnd) % 2)
			arb_handoff(&f->arb, am);
		break;
	case 4:
		ret = arb_park(&f->arb, am, KGO_ENTER_PARK_WANT, target);
		if (ret >= 0)
			KUNIT_EXPECT_EQ(test, ret, am->p != KGO_NONE);
		break;
	case 5:
		ret = arb_park(&f->arb, am, KGO_ENTER_PARK_SPARE, target);
		if (ret >= 0)
			KUNIT_EXPECT_EQ(test, ret, am->p != KGO_NONE);
		break;
	case 6:
		ret = arb_park(&f->arb, am, KGO_ENTER_PARK_BOUND, target);
		if (ret >= 0)
			KUNIT_EXPECT_EQ(test, ret, am->p != KGO_NONE);
		break;
	case 7:
		ret = arb_wake(&f->arb);
		KUNIT_EXPECT_LE(test, ret, (int)KGO_ENTER_R_WAKE);
		break;
	case 8:
		leave(f, i);
		break;
	case 9:
		arb_use(&f->arb, prandom_u32_state(rnd) % (f->arb.nr_ps + 1));
		break;
	}
	set_work(f, prandom_u32_state(rnd) % NR_PS, prandom_u32_state(rnd) % 2);
	f->r.nr_spinning = prandom_u32_state(rnd) % 3 == 0;
}

static void random_steps_keep_one_owner(struct kunit *test)
{
	struct rnd_state rnd;
	struct fix *f;
	u32 seed, step, i;

	for (seed = 1; seed <= 20; seed++) {
		f = with_ps(test, 1 + seed % NR_PS);
		prandom_seed_state(&rnd, seed);
		for (step = 0; step < 2000; step++) {
			random_step(test, f, &rnd);
			check(test, f);
			if (test->status != KUNIT_SUCCESS)
				KUNIT_FAIL(test, "seed %u step %u\n", seed, step);
			KUNIT_ASSERT_EQ(test, (int)test->status, (int)KUNIT_SUCCESS);
		}
		for (i = 0; i < NR_MS; i++)
			leave(f, i);
		check(test, f);
		KUNIT_EXPECT_EQ(test, f->r.nr_avail, f->arb.nr_on);
		arb_use(&f->arb, f->arb.nr_ps);
		KUNIT_EXPECT_EQ(test, f->r.nr_avail, f->arb.nr_ps);
		arb_destroy(&f->arb);
	}
}

static struct kunit_case arb_cases[] = {
	KUNIT_CASE(init_refuses_what_a_word_cannot_say),
	KUNIT_CASE(acquire_takes_each_p_once),
	KUNIT_CASE(acquire_prefers_the_p_it_had),
	KUNIT_CASE(acquire_takes_an_idle_p_before_a_blocked_one),
	KUNIT_CASE(acquire_does_not_overtake_a_waiter),
	KUNIT_CASE(release_without_p_is_refused),
	KUNIT_CASE(unblock_takes_the_p_back),
	KUNIT_CASE(unblock_takes_the_old_p_if_idle_by_now),
	KUNIT_CASE(block_without_a_p_does_nothing),
	KUNIT_CASE(block_asks_for_a_handoff_only_if_of_use),
	KUNIT_CASE(handoff_serves_waiters_before_spares),
	KUNIT_CASE(handoff_takes_the_newest_spare),
	KUNIT_CASE(handoff_that_comes_late_takes_nothing),
	KUNIT_CASE(handoff_never_takes_the_p_of_another_sleeper),
	KUNIT_CASE(handoff_without_anybody_parked_does_nothing),
	KUNIT_CASE(waiters_are_served_in_order),
	KUNIT_CASE(want_takes_what_is_available_at_once),
	KUNIT_CASE(spare_gives_its_p_up),
	KUNIT_CASE(spare_comes_back_if_there_is_work),
	KUNIT_CASE(put_gives_to_a_spare_only_with_work),
	KUNIT_CASE(give_reaches_one_that_is_parked),
	KUNIT_CASE(give_before_the_park_is_not_lost),
	KUNIT_CASE(acquire_takes_what_was_given),
	KUNIT_CASE(give_twice_is_refused),
	KUNIT_CASE(given_p_replaces_the_one_owned),
	KUNIT_CASE(wake_says_whom_it_found),
	KUNIT_CASE(wake_prefers_the_p_with_work),
	KUNIT_CASE(unpark_keeps_a_grant_of_the_last_moment),
	KUNIT_CASE(nothing_is_given_to_one_that_left),
	KUNIT_CASE(leave_works_in_every_position),
	KUNIT_CASE(what_is_not_in_use_is_turned_off_when_let_go_of),
	KUNIT_CASE(what_is_in_use_again_goes_to_who_waits),
	KUNIT_CASE(what_is_given_on_is_turned_off_later),
	KUNIT_CASE(random_steps_keep_one_owner),
	{}
};

static struct kunit_suite arb_suite = {
	.name = "kgo_arb",
	.test_cases = arb_cases,
};

kunit_test_suite(arb_suite);
