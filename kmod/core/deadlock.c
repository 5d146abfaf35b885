// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * "All goroutines are asleep": when nothing in a program can ever run again.
 *
 * The arbiter decides, since it alone knows what all threads do.  A runtime is
 * dead when, at one moment,
 *   - every M is parked, as spare or as bound, and none wants a P;
 *   - no P has a goroutine or a timer, and nobody watches timers;
 *   - the process has no thread that is not an M.
 * A parked M does nothing until it is granted a P, and only a thread grants
 * one, or makes work.  So nobody is left who could.
 *
 * What counts as life by this rule, without a word about it: an M that blocks
 * in a system call or a page fault, whether its P was taken or not, or that
 * handles a signal (it is not parked); one that holds a goroutine it has
 * dequeued, that was given a P, that is being started (a thread of the process
 * that is no M yet) or ends (one that is none any more); any thread of the
 * program's own.
 *
 * The number of threads is asked without the arbiter's lock, since the answer
 * may cost a system call:
 *
 *   arb_park()		under the lock: it looks dead; remember arb->moves
 *   the caller		counts the threads of the process
 *   arb_dead()		under the lock: arb->moves is the same, and all looks as it
 *			did
 *
 * arb->moves grows whenever an M parks, stops parking, joins or leaves.  If it
 * is the same then all Ms were parked while the threads were counted; if those
 * were as many as there are Ms there was no other thread, and with all threads
 * asleep there has been none since.  Work that a thread queued just before its
 * own end is seen by the second look.
 *
 * The rule errs on the side of silence.  A thread that is not reaped yet hides
 * a deadlock until the next park: a spare M parks again every few seconds.
 *
 * It is told once: again only after a goroutine has run, as the Ps' schedticks
 * show.  Else a runtime that knows of somebody who will wake it (a signal)
 * would be told for ever.
 *
 * Rejected: to count running, blocked and starting Ms as Go's checkdead()
 * does.  The counters would be the runtime's, in memory that the kernel cannot
 * trust to be in step with its own, and a thread that starts goroutines without
 * being an M would have to be known beforehand (Go gives up on programs with
 * cgo).
 */
#include "arb.h"
#include "core.h"

/* Goroutines that have started to run so far; never 0. */
static u64 arb_ticks(struct arb *arb)
{
	u64 n = 1;
	u32 p;

	for (p = 0; p < arb->nr_ps; p++)
		n += port_load(&arb_pdesc(arb, p)->schedtick);
	return n;
}

static bool arb_any_timer(struct arb *arb)
{
	u32 p;

	if (port_load(&arb->r->keeper_when))
		return true;
	for (p = 0; p < arb->nr_ps; p++)
		if (port_load(&arb_pdesc(arb, p)->timer_when))
			return true;
	return false;
}

/**
 * arb_suspect() - Does it look as if nothing will ever happen again?
 * @arb: the arbiter
 *
 * CONTEXT: arb->lock held.
 * Return: arb->moves, to compare later, or 0 for no.
 */
u64 arb_suspect(struct arb *arb)
{
	port_assert_held(&arb->lock);
	if (!arb->detect || arb->nr_parked + arb->nr_bound != arb->nr_ms ||
	    !kgo_list_empty(&arb->want))
		return 0;
	if (port_load(&arb->r->nr_avail) != arb->nr_ps ||
	    port_load(&arb->r->nr_spinning))
		return 0;
	if (arb_any_work(arb) || arb_any_timer(arb))
		return 0;
	return arb->told == arb_ticks(arb) ? 0 : arb->moves;
}

/**
 * arb_dead() - Is it so?
 * @arb: the arbiter
 * @am: the calling thread, parked, with am->suspect set
 * @nr_threads: threads that the process had at some moment since arb_park(),
 *	without those that can be trusted to wake nobody
 *
 * CONTEXT: any that can take arb->lock.
 * Return: true if it is dead and has not been told; @am is not parked any
 * more then, and owns no P.
 */
bool arb_dead(struct arb *arb, struct arb_m *am, u32 nr_threads)
{
	bool dead;

	port_lock(&arb->lock);
	dead = am->suspect == arb->moves && nr_threads == arb->nr_ms &&
	       arb_suspect(arb);
	if (dead) {
		arb->told = arb_ticks(arb);
		arb_list_del(arb, am);
	}
	port_unlock(&arb->lock);
	return dead;
}

/**
 * kgo_all_asleep() - What the runtime does when it is told
 *
 * A program ends here, unless something beside goroutines will wake one
 * (kgo_rt.wakers), or it has no goroutines because it wants none just now.
 * CONTEXT: an M without a P, with in_sched set.
 */
void kgo_all_asleep(void)
{
	if (port_load(&kgo_rt.wakers))
		return;
	if (kgo_num_goroutine())
		port_deadlock("all goroutines are asleep - deadlock!");
	else if (port_load(&kgo_rt.main_gone))
		port_deadlock("no goroutines (main called runtime.Goexit)"
			      " - deadlock!");
}
