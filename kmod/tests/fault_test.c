// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is not there: each allocation of each call of the kernel's API
 * fails once.
 *
 * A call runs with the first, the second, ... allocation of its thread failing
 * (current->fail_nth), until it got through without one that failed.  Before
 * that it has done its work in spite of it, or says that there was no memory;
 * in both cases nobody lives afterwards who did not before, and the next round
 * finds all as it was.  What is not given back shows in kmemleak.
 *
 * Allocations that may wait fail only if failslab/ignore-gfp-wait in debugfs is
 * N, which is the guest's to say (selftests/guest.sh).
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/slab.h>

#include "test.h"

#define MOST		500U		/* no call has so many */
#define PATIENCE_NS	(60LL * NSEC_PER_SEC)

/* Fail the nth from now on, or none. */
static void fail(unsigned int n)
{
	WRITE_ONCE(current->fail_nth, n);
}

/* The call is over: how many more there had to be for one to fail. */
static void over(unsigned int *left)
{
	*left = READ_ONCE(current->fail_nth);
	fail(0);
}

static int of_ptr(const void *p)
{
	return p ? 0 : -ENOMEM;
}

static void returns(void *arg)
{
}

static int returns_0(void *arg)
{
	return 0;
}

/*
 * The calls.  Each says with over() where it ends; what follows puts things
 * back.
 */

static int call_chan(unsigned int n, unsigned int *left)
{
	struct kgo_chan *c;

	fail(n);
	c = kgo_chan_make(8, 60);
	over(left);
	kgo_chan_free(c);
	return of_ptr(c);
}

static int call_kchan(unsigned int n, unsigned int *left)
{
	struct kgo_kchan *kc;

	fail(n);
	kc = kgo_kchan_make(64, 200);
	over(left);
	kgo_kchan_put(kc);
	return of_ptr(kc);
}

static int call_go(unsigned int n, unsigned int *left)
{
	int ret;

	fail(n);
	ret = kgo_go(returns, NULL);
	over(left);
	return ret;
}

static void waits(void *arg)
{
	kgo_chan_recv(arg, NULL);
}

/* So many that the table has to grow for some of them. */
static int call_go_many(unsigned int n, unsigned int *left)
{
	struct kgo_chan *c = kgo_chan_make(0, 0);
	int ret = 0, i;

	if (!c)
		return -EIO;
	fail(n);
	for (i = 0; i < 200 && !ret; i++)
		ret = kgo_go(waits, c);
	over(left);
	kgo_chan_close(c);
	/* Nobody is in it any more when they have all ended: see each(). */
	while (kgo_test_children(KGO_G_RUNNABLE, 0) ||
	       kgo_test_children(KGO_G_RUNNING, 0) ||
	       kgo_test_children(KGO_G_WAITING, KGO_WAIT_CHAN_RECEIVE))
		kgo_sleep(NSEC_PER_MSEC);
	kgo_chan_free(c);
	return ret;
}

static int call_go_attr(unsigned int n, unsigned int *left)
{
	static const struct kgo_label_pair labels[] = {
		{ "one", "first" },
		{ "two", "second" },
	};
	const struct kgo_attr attr = {
		.name = "fault", .labels = labels, .nr_labels = 2,
		.cpus = cpumask_of(0),
	};
	int ret;

	fail(n);
	ret = kgo_go_attr(returns, NULL, &attr);
	over(left);
	return ret;
}

static int call_go_stackless(unsigned int n, unsigned int *left)
{
	const struct kgo_attr attr = {
		.flags = KGO_ATTR_STACKLESS, .name = "fault",
	};
	int ret;

	fail(n);
	ret = kgo_go_attr(returns, NULL, &attr);
	over(left);
	return ret;
}

static int call_call(unsigned int n, unsigned int *left)
{
	int ret;

	fail(n);
	ret = kgo_call(returns_0, NULL);
	over(left);
	return ret;
}

static int call_client(unsigned int n, unsigned int *left)
{
	struct kgo_client cl = {};
	int ret;

	fail(n);
	ret = kgo_client_init(&cl, THIS_MODULE);
	if (!ret)
		ret = kgo_client_go(&cl, returns, NULL);
	over(left);
	kgo_client_exit(&cl);
	return ret;
}

static int call_reserve(unsigned int n, unsigned int *left)
{
	struct kgo_reserve r = {};
	int ret;

	fail(n);
	ret = kgo_reserve_init(&r, 20);
	over(left);
	if (!ret) {
		ret = kgo_go_reserved(&r, returns, NULL);
		kgo_reserve_destroy(&r);
	}
	return ret;
}

static int call_context(unsigned int n, unsigned int *left)
{
	struct kgo_ctx *a, *b = NULL, *c = NULL, *d = NULL;

	fail(n);
	a = kgo_ctx_with_cancel(kgo_ctx_background());
	if (a)
		b = kgo_ctx_with_value(a, &n, &n);
	if (b)
		c = kgo_ctx_without_cancel(b);
	if (c)
		d = kgo_ctx_with_cancel(c);
	if (d)
		kgo_ctx_done(d);
	over(left);
	if (a)
		kgo_ctx_cancel(a, 0);
	kgo_ctx_put(d);
	kgo_ctx_put(c);
	kgo_ctx_put(b);
	kgo_ctx_put(a);
	return of_ptr(d);
}

static int call_timeout(unsigned int n, unsigned int *left)
{
	struct kgo_ctx *ctx;

	fail(n);
	ctx = kgo_ctx_with_timeout(kgo_ctx_background(), NSEC_PER_SEC);
	over(left);
	if (!ctx)
		return -ENOMEM;
	kgo_ctx_cancel(ctx, 0);
	kgo_ctx_put(ctx);
	return 0;
}

static int call_ctx_after(unsigned int n, unsigned int *left)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	struct kgo_ctx_after *a;

	if (!ctx)
		return -EIO;
	fail(n);
	a = kgo_ctx_after_func(ctx, returns, NULL);
	over(left);
	if (a)
		kgo_ctx_after_stop(a);
	kgo_ctx_cancel(ctx, 0);
	kgo_ctx_put(ctx);
	return of_ptr(a);
}

static int call_timer(unsigned int n, unsigned int *left)
{
	struct kgo_timer *t;

	fail(n);
	t = kgo_timer_new(NSEC_PER_SEC);
	over(left);
	if (!t)
		return -ENOMEM;
	kgo_timer_stop(t);
	return kgo_timer_free(t);
}

static int call_ticker(unsigned int n, unsigned int *left)
{
	struct kgo_ticker *t;

	fail(n);
	t = kgo_ticker_new(NSEC_PER_SEC);
	over(left);
	if (!t)
		return -ENOMEM;
	kgo_ticker_stop(t);
	return kgo_ticker_free(t);
}

#define ALARMS	200

/* So many timers that the heap of a P grows. */
static int call_timers(unsigned int n, unsigned int *left)
{
	struct kgo_timer *t = kcalloc(ALARMS, sizeof(*t), GFP_KERNEL);
	int ret = 0, i;

	if (!t)
		return -EIO;
	fail(n);
	for (i = 0; i < ALARMS && !ret; i++)
		ret = kgo_after_func(&t[i], 1000 * NSEC_PER_SEC, returns, NULL);
	over(left);
	if (ret)
		i--;
	while (i--)
		kgo_timer_stop(&t[i]);
	kfree(t);
	return ret;
}

static void *makes(void *arg)
{
	return kzalloc(8, GFP_KERNEL);
}

static void drops(void *obj, void *arg)
{
	kfree(obj);
}

static int call_pool(unsigned int n, unsigned int *left)
{
	struct kgo_pool pool = { .make = makes, .drop = drops };
	void *obj;

	fail(n);
	obj = kgo_pool_get(&pool);
	/* Without memory for its slots it drops what is put. */
	if (obj)
		kgo_pool_put(&pool, obj);
	over(left);
	kgo_pool_destroy(&pool);
	return of_ptr(obj);
}

struct in_goroutine {
	int (*fn)(struct in_goroutine *in);
	unsigned int n;
	unsigned int *left;
	int ret;
};

static void in_goroutine(void *arg)
{
	struct in_goroutine *in = arg;

	fail(in->n);
	in->ret = in->fn(in);
	over(in->left);
}

/* What stays with a goroutine is tried in one that ends. */
static int in_new(int (*fn)(struct in_goroutine *in), unsigned int n, unsigned int *left)
{
	struct in_goroutine in = { .fn = fn, .n = n, .left = left, .ret = -EIO };
	struct kgo_wg wg = {};
	int ret = kgo_wg_go(&wg, in_goroutine, &in);

	if (ret)
		return -EIO;
	kgo_wg_wait(&wg);
	return in.ret;
}

static int set_local(struct in_goroutine *in)
{
	unsigned int key;
	int ret = kgo_local_key_create(&key, NULL);

	if (ret)
		return ret;
	ret = kgo_local_set(key, in);
	if (!ret && kgo_local_get(key) != in)
		ret = -EIO;
	kgo_local_key_delete(key);
	return ret;
}

static int call_local(unsigned int n, unsigned int *left)
{
	return in_new(set_local, n, left);
}

static int set_labels(struct in_goroutine *in)
{
	static const struct kgo_label_pair pair = { "key", "value" };

	return kgo_set_labels(&pair, 1);
}

static int call_labels(unsigned int n, unsigned int *left)
{
	return in_new(set_labels, n, left);
}

static void count(void *arg)
{
	++*(int *)arg;
}

static int defer_many(struct in_goroutine *in)
{
	int ret = 0, done = 0, n = 0;

	KGO_SCOPE {
		while (!ret && n < 40) {
			ret = kgo_defer(count, &done);
			n += !ret;
		}
	}
	/* All that were taken were called. */
	return done == n ? ret : -EIO;
}

static int call_defer(unsigned int n, unsigned int *left)
{
	return in_new(defer_many, n, left);
}

static int defer_one(struct in_goroutine *in)
{
	return kgo_defer(returns, NULL);
}

static int call_defer_base(unsigned int n, unsigned int *left)
{
	return in_new(defer_one, n, left);
}

static int call_errgroup(unsigned int n, unsigned int *left)
{
	struct kgo_errgroup g = {};
	struct kgo_ctx *ctx;
	int ret = -ENOMEM;

	fail(n);
	ctx = kgo_errgroup_with_context(&g, kgo_ctx_background());
	if (ctx) {
		ret = kgo_errgroup_go(&g, returns_0, NULL);
		kgo_errgroup_wait(&g);
	}
	over(left);
	kgo_ctx_put(ctx);
	return ret;
}

static int answers(void *arg, void **val)
{
	*val = arg;
	return 0;
}

static int call_flight(unsigned int n, unsigned int *left)
{
	struct kgo_flight f = {};
	struct kgo_flight_result res = {};
	int ret;

	fail(n);
	ret = kgo_flight_do(&f, "key", 3, answers, &f, &res);
	over(left);
	return !ret && res.val != &f ? -EIO : ret;
}

static int call_flight_chan(unsigned int n, unsigned int *left)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(struct kgo_flight_result), 1);
	struct kgo_flight f = {};
	struct kgo_flight_result res = {};
	int ret;

	if (!c)
		return -EIO;
	fail(n);
	ret = kgo_flight_do_chan(&f, "key", 3, answers, &f, c);
	over(left);
	if (!ret && (kgo_chan_recv(c, &res) != 1 || res.val != &f))
		ret = -EIO;
	while (kgo_test_children(KGO_G_RUNNABLE, 0) ||
	       kgo_test_children(KGO_G_RUNNING, 0))
		kgo_sleep(NSEC_PER_MSEC);
	kgo_chan_free(c);
	return ret;
}

static int child(struct kgo_ctx *ctx, void *arg)
{
	return 0;
}

static int call_supervisor(unsigned int n, unsigned int *left)
{
	const struct kgo_sup_attr attr = { .max_restarts = 3, .period_ns = NSEC_PER_SEC };
	const struct kgo_sup_child c = { .start = child, .restart = KGO_SUP_TEMPORARY };
	struct kgo_sup *s;
	int ret = -ENOMEM, started = -ENOMEM;

	fail(n);
	s = kgo_sup_new(&attr);
	if (s)
		ret = kgo_sup_add(s, &c);
	if (s && ret >= 0)
		started = kgo_sup_start(s, kgo_ctx_background());
	over(left);
	if (!started)
		started = kgo_sup_stop(s, NSEC_PER_SEC, NULL, NULL);
	if (s)
		kgo_sup_put(s);
	return ret < 0 ? ret : started;
}

static int call_synctest(unsigned int n, unsigned int *left)
{
	int ret;

	fail(n);
	ret = kgo_synctest_run(returns, NULL);
	over(left);
	return ret;
}

static int call_quiesce(unsigned int n, unsigned int *left)
{
	int ret;

	fail(n);
	ret = kgo_quiesce(0, 1000);
	over(left);
	return ret == -ETIMEDOUT ? 0 : ret;
}

static int call_timed(unsigned int n, unsigned int *left)
{
	struct kgo_chan *c = kgo_chan_make(0, 0);
	struct kgo_case one = KGO_RECV(c, NULL);
	struct kgo_waker w = {};
	int ret;

	if (!c)
		return -EIO;
	fail(n);
	ret = kgo_sleep(1000) ? : kgo_chan_recv_timeout(c, NULL, 1000);
	if (ret == -ETIMEDOUT)
		ret = kgo_select_timeout(&one, 1, 1000);
	if (ret == -ETIMEDOUT)
		ret = kgo_park_timeout(&w, 1000);
	over(left);
	kgo_chan_free(c);
	return ret == -ETIMEDOUT ? 0 : ret;
}

static const struct call {
	const char *name;
	int (*fn)(unsigned int n, unsigned int *left);
	bool allocates;		/* at least one failure is told */
	bool anywhere;		/* also in a thread that is no goroutine */
} calls[] = {
	{ "chan_make",		call_chan,		true,	true },
	{ "kchan_make",		call_kchan,		true,	true },
	{ "go",			call_go,		false,	true },
	{ "go, many",		call_go_many,		false,	false },
	{ "go with attributes",	call_go_attr,		false,	true },
	{ "go stackless",	call_go_stackless,	false,	true },
	{ "call",		call_call,		false,	true },
	{ "client",		call_client,		true,	true },
	{ "reserve",		call_reserve,		true,	true },
	{ "contexts",		call_context,		true,	false },
	{ "context, timeout",	call_timeout,		true,	false },
	{ "context, after",	call_ctx_after,		true,	false },
	{ "timer",		call_timer,		true,	false },
	{ "ticker",		call_ticker,		true,	false },
	{ "many timers",	call_timers,		false,	false },
	{ "pool",		call_pool,		true,	false },
	{ "local",		call_local,		true,	false },
	{ "labels",		call_labels,		true,	false },
	{ "defer, in a block",	call_defer,		true,	false },
	{ "defer, outside",	call_defer_base,	true,	false },
	{ "errgroup",		call_errgroup,		true,	false },
	{ "flight",		call_flight,		false,	false },
	{ "flight, chan",	call_flight_chan,	true,	false },
	{ "supervisor",		call_supervisor,	true,	false },
	{ "synctest",		call_synctest,		true,	false },
	{ "quiesce",		call_quiesce,		false,	false },
	{ "timed waits",	call_timed,		false,	false },
};

/* All that began has ended.  CONTEXT: a goroutine or a thread. */
static bool back_at(u64 base)
{
	s64 end = ktime_get_ns() + PATIENCE_NS;

	while (kgo_num_goroutine() > base) {
		if (ktime_get_ns() > end)
			return false;
		usleep_range(200, 400);
	}
	return true;
}

static void each(struct kunit *test, const struct call *c)
{
	unsigned int n, left, told = 0;
	u64 base = kgo_num_goroutine();
	int ret = 0;

	for (n = 1; n < MOST; n++) {
		left = 0;
		ret = c->fn(n, &left);
		KUNIT_EXPECT_TRUE_MSG(test, back_at(base), "%s, the %uth: somebody lives",
				      c->name, n);
		if (left)
			break;
		if (ret)
			told++;
		KUNIT_EXPECT_TRUE_MSG(test, ret >= 0 || ret == -ENOMEM,
				      "%s, the %uth: %d", c->name, n, ret);
	}
	KUNIT_EXPECT_GE_MSG(test, ret, 0, "%s, none: %d", c->name, ret);
	KUNIT_EXPECT_LT_MSG(test, n, MOST, "%s never ends", c->name);
	if (c->allocates)
		KUNIT_EXPECT_GT_MSG(test, told, 0, "%s: %u could fail", c->name, n - 1);
	kunit_info(test, "%s: %u could fail, %u told\n", c->name, n - 1, told);
}

static bool faults_are_on(void)
{
	void *p;

	fail(1);
	p = kmalloc(8, GFP_KERNEL);
	fail(0);
	kfree(p);
	return !p;
}

static int all_of_them(void *test)
{
	u32 i;

	kgo_test_until_ended();
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		each(test, &calls[i]);
	return 0;
}

static void each_allocation_of_a_goroutine_fails_once(struct kunit *test)
{
	if (!faults_are_on())
		kunit_skip(test, "failslab/ignore-gfp-wait is Y");
	KUNIT_EXPECT_EQ(test, kgo_call(all_of_them, test), 0);
}

static void each_allocation_of_a_thread_fails_once(struct kunit *test)
{
	u32 i;

	if (!faults_are_on())
		kunit_skip(test, "failslab/ignore-gfp-wait is Y");
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].anywhere)
			each(test, &calls[i]);
}

/*
 * A goroutine without a stack has its record made when its body has returned,
 * by the same thread.
 */
struct bare {
	struct task_struct *task;
	int ret;
	bool done;
};

static void bare_next(void *arg, int ret)
{
	struct bare *b = arg;

	WRITE_ONCE(b->task->fail_nth, 0);
	b->ret = ret;
	smp_store_release(&b->done, true);	/* pairs with who waits for it */
}

static void bare_body(void *arg)
{
	struct bare *b = arg;

	b->task = get_task_struct(current);
	fail(1);
	kgo_sleep_then(NSEC_PER_USEC, bare_next, b);
}

KGO_TEST(a_stackless_wait_without_memory_is_told)
{
	const struct kgo_attr attr = { .flags = KGO_ATTR_STACKLESS };
	struct bare b;
	u32 i;

	for (i = 0; i < 20; i++) {
		b = (struct bare){ .ret = 99 };
		KUNIT_EXPECT_EQ(test, kgo_go_attr(bare_body, &b, &attr), 0);
		/* Pairs with bare_next(): the result is there. */
		while (!smp_load_acquire(&b.done))
			kgo_sleep(NSEC_PER_MSEC);
		KUNIT_EXPECT_TRUE(test, !b.ret || b.ret == -ENOMEM);
		put_task_struct(b.task);
	}
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(each_allocation_of_a_goroutine_fails_once),
	KUNIT_CASE(each_allocation_of_a_thread_fails_once),
	KUNIT_CASE(a_stackless_wait_without_memory_is_told),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "kgo_fault",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);
