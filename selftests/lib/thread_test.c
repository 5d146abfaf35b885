// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Goroutines that lock their thread.
 */
#include "lib_test.h"

#include <sys/syscall.h>

static __thread int mine;

/* Not inlined: thread state must be looked at afresh after each park. */
static __attribute__((noinline)) pid_t tid(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static __attribute__((noinline)) void set_mine(int v)
{
	mine = v;
}

static __attribute__((noinline)) int get_mine(void)
{
	return mine;
}

static __attribute__((noinline)) pthread_t self(void)
{
	return pthread_self();
}

static bool exists(pid_t t)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d", t);
	return !access(path, F_OK);
}

GO_TEST(the_main_goroutine_begins_on_the_main_thread_and_can_keep_it)
{
	int i;

	EXPECT_EQ(getpid(), tid());
	kgo_lock_os_thread();
	for (i = 0; i < 100; i++) {
		kgo_sleep(MS / 10);
		EXPECT_EQ(getpid(), tid());
	}
	kgo_unlock_os_thread();
}

struct pair {
	struct kgo_chan *there, *back;
	struct kgo_wg *wg;
	int rounds, id, moved;
};

static void locked_echo(void *arg)
{
	struct pair *p = arg;
	pthread_t thread;
	int v, i;
	pid_t t;

	kgo_lock_os_thread();
	t = tid();
	thread = self();
	set_mine(p->id);
	for (i = 0; i < p->rounds; i++) {
		if (kgo_chan_recv(p->there, &v) != 1)
			abort();
		if (i % 16 == 0)
			kgo_sleep(1000);
		if (i % 16 == 8)
			kgo_yield();
		v++;
		kgo_chan_send(p->back, &v);
		if (tid() != t || !pthread_equal(self(), thread) || get_mine() != p->id)
			p->moved++;
	}
	kgo_unlock_os_thread();
	kgo_wg_done(p->wg);
}

static void locked_caller(void *arg)
{
	struct pair *p = arg;
	int v = 0, i;
	pid_t t;

	kgo_lock_os_thread();
	t = tid();
	for (i = 0; i < p->rounds; i++) {
		kgo_chan_send(p->there, &v);
		if (kgo_chan_recv(p->back, &v) != 1 || v != i + 1)
			abort();
		if (tid() != t)
			p->moved++;
	}
	kgo_unlock_os_thread();
	kgo_wg_done(p->wg);
}

static void pingpong(struct __test_metadata *_metadata)
{
	struct kgo_wg wg = { 0 };
	struct pair p[20];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(p); i++) {
		p[i] = (struct pair){
			.there = kgo_chan_make(sizeof(int), i % 2),
			.back = kgo_chan_make(sizeof(int), 0),
			.wg = &wg, .rounds = MANY(300), .id = (int)i + 1,
		};
		kgo_wg_add(&wg, 2);
		EXPECT_EQ(0, kgo_go(locked_echo, &p[i]));
		EXPECT_EQ(0, kgo_go(locked_caller, &p[i]));
	}
	kgo_wg_wait(&wg);
	for (i = 0; i < ARRAY_SIZE(p); i++) {
		EXPECT_EQ(0, p[i].moved);
		EXPECT_EQ(0, kgo_chan_free(p[i].there));
		EXPECT_EQ(0, kgo_chan_free(p[i].back));
	}
}

GO_TEST(locked_goroutines_talk_and_stay_on_their_threads)
{
	pingpong(_metadata);
}

GO_TEST_PS(they_do_on_one_processor, 1)
{
	pingpong(_metadata);
}

struct note {
	struct kgo_chan *c, *go;
	pid_t tid;
	int seen;
};

static void sleeps_locked(void *arg)
{
	struct note *n = arg;

	kgo_lock_os_thread();
	kgo_lock_os_thread();
	n->tid = tid();
	kgo_unlock_os_thread();
	kgo_chan_send(n->c, NULL);
	kgo_chan_recv(n->go, NULL);
	n->seen = tid() == n->tid;
	kgo_unlock_os_thread();
	kgo_unlock_os_thread();		/* one too many: nothing happens */
	kgo_chan_send(n->c, NULL);
}

GO_TEST(locks_nest_and_one_unlock_too_many_does_nothing)
{
	struct note n = { kgo_chan_make(0, 0), kgo_chan_make(0, 0), 0, -1 };
	int i;

	kgo_unlock_os_thread();
	EXPECT_EQ(0, kgo_go(sleeps_locked, &n));
	kgo_chan_recv(n.c, NULL);
	for (i = 0; i < 50; i++)
		kgo_yield();
	kgo_chan_send(n.go, NULL);
	kgo_chan_recv(n.c, NULL);
	EXPECT_EQ(1, n.seen);
	yield_until(kgo_num_goroutine() == 1);
	/* It ended unlocked: its thread is there for others. */
	EXPECT_TRUE(exists(n.tid));
}

static pthread_key_t key;
static int destroyed;

static void note_destroyed(void *arg)
{
	ADD(destroyed, *(int *)arg);
}

static int one = 1;

static void dies_locked(void *arg)
{
	struct note *n = arg;

	kgo_lock_os_thread();
	pthread_setspecific(key, &one);
	n->tid = tid();
	kgo_chan_send(n->c, NULL);
	kgo_chan_recv(n->go, NULL);
	if (n->seen)
		kgo_exit();
}

static void end_of_thread(struct __test_metadata *_metadata, int how)
{
	struct note n = { kgo_chan_make(0, 0), kgo_chan_make(0, 0), 0, how };

	/* So that it is not on the main thread, which cannot end. */
	kgo_lock_os_thread();
	STORE(destroyed, 0);
	EXPECT_EQ(0, pthread_key_create(&key, note_destroyed));
	EXPECT_EQ(0, kgo_go(dies_locked, &n));
	kgo_chan_recv(n.c, NULL);
	EXPECT_NE(0, n.tid);
	EXPECT_TRUE(exists(n.tid));
	EXPECT_EQ(0, LOAD(destroyed));
	kgo_chan_send(n.go, NULL);
	while (exists(n.tid))
		kgo_sleep(MS);
	EXPECT_EQ(1, LOAD(destroyed));
	EXPECT_EQ(1, kgo_num_goroutine());
}

GO_TEST(a_goroutine_that_returns_locked_takes_its_thread_along)
{
	end_of_thread(_metadata, 0);
}

GO_TEST_PS(so_does_one_that_exits_on_one_processor, 1)
{
	end_of_thread(_metadata, 1);
}

struct storm {
	struct kgo_wg wg;
	int ran;
};

static void short_and_locked(void *arg)
{
	struct storm *s = arg;

	kgo_lock_os_thread();
	ADD(s->ran, 1);
	kgo_yield();
	kgo_wg_done(&s->wg);
}

static void short_and_free(void *arg)
{
	struct storm *s = arg;

	ADD(s->ran, 1);
	kgo_wg_done(&s->wg);
}

/* Threads end by the hundred; work goes on, and no processor is lost. */
static void storm(struct __test_metadata *_metadata)
{
	struct storm s = { .ran = 0 };
	int rounds = MANY(100), i, k;

	for (i = 0; i < rounds; i++) {
		kgo_wg_add(&s.wg, 20);
		for (k = 0; k < 10; k++) {
			EXPECT_EQ(0, kgo_go(short_and_locked, &s));
			EXPECT_EQ(0, kgo_go(short_and_free, &s));
		}
		kgo_wg_wait(&s.wg);
	}
	EXPECT_EQ(20 * rounds, s.ran);
	yield_until(kgo_num_goroutine() == 1);
}

GO_TEST(threads_that_end_lose_no_processor)
{
	storm(_metadata);
}

GO_TEST_PS(threads_that_end_do_not_lose_the_only_processor, 1)
{
	storm(_metadata);
}

struct family {
	struct kgo_chan *c;
	pid_t parent, child;
};

static void child_of_locked(void *arg)
{
	struct family *f = arg;

	f->child = tid();
	kgo_chan_send(f->c, NULL);
}

GO_TEST(a_child_of_a_locked_goroutine_runs_elsewhere)
{
	struct family f = { kgo_chan_make(0, 0), 0, 0 };

	kgo_lock_os_thread();
	f.parent = tid();
	EXPECT_EQ(0, kgo_go(child_of_locked, &f));
	kgo_chan_recv(f.c, NULL);
	EXPECT_NE(0, f.child);
	EXPECT_NE(f.parent, f.child);
	kgo_unlock_os_thread();
}

static void blocks_locked(void *arg)
{
	int *fd = arg;
	pid_t t;
	char c;

	kgo_lock_os_thread();
	t = tid();
	if (read(fd[0], &c, 1) != 1)
		abort();
	kgo_yield();
	if (tid() != t || write(fd[3], &c, 1) != 1)
		abort();
	kgo_unlock_os_thread();
}

GO_TEST_PS(a_locked_goroutine_that_blocks_gives_the_processor_away, 1)
{
	int fd[4];
	char c = 'x';

	EXPECT_EQ(0, pipe(fd));
	EXPECT_EQ(0, pipe(fd + 2));
	EXPECT_EQ(0, kgo_go(blocks_locked, fd));
	kgo_yield();
	EXPECT_EQ(1, write(fd[1], &c, 1));
	c = 0;
	EXPECT_EQ(1, read(fd[2], &c, 1));
	EXPECT_EQ('x', c);
	yield_until(kgo_num_goroutine() == 1);
}

static int outside_main(void *arg UNUSED)
{
	return 0;
}

static int lock_in_run(void *arg)
{
	pid_t t = tid();

	kgo_lock_os_thread();
	kgo_sleep(MS);
	if (tid() != t)
		return 1;
	kgo_unlock_os_thread();
	kgo_sleep(MS);
	if (tid() != t)
		return 2;
	if (*(int *)arg)
		kgo_lock_os_thread();	/* and ends so: the thread is the caller's */
	return 42;
}

TEST(the_thread_of_kgo_run_is_locked_anyway_and_never_ends)
{
	int ret = -1, end_locked;

	for (end_locked = 0; end_locked < 2; end_locked++) {
		EXPECT_EQ(0, kgo_run(lock_in_run, &end_locked, &ret));
		EXPECT_EQ(42, ret);
		EXPECT_EQ(0, kgo_run(outside_main, NULL, &ret));
		EXPECT_EQ(0, ret);
	}
}

static void outlives_main(void *arg UNUSED)
{
	kgo_sleep(20 * MS);
	exit(9);
}

static int main_exits_locked(void *arg UNUSED)
{
	kgo_lock_os_thread();
	kgo_go(outlives_main, NULL);
	kgo_exit();
	return 0;
}

TEST(the_others_go_on_when_main_exits_locked)
{
	struct ended e;

	run_child(&e, main_exits_locked, NULL);
	EXPECT_TRUE(WIFEXITED(e.status));
	EXPECT_EQ(9, WEXITSTATUS(e.status));
}

TEST_HARNESS_MAIN
