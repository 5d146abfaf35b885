// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Goroutine-local values.
 *
 * Keys are places in a table.  A place's sequence number is odd while the key
 * exists, and a value counts only as long as the number is the one that it was
 * set under: so to delete a key, and to make another one in its place, needs no
 * look at any goroutine.  The scheme is that of NPTL's thread-specific data.
 *
 * Values are in an array of each goroutine that has set some, which only that
 * goroutine touches.
 */
#include "core.h"

struct local_key {
	u32	seq;			/* A */
	void	(*destructor)(void *value);	/* A: written by who made the key */
};

struct kgo_local {
	u32	seq;
	void	*value;
};

static struct local_key keys[KGO_LOCAL_KEYS];

static bool exists(u32 seq)
{
	return seq & 1;
}

int kgo_local_key_create(unsigned int *key, void (*destructor)(void *value))
{
	u32 i, seq;

	if (!key)
		return -EINVAL;
	for (i = 0; i < KGO_LOCAL_KEYS; i++) {
		seq = port_load(&keys[i].seq);
		if (exists(seq) || !port_cas(&keys[i].seq, seq, seq + 1))
			continue;
		/* Nobody else knows the key yet. */
		port_store(&keys[i].destructor, destructor);
		*key = i;
		return 0;
	}
	return -EAGAIN;
}

int kgo_local_key_delete(unsigned int key)
{
	u32 seq;

	if (key >= KGO_LOCAL_KEYS)
		return -EINVAL;
	seq = port_load(&keys[key].seq);
	if (!exists(seq) || !port_cas(&keys[key].seq, seq, seq + 1))
		return -EINVAL;
	return 0;
}

static struct kgo_g *self_g(void)
{
	struct kgo_m *m = port_self();

	return m ? m->curg : NULL;
}

/* Room for @key.  Return: 0 or -ENOMEM. */
static int grow(struct kgo_gx *x, u32 key)
{
	struct kgo_local *more, *old = x->locals;
	u32 n = x->nr_locals ? x->nr_locals : 4;

	while (n <= key)
		n *= 2;
	more = port_alloc(n * sizeof(*more));
	if (!more)
		return -ENOMEM;
	if (x->nr_locals)
		memcpy(more, old, x->nr_locals * sizeof(*more));
	x->locals = more;
	x->nr_locals = n;
	port_free(old);
	return 0;
}

int kgo_local_set(unsigned int key, void *value)
{
	struct kgo_g *g = self_g();
	struct kgo_gx *x;
	u32 seq;
	int ret;

	if (!g)
		return -ESRCH;
	seq = key < KGO_LOCAL_KEYS ? port_load(&keys[key].seq) : 0;
	if (!exists(seq))
		return -EINVAL;
	if (!value && (!g->x || g->x->nr_locals <= key))
		return 0;
	x = kgo_gx(g);
	if (!x)
		return -ENOMEM;
	if (x->nr_locals <= key) {
		ret = grow(x, key);
		if (ret)
			return ret;
	}
	x->locals[key] = (struct kgo_local){ .seq = seq, .value = value };
	return 0;
}

void *kgo_local_get(unsigned int key)
{
	struct kgo_g *g = self_g();
	struct kgo_local *l;

	if (!g || !g->x || key >= g->x->nr_locals)
		return NULL;
	l = &g->x->locals[key];
	return l->seq == port_load(&keys[key].seq) ? l->value : NULL;
}

/* Destroy what is there now.  Return: was there anything? */
static bool destroy_all(struct kgo_gx *x)
{
	void (*destructor)(void *value);
	struct kgo_local l;
	bool any = false;
	u32 i;

	/* A destructor may set values, and the array may move. */
	for (i = 0; i < x->nr_locals; i++) {
		l = x->locals[i];
		x->locals[i].value = NULL;
		if (!l.value || l.seq != port_load(&keys[i].seq))
			continue;
		destructor = port_load(&keys[i].destructor);
		if (!destructor)
			continue;
		any = true;
		destructor(l.value);
	}
	return any;
}

/**
 * kgo_locals_end() - A goroutine ends: run destructors, forget all values
 * @x: of the calling goroutine
 *
 * A destructor that calls kgo_exit() comes here again: the rounds are counted
 * in @x.
 * CONTEXT: a goroutine, outside of enter_sched; may park.
 */
void kgo_locals_end(struct kgo_gx *x)
{
	struct kgo_local *l;

	while (x->local_rounds < KGO_LOCAL_ROUNDS) {
		x->local_rounds++;
		if (!destroy_all(x))
			break;
	}
	l = x->locals;
	x->locals = NULL;
	x->nr_locals = 0;
	x->local_rounds = 0;
	port_free(l);
}

/**
 * kgo_locals_destroy() - Forget all keys
 *
 * CONTEXT: the end of the runtime; no goroutine is left.
 */
void kgo_locals_destroy(void)
{
	memset(keys, 0, sizeof(keys));
}
