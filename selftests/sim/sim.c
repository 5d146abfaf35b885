// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * One run: from a seed to the end of a scenario, or to a failure.
 *
 * All threads are fibers of one real thread; which runs is decided here, and
 * every decision comes from S.rng.  So a seed is the whole run.
 *
 * A choice is taken at some steps (S.o.gap apart in the mean) and wherever a
 * thread has to wait.  When no thread can run, that is a quiet moment: the
 * invariants are at their strictest there (check_quiet()), and only then, or
 * by a rare jump, does the clock go on to the next deadline.
 */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>

#define MAX_STEPS	4000000ULL	/* more is a livelock */

struct sim S;
long sim_budget;
bool sim_weak;
u32 sim_plant;

u64 sim_rand(void)
{
	/* splitmix64 */
	u64 x = S.rng += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

u32 sim_below(u32 n)
{
	return (u32)((sim_rand() >> 32) * n >> 32);
}

bool sim_chance(u32 of_65536)
{
	return of_65536 && (sim_rand() & 0xffff) < of_65536;
}

void sim_fail(const char *fmt, ...)
{
	struct sim_thread *t = S.cur;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(S.message, sizeof(S.message), fmt, ap);
	va_end(ap);
	trace_note("FAILURE: %s", S.message);
	S.failed = true;
	S.running = false;
	if (!t) {
		fprintf(stderr, "sim: outside of a run: %s\n", S.message);
		__builtin_trap();
	}
	S.cur = NULL;
	fiber_switch(t->at, &S.main);
	__builtin_trap();
}

/*
 * Threads
 */
static bool can_run(struct sim_thread *t)
{
	switch (t->state) {
	case T_FREE:
		return false;
	case T_RUN:
		return true;
	case T_LOCK:
		return !t->lock->word;
	case T_PARKED:
	case T_ASLEEP:
		return t->token || (t->wake_at && S.now >= t->wake_at);
	case T_SPIN:
		return t->time_is_up || *(volatile const u32 *)t->flag;
	case T_IRQ:
		return S.nr_irqs;
	}
	return false;
}

static struct sim_thread *pick_any(struct sim_thread **can, u32 n)
{
	struct sim_thread *best;
	u32 i;

	if (!S.o.pct)
		return can[n > 1 ? sim_below(n) : 0];
	best = can[0];
	for (i = 1; i < n; i++)
		if (can[i]->prio > best->prio)
			best = can[i];
	return best;
}

/* Somebody who can run, or NULL.  Own pending stores are taken back. */
static struct sim_thread *pick(void)
{
	struct sim_thread *can[SIM_MAX_THREADS], *paused[SIM_MAX_THREADS];
	u32 n = 0, n_paused = 0, i;

	for (i = 0; i < SIM_MAX_THREADS; i++) {
		struct sim_thread *t = &S.t[i];

		if (!can_run(t))
			continue;
		if (t->stalled > S.step)
			paused[n_paused++] = t;
		else
			can[n++] = t;
	}
	if (n)
		return pick_any(can, n);
	if (!n_paused)
		return NULL;
	return pick_any(paused, n_paused);
}

/* Preempted, and in a queue: to look whether it is forgotten helps nobody. */
static bool waits_for_turn(struct sim_thread *t)
{
	return t->m->curg && t->m->curg->d.state == KGO_G_PREEMPTED &&
	       (kgo_rt.r->nr_spare || !kgo_rt.r->nr_avail);
}

/* The next moment at which something happens by itself, 0 for none. */
static u64 next_deadline(bool *useful)
{
	u64 next = 0;
	u32 i;

	*useful = false;
	for (i = 0; i < SIM_MAX_THREADS; i++) {
		struct sim_thread *t = &S.t[i];

		if ((t->state != T_PARKED && t->state != T_ASLEEP) ||
		    t->token || !t->wake_at)
			continue;
		if (!next || t->wake_at < next)
			next = t->wake_at;
		/* That a spare M ends helps nobody. */
		if (t->state == T_ASLEEP || t->m->keeper || t->m->spinning ||
		    (t->am.mode == ARB_BOUND && !waits_for_turn(t)))
			*useful = true;
	}
	return next;
}

/* Asleep for a moment only. */
static bool somebody_busy(void)
{
	u32 i;

	for (i = 0; i < SIM_MAX_THREADS; i++)
		if (S.t[i].state == T_ASLEEP ||
		    (S.t[i].state == T_PARKED && S.t[i].m->spinning))
			return true;
	return false;
}

static bool program_ended(void)
{
	return S.main_done && !S.nr_ext && !kgo_num_goroutine();
}

void sim_end(void)
{
	struct sim_thread *t = S.cur;

	S.running = false;
	S.cur = NULL;
	fiber_switch(t->at, &S.main);
	__builtin_trap();
}

/*
 * Only goroutines that compute could go on.  Perhaps the slice of one is over,
 * or will be at *@until.
 */
static struct sim_thread *slice_over(u64 *until)
{
	u32 i;

	*until = 0;
	for (i = 0; i < SIM_MAX_THREADS; i++) {
		struct sim_thread *t = &S.t[i];
		u64 end;

		if (t->state != T_SPIN || t->am.p == KGO_NONE ||
		    !arb_can_give_way(&S.arb))
			continue;
		if (arb_slice_is_over(&S.arb, t->am.p, &t->slice, S.now))
			return t;
		end = t->slice.since + ARB_SLICE_NS;
		if (end > S.now && (!*until || end < *until))
			*until = end;
	}
	return NULL;
}

/* Nobody can run. */
static void quiet(void)
{
	bool useful;
	u64 next = next_deadline(&useful), until;
	struct sim_thread *t;

	trace_note("quiet");
	check_quiet();
	if (program_ended() && !somebody_busy()) {
		if (S.lingered || !S.o.linger) {
			check_end();
			sim_end();
		}
		S.lingered = true;
		if (next) {
			S.now = next + 20 * NS_PER_S;
			return;
		}
		check_end();
		sim_end();
	}
	/* It may be told only when a spare M has looked again. */
	if (!useful && (S.sc->flags & SC_DEADLOCK) && next && S.nr_looks < 10) {
		S.nr_looks++;
		useful = true;
	}
	t = slice_over(&until);
	if (t) {
		t->time_is_up = true;
		return;
	}
	if (until && (!useful || until < next)) {
		S.now = until;
		return;
	}
	if (!useful)
		sim_fail("nothing can move any more: %s, %llu goroutines",
			 S.main_done ? "main has ended" : "main has not ended",
			 kgo_num_goroutine());
	if (next > S.now)
		S.now = next;
}

static void switch_to(struct sim_thread *to)
{
	struct sim_thread *from = S.cur;

	if (to == from)
		return;
	check_owner(from);
	store_unapply(from);
	S.cur = to;
	trace_note("run");
	fiber_switch(from->at, to->at);
	/* Somebody came back to us: S.cur is from. */
	store_apply(from);
}

/* The current thread cannot go on, or need not. */
static void resched(void)
{
	struct sim_thread *me = S.cur, *next;
	long budget;
	u32 i;

	for (;;) {
		store_unapply(me);
		next = pick();
		store_apply(me);
		if (next)
			break;
		for (i = 0; i < SIM_MAX_THREADS; i++)
			store_drain(&S.t[i]);
		next = pick();
		if (next)
			break;
		/* The checks use the core, too. */
		budget = sim_budget;
		S.checking = true;
		quiet();
		S.checking = false;
		sim_budget = budget;
	}
	switch_to(next);
}

void sim_wait(enum sim_state state)
{
	struct sim_thread *t = S.cur;

	/* To go to sleep is a full barrier; to wait for a lock is not. */
	if (state == T_PARKED || state == T_ASLEEP || state == T_IRQ)
		store_drain(t);
	t->state = state;
	resched();
	t->state = T_RUN;
	if (state == T_PARKED || state == T_ASLEEP)
		t->token = false;
}

void sim_switch_away(void)
{
	resched();
}

static void thread_main(void *arg)
{
	struct sim_thread *t = arg;

	t->state = T_RUN;
	t->fn(t->arg);
	sim_thread_exit();
}

struct sim_thread *sim_thread_new(void (*fn)(void *), void *arg)
{
	struct sim_thread *t;
	u32 i;

	for (i = 0; i < SIM_MAX_THREADS && S.t[i].state != T_FREE; i++)
		;
	if (i == SIM_MAX_THREADS)
		sim_fail("the simulator is out of threads");
	t = &S.t[i];
	memset(t, 0, sizeof(*t));
	t->id = i;
	t->state = T_RUN;
	t->fn = fn;
	t->arg = arg;
	t->at = &t->g0;
	t->prio = 1000 + sim_below(1000);
	/* A new thread takes its time. */
	t->stalled = S.step + (sim_chance(0x8000) ? sim_below(500) : 0);
	fiber_init(&t->g0, memory_stack(SIM_NR_STACKS + i), FIBER_STACK,
		   thread_main, t);
	return t;
}

void sim_thread_exit(void)
{
	store_drain(S.cur);
	S.cur->state = T_FREE;
	resched();
	__builtin_trap();
}

/*
 * Choices
 */
static long draw_gap(void)
{
	if (S.o.pct || !S.o.gap)
		return 0;
	return (long)sim_below(2 * S.o.gap + 1);
}

static void some_stores_drain(void)
{
	u32 i;

	for (i = 0; i < SIM_MAX_THREADS; i++)
		if (S.t[i].nbuf && sim_chance(S.o.p_drain))
			store_drain_one(&S.t[i]);
}

static void time_passes(void)
{
	bool useful;
	u64 next;

	/* Faster and faster, lest somebody polls for a sleeper too long. */
	S.now += (u64)sim_below(S.o.tick + 1) << (S.step >> 16 < 16 ?
						  S.step >> 16 : 16);
	if (!sim_chance(S.o.p_jump))
		return;
	next = next_deadline(&useful);
	if (next > S.now && (next - S.now < NS_PER_S || sim_chance(0x400)))
		S.now = next;
}

static void spurious_wake(void)
{
	struct sim_thread *t = &S.t[sim_below(SIM_MAX_THREADS)];

	if (t->state == T_PARKED)
		t->token = true;
}

static bool may_block(struct sim_thread *t)
{
	/* The sleep of a thread without P and goroutine is just a pause. */
	return t->m && t->attached && !t->in_world && t->m->curg &&
	       !*(volatile u32 *)&t->m->d.in_sched;
}

/* A signal comes anywhere, but not into its own handler. */
static bool may_signal(struct sim_thread *t)
{
	return t->m && t->attached && !t->in_world && !t->in_handler;
}

static void pct_change(void)
{
	u32 i;

	for (i = 0; i < S.pct_n; i++) {
		if (S.pct_at[i] > S.step)
			continue;
		S.pct_at[i] = S.pct_at[--S.pct_n];
		S.cur->prio = --S.prio_low;
		S.last_progress = S.step;
		return;
	}
	/* Nobody may starve the others for ever. */
	if (S.step - S.last_progress > 3000) {
		S.cur->prio = --S.prio_low;
		S.last_progress = S.step;
	}
}

static void act(enum sim_op op)
{
	struct sim_thread *t = S.cur;

	time_passes();
	if (S.o.weak)
		some_stores_drain();
	if (sim_chance(S.o.p_spurious))
		spurious_wake();
	if (sim_chance(S.o.p_preempt))
		world_flag(&S.t[sim_below(SIM_MAX_THREADS)]);
	if (S.o.p_preempt && may_signal(t) && sim_chance(S.o.p_preempt)) {
		world_signal();
		return;
	}
	if (S.o.p_block && may_block(t) && sim_chance(S.o.p_block)) {
		world_block(1 + sim_below(sim_chance(0x8000) ? 2000 : 200000));
		return;
	}
	if (S.o.pct) {
		pct_change();
		if (op == SIM_RELAX && sim_chance(0x4000))
			t->prio = --S.prio_low;
		resched();
		return;
	}
	if (sim_chance(S.o.p_stall)) {
		t->stalled = S.step + (1ULL << (4 + sim_below(9)));
		resched();
	} else if (op == SIM_RELAX ? sim_chance(0x4000) :
		   sim_chance(S.o.p_switch)) {
		resched();
	}
}

void sim_choice(const struct sim_at *at)
{
	if (!S.running) {
		sim_budget = 1L << 40;
		return;
	}
	if (S.checking)
		return;
	if (S.tracing && at->op != SIM_RELAX) {
		sim_budget = 0;
		if (S.gap-- > 0) {
			trace_step(at);
			return;
		}
	}
	if (++S.since_check >= 24) {
		S.since_check = 0;
		check_world();
	}
	act(at->op);
	if (at->op == SIM_RELAX) {
		S.step++;
	} else {
		S.gap = draw_gap();
		S.step += 1 + (u64)S.gap;
		if (!S.tracing)
			sim_budget = S.gap;
	}
	if (S.step > MAX_STEPS)
		sim_fail("no end after %llu steps", MAX_STEPS);
	if (S.tracing)
		trace_step(at);
}

/*
 * Runs
 */
static u32 one_of(const u32 *v, u32 n)
{
	return v[sim_below(n)];
}

#define ONE_OF(...)							\
	one_of((const u32[]){ __VA_ARGS__ },				\
	       sizeof((const u32[]){ __VA_ARGS__ }) / sizeof(u32))

static void draw_opts(void)
{
	struct sim_opts *o = &S.o;
	u32 f = S.sc->flags, i, len;

	memset(o, 0, sizeof(*o));
	o->nr_ps = 1 + sim_below(SIM_MAX_PS);
	if ((f & SC_TWO_PS) && o->nr_ps < 2)
		o->nr_ps = 2;
	if (f & SC_ONE_P)
		o->nr_ps = 1;
	o->main_bound = (f & SC_BOUND) && sim_chance(0x5000);
	o->nr_ms = SIM_MAX_MS;
	if ((f & SC_FEW_MS) && sim_chance(0x4000))
		o->nr_ms = S.sc->min_ms + 1 + sim_below(o->nr_ps + 2) +
			   (o->main_bound ? 1 : 0);
	if (o->nr_ms > SIM_MAX_MS)
		o->nr_ms = SIM_MAX_MS;
	o->weak = sim_chance(0xa000);
	o->weaker = o->weak && sim_chance(0x4000);
	o->pct = sim_chance(0x4000);
	o->gap = ONE_OF(0, 0, 1, 3, 10, 40);
	o->p_switch = ONE_OF(0x1000, 0x4000, 0x8000);
	o->p_stall = ONE_OF(0, 0, 0x40, 0x400);
	o->p_block = ONE_OF(0, 0, 0x40, 0x400, 0x1000);
	o->p_drain = ONE_OF(0x100, 0x1000, 0x8000);
	o->p_jump = ONE_OF(0, 0x10, 0x100, 0x1000);
	o->p_spurious = ONE_OF(0, 0, 0x20, 0x400);
	o->p_nomem = (f & SC_NOMEM) ? ONE_OF(0, 0x800, 0x4000) : 0;
	o->p_nothread = (f & SC_NOTHREAD) ? ONE_OF(0, 0, 0x4000) : 0;
	o->linger = sim_chance(0x2000);
	o->tick = ONE_OF(20, 200, 2000);
	o->alone = (f & SC_ONE_P) || sim_chance(0x8000);
	o->p_preempt = ONE_OF(0, 0, 0x40, 0x400, 0x1000);

	S.pct_n = 0;
	S.prio_low = 1000;
	if (!o->pct)
		return;
	S.pct_n = 1 + sim_below(8);
	len = 50U << sim_below(8);
	for (i = 0; i < S.pct_n; i++)
		S.pct_at[i] = sim_below(len);
}

/* Returns true if all went well; else S.message says what did not. */
bool sim_run(const struct scenario *sc, u64 seed, bool tracing)
{
	const char *s;
	u64 hash = 0;

	for (s = sc->name; *s; s++)
		hash = hash * 131 + (unsigned char)*s;
	memset(&S, 0, offsetof(struct sim, message));
	S.message[0] = 0;
	S.rng = seed * 0x2545f4914f6cdd1dULL ^ hash;
	S.sc = sc;
	S.seed = seed;
	S.tracing = tracing;
	S.now = 1000 * NS_PER_S;
	draw_opts();
	sim_budget = 0;
	sim_weak = S.o.weak;
	check_init();
	world_init();
	program_start();
	S.running = true;
	sim_budget = 0;
	/* Whoever is first. */
	S.cur = pick();
	fiber_switch(&S.main, S.cur->at);
	sim_weak = false;
	sim_budget = 1L << 40;
	store_drop();
	if (S.failed && S.tracing)
		trace_dump();
	world_exit();
	return !S.failed;
}
