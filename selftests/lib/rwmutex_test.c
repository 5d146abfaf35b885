// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * RWMutex: readers together, writers alone, and neither for ever.
 */
#include "lib_test.h"

struct shared {
	struct kgo_rwmutex rw;
	struct kgo_wg wg;
	int each;
	int activity;		/* 1 for each reader, 10000 for each writer */
	int wrong;
	int readers, writers;
	int order, reader_at, writer_at;
	long long plain;	/* written by writers, and not atomic on purpose */
	int go;
};

static void read_for_a_while(void *arg)
{
	struct shared *s = arg;

	kgo_rwmutex_rlock(&s->rw);
	ADD(s->readers, 1);
	while (!LOAD(s->go))
		kgo_yield();
	kgo_rwmutex_runlock(&s->rw);
}

static void parallel_readers(struct __test_metadata *_metadata, int n)
{
	struct shared s = { 0 };
	int i;

	for (i = 0; i < n; i++)
		EXPECT_EQ(0, kgo_wg_go(&s.wg, read_for_a_while, &s));
	/* None of them lets go before all are in. */
	yield_until(LOAD(s.readers) == n);
	EXPECT_FALSE(kgo_rwmutex_try_lock(&s.rw));
	STORE(s.go, 1);
	kgo_wg_wait(&s.wg);
	EXPECT_TRUE(kgo_rwmutex_try_lock(&s.rw));
	kgo_rwmutex_unlock(&s.rw);
}

GO_TEST(readers_are_in_together)
{
	parallel_readers(_metadata, 1);
	parallel_readers(_metadata, 3);
	parallel_readers(_metadata, 20);
}

static void reader(void *arg)
{
	struct shared *s = arg;
	long long seen;
	int i, n;

	for (i = 0; i < s->each; i++) {
		if (i % 5)
			kgo_rwmutex_rlock(&s->rw);
		else
			while (!kgo_rwmutex_try_rlock(&s->rw))
				kgo_yield();
		n = ADD(s->activity, 1);
		seen = s->plain;
		if (n < 1 || n >= 10000)
			ADD(s->wrong, 1);
		if (i % 7 == 0)
			kgo_yield();
		if (s->plain != seen)
			ADD(s->wrong, 1);
		ADD(s->activity, -1);
		kgo_rwmutex_runlock(&s->rw);
	}
}

static void writer(void *arg)
{
	struct shared *s = arg;
	int i, n;

	for (i = 0; i < s->each; i++) {
		if (i % 5)
			kgo_rwmutex_lock(&s->rw);
		else
			while (!kgo_rwmutex_try_lock(&s->rw))
				kgo_yield();
		n = ADD(s->activity, 10000);
		if (n != 10000)
			ADD(s->wrong, 1);
		s->plain++;
		if (i % 3 == 0)
			kgo_yield();
		ADD(s->activity, -10000);
		kgo_rwmutex_unlock(&s->rw);
	}
}

static void hammer(struct __test_metadata *_metadata, int readers)
{
	struct shared s = { .each = MANY(1000) };
	int i;

	EXPECT_EQ(0, kgo_wg_go(&s.wg, writer, &s));
	for (i = 0; i < readers / 2; i++)
		EXPECT_EQ(0, kgo_wg_go(&s.wg, reader, &s));
	EXPECT_EQ(0, kgo_wg_go(&s.wg, writer, &s));
	for (; i < readers; i++)
		EXPECT_EQ(0, kgo_wg_go(&s.wg, reader, &s));
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(0, s.wrong);
	EXPECT_EQ(0, s.activity);
	EXPECT_EQ(2LL * s.each, s.plain);
	EXPECT_EQ(0, s.rw.readers);
	EXPECT_EQ(0, s.rw.reader_wait);
	EXPECT_EQ(0, s.rw.w.state);
}

GO_TEST_PS(a_writer_is_alone_on_one_processor, 1)
{
	hammer(_metadata, 3);
	hammer(_metadata, 10);
}

GO_TEST_PS(a_writer_is_alone_on_four_processors, 4)
{
	hammer(_metadata, 1);
	hammer(_metadata, 10);
}

GO_TEST(a_writer_is_alone)
{
	hammer(_metadata, 5);
}

static void write_once(void *arg)
{
	struct shared *s = arg;

	kgo_rwmutex_lock(&s->rw);
	s->writer_at = ++s->order;
	kgo_rwmutex_unlock(&s->rw);
}

static void read_once(void *arg)
{
	struct shared *s = arg;

	kgo_rwmutex_rlock(&s->rw);
	STORE(s->reader_at, ADD(s->order, 1));
	kgo_rwmutex_runlock(&s->rw);
}

GO_TEST(a_writer_that_waits_keeps_new_readers_out)
{
	struct shared s = { 0 };

	kgo_rwmutex_rlock(&s.rw);
	EXPECT_EQ(0, kgo_wg_go(&s.wg, write_once, &s));
	yield_until(waiting("sync.RWMutex.Lock") == 1);
	EXPECT_FALSE(kgo_rwmutex_try_rlock(&s.rw));
	EXPECT_FALSE(kgo_rwmutex_try_lock(&s.rw));
	EXPECT_EQ(0, kgo_wg_go(&s.wg, read_once, &s));
	yield_until(waiting("sync.RWMutex.RLock") == 1);
	EXPECT_EQ(0, s.order);
	kgo_rwmutex_runlock(&s.rw);
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(1, s.writer_at);
	EXPECT_EQ(2, s.reader_at);
}

GO_TEST(readers_that_came_meanwhile_go_before_the_next_writer)
{
	struct shared s = { 0 };
	int i;

	kgo_rwmutex_lock(&s.rw);
	EXPECT_FALSE(kgo_rwmutex_try_rlock(&s.rw));
	EXPECT_EQ(0, kgo_wg_go(&s.wg, write_once, &s));
	yield_until(waiting("sync.Mutex.Lock") == 1);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, kgo_wg_go(&s.wg, read_once, &s));
	yield_until(waiting("sync.RWMutex.RLock") == 3);
	EXPECT_EQ(0, s.order);
	kgo_rwmutex_unlock(&s.rw);
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(4, s.writer_at);
}

static void unlock_for_another(void *arg)
{
	kgo_rwmutex_unlock(arg);
}

GO_TEST(another_goroutine_may_end_the_writing)
{
	struct shared s = { 0 };

	kgo_rwmutex_lock(&s.rw);
	EXPECT_EQ(0, kgo_wg_go(&s.wg, unlock_for_another, &s.rw));
	kgo_rwmutex_rlock(&s.rw);
	kgo_wg_wait(&s.wg);
	kgo_rwmutex_runlock(&s.rw);
	EXPECT_EQ(0, s.rw.readers);
}

static int misuse(void *arg)
{
	struct kgo_rwmutex rw = { 0 };

	switch ((int)(uintptr_t)arg) {
	case 0:
		kgo_rwmutex_unlock(&rw);
		break;
	case 1:
		kgo_rwmutex_rlock(&rw);
		kgo_rwmutex_unlock(&rw);
		break;
	case 2:
		kgo_rwmutex_runlock(&rw);
		break;
	case 3:
		kgo_rwmutex_lock(&rw);
		kgo_rwmutex_runlock(&rw);
		break;
	}
	return 0;
}

TEST(to_unlock_what_is_not_locked_is_fatal)
{
	struct ended e;
	uintptr_t i;

	for (i = 0; i < 4; i++) {
		run_child(&e, misuse, (void *)i);
		EXPECT_PANIC(e, i < 2 ? "fatal error: sync: Unlock of unlocked RWMutex" :
				"fatal error: sync: RUnlock of unlocked RWMutex");
	}
}

TEST_HARNESS_MAIN
