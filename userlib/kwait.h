/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What kchan.c and kselect.c share: waiting for marks of kernel channels.
 */
#ifndef KGO_KWAIT_H
#define KGO_KWAIT_H

#include "backend.h"
#include "chan.h"

#include <linux/kgo_kchan.h>

/*
 * struct kgo_kwaiter - A goroutine that waits for kernel channels
 *
 *   Q: lock
 */
struct kgo_kwaiter {
	struct kgo_alarm timer;
	kgo_lock_t	lock;
	struct kgo_g	*g;		/* Q: parked */
	u64		done;		/* Q: cases whose mark was in the ring */
	bool		late;		/* Q: its time is over */
	struct kgo_chan	*c;		/* C: of a select: gets a token; or NULL */
};

bool kgo_kwait_can_arm(void);
void kgo_kwait_init(struct kgo_kwaiter *w, struct kgo_g *g);
void kgo_kwait(struct kgo_kwaiter *w, u64 cases, bool stay, u16 reason);
bool kgo_kwait_disarm(int fd, u32 mark);
int kgo_kchan_ioctl(int fd, unsigned long cmd, void *arg);

#endif
