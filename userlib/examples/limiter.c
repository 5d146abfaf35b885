// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * limiter - no more than so many requests per second, and a test of that
 *
 *	ticker --ticks--> filler --tokens--> whoever asks
 *
 * Who has a token may go on; a channel keeps as many as may come at one time.
 * Who cannot wait for one for long says so by a context.
 *
 * The test runs in a bubble, whose clock goes on when all wait: what would take
 * 25 ms takes none, and each time is exact.  kgo_leak_main() fails it if a
 * goroutine is left.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <kgo.h>

#define MS	1000000LL

struct limiter {
	struct kgo_chan *tokens;
	struct kgo_ticker *ticker;
	struct kgo_ctx *ctx;		/* cancelled when it is over */
	struct kgo_wg filling;
};

static void fill(void *arg)
{
	struct limiter *l = arg;
	struct kgo_case cases[] = {
		KGO_RECV(kgo_ctx_done(l->ctx), NULL),
		KGO_RECV(kgo_ticker_c(l->ticker), NULL),
	};

	while (kgo_select(cases, 2) == 1)
		kgo_chan_try_send(l->tokens, NULL);	/* full: it is dropped */
}

static void limiter_end(struct limiter *l)
{
	if (l->ctx)
		kgo_ctx_cancel(l->ctx, 0);
	kgo_wg_wait(&l->filling);
	kgo_ctx_put(l->ctx);
	if (l->ticker)
		kgo_ticker_free(l->ticker);
	if (l->tokens)
		kgo_chan_free(l->tokens);
}

/* One each @every nanoseconds, and up to @burst that nobody wanted before. */
static int limiter_begin(struct limiter *l, struct kgo_ctx *parent,
			 size_t burst, long long every)
{
	int err = -ENOMEM;

	memset(l, 0, sizeof(*l));
	l->tokens = kgo_chan_make(0, burst);
	l->ticker = kgo_ticker_new(every);
	l->ctx = kgo_ctx_with_cancel(parent);
	if (l->tokens && l->ticker && l->ctx) {
		while (!kgo_chan_try_send(l->tokens, NULL))
			;
		err = kgo_wg_go(&l->filling, fill, l);
	}
	if (err)
		limiter_end(l);
	return err;
}

/* Return: 0, or why @ctx ended before there was a token. */
static int limiter_wait(struct limiter *l, struct kgo_ctx *ctx)
{
	struct kgo_case cases[] = {
		KGO_RECV(l->tokens, NULL),
		KGO_RECV(kgo_ctx_done(ctx), NULL),
	};

	if (!kgo_select(cases, 2))
		return 0;
	return kgo_ctx_err(ctx);
}

/* It does not wait for longer than 4 ms. */
static int request(struct limiter *l)
{
	struct kgo_ctx *ctx;
	int err;

	ctx = kgo_ctx_with_timeout(kgo_ctx_background(), 4 * MS);
	if (!ctx)
		return -ENOMEM;
	err = limiter_wait(l, ctx);
	kgo_ctx_cancel(ctx, 0);
	kgo_ctx_put(ctx);
	return err;
}

static void requests(void *arg)
{
	unsigned long long begin = kgo_now();
	int *ret = arg, i, err;
	struct limiter l;

	*ret = limiter_begin(&l, kgo_ctx_background(), 3, 5 * MS);
	if (*ret)
		return;
	for (i = 1; i <= 8; i++) {
		err = request(&l);
		printf("%d %s after %llu ms\n", i, err ? "refused" : "served",
		       (kgo_now() - begin) / 1000000);
	}
	limiter_end(&l);
}

static int test(void *arg)
{
	int ret = 0, err;

	(void)arg;
	err = kgo_synctest_run(requests, &ret);
	if (!err)
		err = ret;
	if (err)
		fprintf(stderr, "limiter: %s\n", strerror(-err));
	return err ? 1 : 0;
}

int main(void)
{
	return kgo_leak_main(test, NULL, NULL);
}
