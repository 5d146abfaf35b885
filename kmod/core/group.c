// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Groups: a goroutine, and all that it starts, and all that those start.
 *
 * A test that runs beside others asks which goroutines are its own.  A group
 * can be made inside another: its goroutines belong to both.
 *
 * Invariants: under group_lock, refs is the number of goroutines whose own
 * group it is, of groups right inside it, and of those who made it and have
 * not let go.  Who looks at another goroutine's group holds the lock, since
 * that one may end meanwhile.  Goroutines without a group never take it.
 */
#include "core.h"

struct kgo_group {
	struct kgo_group *up;	/* C: the one around it, or NULL */
	u32		refs;	/* Q: group_lock */
};

static kgo_lock_t group_lock;

/* A lock is held by a goroutine with in_sched set only. */
static void lock_group(void)
{
	struct kgo_m *m = port_self();

	if (m && m->curg)
		kgo_enter_sched();
	port_lock(&group_lock);
}

static void unlock_group(void)
{
	struct kgo_m *m = port_self();

	port_unlock(&group_lock);
	if (m && m->curg)
		kgo_leave_sched();
}

/** kgo_group_init() - Once, before the first goroutine */
void kgo_group_init(void)
{
	port_lock_init(&group_lock);
}

/* Also those around it that nobody needs then. */
static void put(struct kgo_group *group)
{
	struct kgo_group *up;
	bool last;

	for (; group; group = up) {
		up = group->up;
		lock_group();
		last = !--group->refs;
		unlock_group();
		if (!last)
			return;
		port_free(group);
	}
}

/**
 * kgo_group_enter() - Put the calling goroutine into a new group
 *
 * Inside the one that it is in.  What it starts from now on belongs to both.
 * CONTEXT: a goroutine, outside of enter_sched; may sleep.
 * Return: the group, for kgo_group_leave(); NULL without memory.
 */
struct kgo_group *kgo_group_enter(void)
{
	struct kgo_gx *x = kgo_gx(port_self()->curg);
	struct kgo_group *group;

	if (!x)
		return NULL;
	group = port_alloc(sizeof(*group));
	if (!group)
		return NULL;
	lock_group();
	/* Takes over the goroutine's reference of the one around it. */
	group->up = x->group;
	group->refs = 2;
	x->group = group;
	unlock_group();
	return group;
}

/**
 * kgo_group_leave() - Take the calling goroutine out of its group again
 * @group: from kgo_group_enter(); the innermost that it is in
 *
 * Those who were started in it stay in it.  @group is gone for the caller.
 * CONTEXT: the goroutine that entered it; may sleep.
 * Return: 0, or -EINVAL if @group is not the one that it is in.
 */
int kgo_group_leave(struct kgo_group *group)
{
	struct kgo_gx *x = port_self()->curg->x;

	if (!x || !group || x->group != group)
		return -EINVAL;
	lock_group();
	x->group = group->up;
	if (group->up)
		group->up->refs++;
	unlock_group();
	put(group);
	put(group);
	return 0;
}

/**
 * kgo_group_has() - Does a goroutine belong to a group?
 * @group: held by the caller
 * @g: any goroutine
 *
 * CONTEXT: a goroutine outside of enter_sched, or a thread that runs none.
 */
bool kgo_group_has(const struct kgo_group *group, struct kgo_g *g)
{
	struct kgo_gx *x = port_load_acquire(&g->x);
	const struct kgo_group *at;

	if (!x)
		return false;
	lock_group();
	for (at = x->group; at && at != group; at = at->up)
		;
	unlock_group();
	return at;
}

/**
 * kgo_gx_inherit() - A new goroutine gets what its parent passes on
 * @g: not started yet
 * @from: extension of the calling goroutine
 *
 * CONTEXT: with in_sched set; may sleep, no lock held.  Return: 0 or -ENOMEM.
 */
int kgo_gx_inherit(struct kgo_g *g, struct kgo_gx *from)
{
	struct kgo_gx *x;

	if (!from->group && !from->labels)
		return 0;
	x = kgo_gx(g);
	if (!x)
		return -ENOMEM;
	kgo_labels_inherit(x, from);
	if (!from->group)
		return 0;
	port_lock(&group_lock);
	x->group = from->group;
	x->group->refs++;
	port_unlock(&group_lock);
	return 0;
}

/**
 * kgo_gx_end() - A goroutine ends: let go of what its extension holds
 * @x: of the calling goroutine
 *
 * CONTEXT: outside of enter_sched; may park and sleep, no lock held.
 */
void kgo_gx_end(struct kgo_gx *x)
{
	struct kgo_group *group;

	kgo_locals_end(x);
	kgo_labels_end(x);
	group = x->group;
	if (!group)
		return;
	lock_group();
	x->group = NULL;
	unlock_group();
	put(group);
}
