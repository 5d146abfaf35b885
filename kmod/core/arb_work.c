// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Is there work?  What the arbiter reads in the shared records to find out.
 *
 * These are hints, in memory that the program can scribble on: an answer is only
 * ever used to choose between two correct things.
 */
#include "arb.h"

static bool arb_queued(struct arb *arb, u32 p)
{
	struct kgo_pdesc *d = arb_pdesc(arb, p);

	return port_load(&d->runq_head) != port_load(&d->runq_tail);
}

/**
 * arb_any_work() - Is there anything that an M with a P could take now?
 * @arb: the arbiter
 *
 * runnext is included, and so is a timer that nobody watches: their owner may
 * compute for long, and whoever filled or started them may have seen no P
 * available.
 * CONTEXT: any; as arb_p_has_work().
 */
bool arb_any_work(struct arb *arb)
{
	u32 p;

	if (port_load(&arb->r->gq_len) || port_completions(arb->r))
		return true;
	for (p = 0; p < arb->nr_ps; p++)
		if (arb_p_has_work(arb, p))
			return true;
	return false;
}

/**
 * arb_p_has_work() - Would a new owner of this P find something to do?
 * @arb: the arbiter
 * @p: index of a P
 *
 * Reads hints from memory that the program can scribble on: the answer is
 * only ever used to choose between two correct things.
 * CONTEXT: any.
 */
bool arb_p_has_work(struct arb *arb, u32 p)
{
	struct kgo_pdesc *d = arb_pdesc(arb, p);
	u64 when, keeper;

	if (arb_queued(arb, p) || port_load(&d->runnext) ||
	    port_load(&arb->r->gq_len) || port_completions(arb->r))
		return true;
	when = port_load(&d->timer_when);
	if (!when)
		return false;
	keeper = port_load(&arb->r->keeper_when);
	return !keeper || keeper > when;
}

/**
 * arb_somebody_looks() - Is an M looking for work, which will find all there is?
 * @arb: the arbiter
 *
 * One that naps with its spinning role (spare.c) counts as looking while other
 * Ms run, whose doing it waits for.  Completions come from outside: with no P in
 * use nobody looks before the nap is over.
 * CONTEXT: any.
 */
bool arb_somebody_looks(struct arb *arb)
{
	return port_load(&arb->r->nr_spinning) &&
	       !(port_completions(arb->r) &&
		 port_load(&arb->r->nr_avail) == arb->nr_ps);
}
