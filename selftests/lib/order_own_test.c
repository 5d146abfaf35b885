// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What is a goroutine's own, wherever it goes on: what a body without a stack
 * keeps from one function to the next, its labels and its values.
 *
 * Invariant: as in order_test.c, what is shared is written and read without
 * atomics.
 */
#include "lib_test.h"

#define BODIES	8
#define WAYS	9

static const struct kgo_attr bare = { .flags = KGO_ATTR_STACKLESS };
static int wrong, rounds;
static struct kgo_wg wg;

static void check(bool ok)
{
	if (!ok)
		ADD(wrong, 1);
}

/* A body that waits in each way, in turn.  All of it is plain. */
struct body {
	int step, waits;
	uint64_t goid;
	int got, *out;
	struct kgo_case cs[2];
};

static struct kgo_mutex mu;
static struct kgo_chan *tokens, *parcels, *never;
static struct kgo_wg nothing;
static struct kgo_ctx *over;
static int counted;		/* mu */

static void goes_on(void *arg, int ret);

static void counts(void *arg, int ret)
{
	struct body *b = arg;

	check(ret == 0);
	counted++;
	kgo_mutex_unlock(&mu);
	b->waits++;
	kgo_yield_then(goes_on, b);
}

/* A buffer of one, which it leaves as it was. */
static void has_token(void *arg, int ret)
{
	struct body *b = arg;

	check(ret == 1);
	b->got++;
	kgo_chan_send_then(tokens, &b->got, goes_on, b);
}

static void has_parcel(void *arg, int ret)
{
	struct body *b = arg;

	check(ret == 1);
	check(*b->out == 7);
	*b->out = 8;
	free(b->out);
	goes_on(b, 0);
}

static void has_sent(void *arg, int ret)
{
	struct body *b = arg;

	check(ret == 0);
	kgo_chan_recv_then(parcels, &b->out, has_parcel, b);
}

static void has_selected(void *arg, int ret)
{
	struct body *b = arg;

	check(ret == 1 || ret == -ETIMEDOUT);
	if (ret == 1)
		kgo_chan_send_then(tokens, &b->got, goes_on, b);
	else
		kgo_yield_then(goes_on, b);
}

/* The function after a wait, on whatever thread it runs. */
static void goes_on(void *arg, int ret UNUSED)
{
	struct body *b = arg;

	check(kgo_goid() == b->goid);
	check(b->waits == b->step);
	if (b->step++ == rounds * WAYS) {
		kgo_wg_done(&wg);
		return;
	}
	b->waits += (b->step - 1) % WAYS != 0;
	b->cs[0] = (struct kgo_case)KGO_RECV(never, NULL);
	b->cs[1] = (struct kgo_case)KGO_RECV(tokens, &b->got);
	switch ((b->step - 1) % WAYS) {
	case 0:
		kgo_mutex_lock_then(&mu, counts, b);
		break;
	case 1:
		kgo_yield_then(goes_on, b);
		break;
	case 2:
		kgo_sleep_then(1000, goes_on, b);
		break;
	case 3:
		kgo_chan_recv_then(tokens, &b->got, has_token, b);
		break;
	case 4:
		b->out = malloc(sizeof(*b->out));
		if (!b->out)
			abort();
		*b->out = 7;
		kgo_chan_send_then(parcels, &b->out, has_sent, b);
		break;
	case 5:
		kgo_select_then(b->cs, 2, has_selected, b);
		break;
	case 6:
		kgo_select_timeout_then(b->cs, 2, 1000, has_selected, b);
		break;
	case 7:
		kgo_wg_wait_then(&nothing, goes_on, b);
		break;
	default:
		kgo_ctx_done_then(over, goes_on, b);
		break;
	}
}

static void begins(void *arg)
{
	struct body *b = arg;

	b->goid = kgo_goid();
	goes_on(b, 0);
}

GO_TEST_PS(a_body_has_what_it_left_wherever_it_goes_on, 4)
{
	static struct body b[BODIES];
	int i, token = 0;

	rounds = MANY(1000);
	tokens = kgo_chan_make(sizeof(int), 1);
	/* Each has one on its way at most. */
	parcels = kgo_chan_make(sizeof(int *), BODIES);
	never = kgo_chan_make(0, 0);
	over = kgo_ctx_with_cancel(kgo_ctx_background());
	kgo_ctx_cancel(over, 0);
	EXPECT_EQ(0, kgo_chan_send(tokens, &token));
	kgo_wg_add(&wg, BODIES);
	for (i = 0; i < BODIES; i++)
		EXPECT_EQ(0, kgo_go_attr(begins, &b[i], &bare));
	kgo_wg_wait(&wg);
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(BODIES * rounds, counted);
	for (i = 0; i < BODIES; i++)
		EXPECT_EQ(rounds * WAYS, b[i].waits);
	/* A body may be on its way out when it has told. */
	EXPECT_EQ(0, kgo_quiesce(1, -1));
	EXPECT_EQ(0, kgo_chan_len(parcels));
	kgo_ctx_put(over);
}

/* Those that wait for a group, and see what others left. */
static int parts[4], seen;
static struct kgo_wg all, told;

static void sees_parts(void *arg UNUSED, int ret)
{
	int k;

	check(ret == 0);
	for (k = 0; k < 4; k++)
		check(parts[k] == rounds);
	kgo_wg_done(&told);
}

static void waits_for_parts(void *arg)
{
	kgo_wg_wait_then(&all, sees_parts, arg);
}

static void does_part(void *arg)
{
	(*(int *)arg)++;
	kgo_wg_done(&all);
}

GO_TEST_PS(a_body_sees_what_those_did_that_it_waited_for, 4)
{
	int k;

	for (rounds = 1; rounds <= MANY(3000); rounds++) {
		kgo_wg_add(&all, 4);
		kgo_wg_add(&told, 2);
		for (k = 0; k < 2; k++)
			EXPECT_EQ(0, kgo_go_attr(waits_for_parts, NULL, &bare));
		for (k = 0; k < 4; k++)
			EXPECT_EQ(0, kgo_go_attr(does_part, &parts[k], &bare));
		kgo_wg_wait(&told);
	}
	EXPECT_EQ(0, wrong);
}

/* Labels and values change while others look at the tables. */
static unsigned int key, come_and_go;
static int destroyed, over_now;

static void destroy(void *value)
{
	int *n = value;

	check(*n == 3);
	free(n);
	ADD(destroyed, 1);
}

static void child_of(void *arg)
{
	const char *label = kgo_label("round");

	/* Its own copy, whatever its parent does. */
	check(label && *label == *(char *)arg);
	check(!kgo_local_get(key));
	kgo_yield();
	label = kgo_label("round");
	check(label && *label == *(char *)arg);
	free(arg);
}

static void changes_its_own(void *arg UNUSED)
{
	struct kgo_label_pair pair = { "round", NULL };
	char text[2] = "a", *copy;
	int i, *n = calloc(1, sizeof(*n));

	check(kgo_local_set(key, n) == 0);
	for (i = 0; i < rounds; i++) {
		text[0] = (char)('a' + i % 26);
		pair.value = text;
		check(kgo_set_labels(&pair, 1) == 0);
		copy = strdup(text);
		check(kgo_wg_go(&wg, child_of, copy) == 0);
		check(kgo_local_get(key) == n);
		/* Whose key may be gone, or be another one by now. */
		kgo_local_set(LOAD(come_and_go), NULL);
		kgo_local_get(LOAD(come_and_go));
		if (i % 8 == 0)
			kgo_yield();
		check(*kgo_label("round") == text[0]);
		if (i % 16 == 15)
			check(kgo_set_labels(NULL, 0) == 0);
	}
	*n = 3;
}

static void looks(void *arg UNUSED)
{
	while (!LOAD(over_now)) {
		check(waiting("no such wait") == 0);
		kgo_yield();
	}
}

static void makes_keys(void *arg UNUSED)
{
	unsigned int k;

	while (!LOAD(over_now)) {
		check(kgo_local_key_create(&k, NULL) == 0);
		STORE(come_and_go, k);
		kgo_yield();
		check(kgo_local_key_delete(k) == 0);
		ADD(seen, 1);
	}
}

GO_TEST_PS(labels_and_values_are_changed_while_others_look, 4)
{
	struct kgo_wg lookers = { 0 };
	int k;

	rounds = MANY(2000);
	EXPECT_EQ(0, kgo_local_key_create(&key, destroy));
	come_and_go = KGO_LOCAL_KEYS;	/* no key yet */
	EXPECT_EQ(0, kgo_wg_go(&lookers, looks, NULL));
	EXPECT_EQ(0, kgo_wg_go(&lookers, makes_keys, NULL));
	for (k = 0; k < 4; k++)
		EXPECT_EQ(0, kgo_wg_go(&wg, changes_its_own, NULL));
	kgo_wg_wait(&wg);
	yield_until(LOAD(seen));
	STORE(over_now, 1);
	kgo_wg_wait(&lookers);
	EXPECT_EQ(0, kgo_quiesce(1, -1));
	EXPECT_EQ(4, destroyed);
	EXPECT_EQ(0, wrong);
}

TEST_HARNESS_MAIN
