// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What scenarios, the programs of the simulator, may ask of the world; and how
 * their main goroutine is started.
 */
#include "sim.h"

#include <stdlib.h>

void sim_work(u32 steps)
{
	while (steps--)
		sim_step(SIM_USER, NULL, 0, 0);
}

void sim_block(u64 ns)
{
	sim_step(SIM_USER, NULL, 0, 0);
	world_block(ns ? ns : 1);
}

void sim_spin_until(const u32 *flag)
{
	sim_step(SIM_USER, NULL, 0, 0);
	while (!port_load(flag)) {
		S.cur->flag = flag;
		sim_wait(T_SPIN);
		S.cur->flag = NULL;
		if (S.cur->time_is_up) {
			S.cur->time_is_up = false;
			world_flag(S.cur);
			world_signal();
		}
	}
}

/* As poll() on a pipe: does not miss a write before it sleeps. */
void sim_read_until(const u32 *flag)
{
	struct sim_thread *t = S.cur;

	sim_step(SIM_USER, NULL, 0, 0);
	while (!*(volatile const u32 *)flag) {
		t->flag = flag;
		world_block(0);
		t = S.cur;
		t->flag = NULL;
	}
}

void sim_wake_readers(u32 *flag)
{
	u32 i;

	sim_step(SIM_USER, NULL, 0, 0);
	sim_full_barrier();
	*(volatile u32 *)flag = 1;
	/* One that is on its way to sleep is woken as well. */
	for (i = 0; i < SIM_MAX_THREADS; i++)
		if (S.t[i].state != T_SPIN && S.t[i].flag == flag)
			S.t[i].token = true;
}

void sim_go(void (*fn)(void *), void *arg)
{
	int ret;

	do {
		ret = kgo_go(fn, arg);
	} while (ret == -ENOMEM && S.o.p_nomem);
	if (ret)
		sim_fail("kgo_go: %d", ret);
}

struct start {
	void	(*fn)(void *arg);
	void	*arg;
};

static struct start *start_new(void (*fn)(void *), void *arg)
{
	struct start *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->fn = fn;
	s->arg = arg;
	S.nr_ext++;
	return s;
}

/* kgo_run() */
static void run_bound(void (*fn)(void *), void *arg)
{
	struct kgo_g *g;
	struct kgo_m *m;
	int ret;

	ret = world_attach(&m);
	if (ret)
		sim_fail("a bound thread cannot attach: %d", ret);
	do {
		ret = kgo_g_new(NULL, &g, fn, arg, 0, NULL);
	} while (ret == -ENOMEM);
	if (ret)
		sim_fail("a bound thread gets no goroutine: %d", ret);
	if (sim_chance(0x8000))
		port_stack_free(g);
	kgo_m_run_one(m, g);
	world_detach(m);
}

static void bound_thread(void *arg)
{
	struct start s = *(struct start *)arg;

	free(arg);
	run_bound(s.fn, s.arg);
	S.nr_ext--;
}

static void outside_thread(void *arg)
{
	struct start s = *(struct start *)arg;

	free(arg);
	s.fn(s.arg);
	S.nr_ext--;
}

void sim_bound(void (*fn)(void *), void *arg)
{
	sim_thread_new(bound_thread, start_new(fn, arg));
}

void sim_outside(void (*fn)(void *), void *arg)
{
	sim_thread_new(outside_thread, start_new(fn, arg));
}

static void main_body(void *unused)
{
	S.sc->main(unused);
	S.main_done = true;
}

/* kgo_main() */
static void main_thread(void *unused)
{
	struct kgo_g *g;
	struct kgo_m *m;
	int ret;

	(void)unused;
	if (S.o.main_bound) {
		run_bound(main_body, NULL);
		return;
	}
	if (world_attach(&m))
		abort();
	do {
		ret = kgo_g_new(NULL, &g, main_body, NULL, 0, NULL);
	} while (ret == -ENOMEM);
	if (ret)
		sim_fail("main gets no goroutine: %d", ret);
	kgo_m_main_first(m, g);
	world_detach(m);
}

void program_start(void)
{
	u32 i;

	for (i = 0; i < SIM_NR_IRQS; i++)
		sim_thread_new(world_irq_main, NULL)->state = T_IRQ;
	sim_thread_new(main_thread, NULL);
}
