// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Goroutines without a stack: they wait by returning.
 *
 *   scheduler                kgo_cont_run()                 a body
 *   ---------                --------------                 ------
 *   port_run()  ---------->  call it  ------------------->  ..._then(): note
 *                                     <-------------------  return
 *                            ready?  call the next one, as above
 *                            else queue up, note it in the record
 *   kgo_next_bare()  <-----  it has returned, the lock still held
 *   WAITING, drop the lock
 *   the next one  -------->  call it, as above
 *   none of these  ------->  return from port_run()
 *
 * What a body asks for is only noted while it runs (struct kgo_then, on the
 * stack of kgo_cont_run()).  The wait begins after it has returned: so a waker
 * never finds a goroutine whose body still runs, a deferred call of a scope is
 * done by then, and a row of waits that are all ready needs neither a record
 * nor more stack than one.
 *
 * They run one after the other in one call of port_run(): it sets a place where
 * a panic or kgo_exit() lands, on the M's own stack, which is as good for all of
 * them.  To set it for each was half of what a hand-over cost.
 *
 * The record (struct kgo_cont) is what other goroutines have on their stacks: a
 * place in a queue.  It is made at the first wait that is one, from a list of
 * the P, kept until the goroutine ends, and found where the descriptor of others
 * has their stack pointer.  The wait reason in the descriptor says what is in
 * it, and so how to go on.
 *
 * Invariants:
 *   - A goroutine without a record has not begun yet: who is dequeued with one
 *     goes on.
 *   - A body stays on its M: it cannot leave it in the middle (kgo_leave()), it
 *     waits there for a P that it has lost, and the flag of preemption is heeded
 *     between two bodies.  The signal of preemption needs no stack: it puts the
 *     thread to sleep, body and all, as it does with others.
 *   - Nothing parks with such a goroutine's name but kgo_park_bare().  What parks
 *     otherwise asks before it queues up (kgo_cont_refuse()).
 *
 * Rejected: to start the wait in the ..._then() call.  The goroutine could be
 * woken, and run by another M, while its body still returns; everything would
 * have to be done under the lock of what it waits for.
 * Rejected: a record in the descriptor, twice as large for all.
 * Rejected: an error of the ..._then() call for want of memory.  Whether memory
 * is needed is known when the body has returned; next() is told.
 */
#include "cont.h"
#include "context.h"

#define CONTS_MAX	64U	/* records that a P keeps */
#define IN_A_ROW	256U	/* waits that were none, until others have a look */

static const char *const refused[KGO_WAIT_NR_REASONS] = {
	[KGO_WAIT_NONE]		=
		"kgo_yield() in a stackless goroutine: use kgo_yield_then()",
	[KGO_WAIT_CHAN_SEND]	=
		"kgo_chan_send() waits in a stackless goroutine: use kgo_chan_send_then()",
	[KGO_WAIT_CHAN_RECEIVE]	=
		"kgo_chan_recv() waits in a stackless goroutine: use kgo_chan_recv_then()",
	[KGO_WAIT_SELECT]	=
		"kgo_select() waits in a stackless goroutine: use kgo_select_then(), kgo_select_timeout_then()",
	[KGO_WAIT_SELECT_EMPTY]	=
		"kgo_select() waits in a stackless goroutine: use kgo_select_then()",
	[KGO_WAIT_SLEEP]	=
		"kgo_sleep() in a stackless goroutine: use kgo_sleep_then()",
	[KGO_WAIT_MUTEX]	=
		"kgo_mutex_lock() waits in a stackless goroutine: use kgo_mutex_lock_then()",
	[KGO_WAIT_WAITGROUP]	=
		"kgo_wg_wait() waits in a stackless goroutine: use kgo_wg_wait_then()",
};

/**
 * kgo_cont_refuse() - The calling goroutine would park, and has no stack
 * @reason: enum kgo_wait_reason of that
 *
 * Panics.  The caller has not queued up anywhere.
 * CONTEXT: a stackless goroutine, outside of enter_sched, no lock held.
 * Return: -EINVAL, if anything.
 */
int kgo_cont_refuse(u16 reason)
{
	const char *msg = refused[reason];

	kgo_panic_rt(msg ? msg : "a call that waits, in a stackless goroutine");
	return -EINVAL;
}

/*
 * Records
 */

static void note(struct kgo_cont *cont, const struct kgo_then *t)
{
	cont->next = t->next;
	cont->arg = t->arg;
}

/* That of @g, made if it has none.  NULL without memory. */
static struct kgo_cont *record(struct kgo_m *m, struct kgo_g *g,
			       const struct kgo_then *t)
{
	struct kgo_p *p = kgo_m_p(m);
	struct kgo_cont *cont = g->cont;

	if (!cont) {
		cont = p->conts;
		if (cont) {
			p->conts = cont->unused;
			p->nr_conts--;
		} else {
			cont = port_alloc(sizeof(*cont));
			if (!cont)
				return NULL;
		}
		/* Tables read the word as that of a stack pointer, and leave it. */
		port_store(&g->cont, cont);
		port_pin();
	}
	note(cont, t);
	return cont;
}

/**
 * kgo_cont_end() - A stackless goroutine has ended
 * @m: the calling M with in_sched set
 * @g: it, DEAD, in no list yet
 *
 * CONTEXT: the scheduler, no lock held.
 */
void kgo_cont_end(struct kgo_m *m, struct kgo_g *g)
{
	struct kgo_p *p = kgo_m_p(m);
	struct kgo_cont *cont = g->cont;

	if (!cont)
		return;
	port_store(&g->cont, NULL);
	port_unpin();
	if (!p || p->nr_conts == CONTS_MAX) {
		port_free(cont);
		return;
	}
	cont->unused = p->conts;
	p->conts = cont;
	p->nr_conts++;
}

/** kgo_cont_destroy() - Free all records; as kgo_rt_destroy() */
void kgo_cont_destroy(void)
{
	struct kgo_cont *cont;
	struct kgo_p *p;
	struct kgo_g *g;
	u32 i;

	for (i = 1; i < port_load(&kgo_rt.r->nr_gs); i++) {
		g = port_g(i);
		if (!kgo_is_stackless(g))
			continue;
		port_free(g->cont);
		g->cont = NULL;
	}
	for (i = 0; i < kgo_rt.nr_ps; i++) {
		p = kgo_p_at(i);
		while ((cont = p->conts)) {
			p->conts = cont->unused;
			port_free(cont);
		}
		p->nr_conts = 0;
	}
}

/*
 * How each wait begins and ends.  begin_...() and resume_...() return true when
 * it is over, with t->ret; false: the goroutine is queued up, and goes on from
 * its record.  With in_sched set.
 */

static bool over(struct kgo_then *t, int ret)
{
	t->ret = ret;
	return true;
}

static bool parked(struct kgo_m *m, u16 reason, kgo_lock_t *lock)
{
	kgo_park_bare(m, reason, lock);
	return false;
}

/* Run on behind others, with t->ret.  True: there is no memory, go on at once. */
static bool requeue(struct kgo_m *m, struct kgo_g *g, struct kgo_then *t, u8 post)
{
	struct kgo_cont *cont = record(m, g, t);

	if (!cont)
		return true;
	cont->ret = t->ret;
	port_store(&g->d.reason, KGO_WAIT_NONE);
	m->prev = g;
	m->post = post;
	return false;
}

static bool begin_yield(struct kgo_m *m, struct kgo_g *g, struct kgo_then *t)
{
	t->ret = 0;
	return !kgo_others_wait(m) || requeue(m, g, t, KGO_POST_YIELD);
}

static bool begin_sleep(struct kgo_m *m, struct kgo_g *g, struct kgo_then *t)
{
	kgo_lock_t *lock;

	if (t->ns <= 0)
		return over(t, 0);
	if (!record(m, g, t) || kgo_sleep_start(m, t->ns, &lock))
		return over(t, -ENOMEM);
	return parked(m, KGO_WAIT_SLEEP, lock);
}

static bool chan_over(struct kgo_then *t, int ret)
{
	if (unlikely(ret == -EPIPE))
		t->panic = "send on closed channel";
	return over(t, t->ctx ? kgo_ctx_err(t->ctx) : ret);
}

static bool chan_wait(struct kgo_m *m, struct kgo_g *g, struct kgo_then *t,
		      bool send)
{
	struct kgo_waiter *w = &g->cont->chan.w;
	struct kgo_chan *c = t->object;

	g->cont->chan.ctx = t->ctx;
	w->g = g;
	w->sel = NULL;
	w->elem = t->elem;
	w->result = 0;
	kgo_bubble_inside(g, c->bubble);
	chan_queue_push(send ? &c->sendq : &c->recvq, w);
	chan_turn(c);
	kgo_wait_on(m, c);
	return parked(m, send ? KGO_WAIT_CHAN_SEND : KGO_WAIT_CHAN_RECEIVE,
		      &c->lock);
}

static bool begin_chan(struct kgo_m *m, struct kgo_g *g, struct kgo_then *t)
{
	const bool send = t->op == KGO_THEN_SEND;
	struct kgo_chan *c = t->object;
	struct kgo_g *ready = NULL;
	int ret;

	if (unlikely(!c)) {
		if (!record(m, g, t))
			return over(t, -ENOMEM);
		return parked(m, send ? KGO_WAIT_CHAN_SEND_NIL :
			      KGO_WAIT_CHAN_RECEIVE_NIL, NULL);
	}
	for (;;) {
		kgo_lock_in(&c->lock);
		ret = send ? kgo_chan_send_now(c, t->elem, NULL, &ready) :
			     kgo_chan_recv_now(c, t->elem, NULL, &ready);
		if (ret != -EAGAIN)
			break;
		if (likely(g->cont)) {
			note(g->cont, t);
			return chan_wait(m, g, t, send);
		}
		port_unlock(&c->lock);
		if (!record(m, g, t))
			return over(t, -ENOMEM);
	}
	port_unlock(&c->lock);
	if (ready)
		kgo_g_ready(ready);
	return chan_over(t, ret);
}

static bool select_over(struct kgo_then *t, int ret)
{
	if (unlikely(ret == -EPERM))
		t->panic = "select on synctest channel from outside bubble";
	if (unlikely(ret == -EPIPE))
		t->panic = "send on closed channel";
	return over(t, ret == -EAGAIN ? -ETIMEDOUT : ret);
}

static bool begin_select(struct kgo_m *m, struct kgo_g *g, struct kgo_then *t)
{
	struct kgo_cont *cont;
	int ret;

	ret = kgo_select_now(m, t->object, t->n, t->ns);
	if (ret != -EINPROGRESS)
		return select_over(t, ret);
	cont = record(m, g, t);
	if (!cont)
		return over(t, -ENOMEM);
	ret = kgo_select_start(m, &cont->sel, t->object, t->n, t->ns);
	if (ret != -EINPROGRESS)
		return select_over(t, ret);
	return parked(m, t->n ? KGO_WAIT_SELECT : KGO_WAIT_SELECT_EMPTY,
		      &cont->sel.lock);
}

static bool begin_mutex(struct kgo_m *m, struct kgo_g *g, struct kgo_then *t)
{
	struct kgo_cont *cont;
	kgo_lock_t *lock;

	if (likely(kgo_mutex_try_lock(t->object)))
		return over(t, 0);
	cont = record(m, g, t);
	if (!cont)
		return over(t, -ENOMEM);
	cont->sema.object = t->object;
	cont->sema.t = (struct kgo_mutex_try){ 0 };
	if (kgo_mutex_start(m, &cont->sema, &lock))
		return over(t, 0);
	return parked(m, KGO_WAIT_MUTEX, lock);
}

static bool begin_wg(struct kgo_m *m, struct kgo_g *g, struct kgo_then *t)
{
	struct kgo_cont *cont = record(m, g, t);
	kgo_lock_t *lock;

	if (!cont)
		return over(t, -ENOMEM);
	cont->sema.object = t->object;
	if (kgo_wg_start(m, &cont->sema, &lock))
		return over(t, 0);
	return parked(m, KGO_WAIT_WAITGROUP, lock);
}

static inline bool begin(struct kgo_m *m, struct kgo_g *g, struct kgo_then *t)
{
	if (likely(t->op == KGO_THEN_SEND || t->op == KGO_THEN_RECV))
		return begin_chan(m, g, t);
	switch (t->op) {
	case KGO_THEN_SELECT:
		return begin_select(m, g, t);
	case KGO_THEN_SLEEP:
		return begin_sleep(m, g, t);
	case KGO_THEN_MUTEX:
		return begin_mutex(m, g, t);
	case KGO_THEN_WG:
		return begin_wg(m, g, t);
	default:
		return begin_yield(m, g, t);
	}
}

/* @g was made ready, or had others go first. */
static bool resume(struct kgo_m *m, struct kgo_g *g, struct kgo_then *t)
{
	struct kgo_cont *cont = g->cont;
	u16 reason = g->d.reason;
	kgo_lock_t *lock;

	t->next = cont->next;
	t->arg = cont->arg;
	switch (reason) {
	case KGO_WAIT_NONE:
		return over(t, cont->ret);
	case KGO_WAIT_SLEEP:
		return over(t, 0);
	case KGO_WAIT_CHAN_SEND:
	case KGO_WAIT_CHAN_RECEIVE:
		t->ctx = cont->chan.ctx;
		return chan_over(t, cont->chan.w.result);
	case KGO_WAIT_SELECT:
	case KGO_WAIT_SELECT_EMPTY:
		return select_over(t, kgo_select_finish(&cont->sel));
	case KGO_WAIT_MUTEX:
		if (kgo_mutex_resume(m, &cont->sema, &lock))
			return over(t, 0);
		return parked(m, reason, lock);
	case KGO_WAIT_WAITGROUP:
		if (kgo_wg_resume(m, &cont->sema, &lock, &t->panic))
			return over(t, 0);
		return parked(m, reason, lock);
	}
	port_throw("a stackless goroutine was woken from no wait of its own");
	return over(t, -EINVAL);
}

/*
 * May it go on at once, after @n waits that were none?  Time is up for it as
 * for others, and where nobody watches the time it counts.
 */
static bool stays(struct kgo_m *m, struct kgo_g *g, struct kgo_then *t, u32 n)
{
	bool time_is_up = port_load(&m->d.p) & KGO_P_PREEMPT;

	if (likely(!time_is_up && n % IN_A_ROW != IN_A_ROW - 1))
		return true;
	if (t->panic || (!time_is_up && !kgo_others_wait(m)))
		return true;
	return requeue(m, g, t, time_is_up ? KGO_POST_PREEMPT : KGO_POST_YIELD);
}

/* A body comes back to the M that called it, unlike one with a stack. */
static inline void enter_from_body(struct kgo_m *m)
{
	port_store(&m->d.in_sched, 1);
	port_barrier();
	if (unlikely(port_load(&m->d.p) & KGO_P_ODD))
		kgo_enter_sched_slow(m);
}

static inline void leave_for_body(struct kgo_m *m)
{
	port_barrier();
	port_store(&m->d.in_sched, 0);
}

static inline void go_on(struct kgo_m *m, struct kgo_then *t)
{
	const char *panic = t->panic;

	t->op = KGO_THEN_NONE;
	t->ctx = NULL;
	t->panic = NULL;
	leave_for_body(m);
	if (unlikely(panic))
		kgo_panic_rt(panic);
	else
		t->next(t->arg, t->ret);
}

static inline void run(struct kgo_m *m, struct kgo_g *g, struct kgo_then *t)
{
	void *arg = g->arg;
	u32 n;

	if (!g->cont) {
		g->frames = NULL;
		leave_for_body(m);
		kgo_g_fn(g)(arg);
	} else {
		if (!resume(m, g, t))
			return;
		go_on(m, t);
	}
	for (n = 0; t->op != KGO_THEN_NONE; n++) {
		enter_from_body(m);
		if (!begin(m, g, t) || !stays(m, g, t, n))
			return;
		go_on(m, t);
	}
	t->op = KGO_THEN_ENDED;
	if (unlikely(g->frames))
		kgo_base_leave(g);
	kgo_g_end_bare(g);
}

/**
 * kgo_cont_run() - Run a stackless goroutine until it waits or ends, and those
 * that come next
 * @m: the calling M, with in_sched set and a P
 * @g: dequeued, RUNNING
 *
 * CONTEXT: the M's own stack, a call of port_run().  Returns with in_sched set
 * when the next one is none of its kind, or there is none at hand: nothing is
 * left to settle(), and m->next is for the scheduler.  A panic or kgo_exit()
 * leaves it by a jump, with what became of that goroutine in m->post.
 */
void kgo_cont_run(struct kgo_m *m, struct kgo_g *g)
{
	struct kgo_then t;

	t.ctx = NULL;
	t.panic = NULL;
	do {
		t.op = KGO_THEN_NONE;
		m->then = &t;
		run(m, g, &t);
		m->then = NULL;
		g = kgo_next_bare(m);
	} while (g);
}

/*
 * What bodies ask for
 */

static struct kgo_then *ask(enum kgo_then_op op, kgo_next_fn next, void *arg)
{
	struct kgo_m *m = port_self();
	struct kgo_then *t;

	t = m ? m->then : NULL;
	if (unlikely(!t)) {
		kgo_panic_rt("a ..._then() call outside of a stackless goroutine");
		return NULL;
	}
	if (unlikely(!next)) {
		kgo_panic_rt("a ..._then() call without a function to go on with");
		return NULL;
	}
	if (unlikely(t->op != KGO_THEN_NONE)) {
		kgo_panic_rt(t->op == KGO_THEN_ENDED ?
			     "a ..._then() call in a deferred call of a goroutine that ends" :
			     "a second ..._then() call in one body");
		return NULL;
	}
	t->op = op;
	t->next = next;
	t->arg = arg;
	return t;
}

int kgo_yield_then(kgo_next_fn next, void *arg)
{
	return ask(KGO_THEN_YIELD, next, arg) ? 0 : -EINVAL;
}

int kgo_sleep_then(long long ns, kgo_next_fn next, void *arg)
{
	struct kgo_then *t = ask(KGO_THEN_SLEEP, next, arg);

	if (!t)
		return -EINVAL;
	t->ns = ns;
	return 0;
}

static int ask_chan(enum kgo_then_op op, struct kgo_chan *c, void *v,
		    kgo_next_fn next, void *arg, struct kgo_ctx *ctx)
{
	struct kgo_then *t;

	if (c && kgo_chan_is_foreign(c)) {
		kgo_panic_rt(op == KGO_THEN_SEND ?
			     "send on synctest channel from outside bubble" :
			     "receive on synctest channel from outside bubble");
		return -EPERM;
	}
	t = ask(op, next, arg);
	if (!t)
		return -EINVAL;
	t->object = c;
	t->elem = v;
	t->ctx = ctx;
	return 0;
}

int kgo_chan_recv_then(struct kgo_chan *c, void *v, kgo_next_fn next, void *arg)
{
	return ask_chan(KGO_THEN_RECV, c, v, next, arg, NULL);
}

int kgo_chan_send_then(struct kgo_chan *c, const void *v, kgo_next_fn next,
		       void *arg)
{
	return ask_chan(KGO_THEN_SEND, c, (void *)v, next, arg, NULL);
}

int kgo_ctx_done_then(struct kgo_ctx *ctx, kgo_next_fn next, void *arg)
{
	return ask_chan(KGO_THEN_RECV, kgo_ctx_done(ctx), NULL, next, arg, ctx);
}

static int ask_select(struct kgo_case *cases, unsigned int n, long long ns,
		      kgo_next_fn next, void *arg)
{
	struct kgo_then *t = ask(KGO_THEN_SELECT, next, arg);

	if (!t)
		return -EINVAL;
	t->object = cases;
	t->n = n;
	t->ns = ns;
	return 0;
}

int kgo_select_then(struct kgo_case *cases, unsigned int n, kgo_next_fn next,
		    void *arg)
{
	return ask_select(cases, n, -1, next, arg);
}

int kgo_select_timeout_then(struct kgo_case *cases, unsigned int n,
			    long long ns, kgo_next_fn next, void *arg)
{
	if (ns < 0)
		ns = 0;
	return ask_select(cases, n, ns, next, arg);
}

int kgo_mutex_lock_then(struct kgo_mutex *mu, kgo_next_fn next, void *arg)
{
	struct kgo_then *t = ask(KGO_THEN_MUTEX, next, arg);

	if (!t)
		return -EINVAL;
	t->object = mu;
	return 0;
}

int kgo_wg_wait_then(struct kgo_wg *wg, kgo_next_fn next, void *arg)
{
	struct kgo_then *t = ask(KGO_THEN_WG, next, arg);

	if (!t)
		return -EINVAL;
	t->object = wg;
	return 0;
}
