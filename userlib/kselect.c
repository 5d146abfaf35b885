// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Select over kernel channels and channels of the program.
 *
 * Everything is tried once.  Then a mark is armed for each kernel channel, and a
 * select of the core waits for the channels of the program and one more, which
 * gets a token when a mark has come through the completion ring.  Then the marks
 * are taken back, and if it was the token all is tried again.
 *
 * The marks are shared ones (%KGO_KCHAN_IO_SHARED): whoever else waits for the
 * same message has been woken as well, so that nothing is owed for a case that
 * is not chosen in the end.
 *
 * The core knows nothing of it.  Rejected: a kind of case of its own in
 * select.c, with calls of the port in the middle of its protocol.
 */
#include "kwait.h"

#define MAX_KCASES	64U
#define FEW_CASES	16U

struct kselect {
	struct kgo_kwaiter w;
	struct kgo_kcase *kcases;
	unsigned int	nk;
	struct kgo_case	*cases;
	unsigned int	n;
	struct kgo_case	*all;		/* those of the program, and the token */
	struct kgo_case	few[FEW_CASES];
	u64		armed;		/* by case */
	u32		g;		/* index of the goroutine */
	struct kgo_chan	token;		/* last: its buffer is of no bytes */
};

static u32 draw(void)
{
	struct kgo_m *m = kgo_enter_sched();
	u32 r = kgo_rand(m);

	kgo_leave_sched();
	return r;
}

/*
 * One call of the kernel for a case.
 * Return: 0 if the case is done, see its @ret; -EAGAIN, -EINPROGRESS; why it
 * cannot be armed.
 */
static int do_kcase(struct kgo_kcase *k, u32 flags, u32 mark)
{
	u32 n = (u32)k->len;
	struct kgo_kchan_io io = {
		.size = sizeof(io),
		.op = k->op == KGO_CASE_SEND ? KGO_KCHAN_OP_SEND :
		      KGO_KCHAN_OP_RECV,
		.flags = flags,
		.mark = mark,
		.buf = (u64)(unsigned long)k->buf,
		.lens = (u64)(unsigned long)&n,
		.stride = n,
		.count = 1,
	};
	int ret = kgo_kchan_ioctl(k->fd, KGO_IOC_KCHAN_IO, &io);

	switch (ret) {
	case -EAGAIN:
	case -EINPROGRESS:
	case -EBUSY:
	case -ENOMEM:
	case -ENOTCONN:
		return ret;
	case 0:
		k->ret = -EPIPE;
		return 0;
	default:
		if (ret > 0)
			ret = k->op == KGO_CASE_SEND ? 0 : (int)n;
		k->ret = ret;
		return 0;
	}
}

/* Return: index of the one that is done, or -EAGAIN. */
static int try_kcases(struct kgo_kcase *kcases, unsigned int nk, u32 from)
{
	unsigned int i, k;

	for (i = 0; i < nk; i++) {
		k = (from % nk + i) % nk;
		if (kcases[k].fd >= 0 &&
		    !do_kcase(&kcases[k], KGO_KCHAN_IO_NOWAIT, 0))
			return (int)k;
	}
	return -EAGAIN;
}

static int try_cases(const struct kselect *s)
{
	int ret = s->n ? kgo_select_try(s->cases, s->n) : -EAGAIN;

	return ret < 0 ? ret : (int)s->nk + ret;
}

/* Everything once, either kind first. */
static int try_all(const struct kselect *s)
{
	u32 r = draw();
	int ret;

	if (r & 1) {
		ret = try_cases(s);
		return ret == -EAGAIN ? try_kcases(s->kcases, s->nk, r >> 1) : ret;
	}
	ret = try_kcases(s->kcases, s->nk, r >> 1);
	return ret == -EAGAIN ? try_cases(s) : ret;
}

static u32 mark_of(const struct kselect *s, unsigned int k)
{
	return (u32)k * kgo_rt.nr_gs_max + s->g;
}

/* No mark of it is anywhere any more when this returns. */
static void take_back(struct kselect *s)
{
	u64 late = 0;
	unsigned int k;

	for (k = 0; k < s->nk; k++)
		if (s->armed & 1ULL << k &&
		    !kgo_kwait_disarm(s->kcases[k].fd, mark_of(s, k)))
			late |= 1ULL << k;
	if (late)
		kgo_kwait(&s->w, late, true, KGO_WAIT_SELECT);
	s->armed = 0;
	s->w.done = 0;
	kgo_enter_sched();
	kgo_chan_drain(&s->token);
	kgo_leave_sched();
}

/* However the select ends: a send on a closed channel panics. */
static void finish(void *arg)
{
	struct kselect *s = arg;

	take_back(s);
	port_add(&kgo_rt.wakers, -1U);
	if (s->all != s->few)
		port_free(s->all);
}

/* Return: index of a case that was done instead; -EAGAIN: all are armed. */
static int arm_all(struct kselect *s)
{
	unsigned int k;
	int ret;

	for (k = 0; k < s->nk; k++) {
		if (s->kcases[k].fd < 0)
			continue;
		ret = do_kcase(&s->kcases[k], KGO_KCHAN_IO_ARM |
			       KGO_KCHAN_IO_SHARED, mark_of(s, k));
		if (ret == -EINPROGRESS)
			s->armed |= 1ULL << k;
		else
			return ret ? ret : (int)k;
	}
	return -EAGAIN;
}

static int wait_once(struct kselect *s, u64 end)
{
	const struct kgo_case token = KGO_RECV(&s->token, NULL);
	long long left;
	int ret;

	if (s->n)
		memcpy(s->all, s->cases, s->n * sizeof(*s->all));
	s->all[s->n] = token;
	if (end) {
		left = (long long)(end - port_now());
		ret = kgo_select_timeout(s->all, s->n + 1, left);
	} else {
		ret = kgo_select(s->all, s->n + 1);
	}
	if (ret >= 0 && (unsigned int)ret < s->n)
		s->cases[ret].ok = s->all[ret].ok;
	return ret;
}

static int wait_for_one(struct kselect *s, u64 end)
{
	int ret;

	for (;;) {
		ret = arm_all(s);
		if (ret != -EAGAIN)
			return ret == -ENOTCONN ? -EOPNOTSUPP : ret;
		ret = wait_once(s, end);
		take_back(s);
		if (ret >= 0 && (unsigned int)ret < s->n)
			return (int)s->nk + ret;
		if (ret < 0 && ret != -ETIMEDOUT)
			return ret;
		if (ret == -ETIMEDOUT) {
			ret = try_all(s);
			return ret == -EAGAIN ? -ETIMEDOUT : ret;
		}
		ret = try_all(s);
		if (ret != -EAGAIN)
			return ret;
	}
}

static bool are_valid(const struct kgo_kcase *kcases, unsigned int nk)
{
	unsigned int k;

	for (k = 0; k < nk; k++)
		if (kcases[k].op - KGO_CASE_RECV > 1 || kcases[k].len > UINT32_MAX)
			return false;
	return true;
}

int kgo_kchan_select(struct kgo_kcase *kcases, unsigned int nk,
		     struct kgo_case *cases, unsigned int n, long long ns)
{
	struct kgo_g *g = kgo_self_g();
	u64 end = ns > 0 ? port_now() + (u64)ns : 0;
	struct kselect s;
	int ret;

	if (nk > MAX_KCASES || n >= (~0U >> 1) - MAX_KCASES ||
	    !are_valid(kcases, nk))
		return -EINVAL;
	/* The rest is set up for those who wait. */
	s.kcases = kcases;
	s.nk = nk;
	s.cases = cases;
	s.n = n;
	ret = try_all(&s);
	if (ret != -EAGAIN || !ns)
		return ret;
	if (!kgo_kwait_can_arm())
		return -EOPNOTSUPP;

	s.all = s.few;
	if (n >= FEW_CASES) {
		s.all = port_alloc((n + 1UL) * sizeof(*s.all));
		if (!s.all)
			return -ENOMEM;
	}
	s.armed = 0;
	s.g = g->index;
	memset(&s.token, 0, sizeof(s.token));
	port_lock_init(&s.token.lock);
	s.token.cap = 1;
	kgo_kwait_init(&s.w, g);
	s.w.c = &s.token;
	port_add(&kgo_rt.wakers, 1);
	KGO_SCOPE {
		kgo_defer(finish, &s);
		ret = wait_for_one(&s, end);
	}
	return ret;
}
