// SPDX-License-Identifier: GPL-2.0
/*
 * The arbiter alone: how Ms park and leave, and who is granted a P.
 */
#include "arb_rig.h"

static const u32 parks[] = {
	KGO_ENTER_PARK_BOUND, KGO_ENTER_PARK_WANT, KGO_ENTER_PARK_SPARE,
};

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
	struct fix *f;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(parks); i++) {
		f = with_ps(test, 1);
		own(test, f, 1);
		KUNIT_EXPECT_EQ(test, park(f, 1, parks[i]), 0);
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
	struct fix *f;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(parks); i++) {
		f = with_ps(test, 1);
		own(test, f, 1);
		KUNIT_EXPECT_EQ(test, arb_park(&f->arb, &f->m[0], KGO_ENTER_PARK_SPARE,
					       &f->m[1]), 0);
		KUNIT_EXPECT_EQ(test, f->m[1].given, 0);
		KUNIT_EXPECT_EQ(test, f->m[1].p, KGO_NONE);
		KUNIT_EXPECT_EQ(test, f->nr_log, 0);
		check(test, f);
		KUNIT_EXPECT_EQ(test, park(f, 1, parks[i]), 1);
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

	for (i = 0; i < ARRAY_SIZE(parks); i++) {
		KUNIT_EXPECT_EQ(test, park(f, 2, parks[i]), 0);
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

static struct kunit_case arb_park_cases[] = {
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
	{}
};

static struct kunit_suite arb_park_suite = {
	.name = "kgo_arb_park",
	.test_cases = arb_park_cases,
};

kunit_test_suite(arb_park_suite);
