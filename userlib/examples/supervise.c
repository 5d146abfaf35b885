// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * supervise - a tree of supervisors that keeps a service up
 *
 *	root (one for one)
 *	 +- clock
 *	 `- storage (rest for one)
 *	     +- disk
 *	     +- cache	panics twice: it and what was started after it, the
 *	     |		web, start again, the disk does not notice
 *	     `- web
 *
 * Each child gets a context and ends when that is cancelled, so that the whole
 * tree is stopped by one call, which says who did not end in time.
 */
#include <stdio.h>
#include <string.h>

#include <kgo.h>

#define MS	1000000LL

static struct kgo_chan *up;	/* closed when the cache has had its troubles */
static int troubles;

static int serve(struct kgo_ctx *ctx, void *arg)
{
	(void)arg;
	kgo_chan_recv(kgo_ctx_done(ctx), NULL);
	return 0;
}

/* Only one of it runs at a time. */
static int cache(struct kgo_ctx *ctx, void *arg)
{
	(void)arg;
	if (troubles++ < 2)
		kgo_panic("out of luck");
	kgo_chan_close(up);
	return serve(ctx, NULL);
}

static int add(struct kgo_sup *sup, int (*fn)(struct kgo_ctx *ctx, void *arg), void *arg)
{
	struct kgo_sup_child child;

	memset(&child, 0, sizeof(child));	/* permanent: always started again */
	child.start = fn;
	child.arg = arg;
	return kgo_sup_add(sup, &child);
}

static int run(struct kgo_sup *root, struct kgo_sup *storage)
{
	int disk = add(storage, serve, NULL);
	int cached = add(storage, cache, NULL);
	int web = add(storage, serve, NULL);
	size_t late = 4;
	int ids[4], err;

	if (disk < 0 || cached < 0 || web < 0 || add(root, serve, NULL) < 0 ||
	    add(root, kgo_sup_run, storage) < 0)
		return 1;
	err = kgo_sup_start(root, kgo_ctx_background());
	if (err)
		return 1;
	kgo_chan_recv(up, NULL);
	err = kgo_sup_stop(root, 10000 * MS, ids, &late);
	printf("started: disk %llu, cache %llu, web %llu; %zu late\n",
	       kgo_sup_starts(storage, disk), kgo_sup_starts(storage, cached),
	       kgo_sup_starts(storage, web), late);
	return err ? 1 : 0;
}

static int service(void *arg)
{
	struct kgo_sup_attr attr;
	struct kgo_sup *root, *storage;
	int ret = 1;

	(void)arg;
	memset(&attr, 0, sizeof(attr));
	attr.strategy = KGO_SUP_REST_FOR_ONE;
	attr.max_restarts = 5;		/* in any minute: then it fails itself */
	attr.period_ns = 60000 * MS;
	attr.backoff_ns = MS;
	storage = kgo_sup_new(&attr);
	root = kgo_sup_new(NULL);
	up = kgo_chan_make(0, 0);
	if (root && storage && up)
		ret = run(root, storage);
	kgo_sup_put(root);
	kgo_sup_put(storage);
	kgo_chan_free(up);
	return ret;
}

int main(void)
{
	return kgo_leak_main(service, NULL, NULL);
}
