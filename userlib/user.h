/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the files of the user port offer each other.
 */
#ifndef KGO_USER_H
#define KGO_USER_H

#include "core.h"

#include <signal.h>

#define KGO_PAGE		4096UL
#define KGO_STACK_DEFAULT	(64UL << 10)
#define KGO_STACK_MIN		(16UL << 10)
#define KGO_STACK_MAX		(1UL << 30)
#define KGO_STACK_MAIN		(8UL << 20)	/* kgo_main()'s goroutine */

/*
 * struct port_m - What the port knows of an M, in kgo_m.port
 *
 * Owned by the thread itself.
 */
struct port_m {
	void	*altstack;	/* ours, or NULL */
	size_t	altstack_size;
	stack_t	old_altstack;
	const void *stack_top;	/* the library has what is below, or NULL */
	struct kgo_jmp end;	/* where a goroutine without a stack ends */
	/* Sanitizers, see san.h: the thread's own stack. */
	void	*san_fake;
	const void *san_lo;
	size_t	san_size;
	void	*san_fiber;
	bool	san_from_g;
};

static inline struct port_m *port_m_of(struct kgo_m *m)
{
	return (struct port_m *)m->port;
}

/* port_user.c */
void kgo_port_entry(struct kgo_g *g) __attribute__((noreturn));
void kgo_lock_init(void);
int kgo_futex_wait(u32 *word, u32 val, u64 deadline);
void kgo_futex_wake(u32 *word);

/* stack.c */
void kgo_stack_init(void);
u32 kgo_stack_each_free(void (*fn)(u64 lo, u64 hi, void *arg), void *arg);

/* overflow.c */
int kgo_overflow_init(void);
int kgo_altstack_set(struct port_m *pm);
void kgo_altstack_restore(struct port_m *pm);

/* preempt.c */
int kgo_preempt_init(void);
int kgo_preempt_signal(void);
void kgo_preempt_thread(void);
void kgo_preempt_send(u32 tid);

/* kchan.c */
void kgo_cq_init(const u32 *ring);

/* m.c */
int kgo_m_attach(struct kgo_m **mp);
void kgo_m_detach(struct kgo_m *m);

/* port_user.c */
void kgo_huge(u64 at, size_t size);

/* main.c */
void kgo_check_alive(void);
bool kgo_is_forked(void);
void kgo_lock_lost(void) __attribute__((noreturn));
bool kgo_is_main(const struct kgo_g *g);

/*
 * struct kgo_out - Text on its way to a file descriptor
 *
 * Nothing but write(2): works in signal handlers and in a program that is
 * about to end for a broken heap.
 */
struct kgo_out {
	int	fd;
	u32	n;
	struct kgo_symbols *symbols;	/* within kgo_out_named(), else NULL */
	char	buf[500];
};

/* fatal.c */
bool kgo_is_fatal(void);

/* traceback.c */
#define KGO_TRACE_MAX	64U

struct kgo_trace {
	u64	pc[KGO_TRACE_MAX];	/* return addresses, the innermost first */
	u32	n;
	bool	whole;			/* the goroutine's body is among them */
};

void kgo_trace(struct kgo_trace *t, struct kgo_g *g, const void *from);

/* symbol.c */
bool kgo_out_frames(struct kgo_out *o, const struct kgo_trace *t);
void kgo_out_named(struct kgo_out *o, void (*fn)(struct kgo_out *o, void *arg),
		   void *arg);

/* dump.c */
void kgo_out_str(struct kgo_out *o, const char *s);
void kgo_out_num(struct kgo_out *o, u64 v);
void kgo_out_hex(struct kgo_out *o, u64 v);
void kgo_out_flush(struct kgo_out *o);
bool kgo_is_blocked(const struct kgo_m *m);
void kgo_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* stacks.c */
#define KGO_OUT_STACK	0x1U	/* with its stack, by names */
#define KGO_OUT_MS	0x2U	/* with milliseconds, not minutes */
#define KGO_OUT_OTHERS	0x4U	/* all others of the program as well */

int kgo_quit_init(void);
void kgo_out_one(struct kgo_out *o, struct kgo_g *g, u64 now, u32 how);
void kgo_out_self(struct kgo_out *o, const void *from, u32 how);

#endif
