// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The port of the core to user space: clocks, memory, and the switch between a
 * thread's own stack and a goroutine's.  Locks are in lock.c.
 *
 * Invariants:
 *   - A thread runs its scheduler on its own stack (g0), and goroutines on
 *     theirs, but for the goroutine of kgo_run(): that one has no stack
 *     (stack_lo is 0) and runs in the middle of its thread's.
 *   - Nothing here uses errno or another thread-local variable of libc in a
 *     function that switches stacks.
 */
#include "backend.h"
#include "san.h"

#include <linux/membarrier.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

__thread struct kgo_m *kgo_tls_self;
char *kgo_g_base;
const struct kgo_backend_ops *kgo_backend_ops;

u64 port_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000ULL + (u64)ts.tv_nsec;
}

u64 port_now_coarse(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (u64)ts.tv_sec * 1000000000ULL + (u64)ts.tv_nsec;
}

void port_pause(void)
{
	const struct timespec ts = { .tv_nsec = 3000 };

	arch_syscall(SYS_nanosleep, (long)&ts, 0, 0, 0, 0, 0);
}

/*
 * On a kernel without membarrier(), wait for longer than a processor keeps a
 * store to itself.
 */
void port_mb_all(void)
{
	const struct timespec ts = { .tv_nsec = 1000000 };
	static u32 registered;

	if (!port_load(&registered)) {
		arch_syscall(SYS_membarrier,
			     MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0, 0,
			     0, 0);
		port_store(&registered, 1);
	}
	if (arch_syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0,
			 0, 0, 0))
		arch_syscall(SYS_nanosleep, (long)&ts, 0, 0, 0, 0, 0);
	port_mb();
}

u64 port_seed(void)
{
	/* The thread's place in memory and the time, mixed by splitmix64. */
	u64 x = (u64)&kgo_tls_self ^ (port_now() << 20);

	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

#define HUGE_PAGE	(2UL << 20)
#define HUGE_LEAST	(2 * HUGE_PAGE)

/** kgo_huge() - Have huge pages, as far as they fit into a range */
void kgo_huge(u64 at, size_t size)
{
	u64 from = (at + HUGE_PAGE - 1) & -HUGE_PAGE;
	u64 to = (at + size) & -HUGE_PAGE;

	if (from < to)
		arch_syscall(SYS_madvise, (long)from, (long)(to - from),
			     MADV_HUGEPAGE, 0, 0, 0);
}

/*
 * A heap of a million timers is read at random: with small pages each step of
 * a way through it would miss the TLB.  From so many bytes on the rest of a
 * huge page is no matter.  Memory that was never touched, which is what
 * calloc() has for large sizes, comes in huge pages then.
 */
void *port_alloc(size_t size)
{
	void *p = calloc(1, size);

	if (size >= HUGE_LEAST && p)
		kgo_huge((u64)p, size);
	return p;
}

void port_free(void *ptr)
{
	free(ptr);
}

void port_g_init(struct kgo_g *g)
{
	u64 top = g->d.stack_hi;

	if (!g->d.stack_lo)
		return;
	/*
	 * All stacks end on a page boundary, so that the same few sets of the
	 * first-level cache would have to hold the hot end of each: spread
	 * them over 16 cache lines.
	 */
	top -= (g->index & 15) * 64;
	san_g_init(g);
	port_fill(&g->d.sp, arch_stack_init(top, !g->d.sp));
}

/* First on a goroutine's stack, and never left. */
void kgo_port_entry(struct kgo_g *g)
{
	san_arrive_g(port_m_of(port_self()), NULL);
	kgo_g_entry(g);
	port_throw("a goroutine ran on after its end");
	abort();
}

/* A function of its own, since it returns twice. */
static noinline void run_here(struct port_m *pm, struct kgo_g *g)
{
	port_jmp_prepare(&pm->end);
	if (!kgo_jmp_set(&pm->end))
		kgo_g_entry(g);
}

void port_run(struct kgo_m *m, struct kgo_g *g)
{
	struct port_m *pm = port_m_of(m);

	if (unlikely(!g->d.stack_lo)) {
		run_here(pm, g);
		return;
	}
	san_leave_m(pm, g);
	arch_switch(&m->sp, g->d.sp, g);
	san_arrive_m(pm);
}

void port_back(struct kgo_m *m, struct kgo_g *g)
{
	void *fake = NULL;

	if (unlikely(!g->d.stack_lo))
		port_jump(&port_m_of(m)->end);
	san_leave_g(port_m_of(m), &fake, m->post == KGO_POST_EXIT);
	arch_switch(&g->d.sp, m->sp, NULL);
	san_arrive_g(port_m_of(port_self()), fake);
}

void port_switch(struct kgo_m *m, struct kgo_g *from, struct kgo_g *to)
{
	void *fake = NULL;

	san_leave_for_g(port_m_of(m), to, &fake, m->post == KGO_POST_EXIT);
	arch_switch(&from->d.sp, to->d.sp, to);
	san_arrive_g(port_m_of(port_self()), fake);
}

bool port_follow(struct kgo_m *m, struct kgo_g *to)
{
	(void)m;
	(void)to;
	port_throw("goroutines with stacks of their own do not follow each other");
	return false;
}

void port_jmp_prepare(struct kgo_jmp *jmp)
{
	(void)jmp;
}

void port_jump(struct kgo_jmp *jmp)
{
	san_jump(jmp);
	arch_jump(jmp);
}

int port_enter(struct kgo_m *m, u32 op, u32 flags, u32 target, u64 deadline)
{
	int ret;

	kgo_check_alive();
	if (!m)
		return kgo_backend_ops->enter(m, op, flags, target, deadline);
	/* For kgo_alone_end(): it changes nothing of the core's meanwhile. */
	port_barrier();
	port_store(&m->in_arbiter, 1);
	ret = kgo_backend_ops->enter(m, op, flags, target, deadline);
	port_store(&m->in_arbiter, 0);
	port_barrier();
	return ret;
}
