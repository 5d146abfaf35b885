/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Goroutines that need a thread of their own.
 */
#ifndef KGO_THREAD_H
#define KGO_THREAD_H

/**
 * kgo_lock_os_thread() - Keep the calling goroutine on its thread
 *
 * From here on it runs on the thread that it is on now, and nothing else runs
 * there, until kgo_unlock_os_thread() was called as often as this.  So it may
 * rely on what belongs to a thread: thread-local variables, errno, signal
 * masks, credentials, namespaces, libraries that insist on one thread.  To
 * park costs it two switches of threads instead of one of goroutines.
 *
 * Goroutines that it starts are not locked.  If it ends while locked, its
 * thread ends too.  The main goroutine of kgo_main() begins on the thread that
 * called kgo_main(): if it locks before it parks it keeps that one, and ends
 * up with it asleep for good if it ends by kgo_exit().
 *
 * In kgo_run()'s goroutine, and in the kernel, a goroutine never leaves its
 * thread anyway.
 *
 * CONTEXT: a goroutine; does not park.
 */
void kgo_lock_os_thread(void);

/**
 * kgo_unlock_os_thread() - Undo one kgo_lock_os_thread()
 *
 * Without effect if the calling goroutine has not locked its thread.
 *
 * CONTEXT: a goroutine; does not park.
 */
void kgo_unlock_os_thread(void);

#endif
