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

static void set_waiting(struct kgo_m *m, struct kgo_g *g, u16 reason)
{
	port_store(&g->d.reason, reason);
	port_store(&g->d.wait_since, port_now_coarse());
	port_store(&g->wait_on, m->wait_on);
	m->wait_on = NULL;
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
	struct kgo_g *next;
	struct kgo_p *p;
	u64 deadline;
	int ret;

	do {
		deadline = kgo_ensure_spare(m) ? 0 : port_now() + RETRY_NS;
		next = kgo_next_bound(m);
		/* It has been readied already, and nobody is before it. */
		if (next == g)
			break;
		ret = port_enter(m, KGO_ENTER_PARK_BOUND,
				 next ? KGO_ENTER_F_GIVE : 0,
				 next ? next->bound->index : 0, deadline);
		if (ret == -EDEADLK)
			kgo_all_asleep();
		else if (unlikely(next && ret < 0 && ret != -ETIME))
			port_throw("the thread of a bound goroutine is gone");
	} while (!kgo_m_has_p(m));
	p = kgo_m_p(m);
	port_store(&g->d.p, p->index);
	port_store(&p->d.schedtick, p->d.schedtick + 1);
	port_store(&p->d.slicetick, p->d.slicetick + 1);
	kgo_g_set_state(g, KGO_G_RUNNABLE, KGO_G_RUNNING);
}

/**
 * kgo_g_park() - Wait until somebody calls kgo_g_ready() for this goroutine
 * @m: from kgo_enter_sched()
 * @reason: enum kgo_wait_reason, what the tables show
 * @unlock: lock to drop once it waits, or NULL
 *
 * CONTEXT: a goroutine, with in_sched set and no lock held but @unlock.
 * Returns with in_sched set, perhaps on another M, and with a P.
 */
void kgo_g_park(struct kgo_m *m, u16 reason, kgo_lock_t *unlock)
{
	struct kgo_g *g = m->curg;
	struct kgo_bubble *b;

	if (kgo_is_stackless(g)) {
		port_throw("a goroutine without a stack would park");
		return;
	}
	set_waiting(m, g, reason);
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

/**
 * kgo_park_bare() - Let a stackless goroutine wait, once it has returned
 * @m: from kgo_enter_sched()
 * @reason: as in kgo_g_park()
 * @unlock: as in kgo_g_park()
 *
 * CONTEXT: cont.c, between two bodies.  Returns at once; the caller returns to
 * the scheduler with in_sched set and @unlock held.
 */
void kgo_park_bare(struct kgo_m *m, u16 reason, kgo_lock_t *unlock)
{
	set_waiting(m, m->curg, reason);
	m->prev = m->curg;
	m->post = KGO_POST_PARK;
	m->post_lock = unlock;
}

static void ready(struct kgo_g *g, bool next)
{
	struct kgo_m *m = port_self();
	struct kgo_p *p = m ? kgo_m_p(m) : NULL;

	/* Who has no P leaves nobody alone; most have done so by kgo_enter_any(). */
	if (unlikely(!p))
		kgo_share();
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
 * kgo_g_ready() - Let a parked goroutine run
 * @g: WAITING; the caller is its one waker
 *
 * It runs next on the caller's P.
 * CONTEXT: an M with in_sched set, with a P or without, or whoever is no M, an
 * interrupt included; no lock held.
 */
void kgo_g_ready(struct kgo_g *g)
{
	ready(g, true);
}

/**
 * kgo_g_ready_behind() - Let a parked goroutine run, behind those that can
 * @g: as kgo_g_ready()
 *
 * For all but the first of several: each that runs next would go before the
 * one that was readied before it.
 * CONTEXT: as kgo_g_ready().
 */
void kgo_g_ready_behind(struct kgo_g *g)
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

/**
 * kgo_others_wait() - Is there anybody whom a yield would let run?
 * @m: from kgo_enter_sched()
 */
bool kgo_others_wait(struct kgo_m *m)
{
	struct kgo_rdesc *r = kgo_rt.r;
	struct kgo_p *p = kgo_m_p(m);

	return !kgo_runq_empty(p) || port_load(&r->gq_len) ||
	       port_load(&p->d.timer_when) || port_load(&r->nr_want) ||
	       port_completions(r);
}

void kgo_yield(void)
{
	struct kgo_m *m;
	bool refused;

	port_might_park(__func__);
	m = kgo_enter_sched();
	if (unlikely(!m))
		return;
	refused = unlikely(kgo_is_stackless(m->curg));
	if (!refused && kgo_others_wait(m))
		yield_to_others(m);
	kgo_leave_sched();
	if (refused)
		kgo_cont_refuse(KGO_WAIT_NONE);
}

/*
 * The slow half of kgo_enter_sched().  It is the turn of others; or the
 * caller's M lost its P while it was blocked.  Then take one that is free; else
 * the goroutine queues up with all others and its M becomes a spare, as in Go's
 * exitsyscall0.  One that is bound, or has no stack, cannot leave its M, which
 * then waits for a P.
 */
struct kgo_m *kgo_enter_sched_slow(struct kgo_m *m)
{
	struct kgo_g *g;

	if (!m || !m->curg) {
		port_throw("call that needs a goroutine, made outside of one");
		return NULL;
	}
	if (kgo_m_has_p(m))
		return kgo_preempt_here(m);
	if (port_enter(m, KGO_ENTER_ACQUIRE, 0, 0, 0) >= 0)
		return m;
	g = m->curg;
	if (g->bound || kgo_is_stackless(g)) {
		while (!kgo_m_has_p(m))
			port_enter(m, KGO_ENTER_PARK_WANT, 0, 0, 0);
		return m;
	}
	kgo_leave(m, KGO_POST_YIELD);
	return port_self();
}

/* The slow half of kgo_enter_any(). */
struct kgo_m *kgo_enter_any_slow(struct kgo_m *m)
{
	if (m->curg && !port_is_atomic())
		return kgo_enter_sched_slow(m);
	if (!kgo_m_has_p(m))
		kgo_share();
	return m;
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

/**
 * kgo_begin() - Start a goroutine, with all that is passed on to it
 * @m: the calling goroutine's M with in_sched set, or NULL
 * @g: from kgo_g_new() or kgo_g_become(); freed if it cannot be started
 * @birth: what it gets
 *
 * CONTEXT: may sleep, no lock held; any that can take a lock if @g is a
 * reserve's.
 * Return: 0; -ENOMEM; -ESHUTDOWN if its code, or its client, is on its way out.
 */
int kgo_begin(struct kgo_m *m, struct kgo_g *g, const struct kgo_birth *birth)
{
	struct kgo_gx *from = NULL;
	int ret = 0;

	if (m && m->curg && !(birth->flags & KGO_GF_SYSTEM))
		from = m->curg->x;
	if (!birth->loose && !birth->client && !(from && from->client))
		ret = kgo_g_hold(g);
	if (!ret && unlikely(from || birth->task || birth->client || birth->attr))
		ret = kgo_gx_inherit(g, from, birth);
	if (unlikely(ret)) {
		if (g->d.flags & KGO_GF_HELD)
			kgo_g_unhold(g);
		kgo_g_cancel(m, g);
		return ret;
	}
	if (unlikely(birth->flags)) {
		port_store(&g->d.flags, g->d.flags | birth->flags);
		port_add(&kgo_rt.nr_system, 1);
	}
	kgo_start(m, g);
	return 0;
}

/**
 * kgo_go_birth() - kgo_go_at() with all that there is to say
 * @site: as there
 * @fn: as there
 * @arg: as there
 * @birth: what the goroutine gets
 *
 * CONTEXT and Return: as kgo_go_at().
 */
int kgo_go_birth(const struct kgo_site *site, void (*fn)(void *), void *arg,
		 const struct kgo_birth *birth)
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
	ret = kgo_g_new(m, &g, fn, arg, birth->stack_size, site);
	if (!ret)
		ret = kgo_begin(m, g, birth);
	if (m)
		kgo_leave_sched();
	return ret;
}

/*
 * start_at() of an ordinary goroutine by another one, where a dead one and a
 * number for it are at hand: half the price.
 */
static inline bool start_easily(const struct kgo_site *site,
				void (*fn)(void *), void *arg)
{
	struct kgo_m *m = port_self();
	struct kgo_g *g = NULL;
	struct kgo_p *p;
	u32 index;
	int hold;

	if (unlikely(!m || !m->curg || m->curg->x))
		return false;
	port_store(&m->d.in_sched, 1);
	port_barrier();
	index = port_load(&m->d.p);
	if (unlikely(index & KGO_P_ODD))
		goto leave;
	p = kgo_p_at(index);
	if (unlikely(p->goid_next == p->goid_end || !p->gfree.head))
		goto leave;
	hold = port_hold(site);
	if (unlikely(hold < 0))
		goto leave;
	g = kgo_g_take(&p->gfree);
	if (unlikely(PORT_STACKS && !g->d.stack_lo)) {
		kgo_g_free(m, g);
		g = NULL;
		goto leave;
	}
	kgo_g_fill(g, p->goid_next++, m->curg->d.goid, fn, arg, site);
	if (hold)
		port_fill(&g->d.flags, KGO_GF_HELD);
	port_g_init(g);
	port_store(&p->d.spawned, p->d.spawned + 1);
	kgo_g_set_state(g, port_load(&g->d.state), KGO_G_RUNNABLE);
	kgo_runq_put(p, g, true);
	kgo_wakep(m);
leave:
	port_barrier();
	port_store(&m->d.in_sched, 0);
	return g;
}

/**
 * kgo_birth_attr() - What an attribute asks for
 * @birth: where it goes
 * @attr: or NULL for the defaults
 *
 * CONTEXT: any.  Return: 0 or -EINVAL.
 */
int kgo_birth_attr(struct kgo_birth *birth, const struct kgo_attr *attr)
{
	if (!attr)
		return 0;
	birth->stack_size = attr->stack_size;
	if (attr->flags & ~KGO_ATTR_STACKLESS || attr->reserved ||
	    birth->stack_size == KGO_STACKLESS ||
	    (attr->nr_labels && !attr->labels))
		return -EINVAL;
	if (attr->name || attr->nr_labels || attr->cpus)
		birth->attr = attr;
	if (attr->flags & KGO_ATTR_STACKLESS) {
		if (birth->stack_size || attr->cpus)
			return -EINVAL;
		birth->stack_size = KGO_STACKLESS;
	}
	return 0;
}

int kgo_go_at(const struct kgo_site *site, void (*fn)(void *), void *arg,
	      const struct kgo_attr *attr)
{
	struct kgo_birth birth = { .task = NULL };
	int ret;

	if (likely(fn && !attr) && start_easily(site, fn, arg))
		return 0;
	ret = kgo_birth_attr(&birth, attr);
	return ret ? ret : kgo_go_birth(site, fn, arg, &birth);
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
	const struct kgo_birth birth = { .task = task };

	return kgo_go_birth(site, fn, arg, &birth);
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
	const struct kgo_birth birth = { .flags = KGO_GF_SYSTEM };

	return kgo_go_birth(site, fn, arg, &birth);
}
