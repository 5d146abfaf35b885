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
#include "task.h"

struct once_run {
	struct kgo_guard guard;
	struct kgo_once	*o;
};

static void finish(struct kgo_guard *guard)
{
	struct once_run *run = container_of(guard, struct once_run, guard);

	/* Pairs with the acquire in kgo_once_do(). */
	port_store_release(&run->o->done, 1);
	kgo_mutex_unlock(&run->o->mu);
}

static void do_slow(struct kgo_once *o, void (*fn)(void *), void *arg)
{
	struct once_run run = { .guard.fn = finish, .o = o };

	kgo_mutex_lock(&o->mu);
	if (o->done) {
		kgo_mutex_unlock(&o->mu);
		return;
	}
	kgo_guard_push(&run.guard);
	fn(arg);
	kgo_guard_pop(&run.guard);
	finish(&run.guard);
}

void kgo_once_do(struct kgo_once *o, void (*fn)(void *), void *arg)
{
	/* What the function wrote is seen by all who get past this. */
	if (likely(port_load_acquire(&o->done)))
		return;
	do_slow(o, fn, arg);
}
