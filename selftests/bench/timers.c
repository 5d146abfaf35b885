// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * timers - a million pending timers: start, reset, stop
 *
 * A million timers that would each run a function are started for some time
 * in the next hours, each is reset to another, and all are stopped in an order
 * that has nothing to do with either.  Nothing fires.  The time is that of all
 * three, for each call.  The first round is not counted, as both runtimes get
 * their memory from the system there.
 */
#include <stdint.h>

#include "bench.h"

#define TIMERS	1000000
#define ROUNDS	3
#define WARM	1
#define STEP	387420489LL	/* odd, and coprime to the number of timers */
#define HOUR	3600000000000LL

static struct kgo_timer timers[TIMERS];

static void never(void *arg)
{
	(void)arg;
	bench_ok(0, "stop");
}

static long long some_time(uint32_t *x)
{
	*x = *x * 1664525 + 1013904223;
	return HOUR + (long long)*x * 1000;
}

static int start(void *arg)
{
	long long t0 = 0;
	uint32_t x = 1;
	int round;
	long i;

	(void)arg;
	for (round = -WARM; round < ROUNDS; round++) {
		if (!round)
			t0 = bench_now();
		for (i = 0; i < TIMERS; i++)
			bench_ok(!kgo_after_func(&timers[i], some_time(&x), never, NULL),
				 "start");
		for (i = 0; i < TIMERS; i++)
			bench_ok(kgo_timer_reset(&timers[i], some_time(&x)) == 1, "reset");
		for (i = 0; i < TIMERS; i++)
			bench_ok(kgo_timer_stop(&timers[i * STEP % TIMERS]), "stop");
	}
	printf("%.2f\n", (double)(bench_now() - t0) / ((double)ROUNDS * 3 * TIMERS));
	return 0;
}

int main(void)
{
	return kgo_main(start, NULL);
}
