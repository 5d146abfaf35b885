// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * samples [N [PAUSE_MS]] - print what comes out of kgo_pipeline.ko
 *
 *	kernel --batches--> receiver --samples--> main
 *
 * One goroutine receives from the kernel channel, and parks there like at any
 * other channel.  main checks that each sample comes in its place, prints the
 * first of every hundred, and after N of them (1000) how many the kernel has
 * dropped meanwhile because the pipeline was full.  With a pause after each batch
 * it goes on until some were.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <kgo.h>

#include "../../kmod/samples/kgo_pipeline.h"

static struct kgo_chan *samples;
static long wanted = 1000, pause_ms;
static int in;

static void receiver(void *arg)
{
	struct kgo_batch b;
	ssize_t len, i;

	(void)arg;
	while ((len = kgo_kchan_recv(in, &b, sizeof(b))) > 0) {
		for (i = 0; i < len / (ssize_t)sizeof(b.sample[0]); i++)
			kgo_chan_send(samples, &b.sample[i]);
		if (pause_ms)
			kgo_sleep(pause_ms * 1000000LL);
	}
	fprintf(stderr, "samples: no more samples: %s\n", strerror((int)-len));
	kgo_chan_close(samples);
}

static int start(void *arg)
{
	struct kgo_sample s = { 0 }, first = { 0 };
	long long place;
	long n;

	(void)arg;
	samples = kgo_chan_make(sizeof(s), 0);
	if (!samples || kgo_go(receiver, NULL))
		return 1;
	for (n = 0; n < wanted || (pause_ms && s.dropped == first.dropped); n++) {
		if (kgo_chan_recv(samples, &s) != 1)
			return 1;
		if (!n)
			first = s;
		place = (long long)(s.seq - first.seq - (s.dropped - first.dropped));
		if (place != n) {
			fprintf(stderr, "samples: the one of place %lld came as number %ld\n",
				place, n);
			return 1;
		}
		if (n % 100 == 0)
			printf("sample %lld: value %lld, mean %lld\n", (long long)s.seq,
			       (long long)s.value, (long long)s.mean);
	}
	printf("samples: %ld in order, %lld dropped\n", n,
	       (long long)(s.dropped - first.dropped));
	return 0;
}

int main(int argc, char **argv)
{
	int dev = open("/dev/kgo_pipeline", O_RDONLY | O_CLOEXEC);

	if (argc > 1)
		wanted = atol(argv[1]);
	if (argc > 2)
		pause_ms = atol(argv[2]);
	in = dev < 0 ? -1 : ioctl(dev, KGO_PIPELINE_IOC_FD);
	if (in < 0) {
		perror("/dev/kgo_pipeline");
		return 1;
	}
	return kgo_main(start, NULL);
}
