// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The completion ring: what the kernel has finished for goroutines that wait.
 *
 *   goroutine		a thread that is no M, for the kernel
 *   ---------		-------------------------------------
 *   armed = 1		takes armed
 *   parks		fills the ring, arb_completed()
 *			any M with a P: port_complete(): ready
 */
#include "sim.h"

#define MARKS	6U
#define RING	8U	/* a power of two, no less than MARKS */

static struct {
	u32		ring[RING];
	kgo_lock_t	reader;
	struct {
		kgo_lock_t	lock;
		struct kgo_g	*g;	/* lock: who waits */
		u32		came;	/* lock */
		u32		armed;	/* A */
	} mark[MARKS];
	struct kgo_wg	wg;
	u32		n, rounds;
	u32		done;		/* A: waits that are over */
} X;

static struct kgo_g *complete(u32 i)
{
	struct kgo_g *g;

	sim_expect(i < X.n, "no mark: %u", i);
	port_lock(&X.mark[i].lock);
	g = X.mark[i].g;
	X.mark[i].g = NULL;
	sim_expect(!X.mark[i].came, "mark %u completes twice", i);
	X.mark[i].came = 1;
	port_unlock(&X.mark[i].lock);
	return g;
}

void port_complete(void)
{
	struct kgo_rdesc *r = kgo_rt.r;
	struct kgo_gq ready = { 0 };
	struct kgo_g *g;
	u32 head;

	port_lock(&X.reader);
	head = port_load(&r->cq_head);
	/* Pairs with the_kernel(), which fills the slot first. */
	while (head != port_load_acquire(&r->cq_tail)) {
		g = complete(port_load(&X.ring[head % RING]));
		if (g)
			kgo_gq_push(&ready, g);
		port_store_release(&r->cq_head, ++head);
	}
	port_unlock(&X.reader);
	while ((g = kgo_gq_pop(&ready)))
		kgo_g_ready(g);
}

static void the_kernel(void *unused)
{
	struct kgo_rdesc *r = kgo_rt.r;
	u32 i, all = X.n * X.rounds, n = 0;

	(void)unused;
	while (n < all) {
		i = sim_below(X.n);
		if (!port_load(&X.mark[i].armed)) {
			port_pause();
			continue;
		}
		port_xchg(&X.mark[i].armed, 0);
		sim_work(sim_below(30));
		port_store(&X.ring[n % RING], i);
		port_store_release(&r->cq_tail, ++n);
		world_completed();
	}
}

static void waiter(void *arg)
{
	u32 i = (u32)(unsigned long)arg, k;
	struct kgo_m *m;

	for (k = 0; k < X.rounds; k++) {
		sim_something();
		port_xchg(&X.mark[i].armed, 1);
		if (sim_chance(0x4000))
			sim_something();
		m = kgo_enter_sched();
		port_lock(&X.mark[i].lock);
		if (X.mark[i].came) {
			port_unlock(&X.mark[i].lock);
		} else {
			X.mark[i].g = m->curg;
			kgo_g_park(m, KGO_WAIT_KCHAN_RECEIVE, &X.mark[i].lock);
		}
		port_lock(&X.mark[i].lock);
		sim_expect(X.mark[i].came, "readied for nothing");
		X.mark[i].came = 0;
		port_unlock(&X.mark[i].lock);
		kgo_leave_sched();
		port_add(&X.done, 1);
	}
	kgo_wg_done(&X.wg);
}

void completions_main(void *unused)
{
	u32 i;

	(void)unused;
	memset(&X, 0, sizeof(X));
	port_lock_init(&X.reader);
	X.n = sim_between(1, MARKS);
	X.rounds = sim_between(1, 5);
	kgo_wg_add(&X.wg, (int)X.n);
	for (i = 0; i < X.n; i++) {
		port_lock_init(&X.mark[i].lock);
		sim_go(waiter, (void *)(unsigned long)i);
	}
	sim_outside(the_kernel, NULL);
	kgo_wg_wait(&X.wg);
	sim_expect(X.done == X.n * X.rounds, "%u waits are over", X.done);
	while (S.nr_ext)
		kgo_sleep(1000);
}
