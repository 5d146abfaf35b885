// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The way from a go statement to the kernel's table: what debugfs says of this
 * very program, and that kgo_dump() says the same.  On the device only, as root.
 */
#include "lib_test.h"

#include <dirent.h>

#define ROOT "/sys/kernel/debug/kgo"

static char text[1 << 16];

static __attribute__((noinline)) bool slurp(const char *path)
{
	size_t n = 0;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	while ((got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	text[n] = 0;
	close(fd);
	return n > 0;
}

/* Our folder: <pid>.<id>. */
static __attribute__((noinline)) bool folder(char *path, size_t size, const char *file)
{
	DIR *d = opendir(ROOT);
	struct dirent *de;
	char mine[32];
	bool found = false;

	if (!d)
		return false;
	snprintf(mine, sizeof(mine), "%d.", getpid());
	while (!found && (de = readdir(d))) {
		if (strncmp(de->d_name, mine, strlen(mine)))
			continue;
		snprintf(path, size, ROOT "/%.64s/%s", de->d_name, file);
		found = true;
	}
	closedir(d);
	return found;
}

/* The first line in which both stand, or "". */
static const char *line_with(const char *a, const char *b)
{
	static char line[1024];
	const char *s = text, *end;

	while (*s) {
		end = strchrnul(s, '\n');
		snprintf(line, sizeof(line), "%.*s", (int)(end - s), s);
		if (strstr(line, a) && strstr(line, b))
			return line;
		s = *end ? end + 1 : end;
	}
	return "";
}

static int fds[2];

static void in_a_read(void *arg UNUSED)
{
	char c;

	if (read(fds[0], &c, 1) != 1)
		abort();
}

static void in_a_channel(void *arg)
{
	kgo_chan_recv(arg, NULL);
}

static void in_a_sleep(void *arg UNUSED)
{
	kgo_sleep(3600 * 1000 * MS);
}

static void check(struct __test_metadata *_metadata, const char *what, const char *state,
		  const char *reason, const char *where)
{
	const char *line = line_with(what, where);

	EXPECT_NE(NULL, strstr(line, state)) {
		TH_LOG("%s: no line says %s\n%s", what, state, text);
	}
	EXPECT_NE(NULL, strstr(line, reason));
}

GO_TEST(debugfs_shows_this_program)
{
	struct kgo_chan *c = kgo_chan_make(0, 0);
	char path[128], w[3][96];
	int line, fd;

	if (kgo_backend() != KGO_BACKEND_DEVICE)
		SKIP(return, "the futex back end has no tables in the kernel");
	EXPECT_EQ(0, pipe(fds));
	line = __LINE__;
	EXPECT_EQ(0, kgo_go(in_a_read, NULL));
	EXPECT_EQ(0, kgo_go(in_a_channel, c));
	EXPECT_EQ(0, kgo_go(in_a_sleep, NULL));
	for (int i = 0; i < 3; i++)
		snprintf(w[i], sizeof(w[i]), "debugfs_shows_this_program_go at %s:%d",
			 __FILE__, line + 1 + i);
	yield_until(waiting("chan receive") == 1 && waiting("sleep") == 1);

	EXPECT_TRUE(folder(path, sizeof(path), "goroutines"));
	/* It blocks when its thread gets to the read. */
	do {
		kgo_sleep(MS);
		EXPECT_TRUE(slurp(path));
	} while (!strstr(line_with("in_a_read", w[0]), "syscall"));
	check(_metadata, "in_a_read", "  syscall  ", "  -  ", w[0]);
	check(_metadata, "in_a_channel", "  waiting  ", "  chan receive  ", w[1]);
	check(_metadata, "in_a_sleep", "  waiting  ", "  sleep  ", w[2]);
	/* The one that reads the table sits in a system call or runs. */
	EXPECT_TRUE(*line_with("main", "running") || *line_with("main", "syscall"));

	/* The library's own table names the same goroutines. */
	fd = memfd_create("dump", MFD_CLOEXEC);
	kgo_dump(fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT_TRUE(slurp(path));
	check(_metadata, "in_a_channel", "  waiting  ", "  chan receive  ", w[1]);
	check(_metadata, "in_a_sleep", "  waiting  ", "  sleep  ", w[2]);
	close(fd);

	EXPECT_EQ(1, write(fds[1], "x", 1));
	EXPECT_EQ(0, kgo_chan_close(c));
	yield_until(kgo_num_goroutine() == 2);
}

/* A blocked goroutine's processor went on: the counters must have seen it. */
GO_TEST_PS(hand_offs_are_counted, 1)
{
	char path[128];
	int i;

	if (kgo_backend() != KGO_BACKEND_DEVICE)
		SKIP(return, "the futex back end has no tables in the kernel");
	EXPECT_EQ(0, pipe(fds));
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0, kgo_go(in_a_read, NULL));
		kgo_yield();
		EXPECT_EQ(1, write(fds[1], "x", 1));
	}
	EXPECT_EQ(0, kgo_go(in_a_read, NULL));
	/* This returns only because the reader's P was handed on. */
	kgo_yield();
	EXPECT_TRUE(folder(path, sizeof(path), "stats"));
	EXPECT_TRUE(slurp(path));
	EXPECT_NE(NULL, strstr(text, "\nhandoffs "));
	EXPECT_LE(1, atoi(strstr(text, "\nhandoffs ") + 10)) {
		TH_LOG("%s", text);
	}
	EXPECT_EQ(1, write(fds[1], "x", 1));
	yield_until(kgo_num_goroutine() == 1);
}

TEST_HARNESS_MAIN
