// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Sleeping on a word, and the slow half of locks; port_user.h has the fast one
 * and says why no wake-up is lost.
 *
 * A lock may be in memory that is free when a waker comes to its system call:
 * whoever sleeps on a word there, of ours or not, must stand to be woken for
 * nothing, as with any futex.
 *
 * In a child of fork() a lock that another thread held at that moment is held
 * for ever.  No lock here is held for long: who waits for a second there says
 * what has happened and ends.  Rejected: to take all locks before fork(), as
 * libc does with its few (ours are in every channel); a second value of the
 * word for the child, which each lock and unlock would have to load.
 */
#include "user.h"
#include "san.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>

/*
 * How often a waiter pauses before each look at a lock, doubled from look to
 * look; then it sleeps.  Some 40 microseconds in all.  Whoever looks all the
 * time takes the lock, and the line that it is on, away at every single
 * unlock; one that stays away for long leaves both to the other's cache for
 * many a turn.  Exponential backoff as in Anderson, "The Performance of Spin
 * Lock Alternatives", 1990.
 */
#define LOCK_SPINS_FIRST	32U
#define LOCK_SPINS_LAST		2048U

/* How long a lock may be held in a child of fork(). */
#define LOCK_LOST_NS	1000000000ULL

/* Without membarrier() a sleeper looks again by itself. */
#define LOCK_LOOK_NS	1000000ULL

/**
 * kgo_futex_wait() - Sleep while a word has a value
 * @word: private to the process
 * @val: the value
 * @deadline: CLOCK_MONOTONIC ns, or 0
 *
 * Return: 0 to look again (also after a signal), -ETIMEDOUT.
 */
int kgo_futex_wait(u32 *word, u32 val, u64 deadline)
{
	u64 until = deadline;
	struct timespec ts;
	long ret;

	if (SAN_SLEEP_NS) {
		until = port_now() + SAN_SLEEP_NS;
		if (deadline && deadline < until)
			until = deadline;
	}
	ts.tv_sec = (time_t)(until / 1000000000ULL);
	ts.tv_nsec = (long)(until % 1000000000ULL);
	ret = arch_syscall(SYS_futex, (long)word,
			   FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, val,
			   until ? (long)&ts : 0, 0,
			   (long)FUTEX_BITSET_MATCH_ANY);
	san_handle_signals();
	return ret == -ETIMEDOUT && until == deadline ? -ETIMEDOUT : 0;
}

/** kgo_futex_wake() - Wake one thread that waits on a word */
void kgo_futex_wake(u32 *word)
{
	arch_syscall(SYS_futex, (long)word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1,
		     0, 0, 0);
}

struct kgo_lock_sleepers kgo_lock_sleepers[1U << KGO_LOCK_HASH_BITS];

/** kgo_lock_init() - Once, before threads contend for locks */
void kgo_lock_init(void)
{
	arch_syscall(SYS_membarrier,
		     MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0, 0, 0, 0);
}

static bool lock_try(kgo_lock_t *lock)
{
	return port_load(&lock->word) == KGO_LOCK_FREE &&
	       port_cas(&lock->word, KGO_LOCK_FREE, KGO_LOCK_HELD);
}

/* In a child of fork(): wait for a lock that is perhaps nobody's. */
static void wait_in_child(kgo_lock_t *lock)
{
	u64 end = port_now() + LOCK_LOST_NS, now;

	while (!lock_try(lock)) {
		now = port_now();
		if (now >= end)
			kgo_lock_lost();
		/* The membarrier() of this process is not registered. */
		kgo_futex_wait(&lock->word, KGO_LOCK_HELD, now + LOCK_LOOK_NS);
	}
}

void kgo_lock_slow(kgo_lock_t *lock)
{
	u32 *sleepers = kgo_lock_sleepers_of(lock);
	bool told;
	u32 i, n;

	for (n = LOCK_SPINS_FIRST; n <= LOCK_SPINS_LAST; n *= 2) {
		for (i = 0; i < n; i++)
			port_relax();
		if (lock_try(lock))
			return;
	}
	if (unlikely(kgo_is_forked())) {
		wait_in_child(lock);
		return;
	}
	port_add(sleepers, 1);
	/* Pairs with the compiler barrier in port_unlock(). */
	told = !arch_syscall(SYS_membarrier,
			     MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0, 0, 0, 0);
	while (!lock_try(lock))
		kgo_futex_wait(&lock->word, KGO_LOCK_HELD,
			       told ? 0 : port_now() + LOCK_LOOK_NS);
	port_add(sleepers, -1U);
}

void kgo_lock_wake(kgo_lock_t *lock)
{
	kgo_futex_wake(&lock->word);
}

void kgo_lock_not_held(void)
{
	port_throw("lock is not held");
}
