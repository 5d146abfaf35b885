/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Channels from the inside: what chan.c and select.c share.
 *
 * Waiting is a struct kgo_waiter in the queue of a channel.  It stands on the
 * stack of the goroutine that waits, or in the cases of its select.
 *
 * A waiter without a select is served by whoever takes it off the queue.  One
 * of a select is served only by whoever decides that select, once and for all:
 * the others of that select are stale from then on, and dropped by whoever
 * finds them or by the select itself.
 *
 * Locks, in this order: a timer heap's, one channel's, one select's or two of
 * them by address.  More are never held, however many cases a select has.
 */
#ifndef KGO_CORE_CHAN_H
#define KGO_CORE_CHAN_H

#include "core.h"

/* Oldest first. */
struct chan_queue {
	struct kgo_waiter *first;	/* read without the lock as a hint */
	struct kgo_waiter *last;
};

struct kgo_chan {
	kgo_lock_t	lock;
	u32		closed;		/* Q: lock; read without as a hint */
	size_t		count;		/* Q: lock; read without as a hint */
	struct chan_queue sendq;	/* Q: lock */
	struct chan_queue recvq;	/* Q: lock */
	size_t		head;		/* Q: lock; slot of the oldest */
	size_t		elem_size;	/* C */
	size_t		cap;		/* C */
	unsigned char	buf[];		/* Q: lock */
};

/*
 * struct kgo_select - A select that waits, on the stack of its goroutine
 *
 * Found by others through its waiters, under the lock of their channel, and
 * through its timer, under the lock of the heap.  So it may go once its
 * goroutine has held the lock of each such place and left it.
 */
struct kgo_select {
	kgo_lock_t	lock;
	bool		decided;	/* Q: lock; read without as a hint */
	bool		parked;		/* Q: lock; if held by others: off its stack */
	struct kgo_waiter *won;		/* Q: lock; NULL and decided: its time is over */
	struct kgo_g	*g;		/* C */
	struct kgo_timer timer;
};

static inline void chan_queue_push(struct chan_queue *q, struct kgo_waiter *w)
{
	w->next = NULL;
	w->prev = q->last;
	w->queued = 1;
	if (q->last)
		q->last->next = w;
	else
		port_store(&q->first, w);
	q->last = w;
}

static inline void chan_queue_del(struct chan_queue *q, struct kgo_waiter *w)
{
	if (w->prev)
		w->prev->next = w->next;
	else
		port_store(&q->first, w->next);
	if (w->next)
		w->next->prev = w->prev;
	else
		q->last = w->prev;
	w->queued = 0;
}

/* A waiter was taken; its goroutine, if it has to be made ready, is *ready. */
enum chan_taken {
	CHAN_TAKEN,
	CHAN_STALE,	/* its select is decided: drop it */
	CHAN_LOST,	/* the taker's own select is decided */
};

/* chan.c */
int kgo_chan_send_now(struct kgo_chan *c, const void *v, struct kgo_waiter *me,
		      struct kgo_g **ready);
int kgo_chan_recv_now(struct kgo_chan *c, void *v, struct kgo_waiter *me,
		      struct kgo_g **ready);

/* select.c */
bool kgo_select_decide(struct kgo_waiter *w, struct kgo_g **ready);
enum chan_taken kgo_select_take(struct kgo_waiter *me, struct kgo_waiter *w,
				struct kgo_g **ready);
int kgo_select_one(struct kgo_m *m, struct kgo_chan *c, void *v, bool send,
		   long long ns);

#endif
