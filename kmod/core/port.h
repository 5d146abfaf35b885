/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The seam between the runtime and the world that it runs in.
 *
 * The core is freestanding C.  All it knows of a world is what stands here,
 * and each port (kernel, user space, simulator) supplies exactly this.  This
 * is the only file of the core that asks which world it is in.
 *
 * A port's header supplies, before anything of the core is seen:
 *
 *   u8 u16 u32 u64 s64 bool size_t NULL, memcpy memset, E* error numbers,
 *   ARRAY_SIZE, container_of, likely, unlikely, noinline, __noreturn, static_assert
 *   PORT_STACKS		1 if goroutines have stacks of their own, else 0
 *   PORT_ALONE		1 if the owner of the one P can be alone, see alone.h,
 *				else 0; then port_enter() sets m->in_arbiter
 *   PORT_CHECKS		1 for a build that looks for mistakes of the core's
 *   kgo_lock_t		a lock; all-zero is not necessarily initialised
 *
 * Atomics.  The core has no other shared accesses, so that the simulator can
 * take a scheduling decision at each of them:
 *
 *   port_load(p)		no tearing, no order
 *   port_store(p, v)		no tearing, no order
 *   port_fill(p, v)		no tearing, no order: into a record that nobody but
 *				the tables looks at before something stronger
 *				hands it on, so that it is no step of the simulator
 *   port_load_acquire(p)	what is after it stays after it
 *   port_store_release(p, v)	what is before it stays before it
 *   port_cas(p, old, new)	true if *p was old and is now new; full barrier
 *				if it succeeds
 *   port_xchg(p, v)		full barrier
 *   port_add(p, v)		returns the new value; full barrier
 *   port_mb()			full barrier; each use names its pair
 *   port_barrier()		compiler barrier: orders this thread's accesses
 *				against its own blocking and signals only
 *   port_relax()		in a spin loop
 */
#ifndef KGO_CORE_PORT_H
#define KGO_CORE_PORT_H

#ifdef __KERNEL__
#include "../port_kernel.h"
#elif defined(KGO_SIM)
#include "port_sim.h"
#else
#include "port_user.h"
#endif

#include <linux/kgo.h>

struct cpumask;
struct kgo_m;
struct kgo_g;
struct kgo_jmp;
struct kgo_panic;

/**
 * port_now() - The clock of timers, deadlines and wait-since
 *
 * CONTEXT: any.  Return: CLOCK_MONOTONIC in nanoseconds.
 */
u64 port_now(void);

/**
 * port_now_coarse() - The same clock, cheaper and up to a tick behind
 *
 * CONTEXT: any.
 */
u64 port_now_coarse(void);

/**
 * port_pause() - Let some microseconds pass, asleep if possible
 *
 * CONTEXT: may sleep, no lock held.
 */
void port_pause(void);

/**
 * port_mb_all() - A full barrier on every CPU that runs a thread of this world
 *
 * What a thread did before a compiler barrier that it passes before this is
 * seen by the caller afterwards; what it does after one that it passes later
 * sees what the caller did before.  Slow.
 * CONTEXT: may sleep, no lock held.
 */
void port_mb_all(void);

/**
 * port_seed() - A number that differs from thread to thread
 *
 * Seeds the per-M generators for steal order.  CONTEXT: any.
 */
u64 port_seed(void);

/**
 * port_self() - The calling thread's M, or NULL if it is none
 *
 * Reads the thread's own state afresh in every call: a goroutine may have
 * moved since the last one, and a compiler that caches thread-local addresses
 * across a park must not be believed.  CONTEXT: any.
 */
struct kgo_m *port_self(void);

/**
 * port_is_atomic() - Is the calling thread in a place where it must not sleep?
 *
 * Interrupts off, a spinlock held and the like.  Where a port cannot tell it
 * says yes.  Only asked of a thread that is an M.  CONTEXT: any.
 */
static inline bool port_is_atomic(void);

/**
 * port_might_park() - The caller may park here, whether it has to this time or not
 * @call: name of the function that was called
 *
 * A world with places where nobody may park tells of a caller who is in one.
 * CONTEXT: any.
 */
static inline void port_might_park(const char *call);

/**
 * port_might_wait() - Likewise, where a thread that is no goroutine may sleep
 * @call: name of the function that was called
 *
 * CONTEXT: any.
 */
static inline void port_might_wait(const char *call);

/*
 * Locks.  Held for a bounded number of instructions, never over anything that
 * can block, and only with in_sched set when the caller is an M.  A port whose
 * threads can be preempted while they hold one must not let the others spin
 * without bound.  In the kernel they also exclude interrupts.
 */
void port_lock_init(kgo_lock_t *lock);
void port_lock(kgo_lock_t *lock);
void port_unlock(kgo_lock_t *lock);
/* A second one of the same kind; the caller sees to an order among them. */
void port_lock_nested(kgo_lock_t *lock);
/*
 * Where PORT_ALONE is 1: take a lock, by plain accesses, if it is free.  Only
 * while nobody else can want it; see alone.h.
 */
bool port_lock_plain(kgo_lock_t *lock);
/* Throws unless the lock is held, where the port can tell. */
void port_assert_held(kgo_lock_t *lock);

/**
 * port_alloc() - Zeroed memory
 * @size: bytes
 *
 * CONTEXT: may sleep; no lock held.  Return: NULL if there is none.
 */
void *port_alloc(size_t size);
void port_free(void *ptr);

/**
 * port_g() - Descriptor of an index that port_g_grow() has made usable
 * @index: the index
 *
 * CONTEXT: any, never fails.
 */
static inline struct kgo_g *port_g(u32 index);

/**
 * port_g_grow() - Make descriptors usable, zeroed
 * @first: index of the first one
 * @n: how many
 *
 * CONTEXT: may sleep, no lock held.  Return: 0 or -ENOMEM.
 */
int port_g_grow(u32 first, u32 n);

/**
 * port_stack_alloc() - Give a goroutine a stack
 * @g: its descriptor; stack_lo and stack_hi are filled in
 * @size: bytes wanted; 0 for the default
 *
 * A port whose goroutines run on their M's stack does nothing.
 * CONTEXT: may sleep, no lock held.  Return: 0 or -ENOMEM, -EINVAL.
 */
int port_stack_alloc(struct kgo_g *g, size_t size);

/**
 * port_stack_free() - Take the stack back
 * @g: its descriptor
 *
 * CONTEXT: as port_stack_alloc().  The goroutine is dead.
 */
void port_stack_free(struct kgo_g *g);

/**
 * port_g_init() - Prepare a goroutine so that its first port_run() calls
 * kgo_g_entry() on its stack
 * @g: its descriptor
 *
 * CONTEXT: any.
 */
void port_g_init(struct kgo_g *g);

/**
 * port_is_cold() - Is the top of a goroutine's stack not in memory yet?
 * @sp: its descriptor's, since port_g_init()
 *
 * The first step on it takes a page fault, which is no time to hold a lock.
 * CONTEXT: any.
 */
static inline bool port_is_cold(u64 sp);

/**
 * port_affinity() - The CPUs that a goroutine may run on
 * @cpus: what was asked for
 * @to: a copy of it, for port_free()
 *
 * CONTEXT: may sleep, no lock held.
 * Return: 0; -ENOMEM; -EINVAL for no CPU; -EOPNOTSUPP.
 */
static inline int port_affinity(const struct cpumask *cpus, void **to);

/**
 * port_hold() - See that the code of a goroutine stays where it is
 * @site: its go statement, or NULL
 *
 * CONTEXT: any.
 * Return: 0 if there is nothing to do; 1, and port_unhold() is called at its
 * end; -ESHUTDOWN if the code is on its way out: it is not started then.
 */
static inline int port_hold(const struct kgo_site *site);
static inline void port_unhold(const struct kgo_site *site);

/**
 * port_pin() - A stackless goroutine is about to wait for the first time
 *
 * Until port_unpin() says that it has ended the world is to stay, though no
 * thread shows that somebody lives in it.
 * CONTEXT: with in_sched set; neither sleeps nor takes a lock.
 */
static inline void port_pin(void);
static inline void port_unpin(void);

/**
 * port_run() - Run a goroutine until it comes back by port_back()
 * @m: the calling thread's M
 * @g: dequeued, runs on @m
 *
 * Called on the M's own stack.  A goroutine without a stack of its own (all in
 * the kernel) runs as a call of kgo_g_entry(), which returns when it, and others in its
 * place, have returned; or whose end is a jump back here.
 */
void port_run(struct kgo_m *m, struct kgo_g *g);

/**
 * port_back() - From a goroutine to its M's scheduler, which returns from
 * port_run()
 * @m: the M that it is on
 * @g: the goroutine
 *
 * Returns when the goroutine is run again, perhaps by another thread; never at
 * its end.  For a goroutine without a stack of its own it is called only then.
 */
void port_back(struct kgo_m *m, struct kgo_g *g);

/**
 * port_switch() - From a goroutine straight to another one
 * @m: the M that they are on
 * @from: running until now; m->post says whether it will run again
 * @to: dequeued, not bound
 *
 * Returns when @from is run again, perhaps by another thread.  Not called if
 * @from is bound, but at its end if the port has set m->chains: goroutines
 * have no stacks of their own then, and @to begins where @from, which is on a
 * free list already, began.
 */
void port_switch(struct kgo_m *m, struct kgo_g *from, struct kgo_g *to);

/**
 * port_follow() - A goroutine follows one that has returned, with m->chains
 * @m: the M that it is on
 * @to: dequeued, RUNNING, not bound
 *
 * As port_switch() at an end, but the caller is where @to is to begin.
 * Return: false if it is another one's turn: @to was queued again.
 */
bool port_follow(struct kgo_m *m, struct kgo_g *to);

/**
 * port_enter() - Ask the arbiter; the operations of /dev/kgo's ENTER
 * @m: the calling thread's M, or NULL with %KGO_ENTER_WAKE
 * @op: enum kgo_enter_op
 * @flags: KGO_ENTER_F_*
 * @target: index of the M of %KGO_ENTER_F_GIVE
 * @deadline: CLOCK_MONOTONIC ns, or 0
 *
 * m->d.p says what the thread owns afterwards.  A full barrier.
 * CONTEXT: the PARK operations sleep, no lock held.
 * Return: KGO_ENTER_R_* or -errno as documented there; never -EINTR: a parked
 * thread whose wait is cut short is parked again by the port.  -ESHUTDOWN from
 * PARK_SPARE: the runtime ends, the thread owns no P and is to end too.
 */
int port_enter(struct kgo_m *m, u32 op, u32 flags, u32 target, u64 deadline);

/**
 * port_complete() - Make goroutines ready that the completion ring tells of
 *
 * Called when port_completions() says that there are some.  Only a port with a
 * ring has anything to do.
 * CONTEXT: an M with a P, with in_sched set, no lock held.
 */
void port_complete(void);

/* Is there anything in the ring?  A hint.  CONTEXT: any. */
static inline bool port_completions(const struct kgo_rdesc *r)
{
	return unlikely(port_load(&r->cq_tail) != port_load(&r->cq_head));
}

/**
 * port_m_start() - Start one more thread, which ends up in kgo_m_main()
 *
 * CONTEXT: may sleep, may block in the caller's in_sched state only if that
 * is clear.  Return: 0 or -EAGAIN, -ENOMEM, -EUSERS.
 */
int port_m_start(void);

/**
 * port_jmp_prepare() - Note what the world keeps about calls under way
 * @jmp: its caller, or who calls that, calls kgo_jmp_set() with it next
 *
 * CONTEXT: any.
 */
void port_jmp_prepare(struct kgo_jmp *jmp);

/**
 * port_jump() - Go on where kgo_jmp_set() was called, which returns 1
 * @jmp: set on this stack, in a frame that still exists
 *
 * CONTEXT: no lock held, outside of enter_sched or at a goroutine's end.
 */
void __noreturn port_jump(struct kgo_jmp *jmp);

/**
 * port_unrecovered() - The calling goroutine's panic found nobody to recover it
 * @p: the panic, with those that it interrupted; its stack is as it was
 *
 * A program prints it and ends with status 2.  The kernel logs it and returns:
 * the goroutine ends then.
 * CONTEXT: a goroutine, outside of enter_sched.
 */
void port_unrecovered(struct kgo_panic *p);

/**
 * port_panic() - A thread that is no goroutine did what Go panics about
 * @msg: in Go's words
 *
 * A program prints the message and ends with status 2.  The kernel logs it and
 * returns, so that the caller must return an error afterwards.
 */
void port_panic(const char *msg);

/**
 * port_deadlock() - No goroutine will ever run again
 * @msg: Go's words for it, after "fatal error: "
 *
 * A program prints "fatal error: ", the message and all goroutines, and ends
 * with status 2.  The kernel is never told: its arbiter does not look for it.
 * CONTEXT: an M without a P, with in_sched set.
 */
void port_deadlock(const char *msg);

/**
 * port_fatal() - The program did what nothing can be recovered from
 * @msg: Go's words for it, after "fatal error: "
 *
 * A program prints it with the calling goroutine's stack and ends with status 2.
 * The kernel warns and goes on: what was asked for is not done.
 * CONTEXT: any, with no lock held.
 */
void port_fatal(const char *msg);

/**
 * port_throw() - An invariant of the runtime is broken; nothing can go on
 * @msg: which
 *
 * A program ends by abort().  The kernel warns, and the runtime is stopped.
 */
void port_throw(const char *msg);

#endif
