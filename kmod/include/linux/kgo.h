/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Goroutines for kernel code.
 *
 * What the headers in core/include/kgo declare means the same here as in a
 * program.  What the kernel adds stands below.
 *
 * A goroutine runs on the stack of a pooled kernel thread, from its first
 * instruction to its last: `current`, its stack, lockdep and backtraces are
 * those of a plain thread, and it may call anything that a thread may call.
 * If that sleeps, another goroutine gets the processor meanwhile.  It must not
 * call what parks while it holds a spinlock, in an RCU read-side section or
 * with preemption off.
 *
 * A plain thread, such as one in a module's init, is no goroutine.  It may
 * start some, and kgo_call() runs a function as one and waits for it.
 *
 * A goroutine's code must stay loaded.  A module starts its goroutines by
 * kgo_client_go() of one struct kgo_client; kgo_client_exit() in its exit, and
 * where its init fails, cancels them and waits until they have left its code.
 * One that is started otherwise keeps the module loaded until it has ended.
 */
#ifndef _LINUX_KGO_H
#define _LINUX_KGO_H

#include <linux/export.h>
#include <linux/types.h>
#include <uapi/linux/kgo.h>

/*
 * objtool believes of no module's function that it does not return, and would
 * warn of each caller whose last step is one.  It believes in a trap.
 */
#ifndef KGO_NORETURN
#define KGO_NORETURN
#endif

/* The jump of scopes is ours, also where the compiler looks for data races. */
#define KGO_JMP_OWN	1

/**
 * struct kgo_owned_site - struct kgo_site of a module
 * @site: its reserved field is %KGO_SITE_OWNED
 * @owner: THIS_MODULE
 *
 * A goroutine that is in no struct kgo_client holds a reference of the module
 * that its go statement stands in, until it has ended: rmmod is refused as long.
 */
struct kgo_owned_site {
	struct kgo_site	site;
	struct module	*owner;
};

#define KGO_SITE_OWNED	1U

/* The runtime itself has none: what it starts, it waits for. */
#ifndef KGO_SITE
#define KGO_SITE(start_)						\
	({								\
		static const struct kgo_owned_site kgo_site_ = {	\
			.site.func	= (__u64)(unsigned long)__func__, \
			.site.file	= (__u64)(unsigned long)__FILE__, \
			.site.start	= (__u64)(unsigned long)(start_), \
			.site.line	= __LINE__,			\
			.site.reserved	= KGO_SITE_OWNED,		\
			.owner		= THIS_MODULE,			\
		};							\
		&kgo_site_.site;					\
	})
#endif

#include "../../core/include/kgo/api.h"

#define kgo_exit()							\
	do {								\
		kgo_exit();						\
		__builtin_trap();					\
	} while (0)
#define kgo_panic(msg)							\
	do {								\
		kgo_panic(msg);						\
		__builtin_trap();					\
	} while (0)
#define kgo_panic_value(value)						\
	do {								\
		kgo_panic_value(value);					\
		__builtin_trap();					\
	} while (0)

struct module;

/**
 * kgo_call_at() - Run a function as a goroutine and wait; use kgo_call()
 * @site: static record of the calling place, or NULL
 * @fn: the function
 * @arg: passed to @fn
 *
 * In a goroutine it is a plain call.  If @fn panics, that is logged and the
 * goroutine ends, not the caller.
 *
 * CONTEXT: process context, may sleep; waits uninterruptibly.
 * Return: what @fn returned; -ECANCELED if it ended by kgo_exit() or a panic
 * that nobody recovered; -ENOMEM, -EAGAIN or -ESRCH, as kgo_go_at(), if it
 * was not run.
 */
int kgo_call_at(const struct kgo_site *site, int (*fn)(void *arg), void *arg);

/** kgo_call() - Run fn(arg) as a goroutine and return what it returns */
#define kgo_call(fn, arg)	kgo_call_at(KGO_SITE(#fn), (fn), (arg))

/**
 * kgo_module_wait() - Wait until no goroutine is in a module's code any more
 * @mod: THIS_MODULE
 *
 * Waits for the goroutines whose start function is part of @mod.  They have
 * all been told to end, and start no others.
 *
 * CONTEXT: process context, may sleep; no goroutine of @mod.
 */
void kgo_module_wait(struct module *mod);

#endif
