/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Queues of goroutines, linked by index through kgo_g.next.
 *
 * A goroutine is in at most one of them.  No locking of their own.  Inline:
 * each goroutine passes through two or three of them in its life, and to go
 * through a function for each is a tenth of what it costs to start one.
 */
#ifndef KGO_CORE_GQ_H
#define KGO_CORE_GQ_H

#include "types.h"

/* At the end. */
static inline void kgo_gq_push(struct kgo_gq *q, struct kgo_g *g)
{
	g->next = KGO_NO_G;
	if (q->tail)
		port_g(q->tail)->next = g->index;
	else
		q->head = g->index;
	q->tail = g->index;
	port_store(&q->n, q->n + 1);
}

/* At the front: free lists are stacks, for warm caches. */
static inline void kgo_gq_push_front(struct kgo_gq *q, struct kgo_g *g)
{
	g->next = q->head;
	if (!q->head)
		q->tail = g->index;
	q->head = g->index;
	port_store(&q->n, q->n + 1);
}

/* From the front, or NULL. */
static inline struct kgo_g *kgo_gq_pop(struct kgo_gq *q)
{
	struct kgo_g *g;

	if (!q->head)
		return NULL;
	g = port_g(q->head);
	q->head = g->next;
	if (!q->head)
		q->tail = KGO_NO_G;
	g->next = KGO_NO_G;
	port_store(&q->n, q->n - 1);
	return g;
}

#endif
