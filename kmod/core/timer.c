// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Timers: a 4-ary heap per P, and sleep.  What programs see of them, beside
 * sleep, is in time.c.
 *
 * A timer stays in the heap of the P that started it; one that is in none can
 * be started on another.  Whoever owns a P runs what is due there between
 * goroutines; thieves look at all heaps; and of the Ms that are parked one, the
 * keeper, wakes for the first timer of all (see keep_timers() in spare.c).
 *
 * A timer's fire() runs under the heap's lock, so that once kgo_alarm_stop()
 * has returned it neither runs nor will: a timer can live on a stack.  One
 * without fire() belongs to a struct kgo_timer that runs a function: the
 * goroutine for it is made before the lock is taken, and filled in under it.
 * So that one has the same promise, and what was due is never lost for want of
 * memory: it is due again a little later.
 *
 * What only sleeps has no timer: it cannot be stopped, so that nobody asks for
 * its place, and its goroutine's number says all that is needed to wake it.
 * With a timer on its stack each step of its way through the heap was a store
 * to a page of its own.
 *
 * Rejected: lazy deletion, as Go's.  There a stopped timer stays in its heap
 * until it comes up, so that its memory could not be the caller's; and to take
 * one out of the middle costs little more, since nearly all are near the leaves.
 * Rejected: a goroutine made along with the timer.  A million timers would
 * cost a million stacks.
 *
 * Lock order: heap (of two the one of the lower P), then whatever fire() takes
 * (a channel).  So no timer is
 * started or stopped with a channel locked.
 */
#include "bubble.h"

#define HEAP_LEAST	64U
#define LINE		64UL
#define WARM_LEAST	1024U	/* smaller ones stay in the first-level cache */
#define FIRE_MAX	64U	/* then the lock is dropped for a moment */
#define AGAIN_NS	1000000ULL	/* no memory for a goroutine: tried again */

/* A bubble's clock is its own (synctest.c). */
static u64 now_of(struct kgo_p *p)
{
	return kgo_p_is_bubble(p) ? port_load(&kgo_bubble_of_p(p)->now) :
	       port_now();
}

static u64 deadline(struct kgo_p *p, long long ns)
{
	u64 now = now_of(p);

	if (ns < 0)
		return now;
	return (u64)ns > ~0ULL - now ? ~0ULL : now + (u64)ns;
}

static bool is_sleeper(struct kgo_due d)
{
	return d.sleeper & 1;
}

static void heap_set(struct kgo_timers *ts, u32 slot, struct kgo_due d)
{
	ts->heap[slot] = d;
	if (!is_sleeper(d))
		d.alarm->slot = slot + 1;
}

static void heap_up(struct kgo_timers *ts, u32 slot, struct kgo_due d)
{
	while (slot) {
		u32 parent = (slot - 1) / 4;

		if (ts->heap[parent].when <= d.when)
			break;
		heap_set(ts, slot, ts->heap[parent]);
		slot = parent;
	}
	heap_set(ts, slot, d);
}

/*
 * The children of a slot's children, of which the way down reads four next:
 * each four are a line.  Beyond the end it is no matter.
 */
static void heap_warm(struct kgo_timers *ts, u32 child)
{
	u32 i;

	if (ts->n < WARM_LEAST)
		return;
	for (i = 0; i < 4; i++)
		__builtin_prefetch(ts->heap + (u64)(child + i) * 4 + 1, 1);
}

static void heap_down(struct kgo_timers *ts, u32 slot, struct kgo_due d)
{
	for (;;) {
		u32 child = slot * 4 + 1, least = child, i;

		if (child >= ts->n)
			break;
		heap_warm(ts, child);
		for (i = child + 1; i < child + 4 && i < ts->n; i++)
			if (ts->heap[i].when < ts->heap[least].when)
				least = i;
		if (ts->heap[least].when >= d.when)
			break;
		heap_set(ts, slot, ts->heap[least]);
		slot = least;
	}
	heap_set(ts, slot, d);
}

/* @d goes where @slot is, or where it has to go from there. */
static void heap_place(struct kgo_timers *ts, u32 slot, struct kgo_due d)
{
	if (slot && ts->heap[(slot - 1) / 4].when > d.when)
		heap_up(ts, slot, d);
	else
		heap_down(ts, slot, d);
}

static void heap_publish(struct kgo_p *p)
{
	struct kgo_timers *ts = &p->timers;

	/* Nobody but its root looks after a bubble's timers. */
	if (kgo_p_is_bubble(p))
		return;
	port_store(&p->d.nr_timers, ts->n);
	port_store(&p->d.timer_when, ts->n ? ts->heap[0].when : 0);
}

/* The first one, out of the heap. */
static void heap_pop(struct kgo_p *p)
{
	struct kgo_timers *ts = &p->timers;
	struct kgo_due last = ts->heap[--ts->n];

	if (ts->n)
		heap_down(ts, 0, last);
	heap_publish(p);
}

static void heap_remove(struct kgo_p *p, struct kgo_alarm *a)
{
	struct kgo_timers *ts = &p->timers;
	u32 slot = a->slot - 1;
	struct kgo_due last = ts->heap[--ts->n];

	a->slot = 0;
	/* It may live longer than the bubble. */
	if (kgo_p_is_bubble(p))
		port_store(&a->p, 0);
	if (last.alarm != a)
		heap_place(ts, slot, last);
	heap_publish(p);
}

/*
 * Memory for a heap, freed as *mem.  The root stands in front of a cache line,
 * so that any four children fill one.
 */
static struct kgo_due *heap_alloc(u32 cap, void **mem)
{
	unsigned long at;

	*mem = port_alloc((cap + LINE / sizeof(struct kgo_due)) *
			  sizeof(struct kgo_due));
	if (!*mem)
		return NULL;
	at = ((unsigned long)*mem + sizeof(struct kgo_due) + LINE - 1) & -LINE;
	return (struct kgo_due *)at - 1;
}

/* Room for one more; returns with the lock held, or -ENOMEM without. */
static int heap_reserve(struct kgo_timers *ts)
{
	struct kgo_due *more;
	void *mem, *old;
	u32 cap;

	kgo_lock_in(&ts->lock);
	while (ts->n == ts->cap) {
		cap = ts->cap ? ts->cap * 2 : HEAP_LEAST;
		port_unlock(&ts->lock);
		more = heap_alloc(cap, &mem);
		if (!more)
			return -ENOMEM;
		kgo_lock_in(&ts->lock);
		old = mem;
		if (ts->cap < cap) {
			if (ts->n)
				memcpy(more, ts->heap, ts->n * sizeof(*more));
			old = ts->mem;
			ts->heap = more;
			ts->mem = mem;
			ts->cap = cap;
		}
		if (old) {
			port_unlock(&ts->lock);
			port_free(old);
			kgo_lock_in(&ts->lock);
		}
	}
	return 0;
}

/* Start @a on the caller's P; returns with that P's heap locked, or -ENOMEM. */
static int start_locked(struct kgo_p *p, struct kgo_alarm *a, u64 when)
{
	struct kgo_timers *ts = &p->timers;
	int ret;

	ret = heap_reserve(ts);
	if (ret)
		return ret;
	a->when = when;
	a->p = p->index;
	heap_up(ts, ts->n++, (struct kgo_due){ .when = when, .alarm = a });
	heap_publish(p);
	return 0;
}

/**
 * kgo_alarm_start() - Start a timer on the caller's P
 * @a: not started; fire is set
 * @ns: from now, in nanoseconds; positive
 *
 * CONTEXT: an M with in_sched set and a P; may sleep; no lock held.
 * Return: 0 or -ENOMEM.
 */
int kgo_alarm_start(struct kgo_alarm *a, long long ns)
{
	struct kgo_p *p = kgo_timers_p(port_self());
	int ret;

	ret = start_locked(p, a, deadline(p, ns));
	if (!ret)
		port_unlock(&p->timers.lock);
	return ret;
}

/**
 * kgo_alarm_stop() - Stop a timer
 * @a: started once, perhaps fired
 *
 * CONTEXT: an M with in_sched set; no lock held that fire() takes.
 * Return: true if it had not fired.  It does not fire any more.
 */
bool kgo_alarm_stop(struct kgo_alarm *a)
{
	struct kgo_p *p = kgo_alarm_lock(a);
	bool pending = kgo_alarm_take(p, a);

	port_unlock(&p->timers.lock);
	return pending;
}

/**
 * kgo_alarm_lock() - Lock the heap that a timer is in, or was in last
 * @a: a->p is the index of a P
 *
 * Whoever holds that lock has the timer for himself.
 * CONTEXT: as kgo_alarm_stop().
 * Return: the heap's P; the caller unlocks its timers.lock.
 */
struct kgo_p *kgo_alarm_lock(struct kgo_alarm *a)
{
	struct kgo_p *p;
	u32 index;

	for (;;) {
		index = port_load(&a->p);
		p = unlikely(index & KGO_P_BUBBLE) ? kgo_bubble_p(index) :
		    kgo_p_at(index);
		kgo_lock_in(&p->timers.lock);
		if (likely(port_load(&a->p) == index))
			return p;
		port_unlock(&p->timers.lock);
	}
}

/**
 * kgo_alarm_lock_room() - kgo_alarm_lock(), ready for kgo_alarm_put()
 * @m: the calling M
 * @a: as there
 *
 * A timer that is in no heap comes to the caller's P.
 * CONTEXT: an M with in_sched set and a P; may sleep; no lock held.
 * Return: NULL if it is in no heap and there is no memory for a place in one.
 */
struct kgo_p *kgo_alarm_lock_room(struct kgo_m *m, struct kgo_alarm *a)
{
	struct kgo_p *own = kgo_timers_p(m);
	struct kgo_p *p;

	for (;;) {
		p = kgo_alarm_lock(a);
		if (a->slot)
			return p;
		if (p != own) {
			/* In neither heap now; who comes between finds it stopped. */
			port_store(&a->p, own->index);
			port_unlock(&p->timers.lock);
			continue;
		}
		if (p->timers.n < p->timers.cap)
			return p;
		port_unlock(&p->timers.lock);
		if (heap_reserve(&p->timers))
			return NULL;
		port_unlock(&p->timers.lock);
	}
}

/**
 * kgo_alarm_take() - Take a timer out of its heap
 * @p: from kgo_alarm_lock()
 * @a: the timer
 *
 * CONTEXT: with the heap locked.  Return: true if it was in it.
 */
bool kgo_alarm_take(struct kgo_p *p, struct kgo_alarm *a)
{
	port_assert_held(&p->timers.lock);
	if (!a->slot)
		return false;
	heap_remove(p, a);
	return true;
}

/**
 * kgo_alarm_put() - Start a timer, whether it is pending or not
 * @p: from kgo_alarm_lock_room()
 * @a: the timer
 * @ns: from now, in nanoseconds; negative: now
 *
 * CONTEXT: with the heap locked.
 */
void kgo_alarm_put(struct kgo_p *p, struct kgo_alarm *a, long long ns)
{
	struct kgo_timers *ts = &p->timers;
	struct kgo_due d = { .when = deadline(p, ns), .alarm = a };

	port_assert_held(&ts->lock);
	a->when = d.when;
	if (a->slot)
		heap_place(ts, a->slot - 1, d);
	else
		heap_up(ts, ts->n++, d);
	heap_publish(p);
}

/* What fires while a heap is locked, to be let go when it is not. */
struct fired {
	struct kgo_gq	ready;		/* that waited */
	struct kgo_gq	fresh;		/* that were made for it */
	struct kgo_g	*spare;		/* for the next that needs one, or NULL */
};

/* The first timer's next time, or out of the heap with it. */
static void advance(struct kgo_p *p, struct kgo_alarm *a, u64 now)
{
	u64 skip;

	if (!a->period) {
		heap_remove(p, a);
		return;
	}
	/* Times that have been missed are left out. */
	skip = a->period * (1 + (now - a->when) / a->period);
	a->when = skip > ~0ULL - a->when ? ~0ULL : a->when + skip;
	heap_down(&p->timers, 0, (struct kgo_due){ .when = a->when, .alarm = a });
	heap_publish(p);
}

/* If its code is on its way out it is not started: who stops it is that far. */
static void fire_func(struct kgo_alarm *a, struct fired *f)
{
	struct kgo_timer *t = container_of(a, struct kgo_timer, alarm);
	struct kgo_g *g = f->spare;

	g->arg = t->arg;
	port_fill(&g->d.fn, (u64)(unsigned long)t->fn);
	port_fill(&g->d.site, (u64)(unsigned long)t->site);
	port_fill(&g->d.parent, t->parent);
	if (unlikely(kgo_g_hold(g)))
		return;
	f->spare = NULL;
	kgo_gq_push(&f->fresh, g);
}

/*
 * Fire some of what is due.  -EAGAIN: there is more; -ENOENT: the first needs
 * a goroutine.
 *
 * A second goroutine is for the next time: a million that are due at one time
 * would need as many stacks otherwise, while one by one each ends before the
 * next begins, and an M with nothing to do comes for some of them.
 */
static int fire_some(struct kgo_p *p, u64 now, struct fired *f)
{
	struct kgo_timers *ts = &p->timers;
	struct kgo_alarm *a;
	struct kgo_g *g;
	int ret = 0;
	u32 n;

	kgo_lock_in(&ts->lock);
	for (n = 0; ts->n && ts->heap[0].when <= now; n++) {
		if (n == FIRE_MAX) {
			ret = -EAGAIN;
			break;
		}
		if (is_sleeper(ts->heap[0])) {
			g = port_g((u32)(ts->heap[0].sleeper >> 1));
			heap_pop(p);
			kgo_gq_push(&f->ready, g);
			continue;
		}
		a = ts->heap[0].alarm;
		if (!a->fire && f->fresh.n)
			break;
		if (!a->fire && !f->spare) {
			ret = -ENOENT;
			break;
		}
		advance(p, a, now);
		if (!a->fire) {
			fire_func(a, f);
			continue;
		}
		g = a->fire(a);
		if (g)
			kgo_gq_push(&f->ready, g);
	}
	port_unlock(&ts->lock);
	return ret;
}

/* There is no memory for a goroutine. */
static void put_off(struct kgo_p *p, u64 now)
{
	struct kgo_timers *ts = &p->timers;
	struct kgo_alarm *a;

	kgo_lock_in(&ts->lock);
	if (ts->n && ts->heap[0].when <= now && !is_sleeper(ts->heap[0]) &&
	    !ts->heap[0].alarm->fire) {
		a = ts->heap[0].alarm;
		a->when = now + AGAIN_NS;
		heap_down(ts, 0, (struct kgo_due){ .when = a->when, .alarm = a });
		heap_publish(p);
	}
	port_unlock(&ts->lock);
}

static u32 let_go(struct kgo_m *m, struct kgo_p *p, struct fired *f)
{
	u32 n = f->ready.n + f->fresh.n;
	struct kgo_g *g;

	/* In the order in which they were due. */
	g = kgo_gq_pop(&f->ready);
	if (g)
		kgo_g_ready(g);
	while ((g = kgo_gq_pop(&f->ready)))
		kgo_g_ready_behind(g);
	while ((g = kgo_gq_pop(&f->fresh))) {
		if (kgo_p_is_bubble(p))
			kgo_bubble_join(kgo_bubble_of_p(p), g);
		kgo_start(m, g);
	}
	return n;
}

static int make_spare(struct kgo_m *m, struct kgo_p *p, struct kgo_g **g)
{
	int ret = kgo_g_new(m, g, NULL, NULL, 0, NULL);

	if (!ret && kgo_p_is_bubble(p) && !kgo_gx(*g)) {
		kgo_g_cancel(m, *g);
		*g = NULL;
		ret = -ENOMEM;
	}
	return ret;
}

static u32 fire_all(struct kgo_p *p, u64 now)
{
	struct fired f = { 0 };
	struct kgo_m *m = port_self();
	u32 n = 0;
	int ret;

	do {
		ret = fire_some(p, now, &f);
		n += let_go(m, p, &f);
		if (ret == -ENOENT && make_spare(m, p, &f.spare))
			put_off(p, now);
	} while (ret);
	/* Somebody else was faster. */
	if (unlikely(f.spare))
		kgo_g_cancel(m, f.spare);
	return n;
}

/**
 * kgo_timers_run() - Fire what is due
 * @p: any P
 * @now: port_now()
 *
 * CONTEXT: an M with in_sched set and a P; may sleep; no lock held.
 * Return: how many goroutines were made ready, on the caller's P.
 */
u32 kgo_timers_run(struct kgo_p *p, u64 now)
{
	u64 when = port_load(&p->d.timer_when);

	return !when || when > now ? 0 : fire_all(p, now);
}

/**
 * kgo_timers_fire() - kgo_timers_run() of a bubble
 * @p: the bubble's
 * @now: what its clock says
 *
 * CONTEXT: the bubble's root, with in_sched set.
 */
void kgo_timers_fire(struct kgo_p *p, u64 now)
{
	fire_all(p, now);
}

/* When a bubble's first timer is due; 0 if there is none.  As above. */
u64 kgo_timers_due(struct kgo_p *p)
{
	struct kgo_timers *ts = &p->timers;
	u64 when;

	kgo_lock_in(&ts->lock);
	when = ts->n ? ts->heap[0].when : 0;
	port_unlock(&ts->lock);
	return when;
}

/* A bubble ends: what did not fire never will.  Outside of enter_sched. */
void kgo_timers_drop(struct kgo_p *p)
{
	struct kgo_timers *ts = &p->timers;
	struct kgo_due last;

	kgo_enter_sched();
	kgo_lock_in(&ts->lock);
	while (ts->n) {
		last = ts->heap[ts->n - 1];
		if (is_sleeper(last))
			ts->n--;
		else
			heap_remove(p, last.alarm);
	}
	port_unlock(&ts->lock);
	kgo_leave_sched();
	port_free(ts->mem);
	ts->heap = NULL;
	ts->mem = NULL;
	ts->cap = 0;
}

/**
 * kgo_timers_move() - Timers go to another P
 * @from: a P where none is started meanwhile
 * @to: one with a lower index
 *
 * Some at a time, so that the locks are not held for long.
 * CONTEXT: may sleep, no lock held.
 * Return: 0, or -ENOMEM with some of them left.
 */
int kgo_timers_move(struct kgo_p *from, struct kgo_p *to)
{
	struct kgo_timers *ts = &from->timers;
	struct kgo_due d;
	u32 i;

	while (port_load(&from->d.nr_timers)) {
		if (heap_reserve(&to->timers))
			return -ENOMEM;
		kgo_lock_in_nested(&ts->lock);
		for (i = 0; i < FIRE_MAX && ts->n &&
		     to->timers.n < to->timers.cap; i++) {
			/* The last of a heap can go without any other moving. */
			d = ts->heap[--ts->n];
			if (!is_sleeper(d))
				port_store(&d.alarm->p, to->index);
			heap_up(&to->timers, to->timers.n++, d);
		}
		heap_publish(from);
		heap_publish(to);
		port_unlock(&ts->lock);
		port_unlock(&to->timers.lock);
	}
	return 0;
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

/**
 * kgo_sleep_start() - Have a goroutine made ready after some time
 * @m: from kgo_enter_sched(); its goroutine is to park
 * @ns: nanoseconds, positive
 * @lock: out: held, to be dropped once the goroutine waits
 *
 * CONTEXT: a goroutine with in_sched set; may sleep; no lock held.
 * Return: 0 or -ENOMEM, with no lock held.
 */
int kgo_sleep_start(struct kgo_m *m, long long ns, kgo_lock_t **lock)
{
	struct kgo_p *p = kgo_timers_p(m);
	struct kgo_timers *ts = &p->timers;
	struct kgo_due d;
	int ret;

	ret = heap_reserve(ts);
	if (ret)
		return ret;
	d.when = deadline(p, ns);
	d.sleeper = (u64)m->curg->index << 1 | 1;
	heap_up(ts, ts->n++, d);
	heap_publish(p);
	/* The heap stays locked until it is off its stack: no early fire. */
	*lock = &ts->lock;
	return 0;
}

int kgo_sleep(long long ns)
{
	kgo_lock_t *lock;
	struct kgo_m *m;
	int ret;

	port_might_park(__func__);
	if (ns <= 0)
		return 0;
	m = kgo_enter_sched();
	if (unlikely(!m))
		return -EPERM;
	if (unlikely(kgo_is_stackless(m->curg))) {
		kgo_leave_sched();
		return kgo_cont_refuse(KGO_WAIT_SLEEP);
	}
	ret = kgo_sleep_start(m, ns, &lock);
	if (!ret)
		kgo_g_park(m, KGO_WAIT_SLEEP, lock);
	kgo_leave_sched();
	return ret;
}
