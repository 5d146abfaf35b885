// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Timers and tickers as programs see them, over the heaps of timer.c.
 *
 * All that a timer is changes under the lock of the heap that it is in or was
 * in last, which fire() runs under as well, and so does the emptying of its
 * channel: that is why no stale value can be received after a stop or a reset,
 * and why there is nothing to wait for before a timer is freed.  (Go, whose
 * timers send after they have dropped their lock, needs a sequence number and
 * a second lock for the same.)
 *
 * A channel of a timer has a buffer of one, and Stop and Reset empty it.  In Go
 * len() and cap() of such a channel lie and say 0; here they say what is there.
 */
#include "core.h"

struct kgo_ticker {
	struct kgo_timer t;
};

static struct kgo_g *send_time(struct kgo_alarm *a)
{
	struct kgo_timer *t = container_of(a, struct kgo_timer, alarm);
	unsigned long long now = kgo_now();

	return kgo_chan_offer(t->c, &now);
}

static bool stop_timer(struct kgo_timer *t)
{
	struct kgo_m *m = kgo_enter_any();
	struct kgo_p *p;
	bool pending;

	p = kgo_alarm_lock(&t->alarm);
	pending = kgo_alarm_take(p, &t->alarm);
	if (t->c && kgo_chan_drain(t->c))
		pending = true;
	port_unlock(&p->timers.lock);
	kgo_leave_any(m);
	return pending;
}

/* Returns as kgo_timer_reset(). */
static int start_timer(struct kgo_timer *t, long long ns, long long period)
{
	struct kgo_m *m = kgo_enter_sched();
	struct kgo_p *p;
	int ret;

	if (unlikely(!m))
		return -EPERM;
	p = kgo_alarm_lock_room(m, &t->alarm);
	if (!p) {
		kgo_leave_sched();
		stop_timer(t);
		return -ENOMEM;
	}
	ret = t->alarm.slot != 0;
	if (t->c && kgo_chan_drain(t->c))
		ret = 1;
	t->alarm.period = (u64)period;
	kgo_alarm_put(p, &t->alarm, ns);
	port_unlock(&p->timers.lock);
	/* Pairs with arb_park(): this goroutine may compute for long now. */
	port_mb();
	kgo_watch_timers(m, p);
	kgo_leave_sched();
	return ret;
}

/* Make it one with a channel, and start it. */
static int init_timer(struct kgo_timer *t, long long ns, long long period)
{
	int ret;

	t->alarm.fire = send_time;
	t->c = kgo_chan_make(sizeof(unsigned long long), 1);
	if (!t->c)
		return -ENOMEM;
	ret = start_timer(t, ns, period);
	if (ret < 0)
		kgo_chan_free(t->c);
	return ret;
}

struct kgo_timer *kgo_timer_new(long long ns)
{
	struct kgo_timer *t = port_alloc(sizeof(*t));

	if (t && init_timer(t, ns, 0) < 0) {
		port_free(t);
		t = NULL;
	}
	return t;
}

struct kgo_chan *kgo_timer_c(struct kgo_timer *t)
{
	return t->c;
}

int kgo_after_func_at(const struct kgo_site *site, struct kgo_timer *t,
		      long long ns, void (*fn)(void *), void *arg)
{
	if (!fn)
		return -EINVAL;
	memset(t, 0, sizeof(*t));
	t->fn = fn;
	t->arg = arg;
	t->site = site;
	t->parent = kgo_goid();
	return start_timer(t, ns, 0);
}

bool kgo_timer_stop(struct kgo_timer *t)
{
	if (unlikely(!t->c && !t->fn)) {
		kgo_panic_any("time: Stop called on uninitialized Timer");
		return false;
	}
	return stop_timer(t);
}

int kgo_timer_reset(struct kgo_timer *t, long long ns)
{
	if (unlikely(!t->c && !t->fn)) {
		kgo_panic_rt("time: Reset called on uninitialized Timer");
		return -EINVAL;
	}
	return start_timer(t, ns, 0);
}

int kgo_timer_free(struct kgo_timer *t)
{
	int ret;

	if (!t)
		return 0;
	kgo_timer_stop(t);
	if (!t->c)
		return -EINVAL;
	ret = kgo_chan_free(t->c);
	if (!ret)
		port_free(t);
	return ret;
}

struct kgo_ticker *kgo_ticker_new(long long ns)
{
	struct kgo_ticker *t;

	if (ns <= 0) {
		kgo_panic_rt("non-positive interval for NewTicker");
		return NULL;
	}
	t = port_alloc(sizeof(*t));
	if (t && init_timer(&t->t, ns, ns) < 0) {
		port_free(t);
		t = NULL;
	}
	return t;
}

struct kgo_chan *kgo_ticker_c(struct kgo_ticker *t)
{
	return t->t.c;
}

void kgo_ticker_stop(struct kgo_ticker *t)
{
	stop_timer(&t->t);
}

int kgo_ticker_reset(struct kgo_ticker *t, long long ns)
{
	int ret;

	if (ns <= 0) {
		kgo_panic_rt("non-positive interval for Ticker.Reset");
		return -EINVAL;
	}
	ret = start_timer(&t->t, ns, ns);
	return ret < 0 ? ret : 0;
}

int kgo_ticker_free(struct kgo_ticker *t)
{
	int ret;

	if (!t)
		return 0;
	stop_timer(&t->t);
	ret = kgo_chan_free(t->t.c);
	if (!ret)
		port_free(t);
	return ret;
}
