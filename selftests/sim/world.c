// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The world around the core: port.h, and a kernel that sees threads block.
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
#include <sys/mman.h>
#if FIBER_ASAN
#include <sanitizer/asan_interface.h>
#endif

struct sim_g sim_gs[SIM_NR_GS];
char *sim_g_base;

static struct kgo_rdesc *region_r;
static char *region_p, *region_m;
static char *stacks;
static char *stack_free[SIM_NR_STACKS];
static u32 nr_stack_free;
static u32 nr_gs_used;		/* descriptors that may be dirty */

/* What port_alloc() gave and nobody freed, so that no run leaks into another. */
struct block {
	struct kgo_list	link;
	size_t		size;
	char		mem[] __attribute__((aligned(16)));
};

static struct kgo_list blocks = { &blocks, &blocks };

/*
 * The heap: at one address in every process, since semaphores are hashed by
 * theirs, and within a run nothing is used twice, so that what is used after it
 * was freed shows.
 */
#define HEAP_AT		0x200000000000UL
#define HEAP_SIZE	(1UL << 30)

static char *heap;
static size_t heap_used;

static struct sim_thread *self(void)
{
	return S.cur;
}

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		perror("sim: mmap");
		exit(2);
	}
	return p;
}

static void heap_map(void)
{
	heap = mmap((void *)HEAP_AT, HEAP_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
		    MAP_FIXED_NOREPLACE, -1, 0);
	if (heap == MAP_FAILED) {
		perror("sim: heap");
		exit(2);
	}
}

/* Tell AddressSanitizer what may not be touched. */
static void heap_poison(void *at, size_t size, bool bad)
{
#if FIBER_ASAN
	if (bad)
		__asan_poison_memory_region(at, size);
	else
		__asan_unpoison_memory_region(at, size);
#else
	(void)at;
	(void)size;
	(void)bad;
#endif
}

void *world_stack(u32 i)
{
	return stacks + (size_t)i * FIBER_STACK;
}

bool world_is_stack(const volatile void *addr)
{
	const volatile char *at = addr;

	return at >= stacks &&
	       at < stacks + (SIM_NR_STACKS + SIM_MAX_THREADS) * FIBER_STACK;
}

/* The regions at fixed places, so that a trace reads the same every time. */
void world_init(void)
{
	u32 i;

	if (!region_r) {
		heap_map();
		region_r = map(4096);
		region_p = map(SIM_MAX_PS * KGO_P_STRIDE);
		region_m = map(SIM_MAX_MS * KGO_M_STRIDE);
		sim_g_base = map((size_t)SIM_NR_GS * KGO_G_STRIDE);
		stacks = map((SIM_NR_STACKS + SIM_MAX_THREADS) * FIBER_STACK);
	}
	memset(region_r, 0, sizeof(*region_r));
	memset(region_p, 0, S.o.nr_ps * KGO_P_STRIDE);
	memset(region_m, 0, SIM_MAX_MS * KGO_M_STRIDE);
	memset(sim_g_base, 0, (size_t)nr_gs_used * KGO_G_STRIDE);
	memset(sim_gs, 0, nr_gs_used * sizeof(sim_gs[0]));
	nr_gs_used = 0;
	nr_stack_free = 0;
	for (i = SIM_NR_STACKS; i--;)
		stack_free[nr_stack_free++] = world_stack(i);

	region_r->abi_version = KGO_ABI_VERSION;
	region_r->nr_ps = S.o.nr_ps;
	region_r->nr_ms = S.o.nr_ms;
	region_r->nr_gs_max = SIM_NR_GS;
	S.arb.word = S.words;
	S.arb.detect = true;
	memset(&kgo_rt, 0, sizeof(kgo_rt));
	memset(&kgo_alone, 0, sizeof(kgo_alone));
	if (arb_init(&S.arb, S.o.nr_ps, region_r, region_p) ||
	    kgo_rt_init(region_r, region_p, region_m))
		abort();
	kgo_alone_begin(S.o.alone);
	peek_sema_reset();
	trace_name(region_r, NULL);
}

void world_exit(void)
{
	if (!S.failed)
		kgo_rt_destroy();
	if (!S.failed && !kgo_list_empty(&blocks)) {
		S.failed = true;
		snprintf(S.message, sizeof(S.message), "memory is leaked");
	}
	kgo_list_init(&blocks);
	heap_poison(heap, heap_used, false);
	heap_used = 0;
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
static void maybe_sleep(void)
{
	struct sim_thread *t = self();

	if (!t->m || !t->attached || t->in_world || t->m->d.in_sched)
		return;
	if (sim_chance(0x4000))
		sleep_in_call(1 + sim_below(20000));
}

static int attach(struct kgo_m **mp)
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

static void detach(struct kgo_m *m)
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
	if (attach(&m)) {
		/* As userlib/m.c: whoever waits for its first park need not. */
		port_store(&kgo_rt.nr_starting, 0);
		return;
	}
	kgo_m_main(m);
	detach(m);
}

int port_m_start(void)
{
	sim_step(SIM_USER, NULL, 0, 0);
	maybe_sleep();
	if (sim_chance(S.o.p_nothread)) {
		trace_note("no thread");
		S.nr_failed++;
		S.nr_nothread++;
		return -EAGAIN;
	}
	if (world_nr_attached() >= S.o.nr_ms)
		return -EUSERS;
	sim_thread_new(m_main, NULL);
	maybe_sleep();
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

/*
 * The rest of port.h
 */
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
	maybe_sleep();
	for (i = 0; i < SIM_MAX_THREADS; i++)
		if (&S.t[i] == self() || !sim_plant_no_mb(__func__))
			store_drain(&S.t[i]);
}

/* This world has no completion ring. */
/* The calling thread stands for the kernel, which has filled the ring. */
void world_completed(void)
{
	struct sim_thread *t = self();

	t->in_world++;
	arb_completed(&S.arb);
	t->in_world--;
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

static bool out_of_memory(void)
{
	if (!S.running || !sim_chance(S.o.p_nomem))
		return false;
	trace_note("no memory");
	S.nr_failed++;
	return true;
}

void *port_alloc(size_t size)
{
	struct block *b;

	sim_step(SIM_USER, NULL, 0, 0);
	maybe_sleep();
	if (out_of_memory())
		return NULL;
	b = (struct block *)(heap + heap_used);
	heap_used += (sizeof(*b) + size + 15) & ~15UL;
	if (heap_used > HEAP_SIZE)
		sim_fail("out of memory");
	heap_poison(b, sizeof(*b) + size, false);
	memset(b, 0, sizeof(*b) + size);
	b->size = size;
	kgo_list_push_back(&blocks, &b->link);
	return b->mem;
}

void port_free(void *ptr)
{
	struct block *b;
	size_t size;

	if (!ptr)
		return;
	sim_step(SIM_USER, NULL, 0, 0);
	b = container_of(ptr, struct block, mem);
	kgo_list_del(&b->link);
	sim_full_barrier();
	store_check_free(b->mem, b->size);
	size = sizeof(*b) + b->size;
	memset(b, 0xdd, size);
	heap_poison(b, size, true);
}

int port_g_grow(u32 first, u32 n)
{
	sim_step(SIM_USER, NULL, 0, 0);
	maybe_sleep();
	if (first + n > SIM_NR_GS || first + n < first)
		sim_fail("port_g_grow(%u, %u) beyond the table", first, n);
	if (out_of_memory())
		return -ENOMEM;
	if (first + n > nr_gs_used)
		nr_gs_used = first + n;
	return 0;
}

int port_stack_alloc(struct kgo_g *g, size_t size)
{
	char *stack;

	sim_step(SIM_USER, NULL, 0, 0);
	maybe_sleep();
	if (g->d.stack_lo)
		sim_fail("g%u has a stack already", g->index);
	if (size > 1UL << 30)
		return -EINVAL;
	if (out_of_memory() || !nr_stack_free)
		return -ENOMEM;
	stack = stack_free[--nr_stack_free];
	sim_gs[g->index].stack = stack;
	g->d.stack_lo = (u64)(unsigned long)stack;
	g->d.stack_hi = g->d.stack_lo + FIBER_STACK;
	return 0;
}

void port_stack_free(struct kgo_g *g)
{
	struct sim_g *sg = &sim_gs[g->index];

	sim_step(SIM_USER, NULL, 0, 0);
	if (!g->d.stack_lo)
		sim_fail("g%u has no stack to free", g->index);
	if (sg->on)
		sim_fail("stack of g%u freed while it runs", g->index);
	stack_free[nr_stack_free++] = sg->stack;
	sg->stack = NULL;
	g->d.stack_lo = 0;
	g->d.stack_hi = 0;
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

/*
 * What programs may ask of the world
 */
void sim_work(u32 steps)
{
	while (steps--)
		sim_step(SIM_USER, NULL, 0, 0);
}

void sim_block(u64 ns)
{
	sim_step(SIM_USER, NULL, 0, 0);
	sleep_in_call(ns ? ns : 1);
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
		sleep_in_call(0);
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

	ret = attach(&m);
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
	detach(m);
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
	if (attach(&m))
		abort();
	do {
		ret = kgo_g_new(NULL, &g, main_body, NULL, 0, NULL);
	} while (ret == -ENOMEM);
	if (ret)
		sim_fail("main gets no goroutine: %d", ret);
	kgo_m_main_first(m, g);
	detach(m);
}

void world_start(void)
{
	u32 i;

	for (i = 0; i < SIM_NR_IRQS; i++)
		sim_thread_new(world_irq_main, NULL)->state = T_IRQ;
	sim_thread_new(main_thread, NULL);
}
