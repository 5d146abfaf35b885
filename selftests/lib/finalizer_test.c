// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Objects with references and their finalizers.
 */
#include "lib_test.h"

struct thing {
	struct kgo_obj obj;
	int id;
};

static struct thing *thing_of(struct kgo_obj *obj)
{
	return (struct thing *)((char *)obj - offsetof(struct thing, obj));
}

static int order[64], nr, inside, crowded;
static struct kgo_mutex mu;
static struct kgo_chan *gate;

static void note(struct kgo_obj *obj)
{
	if (ADD(inside, 1) != 1)
		ADD(crowded, 1);
	kgo_yield();
	if (nr < (int)ARRAY_SIZE(order))
		order[nr] = thing_of(obj)->id;
	nr++;
	ADD(inside, -1);
	free(thing_of(obj));
}

static struct thing *make(struct __test_metadata *_metadata, int id,
			  void (*fn)(struct kgo_obj *), const char *name)
{
	struct thing *t = malloc(sizeof(*t));

	memset(t, 0xa5, sizeof(*t));
	t->id = id;
	EXPECT_EQ(0, kgo_obj_init_at(&t->obj, fn, name));
	return t;
}

GO_TEST(finalizers_run_in_order_one_at_a_time_when_the_last_reference_goes)
{
	struct thing *t[32];
	unsigned long long me = kgo_num_goroutine();
	int i;

	for (i = 0; i < 32; i++) {
		t[i] = make(_metadata, i, note, "note");
		EXPECT_EQ(&t[i]->obj, kgo_obj_get(&t[i]->obj));
		kgo_obj_put(&t[i]->obj);
	}
	kgo_obj_put(NULL);
	EXPECT_EQ(0, kgo_finalizer_drain());
	EXPECT_EQ(0, nr);
	/* The runtime's own goroutine is not counted. */
	EXPECT_EQ(me, kgo_num_goroutine());
	yield_until(waiting("finalizer wait") == 1);
	for (i = 0; i < 32; i++)
		kgo_obj_put(&t[(i * 7) % 32]->obj);
	EXPECT_EQ(0, kgo_finalizer_drain());
	EXPECT_EQ(32, nr);
	EXPECT_EQ(0, crowded);
	for (i = 0; i < 32; i++)
		EXPECT_EQ((i * 7) % 32, order[i]);
	EXPECT_EQ(me, kgo_num_goroutine());
}

static int may_live;
static struct thing *saved;

static void resurrect(struct kgo_obj *obj)
{
	nr++;
	if (may_live-- > 0) {
		kgo_obj_get(obj);
		saved = thing_of(obj);
	} else {
		free(thing_of(obj));
	}
}

GO_TEST(a_finalizer_may_resurrect_its_object)
{
	struct thing *t = make(_metadata, 5, resurrect, "resurrect");

	may_live = 2;
	kgo_obj_put(&t->obj);
	EXPECT_EQ(0, kgo_finalizer_drain());
	EXPECT_EQ(1, nr);
	EXPECT_EQ(t, saved);
	EXPECT_EQ(5, t->id);
	kgo_obj_put(&t->obj);
	EXPECT_EQ(0, kgo_finalizer_drain());
	EXPECT_EQ(2, nr);
	kgo_obj_put(&t->obj);
	EXPECT_EQ(0, kgo_finalizer_drain());
	EXPECT_EQ(3, nr);
}

static int drained;

static void blocks(struct kgo_obj *obj)
{
	kgo_chan_recv(gate, NULL);
	STORE(drained, kgo_finalizer_drain());
	free(thing_of(obj));
}

static __attribute__((noinline)) void dump(char *text, size_t size)
{
	int fd = memfd_create("dump", MFD_CLOEXEC);
	ssize_t n;

	kgo_dump(fd);
	n = pread(fd, text, size - 1, 0);
	text[n < 0 ? 0 : n] = 0;
	close(fd);
}

GO_TEST(a_blocked_finalizer_backs_the_queue_up_visibly)
{
	struct kgo_finalizer_stats s;
	char text[8192];
	int i;

	memset(&s, 0xa5, sizeof(s));
	EXPECT_FALSE(kgo_finalizer_stats(&s));
	EXPECT_EQ(0, s.queued);
	gate = kgo_chan_make(0, 0);
	kgo_obj_put(&make(_metadata, 0, blocks, "blocks")->obj);
	for (i = 0; i < 10; i++)
		kgo_obj_put(&make(_metadata, i, note, "note")->obj);
	yield_until(waiting("chan receive") == 1);
	EXPECT_TRUE(kgo_finalizer_stats(&s));
	EXPECT_EQ(10, s.queued);
	EXPECT_EQ(0, s.done);
	EXPECT_LT(0, s.running_ns);
	EXPECT_STREQ("blocks", s.running);
	EXPECT_EQ(0, nr);
	dump(text, sizeof(text));
	EXPECT_NE(NULL, strstr(text, "finalizers: 10 queued, 0 done, blocks running for ")) {
		TH_LOG("%s", text);
	}
	kgo_chan_send(gate, NULL);
	EXPECT_EQ(0, kgo_finalizer_drain());
	EXPECT_EQ(-EDEADLK, LOAD(drained));
	EXPECT_EQ(10, nr);
	EXPECT_TRUE(kgo_finalizer_stats(&s));
	EXPECT_EQ(0, s.queued);
	EXPECT_EQ(11, s.done);
	EXPECT_EQ(0, s.running_ns);
	EXPECT_EQ(NULL, s.running);
}

static void takes_the_lock(struct kgo_obj *obj)
{
	kgo_mutex_lock(&mu);
	nr++;
	kgo_mutex_unlock(&mu);
	free(thing_of(obj));
}

GO_TEST(an_object_may_be_put_with_a_lock_that_its_finalizer_takes)
{
	kgo_mutex_lock(&mu);
	kgo_obj_put(&make(_metadata, 0, takes_the_lock, "lock")->obj);
	yield_until(waiting("sync.Mutex.Lock") == 1);
	EXPECT_EQ(0, nr);
	kgo_mutex_unlock(&mu);
	EXPECT_EQ(0, kgo_finalizer_drain());
	EXPECT_EQ(1, nr);
}

#define SHARED 8

static struct thing *shared[SHARED];
static struct kgo_wg wg;

static void getter(void *arg UNUSED)
{
	int i, k;

	for (i = 0; i < MANY(2000); i++)
		for (k = 0; k < SHARED; k++) {
			kgo_obj_get(&shared[k]->obj);
			if (i % 64 == 0)
				kgo_yield();
			kgo_obj_put(&shared[k]->obj);
		}
	for (k = 0; k < SHARED; k++)
		kgo_obj_put(&shared[k]->obj);
	kgo_wg_done(&wg);
}

static void *thread_puts(void *arg UNUSED)
{
	int i, k;

	for (i = 0; i < MANY(2000); i++)
		for (k = 0; k < SHARED; k++) {
			kgo_obj_get(&shared[k]->obj);
			kgo_obj_put(&shared[k]->obj);
		}
	for (k = 0; k < SHARED; k++)
		kgo_obj_put(&shared[k]->obj);
	return NULL;
}

GO_TEST_PS(races_for_the_last_reference_end_with_one_finalizer, 4)
{
	pthread_t thread;
	int i, k;

	for (k = 0; k < SHARED; k++) {
		shared[k] = make(_metadata, k, note, "note");
		for (i = 0; i < 4; i++)
			kgo_obj_get(&shared[k]->obj);
	}
	kgo_wg_add(&wg, 4);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, kgo_go(getter, NULL));
	EXPECT_EQ(0, pthread_create(&thread, NULL, thread_puts, NULL));
	kgo_wg_wait(&wg);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, kgo_finalizer_drain());
	EXPECT_EQ(SHARED, nr);
}

static struct thing dead;

static void keeps(struct kgo_obj *obj UNUSED)
{
}

static int misuse(void *arg)
{
	if (kgo_obj_init(&dead.obj, keeps))
		return 3;
	kgo_obj_put(&dead.obj);
	kgo_finalizer_drain();
	if (arg)
		kgo_obj_get(&dead.obj);
	else
		kgo_obj_put(&dead.obj);
	return 4;
}

TEST(to_get_or_put_what_has_no_reference_panics)
{
	struct ended e;

	EXPECT_EQ(-EINVAL, kgo_obj_init_at(&dead.obj, NULL, NULL));
	EXPECT_EQ(-ESRCH, kgo_obj_init(&dead.obj, keeps));
	run_child(&e, misuse, NULL);
	EXPECT_PANIC(e, "put of an object without references");
	run_child(&e, misuse, &e);
	EXPECT_PANIC(e, "get of an object without references");
}

TEST_HARNESS_MAIN
