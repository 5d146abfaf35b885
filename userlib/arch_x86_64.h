/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * All that the library knows of x86-64, together with switch_x86_64.S.
 *
 * Another architecture supplies the same functions in a header of its own:
 *
 *   arch_self()		the calling thread's M, never cached
 *   arch_relax(), arch_mb()
 *   arch_syscall()		a system call that leaves errno alone
 *   arch_stack_init()		the stack of a goroutine that has not run yet
 *   arch_is_cold()		will nobody have touched that stack before?
 *   arch_switch()		from one stack to another
 *   kgo_jmp_set(), arch_jump()	back to a frame of the same stack
 */
#ifndef KGO_ARCH_X86_64_H
#define KGO_ARCH_X86_64_H

#ifndef __x86_64__
#error "libkgo has been ported to x86-64 only"
#endif

/*
 * The stack pointer of a goroutine that has not run yet: so much below the end
 * of its stack, which is about what it will touch first, and with a bit that
 * no other has; and a second one if nobody has run on that stack at all.
 * Whoever starts a goroutine does not touch its stack.
 */
#define ARCH_ROOM	256
#define ARCH_FRESH	8
#define ARCH_COLD	4

#define ARCH_MXCSR	0x1f80	/* as the kernel starts a thread: all masked, */
#define ARCH_FPUCW	0x037f	/* round to nearest, 64 bit mantissa */

#ifndef __ASSEMBLER__

struct kgo_m;
struct kgo_g;
struct kgo_jmp;

/*
 * The address of a thread-local variable is a constant of the function to the
 * compiler, which may therefore keep it across a park that ends on another
 * thread.  So the whole access is one volatile asm.  Initial-exec: two loads,
 * in the shared library too.
 */
extern __thread struct kgo_m *kgo_tls_self
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

static inline struct kgo_m *arch_self(void)
{
	struct kgo_m *m;

	__asm__ volatile("movq kgo_tls_self@gottpoff(%%rip), %0\n\t"
			 "movq %%fs:(%0), %0"
			 : "=r" (m) : : "memory");
	return m;
}

static inline void arch_relax(void)
{
	__asm__ volatile("pause" : : : "memory");
}

/* About half the price of mfence, which clang would emit for a fence. */
static inline void arch_mb(void)
{
	__asm__ volatile("lock; addl $0, -4(%%rsp)" : : : "memory", "cc");
}

/*
 * libc's syscall() stores into errno, whose address the compiler may have
 * cached on another thread.  Returns -errno.
 */
static inline long arch_syscall(long nr, long a, long b, long c, long d,
				long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a" (ret)
			 : "0" (nr), "D" (a), "S" (b), "d" (c), "r" (r10),
			   "r" (r8), "r" (r9)
			 : "rcx", "r11", "memory");
	return ret;
}

/**
 * arch_switch() - Leave this stack for another one
 * @save: where this stack's pointer goes
 * @to: what a former arch_switch() or arch_stack_init() left
 * @g: what kgo_port_entry() is called with, if it has not run yet
 *
 * Keeps what the psABI calls callee-saved: rbx, rbp, r12 to r15, and the
 * control words of SSE and x87, which a thread's fesetround() changes and
 * which must stay with the goroutine.  Returns when somebody switches back,
 * perhaps on another thread.
 */
void arch_switch(u64 *save, u64 to, struct kgo_g *g);

/**
 * arch_jump() - Return from kgo_jmp_set() once more, with 1
 * @jmp: set on this stack
 *
 * Keeps what setjmp() keeps: the callee-saved registers, but no control words.
 */
void arch_jump(struct kgo_jmp *jmp) __attribute__((noreturn));

/* First instruction of every goroutine, never called. */
void arch_entry(void);

/* What arch_switch() leaves on a stack, the lowest address first. */
struct arch_frame {
	u32 mxcsr;
	u16 fpucw;
	u16 pad;
	u64 r15, r14, r13, r12, rbx, rbp;
	u64 rip;
};

/**
 * arch_stack_init() - A stack that arch_switch() can switch to
 * @top: its end, a multiple of 16
 * @cold: no page of it has been touched yet
 *
 * Return: its stack pointer.
 */
static inline u64 arch_stack_init(u64 top, bool cold)
{
	return top - ARCH_ROOM + ARCH_FRESH + (cold ? ARCH_COLD : 0);
}

static inline bool arch_is_cold(u64 sp)
{
	return sp & ARCH_COLD;
}

#endif
#endif
