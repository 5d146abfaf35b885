// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Power series as processes (McIlroy, "Squinting at Power Series", 1990; Go's
 * test/chan/powser1.go is after the same paper).
 *
 * A series is a pair of channels: who wants the next coefficient asks on one
 * and gets it on the other.  Sums, products and exponentials are networks of
 * goroutines, and what two want at different times is split by goroutines that
 * select.  Thousands of them wait for each other in every way there is; if one
 * wake-up goes astray the answer is wrong or never comes.
 */
#include "lib_test.h"

struct rat {
	long long num, den;
};

struct series {
	struct kgo_chan *ask, *get;
};

static long long gcd(long long a, long long b)
{
	while (b) {
		long long t = a % b;

		a = b;
		b = t;
	}
	return a < 0 ? -a : a;
}

static struct rat rat(long long num, long long den)
{
	long long g = gcd(num, den);

	if (den < 0)
		g = -g;
	return (struct rat){ num / g, den / g };
}

static struct rat add(struct rat a, struct rat b)
{
	return rat(a.num * b.den + b.num * a.den, a.den * b.den);
}

static struct rat mul(struct rat a, struct rat b)
{
	return rat(a.num * b.num, a.den * b.den);
}

static struct series *series(void)
{
	struct series *s = malloc(sizeof(*s));

	s->ask = kgo_chan_make(0, 0);
	s->get = kgo_chan_make(sizeof(struct rat), 0);
	return s;
}

static void put(struct series *s, struct rat v)
{
	kgo_chan_recv(s->ask, NULL);
	kgo_chan_send(s->get, &v);
}

static struct rat get(struct series *s)
{
	struct rat v = { 0, 0 };

	kgo_chan_send(s->ask, NULL);
	kgo_chan_recv(s->get, &v);
	return v;
}

/* The next of two series at once, whichever comes first. */
static void get2(struct series *a, struct series *b, struct rat *va, struct rat *vb)
{
	struct kgo_case k[] = {
		KGO_SEND(a->ask, NULL), KGO_SEND(b->ask, NULL),
		KGO_RECV(NULL, va), KGO_RECV(NULL, vb),
	};
	int left = 4, i;

	while (left--) {
		i = kgo_select(k, 4);
		k[i].c = NULL;
		if (i == 0)
			k[2].c = a->get;
		else if (i == 1)
			k[3].c = b->get;
	}
}

/* What a goroutine of the network works on. */
struct node {
	struct series *in[2], *out[2];
	struct kgo_chan *wait;
	struct rat c;
};

static void start(void (*fn)(void *), struct node n)
{
	struct node *copy = malloc(sizeof(*copy));

	*copy = n;
	if (kgo_go(fn, copy))
		abort();
}

/* Always the same. */
static void do_rep(void *arg)
{
	struct node *n = arg;

	for (;;)
		put(n->out[0], n->c);
}

static struct series *rep(struct rat c)
{
	struct node n = { .out = { series() }, .c = c };

	start(do_rep, n);
	return n.out[0];
}

static void do_sum(void *arg)
{
	struct node *n = arg;
	struct rat a, b;

	for (;;) {
		kgo_chan_recv(n->out[0]->ask, NULL);
		get2(n->in[0], n->in[1], &a, &b);
		a = add(a, b);
		kgo_chan_send(n->out[0]->get, &a);
	}
}

static struct series *sum(struct series *a, struct series *b)
{
	struct node n = { .in = { a, b }, .out = { series() } };

	start(do_sum, n);
	return n.out[0];
}

static void do_scale(void *arg)
{
	struct node *n = arg;

	for (;;) {
		kgo_chan_recv(n->out[0]->ask, NULL);
		struct rat v = mul(n->c, get(n->in[0]));

		kgo_chan_send(n->out[0]->get, &v);
	}
}

static struct series *scale(struct rat c, struct series *a)
{
	struct node n = { .in = { a }, .out = { series() }, .c = c };

	start(do_scale, n);
	return n.out[0];
}

/* First a constant, then the other series. */
static void do_shift(void *arg)
{
	struct node *n = arg;

	put(n->out[0], n->c);
	for (;;) {
		kgo_chan_recv(n->out[0]->ask, NULL);
		struct rat v = get(n->in[0]);

		kgo_chan_send(n->out[0]->get, &v);
	}
}

static struct series *shift(struct rat c, struct series *a)
{
	struct node n = { .in = { a }, .out = { series() }, .c = c };

	start(do_shift, n);
	return n.out[0];
}

static void do_diff(void *arg)
{
	struct node *n = arg;
	long long i;

	get(n->in[0]);
	for (i = 1;; i++) {
		kgo_chan_recv(n->out[0]->ask, NULL);
		struct rat v = mul(rat(i, 1), get(n->in[0]));

		kgo_chan_send(n->out[0]->get, &v);
	}
}

static struct series *diff(struct series *a)
{
	struct node n = { .in = { a }, .out = { series() } };

	start(do_diff, n);
	return n.out[0];
}

static void do_integral(void *arg)
{
	struct node *n = arg;
	long long i;

	put(n->out[0], n->c);
	for (i = 1;; i++) {
		kgo_chan_recv(n->out[0]->ask, NULL);
		struct rat v = mul(rat(1, i), get(n->in[0]));

		kgo_chan_send(n->out[0]->get, &v);
	}
}

static struct series *integral(struct rat c, struct series *a)
{
	struct node n = { .in = { a }, .out = { series() }, .c = c };

	start(do_integral, n);
	return n.out[0];
}

/*
 * One series for two who want it.  Each coefficient has a goroutine.  It serves
 * the one who is ahead, starts the goroutine of the next coefficient for him,
 * and keeps the value for the other, who has to get the former ones first: it
 * is told so by the goroutine before it.
 */
static void do_split(void *arg)
{
	struct node *n = arg, next = *n;
	struct kgo_case k[] = {
		KGO_RECV(n->out[0]->ask, NULL), KGO_RECV(n->wait, NULL),
	};
	bool both = false;
	struct rat v;

	if (kgo_select(k, 2) == 1) {
		/* They are level: either may go ahead. */
		both = true;
		k[1].c = n->out[1]->ask;
		if (kgo_select(k, 2) == 1) {
			next.out[0] = n->out[1];
			next.out[1] = n->out[0];
		}
	}
	kgo_chan_send(n->in[0]->ask, NULL);
	next.wait = kgo_chan_make(0, 0);
	start(do_split, next);
	kgo_chan_recv(n->in[0]->get, &v);
	kgo_chan_send(next.out[0]->get, &v);
	if (!both)
		kgo_chan_recv(n->wait, NULL);
	kgo_chan_recv(next.out[1]->ask, NULL);
	kgo_chan_send(next.out[1]->get, &v);
	kgo_chan_send(next.wait, NULL);
}

static void split(struct series *a, struct series *to[2])
{
	struct node n = { .in = { a }, .wait = kgo_chan_make(0, 0) };

	n.out[0] = to[0] ? to[0] : series();
	n.out[1] = to[1] ? to[1] : series();
	to[0] = n.out[0];
	to[1] = n.out[1];
	start(do_split, n);
	kgo_chan_send(n.wait, NULL);
}

static struct series *product(struct series *a, struct series *b);

/* (a + xA)(b + xB) = ab + x(aB + bA + xAB) */
static void do_product(void *arg)
{
	struct series *aa[2] = { NULL }, *bb[2] = { NULL }, *rest;
	struct node *n = arg;
	struct rat a, b;

	kgo_chan_recv(n->out[0]->ask, NULL);
	get2(n->in[0], n->in[1], &a, &b);
	struct rat ab = mul(a, b);

	kgo_chan_send(n->out[0]->get, &ab);
	split(n->in[0], aa);
	split(n->in[1], bb);
	rest = sum(sum(scale(a, bb[0]), scale(b, aa[0])),
		   shift(rat(0, 1), product(aa[1], bb[1])));
	for (;;) {
		kgo_chan_recv(n->out[0]->ask, NULL);
		ab = get(rest);
		kgo_chan_send(n->out[0]->get, &ab);
	}
}

static struct series *product(struct series *a, struct series *b)
{
	struct node n = { .in = { a, b }, .out = { series() } };

	start(do_product, n);
	return n.out[0];
}

/* Z = exp(A), A without a constant, is the solution of Z' = Z A', Z(0) = 1. */
static struct series *exponential(struct series *a)
{
	struct series *z[2] = { NULL }, *back = series();

	z[0] = back;
	split(integral(rat(1, 1), product(back, diff(a))), z);
	return z[1];
}

static struct series *ones(void)
{
	return rep(rat(1, 1));
}

static struct series *just_x(void)
{
	return shift(rat(0, 1), shift(rat(1, 1), rep(rat(0, 1))));
}

#define expect_rat(n, d, v)						\
	do {								\
		struct rat v_ = (v);					\
									\
		EXPECT_EQ((long long)(n), v_.num);			\
		EXPECT_EQ((long long)(d), v_.den);			\
	} while (0)

GO_TEST(sums_and_derivatives)
{
	struct series *s = sum(ones(), scale(rat(3, 1), diff(ones())));
	int i;

	for (i = 0; i < 20; i++)
		expect_rat(1 + 3 * (i + 1), 1, get(s));
}

GO_TEST(one_series_for_two_who_want_it)
{
	struct series *s[2] = { NULL };
	int i, ahead;

	split(integral(rat(0, 1), ones()), s);
	expect_rat(0, 1, get(s[0]));
	expect_rat(0, 1, get(s[1]));
	/* Now the one is ahead, now the other. */
	for (i = 1; i < 40; i += 5) {
		for (ahead = 0; ahead < 5; ahead++)
			expect_rat(1, i + ahead, get(s[i & 1]));
		for (ahead = 0; ahead < 5; ahead++)
			expect_rat(1, i + ahead, get(s[!(i & 1)]));
	}
}

GO_TEST(products)
{
	/* 1 / (1 - x)^2 */
	struct series *s = product(ones(), ones());
	int i;

	for (i = 0; i < 12; i++)
		expect_rat(i + 1, 1, get(s));
}

static void powers_of_e(struct __test_metadata *_metadata)
{
	struct series *s = exponential(just_x());
	long long factorial = 1;
	int i;

	for (i = 0; i < 11; i++) {
		expect_rat(1, factorial, get(s));
		factorial *= i + 1;
	}
}

GO_TEST(exponential_of_x)
{
	powers_of_e(_metadata);
}

GO_TEST_PS(exponential_of_x_on_one_processor, 1)
{
	powers_of_e(_metadata);
}

/* exp(x + x^2 + ...), whose coefficients have common factors. */
GO_TEST(exponential_of_a_geometric_series)
{
	static const struct rat want[] = {
		{ 1, 1 }, { 1, 1 }, { 3, 2 }, { 13, 6 }, { 73, 24 }, { 167, 40 },
		{ 4051, 720 },
	};
	struct series *s = exponential(shift(rat(0, 1), ones()));
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(want); i++)
		expect_rat(want[i].num, want[i].den, get(s));
}

TEST_HARNESS_MAIN
