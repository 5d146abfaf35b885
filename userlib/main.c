// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Starting the runtime, and the two ways into it.
 *
 *   NONE ----> STARTED ----> FORKED    (in a child of fork() only)
 *
 * A runtime is started once in a process and lives as long as it: goroutines
 * go on between two calls of kgo_run().
 */
#include "backend.h"
#include "san.h"
#include "task.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PANIC_NAP_NS	300000LL

#define MAX_PROCS	1024U

enum rt_state {
	RT_NONE,
	RT_STARTED,
	RT_FORKED,
};

static u32 rt_state;		/* A: enum rt_state; changed with start_lock */
static u32 rt_busy;		/* A: a main goroutine runs */
static pthread_mutex_t start_lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * What a thread is in a child of fork(): an M without a P that runs no
 * goroutine of this world, so that every way into the runtime ends in
 * port_enter(), which knows.
 */
static struct kgo_m forked_m;
static struct kgo_g forked_g;

static void in_child(void)
{
	if (port_load(&rt_state) != RT_STARTED)
		return;
	port_store(&rt_state, RT_FORKED);
	kgo_alone_forked();
	port_store(&rt_busy, 0);	/* so that start() can say why not */
	kgo_rt.r = NULL;
	kgo_rt.nr_ps = 0;
	kgo_rt.ext_spawned = 0;
	kgo_rt.ext_exited = 0;
	kgo_rt.nr_system = 0;
	kgo_rt.wakers = 0;
	kgo_rt.main_gone = 0;
	if (!port_self())
		return;
	forked_m.d.p = KGO_NONE;
	forked_m.d.curg = KGO_NO_G;
	forked_m.curg = &forked_g;
	kgo_tls_self = &forked_m;
}

/** kgo_check_alive() - End a child of fork() that wants the runtime */
void kgo_check_alive(void)
{
	if (likely(port_load(&rt_state) == RT_STARTED))
		return;
	kgo_complain("goroutines do not exist in a child of fork():"
		     " call exec or _exit there");
	_exit(2);
}

/** kgo_is_forked() - Is this a child of fork(), whose parent has a runtime? */
bool kgo_is_forked(void)
{
	return port_load(&rt_state) == RT_FORKED;
}

/** kgo_lock_lost() - End a child of fork() that waits for its parent's thread */
void kgo_lock_lost(void)
{
	kgo_complain("a thread that does not exist in this child of fork() had"
		     " locked what it needs: call exec or _exit there");
	_exit(2);
}

u32 kgo_nr_cpus(void)
{
	size_t size = CPU_ALLOC_SIZE(8192);
	cpu_set_t *set = CPU_ALLOC(8192);
	int n = 0;

	if (set && !sched_getaffinity(0, size, set))
		n = CPU_COUNT_S(size, set);
	CPU_FREE(set);
	return n < 1 ? 1 : (u32)n > MAX_PROCS ? MAX_PROCS : (u32)n;
}

/* KGO_PROCS; 0 if it is not set. */
static int env_procs(u32 *nr_ps)
{
	const char *s = getenv("KGO_PROCS");
	char *end;
	long v;

	*nr_ps = 0;
	if (!s || !*s)
		return 0;
	errno = 0;
	v = strtol(s, &end, 10);
	if (errno || *end || v < 1 || v > (long)MAX_PROCS) {
		kgo_complain("KGO_PROCS is \"%s\", but must be a number from 1"
			     " to %u", s, MAX_PROCS);
		return -EINVAL;
	}
	*nr_ps = (u32)v;
	return 0;
}

static int open_one(const struct kgo_backend_ops *ops, u32 nr_ps,
		    struct kgo_regions *reg, const char **why)
{
	int ret = ops->open(nr_ps, reg, why);

	if (!ret)
		kgo_backend_ops = ops;
	return ret;
}

/* The device if it is there, else futexes; or what KGO_BACKEND says. */
static int open_backend(u32 nr_ps, struct kgo_regions *reg)
{
	const char *want = getenv("KGO_BACKEND");
	const char *why = "";
	int ret;

	if (want && !*want)
		want = NULL;
	if (want && strcmp(want, "device") && strcmp(want, "futex")) {
		kgo_complain("KGO_BACKEND is \"%s\", but must be \"device\" or"
			     " \"futex\"", want);
		return -EINVAL;
	}
	if (!want || *want == 'd') {
		ret = open_one(&kgo_backend_device, nr_ps, reg, &why);
		if (!ret)
			return 0;
		if (want) {
			kgo_complain("%s: %s, and KGO_BACKEND=device forbids"
				     " to do without", why, strerror(-ret));
			return ret;
		}
		kgo_complain("%s: %s; running on futexes: a goroutine that"
			     " blocks in a system call keeps its processor for"
			     " up to 10 ms", why, strerror(-ret));
	}
	ret = open_one(&kgo_backend_futex, nr_ps, reg, &why);
	if (ret)
		kgo_complain("%s: %s", why, strerror(-ret));
	return ret;
}

static int start_locked(void)
{
	struct kgo_regions reg;
	u32 nr_ps;
	int ret;

	ret = env_procs(&nr_ps);
	if (ret)
		return ret;
	ret = kgo_preempt_init();
	if (ret)
		return ret;
	ret = open_backend(nr_ps, &reg);
	if (ret)
		return ret;
	kgo_g_base = reg.g;
	san_root_add(reg.p, (size_t)reg.r->nr_ps * KGO_P_STRIDE);
	san_root_add(reg.m, (size_t)reg.r->nr_ms * KGO_M_STRIDE);
	san_root_add(reg.g, (size_t)reg.r->nr_gs_max * KGO_G_STRIDE);
	kgo_lock_init();
	kgo_cq_init(reg.cq);
	kgo_stack_init();
	ret = kgo_rt_init(reg.r, reg.p, reg.m);
	if (!ret)
		ret = port_g_grow(KGO_NO_G, 1);
	if (!ret)
		ret = kgo_overflow_init();
	if (!ret)
		ret = kgo_quit_init();
	if (!ret)
		ret = -pthread_atfork(NULL, NULL, in_child);
	if (!ret)
		ret = kgo_backend_ops->start();
	if (ret) {
		kgo_complain("the runtime does not start: %s", strerror(-ret));
		kgo_rt.r = NULL;
		kgo_backend_ops->close(&reg);
		kgo_backend_ops = NULL;
		return ret;
	}
	/* Where there is no membarrier() its end would be a guess. */
	kgo_alone_begin(!arch_syscall(SYS_membarrier,
				      MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
				      0, 0, 0, 0, 0));
	port_store_release(&rt_state, RT_STARTED);
	return 0;
}

/* Start the runtime if that has not been done.  Returns 0 or -errno. */
static int start(void)
{
	int ret = 0;

	if (port_load(&rt_state) == RT_FORKED) {
		kgo_complain("goroutines do not exist in a child of fork()");
		return -EPERM;
	}
	pthread_mutex_lock(&start_lock);
	if (rt_state == RT_NONE)
		ret = start_locked();
	pthread_mutex_unlock(&start_lock);
	return ret;
}

/* A main goroutine, on the stack of kgo_main() or kgo_run(). */
struct main_call {
	int	(*fn)(void *arg);
	void	*arg;
	int	ret;
};

static const struct kgo_site main_site = {
	.start = (u64)"main",
	.func = (u64)"kgo_main",
	.file = (u64)"libkgo",
};

/* Become an M and make a goroutine.  Returns 0 or -errno. */
static int enter(int (*fn)(void *), void (*body)(void *),
		 struct main_call *call, size_t stack_size,
		 struct kgo_m **m, struct kgo_g **g)
{
	int ret;

	if (!fn)
		return -EINVAL;
	if (port_self() && port_self() != &forked_m)
		return -EBUSY;
	if (port_xchg(&rt_busy, 1))
		return -EBUSY;
	ret = start();
	if (ret)
		goto idle;
	ret = kgo_m_attach(m);
	if (ret)
		goto idle;
	ret = kgo_g_new(NULL, g, body, call, stack_size, &main_site);
	if (!ret)
		return 0;
	kgo_m_detach(*m);
idle:
	port_store_release(&rt_busy, 0);
	return ret;
}

/*
 * As Go: a panic that is on its way wins over the end of main.  A yield gives
 * time only to one that is queued here; one that runs on another processor gets
 * some tenths of a second, for its deferred calls may wait for ever.
 */
static void await_panics(void)
{
	struct kgo_m *m;
	u32 i;

	for (i = 0; i < 100 && port_load(&kgo_rt.panics); i++)
		kgo_yield();
	for (i = 0; i < 1000 && port_load(&kgo_rt.panics); i++)
		kgo_sleep(PANIC_NAP_NS);
	if (!kgo_is_fatal())
		return;
	m = kgo_enter_sched();
	for (;;) {
		kgo_g_park(m, KGO_WAIT_PANIC, NULL);
		m = port_self();
	}
}

static void main_body(void *arg)
{
	struct main_call *call = arg;

	/* What it deferred outside of its own blocks runs before exit(). */
	KGO_SCOPE
		call->ret = call->fn(call->arg);
	await_panics();
	exit(call->ret);
}

int kgo_main(int (*fn)(void *arg), void *arg)
{
	struct main_call call = { .fn = fn, .arg = arg };
	struct kgo_g *g;
	struct kgo_m *m;
	int ret;

	ret = enter(fn, main_body, &call, KGO_STACK_MAIN, &m, &g);
	if (ret)
		return ret;
	kgo_rt.main_goid = g->d.goid;
	port_m_of(m)->stack_top = __builtin_frame_address(0);
	/* On this very thread, which it can keep: kgo_lock_os_thread(). */
	kgo_m_main_first(m, g);
	/*
	 * It comes back when this is one thread too many.  But this one must
	 * not end before exit(), and one that only waits for that, no M any
	 * more, would look like one that can still wake a goroutine.
	 */
	for (;;) {
		if (m->retires)
			kgo_m_rest(m);
		kgo_m_main(m);
	}
}

static void run_body(void *arg)
{
	struct main_call *call = arg;

	KGO_SCOPE
		call->ret = call->fn(call->arg);
}

int kgo_run(int (*fn)(void *arg), void *arg, int *ret)
{
	struct main_call call = { .fn = fn, .arg = arg };
	struct kgo_g *g;
	struct kgo_m *m;
	int err;

	err = enter(fn, run_body, &call, 0, &m, &g);
	if (err)
		return err;
	/* It runs on this thread's stack, see port_run(). */
	port_stack_free(g);
	kgo_m_run_one(m, g);
	kgo_m_detach(m);
	port_store_release(&rt_busy, 0);
	if (ret)
		*ret = call.ret;
	return 0;
}

/** kgo_is_main() - Is this the goroutine of kgo_main() or kgo_run()? */
bool kgo_is_main(const struct kgo_g *g)
{
	return kgo_g_fn(g) == main_body || kgo_g_fn(g) == run_body;
}

int kgo_backend(void)
{
	return kgo_backend_ops ? kgo_backend_ops->id : KGO_BACKEND_NONE;
}

const char *kgo_backend_name(void)
{
	return kgo_backend_ops ? kgo_backend_ops->name : "none";
}
