// SPDX-License-Identifier: GPL-2.0
/*
 * The scheduler and the pool of threads: what runs where, and what happens
 * when a goroutine blocks.
 */
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/module.h>

#include "../kernel.h"
#include "../runtime.h"
#include "test.h"

#define PATIENCE_MS	20000U

static u64 handoffs(void)
{
	return READ_ONCE(kgo_kernel_runtime->arb.handoffs);
}

static void count_one(void *arg)
{
	atomic_inc(arg);
}

static void bad_arguments_are_refused(struct kunit *test)
{
	struct kgo_attr attr = { .flags = 0x80000000U };

	KUNIT_EXPECT_EQ(test, kgo_go_at(NULL, NULL, NULL, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, kgo_call_at(NULL, NULL, NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, kgo_go_attr(count_one, NULL, &attr), -EINVAL);
	attr.flags = 0;
	attr.reserved = 1;
	KUNIT_EXPECT_EQ(test, kgo_go_attr(count_one, NULL, &attr), -EINVAL);
}

static void plain_thread_is_no_goroutine(struct kunit *test)
{
	KUNIT_EXPECT_NULL(test, port_self());
	KUNIT_EXPECT_EQ(test, kgo_goid(), 0);
}

static int answer(void *arg)
{
	return kgo_goid() ? *(int *)arg : -1;
}

static void call_returns_what_the_function_returns(struct kunit *test)
{
	int v;

	for (v = -3; v <= 3; v++)
		KUNIT_EXPECT_EQ(test, kgo_call(answer, &v), v);
}

KGO_TEST(call_in_a_goroutine_is_a_plain_call)
{
	u64 before = kgo_num_goroutine();
	int v = 5;

	KUNIT_EXPECT_EQ(test, kgo_call(answer, &v), 5);
	KUNIT_EXPECT_EQ(test, kgo_num_goroutine(), before);
}

/* The core asks for an M in interrupts too: there is none. */
static void note_self(struct tasklet_struct *t);
static DECLARE_TASKLET(probe_tasklet, note_self);
static struct kgo_m *self_in_softirq;

static void note_self(struct tasklet_struct *t)
{
	WRITE_ONCE(self_in_softirq, port_self());
}

KGO_TEST(interrupt_over_a_goroutine_is_no_goroutine)
{
	KUNIT_EXPECT_NOT_NULL(test, port_self());
	WRITE_ONCE(self_in_softirq, port_self());
	/* It runs on this CPU, over this goroutine or over an idle moment. */
	local_bh_disable();
	tasklet_schedule(&probe_tasklet);
	local_bh_enable();
	tasklet_kill(&probe_tasklet);
	KUNIT_EXPECT_NULL(test, READ_ONCE(self_in_softirq));
}

KGO_TEST(goroutine_stays_on_its_thread)
{
	struct task_struct *me = current;
	struct kgo_chan *c = kgo_chan_make(0, 0);
	struct kgo_m *m = port_self();
	u32 i;

	for (i = 0; i < 20; i++) {
		kgo_sleep(NSEC_PER_USEC);
		kgo_chan_recv_timeout(c, NULL, NSEC_PER_USEC);
		kgo_yield();
		usleep_range(1000, 2000);
		KUNIT_EXPECT_PTR_EQ(test, me, current);
		KUNIT_EXPECT_PTR_EQ(test, m, port_self());
		KUNIT_EXPECT_PTR_EQ(test, port_self()->curg->bound, m);
	}
	kgo_chan_free(c);
}

struct crowd {
	struct kgo_wg wg;
	struct kgo_chan *c;
	atomic_t n;
	bool stop;
};

static void blocker(void *arg)
{
	struct crowd *cr = arg;

	msleep(200);
	kgo_wg_done(&cr->wg);
}

static void spinner(void *arg)
{
	struct crowd *cr = arg;

	while (!READ_ONCE(cr->stop)) {
		atomic_inc(&cr->n);
		kgo_yield();
	}
	kgo_wg_done(&cr->wg);
}

/* As many as there are Ps sleep the plain way, and others run all the while. */
KGO_TEST(blocking_call_hands_the_p_over)
{
	u64 before = handoffs(), since = ktime_get_ns();
	struct crowd cr = {};
	u32 i;

	for (i = 0; i < 50 * kgo_rt.nr_ps; i++) {
		kgo_wg_add(&cr.wg, 1);
		KUNIT_EXPECT_EQ(test, kgo_go(blocker, &cr), 0);
	}
	kgo_wg_wait(&cr.wg);
	/* One after the other on each P would take 10 s. */
	KUNIT_EXPECT_LT(test, ktime_get_ns() - since, 8ULL * NSEC_PER_SEC);
	KUNIT_EXPECT_GT(test, handoffs(), before);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

KGO_TEST(others_run_while_one_is_blocked)
{
	struct crowd cr = {};
	u64 before;
	int n;

	before = handoffs();
	kgo_wg_add(&cr.wg, kgo_rt.nr_ps);
	for (n = 0; n < kgo_rt.nr_ps; n++)
		KUNIT_EXPECT_EQ(test, kgo_go(spinner, &cr), 0);
	kgo_yield();
	n = atomic_read(&cr.n);
	msleep(50);
	KUNIT_EXPECT_GT(test, atomic_read(&cr.n), n);
	KUNIT_EXPECT_GT(test, handoffs(), before);
	WRITE_ONCE(cr.stop, true);
	kgo_wg_wait(&cr.wg);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static void park_one(void *arg)
{
	struct crowd *cr = arg;

	kgo_chan_recv(cr->c, NULL);
	atomic_inc(&cr->n);
}

#define MANY	120

/* Each parked goroutine has a thread: the pool grows to that, then shrinks. */
KGO_TEST(pool_grows_with_what_is_parked)
{
	struct crowd cr = { .c = kgo_chan_make(0, 0) };
	u32 i;

	for (i = 0; i < MANY; i++)
		KUNIT_EXPECT_EQ(test, kgo_go(park_one, &cr), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_waiting(MANY, KGO_WAIT_CHAN_RECEIVE));
	KUNIT_EXPECT_GT(test, READ_ONCE(kgo_kernel_runtime->nr_threads), MANY);
	kgo_chan_close(cr.c);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, atomic_read(&cr.n), MANY);
	kgo_chan_free(cr.c);
}

static void nap(void *arg)
{
	struct crowd *cr = arg;

	kgo_sleep(20 * NSEC_PER_MSEC);
	usleep_range(1000, 2000);
	atomic_inc(&cr->n);
}

/* One thread each for so many, and the rest of them one after the other. */
#define EXTRA	150

/*
 * No thread can be made: goroutines that do not wait for each other all run to
 * their end, also while the threads sleep with those that they have.
 */
static void goroutines_go_on_when_no_thread_can_be_made(struct kunit *test)
{
	u32 most, n, i, ms;
	struct crowd *cr = kunit_kzalloc(test, sizeof(*cr), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, cr);
	WRITE_ONCE(kgo_kthreads_fail, true);
	most = READ_ONCE(kgo_kernel_runtime->nr_threads);
	n = most + EXTRA;
	for (i = 0; i < n; i++)
		KUNIT_EXPECT_EQ(test, kgo_go(nap, cr), 0);
	for (ms = 0; ms < 5 * PATIENCE_MS && atomic_read(&cr->n) < n; ms += 20) {
		KUNIT_EXPECT_LE(test, READ_ONCE(kgo_kernel_runtime->nr_threads), most);
		msleep(20);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&cr->n), n);
	kgo_module_wait(THIS_MODULE);
	WRITE_ONCE(kgo_kthreads_fail, false);
}

static void end_locked(void *arg)
{
	struct crowd *cr = arg;

	kgo_lock_os_thread();
	kgo_sleep(NSEC_PER_MSEC);
	atomic_inc(&cr->n);
}

/*
 * A goroutine that ends locked takes its thread along, but not one of the last:
 * then there would be nobody to run those that follow.
 */
static void last_threads_do_not_end_with_their_goroutines(struct kunit *test)
{
	struct crowd *cr = kunit_kzalloc(test, sizeof(*cr), GFP_KERNEL);
	u32 n, i, ms;

	KUNIT_ASSERT_NOT_NULL(test, cr);
	WRITE_ONCE(kgo_kthreads_fail, true);
	n = READ_ONCE(kgo_kernel_runtime->nr_threads) + 20;
	for (i = 0; i < n; i++)
		KUNIT_EXPECT_EQ(test, kgo_go(end_locked, cr), 0);
	for (ms = 0; ms < 5 * PATIENCE_MS && atomic_read(&cr->n) < n; ms += 20)
		msleep(20);
	KUNIT_EXPECT_EQ(test, atomic_read(&cr->n), n);
	kgo_module_wait(THIS_MODULE);
	for (ms = 0; ms < PATIENCE_MS && READ_ONCE(kgo_kernel_runtime->nr_threads) > 3; ms += 20)
		msleep(20);
	KUNIT_EXPECT_EQ(test, READ_ONCE(kgo_kernel_runtime->nr_threads), 3);
	WRITE_ONCE(kgo_kthreads_fail, false);
	/* And they are replaced when that can be done again. */
	KUNIT_EXPECT_EQ(test, kgo_go(end_locked, cr), 0);
	for (ms = 0; ms < 5 * PATIENCE_MS && atomic_read(&cr->n) <= n; ms += 20)
		msleep(20);
	KUNIT_EXPECT_EQ(test, atomic_read(&cr->n), n + 1);
	kgo_module_wait(THIS_MODULE);
}

static void surplus_threads_end(struct kunit *test)
{
	u32 ms;

	for (ms = 0; ms < PATIENCE_MS; ms += 100) {
		if (READ_ONCE(kgo_kernel_runtime->nr_threads) <= kgo_rt.nr_ps + 3)
			break;
		msleep(100);
	}
	KUNIT_EXPECT_LE(test, READ_ONCE(kgo_kernel_runtime->nr_threads), kgo_rt.nr_ps + 3);
	KUNIT_EXPECT_GE(test, READ_ONCE(kgo_kernel_runtime->nr_threads), 3);
}

static void idle_runtime_owns_no_p(struct kunit *test)
{
	struct kgo_rdesc *r = kgo_rt.r;
	u32 ms;

	for (ms = 0; ms < PATIENCE_MS && READ_ONCE(r->nr_avail) != READ_ONCE(kgo_rt.nr_on); ms++)
		usleep_range(1000, 2000);
	KUNIT_EXPECT_EQ(test, READ_ONCE(r->nr_avail), READ_ONCE(kgo_rt.nr_on));
	KUNIT_EXPECT_EQ(test, READ_ONCE(r->nr_spinning), 0);
	KUNIT_EXPECT_EQ(test, READ_ONCE(r->nr_want), 0);
	KUNIT_EXPECT_EQ(test, READ_ONCE(r->gq_len), 0);
	KUNIT_EXPECT_EQ(test, kgo_num_goroutine(), 0);
}

/* Plain threads that start goroutines at the same time: none is forgotten. */
static int starter(void *arg)
{
	atomic_t *n = arg;
	u32 i;

	for (i = 0; i < 2000; i++) {
		while (kgo_go(count_one, n))
			usleep_range(1000, 2000);
		if (i % 64 == 0)
			usleep_range(1000, 2000);
	}
	while (!kthread_should_stop())
		usleep_range(1000, 2000);
	return 0;
}

static void plain_threads_may_start_goroutines(struct kunit *test)
{
	struct task_struct *task[3];
	atomic_t n = ATOMIC_INIT(0);
	u32 i, ms;

	for (i = 0; i < ARRAY_SIZE(task); i++) {
		task[i] = kthread_run(starter, &n, "kgo_test_start");
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task[i]);
	}
	for (ms = 0; ms < PATIENCE_MS && atomic_read(&n) < 6000; ms += 20)
		msleep(20);
	for (i = 0; i < ARRAY_SIZE(task); i++)
		kthread_stop(task[i]);
	KUNIT_EXPECT_EQ(test, atomic_read(&n), 6000);
	kgo_module_wait(THIS_MODULE);
}

static struct kunit_case sched_cases[] = {
	KUNIT_CASE(bad_arguments_are_refused),
	KUNIT_CASE(plain_thread_is_no_goroutine),
	KUNIT_CASE(call_returns_what_the_function_returns),
	KUNIT_CASE(call_in_a_goroutine_is_a_plain_call),
	KUNIT_CASE(interrupt_over_a_goroutine_is_no_goroutine),
	KUNIT_CASE(goroutine_stays_on_its_thread),
	KUNIT_CASE(blocking_call_hands_the_p_over),
	KUNIT_CASE(others_run_while_one_is_blocked),
	KUNIT_CASE(plain_threads_may_start_goroutines),
	KUNIT_CASE(pool_grows_with_what_is_parked),
	KUNIT_CASE(goroutines_go_on_when_no_thread_can_be_made),
	KUNIT_CASE(last_threads_do_not_end_with_their_goroutines),
	KUNIT_CASE(idle_runtime_owns_no_p),
	KUNIT_CASE(surplus_threads_end),
	{}
};

static struct kunit_suite sched_suite = {
	.name = "kgo_sched",
	.test_cases = sched_cases,
};

kunit_test_suite(sched_suite);
