// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * spawn - start and end of a goroutine
 *
 * A thousand goroutines are started, each does nothing but wg.Done(), and the
 * starter waits for all; that many times over.  The time includes the waits.
 * The first rounds are not counted: both runtimes keep dead goroutines and
 * their stacks for reuse, and this measures the reuse.
 */
#include "bench.h"

#define BATCH	1000
#define ROUNDS	1000
#define WARM	50

static struct kgo_wg wg;

static void nothing(void *arg)
{
	(void)arg;
	kgo_wg_done(&wg);
}

static int start(void *arg)
{
	long rounds = bench_scaled(ROUNDS), round;
	long long t0 = 0;
	int i;

	(void)arg;
	for (round = -WARM; round < rounds; round++) {
		if (!round)
			t0 = bench_now();
		kgo_wg_add(&wg, BATCH);
		for (i = 0; i < BATCH; i++)
			bench_ok(!kgo_go(nothing, NULL), "kgo_go");
		kgo_wg_wait(&wg);
	}
	printf("%.2f\n", (double)(bench_now() - t0) / ((double)rounds * BATCH));
	return 0;
}

int main(void)
{
	return kgo_main(start, NULL);
}
