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
 *   - Threads come from a pool, see kthreads.c.
 *
 * Invariants:
 *   - kgo_this_m is right wherever a thread runs: its preempt notifiers see to
 *     that, so port_self() needs neither a table nor a lock.
 *   - The descriptors below r->nr_gs have a page, and keep it.
 *
 * Rejected: stacks of their own for goroutines, switched here.  The compiler
 * may cache `current` over any call, the canary is per task, tracers and
 * unwinders lose their way (Documentation/design.md).
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "compat.h"
#include "core/core.h"
#include "kernel.h"
#include "runtime.h"

#define KGO_KERNEL_GS		2097152U

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

/*
 * At a goroutine's end, from however deep.  There is always somewhere to go, but
 * objtool is not to find out: what it knows not to return it wants declared so,
 * and in other worlds this returns.
 */
void port_back(struct kgo_m *m, struct kgo_g *g)
{
	struct kgo_jmp *end = kgo_kthread_end(m, NULL);

	if (likely(end))
		port_jump(end);
}

/* Likewise, and another one begins there. */
void port_switch(struct kgo_m *m, struct kgo_g *from, struct kgo_g *to)
{
	struct kgo_jmp *end = kgo_kthread_end(m, to);

	if (likely(end))
		port_jump(end);
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

void port_fatal(const char *msg)
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
 * kgo_kernel_init() - Set the kernel's own runtime up
 *
 * CONTEXT: the init of the module.  Return: 0 or -errno.
 */
int kgo_kernel_init(void)
{
	const u32 per_page = PAGE_SIZE / KGO_G_STRIDE;
	struct kgo_runtime_args args = {
		.nr_ps = min(num_possible_cpus(), kgo_max_ps),
		.nr_ms = kgo_kthreads_init(),
		.nr_gs = KGO_KERNEL_GS,
		.features = KGO_FEATURES & ~KGO_FEAT_DEADLOCK,
	};
	struct kgo_runtime *rt;
	int ret;

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
	ret = kgo_procs_init();
	if (ret)
		goto destroy;
	ret = kgo_kthreads_start();
	if (ret)
		goto stop;
	kgo_debugfs_add(rt);
	return 0;

stop:
	kgo_kthreads_exit();
	kgo_procs_exit();
destroy:
	kgo_rt_destroy();
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
	kgo_finalizer_stop();
	kgo_kernel_drain();
	kgo_kthreads_exit();
	kgo_procs_exit();

	kgo_rt_destroy();
	kgo_runtime_put(kgo_kernel_runtime);
	kvfree(kgo_kernel_g);
}
