/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The vocabulary of the core (kmod/core/port.h) in the simulator.
 *
 * Each port atomic is a step.  Before it the simulator may do anything that
 * could happen in the world: run another thread, block this one, drain a store
 * buffer, let time pass (sim_choice() in sim.c).  Everything else runs on one
 * thread and is atomic.
 *
 * Memory.  With weak memory switched on a port_store() goes to the thread's
 * store buffer, and so does the release of a lock; see store.c.  Everything
 * with the strength of a full barrier empties it first, as on x86.
 *
 * Planted bugs (plants.c) get in here, so that the core is tested as it is.
 */
#ifndef KGO_PORT_SIM_H
#define KGO_PORT_SIM_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;	/* unsigned long long, as in the ABI */
typedef __s32 s32;
typedef __s64 s64;

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
#define __noreturn	__attribute__((noreturn))
#define PORT_STACKS	1
#define PORT_ALONE	1
#define PORT_CHECKS	1
#define noinline	__attribute__((__noinline__))

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member)					\
	((type *)((char *)(ptr) - offsetof(type, member)))

struct sim_thread;
struct sim_ghost;

/* @word is what the threads see; the rest is for the checks. */
typedef struct {
	u32			word;
	struct sim_thread	*owner;
	struct sim_ghost	*ghost;	/* what it guards, if somebody checks that */
} kgo_lock_t;

enum sim_op {
	SIM_LOAD, SIM_ACQUIRE, SIM_STORE, SIM_RELEASE, SIM_CAS, SIM_XCHG,
	SIM_ADD, SIM_MB, SIM_RELAX, SIM_LOCK, SIM_UNLOCK, SIM_USER, SIM_NR_OPS
};

/* Where in the core a step is. */
struct sim_at {
	const char	*func;
	int		line;
	enum sim_op	op;
	const volatile void *addr;
	u32		size;
	u64		val;
};

extern long sim_budget;		/* steps until the next choice */
extern bool sim_weak;		/* store buffers are on */
extern u32 sim_plant;		/* enum plant, 0 for none */

void sim_choice(const struct sim_at *at);
void sim_store(volatile void *addr, u32 size, u64 val, bool release);
void sim_full_barrier(void);
bool sim_plant_torn(const char *func, const volatile void *addr);
bool sim_plant_no_mb(const char *func);
bool sim_plant_no_add(const char *func);
bool sim_plant_load(const char *func, const volatile void *addr, u64 *val);

#define sim_step(op_, addr_, size_, val_)				\
	do {								\
		if (unlikely(--sim_budget < 0))				\
			sim_choice(&(struct sim_at){ .func = __func__,	\
				.line = __LINE__, .op = (op_),		\
				.addr = (addr_), .size = (size_),	\
				.val = (u64)(val_) });			\
	} while (0)

#define sim_load(p, op)							\
	__extension__ ({						\
		__typeof__(p) sim_p_ = (p);				\
		u64 sim_fake_;						\
		sim_step(op, sim_p_, sizeof(*sim_p_), 0);		\
		unlikely(sim_plant &&					\
			 sim_plant_load(__func__, sim_p_, &sim_fake_)) ? \
			(__typeof__(*(p)))sim_fake_ :			\
			*(volatile __typeof__(*(p)) *)sim_p_;		\
	})

#define sim_put(p, v, op)						\
	do {								\
		__typeof__(p) sim_p_ = (p);				\
		__typeof__(*(p)) sim_v_ = (v);				\
		sim_step(op, sim_p_, sizeof(*sim_p_), sim_v_);		\
		if (sim_weak)						\
			sim_store(sim_p_, sizeof(*sim_p_), (u64)sim_v_,	\
				  (op) == SIM_RELEASE);			\
		else							\
			*(volatile __typeof__(*(p)) *)sim_p_ = sim_v_;	\
	} while (0)

#define port_load(p)		sim_load(p, SIM_LOAD)
#define port_load_acquire(p)	sim_load(p, SIM_ACQUIRE)
#define port_store(p, v)	sim_put(p, v, SIM_STORE)
#define port_store_release(p, v) sim_put(p, v, SIM_RELEASE)
#define port_fill(p, v)		((void)(*(volatile __typeof__(*(p)) *)(p) = (v)))

#define port_cas(p, old, new)						\
	__extension__ ({						\
		__typeof__(p) sim_p_ = (p);				\
		__typeof__(*(p)) sim_old_ = (old), sim_new_ = (new);	\
		bool sim_ok_;						\
		sim_step(SIM_CAS, sim_p_, sizeof(*sim_p_), sim_new_);	\
		if (sim_weak)						\
			sim_full_barrier();				\
		sim_ok_ = *(volatile __typeof__(*(p)) *)sim_p_ == sim_old_; \
		if (unlikely(sim_plant) && sim_plant_torn(__func__, sim_p_)) \
			sim_step(SIM_CAS, sim_p_, sizeof(*sim_p_), sim_new_); \
		if (sim_ok_)						\
			*(volatile __typeof__(*(p)) *)sim_p_ = sim_new_; \
		sim_ok_;						\
	})

#define port_xchg(p, v)							\
	__extension__ ({						\
		__typeof__(p) sim_p_ = (p);				\
		__typeof__(*(p)) sim_v_ = (v), sim_old_;		\
		sim_step(SIM_XCHG, sim_p_, sizeof(*sim_p_), sim_v_);	\
		if (sim_weak)						\
			sim_full_barrier();				\
		sim_old_ = *(volatile __typeof__(*(p)) *)sim_p_;	\
		*(volatile __typeof__(*(p)) *)sim_p_ = sim_v_;		\
		sim_old_;						\
	})

#define port_add(p, v)							\
	__extension__ ({						\
		__typeof__(p) sim_p_ = (p);				\
		__typeof__(*(p)) sim_v_ = (v);				\
		sim_step(SIM_ADD, sim_p_, sizeof(*sim_p_), sim_v_);	\
		if (sim_weak)						\
			sim_full_barrier();				\
		sim_v_ += *(volatile __typeof__(*(p)) *)sim_p_;		\
		if (!(unlikely(sim_plant) && sim_plant_no_add(__func__))) \
			*(volatile __typeof__(*(p)) *)sim_p_ = sim_v_;	\
		sim_v_;							\
	})

#define port_mb()							\
	do {								\
		sim_step(SIM_MB, NULL, 0, 0);				\
		if (sim_weak && !(sim_plant && sim_plant_no_mb(__func__))) \
			sim_full_barrier();				\
	} while (0)

#define port_barrier()		__asm__ volatile("" : : : "memory")
#define port_relax()		sim_choice(&(struct sim_at){		\
					.func = __func__, .line = __LINE__, \
					.op = SIM_RELAX })

void port_lock(kgo_lock_t *lock);

struct cpumask;

/* Of every other one by its number, see port_g_init(). */
static inline bool port_is_cold(u64 sp)
{
	return sp & 1;
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

static inline void port_lock_nested(kgo_lock_t *lock)
{
	port_lock(lock);
}

bool port_lock_plain(kgo_lock_t *lock);

struct kgo_g;
extern char *sim_g_base;

static inline struct kgo_g *port_g(u32 index)
{
	return (struct kgo_g *)(sim_g_base + (size_t)index * 128);
}

#endif
