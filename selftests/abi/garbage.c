// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A program that fills all its shared pages with random garbage, all the time,
 * while its threads block, park and hand over and somebody reads its tables.
 * It may get any answer; the kernel must stay whole, and another runtime must
 * not notice.  (That nothing was reported is for the guest's runner to see.)
 *
 * KGO_GARBAGE_SECONDS says for how long, default 5.
 */
#include "kgo_abi.h"

#include <dirent.h>

/* Longer than it is ever told to run, in "make check-soak". */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 1300

#define THREADS	12

static __u32 stop_all;

static unsigned int seconds(void)
{
	const char *s = getenv("KGO_GARBAGE_SECONDS");

	return s ? (unsigned int)atoi(s) : 5;
}

static __u64 step(__u64 *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

struct area {
	__u64 *at;
	size_t words;
};

static struct rt rt;

/* Values that hurt more than any random ones. */
static __u64 evil(__u64 *x)
{
	static const __u64 bad[] = {
		0, 1, ~0ULL, 0x7fffffffffffffffULL, 0x8000000000000000ULL,
		0xffffffffULL, 0xffffffff00000000ULL, 0x7fffffff80000000ULL,
		0xffffffff81000000ULL, 0xffff888000000000ULL, 0xdead000000000100ULL,
		0x0000100000001000ULL, 0x00007ffffffff000ULL,
	};
	__u64 r = step(x);

	return r % 4 ? bad[(r >> 8) % ARRAY_SIZE(bad)] : r;
}

static void *scribble(void *arg)
{
	struct area area[] = {
		{ (__u64 *)rt.r, PAGE / 8 },
		{ (__u64 *)rt.p, (size_t)rt.nr_ps * KGO_P_STRIDE / 8 },
		{ (__u64 *)rt.m, pages((size_t)rt.nr_ms * KGO_M_STRIDE) / 8 },
		{ (__u64 *)rt.g, pages((size_t)rt.nr_gs * KGO_G_STRIDE) / 8 },
	};
	__u64 x = (__u64)(unsigned long)arg, n;

	while (!LOAD(stop_all)) {
		struct area *a = &area[step(&x) % ARRAY_SIZE(area)];

		for (n = 0; n < 4096; n++)
			__atomic_store_n(&a->at[step(&x) % a->words], evil(&x),
					 __ATOMIC_RELAXED);
		if (x % 16 == 0)
			nap_us(100);
	}
	return NULL;
}

static void *live(void *arg)
{
	__u64 x = (__u64)(unsigned long)arg;
	struct kgo_enter e;

	if (attach(&rt) < 0)
		return (void *)1;
	while (!LOAD(stop_all)) {
		switch (step(&x) % 8) {
		case 0: case 1: case 2:
			nap_us((long)(step(&x) % 300));
			break;
		case 3:
			enter(&rt, KGO_ENTER_ACQUIRE);
			break;
		case 4:
			enter(&rt, KGO_ENTER_WAKE);
			break;
		case 5:
			enter_full(&rt, &e, KGO_ENTER_RELEASE, KGO_ENTER_F_GIVE,
				   (__u32)(step(&x) % (THREADS + 2)), 0);
			break;
		default:
			enter_by(&rt, KGO_ENTER_PARK_WANT + (__u32)(x >> 20) % 3,
				 step(&x) % 2000000);
			break;
		}
	}
	return NULL;
}

/* The liar: never says anything, ends with 0. */
static void liar(int ready)
{
	pthread_t t;
	long i;

	if (rt_open(&rt, 3, THREADS + 4))
		_exit(1);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&t, NULL, live, (void *)(i * 7919 + 1)))
			_exit(2);
	nap_us(20000);
	for (i = 0; i < 2; i++)
		if (pthread_create(&t, NULL, scribble, (void *)(i * 104729 + 17)))
			_exit(3);
	if (write(ready, "r", 1) != 1)
		_exit(4);
	for (i = 0; i < (long)seconds(); i++)
		nap_us(1000000);
	_exit(0);
}

/* Read every file under a folder of debugfs; the bytes, or -1 if one failed. */
static long read_all(const char *dir, int depth)
{
	static char buf[1 << 16];
	char path[512];
	struct dirent *de;
	long total = 0, n;
	DIR *d = opendir(dir);

	if (!d)
		return errno == ENOENT ? 0 : -1;
	while ((de = readdir(d))) {
		if (de->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, de->d_name);
		if (de->d_type == DT_DIR) {
			n = depth < 3 ? read_all(path, depth + 1) : 0;
		} else {
			int fd = open(path, O_RDONLY | O_CLOEXEC);
			ssize_t got;

			/* A runtime may be gone between the two calls. */
			if (fd < 0)
				continue;
			n = 0;
			while ((got = read(fd, buf, sizeof(buf))) > 0 && n < (32 << 20))
				n += got;
			if (got < 0)
				n = -1;
			close(fd);
		}
		if (n < 0) {
			closedir(d);
			return -1;
		}
		total += n;
	}
	closedir(d);
	return total;
}

static struct rt good;
static __u32 good_turns, good_bad;

/* Two threads that hand the only P of a runtime to and fro. */
static void *good_citizen(void *arg UNUSED)
{
	int m = attach(&good);

	if (m < 0) {
		STORE(good_bad, 1);
		return NULL;
	}
	while (!LOAD(stop_all)) {
		STORE(mdesc(&good, m)->in_sched, 1);
		if (enter(&good, KGO_ENTER_PARK_WANT) ||
		    LOAD(mdesc(&good, m)->p) != 0)
			STORE(good_bad, 2);
		STORE(mdesc(&good, m)->in_sched, 0);
		/* Lost within the sleep: the other wants it. */
		nap_us(100);
		if (LOAD(mdesc(&good, m)->p) != KGO_NONE &&
		    LOAD(mdesc(&good, m)->p) != 0)
			STORE(good_bad, 3);
		__atomic_add_fetch(&good_turns, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

TEST(garbage_hurts_nobody_else)
{
	const char *dir = "/sys/kernel/debug/kgo";
	pthread_t t[2];
	int ready[2], status, i;
	long reads = 0, bytes = 0, n;
	__u32 turns;
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe2(ready, O_CLOEXEC));
	pid = fork();
	if (!pid)
		liar(ready[1]);
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &c, 1));
	ASSERT_EQ(0, rt_open(&good, 1, 4));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&t[i], NULL, good_citizen, NULL));

	while (!waitpid(pid, &status, WNOHANG)) {
		turns = LOAD(good_turns);
		n = read_all(dir, 0);
		EXPECT_LE(0, n);
		bytes += n;
		reads++;
		EXPECT_TRUE(until(LOAD(good_turns) > turns));
	}
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_EQ(0, LOAD(good_bad));
	EXPECT_LT(0, bytes);
	printf("# tables read %ld times, %ld bytes\n", reads, bytes);
	STORE(stop_all, 1);
	for (i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	munmap(good.r, PAGE);
	munmap(good.p, KGO_P_STRIDE);
	munmap(good.m, pages(4 * KGO_M_STRIDE));
	munmap(good.g, pages((size_t)good.nr_gs * KGO_G_STRIDE));
	close(good.fd);
	/* And nothing is left of the liar. */
	EXPECT_TRUE(until(module_refs() == 0));
}

TEST_HARNESS_MAIN
