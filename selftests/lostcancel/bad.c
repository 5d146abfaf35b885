// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What userlib/tools/lostcancel.cocci must find: each line that is marked, and
 * no other.  See lint.sh.
 */
#include <kgo.h>

int busy(struct kgo_chan *done);

int put_only(struct kgo_ctx *parent);
int put_only(struct kgo_ctx *parent)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(parent);	/* lost */
	int ret;

	if (!ctx)
		return -1;
	ret = busy(kgo_ctx_done(ctx));
	kgo_ctx_put(ctx);
	return ret;
}

int early_return(struct kgo_ctx *parent);
int early_return(struct kgo_ctx *parent)
{
	struct kgo_ctx *ctx;

	ctx = kgo_ctx_with_timeout(parent, 1000);		/* lost */
	if (!ctx)
		return -1;
	if (busy(kgo_ctx_done(ctx))) {
		kgo_ctx_put(ctx);
		return -2;
	}
	kgo_ctx_cancel(ctx, 0);
	kgo_ctx_put(ctx);
	return 0;
}

void falls_off_the_end(struct kgo_ctx *parent);
void falls_off_the_end(struct kgo_ctx *parent)
{
	struct kgo_ctx *ctx = kgo_ctx_with_deadline(parent, 5);	/* lost */

	kgo_ctx_put(ctx);
}

void cancelled_sometimes(struct kgo_ctx *parent);
void cancelled_sometimes(struct kgo_ctx *parent)
{
	struct kgo_ctx *ctx;

	ctx = kgo_ctx_with_cancel(parent);			/* lost */
	if (busy(NULL))
		kgo_ctx_cancel(ctx, 0);
	kgo_ctx_put(ctx);
}

int jumps_over_it(struct kgo_ctx *parent);
int jumps_over_it(struct kgo_ctx *parent)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(parent);	/* lost */
	int ret = busy(NULL);

	if (ret)
		goto put;
	kgo_ctx_cancel(ctx, 0);
put:
	kgo_ctx_put(ctx);
	return ret;
}

/* That the child is cancelled does not help the parent. */
void cancels_the_child(struct kgo_ctx *parent);
void cancels_the_child(struct kgo_ctx *parent)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(parent);	/* lost */
	struct kgo_ctx *child = kgo_ctx_with_cancel(ctx);

	kgo_ctx_cancel(child, 0);
	kgo_ctx_put(child);
	kgo_ctx_put(ctx);
}
