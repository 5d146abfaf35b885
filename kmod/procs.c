// SPDX-License-Identifier: GPL-2.0
/*
 * How many Ps the kernel's own runtime uses: as many as CPUs are online, and
 * none while the system is frozen.
 *
 * It is made with a P for each CPU that there can be (max_ps at most).  When a
 * CPU goes, the last P in use goes: who runs on it lets go of it at the next
 * call of the runtime, and what is left there, goroutines and timers, comes to
 * the others.  When one comes, a P comes.  Which CPU a goroutine runs on is for
 * the kernel's scheduler to say, also then: a P is not tied to one.
 *
 * Freezing.  A kthread that can be frozen takes all Ps back, waits until those
 * who run have come to a call of the runtime, and freezes.  When it thaws, the
 * Ps are back, with all that was on them: what came due meanwhile fires then, in
 * its order.  What sleeps in a call of its own (msleep(), I/O) need not be
 * waited for: it has no P, and stops at its next call of the runtime.  One that
 * computes for longer than the freezer waits makes it give up, as any kthread.
 *
 * Invariants:
 *   - Only who holds the lock changes the number of Ps, or touches one that is
 *     off.
 *   - Whoever runs on a P that is to go is told again, until it has gone: the
 *     M that was looked up may have passed the P on meanwhile.
 *
 * Rejected: threads of the pool that freeze.  A goroutine that sleeps where it
 * cannot be frozen would keep the system from it, and so would each that waits
 * for a frozen one.  To do it when the system says that it is about to freeze
 * (a PM notifier): programs run on then, and one that waits for a goroutine in
 * a system call cannot be frozen any more.
 */
#include <linux/cpuhotplug.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/freezer.h>
#include <linux/kthread.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

#include "core/core.h"
#include "kernel.h"
#include "runtime.h"

#define KGO_TELL_JIFFIES	max(HZ / 100, 1)

static struct {
	struct mutex		lock;		/* of what a CPU or the freezer changes */
	u32			cpus;		/* lock: online */
	bool			frozen;		/* lock */
	struct delayed_work	work;		/* until all that is to go has gone */
	struct task_struct	*freezer;
	enum cpuhp_state	state;
} kgo_procs;

/* The thread that owns P @p is to let go of it. */
static void kgo_procs_tell(u32 m, u32 p)
{
	struct kgo_thread *th;

	rcu_read_lock();
	th = kgo_thread_at(kgo_kernel_runtime, m);
	if (th)
		cmpxchg(&th->md->p, p, p | KGO_P_PREEMPT);
	rcu_read_unlock();
}

/* See off what is to go.  Return: true if it has all gone. */
static bool kgo_procs_settle(void)
{
	struct arb *arb = &kgo_kernel_runtime->arb;
	bool done = true;
	u64 word;
	u32 p;

	lockdep_assert_held(&kgo_procs.lock);
	for (p = arb->nr_on; p < arb->nr_ps; p++) {
		word = READ_ONCE(arb->word[p]);
		if (arb_word_state(word) == ARB_RUNNING) {
			kgo_procs_tell(arb_word_m(word), p);
			done = false;
		} else if (arb_word_state(word) != ARB_OFF) {
			/* Its M has just gone to sleep and turns it off. */
			done = false;
		} else if (arb->nr_on && kgo_p_clear(kgo_p_at(p))) {
			done = false;
		}
	}
	return done;
}

static void kgo_procs_work(struct work_struct *work)
{
	mutex_lock(&kgo_procs.lock);
	if (!kgo_procs_settle())
		queue_delayed_work(kgo_wq, &kgo_procs.work, KGO_TELL_JIFFIES);
	mutex_unlock(&kgo_procs.lock);
}

static void kgo_procs_apply(void)
{
	u32 n = 0;

	lockdep_assert_held(&kgo_procs.lock);
	if (!kgo_procs.frozen)
		n = clamp(kgo_procs.cpus, 1U, kgo_rt.nr_ps);
	/* First, so that whoever gets a P after it is not told that it goes. */
	WRITE_ONCE(kgo_rt.nr_on, n);
	arb_use(&kgo_kernel_runtime->arb, n);
	mod_delayed_work(kgo_wq, &kgo_procs.work, 0);
}

static int kgo_cpu_online(unsigned int cpu)
{
	mutex_lock(&kgo_procs.lock);
	kgo_procs.cpus++;
	kgo_procs_apply();
	mutex_unlock(&kgo_procs.lock);
	return 0;
}

static int kgo_cpu_offline(unsigned int cpu)
{
	mutex_lock(&kgo_procs.lock);
	kgo_procs.cpus--;
	kgo_procs_apply();
	mutex_unlock(&kgo_procs.lock);
	return 0;
}

/**
 * kgo_procs_freeze() - No goroutine is to run
 *
 * CONTEXT: process context, may sleep; no goroutine.
 * Return: true if none does; false: it is to be called again.
 */
bool kgo_procs_freeze(void)
{
	bool done;

	mutex_lock(&kgo_procs.lock);
	if (!kgo_procs.frozen) {
		kgo_procs.frozen = true;
		kgo_procs_apply();
	}
	done = kgo_procs_settle();
	mutex_unlock(&kgo_procs.lock);
	return done;
}

/**
 * kgo_procs_thaw() - Goroutines may run again
 *
 * CONTEXT: process context, may sleep; no goroutine.
 */
void kgo_procs_thaw(void)
{
	mutex_lock(&kgo_procs.lock);
	kgo_procs.frozen = false;
	kgo_procs_apply();
	mutex_unlock(&kgo_procs.lock);
}

static int kgo_freezer(void *unused)
{
	set_freezable();
	for (;;) {
		/* The freezer wakes it, too. */
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		if (!freezing(current)) {
			schedule();
			continue;
		}
		__set_current_state(TASK_RUNNING);
		while (freezing(current) && !kgo_procs_freeze())
			usleep_range(1000, 2000);
		/* Here it stays, unless the freezer has given up. */
		try_to_freeze();
		kgo_procs_thaw();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

/**
 * kgo_procs_init() - Follow the CPUs and the freezer from now on
 *
 * CONTEXT: the init of the module, before the first goroutine.
 * Return: 0 or -errno.
 */
int kgo_procs_init(void)
{
	int ret;

	mutex_init(&kgo_procs.lock);
	INIT_DELAYED_WORK(&kgo_procs.work, kgo_procs_work);
	kgo_procs.freezer = kthread_run(kgo_freezer, NULL, "kgo/freezer");
	if (IS_ERR(kgo_procs.freezer))
		return PTR_ERR(kgo_procs.freezer);
	/* Calls kgo_cpu_online() for each that is. */
	ret = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "kgo:online",
				kgo_cpu_online, kgo_cpu_offline);
	if (ret < 0) {
		kthread_stop(kgo_procs.freezer);
		cancel_delayed_work_sync(&kgo_procs.work);
		return ret;
	}
	kgo_procs.state = ret;
	return 0;
}

/**
 * kgo_procs_exit() - Follow them no more
 *
 * CONTEXT: the exit of the module, may sleep.
 */
void kgo_procs_exit(void)
{
	cpuhp_remove_state_nocalls(kgo_procs.state);
	kthread_stop(kgo_procs.freezer);
	cancel_delayed_work_sync(&kgo_procs.work);
}
