// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Two more files of the core that are compiled here instead of by themselves,
 * see peek.c: a planted bug can drop a kgo_g_ready() of theirs.
 */
#include "sim.h"

#define kgo_g_ready(g)							\
	do {								\
		struct kgo_g *sim_g_ = (g);				\
									\
		if (!(sim_plant && sim_plant_drop_ready(__func__)))	\
			kgo_g_ready(sim_g_);				\
	} while (0)
#include "cont.c"
#define run run_finalizer
#include "finalizer.c"
