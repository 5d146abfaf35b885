// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Deferred calls, panics and ends of goroutines, nested at random, with parks
 * and blocks in all of them.
 *
 * What must come out, whatever happened: each deferred call ran once, the last
 * deferred first, over all scopes of a goroutine; what was recovered went on
 * after its scope; what called kgo_exit() did not go on.
 */
#include "sim.h"

#define MAX_DIVERS	6U

struct diver {
	u32	top;		/* deferred calls that have not run */
	u32	panics;		/* budget */
	u32	depth;
	bool	exits;		/* has called kgo_exit() */
	bool	ended;		/* has run its first deferred call, the last to run */
};

struct note {
	struct diver *d;
	u32	nr;		/* from 1, at the bottom */
};

static struct {
	struct diver	d[MAX_DIVERS];
	struct note	note[MAX_DIVERS][64];
	struct kgo_wg	wg;
	bool		nomem;
} X;

static void caught(void *arg)
{
	kgo_recover();
	(void)arg;
}

/* What @op returns, or -EPIPE if it panics. */
int sim_catch(int (*op)(void *arg), void *arg)
{
	volatile int ret = -EPIPE;

	KGO_SCOPE {
		kgo_defer(caught, NULL);
		ret = op(arg);
	}
	return ret;
}

static void something(void)
{
	switch (sim_below(6)) {
	case 0:
		kgo_yield();
		break;
	case 1:
		sim_block(1 + sim_below(2000));
		break;
	case 2:
		sim_work(sim_below(20));
		break;
	}
}

static void defer(struct diver *d, void (*fn)(void *))
{
	struct note *n = &X.note[d - X.d][d->top];
	int ret;

	n->d = d;
	n->nr = d->top + 1;
	ret = kgo_defer(fn, n);
	if (!ret)
		d->top++;
	else
		sim_expect(ret == -ENOMEM && X.nomem, "defer: %d", ret);
}

static void maybe_panic(struct diver *d)
{
	if (!d->panics || !sim_chance(0x4000))
		return;
	d->panics--;
	if (sim_chance(0x2000)) {
		d->exits = true;
		kgo_exit();
	}
	kgo_panic_value(d);
}

static struct diver *ran(void *arg)
{
	struct note *n = arg;

	sim_expect(n->nr == n->d->top, "deferred call %u ran, not %u", n->nr,
		   n->d->top);
	n->d->top--;
	return n->d;
}

static void count(void *arg)
{
	struct diver *d = ran(arg);

	something();
	/* What a deferred call defers is in no scope of its own. */
	if (d->top < 20 && sim_chance(0x2000))
		defer(d, count);
	maybe_panic(d);
}

static void recover(void *arg)
{
	struct diver *d = ran(arg);
	void *v = kgo_recover();

	sim_expect(!v || v == d, "recovered what nobody has panicked with");
	sim_expect(!kgo_recover(), "recovered twice");
	something();
	maybe_panic(d);
}

static void dive(struct diver *d, u32 depth)
{
	u32 n = sim_below(9);
	u32 top = d->top;

	KGO_SCOPE {
		while (n-- && d->top < 40)
			defer(d, sim_chance(0x4000) ? recover : count);
		something();
		if (depth)
			dive(d, depth - 1);
		sim_expect(!kgo_recover(), "recovered without a panic");
		sim_expect(!d->exits, "went on after kgo_exit()");
		maybe_panic(d);
	}
	sim_expect(d->top == top, "%u deferred calls have not run", d->top - top);
	sim_expect(!d->exits, "went on after kgo_exit()");
	something();
}

static void last(void *arg)
{
	struct diver *d = arg;

	kgo_recover();
	sim_expect(!d->top, "%u deferred calls have not run", d->top);
	sim_expect(!d->ended, "the last deferred call ran twice");
	d->ended = true;
	kgo_wg_done(&X.wg);
}

static void diver(void *arg)
{
	struct diver *d = arg;
	int ret;

	/* In no scope: until the goroutine's end. */
	do {
		ret = kgo_defer(last, d);
	} while (ret == -ENOMEM);
	dive(d, d->depth);
	sim_expect(!d->exits, "went on after kgo_exit()");
}

void panic_main(void *unused)
{
	u32 n, i;

	(void)unused;
	memset(&X, 0, sizeof(X));
	X.nomem = S.o.p_nomem;
	n = 1 + sim_below(MAX_DIVERS);
	kgo_wg_add(&X.wg, (int)n);
	for (i = 0; i < n; i++) {
		X.d[i].panics = sim_below(6);
		X.d[i].depth = sim_below(5);
		if (sim_chance(0x3000))
			sim_bound(diver, &X.d[i]);
		else
			sim_go(diver, &X.d[i]);
	}
	kgo_wg_wait(&X.wg);
	for (i = 0; i < n; i++)
		sim_expect(X.d[i].ended, "goroutine %u has not ended", i);
	/* The deferred calls that recovered them have yet to return. */
	while (port_load(&kgo_rt.panics))
		kgo_yield();
}
