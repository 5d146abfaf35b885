/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the ABI tests share: /dev/kgo without any library.
 *
 * Calls return what the kernel said, as -errno; every output is poisoned before
 * a call, so that what was not written shows.  Nothing here waits for a time to
 * pass: until() waits for a state to come, and gives up after a time that only
 * a broken kernel needs.
 */
#ifndef KGO_ABI_TEST_H
#define KGO_ABI_TEST_H

#include <kselftest_harness.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/kgo.h>
#include <linux/kgo_kchan.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 120	/* a checking kernel under emulation is slow */

#define DEV	"/dev/kgo"
#define POISON	0xa5a5a5a5U
#define POISON64 0xa5a5a5a5a5a5a5a5ULL
#define PAGE	4096UL
#define PATIENCE 60			/* seconds until until() gives up */

#define UNUSED __attribute__((unused))

/* A test program that is something else when it is run with arguments. */
#define TEST_HARNESS_MAIN_OR(other)					\
	static void __attribute__((constructor)) constructor_last_(void)\
	{								\
		if (!__constructor_order)				\
			__constructor_order = _CONSTRUCTOR_ORDER_BACKWARD;\
	}								\
	int main(int argc, char **argv)					\
	{								\
		if (argc > 1)						\
			return other(argc, argv);			\
		return test_harness_run(argc, argv);			\
	}

/* One open of the device, its four regions mapped. */
struct rt {
	int fd;
	__u64 id;
	__u32 nr_ps, nr_ms, nr_gs;
	struct kgo_rdesc *r;
	char *p, *m, *g;
};

UNUSED static struct kgo_pdesc *pdesc(const struct rt *rt, __u32 i)
{
	return (struct kgo_pdesc *)(rt->p + (size_t)i * KGO_P_STRIDE);
}

UNUSED static struct kgo_mdesc *mdesc(const struct rt *rt, __u32 i)
{
	return (struct kgo_mdesc *)(rt->m + (size_t)i * KGO_M_STRIDE);
}

UNUSED static struct kgo_gdesc *gdesc(const struct rt *rt, __u32 i)
{
	return (struct kgo_gdesc *)(rt->g + (size_t)i * KGO_G_STRIDE);
}

/* A field that the kernel or another thread writes. */
#define LOAD(x)		__atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define STORE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_SEQ_CST)

UNUSED static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (__u64)ts.tv_sec * 1000000000ULL + (__u64)ts.tv_nsec;
}

UNUSED static void nap_us(long us)
{
	struct timespec ts = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&ts, NULL);
}

/* Wait until the condition holds; false if it never does. */
#define until(cond)							\
	__extension__ ({						\
		__u64 end_ = now_ns() + PATIENCE * 1000000000ULL;	\
		bool ok_;						\
		while (!(ok_ = (cond)) && now_ns() < end_)		\
			nap_us(500);					\
		ok_;							\
	})

UNUSED static int call(int fd, unsigned long cmd, void *arg)
{
	int ret = ioctl(fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

UNUSED static size_t pages(size_t n)
{
	return (n + PAGE - 1) & ~(PAGE - 1);
}

UNUSED static int setup(int fd, __u32 ps, __u32 ms, __u32 gs, struct kgo_setup *s)
{
	memset(s, 0, sizeof(*s));
	s->size = sizeof(*s);
	s->nr_ps = ps;
	s->nr_ms = ms;
	s->nr_gs = gs;
	s->id = POISON64;
	return call(fd, KGO_IOC_SETUP, s);
}

UNUSED static void *map(int fd, __u64 offset, size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
}

/* Open, set up and map a runtime; returns 0 or -errno. */
UNUSED static int rt_open(struct rt *rt, __u32 ps, __u32 ms)
{
	struct kgo_setup s;
	int ret;

	memset(rt, 0, sizeof(*rt));
	rt->fd = open(DEV, O_RDWR | O_CLOEXEC);
	if (rt->fd < 0)
		return -errno;
	ret = setup(rt->fd, ps, ms, 1024, &s);
	if (ret)
		return ret;
	rt->id = s.id;
	rt->nr_ps = s.nr_ps;
	rt->nr_ms = s.nr_ms;
	rt->nr_gs = s.nr_gs;
	rt->r = map(rt->fd, KGO_MMAP_R, PAGE);
	rt->p = map(rt->fd, KGO_MMAP_P, (size_t)s.nr_ps * KGO_P_STRIDE);
	rt->m = map(rt->fd, KGO_MMAP_M, pages((size_t)s.nr_ms * KGO_M_STRIDE));
	rt->g = map(rt->fd, KGO_MMAP_G, pages((size_t)s.nr_gs * KGO_G_STRIDE));
	if (rt->r == MAP_FAILED || rt->p == MAP_FAILED ||
	    rt->m == MAP_FAILED || rt->g == MAP_FAILED)
		return -errno;
	return 0;
}

/* Attach the calling thread; returns the index of its record or -errno. */
UNUSED static int attach(const struct rt *rt)
{
	struct kgo_attach a = { .size = sizeof(a), .m = POISON };
	int ret = call(rt->fd, KGO_IOC_ATTACH, &a);

	return ret ? ret : (int)a.m;
}

UNUSED static int detach(const struct rt *rt)
{
	return call(rt->fd, KGO_IOC_DETACH, NULL);
}

/* ENTER; @e is filled in and poisoned here, and shows what came back. */
UNUSED static int enter_full(const struct rt *rt, struct kgo_enter *e, __u32 op,
			     __u32 flags, __u32 target, __u64 deadline)
{
	memset(e, 0, sizeof(*e));
	e->size = sizeof(*e);
	e->op = op;
	e->flags = flags;
	e->target = target;
	e->deadline = deadline;
	e->p = POISON;
	e->result = POISON;
	return call(rt->fd, KGO_IOC_ENTER, e);
}

UNUSED static int enter(const struct rt *rt, __u32 op)
{
	struct kgo_enter e;

	return enter_full(rt, &e, op, 0, 0, 0);
}

UNUSED static int enter_by(const struct rt *rt, __u32 op, __u64 ns)
{
	struct kgo_enter e;

	return enter_full(rt, &e, op, 0, 0, now_ns() + ns);
}

UNUSED static int give(const struct rt *rt, __u32 op, __u32 target)
{
	struct kgo_enter e;

	return enter_full(rt, &e, op, KGO_ENTER_F_GIVE, target, 0);
}

/* Tell the kernel's hint that goroutines are queued, or not. */
UNUSED static void work(const struct rt *rt, __u32 n)
{
	STORE(rt->r->gq_len, n);
}

UNUSED static pid_t tid(void)
{
	return (pid_t)syscall(SYS_gettid);
}

UNUSED static ssize_t slurp(const char *path, char *buf, size_t size)
{
	size_t n = 0;
	ssize_t ret;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	buf[0] = 0;
	if (fd < 0)
		return -errno;
	while (n < size - 1 && (ret = read(fd, buf + n, size - 1 - n)) > 0)
		n += (size_t)ret;
	close(fd);
	buf[n] = 0;
	return (ssize_t)n;
}

/* The letter of a thread's state in /proc, or 0. */
UNUSED static char thread_state(pid_t pid, pid_t t)
{
	char path[64], buf[512], *s;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, t);
	if (slurp(path, buf, sizeof(buf)) <= 0)
		return 0;
	s = strrchr(buf, ')');
	return s && s[1] ? s[2] : 0;
}

/* Does a thread sleep inside this system call? */
UNUSED static bool sleeps_in(pid_t pid, pid_t t, long nr)
{
	char path[64], buf[256];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, t);
	return slurp(path, buf, sizeof(buf)) > 0 && buf[0] != 'r' &&
	       strtol(buf, NULL, 10) == nr;
}

/* Both ends of a kernel channel. */
UNUSED static int kchan_make(int fd[2], __u32 msg_max, __u32 cap, __u32 flags)
{
	struct kgo_kchan_make m = {
		.size = sizeof(m), .flags = flags, .msg_max = msg_max,
		.cap = cap, .rfd = (int)POISON, .wfd = (int)POISON,
	};
	int dev = open(DEV, O_RDWR | O_CLOEXEC), ret;

	ret = call(dev, KGO_IOC_KCHAN, &m);
	close(dev);
	fd[0] = m.rfd;
	fd[1] = m.wfd;
	return ret;
}

#define MOST_FDS 4

/* Send or receive @n descriptors over a socket; false if that fails. */
UNUSED static bool pass_fds(int sock, int *fds, unsigned int n, bool send)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(MOST_FDS * sizeof(int))];
	} u;
	char byte = 'x';
	struct iovec v = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = &u,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)),
	};

	memset(&u, 0, sizeof(u));
	u.h.cmsg_level = SOL_SOCKET;
	u.h.cmsg_type = SCM_RIGHTS;
	u.h.cmsg_len = CMSG_LEN(n * sizeof(int));
	if (send) {
		memcpy(CMSG_DATA(&u.h), fds, n * sizeof(int));
		return sendmsg(sock, &m, 0) == 1;
	}
	if (recvmsg(sock, &m, 0) != 1 || u.h.cmsg_len != CMSG_LEN(n * sizeof(int)))
		return false;
	memcpy(fds, CMSG_DATA(&u.h), n * sizeof(int));
	return true;
}

/* Users of the module, or -1 if it is not loaded. */
UNUSED static int module_refs(void)
{
	char buf[32];

	if (slurp("/sys/module/kgo/refcnt", buf, sizeof(buf)) < 0)
		return -1;
	return atoi(buf);
}

#endif
