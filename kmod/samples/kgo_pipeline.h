/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note OR MIT */
/*
 * What comes out of kgo_pipeline.ko: messages of its kernel channel.
 */
#ifndef KGO_PIPELINE_H
#define KGO_PIPELINE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/** define KGO_PIPELINE_BATCH - Most samples of a message */
#define KGO_PIPELINE_BATCH	16U

/**
 * struct kgo_sample - A sample
 * @seq: number of the tick that it was taken at, from 0 on
 * @dropped: ticks before it whose samples found no room in the pipeline
 * @value: what was measured: a sawtooth from 0 to 99
 * @mean: of the last samples, with their weights
 *
 * So @seq - @dropped counts the samples that there are, without a gap.
 */
struct kgo_sample {
	__u64 seq;
	__u64 dropped;
	__s64 value;
	__s64 mean;
};

/**
 * struct kgo_batch - A message: as many samples as its length says, at least one
 * @sample: oldest first
 */
struct kgo_batch {
	struct kgo_sample sample[KGO_PIPELINE_BATCH];
};

/* On /dev/kgo_pipeline: an fd of the channel, from which the caller receives. */
#define KGO_PIPELINE_IOC_FD	_IO(0xb7, 0)

#endif
