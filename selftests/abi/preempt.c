// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * KGO_FEAT_PREEMPT: a thread that computes for long while others wait for its
 * P is told so in its record and, if it asked for that, by a signal, which
 * never comes in the middle of a call.
 *
 * The thread under test is the main one.  It waits by computing only: one that
 * sleeps has its P taken away, and has no time slice that could be over.
 */
#include "kgo_abi.h"

#define SLICE	10000000ULL		/* ns */
#define A_MOMENT (5 * SLICE)
#define TOLD	KGO_P_PREEMPT		/* with P 0 */

static __u32 signals;

static void on_signal(int sig UNUSED)
{
	__atomic_fetch_add(&signals, 1, __ATOMIC_SEQ_CST);
}

static int open_rt(struct rt *rt, __u32 ps, __u64 features, __u32 sig)
{
	struct kgo_setup s = {
		.size = sizeof(s),
		.nr_ps = ps,
		.nr_ms = 64,
		.nr_gs = 64,
		.preempt_signal = sig,
		.features = features,
	};
	struct sigaction sa = { .sa_handler = on_signal };
	int ret;

	/* No SA_RESTART: a call that it comes into tells. */
	sigaction(SIGURG, &sa, NULL);
	memset(rt, 0, sizeof(*rt));
	rt->fd = open(DEV, O_RDWR | O_CLOEXEC);
	if (rt->fd < 0)
		return -errno;
	ret = call(rt->fd, KGO_IOC_SETUP, &s);
	if (ret)
		return ret;
	if ((s.features & KGO_FEAT_PREEMPT) != (features & KGO_FEAT_PREEMPT) ||
	    s.preempt_signal != sig)
		return -EPROTO;
	rt->nr_ps = s.nr_ps;
	rt->nr_ms = s.nr_ms;
	rt->r = map(rt->fd, KGO_MMAP_R, PAGE);
	rt->p = map(rt->fd, KGO_MMAP_P, (size_t)s.nr_ps * KGO_P_STRIDE);
	rt->m = map(rt->fd, KGO_MMAP_M, pages((size_t)s.nr_ms * KGO_M_STRIDE));
	return rt->r == MAP_FAILED || rt->p == MAP_FAILED ||
	       rt->m == MAP_FAILED ? -errno : 0;
}

/* Compute until the condition holds, for @ns at most. */
#define compute_for(ns, cond)						\
	__extension__ ({						\
		__u64 end_ = now_ns() + (ns);				\
		bool ok_;						\
		while (!(ok_ = (cond)) && now_ns() < end_)		\
			;						\
		ok_;							\
	})
#define compute_until(cond)	compute_for(PATIENCE * 1000000000ULL, cond)

static void clear_flag(struct kgo_mdesc *m)
{
	__atomic_fetch_and(&m->p, ~KGO_P_PREEMPT, __ATOMIC_SEQ_CST);
}

TEST(the_feature_is_there)
{
	struct kgo_query q = { .size = sizeof(q), .features = POISON64 };
	int fd = open(DEV, O_RDWR | O_CLOEXEC);

	ASSERT_EQ(0, call(fd, KGO_IOC_QUERY, &q));
	EXPECT_EQ(KGO_FEAT_PREEMPT, q.features & KGO_FEAT_PREEMPT);
	EXPECT_EQ(0, q.features & ~(KGO_FEAT_BLOCK | KGO_FEAT_TABLES |
				    KGO_FEAT_DEADLOCK | KGO_FEAT_PREEMPT |
				    KGO_FEAT_KCHAN));
}

TEST(signals_that_cannot_be_are_refused)
{
	static const __u32 bad[] = { SIGKILL, SIGSTOP, 65, 1000, 0x7fffffff,
				     0x80000000U | SIGURG, 0xffffffffU };
	struct rt rt;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-EINVAL, open_rt(&rt, 1, KGO_FEAT_PREEMPT, bad[i])) {
			TH_LOG("signal %u", bad[i]);
		}
	EXPECT_EQ(-EINVAL, open_rt(&rt, 1, 0, SIGURG));
	EXPECT_EQ(-EINVAL, open_rt(&rt, 1, KGO_FEAT_BLOCK | KGO_FEAT_DEADLOCK, SIGURG));
	EXPECT_EQ(-EOPNOTSUPP, open_rt(&rt, 1, 1ULL << 62, 0));
	EXPECT_EQ(-EOPNOTSUPP, open_rt(&rt, 1, KGO_FEAT_PREEMPT | 1ULL << 63, SIGURG));
	/* The first and the last that there is, and none. */
	EXPECT_EQ(0, open_rt(&rt, 1, KGO_FEAT_PREEMPT, 1));
	EXPECT_EQ(0, open_rt(&rt, 1, KGO_FEAT_PREEMPT, 64));
	EXPECT_EQ(0, open_rt(&rt, 1, KGO_FEAT_PREEMPT, 0));
	EXPECT_EQ(KGO_FEAT_PREEMPT, rt.r->features & KGO_FEAT_PREEMPT);
}

TEST(a_runtime_that_does_not_ask_is_not_told)
{
	struct rt rt;

	ASSERT_EQ(0, open_rt(&rt, 1, KGO_FEAT_BLOCK, 0));
	EXPECT_EQ(0, rt.r->features & KGO_FEAT_PREEMPT);
	ASSERT_EQ(0, attach(&rt));
	ASSERT_EQ(0, enter(&rt, KGO_ENTER_ACQUIRE));
	work(&rt, 1);
	EXPECT_FALSE(compute_for(A_MOMENT, LOAD(mdesc(&rt, 0)->p) != 0));
}

FIXTURE(hog) {
	struct rt rt;
	struct kgo_mdesc *me;
};

FIXTURE_SETUP(hog)
{
	ASSERT_EQ(0, open_rt(&self->rt, 1, KGO_FEAT_PREEMPT, SIGURG));
	ASSERT_EQ(0, attach(&self->rt));
	ASSERT_EQ(0, enter(&self->rt, KGO_ENTER_ACQUIRE));
	self->me = mdesc(&self->rt, 0);
}

FIXTURE_TEARDOWN(hog)
{
	close(self->rt.fd);
}

static void *spare(void *arg)
{
	struct rt *rt = arg;
	int m = attach(rt);

	if (m < 0)
		abort();
	/* With a P it stays where it is. */
	STORE(mdesc(rt, (__u32)m)->in_sched, 1);
	enter(rt, KGO_ENTER_PARK_SPARE);
	pause();
	return NULL;
}

/* One more thread that could go on with a P. */
static bool park_a_spare(struct rt *rt)
{
	__u32 n = LOAD(rt->r->nr_spare);
	pthread_t t;

	return !pthread_create(&t, NULL, spare, rt) &&
	       until(LOAD(rt->r->nr_spare) == n + 1) &&
	       !enter(rt, KGO_ENTER_ACQUIRE);
}

TEST_F(hog, a_thread_that_computes_is_told_if_others_wait)
{
	struct kgo_pdesc *p = pdesc(&self->rt, 0);
	struct rt *rt = &self->rt;
	int i;

	for (i = 0; i < 4; i++) {
		EXPECT_FALSE(compute_for(A_MOMENT, LOAD(self->me->p) != 0));
		if (i == 0)
			work(rt, 1);
		else if (i == 1)
			STORE(p->runnext, 1);
		else if (i == 2)
			STORE(p->runq_tail, LOAD(p->runq_head) + 1);
		else
			STORE(p->timer_when, now_ns());
		EXPECT_TRUE(compute_until(LOAD(self->me->p) == TOLD));
		/* Again, as long as it goes on. */
		clear_flag(self->me);
		EXPECT_TRUE(compute_until(LOAD(self->me->p) == TOLD));
		work(rt, 0);
		STORE(p->runnext, KGO_NO_G);
		STORE(p->runq_head, LOAD(p->runq_tail));
		STORE(p->timer_when, 0);
		/* What is published anew does not have it. */
		EXPECT_EQ(0, enter(rt, KGO_ENTER_ACQUIRE));
		EXPECT_EQ(0, LOAD(self->me->p));
	}
	/* There was no thread to go on with the P. */
	EXPECT_EQ(0, LOAD(signals));
}

/* One is, if it took that long because the machine stood still. */
TEST_F(hog, slices_that_change_are_not_over)
{
	struct kgo_pdesc *p = pdesc(&self->rt, 0);
	__u64 now, before = now_ns(), end = before + 3 * A_MOMENT;

	STORE(p->slicetick, 1);
	work(&self->rt, 1);
	for (now = before; now < end; before = now, now = now_ns()) {
		STORE(p->slicetick, p->slicetick + 1);
		if (LOAD(self->me->p) != TOLD)
			continue;
		EXPECT_LE(SLICE, now_ns() - before);
		clear_flag(self->me);
	}
	/* Another goroutine in the same slice makes no difference. */
	EXPECT_TRUE(compute_until((STORE(p->schedtick, p->schedtick + 1),
				   LOAD(self->me->p) == TOLD)));
}

TEST_F(hog, the_signal_comes_while_it_computes)
{
	ASSERT_TRUE(park_a_spare(&self->rt));
	EXPECT_FALSE(compute_for(A_MOMENT, LOAD(signals)));
	work(&self->rt, 1);
	EXPECT_TRUE(compute_until(LOAD(signals) >= 3));
	EXPECT_EQ(TOLD, LOAD(self->me->p));
	work(&self->rt, 0);
}

TEST_F(hog, no_signal_inside_the_runtime)
{
	ASSERT_TRUE(park_a_spare(&self->rt));
	STORE(self->me->in_sched, 1);
	work(&self->rt, 1);
	EXPECT_TRUE(compute_until(LOAD(self->me->p) == TOLD));
	EXPECT_FALSE(compute_for(A_MOMENT, LOAD(signals)));
	STORE(self->me->in_sched, 0);
	EXPECT_TRUE(compute_until(LOAD(signals)));
	work(&self->rt, 0);
}

TEST_F(hog, a_signal_that_is_blocked_is_not_sent)
{
	sigset_t set, pending;

	sigemptyset(&set);
	sigaddset(&set, SIGURG);
	ASSERT_TRUE(park_a_spare(&self->rt));
	ASSERT_EQ(0, pthread_sigmask(SIG_BLOCK, &set, NULL));
	work(&self->rt, 1);
	EXPECT_TRUE(compute_until(LOAD(self->me->p) == TOLD));
	EXPECT_FALSE(compute_for(A_MOMENT, LOAD(signals)));
	sigemptyset(&pending);
	ASSERT_EQ(0, sigpending(&pending));
	EXPECT_EQ(0, sigismember(&pending, SIGURG));
	ASSERT_EQ(0, pthread_sigmask(SIG_UNBLOCK, &set, NULL));
	EXPECT_TRUE(compute_until(LOAD(signals)));
	work(&self->rt, 0);
}

/*
 * A read of zeros stops at once for a signal, and returns what it has.  One
 * that takes longer than a slice has the time of several ticks in it.
 */
TEST_F(hog, no_call_is_interrupted)
{
	size_t len = 16UL << 20;
	char *buf = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	__u64 end, in_call = 0, t;
	__u32 n;

	ASSERT_NE(MAP_FAILED, buf);
	ASSERT_LE(0, zero);
	ASSERT_TRUE(park_a_spare(&self->rt));
	work(&self->rt, 1);
	end = now_ns() + PATIENCE * 1000000000ULL;
	while (in_call < 10 * A_MOMENT && now_ns() < end) {
		n = LOAD(signals);
		t = now_ns();
		ASSERT_EQ((ssize_t)len, read(zero, buf, len));
		in_call += now_ns() - t;
		ASSERT_TRUE(compute_until(LOAD(signals) != n));
	}
	work(&self->rt, 0);
	EXPECT_LE(10 * A_MOMENT, in_call);
	EXPECT_EQ(0, LOAD(self->me->p) & ~TOLD);
}

/* It goes on without a P, and does not know; the signal says so. */
TEST_F(hog, one_that_has_lost_its_p_gets_the_signal)
{
	ASSERT_TRUE(park_a_spare(&self->rt));
	ASSERT_TRUE(park_a_spare(&self->rt));
	EXPECT_FALSE(compute_for(A_MOMENT, LOAD(signals)));
	work(&self->rt, 1);
	ASSERT_TRUE(until(LOAD(self->rt.r->nr_spare) == 1));
	work(&self->rt, 0);
	EXPECT_EQ(KGO_NONE, LOAD(self->me->p));
	EXPECT_TRUE(compute_until(LOAD(signals)));
	EXPECT_EQ(KGO_NONE, LOAD(self->me->p));
	/* One that gave it up may compute as long as it likes. */
	EXPECT_EQ(-ENXIO, enter(&self->rt, KGO_ENTER_RELEASE));
	STORE(signals, 0);
	EXPECT_FALSE(compute_for(A_MOMENT, LOAD(signals)));
}

/* To move to another CPU is to sleep, so nobody must wait for the P then. */
TEST_F(hog, it_is_told_wherever_it_runs)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;
	int i;

	for (i = 0; i < 3 * cpus; i++) {
		CPU_ZERO(&set);
		CPU_SET(i % cpus, &set);
		ASSERT_EQ(0, sched_setaffinity(0, sizeof(set), &set));
		clear_flag(self->me);
		work(&self->rt, 1);
		EXPECT_TRUE(compute_until(LOAD(self->me->p) == TOLD));
		work(&self->rt, 0);
	}
}

/* A timer is left behind by whoever goes: is it gone before its thread is? */
struct goer {
	struct rt *rt;
	int how;
};

static void *come_and_go(void *arg)
{
	struct goer *g = arg;
	int m = attach(g->rt);
	cpu_set_t set;

	if (m < 0 || enter_by(g->rt, KGO_ENTER_PARK_WANT, PATIENCE * 1000000000ULL))
		abort();
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (g->how & 1)
		sched_setaffinity(0, sizeof(set), &set);
	if (g->how & 2)
		compute_for(15000000, false);
	if (g->how & 4) {
		enter(g->rt, KGO_ENTER_RELEASE);
		detach(g->rt);
	}
	if (g->how & 8)
		compute_for(1000000, false);
	return NULL;
}

TEST(threads_come_and_go_with_their_timers)
{
	struct goer g[16];
	pthread_t t[16];
	struct rt rt;
	int i, k;

	ASSERT_EQ(0, open_rt(&rt, 4, KGO_FEAT_PREEMPT, SIGURG));
	for (k = 0; k < 4; k++) {
		for (i = 0; i < 16; i++) {
			g[i] = (struct goer){ &rt, i };
			ASSERT_EQ(0, pthread_create(&t[i], NULL, come_and_go, &g[i]));
		}
		for (i = 0; i < 16; i++)
			pthread_join(t[i], NULL);
		ASSERT_TRUE(until(!LOAD(rt.r->nr_want) && LOAD(rt.r->nr_avail) == 4));
	}
}

TEST(processes_are_killed_with_their_timers)
{
	char c;
	int fd[2], i;

	for (i = 0; i < 10; i++) {
		pid_t pid;

		ASSERT_EQ(0, pipe(fd));
		pid = fork();
		if (!pid) {
			struct rt rt;

			if (open_rt(&rt, 1, KGO_FEAT_PREEMPT, SIGURG) ||
			    attach(&rt) || enter(&rt, KGO_ENTER_ACQUIRE))
				_exit(1);
			work(&rt, 1);
			if (i & 1)
				compute_until(LOAD(mdesc(&rt, 0)->p) == TOLD);
			if (write(fd[1], "x", 1) != 1)
				_exit(2);
			/* Another program, in which it is no M any more. */
			if (i & 2)
				execl("/proc/self/exe", "preempt", "stay", NULL);
			for (;;)
				;
		}
		close(fd[1]);
		ASSERT_EQ(1, read(fd[0], &c, 1));
		if (i & 2)
			nap_us(20000);
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		close(fd[0]);
	}
}

static int stay(int argc UNUSED, char **argv UNUSED)
{
	while (!LOAD(signals))
		;
	return 0;
}

TEST_HARNESS_MAIN_OR(stay)
