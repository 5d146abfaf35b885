// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Tracebacks: who a goroutine is, and where it stands, as Go writes it.
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
#include "names.h"

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
	u64 sp, lo = g->d.stack_lo, hi = g->d.stack_hi;
	struct arch_frame f;

	if (!lo || g->bound)
		return;		/* it waits in the middle of a thread */
	if (!port_cas(&g->d.state, KGO_G_WAITING, KGO_G_WAITING | KGO_G_SCAN))
		return;
	sp = g->d.sp;
	if (sp >= lo && sp + sizeof(f) <= hi &&
	    read_words(sp, (u64 *)&f, sizeof(f) / sizeof(u64))) {
		t->pc[t->n++] = f.rip;
		walk(t, f.rbp, hi);
	}
	port_store_release(&g->d.state, KGO_G_WAITING);
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

static const char *name_or(u64 addr, const char *other)
{
	return addr ? (const char *)addr : other;
}

static void out_head(struct kgo_out *o, struct kgo_g *g)
{
	u32 state = port_load(&g->d.state) & ~KGO_G_SCAN;
	const char *s = NULL;

	if (state == KGO_G_WAITING)
		s = kgo_reason_name(port_load(&g->d.reason));
	if (!s || !*s)
		s = kgo_state_name(state);
	kgo_out_str(o, "\ngoroutine ");
	kgo_out_num(o, g->d.goid);
	kgo_out_str(o, " [");
	kgo_out_str(o, s ? s : "?");
	kgo_out_str(o, "]:\n");
}

void kgo_out_start(struct kgo_out *o, struct kgo_g *g)
{
	const struct kgo_site *site = (const struct kgo_site *)g->d.site;

	if (!site)
		return;
	kgo_out_str(o, name_or(site->start, "?"));
	kgo_out_str(o, "(...)\n");
}

void kgo_out_created(struct kgo_out *o, struct kgo_g *g)
{
	const struct kgo_site *site = (const struct kgo_site *)g->d.site;

	if (!site || !site->line)	/* main, which the library made */
		return;
	kgo_out_str(o, "created by ");
	kgo_out_str(o, name_or(site->func, "?"));
	if (g->d.parent) {
		kgo_out_str(o, " in goroutine ");
		kgo_out_num(o, g->d.parent);
	}
	kgo_out_str(o, "\n\t");
	kgo_out_str(o, name_or(site->file, "?"));
	kgo_out_str(o, ":");
	kgo_out_num(o, site->line);
	kgo_out_str(o, "\n");
}

/**
 * kgo_out_goroutine() - Who a goroutine is, without its stack
 * @o: where to
 * @g: a goroutine that does not end meanwhile
 *
 * CONTEXT: any, signal handlers included.
 */
void kgo_out_goroutine(struct kgo_out *o, struct kgo_g *g)
{
	out_head(o, g);
	kgo_out_start(o, g);
	kgo_out_created(o, g);
}

/* A stack and where it goes, for the thread that knows names. */
struct job {
	struct kgo_out *o;
	struct kgo_g *g;	/* the calling goroutine, or NULL */
	struct kgo_trace t;	/* its stack */
	bool	all;		/* and all others */
};

static void out_frames(struct kgo_symbols *s, struct kgo_out *o,
		       struct kgo_g *g, const struct kgo_trace *t)
{
	if (!t->n)
		kgo_out_str(o, port_load(&g->d.state) == KGO_G_RUNNING ?
			    "\tgoroutine running on other thread; stack unavailable\n" :
			    "\tstack unavailable\n");
	if (!kgo_symbols_out(s, o, t))
		kgo_out_start(o, g);
}

static void out_stack(struct kgo_symbols *s, void *arg)
{
	struct job *j = arg;

	out_frames(s, j->o, j->g, &j->t);
}

static void out_others(struct kgo_symbols *s, struct job *j)
{
	u32 i, n = port_load(&kgo_rt.r->nr_gs);

	for (i = 1; i < n; i++) {
		struct kgo_g *g = port_g(i);
		u32 state = port_load_acquire(&g->d.state) & ~KGO_G_SCAN;

		if (g == j->g || state == KGO_G_IDLE || state == KGO_G_DEAD)
			continue;
		kgo_trace(&j->t, g, NULL);
		out_head(j->o, g);
		out_frames(s, j->o, g, &j->t);
		kgo_out_created(j->o, g);
	}
}

static void out_tracebacks(struct kgo_symbols *s, void *arg)
{
	struct job *j = arg;

	if (j->g) {
		out_head(j->o, j->g);
		out_frames(s, j->o, j->g, &j->t);
		kgo_out_created(j->o, j->g);
	}
	if (j->all)
		out_others(s, j);
}

/**
 * kgo_out_stack() - Where a goroutine stands, function by function
 * @o: where to
 * @g: the calling goroutine, or one that waits
 *
 * CONTEXT: any thread with no lock held; not from a signal handler.  Starts a
 * thread, which allocates and may load libraries.
 */
void kgo_out_stack(struct kgo_out *o, struct kgo_g *g)
{
	struct job j = { .o = o, .g = g };

	kgo_trace(&j.t, g, __builtin_frame_address(0));
	kgo_symbols_run(out_stack, &j);
}

/**
 * kgo_out_traceback() - Head, stack and creation of goroutines
 * @o: where to
 * @g: the calling goroutine, or one that waits; NULL for none in particular
 * @from: see kgo_trace()
 * @all: those of all others as well, behind it
 *
 * CONTEXT: as kgo_out_stack().
 */
void kgo_out_traceback(struct kgo_out *o, struct kgo_g *g, const void *from,
		       bool all)
{
	struct job j = { .o = o, .g = g, .all = all };

	if (g)
		kgo_trace(&j.t, g, from);
	kgo_symbols_run(out_tracebacks, &j);
}

void kgo_traceback(int fd)
{
	struct kgo_out o = { .fd = fd };

	if (!kgo_rt.r)
		return;
	kgo_out_traceback(&o, kgo_self_g(), __builtin_frame_address(0), true);
	kgo_out_flush(&o);
}
