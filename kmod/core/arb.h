/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The arbiter: which thread (M) owns which processor (P), and who is parked.
 *
 * The same code decides inside kgo.ko for every open of /dev/kgo and for the
 * kernel's own goroutines, and inside libkgo where the device is missing.
 * What differs is who calls arb_block(): the kernel at the very moment that a
 * thread goes to sleep, a monitor thread some time later.
 *
 * Ownership of a P is one 64-bit word, changed by compare-and-swap only:
 *
 *                   arb_acquire, arb_wake, arb_park
 *        +--------------------------------------------+
 *        |                                            v
 *      IDLE <------- arb_release, arb_park ------ RUNNING(m)
 *        ^                                          |    ^
 *        |                              arb_block   |    | arb_unblock: same m
 *        |                                          v    | arb_handoff: other m
 *        +-------- arb_leave ------------------- BLOCKED(m)
 *
 *   IDLE        nobody owns it
 *   RUNNING(m)  m owns it and may touch the P's record
 *   BLOCKED(m)  m owned it when it went to sleep outside the runtime; whoever
 *               moves the word to RUNNING owns it, m included
 *   OFF         not in use: nobody can own it but who had it turned off
 *               (arb_use in procs.c).  It gets there from IDLE, BLOCKED and, by
 *               its M when that lets go of it, RUNNING; and goes to IDLE.
 *
 * The sequence number in the word changes with every move, so that a hand-off
 * that was planned for one sleep never takes the P of a later one.
 *
 * Locking: the lists and the give slots are under arb->lock.  arb_block() and
 * arb_unblock() take no lock: they are called from the scheduler of the kernel.
 */
#ifndef KGO_CORE_ARB_H
#define KGO_CORE_ARB_H

#include "port.h"
#include "list.h"

#define ARB_IDLE	0U
#define ARB_RUNNING	1U
#define ARB_BLOCKED	2U
#define ARB_OFF		3U

/* Where an M is, arb_m.mode */
#define ARB_OUT		0U	/* not parked */
#define ARB_WANT	1U	/* on arb->want */
#define ARB_SPARE	2U	/* on arb->spare */
#define ARB_BOUND	3U	/* on no list; granted by a give only */
#define ARB_GONE	4U	/* it has left; nothing can be given to it */

/*
 * One M as the arbiter sees it.  Legend:
 *   S: written by the M itself, or by another thread while it is parked and
 *      arb->lock is held
 *   L: arb->lock
 *   C: constant
 */
struct arb_m {
	struct kgo_list	link;		/* L: in arb->want or arb->spare */
	u32		index;		/* C */
	u32		mode;		/* L: ARB_OUT ... */
	u32		p;		/* S: P owned, or KGO_NONE */
	u32		last_p;		/* S: P it owned before, or KGO_NONE */
	u32		given;		/* L: P given before it parked */
	u32		result;		/* L: KGO_ENTER_R_* of the last grant */
	u64		block_word;	/* S: P word that arb_block() left */
	u64		suspect;	/* S: arb->moves of a park that may be the
					 * last one, 0: it is not
					 */
};

struct arb {
	kgo_lock_t		lock;
	struct kgo_list		spare;		/* L: newest first */
	struct kgo_list		want;		/* L: oldest first */
	u32			nr_parked;	/* L, read without: spare + want */
	u32			nr_bound;	/* L: parked as bound */
	u32			nr_ms;		/* L: Ms between join and leave */
	bool			detect;		/* C: tell of deadlocks */
	u64			moves;		/* L: of Ms, see deadlock.c */
	u64			told;		/* L: likewise */
	u32			nr_ps;		/* C */
	u32			nr_on;		/* L, read without: those below are in use */
	u64			*word;		/* one P word per P */
	struct kgo_rdesc	*r;		/* C: hints are shared with the runtime */
	char			*pdesc;		/* C: P records, KGO_P_STRIDE apart */
	/* C: wakes a granted M; arb_port_grant() unless set before arb_init(). */
	void			(*grant)(struct arb *arb, struct arb_m *am);
	u64			handoffs;	/* L: blocked P granted to another M */
	u64			grants;		/* L: all grants to parked Ms */
};

static inline u32 arb_word_state(u64 word)
{
	return word & 3;
}

static inline struct kgo_pdesc *arb_pdesc(struct arb *arb, u32 p)
{
	return (struct kgo_pdesc *)(arb->pdesc + (size_t)p * KGO_P_STRIDE);
}

/* The M of a RUNNING or BLOCKED word. */
static inline u32 arb_word_m(u64 word)
{
	return (u32)word >> 2;
}

/* Does it say that this M owns the P, or did when it went to sleep? */
static inline bool arb_word_is_of(u64 word, u32 m)
{
	u32 state = arb_word_state(word);

	return (state == ARB_RUNNING || state == ARB_BLOCKED) &&
	       arb_word_m(word) == m;
}

int arb_init(struct arb *arb, u32 nr_ps, struct kgo_rdesc *r, void *pdesc);
void arb_destroy(struct arb *arb);
void arb_m_init(struct arb_m *am, u32 index);
void arb_join(struct arb *arb, struct arb_m *am);

bool arb_block(struct arb *arb, struct arb_m *am);
bool arb_unblock(struct arb *arb, struct arb_m *am);
bool arb_handoff(struct arb *arb, struct arb_m *am);

int arb_acquire(struct arb *arb, struct arb_m *am);
int arb_release(struct arb *arb, struct arb_m *am, struct arb_m *target);
int arb_wake(struct arb *arb);
void arb_completed(struct arb *arb);
int arb_park(struct arb *arb, struct arb_m *am, u32 op, struct arb_m *target);
bool arb_granted(struct arb *arb, struct arb_m *am);
void arb_unpark(struct arb *arb, struct arb_m *am);
void arb_leave(struct arb *arb, struct arb_m *am);

bool arb_turn_off(struct arb *arb, u32 p);
void arb_turn_on(struct arb *arb, u32 p);
void arb_list_del(struct arb *arb, struct arb_m *am);

/* arb_work.c */
bool arb_p_has_work(struct arb *arb, u32 p);
bool arb_any_work(struct arb *arb);
bool arb_somebody_looks(struct arb *arb);

/* procs.c */
void arb_use(struct arb *arb, u32 n);

/* deadlock.c */
u64 arb_suspect(struct arb *arb);
bool arb_dead(struct arb *arb, struct arb_m *am, u32 nr_threads);

/*
 * struct arb_slice - What slice.c saw of a P; whoever looks there owns it.
 * All-zero is nothing.
 */
struct arb_slice {
	u64			word;
	u64			since;
	u32			tick;
};

/* slice.c */
#define ARB_SLICE_NS		10000000ULL
bool arb_slice_is_over(struct arb *arb, u32 p, struct arb_slice *s, u64 now);
bool arb_can_give_way(struct arb *arb);

/**
 * arb_port_grant() - A parked M was granted a P: wake its thread
 * @arb: the arbiter
 * @am: the M
 *
 * Supplied by whoever owns the arbiter.  am->p and am->mode (ARB_OUT) are set.
 * CONTEXT: arb->lock held, perhaps in hard interrupt; must not sleep.
 */
void arb_port_grant(struct arb *arb, struct arb_m *am);

#endif
