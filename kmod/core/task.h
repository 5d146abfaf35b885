/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Goroutines that somebody counts on: what must be done however they end.
 */
#ifndef KGO_CORE_TASK_H
#define KGO_CORE_TASK_H

#include "core.h"

int kgo_go_task(const struct kgo_site *site, void (*fn)(void *), void *arg,
		const struct kgo_task *task);
void kgo_task_end(struct kgo_gx *x);
struct kgo_task *kgo_task_self(void);

#endif
