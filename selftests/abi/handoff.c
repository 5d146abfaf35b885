// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A thread that owns the only P blocks; a spare one must have the P while the
 * first still sleeps.
 *
 *	main thread "a"                         thread "b"
 *	ACQUIRE: owns P 0                       PARK_SPARE
 *	work is queued (hint)
 *	blocks in the call under test  ----->   returns from PARK_SPARE with P 0
 *	        (sleeps)               <-----   only now ends a's block
 *	wakes up, owns nothing
 *
 * That b ends the block, and only after it was granted the P, is what makes
 * these tests exact: without a hand-off nothing ever wakes a.
 */
#include "kgo_abi.h"

#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <sys/file.h>

struct duo {
	struct rt rt;
	pthread_t tb, ta;
	int pipe[2];
	int lockfd[2];
	int ufd;
	char *page;
	__u32 futex;
	__u32 ma, mb;		/* their indexes */
	int ret_b, p_b, result_b;
	__u32 p_a_asleep;	/* what b saw */
	void (*end)(struct duo *d);	/* how b ends a's block */
	__u32 got;		/* b was granted the P */
};

FIXTURE(duo) {
	struct duo d;
};

static void on_signal(int sig UNUSED)
{
}

FIXTURE_SETUP(duo)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct duo *d = &self->d;

	memset(d, 0, sizeof(*d));
	sigaction(SIGUSR1, &sa, NULL);	/* no SA_RESTART: calls end with EINTR */
	ASSERT_EQ(0, rt_open(&d->rt, 1, 8));
	ASSERT_EQ(0, pipe(d->pipe));
	d->ta = pthread_self();
	d->ma = (__u32)attach(&d->rt);
	ASSERT_EQ(0, d->ma);
	ASSERT_EQ(0, enter(&d->rt, KGO_ENTER_ACQUIRE));
}

FIXTURE_TEARDOWN(duo)
{
	close(self->d.rt.fd);
}

static void *spare(void *arg)
{
	struct duo *d = arg;
	struct kgo_enter e;

	d->mb = (__u32)attach(&d->rt);
	/* It keeps the P that it is granted, though it naps. */
	STORE(mdesc(&d->rt, d->mb)->in_sched, 1);
	d->ret_b = enter_full(&d->rt, &e, KGO_ENTER_PARK_SPARE, 0, 0, 0);
	d->p_b = (int)e.p;
	d->result_b = (int)e.result;
	d->p_a_asleep = LOAD(mdesc(&d->rt, d->ma)->p);
	STORE(d->got, 1);
	if (d->end)
		d->end(d);
	/* Keep the P until a has woken up and looked. */
	until(LOAD(d->got) == 2);
	enter(&d->rt, KGO_ENTER_RELEASE);
	detach(&d->rt);
	return NULL;
}

static bool park_b(struct duo *d, void (*end)(struct duo *d))
{
	d->end = end;
	if (pthread_create(&d->tb, NULL, spare, d))
		return false;
	if (!until(LOAD(d->rt.r->nr_spare) == 1))
		return false;
	work(&d->rt, 1);
	return true;
}

/* What must hold in a after a block in which its P went to b. */
static void handed_over(struct __test_metadata *_metadata, struct duo *d)
{
	struct kgo_mdesc *a = mdesc(&d->rt, d->ma);

	EXPECT_EQ(1, LOAD(d->got));
	EXPECT_EQ(KGO_NONE, LOAD(a->p));
	EXPECT_LE(1, LOAD(a->blocks));
	EXPECT_EQ(1, LOAD(a->handoffs));
	EXPECT_EQ(0, LOAD(mdesc(&d->rt, d->mb)->p));
	EXPECT_EQ(-EAGAIN, enter(&d->rt, KGO_ENTER_ACQUIRE));
	work(&d->rt, 0);
	STORE(d->got, 2);
	pthread_join(d->tb, NULL);
	EXPECT_EQ(0, d->ret_b);
	EXPECT_EQ(0, d->p_b);
	EXPECT_EQ(0, d->result_b);	/* not by WAKE */
	EXPECT_EQ(0, enter(&d->rt, KGO_ENTER_ACQUIRE));
	EXPECT_EQ(0, LOAD(a->p));
}

static void end_pipe(struct duo *d)
{
	if (write(d->pipe[1], "x", 1) != 1)
		abort();
}

static void end_signal(struct duo *d)
{
	pthread_kill(d->ta, SIGUSR1);
}

static void end_futex(struct duo *d)
{
	STORE(d->futex, 1);
	syscall(SYS_futex, &d->futex, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void end_fault(struct duo *d)
{
	struct uffdio_zeropage z = { .range = { (unsigned long)d->page, PAGE } };

	if (ioctl(d->ufd, UFFDIO_ZEROPAGE, &z))
		abort();
}

static void end_flock(struct duo *d)
{
	flock(d->lockfd[0], LOCK_UN);
}

/* A page that is missing until end_fault(). */
static int missing_page(struct duo *d)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	d->ufd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (d->ufd < 0 || ioctl(d->ufd, UFFDIO_API, &api))
		return -errno;
	d->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (unsigned long)d->page;
	reg.range.len = PAGE;
	return ioctl(d->ufd, UFFDIO_REGISTER, &reg) ? -errno : 0;
}

TEST_F(duo, pipe_read)
{
	char c = 0;

	ASSERT_TRUE(park_b(&self->d, end_pipe));
	EXPECT_EQ(1, read(self->d.pipe[0], &c, 1));
	EXPECT_EQ('x', c);
	EXPECT_EQ(KGO_NONE, LOAD(mdesc(&self->d.rt, 0)->p));
	handed_over(_metadata, &self->d);
}

TEST_F(duo, nanosleep)
{
	struct timespec ts = { 100000, 0 };

	ASSERT_TRUE(park_b(&self->d, end_signal));
	EXPECT_EQ(-1, nanosleep(&ts, NULL));
	handed_over(_metadata, &self->d);
}

TEST_F(duo, futex_wait)
{
	ASSERT_TRUE(park_b(&self->d, end_futex));
	EXPECT_EQ(0, syscall(SYS_futex, &self->d.futex, FUTEX_WAIT_PRIVATE, 0,
			     NULL, NULL, 0));
	handed_over(_metadata, &self->d);
}

TEST_F(duo, page_fault)
{
	ASSERT_EQ(0, missing_page(&self->d));
	ASSERT_TRUE(park_b(&self->d, end_fault));
	EXPECT_EQ(0, *(volatile char *)self->d.page);
	handed_over(_metadata, &self->d);
}

TEST_F(duo, file_lock)
{
	struct duo *d = &self->d;

	d->lockfd[0] = open("/tmp/kgo-handoff", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	d->lockfd[1] = open("/tmp/kgo-handoff", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, d->lockfd[1]);
	ASSERT_EQ(0, flock(d->lockfd[0], LOCK_EX));
	ASSERT_TRUE(park_b(d, end_flock));
	EXPECT_EQ(0, flock(d->lockfd[1], LOCK_EX));
	handed_over(_metadata, d);
}

/* The sleep is inside read(2) of a regular file, where it fills the buffer. */
TEST_F(duo, file_read_into_a_missing_page)
{
	struct duo *d = &self->d;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, missing_page(d));
	ASSERT_TRUE(park_b(d, end_fault));
	EXPECT_EQ(16, read(fd, d->page, 16));
	EXPECT_EQ(0, memcmp(d->page, "\177ELF", 4));
	handed_over(_metadata, d);
}

/* A read that waits for a disk; it ends by itself, so nobody needs to end it. */
TEST_F(duo, file_read_from_a_disk)
{
	struct duo *d = &self->d;
	int fd = open("/dev/nvme0n1", O_RDONLY | O_DIRECT | O_CLOEXEC);
	int i;
	void *buf = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (fd < 0)
		SKIP(return, "no disk in this guest");
	ASSERT_NE(MAP_FAILED, buf);
	ASSERT_TRUE(park_b(d, NULL));
	/* A fast disk can be done before the hand-off is: not always, though. */
	for (i = 0; i < 1000 && !LOAD(mdesc(&d->rt, 0)->handoffs); i++)
		EXPECT_EQ(16 * PAGE, pread(fd, buf, 16 * PAGE, 0));
	EXPECT_EQ(1, LOAD(mdesc(&d->rt, 0)->handoffs));
	EXPECT_TRUE(until(LOAD(d->got)));
	handed_over(_metadata, d);
}

TEST_F(duo, not_while_in_sched)
{
	struct duo *d = &self->d;
	struct kgo_mdesc *a = mdesc(&d->rt, 0);

	ASSERT_TRUE(park_b(d, NULL));
	STORE(a->in_sched, 1);
	nap_us(50000);
	nap_us(1000);
	EXPECT_EQ(0, LOAD(a->p));
	EXPECT_EQ(0, LOAD(d->rt.r->nr_avail));
	EXPECT_EQ(0, LOAD(d->got));
	EXPECT_EQ(0, LOAD(a->handoffs));
	/* And in the very next sleep without it. */
	STORE(a->in_sched, 0);
	EXPECT_TRUE(until(LOAD(d->got)));
	handed_over(_metadata, d);
}

TEST_F(duo, not_without_work)
{
	struct duo *d = &self->d;
	struct kgo_mdesc *a = mdesc(&d->rt, 0);

	ASSERT_TRUE(park_b(d, NULL));
	work(&d->rt, 0);
	nap_us(50000);
	EXPECT_EQ(0, LOAD(a->p));
	EXPECT_EQ(0, LOAD(d->got));
	EXPECT_EQ(0, LOAD(a->handoffs));
	EXPECT_LE(1, LOAD(a->blocks));
	work(&d->rt, 1);
	EXPECT_TRUE(until(LOAD(d->got)));
	handed_over(_metadata, d);
}

/* Any queue with something in it is work: local queue, runnext, a due timer. */
TEST_F(duo, a_filled_local_queue_is_work)
{
	struct duo *d = &self->d;

	ASSERT_TRUE(park_b(d, NULL));
	work(&d->rt, 0);
	STORE(pdesc(&d->rt, 0)->runq_tail, 1);
	EXPECT_TRUE(until(LOAD(d->got)));
	STORE(pdesc(&d->rt, 0)->runq_tail, 0);
	handed_over(_metadata, d);
}

TEST_F(duo, runnext_is_work)
{
	struct duo *d = &self->d;

	ASSERT_TRUE(park_b(d, NULL));
	work(&d->rt, 0);
	STORE(pdesc(&d->rt, 0)->runnext, 7);
	EXPECT_TRUE(until(LOAD(d->got)));
	STORE(pdesc(&d->rt, 0)->runnext, 0);
	handed_over(_metadata, d);
}

TEST_F(duo, a_timer_that_nobody_keeps_is_work)
{
	struct duo *d = &self->d;

	ASSERT_TRUE(park_b(d, NULL));
	work(&d->rt, 0);
	STORE(pdesc(&d->rt, 0)->timer_when, 1);
	EXPECT_TRUE(until(LOAD(d->got)));
	STORE(pdesc(&d->rt, 0)->timer_when, 0);
	handed_over(_metadata, d);
}

TEST_F(duo, not_without_a_spare)
{
	struct duo *d = &self->d;
	struct kgo_mdesc *a = mdesc(&d->rt, 0);

	work(&d->rt, 1);
	nap_us(20000);
	EXPECT_EQ(0, LOAD(a->p));
	EXPECT_EQ(0, LOAD(a->handoffs));
	EXPECT_LE(1, LOAD(a->blocks));
	EXPECT_EQ(0, LOAD(d->rt.r->nr_avail));
	/* No ioctl was needed to have the P again: it is still usable. */
	EXPECT_EQ(0, enter(&d->rt, KGO_ENTER_RELEASE));
}

static void *see_it_available(void *arg)
{
	struct duo *d = arg;

	d->ret_b = until(LOAD(d->rt.r->nr_avail) == 1);
	end_pipe(d);
	return NULL;
}

/* Asleep the P counts as available, awake as owned; nobody made a call. */
TEST_F(duo, available_within_the_block_and_back_without_an_ioctl)
{
	struct duo *d = &self->d;
	char c;

	ASSERT_EQ(0, LOAD(d->rt.r->nr_avail));
	ASSERT_EQ(0, pthread_create(&d->tb, NULL, see_it_available, d));
	EXPECT_EQ(1, read(d->pipe[0], &c, 1));
	EXPECT_EQ(0, LOAD(mdesc(&d->rt, 0)->p));
	EXPECT_EQ(0, LOAD(d->rt.r->nr_avail));
	pthread_join(d->tb, NULL);
	EXPECT_EQ(1, d->ret_b);
}

static void *take_and_drop(void *arg)
{
	struct duo *d = arg;

	d->mb = (__u32)attach(&d->rt);
	until(LOAD(d->rt.r->nr_avail) == 1);
	d->ret_b = enter(&d->rt, KGO_ENTER_ACQUIRE);
	d->p_b = (int)LOAD(mdesc(&d->rt, d->mb)->p);
	enter(&d->rt, KGO_ENTER_RELEASE);
	end_pipe(d);
	detach(&d->rt);
	return NULL;
}

/* The P was taken and given back while its first owner slept. */
TEST_F(duo, taken_within_the_block_and_back_without_an_ioctl)
{
	struct duo *d = &self->d;
	char c;

	ASSERT_EQ(0, pthread_create(&d->tb, NULL, take_and_drop, d));
	EXPECT_EQ(1, read(d->pipe[0], &c, 1));
	EXPECT_EQ(0, LOAD(mdesc(&d->rt, 0)->p));
	EXPECT_EQ(0, LOAD(d->rt.r->nr_avail));
	pthread_join(d->tb, NULL);
	EXPECT_EQ(0, d->ret_b);
	EXPECT_EQ(0, d->p_b);
	EXPECT_EQ(0, enter(&d->rt, KGO_ENTER_RELEASE));
}

TEST_HARNESS_MAIN
