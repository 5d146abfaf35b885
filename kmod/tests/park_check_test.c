// SPDX-License-Identifier: GPL-2.0
/*
 * Every call that may wait says so, also when it has nothing to wait for: each
 * of them, in each of the places where nobody may.
 */
#include <linux/completion.h>
#include <linux/console.h>
#include <linux/irq_work.h>
#include <linux/kmsg_dump.h>
#include <linux/kthread.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/spinlock.h>

#include "../kernel.h"
#include "test.h"

struct place {
	const char *name;
	void (*call)(void (*fn)(void));
	const char *says;
};

static DEFINE_SPINLOCK(some_lock);

static void with_spinlock(void (*fn)(void))
{
	spin_lock(&some_lock);
	fn();
	spin_unlock(&some_lock);
}

static void with_preemption_off(void (*fn)(void))
{
	preempt_disable();
	fn();
	preempt_enable();
}

static void with_interrupts_off(void (*fn)(void))
{
	local_irq_disable();
	fn();
	local_irq_enable();
}

static void in_rcu(void (*fn)(void))
{
	rcu_read_lock();
	fn();
	rcu_read_unlock();
}

struct irq_call {
	struct irq_work work;
	struct completion done;
	void (*fn)(void);
};

static void irq_call(struct irq_work *work)
{
	struct irq_call *call = container_of(work, struct irq_call, work);

	call->fn();
	complete(&call->done);
}

static void from_hardirq(void (*fn)(void))
{
	struct irq_call call = { .fn = fn };

	init_completion(&call.done);
	call.work = IRQ_WORK_INIT_HARD(irq_call);
	irq_work_queue(&call.work);
	wait_for_completion(&call.done);
	irq_work_sync(&call.work);
}

static const struct place places[] = {
	{ "spinlock held", with_spinlock, "with preemption off (by a spinlock" },
	{ "preemption off", with_preemption_off, "with preemption off" },
	{ "interrupts off", with_interrupts_off, "with interrupts off" },
	{ "RCU section", in_rcu, "in an RCU read section" },
	{ "hard irq", from_hardirq, "in interrupt context" },
};

/* Each is called where it need not wait. */
static struct {
	struct kgo_once once;
	struct kgo_mutex mu;
	struct kgo_rwmutex rw;
	struct kgo_wg wg;
	struct kgo_semaphore sem;
	struct kgo_flight flight;
	struct kgo_pool pool;
	struct kgo_reserve reserve;
	struct kgo_client client;
	struct kgo_ctx *ctx;
} it;

static void nothing(void *arg)
{
}

static void call_once(void)
{
	kgo_once_do(&it.once, nothing, NULL);
}

static void call_mutex(void)
{
	kgo_mutex_lock(&it.mu);
	kgo_mutex_unlock(&it.mu);
}

static void call_rlock(void)
{
	kgo_rwmutex_rlock(&it.rw);
	kgo_rwmutex_runlock(&it.rw);
}

static void call_wg(void)
{
	kgo_wg_wait(&it.wg);
}

static void call_semaphore(void)
{
	kgo_semaphore_acquire(&it.sem, NULL, 1);
	kgo_semaphore_release(&it.sem, 1);
}

static void call_forget(void)
{
	kgo_flight_forget(&it.flight, "k", 1);
}

static void call_done(void)
{
	kgo_ctx_done(it.ctx);
}

static void call_cancel(void)
{
	kgo_ctx_cancel(it.ctx, 0);
}

static void call_put(void)
{
	kgo_ctx_put(kgo_ctx_get(it.ctx));
}

static void call_trim(void)
{
	kgo_pool_trim(&it.pool);
}

static void call_reserve(void)
{
	kgo_reserve_destroy(&it.reserve);
}

static void call_client_exit(void)
{
	kgo_client_exit(&it.client);
}

static const struct {
	const char *name;
	void (*fn)(void);
	bool thread;		/* open to threads that are no goroutines */
} calls[] = {
	{ "kgo_once_do", call_once },
	{ "kgo_mutex_lock", call_mutex },
	{ "kgo_rwmutex_rlock", call_rlock },
	{ "kgo_wg_wait", call_wg },
	{ "kgo_semaphore_acquire", call_semaphore },
	{ "kgo_flight_forget", call_forget, true },
	{ "kgo_ctx_done", call_done, true },
	{ "kgo_ctx_cancel", call_cancel, true },
	{ "kgo_ctx_put", call_put, true },
	{ "kgo_pool_trim", call_trim, true },
	{ "kgo_reserve_destroy", call_reserve, true },
	{ "kgo_client_exit", call_client_exit, true },
};

static char last_text[320];
static atomic_t nr_texts;

static void keep_text(const char *text)
{
	strscpy(last_text, text, sizeof(last_text));
	atomic_inc(&nr_texts);
}

static void listen(bool on)
{
	last_text[0] = 0;
	atomic_set(&nr_texts, 0);
	WRITE_ONCE(kgo_might_park_hook, on ? keep_text : NULL);
}

static bool is_checked(void)
{
	return IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP) ||
	       IS_ENABLED(CONFIG_PROVE_LOCKING);
}

/* What they need, so that none of them has to wait. */
static bool set_up(void)
{
	memset(&it, 0, sizeof(it));
	kgo_semaphore_init(&it.sem, 1);
	kgo_once_do(&it.once, nothing, NULL);
	it.ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	if (!it.ctx)
		return false;
	kgo_ctx_done(it.ctx);
	kgo_ctx_cancel(it.ctx, 0);
	return true;
}

static void expect_told(struct kunit *test, u32 place, u32 call)
{
	char who[48];

	snprintf(who, sizeof(who), " in %s() ", calls[call].name);
	listen(true);
	places[place].call(calls[call].fn);
	WRITE_ONCE(kgo_might_park_hook, NULL);
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(&nr_texts), 1, "%s, %s",
			    calls[call].name, places[place].name);
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(last_text, who), "%s, %s: %s",
				  calls[call].name, places[place].name, last_text);
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(last_text, places[place].says),
				  "%s, %s: %s", calls[call].name,
				  places[place].name, last_text);
}

KGO_TEST(every_call_that_may_wait_is_told_of_in_every_wrong_place)
{
	u32 place, call;

	if (!is_checked())
		return;
	/* Some of the calls have more to say to who is no goroutine. */
	kgo_test_catch_throws();
	KUNIT_EXPECT_TRUE(test, set_up());
	for (place = 0; it.ctx && place < ARRAY_SIZE(places); place++)
		for (call = 0; call < ARRAY_SIZE(calls); call++)
			expect_told(test, place, call);
	kgo_test_throws();
	kgo_ctx_put(it.ctx);
}

KGO_TEST(in_a_goroutine_nothing_is_told)
{
	u32 call;

	KUNIT_EXPECT_TRUE(test, set_up());
	listen(true);
	for (call = 0; it.ctx && call < ARRAY_SIZE(calls); call++)
		calls[call].fn();
	WRITE_ONCE(kgo_might_park_hook, NULL);
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(&nr_texts), 0, "%s", last_text);
	kgo_ctx_put(it.ctx);
}

struct from_thread {
	struct completion done;
	u32 told[ARRAY_SIZE(calls)];
};

static int all_calls(void *arg)
{
	struct from_thread *t = arg;
	u32 call;

	for (call = 0; call < ARRAY_SIZE(calls); call++) {
		atomic_set(&nr_texts, 0);
		calls[call].fn();
		t->told[call] = atomic_read(&nr_texts);
	}
	complete(&t->done);
	return 0;
}

/* Those that a thread may call are not told of, and the others are. */
KGO_TEST(a_thread_is_told_of_the_calls_that_want_a_goroutine)
{
	struct from_thread t = {};
	struct task_struct *task;
	u32 call;

	if (!is_checked())
		return;
	/* Some of the calls have more to say to who is no goroutine. */
	kgo_test_catch_throws();
	KUNIT_EXPECT_TRUE(test, set_up());
	memset(t.told, 99, sizeof(t.told));
	init_completion(&t.done);
	listen(true);
	task = it.ctx ? kthread_run(all_calls, &t, "kgo_test") : NULL;
	KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(task));
	if (IS_ERR_OR_NULL(task))
		goto out;
	wait_for_completion(&t.done);
	for (call = 0; call < ARRAY_SIZE(calls); call++)
		KUNIT_EXPECT_EQ_MSG(test, t.told[call], !calls[call].thread,
				    "%s", calls[call].name);
out:
	WRITE_ONCE(kgo_might_park_hook, NULL);
	kgo_test_throws();
	kgo_ctx_put(it.ctx);
}

/*
 * What goes to the log is read back from there.  Consoles are not shown it:
 * there, a line with BUG is one.
 */
struct log {
	struct kmsg_dump_iter at;
	int level;
};

static void log_begin(struct log *log)
{
	log->level = console_loglevel;
	console_loglevel = 0;
	kmsg_dump_rewind(&log->at);
	log->at.cur_seq = log->at.next_seq;
}

static void log_end(struct log *log)
{
	/* Whoever prints to them at a time of his own has done so. */
	console_lock();
	console_unlock();
	console_loglevel = log->level;
}

/* How many lines since log_begin() have all of the words. */
static u32 log_lines(const struct log *log, const char *const *words, u32 n)
{
	struct kmsg_dump_iter at = log->at;
	static char line[512];
	u32 lines = 0, i;
	size_t len;

	while (kmsg_dump_get_line(&at, false, line, sizeof(line) - 1, &len)) {
		line[len] = 0;
		for (i = 0; i < n && strstr(line, words[i]); i++)
			;
		lines += i == n;
	}
	return lines;
}

#define expect_lines(test, log, n, ...)					\
	do {								\
		static const char *const words_[] = { __VA_ARGS__ };	\
									\
		KUNIT_EXPECT_EQ_MSG(test, log_lines(log, words_, ARRAY_SIZE(words_)), \
				    n, "lines with %s", words_[0]);	\
	} while (0)

KGO_TEST(the_log_names_the_call_the_goroutine_and_the_place)
{
	char who[64];
	const char *const word = who;
	struct log log;

	if (!is_checked())
		return;
	KUNIT_EXPECT_TRUE(test, set_up());
	kgo_might_park_again();
	snprintf(who, sizeof(who), "BUG: kgo: goroutine %llu (", kgo_goid());
	log_begin(&log);
	with_spinlock(call_mutex);
	expect_lines(test, &log, 1, "parks in kgo_mutex_lock() ", "BUG: kgo: goroutine ",
		     " with preemption off (by a spinlock that is held?)");
	KUNIT_EXPECT_EQ_MSG(test, log_lines(&log, &word, 1), 1, "%s", who);
	if (IS_ENABLED(CONFIG_LOCKDEP))
		expect_lines(test, &log, 1, "(some_lock");

	/* Another primitive has a message of its own, the same one no other. */
	in_rcu(call_wg);
	expect_lines(test, &log, 1, "parks in kgo_wg_wait() ", " in an RCU read section");
	expect_lines(test, &log, 2, "BUG: kgo: ");
	with_interrupts_off(call_mutex);
	in_rcu(call_wg);
	expect_lines(test, &log, 2, "BUG: kgo: ");
	log_end(&log);
	kgo_ctx_put(it.ctx);
}

static struct kunit_case park_check_cases[] = {
	KUNIT_CASE(every_call_that_may_wait_is_told_of_in_every_wrong_place),
	KUNIT_CASE(in_a_goroutine_nothing_is_told),
	KUNIT_CASE(a_thread_is_told_of_the_calls_that_want_a_goroutine),
	KUNIT_CASE(the_log_names_the_call_the_goroutine_and_the_place),
	{}
};

static struct kunit_suite park_check_suite = {
	.name = "kgo_park_check",
	.test_cases = park_check_cases,
};

kunit_test_suite(park_check_suite);
