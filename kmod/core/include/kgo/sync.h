/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Mutex and WaitGroup.
 */
#ifndef KGO_SYNC_H
#define KGO_SYNC_H

/**
 * struct kgo_mutex - A lock for goroutines; all-zero is unlocked
 * @state: private
 * @sema: private
 *
 * Fair as Go's: running goroutines may overtake waiting ones until one has
 * waited for 1 ms, then it is first come first served.
 */
struct kgo_mutex {
	unsigned int state;
	unsigned int sema;
};

/** kgo_mutex_lock() - Lock, parking while another goroutine has it.  CONTEXT: a goroutine. */
void kgo_mutex_lock(struct kgo_mutex *mu);

/** kgo_mutex_try_lock() - Lock if it is free.  CONTEXT: anywhere.  Return: true if locked. */
bool kgo_mutex_try_lock(struct kgo_mutex *mu);

/**
 * kgo_mutex_unlock() - Unlock
 * @mu: the mutex
 *
 * Any goroutine may; to unlock an unlocked mutex is fatal.
 * CONTEXT: a goroutine.
 */
void kgo_mutex_unlock(struct kgo_mutex *mu);

/**
 * struct kgo_wg - A WaitGroup; all-zero is ready
 * @state: private: counter in the upper half, waiters in the lower
 * @sema: private
 * @reserved: private
 */
struct kgo_wg {
	unsigned long long state;
	unsigned int sema;
	unsigned int reserved;
};

/**
 * kgo_wg_add() - Change the counter
 * @wg: the WaitGroup
 * @delta: what to add, may be negative; a counter below zero panics
 *
 * CONTEXT: a goroutine; does not park.
 */
void kgo_wg_add(struct kgo_wg *wg, int delta);

/** kgo_wg_done() - kgo_wg_add() of -1 */
void kgo_wg_done(struct kgo_wg *wg);

/** kgo_wg_wait() - Park until the counter is zero.  CONTEXT: a goroutine. */
void kgo_wg_wait(struct kgo_wg *wg);

#endif
