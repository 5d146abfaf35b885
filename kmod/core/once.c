// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Once: the first caller runs the function, the others wait until it has.
 *
 * As in Go's sync.Once, done is set after the function, not before, so that
 * nobody goes on while it still runs; a call of the same Once inside of it
 * waits for itself, for ever.  A function that does not return (kgo_exit(), a
 * panic) counts as done.
 *
 * Rejected: one compare-and-swap on done.  The losers would go on before the
 * function has returned.
 */
#include "core.h"

static void finish(void *arg)
{
	struct kgo_once *o = arg;

	/* Pairs with the acquire in kgo_once_do(). */
	port_store_release(&o->done, 1);
	kgo_mutex_unlock(&o->mu);
}

static void do_slow(struct kgo_once *o, void (*fn)(void *), void *arg)
{
	kgo_mutex_lock(&o->mu);
	if (o->done) {
		kgo_mutex_unlock(&o->mu);
		return;
	}
	KGO_SCOPE {
		kgo_defer(finish, o);
		fn(arg);
	}
}

void kgo_once_do(struct kgo_once *o, void (*fn)(void *), void *arg)
{
	port_might_park(__func__);
	/* What the function wrote is seen by all who get past this. */
	if (likely(port_load_acquire(&o->done)))
		return;
	do_slow(o, fn, arg);
}
