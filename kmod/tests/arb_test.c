// SPDX-License-Identifier: GPL-2.0
/*
 * The arbiter alone: who owns a P, while Ms block and come back, and when not
 * all Ps are in use.
 */
#include <linux/prandom.h>

#include "arb_rig.h"

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

/* That one may go on at any moment; one that is idle can be relied on. */
static void block_does_not_rely_on_another_that_is_blocked(struct kunit *test)
{
	struct fix *f = with_ps(test, 4);

	own(test, f, 3);
	park(f, 4, KGO_ENTER_PARK_SPARE);
	KUNIT_EXPECT_FALSE(test, block(f, 0));
	set_work(f, 2, true);
	KUNIT_EXPECT_EQ(test, state_of(f, 3), ARB_IDLE);
	KUNIT_EXPECT_FALSE(test, block(f, 1));		/* 3 is idle */
	unblock(f, 1);

	KUNIT_EXPECT_EQ(test, arb_acquire(&f->arb, &f->m[3]), 0);
	KUNIT_EXPECT_EQ(test, state_of(f, 0), ARB_BLOCKED);
	KUNIT_EXPECT_TRUE(test, block(f, 1));
	KUNIT_EXPECT_TRUE(test, arb_handoff(&f->arb, &f->m[1]));
	KUNIT_EXPECT_EQ(test, f->m[4].p, 1);
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
	KUNIT_CASE(block_does_not_rely_on_another_that_is_blocked),
	KUNIT_CASE(handoff_serves_waiters_before_spares),
	KUNIT_CASE(handoff_takes_the_newest_spare),
	KUNIT_CASE(handoff_that_comes_late_takes_nothing),
	KUNIT_CASE(handoff_never_takes_the_p_of_another_sleeper),
	KUNIT_CASE(handoff_without_anybody_parked_does_nothing),
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
