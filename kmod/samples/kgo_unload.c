// SPDX-License-Identifier: GPL-2.0
/*
 * A module that may be unloaded at any moment, whatever its goroutines do then.
 *
 * They do all there is: run, wait to run, park in each primitive and on each
 * side of it, sleep as any kernel code may, wait without a stack, panic and
 * recover, are started by others, by timers and by an interrupt, and have objects
 * finalized.  All belong to one client, so that there is nothing to remember
 * about any of them: the exit ends them by kgo_client_exit(), and only then
 * frees what they used.
 *
 *   - Who waits for something that may never come waits for the context too.
 *   - What has no context to wait for (locks, kernel channels) is ended by who
 *     would end it anyhow: a lock by its holder, a channel by its closer.
 *   - What starts others from outside (the interrupt) is refused once the client
 *     has ended, and is stopped before its memory goes.
 *   - Timers and finalizers run code of the module without being in the client.
 *     A goroutine of the client stops and drains them, as its last.
 *
 *	insmod kgo_unload.ko; rmmod kgo_unload		# as often as you like
 *
 * panic=1 has one panic without a recovery, which fails the client: all end then,
 * before the exit.  fail=1 has the init fail when all of that runs.  With stray=1
 * one more goroutine is in no client: rmmod is refused until it is let go,
 *
 *	echo 0 >/sys/module/kgo_unload/parameters/stray
 */
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/kgo.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "../compat.h"

#define RESERVED	16
#define TICK		(200 * NSEC_PER_USEC)
#define OBJECTS		8

static bool has_panic;
module_param_named(panic, has_panic, bool, 0444);
MODULE_PARM_DESC(panic, "Let one goroutine panic without a recovery (0)");

static bool fail;
module_param(fail, bool, 0444);
MODULE_PARM_DESC(fail, "Let the init fail, at its end (0)");

struct object {
	struct kgo_obj	obj;
};

static struct {
	struct kgo_client	client;
	struct kgo_chan		*none;		/* nothing is ever sent on it */
	struct kgo_chan		*ping;
	struct kgo_kchan	*kc;
	struct kgo_mutex	mu;
	struct kgo_wg		wg;		/* ends when the context does */
	struct kgo_wg		all;		/* those that the janitor waits for */
	struct kgo_reserve	reserve;
	struct hrtimer		tick;
	struct kgo_timer	timer;
	struct kgo_waker	stray;
	bool			stopping;	/* the timer is not to be set again */
	struct kgo_mutex	timing;

	atomic_t		begun;		/* goroutines of the client */
	atomic_t		ended;
	atomic_t		objects;	/* not finalized yet */
} u;

static bool done(void)
{
	return kgo_ctx_err(kgo_client_ctx(&u.client));
}

static void ended(void *arg)
{
	atomic_inc(&u.ended);
}

/* Start one of the client, counted until its body has returned. */
static int start_attr(void (*fn)(void *), const struct kgo_attr *attr)
{
	int ret;

	atomic_inc(&u.begun);
	ret = kgo_client_go_at(KGO_SITE(NULL), &u.client, fn, NULL, attr);
	if (ret)
		atomic_dec(&u.begun);
	return ret;
}

/*
 * Bodies
 */

/* Runs, or waits to run. */
static void spin(void *arg)
{
	kgo_defer(ended, NULL);
	while (!done())
		kgo_yield();
}

static void in_recv(void *arg)
{
	kgo_defer(ended, NULL);
	kgo_chan_recv(kgo_ctx_done(kgo_client_ctx(&u.client)), NULL);
}

static void in_select(void *arg)
{
	struct kgo_case cases[] = {
		KGO_RECV(u.none, NULL),
		KGO_SEND(u.none, NULL),
		KGO_RECV(kgo_ctx_done(kgo_client_ctx(&u.client)), NULL),
	};

	kgo_defer(ended, NULL);
	/* It may get a value of itself's twin: they are two who do this. */
	while (kgo_select(cases, ARRAY_SIZE(cases)) != 2)
		;
}

static void ping_pong(void *arg)
{
	struct kgo_case cases[] = {
		KGO_RECV(u.ping, NULL),
		KGO_RECV(kgo_ctx_done(kgo_client_ctx(&u.client)), NULL),
	};

	kgo_defer(ended, NULL);
	for (;;) {
		kgo_chan_try_send(u.ping, NULL);
		if (kgo_select(cases, ARRAY_SIZE(cases)))
			return;
	}
}

static void in_sleep(void *arg)
{
	kgo_defer(ended, NULL);
	while (!done())
		kgo_sleep((get_random_u32() & 0xfffff) + 1);
}

/* Sleeps as any code may: its processor goes on without it. */
static void in_msleep(void *arg)
{
	kgo_defer(ended, NULL);
	while (!done())
		usleep_range(100, 3000);
}

static void holds_lock(void *arg)
{
	kgo_defer(ended, NULL);
	kgo_mutex_lock(&u.mu);
	kgo_chan_recv(kgo_ctx_done(kgo_client_ctx(&u.client)), NULL);
	kgo_mutex_unlock(&u.mu);
}

static void in_lock(void *arg)
{
	kgo_defer(ended, NULL);
	kgo_mutex_lock(&u.mu);
	kgo_mutex_unlock(&u.mu);
}

static void holds_wg(void *arg)
{
	kgo_defer(ended, NULL);
	kgo_chan_recv(kgo_ctx_done(kgo_client_ctx(&u.client)), NULL);
	kgo_wg_done(&u.wg);
}

static void in_wg(void *arg)
{
	kgo_defer(ended, NULL);
	kgo_wg_wait(&u.wg);
}

static void closes_kchan(void *arg)
{
	kgo_defer(ended, NULL);
	kgo_chan_recv(kgo_ctx_done(kgo_client_ctx(&u.client)), NULL);
	kgo_kchan_close(u.kc);
}

static void in_kchan(void *arg)
{
	char c;

	kgo_defer(ended, NULL);
	while (kgo_kchan_recv(u.kc, &c, 1) >= 0)
		;
}

static void to_kchan(void *arg)
{
	kgo_defer(ended, NULL);
	while (!kgo_kchan_send(u.kc, "x", 1))
		kgo_yield();
}

static void locked_to_thread(void *arg)
{
	kgo_defer(ended, NULL);
	kgo_lock_os_thread();
	in_sleep(arg);
	atomic_dec(&u.ended);
}

static void recovers(void *arg)
{
	kgo_recover();
}

static void panics_on(void *arg)
{
	kgo_defer(ended, NULL);
	while (!done()) {
		KGO_SCOPE {
			kgo_defer(recovers, NULL);
			kgo_panic("on purpose, and recovered");
		}
		kgo_yield();
	}
}

static void panics_once(void *arg)
{
	kgo_defer(ended, NULL);
	kgo_panic("on purpose");
}

static void child(void *arg)
{
	kgo_defer(ended, NULL);
	kgo_yield();
}

/* One that has just been born, at any moment. */
static void bears(void *arg)
{
	kgo_defer(ended, NULL);
	while (!done()) {
		if (start_attr(child, NULL))
			return;
		kgo_yield();
	}
}

static void bare_sleep(void *arg, int ret)
{
	if (ret < 0 || done())
		ended(NULL);
	else
		kgo_sleep_then(NSEC_PER_MSEC, bare_sleep, arg);
}

static void bare_sleeps(void *arg)
{
	bare_sleep(arg, 0);
}

static void bare_end(void *arg, int ret)
{
	ended(NULL);
}

static void bare_recv(void *arg)
{
	kgo_chan_recv_then(kgo_ctx_done(kgo_client_ctx(&u.client)), NULL, bare_end, NULL);
}

static void bare_done(void *arg)
{
	kgo_ctx_done_then(kgo_client_ctx(&u.client), bare_end, NULL);
}

static void bare_wg(void *arg)
{
	kgo_wg_wait_then(&u.wg, bare_end, NULL);
}

static void bare_locked(void *arg, int ret)
{
	if (!ret)
		kgo_mutex_unlock(&u.mu);
	ended(NULL);
}

static void bare_lock(void *arg)
{
	kgo_mutex_lock_then(&u.mu, bare_locked, NULL);
}

static void (*const bodies[])(void *) = {
	spin, spin, in_recv, in_select, in_select, ping_pong, ping_pong, in_sleep,
	in_msleep, holds_lock, in_lock, in_lock, holds_wg, in_wg, closes_kchan,
	in_kchan, to_kchan, locked_to_thread, panics_on, bears,
};

static void (*const bare_bodies[])(void *) = {
	bare_sleeps, bare_recv, bare_done, bare_wg, bare_lock,
};

/*
 * What is in no client: timers and finalizers
 */

static void on_timer(void *arg)
{
	kgo_mutex_lock(&u.timing);
	if (!u.stopping)
		kgo_after_func(&u.timer, NSEC_PER_MSEC, on_timer, NULL);
	kgo_mutex_unlock(&u.timing);
}

static void finalize(struct kgo_obj *obj)
{
	kfree(container_of(obj, struct object, obj));
	atomic_dec(&u.objects);
}

static void makes_objects(void *arg)
{
	struct object *o;
	int i;

	kgo_defer(ended, NULL);
	while (!done()) {
		for (i = 0; i < OBJECTS; i++) {
			o = kzalloc(sizeof(*o), GFP_KERNEL);
			if (!o || kgo_obj_init(&o->obj, finalize)) {
				kfree(o);
				continue;
			}
			atomic_inc(&u.objects);
			kgo_obj_put(&o->obj);
		}
		kgo_sleep(NSEC_PER_MSEC);
	}
	kgo_wg_done(&u.all);
}

/* The last of them: nothing starts again behind it. */
static void janitor(void *arg)
{
	kgo_defer(ended, NULL);
	kgo_chan_recv(kgo_ctx_done(kgo_client_ctx(&u.client)), NULL);
	kgo_mutex_lock(&u.timing);
	u.stopping = true;
	kgo_timer_stop(&u.timer);
	kgo_mutex_unlock(&u.timing);
	kgo_wg_wait(&u.all);
	kgo_finalizer_drain();
}

/* CONTEXT: hard interrupt. */
static enum hrtimer_restart on_tick(struct hrtimer *tick)
{
	atomic_inc(&u.begun);
	if (kgo_client_go_reserved(&u.client, &u.reserve, child, NULL))
		atomic_dec(&u.begun);
	kgo_kchan_try_send(u.kc, "i", 1);
	hrtimer_forward_now(tick, ns_to_ktime(TICK));
	return HRTIMER_RESTART;
}

static void in_stray(void *arg)
{
	kgo_park(&u.stray);
}

static int set_stray(const char *val, const struct kernel_param *kp)
{
	bool was = *(bool *)kp->arg;
	int ret = param_set_bool(val, kp);

	if (!ret && was && !*(bool *)kp->arg)
		kgo_ready(&u.stray);
	return ret;
}

static const struct kernel_param_ops stray_ops = {
	.set = set_stray,
	.get = param_get_bool,
};

static bool stray;
module_param_cb(stray, &stray_ops, &stray, 0600);
MODULE_PARM_DESC(stray, "A goroutine that is in no client, until it is set to 0 (0)");

/* In a goroutine, which is what may set a timer. */
static int start(void *arg)
{
	const struct kgo_attr bare = { .flags = KGO_ATTR_STACKLESS };
	u32 i;
	int ret;

	kgo_wg_add(&u.wg, 1);
	kgo_wg_add(&u.all, 1);
	ret = kgo_after_func(&u.timer, NSEC_PER_MSEC, on_timer, NULL);
	if (!ret)
		ret = start_attr(janitor, NULL);
	if (ret)
		return ret;
	if (start_attr(makes_objects, NULL))
		kgo_wg_done(&u.all);
	for (i = 0; i < ARRAY_SIZE(bodies); i++) {
		ret = start_attr(bodies[i], NULL);
		if (ret && bodies[i] == holds_wg)
			kgo_wg_done(&u.wg);
		if (ret && bodies[i] == closes_kchan)
			kgo_kchan_close(u.kc);
	}
	for (i = 0; i < ARRAY_SIZE(bare_bodies); i++)
		start_attr(bare_bodies[i], &bare);
	if (has_panic)
		start_attr(panics_once, NULL);
	return 0;
}

/* At any moment: the first goroutines may be there, or the last. */
static void some_time(void)
{
	udelay(get_random_u32() & 0x1ff);
	if (get_random_u32() & 1)
		usleep_range(1, 1 + (get_random_u32() & 0x3fff));
}

static void stop(void)
{
	some_time();
	kgo_client_exit(&u.client);
	/* Until here it was refused. */
	hrtimer_cancel(&u.tick);
	WARN(atomic_read(&u.begun) != atomic_read(&u.ended),
	     "kgo_unload: %d begun, %d ended\n", atomic_read(&u.begun),
	     atomic_read(&u.ended));
	WARN_ON(atomic_read(&u.objects));
	kgo_reserve_destroy(&u.reserve);
	kgo_kchan_put(u.kc);
	kgo_chan_free(u.ping);
	kgo_chan_free(u.none);
}

static int __init kgo_unload_init(void)
{
	int ret;

	u.none = kgo_chan_make(0, 0);
	u.ping = kgo_chan_make(0, 1);
	u.kc = kgo_kchan_make(1, 4);
	kgo_hrtimer_setup(&u.tick, on_tick, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	ret = u.none && u.ping && u.kc ? kgo_reserve_init(&u.reserve, RESERVED) : -ENOMEM;
	if (!ret)
		ret = kgo_client_init(&u.client, THIS_MODULE);
	if (!ret) {
		hrtimer_start(&u.tick, ns_to_ktime(TICK), HRTIMER_MODE_REL_HARD);
		ret = kgo_call(start, NULL);
	}
	if (!ret && fail)
		ret = -ENODEV;
	if (!ret && stray)
		ret = kgo_go(in_stray, NULL);
	if (ret) {
		stop();
		/* What the timer has started holds no failing init up. */
		kgo_module_wait(THIS_MODULE);
	}
	return ret;
}

static void __exit kgo_unload_exit(void)
{
	stop();
}

module_init(kgo_unload_init);
module_exit(kgo_unload_exit);

MODULE_DESCRIPTION("kgo sample: a module that may go at any moment");
MODULE_LICENSE("GPL");
