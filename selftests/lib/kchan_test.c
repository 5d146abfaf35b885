// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Kernel channels, between goroutines and with other processes.  Without
 * /dev/kgo there are none, which is all that can be tested then.
 */
#include "lib_test.h"

#include <stdint.h>

#define NEED_DEVICE()							\
	do {								\
		if (kgo_backend() != KGO_BACKEND_DEVICE)		\
			return;						\
	} while (0)

GO_TEST(without_the_device_there_are_none)
{
	int fd[2] = { -7, -7 };

	if (!access("/dev/kgo", R_OK))
		return;
	EXPECT_EQ(-ENODEV, kgo_kchan_make(8, 1, fd));
	EXPECT_EQ(-7, fd[0]);
	EXPECT_EQ(-ENODEV, kgo_kchan_make_both(8, 1));
}

struct end {
	int fd;
	uint32_t v;
	ssize_t ret;
	int done;
};

static void receiver(void *arg)
{
	struct end *e = arg;

	e->ret = kgo_kchan_recv(e->fd, &e->v, sizeof(e->v));
	STORE(e->done, 1);
}

static void sender(void *arg)
{
	struct end *e = arg;

	e->ret = kgo_kchan_send(e->fd, &e->v, sizeof(e->v));
	STORE(e->done, 1);
}

GO_TEST(a_receiver_parks_and_shows_its_reason)
{
	struct end e = { .ret = -7 };
	uint32_t v = 42;
	int fd[2];

	NEED_DEVICE();
	EXPECT_EQ(0, kgo_kchan_make(8, 1, fd));
	e.fd = fd[0];
	EXPECT_EQ(0, kgo_go(receiver, &e));
	yield_until(waiting("kernel chan receive") == 1);
	EXPECT_EQ(0, LOAD(e.done));
	EXPECT_EQ(0, kgo_kchan_send(fd[1], &v, sizeof(v)));
	yield_until(LOAD(e.done));
	EXPECT_EQ((ssize_t)sizeof(v), e.ret);
	EXPECT_EQ(42, e.v);
	close(fd[0]);
	close(fd[1]);
}

GO_TEST(a_sender_parks_until_there_is_room)
{
	struct end e = { .v = 2, .ret = -7 };
	uint32_t v = 1;
	int fd[2];

	NEED_DEVICE();
	EXPECT_EQ(0, kgo_kchan_make(8, 1, fd));
	EXPECT_EQ(0, kgo_kchan_send(fd[1], &v, sizeof(v)));
	EXPECT_EQ(-EAGAIN, kgo_kchan_try_send(fd[1], &v, sizeof(v)));
	e.fd = fd[1];
	EXPECT_EQ(0, kgo_go(sender, &e));
	yield_until(waiting("kernel chan send") == 1);
	EXPECT_EQ((ssize_t)sizeof(v), kgo_kchan_recv(fd[0], &v, sizeof(v)));
	EXPECT_EQ(1, v);
	EXPECT_EQ((ssize_t)sizeof(v), kgo_kchan_recv(fd[0], &v, sizeof(v)));
	EXPECT_EQ(2, v);
	yield_until(LOAD(e.done));
	EXPECT_EQ(0, e.ret);
	close(fd[0]);
	close(fd[1]);
}

GO_TEST(close_wakes_all_who_wait)
{
	struct end e[10];
	int fd[2], i;

	NEED_DEVICE();
	EXPECT_EQ(0, kgo_kchan_make(8, 1, fd));
	for (i = 0; i < 10; i++) {
		e[i] = (struct end){ .fd = fd[0], .ret = -7 };
		EXPECT_EQ(0, kgo_go(receiver, &e[i]));
	}
	yield_until(waiting("kernel chan receive") == 10);
	EXPECT_EQ(0, kgo_kchan_close(fd[1]));
	EXPECT_EQ(-EALREADY, kgo_kchan_close(fd[0]));
	for (i = 0; i < 10; i++) {
		yield_until(LOAD(e[i].done));
		EXPECT_EQ(-EPIPE, e[i].ret);
	}
	EXPECT_EQ(-EPIPE, kgo_kchan_send(fd[1], "", 0));
	close(fd[0]);
	close(fd[1]);
}

GO_TEST(a_wait_with_a_timeout_ends)
{
	struct end e = { .ret = -7 };
	uint32_t v = 5;
	int fd[2];

	NEED_DEVICE();
	EXPECT_EQ(0, kgo_kchan_make(8, 1, fd));
	EXPECT_EQ(-ETIMEDOUT, kgo_kchan_recv_timeout(fd[0], &v, sizeof(v), MS));
	EXPECT_EQ(-ETIMEDOUT, kgo_kchan_recv_timeout(fd[0], &v, sizeof(v), 0));
	EXPECT_EQ(0, kgo_kchan_send_timeout(fd[1], &v, sizeof(v), 60000 * MS));
	EXPECT_EQ(-ETIMEDOUT, kgo_kchan_send_timeout(fd[1], &v, sizeof(v), MS));
	/* Its mark is gone: the next one is woken. */
	EXPECT_EQ(4, kgo_kchan_recv(fd[0], &v, sizeof(v)));
	e.fd = fd[0];
	EXPECT_EQ(0, kgo_go(receiver, &e));
	yield_until(waiting("kernel chan receive") == 1);
	EXPECT_EQ(0, kgo_kchan_send(fd[1], &v, sizeof(v)));
	yield_until(LOAD(e.done));
	EXPECT_EQ(5, e.v);
	close(fd[0]);
	close(fd[1]);
}

/* Many of both kinds: every message comes to somebody, once. */
#define WORKERS	8

struct crowd {
	int fd[2];
	uint32_t per;
	uint32_t *seen;
	struct kgo_wg senders, receivers;
	uint32_t next;
};

static void crowd_sender(void *arg)
{
	struct crowd *c = arg;
	uint32_t i, v;

	for (i = 0; i < c->per; i++) {
		v = ADD(c->next, 1) - 1;
		while (kgo_kchan_send_timeout(c->fd[1], &v, sizeof(v), 100000) ==
		       -ETIMEDOUT)
			;
	}
	kgo_wg_done(&c->senders);
}

static void crowd_receiver(void *arg)
{
	struct crowd *c = arg;
	ssize_t ret;
	uint32_t v;

	do {
		ret = kgo_kchan_recv_timeout(c->fd[0], &v, sizeof(v), 100000);
		if (ret == sizeof(v))
			ADD(c->seen[v], 1);
	} while (ret > 0 || ret == -ETIMEDOUT);
	kgo_wg_done(&c->receivers);
}

GO_TEST_PS(every_message_is_received_once, 4)
{
	struct crowd c = { .per = MANY(2000) };
	uint32_t i, n = c.per * WORKERS;

	NEED_DEVICE();
	c.seen = calloc(n, sizeof(*c.seen));
	EXPECT_EQ(0, kgo_kchan_make(8, 3, c.fd));
	kgo_wg_add(&c.senders, WORKERS);
	kgo_wg_add(&c.receivers, WORKERS);
	for (i = 0; i < WORKERS; i++) {
		kgo_go(crowd_receiver, &c);
		kgo_go(crowd_sender, &c);
	}
	kgo_wg_wait(&c.senders);
	kgo_kchan_close(c.fd[1]);
	kgo_wg_wait(&c.receivers);
	for (i = 0; i < n; i++)
		EXPECT_EQ(1, c.seen[i]);
	free(c.seen);
	close(c.fd[0]);
	close(c.fd[1]);
}

struct late {
	struct kgo_chan *c;
	int fd;
};

static void send_chan(void *arg)
{
	struct late *l = arg;
	uint32_t v = 9;

	yield_until(waiting("select") == 1);
	if (l->c)
		kgo_chan_send(l->c, &v);
	else
		kgo_kchan_send(l->fd, &v, sizeof(v));
}

GO_TEST(select_waits_for_both_kinds)
{
	uint32_t v = 0, w = 0;
	struct kgo_chan *c = kgo_chan_make(sizeof(w), 0);
	struct kgo_case cases[] = { KGO_RECV(c, &w) };
	struct kgo_kcase k[2];
	struct late l = { 0 };
	int fd[2], i;

	NEED_DEVICE();
	EXPECT_EQ(0, kgo_kchan_make(8, 1, fd));
	k[0] = (struct kgo_kcase){ .fd = -1, .op = KGO_CASE_RECV };
	k[1] = (struct kgo_kcase){ fd[0], KGO_CASE_RECV, &v, sizeof(v), -7 };
	EXPECT_EQ(-EAGAIN, kgo_kchan_select(k, 2, cases, 1, 0));
	EXPECT_EQ(-ETIMEDOUT, kgo_kchan_select(k, 2, cases, 1, MS));
	for (i = 0; i < 20; i++) {
		v = 0;
		w = 0;
		l.c = i & 1 ? c : NULL;
		l.fd = fd[1];
		EXPECT_EQ(0, kgo_go(send_chan, &l));
		EXPECT_EQ(i & 1 ? 2 : 1, kgo_kchan_select(k, 2, cases, 1, -1));
		EXPECT_EQ(9, i & 1 ? w : v);
		EXPECT_EQ(0, i & 1 ? v : w);
	}
	EXPECT_EQ(0, kgo_kchan_close(fd[1]));
	EXPECT_EQ(1, kgo_kchan_select(k, 2, cases, 1, -1));
	EXPECT_EQ(-EPIPE, k[1].ret);
	kgo_chan_free(c);
	close(fd[0]);
	close(fd[1]);
}

static void cancel_later(void *arg)
{
	yield_until(waiting("select") == 1);
	kgo_ctx_cancel(arg, 0);
}

GO_TEST(a_context_cancels_a_wait)
{
	struct kgo_ctx *ctx = kgo_ctx_with_cancel(kgo_ctx_background());
	struct kgo_case cases[] = { KGO_RECV(kgo_ctx_done(ctx), NULL) };
	struct kgo_kcase k = { .op = KGO_CASE_RECV };
	int fd[2];

	NEED_DEVICE();
	EXPECT_EQ(0, kgo_kchan_make(8, 1, fd));
	k.fd = fd[0];
	EXPECT_EQ(0, kgo_go(cancel_later, ctx));
	EXPECT_EQ(1, kgo_kchan_select(&k, 1, cases, 1, -1));
	kgo_ctx_put(ctx);
	close(fd[0]);
	close(fd[1]);
}

/* All goroutines wait, no thread runs, and another process ends it. */
GO_TEST(who_waits_for_another_process_is_no_deadlock)
{
	uint32_t lens[16], v[16], next = 0;
	int fd[2], n, i;
	pid_t pid;

	NEED_DEVICE();
	EXPECT_EQ(0, kgo_kchan_make(4, 4, fd));
	pid = fork();
	if (!pid) {
		uint32_t w;

		for (w = 0; w < 1000; w++) {
			if (w % 100 == 0)
				usleep(1000);
			/* A child has no goroutines, but may use the channel. */
			if (kgo_kchan_send(fd[1], &w, sizeof(w)))
				_exit(1);
		}
		_exit(0);
	}
	close(fd[1]);
	while ((n = kgo_kchan_recv_many(fd[0], v, sizeof(*v), lens, 16)) > 0) {
		for (i = 0; i < n; i++) {
			EXPECT_EQ(4, lens[i]);
			EXPECT_EQ(next, v[i]);
			next++;
		}
	}
	EXPECT_EQ(-EPIPE, n);
	EXPECT_EQ(1000, next);
	waitpid(pid, NULL, 0);
	close(fd[0]);
}

TEST_HARNESS_MAIN
