// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Programs of goroutines that lock their thread.
 */
#include "sim.h"

static struct {
	struct kgo_chan	*c[2];
	struct kgo_wg	wg;
	u32		rounds;
	u32		died;		/* locked, as far as they got */
} X;

static void something(void)
{
	switch (sim_below(6)) {
	case 0:
		kgo_yield();
		break;
	case 1:
		sim_block(1 + sim_below(3000));
		break;
	case 2:
		kgo_sleep(1 + sim_below(3000));
		break;
	case 3:
		sim_work(sim_below(40));
		break;
	}
}

/* Hand a value round and round, at times on one thread only. */
static void passer(void *unused)
{
	struct sim_thread *mine = NULL;
	u32 locks = 0, v, i;

	(void)unused;
	for (i = 0; i < X.rounds; i++) {
		if (sim_chance(0x6000)) {
			kgo_lock_os_thread();
			if (!locks++)
				mine = S.cur;
		}
		something();
		sim_expect(kgo_chan_recv(X.c[0], &v) == 1, "closed");
		sim_expect(!locks || S.cur == mine, "a locked goroutine moved");
		v++;
		something();
		sim_expect(!kgo_chan_send(X.c[1], &v), "closed");
		sim_expect(!locks || S.cur == mine, "a locked goroutine moved");
		if (sim_chance(0x6000)) {
			kgo_unlock_os_thread();
			if (locks)
				locks--;
			sim_expect(!!locks == !!S.cur->m->curg->bound,
				   "bound with %u locks", locks);
		}
	}
	if (locks)
		port_add(&X.died, 1);
	kgo_wg_done(&X.wg);
}

static void child(void *unused)
{
	(void)unused;
	sim_expect(!S.cur->m->curg->bound, "the child of a locked one is locked");
	something();
	kgo_wg_done(&X.wg);
}

void lockthread_main(void *unused)
{
	u32 n = 1 + sim_below(4), i, sum = 0, v = 0;
	bool bound = S.cur->m->curg->bound;

	(void)unused;
	memset(&X, 0, sizeof(X));
	X.rounds = 1 + sim_below(4);
	X.c[0] = sim_chan("there", sizeof(v), sim_below(3));
	X.c[1] = sim_chan("back", sizeof(v), sim_below(3));
	kgo_lock_os_thread();
	kgo_wg_add(&X.wg, (int)(2 * n));
	for (i = 0; i < n; i++) {
		sim_go(passer, NULL);
		sim_go(child, NULL);
	}
	if (sim_chance(0x8000))
		kgo_unlock_os_thread();
	for (i = 0; i < n * X.rounds; i++) {
		sim_expect(!kgo_chan_send(X.c[0], &v), "closed");
		sim_expect(kgo_chan_recv(X.c[1], &v) == 1, "closed");
		sum++;
	}
	kgo_wg_wait(&X.wg);
	sim_expect(v == sum, "%u of %u hands", v, sum);
	/* The other half of the seeds dies locked. */
	sim_expect(bound || S.cur->m->locks == !!S.cur->m->curg->bound,
		   "bound is not what the locks say");
	sim_chan_done(X.c[0]);
	sim_chan_done(X.c[1]);
}
