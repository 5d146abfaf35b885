// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Labels of goroutines, and goroutine-local values.
 */
#include "lib_test.h"

#define PAIRS(...)	((const struct kgo_label_pair[]){ __VA_ARGS__ })

/* What the column "labels" says of the goroutine with this number. */
static __attribute__((noinline)) void shown(unsigned long long goid, char *to, size_t size)
{
	int fd = memfd_create("dump", MFD_CLOEXEC);
	char text[1 << 14] = "", start[32], *line, *end, *last;

	snprintf(start, sizeof(start), "\n%llu ", goid);
	kgo_dump(fd);
	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		abort();
	close(fd);
	snprintf(to, size, "no such row");
	line = strstr(text, start);
	if (!line)
		return;
	end = strchr(line + 1, '\n');
	if (!end)
		return;
	*end = 0;
	last = strrchr(line + 1, ' ');
	snprintf(to, size, "%s", last + 1);
}

#define EXPECT_SHOWN(what)						\
	do {								\
		char shown_[2048];					\
									\
		shown(kgo_goid(), shown_, sizeof(shown_));		\
		EXPECT_STREQ(what, shown_);				\
	} while (0)

GO_TEST(labels_are_set_changed_and_removed)
{
	EXPECT_EQ(NULL, kgo_label("user"));
	EXPECT_SHOWN("-");
	EXPECT_EQ(0, kgo_set_labels(PAIRS({ "user", "ada" }, { "job", "7" }), 2));
	EXPECT_STREQ("ada", kgo_label("user"));
	EXPECT_STREQ("7", kgo_label("job"));
	EXPECT_EQ(NULL, kgo_label("jo"));
	EXPECT_EQ(NULL, kgo_label(NULL));
	EXPECT_SHOWN("user=ada,job=7");
	EXPECT_EQ(0, kgo_set_labels(PAIRS({ "job", "8" }, { "x", "" }, { "job", "9" }), 3));
	EXPECT_STREQ("9", kgo_label("job"));
	EXPECT_STREQ("", kgo_label("x"));
	EXPECT_SHOWN("user=ada,job=9,x=");
	EXPECT_EQ(0, kgo_set_labels(PAIRS({ "user", NULL }, { "none", NULL }), 2));
	EXPECT_EQ(NULL, kgo_label("user"));
	EXPECT_SHOWN("job=9,x=");
	EXPECT_EQ(0, kgo_set_labels(NULL, 0));
	EXPECT_EQ(NULL, kgo_label("job"));
	EXPECT_SHOWN("-");
}

GO_TEST(a_bad_label_changes_nothing)
{
	EXPECT_EQ(0, kgo_set_labels(PAIRS({ "a", "1" }), 1));
	EXPECT_EQ(-EINVAL, kgo_set_labels(PAIRS({ "b", "2" }, { "", "3" }), 2));
	EXPECT_EQ(-EINVAL, kgo_set_labels(PAIRS({ NULL, "2" }), 1));
	EXPECT_EQ(NULL, kgo_label("b"));
	EXPECT_SHOWN("a=1");
}

GO_TEST(what_is_not_printable_is_escaped_and_long_ones_are_cut)
{
	char big[1000];

	EXPECT_EQ(0, kgo_set_labels(PAIRS({ "a b", "\\\n\xff" }), 1));
	EXPECT_STREQ("\\\n\xff", kgo_label("a b"));
	EXPECT_SHOWN("a\\x20b=\\x5c\\x0a\\xff");
	memset(big, 'y', sizeof(big));
	big[sizeof(big) - 1] = 0;
	EXPECT_EQ(0, kgo_set_labels(PAIRS({ "a b", NULL }, { "k", big }), 2));
	EXPECT_STREQ(big, kgo_label("k"));
	memcpy(big, "k=", 2);
	strcpy(big + 256, "...");
	EXPECT_SHOWN(big);
}

TEST(outside_of_goroutines_there_are_no_labels_and_no_values)
{
	unsigned int key = 0xa5a5a5a5;

	EXPECT_EQ(NULL, kgo_label("user"));
	EXPECT_EQ(0, kgo_local_key_create(&key, NULL));
	EXPECT_NE(0xa5a5a5a5, key);
	EXPECT_EQ(NULL, kgo_local_get(key));
	EXPECT_EQ(-ESRCH, kgo_local_set(key, &key));
	EXPECT_EQ(0, kgo_local_key_delete(key));
}

struct child {
	struct kgo_chan *go, *done;
	char before[64], after[64];
	unsigned long long goid;
};

static void child(void *arg)
{
	struct child *c = arg;

	c->goid = kgo_goid();
	shown(c->goid, c->before, sizeof(c->before));
	kgo_set_labels(PAIRS({ "own", "yes" }), 1);
	kgo_chan_recv(c->go, NULL);
	shown(c->goid, c->after, sizeof(c->after));
	kgo_chan_send(c->done, NULL);
}

GO_TEST(children_inherit_labels_and_change_only_their_own)
{
	struct child c = { kgo_chan_make(0, 0), kgo_chan_make(0, 0), "", "", 0 };
	char seen[64];

	EXPECT_EQ(0, kgo_set_labels(PAIRS({ "req", "1" }), 1));
	EXPECT_EQ(0, kgo_go(child, &c));
	yield_until(waiting("chan receive") == 1);
	EXPECT_STREQ("req=1", c.before);
	EXPECT_SHOWN("req=1");
	shown(c.goid, seen, sizeof(seen));
	EXPECT_STREQ("req=1,own=yes", seen);
	EXPECT_EQ(0, kgo_set_labels(NULL, 0));
	kgo_chan_send(c.go, NULL);
	kgo_chan_recv(c.done, NULL);
	EXPECT_STREQ("req=1,own=yes", c.after);
	EXPECT_EQ(NULL, kgo_label("own"));
	/* The next one on the same descriptor starts without. */
	yield_until(kgo_num_goroutine() == 1);
	memset(c.before, 0xa5, sizeof(c.before));
	EXPECT_EQ(0, kgo_go(child, &c));
	kgo_chan_send(c.go, NULL);
	kgo_chan_recv(c.done, NULL);
	EXPECT_STREQ("-", c.before);
	EXPECT_STREQ("own=yes", c.after);
}

static int depth;

static void inside(void *arg)
{
	struct __test_metadata *_metadata = arg;

	EXPECT_SHOWN(depth ? "a=1,b=3" : "a=1,b=2");
	kgo_yield();
	EXPECT_EQ(0, kgo_set_labels(PAIRS({ "c", "x" }), 1));
	if (!depth++) {
		EXPECT_EQ(0, kgo_do_labels(PAIRS({ "b", "3" }, { "c", NULL }), 2, inside,
					   _metadata));
		EXPECT_SHOWN("a=1,b=2,c=x");
		EXPECT_EQ(0, kgo_set_labels(NULL, 0));
		EXPECT_SHOWN("-");
	}
}

static void never(void *arg UNUSED)
{
	abort();
}

GO_TEST(do_labels_restores_what_was_there)
{
	depth = 0;
	EXPECT_EQ(0, kgo_set_labels(PAIRS({ "a", "1" }), 1));
	EXPECT_EQ(0, kgo_do_labels(PAIRS({ "b", "2" }), 1, inside, _metadata));
	EXPECT_EQ(2, depth);
	EXPECT_SHOWN("a=1");
	EXPECT_EQ(-EINVAL, kgo_do_labels(PAIRS({ "", "2" }), 1, never, NULL));
	EXPECT_EQ(-EINVAL, kgo_do_labels(PAIRS({ "b", "2" }), 1, NULL, NULL));
	EXPECT_SHOWN("a=1");
}

static void exit_inside(void *arg)
{
	if (arg)
		kgo_do_labels(PAIRS({ "inner", "1" }), 1, exit_inside, NULL);
	kgo_exit();
}

static void exit_in_do(void *arg)
{
	kgo_do_labels(PAIRS({ "outer", "1" }), 1, exit_inside, arg);
	abort();
}

/* The leak checker of the sanitized build sees it if a set is lost. */
GO_TEST(a_goroutine_may_end_inside_of_do_labels)
{
	int i;

	for (i = 0; i < 100; i++)
		EXPECT_EQ(0, kgo_go(exit_in_do, &i));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_SHOWN("-");
}

static void recover_and_look(void *arg)
{
	struct __test_metadata *_metadata = arg;

	/* What is deferred outside runs with the labels from there. */
	EXPECT_SHOWN("a=1");
	EXPECT_STREQ("inside", kgo_recover());
}

static void panic_inside(void *arg)
{
	if (arg)
		kgo_do_labels(PAIRS({ "c", "3" }), 1, panic_inside, NULL);
	kgo_set_labels(PAIRS({ "d", "4" }), 1);
	kgo_panic("inside");
}

GO_TEST(a_panic_that_leaves_do_labels_restores_what_was_there)
{
	int how;

	EXPECT_EQ(0, kgo_set_labels(PAIRS({ "a", "1" }), 1));
	for (how = 0; how < 2; how++) {
		KGO_SCOPE {
			EXPECT_EQ(0, kgo_defer(recover_and_look, _metadata));
			kgo_do_labels(PAIRS({ "b", "2" }), 1, panic_inside,
				      how ? _metadata : NULL);
			abort();
		}
		EXPECT_SHOWN("a=1");
	}
}

static int stop;

static void changes_labels(void *arg UNUSED)
{
	char v[300];
	int i;

	for (i = 0; !LOAD(stop); i++) {
		memset(v, 'a' + i % 26, sizeof(v));
		v[1 + i % 290] = 0;
		kgo_set_labels(PAIRS({ "k", v }), 1);
		if (i % 50 == 0)
			kgo_yield();
	}
}

/* Each row is of one set, or none, whatever happens meanwhile. */
GO_TEST_PS(tables_are_written_while_labels_change, 4)
{
	char row[2048];
	unsigned long long first = 0;
	int i, k, n = MANY(500), bad = 0;
	size_t at;

	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, kgo_go(changes_labels, NULL));
	for (i = 0; i < n; i++) {
		for (k = 0; k < 40; k++) {
			shown(first + (unsigned long long)k, row, sizeof(row));
			if (strncmp(row, "k=", 2))
				continue;
			at = strspn(row + 2, (char[]){ row[2], 0 });
			bad += strcmp(row + 2 + at, "") && strcmp(row + 2 + at, "...");
		}
		kgo_yield();
	}
	STORE(stop, 1);
	EXPECT_EQ(0, bad);
	yield_until(kgo_num_goroutine() == 1);
}

static unsigned int key[4];
static int destroyed[4], again;

static void destroy0(void *v)
{
	ADD(destroyed[0], *(int *)v);
	if (kgo_local_get(key[0]))
		abort();
}

/* Sets itself again, for ever. */
static void destroy1(void *v)
{
	ADD(destroyed[1], 1);
	kgo_yield();
	kgo_local_set(key[1], v);
}

/* Sets another one once. */
static void destroy2(void *v)
{
	ADD(destroyed[2], 1);
	if (ADD(again, 1) == 1)
		kgo_local_set(key[0], v);
}

static int seven = 7;

static void has_values(void *arg)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		if (kgo_local_get(key[i]) || kgo_local_set(key[i], &seven) ||
		    kgo_local_get(key[i]) != &seven)
			abort();
	if (arg)
		kgo_exit();
}

static void check_values(struct __test_metadata *_metadata, void *how)
{
	void (*const d[])(void *) = { destroy0, destroy1, destroy2, NULL };
	unsigned int i;

	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, kgo_local_key_create(&key[i], d[i]));
	memset(destroyed, 0, sizeof(destroyed));
	STORE(again, 0);
	EXPECT_EQ(0, kgo_local_set(key[0], destroyed));
	EXPECT_EQ(0, kgo_go(has_values, how));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(14, destroyed[0]);
	EXPECT_EQ(KGO_LOCAL_ROUNDS, destroyed[1]);
	EXPECT_EQ(1, destroyed[2]);
	/* Main's own is still there, and never was another's. */
	EXPECT_EQ(&destroyed[0], kgo_local_get(key[0]));
	EXPECT_EQ(NULL, kgo_local_get(key[3]));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, kgo_local_key_delete(key[i]));
	EXPECT_EQ(NULL, kgo_local_get(key[0]));
}

GO_TEST(destructors_run_when_a_goroutine_returns)
{
	check_values(_metadata, NULL);
	check_values(_metadata, NULL);
}

GO_TEST(destructors_run_when_a_goroutine_exits)
{
	check_values(_metadata, &seven);
}

GO_TEST(a_key_made_in_the_place_of_another_has_no_values)
{
	unsigned int a, b;

	EXPECT_EQ(0, kgo_local_key_create(&a, destroy0));
	EXPECT_EQ(0, kgo_local_set(a, &seven));
	EXPECT_EQ(0, kgo_local_key_delete(a));
	EXPECT_EQ(-EINVAL, kgo_local_key_delete(a));
	EXPECT_EQ(-EINVAL, kgo_local_set(a, &seven));
	EXPECT_EQ(0, kgo_local_key_create(&b, NULL));
	EXPECT_EQ(a, b);
	EXPECT_EQ(NULL, kgo_local_get(b));
	EXPECT_EQ(0, kgo_local_set(b, NULL));
	EXPECT_EQ(-EINVAL, kgo_local_set(KGO_LOCAL_KEYS, NULL));
	EXPECT_EQ(-EINVAL, kgo_local_key_delete(KGO_LOCAL_KEYS));
	EXPECT_EQ(-EINVAL, kgo_local_key_create(NULL, NULL));
	EXPECT_EQ(NULL, kgo_local_get(~0U));
}

GO_TEST(keys_run_out_and_come_back)
{
	static unsigned int k[KGO_LOCAL_KEYS];
	unsigned int i, one_more = 0xa5a5a5a5;

	for (i = 0; i < KGO_LOCAL_KEYS; i++)
		EXPECT_EQ(0, kgo_local_key_create(&k[i], NULL));
	EXPECT_EQ(-EAGAIN, kgo_local_key_create(&one_more, NULL));
	EXPECT_EQ(0xa5a5a5a5, one_more);
	for (i = 0; i < KGO_LOCAL_KEYS; i++)
		EXPECT_EQ(0, kgo_local_set(k[i], &k[i]));
	for (i = 0; i < KGO_LOCAL_KEYS; i++)
		EXPECT_EQ(&k[i], kgo_local_get(k[i]));
	EXPECT_EQ(0, kgo_local_key_delete(k[77]));
	EXPECT_EQ(0, kgo_local_key_create(&one_more, NULL));
	EXPECT_EQ(k[77], one_more);
}

TEST_HARNESS_MAIN
