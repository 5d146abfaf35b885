// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The parts of the core that are static to their file, with a window in each.
 *
 * The files are compiled here instead of by themselves.  What is changed is
 * that a planted bug can drop a kgo_g_ready() of chan.c, a lock in select.c and
 * waker.c, and the way out of a queue in select.c.
 */
#include "drop_ready.h"

#include "chan.c"
#undef kgo_g_ready

#define planted(what)	(sim_plant && sim_plant_##what(__func__))
#define port_lock(l)							\
	do {								\
		if (!planted(no_lock))					\
			port_lock(l);					\
	} while (0)
#define kgo_lock_in(l)							\
	do {								\
		if (!planted(no_lock))					\
			kgo_lock_in(l);					\
	} while (0)
#define port_unlock(l)							\
	do {								\
		if (!planted(no_lock))					\
			port_unlock(l);					\
	} while (0)
#define chan_queue_del(q, w)						\
	do {								\
		if (!planted(stay_queued))				\
			chan_queue_del(q, w);				\
	} while (0)
#include "select.c"
#include "waker.c"
#undef port_lock
#undef kgo_lock_in
#undef port_unlock
#undef chan_queue_del

#include "addrq.c"

kgo_lock_t *peek_chan_lock(struct kgo_chan *c)
{
	return &c->lock;
}

static u32 view_queue(struct chan_queue *q, const void **v)
{
	struct kgo_waiter *w;
	u32 n = 0;

	for (w = q->first; w && n < 64; w = w->next)
		v[n++] = w;
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

/*
 * Is it of a select that was decided for another one of its waiters, or for
 * none?  @waiter is in a queue, or has just left it: then its goroutine cannot
 * run on before the channel is unlocked.
 */
bool peek_stale(const void *waiter)
{
	const struct kgo_waiter *w = waiter;

	return w->sel && w->sel->decided && w->sel->won != w;
}

const void *peek_select_of(const void *waiter)
{
	return ((const struct kgo_waiter *)waiter)->sel;
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
