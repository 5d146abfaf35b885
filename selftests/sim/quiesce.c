// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Waiting for goroutines to end: never too early, and never for ever.  They
 * are of a group, as those of a test that checks for leaks.
 */
#include "sim.h"

static struct {
	u32	left;		/* goroutines that have yet to come to their end */
	u32	rounds;
	u32	others;		/* that stay until go is set */
	u32	go;
	struct kgo_group *group;
} X;

static void child(void *unused)
{
	u32 n = sim_below(3);

	(void)unused;
	sim_expect(!X.group || kgo_group_has(X.group, port_self()->curg),
		   "a goroutine is not of its group");
	if (n == 0)
		kgo_yield();
	else if (n == 1)
		sim_block(1 + sim_below(20000));
	if (sim_chance(0x3000)) {
		port_add(&X.left, 1);
		sim_go(child, NULL);
	}
	port_add(&X.left, -1U);
}

/* It computes for ever, as far as the scheduler can tell. */
static void stays(void *unused)
{
	(void)unused;
	while (!port_load(&X.go)) {
		kgo_yield();
		if (sim_chance(0x400))
			sim_block(1 + sim_below(5000));
	}
}

static void second_waiter(void *arg)
{
	u64 target = (u64)(unsigned long)arg;
	int ret;

	/* All that it may count on: it is one of them itself. */
	ret = kgo_quiesce(target, 1 + sim_below(40000));
	sim_expect(!ret || ret == -ETIMEDOUT || (ret == -ENOMEM && S.o.p_nomem),
		   "quiesce: %d", ret);
	sim_expect(ret || kgo_num_goroutine() >= 1, "nobody is left");
	port_add(&X.left, -1U);
}

void quiesce_main(void *unused)
{
	u32 n, i, k;
	int ret;

	(void)unused;
	memset(&X, 0, sizeof(X));
	X.rounds = 1 + sim_below(3);
	X.others = sim_below(3);
	for (i = 0; i < X.others; i++)
		sim_go(stays, NULL);
	for (k = 0; k < X.rounds; k++) {
		n = sim_below(5);
		X.group = sim_chance(0x8000) ? kgo_group_enter() : NULL;
		for (i = 0; i < n; i++) {
			port_add(&X.left, 1);
			if (sim_chance(0x3000))
				sim_go(second_waiter, (void *)(unsigned long)
				       (1 + X.others + sim_below(3)));
			else
				sim_go(child, NULL);
		}
		do {
			ret = kgo_quiesce(1 + X.others, sim_chance(0xc000) ? -1 :
					  1 + (long long)sim_below(30000));
			sim_expect(!ret || ret == -ETIMEDOUT ||
				   (ret == -ENOMEM && S.o.p_nomem),
				   "quiesce: %d", ret);
		} while (ret);
		sim_expect(!X.left, "quiet while %u run", X.left);
		if (X.group)
			sim_expect(!kgo_group_leave(X.group), "not its group");
	}
	X.go = 1;
	sim_expect(!kgo_quiesce(1, -1), "quiesce without a timeout");
	sim_expect(kgo_num_goroutine() == 1, "others are left");
}
