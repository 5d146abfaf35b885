// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Pool: each object has one owner, and none is lost.
 */
#include "lib_test.h"

#define PER_P	64	/* what a pool keeps for a processor */

struct obj {
	int owners;
	int used;
	char fill[48];
};

struct stats {
	int made, dropped;
};

static void *make_obj(void *arg)
{
	struct stats *st = arg;

	ADD(st->made, 1);
	return calloc(1, sizeof(struct obj));
}

static void drop_obj(void *obj, void *arg)
{
	struct stats *st = arg;

	ADD(st->dropped, 1);
	free(obj);
}

#define POOL(st)	{ .make = make_obj, .drop = drop_obj, .arg = (st) }

GO_TEST(an_empty_pool_makes_one_or_has_none)
{
	struct kgo_pool none;
	struct stats st = { 0 };
	struct kgo_pool p = POOL(&st);
	void *obj;

	memset(&none, 0, sizeof(none));
	EXPECT_EQ(NULL, kgo_pool_get(&none));
	kgo_pool_trim(&none);
	kgo_pool_destroy(&none);
	obj = kgo_pool_get(&p);
	EXPECT_NE(NULL, obj);
	EXPECT_EQ(1, st.made);
	kgo_pool_put(&p, NULL);
	kgo_pool_put(&p, obj);
	kgo_pool_destroy(&p);
	EXPECT_EQ(1, st.dropped);
}

GO_TEST_PS(what_was_put_last_is_got_first, 1)
{
	struct kgo_pool p;
	int v[8], i;

	memset(&p, 0, sizeof(p));
	for (i = 0; i < 8; i++)
		kgo_pool_put(&p, &v[i]);
	for (i = 8; i--;)
		EXPECT_EQ(&v[i], kgo_pool_get(&p));
	EXPECT_EQ(NULL, kgo_pool_get(&p));
	kgo_pool_destroy(&p);
}

GO_TEST_PS(it_keeps_a_bounded_number, 1)
{
	struct stats st = { 0 };
	struct kgo_pool p = POOL(&st);
	void *obj[PER_P + 36];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(obj); i++)
		obj[i] = kgo_pool_get(&p);
	EXPECT_EQ(ARRAY_SIZE(obj), st.made);
	for (i = 0; i < ARRAY_SIZE(obj); i++)
		kgo_pool_put(&p, obj[i]);
	EXPECT_EQ(36, st.dropped);
	for (i = 0; i < PER_P; i++)
		obj[i] = kgo_pool_get(&p);
	EXPECT_EQ(ARRAY_SIZE(obj), st.made);
	for (i = 0; i < PER_P; i++)
		kgo_pool_put(&p, obj[i]);
	EXPECT_EQ(36, st.dropped);
	kgo_pool_destroy(&p);
	EXPECT_EQ(st.made, st.dropped);
}

GO_TEST_PS(what_is_not_used_goes_with_the_second_trim, 1)
{
	struct stats st = { 0 };
	struct kgo_pool p = POOL(&st);
	void *obj[10];
	int i;

	for (i = 0; i < 10; i++)
		obj[i] = kgo_pool_get(&p);
	for (i = 0; i < 10; i++)
		kgo_pool_put(&p, obj[i]);
	kgo_pool_trim(&p);
	EXPECT_EQ(0, st.dropped);
	/* Still there to be got, and what is used comes through. */
	for (i = 0; i < 4; i++)
		obj[i] = kgo_pool_get(&p);
	EXPECT_EQ(10, st.made);
	for (i = 0; i < 4; i++)
		kgo_pool_put(&p, obj[i]);
	kgo_pool_trim(&p);
	EXPECT_EQ(6, st.dropped);
	for (i = 0; i < 4; i++)
		obj[i] = kgo_pool_get(&p);
	EXPECT_EQ(10, st.made);
	for (i = 0; i < 4; i++)
		kgo_pool_put(&p, obj[i]);
	kgo_pool_trim(&p);
	kgo_pool_trim(&p);
	EXPECT_EQ(10, st.dropped);
	kgo_pool_destroy(&p);
	EXPECT_EQ(10, st.dropped);
}

GO_TEST(a_pool_can_be_used_again_after_its_end)
{
	struct stats st = { 0 };
	struct kgo_pool p = POOL(&st);
	int i;

	for (i = 0; i < 3; i++) {
		kgo_pool_put(&p, kgo_pool_get(&p));
		kgo_pool_destroy(&p);
		EXPECT_EQ(i + 1, st.made);
		EXPECT_EQ(i + 1, st.dropped);
	}
}

struct stress {
	struct kgo_pool *p;
	int rounds, shared, stop;
};

static void use_objects(void *arg)
{
	struct stress *s = arg;
	struct obj *o[8];
	int i, k;

	for (i = 0; i < s->rounds; i++) {
		for (k = 0; k < 8; k++) {
			o[k] = kgo_pool_get(s->p);
			if (ADD(o[k]->owners, 1) != 1)
				ADD(s->shared, 1);
			o[k]->used++;
		}
		if (i % 32 == 0)
			kgo_yield();
		for (k = 0; k < 8; k++) {
			if (ADD(o[k]->owners, -1))
				ADD(s->shared, 1);
			kgo_pool_put(s->p, o[k]);
		}
	}
}

static void trim_always(void *arg)
{
	struct stress *s = arg;

	while (!LOAD(s->stop)) {
		kgo_pool_trim(s->p);
		kgo_yield();
	}
}

static void stress(struct __test_metadata *_metadata)
{
	struct stats st = { 0 };
	struct kgo_pool p = POOL(&st);
	struct stress s = { .p = &p, .rounds = MANY(4000) };
	struct kgo_wg users = { 0 }, trimmer = { 0 };
	int i;

	EXPECT_EQ(0, kgo_wg_go(&trimmer, trim_always, &s));
	for (i = 0; i < 10; i++)
		EXPECT_EQ(0, kgo_wg_go(&users, use_objects, &s));
	kgo_wg_wait(&users);
	STORE(s.stop, 1);
	kgo_wg_wait(&trimmer);
	EXPECT_EQ(0, s.shared);
	kgo_pool_destroy(&p);
	EXPECT_EQ(st.made, st.dropped);
	EXPECT_LE(8, st.made);
}

GO_TEST(an_object_has_one_owner)
{
	stress(_metadata);
}

GO_TEST_PS(an_object_has_one_owner_on_many_processors, 16)
{
	stress(_metadata);
}

/* The trim of another one waits in drop(): a stackless one does not wait for it. */
static struct {
	struct kgo_pool p;
	struct kgo_chan *gate;
	struct kgo_wg wg;
	int in_drop, trimmed;
} slow;

static void drop_slowly(void *obj, void *arg)
{
	(void)arg;
	STORE(slow.in_drop, 1);
	kgo_chan_recv(slow.gate, NULL);
	free(obj);
}

static void trim_twice(void *p)
{
	kgo_pool_trim(p);
	kgo_pool_trim(p);
	kgo_wg_done(&slow.wg);
}

static void trim_once(void *p)
{
	kgo_pool_trim(p);
	STORE(slow.trimmed, 1);
	kgo_wg_done(&slow.wg);
}

GO_TEST_PS(a_stackless_one_leaves_a_trim_to_who_is_at_it, 1)
{
	const struct kgo_attr attr = { .flags = KGO_ATTR_STACKLESS };

	slow.p.drop = drop_slowly;
	slow.gate = kgo_chan_make(0, 0);
	kgo_pool_put(&slow.p, malloc(1));
	kgo_wg_add(&slow.wg, 2);
	EXPECT_EQ(0, kgo_go(trim_twice, &slow.p));
	yield_until(LOAD(slow.in_drop));
	EXPECT_EQ(0, kgo_go_attr(trim_once, &slow.p, &attr));
	yield_until(LOAD(slow.trimmed));
	kgo_chan_close(slow.gate);
	kgo_wg_wait(&slow.wg);
	kgo_pool_destroy(&slow.p);
	kgo_chan_free(slow.gate);
}

/* One puts, another gets: what is on another processor is found as well. */
struct carry {
	struct kgo_pool *p;
	struct kgo_chan *c;
	int n;
};

static void put_all(void *arg)
{
	struct carry *c = arg;
	int i, v = 0;

	for (i = 0; i < c->n; i++) {
		kgo_pool_put(c->p, calloc(1, sizeof(struct obj)));
		kgo_chan_send(c->c, &v);
	}
}

GO_TEST_PS(it_finds_what_was_put_on_another_processor, 4)
{
	struct stats st = { 0 };
	struct kgo_pool p = POOL(&st);
	struct carry c = { .p = &p, .c = kgo_chan_make(sizeof(int), 0), .n = MANY(5000) };
	int i, v;

	EXPECT_EQ(0, kgo_go(put_all, &c));
	for (i = 0; i < c.n; i++) {
		EXPECT_EQ(1, kgo_chan_recv(c.c, &v));
		free(kgo_pool_get(&p));
	}
	EXPECT_EQ(0, st.made);
	yield_until(kgo_num_goroutine() == 1);
	kgo_pool_destroy(&p);
	kgo_chan_free(c.c);
}

TEST_HARNESS_MAIN
