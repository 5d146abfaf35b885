/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Wakers: park until somebody says go on.
 */
#ifndef KGO_WAKER_H
#define KGO_WAKER_H

#include "attr.h"

/**
 * struct kgo_waker - Where one goroutine parks; all-zero is ready to use
 * @permit: private: kgo_ready() was called and nobody was parked
 * @parked: private: index of the goroutine that is parked, or 0
 *
 * It lives where its user likes, also on the stack of who parks: once a park
 * has returned because of a kgo_ready(), that call has done with it.  The user
 * sees to it that no other call is under way or comes when it goes.
 */
struct kgo_waker {
	unsigned int permit;
	unsigned int parked;
};

/** kgo_waker_init() - Make a waker ready to use; nobody uses it.  CONTEXT: any. */
void kgo_waker_init(struct kgo_waker *w);

/**
 * kgo_park() - Wait for a kgo_ready()
 * @w: the waker; nobody else is parked on it, or it panics
 *
 * One that came since the last park is not lost: it does not wait then.
 * Several are as good as one: it is a permit, not a count.  What was written
 * before kgo_ready() is seen.
 * CONTEXT: a goroutine; parks.
 * Return: 0; -EPERM if the caller is no goroutine (a program ends then).
 */
int kgo_park(struct kgo_waker *w);

/**
 * kgo_park_timeout() - kgo_park() that waits so long at most
 * @w: the waker
 * @ns: nanoseconds; not positive: does not wait
 *
 * CONTEXT: a goroutine; parks.
 * Return: also -ETIMEDOUT, no kgo_ready() was used up then; -ENOMEM if there is
 * no room for a timer.
 */
int kgo_park_timeout(struct kgo_waker *w, long long ns);

/**
 * kgo_ready() - Let the goroutine go on that is parked, or will be
 * @w: the waker
 *
 * CONTEXT: any.  Does not allocate.
 */
void kgo_ready(struct kgo_waker *w);

#endif
