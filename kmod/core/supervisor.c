// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Supervisors.
 *
 *            start_child            ended, not to be restarted
 *   DUE ----------------> RUNNING ----------------------------> ENDED
 *    ^                     |   ^
 *    +---------------------+   | told to stop, and did not in time: it stays,
 *      ended, or stopped       | and the supervisor cannot run again before it
 *      with another one        | has ended
 *
 * A supervisor is one goroutine that owns all that is written here, but for two
 * things that others tell it: a child's "ended", and that it is to stop.  Both
 * are flags, and "wake" is a channel with room for one token that says: look.
 * So nothing that is told can be lost or be too much, and the order in which
 * children ended does not matter.
 *
 * That a child has ended is told by the destructor of a goroutine-local value:
 * whichever way its goroutine ends, that runs.  A panic of a child is a failure
 * of its own: it is recovered, and kept for who asks.
 *
 * Every child that runs holds a reference to the supervisor.
 *
 * Rejected: a message for each event.  A supervisor that has ended does not
 * receive any more, and a child that did not stop in time has still to tell.
 */
#include "core.h"

#define DEFAULT_BACKOFF_MAX	30000000000LL
#define DEFAULT_STOP		5000000000LL
#define MAX_RESTARTS		4096U

enum child_state { CHILD_ENDED, CHILD_DUE, CHILD_RUNNING };

struct panicked {
	enum kgo_panic_kind kind;
	void		*value;
};

struct child {
	struct kgo_sup	*sup;		/* C; a reference while it runs */
	struct kgo_sup_child spec;	/* C */
	u32		state;		/* enum child_state */
	u32		ended;		/* A: set once a start, by the child */
	int		result;		/* before ended */
	struct panicked	panic;		/* likewise: of this start */
	struct panicked	last_panic;	/* of this run */
	struct kgo_ctx	*ctx;		/* while it runs */
	u64		started;	/* when */
	u64		due;		/* when */
	u32		failures;	/* in a row */
	u64		starts;		/* A */
};

struct kgo_sup {
	struct kgo_sup_attr attr;	/* C */
	u32		refs;		/* A */
	u32		running;	/* A */
	u32		stop_asked;	/* A */
	long long	stop_ns;	/* before stop_asked */
	struct kgo_chan	*wake;		/* C */
	struct kgo_ctx	*ctx;		/* of this run */
	struct child	**child;
	u32		nr, room;
	u64		*restarts;	/* times, a ring of max_restarts */
	u64		nr_restarts;
	int		error;

	/* kgo_sup_start() */
	u32		was_started;	/* A */
	struct kgo_ctx	*start_ctx;
	struct kgo_chan	*over;		/* closed at the end */
	int		result;		/* before that */
};

/* The value of a goroutine that runs a child: struct child. */
static struct {
	u32		made;		/* A: 0, 1 is being made, 2 */
	unsigned int	key;
} local;

static void sup_put(struct kgo_sup *s)
{
	u32 i;

	if (port_add(&s->refs, -1U))
		return;
	for (i = 0; i < s->nr; i++) {
		/* Of one that did not stop in time, and has ended by now. */
		kgo_ctx_put(s->child[i]->ctx);
		port_free(s->child[i]);
	}
	port_free(s->child);
	port_free(s->restarts);
	kgo_chan_free(s->over);
	kgo_chan_free(s->wake);
	port_free(s);
}

void kgo_sup_put(struct kgo_sup *s)
{
	if (s)
		sup_put(s);
}

/*
 * A full channel is seen without its lock.  So what is told is written before
 * that is looked at, and the token is taken before it is looked for: the barrier
 * pairs with the one in wait().
 */
static void wake(struct kgo_sup *s)
{
	port_mb();
	kgo_chan_try_send(s->wake, NULL);
}

/* Until somebody wakes us, or some time has passed; may be too early. */
static void wait(struct kgo_sup *s, long long ns)
{
	if (ns < 0)
		kgo_chan_recv(s->wake, NULL);
	else if (ns && kgo_chan_recv_timeout(s->wake, NULL, ns) == -ENOMEM)
		kgo_yield();
	port_mb();	/* pairs with the one in wake() */
}

static void child_ended(void *arg)
{
	struct child *c = arg;
	struct kgo_sup *s = c->sup;

	port_store_release(&c->ended, 1);
	wake(s);
	sup_put(s);
}

static int make_key(void)
{
	int ret;

	if (likely(port_load_acquire(&local.made) == 2))
		return 0;
	while (!port_cas(&local.made, 0, 1)) {
		if (port_load_acquire(&local.made) == 2)
			return 0;
		kgo_yield();
	}
	ret = kgo_local_key_create(&local.key, child_ended);
	port_store_release(&local.made, ret ? 0 : 2);
	return ret;
}

static void recover_child(void *arg)
{
	struct child *c = arg;

	c->panic.kind = kgo_recover_kind(&c->panic.value);
}

static void child_body(void *arg)
{
	struct child *c = arg;

	if (kgo_local_set(local.key, c)) {
		c->result = -ENOMEM;
		child_ended(c);
		return;
	}
	c->result = -ECHILD;		/* if it does not return */
	KGO_SCOPE {
		kgo_defer(recover_child, c);
		c->result = c->spec.start(c->ctx, c->spec.arg);
	}
}

static const struct kgo_site child_site = {
	.start = (u64)(unsigned long)"child",
	.func = (u64)(unsigned long)"kgo_sup_run",
	.file = (u64)(unsigned long)__FILE__,
	.line = __LINE__,
};

static void start_child(struct kgo_sup *s, struct child *c)
{
	int ret = -ENOMEM;

	c->state = CHILD_RUNNING;
	c->result = 0;
	c->panic.kind = KGO_PANIC_NONE;
	c->started = port_now();
	port_store(&c->ended, 0);
	port_store(&c->starts, c->starts + 1);
	c->ctx = kgo_ctx_with_cancel(s->ctx);
	if (c->ctx) {
		port_add(&s->refs, 1);
		ret = kgo_go_at(&child_site, child_body, c, NULL);
		if (!ret)
			return;
		port_add(&s->refs, -1U);
	}
	/* As if it had run and failed. */
	c->result = ret;
	port_store_release(&c->ended, 1);
	wake(s);
}

static bool has_ended(struct child *c)
{
	return c->state == CHILD_RUNNING && port_load_acquire(&c->ended);
}

/* Forget the run of a child that has ended. */
static void collect(struct child *c)
{
	c->state = CHILD_ENDED;
	if (c->panic.kind != KGO_PANIC_NONE)
		c->last_panic = c->panic;
	if (c->ctx) {
		kgo_ctx_cancel(c->ctx, 0);
		kgo_ctx_put(c->ctx);
	}
	c->ctx = NULL;
}

/* Return: did it stop in time? */
static bool stop_child(struct kgo_sup *s, struct child *c, long long ns)
{
	u64 now = port_now(), deadline = now + (u64)ns;

	if (c->ctx)
		kgo_ctx_cancel(c->ctx, 0);
	while (!has_ended(c)) {
		if (now >= deadline)
			return false;
		wait(s, (long long)(deadline - now));
		now = port_now();
	}
	collect(c);
	return true;
}

/* Children that end because @ctx was cancelled find it said here already. */
static bool is_to_stop(struct kgo_sup *s)
{
	return port_load_acquire(&s->stop_asked) || kgo_ctx_err(s->ctx);
}

/* Is one more restart within the budget? */
static bool can_restart(struct kgo_sup *s, u64 now)
{
	u32 max = s->attr.max_restarts;
	u64 oldest;

	if (!max)
		return false;
	if (s->nr_restarts >= max) {
		oldest = s->restarts[s->nr_restarts % max];
		if (!s->attr.period_ns ||
		    now - oldest <= (u64)s->attr.period_ns)
			return false;
	}
	s->restarts[s->nr_restarts++ % max] = now;
	return true;
}

/* How long to wait before the restart: exponential, half of it by chance. */
static u64 backoff(struct kgo_sup *s, struct child *c, u64 now)
{
	u64 most = (u64)s->attr.backoff_max_ns;
	u64 ns = (u64)s->attr.backoff_ns;
	u32 i;

	if (s->attr.period_ns && now - c->started > (u64)s->attr.period_ns)
		c->failures = 0;
	for (i = 0; i < c->failures && ns < most; i++)
		ns *= 2;
	c->failures++;
	if (ns > most)
		ns = most;
	return ns - (ns / 2 * (kgo_rand(port_self()) >> 16) >> 16);
}

/* Stop those that are to be started together with @c. */
static void stop_with(struct kgo_sup *s, u32 id, u64 due)
{
	u32 first = s->attr.strategy == KGO_SUP_ONE_FOR_ALL ? 0 : id + 1;
	struct child *c;
	u32 i;

	if (s->attr.strategy == KGO_SUP_ONE_FOR_ONE)
		return;
	for (i = s->nr; i-- > first;) {
		c = s->child[i];
		if (i == id)
			continue;
		if (c->state == CHILD_RUNNING) {
			if (!stop_child(s, c, s->attr.stop_ns)) {
				s->error = -ETIMEDOUT;
				return;
			}
			if (c->spec.restart != KGO_SUP_TEMPORARY)
				c->state = CHILD_DUE;
		}
		if (c->state == CHILD_DUE)
			c->due = due;
	}
}

static void see_to(struct kgo_sup *s, u32 id)
{
	struct child *c = s->child[id];
	u64 now = port_now();

	collect(c);
	if (c->spec.restart == KGO_SUP_TEMPORARY ||
	    (c->spec.restart == KGO_SUP_TRANSIENT && !c->result))
		return;
	if (!can_restart(s, now)) {
		s->error = c->result < 0 ? c->result : -ECHILD;
		return;
	}
	c->state = CHILD_DUE;
	c->due = now + backoff(s, c, now);
	stop_with(s, id, c->due);
}

/* Look at all children.  Return: how long there is nothing to do; < 0: for ever. */
static long long look(struct kgo_sup *s, bool *alive)
{
	u64 now, next = 0;
	bool again;
	u32 i;

	*alive = false;
	do {
		again = false;
		for (i = 0; i < s->nr && !s->error; i++) {
			if (!has_ended(s->child[i]))
				continue;
			/* In this order: it may have ended because of that. */
			if (is_to_stop(s))
				return 0;
			see_to(s, i);
			/* That may have waited, and taken another one's wake-up. */
			again = true;
		}
	} while (again);
	if (s->error || is_to_stop(s))
		return 0;
	now = port_now();
	for (i = 0; i < s->nr; i++) {
		struct child *c = s->child[i];

		if (c->state == CHILD_DUE && c->due <= now)
			start_child(s, c);
		if (c->state != CHILD_ENDED)
			*alive = true;
		if (c->state == CHILD_DUE && (!next || c->due < next))
			next = c->due;
	}
	if (!next)
		return -1;
	now = port_now();
	return next > now ? (long long)(next - now) : 0;
}

/*
 * All of them, the last first, each with an equal part of the time that is
 * left, so that one that does not stop leaves time for the others.
 * Return: did all stop?
 */
static bool stop_all(struct kgo_sup *s, long long ns)
{
	u64 now = port_now(), deadline = now + (u64)ns;
	bool all = true;
	u32 i;

	for (i = s->nr; i--;) {
		struct child *c = s->child[i];

		now = port_now();
		if (c->state == CHILD_DUE)
			c->state = CHILD_ENDED;
		else if (c->state == CHILD_RUNNING)
			all &= stop_child(s, c, now >= deadline ? 0 :
					  (long long)((deadline - now) / (i + 1)));
	}
	return all;
}

static int supervise(struct kgo_sup *s)
{
	long long ns;
	bool alive;

	do {
		ns = look(s, &alive);
		if (!alive)
			break;
		wait(s, ns);
	} while (!s->error);
	ns = port_load_acquire(&s->stop_asked) ? s->stop_ns : s->attr.stop_ns;
	if (!stop_all(s, ns) && !s->error)
		s->error = -ETIMEDOUT;
	return s->error;
}

/* Has a reference. */
static void ctx_stops(void *arg)
{
	struct kgo_sup *s = arg;

	wake(s);
	sup_put(s);
}

/* Nothing of the last run is left, or -EBUSY. */
static int prepare(struct kgo_sup *s)
{
	struct child *c;
	u32 i;

	for (i = 0; i < s->nr; i++) {
		c = s->child[i];
		if (c->state == CHILD_RUNNING && !has_ended(c))
			return -EBUSY;
	}
	for (i = 0; i < s->nr; i++) {
		c = s->child[i];
		if (c->state == CHILD_RUNNING)
			collect(c);
		c->state = CHILD_DUE;
		c->due = 0;
		c->failures = 0;
		c->last_panic = (struct panicked){ .kind = KGO_PANIC_NONE };
	}
	s->error = 0;
	s->nr_restarts = 0;
	return make_key();
}

int kgo_sup_run(struct kgo_ctx *ctx, void *sup)
{
	struct kgo_ctx_after *after;
	struct kgo_sup *s = sup;
	int ret;

	if (!port_cas(&s->running, 0, 1))
		return -EBUSY;
	ret = prepare(s);
	if (ret)
		goto idle;
	s->ctx = ctx;
	port_add(&s->refs, 1);
	after = kgo_ctx_after_func(ctx, ctx_stops, s);
	ret = after ? supervise(s) : -ENOMEM;
	if (!after || kgo_ctx_after_stop(after))
		port_add(&s->refs, -1U);	/* the caller has one */
idle:
	port_store_release(&s->running, 0);
	return ret;
}

struct kgo_sup *kgo_sup_new(const struct kgo_sup_attr *attr)
{
	static const struct kgo_sup_attr standard = {
		.max_restarts = 3,
		.period_ns = 5000000000LL,
		.backoff_ns = 10000000LL,
		.backoff_max_ns = 1000000000LL,
	};
	struct kgo_sup *s;

	if (!attr)
		attr = &standard;
	if (attr->strategy > KGO_SUP_REST_FOR_ONE ||
	    attr->max_restarts > MAX_RESTARTS || attr->period_ns < 0 ||
	    attr->backoff_ns < 0 || attr->backoff_max_ns < 0 ||
	    attr->stop_ns < 0 || attr->reserved)
		return NULL;
	s = port_alloc(sizeof(*s));
	if (!s)
		return NULL;
	s->refs = 1;
	s->attr = *attr;
	if (!s->attr.backoff_max_ns)
		s->attr.backoff_max_ns = DEFAULT_BACKOFF_MAX;
	if (!s->attr.stop_ns)
		s->attr.stop_ns = DEFAULT_STOP;
	s->wake = kgo_chan_make(0, 1);
	s->over = kgo_chan_make(0, 0);
	if (attr->max_restarts)
		s->restarts = port_alloc(attr->max_restarts * sizeof(u64));
	if (s->wake && s->over && (s->restarts || !attr->max_restarts))
		return s;
	sup_put(s);
	return NULL;
}

int kgo_sup_add(struct kgo_sup *s, const struct kgo_sup_child *child)
{
	struct child **more, *c;
	u32 room;

	port_might_park(__func__);
	if (!child || !child->start || child->restart > KGO_SUP_TEMPORARY ||
	    child->reserved)
		return -EINVAL;
	if (port_load(&s->running) || port_load(&s->was_started))
		return -EBUSY;
	if (s->nr == s->room) {
		room = s->room ? s->room * 2 : 4;
		more = port_alloc(room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		if (s->nr)
			memcpy(more, s->child, s->nr * sizeof(*more));
		port_free(s->child);
		s->child = more;
		s->room = room;
	}
	c = port_alloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->sup = s;
	c->spec = *child;
	s->child[s->nr] = c;
	return (int)s->nr++;
}

static void runner(void *arg)
{
	struct kgo_sup *s = arg;
	struct kgo_ctx *ctx = s->start_ctx;

	s->result = kgo_sup_run(ctx, s);
	kgo_ctx_put(ctx);
	kgo_chan_close(s->over);
	sup_put(s);
}

static const struct kgo_site runner_site = {
	.start = (u64)(unsigned long)"supervisor",
	.func = (u64)(unsigned long)"kgo_sup_start",
	.file = (u64)(unsigned long)__FILE__,
	.line = __LINE__,
};

int kgo_sup_start(struct kgo_sup *s, struct kgo_ctx *ctx)
{
	int ret;

	if (!port_cas(&s->was_started, 0, 1))
		return -EALREADY;
	port_add(&s->refs, 1);
	s->start_ctx = kgo_ctx_get(ctx);
	ret = kgo_go_at(&runner_site, runner, s, NULL);
	if (ret) {
		kgo_ctx_put(ctx);
		port_add(&s->refs, -1U);
		port_store_release(&s->was_started, 0);
	}
	return ret;
}

int kgo_sup_wait(struct kgo_sup *s)
{
	port_might_park(__func__);
	if (!port_load(&s->was_started))
		return -ESRCH;
	kgo_chan_recv(s->over, NULL);
	return s->result;
}

int kgo_sup_stop(struct kgo_sup *s, long long ns, int *ids, size_t *n)
{
	size_t room = n ? *n : 0, stuck = 0;
	int ret;
	u32 i;

	port_might_park(__func__);
	if (n)
		*n = 0;
	if (!port_load(&s->was_started))
		return -ESRCH;
	s->stop_ns = ns > 0 ? ns : 0;
	port_store_release(&s->stop_asked, 1);
	wake(s);
	ret = kgo_sup_wait(s);
	for (i = 0; i < s->nr; i++) {
		if (s->child[i]->state != CHILD_RUNNING)
			continue;
		if (ids && stuck < room)
			ids[stuck] = (int)i;
		stuck++;
	}
	if (n)
		*n = stuck;
	return ret;
}

unsigned long long kgo_sup_starts(struct kgo_sup *s, int id)
{
	return id < 0 || (u32)id >= s->nr ? 0 : port_load(&s->child[id]->starts);
}

enum kgo_panic_kind kgo_sup_panic(struct kgo_sup *s, int id, void **value)
{
	struct panicked p = { .kind = KGO_PANIC_NONE };

	if (id >= 0 && (u32)id < s->nr)
		p = s->child[id]->last_panic;
	if (value)
		*value = p.value;
	return p.kind;
}

/**
 * kgo_sup_destroy() - Forget the key, which is gone
 *
 * CONTEXT: the end of the runtime, after kgo_locals_destroy().
 */
void kgo_sup_destroy(void)
{
	port_store(&local.made, 0);
}
