// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Channels: what one sender and one receiver see.  Many of them together are
 * in chan_many_test.c, what panics in panic_test.c.
 */
#include "lib_test.h"

#define POISON	0x5a5a5a5aU

static struct kgo_chan *chan_int(size_t cap)
{
	return kgo_chan_make(sizeof(int), cap);
}

struct one {
	struct kgo_chan *c;
	int v, ret, done;
};

static void send_one(void *arg)
{
	struct one *o = arg;

	o->ret = kgo_chan_send(o->c, &o->v);
	STORE(o->done, 1);
}

static void recv_one(void *arg)
{
	struct one *o = arg;

	o->ret = kgo_chan_recv(o->c, &o->v);
	STORE(o->done, 1);
}

GO_TEST(unbuffered_send_waits_for_its_receiver)
{
	struct one o = { chan_int(0), 42, -1, 0 };
	int v = (int)POISON;

	EXPECT_EQ(0, kgo_go(send_one, &o));
	yield_until(waiting("chan send") == 1);
	EXPECT_EQ(0, LOAD(o.done));
	EXPECT_EQ(0, kgo_chan_len(o.c));
	EXPECT_EQ(0, kgo_chan_cap(o.c));
	EXPECT_EQ(1, kgo_chan_recv(o.c, &v));
	EXPECT_EQ(42, v);
	yield_until(LOAD(o.done));
	EXPECT_EQ(0, o.ret);
	EXPECT_EQ(0, kgo_chan_free(o.c));
}

GO_TEST(unbuffered_receive_waits_for_its_sender)
{
	struct one o = { chan_int(0), (int)POISON, -1, 0 };
	int v = 43;

	EXPECT_EQ(0, kgo_go(recv_one, &o));
	yield_until(waiting("chan receive") == 1);
	EXPECT_EQ(0, LOAD(o.done));
	EXPECT_EQ(0, kgo_chan_send(o.c, &v));
	yield_until(LOAD(o.done));
	EXPECT_EQ(1, o.ret);
	EXPECT_EQ(43, o.v);
	EXPECT_EQ(0, kgo_chan_free(o.c));
}

GO_TEST(buffered_is_first_in_first_out)
{
	struct kgo_chan *c = chan_int(5);
	int i, round, v;

	EXPECT_EQ(5, kgo_chan_cap(c));
	for (round = 0; round < 7; round++) {
		for (i = 0; i < 5; i++) {
			v = round * 10 + i;
			EXPECT_EQ((size_t)i, kgo_chan_len(c));
			EXPECT_EQ(0, kgo_chan_send(c, &v));
		}
		EXPECT_EQ(5, kgo_chan_len(c));
		v = 99;
		EXPECT_EQ(-EAGAIN, kgo_chan_try_send(c, &v));
		/* Leave some, so that the ring goes round. */
		for (i = 0; i < 3; i++) {
			v = (int)POISON;
			EXPECT_EQ(1, kgo_chan_recv(c, &v));
			EXPECT_EQ(round * 10 + i, v);
		}
		for (; i < 5; i++) {
			v = (int)POISON;
			EXPECT_EQ(1, kgo_chan_try_recv(c, &v));
			EXPECT_EQ(round * 10 + i, v);
		}
		v = (int)POISON;
		EXPECT_EQ(-EAGAIN, kgo_chan_try_recv(c, &v));
		EXPECT_EQ((int)POISON, v);
	}
	EXPECT_EQ(0, kgo_chan_free(c));
}

GO_TEST(a_full_buffer_makes_the_sender_wait_and_keeps_the_order)
{
	struct one o = { chan_int(2), 3, -1, 0 };
	int v;

	for (v = 1; v <= 2; v++)
		EXPECT_EQ(0, kgo_chan_send(o.c, &v));
	EXPECT_EQ(0, kgo_go(send_one, &o));
	yield_until(waiting("chan send") == 1);
	EXPECT_EQ(0, LOAD(o.done));
	for (int want = 1; want <= 3; want++) {
		v = (int)POISON;
		EXPECT_EQ(1, kgo_chan_recv(o.c, &v));
		EXPECT_EQ(want, v);
	}
	yield_until(LOAD(o.done));
	EXPECT_EQ(0, o.ret);
	EXPECT_EQ(0, kgo_chan_free(o.c));
}

GO_TEST(a_closed_channel_is_drained_and_then_gives_zeroes)
{
	struct kgo_chan *c = chan_int(3);
	int v, i;

	for (v = 7; v < 9; v++)
		EXPECT_EQ(0, kgo_chan_send(c, &v));
	EXPECT_EQ(0, kgo_chan_close(c));
	EXPECT_EQ(2, kgo_chan_len(c));
	for (i = 7; i < 9; i++) {
		v = (int)POISON;
		EXPECT_EQ(1, kgo_chan_recv(c, &v));
		EXPECT_EQ(i, v);
	}
	for (i = 0; i < 3; i++) {
		v = (int)POISON;
		EXPECT_EQ(0, kgo_chan_recv(c, &v));
		EXPECT_EQ(0, v);
		v = (int)POISON;
		EXPECT_EQ(0, kgo_chan_try_recv(c, &v));
		EXPECT_EQ(0, v);
		v = (int)POISON;
		EXPECT_EQ(0, kgo_chan_recv_timeout(c, &v, 1000 * MS));
		EXPECT_EQ(0, v);
	}
	EXPECT_EQ(0, kgo_chan_recv(c, NULL));
	EXPECT_EQ(0, kgo_chan_free(c));
}

GO_TEST(close_lets_every_waiting_receiver_go)
{
	static struct one o[20];
	struct kgo_chan *c = chan_int(0);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(o); i++) {
		o[i] = (struct one){ c, (int)POISON, -1, 0 };
		EXPECT_EQ(0, kgo_go(recv_one, &o[i]));
	}
	yield_until(waiting("chan receive") == ARRAY_SIZE(o));
	EXPECT_EQ(0, kgo_chan_close(c));
	for (i = 0; i < ARRAY_SIZE(o); i++) {
		yield_until(LOAD(o[i].done));
		EXPECT_EQ(0, o[i].ret);
		EXPECT_EQ(0, o[i].v);
	}
	EXPECT_EQ(0, kgo_chan_free(c));
}

GO_TEST(nil_blocks_for_ever_and_hurts_nobody)
{
	static struct one s = { NULL, 1, -1, 0 }, r = { NULL, (int)POISON, -1, 0 };
	int v = (int)POISON;

	EXPECT_EQ(0, kgo_go(send_one, &s));
	EXPECT_EQ(0, kgo_go(recv_one, &r));
	yield_until(waiting("chan send (nil chan)") == 1 &&
		    waiting("chan receive (nil chan)") == 1);
	EXPECT_EQ(-EAGAIN, kgo_chan_try_send(NULL, &v));
	EXPECT_EQ(-EAGAIN, kgo_chan_try_recv(NULL, &v));
	EXPECT_EQ(-ETIMEDOUT, kgo_chan_send_timeout(NULL, &v, 2 * MS));
	EXPECT_EQ(-ETIMEDOUT, kgo_chan_recv_timeout(NULL, &v, 2 * MS));
	EXPECT_EQ(-ETIMEDOUT, kgo_chan_recv_timeout(NULL, &v, 0));
	EXPECT_EQ((int)POISON, v);
	EXPECT_EQ(0, kgo_chan_len(NULL));
	EXPECT_EQ(0, kgo_chan_cap(NULL));
	EXPECT_EQ(0, kgo_chan_free(NULL));
	EXPECT_EQ(0, LOAD(s.done));
	EXPECT_EQ(0, LOAD(r.done));
}

GO_TEST(elements_of_no_size)
{
	struct kgo_chan *c = kgo_chan_make(0, 3);
	char v = 0x5a;

	EXPECT_NE(NULL, c);
	EXPECT_EQ(0, kgo_chan_send(c, NULL));
	EXPECT_EQ(0, kgo_chan_send(c, &v));
	EXPECT_EQ(0, kgo_chan_try_send(c, NULL));
	EXPECT_EQ(-EAGAIN, kgo_chan_try_send(c, NULL));
	EXPECT_EQ(3, kgo_chan_len(c));
	EXPECT_EQ(1, kgo_chan_recv(c, NULL));
	EXPECT_EQ(1, kgo_chan_recv(c, &v));
	EXPECT_EQ(0x5a, v);
	EXPECT_EQ(0, kgo_chan_close(c));
	EXPECT_EQ(1, kgo_chan_recv(c, NULL));
	EXPECT_EQ(0, kgo_chan_recv(c, NULL));
	EXPECT_EQ(0, kgo_chan_free(c));
	/* Any number of nothing fits. */
	c = kgo_chan_make(0, SIZE_MAX / 2);
	EXPECT_NE(NULL, c);
	EXPECT_EQ(0, kgo_chan_send(c, NULL));
	EXPECT_EQ(0, kgo_chan_free(c));
}

struct large {
	unsigned char b[3000];
};

static void send_large(void *arg)
{
	struct large l;
	int i;

	for (i = 0; i < 20; i++) {
		memset(l.b, i, sizeof(l.b));
		kgo_chan_send(arg, &l);
		memset(l.b, 0xee, sizeof(l.b));	/* the channel has its own copy */
	}
	kgo_chan_close(arg);
}

GO_TEST(large_elements_arrive_whole)
{
	size_t cap, k;

	for (cap = 0; cap < 3; cap++) {
		struct kgo_chan *c = kgo_chan_make(sizeof(struct large), cap);
		struct large l;
		int i = 0;

		EXPECT_EQ(0, kgo_go(send_large, c));
		for (;; i++) {
			memset(&l, 0x77, sizeof(l));
			if (!kgo_chan_recv(c, &l))
				break;
			for (k = 0; k < sizeof(l.b) && l.b[k] == i; k++)
				;
			EXPECT_EQ(sizeof(l.b), k);
		}
		EXPECT_EQ(20, i);
		yield_until(kgo_num_goroutine() == 1);
		EXPECT_EQ(0, kgo_chan_free(c));
	}
}

GO_TEST(channels_that_cannot_be_are_refused)
{
	EXPECT_EQ(NULL, kgo_chan_make(SIZE_MAX, 1));
	EXPECT_EQ(NULL, kgo_chan_make(1, SIZE_MAX));
	EXPECT_EQ(NULL, kgo_chan_make(SIZE_MAX, SIZE_MAX));
	EXPECT_EQ(NULL, kgo_chan_make(SIZE_MAX / 2 + 2, 2));
	EXPECT_EQ(NULL, kgo_chan_make(4, SIZE_MAX / 4 + 1));
}

GO_TEST(a_channel_that_is_waited_on_is_not_freed)
{
	struct one o = { chan_int(0), (int)POISON, -1, 0 };
	int v = 5;

	EXPECT_EQ(0, kgo_go(recv_one, &o));
	yield_until(waiting("chan receive") == 1);
	EXPECT_EQ(-EBUSY, kgo_chan_free(o.c));
	EXPECT_EQ(0, kgo_chan_send(o.c, &v));
	yield_until(LOAD(o.done));
	EXPECT_EQ(5, o.v);
	EXPECT_EQ(0, kgo_go(send_one, &o));
	yield_until(waiting("chan send") == 1);
	EXPECT_EQ(-EBUSY, kgo_chan_free(o.c));
	EXPECT_EQ(1, kgo_chan_recv(o.c, NULL));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(0, kgo_chan_free(o.c));
	/* Buffered values are no reason to keep it. */
	o.c = chan_int(4);
	EXPECT_EQ(0, kgo_chan_send(o.c, &v));
	EXPECT_EQ(0, kgo_chan_free(o.c));
}

GO_TEST(try_variants_do_not_wait)
{
	struct one o = { chan_int(0), (int)POISON, -1, 0 };
	int v = 6;

	EXPECT_EQ(-EAGAIN, kgo_chan_try_send(o.c, &v));
	v = (int)POISON;
	EXPECT_EQ(-EAGAIN, kgo_chan_try_recv(o.c, &v));
	EXPECT_EQ((int)POISON, v);
	EXPECT_EQ(0, kgo_go(recv_one, &o));
	yield_until(waiting("chan receive") == 1);
	v = 6;
	EXPECT_EQ(0, kgo_chan_try_send(o.c, &v));
	yield_until(LOAD(o.done));
	EXPECT_EQ(6, o.v);
	STORE(o.done, 0);
	EXPECT_EQ(0, kgo_go(send_one, &o));
	yield_until(waiting("chan send") == 1);
	v = (int)POISON;
	EXPECT_EQ(1, kgo_chan_try_recv(o.c, &v));
	EXPECT_EQ(6, v);
	yield_until(LOAD(o.done));
	EXPECT_EQ(0, kgo_chan_free(o.c));
}

GO_TEST(timeouts_that_are_not_positive_do_not_wait)
{
	static const long long none[] = { 0, -1, -1000000000LL, INT64_MIN };
	struct kgo_chan *c = chan_int(1);
	unsigned int i;
	int v;

	for (i = 0; i < ARRAY_SIZE(none); i++) {
		v = (int)POISON;
		EXPECT_EQ(-ETIMEDOUT, kgo_chan_recv_timeout(c, &v, none[i]));
		EXPECT_EQ((int)POISON, v);
		v = 1;
		/* What can be done at once is done. */
		EXPECT_EQ(0, kgo_chan_send_timeout(c, &v, none[i]));
		v = 2;
		EXPECT_EQ(-ETIMEDOUT, kgo_chan_send_timeout(c, &v, none[i]));
		EXPECT_EQ(1, kgo_chan_recv_timeout(c, &v, none[i]));
		EXPECT_EQ(1, v);
		EXPECT_EQ(0, kgo_chan_len(c));
	}
	EXPECT_EQ(0, kgo_chan_free(c));
}

GO_TEST(a_timeout_ends_the_wait_and_not_before)
{
	struct kgo_chan *c = chan_int(0);
	long long before = now_ns();
	int v = (int)POISON;

	EXPECT_EQ(-ETIMEDOUT, kgo_chan_recv_timeout(c, &v, 20 * MS));
	EXPECT_LE(before + 20 * MS, now_ns());
	EXPECT_EQ((int)POISON, v);
	before = now_ns();
	EXPECT_EQ(-ETIMEDOUT, kgo_chan_send_timeout(c, &v, 20 * MS));
	EXPECT_LE(before + 20 * MS, now_ns());
	/* Nothing of them is left in the queues. */
	EXPECT_EQ(-EAGAIN, kgo_chan_try_send(c, &v));
	EXPECT_EQ(-EAGAIN, kgo_chan_try_recv(c, &v));
	EXPECT_EQ(0, kgo_chan_free(c));
}

GO_TEST(a_long_timeout_is_cut_short_by_a_value)
{
	struct one o = { chan_int(0), 9, -1, 0 };
	int v = (int)POISON;

	EXPECT_EQ(0, kgo_go(send_one, &o));
	EXPECT_EQ(1, kgo_chan_recv_timeout(o.c, &v, INT64_MAX));
	EXPECT_EQ(9, v);
	STORE(o.done, 0);
	EXPECT_EQ(0, kgo_go(recv_one, &o));
	v = 10;
	EXPECT_EQ(0, kgo_chan_send_timeout(o.c, &v, INT64_MAX));
	yield_until(LOAD(o.done));
	EXPECT_EQ(10, o.v);
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(0, kgo_chan_free(o.c));
}

TEST_HARNESS_MAIN
