// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The table of contexts: who made which, and reading it while it changes.
 */
#include "context_test.h"

static int bad, live;

static char *dump(void)
{
	int fd = memfd_create("dump", MFD_CLOEXEC);
	off_t size;
	char *text;

	kgo_dump_contexts(fd);
	size = lseek(fd, 0, SEEK_END);
	text = calloc(1, (size_t)size + 1);
	if (pread(fd, text, (size_t)size, 0) != size)
		text[0] = 0;
	close(fd);
	return text;
}

static int lines(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* Its number of columns, parted by two spaces or more. */
static int columns(const char *line)
{
	int n = 1;

	for (; *line && *line != '\n'; line++)
		n += line[0] == ' ' && line[1] == ' ' && line[2] != ' ';
	return n;
}

/* The row that was made in this function, to be freed with the text. */
static const char *row_of(const char *text, const char *where)
{
	const char *s = strstr(text, where);

	while (s && s > text && s[-1] != '\n')
		s--;
	return s ? s : "";
}

static __attribute__((noinline)) struct kgo_ctx *made_here(struct kgo_ctx *parent)
{
	return kgo_ctx_with_timeout(parent, HOUR);
}

GO_TEST(the_table_shows_who_made_what_is_alive)
{
	struct kgo_ctx *top, *timed, *value;
	const char *row, *line;
	char *text = dump();
	int n;

	EXPECT_EQ(1, lines(text));
	EXPECT_EQ(9, columns(text));
	free(text);

	top = kgo_ctx_with_cancel(kgo_ctx_background());
	timed = made_here(top);
	value = kgo_ctx_with_value(timed, &key1, NULL);
	text = dump();
	EXPECT_EQ(4, lines(text));
	for (line = text; *line; line = strchr(line, '\n') + 1)
		EXPECT_EQ(9, columns(line));
	row = row_of(text, "  made_here at ");
	n = 0;
	EXPECT_EQ(0, strncmp("deadline  ", row + 10, 10));
	EXPECT_NE(NULL, strstr(row, "  active  "));
	EXPECT_NE(NULL, strstr(row, "context_table_test.c:"));
	/* References: the one here and that of the value. */
	if (sscanf(row, "%*s deadline active - %*d 0 %d", &n) != 1)
		n = -1;
	EXPECT_EQ(2, n) { TH_LOG("%s", text); }
	free(text);

	kgo_ctx_cancel(top, -EIO);
	text = dump();
	row = row_of(text, "  made_here at ");
	EXPECT_NE(NULL, strstr(row, "  canceled  ")) { TH_LOG("%s", text); }
	EXPECT_NE(NULL, strstr(row, "  -5  "));
	free(text);

	kgo_ctx_put(value);
	kgo_ctx_put(timed);
	kgo_ctx_put(top);
	text = dump();
	EXPECT_EQ(1, lines(text));
	free(text);
}

/* Some come and go while the table is read by several. */
static int stop_reading;

static void read_table(void *arg UNUSED)
{
	while (!LOAD(stop_reading)) {
		char *text = dump();

		if (columns(text) != 9)
			ADD(bad, 1);
		free(text);
		kgo_yield();
	}
}

static void come_and_go(void *arg)
{
	struct kgo_ctx *ctx;
	int i;

	for (i = 0; i < MANY(2000); i++) {
		ctx = kgo_ctx_with_value(arg, &key1, NULL);
		if (i % 16 == 0)
			kgo_yield();
		kgo_ctx_put(ctx);
	}
	ADD(live, -1);
}

GO_TEST(the_table_is_read_while_it_changes)
{
	struct kgo_ctx *top = kgo_ctx_with_cancel(kgo_ctx_background());
	int i;

	STORE(live, 4);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, kgo_go(read_table, NULL));
		EXPECT_EQ(0, kgo_go(come_and_go, top));
	}
	yield_until(!LOAD(live));
	STORE(stop_reading, 1);
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(0, bad);
	finish(top);
}

/* Not a goroutine: the table can be read all the same. */
static void *read_outside(void *arg)
{
	char *text = dump();

	STORE(*(int *)arg, lines(text));
	free(text);
	return NULL;
}

GO_TEST(a_plain_thread_reads_the_table)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	pthread_t thread;
	int n = 0;

	EXPECT_EQ(0, pthread_create(&thread, NULL, read_outside, &n));
	EXPECT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(2, n);
	finish(ctx);
}

TEST_HARNESS_MAIN
