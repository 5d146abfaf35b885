// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Every refusal that <linux/kgo.h> documents for the ioctls, and that a refused
 * call changes nothing: the same call done right succeeds afterwards.
 *
 * What regions and foreign processes are refused is in regions.c.
 */
#include "kgo_abi.h"

#define HUGE_SIZE (PAGE * 2)

/* A buffer larger than any of the structures, zeroed but for what is poison. */
union big {
	struct kgo_query q;
	struct kgo_setup s;
	struct kgo_attach a;
	struct kgo_enter e;
	unsigned char bytes[HUGE_SIZE];
};

FIXTURE(dev) {
	int fd;
	union big *big;
};

FIXTURE_SETUP(dev)
{
	self->fd = open(DEV, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->big = calloc(1, sizeof(*self->big));
	ASSERT_NE(NULL, self->big);
}

FIXTURE_TEARDOWN(dev)
{
	close(self->fd);
	free(self->big);
}

TEST_F(dev, query_answers_and_fills_every_output)
{
	struct kgo_query q;

	memset(&q, 0xa5, sizeof(q));
	q.size = sizeof(q);
	q.reserved = 0;
	ASSERT_EQ(0, call(self->fd, KGO_IOC_QUERY, &q));
	EXPECT_EQ(KGO_ABI_VERSION, q.abi_version);
	EXPECT_EQ(KGO_FEAT_BLOCK | KGO_FEAT_TABLES,
		  q.features & (KGO_FEAT_BLOCK | KGO_FEAT_TABLES));
	EXPECT_NE(POISON64, q.features);
	EXPECT_NE(POISON, q.max_ps);
	EXPECT_NE(POISON, q.max_ms);
	EXPECT_NE(POISON, q.max_gs);
	EXPECT_LT(0, q.max_ps);
	EXPECT_LT(0, q.max_ms);
	EXPECT_LT(0, q.max_gs);
	EXPECT_EQ(0, q.reserved);
}

/* The size rules are the same for all four: @fill makes the call right. */
static void sizes(struct __test_metadata *_metadata, int fd, unsigned long cmd,
		  union big *big, __u32 right)
{
	static const __u32 small[] = { 0, 1, 4, 8, 12 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(small); i++) {
		big->q.size = small[i];
		EXPECT_EQ(-EINVAL, call(fd, cmd, big)) {
			TH_LOG("size %u", small[i]);
		}
	}
	big->q.size = right - 4;
	EXPECT_EQ(-EINVAL, call(fd, cmd, big));

	big->q.size = right + 8;
	big->bytes[right] = 1;
	EXPECT_EQ(-E2BIG, call(fd, cmd, big));
	big->bytes[right] = 0;
	big->bytes[right + 7] = 1;
	EXPECT_EQ(-E2BIG, call(fd, cmd, big));
	big->bytes[right + 7] = 0;

	big->q.size = PAGE;
	big->bytes[PAGE - 1] = 1;
	EXPECT_EQ(-E2BIG, call(fd, cmd, big));
	big->bytes[PAGE - 1] = 0;

	big->q.size = PAGE + 1;
	EXPECT_EQ(-E2BIG, call(fd, cmd, big));
	big->q.size = 0xffffffffU;
	EXPECT_EQ(-E2BIG, call(fd, cmd, big));

	EXPECT_EQ(-EFAULT, call(fd, cmd, NULL));
	EXPECT_EQ(-EFAULT, call(fd, cmd, (void *)~0xfffUL));
}

TEST_F(dev, query_refuses_bad_sizes_and_takes_a_larger_one)
{
	sizes(_metadata, self->fd, KGO_IOC_QUERY, self->big, sizeof(self->big->q));
	self->big->q.size = PAGE;
	self->big->q.reserved = 0;
	EXPECT_EQ(0, call(self->fd, KGO_IOC_QUERY, self->big));
	EXPECT_EQ(KGO_ABI_VERSION, self->big->q.abi_version);
	EXPECT_EQ(0, self->big->bytes[sizeof(self->big->q)]);

	self->big->q.size = sizeof(self->big->q);
	self->big->q.reserved = 1;
	EXPECT_EQ(-EINVAL, call(self->fd, KGO_IOC_QUERY, self->big));
}

TEST_F(dev, setup_refuses_bad_arguments_and_can_be_tried_again)
{
	struct kgo_setup *s = &self->big->s;

	s->nr_ps = 1;
	sizes(_metadata, self->fd, KGO_IOC_SETUP, self->big, sizeof(*s));
	s->size = sizeof(*s);

	s->flags = 1;
	EXPECT_EQ(-EINVAL, call(self->fd, KGO_IOC_SETUP, s));
	s->flags = 0x80000000U;
	EXPECT_EQ(-EINVAL, call(self->fd, KGO_IOC_SETUP, s));
	s->flags = 0;
	s->preempt_signal = SIGURG;
	EXPECT_EQ(-EINVAL, call(self->fd, KGO_IOC_SETUP, s));
	s->features = KGO_FEAT_PREEMPT;
	s->preempt_signal = SIGKILL;
	EXPECT_EQ(-EINVAL, call(self->fd, KGO_IOC_SETUP, s));
	s->preempt_signal = SIGSTOP;
	EXPECT_EQ(-EINVAL, call(self->fd, KGO_IOC_SETUP, s));
	s->preempt_signal = 65;
	EXPECT_EQ(-EINVAL, call(self->fd, KGO_IOC_SETUP, s));
	s->preempt_signal = 0x80000000U | SIGURG;
	EXPECT_EQ(-EINVAL, call(self->fd, KGO_IOC_SETUP, s));
	s->preempt_signal = 0;
	s->features = 1ULL << 63;
	EXPECT_EQ(-EOPNOTSUPP, call(self->fd, KGO_IOC_SETUP, s));
	s->features = KGO_FEAT_BLOCK | 1ULL << 40;
	EXPECT_EQ(-EOPNOTSUPP, call(self->fd, KGO_IOC_SETUP, s));
	s->features = KGO_FEAT_BLOCK;
	s->nr_ps = 1;
	s->size = PAGE;
	EXPECT_EQ(0, call(self->fd, KGO_IOC_SETUP, s));
	EXPECT_EQ(1, s->nr_ps);
	EXPECT_NE(0, s->id);
}

TEST_F(dev, setup_refuses_absurd_counts)
{
	static const __u32 absurd[] = { 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff };
	struct kgo_query q = { .size = sizeof(q) };
	struct kgo_setup s;
	unsigned int i;

	ASSERT_EQ(0, call(self->fd, KGO_IOC_QUERY, &q));
	EXPECT_EQ(-ERANGE, setup(self->fd, q.max_ps + 1, 0, 0, &s));
	EXPECT_EQ(-ERANGE, setup(self->fd, 0, q.max_ms + 1, 0, &s));
	EXPECT_EQ(-ERANGE, setup(self->fd, 0, 0, q.max_gs + 1, &s));
	for (i = 0; i < ARRAY_SIZE(absurd); i++) {
		EXPECT_EQ(-ERANGE, setup(self->fd, absurd[i], 0, 0, &s));
		EXPECT_EQ(-ERANGE, setup(self->fd, 0, absurd[i], 0, &s));
		EXPECT_EQ(-ERANGE, setup(self->fd, 0, 0, absurd[i], &s));
	}
	/* The bounds themselves are given. */
	EXPECT_EQ(0, setup(self->fd, q.max_ps, q.max_ms, 0, &s));
	EXPECT_EQ(q.max_ps, s.nr_ps);
	EXPECT_EQ(q.max_ms, s.nr_ms);
}

TEST_F(dev, setup_defaults_to_the_cpus_that_the_caller_may_use)
{
	struct kgo_setup s;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	ASSERT_EQ(0, setup(self->fd, 0, 0, 0, &s));
	EXPECT_EQ(1, s.nr_ps);
	EXPECT_LT(0, s.nr_ms);
	EXPECT_LT(0, s.nr_gs);
	EXPECT_NE(POISON64, s.id);
	EXPECT_EQ(KGO_FEAT_BLOCK, s.features & KGO_FEAT_BLOCK);
}

TEST_F(dev, setup_twice_is_refused)
{
	struct kgo_setup s, again;

	ASSERT_EQ(0, setup(self->fd, 2, 4, 64, &s));
	EXPECT_EQ(-EBUSY, setup(self->fd, 2, 4, 64, &again));
	EXPECT_EQ(-EBUSY, setup(self->fd, 0, 0, 0, &again));
}

TEST_F(dev, ids_are_not_used_again)
{
	struct kgo_setup a, b;
	int fd;

	ASSERT_EQ(0, setup(self->fd, 1, 1, 64, &a));
	fd = open(DEV, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, setup(fd, 1, 1, 64, &b));
	close(fd);
	EXPECT_LT(a.id, b.id);
	fd = open(DEV, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, setup(fd, 1, 1, 64, &a));
	EXPECT_LT(b.id, a.id);
	close(fd);
}

TEST_F(dev, attach_and_enter_before_setup_are_refused)
{
	struct rt rt = { .fd = self->fd };

	__u32 op;

	EXPECT_EQ(-ENODEV, attach(&rt));
	EXPECT_EQ(-ENODEV, detach(&rt));
	for (op = KGO_ENTER_ACQUIRE; op <= KGO_ENTER_PARK_BOUND; op++)
		EXPECT_EQ(-ENODEV, enter(&rt, op));
}

TEST_F(dev, unknown_ioctls_and_plain_io_are_refused)
{
	char c = 0;

	EXPECT_EQ(-ENOTTY, call(self->fd, _IO(KGO_IOC_MAGIC, 200), NULL));
	EXPECT_EQ(-ENOTTY, call(self->fd, _IO(KGO_IOC_MAGIC, 5), NULL));
	EXPECT_EQ(-ENOTTY, call(self->fd, _IO(KGO_IOC_MAGIC ^ 1, 3), NULL));
	EXPECT_EQ(-ENOTTY, call(self->fd, _IOR(KGO_IOC_MAGIC, 0, struct kgo_query), self->big));
	EXPECT_EQ(-ENOTTY, call(self->fd, 0, NULL));
	EXPECT_EQ(-ENOTTY, call(self->fd, ~0UL, NULL));
	EXPECT_EQ(-1, read(self->fd, &c, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(self->fd, &c, 1));
	EXPECT_EQ(EINVAL, errno);
}

/* A later version of a structure makes another number, but the same call. */
TEST_F(dev, the_size_in_an_ioctl_number_is_ignored)
{
	self->big->q.size = sizeof(self->big->q);
	EXPECT_EQ(0, call(self->fd, _IOWR(KGO_IOC_MAGIC, 0, char[PAGE]), self->big));
	EXPECT_EQ(KGO_ABI_VERSION, self->big->q.abi_version);
	self->big->q.size = 4;
	EXPECT_EQ(-EINVAL, call(self->fd, _IOWR(KGO_IOC_MAGIC, 0, char[PAGE]), self->big));
}

/* A structure that ends in memory that is not there, or cannot be written. */
TEST_F(dev, arguments_in_bad_memory_are_refused)
{
	char *two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rt rt = { .fd = self->fd };
	struct kgo_attach *a;
	struct kgo_setup *s;
	struct kgo_query *q;

	ASSERT_NE(MAP_FAILED, two);
	ASSERT_EQ(0, munmap(two + PAGE, PAGE));
	q = (void *)(two + PAGE - 8);
	q->size = sizeof(*q);
	EXPECT_EQ(-EFAULT, call(self->fd, KGO_IOC_QUERY, q));
	s = (void *)(two + PAGE - 8);
	s->size = sizeof(*s);
	EXPECT_EQ(-EFAULT, call(self->fd, KGO_IOC_SETUP, s));

	memset(two, 0, PAGE);
	a = (void *)two;
	a->size = sizeof(*a);
	q = (void *)(two + 64);
	q->size = sizeof(*q);
	ASSERT_EQ(0, mprotect(two, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, call(self->fd, KGO_IOC_QUERY, q));
	/* Of the same first words, a SETUP that succeeds but cannot say so. */
	s = (void *)two;
	ASSERT_EQ(0, mprotect(two, PAGE, PROT_READ | PROT_WRITE));
	s->size = sizeof(*s);
	ASSERT_EQ(0, mprotect(two, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, call(self->fd, KGO_IOC_SETUP, s));
	EXPECT_EQ(-ENODEV, attach(&rt));
	ASSERT_EQ(0, setup(self->fd, 1, 1, 64, &self->big->s));
	ASSERT_EQ(0, mprotect(two, PAGE, PROT_READ | PROT_WRITE));
	a->size = sizeof(*a);
	ASSERT_EQ(0, mprotect(two, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, call(self->fd, KGO_IOC_ATTACH, a));
	EXPECT_EQ(-ENOTCONN, detach(&rt));
	EXPECT_EQ(0, attach(&rt));
	EXPECT_EQ(0, detach(&rt));
	EXPECT_EQ(-ENOTCONN, detach(&rt));
}

FIXTURE(set) {
	struct rt rt;
	union big *big;
};

FIXTURE_SETUP(set)
{
	ASSERT_EQ(0, rt_open(&self->rt, 1, 3));
	self->big = calloc(1, sizeof(*self->big));
	ASSERT_NE(NULL, self->big);
}

FIXTURE_TEARDOWN(set)
{
	close(self->rt.fd);
	free(self->big);
}

TEST_F(set, attach_refuses_bad_arguments)
{
	struct kgo_attach *a = &self->big->a;

	sizes(_metadata, self->rt.fd, KGO_IOC_ATTACH, self->big, sizeof(*a));
	a->size = sizeof(*a);
	a->flags = 1;
	EXPECT_EQ(-EINVAL, call(self->rt.fd, KGO_IOC_ATTACH, a));
	a->flags = 0;
	a->reserved = 1;
	EXPECT_EQ(-EINVAL, call(self->rt.fd, KGO_IOC_ATTACH, a));
	a->reserved = 0;
	a->m = POISON;
	EXPECT_EQ(0, call(self->rt.fd, KGO_IOC_ATTACH, a));
	EXPECT_LT(a->m, self->rt.nr_ms);
	EXPECT_EQ(tid(), (pid_t)LOAD(mdesc(&self->rt, a->m)->tid));
	EXPECT_EQ(KGO_NONE, LOAD(mdesc(&self->rt, a->m)->p));
}

TEST_F(set, attach_twice_is_refused)
{
	struct rt other;

	ASSERT_EQ(0, attach(&self->rt));
	EXPECT_EQ(-EALREADY, attach(&self->rt));
	ASSERT_EQ(0, rt_open(&other, 1, 1));
	EXPECT_EQ(-EBUSY, attach(&other));
	ASSERT_EQ(0, detach(&self->rt));
	EXPECT_EQ(0, LOAD(mdesc(&self->rt, 0)->tid));
	EXPECT_EQ(0, attach(&other));
	EXPECT_EQ(-EBUSY, attach(&self->rt));
	EXPECT_EQ(0, detach(&other));
	close(other.fd);
}

static void *attach_and_stay(void *arg)
{
	struct rt *rt = arg;
	long m = attach(rt);

	if (m >= 0)
		enter_by(rt, KGO_ENTER_PARK_BOUND, 1000000000000ULL);
	return (void *)m;
}

TEST_F(set, one_thread_more_than_asked_for_is_refused)
{
	pthread_t t[2];
	int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&t[i], NULL, attach_and_stay, &self->rt));
	for (i = 0; i < 2; i++)
		ASSERT_TRUE(until(LOAD(mdesc(&self->rt, i)->tid)));
	ASSERT_EQ(2, attach(&self->rt));
	ASSERT_EQ(0, detach(&self->rt));
	ASSERT_EQ(0, pthread_create(&t[0], NULL, attach_and_stay, &self->rt));
	ASSERT_TRUE(until(LOAD(mdesc(&self->rt, 2)->tid)));
	EXPECT_EQ(-EUSERS, attach(&self->rt));
}

TEST_F(set, detach_refuses_owners_and_strangers)
{
	EXPECT_EQ(-ENOTCONN, detach(&self->rt));
	ASSERT_EQ(0, attach(&self->rt));
	ASSERT_EQ(0, enter(&self->rt, KGO_ENTER_ACQUIRE));
	EXPECT_EQ(-EBUSY, detach(&self->rt));
	EXPECT_EQ(0, LOAD(mdesc(&self->rt, 0)->p));
	EXPECT_EQ(0, enter(&self->rt, KGO_ENTER_RELEASE));
	EXPECT_EQ(0, detach(&self->rt));
	EXPECT_EQ(-ENOTCONN, detach(&self->rt));
}

TEST_F(set, enter_without_attach_is_refused_and_owns_nothing)
{
	struct kgo_enter e;
	__u32 op;

	for (op = KGO_ENTER_ACQUIRE; op <= KGO_ENTER_PARK_BOUND; op++) {
		if (op == KGO_ENTER_WAKE)
			continue;
		EXPECT_EQ(-ENOTCONN, enter_full(&self->rt, &e, op, 0, 0, 0));
		EXPECT_EQ(KGO_NONE, e.p);
		EXPECT_EQ(0, e.result);
	}
	EXPECT_EQ(-ESRCH, enter_full(&self->rt, &e, KGO_ENTER_WAKE, 0, 0, 0));
	EXPECT_EQ(KGO_NONE, e.p);
	EXPECT_EQ(0, e.result);
	EXPECT_EQ(1, LOAD(self->rt.r->nr_avail));
}

TEST_F(set, enter_refuses_every_bad_combination)
{
	struct rt *rt = &self->rt;
	struct kgo_enter e, *b = &self->big->e;
	__u32 op, bit;

	ASSERT_EQ(0, attach(rt));
	ASSERT_EQ(0, enter(rt, KGO_ENTER_ACQUIRE));
	b->op = KGO_ENTER_ACQUIRE;
	sizes(_metadata, rt->fd, KGO_IOC_ENTER, self->big, sizeof(*b));

	/* Operations that are none. */
	for (op = KGO_ENTER_PARK_BOUND + 1; op < 40; op++)
		EXPECT_EQ(-EINVAL, enter_full(rt, &e, op, 0, 0, 0));
	EXPECT_EQ(-EINVAL, enter_full(rt, &e, 0xffffffff, 0, 0, 0));
	EXPECT_EQ(-EINVAL, enter_full(rt, &e, 0x100, 0, 0, 0));
	EXPECT_EQ(POISON, e.p);

	for (op = KGO_ENTER_ACQUIRE; op <= KGO_ENTER_PARK_BOUND; op++) {
		/* Flags that are none. */
		for (bit = 1; bit < 32; bit++)
			EXPECT_EQ(-EINVAL, enter_full(rt, &e, op, 1U << bit, 0, 0));
		EXPECT_EQ(-EINVAL, enter_full(rt, &e, op, ~0U, 0, 0));
		/* A target without F_GIVE. */
		EXPECT_EQ(-EINVAL, enter_full(rt, &e, op, 0, 1, 0));
		EXPECT_EQ(-EINVAL, enter_full(rt, &e, op, 0, KGO_NONE, 0));
		/* Reserved. */
		memset(&e, 0, sizeof(e));
		e.size = sizeof(e);
		e.op = op;
		e.reserved = 1ULL << 50;
		EXPECT_EQ(-EINVAL, call(rt->fd, KGO_IOC_ENTER, &e));
		/* F_GIVE where there is nothing to give with, and deadlines. */
		if (op == KGO_ENTER_ACQUIRE || op == KGO_ENTER_WAKE ||
		    op == KGO_ENTER_PARK_WANT)
			EXPECT_EQ(-EINVAL, enter_full(rt, &e, op, KGO_ENTER_F_GIVE, 1, 0));
		if (op < KGO_ENTER_PARK_WANT) {
			EXPECT_EQ(-EINVAL, enter_full(rt, &e, op, 0, 0, 1));
			EXPECT_EQ(-EINVAL, enter_full(rt, &e, op, 0, 0, ~0ULL));
		}
	}
	/* After all that the P is still ours. */
	EXPECT_EQ(0, LOAD(mdesc(rt, 0)->p));
	EXPECT_EQ(0, LOAD(rt->r->nr_avail));
}

TEST_F(set, give_refuses_bad_targets_and_keeps_the_p)
{
	static const __u32 ops[] = { KGO_ENTER_RELEASE, KGO_ENTER_PARK_SPARE,
				     KGO_ENTER_PARK_BOUND };
	struct rt *rt = &self->rt;
	struct kgo_enter e;
	unsigned int i;

	ASSERT_EQ(0, attach(rt));
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		EXPECT_EQ(-EINVAL, enter_full(rt, &e, ops[i], KGO_ENTER_F_GIVE, 0, 0));
		ASSERT_EQ(0, enter(rt, KGO_ENTER_ACQUIRE));
		EXPECT_EQ(-EINVAL, enter_full(rt, &e, ops[i], KGO_ENTER_F_GIVE, 0, 0));
		EXPECT_EQ(-ESRCH, enter_full(rt, &e, ops[i], KGO_ENTER_F_GIVE, 1, 0));
		EXPECT_EQ(0, e.p);
		EXPECT_EQ(0, e.result);
		EXPECT_EQ(-ESRCH, enter_full(rt, &e, ops[i], KGO_ENTER_F_GIVE, rt->nr_ms, 0));
		EXPECT_EQ(-ESRCH, enter_full(rt, &e, ops[i], KGO_ENTER_F_GIVE, 0x7fffffff, 0));
		EXPECT_EQ(-ESRCH, enter_full(rt, &e, ops[i], KGO_ENTER_F_GIVE, KGO_NONE, 0));
		EXPECT_EQ(0, e.p);
		EXPECT_EQ(0, LOAD(mdesc(rt, 0)->p));
		ASSERT_EQ(0, enter(rt, KGO_ENTER_RELEASE));
	}
}

TEST_F(set, release_and_give_without_a_p_are_refused)
{
	struct rt *rt = &self->rt;
	struct kgo_enter e;
	pthread_t t;

	ASSERT_EQ(0, pthread_create(&t, NULL, attach_and_stay, rt));
	ASSERT_TRUE(until(LOAD(mdesc(rt, 0)->tid)));
	ASSERT_EQ(1, attach(rt));
	EXPECT_EQ(-ENXIO, enter_full(rt, &e, KGO_ENTER_RELEASE, 0, 0, 0));
	EXPECT_EQ(KGO_NONE, e.p);
	EXPECT_EQ(0, e.result);
	EXPECT_EQ(-ENXIO, give(rt, KGO_ENTER_RELEASE, 0));
	EXPECT_EQ(-ENXIO, give(rt, KGO_ENTER_PARK_SPARE, 0));
	EXPECT_EQ(-ENXIO, give(rt, KGO_ENTER_PARK_BOUND, 0));
	EXPECT_EQ(1, LOAD(rt->r->nr_avail));
}

TEST_HARNESS_MAIN
