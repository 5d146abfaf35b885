// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * sim [--seeds N] [--seed S] [--scenario NAME] [--plant BUG] [--trace | --replay]
 *     [--jobs N] [--list]
 *
 * Explores N seeds (1000) of each scenario, from S (1) on, and prints TAP.  A
 * failure tells its seed and the last steps; the same seed gives the same run
 * for ever, or until the core or the scenario changes.
 *
 * With --trace one seed only, every step printed; with --replay the last ones.
 * With --plant the test is that a bug put in on purpose is found; "all" goes
 * through all of them.
 */
#include "sim.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LAST_EVENTS	60U

static u32 tap_n, tap_failed;
static u32 jobs = 1;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void tap(bool ok, const char *what)
{
	printf("%sok %u - %s\n", ok ? "" : "not ", ++tap_n, what);
	tap_failed += !ok;
	fflush(stdout);
}

/* A run that goes astray is a failure like others; its stacks are given up. */
static void astray(int sig)
{
	if (!S.running || !S.cur) {
		signal(sig, SIG_DFL);
		raise(sig);
		return;
	}
	sim_fail("signal %d", sig);
}

static void catch_astray(void)
{
	static char stack[64 << 10];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = {
		.sa_handler = astray,
		.sa_flags = SA_ONSTACK | SA_NODEFER,
	};

	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
}

static void describe(void)
{
	const struct sim_opts *o = &S.o;

	printf("# sim --scenario %s --seed %llu%s%s\n", S.sc->name, S.seed,
	       sim_plant ? " --plant " : "",
	       sim_plant ? plant_names[sim_plant] : "");
	printf("# %s\n", S.message);
	printf("# %u Ps, %u Ms%s%s, %s, gap %u, of 65536: switch %u stall %u"
	       " block %u drain %u jump %u spurious %u nomem %u nothread %u"
	       " preempt %u\n",
	       o->nr_ps, o->nr_ms, o->main_bound ? ", main bound" : "",
	       o->pct ? ", priorities" : "",
	       o->weaker ? "stores pass stores" : o->weak ? "x86-TSO" :
	       "sequentially consistent", o->gap, o->p_switch, o->p_stall,
	       o->p_block, o->p_drain, o->p_jump, o->p_spurious, o->p_nomem,
	       o->p_nothread, o->p_preempt);
}

/* A run with what led to its failure.  Return: did it fail? */
static bool replay(const struct scenario *sc, u64 seed)
{
	bool ok;

	trace_begin(false);
	ok = sim_run(sc, seed, true);
	describe();
	trace_print(LAST_EVENTS);
	return !ok;
}

/*
 * The failure of this process's last run, with what led to it.  In a process of
 * its own: a run that fails leaves the core as it stands.
 */
static void report(const struct scenario *sc, u64 seed)
{
	char arg[24];
	int status = 0;
	pid_t pid;

	printf("# %s\n", S.message);
	fflush(stdout);
	snprintf(arg, sizeof(arg), "%llu", seed);
	pid = fork();
	if (!pid) {
		execl("/proc/self/exe", "sim", "--replay", "--scenario", sc->name,
		      "--seed", arg, sim_plant ? "--plant" : NULL,
		      plant_names[sim_plant], NULL);
		_exit(2);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 1)
		printf("# NOT REPRODUCED\n");
}

struct result {
	u64	seed;		/* that failed, 0 for none */
	u64	runs, steps;
	bool	died;
};

/* Every @stride-th seed from @first on. */
static struct result explore(const struct scenario *sc, u64 first, u64 n,
			     u32 stride)
{
	struct result res = { 0 };
	u64 seed;

	for (seed = first; seed < first + n; seed += stride) {
		bool ok = sim_run(sc, seed, false);

		res.runs++;
		res.steps += S.step;
		if (!ok) {
			res.seed = seed;
			break;
		}
	}
	return res;
}

static struct result explore_jobs(const struct scenario *sc, u64 first, u64 n)
{
	struct result all = { 0 }, res;
	int fd[2];
	u32 i;

	if (jobs == 1)
		return explore(sc, first, n, 1);
	if (pipe(fd))
		exit(2);
	fflush(stdout);
	for (i = 0; i < jobs; i++) {
		if (fork())
			continue;
		res = explore(sc, first + i, n > i ? n - i : 0, jobs);
		if (write(fd[1], &res, sizeof(res)) != sizeof(res))
			_exit(1);
		_exit(0);
	}
	close(fd[1]);
	while (read(fd[0], &res, sizeof(res)) == sizeof(res)) {
		all.runs += res.runs;
		all.steps += res.steps;
		if (res.seed && (!all.seed || res.seed < all.seed))
			all.seed = res.seed;
	}
	close(fd[0]);
	for (i = 0; i < jobs; i++) {
		int status = 0;

		wait(&status);
		if (!status)
			continue;
		printf("# a process died: status %#x; try --jobs 1\n", status);
		all.died = true;
	}
	/* For the report, which is this process's. */
	if (all.seed)
		sim_run(sc, all.seed, false);
	return all;
}

static void test(const struct scenario *sc, u64 first, u64 n)
{
	double start = now();
	struct result res;
	char what[160];

	if (sc->flags & SC_HEAVY)
		n = (n + 9) / 10;
	res = explore_jobs(sc, first, n);
	snprintf(what, sizeof(what), "sim: %s # %llu seeds, %llu steps, %.1f s",
		 sc->name, res.runs, res.steps, now() - start);
	tap(!res.seed && !res.died, what);
	if (res.seed)
		report(sc, res.seed);
}

static const struct scenario *find(const char *name)
{
	const struct scenario *sc;

	for (sc = scenarios; sc->name; sc++)
		if (!strcmp(sc->name, name))
			return sc;
	fprintf(stderr, "sim: no scenario %s\n", name);
	exit(2);
}

static void test_plant(u32 plant, const char *scenario, u64 first, u64 n)
{
	const struct scenario *sc = find(scenario ? scenario :
					 plant_scenario(plant));
	double start = now();
	struct result res;
	char what[sizeof(S.message) + 200];

	sim_plant = plant;
	res = explore_jobs(sc, first, n);
	snprintf(what, sizeof(what), "sim: finds planted %s # %s, %llu seeds, %.1f s: %s",
		 plant_names[plant], sc->name, res.runs, now() - start,
		 res.seed ? S.message : "not found");
	tap(res.seed, what);
	sim_plant = 0;
}

static void usage(void)
{
	fprintf(stderr,
		"usage: sim [--seeds N] [--seed S] [--scenario NAME] [--plant BUG|all]\n"
		"           [--trace | --replay] [--jobs N] [--list]\n");
	exit(2);
}

static u64 number(const char *s)
{
	char *end;
	u64 v = strtoull(s, &end, 0);

	if (!*s || *end)
		usage();
	return v;
}

static void list(void)
{
	u32 i;

	for (i = 0; scenarios[i].name; i++)
		printf("%s\n", scenarios[i].name);
	for (i = 1; plant_names[i]; i++)
		printf("--plant %s\n", plant_names[i]);
}

static int trace_one(const char *scenario, u64 seed)
{
	bool ok;

	if (!scenario)
		usage();
	trace_begin(true);
	ok = sim_run(find(scenario), seed, true);
	describe();
	return !ok;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seeds", 1, NULL, 'n' }, { "seed", 1, NULL, 's' },
		{ "scenario", 1, NULL, 'c' }, { "plant", 1, NULL, 'p' },
		{ "trace", 0, NULL, 't' }, { "jobs", 1, NULL, 'j' },
		{ "list", 0, NULL, 'l' }, { "replay", 0, NULL, 'r' },
		{ NULL, 0, NULL, 0 }
	};
	const char *scenario = NULL, *plant = NULL;
	const struct scenario *sc;
	bool trace = false, again = false;
	u64 first = 1, n = 0;
	u32 i;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			n = number(optarg);
			break;
		case 's':
			first = number(optarg);
			if (!n)
				n = 1;
			break;
		case 'c':
			scenario = optarg;
			break;
		case 'p':
			plant = optarg;
			break;
		case 't':
			trace = true;
			break;
		case 'r':
			again = true;
			break;
		case 'j':
			jobs = (u32)number(optarg);
			if (!jobs || jobs > 256)
				usage();
			break;
		case 'l':
			list();
			return 0;
		default:
			usage();
		}
	}
	if (optind != argc)
		usage();
	if (!FIBER_ASAN)
		catch_astray();
	if (plant && strcmp(plant, "all")) {
		sim_plant = plant_find(plant);
		if (!sim_plant)
			usage();
	}
	if (trace)
		return trace_one(scenario, first);
	if (again && scenario)
		return replay(find(scenario), first);
	printf("TAP version 13\n");
	if (plant) {
		for (i = 1; plant_names[i]; i++)
			if (!sim_plant || sim_plant == i || !strcmp(plant, "all"))
				if (!strcmp(plant, "all") ||
				    !strcmp(plant, plant_names[i]))
					test_plant(i, scenario, first,
						   n ? n : 1000000);
	} else if (scenario) {
		test(find(scenario), first, n ? n : 1000);
	} else {
		for (sc = scenarios; sc->name; sc++)
			test(sc, first, n ? n : 1000);
	}
	printf("1..%u\n", tap_n);
	return tap_failed > 0;
}
