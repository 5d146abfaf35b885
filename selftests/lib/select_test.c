// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Select: what one of them does.  Many at once are in select_many_test.c.
 */
#include "lib_test.h"

#include <limits.h>

#define POISON	0x5a5a5a5a

static struct kgo_chan *chan_int(size_t cap)
{
	return kgo_chan_make(sizeof(int), cap);
}

/* A goroutine that selects, and what came of it. */
struct one {
	struct kgo_case k[4];
	unsigned int n;
	int ret, done;
};

static void select_one(void *arg)
{
	struct one *o = arg;

	o->ret = kgo_select(o->k, o->n);
	STORE(o->done, 1);
}

GO_TEST(a_case_that_is_ready_is_done_and_no_other)
{
	struct kgo_chan *a = chan_int(2), *b = chan_int(2), *full = chan_int(1);
	int v = 11, out = 33, x = POISON, y = POISON;
	struct kgo_case k[] = {
		KGO_RECV(a, &x), KGO_RECV(b, &y), KGO_SEND(full, &out),
	};

	EXPECT_EQ(0, kgo_chan_send(full, &out));
	EXPECT_EQ(0, kgo_chan_send(b, &v));
	EXPECT_EQ(1, kgo_select(k, 3));
	EXPECT_EQ(1, k[1].ok);
	EXPECT_EQ(11, y);
	EXPECT_EQ(POISON, x);
	EXPECT_EQ(0, kgo_chan_len(b));

	EXPECT_EQ(1, kgo_chan_recv(full, NULL));
	out = 44;
	y = POISON;
	EXPECT_EQ(2, kgo_select(k, 3));
	EXPECT_EQ(1, k[2].ok);
	EXPECT_EQ(POISON, x);
	EXPECT_EQ(POISON, y);
	EXPECT_EQ(1, kgo_chan_recv(full, &v));
	EXPECT_EQ(44, v);
	EXPECT_EQ(0, kgo_chan_free(a));
	EXPECT_EQ(0, kgo_chan_free(b));
	EXPECT_EQ(0, kgo_chan_free(full));
}

/* Each case in its turn is the one that somebody else makes ready. */
GO_TEST(it_waits_for_any_of_its_cases)
{
	struct kgo_chan *c[4];
	static struct one o;
	static int v[4];
	int i, k, got;

	for (i = 0; i < 4; i++)
		c[i] = chan_int(0);
	for (i = 0; i < 4; i++) {
		for (k = 0; k < 4; k++)
			v[k] = k < 2 ? POISON : 100 + k;
		o = (struct one){ .k = {
			KGO_RECV(c[0], &v[0]), KGO_RECV(c[1], &v[1]),
			KGO_SEND(c[2], &v[2]), KGO_SEND(c[3], &v[3]),
		}, .n = 4, .ret = POISON };
		EXPECT_EQ(0, kgo_go(select_one, &o));
		yield_until(waiting("select") == 1);
		EXPECT_EQ(0, LOAD(o.done));
		/* All of them, and nothing else. */
		for (k = 0; k < 4; k++)
			EXPECT_EQ(-EBUSY, kgo_chan_free(c[k]));
		got = 70 + i;
		if (i < 2) {
			EXPECT_EQ(0, kgo_chan_send(c[i], &got));
		} else {
			EXPECT_EQ(1, kgo_chan_recv(c[i], &got));
		}
		yield_until(LOAD(o.done));
		EXPECT_EQ(i, o.ret);
		EXPECT_EQ(1, o.k[i].ok);
		for (k = 0; k < 4; k++)
			EXPECT_EQ(k >= 2 ? 100 + k : k == i ? 70 + i : POISON, v[k]);
		EXPECT_EQ(i < 2 ? 70 + i : 100 + i, got);
		/* It waits for none of them any more. */
		for (k = 0; k < 4; k++) {
			EXPECT_EQ(-EAGAIN, kgo_chan_try_send(c[k], &got));
			EXPECT_EQ(-EAGAIN, kgo_chan_try_recv(c[k], &got));
		}
	}
	yield_until(kgo_num_goroutine() == 1);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, kgo_chan_free(c[i]));
}

GO_TEST(a_full_buffer_and_an_empty_one_are_waited_for)
{
	struct kgo_chan *full = chan_int(1), *empty = chan_int(1);
	static struct one o;
	static int in, out = 5;
	int v = 4;

	EXPECT_EQ(0, kgo_chan_send(full, &v));
	in = POISON;
	o = (struct one){ .k = { KGO_SEND(full, &out), KGO_RECV(empty, &in) }, .n = 2 };
	EXPECT_EQ(0, kgo_go(select_one, &o));
	yield_until(waiting("select") == 1);
	EXPECT_EQ(1, kgo_chan_recv(full, &v));
	EXPECT_EQ(4, v);
	yield_until(LOAD(o.done));
	EXPECT_EQ(0, o.ret);
	EXPECT_EQ(1, kgo_chan_recv(full, &v));
	EXPECT_EQ(5, v);
	EXPECT_EQ(POISON, in);

	EXPECT_EQ(0, kgo_chan_send(full, &v));
	o.done = 0;
	EXPECT_EQ(0, kgo_go(select_one, &o));
	yield_until(waiting("select") == 1);
	v = 6;
	EXPECT_EQ(0, kgo_chan_send(empty, &v));
	yield_until(LOAD(o.done));
	EXPECT_EQ(1, o.ret);
	EXPECT_EQ(6, in);
	EXPECT_EQ(1, kgo_chan_len(full));
	EXPECT_EQ(0, kgo_chan_len(empty));
}

GO_TEST(the_ok_flag_tells_a_value_from_the_end)
{
	struct kgo_chan *c = chan_int(2), *never = chan_int(0);
	int v = 0, x = POISON, y = POISON;
	struct kgo_case k[] = { KGO_RECV(never, &y), KGO_RECV(c, &x) };

	/* A zero that was sent is a value. */
	EXPECT_EQ(0, kgo_chan_send(c, &v));
	EXPECT_EQ(0, kgo_chan_close(c));
	EXPECT_EQ(1, kgo_select(k, 2));
	EXPECT_EQ(1, k[1].ok);
	EXPECT_EQ(0, x);
	for (v = 0; v < 3; v++) {
		x = POISON;
		k[1].ok = POISON;
		EXPECT_EQ(1, v == 0 ? kgo_select(k, 2) : v == 1 ?
			  kgo_select_try(k, 2) : kgo_select_timeout(k, 2, 1000 * MS));
		EXPECT_EQ(0, k[1].ok);
		EXPECT_EQ(0, x);
	}
	EXPECT_EQ(POISON, y);
	k[1].v = NULL;
	EXPECT_EQ(1, kgo_select(k, 2));
	EXPECT_EQ(0, k[1].ok);
}

GO_TEST(close_wakes_receivers_that_select)
{
	struct kgo_chan *c = chan_int(0), *never = chan_int(0);
	static struct one o[5];
	static int v[5];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(o); i++) {
		v[i] = POISON;
		o[i] = (struct one){ .k = { KGO_RECV(never, NULL), KGO_RECV(c, &v[i]) },
				     .n = 2, .ret = POISON };
		o[i].k[1].ok = POISON;
		EXPECT_EQ(0, kgo_go(select_one, &o[i]));
	}
	yield_until(waiting("select") == ARRAY_SIZE(o));
	EXPECT_EQ(0, kgo_chan_close(c));
	for (i = 0; i < ARRAY_SIZE(o); i++) {
		yield_until(LOAD(o[i].done));
		EXPECT_EQ(1, o[i].ret);
		EXPECT_EQ(0, o[i].k[1].ok);
		EXPECT_EQ(0, v[i]);
	}
	EXPECT_EQ(0, kgo_chan_free(never));
	EXPECT_EQ(0, kgo_chan_free(c));
}

GO_TEST(with_a_default_it_does_not_wait)
{
	struct kgo_chan *a = chan_int(0), *b = chan_int(0);
	int v = 1, x = POISON;
	struct kgo_case k[] = {
		KGO_RECV(a, &x), KGO_SEND(b, &v), KGO_RECV(NULL, &x), KGO_SEND(NULL, &v),
	};
	static struct one o;
	static int in;
	unsigned int n;

	for (n = 0; n <= 4; n++)
		EXPECT_EQ(-EAGAIN, kgo_select_try(k, n));
	EXPECT_EQ(POISON, x);
	/* Nor is anything left behind. */
	EXPECT_EQ(-EAGAIN, kgo_chan_try_send(a, &v));
	EXPECT_EQ(-EAGAIN, kgo_chan_try_recv(b, &x));

	o = (struct one){ .k = { KGO_RECV(b, &in) }, .n = 1 };
	EXPECT_EQ(0, kgo_go(select_one, &o));
	yield_until(waiting("select") == 1);
	EXPECT_EQ(1, kgo_select_try(k, 4));
	EXPECT_EQ(1, k[1].ok);
	yield_until(LOAD(o.done));
	EXPECT_EQ(1, in);
	EXPECT_EQ(-EAGAIN, kgo_select_try(k, 4));
	EXPECT_EQ(0, kgo_chan_free(a));
	EXPECT_EQ(0, kgo_chan_free(b));
}

GO_TEST(a_timeout_ends_the_wait_and_not_before)
{
	static const long long none[] = { 0, -1, INT64_MIN };
	struct kgo_chan *a = chan_int(0), *b = chan_int(0);
	long long before = now_ns();
	int v = 1, x = POISON;
	struct kgo_case k[] = { KGO_RECV(a, &x), KGO_SEND(b, &v) };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(none); i++)
		EXPECT_EQ(-ETIMEDOUT, kgo_select_timeout(k, 2, none[i]));
	EXPECT_EQ(-ETIMEDOUT, kgo_select_timeout(k, 2, 20 * MS));
	EXPECT_LE(before + 20 * MS, now_ns());
	before = now_ns();
	EXPECT_EQ(-ETIMEDOUT, kgo_select_timeout(NULL, 0, 20 * MS));
	EXPECT_LE(before + 20 * MS, now_ns());
	EXPECT_EQ(POISON, x);
	EXPECT_EQ(-EAGAIN, kgo_chan_try_send(a, &v));
	EXPECT_EQ(-EAGAIN, kgo_chan_try_recv(b, &x));
	EXPECT_EQ(0, kgo_chan_free(a));
	EXPECT_EQ(0, kgo_chan_free(b));
}

static void send_arg(void *arg)
{
	int v = 9;

	kgo_chan_send(arg, &v);
}

GO_TEST(a_long_timeout_is_cut_short_by_a_value)
{
	struct kgo_chan *a = chan_int(0), *b = chan_int(0);
	int x = POISON, y = POISON;
	struct kgo_case k[] = { KGO_RECV(a, &x), KGO_RECV(b, &y) };

	EXPECT_EQ(0, kgo_go(send_arg, b));
	EXPECT_EQ(1, kgo_select_timeout(k, 2, INT64_MAX));
	EXPECT_EQ(9, y);
	EXPECT_EQ(POISON, x);
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(0, kgo_chan_free(a));
	EXPECT_EQ(0, kgo_chan_free(b));
}

/* What blocks for ever and as what, what does not (Go's test/select3.go). */
static struct kgo_chan *closed, *empty, *full, *room;

static int sel(struct kgo_case *k, unsigned int n)
{
	return kgo_select(k, n);
}

#define BLOCKS(name, ...)						\
	static void name(void *done)					\
	{								\
		int v = 1;						\
		struct kgo_case k[] = { __VA_ARGS__ };			\
									\
		(void)v;						\
		sel(k, ARRAY_SIZE(k));					\
		STORE(*(int *)done, 1);					\
	}

BLOCKS(recv_nil, KGO_RECV(NULL, &v))
BLOCKS(send_nil, KGO_SEND(NULL, &v))
BLOCKS(both_nil, KGO_RECV(NULL, &v), KGO_SEND(NULL, &v))
BLOCKS(recv_empty, KGO_RECV(empty, &v))
BLOCKS(send_full, KGO_SEND(full, &v))
BLOCKS(none_ready, KGO_RECV(empty, &v), KGO_SEND(full, &v), KGO_RECV(NULL, &v))
BLOCKS(alone_with_itself, KGO_SEND(empty, &v), KGO_RECV(empty, &v))
BLOCKS(recv_closed, KGO_RECV(NULL, &v), KGO_RECV(closed, &v), KGO_RECV(empty, &v))
BLOCKS(send_room, KGO_SEND(NULL, &v), KGO_SEND(room, &v), KGO_RECV(empty, &v))

static void no_cases(void *done)
{
	kgo_select(NULL, 0);
	STORE(*(int *)done, 1);
}

GO_TEST(what_blocks_and_what_does_not)
{
	static const struct {
		void (*fn)(void *);
		const char *reason;	/* NULL: it does not block */
	} table[] = {
		{ recv_nil, "select" }, { send_nil, "select" },
		{ both_nil, "select" }, { no_cases, "select (no cases)" },
		{ recv_empty, "select" }, { send_full, "select" },
		{ none_ready, "select" }, { alone_with_itself, "select" },
		{ recv_closed, NULL }, { send_room, NULL },
	};
	static int done[ARRAY_SIZE(table)];
	int v = 0, blocked = 0, empties = 0;
	unsigned int i;

	closed = chan_int(0);
	full = chan_int(1);
	room = chan_int(10);
	EXPECT_EQ(0, kgo_chan_close(closed));
	EXPECT_EQ(0, kgo_chan_send(full, &v));
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		/* The former ones are not to be its peers. */
		empty = chan_int(0);
		EXPECT_EQ(0, kgo_go(table[i].fn, &done[i]));
		if (!table[i].reason) {
			yield_until(LOAD(done[i]));
			continue;
		}
		if (!strcmp(table[i].reason, "select"))
			blocked++;
		else
			empties++;
		yield_until(waiting("select") == blocked &&
			    waiting("select (no cases)") == empties);
	}
	for (i = 0; i < 100; i++)
		kgo_yield();
	for (i = 0; i < ARRAY_SIZE(table); i++)
		EXPECT_EQ(!table[i].reason, LOAD(done[i]));
}

/* Go's TestSelectDuplicateChannel: a loser leaves each of its places. */
GO_TEST(one_channel_may_be_in_several_cases)
{
	struct kgo_chan *c = chan_int(0), *d = chan_int(0);
	static struct one a, b;
	static int x, y, z, w;
	int v = 3;

	x = y = z = w = POISON;
	a = (struct one){ .k = { KGO_RECV(c, &x), KGO_RECV(c, &y), KGO_RECV(d, &z) },
			  .n = 3 };
	b = (struct one){ .k = { KGO_RECV(c, &w) }, .n = 1 };
	EXPECT_EQ(0, kgo_go(select_one, &a));
	yield_until(waiting("select") == 1);
	EXPECT_EQ(0, kgo_go(select_one, &b));
	yield_until(waiting("select") == 2);
	EXPECT_EQ(0, kgo_chan_send(d, &v));
	yield_until(LOAD(a.done));
	EXPECT_EQ(2, a.ret);
	EXPECT_EQ(3, z);
	v = 4;
	EXPECT_EQ(0, kgo_chan_send(c, &v));
	yield_until(LOAD(b.done));
	EXPECT_EQ(4, w);
	EXPECT_EQ(POISON, x);
	EXPECT_EQ(POISON, y);
	/* A value for both of its places goes to one. */
	a.done = 0;
	EXPECT_EQ(0, kgo_go(select_one, &a));
	yield_until(waiting("select") == 1);
	v = 5;
	EXPECT_EQ(0, kgo_chan_send(c, &v));
	yield_until(LOAD(a.done));
	EXPECT_LE(a.ret, 1);
	EXPECT_EQ(5, a.ret ? y : x);
	EXPECT_EQ(POISON, a.ret ? x : y);
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(0, kgo_chan_free(c));
	EXPECT_EQ(0, kgo_chan_free(d));
}

GO_TEST(one_that_sends_and_receives_meets_others_only)
{
	struct kgo_chan *c = chan_int(0);
	static struct one o;
	static int out = 8, in;
	int v = POISON;

	in = POISON;
	o = (struct one){ .k = { KGO_SEND(c, &out), KGO_RECV(c, &in) }, .n = 2 };
	EXPECT_EQ(0, kgo_go(select_one, &o));
	yield_until(waiting("select") == 1);
	EXPECT_EQ(1, kgo_chan_recv(c, &v));
	EXPECT_EQ(8, v);
	yield_until(LOAD(o.done));
	EXPECT_EQ(0, o.ret);
	EXPECT_EQ(POISON, in);

	o.done = 0;
	EXPECT_EQ(0, kgo_go(select_one, &o));
	yield_until(waiting("select") == 1);
	v = 7;
	EXPECT_EQ(0, kgo_chan_try_send(c, &v));
	yield_until(LOAD(o.done));
	EXPECT_EQ(1, o.ret);
	EXPECT_EQ(7, in);
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(0, kgo_chan_free(c));
}

GO_TEST(elements_of_no_size)
{
	struct kgo_chan *a = kgo_chan_make(0, 1), *b = kgo_chan_make(0, 0);
	char v = 0x5a;
	struct kgo_case k[] = { KGO_RECV(b, &v), KGO_SEND(a, NULL), KGO_RECV(a, &v) };

	EXPECT_EQ(1, kgo_select(k, 3));
	EXPECT_EQ(2, kgo_select(k, 3));
	EXPECT_EQ(1, k[2].ok);
	EXPECT_EQ(0x5a, v);
	EXPECT_EQ(0, kgo_chan_free(a));
	EXPECT_EQ(0, kgo_chan_free(b));
}

struct many {
	struct kgo_case *k;
	unsigned int n;
	int ret, done;
};

static void select_many(void *arg)
{
	struct many *m = arg;

	m->ret = kgo_select(m->k, m->n);
	STORE(m->done, 1);
}

GO_TEST(any_number_of_cases)
{
	static const unsigned int numbers[] = { 1, 2, 63, 64, 65, 1000, 70000 };
	unsigned int i, j, n;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct kgo_chan *c[8], *last = chan_int(0);
		struct many m = { .n = n = numbers[i], .ret = POISON };
		int x = POISON, v = 77;

		for (j = 0; j < 8; j++)
			c[j] = chan_int(0);
		m.k = calloc(n, sizeof(*m.k));
		for (j = 0; j < n; j++)
			m.k[j] = (struct kgo_case)KGO_RECV(c[j % 8], NULL);
		m.k[n - 1] = (struct kgo_case)KGO_RECV(last, &x);
		EXPECT_EQ(-EAGAIN, kgo_select_try(m.k, n));
		EXPECT_EQ(0, kgo_go(select_many, &m));
		yield_until(waiting("select") == 1);
		EXPECT_EQ(0, kgo_chan_send(last, &v));
		yield_until(LOAD(m.done));
		EXPECT_EQ((int)n - 1, m.ret);
		EXPECT_EQ(77, x);
		yield_until(kgo_num_goroutine() == 1);
		for (j = 0; j < 8; j++)
			EXPECT_EQ(0, kgo_chan_free(c[j]));
		EXPECT_EQ(0, kgo_chan_free(last));
		free(m.k);
	}
}

GO_TEST(cases_that_cannot_be_are_refused)
{
	struct kgo_chan *c = chan_int(1);
	int v = 1;
	struct kgo_case k[] = { KGO_SEND(c, &v), KGO_SEND(c, &v) };

	k[1].op = 0;
	EXPECT_EQ(-EINVAL, kgo_select(k, 2));
	k[1].op = 3;
	EXPECT_EQ(-EINVAL, kgo_select_try(k, 2));
	k[1].op = UINT_MAX;
	EXPECT_EQ(-EINVAL, kgo_select_timeout(k, 2, 1));
	EXPECT_EQ(-EINVAL, kgo_select(k, (unsigned int)INT_MAX + 1));
	EXPECT_EQ(0, kgo_chan_len(c));
	EXPECT_EQ(0, kgo_chan_free(c));
}

enum how { SELECT, TRY, TIMEOUT };

static int send_case_on_closed(void *arg)
{
	struct kgo_chan *c = chan_int(1), *never = chan_int(0);
	int v = 1;
	struct kgo_case k[] = { KGO_RECV(never, NULL), KGO_SEND(c, &v) };

	kgo_chan_close(c);
	switch ((enum how)(uintptr_t)arg) {
	case SELECT:
		kgo_select(k, 2);
		break;
	case TRY:
		kgo_select_try(k, 2);
		break;
	case TIMEOUT:
		kgo_select_timeout(k, 2, 1000 * MS);
		break;
	}
	return 0;
}

TEST(a_send_case_on_a_closed_channel_panics)
{
	struct ended e;
	uintptr_t how;

	for (how = SELECT; how <= TIMEOUT; how++) {
		run_child(&e, send_case_on_closed, (void *)how);
		EXPECT_PANIC(e, "send on closed channel");
	}
}

static void late_selector(void *arg)
{
	struct kgo_chan *never = chan_int(0);
	int v = 1;
	struct kgo_case k[] = { KGO_RECV(never, NULL), KGO_SEND((struct kgo_chan *)arg, &v) };

	kgo_select(k, 2);
}

static int close_under_selector(void *arg UNUSED)
{
	struct kgo_chan *c = chan_int(0);

	kgo_go(late_selector, c);
	yield_until(waiting("select") == 1);
	kgo_chan_close(c);
	for (;;)
		kgo_yield();
	return 0;
}

TEST(so_does_one_that_waits_when_the_channel_is_closed)
{
	struct ended e;

	run_child(&e, close_under_selector, NULL);
	EXPECT_PANIC(e, "send on closed channel");
	/* And it is that goroutine that is named. */
	EXPECT_NE(NULL, strstr(e.err, "late_selector"));
}

TEST_HARNESS_MAIN
