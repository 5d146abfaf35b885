// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The end of a program, in every way and at the worst moment: what is left in
 * the kernel must be nothing.
 *
 * Each test puts one thread of a child process, the M, into a position, lets
 * something happen to it, and then wants the module's use count to fall to
 * zero; with KGO_KO set to the module's file it is removed and inserted again,
 * which only works if nothing at all was left behind.
 *
 *	this process                    the child
 *	                                opens, sets up (2 Ps), starts the M
 *	<------ "ready" on a pipe ----- M is in its position
 *	event by a signal, or -------->
 *	"go" on a pipe                  event done by the M or its neighbour
 *	waits for the child's end
 */
#include "kgo_abi.h"

#include <sys/prctl.h>

/* Where the M is when it happens. */
enum position {
	ATTACHED,	/* attached, owns nothing, runs */
	OWNS,		/* owns a P, runs */
	OWNS_IN_SCHED,	/* the same, inside the runtime */
	BLOCKED,	/* owns a P, sleeps in read() */
	BLOCKED_IN_SCHED,
	LOST,		/* sleeps in read(), its P went to another thread */
	GIVEN,		/* a P was given to it that it has not taken */
	WANT, SPARE, BOUND,	/* parked */
};

struct victim {
	struct rt rt;
	enum position where;
	int ready[2], go[2], block[2];
	__u32 m, other;		/* indexes of the M and of its neighbour */
	pthread_t t;
	__u32 placed;
	__u32 event;		/* 0, or the event for the M to do */
	__u32 happened;
};

enum event { NONE, EXIT_THREAD, EXIT_GROUP, EXEC, FORK, VFORK };

static struct victim *the_victim;

/* Runs on the M, in the middle of whatever it does. */
static void on_usr1(int sig UNUSED)
{
	struct victim *v = the_victim;
	int status;
	pid_t pid;

	switch (LOAD(v->event)) {
	case EXIT_THREAD:
		STORE(v->happened, 1);
		syscall(SYS_exit, 0);
		break;
	case EXIT_GROUP:
		_exit(0);
	case EXEC:
		execl("/proc/self/exe", "lifecycle", "nothing", NULL);
		_exit(50);
	case FORK:
		pid = fork();
		if (!pid)
			_exit(attach(&v->rt) == -EPERM ? 0 : 51);
		if (waitpid(pid, &status, 0) != pid || status)
			_exit(52);
		STORE(v->happened, 1);
		break;
	case VFORK:
		pid = vfork();
		if (!pid) {
			execl("/proc/self/exe", "lifecycle", "nothing", NULL);
			_exit(53);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			_exit(54);
		STORE(v->happened, 1);
		break;
	default:
		break;
	}
}

static void *the_m(void *arg)
{
	struct victim *v = arg;
	const enum position where = v->where;
	struct rt *rt = &v->rt;
	volatile __u64 spin = 0;
	char c;

	v->m = (__u32)attach(rt);
	switch (where) {
	case OWNS: case OWNS_IN_SCHED: case BLOCKED: case BLOCKED_IN_SCHED:
	case LOST:
		if (enter(rt, KGO_ENTER_ACQUIRE))
			_exit(60);
		break;
	default:
		break;
	}
	if (where == OWNS_IN_SCHED || where == BLOCKED_IN_SCHED)
		STORE(mdesc(rt, v->m)->in_sched, 1);
	STORE(v->placed, 1);
	for (;;) {
		switch (where) {
		case ATTACHED: case OWNS: case OWNS_IN_SCHED: case GIVEN:
			spin++;
			break;
		case BLOCKED: case BLOCKED_IN_SCHED: case LOST:
			if (read(v->block[0], &c, 1) < 0 && errno != EINTR)
				_exit(61);
			break;
		case WANT:
			enter(rt, KGO_ENTER_PARK_WANT);
			break;
		case SPARE:
			enter(rt, KGO_ENTER_PARK_SPARE);
			break;
		case BOUND:
			enter(rt, KGO_ENTER_PARK_BOUND);
			break;
		}
	}
	return NULL;
}

/* Is the M where it should be?  Asked until it is. */
static bool in_position(struct victim *v)
{
	struct kgo_mdesc *m = mdesc(&v->rt, v->m);
	pid_t t = (pid_t)LOAD(m->tid);

	switch (v->where) {
	case ATTACHED: case GIVEN:
		return LOAD(m->p) == KGO_NONE;
	case OWNS: case OWNS_IN_SCHED:
		return LOAD(m->p) != KGO_NONE;
	case BLOCKED: case BLOCKED_IN_SCHED: case LOST:
		return sleeps_in(getpid(), t, SYS_read);
	case WANT:
		return LOAD(v->rt.r->nr_want) == 1;
	case SPARE:
		return LOAD(v->rt.r->nr_spare) == 1;
	default:
		return sleeps_in(getpid(), t, SYS_ioctl);
	}
}

/* The child: one M in its position, and this thread beside it. */
static void child(struct victim *v, enum event event, bool by_neighbour)
{
	struct sigaction sa = { .sa_handler = on_usr1 };
	struct rt *rt = &v->rt;
	char c = 'r';

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	the_victim = v;
	sigaction(SIGUSR1, &sa, NULL);
	if (rt_open(rt, 2, 8) || pipe(v->block))
		_exit(70);
	v->other = (__u32)attach(rt);
	STORE(mdesc(rt, v->other)->in_sched, 1);
	if (v->where == WANT && enter(rt, KGO_ENTER_ACQUIRE))
		_exit(71);
	if (v->where == WANT) {
		/* Both Ps taken, or nobody would wait for one: one is given away. */
		pthread_t idle;
		__u32 p = LOAD(mdesc(rt, v->other)->p);

		v->where = GIVEN;
		pthread_create(&idle, NULL, the_m, v);
		if (!until(LOAD(v->placed)) || p == KGO_NONE ||
		    give(rt, KGO_ENTER_RELEASE, v->m) ||
		    enter(rt, KGO_ENTER_ACQUIRE))
			_exit(72);
		v->where = WANT;
		STORE(v->placed, 0);
	}
	pthread_create(&v->t, NULL, the_m, v);
	if (!until(LOAD(v->placed)) || !until(in_position(v)))
		_exit(73);
	if (v->where == GIVEN && (enter(rt, KGO_ENTER_ACQUIRE) ||
				  give(rt, KGO_ENTER_RELEASE, v->m)))
		_exit(74);
	if (v->where == LOST) {
		/* A spare thread takes the P that has work, here the sleeping M's. */
		__u32 p = LOAD(mdesc(rt, v->m)->p);

		STORE(pdesc(rt, p)->runnext, 1);
		if (enter(rt, KGO_ENTER_PARK_SPARE) ||
		    LOAD(mdesc(rt, v->other)->p) != p)
			_exit(75);
		STORE(pdesc(rt, p)->runnext, 0);
	}
	if (write(v->ready[1], &c, 1) != 1 || read(v->go[0], &c, 1) != 1)
		_exit(77);

	STORE(v->event, event);
	if (by_neighbour)
		on_usr1(0);
	else if (event != NONE)
		pthread_kill(v->t, SIGUSR1);
	if (event == EXIT_GROUP || event == EXEC)
		for (;;)
			pause();
	if (event != NONE && !until(LOAD(v->happened)))
		_exit(78);
	if (event == EXIT_THREAD) {
		/* Its record is free again, and with it any P it had. */
		if (!until(!LOAD(mdesc(rt, v->m)->tid)))
			_exit(79);
		if (v->where != WANT && !until(LOAD(rt->r->nr_avail) +
			(LOAD(mdesc(rt, v->other)->p) != KGO_NONE) == 2))
			_exit(80);
		_exit(0);
	}
	/* It is where it was, and the neighbour can still get a P. */
	if (!until(in_position(v)))
		_exit(81);
	if (v->where != WANT &&
	    enter_by(rt, KGO_ENTER_PARK_WANT, PATIENCE * 1000000000ULL))
		_exit(82);
	_exit(0);
}

FIXTURE(m) {
	struct victim *v;
	pid_t pid;
};

FIXTURE_VARIANT(m) {
	enum position where;
};

#define POSITION(name, where_) \
	FIXTURE_VARIANT_ADD(m, name) { .where = where_ }

POSITION(attached, ATTACHED);
POSITION(owns, OWNS);
POSITION(owns_in_sched, OWNS_IN_SCHED);
POSITION(blocked, BLOCKED);
POSITION(blocked_in_sched, BLOCKED_IN_SCHED);
POSITION(lost, LOST);
POSITION(given, GIVEN);
POSITION(want, WANT);
POSITION(spare, SPARE);
POSITION(bound, BOUND);

FIXTURE_SETUP(m)
{
	self->v = calloc(1, sizeof(*self->v));
	self->v->where = variant->where;
	ASSERT_EQ(0, pipe2(self->v->ready, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(self->v->go, O_CLOEXEC));
	EXPECT_TRUE(until(module_refs() == 0));
}

/* The module, removed and inserted again. */
static int reload(void)
{
	const char *ko = getenv("KGO_KO");
	int fd, ret;

	if (!ko)
		return 0;
	if (!until(!syscall(SYS_delete_module, "kgo", O_NONBLOCK)))
		return -errno;
	fd = open(ko, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return ret;
}

FIXTURE_TEARDOWN(m)
{
	free(self->v);
	EXPECT_TRUE(until(module_refs() == 0));
	EXPECT_EQ(0, reload());
}

static bool begin(struct victim *v, pid_t *pid, enum event event, bool by_neighbour)
{
	char c = 0;

	*pid = fork();
	if (!*pid)
		child(v, event, by_neighbour);
	close(v->ready[1]);
	return read(v->ready[0], &c, 1) == 1 && c == 'r' && module_refs() > 0;
}

static bool go(struct victim *v)
{
	return write(v->go[1], "g", 1) == 1;
}

/* What became of the child: its exit code, or 128 + signal. */
static int end(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST_F(m, kill_9)
{
	ASSERT_TRUE(begin(self->v, &self->pid, NONE, false));
	/* While it lives the module cannot go. */
	EXPECT_EQ(-1, syscall(SYS_delete_module, "kgo", O_NONBLOCK));
	EXPECT_TRUE(errno == EAGAIN || errno == EBUSY);
	kill(self->pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, end(self->pid));
}

TEST_F(m, thread_exits_without_detach)
{
	ASSERT_TRUE(begin(self->v, &self->pid, EXIT_THREAD, false));
	ASSERT_TRUE(go(self->v));
	EXPECT_EQ(0, end(self->pid));
}

TEST_F(m, process_exits)
{
	ASSERT_TRUE(begin(self->v, &self->pid, EXIT_GROUP, false));
	ASSERT_TRUE(go(self->v));
	EXPECT_EQ(0, end(self->pid));
}

TEST_F(m, process_exits_by_another_thread)
{
	ASSERT_TRUE(begin(self->v, &self->pid, EXIT_GROUP, true));
	ASSERT_TRUE(go(self->v));
	EXPECT_EQ(0, end(self->pid));
}

TEST_F(m, exec)
{
	ASSERT_TRUE(begin(self->v, &self->pid, EXEC, false));
	ASSERT_TRUE(go(self->v));
	EXPECT_EQ(0, end(self->pid));
}

TEST_F(m, exec_by_another_thread)
{
	ASSERT_TRUE(begin(self->v, &self->pid, EXEC, true));
	ASSERT_TRUE(go(self->v));
	EXPECT_EQ(0, end(self->pid));
}

TEST_F(m, fork)
{
	ASSERT_TRUE(begin(self->v, &self->pid, FORK, false));
	ASSERT_TRUE(go(self->v));
	EXPECT_EQ(0, end(self->pid));
}

TEST_F(m, vfork)
{
	ASSERT_TRUE(begin(self->v, &self->pid, VFORK, false));
	ASSERT_TRUE(go(self->v));
	EXPECT_EQ(0, end(self->pid));
}

TEST_F(m, stop_and_continue)
{
	int status = 0, i;

	ASSERT_TRUE(begin(self->v, &self->pid, NONE, false));
	for (i = 0; i < 3; i++) {
		kill(self->pid, SIGSTOP);
		EXPECT_EQ(self->pid, waitpid(self->pid, &status, WUNTRACED));
		EXPECT_TRUE(WIFSTOPPED(status));
		EXPECT_LT(0, module_refs());
		kill(self->pid, SIGCONT);
		EXPECT_EQ(self->pid, waitpid(self->pid, &status, WCONTINUED));
	}
	ASSERT_TRUE(go(self->v));
	EXPECT_EQ(0, end(self->pid));
}

TEST_F(m, stop_and_kill)
{
	int status = 0;

	ASSERT_TRUE(begin(self->v, &self->pid, NONE, false));
	kill(self->pid, SIGSTOP);
	EXPECT_EQ(self->pid, waitpid(self->pid, &status, WUNTRACED));
	kill(self->pid, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, end(self->pid));
}

static int other(int argc, char **argv)
{
	return argc == 2 && !strcmp(argv[1], "nothing") ? 0 : 97;
}

TEST_HARNESS_MAIN_OR(other)
