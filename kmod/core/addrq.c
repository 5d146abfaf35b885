// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Queues of waiting goroutines that are found by an address.
 *
 * What can be waited for needs no queue of its own then, no set-up and no end:
 * all-zero is ready to use, and it costs nothing while nobody waits.  The
 * table is that of Go's semaphores (runtime/sema.go); here Cond and the
 * weighted semaphore use it as well.
 *
 * Invariants, under the bucket's lock:
 *   - Of each address that somebody waits for exactly the first waiter is in
 *     the bucket's tree; the others are behind it in its ring.
 *   - Who waits is in state WAITING by the time the lock can be taken.
 *
 * Everything is O(1) but to find an address among the others of its bucket,
 * which is O(log n) of those that somebody waits for just now.
 */
#include "addrq.h"

#define BUCKETS	256U		/* a power of two */

static struct kgo_addrq table[BUCKETS];

/*
 * Fibonacci hashing, Knuth 6.4.  The factor is odd, so that no two addresses
 * have the same hash: it stands for the address.
 */
static u64 hash(const void *addr)
{
	return (u64)(unsigned long)addr * 0x9e3779b97f4a7c15ULL;
}

/**
 * kgo_addrq_of() - The bucket of an address
 * @addr: what is waited for
 *
 * CONTEXT: any.
 */
struct kgo_addrq *kgo_addrq_of(const void *addr)
{
	return &table[hash(addr) >> 56];
}

void kgo_addrq_init(void)
{
	u32 i;

	for (i = 0; i < BUCKETS; i++)
		port_lock_init(&table[i].lock);
}

/** kgo_addrq_table() - Where the table is, which links all that wait */
const void *kgo_addrq_table(size_t *size)
{
	*size = sizeof(table);
	return table;
}

static struct kgo_addrq_waiter *of_node(struct kgo_dst *n)
{
	return container_of(n, struct kgo_addrq_waiter, node);
}

/* All of a bucket have the same first eight bits: begin behind them. */
static struct kgo_dst **find(struct kgo_addrq *q, u64 h)
{
	struct kgo_dst **link = &q->root;
	u64 bits = h << 8;

	port_assert_held(&q->lock);
	while (*link && (*link)->hash != h)
		link = kgo_dst_step(link, &bits);
	return link;
}

/**
 * kgo_addrq_push() - Queue a waiter
 * @q: kgo_addrq_of(@addr), locked
 * @addr: what is waited for
 * @w: the waiter; g is set
 * @front: before all others
 *
 * CONTEXT: with in_sched set.
 */
void kgo_addrq_push(struct kgo_addrq *q, const void *addr,
		    struct kgo_addrq_waiter *w, bool front)
{
	struct kgo_dst **link;

	w->node.hash = hash(addr);
	link = find(q, w->node.hash);
	if (!*link) {
		kgo_list_init(&w->link);
		kgo_dst_insert(link, &w->node);
		return;
	}
	/* Before the first in the ring is behind the last. */
	kgo_list_push_back(&of_node(*link)->link, &w->link);
	if (front)
		kgo_dst_replace(link, &w->node);
}

/**
 * kgo_addrq_first() - Who waits in front
 * @q: kgo_addrq_of(@addr), locked
 * @addr: what is waited for
 *
 * CONTEXT: with in_sched set.  Return: NULL if nobody waits for it.
 */
struct kgo_addrq_waiter *kgo_addrq_first(struct kgo_addrq *q, const void *addr)
{
	struct kgo_dst *n = *find(q, hash(addr));

	return n ? of_node(n) : NULL;
}

static void del_first(struct kgo_dst **link)
{
	struct kgo_addrq_waiter *w = of_node(*link);

	if (kgo_list_empty(&w->link)) {
		kgo_dst_remove(link);
		return;
	}
	kgo_dst_replace(link, &kgo_addrq_next(w)->node);
	kgo_list_del(&w->link);
}

/**
 * kgo_addrq_pop() - Take the first waiter
 * @q: kgo_addrq_of(@addr), locked
 * @addr: what is waited for
 *
 * CONTEXT: with in_sched set.
 * Return: NULL if nobody waits for it; else the caller is its one waker.
 */
struct kgo_addrq_waiter *kgo_addrq_pop(struct kgo_addrq *q, const void *addr)
{
	struct kgo_dst **link = find(q, hash(addr)), *n = *link;

	if (!n)
		return NULL;
	del_first(link);
	return of_node(n);
}

/**
 * kgo_addrq_del() - Take one waiter, wherever it stands
 * @q: its bucket, locked
 * @w: a waiter that is queued
 *
 * CONTEXT: with in_sched set.
 */
void kgo_addrq_del(struct kgo_addrq *q, struct kgo_addrq_waiter *w)
{
	struct kgo_dst **link = find(q, w->node.hash);

	if (*link == &w->node)
		del_first(link);
	else
		kgo_list_del(&w->link);
}
