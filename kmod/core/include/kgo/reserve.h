/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Reserves: goroutines that can be started anywhere, at once.
 */
#ifndef KGO_RESERVE_H
#define KGO_RESERVE_H

#include "go.h"

struct kgo_client;
struct kgo_stock;

/**
 * struct kgo_reserve - Room for goroutines that was made beforehand
 * @stock: private
 */
struct kgo_reserve {
	struct kgo_stock *stock;
};

/**
 * kgo_reserve_init() - Make room for goroutines
 * @r: the reserve
 * @n: how many of them can live at a time, at least 1
 *
 * With each goes all that a goroutine needs: a place in the table, and in a
 * program a stack of the default size.  It stays the reserve's until
 * kgo_reserve_destroy().
 * CONTEXT: anywhere that may sleep.
 * Return: 0; -EINVAL for no goroutines; -ENOMEM; -EAGAIN if the table of
 * goroutines is full; -ESRCH if no runtime runs.
 */
int kgo_reserve_init(struct kgo_reserve *r, unsigned int n);

/**
 * kgo_go_reserved_at() - Start one of a reserve's goroutines; use kgo_go_reserved()
 * @site: static record of the calling place, or NULL
 * @r: the reserve
 * @fn: what it runs
 * @arg: passed to @fn; stays the caller's
 *
 * Neither allocates nor sleeps.  The place is the reserve's again when the
 * goroutine has ended.
 * CONTEXT: any.
 * Return: 0; -EAGAIN if all its goroutines live; -EINVAL without @fn; in the
 * kernel -ESHUTDOWN if the module of @site is on its way out.
 */
int kgo_go_reserved_at(const struct kgo_site *site, struct kgo_reserve *r,
		       void (*fn)(void *), void *arg);

/** kgo_go_reserved() - Start one of a reserve's goroutines, that runs fn(arg) */
#define kgo_go_reserved(r, fn, arg)					\
	kgo_go_reserved_at(KGO_SITE(#fn), (r), (fn), (arg))

/**
 * kgo_reserve_destroy() - Give the room back
 * @r: the reserve; nobody starts any more; may be one that is all zero
 *
 * Waits until all its goroutines have ended.
 * CONTEXT: anywhere that may sleep, but not one of its goroutines; parks.
 */
void kgo_reserve_destroy(struct kgo_reserve *r);

#endif
