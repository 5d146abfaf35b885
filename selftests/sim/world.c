// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The world around the core: a kernel that sees threads block.
 *
 * The arbiter's callers do here what kmod/arbiter.c, kmod/blocked.c and
 * kmod/thread.c do in the kernel, and what userlib's device back end adds: a
 * park that a signal cuts short is taken up again.
 *
 * An irq_work is a flag of the thread that it belongs to, and a few threads
 * that serve such flags: so it may run late, beside its thread, and twice at
 * one time for two sleeps in a row.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

static struct sim_thread *self(void)
{
	return S.cur;
}

void world_init(void)
{
	struct sim_regions reg;

	memory_init(&reg);
	reg.r->abi_version = KGO_ABI_VERSION;
	reg.r->nr_ps = S.o.nr_ps;
	reg.r->nr_ms = S.o.nr_ms;
	reg.r->nr_gs_max = SIM_NR_GS;
	S.arb.word = S.words;
	S.arb.detect = true;
	memset(&kgo_rt, 0, sizeof(kgo_rt));
	memset(&kgo_alone, 0, sizeof(kgo_alone));
	if (arb_init(&S.arb, S.o.nr_ps, reg.r, reg.p) ||
	    kgo_rt_init(reg.r, reg.p, reg.m))
		abort();
	kgo_alone_begin(S.o.alone);
	peek_sema_reset();
	trace_name(reg.r, NULL);
}

void world_exit(void)
{
	if (!S.failed)
		kgo_rt_destroy();
	if (!memory_exit() && !S.failed) {
		S.failed = true;
		snprintf(S.message, sizeof(S.message), "memory is leaked");
	}
	kgo_rt.r = NULL;
}

/*
 * The kernel's side of a thread
 */
static void publish(struct sim_thread *t)
{
	port_store(&t->m->d.p, t->am.p);
	store_drain(t);
}

void arb_port_grant(struct arb *arb, struct arb_m *am)
{
	struct sim_thread *t = container_of(am, struct sim_thread, am);

	(void)arb;
	/* A wake-up is a full barrier. */
	sim_full_barrier();
	trace_note("grant p%u to m%u", am->p, am->index);
	t->token = true;
}

static void raise_irq(struct sim_thread *t)
{
	if (t->irq_pending)
		return;
	t->irq_pending = true;
	S.nr_irqs++;
}

void world_irq_main(void *unused)
{
	(void)unused;
	for (;;) {
		u32 i, at = sim_below(SIM_MAX_THREADS);
		struct sim_thread *t = NULL;

		for (i = 0; i < SIM_MAX_THREADS; i++) {
			t = &S.t[(at + i) % SIM_MAX_THREADS];
			if (t->irq_pending)
				break;
		}
		if (i == SIM_MAX_THREADS) {
			sim_wait(T_IRQ);
			continue;
		}
		t->irq_pending = false;
		S.nr_irqs--;
		t->irq_running++;
		trace_note("irq_work of m%u", t->am.index);
		arb_handoff(&S.arb, &t->am);
		store_drain(self());
		t->irq_running--;
	}
}

/* sched_out, sleep, sched_in. */
static void sleep_in_call(u64 ns)
{
	struct sim_thread *t = self();
	bool owned = t->am.p != KGO_NONE;

	t->in_world++;
	store_drain(t);
	trace_note("blocks");
	if (owned && arb_block(&S.arb, &t->am))
		raise_irq(t);
	t->wake_at = ns ? S.now + ns : 0;
	sim_wait(T_ASLEEP);
	t->wake_at = 0;
	if (owned) {
		arb_unblock(&S.arb, &t->am);
		publish(t);
	}
	trace_note("wakes, p%d", (int)t->am.p);
	t->in_world--;
}

void world_block(u64 ns)
{
	sleep_in_call(ns);
}

/* The handler of userlib/preempt.c. */
void world_signal(void)
{
	struct sim_thread *t = self();

	trace_note("signal");
	t->in_handler = true;
	kgo_preempt(t->m);
	t->in_handler = false;
}

/* What a timer or the monitor writes, from another CPU. */
void world_flag(struct sim_thread *t)
{
	u32 p;

	if (!t->m || !t->attached)
		return;
	p = t->m->d.p;
	if (p == KGO_NONE || p != t->am.p)
		return;
	trace_note("time is up for m%u", t->am.index);
	*(volatile u32 *)&t->m->d.p = p | KGO_P_PREEMPT;
}

/* What a page fault or a long system call may do, without saying so. */
void world_maybe_sleep(void)
{
	struct sim_thread *t = self();

	if (!t->m || !t->attached || t->in_world || t->m->d.in_sched)
		return;
	if (sim_chance(0x4000))
		sleep_in_call(1 + sim_below(20000));
}

int world_attach(struct kgo_m **mp)
{
	struct sim_thread *t = self();
	struct kgo_m *m;
	u32 i;

	t->in_world++;
	for (i = 0; i < S.o.nr_ms && S.m_thread[i]; i++)
		;
	if (i == S.o.nr_ms) {
		t->in_world--;
		return -EUSERS;
	}
	S.m_thread[i] = t;
	m = kgo_m_at(i);
	memset(m, 0, KGO_M_STRIDE);
	arb_m_init(&t->am, i);
	arb_join(&S.arb, &t->am);
	m->d.p = KGO_NONE;
	m->d.tid = 100 + t->id;
	t->attached = true;
	kgo_m_init(m, i);
	t->m = m;
	t->in_world--;
	*mp = m;
	return 0;
}

void world_detach(struct kgo_m *m)
{
	struct sim_thread *t = self();

	if (t->am.p != KGO_NONE)
		sim_fail("m%u ends with p%u", m->index, t->am.p);
	if (m->spinning || m->keeper)
		sim_fail("m%u ends while %s", m->index,
			 m->spinning ? "spinning" : "keeping timers");
	t->in_world++;
	t->unparking = true;
	arb_leave(&S.arb, &t->am);
	t->unparking = false;
	store_drain(t);
	/* irq_work_sync() */
	while (t->irq_pending || t->irq_running)
		port_relax();
	m->d.tid = 0;
	t->attached = false;
	t->m = NULL;
	S.m_thread[m->index] = NULL;
	t->in_world--;
}

u32 world_nr_attached(void)
{
	u32 n = 0, i;

	for (i = 0; i < SIM_MAX_MS; i++)
		n += !!S.m_thread[i];
	return n;
}

static void m_main(void *unused)
{
	struct kgo_m *m;

	(void)unused;
	if (world_attach(&m)) {
		/* As userlib/m.c: whoever waits for its first park need not. */
		port_store(&kgo_rt.nr_starting, 0);
		return;
	}
	kgo_m_main(m);
	world_detach(m);
}

int port_m_start(void)
{
	sim_step(SIM_USER, NULL, 0, 0);
	world_maybe_sleep();
	if (sim_chance(S.o.p_nothread)) {
		trace_note("no thread");
		S.nr_failed++;
		S.nr_nothread++;
		return -EAGAIN;
	}
	if (world_nr_attached() >= S.o.nr_ms)
		return -EUSERS;
	sim_thread_new(m_main, NULL);
	world_maybe_sleep();
	return 0;
}

/* Threads of the process, as the kernel counts them. */
static u32 count_threads(void)
{
	u32 n = 0, i;

	for (i = 0; i < SIM_MAX_THREADS; i++)
		n += S.t[i].state != T_FREE && S.t[i].fn != world_irq_main;
	return sim_plant_count(n);
}

/* Was that park the last? */
static bool is_dead(struct sim_thread *t)
{
	u32 n;

	if (!t->am.suspect)
		return false;
	sim_step(SIM_USER, NULL, 0, 0);
	n = count_threads();
	sim_step(SIM_USER, NULL, 0, 0);
	return arb_dead(&S.arb, &t->am, n);
}

/* How a signal ends the sleep of a parked thread.  True: parked again. */
static bool interrupted(struct sim_thread *t, u32 op, int *ret)
{
	struct arb *arb = &S.arb;

	t->unparking = true;
	arb_unpark(arb, &t->am);
	t->unparking = false;
	if (t->am.p != KGO_NONE) {
		*ret = (int)t->am.result;
		return false;
	}
	/* Back in the program: -EINTR.  The port parks again. */
	publish(t);
	trace_note("parks again");
	*ret = arb_park(arb, &t->am, op, NULL);
	if (*ret == 1)
		*ret = 0;
	else if (*ret == 0 && is_dead(t))
		*ret = -EDEADLK;
	else if (*ret == 0)
		return true;
	return false;
}

static int sleep_parked(struct sim_thread *t, u32 op, u64 deadline)
{
	struct arb *arb = &S.arb;
	int ret;

	for (;;) {
		if (arb_granted(arb, &t->am))
			return (int)t->am.result;
		if (deadline && S.now >= deadline) {
			t->unparking = true;
			arb_unpark(arb, &t->am);
			t->unparking = false;
			return t->am.p == KGO_NONE ? -ETIME :
			       (int)t->am.result;
		}
		t->wake_at = deadline;
		sim_wait(T_PARKED);
		t->wake_at = 0;
		if (sim_chance(0x8000) || arb_granted(arb, &t->am))
			continue;
		if (!interrupted(t, op, &ret))
			return ret;
	}
}

static int enter_target(struct sim_thread *t, u32 target, struct arb_m **to)
{
	if (target >= S.o.nr_ms || !S.m_thread[target])
		return -ESRCH;
	if (S.m_thread[target] == t)
		return -EINVAL;
	*to = &S.m_thread[target]->am;
	return 0;
}

static int enter(struct sim_thread *t, u32 op, u32 flags, u32 target,
		 u64 deadline)
{
	struct arb_m *to = NULL;
	int ret;

	if (flags & KGO_ENTER_F_GIVE) {
		ret = enter_target(t, target, &to);
		if (ret)
			return ret;
		if (t->am.p == KGO_NONE)
			return -ENXIO;
	}
	switch (op) {
	case KGO_ENTER_ACQUIRE:
		return arb_acquire(&S.arb, &t->am);
	case KGO_ENTER_RELEASE:
		return arb_release(&S.arb, &t->am, to);
	case KGO_ENTER_PARK_WANT:
	case KGO_ENTER_PARK_SPARE:
	case KGO_ENTER_PARK_BOUND:
		ret = arb_park(&S.arb, &t->am, op, to);
		if (ret)
			return ret < 0 ? ret : 0;
		if (is_dead(t))
			return -EDEADLK;
		return sleep_parked(t, op, deadline);
	}
	return -EINVAL;
}

int port_enter(struct kgo_m *m, u32 op, u32 flags, u32 target, u64 deadline)
{
	struct sim_thread *t = self();
	int ret;

	if (m && t->m != m)
		sim_fail("port_enter() with another thread's M");
	if (m)
		port_store(&m->in_arbiter, 1);
	t->in_world++;
	store_drain(t);
	if (op == KGO_ENTER_WAKE) {
		ret = arb_wake(&S.arb);
	} else {
		trace_note("enter op %u flags %u target %u", op, flags, target);
		ret = enter(t, op, flags, target, deadline);
		publish(t);
		trace_note("enter op %u returns %d, p%d", op, ret, (int)t->am.p);
	}
	store_drain(t);
	t->in_world--;
	if (m)
		port_store(&m->in_arbiter, 0);
	return ret;
}

/* The calling thread stands for the kernel, which has filled the ring. */
void world_completed(void)
{
	struct sim_thread *t = self();

	t->in_world++;
	arb_completed(&S.arb);
	t->in_world--;
}
