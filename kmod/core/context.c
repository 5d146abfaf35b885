// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Contexts.
 *
 * Those that can be cancelled are "sources".  A context's source is itself or
 * the nearest ancestor that is one; a source's "up" is that of its parent.
 * Sources that are connected that way are one tree, under one lock, that of
 * the topmost.  A cancel takes the whole subtree out of it with the lock held,
 * so that nobody sees half of it cancelled, and nothing recurses: how deep a
 * tree is does not matter to the stack.
 *
 * The lock is a mutex of goroutines: what is done under it (to close channels,
 * to stop timers) is not bounded.  Functions are started after it is dropped.
 *
 * Invariants:
 *   - A source that is in its up's list is not cancelled, nor is its up.
 *   - A context holds a reference to its parent as long as its memory is there.
 *   - refs counts references.  holds keeps the memory: one for all references,
 *     one for a timer that has not fired and a deadline() that has not ended,
 *     one for each kgo_ctx_after.
 *   - cause is written before err, err before the channel is closed.
 *
 * Rejected: a lock in each context, as Go's, taken from parent to child.  The
 * whole path down is held then while a leaf is cancelled, by recursion; and a
 * parent that comes upon a child which is just being put needs a reference
 * that may not be had any more.
 * Rejected: a reference for the timer.  A context with a far deadline whose last
 * user is gone would stay until then, and a lost cancel would not be seen.
 */
#include "client.h"
#include "context.h"

#define AGAIN_NS	1000000LL	/* no memory for a goroutine */

enum ctx_kind {
	CTX_BACKGROUND, CTX_CANCEL, CTX_DEADLINE, CTX_VALUE, CTX_WITHOUT_CANCEL,
};

static const char *const kind_names[] = {
	"background", "cancel", "deadline", "value", "without cancel",
};

struct source;

struct kgo_ctx {
	u32		kind;		/* C: enum ctx_kind */
	u32		refs;		/* A */
	u32		holds;		/* A */
	struct kgo_ctx	*parent;	/* C */
	struct source	*source;	/* C: or NULL */
	u64		deadline;	/* C: its own or an ancestor's; 0 for none */
	const struct kgo_site *site;	/* C: or NULL */
	const void	*key;		/* C */
	void		*value;		/* C */
	u64		id;		/* C */
	u64		created;	/* C */
	struct kgo_ctx_row row;
};

/*
 * T: the lock of its tree.
 */
struct source {
	struct kgo_ctx	ctx;
	struct source	*tree;		/* C: the topmost; itself, if it is that */
	struct source	*up;		/* C: or NULL */
	struct kgo_mutex lock;		/* of the topmost: T */
	struct kgo_list	link;		/* T: in up's children */
	struct kgo_list	children;	/* T */
	u32		nr_children;	/* T; read without for the table */
	struct kgo_list	afters;		/* T */
	int		err;		/* A: written once, under T */
	int		cause;		/* T: before err */
	struct kgo_chan	*done;		/* A: written once, under T */
	bool		timed;		/* C: has a timer of its own */
	struct kgo_timer timer;
};

struct kgo_ctx_after {
	struct kgo_list	link;		/* T: in afters; or in the list of who runs it */
	u32		refs;		/* A: the handle's, and that of who will run it */
	bool		fired;		/* T */
	struct source	*source;	/* C: a hold; or NULL */
	void		(*fn)(void *arg);	/* C */
	void		*arg;		/* C */
	const struct kgo_site *site;	/* C */
};

static struct kgo_ctx background = { .kind = CTX_BACKGROUND };
/* Of all that were cancelled before somebody asked for their channel. */
static struct kgo_chan *closed_chan;	/* A */
static u64 nr_lost;			/* A */

static bool is_source(const struct kgo_ctx *ctx)
{
	return ctx->kind == CTX_CANCEL || ctx->kind == CTX_DEADLINE;
}

static void lock_tree(struct source *s)
{
	kgo_mutex_lock_own(&s->tree->lock);
}

static void unlock_tree(struct source *s)
{
	kgo_mutex_unlock(&s->tree->lock);
}

/*
 * Memory
 */

static bool make_closed_chan(void)
{
	struct kgo_chan *c;

	if (port_load_acquire(&closed_chan))
		return true;
	c = kgo_chan_make(0, 0);
	if (!c)
		return false;
	kgo_chan_everywhere(c);
	kgo_chan_close(c);
	if (!port_cas(&closed_chan, NULL, c))
		kgo_chan_free(c);
	return true;
}

/**
 * kgo_ctx_init() - No contexts yet
 *
 * CONTEXT: once for a runtime, before any M.
 */
void kgo_ctx_init(void)
{
	closed_chan = NULL;
	nr_lost = 0;
	kgo_ctx_table_init();
}

/**
 * kgo_ctx_exit() - Free what all contexts share
 *
 * CONTEXT: as kgo_rt_destroy().
 */
void kgo_ctx_exit(void)
{
	kgo_chan_free(closed_chan);
	closed_chan = NULL;
}

static struct kgo_ctx *init(struct kgo_ctx *ctx, enum ctx_kind kind,
			    const struct kgo_site *site, struct kgo_ctx *parent)
{
	ctx->kind = kind;
	ctx->refs = 1;
	ctx->holds = 1;
	ctx->parent = parent;
	ctx->source = parent->source;
	ctx->deadline = parent->deadline;
	ctx->site = site;
	ctx->created = port_now_coarse();
	ctx->row.ctx = ctx;
	return ctx;
}

/* Everything is set: others may see it. */
static struct kgo_ctx *publish(struct kgo_ctx *ctx)
{
	kgo_ctx_get(ctx->parent);
	kgo_ctx_table_add(&ctx->row, &ctx->id);
	return ctx;
}

static bool has_parent(struct kgo_ctx *parent)
{
	if (likely(parent))
		return true;
	kgo_panic_rt("cannot create context from nil parent");
	return false;
}

/* The last one frees it.  Returns the parent, whose reference is the caller's then. */
static struct kgo_ctx *drop_hold(struct kgo_ctx *ctx)
{
	struct kgo_ctx *parent = ctx->parent;

	if (port_add(&ctx->holds, -1U))
		return NULL;
	kgo_ctx_table_del(&ctx->row, ctx->id);
	if (is_source(ctx))
		kgo_chan_free(ctx->source->done);
	port_free(ctx);
	return parent;
}

static void after_put(struct kgo_ctx_after *a)
{
	if (port_add(&a->refs, -1U))
		return;
	if (a->source)
		kgo_ctx_put(drop_hold(&a->source->ctx));
	port_free(a);
}

/*
 * Cancel
 */

/* One is cancelled now.  Its functions are put on @run. */
static void mark(struct source *s, int err, int cause, struct kgo_list *run)
{
	struct kgo_ctx_after *a;
	struct kgo_list *l;

	s->cause = cause;
	/* Pairs with kgo_ctx_cause(). */
	port_store_release(&s->err, err);
	if (s->done)
		kgo_chan_close(s->done);
	/* If it has fired, deadline() drops that hold. */
	if (s->timed && kgo_timer_stop(&s->timer))
		port_add(&s->ctx.holds, -1U);
	while ((l = kgo_list_pop_front(&s->afters))) {
		a = container_of(l, struct kgo_ctx_after, link);
		a->fired = true;
		kgo_list_push_back(run, l);
	}
}

static void detach(struct source *s)
{
	if (kgo_list_empty(&s->link))
		return;
	kgo_list_del(&s->link);
	port_store(&s->up->nr_children, s->up->nr_children - 1);
}

/*
 * Cancel @top and all below, with the tree locked.  Those whose last reference
 * is just being put wait for the lock, so that nobody on the way up is gone.
 */
static void cancel_tree(struct source *top, int err, int cause,
			struct kgo_list *run)
{
	struct source *s = top;

	detach(top);
	mark(s, err, cause, run);
	for (;;) {
		if (!kgo_list_empty(&s->children)) {
			s = container_of(s->children.next, struct source, link);
			detach(s);
			mark(s, err, cause, run);
		} else if (s != top) {
			s = s->up;
		} else {
			break;
		}
	}
}

static void wait_for_memory(void)
{
	struct kgo_g *g = kgo_self_g();

	if (!g || kgo_is_stackless(g))
		port_pause();
	else if (kgo_sleep(AGAIN_NS))
		kgo_yield();
}

/* What they start belongs to @cl, or if that is NULL to whom the caller does. */
static void run_all_for(struct kgo_list *run, struct kgo_client *cl)
{
	const struct kgo_birth birth = { .client = cl };
	struct kgo_ctx_after *a;
	struct kgo_list *l;
	int ret;

	while ((l = kgo_list_pop_front(run))) {
		a = container_of(l, struct kgo_ctx_after, link);
		for (;;) {
			ret = kgo_go_birth(a->site, a->fn, a->arg, &birth);
			/* Its code is on its way out. */
			if (!ret || ret == -ESHUTDOWN)
				break;
			wait_for_memory();
		}
		after_put(a);
	}
}

static void run_all(struct kgo_list *run)
{
	run_all_for(run, NULL);
}

/* Returns false if it was cancelled already. */
static bool cancel_for(struct source *s, int err, int cause,
		       struct kgo_client *cl)
{
	struct kgo_list run;
	bool first;

	kgo_list_init(&run);
	lock_tree(s);
	first = !s->err;
	if (first)
		cancel_tree(s, err, cause, &run);
	unlock_tree(s);
	run_all_for(&run, cl);
	return first;
}

static bool cancel(struct source *s, int err, int cause)
{
	return cancel_for(s, err, cause, NULL);
}

int kgo_ctx_cancel_for(struct kgo_ctx *ctx, int cause, struct kgo_client *cl)
{
	if (!is_source(ctx))
		return -EINVAL;
	/* An error number without its sign means the same. */
	if (cause > 0)
		cause = -cause;
	return cancel_for(ctx->source, -ECANCELED, cause ? cause : -ECANCELED,
			  cl);
}

int kgo_ctx_cancel(struct kgo_ctx *ctx, int cause)
{
	port_might_wait(__func__);
	return kgo_ctx_cancel_for(ctx, cause, NULL);
}

/* Runs in a goroutine of its own, that of the timer. */
static void deadline(void *arg)
{
	struct source *s = arg;

	cancel(s, -ETIMEDOUT, -ETIMEDOUT);
	kgo_ctx_put(drop_hold(&s->ctx));
}

/*
 * To make them
 */

static struct source *source_alloc(enum ctx_kind kind, const struct kgo_site *site,
				   struct kgo_ctx *parent)
{
	struct source *s;

	if (!has_parent(parent) || !make_closed_chan())
		return NULL;
	s = port_alloc(sizeof(*s));
	if (!s)
		return NULL;
	init(&s->ctx, kind, site, parent);
	s->ctx.source = s;
	s->up = parent->source;
	s->tree = s->up ? s->up->tree : s;
	kgo_list_init(&s->link);
	kgo_list_init(&s->children);
	kgo_list_init(&s->afters);
	return s;
}

/* Join the tree, or be cancelled with what is above. */
static struct kgo_ctx *attach(struct source *s)
{
	struct source *up = s->up;
	struct kgo_list run;

	if (!up)
		return &s->ctx;
	kgo_list_init(&run);
	lock_tree(s);
	/* Its own timer may have been faster. */
	if (!s->err) {
		if (up->err) {
			cancel_tree(s, up->err, up->cause, &run);
		} else {
			kgo_list_push_back(&up->children, &s->link);
			port_store(&up->nr_children, up->nr_children + 1);
		}
	}
	unlock_tree(s);
	return &s->ctx;
}

struct kgo_ctx *kgo_ctx_with_cancel_at(const struct kgo_site *site,
				       struct kgo_ctx *parent)
{
	struct source *s = source_alloc(CTX_CANCEL, site, parent);

	if (!s)
		return NULL;
	publish(&s->ctx);
	return attach(s);
}

/* Nanoseconds from now until @when, as far as they can be said. */
static long long until(u64 when, u64 now)
{
	return (long long)(when - now > ~0ULL >> 1 ? ~0ULL >> 1 : when - now);
}

struct kgo_ctx *kgo_ctx_with_deadline_at(const struct kgo_site *site,
					 struct kgo_ctx *parent,
					 unsigned long long when)
{
	struct source *s = source_alloc(CTX_DEADLINE, site, parent);
	u64 now;

	if (!s)
		return NULL;
	/* The parent's timer comes first, if that is so. */
	if (parent->deadline && parent->deadline <= when) {
		publish(&s->ctx);
		return attach(s);
	}
	s->ctx.deadline = when ? when : 1;
	now = kgo_now();
	s->timed = when > now;
	s->ctx.holds += s->timed;
	publish(&s->ctx);
	/* Before it joins, so that nobody stops the timer before it runs. */
	if (!s->timed) {
		s->cause = -ETIMEDOUT;
		port_store_release(&s->err, -ETIMEDOUT);
	} else if (kgo_after_func_at(site, &s->timer, until(when, now),
				     deadline, s)) {
		port_store_release(&s->err, -ECANCELED);
		s->ctx.holds--;
		kgo_ctx_put(&s->ctx);
		return NULL;
	}
	return attach(s);
}

struct kgo_ctx *kgo_ctx_with_timeout_at(const struct kgo_site *site,
					struct kgo_ctx *parent, long long ns)
{
	u64 now = kgo_now();

	return kgo_ctx_with_deadline_at(site, parent, ns > 0 ? now + (u64)ns : now);
}

static struct kgo_ctx *ctx_alloc(enum ctx_kind kind, const struct kgo_site *site,
				 struct kgo_ctx *parent)
{
	struct kgo_ctx *ctx;

	if (!has_parent(parent))
		return NULL;
	ctx = port_alloc(sizeof(*ctx));
	return ctx ? init(ctx, kind, site, parent) : NULL;
}

struct kgo_ctx *kgo_ctx_with_value_at(const struct kgo_site *site,
				      struct kgo_ctx *parent, const void *key,
				      void *value)
{
	struct kgo_ctx *ctx = ctx_alloc(CTX_VALUE, site, parent);

	if (!ctx)
		return NULL;
	ctx->key = key;
	ctx->value = value;
	return publish(ctx);
}

struct kgo_ctx *kgo_ctx_without_cancel_at(const struct kgo_site *site,
					  struct kgo_ctx *parent)
{
	struct kgo_ctx *ctx = ctx_alloc(CTX_WITHOUT_CANCEL, site, parent);

	if (!ctx)
		return NULL;
	ctx->source = NULL;
	ctx->deadline = 0;
	return publish(ctx);
}

struct kgo_ctx *kgo_ctx_background(void)
{
	return &background;
}

struct kgo_ctx *kgo_ctx_get(struct kgo_ctx *ctx)
{
	if (ctx != &background)
		port_add(&ctx->refs, 1);
	return ctx;
}

/* The last reference is gone. */
static void end(struct source *s)
{
	if (cancel(s, -ECANCELED, -ECANCELED))
		port_add(&nr_lost, 1);
}

void kgo_ctx_put(struct kgo_ctx *ctx)
{
	port_might_wait(__func__);
	/* Perhaps its parent as well, and so on. */
	while (ctx && ctx != &background && !port_add(&ctx->refs, -1U)) {
		if (is_source(ctx))
			end(ctx->source);
		ctx = drop_hold(ctx);
	}
}

/*
 * To ask them
 */

struct kgo_chan *kgo_ctx_done(struct kgo_ctx *ctx)
{
	struct source *s = ctx->source;
	struct kgo_list run;
	struct kgo_chan *c;

	port_might_wait(__func__);
	if (!s)
		return NULL;
	c = port_load_acquire(&s->done);
	if (likely(c))
		return c;

	kgo_list_init(&run);
	lock_tree(s);
	if (!s->done && !s->err) {
		/* Pairs with the load above: as it was made. */
		port_store_release(&s->done, kgo_chan_make(0, 0));
		if (!s->done)
			cancel_tree(s, -ECANCELED, -ENOMEM, &run);
	}
	c = s->done ? s->done : closed_chan;
	unlock_tree(s);
	run_all(&run);
	return c;
}

int kgo_ctx_err(struct kgo_ctx *ctx)
{
	return ctx->source ? port_load_acquire(&ctx->source->err) : 0;
}

int kgo_ctx_cause(struct kgo_ctx *ctx)
{
	/* Pairs with mark(): the cause is there then. */
	return kgo_ctx_err(ctx) ? ctx->source->cause : 0;
}

bool kgo_ctx_deadline(struct kgo_ctx *ctx, unsigned long long *when)
{
	if (ctx->deadline && when)
		*when = ctx->deadline;
	return ctx->deadline != 0;
}

void *kgo_ctx_value(struct kgo_ctx *ctx, const void *key)
{
	for (; ctx; ctx = ctx->parent)
		if (ctx->kind == CTX_VALUE && ctx->key == key)
			return ctx->value;
	return NULL;
}

unsigned long long kgo_ctx_lost(void)
{
	return port_load(&nr_lost);
}

/**
 * kgo_ctx_describe() - What the table says of a context
 * @ctx: in the table, whose lock is held: it stays
 * @info: out
 */
void kgo_ctx_describe(const struct kgo_ctx *ctx, struct kgo_ctx_info *info)
{
	const struct source *s = ctx->source;
	int err = s ? port_load_acquire(&s->err) : 0;

	info->id = ctx->id;
	info->kind = kind_names[ctx->kind];
	info->state = err == -ETIMEDOUT ? "deadline exceeded" :
		      err ? "canceled" : "active";
	info->cause = err ? s->cause : 0;
	info->children = is_source(ctx) ? port_load(&s->nr_children) : 0;
	info->refs = port_load(&ctx->refs);
	info->deadline = ctx->deadline;
	info->created = ctx->created;
	info->site = ctx->site;
}

/*
 * Functions that run when one is cancelled
 */

struct kgo_ctx_after *kgo_ctx_after_func_at(const struct kgo_site *site,
					    struct kgo_ctx *ctx,
					    void (*fn)(void *), void *arg)
{
	struct kgo_ctx_after *a = port_alloc(sizeof(*a));
	struct source *s = ctx->source;
	struct kgo_list run;

	port_might_wait(__func__);
	if (!a)
		return NULL;
	kgo_list_init(&a->link);
	a->source = s;
	a->fn = fn;
	a->arg = arg;
	a->site = site;
	if (!s) {
		/* It will never run. */
		a->refs = 1;
		return a;
	}
	a->refs = 2;
	port_add(&s->ctx.holds, 1);
	kgo_list_init(&run);
	lock_tree(s);
	a->fired = s->err != 0;
	kgo_list_push_back(a->fired ? &run : &s->afters, &a->link);
	unlock_tree(s);
	run_all(&run);
	return a;
}

bool kgo_ctx_after_stop(struct kgo_ctx_after *a)
{
	bool prevented = true;

	port_might_wait(__func__);
	if (a->source) {
		lock_tree(a->source);
		prevented = !a->fired;
		if (prevented)
			kgo_list_del(&a->link);
		unlock_tree(a->source);
		if (prevented)
			after_put(a);
	}
	after_put(a);
	return prevented;
}

void kgo_ctx_after_put(struct kgo_ctx_after *a)
{
	if (a)
		after_put(a);
}
