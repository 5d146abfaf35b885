// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Has whoever runs on a P had his turn?  The half of preemption that looks;
 * preempt.c is the half that acts.
 *
 * Whoever watches a P (a timer of the kernel, the monitor of libkgo) asks here
 * from time to time.  The answer is yes if one time slice has gone on for
 * ARB_SLICE_NS, on one M that did not block meanwhile, and somebody waits for
 * the P now.  A slice is what slicetick counts: goroutines that hand each
 * other the P by runnext share one, so that a pair of them gets no more than
 * one that computes alone.
 *
 * Nothing is written for this by those who run: the watcher compares with what
 * it saw before, as Go's sysmon does.  So a slice is ended between one and two
 * periods of the watcher after it began.
 *
 * What is read of the runtime are hints, see arb_p_has_work().
 */
#include "arb.h"

#define AGAIN_NS	1000000ULL

static bool somebody_waits(struct arb *arb, u32 p, u64 now)
{
	struct kgo_pdesc *d = arb_pdesc(arb, p);
	u64 when = port_load(&d->timer_when);

	return port_load(&arb->r->nr_want) || port_load(&arb->r->gq_len) ||
	       port_completions(arb->r) ||
	       port_load(&d->runnext) ||
	       port_load(&d->runq_head) != port_load(&d->runq_tail) ||
	       (when && when <= now);
}

/**
 * arb_slice_is_over() - Is it the turn of others on this P?
 * @arb: the arbiter
 * @p: index of a P
 * @s: what the caller's last call for @p left, or for another P
 * @now: port_now()
 *
 * CONTEXT: any.  Return: true, and again every AGAIN_NS until the goroutine
 * has left or nobody waits any more.
 */
bool arb_slice_is_over(struct arb *arb, u32 p, struct arb_slice *s, u64 now)
{
	u64 word = port_load(&arb->word[p]);
	u32 tick = port_load(&arb_pdesc(arb, p)->slicetick);

	if (word != s->word || tick != s->tick) {
		s->word = word;
		s->tick = tick;
		s->since = now;
		return false;
	}
	if (arb_word_state(word) != ARB_RUNNING ||
	    now - s->since < ARB_SLICE_NS || !somebody_waits(arb, p, now))
		return false;
	s->since = now - ARB_SLICE_NS + AGAIN_NS;
	return true;
}

/**
 * arb_can_give_way() - Is there an M that could go on with a P?
 * @arb: the arbiter
 *
 * Without one it is of no use to stop a thread.
 * CONTEXT: any; a hint.
 */
bool arb_can_give_way(struct arb *arb)
{
	return port_load(&arb->nr_parked);
}
