// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * One P, whose owner goes without locked instructions, and threads that are no
 * Ms, the first of which ends that at any moment: while the owner is between
 * two halves of a change, in the arbiter, or in a system call.
 */
#include "sim.h"

static struct {
	struct kgo_chan	*c;
	struct kgo_mutex mu;
	struct kgo_wg	senders, receivers;
	u32		rounds;
	u32		inside;		/* A: who holds mu */
	u32		guarded;	/* with mu */
	u32		sum;		/* A */
	u32		live;		/* A: threads */
	u32		said;		/* A: by them */
} X;

static void guard(void)
{
	sim_expect(port_add(&X.inside, 1) == 1, "two hold the mutex");
	X.guarded++;
	port_add(&X.inside, -1U);
}

static void sender(void *unused)
{
	u32 i, v = 1;

	(void)unused;
	for (i = 0; i < X.rounds; i++) {
		kgo_chan_send(X.c, &v);
		kgo_mutex_lock(&X.mu);
		guard();
		if (sim_chance(0x1000))
			sim_something();
		kgo_mutex_unlock(&X.mu);
	}
	kgo_wg_done(&X.senders);
}

static void receiver(void *unused)
{
	u32 v = 0;

	(void)unused;
	while (kgo_chan_recv(X.c, &v) == 1)
		port_add(&X.sum, v);
	kgo_wg_done(&X.receivers);
}

/* As kgo_traceback() does, with the stack that is read left out. */
static void scanner(void *unused)
{
	u32 n = sim_between(1, 4), i;

	(void)unused;
	sim_work(sim_below(60));
	while (n--) {
		for (i = 1; i < port_load(&kgo_rt.r->nr_gs); i++) {
			if (!kgo_g_scan_begin(port_g(i)))
				continue;
			sim_work(sim_below(4));
			kgo_g_scan_end(port_g(i));
		}
	}
	port_add(&X.live, -1U);
}

static void thread(void *unused)
{
	u32 n = sim_between(1, 2), i, v = 1;

	(void)unused;
	sim_work(sim_below(60));
	for (i = 0; i < n; i++) {
		while (kgo_chan_try_send(X.c, &v))
			port_pause();
		while (!kgo_mutex_try_lock(&X.mu))
			port_pause();
		guard();
		kgo_mutex_unlock(&X.mu);
	}
	port_add(&X.said, n);
	port_add(&X.live, -1U);
}

void alone_main(void *unused)
{
	u32 pairs = sim_between(1, 3), threads = sim_between(1, 2), i, all;

	(void)unused;
	memset(&X, 0, sizeof(X));
	X.c = sim_chan("alone", sizeof(u32), sim_below(3));
	X.rounds = sim_between(1, 8);
	X.live = threads;
	kgo_wg_add(&X.senders, (int)pairs);
	kgo_wg_add(&X.receivers, (int)pairs);
	for (i = 0; i < threads; i++)
		sim_outside(sim_chance(0x8000) ? thread : scanner, NULL);
	for (i = 0; i < pairs; i++) {
		sim_go(receiver, NULL);
		sim_go(sender, NULL);
	}
	kgo_wg_wait(&X.senders);
	while (port_load(&X.live))
		kgo_sleep(1000);
	kgo_chan_close(X.c);
	kgo_wg_wait(&X.receivers);
	all = X.said + pairs * X.rounds;
	sim_expect(X.sum == all && X.guarded == all,
		   "%u received and %u guarded, of %u", X.sum, X.guarded, all);
	sim_chan_done(X.c);
}
