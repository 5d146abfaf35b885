// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Random programs with a known outcome.
 *
 * Some processes, some channels with one sender and one receiver each.  Such a
 * network is deterministic (Kahn 1974): whatever the schedule, each process
 * sees the same values, and if one schedule comes to its end all do.  So the
 * programs are made by inventing one schedule, a sequence of transfers, and
 * writing down each process's part in it; the outcome is computed on the way.
 *
 * In between, things that change nothing: yields, sleeps, locks, blocks.
 */
#include "sim.h"

#define MAX_PROCS	6U
#define MAX_CHANS	8U
#define MAX_OPS		160U
#define TRIES		4U

enum op_kind {
	OP_SEND, OP_RECV, OP_CLOSE, OP_EOF, OP_GO, OP_YIELD, OP_SLEEP,
	OP_BLOCK, OP_LOCK, OP_WORK,
};

struct op {
	u8	kind;
	u8	arg;		/* channel, process, mutex */
	u8	how;		/* to send and receive: plain, timed, trying */
	u32	n;
};

struct proc {
	struct op ops[MAX_OPS];
	u32	n;
	u64	state, expected;
	bool	started, bound;
};

static struct {
	u32		nr_procs, nr_chans;
	struct proc	p[MAX_PROCS];
	struct kgo_chan	*c[MAX_CHANS];
	u8		from[MAX_CHANS], to[MAX_CHANS];
	struct kgo_mutex mu[2];
	u32		in_mu[2];
	struct kgo_wg	wg;
} X;

static u64 mix(u64 x)
{
	x = (x ^ (x >> 31)) * 0x7fb5d329728ea185ULL;
	return x ^ (x >> 27);
}

static void add(struct proc *p, enum op_kind kind, u32 arg)
{
	struct op *op;

	if (p->n == MAX_OPS)
		sim_fail("csp: program too long");
	op = &p->ops[p->n++];
	op->kind = (u8)kind;
	op->arg = (u8)arg;
	op->how = (u8)sim_below(4);
	op->n = 1 + sim_below(3000);
}

static void add_filler(struct proc *p)
{
	while (sim_chance(0x5000) && p->n < MAX_OPS / 2)
		add(p, OP_YIELD + sim_below(5), sim_below(2));
}

static void need(u32 i)
{
	u32 by;

	if (X.p[i].started)
		return;
	do {
		by = sim_below(X.nr_procs);
	} while (!X.p[by].started);
	add(&X.p[by], OP_GO, i);
	X.p[i].started = true;
}

static void generate(void)
{
	u32 transfers, i, c;

	memset(&X, 0, sizeof(X));
	X.nr_procs = 2 + sim_below(MAX_PROCS - 1);
	X.nr_chans = 1 + sim_below(MAX_CHANS);
	for (c = 0; c < X.nr_chans; c++) {
		X.from[c] = (u8)sim_below(X.nr_procs);
		do {
			X.to[c] = (u8)sim_below(X.nr_procs);
		} while (X.to[c] == X.from[c]);
	}
	for (i = 0; i < X.nr_procs; i++) {
		X.p[i].expected = i;
		X.p[i].state = i;
		X.p[i].bound = i && sim_chance(0x2000);
	}
	X.p[0].started = true;
	transfers = 1 + sim_below(30);
	for (i = 0; i < transfers; i++) {
		struct proc *a, *b;

		c = sim_below(X.nr_chans);
		need(X.from[c]);
		need(X.to[c]);
		a = &X.p[X.from[c]];
		b = &X.p[X.to[c]];
		add_filler(a);
		add_filler(b);
		add(a, OP_SEND, c);
		add(b, OP_RECV, c);
		b->expected = mix(b->expected ^ a->expected);
		a->expected = mix(a->expected + 1);
	}
	for (c = 0; c < X.nr_chans; c++) {
		if (!X.p[X.from[c]].started || !X.p[X.to[c]].started ||
		    sim_chance(0x8000))
			continue;
		add(&X.p[X.from[c]], OP_CLOSE, c);
		add(&X.p[X.to[c]], OP_EOF, c);
	}
}

static void do_send(struct proc *p, const struct op *op)
{
	struct kgo_chan *c = X.c[op->arg];
	u32 tries = TRIES;
	int ret = -EAGAIN;

	/* Two that only try may miss each other for ever. */
	for (; op->how == 2 && tries && ret; tries--)
		ret = kgo_chan_send_timeout(c, &p->state, op->n);
	for (; op->how == 3 && tries && ret; tries--) {
		ret = kgo_chan_try_send(c, &p->state);
		if (ret)
			kgo_yield();
	}
	if (ret == -EAGAIN || ret == -ETIMEDOUT)
		ret = kgo_chan_send(c, &p->state);
	sim_expect(!ret, "csp: send: %d", ret);
	p->state = mix(p->state + 1);
}

static int do_recv(struct proc *p, const struct op *op)
{
	struct kgo_chan *c = X.c[op->arg];
	u32 tries = TRIES;
	u64 v = 1;
	int ret = -EAGAIN;

	for (; op->how == 2 && tries && ret < 0; tries--)
		ret = kgo_chan_recv_timeout(c, &v, op->n);
	for (; op->how == 3 && tries && ret < 0; tries--) {
		ret = kgo_chan_try_recv(c, &v);
		if (ret < 0)
			kgo_yield();
	}
	if (ret < 0)
		ret = kgo_chan_recv(c, &v);
	if (ret == 1)
		p->state = mix(p->state ^ v);
	return ret;
}

static void do_locked(const struct op *op)
{
	u32 i = op->arg;

	kgo_mutex_lock(&X.mu[i]);
	sim_expect(!X.in_mu[i], "csp: two goroutines hold a mutex");
	X.in_mu[i] = 1;
	if (op->how == 0)
		kgo_yield();
	else if (op->how == 1)
		kgo_sleep(op->n);
	else
		sim_work(op->n % 16);
	X.in_mu[i] = 0;
	kgo_mutex_unlock(&X.mu[i]);
}

static void process(void *arg)
{
	struct proc *p = arg;
	u32 i;

	for (i = 0; i < p->n; i++) {
		const struct op *op = &p->ops[i];

		switch (op->kind) {
		case OP_SEND:
			do_send(p, op);
			break;
		case OP_RECV:
			sim_expect(do_recv(p, op) == 1, "csp: closed too early");
			break;
		case OP_CLOSE:
			kgo_chan_close(X.c[op->arg]);
			break;
		case OP_EOF:
			sim_expect(!do_recv(p, op), "csp: not closed");
			break;
		case OP_GO:
			if (X.p[op->arg].bound)
				sim_bound(process, &X.p[op->arg]);
			else
				sim_go(process, &X.p[op->arg]);
			break;
		case OP_YIELD:
			kgo_yield();
			break;
		case OP_SLEEP:
			kgo_sleep(op->n);
			break;
		case OP_BLOCK:
			sim_block(op->n);
			break;
		case OP_LOCK:
			do_locked(op);
			break;
		case OP_WORK:
			sim_work(op->n % 64);
			break;
		}
	}
	kgo_wg_done(&X.wg);
}

void csp_main(void *unused)
{
	static const char *const names[MAX_CHANS] = {
		"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"
	};
	u32 i, n = 0;

	(void)unused;
	generate();
	for (i = 0; i < X.nr_chans; i++)
		X.c[i] = sim_chan(names[i], sizeof(u64), sim_below(4));
	for (i = 0; i < X.nr_procs; i++)
		n += X.p[i].started;
	kgo_wg_add(&X.wg, (int)n);
	sim_go(process, &X.p[0]);
	kgo_wg_wait(&X.wg);
	for (i = 0; i < X.nr_procs; i++)
		sim_expect(X.p[i].state == X.p[i].expected,
			   "csp: process %u came to another result", i);
	for (i = 0; i < X.nr_chans; i++)
		sim_chan_done(X.c[i]);
}
