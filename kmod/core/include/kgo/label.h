/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Labels: what a goroutine works on, in words, for whoever reads the tables.
 *
 * Pairs of strings, as in Go's runtime/pprof.  A goroutine starts with those
 * of the one that started it, and changes only its own.
 */
#ifndef KGO_LABEL_H
#define KGO_LABEL_H

/**
 * struct kgo_label_pair - A label
 * @key: not empty
 * @value: NULL to remove it
 */
struct kgo_label_pair {
	const char *key;
	const char *value;
};

/**
 * kgo_set_labels() - Change labels of the calling goroutine
 * @pairs: what to set; copied.  Of two with one key the later counts
 * @n: how many; 0 removes all labels
 *
 * Labels with other keys stay.
 * CONTEXT: a goroutine; may sleep, does not park.
 * Return: 0; -ENOMEM; -EINVAL for a key that is NULL or empty.  The labels are
 * as before if it fails.
 */
int kgo_set_labels(const struct kgo_label_pair *pairs, size_t n);

/**
 * kgo_label() - Look a label of the calling goroutine up
 * @key: its key
 *
 * CONTEXT: anywhere.
 * Return: its value, valid until the goroutine changes its labels; NULL if it
 * has none with that key, and outside of a goroutine.
 */
const char *kgo_label(const char *key);

/**
 * kgo_do_labels() - Call a function with some labels set
 * @pairs: as for kgo_set_labels()
 * @n: how many
 * @fn: the function
 * @arg: passed to @fn
 *
 * The labels are as before when it is left, by return, a panic or kgo_exit(),
 * whatever @fn did to them.
 * CONTEXT: a goroutine; may sleep.
 * Return: 0; -ENOMEM or -EINVAL as kgo_set_labels(), and @fn was not called.
 */
int kgo_do_labels(const struct kgo_label_pair *pairs, size_t n,
		  void (*fn)(void *arg), void *arg);

#endif
