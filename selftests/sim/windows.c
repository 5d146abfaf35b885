// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Two more files of the core that are compiled here instead of by themselves,
 * see peek.c: a planted bug can drop a kgo_g_ready() of theirs.
 */
#include "drop_ready.h"

#include "cont.c"
#define run run_finalizer
#include "finalizer.c"
