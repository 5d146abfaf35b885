// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * pipeline FILE... - count the lines of files, several at a time
 *
 *	main --names--> readers --counts--> main
 *
 * Each stage is a goroutine that receives, works and sends; closing a channel
 * tells the next stage that no more will come.  The readers read with plain
 * read(2): one that waits for its disk keeps none of the others.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <kgo.h>

#define READERS	8

struct count {
	const char *name;
	long lines;		/* or a negative error number */
};

static struct kgo_chan *names, *counts;
static struct kgo_wg readers;

/* Does not park, so errno is safe here. */
static long count_lines(const char *name)
{
	char buf[16384], *p, *end;
	long lines = 0;
	ssize_t n;
	int fd;

	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (p = buf, end = buf + n; (p = memchr(p, '\n', (size_t)(end - p))); p++)
			lines++;
	if (n < 0)
		lines = -errno;
	close(fd);
	return lines;
}

static void reader(void *arg)
{
	struct count c;

	(void)arg;
	while (kgo_chan_recv(names, &c.name)) {
		c.lines = count_lines(c.name);
		kgo_chan_send(counts, &c);
	}
	kgo_wg_done(&readers);
}

/* The last reader is gone: there will be no more counts. */
static void closer(void *arg)
{
	(void)arg;
	kgo_wg_wait(&readers);
	kgo_chan_close(counts);
}

static void source(void *arg)
{
	char **name;

	for (name = arg; *name; name++)
		kgo_chan_send(names, name);
	kgo_chan_close(names);
}

static int start(void *arg)
{
	struct count c;
	int i, ret = 0;

	names = kgo_chan_make(sizeof(c.name), 0);
	counts = kgo_chan_make(sizeof(c), READERS);
	if (!names || !counts)
		return 1;
	kgo_wg_add(&readers, READERS);
	for (i = 0; i < READERS; i++)
		if (kgo_go(reader, NULL))
			return 1;
	if (kgo_go(source, arg) || kgo_go(closer, NULL))
		return 1;

	while (kgo_chan_recv(counts, &c)) {
		if (c.lines < 0) {
			fprintf(stderr, "pipeline: %s: %s\n", c.name, strerror((int)-c.lines));
			ret = 1;
		} else {
			printf("%8ld %s\n", c.lines, c.name);
		}
	}
	kgo_chan_free(names);
	kgo_chan_free(counts);
	return ret;
}

int main(int argc, char **argv)
{
	(void)argc;
	return kgo_main(start, argv + 1);
}
