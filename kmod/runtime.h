/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The objects of the module and who keeps them alive.
 *
 *      file of /dev/kgo --+
 *      attached thread ---+--> struct kgo_runtime --> regions, arbiter
 *      open debugfs file -+
 *
 *   struct kgo_runtime	one per SETUP, and one for the kernel's own goroutines
 *	(mm == NULL: its threads are kthreads, nobody maps its regions).  It
 *	dies in a work item after the last reference and an RCU grace period.
 *
 *   struct kgo_thread	one per M, found from the preempt notifier that it has
 *	on its task.  Its life:
 *
 *	ATTACH --> LIVE --------- DETACH, by itself ---------+
 *	             |                                       v
 *	             | dead, or in another program (exec)   LEFT --> buried
 *	             v                                       ^
 *	           DYING -- its irq_work: arb_leave() -------+
 *
 *	A thread moves itself from LIVE, in process context or in one of its
 *	notifiers; its last notifier may come long after its files are closed.
 *
 * The module stays loaded while a file is open (fops.owner).  A thread that
 * lives on when the file is released gets a reference of its own; one that is
 * dying by then is waited for by the exit of the module.
 */
#ifndef KGO_RUNTIME_H
#define KGO_RUNTIME_H

#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "core/arb.h"
#include "region.h"

/* Bounds of what SETUP grants; module parameters, constant after init. */
extern unsigned int kgo_max_ps;
extern unsigned int kgo_max_ms;
extern unsigned int kgo_max_gs;

/* What SETUP grants if it is not told. */
#define KGO_DEFAULT_MS	16384U
#define KGO_DEFAULT_GS	(1024U * 1024)

/* Features of this module. */
#define KGO_FEATURES	(KGO_FEAT_BLOCK | KGO_FEAT_TABLES | KGO_FEAT_DEADLOCK | \
			 KGO_FEAT_KCHAN | \
			 (IS_ENABLED(CONFIG_PREEMPT_RT) ? 0 : KGO_FEAT_PREEMPT))

/* Those that a runtime has only if it asks for them. */
#define KGO_FEAT_ASKED	(KGO_FEAT_DEADLOCK | KGO_FEAT_PREEMPT)

/* Where works of all objects run; flushed before the module goes. */
extern struct workqueue_struct *kgo_wq;

/*
 * struct kgo_cq - Completions on their way to a program, see kchan_arm.c
 *
 *   Q: lock
 */
struct kgo_cq {
	raw_spinlock_t		lock;
	u32			tail;		/* Q: next slot to fill */
	struct list_head	overflow;	/* Q: marks without room in the ring */
	struct xarray		marks;		/* by number; kept to the end */
	bool			stopped;	/* xa_lock, read without */
};

/*
 * struct kgo_runtime.  Legend:
 *   C: constant from kgo_runtime_create() on
 *   L: written under lock; read without where that is said
 *   R: under kgo_runtimes_lock
 *   A: rules of its own (arb.h, region.h)
 */
struct kgo_runtime {
	refcount_t		ref;
	u64			id;		/* C */
	struct list_head	link;		/* R: kgo_runtimes */
	struct dentry		*dir;		/* C: its debugfs folder, or NULL */
	struct mm_struct	*mm;		/* C: an identity, kept from reuse by mmgrab */
	struct pid		*tgid;		/* C */
	pid_t			pid;		/* C: of tgid, as init sees it */
	char			comm[TASK_COMM_LEN]; /* C: at SETUP */
	u32			nr_ps;		/* C */
	u32			nr_ms;		/* C: bound */
	u32			nr_gs;		/* C: bound */
	bool			preempts;	/* C: KGO_FEAT_PREEMPT was asked for */
	u32			preempt_signal;	/* C: or 0 */

	struct arb		arb;		/* A */
	struct kgo_region	region[KGO_NR_REGIONS]; /* A */
	struct kgo_cq		cq;		/* A */

	struct mutex		lock;		/* attach, burial, release of the file */
	struct xarray		threads;	/* L, read under RCU: by M index */
	u32			nr_threads;	/* L, read without */
	u64			blocks;		/* L, read without: of threads that left */

	struct rcu_work		free;
};

/* struct kgo_thread.end */
#define KGO_LIVE	0U
#define KGO_DYING	1U	/* its notifier is off; it makes no more calls */
#define KGO_LEFT	2U	/* the arbiter has forgotten it */

/*
 * struct kgo_thread.  Legend:
 *   C: constant from ATTACH on
 *   M: the thread itself, its preempt notifiers included; others only look
 *   L: rt->lock
 *   A: rules of arb.h
 */
struct kgo_thread {
	struct preempt_notifier	notifier;	/* M */
	struct irq_work		irq_work;
	struct kgo_runtime	*rt;		/* C */
	struct task_struct	*task;		/* C, until it is buried */
	struct kgo_mdesc	*md;		/* C: its shared record */
	struct kgo_m		*m;		/* M: port_self() of the kernel's own, or NULL */
	struct arb_m		am;		/* A */
	pid_t			tid;		/* C: as init sees it */

	u32			end;		/* M: LIVE to DYING, LIVE to LEFT;
						 * irq_work: DYING to LEFT
						 */
	bool			parking;	/* M: sleeps in ENTER, not a block */
	bool			blocked;	/* M: sleeps outside the runtime */
	bool			owned;		/* M: ... and had a P when it began */
	bool			lost;		/* M: a P that it has not asked for since */
	bool			pinned;		/* L: has a module reference */
	u64			blocks;		/* M */
	u64			handoffs;	/* M */

	struct hrtimer		tick;		/* M: started by; see preempt.c */
	int			tick_cpu;	/* see preempt.c */
	struct arb_slice	slice;		/* tick */
	bool			astray;		/* tick, or M: computes without a P */

	struct work_struct	bury;
	struct rcu_head		rcu;
};

/**
 * struct kgo_runtime_args - What kind of runtime
 * @user: of the calling process; else the kernel's own
 * @nr_ps: number of Ps
 * @nr_ms: bound of attached threads
 * @nr_gs: size of the G table
 * @features: those of it
 * @preempt_signal: its threads are also told by this signal that their
 *	goroutine has had its turn, or 0
 */
struct kgo_runtime_args {
	bool	user;
	u32	nr_ps;
	u32	nr_ms;
	u32	nr_gs;
	u64	features;
	u32	preempt_signal;
};

static inline struct kgo_runtime *kgo_arb_runtime(struct arb *arb)
{
	return container_of(arb, struct kgo_runtime, arb);
}

static inline struct kgo_rdesc *kgo_rdesc(struct kgo_runtime *rt)
{
	return rt->region[KGO_REGION_R].linear;
}

static inline struct kgo_pdesc *kgo_pdesc(struct kgo_runtime *rt, u32 p)
{
	return rt->region[KGO_REGION_P].linear + (size_t)p * KGO_P_STRIDE;
}

/* A descriptor that somebody touched, or NULL.  CONTEXT: any. */
static inline struct kgo_gdesc *kgo_gdesc(struct kgo_runtime *rt, u64 index)
{
	return kgo_region_at(&rt->region[KGO_REGION_G], index * KGO_G_STRIDE);
}

/* runtime.c */
struct kgo_runtime *kgo_runtime_create(const struct kgo_runtime_args *args);
bool kgo_runtime_tryget(struct kgo_runtime *rt);
void kgo_runtime_put(struct kgo_runtime *rt);
struct kgo_runtime *kgo_runtime_after(u64 id);
bool kgo_runtime_is_mine(struct kgo_runtime *rt);

/* thread.c */
int kgo_thread_attach(struct kgo_runtime *rt, struct kgo_thread **thread);
int kgo_thread_detach(struct kgo_thread *th);
struct kgo_thread *kgo_thread_current(void);
struct kgo_thread *kgo_thread_at(struct kgo_runtime *rt, u32 index);
void kgo_thread_publish(struct kgo_thread *th);
void kgo_thread_is_m(struct kgo_thread *th, struct kgo_m *m);
void kgo_thread_doom(struct kgo_thread *th);
void kgo_threads_outlive_file(struct kgo_runtime *rt);
void kgo_threads_drain(void);

/* blocked.c */
extern struct preempt_ops kgo_preempt_ops;
void kgo_thread_irq_work(struct irq_work *irq_work);

/* preempt.c */
void kgo_preempt_init(struct kgo_thread *th);
void kgo_preempt_move(struct kgo_thread *th, int cpu);
void kgo_preempt_stop(struct kgo_thread *th);

/**
 * kgo_preempt_watch() - See that the goroutine is looked at from time to time
 * @th: the calling thread's
 * @cpu: where it is
 *
 * CONTEXT: preemption off, no run queue lock.
 */
static inline void kgo_preempt_watch(struct kgo_thread *th, int cpu)
{
	if (th->rt->preempts && READ_ONCE(th->tick_cpu) != cpu &&
	    (th->am.p != KGO_NONE || th->lost))
		kgo_preempt_move(th, cpu);
}

/* arbiter.c */
int kgo_enter(struct kgo_runtime *rt, struct kgo_thread *th, u32 op, u32 flags,
	      u32 target, struct kgo_thread *to, u64 deadline, u32 *result);

/* kchan_arm.c */
void kgo_cq_init(struct kgo_cq *cq);
void kgo_cq_flush(struct kgo_runtime *rt);
void kgo_cq_stop(struct kgo_runtime *rt);
void kgo_cq_destroy(struct kgo_runtime *rt);

/* kchan_file.c */
int kgo_ioctl_kchan(void __user *arg);

/* dev.c */
/* A call without the size of its structure. */
#define KGO_CALL(cmd)	((cmd) & ~IOCSIZE_MASK)

int kgo_copy_in(void *to, size_t size, size_t least, const void __user *from);
int kgo_copy_out(void __user *to, const void *from, size_t size, u32 usize);
int kgo_dev_init(void);
void kgo_dev_exit(void);

/* debugfs.c */
void kgo_debugfs_init(void);
void kgo_debugfs_exit(void);
void kgo_debugfs_add(struct kgo_runtime *rt);
void kgo_debugfs_remove(struct kgo_runtime *rt);

#endif
