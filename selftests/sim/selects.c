// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Programs that select.
 *
 * What they share: every value is sent once at most and carries its number, so
 * that at the end what was sent can be compared with what was received; and
 * what a select does not do leaves no trace.
 */
#include "sim.h"

#define MAX_CHANS	5U
#define MAX_CASES	6U
#define MAX_VALUES	256U
#define POISON		0xdeadbeefU

static struct {
	struct kgo_chan	*c[MAX_CHANS];
	struct kgo_chan	*quit;
	struct kgo_wg	wg, wg2;
	u32		nr_chans, n, rounds;
	u32		nr_values;	/* numbers given out */
	u8		sent[MAX_VALUES];
	u8		received[MAX_VALUES];
} X;

static const char *const names[MAX_CHANS] = { "c0", "c1", "c2", "c3", "c4" };

static void fresh(u32 nr_chans, u32 max_cap)
{
	u32 i;

	memset(&X, 0, sizeof(X));
	X.nr_chans = nr_chans;
	for (i = 0; i < nr_chans; i++)
		X.c[i] = sim_chan(names[i], sizeof(u32), sim_below(max_cap + 1));
	X.quit = sim_chan("quit", 0, 0);
}

static void note_sent(u32 v)
{
	sim_expect(v < MAX_VALUES && !X.sent[v], "value %u sent twice", v);
	X.sent[v] = 1;
}

static void note_received(u32 v)
{
	sim_expect(v && v <= X.nr_values, "received %#x", v);
	sim_expect(!X.received[v], "value %u received twice", v);
	X.received[v] = 1;
}

static void finish(void)
{
	u32 i, v;

	for (i = 0; i < X.nr_chans; i++) {
		while (kgo_chan_try_recv(X.c[i], &v) == 1)
			note_received(v);
		sim_chan_done(X.c[i]);
	}
	sim_chan_done(X.quit);
	for (i = 1; i <= X.nr_values; i++)
		sim_expect(X.sent[i] == X.received[i], "value %u: sent %u received %u",
			   i, X.sent[i], X.received[i]);
}

/* The cases of one select, with what each sends or is to receive. */
struct any {
	struct kgo_case	k[MAX_CASES];
	u32		v[MAX_CASES];
	u32		n;
};

static void add(struct any *a, struct kgo_chan *c, bool send)
{
	u32 i = a->n++;

	a->v[i] = send ? ++X.nr_values : POISON;
	a->k[i] = send ? (struct kgo_case)KGO_SEND(c, &a->v[i]) :
		  (struct kgo_case)KGO_RECV(c, &a->v[i]);
}

/* Look at the result: what was done was done, and nothing else. */
static void outcome(struct any *a, int ret, bool may_close)
{
	u32 i;

	for (i = 0; i < a->n; i++) {
		struct kgo_case *k = &a->k[i];
		bool recv = k->op == KGO_CASE_RECV;

		sim_expect(!k->waiter.queued, "case %u is still in a queue", i);
		if (ret != (int)i) {
			sim_expect(!recv || a->v[i] == POISON,
				   "case %u was not chosen and received %#x", i,
				   a->v[i]);
		} else if (!recv) {
			sim_expect(k->ok == 1, "sent, ok %d", k->ok);
			note_sent(a->v[i]);
		} else if (k->c == X.quit) {
			sim_expect(!k->ok, "quit: ok %d", k->ok);
		} else if (k->ok) {
			sim_expect(k->ok == 1, "received, ok %d", k->ok);
			note_received(a->v[i]);
		} else {
			sim_expect(may_close && !a->v[i], "end of c: value %#x",
				   a->v[i]);
		}
	}
	sim_expect(ret < (int)a->n, "select: %d of %u", ret, a->n);
	if (ret == -EPIPE)
		sim_expect(may_close, "not closed");
	else
		sim_expect(ret >= 0 || ret == -EAGAIN || ret == -ETIMEDOUT ||
			   (ret == -ENOMEM && S.o.p_nomem), "select: %d", ret);
}

/* The ways to select, each of which panics if a channel to send on is closed. */
static int select_waits(void *arg)
{
	struct any *a = arg;

	return kgo_select(a->k, a->n);
}

static int select_tries(void *arg)
{
	struct any *a = arg;

	return kgo_select_try(a->k, a->n);
}

static int select_for_a_while(void *arg)
{
	struct any *a = arg;

	return kgo_select_timeout(a->k, a->n, (long long)sim_below(4000));
}

/* Anything goes: any cases, any way to wait, channels closed meanwhile. */
static void anybody(void *unused)
{
	u32 i, k, n;
	int ret;

	(void)unused;
	for (i = 0; i < X.rounds && X.nr_values < MAX_VALUES - MAX_CASES; i++) {
		struct any a = { .n = 0 };
		bool wait = sim_chance(0x4000);

		n = sim_below(MAX_CASES);
		for (k = 0; k < n; k++)
			add(&a, sim_chance(0x1000) ? NULL :
			    X.c[sim_below(X.nr_chans)], sim_chance(0x8000));
		if (wait) {
			add(&a, X.quit, false);
			a.v[a.n - 1] = POISON;
			ret = sim_catch(select_waits, &a);
			sim_expect(ret >= 0 || ret == -EPIPE, "select: %d", ret);
		} else if (sim_chance(0x8000)) {
			ret = sim_catch(select_tries, &a);
		} else {
			ret = sim_catch(select_for_a_while, &a);
		}
		outcome(&a, ret, true);
		sim_something();
	}
	kgo_wg_done(&X.wg);
}

void select_main(void *unused)
{
	u32 i;

	(void)unused;
	fresh(sim_between(1, MAX_CHANS), 2);
	X.n = sim_between(2, 7);
	X.rounds = sim_between(1, 7);
	kgo_wg_add(&X.wg, (int)X.n);
	for (i = 0; i < X.n; i++)
		sim_go(anybody, NULL);
	sim_something();
	for (i = 0; i < X.nr_chans; i++) {
		if (sim_chance(0x3000))
			kgo_chan_close(X.c[i]);
		sim_something();
	}
	kgo_chan_close(X.quit);
	kgo_wg_wait(&X.wg);
	finish();
}

/*
 * No timeouts: a wake-up that is lost, or given to one that cannot use it, is
 * the end.  Senders and receivers that wait for one channel are among them.
 */
static void one_sender(void *arg)
{
	u32 id = (u32)(unsigned long)arg, i, k;

	for (i = 0; i < X.rounds; i++) {
		if (sim_chance(0x4000)) {
			u32 v = ++X.nr_values;

			sim_expect(!kgo_chan_send(X.c[id % X.nr_chans], &v), "send");
			note_sent(v);
		} else {
			struct any a = { .n = 0 };

			for (k = 0; k < X.nr_chans; k++)
				add(&a, X.c[(id + k) % X.nr_chans], true);
			if (sim_chance(0x4000))
				add(&a, NULL, false);
			outcome(&a, kgo_select(a.k, a.n), false);
		}
		sim_something();
	}
	kgo_wg_done(&X.wg);
}

static void all_receiver(void *unused)
{
	u32 k;
	int ret;

	(void)unused;
	do {
		struct any a = { .n = 0 };

		for (k = 0; k < X.nr_chans; k++)
			add(&a, X.c[k], false);
		add(&a, X.quit, false);
		ret = kgo_select(a.k, a.n);
		outcome(&a, ret, false);
		if (sim_chance(0x4000))
			sim_something();
	} while (ret != (int)X.nr_chans);
	kgo_wg_done(&X.wg2);
}

void select_fan_main(void *unused)
{
	u32 receivers = sim_between(1, 3), i;

	(void)unused;
	fresh(sim_between(1, 3), 1);
	X.n = sim_between(1, 4);
	X.rounds = sim_between(1, 6);
	kgo_wg_add(&X.wg, (int)X.n);
	kgo_wg_add(&X.wg2, (int)receivers);
	for (i = 0; i < receivers; i++)
		sim_go(all_receiver, NULL);
	for (i = 0; i < X.n; i++)
		sim_go(one_sender, (void *)(unsigned long)i);
	kgo_wg_wait(&X.wg);
	kgo_chan_close(X.quit);
	kgo_wg_wait(&X.wg2);
	finish();
}

/* Two that both send and receive on the same channels, and meet each other. */
static void either(void *unused)
{
	u32 i, k, before;
	int ret;

	(void)unused;
	for (i = 0; i < X.rounds; i++) {
		struct any a = { .n = 0 };

		before = X.nr_values;
		for (k = 0; k < X.nr_chans; k++) {
			add(&a, X.c[k], true);
			add(&a, X.c[k], false);
		}
		ret = kgo_select(a.k, a.n);
		if (ret >= 0 && a.k[ret].op == KGO_CASE_RECV)
			sim_expect(a.v[ret] <= before || a.v[ret] > before + X.nr_chans,
				   "talked to itself");
		outcome(&a, ret, false);
		if (sim_chance(0x4000))
			sim_something();
	}
	kgo_wg_done(&X.wg);
}

void select_self_main(void *unused)
{
	(void)unused;
	fresh(sim_between(1, 3), 0);
	X.rounds = sim_between(1, 10);
	kgo_wg_add(&X.wg, 2);
	sim_go(either, NULL);
	sim_go(either, NULL);
	kgo_wg_wait(&X.wg);
	finish();
}

/*
 * One of two channels is ready at any time: a select with a default must find
 * it (Go's TestNonblockSelectRace, both of them).
 */
static void never_default(void *unused)
{
	struct any a = { .n = 0 };
	u32 i, first = sim_below(2);

	(void)unused;
	for (i = 0; i < 2; i++)
		add(&a, X.c[(first + i) & 1], false);
	sim_expect(kgo_select_try(a.k, a.n) >= 0, "default, though one is ready");
	kgo_wg_done(&X.wg);
}

static void always_one(void)
{
	bool by_close = sim_chance(0x4000);
	u32 v = 1, i;

	memset(&X, 0, sizeof(X));
	X.c[0] = sim_chan("c0", sizeof(u32), 1);
	X.c[1] = sim_chan("c1", sizeof(u32), by_close ? sim_below(2) : 1);
	X.rounds = by_close ? 1 : sim_between(1, 12);
	kgo_wg_add(&X.wg, 1);
	sim_expect(!kgo_chan_send(X.c[0], &v), "send");
	sim_go(never_default, NULL);
	if (sim_chance(0x8000))
		sim_work(sim_below(100));
	for (i = 0; i < X.rounds; i++) {
		if (by_close)
			kgo_chan_close(X.c[1]);
		else
			sim_expect(!kgo_chan_try_send(X.c[!(i & 1)], &v), "send");
		kgo_chan_try_recv(X.c[i & 1], NULL);
	}
	kgo_wg_wait(&X.wg);
	kgo_chan_try_recv(X.c[0], NULL);
	sim_chan_done(X.c[0]);
	sim_chan_done(X.c[1]);
}

void select_default_main(void *unused)
{
	u32 n = sim_between(1, 30);

	(void)unused;
	/* Only a pause at each of its looks shows whether it compares them. */
	if (sim_chance(0x8000)) {
		S.o.gap = 0;
		S.o.pct = false;
		S.o.p_stall = sim_chance(0x8000) ? 0x2000 : 0x800;
		S.o.p_switch = 0x1000;
	}
	while (n--)
		always_one();
}
