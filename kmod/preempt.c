// SPDX-License-Identifier: GPL-2.0
/*
 * Preemption: a timer for each thread that runs goroutines looks whether its
 * goroutine has had its turn (core/slice.c) and says so in the thread's record
 * and, if it computes in user mode right now, by a signal.
 *
 * The timer runs on the CPU that its thread runs on, where the interrupt shows
 * what was interrupted: user mode, or a system call, which is left alone.  That
 * is why no call ever returns EINTR for it, and why the signal is delivered at
 * the end of this very interrupt.
 *
 * Invariants:
 *   - Only the thread itself starts its timer: in sched_in, and in ENTER when
 *     it comes by a P there.  It moves with the thread at sched_in.
 *   - The timer stops by itself when it finds that its thread sleeps or runs
 *     elsewhere, or has no P.  So a sleeping thread has none for longer than
 *     a period, and sched_out, and a sched_in on the same CPU, need no more
 *     than a comparison.
 *   - th->tick_cpu names the CPU where it is queued, or is -1: written there
 *     in its interrupt, else by the thread with the timer cancelled.
 *   - It is gone before the thread's memory is (kgo_preempt_stop()).
 *
 * Non-goal: kernels with PREEMPT_RT, which run such timers in threads, and must,
 * because of the signal's lock.  There the feature is not offered.
 *
 * Rejected: one timer per P.  It would fire on another CPU than the thread's,
 * which would have to be interrupted to see whether it is in user mode.  To
 * start and cancel it at each switch: that costs more than a switch, for
 * threads that mostly block long before.
 */
#include <linux/hrtimer.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>

#include <asm/irq_regs.h>
#include <asm/ptrace.h>

#include "compat.h"
#include "runtime.h"
#include "trace.h"

#define KGO_TICK_NS	(ARB_SLICE_NS / 2)
#define KGO_RETRY_NS	(ARB_SLICE_NS / 10)

/*
 * Is the current thread in user mode, where it can be sent the signal now?
 * CONTEXT: its timer's interrupt, over the thread.
 */
static bool kgo_is_in_user_mode(struct kgo_thread *th)
{
	struct pt_regs *regs = get_irq_regs();

	return regs && user_mode(regs) && !READ_ONCE(th->md->in_sched) &&
	       !sigismember(&current->blocked, th->rt->preempt_signal);
}

/*
 * Tell the thread, which has P @p or none.
 * Return: false if it has to hear it again soon.
 */
static bool kgo_tell(struct kgo_thread *th, u32 p)
{
	struct kgo_runtime *rt = th->rt;

	if (p != KGO_NONE)
		cmpxchg(&th->md->p, p, p | KGO_P_PREEMPT);
	if (!rt->preempt_signal || !arb_can_give_way(&rt->arb))
		return true;
	if (!kgo_is_in_user_mode(th))
		return false;
	trace_kgo_preempt(rt->id, th->am.index, p);
	send_sig(rt->preempt_signal, current, 1);
	return true;
}

/*
 * Is it the turn of others?  A thread that has lost its P while it was blocked
 * and computes on without one has had its turn, if it did so for a period.
 */
static bool kgo_time_is_up(struct kgo_thread *th, u32 p, u64 now)
{
	if (p != KGO_NONE)
		return arb_slice_is_over(&th->rt->arb, p, &th->slice, now);
	if (READ_ONCE(th->astray))
		return true;
	WRITE_ONCE(th->astray, true);
	return false;
}

/* CONTEXT: hard interrupt, where spinlocks may be taken. */
static enum hrtimer_restart kgo_tick(struct hrtimer *timer)
{
	struct kgo_thread *th = container_of(timer, struct kgo_thread, tick);
	u64 next = KGO_TICK_NS;
	u32 p;

	/* Once: one that parks, and does not sleep yet, may be granted a P. */
	p = READ_ONCE(th->am.p);
	if (current != th->task || READ_ONCE(th->end) != KGO_LIVE ||
	    (p == KGO_NONE && !READ_ONCE(th->lost))) {
		WRITE_ONCE(th->tick_cpu, -1);
		return HRTIMER_NORESTART;
	}
	if (kgo_time_is_up(th, p, ktime_get_ns()) && !kgo_tell(th, p))
		next = KGO_RETRY_NS;
	hrtimer_forward_now(timer, ns_to_ktime(next));
	return HRTIMER_RESTART;
}

/**
 * kgo_preempt_init() - Set up a thread's timer
 * @th: being attached
 */
void kgo_preempt_init(struct kgo_thread *th)
{
	th->tick_cpu = -1;
	kgo_hrtimer_setup(&th->tick, kgo_tick, CLOCK_MONOTONIC,
			  HRTIMER_MODE_REL_PINNED);
}

/**
 * kgo_preempt_move() - Let the timer run on the caller's CPU; see kgo_preempt_watch()
 * @th: the calling thread's
 * @cpu: where it is
 *
 * CONTEXT: preemption off, no run queue lock.
 */
void kgo_preempt_move(struct kgo_thread *th, int cpu)
{
	/* Its interrupt may be on its last steps on another CPU: no moving then. */
	hrtimer_cancel(&th->tick);
	WRITE_ONCE(th->tick_cpu, cpu);
	hrtimer_start(&th->tick, ns_to_ktime(KGO_TICK_NS),
		      HRTIMER_MODE_REL_PINNED);
}

/**
 * kgo_preempt_stop() - The timer is not started any more, and has ended
 * @th: no M any more
 *
 * CONTEXT: may sleep.
 */
void kgo_preempt_stop(struct kgo_thread *th)
{
	hrtimer_cancel(&th->tick);
}
