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

/* overflow.c */
int kgo_overflow_init(void);
int kgo_altstack_set(struct port_m *pm);
void kgo_altstack_restore(struct port_m *pm);

/* m.c */
int kgo_m_attach(struct kgo_m **mp);
void kgo_m_detach(struct kgo_m *m);

/* main.c */
void kgo_check_alive(void);

/*
 * struct kgo_out - Text on its way to a file descriptor
 *
 * Nothing but write(2): works in signal handlers and in a program that is
 * about to end for a broken heap.
 */
struct kgo_out {
	int	fd;
	u32	n;
	char	buf[500];
};

/* dump.c */
void kgo_out_str(struct kgo_out *o, const char *s);
void kgo_out_num(struct kgo_out *o, u64 v);
void kgo_out_flush(struct kgo_out *o);
void kgo_out_goroutine(struct kgo_out *o, struct kgo_g *g);
void kgo_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
