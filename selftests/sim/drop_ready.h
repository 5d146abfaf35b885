/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * For a file of the core that is compiled by including it: a planted bug can
 * drop a kgo_g_ready() of it, by the name of the function that calls it.
 */
#ifndef KGO_SIM_DROP_READY_H
#define KGO_SIM_DROP_READY_H

#include "sim.h"

#define kgo_g_ready(g)							\
	do {								\
		struct kgo_g *sim_g_ = (g);				\
									\
		if (!(sim_plant && sim_plant_drop_ready(__func__)))	\
			kgo_g_ready(sim_g_);				\
	} while (0)

#endif
