/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Stacks that one real thread switches between.
 */
#ifndef SIM_FIBER_H
#define SIM_FIBER_H

#include <stddef.h>

#define FIBER_STACK	(64UL << 10)

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN	1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN	1
#endif
#endif
#ifndef FIBER_ASAN
#define FIBER_ASAN	0
#endif

struct fiber {
	void	*sp;
	char	*stack;		/* lowest address; of the process's own: the sanitizer's idea */
	size_t	size;
	void	*fake;		/* AddressSanitizer's, while it is not running */
	void	(*fn)(void *arg);
	void	*arg;
};

/* Lay out @f so that the first switch to it calls @fn, which never returns. */
void fiber_init(struct fiber *f, char *stack, size_t size,
		void (*fn)(void *arg), void *arg);

/* From @from, which runs now, to @to.  Returns when somebody switches back. */
void fiber_switch(struct fiber *from, struct fiber *to);

/* Before frames of this stack are left without their returns. */
void fiber_jump(void);

#endif
