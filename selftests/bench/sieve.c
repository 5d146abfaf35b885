// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * sieve - primes by a chain of goroutines
 *
 * One goroutine sends 2, 3, 4, ...; behind it stands one for each prime found
 * so far, which passes on what its prime does not divide.  The time is the
 * whole time by the number of primes.  After McIlroy, and Go's test/chan.
 */
#include "bench.h"

#define PRIMES	1000
#define WARM	100

struct filter {
	struct kgo_chan	*in;
	struct kgo_chan	*out;
	long		prime;
};

static void count(void *arg)
{
	struct kgo_chan *out = arg;
	long i;

	for (i = 2;; i++)
		kgo_chan_send(out, &i);
}

static void filter(void *arg)
{
	struct filter f = *(struct filter *)arg;
	long v;

	free(arg);
	for (;;) {
		kgo_chan_recv(f.in, &v);
		if (v % f.prime)
			kgo_chan_send(f.out, &v);
	}
}

/* The last of them; the goroutines stay parked. */
static long prime(long n)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(long), 0), *next;
	struct filter *f;
	long v = 0, i;

	bench_ok(c && !kgo_go(count, c), "kgo_go");
	for (i = 0; i < n; i++) {
		kgo_chan_recv(c, &v);
		next = kgo_chan_make(sizeof(long), 0);
		f = malloc(sizeof(*f));
		bench_ok(next && f, "memory");
		*f = (struct filter){ c, next, v };
		bench_ok(!kgo_go(filter, f), "kgo_go");
		c = next;
	}
	return v;
}

static int start(void *arg)
{
	long n = bench_scaled(PRIMES);
	long long t0;

	(void)arg;
	bench_ok(prime(WARM) == 541, "the 100th prime");
	t0 = bench_now();
	bench_ok(prime(n) == 7919 || n != PRIMES, "the 1000th prime");
	printf("%.2f\n", (double)(bench_now() - t0) / (double)n);
	return 0;
}

int main(void)
{
	return kgo_main(start, NULL);
}
