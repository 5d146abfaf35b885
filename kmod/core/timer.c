// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Timers: a 4-ary heap per P, and sleep.
 *
 * A timer stays in the heap of the P that started it.  Whoever owns a P runs
 * what is due there between goroutines; thieves look at all heaps; and of the
 * Ms that are parked one, the keeper, wakes for the first timer of all (see
 * keep_timers() in sched.c).
 *
 * A timer's fire() runs under the heap's lock, so that once kgo_timer_stop()
 * has returned it neither runs nor will: a timer can live on a stack.
 *
 * Lock order: heap, then whatever fire() takes (a channel).  So no timer is
 * started or stopped with a channel locked.
 */
#include "core.h"

static u64 deadline(long long ns)
{
	u64 now = port_now();

	return (u64)ns > ~0ULL - now ? ~0ULL : now + (u64)ns;
}

static void heap_set(struct kgo_timers *ts, u32 slot, struct kgo_timer *t)
{
	ts->heap[slot] = t;
	t->slot = slot + 1;
}

static void heap_up(struct kgo_timers *ts, u32 slot, struct kgo_timer *t)
{
	while (slot) {
		u32 parent = (slot - 1) / 4;

		if (ts->heap[parent]->when <= t->when)
			break;
		heap_set(ts, slot, ts->heap[parent]);
		slot = parent;
	}
	heap_set(ts, slot, t);
}

static void heap_down(struct kgo_timers *ts, u32 slot, struct kgo_timer *t)
{
	for (;;) {
		u32 child = slot * 4 + 1, least = child, i;

		if (child >= ts->n)
			break;
		for (i = child + 1; i < child + 4 && i < ts->n; i++)
			if (ts->heap[i]->when < ts->heap[least]->when)
				least = i;
		if (ts->heap[least]->when >= t->when)
			break;
		heap_set(ts, slot, ts->heap[least]);
		slot = least;
	}
	heap_set(ts, slot, t);
}

static void heap_publish(struct kgo_p *p)
{
	struct kgo_timers *ts = &p->timers;

	port_store(&p->d.nr_timers, ts->n);
	port_store(&p->d.timer_when, ts->n ? ts->heap[0]->when : 0);
}

static void heap_remove(struct kgo_p *p, struct kgo_timer *t)
{
	struct kgo_timers *ts = &p->timers;
	u32 slot = t->slot - 1;
	struct kgo_timer *last = ts->heap[--ts->n];

	t->slot = 0;
	if (last != t) {
		if (slot && ts->heap[(slot - 1) / 4]->when > last->when)
			heap_up(ts, slot, last);
		else
			heap_down(ts, slot, last);
	}
	heap_publish(p);
}

/* Room for one more; returns with the lock held, or -ENOMEM without. */
static int heap_reserve(struct kgo_timers *ts)
{
	struct kgo_timer **more, **old = NULL;
	u32 cap;

	port_lock(&ts->lock);
	while (ts->n == ts->cap) {
		cap = ts->cap ? ts->cap * 2 : 64;
		port_unlock(&ts->lock);
		more = port_alloc(cap * sizeof(*more));
		if (!more)
			return -ENOMEM;
		port_lock(&ts->lock);
		old = more;
		if (ts->cap < cap) {
			if (ts->n)
				memcpy(more, ts->heap, ts->n * sizeof(*more));
			old = ts->heap;
			ts->heap = more;
			ts->cap = cap;
		}
		if (old) {
			port_unlock(&ts->lock);
			port_free(old);
			port_lock(&ts->lock);
		}
	}
	return 0;
}

/* Start @t on the caller's P; returns with that P's heap locked, or -ENOMEM. */
static int start_locked(struct kgo_p *p, struct kgo_timer *t, u64 when)
{
	struct kgo_timers *ts = &p->timers;
	int ret;

	ret = heap_reserve(ts);
	if (ret)
		return ret;
	t->when = when;
	t->p = p->index;
	heap_up(ts, ts->n++, t);
	heap_publish(p);
	return 0;
}

/**
 * kgo_timer_start() - Start a timer on the caller's P
 * @t: not started; fire is set
 * @ns: from now, in nanoseconds; positive
 *
 * CONTEXT: an M with in_sched set and a P; may sleep; no lock held.
 * Return: 0 or -ENOMEM.
 */
int kgo_timer_start(struct kgo_timer *t, long long ns)
{
	struct kgo_p *p = kgo_m_p(port_self());
	int ret;

	ret = start_locked(p, t, deadline(ns));
	if (!ret)
		port_unlock(&p->timers.lock);
	return ret;
}

/**
 * kgo_timer_stop() - Stop a timer
 * @t: started once, perhaps fired
 *
 * CONTEXT: an M with in_sched set; no lock held that fire() takes.
 * Return: true if it had not fired.  It does not fire any more.
 */
bool kgo_timer_stop(struct kgo_timer *t)
{
	struct kgo_p *p = kgo_p_at(t->p);
	bool pending;

	port_lock(&p->timers.lock);
	pending = t->slot;
	if (pending)
		heap_remove(p, t);
	port_unlock(&p->timers.lock);
	return pending;
}

/**
 * kgo_timers_run() - Fire what is due
 * @p: any P
 * @now: port_now()
 *
 * CONTEXT: an M with in_sched set and a P; no lock held.
 * Return: how many goroutines were made ready, on the caller's P.
 */
u32 kgo_timers_run(struct kgo_p *p, u64 now)
{
	struct kgo_timers *ts = &p->timers;
	struct kgo_gq ready = { 0 };
	struct kgo_timer *t;
	struct kgo_g *g;
	u64 when = port_load(&p->d.timer_when);
	u32 n;

	if (!when || when > now)
		return 0;
	port_lock(&ts->lock);
	while (ts->n && ts->heap[0]->when <= now) {
		t = ts->heap[0];
		heap_remove(p, t);
		g = t->fire(t);
		if (g)
			kgo_gq_push(&ready, g);
	}
	port_unlock(&ts->lock);
	n = ready.n;
	while ((g = kgo_gq_pop(&ready)))
		kgo_ready(g);
	return n;
}

/**
 * kgo_timers_first() - When the first timer of all Ps is due
 *
 * CONTEXT: any; a hint.  Return: 0 if there is none.
 */
u64 kgo_timers_first(void)
{
	u64 first = 0, when;
	u32 i;

	for (i = 0; i < kgo_rt.nr_ps; i++) {
		when = port_load(&kgo_p_at(i)->d.timer_when);
		if (when && (!first || when < first))
			first = when;
	}
	return first;
}

struct sleeper {
	struct kgo_timer timer;
	struct kgo_g *g;
};

static struct kgo_g *sleep_fire(struct kgo_timer *t)
{
	return container_of(t, struct sleeper, timer)->g;
}

int kgo_sleep(long long ns)
{
	struct sleeper s = { .timer.fire = sleep_fire };
	struct kgo_m *m;
	struct kgo_p *p;
	int ret;

	if (ns <= 0)
		return 0;
	m = kgo_enter_sched();
	p = kgo_m_p(m);
	s.g = m->curg;
	/* The heap stays locked until it is off its stack: no early fire. */
	ret = start_locked(p, &s.timer, deadline(ns));
	if (!ret)
		kgo_park(m, KGO_WAIT_SLEEP, &p->timers.lock);
	kgo_leave_sched();
	return ret;
}
