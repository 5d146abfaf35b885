/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Clients: all goroutines of somebody, cancelled and waited for as one.
 */
#ifndef KGO_CLIENT_H
#define KGO_CLIENT_H

#include "context.h"
#include "go.h"
#include "reserve.h"

/**
 * struct kgo_client - A group of goroutines that end together
 * @owner: private: whose it is, for the tables
 * @ctx: private
 * @left: private: those that live, and one more until kgo_client_exit()
 * @over: private: a semaphore, left is zero
 * @closing: private
 *
 * A goroutine that is started by kgo_client_go() belongs to it, and so does
 * what that one starts in turn.  A kernel module has one for all its
 * goroutines, and its exit calls kgo_client_exit().
 */
struct kgo_client {
	const void *owner;
	struct kgo_ctx *ctx;
	unsigned int left;
	unsigned int over;
	unsigned int closing;
};

/**
 * kgo_client_init() - Make a client
 * @cl: the client
 * @owner: THIS_MODULE in the kernel; NULL in a program
 *
 * CONTEXT: anywhere that may sleep.
 * Return: 0; -ENOMEM; -ESRCH if no runtime runs.
 */
int kgo_client_init(struct kgo_client *cl, const void *owner);

/**
 * kgo_client_go_at() - Start a goroutine of a client; use kgo_client_go()
 * @site: static record of the calling place, or NULL
 * @cl: the client
 * @fn: what it runs
 * @arg: passed to @fn; stays the caller's
 * @attr: NULL for the defaults
 *
 * CONTEXT: as kgo_go_at().
 * Return: as kgo_go_at(); -ESHUTDOWN once kgo_client_exit() was called.
 */
int kgo_client_go_at(const struct kgo_site *site, struct kgo_client *cl,
		     void (*fn)(void *), void *arg, const struct kgo_attr *attr);

/** kgo_client_go() - Start a goroutine of a client, that runs fn(arg) */
#define kgo_client_go(cl, fn, arg)					\
	kgo_client_go_at(KGO_SITE(#fn), (cl), (fn), (arg), NULL)

/** kgo_client_go_attr() - kgo_client_go() with a struct kgo_attr */
#define kgo_client_go_attr(cl, fn, arg, attr)				\
	kgo_client_go_at(KGO_SITE(#fn), (cl), (fn), (arg), (attr))

/**
 * kgo_client_go_reserved_at() - kgo_go_reserved() of a client; use the macro
 * @site: as there
 * @cl: the client
 * @r: the reserve
 * @fn: as there
 * @arg: as there
 *
 * CONTEXT: any.
 * Return: as kgo_go_reserved(); -ESHUTDOWN as kgo_client_go().
 */
int kgo_client_go_reserved_at(const struct kgo_site *site, struct kgo_client *cl,
			      struct kgo_reserve *r, void (*fn)(void *), void *arg);

/** kgo_client_go_reserved() - Start a goroutine of a client from a reserve */
#define kgo_client_go_reserved(cl, r, fn, arg)				\
	kgo_client_go_reserved_at(KGO_SITE(#fn), (cl), (r), (fn), (arg))

/**
 * kgo_client_ctx() - The context of a client
 * @cl: the client, not past its exit
 *
 * Cancelled by kgo_client_exit(), and when one of its goroutines ends by a
 * panic that nobody recovers, with -ENOTRECOVERABLE as the cause.
 * CONTEXT: any.  Return: the client's own reference.
 */
struct kgo_ctx *kgo_client_ctx(struct kgo_client *cl);

/**
 * kgo_client_err() - Has one of a client's goroutines failed?
 * @cl: the client, not past its exit
 *
 * CONTEXT: as kgo_ctx_cause().
 * Return: 0, or the cause of its context.
 */
int kgo_client_err(struct kgo_client *cl);

/**
 * kgo_client_exit() - Cancel all of a client's goroutines and wait for them
 * @cl: the client; one that is all zero has nothing to end
 *
 * When it returns none of them is in any code but the runtime's, so that what
 * they ran can be unloaded.  It is for them to heed their context.
 * CONTEXT: anywhere that may sleep, but not one of its goroutines; parks.
 */
void kgo_client_exit(struct kgo_client *cl);

#endif
