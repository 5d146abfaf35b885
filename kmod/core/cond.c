// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Cond: wait until another goroutine says that something has changed.
 *
 * Go's notifyList (runtime/sema.go).  Whoever waits takes a ticket while it
 * still holds the mutex, and queues up after it has let it go.  Signal calls
 * the next ticket, whether its owner has come to the queue by then or not; who
 * comes with a ticket that has been called does not wait.  So nothing is lost
 * between the mutex and the queue, and signals are given in the order in which
 * the waits began.
 *
 *   wait		the next ticket to take; atomic
 *   notify		the next ticket to call; under the bucket's lock
 */
#include "addrq.h"

/* Tickets wrap around. */
static bool is_called(u32 ticket, u32 notify)
{
	return (s32)(ticket - notify) < 0;
}

void kgo_cond_wait(struct kgo_cond *c, struct kgo_mutex *mu)
{
	struct kgo_addrq *q = kgo_addrq_of(c);
	struct kgo_addrq_waiter w;
	struct kgo_g *g = kgo_self_g();
	struct kgo_m *m;

	port_might_park(__func__);
	if (unlikely(g && kgo_is_stackless(g))) {
		kgo_cont_refuse(KGO_WAIT_COND);
		return;
	}
	w.word = port_add(&c->wait, 1) - 1;
	kgo_mutex_unlock(mu);
	m = kgo_enter_sched();
	port_lock(&q->lock);
	/* Whoever is no goroutine, and should not be here, does not wait. */
	if (unlikely(!m) || is_called(w.word, port_load(&c->notify))) {
		port_unlock(&q->lock);
	} else {
		w.g = m->curg;
		kgo_addrq_push(q, c, &w, false);
		kgo_g_park(m, KGO_WAIT_COND, &q->lock);
	}
	if (likely(m))
		kgo_leave_sched();
	kgo_mutex_lock(mu);
}

/*
 * Tickets are nearly always in order: only who was held up between mutex and
 * queue stands too far behind.
 */
static struct kgo_addrq_waiter *find(struct kgo_addrq *q, struct kgo_cond *c,
				     u32 ticket)
{
	struct kgo_addrq_waiter *first = kgo_addrq_first(q, c), *w = first;

	while (w) {
		if (w->word == ticket)
			return w;
		w = kgo_addrq_next(w);
		if (w == first)
			break;
	}
	return NULL;
}

/*
 * Nobody has taken a ticket since the last call: nothing to do.  Who changed
 * what is waited for under the mutex sees the tickets of all who had it before.
 */
static bool nobody_waits(struct kgo_cond *c)
{
	return port_load(&c->wait) == port_load(&c->notify);
}

void kgo_cond_signal(struct kgo_cond *c)
{
	struct kgo_addrq *q = kgo_addrq_of(c);
	struct kgo_addrq_waiter *w = NULL;
	struct kgo_m *m;

	if (nobody_waits(c))
		return;
	m = kgo_enter_any();
	port_lock(&q->lock);
	if (!nobody_waits(c)) {
		w = find(q, c, c->notify);
		port_store(&c->notify, c->notify + 1);
		if (w)
			kgo_addrq_del(q, w);
	}
	port_unlock(&q->lock);
	if (w)
		kgo_g_ready(w->g);
	kgo_leave_any(m);
}

void kgo_cond_broadcast(struct kgo_cond *c)
{
	struct kgo_addrq *q = kgo_addrq_of(c);
	struct kgo_gq woken = { 0 };
	struct kgo_addrq_waiter *w;
	struct kgo_g *g;
	struct kgo_m *m;

	if (nobody_waits(c))
		return;
	m = kgo_enter_any();
	port_lock(&q->lock);
	port_store(&c->notify, port_load(&c->wait));
	while ((w = kgo_addrq_pop(q, c)))
		kgo_gq_push(&woken, w->g);
	port_unlock(&q->lock);
	while ((g = kgo_gq_pop(&woken)))
		kgo_g_ready(g);
	kgo_leave_any(m);
}
