/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Deferred calls, and the blocks at whose end they run.
 *
 *	KGO_SCOPE {
 *		kgo_mutex_lock(&mu);
 *		kgo_defer(unlock, &mu);
 *		...
 *		if (bad)
 *			return -EINVAL;		the mutex is unlocked
 *	}
 *
 * C has no function frames that one could hook into, so the extent is a block.
 */
#ifndef KGO_DEFER_H
#define KGO_DEFER_H

#include "attr.h"

/*
 * Where a jump goes: what the processor's calling convention keeps over a
 * call.  ThreadSanitizer must see frames disappear, and knows only libc's jump.
 * A world without libc says KGO_JMP_OWN: compilers say the same for KCSAN.
 */
#if defined(KGO_JMP_OWN)
#elif defined(__SANITIZE_THREAD__)
#define KGO_JMP_LIBC	1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KGO_JMP_LIBC	1
#endif
#endif

#ifdef KGO_JMP_LIBC
#include <setjmp.h>

struct kgo_jmp {
	jmp_buf buf;
};

#define kgo_jmp_set(jmp)	_setjmp((jmp)->buf)
#else
#define KGO_JMP_SP	6

/**
 * struct kgo_jmp - A place to jump to
 * @reg: private: registers
 * @port: private: what the world keeps beside
 */
struct kgo_jmp {
	unsigned long long reg[8];	/* that of the stack pointer: KGO_JMP_SP */
	unsigned long long port;
};

/**
 * kgo_jmp_set() - Remember this place; for KGO_SCOPE only
 * @jmp: where to
 *
 * CONTEXT: any.
 * Return: 0; and 1 when somebody jumps here, as long as the caller's frame
 * exists.
 */
int kgo_jmp_set(struct kgo_jmp *jmp) KGO_ATTR(__returns_twice__);
#endif

/**
 * struct kgo_deferred - A deferred call
 * @fn: private
 * @arg: private
 */
struct kgo_deferred {
	void (*fn)(void *arg);
	void *arg;
};

/* So many deferred calls of a scope need no memory. */
#define KGO_SCOPE_CALLS	4

/**
 * struct kgo_frame - What a goroutine has to see to on its way out
 * @up: private: the next outer one
 * @kind: private
 * @n: private
 */
struct kgo_frame {
	struct kgo_frame *up;
	unsigned int kind;
	unsigned int n;
};

/**
 * struct kgo_scope - A block with deferred calls; made by KGO_SCOPE
 * @frame: private
 * @jmp: private: its end
 * @more: private: deferred calls beyond the first few
 * @call: private
 */
struct kgo_scope {
	struct kgo_frame frame;
	struct kgo_jmp jmp;
	struct kgo_defer_chunk *more;
	struct kgo_deferred call[KGO_SCOPE_CALLS];
};

/** kgo_scope_enter() - For KGO_SCOPE only.  CONTEXT: a goroutine.  Return: @s. */
struct kgo_scope *kgo_scope_enter(struct kgo_scope *s);

/** kgo_scope_leave() - For KGO_SCOPE only.  CONTEXT: a goroutine. */
void kgo_scope_leave(struct kgo_scope *s);

/**
 * define KGO_SCOPE - Head of a block whose deferred calls run when it is left
 *
 * By whatever way it is left: at its end, by return, break, continue, goto,
 * kgo_exit(), a panic, or in C++ an exception.  break and continue leave this
 * block, not a loop around it.  The last deferred call runs first.
 *
 * A panic that one of its deferred calls recovers ends here: the remaining
 * ones run, and the function goes on after the block, also if it was on its
 * way out by return.  As after setjmp(), automatic variables that the block
 * has changed must be volatile to have a known value then.
 *
 * Blocks can be nested, in a function and by calls.  Do not leave one by
 * longjmp().  In C++, objects of the frames that a panic or kgo_exit() leaves
 * are not destroyed: their clean-up belongs into deferred calls.
 *
 * CONTEXT: a goroutine.  Neither parks nor allocates.
 */
#define KGO_SCOPE		KGO_SCOPE_1(__COUNTER__)
#define KGO_SCOPE_1(n)		KGO_SCOPE_2(n)
#define KGO_SCOPE_2(n)							\
	for (struct kgo_scope kgo_scope_##n				\
		KGO_ATTR(__cleanup__(kgo_scope_leave)),			\
		*kgo_in_##n = kgo_scope_enter(&kgo_scope_##n);		\
	     kgo_in_##n && !kgo_jmp_set(&kgo_scope_##n.jmp);		\
	     kgo_in_##n = (struct kgo_scope *)0)

/**
 * kgo_defer() - Have a function called when the scope is left
 * @fn: the function; may park, defer, panic, recover and call kgo_exit()
 * @arg: passed to it; stays the caller's, and must be valid then
 *
 * The scope is the innermost KGO_SCOPE that the goroutine is in, which may be
 * one of a caller: a function can lock something for its caller's block.  In
 * none of them, it is called when the goroutine ends: by return, kgo_exit(),
 * or a panic, but not when the process ends meanwhile.  What a deferred call
 * defers, without a scope of its own, runs next in the same scope.
 *
 * Calls of one scope beyond the fourth, and the first one outside of a scope,
 * take memory.
 *
 * CONTEXT: a goroutine; kernel: may sleep.
 * Return: 0; -ENOMEM if there was no memory: @fn will not be called; -EINVAL
 * for no @fn.
 */
int kgo_defer(void (*fn)(void *arg), void *arg);

#endif
