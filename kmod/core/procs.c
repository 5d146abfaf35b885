// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * How many Ps are in use, when that changes.
 *
 * The Ps below a number are in use.  The others are off, or will be when the M
 * that has one comes to its scheduler: nobody can take them then, and they are
 * that one's who asked for it, with all that is on them.  It goes to the
 * others by kgo_p_clear().  Or it stays, while everything is to stand still.
 *
 * Which P is off has nothing to do with which processor went, since a P is not
 * tied to one: it is how many run at a time that changes.
 *
 * Invariants:
 *   - A P that is off has no owner.  Whoever called arb_use() is alone with its
 *     record: but for thieves, who may always come, and timers that are stopped
 *     or started again, under the lock of their heap.
 *   - No goroutine and no timer is on a P that is off, for good, while another
 *     one is in use.
 *
 * Rejected: to leave goroutines on a P that is off to thieves.  Those come when
 * they have nothing to do, which with fewer processors may be never.  To let
 * any P run, but only so many at a time: then those that have goroutines and
 * do not run need turns, which is a second scheduler above this one.
 */
#include "core.h"
#include "arb.h"

/**
 * arb_use() - Say how many Ps are in use
 * @arb: the arbiter
 * @n: those below it are; at most nr_ps, 0 for none
 *
 * Those that are owned by a running M follow when that lets go of them.
 * CONTEXT: any that can take arb->lock.  One call at a time.
 */
void arb_use(struct arb *arb, u32 n)
{
	u32 old, p;

	port_lock(&arb->lock);
	old = arb->nr_on;
	port_store(&arb->nr_on, n);
	/* Pairs with arb_block(): it sees this, or its P is seen blocked here. */
	port_mb();
	for (p = n; p < old; p++)
		arb_turn_off(arb, p);
	for (p = old; p < n; p++)
		if (arb_word_state(port_load(&arb->word[p])) == ARB_OFF)
			arb_turn_on(arb, p);
	port_unlock(&arb->lock);
}

/* Of a P that is off: what can run goes to the global queue, in its order. */
static void clear_runq(struct kgo_p *p)
{
	struct kgo_gq q = { 0 };
	struct kgo_g *g;

	do {
		g = kgo_runq_get(p);
		if (g)
			kgo_gq_push(&q, g);
		/* As many as a ring spills are taken together. */
		if (q.n > KGO_RUNQ_SIZE / 2 || (!g && q.n))
			kgo_globq_put_all(&q);
	} while (g);
}

/**
 * kgo_p_clear() - Give what is on a P that is off to those in use
 * @p: off, and not turned on meanwhile; not the first one
 *
 * CONTEXT: whoever called arb_use(); may sleep, no lock held.
 * Return: 0, or -ENOMEM if timers are left for want of memory.
 */
int kgo_p_clear(struct kgo_p *p)
{
	int ret;

	clear_runq(p);
	kgo_g_free_all(p);
	ret = kgo_timers_move(p, kgo_p_at(0));
	/* Pairs with arb_park(), for the timers: as after a goroutine is queued. */
	port_mb();
	kgo_wakep(NULL);
	return ret;
}
