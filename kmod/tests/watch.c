// SPDX-License-Identifier: GPL-2.0
/*
 * Looking at goroutines from outside, as the tables do, and catching what the
 * core throws.
 */
#include <linux/module.h>

#include "../compat.h"
#include "../kernel.h"
#include "test.h"

#define PATIENCE_NS	(20LL * NSEC_PER_SEC)

/* How many goroutines that the caller started are in a state, for a reason. */
u32 kgo_test_children(u32 state, u16 reason)
{
	u64 me = kgo_goid();
	u32 i, n = 0;

	for (i = 1; i < READ_ONCE(kgo_rt.r->nr_gs); i++) {
		struct kgo_gdesc *d = &port_g(i)->d;

		/* Pairs with kgo_g_set_state(): what is read is of that life. */
		if (smp_load_acquire(&d->state) != state ||
		    READ_ONCE(d->parent) != me)
			continue;
		if (state != KGO_G_WAITING || READ_ONCE(d->reason) == reason)
			n++;
	}
	return n;
}

/* Wait until so many of them are parked for a reason.  False: they never were. */
bool kgo_test_until_waiting(u32 n, u16 reason)
{
	s64 end = ktime_get_ns() + PATIENCE_NS;

	while (kgo_test_children(KGO_G_WAITING, reason) != n) {
		if (ktime_get_ns() > end)
			return false;
		kgo_sleep(NSEC_PER_MSEC);
	}
	return true;
}

/* Wait until none of them is left. */
bool kgo_test_until_ended(void)
{
	s64 end = ktime_get_ns() + PATIENCE_NS;

	while (kgo_test_children(KGO_G_RUNNABLE, 0) ||
	       kgo_test_children(KGO_G_RUNNING, 0)) {
		if (ktime_get_ns() > end)
			return false;
		kgo_sleep(NSEC_PER_MSEC);
	}
	return true;
}

static void keep_panic(void *arg)
{
	*(const char **)arg = kgo_recover();
}

const char *kgo_test_panic(void (*fn)(void *arg), void *arg)
{
	const char *msg = NULL;

	KGO_SCOPE {
		kgo_defer(keep_panic, &msg);
		fn(arg);
	}
	return msg;
}

static atomic_t nr_panics;

static void count_panic(struct kgo_panic *p)
{
	atomic_inc(&nr_panics);
}

void kgo_test_catch_panics(void)
{
	atomic_set(&nr_panics, 0);
	WRITE_ONCE(kgo_panic_hook, count_panic);
}

/* Those since kgo_test_catch_panics(); from now on they are logged again. */
u32 kgo_test_panics(void)
{
	WRITE_ONCE(kgo_panic_hook, NULL);
	return atomic_read(&nr_panics);
}

static atomic_t nr_throws;

static void count_throw(const char *msg)
{
	atomic_inc(&nr_throws);
}

void kgo_test_catch_throws(void)
{
	atomic_set(&nr_throws, 0);
	WRITE_ONCE(kgo_throw_hook, count_throw);
}

/* Those since kgo_test_catch_throws(); from now on they warn again. */
u32 kgo_test_throws(void)
{
	WRITE_ONCE(kgo_throw_hook, NULL);
	return atomic_read(&nr_throws);
}

KGO_IMPORT_TEST();
MODULE_DESCRIPTION("KUnit suites of kgo");
MODULE_LICENSE("GPL");
