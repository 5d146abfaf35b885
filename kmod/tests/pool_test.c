// SPDX-License-Identifier: GPL-2.0
/*
 * Pool, between goroutines of the kernel.
 */
#include "test.h"

struct shared {
	struct kgo_pool pool;
	struct kgo_wg wg;
	atomic_t made;
	atomic_t dropped;
	atomic_t twice;
};

static void *make_obj(void *arg)
{
	struct shared *s = arg;

	atomic_inc(&s->made);
	return kzalloc(sizeof(atomic_t), GFP_KERNEL);
}

static void drop_obj(void *obj, void *arg)
{
	struct shared *s = arg;

	atomic_inc(&s->dropped);
	kfree(obj);
}

static void use_objects(void *arg)
{
	struct shared *s = arg;
	atomic_t *obj;
	u32 i;

	for (i = 0; i < 200; i++) {
		obj = kgo_pool_get(&s->pool);
		if (!obj)
			continue;
		if (atomic_inc_return(obj) != 1)
			atomic_inc(&s->twice);
		if (i % 16 == 0)
			kgo_sleep(NSEC_PER_USEC);
		atomic_dec(obj);
		kgo_pool_put(&s->pool, obj);
		if (i % 64 == 0)
			kgo_pool_trim(&s->pool);
	}
}

KGO_TEST(object_has_one_owner_and_is_dropped_once)
{
	struct shared s = {
		.pool = { .make = make_obj, .drop = drop_obj },
	};
	u32 i;

	s.pool.arg = &s;
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test, kgo_wg_go(&s.wg, use_objects, &s), 0);
	kgo_wg_wait(&s.wg);
	kgo_pool_destroy(&s.pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.twice), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.made), atomic_read(&s.dropped));
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

KGO_TEST(what_is_not_used_goes_with_the_second_trim)
{
	struct shared s = {
		.pool = { .make = make_obj, .drop = drop_obj },
	};
	void *obj;

	s.pool.arg = &s;
	obj = kgo_pool_get(&s.pool);
	KUNIT_EXPECT_NOT_NULL(test, obj);
	kgo_pool_put(&s.pool, obj);
	kgo_pool_trim(&s.pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.dropped), 0);
	/* Used again it stays for longer. */
	KUNIT_EXPECT_PTR_EQ(test, kgo_pool_get(&s.pool), obj);
	kgo_pool_put(&s.pool, obj);
	kgo_pool_trim(&s.pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.dropped), 0);
	kgo_pool_trim(&s.pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.dropped), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.made), 1);
	kgo_pool_destroy(&s.pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.dropped), 1);
}

static struct kunit_case pool_cases[] = {
	KUNIT_CASE(object_has_one_owner_and_is_dropped_once),
	KUNIT_CASE(what_is_not_used_goes_with_the_second_trim),
	{}
};

static struct kunit_suite pool_suite = {
	.name = "kgo_pool",
	.test_cases = pool_cases,
};

kunit_test_suite(pool_suite);
