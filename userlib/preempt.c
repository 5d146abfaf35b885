// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The signal that stops a goroutine which computes for long, see
 * kmod/core/preempt.c.
 *
 * SIGURG, for Go's reasons: nobody sends it by mistake, debuggers pass it on
 * without a stop, its default is to be ignored, and a program that uses it for
 * sockets must stand a few too many.  One that is not ours goes to whoever
 * handled it before the runtime started.
 *
 * Who sends it: the kernel, on the thread's own CPU and only if that was in
 * user mode, so that no system call is interrupted; or the monitor of the
 * futex back end, to a thread that it has just seen running.  Between that
 * look and the signal the thread may enter a call.  SA_RESTART then goes on
 * with read(), write(), accept(), waitpid(), futex waits and others; calls that
 * are never restarted return EINTR: poll(), select(), epoll_wait(), nanosleep(),
 * usleep(), sigtimedwait(), calls on sockets with a timeout, System V IPC.  That
 * takes a goroutine that computed for 10 ms and sleeps in the very next
 * microseconds.
 *
 * The handler runs on the alternate stack, so that a goroutine needs no room
 * for it, and with all signals blocked: a handler of the program's that came
 * in between might leave by siglongjmp(), with the goroutine in a queue.
 *
 * A program that handles SIGURG by itself, later, has only the cooperative
 * half of preemption.  KGO_PREEMPT=0 asks for that, too.
 */
#include "backend.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct sigaction old_action;
static bool installed;

static void chain(int sig, siginfo_t *info, void *context)
{
	if (old_action.sa_flags & SA_SIGINFO)
		old_action.sa_sigaction(sig, info, context);
	else if (old_action.sa_handler != SIG_DFL &&
		 old_action.sa_handler != SIG_IGN)
		old_action.sa_handler(sig);
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	struct kgo_m *m = port_self();
	int saved = errno;

	/* Time is not up, or no more: perhaps it means something else. */
	if (!m || !(port_load(&m->d.p) & KGO_P_ODD))
		chain(sig, info, context);
	else
		kgo_preempt(m);
	errno = saved;
}

/**
 * kgo_preempt_signal() - The signal of preemption, or 0 for none
 *
 * CONTEXT: after kgo_preempt_init().
 */
int kgo_preempt_signal(void)
{
	return installed ? SIGURG : 0;
}

/**
 * kgo_preempt_init() - Install the handler, once
 *
 * Before the back end is opened, which wants to know.
 * Return: 0 or -errno.
 */
int kgo_preempt_init(void)
{
	struct sigaction sa = {
		.sa_sigaction = on_signal,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART,
	};
	const char *env = getenv("KGO_PREEMPT");

	if (installed || (env && !strcmp(env, "0")))
		return 0;
	sigfillset(&sa.sa_mask);
	if (sigaction(SIGURG, &sa, &old_action))
		return -errno;
	installed = true;
	return 0;
}

/** kgo_preempt_thread() - A new thread of ours takes the signal */
void kgo_preempt_thread(void)
{
	sigset_t set;

	if (!installed)
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGURG);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/**
 * kgo_preempt_send() - Send it
 * @tid: thread of this process
 *
 * CONTEXT: any.
 */
void kgo_preempt_send(u32 tid)
{
	arch_syscall(SYS_tgkill, getpid(), tid, SIGURG, 0, 0, 0);
}
