// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * 64 threads on 4 Ps do everything at random for a while (KGO_STRESS_SECONDS,
 * default 20), and the one promise that all else stands on is checked all the
 * time: a P never has two owners.
 *
 * A thread that believes it owns a P writes its own number into that P's word
 * of "owner", and must find a zero there; before it leaves the bracket it must
 * find its own number.  The bracket is in_sched, as the ABI asks for.
 */
#include "kgo_abi.h"

/* Longer than it is ever told to run, in "make check-soak". */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 1300

#define THREADS	64
#define PS	4

static struct rt rt;
static __u32 owner[PS];
static __u32 stop_all;
static unsigned long brackets, two_owners, bad_p, bad_ret, sleeps;

static void count(unsigned long *n)
{
	__atomic_add_fetch(n, 1, __ATOMIC_RELAXED);
}

struct hand {
	pthread_t t;
	__u32 m;
	__u64 rand;
	int pipe[2];
	int peer;		/* write end of another one's pipe */
};

static __u32 next(struct hand *h)
{
	h->rand ^= h->rand << 13;
	h->rand ^= h->rand >> 7;
	h->rand ^= h->rand << 17;
	return (__u32)(h->rand >> 32);
}

/* Touch the P, if there is one, as a runtime would. */
static bool use_p(struct hand *h)
{
	struct kgo_mdesc *m = mdesc(&rt, h->m);
	__u32 me = h->m + 1, p, i, seen;
	bool owns;

	STORE(m->in_sched, 1);
	__asm__ volatile("" ::: "memory");
	p = __atomic_load_n(&m->p, __ATOMIC_RELAXED);
	owns = p != KGO_NONE;
	if (owns && p >= PS) {
		count(&bad_p);
	} else if (owns) {
		seen = __atomic_exchange_n(&owner[p], me, __ATOMIC_SEQ_CST);
		if (seen)
			count(&two_owners);
		for (i = next(h) % 200; i; i--)
			__asm__ volatile("" ::: "memory");
		if (next(h) % 64 == 0)
			nap_us(next(h) % 300);	/* asleep, and still its own */
		seen = __atomic_exchange_n(&owner[p], 0, __ATOMIC_SEQ_CST);
		if (seen != me)
			count(&two_owners);
		count(&brackets);
	}
	__asm__ volatile("" ::: "memory");
	STORE(m->in_sched, 0);
	return owns;
}

static void expect(int ret, int a, int b, int c)
{
	if (ret != 0 && ret != a && ret != b && ret != c)
		count(&bad_ret);
}

static void *hand(void *arg)
{
	struct hand *h = arg;
	struct kgo_enter e;
	char c = 0;
	__u32 what;

	while (!LOAD(stop_all)) {
		use_p(h);
		what = next(h) % 16;
		switch (what) {
		case 0: case 1: case 2:
			/* Blocks in a system call, perhaps with a P. */
			count(&sleeps);
			nap_us(next(h) % 200);
			break;
		case 3:
			if (write(h->peer, &c, 1) < 0 && errno != EAGAIN)
				count(&bad_ret);
			break;
		case 4:
			if (write(h->peer, &c, 1) < 0 && errno != EAGAIN)
				count(&bad_ret);
			count(&sleeps);
			if (read(h->pipe[0], &c, 1) != 1)
				count(&bad_ret);
			break;
		case 5:
			sched_yield();
			break;
		case 6: case 7:
			expect(enter(&rt, KGO_ENTER_ACQUIRE), -EAGAIN, 0, 0);
			break;
		case 8:
			expect(enter(&rt, KGO_ENTER_RELEASE), -ENXIO, 0, 0);
			break;
		case 9:
			expect(enter(&rt, KGO_ENTER_WAKE), -EAGAIN, -ESRCH, 0);
			break;
		case 10: case 11:
			expect(enter_by(&rt, KGO_ENTER_PARK_WANT, next(h) % 3000000),
			       -ETIME, 0, 0);
			break;
		case 12: case 13:
			expect(enter_by(&rt, KGO_ENTER_PARK_SPARE, next(h) % 3000000),
			       -ETIME, 0, 0);
			break;
		case 14:
			what = next(h) % (THREADS + 2);
			expect(what == h->m ? 0 :
			       enter_full(&rt, &e, KGO_ENTER_RELEASE, KGO_ENTER_F_GIVE, what, 0),
			       -ENXIO, -EBUSY, -ESRCH);
			break;
		case 15:
			expect(enter_by(&rt, KGO_ENTER_PARK_BOUND, next(h) % 1000000),
			       -ETIME, 0, 0);
			work(&rt, next(h) % 2);
			break;
		}
	}
	return NULL;
}

static __u32 attached, go_on, rested, counted;

static void *life(void *arg)
{
	struct hand *h = arg;
	int ret = attach(&rt);

	h->m = (__u32)ret;
	__atomic_add_fetch(&attached, 1, __ATOMIC_SEQ_CST);
	while (!LOAD(go_on))
		nap_us(1000);
	if (ret < 0)
		return NULL;
	hand(h);
	/* From here on nobody blocks with a P, so that counters stand still. */
	STORE(mdesc(&rt, h->m)->in_sched, 1);
	__atomic_add_fetch(&rested, 1, __ATOMIC_SEQ_CST);
	while (!LOAD(counted))
		nap_us(1000);
	/* What it owns or was given is free again, and it can go. */
	if (LOAD(mdesc(&rt, h->m)->p) == KGO_NONE)
		enter(&rt, KGO_ENTER_ACQUIRE);
	if (LOAD(mdesc(&rt, h->m)->p) != KGO_NONE)
		expect(enter(&rt, KGO_ENTER_RELEASE), -ENXIO, 0, 0);
	/* A hand-off of a last moment can have come between. */
	while (detach(&rt) == -EBUSY)
		enter(&rt, KGO_ENTER_RELEASE);
	return NULL;
}

/* A line of the kernel's own counters. */
static __u64 stat_of(const char *name)
{
	char path[128], buf[4096], *s;

	snprintf(path, sizeof(path), "/sys/kernel/debug/kgo/%d.%llu/stats", getpid(),
		 (unsigned long long)rt.id);
	if (slurp(path, buf, sizeof(buf)) <= 0)
		return ~0ULL;
	for (s = strtok(buf, "\n"); s; s = strtok(NULL, "\n"))
		if (!strncmp(s, name, strlen(name)) && s[strlen(name)] == ' ')
			return strtoull(s + strlen(name), NULL, 10);
	return ~0ULL;
}

TEST(a_p_never_has_two_owners)
{
	static struct hand h[THREADS];
	const char *s = getenv("KGO_STRESS_SECONDS");
	unsigned int seconds = s ? (unsigned int)atoi(s) : 20, i, was = 0;
	int still = 0;
	__u64 end, blocks = 0, handoffs = 0;
	unsigned long last = 0;

	ASSERT_EQ(0, rt_open(&rt, PS, THREADS + 4));
	for (i = 0; i < THREADS; i++) {
		ASSERT_EQ(0, pipe2(h[i].pipe, O_CLOEXEC));
		ASSERT_EQ(0, fcntl(h[i].pipe[1], F_SETFL, O_NONBLOCK));
		h[i].rand = 0x9e3779b97f4a7c15ULL * (i + 1);
	}
	for (i = 0; i < THREADS; i++) {
		h[i].peer = h[(i + 1) % THREADS].pipe[1];
		ASSERT_EQ(0, pthread_create(&h[i].t, NULL, life, &h[i]));
	}
	ASSERT_TRUE(until(LOAD(attached) == THREADS));
	STORE(go_on, 1);

	for (end = now_ns() + seconds * 1000000000ULL; now_ns() < end;) {
		nap_us(1000000);
		/* It goes on, on whatever machine: no P was lost with all its wishes. */
		still = last == LOAD(brackets) ? still + 1 : 0;
		ASSERT_GT(PATIENCE, still) {
			TH_LOG("no P was used for a minute");
		}
		last = LOAD(brackets);
		if (++was % 5 == 0)
			printf("# %lu brackets, %lu sleeps\n", last, LOAD(sleeps));
		fflush(stdout);
	}
	STORE(stop_all, 1);
	/* Those that still read are let go. */
	for (i = 0; i < THREADS; i++)
		EXPECT_EQ(1, write(h[i].pipe[1], "x", 1) == 1 || errno == EAGAIN);
	/* All at rest: the threads' own counters and the kernel's must agree. */
	ASSERT_TRUE(until(LOAD(rested) == THREADS));
	for (i = 0; i < THREADS; i++) {
		blocks += LOAD(mdesc(&rt, h[i].m)->blocks);
		handoffs += LOAD(mdesc(&rt, h[i].m)->handoffs);
	}
	EXPECT_EQ(stat_of("blocks"), blocks);
	EXPECT_EQ(stat_of("handoffs"), handoffs);
	EXPECT_EQ(THREADS, stat_of("nr_ms"));
	STORE(counted, 1);
	for (i = 0; i < THREADS; i++)
		pthread_join(h[i].t, NULL);

	EXPECT_EQ(0, two_owners);
	EXPECT_EQ(0, bad_p);
	EXPECT_EQ(0, bad_ret);
	EXPECT_LT(0, brackets);
	EXPECT_LT(0, blocks);
	EXPECT_LT(0, handoffs);
	EXPECT_LE(handoffs, blocks);
	for (i = 0; i < PS; i++)
		EXPECT_EQ(0, owner[i]);

	/* Nothing was lost: every P can be had, each by one thread. */
	EXPECT_EQ(PS, LOAD(rt.r->nr_avail));
	EXPECT_EQ(0, LOAD(rt.r->nr_want));
	EXPECT_EQ(0, LOAD(rt.r->nr_spare));
}

static void *take_one(void *arg)
{
	__u32 *p = arg;
	int m = attach(&rt);

	STORE(mdesc(&rt, m)->in_sched, 1);
	*p = enter(&rt, KGO_ENTER_ACQUIRE) ? KGO_NONE : LOAD(mdesc(&rt, m)->p);
	__atomic_add_fetch(&attached, 1, __ATOMIC_SEQ_CST);
	while (!LOAD(go_on))
		nap_us(1000);
	return NULL;
}

/* Threads that die with a P, over and over: none is ever lost. */
TEST(ps_of_dying_threads_come_back)
{
	pthread_t t[PS];
	__u32 p[PS], seen, round, i;

	ASSERT_EQ(0, rt_open(&rt, PS, PS));
	for (round = 0; round < 50; round++) {
		STORE(attached, 0);
		STORE(go_on, 0);
		for (i = 0; i < PS; i++)
			ASSERT_EQ(0, pthread_create(&t[i], NULL, take_one, &p[i]));
		ASSERT_TRUE(until(LOAD(attached) == PS));
		for (seen = i = 0; i < PS; i++)
			if (p[i] < PS)
				seen |= 1U << p[i];
		EXPECT_EQ((1U << PS) - 1, seen);
		EXPECT_EQ(0, LOAD(rt.r->nr_avail));
		STORE(go_on, 1);
		for (i = 0; i < PS; i++)
			pthread_join(t[i], NULL);
		/* pthread_join() returns a little before the kernel buries them. */
		ASSERT_TRUE(until(LOAD(rt.r->nr_avail) == PS));
		for (i = 0; i < PS; i++)
			ASSERT_TRUE(until(!LOAD(mdesc(&rt, i)->tid)));
	}
}

TEST_HARNESS_MAIN
