// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Reserves: descriptors that were taken before they are needed, for those who
 * can neither allocate nor sleep when they start a goroutine.
 *
 * A descriptor of a reserve is marked by KGO_GF_RESERVED, has an extension that
 * says whose it is, and comes back to the reserve where others go to a free
 * list (kgo_g_free()).  So a reserve of n never has more than n alive, without
 * a count of its own on any path.
 *
 * Invariants:
 *   - A descriptor is in the stock's list, or of a goroutine that lives.
 *   - Its extension is there as long as it is the stock's: what a goroutine
 *     inherits needs no memory then.
 *   - left is the number of those that live, and one more until the stock
 *     ends; whoever brings it to zero lets kgo_reserve_destroy() go on, and
 *     does not touch the stock any more.
 *
 * Rejected: a bound on a shared pool of descriptors for all who start from
 * interrupts, as mempools are used.  One who starts too many starves the
 * others, which nobody finds in a test.
 */
#include "core.h"

struct kgo_stock {
	kgo_lock_t	lock;
	struct kgo_gq	idle;		/* Q: lock */
	u32		left;		/* A */
	u32		over;		/* a semaphore: left is zero */
};

static void free_all(struct kgo_stock *s)
{
	struct kgo_m *m = kgo_enter_any();
	struct kgo_g *g;

	/* Nobody else has it. */
	while ((g = kgo_gq_pop(&s->idle))) {
		g->x->stock = NULL;
		port_fill(&g->d.flags, g->d.flags & (u16)~KGO_GF_RESERVED);
		kgo_g_free(m, g);
	}
	kgo_leave_any(m);
	port_free(s);
}

/* One more descriptor.  Neither may be interrupted between in- and outside. */
static int stock_up(struct kgo_stock *s)
{
	struct kgo_m *m = kgo_enter_any();
	struct kgo_g *g;
	int ret = kgo_g_make(m, &g, 0);

	if (ret)
		goto leave;
	if (!kgo_gx(g)) {
		kgo_g_free(m, g);
		ret = -ENOMEM;
		goto leave;
	}
	g->x->stock = s;
	kgo_gq_push(&s->idle, g);
leave:
	kgo_leave_any(m);
	return ret;
}

int kgo_reserve_init(struct kgo_reserve *r, unsigned int n)
{
	struct kgo_stock *s;
	int ret = 0;

	r->stock = NULL;
	if (!n)
		return -EINVAL;
	if (!kgo_rt.r)
		return -ESRCH;
	s = port_alloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	port_lock_init(&s->lock);
	s->left = 1;
	while (n-- && !ret)
		ret = stock_up(s);
	if (ret)
		free_all(s);
	else
		r->stock = s;
	return ret;
}

static struct kgo_g *stock_get(struct kgo_stock *s)
{
	struct kgo_g *g;

	port_lock(&s->lock);
	g = kgo_gq_pop(&s->idle);
	port_unlock(&s->lock);
	if (g)
		port_add(&s->left, 1);
	return g;
}

/**
 * kgo_stock_put() - A goroutine of a reserve has ended, or was not started
 * @g: the goroutine; nobody runs on its stack
 *
 * CONTEXT: with in_sched set, or no M; no lock held.
 */
void kgo_stock_put(struct kgo_g *g)
{
	struct kgo_stock *s = g->x->stock;

	port_lock(&s->lock);
	kgo_gq_push(&s->idle, g);
	port_unlock(&s->lock);
	if (!port_add(&s->left, -1U))
		kgo_sema_release_inside(&s->over);
}

int kgo_client_go_reserved_at(const struct kgo_site *site,
			      struct kgo_client *cl, struct kgo_reserve *r,
			      void (*fn)(void *), void *arg)
{
	const struct kgo_birth birth = { .client = cl };
	struct kgo_m *m;
	struct kgo_g *g;
	int ret;

	if (!fn)
		return -EINVAL;
	m = kgo_enter_any();
	g = stock_get(r->stock);
	ret = -EAGAIN;
	if (g) {
		kgo_g_become(m, g, fn, arg, KGO_GF_RESERVED, site);
		ret = kgo_begin(m, g, &birth);
	}
	kgo_leave_any(m);
	return ret;
}

int kgo_go_reserved_at(const struct kgo_site *site, struct kgo_reserve *r,
		       void (*fn)(void *), void *arg)
{
	return kgo_client_go_reserved_at(site, NULL, r, fn, arg);
}

void kgo_reserve_destroy(struct kgo_reserve *r)
{
	struct kgo_stock *s = r->stock;

	port_might_wait(__func__);
	if (!s)
		return;
	if (port_add(&s->left, -1U))
		kgo_sema_wait(&s->over);
	r->stock = NULL;
	free_all(s);
}
