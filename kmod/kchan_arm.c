// SPDX-License-Identifier: GPL-2.0
/*
 * Goroutines of programs that wait for a kernel channel: marks and completions.
 *
 * A mark is what stands in the channel's list instead of a thread.  When it is
 * woken its number goes to the completion ring of its runtime, and a parked
 * thread comes back to look there if nobody does so anyway (arb_completed()).
 *
 *   idle ---- arm ---> on kc->wait ---- woken ---> in the ring (or overflow)
 *     ^                    |                             |
 *     +---- disarm --------+                             |
 *     +---- arm (again), disarm: too late, stop ---------+
 *
 * A mark is found by its number and kept as long as the runtime: to arm one
 * again allocates nothing, and there is always memory for its completion, which
 * waits in a list of marks when the ring is full.
 *
 * Invariants:
 *   - Armed, it holds its file, as a read() that waits would.  Woken, it still
 *     holds the channel's memory: if the runtime dies before it can try, the
 *     next waiter is woken in its place.
 *   - The ring and its indices are in the program's memory.  The kernel's index
 *     is cq->tail; what it reads there is cq_head alone, which can only make the
 *     ring look fuller or emptier than it is.
 *
 * Locks: karm->mutex, then that of the wait queue, then cq->lock, then the
 * arbiter's.  Whoever wakes has the last three only.
 *
 * Rejected: an eventfd or epoll per runtime that a goroutine reads.  Two calls
 * more for each message.  A mark's number chosen by the kernel: an allocation
 * for each wait.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "kchan.h"
#include "runtime.h"

/*
 * struct kgo_karm - A mark.  Legend:
 *   C: constant
 *   M: mutex
 *   W: the lock of the wait queue that it is in or was in last
 *   Q: rt->cq.lock
 */
struct kgo_karm {
	wait_queue_entry_t wait;	/* W: listed if it is armed */
	struct file	*file;		/* W: a reference if it is armed */
	struct list_head overflow;	/* Q: in cq.overflow */
	struct mutex	mutex;
	struct kgo_kchan *kc;		/* M: a hold, since it was armed; or NULL */
	unsigned int	end;		/* M */
	bool		shared;		/* M */
	struct kgo_runtime *rt;		/* C */
	u32		mark;		/* C */
};

/*
 * The ring
 */

static u32 *kgo_cq_ring(struct kgo_runtime *rt)
{
	return rt->region[KGO_REGION_C].linear;
}

/* Return: false if there is no room. */
static bool kgo_cq_put(struct kgo_runtime *rt, u32 mark)
{
	struct kgo_rdesc *r = kgo_rdesc(rt);
	struct kgo_cq *cq = &rt->cq;

	lockdep_assert_held(&cq->lock);
	/* Acquire: what the program has read from the slot comes before. */
	if (cq->tail - smp_load_acquire(&r->cq_head) >= KGO_CQ_SIZE)
		return false;
	WRITE_ONCE(kgo_cq_ring(rt)[cq->tail % KGO_CQ_SIZE], mark);
	/* Pairs with port_complete(): the slot is seen with it. */
	smp_store_release(&r->cq_tail, ++cq->tail);
	return true;
}

static void kgo_cq_move(struct kgo_runtime *rt)
{
	struct kgo_karm *karm, *next;
	struct kgo_cq *cq = &rt->cq;

	lockdep_assert_held(&cq->lock);
	list_for_each_entry_safe(karm, next, &cq->overflow, overflow) {
		if (!kgo_cq_put(rt, karm->mark))
			return;
		list_del_init(&karm->overflow);
	}
	WRITE_ONCE(kgo_rdesc(rt)->cq_overflow, 0);
}

static void kgo_cq_post(struct kgo_karm *karm)
{
	struct kgo_runtime *rt = karm->rt;
	struct kgo_cq *cq = &rt->cq;
	unsigned long flags;

	raw_spin_lock_irqsave(&cq->lock, flags);
	if (!list_empty(&cq->overflow) || !kgo_cq_put(rt, karm->mark)) {
		list_add_tail(&karm->overflow, &cq->overflow);
		WRITE_ONCE(kgo_rdesc(rt)->cq_overflow, 1);
		/*
		 * Pairs with port_complete(), which moves cq_head and then reads
		 * cq_overflow: either it sees that, or its room is seen here.
		 */
		smp_mb();
		kgo_cq_move(rt);
	}
	raw_spin_unlock_irqrestore(&cq->lock, flags);
}

/**
 * kgo_cq_flush() - Fill the ring from the overflow
 * @rt: the runtime
 *
 * CONTEXT: any but NMI.
 */
void kgo_cq_flush(struct kgo_runtime *rt)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&rt->cq.lock, flags);
	kgo_cq_move(rt);
	raw_spin_unlock_irqrestore(&rt->cq.lock, flags);
}

/*
 * Marks
 */

/*
 * CONTEXT: the lock of the wait queue, interrupts off.  fput() does its work
 * elsewhere; the runtime is there, as kgo_cq_stop() takes this lock.
 */
static int kgo_karm_wake(wait_queue_entry_t *wait, unsigned int mode, int sync,
			 void *key)
{
	struct kgo_karm *karm = container_of(wait, struct kgo_karm, wait);
	struct file *file = karm->file;

	list_del_init(&wait->entry);
	karm->file = NULL;
	kgo_cq_post(karm);
	arb_completed(&karm->rt->arb);
	fput(file);
	return 1;
}

/* Take it off the list.  Return: false if it was not armed (any more). */
static bool kgo_karm_cancel(struct kgo_karm *karm)
{
	struct kgo_kchan *kc = karm->kc;
	struct file *file = NULL;
	wait_queue_head_t *wq;
	unsigned long flags;
	bool armed;

	lockdep_assert_held(&karm->mutex);
	if (!kc)
		return false;
	wq = &kc->wait[KGO_KCHAN_IX(karm->end)];
	spin_lock_irqsave(&wq->lock, flags);
	armed = !list_empty(&karm->wait.entry);
	if (armed) {
		list_del_init(&karm->wait.entry);
		swap(file, karm->file);
	}
	spin_unlock_irqrestore(&wq->lock, flags);
	if (armed) {
		karm->kc = NULL;
		kgo_kchan_drop(kc);
		fput(file);
	}
	return armed;
}

/* Is it neither armed nor on its way into the ring?  Then forget what it was. */
static bool kgo_karm_is_idle(struct kgo_karm *karm)
{
	struct kgo_kchan *kc = karm->kc;
	wait_queue_head_t *wq;
	unsigned long flags;
	bool idle;

	lockdep_assert_held(&karm->mutex);
	if (kc) {
		wq = &kc->wait[KGO_KCHAN_IX(karm->end)];
		spin_lock_irqsave(&wq->lock, flags);
		idle = list_empty(&karm->wait.entry);
		spin_unlock_irqrestore(&wq->lock, flags);
		if (!idle)
			return false;
		karm->kc = NULL;
		kgo_kchan_drop(kc);
	}
	raw_spin_lock_irqsave(&karm->rt->cq.lock, flags);
	idle = list_empty(&karm->overflow);
	raw_spin_unlock_irqrestore(&karm->rt->cq.lock, flags);
	return idle;
}

static struct kgo_karm *kgo_karm_get(struct kgo_runtime *rt, u32 mark)
{
	struct kgo_karm *karm, *old;

	karm = xa_load(&rt->cq.marks, mark);
	if (karm)
		return karm;
	karm = kzalloc(sizeof(*karm), GFP_KERNEL_ACCOUNT);
	if (!karm)
		return ERR_PTR(-ENOMEM);
	init_waitqueue_func_entry(&karm->wait, kgo_karm_wake);
	INIT_LIST_HEAD(&karm->wait.entry);
	INIT_LIST_HEAD(&karm->overflow);
	mutex_init(&karm->mutex);
	karm->rt = rt;
	karm->mark = mark;
	old = xa_cmpxchg(&rt->cq.marks, mark, NULL, karm, GFP_KERNEL_ACCOUNT);
	if (!old)
		return karm;
	kfree(karm);
	return xa_is_err(old) ? ERR_PTR(xa_err(old)) : old;
}

static struct kgo_runtime *kgo_my_runtime(void)
{
	struct kgo_thread *th = kgo_thread_current();

	return th && th->rt->mm ? th->rt : NULL;
}

/**
 * kgo_karm() - Arm a mark of the calling thread's runtime
 * @kc: the channel
 * @file: an end of it that the caller holds
 * @end: what to wait for
 * @mark: number of the mark
 * @shared: see %KGO_KCHAN_IO_SHARED
 *
 * CONTEXT: process context, may sleep.
 * Return: -EINPROGRESS: it is armed, or in the ring already; 0: it is not, and
 * the caller should try again; -ENOTCONN, -ERANGE, -EBUSY, -ENOMEM.
 */
int kgo_karm(struct kgo_kchan *kc, struct file *file, unsigned int end,
	     u32 mark, bool shared)
{
	wait_queue_head_t *wq = &kc->wait[KGO_KCHAN_IX(end)];
	struct kgo_runtime *rt = kgo_my_runtime();
	struct kgo_karm *karm;
	int ret;

	if (!rt)
		return -ENOTCONN;
	if (mark >= (u64)rt->nr_gs * KGO_KCHAN_ARMS)
		return -ERANGE;
	karm = kgo_karm_get(rt, mark);
	if (IS_ERR(karm))
		return PTR_ERR(karm);

	mutex_lock(&karm->mutex);
	ret = -ENOTCONN;
	/* Either this is seen, or kgo_cq_stop() sees what is done now. */
	if (READ_ONCE(rt->cq.stopped))
		goto unlock;
	ret = -EBUSY;
	if (!kgo_karm_is_idle(karm))
		goto unlock;
	kgo_kchan_hold(kc);
	karm->kc = kc;
	karm->end = end;
	karm->shared = shared;
	karm->file = get_file(file);
	if (shared)
		add_wait_queue(wq, &karm->wait);
	else
		add_wait_queue_exclusive(wq, &karm->wait);
	smp_mb();	/* pairs with wq_has_sleeper() of who makes it ready */
	ret = -EINPROGRESS;
	if (kgo_kchan_ready(kc, end) && kgo_karm_cancel(karm))
		ret = 0;
unlock:
	mutex_unlock(&karm->mutex);
	return ret;
}

/**
 * kgo_karm_disarm() - Take a mark of the calling thread's runtime back
 * @mark: its number
 *
 * CONTEXT: process context, may sleep.
 * Return: 1 if it will not complete; 0 if it has, or was never armed;
 * -ENOTCONN.
 */
int kgo_karm_disarm(u32 mark)
{
	struct kgo_runtime *rt = kgo_my_runtime();
	struct kgo_karm *karm;
	int ret;

	if (!rt)
		return -ENOTCONN;
	karm = xa_load(&rt->cq.marks, mark);
	if (!karm)
		return 0;
	mutex_lock(&karm->mutex);
	ret = kgo_karm_cancel(karm);
	mutex_unlock(&karm->mutex);
	return ret;
}

/*
 * The runtime
 */

/** kgo_cq_init() - Of a runtime that is being made */
void kgo_cq_init(struct kgo_cq *cq)
{
	raw_spin_lock_init(&cq->lock);
	INIT_LIST_HEAD(&cq->overflow);
	xa_init_flags(&cq->marks, XA_FLAGS_ACCOUNT);
}

/**
 * kgo_cq_stop() - The program is no more: none of its goroutines waits
 * @rt: its runtime
 *
 * What a mark was woken for is passed on.
 * CONTEXT: process context, may sleep; more than once is fine.
 */
void kgo_cq_stop(struct kgo_runtime *rt)
{
	struct kgo_karm *karm;
	unsigned long mark;

	/* The lock: who inserts a mark later sees this. */
	xa_lock(&rt->cq.marks);
	WRITE_ONCE(rt->cq.stopped, true);
	xa_unlock(&rt->cq.marks);
	xa_for_each(&rt->cq.marks, mark, karm) {
		struct kgo_kchan *kc;

		mutex_lock(&karm->mutex);
		kc = karm->kc;
		if (kc && !kgo_karm_cancel(karm)) {
			karm->kc = NULL;
			if (!karm->shared)
				kgo_kchan_pass_on(kc, karm->end);
			kgo_kchan_drop(kc);
		}
		mutex_unlock(&karm->mutex);
		cond_resched();
	}
}

/**
 * kgo_cq_destroy() - Free all marks
 * @rt: a runtime without users; kgo_cq_stop() was called if it had any
 *
 * CONTEXT: may sleep.
 */
void kgo_cq_destroy(struct kgo_runtime *rt)
{
	struct kgo_karm *karm;
	unsigned long mark;

	xa_for_each(&rt->cq.marks, mark, karm) {
		WARN_ON_ONCE(karm->kc);
		kfree(karm);
	}
	xa_destroy(&rt->cq.marks);
}
