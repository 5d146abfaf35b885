// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Preemption: who computes for long lets others go first.
 *
 * A watcher (slice.c says when) sets KGO_P_PREEMPT in the M's record.  Then
 *
 *   - the next call of the runtime finds it in kgo_enter_sched(), by the test
 *     that looks for a lost P anyway, and the goroutine goes to the end of the
 *     global queue: kgo_preempt_here();
 *   - the scheduler finds it if no goroutine could heed it: kgo_slice_ends();
 *   - a goroutine that calls nothing is stopped by a signal.  The handler
 *     calls kgo_preempt(): the goroutine is queued, its M gives the P up and
 *     sleeps where it is, inside the handler.  Whoever dequeues the goroutine
 *     gives its own P to that M, as with any bound goroutine.
 *
 * Invariants:
 *   - No stack is switched in a handler, and nothing is moved to another
 *     thread: the code that was interrupted may be in malloc(), hold any lock,
 *     know its thread-local variables by address.
 *   - Nothing is preempted with in_sched set, so not with a lock of the
 *     runtime held either, and only in state RUNNING: a bound goroutine that
 *     is parked has in_sched clear now and then, too.
 *   - A handler neither allocates nor starts a thread.  It gives the P up only
 *     if an M is there to take it.
 *
 * Fairness.  Those who were preempted wait in the global queue, first come
 * first served.  But a scheduler looks there once in 61 goroutines, and that
 * may be a hog's 10 ms as well as a microsecond of one that hardly computes: a
 * pair that talks to each other would have 61 words in between two turns of a
 * hog.  So on a P where goroutines are slow, which 61 of them show by the
 * clock, and a preemption shows too, turns are measured by the clock for some
 * time: the global queue, and whoever is in the ring, wait for the end of a
 * slice, and then the one that would go on with it waits behind them.
 *
 * Rejected: to let the M wait as one that wants a P.  Those are served before
 * all queues, so two hogs would pass the P to each other for ever.  To keep
 * the time of every goroutine: a clock read per switch costs more than the
 * switch.  A flag of its own beside d.p: one load and one branch more in every
 * call.
 */
#include "core.h"
#include "arb.h"

#define SLICED_NS	(10 * ARB_SLICE_NS)
#define SLOW_NS		(ARB_SLICE_NS / 2)	/* for 61 goroutines */
#define RETRY_NS	10000000ULL
#define RETRY_MAX_NS	1000000000ULL

static void begin_turn(struct kgo_p *p, u64 now)
{
	p->slice_end = now + ARB_SLICE_NS;
	p->sliced_until = now + SLICED_NS;
}

/* Who would go on with the slice goes behind those in the global queue. */
static void disinherit(struct kgo_p *p)
{
	u32 index = port_load(&p->d.runnext);

	/* A thief may take it, but nobody else fills it again. */
	if (index && port_cas(&p->d.runnext, index, KGO_NO_G))
		kgo_globq_put(port_g(index));
}

/**
 * kgo_turn_is_over() - May the global queue go first?
 * @p: a P that the caller owns
 * @tick: another 61 goroutines have run on it
 *
 * CONTEXT: the scheduler, no lock held.
 */
bool kgo_turn_is_over(struct kgo_p *p, bool tick)
{
	u64 now = port_now_coarse();

	if (tick) {
		if (now - p->ticked > SLOW_NS && !p->sliced_until)
			begin_turn(p, now);
		p->ticked = now;
	}
	if (!p->sliced_until)
		return true;
	if (now < p->slice_end)
		return false;
	p->slice_end = now + ARB_SLICE_NS;
	if (now >= p->sliced_until)
		p->sliced_until = 0;
	disinherit(p);
	return true;
}

static void heed(struct kgo_m *m)
{
	u32 p;

	do {
		p = port_load(&m->d.p);
	} while (!port_cas(&m->d.p, p, p & ~KGO_P_PREEMPT));
}

/**
 * kgo_slice_ends() - The slice is over, and its goroutine has parked
 * @m: the calling M with in_sched set, KGO_P_PREEMPT in its d.p
 * @p: its P
 *
 * Who would go on with the slice waits as if it had been preempted.
 * CONTEXT: the scheduler, no lock held.
 */
void kgo_slice_ends(struct kgo_m *m, struct kgo_p *p)
{
	heed(m);
	begin_turn(p, port_now_coarse());
	disinherit(p);
}

/**
 * kgo_preempt_here() - Let others go first, on the way into the runtime
 * @m: the calling M with in_sched set, KGO_P_PREEMPT in its d.p
 *
 * CONTEXT: a goroutine, no lock held; parks, but for a stackless one.
 * Return: the M that it is on now, with a P.
 */
struct kgo_m *kgo_preempt_here(struct kgo_m *m)
{
	struct kgo_g *g = m->curg;

	/* It leaves when its body has returned: kgo_cont_run(). */
	if (kgo_is_stackless(g))
		return m;
	heed(m);
	begin_turn(kgo_m_p(m), port_now_coarse());
	if (!g->bound) {
		kgo_leave(m, KGO_POST_PREEMPT);
		return port_self();
	}
	kgo_g_set_state(g, KGO_G_RUNNING, KGO_G_RUNNABLE);
	kgo_globq_put(g);
	kgo_bound_wait(m, g);
	return m;
}

/*
 * In a queue, asleep.  If a P is free and no M is left that could look into
 * the queue, all others being blocked, then it goes on by itself.
 */
static void wait_for_turn(struct kgo_m *m, struct kgo_g *g)
{
	struct kgo_rdesc *r = kgo_rt.r;
	u64 nap = RETRY_NS;

	for (;;) {
		port_enter(m, KGO_ENTER_PARK_BOUND, 0, 0, port_now() + nap);
		if (kgo_m_has_p(m))
			return;
		if (nap < RETRY_MAX_NS)
			nap *= 2;
		if (port_load(&r->nr_avail) && !port_load(&r->nr_spare) &&
		    kgo_globq_remove(g))
			break;
	}
	while (!kgo_m_has_p(m))
		port_enter(m, KGO_ENTER_PARK_WANT, 0, 0, 0);
}

/**
 * kgo_preempt() - Let others go first, from a signal handler
 * @m: the calling thread's M
 *
 * Does nothing in places where that must not be; KGO_P_PREEMPT remains then,
 * for the next call of the runtime.  A thread that has lost its P, and goes on
 * without, waits for one.
 * CONTEXT: a handler that has interrupted the program anywhere; sleeps.
 * Return: true if others went first.
 */
bool kgo_preempt(struct kgo_m *m)
{
	struct kgo_rdesc *r = kgo_rt.r;
	struct kgo_g *g = m->curg;
	struct kgo_m *bound;
	struct kgo_p *p;
	bool ret = false;

	if (!g || port_load(&m->d.in_sched))
		return false;
	port_store(&m->d.in_sched, 1);
	port_barrier();
	if (port_load(&g->d.state) != KGO_G_RUNNING)
		goto leave;
	if (!port_load(&r->nr_spare) && !port_load(&r->nr_want))
		goto leave;
	if (!kgo_m_has_p(m) && port_enter(m, KGO_ENTER_ACQUIRE, 0, 0, 0) >= 0)
		goto leave;

	ret = true;
	bound = g->bound;
	port_store(&g->bound, m);
	p = kgo_m_p(m);
	if (p)
		begin_turn(p, port_now_coarse());
	kgo_g_set_state(g, KGO_G_RUNNING, KGO_G_PREEMPTED);
	kgo_globq_put(g);
	/* With a P, arb_park() sees to it that somebody looks. */
	if (!p)
		kgo_wakep(m);
	wait_for_turn(m, g);

	p = kgo_m_p(m);
	port_store(&g->d.p, p->index);
	port_store(&p->d.schedtick, p->d.schedtick + 1);
	port_store(&p->d.slicetick, p->d.slicetick + 1);
	port_store(&g->bound, bound);
	kgo_g_set_state(g, KGO_G_PREEMPTED, KGO_G_RUNNING);
leave:
	port_barrier();
	port_store(&m->d.in_sched, 0);
	return ret;
}
