// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Labels of goroutines.
 *
 * A set is immutable and counted: to start a goroutine costs a reference, to
 * change a label a new set.  It is kept in two forms, "k=v,k=v" for the tables,
 * which the kernel reads out of the program as one string, and "k\0v\0k\0v\0"
 * for those who ask.
 *
 * Invariants:
 *   - x->e.labels is the text of x->labels, 0 without one.  It and then
 *     x->e.changes are changed before the set that it was of is put: a reader
 *     that finds the same number of changes before and after has read a text
 *     that was there.  (The address alone does not do: a new set may come to
 *     lie where the last but one was.)
 *   - Sets form a stack by "outer".  kgo_do_labels() pushes, and pops by a
 *     deferred call, whatever way it is left; what is set in between replaces
 *     the top.
 */
#include "core.h"

struct kgo_labels {
	u32		refs;		/* A */
	u32		n;		/* C: pairs */
	struct kgo_labels *outer;	/* C: a reference, or NULL */
	const char	*pairs;		/* C */
	char		text[];		/* C: then the pairs */
};

static size_t length(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

static struct kgo_labels *get(struct kgo_labels *l)
{
	if (l)
		port_add(&l->refs, 1);
	return l;
}

/* Nothing recurses: a stack of sets may be deep. */
static void put(struct kgo_labels *l)
{
	struct kgo_labels *outer;

	while (l && !port_add(&l->refs, -1U)) {
		outer = l->outer;
		port_free(l);
		l = outer;
	}
}

/* The next pair behind @s, which is its key; its value through @value. */
static const char *pair_at(const char *s, const char **value)
{
	*value = s + length(s) + 1;
	return *value + length(*value) + 1;
}

static const char *find(const struct kgo_labels *l, const char *key)
{
	const char *s, *next, *value;
	u32 i;

	if (!l)
		return NULL;
	for (s = l->pairs, i = 0; i < l->n; i++, s = next) {
		next = pair_at(s, &value);
		if (same(s, key))
			return value;
	}
	return NULL;
}

/* Where a set is being written; without memory it is only measured. */
struct writer {
	char	*text, *pairs;
	size_t	text_len, pairs_len;
	u32	n;
};

static void append(char *to, size_t *len, const char *s, char end)
{
	size_t n = length(s);

	if (to) {
		memcpy(to + *len, s, n);
		to[*len + n] = end;
	}
	*len += n + 1;
}

static void write_pair(struct writer *w, const char *key, const char *value)
{
	append(w->text, &w->text_len, key, '=');
	append(w->text, &w->text_len, value, ',');
	append(w->pairs, &w->pairs_len, key, 0);
	append(w->pairs, &w->pairs_len, value, 0);
	w->n++;
}

/* The last of @pairs with this key, or NULL. */
static const struct kgo_label_pair *last_with(const struct kgo_label_pair *pairs,
					      size_t n, const char *key)
{
	while (n--)
		if (same(pairs[n].key, key))
			return &pairs[n];
	return NULL;
}

static void write_set(struct writer *w, const struct kgo_labels *old,
		      const struct kgo_label_pair *pairs, size_t n)
{
	const struct kgo_label_pair *new;
	const char *s, *next, *value;
	size_t i;

	if (old) {
		for (s = old->pairs, i = 0; i < old->n; i++, s = next) {
			next = pair_at(s, &value);
			new = last_with(pairs, n, s);
			if (new)
				value = new->value;
			if (value)
				write_pair(w, s, value);
		}
	}
	for (i = 0; i < n; i++)
		if (pairs[i].value && !find(old, pairs[i].key) &&
		    last_with(pairs, n, pairs[i].key) == &pairs[i])
			write_pair(w, pairs[i].key, pairs[i].value);
}

/* @old and @pairs.  Takes a reference to @outer.  NULL without memory. */
static struct kgo_labels *make(const struct kgo_labels *old,
			       const struct kgo_label_pair *pairs, size_t n,
			       struct kgo_labels *outer)
{
	struct writer w = { .n = 0 };
	struct kgo_labels *l;

	write_set(&w, old, pairs, n);
	l = port_alloc(sizeof(*l) + w.text_len + w.pairs_len + 1);
	if (!l)
		return NULL;
	w = (struct writer){ .text = l->text, .pairs = l->text + w.text_len + 1 };
	write_set(&w, old, pairs, n);
	/* The last comma. */
	l->text[w.text_len ? w.text_len - 1 : 0] = 0;
	l->refs = 1;
	l->n = w.n;
	l->outer = get(outer);
	l->pairs = w.pairs;
	return l;
}

/* The reference goes from the caller to @x, that of @x is put. */
static void replace(struct kgo_gx *x, struct kgo_labels *l)
{
	struct kgo_labels *old = x->labels;
	u64 text = l && l->n ? (u64)(unsigned long)l->text : 0;

	x->labels = l;
	/* Pairs with the two looks of who reads the text. */
	port_xchg(&x->e.labels, text);
	port_add(&x->e.changes, 1);
	put(old);
}

static struct kgo_g *labelled(void)
{
	struct kgo_m *m = port_self();

	if (likely(m && m->curg))
		return m->curg;
	port_throw("labels are set outside of a goroutine");
	return NULL;
}

static int change(const struct kgo_label_pair *pairs, size_t n, bool push)
{
	struct kgo_labels *l, *old;
	struct kgo_gx *x;
	struct kgo_g *g;
	size_t i;

	for (i = 0; i < n; i++)
		if (!pairs[i].key || !*pairs[i].key)
			return -EINVAL;
	g = labelled();
	x = g ? kgo_gx(g) : NULL;
	if (!x)
		return -ENOMEM;
	old = x->labels;
	if (!n && !push && (!old || !old->outer)) {
		replace(x, NULL);
		return 0;
	}
	l = make(n || push ? old : NULL, pairs, n,
		 push ? old : old ? old->outer : NULL);
	if (!l)
		return -ENOMEM;
	replace(x, l);
	return 0;
}

int kgo_set_labels(const struct kgo_label_pair *pairs, size_t n)
{
	return change(pairs, n, false);
}

/* Perhaps on another thread than the push, but in the same goroutine. */
static void pop(void *unused)
{
	struct kgo_gx *x = port_self()->curg->x;

	(void)unused;
	if (x->labels)
		replace(x, get(x->labels->outer));
}

int kgo_do_labels(const struct kgo_label_pair *pairs, size_t n,
		  void (*fn)(void *arg), void *arg)
{
	int ret;

	if (!fn)
		return -EINVAL;
	ret = change(pairs, n, true);
	if (ret)
		return ret;
	KGO_SCOPE {
		kgo_defer(pop, NULL);
		fn(arg);
	}
	return 0;
}

const char *kgo_label(const char *key)
{
	struct kgo_m *m = port_self();

	if (!key || !m || !m->curg || !m->curg->x)
		return NULL;
	return find(m->curg->x->labels, key);
}

/**
 * kgo_labels_inherit() - A new goroutine gets its parent's labels
 * @x: extension of the new one
 * @from: that of the calling goroutine
 *
 * CONTEXT: any.
 */
void kgo_labels_inherit(struct kgo_gx *x, struct kgo_gx *from)
{
	if (from->labels)
		replace(x, get(from->labels));
}

/**
 * kgo_labels_add() - A new goroutine gets labels of its own
 * @x: its extension
 * @pairs: added to what it has
 * @n: how many
 *
 * CONTEXT: may sleep, no lock held.  Return: 0, -EINVAL or -ENOMEM.
 */
int kgo_labels_add(struct kgo_gx *x, const struct kgo_label_pair *pairs, size_t n)
{
	struct kgo_labels *l;
	size_t i;

	for (i = 0; i < n; i++)
		if (!pairs[i].key || !*pairs[i].key)
			return -EINVAL;
	l = make(x->labels, pairs, n, NULL);
	if (!l)
		return -ENOMEM;
	replace(x, l);
	return 0;
}

/**
 * kgo_labels_end() - A goroutine ends: let go of its labels
 * @x: of the calling goroutine
 *
 * CONTEXT: may sleep, no lock held.
 */
void kgo_labels_end(struct kgo_gx *x)
{
	if (x->labels)
		replace(x, NULL);
}
