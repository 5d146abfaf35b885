// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The tables under /sys/kernel/debug/kgo: that they say what is, whatever state
 * the program is in, and survive what a program writes into its pages.
 *
 * Goroutines are played by hand here: descriptors are filled in as a runtime
 * would do it, so that every column has a known right answer.
 */
#include "kgo_abi.h"

#include <linux/userfaultfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#define ROOT	"/sys/kernel/debug/kgo"
#define COLS	16

/* A table: lines of columns that are parted by two or more spaces. */
struct table {
	char text[1 << 16];
	char *cell[64][COLS];
	int rows, cols[64];
};

static struct table T;

static bool load(struct table *t, const char *path)
{
	char *line, *save, *s;

	memset(t, 0, sizeof(*t));
	if (slurp(path, t->text, sizeof(t->text)) <= 0)
		return false;
	for (line = strtok_r(t->text, "\n", &save); line && t->rows < 64;
	     line = strtok_r(NULL, "\n", &save)) {
		int n = 0;

		for (s = line; *s && n < COLS;) {
			while (*s == ' ')
				s++;
			if (!*s)
				break;
			t->cell[t->rows][n++] = s;
			while (*s && !(s[0] == ' ' && (s[1] == ' ' || !s[1])))
				s++;
			while (*s == ' ')
				*s++ = 0;
		}
		t->cols[t->rows++] = n;
	}
	return true;
}

/* The cell of a row whose first column is @key, under the heading @col. */
static const char *cell(struct table *t, const char *key, const char *col)
{
	int header = -1, r, c;

	for (r = 0; r < t->rows; r++) {
		for (c = 0; c < t->cols[r]; c++)
			if (!strcmp(t->cell[r][c], col))
				header = r;	/* the nearest heading above */
		if (header < 0 || r == header || !t->cols[r] ||
		    strcmp(t->cell[r][0], key))
			continue;
		for (c = 0; c < t->cols[header]; c++)
			if (!strcmp(t->cell[header][c], col))
				return c < t->cols[r] ? t->cell[r][c] : "(short)";
	}
	return "(none)";
}

static const char *path_of(pid_t pid, __u64 id, const char *file)
{
	static char path[128];

	snprintf(path, sizeof(path), ROOT "/%d.%llu/%s", pid, (unsigned long long)id, file);
	return path;
}

/* "name value" of the file stats. */
static long long stat_of(pid_t pid, __u64 id, const char *name)
{
	char buf[4096], *s;

	if (slurp(path_of(pid, id, "stats"), buf, sizeof(buf)) <= 0)
		return -1;
	for (s = strtok(buf, "\n"); s; s = strtok(NULL, "\n"))
		if (!strncmp(s, name, strlen(name)) && s[strlen(name)] == ' ')
			return atoll(s + strlen(name) + 1);
	return -2;
}

static const struct kgo_site site = {
	.func = (__u64)(unsigned long)"main", .file = (__u64)(unsigned long)"serv er.c",
	.start = (__u64)(unsigned long)"worker", .line = 47,
};

static void goroutine(struct rt *rt, __u32 i, __u64 goid, __u32 state)
{
	struct kgo_gdesc *g = gdesc(rt, i);

	memset(g, 0, sizeof(*g));
	g->goid = goid;
	g->parent = 1;
	g->m = KGO_NONE;
	g->p = KGO_NONE;
	g->site = (__u64)(unsigned long)&site;
	g->fn = 0x123456;
	g->stack_lo = 0x100000;
	g->stack_hi = 0x110000;
	g->sp = 0x10fe00;
	STORE(g->state, state);
	if (LOAD(rt->r->nr_gs) <= i)
		STORE(rt->r->nr_gs, i + 1);
}

FIXTURE(table) {
	struct rt rt;
	pid_t pid;
};

FIXTURE_SETUP(table)
{
	ASSERT_EQ(0, rt_open(&self->rt, 2, 8));
	self->pid = getpid();
}

FIXTURE_TEARDOWN(table)
{
	close(self->rt.fd);
}

TEST_F(table, only_root_can_look)
{
	static const char *const files[] = { "goroutines", "sched", "stats" };
	const char *p = path_of(self->pid, self->rt.id, "");
	struct stat st;
	unsigned int i;

	ASSERT_EQ(0, stat(ROOT, &st));
	EXPECT_EQ(0, st.st_mode & 077);
	ASSERT_EQ(0, stat(p, &st));
	EXPECT_EQ(0, st.st_mode & 077);
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		ASSERT_EQ(0, stat(path_of(self->pid, self->rt.id, files[i]), &st));
		EXPECT_EQ(0, st.st_mode & 0377);
		EXPECT_EQ(0, st.st_uid);
	}
	ASSERT_EQ(0, setresuid(65534, 65534, 65534));
	EXPECT_EQ(-1, open(path_of(self->pid, self->rt.id, "goroutines"), O_RDONLY));
	EXPECT_EQ(-1, open(ROOT "/runtimes", O_RDONLY));
}

TEST_F(table, runtimes_has_a_line_for_each)
{
	char id[32], pid[16];

	snprintf(id, sizeof(id), "%llu", (unsigned long long)self->rt.id);
	snprintf(pid, sizeof(pid), "%d", self->pid);
	prctl(PR_SET_NAME, "ignored later");
	ASSERT_EQ(0, attach(&self->rt));
	goroutine(&self->rt, 1, 1, KGO_G_RUNNABLE);
	goroutine(&self->rt, 2, 2, KGO_G_WAITING);
	goroutine(&self->rt, 3, 3, KGO_G_WAITING);
	goroutine(&self->rt, 4, 4, KGO_G_DEAD);
	pdesc(&self->rt, 0)->spawned = 3;
	pdesc(&self->rt, 1)->spawned = 4;
	pdesc(&self->rt, 1)->exited = 1;
	ASSERT_TRUE(load(&T, ROOT "/runtimes"));
	EXPECT_STREQ(pid, cell(&T, id, "pid"));
	EXPECT_STREQ("debugfs", cell(&T, id, "comm"));
	EXPECT_STREQ("2", cell(&T, id, "Ps"));
	EXPECT_STREQ("1", cell(&T, id, "Ms"));
	EXPECT_STREQ("1", cell(&T, id, "runnable"));
	EXPECT_STREQ("2", cell(&T, id, "waiting"));
	EXPECT_STREQ("1", cell(&T, id, "dead"));
	EXPECT_STREQ("0", cell(&T, id, "running"));
	EXPECT_STREQ("0", cell(&T, id, "invalid"));
	EXPECT_STREQ("7", cell(&T, id, "spawned"));
	EXPECT_STREQ("1", cell(&T, id, "exited"));
}

TEST_F(table, goroutines_has_every_column)
{
	struct rt *rt = &self->rt;
	const char *path = path_of(self->pid, rt->id, "goroutines");

	goroutine(rt, 1, 11, KGO_G_RUNNABLE);
	goroutine(rt, 2, 12, KGO_G_WAITING);
	gdesc(rt, 2)->reason = KGO_WAIT_CHAN_RECEIVE;
	gdesc(rt, 2)->wait_since = now_ns() - 500000000ULL;
	goroutine(rt, 3, 13, KGO_G_DEAD);
	goroutine(rt, 4, 14, KGO_G_WAITING | KGO_G_SCAN);
	gdesc(rt, 4)->reason = KGO_WAIT_MUTEX;
	ASSERT_TRUE(load(&T, path));
	EXPECT_STREQ("runnable", cell(&T, "11", "state"));
	EXPECT_STREQ("-", cell(&T, "11", "reason"));
	EXPECT_STREQ("waiting", cell(&T, "12", "state"));
	EXPECT_STREQ("chan receive", cell(&T, "12", "reason"));
	EXPECT_LE(500, atof(cell(&T, "12", "wait_ms")));
	EXPECT_STREQ("-", cell(&T, "12", "p"));
	EXPECT_STREQ("-", cell(&T, "12", "tid"));
	EXPECT_STREQ("1", cell(&T, "12", "parent"));
	EXPECT_STREQ("worker", cell(&T, "12", "start"));
	/* A name with a space in it is escaped, or columns would break. */
	EXPECT_STREQ("main at serv\\x20er.c:47", cell(&T, "12", "created_by"));
	EXPECT_STREQ("512/65536", cell(&T, "12", "stack"));
	EXPECT_STREQ("(none)", cell(&T, "13", "state"));
	EXPECT_STREQ("waiting (scan)", cell(&T, "14", "state"));
	EXPECT_STREQ("sync.Mutex.Lock", cell(&T, "14", "reason"));
}

TEST_F(table, every_wait_reason_has_its_name)
{
	static const char *const name[] = {
		"-", "chan send", "chan receive", "chan send (nil chan)",
		"chan receive (nil chan)", "select", "select (no cases)", "sleep",
		"IO wait", "semacquire", "sync.Mutex.Lock", "sync.WaitGroup.Wait",
		"sync.RWMutex.RLock", "sync.RWMutex.Lock", "sync.Cond.Wait",
		"semaphore.Weighted.Acquire", "finalizer wait", "signal wait",
		"synctest.Run", "synctest.Wait", "panicwait", "quiesce", "waker",
	};
	unsigned int i;
	char key[16];

	ASSERT_EQ(KGO_WAIT_NR_REASONS, ARRAY_SIZE(name));
	for (i = 0; i < ARRAY_SIZE(name); i++) {
		goroutine(&self->rt, i + 1, 100 + i, KGO_G_WAITING);
		gdesc(&self->rt, i + 1)->reason = (__u16)i;
	}
	ASSERT_TRUE(load(&T, path_of(self->pid, self->rt.id, "goroutines")));
	for (i = 0; i < ARRAY_SIZE(name); i++) {
		snprintf(key, sizeof(key), "%u", 100 + i);
		EXPECT_STREQ(name[i], cell(&T, key, "reason"));
	}
}

/* What the kernel cannot read it shows as such, and it does not wait for it. */
TEST_F(table, unreadable_and_endless_names)
{
	static struct kgo_site bad_strings = { 8, ~0ULL, 0xffffffff81000000ULL, 3, 0 };
	static char endless[4096];
	static struct kgo_site long_name = { 0, 0, (__u64)(unsigned long)endless, 4, 0 };
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct rt *rt = &self->rt;
	const char *s;
	char *missing;
	int ufd, i;

	memset(endless, 'x', sizeof(endless));
	for (i = 1; i <= 7; i++)
		goroutine(rt, (__u32)i, 20 + (__u64)i, KGO_G_RUNNABLE);
	gdesc(rt, 1)->site = 0;
	gdesc(rt, 2)->site = 8;
	gdesc(rt, 3)->site = 0xffffffff81000000ULL;	/* the kernel's own text */
	gdesc(rt, 4)->site = ~0ULL;
	gdesc(rt, 5)->site = (__u64)(unsigned long)&bad_strings;
	gdesc(rt, 6)->site = (__u64)(unsigned long)&long_name;
	/* A page for which the program would have to answer; it never will. */
	missing = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ufd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	ASSERT_LE(0, ufd);
	ASSERT_EQ(0, ioctl(ufd, UFFDIO_API, &api));
	reg.range.start = (unsigned long)missing;
	reg.range.len = PAGE;
	ASSERT_EQ(0, ioctl(ufd, UFFDIO_REGISTER, &reg));
	gdesc(rt, 7)->site = (__u64)(unsigned long)missing;

	ASSERT_TRUE(load(&T, path_of(self->pid, rt->id, "goroutines")));
	for (i = 1; i <= 4; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%d", 20 + i);
		EXPECT_STREQ("0x123456", cell(&T, key, "start"));
		EXPECT_STREQ("?", cell(&T, key, "created_by"));
	}
	EXPECT_STREQ("? at ?:3", cell(&T, "25", "created_by"));
	s = cell(&T, "26", "start");
	EXPECT_EQ('x', s[0]);
	EXPECT_LT(strlen(s), 1000);
	EXPECT_STREQ("...", s + strlen(s) - 3);
	EXPECT_STREQ("?", cell(&T, "27", "created_by"));
}

TEST_F(table, labels_are_those_of_the_program)
{
	static const char *const key[] = { "71", "72", "73", "74", "75", "76", "77" };
	static char endless[4096];
	struct kgo_gext ext[ARRAY_SIZE(key)] = {
		{ .labels = (__u64)(unsigned long)"job=7,user=ann" },
		{ .labels = (__u64)(unsigned long)"a=two  blanks\nand a line", .changes = 5 },
		{ .labels = 0 },
		{ .labels = 8 },
		{ .labels = 0xffffffff81000000ULL },	/* the kernel's own text */
		{ .labels = (__u64)(unsigned long)endless },
	};
	struct rt *rt = &self->rt;
	unsigned int i;
	const char *s;

	memset(endless, 'x', sizeof(endless));
	for (i = 0; i < ARRAY_SIZE(key); i++) {
		goroutine(rt, i + 1, 71 + i, KGO_G_RUNNABLE);
		gdesc(rt, i + 1)->ext = (__u64)(unsigned long)&ext[i];
	}
	gdesc(rt, 7)->ext = 8;
	goroutine(rt, 8, 78, KGO_G_WAITING);

	ASSERT_TRUE(load(&T, path_of(self->pid, rt->id, "goroutines")));
	EXPECT_STREQ("job=7,user=ann", cell(&T, "71", "labels"));
	EXPECT_STREQ("a=two\\x20\\x20blanks\\x0aand\\x20a\\x20line", cell(&T, "72", "labels"));
	EXPECT_STREQ("-", cell(&T, "73", "labels"));
	EXPECT_STREQ("?", cell(&T, "74", "labels"));
	EXPECT_STREQ("?", cell(&T, "75", "labels"));
	s = cell(&T, "76", "labels");
	EXPECT_EQ('x', s[0]);
	EXPECT_LT(strlen(s), 1000);
	EXPECT_STREQ("...", s + strlen(s) - 3);
	EXPECT_STREQ("-", cell(&T, "77", "labels"));
	EXPECT_STREQ("-", cell(&T, "78", "labels"));

	/* Another set: what is shown is what is there now. */
	ext[0].labels = (__u64)(unsigned long)"job=8";
	ext[0].changes++;
	ASSERT_TRUE(load(&T, path_of(self->pid, rt->id, "goroutines")));
	EXPECT_STREQ("job=8", cell(&T, "71", "labels"));
}

struct relabel {
	struct kgo_gext *ext;
	__u32 stop;
};

/* A string is written over at once when it is no label any more. */
static void *relabel(void *arg)
{
	static char text[2][64];
	struct relabel *r = arg;
	unsigned int i, k;

	for (i = 0; !LOAD(r->stop); i++) {
		strcpy(text[i & 1], i & 1 ? "k=aaaaaaaaaaaaaaaa" : "k=bbbbbbbbbbbbbbbb");
		STORE(r->ext->labels, (__u64)(unsigned long)text[i & 1]);
		STORE(r->ext->changes, i + 1);
		memset(text[~i & 1], '!', 16);
		/* Mostly once while a reader is at it. */
		for (k = 0; k < 500 * (i % 16); k++)
			atomic_signal_fence(memory_order_seq_cst);
	}
	return NULL;
}

TEST_F(table, labels_that_are_replaced_are_whole_or_not_shown)
{
	char *two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	/* Its halves are in two pages, between which a copy takes its time. */
	struct relabel r = { .ext = (void *)(two + PAGE - 8) };
	unsigned int i, shown = 0;
	pthread_t t;
	const char *s;

	ASSERT_NE(MAP_FAILED, two);
	goroutine(&self->rt, 1, 81, KGO_G_RUNNABLE);
	gdesc(&self->rt, 1)->ext = (__u64)(unsigned long)r.ext;
	ASSERT_EQ(0, pthread_create(&t, NULL, relabel, &r));
	for (i = 0; i < 1000; i++) {
		ASSERT_TRUE(load(&T, path_of(self->pid, self->rt.id, "goroutines")));
		s = cell(&T, "81", "labels");
		if (!strcmp(s, "-"))
			continue;
		shown++;
		EXPECT_TRUE(!strcmp(s, "k=aaaaaaaaaaaaaaaa") ||
			    !strcmp(s, "k=bbbbbbbbbbbbbbbb")) {
			TH_LOG("'%s'", s);
		}
	}
	STORE(r.stop, 1);
	pthread_join(t, NULL);
	TH_LOG("%u of %u were shown", shown, i);
	ASSERT_TRUE(load(&T, path_of(self->pid, self->rt.id, "goroutines")));
	EXPECT_STRNE("-", cell(&T, "81", "labels"));
}

TEST_F(table, garbage_is_shown_as_invalid)
{
	struct rt *rt = &self->rt;

	goroutine(rt, 1, 31, 77);
	goroutine(rt, 2, 32, KGO_G_WAITING);
	gdesc(rt, 2)->reason = 999;
	goroutine(rt, 3, 33, KGO_G_RUNNING);
	gdesc(rt, 3)->m = 12345;
	gdesc(rt, 3)->p = 54321;
	pdesc(rt, 0)->runq_tail = 100000;
	pdesc(rt, 0)->runnext = 0xfffffff0;
	ASSERT_TRUE(load(&T, path_of(self->pid, rt->id, "goroutines")));
	EXPECT_STREQ("invalid(77)", cell(&T, "31", "state"));
	EXPECT_STREQ("invalid(999)", cell(&T, "32", "reason"));
	EXPECT_STREQ("invalid(12345)", cell(&T, "33", "m"));
	EXPECT_STREQ("invalid(54321)", cell(&T, "33", "p"));
	ASSERT_TRUE(load(&T, path_of(self->pid, rt->id, "sched")));
	EXPECT_STREQ("invalid(100000)", cell(&T, "P0", "queue"));
	EXPECT_STREQ("invalid(4294967280)", cell(&T, "P0", "runnext"));
}

struct blocker {
	struct rt *rt;
	int pipe[2];
	__u32 m, spin, stop;
	pid_t tid;
};

static void *blocker(void *arg)
{
	struct blocker *b = arg;
	char c;

	b->m = (__u32)attach(b->rt);
	enter(b->rt, KGO_ENTER_ACQUIRE);
	b->tid = tid();
	goroutine(b->rt, 1, 41, KGO_G_RUNNING);
	gdesc(b->rt, 1)->m = b->m;
	gdesc(b->rt, 1)->p = LOAD(mdesc(b->rt, b->m)->p);
	STORE(mdesc(b->rt, b->m)->curg, 1);
	if (read(b->pipe[0], &c, 1) != 1)
		abort();
	STORE(b->spin, 1);
	while (!LOAD(b->stop))
		;
	return NULL;
}

TEST_F(table, a_blocked_goroutine_is_in_syscall_and_a_spinning_one_running)
{
	struct blocker b = { .rt = &self->rt };
	struct rt *rt = &self->rt;
	char m[16], t[16], row[16];
	pthread_t th;

	ASSERT_EQ(0, pipe(b.pipe));
	ASSERT_EQ(0, pthread_create(&th, NULL, blocker, &b));
	ASSERT_TRUE(until(LOAD(rt->r->nr_gs) && b.tid &&
			  sleeps_in(getpid(), b.tid, SYS_read)));
	snprintf(m, sizeof(m), "%u", b.m);
	snprintf(t, sizeof(t), "%d", b.tid);
	snprintf(row, sizeof(row), "M%u", b.m);
	ASSERT_TRUE(load(&T, path_of(self->pid, rt->id, "goroutines")));
	EXPECT_STREQ("syscall", cell(&T, "41", "state"));
	EXPECT_STREQ(m, cell(&T, "41", "m"));
	EXPECT_STREQ(t, cell(&T, "41", "tid"));
	ASSERT_TRUE(load(&T, path_of(self->pid, rt->id, "sched")));
	EXPECT_STREQ("blocked", cell(&T, "P0", "state"));
	EXPECT_STREQ(m, cell(&T, "P0", "m"));
	EXPECT_STREQ("idle", cell(&T, "P1", "state"));
	EXPECT_STREQ("blocked", cell(&T, row, "doing"));
	EXPECT_STREQ("g41", cell(&T, row, "goroutine"));
	EXPECT_STREQ(t, cell(&T, row, "tid"));
	EXPECT_EQ(2, stat_of(self->pid, rt->id, "nr_avail"));

	ASSERT_EQ(1, write(b.pipe[1], "x", 1));
	ASSERT_TRUE(until(LOAD(b.spin)));
	ASSERT_TRUE(load(&T, path_of(self->pid, rt->id, "goroutines")));
	EXPECT_STREQ("running", cell(&T, "41", "state"));
	EXPECT_STREQ("0", cell(&T, "41", "p"));
	ASSERT_TRUE(load(&T, path_of(self->pid, rt->id, "sched")));
	EXPECT_STREQ("running", cell(&T, "P0", "state"));
	EXPECT_STREQ("running", cell(&T, row, "doing"));
	EXPECT_EQ(1, stat_of(self->pid, rt->id, "nr_avail"));
	EXPECT_LE(1, stat_of(self->pid, rt->id, "blocks"));
	EXPECT_EQ(0, stat_of(self->pid, rt->id, "handoffs"));
	EXPECT_EQ(1, stat_of(self->pid, rt->id, "nr_ms"));
	EXPECT_EQ((long long)rt->id, stat_of(self->pid, rt->id, "id"));
	STORE(b.stop, 1);
	pthread_join(th, NULL);
}

/* Runs in a child, which is then stopped: a program that is wedged. */
TEST_F(table, a_stopped_program_can_be_looked_at)
{
	int fd[2], status;
	__u64 id = 0;
	pid_t pid;

	ASSERT_EQ(0, pipe(fd));
	pid = fork();
	if (!pid) {
		struct rt rt;

		if (rt_open(&rt, 1, 4) || attach(&rt) || enter(&rt, KGO_ENTER_ACQUIRE))
			_exit(1);
		goroutine(&rt, 1, 51, KGO_G_WAITING);
		gdesc(&rt, 1)->reason = KGO_WAIT_SLEEP;
		if (write(fd[1], &rt.id, sizeof(rt.id)) != sizeof(rt.id))
			_exit(2);
		for (;;)
			;
	}
	ASSERT_EQ(sizeof(id), read(fd[0], &id, sizeof(id)));
	kill(pid, SIGSTOP);
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	ASSERT_TRUE(load(&T, path_of(pid, id, "goroutines")));
	EXPECT_STREQ("waiting", cell(&T, "51", "state"));
	EXPECT_STREQ("sleep", cell(&T, "51", "reason"));
	EXPECT_STREQ("worker", cell(&T, "51", "start"));
	EXPECT_TRUE(load(&T, path_of(pid, id, "sched")));
	EXPECT_LT(0, stat_of(pid, id, "nr_ms"));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	/* Its folder goes with it. */
	EXPECT_TRUE(until(access(path_of(pid, id, "stats"), F_OK)));
}

TEST_F(table, an_open_file_keeps_the_table_of_a_dead_program)
{
	char buf[4096];
	__u64 id = 0;
	int p[2], fd;
	ssize_t n;
	pid_t pid;

	ASSERT_EQ(0, pipe(p));
	pid = fork();
	if (!pid) {
		struct rt rt;

		if (rt_open(&rt, 1, 4))
			_exit(1);
		goroutine(&rt, 1, 61, KGO_G_WAITING);
		if (write(p[1], &rt.id, sizeof(rt.id)) != sizeof(rt.id))
			_exit(2);
		pause();
	}
	ASSERT_EQ(sizeof(id), read(p[0], &id, sizeof(id)));
	fd = open(path_of(pid, id, "goroutines"), O_RDONLY);
	ASSERT_LE(0, fd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	n = read(fd, buf, sizeof(buf) - 1);
	/* The row, or an end of file; but an answer. */
	EXPECT_LE(0, n);
	buf[n > 0 ? n : 0] = 0;
	EXPECT_TRUE(n == 0 || strstr(buf, "\n61 "));
	close(fd);
}

TEST_HARNESS_MAIN
