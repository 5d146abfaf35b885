/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Goroutines that somebody counts on, and frames that somebody waits for: what
 * must be done at their end however they end.
 */
#ifndef KGO_CORE_TASK_H
#define KGO_CORE_TASK_H

#include "core.h"

/*
 * struct kgo_guard - What is owed by a function that is running
 *
 * On its stack.  fn() is called if the function is left without kgo_guard_pop(),
 * because its goroutine ended in it.
 */
struct kgo_guard {
	struct kgo_guard *next;		/* G: of the function that called it */
	void		(*fn)(struct kgo_guard *guard);
};

void kgo_guard_push(struct kgo_guard *guard);
void kgo_guard_pop(struct kgo_guard *guard);
void kgo_guards_run(struct kgo_gx *x, const void *below);

int kgo_go_task(const struct kgo_site *site, void (*fn)(void *), void *arg,
		const struct kgo_task *task);
void kgo_task_end(struct kgo_gx *x);
struct kgo_task *kgo_task_self(void);

#endif
