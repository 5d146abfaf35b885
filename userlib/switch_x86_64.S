/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Switching stacks; see arch_x86_64.h for the contracts and the frame.
 *
 * The unwind information holds on both stacks, since both have the same frame
 * at the moment of the switch.  It ends at arch_entry, whose caller is
 * declared undefined: backtraces of a debugger stop there cleanly.
 *
 * The last step is a ret: all goroutines leave their stacks through the same
 * few calls, so that what the processor's return stack predicts for the one
 * that left is mostly right for the one that comes.  Rejected: an indirect
 * jump.  It leaves that stack one entry off, and every return up to the
 * goroutine's body is mispredicted (a yield costs a third more).
 */

#include "arch_x86_64.h"

#define FRAME_MXCSR	0
#define FRAME_FPUCW	4

	.text

	.globl	arch_switch
	.hidden	arch_switch
	.type	arch_switch, @function
	.p2align 4
arch_switch:
	.cfi_startproc
	/* First, since they take longest: into the frame, below the stack yet. */
	stmxcsr	FRAME_MXCSR - 56(%rsp)
	fnstcw	FRAME_FPUCW - 56(%rsp)
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	movl	FRAME_MXCSR(%rsp), %eax
	movzwl	FRAME_FPUCW(%rsp), %ecx

	movq	%rsp, (%rdi)
	testb	$ARCH_FRESH, %sil
	jnz	.Lfresh
	movq	%rsi, %rsp

	/* To load them is slow, and they hardly ever differ. */
	cmpl	%eax, FRAME_MXCSR(%rsp)
	jne	.Lload_mxcsr
.Lmxcsr_done:
	cmpw	%cx, FRAME_FPUCW(%rsp)
	jne	.Lload_fpucw
.Lfpucw_done:
	.cfi_remember_state
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbp
	ret

	.cfi_restore_state
.Lload_mxcsr:
	ldmxcsr	FRAME_MXCSR(%rsp)
	jmp	.Lmxcsr_done
.Lload_fpucw:
	fldcw	FRAME_FPUCW(%rsp)
	jmp	.Lfpucw_done

	/* One that never ran: nothing has been written to its stack. */
.Lfresh:
	leaq	ARCH_ROOM - ARCH_FRESH - 16(%rsi), %rsp
	andq	$-16, %rsp	/* without ARCH_COLD */
	.cfi_undefined rip
	.cfi_undefined rbp
	movq	$0, (%rsp)	/* a debugger finds 0 */
	movq	$0, 8(%rsp)
	cmpl	$ARCH_MXCSR, %eax
	jne	.Lfresh_mxcsr
.Lfresh_mxcsr_done:
	cmpw	$ARCH_FPUCW, %cx
	jne	.Lfresh_fpucw
.Lfresh_fpucw_done:
	movq	%rdx, %r12
	xorl	%ebp, %ebp	/* ends the chain of frame pointers */
	jmp	arch_entry
.Lfresh_mxcsr:
	movl	$ARCH_MXCSR, -8(%rsp)
	ldmxcsr	-8(%rsp)
	jmp	.Lfresh_mxcsr_done
.Lfresh_fpucw:
	movw	$ARCH_FPUCW, -8(%rsp)
	fldcw	-8(%rsp)
	jmp	.Lfresh_fpucw_done
	.cfi_endproc
	.size	arch_switch, . - arch_switch

	.globl	arch_entry
	.hidden	arch_entry
	.type	arch_entry, @function
	.p2align 4
	/* A return address just before this would be looked up one byte back. */
	nop
arch_entry:
	.cfi_startproc
	.cfi_undefined rip
	.cfi_undefined rbp
	movq	%r12, %rdi
	call	kgo_port_entry
	ud2
	.cfi_endproc
	.size	arch_entry, . - arch_entry

	.section .note.GNU-stack, "", @progbits
