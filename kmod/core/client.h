/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What client.c offers to the rest of the core.
 */
#ifndef KGO_CORE_CLIENT_H
#define KGO_CORE_CLIENT_H

#include "core.h"

int kgo_client_join(struct kgo_client *cl, struct kgo_gx *x);
void kgo_client_quit(struct kgo_gx *x);

/* context.c: kgo_ctx_cancel(); what it starts belongs to the client. */
int kgo_ctx_cancel_for(struct kgo_ctx *ctx, int cause, struct kgo_client *cl);

#endif
