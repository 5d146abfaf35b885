// SPDX-License-Identifier: GPL-2.0
/*
 * Whoever may park is asked where he is: debug kernels tell of each call of a
 * primitive that must not stand where it does, also if it would not have had
 * to wait this time.  What might_sleep() does, in words of goroutines.
 *
 * One message for each primitive: who does it once does it often.  What else
 * the scheduler and lockdep have to say of one that really sleeps follows.
 */
#include <linux/debug_locks.h>
#include <linux/kernel.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#include "core/core.h"
#include "kernel.h"

void (*kgo_might_park_hook)(const char *text);

#if defined(CONFIG_DEBUG_ATOMIC_SLEEP) || defined(CONFIG_PROVE_LOCKING)

static const char *told[64];	/* each primitive that there was a message for */

/* For KUnit: tell of each once more. */
void kgo_might_park_again(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(told); i++)
		WRITE_ONCE(told[i], NULL);
}

/* What is wrong with where the caller is, or NULL. */
static const char *kgo_bad_place(void)
{
	if (!in_task())
		return "in interrupt context";
	if (irqs_disabled())
		return "with interrupts off";
	if (IS_ENABLED(CONFIG_PREEMPT_COUNT) && preempt_count())
		return "with preemption off (by a spinlock that is held?)";
	if (rcu_preempt_depth())
		return "in an RCU read section";
	return NULL;
}

/**
 * kgo_might_park() - The caller may park here
 * @call: name of the primitive
 * @thread: it is open to threads that are no goroutines, and may sleep
 *
 * CONTEXT: any.
 */
void kgo_might_park(const char *call, bool thread)
{
	struct kgo_g *g = kgo_self_g();
	const char *place = kgo_bad_place();
	char text[320];	/* names of functions are long */
	int i;

	if (likely((g || thread) && !place))
		return;
	if (oops_in_progress)
		return;
	if (g)
		snprintf(text, sizeof(text), "goroutine %llu (%ps) parks in %s() %s",
			 g->d.goid, (void *)(unsigned long)g->d.fn, call, place);
	else if (!in_task())
		snprintf(text, sizeof(text), "an interrupt %s in %s() %s",
			 thread ? "may sleep" : "parks", call, place);
	else
		snprintf(text, sizeof(text), "%s/%d, which is no goroutine, %s in %s()%s%s",
			 current->comm, current->pid,
			 thread ? "may sleep" : "parks", call,
			 place ? " " : "", place ? place : "");
	if (READ_ONCE(kgo_might_park_hook)) {
		kgo_might_park_hook(text);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(told); i++) {
		const char *old = cmpxchg(&told[i], NULL, call);

		if (old == call)
			return;
		if (!old)
			break;
	}
	pr_err("BUG: kgo: %s\n", text);
	debug_show_held_locks(current);
	dump_stack();
}

#endif
