// SPDX-License-Identifier: GPL-2.0
/*
 * What can be said of a goroutine when it is started.
 */
#include <linux/cpumask.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/string.h>

#include "test.h"

struct where {
	struct kgo_wg wg;
	int cpu[2];
	u32 weight[2];
	char label[2][16];
};

static void note_where(void *arg)
{
	struct where *w = arg;
	u32 i;

	for (i = 0; i < 2; i++) {
		w->cpu[i] = raw_smp_processor_id();
		w->weight[i] = cpumask_weight(current->cpus_ptr);
		strscpy(w->label[i], kgo_label(i ? "shard" : "name") ?: "", 16);
		kgo_sleep(NSEC_PER_MSEC);
	}
	kgo_wg_done(&w->wg);
}

static void note_free(void *arg)
{
	struct where *w = arg;

	w->weight[0] = cpumask_weight(current->cpus_ptr);
	kgo_wg_done(&w->wg);
}

KGO_TEST(attributes_say_name_labels_and_cpus)
{
	static const struct kgo_label_pair labels[] = { { "shard", "7" } };
	const int cpu = cpumask_last(cpu_online_mask);
	const struct kgo_attr attr = {
		.name = "where",
		.labels = labels,
		.nr_labels = ARRAY_SIZE(labels),
		.cpus = cpumask_of(cpu),
	};
	struct kgo_attr bad = { .cpus = cpumask_of(cpu), .flags = KGO_ATTR_STACKLESS };
	struct where w = {};
	u32 i, round;

	for (round = 0; round < 20; round++) {
		kgo_wg_add(&w.wg, 1);
		KUNIT_EXPECT_EQ(test, kgo_go_attr(note_where, &w, &attr), 0);
		kgo_wg_wait(&w.wg);
		for (i = 0; i < 2; i++) {
			KUNIT_EXPECT_EQ(test, w.cpu[i], cpu);
			KUNIT_EXPECT_EQ(test, w.weight[i], 1);
		}
		KUNIT_EXPECT_STREQ(test, w.label[0], "where");
		KUNIT_EXPECT_STREQ(test, w.label[1], "7");
		/* Whoever comes after it on its thread is free again. */
		kgo_wg_add(&w.wg, 1);
		KUNIT_EXPECT_EQ(test, kgo_go(note_free, &w), 0);
		kgo_wg_wait(&w.wg);
		KUNIT_EXPECT_EQ(test, w.weight[0], cpumask_weight(cpu_possible_mask));
	}
	KUNIT_EXPECT_EQ(test, kgo_go_attr(note_free, &w, &bad), -EINVAL);
	bad.flags = 0;
	bad.cpus = cpu_none_mask;
	KUNIT_EXPECT_EQ(test, kgo_go_attr(note_free, &w, &bad), -EINVAL);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
}

static struct kunit_case attr_cases[] = {
	KUNIT_CASE(attributes_say_name_labels_and_cpus),
	{}
};

static struct kunit_suite attr_suite = {
	.name = "kgo_attr",
	.test_cases = attr_cases,
};

kunit_test_suite(attr_suite);
