// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Singleflight: one call for all who want the same at one time.
 */
#include "lib_test.h"

#define N	20

struct shared {
	struct kgo_flight f;
	struct kgo_wg wg;
	int calls, begun, go;
	int wrong, shared;
	int err;
	char key[8];
	size_t len;
};

static int answer(void *arg, void **val)
{
	struct shared *s = arg;

	ADD(s->calls, 1);
	*val = &s->calls;
	return s->err;
}

GO_TEST(a_call_gives_what_its_function_gives)
{
	struct shared s = { 0 };
	struct kgo_flight_result res;
	int i;

	for (i = 0; i < 3; i++) {
		memset(&res, 0xa5, sizeof(res));
		s.err = i == 1 ? -EIO : 0;
		EXPECT_EQ(s.err, kgo_flight_do(&s.f, "key", 3, answer, &s, &res));
		EXPECT_EQ(s.err, res.err);
		EXPECT_EQ(&s.calls, res.val);
		EXPECT_FALSE(res.shared);
		/* One after the other: each is a call of its own. */
		EXPECT_EQ(i + 1, s.calls);
	}
	EXPECT_EQ(0, kgo_flight_do(&s.f, NULL, 0, answer, &s, NULL));
	EXPECT_EQ(NULL, s.f.calls);
}

static int slow_answer(void *arg, void **val)
{
	struct shared *s = arg;

	ADD(s->calls, 1);
	ADD(s->begun, 1);
	while (!LOAD(s->go))
		kgo_yield();
	*val = s;
	return s->err;
}

static void want(void *arg)
{
	struct shared *s = arg;
	struct kgo_flight_result res;

	memset(&res, 0xa5, sizeof(res));
	if (kgo_flight_do(&s->f, "key", 3, slow_answer, s, &res) != s->err ||
	    res.err != s->err || res.val != s)
		ADD(s->wrong, 1);
	ADD(s->shared, res.shared);
}

static void together(struct __test_metadata *_metadata, int err)
{
	struct shared s = { .err = err };
	int i;

	for (i = 0; i < N; i++)
		EXPECT_EQ(0, kgo_wg_go(&s.wg, want, &s));
	yield_until(waiting("sync.WaitGroup.Wait") == N - 1);
	EXPECT_EQ(1, LOAD(s.calls));
	STORE(s.go, 1);
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(1, s.calls);
	EXPECT_EQ(0, s.wrong);
	EXPECT_EQ(N, s.shared);
	EXPECT_EQ(NULL, s.f.calls);
}

GO_TEST(all_who_come_meanwhile_share_one_call)
{
	together(_metadata, 0);
}

GO_TEST(they_share_its_error_as_well)
{
	together(_metadata, -ENOENT);
}

static void want_own_key(void *arg)
{
	struct shared *s = arg;
	struct kgo_flight_result res;
	int k = ADD(s->begun, 1);

	kgo_flight_do(&s->f, &k, sizeof(k), slow_answer, s, &res);
	ADD(s->shared, res.shared);
}

GO_TEST(other_keys_are_other_calls)
{
	struct shared s = { 0 };
	int i;

	/* Each counts itself once, and once more in its own call. */
	for (i = 0; i < 1000; i++)
		EXPECT_EQ(0, kgo_wg_go(&s.wg, want_own_key, &s));
	yield_until(LOAD(s.calls) == 1000);
	STORE(s.go, 1);
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(1000, s.calls);
	EXPECT_EQ(0, s.shared);
	EXPECT_EQ(NULL, s.f.calls);
}

struct keyed {
	struct shared *s;
	const char *key;
	size_t len;
};

static void want_key(void *arg)
{
	struct keyed *k = arg;

	kgo_flight_do(&k->s->f, k->key, k->len, slow_answer, k->s, NULL);
}

GO_TEST(a_key_is_bytes_of_a_length)
{
	static const char bytes[] = "a\0b";
	struct shared s = { 0 };
	struct keyed k[] = {
		{ &s, bytes, 0 }, { &s, bytes, 1 }, { &s, bytes, 2 },
		{ &s, bytes, 3 }, { &s, bytes + 2, 1 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(k); i++)
		EXPECT_EQ(0, kgo_wg_go(&s.wg, want_key, &k[i]));
	yield_until(LOAD(s.calls) == ARRAY_SIZE(k));
	STORE(s.go, 1);
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(ARRAY_SIZE(k), s.calls);
}

GO_TEST(what_is_forgotten_is_called_again)
{
	struct shared old = { 0 };
	struct kgo_flight_result res;

	EXPECT_EQ(0, kgo_wg_go(&old.wg, want, &old));
	yield_until(LOAD(old.begun) == 1);
	EXPECT_EQ(0, kgo_wg_go(&old.wg, want, &old));
	yield_until(waiting("sync.WaitGroup.Wait") == 1);
	kgo_flight_forget(&old.f, "other", 5);
	kgo_flight_forget(&old.f, "key", 3);
	kgo_flight_forget(&old.f, "key", 3);
	EXPECT_EQ(0, kgo_flight_do(&old.f, "key", 3, answer, &old, &res));
	EXPECT_EQ(2, old.calls);
	EXPECT_FALSE(res.shared);
	/* Who was there before still gets the old one. */
	EXPECT_EQ(1, waiting("sync.WaitGroup.Wait"));
	STORE(old.go, 1);
	kgo_wg_wait(&old.wg);
	EXPECT_EQ(0, old.wrong);
	EXPECT_EQ(2, old.shared);
	EXPECT_EQ(NULL, old.f.calls);
}

GO_TEST(the_end_of_a_forgotten_call_leaves_the_new_one_alone)
{
	struct shared old = { 0 }, new = { 0 };
	struct keyed k = { &new, "key", 3 };

	EXPECT_EQ(0, kgo_wg_go(&old.wg, want, &old));
	yield_until(LOAD(old.begun) == 1);
	kgo_flight_forget(&old.f, "key", 3);
	new.f = old.f;
	EXPECT_EQ(NULL, old.f.calls);
	EXPECT_EQ(0, kgo_wg_go(&new.wg, want_key, &k));
	yield_until(LOAD(new.begun) == 1);
	STORE(old.go, 1);
	kgo_wg_wait(&old.wg);
	EXPECT_NE(NULL, new.f.calls);
	STORE(new.go, 1);
	kgo_wg_wait(&new.wg);
	EXPECT_EQ(NULL, new.f.calls);
}

GO_TEST(results_come_by_channel_to_those_who_do_not_wait)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(struct kgo_flight_result), N);
	struct shared s = { .err = -EIO };
	struct kgo_flight_result res;
	int i;

	for (i = 0; i < N; i++) {
		char key[] = "key";

		EXPECT_EQ(0, kgo_flight_do_chan(&s.f, key, 3, slow_answer, &s, c));
		/* The key is theirs by now. */
		memset(key, 0xa5, sizeof(key));
	}
	EXPECT_EQ(0, kgo_wg_go(&s.wg, want, &s));
	yield_until(waiting("sync.WaitGroup.Wait") == 1 && LOAD(s.begun));
	EXPECT_EQ(0, kgo_chan_len(c));
	STORE(s.go, 1);
	for (i = 0; i < N; i++) {
		memset(&res, 0xa5, sizeof(res));
		EXPECT_EQ(1, kgo_chan_recv(c, &res));
		EXPECT_EQ(-EIO, res.err);
		EXPECT_EQ(&s, res.val);
		EXPECT_TRUE(res.shared);
	}
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(1, s.calls);
	EXPECT_EQ(0, s.wrong);

	EXPECT_EQ(0, kgo_flight_do_chan(&s.f, "key", 3, answer, &s, c));
	EXPECT_EQ(1, kgo_chan_recv(c, &res));
	EXPECT_FALSE(res.shared);
	EXPECT_EQ(0, kgo_flight_do_chan(&s.f, "key", 3, answer, &s, NULL));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(3, s.calls);
	kgo_chan_free(c);
}

static int leave(void *arg, void **val)
{
	struct shared *s = arg;

	*val = s;
	slow_answer(s, val);
	kgo_exit();
}

static void want_it_left(void *arg)
{
	struct shared *s = arg;
	struct kgo_flight_result res;

	memset(&res, 0xa5, sizeof(res));
	if (kgo_flight_do(&s->f, "key", 3, leave, s, &res) != -ECANCELED)
		ADD(s->wrong, 1);
	ADD(s->shared, 1);
}

GO_TEST(who_waits_for_one_that_exits_is_told)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(struct kgo_flight_result), 1);
	struct shared s = { 0 };
	struct kgo_flight_result res;
	int i;

	for (i = 0; i < 5; i++)
		EXPECT_EQ(0, kgo_wg_go(&s.wg, want_it_left, &s));
	yield_until(waiting("sync.WaitGroup.Wait") == 4);
	STORE(s.go, 1);
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(4, s.shared);
	EXPECT_EQ(0, s.wrong);
	EXPECT_EQ(NULL, s.f.calls);

	EXPECT_EQ(0, kgo_flight_do_chan(&s.f, "key", 3, leave, &s, c));
	EXPECT_EQ(1, kgo_chan_recv(c, &res));
	EXPECT_EQ(-ECANCELED, res.err);
	EXPECT_EQ(NULL, s.f.calls);
	yield_until(kgo_num_goroutine() == 1);
	kgo_chan_free(c);
}

static int panics(void *arg, void **val)
{
	slow_answer(arg, val);
	kgo_panic("in a call");
}

static void recover_it(void *arg UNUSED)
{
	kgo_recover();
}

static void want_it_and_recover(void *arg)
{
	struct shared *s = arg;

	KGO_SCOPE {
		kgo_defer(recover_it, NULL);
		if (kgo_flight_do(&s->f, "key", 3, panics, s, NULL) != -ECANCELED)
			ADD(s->wrong, 1);
		ADD(s->shared, 1);
	}
}

GO_TEST(who_waits_for_one_that_panics_is_told)
{
	struct shared s = { 0 };
	int i;

	for (i = 0; i < 5; i++)
		EXPECT_EQ(0, kgo_wg_go(&s.wg, want_it_and_recover, &s));
	yield_until(waiting("sync.WaitGroup.Wait") == 4);
	STORE(s.go, 1);
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(4, s.shared);
	EXPECT_EQ(0, s.wrong);
	EXPECT_EQ(NULL, s.f.calls);
}

static int panics_at_once(void *arg UNUSED, void **val UNUSED)
{
	kgo_panic("in a call");
}

static int do_chan_panics(void *arg UNUSED)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(struct kgo_flight_result), 1);
	struct kgo_flight_result res;
	struct kgo_flight f;

	memset(&f, 0, sizeof(f));
	KGO_SCOPE {
		kgo_defer(recover_it, NULL);
		kgo_flight_do_chan(&f, "key", 3, panics_at_once, NULL, c);
		kgo_chan_recv(c, &res);
	}
	return 0;
}

TEST(nobody_can_recover_a_panic_of_do_chan)
{
	struct ended e;

	run_child(&e, do_chan_panics, NULL);
	EXPECT_PANIC(e, "in a call");
}

/* Some keys, many who want them, calls that come and go. */
static int short_answer(void *arg, void **val)
{
	struct shared *s = arg;

	ADD(s->calls, 1);
	kgo_yield();
	*val = s;
	return 0;
}

static void want_often(void *arg)
{
	struct shared *s = arg;
	struct kgo_flight_result res;
	int i, n = MANY(2000);
	char key;

	for (i = 0; i < n; i++) {
		key = (char)(i % 5);
		if (kgo_flight_do(&s->f, &key, 1, short_answer, s, &res) ||
		    res.val != s)
			ADD(s->wrong, 1);
		if (i % 17 == 0)
			kgo_flight_forget(&s->f, &key, 1);
	}
}

GO_TEST(everybody_gets_an_answer_under_stress)
{
	struct shared s = { 0 };
	int i;

	for (i = 0; i < 8; i++)
		EXPECT_EQ(0, kgo_wg_go(&s.wg, want_often, &s));
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(0, s.wrong);
	EXPECT_EQ(NULL, s.f.calls);
	EXPECT_LE(s.calls, 8 * MANY(2000));
}

TEST_HARNESS_MAIN
