/* SPDX-License-Identifier: PostgreSQL
 *
 * clock.h: two clocks, never mixed.
 *
 * Expiry is a moment that must mean the same after a restart and on a standby, so it is wall
 * clock.  Everything that measures how long something takes (parking, pacing, idle time) uses the
 * monotonic clock, which no administrator and no NTP daemon can set back.
 */
#ifndef PGFIRST_CLOCK_H
#define PGFIRST_CLOCK_H

#include "postgres.h"

/* Milliseconds since 1970 UTC. */
extern int64 pgfirst_clock_wall_ms(void);

/* Microseconds since 1970 UTC. */
extern int64 pgfirst_clock_wall_us(void);

/* Microseconds since some moment before the server started; never goes back. */
extern int64 pgfirst_clock_monotonic_us(void);

/* The same as of the last tick of the kernel, for a quarter of the price; and how long a tick is. */
extern int64 pgfirst_clock_coarse_us(void);
extern int64 pgfirst_clock_tick_us(void);

#endif
