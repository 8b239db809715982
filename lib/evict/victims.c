/* SPDX-License-Identifier: PostgreSQL
 *
 * victims.c: the worst few of what has been looked at; see victims.h.
 */
#include "lib/evict/victims.h"

#include <string.h>

uint64_t
pgfirst_victim_worth(EvictionOrder order, UsageOf usage, int64_t expiry)
{
	uint64_t recency = PGFIRST_USAGE_OLDEST - usage.age;

	if (order == EVICTION_LRU)
		return recency;
	if (order == EVICTION_LFU)
		return (uint64_t) usage.value << 32 | recency;
	return order == EVICTION_TTL ? (uint64_t) expiry : 0;
}

static void
victims_remove(Victims *victims, int i)
{
	victims->count--;
	memmove(&victims->victims[i], &victims->victims[i + 1],
	        (size_t) (victims->count - i) * sizeof(Victim));
}

void
pgfirst_victims_offer(Victims *victims, const uint8_t *id, uint64_t worth)
{
	int place;

	for (int i = 0; i < victims->count; i++)
		if (memcmp(victims->victims[i].id, id, PGFIRST_USAGE_ID_BYTES) == 0)
		{
			victims_remove(victims, i);
			break;
		}
	place = victims->count;
	while (place > 0 && victims->victims[place - 1].worth > worth)
		place--;
	if (place == PGFIRST_VICTIMS_MAX)
		return;
	if (victims->count == PGFIRST_VICTIMS_MAX)
		victims->count--;
	memmove(&victims->victims[place + 1], &victims->victims[place],
	        (size_t) (victims->count - place) * sizeof(Victim));
	memcpy(victims->victims[place].id, id, PGFIRST_USAGE_ID_BYTES);
	victims->victims[place].worth = worth;
	victims->count++;
}

bool
pgfirst_victims_take(Victims *victims, Victim *victim)
{
	if (victims->count == 0)
		return false;
	*victim = victims->victims[0];
	victims_remove(victims, 0);
	return true;
}
