// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * hello - ten goroutines say hello, the main one waits for them
 *
 * The smallest whole program: kgo_main() makes the process a program of
 * goroutines, kgo_go() starts one, a WaitGroup tells when all have ended.
 */
#include <stdint.h>
#include <stdio.h>

#include <kgo.h>

static struct kgo_wg wg;

static void greet(void *arg)
{
	printf("hello from goroutine %llu, number %d\n", kgo_goid(), (int)(intptr_t)arg);
	kgo_wg_done(&wg);
}

static int start(void *arg)
{
	intptr_t i;

	(void)arg;
	for (i = 0; i < 10; i++) {
		kgo_wg_add(&wg, 1);
		if (kgo_go(greet, (void *)i))
			kgo_wg_done(&wg);	/* no memory for one more */
	}
	kgo_wg_wait(&wg);
	return 0;
}

int main(void)
{
	return kgo_main(start, NULL);
}
