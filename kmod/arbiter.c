// SPDX-License-Identifier: GPL-2.0
/*
 * ENTER: the kernel's side of the arbiter, where threads sleep and are woken.
 * Who gets what is decided in core/arb.c.
 *
 * Invariants:
 *   - A thread that sleeps here has th->parking set: a P that is granted to it
 *     before it has left schedule() is not taken away by its own sched_out.
 *   - What it owns is in its shared record before it returns.
 *   - A grant is never lost: it is in the arbiter's am->mode, which the sleeper
 *     looks at after it has set its state, and the waker writes before it
 *     wakes.  A frozen or stopped thread finds it when it goes on.
 *
 * A thread whose wait is cut short by a signal owns no P, and is told so by
 * -EINTR: the program has a handler to run, and that may take long.
 */
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "runtime.h"
#include "trace.h"

void arb_port_grant(struct arb *arb, struct arb_m *am)
{
	struct kgo_thread *th = container_of(am, struct kgo_thread, am);

	trace_kgo_grant(kgo_arb_runtime(arb)->id, am->index, am->p);
	wake_up_process(th->task);
}

/* Is there a reason to stop waiting that is not a grant? */
static bool kgo_wait_is_cut(struct kgo_runtime *rt)
{
	if (!rt->mm)
		return kthread_should_stop();
	return signal_pending(current);
}

/* Sleep until arb_granted().  Return: 0, or -ETIME, -EINTR without a P. */
static int kgo_wait_granted(struct kgo_runtime *rt, struct kgo_thread *th,
			    u64 deadline)
{
	ktime_t when = min_t(u64, deadline, KTIME_MAX);
	int ret = 0;

	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
		if (arb_granted(&rt->arb, &th->am)) {
			ret = 0;
			break;
		}
		if (ret)
			break;
		if (kgo_wait_is_cut(rt)) {
			ret = -EINTR;
			break;
		}
		if (!deadline)
			schedule();
		else if (!schedule_hrtimeout_range(&when, current->timer_slack_ns,
						   HRTIMER_MODE_ABS))
			ret = -ETIME;
	}
	__set_current_state(TASK_RUNNING);
	if (!ret)
		return 0;

	/* A grant of the last moment is one. */
	arb_unpark(&rt->arb, &th->am);
	return READ_ONCE(th->am.p) == KGO_NONE ? ret : 0;
}

static int kgo_call(struct kgo_thread *th, u32 op, struct kgo_thread *to)
{
	struct arb *arb = &th->rt->arb;

	if (op == KGO_ENTER_RELEASE)
		return arb_release(arb, &th->am, to ? &to->am : NULL);
	return arb_park(arb, &th->am, op, to ? &to->am : NULL);
}

/*
 * One call of the arbiter that names another thread.  Under RCU, so that the
 * other's memory stays; whether it is still an M is for the arbiter to say.
 */
static int kgo_call_by_index(struct kgo_thread *th, u32 op, u32 target)
{
	struct kgo_thread *to;
	int ret = -ESRCH;

	if (READ_ONCE(th->am.p) == KGO_NONE)
		return -ENXIO;
	rcu_read_lock();
	to = kgo_thread_at(th->rt, target);
	if (to)
		ret = kgo_call(th, op, to);
	rcu_read_unlock();
	return ret;
}

static int kgo_give(struct kgo_thread *th, u32 op, u32 flags, u32 target,
		    struct kgo_thread *to)
{
	if (to || !(flags & KGO_ENTER_F_GIVE))
		return kgo_call(th, op, to);
	return kgo_call_by_index(th, op, target);
}

static int kgo_thread_park(struct kgo_runtime *rt, struct kgo_thread *th,
			   u32 op, u32 flags, u32 target, struct kgo_thread *to,
			   u64 deadline, u32 *result)
{
	int ret;

	/*
	 * Read by this thread's own notifiers only.  Set before it is listed:
	 * from then on it may be granted a P.
	 */
	WRITE_ONCE(th->parking, true);
	barrier();
	ret = kgo_give(th, op, flags, target, to);
	if (!ret && unlikely(th->am.suspect) &&
	    arb_dead(&rt->arb, &th->am, get_nr_threads(current))) {
		trace_kgo_deadlock(rt->id, th->am.index);
		ret = -EDEADLK;
	} else if (!ret) {
		trace_kgo_park(rt->id, th->am.index, op);
		ret = kgo_wait_granted(rt, th, deadline);
	} else if (ret > 0) {
		ret = 0;
	}
	if (!ret)
		*result = th->am.result;
	barrier();
	WRITE_ONCE(th->parking, false);
	return ret;
}

/**
 * kgo_enter() - Give, take, or wait for a P; KGO_IOC_ENTER for all kinds of M
 * @rt: the runtime
 * @th: the calling thread's, or NULL with %KGO_ENTER_WAKE
 * @op: enum kgo_enter_op
 * @flags: KGO_ENTER_F_*, valid for @op
 * @target: index of a thread for %KGO_ENTER_F_GIVE, not the caller's
 * @to: that thread, if the caller knows it and sees to it that it stays; or NULL
 * @deadline: CLOCK_MONOTONIC ns for the PARK operations, 0 for never
 * @result: out: KGO_ENTER_R_*; with %KGO_ENTER_WAKE, %KGO_ENTER_R_WAKE if it
 *	was a spare thread that was woken
 *
 * CONTEXT: process context, where the PARK operations sleep; %KGO_ENTER_WAKE
 * anywhere but in NMI and with locks of the scheduler's held.
 * Return: as &struct kgo_enter says.  A kthread gets -EINTR if it should stop.
 */
int kgo_enter(struct kgo_runtime *rt, struct kgo_thread *th, u32 op, u32 flags,
	      u32 target, struct kgo_thread *to, u64 deadline, u32 *result)
{
	int ret;

	*result = 0;
	switch (op) {
	case KGO_ENTER_ACQUIRE:
		ret = arb_acquire(&rt->arb, &th->am);
		break;
	case KGO_ENTER_RELEASE:
		ret = kgo_give(th, op, flags, target, to);
		break;
	case KGO_ENTER_WAKE:
		ret = arb_wake(&rt->arb);
		trace_kgo_wake(rt->id, ret);
		if (ret >= 0) {
			*result = ret;
			ret = 0;
		}
		/* Nothing has changed for the caller, who may be anybody. */
		return ret;
	default:
		ret = kgo_thread_park(rt, th, op, flags, target, to, deadline,
				      result);
		break;
	}
	if (th) {
		WRITE_ONCE(th->lost, false);
		kgo_thread_publish(th);
		kgo_preempt_watch(th, get_cpu());
		put_cpu();
	}
	return ret;
}
