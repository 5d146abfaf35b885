// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Channels.
 *
 * Invariants, as in Go's chan.go, all under c->lock, and not counting waiters
 * of a select that is decided already:
 *   - At least one of sendq and recvq is empty, but for one select that both
 *     sends and receives.
 *   - Buffered: if anything is in the buffer recvq is empty, and if there is
 *     room in it sendq is empty.
 *   - Waiters are served in the order in which they came.
 *   - A waiter that was taken off its queue to be served has its result, and
 *     its value is copied, when the lock is dropped.
 *
 * A value is copied once where a peer waits already: straight between the two
 * goroutines' memory.  That is safe because a waiting one is off its stack, or
 * is queueing up for a select and will take this lock before it goes on.
 *
 * A channel belongs to whoever made it.  It can be freed when nobody uses it
 * any more; that nobody waits on it is all that is checked.
 */
#include "chan.h"

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
	c->bubble = kgo_bubble_id();
	return c;
}

void kgo_chan_everywhere(struct kgo_chan *c)
{
	c->bubble = 0;
}

int kgo_chan_free(struct kgo_chan *c)
{
	if (!c)
		return 0;
	if (port_load(&c->sendq.first) || port_load(&c->recvq.first))
		return -EBUSY;
	port_free(c);
	return 0;
}

/** kgo_chan_size() - Bytes of memory of a channel, from its address on */
size_t kgo_chan_size(const struct kgo_chan *c)
{
	return sizeof(*c) + c->elem_size * c->cap;
}

static noinline void copy_any(const struct kgo_chan *c, void *to,
			      const void *from)
{
	if (!to || !c->elem_size)
		return;
	if (unlikely(!from))
		memset(to, 0, c->elem_size);
	else if (c->elem_size == 4)
		memcpy(to, from, 4);
	else
		memcpy(to, from, c->elem_size);
}

/* Most elements are words or pointers, for which a call is dear. */
static inline void copy(const struct kgo_chan *c, void *to, const void *from)
{
	if (likely(to && from && c->elem_size == 8))
		memcpy(to, from, 8);
	else
		copy_any(c, to, from);
}

static inline void *slot(struct kgo_chan *c, size_t i)
{
	i += c->head;
	if (i >= c->cap)
		i -= c->cap;
	return c->buf + i * c->elem_size;
}

static inline void buf_put(struct kgo_chan *c, const void *v)
{
	copy(c, slot(c, c->count), v);
	port_store(&c->count, c->count + 1);
}

static inline void buf_get(struct kgo_chan *c, void *v)
{
	copy(c, v, slot(c, 0));
	c->head = c->head + 1 == c->cap ? 0 : c->head + 1;
	port_store(&c->count, c->count - 1);
}

/* As take_waiter(), where selects have a part in it. */
static int take_waiter_slow(struct chan_queue *q, struct kgo_waiter *me,
			    struct kgo_waiter **wp, struct kgo_g **ready)
{
	struct kgo_waiter *w, *next;

	for (w = q->first; w; w = next) {
		next = w->next;
		/* Nobody talks to itself. */
		if (me && w->sel == me->sel)
			continue;
		switch (kgo_select_take(me, w, ready)) {
		case CHAN_TAKEN:
			chan_queue_del(q, w);
			*wp = w;
			return 1;
		case CHAN_STALE:
			chan_queue_del(q, w);
			break;
		case CHAN_LOST:
			return -EALREADY;
		}
	}
	return 0;
}

/*
 * Take the first waiter that can be served off its queue.  The goroutine that
 * has to be made ready, after the lock, goes to *ready.
 *
 * @me is NULL, or the waiter of an undecided select on whose behalf that is
 * done: taking one decides it.
 * Return: 1 with *wp; 0 if there is none; -EALREADY if the select of @me has
 * been decided by somebody else.
 */
static inline int take_waiter(struct chan_queue *q, struct kgo_waiter *me,
			      struct kgo_waiter **wp, struct kgo_g **ready)
{
	struct kgo_waiter *w = q->first;

	if (!w)
		return 0;
	if (unlikely(me || w->sel))
		return take_waiter_slow(q, me, wp, ready);
	chan_queue_del(q, w);
	*ready = w->g;
	*wp = w;
	return 1;
}

/* The buffer, or the end, decides the select of @me. */
static inline bool is_ours(struct kgo_waiter *me)
{
	return likely(!me) || kgo_select_decide(me, NULL);
}

static inline int send_now(struct kgo_chan *c, const void *v,
			   struct kgo_waiter *me, struct kgo_g **ready)
{
	struct kgo_waiter *w;
	int ret;

	port_assert_held(&c->lock);
	if (unlikely(c->closed))
		return is_ours(me) ? -EPIPE : -EALREADY;
	ret = take_waiter(&c->recvq, me, &w, ready);
	if (ret > 0) {
		copy(c, w->elem, v);
		w->result = 1;
		return 0;
	}
	if (ret < 0)
		return ret;
	if (c->count < c->cap) {
		if (!is_ours(me))
			return -EALREADY;
		buf_put(c, v);
		chan_turn(c);
		return 0;
	}
	return -EAGAIN;
}

static inline int recv_now(struct kgo_chan *c, void *v, struct kgo_waiter *me,
			   struct kgo_g **ready)
{
	struct kgo_waiter *w;
	int ret;

	port_assert_held(&c->lock);
	if (c->count) {
		if (!is_ours(me))
			return -EALREADY;
		buf_get(c, v);
		/* There is room now for the one that waited longest. */
		if (take_waiter(&c->sendq, NULL, &w, ready) > 0) {
			buf_put(c, w->elem);
			w->result = 0;
		}
		chan_turn(c);
		return 1;
	}
	ret = take_waiter(&c->sendq, me, &w, ready);
	if (ret > 0) {
		copy(c, v, w->elem);
		w->result = 0;
		return 1;
	}
	if (ret < 0)
		return ret;
	if (c->closed) {
		if (!is_ours(me))
			return -EALREADY;
		copy(c, v, NULL);
		return 0;
	}
	return -EAGAIN;
}

/**
 * kgo_chan_send_now() - Send without waiting
 * @c: the channel, locked
 * @v: the value
 * @me: NULL, or the waiter of a select whose case this is
 * @ready: a goroutine to make ready once @c is unlocked; unchanged if none
 *
 * Return: 0; -EPIPE if it is closed; -EAGAIN if it would have to wait;
 * -EALREADY if the select of @me is decided already.  But for the last two it
 * is decided for @me now.
 */
int kgo_chan_send_now(struct kgo_chan *c, const void *v, struct kgo_waiter *me,
		      struct kgo_g **ready)
{
	return send_now(c, v, me, ready);
}

/**
 * kgo_chan_recv_now() - Receive without waiting
 * @c: the channel, locked
 * @v: where to, or NULL
 * @me: as in kgo_chan_send_now()
 * @ready: as there
 *
 * Return: 1 with a value, 0 at the end; errors as there.
 */
int kgo_chan_recv_now(struct kgo_chan *c, void *v, struct kgo_waiter *me,
		      struct kgo_g **ready)
{
	return recv_now(c, v, me, ready);
}

/* Send or receive; with the channel locked, which it unlocks. */
static int chan_wait(struct kgo_m *m, struct kgo_chan *c, void *elem, bool send)
{
	struct kgo_waiter w;

	w.g = m->curg;
	w.sel = NULL;
	w.elem = elem;
	w.result = 0;
	kgo_bubble_inside(m->curg, c->bubble);
	chan_queue_push(send ? &c->sendq : &c->recvq, &w);
	chan_turn(c);
	kgo_wait_on(m, c);
	kgo_g_park(m, send ? KGO_WAIT_CHAN_SEND : KGO_WAIT_CHAN_RECEIVE,
		   &c->lock);
	return w.result;
}

static int nil_op(bool send, long long ns)
{
	struct kgo_m *m;
	int ret;

	if (ns > 0) {
		ret = kgo_sleep(ns);
		return ret ? ret : -ETIMEDOUT;
	}
	m = kgo_enter_sched();
	if (unlikely(!m))
		return -EPERM;
	if (unlikely(kgo_is_stackless(m->curg))) {
		kgo_leave_sched();
		return kgo_cont_refuse(send ? KGO_WAIT_CHAN_SEND :
				       KGO_WAIT_CHAN_RECEIVE);
	}
	for (;;) {
		kgo_g_park(m, send ? KGO_WAIT_CHAN_SEND_NIL :
			   KGO_WAIT_CHAN_RECEIVE_NIL, NULL);
		m = port_self();
	}
}

/* What is made in a bubble is used outside of it. */
static int foreign(bool send)
{
	kgo_panic_any(send ? "send on synctest channel from outside bubble" :
		      "receive on synctest channel from outside bubble");
	return -EPERM;
}

static inline int chan_try(struct kgo_chan *c, void *elem, bool send)
{
	struct kgo_g *ready = NULL;
	struct kgo_m *m;
	int ret;

	if (unlikely(!c))
		return -EAGAIN;
	if (kgo_chan_is_foreign(c))
		return foreign(send);
	if (!(send ? chan_may_send(c) : chan_may_recv(c))) {
		kgo_polled();
		return -EAGAIN;
	}
	m = kgo_enter_any();
	kgo_lock_in(&c->lock);
	ret = send ? send_now(c, elem, NULL, &ready) :
		     recv_now(c, elem, NULL, &ready);
	port_unlock(&c->lock);
	if (ready)
		kgo_g_ready(ready);
	kgo_leave_any(m);
	if (unlikely(ret == -EPIPE))
		kgo_panic_any("send on closed channel");
	return ret;
}

/* With @ns nanoseconds, not 0, at most. */
static inline int chan_op(struct kgo_chan *c, void *elem, bool send,
			  long long ns)
{
	struct kgo_g *ready = NULL;
	struct kgo_m *m;
	int ret;

	if (unlikely(!c))
		return nil_op(send, ns);
	if (kgo_chan_is_foreign(c))
		return foreign(send);
	m = kgo_enter_sched();
	if (unlikely(!m))
		return -EPERM;
	kgo_lock_in(&c->lock);
	ret = send ? send_now(c, elem, NULL, &ready) :
		     recv_now(c, elem, NULL, &ready);
	if (likely(ret != -EAGAIN)) {
		port_unlock(&c->lock);
		if (ready)
			kgo_g_ready(ready);
	} else if (unlikely(kgo_is_stackless(m->curg))) {
		port_unlock(&c->lock);
		kgo_leave_sched();
		return kgo_cont_refuse(ns > 0 ? KGO_WAIT_SELECT : send ?
				       KGO_WAIT_CHAN_SEND : KGO_WAIT_CHAN_RECEIVE);
	} else if (ns < 0) {
		ret = chan_wait(m, c, elem, send);
	} else {
		port_unlock(&c->lock);
		ret = kgo_select_one(m, c, elem, send, ns);
	}
	kgo_leave_sched();
	if (unlikely(ret == -EPIPE))
		kgo_panic_rt("send on closed channel");
	return ret;
}

static int or_timed_out(int ret)
{
	return ret == -EAGAIN ? -ETIMEDOUT : ret;
}

int kgo_chan_send(struct kgo_chan *c, const void *v)
{
	port_might_park(__func__);
	return chan_op(c, (void *)v, true, NO_TIMEOUT);
}

int kgo_chan_recv(struct kgo_chan *c, void *v)
{
	port_might_park(__func__);
	return chan_op(c, v, false, NO_TIMEOUT);
}

int kgo_chan_try_send(struct kgo_chan *c, const void *v)
{
	return chan_try(c, (void *)v, true);
}

int kgo_chan_try_recv(struct kgo_chan *c, void *v)
{
	return chan_try(c, v, false);
}

int kgo_chan_send_timeout(struct kgo_chan *c, const void *v, long long ns)
{
	port_might_park(__func__);
	return or_timed_out(ns > 0 ? chan_op(c, (void *)v, true, ns) :
			    chan_try(c, (void *)v, true));
}

int kgo_chan_recv_timeout(struct kgo_chan *c, void *v, long long ns)
{
	port_might_park(__func__);
	return or_timed_out(ns > 0 ? chan_op(c, v, false, ns) :
			    chan_try(c, v, false));
}

/*
 * Tell the waiters of a queue that this is the end, up to the first whose
 * goroutine has to be made ready.
 */
static struct kgo_g *close_some(struct kgo_chan *c, struct chan_queue *q,
				int result)
{
	struct kgo_g *ready = NULL;
	struct kgo_waiter *w;

	while (!ready && take_waiter(q, NULL, &w, &ready) > 0) {
		if (!result)
			copy(c, w->elem, NULL);
		w->result = result;
	}
	return ready;
}

int kgo_chan_close(struct kgo_chan *c)
{
	struct kgo_gq woken = { 0 };
	struct kgo_g *g;
	struct kgo_m *m;

	if (!c) {
		kgo_panic_any("close of nil channel");
		return -EINVAL;
	}
	if (kgo_chan_is_foreign(c)) {
		kgo_panic_any("close of synctest channel from outside bubble");
		return -EPERM;
	}
	m = kgo_enter_any();
	kgo_lock_in(&c->lock);
	if (c->closed) {
		port_unlock(&c->lock);
		kgo_leave_any(m);
		kgo_panic_any("close of closed channel");
		return -EPIPE;
	}
	port_store(&c->closed, 1);
	while ((g = close_some(c, &c->recvq, 0)))
		kgo_gq_push(&woken, g);
	while ((g = close_some(c, &c->sendq, -EPIPE)))
		kgo_gq_push(&woken, g);
	port_unlock(&c->lock);

	while ((g = kgo_gq_pop(&woken)))
		kgo_g_ready(g);
	kgo_leave_any(m);
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

	kgo_lock_in(&c->lock);
	send_now(c, v, NULL, &ready);
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

	kgo_lock_in(&c->lock);
	any = c->count;
	c->head = 0;
	port_store(&c->count, 0);
	chan_turn(c);
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
