/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Panic and recover.
 */
#ifndef KGO_PANIC_H
#define KGO_PANIC_H

#include "attr.h"

/**
 * enum kgo_panic_kind - What a panic's value is
 * @KGO_PANIC_NONE: there is no panic
 * @KGO_PANIC_STRING: a string, of kgo_panic()
 * @KGO_PANIC_VALUE: whatever kgo_panic_value() was given
 * @KGO_PANIC_RUNTIME: a string that says what was done wrong: a send on a
 *	closed channel and the like
 */
enum kgo_panic_kind {
	KGO_PANIC_NONE		= 0,
	KGO_PANIC_STRING	= 1,
	KGO_PANIC_VALUE		= 2,
	KGO_PANIC_RUNTIME	= 3,
};

/**
 * kgo_panic() - Panic
 * @msg: the value, a string; a literal, or valid as long as anybody uses it
 *
 * Runs the deferred calls of all scopes that the goroutine is in, the
 * innermost first, on top of the stack as it is.  If one of them calls
 * kgo_recover() the goroutine goes on after that scope's block.  If none does,
 * a program prints "panic: ", the value and the goroutine's stack, and ends
 * with status 2; a kernel goroutine logs the same and ends.
 *
 * A panic inside a deferred call takes the place of the one that runs it.
 * NULL is no value: the panic is one of the runtime then, and says so.
 *
 * What is in a signal handler or holds a lock must not panic.
 *
 * CONTEXT: a goroutine.
 */
void KGO_NORETURN kgo_panic(const char *msg);

/**
 * kgo_panic_value() - Panic with any pointer
 * @value: the value; not NULL, see kgo_panic()
 *
 * What lies in a frame between here and the recovering scope is gone when that
 * scope's block has ended: the deferred call must copy what is to be kept.
 *
 * CONTEXT: as kgo_panic().
 */
void KGO_NORETURN kgo_panic_value(void *value);

/**
 * kgo_recover() - Stop a panic
 *
 * In a deferred call that a panic runs, and in what that calls: the panic ends
 * when the deferred call returns.  (Go asks for a direct call of recover by
 * the deferred function; C cannot tell.)  Everywhere else it does nothing: in
 * a deferred call that runs for another reason, also if some outer one was run
 * by a panic; while kgo_exit() ends the goroutine, which nothing stops; and a
 * second time for the same panic.
 *
 * CONTEXT: anywhere.
 * Return: the value, or NULL if there was nothing to recover.
 */
void *kgo_recover(void);

/**
 * kgo_recover_kind() - kgo_recover() that also says what the value is
 * @value: where the value goes, NULL if there is none; may be NULL itself
 *
 * CONTEXT: anywhere.  Return: enum kgo_panic_kind, %KGO_PANIC_NONE if there was
 * nothing to recover.
 */
enum kgo_panic_kind kgo_recover_kind(void **value);

#endif
