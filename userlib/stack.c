// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Stacks of goroutines.
 *
 *   one slot:   | guard, a page | 64 KiB, touched from the top ...          |
 *   one slab:   | slot | slot | slot | ...      one mapping, SLAB_SLOTS of them
 *
 * Stacks of the default size are carved from slabs and never given back to
 * the system: the core keeps them with dead descriptors, and what comes back
 * here goes on a list.  Stacks of other sizes are mappings of their own and
 * go when their goroutine ends.
 *
 * A guard costs no VMA where the kernel has MADV_GUARD_INSTALL (6.13); else it
 * is mprotect()ed and splits the mapping, which vm.max_map_count bounds: half
 * of that many VMAs are left to the program, and stacks beyond have no guard,
 * which is said once.
 *
 * The odd slot size (a page more than a power of two) puts the hot ends of
 * neighbours into different sets of the second-level cache.
 *
 * Rejected: MAP_GROWSDOWN (guards of the kernel's choice, and only one thread's
 * stack may grow that way safely); a guard inside the 64 KiB (the user's bytes
 * are what the user asked for).
 */
#include "user.h"
#include "san.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE	23
#endif

#define SLOT		(KGO_PAGE + KGO_STACK_DEFAULT)
/* A leak checker is slow by the slab. */
#define SLAB_SLOTS	(SAN_READS_STACKS ? 4096UL : 256UL)

static struct {
	kgo_lock_t lock;
	u64	free;		/* lock: stack_hi of the first free stack, or 0 */
	u64	slab;		/* lock: next slot of the newest slab ... */
	u32	slab_left;	/* lock: ... and how many there are */
	u32	guards;		/* A: mprotected so far */
	u32	max_guards;	/* C */
	bool	no_madv;	/* A: MADV_GUARD_INSTALL is unknown here */
	bool	warned;		/* A */
} st;

/* A free stack's top word holds the next one's stack_hi. */
static u64 *free_link(u64 hi)
{
	return (u64 *)hi - 1;
}

static u32 read_max_maps(void)
{
	char buf[32] = "";
	int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
	ssize_t n;
	long v;

	if (fd < 0)
		return 65530;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	v = n > 0 ? strtol(buf, NULL, 10) : 0;
	return v > 0 ? (u32)v : 65530;
}

/** kgo_stack_init() - Once, before the first goroutine */
void kgo_stack_init(void)
{
	port_lock_init(&st.lock);
	/* Each costs two VMAs: itself and what it cuts off. */
	st.max_guards = read_max_maps() / 4;
	/* A leak checker reads slabs, and avoids only what has a VMA. */
	st.no_madv = SAN_READS_STACKS;
}

/* Raw calls: these run in goroutines, whose errno is not ours to change. */
static void *map(size_t size)
{
	long ret = arch_syscall(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
				MAP_STACK, -1, 0);

	if (ret < 0 && ret > -4096)
		return NULL;
	/* One touched page must not become 2 MiB. */
	arch_syscall(SYS_madvise, ret, (long)size, MADV_NOHUGEPAGE, 0, 0, 0);
	return (void *)ret;
}

static void unmap(u64 addr, size_t size)
{
	arch_syscall(SYS_munmap, (long)addr, (long)size, 0, 0, 0, 0);
}

/* Make the page at @addr a guard, if that can be. */
static void guard(u64 addr)
{
	struct kgo_out o = { .fd = STDERR_FILENO };

	if (!port_load(&st.no_madv)) {
		if (!arch_syscall(SYS_madvise, (long)addr, KGO_PAGE,
				  MADV_GUARD_INSTALL, 0, 0, 0))
			return;
		port_store(&st.no_madv, true);
	}
	if (port_add(&st.guards, 1) <= st.max_guards &&
	    !arch_syscall(SYS_mprotect, (long)addr, KGO_PAGE, PROT_NONE,
			  0, 0, 0))
		return;
	port_add(&st.guards, -1U);
	if (!port_xchg(&st.warned, true)) {
		kgo_out_str(&o, "kgo: ");
		kgo_out_num(&o, port_load(&st.guards));
		kgo_out_str(&o, " stacks have guard pages, which is what"
			    " vm.max_map_count allows: further ones have none,"
			    " their overflow goes unseen\n");
		kgo_out_flush(&o);
	}
}

static int alloc_default(u64 *hi)
{
	u64 slot;

	port_lock(&st.lock);
	if (st.free) {
		*hi = st.free;
		st.free = *free_link(st.free);
		port_unlock(&st.lock);
		return 0;
	}
	if (!st.slab_left) {
		/*
		 * With the lock held: a second thread would map a second slab
		 * only to wait less for a rare and short system call.
		 */
		slot = (u64)map(SLAB_SLOTS * SLOT);
		if (!slot) {
			port_unlock(&st.lock);
			return -ENOMEM;
		}
		san_root_add((void *)slot, SLAB_SLOTS * SLOT);
		st.slab = slot;
		st.slab_left = SLAB_SLOTS;
	}
	slot = st.slab;
	st.slab += SLOT;
	st.slab_left--;
	port_unlock(&st.lock);
	guard(slot);
	*hi = slot + SLOT;
	return 0;
}

int port_stack_alloc(struct kgo_g *g, size_t size)
{
	u64 hi;
	int ret;

	if (size > KGO_STACK_MAX)
		return -EINVAL;
	if (!size)
		size = KGO_STACK_DEFAULT;
	if (size < KGO_STACK_MIN)
		size = KGO_STACK_MIN;
	size = (size + KGO_PAGE - 1) & ~(KGO_PAGE - 1);

	if (size == KGO_STACK_DEFAULT) {
		ret = alloc_default(&hi);
		if (ret)
			return ret;
	} else {
		hi = (u64)map(size + KGO_PAGE);
		if (!hi)
			return -ENOMEM;
		guard(hi);
		san_root_add((void *)(hi + KGO_PAGE), size);
		hi += size + KGO_PAGE;
	}
	port_fill(&g->d.stack_lo, hi - size);
	port_fill(&g->d.stack_hi, hi);
	port_fill(&g->d.sp, 0);
	return 0;
}

void port_stack_free(struct kgo_g *g)
{
	size_t size = g->d.stack_hi - g->d.stack_lo;

	if (!g->d.stack_lo)
		return;
	if (size == KGO_STACK_DEFAULT) {
		port_lock(&st.lock);
		*free_link(g->d.stack_hi) = st.free;
		st.free = g->d.stack_hi;
		port_unlock(&st.lock);
	} else {
		san_stack_gone(g->d.stack_lo, size);
		unmap(g->d.stack_lo - KGO_PAGE, size + KGO_PAGE);
	}
	port_fill(&g->d.stack_lo, 0);
	port_fill(&g->d.stack_hi, 0);
}

/**
 * kgo_stack_each_free() - The stacks of default size that no goroutine has
 * @fn: called for each, must not start or end a goroutine; or NULL
 * @arg: for @fn
 *
 * Return: how many there are.
 */
u32 kgo_stack_each_free(void (*fn)(u64 lo, u64 hi, void *arg), void *arg)
{
	u32 n = 0;
	u64 hi;

	port_lock(&st.lock);
	for (hi = st.free; hi; hi = *free_link(hi)) {
		if (fn)
			fn(hi - KGO_STACK_DEFAULT, hi, arg);
		n++;
	}
	port_unlock(&st.lock);
	return n;
}

/*
 * The G table is mapped whole and populated as it grows, so that a lack of
 * memory is an error here and no signal later.  It grows without gaps: the
 * page in which @first lies, unless it begins it, is there already.
 */
int port_g_grow(u32 first, u32 n)
{
	u64 from = ((u64)port_g(first) + KGO_PAGE - 1) & ~(KGO_PAGE - 1);
	u64 to = (u64)port_g(first + n);
	long ret;

	if (from >= to)
		return 0;
	ret = arch_syscall(SYS_madvise, (long)from, (long)(to - from),
			   MADV_POPULATE_WRITE, 0, 0, 0);
	/* -EINVAL: before 5.14, or not for this mapping.  It will fault in. */
	return ret == 0 || ret == -EINVAL ? 0 : -ENOMEM;
}
