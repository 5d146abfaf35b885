// SPDX-License-Identifier: GPL-2.0
/*
 * The module: its parameters, and the order in which its parts come and go.
 *
 * Non-goal: anything that a program could notice.  The device is the last part
 * to come and the first to go; what is in between has no user by then.
 */
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/workqueue.h>

#include "kernel.h"
#include "runtime.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/*
 * What no parameter can exceed.  Ps: a block may look at the hints of all of
 * them with a run queue lock held.  Ms and Gs: what their regions hold.
 */
#define KGO_BOUND_PS	4096U
#define KGO_BOUND_MS	(1024U * 1024)
#define KGO_BOUND_GS	(16U * 1024 * 1024)

unsigned int kgo_max_ps __ro_after_init = 1024;
module_param_named(max_ps, kgo_max_ps, uint, 0444);
MODULE_PARM_DESC(max_ps, "Most processors that a runtime may have (1024, at most 4096)");

unsigned int kgo_max_ms __ro_after_init = 16384;
module_param_named(max_ms, kgo_max_ms, uint, 0444);
MODULE_PARM_DESC(max_ms, "Most threads that may attach to a runtime (16384, at most 1048576)");

unsigned int kgo_max_gs __ro_after_init = KGO_BOUND_GS;
module_param_named(max_gs, kgo_max_gs, uint, 0444);
MODULE_PARM_DESC(max_gs, "Most goroutines in a runtime's table (16777216, which is also the bound)");

#ifdef CONFIG_FAULT_INJECTION
/* For tests.  What is left of it afterwards was not needed. */
static unsigned int kgo_fail_init;
module_param_named(fail_init, kgo_fail_init, uint, 0444);
MODULE_PARM_DESC(fail_init, "Fail so-manieth allocation of the module's start (0: none)");

static void __init kgo_fail_begin(void)
{
	WRITE_ONCE(current->fail_nth, kgo_fail_init);
}

static void __init kgo_fail_end(void)
{
	kgo_fail_init = READ_ONCE(current->fail_nth);
	WRITE_ONCE(current->fail_nth, 0);
}
#else
static void __init kgo_fail_begin(void)
{
}

static void __init kgo_fail_end(void)
{
}
#endif

struct workqueue_struct *kgo_wq;

static bool kgo_params_are_valid(void)
{
	return kgo_max_ps && kgo_max_ps <= KGO_BOUND_PS &&
	       kgo_max_ms && kgo_max_ms <= KGO_BOUND_MS &&
	       kgo_max_gs && kgo_max_gs <= KGO_BOUND_GS;
}

static int __init kgo_start_all(void)
{
	int ret;

	kgo_wq = alloc_workqueue("kgo", WQ_UNBOUND, 0);
	if (!kgo_wq)
		return -ENOMEM;

	/*
	 * Once for all threads: it patches the scheduler's code, which is not a
	 * thing to do for each of them.
	 */
	preempt_notifier_inc();
	kgo_debugfs_init();

	ret = kgo_kernel_init();
	if (ret)
		goto flush;
	ret = kgo_dev_init();
	if (ret)
		goto kernel;
	return 0;

kernel:
	kgo_kernel_exit();
flush:
	kgo_threads_drain();
	flush_workqueue(kgo_wq);
	rcu_barrier();
	flush_workqueue(kgo_wq);
	kgo_debugfs_exit();
	preempt_notifier_dec();
	destroy_workqueue(kgo_wq);
	return ret;
}

static int __init kgo_init(void)
{
	int ret;

	if (!kgo_params_are_valid()) {
		pr_err("kgo: a parameter is zero or beyond its bound\n");
		return -EINVAL;
	}
	kgo_fail_begin();
	ret = kgo_start_all();
	kgo_fail_end();
	return ret;
}

static void __exit kgo_module_exit(void)
{
	kgo_dev_exit();
	kgo_kernel_exit();
	/*
	 * No file is open.  Threads on the last steps of their exit are waited
	 * for; the last works that they queued free runtimes, after a grace
	 * period, and remove their folders.
	 */
	kgo_threads_drain();
	flush_workqueue(kgo_wq);
	rcu_barrier();
	flush_workqueue(kgo_wq);

	kgo_debugfs_exit();
	preempt_notifier_dec();
	destroy_workqueue(kgo_wq);
}

module_init(kgo_init);
module_exit(kgo_module_exit);

MODULE_DESCRIPTION("Goroutines: processors for threads, handed on when they block");
MODULE_LICENSE("GPL");
