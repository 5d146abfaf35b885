// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Text about goroutines: the table, and the library's own complaints.
 *
 * Nothing here allocates, locks or uses stdio's streams, so that it works in a
 * signal handler and in a program whose heap is broken.
 */
#include "backend.h"
#include "names.h"
#include "abi_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/** kgo_out_flush() - Write what is there; a reader that is gone is no error */
void kgo_out_flush(struct kgo_out *o)
{
	u32 done = 0;
	long ret;

	while (done < o->n) {
		ret = arch_syscall(SYS_write, o->fd, (long)(o->buf + done),
				   o->n - done, 0, 0, 0);
		if (ret == -EINTR)
			continue;
		if (ret <= 0)
			break;
		done += (u32)ret;
	}
	o->n = 0;
}

static void out_char(struct kgo_out *o, char c)
{
	if (o->n == sizeof(o->buf))
		kgo_out_flush(o);
	o->buf[o->n++] = c;
}

void kgo_out_str(struct kgo_out *o, const char *s)
{
	while (*s)
		out_char(o, *s++);
}

/* A number in a buffer of its own; returns where it begins. */
static char *num(char buf[24], u64 v)
{
	char *s = buf + 23;

	*s = 0;
	do {
		*--s = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	return s;
}

void kgo_out_num(struct kgo_out *o, u64 v)
{
	char buf[24];

	kgo_out_str(o, num(buf, v));
}

void kgo_out_hex(struct kgo_out *o, u64 v)
{
	char buf[19], *s = buf + 18;

	*s = 0;
	do {
		*--s = "0123456789abcdef"[v & 15];
		v >>= 4;
	} while (v);
	*--s = 'x';
	*--s = '0';
	kgo_out_str(o, s);
}

static const char *name_or(u64 addr, const char *other)
{
	return addr ? (const char *)addr : other;
}

static void pad(struct kgo_out *o, int width, size_t len)
{
	for (; width > (int)len; width--)
		out_char(o, ' ');
}

static void first_cell(struct kgo_out *o, int width, const char *s)
{
	kgo_out_str(o, s);
	pad(o, width, strlen(s));
}

/*
 * One cell of the table: two spaces, then at least @width characters, on the
 * right for a positive width, on the left for a negative one.
 */
static void cell(struct kgo_out *o, int width, const char *s)
{
	kgo_out_str(o, "  ");
	pad(o, width, strlen(s));
	kgo_out_str(o, s);
	pad(o, -width, strlen(s));
}

static void cell_num(struct kgo_out *o, int width, u64 v)
{
	char buf[24];

	cell(o, width, num(buf, v));
}

static void cell_index(struct kgo_out *o, int width, u32 v)
{
	if (v == KGO_NONE)
		cell(o, width, "-");
	else
		cell_num(o, width, v);
}

/* Milliseconds with three digits behind the point. */
static void cell_ms(struct kgo_out *o, int width, u64 us)
{
	char whole[24], part[24];
	char *point = num(part, us % 1000 + 1000);

	*point = '.';		/* instead of the 1 that kept the zeroes */
	cell(o, width - 4, num(whole, us / 1000));
	kgo_out_str(o, point);
}

static void cell_site(struct kgo_out *o, int width, const struct kgo_site *site)
{
	char where[256] = "?";
	u32 n = 0;
	char buf[24];

	/* Not snprintf(): this may be a signal handler. */
	if (site) {
		const char *part[] = {
			name_or(site->func, "?"), " at ",
			name_or(site->file, "?"), ":", num(buf, site->line),
		};

		for (u32 i = 0; i < sizeof(part) / sizeof(part[0]); i++)
			for (const char *c = part[i]; *c; c++)
				if (n < sizeof(where) - 1)
					where[n++] = *c;
		where[n] = 0;
	}
	cell(o, width, where);
}

#define LABELS_MAX	256U	/* bytes shown */
#define LABELS_TRIES	4U

/*
 * Bytes that may go away while they are read.  The kernel copies them, as for
 * a debugger: what is not there any more is an error and no signal.
 */
static size_t peek(u64 addr, char *buf, size_t len)
{
	struct iovec to = { .iov_base = buf, .iov_len = len };
	struct iovec from = { .iov_base = (void *)addr };
	size_t done = 0, part;
	long ret;

	while (done < len) {
		/* Page by page: the end of the string may be that of memory. */
		part = KGO_PAGE - (addr + done) % KGO_PAGE;
		from.iov_base = (void *)(addr + done);
		from.iov_len = part < len - done ? part : len - done;
		to.iov_base = buf + done;
		to.iov_len = from.iov_len;
		ret = arch_syscall(SYS_process_vm_readv, getpid(), (long)&to, 1,
				   (long)&from, 1, 0);
		if (ret <= 0)
			break;
		done += (size_t)ret;
	}
	return done;
}

/*
 * The labels of a goroutine, which may change or drop them meanwhile.  Returns
 * how much of the string is in @buf.
 */
static size_t read_labels(const struct kgo_gdesc *d, char *buf, size_t size)
{
	const struct kgo_gext *e = (struct kgo_gext *)port_load(&d->ext);
	u64 changes, text;
	size_t n;
	u32 i;

	for (i = 0; e && i < LABELS_TRIES; i++) {
		changes = port_load_acquire(&e->changes);
		text = port_load_acquire(&e->labels);
		n = text ? peek(text, buf, size) : 0;
		/* Pairs with replace() in label.c. */
		if (port_load_acquire(&e->changes) == changes)
			return n;
	}
	return 0;
}

static void out_labels(struct kgo_out *o, const struct kgo_gdesc *d)
{
	static const char hex[] = "0123456789abcdef";
	char buf[LABELS_MAX];
	size_t n = read_labels(d, buf, sizeof(buf)), i;

	if (!n || !buf[0]) {
		kgo_out_str(o, "-");
		return;
	}
	for (i = 0; i < n && buf[i]; i++) {
		unsigned char c = (unsigned char)buf[i];

		if (c > ' ' && c < 0x7f && c != '\\') {
			out_char(o, buf[i]);
			continue;
		}
		kgo_out_str(o, "\\x");
		out_char(o, hex[c >> 4]);
		out_char(o, hex[c & 15]);
	}
	if (i == sizeof(buf))
		kgo_out_str(o, "...");
}

static void out_header(struct kgo_out *o)
{
	first_cell(o, 8, "goid");
	cell(o, -17, "state");
	cell(o, -23, "reason");
	cell(o, 10, "wait_ms");
	cell(o, 5, "p");
	cell(o, 5, "m");
	cell(o, 7, "tid");
	cell(o, 8, "parent");
	cell(o, -24, "start");
	cell(o, -40, "created_by");
	kgo_out_str(o, "  ");
	first_cell(o, 12, "stack");
	kgo_out_str(o, "  labels\n");
}

/**
 * kgo_is_blocked() - Does this thread sleep in a system call?
 * @m: one that runs a goroutine, as far as the scheduler knows
 *
 * It lost its P while it was outside of the runtime: it blocks, or did and has
 * not come back.
 */
bool kgo_is_blocked(const struct kgo_m *m)
{
	return !port_load(&m->d.in_sched) && port_load(&m->d.p) == KGO_NONE;
}

/* Bytes in use, as far as known, and size. */
static void cell_stack(struct kgo_out *o, const struct kgo_gdesc *d, bool runs)
{
	u64 sp = port_load(&d->sp), lo = port_load(&d->stack_lo);
	u64 hi = port_load(&d->stack_hi);
	char both[48], buf[24], *at = both, *from;

	if (!lo) {
		cell(o, -12, "-");
		return;
	}
	from = runs || sp < lo || sp > hi ? "-" : num(buf, hi - sp);
	while (*from)
		*at++ = *from++;
	*at++ = '/';
	from = num(buf, hi - lo);
	while (*from)
		*at++ = *from++;
	*at = 0;
	cell(o, -12, both);
}

static void out_row(struct kgo_out *o, const struct kgo_gdesc *d, u64 now)
{
	const struct kgo_site *site = (const struct kgo_site *)port_load(&d->site);
	u32 state = port_load(&d->state) & ~KGO_G_SCAN;
	u64 since = port_load(&d->wait_since);
	u32 m = port_load(&d->m);
	bool runs = state == KGO_G_RUNNING && m < kgo_rt.nr_ms;
	const char *name, *reason = "-";
	char buf[24];

	if (runs && kgo_is_blocked(kgo_m_at(m)))
		state = KGO_G_SYSCALL;
	name = kgo_state_name(state);
	if (state == KGO_G_WAITING)
		reason = kgo_reason_name(port_load(&d->reason));

	first_cell(o, 8, num(buf, port_load(&d->goid)));
	cell(o, -17, name ? name : "?");
	cell(o, -23, reason && *reason ? reason : "-");
	if ((state == KGO_G_WAITING || state == KGO_G_RUNNABLE) && since &&
	    since <= now)
		cell_ms(o, 10, (now - since) / 1000);
	else
		cell(o, 10, "-");
	cell_index(o, 5, runs ? port_load(&d->p) : KGO_NONE);
	cell_index(o, 5, runs ? m : KGO_NONE);
	cell_index(o, 7, runs ? port_load(&kgo_m_at(m)->d.tid) : KGO_NONE);
	cell_num(o, 8, port_load(&d->parent));
	cell(o, -24, site ? name_or(site->start, "-") : "-");
	cell_site(o, -40, site);
	cell_stack(o, d, runs);
	kgo_out_str(o, "  ");
	out_labels(o, d);
	out_char(o, '\n');
}

/* A line below the table, once there are objects with finalizers. */
static void out_finalizers(struct kgo_out *o)
{
	struct kgo_finalizer_stats s;

	if (!kgo_finalizer_stats(&s))
		return;
	kgo_out_str(o, "finalizers: ");
	kgo_out_num(o, s.queued);
	kgo_out_str(o, " queued, ");
	kgo_out_num(o, s.done);
	kgo_out_str(o, " done");
	if (s.running) {
		kgo_out_str(o, ", ");
		kgo_out_str(o, s.running);
		kgo_out_str(o, " running for ");
		kgo_out_num(o, s.running_ns / 1000000);
		kgo_out_str(o, " ms");
	}
	out_char(o, '\n');
}

void kgo_dump(int fd)
{
	struct kgo_out o = { .fd = fd };
	u64 now = port_now();
	u32 i, n;

	if (!kgo_rt.r)
		return;
	out_header(&o);
	n = port_load(&kgo_rt.r->nr_gs);
	for (i = 1; i < n; i++) {
		const struct kgo_gdesc *d = (struct kgo_gdesc *)port_g(i);
		u32 state = port_load(&d->state) & ~KGO_G_SCAN;

		if (state != KGO_G_IDLE && state != KGO_G_DEAD)
			out_row(&o, d, now);
	}
	out_finalizers(&o);
	kgo_out_flush(&o);
}

/** kgo_complain() - Say something to the user; not for signal handlers */
void kgo_complain(const char *fmt, ...)
{
	struct kgo_out o = { .fd = STDERR_FILENO };
	char buf[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	kgo_out_str(&o, "kgo: ");
	kgo_out_str(&o, buf);
	kgo_out_str(&o, "\n");
	kgo_out_flush(&o);
}
