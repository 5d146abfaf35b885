// SPDX-License-Identifier: GPL-2.0
/*
 * debugfs: the table of goroutines of a runtime.
 *
 * Invariants:
 *   - The program does not notice.  Nothing of it is locked or stopped, and
 *     nothing is asked of it: the descriptors are read through the kernel's
 *     own mapping, each field once, into a copy that is then judged.
 *   - A table of a million rows is read in steps of a page: no lock is held
 *     from one row to the next, and no memory grows with the table.
 *   - A row may mix two moments of a running goroutine.  That is the price of
 *     not stopping it.
 *
 * Names are read from the program's memory, where struct kgo_site says: at most
 * KGO_STRING_MAX bytes each, escaped.  Memory that is gone or garbage costs a
 * "?"; fn is shown as an address then.  That read may wait for a page to come
 * from the program's disk, like one of /proc/PID/cmdline; the result is kept
 * while the file is open, since goroutines by the thousand share a site.
 */
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "debugfs.h"
#include "core/names.h"
#include "core/types.h"
#include "core/include/kgo/client.h"

#define KGO_SITES_BITS	5
#define KGO_LABELS_TRIES	4

/* A site that was read: what stands in the columns "start" and "created_by". */
struct kgo_site_text {
	u64	site;
	char	start[KGO_ESCAPED_MAX];
	char	where[KGO_WHERE_MAX];
};

/* An open file.  Used by one reader at a time: seq_file's lock. */
struct kgo_table {
	struct kgo_runtime	*rt;
	struct task_struct	*task;	/* between start and stop; may be NULL */
	struct kgo_site_text	*sites;	/* by hash of the address */
};

void kgo_gdesc_read(struct kgo_gdesc *to, const struct kgo_gdesc *from)
{
	to->goid = READ_ONCE(from->goid);
	to->parent = READ_ONCE(from->parent);
	to->state = READ_ONCE(from->state);
	to->reason = READ_ONCE(from->reason);
	to->flags = READ_ONCE(from->flags);
	to->m = READ_ONCE(from->m);
	to->p = READ_ONCE(from->p);
	to->wait_since = READ_ONCE(from->wait_since);
	to->site = READ_ONCE(from->site);
	to->fn = READ_ONCE(from->fn);
	to->stack_lo = READ_ONCE(from->stack_lo);
	to->stack_hi = READ_ONCE(from->stack_hi);
	to->sp = READ_ONCE(from->sp);
	to->ext = READ_ONCE(from->ext);
}

/**
 * kgo_gdesc_state() - The state to show for a goroutine
 * @rt: its runtime
 * @g: a copy of its descriptor
 * @tid: out: thread that it is on, 0 if it is on none
 *
 * "syscall" is not in the descriptor: the runtime does not know that its
 * thread has blocked, the kernel does.
 *
 * CONTEXT: any.  Return: a state, which may be none of enum kgo_gstate.
 */
u32 kgo_gdesc_state(struct kgo_runtime *rt, const struct kgo_gdesc *g,
		    pid_t *tid)
{
	u32 state = g->state & ~KGO_G_SCAN;
	struct kgo_thread *th;

	*tid = 0;
	if (state != KGO_G_RUNNING && state != KGO_G_PREEMPTED &&
	    !(g->flags & KGO_GF_BOUND))
		return state;
	rcu_read_lock();
	th = kgo_thread_at(rt, g->m);
	if (th) {
		*tid = th->tid;
		if (state == KGO_G_RUNNING && READ_ONCE(th->blocked))
			state = KGO_G_SYSCALL;
	}
	rcu_read_unlock();
	return state;
}

/* A thread of the process that still has its memory, whichever lives. */
static struct task_struct *kgo_runtime_task(struct kgo_runtime *rt)
{
	struct task_struct *leader, *task, *found = NULL;

	rcu_read_lock();
	leader = pid_task(rt->tgid, PIDTYPE_TGID);
	if (leader) {
		for_each_thread(leader, task) {
			if (READ_ONCE(task->mm) == rt->mm) {
				found = get_task_struct(task);
				break;
			}
		}
	}
	rcu_read_unlock();
	return found;
}

/* Bytes of the program, or of the kernel for its own.  Return: how many. */
static size_t kgo_peek(struct kgo_table *t, u64 addr, void *buf, size_t len)
{
	const void *from;
	int n = 0;

	if (!t->rt->mm) {
		/* Byte by byte: the end of a string may be the end of memory. */
		from = (void *)(unsigned long)addr;
		while (n < len && !copy_from_kernel_nofault(buf + n, from + n, 1))
			n++;
	} else if (t->task) {
		n = access_process_vm(t->task, addr, buf, len, 0);
	}
	return max(n, 0);
}

/* A string of the program, escaped; "?" if it cannot be read. */
static void kgo_peek_string(struct kgo_table *t, u64 addr, char *to)
{
	char raw[KGO_STRING_MAX];
	size_t got, len;

	got = addr ? kgo_peek(t, addr, raw, sizeof(raw)) : 0;
	len = strnlen(raw, got);
	if (!len) {
		strscpy(to, "?", KGO_ESCAPED_MAX);
		return;
	}
	kgo_escape(to, KGO_ESCAPED_MAX, raw, len);
	if (len == got)
		strlcat(to, "...", KGO_ESCAPED_MAX);
}

static void kgo_where(struct kgo_table *t, const struct kgo_site *s, char *to)
{
	char func[KGO_ESCAPED_MAX], file[KGO_ESCAPED_MAX];

	kgo_peek_string(t, s->func, func);
	kgo_peek_string(t, s->file, file);
	snprintf(to, KGO_WHERE_MAX, "%s at %s:%u", func, file, s->line);
}

/**
 * kgo_kernel_where() - Function, file and line of a site in the kernel
 * @rt: the kernel's own runtime
 * @site: its address, or 0; the module that it was in may be gone
 * @to: KGO_WHERE_MAX bytes
 */
void kgo_kernel_where(struct kgo_runtime *rt, u64 site, char *to)
{
	struct kgo_table t = { .rt = rt };
	struct kgo_site s;

	if (site && kgo_peek(&t, site, &s, sizeof(s)) == sizeof(s))
		kgo_where(&t, &s, to);
	else
		strscpy(to, "?", KGO_WHERE_MAX);
}

static const struct kgo_site_text *kgo_site_text(struct kgo_table *t, u64 site)
{
	struct kgo_site_text *text = &t->sites[hash_64(site, KGO_SITES_BITS)];
	struct kgo_site s;

	if (text->site == site && text->where[0])
		return text;
	strscpy(text->start, "?", sizeof(text->start));
	strscpy(text->where, "?", sizeof(text->where));
	text->site = site;
	if (!site || kgo_peek(t, site, &s, sizeof(s)) != sizeof(s))
		return text;

	kgo_peek_string(t, s.start, text->start);
	kgo_where(t, &s, text->where);
	return text;
}

static void kgo_show_state(struct seq_file *seq, u32 raw, u32 state)
{
	const char *name = kgo_state_name(state);
	char buf[32];

	if (name)
		snprintf(buf, sizeof(buf), "%s%s", name,
			 raw & KGO_G_SCAN ? " (scan)" : "");
	else
		snprintf(buf, sizeof(buf), "invalid(%u)", raw);
	seq_printf(seq, "  %-17s", buf);
}

static void kgo_show_wait(struct seq_file *seq, const struct kgo_gdesc *g,
			  u32 state)
{
	const char *reason = kgo_reason_name(g->reason);
	u64 us = ktime_get_ns();
	char buf[32];

	if (state != KGO_G_WAITING)
		seq_printf(seq, "  %-23s", "-");
	else if (reason)
		seq_printf(seq, "  %-23s", *reason ? reason : "-");
	else
		seq_printf(seq, "  invalid(%u)%*s", g->reason, 9, "");

	if ((state != KGO_G_WAITING && state != KGO_G_RUNNABLE) ||
	    !g->wait_since || g->wait_since > us) {
		seq_printf(seq, "  %10s", "-");
		return;
	}
	us = (us - g->wait_since) / NSEC_PER_USEC;
	snprintf(buf, sizeof(buf), "%llu.%03llu", us / 1000, us % 1000);
	seq_printf(seq, "  %10s", buf);
}

static void kgo_show_stack(struct seq_file *seq, const struct kgo_gdesc *g,
			   u32 state)
{
	char buf[48] = "-";

	if (!g->stack_lo || g->stack_lo >= g->stack_hi)
		;
	else if (state == KGO_G_RUNNING || state == KGO_G_SYSCALL ||
		 g->sp < g->stack_lo || g->sp > g->stack_hi)
		snprintf(buf, sizeof(buf), "-/%llu", g->stack_hi - g->stack_lo);
	else
		snprintf(buf, sizeof(buf), "%llu/%llu", g->stack_hi - g->sp,
			 g->stack_hi - g->stack_lo);
	seq_printf(seq, "  %-12s", buf);
}

/*
 * The string may be replaced while it is read: what was read counts if nothing
 * was changed meanwhile.
 */
static void kgo_show_labels(struct seq_file *seq, struct kgo_table *t, u64 ext)
{
	char text[KGO_ESCAPED_MAX];
	struct kgo_gext before, e, after;
	int i;

	for (i = 0; ext && i < KGO_LABELS_TRIES; i++) {
		/* A copy is made in no order: the number comes from one before. */
		if (kgo_peek(t, ext, &before, sizeof(before)) != sizeof(before) ||
		    kgo_peek(t, ext, &e, sizeof(e)) != sizeof(e) || !e.labels)
			break;
		kgo_peek_string(t, e.labels, text);
		if (kgo_peek(t, ext, &after, sizeof(after)) == sizeof(after) &&
		    after.changes == before.changes) {
			seq_printf(seq, "  %s", text);
			return;
		}
	}
	seq_puts(seq, "  -");
}

/*
 * The client of a goroutine of the kernel.  Who ends a client waits for those
 * who read its name here: port_mb_all() in kgo_client_exit().
 */
static void kgo_show_client(struct seq_file *seq, u64 ext)
{
	const struct kgo_gx *x = (const struct kgo_gx *)(unsigned long)ext;
	const struct kgo_client *cl;
	char name[64] = "-";

	rcu_read_lock();
	cl = x ? READ_ONCE(x->client) : NULL;
	if (cl)
		strscpy(name, cl->name, sizeof(name));
	rcu_read_unlock();
	seq_printf(seq, "  %s", name);
}

static bool kgo_state_is_shown(u32 state)
{
	state &= ~KGO_G_SCAN;
	return state != KGO_G_IDLE && state != KGO_G_DEAD;
}

static int kgo_table_show(struct seq_file *seq, void *v)
{
	struct kgo_table *t = seq->private;
	struct kgo_runtime *rt = t->rt;
	const struct kgo_site_text *site;
	struct kgo_gdesc g;
	pid_t tid;
	u32 state;

	if (v == SEQ_START_TOKEN) {
		seq_printf(seq, "%-8s  %-17s  %-23s  %10s  %5s  %5s  %7s  %8s  %-24s  %-40s  %-12s  labels%s\n",
			   "goid", "state", "reason", "wait_ms", "p", "m",
			   "tid", "parent", "start", "created_by", "stack",
			   rt->mm ? "" : "  wait_site                 client");
		return 0;
	}

	kgo_gdesc_read(&g, v);
	if (!kgo_state_is_shown(g.state))
		return SEQ_SKIP;	/* it ended just now */
	state = kgo_gdesc_state(rt, &g, &tid);

	seq_printf(seq, "%-8llu", g.goid);
	kgo_show_state(seq, g.state, state);
	kgo_show_wait(seq, &g, state);
	if (state == KGO_G_RUNNING || state == KGO_G_SYSCALL || tid) {
		kgo_seq_index(seq, 5, g.p, rt->nr_ps);
		kgo_seq_index(seq, 5, g.m, rt->nr_ms);
	} else {
		seq_printf(seq, "  %5s  %5s", "-", "-");
	}
	if (tid)
		seq_printf(seq, "  %7d", tid);
	else
		seq_printf(seq, "  %7s", "-");
	seq_printf(seq, "  %8llu", g.parent);

	site = kgo_site_text(t, g.site);
	if (!rt->mm)
		seq_printf(seq, "  %-24ps", (void *)(unsigned long)g.fn);
	else if (strcmp(site->start, "?"))
		seq_printf(seq, "  %-24s", site->start);
	else
		seq_printf(seq, "  0x%-22llx", g.fn);
	seq_printf(seq, "  %-40s", site->where);
	kgo_show_stack(seq, &g, state);
	kgo_show_labels(seq, t, g.ext);
	if (!rt->mm) {
		kgo_show_wait_site(seq, rt, v, &g, state);
		kgo_show_client(seq, g.ext);
	}
	seq_putc(seq, '\n');
	return 0;
}

/*
 * Positions are descriptor indexes; that of index 0, which no goroutine has,
 * is the header.  Find the first at or after *pos that is worth a line.
 */
static void *kgo_table_find(struct kgo_table *t, loff_t *pos)
{
	struct kgo_region *rg = &t->rt->region[KGO_REGION_G];
	u64 offset, index = *pos;
	struct kgo_gdesc *g;

	if (!index)
		return SEQ_START_TOKEN;
	for (; index < t->rt->nr_gs; index++) {
		offset = index * KGO_G_STRIDE;
		if (!kgo_region_next(rg, &offset))
			break;
		index = offset / KGO_G_STRIDE;
		g = kgo_gdesc(t->rt, index);
		if (index && g && kgo_state_is_shown(READ_ONCE(g->state))) {
			*pos = index;
			return g;
		}
		if (!offset_in_page(offset)) {
			if (fatal_signal_pending(current))
				break;
			cond_resched();
		}
	}
	*pos = t->rt->nr_gs;
	return NULL;
}

static void *kgo_table_start(struct seq_file *seq, loff_t *pos)
{
	struct kgo_table *t = seq->private;

	t->task = t->rt->mm ? kgo_runtime_task(t->rt) : NULL;
	return kgo_table_find(t, pos);
}

static void *kgo_table_next(struct seq_file *seq, void *v, loff_t *pos)
{
	++*pos;
	return kgo_table_find(seq->private, pos);
}

static void kgo_table_stop(struct seq_file *seq, void *v)
{
	struct kgo_table *t = seq->private;

	if (t->task)
		put_task_struct(t->task);
	t->task = NULL;
}

static const struct seq_operations kgo_table_ops = {
	.start	= kgo_table_start,
	.next	= kgo_table_next,
	.stop	= kgo_table_stop,
	.show	= kgo_table_show,
};

static int kgo_goroutines_open(struct inode *inode, struct file *file)
{
	struct kgo_runtime *rt = kgo_debugfs_runtime(inode);
	struct kgo_site_text *sites;
	struct kgo_table *t;

	if (!rt)
		return -ENODEV;
	sites = kvcalloc(1 << KGO_SITES_BITS, sizeof(*sites), GFP_KERNEL);
	if (!sites)
		goto put;
	t = __seq_open_private(file, &kgo_table_ops, sizeof(*t));
	if (!t)
		goto free;
	t->rt = rt;
	t->sites = sites;
	return 0;

free:
	kvfree(sites);
put:
	kgo_runtime_put(rt);
	return -ENOMEM;
}

static int kgo_goroutines_release(struct inode *inode, struct file *file)
{
	struct kgo_table *t = ((struct seq_file *)file->private_data)->private;

	kgo_runtime_put(t->rt);
	kvfree(t->sites);
	return seq_release_private(inode, file);
}

const struct file_operations kgo_goroutines_fops = {
	.owner		= THIS_MODULE,
	.open		= kgo_goroutines_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= kgo_goroutines_release,
};
