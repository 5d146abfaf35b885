// SPDX-License-Identifier: GPL-2.0
/*
 * Where the table of the kernel's goroutines says that they wait.  What else it
 * says, selftests/guest.sh reads from the files.
 */
#include <linux/completion.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "../debugfs.h"
#include "../kernel.h"
#include "test.h"

struct shared {
	struct kgo_chan *c;
	struct kgo_mutex mu;
	struct completion go;
	u64 goid;
	u64 started;		/* how many have said their goid */
	u32 v;
};

static void say_goid(struct shared *s)
{
	WRITE_ONCE(s->goid, kgo_goid());
	/* Pairs with expect_site(): the goid is there. */
	smp_store_release(&s->started, s->started + 1);
}

/* Something follows each wait, so that no call is a jump. */
static noinline void receives_here(struct shared *s)
{
	kgo_chan_recv(s->c, &s->v);
	barrier();
}

static noinline void locks_here(struct shared *s)
{
	kgo_mutex_lock(&s->mu);
	kgo_mutex_unlock(&s->mu);
}

static noinline void selects_here(struct shared *s)
{
	struct kgo_case cases[] = { KGO_RECV(s->c, &s->v) };

	kgo_select(cases, ARRAY_SIZE(cases));
	barrier();
}

static void chan_body(void *arg)
{
	say_goid(arg);
	receives_here(arg);
	barrier();
}

static void mutex_body(void *arg)
{
	say_goid(arg);
	locks_here(arg);
	barrier();
}

static void select_body(void *arg)
{
	say_goid(arg);
	selects_here(arg);
	barrier();
}

static void blocked_body(void *arg)
{
	struct shared *s = arg;

	say_goid(s);
	wait_for_completion(&s->go);
	barrier();
}

static void goes_on_here(void *arg, int ret)
{
}

static void bare_body(void *arg)
{
	struct shared *s = arg;

	say_goid(s);
	kgo_chan_recv_then(s->c, &s->v, goes_on_here, s);
}

/* The descriptor of a goroutine that exists. */
static struct kgo_gdesc *find(u64 goid)
{
	u32 i;

	for (i = 1; i < READ_ONCE(kgo_rt.r->nr_gs); i++)
		if (READ_ONCE(port_g(i)->d.goid) == goid)
			return &port_g(i)->d;
	return NULL;
}

/* What the table says once it waits as it is to. */
static void site_of(u64 goid, u32 state, char *to, size_t size)
{
	struct seq_file seq = { .buf = to, .size = size - 1 };
	struct kgo_gdesc *d = find(goid), g;
	u32 is;
	pid_t tid;

	if (!d)
		return;
	for (;;) {
		memset(to, 0, size);
		seq.count = 0;
		kgo_gdesc_read(&g, d);
		is = kgo_gdesc_state(kgo_kernel_runtime, &g, &tid);
		if (is == state) {
			kgo_show_wait_site(&seq, kgo_kernel_runtime, d, &g, is);
			if (!strstr(to, " - "))
				return;
		}
		kgo_sleep(NSEC_PER_MSEC);
	}
}

static const struct {
	const char *name;
	void (*fn)(void *arg);
	u32 flags;
	u32 state;
	const char *site;
} bodies[] = {
	{ "chan_body", chan_body, 0, KGO_G_WAITING, "receives_here" },
	{ "mutex_body", mutex_body, 0, KGO_G_WAITING, "locks_here" },
	{ "select_body", select_body, 0, KGO_G_WAITING, "selects_here" },
	{ "blocked_body", blocked_body, 0, KGO_G_SYSCALL, "blocked_body" },
	{ "bare_body", bare_body, KGO_ATTR_STACKLESS, KGO_G_WAITING, "goes_on_here" },
};

static void expect_site(struct kunit *test, struct shared *s, u32 i)
{
	const struct kgo_attr attr = { .flags = bodies[i].flags };
	u64 seen = s->started;
	char text[96] = "none";

	KUNIT_EXPECT_EQ(test, kgo_go_attr(bodies[i].fn, s, &attr), 0);
	/* Pairs with say_goid(). */
	while (smp_load_acquire(&s->started) == seen)
		kgo_sleep(NSEC_PER_MSEC);
	site_of(s->goid, bodies[i].state, text, sizeof(text));
	KUNIT_EXPECT_TRUE_MSG(test, !strncmp(strim(text), bodies[i].site,
					     strlen(bodies[i].site)),
			      "%s waits in %s: %s", bodies[i].name,
			      bodies[i].site, text);
}

KGO_TEST(the_wait_site_is_who_called_the_primitive)
{
	struct shared s = { .c = kgo_chan_make(sizeof(u32), 0) };
	u32 i;

	init_completion(&s.go);
	kgo_mutex_lock(&s.mu);
	for (i = 0; i < ARRAY_SIZE(bodies); i++)
		expect_site(test, &s, i);
	kgo_mutex_unlock(&s.mu);
	kgo_chan_close(s.c);
	complete_all(&s.go);
	KUNIT_EXPECT_TRUE(test, kgo_test_until_ended());
	KUNIT_EXPECT_EQ(test, kgo_chan_free(s.c), 0);
}

/* Who runs has no site, and neither has one whose wait is over. */
KGO_TEST(who_does_not_wait_has_no_wait_site)
{
	char text[96] = {};
	struct seq_file seq = { .buf = text, .size = sizeof(text) - 1 };
	struct kgo_gdesc *d = &kgo_self_g()->d, g;

	kgo_gdesc_read(&g, d);
	kgo_show_wait_site(&seq, kgo_kernel_runtime, d, &g, KGO_G_RUNNING);
	KUNIT_EXPECT_STREQ(test, strim(text), "-");
	memset(text, 0, sizeof(text));
	seq.count = 0;
	/* As if it had been seen to wait just before. */
	kgo_show_wait_site(&seq, kgo_kernel_runtime, d, &g, KGO_G_WAITING);
	KUNIT_EXPECT_STREQ(test, strim(text), "-");
}

static struct kunit_case debugfs_cases[] = {
	KUNIT_CASE(the_wait_site_is_who_called_the_primitive),
	KUNIT_CASE(who_does_not_wait_has_no_wait_site),
	{}
};

static struct kunit_suite debugfs_suite = {
	.name = "kgo_debugfs",
	.test_cases = debugfs_cases,
};

kunit_test_suite(debugfs_suite);
