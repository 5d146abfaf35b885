// SPDX-License-Identifier: GPL-2.0
/*
 * debugfs: where a goroutine of the kernel waits.
 *
 * It is found by who reads the table, so that waiting costs nothing for it:
 *
 *   - A goroutine with a stack sleeps on its thread, in a call of kgo's.  Its
 *     site is the first return address behind those that are kgo's own.
 *   - One that sleeps in a call of somebody else's (a block): the first return
 *     address of a module.
 *   - One without a stack has said which function goes on.
 *
 * Invariant: what is shown was so while the goroutine was in that wait.  It is
 * looked at again afterwards, and may have run meanwhile; then "-" is shown.
 *
 * Rejected: to note the return address at each park.  The primitives that wait
 * are several calls deep in each other, and the compiler inlines some, so that
 * each of them would have to pass it on, for a reader who mostly is not there.
 */
#include <linux/module.h>
#include <linux/pgtable.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include <asm/unwind.h>

#include "debugfs.h"
#include "kernel.h"
#include "core/cont.h"

#define KGO_WAIT_DEPTH	64	/* frames that are looked at */

static bool kgo_is_of_module(unsigned long addr)
{
	return addr >= MODULES_VADDR && addr < MODULES_END;
}

static unsigned long kgo_find_site(struct task_struct *task, bool blocked)
{
	struct unwind_state unwind;
	unsigned long addr;
	bool inside = false;
	u32 n = 0;

	for (unwind_start(&unwind, task, NULL, NULL);
	     !unwind_done(&unwind) && n < KGO_WAIT_DEPTH;
	     unwind_next_frame(&unwind), n++) {
		addr = unwind_get_return_address(&unwind);
		if (!addr || addr == kgo_kthread_base)
			break;	/* all were the runtime's own */
		if (within_module(addr, THIS_MODULE))
			inside = true;
		else if (blocked ? kgo_is_of_module(addr) : inside)
			return addr;
	}
	return 0;
}

/*
 * A thread detaches itself before it ends, and a stack is freed after a grace
 * period: what is found here has its stack for as long as this takes.  That it
 * may run meanwhile is what the unwinder is made for.
 */
static unsigned long kgo_stack_site(struct kgo_runtime *rt,
				    const struct kgo_gdesc *g, bool blocked)
{
	unsigned long site = 0;
	struct kgo_thread *th;

	rcu_read_lock();
	th = kgo_thread_at(rt, g->m);
	if (th)
		site = kgo_find_site(th->task, blocked);
	rcu_read_unlock();
	return site;
}

static unsigned long kgo_next_site(const struct kgo_gdesc *g)
{
	const struct kgo_cont *cont = (void *)(unsigned long)g->sp;
	kgo_next_fn next = NULL;

	if (!cont || copy_from_kernel_nofault(&next, &cont->next, sizeof(next)))
		return 0;
	return (unsigned long)next;
}

/**
 * kgo_show_wait_site() - The column "wait_site"
 * @seq: where to
 * @rt: the kernel's own runtime
 * @from: the descriptor, which may change
 * @g: a copy of it
 * @state: what is shown for it
 *
 * CONTEXT: may sleep.
 */
void kgo_show_wait_site(struct seq_file *seq, struct kgo_runtime *rt,
			const struct kgo_gdesc *from, const struct kgo_gdesc *g,
			u32 state)
{
	unsigned long site = 0;
	struct kgo_gdesc now;
	pid_t tid;

	if (state == KGO_G_WAITING && g->flags & KGO_GF_STACKLESS)
		site = kgo_next_site(g);
	else if (state == KGO_G_WAITING || state == KGO_G_SYSCALL)
		site = kgo_stack_site(rt, g, state == KGO_G_SYSCALL);
	if (site) {
		kgo_gdesc_read(&now, from);
		if (now.goid != g->goid || now.wait_since != g->wait_since ||
		    now.m != g->m || kgo_gdesc_state(rt, &now, &tid) != state)
			site = 0;
	}
	if (site)
		seq_printf(seq, "  %-24ps", (void *)site);
	else
		seq_printf(seq, "  %-24s", "-");
}
