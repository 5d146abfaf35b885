// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/kgo: one open is one runtime.  What the calls mean, and each of their
 * errors, is documented in <linux/kgo.h>.
 *
 * Every handler has the same shape: copy in, check, act, copy out.  What is
 * acted on is never read from user memory twice.
 *
 * Invariants:
 *   - file->private_data is NULL until SETUP has succeeded, and then the same
 *     runtime until release.
 *   - Only threads of the process that called SETUP get past
 *     kgo_file_runtime(), whoever else has the file by fork() or a socket.
 *   - If the results cannot be copied out, nothing has happened.  (ENTER is
 *     the exception: a P that was waited for is in the shared record anyway.)
 *
 * The number of a call contains the size of its structure, as ioctl numbers
 * do.  That size is ignored: the structure says its own, so that a program
 * built for a later version of it gets the same call.
 */
#include <linux/build_bug.h>
#include <linux/compat.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/signal.h>
#include <linux/uaccess.h>

#include "runtime.h"
#include "core/abi_check.h"

/* Sizes of the first version of each structure: the least that is accepted. */
#define KGO_QUERY_SIZE_V1	32U
#define KGO_SETUP_SIZE_V1	40U
#define KGO_ATTACH_SIZE_V1	16U
#define KGO_ENTER_SIZE_V1	40U

/*
 * The usual case, and in every call: no copy that is made for long ones, and no
 * second look by hardened usercopy at whether it fits.  Structures of the ABI
 * consist of whole words.
 */
static int kgo_copy_in_whole(u64 *to, size_t size, const u64 __user *from)
{
	if (WARN_ON_ONCE(size % sizeof(*to)))
		return -EFAULT;
	if (!user_read_access_begin(from, size))
		return -EFAULT;
	for (; size; size -= sizeof(*to))
		unsafe_get_user(*to++, from++, fault);
	user_read_access_end();
	return 0;
fault:
	user_read_access_end();
	return -EFAULT;
}

/*
 * Copy in a structure that begins with its size.  A longer one than ours must
 * be zero where we do not know it; what a shorter one lacks is zero.
 */
int kgo_copy_in(void *to, size_t size, size_t least, const void __user *from)
{
	u32 usize;

	if (get_user(usize, (const u32 __user *)from))
		return -EFAULT;
	if (usize < least)
		return -EINVAL;
	if (usize > PAGE_SIZE)
		return -E2BIG;
	if (likely(usize == size))
		return kgo_copy_in_whole(to, size, from);
	return copy_struct_from_user(to, size, from, usize);
}

/*
 * Copy out as much of it as the caller knows.  What it has beyond our version
 * was found to be zero by kgo_copy_in() and stays so.  @usize is the caller's
 * size field, which user memory may not agree with any more.
 */
int kgo_copy_out(void __user *to, const void *from, size_t size, u32 usize)
{
	return copy_to_user(to, from, min_t(size_t, size, usize)) ? -EFAULT : 0;
}

/* The runtime of a file, if the caller may use it. */
static struct kgo_runtime *kgo_file_runtime(struct file *file)
{
	/* Pairs with the cmpxchg in kgo_ioctl_setup(): a whole runtime. */
	struct kgo_runtime *rt = smp_load_acquire(&file->private_data);

	if (!rt)
		return ERR_PTR(-ENODEV);
	return kgo_runtime_is_mine(rt) ? rt : ERR_PTR(-EPERM);
}

static int kgo_ioctl_query(void __user *arg)
{
	struct kgo_query q;
	int ret;

	ret = kgo_copy_in(&q, sizeof(q), KGO_QUERY_SIZE_V1, arg);
	if (ret)
		return ret;
	if (q.reserved)
		return -EINVAL;

	q.abi_version = KGO_ABI_VERSION;
	q.features = KGO_FEATURES;
	q.max_ps = kgo_max_ps;
	q.max_ms = kgo_max_ms;
	q.max_gs = kgo_max_gs;
	return kgo_copy_out(arg, &q, sizeof(q), q.size);
}

/* CPUs that the caller may run on, as sched_getaffinity() counts them. */
static u32 kgo_count_cpus(void)
{
	unsigned int cpu;
	u32 n = 0;

	for_each_cpu_and(cpu, current->cpus_ptr, cpu_online_mask)
		n++;
	return n ?: 1;
}

/* Replace zeroes by defaults.  Return: 0 or -ERANGE. */
static int kgo_setup_counts(struct kgo_setup *s)
{
	if (s->nr_ps > kgo_max_ps || s->nr_ms > kgo_max_ms ||
	    s->nr_gs > kgo_max_gs)
		return -ERANGE;
	if (!s->nr_ps)
		s->nr_ps = min(kgo_count_cpus(), kgo_max_ps);
	if (!s->nr_ms)
		s->nr_ms = min(KGO_DEFAULT_MS, kgo_max_ms);
	if (!s->nr_gs)
		s->nr_gs = min(KGO_DEFAULT_GS, kgo_max_gs);
	return 0;
}

static bool kgo_preempt_signal_is_valid(const struct kgo_setup *s)
{
	if (!s->preempt_signal)
		return true;
	return s->features & KGO_FEAT_PREEMPT &&
	       valid_signal(s->preempt_signal) &&
	       s->preempt_signal != SIGKILL && s->preempt_signal != SIGSTOP;
}

static int kgo_ioctl_setup(struct file *file, void __user *arg)
{
	struct kgo_runtime_args args = { .user = true };
	struct kgo_runtime *rt;
	struct kgo_setup s;
	int ret;

	rt = kgo_file_runtime(file);
	if (!IS_ERR(rt))
		return -EBUSY;
	if (rt != ERR_PTR(-ENODEV))
		return PTR_ERR(rt);

	ret = kgo_copy_in(&s, sizeof(s), KGO_SETUP_SIZE_V1, arg);
	if (ret)
		return ret;
	if (s.flags)
		return -EINVAL;
	if (s.features & ~KGO_FEATURES)
		return -EOPNOTSUPP;
	if (!kgo_preempt_signal_is_valid(&s))
		return -EINVAL;
	ret = kgo_setup_counts(&s);
	if (ret)
		return ret;

	args.nr_ps = s.nr_ps;
	args.nr_ms = s.nr_ms;
	args.nr_gs = s.nr_gs;
	/* What changes the answers of a call is for those who know it. */
	args.features = KGO_FEATURES & ~KGO_FEAT_ASKED;
	args.features |= s.features;
	args.preempt_signal = s.preempt_signal;
	rt = kgo_runtime_create(&args);
	if (IS_ERR(rt))
		return PTR_ERR(rt);

	s.features = args.features;
	s.id = rt->id;
	ret = kgo_copy_out(arg, &s, sizeof(s), s.size);
	if (ret)
		goto put;

	/* Before others can see it: a folder that is there when SETUP returns. */
	kgo_debugfs_add(rt);
	ret = -EBUSY;
	if (cmpxchg(&file->private_data, NULL, rt))
		goto put;
	return 0;

put:
	kgo_runtime_put(rt);
	return ret;
}

static int kgo_ioctl_attach(struct kgo_runtime *rt, void __user *arg)
{
	struct kgo_thread *th;
	struct kgo_attach a;
	int ret;

	ret = kgo_copy_in(&a, sizeof(a), KGO_ATTACH_SIZE_V1, arg);
	if (ret)
		return ret;
	if (a.flags || a.reserved)
		return -EINVAL;

	ret = kgo_thread_attach(rt, &th);
	if (ret)
		return ret;
	a.m = th->am.index;
	ret = kgo_copy_out(arg, &a, sizeof(a), a.size);
	if (ret)
		kgo_thread_detach(th);
	return ret;
}

/* The calling thread's kgo_thread if it is one of this runtime. */
static struct kgo_thread *kgo_thread_mine(struct kgo_runtime *rt)
{
	struct kgo_thread *th = kgo_thread_current();

	return th && th->rt == rt ? th : NULL;
}

static int kgo_ioctl_detach(struct kgo_runtime *rt)
{
	struct kgo_thread *th = kgo_thread_mine(rt);

	return th ? kgo_thread_detach(th) : -ENOTCONN;
}

static bool kgo_enter_is_valid(const struct kgo_enter *e)
{
	bool parks = e->op >= KGO_ENTER_PARK_WANT;

	if (e->op > KGO_ENTER_PARK_BOUND || e->reserved ||
	    e->flags & ~KGO_ENTER_F_GIVE)
		return false;
	if (e->deadline && !parks)
		return false;
	if (!(e->flags & KGO_ENTER_F_GIVE))
		return !e->target;
	return e->op == KGO_ENTER_RELEASE || e->op == KGO_ENTER_PARK_SPARE ||
	       e->op == KGO_ENTER_PARK_BOUND;
}

static int kgo_ioctl_enter(struct kgo_runtime *rt, void __user *arg)
{
	struct kgo_thread *th;
	struct kgo_enter e;
	int ret;

	ret = kgo_copy_in(&e, sizeof(e), KGO_ENTER_SIZE_V1, arg);
	if (ret)
		return ret;
	if (!kgo_enter_is_valid(&e))
		return -EINVAL;
	th = kgo_thread_mine(rt);
	if (th && (e.flags & KGO_ENTER_F_GIVE) && e.target == th->am.index)
		return -EINVAL;

	e.p = KGO_NONE;
	e.result = 0;
	ret = -ENOTCONN;
	if (th || e.op == KGO_ENTER_WAKE)
		ret = kgo_enter(rt, th, e.op, e.flags, e.target, NULL,
				e.deadline, &e.result);
	if (th)
		e.p = READ_ONCE(th->am.p);
	if (kgo_copy_out(arg, &e, sizeof(e), e.size))
		return -EFAULT;
	return ret;
}

static long kgo_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *uarg = (void __user *)arg;
	struct kgo_runtime *rt;

	switch (KGO_CALL(cmd)) {
	case KGO_CALL(KGO_IOC_QUERY):
		return kgo_ioctl_query(uarg);
	case KGO_CALL(KGO_IOC_SETUP):
		return kgo_ioctl_setup(file, uarg);
	case KGO_CALL(KGO_IOC_KCHAN):
		return kgo_ioctl_kchan(uarg);
	case KGO_CALL(KGO_IOC_ATTACH):
	case KGO_CALL(KGO_IOC_DETACH):
	case KGO_CALL(KGO_IOC_ENTER):
	case KGO_CALL(KGO_IOC_CQ_FLUSH):
		break;
	default:
		return -ENOTTY;
	}

	rt = kgo_file_runtime(file);
	if (IS_ERR(rt))
		return PTR_ERR(rt);

	switch (KGO_CALL(cmd)) {
	case KGO_CALL(KGO_IOC_ATTACH):
		return kgo_ioctl_attach(rt, uarg);
	case KGO_CALL(KGO_IOC_DETACH):
		return kgo_ioctl_detach(rt);
	case KGO_CALL(KGO_IOC_CQ_FLUSH):
		kgo_cq_flush(rt);
		return 0;
	default:
		return kgo_ioctl_enter(rt, uarg);
	}
}

static int kgo_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct kgo_runtime *rt = kgo_file_runtime(file);

	return IS_ERR(rt) ? PTR_ERR(rt) : kgo_region_mmap(rt, vma);
}

static int kgo_open(struct inode *inode, struct file *file)
{
	file->private_data = NULL;	/* the misc device left itself there */
	return nonseekable_open(inode, file);
}

/*
 * The process may be gone long before its file: a child has it, too.  What it
 * waited for must not wait for that.
 */
static int kgo_flush(struct file *file, fl_owner_t id)
{
	/* Pairs with the cmpxchg in kgo_ioctl_setup(). */
	struct kgo_runtime *rt = smp_load_acquire(&file->private_data);

	if (rt && task_tgid(current) == rt->tgid && current->mm != rt->mm)
		kgo_cq_stop(rt);
	return 0;
}

static int kgo_release(struct inode *inode, struct file *file)
{
	struct kgo_runtime *rt = file->private_data;

	if (rt) {
		kgo_threads_outlive_file(rt);
		kgo_cq_stop(rt);
		kgo_runtime_put(rt);
	}
	return 0;
}

static const struct file_operations kgo_fops = {
	.owner		= THIS_MODULE,
	.open		= kgo_open,
	.flush		= kgo_flush,
	.release	= kgo_release,
	.unlocked_ioctl	= kgo_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.mmap		= kgo_mmap,
};

static struct miscdevice kgo_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "kgo",
	.fops	= &kgo_fops,
	.mode	= 0666,
};

/*
 * Call numbers, as a program that was built long ago knows them.  The rest of
 * the ABI is in core/abi_check.h; the kernel's _IOWR() is no constant for it.
 */
static void kgo_check_calls(void)
{
	BUILD_BUG_ON(KGO_IOC_QUERY != 0xc020b600);
	BUILD_BUG_ON(KGO_IOC_SETUP != 0xc028b601);
	BUILD_BUG_ON(KGO_IOC_ATTACH != 0xc010b602);
	BUILD_BUG_ON(KGO_IOC_DETACH != 0x0000b603);
	BUILD_BUG_ON(KGO_IOC_ENTER != 0xc028b604);
	BUILD_BUG_ON(KGO_IOC_KCHAN != 0xc020b605);
	BUILD_BUG_ON(KGO_IOC_CQ_FLUSH != 0x0000b606);
	BUILD_BUG_ON(KGO_IOC_KCHAN_IO != 0xc028b620);
	BUILD_BUG_ON(KGO_IOC_KCHAN_INFO != 0xc038b621);
	BUILD_BUG_ON(KGO_IOC_KCHAN_CLOSE != 0x0000b622);
}

int kgo_dev_init(void)
{
	kgo_check_calls();
	return misc_register(&kgo_misc);
}

void kgo_dev_exit(void)
{
	misc_deregister(&kgo_misc);
}
