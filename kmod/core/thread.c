// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Goroutines that are locked to their thread, as by Go's LockOSThread.
 *
 * A locked goroutine is a bound one (park.c): it parks on its own stack, with
 * its thread, which gives its P up; whoever dequeues it gives a P to its M.
 * Nothing else ever runs on that M meanwhile, so the count of locks belongs to
 * the M: the M has no other goroutine to count for.
 *
 * Invariants, of an M with a goroutine:
 *   - locks > 0 only if the goroutine is bound to it
 *   - lock_binds: it is bound because of the locks, and by nothing else
 *
 * The end of a goroutine with locks > 0 is the end of its thread: settle() and
 * retire() in sched.c.
 *
 * Rejected: a count in struct kgo_gx.  To lock would have to allocate, could
 * fail, and Go's cannot.
 */
#include "core.h"

static struct kgo_m *locker(void)
{
	struct kgo_m *m = port_self();

	if (likely(m && m->curg))
		return m;
	port_throw("LockOSThread outside of a goroutine");
	return NULL;
}

void kgo_lock_os_thread(void)
{
	struct kgo_m *m = locker();
	struct kgo_g *g;

	if (unlikely(!m))
		return;
	g = m->curg;
	if (unlikely(kgo_is_stackless(g))) {
		kgo_panic_rt("LockOSThread in a stackless goroutine, which has no thread");
		return;
	}
	if (!g->bound) {
		/* Read by others only when it is queued: not before it parks. */
		port_store(&g->bound, m);
		m->lock_binds = true;
		port_store(&g->d.flags, g->d.flags | KGO_GF_BOUND);
	}
	m->locks++;
}

void kgo_unlock_os_thread(void)
{
	struct kgo_m *m = locker();
	struct kgo_g *g;

	if (unlikely(!m) || !m->locks || --m->locks || !m->lock_binds)
		return;
	g = m->curg;
	m->lock_binds = false;
	port_store(&g->bound, NULL);
	port_store(&g->d.flags, g->d.flags & ~KGO_GF_BOUND);
}
