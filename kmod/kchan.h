/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel channels from the inside.
 *
 *   kchan.c		the queue: slots, ends, who is woken when
 *   kchan_wait.c	kernel code that waits, and kernel code that is notified
 *   kchan_file.c	file descriptors
 *   kchan_arm.c	goroutines of programs that wait: marks and completions
 *
 * A message lives in a slot, and a slot is at every time in one place:
 *
 *      free ---- reserve ---> filled by a sender ---- commit ---> queue
 *       ^ ^                        |                                |
 *       | +---- commit (fault) ----+                               take
 *       |                                                           v
 *       +------------ took ------------- emptied by a receiver -----+
 *                                             |
 *      queue <------- took (fault) -----------+
 *
 * Memory of a user is touched only while the slot is the copier's own, with no
 * lock held: a copy may fault, sleep, be killed, and harms nobody but itself.
 * The order of messages is that of their commits.
 */
#ifndef KGO_KCHAN_H
#define KGO_KCHAN_H

#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "include/linux/kgo_kchan.h"

struct file;
struct kgo_runtime;
struct seq_file;

/*
 * One message.  Whoever has it on his list owns it.
 */
struct kgo_kslot {
	struct kgo_kslot *next;
	u64		seq;	/* place in the order of sends, once it is queued */
	u32		len;
	u8		data[] __aligned(8);
};

/*
 * struct kgo_kslots - A list of slots
 *
 * Each message goes through four of them.  Those of <linux/list.h> were a fifth
 * of its instructions where CONFIG_DEBUG_LIST checks them, and nobody takes a
 * slot out of the middle.
 */
struct kgo_kslots {
	struct kgo_kslot *first;	/* or NULL */
	struct kgo_kslot **end;		/* the last one's next, or first */
};

static inline void kgo_kslots_init(struct kgo_kslots *l)
{
	l->first = NULL;
	l->end = &l->first;
}

/* Put a slot where *@at points to: before that one, or at the end. */
static inline void kgo_kslots_insert(struct kgo_kslots *l, struct kgo_kslot **at,
				     struct kgo_kslot *s)
{
	s->next = *at;
	*at = s;
	if (!s->next)
		l->end = &s->next;
}

/* Take the first slot of a list that has one. */
static inline struct kgo_kslot *kgo_kslots_pop(struct kgo_kslots *l)
{
	struct kgo_kslot *s = l->first;

	l->first = s->next;
	if (!l->first)
		l->end = &l->first;
	return s;
}

static inline void kgo_kslots_push(struct kgo_kslots *l, struct kgo_kslot *s)
{
	kgo_kslots_insert(l, l->end, s);
}

/* Index of an end in what there is two of. */
#define KGO_KCHAN_IX(end)	((end) >> 1)

/*
 * struct kgo_kchan.  Legend:
 *   C: constant
 *   L: lock; read without where that is said
 */
struct kgo_kchan {
	spinlock_t	lock;		/* slots and ends; not waiters */
	bool		closed;		/* L, read without */
	u32		queued;		/* L, read without: slots in queue */
	u32		nr_free;	/* L, read without: slots in free */
	u32		taking;		/* L, read without: being emptied */
	u32		ends[2];	/* L, read without: open, by KGO_KCHAN_IX() */
	struct kgo_kslots queue;	/* L: by rising seq */
	struct kgo_kslots free;		/* L: the one that was used last is first */
	u64		sent;		/* L: last seq */
	u64		received;	/* L */

	/* Who waits until he can do this: by KGO_KCHAN_IX() */
	wait_queue_head_t wait[2];

	void		*slots;		/* C while an end is open */
	u32		msg_max;	/* C */
	u32		cap;		/* C */
	u64		id;		/* C */
	char		creator[64];	/* C: a symbol, or name and pid */

	refcount_t	ref;		/* one for all ends, one for each mark */
	struct list_head link;		/* kgo_kchans_lock */
	struct work_struct bury;	/* when no end is open any more */
};

/*
 * struct kgo_kio - Messages on their way between slots and somebody's memory
 * @fill: copy message @i into a slot of @max bytes, and set its length
 * @drain: copy a slot to message @i
 *
 * Both return 0 or -errno, and are called with no lock held.
 */
struct kgo_kio {
	int	(*fill)(struct kgo_kio *io, u32 i, struct kgo_kslot *s, u32 max);
	int	(*drain)(struct kgo_kio *io, u32 i, const struct kgo_kslot *s);
};

/* Would an operation not have to wait?  CONTEXT: any. */
static inline bool kgo_kchan_ready(struct kgo_kchan *kc, unsigned int end)
{
	bool closed = READ_ONCE(kc->closed);

	if (end == KGO_KCHAN_SEND)
		return closed || READ_ONCE(kc->nr_free) ||
		       !READ_ONCE(kc->ends[KGO_KCHAN_IX(KGO_KCHAN_RECV)]);
	if (READ_ONCE(kc->queued))
		return true;
	return (closed || !READ_ONCE(kc->ends[KGO_KCHAN_IX(KGO_KCHAN_SEND)])) &&
	       !READ_ONCE(kc->taking);
}

/* kchan.c */
struct kgo_kchan *kgo_kchan_create(u32 msg_max, u32 cap);
void kgo_kchan_hold(struct kgo_kchan *kc);
void kgo_kchan_drop(struct kgo_kchan *kc);
void kgo_kchan_open_end(struct kgo_kchan *kc, unsigned int end);
int kgo_kchan_send_some(struct kgo_kchan *kc, struct kgo_kio *io, u32 n);
int kgo_kchan_recv_some(struct kgo_kchan *kc, struct kgo_kio *io, u32 n, u32 room);
void kgo_kchan_pass_on(struct kgo_kchan *kc, unsigned int end);
int kgo_kchans_show(struct seq_file *seq, void *v);

/* kchan_wait.c */
int kgo_kchan_wait(struct kgo_kchan *kc, unsigned int end);

/* kchan_arm.c */
int kgo_karm(struct kgo_kchan *kc, struct file *file, unsigned int end,
	     u32 mark, bool shared);
int kgo_karm_disarm(u32 mark);

#endif
