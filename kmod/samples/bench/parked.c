// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of what waits: a million goroutines without stacks, each for a value of
 * one channel, and a thousand threads.  All in: what the machine has less of
 * meanwhile, by the number of those who wait.  Bytes, not a time.  The runtime
 * keeps descriptors: only the first reading after kgo.ko was loaded tells.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kgo.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "bench.h"

#define GOROUTINES	1000000U
#define THREADS		1000U

static struct kgo_chan *gate;
static atomic_t nr_here;

static void woken(void *arg, int ret)
{
}

static void body(void *arg)
{
	atomic_inc(&nr_here);
	kgo_chan_recv_then(gate, NULL, woken, NULL);
}

static int thread(void *arg)
{
	set_current_state(TASK_INTERRUPTIBLE);
	while (!kthread_should_stop()) {
		schedule();
		set_current_state(TASK_INTERRUPTIBLE);
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

/* Bytes that are free, when all that is under way has come to rest. */
static u64 available(void)
{
	msleep(200);
	return (u64)si_mem_available() << PAGE_SHIFT;
}

/* What there is less of than before, among all that others do. */
static u64 taken(u64 before)
{
	u64 now = available();

	return before > now ? before - now : 0;
}

static int goroutines(u32 n, u64 *bytes)
{
	const struct kgo_attr attr = { .flags = KGO_ATTR_STACKLESS };
	u64 before;
	int ret = 0;
	u32 i;

	atomic_set(&nr_here, 0);
	gate = kgo_chan_make(0, 0);
	if (!gate)
		return -ENOMEM;
	before = available();
	for (i = 0; i < n; i++) {
		ret = kgo_go_attr(body, NULL, &attr);
		if (ret)
			break;
		/* Let them come to their wait, or they would queue up. */
		if (i % 128 == 0)
			while (atomic_read(&nr_here) < i / 2)
				usleep_range(10, 50);
	}
	while (atomic_read(&nr_here) < i)
		msleep(20);
	*bytes = taken(before);
	kgo_chan_close(gate);
	kgo_module_wait(THIS_MODULE);
	kgo_chan_free(gate);
	return ret;
}

static int threads(u32 n, u64 *bytes)
{
	struct task_struct **task;
	u64 before;
	int ret = 0;
	u32 i;

	task = kvcalloc(n, sizeof(*task), GFP_KERNEL);
	if (!task)
		return -ENOMEM;
	before = available();
	for (i = 0; i < n; i++) {
		task[i] = kthread_run(thread, NULL, "kgo_bench");
		if (IS_ERR(task[i])) {
			ret = PTR_ERR(task[i]);
			break;
		}
	}
	*bytes = taken(before);
	while (i--)
		kthread_stop(task[i]);
	kvfree(task);
	return ret;
}

static int show(struct seq_file *s)
{
	u32 n = kgo_bench_scaled(GOROUTINES), m = kgo_bench_scaled(THREADS);
	u64 kgo, peer;
	int ret;

	ret = goroutines(n, &kgo);
	if (!ret)
		ret = threads(m, &peer);
	if (!ret)
		kgo_bench_sample(s, "parked_bytes", "kthread", kgo, n, peer, m);
	return ret;
}

const struct kgo_bench kgo_bench_parked = { "parked", show };
