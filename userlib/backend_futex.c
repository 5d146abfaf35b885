// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The back end for machines without /dev/kgo: the arbiter of kmod/core/arb.c
 * runs in the process, threads sleep on futexes, and a monitor thread
 * (monitor.c) finds out who is blocked.
 *
 * In the kernel a thread's own sleep takes its P.  Here the monitor takes it,
 * while the thread may wake up at any instruction.  That is Dekker's problem:
 *
 *   thread, kgo_enter_sched()		monitor, kgo_futex_take()
 *   -------------------------		-------------------------
 *   in_sched = 1			d.p |= KGO_P_CLAIM
 *   compiler barrier			membarrier
 *   read d.p: claimed?			read in_sched: set?
 *
 * At least one of them sees the other.  The thread's barrier is free because
 * membarrier() runs a full one on every CPU that the process is on.  A thread
 * that entered the runtime first goes on with its P (the claim bit is ignored
 * from there on, see kgo_m_p()), and the monitor takes the claim back.  One
 * that finds a claim, or no P, calls port_enter(ACQUIRE).
 *
 * Locking: futex_m.lock is held by the M around everything that it asks of the
 * arbiter, and by the monitor while it takes that M's P, so that arb_block() on
 * behalf of an M never runs beside that M's own calls.  It is not held while
 * the M sleeps; a parked M has in_sched set, and no P to take.
 * Order: table_lock, futex_m.lock, arb.lock.
 *
 * Wake-ups are collected while arb.lock is held and done after it.
 */
#include "backend.h"
#include "backend_futex.h"
#include "san.h"

#include <fcntl.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define NR_MS		4096U
/* 512 MiB of addresses, unless a leak checker reads them all. */
#define NR_GS		(SAN_READS_STACKS ? 256U << 10 : 4U << 20)
#define NR_GS_LEAST	(64U << 10)
/* Bytes of the table in small pages: who has few goroutines needs no more. */
#define G_SMALL		(2UL << 20)

struct futex_rt kgo_futex;

/*
 * Ms that this thread has granted a P and not woken yet.  An array and no list
 * through futex_m: an M may see its grant by itself, park again and be granted
 * by another thread before this one gets to wake it.
 */
#define MAX_GRANTS	4U	/* one operation of the arbiter does 3 at most */

static __thread struct {
	u32	n;
	struct futex_m *m[MAX_GRANTS];
} granted;

static void wake(struct futex_m *fm)
{
	port_add(&fm->wakes, 1);
	kgo_futex_wake(&fm->wakes);
}

void arb_port_grant(struct arb *arb, struct arb_m *am)
{
	struct futex_m *fm = container_of(am, struct futex_m, am);

	(void)arb;
	if (granted.n < MAX_GRANTS)
		granted.m[granted.n++] = fm;
	else
		wake(fm);
}

static void wake_granted(void)
{
	while (granted.n)
		wake(granted.m[--granted.n]);
}

static void *map_zeroed(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void futex_close(struct kgo_regions *reg)
{
	struct kgo_rdesc *r = reg->r;

	port_free(kgo_futex.arb.word);
	if (kgo_futex.m)
		munmap(kgo_futex.m, NR_MS * sizeof(struct futex_m));
	if (reg->g)
		munmap(reg->g, (size_t)r->nr_gs_max * KGO_G_STRIDE);
	if (reg->m)
		munmap(reg->m, (size_t)NR_MS * KGO_M_STRIDE);
	if (reg->p)
		munmap(reg->p, (size_t)r->nr_ps * KGO_P_STRIDE);
	if (r)
		munmap(r, KGO_PAGE);
	memset(reg, 0, sizeof(*reg));
	memset(&kgo_futex, 0, sizeof(kgo_futex));
}

static int map_regions(u32 nr_ps, struct kgo_regions *reg)
{
	u32 nr_gs;

	reg->r = map_zeroed(KGO_PAGE);
	if (!reg->r)
		return -ENOMEM;
	reg->r->abi_version = KGO_ABI_VERSION;
	reg->r->nr_ps = nr_ps;
	reg->r->nr_ms = NR_MS;
	reg->r->id = 1;

	reg->p = map_zeroed((size_t)nr_ps * KGO_P_STRIDE);
	reg->m = map_zeroed((size_t)NR_MS * KGO_M_STRIDE);
	kgo_futex.m = map_zeroed(NR_MS * sizeof(struct futex_m));
	kgo_futex.arb.word = port_alloc(nr_ps * sizeof(u64));
	if (!reg->p || !reg->m || !kgo_futex.m || !kgo_futex.arb.word)
		return -ENOMEM;

	/* Under a limit of address space a smaller table will do. */
	for (nr_gs = NR_GS; nr_gs >= NR_GS_LEAST; nr_gs /= 2) {
		reg->g = map_zeroed((size_t)nr_gs * KGO_G_STRIDE);
		if (reg->g) {
			kgo_huge((u64)reg->g + G_SMALL,
				 (size_t)nr_gs * KGO_G_STRIDE - G_SMALL);
			reg->r->nr_gs_max = nr_gs;
			return 0;
		}
	}
	return -ENOMEM;
}

static bool have_membarrier(void)
{
	return !arch_syscall(SYS_membarrier,
			     MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0,
			     0, 0, 0);
}

static int futex_open(u32 nr_ps, struct kgo_regions *reg, const char **why)
{
	int ret;

	memset(reg, 0, sizeof(*reg));
	*why = "memory for the tables";
	if (!nr_ps)
		nr_ps = kgo_nr_cpus();
	ret = map_regions(nr_ps, reg);
	if (ret)
		goto close;
	port_lock_init(&kgo_futex.table_lock);
	kgo_futex.arb.detect = true;
	ret = arb_init(&kgo_futex.arb, nr_ps, reg->r, reg->p);
	if (ret)
		goto close;

	return 0;
close:
	futex_close(reg);
	return ret;
}

static int futex_start(void)
{
	int ret;

	if (have_membarrier()) {
		ret = kgo_monitor_start();
		kgo_futex.monitored = !ret;
		return ret;
	}
	kgo_complain("membarrier is missing: a goroutine that blocks in a"
		     " system call keeps its processor");
	return 0;
}

static int futex_attach(u32 *index)
{
	u32 tid = (u32)arch_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
	struct futex_m *fm;
	struct kgo_m *m;
	u32 i;

	port_lock(&kgo_futex.table_lock);
	for (i = 0; i < kgo_rt.nr_ms && kgo_futex.m[i].attached; i++)
		;
	if (i == kgo_rt.nr_ms) {
		port_unlock(&kgo_futex.table_lock);
		return -EUSERS;
	}
	fm = &kgo_futex.m[i];
	m = kgo_m_at(i);
	port_lock(&fm->lock);
	fm->taken = false;
	arb_m_init(&fm->am, i);
	arb_join(&kgo_futex.arb, &fm->am);
	/* The monitor may be looking for its former owner. */
	port_store(&m->d.in_sched, 1);
	port_store(&m->d.p, KGO_NONE);
	port_store(&m->d.tid, tid);
	port_store(&m->d.curg, KGO_NO_G);
	port_store(&m->d.blocks, 0);
	port_store(&m->d.handoffs, 0);
	memset(&m->d + 1, 0, KGO_M_STRIDE - sizeof(m->d));
	port_unlock(&fm->lock);
	fm->attached = true;
	port_unlock(&kgo_futex.table_lock);
	*index = i;
	return 0;
}

static void futex_detach(struct kgo_m *m)
{
	struct futex_m *fm = &kgo_futex.m[m->index];

	port_lock(&kgo_futex.table_lock);
	port_lock(&fm->lock);
	port_store(&m->d.in_sched, 1);
	arb_leave(&kgo_futex.arb, &fm->am);
	port_store(&m->d.p, KGO_NONE);
	port_store(&m->d.tid, 0);
	port_unlock(&fm->lock);
	fm->attached = false;
	port_unlock(&kgo_futex.table_lock);
	wake_granted();
}

/* Sleep until granted a P.  Returns the result of port_enter(). */
static int sleep_parked(struct futex_m *fm, u64 deadline)
{
	struct arb *arb = &kgo_futex.arb;

	u32 wakes;

	for (;;) {
		wakes = port_load_acquire(&fm->wakes);
		if (arb_granted(arb, &fm->am))
			break;
		if (kgo_futex_wait(&fm->wakes, wakes, deadline) != -ETIMEDOUT)
			continue;
		arb_unpark(arb, &fm->am);
		if (fm->am.p == KGO_NONE)
			return -ETIME;
		break;
	}
	return (int)fm->am.result;
}

/*
 * Threads of the process, without the monitor.  /proc counts them as links of
 * the folder that lists them; 0 if there is no /proc, or nobody knows whose
 * they are.
 */
static u32 count_threads(void)
{
	const u32 own = kgo_futex.monitored;
	struct stat st;

	if (SAN_THREADS ||
	    arch_syscall(SYS_newfstatat, AT_FDCWD, (long)"/proc/self/task",
			 (long)&st, 0, 0, 0) ||
	    st.st_nlink < 2 + own)
		return 0;
	return (u32)st.st_nlink - 2 - own;
}

static int enter_locked(struct futex_m *fm, u32 op, struct arb_m *target,
			bool *parked)
{
	struct arb *arb = &kgo_futex.arb;
	int ret;

	port_assert_held(&fm->lock);
	if (fm->taken) {
		fm->taken = false;
		arb_unblock(arb, &fm->am);
	}
	switch (op) {
	case KGO_ENTER_ACQUIRE:
		return arb_acquire(arb, &fm->am);
	case KGO_ENTER_RELEASE:
		return arb_release(arb, &fm->am, target);
	case KGO_ENTER_PARK_WANT:
	case KGO_ENTER_PARK_SPARE:
	case KGO_ENTER_PARK_BOUND:
		ret = arb_park(arb, &fm->am, op, target);
		*parked = ret == 0;
		return ret < 0 ? ret : 0;
	}
	return -EINVAL;
}

static int futex_enter(struct kgo_m *m, u32 op, u32 flags, u32 target,
		       u64 deadline)
{
	struct arb_m *to = NULL;
	struct futex_m *fm;
	bool parked = false;
	int ret = 0;

	if (op == KGO_ENTER_WAKE) {
		ret = arb_wake(&kgo_futex.arb);
		wake_granted();
		return ret;
	}

	fm = &kgo_futex.m[m->index];
	if (flags & KGO_ENTER_F_GIVE) {
		if (target == m->index || target >= kgo_rt.nr_ms)
			return target == m->index ? -EINVAL : -ESRCH;
		port_lock(&kgo_futex.table_lock);
		to = &kgo_futex.m[target].am;
		if (!kgo_futex.m[target].attached)
			ret = -ESRCH;
	}
	if (!ret) {
		port_lock(&fm->lock);
		ret = enter_locked(fm, op, to, &parked);
		/* Takes back a claim of the monitor's, too. */
		port_store(&m->d.p, parked ? KGO_NONE : fm->am.p);
		port_unlock(&fm->lock);
	}
	if (flags & KGO_ENTER_F_GIVE)
		port_unlock(&kgo_futex.table_lock);
	wake_granted();

	if (parked) {
		if (unlikely(fm->am.suspect) &&
		    arb_dead(&kgo_futex.arb, &fm->am, count_threads()))
			ret = -EDEADLK;
		else
			ret = sleep_parked(fm, deadline);
		port_store(&m->d.p, fm->am.p);
	}
	if (port_load(&m->d.p) != KGO_NONE)
		kgo_monitor_kick();
	return ret;
}

/**
 * kgo_futex_take() - Take the P of a thread that is asleep outside the runtime
 * @p: index of the P
 * @index: the M that owned it when the caller looked
 *
 * What sched_out does in the kernel.  The thread may wake up meanwhile: see
 * the top of this file.
 * CONTEXT: the monitor, no lock held.
 * Return: true if it was taken.
 */
bool kgo_futex_take(u32 p, u32 index)
{
	struct futex_m *fm = &kgo_futex.m[index];
	struct kgo_m *m = kgo_m_at(index);
	bool took = false, handoff = false;

	port_lock(&fm->lock);
	if (port_load(&fm->am.p) != p || fm->taken || port_load(&m->d.in_sched))
		goto unlock;

	port_store(&m->d.p, p | KGO_P_CLAIM);
	/* Pairs with the compiler barrier in kgo_enter_sched(). */
	arch_syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0, 0,
		     0, 0);
	if (port_load(&m->d.in_sched)) {
		port_store(&m->d.p, p);
		goto unlock;
	}
	/* From here on the thread cannot pass kgo_enter_sched(). */
	took = true;
	fm->taken = true;
	handoff = arb_block(&kgo_futex.arb, &fm->am);
	port_store(&m->d.p, KGO_NONE);
	port_store(&m->d.blocks, m->d.blocks + 1);
	if (handoff && arb_handoff(&kgo_futex.arb, &fm->am))
		port_store(&m->d.handoffs, m->d.handoffs + 1);
unlock:
	port_unlock(&fm->lock);
	wake_granted();
	return took;
}

/**
 * kgo_futex_preempt() - Tell a thread that it is the turn of others
 * @p: index of the P
 * @index: the M that owned it when the caller looked
 *
 * CONTEXT: the monitor, no lock held.
 * Return: true if the thread might not hear of it by itself: it is outside the
 * runtime.
 */
bool kgo_futex_preempt(u32 p, u32 index)
{
	struct futex_m *fm = &kgo_futex.m[index];
	struct kgo_m *m = kgo_m_at(index);
	bool outside = false;

	/* So that it is no M by another thread meanwhile. */
	port_lock(&fm->lock);
	if (port_load(&fm->am.p) == p && !fm->taken) {
		port_cas(&m->d.p, p, p | KGO_P_PREEMPT);
		outside = !port_load(&m->d.in_sched) &&
			  port_load(&m->d.p) == (p | KGO_P_PREEMPT);
	}
	port_unlock(&fm->lock);
	return outside;
}

const struct kgo_backend_ops kgo_backend_futex = {
	.name = "futex",
	.id = KGO_BACKEND_FUTEX,
	.open = futex_open,
	.start = futex_start,
	.close = futex_close,
	.attach = futex_attach,
	.detach = futex_detach,
	.enter = futex_enter,
};
