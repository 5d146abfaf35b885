// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Store buffers: what a processor has written and others do not see yet.
 *
 * The core reads its own stores back by plain loads, too, so a pending store
 * stands in memory while its thread runs, and is taken out of it (store_
 * unapply()) whenever another one does.  Draining makes it stay.
 *
 * TSO: the oldest store drains first.  Weaker: any that is no release and has
 * no older one to the same address before it.
 *
 * A plain store to an address with a pending one makes that one visible, too.
 *
 * Left out: plain stores are seen at once, that is before older port_stores.
 * So a plain store that others find by a flag is never seen too late here.
 */
#include "sim.h"

static u64 get(volatile void *addr, u32 size)
{
	switch (size) {
	case 1:
		return *(volatile u8 *)addr;
	case 2:
		return *(volatile u16 *)addr;
	case 4:
		return *(volatile u32 *)addr;
	default:
		return *(volatile u64 *)addr;
	}
}

static void set(volatile void *addr, u32 size, u64 val)
{
	switch (size) {
	case 1:
		*(volatile u8 *)addr = (u8)val;
		break;
	case 2:
		*(volatile u16 *)addr = (u16)val;
		break;
	case 4:
		*(volatile u32 *)addr = (u32)val;
		break;
	default:
		*(volatile u64 *)addr = val;
	}
}

static bool newest(struct sim_thread *t, u32 i)
{
	u32 k;

	for (k = i + 1; k < t->nbuf; k++)
		if (t->buf[k].addr == t->buf[i].addr)
			return false;
	return true;
}

/* A plain store of the same thread came after those to this address. */
static void overwritten(struct sim_thread *t, volatile void *addr)
{
	u32 i, n = 0;

	for (i = 0; i < t->nbuf; i++)
		if (t->buf[i].addr != addr)
			t->buf[n++] = t->buf[i];
	t->nbuf = n;
}

void store_unapply(struct sim_thread *t)
{
	u32 i;

	for (i = t->nbuf; i--;)
		if (i < t->nbuf && newest(t, i) &&
		    get(t->buf[i].addr, t->buf[i].size) != t->buf[i].val)
			overwritten(t, t->buf[i].addr);
	i = t->nbuf;
	while (i--)
		set(t->buf[i].addr, t->buf[i].size, t->buf[i].old);
}

void store_apply(struct sim_thread *t)
{
	u32 i;

	for (i = 0; i < t->nbuf; i++) {
		struct sim_pending *s = &t->buf[i];

		s->old = get(s->addr, s->size);
		set(s->addr, s->size, s->val);
	}
}

/* Entry @i of @t becomes visible to all. */
static void drain_at(struct sim_thread *t, u32 i)
{
	if (t != S.cur)
		set(t->buf[i].addr, t->buf[i].size, t->buf[i].val);
	t->nbuf--;
	memmove(&t->buf[i], &t->buf[i + 1], (t->nbuf - i) * sizeof(t->buf[0]));
}

static bool may_pass(struct sim_thread *t, u32 i)
{
	u32 k;

	if (t->buf[i].release)
		return i == 0;
	for (k = 0; k < i; k++)
		if (t->buf[k].addr == t->buf[i].addr)
			return false;
	return true;
}

void store_drain_one(struct sim_thread *t)
{
	u32 i = 0;

	if (!t->nbuf)
		return;
	if (S.o.weaker) {
		i = sim_below(t->nbuf);
		if (!may_pass(t, i))
			i = 0;
	}
	drain_at(t, i);
}

void store_drain(struct sim_thread *t)
{
	if (t == S.cur) {
		t->nbuf = 0;
		return;
	}
	while (t->nbuf)
		drain_at(t, 0);
}

/* [@mem, @mem + @size) is about to be freed. */
void store_check_free(const char *mem, size_t size)
{
	u32 i, k;

	for (i = 0; i < SIM_MAX_THREADS; i++)
		for (k = 0; k < S.t[i].nbuf; k++)
			if ((volatile const char *)S.t[i].buf[k].addr - mem >= 0 &&
			    (volatile const char *)S.t[i].buf[k].addr - mem <
			    (ptrdiff_t)size)
				sim_fail("a store to %s is still under way when it is freed",
					 trace_addr(S.t[i].buf[k].addr));
}

/* A run was given up in the middle. */
void store_drop(void)
{
	u32 i;

	for (i = 0; i < SIM_MAX_THREADS; i++)
		S.t[i].nbuf = 0;
}

void sim_store(volatile void *addr, u32 size, u64 val, bool release)
{
	struct sim_thread *t = S.cur;
	struct sim_pending *s;

	/*
	 * A local variable is nobody else's, unless it is a lock: to leave that
	 * is a full barrier here.  (Its stack may be another's before long.)
	 */
	if (!t || memory_is_stack(addr)) {
		if (release)
			sim_full_barrier();
		set(addr, size, val);
		return;
	}
	if (t->nbuf == SIM_BUF)
		store_drain_one(t);
	s = &t->buf[t->nbuf++];
	s->addr = addr;
	s->size = size;
	s->release = release;
	s->old = get(addr, size);
	s->val = val;
	set(addr, size, val);
}

void sim_full_barrier(void)
{
	if (S.cur)
		S.cur->nbuf = 0;
}
