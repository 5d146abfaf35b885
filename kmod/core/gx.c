// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The extension of a goroutine: what only some have (struct kgo_gx).
 *
 * Made when it is first needed and kept with the descriptor, so that the plain
 * path of a start and an end is one look at a pointer.  Each concept has its
 * own file; this one only says in which order they inherit, and in which they
 * let go.
 *
 * Invariant: nothing in the extension of a dead goroutine refers to anything.
 */
#include "bubble.h"
#include "client.h"
#include "task.h"

/**
 * kgo_gx() - The extension of a goroutine, made if it has none
 * @g: the calling goroutine, or one that was not started yet
 *
 * CONTEXT: may sleep, no lock held.  Return: NULL without memory.
 */
struct kgo_gx *kgo_gx(struct kgo_g *g)
{
	/* Others look into it (groups); it is zeroed before it is seen. */
	if (!g->x)
		port_store_release(&g->x, port_alloc(sizeof(*g->x)));
	return g->x;
}

static void undescribe(struct kgo_gx *x)
{
	kgo_labels_end(x);
	port_free(x->affinity);
	x->affinity = NULL;
}

/* What the caller says of it.  undescribe() is called if that fails. */
static int describe(struct kgo_gx *x, const struct kgo_attr *attr)
{
	const struct kgo_label_pair name = { "name", attr->name };
	int ret = 0;

	if (attr->cpus)
		ret = port_affinity(attr->cpus, &x->affinity);
	if (!ret && attr->nr_labels)
		ret = kgo_labels_add(x, attr->labels, attr->nr_labels);
	if (!ret && attr->name)
		ret = kgo_labels_add(x, &name, 1);
	return ret;
}

/**
 * kgo_gx_inherit() - A new goroutine gets what its parent passes on
 * @g: not started yet
 * @from: extension of the calling goroutine, or NULL
 * @birth: what else it gets
 *
 * CONTEXT: with in_sched set; may sleep, no lock held; any that can take a lock
 * if @g has an extension already.
 * Return: 0; -ENOMEM; -ESHUTDOWN if its client has ended.
 */
int kgo_gx_inherit(struct kgo_g *g, struct kgo_gx *from,
		   const struct kgo_birth *birth)
{
	const struct kgo_task *task = birth->task;
	struct kgo_client *client = birth->client;
	struct kgo_gx *x;
	int ret;

	if (!client && from)
		client = from->client;
	if (!task && !client && !birth->attr && !from->group && !from->bubble &&
	    !from->labels)
		return 0;
	x = kgo_gx(g);
	if (!x)
		return -ENOMEM;
	if (from)
		kgo_labels_inherit(x, from);
	ret = birth->attr ? describe(x, birth->attr) : 0;
	if (!ret && client)
		ret = kgo_client_join(client, x);
	if (ret) {
		undescribe(x);
		return ret;
	}
	if (task)
		x->task = *task;
	if (from && from->group)
		kgo_group_join(from->group, g);
	if (from && from->bubble)
		kgo_bubble_join(from->bubble, g);
	return 0;
}

/**
 * kgo_gx_end() - A goroutine ends: let go of what its extension holds
 * @g: the calling goroutine
 *
 * Its task behind all that can be seen: whoever waits for it finds the goroutine
 * in nothing any more.  Its bubble, which counts it as running, behind that, and
 * its client, whose code may go then, last.
 * CONTEXT: outside of enter_sched; may park and sleep, no lock held.
 */
void kgo_gx_end(struct kgo_g *g)
{
	struct kgo_gx *x = g->x;

	kgo_locals_end(x);
	undescribe(x);
	kgo_group_quit(g);
	kgo_task_end(x);
	if (x->bubble)
		kgo_bubble_leave(g);
	kgo_client_quit(x);
}
