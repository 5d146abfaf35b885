// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What the core and its goroutines live in: the regions of <linux/kgo.h>,
 * stacks, and a heap.  Allocations fail when the seed says so.
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

void *memory_stack(u32 i)
{
	return stacks + (size_t)i * FIBER_STACK;
}

bool memory_is_stack(const volatile void *addr)
{
	const volatile char *at = addr;

	return at >= stacks &&
	       at < stacks + (SIM_NR_STACKS + SIM_MAX_THREADS) * FIBER_STACK;
}

/* The regions at fixed places, so that a trace reads the same every time. */
void memory_init(struct sim_regions *reg)
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
		stack_free[nr_stack_free++] = memory_stack(i);
	reg->r = region_r;
	reg->p = region_p;
	reg->m = region_m;
}

/* Return: false if something was not freed. */
bool memory_exit(void)
{
	bool all = kgo_list_empty(&blocks);

	kgo_list_init(&blocks);
	heap_poison(heap, heap_used, false);
	heap_used = 0;
	return all;
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
	world_maybe_sleep();
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
	world_maybe_sleep();
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
	world_maybe_sleep();
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
