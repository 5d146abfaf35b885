// SPDX-License-Identifier: GPL-2.0
/*
 * Names of states and wait reasons.
 */
#include <kunit/test.h>
#include <linux/string.h>

#include "../core/names.h"

static void every_state_has_a_name_of_its_own(struct kunit *test)
{
	u32 i, j;

	for (i = 0; i < KGO_G_NR_STATES; i++) {
		KUNIT_ASSERT_NOT_NULL(test, kgo_state_name(i));
		KUNIT_EXPECT_GT(test, strlen(kgo_state_name(i)), 0);
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_STRNEQ(test, kgo_state_name(i), kgo_state_name(j));
	}
}

static void every_reason_has_a_name_of_its_own(struct kunit *test)
{
	u32 i, j;

	for (i = 0; i < KGO_WAIT_NR_REASONS; i++) {
		KUNIT_ASSERT_NOT_NULL(test, kgo_reason_name(i));
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_STRNEQ(test, kgo_reason_name(i), kgo_reason_name(j));
	}
	/* As in Go, to the letter. */
	KUNIT_EXPECT_STREQ(test, kgo_reason_name(KGO_WAIT_CHAN_RECEIVE), "chan receive");
	KUNIT_EXPECT_STREQ(test, kgo_reason_name(KGO_WAIT_WAITGROUP), "sync.WaitGroup.Wait");
}

static void unknown_numbers_have_no_name(struct kunit *test)
{
	KUNIT_EXPECT_NULL(test, kgo_state_name(KGO_G_NR_STATES));
	KUNIT_EXPECT_NULL(test, kgo_state_name(KGO_G_SCAN | KGO_G_WAITING));
	KUNIT_EXPECT_NULL(test, kgo_state_name(~0U));
	KUNIT_EXPECT_NULL(test, kgo_reason_name(KGO_WAIT_NR_REASONS));
	KUNIT_EXPECT_NULL(test, kgo_reason_name(~0U));
}

static struct kunit_case names_cases[] = {
	KUNIT_CASE(every_state_has_a_name_of_its_own),
	KUNIT_CASE(every_reason_has_a_name_of_its_own),
	KUNIT_CASE(unknown_numbers_have_no_name),
	{}
};

static struct kunit_suite names_suite = {
	.name = "kgo_names",
	.test_cases = names_cases,
};

kunit_test_suite(names_suite);
