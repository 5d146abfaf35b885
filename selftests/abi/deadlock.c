// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * KGO_FEAT_DEADLOCK: the park that leaves nobody who could make a goroutine run
 * is told so; every other one waits.
 *
 * Each test is a process of its own, in which this thread is the only one
 * unless the test starts more.
 */
#include "kgo_abi.h"

#define A_MOMENT 30000000ULL		/* ns */

static int open_rt(struct rt *rt, __u64 features)
{
	struct kgo_setup s = {
		.size = sizeof(s),
		.nr_ps = 2,
		.nr_ms = 8,
		.nr_gs = 64,
		.features = features,
	};
	int ret;

	memset(rt, 0, sizeof(*rt));
	rt->fd = open(DEV, O_RDWR | O_CLOEXEC);
	if (rt->fd < 0)
		return -errno;
	ret = call(rt->fd, KGO_IOC_SETUP, &s);
	if (ret)
		return ret;
	if ((s.features & KGO_FEAT_DEADLOCK) != (features & KGO_FEAT_DEADLOCK))
		return -EPROTO;
	rt->nr_ps = s.nr_ps;
	rt->nr_ms = s.nr_ms;
	rt->r = map(rt->fd, KGO_MMAP_R, PAGE);
	rt->p = map(rt->fd, KGO_MMAP_P, (size_t)s.nr_ps * KGO_P_STRIDE);
	rt->m = map(rt->fd, KGO_MMAP_M, pages((size_t)s.nr_ms * KGO_M_STRIDE));
	return rt->r == MAP_FAILED || rt->p == MAP_FAILED ||
	       rt->m == MAP_FAILED ? -errno : 0;
}

/* As if a goroutine had run. */
static void tick(struct rt *rt)
{
	STORE(pdesc(rt, 1)->schedtick, LOAD(pdesc(rt, 1)->schedtick) + 1);
}

FIXTURE(alone) {
	struct rt rt;
};

FIXTURE_SETUP(alone)
{
	ASSERT_EQ(0, open_rt(&self->rt, KGO_FEAT_DEADLOCK));
	ASSERT_EQ(0, attach(&self->rt));
}

FIXTURE_TEARDOWN(alone)
{
	close(self->rt.fd);
}

TEST(a_runtime_that_does_not_ask_is_not_told)
{
	struct rt rt;

	ASSERT_EQ(0, open_rt(&rt, KGO_FEAT_BLOCK));
	ASSERT_EQ(0, attach(&rt));
	EXPECT_EQ(-ETIME, enter_by(&rt, KGO_ENTER_PARK_SPARE, A_MOMENT));
	EXPECT_EQ(-ETIME, enter_by(&rt, KGO_ENTER_PARK_BOUND, A_MOMENT));
}

TEST(the_feature_is_there)
{
	struct kgo_query q = { .size = sizeof(q), .features = POISON64 };
	int fd = open(DEV, O_RDWR | O_CLOEXEC);

	ASSERT_EQ(0, call(fd, KGO_IOC_QUERY, &q));
	EXPECT_EQ(KGO_FEAT_DEADLOCK, q.features & KGO_FEAT_DEADLOCK);
}

TEST_F(alone, the_last_spare_is_told)
{
	struct kgo_enter e;

	ASSERT_EQ(0, enter(&self->rt, KGO_ENTER_ACQUIRE));
	EXPECT_EQ(-EDEADLK, enter_full(&self->rt, &e, KGO_ENTER_PARK_SPARE, 0, 0, 0));
	EXPECT_EQ(KGO_NONE, e.p);
	EXPECT_EQ(0, e.result);
	EXPECT_EQ(KGO_NONE, LOAD(mdesc(&self->rt, 0)->p));
	EXPECT_EQ(0, LOAD(self->rt.r->nr_spare));
	EXPECT_EQ(2, LOAD(self->rt.r->nr_avail));
	/* It can go on. */
	EXPECT_EQ(0, enter(&self->rt, KGO_ENTER_ACQUIRE));
	EXPECT_EQ(0, enter(&self->rt, KGO_ENTER_RELEASE));
	EXPECT_EQ(0, detach(&self->rt));
}

TEST_F(alone, so_is_the_last_bound_one)
{
	ASSERT_EQ(0, enter(&self->rt, KGO_ENTER_ACQUIRE));
	EXPECT_EQ(-EDEADLK, enter(&self->rt, KGO_ENTER_PARK_BOUND));
	EXPECT_EQ(KGO_NONE, LOAD(mdesc(&self->rt, 0)->p));
}

TEST_F(alone, once_until_a_goroutine_has_run)
{
	EXPECT_EQ(-EDEADLK, enter(&self->rt, KGO_ENTER_PARK_SPARE));
	EXPECT_EQ(-ETIME, enter_by(&self->rt, KGO_ENTER_PARK_SPARE, A_MOMENT));
	EXPECT_EQ(-ETIME, enter_by(&self->rt, KGO_ENTER_PARK_BOUND, A_MOMENT));
	EXPECT_EQ(0, enter(&self->rt, KGO_ENTER_ACQUIRE));
	EXPECT_EQ(-ETIME, enter_by(&self->rt, KGO_ENTER_PARK_SPARE, A_MOMENT));
	tick(&self->rt);
	EXPECT_EQ(-EDEADLK, enter(&self->rt, KGO_ENTER_PARK_SPARE));
	EXPECT_EQ(-ETIME, enter_by(&self->rt, KGO_ENTER_PARK_SPARE, A_MOMENT));
}

TEST_F(alone, work_and_timers_are_life)
{
	struct rt *rt = &self->rt;

	/* A goroutine in a queue: the park returns with a P. */
	work(rt, 1);
	EXPECT_EQ(0, enter_by(rt, KGO_ENTER_PARK_SPARE, A_MOMENT));
	EXPECT_EQ(0, enter(rt, KGO_ENTER_RELEASE));
	EXPECT_EQ(-ETIME, enter_by(rt, KGO_ENTER_PARK_BOUND, A_MOMENT));
	work(rt, 0);
	/* Somebody looks for work. */
	STORE(rt->r->nr_spinning, 1);
	EXPECT_EQ(-ETIME, enter_by(rt, KGO_ENTER_PARK_SPARE, A_MOMENT));
	STORE(rt->r->nr_spinning, 0);
	/* A timer that is watched, and one that is not. */
	STORE(rt->r->keeper_when, now_ns() + 1000 * A_MOMENT);
	EXPECT_EQ(-ETIME, enter_by(rt, KGO_ENTER_PARK_SPARE, A_MOMENT));
	STORE(rt->r->keeper_when, 0);
	STORE(pdesc(rt, 1)->timer_when, now_ns() + 1000 * A_MOMENT);
	EXPECT_EQ(-ETIME, enter_by(rt, KGO_ENTER_PARK_BOUND, A_MOMENT));
	STORE(pdesc(rt, 1)->timer_when, 0);
	EXPECT_EQ(-EDEADLK, enter(rt, KGO_ENTER_PARK_BOUND));
}

/* A thread beside this one, doing one thing until it is let go. */
struct other {
	struct rt *rt;
	pthread_t t;
	__u32 op;		/* it parks so; 0: it is no M, 1: it reads a pipe */
	__u32 ready, done;
	__u64 deadline;
	int m, ret;
	int fd[2];
};

static void *other(void *arg)
{
	struct other *o = arg;
	char c;

	if (o->op)
		o->m = attach(o->rt);
	if (o->op == KGO_ENTER_RELEASE)
		enter(o->rt, KGO_ENTER_ACQUIRE);
	STORE(o->ready, (__u32)tid());
	if (o->op > KGO_ENTER_RELEASE) {
		struct kgo_enter e;

		o->ret = enter_full(o->rt, &e, o->op, 0, 0, o->deadline);
	} else {
		o->ret = (int)read(o->fd[0], &c, 1);
	}
	STORE(o->done, 1);
	if (o->op && LOAD(mdesc(o->rt, (__u32)o->m)->p) != KGO_NONE)
		enter(o->rt, KGO_ENTER_RELEASE);
	if (o->op)
		detach(o->rt);
	return NULL;
}

/* Start it, and wait until it sleeps. */
static bool start(struct other *o, struct rt *rt, __u32 op, __u64 deadline)
{
	memset(o, 0, sizeof(*o));
	o->rt = rt;
	o->op = op;
	o->deadline = deadline;
	if (pipe(o->fd) || pthread_create(&o->t, NULL, other, o))
		return false;
	return until(LOAD(o->ready)) &&
	       until(LOAD(o->done) ||
		     sleeps_in(getpid(), (pid_t)LOAD(o->ready),
			       op > KGO_ENTER_RELEASE ? SYS_ioctl : SYS_read));
}

static void finish(struct other *o)
{
	if (write(o->fd[1], "x", 1) != 1)
		abort();
	pthread_join(o->t, NULL);
}

TEST_F(alone, a_thread_that_is_no_m_is_life)
{
	struct other o;

	ASSERT_TRUE(start(&o, &self->rt, 0, 0));
	EXPECT_EQ(-ETIME, enter_by(&self->rt, KGO_ENTER_PARK_SPARE, A_MOMENT));
	finish(&o);
	/* As soon as it is gone for good. */
	EXPECT_TRUE(until(enter_by(&self->rt, KGO_ENTER_PARK_SPARE, A_MOMENT) ==
			  -EDEADLK));
}

TEST_F(alone, a_thread_in_a_system_call_is_life)
{
	struct other o;

	ASSERT_TRUE(start(&o, &self->rt, KGO_ENTER_RELEASE, 0));
	ASSERT_LE(0, o.m);
	EXPECT_EQ(-ETIME, enter_by(&self->rt, KGO_ENTER_PARK_SPARE, A_MOMENT));
	EXPECT_EQ(-ETIME, enter_by(&self->rt, KGO_ENTER_PARK_BOUND, A_MOMENT));
	/* Also when its P was taken. */
	STORE(mdesc(&self->rt, 0)->in_sched, 1);
	work(&self->rt, 1);
	EXPECT_EQ(0, enter(&self->rt, KGO_ENTER_ACQUIRE));
	work(&self->rt, 0);
	EXPECT_EQ(-ETIME, enter_by(&self->rt, KGO_ENTER_PARK_SPARE, A_MOMENT));
	finish(&o);
}

TEST_F(alone, the_last_of_several_is_told_and_the_others_sleep_on)
{
	struct other a, b;

	ASSERT_EQ(0, enter(&self->rt, KGO_ENTER_ACQUIRE));
	ASSERT_TRUE(start(&a, &self->rt, KGO_ENTER_PARK_SPARE, 0));
	ASSERT_TRUE(start(&b, &self->rt, KGO_ENTER_PARK_BOUND, 0));
	EXPECT_FALSE(LOAD(a.done));
	EXPECT_FALSE(LOAD(b.done));
	EXPECT_EQ(-EDEADLK, enter(&self->rt, KGO_ENTER_PARK_SPARE));
	EXPECT_FALSE(LOAD(a.done));
	EXPECT_FALSE(LOAD(b.done));
	/* They can be woken as ever. */
	ASSERT_EQ(0, enter(&self->rt, KGO_ENTER_ACQUIRE));
	EXPECT_EQ(0, give(&self->rt, KGO_ENTER_RELEASE, (__u32)b.m));
	EXPECT_TRUE(until(LOAD(b.done)));
	EXPECT_EQ(0, b.ret);
	EXPECT_EQ(0, enter(&self->rt, KGO_ENTER_WAKE));
	EXPECT_TRUE(until(LOAD(a.done)));
	EXPECT_EQ(0, a.ret);
	pthread_join(a.t, NULL);
	pthread_join(b.t, NULL);
}

static void on_signal(int sig UNUSED)
{
}

TEST_F(alone, a_signal_is_life_while_it_is_handled)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct other a;

	sigaction(SIGUSR1, &sa, NULL);
	ASSERT_TRUE(start(&a, &self->rt, KGO_ENTER_PARK_SPARE, 0));
	pthread_kill(a.t, SIGUSR1);
	EXPECT_TRUE(until(LOAD(a.done)));
	EXPECT_EQ(-EINTR, a.ret);
	pthread_join(a.t, NULL);
	EXPECT_TRUE(until(enter_by(&self->rt, KGO_ENTER_PARK_SPARE, A_MOMENT) ==
			  -EDEADLK));
}

TEST_HARNESS_MAIN
