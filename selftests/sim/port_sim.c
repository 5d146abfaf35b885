// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The port (port.h of the core) but for port_enter(), which is the world's, and
 * memory: the clock, locks, the way from goroutine to goroutine, last words.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

static struct sim_thread *self(void)
{
	return S.cur;
}

u64 port_now(void)
{
	return S.now;
}

u64 port_now_coarse(void)
{
	return S.now - S.now % NS_PER_MS;
}

void port_pause(void)
{
	struct sim_thread *t = self();

	sim_step(SIM_USER, NULL, 0, 0);
	if (sim_chance(0x8000)) {
		t->wake_at = S.now + 1 + sim_below(5000);
		sim_wait(T_ASLEEP);
		t->wake_at = 0;
	} else {
		sim_switch_away();
	}
}

void port_mb_all(void)
{
	u32 i;

	sim_step(SIM_USER, NULL, 0, 0);
	world_maybe_sleep();
	for (i = 0; i < SIM_MAX_THREADS; i++)
		if (&S.t[i] == self() || !sim_plant_no_mb(__func__))
			store_drain(&S.t[i]);
}

void port_deadlock(const char *msg)
{
	if (!(S.sc->flags & SC_DEADLOCK))
		sim_fail("%s", msg);
	deadlock_told();
	sim_end();
}

u64 port_seed(void)
{
	return sim_rand();
}

struct kgo_m *port_self(void)
{
	return S.cur ? S.cur->m : NULL;
}

void port_lock_init(kgo_lock_t *lock)
{
	memset(lock, 0, sizeof(*lock));
}

static void own(kgo_lock_t *lock, struct sim_thread *t)
{
	if (lock->owner)
		sim_fail("%s is held by two", trace_addr(&lock->word));
	lock->owner = t;
}

void port_lock(kgo_lock_t *lock)
{
	struct sim_thread *t = self();

	sim_step(SIM_LOCK, &lock->word, 4, 1);
	if (!t)
		return;
	sim_full_barrier();
	if (lock->word && lock->owner == t)
		sim_fail("m%u locks %s twice", t->am.index,
			 trace_addr(&lock->word));
	while (lock->word) {
		t->lock = lock;
		sim_wait(T_LOCK);
	}
	lock->word = 1;
	own(lock, t);
}

bool port_lock_plain(kgo_lock_t *lock)
{
	struct sim_thread *t = self();

	if (port_load(&lock->word))
		return false;
	if (!t)
		return true;
	port_store(&lock->word, 1);
	own(lock, t);
	return true;
}

void port_unlock(kgo_lock_t *lock)
{
	struct sim_thread *t = self();

	if (t && (!lock->word || lock->owner != t))
		sim_fail("unlock of %s, which is not held by this thread",
			 trace_addr(&lock->word));
	sim_step(SIM_UNLOCK, &lock->word, 4, 0);
	if (!t)
		return;
	check_unlock(lock);
	lock->owner = NULL;
	if (sim_weak)
		sim_store(&lock->word, 4, 0, true);
	else
		lock->word = 0;
}

void port_assert_held(kgo_lock_t *lock)
{
	if (S.cur && lock->owner != S.cur)
		sim_fail("%s is not held", trace_addr(&lock->word));
}

static void g_main(void *arg)
{
	kgo_g_entry(arg);
	sim_fail("a goroutine ran on after its end");
}

void port_g_init(struct kgo_g *g)
{
	struct sim_g *sg = &sim_gs[g->index];

	if (sg->on)
		sim_fail("g%u is made anew while it runs", g->index);
	if (g->d.stack_lo) {
		fiber_init(&sg->fiber, sg->stack, FIBER_STACK, g_main, g);
		g->d.sp = g->d.goid & 1;	/* for port_is_cold() */
	}
}

static void arrive(struct sim_thread *t, struct kgo_g *g)
{
	struct sim_g *sg = &sim_gs[g->index];

	if (sg->on)
		sim_fail("g%u runs twice, on m%u and m%u", g->index,
			 sg->on->am.index, t->am.index);
	sg->on = t;
	if (g->d.stack_lo)
		g->d.sp = 0;
	trace_note("runs g%u", g->index);
}

/* userlib/jump_x86_64.S */
void arch_jump(struct kgo_jmp *jmp) __attribute__((noreturn));

void port_jmp_prepare(struct kgo_jmp *jmp)
{
	(void)jmp;
}

void port_jump(struct kgo_jmp *jmp)
{
	fiber_jump();
	arch_jump(jmp);
}

bool port_follow(struct kgo_m *m, struct kgo_g *to)
{
	sim_fail("g%u follows on m%u, which has no chains", to->index, m->index);
	return false;
}

/* A function of its own, since it returns twice. */
static noinline void run_here(struct sim_thread *t, struct kgo_g *g)
{
	if (!kgo_jmp_set(&t->end))
		kgo_g_entry(g);
}

void port_run(struct kgo_m *m, struct kgo_g *g)
{
	struct sim_thread *t = self();

	if (t->m != m)
		sim_fail("port_run() with another thread's M");
	/* Others of its kind follow it, and it may be run again by then. */
	if (!g->d.stack_lo) {
		run_here(t, g);
		return;
	}
	arrive(t, g);
	t->at = &sim_gs[g->index].fiber;
	fiber_switch(&t->g0, t->at);
}

static void depart(struct sim_thread *t, struct kgo_m *m, struct kgo_g *g)
{
	if (t->m != m || sim_gs[g->index].on != t)
		sim_fail("g%u leaves a stack that it is not on", g->index);
	sim_gs[g->index].on = NULL;
	trace_note("leaves g%u, post %u", g->index, m->post);
}

void port_back(struct kgo_m *m, struct kgo_g *g)
{
	struct sim_thread *t = self();

	if (!g->d.stack_lo)
		port_jump(&t->end);
	depart(t, m, g);
	t->at = &t->g0;
	fiber_switch(&sim_gs[g->index].fiber, t->at);
}

void port_switch(struct kgo_m *m, struct kgo_g *from, struct kgo_g *to)
{
	struct sim_thread *t = self();

	if (!to->d.stack_lo || !from->d.stack_lo)
		sim_fail("port_switch() without a stack");
	depart(t, m, from);
	arrive(t, to);
	t->at = &sim_gs[to->index].fiber;
	fiber_switch(&sim_gs[from->index].fiber, t->at);
}

void port_panic(const char *msg)
{
	sim_fail("panic outside of a goroutine: %s", msg);
}

void port_unrecovered(struct kgo_panic *p)
{
	sim_fail("panic: %s", p->kind == KGO_PANIC_VALUE ? "a value" :
		 (const char *)p->value);
}

void port_fatal(const char *msg)
{
	port_throw(msg);
}

void port_throw(const char *msg)
{
	if (!S.cur) {
		fprintf(stderr, "sim: throw outside of a run: %s\n", msg);
		abort();
	}
	sim_fail("throw: %s", msg);
}
