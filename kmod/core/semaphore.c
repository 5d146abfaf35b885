// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Semaphore: a bound on what is in use at one time, with weights.  What
 * golang.org/x/sync/semaphore does.
 *
 * Everything happens under the lock of the bucket in which its waiters are
 * found by the semaphore's address (addrq.c), so that it needs no lock, queue
 * or end of its own.
 *
 * Invariant: the first waiter asks for more than is free.  Those behind it
 * wait even if there would be enough for them, or who asks for much would
 * starve.  Who asks for more than there is at all does not queue: it would
 * keep the others out for ever.
 *
 * A wait with a context has two that can end it: whoever releases, and the
 * context's call, in a goroutine of its own.  The lock decides.  The record is
 * on the waiter's stack: unless the call is known not to come, the waiter
 * stays until it is over.
 */
#include "addrq.h"

struct sem_waiter {
	struct kgo_addrq_waiter w;
	s64		n;
	struct kgo_semaphore *s;
	struct kgo_ctx	*ctx;
	bool		queued;		/* Q: the bucket's lock */
	int		result;		/* Q: likewise; -EAGAIN: not decided */
	u32		over;		/* a semaphore: the context's call is */
};

static bool is_free(const struct kgo_semaphore *s, s64 n)
{
	return s->size - s->used >= n;
}

/* Without waiting; with the lock. */
static bool take(struct kgo_addrq *q, struct kgo_semaphore *s, s64 n)
{
	if (!is_free(s, n) || kgo_addrq_first(q, s))
		return false;
	s->used += n;
	return true;
}

/* Serve who is first, as long as there is enough; with the lock. */
static void serve(struct kgo_addrq *q, struct kgo_semaphore *s,
		  struct kgo_gq *woken)
{
	struct kgo_addrq_waiter *w;
	struct sem_waiter *sw;

	while ((w = kgo_addrq_first(q, s))) {
		sw = container_of(w, struct sem_waiter, w);
		if (!is_free(s, sw->n))
			return;
		s->used += sw->n;
		kgo_addrq_pop(q, s);
		sw->queued = false;
		sw->result = 0;
		kgo_gq_push(woken, w->g);
	}
}

static void ready_all(struct kgo_gq *woken)
{
	struct kgo_g *g;

	while ((g = kgo_gq_pop(woken)))
		kgo_g_ready(g);
}

/* The context of a waiter is done. */
static void give_up(void *arg)
{
	struct sem_waiter *sw = arg;
	struct kgo_semaphore *s = sw->s;
	struct kgo_addrq *q = kgo_addrq_of(s);
	struct kgo_gq woken = { 0 };
	int err = kgo_ctx_err(sw->ctx);

	kgo_enter_sched();
	port_lock(&q->lock);
	if (sw->result == -EAGAIN) {
		sw->result = err;
		if (sw->queued) {
			kgo_addrq_del(q, &sw->w);
			sw->queued = false;
			kgo_gq_push(&woken, sw->w.g);
			/* There may be enough for who stood behind it. */
			serve(q, s, &woken);
		}
	}
	port_unlock(&q->lock);
	ready_all(&woken);
	kgo_leave_sched();
	/* The last access. */
	kgo_sema_release(&sw->over, false);
}

/* Queue up, or what else is to be done by now; returns with the lock dropped. */
static void wait(struct kgo_m *m, struct kgo_addrq *q, struct sem_waiter *sw)
{
	struct kgo_semaphore *s = sw->s;

	if (sw->result == -EAGAIN && take(q, s, sw->n))
		sw->result = 0;
	if (sw->result != -EAGAIN) {
		port_unlock(&q->lock);
		return;
	}
	sw->w.g = m->curg;
	sw->queued = true;
	kgo_addrq_push(q, s, &sw->w, false);
	kgo_g_park(m, KGO_WAIT_SEMAPHORE, &q->lock);
}

static int wait_ctx(struct kgo_addrq *q, struct sem_waiter *sw)
{
	struct kgo_ctx_after *after;
	struct kgo_m *m;

	after = kgo_ctx_after_func(sw->ctx, give_up, sw);
	if (!after)
		return -ENOMEM;
	m = kgo_enter_sched();
	port_lock(&q->lock);
	wait(m, q, sw);
	kgo_leave_sched();
	if (!kgo_ctx_after_stop(after))
		kgo_sema_acquire(&sw->over, KGO_WAIT_SEMAPHORE, false);
	return sw->result;
}

/* For what will never be free: until the context is done, or for ever. */
static int wait_in_vain(struct sem_waiter *sw)
{
	struct kgo_ctx_after *after = NULL;

	if (sw->ctx) {
		after = kgo_ctx_after_func(sw->ctx, give_up, sw);
		if (!after)
			return -ENOMEM;
	}
	kgo_sema_acquire(&sw->over, KGO_WAIT_SEMAPHORE, false);
	kgo_ctx_after_put(after);
	return sw->result;
}

void kgo_semaphore_init(struct kgo_semaphore *s, long long size)
{
	s->size = size;
	s->used = 0;
}

int kgo_semaphore_acquire(struct kgo_semaphore *s, struct kgo_ctx *ctx,
			  long long n)
{
	struct sem_waiter sw = { .n = n, .s = s, .ctx = ctx, .result = -EAGAIN };
	struct kgo_addrq *q = kgo_addrq_of(s);
	struct kgo_g *g = kgo_self_g();
	struct kgo_m *m;
	int ret;

	port_might_park(__func__);
	if (n < 0)
		return -EINVAL;
	ret = ctx ? kgo_ctx_err(ctx) : 0;
	if (ret)
		return ret;
	if (unlikely(g && kgo_is_stackless(g)))
		return kgo_semaphore_try_acquire(s, n) ? 0 :
		       kgo_cont_refuse(KGO_WAIT_SEMAPHORE);
	if (n > s->size)
		return wait_in_vain(&sw);
	m = kgo_enter_sched();
	if (unlikely(!m))
		return -EPERM;
	port_lock(&q->lock);
	if (!ctx) {
		wait(m, q, &sw);
		kgo_leave_sched();
		return sw.result;
	}
	ret = take(q, s, n) ? 0 : -EAGAIN;
	port_unlock(&q->lock);
	kgo_leave_sched();
	return ret ? wait_ctx(q, &sw) : 0;
}

bool kgo_semaphore_try_acquire(struct kgo_semaphore *s, long long n)
{
	struct kgo_addrq *q = kgo_addrq_of(s);
	struct kgo_m *m;
	bool ok;

	if (n < 0)
		return false;
	m = kgo_enter_any();
	port_lock(&q->lock);
	ok = take(q, s, n);
	port_unlock(&q->lock);
	kgo_leave_any(m);
	return ok;
}

void kgo_semaphore_release(struct kgo_semaphore *s, long long n)
{
	struct kgo_addrq *q = kgo_addrq_of(s);
	struct kgo_gq woken = { 0 };
	struct kgo_m *m = kgo_enter_any();
	bool ok;

	port_lock(&q->lock);
	ok = n >= 0 && n <= s->used;
	if (ok) {
		s->used -= n;
		serve(q, s, &woken);
	}
	port_unlock(&q->lock);
	ready_all(&woken);
	kgo_leave_any(m);
	if (unlikely(!ok))
		kgo_panic_any("semaphore: released more than held");
}
