// SPDX-License-Identifier: GPL-2.0
/*
 * There and back between two that wait in between: two goroutines over
 * unbuffered channels, with stacks or without, and two threads over
 * completions, both on one CPU.  The time is that of a whole round.
 */
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/kgo.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/sched/task.h>

#include "bench.h"

#define ROUNDS	50000U
#define WARM	1000

struct pingpong {
	struct kgo_chan		*ping;
	struct kgo_chan		*pong;
	long			i;		/* of those without stacks */
	long			v;
	long			w;
	u64			t0;
	struct completion	there;
	struct completion	back;
	struct completion	done;
	u64			ns;
};

static struct pingpong pp;

static void player(void *arg)
{
	long v;

	while (kgo_chan_recv(pp.ping, &v) > 0)
		kgo_chan_send(pp.pong, &v);
	kgo_chan_send(pp.pong, &v);
}

static int goroutines(void *arg)
{
	int rounds = kgo_bench_scaled(ROUNDS), ret;
	u64 t0 = 0;
	long i, v;

	ret = kgo_go(player, NULL);
	if (ret)
		return ret;
	for (i = -WARM; i < rounds; i++) {
		if (!i)
			t0 = ktime_get_ns();
		kgo_chan_send(pp.ping, &i);
		kgo_chan_recv(pp.pong, &v);
	}
	pp.ns = ktime_get_ns() - t0;
	kgo_chan_close(pp.ping);
	kgo_chan_recv(pp.pong, &v);
	return v == 0 ? 0 : -EIO;
}

/*
 * Without stacks: each step is the end of a function.
 */
static void bare_back(void *arg, int ret);

static void bare_sent(void *arg, int ret)
{
	kgo_chan_recv_then(pp.pong, &pp.v, bare_back, NULL);
}

static void bare_send(void)
{
	if (!pp.i)
		pp.t0 = ktime_get_ns();
	kgo_chan_send_then(pp.ping, &pp.i, bare_sent, NULL);
}

static void bare_back(void *arg, int ret)
{
	if (ret > 0 && ++pp.i < (int)kgo_bench_scaled(ROUNDS)) {
		bare_send();
		return;
	}
	pp.ns = ktime_get_ns() - pp.t0;
	kgo_chan_close(pp.ping);
	complete(&pp.done);
}

static void bare_start(void *arg)
{
	bare_send();
}

static void bare_answered(void *arg, int ret);

static void bare_receive(void *arg)
{
	kgo_chan_recv_then(pp.ping, &pp.w, bare_answered, NULL);
}

static void bare_sent_back(void *arg, int ret)
{
	bare_receive(NULL);
}

static void bare_answered(void *arg, int ret)
{
	if (ret > 0)
		kgo_chan_send_then(pp.pong, &pp.w, bare_sent_back, NULL);
}

static int bare_goroutines(void)
{
	const struct kgo_attr attr = { .flags = KGO_ATTR_STACKLESS };
	int ret;

	pp.i = -WARM;
	init_completion(&pp.done);
	ret = kgo_go_attr(bare_receive, NULL, &attr);
	if (ret)
		return ret;
	ret = kgo_go_attr(bare_start, NULL, &attr);
	if (ret)
		kgo_chan_close(pp.ping);
	else
		wait_for_completion(&pp.done);
	return ret;
}

static int other_thread(void *arg)
{
	int rounds = kgo_bench_scaled(ROUNDS), i;

	for (i = -WARM; i < rounds; i++) {
		wait_for_completion(&pp.there);
		complete(&pp.back);
	}
	return 0;
}

static int thread(void *arg)
{
	int rounds = kgo_bench_scaled(ROUNDS), i;
	u64 t0 = 0;

	for (i = -WARM; i < rounds; i++) {
		if (!i)
			t0 = ktime_get_ns();
		complete(&pp.there);
		wait_for_completion(&pp.back);
	}
	pp.ns = ktime_get_ns() - t0;
	complete(&pp.done);
	return 0;
}

/* Both on CPU 0. */
static int threads(void)
{
	struct task_struct *a, *b;

	init_completion(&pp.there);
	init_completion(&pp.back);
	init_completion(&pp.done);
	a = kthread_create(thread, NULL, "kgo_bench/a");
	if (IS_ERR(a))
		return PTR_ERR(a);
	b = kthread_create(other_thread, NULL, "kgo_bench/b");
	if (IS_ERR(b)) {
		kthread_stop(a);
		return PTR_ERR(b);
	}
	/* They may have ended when they are stopped. */
	get_task_struct(a);
	get_task_struct(b);
	kthread_bind(a, 0);
	kthread_bind(b, 0);
	wake_up_process(b);
	wake_up_process(a);
	wait_for_completion(&pp.done);
	kthread_stop(a);
	kthread_stop(b);
	put_task_struct(a);
	put_task_struct(b);
	return 0;
}

static int on_channels(int (*run)(void), u64 *ns)
{
	int ret = -ENOMEM;

	pp.ping = kgo_chan_make(sizeof(long), 0);
	pp.pong = kgo_chan_make(sizeof(long), 0);
	if (pp.ping && pp.pong)
		ret = run();
	kgo_module_wait(THIS_MODULE);
	kgo_chan_free(pp.ping);
	kgo_chan_free(pp.pong);
	*ns = pp.ns;
	return ret;
}

static int with_stacks(void)
{
	return kgo_call(goroutines, NULL);
}

static int show(struct seq_file *s)
{
	u32 n = kgo_bench_scaled(ROUNDS);
	u64 kgo, bare;
	int ret;

	ret = on_channels(with_stacks, &kgo);
	if (!ret)
		ret = on_channels(bare_goroutines, &bare);
	if (!ret)
		ret = threads();
	if (ret)
		return ret;
	kgo_bench_sample(s, "pingpong", "completion", kgo, n, pp.ns, n);
	kgo_bench_sample(s, "pingpong_then", "completion", bare, n, pp.ns, n);
	return 0;
}

const struct kgo_bench kgo_bench_pingpong = { "pingpong", show };
