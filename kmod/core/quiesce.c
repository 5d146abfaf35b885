// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Waiting for goroutines to end, without looking again and again.
 *
 * Who waits is on one list, under one lock.  A goroutine that ends, and finds
 * that somebody waits at all, looks through the list.  That must cost those
 * that end nothing while nobody waits, not even a barrier:
 *
 *   who waits			who ends, settle() in sched.c
 *   ---------			-----------------------------
 *   nr_quiesce + 1		exited + 1
 *   a barrier on all CPUs	compiler barrier
 *   read all exited		read nr_quiesce: somebody there?
 *
 * Either the waiter sees the end, or the end sees the waiter.  The one that
 * waits pays for both, as it is a test that can afford it.
 *
 * Rejected: a full barrier at each end (5 of the 60 ns of a goroutine's whole
 * life); to count an end before the goroutine leaves its stack, where a barrier
 * follows anyway (it would be counted as ended and still be seen running).
 */
#include "core.h"

/* On the stack of the goroutine that waits. */
struct quiesce_waiter {
	struct kgo_alarm timer;
	struct kgo_list	link;		/* Q: quiesce.lock */
	struct kgo_g	*g;
	bool		any;		/* any end will do */
	bool		expired;	/* Q: fired before it was queued */
	int		result;		/* Q: what the call returns */
	u64		target;		/* at most so many are to be left */
	u64		seen;		/* any: ends that are known */
};

static struct {
	kgo_lock_t	lock;
	struct kgo_list	waiters;	/* Q: lock */
} quiesce;

/** kgo_quiesce_init() - Once, before the first goroutine */
void kgo_quiesce_init(void)
{
	port_lock_init(&quiesce.lock);
	kgo_list_init(&quiesce.waiters);
}

static bool is_done(const struct quiesce_waiter *w)
{
	return w->any ? kgo_num_ended() != w->seen :
	       kgo_num_goroutine() <= w->target;
}

static struct kgo_g *quiesce_fire(struct kgo_alarm *t)
{
	struct quiesce_waiter *w = container_of(t, struct quiesce_waiter, timer);
	struct kgo_g *g = NULL;

	port_lock(&quiesce.lock);
	if (kgo_list_empty(&w->link)) {
		w->expired = true;
	} else {
		kgo_list_del(&w->link);
		w->result = -ETIMEDOUT;
		g = w->g;
	}
	port_unlock(&quiesce.lock);
	return g;
}

/**
 * kgo_quiesce_wake() - A goroutine has ended: wake who waited for that
 *
 * CONTEXT: an M with in_sched set; no lock held.
 */
void kgo_quiesce_wake(void)
{
	struct kgo_gq woken = { 0 };
	struct quiesce_waiter *w;
	struct kgo_list *l, *next;
	struct kgo_g *g;

	port_lock(&quiesce.lock);
	for (l = quiesce.waiters.next; l != &quiesce.waiters; l = next) {
		next = l->next;
		w = container_of(l, struct quiesce_waiter, link);
		if (!is_done(w))
			continue;
		kgo_list_del(&w->link);
		kgo_gq_push(&woken, w->g);
	}
	port_unlock(&quiesce.lock);
	while ((g = kgo_gq_pop(&woken)))
		kgo_g_ready(g);
}

static int wait_for(struct quiesce_waiter *w, long long ns)
{
	struct kgo_g *g;
	struct kgo_m *m;
	int ret = 0;

	if (is_done(w))
		return 0;
	if (!ns)
		return -ETIMEDOUT;
	g = kgo_self_g();
	if (unlikely(g && kgo_is_stackless(g)))
		return kgo_cont_refuse(KGO_WAIT_QUIESCE);
	port_add(&kgo_rt.nr_quiesce, 1);
	port_mb_all();

	m = kgo_enter_sched();
	if (unlikely(!m)) {
		port_add(&kgo_rt.nr_quiesce, -1U);
		return -EPERM;
	}
	w->g = m->curg;
	kgo_list_init(&w->link);
	w->timer.fire = quiesce_fire;
	if (ns > 0)
		ret = kgo_alarm_start(&w->timer, ns);
	if (!ret) {
		port_lock(&quiesce.lock);
		if (is_done(w)) {
			port_unlock(&quiesce.lock);
		} else if (w->expired) {
			port_unlock(&quiesce.lock);
			ret = -ETIMEDOUT;
		} else {
			kgo_list_push_back(&quiesce.waiters, &w->link);
			kgo_g_park(m, KGO_WAIT_QUIESCE, &quiesce.lock);
			ret = w->result;
		}
		/* After this it does not fire any more: w may go. */
		if (ns > 0)
			kgo_alarm_stop(&w->timer);
	}
	kgo_leave_sched();
	port_add(&kgo_rt.nr_quiesce, -1U);
	return ret;
}

int kgo_quiesce(unsigned long long target, long long ns)
{
	struct quiesce_waiter w = { .target = target };

	port_might_park(__func__);
	return wait_for(&w, ns);
}

/**
 * kgo_wait_end() - Wait until some goroutine ends
 * @seen: kgo_num_ended() before the caller looked at what there is
 * @ns: how long, negative for ever
 *
 * CONTEXT: a goroutine; parks.
 * Return: 0 if one has ended since; -ETIMEDOUT; -ENOMEM.
 */
int kgo_wait_end(u64 seen, long long ns)
{
	struct quiesce_waiter w = { .any = true, .seen = seen };

	return wait_for(&w, ns);
}
