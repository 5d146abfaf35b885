/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Waiting for goroutines to end: for tests that look at what is left.
 */
#ifndef KGO_QUIESCE_H
#define KGO_QUIESCE_H

/**
 * kgo_quiesce() - Wait until at most so many goroutines are left
 * @target: as kgo_num_goroutine() counts them, the caller included
 * @ns: how long to wait, 0 not at all, negative for ever
 *
 * Woken by goroutines that end, not by looking again and again.  Once it has
 * returned 0 nothing of an ended goroutine can be seen any more.
 *
 *	before = kgo_num_goroutine();
 *	... something that should leave no goroutine behind ...
 *	if (kgo_quiesce(before, 1000000000))
 *		it did
 *
 * CONTEXT: a goroutine; may park.
 * Return: 0; -ETIMEDOUT; -ENOMEM without memory for a timer.
 */
int kgo_quiesce(unsigned long long target, long long ns);

#endif
