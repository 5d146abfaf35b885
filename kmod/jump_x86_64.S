/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Jumping back to a frame of the same kernel stack: all that the module knows
 * of x86-64.  The contracts are port_jump()'s in core/port.h, which is the only
 * caller, and kgo_jmp_set()'s in core/include/kgo/defer.h.
 *
 * The stack is the one that the thread is on, and the frame that is returned
 * to exists: for the unwinder, objtool and the canary it is one more return
 * from a call.  What is beside the stack is port_jump()'s business.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/ibt.h>
#include <asm/nospec-branch.h>

#define JMP_RBX	0
#define JMP_RBP	8
#define JMP_R12	16
#define JMP_R13	24
#define JMP_R14	32
#define JMP_R15	40
#define JMP_RSP	48
#define JMP_RIP	56

/* SYM_FUNC_START() of all kernels; from 7 on that one leaves the ENDBR out. */
SYM_START(kgo_jmp_set, SYM_L_GLOBAL, SYM_A_ALIGN)
	ENDBR
	movq	(%rsp), %rdx
	leaq	8(%rsp), %rcx		/* as it is after the return */
	movq	%rbx, JMP_RBX(%rdi)
	movq	%rbp, JMP_RBP(%rdi)
	movq	%r12, JMP_R12(%rdi)
	movq	%r13, JMP_R13(%rdi)
	movq	%r14, JMP_R14(%rdi)
	movq	%r15, JMP_R15(%rdi)
	movq	%rcx, JMP_RSP(%rdi)
	movq	%rdx, JMP_RIP(%rdi)
	xorl	%eax, %eax
	RET
SYM_FUNC_END(kgo_jmp_set)

/* void kgo_jmp_go(struct kgo_jmp *jmp) */
SYM_FUNC_START(kgo_jmp_go)
	movq	JMP_RBX(%rdi), %rbx
	movq	JMP_RBP(%rdi), %rbp
	movq	JMP_R12(%rdi), %r12
	movq	JMP_R13(%rdi), %r13
	movq	JMP_R14(%rdi), %r14
	movq	JMP_R15(%rdi), %r15
	movq	JMP_RSP(%rdi), %rsp
	pushq	JMP_RIP(%rdi)
	movl	$1, %eax
	RET
SYM_FUNC_END(kgo_jmp_go)
STACK_FRAME_NON_STANDARD kgo_jmp_go
