/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What a stackless goroutine has while it waits, and what it asks for before;
 * see cont.c.
 */
#ifndef KGO_CORE_CONT_H
#define KGO_CORE_CONT_H

#include "addrq.h"
#include "chan.h"

/* What one that waits for a mutex remembers from try to try; see sync.c. */
struct kgo_mutex_try {
	u64	since;		/* of its first wait; 0 before that */
	bool	starving;
	bool	woken;
	bool	again;		/* waits in front */
};

struct kgo_cont_chan {
	struct kgo_waiter w;
	struct kgo_ctx	*ctx;	/* the channel is that of its end, or NULL */
};

struct kgo_cont_sema {
	struct kgo_addrq_waiter w;
	void		*object;	/* the mutex or WaitGroup */
	struct kgo_mutex_try t;
};

/*
 * struct kgo_cont - The record of a stackless goroutine that waits
 *
 * Which of the union is in use says the goroutine's wait reason, which is also
 * how it goes on.  Owned by whoever owns the goroutine.
 */
struct kgo_cont {
	union {
		kgo_next_fn	next;
		struct kgo_cont	*unused;	/* in a P's list */
	};
	void		*arg;
	union {
		int			ret;	/* RUNNABLE by itself: no reason */
		struct kgo_cont_chan	chan;
		struct kgo_cont_sema	sema;
		struct kgo_select	sel;
	};
};

/*
 * 128 bytes of descriptor, 96 of this: what a million of them are made of.  (A
 * lock that checks itself is larger.)
 */
static_assert(sizeof(struct kgo_cont) <= 96 ||
	      sizeof(kgo_lock_t) > 16, "a parked stackless goroutine is small");

enum kgo_then_op {
	KGO_THEN_NONE,		/* the body has not asked for anything */
	KGO_THEN_YIELD,
	KGO_THEN_SLEEP,
	KGO_THEN_SEND,
	KGO_THEN_RECV,
	KGO_THEN_SELECT,
	KGO_THEN_MUTEX,
	KGO_THEN_WG,
	KGO_THEN_ENDED,		/* and it cannot any more */
};

/*
 * struct kgo_then - What a body asks for, then what came of it
 *
 * On the stack of kgo_cont_run(), below the body.  The M's own.
 */
struct kgo_then {
	enum kgo_then_op op;
	kgo_next_fn	next;
	void		*arg;
	void		*object;	/* channel, cases, mutex, ... */
	void		*elem;
	struct kgo_ctx	*ctx;
	long long	ns;
	unsigned int	n;
	int		ret;		/* for next() */
	const char	*panic;		/* instead of next(), or NULL */
};

/* sync.c */
bool kgo_mutex_start(struct kgo_m *m, struct kgo_cont_sema *w, kgo_lock_t **lock);
bool kgo_mutex_resume(struct kgo_m *m, struct kgo_cont_sema *w, kgo_lock_t **lock);
bool kgo_wg_start(struct kgo_m *m, struct kgo_cont_sema *w, kgo_lock_t **lock);
bool kgo_wg_resume(struct kgo_m *m, struct kgo_cont_sema *w, kgo_lock_t **lock,
		   const char **panic);

#endif
