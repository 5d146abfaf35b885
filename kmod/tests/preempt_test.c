// SPDX-License-Identifier: GPL-2.0
/*
 * When a time slice is over, from records alone; that goroutines of the kernel
 * which only poll let others go on; and that a thread's timer ends with it.
 */
#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/sched/task.h>

#include "test.h"
#include "../core/arb.h"
#include "../runtime.h"

#define AGAIN_NS	NSEC_PER_MSEC	/* of slice.c */

struct fix {
	struct arb arb;
	struct arb_m m[2];
	struct kgo_rdesc r;
	struct kgo_pdesc *p;
	u64 word;
	struct arb_slice s;
	u64 now;
};

static void no_grant(struct arb *arb, struct arb_m *am)
{
}

/* M 0 owns the only P and runs a slice that somebody has just looked at. */
static struct fix *running(struct kunit *test)
{
	struct fix *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->p = kunit_kzalloc(test, KGO_P_STRIDE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, f->p);
	f->arb.word = &f->word;
	f->arb.grant = no_grant;
	KUNIT_ASSERT_EQ(test, arb_init(&f->arb, 1, &f->r, f->p), 0);
	for (i = 0; i < ARRAY_SIZE(f->m); i++) {
		arb_m_init(&f->m[i], i);
		arb_join(&f->arb, &f->m[i]);
	}
	KUNIT_ASSERT_GE(test, arb_acquire(&f->arb, &f->m[0]), 0);
	f->now = NSEC_PER_SEC;
	KUNIT_EXPECT_FALSE(test, arb_slice_is_over(&f->arb, 0, &f->s, f->now));
	return f;
}

static bool over_after(struct fix *f, u64 ns)
{
	f->now += ns;
	return arb_slice_is_over(&f->arb, 0, &f->s, f->now);
}

static void a_slice_is_over_in_time_and_again(struct kunit *test)
{
	struct fix *f = running(test);

	f->p->runnext = 1;
	KUNIT_EXPECT_FALSE(test, over_after(f, ARB_SLICE_NS - 1));
	KUNIT_EXPECT_TRUE(test, over_after(f, 1));
	KUNIT_EXPECT_FALSE(test, over_after(f, AGAIN_NS - 1));
	KUNIT_EXPECT_TRUE(test, over_after(f, 1));
	arb_destroy(&f->arb);
}

static void who_waits_ends_a_slice(struct kunit *test)
{
	struct fix *f = running(test);

	KUNIT_EXPECT_FALSE(test, over_after(f, ARB_SLICE_NS));
	f->p->timer_when = f->now + 1;
	KUNIT_EXPECT_FALSE(test, over_after(f, 0));
	KUNIT_EXPECT_TRUE(test, over_after(f, 1));
	f->p->timer_when = 0;
	KUNIT_EXPECT_FALSE(test, over_after(f, ARB_SLICE_NS));
	f->p->runq_tail = 1;
	KUNIT_EXPECT_TRUE(test, over_after(f, 0));
	f->p->runq_head = 1;
	KUNIT_EXPECT_FALSE(test, over_after(f, ARB_SLICE_NS));
	f->r.gq_len = 1;
	KUNIT_EXPECT_TRUE(test, over_after(f, 0));
	f->r.gq_len = 0;
	KUNIT_EXPECT_FALSE(test, over_after(f, ARB_SLICE_NS));
	KUNIT_EXPECT_FALSE(test, arb_can_give_way(&f->arb));
	arb_park(&f->arb, &f->m[1], KGO_ENTER_PARK_WANT, NULL);
	KUNIT_EXPECT_TRUE(test, over_after(f, 0));
	KUNIT_EXPECT_TRUE(test, arb_can_give_way(&f->arb));
	arb_unpark(&f->arb, &f->m[1]);
	KUNIT_EXPECT_FALSE(test, arb_can_give_way(&f->arb));
	arb_destroy(&f->arb);
}

static void another_slice_or_owner_has_its_own_time(struct kunit *test)
{
	struct fix *f = running(test);

	f->p->runnext = 1;
	f->p->slicetick++;
	KUNIT_EXPECT_FALSE(test, over_after(f, ARB_SLICE_NS));
	/* Goroutines of one slice share its time. */
	f->p->schedtick++;
	KUNIT_EXPECT_TRUE(test, over_after(f, ARB_SLICE_NS));
	/* A block starts it anew, even if the P is still there afterwards. */
	arb_block(&f->arb, &f->m[0]);
	KUNIT_EXPECT_FALSE(test, over_after(f, ARB_SLICE_NS));
	KUNIT_EXPECT_FALSE(test, over_after(f, ARB_SLICE_NS));
	arb_unblock(&f->arb, &f->m[0]);
	KUNIT_EXPECT_FALSE(test, over_after(f, ARB_SLICE_NS));
	KUNIT_EXPECT_TRUE(test, over_after(f, ARB_SLICE_NS));
	arb_release(&f->arb, &f->m[0], NULL);
	KUNIT_EXPECT_FALSE(test, over_after(f, ARB_SLICE_NS));
	KUNIT_EXPECT_FALSE(test, over_after(f, ARB_SLICE_NS));
	arb_destroy(&f->arb);
}

struct pollers {
	struct kgo_chan *empty;
	atomic_t seen;
	atomic_t late;
	u32 n;
};

/* Polls until all have been seen. */
static void poll(void *arg)
{
	struct pollers *p = arg;
	s64 end = ktime_get_ns() + 20LL * NSEC_PER_SEC;

	atomic_inc(&p->seen);
	while (atomic_read(&p->seen) < p->n) {
		kgo_chan_try_recv(p->empty, NULL);
		if (ktime_get_ns() > end) {
			atomic_inc(&p->late);
			return;
		}
		cond_resched();
	}
}

KGO_TEST(who_only_polls_lets_others_go_on)
{
	struct pollers p = {
		.empty = kgo_chan_make(0, 0),
		.n = kgo_rt.nr_ps + 2,
	};
	u32 i;

	for (i = 0; i < p.n; i++)
		KUNIT_EXPECT_EQ(test, kgo_go(poll, &p), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, atomic_read(&p.late), 0);
	KUNIT_EXPECT_EQ(test, kgo_chan_free(p.empty), 0);
}

/* Who keeps the memory of a thread that leaves, and looks at its timer then. */
struct witness {
	struct kgo_runtime *rt;
	struct completion holds;
	bool left;			/* the thread has, and has slept since */
	bool was_queued, is_queued, is_known;
};

static int hold_and_look(void *arg)
{
	struct witness *w = arg;
	struct kgo_thread *th;

	rcu_read_lock();
	th = xa_load(&w->rt->threads, 0);
	w->was_queued = hrtimer_active(&th->tick);
	complete(&w->holds);
	/* The other one may have this CPU meanwhile. */
	while (!smp_load_acquire(&w->left))	/* pair: store in the test */
		cpu_relax();
	w->is_known = xa_load(&w->rt->threads, 0);
	w->is_queued = hrtimer_active(&th->tick);
	rcu_read_unlock();
	return 0;
}

/*
 * A slice is so short that its timer would have ended by itself before the
 * memory is given back, mostly: here it is an hour.
 */
static void a_threads_timer_has_ended_before_its_memory_is_gone(struct kunit *test)
{
	const struct kgo_runtime_args args = {
		.nr_ps = 1, .nr_ms = 1, .nr_gs = 64, .features = KGO_FEAT_PREEMPT,
	};
	struct witness w = { .is_queued = true, .is_known = true };
	struct task_struct *task;
	struct kgo_thread *th;

	if (!IS_ENABLED(CONFIG_PREEMPT_RCU))
		kunit_skip(test, "a reader would keep this thread from its CPU");
	init_completion(&w.holds);
	w.rt = kgo_runtime_create(&args);
	KUNIT_ASSERT_FALSE(test, IS_ERR(w.rt));
	KUNIT_ASSERT_EQ(test, kgo_thread_attach(w.rt, &th), 0);
	hrtimer_start(&th->tick, ms_to_ktime(3600 * MSEC_PER_SEC),
		      HRTIMER_MODE_REL_PINNED);

	task = kthread_create(hold_and_look, &w, "kgo_witness");
	if (!IS_ERR(task)) {
		get_task_struct(task);
		wake_up_process(task);
		wait_for_completion(&w.holds);
	}
	KUNIT_EXPECT_EQ(test, kgo_thread_detach(th), 0);
	/* Whatever could start it again has had the time to. */
	schedule_timeout_uninterruptible(1);
	smp_store_release(&w.left, true);	/* pair: hold_and_look() */
	KUNIT_EXPECT_FALSE(test, IS_ERR(task));
	if (!IS_ERR(task)) {
		/* It has to have ended, and is not told to. */
		kthread_stop(task);
		put_task_struct(task);
	}
	KUNIT_EXPECT_TRUE(test, w.was_queued);
	KUNIT_EXPECT_FALSE(test, w.is_known);
	KUNIT_EXPECT_FALSE(test, w.is_queued);
	kgo_runtime_put(w.rt);
}

static struct kunit_case preempt_cases[] = {
	KUNIT_CASE(a_slice_is_over_in_time_and_again),
	KUNIT_CASE(who_waits_ends_a_slice),
	KUNIT_CASE(another_slice_or_owner_has_its_own_time),
	KUNIT_CASE(who_only_polls_lets_others_go_on),
	KUNIT_CASE(a_threads_timer_has_ended_before_its_memory_is_gone),
	{}
};

static struct kunit_suite preempt_suite = {
	.name = "kgo_preempt",
	.test_cases = preempt_cases,
};

kunit_test_suite(preempt_suite);
