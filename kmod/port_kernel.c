// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's own runtime: the port of core/port.h whose Ms are kthreads.
 *
 * It is a struct kgo_runtime like those of programs, with mm == NULL, and its
 * threads attach to it like a program's: the same arbiter and the same preempt
 * notifiers.  What is different:
 *
 *   - A goroutine runs on the stack of the kthread that picked it up, as a
 *     call, and is bound to it from then on.  When it parks, its kthread sleeps
 *     in that very place and the P goes to another.
 *   - Threads come from a pool that grows when the last spare one gets work,
 *     up to kthreads_max, and shrinks when they have been idle for seconds.
 *     The last one does not start a goroutine, as it would not come back if
 *     that parks: it dispatches those that have threads, and watches their
 *     timers.  New ones are held until another thread is free, or was made.
 *   - Goroutines without a stack run on any thread, also the last one, since
 *     they come back.  One that sleeps there holds the others up, which is why
 *     it may sleep for what comes without them only: memory, a device, a lock
 *     that nobody parks with.  So its sleep ends, and they go on.
 *
 * Invariants:
 *   - kthread_data() of a kthread whose function is kgo_pool_thread() is its
 *     struct kgo_kthread, which is freed after the kthread is gone: port_self()
 *     needs neither a table nor a lock.
 *   - The descriptors below r->nr_gs have a page, and keep it.
 *   - A goroutine of a module that has parked once holds a reference of this
 *     one until it ends: rmmod is refused while some sleep.  Those that run are waited
 *     for by the exit.
 *
 * Threads are made by a work item, not by the M that finds none left: that one
 * has a goroutine to run.  It also tries again when there is no memory.
 *
 * Rejected: stacks of their own for goroutines, switched here.  The compiler
 * may cache `current` over any call, the canary is per task, tracers and
 * unwinders lose their way (Documentation/design.md).
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "core/core.h"
#include "kernel.h"
#include "runtime.h"

#define KGO_BOUND_KTHREADS	32768U
#define KGO_KERNEL_GS		2097152U
#define KGO_RETRY_JIFFIES	max(HZ / 100, 1)

static unsigned int kgo_kthreads_max __ro_after_init = 1024;
module_param_named(kthreads_max, kgo_kthreads_max, uint, 0444);
MODULE_PARM_DESC(kthreads_max, "Most kernel threads that run goroutines (1024, 2 to 32768); one of them starts none");

/*
 * One thread of the pool.
 */
struct kgo_kthread {
	struct task_struct	*task;		/* a reference; constant */
	struct list_head	link;		/* kgo_pool.lock */
	struct kgo_thread	*th;		/* the thread itself */
	struct kgo_m		*m;		/* the thread itself */
	struct kgo_jmp		end;		/* the thread itself: of a goroutine */
	bool			pinned;		/* the thread itself: see above */
	bool			taken;		/* the thread itself: not in nr_free */
	bool			ended;		/* its last write to this */
};

static struct {
	struct mutex		lock;		/* who makes and ends threads */
	struct list_head	threads;	/* lock */
	unsigned int		nr_made;	/* lock: for their names */
	atomic_t		nr;		/* threads, and those that are wanted */
	atomic_t		wanted;		/* to be made by the work */

	atomic_t		nr_free;	/* of nr: without a goroutine */
	kgo_lock_t		held_lock;
	struct kgo_gq		held;		/* held_lock; n is read without */

	bool			stopping;
	struct delayed_work	work;
} kgo_pool;

struct kgo_runtime *kgo_kernel_runtime;
void **kgo_kernel_g;
void (*kgo_throw_hook)(const char *msg);
void (*kgo_panic_hook)(struct kgo_panic *p);

/*
 * What a goroutine is
 */

int port_g_grow(u32 first, u32 n)
{
	const u32 per_page = PAGE_SIZE / KGO_G_STRIDE;
	u32 page;
	void *mem;

	for (page = first / per_page; page <= (first + n - 1) / per_page; page++) {
		if (READ_ONCE(kgo_kernel_g[page]))
			continue;
		/* Two who race here are given the same page. */
		mem = kgo_region_populate(&kgo_kernel_runtime->region[KGO_REGION_G],
					  (u64)page * PAGE_SIZE);
		if (!mem)
			return -ENOMEM;
		/* Zeroed before it is seen; readers depend on the address. */
		smp_store_release(&kgo_kernel_g[page], mem);
	}
	return 0;
}

int port_stack_alloc(struct kgo_g *g, size_t size)
{
	return 0;
}

void port_stack_free(struct kgo_g *g)
{
}

void port_g_init(struct kgo_g *g)
{
}

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
 * Jumps.  The stack is the thread's own, so for all who look at it a jump is
 * one more return.  What is kept beside the stack must follow:
 *
 *   - the graph tracer's stack of return addresses, by its depth
 *   - KASAN's poison of the frames that are left
 *
 * A kretprobe on a function that is left this way is not told, and its
 * instances are lost in a way that its trampoline does not bear.
 */
void kgo_jmp_go(struct kgo_jmp *jmp);

/* Not traced, nor are its callers: the depth is that of who calls them. */
void notrace port_jmp_prepare(struct kgo_jmp *jmp)
{
#ifdef CONFIG_FUNCTION_GRAPH_TRACER
	jmp->port = current->curr_ret_stack;
#endif
}

void notrace port_jump(struct kgo_jmp *jmp)
{
#ifdef CONFIG_FUNCTION_GRAPH_TRACER
	current->curr_ret_stack = jmp->port;
#endif
	kgo_unpoison_stack((void *)jmp->reg[KGO_JMP_SP]);
	/* It does not return; the loop is what objtool can see. */
	for (;;)
		kgo_jmp_go(jmp);
}

/* A function of its own, since it returns twice. */
static noinline notrace void kgo_run_here(struct kgo_kthread *kt, struct kgo_g *g)
{
	port_jmp_prepare(&kt->end);
	if (!kgo_jmp_set(&kt->end))
		kgo_g_entry(g);
}

/*
 * One without a stack needs no thread for itself: it is back soon, on any of
 * them.  Once it has waited it holds the module as others do; its descriptor
 * says so, in the word that is the port's.
 */
static void kgo_run_bare(struct kgo_kthread *kt, struct kgo_m *m, struct kgo_g *g)
{
	kgo_run_here(kt, g);
	if (m->post == KGO_POST_EXIT && g->ext) {
		g->ext = NULL;
		module_put(THIS_MODULE);
	} else if (m->post != KGO_POST_EXIT && !g->ext) {
		g->ext = THIS_MODULE;
		__module_get(THIS_MODULE);
	}
}

void port_run(struct kgo_m *m, struct kgo_g *g)
{
	struct kgo_kthread *kt = kgo_kthread_of(m);

	if (kgo_is_stackless(g)) {
		kgo_run_bare(kt, m, g);
		return;
	}
	if (unlikely(!kgo_take(kt))) {
		kgo_hold(g);
		return;
	}
	g->bound = m;
	port_store(&g->d.flags, g->d.flags | KGO_GF_BOUND);
	kgo_run_here(kt, g);
	if (kt->pinned) {
		kt->pinned = false;
		module_put(THIS_MODULE);
	}
}

/* At a goroutine's end, from however deep. */
void port_back(struct kgo_m *m, struct kgo_g *g)
{
	port_jump(&kgo_kthread_of(m)->end);
}

void port_switch(struct kgo_m *m, struct kgo_g *from, struct kgo_g *to)
{
	port_throw("switch of stacks in the kernel");
}

void port_pause(void)
{
	usleep_range(3, 20);
}

void port_mb_all(void)
{
	/* Each CPU passes a full barrier between the beginning and the end. */
	synchronize_rcu();
}

/*
 * Threads
 */

static int kgo_pool_thread(void *arg);

struct kgo_m *port_self(void)
{
	struct kgo_kthread *kt;

	if (!(current->flags & PF_KTHREAD) || !in_task() ||
	    kthread_func(current) != kgo_pool_thread)
		return NULL;
	kt = kthread_data(current);
	return kt->m;
}

int port_enter(struct kgo_m *m, u32 op, u32 flags, u32 target, u64 deadline)
{
	struct kgo_kthread *kt = m ? kgo_kthread_of(m) : NULL;
	u32 result;
	int ret;

	/* The runtime's own goroutines are ended by the exit of the module. */
	if (op == KGO_ENTER_PARK_BOUND && !kt->pinned &&
	    !(m->curg && m->curg->d.flags & KGO_GF_SYSTEM)) {
		kt->pinned = true;
		__module_get(THIS_MODULE);
	} else if (op == KGO_ENTER_PARK_SPARE && kt->taken) {
		kt->taken = false;
		/* What was held is seen by arb_park(): it has a barrier. */
		kgo_free_more();
	}
	ret = kgo_enter(kgo_kernel_runtime, kt ? kt->th : NULL, op, flags,
			target, deadline, &result);
	if (ret == -ESRCH && op == KGO_ENTER_WAKE &&
	    unlikely(!atomic_read(&kgo_pool.nr))) {
		/*
		 * The very first goroutine: nobody is there to start threads.
		 * One will run it, one remains to dispatch.
		 */
		if (port_cas(&kgo_rt.nr_starting, 0, 1)) {
			if (port_m_start())
				port_store(&kgo_rt.nr_starting, 0);
			port_m_start();
		}
	}
	if (ret == -EINTR && op == KGO_ENTER_PARK_SPARE)
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
	if (atomic_inc_return(&kgo_pool.nr) > kgo_kthreads_max) {
		atomic_dec(&kgo_pool.nr);
		return -EUSERS;
	}
	kgo_pool_want(0);
	return 0;
}

static int kgo_pool_thread(void *arg)
{
	struct kgo_kthread *kt = arg;
	int ret;

	ret = kgo_thread_attach(kgo_kernel_runtime, &kt->th);
	if (ret) {
		/* Still counted in kgo_pool.nr and kgo_rt.nr_starting. */
		kgo_pool_want(KGO_RETRY_JIFFIES);
	} else {
		struct kgo_m *m = kgo_m_at(kt->th->am.index);

		kgo_m_init(m, kt->th->am.index);
		m->port = kt;
		kt->m = m;
		kgo_free_more();
		kgo_m_main(m);
		kt->m = NULL;
		kgo_thread_detach(kt->th);
		/* Taken still if it ends with a goroutine that had locked it. */
		if (!kt->taken)
			atomic_dec(&kgo_pool.nr_free);
		if (kt->pinned)
			module_put(THIS_MODULE);
		atomic_dec(&kgo_pool.nr);
	}
	WRITE_ONCE(kt->ended, true);
	if (!READ_ONCE(kgo_pool.stopping))
		queue_delayed_work(kgo_wq, &kgo_pool.work, 0);
	return 0;
}

static int kgo_pool_make(void)
{
	struct kgo_kthread *kt;
	struct task_struct *task;

	lockdep_assert_held(&kgo_pool.lock);
	kt = kzalloc(sizeof(*kt), GFP_KERNEL);
	if (!kt)
		return -ENOMEM;
	task = kthread_create(kgo_pool_thread, kt, "kgo/%u", kgo_pool.nr_made);
	if (IS_ERR(task)) {
		kfree(kt);
		return PTR_ERR(task);
	}
	kt->task = get_task_struct(task);
	kgo_pool.nr_made++;
	list_add(&kt->link, &kgo_pool.threads);
	wake_up_process(task);
	return 0;
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
		if (kgo_pool_make()) {
			queue_delayed_work(kgo_wq, &kgo_pool.work,
					   KGO_RETRY_JIFFIES);
			break;
		}
		atomic_dec(&kgo_pool.wanted);
	}
	mutex_unlock(&kgo_pool.lock);
}

/*
 * When something is wrong
 */

static DEFINE_RATELIMIT_STATE(kgo_panic_limit, 5 * HZ, 10);

/* Whether this message comes for the first time; they are literals. */
static bool kgo_is_new(const char *msg)
{
	static const char *seen[32];
	const char *old;
	int i;

	for (i = 0; i < ARRAY_SIZE(seen); i++) {
		old = cmpxchg(&seen[i], NULL, msg);
		if (!old || old == msg)
			return !old;
	}
	return false;
}

void port_panic(const char *msg)
{
	pr_err_ratelimited("kgo: panic: %s\n", msg);
	if (kgo_is_new(msg))
		dump_stack();
}

/* One line a panic, the oldest first. */
void port_unrecovered(struct kgo_panic *newest)
{
	struct kgo_g *g = kgo_self_g();
	struct kgo_panic *p;
	u32 n = 0;

	if (READ_ONCE(kgo_panic_hook)) {
		kgo_panic_hook(newest);
		return;
	}
	if (!__ratelimit(&kgo_panic_limit))
		return;
	while (kgo_panic_nth(newest, n))
		n++;
	while (n--) {
		p = kgo_panic_nth(newest, n);
		if (p->kind == KGO_PANIC_VALUE)
			pr_err("kgo: panic: (void *) %p%s\n", p->value,
			       p->recovered ? " [recovered]" : "");
		else if (p->kind != KGO_PANIC_NONE)
			pr_err("kgo: panic: %s%s\n", (const char *)p->value,
			       p->recovered ? " [recovered]" : "");
	}
	pr_err("kgo: goroutine %llu [running]: %ps, ends\n", g->d.goid,
	       (void *)(unsigned long)g->d.fn);
	dump_stack();
}

void port_deadlock(const char *msg)
{
	port_throw(msg);
}

void port_throw(const char *msg)
{
	void (*hook)(const char *msg) = READ_ONCE(kgo_throw_hook);

	if (hook) {
		hook(msg);
		return;
	}
	WARN(kgo_is_new(msg), "kgo: %s\n", msg);
}

/*
 * The runtime
 */

/**
 * kgo_kernel_init() - Set the kernel's own runtime up, without threads
 *
 * The first goroutine brings the first thread.
 * CONTEXT: the init of the module.  Return: 0 or -errno.
 */
int kgo_kernel_init(void)
{
	const u32 per_page = PAGE_SIZE / KGO_G_STRIDE;
	struct kgo_runtime_args args = {
		.nr_ps = min(num_online_cpus(), kgo_max_ps),
		.nr_ms = clamp(kgo_kthreads_max, 2U, KGO_BOUND_KTHREADS),
		.nr_gs = KGO_KERNEL_GS,
		.features = KGO_FEATURES & ~KGO_FEAT_DEADLOCK,
	};
	struct kgo_runtime *rt;
	int ret;

	kgo_kthreads_max = args.nr_ms;
	mutex_init(&kgo_pool.lock);
	INIT_LIST_HEAD(&kgo_pool.threads);
	INIT_DELAYED_WORK(&kgo_pool.work, kgo_pool_work);
	port_lock_init(&kgo_pool.held_lock);

	kgo_kernel_g = kvcalloc(args.nr_gs / per_page, sizeof(*kgo_kernel_g),
				GFP_KERNEL);
	if (!kgo_kernel_g)
		return -ENOMEM;
	rt = kgo_runtime_create(&args);
	ret = PTR_ERR_OR_ZERO(rt);
	if (ret)
		goto free;
	kgo_kernel_runtime = rt;
	ret = kgo_rt_init(rt->region[KGO_REGION_R].linear,
			  rt->region[KGO_REGION_P].linear,
			  rt->region[KGO_REGION_M].linear);
	if (ret)
		goto put;
	kgo_debugfs_add(rt);
	return 0;

put:
	kgo_runtime_put(rt);
free:
	kvfree(kgo_kernel_g);
	return ret;
}

/* Nobody can start or hold a goroutine any more; some may be on their last steps. */
static void kgo_kernel_drain(void)
{
	unsigned int i;

	for (i = 0; kgo_num_goroutine_all(); i++) {
		if (i == 500)
			pr_warn("kgo: waiting for %llu goroutines to end\n",
				kgo_num_goroutine_all());
		msleep(20);
	}
}

/**
 * kgo_kernel_exit() - Stop all threads, free all memory
 *
 * CONTEXT: the exit of the module; no module that uses it is left.
 */
void kgo_kernel_exit(void)
{
	struct kgo_kthread *kt, *next;

	kgo_finalizer_stop();
	kgo_kernel_drain();
	WRITE_ONCE(kgo_pool.stopping, true);
	cancel_delayed_work_sync(&kgo_pool.work);
	mutex_lock(&kgo_pool.lock);
	list_for_each_entry_safe(kt, next, &kgo_pool.threads, link)
		kgo_pool_stop(kt);
	mutex_unlock(&kgo_pool.lock);
	/* A thread may have queued it before it saw us stopping. */
	cancel_delayed_work_sync(&kgo_pool.work);

	kgo_rt_destroy();
	kgo_runtime_put(kgo_kernel_runtime);
	kvfree(kgo_kernel_g);
}
