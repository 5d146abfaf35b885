// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Finalizers: a queue of objects and the one goroutine that serves it.
 *
 * Invariants, all under fin.lock:
 *   - An object is in the queue exactly if it is "queued", and has lost its
 *     last reference then.  One that is finalized is not in the queue any more
 *     and can be queued again, before its finalizer has returned.
 *   - fin.idle is the goroutine if it is parked; whoever takes it out of there
 *     wakes it.
 *   - Waiters of kgo_finalizer_drain() exist only while something is queued or
 *     runs.
 *
 * The goroutine is started by the first kgo_obj_init_at(), which can fail, so
 * that no kgo_obj_put() ever has to.
 *
 * Rejected: a goroutine for each finalizer (no order, and a slow one hides
 * behind thousands that work); to run it in kgo_obj_put() (deadlocks on what
 * the caller holds, and recursion without bound through lists of objects).
 */
#include "core.h"

struct drain_waiter {
	struct kgo_list	link;
	struct kgo_g	*g;
};

static struct {
	kgo_lock_t	lock;
	struct kgo_obj	*head, *tail;	/* Q: lock */
	u64		queued;		/* Q: lock; read without for the tables */
	u64		done;		/* Q: lock; likewise */
	struct kgo_list	drainers;	/* Q: lock */
	struct kgo_g	*idle;		/* Q: lock */
	u32		started;	/* A: enum below */
	bool		stop;		/* Q: lock */
	u64		goid;		/* A: of the goroutine */
	struct kgo_obj	*running;	/* A: written by the goroutine */
	const char	*name;		/* A: likewise, its finalizer's */
	u64		since;		/* A: likewise */
} fin;

enum { FIN_NONE, FIN_STARTING, FIN_STARTED };

void kgo_finalizer_init(void)
{
	memset(&fin, 0, sizeof(fin));
	port_lock_init(&fin.lock);
	kgo_list_init(&fin.drainers);
}

static struct kgo_obj *dequeue(void)
{
	struct kgo_obj *obj = fin.head;

	port_assert_held(&fin.lock);
	if (!obj)
		return NULL;
	fin.head = obj->next;
	if (!fin.head)
		fin.tail = NULL;
	obj->next = NULL;
	obj->queued = 0;
	port_store(&fin.queued, fin.queued - 1);
	return obj;
}

static void wake_all(struct kgo_gq *q)
{
	struct kgo_g *g;

	while ((g = kgo_gq_pop(q)))
		kgo_g_ready(g);
}

/* The queue is empty and nothing runs. */
static void release_drainers(struct kgo_gq *woken)
{
	struct kgo_list *l;

	port_assert_held(&fin.lock);
	while ((l = kgo_list_pop_front(&fin.drainers)))
		kgo_gq_push(woken, container_of(l, struct drain_waiter, link)->g);
}

static void run(struct kgo_obj *obj)
{
	port_store(&fin.name, obj->name ? obj->name : "?");
	port_store(&fin.since, port_now());
	port_store(&fin.running, obj);
	obj->finalizer(obj);
	/* It is gone, mostly. */
	port_store(&fin.running, NULL);
	port_store(&fin.name, NULL);
}

static void finalizer(void *unused)
{
	struct kgo_gq woken = { 0 };
	struct kgo_obj *obj;
	struct kgo_m *m;
	bool stop;

	(void)unused;
	port_store(&fin.goid, kgo_goid());
	m = kgo_enter_sched();
	for (;;) {
		port_lock(&fin.lock);
		obj = dequeue();
		if (obj) {
			port_unlock(&fin.lock);
			kgo_leave_sched();
			run(obj);
			m = kgo_enter_sched();
			port_lock(&fin.lock);
			port_store(&fin.done, fin.done + 1);
			port_unlock(&fin.lock);
			continue;
		}
		release_drainers(&woken);
		stop = fin.stop;
		if (woken.n || stop) {
			port_unlock(&fin.lock);
			wake_all(&woken);
			if (stop)
				break;
			continue;
		}
		fin.idle = m->curg;
		kgo_g_park(m, KGO_WAIT_FINALIZER, &fin.lock);
		m = port_self();
	}
	kgo_leave_sched();
	port_store(&fin.goid, 0);
	port_store_release(&fin.started, FIN_NONE);
}

static const struct kgo_site finalizer_site = {
	.start = (u64)(unsigned long)"finalizer",
	.func = (u64)(unsigned long)"kgo_obj_init",
	.file = (u64)(unsigned long)__FILE__,
	.line = __LINE__,
};

/* See that the goroutine is there.  Return: 0 or as kgo_go_system(). */
static int start(void)
{
	int ret;

	if (likely(port_load_acquire(&fin.started) == FIN_STARTED))
		return 0;
	while (!port_cas(&fin.started, FIN_NONE, FIN_STARTING)) {
		if (port_load_acquire(&fin.started) == FIN_STARTED)
			return 0;
		port_pause();
	}
	ret = kgo_go_system(&finalizer_site, finalizer, NULL);
	port_store_release(&fin.started, ret ? FIN_NONE : FIN_STARTED);
	return ret;
}

int kgo_obj_init_at(struct kgo_obj *obj, void (*finalizer_fn)(struct kgo_obj *obj),
		    const char *name)
{
	int ret;

	if (!obj || !finalizer_fn)
		return -EINVAL;
	if (!kgo_rt.r)
		return -ESRCH;
	ret = start();
	if (ret)
		return ret;
	*obj = (struct kgo_obj){
		.refs = 1, .finalizer = finalizer_fn, .name = name,
	};
	return 0;
}

struct kgo_obj *kgo_obj_get(struct kgo_obj *obj)
{
	if (unlikely(port_add(&obj->refs, 1) == 1 &&
		     port_load(&fin.running) != obj)) {
		port_add(&obj->refs, -1U);
		kgo_panic_rt("kgo: get of an object without references");
	}
	return obj;
}

/* The calling goroutine's M with in_sched set, or NULL outside of one. */
static struct kgo_m *enter(void)
{
	struct kgo_m *m = port_self();

	return m && m->curg ? kgo_enter_sched() : NULL;
}

/* The goroutine of the finalizers has something to see to. */
static void unlock_and_wake(void)
{
	struct kgo_g *g = fin.idle;

	fin.idle = NULL;
	port_unlock(&fin.lock);
	if (g)
		kgo_g_ready(g);
}

void kgo_obj_put(struct kgo_obj *obj)
{
	struct kgo_m *m;
	u32 refs;

	if (!obj)
		return;
	refs = port_add(&obj->refs, -1U);
	if (likely(refs && refs != ~0U))
		return;
	if (unlikely(refs)) {
		port_add(&obj->refs, 1);
		kgo_panic_rt("kgo: put of an object without references");
		return;
	}
	m = enter();
	port_lock(&fin.lock);
	/* Twice only if a finalizer that comes later gets and puts it. */
	if (!obj->queued) {
		obj->queued = 1;
		obj->next = NULL;
		if (fin.tail)
			fin.tail->next = obj;
		else
			fin.head = obj;
		fin.tail = obj;
		port_store(&fin.queued, fin.queued + 1);
	}
	unlock_and_wake();
	if (m)
		kgo_leave_sched();
}

int kgo_finalizer_drain(void)
{
	struct drain_waiter w;
	struct kgo_g *g = kgo_self_g();
	struct kgo_m *m;

	port_might_park(__func__);
	if (unlikely(g && kgo_is_stackless(g)))
		return kgo_cont_refuse(KGO_WAIT_QUIESCE);
	if (kgo_goid() && kgo_goid() == port_load(&fin.goid))
		return -EDEADLK;
	m = kgo_enter_sched();
	if (unlikely(!m))
		return -EPERM;
	port_lock(&fin.lock);
	/* Parked: it had nothing to do, and has not been given anything. */
	if (port_load(&fin.started) != FIN_STARTED || fin.idle) {
		port_unlock(&fin.lock);
	} else {
		w.g = m->curg;
		kgo_list_push_back(&fin.drainers, &w.link);
		kgo_g_park(m, KGO_WAIT_QUIESCE, &fin.lock);
	}
	kgo_leave_sched();
	return 0;
}

/**
 * kgo_finalizer_stop() - End the goroutine when the queue is empty
 *
 * For the end of a runtime that ends before its world does.  Nobody sets up
 * objects any more.  Does not wait for the end.
 * CONTEXT: anywhere; in a goroutine it may park.
 */
void kgo_finalizer_stop(void)
{
	struct kgo_m *m = enter();

	port_lock(&fin.lock);
	fin.stop = true;
	unlock_and_wake();
	if (m)
		kgo_leave_sched();
}

bool kgo_finalizer_stats(struct kgo_finalizer_stats *stats)
{
	u64 now = port_now(), since = port_load(&fin.since);
	const char *name = port_load(&fin.name);

	memset(stats, 0, sizeof(*stats));
	if (port_load(&fin.started) == FIN_NONE)
		return false;
	stats->queued = port_load(&fin.queued);
	stats->done = port_load(&fin.done);
	stats->running = name;
	if (name)
		stats->running_ns = now > since ? now - since : 1;
	return true;
}
