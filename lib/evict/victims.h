/* SPDX-License-Identifier: PostgreSQL
 *
 * victims.h: the worst few of what has been looked at, from one look to the next.
 *
 * Whoever must give up a key looks at some that chance has chosen, and gives up the worst.  The
 * next-worst are remembered: against them the next ones that chance chooses are measured, and so the
 * choice is nearly as good as if all had been looked at (as the pool of Redis since 3.0).
 */
#ifndef PGFIRST_VICTIMS_H
#define PGFIRST_VICTIMS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/evict/usage.h"

#define PGFIRST_VICTIMS_MAX 16

/* What is given up first. */
typedef enum EvictionOrder
{
	EVICTION_LRU,   /* what was used longest ago */
	EVICTION_LFU,   /* what was used least, recent uses counting more; of equals as EVICTION_LRU */
	EVICTION_TTL,   /* what expires first */
	EVICTION_RANDOM /* what chance brings */
} EvictionOrder;

typedef struct Victim
{
	uint8_t id[PGFIRST_USAGE_ID_BYTES];
	uint64_t worth; /* the least goes first */
} Victim;

/* Zeroed: empty. */
typedef struct Victims
{
	int count;
	Victim victims[PGFIRST_VICTIMS_MAX]; /* in the order in which they will go */
} Victims;

extern uint64_t pgfirst_victim_worth(EvictionOrder order, UsageOf usage, int64_t expiry);

/* One that was looked at: is remembered if it is among the worst; once, with its last worth. */
extern void pgfirst_victims_offer(Victims *victims, const uint8_t *id, uint64_t worth);

/* Takes the worst away; false if none is left. */
extern bool pgfirst_victims_take(Victims *victims, Victim *victim);

#endif
