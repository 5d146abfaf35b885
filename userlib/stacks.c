// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Who a goroutine is and where it stands, one paragraph each as Go's tracebacks
 * have it: for the last words of a program, for SIGQUIT, for reports of leaks.
 *
 * Without stacks nothing here allocates or locks: SIGQUIT's handler is a signal
 * handler.  Goroutines that run meanwhile are read as they go; each number is
 * one that was true.  Those of the runtime itself are left out, as Go does.
 */
#include "user.h"
#include "names.h"

#include <unistd.h>

#define MINUTE	60000000000ULL
#define OUT_SELF	0x8U	/* beside KGO_OUT_*: it is the calling one */

static u32 state_of(const struct kgo_g *g)
{
	return port_load(&g->d.state) & ~KGO_G_SCAN;
}

/* "chan receive, 3 minutes, locked to thread" */
static void out_status(struct kgo_out *o, const struct kgo_g *g, u64 now,
		       u32 how)
{
	u32 state = state_of(g), m = port_load(&g->d.m);
	u64 since = port_load(&g->d.wait_since);
	const char *s = NULL;

	/* The calling one only waits for what is being written. */
	if (state == KGO_G_RUNNING && !(how & OUT_SELF) && m < kgo_rt.nr_ms &&
	    kgo_is_blocked(kgo_m_at(m)))
		state = KGO_G_SYSCALL;
	if (state == KGO_G_WAITING)
		s = kgo_reason_name(port_load(&g->d.reason));
	if (!s || !*s)
		s = kgo_state_name(state);
	kgo_out_str(o, s ? s : "?");
	if (state == KGO_G_WAITING && how & KGO_OUT_MS) {
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

static const char *name_or(u64 addr, const char *other)
{
	return addr ? (const char *)addr : other;
}

static void out_start(struct kgo_out *o, struct kgo_g *g)
{
	const struct kgo_site *site = (const struct kgo_site *)port_load(&g->d.site);

	if (!site)
		return;
	kgo_out_str(o, name_or(site->start, "?"));
	kgo_out_str(o, "(...)\n");
}

static void out_created(struct kgo_out *o, struct kgo_g *g)
{
	const struct kgo_site *site = (const struct kgo_site *)port_load(&g->d.site);

	if (!site || !site->line)	/* main, which the library made */
		return;
	kgo_out_str(o, "created by ");
	kgo_out_str(o, name_or(site->func, "?"));
	if (port_load(&g->d.parent)) {
		kgo_out_str(o, " in goroutine ");
		kgo_out_num(o, port_load(&g->d.parent));
	}
	kgo_out_str(o, "\n\t");
	kgo_out_str(o, name_or(site->file, "?"));
	kgo_out_str(o, ":");
	kgo_out_num(o, site->line);
	kgo_out_str(o, "\n");
}

static void out_stack(struct kgo_out *o, struct kgo_g *g,
		      const struct kgo_trace *t)
{
	if (!t->n)
		kgo_out_str(o, state_of(g) == KGO_G_RUNNING ?
			    "\tgoroutine running on other thread; stack unavailable\n" :
			    "\tstack unavailable\n");
	if (!kgo_out_frames(o, t))
		out_start(o, g);
}

/* @t: its stack; NULL: without */
static void out_paragraph(struct kgo_out *o, struct kgo_g *g,
			  const struct kgo_trace *t, u64 now, u32 how)
{
	kgo_out_str(o, "\ngoroutine ");
	kgo_out_num(o, port_load(&g->d.goid));
	kgo_out_str(o, " [");
	out_status(o, g, now, how);
	kgo_out_str(o, "]:\n");
	if (t)
		out_stack(o, g, t);
	else
		out_start(o, g);
	out_created(o, g);
}

/**
 * kgo_out_one() - One goroutine: its number, what it does, where it comes from
 * @o: where to
 * @g: not the calling one
 * @now: port_now()
 * @how: KGO_OUT_*
 *
 * CONTEXT: anywhere, signal handlers included; with %KGO_OUT_STACK not there,
 * and by names within kgo_out_named().
 */
void kgo_out_one(struct kgo_out *o, struct kgo_g *g, u64 now, u32 how)
{
	struct kgo_trace t;

	if (how & KGO_OUT_STACK)
		kgo_trace(&t, g, NULL);
	out_paragraph(o, g, how & KGO_OUT_STACK ? &t : NULL, now, how);
}

/* The calling goroutine, for the thread that knows names. */
struct self {
	struct kgo_g *g;	/* or NULL: no goroutine calls */
	struct kgo_trace t;
	u64	now;
	u32	how;
};

static void out_self(struct kgo_out *o, void *arg)
{
	const struct self *self = arg;
	u32 i, n, state;
	struct kgo_g *g;

	if (self->g)
		out_paragraph(o, self->g,
			      self->how & KGO_OUT_STACK ? &self->t : NULL,
			      self->now, self->how | OUT_SELF);
	n = self->how & KGO_OUT_OTHERS ? port_load(&kgo_rt.r->nr_gs) : 0;
	for (i = 1; i < n; i++) {
		g = port_g(i);
		state = state_of(g);
		if (g != self->g && state != KGO_G_IDLE &&
		    state != KGO_G_DEAD &&
		    !(port_load(&g->d.flags) & KGO_GF_SYSTEM))
			kgo_out_one(o, g, self->now, self->how);
	}
}

/**
 * kgo_out_self() - The calling goroutine, if it is one, and perhaps all others
 * @o: where to
 * @from: see kgo_trace()
 * @how: KGO_OUT_*
 *
 * CONTEXT: any, signal handlers included.  With %KGO_OUT_STACK no lock held,
 * and not from a signal handler: starts a thread, which allocates and may load
 * libraries.
 */
void kgo_out_self(struct kgo_out *o, const void *from, u32 how)
{
	struct self self = { .g = kgo_self_g(), .how = how };

	if (!kgo_rt.r)
		return;
	self.now = port_now();
	if (!(how & KGO_OUT_STACK)) {
		out_self(o, &self);
		return;
	}
	if (self.g)
		kgo_trace(&self.t, self.g, from);
	kgo_out_named(o, out_self, &self);
}

void kgo_traceback(int fd)
{
	struct kgo_out o = { .fd = fd };

	kgo_out_self(&o, __builtin_frame_address(0),
		     KGO_OUT_STACK | KGO_OUT_OTHERS);
	kgo_out_flush(&o);
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
	kgo_out_self(&o, NULL, KGO_OUT_OTHERS);
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
