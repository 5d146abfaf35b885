// SPDX-License-Identifier: GPL-2.0
/*
 * A storm of interrupts: hard and soft ones on each CPU send, ready and start,
 * as fast as they come, and not one of them is lost or done twice.
 *
 *   timer (hard irq), per CPU --+--> sends to the channel
 *     `-> irq_work (hard irq) --+--> readies the waker
 *     `-> tasklet (soft irq)  --+--> starts one of the reserve
 *
 * What is counted is what the interrupts were told: a send that found no room
 * and a start that found the reserve empty did not take place.
 */
#include <linux/cpu.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/percpu.h>
#include <linux/workqueue.h>

#include "../compat.h"
#include "test.h"

#define TICKS		500		/* of the timer of each CPU */
#define PERIOD_NS	(50 * NSEC_PER_USEC)
#define RESERVED	32

struct storm;

struct source {
	struct hrtimer timer;
	struct irq_work work;
	struct tasklet_struct tasklet;
	struct storm *storm;
	u32 ticks;
	bool on;
};

struct storm {
	struct source __percpu *src;
	/* In interrupts: does it once.  CONTEXT: hard or soft irq. */
	void (*act)(struct storm *s, u32 seq);
	atomic_t running;	/* timers */
	atomic_t seq;

	struct kgo_kchan *kc;
	struct kgo_chan *c;
	struct kgo_waker waker;
	struct kgo_reserve reserve;
	struct kgo_wg wg;

	atomic_t done;		/* what the interrupts did */
	atomic_t refused;	/* what they were refused */
	atomic_t wrong;
	atomic_t got;		/* what came of it */
	atomic64_t sent_sum;
	atomic64_t got_sum;
	bool over;
};

static void act(struct storm *s)
{
	s->act(s, atomic_inc_return(&s->seq));
}

static void on_work(struct irq_work *work)
{
	act(container_of(work, struct source, work)->storm);
}

static void on_tasklet(struct tasklet_struct *tasklet)
{
	act(container_of(tasklet, struct source, tasklet)->storm);
}

static enum hrtimer_restart on_timer(struct hrtimer *timer)
{
	struct source *src = container_of(timer, struct source, timer);

	act(src->storm);
	irq_work_queue(&src->work);
	tasklet_schedule(&src->tasklet);
	if (++src->ticks == TICKS) {
		atomic_dec(&src->storm->running);
		return HRTIMER_NORESTART;
	}
	hrtimer_forward_now(timer, ns_to_ktime(PERIOD_NS));
	return HRTIMER_RESTART;
}

static long start_timer(void *arg)
{
	struct storm *s = arg;
	struct source *src = this_cpu_ptr(s->src);

	hrtimer_start(&src->timer, ns_to_ktime(PERIOD_NS),
		      HRTIMER_MODE_REL_PINNED_HARD);
	return 0;
}

static bool begin(struct storm *s)
{
	int cpu;

	s->src = alloc_percpu(struct source);
	if (!s->src)
		return false;
	cpus_read_lock();
	for_each_online_cpu(cpu) {
		struct source *src = per_cpu_ptr(s->src, cpu);

		src->storm = s;
		src->on = true;
		src->work = IRQ_WORK_INIT_HARD(on_work);
		tasklet_setup(&src->tasklet, on_tasklet);
		kgo_hrtimer_setup(&src->timer, on_timer, CLOCK_MONOTONIC,
				  HRTIMER_MODE_REL_PINNED_HARD);
		atomic_inc(&s->running);
	}
	for_each_online_cpu(cpu)
		work_on_cpu(cpu, start_timer, s);
	cpus_read_unlock();
	return true;
}

/* Wait until the last interrupt has returned.  CONTEXT: a goroutine. */
static void end(struct storm *s)
{
	int cpu;

	while (atomic_read(&s->running))
		kgo_sleep(NSEC_PER_MSEC);
	for_each_possible_cpu(cpu) {
		struct source *src = per_cpu_ptr(s->src, cpu);

		if (!src->on)
			continue;
		hrtimer_cancel(&src->timer);
		irq_work_sync(&src->work);
		tasklet_kill(&src->tasklet);
	}
	free_percpu(s->src);
}

/* -EAGAIN is an answer, anything else a defect. */
static void told(struct storm *s, int ret, u32 seq)
{
	if (!ret) {
		atomic_inc(&s->done);
		atomic64_add(seq, &s->sent_sum);
	} else if (ret == -EAGAIN) {
		atomic_inc(&s->refused);
	} else {
		atomic_inc(&s->wrong);
	}
}

static void send_kchan(struct storm *s, u32 seq)
{
	told(s, kgo_kchan_try_send(s->kc, &seq, sizeof(seq)), seq);
}

static void receive_kchan(void *arg)
{
	struct storm *s = arg;
	u32 seq;

	while (kgo_kchan_recv(s->kc, &seq, sizeof(seq)) == sizeof(seq)) {
		atomic_inc(&s->got);
		atomic64_add(seq, &s->got_sum);
	}
}

KGO_TEST(what_interrupts_send_to_a_kernel_channel_comes_once)
{
	struct storm s = { .act = send_kchan, .kc = kgo_kchan_make(sizeof(u32), 64) };
	int i;

	KUNIT_EXPECT_NOT_NULL(test, s.kc);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, kgo_wg_go(&s.wg, receive_kchan, &s), 0);
	KUNIT_EXPECT_TRUE(test, begin(&s));
	end(&s);
	kgo_kchan_close(s.kc);
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.wrong), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&s.done), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.done) + atomic_read(&s.refused),
			atomic_read(&s.seq));
	KUNIT_EXPECT_EQ(test, atomic_read(&s.got), atomic_read(&s.done));
	KUNIT_EXPECT_EQ(test, atomic64_read(&s.got_sum), atomic64_read(&s.sent_sum));
	kgo_kchan_put(s.kc);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static void send_chan(struct storm *s, u32 seq)
{
	told(s, kgo_chan_try_send(s->c, &seq), seq);
}

static void receive_chan(void *arg)
{
	struct storm *s = arg;
	u32 seq;

	while (kgo_chan_recv(s->c, &seq) > 0) {
		atomic_inc(&s->got);
		atomic64_add(seq, &s->got_sum);
	}
}

/* Unbuffered: a send takes place only if somebody waits. */
KGO_TEST(what_interrupts_hand_to_who_waits_comes_once)
{
	struct storm s = { .act = send_chan, .c = kgo_chan_make(sizeof(u32), 0) };
	int i;

	KUNIT_EXPECT_NOT_NULL(test, s.c);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, kgo_wg_go(&s.wg, receive_chan, &s), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(3, KGO_WAIT_CHAN_RECEIVE));
	KUNIT_EXPECT_TRUE(test, begin(&s));
	end(&s);
	kgo_chan_close(s.c);
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.wrong), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&s.done), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.got), atomic_read(&s.done));
	KUNIT_EXPECT_EQ(test, atomic64_read(&s.got_sum), atomic64_read(&s.sent_sum));
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, kgo_chan_free(s.c), 0);
}

static void ready(struct storm *s, u32 seq)
{
	atomic_inc(&s->done);
	kgo_ready(&s->waker);
}

/* Takes what was done since it looked last; a permit is one for all of that. */
static void parks(void *arg)
{
	struct storm *s = arg;

	while (!READ_ONCE(s->over) || atomic_read(&s->done)) {
		atomic_add(atomic_xchg(&s->done, 0), &s->got);
		kgo_park(&s->waker);
	}
}

/* Were one lost, the last would not be looked for. */
KGO_TEST(no_ready_of_an_interrupt_is_lost)
{
	struct storm s = { .act = ready };

	KUNIT_EXPECT_EQ(test, kgo_wg_go(&s.wg, parks, &s), 0);
	KUNIT_EXPECT_TRUE(test, begin(&s));
	end(&s);
	/* All are taken without another ready: the last one's permit was kept. */
	while (atomic_read(&s.got) != atomic_read(&s.seq))
		kgo_sleep(NSEC_PER_MSEC);
	WRITE_ONCE(s.over, true);
	kgo_ready(&s.waker);
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.got), atomic_read(&s.seq));
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static void born(void *arg)
{
	struct storm *s = arg;

	atomic_inc(&s->got);
}

static void start(struct storm *s, u32 seq)
{
	told(s, kgo_go_reserved(&s->reserve, born, s), seq);
}

KGO_TEST(what_interrupts_start_runs_once)
{
	struct storm s = { .act = start };
	s64 patience = ktime_get_ns() + 60LL * NSEC_PER_SEC;

	KUNIT_EXPECT_EQ(test, kgo_reserve_init(&s.reserve, RESERVED), 0);
	KUNIT_EXPECT_TRUE(test, begin(&s));
	end(&s);
	while (atomic_read(&s.got) != atomic_read(&s.done) && ktime_get_ns() < patience)
		kgo_sleep(NSEC_PER_MSEC);
	kgo_reserve_destroy(&s.reserve);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.wrong), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&s.done), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.done) + atomic_read(&s.refused),
			atomic_read(&s.seq));
	KUNIT_EXPECT_EQ(test, atomic_read(&s.got), atomic_read(&s.done));
}

static struct kunit_case irq_cases[] = {
	KUNIT_CASE(what_interrupts_send_to_a_kernel_channel_comes_once),
	KUNIT_CASE(what_interrupts_hand_to_who_waits_comes_once),
	KUNIT_CASE(no_ready_of_an_interrupt_is_lost),
	KUNIT_CASE(what_interrupts_start_runs_once),
	{}
};

static struct kunit_suite irq_suite = {
	.name = "kgo_irq",
	.test_cases = irq_cases,
};

kunit_test_suite(irq_suite);
