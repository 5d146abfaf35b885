// SPDX-License-Identifier: GPL-2.0
/*
 * Goroutines in a kernel module, for a start: a pipeline.
 *
 *   main -- numbers --> worker (n of them) -- squares --> collector
 *
 * The workers sleep between two numbers, each in another way: one that parks
 * the goroutine (kgo_sleep) and one that any kernel code might use (usleep_range),
 * which makes the processor move on too.
 *
 * With linger_ms one more goroutine sleeps so long.  It is in no client, so that
 * rmmod is refused until it has ended.
 *
 *   insmod kgo_hello.ko n=8
 */
#include <linux/delay.h>
#include <linux/kgo.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

#define NUMBERS	100U

static unsigned int n = 8;
module_param(n, uint, 0444);
MODULE_PARM_DESC(n, "Number of workers (8, at most 256)");

static unsigned int linger_ms;
module_param(linger_ms, uint, 0444);
MODULE_PARM_DESC(linger_ms, "Keep the module loaded so long (0)");

/* All goroutines but the one that lingers. */
static struct kgo_client client;

struct pipeline {
	struct kgo_chan	*numbers;
	struct kgo_chan	*squares;
	struct kgo_chan	*sum;
	struct kgo_wg	workers;
};

static void worker(void *arg)
{
	struct pipeline *pl = arg;
	u64 x;

	while (kgo_chan_recv(pl->numbers, &x) > 0) {
		if (x % 2)
			usleep_range(1000, 2000);
		else
			kgo_sleep(NSEC_PER_MSEC);
		x *= x;
		kgo_chan_send(pl->squares, &x);
	}
	kgo_wg_done(&pl->workers);
}

static void collector(void *arg)
{
	struct pipeline *pl = arg;
	u64 sum = 0, x;

	while (kgo_chan_recv(pl->squares, &x) > 0)
		sum += x;
	kgo_chan_send(pl->sum, &sum);
}

static void linger(void *arg)
{
	kgo_sleep((u64)linger_ms * NSEC_PER_MSEC);
}

/* A goroutine itself: it sends, receives and waits. */
static int run(void *arg)
{
	struct pipeline *pl = arg;
	unsigned int started;
	u64 i, sum = 0;
	int ret;

	ret = kgo_client_go(&client, collector, pl);
	if (ret)
		return ret;
	for (started = 0; started < n; started++) {
		kgo_wg_add(&pl->workers, 1);
		ret = kgo_client_go(&client, worker, pl);
		if (ret) {
			kgo_wg_done(&pl->workers);
			break;
		}
	}

	for (i = 1; started && i <= NUMBERS; i++)
		kgo_chan_send(pl->numbers, &i);
	kgo_chan_close(pl->numbers);
	kgo_wg_wait(&pl->workers);
	kgo_chan_close(pl->squares);
	kgo_chan_recv(pl->sum, &sum);

	pr_info("kgo_hello: %u workers, goroutine %llu of %llu, sum of squares %llu\n",
		started, kgo_goid(), kgo_num_goroutine(), sum);
	return ret;
}

static int __init kgo_hello_init(void)
{
	struct pipeline pl = {};
	int ret = -ENOMEM;

	if (!n || n > 256)
		return -EINVAL;
	pl.numbers = kgo_chan_make(sizeof(u64), 0);
	pl.squares = kgo_chan_make(sizeof(u64), 16);
	pl.sum = kgo_chan_make(sizeof(u64), 1);
	if (pl.numbers && pl.squares && pl.sum)
		ret = kgo_client_init(&client, THIS_MODULE);
	if (!ret)
		ret = kgo_call(run, &pl);
	/* The channels are still in use by those that take their last steps. */
	kgo_client_exit(&client);
	kgo_chan_free(pl.numbers);
	kgo_chan_free(pl.squares);
	kgo_chan_free(pl.sum);
	/* Last of all: if this failed it would have to be waited for. */
	if (!ret && linger_ms)
		ret = kgo_go(linger, NULL);
	return ret;
}

static void __exit kgo_hello_exit(void)
{
	/* Every goroutine has ended before init returned. */
}

module_init(kgo_hello_init);
module_exit(kgo_hello_exit);

MODULE_DESCRIPTION("kgo sample: a pipeline of goroutines");
MODULE_LICENSE("GPL");
