// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Select.
 *
 * First a look at all channels without their locks.  If some seem to be ready,
 * one of them is chosen at random and tried: with one lock most selects that
 * need not wait are done.
 *
 * Else a waiter goes into the queue of each channel, one after the other, each
 * after a last look under that channel's lock.  From the first one on others
 * may decide the select.  Deciding is done once, under the select's own lock,
 * by whoever comes first of
 *
 *   - a peer that takes one of the waiters off its queue (take_waiter() in chan.c),
 *   - the select itself, which finds a channel ready while it still queues up,
 *   - the timer.
 *
 * If nobody did until all waiters are queued the goroutine parks, and drops
 * that lock once it is off its stack: so whoever decides a parked one may make
 * it ready at once, and one that is still on its way is not made ready but
 * finds out by itself.  In the end the other waiters are taken back.
 *
 * Two selects that meet decide each other, or neither: the one that still
 * queues up takes both locks, the lower address first.
 *
 * A select with a default takes it if no channel is ready at one and the same
 * moment.  To look at one after the other is not enough: with two channels of
 * which one is ready at any time it can find neither (Go's TestNonblockSelect
 * Race).  So it looks at all of them twice, and at how often each has had a
 * turn meanwhile; if nothing has moved, no channel was ready at the end of the
 * first look.  That takes no lock.
 *
 * Rejected: to hold the locks of all channels, taken in order of their
 * address, from the last look until the goroutine is off its stack, as Go
 * does.  In the kernel those are spinlocks: interrupts would be off for a time
 * that the number of cases decides, and 255 is as many as it can count.  In a
 * program a thread that is preempted there would stop the users of them all.
 * And the cases need not be sorted.
 */
#include "chan.h"

#define FOR_EVER	(-1LL)
#define FOREIGN		"select on synctest channel from outside bubble"

/**
 * kgo_select_decide() - Decide a select, unless it is already
 * @w: its waiter that wins
 * @ready: where its goroutine goes if it has to be made ready; may be NULL if
 *	the caller is that goroutine
 *
 * CONTEXT: with the lock of the channel of @w.  Return: true if @w has won.
 */
bool kgo_select_decide(struct kgo_waiter *w, struct kgo_g **ready)
{
	struct kgo_select *sel = w->sel;
	bool first;

	kgo_lock_in(&sel->lock);
	first = !port_load(&sel->decided);
	if (first) {
		port_store(&sel->decided, true);
		sel->won = w;
		if (sel->parked)
			*ready = sel->g;
	}
	port_unlock(&sel->lock);
	return first;
}

/* Both, or neither.  @mine is not parked: it is the caller's. */
static enum chan_taken decide_both(struct kgo_waiter *me, struct kgo_waiter *w,
				   struct kgo_g **ready)
{
	struct kgo_select *mine = me->sel, *other = w->sel;
	struct kgo_select *first = mine < other ? mine : other;
	struct kgo_select *second = mine < other ? other : mine;
	enum chan_taken ret;

	kgo_lock_in(&first->lock);
	kgo_lock_in_nested(&second->lock);
	if (port_load(&mine->decided)) {
		ret = CHAN_LOST;
	} else if (port_load(&other->decided)) {
		ret = CHAN_STALE;
	} else {
		port_store(&mine->decided, true);
		mine->won = me;
		port_store(&other->decided, true);
		other->won = w;
		if (other->parked)
			*ready = other->g;
		ret = CHAN_TAKEN;
	}
	port_unlock(&second->lock);
	port_unlock(&first->lock);
	return ret;
}

/**
 * kgo_select_take() - May this waiter be served?
 * @me: NULL, or the waiter of the caller's select, another one than that of @w
 * @w: a waiter of the other direction
 * @ready: where the goroutine of @w goes if it has to be made ready
 *
 * CONTEXT: with the lock of the channel.
 * Return: %CHAN_TAKEN: it is the caller's, who does what it waited for before
 * he drops the lock; then the select of @me is decided as well.
 */
enum chan_taken kgo_select_take(struct kgo_waiter *me, struct kgo_waiter *w,
				struct kgo_g **ready)
{
	if (w->sel && me)
		return decide_both(me, w, ready);
	if (w->sel)
		return kgo_select_decide(w, ready) ? CHAN_TAKEN : CHAN_STALE;
	if (me && !kgo_select_decide(me, NULL))
		return CHAN_LOST;
	*ready = w->g;
	return CHAN_TAKEN;
}

static struct kgo_g *select_fire(struct kgo_alarm *t)
{
	struct kgo_select *sel = container_of(t, struct kgo_select, timer);
	struct kgo_g *g = NULL;

	kgo_lock_in(&sel->lock);
	if (!port_load(&sel->decided)) {
		port_store(&sel->decided, true);
		if (sel->parked)
			g = sel->g;
	}
	port_unlock(&sel->lock);
	return g;
}

static bool looks_ready(const struct kgo_case *k)
{
	return k->op == KGO_CASE_RECV ? chan_may_recv(k->c) : chan_may_send(k->c);
}

static int do_case(struct kgo_case *k, struct kgo_waiter *me,
		   struct kgo_g **ready)
{
	if (k->op == KGO_CASE_RECV)
		return kgo_chan_recv_now(k->c, k->v, me, ready);
	return kgo_chan_send_now(k->c, k->v, me, ready);
}

static struct chan_queue *queue_of(struct kgo_case *k)
{
	return k->op == KGO_CASE_RECV ? &k->c->recvq : &k->c->sendq;
}

/*
 * Queue up, from case @i on, which is a random one: if what look() had drawn is
 * snatched away all the time, no other case is to be preferred for that.
 * Return: how many cases were gone through.
 */
static unsigned int queue_up(struct kgo_select *sel, struct kgo_case *cases,
			     unsigned int n, unsigned int i)
{
	struct kgo_g *ready = NULL;
	unsigned int done;
	int ret;

	for (done = 0; done < n; done++, i = i + 1 == n ? 0 : i + 1) {
		struct kgo_case *k = &cases[i];
		struct kgo_waiter *w = &k->waiter;

		w->queued = 0;
		if (!k->c)
			continue;
		if (port_load(&sel->decided))
			break;
		w->g = sel->g;
		w->sel = sel;
		w->elem = k->v;
		kgo_lock_in(&k->c->lock);
		ret = do_case(k, w, &ready);
		if (ret == -EAGAIN) {
			chan_queue_push(queue_of(k), w);
			chan_turn(k->c);
			port_unlock(&k->c->lock);
			continue;
		}
		port_unlock(&k->c->lock);
		if (ret != -EALREADY)
			w->result = ret;
		if (ready)
			kgo_g_ready(ready);
		break;
	}
	return done;
}

/*
 * Take the waiters back.  Whoever has taken one off a queue has done with it
 * when he leaves the channel's lock.
 */
static void take_back(struct kgo_select *sel, struct kgo_case *cases,
		      unsigned int n, unsigned int i, unsigned int done)
{
	for (; done; done--, i = i + 1 == n ? 0 : i + 1) {
		struct kgo_case *k = &cases[i];

		/* Who woke it has done with its waiter before. */
		if (!k->c || (sel->parked && sel->won == &k->waiter))
			continue;
		kgo_lock_in(&k->c->lock);
		if (k->waiter.queued)
			chan_queue_del(queue_of(k), &k->waiter);
		port_unlock(&k->c->lock);
	}
}

/* Were they all made in a bubble, so that only it can end the wait? */
static bool all_inside(const struct kgo_case *cases, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (cases[i].c && !cases[i].c->bubble)
			return false;
	return true;
}

/* What came of a select that is decided, and whose waiters are back. */
static int outcome(struct kgo_select *sel)
{
	struct kgo_case *k;

	if (!sel->won)
		return -ETIMEDOUT;
	k = container_of(sel->won, struct kgo_case, waiter);
	if (k->op == KGO_CASE_SEND && !k->waiter.result)
		k->ok = 1;
	else
		k->ok = k->waiter.result;
	return k->ok < 0 ? k->ok : (int)(k - sel->cases);
}

/**
 * kgo_select_start() - Begin to wait
 * @m: from kgo_enter_sched(); its goroutine is to park
 * @sel: goes after kgo_select_finish(), or if this returns something else
 * @cases: nothing seems to be ready; go when @sel does
 * @n: how many
 * @ns: nanoseconds, negative for ever; not zero
 *
 * CONTEXT: a goroutine with in_sched set, no lock held; may sleep.
 * Return: -EINPROGRESS: sel->lock is held, to be dropped once the goroutine
 * waits; else as kgo_select_timeout(), does not panic.
 */
int kgo_select_start(struct kgo_m *m, struct kgo_select *sel,
		     struct kgo_case *cases, unsigned int n, long long ns)
{
	unsigned int first = n > 1 ? kgo_rand(m) % n : 0, done;
	int ret;

	sel->decided = false;
	sel->parked = false;
	sel->won = NULL;
	sel->g = m->curg;
	sel->cases = cases;
	sel->n = n;
	sel->timed = ns > 0;
	sel->timer.fire = select_fire;
	sel->timer.period = 0;
	port_lock_init(&sel->lock);
	if (sel->timed) {
		ret = kgo_alarm_start(&sel->timer, ns);
		if (ret)
			return ret;
	}
	done = queue_up(sel, cases, n, first);
	kgo_lock_in(&sel->lock);
	if (!port_load(&sel->decided)) {
		sel->parked = true;
		if (unlikely(kgo_bubble_of(m->curg)))
			kgo_bubble_inside(m->curg, all_inside(cases, n));
		return -EINPROGRESS;
	}
	port_unlock(&sel->lock);
	take_back(sel, cases, n, first, done);
	if (sel->timed)
		kgo_alarm_stop(&sel->timer);
	return outcome(sel);
}

/**
 * kgo_select_finish() - The goroutine was woken
 * @sel: from kgo_select_start()
 *
 * CONTEXT: as there.  Return: as kgo_select_timeout(), does not panic.
 */
int kgo_select_finish(struct kgo_select *sel)
{
	/* It queued up everywhere before it parked. */
	take_back(sel, sel->cases, sel->n, 0, sel->n);
	if (sel->timed)
		kgo_alarm_stop(&sel->timer);
	return outcome(sel);
}

/* Nothing seems to be ready.  As kgo_select(), with in_sched set. */
static int select_slow(struct kgo_m *m, struct kgo_case *cases, unsigned int n,
		       long long ns, u16 reason)
{
	struct kgo_select sel;
	int ret;

	ret = kgo_select_start(m, &sel, cases, n, ns);
	if (ret != -EINPROGRESS)
		return ret;
	kgo_g_park(m, reason, &sel.lock);
	return kgo_select_finish(&sel);
}

/* An interrupt has no generator of its own. */
static u32 draw(struct kgo_m *m)
{
	return likely(m) ? kgo_rand(m) : (u32)port_seed();
}

/*
 * Look at all cases without a lock.  If some seem to be ready *pick is one of
 * them, all with the same chance.
 * Return: how many; -EINVAL for a case that cannot be, -EPERM for a channel of
 * a bubble that the caller is not in.
 */
static inline int look(struct kgo_m *m, struct kgo_case *cases, unsigned int n,
		       unsigned int *pick)
{
	unsigned int seen = 0, i;

	for (i = 0; i < n; i++) {
		struct kgo_case *k = &cases[i];

		if (unlikely(k->op - KGO_CASE_RECV > 1))
			return -EINVAL;
		if (!k->c)
			continue;
		if (kgo_chan_is_foreign(k->c))
			return -EPERM;
		k->waiter.result = (int)port_load_acquire(&k->c->turns);
		if (!looks_ready(k))
			continue;
		/* Reservoir sampling, Knuth 3.4.2 */
		if (!seen++ || ((u64)draw(m) * seen) >> 32 == 0)
			*pick = i;
	}
	return (int)seen;
}

/* After look() has found nothing: was that so at one and the same moment? */
static bool nothing_ready(struct kgo_case *cases, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct kgo_case *k = &cases[i];

		if (!k->c)
			continue;
		/* In this order; pairs with chan_turn(). */
		if (looks_ready(k) ||
		    port_load_acquire(&k->c->turns) != (u32)k->waiter.result)
			return false;
	}
	return true;
}

/**
 * kgo_select_now() - Do one of the cases that are ready
 * @m: from kgo_enter_sched()
 * @cases: the cases
 * @n: how many
 * @ns: 0 if -EAGAIN is a final answer
 *
 * CONTEXT: a goroutine with in_sched set, no lock held.
 * Return: as kgo_select_try(), does not panic; -EPERM for a channel of another
 * bubble; -EINPROGRESS, if @ns is not 0, to go on with kgo_select_start().
 */
int kgo_select_now(struct kgo_m *m, struct kgo_case *cases, unsigned int n,
		   long long ns)
{
	struct kgo_g *ready = NULL;
	unsigned int pick = 0;
	struct kgo_case *k;
	int ret;

	if (n > (~0U >> 1))
		return -EINVAL;
	do {
		ret = look(m, cases, n, &pick);
		if (ret < 0)
			return ret;
		if (ret) {
			k = &cases[pick];
			kgo_lock_in(&k->c->lock);
			ret = do_case(k, NULL, &ready);
			port_unlock(&k->c->lock);
			if (ready)
				kgo_g_ready(ready);
			if (likely(ret != -EAGAIN)) {
				k->ok = k->op == KGO_CASE_SEND && !ret ? 1 : ret;
				return ret < 0 ? ret : (int)pick;
			}
		} else if (!ns && nothing_ready(cases, n)) {
			return -EAGAIN;
		}
		/* Each further round is a step forward of somebody else. */
	} while (!ns);
	return -EINPROGRESS;
}

static int do_select(struct kgo_case *cases, unsigned int n, long long ns)
{
	const u16 reason = n ? KGO_WAIT_SELECT : KGO_WAIT_SELECT_EMPTY;
	struct kgo_m *m = ns ? kgo_enter_sched() : kgo_enter_any();
	bool refused;
	int ret;

	if (unlikely(ns && !m))
		return -EPERM;
	ret = kgo_select_now(m, cases, n, ns);
	refused = ret == -EINPROGRESS && unlikely(kgo_is_stackless(m->curg));
	if (ret == -EINPROGRESS && !refused)
		ret = select_slow(m, cases, n, ns, reason);
	/* Not that of before: it may have parked. */
	kgo_leave_any(ns ? port_self() : m);
	if (unlikely(refused))
		return kgo_cont_refuse(reason);
	if (unlikely(ret == -EPERM))
		(ns ? kgo_panic_rt : kgo_panic_any)(FOREIGN);
	if (unlikely(ret == -EPIPE))
		(ns ? kgo_panic_rt : kgo_panic_any)("send on closed channel");
	return ret;
}

/**
 * kgo_select_one() - Send or receive with an end
 * @m: from kgo_enter_sched()
 * @c: the channel
 * @v: the value, or where to
 * @send: send
 * @ns: nanoseconds, positive
 *
 * CONTEXT: a goroutine with in_sched set; parks.
 * Return: as kgo_chan_send_timeout() and kgo_chan_recv_timeout(), does not
 * panic.
 */
int kgo_select_one(struct kgo_m *m, struct kgo_chan *c, void *v, bool send,
		   long long ns)
{
	struct kgo_case k = KGO_CASE(c, v, send ? KGO_CASE_SEND : KGO_CASE_RECV);
	int ret;

	ret = select_slow(m, &k, 1, ns, send ? KGO_WAIT_CHAN_SEND :
			  KGO_WAIT_CHAN_RECEIVE);
	if (ret < 0)
		return ret;
	return send ? 0 : k.ok;
}

int kgo_select(struct kgo_case *cases, unsigned int n)
{
	port_might_park(__func__);
	return do_select(cases, n, FOR_EVER);
}

int kgo_select_try(struct kgo_case *cases, unsigned int n)
{
	return do_select(cases, n, 0);
}

int kgo_select_timeout(struct kgo_case *cases, unsigned int n, long long ns)
{
	int ret;

	port_might_park(__func__);
	if (ns < 0)
		ns = 0;
	ret = do_select(cases, n, ns);
	return ret == -EAGAIN ? -ETIMEDOUT : ret;
}
