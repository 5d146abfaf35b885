// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Panic, recover, and the end of a goroutine from any depth.
 *
 * As in Go, a panic runs the deferred calls of all scopes on top of the stack
 * of who panics, so that a traceback of one that nobody recovers still shows
 * where it happened.  Only a recovery gives that stack up: it jumps to the end
 * of the scope whose deferred call recovered.  kgo_exit() is a panic without
 * a value, which nothing recovers.
 *
 * A panic in a deferred call that another panic runs walks out over that one,
 * and on from the scope where it stood:
 *
 *   frames:  B  ->  A  ->  scope 1  ->  scope 2
 *            |      `---- at ---^           B runs what is left of scope 1,
 *            `------------- at -------------^  then scope 2
 *
 * A recovery there drops A with its stack.  If A is a kgo_exit() it must not be
 * lost: B becomes it then and goes on outwards.  (Go jumps back to A instead;
 * here at most as much stack is lost as deferred calls panic.)
 *
 * Invariants:
 *   - While a deferred call of a panic runs, the frames above the panic are
 *     those of scopes that were entered since; when it returns there are none.
 *   - rt.panics counts the panics on all lists, for the program's end: one that
 *     has begun is to be told, if main returns meanwhile.
 */
#include "core.h"

static struct kgo_panic *panic_of(struct kgo_frame *f)
{
	return container_of(f, struct kgo_panic, frame);
}

static bool is_panic(const struct kgo_frame *f)
{
	return f->kind & KGO_FRAME_PANIC;
}

/* What needs a goroutine was perhaps called without one, and cannot return. */
static struct kgo_g *self_or_stop(void)
{
	struct kgo_g *g = kgo_self_g();

	if (likely(g))
		return g;
	port_throw("panic or exit outside of a goroutine");
	for (;;)
		port_pause();
}

/**
 * kgo_panic_nth() - A panic and those that it has interrupted
 * @p: the newest
 * @n: how many to go back
 *
 * CONTEXT: the goroutine.  Return: NULL if there were not so many.
 */
struct kgo_panic *kgo_panic_nth(struct kgo_panic *p, u32 n)
{
	struct kgo_frame *f;

	for (f = &p->frame; f; f = f->up)
		if (is_panic(f) && !n--)
			return panic_of(f);
	return NULL;
}

/* Take all frames inside of @end off.  Returns whether a kgo_exit() was there. */
static bool drop_until(struct kgo_g *g, struct kgo_frame *end)
{
	struct kgo_frame *f;
	bool exits = false;

	for (f = g->frames; f != end; f = f->up) {
		if (!is_panic(f))
			continue;
		if (panic_of(f)->kind == KGO_PANIC_NONE)
			exits = true;
		else
			port_add(&kgo_rt.panics, -1U);
	}
	g->frames = end;
	return exits;
}

/* The goroutine ends by kgo_exit(), or in the kernel by a panic. */
static void __noreturn finish(struct kgo_g *g)
{
	struct kgo_frame *f = g->frames;

	while (f && f->up)
		f = f->up;
	drop_until(g, NULL);
	if (unlikely(g->d.goid == kgo_rt.main_goid))
		port_store(&kgo_rt.main_gone, 1);
	if (f && (f->kind & KGO_FRAME_BASE))
		port_free(container_of(f, struct kgo_scope, frame));
	kgo_g_end();
}

/*
 * A deferred call of @p has recovered it and has returned.  Goes on at the end
 * of the scope; returns if a kgo_exit() has to go on instead, as @p.
 */
static void recovered(struct kgo_g *g, struct kgo_panic *p)
{
	struct kgo_scope *s = p->at;

	if (drop_until(g, &s->frame)) {
		p->kind = KGO_PANIC_NONE;
		p->value = NULL;
		p->recovered = false;
		p->frame.up = &s->frame;
		g->frames = &p->frame;
		return;
	}
	if (!kgo_scope_is_base(s))
		port_jump(&s->jmp);
	/* As if the body had returned. */
	kgo_base_leave(g);
	kgo_g_end();
}

/* Run all deferred calls.  (Tracebacks hide it, by its name.) */
static void kgo_panic_unwind(struct kgo_g *g, struct kgo_panic *p)
{
	struct kgo_frame *f;
	struct kgo_deferred d;

	p->frame.up = g->frames;
	p->frame.kind = KGO_FRAME_PANIC;
	p->recovered = false;
	g->frames = &p->frame;
	for (f = p->frame.up; f; f = f->up) {
		if (is_panic(f))
			continue;
		p->at = container_of(f, struct kgo_scope, frame);
		while (kgo_scope_pop(p->at, &d)) {
			d.fn(d.arg);
			if (p->recovered)
				recovered(g, p);
		}
	}
}

/* Who counts on it hears of it as of an error. */
static void unrecovered(struct kgo_g *g, struct kgo_panic *p)
{
	port_unrecovered(p);
	if (!g->x)
		return;
	if (g->x->task.end)
		g->x->task.ret = -ENOTRECOVERABLE;
	kgo_client_fail(g);
}

/* Likewise. */
static void __noreturn kgo_panic_begin(enum kgo_panic_kind kind, void *value,
				       const void *from)
{
	struct kgo_g *g = self_or_stop();
	struct kgo_panic p = { .kind = kind, .value = value, .from = from };

	if (unlikely(!value)) {
		p.kind = KGO_PANIC_RUNTIME;
		p.value = (void *)"panic called with nil argument";
	}
	port_add(&kgo_rt.panics, 1);
	kgo_panic_unwind(g, &p);
	/* A kgo_exit() that it has interrupted may have taken its place. */
	if (p.kind != KGO_PANIC_NONE)
		unrecovered(g, &p);
	finish(g);
}

void kgo_panic(const char *msg)
{
	kgo_panic_begin(KGO_PANIC_STRING, (void *)msg, __builtin_frame_address(0));
}

void kgo_panic_value(void *value)
{
	kgo_panic_begin(KGO_PANIC_VALUE, value, __builtin_frame_address(0));
}

/**
 * kgo_panic_rt() - The caller did what Go panics about
 * @msg: Go's message, a literal
 *
 * CONTEXT: no lock held, outside of enter_sched.
 * Return: never to a goroutine.  To other threads in the kernel, which get an
 * error then.
 */
void kgo_panic_rt(const char *msg)
{
	if (likely(kgo_self_g()))
		kgo_panic_begin(KGO_PANIC_RUNTIME, (void *)msg,
				__builtin_frame_address(0));
	port_panic(msg);
}

/**
 * kgo_panic_any() - kgo_panic_rt() in a call that is allowed in any context
 * @msg: as there
 *
 * A goroutine that holds a spinlock, say, would take it along: it is told as
 * the threads that are none.
 * CONTEXT: any, outside of enter_any.
 * Return: as kgo_panic_rt(), to all that are in a place where they must not sleep.
 */
void kgo_panic_any(const char *msg)
{
	if (kgo_self_g() && !port_is_atomic())
		kgo_panic_rt(msg);
	else
		port_panic(msg);
}

enum kgo_panic_kind kgo_recover_kind(void **value)
{
	struct kgo_g *g = kgo_self_g();
	struct kgo_frame *f;
	struct kgo_panic *p;

	if (value)
		*value = NULL;
	if (!g)
		return KGO_PANIC_NONE;
	/* Scopes that the deferred call is in are passed; no other call is. */
	for (f = g->frames; f && !is_panic(f); f = f->up)
		if (f->kind & KGO_FRAME_LEAVING)
			return KGO_PANIC_NONE;
	if (!f)
		return KGO_PANIC_NONE;
	p = panic_of(f);
	if (p->recovered)
		return KGO_PANIC_NONE;
	p->recovered = p->kind != KGO_PANIC_NONE;
	if (value)
		*value = p->value;
	return p->kind;
}

void *kgo_recover(void)
{
	void *value;

	kgo_recover_kind(&value);
	return value;
}

void kgo_exit(void)
{
	struct kgo_panic p = { .kind = KGO_PANIC_NONE };
	struct kgo_g *g = self_or_stop();

	if (g->frames)
		kgo_panic_unwind(g, &p);
	finish(g);
}
