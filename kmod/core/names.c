// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The names of states and wait reasons.
 *
 * Invariant: every value of the two enums has a name; a new one without is
 * refused by the compiler, since the tables have the size of the enum.
 *
 * Both are asked with numbers from memory that a program can scribble on, so
 * an unknown number is an answer, not an error.
 */
#include "names.h"

static const char *const kgo_state_names[] = {
	[KGO_G_IDLE]		= "idle",
	[KGO_G_RUNNABLE]	= "runnable",
	[KGO_G_RUNNING]		= "running",
	[KGO_G_SYSCALL]		= "syscall",
	[KGO_G_WAITING]		= "waiting",
	[KGO_G_DEAD]		= "dead",
	[KGO_G_COPYSTACK]	= "copystack",
	[KGO_G_PREEMPTED]	= "preempted",
};

static const char *const kgo_reason_names[] = {
	[KGO_WAIT_NONE]			= "",
	[KGO_WAIT_CHAN_SEND]		= "chan send",
	[KGO_WAIT_CHAN_RECEIVE]		= "chan receive",
	[KGO_WAIT_CHAN_SEND_NIL]	= "chan send (nil chan)",
	[KGO_WAIT_CHAN_RECEIVE_NIL]	= "chan receive (nil chan)",
	[KGO_WAIT_SELECT]		= "select",
	[KGO_WAIT_SELECT_EMPTY]		= "select (no cases)",
	[KGO_WAIT_SLEEP]		= "sleep",
	[KGO_WAIT_IO]			= "IO wait",
	[KGO_WAIT_SEMACQUIRE]		= "semacquire",
	[KGO_WAIT_MUTEX]		= "sync.Mutex.Lock",
	[KGO_WAIT_WAITGROUP]		= "sync.WaitGroup.Wait",
	[KGO_WAIT_RWMUTEX_RLOCK]	= "sync.RWMutex.RLock",
	[KGO_WAIT_RWMUTEX_LOCK]		= "sync.RWMutex.Lock",
	[KGO_WAIT_COND]			= "sync.Cond.Wait",
	[KGO_WAIT_SEMAPHORE]		= "semaphore.Weighted.Acquire",
	[KGO_WAIT_FINALIZER]		= "finalizer wait",
	[KGO_WAIT_SIGNAL]		= "signal wait",
	[KGO_WAIT_SYNCTEST_RUN]		= "synctest.Run",
	[KGO_WAIT_SYNCTEST_WAIT]	= "synctest.Wait",
	[KGO_WAIT_PANIC]		= "panicwait",
	[KGO_WAIT_QUIESCE]		= "quiesce",
	[KGO_WAIT_WAKER]		= "waker",
};

static_assert(ARRAY_SIZE(kgo_state_names) == KGO_G_NR_STATES, "every state has a name");
static_assert(ARRAY_SIZE(kgo_reason_names) == KGO_WAIT_NR_REASONS, "every wait reason has a name");

const char *kgo_state_name(u32 state)
{
	return state < KGO_G_NR_STATES ? kgo_state_names[state] : NULL;
}

const char *kgo_reason_name(u32 reason)
{
	return reason < KGO_WAIT_NR_REASONS ? kgo_reason_names[reason] : NULL;
}
