// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Goroutines that somebody counts on.
 *
 * A WaitGroup or an errgroup that started a goroutine must hear of its end,
 * even if that is a kgo_exit() deep in a library.  So what is owed is not
 * said by code behind the call, but kept with the goroutine (struct kgo_gx,
 * made once per descriptor and kept).
 *
 * Rejected: a wrapper function with its argument in allocated memory.  Each
 * start would allocate, and the tables would show the wrapper.
 */
#include "task.h"

/* The task of the calling goroutine, which has one. */
struct kgo_task *kgo_task_self(void)
{
	return &port_self()->curg->x->task;
}

/**
 * kgo_task_end() - Tell whom the end of the calling goroutine concerns
 * @x: its extension
 *
 * CONTEXT: the goroutine itself, outside of enter_sched; may park.
 */
void kgo_task_end(struct kgo_gx *x)
{
	struct kgo_task task = x->task;

	if (!task.end)
		return;
	memset(&x->task, 0, sizeof(x->task));
	task.end(&task);
}
