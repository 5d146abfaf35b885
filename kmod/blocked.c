// SPDX-License-Identifier: GPL-2.0
/*
 * The moment that a thread blocks, and the moment that it runs again: preempt
 * notifiers of the scheduler.
 *
 *   sched_out   the thread sleeps outside the runtime: RUNNING -> BLOCKED.  If
 *               another should have its P, its irq_work is queued.
 *   irq_work    BLOCKED -> RUNNING(other), and wakes the other.
 *   sched_in    BLOCKED -> RUNNING(same) if it comes first, else it runs on
 *               without a P, which its shared record says.
 *
 * Nothing is added to a system call that does not block.
 *
 * For the kernel's own goroutines they also keep kgo_this_m, by which a thread
 * knows its M: of whoever runs here, NULL for threads that are none.
 *
 * Invariants:
 *   - sched_out runs with the run queue lock held and interrupts off: atomics,
 *     the thread's own fields and irq_work_queue() only.  A wake-up there
 *     would take that lock again.
 *   - A thread with in_sched set in its record, or parked in ENTER, keeps its
 *     P when it sleeps.
 *   - Death shows as TASK_DEAD in sched_out, the last callback ever.  exec()
 *     shows as another mm in sched_in: the notifier is kept, the program that
 *     the runtime was for is gone.  So does exit, once it has dropped its mm.
 *
 * Rejected: a work queue instead of the irq_work.  Its worker would have to be
 * scheduled before the M that it wakes: twice the way for every hand-off.
 */
#include <linux/irq_work.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched.h>

#include "compat.h"
#include "runtime.h"
#include "trace.h"

DEFINE_PER_CPU(struct kgo_m *, kgo_this_m);

static struct kgo_thread *kgo_notified(struct preempt_notifier *notifier)
{
	return container_of(notifier, struct kgo_thread, notifier);
}

/*
 * CONTEXT: the scheduler, run queue lock held, interrupts off.
 */
static void kgo_sched_out(struct preempt_notifier *notifier,
			  struct task_struct *next)
{
	struct kgo_thread *th = kgo_notified(notifier);

	this_cpu_write(kgo_this_m, NULL);
	if (unlikely(READ_ONCE(current->__state) == TASK_DEAD)) {
		kgo_thread_doom(th);
		return;
	}
	if (!kgo_task_sleeps(current) || th->parking ||
	    READ_ONCE(th->md->in_sched))
		return;

	WRITE_ONCE(th->blocked, true);
	if (th->am.p == KGO_NONE)
		return;
	th->owned = true;
	WRITE_ONCE(th->blocks, th->blocks + 1);
	WRITE_ONCE(th->md->blocks, th->blocks);
	trace_kgo_block(th->rt->id, th->am.index, th->am.p);
	if (arb_block(&th->rt->arb, &th->am))
		irq_work_queue(&th->irq_work);
}

/*
 * Did the P of a thread that has just run arb_unblock() have another owner in
 * between?  If not, its word moved once: back.
 */
static bool kgo_was_handed_off(struct kgo_thread *th)
{
	struct arb_m *am = &th->am;
	u64 moves;

	if (am->p == KGO_NONE)
		return true;
	moves = (port_load(&th->rt->arb.word[am->p]) >> 32) -
		(am->block_word >> 32);
	return (u32)moves != 1;
}

/*
 * CONTEXT: the scheduler, preemption off, no run queue lock.
 */
static void kgo_sched_in(struct preempt_notifier *notifier, int cpu)
{
	struct kgo_thread *th = kgo_notified(notifier);

	this_cpu_write(kgo_this_m, th->m);
	if (unlikely(th->rt->mm && current->mm != th->rt->mm)) {
		kgo_thread_doom(th);
		return;
	}
	if (!th->blocked)
		goto watch;
	WRITE_ONCE(th->blocked, false);
	/*
	 * One that lost its P in an earlier sleep may find it idle by now.  One
	 * that gave it up by ENTER has no use for it.
	 */
	if (!th->owned && !th->lost)
		goto watch;
	arb_unblock(&th->rt->arb, &th->am);
	kgo_thread_publish(th);
	WRITE_ONCE(th->lost, th->am.p == KGO_NONE);
	if (th->owned && kgo_was_handed_off(th)) {
		WRITE_ONCE(th->handoffs, th->handoffs + 1);
		WRITE_ONCE(th->md->handoffs, th->handoffs);
	}
	th->owned = false;
	WRITE_ONCE(th->astray, false);
	trace_kgo_unblock(th->rt->id, th->am.index, th->am.p);
watch:
	kgo_preempt_watch(th, cpu);
}

struct preempt_ops kgo_preempt_ops __read_mostly = {
	.sched_in = kgo_sched_in,
	.sched_out = kgo_sched_out,
};

/**
 * kgo_thread_irq_work() - What a thread's notifiers left to be done
 * @irq_work: of the thread, which may be running again, or dead
 *
 * May run on two CPUs at one time, for two sleeps in a row; only one of them
 * sees a dying thread off.
 *
 * CONTEXT: hard interrupt.
 */
void kgo_thread_irq_work(struct irq_work *irq_work)
{
	struct kgo_thread *th = container_of(irq_work, struct kgo_thread,
					     irq_work);
	struct kgo_runtime *rt = th->rt;

	if (unlikely(READ_ONCE(th->end) != KGO_LIVE)) {
		if (cmpxchg(&th->end, KGO_DYING, KGO_LEFT) == KGO_DYING) {
			arb_leave(&rt->arb, &th->am);
			queue_work(kgo_wq, &th->bury);
		}
		return;
	}
	if (arb_handoff(&rt->arb, &th->am))
		trace_kgo_handoff(rt->id, th->am.index, READ_ONCE(th->am.p));
}
