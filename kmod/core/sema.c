// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Semaphores: the waiting half of mutexes and WaitGroups.
 *
 * A semaphore is any 32-bit counter, all of whose waiters are found by its
 * address in a table.  So what embeds one is small, needs no set-up, and costs
 * nothing while nobody waits.  The scheme is Go's (runtime/sema.go), and like
 * there it is for the runtime's own primitives, not a general lock.
 */
#include "core.h"

#define BUCKETS	256U		/* a power of two */

struct sema_waiter {
	struct kgo_list	link;
	struct kgo_g	*g;
	u32		*addr;
	u32		handed;		/* the count was handed over with the wake */
};

struct bucket {
	kgo_lock_t	lock;
	struct kgo_list	waiters;	/* Q: lock; all addresses, oldest first */
	u32		n;		/* Q: lock; read without as a hint */
};

static struct bucket table[BUCKETS];

static struct bucket *bucket_of(const u32 *addr)
{
	/* Fibonacci hashing, Knuth 6.4 */
	u64 h = (u64)(unsigned long)addr * 0x9e3779b97f4a7c15ULL;

	return &table[h >> 56 & (BUCKETS - 1)];
}

void kgo_sema_init(void)
{
	u32 i;

	for (i = 0; i < BUCKETS; i++) {
		port_lock_init(&table[i].lock);
		kgo_list_init(&table[i].waiters);
	}
}

/** kgo_sema_table() - Where the table is, which links all that wait */
const void *kgo_sema_table(size_t *size)
{
	*size = sizeof(table);
	return table;
}

static bool take(u32 *addr)
{
	u32 v;

	do {
		v = port_load(addr);
		if (!v)
			return false;
	} while (!port_cas(addr, v, v - 1));
	return true;
}

/**
 * kgo_sema_acquire() - Wait until *addr > 0, then take one
 * @addr: the semaphore
 * @reason: enum kgo_wait_reason
 * @lifo: wait in front of the others
 *
 * CONTEXT: a goroutine, outside of enter_sched; parks.
 */
void kgo_sema_acquire(u32 *addr, u16 reason, bool lifo)
{
	struct bucket *b = bucket_of(addr);
	struct sema_waiter w = { .addr = addr };
	struct kgo_m *m;

	if (take(addr))
		return;
	m = kgo_enter_sched();
	for (;;) {
		port_lock(&b->lock);
		/* A full barrier; pairs with the add in kgo_sema_release(). */
		port_add(&b->n, 1);
		if (take(addr)) {
			port_add(&b->n, -1U);
			port_unlock(&b->lock);
			break;
		}
		w.g = m->curg;
		if (lifo)
			kgo_list_push_front(&b->waiters, &w.link);
		else
			kgo_list_push_back(&b->waiters, &w.link);
		kgo_wait_on(m, addr);
		kgo_park(m, reason, &b->lock);
		if (w.handed || take(addr))
			break;
		m = port_self();
	}
	kgo_leave_sched();
}

/**
 * kgo_sema_release() - Add one to *addr and wake a waiter
 * @addr: the semaphore
 * @handoff: give the count to the waiter itself and let it run first
 *
 * CONTEXT: a goroutine, outside of enter_sched; parks only with @handoff.
 */
void kgo_sema_release(u32 *addr, bool handoff)
{
	struct bucket *b = bucket_of(addr);
	struct sema_waiter *w = NULL;
	struct kgo_list *l;
	bool handed = false;

	/* A full barrier: added before b->n is read. */
	port_add(addr, 1);
	if (!port_load(&b->n))
		return;
	kgo_enter_sched();
	port_lock(&b->lock);
	for (l = b->waiters.next; l != &b->waiters; l = l->next) {
		w = container_of(l, struct sema_waiter, link);
		if (w->addr == addr)
			break;
		w = NULL;
	}
	if (w) {
		kgo_list_del(&w->link);
		port_add(&b->n, -1U);
		handed = handoff && take(addr);
		w->handed = handed;
	}
	port_unlock(&b->lock);
	if (w)
		kgo_ready(w->g);
	kgo_leave_sched();
	if (handed)
		kgo_yield();
}
