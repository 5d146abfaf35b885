// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What events order: plain data that was written before a waker was readied, a
 * timer was started or a context cancelled is seen by whoever goes on for it.
 *
 * Invariant: as in order_test.c, what is shared is written and read without
 * atomics.
 */
#include "lib_test.h"

#include <semaphore.h>

static struct kgo_waker ping, pong;
static struct kgo_wg wg;
static int box, rounds, wrong;

static void check(bool ok)
{
	if (!ok)
		ADD(wrong, 1);
}

static int park_somehow(struct kgo_waker *w, int i)
{
	int ret;

	if (i % 3)
		return kgo_park(w);
	do {
		ret = kgo_park_timeout(w, i % 2 ? 1000 : 0);
		if (ret == -ETIMEDOUT)
			kgo_yield();
	} while (ret == -ETIMEDOUT);
	return ret;
}

static void answer(void *arg UNUSED)
{
	int i;

	for (i = 0; i < rounds; i++) {
		check(park_somehow(&ping, i) == 0);
		check(box == 2 * i + 1);
		box++;
		kgo_ready(&pong);
	}
}

GO_TEST_PS(who_is_readied_sees_what_was_written_before, 4)
{
	int i;

	rounds = MANY(20000);
	EXPECT_EQ(0, kgo_wg_go(&wg, answer, NULL));
	for (i = 0; i < rounds; i++) {
		box++;
		kgo_ready(&ping);
		check(park_somehow(&pong, i + 1) == 0);
		check(box == 2 * i + 2);
	}
	kgo_wg_wait(&wg);
	EXPECT_EQ(0, wrong);
}

/* As that goes by: one that is no goroutine writes when it may. */
static sem_t go_on;

static void *write_and_ready(void *arg UNUSED)
{
	int i;

	for (i = 0; i < rounds; i++) {
		while (sem_wait(&go_on))
			;
		box++;
		kgo_ready(&ping);
	}
	return NULL;
}

GO_TEST_PS(so_does_one_that_a_thread_readies, 2)
{
	pthread_t t;
	int i;

	rounds = MANY(2000);
	EXPECT_EQ(0, sem_init(&go_on, 0, 0));
	EXPECT_EQ(0, pthread_create(&t, NULL, write_and_ready, NULL));
	for (i = 0; i < rounds; i++) {
		check(box == i);
		sem_post(&go_on);
		check(kgo_park(&ping) == 0);
	}
	pthread_join(t, NULL);
	EXPECT_EQ(rounds, box);
	EXPECT_EQ(0, wrong);
}

/* Timers: of those who stop one, or it itself, one has what it was for. */
struct event {
	struct kgo_timer t;
	struct kgo_chan *over;
	int value;		/* plain: of the one that has it */
	int stopped;		/* atomic */
};

static void fires(void *arg)
{
	struct event *e = arg;

	check(e->value == 11);
	e->value = 22;
	kgo_chan_close(e->over);
}

static void stops(void *arg)
{
	struct event *e = arg;

	if (!kgo_timer_stop(&e->t))
		return;
	check(ADD(e->stopped, 1) == 1);
	check(e->value == 11);
	e->value = 33;
}

GO_TEST_PS(a_timer_fires_or_is_stopped_by_one, 4)
{
	struct event *e;
	int i, k;

	for (i = 0; i < MANY(3000); i++) {
		e = calloc(1, sizeof(*e));
		e->over = kgo_chan_make(0, 0);
		e->value = 11;
		EXPECT_EQ(0, kgo_after_func(&e->t, i % 4 * 1000, fires, e));
		for (k = 0; k < 3; k++)
			EXPECT_EQ(0, kgo_wg_go(&wg, stops, e));
		kgo_wg_wait(&wg);
		if (!e->stopped)
			kgo_chan_recv(e->over, NULL);
		EXPECT_EQ(e->stopped ? 33 : 22, e->value);
		kgo_chan_free(e->over);
		free(e);
	}
	EXPECT_EQ(0, wrong);
}

/* Each firing follows what was written before the reset that led to it. */
static void takes_box(void *arg)
{
	check(box == 1);
	box = 2;
	kgo_chan_send(arg, NULL);
}

GO_TEST_PS(a_timer_that_is_reset_sees_what_was_written_before, 4)
{
	struct kgo_chan *over = kgo_chan_make(0, 0);
	struct kgo_timer t;
	int i;

	box = 1;
	EXPECT_EQ(0, kgo_after_func(&t, 1000, takes_box, over));
	for (i = 0; i < MANY(3000); i++) {
		kgo_chan_recv(over, NULL);
		EXPECT_EQ(2, box);
		box = 1;
		EXPECT_EQ(0, kgo_timer_reset(&t, i % 4 * 1000));
	}
	kgo_chan_recv(over, NULL);
	EXPECT_FALSE(kgo_timer_stop(&t));
	EXPECT_EQ(0, wrong);
}

/* The channel of a timer is used by one while another resets and stops it. */
static struct kgo_timer *timer;
static struct kgo_ticker *ticker;
static int over;

static void receives(void *arg UNUSED)
{
	unsigned long long t;

	while (!LOAD(over)) {
		if (kgo_chan_recv_timeout(kgo_timer_c(timer), &t, 10000) == 1)
			check(t && t <= kgo_now());
		if (kgo_chan_recv_timeout(kgo_ticker_c(ticker), &t, 10000) == 1)
			check(t && t <= kgo_now());
	}
}

static void resets(void *arg UNUSED)
{
	int i;

	for (i = 0; i < rounds; i++) {
		if (i % 4 == 3)
			kgo_timer_stop(timer);
		else
			check(kgo_timer_reset(timer, i % 3 * 1000) >= 0);
		if (i % 4 == 2)
			kgo_ticker_stop(ticker);
		else
			check(kgo_ticker_reset(ticker, 1000 + i % 3 * 1000) == 0);
		if (i % 8 == 0)
			kgo_yield();
	}
}

GO_TEST_PS(timers_may_be_reset_while_others_receive, 4)
{
	struct kgo_wg receivers = { 0 };
	int k;

	rounds = MANY(5000);
	timer = kgo_timer_new(1000);
	ticker = kgo_ticker_new(1000);
	for (k = 0; k < 2; k++) {
		EXPECT_EQ(0, kgo_wg_go(&receivers, receives, NULL));
		EXPECT_EQ(0, kgo_wg_go(&wg, resets, NULL));
	}
	kgo_wg_wait(&wg);
	STORE(over, 1);
	kgo_wg_wait(&receivers);
	EXPECT_EQ(0, kgo_timer_free(timer));
	EXPECT_EQ(0, kgo_ticker_free(ticker));
	EXPECT_EQ(0, wrong);
}

/*
 * Contexts: several cancel one, with others being derived from it, waited for
 * and given back; what the first wrote is seen by all who learn of it.
 */
struct tree {
	struct kgo_ctx *root;
	struct kgo_chan *ran;
	int why;		/* plain: of the one who cancels */
	int cancels;		/* atomic */
	int turn;		/* atomic: of who may write */
};

static void cancels(void *arg)
{
	struct tree *t = arg;

	/* Only one writes, and then both cancel. */
	if (ADD(t->turn, 1) == 1) {
		t->why = 5;
		ADD(t->cancels, kgo_ctx_cancel(t->root, -EIO));
	} else {
		kgo_chan_recv(kgo_ctx_done(t->root), NULL);
		check(t->why == 5);
		ADD(t->cancels, kgo_ctx_cancel(t->root, -ENXIO));
	}
}

static void learns_by_chan(void *arg)
{
	struct tree *t = arg;
	struct kgo_ctx *kid = kgo_ctx_with_cancel(t->root);

	kgo_chan_recv(kgo_ctx_done(kid), NULL);
	check(t->why == 5 && kgo_ctx_err(kid) == -ECANCELED);
	check(kgo_ctx_cause(kid) == -EIO);
	kgo_ctx_put(kid);
}

static void learns_by_asking(void *arg)
{
	struct tree *t = arg;
	struct kgo_ctx *kid = kgo_ctx_with_value(t->root, &box, t);

	check(kgo_ctx_value(kid, &box) == t);
	while (!kgo_ctx_err(kid))
		kgo_yield();
	check(t->why == 5 && kgo_ctx_cause(t->root) == -EIO);
	kgo_ctx_put(kid);
}

static void learns_by_call(void *arg)
{
	struct tree *t = arg;

	check(t->why == 5);
	kgo_chan_close(t->ran);
}

GO_TEST_PS(who_learns_of_a_cancel_sees_what_was_written_before, 4)
{
	struct kgo_ctx_after *a;
	int i;

	for (i = 0; i < MANY(2000); i++) {
		struct tree t = { .root = kgo_ctx_with_cancel(kgo_ctx_background()) };

		t.ran = kgo_chan_make(0, 0);
		a = kgo_ctx_after_func(t.root, learns_by_call, &t);
		EXPECT_EQ(0, kgo_wg_go(&wg, learns_by_chan, &t));
		EXPECT_EQ(0, kgo_wg_go(&wg, learns_by_asking, &t));
		EXPECT_EQ(0, kgo_wg_go(&wg, cancels, &t));
		EXPECT_EQ(0, kgo_wg_go(&wg, cancels, &t));
		kgo_wg_wait(&wg);
		EXPECT_FALSE(kgo_ctx_after_stop(a));
		kgo_chan_recv(t.ran, NULL);
		EXPECT_EQ(1, t.cancels);
		kgo_ctx_put(t.root);
		kgo_chan_free(t.ran);
	}
	EXPECT_EQ(0, wrong);
}

/* Its deadline, its parent's cancel and its own end at one moment. */
static void ends_by_itself(void *arg)
{
	struct kgo_ctx *kid = kgo_ctx_with_timeout(arg, rounds % 3 * 1000);
	int err;

	if (rounds % 2)
		kgo_chan_recv(kgo_ctx_done(kid), NULL);
	else
		kgo_ctx_cancel(kid, 0);
	err = kgo_ctx_err(kid);
	check(err == -ECANCELED || err == -ETIMEDOUT);
	kgo_ctx_put(kid);
}

GO_TEST_PS(deadlines_and_cancels_of_a_tree_race, 4)
{
	struct kgo_ctx *root;
	int i, k;

	for (i = 0; i < MANY(2000); i++) {
		rounds = i;
		root = kgo_ctx_with_cancel(kgo_ctx_background());
		for (k = 0; k < 4; k++)
			EXPECT_EQ(0, kgo_wg_go(&wg, ends_by_itself, root));
		EXPECT_EQ(1, kgo_ctx_cancel(root, 0));
		kgo_wg_wait(&wg);
		kgo_ctx_put(root);
	}
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(0, kgo_ctx_lost());
}

TEST_HARNESS_MAIN
