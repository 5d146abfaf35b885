/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Time.  Times are nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef KGO_TIME_H
#define KGO_TIME_H

/**
 * kgo_sleep() - Park for a while
 * @ns: nanoseconds; not positive: returns at once
 *
 * CONTEXT: a goroutine; parks.
 * Return: 0, or -ENOMEM if there is no room for a timer.
 */
int kgo_sleep(long long ns);

#endif
