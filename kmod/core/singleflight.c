// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Singleflight: of several who want the same thing at one time one gets it, and
 * all have it.  What golang.org/x/sync/singleflight does.
 *
 * A call that is under way is a record on the stack of the one who makes it
 * (or, for do_chan, in memory of its own), in a tree by the hash of its key.
 * Who comes with the same key puts a waiter of its own on the call's list, and
 * finds the result there when it is woken.  So nothing is counted, and nothing
 * is allocated but for those who do not wait on a stack.
 *
 * Invariants:
 *   - A call is in the tree from its start until it is finished or forgotten;
 *     its list grows only while it is there, under mu.  What is not in the tree
 *     any more belongs to the one who makes the call.
 *   - A key is looked at only while its call is in the tree.
 *
 * Rejected: a panic, or an end by kgo_exit(), in all who wait for a call that
 * ended so (x/sync).  The value may lie in a frame that is gone by then, and a
 * goroutine that only waits had no chance to say that it wants to go on.
 */
#include "bubble.h"
#include "dst.h"
#include "task.h"

struct flight_call {
	struct kgo_dst	node;		/* Q: f->mu */
	struct kgo_list	waiters;	/* Q: f->mu while it is in the tree */
	u32		joined;		/* Q: likewise; how many beside the first */
	bool		listed;		/* Q: f->mu: is in the tree */
	struct kgo_flight *f;		/* C */
	const void	*key;		/* C */
	size_t		len;		/* C */
	int		(*fn)(void *arg, void **val);	/* C */
	void		*arg;		/* C */
	void		*val;		/* who makes the call */
	int		err;		/* who makes the call */
};

struct flight_waiter {
	struct kgo_list	link;
	u32		sema;
	struct kgo_chan	*c;		/* then it is in allocated memory */
	struct kgo_flight_result res;
};

/* FNV-1a (Fowler, Noll, Vo), and its bits stirred once more for the tree. */
static u64 hash(const void *key, size_t len)
{
	const unsigned char *s = key;
	u64 h = 0xcbf29ce484222325ULL;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ s[i]) * 0x100000001b3ULL;
	return (h ^ (h >> 32)) * 0x9e3779b97f4a7c15ULL;
}

static struct flight_call *of_node(struct kgo_dst *n)
{
	return container_of(n, struct flight_call, node);
}

static bool is_key(const struct flight_call *call, u64 h, const void *key,
		   size_t len)
{
	return call->node.hash == h && call->len == len &&
	       (!len || !memcmp(call->key, key, len));
}

/* Points to the call with this key, or to where one belongs. */
static struct kgo_dst **find(struct kgo_flight *f, u64 h, const void *key,
			     size_t len)
{
	struct kgo_dst **link = &f->calls;
	u64 bits = h;

	while (*link && !is_key(of_node(*link), h, key, len))
		link = kgo_dst_step(link, &bits);
	return link;
}

/* With f->mu locked: join a call, or make @call the one to be joined. */
static bool join(struct flight_call *call, struct flight_waiter *w)
{
	struct kgo_flight *f = call->f;
	u64 h = hash(call->key, call->len);
	struct kgo_dst **link = find(f, h, call->key, call->len);
	struct flight_call *first;

	if (*link) {
		first = of_node(*link);
		first->joined++;
		if (w)
			kgo_list_push_back(&first->waiters, &w->link);
		return true;
	}
	call->node.hash = h;
	kgo_list_init(&call->waiters);
	kgo_dst_insert(link, &call->node);
	call->listed = true;
	return false;
}

static void unlist(struct kgo_dst **link)
{
	of_node(*link)->listed = false;
	kgo_dst_remove(link);
}

static void finish(void *arg)
{
	struct flight_call *call = arg;
	struct kgo_flight *f = call->f;
	struct flight_waiter *w;
	struct kgo_list *l;

	kgo_mutex_lock_own(&f->mu);
	if (call->listed)
		unlist(find(f, call->node.hash, call->key, call->len));
	kgo_mutex_unlock(&f->mu);

	while ((l = kgo_list_pop_front(&call->waiters))) {
		w = container_of(l, struct flight_waiter, link);
		w->res.val = call->val;
		w->res.err = call->err;
		w->res.shared = call->joined;
		if (w->c) {
			kgo_chan_send(w->c, &w->res);
			port_free(w);
		} else {
			kgo_sema_release(&w->sema, false);
		}
	}
}

int kgo_flight_do(struct kgo_flight *f, const void *key, size_t len,
		  int (*fn)(void *arg, void **val), void *arg,
		  struct kgo_flight_result *res)
{
	struct flight_call call = {
		.f = f, .key = key, .len = len,
		.err = -ECANCELED,
	};
	struct flight_waiter w = { .sema = 0 };
	struct kgo_g *g = kgo_self_g();
	bool joined;

	port_might_park(__func__);
	/* Before it can be found by who has the result. */
	if (unlikely(g && kgo_is_stackless(g)))
		return kgo_cont_refuse(KGO_WAIT_SEMACQUIRE);

	kgo_mutex_lock_own(&f->mu);
	joined = join(&call, &w);
	kgo_mutex_unlock(&f->mu);
	if (joined) {
		kgo_bubble_inside(g, true);
		kgo_sema_acquire(&w.sema, KGO_WAIT_WAITGROUP, false);
	} else {
		KGO_SCOPE {
			kgo_defer(finish, &call);
			call.err = fn(arg, &call.val);
		}
		w.res.val = call.val;
		w.res.err = call.err;
		w.res.shared = call.joined;
	}
	if (res)
		*res = w.res;
	return w.res.err;
}

static void chan_body(void *arg)
{
	struct flight_call *call = arg;

	/* The tables show whom it is for. */
	port_store(&port_self()->curg->d.fn, (u64)(unsigned long)call->fn);
	call->err = call->fn(call->arg, &call->val);
}

static void chan_end(struct kgo_task *task)
{
	finish(task->owner);
	port_free(task->owner);
}

int kgo_flight_do_chan_at(const struct kgo_site *site, struct kgo_flight *f,
			  const void *key, size_t len,
			  int (*fn)(void *arg, void **val), void *arg,
			  struct kgo_chan *c)
{
	struct kgo_task task = { .end = chan_end };
	struct flight_waiter *w = NULL;
	struct flight_call *call;
	bool joined;
	int ret;

	port_might_wait(__func__);
	/* Both before anybody can join. */
	call = port_alloc(sizeof(*call) + len);
	if (!call)
		return -ENOMEM;
	if (c) {
		w = port_alloc(sizeof(*w));
		if (!w) {
			port_free(call);
			return -ENOMEM;
		}
		w->c = c;
	}
	if (len)
		memcpy(call + 1, key, len);
	call->f = f;
	call->key = call + 1;
	call->len = len;
	call->fn = fn;
	call->arg = arg;
	call->err = -ECANCELED;

	kgo_mutex_lock_own(&f->mu);
	joined = join(call, w);
	if (!joined && w)
		kgo_list_push_back(&call->waiters, &w->link);
	kgo_mutex_unlock(&f->mu);
	if (joined) {
		port_free(call);
		return 0;
	}
	task.owner = call;
	ret = kgo_go_task(site, chan_body, call, &task);
	if (!ret)
		return 0;

	/* Who has joined meanwhile is told. */
	kgo_mutex_lock_own(&f->mu);
	if (w)
		kgo_list_del(&w->link);
	kgo_mutex_unlock(&f->mu);
	port_free(w);
	call->err = ret;
	finish(call);
	port_free(call);
	return ret;
}

void kgo_flight_forget(struct kgo_flight *f, const void *key, size_t len)
{
	struct kgo_dst **link;

	port_might_wait(__func__);
	kgo_mutex_lock_own(&f->mu);
	link = find(f, hash(key, len), key, len);
	if (*link)
		unlist(link);
	kgo_mutex_unlock(&f->mu);
}
