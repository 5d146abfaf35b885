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
	PLANT_NO_RETRY,		/* kgo_wakep() does not try again */
	PLANT_TWO_OWNERS,	/* a P word moved without compare-and-swap */
	PLANT_STOLEN_RUNNEXT,	/* runnext stolen without compare-and-swap */
	PLANT_DOUBLE_RUN,	/* likewise the head of the run queue */
	PLANT_SKIPPED_CLOSE,	/* close forgets a waiter */
	PLANT_LOST_KEEPER,	/* nobody watches timers */
	PLANT_SEMA_HINT,	/* a semaphore's hint of waiters is stale */
	PLANT_TWO_WINNERS,	/* a select decided without its lock */
	PLANT_STAYS_QUEUED,	/* a select that leaves its waiters behind */
	NR_PLANTS
};

const char *const plant_names[] = {
	"none", "lost-wake", "lost-wake-park", "no-retry", "two-owners",
	"stolen-runnext", "double-run", "skipped-close", "lost-keeper",
	"sema-hint", "two-winners", "stays-queued", NULL
};

/* Where each shows soonest. */
static const char *const shows_in[] = {
	NULL, "outside", "spawn", "hog", "block", "yield", "yield", "close",
	"sleep", "mutex", "select", "select"
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
	}
	return false;
}

/* Is something else to be read than what is there? */
bool sim_plant_load(const char *func, const volatile void *addr, u64 *val)
{
	const struct kgo_rdesc *r = kgo_rt.r;

	*val = 0;
	switch (sim_plant) {
	case PLANT_NO_RETRY:
		return addr == &r->nr_spare && !strcmp(func, "kgo_wakep");
	case PLANT_LOST_KEEPER:
		*val = 1;
		return addr == &r->keeper_when;
	case PLANT_SEMA_HINT:
		return !strcmp(func, "kgo_sema_release") && sim_chance(0x1000);
	}
	return false;
}

bool sim_plant_drop_ready(const char *func)
{
	return sim_plant == PLANT_SKIPPED_CLOSE &&
	       !strcmp(func, "kgo_chan_close") && sim_chance(0x8000);
}

bool sim_plant_no_lock(const char *func)
{
	return sim_plant == PLANT_TWO_WINNERS &&
	       !strcmp(func, "kgo_select_decide");
}

bool sim_plant_stay_queued(const char *func)
{
	return sim_plant == PLANT_STAYS_QUEUED && !strcmp(func, "take_back");
}
