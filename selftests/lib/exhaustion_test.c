// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * No memory, and so no new threads either: what cannot be had is said by an
 * error, what there is goes on, and when there is memory again all works again.
 *
 * The address space is limited to what it is, and malloc() is emptied.
 */
#include "lib_test.h"

#include <malloc.h>
#include <sys/resource.h>

#define HOUR	(3600LL * 1000000000LL)
#define MOST	65536	/* more than what caches of the library hold */

struct chunk {
	struct chunk *next;
};

static struct chunk *taken;
static struct rlimit before;

/* Each thread's own heap would be one to empty. */
__attribute__((constructor)) static void one_heap(void)
{
	mallopt(M_ARENA_MAX, 1);
}

static size_t address_space(void)
{
	char buf[64] = "";
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (read(fd, buf, sizeof(buf) - 1) < 1)
		abort();
	close(fd);
	return strtoul(buf, NULL, 10) * 4096;
}

static void take_memory(void)
{
	size_t size = 1 << 20;
	struct rlimit now;
	struct chunk *p;

	getrlimit(RLIMIT_AS, &before);
	now = before;
	now.rlim_cur = address_space();
	if (setrlimit(RLIMIT_AS, &now))
		abort();
	for (; size >= sizeof(*p); size /= 2) {
		while ((p = malloc(size))) {
			p->next = taken;
			taken = p;
		}
	}
}

static void give_memory_back(void)
{
	struct chunk *p;

	setrlimit(RLIMIT_AS, &before);
	while ((p = taken)) {
		taken = p->next;
		free(p);
	}
}

#define SKIP_SANITIZED							\
	do {								\
		if (SANITIZED)						\
			SKIP(return, "a sanitizer needs the address space"); \
	} while (0)

/*
 * What is made, and given back.  Each that was made must work, or at least be
 * fit to be given back.
 */
static const char key;
static struct kgo_chan *hold;

static void *make_chan(void)
{
	return kgo_chan_make(64, 8);
}

static void drop_chan(void *c)
{
	kgo_chan_free(c);
}

static void *make_cancel(void)
{
	return kgo_ctx_with_cancel(kgo_ctx_background());
}

static void *make_timeout(void)
{
	return kgo_ctx_with_timeout(kgo_ctx_background(), HOUR);
}

static void *make_value(void)
{
	return kgo_ctx_with_value(kgo_ctx_background(), &key, NULL);
}

static void *make_without(void)
{
	return kgo_ctx_without_cancel(kgo_ctx_background());
}

static void drop_ctx(void *ctx)
{
	kgo_ctx_cancel(ctx, 0);
	kgo_ctx_put(ctx);
}

static void nothing(void *arg UNUSED)
{
}

static void *make_after(void)
{
	return kgo_ctx_after_func(kgo_ctx_background(), nothing, NULL);
}

static void drop_after(void *a)
{
	kgo_ctx_after_stop(a);
}

static void *make_timer(void)
{
	return kgo_timer_new(HOUR);
}

static void drop_timer(void *t)
{
	kgo_timer_free(t);
}

static void *make_ticker(void)
{
	return kgo_ticker_new(HOUR);
}

static void drop_ticker(void *t)
{
	kgo_ticker_free(t);
}

static void *make_sup(void)
{
	return kgo_sup_new(NULL);
}

static void drop_sup(void *s)
{
	kgo_sup_put(s);
}

static void *make_current(void)
{
	return kgo_leak_current();
}

static void drop_current(void *c)
{
	kgo_leak_current_free(c);
}

static struct kgo_reserve reserves[MOST];
static int nr_reserves;

static void *make_reserve(void)
{
	struct kgo_reserve *r = &reserves[nr_reserves];

	if (kgo_reserve_init(r, 4))
		return NULL;
	nr_reserves++;
	return r;
}

static void drop_reserve(void *r)
{
	kgo_reserve_destroy(r);
	nr_reserves--;
}

static void wait_for_the_end(void *arg UNUSED)
{
	kgo_chan_recv(hold, NULL);
}

static int wait_in_group(void *arg UNUSED)
{
	kgo_chan_recv(hold, NULL);
	return 0;
}

static struct kgo_errgroup group;
static struct kgo_wg wg;

/* Something that is not NULL. */
static void *done(int ret)
{
	return ret ? NULL : &wg;
}

static void *make_goroutine(void)
{
	return done(kgo_go(wait_for_the_end, NULL));
}

static void *make_in_wg(void)
{
	return done(kgo_wg_go(&wg, wait_for_the_end, NULL));
}

static void *make_in_errgroup(void)
{
	return done(kgo_errgroup_go(&group, wait_in_group, NULL));
}

static void let_one_go(void *arg UNUSED)
{
	kgo_chan_send(hold, NULL);
}

static const struct {
	const char *name;
	void *(*make)(void);
	void (*drop)(void *what);
} things[] = {
	{ "channel", make_chan, drop_chan },
	{ "context with cancel", make_cancel, drop_ctx },
	{ "context with timeout", make_timeout, drop_ctx },
	{ "context with value", make_value, drop_ctx },
	{ "context without cancel", make_without, drop_ctx },
	{ "function of a context", make_after, drop_after },
	{ "timer", make_timer, drop_timer },
	{ "ticker", make_ticker, drop_ticker },
	{ "supervisor", make_sup, drop_sup },
	{ "snapshot of goroutines", make_current, drop_current },
	{ "reserve", make_reserve, drop_reserve },
	{ "goroutine", make_goroutine, let_one_go },
	{ "goroutine of a WaitGroup", make_in_wg, let_one_go },
	{ "goroutine of an errgroup", make_in_errgroup, let_one_go },
};

GO_TEST(what_cannot_be_made_is_not_and_all_else_stays)
{
	static void *made[MOST];
	unsigned int i;
	int n, k;

	SKIP_SANITIZED;
	hold = kgo_chan_make(0, 0);
	for (i = 0; i < ARRAY_SIZE(things); i++) {
		take_memory();
		for (n = 0; n < MOST; n++) {
			made[n] = things[i].make();
			if (!made[n])
				break;
		}
		EXPECT_LT(n, MOST) { TH_LOG("%s", things[i].name); }
		/* Again, it is still not there; then it is. */
		EXPECT_EQ(NULL, things[i].make()) { TH_LOG("%s", things[i].name); }
		for (k = 0; k < n; k++)
			things[i].drop(made[k]);
		give_memory_back();
		for (k = 0; k < 100; k++) {
			made[k] = things[i].make();
			EXPECT_NE(NULL, made[k]) { TH_LOG("%s", things[i].name); }
		}
		for (k = 0; k < 100; k++)
			if (made[k])
				things[i].drop(made[k]);
		kgo_wg_wait(&wg);
		EXPECT_EQ(0, kgo_errgroup_wait(&group));
		yield_until(kgo_num_goroutine() == 1);
	}
	EXPECT_EQ(0, kgo_ctx_lost());
	EXPECT_EQ(0, kgo_chan_free(hold));
}

static int ran;

static void count_one(void *arg UNUSED)
{
	ran++;
}

GO_TEST(deferred_calls_that_were_accepted_run)
{
	static int n, ret;

	SKIP_SANITIZED;
	KGO_SCOPE {
		take_memory();
		while (n < MOST && !(ret = kgo_defer(count_one, NULL)))
			n++;
		EXPECT_EQ(-ENOMEM, ret);
		/* Room for some is in the block itself. */
		EXPECT_LE(KGO_SCOPE_CALLS, n);
		EXPECT_EQ(0, ran);
	}
	EXPECT_EQ(n, ran);
	give_memory_back();
}

/* Nobody waits for ever on what could not be made. */
GO_TEST(a_context_without_memory_for_its_channel_is_cancelled)
{
	static struct kgo_ctx *ctx[1024];
	unsigned int i, failed = 0;

	SKIP_SANITIZED;
	for (i = 0; i < ARRAY_SIZE(ctx); i++)
		ctx[i] = make_cancel();
	take_memory();
	for (i = 0; i < ARRAY_SIZE(ctx); i++) {
		struct kgo_chan *c = kgo_ctx_done(ctx[i]);

		EXPECT_NE(NULL, c);
		if (!kgo_ctx_err(ctx[i]))
			continue;
		failed++;
		EXPECT_EQ(-ECANCELED, kgo_ctx_err(ctx[i]));
		EXPECT_EQ(-ENOMEM, kgo_ctx_cause(ctx[i]));
		EXPECT_EQ(0, kgo_chan_recv(c, NULL));
	}
	EXPECT_LT(0, failed);
	give_memory_back();
	for (i = 0; i < ARRAY_SIZE(ctx); i++)
		drop_ctx(ctx[i]);
	EXPECT_EQ(0, kgo_ctx_lost());
}

GO_TEST(labels_and_values_stay_as_they_were)
{
	const struct kgo_label_pair one = { "one", "before" };
	struct kgo_label_pair many = { "many", NULL };
	unsigned int keys[512], i, n = 0;
	static char text[16384];
	int ret = 0;

	SKIP_SANITIZED;
	EXPECT_EQ(0, kgo_set_labels(&one, 1));
	for (i = 0; i < ARRAY_SIZE(keys); i++)
		EXPECT_EQ(0, kgo_local_key_create(&keys[i], NULL));
	memset(text, 'x', sizeof(text) - 1);
	many.value = text;
	take_memory();
	EXPECT_EQ(-ENOMEM, kgo_set_labels(&many, 1));
	EXPECT_STREQ("before", kgo_label("one"));
	EXPECT_EQ(NULL, kgo_label("many"));
	EXPECT_EQ(-ENOMEM, kgo_do_labels(&many, 1, count_one, NULL));
	EXPECT_EQ(0, ran);
	for (; n < ARRAY_SIZE(keys) && !ret; n++)
		ret = kgo_local_set(keys[n], &keys[n]);
	EXPECT_EQ(-ENOMEM, ret);
	for (i = 0; i < ARRAY_SIZE(keys); i++)
		EXPECT_EQ(i + 1 < n ? &keys[i] : NULL, kgo_local_get(keys[i]));
	give_memory_back();
	EXPECT_EQ(0, kgo_set_labels(&many, 1));
	EXPECT_STREQ(text, kgo_label("many"));
	EXPECT_EQ(0, kgo_local_set(keys[n - 1], &keys[0]));
	EXPECT_EQ(&keys[0], kgo_local_get(keys[n - 1]));
	for (i = 0; i < ARRAY_SIZE(keys); i++)
		EXPECT_EQ(0, kgo_local_key_delete(keys[i]));
}

static int call_it(void *arg UNUSED, void **val)
{
	ADD(ran, 1);
	*val = &ran;
	return 0;
}

/* A call that was refused is none that others would wait for. */
GO_TEST(a_call_that_could_not_begin_keeps_nobody_waiting)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(struct kgo_flight_result), MOST);
	struct kgo_flight_result res;
	static struct kgo_flight f;
	int n, i, ret = 0;

	SKIP_SANITIZED;
	take_memory();
	for (n = 0; n < MOST; n++) {
		ret = kgo_flight_do_chan(&f, &n, sizeof(n), call_it, NULL, c);
		if (ret)
			break;
	}
	EXPECT_EQ(-ENOMEM, ret);
	give_memory_back();
	for (i = 0; i < n; i++)
		EXPECT_EQ(1, kgo_chan_recv(c, &res));
	EXPECT_EQ(n, LOAD(ran));
	memset(&res, 0xa5, sizeof(res));
	EXPECT_EQ(0, kgo_flight_do(&f, &n, sizeof(n), call_it, NULL, &res));
	EXPECT_EQ(&ran, res.val);
	EXPECT_FALSE(res.shared);
	EXPECT_EQ(n + 1, LOAD(ran));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(0, kgo_chan_free(c));
}

/*
 * Threads: READERS block in a system call, each on a thread of its own, and
 * there are no new ones.
 */
#define READERS	16

static int data[2], began;

static void reader(void *arg UNUSED)
{
	char byte = 0;

	ADD(began, 1);
	if (read(data[0], &byte, 1) == 1 && byte == 'x')
		ADD(ran, 1);
}

static void *writer(void *arg)
{
	int *go = arg, i;

	while (!LOAD(*go))
		usleep(1000);
	for (i = 0; i < READERS; i++)
		if (write(data[1], "x", 1) != 1)
			abort();
	return NULL;
}

GO_TEST(without_new_threads_what_blocks_goes_on_and_with_them_again)
{
	pthread_t thread;
	int go = 0, i;

	SKIP_SANITIZED;
	EXPECT_EQ(0, pipe(data));
	hold = kgo_chan_make(0, 0);
	/* From now on there are stacks and descriptors for all. */
	for (i = 0; i < READERS; i++)
		EXPECT_EQ(0, kgo_go(wait_for_the_end, NULL));
	kgo_chan_close(hold);
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(0, pthread_create(&thread, NULL, writer, &go));

	take_memory();
	for (i = 0; i < READERS; i++)
		EXPECT_EQ(0, kgo_go(reader, NULL));
	STORE(go, 1);
	yield_until(LOAD(ran) == READERS);
	EXPECT_EQ(0, pthread_join(thread, NULL));
	yield_until(kgo_num_goroutine() == 1);
	give_memory_back();

	/* All of them block now, and this one goes on. */
	STORE(began, 0);
	for (i = 0; i < READERS; i++)
		EXPECT_EQ(0, kgo_go(reader, NULL));
	yield_until(LOAD(began) == READERS);
	EXPECT_EQ(READERS, LOAD(ran));
	for (i = 0; i < READERS; i++)
		EXPECT_EQ(1, write(data[1], "x", 1));
	yield_until(kgo_num_goroutine() == 1);
	EXPECT_EQ(2 * READERS, LOAD(ran));
	EXPECT_EQ(0, kgo_chan_free(hold));
}

TEST_HARNESS_MAIN
