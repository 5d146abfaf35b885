/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: everything that moves a P, and the life of Ms.  Threads are
 * told apart by runtime and index, as in debugfs; -1 stands for no P.
 *
 * block, unblock and grant may be emitted with run queue locks held.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kgo

#if !defined(KGO_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define KGO_TRACE_H

#include <linux/tracepoint.h>
#include <linux/kgo.h>

TRACE_DEFINE_ENUM(KGO_ENTER_PARK_WANT);
TRACE_DEFINE_ENUM(KGO_ENTER_PARK_SPARE);
TRACE_DEFINE_ENUM(KGO_ENTER_PARK_BOUND);

DECLARE_EVENT_CLASS(kgo_thread,
		    TP_PROTO(u64 rt, u32 m, pid_t tid),
		    TP_ARGS(rt, m, tid),
		    TP_STRUCT__entry(
		      __field(u64, rt)
		      __field(u32, m)
		      __field(pid_t, tid)
		    ),
		    TP_fast_assign(
		      __entry->rt = rt;
		      __entry->m = m;
		      __entry->tid = tid;
		    ),
		    TP_printk("rt=%llu m=%u tid=%d", __entry->rt, __entry->m,
			      __entry->tid)
);

DEFINE_EVENT(kgo_thread, kgo_attach,
	     TP_PROTO(u64 rt, u32 m, pid_t tid),
	     TP_ARGS(rt, m, tid)
);

DEFINE_EVENT(kgo_thread, kgo_detach,
	     TP_PROTO(u64 rt, u32 m, pid_t tid),
	     TP_ARGS(rt, m, tid)
);

DECLARE_EVENT_CLASS(kgo_p,
		    TP_PROTO(u64 rt, u32 m, u32 p),
		    TP_ARGS(rt, m, p),
		    TP_STRUCT__entry(
		      __field(u64, rt)
		      __field(u32, m)
		      __field(u32, p)
		    ),
		    TP_fast_assign(
		      __entry->rt = rt;
		      __entry->m = m;
		      __entry->p = p;
		    ),
		    TP_printk("rt=%llu m=%u p=%d", __entry->rt, __entry->m,
			      (int)__entry->p)
);

/* The thread blocks; p may be taken from now on. */
DEFINE_EVENT(kgo_p, kgo_block,
	     TP_PROTO(u64 rt, u32 m, u32 p),
	     TP_ARGS(rt, m, p)
);

/* It runs again, and p is what it has now. */
DEFINE_EVENT(kgo_p, kgo_unblock,
	     TP_PROTO(u64 rt, u32 m, u32 p),
	     TP_ARGS(rt, m, p)
);

/* The P of the blocked thread m went to the one granted just before. */
DEFINE_EVENT(kgo_p, kgo_handoff,
	     TP_PROTO(u64 rt, u32 m, u32 p),
	     TP_ARGS(rt, m, p)
);

/* The parked thread m gets p and is woken. */
DEFINE_EVENT(kgo_p, kgo_grant,
	     TP_PROTO(u64 rt, u32 m, u32 p),
	     TP_ARGS(rt, m, p)
);

/* The thread is sent the signal: its goroutine has had its turn on p. */
DEFINE_EVENT(kgo_p, kgo_preempt,
	     TP_PROTO(u64 rt, u32 m, u32 p),
	     TP_ARGS(rt, m, p)
);

TRACE_EVENT(kgo_park,
	    TP_PROTO(u64 rt, u32 m, u32 op),
	    TP_ARGS(rt, m, op),
	    TP_STRUCT__entry(
	      __field(u64, rt)
	      __field(u32, m)
	      __field(u32, op)
	    ),
	    TP_fast_assign(
	      __entry->rt = rt;
	      __entry->m = m;
	      __entry->op = op;
	    ),
	    TP_printk("rt=%llu m=%u as=%s", __entry->rt, __entry->m,
		      __print_symbolic(__entry->op,
				       { KGO_ENTER_PARK_WANT, "want" },
				       { KGO_ENTER_PARK_SPARE, "spare" },
				       { KGO_ENTER_PARK_BOUND, "bound" }))
);

/* ENTER_WAKE: 1 a spare thread was granted a P, 0 a wanting one, or -errno. */
TRACE_EVENT(kgo_wake,
	    TP_PROTO(u64 rt, int ret),
	    TP_ARGS(rt, ret),
	    TP_STRUCT__entry(
	      __field(u64, rt)
	      __field(int, ret)
	    ),
	    TP_fast_assign(
	      __entry->rt = rt;
	      __entry->ret = ret;
	    ),
	    TP_printk("rt=%llu ret=%d", __entry->rt, __entry->ret)
);

/* The last thread that could do anything parked, and was told so. */
TRACE_EVENT(kgo_deadlock,
	    TP_PROTO(u64 rt, u32 m),
	    TP_ARGS(rt, m),
	    TP_STRUCT__entry(
	      __field(u64, rt)
	      __field(u32, m)
	    ),
	    TP_fast_assign(
	      __entry->rt = rt;
	      __entry->m = m;
	    ),
	    TP_printk("rt=%llu m=%u", __entry->rt, __entry->m)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
