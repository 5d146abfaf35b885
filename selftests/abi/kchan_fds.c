// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Kernel channels as file descriptors: who has one after exec, fork, a socket
 * and the death of whoever made it; and that one is all it needs.
 *
 * An end belongs to the open file, not to a process or its runtime: as long as
 * there is a descriptor of it anywhere, also on its way through a socket, the
 * other side sees a peer.  The last close is the end, whoever does it.
 */
#include "kgo_abi.h"

#include <poll.h>

#include "../../kmod/samples/kgo_pipeline.h"

#define PIPELINE "/kgo_pipeline.ko"	/* where the guest has it */

/* Its mappings hold the module as its fd does. */
static void rt_close(struct rt *rt)
{
	detach(rt);
	munmap(rt->r, PAGE);
	munmap(rt->p, (size_t)rt->nr_ps * KGO_P_STRIDE);
	munmap(rt->m, pages((size_t)rt->nr_ms * KGO_M_STRIDE));
	munmap(rt->g, pages((size_t)rt->nr_gs * KGO_G_STRIDE));
	close(rt->fd);
}

static int exit_code(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Keep a descriptor over exec; it comes with O_CLOEXEC. */
static void inherit(int fd)
{
	fcntl(fd, F_SETFD, 0);
}

static void be(const char *what, int rfd, int wfd)
{
	char r[16], w[16];

	snprintf(r, sizeof(r), "%d", rfd);
	snprintf(w, sizeof(w), "%d", wfd);
	execl("/proc/self/exe", "kchan_fds", what, r, w, NULL);
	_exit(99);
}

/*
 * What this program is after an exec
 */

/* Are both closed? */
static int is_closed(int rfd, int wfd)
{
	if (fcntl(rfd, F_GETFD) != -1 || errno != EBADF)
		return 1;
	return fcntl(wfd, F_GETFD) != -1 || errno != EBADF ? 2 : 0;
}

/* Answers each message, in a runtime of its own, where it can arm a mark, too. */
static int answers(int rfd, int wfd)
{
	struct kgo_kchan_io a = {
		.size = sizeof(a), .op = KGO_KCHAN_OP_RECV,
		.flags = KGO_KCHAN_IO_ARM, .mark = 3, .stride = 16, .count = 1,
	};
	struct rt rt;
	__u32 len, *ring, head = 0;
	char buf[16];
	int ret;

	if (rt_open(&rt, 1, 2) || attach(&rt) < 0)
		return 10;
	ring = map(rt.fd, KGO_MMAP_C, PAGE);
	if (ring == MAP_FAILED)
		return 11;
	a.buf = (__u64)(unsigned long)buf;
	a.lens = (__u64)(unsigned long)&len;
	for (;;) {
		ret = call(rfd, KGO_IOC_KCHAN_IO, &a);
		if (!ret)
			break;
		if (ret == -EINPROGRESS) {
			/* Its completion comes to this runtime's ring. */
			if (!until(LOAD(rt.r->cq_tail) != head) || ring[head % KGO_CQ_SIZE] != 3)
				return 12;
			STORE(rt.r->cq_head, ++head);
			continue;
		}
		if (ret != 1)
			return 13;
		buf[0]++;
		if (write(wfd, buf, len) != (ssize_t)len)
			return 14;
	}
	return 0;
}

static int other(int argc, char **argv)
{
	if (argc != 4)
		return 98;
	if (!strcmp(argv[1], "closed"))
		return is_closed(atoi(argv[2]), atoi(argv[3]));
	if (!strcmp(argv[1], "answers"))
		return answers(atoi(argv[2]), atoi(argv[3]));
	return 97;
}

FIXTURE(two) {
	int to[2], from[2];	/* two channels */
	int refs;
};

FIXTURE_SETUP(two)
{
	self->refs = module_refs();
	ASSERT_EQ(0, kchan_make(self->to, 16, 4, 0));
	ASSERT_EQ(0, kchan_make(self->from, 16, 4, 0));
}

FIXTURE_TEARDOWN(two)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (self->to[i] >= 0)
			close(self->to[i]);
		if (self->from[i] >= 0)
			close(self->from[i]);
	}
	EXPECT_TRUE(until(module_refs() == self->refs));
}

static void drop(int *fd)
{
	close(*fd);
	*fd = -1;
}

TEST_F(two, exec_closes_what_was_made)
{
	pid_t pid = fork();

	if (!pid)
		be("closed", self->to[0], self->to[1]);
	EXPECT_EQ(0, exit_code(pid));
}

/* The fork has the ends, too, and gives them back by its exec. */
TEST_F(two, exec_of_the_last_who_has_an_end_is_its_end)
{
	int gate[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe2(gate, O_CLOEXEC));
	pid = fork();
	if (!pid) {
		close(self->to[0]);
		if (read(gate[0], &c, 1) != 1)
			_exit(90);
		be("closed", self->to[0], self->to[1]);
	}
	drop(&self->to[1]);
	/* The child has one still: no end in sight. */
	fcntl(self->to[0], F_SETFL, O_NONBLOCK);
	EXPECT_EQ(-1, read(self->to[0], &c, 1));
	EXPECT_EQ(EAGAIN, errno);
	fcntl(self->to[0], F_SETFL, 0);
	ASSERT_EQ(1, write(gate[1], "g", 1));
	EXPECT_EQ(0, read(self->to[0], &c, 1));
	EXPECT_EQ(0, exit_code(pid));
	close(gate[0]);
	close(gate[1]);
}

TEST_F(two, another_program_with_its_own_runtime_goes_on)
{
	struct rt rt;
	pid_t pid;
	char c;
	int i;

	/* This one has a runtime as well: ends are not bound to it. */
	ASSERT_EQ(0, rt_open(&rt, 1, 2));
	ASSERT_LE(0, attach(&rt));
	inherit(self->to[0]);
	inherit(self->from[1]);
	pid = fork();
	if (!pid)
		be("answers", self->to[0], self->from[1]);
	drop(&self->to[0]);
	drop(&self->from[1]);
	for (i = 0; i < 50; i++) {
		c = (char)i;
		ASSERT_EQ(1, write(self->to[1], &c, 1));
		c = 0x55;
		ASSERT_EQ(1, read(self->from[0], &c, 1));
		EXPECT_EQ(i + 1, c);
	}
	drop(&self->to[1]);
	EXPECT_EQ(0, exit_code(pid));
	EXPECT_EQ(0, read(self->from[0], &c, 1));
	rt_close(&rt);
}

/* exec of the process that made it, with its runtime: that is gone, the end stays. */
TEST_F(two, the_maker_becomes_another_program_and_keeps_its_ends)
{
	int mine[2], sv[2], i;
	pid_t pid;
	char c;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
	pid = fork();
	if (!pid) {
		struct rt rt;
		int to[2], from[2];

		if (rt_open(&rt, 1, 2) || attach(&rt) < 0 ||
		    kchan_make(to, 16, 4, 0) || kchan_make(from, 16, 4, 0))
			_exit(91);
		mine[0] = to[1];
		mine[1] = from[0];
		if (!pass_fds(sv[1], mine, 2, true))
			_exit(92);
		close(to[1]);
		close(from[0]);
		inherit(to[0]);
		inherit(from[1]);
		be("answers", to[0], from[1]);
	}
	close(sv[1]);
	ASSERT_TRUE(pass_fds(sv[0], mine, 2, false));
	for (i = 0; i < 20; i++) {
		c = (char)i;
		ASSERT_EQ(1, write(mine[0], &c, 1));
		ASSERT_EQ(1, read(mine[1], &c, 1));
		EXPECT_EQ(i + 1, c);
	}
	close(mine[0]);
	EXPECT_EQ(0, exit_code(pid));
	EXPECT_EQ(0, read(mine[1], &c, 1));
	close(mine[1]);
	close(sv[0]);
}

/* The maker is dead before anybody takes what it sent. */
TEST_F(two, an_end_in_a_socket_outlives_its_maker)
{
	int sv[2], fd[2] = { -1, -1 };
	pid_t pid;
	char c = 0;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
	pid = fork();
	if (!pid) {
		struct rt rt;

		if (rt_open(&rt, 1, 2) || attach(&rt) < 0 ||
		    kchan_make(fd, 16, 4, 0) ||
		    write(fd[1], "1", 1) != 1)
			_exit(91);
		if (!pass_fds(sv[1], fd, 2, true))
			_exit(92);
		kill(getpid(), SIGKILL);
	}
	EXPECT_EQ(128 + SIGKILL, exit_code(pid));
	ASSERT_TRUE(pass_fds(sv[0], fd, 2, false));
	EXPECT_EQ(1, write(fd[1], "2", 1));
	EXPECT_EQ(1, read(fd[0], &c, 1));
	EXPECT_EQ('1', c);
	EXPECT_EQ(1, read(fd[0], &c, 1));
	EXPECT_EQ('2', c);
	/* While it is here the module stays, though its maker is gone. */
	EXPECT_EQ(-1, syscall(SYS_delete_module, "kgo", O_NONBLOCK));
	close(fd[1]);
	EXPECT_EQ(0, read(fd[0], &c, 1));
	close(fd[0]);
	close(sv[0]);
	close(sv[1]);
}

/* Both descriptors in the socket's queue, and the socket in itself: a cycle. */
TEST_F(two, ends_in_a_socket_that_nobody_reads_are_closed_with_it)
{
	int sv[2], fds[3];
	char c;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
	fds[0] = self->to[1];
	fds[1] = sv[1];
	fds[2] = sv[0];
	ASSERT_TRUE(pass_fds(sv[0], fds, 3, true));
	drop(&self->to[1]);
	close(sv[0]);
	close(sv[1]);
	/* The collector of such cycles comes with the next socket that is closed. */
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
	close(sv[0]);
	close(sv[1]);
	EXPECT_EQ(0, read(self->to[0], &c, 1));
}

/* The module that made the channel goes, with its goroutines and its interrupt. */
TEST(the_makers_module_goes_and_its_messages_and_the_end_come)
{
	int ko = open(PIPELINE, O_RDONLY | O_CLOEXEC), dev, fd, i;
	char buf[sizeof(struct kgo_batch)];
	struct pollfd p;
	pid_t pid;
	ssize_t n;

	if (ko < 0)
		SKIP(return, "no " PIPELINE);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, syscall(SYS_finit_module, ko, "period_us=1000", 0));
		ASSERT_TRUE(until((dev = open("/dev/kgo_pipeline", O_RDONLY | O_CLOEXEC)) >= 0));
		fd = ioctl(dev, KGO_PIPELINE_IOC_FD);
		ASSERT_LE(0, fd);
		ASSERT_LT(0, read(fd, buf, sizeof(buf)));
		/* One who reads on, in his sleep when it happens or not. */
		pid = fork();
		if (!pid) {
			close(dev);
			while ((n = read(fd, buf, sizeof(buf))) > 0)
				if (n % (ssize_t)sizeof(struct kgo_sample))
					_exit(1);
			_exit(n ? 2 : 0);
		}
		/* Its device is what holds it; the fd of the channel does not. */
		EXPECT_EQ(-1, syscall(SYS_delete_module, "kgo_pipeline", O_NONBLOCK));
		close(dev);
		ASSERT_TRUE(until(!syscall(SYS_delete_module, "kgo_pipeline", O_NONBLOCK)));
		EXPECT_EQ(0, exit_code(pid));
		EXPECT_EQ(0, read(fd, buf, sizeof(buf)));
		p = (struct pollfd){ .fd = fd, .events = POLLIN };
		EXPECT_EQ(1, poll(&p, 1, 0));
		EXPECT_EQ(POLLHUP, p.revents);
		EXPECT_EQ(-1, syscall(SYS_delete_module, "kgo", O_NONBLOCK));
		close(fd);
	}
	close(ko);
}

TEST_HARNESS_MAIN_OR(other)
