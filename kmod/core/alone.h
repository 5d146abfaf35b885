/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * One processor whose owner is alone, see alone.c: what is changed without
 * locked instructions then.
 */
#ifndef KGO_CORE_ALONE_H
#define KGO_CORE_ALONE_H

#include "port.h"

/* Where everybody is, from the start of the runtime to its end. */
enum kgo_alone_state {
	KGO_ALONE_NOT_YET,	/* no M has had a P, or there are several Ps */
	KGO_ALONE_ON,
	KGO_ALONE_ENDED		/* or somebody is about to */
};

struct kgo_alone {
	u32 on;		/* A: go without locked instructions */
	u32 over;	/* A: nobody does, and nobody ever will again */
	u32 state;	/* A: enum kgo_alone_state: who begins, who ends it */
};

extern struct kgo_alone kgo_alone;

void kgo_alone_begin(bool may);
void kgo_alone_end(void);
void kgo_alone_forked(void);
void kgo_alone_check(void);

/**
 * kgo_is_alone() - Does nobody else change what is changed with a P only?
 *
 * CONTEXT: an M with in_sched set and a P, or behind kgo_share().
 * Return: the answer, which is good for one change.
 */
static inline bool kgo_is_alone(void)
{
	if (!PORT_ALONE || !port_load(&kgo_alone.on))
		return false;
	if (PORT_CHECKS)
		kgo_alone_check();
	return true;
}

/* Has kgo_share() been called already, or is there no need?  CONTEXT: any. */
static inline bool kgo_is_shared(void)
{
	return !PORT_ALONE || port_load_acquire(&kgo_alone.over);
}

/**
 * kgo_share() - See that kgo_is_alone() is false, for ever
 *
 * Before anything is changed without a P that kgo_cas_in(), kgo_add_in() and
 * kgo_lock_in() change.  No change that began before is under way afterwards.
 *
 * CONTEXT: no lock held; may sleep where PORT_ALONE is 1.
 */
static inline void kgo_share(void)
{
	if (unlikely(!kgo_is_shared()))
		kgo_alone_end();
}

/*
 * port_cas(), port_add() and port_lock() for words that are changed with
 * in_sched set and a P, or without a P behind kgo_share(), and nowhere else.
 */
static inline bool kgo_cas_in(u32 *p, u32 old, u32 to)
{
	if (!kgo_is_alone())
		return port_cas(p, old, to);
	if (port_load(p) != old)
		return false;
	port_store(p, to);
	return true;
}

static inline u32 kgo_add_in(u32 *p, u32 v)
{
	if (!kgo_is_alone())
		return port_add(p, v);
	v += port_load(p);
	port_store(p, v);
	return v;
}

static inline void kgo_lock_in(kgo_lock_t *lock)
{
	if (!kgo_is_alone() || !port_lock_plain(lock))
		port_lock(lock);
}

static inline void kgo_lock_in_nested(kgo_lock_t *lock)
{
	if (!kgo_is_alone() || !port_lock_plain(lock))
		port_lock_nested(lock);
}

#endif
