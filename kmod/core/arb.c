// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The arbiter.  See arb.h for the picture.
 *
 * Invariants:
 *   - A P has at most one owner: only a successful compare-and-swap of its
 *     word to RUNNING(m) makes one.
 *   - An M owns at most one P.  One more may be given to it ahead of its park
 *     (arb_m.given): reserved, not owned.
 *   - No P is idle while an M wants one.
 *   - No P from nr_on on is idle or blocked for longer than it takes to say so:
 *     whoever lets go of one turns it off.
 *   - r->nr_avail is never less than the number of Ps that are idle or blocked:
 *     a P is counted before its word says so, and until after.  Who sees one
 *     too many looks in vain; who saw one too few would not look at all.
 *   - No P that is idle or blocked stays so while there is work, a spare M and
 *     nobody looking.  Two barriers see to that: the one of arb_block() with
 *     the one of arb_park() ("I sleep, is anybody parked?" against "I park, is
 *     anybody asleep with work?"), and the one of a runtime that queues a
 *     goroutine and then reads nr_avail with those of arb_park() and
 *     arb_block().
 *
 * Non-goals: it neither knows what an M runs nor looks into goroutines.  Which
 * spare M gets a P is a matter of warm caches (newest first); which wanting M
 * does is one of fairness (oldest first).
 *
 * Rejected: a list of idle Ps.  sched_in must take and leave it without the
 * lock, and a scan of at most a few hundred words, done only by a thread that
 * parks or wakes another, was never measurable.
 */
#include "arb.h"

static u64 arb_next_word(u64 old, u32 state, u32 m)
{
	return (((old >> 32) + 1) << 32) | (u64)(m << 2) | state;
}

static bool arb_try_take(struct arb *arb, u32 p, u64 old, u32 m)
{
	if (!port_cas(&arb->word[p], old, arb_next_word(old, ARB_RUNNING, m)))
		return false;
	port_add(&arb->r->nr_avail, -1U);
	return true;
}

/* Take an idle P, else one whose M is blocked.  Returns it or KGO_NONE. */
static u32 arb_take_any(struct arb *arb, u32 m, u32 prefer)
{
	u32 state, i, p;
	u64 old;

	port_assert_held(&arb->lock);
	for (state = ARB_IDLE; state <= ARB_BLOCKED; state += ARB_BLOCKED) {
		for (i = 0; i < arb->nr_ps; i++) {
			p = i;
			if (prefer < arb->nr_ps)
				p = (prefer + i) % arb->nr_ps;
			old = port_load(&arb->word[p]);
			if (arb_word_state(old) != state)
				continue;
			if (!arb_try_take(arb, p, old, m))
				continue;
			if (state == ARB_BLOCKED)
				arb->handoffs++;
			return p;
		}
	}
	return KGO_NONE;
}

/* Take an available P that has work of its own.  Returns it or KGO_NONE. */
static u32 arb_take_busy(struct arb *arb, u32 m)
{
	u32 p, state;
	u64 old;

	port_assert_held(&arb->lock);
	for (p = 0; p < arb->nr_ps; p++) {
		old = port_load(&arb->word[p]);
		state = arb_word_state(old);
		if ((state != ARB_IDLE && state != ARB_BLOCKED) ||
		    !arb_p_has_work(arb, p))
			continue;
		if (!arb_try_take(arb, p, old, m))
			continue;
		if (state == ARB_BLOCKED)
			arb->handoffs++;
		return p;
	}
	return KGO_NONE;
}

static void arb_list_add(struct arb *arb, struct arb_m *am, u32 mode)
{
	port_assert_held(&arb->lock);
	am->mode = mode;
	arb->moves++;
	if (mode == ARB_WANT) {
		kgo_list_push_back(&arb->want, &am->link);
		port_store(&arb->r->nr_want, arb->r->nr_want + 1);
	} else if (mode == ARB_SPARE) {
		kgo_list_push_front(&arb->spare, &am->link);
		port_store(&arb->r->nr_spare, arb->r->nr_spare + 1);
	} else {
		arb->nr_bound++;
		return;
	}
	port_store(&arb->nr_parked, arb->nr_parked + 1);
}

/**
 * arb_list_del() - An M waits no more
 * @arb: the arbiter
 * @am: a parked M
 *
 * CONTEXT: arb->lock held.
 */
void arb_list_del(struct arb *arb, struct arb_m *am)
{
	port_assert_held(&arb->lock);
	arb->moves++;
	if (am->mode == ARB_WANT)
		port_store(&arb->r->nr_want, arb->r->nr_want - 1);
	else if (am->mode == ARB_SPARE)
		port_store(&arb->r->nr_spare, arb->r->nr_spare - 1);
	else if (am->mode == ARB_BOUND)
		arb->nr_bound--;
	if (am->mode == ARB_WANT || am->mode == ARB_SPARE) {
		kgo_list_del(&am->link);
		port_store(&arb->nr_parked, arb->nr_parked - 1);
	}
	/* Pairs with arb_granted(): am->p is seen with it. */
	port_store_release(&am->mode, ARB_OUT);
}

/* @am is parked and its P word already says RUNNING(@am). */
static void arb_grant(struct arb *arb, struct arb_m *am, u32 p, u32 result)
{
	port_store(&am->p, p);
	am->result = result;
	arb->grants++;
	arb_list_del(arb, am);
	arb->grant(arb, am);
}

static struct arb_m *arb_first(struct kgo_list *head)
{
	if (kgo_list_empty(head))
		return NULL;
	return container_of(head->next, struct arb_m, link);
}

/*
 * Move the P of @am on: to @target, else to whoever wants one, else to a spare
 * M if there is work on it, else to nobody.
 */
static int arb_put(struct arb *arb, struct arb_m *am, struct arb_m *target)
{
	u32 p = am->p;
	bool off = p >= arb->nr_on && !target;
	struct arb_m *to;
	u64 old, new;

	port_assert_held(&arb->lock);
	if (target && target->mode == ARB_GONE)
		return -ESRCH;
	if (target && target->given != KGO_NONE)
		return -EBUSY;

	to = target;
	if (!to && !off)
		to = arb_first(&arb->want);
	if (!to && !off && arb_p_has_work(arb, p))
		to = arb_first(&arb->spare);

	/*
	 * The word is RUNNING(am) and only am moves it, unless am is leaving:
	 * then it may be BLOCKED(am) and go to somebody else meanwhile.
	 */
	if (!to && !off)
		port_add(&arb->r->nr_avail, 1);
	do {
		old = port_load(&arb->word[p]);
		if (!arb_word_is_of(old, am->index)) {
			port_store(&am->p, KGO_NONE);
			if (!to && !off)
				port_add(&arb->r->nr_avail, -1U);
			return -ENXIO;
		}
		if (to)
			new = arb_next_word(old, ARB_RUNNING, to->index);
		else
			new = arb_next_word(old, off ? ARB_OFF : ARB_IDLE, 0);
	} while (!port_cas(&arb->word[p], old, new));
	am->last_p = p;
	port_store(&am->p, KGO_NONE);
	/* It was counted already, and is no more, or twice. */
	if (arb_word_state(old) == ARB_BLOCKED)
		port_add(&arb->r->nr_avail, -1U);

	if (to && to->mode != ARB_OUT)
		arb_grant(arb, to, p, 0);
	else if (to)
		to->given = p;
	return 0;
}

/*
 * The caller's P has gone idle.  Whoever queued work just before saw no P
 * available and woke nobody; whoever does after this wakes somebody.  The add
 * to nr_avail is a full barrier and pairs with that of a runtime that queues a
 * goroutine and then reads nr_avail.
 */
static void arb_offer(struct arb *arb)
{
	struct arb_m *to = arb_first(&arb->spare);
	u32 p;

	port_assert_held(&arb->lock);
	if (!to || !port_load(&arb->r->nr_avail) || arb_somebody_looks(arb))
		return;
	p = arb_take_busy(arb, to->index);
	if (p == KGO_NONE && arb_any_work(arb))
		p = arb_take_any(arb, to->index, KGO_NONE);
	if (p != KGO_NONE)
		arb_grant(arb, to, p, 0);
}

/**
 * arb_turn_off() - Nobody owns a P any more that nobody is to own
 * @arb: the arbiter
 * @p: index of a P, not below nr_on
 *
 * CONTEXT: arb->lock held.  Return: false if an M owns it still.
 */
bool arb_turn_off(struct arb *arb, u32 p)
{
	u64 old;

	port_assert_held(&arb->lock);
	do {
		old = port_load(&arb->word[p]);
		if (arb_word_state(old) == ARB_OFF)
			return true;
		if (arb_word_state(old) == ARB_RUNNING)
			return false;
	} while (!port_cas(&arb->word[p], old, arb_next_word(old, ARB_OFF, 0)));
	port_add(&arb->r->nr_avail, -1U);
	return true;
}

/**
 * arb_turn_on() - A P may be owned again
 * @arb: the arbiter
 * @p: index of a P below nr_on that is off
 *
 * CONTEXT: arb->lock held.
 */
void arb_turn_on(struct arb *arb, u32 p)
{
	struct arb_m *to = arb_first(&arb->want);
	u64 old = port_load(&arb->word[p]);

	port_assert_held(&arb->lock);
	port_add(&arb->r->nr_avail, 1);
	/* Only a holder of the lock moves a word that says OFF. */
	port_store(&arb->word[p], arb_next_word(old, ARB_IDLE, 0));
	if (!to) {
		arb_offer(arb);
		return;
	}
	p = arb_take_any(arb, to->index, p);
	if (p != KGO_NONE)
		arb_grant(arb, to, p, 0);
}

/* Give the P of @am up, if it has one. */
static void arb_drop(struct arb *arb, struct arb_m *am)
{
	port_assert_held(&arb->lock);
	if (am->p == KGO_NONE)
		return;
	arb_put(arb, am, NULL);
	arb_offer(arb);
}

/* A P was given to @am before it came to park. */
static bool arb_take_given(struct arb *arb, struct arb_m *am)
{
	port_assert_held(&arb->lock);
	if (am->given == KGO_NONE)
		return false;
	arb_drop(arb, am);
	port_store(&am->p, am->given);
	am->given = KGO_NONE;
	am->result = 0;
	return true;
}

/**
 * arb_init() - Set up an arbiter, every P idle
 * @arb: zeroed, but for @arb->word, which has room for @nr_ps words, and
 *	perhaps @arb->grant
 * @nr_ps: number of Ps
 * @r: the runtime page
 * @pdesc: the P records
 *
 * Return: 0, or -EINVAL for no Ps or more than a P word can tell apart.
 */
int arb_init(struct arb *arb, u32 nr_ps, struct kgo_rdesc *r, void *pdesc)
{
	u32 p;

	if (!nr_ps || nr_ps >= 1U << 20 || !arb->word)
		return -EINVAL;
	port_lock_init(&arb->lock);
	kgo_list_init(&arb->spare);
	kgo_list_init(&arb->want);
	if (!arb->grant)
		arb->grant = arb_port_grant;
	arb->nr_ps = nr_ps;
	arb->nr_on = nr_ps;
	arb->r = r;
	arb->pdesc = pdesc;
	arb->moves = 1;
	for (p = 0; p < nr_ps; p++)
		arb->word[p] = ARB_IDLE;
	r->nr_avail = nr_ps;
	return 0;
}

/**
 * arb_m_init() - Set up what the arbiter knows of an M
 * @am: not in use
 * @index: its index, below 2^30
 */
void arb_m_init(struct arb_m *am, u32 index)
{
	kgo_list_init(&am->link);
	am->index = index;
	am->mode = ARB_OUT;
	am->p = KGO_NONE;
	am->last_p = KGO_NONE;
	am->given = KGO_NONE;
	am->result = 0;
	am->block_word = 0;
	am->suspect = 0;
}

/**
 * arb_join() - There is one M more
 * @arb: the arbiter
 * @am: from arb_m_init(); its thread is alive until arb_leave()
 *
 * CONTEXT: any that can take arb->lock.
 */
void arb_join(struct arb *arb, struct arb_m *am)
{
	(void)am;
	port_lock(&arb->lock);
	arb->nr_ms++;
	arb->moves++;
	port_unlock(&arb->lock);
}

static bool arb_any_idle(struct arb *arb)
{
	u32 p;

	for (p = 0; p < arb->nr_ps; p++)
		if (arb_word_state(port_load(&arb->word[p])) == ARB_IDLE)
			return true;
	return false;
}

/**
 * arb_block() - The M goes to sleep outside the runtime
 * @arb: the arbiter
 * @am: the calling thread, or one that cannot run meanwhile
 *
 * Whoever queued work while no P was available woke nobody, so this looks for
 * all work, unless a P is idle: that one stays available until somebody holds
 * the lock and looks.  One that is blocked does not: its M may take it back at
 * any moment, and two that rely on each other would both be wrong.
 *
 * CONTEXT: the kernel's sched_out, run queue lock held: no lock, no loop but
 * those over the Ps' words and hints, and that only if an M is parked.
 * Return: true if arb_handoff() should be called from a better place.
 */
bool arb_block(struct arb *arb, struct arb_m *am)
{
	u32 p = am->p;
	u64 old, new;

	if (p == KGO_NONE)
		return false;
	old = port_load(&arb->word[p]);
	if (arb_word_state(old) != ARB_RUNNING || arb_word_m(old) != am->index)
		return false;
	new = arb_next_word(old, ARB_BLOCKED, am->index);
	port_store(&am->block_word, new);
	port_add(&arb->r->nr_avail, 1);
	if (!port_cas(&arb->word[p], old, new)) {
		port_add(&arb->r->nr_avail, -1U);
		return false;
	}
	/*
	 * A full barrier: the word is BLOCKED before nr_on, nr_parked and other
	 * words are read.  Pairs with the ones in arb_use(), in arb_park(), which
	 * is listed before it reads words, and in kgo_wakep_slow(), which tries
	 * again as long as a P is available.
	 */
	if (unlikely(p >= port_load(&arb->nr_on)))
		return true;
	if (!port_load(&arb->nr_parked))
		return false;
	if (!port_load(&arb->r->nr_spinning) && !arb_any_idle(arb) &&
	    arb_any_work(arb))
		return true;
	return port_load(&arb->r->nr_want) || arb_p_has_work(arb, p);
}

/**
 * arb_unblock() - The M runs again after arb_block()
 * @arb: the arbiter
 * @am: the calling thread
 *
 * Takes its P back, or the same P if that is idle by now.
 * CONTEXT: as arb_block(), but without the run queue lock.
 * Return: true if it owns a P (am->p), else am->p is KGO_NONE.
 */
bool arb_unblock(struct arb *arb, struct arb_m *am)
{
	u32 p = am->p;
	u64 old;

	if (p != KGO_NONE) {
		if (arb_try_take(arb, p, am->block_word, am->index))
			return true;
		am->last_p = p;
		port_store(&am->p, KGO_NONE);
	}
	p = am->last_p;
	if (p == KGO_NONE)
		return false;
	old = port_load(&arb->word[p]);
	if (arb_word_state(old) != ARB_IDLE ||
	    !arb_try_take(arb, p, old, am->index))
		return false;
	port_store(&am->p, p);
	return true;
}

/**
 * arb_handoff() - Grant the P of a blocked M to a parked one
 * @arb: the arbiter
 * @am: the M for which arb_block() returned true; it may be running again
 *
 * CONTEXT: any that can take arb->lock.
 * Return: true if the P went to another M.
 */
bool arb_handoff(struct arb *arb, struct arb_m *am)
{
	struct arb_m *to;
	bool done = false;
	u64 old;
	u32 p;

	port_lock(&arb->lock);
	p = port_load(&am->p);
	old = port_load(&am->block_word);
	if (unlikely(p >= arb->nr_on)) {
		if (p < arb->nr_ps)
			arb_turn_off(arb, p);
		goto unlock;
	}
	to = arb_first(&arb->want);
	if (!to)
		to = arb_first(&arb->spare);
	/* The sequence in the word makes a stale p or old harmless. */
	if (to && p < arb->nr_ps && arb_word_state(old) == ARB_BLOCKED &&
	    arb_try_take(arb, p, old, to->index)) {
		arb->handoffs++;
		arb_grant(arb, to, p, 0);
		done = true;
	}
unlock:
	port_unlock(&arb->lock);
	return done;
}

/**
 * arb_acquire() - Take an available P without waiting
 * @arb: the arbiter
 * @am: the calling thread
 *
 * CONTEXT: any that can take arb->lock.
 * Return: 0 with am->p owned, or -EAGAIN.
 */
int arb_acquire(struct arb *arb, struct arb_m *am)
{
	u32 p;

	if (am->p != KGO_NONE)
		return 0;
	port_lock(&arb->lock);
	if (!arb_take_given(arb, am)) {
		p = KGO_NONE;
		if (kgo_list_empty(&arb->want))
			p = arb_take_any(arb, am->index, am->last_p);
		port_store(&am->p, p);
	}
	port_unlock(&arb->lock);
	return am->p == KGO_NONE ? -EAGAIN : 0;
}

/**
 * arb_release() - Give the P up
 * @arb: the arbiter
 * @am: the calling thread
 * @target: who gets it, or NULL
 *
 * CONTEXT: any that can take arb->lock.
 * Return: 0, -ENXIO without a P, -EBUSY if @target has one given already,
 * -ESRCH if it has left.
 */
int arb_release(struct arb *arb, struct arb_m *am, struct arb_m *target)
{
	int ret;

	if (am->p == KGO_NONE)
		return -ENXIO;
	port_lock(&arb->lock);
	ret = arb_put(arb, am, target);
	if (!ret)
		arb_offer(arb);
	port_unlock(&arb->lock);
	return ret;
}

/**
 * arb_wake() - Grant an available P to a parked M
 * @arb: the arbiter
 *
 * CONTEXT: any that can take arb->lock.
 * Return: %KGO_ENTER_R_WAKE if a spare M was woken, which has the caller's
 * spinning role now; 0 if one that wanted a P got it; -ESRCH if none is
 * parked, -EAGAIN if no P is available.
 */
int arb_wake(struct arb *arb)
{
	struct arb_m *to;
	int ret = -ESRCH;
	u32 p;

	port_lock(&arb->lock);
	to = arb_first(&arb->want);
	if (!to)
		to = arb_first(&arb->spare);
	if (to) {
		ret = -EAGAIN;
		p = arb_take_busy(arb, to->index);
		if (p == KGO_NONE)
			p = arb_take_any(arb, to->index, KGO_NONE);
		if (p != KGO_NONE) {
			ret = to->mode == ARB_SPARE ? KGO_ENTER_R_WAKE : 0;
			arb_grant(arb, to, p, ret);
		}
	}
	port_unlock(&arb->lock);
	return ret;
}

/**
 * arb_completed() - There is something in the completion ring
 * @arb: the arbiter
 *
 * A parked M comes back for it, unless one that runs will see it in time.
 * CONTEXT: any that can take arb->lock.
 */
void arb_completed(struct arb *arb)
{
	/*
	 * Pairs with arb_park(): the ring is filled before nr_parked is read, an
	 * M is listed before the ring is looked at.
	 */
	port_mb();
	if (!port_load(&arb->nr_parked) || !port_load(&arb->r->nr_avail) ||
	    arb_somebody_looks(arb))
		return;
	port_lock(&arb->lock);
	arb_offer(arb);
	port_unlock(&arb->lock);
}

/**
 * arb_park() - Join those who wait for a P
 * @arb: the arbiter
 * @am: the calling thread; it must sleep until arb_granted() and must call
 *	arb_unpark() if it stops waiting for another reason
 * @op: %KGO_ENTER_PARK_WANT, %KGO_ENTER_PARK_SPARE or %KGO_ENTER_PARK_BOUND
 * @target: who gets the P that it owns, or NULL
 *
 * CONTEXT: any that can take arb->lock.
 * Return: 1 if it owns a P already and is not parked; 0 if it is parked, and
 * am->suspect says whether arb_dead() should be asked before it sleeps;
 * -EBUSY if @target has a P given already, -ESRCH if it has left (nothing was
 * done then), -ENXIO if there is a @target and no P.
 */
int arb_park(struct arb *arb, struct arb_m *am, u32 op, struct arb_m *target)
{
	struct arb_m *first;
	int ret = 0;
	u32 p;

	port_lock(&arb->lock);
	am->result = 0;
	if (target) {
		ret = am->p == KGO_NONE ? -ENXIO : arb_put(arb, am, target);
		if (ret)
			goto unlock;
	}
	if (arb_take_given(arb, am)) {
		ret = 1;
		goto unlock;
	}

	switch (op) {
	case KGO_ENTER_PARK_WANT:
		if (am->p == KGO_NONE && kgo_list_empty(&arb->want))
			port_store(&am->p, arb_take_any(arb, am->index,
							am->last_p));
		if (am->p != KGO_NONE) {
			ret = 1;
			break;
		}
		arb_list_add(arb, am, ARB_WANT);
		/* Pairs with arb_block(): listed before the words are read. */
		port_mb();
		first = arb_first(&arb->want);
		p = first ? arb_take_any(arb, first->index, KGO_NONE) : KGO_NONE;
		if (p != KGO_NONE)
			arb_grant(arb, first, p, 0);
		ret = am->mode == ARB_OUT;
		break;

	case KGO_ENTER_PARK_SPARE:
		if (am->p != KGO_NONE)
			arb_put(arb, am, NULL);
		arb_list_add(arb, am, ARB_SPARE);
		/*
		 * Pairs with arb_block(), and with a runtime that queues a
		 * goroutine and then reads nr_avail and nr_spinning.
		 */
		port_mb();
		if (!port_load(&arb->r->nr_avail) || arb_somebody_looks(arb))
			break;
		p = arb_take_busy(arb, am->index);
		if (p == KGO_NONE && arb_any_work(arb))
			p = arb_take_any(arb, am->index, am->last_p);
		if (p != KGO_NONE) {
			port_store(&am->p, p);
			arb_list_del(arb, am);
			ret = 1;
		}
		break;

	case KGO_ENTER_PARK_BOUND:
		arb_drop(arb, am);
		arb_list_add(arb, am, ARB_BOUND);
		break;
	}
	am->suspect = ret ? 0 : arb_suspect(arb);
unlock:
	port_unlock(&arb->lock);
	return ret;
}

/**
 * arb_granted() - Is the wait that arb_park() began over?
 * @arb: the arbiter
 * @am: the calling thread
 *
 * CONTEXT: any.  Return: true if am->p is owned.
 */
bool arb_granted(struct arb *arb, struct arb_m *am)
{
	(void)arb;
	return port_load_acquire(&am->mode) == ARB_OUT;
}

/**
 * arb_unpark() - Stop waiting
 * @arb: the arbiter
 * @am: the calling thread
 *
 * It may have been granted a P at the last moment: look at am->p.
 * CONTEXT: any that can take arb->lock.
 */
void arb_unpark(struct arb *arb, struct arb_m *am)
{
	port_lock(&arb->lock);
	if (am->mode != ARB_OUT)
		arb_list_del(arb, am);
	port_unlock(&arb->lock);
}

/**
 * arb_leave() - An M is no more
 * @arb: the arbiter
 * @am: any M that will never call again, whatever it was doing
 *
 * CONTEXT: any that can take arb->lock.
 */
void arb_leave(struct arb *arb, struct arb_m *am)
{
	port_lock(&arb->lock);
	if (am->mode != ARB_OUT)
		arb_list_del(arb, am);
	arb_take_given(arb, am);
	arb_drop(arb, am);
	port_store(&am->mode, ARB_GONE);
	arb->nr_ms--;
	arb->moves++;
	port_unlock(&arb->lock);
}

/**
 * arb_destroy() - Check that nobody is left
 * @arb: the arbiter; every M has left
 */
void arb_destroy(struct arb *arb)
{
	if (!kgo_list_empty(&arb->spare) || !kgo_list_empty(&arb->want))
		port_throw("arbiter destroyed with threads parked");
}
