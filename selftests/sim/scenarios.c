// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The programs that run in the simulator.
 *
 * Each is small, so that a seed is short, and ends with a known result.  How
 * many goroutines, rounds and so on comes from the seed as well.
 */
#include "sim.h"

#include <stdlib.h>

/*
 * What a scenario shares among its goroutines.  At a fixed address, moved a
 * little by the seed: semaphores are hashed by address.
 */
static struct {
	u32		pad[64];
	struct kgo_chan	*c[8];
	struct kgo_mutex mu[4];
	struct kgo_wg	wg[4];
	u32		n, rounds, cap;
	u32		count;		/* under mu[0] */
	u32		flag[64];
} X;

static void fresh(void)
{
	memset(&X, 0, sizeof(X));
	trace_name(&X.mu[0].state, "mu0.state");
	trace_name(&X.mu[0].sema, "mu0.sema");
	trace_name(&X.wg[0].state, "wg0.state");
	trace_name(&X.wg[0].sema, "wg0.sema");
}

/* Anything that takes time and may cost the P. */
void sim_something(void)
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
	}
}

struct kgo_chan *sim_chan(const char *name, size_t elem, size_t cap)
{
	struct kgo_chan *c;

	do {
		c = kgo_chan_make(elem, cap);
	} while (!c);
	trace_name(&peek_chan_lock(c)->word, name);
	peek_chan_lock(c)->ghost = check_watch_chan(c);
	return c;
}

void sim_chan_done(struct kgo_chan *c)
{
	peek_chan_lock(c)->ghost = NULL;
	sim_expect(!kgo_chan_free(c), "channel still in use");
}

/* A tree of goroutines, each of which starts others and ends. */
static void spawner(void *arg)
{
	u32 depth = (u32)(unsigned long)arg, i;

	port_add(&X.count, 1);
	if (depth)
		for (i = 0; i < X.n; i++) {
			kgo_wg_add(&X.wg[0], 1);
			sim_go(spawner, (void *)(unsigned long)(depth - 1));
			if (sim_chance(0x2000))
				sim_something();
		}
	kgo_wg_done(&X.wg[0]);
}

static void spawn(void *unused)
{
	u32 depth = sim_between(1, 3), all = 0, layer = 1, i;

	(void)unused;
	fresh();
	X.n = sim_between(1, 4);
	for (i = 0; i <= depth; i++) {
		all += layer;
		layer *= X.n;
	}
	X.rounds = sim_between(1, 3);
	for (i = 0; i < X.rounds; i++) {
		kgo_wg_add(&X.wg[0], 1);
		sim_go(spawner, (void *)(unsigned long)depth);
		kgo_wg_wait(&X.wg[0]);
	}
	sim_expect(X.count == all * X.rounds, "%u of %u ran", X.count,
		   all * X.rounds);
}

/* More goroutines than a local queue or a free list holds. */
static void tiny(void *unused)
{
	(void)unused;
	port_add(&X.count, 1);
	if (sim_chance(0x1000))
		kgo_yield();
	kgo_wg_done(&X.wg[0]);
}

static void overflow(void *unused)
{
	u32 i;

	(void)unused;
	fresh();
	X.n = sim_between(60, 420);
	kgo_wg_add(&X.wg[0], (int)X.n);
	for (i = 0; i < X.n; i++)
		sim_go(tiny, NULL);
	kgo_wg_wait(&X.wg[0]);
	sim_expect(X.count == X.n, "%u of %u ran", X.count, X.n);
}

/* A counter that only the mutex protects. */
static void locker(void *unused)
{
	u32 i, v;

	(void)unused;
	for (i = 0; i < X.rounds; i++) {
		if (sim_chance(0x2000)) {
			while (!kgo_mutex_try_lock(&X.mu[0]))
				kgo_yield();
		} else {
			kgo_mutex_lock(&X.mu[0]);
		}
		v = X.count;
		sim_step(SIM_USER, NULL, 0, 0);
		if (sim_chance(0x2000))
			sim_something();
		/* Long enough for the others to starve. */
		if (sim_chance(0x800))
			sim_block(3 * NS_PER_MS);
		X.count = v + 1;
		kgo_mutex_unlock(&X.mu[0]);
		if (sim_chance(0x4000))
			sim_something();
	}
	kgo_wg_done(&X.wg[0]);
}

static void mutex(void *unused)
{
	u32 i;

	(void)unused;
	fresh();
	X.n = sim_between(2, 6);
	X.rounds = sim_between(1, 8);
	kgo_wg_add(&X.wg[0], (int)X.n);
	for (i = 0; i < X.n; i++)
		sim_go(locker, NULL);
	kgo_wg_wait(&X.wg[0]);
	sim_expect(X.count == X.n * X.rounds, "%u of %u counted", X.count,
		   X.n * X.rounds);
	sim_expect(!X.mu[0].state && !X.mu[0].sema,
		   "mutex ends with state %#x sema %u", X.mu[0].state,
		   X.mu[0].sema);
}

/* Several wait for one WaitGroup, again and again. */
static void wg_waiter(void *unused)
{
	(void)unused;
	kgo_wg_wait(&X.wg[0]);
	sim_expect(X.count >= X.n, "waiter released after %u of %u", X.count,
		   X.n);
	kgo_wg_done(&X.wg[1]);
}

static void wg_worker(void *unused)
{
	(void)unused;
	sim_something();
	port_add(&X.count, 1);
	kgo_wg_done(&X.wg[0]);
}

static void waitgroup(void *unused)
{
	u32 waiters, i, k;

	(void)unused;
	fresh();
	X.rounds = sim_between(1, 4);
	for (k = 0; k < X.rounds; k++) {
		X.n = sim_between(1, 5);
		waiters = sim_between(0, 4);
		X.count = 0;
		kgo_wg_add(&X.wg[0], (int)X.n);
		kgo_wg_add(&X.wg[1], (int)waiters);
		for (i = 0; i < waiters; i++)
			sim_go(wg_waiter, NULL);
		for (i = 0; i < X.n; i++)
			sim_go(wg_worker, NULL);
		kgo_wg_wait(&X.wg[0]);
		kgo_wg_wait(&X.wg[1]);
	}
	sim_expect(!X.wg[0].state && !X.wg[1].state && !X.wg[0].sema &&
		   !X.wg[1].sema, "WaitGroup not empty at its end");
}

/* Sleepers: never early, and each in the end. */
static void sleeper(void *unused)
{
	u32 i, ns;
	u64 then;

	(void)unused;
	for (i = 0; i < X.rounds; i++) {
		ns = 1 + sim_below(sim_chance(0x4000) ? 3000000 : 5000);
		then = port_now();
		if (kgo_sleep(ns))
			continue;	/* no memory for a timer */
		sim_expect(port_now() - then >= ns, "slept %llu of %u ns",
			   port_now() - then, ns);
		sim_something();
	}
	kgo_wg_done(&X.wg[0]);
}

static void sleep_(void *unused)
{
	u32 i;

	(void)unused;
	fresh();
	X.n = sim_between(1, 6);
	X.rounds = sim_between(1, 4);
	kgo_wg_add(&X.wg[0], (int)X.n);
	for (i = 0; i < X.n; i++)
		sim_go(sleeper, NULL);
	kgo_wg_wait(&X.wg[0]);
}

/* More timers than a heap has room for at first. */
static void many_timers(void *unused)
{
	u32 i;

	(void)unused;
	fresh();
	X.n = sim_between(60, 140);
	X.rounds = 1;
	kgo_wg_add(&X.wg[0], (int)X.n);
	for (i = 0; i < X.n; i++)
		sim_go(sleeper, NULL);
	kgo_wg_wait(&X.wg[0]);
}

/* Everybody steps aside all the time. */
static void yielder(void *unused)
{
	u32 i;

	(void)unused;
	for (i = 0; i < X.rounds; i++) {
		port_add(&X.count, 1);
		kgo_yield();
	}
	kgo_wg_done(&X.wg[0]);
}

static void yield(void *unused)
{
	u32 i;

	(void)unused;
	fresh();
	X.n = sim_between(1, 8);
	X.rounds = sim_between(1, 10);
	kgo_wg_add(&X.wg[0], (int)X.n);
	for (i = 0; i < X.n; i++)
		sim_go(yielder, NULL);
	kgo_wg_wait(&X.wg[0]);
	sim_expect(X.count == X.n * X.rounds, "%u of %u", X.count,
		   X.n * X.rounds);
}

/* Goroutines on threads of their own, in a ring with ordinary ones. */
static void ring_node(void *arg)
{
	u32 id = (u32)(unsigned long)arg, v, i;

	for (i = 0; i < X.rounds; i++) {
		sim_expect(kgo_chan_recv(X.c[id], &v) == 1, "ring broken");
		v++;
		sim_something();
		sim_expect(!kgo_chan_send(X.c[(id + 1) % X.n], &v), "ring broken");
		if (sim_chance(0x1000) && kgo_sleep(1 + sim_below(1000)))
			sim_work(1);
	}
	kgo_wg_done(&X.wg[0]);
}

static void bound(void *unused)
{
	static const char *const names[] = { "c0", "c1", "c2", "c3", "c4" };
	u32 i, v = 0;

	(void)unused;
	fresh();
	X.n = sim_between(2, 5);
	X.rounds = sim_between(1, 5);
	for (i = 0; i < X.n; i++)
		X.c[i] = sim_chan(names[i], sizeof(u32), sim_below(2));
	kgo_wg_add(&X.wg[0], (int)X.n - 1);
	for (i = 1; i < X.n; i++) {
		if (sim_chance(0x8000))
			sim_bound(ring_node, (void *)(unsigned long)i);
		else
			sim_go(ring_node, (void *)(unsigned long)i);
	}
	for (i = 0; i < X.rounds; i++) {
		sim_expect(!kgo_chan_send(X.c[1 % X.n], &v), "ring broken");
		sim_expect(kgo_chan_recv(X.c[0], &v) == 1, "ring broken");
	}
	kgo_wg_wait(&X.wg[0]);
	sim_expect(v == X.rounds * (X.n - 1), "ring counted %u", v);
	for (i = 0; i < X.n; i++)
		sim_chan_done(X.c[i]);
}

/* Bound ones that yield, sleep, lock and spawn. */
static void bound_body(void *unused)
{
	u32 i;

	(void)unused;
	for (i = 0; i < X.rounds; i++) {
		switch (sim_below(5)) {
		case 0:
			kgo_yield();
			break;
		case 1:
			kgo_sleep(1 + sim_below(2000));
			break;
		case 2:
			kgo_mutex_lock(&X.mu[0]);
			X.count++;
			sim_something();
			kgo_mutex_unlock(&X.mu[0]);
			break;
		case 3:
			kgo_wg_add(&X.wg[0], 1);
			sim_go(yielder, NULL);
			break;
		default:
			sim_something();
		}
	}
	kgo_wg_done(&X.wg[0]);
}

static void bound_mix(void *unused)
{
	u32 bounds = sim_between(1, 4), i;

	(void)unused;
	fresh();
	X.rounds = sim_between(1, 6);
	kgo_wg_add(&X.wg[0], (int)bounds * 2);
	for (i = 0; i < bounds; i++) {
		sim_bound(bound_body, NULL);
		sim_go(bound_body, NULL);
	}
	kgo_wg_wait(&X.wg[0]);
}

/* Goroutines that sleep in system calls, more than there are Ps. */
static void blocker(void *unused)
{
	u32 i;

	(void)unused;
	for (i = 0; i < X.rounds; i++) {
		sim_block(1 + sim_below(20000));
		port_add(&X.count, 1);
		if (sim_chance(0x4000))
			kgo_yield();
	}
	kgo_wg_done(&X.wg[0]);
}

static void block(void *unused)
{
	u32 i;

	(void)unused;
	fresh();
	X.n = sim_between(1, 8);
	X.rounds = sim_between(1, 5);
	kgo_wg_add(&X.wg[0], (int)X.n);
	for (i = 0; i < X.n; i++)
		sim_go(blocker, NULL);
	kgo_wg_wait(&X.wg[0]);
	sim_expect(X.count == X.n * X.rounds, "%u of %u", X.count,
		   X.n * X.rounds);
}

/*
 * A chain: each reads a pipe that the next one writes, which first sleeps or
 * waits for a channel.  Whoever blocks must not take the writer's P along.
 */
static void piper(void *arg)
{
	u32 id = (u32)(unsigned long)arg;

	switch (sim_below(4)) {
	case 0:
		kgo_sleep(1 + sim_below(20000));
		break;
	case 1:
		kgo_yield();
		break;
	case 2:
		kgo_chan_recv_timeout(X.c[0], NULL, 1 + sim_below(20000));
		break;
	}
	if (id + 1 < X.n)
		sim_read_until(&X.flag[id + 1]);
	port_add(&X.count, 1);
	sim_wake_readers(&X.flag[id]);
	kgo_wg_done(&X.wg[0]);
}

static void pipes(void *unused)
{
	u32 i;
	bool up = sim_chance(0x8000);

	(void)unused;
	fresh();
	X.n = sim_between(1, 6);
	X.c[0] = sim_chan("never", 0, 0);
	kgo_wg_add(&X.wg[0], (int)X.n);
	for (i = 0; i < X.n; i++)
		sim_go(piper, (void *)(unsigned long)(up ? i : X.n - 1 - i));
	if (sim_chance(0x8000))
		sim_read_until(&X.flag[0]);
	kgo_wg_wait(&X.wg[0]);
	sim_chan_done(X.c[0]);
}

/* One computes until another has run, which is queued on its own P. */
static void setter(void *arg)
{
	u32 id = (u32)(unsigned long)arg;

	sim_something();
	port_store(&X.flag[id], 1);
	kgo_wg_done(&X.wg[0]);
}

static void hog(void *unused)
{
	u32 i;

	(void)unused;
	fresh();
	X.n = sim_between(1, 6);
	for (i = 0; i < X.n; i++) {
		kgo_wg_add(&X.wg[0], 1);
		sim_go(setter, (void *)(unsigned long)i);
		if (sim_chance(0x4000))
			sim_something();
		sim_spin_until(&X.flag[i]);
	}
	kgo_wg_wait(&X.wg[0]);
}

/* Threads that are no Ms start goroutines. */
static void outsider(void *unused)
{
	u32 i;

	(void)unused;
	for (i = 0; i < X.rounds; i++) {
		sim_go(tiny, NULL);
		sim_work(sim_below(30));
	}
}

static void outside(void *unused)
{
	u32 threads = sim_between(1, 3), i;

	(void)unused;
	fresh();
	X.rounds = sim_between(1, 6);
	kgo_wg_add(&X.wg[0], (int)(threads * X.rounds));
	for (i = 0; i < threads; i++)
		sim_outside(outsider, NULL);
	kgo_wg_wait(&X.wg[0]);
	sim_expect(X.count == threads * X.rounds, "%u ran", X.count);
}

/* Every allocation may fail: an error, and all goes on. */
static void nomem_body(void *unused)
{
	u32 i, v = 1;
	int ret;

	(void)unused;
	for (i = 0; i < X.rounds; i++) {
		ret = kgo_sleep(1 + sim_below(2000));
		sim_expect(!ret || ret == -ENOMEM, "sleep: %d", ret);
		ret = kgo_chan_recv_timeout(X.c[0], &v, 1 + sim_below(2000));
		sim_expect(ret == 1 || ret == -ETIMEDOUT || ret == -ENOMEM,
			   "receive: %d", ret);
		ret = kgo_chan_send_timeout(X.c[0], &v, 1 + sim_below(2000));
		sim_expect(!ret || ret == -ETIMEDOUT || ret == -ENOMEM,
			   "send: %d", ret);
	}
	kgo_wg_done(&X.wg[0]);
}

static void nomem(void *unused)
{
	struct kgo_attr attr = { .stack_size = 32768 };
	u32 i;
	int ret;

	(void)unused;
	fresh();
	X.n = sim_between(1, 12);
	X.rounds = sim_between(1, 3);
	X.c[0] = sim_chan("some", sizeof(u32), sim_below(2));
	for (i = 0; i < X.n; i++) {
		kgo_wg_add(&X.wg[0], 1);
		ret = kgo_go_at(NULL, nomem_body, NULL,
				sim_chance(0x4000) ? &attr : NULL);
		if (ret) {
			sim_expect(ret == -ENOMEM && S.nr_failed, "go: %d", ret);
			kgo_wg_done(&X.wg[0]);
		}
		sim_something();
	}
	kgo_wg_wait(&X.wg[0]);
	sim_chan_done(X.c[0]);
}

/* Long pauses, in which spare Ms end, and bursts. */
static void idle(void *unused)
{
	u32 i, k;

	(void)unused;
	fresh();
	X.rounds = sim_between(1, 3);
	for (k = 0; k < X.rounds; k++) {
		X.n = sim_between(1, 10);
		kgo_wg_add(&X.wg[0], (int)X.n);
		for (i = 0; i < X.n; i++)
			sim_go(sim_chance(0x8000) ? blocker : tiny, NULL);
		kgo_wg_wait(&X.wg[0]);
		kgo_sleep((long long)(4 * NS_PER_S + sim_below(2000000000)));
	}
}

const struct scenario scenarios[] = {
	{ "pingpong", SC_BOUND | SC_FEW_MS | SC_NOTHREAD, 1, pingpong_main },
	{ "fan", SC_BOUND | SC_FEW_MS | SC_NOTHREAD, 1, fan_main },
	{ "spawn", SC_BOUND | SC_FEW_MS | SC_NOTHREAD, 1, spawn },
	{ "overflow", SC_BOUND | SC_FEW_MS | SC_HEAVY, 1, overflow },
	{ "mutex", SC_BOUND | SC_FEW_MS | SC_NOTHREAD, 1, mutex },
	{ "waitgroup", SC_BOUND | SC_FEW_MS | SC_NOTHREAD, 1, waitgroup },
	{ "sleep", SC_BOUND | SC_FEW_MS | SC_NOTHREAD, 1, sleep_ },
	{ "many-timers", SC_BOUND | SC_FEW_MS | SC_NOMEM | SC_HEAVY, 1, many_timers },
	{ "timeout", SC_BOUND | SC_FEW_MS | SC_NOTHREAD | SC_NOMEM, 1, timeout_main },
	{ "yield", SC_BOUND | SC_FEW_MS | SC_NOTHREAD, 1, yield },
	{ "bound", SC_BOUND, 5, bound },
	{ "bound-mix", SC_BOUND, 5, bound_mix },
	{ "block", SC_BOUND | SC_FEW_MS | SC_NOTHREAD, 1, block },
	{ "panic", SC_BOUND | SC_NOMEM, 6, panic_main },
	{ "pipes", SC_BOUND | SC_FEW_MS, 8, pipes },
	{ "close", SC_BOUND | SC_FEW_MS | SC_NOTHREAD, 1, close_main },
	{ "fifo", SC_BOUND | SC_FEW_MS | SC_NOTHREAD, 1, fifo_main },
	{ "hog", SC_BOUND, 1, hog },
	{ "outside", SC_BOUND | SC_FEW_MS | SC_NOTHREAD, 1, outside },
	{ "nomem", SC_NOMEM | SC_NOTHREAD, 1, nomem },
	{ "idle", SC_BOUND | SC_FEW_MS, 1, idle },
	{ "csp", SC_BOUND, 8, csp_main },
	{ "select", SC_BOUND | SC_FEW_MS | SC_NOTHREAD | SC_NOMEM, 1, select_main },
	{ "select-fan", SC_BOUND | SC_FEW_MS | SC_NOTHREAD, 1, select_fan_main },
	{ "select-self", SC_BOUND | SC_FEW_MS | SC_NOTHREAD, 1, select_self_main },
	{ "select-default", SC_BOUND | SC_FEW_MS | SC_NOTHREAD | SC_TWO_PS, 1, select_default_main },
	{ "lock-thread", SC_BOUND | SC_NOTHREAD, 6, lockthread_main },
	{ "finalizer", SC_BOUND | SC_NOTHREAD, 6, finalizer_main },
	{ "labels", SC_BOUND | SC_NOTHREAD | SC_NOMEM, 6, labels_main },
	{ "supervisor", SC_BOUND | SC_NOTHREAD, 6, supervisor_main },
	{ "supervisor-all", SC_BOUND | SC_NOTHREAD, 6, supervisor_all_main },
	{ "quiesce", SC_BOUND | SC_NOMEM, 8, quiesce_main },
	{ "deadlock", SC_BOUND | SC_DEADLOCK, 8, deadlock_main },
	{ "timers", SC_BOUND | SC_FEW_MS | SC_NOTHREAD | SC_NOMEM, 1, timers_main },
	{ "timer-owner", SC_BOUND | SC_FEW_MS | SC_NOTHREAD | SC_NOMEM, 1, timer_owner_main },
	{ "timer-hog", SC_BOUND | SC_TWO_PS, 1, timer_hog_main },
	{ "after-func", SC_BOUND | SC_FEW_MS | SC_NOTHREAD | SC_NOMEM, 1, after_func_main },
	{ "ticker", SC_BOUND | SC_FEW_MS | SC_NOTHREAD | SC_NOMEM, 1, ticker_main },
	{ "contexts", SC_BOUND | SC_FEW_MS | SC_NOTHREAD | SC_NOMEM, 1, contexts_main },
	{ "context-table", SC_BOUND | SC_FEW_MS | SC_NOTHREAD | SC_NOMEM, 1, context_table_main },
	{ "rwmutex", SC_BOUND | SC_FEW_MS | SC_NOTHREAD, 1, rwmutex_main },
	{ "cond", SC_BOUND | SC_FEW_MS | SC_NOTHREAD, 1, cond_main },
	{ "once", SC_BOUND | SC_FEW_MS | SC_NOTHREAD, 1, once_main },
	{ "semaphore", SC_BOUND | SC_FEW_MS | SC_NOTHREAD | SC_NOMEM, 1, semaphore_main },
	{ "pool", SC_BOUND | SC_FEW_MS | SC_NOTHREAD | SC_NOMEM, 1, pool_main },
	{ "flight", SC_BOUND | SC_FEW_MS | SC_NOTHREAD | SC_NOMEM, 1, flight_main },
	{ "errgroup", SC_BOUND | SC_FEW_MS | SC_NOTHREAD | SC_NOMEM, 1, errgroup_main },
	{ "bubble", SC_BOUND | SC_FEW_MS | SC_NOTHREAD | SC_NOMEM, 1, bubble_main },
	{ "waker", SC_BOUND | SC_FEW_MS | SC_NOTHREAD | SC_NOMEM, 1, waker_main },
	{ "conts", SC_FEW_MS | SC_NOTHREAD | SC_NOMEM, 1, conts_main },
	{ "conts-lock", SC_FEW_MS | SC_NOTHREAD | SC_NOMEM, 1, conts_lock_main },
	{ "reserve", SC_BOUND | SC_FEW_MS | SC_NOTHREAD | SC_NOMEM, 1, reserve_main },
	{ "completions", SC_BOUND | SC_FEW_MS | SC_NOTHREAD, 1, completions_main },
	{ "anywhere", SC_BOUND | SC_FEW_MS | SC_NOTHREAD, 1, anywhere_main },
	{ "blocks", SC_BOUND | SC_TWO_PS, 1, blocks_main },
	{ "alone", SC_BOUND | SC_FEW_MS | SC_NOTHREAD | SC_ONE_P, 1, alone_main },
	{ NULL, 0, 0, NULL }
};
