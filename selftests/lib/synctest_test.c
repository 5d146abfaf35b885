// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Bubbles: their clock, what counts as blocked, and what is refused.
 */
#include "lib_test.h"

#define BEGIN	946684800000000000ULL	/* 2000-01-01 */
#define SEC	1000000000ULL
#define HOUR	(3600 * SEC)

struct shared {
	struct __test_metadata *t;	/* for what is expected in a bubble */
	struct kgo_chan *c;
	struct kgo_mutex mu;
	struct kgo_cond cond;
	struct kgo_wg wg;
	struct kgo_ctx *ctx;
	struct kgo_semaphore sem;
	struct kgo_timer timer;
	unsigned long long at[16];
	int n, done, flag, begun;
};

static void clock_body(void *arg)
{
	struct shared *s = arg;
	struct __test_metadata *_metadata = s->t;

	EXPECT_EQ(BEGIN, kgo_now());
	kgo_yield();
	EXPECT_EQ(BEGIN, kgo_now());
	EXPECT_EQ(0, kgo_sleep((long long)HOUR));
	EXPECT_EQ(BEGIN + HOUR, kgo_now());
	EXPECT_EQ(0, kgo_sleep(1));
	EXPECT_EQ(BEGIN + HOUR + 1, kgo_now());
	s->done++;
}

GO_TEST(the_clock_begins_at_a_fixed_time_and_goes_on_by_sleeping)
{
	struct shared s = { .t = _metadata };
	unsigned long long before = kgo_now();

	EXPECT_EQ(0, kgo_synctest_run(clock_body, &s));
	EXPECT_EQ(1, s.done);
	EXPECT_EQ(0, kgo_synctest_run(clock_body, &s));
	EXPECT_EQ(2, s.done);
	/* Outside it is another one. */
	EXPECT_LE(before, kgo_now());
	EXPECT_NE(BEGIN, kgo_now());
}

struct nap {
	struct shared *s;
	int i;
};

static void nap(void *arg)
{
	struct nap *n = arg;

	kgo_sleep((long long)((unsigned long long)(10 - n->i) * HOUR));
	n->s->at[n->s->n++] = kgo_now();
}

static void naps_body(void *arg)
{
	struct nap *n = arg;
	struct shared *s = n->s;
	struct __test_metadata *_metadata = s->t;
	int i;

	for (i = 0; i < 10; i++)
		EXPECT_EQ(0, kgo_go(nap, &n[i]));
	kgo_sleep(5 * (long long)HOUR + 1);
	EXPECT_EQ(5, s->n);
	EXPECT_EQ(BEGIN + 5 * HOUR + 1, kgo_now());
	kgo_sleep(6 * (long long)HOUR);
	EXPECT_EQ(10, s->n);
}

GO_TEST(sleepers_wake_in_order_and_at_their_times)
{
	struct shared s = { .t = _metadata };
	struct nap n[10];
	int i;

	for (i = 0; i < 10; i++)
		n[i] = (struct nap){ &s, i };
	EXPECT_EQ(0, kgo_synctest_run(naps_body, n));
	for (i = 0; i < 10; i++)
		EXPECT_EQ(BEGIN + (unsigned long long)(i + 1) * HOUR, s.at[i]);
}

static void set_flag(void *arg)
{
	struct shared *s = arg;
	int i;

	for (i = 0; i < 20; i++)
		kgo_yield();
	s->flag++;
}

static void sleep_and_set(void *arg)
{
	struct shared *s = arg;

	kgo_sleep((long long)SEC);
	s->flag = 100;
}

static void wait_body(void *arg)
{
	struct shared *s = arg;
	struct __test_metadata *_metadata = s->t;
	int i;

	kgo_synctest_wait();		/* nobody else is there */
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(0, kgo_go(set_flag, s));
		kgo_synctest_wait();
		EXPECT_EQ(i + 1, s->flag);
	}
	EXPECT_EQ(0, kgo_go(sleep_and_set, s));
	kgo_synctest_wait();
	/* It sleeps; to wait does not let time pass. */
	EXPECT_EQ(5, s->flag);
	EXPECT_EQ(BEGIN, kgo_now());
	kgo_sleep((long long)SEC);
	kgo_synctest_wait();
	EXPECT_EQ(100, s->flag);
	EXPECT_EQ(BEGIN + SEC, kgo_now());
}

GO_TEST(wait_returns_when_all_others_are_blocked)
{
	struct shared s = { .t = _metadata };

	EXPECT_EQ(0, kgo_synctest_run(wait_body, &s));
	EXPECT_EQ(100, s.flag);
}

static void recv_one(void *arg)
{
	struct shared *s = arg;
	int v = 0;

	kgo_chan_recv(s->c, &v);
	s->flag = v;
}

static void wait_for_cond(void *arg)
{
	struct shared *s = arg;

	kgo_mutex_lock(&s->mu);
	while (!s->begun)
		kgo_cond_wait(&s->cond, &s->mu);
	s->done++;
	kgo_mutex_unlock(&s->mu);
}

static void wait_for_wg(void *arg)
{
	struct shared *s = arg;

	kgo_wg_wait(&s->wg);
	s->done++;
}

static void wait_for_sem(void *arg)
{
	struct shared *s = arg;

	kgo_semaphore_acquire(&s->sem, NULL, 1);
	s->done++;
}

static void durable_body(void *arg)
{
	struct shared *s = arg;
	struct __test_metadata *_metadata = s->t;
	int v = 7;

	s->c = kgo_chan_make(sizeof(int), 0);
	kgo_wg_add(&s->wg, 1);
	EXPECT_EQ(0, kgo_go(recv_one, s));
	EXPECT_EQ(0, kgo_go(wait_for_cond, s));
	EXPECT_EQ(0, kgo_go(wait_for_wg, s));
	EXPECT_EQ(0, kgo_go(wait_for_sem, s));
	kgo_synctest_wait();
	kgo_sleep((long long)HOUR);
	EXPECT_EQ(BEGIN + HOUR, kgo_now());
	EXPECT_EQ(0, s->done);
	EXPECT_EQ(0, kgo_chan_send(s->c, &v));
	kgo_synctest_wait();
	EXPECT_EQ(7, s->flag);
	kgo_wg_done(&s->wg);
	kgo_synctest_wait();
	EXPECT_EQ(1, s->done);
	kgo_mutex_lock(&s->mu);
	s->begun = 1;
	kgo_cond_broadcast(&s->cond);
	kgo_mutex_unlock(&s->mu);
	kgo_synctest_wait();
	EXPECT_EQ(2, s->done);
	kgo_semaphore_release(&s->sem, 1);
	kgo_synctest_wait();
	EXPECT_EQ(3, s->done);
}

GO_TEST(channels_conds_waitgroups_and_semaphores_block_durably)
{
	struct shared s = { .t = _metadata };

	kgo_semaphore_init(&s.sem, 1);
	EXPECT_TRUE(kgo_semaphore_try_acquire(&s.sem, 1));
	EXPECT_EQ(0, kgo_synctest_run(durable_body, &s));
	EXPECT_EQ(3, s.done);
	kgo_chan_free(s.c);
}

static void lock_outer(void *arg)
{
	struct shared *s = arg;

	kgo_mutex_lock(&s->mu);
	s->done = 1;
	kgo_mutex_unlock(&s->mu);
}

static void not_durable_body(void *arg)
{
	struct shared *s = arg;
	struct __test_metadata *_metadata = s->t;
	int v = 0;

	EXPECT_EQ(0, kgo_wg_go(&s->wg, lock_outer, s));
	STORE(s->begun, 1);
	EXPECT_EQ(0, kgo_sleep((long long)SEC));
	STORE(s->flag, 1);
	kgo_wg_wait(&s->wg);
	EXPECT_EQ(1, kgo_chan_recv(s->c, &v));
	STORE(s->flag, 2);
}

static void run_not_durable(void *arg)
{
	kgo_synctest_run(not_durable_body, arg);
}

/* What a goroutine outside can end does not let time go on. */
GO_TEST(mutexes_and_channels_of_outside_do_not)
{
	struct shared s = { .t = _metadata };
	struct kgo_wg wg = { 0 };
	int i, v = 1;

	s.c = kgo_chan_make(sizeof(int), 0);
	kgo_mutex_lock(&s.mu);
	EXPECT_EQ(0, kgo_wg_go(&wg, run_not_durable, &s));
	yield_until(LOAD(s.begun) && waiting("sync.Mutex.Lock") == 1 &&
		    waiting("sleep") == 1);
	for (i = 0; i < 200; i++) {
		kgo_yield();
		EXPECT_EQ(0, LOAD(s.flag));
	}
	EXPECT_EQ(1, waiting("synctest.Run"));
	kgo_mutex_unlock(&s.mu);
	yield_until(LOAD(s.flag) == 1 && waiting("chan receive") == 1);
	EXPECT_EQ(1, waiting("synctest.Run"));
	EXPECT_EQ(0, kgo_chan_send(s.c, &v));
	kgo_wg_wait(&wg);
	EXPECT_EQ(2, s.flag);
	kgo_chan_free(s.c);
}

static void timers_body(void *arg)
{
	struct shared *s = arg;
	struct __test_metadata *_metadata = s->t;
	unsigned long long when = 0;
	struct kgo_timer *t = kgo_timer_new((long long)HOUR);
	struct kgo_ticker *tick = kgo_ticker_new((long long)SEC);
	struct kgo_chan *c = kgo_chan_make(sizeof(int), 0);
	int i, v;

	for (i = 1; i <= 3; i++) {
		EXPECT_EQ(1, kgo_chan_recv(kgo_ticker_c(tick), &when));
		EXPECT_EQ(BEGIN + (unsigned long long)i * SEC, when);
		EXPECT_EQ(when, kgo_now());
	}
	kgo_ticker_stop(tick);
	EXPECT_EQ(1, kgo_chan_recv(kgo_timer_c(t), &when));
	EXPECT_EQ(BEGIN + HOUR, when);
	EXPECT_EQ(0, kgo_timer_reset(t, (long long)SEC));
	EXPECT_TRUE(kgo_timer_stop(t));
	EXPECT_FALSE(kgo_timer_stop(t));
	EXPECT_EQ(0, kgo_timer_reset(t, 5 * (long long)SEC));
	EXPECT_EQ(1, kgo_timer_reset(t, 2 * (long long)SEC));
	EXPECT_EQ(1, kgo_chan_recv(kgo_timer_c(t), &when));
	EXPECT_EQ(BEGIN + HOUR + 2 * SEC, when);

	EXPECT_EQ(-ETIMEDOUT, kgo_chan_recv_timeout(c, &v, (long long)HOUR));
	EXPECT_EQ(BEGIN + 2 * HOUR + 2 * SEC, kgo_now());
	EXPECT_EQ(-ETIMEDOUT, kgo_chan_recv_timeout(NULL, NULL, (long long)HOUR));
	EXPECT_EQ(BEGIN + 3 * HOUR + 2 * SEC, kgo_now());
	EXPECT_EQ(0, kgo_timer_free(t));
	EXPECT_EQ(0, kgo_ticker_free(tick));
	kgo_chan_free(c);
	s->done = 1;
}

GO_TEST(timers_of_all_kinds_go_by_its_clock)
{
	struct shared s = { .t = _metadata };

	EXPECT_EQ(0, kgo_synctest_run(timers_body, &s));
	EXPECT_EQ(1, s.done);
}

static void after_hour(void *arg)
{
	struct shared *s = arg;

	s->at[0] = kgo_now();
	/* It belongs to the bubble: its sleep is waited for. */
	kgo_sleep((long long)SEC);
	s->at[1] = kgo_now();
}

static void after_func_body(void *arg)
{
	struct shared *s = arg;
	struct __test_metadata *_metadata = s->t;

	EXPECT_EQ(0, kgo_after_func(&s->timer, (long long)HOUR, after_hour, s));
	kgo_sleep((long long)HOUR - 1);
	kgo_synctest_wait();
	EXPECT_EQ(0, s->at[0]);
	kgo_sleep(1);
	kgo_synctest_wait();
	EXPECT_EQ(BEGIN + HOUR, s->at[0]);
	kgo_sleep((long long)SEC);
	kgo_synctest_wait();
	EXPECT_EQ(BEGIN + HOUR + SEC, s->at[1]);
}

GO_TEST(what_after_func_runs_belongs_to_the_bubble)
{
	struct shared s = { .t = _metadata };

	EXPECT_EQ(0, kgo_synctest_run(after_func_body, &s));
	EXPECT_EQ(BEGIN + HOUR + SEC, s.at[1]);
}

static void context_body(void *arg)
{
	struct shared *s = arg;
	struct __test_metadata *_metadata = s->t;
	struct kgo_ctx *ctx;

	ctx = kgo_ctx_with_timeout(kgo_ctx_background(), (long long)HOUR);
	EXPECT_EQ(-ETIMEDOUT, kgo_semaphore_acquire(&s->sem, ctx, 1));
	EXPECT_EQ(BEGIN + HOUR, kgo_now());
	EXPECT_EQ(-ETIMEDOUT, kgo_ctx_err(ctx));
	kgo_ctx_cancel(ctx, 0);
	kgo_ctx_put(ctx);

	ctx = kgo_ctx_with_timeout(kgo_ctx_background(), (long long)HOUR);
	EXPECT_EQ(0, kgo_chan_recv(kgo_ctx_done(ctx), NULL));
	EXPECT_EQ(BEGIN + 2 * HOUR, kgo_now());
	kgo_ctx_put(ctx);
	s->done = 1;
}

GO_TEST(so_do_contexts)
{
	struct shared s = { .t = _metadata };

	EXPECT_EQ(0, kgo_synctest_run(context_body, &s));
	EXPECT_EQ(1, s.done);
}

static void count_down(void *arg)
{
	struct shared *s = arg;

	kgo_sleep((long long)SEC);
	s->done++;
	kgo_yield();
	s->done++;
}

static void start_some(void *arg)
{
	struct shared *s = arg;
	int i;

	for (i = 0; i < 10; i++)
		kgo_go(set_flag, s);
	kgo_go(count_down, s);
	kgo_sleep((long long)SEC);
}

GO_TEST(run_returns_when_all_its_goroutines_have_ended)
{
	struct shared s = { .t = _metadata };

	EXPECT_EQ(0, kgo_synctest_run(start_some, &s));
	EXPECT_EQ(2, s.done);
	yield_until(kgo_num_goroutine() == 1);
}

static void leave_body(void *arg)
{
	struct shared *s = arg;

	kgo_go(set_flag, s);
	s->done = 1;
	kgo_exit();
}

GO_TEST(its_main_goroutine_may_end_by_exit)
{
	struct shared s = { .t = _metadata };

	EXPECT_EQ(0, kgo_synctest_run(leave_body, &s));
	EXPECT_EQ(1, s.done);
	EXPECT_EQ(1, s.flag);
}

static void make_timers(void *arg)
{
	struct shared *s = arg;
	struct __test_metadata *_metadata = s->t;

	/* One pending and one that has fired, both left behind. */
	EXPECT_EQ(0, kgo_after_func(&s->timer, 2 * (long long)HOUR, set_flag, s));
	s->at[0] = (unsigned long long)(uintptr_t)kgo_timer_new((long long)SEC);
	kgo_sleep((long long)HOUR);
}

GO_TEST(a_timer_may_outlive_its_bubble)
{
	struct shared s = { .t = _metadata };
	struct kgo_timer *t;

	EXPECT_EQ(0, kgo_synctest_run(make_timers, &s));
	t = (struct kgo_timer *)(uintptr_t)s.at[0];
	EXPECT_FALSE(kgo_timer_stop(&s.timer));
	kgo_timer_stop(t);
	EXPECT_EQ(0, kgo_timer_free(t));
	EXPECT_EQ(0, s.flag);
}

static void ping(void *arg)
{
	struct shared *s = arg;
	int i, v;

	for (i = 0; i < 100; i++) {
		kgo_chan_recv(s->c, &v);
		kgo_sleep(v);
	}
}

static void busy_body(void *arg)
{
	struct shared *s = arg;
	struct __test_metadata *_metadata = s->t;
	int i, v;

	s->c = kgo_chan_make(sizeof(int), 0);
	EXPECT_EQ(0, kgo_wg_go(&s->wg, ping, s));
	for (i = 0; i < 100; i++) {
		v = 1000 + i;
		kgo_chan_send(s->c, &v);
		if (i % 10 == 0)
			kgo_synctest_wait();
	}
	kgo_wg_wait(&s->wg);
	s->at[0] = kgo_now();
	kgo_chan_free(s->c);
}

static void run_busy(void *arg)
{
	struct shared *s = arg;

	s->done = kgo_synctest_run(busy_body, s);
}

GO_TEST(many_bubbles_have_a_clock_each)
{
	static struct shared s[40];
	struct kgo_wg wg = { 0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(s); i++) {
		memset(&s[i], 0, sizeof(s[i]));
		s[i].t = _metadata;
		EXPECT_EQ(0, kgo_wg_go(&wg, run_busy, &s[i]));
	}
	kgo_wg_wait(&wg);
	for (i = 0; i < ARRAY_SIZE(s); i++) {
		EXPECT_EQ(0, s[i].done);
		EXPECT_EQ(BEGIN + 100 * 1000 + 99 * 100 / 2, s[i].at[0]);
	}
}

static void nothing(void *arg UNUSED)
{
}

static void recv_for_ever(void *arg UNUSED)
{
	kgo_chan_recv(kgo_chan_make(4, 0), NULL);
}

static void leave_one_behind(void *arg UNUSED)
{
	kgo_go(recv_for_ever, NULL);
}

static void sleep_too_long(void *arg UNUSED)
{
	kgo_sleep((long long)HOUR);
}

static void end_before_sleeper(void *arg UNUSED)
{
	kgo_go(sleep_too_long, NULL);
}

static void nested(void *arg UNUSED)
{
	kgo_synctest_run(nothing, NULL);
}

static void just_wait(void *arg UNUSED)
{
	kgo_synctest_wait();
}

static void wait_twice(void *arg UNUSED)
{
	kgo_go(just_wait, NULL);
	kgo_go(just_wait, NULL);
	for (;;)
		kgo_yield();
}

static void make_chan(void *arg)
{
	((struct shared *)arg)->c = kgo_chan_make(4, 1);
}

static const struct {
	void (*body)(void *arg);
	int use;		/* of a channel, afterwards */
	const char *words;
} bad[] = {
	{ recv_for_ever, 0, "deadlock: all goroutines in bubble are blocked" },
	{ leave_one_behind, 0, "deadlock: main bubble goroutine has exited but blocked goroutines remain" },
	{ end_before_sleeper, 0, "deadlock: main bubble goroutine has exited but blocked goroutines remain" },
	{ nested, 0, "synctest.Run called from within a synctest bubble" },
	{ wait_twice, 0, "wait already in progress" },
	{ NULL, 0, "goroutine is not in a bubble" },
	{ make_chan, 1, "send on synctest channel from outside bubble" },
	{ make_chan, 2, "receive on synctest channel from outside bubble" },
	{ make_chan, 3, "close of synctest channel from outside bubble" },
};

static int misuse(void *arg)
{
	int i = (int)(uintptr_t)arg, v = 0;
	struct shared s = { 0 };

	if (!bad[i].body) {
		kgo_synctest_wait();
		return 0;
	}
	kgo_synctest_run(bad[i].body, &s);
	if (bad[i].use == 1)
		kgo_chan_send(s.c, &v);
	else if (bad[i].use == 2)
		kgo_chan_recv(s.c, &v);
	else if (bad[i].use == 3)
		kgo_chan_close(s.c);
	return 0;
}

TEST(misuse_panics)
{
	struct ended e;
	uintptr_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		run_child(&e, misuse, (void *)i);
		EXPECT_PANIC(e, bad[i].words);
	}
}

TEST_HARNESS_MAIN
