/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * A digital search tree: nodes found by the bits of a hash (Coffman and Eve
 * 1970, Knuth 6.3).
 *
 * A node stands anywhere on the way that its hash points from the root, a bit
 * for each step.  With a good hash that way is about log2(n) long without any
 * balancing, and it never passes more than 64 nodes with different hashes.
 * Nodes with the same hash stand behind each other on the same way, so the
 * caller's own comparison decides which one is meant.
 *
 * Whoever owns the nodes has the memory; no locking of its own.
 *
 * Rejected: a treap, as Go's semaphores have (rotations, and a random number
 * for each node, for a balance that the hash gives for nothing).
 */
#ifndef KGO_CORE_DST_H
#define KGO_CORE_DST_H

#include "port.h"

struct kgo_dst {
	struct kgo_dst	*child[2];
	u64		hash;
};

/*
 * One step on the way of a hash, from a node that is there.  @bits begins as
 * the hash, and the way as the address of the root; it ends where a NULL stands,
 * and there a new node belongs.
 */
static inline struct kgo_dst **kgo_dst_step(struct kgo_dst **link, u64 *bits)
{
	link = &(*link)->child[*bits >> 63];
	*bits <<= 1;
	return link;
}

/* At the end of the way of its hash. */
static inline void kgo_dst_insert(struct kgo_dst **link, struct kgo_dst *n)
{
	n->child[0] = NULL;
	n->child[1] = NULL;
	*link = n;
}

/* @n, with the same hash, takes the place of *link. */
static inline void kgo_dst_replace(struct kgo_dst **link, struct kgo_dst *n)
{
	n->child[0] = (*link)->child[0];
	n->child[1] = (*link)->child[1];
	*link = n;
}

/* A leaf below it takes its place: it is on the way of all that are below. */
static inline void kgo_dst_remove(struct kgo_dst **link)
{
	struct kgo_dst **at = link, *leaf;

	while ((*at)->child[0] || (*at)->child[1])
		at = &(*at)->child[!(*at)->child[0]];
	leaf = *at;
	*at = NULL;
	if (at != link)
		kgo_dst_replace(link, leaf);
}

#endif
