// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * block_gap FEEDER - how long a blocking call keeps the others from running
 *
 * One processor, two goroutines.  The reader yields, so that it owns the
 * processor for certain, notes the time and reads from a pipe that is empty:
 * the plain system call.  The other goroutine does nothing but look at that
 * note and yield; the time from the note until it sees it is the gap in which
 * nobody ran.
 *
 * Another process, the same program for both runtimes (feeder.c), fills the
 * pipe some milliseconds after it was asked to: at times that differ, so that
 * they do not fall in step with a runtime's monitor thread.  No gap is longer
 * than its block.
 *
 * Prints the mean and the 99th percentile.
 */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdatomic.h>
#include <unistd.h>

#include "bench.h"

#define BLOCKS	400
#define WARM	20

static int from_feeder[2], to_feeder[2];
static long long gaps[BLOCKS];
static int nr_gaps = -WARM;
static atomic_llong blocked_at;
static atomic_bool done;
static struct kgo_wg wg;

/* After it the reader owns the processor, and the watcher has had its turn. */
static void until_seen(void)
{
	do {
		kgo_yield();
	} while (atomic_load(&blocked_at));
}

static void reader(void *arg)
{
	char byte = 0;
	int i;

	(void)arg;
	for (i = -WARM; i < BLOCKS; i++) {
		bench_ok(write(to_feeder[1], &byte, 1) == 1, "write");
		until_seen();
		atomic_store(&blocked_at, bench_now());
		bench_ok(read(from_feeder[0], &byte, 1) == 1, "read");
	}
	until_seen();
	atomic_store(&done, true);
	kgo_wg_done(&wg);
}

static void watcher(void *arg)
{
	long long at;

	(void)arg;
	while (!atomic_load(&done)) {
		at = atomic_load(&blocked_at);
		if (at) {
			atomic_store(&blocked_at, 0);
			at = bench_now() - at;
			if (nr_gaps >= 0)
				gaps[nr_gaps] = at;
			nr_gaps++;
		}
		kgo_yield();
	}
	kgo_wg_done(&wg);
}

static int by_value(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;

	return (x > y) - (x < y);
}

static int start(void *arg)
{
	double sum = 0;
	int i;

	(void)arg;
	kgo_wg_add(&wg, 2);
	bench_ok(!kgo_go(reader, NULL) && !kgo_go(watcher, NULL), "kgo_go");
	kgo_wg_wait(&wg);

	bench_ok(nr_gaps == BLOCKS, "one gap for each block");
	qsort(gaps, BLOCKS, sizeof(gaps[0]), by_value);
	for (i = 0; i < BLOCKS; i++)
		sum += (double)gaps[i];
	printf("%.0f %lld\n", sum / BLOCKS, gaps[BLOCKS * 99 / 100 - 1]);
	return 0;
}

int main(int argc, char **argv)
{
	posix_spawn_file_actions_t fa;
	pid_t pid;

	bench_ok(argc == 2, "usage: block_gap FEEDER;");
	bench_ok(!pipe(from_feeder) && !pipe(to_feeder), "pipe");
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, to_feeder[0], 0);
	posix_spawn_file_actions_adddup2(&fa, from_feeder[1], 1);
	posix_spawn_file_actions_addclose(&fa, to_feeder[1]);
	bench_ok(!posix_spawn(&pid, argv[1], &fa, NULL, argv + 1, environ), "posix_spawn");
	return kgo_main(start, NULL);
}
