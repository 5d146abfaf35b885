/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel channels for kernel code: bounded queues of messages, whose other end
 * may be a program that has a file descriptor for it.
 *
 *	kc = kgo_kchan_make(sizeof(struct sample), 256);
 *	fd = kgo_kchan_fd(kc, KGO_KCHAN_RECV | O_CLOEXEC);	// to the program
 *	...
 *	kgo_kchan_try_send(kc, &sample, sizeof(sample));	// in the interrupt
 *
 * Ends.  A channel lives as long as somebody has an end of it.  A reference of
 * kernel code is both ends, an fd is what it was made for.  When the last end
 * that sends is gone, receivers get what is queued and then -EPIPE; when the
 * last that receives is gone, senders get -EPIPE.  Kernel code that only sends
 * and wants to be told gives the other one up: kgo_kchan_put_end().
 *
 * What waits: a goroutine of the kernel parks; a plain thread sleeps and can be
 * interrupted by a signal.  The try forms never wait, and may be called in any
 * context but NMI; on a kernel with PREEMPT_RT, in any that may take a
 * spinlock.
 */
#ifndef _LINUX_KGO_KCHAN_H
#define _LINUX_KGO_KCHAN_H

#include <linux/types.h>
#include <linux/wait.h>
#include <uapi/linux/kgo_kchan.h>

struct kgo_chan;
struct kgo_kchan;

/**
 * kgo_kchan_make() - Make a channel
 * @msg_max: longest message in bytes, may be 0
 * @cap: most messages that are queued, at least 1
 *
 * All memory that it ever needs is allocated now.
 *
 * CONTEXT: process context, may sleep.
 * Return: a reference that is both ends, for kgo_kchan_put(); NULL without
 * memory, or for sizes beyond the module's bounds.
 */
struct kgo_kchan *kgo_kchan_make(size_t msg_max, unsigned int cap);

/**
 * kgo_kchan_get() - One more reference
 * @kc: the caller has one that is both ends
 *
 * CONTEXT: any but NMI.  Return: @kc.
 */
struct kgo_kchan *kgo_kchan_get(struct kgo_kchan *kc);

/**
 * kgo_kchan_put() - Drop a reference, both ends
 * @kc: the channel, or NULL
 *
 * CONTEXT: any but NMI.
 */
void kgo_kchan_put(struct kgo_kchan *kc);

/**
 * kgo_kchan_put_end() - Give up one end of a reference
 * @kc: the channel
 * @end: %KGO_KCHAN_RECV or %KGO_KCHAN_SEND
 *
 * What is left of the reference is the other end, which is given up by another
 * call of this instead of kgo_kchan_put(), and which alone may be used.
 *
 * CONTEXT: any but NMI.
 */
void kgo_kchan_put_end(struct kgo_kchan *kc, unsigned int end);

/**
 * kgo_kchan_send() - Send a message
 * @kc: the channel
 * @buf: the message, copied before it returns
 * @len: its length
 *
 * Waits until there is room.
 * CONTEXT: a goroutine, which parks; or process context, which sleeps.
 * Return: 0; -EMSGSIZE if it is too long; -EPIPE if the channel is closed or
 * nobody is left to receive; -ERESTARTSYS if a signal came.
 */
int kgo_kchan_send(struct kgo_kchan *kc, const void *buf, size_t len);

/**
 * kgo_kchan_recv() - Receive a message
 * @kc: the channel
 * @buf: where to
 * @size: room there
 *
 * Waits until there is one.
 * CONTEXT: as kgo_kchan_send().
 * Return: the length of the message, which may be 0; -EPIPE at the end: closed,
 * or nobody is left to send, and all were received; -EMSGSIZE if the next one
 * is longer than @size, which stays in the channel; -ERESTARTSYS.
 */
ssize_t kgo_kchan_recv(struct kgo_kchan *kc, void *buf, size_t size);

/**
 * kgo_kchan_try_send() - kgo_kchan_send() that does not wait
 * @kc: as there
 * @buf: as there
 * @len: as there
 *
 * CONTEXT: any but NMI.  Return: also -EAGAIN if there is no room.
 */
int kgo_kchan_try_send(struct kgo_kchan *kc, const void *buf, size_t len);

/**
 * kgo_kchan_try_recv() - kgo_kchan_recv() that does not wait
 * @kc: as there
 * @buf: as there
 * @size: as there
 *
 * CONTEXT: any but NMI.  Return: also -EAGAIN if there is none.
 */
ssize_t kgo_kchan_try_recv(struct kgo_kchan *kc, void *buf, size_t size);

/**
 * kgo_kchan_close() - No more messages
 * @kc: the channel
 *
 * What is queued can still be received; all who wait are woken.
 * CONTEXT: any but NMI.  Return: 0, or -EALREADY if it is closed.
 */
int kgo_kchan_close(struct kgo_kchan *kc);

/**
 * kgo_kchan_fd() - A file descriptor for the calling process
 * @kc: the caller's reference is both ends
 * @flags: %KGO_KCHAN_RECV, %KGO_KCHAN_SEND or both; perhaps %O_NONBLOCK and
 *	%O_CLOEXEC
 *
 * CONTEXT: process context, may sleep.
 * Return: the fd, which the process has from now on; -EINVAL, -EMFILE, -ENOMEM.
 */
int kgo_kchan_fd(struct kgo_kchan *kc, unsigned int flags);

/**
 * struct kgo_kchan_notify - A channel of the core that tells of a kernel channel
 * @wait: private
 * @kc: private
 * @c: private
 * @end: private
 *
 * For a select over both kinds.
 */
struct kgo_kchan_notify {
	wait_queue_entry_t	wait;
	struct kgo_kchan	*kc;
	struct kgo_chan		*c;
	unsigned int		end;
};

/**
 * kgo_kchan_notify_start() - Have a channel of the core tell when to try
 * @n: the caller's, until kgo_kchan_notify_stop()
 * @kc: the channel; the caller keeps his reference meanwhile
 * @end: %KGO_KCHAN_RECV: tell when there may be something to receive;
 *	%KGO_KCHAN_SEND: when there may be room
 * @c: made by kgo_chan_make(0, 1); gets a token, unless it has one
 *
 * Who takes the token tries until -EAGAIN: the next token comes with the next
 * message, not with those that were left.  There is one at once if the channel
 * is ready already.
 *
 * CONTEXT: process context.
 * Return: 0; -EINVAL for a bad @end, or if @c has elements or no buffer.
 */
int kgo_kchan_notify_start(struct kgo_kchan_notify *n, struct kgo_kchan *kc,
			   unsigned int end, struct kgo_chan *c);

/**
 * kgo_kchan_notify_stop() - No more tokens
 * @n: from kgo_kchan_notify_start()
 *
 * CONTEXT: process context.  When it returns nobody touches @n or its channel.
 */
void kgo_kchan_notify_stop(struct kgo_kchan_notify *n);

#endif
