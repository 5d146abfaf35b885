// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * All goroutines, one paragraph each as Go's tracebacks have it: for the end
 * of a program that is deadlocked, for SIGQUIT, for reports of leaks.
 *
 * Nothing here allocates or locks: it works in a signal handler.  Goroutines
 * that run meanwhile are read as they go; each number is one that was true.
 * Those of the runtime itself are left out, as Go does.
 */
#include "user.h"
#include "names.h"

#include <unistd.h>

#define MINUTE	60000000000ULL

static u32 state_of(const struct kgo_g *g)
{
	return port_load(&g->d.state) & ~KGO_G_SCAN;
}

/* "chan receive, 3 minutes, locked to thread" */
static void out_status(struct kgo_out *o, const struct kgo_g *g, u64 now,
		       bool exact)
{
	u32 state = state_of(g), m = port_load(&g->d.m);
	u64 since = port_load(&g->d.wait_since);
	const char *s = NULL;

	if (state == KGO_G_RUNNING && m < kgo_rt.nr_ms &&
	    kgo_is_blocked(kgo_m_at(m)))
		state = KGO_G_SYSCALL;
	if (state == KGO_G_WAITING)
		s = kgo_reason_name(port_load(&g->d.reason));
	if (!s || !*s)
		s = kgo_state_name(state);
	kgo_out_str(o, s ? s : "?");
	if (state == KGO_G_WAITING && exact) {
		kgo_out_str(o, ", ");
		kgo_out_num(o, now > since ? (now - since) / 1000000 : 0);
		kgo_out_str(o, " ms");
	} else if (state == KGO_G_WAITING && now >= since + MINUTE) {
		kgo_out_str(o, ", ");
		kgo_out_num(o, (now - since) / MINUTE);
		kgo_out_str(o, " minutes");
	}
	if (port_load(&g->d.flags) & KGO_GF_BOUND)
		kgo_out_str(o, ", locked to thread");
}

/**
 * kgo_out_one() - One goroutine: its number, what it does, where it comes from
 * @o: where to
 * @g: any goroutine
 * @now: port_now()
 * @exact: say in milliseconds how long it waits, not in minutes from one on
 *
 * CONTEXT: anywhere, signal handlers included.
 */
void kgo_out_one(struct kgo_out *o, struct kgo_g *g, u64 now, bool exact)
{
	kgo_out_str(o, "\ngoroutine ");
	kgo_out_num(o, port_load(&g->d.goid));
	kgo_out_str(o, " [");
	out_status(o, g, now, exact);
	kgo_out_str(o, "]:\n");
	kgo_out_origin(o, g);
}

/**
 * kgo_out_all() - Every goroutine of the program, the calling one first
 * @o: where to
 *
 * CONTEXT: anywhere, signal handlers included.
 */
void kgo_out_all(struct kgo_out *o)
{
	struct kgo_m *m = port_self();
	struct kgo_g *self = m ? m->curg : NULL, *g;
	u64 now = port_now();
	u32 i, n, state;

	if (!kgo_rt.r)
		return;
	if (self)
		kgo_out_one(o, self, now, false);
	n = port_load(&kgo_rt.r->nr_gs);
	for (i = 1; i < n; i++) {
		g = port_g(i);
		state = state_of(g);
		if (g == self || state == KGO_G_IDLE || state == KGO_G_DEAD ||
		    port_load(&g->d.flags) & KGO_GF_SYSTEM)
			continue;
		kgo_out_one(o, g, now, false);
	}
}

static void on_quit(int sig)
{
	struct kgo_out o = { .fd = STDERR_FILENO };
	struct sigaction sa = { .sa_handler = SIG_DFL };

	if (!kgo_rt.r) {	/* a child of fork() */
		sigemptyset(&sa.sa_mask);
		sigaction(sig, &sa, NULL);
		raise(sig);
		return;
	}
	kgo_out_str(&o, "SIGQUIT: quit\n");
	kgo_out_all(&o);
	kgo_out_flush(&o);
	_exit(2);
}

/**
 * kgo_quit_init() - Let SIGQUIT tell what all goroutines do, as in Go
 *
 * Only if it would end the process anyhow: a program that ignores it or has a
 * handler of its own keeps that.
 * Return: 0 or -errno.
 */
int kgo_quit_init(void)
{
	struct sigaction sa = {
		.sa_handler = on_quit,
		.sa_flags = SA_ONSTACK,
	}, old;

	if (sigaction(SIGQUIT, NULL, &old))
		return -errno;
	if (old.sa_flags & SA_SIGINFO || old.sa_handler != SIG_DFL)
		return 0;
	sigfillset(&sa.sa_mask);
	return sigaction(SIGQUIT, &sa, NULL) ? -errno : 0;
}
