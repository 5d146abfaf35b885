// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Kernel channels, for goroutines: <linux/kgo_kchan.h> from the side of the
 * runtime.
 *
 *   goroutine			kernel			scheduler
 *   ---------			------			---------
 *   ioctl: try, else arm	mark in the list
 *   park			woken: mark in the ring
 *				a spare M comes back	port_complete(): ready
 *   ioctl: try again ...
 *
 * A mark is the index of a goroutine, plus a multiple of the size of their
 * table for the number of a case.  So nothing is allocated for a wait: the
 * waiter is on the stack of its goroutine, found by the index.
 *
 * Invariants:
 *   - A waiter stays until every mark of it is disarmed, or has been through
 *     the ring: whoever leaves waits for the latter.
 *   - Whoever was woken tries once more, also if his time is over: the kernel
 *     has counted on it.
 *   - While a mark is armed kgo_rt.wakers is not 0: somebody outside may make a
 *     goroutine run.
 *
 * Lock order: cq.lock, a waiter's, a channel's.  A timer heap's before a
 * waiter's.
 *
 * Rejected: one more goroutine that blocks in a poll of all armed channels.  A
 * thread switch for each message, which is what the ring is there to save.
 */
#include "kwait.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FOR_EVER	(-1LL)

static struct {
	kgo_lock_t	lock;		/* who reads the ring */
	const u32	*ring;		/* C: NULL without a ring */
	struct kgo_kwaiter	**waiters;	/* A: by index of their goroutine, or NULL */
} cq;

/** kgo_cq_init() - The runtime is being started; @ring is the region C or NULL */
void kgo_cq_init(const u32 *ring)
{
	port_lock_init(&cq.lock);
	cq.ring = ring;
}

/* A mark came through the ring.  Return: whose goroutine is to be made ready. */
static struct kgo_g *complete(u32 mark)
{
	struct kgo_kwaiter *w = port_load(&cq.waiters[mark % kgo_rt.nr_gs_max]);
	struct kgo_g *g;

	port_lock(&w->lock);
	w->done |= 1ULL << mark / kgo_rt.nr_gs_max;
	g = w->g;
	w->g = NULL;
	if (w->c && !g)
		g = kgo_chan_offer(w->c, NULL);
	/* After this the waiter may be gone. */
	port_unlock(&w->lock);
	return g;
}

void port_complete(void)
{
	struct kgo_rdesc *r = kgo_rt.r;
	struct kgo_gq ready = { 0 };
	struct kgo_g *g;
	u32 head;

	do {
		port_lock(&cq.lock);
		head = port_load(&r->cq_head);
		/* Pairs with the kernel, which fills the slot first. */
		while (head != port_load_acquire(&r->cq_tail)) {
			g = complete(port_load(&cq.ring[head % KGO_CQ_SIZE]));
			if (g)
				kgo_gq_push(&ready, g);
			port_store_release(&r->cq_head, ++head);
		}
		port_unlock(&cq.lock);
		/* Pairs with the kernel: it looks at cq_head again after it. */
		port_mb();
		if (unlikely(port_load(&r->cq_overflow)))
			kgo_backend_ops->cq_flush();
	} while (port_completions(r));

	g = kgo_gq_pop(&ready);
	if (g)
		kgo_g_ready(g);
	while ((g = kgo_gq_pop(&ready)))
		kgo_g_ready_behind(g);
}

/** kgo_kchan_ioctl() - ioctl() that leaves errno alone */
int kgo_kchan_ioctl(int fd, unsigned long cmd, void *arg)
{
	return (int)arch_syscall(SYS_ioctl, fd, (long)cmd, (long)arg, 0, 0, 0);
}

/** kgo_kwait_can_arm() - Can the wait of a goroutine be told by the ring? */
bool kgo_kwait_can_arm(void)
{
	struct kgo_kwaiter **new;

	/* In a child of fork() there is no runtime. */
	if (!cq.ring || !kgo_rt.r)
		return false;
	if (likely(port_load_acquire(&cq.waiters)))
		return true;
	new = mmap(NULL, kgo_rt.nr_gs_max * sizeof(*new), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (new == MAP_FAILED)
		return false;
	if (!port_cas(&cq.waiters, NULL, new))
		munmap(new, kgo_rt.nr_gs_max * sizeof(*new));
	return true;
}

static struct kgo_g *kwaiter_fire(struct kgo_alarm *t)
{
	struct kgo_kwaiter *w = container_of(t, struct kgo_kwaiter, timer);
	struct kgo_g *g;

	port_lock(&w->lock);
	w->late = true;
	g = w->g;
	w->g = NULL;
	port_unlock(&w->lock);
	return g;
}

/** kgo_kwait_init() - The calling goroutine @g is to wait by @w */
void kgo_kwait_init(struct kgo_kwaiter *w, struct kgo_g *g)
{
	memset(w, 0, sizeof(*w));
	port_lock_init(&w->lock);
	w->timer.fire = kwaiter_fire;
	port_store(&cq.waiters[g->index], w);
}

/**
 * kgo_kwait() - Park until marks have come through the ring
 * @w: the calling goroutine's
 * @cases: all of these
 * @stay: also if the time of @w is over
 * @reason: enum kgo_wait_reason
 *
 * CONTEXT: a goroutine; parks.
 */
void kgo_kwait(struct kgo_kwaiter *w, u64 cases, bool stay, u16 reason)
{
	struct kgo_m *m = kgo_enter_sched();

	port_lock(&w->lock);
	while ((w->done & cases) != cases && (stay || !w->late)) {
		w->g = m->curg;
		kgo_g_park(m, reason, &w->lock);
		m = port_self();
		port_lock(&w->lock);
	}
	port_unlock(&w->lock);
	kgo_leave_sched();
}

/**
 * kgo_kwait_disarm() - Take a mark back
 * @fd: of any kernel channel
 * @mark: its number
 *
 * Return: false if it has been, or will be, in the ring.
 */
bool kgo_kwait_disarm(int fd, u32 mark)
{
	struct kgo_kchan_io io = {
		.size = sizeof(io),
		.op = KGO_KCHAN_OP_DISARM,
		.mark = mark,
	};

	return kgo_kchan_ioctl(fd, KGO_IOC_KCHAN_IO, &io) > 0;
}

static u16 reason_of(const struct kgo_kchan_io *io)
{
	return io->op == KGO_KCHAN_OP_SEND ? KGO_WAIT_KCHAN_SEND :
	       KGO_WAIT_KCHAN_RECEIVE;
}

/* In a plain thread, or where nothing can be armed. */
static int io_plain(int fd, struct kgo_kchan_io *io, long long ns)
{
	u64 end = ns > 0 ? port_now() + (u64)ns : 0, now;
	struct timespec left, *timeout = NULL;
	struct pollfd p = { .fd = fd };
	int ret;

	p.events = io->op == KGO_KCHAN_OP_SEND ? POLLOUT : POLLIN;
	io->flags = KGO_KCHAN_IO_NOWAIT;
	io->mark = 0;
	for (;;) {
		ret = kgo_kchan_ioctl(fd, KGO_IOC_KCHAN_IO, io);
		if (ret != -EAGAIN || !ns)
			return ret;
		if (ns > 0) {
			now = port_now();
			if (now >= end)
				return -ETIMEDOUT;
			left.tv_sec = (time_t)((end - now) / 1000000000);
			left.tv_nsec = (long)((end - now) % 1000000000);
			timeout = &left;
		}
		ret = (int)arch_syscall(SYS_ppoll, (long)&p, 1, (long)timeout, 0,
					0, 0);
		if (ret < 0)
			return ret;
	}
}

static int io_armed(int fd, struct kgo_kchan_io *io, struct kgo_kwaiter *w, u32 mark)
{
	int ret;

	io->mark = mark;
	for (;;) {
		io->flags = KGO_KCHAN_IO_ARM;
		ret = kgo_kchan_ioctl(fd, KGO_IOC_KCHAN_IO, io);
		if (ret != -EINPROGRESS)
			return ret;
		kgo_kwait(w, 1, false, reason_of(io));
		if (unlikely(!(w->done & 1))) {
			if (kgo_kwait_disarm(fd, mark))
				return -ETIMEDOUT;
			kgo_kwait(w, 1, true, reason_of(io));
		}
		w->done = 0;
		if (unlikely(w->late)) {
			io->mark = 0;
			io->flags = KGO_KCHAN_IO_NOWAIT;
			ret = kgo_kchan_ioctl(fd, KGO_IOC_KCHAN_IO, io);
			return ret == -EAGAIN ? -ETIMEDOUT : ret;
		}
	}
}

static int alarm_start(struct kgo_alarm *a, long long ns)
{
	int ret;

	kgo_enter_sched();
	ret = kgo_alarm_start(a, ns);
	kgo_leave_sched();
	return ret;
}

static void alarm_stop(struct kgo_alarm *a)
{
	kgo_enter_sched();
	kgo_alarm_stop(a);
	kgo_leave_sched();
}

/* Return: messages, 0 at the end of what there is to receive, or -errno. */
static int do_io(int fd, struct kgo_kchan_io *io, long long ns)
{
	struct kgo_g *g = kgo_self_g();
	struct kgo_kwaiter w;
	int ret;

	io->size = sizeof(*io);
	if (!ns || !g || !kgo_kwait_can_arm())
		return io_plain(fd, io, ns);
	/* One that need not wait has to set up nothing. */
	io->flags = KGO_KCHAN_IO_NOWAIT;
	if (ns > 0) {
		ret = kgo_kchan_ioctl(fd, KGO_IOC_KCHAN_IO, io);
		if (ret != -EAGAIN)
			return ret;
	}
	kgo_kwait_init(&w, g);
	if (ns > 0) {
		ret = alarm_start(&w.timer, ns);
		if (ret)
			return ret;
	}
	port_add(&kgo_rt.wakers, 1);
	ret = io_armed(fd, io, &w, g->index);
	port_add(&kgo_rt.wakers, -1U);
	if (ns > 0)
		alarm_stop(&w.timer);
	return ret;
}

static int send_one(int fd, const void *buf, size_t len, long long ns)
{
	u32 n = (u32)len;
	struct kgo_kchan_io io = {
		.op = KGO_KCHAN_OP_SEND,
		.buf = (u64)(unsigned long)buf,
		.lens = (u64)(unsigned long)&n,
		.stride = n,
		.count = 1,
	};
	int ret;

	if (len > UINT32_MAX)
		return -EMSGSIZE;
	ret = do_io(fd, &io, ns);
	return ret < 0 ? ret : 0;
}

static ssize_t recv_one(int fd, void *buf, size_t size, long long ns)
{
	u32 n = 0;
	struct kgo_kchan_io io = {
		.op = KGO_KCHAN_OP_RECV,
		.buf = (u64)(unsigned long)buf,
		.lens = (u64)(unsigned long)&n,
		.stride = size > UINT32_MAX ? UINT32_MAX : (u32)size,
		.count = 1,
	};
	int ret;

	ret = do_io(fd, &io, ns);
	if (ret <= 0)
		return ret ? ret : -EPIPE;
	return (ssize_t)n;
}

static int or_timed_out(int ret)
{
	return ret == -EAGAIN ? -ETIMEDOUT : ret;
}

int kgo_kchan_send(int fd, const void *buf, size_t len)
{
	return send_one(fd, buf, len, FOR_EVER);
}

ssize_t kgo_kchan_recv(int fd, void *buf, size_t size)
{
	return recv_one(fd, buf, size, FOR_EVER);
}

int kgo_kchan_try_send(int fd, const void *buf, size_t len)
{
	return send_one(fd, buf, len, 0);
}

ssize_t kgo_kchan_try_recv(int fd, void *buf, size_t size)
{
	return recv_one(fd, buf, size, 0);
}

int kgo_kchan_send_timeout(int fd, const void *buf, size_t len, long long ns)
{
	return or_timed_out(send_one(fd, buf, len, ns > 0 ? ns : 0));
}

ssize_t kgo_kchan_recv_timeout(int fd, void *buf, size_t size, long long ns)
{
	ssize_t ret = recv_one(fd, buf, size, ns > 0 ? ns : 0);

	return ret == -EAGAIN ? -ETIMEDOUT : ret;
}

int kgo_kchan_send_many(int fd, const void *buf, size_t stride,
			const uint32_t *lens, unsigned int n)
{
	struct kgo_kchan_io io = {
		.op = KGO_KCHAN_OP_SEND,
		.buf = (u64)(unsigned long)buf,
		.lens = (u64)(unsigned long)lens,
		.stride = (u32)stride,
		.count = n,
	};

	if (stride > UINT32_MAX)
		return -EINVAL;
	return do_io(fd, &io, FOR_EVER);
}

int kgo_kchan_recv_many(int fd, void *buf, size_t stride, uint32_t *lens,
			unsigned int n)
{
	struct kgo_kchan_io io = {
		.op = KGO_KCHAN_OP_RECV,
		.buf = (u64)(unsigned long)buf,
		.lens = (u64)(unsigned long)lens,
		.stride = (u32)stride,
		.count = n,
	};
	int ret;

	if (stride > UINT32_MAX)
		return -EINVAL;
	ret = do_io(fd, &io, FOR_EVER);
	return ret ? ret : -EPIPE;
}

static int make(struct kgo_kchan_make *make)
{
	int dev, ret;

	make->size = sizeof(*make);
	dev = (int)arch_syscall(SYS_openat, AT_FDCWD, (long)"/dev/kgo",
				O_RDWR | O_CLOEXEC, 0, 0, 0);
	if (dev == -EMFILE || dev == -ENFILE)
		return dev;
	if (dev < 0)
		return -ENODEV;
	ret = kgo_kchan_ioctl(dev, KGO_IOC_KCHAN, make);
	arch_syscall(SYS_close, dev, 0, 0, 0, 0, 0);
	return ret == -ENOTTY ? -ENODEV : ret;
}

int kgo_kchan_make(size_t msg_max, unsigned int cap, int fd[2])
{
	struct kgo_kchan_make m = { .msg_max = (u32)msg_max, .cap = cap };
	int ret;

	if (msg_max > UINT32_MAX)
		return -ERANGE;
	ret = make(&m);
	if (ret)
		return ret;
	fd[0] = m.rfd;
	fd[1] = m.wfd;
	return 0;
}

int kgo_kchan_make_both(size_t msg_max, unsigned int cap)
{
	struct kgo_kchan_make m = {
		.msg_max = (u32)msg_max,
		.cap = cap,
		.flags = KGO_KCHAN_F_BOTH,
	};
	int ret;

	if (msg_max > UINT32_MAX)
		return -ERANGE;
	ret = make(&m);
	return ret ? ret : m.rfd;
}

int kgo_kchan_close(int fd)
{
	return kgo_kchan_ioctl(fd, KGO_IOC_KCHAN_CLOSE, NULL);
}

int kgo_kchan_len(int fd)
{
	struct kgo_kchan_info info = { .size = sizeof(info) };
	int ret = kgo_kchan_ioctl(fd, KGO_IOC_KCHAN_INFO, &info);

	return ret ? ret : (int)info.queued;
}
