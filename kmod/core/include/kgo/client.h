/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Clients: whose goroutines they are.
 */
#ifndef KGO_CLIENT_H
#define KGO_CLIENT_H

#include "go.h"
#include "reserve.h"

struct kgo_ctx;

/**
 * struct kgo_client - Who has goroutines: a module, a library, a plugin
 * @ctx: private: cancelled when it fails or ends
 * @name: private: what the tables show
 * @live: private: goroutines, and one for the client itself
 * @over: private: a semaphore: nobody lives
 * @err: private: what it failed with
 *
 * A goroutine that was started through a client belongs to it, and so do all
 * that this one starts, and those.
 */
struct kgo_client {
	struct kgo_ctx	*ctx;
	const char	*name;
	unsigned int	live;
	unsigned int	over;
	int		err;
};

/**
 * kgo_client_init_at() - Begin to have goroutines; use kgo_client_init()
 * @site: static record of the calling place, or NULL
 * @cl: the client
 * @name: its name, not copied
 *
 * CONTEXT: anywhere that may sleep.
 * Return: 0; -ENOMEM; -ESRCH if no runtime runs.
 */
int kgo_client_init_at(const struct kgo_site *site, struct kgo_client *cl,
		       const char *name);

/** kgo_client_init() - Begin to have goroutines; in the kernel with THIS_MODULE */
#define kgo_client_init(cl, name)					\
	kgo_client_init_at(KGO_SITE(0), (cl), (name))

/**
 * kgo_client_go_at() - Start a goroutine of a client; use kgo_client_go()
 * @site: static record of the calling place, or NULL
 * @cl: the client
 * @fn: what it runs
 * @arg: passed to @fn; stays the caller's
 * @attr: NULL for the defaults
 *
 * CONTEXT: as kgo_go_at().
 * Return: as kgo_go_at(); -ESHUTDOWN if the client has ended.
 */
int kgo_client_go_at(const struct kgo_site *site, struct kgo_client *cl,
		     void (*fn)(void *), void *arg, const struct kgo_attr *attr);

/** kgo_client_go() - Start a goroutine of a client that runs fn(arg) */
#define kgo_client_go(cl, fn, arg)					\
	kgo_client_go_at(KGO_SITE(#fn), (cl), (fn), (arg), NULL)

/**
 * kgo_client_go_reserved_at() - Likewise, of a reserve; use kgo_client_go_reserved()
 * @site: static record of the calling place, or NULL
 * @cl: the client
 * @r: the reserve
 * @fn: what it runs
 * @arg: passed to @fn; stays the caller's
 *
 * CONTEXT: any.
 * Return: as kgo_go_reserved_at(); -ESHUTDOWN if the client has ended.
 */
int kgo_client_go_reserved_at(const struct kgo_site *site,
			      struct kgo_client *cl, struct kgo_reserve *r,
			      void (*fn)(void *), void *arg);

/** kgo_client_go_reserved() - Start one of a reserve's goroutines for a client */
#define kgo_client_go_reserved(cl, r, fn, arg)				\
	kgo_client_go_reserved_at(KGO_SITE(#fn), (cl), (r), (fn), (arg))

/**
 * kgo_client_ctx() - The context of a client
 * @cl: the client, which keeps it
 *
 * Cancelled by kgo_client_exit(), and when the client fails, with the cause.
 * CONTEXT: any.
 */
struct kgo_ctx *kgo_client_ctx(struct kgo_client *cl);

/**
 * kgo_client_fail() - A client cannot go on
 * @cl: the client
 * @err: why, negative; the first one counts
 *
 * Its context is cancelled.  In the kernel this is also what a panic does that
 * nobody recovers in one of its goroutines, with -ENOTRECOVERABLE.
 * CONTEXT: a goroutine, or a thread that may sleep.
 */
void kgo_client_fail(struct kgo_client *cl, int err);

/** kgo_client_err() - What a client failed with, or 0.  CONTEXT: any. */
int kgo_client_err(struct kgo_client *cl);

/**
 * kgo_client_exit() - Have no goroutines any more
 * @cl: the client; nobody but its own goroutines starts any more
 *
 * Cancels its context, and waits until all its goroutines have ended.  When it
 * returns none of them will execute an instruction of the client's code again,
 * which may be unloaded then.
 * CONTEXT: a goroutine, which parks, or a thread that may sleep.
 * Return: 0; -EDEADLK, and nothing is done, in a goroutine of @cl itself.
 */
int kgo_client_exit(struct kgo_client *cl);

#endif
