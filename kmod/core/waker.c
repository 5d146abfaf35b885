// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Wakers: park and ready for everybody.
 *
 * What this adds to kgo_g_park() and kgo_g_ready() is the permit: who readies
 * need not know whether somebody is parked, and may be an interrupt.
 *
 * The lock is that of the bucket which the waker's address has in addrq.c, so
 * that a waker needs no set-up, is two words, and may go as soon as who was
 * parked goes on.  Nothing is queued there: a waker has one goroutine at most.
 *
 * Invariant, under that lock: permit and parked are not both set.
 *
 * Rejected: one word, changed by compare-and-swap.  A goroutine that has said
 * that it parks has not left its stack yet; an interrupt that comes then on the
 * same CPU could neither make it ready nor wait until it can.
 */
#include "addrq.h"

#define FOR_EVER	(-1LL)

/* On the stack of who parks, if the wait has an end. */
struct park_timer {
	struct kgo_alarm alarm;
	struct kgo_waker *w;
	u32		g;		/* C: index of who parks */
	bool		parked;		/* Q: the bucket's lock; it has come so far */
	bool		expired;	/* Q: likewise */
};

void kgo_waker_init(struct kgo_waker *w)
{
	w->permit = 0;
	w->parked = KGO_NO_G;
}

/* Who is parked, and is to be made ready, or NULL; with the lock. */
static struct kgo_g *take(struct kgo_waker *w)
{
	u32 index = w->parked;

	w->parked = KGO_NO_G;
	return index == KGO_NO_G ? NULL : port_g(index);
}

static struct kgo_g *park_fire(struct kgo_alarm *a)
{
	struct park_timer *t = container_of(a, struct park_timer, alarm);
	struct kgo_addrq *q = kgo_addrq_of(t->w);
	struct kgo_g *g = NULL;

	port_lock(&q->lock);
	if (!t->parked) {
		t->expired = true;
	} else if (t->w->parked == t->g) {
		t->expired = true;
		g = take(t->w);
	}
	port_unlock(&q->lock);
	return g;
}

/* With the lock, which it drops. */
static int wait(struct kgo_m *m, struct kgo_addrq *q, struct kgo_waker *w,
		struct park_timer *t, long long ns)
{
	int ret = 0;

	if (w->permit)
		w->permit = 0;
	else if (unlikely(w->parked != KGO_NO_G))
		ret = -EBUSY;
	else if (!ns || t->expired)
		ret = -ETIMEDOUT;
	else
		ret = -EAGAIN;
	if (ret != -EAGAIN) {
		port_unlock(&q->lock);
		return ret;
	}
	t->parked = true;
	w->parked = m->curg->index;
	if (ns < 0)
		kgo_wait_on(m, w);
	kgo_g_park(m, KGO_WAIT_WAKER, &q->lock);
	return t->expired ? -ETIMEDOUT : 0;
}

static int park(struct kgo_waker *w, long long ns)
{
	struct park_timer t = { .alarm.fire = park_fire, .w = w };
	struct kgo_addrq *q = kgo_addrq_of(w);
	struct kgo_m *m = kgo_enter_sched();
	int ret = 0;

	if (unlikely(!m))
		return -EPERM;
	t.g = m->curg->index;
	if (ns > 0)
		ret = kgo_alarm_start(&t.alarm, ns);
	if (!ret) {
		port_lock(&q->lock);
		ret = wait(m, q, w, &t, ns);
		/* After this it does not fire any more. */
		if (ns > 0)
			kgo_alarm_stop(&t.alarm);
	}
	kgo_leave_sched();
	if (unlikely(ret == -EBUSY))
		kgo_panic_rt("park on a waker that another goroutine is parked on");
	return ret;
}

int kgo_park(struct kgo_waker *w)
{
	return park(w, FOR_EVER);
}

int kgo_park_timeout(struct kgo_waker *w, long long ns)
{
	return park(w, ns > 0 ? ns : 0);
}

void kgo_ready(struct kgo_waker *w)
{
	struct kgo_addrq *q = kgo_addrq_of(w);
	struct kgo_m *m = kgo_enter_any();
	struct kgo_g *g;

	port_lock(&q->lock);
	g = take(w);
	if (!g)
		w->permit = 1;
	port_unlock(&q->lock);
	/* From here on the waker may be gone. */
	if (g)
		kgo_g_ready(g);
	kgo_leave_any(m);
}
