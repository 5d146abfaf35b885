// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Clients: goroutines that are waited for together, because the code that they
 * run is to go: a kernel module's, or that of a library which is closed.
 *
 * Groups (group.c) say whose a goroutine is to those who look for leaks: one is
 * out of its group before those hear of its end who wait for it.  Here it is the
 * other way round: a goroutine leaves its client last of all, when nothing of
 * the client is called any more, not even for its tasks.  So these are two things.
 *
 * Invariant: live counts the goroutines, and one more until kgo_client_exit().
 * It never comes back from zero.  Whoever brings it to zero lets the exit go
 * on, and does not touch the client any more.
 */
#include "client.h"

int kgo_client_init_at(const struct kgo_site *site, struct kgo_client *cl,
		       const char *name)
{
	memset(cl, 0, sizeof(*cl));
	if (!kgo_rt.r)
		return -ESRCH;
	cl->ctx = kgo_ctx_with_cancel_at(site, kgo_ctx_background());
	if (!cl->ctx)
		return -ENOMEM;
	cl->name = name;
	cl->live = 1;
	return 0;
}

/**
 * kgo_client_join() - A new goroutine belongs to a client
 * @cl: the client
 * @x: extension of the goroutine, which was not started yet
 *
 * CONTEXT: any.  Return: 0, or -ESHUTDOWN if the client has ended.
 */
int kgo_client_join(struct kgo_client *cl, struct kgo_gx *x)
{
	u32 live;

	do {
		live = port_load(&cl->live);
		if (!live)
			return -ESHUTDOWN;
	} while (!port_cas(&cl->live, live, live + 1));
	port_store(&x->client, cl);
	return 0;
}

/**
 * kgo_client_quit() - The calling goroutine ends, and has done all else
 * @x: its extension
 *
 * CONTEXT: outside of enter_sched.
 */
void kgo_client_quit(struct kgo_gx *x)
{
	struct kgo_client *cl = x->client;

	if (!cl)
		return;
	port_store(&x->client, NULL);
	if (!port_add(&cl->live, -1U))
		kgo_sema_release(&cl->over, false);
}

int kgo_client_go_at(const struct kgo_site *site, struct kgo_client *cl,
		     void (*fn)(void *), void *arg, const struct kgo_attr *attr)
{
	struct kgo_birth birth = { .client = cl };
	int ret = kgo_birth_attr(&birth, attr);

	return ret ? ret : kgo_go_birth(site, fn, arg, &birth);
}

struct kgo_ctx *kgo_client_ctx(struct kgo_client *cl)
{
	return cl->ctx;
}

void kgo_client_fail(struct kgo_client *cl, int err)
{
	if (port_cas(&cl->err, 0, err))
		kgo_ctx_cancel_for(cl->ctx, err, cl);
}

int kgo_client_err(struct kgo_client *cl)
{
	return port_load(&cl->err);
}

int kgo_client_exit(struct kgo_client *cl)
{
	struct kgo_g *g = kgo_self_g();

	port_might_wait(__func__);
	if (g && g->x && g->x->client == cl)
		return -EDEADLK;
	if (!cl->ctx)
		return 0;
	kgo_ctx_cancel_for(cl->ctx, 0, cl);
	if (port_add(&cl->live, -1U))
		kgo_sema_wait(&cl->over);
	/* Who reads the tables has done with its name then. */
	port_mb_all();
	kgo_ctx_put(cl->ctx);
	cl->ctx = NULL;
	return 0;
}
