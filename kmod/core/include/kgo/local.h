/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Goroutine-local values, as POSIX has thread-specific ones.
 */
#ifndef KGO_LOCAL_H
#define KGO_LOCAL_H

/** define KGO_LOCAL_KEYS - Keys that exist at one time, at most */
#define KGO_LOCAL_KEYS	1024U

/** define KGO_LOCAL_ROUNDS - How often a goroutine's end looks for new values */
#define KGO_LOCAL_ROUNDS	4U

/**
 * kgo_local_key_create() - Make a key, under which every goroutine has NULL
 * @key: out: the key
 * @destructor: called at the end of a goroutine with its value, unless that is
 *	NULL; or NULL
 *
 * Destructors run in the goroutine that ends, which may park, in no certain
 * order, however it ends: by return, kgo_exit() or a panic.  The value is NULL
 * already then.  If they set values, those are destroyed as well, in
 * %KGO_LOCAL_ROUNDS rounds at most.  None runs when the process ends.
 *
 * CONTEXT: anywhere.  Return: 0; -EAGAIN if all keys are in use; -EINVAL
 * without @key.
 */
int kgo_local_key_create(unsigned int *key, void (*destructor)(void *value));

/**
 * kgo_local_key_delete() - Forget a key
 * @key: the key
 *
 * No destructor runs for the values that goroutines have: they are forgotten.
 * CONTEXT: anywhere.  Return: 0, or -EINVAL if there is no such key.
 */
int kgo_local_key_delete(unsigned int key);

/**
 * kgo_local_set() - Set the calling goroutine's value
 * @key: the key
 * @value: stays the caller's, or the destructor's; NULL needs no memory
 *
 * CONTEXT: a goroutine; may sleep, does not park.
 * Return: 0; -ENOMEM; -EINVAL if there is no such key; -ESRCH outside of a
 * goroutine.
 */
int kgo_local_set(unsigned int key, void *value);

/**
 * kgo_local_get() - The calling goroutine's value
 * @key: the key
 *
 * CONTEXT: anywhere.
 * Return: NULL if it has set none, if there is no such key, and outside of a
 * goroutine.
 */
void *kgo_local_get(unsigned int key);

#endif
