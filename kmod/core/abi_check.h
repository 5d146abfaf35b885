/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The ABI, frozen: the size of every structure of <linux/kgo.h> and the offset
 * of every field, checked by the compiler on both sides of it.
 *
 * Included by one file of the module and one of the library, for nothing but
 * the checks.  A structure may grow at its end, or take a field from what is
 * reserved; a number that stands here never changes.
 *
 * No holes: the fields of a structure are laid end to end, each at the sum of
 * the sizes before it, and the last one ends where the structure does.
 */
#ifndef KGO_CORE_ABI_CHECK_H
#define KGO_CORE_ABI_CHECK_H

#include <linux/kgo.h>
#include <linux/kgo_kchan.h>

#define KGO_ABI_SIZE(type, size)					\
	static_assert(sizeof(struct type) == (size), "size of " #type)
#define KGO_ABI_FIELD(type, field, offset, size)			\
	static_assert(offsetof(struct type, field) == (offset) &&	\
		      sizeof(((struct type *)0)->field) == (size),	\
		      "place of " #type "." #field)

KGO_ABI_SIZE(kgo_query, 32);
KGO_ABI_FIELD(kgo_query, size, 0, 4);
KGO_ABI_FIELD(kgo_query, abi_version, 4, 4);
KGO_ABI_FIELD(kgo_query, features, 8, 8);
KGO_ABI_FIELD(kgo_query, max_ps, 16, 4);
KGO_ABI_FIELD(kgo_query, max_ms, 20, 4);
KGO_ABI_FIELD(kgo_query, max_gs, 24, 4);
KGO_ABI_FIELD(kgo_query, reserved, 28, 4);

KGO_ABI_SIZE(kgo_setup, 40);
KGO_ABI_FIELD(kgo_setup, size, 0, 4);
KGO_ABI_FIELD(kgo_setup, flags, 4, 4);
KGO_ABI_FIELD(kgo_setup, nr_ps, 8, 4);
KGO_ABI_FIELD(kgo_setup, nr_ms, 12, 4);
KGO_ABI_FIELD(kgo_setup, nr_gs, 16, 4);
KGO_ABI_FIELD(kgo_setup, preempt_signal, 20, 4);
KGO_ABI_FIELD(kgo_setup, features, 24, 8);
KGO_ABI_FIELD(kgo_setup, id, 32, 8);

KGO_ABI_SIZE(kgo_attach, 16);
KGO_ABI_FIELD(kgo_attach, size, 0, 4);
KGO_ABI_FIELD(kgo_attach, flags, 4, 4);
KGO_ABI_FIELD(kgo_attach, m, 8, 4);
KGO_ABI_FIELD(kgo_attach, reserved, 12, 4);

KGO_ABI_SIZE(kgo_enter, 40);
KGO_ABI_FIELD(kgo_enter, size, 0, 4);
KGO_ABI_FIELD(kgo_enter, op, 4, 4);
KGO_ABI_FIELD(kgo_enter, flags, 8, 4);
KGO_ABI_FIELD(kgo_enter, target, 12, 4);
KGO_ABI_FIELD(kgo_enter, deadline, 16, 8);
KGO_ABI_FIELD(kgo_enter, p, 24, 4);
KGO_ABI_FIELD(kgo_enter, result, 28, 4);
KGO_ABI_FIELD(kgo_enter, reserved, 32, 8);

KGO_ABI_SIZE(kgo_rdesc, 256);
KGO_ABI_FIELD(kgo_rdesc, abi_version, 0, 4);
KGO_ABI_FIELD(kgo_rdesc, nr_ps, 4, 4);
KGO_ABI_FIELD(kgo_rdesc, nr_ms, 8, 4);
KGO_ABI_FIELD(kgo_rdesc, nr_gs_max, 12, 4);
KGO_ABI_FIELD(kgo_rdesc, id, 16, 8);
KGO_ABI_FIELD(kgo_rdesc, features, 24, 8);
KGO_ABI_FIELD(kgo_rdesc, pad0, 32, 32);
KGO_ABI_FIELD(kgo_rdesc, nr_avail, 64, 4);
KGO_ABI_FIELD(kgo_rdesc, nr_spare, 68, 4);
KGO_ABI_FIELD(kgo_rdesc, nr_want, 72, 4);
KGO_ABI_FIELD(kgo_rdesc, cq_tail, 76, 4);
KGO_ABI_FIELD(kgo_rdesc, cq_overflow, 80, 4);
KGO_ABI_FIELD(kgo_rdesc, pad1, 84, 44);
KGO_ABI_FIELD(kgo_rdesc, gq_len, 128, 4);
KGO_ABI_FIELD(kgo_rdesc, nr_spinning, 132, 4);
KGO_ABI_FIELD(kgo_rdesc, keeper_when, 136, 8);
KGO_ABI_FIELD(kgo_rdesc, cq_head, 144, 4);
KGO_ABI_FIELD(kgo_rdesc, pad2, 148, 44);
KGO_ABI_FIELD(kgo_rdesc, nr_gs, 192, 4);
KGO_ABI_FIELD(kgo_rdesc, pad3, 196, 60);

KGO_ABI_SIZE(kgo_pdesc, 1152);
KGO_ABI_FIELD(kgo_pdesc, runq_head, 0, 4);
KGO_ABI_FIELD(kgo_pdesc, pad0, 4, 60);
KGO_ABI_FIELD(kgo_pdesc, runq_tail, 64, 4);
KGO_ABI_FIELD(kgo_pdesc, runnext, 68, 4);
KGO_ABI_FIELD(kgo_pdesc, schedtick, 72, 4);
KGO_ABI_FIELD(kgo_pdesc, nr_timers, 76, 4);
KGO_ABI_FIELD(kgo_pdesc, timer_when, 80, 8);
KGO_ABI_FIELD(kgo_pdesc, spawned, 88, 8);
KGO_ABI_FIELD(kgo_pdesc, exited, 96, 8);
KGO_ABI_FIELD(kgo_pdesc, stolen, 104, 8);
KGO_ABI_FIELD(kgo_pdesc, slicetick, 112, 4);
KGO_ABI_FIELD(kgo_pdesc, pad1, 116, 12);
KGO_ABI_FIELD(kgo_pdesc, runq, 128, 1024);

KGO_ABI_SIZE(kgo_mdesc, 64);
KGO_ABI_FIELD(kgo_mdesc, in_sched, 0, 4);
KGO_ABI_FIELD(kgo_mdesc, p, 4, 4);
KGO_ABI_FIELD(kgo_mdesc, tid, 8, 4);
KGO_ABI_FIELD(kgo_mdesc, curg, 12, 4);
KGO_ABI_FIELD(kgo_mdesc, blocks, 16, 8);
KGO_ABI_FIELD(kgo_mdesc, handoffs, 24, 8);
KGO_ABI_FIELD(kgo_mdesc, pad, 32, 32);

KGO_ABI_SIZE(kgo_gdesc, 88);
KGO_ABI_FIELD(kgo_gdesc, goid, 0, 8);
KGO_ABI_FIELD(kgo_gdesc, parent, 8, 8);
KGO_ABI_FIELD(kgo_gdesc, state, 16, 4);
KGO_ABI_FIELD(kgo_gdesc, reason, 20, 2);
KGO_ABI_FIELD(kgo_gdesc, flags, 22, 2);
KGO_ABI_FIELD(kgo_gdesc, m, 24, 4);
KGO_ABI_FIELD(kgo_gdesc, p, 28, 4);
KGO_ABI_FIELD(kgo_gdesc, wait_since, 32, 8);
KGO_ABI_FIELD(kgo_gdesc, site, 40, 8);
KGO_ABI_FIELD(kgo_gdesc, fn, 48, 8);
KGO_ABI_FIELD(kgo_gdesc, stack_lo, 56, 8);
KGO_ABI_FIELD(kgo_gdesc, stack_hi, 64, 8);
KGO_ABI_FIELD(kgo_gdesc, sp, 72, 8);
KGO_ABI_FIELD(kgo_gdesc, ext, 80, 8);

KGO_ABI_SIZE(kgo_gext, 16);
KGO_ABI_FIELD(kgo_gext, labels, 0, 8);
KGO_ABI_FIELD(kgo_gext, changes, 8, 8);

KGO_ABI_SIZE(kgo_site, 32);
KGO_ABI_FIELD(kgo_site, func, 0, 8);
KGO_ABI_FIELD(kgo_site, file, 8, 8);
KGO_ABI_FIELD(kgo_site, start, 16, 8);
KGO_ABI_FIELD(kgo_site, line, 24, 4);
KGO_ABI_FIELD(kgo_site, reserved, 28, 4);

KGO_ABI_SIZE(kgo_kchan_make, 32);
KGO_ABI_FIELD(kgo_kchan_make, size, 0, 4);
KGO_ABI_FIELD(kgo_kchan_make, flags, 4, 4);
KGO_ABI_FIELD(kgo_kchan_make, msg_max, 8, 4);
KGO_ABI_FIELD(kgo_kchan_make, cap, 12, 4);
KGO_ABI_FIELD(kgo_kchan_make, rfd, 16, 4);
KGO_ABI_FIELD(kgo_kchan_make, wfd, 20, 4);
KGO_ABI_FIELD(kgo_kchan_make, reserved, 24, 8);

KGO_ABI_SIZE(kgo_kchan_io, 40);
KGO_ABI_FIELD(kgo_kchan_io, size, 0, 4);
KGO_ABI_FIELD(kgo_kchan_io, op, 4, 4);
KGO_ABI_FIELD(kgo_kchan_io, flags, 8, 4);
KGO_ABI_FIELD(kgo_kchan_io, mark, 12, 4);
KGO_ABI_FIELD(kgo_kchan_io, buf, 16, 8);
KGO_ABI_FIELD(kgo_kchan_io, lens, 24, 8);
KGO_ABI_FIELD(kgo_kchan_io, stride, 32, 4);
KGO_ABI_FIELD(kgo_kchan_io, count, 36, 4);

KGO_ABI_SIZE(kgo_kchan_info, 56);
KGO_ABI_FIELD(kgo_kchan_info, size, 0, 4);
KGO_ABI_FIELD(kgo_kchan_info, ends, 4, 4);
KGO_ABI_FIELD(kgo_kchan_info, flags, 8, 4);
KGO_ABI_FIELD(kgo_kchan_info, msg_max, 12, 4);
KGO_ABI_FIELD(kgo_kchan_info, cap, 16, 4);
KGO_ABI_FIELD(kgo_kchan_info, queued, 20, 4);
KGO_ABI_FIELD(kgo_kchan_info, receivers, 24, 4);
KGO_ABI_FIELD(kgo_kchan_info, senders, 28, 4);
KGO_ABI_FIELD(kgo_kchan_info, id, 32, 8);
KGO_ABI_FIELD(kgo_kchan_info, sent, 40, 8);
KGO_ABI_FIELD(kgo_kchan_info, received, 48, 8);

/* Records fit their stride; what a program keeps behind them starts there. */
static_assert(sizeof(struct kgo_rdesc) <= 4096, "runtime page");
static_assert(sizeof(struct kgo_pdesc) <= KGO_P_STRIDE, "P stride");
static_assert(sizeof(struct kgo_mdesc) <= KGO_M_STRIDE, "M stride");
static_assert(sizeof(struct kgo_gdesc) <= KGO_G_STRIDE, "G stride");
static_assert(KGO_P_STRIDE == 4096 && KGO_M_STRIDE == 256 && KGO_G_STRIDE == 128,
	      "strides");
static_assert((KGO_RUNQ_SIZE & (KGO_RUNQ_SIZE - 1)) == 0, "ring size");
static_assert(KGO_CQ_SIZE * sizeof(__u32) == 4096, "ring of completions");

#endif
