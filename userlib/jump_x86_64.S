/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Jumping back to a frame of the same stack; see arch_x86_64.h and
 * <kgo/defer.h>.
 *
 * Not libc's setjmp(): that one mangles two registers, and in a kernel there is
 * none.  The struct kgo_jmp is that of kmod/jump_x86_64.S too.
 */

#define JMP_RBX	0
#define JMP_RBP	8
#define JMP_R12	16
#define JMP_R13	24
#define JMP_R14	32
#define JMP_R15	40
#define JMP_RSP	48
#define JMP_RIP	56

	.text

	.globl	kgo_jmp_set
	.type	kgo_jmp_set, @function
	.p2align 4
kgo_jmp_set:
	.cfi_startproc
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
	ret
	.cfi_endproc
	.size	kgo_jmp_set, . - kgo_jmp_set

	.globl	arch_jump
	.hidden	arch_jump
	.type	arch_jump, @function
	.p2align 4
arch_jump:
	.cfi_startproc
	/* From here on the frame is that of kgo_jmp_set()'s caller. */
	.cfi_def_cfa rdi, 0
	.cfi_offset rbx, JMP_RBX
	.cfi_offset rbp, JMP_RBP
	.cfi_offset r12, JMP_R12
	.cfi_offset r13, JMP_R13
	.cfi_offset r14, JMP_R14
	.cfi_offset r15, JMP_R15
	.cfi_offset rsp, JMP_RSP
	.cfi_offset rip, JMP_RIP
	movq	JMP_RBX(%rdi), %rbx
	movq	JMP_RBP(%rdi), %rbp
	movq	JMP_R12(%rdi), %r12
	movq	JMP_R13(%rdi), %r13
	movq	JMP_R14(%rdi), %r14
	movq	JMP_R15(%rdi), %r15
	movq	JMP_RSP(%rdi), %rsp
	movl	$1, %eax
	jmp	*JMP_RIP(%rdi)
	.cfi_endproc
	.size	arch_jump, . - arch_jump

	.section .note.GNU-stack, "", @progbits
