// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The table of live contexts: a few lists, so that Ps that make contexts do not
 * meet at one lock.
 *
 * A reader stands in the list himself, behind the row that he has read last.
 * So he goes through a table of any length in steps of one row, with no lock
 * held in between, and sees each context once that lives all the while.
 */
#include "context.h"

#define SHARDS	16U		/* a power of two */

static struct shard {
	kgo_lock_t	lock;
	struct kgo_list	rows;		/* Q: lock; oldest first */
	u64		made;		/* Q: lock */
} shards[SHARDS];

/**
 * kgo_ctx_table_init() - Empty the table
 *
 * CONTEXT: once for a runtime, before any M.
 */
void kgo_ctx_table_init(void)
{
	u32 i;

	for (i = 0; i < SHARDS; i++) {
		port_lock_init(&shards[i].lock);
		kgo_list_init(&shards[i].rows);
		shards[i].made = 0;
	}
}

/**
 * kgo_ctx_table_add() - Put a context into the table
 * @row: its row, with ctx set
 * @id: out: the context's number
 *
 * CONTEXT: a goroutine, which may park, or a thread that is none.
 */
void kgo_ctx_table_add(struct kgo_ctx_row *row, u64 *id)
{
	struct kgo_m *m = kgo_enter_any();
	struct kgo_p *p = m ? kgo_m_p(m) : NULL;
	u32 i = p ? p->index % SHARDS : 0;
	struct shard *sh = &shards[i];

	port_lock(&sh->lock);
	*id = ++sh->made * SHARDS + i;
	kgo_list_push_back(&sh->rows, &row->link);
	port_unlock(&sh->lock);
	kgo_leave_any(m);
}

/**
 * kgo_ctx_table_del() - Take a context out of the table
 * @row: its row
 * @id: its number
 *
 * CONTEXT: as kgo_ctx_table_add().  No reader touches it any more.
 */
void kgo_ctx_table_del(struct kgo_ctx_row *row, u64 id)
{
	struct shard *sh = &shards[id % SHARDS];
	struct kgo_m *m = kgo_enter_any();

	port_lock(&sh->lock);
	kgo_list_del(&row->link);
	port_unlock(&sh->lock);
	kgo_leave_any(m);
}

/**
 * kgo_ctx_read_begin() - Start to read the table
 * @rd: the reader
 *
 * CONTEXT: anywhere but in interrupts and signal handlers, as the others.
 */
void kgo_ctx_read_begin(struct kgo_ctx_reader *rd)
{
	struct kgo_m *m = kgo_enter_any();

	rd->row.ctx = NULL;
	rd->shard = 0;
	port_lock(&shards[0].lock);
	kgo_list_push_front(&shards[0].rows, &rd->row.link);
	port_unlock(&shards[0].lock);
	kgo_leave_any(m);
}

/* The next context of a shard, and stand behind it. */
static bool step(struct kgo_ctx_reader *rd, struct kgo_list *head,
		 struct kgo_ctx_info *info)
{
	struct kgo_list *l;
	struct kgo_ctx_row *row;

	for (l = rd->row.link.next; l != head; l = l->next) {
		row = container_of(l, struct kgo_ctx_row, link);
		if (!row->ctx)
			continue;
		kgo_list_del(&rd->row.link);
		kgo_list_insert(&rd->row.link, l);
		kgo_ctx_describe(row->ctx, info);
		return true;
	}
	return false;
}

/**
 * kgo_ctx_read_next() - Read the next row
 * @rd: from kgo_ctx_read_begin()
 * @info: out
 *
 * Return: false if there are no more.
 */
bool kgo_ctx_read_next(struct kgo_ctx_reader *rd, struct kgo_ctx_info *info)
{
	struct kgo_m *m = kgo_enter_any();
	bool found = false;

	while (rd->shard < SHARDS) {
		struct shard *sh = &shards[rd->shard];

		port_lock(&sh->lock);
		found = step(rd, &sh->rows, info);
		if (!found)
			kgo_list_del(&rd->row.link);
		port_unlock(&sh->lock);
		if (found || ++rd->shard == SHARDS)
			break;
		sh = &shards[rd->shard];
		port_lock(&sh->lock);
		kgo_list_push_front(&sh->rows, &rd->row.link);
		port_unlock(&sh->lock);
	}
	kgo_leave_any(m);
	return found;
}

/**
 * kgo_ctx_read_end() - Stop reading, wherever
 * @rd: from kgo_ctx_read_begin()
 */
void kgo_ctx_read_end(struct kgo_ctx_reader *rd)
{
	struct kgo_m *m = kgo_enter_any();

	if (rd->shard < SHARDS) {
		port_lock(&shards[rd->shard].lock);
		kgo_list_del(&rd->row.link);
		port_unlock(&shards[rd->shard].lock);
	}
	kgo_leave_any(m);
}
