// SPDX-License-Identifier: GPL-2.0
/*
 * Runtimes: made by SETUP (or by the kernel for itself), listed for debugfs,
 * freed when nobody holds them any more.
 *
 * Invariants:
 *   - What bounds a loop or an index is in struct kgo_runtime, out of reach of
 *     the program.  The numbers in the runtime page are copies for it to read.
 *   - A runtime is on the list until some time after its last reference is
 *     gone; who finds it there must still get a reference.
 *   - It is freed after an RCU grace period: an interrupt that began before
 *     the last thread left may still look at its arbiter.
 */
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/kgo_kchan.h>

#include "runtime.h"

static DEFINE_MUTEX(kgo_runtimes_lock);
static LIST_HEAD(kgo_runtimes);		/* kgo_runtimes_lock, by rising id */
static u64 kgo_last_id;			/* kgo_runtimes_lock */

static void kgo_runtime_destroy(struct kgo_runtime *rt)
{
	int i;

	for (i = 0; i < KGO_NR_REGIONS; i++)
		kgo_region_exit(&rt->region[i]);
	xa_destroy(&rt->threads);
	kgo_cq_destroy(rt);
	kvfree(rt->arb.word);
	put_pid(rt->tgid);
	if (rt->mm)
		mmdrop(rt->mm);
	kfree(rt);
}

static void kgo_runtime_free_work(struct work_struct *work)
{
	struct kgo_runtime *rt = container_of(to_rcu_work(work),
					      struct kgo_runtime, free);

	mutex_lock(&kgo_runtimes_lock);
	list_del(&rt->link);
	mutex_unlock(&kgo_runtimes_lock);
	kgo_debugfs_remove(rt);
	arb_destroy(&rt->arb);
	kgo_runtime_destroy(rt);
}

static int kgo_runtime_init_regions(struct kgo_runtime *rt)
{
	const u64 bytes[KGO_NR_REGIONS] = {
		[KGO_REGION_R] = sizeof(struct kgo_rdesc),
		[KGO_REGION_P] = (u64)rt->nr_ps * KGO_P_STRIDE,
		[KGO_REGION_M] = (u64)rt->nr_ms * KGO_M_STRIDE,
		[KGO_REGION_C] = KGO_CQ_SIZE * sizeof(u32),
		[KGO_REGION_G] = (u64)rt->nr_gs * KGO_G_STRIDE,
	};
	int i, ret;

	for (i = 0; i < KGO_NR_REGIONS; i++) {
		/* The core adds offsets to the base of its own M records. */
		ret = kgo_region_init(&rt->region[i], bytes[i],
				      i <= KGO_REGION_P || i == KGO_REGION_C ||
				      (i == KGO_REGION_M && !rt->mm));
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * kgo_runtime_create() - Make a runtime
 * @args: counts, within the module's bounds, and the kind
 *
 * A user runtime belongs to the calling process.  It is listed from now on;
 * kgo_debugfs_add() gives it a folder.
 *
 * CONTEXT: may sleep.  Return: the caller's reference, or ERR_PTR(-ENOMEM).
 */
struct kgo_runtime *kgo_runtime_create(const struct kgo_runtime_args *args)
{
	struct kgo_runtime *rt;
	struct kgo_rdesc *r;
	int ret;

	rt = kzalloc(sizeof(*rt), GFP_KERNEL_ACCOUNT);
	if (!rt)
		return ERR_PTR(-ENOMEM);

	refcount_set(&rt->ref, 1);
	INIT_LIST_HEAD(&rt->link);
	mutex_init(&rt->lock);
	xa_init_flags(&rt->threads, XA_FLAGS_ALLOC | XA_FLAGS_ACCOUNT);
	kgo_cq_init(&rt->cq);
	INIT_RCU_WORK(&rt->free, kgo_runtime_free_work);
	rt->nr_ps = args->nr_ps;
	rt->nr_ms = args->nr_ms;
	rt->nr_gs = args->nr_gs;
	rt->preempts = args->features & KGO_FEAT_PREEMPT;
	rt->preempt_signal = args->preempt_signal;
	if (args->user) {
		rt->mm = current->mm;
		mmgrab(rt->mm);
		rt->tgid = get_pid(task_tgid(current));
		rt->pid = pid_nr(rt->tgid);
		get_task_comm(rt->comm, current);
	} else {
		strscpy(rt->comm, "kernel", sizeof(rt->comm));
	}

	ret = kgo_runtime_init_regions(rt);
	if (ret)
		goto destroy;

	ret = -ENOMEM;
	rt->arb.word = kvcalloc(rt->nr_ps, sizeof(*rt->arb.word),
				GFP_KERNEL_ACCOUNT);
	if (!rt->arb.word)
		goto destroy;
	ret = arb_init(&rt->arb, rt->nr_ps, kgo_rdesc(rt), kgo_pdesc(rt, 0));
	if (ret)
		goto destroy;

	rt->arb.detect = args->features & KGO_FEAT_DEADLOCK;
	r = kgo_rdesc(rt);
	r->abi_version = KGO_ABI_VERSION;
	r->nr_ps = rt->nr_ps;
	r->nr_ms = rt->nr_ms;
	r->nr_gs_max = rt->nr_gs;
	r->features = args->features;

	mutex_lock(&kgo_runtimes_lock);
	rt->id = ++kgo_last_id;
	r->id = rt->id;
	list_add_tail(&rt->link, &kgo_runtimes);
	mutex_unlock(&kgo_runtimes_lock);
	return rt;

destroy:
	kgo_runtime_destroy(rt);
	return ERR_PTR(ret);
}

/**
 * kgo_runtime_tryget() - Take a reference to a runtime that may be dying
 * @rt: not freed yet
 *
 * CONTEXT: any.  Return: true if it got one.
 */
bool kgo_runtime_tryget(struct kgo_runtime *rt)
{
	return refcount_inc_not_zero(&rt->ref);
}

/**
 * kgo_runtime_put() - Drop a reference
 * @rt: the runtime
 *
 * CONTEXT: any; what the last one sets off happens elsewhere.
 */
void kgo_runtime_put(struct kgo_runtime *rt)
{
	if (refcount_dec_and_test(&rt->ref))
		queue_rcu_work(kgo_wq, &rt->free);
}

/**
 * kgo_runtime_after() - The next runtime on the list
 * @id: number of one, which may be gone; 0 for the first
 *
 * CONTEXT: may sleep.  Return: a reference, or NULL after the last.
 */
struct kgo_runtime *kgo_runtime_after(u64 id)
{
	struct kgo_runtime *rt, *found = NULL;

	mutex_lock(&kgo_runtimes_lock);
	list_for_each_entry(rt, &kgo_runtimes, link) {
		if (rt->id > id && kgo_runtime_tryget(rt)) {
			found = rt;
			break;
		}
	}
	mutex_unlock(&kgo_runtimes_lock);
	return found;
}

/**
 * kgo_runtime_is_mine() - Is the caller a thread of the runtime's process?
 * @rt: a user runtime
 *
 * The memory alone does not tell: a child of vfork() runs in it too, on its
 * parent's stack.  The process alone does not either: it may be another
 * program by now.
 *
 * CONTEXT: a system call.
 */
bool kgo_runtime_is_mine(struct kgo_runtime *rt)
{
	return rt->mm && current->mm == rt->mm && task_tgid(current) == rt->tgid;
}
