// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Signals on channels and as ends of contexts.
 */
#include "lib_test.h"

#define SIGS(...)	((const int[]){ __VA_ARGS__ })

static int handled;
static int stop;

static void plain_handler(int sig)
{
	ADD(handled, sig);
}

static void have_plain_handler(int sig)
{
	struct sigaction sa = { .sa_handler = plain_handler };

	sigaction(sig, &sa, NULL);
}

static int recv(struct kgo_chan *c)
{
	int sig = 0x5a5a;

	return kgo_chan_recv(c, &sig) == 1 ? sig : -1;
}

GO_TEST(signals_come_as_values)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(int), 8);
	unsigned long long n = kgo_num_goroutine();
	int i;

	EXPECT_EQ(0, kgo_signal_notify(c, SIGS(SIGUSR1, SIGTERM), 2));
	EXPECT_EQ(n, kgo_num_goroutine());
	for (i = 0; i < 50; i++) {
		EXPECT_EQ(0, kill(getpid(), i % 2 ? SIGTERM : SIGUSR1));
		EXPECT_EQ(i % 2 ? SIGTERM : SIGUSR1, recv(c));
	}
	EXPECT_EQ(0, kgo_signal_notify(c, SIGS(SIGRTMIN), 1));
	raise(SIGRTMIN);
	EXPECT_EQ(SIGRTMIN, recv(c));
	raise(SIGUSR1);
	EXPECT_EQ(SIGUSR1, recv(c));
	EXPECT_EQ(0, kgo_chan_len(c));
	kgo_signal_stop(c);
	kgo_signal_stop(c);
	EXPECT_EQ(0, kgo_chan_free(c));
}

GO_TEST(a_full_channel_misses_signals_and_others_get_them)
{
	struct kgo_chan *one = kgo_chan_make(sizeof(int), 1);
	struct kgo_chan *many = kgo_chan_make(sizeof(int), 100);
	int i;

	EXPECT_EQ(0, kgo_signal_notify(one, SIGS(SIGUSR1), 1));
	EXPECT_EQ(0, kgo_signal_notify(many, NULL, 0));
	for (i = 0; i < 10; i++) {
		raise(SIGUSR1);
		EXPECT_EQ(SIGUSR1, recv(many));
	}
	/* What has come before stop is sent before it returns. */
	raise(SIGUSR2);
	raise(SIGUSR2);
	kgo_signal_stop(many);
	EXPECT_LE(1, kgo_chan_len(many));
	EXPECT_EQ(SIGUSR2, recv(many));
	EXPECT_EQ(1, kgo_chan_len(one));
	EXPECT_EQ(SIGUSR1, recv(one));
	kgo_signal_stop(one);
}

GO_TEST(stop_and_reset_bring_back_what_was_there)
{
	struct kgo_chan *a = kgo_chan_make(sizeof(int), 4);
	struct kgo_chan *b = kgo_chan_make(sizeof(int), 4);

	have_plain_handler(SIGUSR1);
	have_plain_handler(SIGUSR2);
	EXPECT_EQ(0, kgo_signal_notify(a, SIGS(SIGUSR1), 1));
	EXPECT_EQ(0, kgo_signal_notify(b, SIGS(SIGUSR1, SIGUSR2), 2));
	kgo_signal_stop(a);
	raise(SIGUSR1);
	EXPECT_EQ(SIGUSR1, recv(b));
	EXPECT_EQ(0, kgo_chan_len(a));
	EXPECT_EQ(0, LOAD(handled));
	EXPECT_EQ(0, kgo_signal_reset(SIGS(SIGUSR1), 1));
	raise(SIGUSR1);
	EXPECT_EQ(SIGUSR1, LOAD(handled));
	raise(SIGUSR2);
	EXPECT_EQ(SIGUSR2, recv(b));
	EXPECT_EQ(0, kgo_signal_reset(NULL, 0));
	raise(SIGUSR2);
	EXPECT_EQ(SIGUSR1 + SIGUSR2, LOAD(handled));
	EXPECT_EQ(0, kgo_chan_len(b));
	kgo_signal_stop(b);
}

GO_TEST(ignored_signals_do_nothing)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(int), 4);

	have_plain_handler(SIGUSR1);
	EXPECT_FALSE(kgo_signal_ignored(SIGUSR1));
	EXPECT_EQ(0, kgo_signal_notify(c, SIGS(SIGUSR1), 1));
	EXPECT_EQ(0, kgo_signal_ignore(SIGS(SIGUSR1, SIGTERM), 2));
	EXPECT_TRUE(kgo_signal_ignored(SIGUSR1));
	EXPECT_TRUE(kgo_signal_ignored(SIGTERM));
	raise(SIGUSR1);
	raise(SIGTERM);
	kgo_signal_stop(c);
	EXPECT_EQ(0, kgo_chan_len(c));
	EXPECT_EQ(0, LOAD(handled));
	EXPECT_TRUE(kgo_signal_ignored(SIGUSR1));
	/* To be notified ends it. */
	EXPECT_EQ(0, kgo_signal_notify(c, SIGS(SIGTERM), 1));
	EXPECT_FALSE(kgo_signal_ignored(SIGTERM));
	raise(SIGTERM);
	EXPECT_EQ(SIGTERM, recv(c));
	EXPECT_EQ(0, kgo_signal_reset(NULL, 0));
	EXPECT_FALSE(kgo_signal_ignored(SIGUSR1));
	raise(SIGUSR1);
	EXPECT_EQ(SIGUSR1, LOAD(handled));
	kgo_signal_stop(c);
}

GO_TEST(what_cannot_be_is_refused)
{
	const int bad[] = {
		SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGKILL, SIGSTOP,
		0, -1, 32, 33, 65, 1000,
	};
	struct kgo_chan *c = kgo_chan_make(sizeof(int), 1);
	struct kgo_chan *odd = kgo_chan_make(sizeof(char), 1);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, kgo_signal_notify(c, SIGS(SIGUSR1, bad[i]), 2));
		EXPECT_EQ(-EINVAL, kgo_signal_ignore(&bad[i], 1));
		EXPECT_EQ(-EINVAL, kgo_signal_reset(&bad[i], 1));
		EXPECT_EQ(NULL, kgo_signal_notify_context(kgo_ctx_background(), &bad[i], 1));
	}
	EXPECT_EQ(-EINVAL, kgo_signal_notify(NULL, SIGS(SIGUSR1), 1));
	EXPECT_EQ(-EINVAL, kgo_signal_notify(odd, SIGS(SIGUSR1), 1));
	have_plain_handler(SIGUSR1);
	raise(SIGUSR1);
	EXPECT_EQ(SIGUSR1, LOAD(handled));
	EXPECT_EQ(0, kgo_ctx_lost());
}

GO_TEST(a_signal_cancels_a_context)
{
	struct kgo_ctx *ctx, *child;

	have_plain_handler(SIGINT);
	ctx = kgo_signal_notify_context(kgo_ctx_background(), SIGS(SIGINT, SIGTERM), 2);
	EXPECT_NE(NULL, ctx);
	child = kgo_ctx_with_cancel(ctx);
	EXPECT_EQ(0, kgo_ctx_err(ctx));
	raise(SIGINT);
	EXPECT_EQ(0, kgo_chan_recv(kgo_ctx_done(child), NULL));
	EXPECT_EQ(-ECANCELED, kgo_ctx_err(ctx));
	EXPECT_EQ(0, LOAD(handled));
	kgo_ctx_cancel(child, 0);
	kgo_ctx_put(child);
	kgo_signal_stop_context(ctx);
	raise(SIGINT);
	EXPECT_EQ(SIGINT, LOAD(handled));

	/* And without a signal. */
	ctx = kgo_signal_notify_context(kgo_ctx_background(), SIGS(SIGINT), 1);
	child = kgo_ctx_get(ctx);
	kgo_signal_stop_context(ctx);
	EXPECT_EQ(-ECANCELED, kgo_ctx_err(child));
	kgo_ctx_put(child);
	EXPECT_EQ(0, kgo_ctx_lost());
}

GO_TEST(a_context_of_signals_ends_with_its_parent)
{
	struct kgo_ctx *parent = kgo_ctx_with_cancel(kgo_ctx_background());
	struct kgo_ctx *ctx;

	have_plain_handler(SIGUSR1);
	ctx = kgo_signal_notify_context(parent, SIGS(SIGUSR1), 1);
	EXPECT_NE(NULL, ctx);
	EXPECT_EQ(0, kgo_ctx_err(ctx));
	kgo_ctx_cancel(parent, -EIO);
	EXPECT_EQ(0, kgo_chan_recv(kgo_ctx_done(ctx), NULL));
	EXPECT_EQ(-ECANCELED, kgo_ctx_err(ctx));
	EXPECT_EQ(-EIO, kgo_ctx_cause(ctx));
	kgo_signal_stop_context(ctx);
	raise(SIGUSR1);
	EXPECT_EQ(SIGUSR1, LOAD(handled));

	/* One whose parent has ended before is born cancelled. */
	ctx = kgo_signal_notify_context(parent, SIGS(SIGUSR1), 1);
	EXPECT_NE(NULL, ctx);
	EXPECT_EQ(-ECANCELED, kgo_ctx_err(ctx));
	EXPECT_EQ(-EIO, kgo_ctx_cause(ctx));
	kgo_signal_stop_context(ctx);
	raise(SIGUSR1);
	EXPECT_EQ(2 * SIGUSR1, LOAD(handled));
	kgo_ctx_put(parent);
	EXPECT_EQ(0, kgo_ctx_lost());
}

static void *target(UNUSED void *arg)
{
	while (!LOAD(stop))
		;
	return NULL;
}

/* A thread takes it at the moment of the stop, a bit earlier or a bit later. */
GO_TEST_PS(a_signal_at_a_stop_comes_to_the_channel_or_to_what_was_there_before, 2)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(int), 4);
	int i, k, sent = 0, rounds = MANY(3000);
	unsigned long patience = 100000000;
	pthread_t thread;

	have_plain_handler(SIGUSR1);
	EXPECT_EQ(0, pthread_create(&thread, NULL, target, NULL));
	for (i = 0; i < rounds; i++) {
		EXPECT_EQ(0, kgo_signal_notify(c, SIGS(SIGUSR1), 1));
		EXPECT_EQ(0, pthread_kill(thread, SIGUSR1));
		for (k = 0; k < i % 97 * 16; k++)
			__asm__ volatile("");
		kgo_signal_stop(c);
		sent += (int)kgo_chan_len(c);
		while (kgo_chan_len(c))
			EXPECT_EQ(SIGUSR1, recv(c));
		while (sent + LOAD(handled) / SIGUSR1 != i + 1 && --patience)
			kgo_yield();
		EXPECT_NE(0, patience);		/* it is in neither */
		EXPECT_EQ(0, kgo_chan_len(c));
		if (!patience)
			break;
	}
	STORE(stop, 1);
	pthread_join(thread, NULL);
	EXPECT_EQ(rounds, sent + LOAD(handled) / SIGUSR1);
	EXPECT_EQ(0, kgo_chan_free(c));
}

static void busy(void *arg)
{
	struct kgo_wg *wg = arg;

	while (!LOAD(stop)) {
		kgo_yield();
		kgo_sleep(1000);
	}
	kgo_wg_done(wg);
}

/* Handlers interrupt the scheduler wherever it is. */
GO_TEST_PS(signals_pour_in_while_goroutines_run, 2)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(int), 1);
	struct kgo_wg wg = { 0 };
	int i, n = MANY(2000);

	EXPECT_EQ(0, kgo_signal_notify(c, SIGS(SIGUSR1), 1));
	kgo_wg_add(&wg, 8);
	for (i = 0; i < 8; i++)
		EXPECT_EQ(0, kgo_go(busy, &wg));
	for (i = 0; i < n; i++) {
		kill(getpid(), SIGUSR1);
		EXPECT_EQ(SIGUSR1, recv(c));
		if (i % 10 == 0) {
			kgo_signal_stop(c);
			EXPECT_EQ(0, kgo_signal_notify(c, SIGS(SIGUSR1), 1));
		}
	}
	STORE(stop, 1);
	kgo_wg_wait(&wg);
	kgo_signal_stop(c);
}

TEST_HARNESS_MAIN
