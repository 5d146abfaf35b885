// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * kchan - messages from another process: to a goroutine by a kernel channel,
 * and to a thread that blocks by a pipe
 *
 * Another process sends messages of 64 bytes as fast as it can.  By the channel
 * they go one by one, by a call at either end for each; or in batches, by calls
 * that move up to 32.  The pipe has one write() and one read() of 64 bytes for
 * each.
 *
 * Needs /dev/kgo.  Prints nanoseconds per message: one by one, the pipe; then in
 * batches, the pipe.
 */

#include <pthread.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define SIZE	64
#define BATCH	32
#define MESSAGES 200000

static long nr_messages;

static pid_t start_sender(int fd, int other, long batch)
{
	static char many[BATCH][SIZE];
	uint32_t lens[BATCH];
	char buf[SIZE] = "";
	pid_t pid = fork();
	long i;

	if (pid)
		return pid;
	close(other);
	for (i = 0; i < BATCH; i++)
		lens[i] = SIZE;
	i = 0;
	while (batch > 1 && i < nr_messages) {
		long left = nr_messages - i;
		int n = kgo_kchan_send_many(fd, many, SIZE, lens,
					    (unsigned int)(left < batch ? left : batch));

		if (n < 0)
			_exit(1);
		i += n;
	}
	for (; i < nr_messages; i++)
		if (write(fd, buf, SIZE) != SIZE)
			_exit(1);
	_exit(0);
}

static long long by_kchan(unsigned int batch)
{
	static char buf[BATCH][SIZE];
	uint32_t lens[BATCH];
	long long start;
	long got = 0;
	int fd[2], n;
	pid_t pid;

	bench_ok(!kgo_kchan_make(SIZE, 1024, fd), "kgo_kchan_make");
	start = bench_now();
	pid = start_sender(fd[1], fd[0], batch);
	close(fd[1]);
	for (;;) {
		if (batch == 1)
			n = kgo_kchan_recv(fd[0], buf, SIZE) == SIZE ? 1 : 0;
		else
			n = kgo_kchan_recv_many(fd[0], buf, SIZE, lens, batch);
		if (n <= 0)
			break;
		got += n;
	}
	start = bench_now() - start;
	bench_ok(got == nr_messages, "every message");
	waitpid(pid, NULL, 0);
	close(fd[0]);
	return start / nr_messages;
}

static void *pipe_reader(void *arg)
{
	char buf[SIZE];
	long got = 0;

	while (read(*(int *)arg, buf, SIZE) == SIZE)
		got++;
	bench_ok(got == nr_messages, "every message of the pipe");
	return NULL;
}

static long long by_pipe(void)
{
	long long start;
	pthread_t t;
	int fd[2];
	pid_t pid;

	bench_ok(!pipe(fd), "pipe");
	start = bench_now();
	pid = start_sender(fd[1], fd[0], 1);
	close(fd[1]);
	bench_ok(!pthread_create(&t, NULL, pipe_reader, fd), "pthread_create");
	pthread_join(t, NULL);
	start = bench_now() - start;
	waitpid(pid, NULL, 0);
	close(fd[0]);
	return start / nr_messages;
}

static int start(void *arg)
{
	long long one, many, piped;

	(void)arg;
	nr_messages = bench_scaled(MESSAGES);
	by_kchan(1);
	one = by_kchan(1);
	many = by_kchan(BATCH);
	piped = by_pipe();
	printf("%lld %lld\n%lld %lld\n", one, piped, many, piped);
	return 0;
}

int main(void)
{
	return kgo_main(start, NULL);
}
