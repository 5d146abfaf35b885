// SPDX-License-Identifier: GPL-2.0
/*
 * Start, run and end of something that does not wait: a goroutine, a work, a
 * thread.
 *
 * A thousand goroutines are started, then all are waited for; that many times
 * over, and the same with works.  Both bodies count down, and the last one
 * completes what their starter waits for, so that the time includes the waits.
 * A thread is started and stopped, one at a time.  The first rounds are not
 * counted: all of them keep what can be used again.
 */
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/kgo.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "../../compat.h"
#include "bench.h"

#define BATCH	1000
#define ROUNDS	200U
#define WARM	10
#define THREADS	2000U

struct spawn {
	atomic_t		left;
	struct completion	done;
	struct work_struct	*works;
	struct workqueue_struct	*wq;
	u64			ns;
};

static struct spawn spawn;

static void count_down(void)
{
	if (atomic_dec_and_test(&spawn.left))
		complete(&spawn.done);
}

static void goroutine(void *arg)
{
	count_down();
}

static void work(struct work_struct *w)
{
	count_down();
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

static int goroutines(void *arg)
{
	int rounds = kgo_bench_scaled(ROUNDS), round, i, ret;
	u64 t0 = 0;

	for (round = -WARM; round < rounds; round++) {
		if (!round)
			t0 = ktime_get_ns();
		atomic_set(&spawn.left, BATCH);
		reinit_completion(&spawn.done);
		for (i = 0; i < BATCH; i++) {
			ret = kgo_go(goroutine, NULL);
			/* Those that are missing will not count down. */
			if (ret && atomic_sub_and_test(BATCH - i, &spawn.left))
				complete(&spawn.done);
			if (ret)
				break;
		}
		wait_for_completion(&spawn.done);
		if (ret)
			return ret;
	}
	spawn.ns = ktime_get_ns() - t0;
	return 0;
}

static u64 works(void)
{
	int rounds = kgo_bench_scaled(ROUNDS), round, i;
	u64 t0 = 0;

	for (round = -WARM; round < rounds; round++) {
		if (!round)
			t0 = ktime_get_ns();
		atomic_set(&spawn.left, BATCH);
		reinit_completion(&spawn.done);
		for (i = 0; i < BATCH; i++) {
			INIT_WORK(&spawn.works[i], work);
			queue_work(spawn.wq, &spawn.works[i]);
		}
		wait_for_completion(&spawn.done);
	}
	return ktime_get_ns() - t0;
}

static int threads(u32 n)
{
	struct task_struct *task;
	u64 t0 = ktime_get_ns();
	u32 i;

	for (i = 0; i < n; i++) {
		task = kthread_run(thread, NULL, "kgo_bench");
		if (IS_ERR(task))
			return PTR_ERR(task);
		kthread_stop(task);
	}
	spawn.ns = ktime_get_ns() - t0;
	return 0;
}

static int show(struct seq_file *s)
{
	u32 n = kgo_bench_scaled(ROUNDS) * BATCH;
	u32 nr_threads = kgo_bench_scaled(THREADS);
	int ret = -ENOMEM;
	u64 kgo, wq;

	init_completion(&spawn.done);
	spawn.works = kvcalloc(BATCH, sizeof(*spawn.works), GFP_KERNEL);
	spawn.wq = alloc_workqueue("kgo_bench", KGO_WQ_PERCPU, 0);
	if (!spawn.works || !spawn.wq)
		goto out;
	ret = kgo_call(goroutines, NULL);
	if (ret)
		goto out;
	kgo = spawn.ns;
	wq = works();
	ret = threads(max(nr_threads / 10, 1U));
	if (!ret)
		ret = threads(nr_threads);
	if (ret)
		goto out;
	kgo_bench_sample(s, "spawn_work", "queue_work", kgo, n, wq, n);
	kgo_bench_sample(s, "spawn_thread", "kthread_run", kgo, n, spawn.ns,
			 nr_threads);
out:
	if (spawn.wq)
		destroy_workqueue(spawn.wq);
	kvfree(spawn.works);
	return ret;
}

const struct kgo_bench kgo_bench_spawn = { "spawn", show };
