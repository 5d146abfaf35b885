// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Goroutines themselves: start, identity, stacks, end; and the two ways into
 * the runtime, kgo_main() and kgo_run().
 */
#include "lib_test.h"

static int main_with_number(void *arg)
{
	return *(int *)arg + 1;
}

struct count {
	int n, bad;
	struct kgo_wg wg;
};

static void count_one(void *arg)
{
	struct count *c = arg;

	ADD(c->n, 1);
	kgo_wg_done(&c->wg);
}

GO_TEST(ten_thousand_goroutines)
{
	struct count c = { 0 };
	int i, n = MANY(10000);

	kgo_wg_add(&c.wg, n);
	for (i = 0; i < n; i++)
		EXPECT_EQ(0, kgo_go(count_one, &c));
	kgo_wg_wait(&c.wg);
	EXPECT_EQ(n, c.n);
	yield_until(kgo_num_goroutine() == 1);
}

static unsigned long long ids[1000];
static unsigned long long args_seen[1000];

static void note_id(void *arg)
{
	unsigned long long *at = arg;

	*at = kgo_goid();
	ADD(args_seen[at - ids], 1);
	kgo_yield();
	/* The same after a park, wherever that was. */
	if (*at != kgo_goid())
		*at = 0;
}

static int by_value(const void *a, const void *b)
{
	unsigned long long x = *(const unsigned long long *)a;
	unsigned long long y = *(const unsigned long long *)b;

	return x < y ? -1 : x > y;
}

GO_TEST(each_runs_once_with_its_argument_and_its_own_number)
{
	unsigned int i;

	EXPECT_NE(0, kgo_goid());
	for (i = 0; i < ARRAY_SIZE(ids); i++)
		EXPECT_EQ(0, kgo_go(note_id, &ids[i]));
	yield_until(kgo_num_goroutine() == 1);
	for (i = 0; i < ARRAY_SIZE(ids); i++)
		if (args_seen[i] != 1)
			break;
	EXPECT_EQ(ARRAY_SIZE(ids), i);
	qsort(ids, ARRAY_SIZE(ids), sizeof(ids[0]), by_value);
	for (i = 0; i < ARRAY_SIZE(ids); i++)
		if (!ids[i] || (i && ids[i] == ids[i - 1]) || ids[i] == kgo_goid())
			break;
	EXPECT_EQ(ARRAY_SIZE(ids), i);
}

TEST(outside_of_a_goroutine_there_is_no_number)
{
	EXPECT_EQ(0, kgo_goid());
	EXPECT_EQ(0, kgo_num_goroutine());
	EXPECT_EQ(-ESRCH, kgo_go(count_one, NULL));
	EXPECT_EQ(KGO_BACKEND_NONE, kgo_backend());
	EXPECT_STREQ("none", kgo_backend_name());
}

GO_TEST(the_back_end_is_the_one_asked_for)
{
	const char *want = getenv("KGO_BACKEND");

	if (want)
		EXPECT_STREQ(want, kgo_backend_name());
	EXPECT_NE(KGO_BACKEND_NONE, kgo_backend());
}

static int came_back;

static int exit_from(int depth);
static int (*volatile go_deeper)(int) = exit_from;	/* not to be seen through */

static int exit_from(int depth)
{
	if (!depth)
		kgo_exit();
	return go_deeper(depth - 1) + 1;
}

static void exits_deep(void *arg)
{
	ADD(*(int *)arg, 1);
	ADD(came_back, exit_from(20));
}

GO_TEST(exit_ends_a_goroutine_from_any_depth)
{
	int n = 0, i;

	for (i = 0; i < 100; i++)
		EXPECT_EQ(0, kgo_go(exits_deep, &n));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(100, n);
	EXPECT_EQ(0, came_back);
}

/* A dead goroutine's stack is used again; its numbers are not. */
GO_TEST(memory_of_the_dead_is_used_again)
{
	struct count c = { 0 };
	int i, n = MANY(100000);

	for (i = 0; i < n; i++) {
		kgo_wg_add(&c.wg, 1);
		EXPECT_EQ(0, kgo_go(count_one, &c));
		kgo_wg_wait(&c.wg);
	}
	EXPECT_EQ(n, c.n);
	yield_until(kgo_num_goroutine() == 1);
}

/* Use about so many bytes of stack, and check that they stay what they were. */
static __attribute__((noinline)) int fill(long bytes, unsigned char mark)
{
	volatile unsigned char frame[256];
	int bad = 0, i;

	for (i = 0; i < 256; i++)
		frame[i] = mark;
	if (bytes > 512)
		bad = fill(bytes - 512, (unsigned char)(mark + 1));
	else
		kgo_yield();
	for (i = 0; i < 256; i++)
		bad += frame[i] != mark;
	return bad;
}

struct stacked {
	long use;
	int bad, done;
};

static void use_stack(void *arg)
{
	struct stacked *s = arg;

	s->bad = fill(s->use, 1);
	STORE(s->done, 1);
}

GO_TEST(stacks_are_as_large_as_asked_for)
{
	static const size_t sizes[] = { 0, 16384, 100000, 1 << 20, 16 << 20 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct kgo_attr a = { .stack_size = sizes[i] };
		/* A third of it, the sanitizers' frames are larger. */
		struct stacked s = { .use = (long)(sizes[i] ? sizes[i] : 65536) / 3 - 2048,
				     .bad = -1 };

		EXPECT_EQ(0, kgo_go_attr(use_stack, &s, &a));
		yield_until(LOAD(s.done));
		EXPECT_EQ(0, s.bad);
	}
	yield_until(kgo_num_goroutine() == 1);
}

GO_TEST(bad_attributes_are_refused)
{
	struct kgo_attr a = { 0 };
	struct count c = { 0 };

	EXPECT_EQ(-EINVAL, kgo_go((void (*)(void *))NULL, &c));
	a.flags = 0x80000000U;
	EXPECT_EQ(-EINVAL, kgo_go_attr(count_one, &c, &a));
	a.flags = 0;
	a.reserved = 1;
	EXPECT_EQ(-EINVAL, kgo_go_attr(count_one, &c, &a));
	a.reserved = 0;
	a.stack_size = SIZE_MAX;
	EXPECT_EQ(-EINVAL, kgo_go_attr(count_one, &c, &a));
	a.stack_size = 1ULL << 40;
	EXPECT_EQ(-EINVAL, kgo_go_attr(count_one, &c, &a));
	EXPECT_EQ(1, kgo_num_goroutine());
	EXPECT_EQ(0, c.n);
}

static void nested(void *arg)
{
	struct count *c = arg;
	int n = ADD(c->n, 1);

	if (n < 500)
		kgo_go(nested, c);
}

GO_TEST(goroutines_start_goroutines)
{
	struct count c = { 0 };

	EXPECT_EQ(0, kgo_go(nested, &c));
	/* While some start the number of goroutines is a guess. */
	yield_until(LOAD(c.n) == 500);
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(500, c.n);
}

/* Go's TestBigGOMAXPROCS: far more than there are CPUs. */
GO_TEST_PS(as_many_processors_as_may_be_asked_for, 1024)
{
	struct count c = { 0 };
	int i;

	kgo_wg_add(&c.wg, 100);
	for (i = 0; i < 100; i++)
		EXPECT_EQ(0, kgo_go(count_one, &c));
	kgo_wg_wait(&c.wg);
	EXPECT_EQ(100, c.n);
}

static void linger(void *arg)
{
	kgo_chan_recv(arg, NULL);
}

/* The table names parent, start function and place. */
GO_TEST(the_dump_says_who_started_what)
{
	struct kgo_chan *c = kgo_chan_make(0, 0);
	char text[8192], want[128], *row;
	int fd = memfd_create("dump", MFD_CLOEXEC);
	ssize_t n;

	snprintf(want, sizeof(want), ":%d ", __LINE__ + 1);
	EXPECT_EQ(0, kgo_go(linger, c));
	yield_until(waiting("chan receive") == 1);
	kgo_dump(fd);
	n = pread(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = 0;
	row = strstr(text, "chan receive");
	EXPECT_NE(NULL, row);
	if (!row)
		return;
	EXPECT_NE(NULL, strstr(row, "  linger  "));
	EXPECT_NE(NULL, strstr(row, "the_dump_says_who_started_what_go at "));
	EXPECT_NE(NULL, strstr(row, want)) {
		TH_LOG("%s", text);
	}
	EXPECT_EQ(0, kgo_chan_close(c));
	yield_until(kgo_num_goroutine() == 1);
}

/* Go's TestNumGoroutine: as many as a traceback shows. */
GO_TEST(the_number_of_goroutines_is_that_of_their_stacks)
{
	struct kgo_chan *c = kgo_chan_make(0, 0);
	int fd = memfd_create("stacks", MFD_CLOEXEC), i, n = 0;
	static char text[64 << 10];
	char *s;

	EXPECT_EQ(1, kgo_num_goroutine());
	for (i = 0; i < 7; i++)
		EXPECT_EQ(0, kgo_go(linger, c));
	yield_until(waiting("chan receive") == 7);
	EXPECT_EQ(8, kgo_num_goroutine());
	kgo_traceback(fd);
	EXPECT_LT(0, pread(fd, text, sizeof(text) - 1, 0));
	/* "goroutine N [", not "in goroutine N" of who made it. */
	for (s = text; (s = strstr(s, "goroutine ")); s++)
		n += s == text || s[-1] == '\n';
	EXPECT_EQ(8, n) {
		TH_LOG("%s", text);
	}
	EXPECT_EQ(0, kgo_chan_close(c));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(0, kgo_chan_free(c));
	close(fd);
}

static int run_body(void *arg)
{
	struct count c = { 0 };

	kgo_wg_add(&c.wg, 50);
	for (int i = 0; i < 50; i++)
		kgo_go(count_one, &c);
	kgo_wg_wait(&c.wg);
	return c.n + *(int *)arg;
}

TEST(run_returns_and_can_be_called_again)
{
	int i, ret, add;

	for (i = 0; i < 20; i++) {
		ret = -1;
		add = i;
		EXPECT_EQ(0, kgo_run(run_body, &add, &ret));
		EXPECT_EQ(50 + i, ret);
	}
	EXPECT_EQ(0, kgo_run(run_body, &add, NULL));
	EXPECT_EQ(-EINVAL, kgo_run(NULL, NULL, &ret));
	EXPECT_EQ(-EINVAL, kgo_main(NULL, NULL));
}

static void *run_in_thread(void *arg)
{
	int ret = -1, add = 0;

	*(int *)arg = kgo_run(run_body, &add, &ret) ? -1 : ret;
	return NULL;
}

TEST(run_works_from_another_thread_too)
{
	int ret = -1, add = 1;
	pthread_t t;

	EXPECT_EQ(0, kgo_run(run_body, &add, &ret));
	ASSERT_EQ(0, pthread_create(&t, NULL, run_in_thread, &ret));
	pthread_join(t, NULL);
	EXPECT_EQ(50, ret);
}

static int run_inside(void *arg)
{
	int ret = -1;

	return kgo_run(main_with_number, arg, &ret) == -EBUSY &&
	       kgo_main(main_with_number, arg) == -EBUSY && ret == -1 ? 0 : 1;
}

TEST(run_inside_of_run_is_refused)
{
	int ret = -1, n = 1;

	EXPECT_EQ(0, kgo_run(run_inside, &n, &ret));
	EXPECT_EQ(0, ret);
}

static int exits_main(void *arg)
{
	*(int *)arg = 5;
	return exit_from(10);
}

TEST(exit_in_run_returns_from_it)
{
	int n = 0, ret = -1;

	EXPECT_EQ(0, kgo_run(exits_main, &n, &ret));
	EXPECT_EQ(5, n);
}

TEST(a_bad_environment_is_refused)
{
	int ret = -1, n = 1;

	setenv("KGO_PROCS", "none", 1);
	EXPECT_EQ(-EINVAL, kgo_run(main_with_number, &n, &ret));
	setenv("KGO_PROCS", "0", 1);
	EXPECT_EQ(-EINVAL, kgo_run(main_with_number, &n, &ret));
	setenv("KGO_PROCS", "99999999999999999999", 1);
	EXPECT_EQ(-EINVAL, kgo_run(main_with_number, &n, &ret));
	setenv("KGO_PROCS", "2", 1);
	setenv("KGO_BACKEND", "wishful", 1);
	EXPECT_EQ(-EINVAL, kgo_run(main_with_number, &n, &ret));
	EXPECT_EQ(-1, ret);
}

/* In a child of fork() there is no runtime: a clear refusal, not a hang. */
GO_TEST(a_forked_child_is_told_so)
{
	int status = -1, n = 1;
	pid_t pid = fork();

	if (!pid) {
		if (kgo_go(count_one, NULL) != -ESRCH)
			_exit(1);
		if (kgo_goid() != 0)
			_exit(2);
		if (kgo_run(main_with_number, &n, NULL) != -EPERM)
			_exit(3);
		kgo_yield();	/* ends the child */
		_exit(4);
	}
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(2, WEXITSTATUS(status));
	/* Here all goes on. */
	EXPECT_EQ(0, kgo_go(exits_deep, &n));
	yield_until(LOAD(n) == 2);
}

/*
 * Rounding and exceptions of SSE and x87 are each goroutine's own: a new one
 * begins with the defaults, whoever starts it and whoever ran before it.
 */
#define MXCSR_DEFAULT	0x1f80
#define MXCSR_UPWARD	0x5f80
#define FPUCW_DEFAULT	0x037f
#define FPUCW_UPWARD	0x0b7f

static unsigned int get_mxcsr(void)
{
	return __builtin_ia32_stmxcsr();
}

static unsigned short get_fpucw(void)
{
	unsigned short v;

	__asm__ volatile("fnstcw %0" : "=m" (v));
	return v;
}

static void set_rounding(unsigned int mxcsr, unsigned short fpucw)
{
	__builtin_ia32_ldmxcsr(mxcsr);
	__asm__ volatile("fldcw %0" : : "m" (fpucw));
}

struct rounding {
	unsigned int mxcsr[2];
	unsigned short fpucw[2];
	int done;
};

static void note_rounding(void *arg)
{
	struct rounding *r = arg;

	r->mxcsr[0] = get_mxcsr() & ~0x3fU;
	r->fpucw[0] = get_fpucw();
	set_rounding(MXCSR_UPWARD, FPUCW_UPWARD);
	kgo_yield();
	r->mxcsr[1] = get_mxcsr() & ~0x3fU;
	r->fpucw[1] = get_fpucw();
	STORE(r->done, 1);
}

GO_TEST_PS(a_goroutine_begins_with_the_default_rounding, 1)
{
	static struct rounding r[3];
	unsigned int i;

	set_rounding(MXCSR_UPWARD, FPUCW_UPWARD);
	for (i = 0; i < ARRAY_SIZE(r); i++)
		EXPECT_EQ(0, kgo_go(note_rounding, &r[i]));
	yield_until(LOAD(r[0].done) && LOAD(r[1].done) && LOAD(r[2].done));
	EXPECT_EQ(MXCSR_UPWARD, get_mxcsr() & ~0x3fU);
	EXPECT_EQ(FPUCW_UPWARD, get_fpucw());
	set_rounding(MXCSR_DEFAULT, FPUCW_DEFAULT);
	for (i = 0; i < ARRAY_SIZE(r); i++) {
		EXPECT_EQ(MXCSR_DEFAULT, r[i].mxcsr[0]);
		EXPECT_EQ(FPUCW_DEFAULT, r[i].fpucw[0]);
		EXPECT_EQ(MXCSR_UPWARD, r[i].mxcsr[1]);
		EXPECT_EQ(FPUCW_UPWARD, r[i].fpucw[1]);
	}
}

static void nothing(void *arg UNUSED)
{
}

static int nothing_to_run(void *arg UNUSED)
{
	return 0;
}

/* What a thread that is none of the runtime's finds in a child of its own. */
static void *forks(void *arg UNUSED)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		close(STDERR_FILENO);
		if (kgo_go(nothing, NULL) != -ESRCH)
			_exit(10);
		if (kgo_main(NULL, NULL) != -EINVAL)
			_exit(11);
		_exit(kgo_run(nothing_to_run, NULL, NULL) == -EPERM ? 33 : 12);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	return (void *)(long)(WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

GO_TEST(a_forked_child_of_a_foreign_thread_has_no_runtime)
{
	void *code = NULL;
	pthread_t t;

	EXPECT_EQ(0, pthread_create(&t, NULL, forks, NULL));
	EXPECT_EQ(0, pthread_join(t, &code));
	EXPECT_EQ(33, (long)code);
}

static struct {
	char name[16], shard[16];
	int done;
} said;

static void say(void *arg UNUSED)
{
	snprintf(said.name, sizeof(said.name), "%s", kgo_label("name"));
	snprintf(said.shard, sizeof(said.shard), "%s", kgo_label("shard"));
	STORE(said.done, 1);
}

GO_TEST(attributes_give_it_a_name_and_labels)
{
	static const struct kgo_label_pair labels[] = { { "shard", "7" } };
	static const struct kgo_label_pair empty[] = { { "", "7" } };
	struct kgo_attr attr = {
		.name = "sayer", .labels = labels, .nr_labels = 1,
	};

	EXPECT_EQ(0, kgo_go_attr(say, NULL, &attr));
	yield_until(LOAD(said.done));
	EXPECT_STREQ("sayer", said.name);
	EXPECT_STREQ("7", said.shard);
	/* They are its own. */
	EXPECT_EQ(NULL, kgo_label("name"));

	attr.labels = empty;
	EXPECT_EQ(-EINVAL, kgo_go_attr(say, NULL, &attr));
	attr.labels = NULL;
	EXPECT_EQ(-EINVAL, kgo_go_attr(say, NULL, &attr));
	attr.nr_labels = 0;
	/* CPUs are for the kernel. */
	attr.cpus = (const struct cpumask *)&attr;
	EXPECT_EQ(-EOPNOTSUPP, kgo_go_attr(say, NULL, &attr));
	EXPECT_EQ(0, kgo_quiesce(1, -1));
}

TEST_HARNESS_MAIN
