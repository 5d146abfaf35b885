/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's own runtime: goroutines of kernel modules, on pooled kthreads.
 */
#ifndef KGO_KERNEL_H
#define KGO_KERNEL_H

struct kgo_g;
struct kgo_jmp;
struct kgo_m;
struct kgo_panic;
struct kgo_runtime;

/* The runtime, NULL before kgo_kernel_init(); constant after it. */
extern struct kgo_runtime *kgo_kernel_runtime;

/* For KUnit: called instead of a warning when the core throws. */
extern void (*kgo_throw_hook)(const char *msg);

/* For KUnit: called instead of the log for a panic that nobody recovers. */
extern void (*kgo_panic_hook)(struct kgo_panic *p);

/* For KUnit: called instead of the log where somebody must not park. */
extern void (*kgo_might_park_hook)(const char *text);

/* For KUnit: the log is told of each primitive again, which it is told of once. */
#if defined(CONFIG_DEBUG_ATOMIC_SLEEP) || defined(CONFIG_PROVE_LOCKING)
void kgo_might_park_again(void);
#else
static inline void kgo_might_park_again(void)
{
}
#endif

/* For KUnit: no thread can be made. */
extern bool kgo_kthreads_fail;

/* kthreads.c */
extern unsigned long kgo_kthread_base;	/* what its threads return to */
unsigned int kgo_kthreads_init(void);
int kgo_kthreads_start(void);
void kgo_kthreads_exit(void);
struct kgo_jmp *kgo_kthread_end(struct kgo_m *m, struct kgo_g *next);

/* procs.c */
int kgo_procs_init(void);
void kgo_procs_exit(void);
bool kgo_procs_freeze(void);
void kgo_procs_thaw(void);

/* port_kernel.c */
int kgo_kernel_init(void);
void kgo_kernel_exit(void);

#endif
