// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel channels: file descriptors.  What the calls mean is documented in
 * <linux/kgo_kchan.h>.
 *
 * A file is one end, or both.  Its reference of the channel is that end: a call
 * in flight holds the file, so the end is open as long as somebody is in it.
 *
 * Invariants:
 *   - file->private_data is the channel, for the life of the file.
 *   - What a file can do is its f_mode, which the VFS checks for read() and
 *     write(), and kgo_kchan_io_end() for the ioctl.
 *
 * Rejected: SIGPIPE.  A program with goroutines has no use for a signal per
 * thread, and sockets have MSG_NOSIGNAL for all who have not either.
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <asm/ioctls.h>

#include "kchan.h"
#include "runtime.h"

#define KGO_KCHAN_IO_SIZE_V1	40U
#define KGO_KCHAN_INFO_SIZE_V1	56U

static unsigned int kgo_file_ends(struct file *file)
{
	return (file->f_mode & FMODE_READ ? KGO_KCHAN_RECV : 0) |
	       (file->f_mode & FMODE_WRITE ? KGO_KCHAN_SEND : 0);
}

/*
 * The copies of messages are those without the check of a hardened usercopy,
 * which asks what kind of memory a slot is, for some 150 instructions at either
 * end of each message.  What it would find follows from the only place where a
 * slot gets its length: @fill, which allows no more than the slot has room for.
 */

/*
 * read() and write()
 */

struct kgo_kio_iter {
	struct kgo_kio	io;
	struct iov_iter	*iter;
	size_t		len;
};

static int kgo_iter_fill(struct kgo_kio *io, u32 i, struct kgo_kslot *s, u32 max)
{
	struct kgo_kio_iter *k = container_of(io, struct kgo_kio_iter, io);
	size_t got = _copy_from_iter(s->data, k->len, k->iter);

	if (got != k->len) {
		iov_iter_revert(k->iter, got);
		return -EFAULT;
	}
	s->len = k->len;
	return 0;
}

static int kgo_iter_drain(struct kgo_kio *io, u32 i, const struct kgo_kslot *s)
{
	struct kgo_kio_iter *k = container_of(io, struct kgo_kio_iter, io);

	if (_copy_to_iter(s->data, s->len, k->iter) != s->len)
		return -EFAULT;
	k->len = s->len;
	return 0;
}

static bool kgo_kiocb_waits(struct kiocb *iocb)
{
	return !(iocb->ki_flags & IOCB_NOWAIT) &&
	       !(iocb->ki_filp->f_flags & O_NONBLOCK);
}

static ssize_t kgo_kchan_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct kgo_kchan *kc = iocb->ki_filp->private_data;
	struct kgo_kio_iter k = { .io.drain = kgo_iter_drain, .iter = to };
	u32 room = min_t(size_t, iov_iter_count(to), U32_MAX);
	int ret;

	for (;;) {
		ret = kgo_kchan_recv_some(kc, &k.io, 1, room);
		if (ret == -EPIPE)
			return 0;
		if (ret > 0)
			return k.len;
		if (ret != -EAGAIN || !kgo_kiocb_waits(iocb))
			return ret;
		ret = kgo_kchan_wait(kc, KGO_KCHAN_RECV);
		if (ret)
			return ret;
	}
}

static ssize_t kgo_kchan_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct kgo_kchan *kc = iocb->ki_filp->private_data;
	struct kgo_kio_iter k = {
		.io.fill = kgo_iter_fill,
		.iter = from,
		.len = iov_iter_count(from),
	};
	int ret;

	if (k.len > kc->msg_max)
		return -EMSGSIZE;
	for (;;) {
		ret = kgo_kchan_send_some(kc, &k.io, 1);
		if (ret > 0)
			return k.len;
		if (ret != -EAGAIN || !kgo_kiocb_waits(iocb))
			return ret;
		ret = kgo_kchan_wait(kc, KGO_KCHAN_SEND);
		if (ret)
			return ret;
	}
}

static __poll_t kgo_kchan_poll(struct file *file, poll_table *wait)
{
	struct kgo_kchan *kc = file->private_data;
	unsigned int ends = kgo_file_ends(file);
	__poll_t events = 0;

	/* As a barrier suffices that of the lock of the wait queue. */
	if (ends & KGO_KCHAN_RECV)
		poll_wait(file, &kc->wait[KGO_KCHAN_IX(KGO_KCHAN_RECV)], wait);
	if (ends & KGO_KCHAN_SEND)
		poll_wait(file, &kc->wait[KGO_KCHAN_IX(KGO_KCHAN_SEND)], wait);
	smp_mb();	/* pairs with wq_has_sleeper() of who makes it ready */

	if (ends & KGO_KCHAN_RECV) {
		if (READ_ONCE(kc->queued))
			events |= EPOLLIN | EPOLLRDNORM;
		else if (kgo_kchan_ready(kc, KGO_KCHAN_RECV))
			events |= EPOLLHUP;
	}
	if (ends & KGO_KCHAN_SEND) {
		if (READ_ONCE(kc->closed) ||
		    !READ_ONCE(kc->ends[KGO_KCHAN_IX(KGO_KCHAN_RECV)]))
			events |= EPOLLERR;
		else if (READ_ONCE(kc->nr_free))
			events |= EPOLLOUT | EPOLLWRNORM;
	}
	return events;
}

/*
 * ioctl()
 */

struct kgo_kio_user {
	struct kgo_kio	io;
	void __user	*buf;
	u32 __user	*lens;
	u32		stride;
};

static int kgo_user_fill(struct kgo_kio *io, u32 i, struct kgo_kslot *s, u32 max)
{
	struct kgo_kio_user *k = container_of(io, struct kgo_kio_user, io);
	u32 len;

	cond_resched();
	if (get_user(len, k->lens + i))
		return -EFAULT;
	if (len > k->stride || len > max)
		return -EMSGSIZE;
	if (_copy_from_user(s->data, k->buf + (u64)i * k->stride, len))
		return -EFAULT;
	s->len = len;
	return 0;
}

/* Up to this word by word: a string instruction takes longer to begin. */
#define KGO_KCHAN_SHORT	256

static int kgo_copy_out_message(void __user *to, const struct kgo_kslot *s)
{
	if (s->len > KGO_KCHAN_SHORT)
		return _copy_to_user(to, s->data, s->len) ? -EFAULT : 0;
	if (!user_write_access_begin(to, s->len))
		return -EFAULT;
	unsafe_copy_to_user(to, s->data, s->len, fault);
	user_write_access_end();
	return 0;
fault:
	user_write_access_end();
	return -EFAULT;
}

static int kgo_user_drain(struct kgo_kio *io, u32 i, const struct kgo_kslot *s)
{
	struct kgo_kio_user *k = container_of(io, struct kgo_kio_user, io);

	cond_resched();
	if (kgo_copy_out_message(k->buf + (u64)i * k->stride, s) ||
	    put_user(s->len, k->lens + i))
		return -EFAULT;
	return 0;
}

/* Which end an operation is of.  Return: 0 for none. */
static unsigned int kgo_kchan_op_end(u32 op)
{
	switch (op) {
	case KGO_KCHAN_OP_RECV:
		return KGO_KCHAN_RECV;
	case KGO_KCHAN_OP_SEND:
		return KGO_KCHAN_SEND;
	default:
		return 0;
	}
}

static bool kgo_kchan_io_is_valid(const struct kgo_kchan_io *a)
{
	const u32 known = KGO_KCHAN_IO_NOWAIT | KGO_KCHAN_IO_ARM |
			  KGO_KCHAN_IO_SHARED;

	if (a->op == KGO_KCHAN_OP_DISARM)
		return !a->flags && !a->buf && !a->lens && !a->stride && !a->count;
	if (!kgo_kchan_op_end(a->op) || a->flags & ~known || !a->count)
		return false;
	if (a->flags & KGO_KCHAN_IO_ARM)
		return !(a->flags & KGO_KCHAN_IO_NOWAIT);
	return !a->mark && !(a->flags & KGO_KCHAN_IO_SHARED);
}

static int kgo_kchan_do_io(struct file *file, struct kgo_kchan_io *a)
{
	struct kgo_kchan *kc = file->private_data;
	struct kgo_kio_user k = {
		.io.fill = kgo_user_fill,
		.io.drain = kgo_user_drain,
		.buf = u64_to_user_ptr(a->buf),
		.lens = u64_to_user_ptr(a->lens),
		.stride = a->stride,
	};
	unsigned int end = kgo_kchan_op_end(a->op);
	int ret;

	if (!(kgo_file_ends(file) & end))
		return -EBADF;
	for (;;) {
		ret = end == KGO_KCHAN_SEND ?
		      kgo_kchan_send_some(kc, &k.io, a->count) :
		      kgo_kchan_recv_some(kc, &k.io, a->count, a->stride);
		if (ret == -EPIPE && end == KGO_KCHAN_RECV)
			return 0;
		if (ret != -EAGAIN || a->flags & KGO_KCHAN_IO_NOWAIT)
			return ret;
		if (a->flags & KGO_KCHAN_IO_ARM)
			ret = kgo_karm(kc, file, end, a->mark,
				       a->flags & KGO_KCHAN_IO_SHARED);
		else if (!(file->f_flags & O_NONBLOCK))
			ret = kgo_kchan_wait(kc, end);
		if (ret)
			return ret;
	}
}

static int kgo_ioctl_kchan_io(struct file *file, void __user *arg)
{
	struct kgo_kchan_io a;
	int ret;

	ret = kgo_copy_in(&a, sizeof(a), KGO_KCHAN_IO_SIZE_V1, arg);
	if (ret)
		return ret;
	if (!kgo_kchan_io_is_valid(&a))
		return -EINVAL;
	if (a.op == KGO_KCHAN_OP_DISARM)
		return kgo_karm_disarm(a.mark);
	return kgo_kchan_do_io(file, &a);
}

static int kgo_ioctl_kchan_info(struct file *file, void __user *arg)
{
	struct kgo_kchan *kc = file->private_data;
	struct kgo_kchan_info a;
	unsigned long flags;
	int ret;

	ret = kgo_copy_in(&a, sizeof(a), KGO_KCHAN_INFO_SIZE_V1, arg);
	if (ret)
		return ret;
	a.ends = kgo_file_ends(file);
	a.msg_max = kc->msg_max;
	a.cap = kc->cap;
	a.id = kc->id;
	spin_lock_irqsave(&kc->lock, flags);
	a.flags = kc->closed ? KGO_KCHAN_I_CLOSED : 0;
	a.queued = kc->queued;
	a.receivers = kc->ends[KGO_KCHAN_IX(KGO_KCHAN_RECV)];
	a.senders = kc->ends[KGO_KCHAN_IX(KGO_KCHAN_SEND)];
	a.sent = kc->sent;
	a.received = kc->received;
	spin_unlock_irqrestore(&kc->lock, flags);
	return kgo_copy_out(arg, &a, sizeof(a), a.size);
}

static int kgo_ioctl_fionread(struct file *file, int __user *arg)
{
	struct kgo_kchan *kc = file->private_data;
	unsigned long flags;
	int len = 0;

	spin_lock_irqsave(&kc->lock, flags);
	if (kc->queued)
		len = kc->queue.first->len;
	spin_unlock_irqrestore(&kc->lock, flags);
	return put_user(len, arg);
}

static long kgo_kchan_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *uarg = (void __user *)arg;

	if (cmd == FIONREAD)
		return kgo_ioctl_fionread(file, uarg);
	switch (KGO_CALL(cmd)) {
	case KGO_CALL(KGO_IOC_KCHAN_IO):
		return kgo_ioctl_kchan_io(file, uarg);
	case KGO_CALL(KGO_IOC_KCHAN_INFO):
		return kgo_ioctl_kchan_info(file, uarg);
	case KGO_CALL(KGO_IOC_KCHAN_CLOSE):
		return kgo_kchan_close(file->private_data);
	default:
		return -ENOTTY;
	}
}

static int kgo_kchan_release(struct inode *inode, struct file *file)
{
	struct kgo_kchan *kc = file->private_data;
	unsigned int ends = kgo_file_ends(file);

	/* The channel may go with the first of two. */
	kgo_kchan_hold(kc);
	if (ends & KGO_KCHAN_RECV)
		kgo_kchan_put_end(kc, KGO_KCHAN_RECV);
	if (ends & KGO_KCHAN_SEND)
		kgo_kchan_put_end(kc, KGO_KCHAN_SEND);
	kgo_kchan_drop(kc);
	return 0;
}

static void kgo_kchan_fdinfo(struct seq_file *seq, struct file *file)
{
	struct kgo_kchan *kc = file->private_data;

	seq_printf(seq, "kgo-kchan:\t%llu\nqueued:\t%u\n", kc->id,
		   READ_ONCE(kc->queued));
}

static const struct file_operations kgo_kchan_fops = {
	.owner		= THIS_MODULE,
	.read_iter	= kgo_kchan_read_iter,
	.write_iter	= kgo_kchan_write_iter,
	.poll		= kgo_kchan_poll,
	.unlocked_ioctl	= kgo_kchan_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.release	= kgo_kchan_release,
	.show_fdinfo	= kgo_kchan_fdinfo,
};

/* A file for one or both ends, which are opened.  Return: it or ERR_PTR(). */
static struct file *kgo_kchan_file(struct kgo_kchan *kc, unsigned int ends,
				   unsigned int flags)
{
	static const int modes[] = {
		[KGO_KCHAN_RECV] = O_RDONLY,
		[KGO_KCHAN_SEND] = O_WRONLY,
		[KGO_KCHAN_RECV | KGO_KCHAN_SEND] = O_RDWR,
	};
	struct file *file;

	file = anon_inode_getfile("[kgo-kchan]", &kgo_kchan_fops, kc,
				  modes[ends] | (flags & O_NONBLOCK));
	if (IS_ERR(file))
		return file;
	stream_open(file_inode(file), file);
	file->f_mode |= FMODE_NOWAIT;
	if (ends & KGO_KCHAN_RECV)
		kgo_kchan_open_end(kc, KGO_KCHAN_RECV);
	if (ends & KGO_KCHAN_SEND)
		kgo_kchan_open_end(kc, KGO_KCHAN_SEND);
	return file;
}

int kgo_kchan_fd(struct kgo_kchan *kc, unsigned int flags)
{
	const unsigned int both = KGO_KCHAN_RECV | KGO_KCHAN_SEND;
	struct file *file;
	int fd;

	if (flags & ~(both | O_NONBLOCK | O_CLOEXEC) || !(flags & both))
		return -EINVAL;
	fd = get_unused_fd_flags(flags & O_CLOEXEC);
	if (fd < 0)
		return fd;
	file = kgo_kchan_file(kc, flags & both, flags);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}
EXPORT_SYMBOL_GPL(kgo_kchan_fd);

/* An end of a channel that is not installed yet. */
struct kgo_new_fd {
	int		fd;
	struct file	*file;
};

static int kgo_new_fd(struct kgo_new_fd *n, struct kgo_kchan *kc,
		      unsigned int ends, unsigned int flags)
{
	n->fd = get_unused_fd_flags(O_CLOEXEC);
	if (n->fd < 0)
		return n->fd;
	n->file = kgo_kchan_file(kc, ends, flags);
	if (!IS_ERR(n->file))
		return 0;
	put_unused_fd(n->fd);
	return PTR_ERR(n->file);
}

static void kgo_new_fd_undo(struct kgo_new_fd *n)
{
	put_unused_fd(n->fd);
	fput(n->file);
}

int kgo_ioctl_kchan(void __user *arg)
{
	const u32 known = KGO_KCHAN_F_NONBLOCK | KGO_KCHAN_F_BOTH;
	struct kgo_new_fd r, w = { .fd = -1 };
	struct kgo_kchan_make a;
	struct kgo_kchan *kc;
	unsigned int flags;
	int ret;

	ret = kgo_copy_in(&a, sizeof(a), sizeof(a), arg);
	if (ret)
		return ret;
	if (a.flags & ~known || a.reserved)
		return -EINVAL;
	kc = kgo_kchan_create(a.msg_max, a.cap);
	if (IS_ERR(kc))
		return PTR_ERR(kc);
	snprintf(kc->creator, sizeof(kc->creator), "%s:%d", current->comm,
		 task_tgid_nr(current));

	flags = a.flags & KGO_KCHAN_F_NONBLOCK ? O_NONBLOCK : 0;
	if (a.flags & KGO_KCHAN_F_BOTH) {
		ret = kgo_new_fd(&r, kc, KGO_KCHAN_RECV | KGO_KCHAN_SEND, flags);
		if (ret)
			goto put;
	} else {
		ret = kgo_new_fd(&r, kc, KGO_KCHAN_RECV, flags);
		if (ret)
			goto put;
		ret = kgo_new_fd(&w, kc, KGO_KCHAN_SEND, flags);
		if (ret)
			goto undo_r;
	}
	a.rfd = r.fd;
	a.wfd = w.fd;
	ret = kgo_copy_out(arg, &a, sizeof(a), a.size);
	if (ret)
		goto undo_w;
	fd_install(r.fd, r.file);
	if (w.fd >= 0)
		fd_install(w.fd, w.file);
	goto put;

undo_w:
	if (w.fd >= 0)
		kgo_new_fd_undo(&w);
undo_r:
	kgo_new_fd_undo(&r);
put:
	/* From here on the fds are all the ends that there are. */
	kgo_kchan_put(kc);
	return ret;
}
