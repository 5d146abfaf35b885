// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Clients: all their goroutines have ended before their code goes.
 */
#include "lib_test.h"

static struct kgo_client client;
static int ran, ended, refused;

static void until_cancelled(void *arg)
{
	ADD(ran, 1);
	kgo_chan_recv(kgo_ctx_done(kgo_client_ctx(&client)), NULL);
	kgo_sleep(MS);
	ADD(ended, 1);
}

static void starts_another(void *arg)
{
	kgo_go(until_cancelled, NULL);
	until_cancelled(NULL);
}

static void *exit_from_thread(void *arg)
{
	return (void *)(long)kgo_client_exit(&client);
}

GO_TEST(exit_waits_for_all_and_for_what_they_started)
{
	int i;

	EXPECT_EQ(0, kgo_client_init(&client, "plugin"));
	for (i = 0; i < 100; i++)
		EXPECT_EQ(0, kgo_client_go(&client, starts_another, NULL));
	yield_until(LOAD(ran) == 200);
	EXPECT_EQ(0, kgo_client_exit(&client));
	EXPECT_EQ(200, LOAD(ended));
	EXPECT_EQ(-ESHUTDOWN, kgo_client_go(&client, starts_another, NULL));
	EXPECT_EQ(0, kgo_client_exit(&client));
	EXPECT_EQ(0, kgo_quiesce(1, -1));
}

GO_TEST(exit_in_a_thread_that_is_no_goroutine)
{
	void *ret = (void *)99L;
	pthread_t t;

	EXPECT_EQ(0, kgo_client_init(&client, "plugin"));
	EXPECT_EQ(0, kgo_client_go(&client, starts_another, NULL));
	yield_until(LOAD(ran) == 2);
	EXPECT_EQ(0, pthread_create(&t, NULL, exit_from_thread, NULL));
	pthread_join(t, &ret);
	EXPECT_EQ(NULL, ret);
	EXPECT_EQ(2, LOAD(ended));
}

static void exits_itself(void *arg)
{
	STORE(refused, kgo_client_exit(&client));
}

GO_TEST(failure_cancels_and_is_remembered)
{
	EXPECT_EQ(0, kgo_client_init(&client, "plugin"));
	EXPECT_EQ(0, kgo_client_err(&client));
	EXPECT_EQ(0, kgo_client_go(&client, until_cancelled, NULL));
	EXPECT_EQ(0, kgo_client_go(&client, exits_itself, NULL));
	kgo_client_fail(&client, -EIO);
	kgo_client_fail(&client, -ENXIO);
	yield_until(LOAD(ended) == 1 && LOAD(refused));
	EXPECT_EQ(-EIO, kgo_client_err(&client));
	EXPECT_EQ(-EIO, kgo_ctx_cause(kgo_client_ctx(&client)));
	EXPECT_EQ(-EDEADLK, LOAD(refused));
	EXPECT_EQ(0, kgo_client_exit(&client));
}

TEST_HARNESS_MAIN
