// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The locks under all of it (port_user.h, lock.c): who waits is woken, also when the
 * count of sleepers, membarrier() and the store that unlocks come together in
 * the worst of orders.
 *
 * Plain threads, no runtime.  A lost wake-up hangs the test.
 */
#include "lib_test.h"

#undef ARRAY_SIZE		/* the harness has it too */
#include "lock.c"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>

#define NR_THREADS	8

/* What lock.c has from the library. */
u64 port_now(void)
{
	return (u64)now_ns();
}

void port_throw(const char *msg)
{
	fprintf(stderr, "%s\n", msg);
	abort();
}

#define LOST	2

static bool forked;

bool kgo_is_forked(void)
{
	return forked;
}

void kgo_lock_lost(void)
{
	_exit(LOST);
}

/* Differs from thread to thread and from round to round. */
static unsigned int next_random(unsigned int *seed)
{
	*seed = *seed * 1103515245U + 12345U;
	return *seed >> 16;
}

static void spin(unsigned int n)
{
	while (n--)
		port_relax();
}

static unsigned int nr_sleepers(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < ARRAY_SIZE(kgo_lock_sleepers); i++)
		n += LOAD(kgo_lock_sleepers[i].n);
	return n;
}

static void start_threads(struct __test_metadata *_metadata, pthread_t *t,
			  unsigned int n, void *(*fn)(void *), void *arg)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		ASSERT_EQ(0, pthread_create(&t[i], NULL, fn, arg));
}

static void join_threads(pthread_t *t, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		pthread_join(t[i], NULL);
}

/* Few locks for many threads; what they guard is plain data. */
#define NR_LOCKS	3

struct crowd {
	kgo_lock_t lock[NR_LOCKS];
	unsigned long n[NR_LOCKS];	/* with the lock of the same index */
	unsigned int rounds;
	unsigned int seed;
	bool doze;			/* while holding it, so that others sleep */
};

static void *one_of_many(void *arg)
{
	struct crowd *c = arg;
	unsigned int seed = ADD(c->seed, 7919), i, k, r;

	for (i = 0; i < c->rounds; i++) {
		r = next_random(&seed);
		k = r % NR_LOCKS;
		port_lock(&c->lock[k]);
		c->n[k]++;
		if (c->doze && r % 64 < NR_LOCKS)
			usleep(r % 200);
		c->n[k]++;
		port_unlock(&c->lock[k]);
	}
	return NULL;
}

static void crowd(struct __test_metadata *_metadata, unsigned int rounds,
		  bool doze)
{
	struct crowd c = { .rounds = rounds, .doze = doze };
	pthread_t t[NR_THREADS];
	unsigned int i;

	for (i = 0; i < NR_LOCKS; i++)
		port_lock_init(&c.lock[i]);
	start_threads(_metadata, t, NR_THREADS, one_of_many, &c);
	join_threads(t, NR_THREADS);
	EXPECT_EQ(2UL * NR_THREADS * rounds, c.n[0] + c.n[1] + c.n[2]);
	for (i = 0; i < NR_LOCKS; i++)
		EXPECT_EQ(KGO_LOCK_FREE, c.lock[i].word);
	EXPECT_EQ(0, nr_sleepers());
}

TEST(one_at_a_time_holds_it)
{
	kgo_lock_init();
	crowd(_metadata, MANY(200000), false);
}

TEST(holders_that_sleep_leave_no_waiter_behind)
{
	kgo_lock_init();
	crowd(_metadata, MANY(5000), true);
}

/*
 * One waits, one unlocks and comes back only after the other had the lock: no
 * later unlock repairs what this one missed.  The lock is held for about as
 * long as a waiter spins, so that counting, membarrier() and unlocking meet.
 */
struct duel {
	kgo_lock_t lock;
	uint32_t round;		/* it is held: wait for it */
	uint32_t done;		/* the waiter had it */
	unsigned int rounds;
	unsigned long n;	/* with lock */
};

static void await(uint32_t *word, uint32_t value)
{
	unsigned int i;

	for (i = 0; LOAD(*word) != value; i++) {
		port_relax();
		if (i % 1024 == 1023)
			sched_yield();
	}
}

static void *waiter(void *arg)
{
	struct duel *d = arg;
	unsigned int i;

	for (i = 1; i <= d->rounds; i++) {
		await(&d->round, i);
		port_lock(&d->lock);
		d->n++;
		port_unlock(&d->lock);
		STORE(d->done, i);
	}
	return NULL;
}

static void duel(struct __test_metadata *_metadata, unsigned int rounds)
{
	struct duel d = { .rounds = rounds };
	unsigned int i, seed = 1, time = 100;
	pthread_t t;

	port_lock_init(&d.lock);
	start_threads(_metadata, &t, 1, waiter, &d);
	for (i = 1; i <= rounds; i++) {
		port_lock(&d.lock);
		d.n++;
		STORE(d.round, i);
		/*
		 * How long it spins is not known: longer until it sleeps, then
		 * shorter, and so up and down about the moment when it counts
		 * itself.
		 */
		spin(time - next_random(&seed) % (time / 8 + 1));
		if (LOAD(*kgo_lock_sleepers_of(&d.lock)))
			time -= time / 32;
		else if (time < 100000)
			time += time / 32 + 1;
		port_unlock(&d.lock);
		await(&d.done, i);
	}
	pthread_join(t, NULL);
	EXPECT_EQ(2UL * rounds, d.n);
	EXPECT_EQ(0, nr_sleepers());
}

TEST(the_only_unlock_wakes_who_is_about_to_sleep)
{
	kgo_lock_init();
	duel(_metadata, MANY(5000));
}

/* What is locked may be freed by whoever comes next, before unlock returns. */
struct mortal {
	kgo_lock_t lock;
	unsigned int refs;	/* with lock */
	unsigned int sum;	/* with lock */
};

static struct mortal *mortal;
static uint32_t mortal_round, freed;

static void put_mortal(struct mortal *m, bool doze)
{
	bool last;

	port_lock(&m->lock);
	m->sum++;
	last = !--m->refs;
	if (doze)
		sched_yield();
	port_unlock(&m->lock);
	if (last) {
		memset(m, 0xa5, sizeof(*m));
		free(m);
		ADD(freed, 1);
	}
}

static void *puts_too(void *arg)
{
	unsigned int i, rounds = *(unsigned int *)arg;

	for (i = 1; i <= rounds; i++) {
		await(&mortal_round, i);
		put_mortal(mortal, i & 1);
	}
	return NULL;
}

TEST(an_unlock_touches_nothing_after_the_store)
{
	unsigned int rounds = MANY(20000), i;
	pthread_t t[3];

	kgo_lock_init();
	start_threads(_metadata, t, ARRAY_SIZE(t), puts_too, &rounds);
	for (i = 1; i <= rounds; i++) {
		mortal = calloc(1, sizeof(*mortal));
		mortal->refs = ARRAY_SIZE(t) + 1;
		STORE(mortal_round, i);
		put_mortal(mortal, i & 2);
		await(&freed, i);
	}
	join_threads(t, ARRAY_SIZE(t));
	EXPECT_EQ(0, nr_sleepers());
}

/* Two locks with one counter of sleepers. */
static kgo_lock_t many[4096];

static kgo_lock_t *like(const kgo_lock_t *lock)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(many); i++)
		if (&many[i] != lock && kgo_lock_sleepers_of(&many[i]) ==
					kgo_lock_sleepers_of(lock))
			return &many[i];
	return NULL;
}

static void *locks_once(void *arg)
{
	port_lock(arg);
	port_unlock(arg);
	return NULL;
}

TEST(a_sleeper_is_not_woken_by_another_lock)
{
	kgo_lock_t *a = &many[0], *b = like(a);
	pthread_t t;
	int i;

	kgo_lock_init();
	ASSERT_NE(NULL, b);
	port_lock(a);
	start_threads(_metadata, &t, 1, locks_once, a);
	while (!LOAD(*kgo_lock_sleepers_of(a)))
		sched_yield();
	for (i = 0; i < 100; i++) {
		port_lock(b);
		port_unlock(b);
	}
	EXPECT_EQ(1, LOAD(*kgo_lock_sleepers_of(a)));
	EXPECT_EQ(KGO_LOCK_HELD, LOAD(a->word));
	port_unlock(a);
	pthread_join(t, NULL);
	EXPECT_EQ(0, nr_sleepers());
}

/* Signals end sleeps, and come between the store and the look. */
static uint32_t stop_signals;

static void on_usr1(int sig UNUSED)
{
	static kgo_lock_t lock;
	static unsigned long n;

	/* A handler has locks of its own, if any. */
	port_lock(&lock);
	n++;
	port_unlock(&lock);
}

static void *shoots(void *arg)
{
	while (!LOAD(stop_signals)) {
		pthread_kill(*(pthread_t *)arg, SIGUSR1);
		usleep(20);
	}
	return NULL;
}

TEST(signals_make_nobody_miss_anything)
{
	struct sigaction sa = { .sa_handler = on_usr1 };
	pthread_t self = pthread_self(), t;
	sigset_t set;

	kgo_lock_init();
	/* Else it would interrupt itself while it holds the handler's lock. */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sa.sa_mask = set;
	ASSERT_EQ(0, sigaction(SIGUSR1, &sa, NULL));
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	start_threads(_metadata, &t, 1, shoots, &self);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	duel(_metadata, MANY(10000));
	STORE(stop_signals, 1);
	pthread_join(t, NULL);
}

/* What a system call does from here on, instead of what it should. */
static int filter_syscall(int nr, unsigned int low_arg1, unsigned int action)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args) + low_arg1),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			 low_arg1 ? FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG :
				    MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = ARRAY_SIZE(code), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) ? -errno : 0;
}

#define FILTER(nr, low_arg1, action)					\
	do {								\
		int ret_ = filter_syscall((nr), (low_arg1), (action));	\
									\
		if (ret_ == -EINVAL)					\
			SKIP(return, "no seccomp filters here");	\
		ASSERT_EQ(0, ret_);					\
	} while (0)

#define FILTER_MEMBARRIER(action)	FILTER(SYS_membarrier, 0, action)
#define FILTER_WAIT(action)		FILTER(SYS_futex, 8, action)

/*
 * The orders that matter, one after the other: a trap stops the waiter in a
 * system call of its, and the lock is unlocked there, with the look and the
 * wake-up that belong to it, before anything else happens.
 */
static kgo_lock_t trapped;
static uint32_t nr_traps, unlock_at, counted, held;

static void on_trap(int sig UNUSED, siginfo_t *info UNUSED, void *context)
{
	ucontext_t *uc = context;
	uint32_t n = ADD(nr_traps, 1);

	if (n == 1)
		STORE(counted, LOAD(*kgo_lock_sleepers_of(&trapped)));
	if (n == unlock_at) {
		STORE(held, LOAD(trapped.word) == KGO_LOCK_HELD);
		port_unlock(&trapped);
	}
	/* The waiter is to look again, or could not tell everybody. */
	uc->uc_mcontext.gregs[REG_RAX] = -EAGAIN;
}

static void trap(struct __test_metadata *_metadata, unsigned int at)
{
	struct sigaction sa = {
		.sa_sigaction = on_trap,
		.sa_flags = SA_SIGINFO,
	};

	ASSERT_EQ(0, sigaction(SIGSYS, &sa, NULL));
	port_lock_init(&trapped);
	STORE(unlock_at, at);
	port_lock(&trapped);
	port_lock(&trapped);	/* by who waits; the other is the handler */
	EXPECT_EQ(1, LOAD(counted));
	EXPECT_EQ(1, LOAD(held));
	EXPECT_EQ(at, LOAD(nr_traps));
	EXPECT_EQ(KGO_LOCK_HELD, LOAD(trapped.word));
	port_unlock(&trapped);
	EXPECT_EQ(0, nr_sleepers());
}

TEST(who_sleeps_has_counted_itself_before_membarrier)
{
	kgo_lock_init();
	FILTER_MEMBARRIER(SECCOMP_RET_TRAP);
	trap(_metadata, 1);
}

TEST(unlocked_between_the_last_look_and_the_sleep_it_does_not_sleep)
{
	kgo_lock_init();
	FILTER_WAIT(SECCOMP_RET_TRAP);
	trap(_metadata, 1);
}

TEST(a_sleeper_that_is_woken_for_nothing_sleeps_again)
{
	kgo_lock_init();
	FILTER_WAIT(SECCOMP_RET_TRAP);
	trap(_metadata, 7);
}

/* As on a kernel without it: the sleepers look again by themselves. */
TEST(without_membarrier_it_works_too)
{
	FILTER_MEMBARRIER(SECCOMP_RET_ERRNO | ENOSYS);
	kgo_lock_init();
	ASSERT_NE(0, syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED,
			     0, 0));
	crowd(_metadata, MANY(2000), true);
	duel(_metadata, MANY(2000));
}

/* A child of fork() has the counts of its parent's sleepers, and not them. */
TEST(a_child_of_fork_has_locks_too)
{
	static kgo_lock_t lock, other;
	pthread_t t[NR_THREADS];
	int status;
	pid_t pid;

	kgo_lock_init();
	port_lock(&lock);
	start_threads(_metadata, t, NR_THREADS, locks_once, &lock);
	while (nr_sleepers() != NR_THREADS)
		sched_yield();
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		/* This thread holds it, here as there. */
		port_unlock(&lock);
		port_lock(&lock);
		port_lock(&other);
		port_unlock(&other);
		_exit(nr_sleepers() != NR_THREADS);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	port_unlock(&lock);
	join_threads(t, NR_THREADS);
	EXPECT_EQ(0, nr_sleepers());
}

/* Its holder is a thread of the parent's, and does not come to let it go. */
TEST(a_lock_that_was_held_at_fork_ends_the_child_that_waits_for_it)
{
	static kgo_lock_t lock;
	int status;
	pid_t pid;

	port_lock(&lock);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		forked = true;
		port_lock(&lock);
		_exit(77);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(LOST, WEXITSTATUS(status));
}

static void *holds_and_lets_go(void *arg)
{
	nanosleep(&(struct timespec){ .tv_nsec = 20 * MS }, NULL);
	port_unlock(arg);
	return NULL;
}

/* The child's own threads wait for each other as ever. */
TEST(threads_of_a_child_of_fork_share_locks)
{
	static kgo_lock_t lock;
	int status;
	pthread_t t;
	pid_t pid;

#ifdef __SANITIZE_THREAD__
	SKIP(return, "ThreadSanitizer has no threads in a child of fork()");
#endif
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		forked = true;
		port_lock(&lock);
		if (pthread_create(&t, NULL, holds_and_lets_go, &lock))
			_exit(77);
		port_lock(&lock);
		pthread_join(t, NULL);
		_exit(33);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(33, WEXITSTATUS(status));
}

TEST_HARNESS_MAIN
