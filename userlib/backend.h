/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A back end: who decides which thread (M) owns which processor (P).
 *
 * There are two, chosen once at the start: the kernel through /dev/kgo, and
 * the arbiter's code (kmod/core/arb.c) in the process itself.
 */
#ifndef KGO_BACKEND_H
#define KGO_BACKEND_H

#include "user.h"

/* The shared regions of <linux/kgo.h>, wherever they come from. */
struct kgo_regions {
	struct kgo_rdesc *r;
	char	*p;
	char	*m;
	char	*g;
	u32	*cq;	/* or NULL: no completions */
};

struct kgo_backend_ops {
	const char *name;
	int	id;		/* enum kgo_backend_id */

	/*
	 * Make a runtime of @nr_ps Ps.  Fills @reg; r->nr_ps, nr_ms and
	 * nr_gs_max are set then.  Returns 0 or -errno; *why says in words
	 * what was missing.
	 */
	int	(*open)(u32 nr_ps, struct kgo_regions *reg, const char **why);

	/* The runtime is set up, nothing runs yet.  Returns 0 or -errno. */
	int	(*start)(void);

	/* Undo open().  No thread is attached, start() has not succeeded. */
	void	(*close)(struct kgo_regions *reg);

	/* Make the calling thread an M.  Returns 0 or -errno. */
	int	(*attach)(u32 *index);

	/* Undo attach(), by the same thread, which owns no P. */
	void	(*detach)(struct kgo_m *m);

	/* Have the completions that had no room; only with a ring. */
	void	(*cq_flush)(void);

	/* port_enter() */
	int	(*enter)(struct kgo_m *m, u32 op, u32 flags, u32 target,
			 u64 deadline);
};

extern const struct kgo_backend_ops kgo_backend_device;
extern const struct kgo_backend_ops kgo_backend_futex;

/* The one that runs, or NULL. */
extern const struct kgo_backend_ops *kgo_backend_ops;

/* Ps for as many CPUs as the calling thread may use. */
u32 kgo_nr_cpus(void);

#endif
