// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel channels, for kernel code: goroutines, plain threads, interrupts.
 */
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/slab.h>

#include "test.h"

#define POISON	0xdeadbeefU

struct end {
	struct kgo_kchan *kc;
	u32 v;
	ssize_t ret;
	bool done;
};

static void receiver(void *arg)
{
	struct end *e = arg;

	e->ret = kgo_kchan_recv(e->kc, &e->v, sizeof(e->v));
	WRITE_ONCE(e->done, true);
}

static void sender(void *arg)
{
	struct end *e = arg;

	e->ret = kgo_kchan_send(e->kc, &e->v, sizeof(e->v));
	WRITE_ONCE(e->done, true);
}

static void until_done(struct end *e)
{
	while (!READ_ONCE(e->done))
		kgo_sleep(NSEC_PER_MSEC);
}

KGO_TEST(order_boundaries_and_sizes)
{
	struct kgo_kchan *kc = kgo_kchan_make(8, 3);
	char buf[9] = "";
	int i;

	KUNIT_EXPECT_NOT_NULL(test, kc);
	KUNIT_EXPECT_NULL(test, kgo_kchan_make(8, 0));
	KUNIT_EXPECT_NULL(test, kgo_kchan_make(SIZE_MAX, 1));
	KUNIT_EXPECT_EQ(test, kgo_kchan_try_send(kc, buf, 9), -EMSGSIZE);
	for (i = 0; i < 20; i++) {
		KUNIT_EXPECT_EQ(test, kgo_kchan_try_send(kc, "abcdefgh", i % 9), 0);
		KUNIT_EXPECT_EQ(test, kgo_kchan_try_send(kc, "x", 1), 0);
		KUNIT_EXPECT_EQ(test, kgo_kchan_try_recv(kc, buf, sizeof(buf)), i % 9);
		KUNIT_EXPECT_EQ(test, kgo_kchan_try_recv(kc, buf, 0), -EMSGSIZE);
		KUNIT_EXPECT_EQ(test, kgo_kchan_try_recv(kc, buf, sizeof(buf)), 1);
		KUNIT_EXPECT_EQ(test, buf[0], 'x');
	}
	KUNIT_EXPECT_EQ(test, kgo_kchan_try_recv(kc, buf, 8), -EAGAIN);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, kgo_kchan_try_send(kc, "x", 1), 0);
	KUNIT_EXPECT_EQ(test, kgo_kchan_try_send(kc, "x", 1), -EAGAIN);
	kgo_kchan_put(kc);
}

KGO_TEST(goroutines_park_with_a_reason)
{
	struct kgo_kchan *kc = kgo_kchan_make(sizeof(u32), 1);
	struct end r = { .kc = kc, .v = POISON }, s = { .kc = kc, .v = 2 };
	u32 v = 1;

	KUNIT_EXPECT_EQ(test, kgo_go(receiver, &r), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(1, KGO_WAIT_KCHAN_RECEIVE));
	KUNIT_EXPECT_EQ(test, kgo_kchan_send(kc, &v, sizeof(v)), 0);
	until_done(&r);
	KUNIT_EXPECT_EQ(test, r.ret, sizeof(v));
	KUNIT_EXPECT_EQ(test, r.v, 1);

	KUNIT_EXPECT_EQ(test, kgo_kchan_send(kc, &v, sizeof(v)), 0);
	KUNIT_EXPECT_EQ(test, kgo_go(sender, &s), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(1, KGO_WAIT_KCHAN_SEND));
	KUNIT_EXPECT_EQ(test, kgo_kchan_recv(kc, &v, sizeof(v)), sizeof(v));
	KUNIT_EXPECT_EQ(test, v, 1);
	KUNIT_EXPECT_EQ(test, kgo_kchan_recv(kc, &v, sizeof(v)), sizeof(v));
	KUNIT_EXPECT_EQ(test, v, 2);
	until_done(&s);
	KUNIT_EXPECT_EQ(test, s.ret, 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	kgo_kchan_put(kc);
}

KGO_TEST(close_and_lost_ends_wake_who_waits)
{
	struct kgo_kchan *kc = kgo_kchan_make(sizeof(u32), 1);
	struct end r[3];
	u32 v = 7, i;

	for (i = 0; i < 3; i++) {
		r[i] = (struct end){ .kc = kc };
		KUNIT_EXPECT_EQ(test, kgo_go(receiver, &r[i]), 0);
	}
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(3, KGO_WAIT_KCHAN_RECEIVE));
	KUNIT_EXPECT_EQ(test, kgo_kchan_close(kc), 0);
	KUNIT_EXPECT_EQ(test, kgo_kchan_close(kc), -EALREADY);
	for (i = 0; i < 3; i++) {
		until_done(&r[i]);
		KUNIT_EXPECT_EQ(test, r[i].ret, -EPIPE);
	}
	KUNIT_EXPECT_EQ(test, kgo_kchan_send(kc, &v, sizeof(v)), -EPIPE);
	kgo_kchan_put(kc);

	kc = kgo_kchan_make(sizeof(u32), 1);
	r[0] = (struct end){ .kc = kc };
	KUNIT_EXPECT_EQ(test, kgo_go(receiver, &r[0]), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(1, KGO_WAIT_KCHAN_RECEIVE));
	kgo_kchan_put_end(kc, KGO_KCHAN_SEND);
	until_done(&r[0]);
	KUNIT_EXPECT_EQ(test, r[0].ret, -EPIPE);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	kgo_kchan_put_end(kc, KGO_KCHAN_RECV);
}

struct irq_sender {
	struct irq_work work;
	struct kgo_kchan *kc;
	u32 v;
	int ret;
};

static void send_in_irq(struct irq_work *work)
{
	struct irq_sender *s = container_of(work, struct irq_sender, work);

	s->ret = in_hardirq() ? kgo_kchan_try_send(s->kc, &s->v, sizeof(s->v)) : -EPERM;
}

KGO_TEST(an_interrupt_sends_to_a_goroutine)
{
	struct irq_sender s = { .work = IRQ_WORK_INIT_HARD(send_in_irq) };
	struct end r;
	u32 i;

	s.kc = kgo_kchan_make(sizeof(u32), 1);
	for (i = 0; i < 50; i++) {
		r = (struct end){ .kc = s.kc, .v = POISON };
		KUNIT_EXPECT_EQ(test, kgo_go(receiver, &r), 0);
		if (i & 1)
			kgo_test_until_waiting(1, KGO_WAIT_KCHAN_RECEIVE);
		s.v = i;
		irq_work_queue(&s.work);
		irq_work_sync(&s.work);
		KUNIT_EXPECT_EQ(test, s.ret, 0);
		until_done(&r);
		KUNIT_EXPECT_EQ(test, r.v, i);
	}
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	kgo_kchan_put(s.kc);
}

/* KUnit's own thread is no goroutine. */
static void a_plain_thread_talks_to_a_goroutine(struct kunit *test)
{
	struct end s = { .kc = kgo_kchan_make(sizeof(u32), 1) };
	u32 i, v = POISON;

	for (i = 0; i < 50; i++) {
		s.v = i;
		s.done = false;
		KUNIT_EXPECT_EQ(test, kgo_go(sender, &s), 0);
		KUNIT_EXPECT_EQ(test, kgo_kchan_recv(s.kc, &v, sizeof(v)), sizeof(v));
		KUNIT_EXPECT_EQ(test, v, i);
		while (!READ_ONCE(s.done))
			schedule_timeout_uninterruptible(1);
	}
	kgo_kchan_put(s.kc);
}

static void late_send(void *arg)
{
	struct end *e = arg;

	kgo_sleep(NSEC_PER_MSEC);
	e->ret = kgo_kchan_send(e->kc, &e->v, sizeof(e->v));
	WRITE_ONCE(e->done, true);
}

KGO_TEST(select_over_both_kinds_by_notification)
{
	struct kgo_kchan *kc = kgo_kchan_make(sizeof(u32), 4);
	struct kgo_chan *c = kgo_chan_make(0, 1), *never = kgo_chan_make(0, 0);
	struct kgo_case cases[] = { KGO_RECV(never, NULL), KGO_RECV(c, NULL) };
	struct kgo_kchan_notify n;
	struct end s = { .kc = kc, .v = 3 };
	u32 v = 1, i;

	KUNIT_EXPECT_EQ(test, kgo_kchan_notify_start(&n, kc, KGO_KCHAN_RECV, never), -EINVAL);
	KUNIT_EXPECT_EQ(test, kgo_kchan_notify_start(&n, kc, 3, c), -EINVAL);
	/* Ready already: a token at once. */
	KUNIT_EXPECT_EQ(test, kgo_kchan_send(kc, &v, sizeof(v)), 0);
	KUNIT_EXPECT_EQ(test, kgo_kchan_notify_start(&n, kc, KGO_KCHAN_RECV, c), 0);
	KUNIT_EXPECT_EQ(test, kgo_select(cases, 2), 1);
	KUNIT_EXPECT_EQ(test, kgo_kchan_try_recv(kc, &v, sizeof(v)), sizeof(v));
	for (i = 0; i < 20; i++) {
		s.done = false;
		KUNIT_EXPECT_EQ(test, kgo_go(late_send, &s), 0);
		KUNIT_EXPECT_EQ(test, kgo_select(cases, 2), 1);
		v = POISON;
		KUNIT_EXPECT_EQ(test, kgo_kchan_try_recv(kc, &v, sizeof(v)), sizeof(v));
		KUNIT_EXPECT_EQ(test, v, 3);
		until_done(&s);
	}
	kgo_kchan_notify_stop(&n);
	KUNIT_EXPECT_EQ(test, kgo_kchan_send(kc, &v, sizeof(v)), 0);
	KUNIT_EXPECT_EQ(test, kgo_chan_try_recv(c, NULL), -EAGAIN);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	kgo_chan_free(c);
	kgo_chan_free(never);
	kgo_kchan_put(kc);
}

#define CROWD		4
#define PER_SENDER	500

struct crowd {
	struct kgo_kchan *kc;
	struct kgo_wg senders, receivers;
	atomic_t next;
	atomic_t seen[CROWD * PER_SENDER];
};

static void crowd_sender(void *arg)
{
	struct crowd *c = arg;
	u32 i, v;

	for (i = 0; i < PER_SENDER; i++) {
		v = atomic_inc_return(&c->next) - 1;
		kgo_kchan_send(c->kc, &v, sizeof(v));
	}
	kgo_wg_done(&c->senders);
}

static void crowd_receiver(void *arg)
{
	struct crowd *c = arg;
	u32 v;

	while (kgo_kchan_recv(c->kc, &v, sizeof(v)) == sizeof(v))
		atomic_inc(&c->seen[v]);
	kgo_wg_done(&c->receivers);
}

KGO_TEST(every_message_is_received_once)
{
	struct crowd *c = kzalloc(sizeof(*c), GFP_KERNEL);
	u32 i;

	c->kc = kgo_kchan_make(sizeof(u32), 3);
	kgo_wg_add(&c->senders, CROWD);
	kgo_wg_add(&c->receivers, CROWD);
	for (i = 0; i < CROWD; i++) {
		KUNIT_EXPECT_EQ(test, kgo_go(crowd_receiver, c), 0);
		KUNIT_EXPECT_EQ(test, kgo_go(crowd_sender, c), 0);
	}
	kgo_wg_wait(&c->senders);
	kgo_kchan_close(c->kc);
	kgo_wg_wait(&c->receivers);
	for (i = 0; i < CROWD * PER_SENDER; i++)
		KUNIT_EXPECT_EQ(test, atomic_read(&c->seen[i]), 1);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	kgo_kchan_put(c->kc);
	kfree(c);
}

static struct kunit_case kchan_cases[] = {
	KUNIT_CASE(order_boundaries_and_sizes),
	KUNIT_CASE(goroutines_park_with_a_reason),
	KUNIT_CASE(close_and_lost_ends_wake_who_waits),
	KUNIT_CASE(an_interrupt_sends_to_a_goroutine),
	KUNIT_CASE(a_plain_thread_talks_to_a_goroutine),
	KUNIT_CASE(select_over_both_kinds_by_notification),
	KUNIT_CASE(every_message_is_received_once),
	{}
};

static struct kunit_suite kchan_suite = {
	.name = "kgo_kchan",
	.test_cases = kchan_cases,
};

kunit_test_suite(kchan_suite);
