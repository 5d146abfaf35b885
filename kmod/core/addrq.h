/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Queues of waiting goroutines that are found by an address.
 */
#ifndef KGO_CORE_ADDRQ_H
#define KGO_CORE_ADDRQ_H

#include "core.h"
#include "dst.h"

/*
 * struct kgo_addrq - What the addresses of one bucket share
 */
struct kgo_addrq {
	kgo_lock_t	lock;
	u32		n;		/* A: for sema.c */
	struct kgo_dst	*root;		/* Q: lock; first waiters */
};

/*
 * struct kgo_addrq_waiter - A wait, on the stack of the goroutine that waits
 *
 * The waiters of one address form a ring; the first of them is in the tree.
 */
struct kgo_addrq_waiter {
	struct kgo_dst	node;		/* Q: the bucket's lock */
	struct kgo_list	link;		/* Q: the bucket's lock */
	struct kgo_g	*g;		/* whom to make ready */
	u32		word;		/* for whoever waits this way */
};

/* sema.c: the two halves of kgo_sema_acquire() */
bool kgo_sema_start(struct kgo_m *m, u32 *addr, struct kgo_addrq_waiter *w,
		    bool lifo, kgo_lock_t **lock);
bool kgo_sema_woken(u32 *addr, const struct kgo_addrq_waiter *w);

struct kgo_addrq *kgo_addrq_of(const void *addr);
void kgo_addrq_push(struct kgo_addrq *q, const void *addr,
		    struct kgo_addrq_waiter *w, bool front);
struct kgo_addrq_waiter *kgo_addrq_first(struct kgo_addrq *q, const void *addr);
struct kgo_addrq_waiter *kgo_addrq_pop(struct kgo_addrq *q, const void *addr);
void kgo_addrq_del(struct kgo_addrq *q, struct kgo_addrq_waiter *w);

/* The one behind it; behind the last comes the first. */
static inline struct kgo_addrq_waiter *
kgo_addrq_next(struct kgo_addrq_waiter *w)
{
	return container_of(w->link.next, struct kgo_addrq_waiter, link);
}

#endif
