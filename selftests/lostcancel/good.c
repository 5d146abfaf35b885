// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What userlib/tools/lostcancel.cocci must not complain about.
 */
#include <kgo.h>

struct job {
	struct kgo_ctx *ctx;
	int n;
};

int busy(struct kgo_chan *done);
void worker(void *arg);
void take(struct kgo_ctx *ctx);
void fill(struct kgo_ctx **ctx);

int cancels_on_all_paths(struct kgo_ctx *parent);
int cancels_on_all_paths(struct kgo_ctx *parent)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(parent);
	int ret;

	if (!ctx)
		return -1;
	ret = busy(kgo_ctx_done(ctx));
	if (ret)
		goto cancel;
	for (ret = 0; ret < 5; ret++)
		if (kgo_ctx_err(ctx))
			break;
cancel:
	kgo_ctx_cancel(ctx, ret);
	kgo_ctx_put(ctx);
	return ret;
}

struct kgo_ctx *returns_it(struct kgo_ctx *parent);
struct kgo_ctx *returns_it(struct kgo_ctx *parent)
{
	struct kgo_ctx *ctx;

	ctx = kgo_ctx_with_timeout(parent, 1000);
	if (ctx)
		busy(kgo_ctx_done(ctx));
	return ctx;
}

void stores_it(struct kgo_ctx *parent, struct job *job);
void stores_it(struct kgo_ctx *parent, struct job *job)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(parent);

	if (!ctx)
		return;
	job->ctx = ctx;
}

void stores_it_at_once(struct kgo_ctx *parent, struct job *job);
void stores_it_at_once(struct kgo_ctx *parent, struct job *job)
{
	job->ctx = kgo_ctx_with_cancel(parent);
}

void stores_it_in_a_new_one(struct kgo_ctx *parent);
void stores_it_in_a_new_one(struct kgo_ctx *parent)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(parent);
	struct job job = { .ctx = ctx, .n = 1 };

	kgo_go(worker, &job);
	busy(NULL);
}

void passes_it_on(struct kgo_ctx *parent);
void passes_it_on(struct kgo_ctx *parent)
{
	struct kgo_ctx *a = kgo_ctx_with_cancel(parent);
	struct kgo_ctx *b = kgo_ctx_with_cancel(parent);
	struct kgo_ctx *c = kgo_ctx_with_cancel(parent);

	take(a);
	kgo_go(worker, b);
	kgo_ctx_after_put(kgo_ctx_after_func(parent, worker, c));
}

void gives_its_address(struct kgo_ctx *parent);
void gives_its_address(struct kgo_ctx *parent)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(parent);

	fill(&ctx);
}
