/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The names of states and wait reasons, as Go prints them.
 */
#ifndef KGO_CORE_NAMES_H
#define KGO_CORE_NAMES_H

#include "port.h"

/**
 * kgo_state_name() - Name of a state
 * @state: enum kgo_gstate, without %KGO_G_SCAN
 *
 * CONTEXT: any.  Return: NULL if there is no such state.
 */
const char *kgo_state_name(u32 state);

/**
 * kgo_reason_name() - Name of a wait reason
 * @reason: enum kgo_wait_reason
 *
 * CONTEXT: any.  Return: NULL if there is no such reason; an empty string for
 * %KGO_WAIT_NONE.
 */
const char *kgo_reason_name(u32 reason);

#endif
