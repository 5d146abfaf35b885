// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * feed - messages from the kernel to a program
 *
 * A thread of the kernel (kgo_bench.ko) writes messages of 64 bytes, as fast as
 * they are received: by a goroutine from a kernel channel, by a thread from a
 * pipe of the same room.  Prints both times of a message.
 */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define FEED	"/sys/kernel/debug/kgo_bench/feed"
#define SIZE	64
#define ROOM	1024
#define MANY	256
#define COUNT	200000

static long count;
static double kgo_ns;

static long long feed(int fd)
{
	char cmd[64];
	FILE *f = fopen(FEED, "w");
	long long t0 = bench_now();

	bench_ok(!!f, FEED);
	snprintf(cmd, sizeof(cmd), "%d %d %ld", fd, SIZE, count);
	bench_ok(fputs(cmd, f) >= 0 && !fclose(f), "feed");
	close(fd);
	return t0;
}

static int start(void *arg)
{
	static char buf[MANY][SIZE];
	uint32_t lens[MANY];
	int fd[2], ret;
	long n = 0;
	long long t0;

	(void)arg;
	bench_ok(!kgo_kchan_make(SIZE, ROOM, fd), "kgo_kchan_make");
	t0 = feed(fd[1]);
	while ((ret = kgo_kchan_recv_many(fd[0], buf, SIZE, lens, MANY)) > 0)
		n += ret;
	bench_ok(n == count, "all messages of the channel");
	kgo_ns = (double)(bench_now() - t0) / (double)n;
	return 0;
}

static void *reader(void *arg)
{
	static double ns;
	char buf[SIZE];
	int fd[2];
	long n = 0;
	long long t0;

	(void)arg;
	bench_ok(!pipe(fd), "pipe");
	t0 = feed(fd[1]);
	while (read(fd[0], buf, SIZE) == SIZE)
		n++;
	bench_ok(n == count, "all messages of the pipe");
	ns = (double)(bench_now() - t0) / (double)n;
	return &ns;
}

int main(void)
{
	pthread_t thread;
	void *peer_ns;
	int ret;

	count = bench_scaled(COUNT);
	bench_ok(!kgo_run(start, NULL, &ret) && !ret, "kgo_run");
	bench_ok(!pthread_create(&thread, NULL, reader, NULL), "pthread_create");
	bench_ok(!pthread_join(thread, &peer_ns), "pthread_join");
	printf("%.2f %.2f\n", kgo_ns, *(double *)peer_ns);
	return 0;
}
