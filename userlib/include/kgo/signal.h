/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Signals as values on channels and as ends of contexts, as in Go's os/signal.
 *
 * The signals that a program can be notified of are those that somebody sends.
 * SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP and SIGSYS tell of what a thread
 * just did, and are refused, as are SIGKILL, SIGSTOP and those that libc keeps
 * to itself.
 *
 * Do not call sigaction() for a signal while the library has it.
 */
#ifndef KGO_SIGNAL_H
#define KGO_SIGNAL_H

struct kgo_chan;
struct kgo_ctx;

/**
 * kgo_signal_notify() - Send signals to a channel
 * @c: channel of int, which stays the caller's; it must not be closed or freed
 *	before kgo_signal_stop()
 * @sigs: which; those that @c gets already stay
 * @n: how many; 0: all that can be
 *
 * What they did by default does not happen any more.  To send does not wait: a
 * value for which @c has no room is dropped, so give it a buffer.  Signals that
 * are the same and pending are one, as with any handler.
 *
 * CONTEXT: a goroutine; may park.
 * Return: 0; -EINVAL for a signal that is refused, or elements of another size;
 * -ENOMEM, -EAGAIN, -EMFILE.  Nothing has changed if it fails.
 */
int kgo_signal_notify(struct kgo_chan *c, const int *sigs, size_t n);

/**
 * kgo_signal_stop() - Send no more signals to a channel
 * @c: the channel
 *
 * Signals that nobody else is notified of do again what they did before.
 * Those that had come before are still sent, none is after this has returned.
 * CONTEXT: a goroutine; may park.
 */
void kgo_signal_stop(struct kgo_chan *c);

/**
 * kgo_signal_reset() - Undo kgo_signal_notify() and kgo_signal_ignore()
 * @sigs: which
 * @n: how many; 0: all
 *
 * CONTEXT: a goroutine; may park.
 * Return: 0, or -EINVAL for a signal that is refused.
 */
int kgo_signal_reset(const int *sigs, size_t n);

/**
 * kgo_signal_ignore() - Have signals do nothing, and tell nobody of them
 * @sigs: which
 * @n: how many; 0: all that can be
 *
 * CONTEXT: a goroutine; may park.
 * Return: 0, or -EINVAL for a signal that is refused.
 */
int kgo_signal_ignore(const int *sigs, size_t n);

/**
 * kgo_signal_ignored() - Is a signal ignored, by whomever?
 * @sig: the signal
 *
 * CONTEXT: anywhere.
 */
bool kgo_signal_ignored(int sig);

/**
 * kgo_signal_notify_context() - A context that is cancelled by signals
 * @parent: what it is derived from
 * @sigs: by which
 * @n: how many; 0: by all that can be
 *
 * The way to a graceful end: give it to all that shall end.  A second signal
 * does nothing as long as the context is not given to
 * kgo_signal_stop_context(); call that once the first has come, and the second
 * does what it always did.
 *
 * CONTEXT: a goroutine; may park.
 * Return: a reference, to be given to kgo_signal_stop_context(); NULL without
 * memory, or for what kgo_signal_notify() refuses.
 */
struct kgo_ctx *kgo_signal_notify_context(struct kgo_ctx *parent,
					  const int *sigs, size_t n);

/**
 * kgo_signal_stop_context() - Cancel it, and let signals do what they did
 * @ctx: of kgo_signal_notify_context(); the reference is given back
 *
 * CONTEXT: a goroutine; may park.
 */
void kgo_signal_stop_context(struct kgo_ctx *ctx);

#endif
