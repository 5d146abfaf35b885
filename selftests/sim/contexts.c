// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Context trees that grow, are cancelled and put by several at one time, while
 * somebody reads the table.
 */
#include "context.h"
#include "sim.h"

#define MAX_NODES	24U
#define MAX_ROUNDS	8U

/* A place in the tree that anybody may fill, use and empty. */
struct node {
	struct kgo_mutex mu;
	struct kgo_ctx	*ctx;		/* under mu; or NULL */
};

static struct {
	struct node	node[MAX_NODES];
	struct kgo_ctx	*top;
	struct kgo_wg	wg;
	u32		n, rounds, stop_reading;
	u32		registered, ran, prevented;
} X;

static const char key;

static void something(void)
{
	switch (sim_below(10)) {
	case 0:
		kgo_yield();
		break;
	case 1:
		sim_block(1 + sim_below(3000));
		break;
	case 2:
		kgo_sleep(1 + sim_below(2000));
		break;
	}
}

static void ran(void *unused)
{
	(void)unused;
	port_add(&X.ran, 1);
}

static struct kgo_ctx *derive(struct kgo_ctx *parent)
{
	switch (sim_below(8)) {
	case 0:
		return kgo_ctx_with_value_at(NULL, parent, &key, &X);
	case 1:
		return kgo_ctx_without_cancel_at(NULL, parent);
	case 2:
	case 3:
		return kgo_ctx_with_timeout_at(NULL, parent, (long long)sim_below(5000) - 500);
	case 4:
		return kgo_ctx_with_timeout_at(NULL, parent, 1000 * NS_PER_S);
	}
	return kgo_ctx_with_cancel_at(NULL, parent);
}

/* What is said of a context agrees with itself. */
static void look_at(struct kgo_ctx *ctx)
{
	int err = kgo_ctx_err(ctx), cause = kgo_ctx_cause(ctx), ret;
	struct kgo_chan *c = kgo_ctx_done(ctx);

	sim_expect(!err || err == -ECANCELED || err == -ETIMEDOUT, "err %d", err);
	sim_expect(!err || cause, "err %d without a cause", err);
	sim_expect(c || !err, "no channel, err %d", err);
	if (!c)
		return;
	/* The error is there first, but not for long. */
	ret = err ? kgo_chan_recv(c, NULL) : kgo_chan_try_recv(c, NULL);
	sim_expect(ret == 0 || (ret == -EAGAIN && !err), "done: %d, err was %d",
		   ret, err);
	sim_expect(ret || kgo_ctx_err(ctx), "done without an error");
}

static struct kgo_ctx *grab(struct node *n)
{
	struct kgo_ctx *ctx;

	kgo_mutex_lock(&n->mu);
	ctx = n->ctx ? kgo_ctx_get(n->ctx) : NULL;
	kgo_mutex_unlock(&n->mu);
	return ctx;
}

static void exchange(struct node *n, struct kgo_ctx *ctx)
{
	struct kgo_ctx *old;

	kgo_mutex_lock(&n->mu);
	old = n->ctx;
	n->ctx = ctx;
	kgo_mutex_unlock(&n->mu);
	kgo_ctx_put(old);
}

static void wait_a_little(struct kgo_ctx *ctx)
{
	int ret = kgo_chan_recv_timeout(kgo_ctx_done(ctx), NULL, 1 + sim_below(5000));

	sim_expect(ret == 0 || ret == -ETIMEDOUT || ret == -ENOMEM, "wait: %d", ret);
	sim_expect(ret || kgo_ctx_err(ctx), "woken, but not cancelled");
}

static void register_func(struct kgo_ctx *ctx)
{
	struct kgo_ctx_after *a;

	/* That one's would never run. */
	if (!kgo_ctx_done(ctx))
		return;
	a = kgo_ctx_after_func_at(NULL, ctx, ran, NULL);
	if (!a) {
		sim_expect(S.nr_failed, "after_func: no memory");
		return;
	}
	port_add(&X.registered, 1);
	something();
	if (sim_chance(0x8000))
		kgo_ctx_after_put(a);
	else
		port_add(&X.prevented, kgo_ctx_after_stop(a));
}

static void gardener(void *unused)
{
	struct kgo_ctx *ctx, *child;
	struct node *n;
	int cause;
	u32 i;

	(void)unused;
	for (i = 0; i < X.rounds; i++) {
		n = &X.node[sim_below(X.n)];
		ctx = grab(n);
		if (!ctx)
			ctx = kgo_ctx_get(X.top);
		switch (sim_below(7)) {
		case 0:
			kgo_ctx_cancel(ctx, 0);
			look_at(ctx);
			break;
		case 1:
			cause = -(int)sim_between(1, 9);
			if (ctx != X.top && kgo_ctx_cancel(ctx, cause) == 1)
				sim_expect(kgo_ctx_cause(ctx) == cause &&
					   kgo_ctx_err(ctx) == -ECANCELED,
					   "cause %d", kgo_ctx_cause(ctx));
			break;
		case 2:
			exchange(n, NULL);
			break;
		case 3:
			wait_a_little(ctx);
			break;
		case 4:
			register_func(ctx);
			break;
		default:
			cause = kgo_ctx_err(ctx);
			child = derive(ctx);
			sim_expect(child || S.nr_failed, "no context");
			if (!child)
				break;
			sim_expect(!cause || kgo_ctx_err(child) ||
				   !kgo_ctx_done(child),
				   "a child of a cancelled one lives");
			look_at(child);
			exchange(&X.node[sim_below(X.n)], child);
			break;
		}
		look_at(ctx);
		kgo_ctx_put(ctx);
		something();
	}
	kgo_wg_done(&X.wg);
}

static void reader(void *unused)
{
	struct kgo_ctx_reader rd;
	struct kgo_ctx_info info;
	u64 last[16];
	u32 rows;

	(void)unused;
	while (!port_load(&X.stop_reading)) {
		memset(last, 0, sizeof(last));
		rows = sim_chance(0x4000) ? sim_below(4) : ~0U;
		kgo_ctx_read_begin(&rd);
		while (rows-- && kgo_ctx_read_next(&rd, &info)) {
			sim_expect(info.id > last[info.id % 16],
				   "row %llu after %llu", info.id,
				   last[info.id % 16]);
			last[info.id % 16] = info.id;
			sim_expect(info.kind && info.state, "row without words");
			if (sim_chance(0x1000))
				something();
		}
		kgo_ctx_read_end(&rd);
		kgo_yield();
	}
	kgo_wg_done(&X.wg);
}

void contexts_main(void *unused)
{
	u32 gardeners = sim_between(1, 4), i;

	(void)unused;
	memset(&X, 0, sizeof(X));
	X.n = sim_between(1, MAX_NODES);
	X.rounds = sim_between(1, MAX_ROUNDS);
	do {
		X.top = kgo_ctx_with_cancel_at(NULL, kgo_ctx_background());
	} while (!X.top);
	kgo_wg_add(&X.wg, (int)gardeners);
	for (i = 0; i < gardeners; i++)
		sim_go(gardener, NULL);
	kgo_wg_wait(&X.wg);
	if (sim_chance(0x8000)) {
		kgo_ctx_cancel(X.top, -EIO);
		for (i = 0; i < X.n; i++)
			if (X.node[i].ctx)
				look_at(X.node[i].ctx);
	}
	for (i = 0; i < X.n; i++)
		kgo_ctx_put(X.node[i].ctx);
	kgo_ctx_put(X.top);
	while (kgo_num_goroutine() > 1)
		kgo_yield();
	sim_expect(X.registered == X.ran + X.prevented,
		   "%u functions, %u ran, %u were stopped", X.registered, X.ran,
		   X.prevented);
}

/* Somebody reads the table while rows come and go. */
void context_table_main(void *unused)
{
	struct kgo_ctx_reader rd;
	struct kgo_ctx_info info;
	struct kgo_ctx *ctx;
	u32 i, k, rows = 0;

	(void)unused;
	memset(&X, 0, sizeof(X));
	X.n = sim_between(1, 20);
	X.top = kgo_ctx_background();
	kgo_wg_add(&X.wg, 1);
	sim_go(reader, NULL);
	for (k = 0; k < 3; k++)
		for (i = 0; i < X.n; i++) {
			ctx = kgo_ctx_with_value_at(NULL, X.top, &key, &X);
			if (ctx)
				exchange(&X.node[i], ctx);
		}
	X.stop_reading = 1;
	kgo_wg_wait(&X.wg);
	kgo_ctx_read_begin(&rd);
	while (kgo_ctx_read_next(&rd, &info))
		rows++;
	kgo_ctx_read_end(&rd);
	for (i = 0; i < X.n; i++) {
		rows -= !!X.node[i].ctx;
		kgo_ctx_put(X.node[i].ctx);
	}
	sim_expect(!rows, "%d rows too many", (int)rows);
	kgo_ctx_read_begin(&rd);
	sim_expect(!kgo_ctx_read_next(&rd, &info), "rows are left");
	kgo_ctx_read_end(&rd);
}
