/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Finding goroutines that a test has left behind, as go.uber.org/goleak does.
 *
 * A goroutine is leaked if it exists although everything is over.  Some need a
 * moment to end: a check looks again whenever one has ended, and from time to
 * time, until nothing is left or its patience is.
 *
 * Never counted are the calling goroutine, that of kgo_main() or kgo_run(), and
 * the library's own.
 */
#ifndef KGO_LEAK_H
#define KGO_LEAK_H

/** define KGO_LEAK_RUN_ON_FAILURE - kgo_leak_main(): check also if the test failed */
#define KGO_LEAK_RUN_ON_FAILURE	0x1U

struct kgo_leak_current;
struct kgo_leak_group;

/**
 * struct kgo_leak_opts - What a check is to overlook; all-zero is nothing
 * @max_wait: nanoseconds to wait for goroutines to end; 0 for the default, half
 *	a second; negative: not at all
 * @ignore_top: goroutines that stand in one of these functions; an array that
 *	ends with NULL, or NULL
 * @ignore_any: goroutines with one of these functions on their stack; likewise
 * @ignore_created_by: goroutines whose go statement stands in one of these
 *	functions; likewise
 * @ignore_current: those that existed when kgo_leak_current() was called
 * @group: only goroutines of this group, or NULL
 * @cleanup: called when the check is done, with the status to exit with, before
 *	the function returns; or NULL
 * @flags: KGO_LEAK_*
 * @reserved: must be zero
 *
 * Where a goroutine stands is known from its stack if the library can tell,
 * functions of the library itself left out; else from what it was started
 * with alone.
 */
struct kgo_leak_opts {
	long long	max_wait;
	const char	*const *ignore_top;
	const char	*const *ignore_any;
	const char	*const *ignore_created_by;
	const struct kgo_leak_current *ignore_current;
	const struct kgo_leak_group *group;
	void		(*cleanup)(int status);
	unsigned int	flags;
	unsigned int	reserved;
};

/**
 * kgo_leak_find() - Look for leaked goroutines
 * @opts: NULL for the defaults
 * @report: out: text about each of them (what it does, for how long, where it
 *	stands, who created it), to be freed by the caller; NULL if there are
 *	none; may be NULL
 *
 * CONTEXT: anywhere.  A goroutine parks meanwhile, another thread sleeps.
 * Return: how many there are, or -EINVAL for bad @opts, -ENOMEM, -EMFILE and
 * others for a report that could not be made.
 */
int kgo_leak_find(const struct kgo_leak_opts *opts, char **report);

/**
 * kgo_leak_verify_none() - kgo_leak_find() that tells on stderr what it found
 * @opts: NULL for the defaults
 *
 * CONTEXT and Return: as kgo_leak_find().
 */
int kgo_leak_verify_none(const struct kgo_leak_opts *opts);

/**
 * kgo_leak_main() - kgo_main() for a test program: checks when it is over
 * @fn: the main goroutine
 * @arg: passed to it
 * @opts: NULL for the defaults
 *
 * The process exits with what @fn returned; with 1 if that was 0 and goroutines
 * are leaked.
 *
 * CONTEXT and Return: as kgo_main().
 */
int kgo_leak_main(int (*fn)(void *arg), void *arg,
		  const struct kgo_leak_opts *opts);

/**
 * kgo_leak_current() - Remember which goroutines there are
 *
 * CONTEXT: anywhere.  Return: for &struct kgo_leak_opts.ignore_current and then
 * kgo_leak_current_free(); NULL without memory.
 */
struct kgo_leak_current *kgo_leak_current(void);

/** kgo_leak_current_free() - Forget them; NULL is fine.  CONTEXT: anywhere. */
void kgo_leak_current_free(struct kgo_leak_current *current);

/**
 * kgo_leak_group_begin() - The calling goroutine begins a test
 *
 * What it starts from now on, and what those start, is the test's, whatever
 * other tests do meanwhile.  Groups may be nested.
 *
 * CONTEXT: a goroutine.  Return: for kgo_leak_group_end() by the same
 * goroutine; NULL without memory.
 */
struct kgo_leak_group *kgo_leak_group_begin(void);

/**
 * kgo_leak_group_end() - The test is over: check that its goroutines are
 * @group: the innermost one that the calling goroutine has begun; is no more
 *	afterwards, whatever is returned but -EINVAL
 * @opts: as for kgo_leak_verify_none(), its group is not used
 *
 * CONTEXT: a goroutine; may park.  Return: as kgo_leak_verify_none(); -EINVAL
 * also if @group is another one.
 */
int kgo_leak_group_end(struct kgo_leak_group *group,
		       const struct kgo_leak_opts *opts);

#endif
