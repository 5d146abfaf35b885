/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note OR MIT */
/*
 * The ABI of kernel channels: bounded queues of messages in the kernel, between
 * processes, and between programs and kernel code, with a file descriptor for
 * each end.
 *
 * A program makes one by KGO_IOC_KCHAN of /dev/kgo, or gets an fd from somebody
 * who has one: by SCM_RIGHTS, by inheritance, from a driver.  The fd is a file
 * like others:
 *
 *   read()	takes one message.  0 at the end: the channel is closed, or no end
 *		that sends is left, and all messages were taken.  -EMSGSIZE if the
 *		buffer is too small; the message stays where it is.
 *   write()	sends one message, of any length up to the channel's maximum, also
 *		of length 0.  -EMSGSIZE if it is longer; -EPIPE if the channel is
 *		closed, or no end that receives is left; without a signal.
 *   poll()	POLLIN: there is a message; POLLOUT: there is room; POLLHUP: the end
 *		(as read() tells it); POLLERR: write() would return -EPIPE
 *   FIONREAD	length of the next message, 0 without one
 *
 * both waiting in turn unless O_NONBLOCK is set (-EAGAIN), and interruptible.
 * A message is sent whole or not at all, and taken whole or not at all: if its
 * memory cannot be read it was not sent, if the receiver's memory cannot be
 * written it goes back to its place before those that were sent after it.
 *
 * KGO_IOC_KCHAN_IO does the same for several messages, and for goroutines: what
 * would have to wait can leave a mark in the kernel's list instead ("arm"), and
 * the runtime is told by its completion ring when it is worth trying again.
 */
#ifndef _UAPI_LINUX_KGO_KCHAN_H
#define _UAPI_LINUX_KGO_KCHAN_H

#include <linux/kgo.h>

/** define KGO_KCHAN_RECV - The end that receives */
#define KGO_KCHAN_RECV		0x1U
/** define KGO_KCHAN_SEND - The end that sends */
#define KGO_KCHAN_SEND		0x2U

/** define KGO_KCHAN_F_NONBLOCK - The new fds have O_NONBLOCK set */
#define KGO_KCHAN_F_NONBLOCK	0x1U
/** define KGO_KCHAN_F_BOTH - One fd for both ends, instead of one for each */
#define KGO_KCHAN_F_BOTH	0x2U

/**
 * struct kgo_kchan_make - Argument of KGO_IOC_KCHAN
 * @size: in: size of this structure as the caller knows it
 * @flags: in: KGO_KCHAN_F_*
 * @msg_max: in: longest message in bytes, may be 0
 * @cap: in: most messages that are queued, at least 1
 * @rfd: out: fd of the receiving end, or of both
 * @wfd: out: fd of the sending end, or -1
 * @reserved: must be zero
 *
 * The fds are close-on-exec.  -ERANGE for sizes beyond the module's bounds,
 * -ENOMEM, -EMFILE.  All slots are allocated, and charged to the caller.
 */
struct kgo_kchan_make {
	__u32 size;
	__u32 flags;
	__u32 msg_max;
	__u32 cap;
	__s32 rfd;
	__s32 wfd;
	__u64 reserved;
};

/* On /dev/kgo; needs no SETUP. */
#define KGO_IOC_KCHAN		_IOWR(KGO_IOC_MAGIC, 5, struct kgo_kchan_make)
/* On /dev/kgo, by the runtime's process: move completions that had no room in
 * the ring to where there is some now.  See &struct kgo_rdesc.cq_overflow.
 */
#define KGO_IOC_CQ_FLUSH	_IO(KGO_IOC_MAGIC, 6)

/** define KGO_CQ_SIZE - Slots of the completion ring, a power of two */
#define KGO_CQ_SIZE		1024U
/** define KGO_KCHAN_ARMS - Marks that each goroutine of the table may have */
#define KGO_KCHAN_ARMS		64U

/**
 * DOC: completion ring
 *
 * A fifth region, %KGO_MMAP_C, one page: %KGO_CQ_SIZE marks of 32 bits.  The
 * kernel writes slot cq_tail % %KGO_CQ_SIZE, then cq_tail; the runtime reads
 * slots up to cq_tail, then writes cq_head (all in &struct kgo_rdesc).  A mark
 * that was armed is in the ring exactly once, unless it was disarmed before.
 */
#define KGO_MMAP_C		0x030000000ULL

/** define KGO_KCHAN_IO_NOWAIT - -EAGAIN instead of waiting, as O_NONBLOCK */
#define KGO_KCHAN_IO_NOWAIT	0x1U
/** define KGO_KCHAN_IO_ARM - -EINPROGRESS instead of waiting: @mark is armed */
#define KGO_KCHAN_IO_ARM	0x2U
/**
 * define KGO_KCHAN_IO_SHARED - Do not stand in the queue
 *
 * With %KGO_KCHAN_IO_ARM.
 *
 * A mark without it stands in a queue with all who wait; one of them is woken
 * for each message, and owes a try.  One with it is woken together with that
 * one, always, and owes nothing: for who waits for several things at once.
 */
#define KGO_KCHAN_IO_SHARED	0x4U

/**
 * enum kgo_kchan_op - What KGO_IOC_KCHAN_IO does
 * @KGO_KCHAN_OP_RECV: take messages
 * @KGO_KCHAN_OP_SEND: send messages
 * @KGO_KCHAN_OP_DISARM: take @mark back.  1 if it was armed still: it will not
 *	be in the ring; 0 if it is or was in the ring, or in the overflow.
 */
enum kgo_kchan_op {
	KGO_KCHAN_OP_RECV	= 1,
	KGO_KCHAN_OP_SEND	= 2,
	KGO_KCHAN_OP_DISARM	= 3,
};

/**
 * struct kgo_kchan_io - Argument of KGO_IOC_KCHAN_IO
 * @size: in: size of this structure as the caller knows it
 * @op: in: &enum kgo_kchan_op
 * @flags: in: KGO_KCHAN_IO_*
 * @mark: in: with %KGO_KCHAN_IO_ARM, and to disarm: a number below
 *	%KGO_KCHAN_ARMS times the size of the runtime's G table
 * @buf: in: address of the messages, @stride bytes from one to the next
 * @lens: in: address of an array of __u32: with %KGO_KCHAN_OP_SEND the lengths
 *	of the messages, else out: the lengths of those that were taken
 * @stride: in: room for each message
 * @count: in: how many at most, at least 1
 *
 * Returns how many were sent or taken, at least one, in order: those that need
 * no wait.  0 at the end of what there is to receive.  Only if not a single one
 * could be: -EAGAIN, -EINPROGRESS, -EPIPE, -EMSGSIZE, -EFAULT, -EINTR as read()
 * and write() do.
 *
 * -EBADF for the wrong end; with %KGO_KCHAN_IO_ARM -ENOTCONN if the caller is
 * not attached to a runtime, -EBUSY if @mark is armed or in the overflow,
 * -ERANGE for a @mark that is too large, -ENOMEM.  To disarm needs neither @buf
 * nor @lens; any fd of a kernel channel will do.
 */
struct kgo_kchan_io {
	__u32 size;
	__u32 op;
	__u32 flags;
	__u32 mark;
	__u64 buf;
	__u64 lens;
	__u32 stride;
	__u32 count;
};

/**
 * define KGO_KCHAN_I_CLOSED - It was closed
 *
 * In &struct kgo_kchan_info.flags.
 */
#define KGO_KCHAN_I_CLOSED	0x1U

/**
 * struct kgo_kchan_info - Argument of KGO_IOC_KCHAN_INFO
 * @size: in: size of this structure as the caller knows it
 * @ends: out: what this fd can do: %KGO_KCHAN_RECV, %KGO_KCHAN_SEND
 * @flags: out: KGO_KCHAN_I_*
 * @msg_max: out: longest message
 * @cap: out: most messages
 * @queued: out: messages that wait to be taken
 * @receivers: out: ends open that receive: fds, duplicates not counted, and
 *	holders in the kernel
 * @senders: out: ends open that send
 * @id: out: number of the channel, never used again
 * @sent: out: messages that were ever sent
 * @received: out: messages that were ever taken
 */
struct kgo_kchan_info {
	__u32 size;
	__u32 ends;
	__u32 flags;
	__u32 msg_max;
	__u32 cap;
	__u32 queued;
	__u32 receivers;
	__u32 senders;
	__u64 id;
	__u64 sent;
	__u64 received;
};

/*
 * On a channel's fd.  Common errors as for /dev/kgo.
 */
#define KGO_IOC_KCHAN_IO	_IOWR(KGO_IOC_MAGIC, 0x20, struct kgo_kchan_io)
#define KGO_IOC_KCHAN_INFO	_IOWR(KGO_IOC_MAGIC, 0x21, struct kgo_kchan_info)
/* No more messages: those queued can still be taken; who waits is woken.
 * Either end may; -EALREADY if it is closed.
 */
#define KGO_IOC_KCHAN_CLOSE	_IO(KGO_IOC_MAGIC, 0x22)

#endif /* _UAPI_LINUX_KGO_KCHAN_H */
