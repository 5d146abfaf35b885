// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting for goroutines to end, counting them, and whose they are.
 */
#include "test.h"

static void receive(void *arg)
{
	kgo_chan_recv(arg, NULL);
}

static void nothing(void *arg)
{
}

KGO_TEST(quiesce_waits_until_they_have_ended)
{
	u64 before = kgo_num_goroutine();
	u32 round, i;

	for (round = 0; round < 5; round++) {
		for (i = 0; i < 20; i++)
			KUNIT_EXPECT_EQ(test, kgo_go(nothing, NULL), 0);
		KUNIT_EXPECT_EQ(test, kgo_quiesce(before, -1), 0);
		KUNIT_EXPECT_LE(test, kgo_num_goroutine(), before);
	}
}

KGO_TEST(quiesce_times_out)
{
	struct kgo_chan *c = kgo_chan_make(0, 0);
	u64 before = kgo_num_goroutine();

	KUNIT_EXPECT_EQ(test, kgo_go(receive, c), 0);
	KUNIT_EXPECT_EQ(test, kgo_quiesce(before, 0), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, kgo_quiesce(before, NSEC_PER_MSEC), -ETIMEDOUT);
	kgo_chan_close(c);
	KUNIT_EXPECT_EQ(test, kgo_quiesce(before, -1), 0);
	KUNIT_EXPECT_EQ(test, kgo_chan_free(c), 0);
}

KGO_TEST(system_goroutines_are_counted_apart)
{
	struct kgo_chan *c = kgo_chan_make(0, 0);
	u64 before = kgo_num_goroutine(), all = kgo_num_goroutine_all();

	KUNIT_EXPECT_EQ(test, kgo_go_system(NULL, NULL, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, kgo_go_system(NULL, receive, c), 0);
	KUNIT_EXPECT_EQ(test, kgo_num_goroutine(), before);
	KUNIT_EXPECT_EQ(test, kgo_num_goroutine_all(), all + 1);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(1, KGO_WAIT_CHAN_RECEIVE));
	kgo_chan_close(c);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	while (kgo_num_goroutine_all() > all)
		KUNIT_EXPECT_EQ(test, kgo_sleep(NSEC_PER_MSEC), 0);
	KUNIT_EXPECT_EQ(test, kgo_num_goroutine(), before);
	KUNIT_EXPECT_EQ(test, kgo_chan_free(c), 0);
}

struct seen {
	struct kgo_group *group;
	bool mine;
	struct kgo_wg wg;
};

static void look(void *arg)
{
	struct seen *s = arg;

	s->mine = kgo_group_has(s->group, port_self()->curg);
	kgo_wg_done(&s->wg);
}

static void start_looker(void *arg)
{
	kgo_go(look, arg);
}

KGO_TEST(a_group_is_inherited_over_generations)
{
	struct seen s = { 0 };
	u64 before = kgo_num_goroutine();

	s.group = kgo_group_enter();
	KUNIT_EXPECT_NOT_NULL(test, s.group);
	KUNIT_EXPECT_TRUE(test, kgo_group_has(s.group, port_self()->curg));
	kgo_wg_add(&s.wg, 1);
	KUNIT_EXPECT_EQ(test, kgo_go(start_looker, &s), 0);
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_TRUE(test, s.mine);
	KUNIT_EXPECT_EQ(test, kgo_group_leave(NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, kgo_group_leave(s.group), 0);
	KUNIT_EXPECT_EQ(test, kgo_quiesce(before, -1), 0);
}

KGO_TEST(who_left_a_group_passes_it_on_no_more)
{
	struct seen s = { 0 };
	struct kgo_group *inner;

	s.group = kgo_group_enter();
	inner = kgo_group_enter();
	KUNIT_EXPECT_EQ(test, kgo_group_leave(s.group), -EINVAL);
	KUNIT_EXPECT_TRUE(test, kgo_group_has(s.group, port_self()->curg));
	KUNIT_EXPECT_EQ(test, kgo_group_leave(inner), 0);
	KUNIT_EXPECT_TRUE(test, kgo_group_has(s.group, port_self()->curg));
	KUNIT_EXPECT_EQ(test, kgo_group_leave(s.group), 0);
	s.group = NULL;
	KUNIT_EXPECT_NULL(test, port_self()->curg->x->group);
}

static struct kunit_case quiesce_cases[] = {
	KUNIT_CASE(quiesce_waits_until_they_have_ended),
	KUNIT_CASE(quiesce_times_out),
	KUNIT_CASE(system_goroutines_are_counted_apart),
	KUNIT_CASE(a_group_is_inherited_over_generations),
	KUNIT_CASE(who_left_a_group_passes_it_on_no_more),
	{}
};

static struct kunit_suite quiesce_suite = {
	.name = "kgo_quiesce",
	.test_cases = quiesce_cases,
};

kunit_test_suite(quiesce_suite);
