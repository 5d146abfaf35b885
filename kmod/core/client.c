// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Clients: all goroutines of somebody, cancelled and waited for as one.
 *
 * What structured concurrency calls a nursery, for a module or a library whose
 * goroutines start others all over its code.
 *
 * Invariants:
 *   - left is the number of goroutines that have it in their extension, and one
 *     more until kgo_client_exit().  A goroutine takes itself off when the last
 *     function that was not the runtime's has returned, and does not touch the
 *     client any more.
 *   - What a goroutine starts is counted before the one that starts it is taken
 *     off, so that left is not zero before all have ended.
 *
 * Rejected: groups (group.c) for it.  They are looked at by leak checks, one
 * inside the other, and take a lock of all; a client counts, and nothing else.
 */
#include "core.h"

int kgo_client_init(struct kgo_client *cl, const void *owner)
{
	memset(cl, 0, sizeof(*cl));
	if (!kgo_rt.r)
		return -ESRCH;
	cl->ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	if (!cl->ctx)
		return -ENOMEM;
	cl->owner = owner;
	cl->left = 1;
	return 0;
}

/**
 * kgo_client_join() - A goroutine belongs to a client from now on
 * @cl: the client; the caller sees to it that it stays
 * @g: not started yet, with an extension
 *
 * CONTEXT: any.
 */
void kgo_client_join(struct kgo_client *cl, struct kgo_g *g)
{
	port_add(&cl->left, 1);
	g->x->client = cl;
}

static void quit(struct kgo_client *cl)
{
	/* Not touched any more by who is not the last. */
	if (!port_add(&cl->left, -1U))
		kgo_sema_release(&cl->over, false);
}

/**
 * kgo_client_quit() - A goroutine has ended, or was not started
 * @x: its extension
 *
 * CONTEXT: outside of enter_sched.
 */
void kgo_client_quit(struct kgo_gx *x)
{
	struct kgo_client *cl = x->client;

	x->client = NULL;
	if (cl)
		quit(cl);
}

/**
 * kgo_client_fail() - The calling goroutine ends by a panic
 * @g: it
 *
 * CONTEXT: the goroutine, outside of enter_sched.
 */
void kgo_client_fail(struct kgo_g *g)
{
	if (g->x && g->x->client)
		kgo_ctx_cancel(g->x->client->ctx, -ENOTRECOVERABLE);
}

/* Nobody who starts one meanwhile is overtaken by the exit. */
static bool enter(struct kgo_client *cl)
{
	port_add(&cl->left, 1);
	/* A full barrier; pairs with the exchange in kgo_client_exit(). */
	if (likely(!port_load(&cl->closing)))
		return true;
	quit(cl);
	return false;
}

int kgo_client_go_at(const struct kgo_site *site, struct kgo_client *cl,
		     void (*fn)(void *), void *arg, const struct kgo_attr *attr)
{
	struct kgo_birth birth = { .client = cl };
	int ret = kgo_birth_attr(&birth, attr);

	if (ret)
		return ret;
	if (!enter(cl))
		return -ESHUTDOWN;
	ret = kgo_go_birth(site, fn, arg, &birth);
	quit(cl);
	return ret;
}

int kgo_client_go_reserved_at(const struct kgo_site *site, struct kgo_client *cl,
			      struct kgo_reserve *r, void (*fn)(void *), void *arg)
{
	const struct kgo_birth birth = { .client = cl };
	int ret;

	if (!enter(cl))
		return -ESHUTDOWN;
	ret = kgo_go_stock(site, r, fn, arg, &birth);
	quit(cl);
	return ret;
}

struct kgo_ctx *kgo_client_ctx(struct kgo_client *cl)
{
	return cl->ctx;
}

int kgo_client_err(struct kgo_client *cl)
{
	return kgo_ctx_cause(cl->ctx);
}

void kgo_client_exit(struct kgo_client *cl)
{
	if (!cl->ctx)
		return;
	port_xchg(&cl->closing, 1);
	kgo_ctx_cancel(cl->ctx, -ESHUTDOWN);
	if (port_add(&cl->left, -1U))
		kgo_sema_wait(&cl->over);
	kgo_ctx_put(cl->ctx);
	cl->ctx = NULL;
}
