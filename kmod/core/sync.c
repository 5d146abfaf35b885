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
#include "task.h"

#define MU_LOCKED	1U
#define MU_WOKEN	2U		/* somebody is up already: wake no other */
#define MU_STARVING	4U
#define MU_WAITER	8U		/* one waiter, counted above */

#define STARVE_NS	1000000ULL
#define SPINS		4U

bool kgo_mutex_try_lock(struct kgo_mutex *mu)
{
	u32 old = port_load(&mu->state);

	if (old & (MU_LOCKED | MU_STARVING))
		return false;
	return port_cas(&mu->state, old, old | MU_LOCKED);
}

/* Is it of use to wait for the owner actively, another moment? */
static bool can_spin(u32 spins)
{
	struct kgo_m *m = port_self();
	struct kgo_p *p = m ? kgo_m_p(m) : NULL;

	return spins < SPINS && kgo_rt.nr_ps > 1 && p &&
	       port_load(&kgo_rt.r->nr_avail) + 1 < kgo_rt.nr_ps &&
	       kgo_runq_empty(p);
}

static void spin(void)
{
	u32 i;

	for (i = 0; i < 30; i++)
		port_relax();
}

static void mutex_lock_slow(struct kgo_mutex *mu)
{
	u64 since = 0;
	bool starving = false, woken = false, again;
	u32 spins = 0, old, new;

	for (;;) {
		old = port_load(&mu->state);
		if ((old & (MU_LOCKED | MU_STARVING)) == MU_LOCKED &&
		    can_spin(spins)) {
			if (!woken && !(old & MU_WOKEN) && old >= MU_WAITER &&
			    port_cas(&mu->state, old, old | MU_WOKEN))
				woken = true;
			spin();
			spins++;
			continue;
		}
		new = old;
		if (!(old & MU_STARVING))
			new |= MU_LOCKED;
		if (old & (MU_LOCKED | MU_STARVING))
			new += MU_WAITER;
		if (starving && (old & MU_LOCKED))
			new |= MU_STARVING;
		if (woken)
			new &= ~MU_WOKEN;
		if (!port_cas(&mu->state, old, new))
			continue;
		if (!(old & (MU_LOCKED | MU_STARVING)))
			return;

		/* Who has waited before waits in front. */
		again = since != 0;
		if (!again)
			since = port_now();
		kgo_sema_acquire(&mu->sema, KGO_WAIT_MUTEX, again);
		starving = starving || port_now() - since > STARVE_NS;
		if (port_load(&mu->state) & MU_STARVING) {
			/*
			 * It was handed over: not locked yet, and we are still
			 * counted as waiting.
			 */
			do {
				old = port_load(&mu->state);
				new = (old | MU_LOCKED) - MU_WAITER;
				if (!starving || old < 2 * MU_WAITER)
					new &= ~MU_STARVING;
			} while (!port_cas(&mu->state, old, new));
			return;
		}
		woken = true;
		spins = 0;
	}
}

void kgo_mutex_lock(struct kgo_mutex *mu)
{
	port_might_park(__func__);
	if (likely(port_cas(&mu->state, 0, MU_LOCKED)))
		return;
	mutex_lock_slow(mu);
}

/**
 * kgo_mutex_lock_anyone() - kgo_mutex_lock() for whoever may sleep
 * @mu: the mutex
 *
 * A thread that is no goroutine looks again and again.
 * CONTEXT: outside of enter_sched; parks or sleeps.
 */
void kgo_mutex_lock_anyone(struct kgo_mutex *mu)
{
	if (kgo_self_g()) {
		kgo_mutex_lock(mu);
		return;
	}
	while (!kgo_mutex_try_lock(mu))
		port_pause();
}

void kgo_mutex_unlock(struct kgo_mutex *mu)
{
	u32 old, new = port_add(&mu->state, -MU_LOCKED);

	if (likely(!new))
		return;
	if (unlikely(!((new + MU_LOCKED) & MU_LOCKED))) {
		port_throw("sync: unlock of unlocked mutex");
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
		if (port_cas(&mu->state, old, new)) {
			kgo_sema_release(&mu->sema, false);
			return;
		}
	}
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

int kgo_wg_go_at(const struct kgo_site *site, struct kgo_wg *wg,
		 void (*fn)(void *), void *arg)
{
	const struct kgo_task task = { .end = wg_end, .owner = wg };
	int ret;

	kgo_wg_add(wg, 1);
	ret = kgo_go_task(site, fn, arg, &task);
	if (ret)
		kgo_wg_add(wg, -1);
	return ret;
}

void kgo_wg_done(struct kgo_wg *wg)
{
	kgo_wg_add(wg, -1);
}

static void wait_for_zero(struct kgo_wg *wg)
{
	struct kgo_bubble *b = kgo_bubble_self();

	if (unlikely(b))
		kgo_bubble_inside(port_self()->curg,
				  port_load(&wg->reserved) == b->id);
	kgo_sema_acquire(&wg->sema, KGO_WAIT_WAITGROUP, false);
}

void kgo_wg_wait(struct kgo_wg *wg)
{
	u64 state;

	port_might_park(__func__);
	for (;;) {
		state = port_load_acquire(&wg->state);
		if (!wg_count(state))
			return;
		if (port_cas(&wg->state, state, state + 1)) {
			wait_for_zero(wg);
			if (unlikely(port_load(&wg->state)))
				kgo_panic_rt(WG_REUSED);
			return;
		}
	}
}
