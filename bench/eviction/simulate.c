/* SPDX-License-Identifier: PostgreSQL
 *
 * simulate.c: what share of requests a cache of limited size answers, by what it gives up.
 *
 * A cache of so many keys in front of something slow: a key that is asked for and not there is put, and
 * takes the place of another.  The same requests go to each way of choosing that one:
 *
 *     fifo          the oldest
 *     lru           the one used longest ago, exactly
 *     redis-lru     as Redis's allkeys-lru: five that chance chooses, a pool of sixteen, whose idle times
 *                   are those of when they came into it.  The clock is exact; Redis's has seconds
 *     pgfirst-lru, pgfirst-lfu, pgfirst-random
 *                   the code of lib/evict, called as the server calls it
 *
 * The traces are made from a seed.  "zipf a" draws keys with chances 1/rank^a.  "scan" mixes in, one
 * request of five, keys that come once, in order.  "loop" asks for all keys one behind the other, again and
 * again.  "shift" is zipf 1.0 in which every so many requests a tenth of the most asked for change
 * places with others.  The first half of each trace fills the cache and is not counted.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>

#include "lib/evict/victims.h"

#define POOL         16
#define REDIS_SAMPLE 5
#define ABSENT       UINT32_MAX

static uint64_t random_state;

static uint64_t
mix(uint64_t x)
{
	x += 0x9E3779B97F4A7C15ULL;
	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
	return x ^ (x >> 31);
}

static uint64_t
draw(void)
{
	random_state += 0x9E3779B97F4A7C15ULL;
	return mix(random_state);
}

static uint32_t
draw_below(uint32_t limit)
{
	return (uint32_t) (draw() % limit);
}

static void *
take(size_t size)
{
	void *memory = calloc(1, size);

	if (memory == NULL)
	{
		fprintf(stderr, "no memory\n");
		exit(1);
	}
	return memory;
}

/* ---- traces ------------------------------------------------------------------------------- */

/* Walker's alias method: a key by its chance in constant time. */
typedef struct Zipf
{
	uint32_t keys;
	double *chance;
	uint32_t *alias;
} Zipf;

static void
zipf_begin(Zipf *zipf, uint32_t keys, double skew)
{
	uint32_t *small = take(keys * sizeof(uint32_t));
	uint32_t *large = take(keys * sizeof(uint32_t));
	uint32_t smalls = 0, larges = 0;
	double sum = 0;

	zipf->keys = keys;
	zipf->chance = take(keys * sizeof(double));
	zipf->alias = take(keys * sizeof(uint32_t));
	for (uint32_t i = 0; i < keys; i++)
		sum += zipf->chance[i] = pow(i + 1, -skew);
	for (uint32_t i = 0; i < keys; i++)
	{
		zipf->chance[i] *= keys / sum;
		if (zipf->chance[i] < 1)
			small[smalls++] = i;
		else
			large[larges++] = i;
	}
	while (smalls > 0 && larges > 0)
	{
		uint32_t less = small[--smalls];
		uint32_t more = large[larges - 1];

		zipf->alias[less] = more;
		zipf->chance[more] -= 1 - zipf->chance[less];
		if (zipf->chance[more] < 1)
		{
			larges--;
			small[smalls++] = more;
		}
	}
	while (smalls > 0)
		zipf->chance[small[--smalls]] = 1;
	while (larges > 0)
		zipf->chance[large[--larges]] = 1;
	free(small);
	free(large);
}

static uint32_t
zipf_draw(const Zipf *zipf)
{
	uint32_t key = draw_below(zipf->keys);
	double chance = (double) (draw() >> 11) / 9007199254740992.0;

	return chance < zipf->chance[key] ? key : zipf->alias[key];
}

typedef enum TraceKind
{
	TRACE_ZIPF,
	TRACE_SCAN,
	TRACE_LOOP,
	TRACE_SHIFT
} TraceKind;

typedef struct Trace
{
	const char *name;
	TraceKind kind;
	double skew;
} Trace;

static const Trace traces[] = {
    {"zipf 0.8", TRACE_ZIPF, 0.8},         {"zipf 1.0", TRACE_ZIPF, 1.0},
    {"zipf 1.2", TRACE_ZIPF, 1.2},         {"zipf 0.8, scan", TRACE_SCAN, 0.8},
    {"zipf 1.0, scan", TRACE_SCAN, 1.0},   {"loop", TRACE_LOOP, 0},
    {"zipf 1.0, shift", TRACE_SHIFT, 1.0},
};

/* Fills in the requests; returns how many keys there are. */
static uint32_t
trace_make(const Trace *trace, uint32_t keys, uint32_t *requests, uint32_t count)
{
	uint32_t *key_of = take(keys * sizeof(uint32_t));
	uint32_t all = keys;
	Zipf zipf;

	random_state = 42;
	zipf_begin(&zipf, keys, trace->skew);
	for (uint32_t i = 0; i < keys; i++)
		key_of[i] = i;
	for (uint32_t i = 0; i < count; i++)
	{
		if (trace->kind == TRACE_SHIFT && i % (count / 20) == 0)
			for (uint32_t rank = 0; rank < keys / 10; rank += 10)
			{
				uint32_t other = draw_below(keys);
				uint32_t key = key_of[rank];

				key_of[rank] = key_of[other];
				key_of[other] = key;
			}
		if (trace->kind == TRACE_LOOP)
			requests[i] = i % keys;
		else if (trace->kind == TRACE_SCAN && draw_below(5) == 0)
			requests[i] = all++;
		else
			requests[i] = key_of[zipf_draw(&zipf)];
	}
	free(zipf.chance);
	free(zipf.alias);
	free(key_of);
	return all;
}

/* ---- caches ------------------------------------------------------------------------------- */

typedef enum PolicyKind
{
	POLICY_FIFO,
	POLICY_LRU,
	POLICY_REDIS,
	POLICY_OURS
} PolicyKind;

typedef struct Policy
{
	const char *name;
	PolicyKind kind;
	EvictionOrder order;
} Policy;

static const Policy policies[] = {
    {"fifo", POLICY_FIFO, 0},
    {"lru", POLICY_LRU, 0},
    {"redis-lru", POLICY_REDIS, 0},
    {"pgfirst-random", POLICY_OURS, EVICTION_RANDOM},
    {"pgfirst-lru", POLICY_OURS, EVICTION_LRU},
    {"pgfirst-lfu", POLICY_OURS, EVICTION_LFU},
};

#define POLICIES (sizeof(policies) / sizeof(policies[0]))

typedef struct Cache
{
	const Policy *policy;
	uint32_t size;
	uint32_t count;
	uint32_t *there; /* the keys, in no order */
	uint32_t *place; /* of each key, ABSENT */

	/* fifo, lru: a list of keys */
	uint32_t *next, *previous;
	uint32_t first, last;

	/* redis-lru */
	uint64_t now;
	uint64_t *used;
	int pooled;
	struct
	{
		uint32_t key;
		uint64_t idle;
	} pool[POOL];

	/* pgfirst */
	Usage *usage;
	unsigned half_life;
	uint32_t written;
	uint32_t sample;
	Victims victims;
} Cache;

static void
key_id(uint32_t key, uint8_t id[PGFIRST_USAGE_ID_BYTES])
{
	uint64_t halves[2] = {mix(key), mix(key + 0x5555555500000000ULL)};

	memcpy(id, halves, sizeof(halves));
	/* So that a victim leads back to its key. */
	memcpy(id, &key, sizeof(key));
}

static void
list_remove(Cache *cache, uint32_t key)
{
	uint32_t next = cache->next[key], previous = cache->previous[key];

	if (previous == ABSENT)
		cache->first = next;
	else
		cache->next[previous] = next;
	if (next == ABSENT)
		cache->last = previous;
	else
		cache->previous[next] = previous;
}

static void
list_add(Cache *cache, uint32_t key)
{
	cache->previous[key] = cache->last;
	cache->next[key] = ABSENT;
	if (cache->last == ABSENT)
		cache->first = key;
	else
		cache->next[cache->last] = key;
	cache->last = key;
}

/* One more sample into the pool, and the best of it out. */
static uint32_t
redis_victim(Cache *cache)
{
	for (;;)
	{
		uint32_t from = draw_below(cache->count);

		for (uint32_t i = 0; i < REDIS_SAMPLE; i++)
		{
			uint32_t key = cache->there[(from + i) % cache->count];
			uint64_t idle = cache->now - cache->used[key];
			bool known = false;
			int place = 0;

			for (int p = 0; p < cache->pooled; p++)
				known |= cache->pool[p].key == key;
			if (known)
				continue;
			while (place < cache->pooled && cache->pool[place].idle < idle)
				place++;
			if (cache->pooled == POOL)
			{
				if (place == 0)
					continue;
				place--;
				memmove(&cache->pool[0], &cache->pool[1], (size_t) place * sizeof(cache->pool[0]));
			}
			else
			{
				memmove(&cache->pool[place + 1], &cache->pool[place],
				        (size_t) (cache->pooled - place) * sizeof(cache->pool[0]));
				cache->pooled++;
			}
			cache->pool[place].key = key;
			cache->pool[place].idle = idle;
		}
		while (cache->pooled > 0)
		{
			uint32_t key = cache->pool[--cache->pooled].key;

			if (cache->place[key] != ABSENT)
				return key;
		}
	}
}

static uint32_t
our_victim(Cache *cache)
{
	for (;;)
	{
		uint32_t from = draw_below(cache->count);
		Victim victim;

		for (uint32_t i = 0; i < cache->sample; i++)
		{
			uint8_t id[PGFIRST_USAGE_ID_BYTES];

			key_id(cache->there[(from + i) % cache->count], id);
			pgfirst_victims_offer(
			    &cache->victims, id,
			    pgfirst_victim_worth(cache->policy->order,
			                         pgfirst_usage_of(cache->usage, id, 0, cache->half_life), 0));
		}
		while (pgfirst_victims_take(&cache->victims, &victim))
		{
			UsageOf usage = pgfirst_usage_of(cache->usage, victim.id, 0, cache->half_life);
			uint32_t key;

			memcpy(&key, victim.id, sizeof(key));
			if (cache->place[key] != ABSENT &&
			    pgfirst_victim_worth(cache->policy->order, usage, 0) <= victim.worth)
				return key;
		}
	}
}

static void
cache_drop(Cache *cache, uint32_t key)
{
	uint32_t place = cache->place[key];
	uint32_t moved = cache->there[--cache->count];

	cache->there[place] = moved;
	cache->place[moved] = place;
	cache->place[key] = ABSENT;
	if (cache->policy->kind <= POLICY_LRU)
		list_remove(cache, key);
}

static void
cache_use(Cache *cache, uint32_t key)
{
	uint8_t id[PGFIRST_USAGE_ID_BYTES];

	if (cache->policy->kind != POLICY_OURS)
		return;
	key_id(key, id);
	pgfirst_usage_touch(cache->usage, id, 0, cache->half_life);
}

static void
cache_put(Cache *cache, uint32_t key)
{
	if (cache->count == cache->size)
		cache_drop(cache, cache->policy->kind == POLICY_OURS    ? our_victim(cache)
		                  : cache->policy->kind == POLICY_REDIS ? redis_victim(cache)
		                                                        : cache->first);
	cache->place[key] = cache->count;
	cache->there[cache->count++] = key;
	cache->used[key] = cache->now;
	if (cache->policy->kind <= POLICY_LRU)
		list_add(cache, key);
	cache_use(cache, key);
	if (cache->policy->kind == POLICY_OURS && ++cache->written % PGFIRST_USAGE_WRITES == 0)
		pgfirst_usage_tick(cache->usage);
}

/* True if the key was there. */
static bool
cache_ask(Cache *cache, uint32_t key)
{
	bool hit = cache->place[key] != ABSENT;

	cache->now++;
	cache_use(cache, key);
	if (!hit)
	{
		cache_put(cache, key);
		return false;
	}
	cache->used[key] = cache->now;
	if (cache->policy->kind == POLICY_LRU)
	{
		list_remove(cache, key);
		list_add(cache, key);
	}
	return true;
}

static double
hit_ratio(const Policy *policy, uint32_t size, uint32_t keys, const uint32_t *requests,
          uint32_t count, uint32_t cells_per_key, int half_life, uint32_t sample)
{
	Cache cache = {.policy = policy, .size = size, .first = ABSENT, .last = ABSENT};
	uint32_t lines = 1;
	uint32_t hits = 0;

	while ((uint64_t) lines * 16 < (uint64_t) size * cells_per_key)
		lines *= 2;
	cache.there = take(size * sizeof(uint32_t));
	cache.place = take(keys * sizeof(uint32_t));
	cache.next = take(keys * sizeof(uint32_t));
	cache.previous = take(keys * sizeof(uint32_t));
	cache.used = take(keys * sizeof(uint64_t));
	cache.usage = take(pgfirst_usage_size(lines));
	pgfirst_usage_begin(cache.usage, lines);
	cache.half_life = (unsigned) ((int) pgfirst_usage_half_life(size) + half_life);
	cache.sample = sample;
	memset(cache.place, 0xFF, keys * sizeof(uint32_t));
	random_state = 7;
	for (uint32_t i = 0; i < count; i++)
	{
		bool hit = cache_ask(&cache, requests[i]);

		hits += hit && i >= count / 2;
	}
	free(cache.there);
	free(cache.place);
	free(cache.next);
	free(cache.previous);
	free(cache.used);
	free(cache.usage);
	return 100.0 * hits / (count - count / 2);
}

/* simulate KEYS REQUESTS [CELLS [HALF-LIFE [SAMPLE]]]: a Markdown table. */
int
main(int argc, char **argv)
{
	static const double sizes[] = {0.01, 0.05, 0.20};
	uint32_t keys = argc > 1 ? (uint32_t) atoi(argv[1]) : 200000;
	uint32_t count = argc > 2 ? (uint32_t) atoi(argv[2]) : 4000000;
	uint32_t cells = argc > 3 ? (uint32_t) atoi(argv[3]) : 4;
	int half_life = argc > 4 ? atoi(argv[4]) : 0;
	uint32_t sample = argc > 5 ? (uint32_t) atoi(argv[5]) : 16;
	uint32_t *requests = take(count * sizeof(uint32_t));

	printf("| trace | cache |");
	for (size_t p = 0; p < POLICIES; p++)
		printf(" %s |", policies[p].name);
	printf("\n| --- | --- |");
	for (size_t p = 0; p < POLICIES; p++)
		printf(" --- |");
	printf("\n");
	for (size_t t = 0; t < sizeof(traces) / sizeof(traces[0]); t++)
	{
		uint32_t all = trace_make(&traces[t], keys, requests, count);

		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
		{
			uint32_t size = (uint32_t) (keys * sizes[s]);

			printf("| %s | %.0f %% |", traces[t].name, 100 * sizes[s]);
			for (size_t p = 0; p < POLICIES; p++)
				printf(" %.1f |", hit_ratio(&policies[p], size, all, requests, count, cells,
				                            half_life, sample));
			printf("\n");
			fflush(stdout);
		}
	}
	return 0;
}
