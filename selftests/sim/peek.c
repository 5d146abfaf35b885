// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The parts of the core that are static to their file, with a window in each.
 *
 * The files are compiled here instead of by themselves.  The one thing changed
 * is that a planted bug can drop a kgo_ready() of chan.c.
 */
#include "sim.h"

#define kgo_ready(g)							\
	do {								\
		struct kgo_g *sim_g_ = (g);				\
									\
		if (!(sim_plant && sim_plant_drop_ready(__func__)))	\
			kgo_ready(sim_g_);				\
	} while (0)
#include "chan.c"
#undef kgo_ready
#include "addrq.c"

kgo_lock_t *peek_chan_lock(struct kgo_chan *c)
{
	return &c->lock;
}

static u32 view_queue(struct kgo_list *q, const void **v)
{
	struct kgo_list *l;
	u32 n = 0;

	for (l = q->next; l != q && n < 64; l = l->next)
		v[n++] = container_of(l, struct chan_waiter, link);
	return n;
}

void peek_chan(struct kgo_chan *c, struct chan_view *v)
{
	v->n_send = view_queue(&c->sendq, v->send);
	v->n_recv = view_queue(&c->recvq, v->recv);
	v->count = c->count;
	v->cap = c->cap;
	v->closed = c->closed;
}

/* @waiter has just left its queue; its goroutine cannot run before unlock. */
bool peek_timed_out(const void *waiter)
{
	return ((const struct chan_waiter *)waiter)->result == -ETIMEDOUT;
}

u32 peek_chan_waiters(struct kgo_chan *c)
{
	const void *v[64];

	return view_queue(&c->sendq, v) + view_queue(&c->recvq, v);
}

void peek_sema_reset(void)
{
	memset(table, 0, sizeof(table));
	kgo_addrq_init();
}

u32 peek_sema_waiters(void)
{
	u32 n = 0, i;

	for (i = 0; i < BUCKETS; i++)
		n += table[i].n + !!table[i].root;
	return n;
}
