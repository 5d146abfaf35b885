// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What happened, in words.  A failing run is repeated with this on.
 */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>

#define LINE		160U
#define NR_LINES	4096U
#define NR_NAMES	64U

static char lines[NR_LINES][LINE];
static u32 nr_lines;		/* ever */
static bool print_all;

static struct {
	const void	*addr;
	const char	*name;
} names[NR_NAMES];

static u32 nr_names;

/* @addr NULL-named: forget all names. */
void trace_name(const void *addr, const char *name)
{
	if (!name) {
		nr_names = 0;
		return;
	}
	if (nr_names == NR_NAMES)
		return;
	names[nr_names].addr = addr;
	names[nr_names++].name = name;
}

#define FIELD(type, f)	{ offsetof(type, f), #f }

struct field {
	size_t		offset;
	const char	*name;
};

static const struct field r_fields[] = {
	FIELD(struct kgo_rdesc, nr_avail), FIELD(struct kgo_rdesc, nr_spare),
	FIELD(struct kgo_rdesc, nr_want), FIELD(struct kgo_rdesc, gq_len),
	FIELD(struct kgo_rdesc, nr_spinning),
	FIELD(struct kgo_rdesc, keeper_when), FIELD(struct kgo_rdesc, nr_gs),
	{ 0, NULL }
};

static const struct field p_fields[] = {
	FIELD(struct kgo_p, d.runq_head), FIELD(struct kgo_p, d.runq_tail),
	FIELD(struct kgo_p, d.runnext), FIELD(struct kgo_p, d.schedtick),
	FIELD(struct kgo_p, d.nr_timers), FIELD(struct kgo_p, d.timer_when),
	FIELD(struct kgo_p, d.spawned), FIELD(struct kgo_p, d.exited),
	FIELD(struct kgo_p, d.stolen), FIELD(struct kgo_p, gfree.n),
	FIELD(struct kgo_p, timers.lock), { 0, NULL }
};

static const struct field m_fields[] = {
	FIELD(struct kgo_m, d.in_sched), FIELD(struct kgo_m, d.p),
	FIELD(struct kgo_m, d.curg), { 0, NULL }
};

static const struct field g_fields[] = {
	FIELD(struct kgo_g, d.state), FIELD(struct kgo_g, d.reason),
	FIELD(struct kgo_g, d.m), FIELD(struct kgo_g, d.p),
	FIELD(struct kgo_g, d.wait_since), { 0, NULL }
};

/* A single variable, known to all or named by a scenario; else its address. */
static const char *name_of(const char *at, char b[48])
{
	const struct {
		const void *addr;
		const char *name;
	} known[] = {
		{ &S.arb.lock.word, "arb.lock" },
		{ &S.arb.nr_parked, "arb.nr_parked" },
		{ &kgo_rt.gq_lock.word, "gq_lock" },
		{ &kgo_rt.gfree_lock.word, "gfree_lock" },
		{ &kgo_rt.nr_starting, "nr_starting" },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (at == known[i].addr)
			return known[i].name;
	for (i = 0; i < nr_names; i++)
		if (at == names[i].addr)
			return names[i].name;
	snprintf(b, 48, "%p", (const void *)at);
	return b;
}

static const char *field(const struct field *f, size_t offset)
{
	for (; f->name; f++)
		if (f->offset == offset)
			return f->name;
	return "?";
}

/* Is @at inside [base, base + n * stride)?  Its index and offset if so. */
static bool inside(const char *at, const void *base, size_t n, size_t stride,
		   u32 *i, size_t *offset)
{
	size_t d = (size_t)(at - (const char *)base);

	if (at < (const char *)base || d >= n * stride)
		return false;
	*i = (u32)(d / stride);
	*offset = d % stride;
	return true;
}

const char *trace_addr(const volatile void *addr)
{
	static char buf[4][48];
	static u32 turn;
	const char *at = (const char *)(unsigned long)addr;
	char *b = buf[turn++ % 4];
	size_t off;
	u32 i;

	if (!at)
		return "";
	if (inside(at, kgo_rt.r, 1, sizeof(struct kgo_rdesc), &i, &off))
		return field(r_fields, off);
	if (inside(at, kgo_rt.p_base, S.o.nr_ps, KGO_P_STRIDE, &i, &off)) {
		if (off >= offsetof(struct kgo_p, d.runq) &&
		    off < offsetof(struct kgo_p, d.runq) + KGO_RUNQ_SIZE * 4)
			snprintf(b, 48, "p%u.runq[%zu]", i, (off -
				 offsetof(struct kgo_p, d.runq)) / 4);
		else
			snprintf(b, 48, "p%u.%s", i, field(p_fields, off));
	} else if (inside(at, kgo_rt.m_base, SIM_MAX_MS, KGO_M_STRIDE, &i, &off)) {
		snprintf(b, 48, "m%u.%s", i, field(m_fields, off));
	} else if (inside(at, sim_g_base, SIM_NR_GS, KGO_G_STRIDE, &i, &off)) {
		snprintf(b, 48, "g%u.%s", i, field(g_fields, off));
	} else if (inside(at, S.words, SIM_MAX_PS, sizeof(u64), &i, &off)) {
		snprintf(b, 48, "word[%u]", i);
	} else if (inside(at, &S.t, SIM_MAX_THREADS, sizeof(S.t[0]), &i, &off)) {
		snprintf(b, 48, "t%u.am.%s", i,
			 off == offsetof(struct sim_thread, am.mode) ? "mode" :
			 off == offsetof(struct sim_thread, am.p) ? "p" :
			 off == offsetof(struct sim_thread, am.block_word) ?
			 "block_word" : "?");
	} else {
		return name_of(at, b);
	}
	return b;
}

static void emit(const char *text)
{
	struct sim_thread *t = S.cur;
	char *line = lines[nr_lines++ % NR_LINES];
	char who[32] = "-";

	if (t && t->m && t->m->curg)
		snprintf(who, sizeof(who), "m%u g%u", t->am.index,
			 t->m->curg->index);
	else if (t && t->attached)
		snprintf(who, sizeof(who), "m%u", t->am.index);
	else if (t)
		snprintf(who, sizeof(who), "t%u", t->id);
	snprintf(line, LINE, "%6llu %10llu %-9s%s%s", S.step,
		 S.now - 1000 * NS_PER_S, who,
		 t && t->nbuf ? "* " : "  ", text);
	if (print_all)
		printf("%s\n", line);
}

static const char *const op_names[SIM_NR_OPS] = {
	"load", "acquire", "store", "release", "cas", "xchg", "add", "mb",
	"relax", "lock", "unlock", "-"
};

static u64 value_at(const struct sim_at *at)
{
	switch (at->size) {
	case 1:
		return *(const volatile u8 *)at->addr;
	case 2:
		return *(const volatile u16 *)at->addr;
	case 4:
		return *(const volatile u32 *)at->addr;
	case 8:
		return *(const volatile u64 *)at->addr;
	}
	return 0;
}

void trace_step(const struct sim_at *at)
{
	char text[128];

	if (!S.tracing)
		return;
	if (at->op <= SIM_ACQUIRE)
		snprintf(text, sizeof(text), "%s:%d %s %s = %#llx", at->func,
			 at->line, op_names[at->op], trace_addr(at->addr),
			 value_at(at));
	else if (at->addr)
		snprintf(text, sizeof(text), "%s:%d %s %s: %#llx, %#llx",
			 at->func, at->line, op_names[at->op],
			 trace_addr(at->addr), value_at(at), at->val);
	else
		snprintf(text, sizeof(text), "%s:%d %s", at->func, at->line,
			 op_names[at->op]);
	emit(text);
}

void trace_note(const char *fmt, ...)
{
	char text[128];
	va_list ap;

	if (!S.tracing)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	emit(text);
}

void trace_begin(bool print)
{
	nr_lines = 0;
	print_all = print;
}

static const char *const states[] = {
	"free", "runs", "waits for a lock", "parked", "asleep", "computes", "irq"
};

static void dump_threads(void)
{
	u32 i;

	for (i = 0; i < SIM_MAX_THREADS; i++) {
		struct sim_thread *t = &S.t[i];

		if (t->state == T_FREE || t->state == T_IRQ)
			continue;
		printf("# t%u", i);
		if (t->attached)
			printf(" m%u p%d mode %u%s%s%s", t->am.index,
			       (int)t->am.p, t->am.mode,
			       t->m->d.in_sched ? " in_sched" : "",
			       t->m->spinning ? " spinning" : "",
			       t->m->keeper ? " keeper" : "");
		if (t->attached && t->m->curg)
			printf(" g%u", t->m->curg->index);
		printf(" %s", states[t->state]);
		if (t->wake_at)
			printf(", %lld ns more", (long long)(t->wake_at - S.now));
		printf("\n");
	}
}

static void dump_queues(void)
{
	struct kgo_rdesc *r = kgo_rt.r;
	u32 i, k;

	printf("# nr_avail %d nr_spare %u nr_want %u nr_spinning %d gq_len %u keeper_when %lld\n",
	       (int)r->nr_avail, r->nr_spare, r->nr_want, (int)r->nr_spinning,
	       r->gq_len, r->keeper_when ?
	       (long long)(r->keeper_when - S.now) : 0);
	for (i = 0; i < S.o.nr_ps; i++) {
		struct kgo_pdesc *d = &kgo_p_at(i)->d;

		printf("# p%u %s(m%u) tick %u timers %u next %u queue", i,
		       arb_word_state(S.words[i]) == ARB_IDLE ? "IDLE" :
		       arb_word_state(S.words[i]) == ARB_RUNNING ? "RUNNING" :
		       "BLOCKED", arb_word_m(S.words[i]), d->schedtick,
		       d->nr_timers, d->runnext);
		for (k = d->runq_head; k != d->runq_tail &&
		     k - d->runq_head < 8; k++)
			printf(" g%u", d->runq[k % KGO_RUNQ_SIZE]);
		printf("\n");
	}
}

/* The world at the moment of the failure; while it is still there. */
void trace_dump(void)
{
	u32 i;

	dump_queues();
	dump_threads();
	for (i = 1; i < kgo_rt.r->nr_gs && i < 40; i++) {
		struct kgo_g *g = port_g(i);

		if (g->d.state != KGO_G_IDLE && g->d.state != KGO_G_DEAD)
			printf("# g%u state %u reason %u m%d%s\n", i,
			       g->d.state, g->d.reason, (int)g->d.m,
			       g->bound ? " bound" : "");
	}
}

void trace_print(u32 last)
{
	u32 n = nr_lines < NR_LINES ? nr_lines : NR_LINES, i;

	if (n > last)
		n = last;
	for (i = nr_lines - n; i != nr_lines; i++)
		printf("# %s\n", lines[i % NR_LINES]);
}
