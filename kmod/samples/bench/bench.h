/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the measurements of kgo_bench.ko share.
 */
#ifndef KGO_BENCH_H
#define KGO_BENCH_H

#include <linux/fs.h>
#include <linux/seq_file.h>
#include <linux/types.h>

/**
 * struct kgo_bench - One measurement
 * @name: of its file
 * @show: measures, and prints a line for each figure by kgo_bench_sample();
 *	in process context, one at a time; returns 0 or -errno
 */
struct kgo_bench {
	const char	*name;
	int		(*show)(struct seq_file *s);
};

extern const struct file_operations kgo_bench_feed_fops;

extern const struct kgo_bench kgo_bench_parked;
extern const struct kgo_bench kgo_bench_pingpong;
extern const struct kgo_bench kgo_bench_spawn;

u32 kgo_bench_scaled(u32 n);
void kgo_bench_sample(struct seq_file *s, const char *figure, const char *peer,
		      u64 kgo_ns, u64 kgo_n, u64 peer_ns, u64 peer_n);

#endif
