// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * One processor: whoever owns it changes the words of the runtime without
 * locked instructions (kgo_is_alone(), kgo_cas_in(), kgo_lock_in()).  In ports
 * where PORT_ALONE is 1; the kernel's is not among them, interrupts come there
 * at any time.
 *
 * Why that is right.  Such a word is changed by two kinds of callers only:
 *
 *   - by an M with in_sched set and a P.  There is one P, and an M with
 *     in_sched set keeps it, so there is one of those at a time.  When the P
 *     goes to another M, by the arbiter's words, the kernel or the monitor's
 *     membarrier(), each is a full barrier between the two.  A handler of a
 *     signal on the owner's thread does nothing while in_sched is set.
 *   - by whoever has no P, behind kgo_share(): threads that are no
 *     goroutines, which come by kgo_enter_any(), kgo_g_ready() or sync.c, and
 *     who looks at a parked goroutine's stack.  The first of them ends it for
 *     good.  A goroutine whose M lost its P in a system call is not one of
 *     them: it gets a P first, so that programs that block keep what they have.
 *
 * These words are the locks of channels, selects and timer heaps, the word of
 * a mutex, and a goroutine's step out of WAITING.  All that others touch as
 * well is changed by locked instructions always: the locks of the global queue,
 * of free lists, stacks and addresses, all of the arbiter, monitor and back
 * ends, counters (kgo_rt), reference counts, WaitGroups, semaphores, m->d.p.
 *
 * How it ends, once.  A change is: in_sched is set, `on` is read, the word is
 * changed.
 *
 *   owner				who has no P, kgo_share()
 *   -----				--------------------------
 *   in_sched = 1			on = 0
 *   compiler barrier			port_mb_all()
 *   read on: change the word		wait until each M was seen without
 *   compiler barrier			in_sched, without a P or in the
 *   in_sched = 0			arbiter; or the P has a new schedtick
 *					port_mb_all()
 *					over = 1
 *
 * After the first port_mb_all() nobody reads a 1 any more, and in_sched is seen
 * of whoever did before.  The P's schedtick changes between two goroutines, where
 * no change is under way: so one that is seldom seen outside is not waited for
 * in vain.  What the owner stored before is seen behind that, as stores are
 * seen in their order (x86; the second port_mb_all() is for others).  Others
 * that come meanwhile wait for `over`, and not for `on`.
 *
 * Rejected: a restartable sequence (rseq) around each change, which needs no
 * wait at the end, but a store more for each change, libc's registration, and
 * tables in assembly; to go back to it later: who has called once from outside
 * does so again; to ask for a P on behalf of threads that are none: they would
 * sleep where they may not.
 */
#include "core.h"

struct kgo_alone kgo_alone;

/**
 * kgo_alone_begin() - The runtime is being started; no M has a P yet
 * @may: port_mb_all() works here, and it may be alone
 */
void kgo_alone_begin(bool may)
{
	if (may && kgo_rt.nr_ps == 1) {
		port_store(&kgo_alone.on, 1);
		if (port_cas(&kgo_alone.state, KGO_ALONE_NOT_YET, KGO_ALONE_ON))
			return;
		/* Somebody was before us; nobody has read it. */
		port_store(&kgo_alone.on, 0);
		return;
	}
	kgo_alone_end();
}

/** kgo_alone_forked() - This is a child of fork(), with one thread */
void kgo_alone_forked(void)
{
	port_store(&kgo_alone.on, 0);
	port_store(&kgo_alone.state, KGO_ALONE_ENDED);
	port_store(&kgo_alone.over, 1);
}

/* Is this M in none of the changes that began while it was on? */
static bool is_outside(struct kgo_m *m)
{
	return !port_load(&m->d.in_sched) || port_load(&m->in_arbiter) ||
	       port_load(&m->d.p) == KGO_NONE;
}

/* Likewise, all but the caller.  @tick: the P's, read after the barrier. */
static bool all_outside(u32 tick)
{
	u32 i;

	for (i = 0; i < kgo_rt.nr_ms; i++) {
		struct kgo_m *m = kgo_m_at(i);

		if (m == port_self() || is_outside(m))
			continue;
		if (port_load(&kgo_p_at(0)->d.schedtick) == tick)
			return false;
	}
	return true;
}

static void wait_for_owner(void)
{
	u32 tick = port_load(&kgo_p_at(0)->d.schedtick);

	while (!all_outside(tick))
		port_pause();
}

/** kgo_alone_end() - The slow half of kgo_share() */
void kgo_alone_end(void)
{
	if (port_cas(&kgo_alone.state, KGO_ALONE_ON, KGO_ALONE_ENDED)) {
		port_store(&kgo_alone.on, 0);
		/* Pairs with the compiler barrier behind in_sched = 1. */
		port_mb_all();
		wait_for_owner();
		port_mb_all();
	} else if (!port_cas(&kgo_alone.state, KGO_ALONE_NOT_YET,
			     KGO_ALONE_ENDED)) {
		/* Somebody else is at it. */
		while (!kgo_is_shared())
			port_pause();
		return;
	}
	port_store_release(&kgo_alone.over, 1);
}

/*
 * For builds that look for mistakes: is whoever goes without locked
 * instructions one that may?
 */
void kgo_alone_check(void)
{
	struct kgo_m *m = port_self();

	if (!m || !port_load(&m->d.in_sched) || !kgo_m_has_p(m))
		port_throw("a change without a P, by one who thinks to be alone");
}
