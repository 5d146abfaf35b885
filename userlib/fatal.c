// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The last words of a program.
 *
 * One thread says them and ends the process.  Others that come to an end of
 * their own meanwhile wait for that, so that texts do not mix.
 */
#include "user.h"

#include <stdlib.h>
#include <unistd.h>

static u32 fatal_by;		/* A: tid of who ends the process, or 0 */

/* Called again by the same thread it does not return: what it does failed. */
static void begin(void)
{
	u32 tid = (u32)gettid();

	if (port_cas(&fatal_by, 0, tid))
		return;
	if (port_load(&fatal_by) == tid)
		_exit(2);
	for (;;)
		pause();
}

/** kgo_is_fatal() - Whether somebody is saying the last words */
bool kgo_is_fatal(void)
{
	return port_load(&fatal_by);
}

static void out_value(struct kgo_out *o, const struct kgo_panic *p)
{
	if (p->kind == KGO_PANIC_VALUE) {
		kgo_out_str(o, "(void *) ");
		kgo_out_hex(o, (u64)p->value);
	} else {
		kgo_out_str(o, p->value);
	}
}

/* The oldest first; what kgo_exit() has no value is not told. */
static void out_panics(struct kgo_out *o, struct kgo_panic *newest)
{
	struct kgo_panic *p;
	bool first = true;
	u32 n = 0;

	while (kgo_panic_nth(newest, n))
		n++;
	while (n--) {
		p = kgo_panic_nth(newest, n);
		if (p->kind == KGO_PANIC_NONE)
			continue;
		kgo_out_str(o, first ? "panic: " : "\tpanic: ");
		out_value(o, p);
		kgo_out_str(o, p->recovered ? " [recovered]\n" : "\n");
		first = false;
	}
}

void port_unrecovered(struct kgo_panic *p)
{
	struct kgo_out o = { .fd = STDERR_FILENO };

	begin();
	out_panics(&o, p);
	/* It stands, even if the traceback fails. */
	kgo_out_flush(&o);
	kgo_out_self(&o, p->from, KGO_OUT_STACK);
	kgo_out_flush(&o);
	_exit(2);
}

void port_panic(const char *msg)
{
	struct kgo_out o = { .fd = STDERR_FILENO };

	begin();
	kgo_out_str(&o, "panic: ");
	kgo_out_str(&o, msg);
	kgo_out_str(&o, "\n\nthread that is no goroutine\n");
	kgo_out_flush(&o);
	_exit(2);
}

static void out_error(struct kgo_out *o, const char *msg)
{
	kgo_out_str(o, "fatal error: ");
	kgo_out_str(o, msg);
	kgo_out_str(o, "\n");
	kgo_out_flush(o);
}

void port_deadlock(const char *msg)
{
	struct kgo_out o = { .fd = STDERR_FILENO };

	begin();
	out_error(&o, msg);
	kgo_out_self(&o, __builtin_frame_address(0),
		     KGO_OUT_STACK | KGO_OUT_OTHERS);
	kgo_out_flush(&o);
	_exit(2);
}

static void last_words(const char *msg)
{
	struct kgo_out o = { .fd = STDERR_FILENO };

	begin();
	out_error(&o, msg);
	if (kgo_self_g())
		kgo_out_self(&o, __builtin_frame_address(0), KGO_OUT_STACK);
	kgo_out_flush(&o);
}

void port_fatal(const char *msg)
{
	last_words(msg);
	_exit(2);
}

void port_throw(const char *msg)
{
	last_words(msg);
	abort();
}
