// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Semaphores: the waiting half of mutexes and WaitGroups.
 *
 * A semaphore is any 32-bit counter, whose waiters are found by its address
 * (addrq.c).  The scheme is Go's (runtime/sema.go), and like there it is for
 * the runtime's own primitives, not a general lock.
 */
#include "addrq.h"

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

/*
 * Whoever is no goroutine should not be here, and has been told.  What he
 * waits for must be his all the same when he goes on.
 */
static void poll(u32 *addr)
{
	while (!take(addr))
		port_pause();
}

/**
 * kgo_sema_start() - Take one, or queue up for it
 * @m: from kgo_enter_sched(); its goroutine is to park
 * @addr: the semaphore
 * @w: goes when the goroutine has been made ready
 * @lifo: wait in front of the others
 * @lock: out: held unless it was taken, to be dropped once the goroutine waits
 *
 * CONTEXT: a goroutine with in_sched set, no lock held.
 * Return: true if it was taken.
 */
bool kgo_sema_start(struct kgo_m *m, u32 *addr, struct kgo_addrq_waiter *w,
		    bool lifo, kgo_lock_t **lock)
{
	struct kgo_addrq *q = kgo_addrq_of(addr);

	port_lock(&q->lock);
	/* A full barrier; pairs with the add in kgo_sema_release(). */
	port_add(&q->n, 1);
	if (take(addr)) {
		port_add(&q->n, -1U);
		port_unlock(&q->lock);
		return true;
	}
	w->g = m->curg;
	w->word = false;		/* whether it was handed over */
	kgo_addrq_push(q, addr, w, lifo);
	kgo_wait_on(m, addr);
	*lock = &q->lock;
	return false;
}

/**
 * kgo_sema_woken() - Has a goroutine that was made ready got one?
 * @addr: the semaphore
 * @w: from kgo_sema_start()
 *
 * CONTEXT: the goroutine.  Return: false: it has to start again.
 */
bool kgo_sema_woken(u32 *addr, const struct kgo_addrq_waiter *w)
{
	return w->word || take(addr);
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
	struct kgo_addrq_waiter w;
	kgo_lock_t *lock;
	struct kgo_m *m;

	if (take(addr))
		return;
	m = kgo_enter_sched();
	if (unlikely(!m)) {
		poll(addr);
		return;
	}
	if (unlikely(kgo_is_stackless(m->curg))) {
		kgo_leave_sched();
		kgo_cont_refuse(reason);
		return;
	}
	while (!kgo_sema_start(m, addr, &w, lifo, &lock)) {
		kgo_g_park(m, reason, lock);
		if (kgo_sema_woken(addr, &w))
			break;
		m = port_self();
	}
	kgo_leave_sched();
}

/**
 * kgo_sema_wait() - kgo_sema_acquire() for whoever may sleep
 * @addr: the semaphore
 *
 * A thread that is no goroutine looks again and again.
 * CONTEXT: outside of enter_sched; parks or sleeps.
 */
void kgo_sema_wait(u32 *addr)
{
	if (kgo_self_g())
		kgo_sema_acquire(addr, KGO_WAIT_SEMACQUIRE, false);
	else
		poll(addr);
}

/* Wake a waiter, and give it the count if @handoff.  Return: was it taken? */
static bool wake(struct kgo_addrq *q, u32 *addr, bool handoff)
{
	struct kgo_addrq_waiter *w;
	bool handed = false;

	port_lock(&q->lock);
	w = kgo_addrq_pop(q, addr);
	if (w) {
		port_add(&q->n, -1U);
		handed = handoff && take(addr);
		w->word = handed;
	}
	port_unlock(&q->lock);
	if (w)
		kgo_g_ready(w->g);
	return handed;
}

/**
 * kgo_sema_post() - kgo_sema_release() for the scheduler
 * @addr: as there
 *
 * CONTEXT: an M with in_sched set, or a thread that is no M; no lock held.
 */
void kgo_sema_post(u32 *addr)
{
	struct kgo_addrq *q = kgo_addrq_of(addr);

	/* A full barrier: added before q->n is read. */
	port_add(addr, 1);
	if (port_load(&q->n))
		wake(q, addr, false);
}

/**
 * kgo_sema_release() - Add one to *addr and wake a waiter
 * @addr: the semaphore; may be gone once a waiter can have taken what was added
 * @handoff: give the count to the waiter itself and let it run first, unless
 *	the caller is a stackless goroutine
 *
 * CONTEXT: outside of enter_sched.  With @handoff a goroutine, which parks;
 * without, any that can take a lock.
 */
void kgo_sema_release(u32 *addr, bool handoff)
{
	struct kgo_addrq *q = kgo_addrq_of(addr);
	struct kgo_m *m;
	bool handed;

	/* A full barrier: added before q->n is read. */
	port_add(addr, 1);
	if (!port_load(&q->n))
		return;
	m = kgo_enter_any();
	handed = wake(q, addr, handoff) && m && !kgo_is_stackless(m->curg);
	kgo_leave_any(m);
	if (handed)
		kgo_yield();
}
