// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * RWMutex, Cond, Once, semaphores, pools, shared calls, groups and bubbles.
 *
 * Each ends with an account that must add up, and a wake-up that is lost
 * leaves somebody who waits for ever.
 */
#include "sim.h"

#include "bubble.h"

#define MAX_N	6U

/* At a fixed address, moved a little by the seed, as in scenarios.c. */
static struct {
	u32		pad[64];
	struct kgo_rwmutex rw;
	struct kgo_mutex mu;
	struct kgo_cond	cond;
	struct kgo_once	once;
	struct kgo_semaphore sem;
	struct kgo_pool	pool;
	struct kgo_flight flight;
	struct kgo_errgroup group;
	struct kgo_ctx	*ctx;
	struct kgo_chan	*c;
	struct kgo_wg	wg;
	struct kgo_wg	helpers;
	u32		n, rounds, size;
	u32		readers, writers;
	u32		count, calls, begun;
	u32		made, dropped;
	u32		stop;
	u64		last;
	u32		owned[256];
} X;

static void fresh(void)
{
	memset(&X, 0, sizeof(X));
	trace_name(&X.rw.readers, "rw.readers");
	trace_name(&X.rw.reader_wait, "rw.reader_wait");
	trace_name(&X.cond.wait, "cond.wait");
	trace_name(&X.cond.notify, "cond.notify");
	trace_name(&X.mu.state, "mu.state");
	trace_name(&X.once.done, "once.done");
}

static void go_all(struct kgo_wg *wg, u32 n, void (*fn)(void *))
{
	u32 i;

	for (i = 0; i < n; i++) {
		kgo_wg_add(wg, 1);
		sim_go(fn, (void *)(unsigned long)i);
	}
}

/* Readers together, writers alone. */
static void rw_user(void *arg)
{
	u32 i, v;

	(void)arg;
	for (i = 0; i < X.rounds; i++) {
		if (sim_chance(0xa000)) {
			if (sim_chance(0x3000))
				while (!kgo_rwmutex_try_rlock(&X.rw))
					kgo_yield();
			else
				kgo_rwmutex_rlock(&X.rw);
			port_add(&X.readers, 1);
			sim_expect(!port_load(&X.writers), "a writer among readers");
			sim_something();
			port_add(&X.readers, -1U);
			kgo_rwmutex_runlock(&X.rw);
		} else {
			if (sim_chance(0x3000))
				while (!kgo_rwmutex_try_lock(&X.rw))
					kgo_yield();
			else
				kgo_rwmutex_lock(&X.rw);
			sim_expect(port_add(&X.writers, 1) == 1, "two writers");
			sim_expect(!port_load(&X.readers), "readers beside a writer");
			v = X.count;
			sim_something();
			X.count = v + 1;
			port_add(&X.calls, 1);
			port_add(&X.writers, -1U);
			kgo_rwmutex_unlock(&X.rw);
		}
	}
	kgo_wg_done(&X.wg);
}

void rwmutex_main(void *unused)
{
	(void)unused;
	fresh();
	X.rounds = sim_between(1, 6);
	go_all(&X.wg, sim_between(2, MAX_N), rw_user);
	kgo_wg_wait(&X.wg);
	sim_expect(X.count == X.calls, "%u of %u writes", X.count, X.calls);
	sim_expect(!X.rw.readers && !X.rw.reader_wait && !X.rw.w.state &&
		   !X.rw.reader_sema && !X.rw.writer_sema,
		   "rwmutex ends with %d readers", (int)X.rw.readers);
}

/* A bounded store: who fills and who empties wake each other. */
static void cond_put(void *arg)
{
	u32 i;

	(void)arg;
	for (i = 0; i < X.rounds; i++) {
		kgo_mutex_lock(&X.mu);
		X.count++;
		if (sim_chance(0x8000)) {
			kgo_mutex_unlock(&X.mu);
			kgo_cond_signal(&X.cond);
		} else {
			kgo_cond_signal(&X.cond);
			kgo_mutex_unlock(&X.mu);
		}
		sim_something();
	}
	kgo_wg_done(&X.wg);
}

static void cond_take(void *arg)
{
	u32 i;

	(void)arg;
	for (i = 0; i < X.rounds; i++) {
		kgo_mutex_lock(&X.mu);
		while (!X.count)
			kgo_cond_wait(&X.cond, &X.mu);
		X.count--;
		kgo_mutex_unlock(&X.mu);
		sim_something();
	}
	kgo_wg_done(&X.wg);
}

static void cond_gate(void *arg)
{
	(void)arg;
	kgo_mutex_lock(&X.mu);
	while (!X.stop)
		kgo_cond_wait(&X.cond, &X.mu);
	kgo_mutex_unlock(&X.mu);
	kgo_wg_done(&X.helpers);
}

void cond_main(void *unused)
{
	u32 n;

	(void)unused;
	fresh();
	X.rounds = sim_between(1, 6);
	n = sim_between(1, MAX_N / 2);
	go_all(&X.wg, n, cond_take);
	go_all(&X.wg, n, cond_put);
	kgo_wg_wait(&X.wg);
	sim_expect(!X.count, "%u values left", X.count);
	go_all(&X.helpers, sim_between(1, MAX_N), cond_gate);
	sim_something();
	kgo_mutex_lock(&X.mu);
	X.stop = 1;
	kgo_mutex_unlock(&X.mu);
	kgo_cond_broadcast(&X.cond);
	kgo_wg_wait(&X.helpers);
}

static void once_fn(void *arg)
{
	(void)arg;
	X.calls++;
	sim_something();
	X.count = 42;
}

static void once_user(void *arg)
{
	(void)arg;
	sim_something();
	kgo_once_do(&X.once, once_fn, NULL);
	sim_expect(X.count == 42, "went on before it was done");
	kgo_wg_done(&X.wg);
}

void once_main(void *unused)
{
	(void)unused;
	fresh();
	go_all(&X.wg, sim_between(1, MAX_N), once_user);
	kgo_wg_wait(&X.wg);
	sim_expect(X.calls == 1, "done %u times", X.calls);
}

/* Weights, waits that are given up, and never more than there is. */
static void sem_user(void *arg)
{
	u32 i, n;
	int ret;

	(void)arg;
	for (i = 0; i < X.rounds; i++) {
		n = sim_between(1, X.size + sim_chance(0x1000));
		if (n > X.size && port_load(&X.stop))
			n = X.size;
		if (sim_chance(0x3000)) {
			ret = kgo_semaphore_try_acquire(&X.sem, n) ? 0 : -EAGAIN;
		} else if (n > X.size || sim_chance(0x8000)) {
			ret = kgo_semaphore_acquire(&X.sem, X.ctx, n);
			sim_expect(!ret || ret == -ECANCELED ||
				   (ret == -ENOMEM && S.o.p_nomem),
				   "acquire: %d", ret);
		} else {
			ret = kgo_semaphore_acquire(&X.sem, NULL, n);
			sim_expect(!ret, "acquire: %d", ret);
		}
		if (ret)
			continue;
		sim_expect(port_add(&X.count, n) <= X.size, "too many at one time");
		sim_something();
		port_add(&X.count, -n);
		kgo_semaphore_release(&X.sem, n);
	}
	kgo_wg_done(&X.wg);
}

void semaphore_main(void *unused)
{
	(void)unused;
	fresh();
	X.rounds = sim_between(1, 5);
	X.size = sim_between(1, 4);
	kgo_semaphore_init(&X.sem, X.size);
	do {
		X.ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	} while (!X.ctx);
	go_all(&X.wg, sim_between(2, MAX_N), sem_user);
	sim_something();
	if (sim_chance(0x8000))
		kgo_sleep(1 + sim_below(5000));
	kgo_ctx_cancel(X.ctx, 0);
	port_store(&X.stop, 1);
	kgo_wg_wait(&X.wg);
	sim_expect(!X.sem.used, "%lld left in use", X.sem.used);
	kgo_ctx_put(X.ctx);
}

/* Objects of a pool are numbers, from 1. */
static void *pool_make(void *arg)
{
	(void)arg;
	return (void *)(unsigned long)port_add(&X.made, 1);
}

static void pool_drop(void *obj, void *arg)
{
	(void)arg;
	sim_expect(port_add(&X.owned[(unsigned long)obj], 1) == 1,
		   "object dropped while it is in use");
	port_add(&X.dropped, 1);
}

static void pool_user(void *arg)
{
	unsigned long obj[3];
	u32 i, k;

	(void)arg;
	for (i = 0; i < X.rounds; i++) {
		for (k = 0; k < 3; k++) {
			obj[k] = (unsigned long)kgo_pool_get(&X.pool);
			sim_expect(port_add(&X.owned[obj[k]], 1) == 1,
				   "object with two owners");
		}
		sim_something();
		for (k = 0; k < 3; k++) {
			port_add(&X.owned[obj[k]], -1U);
			kgo_pool_put(&X.pool, (void *)obj[k]);
		}
		if (sim_chance(0x2000))
			kgo_pool_trim(&X.pool);
	}
	kgo_wg_done(&X.wg);
}

void pool_main(void *unused)
{
	(void)unused;
	fresh();
	X.rounds = sim_between(1, 8);
	X.pool.make = pool_make;
	X.pool.drop = pool_drop;
	go_all(&X.wg, sim_between(1, MAX_N), pool_user);
	kgo_wg_wait(&X.wg);
	kgo_pool_destroy(&X.pool);
	sim_expect(X.made == X.dropped, "%u made, %u dropped", X.made, X.dropped);
}

/* Whoever wants something gets it, and nobody calls beside another. */
static int flight_fn(void *arg, void **val)
{
	u32 *in = arg;

	sim_expect(port_add(in, 1) == 1, "two calls at one time");
	port_add(&X.calls, 1);
	sim_something();
	*val = &X;
	port_add(in, -1U);
	return -EIO;
}

static void flight_user(void *arg)
{
	struct kgo_flight_result res;
	u32 i, key;
	int ret;

	(void)arg;
	for (i = 0; i < X.rounds; i++) {
		key = sim_below(2);
		memset(&res, 0, sizeof(res));
		if (sim_chance(0x4000)) {
			ret = kgo_flight_do_chan(&X.flight, &key, sizeof(key),
						 flight_fn, &X.owned[key], X.c);
			sim_expect(!ret || (ret == -ENOMEM && S.o.p_nomem),
				   "do_chan: %d", ret);
			if (ret)
				continue;
			/* Perhaps another's: all are alike. */
			sim_expect(kgo_chan_recv(X.c, &res) == 1, "closed");
		} else {
			kgo_flight_do(&X.flight, &key, sizeof(key), flight_fn,
				      &X.owned[key], &res);
		}
		sim_expect((res.err == -EIO && res.val == &X) ||
			   (res.err == -ENOMEM && S.o.p_nomem),
			   "result %d", res.err);
		sim_something();
	}
	kgo_wg_done(&X.wg);
}

void flight_main(void *unused)
{
	(void)unused;
	fresh();
	X.rounds = sim_between(1, 5);
	X.c = sim_chan("results", sizeof(struct kgo_flight_result), sim_below(3));
	go_all(&X.wg, sim_between(1, MAX_N), flight_user);
	kgo_wg_wait(&X.wg);
	sim_expect(!X.flight.calls, "a call is left");
	/* The last who sends may have yet to return. */
	while (kgo_num_goroutine() > 1)
		kgo_yield();
	sim_chan_done(X.c);
}

/* A limit, and the first error. */
static void group_pause(void)
{
	if (kgo_is_stackless(port_self()->curg))
		sim_work(sim_below(60));
	else
		sim_something();
}

static int group_fn(void *arg)
{
	u32 i = (u32)(unsigned long)arg;

	if (X.size)
		sim_expect(port_add(&X.count, 1) <= X.size, "more than the limit");
	group_pause();
	if (X.size)
		port_add(&X.count, -1U);
	port_add(&X.calls, 1);
	return i == 1 ? -EIO : 0;
}

/* Without a stack: the last function says the error. */
static void group_last(void *arg, int ret)
{
	sim_expect(!ret || (ret == -ENOMEM && S.o.p_nomem), "go on: %d", ret);
	ret = kgo_errgroup_fail(group_fn(arg));
	sim_expect(!ret, "fail: %d", ret);
}

static int group_fn_bare(void *arg)
{
	if (sim_chance(0x8000))
		return kgo_sleep_then(1 + sim_below(2000), group_last, arg);
	return kgo_yield_then(group_last, arg);
}

static int group_go(u32 i)
{
	const struct kgo_attr bare = { .flags = KGO_ATTR_STACKLESS };
	void *arg = (void *)(unsigned long)i;
	bool try = sim_chance(0x4000);

	if (sim_chance(0x8000))
		return try ? kgo_errgroup_try_go_attr(&X.group, group_fn_bare, arg, &bare) :
			     kgo_errgroup_go_attr(&X.group, group_fn_bare, arg, &bare);
	return try ? kgo_errgroup_try_go(&X.group, group_fn, arg) :
		     kgo_errgroup_go(&X.group, group_fn, arg);
}

void errgroup_main(void *unused)
{
	u32 i, started = 0;
	bool failed = false;
	int ret;

	(void)unused;
	fresh();
	X.n = sim_between(1, 10);
	X.size = sim_below(4);
	if (X.size)
		kgo_errgroup_set_limit(&X.group, (int)X.size);
	X.ctx = kgo_errgroup_with_context(&X.group, kgo_ctx_background());
	for (i = 0; i < X.n; i++) {
		ret = group_go(i);
		sim_expect(!ret || (ret == -EBUSY && X.size) ||
			   (ret == -ENOMEM && S.o.p_nomem), "go: %d", ret);
		started += !ret;
		failed |= !ret && i == 1;
	}
	ret = kgo_errgroup_wait(&X.group);
	sim_expect(ret == (failed ? -EIO : 0), "wait: %d", ret);
	sim_expect(X.calls == started, "%u of %u ran", X.calls, started);
	if (X.ctx) {
		sim_expect(kgo_ctx_cause(X.ctx) == (failed ? -EIO : -ECANCELED),
			   "cause %d", kgo_ctx_cause(X.ctx));
		kgo_ctx_put(X.ctx);
	}
}

/* In a bubble: exact times, whatever the schedule. */
static void bubble_sleeper(void *arg)
{
	u64 ns = 1000 * (1 + (u64)(unsigned long)arg), begin = kgo_now();
	u32 i;

	for (i = 0; i < X.rounds; i++) {
		if (sim_chance(0x4000))
			sim_something();
		if (kgo_sleep((long long)ns)) {
			X.begun = 1;	/* no memory for a timer */
			break;
		}
		sim_expect(kgo_now() == begin + (i + 1) * ns,
			   "woke %lld ns late", (long long)(kgo_now() - begin - (i + 1) * ns));
		sim_expect(kgo_now() >= X.last, "time goes back");
		X.last = kgo_now();
	}
	kgo_wg_done(&X.wg);
}

static void bubble_receiver(void *arg)
{
	u32 v;

	(void)arg;
	while (kgo_chan_recv(X.c, &v) == 1)
		port_add(&X.count, v);
	kgo_wg_done(&X.helpers);
}

static void bubble_body(void *arg)
{
	u32 i, v = 1, sent = 0;

	(void)arg;
	X.c = sim_chan("inside", sizeof(u32), sim_below(2));
	go_all(&X.wg, X.n, bubble_sleeper);
	go_all(&X.helpers, sim_between(1, 3), bubble_receiver);
	for (i = 0; i < X.rounds; i++) {
		sim_expect(!kgo_chan_send(X.c, &v), "closed");
		sent++;
		if (sim_chance(0x8000)) {
			kgo_synctest_wait();
			sim_expect(port_load(&X.count) == sent,
				   "%u of %u received when all wait",
				   X.count, sent);
		}
	}
	kgo_wg_wait(&X.wg);
	kgo_chan_close(X.c);
	kgo_wg_wait(&X.helpers);
}

void bubble_main(void *unused)
{
	int ret;

	(void)unused;
	fresh();
	X.n = sim_between(1, MAX_N);
	X.rounds = sim_between(1, 5);
	ret = kgo_synctest_run(bubble_body, NULL);
	sim_expect(!ret || (ret == -ENOMEM && S.o.p_nomem), "run: %d", ret);
	if (ret)
		return;
	sim_expect(X.count == X.rounds, "%u of %u received", X.count, X.rounds);
	sim_chan_done(X.c);
}
