// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Timers and tickers, stopped, reset, received from and freed while they fire.
 *
 * What races with what is nobody's business here; what counts is the account.
 * Each start of a timer ends in exactly one way: it is received or its function
 * runs, or one stop or reset says that it prevented it.
 */
#include "sim.h"

#include <stdlib.h>

#define MAX_TIMERS	4U
#define MAX_ROUNDS	10U

/* Ends, or begins, of one timer's starts. */
struct account {
	struct kgo_timer *t;
	bool		unknown;	/* no memory: the account is lost */
	u32		started, ended;
};

static struct {
	struct account	a[MAX_TIMERS];
	struct kgo_wg	wg;
	u32		n, rounds;
	u32		flag;
	u32		runs, prevented;
	struct kgo_ticker *ticker;
} X;

static long long some_ns(void)
{
	switch (sim_below(6)) {
	case 0:
		return -(long long)sim_below(2);
	case 1:
		return 1 + sim_below(3000000);
	}
	return 1 + sim_below(3000);
}

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
		sim_work(sim_below(60));
		break;
	case 3:
		kgo_sleep(1 + sim_below(2000));
		break;
	}
}

static void ran(void *arg)
{
	struct account *a = arg;

	port_add(&a->ended, 1);
}

static void reset(struct account *a)
{
	int ret;

	/* Before it can end. */
	port_add(&a->started, 1);
	ret = kgo_timer_reset(a->t, some_ns());
	if (ret == -ENOMEM) {
		sim_expect(S.nr_failed, "reset: no memory");
		port_store(&a->unknown, true);
		return;
	}
	sim_expect(ret == 0 || ret == 1, "reset: %d", ret);
	port_add(&a->ended, (u32)ret);
}

static void receive(struct account *a, bool wait)
{
	struct kgo_chan *c = kgo_timer_c(a->t);
	unsigned long long v = 0;
	int ret;

	if (!c)
		return;
	ret = wait ? kgo_chan_recv_timeout(c, &v, 1 + sim_below(3000)) :
	      kgo_chan_try_recv(c, &v);
	if (ret != 1)
		return;
	sim_expect(v && v <= port_now(), "fired at %llu, now %llu", v, port_now());
	port_add(&a->ended, 1);
}

static void meddler(void *unused)
{
	struct account *a;
	u32 i;

	(void)unused;
	for (i = 0; i < X.rounds; i++) {
		a = &X.a[sim_below(X.n)];
		switch (sim_below(5)) {
		case 0:
			port_add(&a->ended, kgo_timer_stop(a->t));
			break;
		case 1:
			receive(a, true);
			break;
		case 2:
			receive(a, false);
			break;
		default:
			reset(a);
			break;
		}
		something();
	}
	kgo_wg_done(&X.wg);
}

static void make(struct account *a)
{
	long long ns = some_ns();
	int ret;

	if (sim_chance(0x8000)) {
		do {
			a->t = kgo_timer_new(ns);
		} while (!a->t);
		return;
	}
	do {
		a->t = port_alloc(sizeof(*a->t));
	} while (!a->t);
	do {
		ret = kgo_after_func_at(NULL, a->t, ns, ran, a);
		sim_expect(!ret || (ret == -ENOMEM && S.nr_failed),
			   "after_func: %d", ret);
	} while (ret);
}

void timers_main(void *unused)
{
	struct account *a;
	u32 i, meddlers = sim_between(1, 4);

	(void)unused;
	memset(&X, 0, sizeof(X));
	X.n = sim_between(1, MAX_TIMERS);
	X.rounds = sim_between(1, MAX_ROUNDS);
	for (i = 0; i < X.n; i++) {
		X.a[i].started = 1;
		make(&X.a[i]);
	}
	kgo_wg_add(&X.wg, (int)meddlers);
	for (i = 0; i < meddlers; i++)
		sim_go(meddler, NULL);
	kgo_wg_wait(&X.wg);
	for (i = 0; i < X.n; i++) {
		a = &X.a[i];
		if (sim_chance(0x8000))
			receive(a, true);
		port_add(&a->ended, kgo_timer_stop(a->t));
		/* It may be firing: its memory goes all the same. */
		if (kgo_timer_c(a->t))
			sim_expect(!kgo_timer_free(a->t), "timer still in use");
		else
			port_free(a->t);
	}
	/* Functions that have been started run in the end. */
	while (kgo_num_goroutine() > 1)
		kgo_yield();
	for (i = 0; i < X.n; i++) {
		a = &X.a[i];
		sim_expect(a->unknown || a->started == a->ended,
			   "timer started %u times, %u ends", a->started,
			   a->ended);
	}
}

/*
 * One owner, who knows when each start was: what he receives is of the last.
 */
static void owner(void *unused)
{
	struct kgo_timer *t;
	unsigned long long v;
	long long ns = some_ns();
	u64 since = port_now();
	u32 i;
	int ret;

	(void)unused;
	do {
		t = kgo_timer_new(ns);
	} while (!t);
	for (i = 0; i < X.rounds; i++) {
		something();
		if (sim_chance(0x4000)) {
			kgo_timer_stop(t);
			ret = kgo_chan_try_recv(kgo_timer_c(t), &v);
			sim_expect(ret == -EAGAIN, "received after a stop: %d", ret);
			something();
			ret = kgo_chan_try_recv(kgo_timer_c(t), &v);
			sim_expect(ret == -EAGAIN, "fired after a stop: %d", ret);
		}
		ns = some_ns();
		since = port_now();
		ret = kgo_timer_reset(t, ns);
		if (ret == -ENOMEM) {
			sim_expect(S.nr_failed, "reset: no memory");
			ret = kgo_chan_try_recv(kgo_timer_c(t), &v);
			sim_expect(ret == -EAGAIN, "received after a stop: %d", ret);
			continue;
		}
		if (sim_chance(0x8000))
			continue;
		ret = kgo_chan_recv(kgo_timer_c(t), &v);
		sim_expect(ret == 1, "receive: %d", ret);
		sim_expect(ns <= 0 || v >= since + (u64)ns,
			   "stale: fired at %llu, not before %llu", v,
			   since + (u64)ns);
	}
	sim_expect(!kgo_timer_free(t), "timer still in use");
	kgo_wg_done(&X.wg);
}

void timer_owner_main(void *unused)
{
	u32 i;

	(void)unused;
	memset(&X, 0, sizeof(X));
	X.n = sim_between(1, 4);
	X.rounds = sim_between(1, MAX_ROUNDS);
	kgo_wg_add(&X.wg, (int)X.n);
	for (i = 0; i < X.n; i++)
		sim_go(owner, NULL);
	kgo_wg_wait(&X.wg);
}

/* Memory that is gone the moment the timer is stopped or its function runs. */
struct short_lived {
	struct kgo_timer t;
	u32	refs;
};

static void drop(struct short_lived *s)
{
	if (!port_add(&s->refs, -1U))
		port_free(s);
}

static void short_ran(void *arg)
{
	port_add(&X.runs, 1);
	drop(arg);
}

static void short_maker(void *unused)
{
	struct short_lived *s;
	u32 i;

	(void)unused;
	for (i = 0; i < X.rounds; i++) {
		do {
			s = port_alloc(sizeof(*s));
		} while (!s);
		s->refs = 2;
		while (kgo_after_func_at(NULL, &s->t, some_ns(), short_ran, s))
			kgo_yield();
		something();
		if (kgo_timer_stop(&s->t)) {
			port_add(&X.prevented, 1);
			drop(s);
		}
		drop(s);
	}
	kgo_wg_done(&X.wg);
}

void after_func_main(void *unused)
{
	u32 i;

	(void)unused;
	memset(&X, 0, sizeof(X));
	X.n = sim_between(1, 5);
	X.rounds = sim_between(1, MAX_ROUNDS);
	kgo_wg_add(&X.wg, (int)X.n);
	for (i = 0; i < X.n; i++)
		sim_go(short_maker, NULL);
	kgo_wg_wait(&X.wg);
	while (kgo_num_goroutine() > 1)
		kgo_yield();
	sim_expect(X.runs + X.prevented == X.n * X.rounds,
		   "%u ran, %u were stopped, of %u", X.runs, X.prevented,
		   X.n * X.rounds);
}

/* Ticks come in order; they go on after a pause, and end with the stop. */
static void ticks(void *unused)
{
	struct kgo_chan *c = kgo_ticker_c(X.ticker);
	unsigned long long v, last = 0;
	u32 i;

	(void)unused;
	for (i = 0; i < X.rounds; i++) {
		sim_expect(kgo_chan_recv(c, &v) == 1, "ticker closed");
		sim_expect(v >= last && v <= port_now(), "tick %llu after %llu",
			   v, last);
		last = v;
		something();
	}
	kgo_wg_done(&X.wg);
}

void ticker_main(void *unused)
{
	unsigned long long v;
	u32 i;

	(void)unused;
	memset(&X, 0, sizeof(X));
	X.rounds = sim_between(1, MAX_ROUNDS);
	X.n = sim_between(1, 3);
	do {
		X.ticker = kgo_ticker_new(1 + sim_below(2000));
	} while (!X.ticker);
	kgo_wg_add(&X.wg, (int)X.n);
	for (i = 0; i < X.n; i++)
		sim_go(ticks, NULL);
	something();
	while (kgo_ticker_reset(X.ticker, 1 + sim_below(3000)))
		sim_expect(S.nr_failed, "reset failed");
	kgo_wg_wait(&X.wg);
	kgo_ticker_stop(X.ticker);
	something();
	sim_expect(kgo_chan_try_recv(kgo_ticker_c(X.ticker), &v) == -EAGAIN,
		   "tick after the stop");
	sim_expect(!kgo_ticker_free(X.ticker), "ticker still in use");
}

/*
 * Who starts a timer computes on and never enters the runtime until it has
 * fired: somebody else must be there to see to it.
 */
static void unblock(void *unused)
{
	(void)unused;
	port_store(&X.flag, 1);
}

void timer_hog_main(void *unused)
{
	struct kgo_timer t;
	u32 i;

	(void)unused;
	memset(&X, 0, sizeof(X));
	X.rounds = sim_between(1, 4);
	for (i = 0; i < X.rounds; i++) {
		port_store(&X.flag, 0);
		sim_expect(!kgo_after_func_at(NULL, &t, some_ns(), unblock, NULL),
			   "after_func failed");
		sim_spin_until(&X.flag);
		kgo_timer_stop(&t);
		something();
	}
	while (kgo_num_goroutine() > 1)
		kgo_yield();
}
