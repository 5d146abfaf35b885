// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Goroutines without a stack beside those that have one, on the same channels,
 * mutexes and WaitGroups.
 */
#include "sim.h"

static const struct kgo_attr bare = { .flags = KGO_ATTR_STACKLESS };

#define MAX_BARE	6U

struct bare {
	u32	left;		/* values to send, turns with the mutex */
	u32	v;
	u64	sum;
	u32	turns;
	bool	timed;
	struct kgo_case k;
};

static struct {
	struct kgo_chan	*c;
	struct kgo_mutex mu;
	struct kgo_wg	senders, all;
	struct bare	b[MAX_BARE];
	u32		inside, turns;
	u64		sum;		/* A: that of those with a stack */
	u32		rounds;
} X;

static void go_bare(void (*fn)(void *), void *arg)
{
	int ret;

	do {
		ret = kgo_go_attr(fn, arg, &bare);
		sim_expect(!ret || (ret == -ENOMEM && S.o.p_nomem), "go: %d", ret);
	} while (ret);
}

/* Was there no memory for the record?  Then nothing was waited for. */
static bool nomem(int ret)
{
	sim_expect(ret != -ENOMEM || S.o.p_nomem, "no memory, with enough of it");
	return ret == -ENOMEM;
}

static void sent(void *arg, int ret)
{
	struct bare *b = arg;

	if (!nomem(ret)) {
		sim_expect(!ret, "send: %d", ret);
		b->left--;
		b->v++;
	}
	if (b->left) {
		kgo_chan_send_then(X.c, &b->v, sent, b);
		return;
	}
	kgo_wg_done(&X.senders);
	kgo_wg_done(&X.all);
}

static void send_bare(void *arg)
{
	struct bare *b = arg;

	kgo_chan_send_then(X.c, &b->v, sent, b);
}

static void send_full(void *arg)
{
	struct bare *b = arg;

	for (; b->left; b->left--, b->v++) {
		sim_something();
		kgo_chan_send(X.c, &b->v);
	}
	kgo_wg_done(&X.senders);
	kgo_wg_done(&X.all);
}

static void receive_next(struct bare *b);

static void received(void *arg, int ret)
{
	struct bare *b = arg;

	if (ret == -ETIMEDOUT) {
		sim_expect(b->timed, "a time that nobody asked for");
	} else if (!nomem(ret)) {
		if (b->timed) {
			sim_expect(!ret, "select: %d", ret);
			ret = b->k.ok;
		}
		if (!ret) {
			kgo_wg_done(&X.all);
			return;
		}
		sim_expect(ret == 1, "receive: %d", ret);
		b->sum += b->v;
		b->v = 0;
	}
	receive_next(b);
}

static void receive_next(struct bare *b)
{
	b->timed = sim_chance(0x5000);
	if (!b->timed) {
		kgo_chan_recv_then(X.c, &b->v, received, b);
		return;
	}
	b->k = (struct kgo_case)KGO_CASE(X.c, &b->v, KGO_CASE_RECV);
	kgo_select_timeout_then(&b->k, 1, 1 + sim_below(5000), received, b);
}

static void receive_bare(void *arg)
{
	receive_next(arg);
}

static void receive_full(void *unused)
{
	u32 v;

	(void)unused;
	while (kgo_chan_recv(X.c, &v) == 1) {
		sim_something();
		port_add(&X.sum, v);
	}
	kgo_wg_done(&X.all);
}

/* Stackless or not: some send, some receive, nothing is lost or comes twice. */
void conts_main(void *unused)
{
	u32 senders = sim_between(1, 3), receivers = sim_between(1, 3), i, v = 1;
	u64 sum = 0;

	(void)unused;
	memset(&X, 0, sizeof(X));
	X.rounds = sim_between(1, 6);
	X.c = sim_chan("conts", sizeof(u32), sim_below(3));
	kgo_wg_add(&X.senders, (int)senders);
	kgo_wg_add(&X.all, (int)(senders + receivers));
	for (i = 0; i < receivers; i++) {
		if (sim_chance(0xa000))
			go_bare(receive_bare, &X.b[i]);
		else
			sim_go(receive_full, NULL);
	}
	for (i = 0; i < senders; i++) {
		struct bare *b = &X.b[3 + i];

		b->left = X.rounds;
		b->v = v;
		v += X.rounds;
		if (sim_chance(0xa000))
			go_bare(send_bare, b);
		else
			sim_go(send_full, b);
	}
	kgo_wg_wait(&X.senders);
	kgo_chan_close(X.c);
	kgo_wg_wait(&X.all);
	for (i = 0; i < receivers; i++)
		sum += X.b[i].sum;
	sum += X.sum;
	sim_expect(sum == (u64)(v - 1) * v / 2, "sum %llu of values up to %u",
		   (unsigned long long)sum, v - 1);
	sim_chan_done(X.c);
}

static void unlocked(struct bare *b);

static void enter(void)
{
	sim_expect(!X.inside++, "two have the mutex");
}

static void leave(void)
{
	X.turns++;
	X.inside--;
	kgo_mutex_unlock(&X.mu);
}

static void slept(void *arg, int ret)
{
	(void)ret;
	leave();
	unlocked(arg);
}

static void locked(void *arg, int ret)
{
	if (nomem(ret)) {
		kgo_mutex_lock_then(&X.mu, locked, arg);
		return;
	}
	enter();
	if (sim_chance(0x8000)) {
		kgo_sleep_then(1 + sim_below(3000), slept, arg);
		return;
	}
	leave();
	unlocked(arg);
}

static void yielded(void *arg, int ret)
{
	(void)ret;
	kgo_mutex_lock_then(&X.mu, locked, arg);
}

static void unlocked(struct bare *b)
{
	if (!--b->left) {
		kgo_wg_done(&X.all);
		return;
	}
	if (sim_chance(0x8000))
		kgo_yield_then(yielded, b);
	else
		kgo_mutex_lock_then(&X.mu, locked, b);
}

static void lock_bare(void *arg)
{
	kgo_mutex_lock_then(&X.mu, locked, arg);
}

static void lock_full(void *arg)
{
	struct bare *b = arg;

	for (; b->left; b->left--) {
		sim_something();
		kgo_mutex_lock(&X.mu);
		enter();
		sim_something();
		leave();
	}
	kgo_wg_done(&X.all);
}

static void waited(void *arg, int ret)
{
	if (nomem(ret)) {
		kgo_wg_wait_then(&X.all, waited, arg);
		return;
	}
	kgo_wg_done(arg);
}

static void wait_bare(void *arg)
{
	kgo_wg_wait_then(&X.all, waited, arg);
}

/* One mutex, and who waits for all of them. */
void conts_lock_main(void *unused)
{
	u32 n = sim_between(2, MAX_BARE), i, turns = 0;
	struct kgo_wg waiter = { 0 };

	(void)unused;
	memset(&X, 0, sizeof(X));
	kgo_wg_add(&X.all, (int)n);
	for (i = 0; i < n; i++) {
		X.b[i].left = sim_between(1, 4);
		turns += X.b[i].left;
		if (sim_chance(0xa000))
			go_bare(lock_bare, &X.b[i]);
		else
			sim_go(lock_full, &X.b[i]);
	}
	kgo_wg_add(&waiter, 1);
	go_bare(wait_bare, &waiter);
	kgo_wg_wait(&waiter);
	sim_expect(X.turns == turns, "%u of %u turns", X.turns, turns);
	sim_expect(kgo_mutex_try_lock(&X.mu), "the mutex is locked in the end");
}
