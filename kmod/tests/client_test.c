// SPDX-License-Identifier: GPL-2.0
/*
 * Clients, wakers and reserves between goroutines of the kernel, threads and
 * interrupts.
 */
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/module.h>

#include "../compat.h"
#include "test.h"

struct shared {
	struct kgo_client cl;
	struct kgo_waker w;
	struct kgo_chan *c;
	atomic_t started;
	atomic_t ended;
};

static void heed(void *arg)
{
	struct shared *s = arg;

	atomic_inc(&s->started);
	kgo_chan_recv(kgo_ctx_done(kgo_client_ctx(&s->cl)), NULL);
	atomic_inc(&s->ended);
}

static void heed_with_child(void *arg)
{
	/* Not by the client, and its all the same. */
	kgo_go(heed, arg);
	heed(arg);
}

static void exit_cancels_and_waits_for_all(struct kunit *test)
{
	struct shared s = {};

	KUNIT_ASSERT_EQ(test, kgo_client_init(&s.cl, THIS_MODULE), 0);
	KUNIT_EXPECT_EQ(test, kgo_client_go(&s.cl, heed, &s), 0);
	KUNIT_EXPECT_EQ(test, kgo_client_go(&s.cl, heed_with_child, &s), 0);
	KUNIT_EXPECT_EQ(test, kgo_client_err(&s.cl), 0);
	while (atomic_read(&s.started) < 3)
		msleep(1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.ended), 0);
	kgo_client_exit(&s.cl);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.ended), 3);
	/* Once more is none too many. */
	kgo_client_exit(&s.cl);
}

static void start_late(void *arg)
{
	struct shared *s = arg;

	kgo_chan_recv(kgo_ctx_done(kgo_client_ctx(&s->cl)), NULL);
	if (kgo_client_go(&s->cl, heed, s) == -ESHUTDOWN)
		atomic_inc(&s->ended);
}

static void nothing_is_started_behind_the_exit(struct kunit *test)
{
	struct shared s = {};

	KUNIT_ASSERT_EQ(test, kgo_client_init(&s.cl, THIS_MODULE), 0);
	KUNIT_EXPECT_EQ(test, kgo_client_go(&s.cl, start_late, &s), 0);
	kgo_client_exit(&s.cl);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.ended), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.started), 0);
}

static void panics(void *arg)
{
	kgo_panic("of a client");
}

static void panic_that_nobody_recovers_fails_the_client(struct kunit *test)
{
	struct shared s = {};

	kgo_test_catch_panics();
	KUNIT_ASSERT_EQ(test, kgo_client_init(&s.cl, THIS_MODULE), 0);
	KUNIT_EXPECT_EQ(test, kgo_client_go(&s.cl, heed, &s), 0);
	KUNIT_EXPECT_EQ(test, kgo_client_go(&s.cl, panics, NULL), 0);
	/* The other one ends by it. */
	while (!atomic_read(&s.ended))
		msleep(1);
	KUNIT_EXPECT_EQ(test, kgo_client_err(&s.cl), -ENOTRECOVERABLE);
	kgo_client_exit(&s.cl);
	KUNIT_EXPECT_EQ(test, kgo_test_panics(), 1);
}

static int panics_in_group(void *arg)
{
	kgo_panic("of an errgroup");
	return 0;
}

KGO_TEST(panic_that_nobody_recovers_is_the_error_of_an_errgroup)
{
	struct kgo_errgroup g = {};

	kgo_test_catch_panics();
	KUNIT_EXPECT_EQ(test, kgo_errgroup_go(&g, panics_in_group, NULL), 0);
	KUNIT_EXPECT_EQ(test, kgo_errgroup_wait(&g), -ENOTRECOVERABLE);
	KUNIT_EXPECT_EQ(test, kgo_test_panics(), 1);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

/* In hard interrupt: a timer that fires some times. */
struct storm {
	struct hrtimer timer;
	struct kgo_waker w;
	struct kgo_chan *c;
	struct kgo_reserve r;
	struct kgo_wg wg;
	u32 left;
	u32 sent, dropped, ran, full;
	bool in_irq;
};

static void reserved(void *arg)
{
	struct storm *st = arg;

	smp_store_release(&st->ran, st->ran + 1);
	kgo_wg_done(&st->wg);
}

static enum hrtimer_restart storm_fires(struct hrtimer *t)
{
	struct storm *st = container_of(t, struct storm, timer);

	st->in_irq = in_hardirq();
	if (kgo_chan_try_send(st->c, &st->left))
		st->dropped++;
	else
		st->sent++;
	kgo_wg_add(&st->wg, 1);
	if (kgo_go_reserved(&st->r, reserved, st)) {
		st->full++;
		kgo_wg_done(&st->wg);
	}
	if (!--st->left) {
		kgo_chan_close(st->c);
		kgo_ready(&st->w);
		return HRTIMER_NORESTART;
	}
	hrtimer_forward_now(t, ns_to_ktime(20 * NSEC_PER_USEC));
	return HRTIMER_RESTART;
}

KGO_TEST(interrupts_send_start_and_ready)
{
	const u32 rounds = 500;
	struct storm *st;
	u32 v, last = rounds + 1, got = 0;

	st = kzalloc(sizeof(*st), GFP_KERNEL);
	if (!st)
		return;
	st->left = rounds;
	st->c = kgo_chan_make(sizeof(u32), 8);
	KUNIT_EXPECT_NOT_NULL(test, st->c);
	/* One at a time: ran needs no lock. */
	KUNIT_EXPECT_EQ(test, kgo_reserve_init(&st->r, 1), 0);
	kgo_hrtimer_setup(&st->timer, storm_fires, CLOCK_MONOTONIC,
			  HRTIMER_MODE_REL_HARD);
	hrtimer_start(&st->timer, ns_to_ktime(NSEC_PER_USEC),
		      HRTIMER_MODE_REL_HARD);
	while (kgo_chan_recv(st->c, &v) == 1) {
		KUNIT_EXPECT_LT(test, v, last);
		last = v;
		got++;
	}
	KUNIT_EXPECT_EQ(test, kgo_park(&st->w), 0);
	hrtimer_cancel(&st->timer);
	kgo_wg_wait(&st->wg);
	KUNIT_EXPECT_TRUE(test, st->in_irq);
	KUNIT_EXPECT_EQ(test, got, st->sent);
	KUNIT_EXPECT_EQ(test, st->sent + st->dropped, rounds);
	KUNIT_EXPECT_EQ(test, smp_load_acquire(&st->ran) + st->full, rounds);
	KUNIT_EXPECT_NE(test, st->ran, 0);
	kgo_reserve_destroy(&st->r);
	kgo_chan_free(st->c);
	kfree(st);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static void block(void *arg)
{
	struct shared *s = arg;

	kgo_chan_recv(s->c, NULL);
	atomic_inc(&s->ended);
}

KGO_TEST(reserve_has_no_more_than_its_number)
{
	struct kgo_reserve r;
	struct shared s = {};
	u32 i;

	s.c = kgo_chan_make(0, 0);
	KUNIT_EXPECT_EQ(test, kgo_reserve_init(&r, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, kgo_reserve_init(&r, 3), 0);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, kgo_go_reserved(&r, block, &s), 0);
	KUNIT_EXPECT_EQ(test, kgo_go_reserved(&r, block, &s), -EAGAIN);
	kgo_chan_close(s.c);
	kgo_reserve_destroy(&r);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.ended), 3);
	kgo_chan_free(s.c);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

KGO_TEST(ready_before_a_park_is_kept_and_is_no_count)
{
	struct kgo_waker w = {};

	kgo_ready(&w);
	kgo_ready(&w);
	KUNIT_EXPECT_EQ(test, kgo_park(&w), 0);
	KUNIT_EXPECT_EQ(test, kgo_park_timeout(&w, NSEC_PER_MSEC), -ETIMEDOUT);
}

static struct kunit_case client_cases[] = {
	KUNIT_CASE(exit_cancels_and_waits_for_all),
	KUNIT_CASE(nothing_is_started_behind_the_exit),
	KUNIT_CASE(panic_that_nobody_recovers_fails_the_client),
	KUNIT_CASE(panic_that_nobody_recovers_is_the_error_of_an_errgroup),
	KUNIT_CASE(interrupts_send_start_and_ready),
	KUNIT_CASE(reserve_has_no_more_than_its_number),
	KUNIT_CASE(ready_before_a_park_is_kept_and_is_no_count),
	{}
};

static struct kunit_suite client_suite = {
	.name = "kgo_client",
	.test_cases = client_cases,
};

kunit_test_suite(client_suite);
