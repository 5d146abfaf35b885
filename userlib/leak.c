// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Leaked goroutines.  The rules are those of go.uber.org/goleak.
 *
 * A check reads the table of goroutines, without a lock: each row as it is.
 * One that ends while it is read is dropped when its number has changed.  What
 * its functions are is read from the text that is written about it anyway, as
 * goleak reads Go's tracebacks: so it knows as much as can be told of a stack,
 * and no more.
 *
 * Between two looks a goroutine waits for another one to end, not for time to
 * pass; only with an upper bound that grows, since a goroutine can also go
 * where it is to be overlooked without that any ends.
 */
#include "user.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_WAIT	500000000LL	/* ns, by default */
#define LOOK_MIN	1000000LL	/* between two looks */
#define LOOK_MAX	100000000LL

/* A group of the core under the name that programs know. */
struct kgo_leak_group {
	char	unused;
};

struct kgo_leak_current {
	u32	n;
	u64	goid[];		/* rising */
};

/* One look at the table. */
struct look {
	const struct kgo_leak_opts *opts;
	struct kgo_g *self;	/* the calling goroutine, or NULL */
	bool	names;		/* with stacks */
	int	ret;		/* 0 or -errno */
	struct kgo_out out;	/* to a file in memory */
	off_t	end;		/* of what is in it and stays */
	u32	n;		/* leaked ones */
	u64	now;
	char	*text;		/* about one goroutine */
	size_t	room;
};

static struct kgo_group *to_group(const struct kgo_leak_group *group)
{
	return (struct kgo_group *)group;
}

static bool exists(const struct kgo_g *g)
{
	u32 state = port_load_acquire(&g->d.state) & ~KGO_G_SCAN;

	return state != KGO_G_IDLE && state != KGO_G_DEAD;
}

static u32 nr_table(void)
{
	return kgo_rt.r ? port_load(&kgo_rt.r->nr_gs) : 1;
}

static int by_goid(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

struct kgo_leak_current *kgo_leak_current(void)
{
	u32 n = nr_table(), i;
	struct kgo_leak_current *c;

	c = malloc(sizeof(*c) + n * sizeof(c->goid[0]));
	if (!c)
		return NULL;
	c->n = 0;
	for (i = 1; i < n; i++)
		if (exists(port_g(i)))
			c->goid[c->n++] = port_load(&port_g(i)->d.goid);
	qsort(c->goid, c->n, sizeof(c->goid[0]), by_goid);
	return c;
}

void kgo_leak_current_free(struct kgo_leak_current *current)
{
	free(current);
}

/* Does it matter, as far as can be told without its stack? */
static bool is_candidate(const struct look *look, struct kgo_g *g, u64 goid)
{
	const struct kgo_leak_opts *opts = look->opts;
	const struct kgo_leak_current *c = opts->ignore_current;

	if (g == look->self)
		return false;
	if (port_load(&g->d.flags) & KGO_GF_SYSTEM || kgo_is_main(g))
		return false;
	if (c && bsearch(&goid, c->goid, c->n, sizeof(goid), by_goid))
		return false;
	return !opts->group || kgo_group_has(to_group(opts->group), g);
}

/* Is the function that this line names one of them? */
static bool is_one_of(const char *line, size_t len, const char *const *names)
{
	for (; names && *names; names++)
		if (strlen(*names) == len && !memcmp(line, *names, len))
			return true;
	return false;
}

/* Is this function the library's, as its name or its file says? */
static bool is_ours(const char *line, const char *place)
{
	const char *core = strstr(place, "/kmod/core/");

	return !strncmp(line, "kgo_", 4) ||
	       (*place == '\t' && core && core < strchrnul(place, '\n'));
}

/*
 * Read what was written about a goroutine: "goroutine 7 [...]:", then
 * "function(...)" with a line of its place, which begins with a tab, from the
 * innermost on, then "created by function in goroutine 1".
 */
static bool is_ignored(const struct kgo_leak_opts *opts, const struct kgo_g *g,
		       const char *text)
{
	const struct kgo_site *site = (const struct kgo_site *)port_load(&g->d.site);
	static const char created[] = "created by ";
	const char *start = site && site->start ? (const char *)site->start : "";
	const char *line = text, *next;
	bool top = true;
	size_t len;

	/* That one may have left the stack to what it called last. */
	if (is_one_of(start, strlen(start), opts->ignore_any))
		return true;
	for (; *line; line = next) {
		next = strchrnul(line, '\n');
		if (*next)
			next++;
		if (*line == '\n' || *line == '\t' ||
		    !strncmp(line, "goroutine ", 10))
			continue;
		if (!strncmp(line, created, sizeof(created) - 1)) {
			line += sizeof(created) - 1;
			len = strcspn(line, "\n ");
			if (is_one_of(line, len, opts->ignore_created_by))
				return true;
			continue;
		}
		if (*line == '?')	/* nobody knows its name */
			continue;
		len = strcspn(line, "\n(+ ");
		if (is_one_of(line, len, opts->ignore_any))
			return true;
		/* What waits on top is of the library. */
		if (!top || is_ours(line, next))
			continue;
		top = false;
		if (is_one_of(line, len, opts->ignore_top))
			return true;
	}
	return top && is_one_of(start, strlen(start), opts->ignore_top);
}

/* The text from look->end on, as a string.  Returns 0 or -errno. */
static int read_back(struct look *look)
{
	off_t size;
	char *more;
	size_t n;

	kgo_out_flush(&look->out);
	size = lseek(look->out.fd, 0, SEEK_END);
	if (size < 0)
		return -errno;
	n = (size_t)(size - look->end);
	if (n + 1 > look->room) {
		more = realloc(look->text, n + 1);
		if (!more)
			return -ENOMEM;
		look->text = more;
		look->room = n + 1;
	}
	if (pread(look->out.fd, look->text, n, look->end) != (ssize_t)n)
		return -EIO;
	look->text[n] = 0;
	return 0;
}

static int look_at(struct look *look, struct kgo_g *g)
{
	u64 goid = port_load(&g->d.goid);
	int ret;

	if (!is_candidate(look, g, goid))
		return 0;
	kgo_out_one(&look->out, g, look->now,
		    KGO_OUT_MS | (look->names ? KGO_OUT_STACK : 0));
	ret = read_back(look);
	if (ret)
		return ret;
	if (exists(g) && port_load(&g->d.goid) == goid &&
	    !is_ignored(look->opts, g, look->text)) {
		look->n++;
		look->end += (off_t)strlen(look->text);
		return 0;
	}
	if (ftruncate(look->out.fd, look->end) ||
	    lseek(look->out.fd, look->end, SEEK_SET) < 0)
		return -errno;
	return 0;
}

static void look_at_all(struct kgo_out *out, void *arg)
{
	struct look *look = arg;
	u32 n = nr_table(), i;

	(void)out;
	for (i = 1; i < n && !look->ret; i++)
		if (exists(port_g(i)))
			look->ret = look_at(look, port_g(i));
}

static int look_once(struct look *look)
{
	look->n = 0;
	look->end = 0;
	look->now = port_now();
	if (ftruncate(look->out.fd, 0) || lseek(look->out.fd, 0, SEEK_SET))
		return -errno;
	look->ret = 0;
	if (look->names)
		kgo_out_named(&look->out, look_at_all, look);
	else
		look_at_all(&look->out, look);
	return look->ret;
}

/* Let something happen; @seen: ends that happened before the last look. */
static void wait_a_little(u64 seen, long long ns)
{
	struct timespec ts = {
		.tv_sec = ns / 1000000000,
		.tv_nsec = ns % 1000000000,
	};

	if (!kgo_goid() || kgo_wait_end(seen, ns) == -ENOMEM)
		arch_syscall(SYS_nanosleep, (long)&ts, 0, 0, 0, 0, 0);
}

/* Look until nothing is left or time is up.  Returns 0 or -errno. */
static int look_on(struct look *look)
{
	long long wait = look->opts->max_wait, left, step = LOOK_MIN;
	u64 end, seen, now;
	int ret;

	look->names = look->opts->ignore_top || look->opts->ignore_any;
	end = port_now() + (u64)(wait > 0 ? wait : !wait ? MAX_WAIT : 0);
	for (;;) {
		seen = kgo_num_ended();
		ret = look_once(look);
		now = port_now();
		if (ret || !look->n || (now >= end && look->names))
			return ret;
		if (now >= end) {
			/* It is going to be told. */
			look->names = true;
			continue;
		}
		left = (long long)(end - now);
		wait_a_little(seen, step < left ? step : left);
		step = step * 2 < LOOK_MAX ? step * 2 : LOOK_MAX;
	}
}

int kgo_leak_find(const struct kgo_leak_opts *opts, char **report)
{
	static const struct kgo_leak_opts defaults;
	struct look look = {
		.opts = opts ? opts : &defaults,
		.self = kgo_self_g(),
	};
	int ret;

	if (report)
		*report = NULL;
	if (look.opts->flags & ~KGO_LEAK_RUN_ON_FAILURE || look.opts->reserved)
		return -EINVAL;
	look.out.fd = memfd_create("kgo-leak", MFD_CLOEXEC);
	if (look.out.fd < 0)
		return -errno;
	ret = look_on(&look);
	if (!ret && look.n && report) {
		look.end = 0;
		ret = read_back(&look);
		if (!ret) {
			*report = look.text;
			look.text = NULL;
		}
	}
	close(look.out.fd);
	free(look.text);
	return ret ? ret : (int)look.n;
}

/* Look, and tell.  Returns as kgo_leak_find(). */
static int verify(const struct kgo_leak_opts *opts, const char *of)
{
	struct kgo_out o = { .fd = STDERR_FILENO };
	char *report;
	int n;

	n = kgo_leak_find(opts, &report);
	if (n <= 0)
		return n;
	kgo_out_str(&o, "kgo: ");
	kgo_out_num(&o, (u64)n);
	kgo_out_str(&o, n == 1 ? " goroutine is" : " goroutines are");
	kgo_out_str(&o, " left");
	kgo_out_str(&o, of);
	kgo_out_str(&o, ":\n");
	kgo_out_str(&o, report);
	kgo_out_flush(&o);
	free(report);
	return n;
}

int kgo_leak_verify_none(const struct kgo_leak_opts *opts)
{
	int n = verify(opts, "");

	if (opts && opts->cleanup)
		opts->cleanup(n > 0);
	return n;
}

struct leak_main {
	int	(*fn)(void *arg);
	void	*arg;
	const struct kgo_leak_opts *opts;
};

static int leak_body(void *arg)
{
	const struct leak_main *lm = arg;
	const struct kgo_leak_opts *opts = lm->opts;
	int status = lm->fn(lm->arg), n;

	if (!status || (opts && opts->flags & KGO_LEAK_RUN_ON_FAILURE)) {
		n = verify(opts, " after the tests");
		if (n < 0)
			kgo_complain("looking for leaks: %s", strerror(-n));
		if (n && !status)
			status = 1;
	}
	if (opts && opts->cleanup)
		opts->cleanup(status);
	return status;
}

int kgo_leak_main(int (*fn)(void *arg), void *arg,
		  const struct kgo_leak_opts *opts)
{
	struct leak_main lm = { .fn = fn, .arg = arg, .opts = opts };

	if (!fn)
		return -EINVAL;
	return kgo_main(leak_body, &lm);
}

struct kgo_leak_group *kgo_leak_group_begin(void)
{
	if (!kgo_goid()) {
		port_throw("leak group begun outside of a goroutine");
		return NULL;
	}
	return (struct kgo_leak_group *)kgo_group_enter();
}

int kgo_leak_group_end(struct kgo_leak_group *group,
		       const struct kgo_leak_opts *opts)
{
	struct kgo_leak_opts of_group = { 0 };
	struct kgo_m *m = port_self();
	int n;

	if (!group || !m || !m->curg || !m->curg->x ||
	    m->curg->x->group != to_group(group))
		return -EINVAL;
	if (opts)
		of_group = *opts;
	of_group.group = group;
	n = verify(&of_group, " of a group");
	kgo_group_leave(to_group(group));
	if (opts && opts->cleanup)
		opts->cleanup(n > 0);
	return n;
}
