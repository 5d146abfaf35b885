/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Select: wait for several channels at once.
 *
 *	struct kgo_case cases[] = {
 *		KGO_RECV(requests, &req),
 *		KGO_RECV(quit, NULL),
 *		KGO_SEND(log, &line),
 *	};
 *
 *	switch (kgo_select(cases, 3)) {
 *	case 0:
 *		if (!cases[0].ok)
 *			return;		// requests was closed
 *		serve(&req);
 *		break;
 *	...
 */
#ifndef KGO_SELECT_H
#define KGO_SELECT_H

struct kgo_chan;
struct kgo_g;
struct kgo_select;

/**
 * enum kgo_case_op - What a case does
 * @KGO_CASE_RECV: receives
 * @KGO_CASE_SEND: sends
 */
enum kgo_case_op {
	KGO_CASE_RECV	= 1,
	KGO_CASE_SEND	= 2,
};

/*
 * A place in the queue of a channel: private, and here only because a case
 * carries one, so that a select allocates nothing however many cases it has.
 */
struct kgo_waiter {
	struct kgo_waiter	*next;
	struct kgo_waiter	*prev;
	struct kgo_g		*g;
	struct kgo_select	*sel;
	void			*elem;
	int			result;
	int			queued;
};

/**
 * struct kgo_case - One case of a select
 * @c: the channel; NULL is never ready
 * @v: as in kgo_chan_send() or kgo_chan_recv()
 * @op: &enum kgo_case_op
 * @ok: set in the case that was chosen: 1 with a value received or sent; 0, and
 *	@v zeroed, from a channel that is closed and drained; in the kernel
 *	-EPIPE if it was to send on a closed one
 * @waiter: private
 *
 * The caller owns it and may use it again; while a select runs, nobody else
 * may.  Best made by KGO_RECV() and KGO_SEND().
 */
struct kgo_case {
	struct kgo_chan		*c;
	void			*v;
	unsigned int		op;
	int			ok;
	struct kgo_waiter	waiter;
};

#define KGO_CASE(c_, v_, op_)						\
	{ (c_), (void *)(v_), (op_), 0, { NULL, NULL, NULL, NULL, NULL, 0, 0 } }

/**
 * KGO_RECV() - Initializer of a case that receives
 * @c: the channel
 * @v: where to, or NULL
 */
#define KGO_RECV(c, v)	KGO_CASE(c, v, KGO_CASE_RECV)

/**
 * KGO_SEND() - Initializer of a case that sends
 * @c: the channel
 * @v: the value
 */
#define KGO_SEND(c, v)	KGO_CASE(c, v, KGO_CASE_SEND)

/**
 * kgo_select() - Wait until one of several cases can go on, and do that one
 * @cases: the cases; a channel may be in any number of them
 * @n: how many, at most INT_MAX; without any, or with NULL channels only, it
 *	parks for ever
 *
 * If several are ready one is chosen at random, all being equally likely.
 * Nothing of the others is done: their @v are untouched.  A case that is
 * chosen to send on a closed channel panics.  A goroutine does not talk to
 * itself: a send case is not made ready by a receive case of the same call.
 *
 * CONTEXT: a goroutine; parks.
 * Return: index of the case that was done, see its @ok; -EPIPE in the kernel
 * if that was to send on a closed channel; -EINVAL for a bad @op or @n.
 */
int kgo_select(struct kgo_case *cases, unsigned int n);

/**
 * kgo_select_try() - kgo_select() that does not park: one with a default
 * @cases: as there
 * @n: as there
 *
 * CONTEXT: any.
 * Return: also -EAGAIN, if none was ready.
 */
int kgo_select_try(struct kgo_case *cases, unsigned int n);

/**
 * kgo_select_timeout() - kgo_select() that waits so long at most
 * @cases: as there
 * @n: as there
 * @ns: nanoseconds; not positive: does not wait
 *
 * CONTEXT: a goroutine; parks.
 * Return: also -ETIMEDOUT; -ENOMEM if there is no room for a timer.
 */
int kgo_select_timeout(struct kgo_case *cases, unsigned int n, long long ns);

#endif
