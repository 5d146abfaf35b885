// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Synctest: goroutines whose clock goes on when all of them wait for it.  What
 * Go's testing/synctest does (runtime/synctest.go).
 *
 * The bubble counts how many of its goroutines are running, which here means:
 * not durably blocked.
 *
 *		park, durable			kgo_g_ready
 *   running ------------------> blocked ------------------> running
 *    - 1, when its lock is dropped		+ 1, before it is RUNNABLE
 *
 * Between parking and being counted a goroutine may have been woken again, so
 * the count can be too high for a moment, but never too low: at zero nobody of
 * the bubble runs.  Whoever brings it to zero wakes the goroutine in wait(),
 * or else the root, the one that called run().  The root then lets the clock go
 * on to the next timer and fires it.
 *
 * Invariants:
 *   - While the root fires timers nobody else of the bubble runs.  So a timer
 *     that is not pending is of no heap (index 0), and outlives the bubble.
 *   - A bubble lives until its last goroutine has left it, or for ever if that
 *     never comes (run() panics then).
 *
 * Timers are in a struct kgo_p of the bubble's own, so that timer.c needs to
 * know only where they go and what time it is.
 *
 * Rejected: a goroutine that polls whether the others are blocked.  It cannot
 * tell whether one that is runnable was overlooked.
 */
#include "bubble.h"
#include "task.h"

/* 2000-01-01 00:00:00 UTC, as in Go. */
#define BEGIN_NS	946684800000000000ULL

#define ALL_BLOCKED	"deadlock: all goroutines in bubble are blocked"
#define MAIN_GONE							\
	"deadlock: main bubble goroutine has exited but blocked goroutines remain"

static u32 last_id;

/* Is this a wait that only the bubble itself can end? */
static bool is_durable(const struct kgo_gx *x, u16 reason)
{
	switch (reason) {
	case KGO_WAIT_CHAN_SEND_NIL:
	case KGO_WAIT_CHAN_RECEIVE_NIL:
	case KGO_WAIT_SELECT_EMPTY:
	case KGO_WAIT_SLEEP:
	case KGO_WAIT_COND:
	case KGO_WAIT_SEMAPHORE:
		return true;
	case KGO_WAIT_CHAN_SEND:
	case KGO_WAIT_CHAN_RECEIVE:
	case KGO_WAIT_SELECT:
	case KGO_WAIT_WAITGROUP:
		return x->inside;
	}
	return false;
}

/**
 * kgo_bubble_park() - A goroutine with an extension is about to be WAITING
 * @g: off its stack, its reason is set, its waker cannot have it yet
 *
 * CONTEXT: with in_sched set.
 * Return: for kgo_bubble_parked(), when no lock is held; or NULL.
 */
struct kgo_bubble *kgo_bubble_park(struct kgo_g *g)
{
	struct kgo_gx *x = g->x;

	if (!x->bubble || g == x->bubble->root)
		return NULL;
	x->durable = is_durable(x, g->d.reason);
	return x->durable ? x->bubble : NULL;
}

/* Who is to be woken now that one less is running; with the lock. */
static struct kgo_g *one_less(struct kgo_bubble *b)
{
	struct kgo_g *g = NULL;

	if (--b->running)
		return NULL;
	if (b->waiter) {
		g = b->waiter;
		b->waiter = NULL;
		b->running = 1;
	} else if (b->root_waits) {
		g = b->root;
		b->root_waits = false;
	}
	return g;
}

/**
 * kgo_bubble_parked() - It is WAITING, and perhaps on its way again
 * @b: from kgo_bubble_park()
 *
 * CONTEXT: with in_sched set, no lock held.
 */
void kgo_bubble_parked(struct kgo_bubble *b)
{
	struct kgo_g *g;

	port_lock(&b->lock);
	g = one_less(b);
	port_unlock(&b->lock);
	if (g)
		kgo_g_ready(g);
}

/**
 * kgo_bubble_ready() - A goroutine with an extension is about to be RUNNABLE
 * @g: WAITING; the caller is its one waker
 *
 * CONTEXT: as kgo_g_ready().
 */
void kgo_bubble_ready(struct kgo_g *g)
{
	struct kgo_gx *x = g->x;

	if (!x->durable)
		return;
	x->durable = false;
	port_lock(&x->bubble->lock);
	x->bubble->running++;
	port_unlock(&x->bubble->lock);
}

/**
 * kgo_bubble_join() - A new goroutine belongs to a bubble
 * @b: the bubble, of which somebody runs
 * @g: with an extension, not started yet
 *
 * CONTEXT: with in_sched set, no lock held.
 */
void kgo_bubble_join(struct kgo_bubble *b, struct kgo_g *g)
{
	g->x->bubble = b;
	port_lock(&b->lock);
	b->total++;
	b->running++;
	port_unlock(&b->lock);
}

/**
 * kgo_bubble_leave() - The calling goroutine ends
 * @g: it; of a bubble
 *
 * CONTEXT: outside of enter_sched.
 */
void kgo_bubble_leave(struct kgo_g *g)
{
	struct kgo_bubble *b = g->x->bubble;
	struct kgo_g *wake;

	g->x->bubble = NULL;
	kgo_enter_sched();
	port_lock(&b->lock);
	b->total--;
	wake = one_less(b);
	port_unlock(&b->lock);
	if (wake)
		kgo_g_ready(wake);
	kgo_leave_sched();
}

/* Of the index of a bubble's P; that of P 0 once the bubble has ended. */
struct kgo_p *kgo_bubble_p(u32 index)
{
	struct kgo_g *root = port_g(index & ~KGO_P_BUBBLE);
	struct kgo_bubble *b = port_load(&root->x->bubble);

	return b && b->root == root ? &b->p : kgo_p_at(0);
}

static struct kgo_bubble *make(struct kgo_g *root)
{
	struct kgo_bubble *b;

	if (!kgo_gx(root))
		return NULL;
	b = port_alloc(sizeof(*b));
	if (!b)
		return NULL;
	port_lock_init(&b->lock);
	port_lock_init(&b->p.timers.lock);
	b->p.index = KGO_P_BUBBLE | root->index;
	b->root = root;
	b->now = BEGIN_NS;
	do {
		b->id = port_add(&last_id, 1);
	} while (!b->id);
	return b;
}

static void main_end(struct kgo_task *task)
{
	struct kgo_bubble *b = task->owner;

	kgo_enter_sched();
	port_lock(&b->lock);
	b->main_ended = true;
	port_unlock(&b->lock);
	kgo_leave_sched();
}

/*
 * Let the clock go on whenever nobody runs, until all have ended or nothing
 * can happen any more.  Returns how many are left.
 */
static u32 drive(struct kgo_bubble *b)
{
	struct kgo_m *m = kgo_enter_sched();
	bool ended;
	u32 left;
	u64 when;

	for (;;) {
		port_lock(&b->lock);
		if (b->running) {
			b->root_waits = true;
			kgo_g_park(m, KGO_WAIT_SYNCTEST_RUN, &b->lock);
			m = port_self();
			continue;
		}
		left = b->total;
		ended = b->main_ended;
		port_unlock(&b->lock);

		when = ended ? 0 : kgo_timers_due(&b->p);
		if (!left || !when)
			break;
		port_store(&b->now, when);
		kgo_timers_fire(&b->p, when);
	}
	kgo_leave_sched();
	return left;
}

int kgo_synctest_run_at(const struct kgo_site *site, void (*fn)(void *arg),
			void *arg)
{
	struct kgo_task task = { .end = main_end };
	struct kgo_bubble *b;
	struct kgo_g *root;
	struct kgo_m *m;
	bool ended;
	u32 left = 0;
	int ret;

	port_might_park(__func__);
	if (kgo_bubble_self()) {
		kgo_panic_rt("synctest.Run called from within a synctest bubble");
		return -EBUSY;
	}
	m = kgo_enter_sched();
	if (unlikely(!m))
		return -EPERM;
	root = m->curg;
	kgo_leave_sched();
	if (unlikely(kgo_is_stackless(root)))
		return kgo_cont_refuse(KGO_WAIT_SYNCTEST_RUN);
	b = make(root);
	if (!b)
		return -ENOMEM;
	task.owner = b;
	port_store(&root->x->bubble, b);
	ret = kgo_go_task(site, fn, arg, &task);
	if (!ret)
		left = drive(b);
	ended = b->main_ended;
	kgo_timers_drop(&b->p);
	port_store(&root->x->bubble, NULL);
	if (unlikely(left)) {
		/* They have it for ever. */
		kgo_panic_rt(ended ? MAIN_GONE : ALL_BLOCKED);
		return -EDEADLK;
	}
	port_free(b);
	return ret;
}

void kgo_synctest_wait(void)
{
	struct kgo_bubble *b = kgo_bubble_self();
	struct kgo_m *m;
	bool taken;

	port_might_park(__func__);
	if (unlikely(!b)) {
		kgo_panic_rt("goroutine is not in a bubble");
		return;
	}
	m = kgo_enter_sched();
	if (unlikely(kgo_is_stackless(m->curg))) {
		kgo_leave_sched();
		kgo_cont_refuse(KGO_WAIT_SYNCTEST_WAIT);
		return;
	}
	port_lock(&b->lock);
	taken = b->waiter;
	if (taken || b->running == 1) {
		port_unlock(&b->lock);
	} else {
		/* Whoever brings it to zero counts us again. */
		b->running--;
		b->waiter = m->curg;
		kgo_g_park(m, KGO_WAIT_SYNCTEST_WAIT, &b->lock);
	}
	kgo_leave_sched();
	if (unlikely(taken))
		kgo_panic_rt("wait already in progress");
}

unsigned long long kgo_now(void)
{
	struct kgo_bubble *b = kgo_bubble_self();

	return unlikely(b) ? port_load(&b->now) : port_now();
}
