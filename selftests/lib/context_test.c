// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Contexts: what Go's tests of package context pin down, and what references
 * add to it.  AfterFunc and the table have files of their own.
 */
#include "context_test.h"

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

TEST_HARNESS_MAIN
