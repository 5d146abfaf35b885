// SPDX-License-Identifier: GPL-2.0
/*
 * debugfs: the table of the kernel's own contexts, kernel/contexts.
 *
 * Those of a program are in its memory and not in what it shares: it writes the
 * same table itself, by kgo_dump_contexts().
 *
 * An open file has its place in the table itself (core/context_table.c), so
 * that a long table is read in steps of a row and no lock is held in between.
 */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "debugfs.h"
#include "core/context.h"

/* An open file.  Used by one reader at a time: seq_file's lock. */
struct kgo_contexts {
	struct kgo_runtime	*rt;
	struct kgo_ctx_reader	rd;
	bool			reading;
	loff_t			at;	/* position of info, 0 for none */
	struct kgo_ctx_info	info;
	char			where[KGO_WHERE_MAX];
};

/* Positions: the header, then the rows as they come. */
static void *kgo_contexts_start(struct seq_file *seq, loff_t *pos)
{
	struct kgo_contexts *c = seq->private;

	if (!*pos)
		return SEQ_START_TOKEN;
	if (*pos == c->at)
		return c;	/* it did not fit into the buffer */
	if (c->reading && *pos < c->at) {
		kgo_ctx_read_end(&c->rd);
		c->reading = false;
	}
	if (!c->reading) {
		kgo_ctx_read_begin(&c->rd);
		c->reading = true;
		c->at = 0;
	}
	while (c->at < *pos) {
		if (!kgo_ctx_read_next(&c->rd, &c->info))
			return NULL;
		c->at++;
	}
	return c;
}

static void *kgo_contexts_next(struct seq_file *seq, void *v, loff_t *pos)
{
	++*pos;
	return kgo_contexts_start(seq, pos);
}

static void kgo_contexts_stop(struct seq_file *seq, void *v)
{
}

static int kgo_contexts_show(struct seq_file *seq, void *v)
{
	struct kgo_contexts *c = seq->private;
	const struct kgo_ctx_info *i = &c->info;
	u64 now = ktime_get_ns();

	if (v == SEQ_START_TOKEN) {
		seq_printf(seq, "%-8s  %-14s  %-17s  %6s  %12s  %8s  %5s  %12s  created_by\n",
			   "id", "kind", "state", "cause", "deadline_ms",
			   "children", "refs", "age_ms");
		return 0;
	}
	seq_printf(seq, "%-8llu  %-14s  %-17s", i->id, i->kind, i->state);
	if (i->cause)
		seq_printf(seq, "  %6d", i->cause);
	else
		seq_printf(seq, "  %6s", "-");
	if (i->deadline)
		seq_printf(seq, "  %12lld", (s64)(i->deadline - now) / (s64)NSEC_PER_MSEC);
	else
		seq_printf(seq, "  %12s", "-");
	kgo_kernel_where(c->rt, (u64)(unsigned long)i->site, c->where);
	seq_printf(seq, "  %8u  %5u  %12llu  %s\n", i->children, i->refs,
		   now > i->created ? (now - i->created) / NSEC_PER_MSEC : 0,
		   c->where);
	return 0;
}

static const struct seq_operations kgo_contexts_ops = {
	.start	= kgo_contexts_start,
	.next	= kgo_contexts_next,
	.stop	= kgo_contexts_stop,
	.show	= kgo_contexts_show,
};

static int kgo_contexts_open(struct inode *inode, struct file *file)
{
	struct kgo_runtime *rt = kgo_debugfs_runtime(inode);
	struct kgo_contexts *c;

	if (!rt)
		return -ENODEV;
	c = __seq_open_private(file, &kgo_contexts_ops, sizeof(*c));
	if (!c) {
		kgo_runtime_put(rt);
		return -ENOMEM;
	}
	c->rt = rt;
	return 0;
}

static int kgo_contexts_release(struct inode *inode, struct file *file)
{
	struct kgo_contexts *c = ((struct seq_file *)file->private_data)->private;

	if (c->reading)
		kgo_ctx_read_end(&c->rd);
	kgo_runtime_put(c->rt);
	return seq_release_private(inode, file);
}

const struct file_operations kgo_contexts_fops = {
	.owner		= THIS_MODULE,
	.open		= kgo_contexts_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= kgo_contexts_release,
};
