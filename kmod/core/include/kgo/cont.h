/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Goroutines without a stack: continuation bodies.
 *
 * Started with %KGO_ATTR_STACKLESS, a goroutine runs its body as a plain call
 * on the stack of whatever thread picked it up.  It waits by returning: its
 * last step is one of the calls below, which says what it waits for and which
 * function goes on then.  While it waits it is a descriptor and a small record,
 * together less than 256 bytes.
 *
 *	static void serve(void *arg, int ret)
 *	{
 *		struct conn *c = arg;
 *
 *		if (ret <= 0)
 *			return;			// closed: the goroutine ends
 *		answer(&c->req);
 *		kgo_chan_recv_then(c->in, &c->req, serve, c);
 *	}
 *
 * What is waited for begins when the body has returned.  If it is ready then,
 * the next function runs at once; no stack grows, however long such a row is.
 * So everything that a call below points to (values, cases, @arg) must live
 * until the next function runs: it must not be on the body's stack.
 *
 * @ret of the next function is what the call of the same name without _then
 * returns: 0 where that returns nothing.  It is -ENOMEM if there was no memory
 * for the record; nothing was waited for then, nothing sent, nothing locked.
 * A goroutine that has waited once has its record, and does not fail for it
 * any more.
 *
 * A body that returns without such a call ends its goroutine.  What it deferred
 * outside of any KGO_SCOPE belongs to the goroutine and runs at its end; that of
 * a KGO_SCOPE runs at the end of that block as ever, before the wait.
 * kgo_exit(), panic and recover work in each function.
 *
 * All that does not park works as in other goroutines.  What would park panics,
 * and names the call to use instead; in the kernel a body may sleep, for memory
 * say, but not for what another goroutine does: it holds up a thread that
 * others may need.  kgo_lock_os_thread() panics.
 *
 * All calls below:
 * CONTEXT: a stackless goroutine, once in each function; anything else panics,
 * and so does @next == NULL.
 * Return: 0; -EINVAL where a panic returns (threads in the kernel).
 */
#ifndef KGO_CONT_H
#define KGO_CONT_H

struct kgo_case;
struct kgo_chan;
struct kgo_ctx;
struct kgo_mutex;
struct kgo_wg;

/**
 * typedef kgo_next_fn - What a stackless goroutine goes on with
 * @arg: as given
 * @ret: what came of the wait
 */
typedef void (*kgo_next_fn)(void *arg, int ret);

/** kgo_yield_then() - kgo_yield(): go on behind the others that can run */
int kgo_yield_then(kgo_next_fn next, void *arg);

/**
 * kgo_sleep_then() - kgo_sleep()
 * @ns: nanoseconds; not positive: go on at once
 * @next: goes on
 * @arg: for it
 */
int kgo_sleep_then(long long ns, kgo_next_fn next, void *arg);

/**
 * kgo_chan_recv_then() - kgo_chan_recv()
 * @c: the channel; NULL waits for ever
 * @v: where to, or NULL
 * @next: goes on, with 1 or 0
 * @arg: for it
 */
int kgo_chan_recv_then(struct kgo_chan *c, void *v, kgo_next_fn next, void *arg);

/**
 * kgo_chan_send_then() - kgo_chan_send()
 * @c: the channel; NULL waits for ever
 * @v: the value, which must stay until then
 * @next: goes on; if the channel is closed the goroutine panics instead
 * @arg: for it
 */
int kgo_chan_send_then(struct kgo_chan *c, const void *v, kgo_next_fn next,
		       void *arg);

/**
 * kgo_select_then() - kgo_select()
 * @cases: the cases, which must stay until then
 * @n: how many
 * @next: goes on, with the index of the case that was done
 * @arg: for it
 */
int kgo_select_then(struct kgo_case *cases, unsigned int n, kgo_next_fn next,
		    void *arg);

/**
 * kgo_select_timeout_then() - kgo_select_timeout()
 * @cases: as for kgo_select_then()
 * @n: how many
 * @ns: nanoseconds; not positive: does not wait
 * @next: goes on, also with -ETIMEDOUT
 * @arg: for it
 */
int kgo_select_timeout_then(struct kgo_case *cases, unsigned int n,
			    long long ns, kgo_next_fn next, void *arg);

/**
 * kgo_mutex_lock_then() - kgo_mutex_lock()
 * @mu: the mutex
 * @next: goes on; with 0 it is locked
 * @arg: for it
 */
int kgo_mutex_lock_then(struct kgo_mutex *mu, kgo_next_fn next, void *arg);

/** kgo_wg_wait_then() - kgo_wg_wait() */
int kgo_wg_wait_then(struct kgo_wg *wg, kgo_next_fn next, void *arg);

/**
 * kgo_ctx_done_then() - Wait until a context is done
 * @ctx: the context; the caller's reference must stay until then
 * @next: goes on, with what kgo_ctx_err() returns then
 * @arg: for it
 *
 * For ever if it can never be cancelled.
 */
int kgo_ctx_done_then(struct kgo_ctx *ctx, kgo_next_fn next, void *arg);

#endif
