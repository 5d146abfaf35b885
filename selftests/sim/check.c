// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Invariants.
 *
 *   check_owner()	at every change of threads: who is inside the runtime
 *			with a P owns that P
 *   check_unlock()	at every release of a watched lock: FIFO of waiters, and
 *			what a channel says of itself
 *   check_world()	every some steps: a goroutine is in one place, a P with
 *			one M
 *   check_quiet()	when no thread can run: no work and no timer is
 *			forgotten, counters add up
 *   check_end()	after the program: nothing is left
 */
#include "sim.h"

#define MAX_GHOSTS	64U

/* What a lock guards, as it was when the lock was last released. */
struct sim_ghost {
	struct kgo_chan	*chan;		/* NULL: the arbiter's list of those who want */
	struct chan_view v;
	u32		n_want;
	struct arb_m	*want[SIM_MAX_MS];
};

static struct sim_ghost ghosts[MAX_GHOSTS];
static u32 nr_ghosts;

void check_init(void)
{
	u32 i;

	for (i = 0; i < nr_ghosts; i++)
		ghosts[i].chan = NULL;
	nr_ghosts = 1;
	ghosts[0].n_want = 0;
}

struct sim_ghost *check_watch_chan(struct kgo_chan *c)
{
	struct sim_ghost *gh;

	if (nr_ghosts == MAX_GHOSTS)
		return NULL;
	gh = &ghosts[nr_ghosts++];
	gh->chan = c;
	gh->v.n_send = 0;
	gh->v.n_recv = 0;
	return gh;
}

static struct sim_thread *thread_of(struct arb_m *am)
{
	return container_of(am, struct sim_thread, am);
}

static struct sim_thread *thread_of_m(struct kgo_m *m)
{
	return S.m_thread[m->index];
}

static bool m_is_running(struct sim_thread *t)
{
	return t->m && t->attached && !t->in_world && t->state != T_FREE &&
	       t->m->d.in_sched;
}

void check_owner(struct sim_thread *t)
{
	u32 p;
	u64 word;

	if (!m_is_running(t))
		return;
	p = t->m->d.p;
	if (p == KGO_NONE)
		return;
	p &= ~KGO_P_PREEMPT;
	if (p >= S.o.nr_ps)
		sim_fail("m%u has p%u, which does not exist", t->am.index, p);
	word = S.words[p];
	if (arb_word_state(word) != ARB_RUNNING ||
	    arb_word_m(word) != t->am.index)
		sim_fail("m%u is inside the runtime with p%u, which is %s(m%u)",
			 t->am.index, p, arb_word_state(word) == ARB_RUNNING ?
			 "RUNNING" : arb_word_state(word) == ARB_BLOCKED ?
			 "BLOCKED" : "IDLE", arb_word_m(word));
}

/*
 * @now must be @old without a prefix, but for those who left by themselves,
 * and with new ones at the end.  Who only has to leave yet does not count.
 */
static bool is_fifo(const void *const *old, u32 n_old, const void *const *now,
		    u32 n_now, bool (*left_by_itself)(const void *))
{
	bool waits = false;
	u32 i, k = 0;

	for (i = 0; i < n_old; i++) {
		if (k < n_now && now[k] == old[i]) {
			waits |= !left_by_itself(now[k]);
			k++;
			continue;
		}
		/* Gone, though somebody before it still waits? */
		if (waits && !left_by_itself(old[i]))
			return false;
	}
	for (; k < n_now; k++)
		for (i = 0; i < n_old; i++)
			if (now[k] == old[i])
				return false;
	return true;
}

static u32 nr_live(const void *const *w, u32 n)
{
	u32 live = 0, i;

	for (i = 0; i < n; i++)
		live += !peek_stale(w[i]);
	return live;
}

/* A select may both send and receive; it does not talk to itself. */
static bool all_of_one_select(const struct chan_view *v)
{
	const void *sel = NULL;
	u32 i;

	for (i = 0; i < v->n_send + v->n_recv; i++) {
		const void *w = i < v->n_send ? v->send[i] :
				v->recv[i - v->n_send];

		if (peek_stale(w))
			continue;
		if (!peek_select_of(w) || (sel && sel != peek_select_of(w)))
			return false;
		sel = peek_select_of(w);
	}
	return true;
}

static void check_chan(struct sim_ghost *gh)
{
	struct chan_view v;
	const char *name = trace_addr(&peek_chan_lock(gh->chan)->word);
	u32 n_send, n_recv;

	peek_chan(gh->chan, &v);
	n_send = nr_live(v.send, v.n_send);
	n_recv = nr_live(v.recv, v.n_recv);
	if (n_send && n_recv && !all_of_one_select(&v))
		sim_fail("%s: senders and receivers wait", name);
	if (v.count > v.cap)
		sim_fail("%s: %zu elements in %zu", name, v.count, v.cap);
	if (v.count && n_recv)
		sim_fail("%s: a receiver waits for what is there", name);
	if (v.count < v.cap && n_send)
		sim_fail("%s: a sender waits though there is room", name);
	if (v.closed && (n_send || n_recv))
		sim_fail("%s: waiters on a closed channel", name);
	if (!is_fifo(gh->v.send, gh->v.n_send, v.send, v.n_send, peek_stale) ||
	    !is_fifo(gh->v.recv, gh->v.n_recv, v.recv, v.n_recv, peek_stale))
		sim_fail("%s: waiters not served in order", name);
	gh->v = v;
}

static bool unparks_itself(const void *am)
{
	return thread_of((struct arb_m *)am)->unparking;
}

static void check_arb(struct sim_ghost *gh)
{
	struct arb_m *now[SIM_MAX_MS];
	struct kgo_list *l;
	u32 n = 0;

	for (l = S.arb.want.next; l != &S.arb.want && n < SIM_MAX_MS; l = l->next)
		now[n++] = container_of(l, struct arb_m, link);
	if (!is_fifo((const void *const *)gh->want, gh->n_want,
		     (const void *const *)now, n, unparks_itself))
		sim_fail("arbiter: those who want a P not served in order");
	memcpy(gh->want, now, n * sizeof(now[0]));
	gh->n_want = n;
}

void check_unlock(kgo_lock_t *lock)
{
	if (lock == &S.arb.lock)
		check_arb(&ghosts[0]);
	else if (lock->ghost && lock->ghost->chan)
		check_chan(lock->ghost);
}

/*
 * Where goroutines are.
 */
static u8 place[SIM_NR_GS];
static u32 nr_queued, nr_freed;

static const char *const place_names[] = {
	"nowhere", "a run queue", "a runnext", "the global queue",
	"a free list", "the global free list"
};

static bool all_drained(void)
{
	u32 i;

	for (i = 0; sim_weak && i < SIM_MAX_THREADS; i++)
		if (S.t[i].nbuf)
			return false;
	return true;
}

/* Who runs it, or NULL.  One without a stack is known by its M alone. */
static struct sim_thread *runner(struct kgo_g *g)
{
	u32 m = g->d.m;

	if (g->d.stack_lo)
		return sim_gs[g->index].on;
	return m < kgo_rt.nr_ms && S.m_thread[m] && kgo_m_at(m)->curg == g ?
	       S.m_thread[m] : NULL;
}

static void put_in(u32 index, u8 where)
{
	struct sim_thread *on;
	struct kgo_g *g;
	u32 state;

	if (!index || index >= kgo_rt.r->nr_gs)
		sim_fail("g%u in %s", index, place_names[where]);
	if (place[index])
		sim_fail("g%u in %s and in %s", index,
			 place_names[place[index]], place_names[where]);
	place[index] = where;
	g = port_g(index);
	state = g->d.state & ~KGO_G_SCAN;
	on = runner(g);
	if (on && !g->bound)
		sim_fail("g%u in %s while m%u runs it", index,
			 place_names[where], on->am.index);
	if (where >= 4) {
		nr_freed++;
		/* A P's own list: its owner may have yet to store the state. */
		if (where == 4 && !all_drained())
			return;
		if (state != KGO_G_DEAD && state != KGO_G_IDLE)
			sim_fail("g%u in %s in state %u", index,
				 place_names[where], state);
	} else {
		nr_queued++;
		if (state != KGO_G_RUNNABLE &&
		    !(state == KGO_G_PREEMPTED && g->bound))
			sim_fail("g%u in %s in state %u", index,
				 place_names[where], state);
	}
}

static void put_all(struct kgo_gq *q, u8 where)
{
	u32 i;

	for (i = q->head; i; i = port_g(i)->next)
		put_in(i, where);
}

static void put_batches(struct kgo_batches *b, u8 where)
{
	u32 first, i;

	for (first = b->head; first; first = port_g(first)->batch_next)
		for (i = first; i; i = port_g(i)->next)
			put_in(i, where);
}

static void find_goroutines(void)
{
	u32 i, k;

	memset(place, 0, kgo_rt.r->nr_gs);
	nr_queued = 0;
	nr_freed = 0;
	for (i = 0; i < S.o.nr_ps; i++) {
		struct kgo_p *p = kgo_p_at(i);
		u32 head = p->d.runq_head, tail = p->d.runq_tail;

		if (tail - head > KGO_RUNQ_SIZE)
			sim_fail("p%u: run queue from %u to %u", i, head, tail);
		for (k = head; k != tail; k++)
			put_in(p->d.runq[k % KGO_RUNQ_SIZE], 1);
		if (p->d.runnext)
			put_in(p->d.runnext, 2);
		put_all(&p->gfree, 4);
		put_all(&p->gfull, 4);
		put_all(&p->gbare, 4);
		put_all(&p->gbare_full, 4);
	}
	if (!kgo_rt.gq_lock.word)
		put_batches(&kgo_rt.gq, 3);
	if (!kgo_rt.gfree_lock.word) {
		put_batches(&kgo_rt.gfree, 5);
		put_batches(&kgo_rt.gbare, 5);
	}
}

static void check_words(void)
{
	u32 owned[SIM_MAX_MS] = { 0 }, p, m;

	for (p = 0; p < S.o.nr_ps; p++) {
		u64 word = S.words[p];
		struct sim_thread *t;

		if (arb_word_state(word) == ARB_IDLE)
			continue;
		m = arb_word_m(word);
		if (arb_word_state(word) > ARB_BLOCKED || m >= S.o.nr_ms)
			sim_fail("p%u: word %#llx", p, word);
		t = S.m_thread[m];
		if (!t)
			sim_fail("p%u belongs to m%u, which is gone", p, m);
		if (S.arb.lock.word || t->in_world)
			continue;
		if (arb_word_state(word) == ARB_BLOCKED)
			sim_fail("p%u is BLOCKED(m%u), which is not blocked", p, m);
		if (t->am.given == p)
			continue;
		if (owned[m]++)
			sim_fail("m%u owns two Ps", m);
		if (t->am.p != p)
			sim_fail("p%u is RUNNING(m%u), which has p%d", p, m,
				 (int)t->am.p);
	}
}

/*
 * With one P its owner moves goroutines by plain stores, which nobody else
 * acts on before it has drained them: look as if it had.
 */
static void find_goroutines_drained(void)
{
	u32 i;

	for (i = 0; i < SIM_MAX_THREADS; i++)
		if (&S.t[i] != S.cur)
			store_apply(&S.t[i]);
	find_goroutines();
	while (i--)
		if (&S.t[i] != S.cur)
			store_unapply(&S.t[i]);
}

void check_world(void)
{
	if (S.o.nr_ps == 1)
		find_goroutines_drained();
	else
		find_goroutines();
	check_words();
}

static u32 list_len(struct kgo_list *head)
{
	struct kgo_list *l;
	u32 n = 0;

	for (l = head->next; l != head; l = l->next)
		n++;
	return n;
}

/*
 * Is an M asleep in the scheduler, perhaps with a goroutine in its hands?  Or
 * does it wait for a P, which it lost there?
 */
static bool somebody_holds_one(void)
{
	u32 i;

	for (i = 0; i < SIM_MAX_THREADS; i++) {
		struct sim_thread *t = &S.t[i];

		if (!t->m || t->m->curg)
			continue;
		if (t->state == T_ASLEEP ||
		    (t->state == T_PARKED && t->am.mode == ARB_WANT))
			return true;
	}
	return false;
}

/* Perhaps inside kgo_ensure_spare(), which is no place to be asked. */
static bool somebody_starts_another(void)
{
	u32 i;

	for (i = 0; i < SIM_MAX_THREADS; i++)
		if (S.t[i].state == T_ASLEEP && S.t[i].m &&
		    (!S.t[i].m->curg || S.t[i].m->curg->bound))
			return true;
	return false;
}

/* Its own thread was given a P for it, and has yet to come and take it. */
static bool is_awaited(struct kgo_g *g)
{
	return g->bound && thread_of_m(g->bound)->am.given != KGO_NONE;
}

/* Its place is the list of its reserve, which only that one knows. */
static bool is_reserved(struct kgo_g *g)
{
	return g->x && g->x->stock;
}

/* At a quiet moment: every goroutine in exactly one place. */
static void check_places(void)
{
	u32 n = kgo_rt.r->nr_gs, fresh = 0, i;

	if (somebody_holds_one())
		return;
	for (i = 0; i < S.o.nr_ps; i++)
		fresh += kgo_p_at(i)->g_end - kgo_p_at(i)->g_next;
	for (i = 1; i < n; i++) {
		struct kgo_g *g = port_g(i);
		struct sim_thread *on = runner(g);

		switch (g->d.state) {
		case KGO_G_IDLE:
			if (!place[i] && !is_reserved(g))
				fresh--;
			break;
		case KGO_G_DEAD:
			if (!place[i] && !is_reserved(g))
				sim_fail("dead g%u is on no free list", i);
			if (place[i] && is_reserved(g))
				sim_fail("reserved g%u is in %s", i,
					 place_names[place[i]]);
			break;
		case KGO_G_RUNNABLE:
			if (!place[i] && !is_awaited(g))
				sim_fail("runnable g%u is in no queue", i);
			break;
		case KGO_G_RUNNING:
			if (!on || !on->m || on->m->curg != g)
				sim_fail("running g%u is on no M", i);
			break;
		case KGO_G_PREEMPTED:
			if (!on || !on->m || on->m->curg != g || !on->in_handler)
				sim_fail("preempted g%u is on no M", i);
			if (!place[i] && !is_awaited(g) &&
			    on->am.mode != ARB_WANT)
				sim_fail("preempted g%u is in no queue", i);
			break;
		case KGO_G_WAITING:
			if (place[i])
				sim_fail("waiting g%u is in %s", i,
					 place_names[place[i]]);
			break;
		default:
			sim_fail("g%u in state %u", i, g->d.state);
		}
	}
	if (fresh)
		sim_fail("%d fresh descriptors lost", (int)fresh);
}

static bool somebody_parked_until(u64 when)
{
	u32 i;

	for (i = 0; i < SIM_MAX_THREADS; i++) {
		struct sim_thread *t = &S.t[i];

		if (t->state == T_PARKED && t->am.mode == ARB_SPARE &&
		    t->wake_at && t->wake_at <= when)
			return true;
	}
	return false;
}

/* Ms that sleep and keep their spinning role, see nap_ns() in spare.c. */
static u32 nr_nappers(void)
{
	u32 n = 0, i;

	for (i = 0; i < SIM_MAX_THREADS; i++)
		n += (S.t[i].state == T_PARKED || S.t[i].state == T_ASLEEP) &&
		     S.t[i].m && S.t[i].m->spinning;
	return n;
}

void check_quiet(void)
{
	struct kgo_rdesc *r = kgo_rt.r;
	u32 avail = 0, spare, want, nappers, i;
	u64 first;

	/* Nobody sleeps with stores that others do not see. */
	for (i = 0; i < SIM_MAX_THREADS; i++)
		store_drain(&S.t[i]);
	check_world();
	check_places();
	for (i = 0; i < SIM_MAX_THREADS; i++)
		if (S.t[i].state == T_LOCK)
			sim_fail("m%u waits for %s for ever", S.t[i].am.index,
				 trace_addr(&S.t[i].lock->word));
	for (i = 0; i < S.o.nr_ps; i++)
		avail += arb_word_state(S.words[i]) != ARB_RUNNING;
	spare = list_len(&S.arb.spare);
	want = list_len(&S.arb.want);
	if (r->nr_avail != avail)
		sim_fail("nr_avail is %d, %u Ps are available",
			 (int)r->nr_avail, avail);
	if (r->nr_spare != spare || r->nr_want != want ||
	    S.arb.nr_parked != spare + want)
		sim_fail("nr_spare %u nr_want %u nr_parked %u, lists %u %u",
			 r->nr_spare, r->nr_want, S.arb.nr_parked, spare, want);
	nappers = nr_nappers();
	if (r->nr_spinning != nappers)
		sim_fail("nr_spinning is %d, %u Ms nap", (int)r->nr_spinning,
			 nappers);
	if (kgo_rt.nr_starting && !somebody_starts_another())
		sim_fail("nr_starting is set, nobody starts");
	if (r->gq_len != kgo_rt.gq.n)
		sim_fail("gq_len is %u of %u", r->gq_len, kgo_rt.gq.n);
	first = r->keeper_when;
	if (first && first < S.now + NS_PER_MS)
		first = S.now + NS_PER_MS;
	if (first && !somebody_parked_until(first))
		sim_fail("keeper_when is set, but nobody wakes up then");
	/* They look again in a moment. */
	if (nappers)
		return;
	if (want && avail)
		sim_fail("%u Ms want a P and %u are available", want, avail);
	if (nr_queued && avail && spare)
		sim_fail("%u goroutines are queued, %u Ps are available, %u spare Ms sleep",
			 nr_queued, avail, spare);
	if (r->cq_head != r->cq_tail && avail && spare)
		sim_fail("%u completions, %u Ps are available, %u spare Ms sleep",
			 r->cq_tail - r->cq_head, avail, spare);
	if (nr_queued && avail && !spare && !S.nr_nothread &&
	    !somebody_starts_another() &&
	    world_nr_attached() < S.o.nr_ms)
		sim_fail("%u goroutines are queued, %u Ps are available, but there is no spare M",
			 nr_queued, avail);
	first = kgo_timers_first();
	if (first && avail && spare) {
		if (first < S.now + NS_PER_MS)
			first = S.now + NS_PER_MS;
		if (!somebody_parked_until(first))
			sim_fail("timer due in %lld ns, %u Ps are available, no spare M will wake",
				 (long long)(kgo_timers_first() - S.now), avail);
	}
}

void check_end(void)
{
	struct kgo_rdesc *r = kgo_rt.r;
	u32 p;

	if (nr_queued || r->gq_len)
		sim_fail("goroutines are left in queues");
	for (p = 0; p < S.o.nr_ps; p++) {
		if (arb_word_state(S.words[p]) != ARB_IDLE)
			sim_fail("p%u is not idle at the end", p);
		if (kgo_p_at(p)->timers.n || kgo_p_at(p)->d.timer_when)
			sim_fail("p%u has timers at the end", p);
	}
	if (r->nr_want || kgo_timers_first())
		sim_fail("somebody still wants something at the end");
	if (peek_sema_waiters())
		sim_fail("semaphores with waiters at the end");
}
