// SPDX-License-Identifier: GPL-2.0
/*
 * The pool of kthreads that run the kernel's own goroutines.
 *
 * It grows when the last spare thread gets work, up to kthreads_max, and
 * shrinks when threads have been idle for seconds.  A goroutine runs on the
 * thread that picked it up, as a call, and is bound to it from then on.
 *
 * Forward progress.  When no thread can be made, goroutines that do not wait
 * for each other all come to their end, like works of a queue that has a
 * rescuer; those that do wait for others need a thread each.  Three rules see
 * to that:
 *
 *   - KGO_FIRST_THREADS are made before the module can be used, and there are
 *     never less: one to run a goroutine, one to dispatch, and one that the
 *     goroutine which runs finalizers may have for ever.
 *   - The last free thread starts no goroutine, as it would not come back if
 *     that parks: it dispatches those that have threads, and watches their
 *     timers.  What it comes upon is held until another thread is free, or was
 *     made.  A thread whose goroutine ends takes a held one every second time,
 *     so that neither those nor the queues starve while all threads are busy.
 *   - A thread that has to end, because a goroutine that had locked it did, goes
 *     on until two others are free.
 *
 * Whatever runs without being bound to its thread (a body that parks by its
 * return) needs none of this: the dispatcher may run it, since it comes back
 * from it without waiting for anybody.  One that sleeps all the same delays
 * those that only the dispatcher could see to, for as long as it sleeps.
 *
 * Goroutines without a stack run on any thread, also the last one, since they
 * come back.  One that sleeps there holds the others up, which is why it may
 * sleep for what comes without them only: memory, a device, a lock that nobody
 * parks with.  So its sleep ends, and they go on.
 *
 * Invariant:
 *   - A goroutine of a module that has parked once holds a reference of this
 *     one until it ends: rmmod is refused while some sleep.  Those that run are
 *     waited for by the exit.  (Those without a stack: port_pin().)
 *
 * Threads are made by a work item, not by the M that finds none left: that one
 * has a goroutine to run.  It also tries again when there is no memory.
 */
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "core/core.h"
#include "kernel.h"
#include "runtime.h"

#define KGO_FIRST_THREADS	3U
#define KGO_BOUND_KTHREADS	32768U
#define KGO_RETRY_JIFFIES	max(HZ / 100, 1)

static unsigned int kgo_kthreads_max __ro_after_init = 1024;
module_param_named(kthreads_max, kgo_kthreads_max, uint, 0444);
MODULE_PARM_DESC(kthreads_max, "Most kernel threads that run goroutines (1024, 3 to 32768)");

/*
 * One thread of the pool.
 */
struct kgo_kthread {
	struct task_struct	*task;		/* a reference; constant */
	struct list_head	link;		/* kgo_pool.lock */
	struct completion	up;		/* it is attached, or could not be */
	int			ret;		/* of that; constant from then on */
	struct kgo_thread	*th;		/* the thread itself */
	struct kgo_jmp		end;		/* the thread itself: of a goroutine */
	struct kgo_g		*run;		/* the thread itself: begins at end */
	bool			affine;		/* the thread itself: not on all CPUs */
	bool			pinned;		/* the thread itself: see above */
	bool			taken;		/* the thread itself: not in nr_free */
	bool			spent;		/* the thread itself: to end soon */
	bool			turn;		/* the thread itself: for a held one */
	bool			ended;		/* its last write to this */
};

bool kgo_kthreads_fail;
unsigned long kgo_kthread_base;

static struct {
	struct mutex		lock;		/* who makes and ends threads */
	struct list_head	threads;	/* lock */
	unsigned int		nr_made;	/* lock: for their names */
	atomic_t		nr;		/* threads, and those that are wanted */
	atomic_t		nr_up;		/* of nr: attached */
	atomic_t		wanted;		/* to be made by the work */

	bool			stopping;
	struct delayed_work	work;

	atomic_t		nr_free;	/* of nr_up: without a goroutine */

	/* Read at the end of each goroutine, and hardly ever written. */
	struct kgo_gq		held ____cacheline_aligned;
						/* held_lock; n is read without */
	kgo_lock_t		held_lock;
} kgo_pool;

static struct kgo_kthread *kgo_kthread_of(struct kgo_m *m)
{
	return m->port;
}

/*
 * Who may start a goroutine.
 *
 *	who is free again		who holds a goroutine back
 *	-----------------		--------------------------
 *	nr_free + 1			add it to held
 *	full barrier			full barrier
 *	look at held			look at nr_free
 */

/* Some of them: more than a thread gets done before it is free again. */
static void kgo_held_release(void)
{
	struct kgo_gq q = { 0 };
	struct kgo_g *g;

	port_lock(&kgo_pool.held_lock);
	while (q.n < KGO_RUNQ_SIZE / 4) {
		g = kgo_gq_pop(&kgo_pool.held);
		if (!g)
			break;
		kgo_gq_push(&q, g);
	}
	port_unlock(&kgo_pool.held_lock);
	kgo_globq_put_all(&q);
}

/*
 * A goroutine has ended here: one that is held may have its place, next.  The
 * thread owns a P, or its scheduler has others to ask first.
 */
static void kgo_held_next(struct kgo_kthread *kt, struct kgo_m *m)
{
	kt->turn = !kt->turn;
	/* One that had locked the thread takes it along. */
	if (!kt->turn || m->next || m->retires || !kgo_m_has_p(m))
		return;
	port_lock(&kgo_pool.held_lock);
	m->next = kgo_gq_pop(&kgo_pool.held);
	port_unlock(&kgo_pool.held_lock);
}

/* One thread more is free. */
static void kgo_free_more(void)
{
	/* A full barrier: pairs with kgo_hold(). */
	atomic_inc_return(&kgo_pool.nr_free);
	if (unlikely(READ_ONCE(kgo_pool.held.n)))
		kgo_held_release();
}

/* May this thread be bound to a new goroutine? */
static bool kgo_take(struct kgo_kthread *kt)
{
	int n = atomic_read(&kgo_pool.nr_free);

	if (kt->taken)
		return true;
	do {
		if (n <= 1)
			return false;
	} while (!atomic_try_cmpxchg(&kgo_pool.nr_free, &n, n - 1));
	kt->taken = true;
	return true;
}

static void kgo_hold(struct kgo_g *g)
{
	kgo_g_set_state(g, KGO_G_RUNNING, KGO_G_RUNNABLE);
	port_lock(&kgo_pool.held_lock);
	kgo_gq_push(&kgo_pool.held, g);
	port_unlock(&kgo_pool.held_lock);
	smp_mb();	/* pairs with kgo_free_more() */
	if (atomic_read(&kgo_pool.nr_free) > 1)
		kgo_held_release();
}

/*
 * The goroutine that begins here may run on these CPUs, NULL for all.  If none
 * of them is there any more the kernel says where.
 */
static void kgo_affine(struct kgo_kthread *kt, const struct cpumask *cpus)
{
	if (likely(!cpus && !kt->affine))
		return;
	kt->affine = cpus;
	set_cpus_allowed_ptr(current, cpus ? cpus : cpu_possible_mask);
}

/*
 * A function of its own, since it returns twice: once more for each goroutine
 * that ends, with the one that follows it in kt->run.
 */
static noinline notrace void kgo_run_here(struct kgo_kthread *kt)
{
	struct kgo_g *g;

	port_jmp_prepare(&kt->end);
	kgo_jmp_set(&kt->end);
	g = kt->run;
	kt->run = NULL;
	if (g) {
		kgo_affine(kt, g->x ? g->x->affinity : NULL);
		kgo_g_entry(g);
	}
}

static void kgo_bind(struct kgo_m *m, struct kgo_g *g)
{
	port_store(&g->bound, m);
	port_store(&g->d.flags, g->d.flags | KGO_GF_BOUND);
}

static void kgo_unpin(struct kgo_kthread *kt)
{
	if (unlikely(kt->pinned)) {
		kt->pinned = false;
		module_put(THIS_MODULE);
	}
}

void port_run(struct kgo_m *m, struct kgo_g *g)
{
	struct kgo_kthread *kt = kgo_kthread_of(m);

	if (kgo_is_stackless(g)) {
		/* Needs no thread for itself: it is back soon, on any of them. */
		kt->run = g;
		kgo_run_here(kt);
		return;
	}
	if (unlikely(!kgo_take(kt))) {
		kgo_hold(g);
		return;
	}
	kgo_bind(m, g);
	kt->run = g;
	kgo_run_here(kt);
	kgo_unpin(kt);
	if (unlikely(READ_ONCE(kgo_pool.held.n)))
		kgo_held_next(kt, m);
}

/* Bind it to this thread, where one has ended; unless it is another one's turn. */
static bool kgo_follow(struct kgo_kthread *kt, struct kgo_m *m, struct kgo_g *g)
{
	if (unlikely(READ_ONCE(kgo_pool.held.n))) {
		/* See kgo_held_next(). */
		kgo_g_set_state(g, KGO_G_RUNNING, KGO_G_RUNNABLE);
		kgo_runq_put(kgo_m_p(m), g, true);
		return false;
	}
	kgo_unpin(kt);
	kgo_bind(m, g);
	return true;
}

bool port_follow(struct kgo_m *m, struct kgo_g *to)
{
	struct kgo_kthread *kt = kgo_kthread_of(m);

	if (unlikely(!kgo_follow(kt, m, to)))
		return false;
	kgo_affine(kt, to->x ? to->x->affinity : NULL);
	return true;
}

/**
 * kgo_kthread_end() - Where a thread goes at the end of its goroutine
 * @m: its M
 * @next: what begins there, or NULL
 */
struct kgo_jmp *kgo_kthread_end(struct kgo_m *m, struct kgo_g *next)
{
	struct kgo_kthread *kt = kgo_kthread_of(m);

	if (next && kgo_follow(kt, m, next))
		kt->run = next;
	return &kt->end;
}

/*
 * Threads
 */

/* Can the others do without one more of them?  Not for long, perhaps. */
static bool kgo_is_surplus(void)
{
	return atomic_read(&kgo_pool.nr_up) > KGO_FIRST_THREADS;
}

/* May the calling thread end?  It must then. */
static bool kgo_leave_pool(struct kgo_kthread *kt)
{
	int n = atomic_read(&kgo_pool.nr_up);

	do {
		if (n <= KGO_FIRST_THREADS && !kthread_should_stop())
			return false;
	} while (!atomic_try_cmpxchg(&kgo_pool.nr_up, &n, n - 1));
	/* Taken still if it ends with a goroutine that had locked it. */
	if (!kt->taken)
		atomic_dec(&kgo_pool.nr_free);
	return true;
}

int port_enter(struct kgo_m *m, u32 op, u32 flags, u32 target, u64 deadline)
{
	struct kgo_kthread *kt = m ? kgo_kthread_of(m) : NULL;
	struct kgo_thread *to = NULL;
	u32 result;
	int ret;

	/* The runtime's own goroutines are ended by the exit of the module. */
	if (op == KGO_ENTER_PARK_BOUND && !kt->pinned &&
	    !(m->curg && m->curg->d.flags & KGO_GF_SYSTEM)) {
		kt->pinned = true;
		__module_get(THIS_MODULE);
	} else if (op == KGO_ENTER_PARK_SPARE && kt->taken) {
		kgo_affine(kt, NULL);
		kt->taken = false;
		/* What was held is seen by arb_park(): it has a barrier. */
		kgo_free_more();
	}
	/* The caller has dequeued its goroutine, without which it does not end. */
	if (flags & KGO_ENTER_F_GIVE)
		to = kgo_kthread_of(kgo_m_at(target))->th;
	ret = kgo_enter(kgo_kernel_runtime, kt ? kt->th : NULL, op, flags,
			target, to, deadline, &result);
	if (unlikely(ret < 0) && op == KGO_ENTER_PARK_SPARE &&
	    (ret == -EINTR || (ret == -ETIME && kt->spent && kgo_is_surplus())))
		return -ESHUTDOWN;
	return ret ? ret : (int)result;
}

static void kgo_pool_want(unsigned long delay)
{
	atomic_inc(&kgo_pool.wanted);
	queue_delayed_work(kgo_wq, &kgo_pool.work, delay);
}

int port_m_start(void)
{
	if (READ_ONCE(kgo_pool.stopping))
		return -EAGAIN;
	/* One that is still to be made will do. */
	if (atomic_read(&kgo_pool.wanted))
		return 0;
	if (atomic_inc_return(&kgo_pool.nr) > kgo_kthreads_max) {
		atomic_dec(&kgo_pool.nr);
		return -EUSERS;
	}
	kgo_pool_want(0);
	return 0;
}

/* Run goroutines for as long as the pool needs the calling thread. */
static void kgo_pool_run(struct kgo_kthread *kt)
{
	u32 index = kt->th->am.index;
	struct kgo_m *m = kgo_m_at(index);

	atomic_inc(&kgo_pool.nr_up);
	kgo_free_more();
	do {
		kgo_m_init(m, index);
		m->port = kt;
		m->chains = true;
		kgo_thread_is_m(kt->th, m);
		kgo_m_main(m);
		kt->spent |= m->retires;
	} while (!kgo_leave_pool(kt));
	kgo_thread_is_m(kt->th, NULL);
}

static int kgo_pool_thread(void *arg)
{
	struct kgo_kthread *kt = arg;

	WRITE_ONCE(kgo_kthread_base, _RET_IP_);
	kt->ret = kgo_thread_attach(kgo_kernel_runtime, &kt->th);
	complete(&kt->up);
	if (kt->ret) {
		/* Still counted in kgo_pool.nr and kgo_rt.nr_starting. */
		kgo_pool_want(KGO_RETRY_JIFFIES);
	} else {
		kgo_pool_run(kt);
		kgo_thread_detach(kt->th);
		if (kt->pinned)
			module_put(THIS_MODULE);
		atomic_dec(&kgo_pool.nr);
	}
	WRITE_ONCE(kt->ended, true);
	if (!READ_ONCE(kgo_pool.stopping))
		queue_delayed_work(kgo_wq, &kgo_pool.work, 0);
	return 0;
}

/* Make a thread, counted in kgo_pool.nr. */
static struct kgo_kthread *kgo_pool_make(void)
{
	struct kgo_kthread *kt;
	struct task_struct *task;

	lockdep_assert_held(&kgo_pool.lock);
	if (unlikely(READ_ONCE(kgo_kthreads_fail)))
		return ERR_PTR(-EAGAIN);
	kt = kzalloc(sizeof(*kt), GFP_KERNEL);
	if (!kt)
		return ERR_PTR(-ENOMEM);
	init_completion(&kt->up);
	task = kthread_create(kgo_pool_thread, kt, "kgo/%u", kgo_pool.nr_made);
	if (IS_ERR(task)) {
		kfree(kt);
		return ERR_CAST(task);
	}
	kt->task = get_task_struct(task);
	kgo_pool.nr_made++;
	list_add(&kt->link, &kgo_pool.threads);
	wake_up_process(task);
	return kt;
}

/* Wait for the end of a thread, and forget it. */
static void kgo_pool_stop(struct kgo_kthread *kt)
{
	lockdep_assert_held(&kgo_pool.lock);
	kthread_stop(kt->task);
	put_task_struct(kt->task);
	list_del(&kt->link);
	kfree(kt);
}

static void kgo_pool_work(struct work_struct *work)
{
	struct kgo_kthread *kt, *next;

	mutex_lock(&kgo_pool.lock);
	list_for_each_entry_safe(kt, next, &kgo_pool.threads, link)
		if (READ_ONCE(kt->ended))
			kgo_pool_stop(kt);

	while (atomic_read(&kgo_pool.wanted) && !READ_ONCE(kgo_pool.stopping)) {
		/* Before it is there: it may want the next one at once. */
		atomic_dec(&kgo_pool.wanted);
		if (IS_ERR(kgo_pool_make())) {
			atomic_inc(&kgo_pool.wanted);
			queue_delayed_work(kgo_wq, &kgo_pool.work,
					   KGO_RETRY_JIFFIES);
			break;
		}
	}
	mutex_unlock(&kgo_pool.lock);
}

/**
 * kgo_kthreads_init() - Set the pool up, without threads
 *
 * CONTEXT: the init of the module.  Return: how many threads it may have.
 */
unsigned int kgo_kthreads_init(void)
{
	kgo_kthreads_max = clamp(kgo_kthreads_max, KGO_FIRST_THREADS,
				 KGO_BOUND_KTHREADS);
	mutex_init(&kgo_pool.lock);
	INIT_LIST_HEAD(&kgo_pool.threads);
	INIT_DELAYED_WORK(&kgo_pool.work, kgo_pool_work);
	port_lock_init(&kgo_pool.held_lock);
	return kgo_kthreads_max;
}

/**
 * kgo_kthreads_start() - Make the threads that there have to be
 *
 * CONTEXT: the init of the module, the runtime is ready.
 * Return: 0 or -errno; kgo_kthreads_exit() is to be called in both cases.
 */
int kgo_kthreads_start(void)
{
	struct kgo_kthread *kt;
	int ret = 0;
	u32 i;

	/* The lock keeps one that fails from being forgotten before it is asked. */
	mutex_lock(&kgo_pool.lock);
	for (i = 0; i < KGO_FIRST_THREADS && !ret; i++) {
		atomic_inc(&kgo_pool.nr);
		kt = kgo_pool_make();
		ret = PTR_ERR_OR_ZERO(kt);
		if (ret)
			break;
		wait_for_completion(&kt->up);
		ret = kt->ret;
	}
	mutex_unlock(&kgo_pool.lock);
	return ret;
}

/**
 * kgo_kthreads_exit() - Stop all threads
 *
 * CONTEXT: the exit of the module, may sleep; no goroutine is left.
 */
void kgo_kthreads_exit(void)
{
	struct kgo_kthread *kt, *next;

	WRITE_ONCE(kgo_pool.stopping, true);
	cancel_delayed_work_sync(&kgo_pool.work);
	mutex_lock(&kgo_pool.lock);
	list_for_each_entry_safe(kt, next, &kgo_pool.threads, link)
		kgo_pool_stop(kt);
	mutex_unlock(&kgo_pool.lock);
	/* A thread may have queued it before it saw us stopping. */
	cancel_delayed_work_sync(&kgo_pool.work);
}
