// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The shared regions: what they hold, which mappings are refused, and that
 * nothing of a runtime is for another process, be it a child or an exec.
 *
 * Run as "regions foreign FD" this program is that other process: it exits
 * with 0 if everything that it tries on FD is -EPERM.
 */
#include "kgo_abi.h"

#include <linux/kgo_kchan.h>

#include <setjmp.h>

FIXTURE(map) {
	struct rt rt;
};

FIXTURE_SETUP(map)
{
	/* 5 Ms and 40 Gs: regions that do not fill their last page. */
	struct kgo_setup s;
	struct rt *rt = &self->rt;

	memset(rt, 0, sizeof(*rt));
	rt->fd = open(DEV, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, rt->fd);
	ASSERT_EQ(0, setup(rt->fd, 2, 5, 40, &s));
	rt->id = s.id;
	rt->nr_ps = s.nr_ps;
	rt->nr_ms = s.nr_ms;
	rt->nr_gs = s.nr_gs;
}

FIXTURE_TEARDOWN(map)
{
	close(self->rt.fd);
}

static int try_map(int fd, __u64 offset, size_t size, int prot, int flags)
{
	void *p = mmap(NULL, size, prot, flags, fd, (off_t)offset);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, size);
	return 0;
}

#define RW (PROT_READ | PROT_WRITE)

TEST_F(map, before_setup_is_refused)
{
	int fd = open(DEV, O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENODEV, try_map(fd, KGO_MMAP_R, PAGE, RW, MAP_SHARED));
	EXPECT_EQ(-ENODEV, try_map(fd, KGO_MMAP_G, PAGE, RW, MAP_SHARED));
	close(fd);
}

TEST_F(map, each_region_whole_and_only_whole)
{
	const struct { __u64 offset; size_t size; } region[] = {
		{ KGO_MMAP_R, PAGE },
		{ KGO_MMAP_P, (size_t)self->rt.nr_ps * KGO_P_STRIDE },
		{ KGO_MMAP_M, pages((size_t)self->rt.nr_ms * KGO_M_STRIDE) },
		{ KGO_MMAP_G, pages((size_t)self->rt.nr_gs * KGO_G_STRIDE) },
	};
	int fd = self->rt.fd;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(region); i++) {
		__u64 off = region[i].offset;
		size_t size = region[i].size;

		EXPECT_EQ(0, try_map(fd, off, size, RW, MAP_SHARED));
		EXPECT_EQ(0, try_map(fd, off, size, PROT_READ, MAP_SHARED));
		EXPECT_EQ(-EINVAL, try_map(fd, off, size + PAGE, RW, MAP_SHARED)) {
			TH_LOG("region %u beyond its end", i);
		}
		EXPECT_EQ(-EINVAL, try_map(fd, off, size << 16, RW, MAP_SHARED));
		EXPECT_EQ(-EINVAL, try_map(fd, off + PAGE, size, RW, MAP_SHARED));
		if (size > PAGE) {
			EXPECT_EQ(-EINVAL, try_map(fd, off, size - PAGE, RW, MAP_SHARED));
			EXPECT_EQ(-EINVAL, try_map(fd, off + PAGE, size - PAGE, RW, MAP_SHARED));
		}
		EXPECT_EQ(-EINVAL, try_map(fd, off, size, RW, MAP_PRIVATE)) {
			TH_LOG("region %u private", i);
		}
		EXPECT_EQ(-EINVAL, try_map(fd, off, size, PROT_READ, MAP_PRIVATE));
		EXPECT_EQ(-EINVAL, try_map(fd, off, size, PROT_READ | PROT_EXEC, MAP_SHARED)) {
			TH_LOG("region %u executable", i);
		}
		EXPECT_EQ(-EINVAL, try_map(fd, off, size, RW | PROT_EXEC, MAP_SHARED));
	}
}

TEST_F(map, offsets_that_are_no_region_are_refused)
{
	static const __u64 off[] = {
		PAGE, KGO_MMAP_P - PAGE, KGO_MMAP_C + PAGE, 0x0f0000000ULL,
		0x200000000ULL, 1ULL << 40, 1ULL << 62, 0x7ffffffffffff000ULL,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(off); i++) {
		int ret = try_map(self->rt.fd, off[i], PAGE, RW, MAP_SHARED);

		/* mmap() itself refuses what overflows a file's offsets. */
		EXPECT_TRUE(ret == -EINVAL || (off[i] >> 62 && ret == -EOVERFLOW)) {
			TH_LOG("offset %#llx: %d", (unsigned long long)off[i], ret);
		}
	}
}

TEST_F(map, cannot_become_executable_or_grow)
{
	struct rt *rt = &self->rt;
	void *p = map(rt->fd, KGO_MMAP_R, PAGE);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(0, mprotect(p, PAGE, PROT_READ));
	EXPECT_EQ(0, mprotect(p, PAGE, RW));
	EXPECT_EQ(MAP_FAILED, mremap(p, PAGE, 4 * PAGE, MREMAP_MAYMOVE));
	/* Growing a shared mapping from nothing makes a second one: refused too. */
	EXPECT_EQ(MAP_FAILED, mremap(p, 0, 4 * PAGE, MREMAP_MAYMOVE));
}

TEST_F(map, the_runtime_page_tells_what_setup_gave)
{
	struct rt *rt = &self->rt;
	struct kgo_rdesc *r = map(rt->fd, KGO_MMAP_R, PAGE);

	ASSERT_NE(MAP_FAILED, r);
	EXPECT_EQ(KGO_ABI_VERSION, r->abi_version);
	EXPECT_EQ(2, r->nr_ps);
	EXPECT_EQ(5, r->nr_ms);
	EXPECT_EQ(40, r->nr_gs_max);
	EXPECT_EQ(rt->id, r->id);
	EXPECT_EQ(KGO_FEAT_BLOCK, r->features & KGO_FEAT_BLOCK);
	EXPECT_EQ(2, r->nr_avail);
	EXPECT_EQ(0, r->nr_spare);
	EXPECT_EQ(0, r->nr_want);
}

TEST_F(map, fresh_regions_are_zero_and_two_mappings_are_one_memory)
{
	struct rt *rt = &self->rt;
	size_t size = pages((size_t)rt->nr_gs * KGO_G_STRIDE), i;
	char *a = map(rt->fd, KGO_MMAP_G, size);
	char *b = map(rt->fd, KGO_MMAP_G, size);
	struct kgo_pdesc *p = map(rt->fd, KGO_MMAP_P, (size_t)rt->nr_ps * KGO_P_STRIDE);
	struct kgo_mdesc *m = map(rt->fd, KGO_MMAP_M, pages((size_t)rt->nr_ms * KGO_M_STRIDE));

	ASSERT_NE(MAP_FAILED, a);
	ASSERT_NE(MAP_FAILED, b);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, m);
	for (i = 0; i < size; i++)
		if (a[i])
			break;
	EXPECT_EQ(size, i);
	for (i = 0; i < (size_t)rt->nr_ps * KGO_P_STRIDE; i++)
		if (((char *)p)[i])
			break;
	EXPECT_EQ((size_t)rt->nr_ps * KGO_P_STRIDE, i);
	EXPECT_EQ(0, m->tid);
	a[size - 1] = 42;
	EXPECT_EQ(42, b[size - 1]);
}

TEST_F(map, regions_outlive_the_descriptor)
{
	struct rt *rt = &self->rt;
	struct kgo_rdesc *r = map(rt->fd, KGO_MMAP_R, PAGE);

	ASSERT_NE(MAP_FAILED, r);
	ASSERT_EQ(0, close(rt->fd));
	rt->fd = -1;
	EXPECT_EQ(rt->id, r->id);
	r->gq_len = 7;
	EXPECT_EQ(7, r->gq_len);
	EXPECT_EQ(0, munmap(r, PAGE));
}

/* All that another process can try; 0 if each is refused with -EPERM. */
static int foreign(int fd)
{
	static const struct { __u64 offset; size_t size; } region[] = {
		{ KGO_MMAP_R, PAGE }, { KGO_MMAP_P, 2 * PAGE },
		{ KGO_MMAP_M, PAGE }, { KGO_MMAP_G, 2 * PAGE },
	};
	struct rt rt = { .fd = fd };
	struct kgo_query q = { .size = sizeof(q) };
	struct kgo_setup s;
	struct kgo_enter e;
	unsigned int i;
	__u32 op;

	if (setup(fd, 1, 1, 64, &s) != -EPERM)
		return 1;
	if (attach(&rt) != -EPERM)
		return 2;
	if (detach(&rt) != -EPERM)
		return 3;
	for (op = KGO_ENTER_ACQUIRE; op <= KGO_ENTER_PARK_BOUND; op++)
		if (enter_full(&rt, &e, op, 0, 0, 0) != -EPERM || e.p != POISON)
			return 10 + (int)op;
	for (i = 0; i < ARRAY_SIZE(region); i++)
		if (try_map(fd, region[i].offset, region[i].size, RW, MAP_SHARED) != -EPERM)
			return 20 + (int)i;
	/* Any process may ask what the kernel can do. */
	return call(fd, KGO_IOC_QUERY, &q) ? 30 : 0;
}

static int status_of(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST_F(map, a_forked_child_is_refused_everything)
{
	pid_t pid = fork();

	if (!pid)
		_exit(foreign(self->rt.fd));
	EXPECT_EQ(0, status_of(pid));
	/* Ours still works. */
	EXPECT_EQ(0, attach(&self->rt));
	EXPECT_EQ(0, detach(&self->rt));
}

TEST_F(map, whoever_sets_a_file_up_owns_it)
{
	int fd = open(DEV, O_RDWR | O_CLOEXEC);
	struct kgo_setup s;
	struct rt rt = { .fd = fd };
	pid_t pid;

	ASSERT_LE(0, fd);
	pid = fork();
	if (!pid) {
		if (setup(fd, 2, 5, 40, &s) || attach(&rt) || detach(&rt))
			_exit(1);
		_exit(0);
	}
	EXPECT_EQ(0, status_of(pid));
	/* The child's for ever, though it is gone. */
	EXPECT_EQ(0, foreign(fd));
	close(fd);
}

TEST_F(map, a_program_that_was_exec_ed_is_refused_everything)
{
	char fd[16];
	pid_t pid = fork();

	snprintf(fd, sizeof(fd), "%d", self->rt.fd);
	if (!pid) {
		fcntl(self->rt.fd, F_SETFD, 0);
		execl("/proc/self/exe", "regions", "foreign", fd, NULL);
		_exit(99);
	}
	EXPECT_EQ(0, status_of(pid));
}

TEST_F(map, the_opener_itself_is_refused_after_exec)
{
	pid_t pid = fork();
	char fd[16];

	if (!pid) {
		struct kgo_setup s;
		int own = open(DEV, O_RDWR);

		if (own < 0 || setup(own, 2, 5, 40, &s))
			_exit(98);
		snprintf(fd, sizeof(fd), "%d", own);
		execl("/proc/self/exe", "regions", "foreign", fd, NULL);
		_exit(99);
	}
	EXPECT_EQ(0, status_of(pid));
}

TEST_F(map, a_child_does_not_inherit_the_mappings)
{
	struct kgo_rdesc *r = map(self->rt.fd, KGO_MMAP_R, PAGE);
	struct kgo_mdesc *m = map(self->rt.fd, KGO_MMAP_M, pages(5 * KGO_M_STRIDE));
	pid_t pid;

	ASSERT_NE(MAP_FAILED, r);
	ASSERT_NE(MAP_FAILED, m);
	pid = fork();
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		_exit((int)LOAD(r->nr_ps));
	}
	EXPECT_EQ(128 + SIGSEGV, status_of(pid));
	pid = fork();
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		_exit((int)LOAD(m->p));
	}
	EXPECT_EQ(128 + SIGSEGV, status_of(pid));
}

static void *park_some(void *arg)
{
	struct rt *rt = arg;
	struct kgo_enter e;
	long ret;

	if (attach(rt) < 0)
		return (void *)1;
	/* Long enough for close() below to come first, in the end it is over. */
	ret = enter_full(rt, &e, KGO_ENTER_PARK_SPARE, 0, 0, now_ns() + 300000000);
	if (ret != -ETIME)
		return (void *)2;
	/* The descriptor is gone, this thread's membership is not. */
	ret = enter(rt, KGO_ENTER_ACQUIRE);
	return (void *)(ret == -EBADF ? 0L : 3L);
}

TEST_F(map, closing_the_descriptor_under_parked_threads_hurts_nobody)
{
	struct rt *rt = &self->rt;
	pthread_t t[3];
	void *ret;
	int i;

	rt->r = map(rt->fd, KGO_MMAP_R, PAGE);
	ASSERT_NE(MAP_FAILED, rt->r);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_create(&t[i], NULL, park_some, rt));
	ASSERT_TRUE(until(LOAD(rt->r->nr_spare) == 3));
	ASSERT_EQ(0, close(rt->fd));
	ASSERT_EQ(0, munmap(rt->r, PAGE));
	rt->fd = -1;
	for (i = 0; i < 3; i++) {
		pthread_join(t[i], &ret);
		EXPECT_EQ(NULL, ret);
	}
	EXPECT_TRUE(until(module_refs() == 0));
}

static int other(int argc, char **argv)
{
	return argc == 3 && !strcmp(argv[1], "foreign") ? foreign(atoi(argv[2])) : 97;
}

TEST_HARNESS_MAIN_OR(other)
