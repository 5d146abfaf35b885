// SPDX-License-Identifier: GPL-2.0
/*
 * One bug for each checker of the checking kernels, chosen by the parameter "bug": a checker that
 * does not report its own is switched off or broken, and its silence elsewhere would mean nothing.
 * One bug per boot, as lockdep switches itself off after any report.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

static char *bug = "";
module_param(bug, charp, 0);

/* KASAN */
static int use_after_free(void)
{
	int *p = kmalloc(64, GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	kfree(p);
	return READ_ONCE(p[3]) ? 0 : 0;
}

/* lockdep: both orders in turn, by one thread, so nothing hangs. */
static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);

static int lock_order(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
	return 0;
}

static DEFINE_SPINLOCK(spin);

static int sleep_in_atomic(void)
{
	spin_lock(&spin);
	msleep(1);
	spin_unlock(&spin);
	return 0;
}

/*
 * The park checks of kgo.ko, which is built elsewhere: its symbols are looked up.  Nobody holds the
 * mutex, so nothing but the check has anything to say.
 */
static void *lock_symbol;

static int locks_under_spinlock(void *mutex)
{
	void (*lock)(void *mutex) = lock_symbol;

	spin_lock(&spin);
	lock(mutex);
	spin_unlock(&spin);
	return 0;
}

static int park_in_atomic(void)
{
	static char mutex[64] __aligned(8);
	int (*call)(const void *site, int (*fn)(void *), void *arg) = __symbol_get("kgo_call_at");

	lock_symbol = __symbol_get("kgo_mutex_lock");
	return call && lock_symbol ? call(NULL, locks_under_spinlock, mutex) : -ENOENT;
}

/* kmemleak: several, as a stale pointer on some stack can hide one. */
static int leak(void)
{
	for (int i = 0; i < 16; i++)
		if (!kmalloc(128, GFP_KERNEL))
			return -ENOMEM;
	return 0;
}

/* UBSAN */
static int shift_out_of_bounds(void)
{
	int by = 40 + strlen(bug);

	pr_info("planted: %d\n", 1 << by);
	return 0;
}

/* KCSAN: two threads, no lock. */
static unsigned long shared;

static int racer(void *unused)
{
	while (!kthread_should_stop()) {
		for (int i = 0; i < 1000; i++) {
			shared++;
			barrier();
		}
		cond_resched();
	}
	return 0;
}

static int racy_counter(void)
{
	struct task_struct *a = kthread_run(racer, NULL, "racer-a");
	struct task_struct *b = kthread_run(racer, NULL, "racer-b");

	msleep(10000);
	if (!IS_ERR(a))
		kthread_stop(a);
	if (!IS_ERR(b))
		kthread_stop(b);
	return 0;
}

/* Any kernel */
static int warn(void)
{
	WARN(1, "planted");
	return 0;
}

static int oops(void)
{
	return *(volatile int *)8;
}

static const struct {
	const char *name;
	int (*plant)(void);
} bugs[] = {
	{ "use_after_free", use_after_free },
	{ "lock_order", lock_order },
	{ "sleep_in_atomic", sleep_in_atomic },
	{ "park_in_atomic", park_in_atomic },
	{ "leak", leak },
	{ "shift_out_of_bounds", shift_out_of_bounds },
	{ "racy_counter", racy_counter },
	{ "warn", warn },
	{ "oops", oops },
};

static int __init planted_init(void)
{
	for (int i = 0; i < ARRAY_SIZE(bugs); i++)
		if (!strcmp(bug, bugs[i].name))
			return bugs[i].plant();
	return -EINVAL;
}

static void __exit planted_exit(void)
{
}

module_init(planted_init);
module_exit(planted_exit);
MODULE_DESCRIPTION("Bugs that the checkers must find");
MODULE_LICENSE("GPL");
