// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Threads: how one becomes an M, and how it ends to be one.
 *
 * Attaching, in this order, and back in reverse:
 *   1. memory for what the port knows (struct port_m), alternate signal stack
 *   2. a record in the M region, from the back end
 *   3. kgo_m_init(), and the thread knows itself (port_self())
 */
#include "backend.h"
#include "san.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Runs the scheduler, and signal handlers that come meanwhile.  glibc takes
 * static TLS out of it, so there is more than the scheduler needs; what is
 * never touched costs nothing.
 */
#define G0_STACK	(256UL << 10)

static u32 nr_attached;		/* A: threads that are, or are to be, Ms */

static bool reserve_m(void)
{
	if (port_add(&nr_attached, 1) <= kgo_rt.nr_ms)
		return true;
	port_add(&nr_attached, -1U);
	return false;
}

static void unreserve_m(void)
{
	port_add(&nr_attached, -1U);
}

static int attach(struct kgo_m **mp)
{
	struct port_m *pm;
	struct kgo_m *m;
	u32 index;
	int ret;

	pm = calloc(1, sizeof(*pm));
	if (!pm)
		return -ENOMEM;
	ret = kgo_altstack_set(pm);
	if (ret)
		goto free;
	ret = kgo_backend_ops->attach(&index);
	if (ret)
		goto restore;
	m = kgo_m_at(index);
	kgo_m_init(m, index);
	m->port = pm;
	san_m_init(pm);
	kgo_tls_self = m;
	*mp = m;
	return 0;
restore:
	kgo_altstack_restore(pm);
free:
	free(pm);
	return ret;
}

static void detach(struct kgo_m *m)
{
	struct port_m *pm = port_m_of(m);

	kgo_tls_self = NULL;
	m->port = NULL;
	kgo_backend_ops->detach(m);
	kgo_altstack_restore(pm);
	free(pm);
}

/**
 * kgo_m_attach() - Make the calling thread an M
 * @mp: where its record goes
 *
 * Return: 0; -EUSERS if there are too many; -ENOMEM and what the back end says.
 */
int kgo_m_attach(struct kgo_m **mp)
{
	int ret;

	if (!reserve_m())
		return -EUSERS;
	ret = attach(mp);
	if (ret)
		unreserve_m();
	return ret;
}

/** kgo_m_detach() - The calling thread, which owns no P, is an M no more */
void kgo_m_detach(struct kgo_m *m)
{
	detach(m);
	unreserve_m();
}

/*
 * libc keeps stacks of threads for others.  It gives pages below the one that
 * it stands on back to the system; the rest of what a scheduler had on that
 * stack, pointers to locks and stacks of goroutines, would mislead a proof of
 * leaks (proof.c).
 */
static noinline void clear_stack(void)
{
	volatile char old[2 * KGO_PAGE];
	size_t i;

	for (i = 0; i < sizeof(old); i++)
		old[i] = 0;
}

static void *m_thread(void *arg)
{
	struct kgo_m *m;
	char name[16];
	int ret;

	(void)arg;
	ret = attach(&m);
	if (ret) {
		kgo_complain("a new thread could not join: %s", strerror(-ret));
		/* Whoever waits for its first park need not. */
		port_store(&kgo_rt.nr_starting, 0);
		unreserve_m();
		return NULL;
	}
	kgo_preempt_thread();
	snprintf(name, sizeof(name), "kgo-m%u", m->index);
	pthread_setname_np(pthread_self(), name);
	port_m_of(m)->stack_top = __builtin_frame_address(0);
	kgo_m_main(m);
	kgo_m_detach(m);
	clear_stack();
	return NULL;
}

static int start_thread(size_t stack_size)
{
	pthread_attr_t attr;
	pthread_t thread;
	int ret;

	ret = pthread_attr_init(&attr);
	if (ret)
		return -ret;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (stack_size)
		pthread_attr_setstacksize(&attr, stack_size);
	ret = pthread_create(&thread, &attr, m_thread, NULL);
	pthread_attr_destroy(&attr);
	return -ret;
}

int port_m_start(void)
{
	int ret;

	if (!reserve_m())
		return -EUSERS;
	ret = start_thread(G0_STACK);
	if (ret == -EINVAL)		/* static TLS is larger than that */
		ret = start_thread(0);
	if (ret)
		unreserve_m();
	return ret == -EAGAIN || !ret ? ret : -ENOMEM;
}
