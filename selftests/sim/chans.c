// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Channels in the simulator: two that hand over, many to many, with an end,
 * closed, and first come first served.
 *
 * What is received is what was sent, each value once.
 */
#include "sim.h"

/* At a fixed address, as in scenarios.c. */
static struct {
	struct kgo_chan	*c[2];
	struct kgo_wg	wg[2];
	u32		n, rounds;
	u32		sent, received, timeouts;
	u64		sum;
} X;

static void fresh(void)
{
	memset(&X, 0, sizeof(X));
	trace_name(&X.wg[0].state, "wg0.state");
	trace_name(&X.wg[0].sema, "wg0.sema");
}

/* Two goroutines and two unbuffered channels. */
static void ponger(void *unused)
{
	u32 v, i;

	(void)unused;
	for (i = 0; i < X.rounds; i++) {
		sim_expect(kgo_chan_recv(X.c[0], &v) == 1, "ping closed");
		v++;
		sim_expect(!kgo_chan_send(X.c[1], &v), "pong closed");
	}
}

void pingpong_main(void *unused)
{
	u32 v = 0, i;

	(void)unused;
	fresh();
	X.rounds = sim_between(1, 12);
	X.c[0] = sim_chan("ping", sizeof(v), sim_below(2));
	X.c[1] = sim_chan("pong", sizeof(v), sim_below(2));
	sim_go(ponger, NULL);
	for (i = 0; i < X.rounds; i++) {
		sim_expect(!kgo_chan_send(X.c[0], &v), "ping closed");
		sim_expect(kgo_chan_recv(X.c[1], &v) == 1, "pong closed");
	}
	sim_expect(v == X.rounds, "%u of %u rounds", v, X.rounds);
	sim_chan_done(X.c[0]);
	sim_chan_done(X.c[1]);
}

/* Producers and consumers. */
static void producer(void *arg)
{
	u32 id = (u32)(unsigned long)arg, v, i;

	for (i = 0; i < X.rounds; i++) {
		v = id * X.rounds + i + 1;
		sim_expect(!kgo_chan_send(X.c[0], &v), "send failed");
		sim_something();
	}
	kgo_wg_done(&X.wg[0]);
}

static void consumer(void *unused)
{
	u32 v;

	(void)unused;
	while (kgo_chan_recv(X.c[0], &v) == 1) {
		port_add(&X.sum, v);
		port_add(&X.received, 1);
		sim_something();
	}
	kgo_wg_done(&X.wg[1]);
}

void fan_main(void *unused)
{
	u32 consumers = sim_between(1, 4), i, n;

	(void)unused;
	fresh();
	X.n = sim_between(1, 4);
	X.rounds = sim_between(1, 8);
	n = X.n * X.rounds;
	X.c[0] = sim_chan("fan", sizeof(u32), sim_below(4));
	kgo_wg_add(&X.wg[0], (int)X.n);
	kgo_wg_add(&X.wg[1], (int)consumers);
	for (i = 0; i < consumers; i++)
		sim_go(consumer, NULL);
	for (i = 0; i < X.n; i++)
		sim_go(producer, (void *)(unsigned long)i);
	kgo_wg_wait(&X.wg[0]);
	kgo_chan_close(X.c[0]);
	kgo_wg_wait(&X.wg[1]);
	sim_expect(X.received == n && X.sum == (u64)n * (n + 1) / 2,
		   "%u of %u values, sum %llu", X.received, n, X.sum);
	sim_chan_done(X.c[0]);
}

/*
 * Sends and receives with an end, against each other and against close.
 * What was sent and what was received must be the same.
 */
static long long short_time(void)
{
	return sim_chance(0x2000) ? 0 : 1 + sim_below(4000);
}

static int timed_send(void *v)
{
	return sim_chance(0x3000) ? kgo_chan_try_send(X.c[0], v) :
	       kgo_chan_send_timeout(X.c[0], v, short_time());
}

static void timed_sender(void *arg)
{
	u32 id = (u32)(unsigned long)arg, v, i;
	int ret;

	for (i = 0; i < X.rounds; i++) {
		v = id * X.rounds + i + 1;
		ret = sim_catch(timed_send, &v);
		if (!ret) {
			port_add(&X.sent, 1);
			port_add(&X.sum, v);
		} else {
			if (ret == -EPIPE)
				break;
			sim_expect(ret == -ETIMEDOUT || ret == -EAGAIN ||
				   (ret == -ENOMEM && S.o.p_nomem),
				   "timed send: %d", ret);
			port_add(&X.timeouts, 1);
		}
		sim_something();
	}
	kgo_wg_done(&X.wg[0]);
}

static void timed_receiver(void *unused)
{
	u32 v;
	int ret;

	(void)unused;
	for (;;) {
		v = 0;
		ret = sim_chance(0x3000) ? kgo_chan_try_recv(X.c[0], &v) :
		      kgo_chan_recv_timeout(X.c[0], &v, short_time());
		if (ret == 1) {
			sim_expect(v && v <= X.n * X.rounds, "received %u", v);
			port_add(&X.received, 1);
			port_add(&X.sum, -(u64)v);
		} else {
			if (!ret)
				break;
			sim_expect(ret == -ETIMEDOUT || ret == -EAGAIN ||
				   (ret == -ENOMEM && S.o.p_nomem),
				   "timed receive: %d", ret);
			kgo_yield();
		}
		sim_something();
	}
	kgo_wg_done(&X.wg[1]);
}

void timeout_main(void *unused)
{
	u32 receivers = sim_between(1, 3), i;
	bool early = sim_chance(0x4000);

	(void)unused;
	fresh();
	X.n = sim_between(1, 4);
	X.rounds = sim_between(1, 5);
	X.c[0] = sim_chan("timed", sizeof(u32), sim_below(3));
	kgo_wg_add(&X.wg[0], (int)X.n);
	kgo_wg_add(&X.wg[1], (int)receivers);
	for (i = 0; i < X.n; i++)
		sim_go(timed_sender, (void *)(unsigned long)i);
	for (i = 0; i < receivers; i++)
		sim_go(timed_receiver, NULL);
	if (early)
		sim_something();
	else
		kgo_wg_wait(&X.wg[0]);
	kgo_chan_close(X.c[0]);
	kgo_wg_wait(&X.wg[0]);
	kgo_wg_wait(&X.wg[1]);
	sim_expect(X.sent == X.received && !X.sum,
		   "%u sent, %u received, %llu between", X.sent, X.received,
		   X.sum);
	sim_chan_done(X.c[0]);
}

/* Close wakes everybody; values come before the end. */
static void close_receiver(void *unused)
{
	u32 v;
	int ret;

	(void)unused;
	for (;;) {
		v = 77;
		ret = kgo_chan_recv(X.c[0], &v);
		if (ret != 1)
			break;
		port_add(&X.received, 1);
	}
	sim_expect(!ret && !v, "receive from closed: %d, value %u", ret, v);
	kgo_wg_done(&X.wg[0]);
}

static int send_up(void *v)
{
	return kgo_chan_send(X.c[1], v);
}

static void close_sender(void *unused)
{
	u32 v = 5;
	int ret;

	(void)unused;
	ret = sim_catch(send_up, &v);
	sim_expect(ret == -EPIPE || !ret, "send to closing: %d", ret);
	if (!ret)
		port_add(&X.sent, 1);
	kgo_wg_done(&X.wg[0]);
}

void close_main(void *unused)
{
	u32 senders = sim_between(0, 4), values = sim_below(4), i, v = 3, left = 0;

	(void)unused;
	fresh();
	X.n = sim_between(1, 5);
	X.c[0] = sim_chan("down", sizeof(u32), sim_below(3));
	X.c[1] = sim_chan("up", sizeof(u32), sim_below(3));
	kgo_wg_add(&X.wg[0], (int)(X.n + senders));
	for (i = 0; i < X.n; i++)
		sim_go(close_receiver, NULL);
	for (i = 0; i < senders; i++)
		sim_go(close_sender, NULL);
	sim_something();
	for (i = 0; i < values; i++)
		sim_expect(!kgo_chan_send(X.c[0], &v), "send");
	sim_something();
	sim_expect(!kgo_chan_close(X.c[0]) && !kgo_chan_close(X.c[1]), "close");
	kgo_wg_wait(&X.wg[0]);
	sim_expect(X.received == values, "%u of %u came", X.received, values);
	while (kgo_chan_recv(X.c[1], &v) == 1)
		left++;
	sim_expect(left == X.sent, "%u of %u in the buffer", left, X.sent);
	sim_chan_done(X.c[0]);
	sim_chan_done(X.c[1]);
}

/* Who waits first is served first. */
static void fifo_receiver(void *arg)
{
	u32 id = (u32)(unsigned long)arg, v = 0;

	sim_expect(kgo_chan_recv(X.c[0], &v) == 1, "closed");
	sim_expect(v == id + 1, "receiver %u got value %u", id, v);
	kgo_wg_done(&X.wg[0]);
}

static void fifo_sender(void *arg)
{
	u32 v = (u32)(unsigned long)arg + 1;

	sim_expect(!kgo_chan_send(X.c[1], &v), "closed");
	kgo_wg_done(&X.wg[0]);
}

void fifo_main(void *unused)
{
	u32 i, v;

	(void)unused;
	fresh();
	X.n = sim_between(2, 6);
	X.c[0] = sim_chan("out", sizeof(u32), 0);
	X.c[1] = sim_chan("in", sizeof(u32), 0);
	kgo_wg_add(&X.wg[0], (int)X.n * 2);
	for (i = 0; i < X.n; i++) {
		sim_go(fifo_receiver, (void *)(unsigned long)i);
		sim_go(fifo_sender, (void *)(unsigned long)i);
		while (peek_chan_waiters(X.c[0]) <= i ||
		       peek_chan_waiters(X.c[1]) <= i)
			kgo_yield();
	}
	for (i = 0; i < X.n; i++) {
		v = i + 1;
		sim_expect(!kgo_chan_send(X.c[0], &v), "closed");
		sim_expect(kgo_chan_recv(X.c[1], &v) == 1, "closed");
		sim_expect(v == i + 1, "value %u came as number %u", v, i + 1);
		sim_something();
	}
	kgo_wg_wait(&X.wg[0]);
	sim_chan_done(X.c[0]);
	sim_chan_done(X.c[1]);
}
