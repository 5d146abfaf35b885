// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Queues of queues of goroutines (gq.h).
 *
 * A goroutine is in at most one of them.  No locking of their own.
 */
#include "core.h"

/* Add @q as a batch; it is empty then. */
void kgo_batches_put(struct kgo_batches *b, struct kgo_gq *q)
{
	struct kgo_g *first;

	if (!q->head)
		return;
	first = port_g(q->head);
	first->batch_next = KGO_NO_G;
	first->batch_n = q->n;
	if (b->tail)
		port_g(b->tail)->batch_next = q->head;
	else
		b->head = q->head;
	b->tail = q->head;
	port_store(&b->n, b->n + q->n);
	q->head = KGO_NO_G;
	q->tail = KGO_NO_G;
	q->n = 0;
}

/*
 * Take the oldest batch, or the first goroutine of it.  What is returned may
 * be popped from, no more: its tail is not known.
 */
struct kgo_gq kgo_batches_get(struct kgo_batches *b, bool one)
{
	struct kgo_gq q = { 0 };
	struct kgo_g *first, *second;

	if (!b->head)
		return q;
	first = port_g(b->head);
	q.head = first->index;
	q.n = first->batch_n;
	if (one && q.n > 1) {
		second = port_g(first->next);
		second->batch_next = first->batch_next;
		second->batch_n = q.n - 1;
		if (b->tail == b->head)
			b->tail = second->index;
		b->head = second->index;
		first->next = KGO_NO_G;
		q.n = 1;
	} else {
		b->head = first->batch_next;
		if (!b->head)
			b->tail = KGO_NO_G;
	}
	port_store(&b->n, b->n - q.n);
	return q;
}

/* Take @g out, which was put as a batch of its own.  False: it is not there. */
bool kgo_batches_remove(struct kgo_batches *b, struct kgo_g *g)
{
	u32 before = KGO_NO_G, at = b->head;

	while (at && at != g->index) {
		before = at;
		at = port_g(at)->batch_next;
	}
	if (!at)
		return false;
	if (before)
		port_g(before)->batch_next = g->batch_next;
	else
		b->head = g->batch_next;
	if (b->tail == at)
		b->tail = before;
	port_store(&b->n, b->n - 1);
	return true;
}
