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
 */
#include "core.h"

#define GFREE_BATCH	32U	/* a P keeps two of them, then one goes to all */
#define GOID_BATCH	16U
#define G_BATCH		16U	/* fresh descriptors that a P takes at once */

/* Private bit of kgo_gdesc.flags: its stack is not of the default size. */
#define GF_ODD_STACK	0x8000U

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

static void g_to_global(struct kgo_gq *q)
{
	port_lock(&kgo_rt.gfree_lock);
	kgo_batches_put(&kgo_rt.gfree, q);
	port_unlock(&kgo_rt.gfree_lock);
}

static noinline void g_to_global_one(struct kgo_g *g)
{
	struct kgo_gq q = { 0 };

	kgo_gq_push(&q, g);
	g_to_global(&q);
}

/* The list of @p is empty: from its full one, or a batch that is nobody's. */
static noinline struct kgo_g *g_refill(struct kgo_p *p)
{
	if (p->gfull.head) {
		p->gfree = p->gfull;
		p->gfull = (struct kgo_gq){ 0 };
	} else if (port_load(&kgo_rt.gfree.n)) {
		port_lock(&kgo_rt.gfree_lock);
		p->gfree = kgo_batches_get(&kgo_rt.gfree, false);
		port_unlock(&kgo_rt.gfree_lock);
	}
	return kgo_gq_pop(&p->gfree);
}

/* One goroutine for who has no P. */
static noinline struct kgo_g *g_from_global(void)
{
	struct kgo_gq q;

	if (!port_load(&kgo_rt.gfree.n))
		return NULL;
	port_lock(&kgo_rt.gfree_lock);
	q = kgo_batches_get(&kgo_rt.gfree, true);
	port_unlock(&kgo_rt.gfree_lock);
	return kgo_gq_pop(&q);
}

/* The list of @p is as long as a batch; so may the other one be. */
static noinline void g_spill(struct kgo_p *p)
{
	if (p->gfull.head)
		g_to_global(&p->gfull);
	p->gfull = p->gfree;
	p->gfree = (struct kgo_gq){ 0 };
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
	struct kgo_p *p = m ? kgo_m_p(m) : NULL;
	struct kgo_g *g;
	int ret;

	if (!p)
		g = g_from_global();
	else if (p->gfree.head)
		g = kgo_g_take(p);
	else
		g = g_refill(p);
	if (unlikely(!g)) {
		ret = g_fresh(p, &g);
		if (ret)
			return ret;
	}
	if (unlikely(stack_size && g->d.stack_lo))
		port_stack_free(g);
	if (!g->d.stack_lo) {
		ret = port_stack_alloc(g, stack_size);
		if (ret) {
			kgo_g_free(m, g);
			return ret;
		}
	}

	kgo_g_fill(g, g_number(p), m && m->curg ? m->curg->d.goid : 0, fn, arg,
		   site);
	if (stack_size)
		g->d.flags = GF_ODD_STACK;
	port_g_init(g);
	if (p)
		port_store(&p->d.spawned, p->d.spawned + 1);
	else
		port_add(&kgo_rt.ext_spawned, 1);
	*gp = g;
	return 0;
}

/**
 * kgo_g_free() - Put a dead goroutine, or one that never was, on a free list
 * @m: the calling M with in_sched set, or NULL
 * @g: the goroutine; nobody runs on its stack
 *
 * CONTEXT: may sleep, no lock held.
 */
void kgo_g_free(struct kgo_m *m, struct kgo_g *g)
{
	struct kgo_p *p = m ? kgo_m_p(m) : NULL;

	if (unlikely(g->d.flags & GF_ODD_STACK)) {
		port_stack_free(g);
		g->d.flags = 0;
	}
	if (unlikely(!p)) {
		g_to_global_one(g);
		return;
	}
	kgo_gq_push_front(&p->gfree, g);
	if (unlikely(p->gfree.n >= GFREE_BATCH))
		g_spill(p);
}

/**
 * kgo_g_cancel() - Undo kgo_g_new(): it will not be started after all
 * @m: the calling M with in_sched set and a P, or NULL
 * @g: from kgo_g_new(), in no queue
 *
 * CONTEXT: may sleep, no lock held.
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
