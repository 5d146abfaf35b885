// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Bugs put in on purpose: the simulator must find each of them.
 *
 * They get in through the port's functions, at the place in the core that is
 * named here.
 */
#include "sim.h"

enum plant {
	PLANT_NONE,
	PLANT_LOST_WAKE,	/* no barrier between queueing and looking */
	PLANT_LOST_WAKE_PARK,	/* no barrier between listing and looking */
	PLANT_NO_RETRY,		/* kgo_wakep_slow() does not try again */
	PLANT_TWO_OWNERS,	/* a P word moved without compare-and-swap */
	PLANT_STOLEN_RUNNEXT,	/* runnext stolen without compare-and-swap */
	PLANT_DOUBLE_RUN,	/* likewise the head of the run queue */
	PLANT_SKIPPED_CLOSE,	/* close forgets a waiter */
	PLANT_LOST_KEEPER,	/* nobody watches timers */
	PLANT_SEMA_HINT,	/* a semaphore's hint of waiters is stale */
	PLANT_COND_TICKET,	/* a ticket that was called waits all the same */
	PLANT_TORN_RWMUTEX,	/* a writer's try without compare-and-swap */
	PLANT_TWO_WINNERS,	/* a select decided without its lock */
	PLANT_STAYS_QUEUED,	/* a select that leaves its waiters behind */
	PLANT_LATE_QUIESCE,	/* no barrier between waiting and looking */
	PLANT_EARLY_DEADLOCK,	/* a thread that is no M is not counted */
	PLANT_LOST_TIMER,	/* no barrier between starting and looking */
	PLANT_WRONG_HEAP,	/* a timer that has moved is taken for where it was */
	PLANT_PREEMPT_INSIDE,	/* kgo_preempt() stops what is in the runtime */
	PLANT_WAKER_UNLOCKED,	/* a waker is readied without its lock */
	PLANT_LOST_FINALIZER,	/* nobody tells the finalizers' goroutine */
	PLANT_LOST_DESTRUCTOR,	/* a value goes without being destroyed */
	PLANT_LABELS_FREED,	/* a set of labels inherited without a reference */
	PLANT_DEAF_SUPERVISOR,	/* no barrier between telling it and looking */
	PLANT_BLIND_DEFAULT,	/* a select does not count the turns of channels */
	PLANT_LOST_THEN,	/* whoever a stackless one made ready is forgotten */
	PLANT_LOST_COMPLETION,	/* no barrier between completing and looking */
	PLANT_RUDE_SHARE,	/* no barrier between ending "alone" and looking */
	PLANT_HASTY_SHARE,	/* the owner is not waited for */
	PLANT_RELIES,		/* who blocks relies on another one who does */
	NR_PLANTS
};

const char *const plant_names[] = {
	[PLANT_NONE]		= "none",
	[PLANT_LOST_WAKE]	= "lost-wake",
	[PLANT_LOST_WAKE_PARK]	= "lost-wake-park",
	[PLANT_NO_RETRY]	= "no-retry",
	[PLANT_TWO_OWNERS]	= "two-owners",
	[PLANT_STOLEN_RUNNEXT]	= "stolen-runnext",
	[PLANT_DOUBLE_RUN]	= "double-run",
	[PLANT_SKIPPED_CLOSE]	= "skipped-close",
	[PLANT_LOST_KEEPER]	= "lost-keeper",
	[PLANT_SEMA_HINT]	= "sema-hint",
	[PLANT_TWO_WINNERS]	= "two-winners",
	[PLANT_STAYS_QUEUED]	= "stays-queued",
	[PLANT_LATE_QUIESCE]	= "late-quiesce",
	[PLANT_EARLY_DEADLOCK]	= "early-deadlock",
	[PLANT_LOST_TIMER]	= "lost-timer",
	[PLANT_WRONG_HEAP]	= "wrong-heap",
	[PLANT_COND_TICKET]	= "cond-ticket",
	[PLANT_TORN_RWMUTEX]	= "torn-rwmutex",
	[PLANT_PREEMPT_INSIDE]	= "preempt-inside",
	[PLANT_WAKER_UNLOCKED]	= "waker-unlocked",
	[PLANT_LOST_FINALIZER]	= "lost-finalizer",
	[PLANT_LOST_DESTRUCTOR]	= "lost-destructor",
	[PLANT_LABELS_FREED]	= "labels-freed",
	[PLANT_DEAF_SUPERVISOR]	= "deaf-supervisor",
	[PLANT_BLIND_DEFAULT]	= "blind-default",
	[PLANT_LOST_THEN]	= "lost-then",
	[PLANT_LOST_COMPLETION]	= "lost-completion",
	[PLANT_RUDE_SHARE]	= "rude-share",
	[PLANT_HASTY_SHARE]	= "hasty-share",
	[PLANT_RELIES]		= "relies",
	[NR_PLANTS]		= NULL
};

/*
 * Where each shows soonest.  A wake-up for what an M has queued is hardly ever
 * lost for good: the exchange of runnext is a full barrier of its own, who
 * parks looks at runnext too, and the M itself looks at its queue again.  For
 * the global queue of a thread that is no M there is the barrier alone.
 */
static const char *const shows_in[NR_PLANTS] = {
	[PLANT_LOST_WAKE]	= "outside",
	[PLANT_LOST_WAKE_PARK]	= "spawn",
	[PLANT_NO_RETRY]	= "hog",
	[PLANT_TWO_OWNERS]	= "block",
	[PLANT_STOLEN_RUNNEXT]	= "yield",
	[PLANT_DOUBLE_RUN]	= "yield",
	[PLANT_SKIPPED_CLOSE]	= "close",
	[PLANT_LOST_KEEPER]	= "sleep",
	[PLANT_SEMA_HINT]	= "mutex",
	[PLANT_TWO_WINNERS]	= "select",
	[PLANT_STAYS_QUEUED]	= "select",
	[PLANT_LATE_QUIESCE]	= "quiesce",
	[PLANT_EARLY_DEADLOCK]	= "deadlock",
	[PLANT_LOST_TIMER]	= "timer-hog",
	[PLANT_WRONG_HEAP]	= "timers",
	[PLANT_COND_TICKET]	= "cond",
	[PLANT_TORN_RWMUTEX]	= "rwmutex",
	[PLANT_PREEMPT_INSIDE]	= "pingpong",
	[PLANT_WAKER_UNLOCKED]	= "waker",
	[PLANT_LOST_FINALIZER]	= "finalizer",
	[PLANT_LOST_DESTRUCTOR]	= "labels",
	[PLANT_LABELS_FREED]	= "labels",
	[PLANT_DEAF_SUPERVISOR]	= "supervisor",
	[PLANT_BLIND_DEFAULT]	= "select-default",
	[PLANT_LOST_THEN]	= "conts",
	[PLANT_LOST_COMPLETION]	= "completions",
	[PLANT_RUDE_SHARE]	= "alone",
	[PLANT_HASTY_SHARE]	= "alone",
	[PLANT_RELIES]		= "blocks",
};

u32 plant_find(const char *name)
{
	u32 i;

	for (i = 1; plant_names[i]; i++)
		if (!strcmp(name, plant_names[i]))
			return i;
	return 0;
}

const char *plant_scenario(u32 plant)
{
	return shows_in[plant];
}

/* Is this compare-and-swap to be done in two steps? */
bool sim_plant_torn(const char *func, const volatile void *addr)
{
	(void)addr;
	switch (sim_plant) {
	case PLANT_TWO_OWNERS:
		return !strcmp(func, "arb_try_take");
	case PLANT_STOLEN_RUNNEXT:
		return !strcmp(func, "runq_grab_next");
	case PLANT_DOUBLE_RUN:
		return !strcmp(func, "kgo_runq_steal");
	case PLANT_TORN_RWMUTEX:
		return !strcmp(func, "kgo_rwmutex_try_lock");
	}
	return false;
}

bool sim_plant_no_mb(const char *func)
{
	switch (sim_plant) {
	case PLANT_LOST_WAKE:
		return !strcmp(func, "kgo_globq_put_all");
	case PLANT_LOST_WAKE_PARK:
		return !strcmp(func, "arb_park");
	case PLANT_LATE_QUIESCE:
	case PLANT_RUDE_SHARE:
		return !strcmp(func, "port_mb_all");
	case PLANT_LOST_TIMER:
		return !strcmp(func, "start_timer");
	case PLANT_DEAF_SUPERVISOR:
		return !strcmp(func, "wake");
	case PLANT_LOST_COMPLETION:
		return !strcmp(func, "arb_completed");
	}
	return false;
}

bool sim_plant_no_add(const char *func)
{
	return sim_plant == PLANT_LABELS_FREED && !strcmp(func, "get");
}

/* Is something else to be read than what is there? */
bool sim_plant_load(const char *func, const volatile void *addr, u64 *val)
{
	const struct kgo_rdesc *r = kgo_rt.r;

	*val = 0;
	switch (sim_plant) {
	case PLANT_NO_RETRY:
		return addr == &r->nr_spare && !strcmp(func, "kgo_wakep_slow");
	case PLANT_LOST_KEEPER:
		*val = 1;
		return addr == &r->keeper_when;
	case PLANT_COND_TICKET:
		return !strcmp(func, "kgo_cond_wait");
	case PLANT_PREEMPT_INSIDE:
		return !strcmp(func, "kgo_preempt") && S.cur->m &&
		       addr == &S.cur->m->d.in_sched;
	case PLANT_LOST_DESTRUCTOR:
		return !strcmp(func, "destroy_all") && sim_chance(0x4000);
	case PLANT_BLIND_DEFAULT:
		return !strcmp(func, "look") || !strcmp(func, "nothing_ready");
	case PLANT_RELIES:
		/* As if the others were idle. */
		*val = ARB_IDLE;
		return !strcmp(func, "arb_any_idle") &&
		       r->nr_avail > 1;
	case PLANT_HASTY_SHARE:
		/* No in_sched is ever seen. */
		return !strcmp(func, "is_outside");
	case PLANT_SEMA_HINT:
		return !strcmp(func, "kgo_sema_release") && sim_chance(0x1000);
	case PLANT_WRONG_HEAP:
		return !strcmp(func, "kgo_alarm_lock") && sim_chance(0x4000);
	}
	return false;
}

bool sim_plant_drop_ready(const char *func)
{
	switch (sim_plant) {
	case PLANT_SKIPPED_CLOSE:
		return !strcmp(func, "kgo_chan_close") && sim_chance(0x8000);
	case PLANT_LOST_FINALIZER:
		return !strcmp(func, "unlock_and_wake") && sim_chance(0x4000);
	case PLANT_LOST_THEN:
		return !strcmp(func, "begin_chan") && sim_chance(0x4000);
	}
	return false;
}

bool sim_plant_no_lock(const char *func)
{
	if (sim_plant == PLANT_TWO_WINNERS)
		return !strcmp(func, "kgo_select_decide");
	return sim_plant == PLANT_WAKER_UNLOCKED && !strcmp(func, "kgo_ready");
}

bool sim_plant_stay_queued(const char *func)
{
	return sim_plant == PLANT_STAYS_QUEUED && !strcmp(func, "take_back");
}

u32 sim_plant_count(u32 nr_threads)
{
	return sim_plant == PLANT_EARLY_DEADLOCK ? S.arb.nr_ms : nr_threads;
}
