// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The monitor thread of the futex back end: finds threads that are blocked in
 * a system call or page fault while they own a P, and takes it from them; and
 * goroutines that compute for long while others wait, which it preempts
 * (core/slice.c, preempt.c).
 *
 * It looks like Go's sysmon: every 20 us at first, after a millisecond without
 * success less and less often, down to every 5 ms; and not at all while no P
 * is running.  So a blocked call keeps its P for 20 us in a busy program and
 * for 10 ms in a quiet one, where the kernel needs no time at all.
 *
 * A P is looked at closely only when it has been with one thread and one
 * goroutine since the last look.  Whether that thread is asleep is read from
 * /proc; the answer may be old when it comes, which futex_take() allows for.
 *
 * Rejected: to be told by the threads themselves (a wrapper around each
 * blocking call, as Go's entersyscall: we cannot wrap other people's calls);
 * SIGEV timers per thread (interrupt calls with EINTR).
 */
#include "backend_futex.h"
#include "user.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DELAY_MIN	20000ULL	/* ns */
#define DELAY_MAX	(ARB_SLICE_NS / 2)
#define PATIENCE	50U		/* looks in vain before it slows down */

/* A blocked P without work is taken after so long: it might get some. */
#define NO_WORK_NS	10000000ULL

/* What the monitor saw of a P when it last looked. */
struct seen {
	u64	word;
	u64	since;
	u32	schedtick;
	struct arb_slice slice;
};

/* An M's stat file, open while the monitor is awake. */
struct stat_file {
	int	fd;		/* + 1, so that 0 is none */
	u32	tid;
};

u32 kgo_monitor_asleep;

static struct seen *seen;
static struct stat_file *stats;
static u32 nr_stats;		/* none is open from here on */

void kgo_monitor_kick_slow(void)
{
	if (port_xchg(&kgo_monitor_asleep, 0))
		kgo_futex_wake(&kgo_monitor_asleep);
}

static void close_stats(void)
{
	u32 i;

	for (i = 0; i < nr_stats; i++) {
		if (stats[i].fd)
			close(stats[i].fd - 1);
		stats[i].fd = 0;
	}
	nr_stats = 0;
}

static int open_stat(u32 m)
{
	struct stat_file *f = &stats[m];
	u32 tid = port_load(&kgo_m_at(m)->d.tid);
	char path[48];
	int fd;

	if (f->fd && f->tid == tid)
		return f->fd - 1;
	if (f->fd)
		close(f->fd - 1);
	f->fd = 0;
	snprintf(path, sizeof(path), "/proc/self/task/%u/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	f->fd = fd + 1;
	f->tid = tid;
	if (nr_stats <= m)
		nr_stats = m + 1;
	return fd;
}

/*
 * Is the thread of an M asleep?  Without /proc nobody knows: then yes, after
 * some patience.  To take the P of one that computes is wrong only in that one
 * goroutine too many runs for a while.
 */
static bool is_asleep(u32 m, u64 how_long)
{
	char buf[64];	/* pid (comm, 15 bytes at most) state */
	int fd = open_stat(m);
	char *state;
	ssize_t n;

	if (fd < 0)
		return how_long >= NO_WORK_NS;
	n = pread(fd, buf, sizeof(buf) - 1, 0);
	if (n <= 0)
		return how_long >= NO_WORK_NS;
	buf[n] = 0;
	state = strrchr(buf, ')');
	if (!state || state[1] != ' ')
		return false;
	return strchr("SDTtI", state[2]) && state[2];
}

/* Look at one P.  Returns true if it was taken from its thread. */
static bool look(u32 p, u64 now)
{
	struct arb *arb = &kgo_futex.arb;
	u64 word = port_load(&arb->word[p]);
	u32 tick = port_load(&kgo_p_at(p)->d.schedtick);
	u32 m = arb_word_m(word);
	struct seen *s = &seen[p];

	if (arb_word_state(word) != ARB_RUNNING) {
		s->word = 0;
		return false;
	}
	if (word != s->word || tick != s->schedtick) {
		s->word = word;
		s->schedtick = tick;
		s->since = now;
		return false;
	}
	if (port_load(&kgo_m_at(m)->d.in_sched))
		return false;
	if (now - s->since < NO_WORK_NS && !arb_p_has_work(arb, p))
		return false;
	return is_asleep(m, now - s->since) && kgo_futex_take(p, m);
}

/* The goroutine on a P has had its turn. */
static void preempt(u32 p, u32 m)
{
	u32 tid = port_load(&kgo_m_at(m)->d.tid);

	if (!kgo_futex_preempt(p, m) || !kgo_preempt_signal() ||
	    !arb_can_give_way(&kgo_futex.arb))
		return;
	/*
	 * One that sleeps would be woken from its call, and its P is taken as
	 * blocked anyway.  One that ends meanwhile leaves its number to nobody
	 * so soon.
	 */
	if (!is_asleep(m, 0))
		kgo_preempt_send(tid);
}

static bool any_p_runs(void)
{
	struct arb *arb = &kgo_futex.arb;

	return port_load(&arb->r->nr_avail) < arb->nr_ps;
}

/* Nothing can block that has no P. */
static void sleep_while_idle(void)
{
	close_stats();
	port_store(&kgo_monitor_asleep, 1);
	/* Pairs with the change of a P word before kgo_monitor_kick(). */
	port_mb();
	while (!any_p_runs() && port_load(&kgo_monitor_asleep))
		kgo_futex_wait(&kgo_monitor_asleep, 1, 0);
	port_store(&kgo_monitor_asleep, 0);
}

static void *monitor(void *arg)
{
	u64 delay = DELAY_MIN, now;
	u32 vain = 0, p;
	bool took;

	(void)arg;
	pthread_setname_np(pthread_self(), "kgo-monitor");
	/* Else 20 us become 70. */
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	for (;;) {
		if (!any_p_runs()) {
			sleep_while_idle();
			delay = DELAY_MIN;
			vain = 0;
		}
		nanosleep(&(struct timespec){ .tv_nsec = (long)delay }, NULL);

		now = port_now();
		took = false;
		for (p = 0; p < kgo_futex.arb.nr_ps; p++) {
			if (look(p, now))
				took = true;
			else if (arb_slice_is_over(&kgo_futex.arb, p,
						   &seen[p].slice, now))
				preempt(p, arb_word_m(seen[p].slice.word));
		}
		if (took) {
			delay = DELAY_MIN;
			vain = 0;
		} else if (++vain > PATIENCE) {
			delay *= 2;
			if (delay > DELAY_MAX)
				delay = DELAY_MAX;
		}
	}
	return NULL;
}

/**
 * kgo_monitor_start() - Start the monitor thread
 *
 * It takes no signals, so that a program's handlers run on its own threads.
 * Return: 0, -ENOMEM or -EAGAIN.
 */
int kgo_monitor_start(void)
{
	sigset_t all, old;
	pthread_attr_t attr;
	pthread_t thread;
	int ret;

	seen = port_alloc(kgo_futex.arb.nr_ps * sizeof(*seen));
	stats = port_alloc(kgo_futex.arb.r->nr_ms * sizeof(*stats));
	if (!seen || !stats) {
		ret = ENOMEM;
		goto free;
	}
	ret = pthread_attr_init(&attr);
	if (ret)
		goto free;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&thread, &attr, monitor, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (!ret)
		return 0;
free:
	port_free(seen);
	port_free(stats);
	return -ret;
}
