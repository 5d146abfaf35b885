// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Errgroup: goroutines that work on one thing, of which the first error counts.
 * What golang.org/x/sync/errgroup does.
 *
 * Nothing is allocated for a goroutine: what the group must hear of is its
 * task (task.c).  The limit is a semaphore, of which each goroutine holds one.
 *
 * A goroutine's error is kept in its task until it ends: one without a stack
 * has functions that go on when the first has returned, and what goes on has no
 * result (kgo_next_fn).  So they say it, by kgo_errgroup_fail().
 *
 * Rejected: functions of its own for groups to go on with, that return an
 * error.  Each ..._then() call would be there twice.
 *
 * Rejected: to have kgo_errgroup_wait() panic with what a goroutine panicked
 * with (x/sync had it, and took it back): the others may never end, and the
 * stack that shows where it was is gone.
 */
#include "task.h"

struct kgo_ctx *kgo_errgroup_with_context(struct kgo_errgroup *g,
					  struct kgo_ctx *parent)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(parent);

	if (!ctx)
		return NULL;
	g->ctx = ctx;
	return kgo_ctx_get(ctx);
}

void kgo_errgroup_set_limit(struct kgo_errgroup *g, int n)
{
	static const char busy[] =
		"errgroup: modify limit while goroutines in the group are still active";

	if (g->limited && g->sem.used) {
		kgo_panic_rt(busy);
		return;
	}
	g->limited = n >= 0;
	kgo_semaphore_init(&g->sem, n);
}

static void body(void *arg)
{
	struct kgo_task *task = kgo_task_self();
	int (*fn)(void *arg) = (int (*)(void *))(unsigned long)task->call;
	int ret;

	/* The tables show whom it is for. */
	port_store(&port_self()->curg->d.fn, (u64)(unsigned long)fn);
	ret = fn(arg);
	if (!task->ret)
		task->ret = ret;
}

static void done(struct kgo_errgroup *g)
{
	if (g->limited)
		kgo_semaphore_release(&g->sem, 1);
	/* The last access: who waits may free the group. */
	kgo_wg_done(&g->wg);
}

static void end(struct kgo_task *task)
{
	struct kgo_errgroup *g = task->owner;

	if (task->ret && port_cas(&g->err, 0, task->ret) && g->ctx)
		kgo_ctx_cancel(g->ctx, task->ret);
	done(g);
}

int kgo_errgroup_fail(int err)
{
	struct kgo_g *g = kgo_self_g();

	if (!g || !g->x || g->x->task.end != end)
		return -EINVAL;
	if (!g->x->task.ret)
		g->x->task.ret = err;
	return 0;
}

/* With one of the semaphore, if there is a limit. */
static int start(const struct kgo_site *site, struct kgo_errgroup *g,
		 int (*fn)(void *), void *arg, struct kgo_birth *birth)
{
	const struct kgo_task task = {
		.end = end,
		.owner = g,
		.call = (void *)(unsigned long)fn,
	};
	int ret;

	birth->task = &task;
	kgo_wg_add(&g->wg, 1);
	ret = kgo_go_birth(site, body, arg, birth);
	if (ret)
		done(g);
	return ret;
}

int kgo_errgroup_go_attr_at(const struct kgo_site *site, struct kgo_errgroup *g,
			    int (*fn)(void *arg), void *arg,
			    const struct kgo_attr *attr)
{
	struct kgo_birth birth = { .task = NULL };
	int ret;

	port_might_park("kgo_errgroup_go_at");
	ret = fn ? kgo_birth_attr(&birth, attr) : -EINVAL;
	if (ret)
		return ret;
	if (g->limited)
		kgo_semaphore_acquire(&g->sem, NULL, 1);
	return start(site, g, fn, arg, &birth);
}

int kgo_errgroup_go_at(const struct kgo_site *site, struct kgo_errgroup *g,
		       int (*fn)(void *arg), void *arg)
{
	return kgo_errgroup_go_attr_at(site, g, fn, arg, NULL);
}

int kgo_errgroup_try_go_attr_at(const struct kgo_site *site,
				struct kgo_errgroup *g, int (*fn)(void *arg),
				void *arg, const struct kgo_attr *attr)
{
	struct kgo_birth birth = { .task = NULL };
	int ret = fn ? kgo_birth_attr(&birth, attr) : -EINVAL;

	if (ret)
		return ret;
	if (g->limited && !kgo_semaphore_try_acquire(&g->sem, 1))
		return -EBUSY;
	return start(site, g, fn, arg, &birth);
}

int kgo_errgroup_try_go_at(const struct kgo_site *site, struct kgo_errgroup *g,
			   int (*fn)(void *arg), void *arg)
{
	return kgo_errgroup_try_go_attr_at(site, g, fn, arg, NULL);
}

int kgo_errgroup_wait(struct kgo_errgroup *g)
{
	struct kgo_ctx *ctx = g->ctx;
	int err;

	port_might_park(__func__);
	kgo_wg_wait(&g->wg);
	err = port_load(&g->err);
	if (ctx) {
		g->ctx = NULL;
		kgo_ctx_cancel(ctx, err);
		kgo_ctx_put(ctx);
	}
	return err;
}
