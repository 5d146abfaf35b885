/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Telling AddressSanitizer and ThreadSanitizer about switches of stacks.
 *
 * Each switch is bracketed: leave_...() on the stack that is left, arrive_...()
 * first thing on the other one.  All of it is empty in a usual build.
 */
#ifndef KGO_SAN_H
#define KGO_SAN_H

#include "user.h"

/* It has threads of its own in the process, nobody knows how many. */
#ifdef __SANITIZE_THREAD__
#define SAN_THREADS	true
#else
#define SAN_THREADS	false
#endif

#ifdef __SANITIZE_ADDRESS__

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>

#define SAN_READS_STACKS	true

/* What the leak checker has to look into besides stacks of threads and heap. */
static inline void san_root_add(const void *p, size_t size)
{
	__lsan_register_root_region(p, size);
}

/* It is about to be unmapped: whoever maps the place next finds it clean. */
static inline void san_stack_gone(u64 lo, size_t size)
{
	__lsan_unregister_root_region((void *)lo, size);
	__asan_unpoison_memory_region((void *)lo, size);
}

static inline void san_m_init(struct port_m *pm)
{
	(void)pm;
}

/* Before the stack is written to. */
static inline void san_g_init(struct kgo_g *g)
{
	/* What a dead goroutine left poisoned. */
	__asan_unpoison_memory_region((void *)g->d.stack_lo,
				      g->d.stack_hi - g->d.stack_lo);
}

static inline void san_leave_m(struct port_m *pm, struct kgo_g *g)
{
	__sanitizer_start_switch_fiber(&pm->san_fake, (void *)g->d.stack_lo,
				       g->d.stack_hi - g->d.stack_lo);
}

static inline void san_arrive_m(struct port_m *pm)
{
	__sanitizer_finish_switch_fiber(pm->san_fake, NULL, NULL);
}

/* Frames are left without their returns. */
static inline void san_jump(struct kgo_jmp *jmp)
{
	(void)jmp;
	__asan_handle_no_return();
}

static inline void san_leave_g(struct port_m *pm, void **fake, bool ends)
{
	__sanitizer_start_switch_fiber(ends ? NULL : fake, pm->san_lo,
				       pm->san_size);
}

static inline void san_leave_for_g(struct port_m *pm, struct kgo_g *to,
				   void **fake, bool ends)
{
	pm->san_from_g = true;
	__sanitizer_start_switch_fiber(ends ? NULL : fake,
				       (void *)to->d.stack_lo,
				       to->d.stack_hi - to->d.stack_lo);
}

/* Where the thread's own stack is becomes known when one comes from there. */
static inline void san_arrive_g(struct port_m *pm, void *fake)
{
	if (pm->san_from_g)
		__sanitizer_finish_switch_fiber(fake, NULL, NULL);
	else
		__sanitizer_finish_switch_fiber(fake, &pm->san_lo,
						&pm->san_size);
	pm->san_from_g = false;
}

#else

#define SAN_READS_STACKS	false

static inline void san_root_add(const void *p, size_t size)
{
	(void)p;
	(void)size;
}

static inline void san_stack_gone(u64 lo, size_t size)
{
	(void)lo;
	(void)size;
}

#endif /* __SANITIZE_ADDRESS__ */

#ifndef __SANITIZE_THREAD__

#define SAN_SLEEP_NS	0ULL

static inline void san_handle_signals(void)
{
}

#endif

#if defined(__SANITIZE_THREAD__)

#include <poll.h>
#include <sanitizer/tsan_interface.h>

/*
 * It holds a signal's handler back until the thread calls libc, which one that
 * sleeps on a futex never does.  And it holds it for the fiber on which it
 * came: on leaving that one as well.
 */
#define SAN_SLEEP_NS	10000000ULL

static inline void san_handle_signals(void)
{
	poll(NULL, 0, 0);
}

/* Its shadow of the stack follows libc's jump only; does not return. */
static inline void san_jump(struct kgo_jmp *jmp)
{
	longjmp(jmp->buf, 1);
}

static inline void san_m_init(struct port_m *pm)
{
	pm->san_fiber = __tsan_get_current_fiber();
}

static inline void san_g_init(struct kgo_g *g)
{
	if (g->ext)
		__tsan_destroy_fiber(g->ext);
	g->ext = __tsan_create_fiber(0);
}

static inline void san_leave_m(struct port_m *pm, struct kgo_g *g)
{
	(void)pm;
	san_handle_signals();
	__tsan_switch_to_fiber(g->ext, 0);
}

static inline void san_arrive_m(struct port_m *pm)
{
	(void)pm;
}

static inline void san_leave_for_g(struct port_m *pm, struct kgo_g *to,
				   void **fake, bool ends)
{
	(void)pm;
	(void)fake;
	(void)ends;
	san_handle_signals();
	__tsan_switch_to_fiber(to->ext, 0);
}

static inline void san_leave_g(struct port_m *pm, void **fake, bool ends)
{
	(void)fake;
	(void)ends;
	san_handle_signals();
	__tsan_switch_to_fiber(pm->san_fiber, 0);
}

static inline void san_arrive_g(struct port_m *pm, void *fake)
{
	(void)pm;
	(void)fake;
}

#elif !defined(__SANITIZE_ADDRESS__)

static inline void san_jump(struct kgo_jmp *jmp)
{
	(void)jmp;
}

static inline void san_m_init(struct port_m *pm)
{
	(void)pm;
}

static inline void san_g_init(struct kgo_g *g)
{
	(void)g;
}

static inline void san_leave_m(struct port_m *pm, struct kgo_g *g)
{
	(void)pm;
	(void)g;
}

static inline void san_arrive_m(struct port_m *pm)
{
	(void)pm;
}

static inline void san_leave_for_g(struct port_m *pm, struct kgo_g *to,
				   void **fake, bool ends)
{
	(void)pm;
	(void)to;
	(void)fake;
	(void)ends;
}

static inline void san_leave_g(struct port_m *pm, void **fake, bool ends)
{
	(void)pm;
	(void)fake;
	(void)ends;
}

static inline void san_arrive_g(struct port_m *pm, void *fake)
{
	(void)pm;
	(void)fake;
}

#endif
#endif
