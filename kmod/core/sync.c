// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Mutex and WaitGroup, over the semaphores of sema.c.
 *
 * Mutex, the algorithm of Go's sync.Mutex.  Normally a waiter that is woken
 * competes with goroutines that come running, and mostly loses: that is fast,
 * because they are on a CPU already.  One that has waited for longer than 1 ms
 * switches the mutex to starving: then it is handed from the unlocker straight
 * to the first waiter, and newcomers queue behind.  The last waiter, or one
 * that waited for less than 1 ms, switches back.
 */
#include "bubble.h"
#include "cont.h"
#include "task.h"

#define MU_LOCKED	1U
#define MU_WOKEN	2U		/* somebody is up already: wake no other */
#define MU_STARVING	4U
#define MU_WAITER	8U		/* one waiter, counted above */

#define STARVE_NS	1000000ULL
#define SPINS		4U

/*
 * All changes of the word.  Where one P can be alone (kgo_is_alone()) they are
 * made inside of the runtime, with a P; a stackless goroutine that waits, and
 * nobody else, is there already.
 */
struct inside {
	struct kgo_m	*m;
	bool		before;
};

static inline struct inside enter(void)
{
	struct inside in = { .m = port_self() };

	in.before = in.m && port_load(&in.m->d.in_sched);
	if (!in.before)
		in.m = kgo_enter_any();
	return in;
}

static inline void leave(struct inside in)
{
	if (!in.before)
		kgo_leave_any(in.m);
}

static inline bool mu_cas(struct kgo_mutex *mu, u32 old, u32 new)
{
	struct inside in;
	bool ret;

	if (kgo_is_shared())
		return port_cas(&mu->state, old, new);
	in = enter();
	ret = kgo_cas_in(&mu->state, old, new);
	leave(in);
	return ret;
}

static inline u32 mu_unlock(struct kgo_mutex *mu)
{
	struct inside in;
	u32 new;

	if (kgo_is_shared())
		return port_add(&mu->state, -MU_LOCKED);
	in = enter();
	new = kgo_add_in(&mu->state, -MU_LOCKED);
	leave(in);
	return new;
}

bool kgo_mutex_try_lock(struct kgo_mutex *mu)
{
	u32 old = port_load(&mu->state);

	if (old & (MU_LOCKED | MU_STARVING))
		return false;
	return mu_cas(mu, old, old | MU_LOCKED);
}

/* Is it of use to wait for the owner actively, another moment? */
static bool can_spin(u32 spins)
{
	struct kgo_m *m = port_self();
	struct kgo_p *p = m ? kgo_m_p(m) : NULL;

	return spins < SPINS && kgo_rt.nr_ps > 1 && p &&
	       port_load(&kgo_rt.r->nr_avail) + 1 < port_load(&kgo_rt.nr_on) &&
	       kgo_runq_empty(p);
}

static void spin(void)
{
	u32 i;

	for (i = 0; i < 30; i++)
		port_relax();
}

/*
 * Compete for it.  False: it is counted as a waiter, and waits at mu->sema, in
 * front if t->again.
 */
static bool mutex_compete(struct kgo_mutex *mu, struct kgo_mutex_try *t)
{
	u32 spins = 0, old, new;

	for (;;) {
		old = port_load(&mu->state);
		if ((old & (MU_LOCKED | MU_STARVING)) == MU_LOCKED &&
		    can_spin(spins)) {
			if (!t->woken && !(old & MU_WOKEN) && old >= MU_WAITER &&
			    mu_cas(mu, old, old | MU_WOKEN))
				t->woken = true;
			spin();
			spins++;
			continue;
		}
		new = old;
		if (!(old & MU_STARVING))
			new |= MU_LOCKED;
		if (old & (MU_LOCKED | MU_STARVING))
			new += MU_WAITER;
		if (t->starving && (old & MU_LOCKED))
			new |= MU_STARVING;
		if (t->woken)
			new &= ~MU_WOKEN;
		if (mu_cas(mu, old, new))
			break;
	}
	if (!(old & (MU_LOCKED | MU_STARVING)))
		return true;
	/* Who has waited before waits in front. */
	t->again = t->since != 0;
	if (!t->again)
		t->since = port_now();
	return false;
}

/* Back from the wait: is it ours?  Else it has to compete again. */
static bool mutex_woken(struct kgo_mutex *mu, struct kgo_mutex_try *t)
{
	u32 old, new;

	t->starving = t->starving || port_now() - t->since > STARVE_NS;
	t->woken = true;
	if (!(port_load(&mu->state) & MU_STARVING))
		return false;
	/* It was handed over: not locked yet, and we are still counted as waiting. */
	do {
		old = port_load(&mu->state);
		new = (old | MU_LOCKED) - MU_WAITER;
		if (!t->starving || old < 2 * MU_WAITER)
			new &= ~MU_STARVING;
	} while (!mu_cas(mu, old, new));
	return true;
}

/* Not inlined: a lock that finds the mutex free needs no frame then. */
static noinline void mutex_lock_slow(struct kgo_mutex *mu)
{
	struct kgo_g *g = kgo_self_g();
	struct kgo_mutex_try t = { 0 };

	/* Before it is counted as waiting. */
	if (unlikely(g && kgo_is_stackless(g))) {
		if (!kgo_mutex_try_lock(mu))
			kgo_cont_refuse(KGO_WAIT_MUTEX);
		return;
	}
	while (!mutex_compete(mu, &t)) {
		kgo_sema_acquire(&mu->sema, KGO_WAIT_MUTEX, t.again);
		if (mutex_woken(mu, &t))
			return;
	}
}

void kgo_mutex_lock(struct kgo_mutex *mu)
{
	u32 old;

	port_might_park(__func__);
	old = port_load(&mu->state);
	if (likely(!(old & (MU_LOCKED | MU_STARVING)) &&
		   mu_cas(mu, old, old | MU_LOCKED)))
		return;
	mutex_lock_slow(mu);
}

/**
 * kgo_mutex_lock_own() - Lock a mutex of the runtime itself
 * @mu: held for moments only, by nobody who waits for anything meanwhile
 *
 * A stackless goroutine waits with its thread, since its caller is not to know
 * that there is a lock; so does a thread that is no goroutine.  It sleeps, so
 * that its P goes to others, and whoever has the lock needs no thread but its
 * own to go on: in the kernel it has one, and takes the next P that is free; in
 * a program it is stopped only by the signal, on its thread, and likewise.
 * CONTEXT: outside of enter_sched; parks or sleeps: the caller says so by
 * port_might_wait().
 */
void kgo_mutex_lock_own(struct kgo_mutex *mu)
{
	struct kgo_g *g = kgo_self_g();

	if (likely(mu_cas(mu, 0, MU_LOCKED)))
		return;
	if (likely(g && !kgo_is_stackless(g))) {
		mutex_lock_slow(mu);
		return;
	}
	while (!kgo_mutex_try_lock(mu))
		port_pause();
}

/* Unlocked: the word is @new.  Is there anybody to wake? */
static noinline void mutex_unlocked(struct kgo_mutex *mu, u32 new)
{
	u32 old;

	if (unlikely(!((new + MU_LOCKED) & MU_LOCKED))) {
		port_fatal("sync: unlock of unlocked mutex");
		return;
	}
	if (new & MU_STARVING) {
		kgo_sema_release(&mu->sema, true);
		return;
	}
	for (old = new;; old = port_load(&mu->state)) {
		/* Nobody waits, or somebody has it or is up already. */
		if (old < MU_WAITER ||
		    (old & (MU_LOCKED | MU_WOKEN | MU_STARVING)))
			return;
		new = (old - MU_WAITER) | MU_WOKEN;
		if (mu_cas(mu, old, new)) {
			kgo_sema_release(&mu->sema, false);
			return;
		}
	}
}

void kgo_mutex_unlock(struct kgo_mutex *mu)
{
	u32 new = mu_unlock(mu);

	if (unlikely(new))
		mutex_unlocked(mu, new);
}

/*
 * WaitGroup: counter and waiters change together, in one word.
 */
#define WG_ONE		0x100000000ULL
#define WG_REUSED							\
	"sync: WaitGroup is reused before previous Wait has returned"

static s32 wg_count(u64 state)
{
	return (s32)(state >> 32);
}

void kgo_wg_add(struct kgo_wg *wg, int delta)
{
	u64 state = port_add(&wg->state, (u64)(s64)delta * WG_ONE);
	u32 waiters = (u32)state;

	/* Whose wait for it is durable, see synctest.c. */
	if (delta > 0 && wg_count(state) == delta)
		port_store(&wg->reserved, kgo_bubble_id());
	if (unlikely(wg_count(state) < 0)) {
		kgo_panic_any("sync: negative WaitGroup counter");
		return;
	}
	if (unlikely(waiters && delta > 0 && wg_count(state) == delta)) {
		kgo_panic_any("sync: WaitGroup misuse: Add called concurrently with Wait");
		return;
	}
	if (wg_count(state) > 0 || !waiters)
		return;
	/* Waiters are there and the counter is zero: no more may come. */
	if (!port_cas(&wg->state, state, 0)) {
		kgo_panic_any("sync: WaitGroup misuse: Add called concurrently with Wait");
		return;
	}
	while (waiters--)
		kgo_sema_release(&wg->sema, false);
}

static void wg_end(struct kgo_task *task)
{
	kgo_wg_add(task->owner, -1);
}

int kgo_wg_go_attr_at(const struct kgo_site *site, struct kgo_wg *wg,
		      void (*fn)(void *), void *arg, const struct kgo_attr *attr)
{
	const struct kgo_task task = { .end = wg_end, .owner = wg };
	struct kgo_birth birth = { .task = &task };
	int ret = kgo_birth_attr(&birth, attr);

	if (ret)
		return ret;
	kgo_wg_add(wg, 1);
	ret = kgo_go_birth(site, fn, arg, &birth);
	if (ret)
		kgo_wg_add(wg, -1);
	return ret;
}

int kgo_wg_go_at(const struct kgo_site *site, struct kgo_wg *wg,
		 void (*fn)(void *), void *arg)
{
	return kgo_wg_go_attr_at(site, wg, fn, arg, NULL);
}

void kgo_wg_done(struct kgo_wg *wg)
{
	kgo_wg_add(wg, -1);
}

/* Count as a waiter.  False: there is nothing to wait for. */
static bool wg_start(struct kgo_wg *wg)
{
	struct kgo_bubble *b;
	u64 state;

	do {
		state = port_load_acquire(&wg->state);
		if (!wg_count(state))
			return false;
	} while (!port_cas(&wg->state, state, state + 1));
	b = kgo_bubble_self();
	if (unlikely(b))
		kgo_bubble_inside(port_self()->curg,
				  port_load(&wg->reserved) == b->id);
	return true;
}

void kgo_wg_wait(struct kgo_wg *wg)
{
	struct kgo_g *g = kgo_self_g();

	port_might_park(__func__);
	/* Before it is counted as waiting. */
	if (unlikely(g && kgo_is_stackless(g))) {
		if (wg_count(port_load_acquire(&wg->state)))
			kgo_cont_refuse(KGO_WAIT_WAITGROUP);
		return;
	}
	if (!wg_start(wg))
		return;
	kgo_sema_acquire(&wg->sema, KGO_WAIT_WAITGROUP, false);
	if (unlikely(port_load(&wg->state)))
		kgo_panic_rt(WG_REUSED);
}

/*
 * The same for goroutines without a stack, in steps: a false comes with the
 * lock to drop once the goroutine waits.
 */

/**
 * kgo_mutex_start() - Lock, or queue up for it
 * @m: from kgo_enter_sched()
 * @w: of its goroutine; object is the mutex, t is all-zero
 * @lock: out, if the goroutine has to wait: held
 *
 * CONTEXT: cont.c, with in_sched set, no lock held.  Return: true: it is locked.
 */
bool kgo_mutex_start(struct kgo_m *m, struct kgo_cont_sema *w, kgo_lock_t **lock)
{
	struct kgo_mutex *mu = w->object;

	do {
		if (mutex_compete(mu, &w->t))
			return true;
		if (!kgo_sema_start(m, &mu->sema, &w->w, w->t.again, lock))
			return false;
	} while (!mutex_woken(mu, &w->t));
	return true;
}

/**
 * kgo_mutex_resume() - kgo_mutex_start() of one that was woken
 * @m: as there
 * @w: as there
 * @lock: as there
 *
 * CONTEXT and Return: as there.
 */
bool kgo_mutex_resume(struct kgo_m *m, struct kgo_cont_sema *w, kgo_lock_t **lock)
{
	struct kgo_mutex *mu = w->object;

	if (!kgo_sema_woken(&mu->sema, &w->w) &&
	    !kgo_sema_start(m, &mu->sema, &w->w, w->t.again, lock))
		return false;
	return mutex_woken(mu, &w->t) || kgo_mutex_start(m, w, lock);
}

/** kgo_wg_start() - Likewise: wait for a WaitGroup.  Return: true: it is zero. */
bool kgo_wg_start(struct kgo_m *m, struct kgo_cont_sema *w, kgo_lock_t **lock)
{
	struct kgo_wg *wg = w->object;

	return !wg_start(wg) ||
	       kgo_sema_start(m, &wg->sema, &w->w, false, lock);
}

/** kgo_wg_resume() - Likewise, woken.  *@panic: what the wait panics with, or NULL */
bool kgo_wg_resume(struct kgo_m *m, struct kgo_cont_sema *w, kgo_lock_t **lock,
		   const char **panic)
{
	struct kgo_wg *wg = w->object;

	if (!kgo_sema_woken(&wg->sema, &w->w) &&
	    !kgo_sema_start(m, &wg->sema, &w->w, false, lock))
		return false;
	*panic = unlikely(port_load(&wg->state)) ? WG_REUSED : NULL;
	return true;
}
