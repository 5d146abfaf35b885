// SPDX-License-Identifier: GPL-2.0
/*
 * debugfs: /sys/kernel/debug/kgo, for root only.
 *
 *   runtimes			a line per runtime
 *   <pid>.<id>/		per runtime; "kernel/" is the kernel's own
 *	goroutines		a line per goroutine (table.c)
 *	sched			a line per P, then a line per M
 *	stats			counters, "name value"
 *	contexts		a line per context, for the kernel's (contexts.c)
 *   kchans			a line per kernel channel (kchan.c)
 *
 * Invariants: as in table.c.  An open file holds its runtime, so that a table
 * can be read to its end when the program is gone; the folder goes with the
 * last reference.
 *
 * Non-goal: an ABI.  Columns may be added; scripts look them up in the header.
 */
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/string_helpers.h>

#include "debugfs.h"
#include "kchan.h"
#include "core/core.h"
#include "core/names.h"

static struct dentry *kgo_root;

/*
 * The runtime of a file that is being opened.  The folder may be on its way
 * out, but is not gone before open returns.  Return: a reference, or NULL.
 */
struct kgo_runtime *kgo_debugfs_runtime(struct inode *inode)
{
	struct kgo_runtime *rt = inode->i_private;

	return kgo_runtime_tryget(rt) ? rt : NULL;
}

/*
 * Make bytes of a program harmless: \xNN for what is not printable ASCII, and
 * for spaces and backslashes.  Ends with a zero.  Return: length.
 */
size_t kgo_escape(char *to, size_t size, const char *from, size_t len)
{
	size_t n = string_escape_mem(from, len, to, size - 1,
				     ESCAPE_HEX | ESCAPE_NAP | ESCAPE_APPEND,
				     "\\ ");

	n = min(n, size - 1);
	to[n] = 0;
	return n;
}

/* A column with an index from shared memory. */
void kgo_seq_index(struct seq_file *seq, int width, u32 index, u32 limit)
{
	if (index < limit)
		seq_printf(seq, "  %*u", width, index);
	else if (index == KGO_NONE)
		seq_printf(seq, "  %*s", width, "-");
	else
		seq_printf(seq, "  invalid(%u)", index);
}

/* A column with the goid of a descriptor, or "-". */
static void kgo_seq_goid(struct seq_file *seq, struct kgo_runtime *rt,
			 int width, u32 index)
{
	struct kgo_gdesc *g = kgo_gdesc(rt, index);
	char buf[24] = "-";

	if (index != KGO_NO_G && (index >= rt->nr_gs || !g))
		snprintf(buf, sizeof(buf), "invalid(%u)", index);
	else if (index != KGO_NO_G)
		snprintf(buf, sizeof(buf), "g%llu", READ_ONCE(g->goid));
	seq_printf(seq, "  %-*s", width, buf);
}

/*
 * runtimes
 */

/* Goroutines by the state that they are shown in; the last are invalid. */
static void kgo_count_states(struct kgo_runtime *rt,
			     u64 count[KGO_G_NR_STATES + 1])
{
	struct kgo_region *rg = &rt->region[KGO_REGION_G];
	struct kgo_gdesc g;
	u64 offset = 0;
	pid_t tid;

	for (; kgo_region_next(rg, &offset); offset += KGO_G_STRIDE) {
		if (!offset_in_page(offset))
			cond_resched();
		if (!offset || offset / KGO_G_STRIDE >= rt->nr_gs)
			continue;
		kgo_gdesc_read(&g, kgo_region_at(rg, offset));
		count[min_t(u32, kgo_gdesc_state(rt, &g, &tid),
			    KGO_G_NR_STATES)]++;
	}
}

struct kgo_p_totals {
	u64 spawned, exited, stolen, schedtick, timers;
};

static void kgo_sum_ps(struct kgo_runtime *rt, struct kgo_p_totals *sum)
{
	struct kgo_pdesc *d;
	u32 p;

	memset(sum, 0, sizeof(*sum));
	for (p = 0; p < rt->nr_ps; p++) {
		d = kgo_pdesc(rt, p);
		sum->spawned += READ_ONCE(d->spawned);
		sum->exited += READ_ONCE(d->exited);
		sum->stolen += READ_ONCE(d->stolen);
		sum->schedtick += READ_ONCE(d->schedtick);
		sum->timers += READ_ONCE(d->nr_timers);
	}
	if (!rt->mm) {
		/* Started by plain threads, which have no P. */
		sum->spawned += READ_ONCE(kgo_rt.ext_spawned);
		sum->exited += READ_ONCE(kgo_rt.ext_exited);
	}
}

static int kgo_runtimes_show(struct seq_file *seq, void *v)
{
	u64 count[KGO_G_NR_STATES + 1] = {};
	char comm[4 * TASK_COMM_LEN + 1];
	struct kgo_runtime *rt = v;
	struct kgo_p_totals sum;
	u32 s;

	if (v == SEQ_START_TOKEN) {
		seq_printf(seq, "%-6s  %7s  %-16s  %5s  %6s", "id", "pid",
			   "comm", "Ps", "Ms");
		for (s = 0; s < KGO_G_NR_STATES; s++)
			seq_printf(seq, "  %9s", kgo_state_name(s));
		seq_printf(seq, "  %9s  %10s  %10s\n", "invalid", "spawned",
			   "exited");
		return 0;
	}

	kgo_count_states(rt, count);
	kgo_sum_ps(rt, &sum);
	kgo_escape(comm, sizeof(comm), rt->comm, strnlen(rt->comm, TASK_COMM_LEN));
	seq_printf(seq, "%-6llu  %7d  %-16s  %5u  %6u", rt->id, rt->pid, comm,
		   rt->nr_ps, READ_ONCE(rt->nr_threads));
	for (s = 0; s <= KGO_G_NR_STATES; s++)
		seq_printf(seq, "  %9llu", count[s]);
	seq_printf(seq, "  %10llu  %10llu\n", sum.spawned, sum.exited);
	return 0;
}

/* Positions are ids, each row holds its runtime. */
static void *kgo_runtimes_start(struct seq_file *seq, loff_t *pos)
{
	struct kgo_runtime *rt;

	if (!*pos)
		return SEQ_START_TOKEN;
	rt = kgo_runtime_after(*pos - 1);
	if (rt)
		*pos = rt->id;
	return rt;
}

static void kgo_runtimes_stop(struct seq_file *seq, void *v)
{
	if (v && v != SEQ_START_TOKEN)
		kgo_runtime_put(v);
}

static void *kgo_runtimes_next(struct seq_file *seq, void *v, loff_t *pos)
{
	kgo_runtimes_stop(seq, v);
	++*pos;
	return kgo_runtimes_start(seq, pos);
}

static const struct seq_operations kgo_runtimes_sops = {
	.start	= kgo_runtimes_start,
	.next	= kgo_runtimes_next,
	.stop	= kgo_runtimes_stop,
	.show	= kgo_runtimes_show,
};
DEFINE_SEQ_ATTRIBUTE(kgo_runtimes);

/*
 * sched
 */

static void kgo_sched_show_p(struct seq_file *seq, struct kgo_runtime *rt, u32 p)
{
	static const char *const states[] = { "idle", "running", "blocked", "off" };
	u64 word = READ_ONCE(rt->arb.word[p]);
	struct kgo_pdesc *d = kgo_pdesc(rt, p);
	struct kgo_thread *th = NULL;
	pid_t tid = 0;
	u32 queue;

	rcu_read_lock();
	if (arb_word_is_of(word, arb_word_m(word)))
		th = kgo_thread_at(rt, arb_word_m(word));
	if (th)
		tid = th->tid;
	rcu_read_unlock();

	seq_printf(seq, "P%-5u  %-8s", p, states[arb_word_state(word)]);
	if (!arb_word_is_of(word, arb_word_m(word)))
		seq_printf(seq, "  %6s", "-");
	else
		seq_printf(seq, "  %6u", arb_word_m(word));
	if (tid)
		seq_printf(seq, "  %7d", tid);
	else
		seq_printf(seq, "  %7s", "-");

	queue = READ_ONCE(d->runq_tail) - READ_ONCE(d->runq_head);
	if (queue <= KGO_RUNQ_SIZE)
		seq_printf(seq, "  %5u", queue);
	else
		seq_printf(seq, "  invalid(%u)", queue);
	kgo_seq_goid(seq, rt, 10, READ_ONCE(d->runnext));
	seq_printf(seq, "  %10u  %6u\n", READ_ONCE(d->schedtick),
		   READ_ONCE(d->nr_timers));
}

/* The P that a thread owns, which a sleeping one does not know itself. */
static u32 kgo_thread_p(struct kgo_thread *th)
{
	u32 p = READ_ONCE(th->am.p);
	u64 word;

	if (p >= th->rt->nr_ps)
		return KGO_NONE;
	word = READ_ONCE(th->rt->arb.word[p]);
	if (!arb_word_is_of(word, th->am.index))
		return KGO_NONE;
	return p;
}

/* What a thread is doing, and the goroutine if it is running one. */
static const char *kgo_thread_doing(struct kgo_thread *th, u32 *curg)
{
	*curg = KGO_NO_G;
	switch (READ_ONCE(th->am.mode)) {
	case ARB_WANT:
		return "parked want";
	case ARB_SPARE:
		return "parked spare";
	case ARB_BOUND:
		return "parked bound";
	}
	if (READ_ONCE(th->end) != KGO_LIVE)
		return "ending";
	*curg = READ_ONCE(th->md->curg);
	if (READ_ONCE(th->blocked))
		return "blocked";
	if (READ_ONCE(th->md->in_sched))
		return "in runtime";
	return "running";
}

static int kgo_sched_show_m(struct seq_file *seq, struct kgo_runtime *rt, u32 m)
{
	u64 blocks, handoffs;
	struct kgo_thread *th;
	const char *doing;
	u32 p, curg;
	pid_t tid;

	rcu_read_lock();
	th = kgo_thread_at(rt, m);
	if (!th) {
		rcu_read_unlock();
		return SEQ_SKIP;
	}
	tid = th->tid;
	p = kgo_thread_p(th);
	doing = kgo_thread_doing(th, &curg);
	blocks = READ_ONCE(th->blocks);
	handoffs = READ_ONCE(th->handoffs);
	rcu_read_unlock();

	seq_printf(seq, "M%-5u  %7d", m, tid);
	kgo_seq_index(seq, 5, p, rt->nr_ps);
	seq_printf(seq, "  %-12s", doing);
	kgo_seq_goid(seq, rt, 10, curg);
	seq_printf(seq, "  %10llu  %10llu\n", blocks, handoffs);
	return 0;
}

/*
 * Positions: header of the Ps, the Ps, header of the Ms, M indexes.
 */
static void *kgo_sched_start(struct seq_file *seq, loff_t *pos)
{
	struct kgo_runtime *rt = seq->private;
	unsigned long first_m = rt->nr_ps + 2, m;

	if (*pos < first_m)
		return pos;
	/* Skip indexes that no thread has. */
	m = *pos - first_m;
	if (m >= rt->nr_ms ||
	    !xa_find(&rt->threads, &m, rt->nr_ms - 1, XA_PRESENT))
		return NULL;
	*pos = first_m + m;
	return pos;
}

static void *kgo_sched_next(struct seq_file *seq, void *v, loff_t *pos)
{
	++*pos;
	return kgo_sched_start(seq, pos);
}

static void kgo_sched_stop(struct seq_file *seq, void *v)
{
}

static int kgo_sched_show(struct seq_file *seq, void *v)
{
	struct kgo_runtime *rt = seq->private;
	loff_t pos = *(loff_t *)v;

	if (pos == 0) {
		seq_printf(seq, "%-6s  %-8s  %6s  %7s  %5s  %-10s  %10s  %6s\n",
			   "P", "state", "m", "tid", "queue", "runnext",
			   "schedtick", "timers");
		return 0;
	}
	if (pos <= rt->nr_ps) {
		kgo_sched_show_p(seq, rt, pos - 1);
		return 0;
	}
	if (pos == rt->nr_ps + 1) {
		seq_printf(seq, "%-6s  %7s  %5s  %-12s  %-10s  %10s  %10s\n",
			   "M", "tid", "p", "doing", "goroutine", "blocks",
			   "handoffs");
		return 0;
	}
	return kgo_sched_show_m(seq, rt, pos - rt->nr_ps - 2);
}

static const struct seq_operations kgo_sched_sops = {
	.start	= kgo_sched_start,
	.next	= kgo_sched_next,
	.stop	= kgo_sched_stop,
	.show	= kgo_sched_show,
};

static int kgo_sched_open(struct inode *inode, struct file *file)
{
	struct kgo_runtime *rt = kgo_debugfs_runtime(inode);
	int ret;

	if (!rt)
		return -ENODEV;
	ret = seq_open(file, &kgo_sched_sops);
	if (ret)
		kgo_runtime_put(rt);
	else
		((struct seq_file *)file->private_data)->private = rt;
	return ret;
}

static int kgo_sched_release(struct inode *inode, struct file *file)
{
	kgo_runtime_put(((struct seq_file *)file->private_data)->private);
	return seq_release(inode, file);
}

static const struct file_operations kgo_sched_fops = {
	.owner		= THIS_MODULE,
	.open		= kgo_sched_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= kgo_sched_release,
};

/*
 * stats
 */

static int kgo_stats_show(struct seq_file *seq, void *v)
{
	struct kgo_runtime *rt = seq->private;
	struct kgo_finalizer_stats fin;
	u64 blocks = READ_ONCE(rt->blocks);
	struct kgo_rdesc *r = kgo_rdesc(rt);
	struct kgo_p_totals sum;
	struct kgo_thread *th;
	unsigned long index;

	kgo_sum_ps(rt, &sum);
	rcu_read_lock();
	xa_for_each(&rt->threads, index, th)
		blocks += READ_ONCE(th->blocks);
	rcu_read_unlock();

	seq_printf(seq, "id %llu\n", rt->id);
	seq_printf(seq, "pid %d\n", rt->pid);
	seq_printf(seq, "nr_ps %u\n", rt->nr_ps);
	seq_printf(seq, "nr_ps_on %u\n", READ_ONCE(rt->arb.nr_on));
	seq_printf(seq, "nr_ms %u\n", READ_ONCE(rt->nr_threads));
	seq_printf(seq, "nr_ms_max %u\n", rt->nr_ms);
	seq_printf(seq, "nr_gs_max %u\n", rt->nr_gs);
	seq_printf(seq, "spawned %llu\n", sum.spawned);
	seq_printf(seq, "exited %llu\n", sum.exited);
	seq_printf(seq, "stolen %llu\n", sum.stolen);
	seq_printf(seq, "schedtick %llu\n", sum.schedtick);
	seq_printf(seq, "timers %llu\n", sum.timers);
	seq_printf(seq, "blocks %llu\n", blocks);
	seq_printf(seq, "handoffs %llu\n", READ_ONCE(rt->arb.handoffs));
	seq_printf(seq, "grants %llu\n", READ_ONCE(rt->arb.grants));
	if (!rt->mm)
		seq_printf(seq, "contexts_lost %llu\n", kgo_ctx_lost());
	seq_printf(seq, "nr_avail %u\n", READ_ONCE(r->nr_avail));
	seq_printf(seq, "nr_spare %u\n", READ_ONCE(r->nr_spare));
	seq_printf(seq, "nr_want %u\n", READ_ONCE(r->nr_want));
	seq_printf(seq, "nr_spinning %u\n", READ_ONCE(r->nr_spinning));
	seq_printf(seq, "gq_len %u\n", READ_ONCE(r->gq_len));
	seq_printf(seq, "gs_used %u\n", READ_ONCE(r->nr_gs));
	if (!rt->mm && kgo_finalizer_stats(&fin)) {
		seq_printf(seq, "finalizers_queued %llu\n", fin.queued);
		seq_printf(seq, "finalizers_done %llu\n", fin.done);
		seq_printf(seq, "finalizer_running_ns %llu\n", fin.running_ns);
	}
	return 0;
}

static int kgo_stats_open(struct inode *inode, struct file *file)
{
	struct kgo_runtime *rt = kgo_debugfs_runtime(inode);
	int ret;

	if (!rt)
		return -ENODEV;
	ret = single_open(file, kgo_stats_show, rt);
	if (ret)
		kgo_runtime_put(rt);
	return ret;
}

static int kgo_stats_release(struct inode *inode, struct file *file)
{
	kgo_runtime_put(((struct seq_file *)file->private_data)->private);
	return single_release(inode, file);
}

static const struct file_operations kgo_stats_fops = {
	.owner		= THIS_MODULE,
	.open		= kgo_stats_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= kgo_stats_release,
};

/*
 * Folders
 */

static struct dentry *kgo_mkdir(const char *name, struct dentry *parent)
{
	struct dentry *dir = debugfs_create_dir(name, parent);

	if (!IS_ERR(dir))
		d_inode(dir)->i_mode = S_IFDIR | 0700;
	return dir;
}

/**
 * kgo_debugfs_add() - Give a runtime its folder
 * @rt: the runtime; the caller has a reference
 *
 * CONTEXT: may sleep.  A system without debugfs goes without.
 */
void kgo_debugfs_add(struct kgo_runtime *rt)
{
	char name[40] = "kernel";

	if (rt->mm)
		snprintf(name, sizeof(name), "%d.%llu", rt->pid, rt->id);
	rt->dir = kgo_mkdir(name, kgo_root);
	debugfs_create_file("goroutines", 0400, rt->dir, rt, &kgo_goroutines_fops);
	debugfs_create_file("sched", 0400, rt->dir, rt, &kgo_sched_fops);
	debugfs_create_file("stats", 0400, rt->dir, rt, &kgo_stats_fops);
	if (!rt->mm)
		debugfs_create_file("contexts", 0400, rt->dir, rt,
				    &kgo_contexts_fops);
}

/**
 * kgo_debugfs_remove() - Take it away
 * @rt: the runtime, without references
 *
 * CONTEXT: may sleep; not in a call of one of its files.
 */
void kgo_debugfs_remove(struct kgo_runtime *rt)
{
	debugfs_remove(rt->dir);
}

DEFINE_SHOW_ATTRIBUTE(kgo_kchans);

void kgo_debugfs_init(void)
{
	kgo_root = kgo_mkdir("kgo", NULL);
	debugfs_create_file("runtimes", 0400, kgo_root, NULL, &kgo_runtimes_fops);
	debugfs_create_file("kchans", 0400, kgo_root, NULL, &kgo_kchans_fops);
}

void kgo_debugfs_exit(void)
{
	debugfs_remove(kgo_root);
}
