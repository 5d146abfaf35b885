// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Goroutines that somebody counts on, and frames that somebody waits for.
 *
 * A WaitGroup or an errgroup that started a goroutine must hear of its end,
 * even if that is a kgo_exit() deep in a library.  So what is owed is not
 * said by code behind the call, but kept with the goroutine (struct kgo_gx,
 * made once per descriptor and kept): a task for the whole goroutine, and
 * guards, a list through the stack, for functions such as that of a Once.
 *
 * Invariant: guards are pushed and popped in the order of their frames; the
 * list of a goroutine that runs holds exactly those of its live frames.
 *
 * Rejected: a wrapper function with its argument in allocated memory.  Each
 * start would allocate, and the tables would show the wrapper.
 */
#include "bubble.h"
#include "task.h"

/*
 * Without memory for the extension the guard is not listed: all is well then
 * as long as the function returns.
 */
void kgo_guard_push(struct kgo_guard *guard)
{
	struct kgo_m *m = port_self();
	struct kgo_gx *x = m && m->curg ? kgo_gx(m->curg) : NULL;

	guard->next = NULL;
	if (!x)
		return;
	guard->next = x->guards;
	x->guards = guard;
}

void kgo_guard_pop(struct kgo_guard *guard)
{
	struct kgo_m *m = port_self();
	struct kgo_gx *x = m && m->curg ? m->curg->x : NULL;

	if (x && x->guards == guard)
		x->guards = guard->next;
}

/**
 * kgo_guards_run() - Do what is owed by functions that are left
 * @x: the calling goroutine's
 * @below: of the frames below this address, those that were called last;
 *	NULL: of all
 *
 * CONTEXT: the goroutine itself, outside of enter_sched; may park.
 */
void kgo_guards_run(struct kgo_gx *x, const void *below)
{
	struct kgo_guard *guard;

	while ((guard = x->guards)) {
		if (below && (const void *)guard >= below)
			return;
		x->guards = guard->next;
		guard->fn(guard);
	}
}

/* Its parent's things and its own, for a goroutine that is not started yet. */
int kgo_task_set(struct kgo_m *m, struct kgo_g *g, const struct kgo_task *task)
{
	struct kgo_bubble *b = m ? kgo_bubble_of(m->curg) : NULL;

	if (!task && !b)
		return 0;
	if (!kgo_gx(g)) {
		kgo_g_drop(m, g);
		return -ENOMEM;
	}
	if (task)
		g->x->task = *task;
	if (b)
		kgo_bubble_join(b, g);
	return 0;
}

/* The task of the calling goroutine, which has one. */
struct kgo_task *kgo_task_self(void)
{
	return &port_self()->curg->x->task;
}

/**
 * kgo_gx_end() - A goroutine with an extension ends
 * @g: the calling goroutine
 *
 * CONTEXT: the goroutine itself, outside of enter_sched; may park.
 */
void kgo_gx_end(struct kgo_g *g)
{
	struct kgo_gx *x = g->x;
	struct kgo_task task;

	kgo_guards_run(x, NULL);
	task = x->task;
	if (task.end) {
		memset(&x->task, 0, sizeof(x->task));
		task.end(&task);
	}
	if (x->bubble)
		kgo_bubble_leave(g);
}
