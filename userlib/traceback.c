// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Where a goroutine stands.
 *
 * Stacks are walked by frame pointers, which the library has, and programs
 * that are to be looked at should have (-fno-omit-frame-pointer).  The chain
 * ends with a null at a goroutine's first frame; one that ends otherwise has
 * met code without.  For the calling goroutine libc's unwinder is asked then.
 *
 * A goroutine that runs on another thread is not looked at: it would have to be
 * stopped for that.  One that waits is kept from going on by the scan bit of
 * its state, for as long as its frame pointers are read.
 *
 * Words of the stack are read by a system call that cannot fault: such a chain
 * may lead anywhere, and another goroutine's stack may be in motion.
 *
 * Rejected: libc's unwinder always (it loads a library, takes locks and finds
 * only the calling stack); libdwfl's (the same, and needs a description of a
 * foreign process to look at its own).
 */
#include "user.h"

#include <execinfo.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define BOUND_STACK	(64UL << 20)	/* a thread's own: as far as one looks */

/* Not there in a static program that does not use it itself. */
#pragma weak backtrace

static bool read_words(u64 from, u64 *to, u32 n)
{
	struct iovec local = { .iov_base = to, .iov_len = n * sizeof(*to) };
	struct iovec remote = { .iov_base = (void *)from,
				.iov_len = n * sizeof(*to) };

	return arch_syscall(SYS_process_vm_readv, getpid(), (long)&local, 1,
			    (long)&remote, 1, 0) == (long)local.iov_len;
}

/* Follow frame pointers.  @fp: where the first one was saved. */
static void walk(struct kgo_trace *t, u64 fp, u64 hi)
{
	u64 frame[2];

	while (t->n < KGO_TRACE_MAX && !(fp & 7) && fp + sizeof(frame) <= hi &&
	       read_words(fp, frame, 2) && frame[1]) {
		t->pc[t->n++] = frame[1];
		t->whole = !frame[0];
		if (frame[0] <= fp)
			return;
		fp = frame[0];
	}
}

/* From the same place on, if it sees more. */
static void unwind(struct kgo_trace *t)
{
	void *pc[KGO_TRACE_MAX + 16];
	int n, i, skip;

	if (!backtrace || !t->n)
		return;
	n = backtrace(pc, KGO_TRACE_MAX + 16);
	for (skip = 0; skip < n && (u64)pc[skip] != t->pc[0]; skip++)
		;
	if (n - skip <= (int)t->n)
		return;
	for (i = skip; i < n && i - skip < (int)KGO_TRACE_MAX; i++)
		t->pc[i - skip] = (u64)pc[i];
	t->n = (u32)(i - skip);
}

/* The scan bit keeps a waiting goroutine from running on meanwhile. */
static void walk_parked(struct kgo_trace *t, struct kgo_g *g)
{
	struct arch_frame f;
	u64 sp, lo, hi;

	if (!port_load(&g->d.stack_lo) || port_load(&g->bound))
		return;		/* it waits in the middle of a thread */
	if (!kgo_g_scan_begin(g))
		return;
	/* It may have been another one before. */
	lo = port_load(&g->d.stack_lo);
	hi = port_load(&g->d.stack_hi);
	sp = g->d.sp;
	if (sp >= lo && sp + sizeof(f) <= hi &&
	    read_words(sp, (u64 *)&f, sizeof(f) / sizeof(u64))) {
		t->pc[t->n++] = f.rip;
		walk(t, f.rbp, hi);
	}
	kgo_g_scan_end(g);
}

/**
 * kgo_trace() - Where a goroutine stands
 * @t: where it goes; empty if that cannot be told: the goroutine runs on
 *	another thread, or waits bound to one
 * @g: the calling goroutine, or one that waits
 * @from: for the calling one: __builtin_frame_address(0) of the function that
 *	is not to be shown any more
 *
 * CONTEXT: any thread; not from a signal handler.
 */
void kgo_trace(struct kgo_trace *t, struct kgo_g *g, const void *from)
{
	t->n = 0;
	t->whole = false;
	if (g != kgo_self_g()) {
		walk_parked(t, g);
		return;
	}
	walk(t, (u64)from,
	     g->d.stack_lo ? g->d.stack_hi : (u64)from + BOUND_STACK);
	if (!t->whole && g->d.stack_lo)
		unwind(t);
}
