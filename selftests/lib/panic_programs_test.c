// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Programs of deferred calls and panics whose course is known, after those of
 * Go's defer_test.go and crash_test.go.  A scope is what a function is there.
 *
 * Each writes down what happens: a word as it is, a recovered value in
 * parentheses, (-) where there was nothing to recover.
 */
#include "lib_test.h"

static char course[128];

static void says(void *word)
{
	strncat(course, word, sizeof(course) - 1 - strlen(course));
}

static void recovers(void *arg UNUSED)
{
	char *v = kgo_recover();

	says("(");
	says(v ? v : "-");
	says(")");
}

static void panics(void *word)
{
	kgo_panic(word);
}

static void recovers_and_panics(void *word)
{
	recovers(NULL);
	kgo_panic(word);
}

/* TestConditionalDefers */
static __attribute__((noinline)) void defers_some(int n)
{
	KGO_SCOPE {
		kgo_defer(says, "1");
		if (n > 5) {
			kgo_defer(says, "2");
			if (n > 8)
				kgo_defer(says, "3");
			else
				kgo_defer(says, "4");
		}
		kgo_panic("p");
	}
}

GO_TEST(only_what_was_deferred_runs)
{
	static const struct {
		int n;
		const char *course;
	} way[] = { { 1, "1(p)" }, { 8, "421(p)" }, { 9, "321(p)" } };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(way); i++) {
		course[0] = 0;
		KGO_SCOPE {
			kgo_defer(recovers, NULL);
			defers_some(way[i].n);
		}
		EXPECT_STREQ(way[i].course, course);
	}
}

/* TestOpenAndNonOpenDefers: as many calls as a scope holds itself, and more. */
static __attribute__((noinline)) void defer_says(int n)
{
	while (n--)
		kgo_defer(says, "x");
}

static __attribute__((noinline)) void defers_many(int n)
{
	KGO_SCOPE {
		kgo_defer(recovers, NULL);
		defer_says(n);
		kgo_panic("p");
	}
}

GO_TEST(few_deferred_calls_and_many_of_them_end_alike)
{
	defers_many(0);
	says(" ");
	defers_many(3);
	says(" ");
	defers_many(4);
	says(" ");
	defers_many(20);
	EXPECT_STREQ("(p) xxx(p) xxxx(p) xxxxxxxxxxxxxxxxxxxx(p)", course);
}

/* TestAbortedPanic */
GO_TEST(who_recovers_the_second_has_ended_the_first)
{
	KGO_SCOPE {
		kgo_defer(recovers, NULL);
		kgo_defer(recovers, NULL);
		kgo_defer(panics, "second");
		kgo_panic("first");
	}
	EXPECT_STREQ("(second)(-)", course);
}

/*
 * TestDeferWithRepeatedRepanics: on its way to the level that it is meant for
 * each level recovers it and panics anew.  Then the same stack is used in
 * another way, so that a deferred call that was left behind would be seen.
 */
struct level {
	intptr_t level, *caught;
};

static void recovers_if_meant(void *arg)
{
	struct level *l = arg;
	void *v = kgo_recover();

	if (!v)
		return;
	if ((intptr_t)v != l->level)
		kgo_panic_value(v);
	*l->caught = l->level;
}

static void interpret(intptr_t level, intptr_t last, intptr_t meant, intptr_t *caught);
static void (*volatile deeper)(intptr_t level, intptr_t last, intptr_t meant,
			       intptr_t *caught) = interpret;

static void interpret(intptr_t level, intptr_t last, intptr_t meant, intptr_t *caught)
{
	struct level l = { level, caught };

	KGO_SCOPE {
		kgo_defer(recovers_if_meant, &l);
		if (level == last)
			kgo_panic_value((void *)meant);
		deeper(level + 1, last, meant, caught);
	}
}

static void fill(int depth);
static void (*volatile fill_deeper)(int depth) = fill;

static void fill(int depth)
{
	volatile unsigned char frame[160];

	memset((void *)frame, 0xff, sizeof(frame));
	if (!depth)
		kgo_panic("filled");
	fill_deeper(depth - 1);
	frame[0]++;
}

GO_TEST(panics_that_are_passed_on_reach_whom_they_are_meant_for)
{
	static const int way[][2] = { { 6, 2 }, { 5, 1 }, { 6, 3 }, { 30, 1 }, { 30, 30 } };
	intptr_t caught;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(way); i++) {
		course[0] = 0;
		caught = -1;
		interpret(1, way[i][0], way[i][1], &caught);
		EXPECT_EQ(way[i][1], caught);
		KGO_SCOPE {
			kgo_defer(recovers, NULL);
			fill(10);
		}
		EXPECT_STREQ("(filled)", course);
		EXPECT_EQ(NULL, kgo_recover());
	}
}

/* TestIssue43921 */
static void panics_and_recovers(void *word)
{
	KGO_SCOPE {
		kgo_defer(recovers, NULL);
		kgo_panic(word);
	}
}

GO_TEST(a_panic_survives_those_that_its_deferred_calls_end)
{
	KGO_SCOPE {
		kgo_defer(recovers, NULL);
		KGO_SCOPE {
			kgo_defer(panics_and_recovers, "3");
			kgo_defer(panics_and_recovers, "2");
			kgo_panic("1");
		}
		says("not reached");
	}
	EXPECT_STREQ("(2)(3)(1)", course);
}

/* TestIssue43920 */
static void panics_twice_and_recovers(void *arg UNUSED)
{
	KGO_SCOPE {
		kgo_defer(recovers, NULL);
		kgo_defer(panics, "5");
		KGO_SCOPE
			kgo_panic("4");
	}
}

static void nests(void *arg UNUSED)
{
	KGO_SCOPE {
		kgo_defer(panics_twice_and_recovers, NULL);
		kgo_defer(recovers, NULL);
		kgo_defer(panics, "3");
	}
}

GO_TEST(a_deferred_call_may_go_through_several_panics)
{
	KGO_SCOPE {
		kgo_defer(recovers, NULL);
		kgo_defer(nests, NULL);
		KGO_SCOPE {
			kgo_defer(says, "1");
			kgo_panic("1");
		}
	}
	EXPECT_STREQ("1(3)(5)(1)", course);
}

/* TestIssue43941: what comes after such a call goes on as if nothing had been. */
GO_TEST(after_panics_at_the_end_of_a_scope_the_next_ones_are_in_order)
{
	KGO_SCOPE {
		kgo_defer(recovers, NULL);
		kgo_defer(says, "f");
		KGO_SCOPE {
			KGO_SCOPE {
				kgo_defer(panics_twice_and_recovers, NULL);
				kgo_defer(recovers, NULL);
				kgo_defer(panics, "1");
			}
			kgo_defer(says, "c");
			kgo_defer(says, "b");
			says("a");
		}
		KGO_SCOPE {
			kgo_defer(says, "e");
			KGO_SCOPE {
				kgo_defer(says, "d");
				kgo_panic("6");
			}
			kgo_defer(panics, "never");
		}
	}
	EXPECT_STREQ("(1)(5)abcdef(6)", course);
}

/* RecursivePanic5 up to its last line: scopes of callers between them. */
static __attribute__((noinline)) void third(void)
{
	KGO_SCOPE {
		kgo_defer(says, "3");
		kgo_defer(recovers, NULL);
		kgo_defer(recovers_and_panics, "second");
		kgo_panic("first");
	}
	says("+");
}

static __attribute__((noinline)) void one(void)
{
	KGO_SCOPE {
		kgo_defer(says, "2");
		third();
		says("+");
	}
	says("+");
}

GO_TEST(callers_of_who_recovered_go_on)
{
	one();
	EXPECT_STREQ("(first)(second)3++2+", course);
}

/* What such programs leave: the last panic is told, and those that it met. */

static int wraps_and_again(void *arg UNUSED)
{
	KGO_SCOPE {
		kgo_defer(recovers, NULL);
		KGO_SCOPE {
			kgo_defer(recovers_and_panics, "wrapped");
			kgo_panic("bad");
		}
	}
	kgo_panic("again");
}

static int recovers_each_and_again(void *arg UNUSED)
{
	KGO_SCOPE {
		kgo_defer(recovers, NULL);
		KGO_SCOPE {
			kgo_defer(panics, "wrapped");
			kgo_defer(recovers, NULL);
			kgo_panic("bad");
		}
	}
	kgo_panic("again");
}

static int one_and_again(void *arg UNUSED)
{
	one();
	kgo_panic("again");
}

static int second_recovered(void *arg UNUSED)
{
	KGO_SCOPE {
		kgo_defer(panics_and_recovers, "bad");
		kgo_panic("again");
	}
	return 0;
}

TEST(a_panic_that_was_recovered_is_not_told)
{
	static int (*const program[])(void *arg) = {
		wraps_and_again, recovers_each_and_again, one_and_again, second_recovered,
	};
	struct ended e;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(program); i++) {
		run_child(&e, program[i], NULL);
		EXPECT_PANIC(e, "panic: again\n\ngoroutine 1 [running]:\n");
		EXPECT_EQ(NULL, strstr(e.err, "panic: bad"));
		EXPECT_EQ(NULL, strstr(e.err, "panic: wrapped"));
	}
}

TEST_HARNESS_MAIN
