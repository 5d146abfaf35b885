// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Goroutines that block in plain system calls, none of them wrapped: the others
 * go on, on every back end, even with one P.  (How soon is what the back ends
 * differ in, see the benchmarks.)
 */
#include "lib_test.h"

#include <linux/futex.h>
#include <sys/socket.h>
#include <sys/syscall.h>

struct reader {
	int fd[2];
	int got, started, done;
	char c;
};

static void read_one(void *arg)
{
	struct reader *r = arg;

	STORE(r->started, 1);
	r->got = (int)read(r->fd[0], &r->c, 1);
	STORE(r->done, 1);
}

/* The reader holds the only P when it blocks; nobody else can let it go. */
GO_TEST_PS(a_blocking_read_does_not_stop_the_others, 1)
{
	struct reader r = { .got = -1, .c = 'p' };
	int i;

	EXPECT_EQ(0, pipe(r.fd));
	EXPECT_EQ(0, kgo_go(read_one, &r));
	yield_until(LOAD(r.started));
	for (i = 0; i < 1000; i++)
		kgo_yield();
	EXPECT_EQ(0, LOAD(r.done));
	EXPECT_EQ(1, write(r.fd[1], "x", 1));
	yield_until(LOAD(r.done));
	EXPECT_EQ(1, r.got);
	EXPECT_EQ('x', r.c);
}

#define READERS 64

static void blocked_crowd(struct __test_metadata *_metadata)
{
	static struct reader r[READERS];
	unsigned int i;
	int v = 0, n;
	struct kgo_chan *c = kgo_chan_make(sizeof(int), 1);

	for (i = 0; i < READERS; i++) {
		r[i] = (struct reader){ .got = -1, .c = 'p' };
		EXPECT_EQ(0, pipe(r[i].fd));
		EXPECT_EQ(0, kgo_go(read_one, &r[i]));
	}
	for (i = 0; i < READERS; i++)
		yield_until(LOAD(r[i].started));
	/* All of them sit in read(); channels, sleep and start still work. */
	for (n = 0; n < 1000; n++) {
		EXPECT_EQ(0, kgo_chan_send(c, &n));
		EXPECT_EQ(1, kgo_chan_recv(c, &v));
	}
	EXPECT_EQ(999, v);
	EXPECT_EQ(0, kgo_sleep(2 * MS));
	for (i = 0; i < READERS; i++)
		EXPECT_EQ(0, LOAD(r[i].done));
	/* Backwards, so that the last one in is the first one out. */
	for (i = READERS; i-- > 0;) {
		EXPECT_EQ(1, write(r[i].fd[1], "y", 1));
		yield_until(LOAD(r[i].done));
		EXPECT_EQ(1, r[i].got);
		EXPECT_EQ('y', r[i].c);
		close(r[i].fd[0]);
		close(r[i].fd[1]);
	}
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(0, kgo_chan_free(c));
}

GO_TEST(sixty_four_blocked_readers)
{
	blocked_crowd(_metadata);
}

GO_TEST_PS(sixty_four_blocked_readers_on_one_processor, 1)
{
	blocked_crowd(_metadata);
}

static int naps;

static void nap(void *arg)
{
	struct timespec ts = { 0, 2000000 };
	int i;

	for (i = 0; i < 5; i++)
		if (!nanosleep(&ts, NULL))
			ADD(*(int *)arg, 1);
}

GO_TEST_PS(plain_nanosleep, 1)
{
	int i;

	for (i = 0; i < 20; i++)
		EXPECT_EQ(0, kgo_go(nap, &naps));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(100, naps);
}

static uint32_t word;
static int futex_ret = -1;

static void wait_futex(void *arg UNUSED)
{
	while (!LOAD(word))
		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	STORE(futex_ret, 0);
}

GO_TEST_PS(plain_futex, 1)
{
	int i;

	EXPECT_EQ(0, kgo_go(wait_futex, NULL));
	for (i = 0; i < 100; i++)
		kgo_yield();
	EXPECT_EQ(-1, LOAD(futex_ret));
	STORE(word, 1);
	/* Until it is awake: it may have read the word just before. */
	while (LOAD(futex_ret)) {
		syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
		kgo_yield();
	}
}

/* A pthread mutex blocks the thread; the holder must get its turn. */
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static int under_mutex;

static void lock_pthread(void *arg UNUSED)
{
	struct timespec ts = { 0, 100000 };
	int i;

	for (i = 0; i < 50; i++) {
		pthread_mutex_lock(&mu);
		under_mutex++;
		nanosleep(&ts, NULL);
		pthread_mutex_unlock(&mu);
	}
}

GO_TEST_PS(plain_pthread_mutexes, 1)
{
	int i;

	for (i = 0; i < 8; i++)
		EXPECT_EQ(0, kgo_go(lock_pthread, NULL));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(400, under_mutex);
}

/* Servers and clients over socket pairs, all with plain read() and write(). */
static int served;

static void serve(void *arg)
{
	int fd = (int)(uintptr_t)arg;
	unsigned char b;

	while (read(fd, &b, 1) == 1) {
		b = (unsigned char)(b + 1);
		if (write(fd, &b, 1) != 1)
			break;
	}
	close(fd);
	ADD(served, 1);
}

static int client_errors;

static void client(void *arg)
{
	int fd = (int)(uintptr_t)arg, i, n = MANY(500);
	unsigned char b, want;

	for (i = 0; i < n; i++) {
		b = (unsigned char)i;
		want = (unsigned char)(i + 1);
		if (write(fd, &b, 1) != 1 || read(fd, &b, 1) != 1 || b != want)
			ADD(client_errors, 1);
	}
	close(fd);
}

GO_TEST(servers_and_clients_over_sockets)
{
	int i, fd[2];

	for (i = 0; i < 16; i++) {
		EXPECT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
		EXPECT_EQ(0, kgo_go(serve, (void *)(uintptr_t)fd[0]));
		EXPECT_EQ(0, kgo_go(client, (void *)(uintptr_t)fd[1]));
	}
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(16, served);
	EXPECT_EQ(0, client_errors);
}

/* A goroutine that blocks and one that computes, while main is in kgo_run(). */
static int run_beside(void *arg)
{
	struct reader *r = arg;

	if (kgo_go(read_one, r))
		return 1;
	yield_until(LOAD(r->started));
	kgo_sleep(MS);
	if (write(r->fd[1], "z", 1) != 1)
		return 2;
	yield_until(LOAD(r->done));
	return r->got == 1 && r->c == 'z' ? 0 : 3;
}

TEST(blocked_beside_kgo_run)
{
	struct reader r = { .got = -1 };
	int ret = -1;

	setenv("KGO_PROCS", "1", 1);
	ASSERT_EQ(0, pipe(r.fd));
	EXPECT_EQ(0, kgo_run(run_beside, &r, &ret));
	EXPECT_EQ(0, ret);
}

TEST_HARNESS_MAIN
