/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The simulator: what its files offer each other.
 *
 *   sim.c	threads, choices, the clock, one run from a seed
 *   store.c	store buffers
 *   world.c	the kernel's side of the arbiter: blocks, hand-offs
 *   port_sim.[ch]	port.h
 *   memory.c	regions, stacks, a heap
 *   check.c	invariants
 *   peek.c, windows.c	look into the static parts of the core
 *   trace.c	what happened, in words
 *   plants.c	bugs put in on purpose
 *   scenarios.c and others	the programs that run; program.c: what they ask
 *   main.c	command line, TAP
 */
#ifndef SIM_H
#define SIM_H

#include "core.h"
#include "arb.h"
#include "fiber.h"

#define SIM_MAX_PS	4U
#define SIM_MAX_MS	24U
#define SIM_NR_IRQS	2U
#define SIM_MAX_THREADS	(SIM_MAX_MS + SIM_NR_IRQS + 8U)
#define SIM_NR_GS	1024U
#define SIM_NR_STACKS	1024U
#define SIM_BUF		8U

#define NS_PER_US	1000ULL
#define NS_PER_MS	1000000ULL
#define NS_PER_S	1000000000ULL

enum sim_state {
	T_FREE,
	T_RUN,
	T_LOCK,		/* until t->lock is free */
	T_PARKED,	/* in port_enter(): until token or t->wake_at */
	T_ASLEEP,	/* in a system call: likewise */
	T_SPIN,		/* a goroutine that computes until *t->flag or a signal */
	T_IRQ,		/* until an irq_work is pending */
};

struct sim_pending {
	volatile void	*addr;
	u32		size;
	bool		release;
	u64		old;	/* what the others see, while this thread runs */
	u64		val;
};

/* A simulated thread: an M, a thread that is none, or a CPU's irq_works. */
struct sim_thread {
	u32		id;
	enum sim_state	state;
	struct fiber	g0;
	struct fiber	*at;	/* where it stands: g0 or a goroutine's */
	struct kgo_jmp	end;	/* of a goroutine without a stack */
	void		(*fn)(void *arg);
	void		*arg;

	struct kgo_m	*m;	/* port_self() */
	struct arb_m	am;
	bool		attached;
	bool		unparking;	/* leaves the arbiter's lists by itself */
	u32		in_world;	/* > 0: in the kernel, cannot block there */

	bool		token;		/* wake up */
	u64		wake_at;	/* 0: never */
	const u32	*flag;
	kgo_lock_t	*lock;
	bool		irq_pending;
	u32		irq_running;
	struct arb_slice slice;		/* for T_SPIN: what the timer saw */
	bool		time_is_up;	/* for T_SPIN: the signal has come */
	bool		in_handler;	/* of the signal, which is blocked there */
	u64		stalled;	/* until this step */
	u32		prio;

	struct sim_pending buf[SIM_BUF];
	u32		nbuf;
};

/* What a seed decides before the first step. */
struct sim_opts {
	u32	nr_ps, nr_ms;
	bool	alone;		/* if there is one P: see alone.h of the core */
	bool	main_bound;	/* main runs by kgo_m_run_one() */
	bool	weak, weaker;	/* x86-TSO; stores may also pass each other */
	bool	pct;		/* threads have priorities */
	u32	gap;		/* mean steps between choices */
	/* Chances, of 2^16 per choice, of ... */
	u32	p_switch;	/* another thread */
	u32	p_stall;	/* a long pause of this one */
	u32	p_block;	/* a page fault outside the runtime */
	u32	p_drain;	/* one store of each buffer */
	u32	p_jump;		/* time going on to the next deadline */
	u32	p_spurious;	/* a parked thread waking for nothing */
	u32	p_nomem;	/* per allocation */
	u32	p_nothread;	/* per thread */
	u32	p_preempt;	/* the signal of preemption, or its flag */
	bool	linger;		/* go on after the end until spare Ms end */
	u32	tick;		/* most ns that a choice takes */
};

/* What a scenario asks of the world. */
#define SC_NOMEM	0x01U	/* it expects allocations to fail */
#define SC_BOUND	0x02U	/* its main may be bound to its thread */
#define SC_FEW_MS	0x04U	/* it comes to its end with any number of Ms */
#define SC_TWO_PS	0x08U	/* needs two Ps */
#define SC_NOTHREAD	0x10U	/* thread creation may fail */
#define SC_HEAVY	0x20U	/* long: explore a tenth of the seeds */
#define SC_DEADLOCK	0x40U	/* it ends with a deadlock, which must be told */
#define SC_ONE_P	0x80U	/* one P, whose owner is alone */

struct scenario {
	const char	*name;
	u32		flags;
	u32		min_ms;		/* Ms it needs besides main's and spare ones */
	void		(*main)(void *unused);
};

struct sim {
	u64		rng;
	u64		step;
	u64		now;
	u32		since_check;
	struct sim_opts	o;
	const struct scenario *sc;
	u64		seed;
	struct sim_thread *cur;
	struct sim_thread t[SIM_MAX_THREADS];
	struct sim_thread *m_thread[SIM_MAX_MS];	/* by M index */
	struct fiber	main;
	struct arb	arb;
	u64		words[SIM_MAX_PS];
	bool		running;	/* inside a run */
	bool		checking;	/* the core is called by a check */
	bool		failed;
	bool		main_done;
	bool		lingered;
	u32		nr_irqs;	/* pending */
	u32		nr_ext;		/* threads beside the runtime's, live */
	u32		nr_failed;	/* allocations and threads made to fail */
	u32		nr_nothread;	/* of them threads */
	u32		nr_looks;	/* for a deadlock, by spare Ms */
	u32		prio_low;
	u64		pct_at[8];
	u32		pct_n;
	u64		last_progress;
	bool		tracing;
	long		gap;		/* while tracing: choices to skip */
	char		message[512];
};

extern struct sim S;

/* Who runs each goroutine, and on what stack. */
struct sim_g {
	struct sim_thread *on;
	struct fiber	fiber;
	char		*stack;
};

extern struct sim_g sim_gs[SIM_NR_GS];

/* sim.c */
u64 sim_rand(void);
u32 sim_below(u32 n);			/* uniform in [0, n) */
bool sim_chance(u32 of_65536);
bool sim_run(const struct scenario *sc, u64 seed, bool tracing);
struct sim_thread *sim_thread_new(void (*fn)(void *), void *arg);
void sim_thread_exit(void) __attribute__((noreturn));
void sim_wait(enum sim_state state);
void sim_switch_away(void);
void sim_end(void) __attribute__((noreturn));
void sim_fail(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));

/* store.c */
void store_unapply(struct sim_thread *t);
void store_apply(struct sim_thread *t);
void store_drain_one(struct sim_thread *t);
void store_drain(struct sim_thread *t);
void store_drop(void);
void store_check_free(const char *mem, size_t size);

/* world.c */
void world_init(void);
void world_exit(void);
void world_block(u64 ns);
void world_signal(void);
void world_flag(struct sim_thread *t);
void world_irq_main(void *unused);
u32 world_nr_attached(void);
void world_completed(void);
void world_maybe_sleep(void);
int world_attach(struct kgo_m **mp);
void world_detach(struct kgo_m *m);

/* memory.c */
struct sim_regions {
	struct kgo_rdesc *r;
	char	*p, *m;
};

void memory_init(struct sim_regions *reg);
bool memory_exit(void);
void *memory_stack(u32 i);
bool memory_is_stack(const volatile void *addr);

/* program.c; and see below */
void program_start(void);

/* check.c */
void check_owner(struct sim_thread *t);
void check_world(void);
void check_quiet(void);
void check_end(void);
struct sim_ghost *check_watch_chan(struct kgo_chan *c);
void check_unlock(kgo_lock_t *lock);
void check_init(void);

/* peek.c */
struct chan_view {
	u32	n_send, n_recv;
	const void *send[64], *recv[64];
	size_t	count, cap;
	bool	closed;
};

kgo_lock_t *peek_chan_lock(struct kgo_chan *c);
void peek_chan(struct kgo_chan *c, struct chan_view *v);
bool peek_stale(const void *waiter);
const void *peek_select_of(const void *waiter);
u32 peek_chan_waiters(struct kgo_chan *c);
void peek_sema_reset(void);
u32 peek_sema_waiters(void);

/* trace.c */
void trace_step(const struct sim_at *at);
void trace_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void trace_begin(bool print);
void trace_print(u32 last);
void trace_dump(void);
void trace_name(const void *addr, const char *name);
const char *trace_addr(const volatile void *addr);

/* plants.c */
extern const char *const plant_names[];
u32 plant_find(const char *name);
const char *plant_scenario(u32 plant);
bool sim_plant_drop_ready(const char *func);
bool sim_plant_no_lock(const char *func);
bool sim_plant_stay_queued(const char *func);

u32 sim_plant_count(u32 nr_threads);

/* alone.c */
void alone_main(void *unused);

/* blocks.c */
void blocks_main(void *unused);

/* chans.c */
void pingpong_main(void *unused);
void fan_main(void *unused);
void timeout_main(void *unused);
void close_main(void *unused);
void fifo_main(void *unused);

/* quiesce.c */
void quiesce_main(void *unused);

/* selects.c */
void select_main(void *unused);
void select_fan_main(void *unused);
void select_self_main(void *unused);
void select_default_main(void *unused);

/* times.c, contexts.c */
void timers_main(void *unused);
void timer_owner_main(void *unused);
void timer_hog_main(void *unused);
void after_func_main(void *unused);
void ticker_main(void *unused);
void contexts_main(void *unused);
void context_table_main(void *unused);

/* syncs.c */
void bubble_main(void *unused);
void cond_main(void *unused);
void errgroup_main(void *unused);
void flight_main(void *unused);
void once_main(void *unused);
void pool_main(void *unused);
void rwmutex_main(void *unused);
void semaphore_main(void *unused);

/* deadlock.c */
void deadlock_main(void *unused);
void deadlock_told(void);

/* thread.c */
void lockthread_main(void *unused);

/* lifecycle.c */
void finalizer_main(void *unused);
void labels_main(void *unused);
void supervisor_main(void *unused);
void supervisor_all_main(void *unused);

/* wakers.c */
void completions_main(void *unused);
void anywhere_main(void *unused);
void reserve_main(void *unused);
void conts_main(void *unused);
void conts_lock_main(void *unused);
void waker_main(void *unused);

/* scenarios.c, csp.c, panic.c: programs, and what they may use beside the core */
extern const struct scenario scenarios[];
void csp_main(void *unused);
void panic_main(void *unused);
int sim_catch(int (*op)(void *arg), void *arg);	/* -EPIPE: it panicked */

#define sim_expect(cond, ...)						\
	do {								\
		if (!(cond))						\
			sim_fail(__VA_ARGS__);				\
	} while (0)

static inline u32 sim_between(u32 lo, u32 hi)
{
	return lo + sim_below(hi - lo + 1);
}

void sim_work(u32 steps);		/* compute */
void sim_something(void);	/* what takes time and may cost the P, or nothing */
void sim_block(u64 ns);			/* a system call that sleeps */
void sim_spin_until(const u32 *flag);	/* compute until another sets it */
void sim_read_until(const u32 *flag);	/* a system call that sleeps until then */
void sim_wake_readers(u32 *flag);
void sim_bound(void (*fn)(void *), void *arg);	/* goroutine on its own thread */
void sim_outside(void (*fn)(void *), void *arg);	/* thread that is no M */
void sim_go(void (*fn)(void *), void *arg);	/* kgo_go() that must succeed */
struct kgo_chan *sim_chan(const char *name, size_t elem, size_t cap);
void sim_chan_done(struct kgo_chan *c);

#endif
