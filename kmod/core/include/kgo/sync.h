/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Mutex, RWMutex, Cond, Once and WaitGroup.
 *
 * All-zero is ready to use, and there is nothing to free.  None of them may be
 * copied or moved while in use.
 */
#ifndef KGO_SYNC_H
#define KGO_SYNC_H

struct kgo_attr;

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
 * struct kgo_rwmutex - A lock for one writer or many readers; all-zero is free
 * @w: private
 * @writer_sema: private
 * @reader_sema: private
 * @readers: private
 * @reader_wait: private
 *
 * A writer that waits keeps new readers out, so that it gets its turn; then
 * the readers that came meanwhile have theirs.  So a goroutine must not take
 * it for reading twice.
 */
struct kgo_rwmutex {
	struct kgo_mutex w;
	unsigned int writer_sema;
	unsigned int reader_sema;
	unsigned int readers;
	unsigned int reader_wait;
};

/** kgo_rwmutex_lock() - Lock for writing.  CONTEXT: a goroutine; parks. */
void kgo_rwmutex_lock(struct kgo_rwmutex *rw);

/**
 * kgo_rwmutex_try_lock() - Lock for writing if nobody has it
 * @rw: the lock
 *
 * CONTEXT: a goroutine; does not park.  Return: true if locked.
 */
bool kgo_rwmutex_try_lock(struct kgo_rwmutex *rw);

/**
 * kgo_rwmutex_unlock() - End writing
 * @rw: the lock; fatal if it is not locked for writing
 *
 * Any goroutine may.
 * CONTEXT: a goroutine.
 */
void kgo_rwmutex_unlock(struct kgo_rwmutex *rw);

/** kgo_rwmutex_rlock() - Lock for reading.  CONTEXT: a goroutine; parks. */
void kgo_rwmutex_rlock(struct kgo_rwmutex *rw);

/**
 * kgo_rwmutex_try_rlock() - Lock for reading if no writer has it or waits
 * @rw: the lock
 *
 * CONTEXT: anywhere.  Return: true if locked.
 */
bool kgo_rwmutex_try_rlock(struct kgo_rwmutex *rw);

/**
 * kgo_rwmutex_runlock() - End reading
 * @rw: the lock; fatal if nobody reads
 *
 * CONTEXT: a goroutine.
 */
void kgo_rwmutex_runlock(struct kgo_rwmutex *rw);

/**
 * struct kgo_cond - Wait until another goroutine says that something changed
 * @wait: private
 * @notify: private
 *
 * It belongs to a mutex, which protects what is waited for.
 */
struct kgo_cond {
	unsigned int wait;
	unsigned int notify;
};

/**
 * kgo_cond_wait() - Unlock, wait for a signal, lock again
 * @c: the Cond
 * @mu: the mutex, locked
 *
 * It comes back for a signal only, but what was waited for may have changed
 * once more by then: wait in a loop.
 * CONTEXT: a goroutine; parks.
 */
void kgo_cond_wait(struct kgo_cond *c, struct kgo_mutex *mu);

/**
 * kgo_cond_signal() - Wake the one that waits longest, if there is one
 * @c: the Cond; its mutex may be locked or not
 *
 * CONTEXT: any.
 */
void kgo_cond_signal(struct kgo_cond *c);

/** kgo_cond_broadcast() - Wake all that wait now.  CONTEXT: as kgo_cond_signal(). */
void kgo_cond_broadcast(struct kgo_cond *c);

/**
 * struct kgo_once - What is done once; all-zero is not yet
 * @done: private
 * @mu: private
 */
struct kgo_once {
	unsigned int done;
	struct kgo_mutex mu;
};

/**
 * kgo_once_do() - Call a function unless that was done before
 * @o: the Once
 * @fn: called by the first caller only
 * @arg: passed to @fn
 *
 * When it returns @fn has returned, whoever called it, and what it wrote can
 * be seen.  If @fn panics or ends its goroutine that counts as done.  To call
 * kgo_once_do() of the same Once in @fn waits for ever.
 * CONTEXT: a goroutine; parks while another runs @fn.
 */
void kgo_once_do(struct kgo_once *o, void (*fn)(void *arg), void *arg);

/**
 * struct kgo_wg - A WaitGroup; all-zero is ready
 * @state: private: counter in the upper half, waiters in the lower
 * @sema: private
 * @reserved: private: number of the bubble that it is used in
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
 * CONTEXT: any.
 */
void kgo_wg_add(struct kgo_wg *wg, int delta);

/** kgo_wg_done() - kgo_wg_add() of -1 */
void kgo_wg_done(struct kgo_wg *wg);

/**
 * kgo_wg_wait() - Park until the counter is zero
 * @wg: the WaitGroup; to use it again before all waits have returned panics
 *
 * CONTEXT: a goroutine.
 */
void kgo_wg_wait(struct kgo_wg *wg);

/**
 * kgo_wg_go_at() - Start a goroutine of a WaitGroup; use kgo_wg_go()
 * @site: static record of the calling place, or NULL
 * @wg: the WaitGroup: one more, and one less when the goroutine has ended
 * @fn: what it runs
 * @arg: passed to @fn
 *
 * However it ends: also by kgo_exit().
 * CONTEXT: a goroutine; does not park.
 * Return: as kgo_go_at(); the counter is as it was then.
 */
int kgo_wg_go_at(const struct kgo_site *site, struct kgo_wg *wg,
		 void (*fn)(void *arg), void *arg);

/** kgo_wg_go() - Start a goroutine that runs fn(arg) and is waited for by @wg */
#define kgo_wg_go(wg, fn, arg)	kgo_wg_go_at(KGO_SITE(#fn), (wg), (fn), (arg))

/**
 * kgo_wg_go_attr_at() - kgo_wg_go_at() with a struct kgo_attr; use
 * kgo_wg_go_attr()
 * @site: as there
 * @wg: as there
 * @fn: as there; with %KGO_ATTR_STACKLESS it has ended when the last of its
 *	functions has returned without a ..._then() call
 * @arg: as there
 * @attr: NULL for the defaults
 *
 * CONTEXT and Return: as kgo_wg_go_at().
 */
int kgo_wg_go_attr_at(const struct kgo_site *site, struct kgo_wg *wg,
		      void (*fn)(void *arg), void *arg,
		      const struct kgo_attr *attr);

/** kgo_wg_go_attr() - kgo_wg_go() with a struct kgo_attr */
#define kgo_wg_go_attr(wg, fn, arg, attr)				\
	kgo_wg_go_attr_at(KGO_SITE(#fn), (wg), (fn), (arg), (attr))

#endif
