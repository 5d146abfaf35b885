// SPDX-License-Identifier: GPL-2.0
/*
 * Semaphores, Mutex, RWMutex, Cond, Once and WaitGroup, between goroutines of
 * the kernel.
 */
#include <linux/string.h>

#include "test.h"

struct shared {
	struct kgo_mutex mu;
	struct kgo_wg wg;
	struct kgo_rwmutex rw;
	struct kgo_cond cond;
	struct kgo_once once;
	u32 counter;		/* mu */
	u32 inside;		/* mu */
	u32 worst;		/* mu: most that were inside at one time */
	u32 sema;
	atomic_t order;
	atomic_t woken;
};

static void count_up(void *arg)
{
	struct shared *s = arg;
	u32 i, v;

	for (i = 0; i < 200; i++) {
		kgo_mutex_lock(&s->mu);
		if (++s->inside > s->worst)
			s->worst = s->inside;
		v = s->counter;
		if (i % 16 == 0)
			kgo_yield();
		if (i % 64 == 0)
			kgo_sleep(NSEC_PER_USEC);
		s->counter = v + 1;
		s->inside--;
		kgo_mutex_unlock(&s->mu);
	}
	kgo_wg_done(&s->wg);
}

KGO_TEST(mutex_lets_one_in)
{
	struct shared s = {};
	u32 i;

	for (i = 0; i < 16; i++) {
		kgo_wg_add(&s.wg, 1);
		KUNIT_EXPECT_EQ(test, kgo_go(count_up, &s), 0);
	}
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_EQ(test, s.counter, 16 * 200);
	KUNIT_EXPECT_EQ(test, s.worst, 1);
	KUNIT_EXPECT_EQ(test, s.mu.state, 0);
	KUNIT_EXPECT_EQ(test, s.mu.sema, 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

KGO_TEST(try_lock_takes_a_free_mutex)
{
	struct kgo_mutex mu = {};

	KUNIT_EXPECT_TRUE(test, kgo_mutex_try_lock(&mu));
	KUNIT_EXPECT_FALSE(test, kgo_mutex_try_lock(&mu));
	kgo_mutex_unlock(&mu);
	KUNIT_EXPECT_TRUE(test, kgo_mutex_try_lock(&mu));
	kgo_mutex_unlock(&mu);
}

KGO_TEST(unlock_of_an_unlocked_mutex_throws)
{
	struct kgo_mutex mu = {};

	kgo_test_catch_throws();
	kgo_mutex_unlock(&mu);
	KUNIT_EXPECT_EQ(test, kgo_test_throws(), 1);
}

static void hold_long(void *arg)
{
	struct shared *s = arg;

	kgo_mutex_lock(&s->mu);
	kgo_sleep(5 * NSEC_PER_MSEC);
	s->counter++;
	kgo_mutex_unlock(&s->mu);
	kgo_wg_done(&s->wg);
}

/* Who waited for long gets it by hand-over: all get through, nobody starves. */
KGO_TEST(starving_waiters_get_the_mutex)
{
	struct shared s = {};
	u32 i;

	for (i = 0; i < 10; i++) {
		kgo_wg_add(&s.wg, 1);
		KUNIT_EXPECT_EQ(test, kgo_go(hold_long, &s), 0);
	}
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_EQ(test, s.counter, 10);
	KUNIT_EXPECT_EQ(test, s.mu.state, 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static void wait_for_all(void *arg)
{
	struct shared *s = arg;

	kgo_wg_wait(&s->wg);
	atomic_inc(&s->woken);
}

KGO_TEST(wait_group_wakes_all_waiters_at_zero)
{
	struct shared s = {};
	u32 i;

	kgo_wg_wait(&s.wg);		/* zero already */
	kgo_wg_add(&s.wg, 3);
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_EQ(test, kgo_go(wait_for_all, &s), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(5, KGO_WAIT_WAITGROUP));
	kgo_wg_done(&s.wg);
	kgo_wg_add(&s.wg, -1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.woken), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(5, KGO_WAIT_WAITGROUP));
	kgo_wg_done(&s.wg);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, atomic_read(&s.woken), 5);
	KUNIT_EXPECT_EQ(test, s.wg.state, 0);

	/* And again. */
	kgo_wg_add(&s.wg, 1);
	KUNIT_EXPECT_EQ(test, kgo_go(wait_for_all, &s), 0);
	kgo_wg_done(&s.wg);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, atomic_read(&s.woken), 6);
}

static void acquire(void *arg)
{
	struct shared *s = arg;

	kgo_sema_acquire(&s->sema, KGO_WAIT_SEMACQUIRE, false);
	atomic_inc(&s->woken);
}

KGO_TEST(semaphore_lets_in_as_many_as_it_counts)
{
	struct shared s = { .sema = 2 };
	u32 i;

	for (i = 0; i < 6; i++)
		KUNIT_EXPECT_EQ(test, kgo_go(acquire, &s), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(4, KGO_WAIT_SEMACQUIRE));
	KUNIT_EXPECT_EQ(test, atomic_read(&s.woken), 2);
	for (i = 3; i <= 6; i++) {
		/* With and without handing the count over. */
		kgo_sema_release(&s.sema, i % 2);
		KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(6 - i, KGO_WAIT_SEMACQUIRE));
	}
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, atomic_read(&s.woken), 6);
	KUNIT_EXPECT_EQ(test, s.sema, 0);
}

static void read_or_write(void *arg)
{
	struct shared *s = arg;
	u32 i, v;

	for (i = 0; i < 100; i++) {
		if (i % 4) {
			kgo_rwmutex_rlock(&s->rw);
			v = READ_ONCE(s->counter);
			if (i % 16 == 1)
				kgo_sleep(NSEC_PER_USEC);
			if (READ_ONCE(s->counter) != v)
				atomic_inc(&s->woken);
			kgo_rwmutex_runlock(&s->rw);
		} else {
			kgo_rwmutex_lock(&s->rw);
			v = s->counter;
			if (i % 16 == 0)
				kgo_yield();
			WRITE_ONCE(s->counter, v + 1);
			kgo_rwmutex_unlock(&s->rw);
		}
	}
}

KGO_TEST(rwmutex_keeps_writers_apart)
{
	struct shared s = {};
	u32 i;

	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test, kgo_wg_go(&s.wg, read_or_write, &s), 0);
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_EQ(test, s.counter, 8 * 25);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.woken), 0);
	KUNIT_EXPECT_EQ(test, s.rw.readers, 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static void take_read_lock(void *arg)
{
	struct shared *s = arg;

	kgo_rwmutex_rlock(&s->rw);
	atomic_inc(&s->woken);
	kgo_rwmutex_runlock(&s->rw);
}

static void take_write_lock(void *arg)
{
	struct shared *s = arg;

	kgo_rwmutex_lock(&s->rw);
	atomic_inc(&s->order);
	kgo_rwmutex_unlock(&s->rw);
}

KGO_TEST(waiting_writer_keeps_readers_out)
{
	struct shared s = {};

	kgo_rwmutex_rlock(&s.rw);
	KUNIT_EXPECT_EQ(test, kgo_wg_go(&s.wg, take_write_lock, &s), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(1, KGO_WAIT_RWMUTEX_LOCK));
	KUNIT_EXPECT_FALSE(test, kgo_rwmutex_try_rlock(&s.rw));
	KUNIT_EXPECT_EQ(test, kgo_wg_go(&s.wg, take_read_lock, &s), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(1, KGO_WAIT_RWMUTEX_RLOCK));
	KUNIT_EXPECT_EQ(test, atomic_read(&s.order) + atomic_read(&s.woken), 0);
	kgo_rwmutex_runlock(&s.rw);
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.order), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.woken), 1);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static void wait_on_cond(void *arg)
{
	struct shared *s = arg;

	kgo_mutex_lock(&s->mu);
	kgo_cond_wait(&s->cond, &s->mu);
	s->counter++;
	kgo_mutex_unlock(&s->mu);
}

KGO_TEST(cond_wakes_one_or_all)
{
	struct shared s = {};
	u32 i;

	kgo_cond_signal(&s.cond);
	for (i = 0; i < 6; i++)
		KUNIT_EXPECT_EQ(test, kgo_wg_go(&s.wg, wait_on_cond, &s), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(6, KGO_WAIT_COND));
	kgo_cond_signal(&s.cond);
	kgo_cond_signal(&s.cond);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(4, KGO_WAIT_COND));
	kgo_cond_broadcast(&s.cond);
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_EQ(test, s.counter, 6);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static void slow_init(void *arg)
{
	struct shared *s = arg;

	kgo_sleep(NSEC_PER_MSEC);
	s->counter++;
}

static void init_once(void *arg)
{
	struct shared *s = arg;

	kgo_once_do(&s->once, slow_init, s);
	if (s->counter != 1)
		atomic_inc(&s->woken);
}

KGO_TEST(once_is_done_before_anybody_goes_on)
{
	struct shared s = {};
	u32 i;

	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test, kgo_wg_go(&s.wg, init_once, &s), 0);
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_EQ(test, s.counter, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.woken), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static void note_label(void *arg)
{
	struct shared *s = arg;

	kgo_sleep(NSEC_PER_USEC);
	if (!strcmp(kgo_label("name") ?: "", "worker"))
		atomic_inc(&s->order);
	atomic_inc(&s->woken);
}

static void note_label_last(void *arg, int ret)
{
	struct shared *s = arg;

	if (!ret && !strcmp(kgo_label("name") ?: "", "worker"))
		atomic_inc(&s->order);
	atomic_inc(&s->woken);
}

static void sleep_bare(void *arg)
{
	kgo_sleep_then(NSEC_PER_USEC, note_label_last, arg);
}

/* Without a stack: not when the body has returned, but when the last function has. */
KGO_TEST(wait_group_waits_for_those_with_attributes)
{
	const struct kgo_attr named = { .name = "worker" };
	const struct kgo_attr bare = {
		.name = "worker",
		.flags = KGO_ATTR_STACKLESS,
	};
	struct shared s = {};
	u32 i;

	for (i = 0; i < 20; i++) {
		KUNIT_EXPECT_EQ(test, kgo_wg_go_attr(&s.wg, note_label, &s, &named), 0);
		KUNIT_EXPECT_EQ(test, kgo_wg_go_attr(&s.wg, sleep_bare, &s, &bare), 0);
		KUNIT_EXPECT_EQ(test, kgo_wg_go_attr(&s.wg, note_label, &s, NULL), 0);
	}
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.woken), 60);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.order), 40);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

KGO_TEST(wait_group_starts_nothing_with_a_wrong_attribute)
{
	const struct kgo_attr wrong[] = {
		{ .flags = ~0U },
		{ .reserved = 1 },
		{ .flags = KGO_ATTR_STACKLESS, .stack_size = PAGE_SIZE },
		{ .nr_labels = 1 },
	};
	struct shared s = {};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		KUNIT_EXPECT_EQ_MSG(test, kgo_wg_go_attr(&s.wg, note_label, &s, &wrong[i]),
				    -EINVAL, "attribute %u", i);
		KUNIT_EXPECT_EQ(test, s.wg.state, 0);
	}
	kgo_wg_wait(&s.wg);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, atomic_read(&s.woken), 0);
}

static struct kunit_case sync_cases[] = {
	KUNIT_CASE(mutex_lets_one_in),
	KUNIT_CASE(try_lock_takes_a_free_mutex),
	KUNIT_CASE(unlock_of_an_unlocked_mutex_throws),
	KUNIT_CASE(starving_waiters_get_the_mutex),
	KUNIT_CASE(wait_group_wakes_all_waiters_at_zero),
	KUNIT_CASE(semaphore_lets_in_as_many_as_it_counts),
	KUNIT_CASE(rwmutex_keeps_writers_apart),
	KUNIT_CASE(waiting_writer_keeps_readers_out),
	KUNIT_CASE(cond_wakes_one_or_all),
	KUNIT_CASE(once_is_done_before_anybody_goes_on),
	KUNIT_CASE(wait_group_waits_for_those_with_attributes),
	KUNIT_CASE(wait_group_starts_nothing_with_a_wrong_attribute),
	{}
};

static struct kunit_suite sync_suite = {
	.name = "kgo_sync",
	.test_cases = sync_cases,
};

kunit_test_suite(sync_suite);
