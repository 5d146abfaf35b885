// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel channels, for kernel code: plain threads that sleep, goroutines that
 * park, and channels of the core that are told.
 *
 * Invariant: an entry of kc->wait is touched by who wakes under the lock of the
 * wait queue only, and its owner takes that lock before the entry goes away.
 *
 * A goroutine of the kernel could simply sleep: its P would move on.  It parks
 * so that the tables say what it waits for.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "core/core.h"
#include "kchan.h"

/*
 * struct kgo_kwait - A goroutine of the kernel that waits, on its stack
 *
 *   Q: lock
 */
struct kgo_kwait {
	wait_queue_entry_t wait;
	kgo_lock_t	lock;
	struct kgo_g	*g;		/* Q: once it is parked */
	bool		woken;		/* Q */
};

/*
 * CONTEXT: the lock of the wait queue, interrupts off; so a thread that is an M
 * cannot lose its P meanwhile, which is all that kgo_g_ready() asks for.
 */
static int kgo_kwait_wake(wait_queue_entry_t *wait, unsigned int mode, int sync,
			  void *key)
{
	struct kgo_kwait *w = container_of(wait, struct kgo_kwait, wait);
	struct kgo_g *g;

	list_del_init(&wait->entry);
	port_lock(&w->lock);
	w->woken = true;
	g = w->g;
	port_unlock(&w->lock);
	if (g)
		kgo_g_ready(g);
	return 1;
}

static void kgo_kchan_park(struct kgo_kchan *kc, unsigned int end)
{
	wait_queue_head_t *wq = &kc->wait[KGO_KCHAN_IX(end)];
	struct kgo_kwait w = { .g = NULL };
	struct kgo_m *m;

	port_lock_init(&w.lock);
	init_waitqueue_func_entry(&w.wait, kgo_kwait_wake);
	INIT_LIST_HEAD(&w.wait.entry);
	m = kgo_enter_sched();
	add_wait_queue_exclusive(wq, &w.wait);
	smp_mb();	/* pairs with wq_has_sleeper() of who makes it ready */
	if (!kgo_kchan_ready(kc, end)) {
		port_lock(&w.lock);
		if (w.woken) {
			port_unlock(&w.lock);
		} else {
			w.g = m->curg;
			kgo_g_park(m, end == KGO_KCHAN_SEND ? KGO_WAIT_KCHAN_SEND :
				 KGO_WAIT_KCHAN_RECEIVE, &w.lock);
		}
	}
	remove_wait_queue(wq, &w.wait);
	kgo_leave_sched();
}

/**
 * kgo_kchan_wait() - Wait until it is worth trying again
 * @kc: the channel; the caller has an end of it
 * @end: %KGO_KCHAN_RECV or %KGO_KCHAN_SEND: what it wants to do
 *
 * CONTEXT: a goroutine of the kernel, which parks, or process context.
 * Return: 0: the caller tries, now; -ERESTARTSYS.
 */
int kgo_kchan_wait(struct kgo_kchan *kc, unsigned int end)
{
	if (kgo_self_g()) {
		kgo_kchan_park(kc, end);
		return 0;
	}
	/*
	 * One that is woken and interrupted at once looks again when it is off
	 * the queue: either it tries, or there is nothing to pass on.
	 */
	return wait_event_interruptible_exclusive(kc->wait[KGO_KCHAN_IX(end)],
						  kgo_kchan_ready(kc, end));
}

/*
 * Messages in the kernel's memory
 */

struct kgo_kio_kernel {
	struct kgo_kio	io;
	const void	*from;
	void		*to;
	size_t		len;
};

static int kgo_kernel_fill(struct kgo_kio *io, u32 i, struct kgo_kslot *s, u32 max)
{
	struct kgo_kio_kernel *k = container_of(io, struct kgo_kio_kernel, io);

	memcpy(s->data, k->from, k->len);
	s->len = k->len;
	return 0;
}

static int kgo_kernel_drain(struct kgo_kio *io, u32 i, const struct kgo_kslot *s)
{
	struct kgo_kio_kernel *k = container_of(io, struct kgo_kio_kernel, io);

	memcpy(k->to, s->data, s->len);
	k->len = s->len;
	return 0;
}

int kgo_kchan_try_send(struct kgo_kchan *kc, const void *buf, size_t len)
{
	struct kgo_kio_kernel k = {
		.io.fill = kgo_kernel_fill,
		.from = buf,
		.len = len,
	};
	int ret;

	if (len > kc->msg_max)
		return -EMSGSIZE;
	ret = kgo_kchan_send_some(kc, &k.io, 1);
	return ret < 0 ? ret : 0;
}
EXPORT_SYMBOL_GPL(kgo_kchan_try_send);

ssize_t kgo_kchan_try_recv(struct kgo_kchan *kc, void *buf, size_t size)
{
	struct kgo_kio_kernel k = {
		.io.drain = kgo_kernel_drain,
		.to = buf,
	};
	int ret;

	ret = kgo_kchan_recv_some(kc, &k.io, 1, min_t(size_t, size, U32_MAX));
	return ret < 0 ? ret : (ssize_t)k.len;
}
EXPORT_SYMBOL_GPL(kgo_kchan_try_recv);

int kgo_kchan_send(struct kgo_kchan *kc, const void *buf, size_t len)
{
	int ret;

	might_sleep();
	for (;;) {
		ret = kgo_kchan_try_send(kc, buf, len);
		if (ret != -EAGAIN)
			return ret;
		ret = kgo_kchan_wait(kc, KGO_KCHAN_SEND);
		if (ret)
			return ret;
	}
}
EXPORT_SYMBOL_GPL(kgo_kchan_send);

ssize_t kgo_kchan_recv(struct kgo_kchan *kc, void *buf, size_t size)
{
	ssize_t ret;

	might_sleep();
	for (;;) {
		ret = kgo_kchan_try_recv(kc, buf, size);
		if (ret != -EAGAIN)
			return ret;
		ret = kgo_kchan_wait(kc, KGO_KCHAN_RECV);
		if (ret)
			return ret;
	}
}
EXPORT_SYMBOL_GPL(kgo_kchan_recv);

/*
 * Notification
 */

/* CONTEXT: as kgo_kwait_wake(). */
static int kgo_notify_wake(wait_queue_entry_t *wait, unsigned int mode, int sync,
			   void *key)
{
	struct kgo_kchan_notify *n = container_of(wait, struct kgo_kchan_notify,
						  wait);
	struct kgo_g *g = kgo_chan_offer(n->c, NULL);

	if (g)
		kgo_g_ready(g);
	return 0;
}

int kgo_kchan_notify_start(struct kgo_kchan_notify *n, struct kgo_kchan *kc,
			   unsigned int end, struct kgo_chan *c)
{
	wait_queue_head_t *wq;
	unsigned long flags;

	if ((end != KGO_KCHAN_RECV && end != KGO_KCHAN_SEND) || !c ||
	    kgo_chan_elem_size(c) || !kgo_chan_cap(c))
		return -EINVAL;
	wq = &kc->wait[KGO_KCHAN_IX(end)];
	init_waitqueue_func_entry(&n->wait, kgo_notify_wake);
	n->kc = kc;
	n->c = c;
	n->end = end;
	add_wait_queue(wq, &n->wait);
	smp_mb();	/* pairs with wq_has_sleeper() of who makes it ready */
	if (kgo_kchan_ready(kc, end)) {
		spin_lock_irqsave(&wq->lock, flags);
		kgo_notify_wake(&n->wait, 0, 0, NULL);
		spin_unlock_irqrestore(&wq->lock, flags);
	}
	return 0;
}
EXPORT_SYMBOL_GPL(kgo_kchan_notify_start);

void kgo_kchan_notify_stop(struct kgo_kchan_notify *n)
{
	remove_wait_queue(&n->kc->wait[KGO_KCHAN_IX(n->end)], &n->wait);
}
EXPORT_SYMBOL_GPL(kgo_kchan_notify_stop);
