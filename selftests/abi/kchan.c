// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Kernel channels by their file descriptors: order, boundaries, ends, faults,
 * marks and completions, and what a killed process leaves behind.
 */
#include "kgo_abi.h"

#include <poll.h>
#include <sys/epoll.h>

static int io(int fd, __u32 op, __u32 flags, __u32 mark, void *buf, __u32 *lens,
	      __u32 stride, __u32 count)
{
	struct kgo_kchan_io a = {
		.size = sizeof(a), .op = op, .flags = flags, .mark = mark,
		.buf = (__u64)(unsigned long)buf,
		.lens = (__u64)(unsigned long)lens,
		.stride = stride, .count = count,
	};

	return call(fd, KGO_IOC_KCHAN_IO, &a);
}

static struct kgo_kchan_info info_of(int fd)
{
	struct kgo_kchan_info i;

	memset(&i, 0xa5, sizeof(i));
	i.size = sizeof(i);
	if (call(fd, KGO_IOC_KCHAN_INFO, &i))
		abort();
	return i;
}

FIXTURE(pair) {
	int fd[2];
};

FIXTURE_SETUP(pair)
{
	ASSERT_EQ(0, kchan_make(self->fd, 16, 4, KGO_KCHAN_F_NONBLOCK));
}

FIXTURE_TEARDOWN(pair)
{
	close(self->fd[0]);
	close(self->fd[1]);
}

TEST_F(pair, messages_keep_their_order_and_boundaries)
{
	char buf[17];
	int i, n;

	for (i = 0; i < 20; i++) {
		memset(buf, 'a' + i, sizeof(buf));
		ASSERT_EQ(i % 17, write(self->fd[1], buf, i % 17));
		ASSERT_EQ(16, write(self->fd[1], buf, 16));
		ASSERT_EQ(0, ioctl(self->fd[0], FIONREAD, &n));
		EXPECT_EQ(i % 17, n);
		memset(buf, 0, sizeof(buf));
		ASSERT_EQ(i % 17, read(self->fd[0], buf, sizeof(buf)));
		EXPECT_EQ(i % 17 ? 'a' + i : 0, buf[0]);
		ASSERT_EQ(16, read(self->fd[0], buf, sizeof(buf)));
		EXPECT_EQ('a' + i, buf[15]);
	}
	EXPECT_EQ(-1, read(self->fd[0], buf, 1));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(pair, full_and_too_long_are_refused)
{
	char buf[17] = "";
	int i;

	EXPECT_EQ(-1, write(self->fd[1], buf, 17));
	EXPECT_EQ(EMSGSIZE, errno);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(16, write(self->fd[1], buf, 16));
	EXPECT_EQ(-1, write(self->fd[1], buf, 1));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(4, info_of(self->fd[0]).queued);
	EXPECT_EQ(-1, read(self->fd[0], buf, 15));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_EQ(4, info_of(self->fd[0]).queued);
	EXPECT_EQ(16, read(self->fd[0], buf, 16));
	EXPECT_EQ(-1, read(self->fd[1], buf, 16));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, write(self->fd[0], buf, 16));
	EXPECT_EQ(EBADF, errno);
}

TEST_F(pair, memory_that_faults_loses_nothing)
{
	void *bad = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u32 lens[2] = { 1, 1 };
	char c;

	EXPECT_EQ(-1, write(self->fd[1], bad, 8));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, info_of(self->fd[1]).queued);
	EXPECT_EQ(1, write(self->fd[1], "1", 1));
	EXPECT_EQ(1, write(self->fd[1], "2", 1));
	EXPECT_EQ(-1, read(self->fd[0], bad, 8));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-EFAULT, io(self->fd[0], KGO_KCHAN_OP_RECV, 0, 0, bad, lens, 8, 2));
	EXPECT_EQ(-EFAULT, io(self->fd[0], KGO_KCHAN_OP_RECV, 0, 0, &c, bad, 1, 2));
	EXPECT_EQ(2, info_of(self->fd[0]).queued);
	EXPECT_EQ(1, read(self->fd[0], &c, 1));
	EXPECT_EQ('1', c);
	EXPECT_EQ(1, read(self->fd[0], &c, 1));
	EXPECT_EQ('2', c);
	munmap(bad, PAGE);
}

/* Return: the end of memory that can be touched. */
static char *edge(void)
{
	char *two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (two == MAP_FAILED || mprotect(two + PAGE, PAGE, PROT_NONE))
		abort();
	return two + PAGE;
}

TEST(messages_of_each_length_fill_their_room_and_no_more)
{
	enum { MAX = 300 };
	char out[MAX], in[MAX], *end = edge();
	__u32 len, got;
	int fd[2], i;

	ASSERT_EQ(0, kchan_make(fd, MAX, 1, KGO_KCHAN_F_NONBLOCK));
	for (len = 0; len <= MAX; len++) {
		for (i = 0; i < MAX; i++)
			out[i] = (char)(len + 3 * i + 1);
		memset(end - PAGE, 0xa5, PAGE);
		got = POISON;
		ASSERT_EQ(len, write(fd[1], out, len));
		if (len) {
			EXPECT_EQ(-EFAULT, io(fd[0], KGO_KCHAN_OP_RECV, 0, 0,
					      end - len + 1, &got, MAX, 1));
			EXPECT_EQ(POISON, got);
		}
		ASSERT_EQ(1, info_of(fd[0]).queued);
		memset(end - PAGE, 0xa5, PAGE);
		ASSERT_EQ(1, io(fd[0], KGO_KCHAN_OP_RECV, 0, 0, end - len, &got,
				MAX, 1));
		EXPECT_EQ(len, got);
		EXPECT_EQ(0, memcmp(out, end - len, len));
		EXPECT_EQ((char)0xa5, end[-(long)len - 1]);

		ASSERT_EQ(len, write(fd[1], out, len));
		memset(in, 0xa5, sizeof(in));
		ASSERT_EQ(len, read(fd[0], in, sizeof(in)));
		EXPECT_EQ(0, memcmp(out, in, len));
		EXPECT_TRUE(len == MAX || in[len] == (char)0xa5);
	}
	munmap(end - PAGE, 2 * PAGE);
	close(fd[0]);
	close(fd[1]);
}

TEST_F(pair, a_fault_within_several_messages_keeps_the_rest_in_order)
{
	char *end = edge(), c[4];
	__u32 lens[4], got[4];
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(1, write(self->fd[1], &"1234"[i], 1));
	memset(got, 0xa5, sizeof(got));
	EXPECT_EQ(2, io(self->fd[0], KGO_KCHAN_OP_RECV, 0, 0, end - 32, got, 16, 4));
	EXPECT_EQ('1', end[-32]);
	EXPECT_EQ('2', end[-16]);
	EXPECT_EQ(1, got[1]);
	EXPECT_EQ(POISON, got[2]);
	EXPECT_EQ(2, info_of(self->fd[0]).queued);
	ASSERT_EQ(1, write(self->fd[1], "5", 1));
	EXPECT_EQ(3, io(self->fd[0], KGO_KCHAN_OP_RECV, 0, 0, c, got, 1, 4));
	EXPECT_EQ(0, memcmp("345", c, 3));

	/* Of what is sent, only what could be read. */
	memset(end - 32, 'x', 32);
	for (i = 0; i < 4; i++)
		lens[i] = 16;
	EXPECT_EQ(2, io(self->fd[1], KGO_KCHAN_OP_SEND, 0, 0, end - 32, lens, 16, 4));
	EXPECT_EQ(2, info_of(self->fd[1]).queued);
	EXPECT_EQ(1, write(self->fd[1], "6", 1));
	EXPECT_EQ(1, write(self->fd[1], "7", 1));
	EXPECT_EQ(-1, write(self->fd[1], "8", 1));
	EXPECT_EQ(EAGAIN, errno);
	munmap(end - PAGE, 2 * PAGE);
}

TEST_F(pair, a_call_of_which_a_part_can_not_be_read_faults)
{
	struct kgo_kchan_io *a;
	char *end = edge();
	__u32 n = 1;

	ASSERT_EQ(1, write(self->fd[1], "1", 1));
	a = (void *)(end - 8);
	a->size = sizeof(*a);
	a->op = KGO_KCHAN_OP_RECV;
	EXPECT_EQ(-EFAULT, call(self->fd[0], KGO_IOC_KCHAN_IO, a));
	EXPECT_EQ(-EFAULT, call(self->fd[0], KGO_IOC_KCHAN_IO, (void *)end));
	EXPECT_EQ(-EFAULT, call(self->fd[0], KGO_IOC_KCHAN_IO, (void *)-PAGE));
	EXPECT_EQ(1, info_of(self->fd[0]).queued);

	/* One that ends where memory ends is read whole. */
	a = (void *)(end - sizeof(*a));
	memset(a, 0, sizeof(*a));
	a->size = sizeof(*a);
	a->op = KGO_KCHAN_OP_RECV;
	a->buf = (__u64)(unsigned long)(end - PAGE);
	a->lens = (__u64)(unsigned long)&n;
	a->stride = 1;
	a->count = 1;
	EXPECT_EQ(1, call(self->fd[0], KGO_IOC_KCHAN_IO, a));
	EXPECT_EQ('1', end[-PAGE]);
	munmap(end - PAGE, 2 * PAGE);
}

TEST_F(pair, several_messages_go_by_one_call)
{
	char out[6][16] = { "a", "bb", "", "dddd", "e", "f" }, in[6][16];
	__u32 lens[6] = { 1, 2, 0, 4, 1, 1 }, got[6];

	memset(in, 0xa5, sizeof(in));
	memset(got, 0xa5, sizeof(got));
	EXPECT_EQ(4, io(self->fd[1], KGO_KCHAN_OP_SEND, 0, 0, out, lens, 16, 6));
	EXPECT_EQ(4, io(self->fd[0], KGO_KCHAN_OP_RECV, 0, 0, in, got, 16, 6));
	EXPECT_EQ(0, memcmp(lens, got, 4 * sizeof(*got)));
	EXPECT_EQ('d', in[3][3]);
	EXPECT_EQ(POISON, got[4]);
	EXPECT_EQ(-EAGAIN, io(self->fd[0], KGO_KCHAN_OP_RECV, 0, 0, in, got, 16, 6));
}

TEST_F(pair, bad_arguments_are_refused)
{
	__u32 len = 1;
	char c = 0;

	EXPECT_EQ(-EINVAL, io(self->fd[0], 0, 0, 0, &c, &len, 1, 1));
	EXPECT_EQ(-EINVAL, io(self->fd[0], KGO_KCHAN_OP_RECV, 0, 0, &c, &len, 1, 0));
	EXPECT_EQ(-EINVAL, io(self->fd[0], KGO_KCHAN_OP_RECV, 0, 1, &c, &len, 1, 1));
	EXPECT_EQ(-EINVAL, io(self->fd[0], KGO_KCHAN_OP_RECV, 0x80, 0, &c, &len, 1, 1));
	EXPECT_EQ(-EBADF, io(self->fd[0], KGO_KCHAN_OP_SEND, 0, 0, &c, &len, 1, 1));
	EXPECT_EQ(-ENOTCONN, io(self->fd[0], KGO_KCHAN_OP_RECV, KGO_KCHAN_IO_ARM, 0,
				&c, &len, 1, 1));
	EXPECT_EQ(-ENOTTY, call(self->fd[0], KGO_IOC_ATTACH, NULL));
}

TEST(sizes_beyond_the_bounds_are_refused)
{
	int fd[2];

	EXPECT_EQ(-EINVAL, kchan_make(fd, 1, 0, 0));
	EXPECT_EQ(-ERANGE, kchan_make(fd, 1U << 31, 1, 0));
	EXPECT_EQ(-ERANGE, kchan_make(fd, 1, 1U << 31, 0));
	EXPECT_EQ(-EINVAL, kchan_make(fd, 1, 1, 0x80));
}

TEST_F(pair, the_end_comes_after_what_was_sent)
{
	char c;

	EXPECT_EQ(1, write(self->fd[1], "x", 1));
	close(self->fd[1]);
	self->fd[1] = -1;
	EXPECT_EQ(1, read(self->fd[0], &c, 1));
	EXPECT_EQ(0, read(self->fd[0], &c, 1));
	EXPECT_EQ(0, info_of(self->fd[0]).senders);
}

TEST_F(pair, without_receivers_a_send_fails_without_a_signal)
{
	close(self->fd[0]);
	self->fd[0] = -1;
	EXPECT_EQ(-1, write(self->fd[1], "x", 1));
	EXPECT_EQ(EPIPE, errno);
}

TEST_F(pair, either_side_closes)
{
	char c;

	EXPECT_EQ(1, write(self->fd[1], "x", 1));
	EXPECT_EQ(0, call(self->fd[0], KGO_IOC_KCHAN_CLOSE, NULL));
	EXPECT_EQ(-EALREADY, call(self->fd[1], KGO_IOC_KCHAN_CLOSE, NULL));
	EXPECT_EQ(-1, write(self->fd[1], "y", 1));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(1, read(self->fd[0], &c, 1));
	EXPECT_EQ(0, read(self->fd[0], &c, 1));
	EXPECT_EQ(KGO_KCHAN_I_CLOSED, info_of(self->fd[0]).flags);
}

static short polled(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	poll(&p, 1, 0);
	return p.revents;
}

TEST_F(pair, poll_and_epoll_tell_of_messages_room_and_ends)
{
	struct epoll_event e = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC), i;
	char c;

	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->fd[0], &e));
	EXPECT_EQ(0, epoll_wait(ep, &e, 1, 0));
	EXPECT_EQ(0, polled(self->fd[0]));
	EXPECT_EQ(POLLOUT, polled(self->fd[1]));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(1, write(self->fd[1], "x", 1));
	EXPECT_EQ(1, epoll_wait(ep, &e, 1, -1));
	EXPECT_EQ(EPOLLIN, e.events);
	EXPECT_EQ(POLLIN, polled(self->fd[0]));
	EXPECT_EQ(0, polled(self->fd[1]));
	EXPECT_EQ(1, read(self->fd[0], &c, 1));
	EXPECT_EQ(POLLOUT, polled(self->fd[1]));
	EXPECT_EQ(0, call(self->fd[0], KGO_IOC_KCHAN_CLOSE, NULL));
	EXPECT_EQ(POLLERR, polled(self->fd[1]));
	EXPECT_EQ(POLLIN, polled(self->fd[0]));
	while (read(self->fd[0], &c, 1) > 0)
		;
	EXPECT_EQ(POLLHUP, polled(self->fd[0]));
	close(ep);
}

TEST_F(pair, an_end_goes_over_a_socket)
{
	int sv[2], fd;
	char c;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	ASSERT_TRUE(pass_fds(sv[0], &self->fd[1], 1, true));
	close(self->fd[1]);
	self->fd[1] = -1;
	/* On its way it is an end, too. */
	EXPECT_EQ(-1, read(self->fd[0], &c, 1));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_TRUE(pass_fds(sv[1], &fd, 1, false));
	EXPECT_EQ(1, write(fd, "s", 1));
	EXPECT_EQ(1, read(self->fd[0], &c, 1));
	EXPECT_EQ('s', c);
	close(fd);
	EXPECT_EQ(0, read(self->fd[0], &c, 1));
	close(sv[0]);
	close(sv[1]);
}

TEST_F(pair, the_module_stays_while_an_fd_is_open)
{
	int refs = module_refs(), fd[2];

	ASSERT_EQ(0, kchan_make(fd, 1, 1, 0));
	EXPECT_EQ(refs + 2, module_refs());
	close(fd[0]);
	close(fd[1]);
	EXPECT_TRUE(until(module_refs() == refs));
}

/*
 * Marks
 */

FIXTURE(marks) {
	struct rt rt;
	__u32 *ring;
	int fd[2];
};

FIXTURE_SETUP(marks)
{
	ASSERT_EQ(0, rt_open(&self->rt, 1, 4));
	self->ring = map(self->rt.fd, KGO_MMAP_C, PAGE);
	ASSERT_NE(MAP_FAILED, (void *)self->ring);
	ASSERT_LE(0, attach(&self->rt));
	ASSERT_EQ(0, kchan_make(self->fd, 8, 4, KGO_KCHAN_F_NONBLOCK));
}

FIXTURE_TEARDOWN(marks)
{
	close(self->fd[0]);
	close(self->fd[1]);
	detach(&self->rt);
	close(self->rt.fd);
}

static int arm(int fd, __u32 mark, __u32 flags)
{
	__u32 len = POISON;
	char buf[8];

	return io(fd, KGO_KCHAN_OP_RECV, KGO_KCHAN_IO_ARM | flags, mark, buf, &len,
		  sizeof(buf), 1);
}

static int disarm(int fd, __u32 mark)
{
	return io(fd, KGO_KCHAN_OP_DISARM, 0, mark, NULL, NULL, 0, 0);
}

TEST_F(marks, each_message_completes_one_mark_and_all_shared_ones)
{
	struct kgo_rdesc *r = self->rt.r;

	EXPECT_EQ(-EINPROGRESS, arm(self->fd[0], 1, 0));
	EXPECT_EQ(-EINPROGRESS, arm(self->fd[0], 2, 0));
	EXPECT_EQ(-EINPROGRESS, arm(self->fd[0], 3, KGO_KCHAN_IO_SHARED));
	EXPECT_EQ(-EBUSY, arm(self->fd[0], 1, 0));
	EXPECT_EQ(-ERANGE, arm(self->fd[0], self->rt.nr_gs * KGO_KCHAN_ARMS, 0));
	EXPECT_EQ(0, LOAD(r->cq_tail));
	EXPECT_EQ(1, write(self->fd[1], "x", 1));
	EXPECT_EQ(2, LOAD(r->cq_tail));
	EXPECT_EQ(3, self->ring[0]);
	EXPECT_EQ(1, self->ring[1]);
	EXPECT_EQ(0, disarm(self->fd[0], 1));
	EXPECT_EQ(1, disarm(self->fd[0], 2));
	EXPECT_EQ(0, disarm(self->fd[0], 2));
	EXPECT_EQ(1, write(self->fd[1], "y", 1));
	EXPECT_EQ(2, LOAD(r->cq_tail));
	/* One that need not wait is not armed. */
	EXPECT_EQ(1, arm(self->fd[0], 1, 0));
	EXPECT_EQ(1, arm(self->fd[0], 1, 0));
	EXPECT_EQ(-EINPROGRESS, arm(self->fd[0], 1, 0));
	EXPECT_EQ(0, call(self->fd[1], KGO_IOC_KCHAN_CLOSE, NULL));
	EXPECT_EQ(3, LOAD(r->cq_tail));
	EXPECT_EQ(0, arm(self->fd[0], 1, 0));
}

TEST_F(marks, what_has_no_room_in_the_ring_comes_later)
{
	struct kgo_rdesc *r = self->rt.r;
	const __u32 n = KGO_CQ_SIZE + 100;
	__u32 i, head = 0, seen = 0;
	bool *was = calloc(n, 1);

	for (i = 0; i < n; i++)
		ASSERT_EQ(-EINPROGRESS, arm(self->fd[0], i, KGO_KCHAN_IO_SHARED));
	EXPECT_EQ(1, write(self->fd[1], "x", 1));
	EXPECT_EQ(KGO_CQ_SIZE, LOAD(r->cq_tail));
	EXPECT_EQ(1, LOAD(r->cq_overflow));
	EXPECT_EQ(0, call(self->rt.fd, KGO_IOC_CQ_FLUSH, NULL));
	EXPECT_EQ(KGO_CQ_SIZE, LOAD(r->cq_tail));
	while (head != LOAD(r->cq_tail)) {
		i = self->ring[head++ % KGO_CQ_SIZE];
		ASSERT_GT(n, i);
		EXPECT_FALSE(was[i]);
		was[i] = true;
		seen++;
		STORE(r->cq_head, head);
		if (LOAD(r->cq_overflow))
			call(self->rt.fd, KGO_IOC_CQ_FLUSH, NULL);
	}
	EXPECT_EQ(n, seen);
	EXPECT_EQ(0, LOAD(r->cq_overflow));
	free(was);
}

TEST_F(marks, garbage_in_the_ring_harms_nobody_else)
{
	struct kgo_rdesc *r = self->rt.r;
	int fd[2], i;
	char c;

	ASSERT_EQ(0, kchan_make(fd, 8, 4, KGO_KCHAN_F_NONBLOCK));
	for (i = 0; i < 2000; i++) {
		arm(self->fd[0], (__u32)i % 50, i & 1 ? KGO_KCHAN_IO_SHARED : 0);
		STORE(r->cq_head, (__u32)(i * 0x9e3779b9U));
		STORE(r->cq_tail, (__u32)(i * 0x85ebca6bU));
		STORE(r->cq_overflow, (__u32)i & 2);
		EXPECT_EQ(1, write(self->fd[1], "x", 1));
		read(self->fd[0], &c, 1);
		call(self->rt.fd, KGO_IOC_CQ_FLUSH, NULL);
		EXPECT_EQ(1, write(fd[1], "x", 1));
		EXPECT_EQ(1, read(fd[0], &c, 1));
	}
	close(fd[0]);
	close(fd[1]);
}

TEST_F(marks, a_completion_wakes_a_spare_thread)
{
	struct kgo_enter e;
	pid_t pid = fork();

	if (!pid) {
		pid_t parent = getppid();

		/* When the parent sleeps in its park. */
		while (!sleeps_in(parent, parent, SYS_ioctl))
			nap_us(500);
		_exit(write(self->fd[1], "x", 1) != 1);
	}
	EXPECT_EQ(-EINPROGRESS, arm(self->fd[0], 7, 0));
	EXPECT_EQ(0, enter_full(&self->rt, &e, KGO_ENTER_PARK_SPARE, 0, 0, 0));
	EXPECT_EQ(0, e.p);
	EXPECT_EQ(7, self->ring[0]);
	EXPECT_EQ(0, enter(&self->rt, KGO_ENTER_RELEASE));
	/* It does not sleep while there is one. */
	EXPECT_EQ(0, enter(&self->rt, KGO_ENTER_PARK_SPARE));
	EXPECT_EQ(0, enter(&self->rt, KGO_ENTER_RELEASE));
	waitpid(pid, NULL, 0);
}

TEST_F(pair, a_mark_of_a_dead_process_is_passed_on)
{
	int out[2], status;
	char c = 0;
	pid_t dead, reader;

	ASSERT_EQ(0, pipe(out));
	fcntl(self->fd[0], F_SETFL, 0);
	dead = fork();
	if (!dead) {
		struct rt rt;

		rt_open(&rt, 1, 1);
		attach(&rt);
		if (arm(self->fd[0], 1, 0) == -EINPROGRESS)
			write(out[1], "a", 1);
		pause();
	}
	ASSERT_EQ(1, read(out[0], &c, 1));
	reader = fork();
	if (!reader)
		_exit(read(self->fd[0], &c, 1) != 1);
	EXPECT_TRUE(until(sleeps_in(reader, reader, SYS_read)));
	/* Wakes the mark, behind which nobody will try. */
	EXPECT_EQ(1, write(self->fd[1], "x", 1));
	kill(dead, SIGKILL);
	waitpid(dead, NULL, 0);
	waitpid(reader, &status, 0);
	EXPECT_EQ(0, status);
	close(out[0]);
	close(out[1]);
}

/* A process that sends counting numbers, or receives them, until it is killed. */
static void victim(int fd, bool sends, __u32 *next)
{
	__u32 v;

	for (;;) {
		if (sends) {
			v = LOAD(*next);
			if (write(fd, &v, sizeof(v)) != sizeof(v))
				_exit(0);
			STORE(*next, v + 1);
		} else {
			if (read(fd, &v, sizeof(v)) != sizeof(v))
				_exit(0);
			STORE(*next, v + 1);
		}
	}
}

static int kills(void)
{
	return getenv("KGO_TEST_SHORT") ? 100 : 500;
}

TEST(a_killed_sender_leaves_whole_messages_in_order)
{
	__u32 *next = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd[2], i;
	unsigned int seed = 1;

	for (i = 0; i < kills(); i++) {
		__u32 v, want = 0;
		ssize_t n;
		pid_t pid;

		ASSERT_EQ(0, kchan_make(fd, 8, 4, 0));
		*next = 0;
		pid = fork();
		if (!pid) {
			close(fd[0]);
			victim(fd[1], true, next);
		}
		close(fd[1]);
		for (n = rand_r(&seed) % 40; n > 0; n--) {
			ASSERT_EQ((ssize_t)sizeof(v), read(fd[0], &v, sizeof(v)));
			ASSERT_EQ(want++, v);
		}
		kill(pid, SIGKILL);
		while ((n = read(fd[0], &v, sizeof(v))) == sizeof(v))
			ASSERT_EQ(want++, v);
		/* The death of the peer is the end, after all that it sent. */
		ASSERT_EQ(0, n);
		waitpid(pid, NULL, 0);
		/* What it was told to be sent was; one more it was not told of. */
		ASSERT_LE(*next, want);
		ASSERT_GE(*next + 1, want);
		close(fd[0]);
	}
	munmap(next, PAGE);
}

TEST(a_killed_receiver_loses_what_it_took_and_nothing_else)
{
	__u32 *next = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int seed = 2;
	int fd[2], i;

	for (i = 0; i < kills(); i++) {
		__u32 v = 0, first, sent = 0, want = (__u32)rand_r(&seed) % 40;
		bool any = false;
		pid_t pid;

		ASSERT_EQ(0, kchan_make(fd, 8, 4, 0));
		*next = 0;
		pid = fork();
		if (!pid) {
			close(fd[1]);
			victim(fd[0], false, next);
		}
		for (; sent < want; sent++)
			ASSERT_EQ((ssize_t)sizeof(v), write(fd[1], &sent, sizeof(sent)));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		ASSERT_EQ(0, call(fd[1], KGO_IOC_KCHAN_CLOSE, NULL));
		first = *next;
		while (read(fd[0], &v, sizeof(v)) == sizeof(v)) {
			if (!any) {
				/* At most one it took without having said so. */
				ASSERT_LE(first, v);
				ASSERT_GE(first + 1, v);
				first = v;
			}
			any = true;
			ASSERT_EQ(first++, v);
		}
		if (!any)
			first = *next + 1 >= sent ? sent : 0;
		ASSERT_EQ(sent, first);
		close(fd[0]);
		close(fd[1]);
	}
	munmap(next, PAGE);
}

TEST_HARNESS_MAIN
