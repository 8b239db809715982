/* SPDX-License-Identifier: PostgreSQL
 *
 * usage.c: how lately and how often keys have been used; see usage.h.
 *
 * The half-life decides between recency (short) and frequency (long).  Measured in bench/eviction: up to a
 * few turnovers (as many writes as there are keys) what is asked for often is protected better and
 * better, from sixteen on a cache learns too slowly that other keys are asked for now.  Eight are taken.
 */
#include "lib/evict/usage.h"

#define CELLS      (PGFIRST_USAGE_LINE / sizeof(uint32_t))
#define VALUE_BITS 10
#define VALUE_MAX  ((1U << VALUE_BITS) - 1)
#define RACE       16 /* ticks by which another process may be ahead */

#define TURNOVERS     8 /* in a half-life */
#define HALF_LIFE_MIN 2
#define HALF_LIFE_MAX 20

struct Usage
{
	uint32_t clock;
	uint32_t mask; /* lines - 1 */
	uint32_t fill[CELLS - 2];
	uint32_t cells[];
};

size_t
pgfirst_usage_size(uint32_t lines)
{
	return sizeof(Usage) + (size_t) lines * PGFIRST_USAGE_LINE;
}

void
pgfirst_usage_begin(Usage *usage, uint32_t lines)
{
	usage->clock = RACE; /* a cell that is 0 was used before all time */
	usage->mask = lines - 1;
}

unsigned
pgfirst_usage_half_life(uint64_t keys)
{
	uint64_t ticks = keys * TURNOVERS / PGFIRST_USAGE_WRITES;
	unsigned half_life = HALF_LIFE_MIN;

	while (half_life < HALF_LIFE_MAX && (2ULL << half_life) <= ticks)
		half_life++;
	return half_life;
}

static uint32_t
usage_clock(const Usage *usage)
{
	return __atomic_load_n(&usage->clock, __ATOMIC_RELAXED) & PGFIRST_USAGE_OLDEST;
}

void
pgfirst_usage_tick(Usage *usage)
{
	__atomic_fetch_add(&usage->clock, 1, __ATOMIC_RELAXED);
}

/* The two cells of a key: numbers in usage->cells. */
static void
usage_cells(const Usage *usage, const uint8_t *id, uint32_t salt, size_t cells[2])
{
	uint32_t line = (uint32_t) id[8] | (uint32_t) id[9] << 8 | (uint32_t) id[10] << 16 |
	                (uint32_t) id[11] << 24;
	size_t first = id[12] % CELLS;
	size_t second = id[13] % (CELLS - 1);

	line ^= salt * 0x9E3779B9U;
	cells[0] = (line & usage->mask) * CELLS + first;
	cells[1] = (line & usage->mask) * CELLS + second + (second >= first);
}

static UsageOf
cell_now(uint32_t cell, uint32_t now, unsigned half_life)
{
	uint32_t age = (now - (cell >> VALUE_BITS)) & PGFIRST_USAGE_OLDEST;
	uint32_t value = cell & VALUE_MAX;
	uint32_t halvings;

	if (age > PGFIRST_USAGE_OLDEST - RACE)
		age = 0;
	halvings = age >> half_life;
	if (cell == 0 || age > PGFIRST_USAGE_OLDEST / 2 || halvings > VALUE_BITS)
		return (UsageOf){.value = 0, .age = cell == 0 ? PGFIRST_USAGE_OLDEST : age};
	value >>= halvings;
	/* From one halving to the next in a straight line. */
	value -= (uint32_t) (((uint64_t) value * (age & ((1U << half_life) - 1))) >> (half_life + 1));
	return (UsageOf){.value = value, .age = age};
}

UsageOf
pgfirst_usage_of(const Usage *usage, const uint8_t *id, uint32_t salt, unsigned half_life)
{
	uint32_t now = usage_clock(usage);
	size_t cells[2];
	UsageOf a, b;

	usage_cells(usage, id, salt, cells);
	a = cell_now(__atomic_load_n(&usage->cells[cells[0]], __ATOMIC_RELAXED), now, half_life);
	b = cell_now(__atomic_load_n(&usage->cells[cells[1]], __ATOMIC_RELAXED), now, half_life);
	return (UsageOf){.value = a.value < b.value ? a.value : b.value,
	                 .age = a.age > b.age ? a.age : b.age};
}

void
pgfirst_usage_prefetch(const Usage *usage, const uint8_t *id, uint32_t salt)
{
	size_t cells[2];

	usage_cells(usage, id, salt, cells);
	__builtin_prefetch(&usage->cells[cells[0]], 1);
}

static void
cell_store(uint32_t *where, uint32_t was, uint32_t value, uint32_t now)
{
	uint32_t cell = now << VALUE_BITS | value;

	if (cell != was)
		__atomic_store_n(where, cell, __ATOMIC_RELAXED);
}

void
pgfirst_usage_touch(Usage *usage, const uint8_t *id, uint32_t salt, unsigned half_life)
{
	uint32_t now = usage_clock(usage);
	uint32_t a, b, value_a, value_b, value;
	size_t cells[2];

	usage_cells(usage, id, salt, cells);
	a = __atomic_load_n(&usage->cells[cells[0]], __ATOMIC_RELAXED);
	b = __atomic_load_n(&usage->cells[cells[1]], __ATOMIC_RELAXED);
	value_a = a & VALUE_MAX;
	value_b = b & VALUE_MAX;
	/* Mostly a key that is asked for often was just asked for. */
	if (a >> VALUE_BITS != now)
		value_a = cell_now(a, now, half_life).value;
	if (b >> VALUE_BITS != now)
		value_b = cell_now(b, now, half_life).value;
	value = (value_a < value_b ? value_a : value_b) + PGFIRST_USAGE_ONE;
	if (value > VALUE_MAX)
		value = VALUE_MAX;
	cell_store(&usage->cells[cells[0]], a, value_a > value ? value_a : value, now);
	cell_store(&usage->cells[cells[1]], b, value_b > value ? value_b : value, now);
}
