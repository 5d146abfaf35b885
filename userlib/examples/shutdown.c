// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * shutdown [SECONDS] - a pool of workers that ends in good order on a signal
 *
 *	source --jobs--> workers --results--> printer
 *
 * SIGINT and SIGTERM cancel a context; so does a worker that fails, and so do
 * SECONDS if they are given.  Then the source takes no new jobs, the workers
 * finish those that they have, the printer prints what is still under way, and
 * the program says how much it did.  A second signal ends it at once.
 *
 *	context		says that it is over, to all and as often as they ask
 *	errgroup	waits for source and workers, keeps the first error
 *	select		waits for a job's channel and for the end at once
 *	defer		what was begun is ended, whichever way a function is left
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kgo.h>

#define WORKERS	4
#define MS	1000000LL

struct result {
	long job;
	long square;
};

static struct kgo_chan *jobs, *results;
static struct kgo_ctx *working;		/* cancelled when it is over */

static void close_chan(void *c)
{
	kgo_chan_close(c);
}

static void free_chan(void *c)
{
	kgo_chan_free(c);
}

/* A job every 20 ms, until it is over. */
static int source(void *arg)
{
	long job = 0;
	struct kgo_case cases[] = {
		KGO_RECV(kgo_ctx_done(working), NULL),
		KGO_SEND(jobs, &job),
	};

	(void)arg;
	KGO_SCOPE {
		/* The workers see it, and end when all jobs are done. */
		kgo_defer(close_chan, jobs);
		while (kgo_select(cases, 2) == 1) {
			job++;
			kgo_sleep(20 * MS);
		}
	}
	return 0;
}

static int worker(void *arg)
{
	struct result r;

	(void)arg;
	while (kgo_chan_recv(jobs, &r.job)) {
		kgo_sleep(50 * MS);		/* hard work */
		if (r.job > 10000)
			return -ERANGE;		/* ends the others, too */
		r.square = r.job * r.job;
		kgo_chan_send(results, &r);
	}
	return 0;
}

/* Ends when the results do. */
static void printer(void *arg)
{
	struct result r;
	long *n = arg;

	while (kgo_chan_recv(results, &r)) {
		printf("%ld * %ld = %ld\n", r.job, r.job, r.square);
		++*n;
	}
}

static int work(struct kgo_ctx *until)
{
	struct kgo_errgroup group;
	struct kgo_wg printing;
	long printed = 0;
	int i, err;

	memset(&group, 0, sizeof(group));
	memset(&printing, 0, sizeof(printing));
	working = kgo_errgroup_with_context(&group, until);
	if (!working)
		return -ENOMEM;
	err = kgo_wg_go(&printing, printer, &printed);
	for (i = 0; i < WORKERS && !err; i++)
		err = kgo_errgroup_go(&group, worker, NULL);
	if (!err)
		err = kgo_errgroup_go(&group, source, NULL);
	if (err)
		kgo_chan_close(jobs);		/* nobody else will */
	i = kgo_errgroup_wait(&group);
	kgo_chan_close(results);
	kgo_wg_wait(&printing);
	kgo_ctx_put(working);
	printf("%ld jobs done, none lost\n", printed);
	return err ? err : i;
}

static void stop_context(void *ctx)
{
	kgo_signal_stop_context(ctx);
}

static void put_context(void *ctx)
{
	kgo_ctx_cancel(ctx, 0);
	kgo_ctx_put(ctx);
}

static void stop_after(void *after)
{
	kgo_ctx_after_stop(after);
}

static const int sigs[] = { SIGINT, SIGTERM };

/* The next signal does what it always did. */
static void tell(void *arg)
{
	(void)arg;
	kgo_signal_reset(sigs, 2);
	printf("stopping\n");
}

static int run(const char *seconds)
{
	struct kgo_ctx_after *after;
	struct kgo_ctx *ctx;

	KGO_SCOPE {
		ctx = kgo_signal_notify_context(kgo_ctx_background(), sigs, 2);
		if (!ctx)
			return -ENOMEM;
		kgo_defer(stop_context, ctx);
		if (seconds) {
			ctx = kgo_ctx_with_timeout(ctx, atol(seconds) * 1000 * MS);
			if (!ctx)
				return -ENOMEM;
			kgo_defer(put_context, ctx);
		}
		jobs = kgo_chan_make(sizeof(long), 0);
		results = kgo_chan_make(sizeof(struct result), WORKERS);
		kgo_defer(free_chan, jobs);
		kgo_defer(free_chan, results);
		after = kgo_ctx_after_func(ctx, tell, NULL);
		if (!jobs || !results || !after)
			return -ENOMEM;
		kgo_defer(stop_after, after);
		return work(ctx);
	}
	return 0;
}

static int start(void *arg)
{
	int err = run(arg);

	if (err)
		fprintf(stderr, "shutdown: %s\n", strerror(-err));
	return err ? 1 : 0;
}

int main(int argc, char **argv)
{
	return kgo_main(start, argc > 1 ? argv[1] : NULL);
}
