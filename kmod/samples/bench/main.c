// SPDX-License-Identifier: GPL-2.0
/*
 * Measures goroutines of the kernel beside what kernel code uses otherwise.
 *
 * Each file in debugfs/kgo_bench is a measurement, which is made by whoever
 * reads it.  It prints
 *
 *	FIGURE PEER KGO-TIME PEER-TIME
 *
 * in nanoseconds for each operation, or in bytes if it says so.  kgo and its
 * peer do the same, as often, one after the other:
 *
 *	insmod kgo_bench.ko
 *	cat /sys/kernel/debug/kgo_bench/spawn
 *
 * A number written to "div" is what all counts are divided by, for emulators
 * and tests.
 */
#include <linux/debugfs.h>
#include <linux/kgo.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/mutex.h>

#include "bench.h"

static const struct kgo_bench *const benches[] = {
	&kgo_bench_parked,
	&kgo_bench_pingpong,
	&kgo_bench_spawn,
};

static struct dentry *dir;
static u32 div = 1;
/* Two at a time would measure each other. */
static DEFINE_MUTEX(turn);

/**
 * kgo_bench_scaled() - A count of a measurement, as "div" wants it
 * @n: the count
 */
u32 kgo_bench_scaled(u32 n)
{
	return max(n / max(READ_ONCE(div), 1U), 1U);
}

/**
 * kgo_bench_sample() - Print a figure
 * @s: where to
 * @figure: its name
 * @peer: beside whom
 * @kgo_ns: what kgo took ...
 * @kgo_n: ... for so many operations
 * @peer_ns: what the peer took ...
 * @peer_n: ... for so many
 */
void kgo_bench_sample(struct seq_file *s, const char *figure, const char *peer,
		      u64 kgo_ns, u64 kgo_n, u64 peer_ns, u64 peer_n)
{
	u64 k = div64_u64(kgo_ns * 100, kgo_n);
	u64 p = div64_u64(peer_ns * 100, peer_n);

	seq_printf(s, "%s %s %llu.%02llu %llu.%02llu\n", figure, peer,
		   k / 100, k % 100, p / 100, p % 100);
}

static int bench_show(struct seq_file *s, void *v)
{
	const struct kgo_bench *bench = s->private;
	size_t before = s->count;
	int ret;

	ret = mutex_lock_interruptible(&turn);
	if (ret)
		return ret;
	ret = bench->show(s);
	mutex_unlock(&turn);
	/* A reader that finds the buffer too small would measure once more. */
	WARN_ON_ONCE(!ret && s->count == before);
	return ret;
}
DEFINE_SHOW_ATTRIBUTE(bench);

static int __init kgo_bench_init(void)
{
	u32 i;

	dir = debugfs_create_dir("kgo_bench", NULL);
	debugfs_create_u32("div", 0644, dir, &div);
	debugfs_create_file("feed", 0200, dir, NULL, &kgo_bench_feed_fops);
	for (i = 0; i < ARRAY_SIZE(benches); i++)
		debugfs_create_file(benches[i]->name, 0444, dir,
				    (void *)benches[i], &bench_fops);
	return 0;
}

static void __exit kgo_bench_exit(void)
{
	debugfs_remove(dir);
	/* Whoever read has waited for its goroutines, but for their last steps. */
	kgo_module_wait(THIS_MODULE);
}

module_init(kgo_bench_init);
module_exit(kgo_bench_exit);

MODULE_DESCRIPTION("kgo sample: figures of goroutines in the kernel");
MODULE_LICENSE("GPL");
