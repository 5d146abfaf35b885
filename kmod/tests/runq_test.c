// SPDX-License-Identifier: GPL-2.0
/*
 * Run queues, on Ps of the test's own that no M owns.
 *
 * The global queue is the live one: what is spilled there may be taken and run
 * by a real M at any time.  So every goroutine here counts how often it came
 * out, in whatever way, and that is what is proved: each exactly once.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/slab.h>

#include "test.h"

#define NR_GS	600

struct fix {
	struct kgo_p *p[4];
	struct kgo_g *g[NR_GS];
	atomic_t out[NR_GS];		/* how often it came out of a queue */
};

static void came_out(void *arg)
{
	atomic_inc(arg);
}

static int runq_init(struct kunit *test)
{
	struct fix *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	u32 i;

	if (!f)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(f->p); i++) {
		f->p[i] = kunit_kzalloc(test, sizeof(struct kgo_p), GFP_KERNEL);
		if (!f->p[i])
			return -ENOMEM;
		f->p[i]->index = i;
	}
	test->priv = f;
	return 0;
}

/* Goroutines of @n are RUNNABLE and in no queue. */
static void make(struct kunit *test, u32 n)
{
	struct fix *f = test->priv;
	u32 i;

	for (i = 0; i < n; i++) {
		KUNIT_ASSERT_EQ(test, kgo_g_new(NULL, &f->g[i], came_out, &f->out[i], 0,
						NULL), 0);
		kgo_g_set_state(f->g[i], f->g[i]->d.state, KGO_G_RUNNABLE);
	}
}

/* Let the live runtime end one that came out here, without counting it again. */
static void end(struct kgo_g *g)
{
	static atomic_t ignored;

	g->arg = &ignored;
	kgo_globq_put(g);
	kgo_wakep(NULL);
}

static bool live_runtime_is_idle(void)
{
	return !kgo_num_goroutine();
}

static void runq_exit(struct kunit *test)
{
	u32 i;

	for (i = 0; i < 60000 && !live_runtime_is_idle(); i++)
		usleep_range(1000, 2000);
}

static void order_is_first_in_first_out(struct kunit *test)
{
	struct fix *f = test->priv;
	struct kgo_p *p = f->p[0];
	u32 i;

	make(test, 10);
	KUNIT_EXPECT_TRUE(test, kgo_runq_empty(p));
	KUNIT_EXPECT_NULL(test, kgo_runq_get(p));
	for (i = 0; i < 10; i++)
		kgo_runq_put(p, f->g[i], false);
	KUNIT_EXPECT_FALSE(test, kgo_runq_empty(p));
	for (i = 0; i < 10; i++)
		KUNIT_EXPECT_PTR_EQ(test, kgo_runq_get(p), f->g[i]);
	KUNIT_EXPECT_NULL(test, kgo_runq_get(p));
	for (i = 0; i < 10; i++)
		end(f->g[i]);
}

static void next_goes_first_and_kicks_out_its_predecessor(struct kunit *test)
{
	struct fix *f = test->priv;
	struct kgo_p *p = f->p[0];
	u32 i;

	make(test, 4);
	kgo_runq_put(p, f->g[0], false);
	kgo_runq_put(p, f->g[1], true);
	kgo_runq_put(p, f->g[2], true);
	KUNIT_EXPECT_EQ(test, p->d.runnext, f->g[2]->index);
	kgo_runq_put(p, f->g[3], false);
	KUNIT_EXPECT_PTR_EQ(test, kgo_runq_get(p), f->g[2]);
	KUNIT_EXPECT_PTR_EQ(test, kgo_runq_get(p), f->g[0]);
	KUNIT_EXPECT_PTR_EQ(test, kgo_runq_get(p), f->g[1]);
	KUNIT_EXPECT_PTR_EQ(test, kgo_runq_get(p), f->g[3]);
	for (i = 0; i < 4; i++)
		end(f->g[i]);
}

static void ring_wraps(struct kunit *test)
{
	struct fix *f = test->priv;
	struct kgo_p *p = f->p[0];
	u32 i;

	make(test, 3);
	/* The counters pass 2^32 on the way. */
	p->d.runq_head = -100U;
	p->d.runq_tail = -100U;
	for (i = 0; i < 3 * KGO_RUNQ_SIZE; i++) {
		kgo_runq_put(p, f->g[i % 3], false);
		if (i < 2)
			continue;
		KUNIT_EXPECT_PTR_EQ(test, kgo_runq_get(p), f->g[(i - 2) % 3]);
	}
	KUNIT_EXPECT_EQ(test, p->d.runq_tail - p->d.runq_head, 2);
	while (kgo_runq_get(p))
		;
	for (i = 0; i < 3; i++)
		end(f->g[i]);
}

/* All of the first @n came out once: of a queue of the test, or of the global one. */
static void expect_each_once(struct kunit *test, u32 n)
{
	struct fix *f = test->priv;
	u32 i, wait;

	for (wait = 0; wait < 5000; wait++) {
		for (i = 0; i < n && atomic_read(&f->out[i]); i++)
			;
		if (i == n)
			break;
		kgo_wakep(NULL);
		usleep_range(1000, 2000);
	}
	for (i = 0; i < n; i++)
		KUNIT_EXPECT_EQ(test, atomic_read(&f->out[i]), 1);
}

static void take(struct kgo_g *g)
{
	atomic_inc(g->arg);
	end(g);
}

static void full_ring_spills_half_to_the_global_queue(struct kunit *test)
{
	struct fix *f = test->priv;
	struct kgo_p *p = f->p[0];
	struct kgo_g *g;
	u32 i, here = 0;

	make(test, KGO_RUNQ_SIZE + 1);
	for (i = 0; i < KGO_RUNQ_SIZE; i++)
		kgo_runq_put(p, f->g[i], false);
	KUNIT_EXPECT_EQ(test, p->d.runq_tail - p->d.runq_head, KGO_RUNQ_SIZE);
	kgo_runq_put(p, f->g[KGO_RUNQ_SIZE], false);
	KUNIT_EXPECT_EQ(test, p->d.runq_tail - p->d.runq_head, KGO_RUNQ_SIZE / 2);
	/* The older half is gone, with the new one behind it. */
	for (i = KGO_RUNQ_SIZE / 2; i < KGO_RUNQ_SIZE; i++) {
		g = kgo_runq_get(p);
		KUNIT_EXPECT_PTR_EQ(test, g, f->g[i]);
		take(g);
		here++;
	}
	KUNIT_EXPECT_NULL(test, kgo_runq_get(p));
	KUNIT_EXPECT_EQ(test, here, KGO_RUNQ_SIZE / 2);
	expect_each_once(test, KGO_RUNQ_SIZE + 1);
}

static void thief_takes_half(struct kunit *test)
{
	static const u32 lens[] = { 1, 2, 3, 10, 11, KGO_RUNQ_SIZE };
	struct fix *f = test->priv;
	struct kgo_p *from = f->p[0], *to = f->p[1];
	struct kgo_g *g;
	u32 i, j, half;

	make(test, KGO_RUNQ_SIZE);
	KUNIT_EXPECT_NULL(test, kgo_runq_steal(to, from, false));
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		half = lens[i] - lens[i] / 2;
		for (j = 0; j < lens[i]; j++)
			kgo_runq_put(from, f->g[j], false);
		to->d.stolen = 0;
		/* The newest of the stolen ones runs now. */
		g = kgo_runq_steal(to, from, false);
		KUNIT_EXPECT_PTR_EQ(test, g, f->g[half - 1]);
		KUNIT_EXPECT_EQ(test, to->d.stolen, half);
		for (j = 0; j < half - 1; j++)
			KUNIT_EXPECT_PTR_EQ(test, kgo_runq_get(to), f->g[j]);
		KUNIT_EXPECT_NULL(test, kgo_runq_get(to));
		for (j = half; j < lens[i]; j++)
			KUNIT_EXPECT_PTR_EQ(test, kgo_runq_get(from), f->g[j]);
		KUNIT_EXPECT_NULL(test, kgo_runq_get(from));
	}
	for (i = 0; i < KGO_RUNQ_SIZE; i++)
		end(f->g[i]);
}

static void thief_takes_next_only_if_told_and_alone(struct kunit *test)
{
	struct fix *f = test->priv;
	struct kgo_p *from = f->p[0], *to = f->p[1];

	make(test, 2);
	kgo_runq_put(from, f->g[0], true);
	KUNIT_EXPECT_NULL(test, kgo_runq_steal(to, from, false));
	KUNIT_EXPECT_EQ(test, from->d.runnext, f->g[0]->index);

	kgo_runq_put(from, f->g[1], false);
	KUNIT_EXPECT_PTR_EQ(test, kgo_runq_steal(to, from, true), f->g[1]);
	KUNIT_EXPECT_EQ(test, from->d.runnext, f->g[0]->index);
	KUNIT_EXPECT_PTR_EQ(test, kgo_runq_steal(to, from, true), f->g[0]);
	KUNIT_EXPECT_TRUE(test, kgo_runq_empty(from));
	KUNIT_EXPECT_NULL(test, kgo_runq_steal(to, from, true));
	end(f->g[0]);
	end(f->g[1]);
}

/* What a thread of the concurrent test does, with a P that it owns. */
struct crew {
	struct kgo_p *p;
	struct kgo_p *from;
	atomic_t *left;			/* goroutines that have not come out */
	struct kgo_gq mine;		/* those that came out here */
};

static void keep(struct crew *c, struct kgo_g *g)
{
	atomic_inc(g->arg);
	atomic_dec(c->left);
	kgo_gq_push(&c->mine, g);
}

static int thief(void *arg)
{
	struct crew *c = arg;
	struct kgo_g *g;

	while (!kthread_should_stop()) {
		g = kgo_runq_steal(c->p, c->from, true);
		for (; g; g = kgo_runq_get(c->p))
			keep(c, g);
		cond_resched();
	}
	return 0;
}

/* One owner that puts and gets, three thieves: nothing lost, nothing twice. */
static void thieves_lose_and_double_nothing(struct kunit *test)
{
	const u32 rounds = 40, batch = KGO_RUNQ_SIZE;
	struct fix *f = test->priv;
	struct task_struct *task[3];
	struct crew crew[4] = {};
	struct kgo_g *g;
	u32 i, r, tries;
	atomic_t left;

	make(test, batch);
	atomic_set(&left, 0);
	for (i = 0; i < 4; i++) {
		crew[i].p = f->p[i];
		crew[i].from = f->p[0];
		crew[i].left = &left;
	}
	for (r = 0; r < rounds; r++) {
		for (i = 1; i < 4; i++) {
			task[i - 1] = kthread_run(thief, &crew[i], "kgo_test_thief");
			KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task[i - 1]);
		}
		atomic_set(&left, batch);
		/* Never more than fit in: none goes to the global queue. */
		for (i = 0; i < batch; i++) {
			kgo_runq_put(f->p[0], f->g[i], (i + r) % 3 == 0);
			g = (i + r) % 5 == 0 ? kgo_runq_get(f->p[0]) : NULL;
			if (g)
				keep(&crew[0], g);
		}
		for (tries = 0; atomic_read(&left) && tries < 10000; tries++) {
			g = kgo_runq_get(f->p[0]);
			if (g)
				keep(&crew[0], g);
			else
				cond_resched();
		}
		for (i = 1; i < 4; i++)
			kthread_stop(task[i - 1]);
		KUNIT_ASSERT_EQ(test, atomic_read(&left), 0);
		for (i = 0; i < 4; i++)
			KUNIT_EXPECT_TRUE(test, kgo_runq_empty(f->p[i]));
		for (i = 0; i < batch; i++)
			KUNIT_EXPECT_EQ(test, atomic_xchg(&f->out[i], 0), 1);
		for (i = 0; i < 4; i++)
			memset(&crew[i].mine, 0, sizeof(crew[i].mine));
	}
	for (i = 0; i < batch; i++)
		end(f->g[i]);
}

static void global_queue_gives_one_or_a_batch(struct kunit *test)
{
	struct fix *f = test->priv;
	struct kgo_p *p = f->p[0];
	struct kgo_gq q = { 0 }, taken = { 0 };
	struct kgo_g *g;
	u32 i;

	make(test, 100);
	for (i = 0; i < 100; i++) {
		kgo_gq_push(&q, f->g[i]);
		if (i % 10 == 9)
			kgo_globq_put_all(&q);
	}
	KUNIT_EXPECT_EQ(test, q.n, 0);
	/* No wake-up yet, but an M may come by: count what is there. */
	g = kgo_globq_get(p, true);
	KUNIT_EXPECT_TRUE(test, kgo_runq_empty(p));
	if (g)
		kgo_gq_push(&taken, g);
	while ((g = kgo_globq_get(p, false))) {
		KUNIT_EXPECT_LT(test, p->d.runq_tail - p->d.runq_head, 10);
		for (; g; g = kgo_runq_get(p))
			kgo_gq_push(&taken, g);
	}
	while ((g = kgo_gq_pop(&taken)))
		take(g);
	expect_each_once(test, 100);
}

static struct kunit_case runq_cases[] = {
	KUNIT_CASE(order_is_first_in_first_out),
	KUNIT_CASE(next_goes_first_and_kicks_out_its_predecessor),
	KUNIT_CASE(ring_wraps),
	KUNIT_CASE(full_ring_spills_half_to_the_global_queue),
	KUNIT_CASE(thief_takes_half),
	KUNIT_CASE(thief_takes_next_only_if_told_and_alone),
	KUNIT_CASE(thieves_lose_and_double_nothing),
	KUNIT_CASE(global_queue_gives_one_or_a_batch),
	{}
};

static struct kunit_suite runq_suite = {
	.name = "kgo_runq",
	.init = runq_init,
	.exit = runq_exit,
	.test_cases = runq_cases,
};

kunit_test_suite(runq_suite);
