// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * getppid - what a goroutine pays for a system call that does not block
 *
 * The same loop of getppid() by the main goroutine and by a plain thread of
 * the same process, in turns, many times; nobody else runs meanwhile.  Prints
 * the medians of both: the goroutine's, the thread's.
 */
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

#define TURNS	101
#define CALLS	5000
#define noinline __attribute__((__noinline__))

static sem_t go, gone;
static double goroutine[TURNS], thread[TURNS];

static noinline double loop(void)
{
	long long t0 = bench_now();
	int i;

	for (i = 0; i < CALLS; i++)
		syscall(SYS_getppid);
	return (double)(bench_now() - t0) / CALLS;
}

static void *plain(void *arg)
{
	int i;

	for (i = 0; i < TURNS; i++) {
		sem_wait(&go);
		thread[i] = loop();
		sem_post(&gone);
	}
	return arg;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int start(void *arg)
{
	pthread_t t;
	int i;

	(void)arg;
	bench_ok(!sem_init(&go, 0, 0) && !sem_init(&gone, 0, 0), "sem_init");
	bench_ok(!pthread_create(&t, NULL, plain, NULL), "pthread_create");
	for (i = 0; i < TURNS; i++) {
		kgo_yield();		/* it owns a processor now */
		goroutine[i] = loop();
		sem_post(&go);
		sem_wait(&gone);
	}
	qsort(goroutine, TURNS, sizeof(goroutine[0]), by_value);
	qsort(thread, TURNS, sizeof(thread[0]), by_value);
	printf("%.2f %.2f\n", goroutine[TURNS / 2], thread[TURNS / 2]);
	return 0;
}

int main(void)
{
	return kgo_main(start, NULL);
}
