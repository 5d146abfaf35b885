// SPDX-License-Identifier: GPL-2.0
/*
 * A driver in stages: each is a goroutine that receives, works and sends, and
 * none of them knows more than its two channels.
 *
 *   hrtimer          take --raw--> measure --measured--> smooth --smoothed--+
 *   (hard interrupt)                                                        |
 *        +------------------------------------------------------------------+
 *        v
 *      batch --kernel channel--> a program (userlib/examples/samples.c)
 *
 *   - The interrupt cannot wait.  If the pipeline is full it drops its sample
 *     and counts: kgo_chan_try_send().
 *   - The stages wait for each other, all the way back, if the program does not
 *     keep up.  There is no lock in this file: a sample belongs to one stage at
 *     a time, and what a stage remembers are its own variables.
 *   - The last stage sends what it has when it has enough, or when the oldest
 *     has waited for long enough: a select with a timeout.
 *   - A stage ends when the one before it has closed its channel.  The first
 *     ends when the context of the driver is cancelled, which is what
 *     kgo_client_exit() does before it waits for all of them.
 *
 *	insmod kgo_pipeline.ko period_us=1000
 *	/examples/samples 1000
 */
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/kgo.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "../compat.h"
#include "kgo_pipeline.h"

#define ROOM		64U			/* in each channel of the pipeline */
#define MESSAGES	8U			/* in the one to the program */
#define LATENCY		(20 * NSEC_PER_MSEC)	/* most that a batch waits for more */

static unsigned int period_us = 1000;
module_param(period_us, uint, 0444);
MODULE_PARM_DESC(period_us, "Microseconds from one sample to the next (1000, at least 20)");

static struct {
	struct hrtimer		timer;
	u64			seq;		/* the timer's alone */
	u64			dropped;	/* likewise */
	bool			ticks;		/* under start */
	struct mutex		start;		/* the timer */

	struct kgo_client	client;
	struct kgo_chan		*raw;
	struct kgo_chan		*measured;
	struct kgo_chan		*smoothed;
	struct kgo_kchan	*out;
} pl;

/* The source.  CONTEXT: hard interrupt. */
static enum hrtimer_restart take(struct hrtimer *timer)
{
	struct kgo_sample s = { .seq = pl.seq++, .dropped = pl.dropped };

	if (kgo_chan_try_send(pl.raw, &s))
		pl.dropped++;
	hrtimer_forward_now(timer, ns_to_ktime(period_us * NSEC_PER_USEC));
	return HRTIMER_RESTART;
}

/* The first stage: what would be read from the hardware, and may sleep. */
static void measure(void *arg)
{
	struct kgo_sample s;
	struct kgo_case cases[] = {
		KGO_RECV(pl.raw, &s),
		KGO_RECV(kgo_ctx_done(kgo_client_ctx(&pl.client)), NULL),
	};

	while (!kgo_select(cases, ARRAY_SIZE(cases))) {
		s.value = s.seq % 100;
		kgo_chan_send(pl.measured, &s);
	}
	kgo_chan_close(pl.measured);
}

/* The second stage: it remembers, in a variable of its own. */
static void smooth(void *arg)
{
	struct kgo_sample s;
	s64 mean = 0;

	while (kgo_chan_recv(pl.measured, &s) > 0) {
		mean += (s.value - mean) / 4;
		s.mean = mean;
		kgo_chan_send(pl.smoothed, &s);
	}
	kgo_chan_close(pl.smoothed);
}

/*
 * The last stage: batches.  It waits for the first sample of a batch as long as
 * that takes, for those that follow until the first has waited for LATENCY.
 */
static void batch(void *arg)
{
	struct kgo_sample s;
	struct kgo_case next = KGO_RECV(pl.smoothed, &s);
	struct kgo_batch *b = arg;
	u64 due = 0;
	u32 n = 0;
	int ret;

	do {
		ret = n ? kgo_select_timeout(&next, 1, due - ktime_get_ns()) :
			  kgo_select(&next, 1);
		if (!ret && next.ok > 0) {
			if (!n)
				due = ktime_get_ns() + LATENCY;
			b->sample[n++] = s;
			if (n < KGO_PIPELINE_BATCH)
				continue;
		}
		/* Enough, or time is up, or nothing more will come. */
		if (n)
			kgo_kchan_send(pl.out, b, n * sizeof(s));
		n = 0;
	} while (ret || next.ok > 0);
	kfree(b);
}

/* The program asks for its end of the pipeline; with the first, it starts. */
static long pipeline_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	long fd;

	if (cmd != KGO_PIPELINE_IOC_FD)
		return -ENOTTY;
	fd = kgo_kchan_fd(pl.out, KGO_KCHAN_RECV | O_CLOEXEC);
	mutex_lock(&pl.start);
	if (fd >= 0 && !pl.ticks) {
		pl.ticks = true;
		hrtimer_start(&pl.timer, ns_to_ktime(period_us * NSEC_PER_USEC), HRTIMER_MODE_REL);
	}
	mutex_unlock(&pl.start);
	return fd;
}

static const struct file_operations pipeline_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= pipeline_ioctl,
};

static struct miscdevice pipeline_dev = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "kgo_pipeline",
	.fops	= &pipeline_fops,
};

static void pipeline_free(void)
{
	kgo_kchan_put(pl.out);
	kgo_chan_free(pl.smoothed);
	kgo_chan_free(pl.measured);
	kgo_chan_free(pl.raw);
}

/* From the last stage to the first: each has somebody to send to. */
static int pipeline_start(void)
{
	struct kgo_batch *b = kzalloc(sizeof(*b), GFP_KERNEL);
	int ret;

	if (!b)
		return -ENOMEM;
	ret = kgo_client_go(&pl.client, batch, b);
	if (ret) {
		kfree(b);
		return ret;
	}
	ret = kgo_client_go(&pl.client, smooth, NULL);
	if (ret) {
		kgo_chan_close(pl.smoothed);
		return ret;
	}
	ret = kgo_client_go(&pl.client, measure, NULL);
	if (ret)
		kgo_chan_close(pl.measured);
	return ret;
}

/* No stage waits for room in a message that nobody receives, and all end. */
static void pipeline_stop(void)
{
	hrtimer_cancel(&pl.timer);
	kgo_kchan_close(pl.out);
	kgo_client_exit(&pl.client);
}

static int __init kgo_pipeline_init(void)
{
	int ret;

	if (period_us < 20)
		return -EINVAL;
	mutex_init(&pl.start);
	kgo_hrtimer_setup(&pl.timer, take, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	ret = kgo_client_init(&pl.client, THIS_MODULE);
	if (ret)
		return ret;
	pl.raw = kgo_chan_make(sizeof(struct kgo_sample), ROOM);
	pl.measured = kgo_chan_make(sizeof(struct kgo_sample), ROOM);
	pl.smoothed = kgo_chan_make(sizeof(struct kgo_sample), ROOM);
	pl.out = kgo_kchan_make(sizeof(struct kgo_batch), MESSAGES);
	ret = -ENOMEM;
	if (!pl.raw || !pl.measured || !pl.smoothed || !pl.out)
		goto client;
	ret = pipeline_start();
	if (!ret)
		ret = misc_register(&pipeline_dev);
	if (ret)
		goto stop;
	return 0;

stop:
	pipeline_stop();
	pipeline_free();
	return ret;
client:
	kgo_client_exit(&pl.client);
	pipeline_free();
	return ret;
}

static void __exit kgo_pipeline_exit(void)
{
	misc_deregister(&pipeline_dev);
	pipeline_stop();
	pipeline_free();
}

module_init(kgo_pipeline_init);
module_exit(kgo_pipeline_exit);

MODULE_DESCRIPTION("kgo sample: a driver as a pipeline of goroutines");
MODULE_LICENSE("GPL");
