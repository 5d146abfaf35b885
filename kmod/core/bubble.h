/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Bubbles: what synctest.c offers to the rest of the core.
 *
 * Nobody but goroutines with an extension can be in a bubble, so that all the
 * others pay one test of g->x per park and wake.
 */
#ifndef KGO_CORE_BUBBLE_H
#define KGO_CORE_BUBBLE_H

#include "core.h"

/* In kgo_p.index: it is a bubble's; the rest is its root's index. */
#define KGO_P_BUBBLE	0x40000000U

/*
 * struct kgo_bubble - Goroutines that have a clock of their own
 */
struct kgo_bubble {
	kgo_lock_t	lock;
	u32		id;		/* C: not zero */
	u32		total;		/* Q: lock; goroutines, without the root */
	u32		running;	/* Q: lock; of them not durably blocked */
	bool		main_ended;	/* Q: lock */
	bool		root_waits;	/* Q: lock; parked until nobody runs */
	struct kgo_g	*root;		/* C: the one that called run() */
	struct kgo_g	*waiter;	/* Q: lock; in wait(), or NULL */
	u64		now;		/* A: changed by the root only */
	struct kgo_p	p;		/* nobody runs it: it has the timers */
};

static inline bool kgo_p_is_bubble(const struct kgo_p *p)
{
	return unlikely(p->index & KGO_P_BUBBLE);
}

static inline struct kgo_bubble *kgo_bubble_of_p(struct kgo_p *p)
{
	return container_of(p, struct kgo_bubble, p);
}

/* The bubble of a goroutine, or NULL. */
static inline struct kgo_bubble *kgo_bubble_of(const struct kgo_g *g)
{
	return unlikely(g->x) ? g->x->bubble : NULL;
}

/* That of the caller, a goroutine or not. */
static inline struct kgo_bubble *kgo_bubble_self(void)
{
	struct kgo_m *m = port_self();

	return m && m->curg ? kgo_bubble_of(m->curg) : NULL;
}

/* The number of the caller's bubble; 0 outside of one. */
static inline u32 kgo_bubble_id(void)
{
	struct kgo_bubble *b = kgo_bubble_self();

	return unlikely(b) ? b->id : 0;
}

/*
 * The caller is about to wait for something that only its own bubble can bring
 * about, or may be; for reasons of which that is not known by themselves.
 */
static inline void kgo_bubble_inside(struct kgo_g *g, bool inside)
{
	if (unlikely(g->x))
		g->x->inside = inside;
}

/* Where the calling goroutine's timers go. */
static inline struct kgo_p *kgo_timers_p(struct kgo_m *m)
{
	struct kgo_bubble *b = m->curg ? kgo_bubble_of(m->curg) : NULL;

	return unlikely(b) ? &b->p : kgo_m_p(m);
}

struct kgo_p *kgo_bubble_p(u32 index);
struct kgo_bubble *kgo_bubble_park(struct kgo_g *g);
void kgo_bubble_parked(struct kgo_bubble *b);
void kgo_bubble_ready(struct kgo_g *g);
void kgo_bubble_join(struct kgo_bubble *b, struct kgo_g *g);
void kgo_bubble_leave(struct kgo_g *g);

/* timer.c */
u64 kgo_timers_due(struct kgo_p *p);
void kgo_timers_fire(struct kgo_p *p, u64 now);
void kgo_timers_drop(struct kgo_p *p);

#endif
