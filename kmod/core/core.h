/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the files of the core offer each other and the ports.  What programs
 * and kernel modules may call is in include/kgo/.
 */
#ifndef KGO_CORE_CORE_H
#define KGO_CORE_CORE_H

#include "types.h"
#include "include/kgo/api.h"

/*
 * kgo_enter_sched() brackets every access to a P's record together with
 * kgo_leave_sched(): the thread keeps its P meanwhile, even if it blocks.
 * The compiler barrier suffices because it is this thread's own sleep that
 * takes the P away, and the kernel writes d.p before it runs again.
 */
struct kgo_m *kgo_enter_sched_slow(struct kgo_m *m);

/*
 * A port that takes Ps from threads which may wake up meanwhile (the monitor
 * of libkgo) sets this bit in d.p first.  Whoever enters the runtime and finds
 * it has to ask for a P; whoever was inside before ignores it.
 */
#define KGO_P_CLAIM	0x80000000U

/* Must be asked after in_sched was set.  KGO_NONE has the bit as well. */
static inline bool kgo_m_has_p(struct kgo_m *m)
{
	return !(port_load(&m->d.p) & KGO_P_CLAIM);
}

/**
 * kgo_enter_sched() - Enter the runtime and make sure of a P
 *
 * CONTEXT: a goroutine.  May park it, so that it may wake on another thread.
 * Return: the M that it is on now.
 */
static inline struct kgo_m *kgo_enter_sched(void)
{
	struct kgo_m *m = port_self();

	if (unlikely(!m))
		return kgo_enter_sched_slow(m);
	port_store(&m->d.in_sched, 1);
	port_barrier();
	if (unlikely(!kgo_m_has_p(m)))
		m = kgo_enter_sched_slow(m);
	return m;
}

static inline void kgo_leave_sched(void)
{
	port_barrier();
	port_store(&port_self()->d.in_sched, 0);
}

/* The P that an M owns; only between enter_sched and leave_sched. */
static inline struct kgo_p *kgo_m_p(struct kgo_m *m)
{
	u32 p = port_load(&m->d.p);

	return p == KGO_NONE ? NULL : kgo_p_at(p & ~KGO_P_CLAIM);
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

/* rt.c */
int kgo_rt_init(struct kgo_rdesc *r, void *p_base, void *m_base);
void kgo_rt_destroy(void);
void kgo_m_init(struct kgo_m *m, u32 index);

/* gq.c: queues of goroutines linked by index */
void kgo_gq_push(struct kgo_gq *q, struct kgo_g *g);
void kgo_gq_push_front(struct kgo_gq *q, struct kgo_g *g);
struct kgo_g *kgo_gq_pop(struct kgo_gq *q);
void kgo_batches_put(struct kgo_batches *b, struct kgo_gq *q);
struct kgo_gq kgo_batches_get(struct kgo_batches *b, bool one);

/* g.c */
void kgo_g_set_state(struct kgo_g *g, u32 from, u32 to);
int kgo_g_new(struct kgo_m *m, struct kgo_g **gp, void (*fn)(void *), void *arg,
	      size_t stack_size, const struct kgo_site *site);
void kgo_g_free(struct kgo_m *m, struct kgo_g *g);
struct kgo_gx *kgo_gx(struct kgo_g *g);

/* runq.c: the local run queue of a P */
void kgo_runq_put(struct kgo_p *p, struct kgo_g *g, bool next);
struct kgo_g *kgo_runq_get(struct kgo_p *p);
bool kgo_runq_empty(struct kgo_p *p);
struct kgo_g *kgo_runq_steal(struct kgo_p *to, struct kgo_p *from, bool next);
void kgo_globq_put(struct kgo_g *g);
void kgo_globq_put_all(struct kgo_gq *q);
struct kgo_g *kgo_globq_get(struct kgo_p *p, bool one);

/* sched.c */
void kgo_m_main(struct kgo_m *m);
void kgo_m_run_one(struct kgo_m *m, struct kgo_g *g);
void kgo_g_entry(struct kgo_g *g);
void kgo_g_end(void);
void kgo_leave(struct kgo_m *m, u8 post);
void kgo_wakep(struct kgo_m *m);
bool kgo_ensure_spare(struct kgo_m *m);
void kgo_start(struct kgo_m *m, struct kgo_g *g);

/* park.c */
void kgo_park(struct kgo_m *m, u16 reason, kgo_lock_t *unlock);
void kgo_ready(struct kgo_g *g);

/* chan.c */
struct kgo_g *kgo_chan_offer(struct kgo_chan *c, const void *v);
bool kgo_chan_drain(struct kgo_chan *c);

/* timer.c */
struct kgo_timer {
	u64	when;		/* ns, CLOCK_MONOTONIC */
	/* Under the heap's lock: returns a goroutine to make ready, or NULL. */
	struct kgo_g *(*fire)(struct kgo_timer *t);
	u32	p;		/* whose heap */
	u32	slot;		/* position in it + 1, 0 if in none */
};

int kgo_timer_start(struct kgo_timer *t, long long ns);
bool kgo_timer_stop(struct kgo_timer *t);
u32 kgo_timers_run(struct kgo_p *p, u64 now);
u64 kgo_timers_first(void);

/* sema.c */
void kgo_sema_init(void);
void kgo_sema_acquire(u32 *addr, u16 reason, bool lifo);
void kgo_sema_release(u32 *addr, bool handoff);

#endif
