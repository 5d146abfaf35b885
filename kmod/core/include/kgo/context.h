/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Contexts: when work is no longer wanted, and what belongs to a request.
 *
 * A tree, as in Go: what is derived from a context is cancelled with it, at the
 * same moment.  Instead of a garbage collector there are references: each
 * function that makes a context returns one, a context holds one to its parent,
 * and whoever has one may use the context.  To wait on the channel of
 * kgo_ctx_done() takes a reference as long as the wait lasts.
 *
 * Who makes a context that can be cancelled cancels it when its work is done,
 * whatever came of it, and puts it then.  One that is put for the last time
 * without is a lost cancel: it was bound to its parent for longer than needed.
 * It is cancelled then, and counted; kgo_dump_contexts() and debugfs say who
 * made those that are still there.
 *
 * A failed allocation never loses a cancellation: see kgo_ctx_done() and
 * kgo_ctx_after_func_at().
 */
#ifndef KGO_CONTEXT_H
#define KGO_CONTEXT_H

struct kgo_chan;
struct kgo_ctx;
struct kgo_ctx_after;

/**
 * kgo_ctx_background() - The root: no values, no deadline, never cancelled
 *
 * CONTEXT: anywhere.  Return: never NULL; it needs no get and no put.
 */
struct kgo_ctx *kgo_ctx_background(void);

/**
 * kgo_ctx_with_cancel_at() - A context that can be cancelled; use the macro
 * @site: static record of the calling place, or NULL
 * @parent: what it is derived from; NULL panics
 *
 * It is cancelled with its nearest ancestor that can be, or by
 * kgo_ctx_cancel(); made of one that is, it is cancelled from the start.
 * CONTEXT: a goroutine; may park.
 * Return: a reference, or NULL without memory.
 */
struct kgo_ctx *kgo_ctx_with_cancel_at(const struct kgo_site *site,
				       struct kgo_ctx *parent);

/** kgo_ctx_with_cancel() - kgo_ctx_with_cancel_at() that remembers where it stands */
#define kgo_ctx_with_cancel(parent)					\
	kgo_ctx_with_cancel_at(KGO_SITE("context"), (parent))

/**
 * kgo_ctx_with_deadline_at() - A context that is cancelled at a time
 * @site: as there
 * @parent: as there; if it has an earlier deadline, that counts
 * @when: nanoseconds of CLOCK_MONOTONIC
 *
 * As kgo_ctx_with_cancel_at(), and its error is -ETIMEDOUT if the time came
 * first.
 * CONTEXT: a goroutine; may park.
 * Return: a reference, or NULL without memory.
 */
struct kgo_ctx *kgo_ctx_with_deadline_at(const struct kgo_site *site,
					 struct kgo_ctx *parent,
					 unsigned long long when);

/** kgo_ctx_with_deadline() - kgo_ctx_with_deadline_at() that remembers where it stands */
#define kgo_ctx_with_deadline(parent, when)				\
	kgo_ctx_with_deadline_at(KGO_SITE("context"), (parent), (when))

/**
 * kgo_ctx_with_timeout_at() - kgo_ctx_with_deadline_at(), from now
 * @site: as there
 * @parent: as there
 * @ns: nanoseconds from now; not positive: cancelled from the start
 *
 * CONTEXT: a goroutine; may park.
 * Return: a reference, or NULL without memory.
 */
struct kgo_ctx *kgo_ctx_with_timeout_at(const struct kgo_site *site,
					struct kgo_ctx *parent, long long ns);

/** kgo_ctx_with_timeout() - kgo_ctx_with_timeout_at() that remembers where it stands */
#define kgo_ctx_with_timeout(parent, ns)				\
	kgo_ctx_with_timeout_at(KGO_SITE("context"), (parent), (ns))

/**
 * kgo_ctx_with_value_at() - A context that knows one thing more
 * @site: as there
 * @parent: as there; done, error and deadline are those of @parent
 * @key: found by its address: that of a static object of whoever uses it
 * @value: stays the caller's; must live as long as the context
 *
 * CONTEXT: a goroutine; may sleep.
 * Return: a reference, or NULL without memory.
 */
struct kgo_ctx *kgo_ctx_with_value_at(const struct kgo_site *site,
				      struct kgo_ctx *parent, const void *key,
				      void *value);

/** kgo_ctx_with_value() - kgo_ctx_with_value_at() that remembers where it stands */
#define kgo_ctx_with_value(parent, key, value)				\
	kgo_ctx_with_value_at(KGO_SITE("context"), (parent), (key), (value))

/**
 * kgo_ctx_without_cancel_at() - The values of a context, without its end
 * @site: as there
 * @parent: as there
 *
 * Has no deadline and is never cancelled.
 * CONTEXT: a goroutine; may sleep.
 * Return: a reference, or NULL without memory.
 */
struct kgo_ctx *kgo_ctx_without_cancel_at(const struct kgo_site *site,
					  struct kgo_ctx *parent);

/** kgo_ctx_without_cancel() - kgo_ctx_without_cancel_at() that remembers where it stands */
#define kgo_ctx_without_cancel(parent)					\
	kgo_ctx_without_cancel_at(KGO_SITE("context"), (parent))

/**
 * kgo_ctx_get() - Take one more reference
 * @ctx: a context that the caller has a reference to
 *
 * CONTEXT: anywhere.  Return: @ctx.
 */
struct kgo_ctx *kgo_ctx_get(struct kgo_ctx *ctx);

/**
 * kgo_ctx_put() - Give a reference back
 * @ctx: the context, or NULL
 *
 * CONTEXT: a goroutine; may park.
 */
void kgo_ctx_put(struct kgo_ctx *ctx);

/**
 * kgo_ctx_cancel() - Cancel a context and all that was derived from it
 * @ctx: of kgo_ctx_with_cancel(), kgo_ctx_with_deadline(), kgo_ctx_with_timeout()
 * @cause: why, a negative error number; 0 for -ECANCELED
 *
 * Its error is -ECANCELED, whatever the cause.  The first counts.  When this
 * returns all of them say so, their channels are closed, and the functions of
 * kgo_ctx_after_func() have been started.
 *
 * CONTEXT: a goroutine; may park.
 * Return: 1; 0 if it was cancelled before; -EINVAL for a context that has no
 * cancel of its own.
 */
int kgo_ctx_cancel(struct kgo_ctx *ctx, int cause);

/**
 * kgo_ctx_done() - The channel that is closed when a context is cancelled
 * @ctx: the context
 *
 * Nothing is ever sent on it, and nobody else may.  It lives as long as the
 * context, whose it is.  The channel is made by the first call; without memory
 * for it the context is cancelled, with -ENOMEM as its cause.
 *
 * CONTEXT: a goroutine; may park.
 * Return: the channel; NULL, on which a receive parks for ever, if it can never
 * be cancelled.
 */
struct kgo_chan *kgo_ctx_done(struct kgo_ctx *ctx);

/**
 * kgo_ctx_err() - Has it been cancelled?
 * @ctx: the context
 *
 * CONTEXT: anywhere.
 * Return: 0; -ECANCELED; -ETIMEDOUT if its deadline came first.
 */
int kgo_ctx_err(struct kgo_ctx *ctx);

/**
 * kgo_ctx_cause() - Why has it been cancelled?
 * @ctx: the context
 *
 * CONTEXT: anywhere.
 * Return: 0 as long as it has not; what kgo_ctx_cancel() was told, for this
 * context or for the ancestor that it was cancelled with; else as kgo_ctx_err().
 */
int kgo_ctx_cause(struct kgo_ctx *ctx);

/**
 * kgo_ctx_deadline() - When it will be cancelled
 * @ctx: the context
 * @when: out: nanoseconds of CLOCK_MONOTONIC; may be NULL
 *
 * CONTEXT: anywhere.  Return: false, and @when is as it was, if no time is set.
 */
bool kgo_ctx_deadline(struct kgo_ctx *ctx, unsigned long long *when);

/**
 * kgo_ctx_value() - Look a value up
 * @ctx: the context
 * @key: address of the key
 *
 * CONTEXT: anywhere.
 * Return: the value of the nearest kgo_ctx_with_value() with that key, or NULL.
 */
void *kgo_ctx_value(struct kgo_ctx *ctx, const void *key);

/**
 * kgo_ctx_after_func_at() - Run a function when a context is cancelled; use
 *	kgo_ctx_after_func()
 * @site: static record of the calling place, or NULL
 * @ctx: the context; no reference is taken
 * @fn: runs in a goroutine of its own, at once if @ctx has been cancelled
 * @arg: passed to @fn; stays the caller's
 *
 * A cancel that finds no memory for the goroutine waits for it.
 *
 * CONTEXT: a goroutine; may park.
 * Return: a handle, to be given to kgo_ctx_after_stop() or
 * kgo_ctx_after_put(), once; NULL without memory.
 */
struct kgo_ctx_after *kgo_ctx_after_func_at(const struct kgo_site *site,
					    struct kgo_ctx *ctx,
					    void (*fn)(void *), void *arg);

/** kgo_ctx_after_func() - kgo_ctx_after_func_at() that remembers where it stands */
#define kgo_ctx_after_func(ctx, fn, arg)				\
	kgo_ctx_after_func_at(KGO_SITE(#fn), (ctx), (fn), (arg))

/**
 * kgo_ctx_after_stop() - Do not run the function any more
 * @a: the handle; gone afterwards
 *
 * Does not wait for a function that runs.
 * CONTEXT: a goroutine; may park.
 * Return: true if it has not been started and never will be.
 */
bool kgo_ctx_after_stop(struct kgo_ctx_after *a);

/**
 * kgo_ctx_after_put() - Forget the handle; the function will be run
 * @a: the handle, or NULL; gone afterwards
 *
 * CONTEXT: a goroutine; may park.
 */
void kgo_ctx_after_put(struct kgo_ctx_after *a);

/**
 * kgo_ctx_lost() - How many cancels have been lost
 *
 * CONTEXT: anywhere.
 * Return: contexts that were put for the last time and had not been cancelled.
 */
unsigned long long kgo_ctx_lost(void);

#endif
