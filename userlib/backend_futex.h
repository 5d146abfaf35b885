/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Between backend_futex.c, which decides, and monitor.c, which watches.
 */
#ifndef KGO_BACKEND_FUTEX_H
#define KGO_BACKEND_FUTEX_H

#include "arb.h"

/*
 * struct futex_m - An M of the futex back end
 *
 * Legend: K: lock; T: table_lock; A: atomic.  All-zero is a free one.
 */
struct futex_m {
	kgo_lock_t	lock;		/* see futex_take() */
	bool		taken;		/* K: its P was taken while it slept */
	bool		attached;	/* T */
	u32		wakes;		/* A: grows when it was granted a P */
	struct arb_m	am;
};

/*
 * struct futex_rt - The futex back end
 */
struct futex_rt {
	struct arb	arb;
	struct futex_m	*m;		/* C: one for each record of region M */
	kgo_lock_t	table_lock;
	bool		monitored;	/* C: the monitor thread exists */
};

extern struct futex_rt kgo_futex;

bool kgo_futex_take(u32 p, u32 m);
bool kgo_futex_preempt(u32 p, u32 m);

/* monitor.c */
int kgo_monitor_start(void);
void kgo_monitor_kick_slow(void);
extern u32 kgo_monitor_asleep;	/* A: it waits until a P runs */

/* A thread owns a P now.  Its P word was changed with a full barrier, which
 * pairs with the one in monitor.c's sleep_while_idle().
 */
static inline void kgo_monitor_kick(void)
{
	if (unlikely(port_load(&kgo_monitor_asleep)))
		kgo_monitor_kick_slow();
}

#endif
