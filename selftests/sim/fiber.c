// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Switching stacks, a dozen instructions.
 *
 * Not the library's switch_x86_64.S: that one keeps floating point control
 * words per goroutine, which costs more than all the rest of a step here.
 */
#include "fiber.h"

#include <stdint.h>
#include <stdlib.h>

#if FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

/* void sim_swap(void **save, void *to): keeps what the psABI says. */
__asm__(".text\n"
	".globl sim_swap\n"
	".type sim_swap, @function\n"
	"sim_swap:\n\t"
	"pushq %rbp\n\tpushq %rbx\n\tpushq %r12\n\t"
	"pushq %r13\n\tpushq %r14\n\tpushq %r15\n\t"
	"movq %rsp, (%rdi)\n\t"
	"movq %rsi, %rsp\n\t"
	"popq %r15\n\tpopq %r14\n\tpopq %r13\n\t"
	"popq %r12\n\tpopq %rbx\n\tpopq %rbp\n\t"
	"ret\n"
	".size sim_swap, .-sim_swap\n"
	".globl sim_first\n"
	".type sim_first, @function\n"
	"sim_first:\n\t"
	"movq %r12, %rdi\n\t"
	"call *%rbx\n\t"
	"ud2\n"
	".size sim_first, .-sim_first\n");

void sim_swap(void **save, void *to);
void sim_first(void);

static struct fiber *from_;	/* who switched last */

static void arrived(struct fiber *self)
{
#if FIBER_ASAN
	const void *bottom;
	size_t size;

	__sanitizer_finish_switch_fiber(self->fake, &bottom, &size);
	if (!from_->stack) {
		from_->stack = (char *)(uintptr_t)bottom;
		from_->size = size;
	}
#else
	(void)self;
#endif
}

static void first(struct fiber *self)
{
	arrived(self);
	self->fn(self->arg);
	abort();
}

void fiber_init(struct fiber *f, char *stack, size_t size,
		void (*fn)(void *arg), void *arg)
{
	void **top = (void **)(stack + size);

#if FIBER_ASAN
	/* What ran here before was left in the middle of a frame. */
	__asan_unpoison_memory_region(stack, size);
#endif
	f->stack = stack;
	f->size = size;
	f->fake = NULL;
	f->fn = fn;
	f->arg = arg;
	*--top = NULL;			/* two words: the stack is aligned at the call */
	*--top = NULL;
	*--top = (void *)sim_first;	/* where sim_swap() returns to */
	*--top = NULL;			/* rbp */
	*--top = (void *)first;		/* rbx */
	*--top = f;			/* r12 */
	*--top = NULL;
	*--top = NULL;
	*--top = NULL;
	f->sp = top;
}

void fiber_jump(void)
{
#if FIBER_ASAN
	__asan_handle_no_return();
#endif
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
	from_ = from;
#if FIBER_ASAN
	__sanitizer_start_switch_fiber(&from->fake, to->stack, to->size);
#endif
	sim_swap(&from->sp, to->sp);
	arrived(from);
}
