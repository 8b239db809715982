/* SPDX-License-Identifier: PostgreSQL
 *
 * clock.c: two clocks, never mixed; see clock.h.
 */
#include "postgres.h"

#include <time.h>

#include "base/clock.h"

static int64
clock_us(clockid_t which)
{
	struct timespec now;

	clock_gettime(which, &now);
	return (int64) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64
pgfirst_clock_wall_ms(void)
{
	return clock_us(CLOCK_REALTIME) / 1000;
}

int64
pgfirst_clock_wall_us(void)
{
	return clock_us(CLOCK_REALTIME);
}

int64
pgfirst_clock_monotonic_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

int64
pgfirst_clock_coarse_us(void)
{
	return clock_us(CLOCK_MONOTONIC_COARSE);
}

int64
pgfirst_clock_tick_us(void)
{
	struct timespec tick;

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return (int64) tick.tv_sec * 1000000 + tick.tv_nsec / 1000;
}
