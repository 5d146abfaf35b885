/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Synctest: tests of what takes time, without taking it.
 *
 * A bubble is a set of goroutines with a clock of their own.  It stands still
 * while any of them runs, and goes on to the next timer when all are durably
 * blocked: when nothing but another goroutine of the bubble, or its clock, can
 * make one of them go on.  Those are
 *
 *   - kgo_sleep(), and timers of any kind;
 *   - sending to, receiving from and selecting among channels that were made in
 *     the bubble, and NULL;
 *   - kgo_cond_wait(), kgo_semaphore_acquire();
 *   - kgo_wg_wait() for a WaitGroup whose counter was first raised in it.
 *
 * Not mutexes, which may be shared with goroutines outside, and no calls that
 * block.  A channel that was made in a bubble must not be used outside.
 */
#ifndef KGO_SYNCTEST_H
#define KGO_SYNCTEST_H

/**
 * kgo_synctest_run_at() - Run a function in a new bubble; use kgo_synctest_run()
 * @site: static record of the calling place, or NULL
 * @fn: runs in a goroutine of its own, the bubble's main one
 * @arg: passed to @fn
 *
 * All goroutines that are started in the bubble belong to it.  Its clock
 * begins at midnight (UTC) of 2000-01-01, counted from 1970, and stops when
 * @fn has returned.  If all are blocked for ever it panics.  A bubble within
 * a bubble panics.
 *
 * CONTEXT: a goroutine; parks until all goroutines of the bubble have ended.
 * Return: 0; -EINVAL without @fn; -ENOMEM, or what kgo_go_at() returns; in the
 * kernel -EDEADLK if all are blocked, and -EBUSY in a bubble.
 */
int kgo_synctest_run_at(const struct kgo_site *site, void (*fn)(void *arg),
			void *arg);

/** kgo_synctest_run() - Run fn(arg) in a new bubble, see kgo_synctest_run_at() */
#define kgo_synctest_run(fn, arg)					\
	kgo_synctest_run_at(KGO_SITE(#fn), (fn), (arg))

/**
 * kgo_synctest_wait() - Wait until all others of the bubble are durably blocked
 *
 * The clock does not go on meanwhile.  Outside of a bubble it panics, and if
 * another goroutine of the bubble is in it already.
 * CONTEXT: a goroutine of a bubble; parks.
 */
void kgo_synctest_wait(void);

#endif
