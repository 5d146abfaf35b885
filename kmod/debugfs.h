/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files under /sys/kernel/debug/kgo share.  Format of all tables:
 * a header line, then a line per object; columns are parted by two or more
 * spaces, and no field contains two spaces in a row ("-" if there is nothing
 * to say).  A number from shared memory that makes no sense is shown as
 * invalid(N).
 */
#ifndef KGO_DEBUGFS_H
#define KGO_DEBUGFS_H

#include <linux/seq_file.h>

#include "runtime.h"

/* Longest string that is read from a program, and what escaping makes of it. */
#define KGO_STRING_MAX	128
#define KGO_ESCAPED_MAX	(4 * KGO_STRING_MAX + sizeof("..."))

/* "function at file:line" */
#define KGO_WHERE_MAX	(2 * KGO_ESCAPED_MAX + 32)

extern const struct file_operations kgo_contexts_fops;
extern const struct file_operations kgo_goroutines_fops;

/* debugfs.c */
struct kgo_runtime *kgo_debugfs_runtime(struct inode *inode);
size_t kgo_escape(char *to, size_t size, const char *from, size_t len);
void kgo_seq_index(struct seq_file *seq, int width, u32 index, u32 limit);

/* table.c */
void kgo_gdesc_read(struct kgo_gdesc *to, const struct kgo_gdesc *from);
u32 kgo_gdesc_state(struct kgo_runtime *rt, const struct kgo_gdesc *g,
		    pid_t *tid);
void kgo_kernel_where(struct kgo_runtime *rt, u64 site, char *to);

/* wait_site.c */
void kgo_show_wait_site(struct seq_file *seq, struct kgo_runtime *rt,
			const struct kgo_gdesc *from, const struct kgo_gdesc *g,
			u32 state);

#endif
