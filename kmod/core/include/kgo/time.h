/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Time: sleep, timers, tickers.  Times are nanoseconds of CLOCK_MONOTONIC.
 *
 * Timers and tickers behave as those of Go 1.23: once a stop or a reset has
 * returned no value of before can be received any more, whoever fires, stops
 * or resets it at the same time.  Their channels carry the time at which they
 * fired, as an unsigned long long; nobody else may send on, close or free them.
 *
 * Any number of goroutines may stop and reset a timer at one time.  To free it,
 * or the memory that it is in, is for whoever owns it, when no other call for
 * it is under way and nobody waits on its channel.
 *
 * There is no kgo_after() that returns just a channel, as Go's time.After does:
 * without a garbage collector nobody would own the timer behind it.
 * kgo_chan_recv_timeout(), kgo_timer_new() and contexts are what it is used for.
 */
#ifndef KGO_TIME_H
#define KGO_TIME_H

struct kgo_chan;
struct kgo_g;

/**
 * kgo_sleep() - Park for a while
 * @ns: nanoseconds; not positive: returns at once
 *
 * CONTEXT: a goroutine; parks.
 * Return: 0, or -ENOMEM if there is no room for a timer.
 */
int kgo_sleep(long long ns);

/**
 * kgo_now() - What time it is
 *
 * CONTEXT: anywhere.
 * Return: nanoseconds of CLOCK_MONOTONIC; in a bubble (kgo_synctest_run())
 * those of its clock.
 */
unsigned long long kgo_now(void);

/**
 * struct kgo_alarm - A place in a queue of timers; private
 * @when: private
 * @period: private
 * @fire: private
 * @p: private
 * @slot: private
 */
struct kgo_alarm {
	unsigned long long when;
	unsigned long long period;
	struct kgo_g *(*fire)(struct kgo_alarm *a);
	unsigned int p;
	unsigned int slot;
};

/**
 * struct kgo_timer - One event in the future
 * @alarm: private
 * @c: private
 * @fn: private
 * @arg: private
 * @site: private
 * @parent: private
 *
 * Two kinds: one with a channel, from kgo_timer_new(), and one that runs a
 * function, set up by kgo_after_func() in memory of the caller's.
 */
struct kgo_timer {
	struct kgo_alarm alarm;
	struct kgo_chan *c;
	void (*fn)(void *arg);
	void *arg;
	const struct kgo_site *site;
	unsigned long long parent;
};

/**
 * kgo_timer_new() - A timer that sends the time on its channel
 * @ns: nanoseconds from now; not positive: as soon as can be
 *
 * CONTEXT: a goroutine; may sleep.  The caller owns it and frees it with
 * kgo_timer_free().
 * Return: NULL without memory.
 */
struct kgo_timer *kgo_timer_new(long long ns);

/**
 * kgo_timer_c() - The channel of a timer
 * @t: from kgo_timer_new()
 *
 * It has a buffer of one.  Same as long as the timer lives, also over resets.
 * CONTEXT: anywhere.  Return: NULL for a timer that runs a function.
 */
struct kgo_chan *kgo_timer_c(struct kgo_timer *t);

/**
 * kgo_after_func_at() - Run a function after a while; use kgo_after_func()
 * @site: static record of the calling place, or NULL
 * @t: memory for the timer, whatever is in it; not a pending one
 * @ns: nanoseconds from now; not positive: as soon as can be
 * @fn: runs in a goroutine of its own, each time that @t fires
 * @arg: passed to @fn; stays the caller's
 *
 * @t stays the caller's.  It is not touched any more once it has been stopped
 * or has fired, so that @fn may free it and the caller may after
 * kgo_timer_stop(), whatever that returned.  While there is no memory for a
 * goroutine it fires late, by milliseconds.
 *
 * CONTEXT: a goroutine; may sleep.
 * Return: 0; -EINVAL without @fn; -ENOMEM.
 */
int kgo_after_func_at(const struct kgo_site *site, struct kgo_timer *t,
		      long long ns, void (*fn)(void *), void *arg);

/** kgo_after_func() - kgo_after_func_at() that remembers where it stands */
#define kgo_after_func(t, ns, fn, arg)					\
	kgo_after_func_at(KGO_SITE(#fn), (t), (ns), (fn), (arg))

/**
 * kgo_timer_stop() - Stop a timer
 * @t: a timer; to stop one that is all zeroes panics
 *
 * Afterwards nothing that it sent can be received, and its function will not be
 * started.  One that runs already goes on: this does not wait for it.
 *
 * CONTEXT: any.
 * Return: true if that is what this call did: it was pending, or it had sent
 * the time and nobody had received it.
 */
bool kgo_timer_stop(struct kgo_timer *t);

/**
 * kgo_timer_reset() - Start a timer anew, whether it is pending or not
 * @t: a timer; to reset one that is all zeroes panics
 * @ns: nanoseconds from now; not positive: as soon as can be
 *
 * CONTEXT: a goroutine; may sleep.
 * Return: 1 where kgo_timer_stop() would have returned true, else 0; -ENOMEM
 * if it was not pending and there is no room for it; it is stopped then.
 */
int kgo_timer_reset(struct kgo_timer *t, long long ns);

/**
 * kgo_timer_free() - Stop a timer and free it
 * @t: from kgo_timer_new(), or NULL
 *
 * CONTEXT: a goroutine; may sleep.  It may be firing at this moment.
 * Return: 0; -EBUSY if goroutines wait on its channel, -EINVAL for a timer of
 * kgo_after_func(): it is stopped then and nothing is freed.
 */
int kgo_timer_free(struct kgo_timer *t);

struct kgo_ticker;

/**
 * kgo_ticker_new() - A timer that fires again and again
 * @ns: nanoseconds between ticks; a period that is not positive panics
 *
 * A tick that finds the one before it still there is dropped, so that a slow
 * receiver sees fewer of them, never a crowd.
 *
 * CONTEXT: a goroutine; may sleep.  The caller owns it and frees it with
 * kgo_ticker_free().
 * Return: NULL without memory, and in the kernel for a bad period.
 */
struct kgo_ticker *kgo_ticker_new(long long ns);

/** kgo_ticker_c() - The channel of a ticker, as kgo_timer_c().  CONTEXT: anywhere. */
struct kgo_chan *kgo_ticker_c(struct kgo_ticker *t);

/**
 * kgo_ticker_stop() - No more ticks
 * @t: the ticker
 *
 * Its channel is not closed.  CONTEXT: any.
 */
void kgo_ticker_stop(struct kgo_ticker *t);

/**
 * kgo_ticker_reset() - Tick with another period from now on
 * @t: the ticker, stopped or not
 * @ns: the period; one that is not positive panics
 *
 * CONTEXT: a goroutine; may sleep.
 * Return: 0; -ENOMEM if it was stopped and there is no room for it; in the
 * kernel -EINVAL for a bad period.
 */
int kgo_ticker_reset(struct kgo_ticker *t, long long ns);

/** kgo_ticker_free() - Stop a ticker and free it, as kgo_timer_free() */
int kgo_ticker_free(struct kgo_ticker *t);

#endif
