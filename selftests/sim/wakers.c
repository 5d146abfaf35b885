// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What can be called from anywhere: wakers, reserves, channels without waiting.
 * The threads that are no Ms stand for interrupts as well.
 */
#include "sim.h"

static struct {
	struct kgo_waker w;
	struct kgo_waker *once;		/* A: who takes it readies it */
	struct kgo_reserve r;
	struct kgo_chan	*c;
	struct kgo_wg	wg;
	u32		n, rounds;
	u32		done;		/* A */
	u32		live;		/* A */
	u32		started;	/* A */
	u32		said[16];	/* A */
} X;

static void by_anybody(void (*fn)(void *), void *arg)
{
	if (sim_chance(0x8000))
		sim_outside(fn, arg);
	else
		sim_go(fn, arg);
}

/* Goroutines only; a thread of the program's does something else. */
static void something(void)
{
	if (port_self())
		sim_something();
	else
		port_pause();
}

static void sayer(void *arg)
{
	u32 i = (u32)(unsigned long)arg, k;

	for (k = 0; k < X.rounds; k++) {
		something();
		port_add(&X.said[i], 1);
		kgo_ready(&X.w);
	}
	port_add(&X.done, 1);
	kgo_ready(&X.w);
}

static int park_somehow(struct kgo_waker *w)
{
	int ret;

	if (sim_chance(0x8000))
		return kgo_park(w);
	ret = kgo_park_timeout(w, (long long)sim_below(4000) - 100);
	sim_expect(!ret || ret == -ETIMEDOUT || (ret == -ENOMEM && S.o.p_nomem),
		   "park: %d", ret);
	return ret;
}

/* Many ready, one parks: what they have said by then is heard. */
static void many(void)
{
	u32 n = sim_between(1, 4), all = 0, i;

	X.rounds = sim_between(1, 4);
	kgo_waker_init(&X.w);
	for (i = 0; i < n; i++)
		by_anybody(sayer, (void *)(unsigned long)i);
	while (port_load(&X.done) < n)
		park_somehow(&X.w);
	for (i = 0; i < n; i++)
		all += port_load(&X.said[i]);
	sim_expect(all == n * X.rounds, "%u of %u", all, n * X.rounds);
}

static void ready_once(void *unused)
{
	struct kgo_waker *w;

	(void)unused;
	while (!(w = port_xchg(&X.once, NULL)))
		something();
	something();
	kgo_ready(w);
	port_add(&X.done, 1);
}

/* One on the stack, which is gone once it was readied. */
static void once(void)
{
	struct kgo_waker w = { 0 };
	int ret;

	port_xchg(&X.once, &w);
	something();
	do {
		ret = park_somehow(&w);
	} while (ret);
	memset(&w, 0xa5, sizeof(w));
	something();
	sim_expect(w.permit == 0xa5a5a5a5U && w.parked == 0xa5a5a5a5U,
		   "a waker was used after its end");
}

/* A permit is kept, and is not a count. */
static void permit(void)
{
	struct kgo_waker w;
	int ret;

	kgo_waker_init(&w);
	kgo_ready(&w);
	kgo_ready(&w);
	sim_expect(!kgo_park(&w), "a permit was lost");
	do {
		ret = kgo_park_timeout(&w, sim_below(3000));
	} while (ret == -ENOMEM && S.o.p_nomem);
	sim_expect(ret == -ETIMEDOUT, "a permit too many: %d", ret);
}

void waker_main(void *unused)
{
	u32 i, n;

	(void)unused;
	memset(&X, 0, sizeof(X));
	many();
	permit();
	X.done = 0;
	n = sim_between(1, 3);
	for (i = 0; i < n; i++)
		by_anybody(ready_once, NULL);
	for (i = 0; i < n; i++)
		once();
	while (port_load(&X.done) < n)
		kgo_yield();
}

static void reserved(void *arg)
{
	u32 n = port_add(&X.live, 1);

	sim_expect(n <= X.n, "%u of a reserve of %u live", n, X.n);
	sim_something();
	if (arg && sim_chance(0x4000)) {
		/* One more, if there is room. */
		kgo_go_reserved(&X.r, reserved, NULL);
		sim_something();
	}
	port_add(&X.done, 1);
	port_add(&X.live, -1U);
	/* It starts none any more. */
	if (arg)
		kgo_wg_done(&X.wg);
}

static void starter(void *unused)
{
	u32 i = 0;
	int ret;

	(void)unused;
	while (i < X.rounds) {
		something();
		kgo_wg_add(&X.wg, 1);
		ret = kgo_go_reserved(&X.r, reserved, &X);
		if (ret)
			kgo_wg_done(&X.wg);
		sim_expect(!ret || ret == -EAGAIN, "start: %d", ret);
		i += !ret;
	}
	port_add(&X.started, X.rounds);
	kgo_wg_done(&X.wg);
}

static void done(void *unused)
{
	(void)unused;
	kgo_wg_done(&X.wg);
}

void reserve_main(void *unused)
{
	u32 n = sim_between(1, 3), i;
	int ret;

	(void)unused;
	memset(&X, 0, sizeof(X));
	X.n = sim_between(1, 4);
	X.rounds = sim_between(1, 5);
	do {
		ret = kgo_reserve_init(&X.r, X.n);
		sim_expect(!ret || (ret == -ENOMEM && S.o.p_nomem), "init: %d",
			   ret);
	} while (ret);
	kgo_wg_add(&X.wg, (int)n);
	for (i = 0; i < n; i++)
		by_anybody(starter, NULL);
	kgo_wg_wait(&X.wg);
	kgo_reserve_destroy(&X.r);
	sim_expect(!port_load(&X.live) && port_load(&X.done) >= n * X.rounds,
		   "%u live, %u of %u ran", X.live, X.done, n * X.rounds);
	/* Its descriptors are everybody's now. */
	kgo_wg_add(&X.wg, (int)X.n);
	for (i = 0; i < X.n; i++)
		sim_go(done, NULL);
	kgo_wg_wait(&X.wg);
}

static void pusher(void *arg)
{
	u32 i = 0, v;
	int ret;

	while (i < X.rounds) {
		v = (u32)(unsigned long)arg * X.rounds + i + 1;
		ret = kgo_chan_try_send(X.c, &v);
		sim_expect(!ret || ret == -EAGAIN, "try send: %d", ret);
		i += !ret;
		something();
	}
	kgo_wg_done(&X.wg);
}

static void puller(void *unused)
{
	u32 v;

	(void)unused;
	while (kgo_chan_recv(X.c, &v) == 1) {
		sim_something();
		port_add(&X.started, v);
	}
	port_add(&X.done, 1);
	kgo_ready(&X.w);
}

static void closer(void *unused)
{
	(void)unused;
	kgo_chan_close(X.c);
}

/* Whoever is no goroutine sends and closes, and those who wait go on. */
void anywhere_main(void *unused)
{
	u32 n = sim_between(1, 3), pullers = sim_between(1, 3), i, all;

	(void)unused;
	memset(&X, 0, sizeof(X));
	X.rounds = sim_between(1, 6);
	X.c = sim_chan("anywhere", sizeof(u32), sim_below(3));
	kgo_wg_add(&X.wg, (int)n);
	for (i = 0; i < pullers; i++)
		sim_go(puller, NULL);
	for (i = 0; i < n; i++)
		by_anybody(pusher, (void *)(unsigned long)i);
	kgo_wg_wait(&X.wg);
	by_anybody(closer, NULL);
	while (port_load(&X.done) < pullers)
		kgo_park(&X.w);
	all = n * X.rounds;
	sim_expect(X.started == all * (all + 1) / 2, "sum %u of %u values",
		   X.started, all);
	sim_chan_done(X.c);
}
