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

#include "bubble.h"

/* Oldest first. */
struct chan_queue {
	struct kgo_waiter *first;	/* read without the lock, too */
	struct kgo_waiter *last;
};

struct kgo_chan {
	kgo_lock_t	lock;
	u32		closed;		/* Q: lock; read without */
	u32		turns;		/* Q: lock; read without: see chan_turn() */
	size_t		count;		/* Q: lock; read without */
	struct chan_queue sendq;	/* Q: lock */
	struct chan_queue recvq;	/* Q: lock */
	size_t		head;		/* Q: lock; slot of the oldest */
	size_t		elem_size;	/* C */
	size_t		cap;		/* C */
	u64		bubble;		/* C: number of the one it was made in, or 0 */
	unsigned char	buf[];		/* Q: lock */
};

/* What is made in a bubble may be used there only. */
static inline bool kgo_chan_is_foreign(const struct kgo_chan *c)
{
	return unlikely(c->bubble) && c->bubble != kgo_bubble_id();
}

/*
 * struct kgo_select - A select that waits, on the stack of its goroutine or in
 * the record of one that has none
 *
 * Found by others through its waiters, under the lock of their channel, and
 * through its timer, under the lock of the heap.  So it may go once its
 * goroutine has held the lock of each such place and left it.
 */
struct kgo_select {
	kgo_lock_t	lock;
	bool		decided;	/* Q: lock; read without as a hint */
	bool		parked;		/* Q: lock; if held by others: off its stack */
	bool		timed;		/* C: timer was started */
	u32		n;		/* C: how many cases */
	struct kgo_waiter *won;		/* Q: lock; NULL and decided: its time is over */
	struct kgo_g	*g;		/* C */
	struct kgo_case	*cases;		/* C */
	struct kgo_alarm timer;
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

/*
 * Would a receive, or a send, have found something to do?  Asked without the
 * lock: yes can be wrong, or too late.  No was true at one moment of the call:
 * when count or first was read, since who is not closed later was not before.
 */
static inline bool chan_may_recv(struct kgo_chan *c)
{
	if (c->cap ? !!port_load_acquire(&c->count) :
		     !!port_load_acquire(&c->sendq.first))
		return true;
	return port_load_acquire(&c->closed);
}

static inline bool chan_may_send(struct kgo_chan *c)
{
	if (c->cap ? port_load_acquire(&c->count) < c->cap :
		     !!port_load_acquire(&c->recvq.first))
		return true;
	return port_load_acquire(&c->closed);
}

/*
 * Something was put in or taken out, or somebody queued up.  Whoever finds the
 * same number of turns before one no and after another knows that it was no
 * all the time between: a yes would have had its turn before the next no, and
 * the number is written after what it counts.  Pairs with nothing_ready().
 */
static inline void chan_turn(struct kgo_chan *c)
{
	port_store_release(&c->turns, c->turns + 1);
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
int kgo_select_now(struct kgo_m *m, struct kgo_case *cases, unsigned int n,
		   long long ns);
int kgo_select_start(struct kgo_m *m, struct kgo_select *sel,
		     struct kgo_case *cases, unsigned int n, long long ns);
int kgo_select_finish(struct kgo_select *sel);
int kgo_select_one(struct kgo_m *m, struct kgo_chan *c, void *v, bool send,
		   long long ns);

#endif
