/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Errgroup: goroutines that work on one thing, of which the first error counts.
 */
#ifndef KGO_ERRGROUP_H
#define KGO_ERRGROUP_H

#include "semaphore.h"
#include "sync.h"

struct kgo_attr;

/**
 * struct kgo_errgroup - A group of goroutines; all-zero is ready
 * @wg: private
 * @sem: private
 * @ctx: private
 * @err: private
 * @limited: private
 */
struct kgo_errgroup {
	struct kgo_wg wg;
	struct kgo_semaphore sem;
	struct kgo_ctx *ctx;
	int err;
	unsigned int limited;
};

/**
 * kgo_errgroup_with_context() - Give a group a context
 * @g: the group, without goroutines yet
 * @parent: the context that the new one is made from
 *
 * It is cancelled when the first goroutine of the group fails, with its error
 * as the cause, and by kgo_errgroup_wait().
 * CONTEXT: a goroutine.
 * Return: a reference of the caller's own, or NULL without memory.
 */
struct kgo_ctx *kgo_errgroup_with_context(struct kgo_errgroup *g,
					  struct kgo_ctx *parent);

/**
 * kgo_errgroup_set_limit() - Bound the goroutines that run at one time
 * @g: the group; to change its limit while some run panics
 * @n: how many; negative: no bound; 0: none at all
 *
 * CONTEXT: a goroutine; does not park.
 */
void kgo_errgroup_set_limit(struct kgo_errgroup *g, int n);

/**
 * kgo_errgroup_go_at() - Start a goroutine of a group; use kgo_errgroup_go()
 * @site: static record of the calling place, or NULL
 * @g: the group
 * @fn: returns 0 or its error, -errno mostly
 * @arg: passed to @fn
 *
 * If @fn ends by kgo_exit() that alone is no error.  A panic that it does not recover
 * ends the program, as in any goroutine.
 * CONTEXT: a goroutine; parks while as many as the limit says run.
 * Return: as kgo_go_at(): it was not started then, and that is not an error of
 * the group.
 */
int kgo_errgroup_go_at(const struct kgo_site *site, struct kgo_errgroup *g,
		       int (*fn)(void *arg), void *arg);

/**
 * kgo_errgroup_try_go_at() - kgo_errgroup_go_at() that does not park; use
 * kgo_errgroup_try_go()
 * @site: as there
 * @g: as there
 * @fn: as there
 * @arg: as there
 *
 * CONTEXT: a goroutine.  Return: also -EBUSY if as many as the limit says run.
 */
int kgo_errgroup_try_go_at(const struct kgo_site *site, struct kgo_errgroup *g,
			   int (*fn)(void *arg), void *arg);

/**
 * kgo_errgroup_go_attr_at() - kgo_errgroup_go_at() with a struct kgo_attr; use
 * kgo_errgroup_go_attr()
 * @site: as there
 * @g: as there
 * @fn: as there; what its last function has to say, with %KGO_ATTR_STACKLESS,
 *	it says by kgo_errgroup_fail()
 * @arg: as there
 * @attr: NULL for the defaults
 *
 * CONTEXT: as kgo_errgroup_go_at().
 * Return: as there; -EINVAL for a bad @attr comes at once.
 */
int kgo_errgroup_go_attr_at(const struct kgo_site *site, struct kgo_errgroup *g,
			    int (*fn)(void *arg), void *arg,
			    const struct kgo_attr *attr);

/**
 * kgo_errgroup_try_go_attr_at() - kgo_errgroup_try_go_at() with a struct
 * kgo_attr; use kgo_errgroup_try_go_attr()
 * @site: as there
 * @g: as there
 * @fn: as for kgo_errgroup_go_attr_at()
 * @arg: as there
 * @attr: NULL for the defaults
 *
 * CONTEXT and Return: as kgo_errgroup_try_go_at().
 */
int kgo_errgroup_try_go_attr_at(const struct kgo_site *site,
				struct kgo_errgroup *g, int (*fn)(void *arg),
				void *arg, const struct kgo_attr *attr);

/**
 * kgo_errgroup_fail() - The calling goroutine of a group has failed
 * @err: its error; 0 says nothing
 *
 * As if its function, which may have returned (without a stack) or not get to
 * that (kgo_exit()), returned @err.  The group hears of it when the goroutine
 * ends; the first error of one counts.
 * CONTEXT: a goroutine; does not park.
 * Return: 0; -EINVAL if a group has not started it.
 */
int kgo_errgroup_fail(int err);

/** kgo_errgroup_go() - Start a goroutine of @g that runs fn(arg) */
#define kgo_errgroup_go(g, fn, arg)					\
	kgo_errgroup_go_at(KGO_SITE(#fn), (g), (fn), (arg))

/** kgo_errgroup_try_go() - kgo_errgroup_go() that does not park */
#define kgo_errgroup_try_go(g, fn, arg)					\
	kgo_errgroup_try_go_at(KGO_SITE(#fn), (g), (fn), (arg))

/** kgo_errgroup_go_attr() - kgo_errgroup_go() with a struct kgo_attr */
#define kgo_errgroup_go_attr(g, fn, arg, attr)				\
	kgo_errgroup_go_attr_at(KGO_SITE(#fn), (g), (fn), (arg), (attr))

/** kgo_errgroup_try_go_attr() - kgo_errgroup_try_go() with a struct kgo_attr */
#define kgo_errgroup_try_go_attr(g, fn, arg, attr)			\
	kgo_errgroup_try_go_attr_at(KGO_SITE(#fn), (g), (fn), (arg), (attr))

/**
 * kgo_errgroup_wait() - Wait until all goroutines of a group have ended
 * @g: the group; its context is cancelled and not the group's any more
 *
 * CONTEXT: a goroutine; parks.
 * Return: the first error, 0 without.
 */
int kgo_errgroup_wait(struct kgo_errgroup *g);

#endif
