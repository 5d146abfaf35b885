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
 * allocates nothing.  A P has them in two stacks, one of them full or empty, so
 * that they come and go by whole batches, as in Bonwick's magazines: who ends
 * on another P than it was started on is not touched once more on its way.
 *
 * Those that never had a stack are kept apart, so that
 * neither kind costs the other memory; only when the table is full one becomes
 * the other.
 */
#include "core.h"

#define GFREE_BATCH	32U	/* a P keeps two of them, then one goes to all */
#define GOID_BATCH	16U
#define G_BATCH		16U	/* fresh descriptors that a P takes at once */

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

static noinline int g_fresh(struct kgo_p *p, struct kgo_g **gp)
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

static struct kgo_gq *gfree_of(struct kgo_p *p, bool bare)
{
	return bare ? &p->gbare : &p->gfree;
}

static struct kgo_batches *gfree_global(bool bare)
{
	return bare ? &kgo_rt.gbare : &kgo_rt.gfree;
}

static struct kgo_gq *gfull_of(struct kgo_p *p, bool bare)
{
	return bare ? &p->gbare_full : &p->gfull;
}

static void g_to_global(struct kgo_gq *q, bool bare)
{
	port_lock(&kgo_rt.gfree_lock);
	kgo_batches_put(gfree_global(bare), q);
	port_unlock(&kgo_rt.gfree_lock);
}

static noinline void g_to_global_one(struct kgo_g *g, bool bare)
{
	struct kgo_gq q = { 0 };

	kgo_gq_push(&q, g);
	g_to_global(&q, bare);
}

/* A batch to pop from, or one goroutine if @one, that is nobody's. */
static struct kgo_gq g_batch(bool bare, bool one)
{
	struct kgo_batches *all = gfree_global(bare);
	struct kgo_gq q = { 0 };

	if (!port_load(&all->n))
		return q;
	port_lock(&kgo_rt.gfree_lock);
	q = kgo_batches_get(all, one);
	port_unlock(&kgo_rt.gfree_lock);
	return q;
}

/* A dead one of a kind: @p, if there is one, has none at hand. */
static noinline struct kgo_g *g_refill(struct kgo_p *p, bool bare)
{
	struct kgo_gq q, *gfree, *gfull;

	if (!p) {
		q = g_batch(bare, true);
		return kgo_gq_pop(&q);
	}
	gfree = gfree_of(p, bare);
	gfull = gfull_of(p, bare);
	if (gfull->head) {
		*gfree = *gfull;
		*gfull = (struct kgo_gq){ 0 };
	} else {
		*gfree = g_batch(bare, false);
	}
	return kgo_gq_pop(gfree);
}

/* The list of @p is as long as a batch; so may the other one be. */
static noinline void g_spill(struct kgo_p *p, bool bare)
{
	struct kgo_gq *gfree = gfree_of(p, bare), *gfull = gfull_of(p, bare);

	if (gfull->head)
		g_to_global(gfull, bare);
	*gfull = *gfree;
	*gfree = (struct kgo_gq){ 0 };
}

/* The table is full: one of the other kind, if there is one here. */
static struct kgo_g *g_of_other_kind(struct kgo_p *p, bool bare)
{
	struct kgo_g *g = NULL;

	if (p && gfree_of(p, !bare)->head)
		g = kgo_gq_pop(gfree_of(p, !bare));
	if (!g)
		g = g_refill(p, !bare);
	if (g && bare)
		port_stack_free(g);
	return g;
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
	const bool bare = stack_size == KGO_STACKLESS;
	struct kgo_p *p = m ? kgo_m_p(m) : NULL;
	struct kgo_g *g;
	int ret;

	if (p && gfree_of(p, bare)->head)
		g = kgo_g_take(gfree_of(p, bare));
	else
		g = g_refill(p, bare);
	if (unlikely(!g)) {
		ret = g_fresh(p, &g);
		if (ret == -EAGAIN)
			g = g_of_other_kind(p, bare);
		if (!g)
			return ret;
	}
	if (!bare && stack_size && g->d.stack_lo)
		port_stack_free(g);
	if (!bare && !g->d.stack_lo) {
		ret = port_stack_alloc(g, stack_size);
		if (ret) {
			port_fill(&g->d.flags, 0);
			kgo_g_free(m, g);
			return ret;
		}
	}
	*gp = g;
	return 0;
}

static inline void g_become(struct kgo_m *m, struct kgo_g *g, void (*fn)(void *),
			    void *arg, u16 flags, const struct kgo_site *site)
{
	struct kgo_p *p = m ? kgo_m_p(m) : NULL;

	kgo_g_fill(g, g_number(p), m && m->curg ? m->curg->d.goid : 0, fn, arg,
		   site);
	if (unlikely(flags)) {
		port_fill(&g->d.flags, flags);
		if (flags & KGO_GF_STACKLESS)
			port_store(&g->cont, NULL);
	}
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
 * kgo_g_become() - Make a goroutine of a descriptor
 * @m: the calling M with in_sched set, or NULL
 * @g: from kgo_g_make()
 * @fn: what it will run
 * @arg: passed to @fn
 * @flags: KGO_GF_*
 * @site: its go statement, or NULL
 *
 * CONTEXT: any.
 */
void kgo_g_become(struct kgo_m *m, struct kgo_g *g, void (*fn)(void *), void *arg,
		  u16 flags, const struct kgo_site *site)
{
	g_become(m, g, fn, arg, flags, site);
}

/**
 * kgo_g_new() - Make a goroutine, in no queue yet
 * @m: the calling M with in_sched set and a P, or NULL
 * @gp: where it goes
 * @fn: what it will run
 * @arg: passed to @fn
 * @stack_size: 0 for the default, %KGO_STACKLESS for none
 * @site: its go statement, or NULL
 *
 * CONTEXT: may sleep, no lock held.
 * Return: 0; -EAGAIN if the table is full; -ENOMEM; -EINVAL for a stack size
 * that cannot be.
 */
int kgo_g_new(struct kgo_m *m, struct kgo_g **gp, void (*fn)(void *), void *arg,
	      size_t stack_size, const struct kgo_site *site)
{
	const u16 flags = stack_size == KGO_STACKLESS ? KGO_GF_STACKLESS :
			  stack_size ? KGO_GF_ODD_STACK : 0;
	int ret = g_make(m, gp, stack_size);

	if (!ret)
		g_become(m, *gp, fn, arg, flags, site);
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
	const bool bare = kgo_is_stackless(g);
	struct kgo_p *p = m ? kgo_m_p(m) : NULL;
	struct kgo_gq *gfree;

	if (unlikely(g->d.flags & (KGO_GF_ODD_STACK | KGO_GF_RESERVED))) {
		if (g->d.flags & KGO_GF_RESERVED) {
			kgo_stock_put(g);
			return;
		}
		port_stack_free(g);
		port_fill(&g->d.flags, 0);
	}
	if (unlikely(!p)) {
		g_to_global_one(g, bare);
		return;
	}
	gfree = gfree_of(p, bare);
	kgo_gq_push_front(gfree, g);
	if (unlikely(gfree->n >= GFREE_BATCH))
		g_spill(p, bare);
}

/**
 * kgo_g_free_all() - The dead goroutines that a P keeps are for all
 * @p: a P that the caller owns
 *
 * CONTEXT: no lock held.
 */
void kgo_g_free_all(struct kgo_p *p)
{
	int bare;

	for (bare = 0; bare < 2; bare++) {
		g_to_global(gfree_of(p, bare), bare);
		g_to_global(gfull_of(p, bare), bare);
	}
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

/**
 * kgo_last_steps() - What a goroutine does last of all on its stack
 * @g: the calling goroutine; its deferred calls have been run
 *
 * CONTEXT: outside of enter_sched.  Return: its M, with in_sched set.
 */
struct kgo_m *kgo_last_steps(struct kgo_g *g)
{
	struct kgo_m *m;

	if (unlikely(g->x))
		kgo_gx_end(g);
	m = port_self();
	port_store(&m->d.in_sched, 1);
	port_barrier();
	/* For the free list; it can also end without a P. */
	if (unlikely(!kgo_m_has_p(m)))
		port_enter(m, KGO_ENTER_ACQUIRE, 0, 0, 0);
	return m;
}

/**
 * kgo_g_end() - End the calling goroutine
 *
 * CONTEXT: a goroutine whose deferred calls have been run.  Does not return.
 */
void kgo_g_end(void)
{
	struct kgo_g *g = port_self()->curg;
	struct kgo_m *m = kgo_last_steps(g);

	if (unlikely(kgo_is_stackless(g)))
		m->then = NULL;	/* its body is left by a jump */
	else if (m->chains)
		kgo_chain(m);
	kgo_leave(m, KGO_POST_EXIT);
	for (;;)
		port_throw("a goroutine ran on after its end");
}

/**
 * kgo_g_end_bare() - kgo_g_end() of a stackless one, which returns instead
 * @g: the calling goroutine; its last body has returned
 *
 * CONTEXT: as kgo_g_end().  Returns with in_sched set, to port_run().
 */
void kgo_g_end_bare(struct kgo_g *g)
{
	struct kgo_m *m = kgo_last_steps(g);

	m->prev = g;
	m->post = KGO_POST_EXIT;
}

/**
 * kgo_g_scan_begin() - Keep a goroutine that waits from running on
 * @g: any; its stack may be read until kgo_g_scan_end()
 *
 * Whoever wakes it meanwhile spins, so it must not be for long.
 * CONTEXT: any thread, with no lock held and not with in_sched set; may sleep.
 * Return: false if it does not wait; then there is nothing to end.
 */
bool kgo_g_scan_begin(struct kgo_g *g)
{
	/* The caller may have no P, or lose it meanwhile. */
	kgo_share();
	return port_cas(&g->d.state, KGO_G_WAITING, KGO_G_WAITING | KGO_G_SCAN);
}

/** kgo_g_scan_end() - What kgo_g_scan_begin() kept waiting may run on */
void kgo_g_scan_end(struct kgo_g *g)
{
	port_store_release(&g->d.state, KGO_G_WAITING);
}
