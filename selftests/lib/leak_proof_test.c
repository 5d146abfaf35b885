// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * kgo_leak_proof(): what it finds can never run again, and what can is not
 * found.  Channels are made by goroutines that end, so that no stack of this
 * file leads to them by chance.
 */
#include "lib_test.h"

#include <stdlib.h>
#include <sys/syscall.h>

/* Keeps a function on the stack while what it calls last waits. */
#define STAY()	__asm__ volatile("" : : : "memory")

static void waits(void *arg)
{
	kgo_chan_recv(arg, NULL);
	STAY();
}

static void sends(void *arg)
{
	void *v = NULL;

	kgo_chan_send(arg, &v);
	STAY();
}

struct play {
	void (*fn)(void *);
	void *arg;
	uint32_t over;
};

static void plays(void *arg)
{
	struct play *p = arg;

	p->fn(p->arg);
	STORE(p->over, 1);
}

/* Run a function as a goroutine, and wait until only what it left is there. */
static __attribute__((noinline)) void play(void (*fn)(void *), void *arg,
					   unsigned int left)
{
	static struct play p;

	p = (struct play){ fn, arg, 0 };
	kgo_go(plays, &p);
	yield_until(LOAD(p.over));
	if (kgo_quiesce(1 + left, -1))
		abort();
}

/*
 * A clean stack between a test's own steps and the search.  Threads that have
 * not come to rest yet, on a slow machine, are waited for.
 */
static __attribute__((noinline)) int proof(char **report)
{
	volatile char fill[8192];
	unsigned int i;
	int ret;

	for (i = 0; i < sizeof(fill); i++)
		fill[i] = 0;
	do {
		ret = kgo_leak_proof(report);
	} while (ret == -EBUSY);
	return ret;
}

#define SKIP_IF_UNSUPPORTED()						\
	do {								\
		if (kgo_leak_proof(NULL) == -EOPNOTSUPP) {		\
			_metadata->skip = 1;				\
			return;						\
		}							\
	} while (0)

static void drops(void *arg UNUSED)
{
	struct kgo_chan *c = kgo_chan_make(8, 0);

	kgo_go(waits, c);
	kgo_go(sends, kgo_chan_make(8, 0));
	yield_until(waiting("chan receive") && waiting("chan send"));
}

GO_TEST(nothing_is_proven_where_nobody_waits)
{
	SKIP_IF_UNSUPPORTED();
	EXPECT_EQ(0, proof(NULL));
}

GO_TEST(who_waits_on_what_nobody_has_is_leaked)
{
	char *report = NULL;

	SKIP_IF_UNSUPPORTED();
	play(drops, NULL, 2);
	EXPECT_EQ(2, proof(&report));
	EXPECT_TRUE(report && strstr(report, " [chan receive, "));
	EXPECT_TRUE(report && strstr(report, " [chan send, "));
	EXPECT_TRUE(report && strstr(report, "created by drops"));
	free(report);
	EXPECT_EQ(2, proof(NULL));
}

static struct kgo_chan *global;
static struct holder {
	struct kgo_chan *c;
} *volatile heap;	/* or clang sees that nobody reads it */

static void holds_global(void *arg UNUSED)
{
	global = kgo_chan_make(8, 0);
	kgo_go(waits, global);
	yield_until(waiting("chan receive"));
}

GO_TEST(a_global_variable_leads_to_it)
{
	SKIP_IF_UNSUPPORTED();
	play(holds_global, NULL, 1);
	EXPECT_EQ(0, proof(NULL));
	global = NULL;
	EXPECT_EQ(1, proof(NULL));
}

static void holds_in_heap(void *arg UNUSED)
{
	heap = malloc(sizeof(*heap));
	heap->c = kgo_chan_make(8, 0);
	kgo_go(waits, heap->c);
	yield_until(waiting("chan receive"));
}

GO_TEST(memory_of_the_heap_leads_to_it)
{
	SKIP_IF_UNSUPPORTED();
	play(holds_in_heap, NULL, 1);
	EXPECT_EQ(0, proof(NULL));
	heap->c = NULL;
	EXPECT_EQ(1, proof(NULL));
}

/* Waits for a global channel, and has another one on its stack. */
static void keeps(void *arg)
{
	struct kgo_chan *volatile c = arg;

	kgo_chan_recv(global, NULL);
	kgo_chan_close(c);
}

static void holds_on_a_stack(void *arg)
{
	struct kgo_chan *c = kgo_chan_make(8, 0);

	global = arg ? kgo_chan_make(8, 0) : NULL;
	kgo_go(waits, c);
	kgo_go(keeps, c);
	yield_until(waiting("chan receive") == 2 ||
		    waiting("chan receive (nil chan)"));
}

GO_TEST(the_stack_of_one_that_is_alive_leads_to_it)
{
	SKIP_IF_UNSUPPORTED();
	play(holds_on_a_stack, &global, 2);
	EXPECT_EQ(0, proof(NULL));
	/* And it ends as it should. */
	kgo_chan_close(global);
	EXPECT_EQ(0, kgo_quiesce(1, -1));
}

GO_TEST(the_stack_of_one_that_is_leaked_does_not)
{
	SKIP_IF_UNSUPPORTED();
	/* That one waits on a nil channel. */
	play(holds_on_a_stack, NULL, 2);
	EXPECT_EQ(2, proof(NULL));
}

struct pair {
	struct kgo_chan *a, *b;
};

static void crossed(void *arg)
{
	struct pair p = *(struct pair *)arg;
	struct kgo_chan *volatile other = p.b;

	memset(arg, 0, sizeof(p));
	kgo_chan_send((struct kgo_chan *)LOAD(p.a), NULL);
	kgo_chan_send(other, NULL);
}

static void ring(void *arg)
{
	static struct pair one, two;

	one.a = kgo_chan_make(0, 0);
	one.b = kgo_chan_make(0, 0);
	two.a = one.b;
	two.b = one.a;
	if (arg)
		global = one.a;
	kgo_go(crossed, &one);
	kgo_go(crossed, &two);
	yield_until(waiting("chan send") == 2);
}

GO_TEST(two_that_could_only_wake_each_other_are_leaked)
{
	SKIP_IF_UNSUPPORTED();
	play(ring, NULL, 2);
	EXPECT_EQ(2, proof(NULL));
}

GO_TEST(a_way_to_one_is_a_way_to_both)
{
	SKIP_IF_UNSUPPORTED();
	play(ring, &global, 2);
	EXPECT_EQ(0, proof(NULL));
	global = NULL;
	EXPECT_EQ(2, proof(NULL));
}

static void in_a_buffer(void *arg UNUSED)
{
	struct kgo_chan *c = kgo_chan_make(8, 0);

	global = kgo_chan_make(sizeof(c), 2);
	kgo_go(waits, c);
	kgo_chan_send(global, &c);
	yield_until(waiting("chan receive"));
}

GO_TEST(a_value_in_a_channel_leads_to_it)
{
	SKIP_IF_UNSUPPORTED();
	play(in_a_buffer, NULL, 1);
	EXPECT_EQ(0, proof(NULL));
}

static void locks(void *arg)
{
	kgo_mutex_lock(arg);
	STAY();
}

/* Waits for ever, or not, with a locked mutex on its stack. */
static void holds_lock(void *arg)
{
	struct kgo_mutex mu = { 0 };

	kgo_mutex_lock(&mu);
	kgo_go(locks, &mu);
	kgo_chan_recv(arg, NULL);
	kgo_mutex_unlock(&mu);
	yield_until(!waiting("sync.Mutex.Lock"));
}

static void lock_on_stack(void *arg)
{
	struct kgo_chan *c = kgo_chan_make(8, 0);

	if (arg)
		global = c;
	kgo_go(holds_lock, c);
	yield_until(waiting("sync.Mutex.Lock"));
}

GO_TEST(a_lock_on_the_stack_of_a_leaked_one_is_lost)
{
	SKIP_IF_UNSUPPORTED();
	play(lock_on_stack, NULL, 2);
	EXPECT_EQ(2, proof(NULL));
}

GO_TEST(a_lock_on_the_stack_of_one_that_is_alive_is_not)
{
	SKIP_IF_UNSUPPORTED();
	play(lock_on_stack, &global, 2);
	EXPECT_EQ(0, proof(NULL));
	kgo_chan_close(global);
	EXPECT_EQ(0, kgo_quiesce(1, -1));
}

static void waits_a_while(void *arg UNUSED)
{
	kgo_chan_recv_timeout(kgo_chan_make(8, 0), NULL, 60000 * MS);
}

static void sleeps(void *arg UNUSED)
{
	kgo_sleep(60000 * MS);
}

GO_TEST(whom_a_timer_wakes_is_not_leaked)
{
	SKIP_IF_UNSUPPORTED();
	kgo_go(waits_a_while, NULL);
	kgo_go(sleeps, NULL);
	yield_until(waiting("sleep") && waiting("chan receive"));
	EXPECT_EQ(0, proof(NULL));
}

static void handler(int sig UNUSED)
{
}

/* Its registers go to the stack of signals, and are still there afterwards. */
static void is_interrupted(void *arg UNUSED)
{
	struct kgo_chan *c = kgo_chan_make(8, 0);
	struct sigaction sa = {
		.sa_handler = handler,
		.sa_flags = SA_ONSTACK,
	};

	sigaction(SIGUSR1, &sa, NULL);
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
	waits(c);
}

static void interrupted(void *arg UNUSED)
{
	kgo_go(is_interrupted, NULL);
	yield_until(waiting("chan receive"));
}

GO_TEST(the_stack_of_signal_handlers_leads_nowhere)
{
	SKIP_IF_UNSUPPORTED();
	play(interrupted, NULL, 1);
	EXPECT_EQ(1, proof(NULL));
}

static void has_slept(void *arg UNUSED)
{
	struct kgo_chan *c = kgo_chan_make(8, 0);

	kgo_sleep(MS);
	waits(c);
}

static void late(void *arg UNUSED)
{
	kgo_go(has_slept, NULL);
	yield_until(waiting("chan receive"));
}

GO_TEST(a_timer_that_has_fired_leads_nowhere)
{
	SKIP_IF_UNSUPPORTED();
	play(late, NULL, 1);
	EXPECT_EQ(1, proof(NULL));
}

static void drops_one(void *arg UNUSED)
{
	struct kgo_chan *volatile c = kgo_chan_make(8, 0);

	kgo_go(waits, c);
	yield_until(waiting("chan receive"));
}

static void nothing(void *arg UNUSED)
{
}

/* The descriptor of who dropped it gets another stack, and that one is free. */
GO_TEST_PS(a_stack_that_nobody_has_leads_nowhere, 1)
{
	const struct kgo_attr attr = { .stack_size = 128 << 10 };

	SKIP_IF_UNSUPPORTED();
	play(drops_one, NULL, 1);
	EXPECT_EQ(0, kgo_go_attr(nothing, NULL, &attr));
	EXPECT_EQ(0, kgo_quiesce(2, -1));
	EXPECT_EQ(1, proof(NULL));
}

static uint32_t go;

static void computes(void *arg UNUSED)
{
	while (!LOAD(go))
		;
}

GO_TEST_PS(nothing_is_said_while_others_run, 2)
{
	SKIP_IF_UNSUPPORTED();
	kgo_go(computes, NULL);
	EXPECT_EQ(-EBUSY, kgo_leak_proof(NULL));
	STORE(go, 1);
	EXPECT_EQ(0, kgo_quiesce(1, -1));
	EXPECT_EQ(0, proof(NULL));
}

TEST(it_is_for_goroutines)
{
	char *report = (char *)0x5a;

	EXPECT_EQ(-EINVAL, kgo_leak_proof(&report));
	EXPECT_EQ(NULL, report);
}

TEST_HARNESS_MAIN
