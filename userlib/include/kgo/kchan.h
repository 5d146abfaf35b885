/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Kernel channels: messages between processes, and between programs and the
 * kernel, by file descriptors.
 *
 *	int fd[2];
 *
 *	kgo_kchan_make(sizeof(struct job), 64, fd);
 *	if (!fork())
 *		worker(fd[0]);			// or send it by SCM_RIGHTS
 *	...
 *	kgo_kchan_send(fd[1], &job, sizeof(job));
 *
 * An fd is a file like others (<linux/kgo_kchan.h>): a plain thread may read(),
 * write() and poll() it.  What is here parks the calling goroutine instead of
 * blocking its thread, and works in plain threads too, which it blocks.
 *
 * A message is sent whole or not at all.  The end of a channel comes when it is
 * closed by kgo_kchan_close(), or when the last fd of the other side is closed,
 * also by the death of its process.  Who is killed in a call has sent or
 * received the message, or it is as if he had not called.
 *
 * Kernel channels need /dev/kgo to be made, whatever the back end.  If goroutines
 * run on futexes, one that waits blocks its thread.
 */
#ifndef KGO_KCHAN_H
#define KGO_KCHAN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct kgo_case;

/**
 * kgo_kchan_make() - Make a kernel channel
 * @msg_max: longest message in bytes, may be 0
 * @cap: most messages that it holds, at least 1
 * @fd: where the fds go: fd[0] receives, fd[1] sends; both close-on-exec
 *
 * CONTEXT: anywhere.
 * Return: 0; -ENODEV if there is no /dev/kgo, or one without kernel channels;
 * -ERANGE for sizes beyond the bounds of the module; -EINVAL, -EMFILE, -ENOMEM.
 */
int kgo_kchan_make(size_t msg_max, unsigned int cap, int fd[2]);

/**
 * kgo_kchan_make_both() - Make a kernel channel with one fd for both directions
 * @msg_max: as there
 * @cap: as there
 *
 * It has no end that comes by itself while somebody has the fd.
 * CONTEXT: anywhere.  Return: the fd, or as kgo_kchan_make().
 */
int kgo_kchan_make_both(size_t msg_max, unsigned int cap);

/**
 * kgo_kchan_send() - Send a message
 * @fd: an fd that sends
 * @buf: the message
 * @len: its length
 *
 * CONTEXT: a goroutine, which parks until there is room; any other thread.
 * Return: 0; -EPIPE at the end; -EMSGSIZE if it is too long; -EBADF, -ENOTTY if
 * @fd is none that sends; -EFAULT; -ENOMEM; -EINTR in a plain thread.
 */
int kgo_kchan_send(int fd, const void *buf, size_t len);

/**
 * kgo_kchan_recv() - Receive a message
 * @fd: an fd that receives
 * @buf: where to
 * @size: room there
 *
 * CONTEXT: as kgo_kchan_send().
 * Return: length of the message, perhaps 0; -EPIPE at the end, when all that was
 * sent is received; -EMSGSIZE if it is longer than @size, it is not received
 * then; others as there.
 */
ssize_t kgo_kchan_recv(int fd, void *buf, size_t size);

/**
 * kgo_kchan_try_send() - kgo_kchan_send() that does not wait
 * @fd: as there
 * @buf: as there
 * @len: as there
 *
 * CONTEXT: anywhere.  Return: also -EAGAIN.
 */
int kgo_kchan_try_send(int fd, const void *buf, size_t len);

/**
 * kgo_kchan_try_recv() - kgo_kchan_recv() that does not wait
 * @fd: as there
 * @buf: as there
 * @size: as there
 *
 * CONTEXT: anywhere.  Return: also -EAGAIN.
 */
ssize_t kgo_kchan_try_recv(int fd, void *buf, size_t size);

/**
 * kgo_kchan_send_timeout() - kgo_kchan_send() that waits so long at most
 * @fd: as there
 * @buf: as there
 * @len: as there
 * @ns: nanoseconds; not positive: does not wait
 *
 * CONTEXT: as kgo_kchan_send().  Return: also -ETIMEDOUT.
 */
int kgo_kchan_send_timeout(int fd, const void *buf, size_t len, long long ns);

/**
 * kgo_kchan_recv_timeout() - kgo_kchan_recv() that waits so long at most
 * @fd: as there
 * @buf: as there
 * @size: as there
 * @ns: nanoseconds; not positive: does not wait
 *
 * CONTEXT: as kgo_kchan_send().  Return: also -ETIMEDOUT.
 */
ssize_t kgo_kchan_recv_timeout(int fd, void *buf, size_t size, long long ns);

/**
 * kgo_kchan_send_many() - Send several messages by one call
 * @fd: an fd that sends
 * @buf: the messages, @stride bytes from one to the next
 * @stride: at least the longest of them
 * @lens: their lengths
 * @n: how many, at least 1
 *
 * Waits until there is room for one, then sends as many as there is room for.
 * CONTEXT: as kgo_kchan_send().
 * Return: how many were sent, the first ones; or why not even one was.
 */
int kgo_kchan_send_many(int fd, const void *buf, size_t stride,
			const uint32_t *lens, unsigned int n);

/**
 * kgo_kchan_recv_many() - Receive several messages by one call
 * @fd: an fd that receives
 * @buf: where to, @stride bytes from one to the next
 * @stride: room for each
 * @lens: where their lengths go
 * @n: how many at most, at least 1
 *
 * Waits until there is one, then receives those that are there.
 * CONTEXT: as kgo_kchan_send().
 * Return: how many were received, or as kgo_kchan_recv() for the first one.
 */
int kgo_kchan_recv_many(int fd, void *buf, size_t stride, uint32_t *lens,
			unsigned int n);

/**
 * kgo_kchan_close() - No more messages
 * @fd: an fd of either side
 *
 * What is in the channel can still be received.  The fd stays open.
 * CONTEXT: anywhere.  Return: 0; -EALREADY if it was closed; -EBADF, -ENOTTY.
 */
int kgo_kchan_close(int fd);

/**
 * kgo_kchan_len() - Messages in the channel
 * @fd: an fd of either side
 *
 * CONTEXT: anywhere.  Return: how many, or -EBADF, -ENOTTY.
 */
int kgo_kchan_len(int fd);

/**
 * struct kgo_kcase - One case of a select over kernel channels
 * @fd: the fd; one below 0 is never ready
 * @op: %KGO_CASE_RECV or %KGO_CASE_SEND
 * @buf: as in kgo_kchan_send() or kgo_kchan_recv()
 * @len: likewise
 * @ret: set in the case that was chosen: what that call returns
 */
struct kgo_kcase {
	int		fd;
	unsigned int	op;
	void		*buf;
	size_t		len;
	ssize_t		ret;
};

/**
 * kgo_kchan_select() - Wait for kernel channels and channels of the program
 * @kcases: cases of kernel channels
 * @nk: how many, at most 64
 * @cases: as in kgo_select(), may be NULL with @n 0
 * @n: how many
 * @ns: nanoseconds; 0: does not wait; negative: for ever
 *
 * One that can go on is done, chosen at random, though not with the exact
 * chances of kgo_select().  A kernel channel at its end, or an fd that is bad,
 * can go on: its @ret says so.  To be cancelled, have a case of
 * kgo_ctx_done().
 *
 * CONTEXT: a goroutine; parks.
 * Return: index of the case: below @nk that of a kernel channel, else @nk plus
 * that of one of @cases; -EAGAIN with @ns 0; -ETIMEDOUT; -EINVAL; -ENOMEM;
 * -EOPNOTSUPP if it would have to wait, but goroutines run on futexes.
 */
int kgo_kchan_select(struct kgo_kcase *kcases, unsigned int nk,
		     struct kgo_case *cases, unsigned int n, long long ns);

#endif
