// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Selects against each other, against plain channel operations, timeouts and
 * close: nothing is lost or doubled, nobody is preferred.  The behaviours are
 * those that Go's chan_test.go and test/chan pin down.
 */
#include "lib_test.h"

#define POISON	0x5a5a5a5a

static struct kgo_chan *chan_int(size_t cap)
{
	return kgo_chan_make(sizeof(int), cap);
}

/*
 * All cases that are ready are equally likely.  With N draws of a chance p the
 * count is within 8 standard deviations, or somebody should buy a ticket.
 */
static void fair(struct __test_metadata *_metadata, const char *which)
{
	int n = (int)strlen(which), ready = 0, draws = 20000, i, ret;
	struct kgo_chan *c[8];
	struct kgo_case k[8];
	int count[8] = { 0 };
	long long want, off;

	for (i = 0; i < n; i++) {
		c[i] = chan_int(0);
		k[i] = (struct kgo_case)KGO_RECV(c[i], NULL);
		if (which[i] == 'r') {
			ready++;
			kgo_chan_close(c[i]);
		} else if (which[i] == 'n') {
			k[i].c = NULL;
		}
	}
	for (i = 0; i < draws; i++) {
		ret = i % 2 ? kgo_select(k, (unsigned int)n) :
		      kgo_select_try(k, (unsigned int)n);
		EXPECT_LE(0, ret);
		if (ret >= 0 && ret < n)
			count[ret]++;
	}
	want = draws / ready;
	for (i = 0; i < n; i++) {
		off = count[i] - want;
		if (which[i] != 'r') {
			EXPECT_EQ(0, count[i]);
		} else if (ready > 1) {
			/* Variance N p (1 - p) < N p. */
			EXPECT_GT(64 * want, off * off) {
				TH_LOG("%s: case %d: %d of %d", which, i, count[i], draws);
			}
		}
		EXPECT_EQ(0, kgo_chan_free(c[i]));
	}
}

GO_TEST(ready_cases_are_equally_likely)
{
	static const char *const tables[] = {
		"r", "rr", "rrr", "rr.", "r.r", ".rr", "rrrrrrr", "r..rr", "rn.nr",
		"n..r", "......rr"
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tables); i++)
		fair(_metadata, tables[i]);
}

/* Go's TestPseudoRandomSend. */
struct bits {
	struct kgo_chan *c, *done;
	int n, got[2];
};

static void take_bits(void *arg)
{
	struct bits *b = arg;
	int i, v;

	for (i = 0; i < b->n; i++) {
		v = POISON;
		kgo_yield();
		if (kgo_chan_recv(b->c, &v) == 1 && (v == 0 || v == 1))
			b->got[v]++;
	}
	kgo_chan_send(b->done, NULL);
}

GO_TEST(a_choice_of_what_to_send_is_random)
{
	size_t cap;

	for (cap = 0; cap <= 100; cap += 100) {
		struct bits b = { chan_int(cap), kgo_chan_make(0, 0), MANY(1000), { 0, 0 } };
		int zero = 0, one = 1, i;
		struct kgo_case k[] = { KGO_SEND(b.c, &zero), KGO_SEND(b.c, &one) };

		EXPECT_EQ(0, kgo_go(take_bits, &b));
		for (i = 0; i < b.n; i++)
			EXPECT_LE(0, kgo_select(k, 2));
		EXPECT_EQ(1, kgo_chan_recv(b.done, NULL));
		EXPECT_EQ(b.n, b.got[0] + b.got[1]);
		EXPECT_LT(b.n / 10, b.got[0]);
		EXPECT_LT(b.n / 10, b.got[1]);
	}
}

/* Two that send and receive on one channel: they meet each other only. */
struct self {
	struct kgo_chan *c;
	struct kgo_wg *wg;
	int id, n, bad;
};

static void self_select(void *arg)
{
	struct self *s = arg;
	int i, v, ret;

	for (i = 0; i < s->n; i++) {
		struct kgo_case k[] = { KGO_SEND(s->c, &s->id), KGO_RECV(s->c, &v) };

		/* Also the other way round. */
		if (s->id)
			k[0] = (struct kgo_case)KGO_RECV(s->c, &v),
			k[1] = (struct kgo_case)KGO_SEND(s->c, &s->id);
		v = POISON;
		ret = kgo_select(k, 2);
		if (ret < 0)
			s->bad++;
		else if (k[ret].op == KGO_CASE_RECV &&
			 (v == POISON || (!kgo_chan_cap(s->c) && v == s->id)))
			s->bad++;
	}
	kgo_wg_done(s->wg);
}

GO_TEST(selects_that_meet_do_not_deadlock)
{
	size_t cap;
	int i;

	for (cap = 0; cap <= 10; cap += 10) {
		struct kgo_chan *c = chan_int(cap);
		struct kgo_wg wg = { 0 };
		struct self s[2];

		kgo_wg_add(&wg, 2);
		for (i = 0; i < 2; i++) {
			s[i] = (struct self){ c, &wg, i, MANY(20000), 0 };
			EXPECT_EQ(0, kgo_go(self_select, &s[i]));
		}
		kgo_wg_wait(&wg);
		EXPECT_EQ(0, s[0].bad + s[1].bad);
		EXPECT_EQ(0, kgo_chan_free(c));
	}
}

/* Go's TestSelectStress: everything against everything. */
struct stress {
	struct kgo_chan *c[4];
	struct kgo_wg wg;
	int n, failed;
	unsigned long long sent, received;
};

struct stress_end {
	struct stress *s;
	int k;
};

static void stress_send(void *arg)
{
	struct stress_end *e = arg;
	int i;

	for (i = 1; i <= e->s->n; i++) {
		kgo_chan_send(e->s->c[e->k], &i);
		ADD(e->s->sent, (unsigned long long)i);
	}
	kgo_wg_done(&e->s->wg);
}

static void stress_recv(void *arg)
{
	struct stress_end *e = arg;
	int i, v;

	for (i = 0; i < e->s->n; i++) {
		v = -1;
		kgo_chan_recv(e->s->c[e->k], &v);
		ADD(e->s->received, (unsigned long long)v);
	}
	kgo_wg_done(&e->s->wg);
}

static void stress_select(struct stress *s, bool send)
{
	struct kgo_case k[4];
	int left[4], v[4], i, j, ret;

	for (j = 0; j < 4; j++) {
		left[j] = s->n;
		k[j] = (struct kgo_case)KGO_RECV(s->c[j], &v[j]);
		if (send)
			k[j].op = KGO_CASE_SEND;
	}
	for (i = 0; i < 4 * s->n; i++) {
		for (j = 0; j < 4; j++)
			v[j] = send ? left[j] : -1;
		ret = kgo_select(k, 4);
		if (ret < 0 || k[ret].ok != 1) {
			ADD(s->failed, 1);
			continue;
		}
		ADD(*(send ? &s->sent : &s->received), (unsigned long long)v[ret]);
		if (!--left[ret])
			k[ret].c = NULL;
	}
	for (j = 0; j < 4; j++)
		if (left[j])
			ADD(s->failed, 1);
	kgo_wg_done(&s->wg);
}

static void stress_select_send(void *arg)
{
	stress_select(arg, true);
}

static void stress_select_recv(void *arg)
{
	stress_select(arg, false);
}

static void stress(struct __test_metadata *_metadata)
{
	struct stress s = { .c = { chan_int(0), chan_int(0), chan_int(2), chan_int(3) },
			    .n = MANY(10000) };
	struct stress_end e[4];
	int i;

	kgo_wg_add(&s.wg, 10);
	for (i = 0; i < 4; i++) {
		e[i] = (struct stress_end){ &s, i };
		EXPECT_EQ(0, kgo_go(stress_send, &e[i]));
		EXPECT_EQ(0, kgo_go(stress_recv, &e[i]));
	}
	EXPECT_EQ(0, kgo_go(stress_select_send, &s));
	EXPECT_EQ(0, kgo_go(stress_select_recv, &s));
	kgo_wg_wait(&s.wg);
	EXPECT_EQ(0, s.failed);
	EXPECT_EQ(8ULL * s.n * (s.n + 1) / 2, s.sent);
	EXPECT_EQ(s.sent, s.received);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, kgo_chan_free(s.c[i]));
}

GO_TEST(selects_and_plain_operations_mix)
{
	stress(_metadata);
}

GO_TEST_PS(they_do_on_one_processor, 1)
{
	stress(_metadata);
}

GO_TEST_PS(they_do_on_more_processors_than_cpus, 8)
{
	stress(_metadata);
}

/* Go's doubleselect: a select must not do two of its cases. */
struct mux {
	struct kgo_chan *c[4], *out;
	struct kgo_wg wg;
	int n;
};

static void mux_send(void *arg)
{
	struct mux *m = arg;
	int i, j;

	for (i = 0; i < m->n; i++) {
		struct kgo_case k[4];

		for (j = 0; j < 4; j++)
			k[j] = (struct kgo_case)KGO_SEND(m->c[j], &i);
		kgo_select(k, 4);
	}
	for (j = 0; j < 4; j++)
		kgo_chan_close(m->c[j]);
}

struct mux_end {
	struct mux *m;
	int k;
};

static void mux_recv(void *arg)
{
	struct mux_end *e = arg;
	int v;

	while (kgo_chan_recv(e->m->c[e->k], &v) == 1)
		kgo_chan_send(e->m->out, &v);
	kgo_wg_done(&e->m->wg);
}

static void mux_close(void *arg)
{
	struct mux *m = arg;

	kgo_wg_wait(&m->wg);
	kgo_chan_close(m->out);
}

GO_TEST(each_select_does_one_case_once)
{
	struct mux m = { .c = { chan_int(0), chan_int(0), chan_int(0), chan_int(0) },
			 .out = chan_int(0), .n = MANY(50000) };
	unsigned char *seen = calloc((size_t)m.n, 1);
	struct mux_end e[4];
	int i, v, n = 0, bad = 0;

	EXPECT_EQ(0, kgo_go(mux_send, &m));
	kgo_wg_add(&m.wg, 4);
	for (i = 0; i < 4; i++) {
		e[i] = (struct mux_end){ &m, i };
		EXPECT_EQ(0, kgo_go(mux_recv, &e[i]));
	}
	EXPECT_EQ(0, kgo_go(mux_close, &m));
	for (; kgo_chan_recv(m.out, &v) == 1; n++) {
		if (v < 0 || v >= m.n || seen[v])
			bad++;
		else
			seen[v] = 1;
	}
	EXPECT_EQ(0, bad);
	EXPECT_EQ(m.n, n);
	free(seen);
}

/* Go's TestNonblockRecvRace. */
struct shot {
	struct kgo_chan *a, *b;
	struct kgo_wg wg;
	int missed;
};

static void recv_or_miss(void *arg)
{
	struct shot *s = arg;

	if (kgo_chan_try_recv(s->a, NULL) < 0)
		s->missed = 1;
	kgo_wg_done(&s->wg);
}

GO_TEST(a_receive_that_does_not_wait_sees_the_value_or_the_end)
{
	int i, v = 1, missed = 0;

	for (i = 0; i < MANY(10000); i++) {
		struct shot s = { .a = chan_int(1) };

		kgo_chan_send(s.a, &v);
		kgo_wg_add(&s.wg, 1);
		kgo_go(recv_or_miss, &s);
		kgo_chan_close(s.a);
		kgo_chan_recv(s.a, NULL);
		kgo_wg_wait(&s.wg);
		missed += s.missed;
		kgo_chan_free(s.a);
	}
	EXPECT_EQ(0, missed);
}

/* Go's TestNonblockSelectRace and TestNonblockSelectRace2. */
static void select_or_miss(void *arg)
{
	struct shot *s = arg;
	struct kgo_case k[] = { KGO_RECV(s->a, NULL), KGO_RECV(s->b, NULL) };

	if (kgo_select_try(k, 2) < 0)
		s->missed = 1;
	kgo_wg_done(&s->wg);
}

static int one_ready_at_any_time(bool by_close)
{
	int i, v = 1, missed = 0;

	for (i = 0; i < MANY(20000); i++) {
		struct shot s = { .a = chan_int(1), .b = chan_int(by_close ? 0 : 1) };
		struct kgo_case k = KGO_RECV(s.a, NULL);

		kgo_chan_send(s.a, &v);
		kgo_wg_add(&s.wg, 1);
		kgo_go(select_or_miss, &s);
		if (by_close)
			kgo_chan_close(s.b);
		else
			kgo_chan_send(s.b, &v);
		kgo_select_try(&k, 1);
		kgo_wg_wait(&s.wg);
		missed += s.missed;
		kgo_chan_free(s.a);
		kgo_chan_free(s.b);
	}
	return missed;
}

GO_TEST(a_default_is_not_taken_while_some_case_is_ready)
{
	EXPECT_EQ(0, one_ready_at_any_time(false));
	EXPECT_EQ(0, one_ready_at_any_time(true));
}

/* Go's select6: who leaves the middle of a queue leaves the rest in order. */
struct in_line {
	struct kgo_chan *c, *other;
	int v, ret, done;
};

static void plain_in_line(void *arg)
{
	struct in_line *l = arg;

	l->ret = kgo_chan_recv(l->c, &l->v);
	STORE(l->done, 1);
}

static void select_in_line(void *arg)
{
	struct in_line *l = arg;
	struct kgo_case k[] = { KGO_RECV(l->other, NULL), KGO_RECV(l->c, &l->v) };

	l->ret = kgo_select(k, 2);
	STORE(l->done, 1);
}

GO_TEST(a_loser_leaves_the_middle_of_the_queue)
{
	struct kgo_chan *c = chan_int(0), *other = chan_int(0);
	static struct in_line l[3];
	int i, v = 1;

	for (i = 0; i < 3; i++) {
		l[i] = (struct in_line){ c, other, POISON, POISON, 0 };
		EXPECT_EQ(0, kgo_go(i == 1 ? select_in_line : plain_in_line, &l[i]));
		yield_until(waiting("chan receive") + waiting("select") == i + 1);
	}
	EXPECT_EQ(0, kgo_chan_send(other, &v));
	yield_until(LOAD(l[1].done));
	EXPECT_EQ(0, l[1].ret);
	EXPECT_EQ(POISON, l[1].v);
	for (i = 0; i < 3; i += 2) {
		v = 40 + i;
		EXPECT_EQ(0, kgo_chan_send(c, &v));
		yield_until(LOAD(l[i].done));
		EXPECT_EQ(1, l[i].ret);
		EXPECT_EQ(40 + i, l[i].v);
		EXPECT_EQ(i == 2, LOAD(l[2].done));
	}
	EXPECT_EQ(-EAGAIN, kgo_chan_try_send(c, &v));
}

/* Those who select wait in one line with those who do not. */
GO_TEST(waiters_are_served_in_the_order_they_came)
{
	struct kgo_chan *c = chan_int(0), *other = chan_int(0);
	static struct in_line l[30];
	unsigned int i;
	int v;

	for (i = 0; i < ARRAY_SIZE(l); i++) {
		l[i] = (struct in_line){ c, other, POISON, POISON, 0 };
		EXPECT_EQ(0, kgo_go(i % 3 ? select_in_line : plain_in_line, &l[i]));
		yield_until(waiting("chan receive") + waiting("select") == (int)i + 1);
	}
	for (v = 0; v < (int)ARRAY_SIZE(l); v++)
		EXPECT_EQ(0, kgo_chan_send(c, &v));
	yield_until(kgo_num_goroutine() == 1);
	for (i = 0; i < ARRAY_SIZE(l); i++) {
		EXPECT_EQ((int)i, l[i].v);
		EXPECT_EQ(1, l[i].ret);
	}
	EXPECT_EQ(0, kgo_chan_free(c));
	EXPECT_EQ(0, kgo_chan_free(other));
}

/* Go's select7: each way to send meets each way to receive. */
enum way { PLAIN, ONE_CASE, TWO_CASES, TIMED, NR_WAYS };

struct side {
	struct kgo_chan *c, *never;
	enum way way;
	int v, ret, done;
};

static int op(struct side *s, bool send)
{
	struct kgo_case k[2] = { KGO_RECV(s->never, NULL), KGO_RECV(s->c, &s->v) };
	int ret;

	if (send)
		k[1].op = KGO_CASE_SEND;
	switch (s->way) {
	case PLAIN:
		return send ? !kgo_chan_send(s->c, &s->v) : kgo_chan_recv(s->c, &s->v);
	case ONE_CASE:
		return !kgo_select(&k[1], 1) && k[1].ok == 1;
	case TWO_CASES:
		ret = kgo_select(k, 2);
		break;
	default:
		ret = kgo_select_timeout(k, 2, INT64_MAX);
		break;
	}
	return ret == 1 && k[1].ok == 1;
}

static void side_send(void *arg)
{
	struct side *s = arg;

	s->ret = op(s, true);
	STORE(s->done, 1);
}

static void side_recv(void *arg)
{
	struct side *s = arg;

	s->ret = op(s, false);
	STORE(s->done, 1);
}

GO_TEST(each_way_to_send_meets_each_way_to_receive)
{
	struct kgo_chan *c = chan_int(0), *never = chan_int(0);
	static struct side s, r;
	int i;

	for (i = 0; i < 2 * NR_WAYS * NR_WAYS; i++) {
		s = (struct side){ c, never, (enum way)(i % NR_WAYS), i, -1, 0 };
		r = (struct side){ c, never, (enum way)(i / 2 / NR_WAYS), -1, -1, 0 };
		/* Either may come first, and waits. */
		EXPECT_EQ(0, i % 2 ? kgo_go(side_send, &s) : kgo_go(side_recv, &r));
		yield_until(waiting("chan send") + waiting("chan receive") +
			    waiting("select") == 1);
		EXPECT_EQ(0, i % 2 ? kgo_go(side_recv, &r) : kgo_go(side_send, &s));
		yield_until(LOAD(s.done) && LOAD(r.done));
		EXPECT_EQ(1, s.ret);
		EXPECT_EQ(1, r.ret);
		EXPECT_EQ(i, r.v);
	}
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(0, kgo_chan_free(c));
	EXPECT_EQ(0, kgo_chan_free(never));
}

/* Timeouts and closes race with values; what was sent is what was received. */
struct race {
	struct kgo_chan *c[3], *quit;
	struct kgo_wg senders, receivers;
	int n;
	unsigned long long sent, received, timeouts, bad;
};

static void race_send(void *arg)
{
	struct race *r = arg;
	int i, j, ret;

	for (i = 1; i <= r->n; i++) {
		struct kgo_case k[3];

		for (j = 0; j < 3; j++)
			k[j] = (struct kgo_case)KGO_SEND(r->c[j], &i);
		ret = i % 3 ? kgo_select_timeout(k, 3, i % 50 * 1000) :
		      kgo_select_try(k, 3);
		if (ret >= 0)
			ADD(r->sent, (unsigned long long)i);
		else if (ret == -ETIMEDOUT || ret == -EAGAIN)
			ADD(r->timeouts, 1);
		else
			ADD(r->bad, 1);
	}
	kgo_wg_done(&r->senders);
}

static void race_recv(void *arg)
{
	struct race *r = arg;
	int v[3], i, j, ret;

	for (i = 0;; i++) {
		struct kgo_case k[4];

		for (j = 0; j < 3; j++) {
			v[j] = -1;
			k[j] = (struct kgo_case)KGO_RECV(r->c[j], &v[j]);
		}
		k[3] = (struct kgo_case)KGO_RECV(r->quit, NULL);
		ret = i % 2 ? kgo_select(k, 4) : kgo_select_timeout(k, 4, i % 70 * 1000);
		if (ret == 3)
			break;
		for (j = 0; j < 3; j++) {
			if (j == ret && v[j] > 0)
				ADD(r->received, (unsigned long long)v[j]);
			else if (j == ret || v[j] != -1)
				ADD(r->bad, 1);
		}
		if (ret < 0 && ret != -ETIMEDOUT)
			ADD(r->bad, 1);
	}
	kgo_wg_done(&r->receivers);
}

GO_TEST(timeouts_race_with_values)
{
	struct race r = { .c = { chan_int(0), chan_int(0), chan_int(2) },
			  .quit = kgo_chan_make(0, 0), .n = MANY(3000) };
	int i, v;

	kgo_wg_add(&r.senders, 6);
	kgo_wg_add(&r.receivers, 6);
	for (i = 0; i < 6; i++) {
		EXPECT_EQ(0, kgo_go(race_send, &r));
		EXPECT_EQ(0, kgo_go(race_recv, &r));
	}
	kgo_wg_wait(&r.senders);
	EXPECT_EQ(0, kgo_chan_close(r.quit));
	kgo_wg_wait(&r.receivers);
	while (kgo_chan_try_recv(r.c[2], &v) == 1)
		r.received += (unsigned long long)v;
	EXPECT_EQ(0, r.bad);
	EXPECT_LT(0, r.sent);
	EXPECT_EQ(r.sent, r.received);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, kgo_chan_free(r.c[i]));
	EXPECT_EQ(0, kgo_chan_free(r.quit));
}

/* All who wait in many places at once are let go by any of them. */
struct crowd {
	struct kgo_chan *c[3];
	struct kgo_wg wg;
	int woken;
};

static void crowd_wait(void *arg)
{
	struct crowd *w = arg;
	struct kgo_case k[] = {
		KGO_RECV(w->c[0], NULL), KGO_RECV(w->c[1], NULL), KGO_RECV(w->c[2], NULL),
	};
	int ret = kgo_select(k, 3);

	if (ret >= 0 && !k[ret].ok)
		ADD(w->woken, 1);
	kgo_wg_done(&w->wg);
}

static void crowd_close(void *arg)
{
	kgo_chan_close(arg);
}

GO_TEST(channels_closed_at_the_same_time_wake_each_once)
{
	int round, i;

	for (round = 0; round < MANY(300); round++) {
		struct crowd w = { .c = { chan_int(0), chan_int(0), chan_int(1) } };

		kgo_wg_add(&w.wg, 10);
		for (i = 0; i < 10; i++)
			kgo_go(crowd_wait, &w);
		for (i = 0; i < 3; i++)
			kgo_go(crowd_close, w.c[i]);
		kgo_wg_wait(&w.wg);
		EXPECT_EQ(10, w.woken);
		yield_until(kgo_num_goroutine() == 1);
		for (i = 0; i < 3; i++)
			EXPECT_EQ(0, kgo_chan_free(w.c[i]));
	}
}

TEST_HARNESS_MAIN
