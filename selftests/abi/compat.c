// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The ioctls as a 32-bit program makes them.
 *
 * The structures are the same for both, so no 32-bit program is needed to see
 * that: "int 0x80" enters the kernel by the 32-bit table from a 64-bit program
 * too, and ends in the device's compat_ioctl.  Arguments must lie below 4 GiB.
 */
#include "kgo_abi.h"

#define NR32_IOCTL	54
#define NR32_GETPID	20

static long int80(long nr, long a, long b, long c)
{
	long ret;

	asm volatile("int $0x80" : "=a"(ret) : "a"(nr), "b"(a), "c"(b), "d"(c)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}

static void no_compat(int sig UNUSED)
{
	_exit(255);	/* counts as skipped */
}

FIXTURE(compat) {
	int fd;
	char *low;
};

FIXTURE_SETUP(compat)
{
	/* Without IA32 emulation the trap is a SIGSEGV. */
	signal(SIGSEGV, no_compat);
	if (int80(NR32_GETPID, 0, 0, 0) != getpid())
		SKIP(return, "this kernel has no 32-bit system calls");
	signal(SIGSEGV, SIG_DFL);
	self->fd = open(DEV, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->low = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, self->low);
}

FIXTURE_TEARDOWN(compat)
{
	close(self->fd);
}

static long ioctl32(int fd, unsigned int cmd, void *arg)
{
	return int80(NR32_IOCTL, fd, cmd, (long)arg);
}

TEST_F(compat, the_whole_life_of_an_m)
{
	struct kgo_query *q = (void *)self->low;
	struct kgo_setup *s = (void *)(self->low + 256);
	struct kgo_attach *a = (void *)(self->low + 512);
	struct kgo_enter *e = (void *)(self->low + 768);

	if (_metadata->skip)
		return;
	memset(q, 0xa5, sizeof(*q));
	q->size = sizeof(*q);
	q->reserved = 0;
	ASSERT_EQ(0, ioctl32(self->fd, KGO_IOC_QUERY, q));
	EXPECT_EQ(KGO_ABI_VERSION, q->abi_version);
	EXPECT_NE(POISON64, q->features);

	s->size = sizeof(*s);
	s->nr_ps = 1;
	s->id = POISON64;
	ASSERT_EQ(0, ioctl32(self->fd, KGO_IOC_SETUP, s));
	EXPECT_EQ(1, s->nr_ps);
	EXPECT_NE(POISON64, s->id);
	EXPECT_EQ(-EBUSY, ioctl32(self->fd, KGO_IOC_SETUP, s));

	a->size = sizeof(*a);
	a->m = POISON;
	ASSERT_EQ(0, ioctl32(self->fd, KGO_IOC_ATTACH, a));
	EXPECT_EQ(0, a->m);

	e->size = sizeof(*e);
	e->op = KGO_ENTER_ACQUIRE;
	e->p = POISON;
	ASSERT_EQ(0, ioctl32(self->fd, KGO_IOC_ENTER, e));
	EXPECT_EQ(0, e->p);
	EXPECT_EQ(-EBUSY, ioctl32(self->fd, KGO_IOC_DETACH, NULL));

	/* A deadline that has passed. */
	e->op = KGO_ENTER_PARK_SPARE;
	e->deadline = 1;
	EXPECT_EQ(-ETIME, ioctl32(self->fd, KGO_IOC_ENTER, e));
	EXPECT_EQ(KGO_NONE, e->p);
	EXPECT_EQ(0, ioctl32(self->fd, KGO_IOC_DETACH, NULL));
}

TEST_F(compat, unknown_and_bad_are_refused_alike)
{
	struct kgo_query *q = (void *)self->low;

	if (_metadata->skip)
		return;
	EXPECT_EQ(-ENOTTY, ioctl32(self->fd, _IO(KGO_IOC_MAGIC, 99), NULL));
	q->size = 4;
	EXPECT_EQ(-EINVAL, ioctl32(self->fd, KGO_IOC_QUERY, q));
	EXPECT_EQ(-EFAULT, ioctl32(self->fd, KGO_IOC_QUERY, NULL));
	EXPECT_EQ(-ENODEV, ioctl32(self->fd, KGO_IOC_DETACH, NULL));
}

TEST_HARNESS_MAIN
