/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Pool: objects that are used again instead of made anew.
 */
#ifndef KGO_POOL_H
#define KGO_POOL_H

#include "sync.h"

struct kgo_pool_slots;

/**
 * struct kgo_pool - A pool of objects; all-zero but for the first three
 * @make: makes one when there is none, may be NULL
 * @drop: called for each object that the pool does not keep, may be NULL
 * @arg: passed to both
 * @slots: private
 * @trim: private
 *
 * It keeps up to 64 objects per processor, in a place of that processor's own.
 * Which one is got is not said, and any may be dropped at any time, so objects
 * must be all alike.
 */
struct kgo_pool {
	void *(*make)(void *arg);
	void (*drop)(void *obj, void *arg);
	void *arg;
	struct kgo_pool_slots *slots;
	struct kgo_mutex trim;
};

/**
 * kgo_pool_get() - Take an object out of a pool
 * @p: the pool
 *
 * CONTEXT: a goroutine; what make() may do.
 * Return: the caller's own; NULL if there is none and make() makes none.
 */
void *kgo_pool_get(struct kgo_pool *p);

/**
 * kgo_pool_put() - Give an object to a pool
 * @p: the pool
 * @obj: the pool's from now on; NULL does nothing
 *
 * Dropped at once if there is no room, or no memory for the pool's first.
 * CONTEXT: a goroutine; what drop() may do.
 */
void kgo_pool_put(struct kgo_pool *p, void *obj);

/**
 * kgo_pool_trim() - Drop what was not used for long
 * @p: the pool
 *
 * What was put before the last call but one, and not got since, is dropped;
 * the rest of what was put before this call becomes the next to go.  Nobody
 * else calls it: a program that has idle times does, from a ticker.  Twice in
 * a row empties the pool.  A stackless goroutine leaves it to another trim that
 * is under way.
 * CONTEXT: a goroutine; may park; what drop() may do.
 */
void kgo_pool_trim(struct kgo_pool *p);

/**
 * kgo_pool_destroy() - Drop all, and the pool's own memory
 * @p: the pool; nobody else uses it.  It may be used again afterwards.
 *
 * CONTEXT: anywhere that may sleep; what drop() may do.
 */
void kgo_pool_destroy(struct kgo_pool *p);

#endif
