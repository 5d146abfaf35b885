// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * RWMutex: many readers or one writer.  The algorithm of Go's sync.RWMutex.
 *
 * A writer first locks a mutex against other writers, then takes RW_MAX from
 * the count of readers: from there on it is negative, which tells new readers
 * to wait, so that readers who come all the time do not keep a writer out.
 * Those who are in already are counted down in reader_wait; the last of them
 * wakes the writer.  When it unlocks, all readers that came meanwhile go
 * before the next writer does.
 *
 * Every count is changed by an atomic add, and who crosses a boundary by it is
 * the one that wakes.
 */
#include "core.h"

#define RW_MAX	0x40000000	/* more readers than there can be */

static bool is_writer_here(s32 readers)
{
	return readers < 0;
}

/* Who must not wait must not be counted as waiting. */
static bool no_stack(void)
{
	struct kgo_g *g = kgo_self_g();

	return g && kgo_is_stackless(g);
}

static s32 add(u32 *p, s32 v)
{
	return (s32)port_add(p, (u32)v);
}

void kgo_rwmutex_rlock(struct kgo_rwmutex *rw)
{
	port_might_park(__func__);
	if (unlikely(no_stack())) {
		if (!kgo_rwmutex_try_rlock(rw))
			kgo_cont_refuse(KGO_WAIT_RWMUTEX_RLOCK);
		return;
	}
	if (unlikely(is_writer_here(add(&rw->readers, 1))))
		kgo_sema_acquire(&rw->reader_sema, KGO_WAIT_RWMUTEX_RLOCK,
				 false);
}

bool kgo_rwmutex_try_rlock(struct kgo_rwmutex *rw)
{
	u32 old;

	do {
		old = port_load(&rw->readers);
		if (is_writer_here((s32)old))
			return false;
	} while (!port_cas(&rw->readers, old, old + 1));
	return true;
}

void kgo_rwmutex_runlock(struct kgo_rwmutex *rw)
{
	s32 readers = add(&rw->readers, -1);

	if (likely(!is_writer_here(readers)))
		return;
	if (unlikely(readers + 1 == 0 || readers + 1 == -RW_MAX)) {
		port_fatal("sync: RUnlock of unlocked RWMutex");
		return;
	}
	/* A writer waits: is this the last reader that it waits for? */
	if (!add(&rw->reader_wait, -1))
		kgo_sema_release(&rw->writer_sema, false);
}

void kgo_rwmutex_lock(struct kgo_rwmutex *rw)
{
	s32 readers;

	port_might_park(__func__);
	if (unlikely(no_stack())) {
		if (!kgo_rwmutex_try_lock(rw))
			kgo_cont_refuse(KGO_WAIT_RWMUTEX_LOCK);
		return;
	}
	kgo_mutex_lock(&rw->w);
	readers = add(&rw->readers, -RW_MAX) + RW_MAX;
	/* Some of them may have left, and counted below zero, by now. */
	if (readers && add(&rw->reader_wait, readers))
		kgo_sema_acquire(&rw->writer_sema, KGO_WAIT_RWMUTEX_LOCK,
				 false);
}

bool kgo_rwmutex_try_lock(struct kgo_rwmutex *rw)
{
	if (!kgo_mutex_try_lock(&rw->w))
		return false;
	if (port_cas(&rw->readers, 0, (u32)-RW_MAX))
		return true;
	kgo_mutex_unlock(&rw->w);
	return false;
}

void kgo_rwmutex_unlock(struct kgo_rwmutex *rw)
{
	s32 readers = add(&rw->readers, RW_MAX);

	if (unlikely(readers >= RW_MAX)) {
		port_fatal("sync: Unlock of unlocked RWMutex");
		return;
	}
	while (readers-- > 0)
		kgo_sema_release(&rw->reader_sema, false);
	kgo_mutex_unlock(&rw->w);
}
