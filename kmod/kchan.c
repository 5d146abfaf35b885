// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel channels: the queue.  See kchan.h for the life of a slot.
 *
 * Invariants, under kc->lock:
 *   - queued, nr_free and taking, and what senders have reserved, sum up to cap.
 *   - queue is ordered by seq.  One that goes back into it is put at its place.
 *   - There is an end to receive only when nothing can come back: -EPIPE is
 *     final.
 *
 * Waking.  For each message that is queued one of those who wait for it is
 * woken, for each slot that becomes free likewise (exclusive entries).  Whoever
 * is woken owes a try.  If he can not make it (a signal, a timeout, a buffer too
 * small), the next one is woken in his place: kgo_kchan_pass_on().  A woken one
 * may find that somebody who did not wait was quicker; then he waits again.
 *
 *   who makes it ready			who waits
 *   ------------------			---------
 *   change under kc->lock		add himself to kc->wait
 *   full barrier (wq_has_sleeper)	full barrier
 *   is anybody waiting?		kgo_kchan_ready()?
 *
 * Rejected: to hand a message to the one that is woken.  It would have to be
 * taken back from who is killed before he runs, or faults, behind those that
 * were received meanwhile.  A mutex for receivers, so that a fault can never
 * reorder: one who faults in memory that another process serves would stop
 * everybody, kernel code included.  Unbuffered channels: a rendezvous of which
 * either side can be killed in the middle has no exact outcome.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "debugfs.h"
#include "kchan.h"
#include "runtime.h"

static unsigned int kgo_kchan_msg_max __ro_after_init = 65536;
module_param_named(kchan_msg_max, kgo_kchan_msg_max, uint, 0444);
MODULE_PARM_DESC(kchan_msg_max, "Longest message that a kernel channel may have (65536)");

static unsigned int kgo_kchan_bytes_max __ro_after_init = 16U << 20;
module_param_named(kchan_bytes_max, kgo_kchan_bytes_max, uint, 0444);
MODULE_PARM_DESC(kchan_bytes_max, "Most memory of one kernel channel, in bytes (16777216)");

static DEFINE_MUTEX(kgo_kchans_lock);
static LIST_HEAD(kgo_kchans);		/* kgo_kchans_lock, by rising id */
static u64 kgo_last_kchan;		/* kgo_kchans_lock */

/* Wake all who look on, and @nr of those who queue. */
static void kgo_kchan_wake(struct kgo_kchan *kc, unsigned int end, int nr)
{
	wait_queue_head_t *wq = &kc->wait[KGO_KCHAN_IX(end)];
	__poll_t what = end == KGO_KCHAN_RECV ? EPOLLIN | EPOLLRDNORM :
			EPOLLOUT | EPOLLWRNORM;

	/* A full barrier; pairs with those who wait, see above. */
	if (wq_has_sleeper(wq))
		__wake_up(wq, TASK_NORMAL, nr, poll_to_key(what));
}

static void kgo_kchan_wake_all(struct kgo_kchan *kc, unsigned int end)
{
	wait_queue_head_t *wq = &kc->wait[KGO_KCHAN_IX(end)];

	if (wq_has_sleeper(wq))
		__wake_up(wq, TASK_NORMAL, 0, poll_to_key(EPOLLHUP | EPOLLERR |
							  EPOLLIN | EPOLLOUT));
}

/**
 * kgo_kchan_pass_on() - A waiter that may have been woken does not try
 * @kc: the channel
 * @end: what it waited for
 *
 * CONTEXT: any but NMI.
 */
void kgo_kchan_pass_on(struct kgo_kchan *kc, unsigned int end)
{
	if (kgo_kchan_ready(kc, end))
		kgo_kchan_wake(kc, end, 1);
}

static bool kgo_kchan_nobody(struct kgo_kchan *kc, unsigned int end)
{
	lockdep_assert_held(&kc->lock);
	return kc->closed || !kc->ends[KGO_KCHAN_IX(end)];
}

/* Nothing to receive any more, for ever. */
static bool kgo_kchan_is_over(struct kgo_kchan *kc)
{
	lockdep_assert_held(&kc->lock);
	return kgo_kchan_nobody(kc, KGO_KCHAN_SEND) && !kc->queued && !kc->taking;
}

/*
 * Slots for a sender.  Return: how many, at most @n; -EPIPE; -EAGAIN.
 */
static int kgo_kchan_reserve(struct kgo_kchan *kc, struct kgo_kslots *batch, u32 n)
{
	unsigned long flags;
	int got = 0;

	spin_lock_irqsave(&kc->lock, flags);
	if (kgo_kchan_nobody(kc, KGO_KCHAN_RECV)) {
		got = -EPIPE;
	} else if (!kc->nr_free) {
		got = -EAGAIN;
	} else {
		while (n-- && kc->nr_free) {
			kgo_kslots_push(batch, kgo_kslots_pop(&kc->free));
			WRITE_ONCE(kc->nr_free, kc->nr_free - 1);
			got++;
		}
	}
	spin_unlock_irqrestore(&kc->lock, flags);
	return got;
}

/*
 * The first @n of a batch are sent, the others are not.  Return: 0; -EPIPE: none
 * of them is.
 */
static int kgo_kchan_commit(struct kgo_kchan *kc, struct kgo_kslots *batch, u32 n)
{
	struct kgo_kslot *s;
	u32 freed = 0, sent = 0;
	unsigned long flags;
	int ret = 0;

	spin_lock_irqsave(&kc->lock, flags);
	if (kgo_kchan_nobody(kc, KGO_KCHAN_RECV)) {
		n = 0;
		ret = -EPIPE;
	}
	while (batch->first) {
		s = kgo_kslots_pop(batch);
		if (sent < n) {
			s->seq = kc->sent + 1;
			WRITE_ONCE(kc->sent, s->seq);
			kgo_kslots_push(&kc->queue, s);
			sent++;
		} else {
			kgo_kslots_insert(&kc->free, &kc->free.first, s);
			freed++;
		}
	}
	WRITE_ONCE(kc->queued, kc->queued + sent);
	WRITE_ONCE(kc->nr_free, kc->nr_free + freed);
	spin_unlock_irqrestore(&kc->lock, flags);

	if (sent)
		kgo_kchan_wake(kc, KGO_KCHAN_RECV, sent);
	if (freed)
		kgo_kchan_wake(kc, KGO_KCHAN_SEND, freed);
	return ret;
}

/*
 * Messages for a receiver, as long as they fit into @room.
 * Return: how many, at most @n; -EPIPE at the end; -EAGAIN; -EMSGSIZE.
 */
static int kgo_kchan_take(struct kgo_kchan *kc, struct kgo_kslots *batch, u32 n,
			  u32 room)
{
	unsigned long flags;
	int got = 0;

	spin_lock_irqsave(&kc->lock, flags);
	if (!kc->queued) {
		got = kgo_kchan_is_over(kc) ? -EPIPE : -EAGAIN;
		goto unlock;
	}
	while (n-- && kc->queued) {
		if (kc->queue.first->len > room)
			break;
		kgo_kslots_push(batch, kgo_kslots_pop(&kc->queue));
		WRITE_ONCE(kc->queued, kc->queued - 1);
		got++;
	}
	WRITE_ONCE(kc->taking, kc->taking + got);
	if (!got)
		got = -EMSGSIZE;
unlock:
	spin_unlock_irqrestore(&kc->lock, flags);
	return got;
}

/* Back to its place: before all that were sent after it. */
static void kgo_kchan_put_back(struct kgo_kchan *kc, struct kgo_kslot *s)
{
	struct kgo_kslot **at = &kc->queue.first;

	lockdep_assert_held(&kc->lock);
	while (*at && (*at)->seq < s->seq)
		at = &(*at)->next;
	kgo_kslots_insert(&kc->queue, at, s);
}

/* The first @n of a batch were received, the others go back. */
static void kgo_kchan_took(struct kgo_kchan *kc, struct kgo_kslots *batch, u32 n)
{
	struct kgo_kslot *s;
	u32 freed = 0, back = 0;
	unsigned long flags;
	bool over;

	spin_lock_irqsave(&kc->lock, flags);
	while (batch->first) {
		s = kgo_kslots_pop(batch);
		if (freed < n) {
			kgo_kslots_insert(&kc->free, &kc->free.first, s);
			freed++;
		} else {
			kgo_kchan_put_back(kc, s);
			back++;
		}
	}
	WRITE_ONCE(kc->received, kc->received + freed);
	WRITE_ONCE(kc->taking, kc->taking - freed - back);
	WRITE_ONCE(kc->nr_free, kc->nr_free + freed);
	WRITE_ONCE(kc->queued, kc->queued + back);
	over = kgo_kchan_is_over(kc);
	spin_unlock_irqrestore(&kc->lock, flags);

	if (freed)
		kgo_kchan_wake(kc, KGO_KCHAN_SEND, freed);
	if (over)
		kgo_kchan_wake_all(kc, KGO_KCHAN_RECV);
	else if (back)
		kgo_kchan_wake(kc, KGO_KCHAN_RECV, back);
}

/**
 * kgo_kchan_send_some() - Send what needs no wait
 * @kc: the channel; the caller has an end of it
 * @io: where the messages come from
 * @n: how many, at least 1
 *
 * CONTEXT: as @io->fill; any but NMI.
 * Return: how many were sent, at least 1; -EAGAIN, -EPIPE, or what @io said of
 * the first one.
 */
int kgo_kchan_send_some(struct kgo_kchan *kc, struct kgo_kio *io, u32 n)
{
	struct kgo_kslots batch;
	struct kgo_kslot *s;
	int err = 0, ret;
	u32 done = 0;

	kgo_kslots_init(&batch);
	ret = kgo_kchan_reserve(kc, &batch, n);
	if (ret < 0)
		return ret;
	for (s = batch.first; s; s = s->next) {
		err = io->fill(io, done, s, kc->msg_max);
		if (err)
			break;
		done++;
	}
	ret = kgo_kchan_commit(kc, &batch, done);
	if (ret)
		return ret;
	return done ? (int)done : err;
}

/**
 * kgo_kchan_recv_some() - Receive what needs no wait
 * @kc: the channel; the caller has an end of it
 * @io: where the messages go
 * @n: how many, at least 1
 * @room: bytes for each
 *
 * CONTEXT: as @io->drain; any but NMI.
 * Return: how many were received, at least 1; -EAGAIN; -EPIPE at the end;
 * -EMSGSIZE, or what @io said of the first one, which is in the channel then.
 */
int kgo_kchan_recv_some(struct kgo_kchan *kc, struct kgo_kio *io, u32 n, u32 room)
{
	struct kgo_kslots batch;
	struct kgo_kslot *s;
	u32 done = 0;
	int err = 0;
	int ret;

	kgo_kslots_init(&batch);
	ret = kgo_kchan_take(kc, &batch, n, room);
	if (ret < 0) {
		/* It may have been woken for this message. */
		if (ret == -EMSGSIZE)
			kgo_kchan_pass_on(kc, KGO_KCHAN_RECV);
		return ret;
	}
	for (s = batch.first; s; s = s->next) {
		err = io->drain(io, done, s);
		if (err)
			break;
		done++;
	}
	kgo_kchan_took(kc, &batch, done);
	return done ? (int)done : err;
}

int kgo_kchan_close(struct kgo_kchan *kc)
{
	unsigned long flags;
	bool was;

	spin_lock_irqsave(&kc->lock, flags);
	was = kc->closed;
	WRITE_ONCE(kc->closed, true);
	spin_unlock_irqrestore(&kc->lock, flags);
	if (was)
		return -EALREADY;
	kgo_kchan_wake_all(kc, KGO_KCHAN_RECV);
	kgo_kchan_wake_all(kc, KGO_KCHAN_SEND);
	return 0;
}
EXPORT_SYMBOL_GPL(kgo_kchan_close);

/*
 * Life
 */

/** kgo_kchan_hold() - Keep the memory, not an end.  CONTEXT: any. */
void kgo_kchan_hold(struct kgo_kchan *kc)
{
	refcount_inc(&kc->ref);
}

/** kgo_kchan_drop() - Undo kgo_kchan_hold().  CONTEXT: any but NMI. */
void kgo_kchan_drop(struct kgo_kchan *kc)
{
	if (refcount_dec_and_test(&kc->ref))
		kfree(kc);
}

/* The slots may be megabytes, which is why they do not wait for marks. */
static void kgo_kchan_bury(struct work_struct *work)
{
	struct kgo_kchan *kc = container_of(work, struct kgo_kchan, bury);

	mutex_lock(&kgo_kchans_lock);
	list_del(&kc->link);
	mutex_unlock(&kgo_kchans_lock);
	kvfree(kc->slots);
	kgo_kchan_drop(kc);
}

/**
 * kgo_kchan_open_end() - One more of them
 * @kc: the channel; the caller has such an end, or both
 * @end: %KGO_KCHAN_RECV or %KGO_KCHAN_SEND
 *
 * CONTEXT: any but NMI.
 */
void kgo_kchan_open_end(struct kgo_kchan *kc, unsigned int end)
{
	u32 *n = &kc->ends[KGO_KCHAN_IX(end)];
	unsigned long flags;

	spin_lock_irqsave(&kc->lock, flags);
	WARN_ON_ONCE(!*n);
	WRITE_ONCE(*n, *n + 1);
	spin_unlock_irqrestore(&kc->lock, flags);
}

void kgo_kchan_put_end(struct kgo_kchan *kc, unsigned int end)
{
	u32 *n = &kc->ends[KGO_KCHAN_IX(end)];
	bool last, none = false;
	unsigned long flags;

	/* Others may put the other end, and it be buried, once this is unlocked. */
	kgo_kchan_hold(kc);
	spin_lock_irqsave(&kc->lock, flags);
	WARN_ON_ONCE(!*n);
	last = *n == 1;
	WRITE_ONCE(*n, *n - 1);
	if (last)
		none = !kc->ends[0] && !kc->ends[1];
	spin_unlock_irqrestore(&kc->lock, flags);

	if (none)
		queue_work(kgo_wq, &kc->bury);
	else if (last)
		kgo_kchan_wake_all(kc, end == KGO_KCHAN_RECV ? KGO_KCHAN_SEND :
				   KGO_KCHAN_RECV);
	kgo_kchan_drop(kc);
}
EXPORT_SYMBOL_GPL(kgo_kchan_put_end);

struct kgo_kchan *kgo_kchan_get(struct kgo_kchan *kc)
{
	kgo_kchan_open_end(kc, KGO_KCHAN_RECV);
	kgo_kchan_open_end(kc, KGO_KCHAN_SEND);
	return kc;
}
EXPORT_SYMBOL_GPL(kgo_kchan_get);

void kgo_kchan_put(struct kgo_kchan *kc)
{
	if (!kc)
		return;
	kgo_kchan_hold(kc);
	kgo_kchan_put_end(kc, KGO_KCHAN_RECV);
	kgo_kchan_put_end(kc, KGO_KCHAN_SEND);
	kgo_kchan_drop(kc);
}
EXPORT_SYMBOL_GPL(kgo_kchan_put);

static size_t kgo_kslot_size(u32 msg_max)
{
	return ALIGN(sizeof(struct kgo_kslot) + msg_max, __alignof__(struct kgo_kslot));
}

/**
 * kgo_kchan_create() - Make a channel
 * @msg_max: longest message
 * @cap: most messages
 *
 * CONTEXT: may sleep.  The caller names the creator.
 * Return: a reference that is both ends; ERR_PTR(-EINVAL) without room for a
 * message; -ERANGE beyond the module's bounds; -ENOMEM.
 */
struct kgo_kchan *kgo_kchan_create(u32 msg_max, u32 cap)
{
	size_t slot = kgo_kslot_size(msg_max);
	struct kgo_kchan *kc;
	u32 i;

	if (!cap)
		return ERR_PTR(-EINVAL);
	if (msg_max > kgo_kchan_msg_max || cap > kgo_kchan_bytes_max / slot)
		return ERR_PTR(-ERANGE);
	kc = kzalloc(sizeof(*kc), GFP_KERNEL_ACCOUNT);
	if (!kc)
		return ERR_PTR(-ENOMEM);
	/* Told by whoever gets nothing: the sizes are the caller's choice. */
	kc->slots = kvcalloc(cap, slot, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!kc->slots) {
		kfree(kc);
		return ERR_PTR(-ENOMEM);
	}

	spin_lock_init(&kc->lock);
	init_waitqueue_head(&kc->wait[0]);
	init_waitqueue_head(&kc->wait[1]);
	kgo_kslots_init(&kc->queue);
	kgo_kslots_init(&kc->free);
	INIT_WORK(&kc->bury, kgo_kchan_bury);
	refcount_set(&kc->ref, 1);
	kc->msg_max = msg_max;
	kc->cap = cap;
	kc->nr_free = cap;
	kc->ends[0] = 1;
	kc->ends[1] = 1;
	for (i = 0; i < cap; i++) {
		struct kgo_kslot *s = kc->slots + i * slot;

		kgo_kslots_push(&kc->free, s);
	}

	mutex_lock(&kgo_kchans_lock);
	kc->id = ++kgo_last_kchan;
	list_add_tail(&kc->link, &kgo_kchans);
	mutex_unlock(&kgo_kchans_lock);
	return kc;
}

struct kgo_kchan *kgo_kchan_make(size_t msg_max, unsigned int cap)
{
	struct kgo_kchan *kc;

	if (msg_max > U32_MAX)
		return NULL;
	kc = kgo_kchan_create(msg_max, cap);
	if (IS_ERR(kc))
		return NULL;
	/* By name: it may outlive the module that made it. */
	snprintf(kc->creator, sizeof(kc->creator), "%ps",
		 __builtin_return_address(0));
	return kc;
}
EXPORT_SYMBOL_GPL(kgo_kchan_make);

/*
 * debugfs
 */

static u32 kgo_kchan_waiting(struct kgo_kchan *kc, unsigned int end)
{
	wait_queue_head_t *wq = &kc->wait[KGO_KCHAN_IX(end)];
	struct list_head *l;
	unsigned long flags;
	u32 n = 0;

	spin_lock_irqsave(&wq->lock, flags);
	list_for_each(l, &wq->head)
		n++;
	spin_unlock_irqrestore(&wq->lock, flags);
	return n;
}

/**
 * kgo_kchans_show() - The table of channels
 * @seq: the file
 * @v: unused
 *
 * CONTEXT: may sleep.  Return: 0.
 */
int kgo_kchans_show(struct seq_file *seq, void *v)
{
	char creator[4 * sizeof_field(struct kgo_kchan, creator) + 1];
	struct kgo_kchan *kc;

	seq_printf(seq, "%-6s  %7s  %7s  %7s  %-6s  %8s  %8s  %8s  %8s  %12s  %12s  %s\n",
		   "id", "msg_max", "cap", "queued", "state", "rwaiting",
		   "swaiting", "rends", "sends", "sent", "received", "creator");
	mutex_lock(&kgo_kchans_lock);
	list_for_each_entry(kc, &kgo_kchans, link) {
		kgo_escape(creator, sizeof(creator), kc->creator,
			   strnlen(kc->creator, sizeof(kc->creator)));
		seq_printf(seq, "%-6llu  %7u  %7u  %7u  %-6s  %8u  %8u  %8u  %8u  %12llu  %12llu  %s\n",
			   kc->id, kc->msg_max, kc->cap, READ_ONCE(kc->queued),
			   READ_ONCE(kc->closed) ? "closed" : "open",
			   kgo_kchan_waiting(kc, KGO_KCHAN_RECV),
			   kgo_kchan_waiting(kc, KGO_KCHAN_SEND),
			   READ_ONCE(kc->ends[KGO_KCHAN_IX(KGO_KCHAN_RECV)]),
			   READ_ONCE(kc->ends[KGO_KCHAN_IX(KGO_KCHAN_SEND)]),
			   READ_ONCE(kc->sent), READ_ONCE(kc->received), creator);
	}
	mutex_unlock(&kgo_kchans_lock);
	return 0;
}
