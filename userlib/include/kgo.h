/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Goroutines for C programs: link with -lkgo.
 *
 * A goroutine is a function that runs on a stack of its own, beside all other
 * goroutines, on a few threads of the library.  Starting one costs about as
 * much as a few function calls; a parked one costs its descriptor and the
 * pages of its stack that it has touched.  They talk over channels, wait for
 * each other with WaitGroups and mutexes, and may call anything that blocks:
 * with /dev/kgo the kernel sees the thread go to sleep and another one runs
 * the other goroutines at once; without it a monitor thread sees to that a
 * little later.
 *
 *	static void hello(void *arg)
 *	{
 *		kgo_chan_send(arg, "hello");
 *	}
 *
 *	static int start(void *arg)
 *	{
 *		struct kgo_chan *c = kgo_chan_make(sizeof("hello"), 0);
 *		char word[sizeof("hello")];
 *
 *		kgo_go(hello, c);
 *		kgo_chan_recv(c, word);
 *		return strcmp(word, "hello");
 *	}
 *
 *	int main(void)
 *	{
 *		return kgo_main(start, NULL);
 *	}
 *
 * What a goroutine must know about threads.  It may wake on another thread
 * after any call that parks.  So
 *   - errno, and every thread-local variable, belongs to the thread that it
 *     is on now; look at errno before the next call that parks.  Functions of
 *     this library return negative error numbers and leave errno alone;
 *   - the compiler may keep the address of errno or of a thread-local variable
 *     in a register while a function runs.  A function that uses one of them
 *     after a park gets a wrong one.  Do such things in a function of their
 *     own that is not inlined and does not park;
 *   - a pthread mutex locked before a park can not be unlocked after it;
 *     struct kgo_mutex can;
 *   - do not end it by pthread_exit(), do not cancel its thread, and do not
 *     longjmp() from one goroutine to another.
 *
 * Stacks.  64 KiB unless kgo_go_attr() says otherwise; a guard page below
 * turns an overflow into a message and the end of the program.  A function
 * with a frame of more than a page can jump over the guard: compile with
 * -fstack-clash-protection.
 *
 * fork().  In the child the runtime does not exist: calls that need it end the
 * child with a message, those that can say so return -ESRCH or -EPERM.
 * exec*(), _exit(), posix_spawn() and everything that is not of this library
 * work as ever.
 */
#ifndef _KGO_H
#define _KGO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/kgo.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

#include <kgo/api.h>
#include <kgo/leak.h>
#include <kgo/contexts.h>
#include <kgo/kchan.h>
#include <kgo/signal.h>

/**
 * kgo_main() - Run a program as goroutines
 * @fn: the main goroutine; its stack is as large as a program's usually is
 * @arg: passed to it
 *
 * The calling thread becomes one of the library's.  When @fn returns, the
 * process ends by exit() with what it returned, whatever other goroutines do.
 *
 * Environment: KGO_PROCS, how many goroutines run at one time (default: the
 * CPUs that the process may use); KGO_BACKEND, "device" or "futex", to have
 * that one or fail.
 *
 * CONTEXT: a thread that is no goroutine's.
 * Return: only if the runtime could not start, after it said why on stderr:
 * -EBUSY if a main goroutine is running already; -EPERM in a child of fork();
 * -EINVAL for no @fn or a bad environment; -ENOENT, -EACCES and others from
 * /dev/kgo if only that will do; -EUSERS, -ENOMEM, -EAGAIN.
 */
int kgo_main(int (*fn)(void *arg), void *arg);

/**
 * kgo_run() - Run a function as a goroutine of this thread, and return
 * @fn: the function
 * @arg: passed to it
 * @ret: where its result goes, may be NULL
 *
 * The goroutine is bound: it runs on the calling thread and its stack, and
 * parks with it, which is slower than an unbound one.  Goroutines that it
 * started go on when it has returned.  It can be called again, also from
 * another thread, but not by two at one time.
 *
 * CONTEXT: as kgo_main().
 * Return: 0 when @fn has returned, else as kgo_main().
 */
int kgo_run(int (*fn)(void *arg), void *arg, int *ret);

/**
 * enum kgo_backend_id - Who decides which thread owns a processor
 * @KGO_BACKEND_NONE: nobody, the runtime has not been started
 * @KGO_BACKEND_DEVICE: the kernel, through /dev/kgo
 * @KGO_BACKEND_FUTEX: the library itself
 */
enum kgo_backend_id {
	KGO_BACKEND_NONE	= 0,
	KGO_BACKEND_DEVICE	= 1,
	KGO_BACKEND_FUTEX	= 2,
};

/** kgo_backend() - Which back end runs.  CONTEXT: anywhere.  Return: enum kgo_backend_id. */
int kgo_backend(void);

/** kgo_backend_name() - "device", "futex" or "none".  CONTEXT: anywhere. */
const char *kgo_backend_name(void);

/**
 * kgo_dump() - Write the table of all goroutines
 * @fd: where to
 *
 * The columns are those of the file "goroutines" in debugfs.  A snapshot
 * without a lock: a row can be older than the next.
 * CONTEXT: anywhere, signal handlers included.
 */
void kgo_dump(int fd);

/**
 * kgo_traceback() - Write who each goroutine is and where it stands
 * @fd: where to
 *
 * In the form of Go's tracebacks: the calling goroutine first, then all
 * others.  Of one that runs on another thread, or waits bound to one, the
 * stack is not shown.  Frames are found by frame pointers; names and lines
 * come from libdw, if the program is not static and the library is there.
 *
 * CONTEXT: anywhere, but not in a signal handler, which has kgo_dump().
 * Starts a thread, allocates, and may load a library.
 */
void kgo_traceback(int fd);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop

#endif /* _KGO_H */
