// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The one runtime of this world, and the Ms and Ps when they are new.
 */
#include "context.h"

struct kgo_rt kgo_rt;

static u32 gcd(u32 a, u32 b)
{
	while (b) {
		u32 t = a % b;

		a = b;
		b = t;
	}
	return a;
}

/**
 * kgo_rt_init() - Set the runtime up over its shared regions
 * @r: the runtime page; nr_ps, nr_ms and nr_gs_max are set
 * @p_base: zeroed P records, KGO_P_STRIDE apart
 * @m_base: zeroed M records, KGO_M_STRIDE apart
 *
 * CONTEXT: once, before any M; may sleep.
 * Return: 0, or -EINVAL for a runtime page without Ps.
 */
int kgo_rt_init(struct kgo_rdesc *r, void *p_base, void *m_base)
{
	const u32 max_steps = sizeof(kgo_rt.steal_step) / sizeof(u32);
	u32 i;

	if (!r->nr_ps || !r->nr_ms || r->nr_gs_max < 2)
		return -EINVAL;
	kgo_rt.r = r;
	kgo_rt.p_base = p_base;
	kgo_rt.m_base = m_base;
	kgo_rt.nr_ps = r->nr_ps;
	kgo_rt.nr_on = r->nr_ps;
	kgo_rt.nr_ms = r->nr_ms;
	kgo_rt.nr_gs_max = r->nr_gs_max;
	port_lock_init(&kgo_rt.gq_lock);
	port_lock_init(&kgo_rt.gfree_lock);
	kgo_addrq_init();
	kgo_group_init();
	kgo_quiesce_init();
	kgo_ctx_init();
	kgo_finalizer_init();

	/*
	 * Strides that are coprime to the number of Ps visit each P once, in
	 * an order that no two thieves share for long (as Go's stealOrder).
	 */
	kgo_rt.nr_steal_steps = 0;
	for (i = 1; i <= r->nr_ps && kgo_rt.nr_steal_steps < max_steps; i++)
		if (gcd(i, r->nr_ps) == 1)
			kgo_rt.steal_step[kgo_rt.nr_steal_steps++] = i;

	for (i = 0; i < r->nr_ps; i++) {
		struct kgo_p *p = kgo_p_at(i);

		p->index = i;
		port_lock_init(&p->timers.lock);
	}
	r->nr_gs = 1;		/* descriptor 0 means "none" */
	return 0;
}

/**
 * kgo_rt_destroy() - Free what the runtime allocated for itself
 *
 * CONTEXT: no M, and nobody who would call, is left; may sleep.
 */
void kgo_rt_destroy(void)
{
	u32 i;

	kgo_ctx_exit();
	kgo_cont_destroy();
	for (i = 1; i < port_load(&kgo_rt.r->nr_gs); i++) {
		port_free(port_g(i)->x);
		port_g(i)->x = NULL;
	}
	for (i = 0; i < kgo_rt.nr_ps; i++) {
		port_free(kgo_p_at(i)->timers.mem);
		kgo_p_at(i)->timers.heap = NULL;
		kgo_p_at(i)->timers.mem = NULL;
	}
	kgo_locals_destroy();
	kgo_sup_destroy();
	kgo_rt.r = NULL;
}

/**
 * kgo_m_init() - Set up an M's record
 * @m: zeroed but for what the arbiter wrote
 * @index: its index
 *
 * CONTEXT: the thread itself, before kgo_m_main() or kgo_m_run_one().
 */
void kgo_m_init(struct kgo_m *m, u32 index)
{
	m->index = index;
	m->spinning = false;
	m->keeper = false;
	m->fresh = true;
	m->naps = 0;
	m->seen_ticks = 0;
	m->post = KGO_POST_NONE;
	m->lock_binds = false;
	m->retires = false;
	m->chains = false;
	m->locks = 0;
	m->curg = NULL;
	m->prev = NULL;
	m->wait_on = NULL;
	m->then = NULL;
	m->next = NULL;
	m->d.curg = KGO_NO_G;
	m->rand = port_seed() | 1;
}
