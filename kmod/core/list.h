/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A doubly linked list with a head, for queues that are left from the middle.
 *
 * A node that is on no list points to itself.  No locking of its own.
 */
#ifndef KGO_CORE_LIST_H
#define KGO_CORE_LIST_H

struct kgo_list {
	struct kgo_list *next;
	struct kgo_list *prev;
};

static inline void kgo_list_init(struct kgo_list *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool kgo_list_empty(const struct kgo_list *l)
{
	return l->next == l;
}

static inline void kgo_list_insert(struct kgo_list *n, struct kgo_list *prev)
{
	n->next = prev->next;
	n->prev = prev;
	prev->next->prev = n;
	prev->next = n;
}

static inline void kgo_list_push_front(struct kgo_list *head, struct kgo_list *n)
{
	kgo_list_insert(n, head);
}

static inline void kgo_list_push_back(struct kgo_list *head, struct kgo_list *n)
{
	kgo_list_insert(n, head->prev);
}

static inline void kgo_list_del(struct kgo_list *n)
{
	n->next->prev = n->prev;
	n->prev->next = n->next;
	kgo_list_init(n);
}

static inline struct kgo_list *kgo_list_pop_front(struct kgo_list *head)
{
	struct kgo_list *n = head->next;

	if (n == head)
		return NULL;
	kgo_list_del(n);
	return n;
}

#endif
