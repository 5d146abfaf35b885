// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Errgroup: the first error, the context, the limit.
 */
#include "lib_test.h"

#define WAIT	"semaphore.Weighted.Acquire"

struct job;

struct shared {
	struct kgo_errgroup g;
	struct kgo_ctx *ctx;
	struct job *other;
	int ran, inside, most, go, cancelled, wrong;
};

struct job {
	struct shared *s;
	int err;
};

static int just_return(void *arg)
{
	struct job *j = arg;

	ADD(j->s->ran, 1);
	return j->err;
}

GO_TEST(without_errors_wait_gives_none)
{
	struct shared s = { 0 };
	struct job j = { &s, 0 };
	int i;

	EXPECT_EQ(0, kgo_errgroup_wait(&s.g));
	for (i = 0; i < 100; i++)
		EXPECT_EQ(0, kgo_errgroup_go(&s.g, just_return, &j));
	EXPECT_EQ(0, kgo_errgroup_wait(&s.g));
	EXPECT_EQ(100, s.ran);
}

GO_TEST(the_first_error_counts)
{
	struct shared s = { 0 };
	struct job j[] = { { &s, 0 }, { &s, -EIO }, { &s, -ENOENT }, { &s, 0 } };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(j); i++) {
		EXPECT_EQ(0, kgo_errgroup_go(&s.g, just_return, &j[i]));
		yield_until(kgo_num_goroutine() == 1);
	}
	EXPECT_EQ(-EIO, kgo_errgroup_wait(&s.g));
	EXPECT_EQ(ARRAY_SIZE(j), s.ran);
}

static int until_cancelled(void *arg)
{
	struct job *j = arg;
	char v;

	kgo_chan_recv(kgo_ctx_done(j->s->ctx), &v);
	ADD(j->s->cancelled, 1);
	return -ECANCELED;
}

static int fail_when_told(void *arg)
{
	struct job *j = arg;

	while (!LOAD(j->s->go))
		kgo_yield();
	return j->err;
}

GO_TEST(an_error_cancels_the_context_of_the_others)
{
	struct shared s = { 0 };
	struct job bad = { &s, -EBADMSG }, other = { &s, 0 };
	int i;

	s.ctx = kgo_errgroup_with_context(&s.g, kgo_ctx_background());
	EXPECT_NE(NULL, s.ctx);
	for (i = 0; i < 5; i++)
		EXPECT_EQ(0, kgo_errgroup_go(&s.g, until_cancelled, &other));
	EXPECT_EQ(0, kgo_errgroup_go(&s.g, fail_when_told, &bad));
	yield_until(waiting("chan receive") == 5);
	EXPECT_EQ(0, kgo_ctx_err(s.ctx));
	STORE(s.go, 1);
	EXPECT_EQ(-EBADMSG, kgo_errgroup_wait(&s.g));
	EXPECT_EQ(5, s.cancelled);
	EXPECT_EQ(-ECANCELED, kgo_ctx_err(s.ctx));
	EXPECT_EQ(-EBADMSG, kgo_ctx_cause(s.ctx));
	kgo_ctx_put(s.ctx);
}

GO_TEST(wait_cancels_the_context_anyway)
{
	struct shared s = { 0 };
	struct job j = { &s, 0 };

	s.ctx = kgo_errgroup_with_context(&s.g, kgo_ctx_background());
	EXPECT_EQ(0, kgo_errgroup_go(&s.g, just_return, &j));
	EXPECT_EQ(0, kgo_errgroup_wait(&s.g));
	EXPECT_EQ(-ECANCELED, kgo_ctx_err(s.ctx));
	EXPECT_EQ(-ECANCELED, kgo_ctx_cause(s.ctx));
	kgo_ctx_put(s.ctx);
	EXPECT_EQ(0, kgo_ctx_lost());
}

static int crowd(void *arg)
{
	struct job *j = arg;
	struct shared *s = j->s;
	int n = ADD(s->inside, 1), most;

	do {
		most = LOAD(s->most);
	} while (n > most &&
		 !__atomic_compare_exchange_n(&s->most, &most, n, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	kgo_yield();
	ADD(s->inside, -1);
	ADD(s->ran, 1);
	return 0;
}

GO_TEST(no_more_than_the_limit_run_at_one_time)
{
	int limit, i, n = MANY(1000);

	for (limit = 1; limit < 8; limit += 3) {
		struct shared s = { 0 };
		struct job j = { &s, 0 };

		kgo_errgroup_set_limit(&s.g, limit);
		for (i = 0; i < n; i++)
			EXPECT_EQ(0, kgo_errgroup_go(&s.g, crowd, &j));
		EXPECT_EQ(0, kgo_errgroup_wait(&s.g));
		EXPECT_EQ(n, s.ran);
		EXPECT_LE(s.most, limit);
		/* And it may be changed now. */
		kgo_errgroup_set_limit(&s.g, -1);
	}
}

GO_TEST(try_go_does_not_wait_for_the_limit)
{
	struct shared s = { 0 };
	struct job j = { &s, -EIO };

	EXPECT_EQ(0, kgo_errgroup_try_go(&s.g, fail_when_told, &j));
	STORE(s.go, 1);
	EXPECT_EQ(-EIO, kgo_errgroup_wait(&s.g));
	STORE(s.go, 0);
	memset(&s.g, 0, sizeof(s.g));
	kgo_errgroup_set_limit(&s.g, 2);
	EXPECT_EQ(0, kgo_errgroup_try_go(&s.g, fail_when_told, &j));
	EXPECT_EQ(0, kgo_errgroup_go(&s.g, fail_when_told, &j));
	EXPECT_EQ(-EBUSY, kgo_errgroup_try_go(&s.g, fail_when_told, &j));
	STORE(s.go, 1);
	EXPECT_EQ(-EIO, kgo_errgroup_wait(&s.g));
	EXPECT_EQ(0, kgo_errgroup_try_go(&s.g, just_return, &j));
	kgo_errgroup_wait(&s.g);
	kgo_errgroup_set_limit(&s.g, 0);
	EXPECT_EQ(-EBUSY, kgo_errgroup_try_go(&s.g, just_return, &j));
	EXPECT_EQ(1, s.ran);
}

static void start_two(void *arg)
{
	struct job *j = arg;

	kgo_errgroup_go(&j->s->g, fail_when_told, j);
	kgo_errgroup_go(&j->s->g, just_return, j);
	ADD(j->s->cancelled, 1);
}

GO_TEST(go_waits_for_the_limit)
{
	struct shared s = { 0 };
	struct job j = { &s, 0 };

	kgo_errgroup_set_limit(&s.g, 1);
	EXPECT_EQ(0, kgo_go(start_two, &j));
	yield_until(waiting(WAIT) == 1);
	EXPECT_EQ(0, s.ran);
	EXPECT_EQ(0, s.cancelled);
	STORE(s.go, 1);
	yield_until(LOAD(s.cancelled));
	EXPECT_EQ(0, kgo_errgroup_wait(&s.g));
	EXPECT_EQ(1, s.ran);
}

static void go_on(void *arg, int ret)
{
	struct job *j = arg;

	ADD(j->s->ran, ret ? 0 : 1);
	if (kgo_errgroup_fail(j->err))
		ADD(j->s->wrong, 1);
}

/* Its error comes when it goes on. */
static int sleep_bare(void *arg)
{
	return kgo_sleep_then(1000, go_on, arg);
}

/* Its error is here already, and it goes on. */
static int fail_and_sleep_bare(void *arg)
{
	struct job *j = arg;

	kgo_sleep_then(1000, go_on, j->s->other);
	return j->err;
}

static const struct kgo_attr bare = { .flags = KGO_ATTR_STACKLESS };

GO_TEST(without_a_stack_the_last_function_says_the_error)
{
	int round, i, rounds = MANY(50);

	for (round = 0; round < rounds; round++) {
		struct shared s = { 0 };
		struct job good = { &s, 0 }, bad = { &s, -EBADMSG };

		s.ctx = kgo_errgroup_with_context(&s.g, kgo_ctx_background());
		for (i = 0; i < 20; i++)
			EXPECT_EQ(0, kgo_errgroup_go_attr(&s.g, sleep_bare,
							  i == 7 ? &bad : &good, &bare));
		EXPECT_EQ(-EBADMSG, kgo_errgroup_wait(&s.g));
		EXPECT_EQ(20, s.ran);
		EXPECT_EQ(0, s.wrong);
		EXPECT_EQ(-EBADMSG, kgo_ctx_cause(s.ctx));
		kgo_ctx_put(s.ctx);
	}
	EXPECT_EQ(0, kgo_ctx_lost());
}

GO_TEST(of_one_goroutine_the_first_error_counts)
{
	struct shared s = { 0 };
	struct job first = { &s, -EIO }, second = { &s, -ENOENT };

	s.other = &second;
	EXPECT_EQ(0, kgo_errgroup_go_attr(&s.g, fail_and_sleep_bare, &first, &bare));
	EXPECT_EQ(-EIO, kgo_errgroup_wait(&s.g));
	EXPECT_EQ(1, s.ran);
	memset(&s.g, 0, sizeof(s.g));
	first.err = 0;
	EXPECT_EQ(0, kgo_errgroup_go_attr(&s.g, fail_and_sleep_bare, &first, &bare));
	EXPECT_EQ(-ENOENT, kgo_errgroup_wait(&s.g));
	EXPECT_EQ(2, s.ran);
	EXPECT_EQ(0, s.wrong);
}

static void wait_for_go(void *arg, int ret UNUSED)
{
	struct job *j = arg;

	if (!LOAD(j->s->go)) {
		kgo_yield_then(wait_for_go, j);
		return;
	}
	ADD(j->s->ran, 1);
}

static void body_has_returned(void *arg, int ret)
{
	struct job *j = arg;

	ADD(j->s->inside, 1);
	wait_for_go(j, ret);
}

static int wait_for_go_bare(void *arg)
{
	return kgo_yield_then(body_has_returned, arg);
}

GO_TEST(the_limit_counts_those_without_a_stack_until_they_end)
{
	struct shared s = { 0 };
	struct job j = { &s, 0 };

	kgo_errgroup_set_limit(&s.g, 2);
	EXPECT_EQ(0, kgo_errgroup_go_attr(&s.g, wait_for_go_bare, &j, &bare));
	EXPECT_EQ(0, kgo_errgroup_try_go_attr(&s.g, wait_for_go_bare, &j, &bare));
	yield_until(LOAD(s.inside) == 2);
	EXPECT_EQ(-EBUSY, kgo_errgroup_try_go_attr(&s.g, wait_for_go_bare, &j, &bare));
	EXPECT_EQ(-EBUSY, kgo_errgroup_try_go_attr(&s.g, just_return, &j, NULL));
	STORE(s.go, 1);
	EXPECT_EQ(0, kgo_errgroup_go_attr(&s.g, wait_for_go_bare, &j, &bare));
	EXPECT_EQ(0, kgo_errgroup_wait(&s.g));
	EXPECT_EQ(3, s.ran);
	EXPECT_EQ(0, s.g.sem.used);
}

GO_TEST(a_wrong_attribute_starts_nothing_and_waits_for_nothing)
{
	const struct kgo_attr bad = { .flags = ~0U };
	struct shared s = { 0 };
	struct job j = { &s, 0 };

	kgo_errgroup_set_limit(&s.g, 0);
	EXPECT_EQ(-EINVAL, kgo_errgroup_go_attr(&s.g, just_return, &j, &bad));
	EXPECT_EQ(-EINVAL, kgo_errgroup_try_go_attr(&s.g, just_return, &j, &bad));
	EXPECT_EQ(-EINVAL, kgo_errgroup_go_attr(&s.g, NULL, &j, &bare));
	EXPECT_EQ(0, kgo_errgroup_wait(&s.g));
	EXPECT_EQ(0, s.ran);
}

static int fail_and_leave(void *arg)
{
	struct job *j = arg;

	if (kgo_errgroup_fail(0) || kgo_errgroup_fail(j->err))
		ADD(j->s->wrong, 1);
	ADD(j->s->ran, 1);
	kgo_exit();
}

static void fail_outside(void *arg)
{
	struct job *j = arg;

	if (kgo_errgroup_fail(-EIO) != -EINVAL)
		ADD(j->s->wrong, 1);
	ADD(j->s->ran, 1);
}

GO_TEST(an_error_can_be_said_before_an_exit_and_only_in_a_group)
{
	struct shared s = { 0 };
	struct job j = { &s, -EIO };
	struct kgo_wg wg = { 0 };

	EXPECT_EQ(0, kgo_errgroup_go(&s.g, fail_and_leave, &j));
	EXPECT_EQ(-EIO, kgo_errgroup_wait(&s.g));
	EXPECT_EQ(-EINVAL, kgo_errgroup_fail(-EIO));
	EXPECT_EQ(0, kgo_wg_go(&wg, fail_outside, &j));
	kgo_wg_wait(&wg);
	EXPECT_EQ(2, s.ran);
	EXPECT_EQ(0, s.wrong);
}

static int leave(void *arg)
{
	struct job *j = arg;

	ADD(j->s->ran, 1);
	kgo_exit();
}

GO_TEST(an_end_by_exit_is_an_end_without_error)
{
	struct shared s = { 0 };
	struct job j = { &s, 0 };
	int i;

	kgo_errgroup_set_limit(&s.g, 3);
	for (i = 0; i < 50; i++)
		EXPECT_EQ(0, kgo_errgroup_go(&s.g, leave, &j));
	EXPECT_EQ(0, kgo_errgroup_wait(&s.g));
	EXPECT_EQ(50, s.ran);
	EXPECT_EQ(0, s.g.sem.used);
}

static void recover_here(void *arg UNUSED)
{
	kgo_recover();
}

/* As in Go, what recovers is to stand in the goroutine itself. */
static int panic_and_recover(void *arg)
{
	struct job *j = arg;

	KGO_SCOPE {
		kgo_defer(recover_here, NULL);
		kgo_panic("in a group");
	}
	ADD(j->s->ran, 1);
	return -EIO;
}

GO_TEST(a_panic_that_its_goroutine_recovers_is_its_own_matter)
{
	struct shared s = { 0 };
	struct job j = { &s, 0 };
	int i;

	kgo_errgroup_set_limit(&s.g, 3);
	for (i = 0; i < 50; i++)
		EXPECT_EQ(0, kgo_errgroup_go(&s.g, panic_and_recover, &j));
	EXPECT_EQ(-EIO, kgo_errgroup_wait(&s.g));
	EXPECT_EQ(50, s.ran);
	EXPECT_EQ(0, s.g.sem.used);
}

static int panic_in_a_group(void *arg UNUSED)
{
	kgo_panic("in a group");
}

static int group_that_panics(void *arg UNUSED)
{
	struct kgo_errgroup g;

	memset(&g, 0, sizeof(g));
	KGO_SCOPE {
		kgo_defer(recover_here, NULL);
		kgo_errgroup_go(&g, panic_in_a_group, NULL);
		kgo_errgroup_wait(&g);
	}
	return 0;
}

TEST(a_panic_that_nobody_recovers_ends_the_program)
{
	struct ended e;

	run_child(&e, group_that_panics, NULL);
	EXPECT_PANIC(e, "in a group");
}

GO_TEST(what_was_not_started_is_no_error_of_the_group)
{
	struct kgo_errgroup g;

	memset(&g, 0, sizeof(g));
	kgo_errgroup_set_limit(&g, 1);
	EXPECT_EQ(-EINVAL, kgo_errgroup_go_at(NULL, &g, NULL, NULL));
	EXPECT_EQ(-EINVAL, kgo_errgroup_try_go_at(NULL, &g, NULL, NULL));
	EXPECT_EQ(0, g.sem.used);
	EXPECT_EQ(0, kgo_errgroup_wait(&g));
}

/* The tables show what the user started, not what stands between. */
static int shown(void *arg)
{
	struct job *j = arg;
	char v;

	kgo_chan_recv(kgo_ctx_done(j->s->ctx), &v);
	return 0;
}

GO_TEST(its_goroutines_have_their_own_names)
{
	int fd = memfd_create("dump", MFD_CLOEXEC);
	struct shared s = { 0 };
	struct job j = { &s, 0 };
	char text[4096] = "";

	s.ctx = kgo_errgroup_with_context(&s.g, kgo_ctx_background());
	EXPECT_EQ(0, kgo_errgroup_go(&s.g, shown, &j));
	yield_until(waiting("chan receive") == 1);
	kgo_dump(fd);
	EXPECT_LT(0, pread(fd, text, sizeof(text) - 1, 0));
	EXPECT_NE(NULL, strstr(text, "shown"));
	EXPECT_NE(NULL, strstr(text, "errgroup_test.c:"));
	close(fd);
	kgo_ctx_cancel(s.ctx, 0);
	EXPECT_EQ(0, kgo_errgroup_wait(&s.g));
	kgo_ctx_put(s.ctx);
}

static int limit_while_busy(void *arg UNUSED)
{
	struct shared s = { 0 };
	struct job j = { &s, 0 };

	kgo_errgroup_set_limit(&s.g, 2);
	kgo_errgroup_go(&s.g, fail_when_told, &j);
	kgo_errgroup_set_limit(&s.g, 3);
	return 0;
}

TEST(to_change_the_limit_while_some_run_panics)
{
	struct ended e;

	run_child(&e, limit_while_busy, NULL);
	EXPECT_PANIC(e, "errgroup: modify limit while goroutines in the group are still active");
}

TEST_HARNESS_MAIN
