// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A program that ends with a deadlock: it must be told, and not a step before
 * the last thread that could do anything is gone.
 *
 * That other programs never report one needs no scenario: port_deadlock()
 * fails in all of them.
 */
#include "sim.h"

/* At a fixed address, as in scenarios.c. */
static struct {
	struct kgo_chan	*c;
	struct kgo_mutex mu;
	struct kgo_wg	wg;
	u32		alive;		/* who has yet to do something */
} X;

/* What only a thread beside the Ms can wake: they all park meanwhile. */
static void helper(void *unused)
{
	(void)unused;
	sim_work(sim_below(sim_chance(0x8000) ? 200 : 3000));
	if (sim_chance(0x8000)) {
		port_add(&X.alive, 1);
		sim_go(deadlock_main, &X);
	}
	port_add(&X.alive, -1U);
}

static void for_ever(void)
{
	u32 v;

	switch (sim_below(4)) {
	case 0:
		kgo_chan_recv(X.c, &v);
		break;
	case 1:
		kgo_mutex_lock(&X.mu);
		break;
	case 2:
		kgo_wg_wait(&X.wg);
		break;
	default:
		kgo_chan_recv(NULL, &v);
		break;
	}
	sim_fail("a goroutine came back from a wait for ever");
}

static void body(void *unused)
{
	u32 v, i, n = sim_below(5);

	(void)unused;
	for (i = 0; i < n; i++) {
		switch (sim_below(6)) {
		case 0:
			kgo_yield();
			break;
		case 1:
			sim_block(1 + sim_below(30000));
			break;
		case 2:
			kgo_sleep(1 + sim_below(30000));
			break;
		case 3:
			kgo_chan_recv_timeout(X.c, &v, 1 + sim_below(20000));
			break;
		case 4:
			sim_work(sim_below(100));
			break;
		}
	}
	port_add(&X.alive, -1U);
	if (sim_chance(0x4000))
		return;
	for_ever();
}

void deadlock_told(void)
{
	u32 i;

	sim_expect(!X.alive, "a deadlock is told while %u can go on", X.alive);
	for (i = 0; i < SIM_MAX_THREADS; i++)
		sim_expect(S.t[i].state == T_FREE || S.t[i].attached ||
			   S.t[i].fn == world_irq_main,
			   "a deadlock is told beside a thread that is no M");
	port_free(X.c);
}

/* Main; and what a helper starts, which is told by its argument. */
void deadlock_main(void *arg)
{
	u32 n = sim_below(4), i;

	if (arg) {
		body(NULL);
		return;
	}
	memset(&X, 0, sizeof(X));
	X.c = kgo_chan_make(sizeof(u32), 0);
	X.alive = 1;
	kgo_mutex_lock(&X.mu);
	kgo_wg_add(&X.wg, 1);
	for (i = 0; i < n; i++) {
		port_add(&X.alive, 1);
		switch (sim_below(4)) {
		case 0:
			sim_outside(helper, NULL);
			break;
		case 1:
			sim_bound(body, NULL);
			break;
		default:
			sim_go(body, NULL);
			break;
		}
	}
	port_add(&X.alive, -1U);
	for_ever();
}
