// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Goroutines: their states, and where descriptors come from and go to.
 *
 *            kgo_g_new         execute            kgo_g_park
 *   IDLE -------------> RUNNABLE -------> RUNNING ---------> WAITING
 *   DEAD ------------->    ^  ^             |  |                |
 *    ^                     |  +-------------+  |                |
 *    |                     |       yield       |                |
 *    |                     +-------------------|----------------+
 *    |                           kgo_g_ready |
 *    +-----------------------------------------+
 *                     kgo_g_end
 *
 *   RUNNING <--> PREEMPTED   kgo_preempt(), on its own M
 *
 * A state says who owns the goroutine, its stack included:
 *
 *   RUNNABLE  the one queue that it is in; whoever dequeues it
 *   RUNNING   the M that it is on
 *   PREEMPTED the M that it is on, which sleeps; and it is in a queue, so that
 *             whoever dequeues it gives that M a P
 *   WAITING   what it waits for, as named by its reason; exactly one waker may
 *             call kgo_g_ready(), decided under that thing's lock
 *   DEAD      the free list that it is in
 *
 * KGO_G_SCAN in a WAITING state means that somebody reads the stack: the waker
 * waits until the bit is gone.  No other state can be scanned, so only the
 * step out of WAITING is a compare-and-swap.
 *
 * Dead goroutines keep a stack of the default size: a spawn that finds one
 * allocates nothing.
 */
#include "core.h"

#define GFREE_MAX	64U	/* on a P, then half go to the global list */
#define GOID_BATCH	16U
#define G_BATCH		16U	/* fresh descriptors that a P takes at once */

/**
 * kgo_g_set_state() - The one writer of a goroutine's state
 * @g: the goroutine; the caller owns it in state @from
 * @from: the state it is in
 * @to: the state it goes to
 *
 * What the caller wrote to the goroutine before is seen with the new state.
 * Throws if it is in another state than @from.
 * CONTEXT: with in_sched set.
 */
void kgo_g_set_state(struct kgo_g *g, u32 from, u32 to)
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
	while (!port_cas(&g->d.state, from, to))
		port_relax();
}

/* Reserve fresh descriptors: for a P a batch, else one. */
static int g_reserve(u32 want, u32 *first, u32 *n)
{
	struct kgo_rdesc *r = kgo_rt.r;
	u32 old;

	do {
		old = port_load(&r->nr_gs);
		if (old >= kgo_rt.nr_gs_max)
			return -EAGAIN;
		*n = kgo_rt.nr_gs_max - old;
		if (*n > want)
			*n = want;
		if (port_g_grow(old, *n))
			return -ENOMEM;
	} while (!port_cas(&r->nr_gs, old, old + *n));
	*first = old;
	return 0;
}

static int g_fresh(struct kgo_p *p, struct kgo_g **gp)
{
	u32 index, n;
	int ret;

	if (!p) {
		ret = g_reserve(1, &index, &n);
		if (ret)
			return ret;
	} else {
		if (p->g_next == p->g_end) {
			ret = g_reserve(G_BATCH, &index, &n);
			if (ret)
				return ret;
			p->g_next = index;
			p->g_end = index + n;
		}
		index = p->g_next++;
	}
	*gp = port_g(index);
	(*gp)->index = index;
	return 0;
}

/* A batch goes to @p; or, without one, one goroutine is taken from it. */
static struct kgo_g *g_from_global(struct kgo_p *p)
{
	struct kgo_gq q;

	if (!port_load(&kgo_rt.gfree.n))
		return NULL;
	port_lock(&kgo_rt.gfree_lock);
	q = kgo_batches_get(&kgo_rt.gfree, !p);
	port_unlock(&kgo_rt.gfree_lock);
	if (!p)
		return kgo_gq_pop(&q);
	p->gfree = q;
	return kgo_gq_pop(&p->gfree);
}

static void g_to_global(struct kgo_gq *q)
{
	port_lock(&kgo_rt.gfree_lock);
	kgo_batches_put(&kgo_rt.gfree, q);
	port_unlock(&kgo_rt.gfree_lock);
}

static u64 g_number(struct kgo_p *p)
{
	if (!p)
		return port_add(&kgo_rt.goid, 1);
	if (p->goid_next == p->goid_end) {
		p->goid_end = port_add(&kgo_rt.goid, GOID_BATCH) + 1;
		p->goid_next = p->goid_end - GOID_BATCH;
	}
	return p->goid_next++;
}

static inline int g_make(struct kgo_m *m, struct kgo_g **gp, size_t stack_size)
{
	struct kgo_p *p = m ? kgo_m_p(m) : NULL;
	struct kgo_g *g = NULL, *next;
	int ret;

	if (p && p->gfree.head) {
		g = kgo_gq_pop(&p->gfree);
		/* The next spawn's; its descriptor was fetched by the last one. */
		if (p->gfree.head) {
			next = port_g(p->gfree.head);
			kgo_warm_stack(next);
			kgo_warm_g(port_g(next->next));
		}
	}
	if (!g)
		g = g_from_global(p);
	if (!g) {
		ret = g_fresh(p, &g);
		if (ret)
			return ret;
	}
	if (stack_size && g->d.stack_lo)
		port_stack_free(g);
	if (!g->d.stack_lo) {
		ret = port_stack_alloc(g, stack_size);
		if (ret) {
			kgo_g_free(m, g);
			return ret;
		}
	}
	*gp = g;
	return 0;
}

static inline void g_fill(struct kgo_m *m, struct kgo_g *g, void (*fn)(void *),
			  void *arg, u16 flags, const struct kgo_site *site)
{
	struct kgo_p *p = m ? kgo_m_p(m) : NULL;

	g->arg = arg;
	g->bound = NULL;
	g->d.flags = flags;
	g->d.goid = g_number(p);
	g->d.parent = m && m->curg ? m->curg->d.goid : 0;
	g->d.fn = (u64)(unsigned long)fn;
	g->d.site = (u64)(unsigned long)site;
	g->d.m = KGO_NONE;
	g->d.p = KGO_NONE;
	port_g_init(g);
	if (p)
		port_store(&p->d.spawned, p->d.spawned + 1);
	else
		port_add(&kgo_rt.ext_spawned, 1);
}

/**
 * kgo_g_make() - A descriptor with a stack, of no goroutine yet
 * @m: the calling M with in_sched set, or NULL
 * @gp: where it goes
 * @stack_size: 0 for the default
 *
 * CONTEXT: may sleep, no lock held.  Return: as kgo_g_new().
 */
int kgo_g_make(struct kgo_m *m, struct kgo_g **gp, size_t stack_size)
{
	return g_make(m, gp, stack_size);
}

/**
 * kgo_g_fill() - Make a goroutine of a descriptor
 * @m: the calling M with in_sched set, or NULL
 * @g: from kgo_g_make()
 * @fn: what it will run
 * @arg: passed to @fn
 * @flags: KGO_GF_*
 * @site: its go statement, or NULL
 *
 * CONTEXT: any.
 */
void kgo_g_fill(struct kgo_m *m, struct kgo_g *g, void (*fn)(void *), void *arg,
		u16 flags, const struct kgo_site *site)
{
	g_fill(m, g, fn, arg, flags, site);
}

/**
 * kgo_g_new() - Make a goroutine, in no queue yet
 * @m: the calling M with in_sched set and a P, or NULL
 * @gp: where it goes
 * @fn: what it will run
 * @arg: passed to @fn
 * @stack_size: 0 for the default
 * @site: its go statement, or NULL
 *
 * CONTEXT: may sleep, no lock held.
 * Return: 0; -EAGAIN if the table is full; -ENOMEM; -EINVAL for a stack size
 * that cannot be.
 */
int kgo_g_new(struct kgo_m *m, struct kgo_g **gp, void (*fn)(void *), void *arg,
	      size_t stack_size, const struct kgo_site *site)
{
	int ret = g_make(m, gp, stack_size);

	if (!ret)
		g_fill(m, *gp, fn, arg, stack_size ? KGO_GF_ODD_STACK : 0, site);
	return ret;
}

/**
 * kgo_g_free() - Put a dead goroutine, or one that never was, on a free list
 * @m: the calling M with in_sched set, or NULL
 * @g: the goroutine; nobody runs on its stack
 *
 * CONTEXT: may sleep, no lock held; any that can take a lock if it is a reserve's.
 */
void kgo_g_free(struct kgo_m *m, struct kgo_g *g)
{
	struct kgo_p *p = m ? kgo_m_p(m) : NULL;
	struct kgo_gq half = { 0 };

	if (unlikely(g->d.flags & (KGO_GF_ODD_STACK | KGO_GF_RESERVED))) {
		if (g->d.flags & KGO_GF_RESERVED) {
			kgo_stock_put(g);
			return;
		}
		port_stack_free(g);
		g->d.flags = 0;
	}
	if (!p) {
		kgo_gq_push(&half, g);
		g_to_global(&half);
		return;
	}
	kgo_gq_push_front(&p->gfree, g);
	if (p->gfree.n < GFREE_MAX)
		return;
	while (half.n < GFREE_MAX / 2)
		kgo_gq_push(&half, kgo_gq_pop(&p->gfree));
	g_to_global(&half);
}

/**
 * kgo_g_cancel() - Undo kgo_g_new(): it will not be started after all
 * @m: the calling M with in_sched set and a P, or NULL
 * @g: from kgo_g_new(), in no queue
 *
 * CONTEXT: as kgo_g_free().
 */
void kgo_g_cancel(struct kgo_m *m, struct kgo_g *g)
{
	struct kgo_p *p = m ? kgo_m_p(m) : NULL;

	if (p)
		port_store_release(&p->d.exited, p->d.exited + 1);
	else
		port_add(&kgo_rt.ext_exited, 1);
	kgo_g_free(m, g);
}
