// SPDX-License-Identifier: GPL-2.0
/*
 * Select, between goroutines of the kernel.
 */
#include <linux/ktime.h>
#include <linux/slab.h>

#include "test.h"

#define POISON	0xdeadbeefU

/* A select of another goroutine. */
struct chooser {
	struct kgo_case k[3];
	u32 n;
	int ret;
	const char *panic;	/* what it panicked with */
};

static void choose(void *arg)
{
	struct chooser *ch = arg;

	ch->ret = kgo_select(ch->k, ch->n);
}

static void try(void *arg)
{
	struct chooser *ch = arg;

	ch->ret = kgo_select_try(ch->k, ch->n);
}

static void choose_and_panic(void *arg)
{
	struct chooser *ch = arg;

	ch->panic = kgo_test_panic(choose, ch);
}

KGO_TEST(a_ready_case_is_done_and_no_other)
{
	struct kgo_chan *a = kgo_chan_make(sizeof(u32), 1);
	struct kgo_chan *b = kgo_chan_make(sizeof(u32), 1);
	u32 x = POISON, y = POISON, v = 5;
	struct kgo_case k[] = { KGO_RECV(a, &x), KGO_RECV(NULL, &x), KGO_RECV(b, &y) };

	KUNIT_EXPECT_EQ(test, kgo_select_try(k, 3), -EAGAIN);
	KUNIT_EXPECT_EQ(test, kgo_select_timeout(k, 3, NSEC_PER_MSEC), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, kgo_chan_send(b, &v), 0);
	KUNIT_EXPECT_EQ(test, kgo_select(k, 3), 2);
	KUNIT_EXPECT_EQ(test, k[2].ok, 1);
	KUNIT_EXPECT_EQ(test, y, 5);
	KUNIT_EXPECT_EQ(test, x, POISON);
	k[0].op = 7;
	KUNIT_EXPECT_EQ(test, kgo_select(k, 3), -EINVAL);
	KUNIT_EXPECT_EQ(test, kgo_chan_free(a), 0);
	KUNIT_EXPECT_EQ(test, kgo_chan_free(b), 0);
}

KGO_TEST(it_waits_for_any_of_its_cases)
{
	struct kgo_chan *c[3];
	struct chooser ch;
	u32 v[3], i, k, got;

	for (i = 0; i < 3; i++)
		c[i] = kgo_chan_make(sizeof(u32), 0);
	for (i = 0; i < 3; i++) {
		ch = (struct chooser){ .k = {
			KGO_RECV(c[0], &v[0]), KGO_RECV(c[1], &v[1]), KGO_SEND(c[2], &v[2]),
		}, .n = 3, .ret = -1 };
		v[0] = POISON;
		v[1] = POISON;
		v[2] = 77;
		KUNIT_EXPECT_EQ(test, kgo_go(choose, &ch), 0);
		KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(1, KGO_WAIT_SELECT));
		got = 40 + i;
		if (i < 2)
			KUNIT_EXPECT_EQ(test, kgo_chan_send(c[i], &got), 0);
		else
			KUNIT_EXPECT_EQ(test, kgo_chan_recv(c[i], &got), 1);
		KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
		KUNIT_EXPECT_EQ(test, ch.ret, i);
		for (k = 0; k < 2; k++)
			KUNIT_EXPECT_EQ(test, v[k], k == i ? 40 + i : POISON);
		KUNIT_EXPECT_EQ(test, got, i < 2 ? 40 + i : 77);
	}
	/* It waits for none of them any more. */
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, kgo_chan_free(c[i]), 0);
}

KGO_TEST(close_wakes_both_directions)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(u32), 0);
	struct kgo_chan *d = kgo_chan_make(sizeof(u32), 0);
	const char *msg = "send on closed channel";
	u32 x = POISON, v = 1;
	struct chooser in = { .k = { KGO_RECV(d, NULL), KGO_RECV(c, &x) }, .n = 2 };
	struct chooser out = { .k = { KGO_RECV(c, NULL), KGO_SEND(d, &v) }, .n = 1 };

	KUNIT_EXPECT_EQ(test, kgo_go(choose, &in), 0);
	KUNIT_EXPECT_EQ(test, kgo_go(choose, &out), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(2, KGO_WAIT_SELECT));
	KUNIT_EXPECT_EQ(test, kgo_chan_close(c), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, in.ret, 1);
	KUNIT_EXPECT_EQ(test, in.k[1].ok, 0);
	KUNIT_EXPECT_EQ(test, x, 0);
	KUNIT_EXPECT_EQ(test, out.ret, 0);

	/* Who sends panics, when it is woken and when it comes too late. */
	out = (struct chooser){ .k = { KGO_SEND(d, &v), KGO_RECV(NULL, NULL) }, .n = 2 };
	KUNIT_EXPECT_EQ(test, kgo_go(choose_and_panic, &out), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(1, KGO_WAIT_SELECT));
	KUNIT_EXPECT_EQ(test, kgo_chan_close(d), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_STREQ(test, out.panic, msg);
	KUNIT_EXPECT_EQ(test, out.k[0].ok, -EPIPE);
	KUNIT_EXPECT_STREQ(test, kgo_test_panic(choose, &out), msg);
	KUNIT_EXPECT_STREQ(test, kgo_test_panic(try, &out), msg);
	KUNIT_EXPECT_EQ(test, kgo_chan_free(c), 0);
	KUNIT_EXPECT_EQ(test, kgo_chan_free(d), 0);
}

/* More cases than spinlocks that a CPU can hold. */
KGO_TEST(any_number_of_cases)
{
	const u32 n = 600;
	struct kgo_case *k = kvcalloc(n, sizeof(*k), GFP_KERNEL);
	u32 i, v = 9, x = POISON;
	struct kgo_chan *last;

	for (i = 0; k && i < n; i++)
		k[i] = (struct kgo_case)KGO_RECV(kgo_chan_make(sizeof(u32), 1), &x);
	if (k) {
		last = k[n - 1].c;
		KUNIT_EXPECT_EQ(test, kgo_select_timeout(k, n, NSEC_PER_MSEC), -ETIMEDOUT);
		KUNIT_EXPECT_EQ(test, kgo_chan_send(last, &v), 0);
		KUNIT_EXPECT_EQ(test, kgo_select(k, n), n - 1);
		KUNIT_EXPECT_EQ(test, x, 9);
		for (i = 0; i < n; i++)
			KUNIT_EXPECT_EQ(test, kgo_chan_free(k[i].c), 0);
	}
	kvfree(k);
}

#define MEETERS	6
#define MEETINGS	500

/* They send and receive on the same two channels and meet each other. */
struct meeting {
	struct kgo_chan *c[2], *quit;
	struct kgo_wg wg;
	atomic64_t sum;
	atomic_t sent, received;
};

static void meet(void *arg)
{
	struct meeting *me = arg;
	u32 i = 1, x, y;
	int ret;

	do {
		struct kgo_case k[] = {
			KGO_SEND(me->c[0], &i), KGO_RECV(me->c[0], &x),
			KGO_SEND(me->c[1], &i), KGO_RECV(me->c[1], &y),
			KGO_RECV(me->quit, NULL),
		};

		ret = i % 5 ? kgo_select(k, 5) : kgo_select_timeout(k, 5, NSEC_PER_MSEC);
		if (ret == 1 || ret == 3) {
			atomic64_sub(ret == 1 ? x : y, &me->sum);
			atomic_inc(&me->received);
		} else if (ret == 0 || ret == 2) {
			atomic64_add(i, &me->sum);
			atomic_inc(&me->sent);
		}
		i++;
	} while (ret != 4);
	kgo_wg_done(&me->wg);
}

KGO_TEST(selects_that_meet_lose_nothing)
{
	struct meeting me = {
		.c = { kgo_chan_make(sizeof(u32), 0), kgo_chan_make(sizeof(u32), 0) },
		.quit = kgo_chan_make(0, 0),
	};
	u32 i;

	for (i = 0; i < MEETERS; i++) {
		kgo_wg_add(&me.wg, 1);
		KUNIT_EXPECT_EQ(test, kgo_go(meet, &me), 0);
	}
	while (atomic_read(&me.sent) < MEETINGS)
		kgo_sleep(NSEC_PER_MSEC);
	kgo_chan_close(me.quit);
	kgo_wg_wait(&me.wg);
	KUNIT_EXPECT_EQ(test, atomic_read(&me.sent), atomic_read(&me.received));
	KUNIT_EXPECT_EQ(test, atomic64_read(&me.sum), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, kgo_chan_free(me.c[i]), 0);
	KUNIT_EXPECT_EQ(test, kgo_chan_free(me.quit), 0);
}

static struct kunit_case select_cases[] = {
	KUNIT_CASE(a_ready_case_is_done_and_no_other),
	KUNIT_CASE(it_waits_for_any_of_its_cases),
	KUNIT_CASE(close_wakes_both_directions),
	KUNIT_CASE(any_number_of_cases),
	KUNIT_CASE(selects_that_meet_lose_nothing),
	{}
};

static struct kunit_suite select_suite = {
	.name = "kgo_select",
	.test_cases = select_cases,
};

kunit_test_suite(select_suite);
