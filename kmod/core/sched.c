// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The scheduler: what an M does while it is not in a goroutine.
 *
 * An M that owns a P runs goroutines from the P's queue, then from the global
 * queue, then stolen ones.  One that finds nothing gives the P to the arbiter
 * and parks as spare; when, for how long, and who wakes it: spare.c.
 *
 * Rejected, as in Go: a central queue (does not scale); a hand-off of the P at
 * every readied goroutine (thread switches for nothing).
 *
 * Goroutines that are bound to an M (LockOSThread, and all in the kernel) are
 * queued like others.  The M that dequeues one gives its P to that M and parks.
 * So does one that parks with a goroutine of its own: one thread switch, where
 * by way of a spare M it would be two.
 */
#include "bubble.h"

#define FAIR_TICK	61U	/* look at the global queue first, this often */
#define RETRY_NS	1000000ULL	/* no thread could be started */

static struct kgo_g *steal(struct kgo_m *m, struct kgo_p *p)
{
	struct kgo_rdesc *r = kgo_rt.r;
	struct kgo_g *g;
	u32 round, i, at, step;

	if (kgo_rt.nr_ps == 1)
		return NULL;
	if (!m->spinning) {
		/* Half as many thieves as busy Ps are enough. */
		if (2 * port_load(&r->nr_spinning) + port_load(&r->nr_avail) >=
		    port_load(&kgo_rt.nr_on))
			return NULL;
		m->spinning = true;
		port_add(&r->nr_spinning, 1);
	}
	for (round = 0; round < 4; round++) {
		at = kgo_rand(m) % kgo_rt.nr_ps;
		step = kgo_rt.steal_step[kgo_rand(m) % kgo_rt.nr_steal_steps];
		for (i = 0; i < kgo_rt.nr_ps; i++) {
			struct kgo_p *from = kgo_p_at(at);

			at = (at + step) % kgo_rt.nr_ps;
			if (from == p)
				continue;
			if (round == 3 && port_load(&from->d.timer_when) &&
			    kgo_timers_run(from, port_now())) {
				g = kgo_runq_get(p);
				if (g)
					return g;
			}
			g = kgo_runq_steal(p, from, round == 3);
			if (g)
				return g;
		}
	}
	return NULL;
}

static struct kgo_g *find_here(struct kgo_m *m, struct kgo_p *p)
{
	bool tick = p->d.schedtick % FAIR_TICK == 0;
	struct kgo_g *g;

	if (unlikely(port_load(&p->d.timer_when)))
		kgo_timers_run(p, port_now());

	if (port_completions(kgo_rt.r))
		port_complete();

	if (unlikely(tick || p->sliced_until) && kgo_turn_is_over(p, tick)) {
		g = kgo_globq_get(p, true);
		if (g)
			goto slice;
	}
	g = kgo_runq_get(p);
	if (g)
		return g;
	g = kgo_globq_get(p, false);
	if (!g)
		g = steal(m, p);
	if (!g)
		return NULL;
slice:
	port_store(&p->d.slicetick, p->d.slicetick + 1);
	return g;
}

/*
 * The next goroutine to run on this M, which owns a P then.  Parks until there
 * is one.  NULL: this M should end.
 */
static struct kgo_g *find_runnable(struct kgo_m *m)
{
	struct kgo_p *p;
	struct kgo_g *g;

	for (;;) {
		p = kgo_m_p(m);
		if (!p && port_enter(m, KGO_ENTER_ACQUIRE, 0, 0, 0) >= 0) {
			p = kgo_m_p(m);
			m->fresh = true;
		}
		if (!p) {
			if (!kgo_spare_park(m, NULL))
				return NULL;
			continue;
		}

		if (unlikely(m->next)) {
			g = m->next;
			m->next = NULL;
			goto found;
		}

		/* Time was up while nobody could heed it; or that of the P is. */
		if (unlikely(port_load(&m->d.p) & KGO_P_PREEMPT)) {
			if (p->index >= port_load(&kgo_rt.nr_on)) {
				if (!kgo_spare_park(m, NULL))
					return NULL;
				continue;
			}
			kgo_slice_ends(m, p);
		}

		/* Those who want a P and are no goroutines to dequeue. */
		if (unlikely(port_load(&kgo_rt.r->nr_want)) &&
		    p->d.schedtick % FAIR_TICK == 0) {
			port_store(&p->d.schedtick, p->d.schedtick + 1);
			if (!kgo_spare_park(m, NULL))
				return NULL;
			continue;
		}

		g = find_here(m, p);
		if (!g) {
			if (!kgo_spare_park(m, NULL))
				return NULL;
			continue;
		}

		if (m->spinning || unlikely(m->fresh))
			kgo_spare_found(m);
found:
		if (g->bound && g->bound != m) {
			if (!kgo_spare_park(m, g))
				return NULL;
			continue;
		}
		return g;
	}
}

/* Is a timer of a P that runs a goroutine to be watched by somebody else? */
static bool timers_unwatched(u64 when)
{
	u64 keeper;

	if (!port_load(&kgo_rt.r->nr_avail))
		return false;
	keeper = port_load(&kgo_rt.r->keeper_when);
	return !keeper || keeper > when;
}

/**
 * kgo_watch_timers() - See that a P's timers are watched while it is busy
 * @m: the calling M with in_sched set
 * @p: the P whose first timer may have changed
 *
 * Only if another P is free: else there is nobody who could.
 * CONTEXT: no lock held; does not sleep.
 */
void kgo_watch_timers(struct kgo_m *m, struct kgo_p *p)
{
	u64 when = port_load(&p->d.timer_when);

	if (unlikely(when) && timers_unwatched(when))
		kgo_wakep(m);
}

/* @g is dequeued and goes on @p now. */
static void set_running(struct kgo_m *m, struct kgo_p *p, struct kgo_g *g)
{
	m->curg = g;
	port_store(&m->d.curg, g->index);
	port_store(&g->d.m, m->index);
	port_store(&g->d.p, p->index);
	port_store(&p->d.schedtick, p->d.schedtick + 1);
	kgo_g_set_state(g, KGO_G_RUNNABLE, KGO_G_RUNNING);
}

/*
 * The goroutine is dead, and nobody is on its stack, if it has one.  @p is the
 * P of @m, or NULL.
 */
static inline void ended(struct kgo_m *m, struct kgo_g *g, struct kgo_p *p)
{
	port_store(&g->bound, NULL);
	if (unlikely(m->locks)) {
		m->locks = 0;
		m->lock_binds = false;
		m->retires = true;
	}
	kgo_g_set_state(g, KGO_G_RUNNING, KGO_G_DEAD);
	if (unlikely(g->d.flags & (KGO_GF_SYSTEM | KGO_GF_HELD))) {
		if (g->d.flags & KGO_GF_SYSTEM)
			port_add(&kgo_rt.nr_system, -1U);
		if (g->d.flags & KGO_GF_HELD)
			kgo_g_unhold(g);
	}
	if (unlikely(kgo_is_stackless(g)))
		kgo_cont_end(m, g);
	/* Pairs with kgo_num_goroutine_all(): it was started before. */
	if (likely(p))
		port_store_release(&p->d.exited, p->d.exited + 1);
	else
		port_add(&kgo_rt.ext_exited, 1);
	kgo_g_free(m, g);
	/* Pairs with the barrier on all CPUs in quiesce.c. */
	port_barrier();
	if (unlikely(port_load(&kgo_rt.nr_quiesce)))
		kgo_quiesce_wake();
}

/*
 * Do what the goroutine that ran here last wanted, now that nobody is on its
 * stack.  The thread is the same; in_sched is set; the P may be another one
 * than it had, or none.
 */
static void settle(struct kgo_m *m)
{
	struct kgo_g *g = m->prev;
	struct kgo_bubble *b;
	struct kgo_p *p;
	kgo_lock_t *lock;
	u8 post = m->post;

	m->post = KGO_POST_NONE;
	switch (post) {
	case KGO_POST_NONE:
		break;
	case KGO_POST_PARK:
		lock = m->post_lock;
		b = unlikely(g->x) ? kgo_bubble_park(g) : NULL;
		kgo_g_set_state(g, KGO_G_RUNNING, KGO_G_WAITING);
		/* From here on somebody else may run it. */
		if (lock)
			port_unlock(lock);
		if (unlikely(b))
			kgo_bubble_parked(b);
		break;
	case KGO_POST_YIELD:
		kgo_g_set_state(g, KGO_G_RUNNING, KGO_G_RUNNABLE);
		p = kgo_m_p(m);
		if (!p) {
			kgo_globq_put(g);
			break;
		}
		kgo_runq_put(p, g, false);
		if (kgo_rt.nr_ps == 1)
			break;
		/*
		 * Pairs with arb_park(): whoever runs here now may compute for
		 * long, and somebody may have gone to sleep just before.
		 */
		port_mb();
		kgo_wakep(m);
		break;
	case KGO_POST_PREEMPT:
		kgo_g_set_state(g, KGO_G_RUNNING, KGO_G_RUNNABLE);
		kgo_globq_put(g);
		if (kgo_m_p(m))
			kgo_wakep(m);
		break;
	case KGO_POST_EXIT:
		ended(m, g, kgo_m_p(m));
		break;
	}
}

/* The next goroutine of the P of @m, if there is nothing else to see to. */
static inline struct kgo_g *next_here(struct kgo_m *m, struct kgo_p **pp)
{
	u32 index = port_load(&m->d.p);
	struct kgo_p *p;
	u64 when;

	if (unlikely(index & KGO_P_ODD))
		return NULL;
	*pp = kgo_p_at(index);
	p = *pp;
	if (unlikely(p->d.schedtick % FAIR_TICK == 0) ||
	    !port_load(&kgo_rt.r->nr_spare))
		return NULL;
	when = port_load(&p->d.timer_when);
	if (when && (timers_unwatched(when) || when <= port_now()))
		return NULL;
	return kgo_runq_get(p);
}

/**
 * kgo_next_bound() - Whom a bound goroutine that parks can give its P to
 * @m: the calling M with in_sched set
 *
 * The next goroutine, dequeued, if there is nothing else to see to and it has
 * a thread.  One that has none is left for a spare M.
 * CONTEXT: a goroutine bound to @m that is about to park, or runnable itself.
 * Return: NULL if the arbiter has to see to the P.
 */
struct kgo_g *kgo_next_bound(struct kgo_m *m)
{
	struct kgo_p *p;
	struct kgo_g *g = next_here(m, &p);

	if (g && !g->bound) {
		kgo_runq_put(p, g, true);
		return NULL;
	}
	return g;
}

/* The next goroutine, if it can be switched to from another's stack. */
static struct kgo_g *switch_to(struct kgo_m *m)
{
	struct kgo_p *p;
	struct kgo_g *g = next_here(m, &p);

	if (!g)
		return NULL;
	/* The lock that the caller may hold is dropped on the next one's stack. */
	if (g->bound || kgo_is_stackless(g) || unlikely(port_is_cold(g->d.sp))) {
		m->next = g;
		return NULL;
	}
	set_running(m, p, g);
	return g;
}

/**
 * kgo_leave() - Leave the calling goroutine's stack
 * @m: its M, with in_sched set
 * @post: enum kgo_post, what becomes of it
 *
 * Goes straight to the next goroutine if that is easy: half the price of the
 * way over the scheduler's stack.
 * CONTEXT: a goroutine.  Returns when it is run again, perhaps on another M,
 * with in_sched set; never after %KGO_POST_EXIT.
 */
void kgo_leave(struct kgo_m *m, u8 post)
{
	struct kgo_g *g = m->curg;
	struct kgo_g *next = g->bound || kgo_is_stackless(g) ? NULL : switch_to(m);

	m->prev = g;
	m->post = post;
	if (next)
		port_switch(m, g, next);
	else
		port_back(m, g);
	settle(port_self());
}

static inline void left(struct kgo_m *m)
{
	m->curg = NULL;
	port_store(&m->d.curg, KGO_NO_G);
	settle(m);
}

static void execute(struct kgo_m *m, struct kgo_g *g)
{
	struct kgo_p *p = kgo_m_p(m);

	kgo_watch_timers(m, p);
	set_running(m, p, g);
	port_run(m, g);
	/* Not necessarily g is the one that came back. */
	left(m);
}

/**
 * kgo_next_bare() - A stackless goroutine has returned: who runs in its place?
 * @m: the calling M, with in_sched set
 *
 * Nobody has left its stack, which is where others look for the next.
 * CONTEXT: kgo_cont_run(), between two of them.
 * Return: another stackless one, RUNNING; NULL: the scheduler is to go on, with
 * m->next if that is not NULL.
 */
struct kgo_g *kgo_next_bare(struct kgo_m *m)
{
	struct kgo_p *p;
	struct kgo_g *g;

	left(m);
	g = next_here(m, &p);
	if (likely(g && kgo_is_stackless(g))) {
		set_running(m, p, g);
		return g;
	}
	m->next = g;
	return NULL;
}

/*
 * The goroutine that has ended here had locked its thread, and may have left
 * it as nobody else can use it: the thread ends.  Another one must be there to
 * find what is queued on its P; until one can be started this one waits, with
 * nothing in its hands.
 */
static void retire(struct kgo_m *m)
{
	bool spare;

	do {
		spare = kgo_ensure_spare(m);
		if (kgo_m_p(m))
			port_enter(m, KGO_ENTER_RELEASE, 0, 0, 0);
	} while (!spare && port_enter(m, KGO_ENTER_PARK_BOUND, 0, 0,
				      port_now() + RETRY_NS) == -ETIME);
}

static void want_p(struct kgo_m *m)
{
	while (unlikely(!kgo_m_has_p(m)))
		port_enter(m, KGO_ENTER_PARK_WANT, 0, 0, 0);
}

static void run_all(struct kgo_m *m)
{
	struct kgo_g *g;

	while ((g = find_runnable(m))) {
		kgo_ensure_spare(m);
		/* That may have cost us the P. */
		want_p(m);
		execute(m, g);
		if (unlikely(m->retires)) {
			retire(m);
			break;
		}
	}
	port_barrier();
	port_store(&m->d.in_sched, 0);
}

/**
 * kgo_m_main() - Run goroutines
 * @m: the calling thread's M, fresh from kgo_m_init(), without a P
 *
 * CONTEXT: a thread's own stack.  Returns, without a P, when there have been
 * more spare Ms than needed for some seconds and this is one of them, when a
 * goroutine ended that had locked the thread, or when the port shuts down.
 */
void kgo_m_main(struct kgo_m *m)
{
	port_store(&m->d.in_sched, 1);
	port_barrier();
	if (port_load(&kgo_rt.nr_starting))
		port_store(&kgo_rt.nr_starting, 0);
	run_all(m);
}

/**
 * kgo_m_main_first() - kgo_m_main() that begins with a certain goroutine
 * @m: as for kgo_m_main()
 * @g: from kgo_g_new(); no other thread gets it before this one ran it
 *
 * CONTEXT: as kgo_m_main().
 */
void kgo_m_main_first(struct kgo_m *m, struct kgo_g *g)
{
	port_store(&m->d.in_sched, 1);
	port_barrier();
	want_p(m);
	kgo_g_set_state(g, port_load(&g->d.state), KGO_G_RUNNABLE);
	m->next = g;
	run_all(m);
}

/**
 * kgo_m_rest() - Run nothing any more, and do not end
 * @m: the calling thread's M, back from kgo_m_main() with m->retires
 *
 * For the one thread of a process that must not end before it.
 * CONTEXT: a thread's own stack.  Does not return.
 */
void kgo_m_rest(struct kgo_m *m)
{
	port_store(&m->d.in_sched, 1);
	port_barrier();
	for (;;)
		if (port_enter(m, KGO_ENTER_PARK_BOUND, 0, 0, 0) == -EDEADLK)
			kgo_all_asleep();
}

/**
 * kgo_m_run_one() - Run one goroutine from its start to its end
 * @m: the calling thread's M, fresh from kgo_m_init(), without a P
 * @g: from kgo_g_new(); it is bound to @m here
 *
 * CONTEXT: a thread's own stack.  Returns without a P when @g has ended.
 */
void kgo_m_run_one(struct kgo_m *m, struct kgo_g *g)
{
	port_store(&m->d.in_sched, 1);
	port_barrier();
	kgo_ensure_spare(m);
	want_p(m);
	port_store(&g->bound, m);
	port_store(&g->d.flags, g->d.flags | KGO_GF_BOUND);
	kgo_g_set_state(g, port_load(&g->d.state), KGO_G_RUNNABLE);
	execute(m, g);
	if (kgo_m_p(m))
		port_enter(m, KGO_ENTER_RELEASE, 0, 0, 0);
	port_barrier();
	port_store(&m->d.in_sched, 0);
}

/**
 * kgo_start() - Make a new goroutine runnable
 * @m: the calling M with in_sched set, or NULL
 * @g: from kgo_g_new()
 *
 * It runs next on the caller's P, as Go's new goroutines do.
 * CONTEXT: no lock held; does not sleep.
 */
void kgo_start(struct kgo_m *m, struct kgo_g *g)
{
	struct kgo_p *p = m ? kgo_m_p(m) : NULL;

	kgo_g_set_state(g, port_load(&g->d.state), KGO_G_RUNNABLE);
	if (p)
		kgo_runq_put(p, g, true);
	else
		kgo_globq_put(g);
	kgo_wakep(m);
}

/* All that is left of a goroutine's end can be done here, on its M's own stack. */
static inline struct kgo_g *chain_next(struct kgo_m *m, struct kgo_g *g)
{
	ended(m, g, kgo_m_p(m));
	return m->retires ? NULL : switch_to(m);
}

/**
 * kgo_chain() - kgo_leave() at the end of a goroutine on its M's own stack
 * @m: its M, with in_sched set and m->chains
 *
 * For one that ends anywhere.  The next one begins where this one began, if
 * that is easy: half the price of the way over the scheduler.
 * CONTEXT: a goroutine, no stackless one.  Does not return.
 */
void kgo_chain(struct kgo_m *m)
{
	struct kgo_g *g = m->curg, *next = chain_next(m, g);

	if (likely(next))
		port_switch(m, g, next);
	else
		port_back(m, g);
}

static inline void run_body(struct kgo_m *m, struct kgo_g *g)
{
	void *arg = g->arg;

	port_barrier();
	port_store(&m->d.in_sched, 0);
	g->frames = NULL;
	kgo_g_fn(g)(arg);
	if (unlikely(g->frames))
		kgo_base_leave(g);
}

/**
 * kgo_g_entry() - Body of every goroutine
 * @g: the goroutine, on its own stack if it has one
 *
 * Returns to port_run(), with in_sched set and nothing left to do for those that
 * have ended, if there are no stacks of their own: a stackless one has returned,
 * or no other one could follow here (m->chains).
 */
void kgo_g_entry(struct kgo_g *g)
{
	struct kgo_m *m = port_self();

	if (kgo_is_stackless(g)) {
		kgo_cont_run(m, g);
		return;
	}
	if (m->post != KGO_POST_NONE)
		settle(m);
	do {
		run_body(m, g);
		m = kgo_last_steps(g);
		if (!m->chains) {
			kgo_leave(m, KGO_POST_EXIT);
			return;	/* never: its port would throw */
		}
		g = chain_next(m, g);
	} while (g && port_follow(m, g));
}
