// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * pingpong [rounds] - two goroutines pass a number to and fro
 *
 * An unbuffered channel hands a value over when sender and receiver have met:
 * each send here switches to the other goroutine, without a system call.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <kgo.h>

static struct kgo_chan *ping, *pong;

/* Sends back one more than it got, until there is no more to get. */
static void player(void *arg)
{
	long ball;

	(void)arg;
	while (kgo_chan_recv(ping, &ball)) {
		ball++;
		kgo_chan_send(pong, &ball);
	}
	kgo_chan_close(pong);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int start(void *arg)
{
	long rounds = *(long *)arg, ball = 0, i;
	double took;

	ping = kgo_chan_make(sizeof(ball), 0);
	pong = kgo_chan_make(sizeof(ball), 0);
	if (!ping || !pong || kgo_go(player, NULL))
		return EXIT_FAILURE;

	took = seconds();
	for (i = 0; i < rounds; i++) {
		kgo_chan_send(ping, &ball);
		kgo_chan_recv(pong, &ball);
	}
	took = seconds() - took;
	printf("the ball came back %ld times, %.0f ns each\n", ball, took / (double)rounds * 1e9);

	kgo_chan_close(ping);
	kgo_chan_recv(pong, NULL);	/* until the player has closed it */
	kgo_chan_free(ping);
	kgo_chan_free(pong);
	return ball == rounds ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	long rounds = argc > 1 ? atol(argv[1]) : 1000000;

	if (rounds < 1) {
		fprintf(stderr, "usage: pingpong [rounds]\n");
		return 2;
	}
	return kgo_main(start, &rounds);
}
