/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Channels.
 */
#ifndef KGO_CHAN_H
#define KGO_CHAN_H

struct kgo_chan;

/**
 * kgo_chan_make() - Make a channel
 * @elem_size: bytes of an element, may be 0
 * @cap: elements that it buffers, 0 for an unbuffered one
 *
 * CONTEXT: anywhere that may sleep.  The caller owns it and frees it with
 * kgo_chan_free().
 * Return: NULL without memory, or if the buffer is larger than can be.
 */
struct kgo_chan *kgo_chan_make(size_t elem_size, size_t cap);

/**
 * kgo_chan_free() - Free a channel that nobody uses any more
 * @c: the channel or NULL; values still buffered are dropped
 *
 * CONTEXT: anywhere that may sleep.
 * Return: 0, or -EBUSY (and nothing is freed) if goroutines wait on it.
 */
int kgo_chan_free(struct kgo_chan *c);

/**
 * kgo_chan_send() - Send a value
 * @c: the channel; NULL parks for ever
 * @v: elem_size bytes, copied before it returns
 *
 * Parks until a receiver or the buffer takes it.  To send on a closed channel
 * panics.
 * CONTEXT: a goroutine.
 * Return: 0.
 */
int kgo_chan_send(struct kgo_chan *c, const void *v);

/**
 * kgo_chan_recv() - Receive a value
 * @c: the channel; NULL parks for ever
 * @v: elem_size bytes to fill, zeroed if the channel is closed; may be NULL
 *
 * CONTEXT: a goroutine; parks until there is one.
 * Return: 1 with a value, 0 if the channel is closed and drained.
 */
int kgo_chan_recv(struct kgo_chan *c, void *v);

/**
 * kgo_chan_try_send() - kgo_chan_send() that does not park
 * @c: as there
 * @v: as there
 *
 * CONTEXT: any.
 * Return: also -EAGAIN if it would have to wait; -EPIPE, where panics return, if
 * it is closed.
 */
int kgo_chan_try_send(struct kgo_chan *c, const void *v);

/**
 * kgo_chan_try_recv() - kgo_chan_recv() that does not park
 * @c: as there
 * @v: as there
 *
 * CONTEXT: any.  Return: also -EAGAIN if it would have to wait.
 */
int kgo_chan_try_recv(struct kgo_chan *c, void *v);

/**
 * kgo_chan_send_timeout() - kgo_chan_send() that waits so long at most
 * @c: the channel
 * @v: the value
 * @ns: nanoseconds; not positive: does not wait
 *
 * CONTEXT: a goroutine.
 * Return: also -ETIMEDOUT, the value was not sent then; -ENOMEM.
 */
int kgo_chan_send_timeout(struct kgo_chan *c, const void *v, long long ns);

/**
 * kgo_chan_recv_timeout() - kgo_chan_recv() that waits so long at most
 * @c: the channel
 * @v: where to
 * @ns: nanoseconds; not positive: does not wait
 *
 * CONTEXT: a goroutine.  Return: also -ETIMEDOUT; -ENOMEM.
 */
int kgo_chan_recv_timeout(struct kgo_chan *c, void *v, long long ns);

/**
 * kgo_chan_close() - No more values will be sent
 * @c: the channel
 *
 * All receivers get what is buffered and then 0; senders that wait panic.
 * Closing NULL or a closed channel panics.
 * CONTEXT: any; takes time for each goroutine that waits on it.
 * Return: 0; -EINVAL or -EPIPE where panics return.
 */
int kgo_chan_close(struct kgo_chan *c);

/** kgo_chan_len() - Elements buffered now; 0 for NULL.  CONTEXT: anywhere. */
size_t kgo_chan_len(const struct kgo_chan *c);

/** kgo_chan_cap() - Elements that it buffers; 0 for NULL.  CONTEXT: anywhere. */
size_t kgo_chan_cap(const struct kgo_chan *c);

#endif
