// SPDX-License-Identifier: GPL-2.0
/*
 * What may be called from any context, called from each: hard and soft
 * interrupts, a goroutine that holds a spinlock or has interrupts off, and a
 * thread that is no goroutine.
 */
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/preempt.h>
#include <linux/spinlock.h>

#include "../kernel.h"
#include "test.h"

enum place {
	HARDIRQ, SOFTIRQ, BH_OFF, IRQS_OFF, LOCKED, RCU, THREAD, NR_PLACES
};

static const char *const place_names[] = {
	"hard irq", "soft irq", "bh off", "irqs off", "spinlock held",
	"RCU section", "thread",
};

struct call {
	struct irq_work irq_work;
	struct tasklet_struct tasklet;
	struct completion done;
	void (*fn)(void *arg);
	void *arg;
};

static void do_call(struct call *call)
{
	call->fn(call->arg);
	complete(&call->done);
}

static void from_hardirq(struct irq_work *work)
{
	do_call(container_of(work, struct call, irq_work));
}

static void from_softirq(struct tasklet_struct *tasklet)
{
	do_call(container_of(tasklet, struct call, tasklet));
}

static int from_thread(void *call)
{
	do_call(call);
	return 0;
}

static DEFINE_RAW_SPINLOCK(some_lock);

/* Call fn(arg) there, from a goroutine, and wait until it has returned. */
static void call_in(enum place place, void (*fn)(void *), void *arg)
{
	struct call call = { .fn = fn, .arg = arg };
	unsigned long flags;

	init_completion(&call.done);
	switch (place) {
	case HARDIRQ:
		call.irq_work = IRQ_WORK_INIT_HARD(from_hardirq);
		irq_work_queue(&call.irq_work);
		wait_for_completion(&call.done);
		irq_work_sync(&call.irq_work);
		return;
	case SOFTIRQ:
		tasklet_setup(&call.tasklet, from_softirq);
		tasklet_schedule(&call.tasklet);
		wait_for_completion(&call.done);
		tasklet_kill(&call.tasklet);
		return;
	case BH_OFF:
		local_bh_disable();
		fn(arg);
		local_bh_enable();
		return;
	case IRQS_OFF:
		local_irq_save(flags);
		fn(arg);
		local_irq_restore(flags);
		return;
	case LOCKED:
		raw_spin_lock_irqsave(&some_lock, flags);
		fn(arg);
		raw_spin_unlock_irqrestore(&some_lock, flags);
		return;
	case RCU:
		rcu_read_lock();
		fn(arg);
		rcu_read_unlock();
		return;
	default:
		kthread_run(from_thread, &call, "kgo_test");
		wait_for_completion(&call.done);
	}
}

struct shared {
	struct kgo_waker waker;
	struct kgo_reserve reserve;
	struct kgo_chan *c;
	struct kgo_wg wg;
	struct kgo_semaphore sem;
	atomic_t ran;
	u32 v;
	int ret;
};

static void ready_it(void *arg)
{
	struct shared *s = arg;

	kgo_ready(&s->waker);
}

static void park_it(void *arg)
{
	struct shared *s = arg;

	s->ret = kgo_park(&s->waker);
	atomic_inc(&s->ran);
}

KGO_TEST(a_parked_goroutine_is_readied_from_anywhere)
{
	struct shared s = { .ret = 99 };
	u32 i;

	for (i = 0; i < NR_PLACES; i++) {
		s.ret = 99;
		KUNIT_EXPECT_EQ(test, kgo_wg_go(&s.wg, park_it, &s), 0);
		KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(1, KGO_WAIT_WAKER));
		call_in(i, ready_it, &s);
		kgo_wg_wait(&s.wg);
		KUNIT_EXPECT_EQ_MSG(test, s.ret, 0, "from %s", place_names[i]);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&s.ran), NR_PLACES);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

KGO_TEST(a_permit_from_anywhere_is_kept)
{
	struct shared s = {};
	u32 i;

	for (i = 0; i < NR_PLACES; i++) {
		call_in(i, ready_it, &s);
		KUNIT_EXPECT_EQ(test, kgo_park(&s.waker), 0);
		KUNIT_EXPECT_EQ(test, kgo_park_timeout(&s.waker, 0), -ETIMEDOUT);
		KUNIT_EXPECT_EQ(test, kgo_park_timeout(&s.waker, 1000), -ETIMEDOUT);
	}
}

static void try_send(void *arg)
{
	struct shared *s = arg;

	s->ret = kgo_chan_try_send(s->c, &s->v);
}

static void try_recv(void *arg)
{
	struct shared *s = arg;

	s->v = 0xa5a5a5a5;
	s->ret = kgo_chan_try_recv(s->c, &s->v);
}

static void close_it(void *arg)
{
	struct shared *s = arg;

	s->ret = kgo_chan_close(s->c);
}

static void receive_one(void *arg)
{
	struct shared *s = arg;
	u32 v = 0;

	kgo_chan_recv(s->c, &v);
	atomic_add(v, &s->ran);
}

KGO_TEST(values_go_through_a_channel_from_and_to_anywhere)
{
	struct shared s = { .c = kgo_chan_make(sizeof(u32), 1) };
	u32 i;

	for (i = 0; i < NR_PLACES; i++) {
		s.v = i + 1;
		call_in(i, try_send, &s);
		KUNIT_EXPECT_EQ(test, s.ret, 0);
		call_in(i, try_send, &s);
		KUNIT_EXPECT_EQ_MSG(test, s.ret, -EAGAIN, "%s", place_names[i]);
		call_in(i, try_recv, &s);
		KUNIT_EXPECT_EQ(test, s.ret, 1);
		KUNIT_EXPECT_EQ(test, s.v, i + 1);
		call_in(i, try_recv, &s);
		KUNIT_EXPECT_EQ(test, s.ret, -EAGAIN);
		/* To one that waits. */
		atomic_set(&s.ran, 0);
		KUNIT_EXPECT_EQ(test, kgo_wg_go(&s.wg, receive_one, &s), 0);
		KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(1, KGO_WAIT_CHAN_RECEIVE));
		s.v = 7;
		call_in(i, try_send, &s);
		kgo_wg_wait(&s.wg);
		KUNIT_EXPECT_EQ(test, atomic_read(&s.ran), 7);
	}
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, kgo_chan_free(s.c), 0);
}

KGO_TEST(a_channel_is_closed_from_anywhere)
{
	struct shared s = {};
	u32 i;

	for (i = 0; i < NR_PLACES; i++) {
		s.c = kgo_chan_make(sizeof(u32), 0);
		KUNIT_EXPECT_EQ(test, kgo_wg_go(&s.wg, receive_one, &s), 0);
		KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(1, KGO_WAIT_CHAN_RECEIVE));
		call_in(i, close_it, &s);
		KUNIT_EXPECT_EQ(test, s.ret, 0);
		kgo_wg_wait(&s.wg);
		/* Misuse is an error there, and no panic. */
		call_in(i, close_it, &s);
		KUNIT_EXPECT_EQ_MSG(test, s.ret, -EPIPE, "%s", place_names[i]);
		call_in(i, try_send, &s);
		KUNIT_EXPECT_EQ_MSG(test, s.ret, -EPIPE, "%s", place_names[i]);
		KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
		KUNIT_EXPECT_EQ(test, kgo_chan_free(s.c), 0);
	}
}

static void select_it(void *arg)
{
	struct shared *s = arg;
	struct kgo_case cases[] = {
		KGO_RECV(s->c, &s->v),
		KGO_RECV(NULL, NULL),
	};

	s->ret = kgo_select_try(cases, 2);
}

static void count_down(void *arg)
{
	struct shared *s = arg;

	kgo_wg_done(&s->wg);
	kgo_semaphore_release(&s->sem, 1);
}

static void wait_for_both(void *arg)
{
	struct shared *s = arg;

	kgo_semaphore_acquire(&s->sem, NULL, 1);
	kgo_wg_wait(&s->wg);
	atomic_inc(&s->ran);
}

KGO_TEST(select_waitgroup_and_semaphore_work_from_anywhere)
{
	struct shared s = { .c = kgo_chan_make(sizeof(u32), 1) };
	u32 i;

	kgo_semaphore_init(&s.sem, 1);
	for (i = 0; i < NR_PLACES; i++) {
		s.v = 3;
		call_in(i, select_it, &s);
		KUNIT_EXPECT_EQ(test, s.ret, -EAGAIN);
		try_send(&s);
		s.v = 0xa5a5a5a5;
		call_in(i, select_it, &s);
		KUNIT_EXPECT_EQ(test, s.ret, 0);
		KUNIT_EXPECT_EQ(test, s.v, 3);

		atomic_set(&s.ran, 0);
		kgo_wg_add(&s.wg, 1);
		KUNIT_EXPECT_TRUE(test, kgo_semaphore_try_acquire(&s.sem, 1));
		KUNIT_EXPECT_EQ(test, kgo_go(wait_for_both, &s), 0);
		KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(1, KGO_WAIT_SEMAPHORE));
		call_in(i, count_down, &s);
		KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
		KUNIT_EXPECT_EQ_MSG(test, atomic_read(&s.ran), 1, "%s", place_names[i]);
		kgo_semaphore_release(&s.sem, 1);
	}
	KUNIT_EXPECT_EQ(test, kgo_chan_free(s.c), 0);
}

static void run_once(void *arg)
{
	struct shared *s = arg;

	atomic_inc(&s->ran);
	kgo_park(&s->waker);
}

static void start_it(void *arg)
{
	struct shared *s = arg;

	s->ret = kgo_go_reserved(&s->reserve, run_once, s);
}

KGO_TEST(a_reserve_starts_from_anywhere_and_no_more_than_it_has)
{
	struct shared s = {};
	u64 end;
	u32 i;

	KUNIT_EXPECT_EQ(test, kgo_reserve_init(&s.reserve, 1), 0);
	for (i = 0; i < NR_PLACES; i++) {
		end = kgo_num_ended();
		call_in(i, start_it, &s);
		KUNIT_EXPECT_EQ_MSG(test, s.ret, 0, "%s", place_names[i]);
		call_in(i, start_it, &s);
		KUNIT_EXPECT_EQ(test, s.ret, -EAGAIN);
		kgo_ready(&s.waker);
		while (kgo_num_ended() == end)
			kgo_sleep(NSEC_PER_MSEC);
		/* Its place comes back a step later than it is counted. */
		while (atomic_read(&s.ran) == i)
			kgo_sleep(NSEC_PER_MSEC);
		kgo_reserve_destroy(&s.reserve);
		KUNIT_EXPECT_EQ(test, atomic_read(&s.ran), i + 1);
		KUNIT_EXPECT_EQ(test, kgo_reserve_init(&s.reserve, 1), 0);
	}
	kgo_reserve_destroy(&s.reserve);
}

static void wait_somehow(void *arg)
{
	struct shared *s = arg;
	u32 v;

	s->ret = 0;
	s->ret |= kgo_chan_recv(s->c, &v) != -EPERM;
	s->ret |= kgo_chan_recv_timeout(s->c, &v, 1000) != -EPERM;
	s->ret |= kgo_sleep(1000) != -EPERM;
	s->ret |= kgo_park(&s->waker) != -EPERM;
	kgo_yield();
}

static char last_text[160];
static atomic_t nr_texts;

static void keep_text(const char *text)
{
	strscpy(last_text, text, sizeof(last_text));
	atomic_inc(&nr_texts);
}

/* No goroutine: an error, and told. */
KGO_TEST(a_thread_cannot_park)
{
	struct shared s = { .c = kgo_chan_make(sizeof(u32), 0), .ret = 99 };

	kgo_test_catch_throws();
	WRITE_ONCE(kgo_might_park_hook, keep_text);
	call_in(THREAD, wait_somehow, &s);
	WRITE_ONCE(kgo_might_park_hook, NULL);
	KUNIT_EXPECT_EQ(test, s.ret, 0);
	KUNIT_EXPECT_EQ(test, kgo_test_throws(), 5);
	KUNIT_EXPECT_EQ(test, kgo_chan_free(s.c), 0);
}

static void receive_at_once(void *arg)
{
	struct shared *s = arg;

	s->ret = kgo_chan_recv(s->c, &s->v);
}

/* None of them has to wait, and each is told of. */
KGO_TEST(who_might_park_where_he_must_not_is_told)
{
	static const char *const says[] = {
		[BH_OFF] = "with preemption off",
		[IRQS_OFF] = "with interrupts off",
		[LOCKED] = "with interrupts off",
		[RCU] = "in an RCU read section",
	};
	struct shared s = { .c = kgo_chan_make(sizeof(u32), 1) };
	u32 i;

	if (!IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP) &&
	    !IS_ENABLED(CONFIG_PROVE_LOCKING))
		return;
	for (i = 0; i < ARRAY_SIZE(says); i++) {
		if (!says[i])
			continue;
		try_send(&s);
		atomic_set(&nr_texts, 0);
		WRITE_ONCE(kgo_might_park_hook, keep_text);
		call_in(i, receive_at_once, &s);
		WRITE_ONCE(kgo_might_park_hook, NULL);
		KUNIT_EXPECT_EQ(test, s.ret, 1);
		KUNIT_EXPECT_EQ(test, atomic_read(&nr_texts), 1);
		KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(last_text, "parks in kgo_chan_recv() "),
					  "%s", last_text);
		KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(last_text, "goroutine "),
					  "%s", last_text);
		KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(last_text, says[i]),
					  "%s: %s", place_names[i], last_text);
	}
	/* In the right place nothing is said. */
	try_send(&s);
	atomic_set(&nr_texts, 0);
	WRITE_ONCE(kgo_might_park_hook, keep_text);
	receive_at_once(&s);
	WRITE_ONCE(kgo_might_park_hook, NULL);
	KUNIT_EXPECT_EQ(test, atomic_read(&nr_texts), 0);
	KUNIT_EXPECT_EQ(test, kgo_chan_free(s.c), 0);
}

static struct kunit_case anywhere_cases[] = {
	KUNIT_CASE(a_parked_goroutine_is_readied_from_anywhere),
	KUNIT_CASE(a_permit_from_anywhere_is_kept),
	KUNIT_CASE(values_go_through_a_channel_from_and_to_anywhere),
	KUNIT_CASE(a_channel_is_closed_from_anywhere),
	KUNIT_CASE(select_waitgroup_and_semaphore_work_from_anywhere),
	KUNIT_CASE(a_reserve_starts_from_anywhere_and_no_more_than_it_has),
	KUNIT_CASE(a_thread_cannot_park),
	KUNIT_CASE(who_might_park_where_he_must_not_is_told),
	{}
};

static struct kunit_suite anywhere_suite = {
	.name = "kgo_anywhere",
	.test_cases = anywhere_cases,
};

kunit_test_suite(anywhere_suite);
