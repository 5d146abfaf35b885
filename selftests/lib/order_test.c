// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What waiting orders: plain data, handed from one goroutine to another by
 * nothing but the primitive under test.
 *
 * Invariant: what goroutines share here is written and read without atomics,
 * so that an order which a primitive does not make is a data race.  Without
 * ThreadSanitizer these tests only see values that are wrong; with it, which
 * is what they are for, every access that was not ordered.  The first test
 * shows that it sees those of goroutines at all.
 *
 * order_task_test.c has those that start and end goroutines.
 */
#include "lib_test.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif

#define RELAXED(x)	__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define RELAX_ADD(x)	__atomic_add_fetch(&(x), 1, __ATOMIC_RELAXED)

static int plain, here;

static void write_beside(void *arg UNUSED)
{
	int i;

	/* They meet without an order, so both run, each on its thread. */
	RELAX_ADD(here);
	while (RELAXED(here) < 2)
		;
	for (i = 0; i < 1000; i++)
		plain++;
	RELAX_ADD(here);
}

static int race(void *arg UNUSED)
{
	kgo_go(write_beside, NULL);
	write_beside(NULL);
	while (RELAXED(here) < 4)
		kgo_yield();
	return 0;
}

TEST(a_race_between_goroutines_is_reported)
{
	static struct ended e;

#ifndef __SANITIZE_THREAD__
	SKIP(return, "without ThreadSanitizer");
#endif
	setenv("KGO_PROCS", "2", 1);
	run_child(&e, race, NULL);
	EXPECT_NE(NULL, strstr(e.err, "data race")) {
		TH_LOG("stderr: %s", e.err);
	}
	EXPECT_NE(NULL, strstr(e.err, "write_beside"));
}

#define USERS 6

/* What goroutines share.  What they cannot expect to find is counted. */
static struct {
	struct kgo_chan *c[2];
	struct kgo_mutex mu;
	struct kgo_rwmutex rw;
	struct kgo_cond more, less;
	struct kgo_semaphore sem;
	struct kgo_wg wg;
	int rounds;
	int a, b;		/* plain */
	int read[USERS];	/* plain: by each reader */
	int wrong;		/* atomic */
} s;

static void check(bool ok)
{
	if (!ok)
		ADD(s.wrong, 1);
}

/* Run @fn in USERS goroutines, each told its number. */
static void all_run(struct __test_metadata *_metadata, void (*fn)(void *), int rounds)
{
	long i;

	s.rounds = rounds;
	for (i = 0; i < USERS; i++)
		EXPECT_EQ(0, kgo_wg_go(&s.wg, fn, (void *)i));
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(0, s.wrong);
}

/* What is sent belongs to who receives it, who writes and frees it. */
struct parcel {
	int sum, part[3];
};

static struct parcel *pack(int i)
{
	struct parcel *p = malloc(sizeof(*p));

	if (!p)
		abort();
	p->part[0] = i;
	p->part[1] = 2 * i;
	p->part[2] = 3 * i;
	p->sum = 6 * i;
	return p;
}

static void unpack(struct parcel *p)
{
	check(p->sum == p->part[0] + p->part[1] + p->part[2]);
	memset(p, 0x5a, sizeof(*p));
	free(p);
}

/* Who has sent in vain still owns it. */
static bool send_somehow(struct kgo_chan *c, struct parcel *p, int i)
{
	struct kgo_case cs = KGO_SEND(c, &p);

	switch (i % 5) {
	case 0:
		return !kgo_chan_try_send(c, &p);
	case 1:
		return !kgo_chan_send_timeout(c, &p, 1000);
	case 2:
		return !kgo_select_timeout(&cs, 1, 1000);
	case 3:
		return !kgo_select_try(&cs, 1);
	default:
		return !kgo_chan_send(c, &p);
	}
}

static struct parcel *recv_somehow(struct kgo_chan *c, int i)
{
	struct parcel *p = NULL;
	struct kgo_case cs = KGO_RECV(c, &p);

	switch (i % 5) {
	case 0:
		kgo_chan_try_recv(c, &p);
		break;
	case 1:
		kgo_chan_recv_timeout(c, &p, 1000);
		break;
	case 2:
		kgo_select_timeout(&cs, 1, 1000);
		break;
	case 3:
		kgo_select_try(&cs, 1);
		break;
	default:
		kgo_chan_recv(c, &p);
		break;
	}
	return p;
}

static void send_or_receive(void *arg)
{
	struct parcel *p;
	int i, k = 0;

	for (i = 0; i < s.rounds; i++) {
		if ((long)arg % 2) {
			for (p = pack(i); !send_somehow(s.c[0], p, k++);) {
				/* It is the sender's as it was before. */
				p->part[0]++;
				p->sum++;
			}
		} else {
			while (!(p = recv_somehow(s.c[0], k++)))
				;
			unpack(p);
		}
	}
}

static void send_parcels(struct __test_metadata *_metadata, size_t cap)
{
	s.c[0] = kgo_chan_make(sizeof(struct parcel *), cap);
	all_run(_metadata, send_or_receive, MANY(5000));
	EXPECT_EQ(0, kgo_chan_len(s.c[0]));
	EXPECT_EQ(0, kgo_chan_free(s.c[0]));
}

GO_TEST_PS(what_is_sent_is_the_receivers, 4)
{
	send_parcels(_metadata, 0);
}

GO_TEST_PS(what_is_sent_by_a_buffer_is_the_receivers, 4)
{
	send_parcels(_metadata, 3);
}

/* In both directions at one time, on channels that others use likewise. */
static void select_both(void *arg UNUSED)
{
	struct parcel *out = pack(1), *in;
	int got = 0, sent = 0, i;

	while (got < s.rounds || sent < s.rounds) {
		struct kgo_case cs[4] = {
			KGO_SEND(sent < s.rounds ? s.c[0] : NULL, &out),
			KGO_RECV(got < s.rounds ? s.c[0] : NULL, &in),
			KGO_SEND(sent < s.rounds ? s.c[1] : NULL, &out),
			KGO_RECV(got < s.rounds ? s.c[1] : NULL, &in),
		};

		in = NULL;
		i = kgo_select(cs, 4);
		check(i >= 0 && i < 4);
		if (i % 2) {
			check(cs[i].ok);
			unpack(in);
			got++;
		} else {
			out = pack(++sent);
		}
	}
	unpack(out);
}

/* The last of them would wait for what only it could send. */
GO_TEST_PS(what_a_select_sends_is_the_receivers, 4)
{
	s.c[0] = kgo_chan_make(sizeof(struct parcel *), USERS);
	s.c[1] = kgo_chan_make(sizeof(struct parcel *), 0);
	all_run(_metadata, select_both, MANY(3000));
	EXPECT_EQ(0, kgo_chan_len(s.c[0]));
}

/*
 * A slot of a buffer is free again when the send that follows on it has
 * returned: a sender one message ahead of the buffer may write where the
 * receiver has read.
 */
#define CAP	3
#define SLOTS	(CAP + 2)
static int slot[SLOTS];

static void read_slots(void *arg UNUSED)
{
	int i, v;

	for (i = 0; i < s.rounds; i++) {
		check(kgo_chan_recv(s.c[0], &v) == 1 && v == i);
		check(slot[v % SLOTS] == v);
		slot[v % SLOTS] = -1;
	}
	/* Closed: what was written before that is seen. */
	check(kgo_chan_recv(s.c[0], &v) == 0);
	check(s.a == 7);
}

GO_TEST_PS(a_send_is_after_the_receive_that_made_room, 4)
{
	int i;

	s.c[0] = kgo_chan_make(sizeof(int), CAP);
	s.rounds = MANY(20000);
	EXPECT_EQ(0, kgo_wg_go(&s.wg, read_slots, NULL));
	for (i = 0; i < s.rounds; i++) {
		slot[i % SLOTS] = i;
		EXPECT_EQ(0, kgo_chan_send(s.c[0], &i));
	}
	s.a = 7;
	kgo_chan_close(s.c[0]);
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(0, s.wrong);
}

/* A buffer of one is a mutex, in Go's memory model too. */
static void count_by_chan(void *arg UNUSED)
{
	int i;

	for (i = 0; i < s.rounds; i++) {
		kgo_chan_send(s.c[0], NULL);
		s.a++;
		kgo_chan_recv(s.c[0], NULL);
	}
}

GO_TEST_PS(a_buffer_of_one_is_a_mutex, 4)
{
	s.c[0] = kgo_chan_make(0, 1);
	all_run(_metadata, count_by_chan, MANY(10000));
	EXPECT_EQ(USERS * s.rounds, s.a);
}

static void count_by_mutex(void *arg)
{
	int i;

	for (i = 0; i < s.rounds; i++) {
		if ((i + (long)arg) % 3)
			kgo_mutex_lock(&s.mu);
		else
			while (!kgo_mutex_try_lock(&s.mu))
				kgo_yield();
		check(s.a == s.b);
		s.a++;
		if (i % 64 == 0)
			kgo_yield();
		s.b++;
		kgo_mutex_unlock(&s.mu);
	}
}

GO_TEST_PS(a_mutex_orders_its_holders, 4)
{
	all_run(_metadata, count_by_mutex, MANY(20000));
	EXPECT_EQ(USERS * s.rounds, s.a);
}

/* Writers see what readers noted while they held it. */
static void read_and_write(void *arg)
{
	int i, k, sum, me = (int)(long)arg;

	for (i = 0; i < s.rounds; i++) {
		if ((i + me) % 4 == 0) {
			if (i % 8)
				kgo_rwmutex_lock(&s.rw);
			else
				while (!kgo_rwmutex_try_lock(&s.rw))
					kgo_yield();
			s.a++;
			for (k = sum = 0; k < USERS; k++)
				sum += s.read[k];
			check(sum <= USERS * s.rounds);
			s.b++;
			kgo_rwmutex_unlock(&s.rw);
			continue;
		}
		if (i % 8)
			kgo_rwmutex_rlock(&s.rw);
		else
			while (!kgo_rwmutex_try_rlock(&s.rw))
				kgo_yield();
		check(s.a == s.b);
		s.read[me]++;
		if (i % 64 == 1)
			kgo_yield();
		kgo_rwmutex_runlock(&s.rw);
	}
}

GO_TEST_PS(a_rwmutex_orders_readers_and_writers, 4)
{
	int k, sum = 0;

	all_run(_metadata, read_and_write, MANY(10000));
	for (k = 0; k < USERS; k++)
		sum += s.read[k];
	EXPECT_EQ(USERS * s.rounds, sum + s.a);
}

/* Half of them fill a box, the others empty it. */
static void fill_or_empty(void *arg)
{
	int i;

	for (i = 0; i < s.rounds; i++) {
		kgo_mutex_lock(&s.mu);
		if ((long)arg % 2) {
			while (s.a)
				kgo_cond_wait(&s.less, &s.mu);
			s.a = 1;
			s.b++;
		} else {
			while (!s.a)
				kgo_cond_wait(&s.more, &s.mu);
			s.a = 0;
			s.b--;
		}
		check(s.a == s.b);
		/* Also without the mutex, where it meets who is about to wait. */
		if (i % 2)
			kgo_mutex_unlock(&s.mu);
		if (i % 4 < 2)
			kgo_cond_broadcast((long)arg % 2 ? &s.more : &s.less);
		else
			kgo_cond_signal((long)arg % 2 ? &s.more : &s.less);
		if (i % 2 == 0)
			kgo_mutex_unlock(&s.mu);
	}
}

GO_TEST_PS(who_is_woken_by_a_cond_finds_what_was_changed, 4)
{
	all_run(_metadata, fill_or_empty, MANY(5000));
	EXPECT_EQ(0, s.a);
	EXPECT_EQ(0, s.b);
}

#define ONCES 2000
static struct kgo_once once[ONCES];
static int made[ONCES];

static void make_it(void *arg)
{
	*(int *)arg += 5;
}

static void do_once(void *arg UNUSED)
{
	int i;

	for (i = 0; i < s.rounds; i++) {
		kgo_once_do(&once[i], make_it, &made[i]);
		check(made[i] == 5);
	}
}

GO_TEST_PS(after_once_everybody_sees_what_it_made, 4)
{
	all_run(_metadata, do_once, MANY(ONCES));
}

/* Several wait, and each sees what all have done. */
static int did[4];

static void do_part(void *arg)
{
	(*(int *)arg)++;
}

static void wait_for_parts(void *arg)
{
	int k;

	kgo_wg_wait(&s.wg);
	for (k = 0; k < 4; k++)
		check(did[k] == s.rounds);
	kgo_wg_done(arg);
}

GO_TEST_PS(a_wait_sees_what_was_done, 4)
{
	struct kgo_wg waiters = { 0 };
	int i, k;

	for (i = 1; i <= MANY(3000); i++) {
		s.rounds = i;
		for (k = 0; k < 4; k++)
			EXPECT_EQ(0, kgo_wg_go(&s.wg, do_part, &did[k]));
		kgo_wg_add(&waiters, 3);
		for (k = 0; k < 3; k++)
			EXPECT_EQ(0, kgo_go(wait_for_parts, &waiters));
		kgo_wg_wait(&s.wg);
		for (k = 0; k < 4; k++)
			EXPECT_EQ(i, did[k]);
		kgo_wg_wait(&waiters);
	}
	EXPECT_EQ(0, s.wrong);
}

/* All of it to write, a part of it to read; some ask, and some give up. */
static void share_semaphore(void *arg)
{
	struct kgo_ctx *ctx = kgo_ctx_background();
	int i, me = (int)(long)arg, ret;
	long long n;

	for (i = 0; i < s.rounds; i++) {
		n = (i + me) % 3 ? 1 : USERS;
		if (i % 5 == 0) {
			ctx = kgo_ctx_with_timeout(kgo_ctx_background(), 1000);
			ret = kgo_semaphore_acquire(&s.sem, ctx, n);
			kgo_ctx_cancel(ctx, 0);
			kgo_ctx_put(ctx);
			if (ret)
				continue;
		} else if (i % 5 == 1) {
			while (!kgo_semaphore_try_acquire(&s.sem, n))
				kgo_yield();
		} else {
			kgo_semaphore_acquire(&s.sem, kgo_ctx_background(), n);
		}
		check(s.a == s.b);
		if (n > 1) {
			s.a += s.read[(me + 1) % USERS];
			s.b = s.a;
		} else {
			s.read[me]++;
		}
		kgo_semaphore_release(&s.sem, n);
	}
}

GO_TEST_PS(a_semaphore_orders_all_and_parts_of_it, 4)
{
	kgo_semaphore_init(&s.sem, USERS);
	all_run(_metadata, share_semaphore, MANY(5000));
	EXPECT_EQ(0, s.sem.used);
}

TEST_HARNESS_MAIN
