// SPDX-License-Identifier: GPL-2.0
/*
 * Holds the scheduler's preempt notifiers switched on for as long as it is
 * loaded, so that modules which come and go do not switch them.
 *
 * See one-cpu for what such a switch can do to an emulated machine.  Inserted
 * with one CPU online this module makes the one that is needed, and tests may
 * then insert and remove kgo.ko as often as they like.
 */
#include <linux/module.h>
#include <linux/preempt.h>

static int __init notifiers_init(void)
{
	preempt_notifier_inc();
	return 0;
}

static void __exit notifiers_exit(void)
{
	preempt_notifier_dec();
}

module_init(notifiers_init);
module_exit(notifiers_exit);

MODULE_DESCRIPTION("Keeps preempt notifiers switched on");
MODULE_LICENSE("GPL");
