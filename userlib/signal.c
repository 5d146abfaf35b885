// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Signals.
 *
 *   handler			   deliverer, a goroutine of the library's
 *   -------			   ---------
 *   inside++; taken still?	   poll(eventfd), in which its thread blocks
 *   pending |= signal		   busy = 1; take all that is pending
 *   write(eventfd); inside--	   send to channels, cancel contexts; busy = 0
 *
 * The handler runs on any thread, perhaps in the middle of the scheduler: it
 * touches nothing else.  That the deliverer blocks in a plain poll() costs a
 * thread and nothing more, as for any goroutine.
 *
 * Invariants, under table.mu:
 *   - A signal's handler is ours exactly if it is "taken": somebody is notified
 *     of it.  What was there before is kept in table.old, and comes back.
 *     While a thread changes both it has its signals blocked.
 *   - A signal that is ignored by kgo_signal_ignore() has its old action kept
 *     as well.
 *   - To send does not wait, so the deliverer holds the mutex all the while.
 *
 * kgo_signal_stop() gives the signals back first, waits until nothing is on
 * its way, and removes the channel then.  A thread may be on its way into the
 * handler at that moment, which nobody can see; so the handler says that it is
 * there, looks whether the signal is still taken, and else sends it to its own
 * thread once more, for what is there by then: each signal comes to the channel
 * or to what was there before, and never to both or to neither.  Go's runtime
 * counts its handlers for the same reason.
 *
 * Rejected: signalfd().  It needs the signals blocked in every thread, also in
 * those that the library does not know.
 */
#include "user.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NR_SIGNALS	65

struct sub {
	struct kgo_list	link;
	struct kgo_chan	*c;		/* or NULL */
	struct kgo_ctx	*ctx;		/* a reference, or NULL */
	u64		mask;
	bool		stopping;	/* gets what is on its way */
};

static struct {
	struct kgo_mutex mu;
	struct kgo_list	subs;		/* mu */
	u64		ignored;	/* mu: by kgo_signal_ignore() */
	struct sigaction old[NR_SIGNALS]; /* mu: of those two */
	bool		started;	/* mu */
} table;

/* Shared with the handler. */
static u64 taken;		/* A: whose handler is ours; changed with table.mu */
static u64 pending;		/* A */
static u32 inside;		/* A: so many threads are in the handler */
static u32 busy;
static int event_fd = -1;

static u64 bit(int sig)
{
	return 1ULL << (sig - 1);
}

static bool is_refused(int sig)
{
	switch (sig) {
	case SIGSEGV:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
	case SIGTRAP:
	case SIGSYS:
	case SIGKILL:
	case SIGSTOP:
		return true;
	}
	/* Between the last ordinary one and SIGRTMIN are libc's own. */
	return sig < 1 || sig > SIGRTMAX || (sig >= 32 && sig < SIGRTMIN);
}

/* Return: 0 or -EINVAL. */
static int mask_of(const int *sigs, size_t n, u64 *mask)
{
	size_t i;
	int sig;

	*mask = 0;
	for (i = 0; i < n; i++) {
		if (is_refused(sigs[i]))
			return -EINVAL;
		*mask |= bit(sigs[i]);
	}
	for (sig = 1; !n && sig < NR_SIGNALS; sig++)
		if (!is_refused(sig))
			*mask |= bit(sig);
	return 0;
}

/* System calls, but not libc's: errno belongs to whom this interrupts. */
static void on_signal(int sig, siginfo_t *info, void *context)
{
	const u64 one = 1;
	u64 old;

	(void)context;
	/* Pairs with unsubscribe(), by way of is_quiet(). */
	port_add(&inside, 1);
	if (port_load(&taken) & bit(sig)) {
		do {
			old = port_load(&pending);
		} while (!port_cas(&pending, old, old | bit(sig)));
		arch_syscall(SYS_write, event_fd, (long)&one, sizeof(one), 0, 0,
			     0);
	} else {
		/* It is blocked as long as this runs. */
		arch_syscall(SYS_rt_tgsigqueueinfo,
			     arch_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0),
			     arch_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0), sig,
			     (long)info, 0, 0);
	}
	port_add(&inside, -1U);
}

static void deliver(u64 mask)
{
	struct kgo_list *l;
	struct sub *s;
	int sig;

	for (l = table.subs.next; l != &table.subs; l = l->next) {
		s = container_of(l, struct sub, link);
		for (sig = 1; sig < NR_SIGNALS; sig++) {
			if (!(s->mask & mask & bit(sig)))
				continue;
			if (s->c)
				kgo_chan_try_send(s->c, &sig);
			else
				kgo_ctx_cancel(s->ctx, 0);
		}
	}
}

static void deliverer(void *unused)
{
	struct pollfd pfd = { .fd = event_fd, .events = POLLIN };
	u64 n, mask;

	(void)unused;
	for (;;) {
		/*
		 * ThreadSanitizer holds handlers back until a call of libc's
		 * that it knows to block: poll() is one, read() is not in all
		 * of its versions.
		 */
		if (poll(&pfd, 1, -1) != 1 ||
		    read(event_fd, &n, sizeof(n)) != sizeof(n))
			continue;
		/* Pairs with is_quiet(). */
		port_xchg(&busy, 1);
		mask = port_xchg(&pending, 0);
		if (mask) {
			kgo_mutex_lock(&table.mu);
			deliver(mask);
			kgo_mutex_unlock(&table.mu);
		}
		port_store_release(&busy, 0);
	}
}

/* Nothing is on its way, in the order of that way: see deliverer(). */
static bool is_quiet(void)
{
	return !port_load_acquire(&inside) && !port_load_acquire(&pending) &&
	       !port_load_acquire(&busy);
}

static const struct kgo_site deliverer_site = {
	.start = (u64)"signal",
	.func = (u64)"kgo_signal_notify",
	.file = (u64)__FILE__,
	.line = __LINE__,
};

static int start_locked(void)
{
	int ret;

	if (table.started)
		return 0;
	if (event_fd < 0)
		event_fd = (int)arch_syscall(SYS_eventfd2, 0, EFD_CLOEXEC, 0, 0,
					     0, 0);
	if (event_fd < 0)
		return event_fd;
	kgo_list_init(&table.subs);
	ret = kgo_go_system(&deliverer_site, deliverer, NULL);
	table.started = !ret;
	return ret;
}

/* Have a handler; @keep what was there. */
static void set_action(int sig, bool ours, bool keep)
{
	/* A call that it interrupts goes on. */
	struct sigaction sa = {
		.sa_flags = SA_RESTART | SA_ONSTACK,
	};
	struct sigaction old;

	sigfillset(&sa.sa_mask);
	if (ours) {
		sa.sa_sigaction = on_signal;
		sa.sa_flags |= SA_SIGINFO;
	} else {
		sa.sa_handler = SIG_IGN;
	}
	sigaction(sig, &sa, &old);
	if (keep)
		table.old[sig] = old;
}

static void take(int sig)
{
	u64 b = bit(sig);

	port_xchg(&taken, taken | b);
	set_action(sig, true, !(table.ignored & b));
	table.ignored &= ~b;
}

static void give_back(int sig)
{
	u64 b = bit(sig);

	/* A full barrier: pairs with the one in on_signal(). */
	port_xchg(&taken, taken & ~b);
	if (table.ignored & b)
		set_action(sig, false, false);
	else
		sigaction(sig, &table.old[sig], NULL);
}

/* Have the handlers that the subscriptions ask for. */
static void update_locked(void)
{
	u64 wanted = 0, b;
	sigset_t all, before;
	struct kgo_list *l;
	struct sub *s;
	int sig;

	for (l = table.subs.next; l != &table.subs; l = l->next) {
		s = container_of(l, struct sub, link);
		if (!s->stopping)
			wanted |= s->mask;
	}
	if (wanted == taken)
		return;
	/* Between its two halves this thread would come back to on_signal(). */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (sig = 1; sig < NR_SIGNALS; sig++) {
		b = bit(sig);
		if ((wanted & b) && !(taken & b))
			take(sig);
		else if (!(wanted & b) && (taken & b))
			give_back(sig);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static struct sub *find_locked(const struct kgo_chan *c, const struct kgo_ctx *ctx)
{
	struct kgo_list *l;
	struct sub *s;

	for (l = table.subs.next; l != &table.subs; l = l->next) {
		s = container_of(l, struct sub, link);
		if (s->c == c && s->ctx == ctx && !s->stopping)
			return s;
	}
	return NULL;
}

static int subscribe(struct kgo_chan *c, struct kgo_ctx *ctx, const int *sigs,
		     size_t n)
{
	struct sub *s, *new;
	u64 mask;
	int ret;

	ret = mask_of(sigs, n, &mask);
	if (ret)
		return ret;
	new = port_alloc(sizeof(*new));
	if (!new)
		return -ENOMEM;
	kgo_mutex_lock(&table.mu);
	ret = start_locked();
	if (!ret) {
		s = find_locked(c, ctx);
		if (!s) {
			s = new;
			new = NULL;
			s->c = c;
			s->ctx = ctx;
			kgo_list_push_back(&table.subs, &s->link);
		}
		s->mask |= mask;
		update_locked();
	}
	kgo_mutex_unlock(&table.mu);
	port_free(new);
	return ret;
}

/* Return: was it subscribed? */
static bool unsubscribe(struct kgo_chan *c, struct kgo_ctx *ctx)
{
	struct sub *s = NULL;

	kgo_mutex_lock(&table.mu);
	if (table.started)
		s = find_locked(c, ctx);
	if (s) {
		s->stopping = true;
		update_locked();
	}
	kgo_mutex_unlock(&table.mu);
	if (!s)
		return false;
	while (!is_quiet())
		kgo_yield();
	kgo_mutex_lock(&table.mu);
	kgo_list_del(&s->link);
	kgo_mutex_unlock(&table.mu);
	port_free(s);
	return true;
}

int kgo_signal_notify(struct kgo_chan *c, const int *sigs, size_t n)
{
	if (!c || kgo_chan_elem_size(c) != sizeof(int))
		return -EINVAL;
	return subscribe(c, NULL, sigs, n);
}

void kgo_signal_stop(struct kgo_chan *c)
{
	if (c)
		unsubscribe(c, NULL);
}

/* Take @mask from all who are notified, and ignore it or not. */
static void undo(u64 mask, bool ignore)
{
	struct kgo_list *l;
	int sig;

	kgo_mutex_lock(&table.mu);
	if (!table.subs.next)
		kgo_list_init(&table.subs);
	for (l = table.subs.next; l != &table.subs; l = l->next)
		container_of(l, struct sub, link)->mask &= ~mask;
	if (ignore) {
		for (sig = 1; sig < NR_SIGNALS; sig++)
			if (mask & bit(sig))
				set_action(sig, false,
					   !((taken | table.ignored) & bit(sig)));
		table.ignored |= mask;
	} else {
		for (sig = 1; sig < NR_SIGNALS; sig++)
			if (mask & table.ignored & bit(sig))
				sigaction(sig, &table.old[sig], NULL);
		table.ignored &= ~mask;
	}
	update_locked();
	kgo_mutex_unlock(&table.mu);
}

int kgo_signal_reset(const int *sigs, size_t n)
{
	u64 mask;
	int ret = mask_of(sigs, n, &mask);

	if (!ret)
		undo(mask, false);
	return ret;
}

int kgo_signal_ignore(const int *sigs, size_t n)
{
	u64 mask;
	int ret = mask_of(sigs, n, &mask);

	if (!ret)
		undo(mask, true);
	return ret;
}

bool kgo_signal_ignored(int sig)
{
	struct sigaction sa;

	return !sigaction(sig, NULL, &sa) && sa.sa_handler == SIG_IGN;
}

struct kgo_ctx *kgo_signal_notify_context(struct kgo_ctx *parent,
					  const int *sigs, size_t n)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(parent);

	if (!ctx || !subscribe(NULL, kgo_ctx_get(ctx), sigs, n))
		return ctx;
	kgo_ctx_cancel(ctx, 0);
	kgo_ctx_put(ctx);
	kgo_ctx_put(ctx);
	return NULL;
}

void kgo_signal_stop_context(struct kgo_ctx *ctx)
{
	if (!ctx)
		return;
	if (unsubscribe(NULL, ctx))
		kgo_ctx_put(ctx);
	kgo_ctx_cancel(ctx, 0);
	kgo_ctx_put(ctx);
}
