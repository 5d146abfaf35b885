// SPDX-License-Identifier: GPL-2.0
/*
 * Goroutines: states, numbers, free lists; and the queues that link them.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "test.h"

static void nothing(void *arg)
{
}

/* A goroutine that nobody runs; give it to let_go() in the end. */
static struct kgo_g *fresh(struct kunit *test)
{
	struct kgo_g *g = NULL;

	KUNIT_ASSERT_EQ(test, kgo_g_new(NULL, &g, nothing, NULL, 0, NULL), 0);
	return g;
}

/* The live runtime runs it to its end and frees it. */
static void let_go(struct kgo_g *g)
{
	kgo_start(NULL, g);
}

static void new_goroutine_is_in_no_state_that_runs(struct kunit *test)
{
	struct kgo_g *g = fresh(test);
	u32 state = g->d.state;

	KUNIT_EXPECT_TRUE(test, state == KGO_G_IDLE || state == KGO_G_DEAD);
	KUNIT_EXPECT_EQ(test, g->d.fn, (u64)(unsigned long)nothing);
	KUNIT_EXPECT_EQ(test, g->d.site, 0);
	KUNIT_EXPECT_EQ(test, g->d.parent, 0);
	KUNIT_EXPECT_EQ(test, g->d.m, KGO_NONE);
	KUNIT_EXPECT_EQ(test, g->d.p, KGO_NONE);
	KUNIT_EXPECT_PTR_EQ(test, g, port_g(g->index));
	let_go(g);
}

static void every_legal_step_is_taken(struct kunit *test)
{
	static const u32 steps[] = {
		KGO_G_RUNNABLE, KGO_G_RUNNING, KGO_G_RUNNABLE, KGO_G_RUNNING,
		KGO_G_WAITING, KGO_G_RUNNABLE, KGO_G_RUNNING, KGO_G_DEAD,
	};
	struct kgo_g *g = fresh(test);
	u32 i;

	kgo_test_catch_throws();
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		kgo_g_set_state(g, g->d.state, steps[i]);
		KUNIT_EXPECT_EQ(test, g->d.state, steps[i]);
	}
	KUNIT_EXPECT_EQ(test, kgo_test_throws(), 0);
	let_go(g);
}

static void step_from_a_wrong_state_throws(struct kunit *test)
{
	struct kgo_g *g = fresh(test);
	u32 actual, from, thrown = 0;

	kgo_test_catch_throws();
	for (actual = 0; actual < KGO_G_NR_STATES; actual++) {
		for (from = 0; from < KGO_G_NR_STATES; from++) {
			if (from == actual)
				continue;
			WRITE_ONCE(g->d.state, actual);
			kgo_g_set_state(g, from, KGO_G_RUNNABLE);
			thrown++;
			KUNIT_EXPECT_EQ(test, g->d.state, actual);
		}
	}
	KUNIT_EXPECT_EQ(test, kgo_test_throws(), thrown);
	WRITE_ONCE(g->d.state, KGO_G_DEAD);
	let_go(g);
}

static int ready_thread(void *arg)
{
	struct kgo_g *g = arg;

	kgo_g_set_state(g, KGO_G_WAITING, KGO_G_RUNNABLE);
	while (!kthread_should_stop())
		usleep_range(1000, 2000);
	return 0;
}

static void waker_waits_for_whoever_reads_the_stack(struct kunit *test)
{
	struct kgo_g *g = fresh(test);
	struct task_struct *task;
	u32 i;

	WRITE_ONCE(g->d.state, KGO_G_WAITING | KGO_G_SCAN);
	task = kthread_run(ready_thread, g, "kgo_test_ready");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	msleep(30);
	KUNIT_EXPECT_EQ(test, READ_ONCE(g->d.state), KGO_G_WAITING | KGO_G_SCAN);
	/* Pairs with the compare-and-swap in kgo_g_set_state(). */
	smp_store_release(&g->d.state, KGO_G_WAITING);
	for (i = 0; i < 60000 && READ_ONCE(g->d.state) != KGO_G_RUNNABLE; i++)
		usleep_range(1000, 2000);
	KUNIT_EXPECT_EQ(test, READ_ONCE(g->d.state), KGO_G_RUNNABLE);
	kthread_stop(task);
	let_go(g);
}

static void queue_keeps_the_order(struct kunit *test)
{
	struct kgo_gq q = { 0 };
	struct kgo_g *g[3];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(g); i++)
		g[i] = fresh(test);
	KUNIT_EXPECT_NULL(test, kgo_gq_pop(&q));
	kgo_gq_push(&q, g[0]);
	kgo_gq_push_front(&q, g[1]);
	kgo_gq_push(&q, g[2]);
	KUNIT_EXPECT_EQ(test, q.n, 3);
	KUNIT_EXPECT_PTR_EQ(test, kgo_gq_pop(&q), g[1]);
	KUNIT_EXPECT_PTR_EQ(test, kgo_gq_pop(&q), g[0]);
	KUNIT_EXPECT_PTR_EQ(test, kgo_gq_pop(&q), g[2]);
	KUNIT_EXPECT_NULL(test, kgo_gq_pop(&q));
	KUNIT_EXPECT_EQ(test, q.n, 0);

	/* One that became empty is as good as new. */
	kgo_gq_push_front(&q, g[0]);
	kgo_gq_push(&q, g[1]);
	KUNIT_EXPECT_PTR_EQ(test, kgo_gq_pop(&q), g[0]);
	KUNIT_EXPECT_PTR_EQ(test, kgo_gq_pop(&q), g[1]);
	for (i = 0; i < ARRAY_SIZE(g); i++)
		let_go(g[i]);
}

/* Batches of 3, 1, 2, taken by one or whole in every combination. */
static void batches_keep_the_order(struct kunit *test)
{
	static const u32 sizes[] = { 3, 1, 2 };
	struct kgo_batches b;
	struct kgo_gq q;
	struct kgo_g *g[6], *got;
	u32 how, take, out, i, j, n;

	for (i = 0; i < ARRAY_SIZE(g); i++)
		g[i] = fresh(test);
	for (how = 0; how < 64; how++) {
		memset(&b, 0, sizeof(b));
		memset(&q, 0, sizeof(q));
		kgo_batches_put(&b, &q);		/* an empty one is none */
		KUNIT_EXPECT_EQ(test, b.n, 0);
		for (i = 0, n = 0; i < ARRAY_SIZE(sizes); i++) {
			for (j = 0; j < sizes[i]; j++)
				kgo_gq_push(&q, g[n++]);
			kgo_batches_put(&b, &q);
			KUNIT_EXPECT_EQ(test, q.n, 0);
			KUNIT_EXPECT_EQ(test, b.n, n);
		}
		for (take = 0, out = 0; out < 6; take++) {
			bool one = how >> take & 1;

			q = kgo_batches_get(&b, one);
			KUNIT_ASSERT_GT(test, q.n, 0);
			if (one)
				KUNIT_EXPECT_EQ(test, q.n, 1);
			while ((got = kgo_gq_pop(&q)))
				KUNIT_EXPECT_PTR_EQ(test, got, g[out++]);
			KUNIT_EXPECT_EQ(test, q.n, 0);
			KUNIT_EXPECT_EQ(test, b.n, 6 - out);
		}
		q = kgo_batches_get(&b, false);
		KUNIT_EXPECT_EQ(test, q.n, 0);
	}
	for (i = 0; i < ARRAY_SIZE(g); i++)
		let_go(g[i]);
}

#define SPAWNERS	8
#define EACH		200

struct numbers {
	u64 goid[SPAWNERS * EACH];
	atomic_t n;
	struct kgo_wg wg;
};

static void note_number(void *arg)
{
	struct numbers *all = arg;

	all->goid[atomic_inc_return(&all->n) - 1] = kgo_goid();
	kgo_wg_done(&all->wg);
}

static void spawn_some(void *arg)
{
	struct numbers *all = arg;
	u32 i;

	for (i = 0; i < EACH; i++) {
		kgo_wg_add(&all->wg, 1);
		if (kgo_go(note_number, all))
			kgo_wg_done(&all->wg);
		if (i % 16 == 0)
			kgo_yield();
	}
	kgo_wg_done(&all->wg);
}

static int compare_u64(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

KGO_TEST(numbers_are_never_used_twice)
{
	struct numbers *all = kzalloc(sizeof(*all), GFP_KERNEL);
	u32 i;

	KUNIT_EXPECT_NOT_NULL(test, all);
	if (!all)
		return;
	for (i = 0; i < SPAWNERS; i++) {
		kgo_wg_add(&all->wg, 1);
		KUNIT_EXPECT_EQ(test, kgo_go(spawn_some, all), 0);
	}
	kgo_wg_wait(&all->wg);
	KUNIT_EXPECT_EQ(test, atomic_read(&all->n), SPAWNERS * EACH);
	sort(all->goid, SPAWNERS * EACH, sizeof(u64), compare_u64, NULL);
	KUNIT_EXPECT_GT(test, all->goid[0], 0);
	for (i = 1; i < SPAWNERS * EACH; i++)
		KUNIT_EXPECT_NE(test, all->goid[i], all->goid[i - 1]);
	/* The last of them may be on its way out of kgo_wg_done(). */
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	kfree(all);
}

static void done(void *arg)
{
	kgo_wg_done(arg);
}

KGO_TEST(dead_goroutines_are_used_again)
{
	u32 before = READ_ONCE(kgo_rt.r->nr_gs), i;
	struct kgo_wg wg = {};

	for (i = 0; i < 5000; i++) {
		kgo_wg_add(&wg, 1);
		KUNIT_EXPECT_EQ(test, kgo_go(done, &wg), 0);
		if (i % 8 == 0)
			kgo_wg_wait(&wg);
	}
	kgo_wg_wait(&wg);
	/* What the Ps keep in their lists, and no more. */
	KUNIT_EXPECT_LT(test, READ_ONCE(kgo_rt.r->nr_gs) - before,
			kgo_rt.nr_ps * 100 + 100);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

struct seen {
	u64 goid, parent, site;
	struct kgo_wg wg;
};

static void note_descriptor(void *arg)
{
	struct kgo_g *g = port_self()->curg;
	struct seen *seen = arg;

	seen->goid = g->d.goid;
	seen->parent = g->d.parent;
	seen->site = g->d.site;
	kgo_wg_done(&seen->wg);
}

KGO_TEST(descriptor_names_parent_and_go_statement)
{
	struct seen seen = {};
	struct kgo_site *site;

	kgo_wg_add(&seen.wg, 1);
	KUNIT_EXPECT_EQ(test, kgo_go(note_descriptor, &seen), 0);
	kgo_wg_wait(&seen.wg);
	KUNIT_EXPECT_EQ(test, seen.parent, kgo_goid());
	KUNIT_EXPECT_NE(test, seen.goid, kgo_goid());
	site = (struct kgo_site *)(unsigned long)seen.site;
	KUNIT_EXPECT_STREQ(test, (const char *)(unsigned long)site->start, "note_descriptor");
	KUNIT_EXPECT_STREQ(test, (const char *)(unsigned long)site->func,
			   "descriptor_names_parent_and_go_statement_body");
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static void receive(void *arg)
{
	kgo_chan_recv(arg, NULL);
}

KGO_TEST(number_of_goroutines_is_counted)
{
	struct kgo_chan *c = kgo_chan_make(0, 0);
	u64 before = kgo_num_goroutine();
	u32 i;

	KUNIT_EXPECT_GE(test, before, 1);
	for (i = 0; i < 10; i++)
		KUNIT_EXPECT_EQ(test, kgo_go(receive, c), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(10, KGO_WAIT_CHAN_RECEIVE));
	KUNIT_EXPECT_EQ(test, kgo_num_goroutine(), before + 10);
	kgo_chan_close(c);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, kgo_num_goroutine(), before);
	kgo_chan_free(c);
}

static struct kunit_case g_cases[] = {
	KUNIT_CASE(new_goroutine_is_in_no_state_that_runs),
	KUNIT_CASE(every_legal_step_is_taken),
	KUNIT_CASE(step_from_a_wrong_state_throws),
	KUNIT_CASE(waker_waits_for_whoever_reads_the_stack),
	KUNIT_CASE(queue_keeps_the_order),
	KUNIT_CASE(batches_keep_the_order),
	KUNIT_CASE(numbers_are_never_used_twice),
	KUNIT_CASE(dead_goroutines_are_used_again),
	KUNIT_CASE(descriptor_names_parent_and_go_statement),
	KUNIT_CASE(number_of_goroutines_is_counted),
	{}
};

static struct kunit_suite g_suite = {
	.name = "kgo_g",
	.test_cases = g_cases,
};

kunit_test_suite(g_suite);
