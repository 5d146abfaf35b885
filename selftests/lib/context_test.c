// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Contexts: what Go's tests of package context pin down, and what references
 * add to it.
 */
#include "lib_test.h"

#define HOUR	(3600LL * 1000000000LL)

static const char key1, key2, key3;

static bool is_done(struct kgo_ctx *ctx)
{
	return kgo_chan_try_recv(kgo_ctx_done(ctx), NULL) == 0;
}

#define EXPECT_LIVE(ctx)						\
	do {								\
		EXPECT_EQ(0, kgo_ctx_err(ctx));				\
		EXPECT_EQ(0, kgo_ctx_cause(ctx));			\
		EXPECT_FALSE(is_done(ctx));				\
	} while (0)

#define EXPECT_CANCELED(ctx, err, cause)				\
	do {								\
		EXPECT_EQ(err, kgo_ctx_err(ctx));			\
		EXPECT_EQ(cause, kgo_ctx_cause(ctx));			\
		EXPECT_TRUE(is_done(ctx));				\
	} while (0)

/* Cancelled, and nobody else has it. */
static void finish(struct kgo_ctx *ctx)
{
	kgo_ctx_cancel(ctx, 0);
	kgo_ctx_put(ctx);
}

static int count;

static void count_one(void *arg UNUSED)
{
	ADD(count, 1);
}

GO_TEST(background_is_never_cancelled)
{
	struct kgo_ctx *bg = kgo_ctx_background();
	unsigned long long when = 77;

	EXPECT_NE(NULL, bg);
	EXPECT_EQ(NULL, kgo_ctx_done(bg));
	EXPECT_EQ(0, kgo_ctx_err(bg));
	EXPECT_EQ(0, kgo_ctx_cause(bg));
	EXPECT_FALSE(kgo_ctx_deadline(bg, &when));
	EXPECT_EQ(77, when);
	EXPECT_EQ(NULL, kgo_ctx_value(bg, &key1));
	EXPECT_EQ(-EINVAL, kgo_ctx_cancel(bg, 0));
	EXPECT_EQ(0, kgo_ctx_err(bg));
	/* Any number of these. */
	kgo_ctx_put(bg);
	kgo_ctx_put(bg);
	EXPECT_EQ(bg, kgo_ctx_get(bg));
	kgo_ctx_put(NULL);
}

GO_TEST(cancel_closes_done_and_sets_the_error)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	struct kgo_chan *done = kgo_ctx_done(ctx);

	EXPECT_NE(NULL, done);
	EXPECT_EQ(done, kgo_ctx_done(ctx));
	EXPECT_LIVE(ctx);
	EXPECT_EQ(1, kgo_ctx_cancel(ctx, 0));
	EXPECT_EQ(done, kgo_ctx_done(ctx));
	EXPECT_CANCELED(ctx, -ECANCELED, -ECANCELED);
	/* The first counts. */
	EXPECT_EQ(0, kgo_ctx_cancel(ctx, -EIO));
	EXPECT_CANCELED(ctx, -ECANCELED, -ECANCELED);
	kgo_ctx_put(ctx);
	EXPECT_EQ(0, kgo_ctx_lost());
}

GO_TEST(done_asked_for_after_the_cancel_is_closed)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(kgo_ctx_background());

	kgo_ctx_cancel(ctx, 0);
	EXPECT_NE(NULL, kgo_ctx_done(ctx));
	EXPECT_TRUE(is_done(ctx));
	kgo_ctx_put(ctx);
}

static void wait_done(void *arg)
{
	struct kgo_ctx *ctx = arg;

	if (!kgo_chan_recv(kgo_ctx_done(ctx), NULL) && kgo_ctx_err(ctx))
		ADD(count, 1);
	kgo_ctx_put(ctx);
}

GO_TEST(all_who_wait_are_woken)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	int i;

	for (i = 0; i < 100; i++)
		EXPECT_EQ(0, kgo_go(wait_done, kgo_ctx_get(ctx)));
	yield_until(waiting("chan receive") == 100);
	EXPECT_EQ(0, LOAD(count));
	finish(ctx);
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(100, count);
}

GO_TEST(a_cause_is_remembered_and_inherited)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	struct kgo_ctx *child = kgo_ctx_with_cancel(ctx);
	struct kgo_ctx *own = kgo_ctx_with_cancel(ctx);
	struct kgo_ctx *late;

	EXPECT_EQ(1, kgo_ctx_cancel(own, -EPIPE));
	EXPECT_EQ(1, kgo_ctx_cancel(ctx, -EIO));
	EXPECT_CANCELED(ctx, -ECANCELED, -EIO);
	EXPECT_CANCELED(child, -ECANCELED, -EIO);
	EXPECT_CANCELED(own, -ECANCELED, -EPIPE);
	late = kgo_ctx_with_cancel(child);
	EXPECT_CANCELED(late, -ECANCELED, -EIO);
	EXPECT_EQ(0, kgo_ctx_cancel(late, 0));
	kgo_ctx_put(late);
	kgo_ctx_put(own);
	kgo_ctx_put(child);
	kgo_ctx_put(ctx);
	EXPECT_EQ(0, kgo_ctx_lost());
}

/*
 * Who is cancelled first, with which cause, and what each of a parent and its
 * child says then.
 */
enum who { NOBODY, PARENT, CHILD };

static const struct {
	enum who first, second;
	bool child_has_deadline;
	int parent_err, parent_cause, child_err, child_cause;
} causes[] = {
	{ NOBODY, NOBODY, false, 0, 0, 0, 0 },
	{ PARENT, NOBODY, false, -ECANCELED, -EIO, -ECANCELED, -EIO },
	{ CHILD, NOBODY, false, 0, 0, -ECANCELED, -EPIPE },
	{ PARENT, CHILD, false, -ECANCELED, -EIO, -ECANCELED, -EIO },
	{ CHILD, PARENT, false, -ECANCELED, -EIO, -ECANCELED, -EPIPE },
	{ NOBODY, NOBODY, true, 0, 0, -ETIMEDOUT, -ETIMEDOUT },
	{ PARENT, NOBODY, true, -ECANCELED, -EIO, -ETIMEDOUT, -ETIMEDOUT },
	{ CHILD, PARENT, true, -ECANCELED, -EIO, -ETIMEDOUT, -ETIMEDOUT },
};

GO_TEST(table_of_causes)
{
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(causes); i++) {
		struct kgo_ctx *parent = kgo_ctx_with_cancel(kgo_ctx_background());
		struct kgo_ctx *child = causes[i].child_has_deadline ?
			kgo_ctx_with_timeout(parent, -1) : kgo_ctx_with_cancel(parent);
		const enum who order[] = { causes[i].first, causes[i].second };

		for (k = 0; k < 2; k++) {
			if (order[k] == PARENT)
				kgo_ctx_cancel(parent, -EIO);
			else if (order[k] == CHILD)
				kgo_ctx_cancel(child, -EPIPE);
		}
		EXPECT_EQ(causes[i].parent_err, kgo_ctx_err(parent)) { TH_LOG("row %u", i); }
		EXPECT_EQ(causes[i].parent_cause, kgo_ctx_cause(parent)) { TH_LOG("row %u", i); }
		EXPECT_EQ(causes[i].child_err, kgo_ctx_err(child)) { TH_LOG("row %u", i); }
		EXPECT_EQ(causes[i].child_cause, kgo_ctx_cause(child)) { TH_LOG("row %u", i); }
		EXPECT_EQ(!!causes[i].child_err, is_done(child));
		finish(child);
		finish(parent);
	}
}

GO_TEST(a_cause_without_its_sign_is_taken_as_one)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(kgo_ctx_background());

	kgo_ctx_cancel(ctx, EIO);
	EXPECT_CANCELED(ctx, -ECANCELED, -EIO);
	kgo_ctx_put(ctx);
}

/* Parent, a value between, child, a value, grandchild. */
GO_TEST(parent_finishes_children)
{
	struct kgo_ctx *parent = kgo_ctx_with_cancel(kgo_ctx_background());
	struct kgo_ctx *value = kgo_ctx_with_value(parent, &key1, &count);
	struct kgo_ctx *child = kgo_ctx_with_cancel(value);
	struct kgo_ctx *timer = kgo_ctx_with_timeout(value, HOUR);
	struct kgo_ctx *value2 = kgo_ctx_with_value(child, &key2, &count);
	struct kgo_ctx *grandchild = kgo_ctx_with_cancel(value2);
	struct kgo_ctx *all[] = { grandchild, value2, timer, child, value, parent };
	unsigned int i;

	EXPECT_EQ(kgo_ctx_done(parent), kgo_ctx_done(value));
	for (i = 0; i < ARRAY_SIZE(all); i++)
		EXPECT_LIVE(all[i]);
	EXPECT_EQ(-EINVAL, kgo_ctx_cancel(value, 0));
	EXPECT_LIVE(value);

	kgo_ctx_cancel(parent, 0);
	for (i = 0; i < ARRAY_SIZE(all); i++)
		EXPECT_CANCELED(all[i], -ECANCELED, -ECANCELED);
	/* Whatever is made of them now is cancelled, too. */
	child = kgo_ctx_with_value(grandchild, &key3, &count);
	EXPECT_CANCELED(child, -ECANCELED, -ECANCELED);
	kgo_ctx_put(child);
	for (i = 0; i < ARRAY_SIZE(all); i++)
		kgo_ctx_put(all[i]);
	EXPECT_EQ(0, kgo_ctx_lost());
}

GO_TEST(child_finishes_first)
{
	struct kgo_ctx *parent = kgo_ctx_with_cancel(kgo_ctx_background());
	struct kgo_ctx *child = kgo_ctx_with_cancel(parent);
	struct kgo_ctx *sibling = kgo_ctx_with_cancel(parent);

	kgo_ctx_cancel(child, 0);
	EXPECT_CANCELED(child, -ECANCELED, -ECANCELED);
	EXPECT_LIVE(parent);
	EXPECT_LIVE(sibling);
	kgo_ctx_put(child);
	EXPECT_LIVE(parent);
	finish(parent);
	EXPECT_CANCELED(sibling, -ECANCELED, -ECANCELED);
	kgo_ctx_put(sibling);
}

GO_TEST(children_outlive_the_references_to_their_parents)
{
	struct kgo_ctx *parent = kgo_ctx_with_cancel(kgo_ctx_background());
	struct kgo_ctx *value = kgo_ctx_with_value(parent, &key1, &count);
	struct kgo_ctx *child = kgo_ctx_with_cancel(value);

	kgo_ctx_put(value);
	/* The child has it: nothing is lost yet. */
	kgo_ctx_put(parent);
	EXPECT_EQ(0, kgo_ctx_lost());
	EXPECT_LIVE(child);
	EXPECT_EQ(&count, kgo_ctx_value(child, &key1));
	finish(child);
	/* It was the last that kept the parent, which nobody cancelled. */
	EXPECT_EQ(1, kgo_ctx_lost());
}

/* Deeper than a stack could follow by recursion. */
GO_TEST(a_deep_tree_is_cancelled_and_freed)
{
	int depth = MANY(100000), i;
	struct kgo_ctx *top = kgo_ctx_with_cancel(kgo_ctx_background());
	struct kgo_ctx *ctx = kgo_ctx_get(top), *next;

	for (i = 0; i < depth; i++) {
		next = kgo_ctx_with_cancel(ctx);
		kgo_ctx_put(ctx);
		ctx = next;
	}
	EXPECT_LIVE(ctx);
	kgo_ctx_cancel(top, -EIO);
	EXPECT_CANCELED(ctx, -ECANCELED, -EIO);
	kgo_ctx_put(top);
	kgo_ctx_put(ctx);
	EXPECT_EQ(0, kgo_ctx_lost());
}

GO_TEST(a_wide_tree_is_cancelled)
{
	enum { WIDTH = 1000 };
	static struct kgo_ctx *c[WIDTH];
	struct kgo_ctx *top = kgo_ctx_with_cancel(kgo_ctx_background());
	int i;

	for (i = 0; i < WIDTH; i++)
		c[i] = i % 3 ? kgo_ctx_with_cancel(i % 5 ? top : c[i - 1]) :
		       kgo_ctx_with_timeout(top, HOUR);
	for (i = 0; i < WIDTH; i += 7)
		kgo_ctx_cancel(c[i], -EPIPE);
	finish(top);
	for (i = 0; i < WIDTH; i++) {
		EXPECT_EQ(-ECANCELED, kgo_ctx_err(c[i]));
		kgo_ctx_put(c[i]);
	}
	EXPECT_EQ(0, kgo_ctx_lost());
}

static int derive_from_nothing(void *arg)
{
	if (arg)
		kgo_ctx_with_value(NULL, &key1, NULL);
	else
		kgo_ctx_with_cancel(NULL);
	return 0;
}

TEST(no_parent_panics)
{
	struct ended e;

	run_child(&e, derive_from_nothing, NULL);
	EXPECT_PANIC(e, "cannot create context from nil parent");
	run_child(&e, derive_from_nothing, "value");
	EXPECT_PANIC(e, "cannot create context from nil parent");
}

GO_TEST(deadline_cancels)
{
	struct kgo_ctx *ctx = kgo_ctx_with_timeout(kgo_ctx_background(), 5 * MS);
	unsigned long long when = 0;

	EXPECT_TRUE(kgo_ctx_deadline(ctx, &when));
	EXPECT_EQ(0, kgo_chan_recv(kgo_ctx_done(ctx), NULL));
	EXPECT_LE(when, (unsigned long long)now_ns());
	EXPECT_CANCELED(ctx, -ETIMEDOUT, -ETIMEDOUT);
	EXPECT_EQ(0, kgo_ctx_cancel(ctx, -EIO));
	EXPECT_CANCELED(ctx, -ETIMEDOUT, -ETIMEDOUT);
	kgo_ctx_put(ctx);
	EXPECT_EQ(0, kgo_ctx_lost());
	yield_until(kgo_num_goroutine() == 1);
}

GO_TEST(deadline_cancels_what_is_below)
{
	struct kgo_ctx *ctx = kgo_ctx_with_timeout(kgo_ctx_background(), 5 * MS);
	struct kgo_ctx *child = kgo_ctx_with_cancel(ctx);

	EXPECT_EQ(0, kgo_chan_recv(kgo_ctx_done(child), NULL));
	EXPECT_CANCELED(child, -ETIMEDOUT, -ETIMEDOUT);
	EXPECT_CANCELED(ctx, -ETIMEDOUT, -ETIMEDOUT);
	kgo_ctx_put(ctx);
	kgo_ctx_put(child);
}

GO_TEST(the_earlier_deadline_counts)
{
	unsigned long long when = 0, now = (unsigned long long)now_ns();
	struct kgo_ctx *far = kgo_ctx_with_deadline(kgo_ctx_background(), now + HOUR);
	struct kgo_ctx *farther = kgo_ctx_with_deadline(far, now + 2 * HOUR);
	struct kgo_ctx *value = kgo_ctx_with_value(farther, &key1, NULL);
	struct kgo_ctx *near = kgo_ctx_with_deadline(value, now + HOUR / 2);
	struct kgo_ctx *free_of_it = kgo_ctx_without_cancel(near);
	struct kgo_ctx *anew = kgo_ctx_with_deadline(free_of_it, now + 3 * HOUR);

	EXPECT_TRUE(kgo_ctx_deadline(farther, &when));
	EXPECT_EQ(now + HOUR, when);
	EXPECT_TRUE(kgo_ctx_deadline(value, &when));
	EXPECT_EQ(now + HOUR, when);
	EXPECT_TRUE(kgo_ctx_deadline(near, &when));
	EXPECT_EQ(now + HOUR / 2, when);
	EXPECT_FALSE(kgo_ctx_deadline(free_of_it, NULL));
	EXPECT_TRUE(kgo_ctx_deadline(anew, &when));
	EXPECT_EQ(now + 3 * HOUR, when);
	finish(anew);
	kgo_ctx_put(free_of_it);
	finish(near);
	kgo_ctx_put(value);
	finish(farther);
	EXPECT_LIVE(far);
	finish(far);
}

GO_TEST(a_deadline_that_has_passed_cancels_at_once)
{
	static const long long ns[] = { 0, -1, INT64_MIN };
	struct kgo_ctx *ctx;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ns); i++) {
		ctx = kgo_ctx_with_timeout(kgo_ctx_background(), ns[i]);
		EXPECT_CANCELED(ctx, -ETIMEDOUT, -ETIMEDOUT);
		EXPECT_TRUE(kgo_ctx_deadline(ctx, NULL));
		kgo_ctx_put(ctx);
	}
	ctx = kgo_ctx_with_deadline(kgo_ctx_background(), 0);
	EXPECT_CANCELED(ctx, -ETIMEDOUT, -ETIMEDOUT);
	EXPECT_TRUE(kgo_ctx_deadline(ctx, NULL));
	kgo_ctx_put(ctx);
	EXPECT_EQ(0, kgo_ctx_lost());
}

GO_TEST(a_deadline_beyond_all_time_is_far_away)
{
	struct kgo_ctx *a = kgo_ctx_with_timeout(kgo_ctx_background(), INT64_MAX);
	struct kgo_ctx *b = kgo_ctx_with_deadline(kgo_ctx_background(), UINT64_MAX);

	EXPECT_EQ(0, kgo_sleep(MS));
	EXPECT_LIVE(a);
	EXPECT_LIVE(b);
	finish(a);
	finish(b);
}

/* Its timer is stopped: nothing is left that could fire, or leak. */
GO_TEST(cancelled_before_its_deadline)
{
	int i;

	for (i = 0; i < MANY(20000); i++) {
		struct kgo_ctx *ctx = kgo_ctx_with_timeout(kgo_ctx_background(),
							   i % 2 ? HOUR : 1000 * (i % 50));

		if (i % 3 == 0)
			kgo_yield();
		kgo_ctx_cancel(ctx, -EIO);
		EXPECT_NE(0, kgo_ctx_err(ctx));
		EXPECT_EQ(kgo_ctx_err(ctx) == -ETIMEDOUT ? -ETIMEDOUT : -EIO,
			  kgo_ctx_cause(ctx));
		kgo_ctx_put(ctx);
	}
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(0, kgo_ctx_lost());
}

GO_TEST(values_are_found_by_the_address_of_their_key)
{
	static int one = 1, two = 2, three = 3;
	struct kgo_ctx *a = kgo_ctx_with_value(kgo_ctx_background(), &key1, &one);
	struct kgo_ctx *b = kgo_ctx_with_value(a, &key2, &two);
	struct kgo_ctx *c = kgo_ctx_with_value(b, &key1, &three);
	struct kgo_ctx *d = kgo_ctx_with_value(c, &key2, NULL);

	EXPECT_EQ(&one, kgo_ctx_value(a, &key1));
	EXPECT_EQ(NULL, kgo_ctx_value(a, &key2));
	EXPECT_EQ(&one, kgo_ctx_value(b, &key1));
	EXPECT_EQ(&two, kgo_ctx_value(b, &key2));
	/* The nearest hides the others. */
	EXPECT_EQ(&three, kgo_ctx_value(c, &key1));
	EXPECT_EQ(&two, kgo_ctx_value(c, &key2));
	EXPECT_EQ(NULL, kgo_ctx_value(d, &key2));
	EXPECT_EQ(&three, kgo_ctx_value(d, &key1));
	EXPECT_EQ(NULL, kgo_ctx_value(d, &key3));
	kgo_ctx_put(a);
	kgo_ctx_put(b);
	kgo_ctx_put(c);
	EXPECT_EQ(&one, kgo_ctx_value(a, &key1));
	kgo_ctx_put(d);
}

GO_TEST(without_cancel_keeps_values_only)
{
	struct kgo_ctx *parent = kgo_ctx_with_timeout(kgo_ctx_background(), HOUR);
	struct kgo_ctx *value = kgo_ctx_with_value(parent, &key1, &count);
	struct kgo_ctx *ctx = kgo_ctx_without_cancel(value);
	struct kgo_ctx *child = kgo_ctx_with_cancel(ctx);

	EXPECT_EQ(NULL, kgo_ctx_done(ctx));
	EXPECT_FALSE(kgo_ctx_deadline(ctx, NULL));
	EXPECT_EQ(&count, kgo_ctx_value(ctx, &key1));
	EXPECT_EQ(&count, kgo_ctx_value(child, &key1));
	EXPECT_EQ(-EINVAL, kgo_ctx_cancel(ctx, 0));
	kgo_ctx_cancel(parent, -EIO);
	EXPECT_EQ(0, kgo_ctx_err(ctx));
	EXPECT_EQ(0, kgo_ctx_cause(ctx));
	EXPECT_LIVE(child);
	kgo_ctx_cancel(child, -EPIPE);
	EXPECT_CANCELED(child, -ECANCELED, -EPIPE);
	kgo_ctx_put(child);
	kgo_ctx_put(ctx);
	kgo_ctx_put(value);
	kgo_ctx_put(parent);
	EXPECT_EQ(0, kgo_ctx_lost());
}

GO_TEST(after_func_runs_once_when_cancelled)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	struct kgo_ctx *value = kgo_ctx_with_value(ctx, &key1, NULL);
	struct kgo_ctx_after *a = kgo_ctx_after_func(ctx, count_one, NULL);
	struct kgo_ctx_after *b = kgo_ctx_after_func(value, count_one, NULL);

	kgo_yield();
	EXPECT_EQ(0, LOAD(count));
	kgo_ctx_cancel(ctx, 0);
	kgo_ctx_cancel(ctx, 0);
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(2, LOAD(count));
	EXPECT_FALSE(kgo_ctx_after_stop(a));
	kgo_ctx_after_put(b);
	kgo_ctx_put(value);
	kgo_ctx_put(ctx);
	EXPECT_EQ(2, LOAD(count));
	kgo_ctx_after_put(NULL);
}

GO_TEST(after_func_stopped_does_not_run)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	struct kgo_ctx_after *a = kgo_ctx_after_func(ctx, count_one, NULL);
	struct kgo_ctx_after *b = kgo_ctx_after_func(ctx, count_one, NULL);

	EXPECT_TRUE(kgo_ctx_after_stop(a));
	finish(ctx);
	/* The handle keeps what it needs of the context. */
	EXPECT_FALSE(kgo_ctx_after_stop(b));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(1, LOAD(count));
}

GO_TEST(after_func_of_a_cancelled_context_runs_at_once)
{
	struct kgo_ctx *ctx = kgo_ctx_with_timeout(kgo_ctx_background(), 0);
	struct kgo_ctx_after *a = kgo_ctx_after_func(ctx, count_one, NULL);

	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(1, LOAD(count));
	EXPECT_FALSE(kgo_ctx_after_stop(a));
	kgo_ctx_put(ctx);
}

GO_TEST(after_func_of_the_background_never_runs)
{
	struct kgo_ctx_after *a = kgo_ctx_after_func(kgo_ctx_background(), count_one, NULL);

	EXPECT_TRUE(kgo_ctx_after_stop(a));
	a = kgo_ctx_after_func(kgo_ctx_background(), count_one, NULL);
	kgo_ctx_after_put(a);
	kgo_yield();
	EXPECT_EQ(1, kgo_num_goroutine());
	EXPECT_EQ(0, LOAD(count));
}

/* It may use the context that it was registered for, and block. */
static void cancel_another(void *arg)
{
	struct kgo_ctx **c = arg;

	if (kgo_ctx_err(c[0]) == -ECANCELED)
		kgo_ctx_cancel(c[1], kgo_ctx_cause(c[0]));
}

GO_TEST(after_func_can_cancel_another_tree)
{
	struct kgo_ctx *c[] = { kgo_ctx_with_cancel(kgo_ctx_background()),
				kgo_ctx_with_cancel(kgo_ctx_background()) };
	struct kgo_ctx_after *a = kgo_ctx_after_func(c[0], cancel_another, c);

	kgo_ctx_cancel(c[0], -EIO);
	EXPECT_EQ(0, kgo_chan_recv(kgo_ctx_done(c[1]), NULL));
	EXPECT_CANCELED(c[1], -ECANCELED, -EIO);
	EXPECT_FALSE(kgo_ctx_after_stop(a));
	yield_until(kgo_num_goroutine() == 1);
	kgo_ctx_put(c[0]);
	kgo_ctx_put(c[1]);
}

/*
 * Two trees that cancel each other, from both sides at one time.
 */
static void cancel_it(void *arg)
{
	kgo_ctx_cancel(arg, 0);
}

GO_TEST(interlocked_cancels)
{
	int i;

	for (i = 0; i < MANY(2000); i++) {
		struct kgo_ctx *a = kgo_ctx_with_cancel(kgo_ctx_background());
		struct kgo_ctx *b = kgo_ctx_with_cancel(kgo_ctx_background());
		struct kgo_ctx *below = kgo_ctx_with_cancel(a);
		struct kgo_ctx_after *aa = kgo_ctx_after_func(below, cancel_it, b);
		struct kgo_ctx_after *bb = kgo_ctx_after_func(b, cancel_it, a);

		EXPECT_EQ(0, kgo_go(cancel_it, a));
		EXPECT_EQ(0, kgo_go(cancel_it, b));
		EXPECT_EQ(0, kgo_go(cancel_it, below));
		yield_until(kgo_num_goroutine() == 1);
		EXPECT_CANCELED(a, -ECANCELED, -ECANCELED);
		EXPECT_CANCELED(b, -ECANCELED, -ECANCELED);
		EXPECT_CANCELED(below, -ECANCELED, -ECANCELED);
		kgo_ctx_after_put(aa);
		EXPECT_FALSE(kgo_ctx_after_stop(bb));
		kgo_ctx_put(a);
		kgo_ctx_put(below);
		kgo_ctx_put(b);
	}
	EXPECT_EQ(0, kgo_ctx_lost());
}

/* Derive, look and cancel, while somebody cancels the parent. */
static struct kgo_ctx *shared;
static int bad, live_derivers;

static void derive(void *arg UNUSED)
{
	int i;

	for (i = 0; i < 50; i++) {
		int parent = kgo_ctx_err(shared);
		struct kgo_ctx *c = i % 2 ? kgo_ctx_with_cancel(shared) :
				    kgo_ctx_with_timeout(shared, i * 1000);
		struct kgo_ctx *cc = kgo_ctx_with_cancel(c);

		/* Nobody is born alive to a parent that was cancelled. */
		if (parent && !kgo_ctx_err(c))
			ADD(bad, 1);
		kgo_ctx_cancel(c, 0);
		if (!kgo_ctx_err(cc) || !is_done(cc))
			ADD(bad, 1);
		kgo_ctx_put(c);
		kgo_ctx_put(cc);
	}
	ADD(live_derivers, -1);
	kgo_ctx_put(shared);
}

GO_TEST(derived_while_the_parent_is_cancelled)
{
	int i, k;

	for (k = 0; k < MANY(100); k++) {
		shared = kgo_ctx_with_cancel(kgo_ctx_background());
		STORE(live_derivers, 8);
		for (i = 0; i < 8; i++) {
			kgo_ctx_get(shared);
			EXPECT_EQ(0, kgo_go(derive, NULL));
		}
		for (i = 0; i < k % 7; i++)
			kgo_yield();
		kgo_ctx_cancel(shared, -EIO);
		yield_until(!LOAD(live_derivers));
		yield_until(kgo_num_goroutine() == 1);
		kgo_ctx_put(shared);
	}
	EXPECT_EQ(0, bad);
	EXPECT_EQ(0, kgo_ctx_lost());
}

GO_TEST(a_lost_cancel_is_cancelled_and_counted)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	struct kgo_ctx_after *a = kgo_ctx_after_func(ctx, count_one, NULL);
	struct kgo_ctx *far = kgo_ctx_with_timeout(kgo_ctx_background(), HOUR);

	kgo_ctx_put(ctx);
	EXPECT_EQ(1, kgo_ctx_lost());
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(1, LOAD(count));
	EXPECT_FALSE(kgo_ctx_after_stop(a));
	/* Its timer does not keep it. */
	kgo_ctx_put(far);
	EXPECT_EQ(2, kgo_ctx_lost());
	/* Values have nothing to lose. */
	kgo_ctx_put(kgo_ctx_with_value(kgo_ctx_background(), &key1, NULL));
	EXPECT_EQ(2, kgo_ctx_lost());
}

/*
 * The table.
 */
static char *dump(void)
{
	int fd = memfd_create("dump", MFD_CLOEXEC);
	off_t size;
	char *text;

	kgo_dump_contexts(fd);
	size = lseek(fd, 0, SEEK_END);
	text = calloc(1, (size_t)size + 1);
	if (pread(fd, text, (size_t)size, 0) != size)
		text[0] = 0;
	close(fd);
	return text;
}

static int lines(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* Its number of columns, parted by two spaces or more. */
static int columns(const char *line)
{
	int n = 1;

	for (; *line && *line != '\n'; line++)
		n += line[0] == ' ' && line[1] == ' ' && line[2] != ' ';
	return n;
}

/* The row that was made in this function, to be freed with the text. */
static const char *row_of(const char *text, const char *where)
{
	const char *s = strstr(text, where);

	while (s && s > text && s[-1] != '\n')
		s--;
	return s ? s : "";
}

static __attribute__((noinline)) struct kgo_ctx *made_here(struct kgo_ctx *parent)
{
	return kgo_ctx_with_timeout(parent, HOUR);
}

GO_TEST(the_table_shows_who_made_what_is_alive)
{
	struct kgo_ctx *top, *timed, *value;
	const char *row, *line;
	char *text = dump();
	int n;

	EXPECT_EQ(1, lines(text));
	EXPECT_EQ(9, columns(text));
	free(text);

	top = kgo_ctx_with_cancel(kgo_ctx_background());
	timed = made_here(top);
	value = kgo_ctx_with_value(timed, &key1, NULL);
	text = dump();
	EXPECT_EQ(4, lines(text));
	for (line = text; *line; line = strchr(line, '\n') + 1)
		EXPECT_EQ(9, columns(line));
	row = row_of(text, "  made_here at ");
	n = 0;
	EXPECT_EQ(0, strncmp("deadline  ", row + 10, 10));
	EXPECT_NE(NULL, strstr(row, "  active  "));
	EXPECT_NE(NULL, strstr(row, "context_test.c:"));
	/* References: the one here and that of the value. */
	if (sscanf(row, "%*s deadline active - %*d 0 %d", &n) != 1)
		n = 0;
	EXPECT_EQ(2, n) { TH_LOG("%s", text); }
	free(text);

	kgo_ctx_cancel(top, -EIO);
	text = dump();
	row = row_of(text, "  made_here at ");
	EXPECT_NE(NULL, strstr(row, "  canceled  ")) { TH_LOG("%s", text); }
	EXPECT_NE(NULL, strstr(row, "  -5  "));
	free(text);

	kgo_ctx_put(value);
	kgo_ctx_put(timed);
	kgo_ctx_put(top);
	text = dump();
	EXPECT_EQ(1, lines(text));
	free(text);
}

/* Some come and go while the table is read by several. */
static int stop_reading;

static void read_table(void *arg UNUSED)
{
	while (!LOAD(stop_reading)) {
		char *text = dump();

		if (columns(text) != 9)
			ADD(bad, 1);
		free(text);
		kgo_yield();
	}
}

static void come_and_go(void *arg)
{
	struct kgo_ctx *ctx;
	int i;

	for (i = 0; i < MANY(2000); i++) {
		ctx = kgo_ctx_with_value(arg, &key1, NULL);
		if (i % 16 == 0)
			kgo_yield();
		kgo_ctx_put(ctx);
	}
	ADD(live_derivers, -1);
}

GO_TEST(the_table_is_read_while_it_changes)
{
	struct kgo_ctx *top = kgo_ctx_with_cancel(kgo_ctx_background());
	int i;

	STORE(live_derivers, 4);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, kgo_go(read_table, NULL));
		EXPECT_EQ(0, kgo_go(come_and_go, top));
	}
	yield_until(!LOAD(live_derivers));
	STORE(stop_reading, 1);
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(0, bad);
	finish(top);
}

/* Not a goroutine: the table can be read all the same. */
static void *read_outside(void *arg)
{
	char *text = dump();

	STORE(*(int *)arg, lines(text));
	free(text);
	return NULL;
}

GO_TEST(a_plain_thread_reads_the_table)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	pthread_t thread;
	int n = 0;

	EXPECT_EQ(0, pthread_create(&thread, NULL, read_outside, &n));
	EXPECT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(2, n);
	finish(ctx);
}

TEST_HARNESS_MAIN
