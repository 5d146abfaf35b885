// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * What starting goroutines and waiting for their end orders, each way that
 * there is: plain data that they get, share in turn and leave behind.
 *
 * Invariant: as in order_test.c, what is shared is written and read without
 * atomics.
 */
#include "lib_test.h"

#define USERS 6

static int wrong;

static void check(bool ok)
{
	if (!ok)
		ADD(wrong, 1);
}

/* What one goroutine gets and leaves, which is freed by who waited for it. */
struct job {
	int in, out;		/* plain */
};

static struct job *job(int in)
{
	struct job *j = malloc(sizeof(*j));

	if (!j)
		abort();
	j->in = in;
	j->out = 0;
	return j;
}

static void done_with(struct job *j)
{
	check(j->out == j->in + 1);
	memset(j, 0x5a, sizeof(*j));
	free(j);
}

static void work(void *arg)
{
	struct job *j = arg;

	j->out = j->in + 1;
}

static int work_or_fail(void *arg)
{
	struct job *j = arg;

	if (j->in % 3 == 0)
		kgo_yield();
	work(j);
	return j->in % 7 ? 0 : -EIO;
}

GO_TEST_PS(an_errgroup_sees_what_all_have_done, 4)
{
	struct kgo_ctx *ctx;
	struct job *j[16];
	int i, k, ret;

	for (i = 0; i < MANY(2000); i++) {
		struct kgo_errgroup g = { 0 };

		ctx = kgo_errgroup_with_context(&g, kgo_ctx_background());
		if (i % 2)
			kgo_errgroup_set_limit(&g, 3);
		for (k = 0; k < 16; k++) {
			j[k] = job(k + i % 2);
			do {
				ret = k % 4 ? kgo_errgroup_go(&g, work_or_fail, j[k]) :
				      kgo_errgroup_try_go(&g, work_or_fail, j[k]);
				if (ret)
					kgo_yield();
			} while (ret == -EBUSY);
			EXPECT_EQ(0, ret);
		}
		EXPECT_EQ(-EIO, kgo_errgroup_wait(&g));
		EXPECT_EQ(-EIO, kgo_ctx_cause(ctx));
		for (k = 0; k < 16; k++)
			done_with(j[k]);
		kgo_ctx_put(ctx);
	}
	EXPECT_EQ(0, wrong);
}

/* Those of a reserve start one after the other in the same place. */
static struct kgo_reserve reserve;
static struct kgo_client client;
static struct job *jobs[4000];
static int threads_done;

static void *start_reserved(void *arg)
{
	int i, ret, first = (int)(long)arg;

	for (i = first; i < MANY(4000); i += 2) {
		jobs[i] = job(i);
		do {
			ret = first ? kgo_go_reserved(&reserve, work, jobs[i]) :
			      kgo_client_go_reserved(&client, &reserve, work, jobs[i]);
			if (ret == -EAGAIN)
				sched_yield();
		} while (ret == -EAGAIN);
		check(ret == 0);
	}
	ADD(threads_done, 1);
	return NULL;
}

GO_TEST_PS(the_end_of_a_reserve_sees_what_all_have_done, 4)
{
	pthread_t t[2];
	long i;

	EXPECT_EQ(0, kgo_client_init(&client, "plugin"));
	EXPECT_EQ(0, kgo_reserve_init(&reserve, 3));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, pthread_create(&t[i], NULL, start_reserved, (void *)i));
	yield_until(LOAD(threads_done) == 2);
	for (i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	kgo_reserve_destroy(&reserve);
	for (i = 0; i < MANY(4000); i++)
		done_with(jobs[i]);
	EXPECT_EQ(0, kgo_client_exit(&client));
	EXPECT_EQ(0, wrong);
}

/* Goroutines are started until the client's end refuses them. */
struct part {
	struct job *j[100];
	int n;
};

static void start_till_refused(void *arg)
{
	struct part *p = arg;
	struct job *j;

	while (p->n < 100) {
		j = job(p->n);
		if (kgo_client_go(&client, work, j)) {
			j->out = j->in + 1;
			done_with(j);
			return;
		}
		p->j[p->n++] = j;
		if (p->n % 16 == 0)
			kgo_yield();
	}
}

GO_TEST_PS(the_exit_of_a_client_sees_what_all_have_done, 4)
{
	struct kgo_wg wg = { 0 };
	struct part part[3];
	int i, k;

	for (i = 0; i < MANY(500); i++) {
		memset(part, 0, sizeof(part));
		EXPECT_EQ(0, kgo_client_init(&client, "plugin"));
		for (k = 0; k < 3; k++)
			EXPECT_EQ(0, kgo_wg_go(&wg, start_till_refused, &part[k]));
		for (k = i % 8; k--;)
			kgo_yield();
		EXPECT_EQ(0, kgo_client_exit(&client));
		kgo_wg_wait(&wg);
		for (k = 0; k < 3; k++)
			while (part[k].n)
				done_with(part[k].j[--part[k].n]);
	}
	EXPECT_EQ(0, wrong);
}

static void work_often(void *arg)
{
	struct job *j;
	int i;

	for (i = 0; i < MANY(500); i++) {
		j = job(i);
		if (kgo_go(work, j))
			abort();
		((struct job **)arg)[i] = j;
	}
}

GO_TEST_PS(who_waits_for_quiet_sees_what_all_have_done, 4)
{
	static struct job *all[4][500];
	int i, k;

	for (k = 0; k < 4; k++)
		EXPECT_EQ(0, kgo_go(work_often, all[k]));
	EXPECT_EQ(0, kgo_quiesce(1, -1));
	for (k = 0; k < 4; k++)
		for (i = 0; i < MANY(500); i++)
			done_with(all[k][i]);
	EXPECT_EQ(0, wrong);
}

/* One calls, all read what it made; the last of them frees it. */
static struct kgo_flight flight;
static struct kgo_wg wg;

struct answer {
	int key, value[4];	/* plain */
};

static int make_answer(void *arg, void **val)
{
	struct answer *a = malloc(sizeof(*a));
	int k;

	if (!a)
		abort();
	a->key = *(int *)arg;
	kgo_yield();
	for (k = 0; k < 4; k++)
		a->value[k] = a->key + k;
	*val = a;
	return 0;
}

static struct answer **kept[USERS];

static void ask(void *arg)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(struct kgo_flight_result), 1);
	struct kgo_flight_result res;
	int i, key, me = (int)(long)arg;
	struct answer *a;

	for (i = 0; i < MANY(2000); i++) {
		key = i % 5;
		if ((i + me) % 4) {
			check(!kgo_flight_do(&flight, &key, sizeof(key), make_answer, &key, &res));
		} else {
			check(!kgo_flight_do_chan(&flight, &key, sizeof(key), make_answer, &key, c));
			check(kgo_chan_recv(c, &res) == 1 && !res.err);
		}
		a = res.val;
		check(a->key == key && a->value[0] == key && a->value[3] == key + 3);
		if (i % 17 == 0)
			kgo_flight_forget(&flight, &key, sizeof(key));
		kept[me][i] = a;
	}
	check(!kgo_chan_free(c));
}

static int by_address(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

	return x < y ? -1 : x > y;
}

GO_TEST_PS(all_who_share_a_call_see_what_it_made, 4)
{
	struct answer **all = calloc((size_t)USERS * 2000, sizeof(*all));
	size_t i, n = (size_t)USERS * MANY(2000);

	for (i = 0; i < USERS; i++) {
		kept[i] = all + i * MANY(2000);
		EXPECT_EQ(0, kgo_wg_go(&wg, ask, (void *)i));
	}
	kgo_wg_wait(&wg);
	qsort(all, n, sizeof(*all), by_address);
	for (i = 0; i < n; i++)
		if (i + 1 == n || all[i] != all[i + 1])
			free(all[i]);
	free(all);
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(NULL, flight.calls);
}

/* An object's next owner sees what the last one did, and so does drop(). */
static struct kgo_mutex mu;
static int made, used, dropped;

static void *make_object(void *arg UNUSED)
{
	kgo_mutex_lock(&mu);
	made++;
	kgo_mutex_unlock(&mu);
	return calloc(1, sizeof(struct job));
}

static void drop_object(void *obj, void *arg UNUSED)
{
	struct job *j = obj;

	kgo_mutex_lock(&mu);
	dropped++;
	used += j->in;
	kgo_mutex_unlock(&mu);
	check(j->in == j->out);
	free(j);
}

static struct kgo_pool pool = { .make = make_object, .drop = drop_object };

static void use_objects(void *arg)
{
	struct job *j[4];
	int i, k;

	for (i = 0; i < MANY(5000); i++) {
		for (k = 0; k < 4; k++) {
			j[k] = kgo_pool_get(&pool);
			check(j[k]->in == j[k]->out);
			j[k]->in++;
		}
		if (i % 32 == 0)
			kgo_yield();
		for (k = 0; k < 4; k++) {
			j[k]->out++;
			kgo_pool_put(&pool, j[k]);
		}
		if (i % 256 == 255 && !arg)
			kgo_pool_trim(&pool);
	}
}

GO_TEST_PS(who_gets_an_object_sees_what_its_last_owner_did, 4)
{
	long i;

	for (i = 0; i < USERS; i++)
		EXPECT_EQ(0, kgo_wg_go(&wg, use_objects, (void *)i));
	kgo_wg_wait(&wg);
	kgo_pool_destroy(&pool);
	EXPECT_EQ(made, dropped);
	EXPECT_EQ(USERS * 4 * MANY(5000), used);
	EXPECT_EQ(0, wrong);
}

/* A finalizer sees what all did who had a reference. */
struct thing {
	struct kgo_obj obj;
	int by[USERS];		/* plain: by each holder */
};

static int finalized;		/* plain: finalizers run one by one */

static void finalize(struct kgo_obj *obj)
{
	struct thing *t = (struct thing *)obj;
	int i;

	for (i = 0; i < USERS; i++)
		check(t->by[i] == i + 1);
	finalized++;
	free(t);
}

static struct kgo_chan *things[USERS];

static void hold_things(void *arg)
{
	int me = (int)(long)arg;
	struct thing *t;

	while (kgo_chan_recv(things[me], &t) == 1) {
		t->by[me] = me + 1;
		kgo_obj_put(&t->obj);
	}
}

GO_TEST_PS(a_finalizer_sees_what_all_holders_did, 4)
{
	int i, n = MANY(5000);
	struct thing *t;
	long k;

	for (k = 0; k < USERS; k++) {
		things[k] = kgo_chan_make(sizeof(t), 4);
		EXPECT_EQ(0, kgo_wg_go(&wg, hold_things, (void *)k));
	}
	for (i = 0; i < n; i++) {
		t = calloc(1, sizeof(*t));
		EXPECT_EQ(0, kgo_obj_init(&t->obj, finalize));
		for (k = 1; k < USERS; k++)
			kgo_obj_get(&t->obj);
		for (k = 0; k < USERS; k++)
			EXPECT_EQ(0, kgo_chan_send(things[k], &t));
	}
	for (k = 0; k < USERS; k++)
		kgo_chan_close(things[k]);
	kgo_wg_wait(&wg);
	EXPECT_EQ(0, kgo_finalizer_drain());
	EXPECT_EQ(n, finalized);
	EXPECT_EQ(0, wrong);
}

/*
 * A child that is started again sees what it did before, and who waits for the
 * supervisor what it did last.
 */
#define RESTARTS 5
static int runs[3];		/* plain: of each child */

static int fails_often(struct kgo_ctx *ctx UNUSED, void *arg)
{
	int *n = arg;

	kgo_yield();
	if (++*n > RESTARTS)
		return 0;
	if (*n % 2)
		kgo_panic("again");
	return -EIO;
}

static void wait_for_sup(void *arg)
{
	check(kgo_sup_wait(arg) == 0);
	check(runs[0] == RESTARTS + 1 && runs[2] == RESTARTS + 1);
}

GO_TEST_PS(a_child_sees_what_it_did_before_it_was_restarted, 4)
{
	const struct kgo_sup_attr attr = {
		.max_restarts = 3 * RESTARTS, .backoff_ns = 1000, .backoff_max_ns = 1000,
	};
	struct kgo_sup *sup;
	int i, k;

	for (i = 0; i < MANY(200); i++) {
		memset(runs, 0, sizeof(runs));
		sup = kgo_sup_new(&attr);
		for (k = 0; k < 3; k++) {
			const struct kgo_sup_child child = {
				.start = fails_often, .arg = &runs[k],
				.restart = KGO_SUP_TRANSIENT,
			};

			EXPECT_EQ(k, kgo_sup_add(sup, &child));
		}
		EXPECT_EQ(0, kgo_sup_start(sup, kgo_ctx_background()));
		EXPECT_EQ(0, kgo_wg_go(&wg, wait_for_sup, sup));
		EXPECT_EQ(0, kgo_sup_wait(sup));
		for (k = 0; k < 3; k++) {
			EXPECT_EQ(RESTARTS + 1, runs[k]);
			EXPECT_EQ(RESTARTS + 1, kgo_sup_starts(sup, k));
		}
		kgo_wg_wait(&wg);
		kgo_sup_put(sup);
	}
	EXPECT_EQ(0, wrong);
}

TEST_HARNESS_MAIN
