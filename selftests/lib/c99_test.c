// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The public header in plain C99, and a program without the test harness: what
 * a user writes first.
 */
#include <kgo.h>

#include <stdio.h>

static void worker(void *arg)
{
	int v = 42;

	kgo_chan_send(arg, &v);
}

static int start(void *arg)
{
	struct kgo_chan *c = kgo_chan_make(sizeof(int), 0);
	int v = -1;
	struct kgo_case cases[] = { KGO_RECV(NULL, &v), KGO_RECV(c, &v) };

	(void)arg;
	if (!c || kgo_go(worker, c))
		return 1;
	if (kgo_chan_recv(c, &v) != 1 || v != 42)
		return 2;
	v = -1;
	if (kgo_go(worker, c) || kgo_select(cases, 2) != 1 ||
	    cases[1].ok != 1 || v != 42)
		return 3;
	kgo_chan_free(c);
	printf("TAP version 13\n1..1\nok 1 c99.hello\n");
	return 0;
}

int main(void)
{
	return kgo_main(start, NULL);
}
