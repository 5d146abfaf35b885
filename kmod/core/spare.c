// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Spare Ms: how one parks that finds nothing to run, and who wakes it.
 *
 * Waking is throttled as in Go.  At most one wake-up is under way at a time:
 * whoever makes work wakes a spare M only if a P is available and no M is
 * "spinning" (owns a P and looks for work).  A spinning M that finds work
 * wakes the next one before it runs it.  So that no work is ever forgotten:
 *
 *   who makes work			who stops looking
 *   --------------			-----------------
 *   queue it				nr_spinning - 1, P idle, listed as spare
 *   full barrier			full barrier
 *   read nr_spinning, nr_avail		read the queues again (arb_park)
 *
 * m->spinning is written here and, where it begins to look, by steal() in
 * sched.c.  r->keeper_when belongs to the M whose m->keeper is set.
 *
 * Rejected, as in Go: waking an M for each goroutine that is readied (parks
 * again at once, most of the time).
 */
#include "core.h"

#define SPARE_NS	5000000000ULL	/* a surplus spare M ends after this */
#define RETRY_NS	1000000ULL	/* timers are due and every P is busy */
#define NAP_AFTER	8U	/* fruitless wake-ups */
#define NAP_NS		25000ULL
#define NAP_GROWS	3U	/* doublings */

/* Keep so many spare Ms, however long they were idle. */
static u32 spare_floor(void)
{
	return kgo_rt.nr_ps + 2;
}

/* kgo_wakep(), where somebody has to be woken, as it seems. */
void kgo_wakep_slow(struct kgo_m *m)
{
	struct kgo_rdesc *r = kgo_rt.r;

	for (;;) {
		if (!port_load(&r->nr_avail) || port_load(&r->nr_spinning))
			return;
		if (!port_cas(&r->nr_spinning, 0, 1))
			return;
		if (port_enter(m, KGO_ENTER_WAKE, 0, 0, 0) == KGO_ENTER_R_WAKE)
			return;	/* it has our spinning role */
		/*
		 * Nobody was parked, or no P was left.  Somebody who parked
		 * meanwhile saw us spinning and did not look: try again.
		 */
		port_add(&r->nr_spinning, -1U);
		if (!port_load(&r->nr_spare))
			return;
	}
}

/* Stop looking.  A full barrier if it was. */
static bool stop_spinning(struct kgo_m *m)
{
	if (!m->spinning)
		return false;
	m->spinning = false;
	port_add(&kgo_rt.r->nr_spinning, -1U);
	return true;
}

/*
 * When goroutines hand each other work and stay on one P, each hand-over finds
 * an idle P and nobody looking, and would wake a spare M to find nothing.
 * After a few such wake-ups the M keeps its spinning role while it naps, so
 * that nobody is woken, and looks again a little later, as long as goroutines
 * are switched at all.  What Go's thieves do by usleep(3), for longer and off
 * the CPU.  Returns how long to nap, or 0.
 */
static u64 nap_ns(struct kgo_m *m)
{
	u32 ticks = 0, i;

	if (!m->spinning)
		return 0;
	for (i = 0; i < kgo_rt.nr_ps; i++)
		ticks += port_load(&kgo_p_at(i)->d.schedtick);
	if (port_add(&kgo_rt.fruitless, 1) < NAP_AFTER ||
	    ticks == m->seen_ticks) {
		m->naps = 0;
		m->seen_ticks = ticks - 1;
		return 0;
	}
	m->seen_ticks = ticks;
	if (m->naps < NAP_GROWS)
		m->naps++;
	return NAP_NS << m->naps;
}

/*
 * Become the one that wakes up for the timers of Ps that nobody runs.  Returns
 * the deadline, or 0 if there is no timer or somebody watches it already.
 */
static u64 keep_timers(struct kgo_m *m)
{
	struct kgo_rdesc *r = kgo_rt.r;
	u64 first = kgo_timers_first();
	u64 old = port_load(&r->keeper_when);

	if (!first || (old && old <= first))
		return 0;
	/* Nothing is to run: nothing is late. */
	if (unlikely(!port_load(&kgo_rt.nr_on)))
		return 0;
	if (!port_cas(&r->keeper_when, old, first))
		return 0;
	m->keeper = true;
	return first;
}

/**
 * kgo_spare_park() - Park as spare
 * @m: the calling M with in_sched set
 * @give: bound to the M that is to have the P, or NULL: the arbiter takes it
 *
 * CONTEXT: the M's own stack; sleeps.
 * Return: false if this M has been of no use for long and should end.
 */
bool kgo_spare_park(struct kgo_m *m, struct kgo_g *give)
{
	struct kgo_rdesc *r = kgo_rt.r;
	u64 kept, deadline, now, nap;
	int ret;

	nap = give ? 0 : nap_ns(m);
	if (!nap)
		stop_spinning(m);
	kept = keep_timers(m);
	deadline = kept;
	now = port_now();
	if (!deadline)
		deadline = now + SPARE_NS;
	else if (deadline <= now && !kgo_m_has_p(m))
		deadline = now + RETRY_NS;
	if (nap && deadline > now + nap)
		deadline = now + nap;

	ret = port_enter(m, KGO_ENTER_PARK_SPARE, give ? KGO_ENTER_F_GIVE : 0,
			 give ? give->bound->index : 0, deadline);
	if (give && (ret == -ESRCH || ret == -EBUSY || ret == -EINVAL))
		port_throw("the thread of a bound goroutine is gone");
	m->fresh = true;
	if (m->keeper) {
		m->keeper = false;
		port_cas(&r->keeper_when, kept, 0);
	}
	if (ret >= 0) {
		/* The waker's spinning role, or still that of the nap. */
		if (ret & KGO_ENTER_R_WAKE)
			stop_spinning(m);
		m->spinning |= ret & KGO_ENTER_R_WAKE;
		return true;
	}
	if (unlikely(ret == -EDEADLK)) {
		kgo_all_asleep();
		return true;
	}
	if (ret == -ESHUTDOWN) {
		stop_spinning(m);
		return false;
	}
	return ret != -ETIME || kept || nap || port_load(&r->nr_spare) < spare_floor();
}

/* Is there anything that an M with another P could see to? */
static bool more_to_do(void)
{
	struct kgo_rdesc *r = kgo_rt.r;
	u64 keeper = port_load(&r->keeper_when), when;
	u32 i;

	if (port_load(&r->gq_len) || port_completions(r))
		return true;
	for (i = 0; i < kgo_rt.nr_ps; i++) {
		struct kgo_p *p = kgo_p_at(i);

		if (!kgo_runq_empty(p))
			return true;
		when = port_load(&p->d.timer_when);
		if (when && (!keeper || keeper > when))
			return true;
	}
	return false;
}

/**
 * kgo_spare_found() - An M that looked for work, or was parked, has found some
 * @m: the calling M with in_sched set and a P
 *
 * It stops looking.  If it was not woken by kgo_wakep() it is nobody's
 * successor, but the arbiter chose it for one reason of perhaps several, and it
 * may have been the keeper: see that the rest is seen to.
 * CONTEXT: no lock held; does not sleep.
 */
void kgo_spare_found(struct kgo_m *m)
{
	m->fresh = false;
	if (stop_spinning(m)) {
		port_store(&kgo_rt.fruitless, 0);
		kgo_wakep(m);
	} else if (port_load(&kgo_rt.r->nr_avail) && more_to_do()) {
		kgo_wakep(m);
	}
}

/* kgo_ensure_spare(), where none is parked. */
bool kgo_ensure_spare_slow(struct kgo_m *m)
{
	bool ok = true;

	if (port_load(&kgo_rt.nr_starting))
		return true;
	if (!port_cas(&kgo_rt.nr_starting, 0, 1))
		return true;
	/* A thread may be long in the making: the P may go meanwhile. */
	port_barrier();
	port_store(&m->d.in_sched, 0);
	if (port_m_start()) {
		port_store(&kgo_rt.nr_starting, 0);
		ok = false;
	}
	port_store(&m->d.in_sched, 1);
	port_barrier();
	return ok;
}
