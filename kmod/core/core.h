/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the files of the core offer each other and the ports.  What programs
 * and kernel modules may call is in include/kgo/.
 */
#ifndef KGO_CORE_CORE_H
#define KGO_CORE_CORE_H

#include "types.h"
#include "alone.h"
#include "gq.h"
#include "include/kgo/api.h"

/*
 * kgo_enter_sched() brackets every access to a P's record together with
 * kgo_leave_sched(): the thread keeps its P meanwhile, even if it blocks.
 * The compiler barrier suffices because it is this thread's own sleep that
 * takes the P away, and the kernel writes d.p before it runs again.
 */
struct kgo_m *kgo_enter_sched_slow(struct kgo_m *m);
struct kgo_m *kgo_enter_any_slow(struct kgo_m *m);

/*
 * A port that takes Ps from threads which may wake up meanwhile (the monitor
 * of libkgo) sets this bit in d.p first.  Whoever enters the runtime and finds
 * it has to ask for a P; whoever was inside before ignores it.
 */
#define KGO_P_CLAIM	0x80000000U

/*
 * One test for all of: no P, a claimed one, KGO_P_PREEMPT.  The last one costs
 * nothing that way as long as it is not set.
 */
#define KGO_P_ODD	(KGO_P_CLAIM | KGO_P_PREEMPT)

/* Must be asked after in_sched was set.  KGO_NONE has the bit as well. */
static inline bool kgo_m_has_p(struct kgo_m *m)
{
	return !(port_load(&m->d.p) & KGO_P_CLAIM);
}

/**
 * kgo_enter_sched() - Enter the runtime and make sure of a P
 *
 * CONTEXT: a goroutine.  May park it, so that it may wake on another thread.
 * Return: the M that it is on now; NULL, where throwing returns, if the caller
 * is no goroutine: it has not entered then.
 */
static inline struct kgo_m *kgo_enter_sched(void)
{
	struct kgo_m *m = port_self();

	if (unlikely(!m))
		return kgo_enter_sched_slow(m);
	port_store(&m->d.in_sched, 1);
	port_barrier();
	if (unlikely(port_load(&m->d.p) & KGO_P_ODD))
		m = kgo_enter_sched_slow(m);
	return m;
}

static inline void kgo_leave_sched(void)
{
	port_barrier();
	port_store(&port_self()->d.in_sched, 0);
}

/**
 * kgo_enter_any() - Enter the runtime from wherever the caller is
 *
 * For what makes others runnable and never waits itself.  An interrupt, or a
 * thread that is no goroutine, has no M and needs none: what it makes runnable
 * goes to the global queue.  A goroutine gives way here, as in
 * kgo_enter_sched(), unless it is in a place where it must not sleep.  There it
 * may be without a P, which kgo_m_p() says; one that it has stays, since it
 * cannot be switched out.
 *
 * CONTEXT: any that can take a lock.
 * Return: for kgo_leave_any(): its M, or NULL.
 */
static inline struct kgo_m *kgo_enter_any(void)
{
	struct kgo_m *m = port_self();

	if (unlikely(!m)) {
		kgo_share();
		return NULL;
	}
	port_store(&m->d.in_sched, 1);
	port_barrier();
	if (unlikely(port_load(&m->d.p) & KGO_P_ODD))
		m = kgo_enter_any_slow(m);
	return m;
}

static inline void kgo_leave_any(struct kgo_m *m)
{
	port_barrier();
	if (likely(m))
		port_store(&m->d.in_sched, 0);
}

/*
 * For a call that had nothing to do and did not enter the runtime: a goroutine
 * that only polls must give way, too, when it has had its turn.
 */
static inline void kgo_polled(void)
{
	struct kgo_m *m = port_self();

	if (m && unlikely(port_load(&m->d.p) & KGO_P_PREEMPT))
		kgo_leave_any(kgo_enter_any());
}

/* The P that an M owns; only between enter_sched and leave_sched. */
static inline struct kgo_p *kgo_m_p(struct kgo_m *m)
{
	u32 p = port_load(&m->d.p);

	return p == KGO_NONE ? NULL : kgo_p_at(p & ~KGO_P_ODD);
}

/* The calling goroutine, or NULL. */
static inline struct kgo_g *kgo_self_g(void)
{
	struct kgo_m *m = port_self();

	return m ? m->curg : NULL;
}

static inline u32 kgo_rand(struct kgo_m *m)
{
	u64 x = m->rand;

	/* xorshift64, Marsaglia 2003 */
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	m->rand = x;
	return (u32)(x >> 32);
}

/**
 * kgo_g_set_state() - The one writer of a goroutine's state; see g.c
 * @g: the goroutine; the caller owns it in state @from
 * @from: the state it is in
 * @to: the state it goes to
 *
 * What the caller wrote to the goroutine before is seen with the new state.
 * Throws if it is in another state than @from.
 * CONTEXT: with in_sched set.
 */
static inline void kgo_g_set_state(struct kgo_g *g, u32 from, u32 to)
{
	u32 old = port_load(&g->d.state);

	if (unlikely((old & ~KGO_G_SCAN) != from)) {
		port_throw("goroutine is not in the state that its owner says");
		return;
	}
	if (from != KGO_G_WAITING) {
		port_store_release(&g->d.state, to);
		return;
	}
	while (!kgo_cas_in(&g->d.state, from, to))
		port_relax();
}

/* How much of a stack is touched when its goroutine comes to run, or starts. */
#define KGO_WARM_STACK	256U

/*
 * @g is soon to run or to be started: let the processor fetch the top of its
 * stack, which lies on a page of its own.  What is there is of no matter.
 */
static inline void kgo_warm_stack(const struct kgo_g *g)
{
	const char *sp = (const char *)(unsigned long)port_load(&g->d.sp);
	u32 i;

	for (i = 0; i < KGO_WARM_STACK; i += 64)
		__builtin_prefetch(sp + i, 1);
}

/* The descriptor of @g is soon to be looked at. */
static inline void kgo_warm_g(const struct kgo_g *g)
{
	__builtin_prefetch(g, 1);
	__builtin_prefetch((const char *)g + 64, 1);
}

/* A dead goroutine of a P's list, or NULL. */
static inline struct kgo_g *kgo_g_take(struct kgo_gq *gfree)
{
	struct kgo_g *g = kgo_gq_pop(gfree);

	/* The next spawn's; its descriptor was fetched by the last one. */
	if (PORT_STACKS && gfree->head)
		kgo_warm_g(port_g(port_g(gfree->head)->next));
	return g;
}

/* What a goroutine is, from its start on.  Tables read it at any time. */
static inline void kgo_g_fill(struct kgo_g *g, u64 goid, u64 parent,
			      void (*fn)(void *), void *arg,
			      const struct kgo_site *site)
{
	g->arg = arg;
	port_store(&g->bound, NULL);
	port_fill(&g->d.flags, 0);
	port_fill(&g->d.goid, goid);
	port_fill(&g->d.parent, parent);
	port_fill(&g->d.fn, (u64)(unsigned long)fn);
	port_fill(&g->d.site, (u64)(unsigned long)site);
	port_fill(&g->d.m, KGO_NONE);
	port_fill(&g->d.p, KGO_NONE);
}

/* rt.c */
int kgo_rt_init(struct kgo_rdesc *r, void *p_base, void *m_base);
void kgo_rt_destroy(void);
void kgo_m_init(struct kgo_m *m, u32 index);

/* deadlock.c */
void kgo_all_asleep(void);

/* group.c */
void kgo_group_init(void);
struct kgo_group *kgo_group_enter(void);
int kgo_group_leave(struct kgo_group *group);
bool kgo_group_has(const struct kgo_group *group, struct kgo_g *g);
void kgo_group_join(struct kgo_group *group, struct kgo_g *g);
void kgo_group_quit(struct kgo_g *g);

/* finalizer.c */
void kgo_finalizer_init(void);
void kgo_finalizer_stop(void);

/* label.c */
void kgo_labels_inherit(struct kgo_gx *x, struct kgo_gx *from);
int kgo_labels_add(struct kgo_gx *x, const struct kgo_label_pair *pairs, size_t n);
void kgo_labels_end(struct kgo_gx *x);

/* local.c */
void kgo_locals_destroy(void);
void kgo_locals_end(struct kgo_gx *x);

/* supervisor.c */
void kgo_sup_destroy(void);

/* reserve.c */
void kgo_stock_put(struct kgo_g *g);

/* quiesce.c */
void kgo_quiesce_init(void);
void kgo_quiesce_wake(void);
int kgo_wait_end(u64 seen, long long ns);

/* gq.c: queues of queues of goroutines */
void kgo_batches_put(struct kgo_batches *b, struct kgo_gq *q);
struct kgo_gq kgo_batches_get(struct kgo_batches *b, bool one);
bool kgo_batches_remove(struct kgo_batches *b, struct kgo_g *g);

/* g.c */
int kgo_g_new(struct kgo_m *m, struct kgo_g **gp, void (*fn)(void *), void *arg,
	      size_t stack_size, const struct kgo_site *site);
int kgo_g_make(struct kgo_m *m, struct kgo_g **gp, size_t stack_size);
void kgo_g_become(struct kgo_m *m, struct kgo_g *g, void (*fn)(void *), void *arg,
		  u16 flags, const struct kgo_site *site);
void kgo_g_free(struct kgo_m *m, struct kgo_g *g);
void kgo_g_free_all(struct kgo_p *p);
void kgo_g_cancel(struct kgo_m *m, struct kgo_g *g);
void __noreturn kgo_g_end(void);
void kgo_g_end_bare(struct kgo_g *g);
bool kgo_g_scan_begin(struct kgo_g *g);
void kgo_g_scan_end(struct kgo_g *g);
struct kgo_m *kgo_last_steps(struct kgo_g *g);

/*
 * struct kgo_birth - What a new goroutine gets beside its function
 */
struct kgo_birth {
	size_t		stack_size;	/* 0 for the default */
	u16		flags;		/* KGO_GF_SYSTEM, or 0 */
	bool		loose;		/* the caller sees to its code, see port_hold() */
	const struct kgo_task *task;	/* whom its end concerns, or NULL; copied */
	struct kgo_client *client;	/* or NULL: that of its parent, if there is one */
	const struct kgo_attr *attr;	/* if it has something for the extension, or NULL */
};

/* Neither has a goroutine that belongs to a client, whose end is waited for. */
static inline int kgo_g_hold(struct kgo_g *g)
{
	int ret = port_hold((const struct kgo_site *)(unsigned long)g->d.site);

	if (ret > 0)
		port_fill(&g->d.flags, g->d.flags | KGO_GF_HELD);
	return ret < 0 ? ret : 0;
}

static inline void kgo_g_unhold(struct kgo_g *g)
{
	port_fill(&g->d.flags, g->d.flags & (u16)~KGO_GF_HELD);
	port_unhold((const struct kgo_site *)(unsigned long)g->d.site);
}

/* gx.c: what only some goroutines have */
struct kgo_gx *kgo_gx(struct kgo_g *g);
int kgo_gx_inherit(struct kgo_g *g, struct kgo_gx *from,
		   const struct kgo_birth *birth);
void kgo_gx_end(struct kgo_g *g);

/* runq.c: the local run queue of a P */
void kgo_runq_put(struct kgo_p *p, struct kgo_g *g, bool next);
struct kgo_g *kgo_runq_get(struct kgo_p *p);
bool kgo_runq_empty(struct kgo_p *p);
struct kgo_g *kgo_runq_steal(struct kgo_p *to, struct kgo_p *from, bool next);
void kgo_globq_put(struct kgo_g *g);
void kgo_globq_put_all(struct kgo_gq *q);
struct kgo_g *kgo_globq_get(struct kgo_p *p, bool one);
bool kgo_globq_remove(struct kgo_g *g);

/* sched.c */
void kgo_m_main(struct kgo_m *m);
void kgo_m_main_first(struct kgo_m *m, struct kgo_g *g);
void kgo_m_rest(struct kgo_m *m);
void kgo_m_run_one(struct kgo_m *m, struct kgo_g *g);
void kgo_g_entry(struct kgo_g *g);
void kgo_leave(struct kgo_m *m, u8 post);
void kgo_chain(struct kgo_m *m);
struct kgo_g *kgo_next_bare(struct kgo_m *m);
struct kgo_g *kgo_next_bound(struct kgo_m *m);
void kgo_watch_timers(struct kgo_m *m, struct kgo_p *p);
void kgo_start(struct kgo_m *m, struct kgo_g *g);

/* spare.c: Ms that have nothing to run */
bool kgo_spare_park(struct kgo_m *m, struct kgo_g *give);
void kgo_spare_found(struct kgo_m *m);
void kgo_wakep_slow(struct kgo_m *m);
bool kgo_ensure_spare_slow(struct kgo_m *m);

/**
 * kgo_ensure_spare() - See that an M is parked as spare
 * @m: the calling M with in_sched set
 *
 * The M that takes the last spare's place starts another, before it does
 * something that can block.
 * CONTEXT: no lock held; may sleep, and may cost @m its P meanwhile.
 * Return: false if there is none and none could be started.
 */
static inline bool kgo_ensure_spare(struct kgo_m *m)
{
	return likely(port_load(&kgo_rt.r->nr_spare)) || kgo_ensure_spare_slow(m);
}

/**
 * kgo_wakep() - There is new work: see that somebody looks for it
 * @m: the calling M with in_sched set, or NULL
 *
 * The work was queued with a full barrier after it.
 * CONTEXT: no lock held; does not sleep.
 */
static inline void kgo_wakep(struct kgo_m *m)
{
	struct kgo_rdesc *r = kgo_rt.r;

	if (port_load(&r->nr_avail) && !port_load(&r->nr_spinning))
		kgo_wakep_slow(m);
}

/* cont.c: goroutines without a stack */
#define KGO_STACKLESS	(~(size_t)0)	/* for kgo_g_new(), as a stack size */

void kgo_cont_run(struct kgo_m *m, struct kgo_g *g);
void kgo_cont_end(struct kgo_m *m, struct kgo_g *g);
void kgo_cont_destroy(void);
int kgo_cont_refuse(u16 reason);

/* defer.c: what a goroutine has to see to on its way out */
enum kgo_frame_kind {
	KGO_FRAME_SCOPE		= 0x0,	/* its block runs */
	KGO_FRAME_LEAVING	= 0x1,	/* its block has ended, its deferred calls run */
	KGO_FRAME_BASE		= 0x2,	/* of the goroutine, without a block */
	KGO_FRAME_PANIC		= 0x4,	/* a struct kgo_panic */
};

bool kgo_scope_pop(struct kgo_scope *s, struct kgo_deferred *d);
bool kgo_scope_is_base(const struct kgo_scope *s);
void kgo_base_leave(struct kgo_g *g);

/*
 * struct kgo_panic - A panic, or a kgo_exit(), whose deferred calls run
 *
 * On the stack of who panics.  Owned by its goroutine.
 */
struct kgo_panic {
	struct kgo_frame frame;
	struct kgo_scope *at;	/* whose deferred calls it runs */
	void		*value;
	const void	*from;	/* frame address of the function that panics */
	u8		kind;	/* enum kgo_panic_kind; NONE for kgo_exit() */
	bool		recovered;
};

/* panic.c */
void kgo_panic_rt(const char *msg);
void kgo_panic_any(const char *msg);
struct kgo_panic *kgo_panic_nth(struct kgo_panic *p, u32 n);

/*
 * The coming park can be ended by nobody who has no way to this object: not by
 * a timer, not by another one.  What the proof of leaks goes by.
 */
static inline void kgo_wait_on(struct kgo_m *m, const void *object)
{
	m->wait_on = object;
}

/* park.c */
void kgo_g_park(struct kgo_m *m, u16 reason, kgo_lock_t *unlock);
void kgo_park_bare(struct kgo_m *m, u16 reason, kgo_lock_t *unlock);
bool kgo_others_wait(struct kgo_m *m);
void kgo_g_ready(struct kgo_g *g);
void kgo_g_ready_behind(struct kgo_g *g);
void kgo_bound_wait(struct kgo_m *m, struct kgo_g *g);
u64 kgo_num_ended(void);
int kgo_birth_attr(struct kgo_birth *birth, const struct kgo_attr *attr);
int kgo_begin(struct kgo_m *m, struct kgo_g *g, const struct kgo_birth *birth);
int kgo_go_birth(const struct kgo_site *site, void (*fn)(void *), void *arg,
		 const struct kgo_birth *birth);
int kgo_go_system(const struct kgo_site *site, void (*fn)(void *), void *arg);

/* preempt.c */
bool kgo_turn_is_over(struct kgo_p *p, bool tick);
void kgo_slice_ends(struct kgo_m *m, struct kgo_p *p);
struct kgo_m *kgo_preempt_here(struct kgo_m *m);
bool kgo_preempt(struct kgo_m *m);

/* chan.c */
size_t kgo_chan_size(const struct kgo_chan *c);
size_t kgo_chan_elem_size(const struct kgo_chan *c);
struct kgo_g *kgo_chan_offer(struct kgo_chan *c, const void *v);
bool kgo_chan_drain(struct kgo_chan *c);

/* timer.c; struct kgo_alarm is in <kgo/time.h> */
int kgo_sleep_start(struct kgo_m *m, long long ns, kgo_lock_t **lock);
int kgo_alarm_start(struct kgo_alarm *a, long long ns);
bool kgo_alarm_stop(struct kgo_alarm *a);
struct kgo_p *kgo_alarm_lock(struct kgo_alarm *a);
struct kgo_p *kgo_alarm_lock_room(struct kgo_m *m, struct kgo_alarm *a);
bool kgo_alarm_take(struct kgo_p *p, struct kgo_alarm *a);
void kgo_alarm_put(struct kgo_p *p, struct kgo_alarm *a, long long ns);
u32 kgo_timers_run(struct kgo_p *p, u64 now);
u64 kgo_timers_first(void);
int kgo_timers_move(struct kgo_p *from, struct kgo_p *to);

/* procs.c */
int kgo_p_clear(struct kgo_p *p);

/* addrq.c */
void kgo_addrq_init(void);
const void *kgo_addrq_table(size_t *size);

/* chan.c: it may be used in any bubble, wherever it was made */
void kgo_chan_everywhere(struct kgo_chan *c);

/* sync.c */
void kgo_mutex_lock_own(struct kgo_mutex *mu);

/* sema.c */
void kgo_sema_acquire(u32 *addr, u16 reason, bool lifo);
void kgo_sema_release(u32 *addr, bool handoff);
void kgo_sema_release_inside(u32 *addr);
void kgo_sema_wait(u32 *addr);

#endif
