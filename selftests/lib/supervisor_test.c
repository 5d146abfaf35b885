// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Supervisors: who is started how often, and how they end.
 */
#include "lib_test.h"

/* What a child does: it is told by a value on its channel. */
#define FAIL	1
#define RETURN	2
#define EXIT	3
#define PANIC	4

struct kid {
	struct kgo_chan *tell;		/* int */
	int running, stopped, deaf;
	struct kgo_chan *release;	/* of a deaf one */
};

static void forward(void *arg)
{
	int stop = 0;

	kgo_chan_try_send(arg, &stop);
}

static int kid(struct kgo_ctx *ctx, void *arg)
{
	struct kid *k = arg;
	struct kgo_ctx_after *a;
	int what = -1;

	ADD(k->running, 1);
	if (k->deaf) {
		kgo_chan_recv(k->release, NULL);
		ADD(k->running, -1);
		return 0;
	}
	a = kgo_ctx_after_func(ctx, forward, k->tell);
	if (kgo_chan_recv(k->tell, &what) != 1)
		abort();
	if (!what)
		ADD(k->stopped, 1);
	kgo_ctx_after_stop(a);
	ADD(k->running, -1);
	if (what == EXIT)
		kgo_exit();
	if (what == PANIC)
		kgo_panic("of a child");
	return what == FAIL ? -EIO : 0;
}

static const struct kgo_sup_attr quick = {
	.max_restarts = 100, .period_ns = 3600 * 1000 * MS, .backoff_ns = 1000,
	.backoff_max_ns = 100000, .stop_ns = 3600 * 1000 * MS,
};

static struct kgo_sup *family(struct __test_metadata *_metadata, unsigned int strategy,
			      struct kid *k, unsigned int n, unsigned int restart)
{
	struct kgo_sup_attr attr = quick;
	struct kgo_sup *s;
	unsigned int i;

	attr.strategy = strategy;
	s = kgo_sup_new(&attr);
	EXPECT_NE(NULL, s);
	memset(k, 0, n * sizeof(*k));
	for (i = 0; i < n; i++) {
		k[i].tell = kgo_chan_make(sizeof(int), 4);
		EXPECT_EQ((int)i, kgo_sup_add(s, &(struct kgo_sup_child){
			.start = kid, .arg = &k[i], .restart = restart }));
	}
	return s;
}

static void tell(struct kid *k, int what)
{
	kgo_chan_send(k->tell, &what);
}

/* Until these were started so often and all of them run. */
static void until_starts(struct kgo_sup *s, struct kid *k, int n, const int *starts)
{
	int i;

	for (i = 0; i < n; i++)
		while (kgo_sup_starts(s, i) != (unsigned long long)starts[i] ||
		       LOAD(k[i].running) != 1)
			kgo_sleep(MS / 10);
}

#define STARTS(...)	((const int[]){ __VA_ARGS__ })

static void until_gone(struct __test_metadata *_metadata)
{
	while (kgo_num_goroutine() != 1)
		kgo_sleep(MS / 10);
	EXPECT_EQ(0, kgo_ctx_lost());
}

static void strategy(struct __test_metadata *_metadata, unsigned int which, const int *second,
		     const int *third)
{
	struct kid k[4];
	struct kgo_sup *s = family(_metadata, which, k, 4, KGO_SUP_PERMANENT);
	size_t stuck = 77;
	int i, others;

	EXPECT_EQ(-ESRCH, kgo_sup_wait(s));
	EXPECT_EQ(-ESRCH, kgo_sup_stop(s, 1, NULL, NULL));
	EXPECT_EQ(0, kgo_sup_start(s, kgo_ctx_background()));
	EXPECT_EQ(-EALREADY, kgo_sup_start(s, kgo_ctx_background()));
	until_starts(s, k, 4, STARTS(1, 1, 1, 1));
	tell(&k[1], FAIL);
	until_starts(s, k, 4, second);
	tell(&k[2], RETURN);
	until_starts(s, k, 4, third);
	for (i = 0; i < 4; i++) {
		/* Stopped is who was started more often than it ended itself. */
		others = third[i] - 1 - (i == 1 || i == 2);
		EXPECT_EQ(others, LOAD(k[i].stopped));
	}
	EXPECT_EQ(0, kgo_sup_stop(s, 3600 * 1000 * MS, NULL, &stuck));
	EXPECT_EQ(0, stuck);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, LOAD(k[i].running));
		EXPECT_EQ((unsigned long long)third[i], kgo_sup_starts(s, i));
	}
	EXPECT_EQ(0, kgo_sup_wait(s));
	kgo_sup_put(s);
	until_gone(_metadata);
}

GO_TEST(one_for_one_starts_the_one_again)
{
	strategy(_metadata, KGO_SUP_ONE_FOR_ONE, STARTS(1, 2, 1, 1), STARTS(1, 2, 2, 1));
}

GO_TEST(one_for_all_starts_all_again)
{
	strategy(_metadata, KGO_SUP_ONE_FOR_ALL, STARTS(2, 2, 2, 2), STARTS(3, 3, 3, 3));
}

GO_TEST(rest_for_one_starts_it_and_the_later_ones_again)
{
	strategy(_metadata, KGO_SUP_REST_FOR_ONE, STARTS(1, 2, 2, 2), STARTS(1, 2, 3, 3));
}

GO_TEST(a_transient_child_is_started_again_only_if_it_failed)
{
	struct kid k[1];
	struct kgo_sup *s = family(_metadata, 0, k, 1, KGO_SUP_TRANSIENT);

	EXPECT_EQ(0, kgo_sup_start(s, kgo_ctx_background()));
	until_starts(s, k, 1, STARTS(1));
	tell(&k[0], FAIL);
	until_starts(s, k, 1, STARTS(2));
	tell(&k[0], EXIT);
	until_starts(s, k, 1, STARTS(3));
	tell(&k[0], RETURN);
	EXPECT_EQ(0, kgo_sup_wait(s));
	EXPECT_EQ(3, kgo_sup_starts(s, 0));
	kgo_sup_put(s);
	until_gone(_metadata);
}

GO_TEST(a_panic_is_a_failure_of_the_child_only)
{
	struct kid k[3];
	struct kgo_sup *s = family(_metadata, 0, k, 3, KGO_SUP_TRANSIENT);
	void *value = k;

	EXPECT_EQ(0, kgo_sup_start(s, kgo_ctx_background()));
	until_starts(s, k, 3, STARTS(1, 1, 1));
	tell(&k[1], PANIC);
	until_starts(s, k, 3, STARTS(1, 2, 1));
	tell(&k[1], FAIL);
	until_starts(s, k, 3, STARTS(1, 3, 1));
	EXPECT_EQ(0, kgo_sup_stop(s, 3600 * 1000 * MS, NULL, NULL));
	/* The failure after it does not hide it. */
	EXPECT_EQ(KGO_PANIC_STRING, kgo_sup_panic(s, 1, &value));
	EXPECT_STREQ("of a child", value);
	EXPECT_EQ(KGO_PANIC_STRING, kgo_sup_panic(s, 1, NULL));
	value = k;
	EXPECT_EQ(KGO_PANIC_NONE, kgo_sup_panic(s, 0, &value));
	EXPECT_EQ(NULL, value);
	EXPECT_EQ(KGO_PANIC_NONE, kgo_sup_panic(s, 3, NULL));
	EXPECT_EQ(KGO_PANIC_NONE, kgo_sup_panic(s, -1, NULL));
	kgo_sup_put(s);
	until_gone(_metadata);
}

static int count;

static int always_panics(struct kgo_ctx *ctx UNUSED, void *arg)
{
	ADD(count, 1);
	if (arg)
		kgo_panic_value(arg);
	kgo_chan_close(NULL);
	return 0;
}

GO_TEST(panics_use_the_budget_up)
{
	struct kgo_sup_attr attr = quick;
	struct kgo_sup *s;
	void *value;

	attr.max_restarts = 4;
	s = kgo_sup_new(&attr);
	STORE(count, 0);
	EXPECT_EQ(0, kgo_sup_add(s, &(struct kgo_sup_child){ .start = always_panics, .arg = &attr }));
	EXPECT_EQ(-ECHILD, kgo_sup_run(kgo_ctx_background(), s));
	EXPECT_EQ(5, LOAD(count));
	EXPECT_EQ(KGO_PANIC_VALUE, kgo_sup_panic(s, 0, &value));
	EXPECT_EQ(&attr, value);
	kgo_sup_put(s);

	attr.max_restarts = 0;
	s = kgo_sup_new(&attr);
	EXPECT_EQ(0, kgo_sup_add(s, &(struct kgo_sup_child){ .start = always_panics }));
	EXPECT_EQ(-ECHILD, kgo_sup_run(kgo_ctx_background(), s));
	EXPECT_EQ(KGO_PANIC_RUNTIME, kgo_sup_panic(s, 0, &value));
	EXPECT_STREQ("close of nil channel", value);
	kgo_sup_put(s);
	until_gone(_metadata);
}

GO_TEST(a_temporary_child_is_never_started_again)
{
	struct kgo_sup_attr attr = quick;
	struct kid k[3] = { };
	struct kgo_sup *s;
	int i;

	attr.strategy = KGO_SUP_ONE_FOR_ALL;
	s = kgo_sup_new(&attr);
	for (i = 0; i < 3; i++) {
		struct kgo_sup_child child = {
			.start = kid,
			.arg = &k[i],
			.restart = i ? KGO_SUP_TEMPORARY : KGO_SUP_TRANSIENT,
		};

		k[i].tell = kgo_chan_make(sizeof(int), 4);
		EXPECT_EQ(i, kgo_sup_add(s, &child));
	}
	EXPECT_EQ(0, kgo_sup_start(s, kgo_ctx_background()));
	until_starts(s, k, 3, STARTS(1, 1, 1));
	EXPECT_EQ(-EBUSY, kgo_sup_add(s, &(struct kgo_sup_child){ .start = kid }));
	tell(&k[1], FAIL);
	while (LOAD(k[1].running))
		kgo_sleep(MS / 10);
	until_starts(s, k, 1, STARTS(1));
	/* The other one is stopped with its sibling, and stays so. */
	tell(&k[0], FAIL);
	until_starts(s, k, 1, STARTS(2));
	EXPECT_EQ(0, LOAD(k[2].running));
	EXPECT_EQ(1, LOAD(k[2].stopped));
	tell(&k[0], RETURN);
	EXPECT_EQ(0, kgo_sup_wait(s));
	EXPECT_EQ(2, kgo_sup_starts(s, 0));
	EXPECT_EQ(1, kgo_sup_starts(s, 1));
	EXPECT_EQ(1, kgo_sup_starts(s, 2));
	EXPECT_EQ(0, kgo_sup_starts(s, 3));
	EXPECT_EQ(0, kgo_sup_starts(s, -1));
	kgo_sup_put(s);
	until_gone(_metadata);
}

static int always_fails(struct kgo_ctx *ctx UNUSED, void *arg)
{
	ADD(count, 1);
	return (int)(long)arg;
}

GO_TEST(a_budget_that_is_exceeded_is_the_supervisors_own_failure)
{
	struct kgo_sup_attr attr = quick;
	const long results[] = { -EXDEV, 3, 0 };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		struct kid k = { .tell = kgo_chan_make(sizeof(int), 4) };
		struct kgo_sup *s;

		attr.max_restarts = i * 5;
		s = kgo_sup_new(&attr);
		STORE(count, 0);
		EXPECT_EQ(0, kgo_sup_add(s, &(struct kgo_sup_child){ .start = kid, .arg = &k }));
		EXPECT_EQ(1, kgo_sup_add(s, &(struct kgo_sup_child){
			.start = always_fails, .arg = (void *)results[i] }));
		EXPECT_EQ(0, kgo_sup_start(s, kgo_ctx_background()));
		EXPECT_EQ(results[i] < 0 ? results[i] : -ECHILD, kgo_sup_wait(s));
		EXPECT_EQ((int)i * 5 + 1, LOAD(count));
		EXPECT_EQ(1, kgo_sup_starts(s, 0));
		EXPECT_EQ(0, LOAD(k.running));
		kgo_sup_put(s);
	}
	until_gone(_metadata);
}

GO_TEST(a_supervisor_that_fails_is_started_again_by_its_own)
{
	struct kgo_sup_attr attr = quick;
	struct kgo_sup *top, *inner;
	struct kid k[1];

	attr.max_restarts = 2;
	inner = kgo_sup_new(&attr);
	EXPECT_EQ(0, kgo_sup_add(inner, &(struct kgo_sup_child){
		.start = always_fails, .arg = (void *)-5L }));
	attr.max_restarts = 3;
	top = kgo_sup_new(&attr);
	EXPECT_EQ(0, kgo_sup_add(top, &(struct kgo_sup_child){
		.start = kgo_sup_run, .arg = inner, .restart = KGO_SUP_TRANSIENT }));
	EXPECT_EQ(0, kgo_sup_start(top, kgo_ctx_background()));
	EXPECT_EQ(-5, kgo_sup_wait(top));
	/* Once and twice again, in each of the four lives of the inner one. */
	EXPECT_EQ(12, LOAD(count));
	EXPECT_EQ(4, kgo_sup_starts(top, 0));
	kgo_sup_put(top);
	kgo_sup_put(inner);

	/* To stop the upper one stops the lower one's children. */
	inner = family(_metadata, 0, k, 1, KGO_SUP_PERMANENT);
	top = kgo_sup_new(&quick);
	EXPECT_EQ(0, kgo_sup_add(top, &(struct kgo_sup_child){
		.start = kgo_sup_run, .arg = inner }));
	EXPECT_EQ(0, kgo_sup_start(top, kgo_ctx_background()));
	until_starts(inner, k, 1, STARTS(1));
	EXPECT_EQ(-EBUSY, kgo_sup_run(kgo_ctx_background(), inner));
	EXPECT_EQ(0, kgo_sup_stop(top, 3600 * 1000 * MS, NULL, NULL));
	EXPECT_EQ(0, LOAD(k[0].running));
	EXPECT_EQ(1, LOAD(k[0].stopped));
	kgo_sup_put(top);
	kgo_sup_put(inner);
	until_gone(_metadata);
}

GO_TEST(children_that_do_not_stop_in_time_are_named)
{
	struct kid k[3];
	struct kgo_sup *s = family(_metadata, 0, k, 3, KGO_SUP_PERMANENT);
	int ids[2] = { 77, 77 };
	size_t n = 2;

	k[1].deaf = 1;
	k[1].release = kgo_chan_make(0, 0);
	EXPECT_EQ(0, kgo_sup_start(s, kgo_ctx_background()));
	until_starts(s, k, 3, STARTS(1, 1, 1));
	EXPECT_EQ(-ETIMEDOUT, kgo_sup_stop(s, 3000 * MS, ids, &n));
	EXPECT_EQ(1, n);
	EXPECT_EQ(1, ids[0]);
	EXPECT_EQ(77, ids[1]);
	EXPECT_EQ(1, LOAD(k[1].running));
	EXPECT_EQ(1, LOAD(k[0].stopped));
	EXPECT_EQ(1, LOAD(k[2].stopped));
	/* It cannot run beside its own child. */
	EXPECT_EQ(-EBUSY, kgo_sup_run(kgo_ctx_background(), s));
	kgo_sup_put(s);
	kgo_chan_send(k[1].release, NULL);
	until_gone(_metadata);
}

GO_TEST(a_cancelled_context_stops_the_supervisor)
{
	struct kid k[2];
	struct kgo_sup *s = family(_metadata, 0, k, 2, KGO_SUP_PERMANENT);
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(kgo_ctx_background());

	EXPECT_EQ(0, kgo_sup_start(s, ctx));
	until_starts(s, k, 2, STARTS(1, 1));
	kgo_ctx_cancel(ctx, 0);
	EXPECT_EQ(0, kgo_sup_wait(s));
	EXPECT_EQ(1, k[0].stopped);
	EXPECT_EQ(1, k[1].stopped);
	/* And one that is cancelled from the start. */
	EXPECT_EQ(0, kgo_sup_run(ctx, s));
	kgo_ctx_put(ctx);
	kgo_sup_put(s);
	until_gone(_metadata);
}

GO_TEST(what_cannot_be_is_refused)
{
	struct kgo_sup_attr attr = { .strategy = 3 };
	struct kgo_sup *s = kgo_sup_new(NULL);

	EXPECT_EQ(NULL, kgo_sup_new(&attr));
	attr = (struct kgo_sup_attr){ .max_restarts = 4097 };
	EXPECT_EQ(NULL, kgo_sup_new(&attr));
	attr = (struct kgo_sup_attr){ .stop_ns = -1 };
	EXPECT_EQ(NULL, kgo_sup_new(&attr));
	attr = (struct kgo_sup_attr){ .reserved = 1 };
	EXPECT_EQ(NULL, kgo_sup_new(&attr));
	EXPECT_EQ(-EINVAL, kgo_sup_add(s, NULL));
	EXPECT_EQ(-EINVAL, kgo_sup_add(s, &(struct kgo_sup_child){ .arg = s }));
	EXPECT_EQ(-EINVAL, kgo_sup_add(s, &(struct kgo_sup_child){ .start = kid, .restart = 3 }));
	EXPECT_EQ(-EINVAL, kgo_sup_add(s, &(struct kgo_sup_child){ .start = kid, .reserved = 3 }));
	/* One without children has nothing to do. */
	EXPECT_EQ(0, kgo_sup_run(kgo_ctx_background(), s));
	kgo_sup_put(s);
	kgo_sup_put(NULL);
	until_gone(_metadata);
}

TEST_HARNESS_MAIN
