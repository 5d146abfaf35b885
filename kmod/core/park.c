// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Parking and readying: the two halves of every wait.
 *
 * A goroutine that waits first puts itself, under the lock of what it waits
 * for, where its waker will find it, then parks; the scheduler drops the lock
 * once the goroutine is off its stack and WAITING.  So a waker that holds the
 * lock never sees one that is only about to wait.
 */
#include "bubble.h"
#include "task.h"

#define RETRY_NS	10000000ULL

static void set_waiting(struct kgo_g *g, u16 reason)
{
	port_store(&g->d.reason, reason);
	port_store(&g->d.wait_since, port_now_coarse());
}

/**
 * kgo_bound_wait() - Wait as a bound goroutine until its M is given a P
 * @m: the calling M with in_sched set
 * @g: its bound goroutine, WAITING for a waker or RUNNABLE in a queue
 *
 * On its own stack.  If no spare M is there to run the others, and none can be
 * started just now, that is tried again from time to time.
 * CONTEXT: parks; no lock held.  Returns with a P, @g RUNNING.
 */
void kgo_bound_wait(struct kgo_m *m, struct kgo_g *g)
{
	struct kgo_p *p;
	u64 deadline;

	do {
		deadline = kgo_ensure_spare(m) ? 0 : port_now() + RETRY_NS;
		if (port_enter(m, KGO_ENTER_PARK_BOUND, 0, 0, deadline) ==
		    -EDEADLK)
			kgo_all_asleep();
	} while (!kgo_m_has_p(m));
	p = kgo_m_p(m);
	port_store(&g->d.p, p->index);
	port_store(&p->d.schedtick, p->d.schedtick + 1);
	port_store(&p->d.slicetick, p->d.slicetick + 1);
	kgo_g_set_state(g, KGO_G_RUNNABLE, KGO_G_RUNNING);
}

/**
 * kgo_park() - Wait until somebody calls kgo_ready() for this goroutine
 * @m: from kgo_enter_sched()
 * @reason: enum kgo_wait_reason, what the tables show
 * @unlock: lock to drop once it waits, or NULL
 *
 * CONTEXT: a goroutine, with in_sched set and no lock held but @unlock.
 * Returns with in_sched set, perhaps on another M, and with a P.
 */
void kgo_park(struct kgo_m *m, u16 reason, kgo_lock_t *unlock)
{
	struct kgo_g *g = m->curg;
	struct kgo_bubble *b;

	set_waiting(g, reason);
	port_store(&g->wait_on, m->wait_on);
	m->wait_on = NULL;
	if (g->bound) {
		b = unlikely(g->x) ? kgo_bubble_park(g) : NULL;
		kgo_g_set_state(g, KGO_G_RUNNING, KGO_G_WAITING);
		if (unlock)
			port_unlock(unlock);
		if (unlikely(b))
			kgo_bubble_parked(b);
		kgo_bound_wait(m, g);
		return;
	}
	m->post_lock = unlock;
	kgo_leave(m, KGO_POST_PARK);
}

static void ready(struct kgo_g *g, bool next)
{
	struct kgo_m *m = port_self();
	struct kgo_p *p = m ? kgo_m_p(m) : NULL;

	if (unlikely(g->x))
		kgo_bubble_ready(g);
	kgo_g_set_state(g, KGO_G_WAITING, KGO_G_RUNNABLE);
	if (p)
		kgo_runq_put(p, g, next);
	else
		kgo_globq_put(g);
	kgo_wakep(m);
}

/**
 * kgo_ready() - Let a parked goroutine run
 * @g: WAITING; the caller is its one waker
 *
 * It runs next on the caller's P.
 * CONTEXT: an M with in_sched set, or a thread that is no M; no lock held.
 */
void kgo_ready(struct kgo_g *g)
{
	ready(g, true);
}

/**
 * kgo_ready_behind() - Let a parked goroutine run, behind those that can already
 * @g: as kgo_ready()
 *
 * For all but the first of several: each that runs next would go before the
 * one that was readied before it.
 * CONTEXT: as kgo_ready().
 */
void kgo_ready_behind(struct kgo_g *g)
{
	ready(g, false);
}

static void yield_to_others(struct kgo_m *m)
{
	struct kgo_g *g = m->curg;

	if (g->bound) {
		kgo_g_set_state(g, KGO_G_RUNNING, KGO_G_RUNNABLE);
		kgo_globq_put(g);
		kgo_bound_wait(m, g);
		return;
	}
	kgo_leave(m, KGO_POST_YIELD);
}

void kgo_yield(void)
{
	struct kgo_rdesc *r = kgo_rt.r;
	struct kgo_m *m = kgo_enter_sched();
	struct kgo_p *p = kgo_m_p(m);

	if (!kgo_runq_empty(p) || port_load(&r->gq_len) ||
	    port_load(&p->d.timer_when) || port_load(&r->nr_want) ||
	    port_completions(r))
		yield_to_others(m);
	kgo_leave_sched();
}

/*
 * The slow half of kgo_enter_sched().  It is the turn of others; or the
 * caller's M lost its P while it was blocked.  Then take one that is free; else
 * the goroutine queues up with all others and its M becomes a spare, as in Go's
 * exitsyscall0.  A bound one cannot leave its M, which then waits for a P.
 */
struct kgo_m *kgo_enter_sched_slow(struct kgo_m *m)
{
	struct kgo_g *g;

	if (!m || !m->curg) {
		port_throw("call that needs a goroutine, made outside of one");
		return m;
	}
	if (kgo_m_has_p(m))
		return kgo_preempt_here(m);
	if (port_enter(m, KGO_ENTER_ACQUIRE, 0, 0, 0) >= 0)
		return m;
	g = m->curg;
	if (g->bound) {
		while (!kgo_m_has_p(m))
			port_enter(m, KGO_ENTER_PARK_WANT, 0, 0, 0);
		return m;
	}
	kgo_leave(m, KGO_POST_YIELD);
	return port_self();
}

unsigned long long kgo_goid(void)
{
	struct kgo_m *m = port_self();

	return m && m->curg ? m->curg->d.goid : 0;
}

/**
 * kgo_num_ended() - How many goroutines have ended so far
 *
 * CONTEXT: any.
 */
u64 kgo_num_ended(void)
{
	u64 n = port_load_acquire(&kgo_rt.ext_exited);
	u32 i;

	for (i = 0; i < kgo_rt.nr_ps; i++)
		n += port_load_acquire(&kgo_p_at(i)->d.exited);
	return n;
}

/*
 * The ended ones first: whoever ended in between was counted as started, so
 * that the result is never below what exists, whatever happens meanwhile.
 */
unsigned long long kgo_num_goroutine_all(void)
{
	u64 ended = kgo_num_ended(), n = 0;
	u32 i;

	for (i = 0; i < kgo_rt.nr_ps; i++)
		n += port_load(&kgo_p_at(i)->d.spawned);
	return n + port_load(&kgo_rt.ext_spawned) - ended;
}

unsigned long long kgo_num_goroutine(void)
{
	u32 system, again;
	u64 n;

	again = port_load_acquire(&kgo_rt.nr_system);
	do {
		system = again;
		n = kgo_num_goroutine_all();
		port_mb();	/* both numbers belong to one moment */
		again = port_load_acquire(&kgo_rt.nr_system);
	} while (again != system);
	return n - system;
}

static int start_at(const struct kgo_site *site, void (*fn)(void *), void *arg,
		    size_t stack_size, u16 flags, const struct kgo_task *task)
{
	struct kgo_m *m = port_self();
	struct kgo_g *g;
	int ret;

	if (!fn)
		return -EINVAL;
	if (!kgo_rt.r)
		return -ESRCH;
	if (m && m->curg)
		m = kgo_enter_sched();
	else
		m = NULL;
	ret = kgo_g_new(m, &g, fn, arg, stack_size, site);
	if (!ret && unlikely(task || (m && m->curg->x && !flags))) {
		ret = kgo_gx_inherit(g, m ? m->curg->x : NULL, task);
		if (ret)
			kgo_g_cancel(m, g);
	}
	if (!ret) {
		if (unlikely(flags)) {
			port_store(&g->d.flags, g->d.flags | flags);
			port_add(&kgo_rt.nr_system, 1);
		}
		kgo_start(m, g);
	}
	if (m)
		kgo_leave_sched();
	return ret;
}

int kgo_go_at(const struct kgo_site *site, void (*fn)(void *), void *arg,
	      const struct kgo_attr *attr)
{
	if (attr && (attr->flags || attr->reserved))
		return -EINVAL;
	return start_at(site, fn, arg, attr ? attr->stack_size : 0, 0, NULL);
}

/**
 * kgo_go_task() - kgo_go_at() of a goroutine whose end concerns somebody
 * @site: as there
 * @fn: as there
 * @arg: as there
 * @task: copied; its end() is called at the goroutine's end, on its stack
 *
 * CONTEXT: as kgo_go_at().
 * Return: as kgo_go_at(); end() will not be called if it fails.
 */
int kgo_go_task(const struct kgo_site *site, void (*fn)(void *), void *arg,
		const struct kgo_task *task)
{
	return start_at(site, fn, arg, 0, 0, task);
}

/**
 * kgo_go_system() - Start a goroutine of the runtime itself
 * @site: static record of the calling place, or NULL
 * @fn: what it runs
 * @arg: passed to @fn; stays the caller's
 *
 * kgo_num_goroutine() does not count it, leak checks and reports of a deadlock
 * leave it out, and what it starts is the program's again.
 * CONTEXT and Return: as kgo_go_at().
 */
int kgo_go_system(const struct kgo_site *site, void (*fn)(void *), void *arg)
{
	return start_at(site, fn, arg, 0, KGO_GF_SYSTEM, NULL);
}
