/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note OR MIT */
/*
 * The ABI of /dev/kgo: processors (P) for the threads (M) of a process, and
 * the shared tables in which a runtime keeps its goroutines (G).
 *
 * One open of the device is one runtime.  SETUP sizes it, mmap maps its four
 * regions, ATTACH makes the calling thread an M, and ENTER is the one call in
 * which an M gives, takes or waits for a P.  A thread that blocks in any other
 * system call or page fault while it owns a P loses it to a parked M without
 * a call: the kernel sees the thread go to sleep.
 *
 * Trust: the regions belong to the process, which may write what it likes
 * there.  The kernel follows no pointer found in them and masks every index.
 * A program that lies harms itself only.
 *
 * Every structure carries its own size and may grow.  A kernel that is older
 * than the caller refuses fields it does not know with -E2BIG unless they are
 * zero; reserved fields and unknown flags must be zero, or it is -EINVAL.
 */
#ifndef _UAPI_LINUX_KGO_H
#define _UAPI_LINUX_KGO_H

#include <linux/ioctl.h>
#include <linux/types.h>

/** define KGO_ABI_VERSION - Version of this ABI, grows when it gains something */
#define KGO_ABI_VERSION		1

/** define KGO_NONE - "No P" or "no M" wherever an index of one is meant */
#define KGO_NONE		0xffffffffU

/** define KGO_NO_G - "No goroutine"; descriptor 0 of the G table is never used */
#define KGO_NO_G		0U

/** define KGO_RUNQ_SIZE - Slots of a P's local run queue, a power of two */
#define KGO_RUNQ_SIZE		256U

/**
 * DOC: features
 *
 * Bits of &struct kgo_query.features and &struct kgo_setup.features.
 *
 * %KGO_FEAT_BLOCK: a P moves on exactly when its thread blocks, whatever the
 * call or page fault.
 *
 * %KGO_FEAT_TABLES: the tables are shown under debugfs.
 *
 * %KGO_FEAT_DEADLOCK: a parked thread is told by -EDEADLK when nothing in the
 * process can make a goroutine run any more.  Only for a runtime that asked
 * for it in SETUP.
 *
 * %KGO_FEAT_PREEMPT: a thread is told when its goroutine has had its turn: see
 * %KGO_P_PREEMPT.  Only for a runtime that asks for it in SETUP.
 */
#define KGO_FEAT_BLOCK		0x1ULL
#define KGO_FEAT_TABLES		0x2ULL
#define KGO_FEAT_DEADLOCK	0x4ULL
#define KGO_FEAT_PREEMPT	0x8ULL

/**
 * struct kgo_query - Argument of KGO_IOC_QUERY
 * @size: in: size of this structure as the caller knows it
 * @abi_version: out: %KGO_ABI_VERSION of the kernel
 * @features: out: features that this kernel has
 * @max_ps: out: most Ps that SETUP gives
 * @max_ms: out: most Ms that SETUP gives
 * @max_gs: out: most Gs that SETUP gives
 * @reserved: must be zero
 */
struct kgo_query {
	__u32 size;
	__u32 abi_version;
	__u64 features;
	__u32 max_ps;
	__u32 max_ms;
	__u32 max_gs;
	__u32 reserved;
};

/**
 * struct kgo_setup - Argument of KGO_IOC_SETUP
 * @size: in: size of this structure as the caller knows it
 * @flags: in: must be zero
 * @nr_ps: in: Ps wanted, 0 for one per CPU of the caller's affinity mask;
 *	out: Ps given
 * @nr_ms: in: most threads that may attach at one time, 0 for the default;
 *	out: the bound given
 * @nr_gs: in: size of the G table, 0 for the default; out: the size given
 * @preempt_signal: in: with %KGO_FEAT_PREEMPT, a signal that a thread gets as
 *	well, when the time is up while it is in user mode outside of the
 *	runtime and does not block the signal: so it never interrupts a system
 *	call.  0 for none; -EINVAL for what is no signal or cannot be handled,
 *	or without the feature.
 * @features: in: features that the caller cannot do without; out: features
 *	of this runtime
 * @id: out: number of this runtime, never used again; names its folder in
 *	debugfs together with the pid
 */
struct kgo_setup {
	__u32 size;
	__u32 flags;
	__u32 nr_ps;
	__u32 nr_ms;
	__u32 nr_gs;
	__u32 preempt_signal;
	__u64 features;
	__u64 id;
};

/**
 * struct kgo_attach - Argument of KGO_IOC_ATTACH
 * @size: in: size of this structure as the caller knows it
 * @flags: in: must be zero
 * @m: out: index of the calling thread's record in the M region
 * @reserved: must be zero
 */
struct kgo_attach {
	__u32 size;
	__u32 flags;
	__u32 m;
	__u32 reserved;
};

/**
 * enum kgo_enter_op - What ENTER does
 * @KGO_ENTER_ACQUIRE: take an available P without sleeping; a thread that
 *	owns one keeps it.  -EAGAIN if there is none.
 * @KGO_ENTER_RELEASE: give the P up without sleeping.  -ENXIO without a P.
 * @KGO_ENTER_WAKE: grant an available P to a parked thread, a wanting one
 *	before a spare one.  -EAGAIN if there is no such P, -ESRCH if no such
 *	thread is parked.  Any thread of the process may call it.
 * @KGO_ENTER_PARK_WANT: sleep until a P is granted, first come first served;
 *	a thread that owns a P keeps it and returns at once.
 * @KGO_ENTER_PARK_SPARE: give the P up and sleep until the arbiter has use
 *	for another thread.  Returns at once, with the P, if there is work
 *	in the run queues that nobody is looking for.
 * @KGO_ENTER_PARK_BOUND: give the P up and sleep until another thread gives
 *	one to this thread by %KGO_ENTER_F_GIVE.  A P given before the thread
 *	gets here is not lost.
 */
enum kgo_enter_op {
	KGO_ENTER_ACQUIRE	= 0,
	KGO_ENTER_RELEASE	= 1,
	KGO_ENTER_WAKE		= 2,
	KGO_ENTER_PARK_WANT	= 3,
	KGO_ENTER_PARK_SPARE	= 4,
	KGO_ENTER_PARK_BOUND	= 5,
};

/**
 * define KGO_ENTER_F_GIVE - The caller's P goes to the thread @target
 *
 * With %KGO_ENTER_RELEASE, %KGO_ENTER_PARK_SPARE and %KGO_ENTER_PARK_BOUND.
 * -ENXIO if the caller owns no P, -ESRCH if no thread is attached as @target,
 * -EBUSY if @target was already given one that it has not taken, -EINVAL if
 * @target is the caller.
 */
#define KGO_ENTER_F_GIVE	0x1U

/**
 * define KGO_ENTER_R_WAKE - The P was granted by another thread's ENTER_WAKE
 *
 * Set in &struct kgo_enter.result; clear when the P comes from a thread that
 * blocked or gave it up.  A runtime passes its "spinning" role on this way.
 */
#define KGO_ENTER_R_WAKE	0x1U

/**
 * struct kgo_enter - Argument of KGO_IOC_ENTER
 * @size: in: size of this structure as the caller knows it
 * @op: in: one of &enum kgo_enter_op
 * @flags: in: KGO_ENTER_F_*
 * @target: in: index of the thread of %KGO_ENTER_F_GIVE, else zero
 * @deadline: in: for the PARK operations, absolute CLOCK_MONOTONIC time in
 *	nanoseconds at which to stop waiting, 0 for never.  -ETIME then, and
 *	the thread owns no P.  -EINVAL with other operations.
 * @p: out: the P that the thread owns now, or %KGO_NONE
 * @result: out: KGO_ENTER_R_*
 * @reserved: must be zero
 *
 * -EDEADLK from %KGO_ENTER_PARK_SPARE and %KGO_ENTER_PARK_BOUND, with
 * %KGO_FEAT_DEADLOCK, to the thread whose park was the last: every attached
 * thread is parked so and none wants a P, the process has no other thread, no
 * P has a goroutine in its queue or a timer, @gq_len, @nr_spinning and
 * @keeper_when of &struct kgo_rdesc are zero.  It owns no P then.  Told again
 * only after a @schedtick has changed.
 *
 * -ENOTCONN if the thread is not attached.  -EINTR if a signal came while it
 * was parked: it owns no P then.  @p and @result are written in every case
 * but -EFAULT, -EINVAL, -E2BIG and -EPERM.
 */
struct kgo_enter {
	__u32 size;
	__u32 op;
	__u32 flags;
	__u32 target;
	__u64 deadline;
	__u32 p;
	__u32 result;
	__u64 reserved;
};

/*
 * Common to all: -ENOTTY for an unknown number, whose size part is not looked
 * at; -EFAULT for memory that cannot be read or written, nothing has happened
 * then; -EINVAL for a @size below that of the first version, a reserved field
 * or an unknown flag; -E2BIG for a @size beyond a page, or something behind the
 * part that this kernel knows.
 *
 * All but QUERY: -EPERM from any process but the one that called SETUP, also
 * from a child of vfork() and after exec.  All but QUERY and SETUP: -ENODEV
 * before SETUP.
 */
#define KGO_IOC_MAGIC	0xb6
/* Needs no SETUP; any process may ask. */
#define KGO_IOC_QUERY	_IOWR(KGO_IOC_MAGIC, 0, struct kgo_query)
/* Once per open: -EBUSY the second time; -EOPNOTSUPP for a missing feature;
 * -ERANGE for counts beyond the module's bounds; -ENOMEM.
 */
#define KGO_IOC_SETUP	_IOWR(KGO_IOC_MAGIC, 1, struct kgo_setup)
/* -EALREADY if this thread is attached to this runtime,
 * -EBUSY to another one; -EUSERS when nr_ms threads are; -ENOMEM.
 */
#define KGO_IOC_ATTACH	_IOWR(KGO_IOC_MAGIC, 2, struct kgo_attach)
/* -ENOTCONN if not attached; -EBUSY while the thread owns a P. */
#define KGO_IOC_DETACH	_IO(KGO_IOC_MAGIC, 3)
#define KGO_IOC_ENTER	_IOWR(KGO_IOC_MAGIC, 4, struct kgo_enter)

/**
 * DOC: regions
 *
 * Offsets for mmap() of the shared regions.  MAP_SHARED only, not executable,
 * each mapped whole and from its start: R is one page, P and M and G are the
 * number given by SETUP times the stride, rounded up to pages.  -EINVAL else;
 * -ENODEV before SETUP; -EPERM for another process.  A child of fork() does
 * not inherit the mappings.
 */
#define KGO_MMAP_R		0x000000000ULL
#define KGO_MMAP_P		0x010000000ULL
#define KGO_MMAP_M		0x020000000ULL
#define KGO_MMAP_G		0x100000000ULL

/* Bytes from one record to the next; what follows the structure is private
 * to the runtime.
 */
#define KGO_P_STRIDE		4096U
#define KGO_M_STRIDE		256U
#define KGO_G_STRIDE		128U

/**
 * struct kgo_rdesc - The runtime page, region R
 * @abi_version: kernel: %KGO_ABI_VERSION
 * @nr_ps: kernel: number of Ps
 * @nr_ms: kernel: bound of attached threads
 * @nr_gs_max: kernel: size of the G table
 * @id: kernel: number of this runtime
 * @features: kernel: KGO_FEAT_*
 * @pad0: unused
 * @nr_avail: kernel: Ps that a parked thread could be granted now (idle, or
 *	their thread is blocked); a hint
 * @nr_spare: kernel: threads parked as spare; a hint
 * @nr_want: kernel: threads parked wanting a P; a hint
 * @pad1: unused
 * @gq_len: runtime: goroutines in the global run queue
 * @nr_spinning: runtime: threads that own a P and look for work
 * @keeper_when: runtime: deadline (CLOCK_MONOTONIC, ns) of the parked thread
 *	that watches the timers of idle Ps, 0 if there is none
 * @pad2: unused
 * @nr_gs: runtime: G descriptors ever used, the tables end there
 * @pad3: unused
 *
 * The kernel reads @gq_len and @keeper_when as hints of whether to hand a P on.
 */
struct kgo_rdesc {
	__u32 abi_version;
	__u32 nr_ps;
	__u32 nr_ms;
	__u32 nr_gs_max;
	__u64 id;
	__u64 features;
	__u64 pad0[4];

	__u32 nr_avail;
	__u32 nr_spare;
	__u32 nr_want;
	__u32 pad1[13];

	__u32 gq_len;
	__u32 nr_spinning;
	__u64 keeper_when;
	__u64 pad2[6];

	__u32 nr_gs;
	__u32 pad3[15];
};

/**
 * struct kgo_pdesc - A processor, region P
 * @runq_head: runtime: next slot to take, by the owner or a thief
 * @pad0: unused
 * @runq_tail: runtime: next slot to fill, by the owner only
 * @runnext: runtime: G that runs next, before the queue, or %KGO_NO_G
 * @schedtick: runtime: grows with every goroutine that starts to run
 * @nr_timers: runtime: timers in this P's heap
 * @timer_when: runtime: when the first of them is due (CLOCK_MONOTONIC, ns),
 *	0 without timers
 * @spawned: runtime: goroutines created on this P
 * @exited: runtime: goroutines ended on this P
 * @stolen: runtime: goroutines that this P took from others
 * @slicetick: runtime: grows with every goroutine that starts a time slice of
 *	its own; one that was @runnext goes on with that of its predecessor
 * @pad1: unused
 * @runq: runtime: ring of G indexes; slot i is runq[i % KGO_RUNQ_SIZE]
 */
struct kgo_pdesc {
	__u32 runq_head;
	__u32 pad0[15];

	__u32 runq_tail;
	__u32 runnext;
	__u32 schedtick;
	__u32 nr_timers;
	__u64 timer_when;
	__u64 spawned;
	__u64 exited;
	__u64 stolen;
	__u32 slicetick;
	__u32 pad1[3];

	__u32 runq[KGO_RUNQ_SIZE];
};

/**
 * define KGO_P_PREEMPT - It is the turn of others
 *
 * A bit of p in &struct kgo_mdesc: the thread has been with this P and one time
 * slice (slicetick in &struct kgo_pdesc) for 10 ms while others waited for the
 * P: goroutines, due timers, threads.  It should let one of them go first and
 * clear the bit.  Set only for a runtime with %KGO_FEAT_PREEMPT; gone when p is
 * written anew.
 */
#define KGO_P_PREEMPT		0x40000000U

/**
 * struct kgo_mdesc - A thread, region M
 * @in_sched: runtime: non-zero while the thread is inside the runtime; it
 *	keeps its P then even if it blocks.  Set it, then read @p.
 * @p: kernel: the P that this thread owns, perhaps with %KGO_P_PREEMPT, or
 *	%KGO_NONE
 * @tid: kernel: thread id, 0 for a free record
 * @curg: runtime: index of the G it runs, or %KGO_NO_G
 * @blocks: kernel: how often it blocked while it owned a P
 * @handoffs: kernel: how often its P was then given to another thread
 * @pad: unused
 */
struct kgo_mdesc {
	__u32 in_sched;
	__u32 p;
	__u32 tid;
	__u32 curg;
	__u64 blocks;
	__u64 handoffs;
	__u64 pad[4];
};

/**
 * enum kgo_gstate - State of a goroutine
 * @KGO_G_IDLE: descriptor never used
 * @KGO_G_RUNNABLE: in a run queue
 * @KGO_G_RUNNING: owns its stack and an M; shown as "syscall" while the kernel
 *	sees that M blocked
 * @KGO_G_SYSCALL: shown only, never stored
 * @KGO_G_WAITING: parked, has a wait reason
 * @KGO_G_DEAD: ended, its descriptor is on a free list
 * @KGO_G_COPYSTACK: the kernel owns its stack
 * @KGO_G_PREEMPTED: its M sleeps inside the preemption handler
 * @KGO_G_NR_STATES: number of states
 */
enum kgo_gstate {
	KGO_G_IDLE		= 0,
	KGO_G_RUNNABLE		= 1,
	KGO_G_RUNNING		= 2,
	KGO_G_SYSCALL		= 3,
	KGO_G_WAITING		= 4,
	KGO_G_DEAD		= 5,
	KGO_G_COPYSTACK		= 6,
	KGO_G_PREEMPTED		= 7,
	KGO_G_NR_STATES		= 8,
};

/** define KGO_G_SCAN - Bit in &struct kgo_gdesc.state: somebody reads the stack */
#define KGO_G_SCAN		0x1000U

/**
 * enum kgo_wait_reason - Why a goroutine is parked; the names shown are Go's
 * @KGO_WAIT_NONE: not parked
 * @KGO_WAIT_CHAN_SEND: "chan send"
 * @KGO_WAIT_CHAN_RECEIVE: "chan receive"
 * @KGO_WAIT_CHAN_SEND_NIL: "chan send (nil chan)"
 * @KGO_WAIT_CHAN_RECEIVE_NIL: "chan receive (nil chan)"
 * @KGO_WAIT_SELECT: "select"
 * @KGO_WAIT_SELECT_EMPTY: "select (no cases)"
 * @KGO_WAIT_SLEEP: "sleep"
 * @KGO_WAIT_IO: "IO wait"
 * @KGO_WAIT_SEMACQUIRE: "semacquire"
 * @KGO_WAIT_MUTEX: "sync.Mutex.Lock"
 * @KGO_WAIT_WAITGROUP: "sync.WaitGroup.Wait"
 * @KGO_WAIT_RWMUTEX_RLOCK: "sync.RWMutex.RLock"
 * @KGO_WAIT_RWMUTEX_LOCK: "sync.RWMutex.Lock"
 * @KGO_WAIT_COND: "sync.Cond.Wait"
 * @KGO_WAIT_SEMAPHORE: "semaphore.Weighted.Acquire"
 * @KGO_WAIT_FINALIZER: "finalizer wait"
 * @KGO_WAIT_SIGNAL: "signal wait"
 * @KGO_WAIT_SYNCTEST_RUN: "synctest.Run"
 * @KGO_WAIT_SYNCTEST_WAIT: "synctest.Wait"
 * @KGO_WAIT_PANIC: "panicwait"
 * @KGO_WAIT_QUIESCE: "quiesce"
 * @KGO_WAIT_WAKER: "waker"
 * @KGO_WAIT_NR_REASONS: number of reasons
 */
enum kgo_wait_reason {
	KGO_WAIT_NONE			= 0,
	KGO_WAIT_CHAN_SEND		= 1,
	KGO_WAIT_CHAN_RECEIVE		= 2,
	KGO_WAIT_CHAN_SEND_NIL		= 3,
	KGO_WAIT_CHAN_RECEIVE_NIL	= 4,
	KGO_WAIT_SELECT			= 5,
	KGO_WAIT_SELECT_EMPTY		= 6,
	KGO_WAIT_SLEEP			= 7,
	KGO_WAIT_IO			= 8,
	KGO_WAIT_SEMACQUIRE		= 9,
	KGO_WAIT_MUTEX			= 10,
	KGO_WAIT_WAITGROUP		= 11,
	KGO_WAIT_RWMUTEX_RLOCK		= 12,
	KGO_WAIT_RWMUTEX_LOCK		= 13,
	KGO_WAIT_COND			= 14,
	KGO_WAIT_SEMAPHORE		= 15,
	KGO_WAIT_FINALIZER		= 16,
	KGO_WAIT_SIGNAL			= 17,
	KGO_WAIT_SYNCTEST_RUN		= 18,
	KGO_WAIT_SYNCTEST_WAIT		= 19,
	KGO_WAIT_PANIC			= 20,
	KGO_WAIT_QUIESCE		= 21,
	KGO_WAIT_WAKER			= 22,
	KGO_WAIT_NR_REASONS		= 23,
};

/**
 * struct kgo_gdesc - A goroutine, region G
 * @goid: its number, never used again
 * @parent: goid of the goroutine that made it
 * @state: &enum kgo_gstate, perhaps with %KGO_G_SCAN
 * @reason: &enum kgo_wait_reason while it is waiting
 * @flags: KGO_GF_*
 * @m: index of the M that runs it, or last did, or %KGO_NONE
 * @p: index of the P it runs on, or last did, or %KGO_NONE
 * @wait_since: since when it is waiting or runnable (CLOCK_MONOTONIC, ns)
 * @site: address of the &struct kgo_site of the go statement, or 0
 * @fn: address of its start function
 * @stack_lo: lowest usable address of its stack, 0 if it has none
 * @stack_hi: first address past its stack
 * @sp: stack pointer while it does not run
 * @ext: address of the &struct kgo_gext of a goroutine that has one, or 0
 *
 * Written by the runtime only.
 */
struct kgo_gdesc {
	__u64 goid;
	__u64 parent;
	__u32 state;
	__u16 reason;
	__u16 flags;
	__u32 m;
	__u32 p;
	__u64 wait_since;
	__u64 site;
	__u64 fn;
	__u64 stack_lo;
	__u64 stack_hi;
	__u64 sp;
	__u64 ext;
};

/**
 * struct kgo_gext - What only some goroutines have
 * @labels: address of their labels, a string "key=value,key=value", or 0
 * @changes: grows when @labels has changed, before the old string goes away:
 *	what was read between two looks at the same number was that string
 *
 * In the program's memory; read by the kernel when a table is read, bounded
 * and fault-tolerant.
 */
struct kgo_gext {
	__u64 labels;
	__u64 changes;
};

/** define KGO_GF_SYSTEM - Goroutine of the runtime itself, not of the program */
#define KGO_GF_SYSTEM		0x1U
/** define KGO_GF_BOUND - It runs on one M only (LockOSThread, kernel bodies) */
#define KGO_GF_BOUND		0x2U
/** define KGO_GF_STACKLESS - It has no stack: it waits by returning (continuation bodies) */
#define KGO_GF_STACKLESS	0x4U

/**
 * struct kgo_site - Source position of a go statement
 * @func: address of the name of the function that it stands in
 * @file: address of the file name
 * @start: address of the start function's name
 * @line: line number
 * @reserved: zero
 *
 * Static in the program; read by the kernel when a table is read, bounded and
 * fault-tolerant.
 */
struct kgo_site {
	__u64 func;
	__u64 file;
	__u64 start;
	__u32 line;
	__u32 reserved;
};

#endif /* _UAPI_LINUX_KGO_H */
