/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * G, M, P and the runtime, as the core sees them.
 *
 * Each begins with the part that the tables show (<linux/kgo.h>); the rest of
 * its stride is the core's own.  There is one runtime per world: one in a
 * program, one in the kernel, so that no fast path asks which.
 *
 * Fields follow one of these rules:
 *
 *   C: set once, before the object can be seen
 *   P: the M that owns the P, with in_sched set
 *   A: atomic, anybody
 *   M: the M itself
 *   G: whoever owns the goroutine, as its state says (see g.c)
 *   Q: the lock named in the comment
 */
#ifndef KGO_CORE_TYPES_H
#define KGO_CORE_TYPES_H

#include "port.h"
#include "list.h"

struct kgo_alarm;
struct kgo_bubble;
struct kgo_client;
struct kgo_cont;
struct kgo_group;
struct kgo_labels;
struct kgo_local;
struct kgo_stock;
struct kgo_then;

/*
 * struct kgo_task - Whom the end of a goroutine concerns; see task.c
 */
struct kgo_task {
	void		(*end)(struct kgo_task *task);	/* called at its end */
	void		*owner;		/* WaitGroup, errgroup, ... */
	void		*call;		/* what the body calls, if not fn */
	int		ret;		/* what that returned */
};

/*
 * struct kgo_gx - What only some goroutines have
 *
 * Made by kgo_gx() when it is first needed and kept with the descriptor, so
 * that a goroutine without is as small and as quick to start as can be.  Dead
 * goroutines have nothing in it.
 */
struct kgo_gx {
	struct kgo_gext	e;		/* first: what the tables show */
	struct kgo_task	task;		/* G: or all zero */
	struct kgo_bubble *bubble;	/* G: or NULL */
	bool		inside;		/* G: see kgo_bubble_inside() */
	bool		durable;	/* G: waits for its bubble, and is counted so */
	struct kgo_labels *labels;	/* inherited; see label.c */
	struct kgo_local *locals;	/* by key, or NULL; see local.c */
	u32		nr_locals;
	u32		local_rounds;
	struct kgo_group *group;	/* inherited; Q: the lock in group.c */
	void		*affinity;	/* port: its own copy, or NULL; see port_affinity() */
	struct kgo_client *client;	/* inherited; see client.c */
	struct kgo_stock *stock;	/* C: whose descriptor it is, or NULL; see reserve.c */
};

/*
 * Private bits of kgo_gdesc.flags.
 */
#define KGO_GF_ODD_STACK	0x8000U	/* its stack is not of the default size */
#define KGO_GF_RESERVED		0x4000U	/* its descriptor is a reserve's */
#define KGO_GF_HELD		0x2000U	/* port_hold() holds something for it */

/*
 * struct kgo_g - A goroutine.  Index 0 is never used.
 */
struct kgo_g {
	union {
		struct kgo_gdesc d;
		struct {
			u64	d_words[sizeof(struct kgo_gdesc) / 8 - 1];
			struct kgo_gx *x;	/* G: d.ext; see kgo_gx() */
		};
		struct {
			u64	d_words_to_sp[sizeof(struct kgo_gdesc) / 8 - 2];
			struct kgo_cont *cont;	/* G: d.sp of a stackless one */
		};
	};
	u32		index;		/* C */
	u32		next;		/* G: link in the one queue or free list it is in */
	union {
		void	*arg;		/* G: until it starts */
		struct kgo_frame *frames; /* G: from then on, see defer.c */
	};
	struct kgo_m	*bound;		/* G: runs on this M only, or NULL */
	union {
		struct {
			u32 batch_next;	/* G: first of a batch: the next batch's */
			u32 batch_n;	/* G: first of a batch: how many it has */
		};
		const void *wait_on;	/* G: WAITING: see kgo_wait_on(), or NULL */
	};
	void		*ext;		/* G: for the port */
};

typedef void (*kgo_fn)(void *arg);

/* Does it run on its M's stack, and wait without any?  See cont.c. */
static inline bool kgo_is_stackless(const struct kgo_g *g)
{
	return port_load(&g->d.flags) & KGO_GF_STACKLESS;
}

static inline kgo_fn kgo_g_fn(const struct kgo_g *g)
{
	return (kgo_fn)(unsigned long)g->d.fn;
}

/*
 * struct kgo_gq - A queue of goroutines, linked by index
 */
struct kgo_gq {
	u32		head;
	u32		tail;
	u32		n;
};

/*
 * struct kgo_batches - Goroutines on their way between Ps, in batches
 *
 * Only the first of each batch is touched to put or take all of it.
 */
struct kgo_batches {
	u32		head;
	u32		tail;
	u32		n;		/* goroutines in all batches */
};

/*
 * struct kgo_due - A place in a heap
 *
 * With the time beside it a way through the heap reads four children in one
 * cache line, and no timer but those that move.  A goroutine that sleeps is in
 * it by its number alone: its stack is not touched before it runs.
 */
struct kgo_due {
	u64		when;
	union {
		struct kgo_alarm *alarm;
		u64	sleeper;	/* odd: twice a goroutine's index, plus one */
	};
};

/*
 * struct kgo_timers - The timers of a P: a 4-ary heap, the earliest first
 */
struct kgo_timers {
	kgo_lock_t	lock;
	struct kgo_due	*heap;		/* Q: lock; heap[1] begins a cache line */
	void		*mem;		/* Q: lock; what it is in */
	u32		n;		/* Q: lock */
	u32		cap;		/* Q: lock */
};

/*
 * struct kgo_p - A processor
 */
struct kgo_p {
	struct kgo_pdesc d;
	u32		index;		/* C */
	struct kgo_gq	gfree;		/* P: dead goroutines, their stacks kept */
	struct kgo_gq	gfull;		/* P: a batch of them, or none; see g.c */
	struct kgo_gq	gbare;		/* P: dead ones that never had a stack */
	struct kgo_gq	gbare_full;	/* P: a batch of them, or none */
	struct kgo_cont	*conts;		/* P: records of stackless ones, unused ... */
	u32		nr_conts;	/* P: ... and how many */
	u64		goid_next;	/* P: numbers taken from rt->goid ... */
	u64		goid_end;	/* P: ... but not used yet */
	u32		g_next;		/* P: fresh descriptors taken ... */
	u32		g_end;		/* P: ... but not used yet */
	u64		ticked;		/* P: see kgo_turn_is_over() ... */
	u64		slice_end;	/* P: ... */
	u64		sliced_until;	/* P: ... 0 for no slices */
	struct kgo_timers timers;
};

/* What a goroutine that leaves its stack wants of whoever runs next there. */
enum kgo_post {
	KGO_POST_NONE,
	KGO_POST_PARK,		/* it is waiting; then drop m->post_lock */
	KGO_POST_YIELD,		/* it is runnable, behind all others */
	KGO_POST_PREEMPT,	/* likewise, behind those of all Ps */
	KGO_POST_EXIT,		/* it is dead */
};

/*
 * struct kgo_m - A thread
 */
struct kgo_m {
	struct kgo_mdesc d;
	u32		index;		/* C */
	bool		spinning;	/* M: counted in r->nr_spinning */
	bool		keeper;		/* M: its deadline is r->keeper_when */
	bool		fresh;		/* M: no goroutine yet since it was parked */
	u8		post;		/* M: enum kgo_post */
	bool		lock_binds;	/* M: curg is bound by its locks only */
	bool		retires;	/* M: a goroutine that locked it has ended */
	bool		chains;		/* C: port: see port_switch() */
	u32		locks;		/* M: by its goroutine, see thread.c */
	u32		naps;		/* M: so many in a row */
	u32		seen_ticks;	/* M: sum of all schedticks at the last nap */
	u32		in_arbiter;	/* M: port: it is in port_enter() */
	struct kgo_g	*curg;		/* M */
	struct kgo_g	*prev;		/* M: left its stack, wants what post says */
	struct kgo_g	*next;		/* M: dequeued, for the scheduler to run */
	kgo_lock_t	*post_lock;	/* M: for KGO_POST_PARK, or NULL */
	const void	*wait_on;	/* M: for the next park, or NULL */
	struct kgo_then	*then;		/* M: what its stackless body asks for, or NULL */
	u64		rand;		/* M */
	u64		sp;		/* port: where its scheduler stands */
	void		*port;		/* port */
};

static_assert(sizeof(struct kgo_g) == KGO_G_STRIDE, "G stride");
static_assert(offsetof(struct kgo_g, x) == offsetof(struct kgo_gdesc, ext) &&
	      offsetof(struct kgo_gx, e) == 0, "the extension is in the table");
static_assert(offsetof(struct kgo_g, cont) == offsetof(struct kgo_gdesc, sp),
	      "who has no stack has no stack pointer");
static_assert(sizeof(struct kgo_p) <= KGO_P_STRIDE, "P stride");
static_assert(sizeof(struct kgo_m) <= KGO_M_STRIDE, "M stride");

/*
 * struct kgo_rt - The runtime
 */
struct kgo_rt {
	struct kgo_rdesc *r;		/* C */
	char		*p_base;	/* C */
	char		*m_base;	/* C */
	u32		nr_ps;		/* C */
	u32		nr_on;		/* A: those below are in use, see procs.c */
	u32		nr_ms;		/* C: bound of Ms */
	u32		nr_gs_max;	/* C */
	u32		steal_step[32];	/* C: strides that visit every P */
	u32		nr_steal_steps;	/* C */
	u32		nr_quiesce;	/* A: who waits for goroutines to end; rarely written */

	kgo_lock_t	gq_lock;
	struct kgo_batches gq;		/* Q: gq_lock; its length also in r->gq_len */

	kgo_lock_t	gfree_lock;
	struct kgo_batches gfree;	/* Q: gfree_lock */
	struct kgo_batches gbare;	/* Q: gfree_lock; without stacks */

	u64		goid;		/* A: last number given out */
	u64		ext_spawned;	/* A: created by threads without a P */
	u64		ext_exited;	/* A: ended by threads without a P */
	u32		nr_system;	/* A: KGO_GF_SYSTEM goroutines */
	u32		wakers;		/* A: who may wake goroutines though no thread runs */
	u32		nr_starting;	/* A: Ms started that have not parked yet */
	u32		fruitless;	/* A: wake-ups in a row that found no work */

	u64		main_goid;	/* C: of the goroutine that is the program */
	u32		main_gone;	/* A: that one has ended by kgo_exit() */
	u32		panics;		/* A: panics whose deferred calls run */
};

extern struct kgo_rt kgo_rt;

static inline struct kgo_p *kgo_p_at(u32 index)
{
	return (struct kgo_p *)(kgo_rt.p_base + (size_t)index * KGO_P_STRIDE);
}

static inline struct kgo_m *kgo_m_at(u32 index)
{
	return (struct kgo_m *)(kgo_rt.m_base + (size_t)index * KGO_M_STRIDE);
}

#endif
