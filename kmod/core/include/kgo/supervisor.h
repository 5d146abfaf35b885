/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Supervisors: goroutines that keep others going, as in Erlang's OTP.
 *
 * A supervisor starts its children in the order in which they were added, and
 * starts them again when they end, as their policy and its strategy say.  More
 * restarts than its budget allows are a failure of the supervisor itself: it
 * stops all children and ends with an error.  A supervisor can be a child of
 * another one, with kgo_sup_run() as its function, so that failures travel up a
 * tree until somebody can do something about them.
 */
#ifndef KGO_SUPERVISOR_H
#define KGO_SUPERVISOR_H

#include "panic.h"

struct kgo_ctx;
struct kgo_sup;

/**
 * enum kgo_sup_restart - When a child that has ended is started again
 * @KGO_SUP_PERMANENT: always
 * @KGO_SUP_TRANSIENT: if it failed
 * @KGO_SUP_TEMPORARY: never, not even with the others
 */
enum kgo_sup_restart {
	KGO_SUP_PERMANENT	= 0,
	KGO_SUP_TRANSIENT	= 1,
	KGO_SUP_TEMPORARY	= 2,
};

/**
 * enum kgo_sup_strategy - Who is started again together with a child
 * @KGO_SUP_ONE_FOR_ONE: nobody
 * @KGO_SUP_ONE_FOR_ALL: all others, which are stopped first
 * @KGO_SUP_REST_FOR_ONE: those that were added later, likewise
 */
enum kgo_sup_strategy {
	KGO_SUP_ONE_FOR_ONE	= 0,
	KGO_SUP_ONE_FOR_ALL	= 1,
	KGO_SUP_REST_FOR_ONE	= 2,
};

/**
 * struct kgo_sup_attr - How a supervisor works
 * @strategy: enum kgo_sup_strategy
 * @max_restarts: so many restarts in @period_ns are borne, the next one is the
 *	supervisor's own failure; at most 4096
 * @period_ns: 0: for ever
 * @backoff_ns: wait so long before a restart, twice as long before each
 *	further one of a child, half of it by chance; 0: do not wait.  A child
 *	that ran for longer than @period_ns begins anew
 * @backoff_max_ns: never longer than this; 0: than 30 s
 * @stop_ns: how long children that are told to stop are waited for; 0: 5 s
 * @reserved: must be zero
 */
struct kgo_sup_attr {
	unsigned int strategy;
	unsigned int max_restarts;
	long long period_ns;
	long long backoff_ns;
	long long backoff_max_ns;
	long long stop_ns;
	unsigned long long reserved;
};

/**
 * struct kgo_sup_child - A child
 * @start: what it runs, in a goroutine of its own.  @ctx is cancelled when it
 *	is to stop; it is valid until @start returns.  Anything but 0 is a
 *	failure, and so is to end by kgo_exit(), or by a panic, which goes no
 *	further; see kgo_sup_panic()
 * @arg: passed to @start; stays the caller's
 * @restart: enum kgo_sup_restart
 * @reserved: must be zero
 */
struct kgo_sup_child {
	int (*start)(struct kgo_ctx *ctx, void *arg);
	void *arg;
	unsigned int restart;
	unsigned int reserved;
};

/**
 * kgo_sup_new() - Make a supervisor
 * @attr: NULL for one-for-one, 3 restarts in 5 s, from 10 ms to 1 s apart
 *
 * CONTEXT: a goroutine; may sleep.
 * Return: a reference, or NULL without memory or for an @attr that cannot be.
 */
struct kgo_sup *kgo_sup_new(const struct kgo_sup_attr *attr);

/**
 * kgo_sup_put() - Give the reference back
 * @s: a supervisor that does not run, or NULL
 *
 * Children that did not stop keep its memory until they end.
 * CONTEXT: a goroutine; may park.
 */
void kgo_sup_put(struct kgo_sup *s);

/**
 * kgo_sup_add() - Add a child
 * @s: the supervisor
 * @child: copied
 *
 * CONTEXT: a goroutine; may sleep.  Not at the same time as another call for @s.
 * Return: its id, 0 for the first, and so on; -EINVAL; -ENOMEM; -EBUSY if @s
 * runs, or has been started.
 */
int kgo_sup_add(struct kgo_sup *s, const struct kgo_sup_child *child);

/**
 * kgo_sup_run() - Be a supervisor
 * @ctx: when it is cancelled the supervisor stops, and all its children are
 *	told at the same moment
 * @s: struct kgo_sup
 *
 * Has the form of a child's function: to have a supervisor supervised, add
 * this with it as argument.
 *
 * CONTEXT: a goroutine; parks.
 * Return: when all children have ended and none is to be started again, or it
 * was told to stop and all did: 0.  -ETIMEDOUT if some did not.  If its budget
 * is exceeded, what the child returned that was one too many, or -ECHILD if
 * that is not negative.  -EBUSY if it runs already, or children do that did not
 * stop the last time; -ENOMEM.
 */
int kgo_sup_run(struct kgo_ctx *ctx, void *s);

/**
 * kgo_sup_start() - kgo_sup_run() in a goroutine of its own
 * @s: the supervisor; once
 * @ctx: as there
 *
 * CONTEXT: a goroutine; may sleep.
 * Return: 0; -EALREADY the second time; -ENOMEM, -EAGAIN.
 */
int kgo_sup_start(struct kgo_sup *s, struct kgo_ctx *ctx);

/**
 * kgo_sup_wait() - Wait until a started supervisor has ended
 * @s: the supervisor
 *
 * CONTEXT: a goroutine; parks.  Any number may wait.
 * Return: as kgo_sup_run(); -ESRCH if it was not started.
 */
int kgo_sup_wait(struct kgo_sup *s);

/**
 * kgo_sup_stop() - Stop a started supervisor and wait until it has ended
 * @s: the supervisor
 * @ns: how long its children are waited for, all together; they are told to
 *	stop one by one, the one that was added last first
 * @ids: out: ids of the children that did not stop; may be NULL
 * @n: in: room in @ids; out: how many did not stop; may be NULL
 *
 * CONTEXT: a goroutine; parks.
 * Return: as kgo_sup_wait().
 */
int kgo_sup_stop(struct kgo_sup *s, long long ns, int *ids, size_t *n);

/**
 * kgo_sup_starts() - How often a child was started
 * @s: the supervisor
 * @id: of kgo_sup_add()
 *
 * CONTEXT: anywhere.  Return: 0 if there is no such child.
 */
unsigned long long kgo_sup_starts(struct kgo_sup *s, int id);

/**
 * kgo_sup_panic() - What a child has panicked with, the last time that it did
 * @s: a supervisor that does not run: its runs before are forgotten when it does
 * @id: of kgo_sup_add()
 * @value: out: the value, NULL without; may be NULL.  One that lay in a frame of
 *	the child is gone
 *
 * CONTEXT: anywhere.
 * Return: enum kgo_panic_kind, %KGO_PANIC_NONE if it did not, or there is no
 * such child.
 */
enum kgo_panic_kind kgo_sup_panic(struct kgo_sup *s, int id, void **value);

#endif
