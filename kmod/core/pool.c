// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Pool: objects that are used again instead of made anew.
 *
 * Each P has a short stack of slots.  Every slot is changed by compare-and-swap
 * between NULL and an object, so that there is no lock, thieves and trimming
 * may come at any time, and an object that is in a slot belongs to whoever
 * swaps it out.  The height of the stack is a hint: the owner begins there,
 * and finds the object that it put last, whose memory is warm; thieves begin
 * at the bottom.
 *
 * In Go the garbage collector empties pools, in two steps, so that what is in
 * use comes through: the objects of the last round are the "victims", taken
 * from only if there is nothing else, and dropped in the next round.  Here a
 * pool is bounded (PER_P objects per P, what is put beyond goes at once) and
 * kgo_pool_trim() makes a round when the program says so.
 *
 * Rejected:
 *   - A timer that trims: pools would have to be registered and ended, and
 *     all-zero would not do.  A ticker of the program does the same.
 *   - A list through the objects, without a bound: the pool would write into
 *     memory that it does not own, and a burst would never be given back.
 *   - Go's private slot without atomics: trimming could not reach it.
 */
#include "core.h"

#define PER_P	64U

struct half {
	u32	top;		/* A: a hint: nothing above it, mostly */
	u32	pad;
	void	*slot[PER_P];	/* A: NULL or an object that the pool owns */
};

struct kgo_pool_slots {
	struct half fresh, victim;
};

static void drop(struct kgo_pool *p, void *obj)
{
	if (obj && p->drop)
		p->drop(obj, p->arg);
}

static struct kgo_pool_slots *slots_of(struct kgo_pool *p)
{
	/* Zeroed before it was seen; readers depend on the address. */
	return port_load(&p->slots);
}

static struct kgo_pool_slots *make_slots(struct kgo_pool *p)
{
	struct kgo_pool_slots *s;

	s = port_alloc(kgo_rt.nr_ps * sizeof(*s));
	if (s && !port_cas(&p->slots, NULL, s)) {
		port_free(s);
		s = slots_of(p);
	}
	return s;
}

static void *take(struct half *h, u32 i)
{
	void *obj = port_load(&h->slot[i]);

	return obj && port_cas(&h->slot[i], obj, NULL) ? obj : NULL;
}

/* From the top. */
static void *pop(struct half *h)
{
	u32 top = port_load(&h->top), i;
	void *obj;

	for (i = top; i--;) {
		obj = take(h, i);
		if (obj) {
			port_store(&h->top, i);
			return obj;
		}
	}
	if (top)
		port_store(&h->top, 0);
	return NULL;
}

/* From the bottom, for others than the owner; leaves the hint alone. */
static void *steal(struct half *h)
{
	u32 top = port_load(&h->top), i;
	void *obj;

	for (i = 0; i < top; i++) {
		obj = take(h, i);
		if (obj)
			return obj;
	}
	return NULL;
}

static bool push(struct half *h, void *obj)
{
	u32 top = port_load(&h->top), i;

	for (i = top; i < PER_P; i++)
		if (!port_load(&h->slot[i]) && port_cas(&h->slot[i], NULL, obj)) {
			port_store(&h->top, i + 1);
			return true;
		}
	/* What thieves left at the bottom. */
	for (i = 0; i < top; i++)
		if (!port_load(&h->slot[i]) && port_cas(&h->slot[i], NULL, obj))
			return true;
	return false;
}

/* Of any P, beginning at @at. */
static void *steal_any(struct kgo_pool_slots *s, u32 at, bool victim)
{
	void *obj;
	u32 i;

	for (i = 0; i < kgo_rt.nr_ps; i++) {
		obj = steal(victim ? &s[at].victim : &s[at].fresh);
		if (obj)
			return obj;
		at = at + 1 == kgo_rt.nr_ps ? 0 : at + 1;
	}
	return NULL;
}

void *kgo_pool_get(struct kgo_pool *p)
{
	struct kgo_pool_slots *s = slots_of(p);
	void *obj = NULL;
	u32 at;

	if (likely(s && kgo_self_g())) {
		at = kgo_m_p(kgo_enter_sched())->index;
		obj = pop(&s[at].fresh);
		kgo_leave_sched();
		if (!obj)
			obj = steal_any(s, at, false);
		if (!obj)
			obj = steal_any(s, at, true);
	}
	if (!obj && p->make)
		obj = p->make(p->arg);
	return obj;
}

void kgo_pool_put(struct kgo_pool *p, void *obj)
{
	struct kgo_pool_slots *s = slots_of(p);
	bool kept = false;

	if (!obj)
		return;
	if (unlikely(!s))
		s = make_slots(p);
	if (likely(s && kgo_self_g())) {
		kept = push(&s[kgo_m_p(kgo_enter_sched())->index].fresh, obj);
		kgo_leave_sched();
	}
	if (!kept)
		drop(p, obj);
}

static void drop_all(struct kgo_pool *p, struct half *h)
{
	u32 i;

	for (i = 0; i < PER_P; i++)
		drop(p, take(h, i));
	port_store(&h->top, 0);
}

void kgo_pool_trim(struct kgo_pool *p)
{
	struct kgo_pool_slots *s = slots_of(p);
	struct kgo_g *g = kgo_self_g();
	void *obj;
	u32 at, i;

	port_might_wait(__func__);
	if (!s)
		return;
	/* drop() may wait: for that a stackless one would keep its thread. */
	if (g && kgo_is_stackless(g)) {
		if (!kgo_mutex_try_lock(&p->trim))
			return;
	} else {
		kgo_mutex_lock_own(&p->trim);
	}
	for (at = 0; at < kgo_rt.nr_ps; at++)
		drop_all(p, &s[at].victim);
	for (at = 0; at < kgo_rt.nr_ps; at++)
		for (i = 0; i < PER_P; i++) {
			obj = take(&s[at].fresh, i);
			if (obj && !push(&s[at].victim, obj))
				drop(p, obj);
		}
	kgo_mutex_unlock(&p->trim);
}

void kgo_pool_destroy(struct kgo_pool *p)
{
	struct kgo_pool_slots *s = slots_of(p);
	u32 at;

	if (!s)
		return;
	for (at = 0; at < kgo_rt.nr_ps; at++) {
		drop_all(p, &s[at].fresh);
		drop_all(p, &s[at].victim);
	}
	port_store(&p->slots, NULL);
	port_free(s);
}
