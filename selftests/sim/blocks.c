// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Short system calls, one beside the other: whoever blocks first finds work,
 * and takes his P back before anybody has it, while the next one that blocks
 * relies on him.
 */
#include "sim.h"

static struct {
	struct kgo_wg	wg;
	u32		rounds;
	u32		flag[8];	/* A */
	u32		stop;		/* A */
} X;

static void setter(void *flag)
{
	port_store((u32 *)flag, 1);
	kgo_wg_done(&X.wg);
}

static void sleeper(void *unused)
{
	(void)unused;
	while (!port_load(&X.stop)) {
		sim_block(1 + sim_below(3000));
		sim_work(sim_below(10));
	}
	kgo_wg_done(&X.wg);
}

void blocks_main(void *unused)
{
	u32 n = sim_between(1, 2), i;

	(void)unused;
	memset(&X, 0, sizeof(X));
	X.rounds = sim_between(1, ARRAY_SIZE(X.flag));
	kgo_wg_add(&X.wg, (int)(n + X.rounds));
	for (i = 0; i < n; i++)
		sim_go(sleeper, NULL);
	for (i = 0; i < X.rounds; i++) {
		sim_go(setter, &X.flag[i]);
		sim_block(1 + sim_below(1000));
		sim_spin_until(&X.flag[i]);
	}
	port_store(&X.stop, 1);
	kgo_wg_wait(&X.wg);
}
