// SPDX-License-Identifier: GPL-2.0
/*
 * What other modules may call: the primitives of the core, and the few
 * functions that only make sense in the kernel.  And, for kgo_kunit.ko alone,
 * the inside of the core.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/export.h>
#include <linux/module.h>

#include "compat.h"
#include "core/arb.h"
#include "core/context.h"
#include "core/names.h"
#include "debugfs.h"
#include "include/linux/kgo.h"
#include "kernel.h"
#include "runtime.h"

struct kgo_call {
	int			(*fn)(void *arg);
	void			*arg;
	int			ret;
	struct completion	done;
};

static void kgo_call_done(void *arg)
{
	struct kgo_call *call = arg;

	/* The last access: the waiter's stack may be gone after it. */
	complete(&call->done);
}

static void kgo_call_body(void *arg)
{
	struct kgo_call *call = arg;

	/* The tables show whom it is for. */
	port_store(&port_self()->curg->d.fn, (u64)(unsigned long)call->fn);
	KGO_SCOPE {
		/* However it ends. */
		kgo_defer(kgo_call_done, call);
		call->ret = call->fn(call->arg);
	}
}

int kgo_call_at(const struct kgo_site *site, int (*fn)(void *arg), void *arg)
{
	const struct kgo_birth birth = { .loose = true };
	struct kgo_call call = { .fn = fn, .arg = arg, .ret = -ECANCELED };
	int ret;

	if (!fn)
		return -EINVAL;
	if (kgo_goid())
		return fn(arg);
	init_completion(&call.done);
	/* It is waited for: also in the exit of its module. */
	ret = kgo_go_birth(site, kgo_call_body, &call, &birth);
	if (ret)
		return ret;
	wait_for_completion(&call.done);
	return call.ret;
}
EXPORT_SYMBOL_GPL(kgo_call_at);

/**
 * kgo_site_hold() - See that the module of a go statement stays
 * @site: the go statement, or NULL
 *
 * CONTEXT: any.  Return: as port_hold().
 */
int kgo_site_hold(const struct kgo_site *site)
{
	struct module *owner;

	if (!site || site->reserved != KGO_SITE_OWNED)
		return 0;
	owner = container_of(site, struct kgo_owned_site, site)->owner;
	if (!owner)
		return 0;
	return try_module_get(owner) ? 1 : -ESHUTDOWN;
}

/** kgo_site_unhold() - Undo a kgo_site_hold() that returned 1.  CONTEXT: any. */
void kgo_site_unhold(const struct kgo_site *site)
{
	module_put(container_of(site, struct kgo_owned_site, site)->owner);
}

static bool kgo_module_has_goroutine(struct module *mod)
{
	struct kgo_g *g;
	u32 i, n, state;

	n = READ_ONCE(kgo_rt.r->nr_gs);
	for (i = 1; i < n; i++) {
		g = port_g(i);
		/* Pairs with kgo_g_set_state(): fn belongs to that life. */
		state = smp_load_acquire(&g->d.state) & ~KGO_G_SCAN;
		if (state == KGO_G_IDLE || state == KGO_G_DEAD)
			continue;
		if (within_module(READ_ONCE(g->d.fn), mod))
			return true;
		cond_resched();
	}
	return false;
}

void kgo_module_wait(struct module *mod)
{
	if (!kgo_rt.r)
		return;
	/* The last steps of a goroutine take microseconds. */
	while (kgo_module_has_goroutine(mod))
		usleep_range(1000, 2000);
}
EXPORT_SYMBOL_GPL(kgo_module_wait);

/* Defined in core/, which knows no modules. */
#define KGO_EXPORT(sym)	EXPORT_SYMBOL_GPL(sym)

KGO_EXPORT(kgo_go_at);
KGO_EXPORT(kgo_exit);
KGO_EXPORT(kgo_yield);
KGO_EXPORT(kgo_goid);
KGO_EXPORT(kgo_go_reserved_at);
KGO_EXPORT(kgo_reserve_init);
KGO_EXPORT(kgo_reserve_destroy);
KGO_EXPORT(kgo_sleep);
KGO_EXPORT(kgo_waker_init);
KGO_EXPORT(kgo_park);
KGO_EXPORT(kgo_park_timeout);
KGO_EXPORT(kgo_ready);
KGO_EXPORT(kgo_num_goroutine);
KGO_EXPORT(kgo_num_goroutine_all);

KGO_EXPORT(kgo_quiesce);

KGO_EXPORT(kgo_chan_make);
KGO_EXPORT(kgo_chan_free);
KGO_EXPORT(kgo_chan_send);
KGO_EXPORT(kgo_chan_recv);
KGO_EXPORT(kgo_chan_try_send);
KGO_EXPORT(kgo_chan_try_recv);
KGO_EXPORT(kgo_chan_send_timeout);
KGO_EXPORT(kgo_chan_recv_timeout);
KGO_EXPORT(kgo_chan_close);
KGO_EXPORT(kgo_chan_len);
KGO_EXPORT(kgo_chan_cap);

KGO_EXPORT(kgo_select);
KGO_EXPORT(kgo_select_try);
KGO_EXPORT(kgo_select_timeout);

KGO_EXPORT(kgo_client_ctx);
KGO_EXPORT(kgo_client_err);
KGO_EXPORT(kgo_client_exit);
KGO_EXPORT(kgo_client_fail);
KGO_EXPORT(kgo_client_go_at);
KGO_EXPORT(kgo_client_go_reserved_at);
KGO_EXPORT(kgo_client_init_at);

KGO_EXPORT(kgo_chan_recv_then);
KGO_EXPORT(kgo_chan_send_then);
KGO_EXPORT(kgo_ctx_done_then);
KGO_EXPORT(kgo_mutex_lock_then);
KGO_EXPORT(kgo_select_then);
KGO_EXPORT(kgo_select_timeout_then);
KGO_EXPORT(kgo_sleep_then);
KGO_EXPORT(kgo_wg_wait_then);
KGO_EXPORT(kgo_yield_then);

KGO_EXPORT(kgo_ctx_after_func_at);
KGO_EXPORT(kgo_ctx_after_put);
KGO_EXPORT(kgo_ctx_after_stop);
KGO_EXPORT(kgo_ctx_background);
KGO_EXPORT(kgo_ctx_cancel);
KGO_EXPORT(kgo_ctx_cause);
KGO_EXPORT(kgo_ctx_deadline);
KGO_EXPORT(kgo_ctx_done);
KGO_EXPORT(kgo_ctx_err);
KGO_EXPORT(kgo_ctx_get);
KGO_EXPORT(kgo_ctx_lost);
KGO_EXPORT(kgo_ctx_put);
KGO_EXPORT(kgo_ctx_value);
KGO_EXPORT(kgo_ctx_with_cancel_at);
KGO_EXPORT(kgo_ctx_with_deadline_at);
KGO_EXPORT(kgo_ctx_with_timeout_at);
KGO_EXPORT(kgo_ctx_with_value_at);
KGO_EXPORT(kgo_ctx_without_cancel_at);
KGO_EXPORT(kgo_defer);
KGO_EXPORT(kgo_jmp_set);
KGO_EXPORT(kgo_panic);
KGO_EXPORT(kgo_panic_value);
KGO_EXPORT(kgo_recover);
KGO_EXPORT(kgo_recover_kind);
KGO_EXPORT(kgo_scope_enter);
KGO_EXPORT(kgo_scope_leave);

KGO_EXPORT(kgo_mutex_lock);
KGO_EXPORT(kgo_mutex_try_lock);
KGO_EXPORT(kgo_mutex_unlock);

KGO_EXPORT(kgo_rwmutex_lock);
KGO_EXPORT(kgo_rwmutex_try_lock);
KGO_EXPORT(kgo_rwmutex_unlock);
KGO_EXPORT(kgo_rwmutex_rlock);
KGO_EXPORT(kgo_rwmutex_try_rlock);
KGO_EXPORT(kgo_rwmutex_runlock);

KGO_EXPORT(kgo_cond_wait);
KGO_EXPORT(kgo_cond_signal);
KGO_EXPORT(kgo_cond_broadcast);

KGO_EXPORT(kgo_once_do);

KGO_EXPORT(kgo_after_func_at);
KGO_EXPORT(kgo_timer_new);
KGO_EXPORT(kgo_timer_c);
KGO_EXPORT(kgo_timer_stop);
KGO_EXPORT(kgo_timer_reset);
KGO_EXPORT(kgo_timer_free);
KGO_EXPORT(kgo_ticker_new);
KGO_EXPORT(kgo_ticker_c);
KGO_EXPORT(kgo_ticker_stop);
KGO_EXPORT(kgo_ticker_reset);
KGO_EXPORT(kgo_ticker_free);

KGO_EXPORT(kgo_wg_add);
KGO_EXPORT(kgo_wg_done);
KGO_EXPORT(kgo_wg_go_at);
KGO_EXPORT(kgo_wg_go_attr_at);
KGO_EXPORT(kgo_wg_wait);

KGO_EXPORT(kgo_pool_get);
KGO_EXPORT(kgo_pool_put);
KGO_EXPORT(kgo_pool_trim);
KGO_EXPORT(kgo_pool_destroy);

KGO_EXPORT(kgo_flight_do);
KGO_EXPORT(kgo_flight_do_chan_at);
KGO_EXPORT(kgo_flight_forget);

KGO_EXPORT(kgo_semaphore_init);
KGO_EXPORT(kgo_semaphore_acquire);
KGO_EXPORT(kgo_semaphore_try_acquire);
KGO_EXPORT(kgo_semaphore_release);

KGO_EXPORT(kgo_errgroup_with_context);
KGO_EXPORT(kgo_errgroup_set_limit);
KGO_EXPORT(kgo_errgroup_go_at);
KGO_EXPORT(kgo_errgroup_go_attr_at);
KGO_EXPORT(kgo_errgroup_try_go_at);
KGO_EXPORT(kgo_errgroup_try_go_attr_at);
KGO_EXPORT(kgo_errgroup_fail);
KGO_EXPORT(kgo_errgroup_wait);

KGO_EXPORT(kgo_now);

KGO_EXPORT(kgo_synctest_run_at);
KGO_EXPORT(kgo_synctest_wait);
KGO_EXPORT(kgo_obj_init_at);
KGO_EXPORT(kgo_obj_get);
KGO_EXPORT(kgo_obj_put);
KGO_EXPORT(kgo_finalizer_drain);
KGO_EXPORT(kgo_finalizer_stats);

KGO_EXPORT(kgo_set_labels);
KGO_EXPORT(kgo_label);
KGO_EXPORT(kgo_do_labels);
KGO_EXPORT(kgo_local_key_create);
KGO_EXPORT(kgo_local_key_delete);
KGO_EXPORT(kgo_local_set);
KGO_EXPORT(kgo_local_get);

KGO_EXPORT(kgo_sup_new);
KGO_EXPORT(kgo_sup_put);
KGO_EXPORT(kgo_sup_add);
KGO_EXPORT(kgo_sup_run);
KGO_EXPORT(kgo_sup_start);
KGO_EXPORT(kgo_sup_wait);
KGO_EXPORT(kgo_sup_stop);
KGO_EXPORT(kgo_sup_starts);
KGO_EXPORT(kgo_sup_panic);

KGO_EXPORT(kgo_lock_os_thread);
KGO_EXPORT(kgo_unlock_os_thread);

#if IS_ENABLED(CONFIG_KUNIT)
KGO_EXPORT_TEST(kgo_rt);
KGO_EXPORT_TEST(kgo_kernel_g);
KGO_EXPORT_TEST(kgo_kernel_runtime);
KGO_EXPORT_TEST(kgo_might_park_hook);
#if defined(CONFIG_DEBUG_ATOMIC_SLEEP) || defined(CONFIG_PROVE_LOCKING)
KGO_EXPORT_TEST(kgo_might_park_again);
#endif
KGO_EXPORT_TEST(kgo_kthreads_fail);
KGO_EXPORT_TEST(kgo_procs_freeze);
KGO_EXPORT_TEST(kgo_procs_thaw);
KGO_EXPORT_TEST(kgo_throw_hook);
KGO_EXPORT_TEST(kgo_panic_hook);
KGO_EXPORT_TEST(kgo_panic_nth);
KGO_EXPORT_TEST(kgo_this_m);
KGO_EXPORT_TEST(port_throw);

KGO_EXPORT_TEST(kgo_runtime_create);
KGO_EXPORT_TEST(kgo_runtime_put);
KGO_EXPORT_TEST(kgo_thread_attach);
KGO_EXPORT_TEST(kgo_thread_detach);

KGO_EXPORT_TEST(kgo_state_name);
KGO_EXPORT_TEST(kgo_reason_name);

KGO_EXPORT_TEST(arb_init);
KGO_EXPORT_TEST(arb_destroy);
KGO_EXPORT_TEST(arb_m_init);
KGO_EXPORT_TEST(arb_join);
KGO_EXPORT_TEST(arb_dead);
KGO_EXPORT_TEST(arb_block);
KGO_EXPORT_TEST(arb_unblock);
KGO_EXPORT_TEST(arb_use);
KGO_EXPORT_TEST(arb_handoff);
KGO_EXPORT_TEST(arb_acquire);
KGO_EXPORT_TEST(arb_release);
KGO_EXPORT_TEST(arb_wake);
KGO_EXPORT_TEST(arb_park);
KGO_EXPORT_TEST(arb_granted);
KGO_EXPORT_TEST(arb_unpark);
KGO_EXPORT_TEST(arb_leave);
KGO_EXPORT_TEST(arb_p_has_work);
KGO_EXPORT_TEST(arb_slice_is_over);
KGO_EXPORT_TEST(arb_can_give_way);

KGO_EXPORT_TEST(kgo_batches_put);
KGO_EXPORT_TEST(kgo_batches_get);
KGO_EXPORT_TEST(kgo_g_new);
KGO_EXPORT_TEST(kgo_g_free);
KGO_EXPORT_TEST(kgo_go_system);
KGO_EXPORT_TEST(kgo_num_ended);
KGO_EXPORT_TEST(kgo_group_enter);
KGO_EXPORT_TEST(kgo_group_has);
KGO_EXPORT_TEST(kgo_group_leave);
KGO_EXPORT_TEST(kgo_start);
KGO_EXPORT_TEST(kgo_wakep_slow);
KGO_EXPORT_TEST(kgo_runq_put);
KGO_EXPORT_TEST(kgo_runq_get);
KGO_EXPORT_TEST(kgo_runq_empty);
KGO_EXPORT_TEST(kgo_runq_steal);
KGO_EXPORT_TEST(kgo_globq_put);
KGO_EXPORT_TEST(kgo_globq_put_all);
KGO_EXPORT_TEST(kgo_globq_get);
KGO_EXPORT_TEST(kgo_enter_sched_slow);
KGO_EXPORT_TEST(kgo_timers_run);
KGO_EXPORT_TEST(kgo_gdesc_read);
KGO_EXPORT_TEST(kgo_gdesc_state);
KGO_EXPORT_TEST(kgo_show_wait_site);
KGO_EXPORT_TEST(kgo_alarm_start);
KGO_EXPORT_TEST(kgo_alarm_stop);
KGO_EXPORT_TEST(kgo_ctx_read_begin);
KGO_EXPORT_TEST(kgo_ctx_read_next);
KGO_EXPORT_TEST(kgo_ctx_read_end);
KGO_EXPORT_TEST(kgo_sema_acquire);
KGO_EXPORT_TEST(kgo_sema_release);
#endif
