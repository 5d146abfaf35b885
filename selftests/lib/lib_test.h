/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the tests of libkgo share.
 *
 * GO_TEST(name) is a test whose body is the main goroutine of a process of its
 * own, started by kgo_main(); GO_TEST_PS(name, n) the same on n processors.
 * In such a body use EXPECT only: an ASSERT jumps to another stack.  (It ends
 * the test as failed all the same.)
 *
 * The back end is whatever KGO_BACKEND says.  No test depends on how long
 * something takes: they wait for states, which come or hang the test.
 */
#ifndef KGO_LIB_TEST_H
#define KGO_LIB_TEST_H

#include <kselftest_harness.h>

#include <errno.h>
#include <fcntl.h>
#include <kgo.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 240	/* emulation and sanitizers are slow */

#define UNUSED	__attribute__((unused))
#define MS	1000000LL

#define LOAD(x)		__atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define STORE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_SEQ_CST)
#define ADD(x, v)	__atomic_add_fetch(&(x), (v), __ATOMIC_SEQ_CST)

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Loops that find races are shorter where each step is slow. */
#define MANY(n)	(SANITIZED || getenv("KGO_TEST_SHORT") ? (n) / 10 : (n))

#define GO_TEST_PS(name, procs)						\
	static void name##_go(struct __test_metadata *_metadata);	\
	static int name##_main(void *arg)				\
	{								\
		struct __test_metadata *t = arg;			\
									\
		name##_go(t);						\
		fflush(NULL);						\
		_exit(t->skip ? 255 : !t->passed);			\
	}								\
	TEST(name)							\
	{								\
		if (procs)						\
			setenv("KGO_PROCS", #procs, 1);			\
		EXPECT_EQ(0, kgo_main(name##_main, _metadata));		\
		EXPECT_TRUE(!"kgo_main() returned");			\
	}								\
	static void name##_go(UNUSED struct __test_metadata *_metadata)

#define GO_TEST(name) GO_TEST_PS(name, 0)

UNUSED static long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Let other goroutines run until the condition holds. */
#define yield_until(cond)						\
	do {								\
		kgo_yield();						\
	} while (!(cond))

/*
 * How many goroutines wait for this reason, as kgo_dump() says: columns are
 * parted by two or more spaces, as in debugfs.
 */
UNUSED static __attribute__((noinline)) int waiting(const char *reason)
{
	int fd = memfd_create("dump", MFD_CLOEXEC), n = 0;
	char what[64], *text, *s;
	off_t size;

	snprintf(what, sizeof(what), "  %s  ", reason);
	kgo_dump(fd);
	size = lseek(fd, 0, SEEK_END);
	text = calloc(1, (size_t)size + 1);
	if (pread(fd, text, (size_t)size, 0) == size)
		for (s = text; (s = strstr(s, what)); s++)
			n++;
	free(text);
	close(fd);
	return n;
}

/* A process of its own, and how it ended. */
struct ended {
	int status;		/* as wait() says */
	char err[64 << 10];	/* what it wrote to stderr */
};

/* It ends with what fn returns. */
UNUSED static void run_process(struct ended *e, int (*fn)(void *), void *arg)
{
	size_t n = 0;
	ssize_t got;
	int fd[2];
	pid_t pid;

	memset(e, 0xa5, sizeof(*e));
	if (pipe(fd))
		abort();
	fflush(NULL);
	pid = fork();
	if (!pid) {
		dup2(fd[1], STDERR_FILENO);
		close(fd[0]);
		close(fd[1]);
		_exit(fn(arg));
	}
	close(fd[1]);
	while ((got = read(fd[0], e->err + n, sizeof(e->err) - 1 - n)) > 0)
		n += (size_t)got;
	e->err[n] = 0;
	close(fd[0]);
	waitpid(pid, &e->status, 0);
}

struct main_call {
	int (*fn)(void *);
	void *arg;
};

static int call_main(void *arg)
{
	struct main_call *call = arg;

	kgo_main(call->fn, call->arg);
	return 77;
}

/* It runs fn as main goroutine. */
UNUSED static void run_child(struct ended *e, int (*fn)(void *), void *arg)
{
	struct main_call call = { fn, arg };

	run_process(e, call_main, &call);
}

/* It panicked as Go does: exit status 2, and this among its last words. */
#define EXPECT_PANIC(e, words)						\
	do {								\
		EXPECT_TRUE(WIFEXITED((e).status));			\
		EXPECT_EQ(2, WEXITSTATUS((e).status));			\
		EXPECT_NE(NULL, strstr((e).err, words)) {		\
			TH_LOG("stderr: %s", (e).err);			\
		}							\
		EXPECT_NE(NULL, strstr((e).err, "goroutine "));		\
	} while (0)

/* It was ended by abort(), after it said so. */
#define EXPECT_THROW(e, words)						\
	do {								\
		EXPECT_TRUE(WIFSIGNALED((e).status));			\
		EXPECT_EQ(SIGABRT, WTERMSIG((e).status));		\
		EXPECT_NE(NULL, strstr((e).err, words)) {		\
			TH_LOG("stderr: %s", (e).err);			\
		}							\
	} while (0)

#endif
