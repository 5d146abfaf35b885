// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Telling a stack overflow from other crashes.
 *
 * Every M has an alternate signal stack, since the goroutine's own has no room
 * left for a handler.  A fault in the guard page of the goroutine that runs is
 * an overflow: say which goroutine, then die by the same signal, so that the
 * core dump shows the place.  Every other SIGSEGV goes to whoever handled it
 * before the runtime started.
 *
 * A program that installs a handler of its own later replaces this one; it
 * needs SA_ONSTACK to survive an overflow at all.
 */
#include "user.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Room for the largest register state, for the message, and for a handler
 * that this one calls, which may be a sanitizer's with its symbolizer.
 */
#define ALTSTACK_MORE	(64UL << 10)

static struct sigaction old_action;

static bool in_guard(struct kgo_g *g, u64 addr)
{
	return g->d.stack_lo && addr < g->d.stack_lo &&
	       addr >= g->d.stack_lo - KGO_PAGE;
}

static void tell(struct kgo_g *g)
{
	struct kgo_out o = { .fd = STDERR_FILENO };

	kgo_out_str(&o, "kgo: goroutine stack exceeds ");
	kgo_out_num(&o, g->d.stack_hi - g->d.stack_lo);
	kgo_out_str(&o, "-byte limit\nfatal error: stack overflow\n");
	kgo_out_self(&o, NULL, 0);
	kgo_out_flush(&o);
}

/* Let the signal do what it does by default. */
static void die(int sig, const siginfo_t *info)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };

	sigemptyset(&sa.sa_mask);
	sigaction(sig, &sa, NULL);
	/* A fault happens again when the handler returns; a kill() does not. */
	if (info->si_code <= 0)
		raise(sig);
}

static void on_segv(int sig, siginfo_t *info, void *context)
{
	struct kgo_m *m = port_self();

	if (info->si_code > 0 && m && m->curg &&
	    in_guard(m->curg, (u64)info->si_addr)) {
		tell(m->curg);
		die(sig, info);
		return;
	}
	if (old_action.sa_flags & SA_SIGINFO)
		old_action.sa_sigaction(sig, info, context);
	else if (old_action.sa_handler == SIG_IGN && info->si_code <= 0)
		return;
	else if (old_action.sa_handler == SIG_DFL ||
		 old_action.sa_handler == SIG_IGN)
		die(sig, info);
	else
		old_action.sa_handler(sig);
}

/**
 * kgo_overflow_init() - Install the handler, once
 *
 * Return: 0 or -errno.
 */
int kgo_overflow_init(void)
{
	struct sigaction sa = {
		.sa_sigaction = on_segv,
		.sa_flags = SA_SIGINFO | SA_ONSTACK,
	};
	static bool done;	/* by a start that failed later */

	if (done)
		return 0;
	done = true;
	sigemptyset(&sa.sa_mask);
	return sigaction(SIGSEGV, &sa, &old_action) ? -errno : 0;
}

/**
 * kgo_altstack_set() - Give the calling thread an alternate signal stack
 * @pm: its M
 *
 * A thread that has one keeps it.
 * Return: 0 or -ENOMEM.
 */
int kgo_altstack_set(struct port_m *pm)
{
	long least = sysconf(_SC_SIGSTKSZ);
	stack_t ss = { 0 };

	if (sigaltstack(NULL, &pm->old_altstack))
		return -errno;
	if (!(pm->old_altstack.ss_flags & SS_DISABLE))
		return 0;
	ss.ss_size = ((least > 0 ? (size_t)least : 0) + ALTSTACK_MORE +
		      KGO_PAGE - 1) & ~(KGO_PAGE - 1);
	ss.ss_sp = mmap(NULL, ss.ss_size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ss.ss_sp == MAP_FAILED)
		return -ENOMEM;
	if (sigaltstack(&ss, NULL)) {
		munmap(ss.ss_sp, ss.ss_size);
		return -errno;
	}
	pm->altstack = ss.ss_sp;
	pm->altstack_size = ss.ss_size;
	return 0;
}

/** kgo_altstack_restore() - Undo kgo_altstack_set(), on the same thread */
void kgo_altstack_restore(struct port_m *pm)
{
	if (!pm->altstack)
		return;
	sigaltstack(&pm->old_altstack, NULL);
	munmap(pm->altstack, pm->altstack_size);
	pm->altstack = NULL;
}
