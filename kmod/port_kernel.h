/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's side of core/port.h: the words of the core, said in kernel C.
 *
 * What is here costs nothing but its own instructions, so that the arbiter can
 * be compiled for every open of /dev/kgo without a function call per word.
 * What needs a thread of its own (port_run, port_enter, ...) belongs to the
 * kernel's own runtime and is in port_kernel.c.
 *
 * Non-goal: 32-bit kernels.  P words and counters are 64 bits that change at
 * one blow.
 */
#ifndef KGO_PORT_KERNEL_H
#define KGO_PORT_KERNEL_H

#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/processor.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/types.h>

/* For <kgo/defer.h>: the jump is ours. */
#define KGO_JMP_OWN	1

#define PORT_STACKS	0
#define PORT_ALONE	0	/* interrupts come */
#define PORT_CHECKS	0

static_assert(sizeof(long) == sizeof(u64), "kgo needs a 64-bit kernel");

#define port_load(p)		READ_ONCE(*(p))
#define port_store(p, v)	WRITE_ONCE(*(p), (v))
#define port_fill(p, v)		WRITE_ONCE(*(p), (v))
/* Barriers: what they pair with is said where they are used. */
#define port_load_acquire(p)	smp_load_acquire(p)	/* pair: see use */
#define port_store_release(p, v) smp_store_release(p, (v))
#define port_xchg(p, v)		xchg(p, v)
#define port_mb()		smp_mb()	/* pair: see use */
#define port_barrier()		barrier()
#define port_relax()		cpu_relax()

#define port_cas(p, old, new)						\
	({								\
		__auto_type port_p_ = (p);				\
		typeof(*port_p_) port_old_ = (old);			\
									\
		cmpxchg(port_p_, port_old_, (new)) == port_old_;	\
	})

/*
 * The fields are plain integers because user space shares them; atomic_t is
 * the same integer, and the only add that every architecture has.
 */
#define port_add(p, v)							\
	({								\
		__auto_type port_p_ = (p);				\
		s64 port_v_ = (s64)(v);					\
									\
		static_assert(sizeof(*port_p_) == 4 || sizeof(*port_p_) == 8); \
		(typeof(*port_p_))(sizeof(*port_p_) == 4 ?		\
			(u32)atomic_add_return((int)port_v_, (atomic_t *)port_p_) : \
			(u64)atomic64_add_return(port_v_, (atomic64_t *)port_p_)); \
	})

/*
 * A raw lock: it is taken in hard interrupt and around wake-ups, also where
 * spinlocks sleep.  @flags belongs to whoever holds @raw.
 */
typedef struct {
	raw_spinlock_t	raw;
	unsigned long	flags;
} kgo_lock_t;

static inline void port_lock_init(kgo_lock_t *lock)
{
	raw_spin_lock_init(&lock->raw);
	lock->flags = 0;
}

static inline void port_lock(kgo_lock_t *lock)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lock->raw, flags);
	lock->flags = flags;
}

static inline void port_lock_nested(kgo_lock_t *lock)
{
	unsigned long flags;

	raw_spin_lock_irqsave_nested(&lock->raw, flags, SINGLE_DEPTH_NESTING);
	lock->flags = flags;
}

static inline void port_unlock(kgo_lock_t *lock)
{
	unsigned long flags = lock->flags;

	raw_spin_unlock_irqrestore(&lock->raw, flags);
}

static inline void port_assert_held(kgo_lock_t *lock)
{
	lockdep_assert_held(&lock->raw);
}

/* park_check.c; as might_sleep(), only where somebody wants to know. */
#if defined(CONFIG_DEBUG_ATOMIC_SLEEP) || defined(CONFIG_PROVE_LOCKING)
void kgo_might_park(const char *call, bool thread);
#else
static inline void kgo_might_park(const char *call, bool thread)
{
}
#endif

static inline void port_might_park(const char *call)
{
	kgo_might_park(call, false);
}

static inline void port_might_wait(const char *call)
{
	kgo_might_park(call, true);
}

static inline bool port_is_cold(u64 sp)
{
	return false;
}

static inline int port_affinity(const struct cpumask *cpus, void **to)
{
	if (cpumask_empty(cpus))
		return -EINVAL;
	*to = kmemdup(cpus, cpumask_size(), GFP_KERNEL);
	return *to ? 0 : -ENOMEM;
}

struct kgo_site;
int kgo_site_hold(const struct kgo_site *site);
void kgo_site_unhold(const struct kgo_site *site);

static inline int port_hold(const struct kgo_site *site)
{
	return kgo_site_hold(site);
}

static inline void port_unhold(const struct kgo_site *site)
{
	kgo_site_unhold(site);
}

/* The module is not unloaded while some wait without a thread. */
static inline void port_pin(void)
{
	__module_get(THIS_MODULE);
}

static inline void port_unpin(void)
{
	module_put(THIS_MODULE);
}

/* Without a count of preemption a spinlock that is held does not show. */
static inline bool port_is_atomic(void)
{
	return !IS_ENABLED(CONFIG_PREEMPT_COUNT) || !preemptible() ||
	       rcu_preempt_depth();
}

static inline u64 port_now(void)
{
	return ktime_get_ns();
}

static inline u64 port_now_coarse(void)
{
	return ktime_get_coarse_ns();
}

static inline u64 port_seed(void)
{
	return get_random_u64();
}

/* Kernel goroutines are readied by whoever wakes them. */
static inline void port_complete(void)
{
}

static inline void *port_alloc(size_t size)
{
	/* More than kvmalloc() wants to be asked for. */
	if (size > INT_MAX)
		return NULL;
	return kvzalloc(size, GFP_KERNEL);
}

static inline void port_free(void *ptr)
{
	kvfree(ptr);
}

/*
 * Descriptors of the kernel's own goroutines: the pages of its G region, one
 * entry each, filled in by port_g_grow().
 */
extern void **kgo_kernel_g;

struct kgo_g;
struct kgo_m;

/*
 * The M of the kernel's own runtime that runs on this CPU, or NULL: kept by the
 * preempt notifiers of its threads (blocked.c).  One instruction reads it, so
 * that it is the calling thread's wherever that runs.
 */
DECLARE_PER_CPU(struct kgo_m *, kgo_this_m);

static __always_inline struct kgo_m *port_self(void)
{
	return likely(in_task()) ? this_cpu_read(kgo_this_m) : NULL;
}

static inline struct kgo_g *port_g(u32 index)
{
	const u32 per_page = PAGE_SIZE / 128;	/* KGO_G_STRIDE, not seen yet */

	return kgo_kernel_g[index / per_page] + (index % per_page) * 128;
}

/* A goroutine has the stack of the thread that runs it. */
static inline int port_stack_alloc(struct kgo_g *g, size_t size)
{
	return 0;
}

static inline void port_stack_free(struct kgo_g *g)
{
}

static inline void port_g_init(struct kgo_g *g)
{
}

#endif
