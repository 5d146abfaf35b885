// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Memory that is not there: each allocation of each call fails once.
 *
 * The kernel counts the allocations of a thread, and its copies from and to
 * user memory, and has the nth of them fail (/proc/thread-self/fail-nth).  Every
 * operation of the table below runs with n = 1, 2, ... until it got through
 * without one that failed.  Before that it may succeed in spite of it, or say
 * -ENOMEM or -EFAULT; never anything else, and never leaves it something behind:
 * the module's use count, its runtimes and its channels are those of before.
 * (What is not counted there shows in kmemleak, at the end of the guest.)
 */
#include "kgo_abi.h"

#include <dirent.h>
#include <linux/kgo_kchan.h>
#include <sys/epoll.h>

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 850	/* each load of the module takes a second */

#define FAULTS	"/sys/kernel/debug/"
#define TABLES	"/sys/kernel/debug/kgo/"
#define MOST	2000		/* no operation has so many allocations */

/* Write to a file, if there is one. */
static void tell(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

/* Also what may wait for memory fails, and quietly.  False: no such kernel. */
static bool faults_on(void)
{
	if (access("/proc/thread-self/fail-nth", W_OK))
		return false;
	tell(FAULTS "failslab/ignore-gfp-wait", "N");
	tell(FAULTS "fail_page_alloc/ignore-gfp-wait", "N");
	tell(FAULTS "fail_page_alloc/ignore-gfp-highmem", "N");
	tell(FAULTS "fail_page_alloc/min-order", "0");
	tell(FAULTS "failslab/verbose", "0");
	tell(FAULTS "fail_page_alloc/verbose", "0");
	tell(FAULTS "fail_usercopy/verbose", "0");
	tell(FAULTS "fail_futex/verbose", "0");
	return true;
}

static int nth_fd = -1;

static void nth_set(unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	/* This copy may be the one that is to fail; there is no other after it. */
	if (pwrite(nth_fd, text, (size_t)len, 0) != len &&
	    pwrite(nth_fd, text, (size_t)len, 0) != len)
		abort();
}

/* Has the one that was to fail failed?  None does from now on. */
static bool nth_done(void)
{
	char text[16] = "";
	/* The copy may be the nth itself: then it had not come before. */
	ssize_t ret = pread(nth_fd, text, sizeof(text) - 1, 0);

	nth_set(0);
	return ret > 0 && atoi(text) == 0;
}

/* What all operations have to work on. */
struct world {
	struct rt rt;
	int fd[2];		/* a channel */
	int got;		/* an fd */
	int two[2];
	void *mem;
	struct kgo_setup s;
	char buf[8192];
};

static int err(long ret)
{
	return ret < 0 ? -errno : (int)ret;
}

static int kchan(struct world *w, int fd[2])
{
	struct kgo_kchan_make m = {
		.size = sizeof(m), .flags = KGO_KCHAN_F_NONBLOCK,
		.msg_max = 100, .cap = 300, .rfd = -1, .wfd = -1,
	};
	int ret = call(w->rt.fd, KGO_IOC_KCHAN, &m);

	fd[0] = m.rfd;
	fd[1] = m.wfd;
	return ret;
}

/*
 * The operations.  Each undoes with its second function what its first has done,
 * which may be only half of it.
 */

static int do_open(struct world *w)
{
	w->got = open(DEV, O_RDWR | O_CLOEXEC);
	return err(w->got);
}

static void undo_fd(struct world *w)
{
	if (w->got >= 0)
		close(w->got);
	w->got = -1;
}

static int do_query(struct world *w)
{
	struct kgo_query q = { .size = sizeof(q) };

	return call(w->rt.fd, KGO_IOC_QUERY, &q);
}

static void undo_nothing(struct world *w)
{
}

static int do_setup(struct world *w)
{
	int ret = do_open(w);

	return ret < 0 ? ret : setup(w->got, 4, 70, 5000, &w->s);
}

static int map_one(struct world *w, __u64 offset, size_t size)
{
	size_t i;

	w->mem = map(w->rt.fd, offset, size);
	if (w->mem == MAP_FAILED)
		return -errno;
	/* A page without memory is asked for again, by who touched it. */
	for (i = 0; i < size; i += PAGE)
		(void)*(volatile char *)(w->mem + i);
	munmap(w->mem, size);
	return 0;
}

static int do_map_r(struct world *w)
{
	return map_one(w, KGO_MMAP_R, PAGE);
}

static int do_map_c(struct world *w)
{
	return map_one(w, KGO_MMAP_C, PAGE);
}

static int do_map_p(struct world *w)
{
	return map_one(w, KGO_MMAP_P, (size_t)w->rt.nr_ps * KGO_P_STRIDE);
}

static int do_map_m(struct world *w)
{
	return map_one(w, KGO_MMAP_M, pages((size_t)w->rt.nr_ms * KGO_M_STRIDE));
}

/* The table is sparse: pages that nobody has touched yet. */
static int do_map_g(struct world *w)
{
	return map_one(w, KGO_MMAP_G, pages((size_t)w->rt.nr_gs * KGO_G_STRIDE));
}

static int do_attach(struct world *w)
{
	return attach(&w->rt);
}

static void undo_attach(struct world *w)
{
	detach(&w->rt);
}

static int do_acquire(struct world *w)
{
	int ret = attach(&w->rt);

	return ret < 0 ? ret : enter(&w->rt, KGO_ENTER_ACQUIRE);
}

static void undo_acquire(struct world *w)
{
	enter(&w->rt, KGO_ENTER_RELEASE);
	detach(&w->rt);
}

static int do_park(struct world *w)
{
	int ret = attach(&w->rt);

	if (ret >= 0)
		ret = enter_by(&w->rt, KGO_ENTER_PARK_SPARE, 1000);
	return ret == -ETIME ? 0 : ret;
}

static int do_kchan(struct world *w)
{
	return kchan(w, w->two);
}

static void undo_two(struct world *w)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (w->two[i] >= 0)
			close(w->two[i]);
		w->two[i] = -1;
	}
}

static int do_write_read(struct world *w)
{
	int ret = err(write(w->fd[1], "12345", 5));

	return ret < 0 ? ret : err(read(w->fd[0], w->buf, 100));
}

static void undo_messages(struct world *w)
{
	while (read(w->fd[0], w->buf, 100) >= 0)
		;
}

static int io(struct world *w, int end, __u32 op, __u32 flags)
{
	__u32 lens[3] = { 1, 2, 3 };
	struct kgo_kchan_io a = {
		.size = sizeof(a), .op = op, .flags = flags,
		.buf = (__u64)(unsigned long)w->buf,
		.lens = (__u64)(unsigned long)lens,
		.stride = 100, .count = 3, .mark = flags ? 7 : 0,
	};

	if (op == KGO_KCHAN_OP_DISARM)
		a = (struct kgo_kchan_io){ .size = sizeof(a), .op = op, .mark = 7 };
	return call(w->fd[end], KGO_IOC_KCHAN_IO, &a);
}

/* Part of them may have gone before a copy failed: that many are told. */
static int do_io(struct world *w)
{
	int ret = io(w, 1, KGO_KCHAN_OP_SEND, 0);

	return ret < 0 ? ret : io(w, 0, KGO_KCHAN_OP_RECV, 0);
}

static int do_arm(struct world *w)
{
	int ret = attach(&w->rt);

	if (ret >= 0)
		ret = io(w, 0, KGO_KCHAN_OP_RECV, KGO_KCHAN_IO_ARM);
	return ret == -EINPROGRESS ? 0 : ret;
}

static void undo_arm(struct world *w)
{
	io(w, 0, KGO_KCHAN_OP_DISARM, 0);
	detach(&w->rt);
}

static int do_info(struct world *w)
{
	struct kgo_kchan_info i = { .size = sizeof(i) };

	return call(w->fd[0], KGO_IOC_KCHAN_INFO, &i);
}

static int do_epoll(struct world *w)
{
	struct epoll_event e = { .events = EPOLLIN };

	w->got = epoll_create1(EPOLL_CLOEXEC);
	if (w->got < 0)
		return -errno;
	return err(epoll_ctl(w->got, EPOLL_CTL_ADD, w->fd[0], &e));
}

static int do_flush(struct world *w)
{
	return call(w->rt.fd, KGO_IOC_CQ_FLUSH, NULL);
}

static int read_table(struct world *w, const char *name)
{
	char path[96];

	if (name[0] == '/')
		snprintf(path, sizeof(path), TABLES "%d-%llu%s", getpid(),
			 (unsigned long long)w->rt.id, name);
	else
		snprintf(path, sizeof(path), TABLES "%s", name);
	w->got = open(path, O_RDONLY | O_CLOEXEC);
	if (w->got < 0)
		return -errno;
	return err(read(w->got, w->buf, sizeof(w->buf)));
}

static int do_runtimes(struct world *w)
{
	return read_table(w, "runtimes");
}

static int do_kchans(struct world *w)
{
	return read_table(w, "kchans");
}

static int do_goroutines(struct world *w)
{
	return read_table(w, "kernel/goroutines");
}

static int do_sched(struct world *w)
{
	return read_table(w, "kernel/sched");
}

static int do_stats(struct world *w)
{
	return read_table(w, "kernel/stats");
}

static int do_contexts(struct world *w)
{
	return read_table(w, "kernel/contexts");
}

static const struct op {
	const char *name;
	int (*run)(struct world *w);
	void (*undo)(struct world *w);
	bool allocates;		/* so one of them failing is told as -ENOMEM */
} ops[] = {
	{ "open",		do_open,	undo_fd,	true },
	{ "query",		do_query,	undo_nothing,	false },
	{ "setup",		do_setup,	undo_fd,	true },
	{ "mmap of R",		do_map_r,	undo_nothing,	true },
	{ "mmap of C",		do_map_c,	undo_nothing,	true },
	{ "mmap of P",		do_map_p,	undo_nothing,	true },
	{ "mmap of M",		do_map_m,	undo_nothing,	true },
	{ "mmap of G",		do_map_g,	undo_nothing,	true },
	{ "attach",		do_attach,	undo_attach,	true },
	{ "acquire",		do_acquire,	undo_acquire,	true },
	{ "park",		do_park,	undo_attach,	true },
	{ "make a channel",	do_kchan,	undo_two,	true },
	{ "write and read",	do_write_read,	undo_messages,	false },
	{ "send and receive",	do_io,		undo_messages,	false },
	{ "arm a mark",		do_arm,		undo_arm,	true },
	{ "info",		do_info,	undo_nothing,	false },
	{ "epoll",		do_epoll,	undo_fd,	true },
	{ "flush",		do_flush,	undo_nothing,	false },
	{ "runtimes",		do_runtimes,	undo_fd,	true },
	{ "kchans",		do_kchans,	undo_fd,	true },
	{ "goroutines",		do_goroutines,	undo_fd,	true },
	{ "sched",		do_sched,	undo_fd,	true },
	{ "stats",		do_stats,	undo_fd,	true },
	{ "contexts",		do_contexts,	undo_fd,	true },
};

static int entries(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int lines(const char *path)
{
	static char text[65536];
	int n = 0;
	char *s;

	slurp(path, text, sizeof(text));
	for (s = text; *s; s++)
		n += *s == '\n';
	return n;
}

/* What there is of the module's things. */
struct census {
	int refs, folders, runtimes, kchans;
};

static struct census census(void)
{
	return (struct census){
		.refs = module_refs(),
		.folders = entries(TABLES),
		.runtimes = lines(TABLES "runtimes"),
		.kchans = lines(TABLES "kchans"),
	};
}

static bool as_before(const struct census *was)
{
	struct census is = census();

	return !memcmp(was, &is, sizeof(is));
}

static struct world world;

TEST(every_call_survives_each_allocation_failing_once)
{
	struct world *w = &world;
	struct census was;
	const struct op *op;
	unsigned int n, failed;
	bool done;
	int ret;

	if (!faults_on())
		SKIP(return, "no fault injection in this kernel");
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, nth_fd);
	w->got = -1;
	w->two[0] = -1;
	w->two[1] = -1;
	ASSERT_EQ(0, rt_open(&w->rt, 2, 8));
	ASSERT_EQ(0, kchan(w, w->fd));
	was = census();
	ASSERT_LT(0, was.refs);

	for (op = ops; op < ops + sizeof(ops) / sizeof(*ops); op++) {
		failed = 0;
		for (n = 1; n < MOST; n++) {
			nth_set(n);
			ret = op->run(w);
			done = nth_done();
			op->undo(w);
			failed += ret == -ENOMEM;
			ASSERT_TRUE(until(as_before(&was))) {
				TH_LOG("%s, the %uth: something is left", op->name, n);
			}
			if (!done)
				break;
			ASSERT_TRUE(ret >= 0 || ret == -ENOMEM || ret == -EFAULT) {
				TH_LOG("%s, the %uth: %d", op->name, n, ret);
			}
		}
		/* The last one had nothing fail, and works as ever. */
		ASSERT_LE(0, ret) {
			TH_LOG("%s without a failure: %d", op->name, ret);
		}
		ASSERT_GT(MOST, n);
		TH_LOG("%s: %u could fail, %u without memory", op->name, n - 1, failed);
		if (op->allocates)
			EXPECT_LT(0, n - 1);
	}
	close(w->fd[0]);
	close(w->fd[1]);
	close(w->rt.fd);
}

/*
 * Load the module, whose start has its nth allocation failed: the kernel's own
 * around it are not what is tested here, and it warns of some.
 */
static int load(const char *ko, unsigned int n, bool *done)
{
	char buf[32];
	int fd = open(ko, O_RDONLY | O_CLOEXEC), ret;

	snprintf(buf, sizeof(buf), "fail_init=%u", n);
	ret = err(syscall(SYS_finit_module, fd, buf, 0));
	close(fd);
	/* What is left was not needed. */
	*done = ret || (slurp("/sys/module/kgo/parameters/fail_init", buf,
			      sizeof(buf)) > 0 && !atoi(buf));
	return ret;
}

/* Each takes a second on a slow machine; KGO_FAULT_STEP=1 does all. */
TEST(the_module_loads_or_not_and_leaves_nothing)
{
	const char *ko = getenv("KGO_KO"), *step = getenv("KGO_FAULT_STEP");
	unsigned int n, by = step ? (unsigned int)atoi(step) : 5;
	unsigned int tried = 0, failed = 0;
	bool done = true;
	int ret = 0;

	if (!ko || !faults_on())
		SKIP(return, "no fault injection in this kernel, or no KGO_KO");
	for (n = 1; done; n += by) {
		ASSERT_TRUE(until(!syscall(SYS_delete_module, "kgo", O_NONBLOCK)));
		EXPECT_EQ(-1, entries(TABLES));
		ret = load(ko, n, &done);
		tried++;
		if (ret) {
			failed++;
			EXPECT_TRUE(ret == -ENOMEM || ret == -EFAULT) {
				TH_LOG("the %uth: %d", n, ret);
			}
			EXPECT_EQ(-1, entries(TABLES));
			EXPECT_EQ(-1, module_refs());
			ASSERT_EQ(0, load(ko, 0, &done));
			done = true;
		}
		/* It works. */
		ret = open(DEV, O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, ret);
		close(ret);
	}
	TH_LOG("loaded %u times, %u of them failed, up to the %uth", tried, failed, n - by);
	EXPECT_LT(0, failed);
}

TEST_HARNESS_MAIN
