// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Parking, giving and waking: who gets a P, in which order, and how a wait ends
 * that is not granted.
 */
#include "kgo_abi.h"

#include <sys/resource.h>

#define MANY 62

/* A thread that parks once, and what came of it. */
struct parker {
	struct rt *rt;
	pthread_t t;
	__u32 op;
	__u64 deadline;
	__u32 m;		/* its index, once attached: valid after ready */
	__u32 ready, go, done, leave;
	int ret;
	struct kgo_enter e;
	__u32 turn;		/* its place in the order of grants */
	__u32 *turns;
	clockid_t clock;
};

static void on_signal(int sig UNUSED)
{
}

static void *parker(void *arg)
{
	struct parker *p = arg;

	p->m = (__u32)attach(p->rt);
	/* It keeps what it is granted, though it naps. */
	STORE(mdesc(p->rt, p->m)->in_sched, 1);
	pthread_getcpuclockid(pthread_self(), &p->clock);
	STORE(p->ready, 1);
	while (!LOAD(p->go))
		nap_us(200);
	p->ret = enter_full(p->rt, &p->e, p->op, 0, 0, p->deadline);
	if (p->turns)
		p->turn = __atomic_add_fetch(p->turns, 1, __ATOMIC_SEQ_CST);
	STORE(p->done, 1);
	while (!LOAD(p->leave))
		nap_us(200);
	if (LOAD(mdesc(p->rt, p->m)->p) != KGO_NONE)
		enter(p->rt, KGO_ENTER_RELEASE);
	detach(p->rt);
	return NULL;
}

/* Start one, attached; it parks when told to. */
static bool start(struct parker *p, struct rt *rt, __u32 op)
{
	memset(p, 0, sizeof(*p));
	p->rt = rt;
	p->op = op;
	p->ret = (int)POISON;
	return !pthread_create(&p->t, NULL, parker, p) && until(LOAD(p->ready));
}

/* Let it park, and wait until it does: asleep in the kernel. */
static bool park(struct parker *p)
{
	pid_t t = (pid_t)LOAD(mdesc(p->rt, p->m)->tid);

	STORE(p->go, 1);
	return until(LOAD(p->done) || sleeps_in(getpid(), t, SYS_ioctl));
}

static void finish(struct parker *p)
{
	STORE(p->go, 1);
	STORE(p->leave, 1);
	pthread_join(p->t, NULL);
}

FIXTURE(one) {
	struct rt rt;		/* one P, which the main thread owns */
	struct parker a, b;
};

FIXTURE_SETUP(one)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &sa, NULL);
	ASSERT_EQ(0, rt_open(&self->rt, 1, MANY + 2));
	ASSERT_EQ(0, attach(&self->rt));
	ASSERT_EQ(0, enter(&self->rt, KGO_ENTER_ACQUIRE));
	/* From here on this thread is "inside the runtime": it keeps its P. */
	STORE(mdesc(&self->rt, 0)->in_sched, 1);
}

FIXTURE_TEARDOWN(one)
{
	close(self->rt.fd);
}

TEST_F(one, acquire_takes_and_keeps)
{
	struct kgo_enter e;

	EXPECT_EQ(0, enter_full(&self->rt, &e, KGO_ENTER_ACQUIRE, 0, 0, 0));
	EXPECT_EQ(0, e.p);
	EXPECT_EQ(0, e.result);
	EXPECT_EQ(0, enter_full(&self->rt, &e, KGO_ENTER_PARK_WANT, 0, 0, 0));
	EXPECT_EQ(0, e.p);
	EXPECT_EQ(0, enter_full(&self->rt, &e, KGO_ENTER_RELEASE, 0, 0, 0));
	EXPECT_EQ(KGO_NONE, e.p);
	EXPECT_EQ(0, e.result);
	EXPECT_EQ(1, LOAD(self->rt.r->nr_avail));
	EXPECT_EQ(KGO_NONE, LOAD(mdesc(&self->rt, 0)->p));
}

TEST_F(one, release_goes_to_who_wants)
{
	ASSERT_TRUE(start(&self->a, &self->rt, KGO_ENTER_PARK_WANT));
	ASSERT_TRUE(park(&self->a));
	EXPECT_EQ(1, LOAD(self->rt.r->nr_want));
	EXPECT_EQ(0, enter(&self->rt, KGO_ENTER_RELEASE));
	/* It is granted in the very call, not when the other gets to run. */
	EXPECT_EQ(0, LOAD(self->rt.r->nr_want));
	EXPECT_EQ(0, LOAD(self->rt.r->nr_avail));
	EXPECT_EQ(-EAGAIN, enter(&self->rt, KGO_ENTER_ACQUIRE));
	EXPECT_TRUE(until(LOAD(self->a.done)));
	EXPECT_EQ(0, self->a.ret);
	EXPECT_EQ(0, self->a.e.p);
	EXPECT_EQ(0, self->a.e.result);
	finish(&self->a);
	EXPECT_EQ(0, enter(&self->rt, KGO_ENTER_ACQUIRE));
}

TEST_F(one, a_wanting_thread_comes_before_a_spare_one)
{
	ASSERT_TRUE(start(&self->a, &self->rt, KGO_ENTER_PARK_SPARE));
	ASSERT_TRUE(start(&self->b, &self->rt, KGO_ENTER_PARK_WANT));
	ASSERT_TRUE(park(&self->a));
	ASSERT_TRUE(park(&self->b));
	work(&self->rt, 1);	/* a spare would be of use, too */
	EXPECT_EQ(0, enter(&self->rt, KGO_ENTER_RELEASE));
	EXPECT_TRUE(until(LOAD(self->b.done)));
	EXPECT_EQ(0, self->b.ret);
	EXPECT_EQ(0, LOAD(self->a.done));
	EXPECT_EQ(1, LOAD(self->rt.r->nr_spare));
	work(&self->rt, 0);
	finish(&self->b);
	EXPECT_EQ(0, LOAD(self->a.done));
	EXPECT_EQ(KGO_ENTER_R_WAKE, ({
		struct kgo_enter e;

		EXPECT_EQ(0, enter_full(&self->rt, &e, KGO_ENTER_WAKE, 0, 0, 0));
		e.result;
	}));
	EXPECT_TRUE(until(LOAD(self->a.done)));
	EXPECT_EQ(0, self->a.ret);
	EXPECT_EQ(KGO_ENTER_R_WAKE, self->a.e.result);
	finish(&self->a);
}

TEST_F(one, a_blocked_threads_p_goes_to_who_wants_it_even_without_work)
{
	ASSERT_TRUE(start(&self->a, &self->rt, KGO_ENTER_PARK_WANT));
	ASSERT_TRUE(park(&self->a));
	STORE(mdesc(&self->rt, 0)->in_sched, 0);
	EXPECT_TRUE(until(LOAD(self->a.done)));
	EXPECT_EQ(0, self->a.ret);
	EXPECT_EQ(KGO_NONE, LOAD(mdesc(&self->rt, 0)->p));
	finish(&self->a);
}

TEST_F(one, wake_says_why_it_did_not)
{
	struct kgo_enter e;

	EXPECT_EQ(-ESRCH, enter_full(&self->rt, &e, KGO_ENTER_WAKE, 0, 0, 0));
	EXPECT_EQ(0, e.p);
	EXPECT_EQ(0, e.result);
	ASSERT_TRUE(start(&self->a, &self->rt, KGO_ENTER_PARK_SPARE));
	ASSERT_TRUE(park(&self->a));
	EXPECT_EQ(-EAGAIN, enter_full(&self->rt, &e, KGO_ENTER_WAKE, 0, 0, 0));
	EXPECT_EQ(0, LOAD(self->a.done));
	EXPECT_EQ(0, enter(&self->rt, KGO_ENTER_RELEASE));
	EXPECT_EQ(0, LOAD(self->a.done));
	EXPECT_EQ(0, enter(&self->rt, KGO_ENTER_WAKE));
	EXPECT_TRUE(until(LOAD(self->a.done)));
	finish(&self->a);
}

TEST_F(one, spare_returns_at_once_if_work_waits)
{
	struct kgo_enter e;

	work(&self->rt, 1);
	EXPECT_EQ(0, enter_full(&self->rt, &e, KGO_ENTER_PARK_SPARE, 0, 0, 0));
	EXPECT_EQ(0, e.p);
	EXPECT_EQ(0, LOAD(self->rt.r->nr_spare));
	/* Not if somebody looks for work already; and then not by itself. */
	STORE(self->rt.r->nr_spinning, 1);
	EXPECT_EQ(-ETIME, enter_full(&self->rt, &e, KGO_ENTER_PARK_SPARE, 0, 0,
				     now_ns() + 20000000));
	EXPECT_EQ(KGO_NONE, e.p);
	EXPECT_EQ(1, LOAD(self->rt.r->nr_avail));
}

TEST_F(one, give_to_a_parked_thread)
{
	struct kgo_enter e;

	ASSERT_TRUE(start(&self->a, &self->rt, KGO_ENTER_PARK_BOUND));
	ASSERT_TRUE(park(&self->a));
	EXPECT_EQ(0, enter_full(&self->rt, &e, KGO_ENTER_RELEASE, KGO_ENTER_F_GIVE,
				self->a.m, 0));
	EXPECT_EQ(KGO_NONE, e.p);
	EXPECT_TRUE(until(LOAD(self->a.done)));
	EXPECT_EQ(0, self->a.ret);
	EXPECT_EQ(0, self->a.e.p);
	EXPECT_EQ(0, self->a.e.result);
	finish(&self->a);
}

TEST_F(one, give_before_the_target_parks_is_not_lost)
{
	ASSERT_TRUE(start(&self->a, &self->rt, KGO_ENTER_PARK_BOUND));
	EXPECT_EQ(0, give(&self->rt, KGO_ENTER_RELEASE, self->a.m));
	/* Reserved for it: nobody else can have it, nor does the record say so. */
	EXPECT_EQ(-EAGAIN, enter(&self->rt, KGO_ENTER_ACQUIRE));
	EXPECT_EQ(KGO_NONE, LOAD(mdesc(&self->rt, self->a.m)->p));
	STORE(self->a.go, 1);
	EXPECT_TRUE(until(LOAD(self->a.done)));
	EXPECT_EQ(0, self->a.ret);
	EXPECT_EQ(0, self->a.e.p);
	finish(&self->a);
	EXPECT_EQ(0, enter(&self->rt, KGO_ENTER_ACQUIRE));
}

TEST_F(one, a_given_p_of_a_thread_that_leaves_is_free_again)
{
	ASSERT_TRUE(start(&self->a, &self->rt, KGO_ENTER_ACQUIRE));
	EXPECT_EQ(0, give(&self->rt, KGO_ENTER_RELEASE, self->a.m));
	EXPECT_EQ(-EAGAIN, enter(&self->rt, KGO_ENTER_ACQUIRE));
	finish(&self->a);	/* ACQUIRE finds what was given, then it leaves */
	EXPECT_EQ(0, self->a.ret);
	EXPECT_EQ(0, self->a.e.p);
	EXPECT_EQ(0, enter(&self->rt, KGO_ENTER_ACQUIRE));
}

FIXTURE(two) {
	struct rt rt;
	struct parker a, b;
};

FIXTURE_SETUP(two)
{
	ASSERT_EQ(0, rt_open(&self->rt, 2, 8));
	ASSERT_EQ(0, attach(&self->rt));
	ASSERT_EQ(0, enter(&self->rt, KGO_ENTER_ACQUIRE));
	STORE(mdesc(&self->rt, 0)->in_sched, 1);
}

FIXTURE_TEARDOWN(two)
{
	close(self->rt.fd);
}

TEST_F(two, a_second_gift_is_refused_and_the_giver_keeps_its_p)
{
	struct kgo_enter e;

	ASSERT_TRUE(start(&self->a, &self->rt, KGO_ENTER_PARK_BOUND));
	EXPECT_EQ(0, give(&self->rt, KGO_ENTER_RELEASE, self->a.m));
	EXPECT_EQ(0, enter(&self->rt, KGO_ENTER_ACQUIRE));
	EXPECT_EQ(-EBUSY, enter_full(&self->rt, &e, KGO_ENTER_RELEASE,
				     KGO_ENTER_F_GIVE, self->a.m, 0));
	EXPECT_NE(KGO_NONE, e.p);
	EXPECT_EQ(e.p, LOAD(mdesc(&self->rt, 0)->p));
	EXPECT_EQ(-EBUSY, give(&self->rt, KGO_ENTER_PARK_SPARE, self->a.m));
	EXPECT_EQ(-EBUSY, give(&self->rt, KGO_ENTER_PARK_BOUND, self->a.m));
	EXPECT_EQ(e.p, LOAD(mdesc(&self->rt, 0)->p));
	STORE(self->a.go, 1);
	EXPECT_TRUE(until(LOAD(self->a.done)));
	EXPECT_NE(e.p, self->a.e.p);
	finish(&self->a);
}

TEST_F(two, a_wanting_thread_takes_a_free_p_at_once)
{
	ASSERT_TRUE(start(&self->a, &self->rt, KGO_ENTER_PARK_WANT));
	STORE(self->a.go, 1);
	EXPECT_TRUE(until(LOAD(self->a.done)));
	EXPECT_EQ(0, self->a.ret);
	EXPECT_NE(KGO_NONE, self->a.e.p);
	EXPECT_NE(LOAD(mdesc(&self->rt, 0)->p), self->a.e.p);
	finish(&self->a);
}

TEST_F(one, a_deadline_ends_every_kind_of_park_without_a_p)
{
	__u32 op;

	for (op = KGO_ENTER_PARK_WANT; op <= KGO_ENTER_PARK_BOUND; op++) {
		ASSERT_TRUE(start(&self->a, &self->rt, op));
		self->a.deadline = now_ns() + 30000000;
		STORE(self->a.go, 1);
		EXPECT_TRUE(until(LOAD(self->a.done)));
		EXPECT_EQ(-ETIME, self->a.ret);
		EXPECT_LE(self->a.deadline, now_ns());
		EXPECT_EQ(KGO_NONE, self->a.e.p);
		EXPECT_EQ(0, self->a.e.result);
		EXPECT_EQ(KGO_NONE, LOAD(mdesc(&self->rt, self->a.m)->p));
		EXPECT_EQ(0, LOAD(self->rt.r->nr_want));
		EXPECT_EQ(0, LOAD(self->rt.r->nr_spare));
		finish(&self->a);
	}
	/* One that has passed already, too. */
	EXPECT_EQ(0, enter(&self->rt, KGO_ENTER_RELEASE));
	EXPECT_EQ(-ETIME, enter_by(&self->rt, KGO_ENTER_PARK_SPARE, 0));
}

TEST_F(one, a_signal_ends_every_kind_of_park_without_a_p)
{
	__u32 op;

	for (op = KGO_ENTER_PARK_WANT; op <= KGO_ENTER_PARK_BOUND; op++) {
		ASSERT_TRUE(start(&self->a, &self->rt, op));
		ASSERT_TRUE(park(&self->a));
		pthread_kill(self->a.t, SIGUSR1);
		EXPECT_TRUE(until(LOAD(self->a.done)));
		EXPECT_EQ(-EINTR, self->a.ret);
		EXPECT_EQ(KGO_NONE, self->a.e.p);
		EXPECT_EQ(0, self->a.e.result);
		EXPECT_EQ(0, LOAD(self->rt.r->nr_want));
		EXPECT_EQ(0, LOAD(self->rt.r->nr_spare));
		finish(&self->a);
	}
}

TEST_F(one, who_wants_is_served_first_come_first_served)
{
	struct parker *p = calloc(MANY, sizeof(*p));
	struct rt *rt = &self->rt;
	__u32 turns = 0;
	__u32 i;

	for (i = 0; i < MANY; i++) {
		ASSERT_TRUE(start(&p[i], rt, KGO_ENTER_PARK_WANT));
		p[i].turns = &turns;
	}
	for (i = 0; i < MANY; i++) {
		STORE(p[i].go, 1);
		ASSERT_TRUE(until(LOAD(rt->r->nr_want) == i + 1));
	}
	EXPECT_EQ(0, enter(rt, KGO_ENTER_RELEASE));
	for (i = 0; i < MANY; i++) {
		/* Only the next in the row has it, and gives it up when told to. */
		EXPECT_TRUE(until(LOAD(p[i].done)));
		EXPECT_EQ(i + 1, p[i].turn);
		EXPECT_EQ(0, p[i].ret);
		EXPECT_EQ(MANY - 1 - i, LOAD(rt->r->nr_want));
		finish(&p[i]);
	}
	EXPECT_EQ(1, LOAD(rt->r->nr_avail));
	free(p);
}

/*
 * A parked thread sleeps: over a second it uses none of the CPU, compared with
 * one that does not sleep.  No absolute figures, so it holds under emulation.
 */
TEST_F(one, parked_threads_use_no_cpu)
{
	static const __u32 ops[] = { KGO_ENTER_PARK_WANT, KGO_ENTER_PARK_SPARE,
				     KGO_ENTER_PARK_BOUND };
	struct parker p[6];
	struct timespec before[6], after, mine0, mine;
	__u64 parked = 0, busy, end;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(p); i++) {
		ASSERT_TRUE(start(&p[i], &self->rt, ops[i % 3]));
		ASSERT_TRUE(park(&p[i]));
	}
	for (i = 0; i < ARRAY_SIZE(p); i++)
		ASSERT_EQ(0, clock_gettime(p[i].clock, &before[i]));
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &mine0);
	for (end = now_ns() + 1000000000; now_ns() < end;)
		;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &mine);
	for (i = 0; i < ARRAY_SIZE(p); i++) {
		clock_gettime(p[i].clock, &after);
		parked += (__u64)(after.tv_sec - before[i].tv_sec) * 1000000000ULL +
			  (__u64)(after.tv_nsec - before[i].tv_nsec);
		EXPECT_EQ(0, LOAD(p[i].done));
	}
	busy = (__u64)(mine.tv_sec - mine0.tv_sec) * 1000000000ULL +
	       (__u64)(mine.tv_nsec - mine0.tv_nsec);
	EXPECT_LT(parked * 100, busy);
}

TEST_HARNESS_MAIN
