// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Finalizers, goroutine-local values, labels and supervisors.
 */
#include "sim.h"

#define MAX_OBJS	8U

struct thing {
	struct kgo_obj	obj;
	u32		finalized;
	u32		lives;		/* how often its finalizer takes a reference */
};

static struct {
	struct thing	t[MAX_OBJS];
	struct kgo_wg	wg;
	u32		n, running, seen;
	unsigned int	key;
} X;

static void something(void)
{
	switch (sim_below(8)) {
	case 0:
		kgo_yield();
		break;
	case 1:
		sim_block(1 + sim_below(3000));
		break;
	case 2:
		sim_work(sim_below(40));
		break;
	}
}

static void finalize(struct kgo_obj *obj)
{
	struct thing *t = container_of(obj, struct thing, obj);

	sim_expect(port_add(&X.running, 1) == 1, "two finalizers run");
	something();
	t->finalized++;
	port_add(&X.running, -1U);
	if (t->lives) {
		t->lives--;
		kgo_obj_get(obj);
		/* Queued again before this one has returned, or later. */
		kgo_obj_put(obj);
	}
}

static void user(void *unused)
{
	u32 i;

	(void)unused;
	for (i = 0; i < X.n; i++) {
		kgo_obj_get(&X.t[i].obj);
		something();
		kgo_obj_put(&X.t[i].obj);
		kgo_obj_put(&X.t[i].obj);
	}
	kgo_wg_done(&X.wg);
}

static void outside_user(void *unused)
{
	u32 i;

	(void)unused;
	for (i = 0; i < X.n; i++) {
		sim_work(sim_below(30));
		kgo_obj_put(&X.t[i].obj);
	}
}

void finalizer_main(void *unused)
{
	u32 users = 1 + sim_below(3), i, k, all = 0;
	bool outside = sim_chance(0x8000);
	int ret;

	(void)unused;
	memset(&X, 0, sizeof(X));
	X.n = 1 + sim_below(MAX_OBJS);
	for (i = 0; i < X.n; i++) {
		do {
			ret = kgo_obj_init(&X.t[i].obj, finalize);
		} while (ret == -ENOMEM && S.o.p_nomem);
		sim_expect(!ret, "object: %d", ret);
		X.t[i].lives = sim_below(3);
		all += X.t[i].lives + 1;
		for (k = 0; k < users - 1 + outside; k++)
			kgo_obj_get(&X.t[i].obj);
	}
	kgo_wg_add(&X.wg, (int)users);
	for (i = 0; i < users; i++)
		sim_go(user, NULL);
	if (outside)
		sim_outside(outside_user, NULL);
	if (sim_chance(0x8000))
		kgo_finalizer_drain();
	kgo_wg_wait(&X.wg);
	while (S.nr_ext)
		kgo_sleep(1000);
	sim_expect(!kgo_finalizer_drain(), "drain");
	for (i = 0, k = 0; i < X.n; i++) {
		sim_expect(!X.t[i].lives, "object %u has not ended", i);
		k += X.t[i].finalized;
	}
	sim_expect(k == all, "%u of %u finalizers ran", k, all);
	kgo_finalizer_stop();
}

/* Destructors and labels, over memory that may be missing. */
static void destroy(void *value)
{
	something();
	port_add(&X.seen, (u32)(unsigned long)value);
}

static void labelled(void *arg)
{
	u32 depth = (u32)(unsigned long)arg;
	const struct kgo_label_pair pair = { "depth", depth ? "more" : "none" };
	const char *was = kgo_label("depth"), *now;
	int ret;

	sim_expect(!was || was[0] == 'm', "a child has its parent's label");
	do {
		ret = kgo_set_labels(&pair, 1);
	} while (ret == -ENOMEM);
	now = kgo_label("depth");
	sim_expect(now && now[0] == pair.value[0], "label is not what was set");
	do {
		ret = kgo_local_set(X.key, (void *)1UL);
	} while (ret == -ENOMEM);
	if (depth) {
		kgo_wg_add(&X.wg, 2);
		sim_go(labelled, (void *)(unsigned long)(depth - 1));
		sim_go(labelled, (void *)(unsigned long)(depth - 1));
	}
	something();
	sim_expect(kgo_local_get(X.key) == (void *)1UL, "value is lost");
	kgo_wg_done(&X.wg);
}

void labels_main(void *unused)
{
	u32 depth = 1 + sim_below(3);

	(void)unused;
	memset(&X, 0, sizeof(X));
	sim_expect(!kgo_local_key_create(&X.key, destroy), "no key");
	kgo_wg_add(&X.wg, 1);
	sim_go(labelled, (void *)(unsigned long)depth);
	kgo_wg_wait(&X.wg);
	while (port_load(&X.seen) != (2U << depth) - 1)
		kgo_sleep(1000);
	sim_expect(!kgo_label("depth"), "a label came up to the parent");
	sim_expect(!kgo_local_key_delete(X.key), "key");
}

static int child(struct kgo_ctx *ctx, void *arg)
{
	u32 id = (u32)(unsigned long)arg, life = ++X.t[id].finalized;

	something();
	if (life <= X.t[id].lives) {
		if (sim_chance(0x4000))
			kgo_panic("a child");
		return -EIO;
	}
	if (id)
		kgo_chan_recv(kgo_ctx_done(ctx), NULL);
	return 0;
}

void supervisor_main(void *unused)
{
	struct kgo_sup_attr attr = {
		.strategy = KGO_SUP_ONE_FOR_ONE,
		.max_restarts = sim_below(8),
		.backoff_ns = sim_below(3000),
		.stop_ns = (long long)(100 * NS_PER_S),
	};
	u32 i, all = 0, starts = 0;
	struct kgo_ctx *ctx;
	struct kgo_sup *s;
	int ret;

	(void)unused;
	memset(&X, 0, sizeof(X));
	X.n = 1 + sim_below(4);
	s = kgo_sup_new(&attr);
	ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	for (i = 0; i < X.n; i++) {
		const struct kgo_sup_child spec = {
			.start = child, .arg = (void *)(unsigned long)i,
			.restart = KGO_SUP_TRANSIENT,
		};

		X.t[i].lives = sim_below(3);
		all += X.t[i].lives;
		sim_expect(kgo_sup_add(s, &spec) == (int)i, "no child");
	}
	sim_expect(!kgo_sup_start(s, ctx), "not started");
	if (all > attr.max_restarts) {
		ret = kgo_sup_wait(s);
		sim_expect(ret == -EIO || ret == -ECHILD, "escalates with %d", ret);
	} else {
		while (starts != all + X.n) {
			kgo_sleep(1000);
			for (i = 0, starts = 0; i < X.n; i++)
				starts += (u32)kgo_sup_starts(s, (int)i);
		}
		if (sim_chance(0x8000))
			kgo_ctx_cancel(ctx, 0);
		ret = kgo_sup_stop(s, (long long)(100 * NS_PER_S), NULL, NULL);
		/* Time may jump to the end of any timeout. */
		sim_expect(!ret || ret == -ETIMEDOUT, "stop: %d", ret);
	}
	kgo_ctx_cancel(ctx, 0);
	kgo_ctx_put(ctx);
	kgo_sup_put(s);
	kgo_quiesce(1, -1);
}

/*
 * One for all, and the rest for one.  X.seen is how many failures are left.
 */
static struct {
	u32	life[4];	/* A: how often it was started */
	u32	runs[4];	/* A */
	u32	strategy;
	struct kgo_ctx *ctx;
	int	ret;
	u32	over;		/* A: with ret */
} Y;

static int one_of_many(struct kgo_ctx *ctx, void *arg)
{
	u32 id = (u32)(unsigned long)arg, life = port_add(&Y.life[id], 1), left, i;
	int ret = 0;

	sim_expect(port_add(&Y.runs[id], 1) == 1, "child %u runs twice", id);
	for (i = 0; i < X.n && Y.strategy == KGO_SUP_ONE_FOR_ALL; i++)
		sim_expect(!port_load(&Y.runs[i]) || port_load(&Y.life[i]) >= life,
			   "child %u lives on when %u is started again", i, id);
	while (!kgo_ctx_err(ctx) && !ret && (left = port_load(&X.seen))) {
		something();
		if (sim_chance(0x8000) && port_cas(&X.seen, left, left - 1))
			ret = -EIO;
		else
			kgo_sleep(1 + sim_below(3000));
	}
	if (!ret)
		kgo_chan_recv(kgo_ctx_done(ctx), NULL);
	something();
	port_add(&Y.runs[id], -1U);
	if (ret && sim_chance(0x4000))
		kgo_panic("a child");
	return ret;
}

/* All failures are over, and all children that have to be are there again. */
static bool is_settled(struct kgo_sup *s)
{
	u32 i, starts, last = 0;

	if (port_load(&X.seen))
		return false;
	for (i = 0; i < X.n; i++) {
		starts = (u32)kgo_sup_starts(s, (int)i);
		if (starts != port_load(&Y.life[i]) || !port_load(&Y.runs[i]))
			return false;
		if (i && (Y.strategy == KGO_SUP_ONE_FOR_ALL ? starts != last :
			  starts < last))
			return false;
		last = starts;
	}
	return true;
}

static void supervises(void *s)
{
	Y.ret = kgo_sup_run(Y.ctx, s);
	port_store_release(&Y.over, 1);
}

void supervisor_all_main(void *unused)
{
	struct kgo_sup_attr attr = {
		.strategy = sim_chance(0x8000) ? KGO_SUP_ONE_FOR_ALL :
			    KGO_SUP_REST_FOR_ONE,
		.max_restarts = sim_below(6),
		.backoff_ns = sim_below(2000),
		.stop_ns = (long long)(100 * NS_PER_S),
	};
	bool gives_up;
	struct kgo_sup *s;
	u32 i;

	(void)unused;
	memset(&X, 0, sizeof(X));
	memset(&Y, 0, sizeof(Y));
	Y.strategy = attr.strategy;
	X.n = 1 + sim_below(ARRAY_SIZE(Y.life));
	X.seen = sim_below(6);
	gives_up = X.seen > attr.max_restarts;
	s = kgo_sup_new(&attr);
	for (i = 0; i < X.n; i++) {
		const struct kgo_sup_child spec = {
			.start = one_of_many, .arg = (void *)(unsigned long)i,
			.restart = KGO_SUP_PERMANENT,
		};

		sim_expect(kgo_sup_add(s, &spec) == (int)i, "no child");
	}
	Y.ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	sim_go(supervises, s);
	/* It may give up, or not: two that fail at one time are one restart. */
	while (!port_load(&Y.over) && !is_settled(s))
		kgo_sleep(1000);
	kgo_ctx_cancel(Y.ctx, 0);
	while (!port_load_acquire(&Y.over))
		kgo_sleep(1000);
	/* Time may jump to the end of any timeout. */
	sim_expect(!Y.ret || Y.ret == -ETIMEDOUT ||
		   (gives_up && (Y.ret == -EIO || Y.ret == -ECHILD)),
		   "supervised: %d", Y.ret);
	kgo_ctx_put(Y.ctx);
	kgo_sup_put(s);
	kgo_quiesce(1, -1);
	for (i = 0; i < X.n; i++)
		sim_expect(!Y.runs[i], "child %u is left", i);
}
