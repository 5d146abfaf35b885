// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Run queues: a ring and one "next" slot per P, and one global queue.
 *
 * The ring has one producer, the M that owns the P, and any number of
 * consumers: the owner at the head, and thieves, which move half of it to
 * their own ring.  Only runq_head is contended; a consumer copies what it
 * wants and then claims it by moving the head.  The algorithm is that of Go's
 * runqput, runqget and runqgrab (runtime/proc.go).
 *
 * runnext holds what the running goroutine made runnable last: it inherits the
 * rest of the time slice, so that a pair that talks to each other does not
 * wait for everybody else between two words.  Thieves leave it to its owner
 * for a moment.  A goroutine from anywhere else begins a slice of its own.
 *
 * With one P there are no thieves: whoever owns it is alone with its queues,
 * and needs no atomic operation.
 *
 * Invariants: runq_tail is written by the owner only; 0 <= tail - head <=
 * KGO_RUNQ_SIZE; a goroutine stands in at most one place.
 */
#include "core.h"

#define RUNQ_MASK	(KGO_RUNQ_SIZE - 1)
#define WARM_LEAST	32U
#define RING_TICK	64U	/* a power of two */

/* The ring is full: half of it and @g go to the global queue. */
static noinline bool runq_spill(struct kgo_p *p, struct kgo_g *g, u32 head,
				u32 tail)
{
	const u32 n = KGO_RUNQ_SIZE / 2;
	u32 batch[KGO_RUNQ_SIZE / 2];
	struct kgo_gq q = { .head = g->index, .tail = g->index, .n = n + 1 };
	struct kgo_g *before;
	u32 i;

	if ((tail - head) / 2 != n)
		return false;
	for (i = 0; i < n; i++)
		batch[i] = port_load(&p->d.runq[(head + i) & RUNQ_MASK]);
	if (!port_cas(&p->d.runq_head, head, head + n))
		return false;
	/* From the last to the first: each is looked at once. */
	g->next = KGO_NO_G;
	for (i = n; i--;) {
		before = port_g(batch[i]);
		before->next = q.head;
		q.head = batch[i];
	}
	kgo_globq_put_all(&q);
	return true;
}

static inline void runq_push(struct kgo_p *p, struct kgo_g *g)
{
	u32 head, tail;

	for (;;) {
		head = port_load_acquire(&p->d.runq_head);
		tail = p->d.runq_tail;
		if (tail - head < KGO_RUNQ_SIZE) {
			port_store(&p->d.runq[tail & RUNQ_MASK], g->index);
			/* Pairs with the load in kgo_runq_steal(). */
			port_store_release(&p->d.runq_tail, tail + 1);
			return;
		}
		if (runq_spill(p, g, head, tail))
			return;
	}
}

/**
 * kgo_runq_put() - Queue a runnable goroutine on a P
 * @p: a P that the caller owns
 * @g: in state RUNNABLE, in no queue
 * @next: it is to run next; what was to run next goes to the end
 *
 * With @next, and if there is anybody to wake, it is a full barrier, as
 * kgo_wakep() needs after it.  That of the exchange is enough for both
 * goroutines: it pairs with the one in arb_park(), so that whoever parks sees
 * a "next" here, or is seen by the caller.  What that one is, and whether the
 * other one is in the ring already, is no matter for whether to park.
 * CONTEXT: with in_sched set.
 */
void kgo_runq_put(struct kgo_p *p, struct kgo_g *g, bool next)
{
	u32 old;

	if (!next) {
		runq_push(p, g);
		return;
	}
	if (kgo_rt.nr_ps == 1) {
		old = p->d.runnext;
		port_store(&p->d.runnext, g->index);
	} else {
		old = port_xchg(&p->d.runnext, g->index);
	}
	if (old)
		runq_push(p, port_g(old));
}

/* The ring's head moves past what its owner took, unless a thief was faster. */
static bool ring_claim(struct kgo_p *p, u32 head)
{
	if (kgo_rt.nr_ps == 1) {
		port_store(&p->d.runq_head, head + 1);
		return true;
	}
	return port_cas(&p->d.runq_head, head, head + 1);
}

static bool next_claim(struct kgo_p *p, u32 index)
{
	if (kgo_rt.nr_ps == 1) {
		port_store(&p->d.runnext, KGO_NO_G);
		return true;
	}
	return port_cas(&p->d.runnext, index, KGO_NO_G);
}

/*
 * Goroutines that wait behind so many others have gone from the caches: fetch
 * them one and two turns before theirs.  A ring so long is no place where the
 * few instructions would count.
 */
static void ring_warm(struct kgo_p *p, u32 head)
{
	kgo_warm_stack(port_g(port_load(&p->d.runq[(head + 1) & RUNQ_MASK])));
	kgo_warm_g(port_g(port_load(&p->d.runq[(head + 2) & RUNQ_MASK])));
}

static inline struct kgo_g *ring_get(struct kgo_p *p)
{
	u32 head, index;

	for (;;) {
		head = port_load_acquire(&p->d.runq_head);
		if (head == p->d.runq_tail)
			return NULL;
		if (PORT_STACKS && unlikely(p->d.runq_tail - head > WARM_LEAST))
			ring_warm(p, head);
		index = port_load(&p->d.runq[head & RUNQ_MASK]);
		if (ring_claim(p, head)) {
			port_store(&p->d.slicetick, p->d.slicetick + 1);
			return port_g(index);
		}
	}
}

/**
 * kgo_runq_get() - Next goroutine of a P
 * @p: a P that the caller owns
 *
 * Once in RING_TICK the ring comes before runnext, so that a pair that makes
 * each other runnable for ever does not keep it from others until the end of
 * its slice, which is when Go ends its turn.  But not while turns are measured
 * by the clock, see preempt.c.
 *
 * CONTEXT: with in_sched set.  Return: NULL if it has none.
 */
struct kgo_g *kgo_runq_get(struct kgo_p *p)
{
	struct kgo_g *g;
	u32 index;

	if (unlikely(p->d.schedtick % RING_TICK == RING_TICK - 1) &&
	    !p->sliced_until) {
		g = ring_get(p);
		if (g)
			return g;
	}
	index = port_load(&p->d.runnext);
	/* A thief may take it, but nobody else fills it again. */
	if (index && next_claim(p, index))
		return port_g(index);
	return ring_get(p);
}

/**
 * kgo_runq_empty() - Is there nothing on this P?
 * @p: any P
 *
 * CONTEXT: any; the answer can be old.
 */
bool kgo_runq_empty(struct kgo_p *p)
{
	return port_load(&p->d.runq_head) == port_load(&p->d.runq_tail) &&
	       !port_load(&p->d.runnext);
}

/* Take the "next" of a P whose owner does not seem to get to it. */
static u32 runq_grab_next(struct kgo_p *from)
{
	u32 index = port_load(&from->d.runnext);
	u32 tick = port_load(&from->d.schedtick);

	if (!index)
		return KGO_NO_G;
	/*
	 * More than a hand-over takes.  Asleep, as Go's: to look meanwhile
	 * would take the owner's cache line away each time, and as long as
	 * somebody counts as spinning nobody else is woken to do the same.
	 */
	port_pause();
	if (port_load(&from->d.schedtick) != tick)
		return KGO_NO_G;
	return port_cas(&from->d.runnext, index, KGO_NO_G) ? index : KGO_NO_G;
}

/**
 * kgo_runq_steal() - Take half of another P's goroutines
 * @to: a P that the caller owns, its ring empty
 * @from: another P
 * @next: take its "next" if there is nothing else
 *
 * CONTEXT: with in_sched set.
 * Return: one to run now, the others are in @to's ring; NULL if none came.
 */
struct kgo_g *kgo_runq_steal(struct kgo_p *to, struct kgo_p *from, bool next)
{
	u32 head, tail, n, i, index;
	u32 base = to->d.runq_tail;

	for (;;) {
		head = port_load_acquire(&from->d.runq_head);
		tail = port_load_acquire(&from->d.runq_tail);
		n = tail - head;
		n -= n / 2;
		if (!n) {
			index = next ? runq_grab_next(from) : KGO_NO_G;
			if (!index)
				return NULL;
			port_store(&to->d.stolen, to->d.stolen + 1);
			return port_g(index);
		}
		/* head and tail were read apart and may not fit together. */
		if (n > KGO_RUNQ_SIZE / 2)
			continue;
		for (i = 0; i < n; i++) {
			index = port_load(&from->d.runq[(head + i) & RUNQ_MASK]);
			port_store(&to->d.runq[(base + i) & RUNQ_MASK], index);
		}
		if (port_cas(&from->d.runq_head, head, head + n))
			break;
	}
	port_store(&to->d.stolen, to->d.stolen + n);
	/* The last of them runs now, the tail covers the others. */
	index = port_load(&to->d.runq[(base + n - 1) & RUNQ_MASK]);
	port_store_release(&to->d.runq_tail, base + n - 1);
	return port_g(index);
}

/**
 * kgo_globq_put_all() - Queue goroutines for any P
 * @q: RUNNABLE goroutines, linked; empty afterwards
 *
 * A full barrier, as kgo_wakep() needs after it.
 * CONTEXT: any that can take a lock.
 */
void kgo_globq_put_all(struct kgo_gq *q)
{
	port_lock(&kgo_rt.gq_lock);
	kgo_batches_put(&kgo_rt.gq, q);
	port_store(&kgo_rt.r->gq_len, kgo_rt.gq.n);
	port_unlock(&kgo_rt.gq_lock);
	/* Pairs with arb_park(), see kgo_runq_put(). */
	port_mb();
}

/** kgo_globq_put() - kgo_globq_put_all() of one goroutine */
void kgo_globq_put(struct kgo_g *g)
{
	struct kgo_gq q = { 0 };

	kgo_gq_push(&q, g);
	kgo_globq_put_all(&q);
}

/**
 * kgo_globq_get() - Take from the global queue
 * @p: a P that the caller owns
 * @one: one goroutine only; else its ring is empty, and gets what comes along
 *
 * What was put together is taken together: at most what a ring spills.
 * CONTEXT: with in_sched set.
 * Return: one to run now, or NULL if it is empty.
 */
struct kgo_g *kgo_globq_get(struct kgo_p *p, bool one)
{
	struct kgo_g *g, *more;
	struct kgo_gq q;
	u32 tail;

	if (!port_load(&kgo_rt.r->gq_len))
		return NULL;
	port_lock(&kgo_rt.gq_lock);
	q = kgo_batches_get(&kgo_rt.gq, one);
	port_store(&kgo_rt.r->gq_len, kgo_rt.gq.n);
	port_unlock(&kgo_rt.gq_lock);
	g = kgo_gq_pop(&q);
	if (!q.head)
		return g;
	/* Thieves see all of them or none. */
	tail = p->d.runq_tail;
	while ((more = kgo_gq_pop(&q)))
		port_store(&p->d.runq[tail++ & RUNQ_MASK], more->index);
	/* Pairs with the load in kgo_runq_steal(). */
	port_store_release(&p->d.runq_tail, tail);
	return g;
}

/**
 * kgo_globq_remove() - Take a goroutine out of the global queue again
 * @g: put there by kgo_globq_put()
 *
 * CONTEXT: with in_sched set.
 * Return: false if it is not there: whoever dequeued it has it.
 */
bool kgo_globq_remove(struct kgo_g *g)
{
	bool found;

	port_lock(&kgo_rt.gq_lock);
	found = kgo_batches_remove(&kgo_rt.gq, g);
	port_store(&kgo_rt.r->gq_len, kgo_rt.gq.n);
	port_unlock(&kgo_rt.gq_lock);
	return found;
}
