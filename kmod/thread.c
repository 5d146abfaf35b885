// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that run goroutines, from ATTACH to burial.  The picture of a
 * thread's life is in runtime.h.
 *
 * Invariants:
 *   - A task has at most one struct kgo_thread, found by the preempt notifier
 *     on the task's own list: no table to look it up in, and nothing to keep
 *     in step with fork (inherits none) and exec (keeps it).
 *   - An index is given out again only after the arbiter has forgotten its
 *     former owner.
 *   - The memory outlives every interrupt and notifier that could still touch
 *     it: irq_work_sync() and then an RCU grace period, in that order, because
 *     the irq_work may be running on one CPU and queued on another.
 */
#include <linux/irq_work.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "runtime.h"
#include "trace.h"

static atomic_t kgo_nr_threads = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(kgo_no_threads);

/* The last of a thread that the arbiter has forgotten.  CONTEXT: may sleep. */
static void kgo_thread_bury(struct kgo_thread *th)
{
	struct kgo_runtime *rt = th->rt;
	bool pinned;

	irq_work_sync(&th->irq_work);
	kgo_preempt_stop(th);

	mutex_lock(&rt->lock);
	trace_kgo_detach(rt->id, th->am.index, th->tid);
	WRITE_ONCE(th->md->p, KGO_NONE);
	WRITE_ONCE(th->md->tid, 0);
	xa_erase(&rt->threads, th->am.index);
	WRITE_ONCE(rt->nr_threads, rt->nr_threads - 1);
	WRITE_ONCE(rt->blocks, rt->blocks + th->blocks);
	pinned = th->pinned;
	mutex_unlock(&rt->lock);

	put_task_struct(th->task);
	kfree_rcu(th, rcu);
	kgo_runtime_put(rt);
	if (pinned)
		module_put(THIS_MODULE);
	/* The exit of the module waits for this, and for the work to end. */
	if (atomic_dec_and_test(&kgo_nr_threads))
		wake_up(&kgo_no_threads);
}

static void kgo_thread_bury_work(struct work_struct *work)
{
	kgo_thread_bury(container_of(work, struct kgo_thread, bury));
}

/**
 * kgo_thread_doom() - The calling thread is no M any more
 * @th: its kgo_thread, LIVE
 *
 * Only takes it off the notifiers; the rest needs the arbiter's lock and
 * memory, and happens in the irq_work and in a work after that.
 *
 * CONTEXT: preemption off; also the thread's own notifiers, sched_out with the
 * run queue lock held.  The core walks the list that the notifier is on, by a
 * link that __hlist_del() leaves alone.
 */
void kgo_thread_doom(struct kgo_thread *th)
{
	__hlist_del(&th->notifier.link);
	WRITE_ONCE(th->end, KGO_DYING);
	irq_work_queue(&th->irq_work);
}

/**
 * kgo_thread_current() - The calling thread's kgo_thread
 *
 * One that stems from a program which the process has left by exec() is
 * buried on the way.
 *
 * CONTEXT: process context of any task.  Return: NULL if it has none.
 */
struct kgo_thread *kgo_thread_current(void)
{
	struct kgo_thread *th = NULL;
	struct preempt_notifier *pn;

	/* Its own sched_in may doom it, but not from here on. */
	preempt_disable();
	hlist_for_each_entry(pn, &current->preempt_notifiers, link) {
		if (pn->ops == &kgo_preempt_ops) {
			th = container_of(pn, struct kgo_thread, notifier);
			break;
		}
	}
	if (th && th->rt->mm && th->rt->mm != current->mm) {
		kgo_thread_doom(th);
		th = NULL;
	}
	preempt_enable();
	return th;
}

/**
 * kgo_thread_at() - The thread of an index
 * @rt: the runtime
 * @index: any number
 *
 * CONTEXT: inside rcu_read_lock().  Return: NULL if no thread has it.
 */
struct kgo_thread *kgo_thread_at(struct kgo_runtime *rt, u32 index)
{
	return xa_load(&rt->threads, index);
}

/**
 * kgo_thread_publish() - Tell the thread which P it owns
 * @th: the calling thread's
 *
 * CONTEXT: the thread itself, its notifiers included, before it returns to
 * where it can see its record.
 */
void kgo_thread_publish(struct kgo_thread *th)
{
	u32 p = READ_ONCE(th->am.p);

	/* One that is to be turned off is to be let go of soon (procs.c). */
	if (unlikely(p >= READ_ONCE(th->rt->arb.nr_on)) && p != KGO_NONE)
		p |= KGO_P_PREEMPT;
	WRITE_ONCE(th->md->p, p);
}

/**
 * kgo_thread_is_m() - Say what port_self() is for the calling thread
 * @th: the calling thread's, one of the kernel's own runtime
 * @m: its M, or NULL before it detaches
 *
 * CONTEXT: process context.
 */
void kgo_thread_is_m(struct kgo_thread *th, struct kgo_m *m)
{
	preempt_disable();
	th->m = m;
	this_cpu_write(kgo_this_m, m);
	preempt_enable();
}

/**
 * kgo_thread_attach() - Make the calling thread an M
 * @rt: the runtime; the caller's process's, or the kernel's for a kthread
 * @thread: out: its kgo_thread
 *
 * It owns no P yet.
 *
 * CONTEXT: process context, may sleep.
 * Return: 0; -EALREADY if it is one of this runtime, -EBUSY of another;
 * -EUSERS if there are as many as the runtime may have; -ENOMEM.
 */
int kgo_thread_attach(struct kgo_runtime *rt, struct kgo_thread **thread)
{
	struct kgo_thread *th = kgo_thread_current();
	u32 index;
	int ret;

	if (th)
		return th->rt == rt ? -EALREADY : -EBUSY;

	th = kzalloc(sizeof(*th), GFP_KERNEL_ACCOUNT);
	if (!th)
		return -ENOMEM;

	mutex_lock(&rt->lock);
	/* Reserve the index; nobody finds the thread before it is whole. */
	ret = xa_alloc(&rt->threads, &index, NULL, XA_LIMIT(0, rt->nr_ms - 1),
		       GFP_KERNEL);
	if (ret) {
		ret = ret == -EBUSY ? -EUSERS : -ENOMEM;
		goto free;
	}
	ret = -ENOMEM;
	th->md = kgo_region_populate(&rt->region[KGO_REGION_M],
				     (u64)index * KGO_M_STRIDE);
	if (!th->md)
		goto erase;

	refcount_inc(&rt->ref);
	th->rt = rt;
	th->task = get_task_struct(current);
	th->tid = task_pid_nr(current);
	arb_m_init(&th->am, index);
	th->irq_work = IRQ_WORK_INIT_HARD(kgo_thread_irq_work);
	INIT_WORK(&th->bury, kgo_thread_bury_work);
	kgo_preempt_init(th);
	preempt_notifier_init(&th->notifier, &kgo_preempt_ops);

	WRITE_ONCE(th->md->in_sched, 0);
	WRITE_ONCE(th->md->curg, KGO_NO_G);
	WRITE_ONCE(th->md->blocks, 0);
	WRITE_ONCE(th->md->handoffs, 0);
	WRITE_ONCE(th->md->tid, task_pid_vnr(current));
	kgo_thread_publish(th);

	xa_store(&rt->threads, index, th, GFP_KERNEL);
	arb_join(&rt->arb, &th->am);
	WRITE_ONCE(rt->nr_threads, rt->nr_threads + 1);
	atomic_inc(&kgo_nr_threads);
	mutex_unlock(&rt->lock);

	preempt_disable();
	preempt_notifier_register(&th->notifier);
	preempt_enable();

	trace_kgo_attach(rt->id, index, th->tid);
	*thread = th;
	return 0;

erase:
	xa_erase(&rt->threads, index);
free:
	mutex_unlock(&rt->lock);
	kfree(th);
	return ret;
}

/**
 * kgo_thread_detach() - The calling thread is no M any more, by its own wish
 * @th: its kgo_thread
 *
 * A P that was given to it and that it has not taken goes to others.
 *
 * CONTEXT: process context, may sleep.  Return: 0, or -EBUSY if it owns a P.
 */
int kgo_thread_detach(struct kgo_thread *th)
{
	if (READ_ONCE(th->am.p) != KGO_NONE)
		return -EBUSY;

	preempt_disable();
	preempt_notifier_unregister(&th->notifier);
	preempt_enable();
	WRITE_ONCE(th->end, KGO_LEFT);
	arb_leave(&th->rt->arb, &th->am);
	kgo_thread_bury(th);
	return 0;
}

/* Will it never be back in its program?  CONTEXT: the task is held. */
static bool kgo_task_is_dying(struct task_struct *task)
{
	return READ_ONCE(task->flags) & PF_EXITING ||
	       READ_ONCE(task->signal->flags) & SIGNAL_GROUP_EXIT;
}

/**
 * kgo_threads_outlive_file() - The file of a runtime is being released
 * @rt: the runtime
 *
 * Threads that live on keep the module loaded by themselves from now on.  In
 * the usual case, the end of a process, all are dying: they take no reference,
 * so that the module can go as soon as the process is gone, and its exit waits
 * for their last moments (kgo_threads_drain()).
 *
 * CONTEXT: release of the file, whose module reference is still held.
 */
void kgo_threads_outlive_file(struct kgo_runtime *rt)
{
	struct kgo_thread *th;
	unsigned long index;

	/* In exec() this dooms the caller: its own thread is of another mm. */
	kgo_thread_current();

	mutex_lock(&rt->lock);
	xa_for_each(&rt->threads, index, th) {
		/* It has not been buried, so its task is still held. */
		if (READ_ONCE(th->end) != KGO_LIVE ||
		    kgo_task_is_dying(th->task))
			continue;
		__module_get(THIS_MODULE);
		th->pinned = true;
	}
	mutex_unlock(&rt->lock);
}

/**
 * kgo_threads_drain() - Wait until every thread is buried
 *
 * CONTEXT: the exit of the module: no file is open, so that those which are
 * left are on the last steps of their exit.
 */
void kgo_threads_drain(void)
{
	wait_event(kgo_no_threads, !atomic_read(&kgo_nr_threads));
	/* Notifiers and irq_works that saw a thread to its end have returned. */
	synchronize_rcu();
}
