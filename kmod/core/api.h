/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The primitives, with one declaration for programs and for kernel modules.
 * Include <kgo.h> in a program and <linux/kgo.h> of kmod/include in a module,
 * never this file.
 *
 * Context.  "A goroutine" means the body of a goroutine; calls that may park
 * are for goroutines only.  "Anywhere" also means plain threads of the program
 * that the runtime does not know, once it runs.
 *
 * A goroutine may wake on another thread after any call that may park: do not
 * keep errno or addresses of thread-local variables over one.  Every function
 * that can fail returns a negative error number and leaves errno alone.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef KGO_CORE_API_H
#define KGO_CORE_API_H

/**
 * struct kgo_attr - How to start a goroutine
 * @stack_size: bytes of stack, 0 for the default (64 KiB); rounded up to
 *	pages; without effect in the kernel
 * @flags: must be zero
 * @reserved: must be zero
 */
struct kgo_attr {
	size_t		stack_size;
	unsigned int	flags;
	unsigned int	reserved;
};

/**
 * kgo_go_at() - Start a goroutine; use the macro kgo_go()
 * @site: static record of the calling place, or NULL
 * @fn: what it runs
 * @arg: passed to @fn; stays the caller's
 * @attr: NULL for the defaults
 *
 * CONTEXT: anywhere (kernel: process context).  Does not park; the new
 * goroutine runs soon, on any thread.
 * Return: 0; -ENOMEM without memory for it; -EAGAIN if the table of
 * goroutines is full; -EINVAL for a bad @attr or no @fn; -ESRCH if no runtime
 * runs.
 */
int kgo_go_at(const struct kgo_site *site, void (*fn)(void *), void *arg,
	      const struct kgo_attr *attr);

/*
 * The record of a go statement.  Addresses are stored as __u64 so that it is
 * the same for every reader.
 */
#define KGO_SITE(start_)						\
	(__extension__ ({						\
		static const struct kgo_site kgo_site_ = {		\
			.func	= (__u64)(unsigned long)__func__,	\
			.file	= (__u64)(unsigned long)__FILE__,	\
			.start	= (__u64)(unsigned long)(start_),	\
			.line	= __LINE__,				\
			.reserved = 0,					\
		};							\
		&kgo_site_;						\
	}))

/**
 * kgo_go() - Start a goroutine that runs fn(arg)
 *
 * Remembers where it stands, for the tables.  See kgo_go_at().
 */
#define kgo_go(fn, arg)	kgo_go_at(KGO_SITE(#fn), (fn), (arg), NULL)

/** kgo_go_attr() - kgo_go() with a struct kgo_attr */
#define kgo_go_attr(fn, arg, attr)					\
	kgo_go_at(KGO_SITE(#fn), (fn), (arg), (attr))

/**
 * kgo_yield() - Let all other runnable goroutines go first
 *
 * CONTEXT: a goroutine; may park.
 */
void kgo_yield(void);

/**
 * kgo_goid() - Number of the calling goroutine
 *
 * CONTEXT: anywhere.  Return: 0 outside a goroutine.
 */
unsigned long long kgo_goid(void);

/**
 * kgo_sleep() - Park for a while
 * @ns: nanoseconds; not positive: returns at once
 *
 * CONTEXT: a goroutine; parks.
 * Return: 0, or -ENOMEM if there is no room for a timer.
 */
int kgo_sleep(long long ns);

/**
 * kgo_num_goroutine() - Goroutines that exist, the caller included
 *
 * Exact only while nothing starts or ends.  CONTEXT: anywhere.
 */
unsigned long long kgo_num_goroutine(void);

/*
 * Channels
 */
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
 * Return: 0; -EPIPE in the kernel if the channel is or becomes closed.
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
 *
 * CONTEXT: a goroutine.  Return: also -EAGAIN if it would have to wait.
 */
int kgo_chan_try_send(struct kgo_chan *c, const void *v);

/**
 * kgo_chan_try_recv() - kgo_chan_recv() that does not park
 *
 * CONTEXT: a goroutine.  Return: also -EAGAIN if it would have to wait.
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
 * CONTEXT: a goroutine.
 * Return: 0; in the kernel -EINVAL for NULL, -EPIPE for a closed channel.
 */
int kgo_chan_close(struct kgo_chan *c);

/** kgo_chan_len() - Elements buffered now; 0 for NULL.  CONTEXT: anywhere. */
size_t kgo_chan_len(const struct kgo_chan *c);

/** kgo_chan_cap() - Elements that it buffers; 0 for NULL.  CONTEXT: anywhere. */
size_t kgo_chan_cap(const struct kgo_chan *c);

/**
 * struct kgo_mutex - A lock for goroutines; all-zero is unlocked
 * @state: private
 * @sema: private
 *
 * Fair as Go's: running goroutines may overtake waiting ones until one has
 * waited for 1 ms, then it is first come first served.
 */
struct kgo_mutex {
	unsigned int state;
	unsigned int sema;
};

/** kgo_mutex_lock() - Lock, parking while another goroutine has it.  CONTEXT: a goroutine. */
void kgo_mutex_lock(struct kgo_mutex *mu);

/** kgo_mutex_try_lock() - Lock if it is free.  CONTEXT: anywhere.  Return: true if locked. */
bool kgo_mutex_try_lock(struct kgo_mutex *mu);

/**
 * kgo_mutex_unlock() - Unlock
 *
 * Any goroutine may; to unlock an unlocked mutex is fatal.
 * CONTEXT: a goroutine.
 */
void kgo_mutex_unlock(struct kgo_mutex *mu);

/**
 * struct kgo_wg - A WaitGroup; all-zero is ready
 * @state: private: counter in the upper half, waiters in the lower
 * @sema: private
 * @reserved: private
 */
struct kgo_wg {
	unsigned long long state;
	unsigned int sema;
	unsigned int reserved;
};

/**
 * kgo_wg_add() - Change the counter
 * @wg: the WaitGroup
 * @delta: what to add, may be negative; a counter below zero panics
 *
 * CONTEXT: a goroutine; does not park.
 */
void kgo_wg_add(struct kgo_wg *wg, int delta);

/** kgo_wg_done() - kgo_wg_add() of -1 */
void kgo_wg_done(struct kgo_wg *wg);

/** kgo_wg_wait() - Park until the counter is zero.  CONTEXT: a goroutine. */
void kgo_wg_wait(struct kgo_wg *wg);

#endif
