// SPDX-License-Identifier: GPL-2.0
/*
 * Locked threads, labels, locals, finalizers and supervisors, in the kernel.
 */
#include <linux/sched/task.h>

#include "test.h"

struct locked {
	struct task_struct *task;	/* a reference */
	struct kgo_chan *go;
	u32 locks;
};

static void lock_and_end(void *arg)
{
	struct locked *l = arg;
	u32 i;

	l->task = get_task_struct(current);
	for (i = 0; i < l->locks; i++)
		kgo_lock_os_thread();
	kgo_unlock_os_thread();
	kgo_chan_recv(l->go, NULL);
}

KGO_TEST(a_goroutine_that_ends_locked_takes_its_thread_along)
{
	struct locked l = { .go = kgo_chan_make(0, 0), .locks = 2 };

	KUNIT_EXPECT_EQ(test, kgo_go(lock_and_end, &l), 0);
	kgo_chan_send(l.go, NULL);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	while (!READ_ONCE(l.task->exit_state))
		kgo_sleep(NSEC_PER_MSEC);
	put_task_struct(l.task);
	KUNIT_EXPECT_EQ(test, kgo_chan_free(l.go), 0);
}

static atomic_t kgo_test_seen;
static unsigned int kgo_test_key;

static void destroy(void *value)
{
	atomic_add((long)value, &kgo_test_seen);
}

static void labelled(void *arg)
{
	struct kunit *test = arg;

	KUNIT_EXPECT_STREQ(test, kgo_label("job"), "7");
	KUNIT_EXPECT_EQ(test, kgo_set_labels(NULL, 0), 0);
	KUNIT_EXPECT_NULL(test, kgo_label("job"));
	KUNIT_EXPECT_EQ(test, kgo_local_set(kgo_test_key, (void *)5L), 0);
}

KGO_TEST(labels_are_inherited_and_locals_destroyed)
{
	const struct kgo_label_pair pair = { "job", "7" };

	atomic_set(&kgo_test_seen, 0);
	KUNIT_EXPECT_EQ(test, kgo_local_key_create(&kgo_test_key, destroy), 0);
	KUNIT_EXPECT_EQ(test, kgo_set_labels(&pair, 1), 0);
	KUNIT_EXPECT_EQ(test, kgo_go(labelled, test), 0);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, atomic_read(&kgo_test_seen), 5);
	KUNIT_EXPECT_NULL(test, kgo_local_get(kgo_test_key));
	KUNIT_EXPECT_STREQ(test, kgo_label("job"), "7");
	KUNIT_EXPECT_EQ(test, kgo_set_labels(NULL, 0), 0);
	KUNIT_EXPECT_EQ(test, kgo_local_key_delete(kgo_test_key), 0);
}

static void finalize(struct kgo_obj *obj)
{
	/* Once more if it is the first time. */
	if (atomic_inc_return(&kgo_test_seen) == 1)
		kgo_obj_put(kgo_obj_get(obj));
}

KGO_TEST(finalizers_run_when_the_last_reference_goes)
{
	struct kgo_finalizer_stats stats;
	struct kgo_obj obj;

	atomic_set(&kgo_test_seen, 0);
	KUNIT_EXPECT_EQ(test, kgo_obj_init(&obj, finalize), 0);
	kgo_obj_get(&obj);
	kgo_obj_put(&obj);
	KUNIT_EXPECT_EQ(test, kgo_finalizer_drain(), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&kgo_test_seen), 0);
	kgo_obj_put(&obj);
	KUNIT_EXPECT_EQ(test, kgo_finalizer_drain(), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&kgo_test_seen), 2);
	KUNIT_EXPECT_TRUE(test, kgo_finalizer_stats(&stats));
	KUNIT_EXPECT_EQ(test, stats.queued, 0);
}

static int fails(struct kgo_ctx *ctx, void *arg)
{
	atomic_inc(&kgo_test_seen);
	return -EXDEV;
}

static int stays(struct kgo_ctx *ctx, void *arg)
{
	kgo_chan_recv(kgo_ctx_done(ctx), NULL);
	return 0;
}

KGO_TEST(a_supervisor_restarts_and_gives_up)
{
	const struct kgo_sup_attr attr = {
		.strategy = KGO_SUP_ONE_FOR_ALL, .max_restarts = 3,
	};
	const struct kgo_sup_child first = { .start = stays };
	const struct kgo_sup_child second = { .start = fails };
	struct kgo_sup *s = kgo_sup_new(&attr);

	atomic_set(&kgo_test_seen, 0);
	KUNIT_EXPECT_EQ(test, kgo_sup_add(s, &first), 0);
	KUNIT_EXPECT_EQ(test, kgo_sup_add(s, &second), 1);
	KUNIT_EXPECT_EQ(test, kgo_sup_run(kgo_ctx_background(), s), -EXDEV);
	KUNIT_EXPECT_EQ(test, atomic_read(&kgo_test_seen), 4);
	KUNIT_EXPECT_EQ(test, kgo_sup_starts(s, 0), 4);
	KUNIT_EXPECT_EQ(test, kgo_sup_starts(s, 1), 4);
	kgo_sup_put(s);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static int panics_twice(struct kgo_ctx *ctx, void *arg)
{
	if (atomic_inc_return(arg) <= 2)
		kgo_panic("of a child");
	return 0;
}

/* Nobody has to hear of it: it is the supervisor that recovers. */
KGO_TEST(a_supervisor_restarts_a_child_that_panics)
{
	static atomic_t runs = ATOMIC_INIT(0);
	const struct kgo_sup_child child = {
		.start = panics_twice,
		.arg = &runs,
		.restart = KGO_SUP_TRANSIENT,
	};
	struct kgo_sup *s = kgo_sup_new(NULL);
	void *value = NULL;

	atomic_set(&runs, 0);
	kgo_test_catch_panics();
	KUNIT_EXPECT_EQ(test, kgo_sup_add(s, &child), 0);
	KUNIT_EXPECT_EQ(test, kgo_sup_run(kgo_ctx_background(), s), 0);
	KUNIT_EXPECT_EQ(test, kgo_test_panics(), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&runs), 3);
	KUNIT_EXPECT_EQ(test, kgo_sup_starts(s, 0), 3);
	KUNIT_EXPECT_EQ(test, kgo_sup_panic(s, 0, &value), KGO_PANIC_STRING);
	KUNIT_EXPECT_STREQ(test, (const char *)value, "of a child");
	kgo_sup_put(s);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static struct kunit_case lifecycle_cases[] = {
	KUNIT_CASE(a_goroutine_that_ends_locked_takes_its_thread_along),
	KUNIT_CASE(labels_are_inherited_and_locals_destroyed),
	KUNIT_CASE(finalizers_run_when_the_last_reference_goes),
	KUNIT_CASE(a_supervisor_restarts_and_gives_up),
	KUNIT_CASE(a_supervisor_restarts_a_child_that_panics),
	{}
};

static struct kunit_suite lifecycle_suite = {
	.name = "kgo_lifecycle",
	.test_cases = lifecycle_cases,
};

kunit_test_suite(lifecycle_suite);
