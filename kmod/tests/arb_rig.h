/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An arbiter alone: Ms are records, a grant is a line in a log.
 *
 * Every step is followed by check(), which proves from the words that each P
 * has one owner and that the hints which the runtime reads add up.
 */
#ifndef KGO_TESTS_ARB_RIG_H
#define KGO_TESTS_ARB_RIG_H

#include <kunit/test.h>

#include "../core/arb.h"

#define NR_PS	4
#define NR_MS	12
#define LOG	16

struct fix {
	struct arb arb;
	struct arb_m m[NR_MS];
	struct kgo_rdesc r;
	u64 word[NR_PS];
	char *pdesc;
	u32 log[LOG];		/* Ms in the order in which they were granted */
	u32 nr_log;
	bool asleep[NR_MS];	/* between arb_block() and arb_unblock() */
};

static inline void log_grant(struct arb *arb, struct arb_m *am)
{
	struct fix *f = container_of(arb, struct fix, arb);

	if (f->nr_log < LOG)
		f->log[f->nr_log] = am->index;
	f->nr_log++;
}

static inline struct kgo_pdesc *pdesc(struct fix *f, u32 p)
{
	return (struct kgo_pdesc *)(f->pdesc + p * KGO_P_STRIDE);
}

static inline void set_work(struct fix *f, u32 p, bool work)
{
	pdesc(f, p)->runq_tail = pdesc(f, p)->runq_head + work;
}

static inline void join(struct fix *f, u32 m)
{
	arb_m_init(&f->m[m], m);
	arb_join(&f->arb, &f->m[m]);
}

/* Of the Ms, the first @nr_ms are there. */
static inline struct fix *with_ms(struct kunit *test, u32 nr_ps, u32 nr_ms)
{
	struct fix *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->pdesc = kunit_kzalloc(test, NR_PS * KGO_P_STRIDE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, f->pdesc);
	f->arb.word = f->word;
	f->arb.grant = log_grant;
	KUNIT_ASSERT_EQ(test, arb_init(&f->arb, nr_ps, &f->r, f->pdesc), 0);
	for (i = 0; i < nr_ms; i++)
		join(f, i);
	return f;
}

static inline struct fix *with_ps(struct kunit *test, u32 nr_ps)
{
	return with_ms(test, nr_ps, NR_MS);
}

static inline u32 list_len(struct kgo_list *head)
{
	struct kgo_list *l;
	u32 n = 0;

	for (l = head->next; l != head; l = l->next)
		n++;
	return n;
}

static inline u32 count_mode(struct fix *f, u32 mode)
{
	u32 n = 0, i;

	for (i = 0; i < NR_MS; i++)
		n += f->m[i].mode == mode;
	return n;
}

/* The owner of a running word says so itself, and nobody else does. */
static inline void check_owner(struct kunit *test, struct fix *f, u32 p)
{
	u32 m = arb_word_m(f->word[p]), claims = 0, i;

	KUNIT_ASSERT_LT(test, m, NR_MS);
	KUNIT_EXPECT_TRUE(test, f->m[m].p == p || f->m[m].given == p);
	/* One that sleeps learns only when it wakes that it lost its P. */
	for (i = 0; i < NR_MS; i++)
		claims += (f->m[i].p == p && !f->asleep[i]) + (f->m[i].given == p);
	KUNIT_EXPECT_EQ(test, claims, 1);
}

static inline void check(struct kunit *test, struct fix *f)
{
	u32 avail = 0, idle = 0, p, i;

	for (p = 0; p < f->arb.nr_ps; p++) {
		avail += arb_word_state(f->word[p]) == ARB_IDLE ||
			 arb_word_state(f->word[p]) == ARB_BLOCKED;
		if (p >= f->arb.nr_on)
			KUNIT_EXPECT_NE(test, arb_word_state(f->word[p]), ARB_IDLE);
		else
			KUNIT_EXPECT_NE(test, arb_word_state(f->word[p]), ARB_OFF);
		idle += arb_word_state(f->word[p]) == ARB_IDLE;
		if (arb_word_state(f->word[p]) == ARB_RUNNING)
			check_owner(test, f, p);
	}
	for (i = 0; i < NR_MS; i++)
		if (f->m[i].mode != ARB_OUT)
			KUNIT_EXPECT_EQ(test, f->m[i].p, KGO_NONE);
	KUNIT_EXPECT_EQ(test, f->r.nr_avail, avail);
	KUNIT_EXPECT_EQ(test, f->r.nr_spare, list_len(&f->arb.spare));
	KUNIT_EXPECT_EQ(test, f->r.nr_spare, count_mode(f, ARB_SPARE));
	KUNIT_EXPECT_EQ(test, f->r.nr_want, list_len(&f->arb.want));
	KUNIT_EXPECT_EQ(test, f->r.nr_want, count_mode(f, ARB_WANT));
	KUNIT_EXPECT_EQ(test, f->arb.nr_parked, f->r.nr_spare + f->r.nr_want);
	if (f->r.nr_want)
		KUNIT_EXPECT_EQ(test, idle, 0);
}

static inline u32 state_of(struct fix *f, u32 p)
{
	return arb_word_state(f->word[p]);
}

static inline bool block(struct fix *f, u32 m)
{
	f->asleep[m] = true;
	return arb_block(&f->arb, &f->m[m]);
}

static inline bool unblock(struct fix *f, u32 m)
{
	f->asleep[m] = false;
	return arb_unblock(&f->arb, &f->m[m]);
}

/* Let Ms 0 .. n-1 own Ps 0 .. n-1. */
static inline void own(struct kunit *test, struct fix *f, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++) {
		KUNIT_ASSERT_EQ(test, arb_acquire(&f->arb, &f->m[i]), 0);
		KUNIT_ASSERT_EQ(test, f->m[i].p, i);
	}
}

static inline int park(struct fix *f, u32 m, u32 op)
{
	return arb_park(&f->arb, &f->m[m], op, NULL);
}

/* Another M may be given the index then. */
static inline void leave(struct fix *f, u32 m)
{
	arb_leave(&f->arb, &f->m[m]);
	f->asleep[m] = false;
	join(f, m);
}

#endif
