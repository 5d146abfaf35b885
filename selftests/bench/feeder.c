// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * feeder - the other end of block_gap: for each byte that it gets it gives one
 * back, after 2 to 12 ms
 *
 * The waits are pseudo-random and the same in each run.
 */
#include <time.h>
#include <unistd.h>

int main(void)
{
	struct timespec wait = { 0 };
	unsigned int seed = 1;
	char byte;

	while (read(0, &byte, 1) == 1) {
		seed = seed * 1103515245 + 12345;
		wait.tv_nsec = 2000000 + (seed >> 8) % 10000000;
		nanosleep(&wait, NULL);
		if (write(1, &byte, 1) != 1)
			return 1;
	}
	return 0;
}
