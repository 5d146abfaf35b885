/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The vocabulary of the core (kmod/core/port.h) in a program: types, atomics,
 * locks, and the short functions that must be inlined.
 *
 * It includes the public header first, with its default visibility: what is
 * declared there is exported, and nothing else.
 */
#ifndef KGO_PORT_USER_H
#define KGO_PORT_USER_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <linux/types.h>
#include <kgo.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;	/* unsigned long long, as in the ABI */
typedef __s32 s32;
typedef __s64 s64;

#include "arch_x86_64.h"

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define __noreturn	__attribute__((noreturn))
#define PORT_STACKS	1
#define noinline	__attribute__((__noinline__))

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member)					\
	((type *)((char *)(ptr) - offsetof(type, member)))

/* clang says it in another way. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#if __has_feature(thread_sanitizer) && !defined(__SANITIZE_THREAD__)
#define __SANITIZE_THREAD__ 1
#endif
#endif

#ifdef __SANITIZE_ADDRESS__
#define PORT_CHECKS	1
#else
#define PORT_CHECKS	0
#endif

/* ThreadSanitizer would see plain accesses of different threads. */
#ifdef __SANITIZE_THREAD__
#define PORT_ALONE	0
#else
#define PORT_ALONE	1
#endif

/*
 * ThreadSanitizer knows nothing of compiler barriers, membarrier() and the
 * order in which a thread's own sleep comes after its stores: under it, every
 * access orders.  What it still finds is shared data without any atomic.
 */
#ifdef __SANITIZE_THREAD__
#define PORT_LOAD	__ATOMIC_ACQUIRE
#define PORT_STORE	__ATOMIC_RELEASE
#else
#define PORT_LOAD	__ATOMIC_RELAXED
#define PORT_STORE	__ATOMIC_RELAXED
#endif

#define port_load(p)		__atomic_load_n((p), PORT_LOAD)
#define port_store(p, v)	__atomic_store_n((p), (v), PORT_STORE)
#define port_fill(p, v)		__atomic_store_n((p), (v), PORT_STORE)
#define port_load_acquire(p)	__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define port_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define port_xchg(p, v)		__atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define port_add(p, v)		__atomic_add_fetch((p), (v), __ATOMIC_SEQ_CST)

#define port_cas(p, old, new)						\
	__extension__ ({						\
		__typeof__(*(p)) port_old_ = (old);			\
		__atomic_compare_exchange_n((p), &port_old_, (new),	\
					    false, __ATOMIC_SEQ_CST,	\
					    __ATOMIC_SEQ_CST);		\
	})

#define port_mb()		arch_mb()
#define port_barrier()		__asm__ volatile("" : : : "memory")
#define port_relax()		arch_relax()

static inline struct kgo_m *port_self(void)
{
	return arch_self();
}

struct cpumask;

static inline bool port_is_cold(u64 sp)
{
	return arch_is_cold(sp);
}

static inline int port_affinity(const struct cpumask *cpus, void **to)
{
	(void)cpus;
	(void)to;
	return -EOPNOTSUPP;
}

static inline void port_pin(void)
{
}

static inline void port_unpin(void)
{
}

struct kgo_site;

static inline int port_hold(const struct kgo_site *site)
{
	(void)site;
	return 0;
}

static inline void port_unhold(const struct kgo_site *site)
{
	(void)site;
}

static inline void port_might_park(const char *call)
{
	(void)call;
}

static inline void port_might_wait(const char *call)
{
	(void)call;
}

static inline bool port_is_atomic(void)
{
	return false;
}

/*
 * Locks: free or held.  A waiter spins for about as long as a holder that is
 * not preempted needs, then sleeps.  Unfair: who comes first when it is free
 * gets it.
 *
 * To unlock is a plain store and a plain load, with no locked instruction,
 * which would cost as much as to lock:
 *
 *   who unlocks			who goes to sleep, kgo_lock_slow()
 *   -----------			----------------------------------
 *   word = FREE			sleepers + 1
 *   compiler barrier			membarrier()
 *   read sleepers: wake one		word is HELD: sleep
 *
 * The membarrier() of those who sleep, some microseconds on a way that is slow
 * as it is, is a full barrier on the CPU of the one who unlocks.  So either it
 * sees the sleeper, or its store is seen.
 *
 * Sleepers are counted in a table, by the hash of the lock: after the store
 * the lock may be locked by somebody else who frees what it is in.
 *
 * Rejected: the third mutex of Drepper's "Futexes are tricky", which says in
 * its word whether somebody sleeps, and has to swap it.
 */
typedef struct {
	u32 word;
} kgo_lock_t;

#define KGO_LOCK_FREE		0U
#define KGO_LOCK_HELD		1U

#define KGO_LOCK_HASH_BITS	6

struct kgo_lock_sleepers {
	u32 n;
} __attribute__((aligned(64)));

extern struct kgo_lock_sleepers kgo_lock_sleepers[1U << KGO_LOCK_HASH_BITS];

static inline u32 *kgo_lock_sleepers_of(const kgo_lock_t *lock)
{
	/* Fibonacci hashing, Knuth 6.4 */
	u64 h = (u64)(unsigned long)lock * 0x9e3779b97f4a7c15ULL;

	return &kgo_lock_sleepers[h >> (64 - KGO_LOCK_HASH_BITS)].n;
}

void kgo_lock_slow(kgo_lock_t *lock);
void kgo_lock_wake(kgo_lock_t *lock);
void kgo_lock_not_held(void);

static inline void port_lock_init(kgo_lock_t *lock)
{
	lock->word = KGO_LOCK_FREE;
}

static inline void port_lock(kgo_lock_t *lock)
{
	u32 old = KGO_LOCK_FREE;

	if (unlikely(!__atomic_compare_exchange_n(&lock->word, &old,
						  KGO_LOCK_HELD, false,
						  __ATOMIC_ACQUIRE,
						  __ATOMIC_RELAXED)))
		kgo_lock_slow(lock);
}

static inline void port_lock_nested(kgo_lock_t *lock)
{
	port_lock(lock);
}

static inline bool port_lock_plain(kgo_lock_t *lock)
{
	if (unlikely(port_load(&lock->word) != KGO_LOCK_FREE))
		return false;
	port_store(&lock->word, KGO_LOCK_HELD);
	port_barrier();
	return true;
}

static inline void port_unlock(kgo_lock_t *lock)
{
	port_store_release(&lock->word, KGO_LOCK_FREE);
	port_barrier();
	if (unlikely(port_load(kgo_lock_sleepers_of(lock))))
		kgo_lock_wake(lock);
}

static inline void port_assert_held(kgo_lock_t *lock)
{
	if (unlikely(port_load(&lock->word) == KGO_LOCK_FREE))
		kgo_lock_not_held();
}

/* The G region of the back end. */
extern char *kgo_g_base;

static inline struct kgo_g *port_g(u32 index)
{
	return (struct kgo_g *)(kgo_g_base + (size_t)index * KGO_G_STRIDE);
}

#endif
