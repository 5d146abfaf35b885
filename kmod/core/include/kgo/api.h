/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The primitives, with one declaration for programs and for kernel modules.
 * Include <kgo.h> in a program and <linux/kgo.h> of kmod/include in a module,
 * never a file of this folder.  One concept, one header.
 *
 * Context.  "A goroutine" means the body of a goroutine; calls that may park
 * are for goroutines only.  "Anywhere" also means plain threads of the program
 * that the runtime does not know, once it runs.
 *
 * "Any" context, in the kernel, is also an interrupt, hard or soft, and code that
 * holds spinlocks or has interrupts off: all but NMI and where locks of the
 * scheduler's are held.  In a program it is anywhere but in a signal handler.
 * What Go panics about is there logged by the kernel, and the error returned.
 *
 * A goroutine may wake on another thread after any call that may park: do not
 * keep errno or addresses of thread-local variables over one.  Every function
 * that can fail returns a negative error number and leaves errno alone.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef KGO_API_H
#define KGO_API_H

#include "attr.h"
#include "chan.h"
#include "client.h"
#include "cont.h"
#include "context.h"
#include "defer.h"
#include "errgroup.h"
#include "finalizer.h"
#include "go.h"
#include "label.h"
#include "local.h"
#include "panic.h"
#include "pool.h"
#include "quiesce.h"
#include "reserve.h"
#include "select.h"
#include "semaphore.h"
#include "singleflight.h"
#include "supervisor.h"
#include "sync.h"
#include "synctest.h"
#include "thread.h"
#include "time.h"
#include "waker.h"

#endif
