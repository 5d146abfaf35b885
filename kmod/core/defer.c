// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Scopes and their deferred calls.
 *
 * What a goroutine has to see to on its way out is a list of frames, the
 * innermost first: scopes, and panics that run deferred calls (panic.c).  All
 * are in the stack frames that they belong to, so the list is in the order of
 * the stack; the last may be the base scope, which holds what was deferred
 * outside of any block and ends with the goroutine.
 *
 *   g->frames -> scope -> panic -> scope -> scope -> base
 *                in a      its      the one whose
 *                deferred  stack    call it runs
 *                call
 *
 * Invariants:
 *   - The list is the goroutine's own: no locks, no atomics.
 *   - A deferred call is taken off its scope before it is called, so that it
 *     runs once, whatever it does.
 *   - A scope that is not on the list any more has no deferred calls left.
 *
 * The first few calls of a scope are kept in it; the others in chunks, so that
 * a loop that defers allocates now and then.
 *
 * Rejected: records declared by a macro at each kgo_defer() (in a nested block
 * or a loop they are dead before they are used, and nothing tells); a scope
 * found by its name in the source (the name either warns of shadowing or has
 * to be written by the user, and a helper cannot defer for its caller);
 * deferring for the goroutine where the function has no block (a pointer into
 * a frame that is long gone is the usual argument of a deferred call).
 */
#include "core.h"

#define CHUNK_CALLS	31U

struct kgo_defer_chunk {
	struct kgo_defer_chunk *older;
	u32			n;
	struct kgo_deferred	call[CHUNK_CALLS];
};

static struct kgo_scope *scope_of(struct kgo_frame *f)
{
	return container_of(f, struct kgo_scope, frame);
}

struct kgo_scope *kgo_scope_enter(struct kgo_scope *s)
{
	struct kgo_g *g = kgo_self_g();

	s->frame.kind = KGO_FRAME_SCOPE;
	s->frame.n = 0;
	s->more = NULL;
	port_jmp_prepare(&s->jmp);
	if (unlikely(!g)) {
		port_throw("KGO_SCOPE outside of a goroutine");
		return s;
	}
	s->frame.up = g->frames;
	g->frames = &s->frame;
	return s;
}

static bool push(struct kgo_scope *s, const struct kgo_deferred *d)
{
	struct kgo_defer_chunk *c = s->more;

	if (s->frame.n < KGO_SCOPE_CALLS) {
		s->call[s->frame.n++] = *d;
		return true;
	}
	if (!c || c->n == CHUNK_CALLS) {
		c = port_alloc(sizeof(*c));
		if (!c)
			return false;
		c->older = s->more;
		s->more = c;
	}
	c->call[c->n++] = *d;
	return true;
}

/**
 * kgo_scope_pop() - Take the last deferred call off a scope
 * @s: a scope of the calling goroutine
 * @d: where it goes; the caller is to call it
 *
 * CONTEXT: a goroutine, outside of enter_sched.  Return: false if there is none.
 */
bool kgo_scope_pop(struct kgo_scope *s, struct kgo_deferred *d)
{
	struct kgo_defer_chunk *c = s->more;

	if (c) {
		*d = c->call[--c->n];
		if (!c->n) {
			s->more = c->older;
			port_free(c);
		}
		return true;
	}
	if (!s->frame.n)
		return false;
	*d = s->call[--s->frame.n];
	return true;
}

/** kgo_scope_is_base() - Whether it is the goroutine's own, without a block */
bool kgo_scope_is_base(const struct kgo_scope *s)
{
	return s->frame.kind & KGO_FRAME_BASE;
}

static void leave(struct kgo_scope *s)
{
	struct kgo_deferred d;

	s->frame.kind |= KGO_FRAME_LEAVING;
	while (kgo_scope_pop(s, &d))
		d.fn(d.arg);
}

void kgo_scope_leave(struct kgo_scope *s)
{
	struct kgo_g *g = kgo_self_g();

	if (unlikely(!g))
		return;
	if (unlikely(g->frames != &s->frame)) {
		port_throw("a scope was left out of order, as by longjmp()");
		return;
	}
	leave(s);
	g->frames = s->frame.up;
}

/**
 * kgo_base_leave() - The body of a goroutine has returned
 * @g: the calling goroutine; at most the base scope is left
 *
 * CONTEXT: a goroutine, outside of enter_sched.
 */
void kgo_base_leave(struct kgo_g *g)
{
	struct kgo_scope *base = scope_of(g->frames);

	leave(base);
	g->frames = NULL;
	port_free(base);
}

/* The scope that something deferred now belongs to. */
static struct kgo_scope *scope_here(struct kgo_g *g)
{
	struct kgo_frame *f = g->frames;
	struct kgo_scope *base;

	if (f && (f->kind & KGO_FRAME_PANIC))
		return container_of(f, struct kgo_panic, frame)->at;
	if (f)
		return scope_of(f);
	base = port_alloc(sizeof(*base));
	if (base) {
		base->frame.kind = KGO_FRAME_BASE;
		g->frames = &base->frame;
	}
	return base;
}

int kgo_defer(void (*fn)(void *arg), void *arg)
{
	struct kgo_deferred d = { .fn = fn, .arg = arg };
	struct kgo_g *g = kgo_self_g();
	struct kgo_scope *s;

	if (!fn)
		return -EINVAL;
	if (unlikely(!g)) {
		port_throw("deferred call outside of a goroutine");
		return -EINVAL;
	}
	s = scope_here(g);
	return s && push(s, &d) ? 0 : -ENOMEM;
}
