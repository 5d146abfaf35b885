// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Channels.
 *
 * Invariants, as in Go's chan.go, all under c->lock:
 *   - At least one of sendq and recvq is empty.
 *   - Buffered: if anything is in the buffer recvq is empty, and if there is
 *     room in it sendq is empty.
 *   - Waiters are served in the order in which they came.
 *   - A waiter that is in no queue has had its result written.
 *
 * A value is copied once where a peer waits already: straight between the two
 * goroutines' memory.  That is safe because the waiting one is off its stack,
 * and a waiter stays where it is until its goroutine runs again.
 */
#include "core.h"

struct kgo_chan {
	kgo_lock_t	lock;
	u32		closed;		/* Q: lock */
	size_t		elem_size;	/* C */
	size_t		cap;		/* C */
	size_t		count;		/* Q: lock; read without as a hint */
	size_t		head;		/* Q: lock; slot of the oldest */
	struct kgo_list	sendq;		/* Q: lock */
	struct kgo_list	recvq;		/* Q: lock */
	unsigned char	buf[];		/* Q: lock */
};

/* One wait, on the stack of the goroutine that waits.  All under c->lock. */
struct chan_waiter {
	struct kgo_list	link;
	struct kgo_g	*g;
	void		*elem;		/* to send from or to receive to */
	int		result;		/* what the call returns */
};

/* A wait with an end. */
struct chan_timed {
	struct kgo_alarm timer;
	struct chan_waiter w;
	struct kgo_chan	*c;
	bool		expired;	/* fired before it was queued */
};

#define NO_TIMEOUT	(-1LL)

struct kgo_chan *kgo_chan_make(size_t elem_size, size_t cap)
{
	const size_t most = (~(size_t)0 >> 1) - sizeof(struct kgo_chan);
	struct kgo_chan *c;

	if (elem_size && cap > most / elem_size)
		return NULL;
	c = port_alloc(sizeof(*c) + elem_size * cap);
	if (!c)
		return NULL;
	port_lock_init(&c->lock);
	c->elem_size = elem_size;
	c->cap = cap;
	kgo_list_init(&c->sendq);
	kgo_list_init(&c->recvq);
	return c;
}

int kgo_chan_free(struct kgo_chan *c)
{
	if (!c)
		return 0;
	if (!kgo_list_empty(&c->sendq) || !kgo_list_empty(&c->recvq))
		return -EBUSY;
	port_free(c);
	return 0;
}

static void copy(const struct kgo_chan *c, void *to, const void *from)
{
	if (!to || !c->elem_size)
		return;
	if (from)
		memcpy(to, from, c->elem_size);
	else
		memset(to, 0, c->elem_size);
}

static void *slot(struct kgo_chan *c, size_t i)
{
	i += c->head;
	if (i >= c->cap)
		i -= c->cap;
	return c->buf + i * c->elem_size;
}

static void buf_put(struct kgo_chan *c, const void *v)
{
	copy(c, slot(c, c->count), v);
	port_store(&c->count, c->count + 1);
}

static void buf_get(struct kgo_chan *c, void *v)
{
	copy(c, v, slot(c, 0));
	c->head = c->head + 1 == c->cap ? 0 : c->head + 1;
	port_store(&c->count, c->count - 1);
}

static struct chan_waiter *dequeue(struct kgo_list *q)
{
	struct kgo_list *l = kgo_list_pop_front(q);

	return l ? container_of(l, struct chan_waiter, link) : NULL;
}

/*
 * Send without waiting.  -EAGAIN: would have to.  A receiver that was waiting
 * is returned in @ready, for the time after the lock.
 */
static int send_now(struct kgo_chan *c, const void *v, struct kgo_g **ready)
{
	struct chan_waiter *w;

	port_assert_held(&c->lock);
	if (c->closed)
		return -EPIPE;
	w = dequeue(&c->recvq);
	if (w) {
		copy(c, w->elem, v);
		w->result = 1;
		*ready = w->g;
		return 0;
	}
	if (c->count < c->cap) {
		buf_put(c, v);
		return 0;
	}
	return -EAGAIN;
}

/* Receive without waiting; likewise. */
static int recv_now(struct kgo_chan *c, void *v, struct kgo_g **ready)
{
	struct chan_waiter *w;

	port_assert_held(&c->lock);
	if (c->count) {
		buf_get(c, v);
		/* There is room now for the one that waited longest. */
		w = dequeue(&c->sendq);
		if (w) {
			buf_put(c, w->elem);
			w->result = 0;
			*ready = w->g;
		}
		return 1;
	}
	w = dequeue(&c->sendq);
	if (w) {
		copy(c, v, w->elem);
		w->result = 0;
		*ready = w->g;
		return 1;
	}
	if (c->closed) {
		copy(c, v, NULL);
		return 0;
	}
	return -EAGAIN;
}

static struct kgo_g *timed_fire(struct kgo_alarm *t)
{
	struct chan_timed *tw = container_of(t, struct chan_timed, timer);
	struct kgo_g *g = NULL;

	port_lock(&tw->c->lock);
	if (kgo_list_empty(&tw->w.link)) {
		tw->expired = true;
	} else {
		kgo_list_del(&tw->w.link);
		tw->w.result = -ETIMEDOUT;
		g = tw->w.g;
	}
	port_unlock(&tw->c->lock);
	return g;
}

/* Send or receive; with the channel locked, which it unlocks. */
static int chan_wait(struct kgo_m *m, struct kgo_chan *c, void *elem, bool send)
{
	struct chan_waiter w;

	w.g = m->curg;
	w.elem = elem;
	w.result = 0;
	kgo_list_push_back(send ? &c->sendq : &c->recvq, &w.link);
	kgo_park(m, send ? KGO_WAIT_CHAN_SEND : KGO_WAIT_CHAN_RECEIVE, &c->lock);
	return w.result;
}

static int chan_wait_timed(struct kgo_m *m, struct kgo_chan *c, void *elem,
			   bool send, long long ns)
{
	struct chan_timed tw = { .timer.fire = timed_fire, .c = c };
	struct kgo_g *ready = NULL;
	int ret;

	port_unlock(&c->lock);
	kgo_list_init(&tw.w.link);
	tw.w.g = m->curg;
	tw.w.elem = elem;
	ret = kgo_alarm_start(&tw.timer, ns);
	if (ret)
		return ret;

	port_lock(&c->lock);
	ret = send ? send_now(c, elem, &ready) : recv_now(c, elem, &ready);
	if (ret != -EAGAIN) {
		port_unlock(&c->lock);
	} else if (tw.expired) {
		port_unlock(&c->lock);
		ret = -ETIMEDOUT;
	} else {
		kgo_list_push_back(send ? &c->sendq : &c->recvq, &tw.w.link);
		kgo_park(m, send ? KGO_WAIT_CHAN_SEND : KGO_WAIT_CHAN_RECEIVE,
			 &c->lock);
		ret = tw.w.result;
	}
	/* After this it does not fire any more: tw may go. */
	kgo_alarm_stop(&tw.timer);
	if (ready)
		kgo_ready(ready);
	return ret;
}

static int chan_op(struct kgo_chan *c, void *elem, bool send, long long ns)
{
	struct kgo_g *ready = NULL;
	struct kgo_m *m;
	int ret;

	if (!c) {
		if (!ns)
			return -EAGAIN;
		if (ns > 0) {
			ret = kgo_sleep(ns);
			return ret ? ret : -ETIMEDOUT;
		}
		m = kgo_enter_sched();
		for (;;)
			kgo_park(m, send ? KGO_WAIT_CHAN_SEND_NIL :
				 KGO_WAIT_CHAN_RECEIVE_NIL, NULL);
	}

	m = kgo_enter_sched();
	port_lock(&c->lock);
	ret = send ? send_now(c, elem, &ready) : recv_now(c, elem, &ready);
	if (ret != -EAGAIN || !ns) {
		port_unlock(&c->lock);
		if (ready)
			kgo_ready(ready);
	} else if (ns < 0) {
		ret = chan_wait(m, c, elem, send);
	} else {
		ret = chan_wait_timed(m, c, elem, send, ns);
	}
	kgo_leave_sched();
	if (unlikely(ret == -EPIPE))
		port_panic("send on closed channel");
	return ret;
}

static int or_timed_out(int ret)
{
	return ret == -EAGAIN ? -ETIMEDOUT : ret;
}

int kgo_chan_send(struct kgo_chan *c, const void *v)
{
	return chan_op(c, (void *)v, true, NO_TIMEOUT);
}

int kgo_chan_recv(struct kgo_chan *c, void *v)
{
	return chan_op(c, v, false, NO_TIMEOUT);
}

int kgo_chan_try_send(struct kgo_chan *c, const void *v)
{
	return chan_op(c, (void *)v, true, 0);
}

int kgo_chan_try_recv(struct kgo_chan *c, void *v)
{
	return chan_op(c, v, false, 0);
}

int kgo_chan_send_timeout(struct kgo_chan *c, const void *v, long long ns)
{
	return or_timed_out(chan_op(c, (void *)v, true, ns > 0 ? ns : 0));
}

int kgo_chan_recv_timeout(struct kgo_chan *c, void *v, long long ns)
{
	return or_timed_out(chan_op(c, v, false, ns > 0 ? ns : 0));
}

int kgo_chan_close(struct kgo_chan *c)
{
	struct kgo_gq woken = { 0 };
	struct chan_waiter *w;
	struct kgo_g *g;

	if (!c) {
		port_panic("close of nil channel");
		return -EINVAL;
	}
	kgo_enter_sched();
	port_lock(&c->lock);
	if (c->closed) {
		port_unlock(&c->lock);
		kgo_leave_sched();
		port_panic("close of closed channel");
		return -EPIPE;
	}
	c->closed = 1;
	while ((w = dequeue(&c->recvq))) {
		copy(c, w->elem, NULL);
		w->result = 0;
		kgo_gq_push(&woken, w->g);
	}
	while ((w = dequeue(&c->sendq))) {
		w->result = -EPIPE;
		kgo_gq_push(&woken, w->g);
	}
	port_unlock(&c->lock);

	while ((g = kgo_gq_pop(&woken)))
		kgo_ready(g);
	kgo_leave_sched();
	return 0;
}

/**
 * kgo_chan_offer() - Send if that needs no wait, from under another lock
 * @c: the channel
 * @v: elem_size bytes
 *
 * For what fires a timer: a value that nobody takes and the buffer has no room
 * for is dropped, as is one for a closed channel.
 * CONTEXT: an M with in_sched set; may hold a lock that is taken before those
 * of channels (a timer heap's).
 * Return: a receiver that the caller makes ready once it has dropped its lock,
 * or NULL.
 */
struct kgo_g *kgo_chan_offer(struct kgo_chan *c, const void *v)
{
	struct kgo_g *ready = NULL;

	port_lock(&c->lock);
	send_now(c, v, &ready);
	port_unlock(&c->lock);
	return ready;
}

/**
 * kgo_chan_drain() - Drop what is buffered
 * @c: the channel; nobody sends on it but by kgo_chan_offer()
 *
 * CONTEXT: as kgo_chan_offer().
 * Return: true if there was something.
 */
bool kgo_chan_drain(struct kgo_chan *c)
{
	bool any;

	port_lock(&c->lock);
	any = c->count;
	c->head = 0;
	port_store(&c->count, 0);
	port_unlock(&c->lock);
	return any;
}

size_t kgo_chan_len(const struct kgo_chan *c)
{
	return c ? port_load(&c->count) : 0;
}

size_t kgo_chan_cap(const struct kgo_chan *c)
{
	return c ? c->cap : 0;
}

/**
 * kgo_chan_elem_size() - Size of a channel's elements
 * @c: the channel
 *
 * CONTEXT: any.
 */
size_t kgo_chan_elem_size(const struct kgo_chan *c)
{
	return c->elem_size;
}
