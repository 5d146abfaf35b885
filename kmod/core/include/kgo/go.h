/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Goroutines: start, yield, who am I.
 */
#ifndef KGO_GO_H
#define KGO_GO_H

#include "attr.h"
#include "label.h"

struct cpumask;

/**
 * define KGO_ATTR_STACKLESS - It has no stack while it waits; see <kgo/cont.h>
 *
 * In &struct kgo_attr.flags.
 */
#define KGO_ATTR_STACKLESS	0x1U

/**
 * struct kgo_attr - How to start a goroutine
 * @stack_size: bytes of stack, 0 for the default (64 KiB); rounded up to
 *	pages; without effect in the kernel; 0 with %KGO_ATTR_STACKLESS
 * @flags: %KGO_ATTR_STACKLESS, or zero
 * @reserved: must be zero
 * @name: for the tables, as the label "name"; copied; NULL for none
 * @labels: others; copied.  It has those of who starts it as well
 * @nr_labels: how many
 * @cpus: where it may run, copied; NULL for anywhere.  In the kernel only, not
 *	with %KGO_ATTR_STACKLESS.  What it calls may change it as for any thread
 */
struct kgo_attr {
	size_t		stack_size;
	unsigned int	flags;
	unsigned int	reserved;
	const char	*name;
	const struct kgo_label_pair *labels;
	size_t		nr_labels;
	const struct cpumask *cpus;
};

/**
 * kgo_go_at() - Start a goroutine; use the macro kgo_go()
 * @site: static record of the calling place, or NULL
 * @fn: what it runs
 * @arg: passed to @fn; stays the caller's
 * @attr: NULL for the defaults
 *
 * CONTEXT: anywhere (kernel: process context).  Does not park; the new
 * goroutine runs soon, on any thread.
 * Return: 0; -ENOMEM without memory for it; -EAGAIN if the table of
 * goroutines is full; -EINVAL for a bad @attr or no @fn; -EOPNOTSUPP for CPUs
 * in a program; -ESRCH if no runtime runs.
 */
int kgo_go_at(const struct kgo_site *site, void (*fn)(void *), void *arg,
	      const struct kgo_attr *attr);

/*
 * The record of a go statement.  Addresses are stored as __u64 so that it is
 * the same for every reader.
 */
#ifndef KGO_SITE
#define KGO_SITE(start_)						\
	(__extension__ ({						\
		static const struct kgo_site kgo_site_ = {		\
			.func	= (__u64)(unsigned long)__func__,	\
			.file	= (__u64)(unsigned long)__FILE__,	\
			.start	= (__u64)(unsigned long)(start_),	\
			.line	= __LINE__,				\
			.reserved = 0,					\
		};							\
		&kgo_site_;						\
	}))
#endif

/**
 * kgo_go() - Start a goroutine that runs fn(arg)
 * @fn: what it runs
 * @arg: passed to @fn
 *
 * Remembers where it stands, for the tables.  See kgo_go_at().
 */
#define kgo_go(fn, arg)	kgo_go_at(KGO_SITE(#fn), (fn), (arg), NULL)

/** kgo_go_attr() - kgo_go() with a struct kgo_attr */
#define kgo_go_attr(fn, arg, attr)					\
	kgo_go_at(KGO_SITE(#fn), (fn), (arg), (attr))

/**
 * kgo_yield() - Let all other runnable goroutines go first
 *
 * CONTEXT: a goroutine; may park.
 */
void kgo_yield(void);

/**
 * kgo_exit() - End the calling goroutine, from however deep
 *
 * Runs the deferred calls of all scopes that it is in first; they cannot stop
 * it.  In the function of kgo_run() it ends that function, with 0 as its
 * result.  In that of kgo_main() the other goroutines go on, and the process
 * does not end by itself any more.  Called by a deferred call that a panic
 * runs, it ends the panic too.
 *
 * CONTEXT: a goroutine.
 */
void KGO_NORETURN kgo_exit(void);

/**
 * kgo_goid() - Number of the calling goroutine
 *
 * CONTEXT: anywhere.  Return: 0 outside a goroutine.
 */
unsigned long long kgo_goid(void);

/**
 * kgo_num_goroutine() - Goroutines that exist, the caller included
 *
 * Without the runtime's own (which run finalizers, for example).  Exact while
 * nothing starts or ends, and never less than there are.  CONTEXT: anywhere.
 */
unsigned long long kgo_num_goroutine(void);

/**
 * kgo_num_goroutine_all() - Likewise, the runtime's own included
 *
 * CONTEXT: anywhere.
 */
unsigned long long kgo_num_goroutine_all(void);

#endif
