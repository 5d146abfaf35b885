// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The examples that tell themselves whether they work: what they print, and
 * that they leave no goroutine behind.
 */
#include "lib_test.h"

#define main	limiter_main
#include "../../userlib/examples/limiter.c"
#undef main

#define main	supervise_main
#include "../../userlib/examples/supervise.c"
#undef main

static int printing(void *program)
{
	/* What it prints is looked at as well. */
	dup2(STDERR_FILENO, STDOUT_FILENO);
	return program ? supervise_main() : limiter_main();
}

TEST(limiter_lets_a_burst_go_and_then_one_each_five_milliseconds)
{
	struct ended e;

	run_process(&e, printing, NULL);
	EXPECT_EQ(0, e.status);
	EXPECT_STREQ("1 served after 0 ms\n"
		     "2 served after 0 ms\n"
		     "3 served after 0 ms\n"
		     "4 refused after 4 ms\n"
		     "5 served after 5 ms\n"
		     "6 refused after 9 ms\n"
		     "7 served after 10 ms\n"
		     "8 refused after 14 ms\n", e.err);
}

TEST(supervise_keeps_its_service_up)
{
	struct ended e;

	run_process(&e, printing, "supervise");
	EXPECT_EQ(0, e.status);
	EXPECT_STREQ("started: disk 1, cache 3, web 3; 0 late\n", e.err);
}

TEST_HARNESS_MAIN
