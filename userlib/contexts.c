// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The table of contexts.  It is in the program's own memory, so that the
 * program is who can write it; kmod/contexts.c does the same for the kernel's.
 */
#include "context.h"
#include "user.h"

#include <stdio.h>

static const char *name_or(__u64 addr, const char *other)
{
	return addr ? (const char *)(unsigned long)addr : other;
}

static void out_row(struct kgo_out *o, const struct kgo_ctx_info *i, u64 now)
{
	char cause[16] = "-", left[32] = "-", where[256] = "?", row[512];
	long long ms;

	if (i->cause)
		snprintf(cause, sizeof(cause), "%d", i->cause);
	if (i->deadline) {
		ms = (long long)(i->deadline - now) / 1000000;
		snprintf(left, sizeof(left), "%lld", ms);
	}
	if (i->site)
		snprintf(where, sizeof(where), "%s at %s:%u",
			 name_or(i->site->func, "?"),
			 name_or(i->site->file, "?"), i->site->line);
	snprintf(row, sizeof(row),
		 "%-8llu  %-14s  %-17s  %6s  %12s  %8u  %5u  %12llu  %s\n",
		 i->id, i->kind, i->state, cause, left, i->children, i->refs,
		 now > i->created ? (now - i->created) / 1000000 : 0, where);
	kgo_out_str(o, row);
}

void kgo_dump_contexts(int fd)
{
	struct kgo_out o = { .fd = fd };
	struct kgo_ctx_reader rd;
	struct kgo_ctx_info info;
	char head[160];
	u64 now = port_now();

	if (!kgo_rt.r)
		return;
	snprintf(head, sizeof(head),
		 "%-8s  %-14s  %-17s  %6s  %12s  %8s  %5s  %12s  %s\n", "id",
		 "kind", "state", "cause", "deadline_ms", "children", "refs",
		 "age_ms", "created_by");
	kgo_out_str(&o, head);
	kgo_ctx_read_begin(&rd);
	while (kgo_ctx_read_next(&rd, &info))
		out_row(&o, &info, now);
	kgo_ctx_read_end(&rd);
	kgo_out_flush(&o);
}
