// SPDX-License-Identifier: GPL-2.0
/*
 * Channels, between goroutines of the kernel.
 */
#include <linux/ktime.h>
#include <linux/slab.h>

#include "test.h"

#define POISON	0xdeadbeefU

/* One end of a channel, for a goroutine. */
struct end {
	struct kgo_chan *c;
	u32 v;
	int ret;
	u32 place;		/* in the order in which they came back, from 1 */
	atomic_t *order;
	const char *panic;	/* what it panicked with */
};

static void sender(void *arg)
{
	struct end *e = arg;

	e->ret = kgo_chan_send(e->c, &e->v);
	e->place = atomic_inc_return(e->order);
}

static void receiver(void *arg)
{
	struct end *e = arg;

	e->ret = kgo_chan_recv(e->c, &e->v);
	e->place = atomic_inc_return(e->order);
}

KGO_TEST(unbuffered_send_meets_a_receiver)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(u32), 0);
	atomic_t order = ATOMIC_INIT(0);
	struct end e = { .c = c, .v = 7, .ret = -1, .order = &order };
	u32 v = POISON;

	KUNIT_EXPECT_EQ(test, kgo_chan_cap(c), 0);
	KUNIT_EXPECT_EQ(test, kgo_go(sender, &e), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(1, KGO_WAIT_CHAN_SEND));
	KUNIT_EXPECT_EQ(test, kgo_chan_len(c), 0);
	KUNIT_EXPECT_EQ(test, kgo_chan_free(c), -EBUSY);
	KUNIT_EXPECT_EQ(test, kgo_chan_recv(c, &v), 1);
	KUNIT_EXPECT_EQ(test, v, 7);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, e.ret, 0);

	e.v = POISON;
	KUNIT_EXPECT_EQ(test, kgo_go(receiver, &e), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(1, KGO_WAIT_CHAN_RECEIVE));
	v = 8;
	KUNIT_EXPECT_EQ(test, kgo_chan_send(c, &v), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, e.ret, 1);
	KUNIT_EXPECT_EQ(test, e.v, 8);
	KUNIT_EXPECT_EQ(test, kgo_chan_free(c), 0);
}

KGO_TEST(buffer_keeps_the_order)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(u32), 5);
	u32 i, v, in = 0, out = 0;

	KUNIT_EXPECT_EQ(test, kgo_chan_cap(c), 5);
	/* Fill and drain by different steps, so that it wraps everywhere. */
	for (i = 0; i < 50; i++) {
		while (kgo_chan_try_send(c, &in) == 0)
			in++;
		KUNIT_EXPECT_EQ(test, kgo_chan_len(c), 5);
		do {
			v = POISON;
			KUNIT_EXPECT_EQ(test, kgo_chan_recv(c, &v), 1);
			KUNIT_EXPECT_EQ(test, v, out);
			out++;
		} while (out % 3);
	}
	kgo_chan_free(c);
}

KGO_TEST(try_does_not_wait)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(u32), 1);
	u32 v = 1;

	KUNIT_EXPECT_EQ(test, kgo_chan_try_recv(c, &v), -EAGAIN);
	KUNIT_EXPECT_EQ(test, kgo_chan_try_send(c, &v), 0);
	KUNIT_EXPECT_EQ(test, kgo_chan_try_send(c, &v), -EAGAIN);
	v = POISON;
	KUNIT_EXPECT_EQ(test, kgo_chan_try_recv(c, &v), 1);
	KUNIT_EXPECT_EQ(test, v, 1);
	KUNIT_EXPECT_EQ(test, kgo_chan_close(c), 0);
	KUNIT_EXPECT_EQ(test, kgo_chan_try_recv(c, &v), 0);
	KUNIT_EXPECT_EQ(test, v, 0);
	kgo_chan_free(c);
}

KGO_TEST(receivers_are_served_in_order)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(u32), 0);
	atomic_t order = ATOMIC_INIT(0);
	struct end e[6] = {};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(e); i++) {
		e[i] = (struct end){ .c = c, .v = POISON, .order = &order };
		KUNIT_EXPECT_EQ(test, kgo_go(receiver, &e[i]), 0);
		KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(i + 1, KGO_WAIT_CHAN_RECEIVE));
	}
	for (i = 0; i < ARRAY_SIZE(e); i++)
		KUNIT_EXPECT_EQ(test, kgo_chan_send(c, &i), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	for (i = 0; i < ARRAY_SIZE(e); i++)
		KUNIT_EXPECT_EQ(test, e[i].v, i);
	kgo_chan_free(c);
}

/* With a buffer: what waits to be sent comes after what is in it. */
KGO_TEST(senders_are_served_in_order)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(u32), 2);
	atomic_t order = ATOMIC_INIT(0);
	struct end e[6] = {};
	u32 i, v;

	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, kgo_chan_send(c, &i), 0);
	for (i = 0; i < ARRAY_SIZE(e); i++) {
		e[i] = (struct end){ .c = c, .v = 2 + i, .order = &order };
		KUNIT_EXPECT_EQ(test, kgo_go(sender, &e[i]), 0);
		KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(i + 1, KGO_WAIT_CHAN_SEND));
	}
	for (i = 0; i < 2 + ARRAY_SIZE(e); i++) {
		v = POISON;
		KUNIT_EXPECT_EQ(test, kgo_chan_recv(c, &v), 1);
		KUNIT_EXPECT_EQ(test, v, i);
	}
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	kgo_chan_free(c);
}

KGO_TEST(closed_channel_is_drained_first)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(u32), 4);
	u32 i, v;

	for (i = 1; i <= 3; i++)
		KUNIT_EXPECT_EQ(test, kgo_chan_send(c, &i), 0);
	KUNIT_EXPECT_EQ(test, kgo_chan_close(c), 0);
	for (i = 1; i <= 3; i++) {
		KUNIT_EXPECT_EQ(test, kgo_chan_recv(c, &v), 1);
		KUNIT_EXPECT_EQ(test, v, i);
	}
	for (i = 0; i < 3; i++) {
		v = POISON;
		KUNIT_EXPECT_EQ(test, kgo_chan_recv(c, &v), 0);
		KUNIT_EXPECT_EQ(test, v, 0);
	}
	KUNIT_EXPECT_EQ(test, kgo_chan_recv(c, NULL), 0);
	kgo_chan_free(c);
}

KGO_TEST(close_wakes_all_receivers)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(u32), 0);
	atomic_t order = ATOMIC_INIT(0);
	struct end e[5] = {};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(e); i++) {
		e[i] = (struct end){ .c = c, .v = POISON, .ret = -1, .order = &order };
		KUNIT_EXPECT_EQ(test, kgo_go(receiver, &e[i]), 0);
	}
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(ARRAY_SIZE(e), KGO_WAIT_CHAN_RECEIVE));
	KUNIT_EXPECT_EQ(test, kgo_chan_close(c), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	for (i = 0; i < ARRAY_SIZE(e); i++) {
		KUNIT_EXPECT_EQ(test, e[i].ret, 0);
		KUNIT_EXPECT_EQ(test, e[i].v, 0);
	}
	kgo_chan_free(c);
}

static void try_send(void *arg)
{
	struct end *e = arg;

	e->ret = kgo_chan_try_send(e->c, &e->v);
}

static void send_for_a_time(void *arg)
{
	struct end *e = arg;

	e->ret = kgo_chan_send_timeout(e->c, &e->v, NSEC_PER_MSEC);
}

static void close_it(void *arg)
{
	struct end *e = arg;

	e->ret = kgo_chan_close(e->c);
}

static void note_panic(void *arg)
{
	struct end *e = arg;

	e->panic = kgo_test_panic(sender, e);
}

KGO_TEST(misuse_of_a_closed_channel_panics)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(u32), 0);
	atomic_t order = ATOMIC_INIT(0);
	struct end e = { .c = c, .v = 1, .ret = -1, .order = &order };
	const char *msg = "send on closed channel";

	KUNIT_EXPECT_EQ(test, kgo_go(note_panic, &e), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(1, KGO_WAIT_CHAN_SEND));
	KUNIT_EXPECT_EQ(test, kgo_chan_close(c), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_STREQ(test, e.panic, msg);
	KUNIT_EXPECT_STREQ(test, kgo_test_panic(sender, &e), msg);
	KUNIT_EXPECT_STREQ(test, kgo_test_panic(try_send, &e), msg);
	KUNIT_EXPECT_STREQ(test, kgo_test_panic(send_for_a_time, &e), msg);
	KUNIT_EXPECT_STREQ(test, kgo_test_panic(close_it, &e), "close of closed channel");
	kgo_chan_free(c);
	e.c = NULL;
	KUNIT_EXPECT_STREQ(test, kgo_test_panic(close_it, &e), "close of nil channel");
	/* None of the calls came back. */
	KUNIT_EXPECT_EQ(test, e.ret, -1);
}

KGO_TEST(timeouts_end_the_wait)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(u32), 0);
	u64 since = ktime_get_ns();
	u32 v = 1;

	KUNIT_EXPECT_EQ(test, kgo_chan_recv_timeout(c, &v, 20 * NSEC_PER_MSEC), -ETIMEDOUT);
	KUNIT_EXPECT_GE(test, ktime_get_ns() - since, 20 * NSEC_PER_MSEC);
	since = ktime_get_ns();
	KUNIT_EXPECT_EQ(test, kgo_chan_send_timeout(c, &v, 20 * NSEC_PER_MSEC), -ETIMEDOUT);
	KUNIT_EXPECT_GE(test, ktime_get_ns() - since, 20 * NSEC_PER_MSEC);
	KUNIT_EXPECT_EQ(test, kgo_chan_recv_timeout(c, &v, 0), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, kgo_chan_send_timeout(c, &v, -1), -ETIMEDOUT);
	/* Nobody is left in a queue. */
	KUNIT_EXPECT_EQ(test, kgo_chan_free(c), 0);
}

KGO_TEST(value_before_the_timeout_is_received)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(u32), 0);
	atomic_t order = ATOMIC_INIT(0);
	struct end e = { .c = c, .v = 9, .ret = -1, .order = &order };
	u32 v = POISON;

	KUNIT_EXPECT_EQ(test, kgo_go(sender, &e), 0);
	KUNIT_EXPECT_EQ(test, kgo_chan_recv_timeout(c, &v, 20LL * NSEC_PER_SEC), 1);
	KUNIT_EXPECT_EQ(test, v, 9);
	e.v = POISON;
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, kgo_go(receiver, &e), 0);
	v = 10;
	KUNIT_EXPECT_EQ(test, kgo_chan_send_timeout(c, &v, 20LL * NSEC_PER_SEC), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, e.v, 10);
	kgo_chan_free(c);
}

KGO_TEST(nil_channel_never_is_ready)
{
	u32 v = POISON;

	KUNIT_EXPECT_EQ(test, kgo_chan_try_recv(NULL, &v), -EAGAIN);
	KUNIT_EXPECT_EQ(test, kgo_chan_try_send(NULL, &v), -EAGAIN);
	KUNIT_EXPECT_EQ(test, kgo_chan_recv_timeout(NULL, &v, NSEC_PER_MSEC), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, kgo_chan_send_timeout(NULL, &v, NSEC_PER_MSEC), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, kgo_chan_len(NULL), 0);
	KUNIT_EXPECT_EQ(test, kgo_chan_cap(NULL), 0);
	KUNIT_EXPECT_EQ(test, kgo_chan_free(NULL), 0);
	KUNIT_EXPECT_EQ(test, v, POISON);
}

KGO_TEST(elements_have_any_size)
{
	static const size_t sizes[] = { 0, 1, 7, 64, 4096, 70000 };
	struct kgo_chan *c;
	u8 *in, *out;
	u32 i;

	in = kvmalloc(70000, GFP_KERNEL);
	out = kvmalloc(70000, GFP_KERNEL);
	for (i = 0; in && out && i < ARRAY_SIZE(sizes); i++) {
		memset(in, 0x50 + i, sizes[i]);
		memset(out, 0, sizes[i]);
		c = kgo_chan_make(sizes[i], 2);
		KUNIT_EXPECT_NOT_NULL(test, c);
		KUNIT_EXPECT_EQ(test, kgo_chan_send(c, in), 0);
		KUNIT_EXPECT_EQ(test, kgo_chan_len(c), 1);
		KUNIT_EXPECT_EQ(test, kgo_chan_recv(c, out), 1);
		KUNIT_EXPECT_EQ(test, memcmp(in, out, sizes[i]), 0);
		kgo_chan_free(c);
	}
	kvfree(in);
	kvfree(out);
}

static void impossible_sizes_are_refused(struct kunit *test)
{
	KUNIT_EXPECT_NULL(test, kgo_chan_make(8, ~(size_t)0 / 8));
	KUNIT_EXPECT_NULL(test, kgo_chan_make(~(size_t)0, 2));
	KUNIT_EXPECT_NULL(test, kgo_chan_make(1, ~(size_t)0 >> 1));
	KUNIT_EXPECT_NULL(test, kgo_chan_make(1UL << 20, 1UL << 20));
}

#define PAIRS	8
#define EACH	300

struct crowd {
	struct kgo_chan *c;
	struct kgo_wg senders, receivers;
	atomic64_t sum;
	atomic_t n;
};

static void crowd_sender(void *arg)
{
	struct crowd *cr = arg;
	u32 i;

	for (i = 1; i <= EACH; i++) {
		/* Some with an end that never comes: both ways mix. */
		if (i % 7)
			kgo_chan_send(cr->c, &i);
		else
			kgo_chan_send_timeout(cr->c, &i, 60LL * NSEC_PER_SEC);
	}
	kgo_wg_done(&cr->senders);
}

static void crowd_receiver(void *arg)
{
	struct crowd *cr = arg;
	u32 v;

	while (kgo_chan_recv(cr->c, &v) > 0) {
		atomic64_add(v, &cr->sum);
		atomic_inc(&cr->n);
	}
	kgo_wg_done(&cr->receivers);
}

KGO_TEST(crowd_loses_nothing)
{
	static const u32 caps[] = { 0, 1, 64 };
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(caps); i++) {
		struct crowd cr = { .c = kgo_chan_make(sizeof(u32), caps[i]) };

		for (j = 0; j < PAIRS; j++) {
			kgo_wg_add(&cr.senders, 1);
			kgo_wg_add(&cr.receivers, 1);
			KUNIT_EXPECT_EQ(test, kgo_go(crowd_sender, &cr), 0);
			KUNIT_EXPECT_EQ(test, kgo_go(crowd_receiver, &cr), 0);
		}
		kgo_wg_wait(&cr.senders);
		kgo_chan_close(cr.c);
		kgo_wg_wait(&cr.receivers);
		KUNIT_EXPECT_EQ(test, atomic_read(&cr.n), PAIRS * EACH);
		KUNIT_EXPECT_EQ(test, atomic64_read(&cr.sum), PAIRS * EACH * (EACH + 1) / 2);
		KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
		kgo_chan_free(cr.c);
	}
}

static struct kunit_case chan_cases[] = {
	KUNIT_CASE(unbuffered_send_meets_a_receiver),
	KUNIT_CASE(buffer_keeps_the_order),
	KUNIT_CASE(try_does_not_wait),
	KUNIT_CASE(receivers_are_served_in_order),
	KUNIT_CASE(senders_are_served_in_order),
	KUNIT_CASE(closed_channel_is_drained_first),
	KUNIT_CASE(close_wakes_all_receivers),
	KUNIT_CASE(misuse_of_a_closed_channel_panics),
	KUNIT_CASE(timeouts_end_the_wait),
	KUNIT_CASE(value_before_the_timeout_is_received),
	KUNIT_CASE(nil_channel_never_is_ready),
	KUNIT_CASE(elements_have_any_size),
	KUNIT_CASE(impossible_sizes_are_refused),
	KUNIT_CASE(crowd_loses_nothing),
	{}
};

static struct kunit_suite chan_suite = {
	.name = "kgo_chan",
	.test_cases = chan_cases,
};

kunit_test_suite(chan_suite);
