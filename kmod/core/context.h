/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The table of live contexts, for those who show it.
 */
#ifndef KGO_CORE_CONTEXT_H
#define KGO_CORE_CONTEXT_H

#include "core.h"

/*
 * struct kgo_ctx_info - A context as it was a moment ago
 */
struct kgo_ctx_info {
	u64		id;		/* never used again in this runtime */
	const char	*kind;
	const char	*state;		/* "active", or the error in words */
	int		cause;		/* 0 or -errno */
	u32		children;	/* that are cancelled with it */
	u32		refs;
	u64		deadline;	/* CLOCK_MONOTONIC ns, 0 for none */
	u64		created;	/* likewise; coarse */
	const struct kgo_site *site;	/* or NULL */
};

/*
 * struct kgo_ctx_row - A context's place in the table, or a reader's
 */
struct kgo_ctx_row {
	struct kgo_list	link;		/* Q: its shard's lock */
	const struct kgo_ctx *ctx;	/* C: NULL for a reader */
};

/*
 * struct kgo_ctx_reader - Who goes through the table
 */
struct kgo_ctx_reader {
	struct kgo_ctx_row row;
	u32		shard;
};

void kgo_ctx_read_begin(struct kgo_ctx_reader *rd);
bool kgo_ctx_read_next(struct kgo_ctx_reader *rd, struct kgo_ctx_info *info);
void kgo_ctx_read_end(struct kgo_ctx_reader *rd);

/* context.c: for the table and rt.c */
void kgo_ctx_describe(const struct kgo_ctx *ctx, struct kgo_ctx_info *info);
void kgo_ctx_exit(void);

/* context_table.c: for context.c and rt.c */
void kgo_ctx_table_add(struct kgo_ctx_row *row, u64 *id);
void kgo_ctx_table_del(struct kgo_ctx_row *row, u64 id);
void kgo_ctx_table_init(void);

#endif
