/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Differences between kernel versions, all of them: no other file looks at
 * LINUX_VERSION_CODE.  Each function says what it means; how a version spells
 * it is nobody else's business.
 *
 * Kernels that are known: Debian's 6.1, 6.12 and 7.2.
 */
#ifndef KGO_COMPAT_H
#define KGO_COMPAT_H

#include <linux/export.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/version.h>

#define KGO_KERNEL_SINCE(major, minor)					\
	(LINUX_VERSION_CODE >= KERNEL_VERSION(major, minor, 0))

#ifndef CONFIG_PREEMPT_NOTIFIERS
#error "kgo needs CONFIG_PREEMPT_NOTIFIERS (CONFIG_KVM selects it)"
#endif

/*
 * Does the task that is being switched out really sleep, or was it preempted?
 * Its state alone does not tell: a task may be preempted between setting it
 * and calling schedule().  Since 6.12 a sleeping task may stay on the run queue
 * for a while (delayed dequeue), so on_rq alone does not tell there either.
 * CONTEXT: the preempt notifier's sched_out, for current.
 */
static inline bool kgo_task_sleeps(struct task_struct *task)
{
#if KGO_KERNEL_SINCE(6, 12)
	return !task_is_runnable(task);
#else
	return !READ_ONCE(task->on_rq);
#endif
}

static inline void
kgo_hrtimer_setup(struct hrtimer *timer,
		  enum hrtimer_restart (*fn)(struct hrtimer *timer),
		  clockid_t clock, enum hrtimer_mode mode)
{
#if KGO_KERNEL_SINCE(6, 13)
	hrtimer_setup(timer, fn, clock, mode);
#else
	hrtimer_init(timer, clock, mode);
	timer->function = fn;
#endif
}

static inline void kgo_vma_flags(struct vm_area_struct *vma,
				 unsigned long set, unsigned long clear)
{
#if KGO_KERNEL_SINCE(6, 3)
	vm_flags_mod(vma, set, clear);
#else
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
#endif
}

/*
 * Forget what KASAN remembers of the frames from here to @to, which are left
 * without their returns.  The compiler's own call for that is the only one that
 * modules have; it is there where stacks are poisoned.
 */
#if IS_ENABLED(CONFIG_KASAN_GENERIC) && IS_ENABLED(CONFIG_KASAN_STACK)
void __asan_allocas_unpoison(void *from, long to);

static __always_inline void kgo_unpoison_stack(const void *to)
{
	__asan_allocas_unpoison(__builtin_frame_address(0), (long)to);
}
#else
static __always_inline void kgo_unpoison_stack(const void *to)
{
}
#endif

/* Export to kgo_kunit.ko only.  A namespace is a string since 6.13. */
#if KGO_KERNEL_SINCE(6, 13)
#define KGO_EXPORT_TEST(sym)	EXPORT_SYMBOL_NS_GPL(sym, "KGO_TEST")
#define KGO_IMPORT_TEST()	MODULE_IMPORT_NS("KGO_TEST")
#else
#define KGO_EXPORT_TEST(sym)	EXPORT_SYMBOL_NS_GPL(sym, KGO_TEST)
#define KGO_IMPORT_TEST()	MODULE_IMPORT_NS(KGO_TEST)
#endif

/* A queue whose works run where they are queued; it was the default once. */
#if KGO_KERNEL_SINCE(6, 17)
#define KGO_WQ_PERCPU	WQ_PERCPU
#else
#define KGO_WQ_PERCPU	0
#endif

#endif
