/* SPDX-License-Identifier: PostgreSQL
 *
 * test_evict.c: lib/evict: what is known of keys, and who is given up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/evict/victims.h"
#include "test/unit/support.h"

#define HALF_LIFE 4 /* sixteen ticks */

static Usage *
usage_new(uint32_t lines)
{
	Usage *usage = calloc(1, pgfirst_usage_size(lines));

	assert_non_null(usage);
	pgfirst_usage_begin(usage, lines);
	return usage;
}

static const uint8_t *
id_of(uint32_t number)
{
	static uint8_t id[PGFIRST_USAGE_ID_BYTES];

	for (int i = 0; i < PGFIRST_USAGE_ID_BYTES; i++)
	{
		number = number * 1664525 + 1013904223;
		id[i] = (uint8_t) (number >> 24);
	}
	return id;
}

static void
ticks(Usage *usage, uint32_t count)
{
	while (count-- > 0)
		pgfirst_usage_tick(usage);
}

static void
assert_usage(const Usage *usage, uint32_t key, uint32_t value, uint32_t age)
{
	UsageOf of = pgfirst_usage_of(usage, id_of(key), 0, HALF_LIFE);

	assert_int_equal(of.value, value);
	assert_int_equal(of.age, age);
}

static void
usage_is_of_lines(void **state)
{
	(void) state;
	assert_int_equal(pgfirst_usage_size(1), 2 * PGFIRST_USAGE_LINE);
	assert_int_equal(pgfirst_usage_size(1024), 1025 * PGFIRST_USAGE_LINE);
}

static void
usage_counts_and_halves(void **state)
{
	Usage *usage = usage_new(64);

	(void) state;
	assert_usage(usage, 1, 0, PGFIRST_USAGE_OLDEST);
	pgfirst_usage_touch(usage, id_of(1), 0, HALF_LIFE);
	assert_usage(usage, 1, PGFIRST_USAGE_ONE, 0);
	for (int i = 0; i < 3; i++)
		pgfirst_usage_touch(usage, id_of(1), 0, HALF_LIFE);
	assert_usage(usage, 1, 4 * PGFIRST_USAGE_ONE, 0);
	ticks(usage, 8);
	assert_usage(usage, 1, 48, 8); /* three quarters, half-way to the half */
	ticks(usage, 8);
	assert_usage(usage, 1, 32, 16);
	ticks(usage, 16);
	assert_usage(usage, 1, 16, 32);
	pgfirst_usage_touch(usage, id_of(1), 0, HALF_LIFE);
	assert_usage(usage, 1, 32, 0);
	ticks(usage, 16 * 20);
	assert_usage(usage, 1, 0, 16 * 20);
	/* It is full some time, and still halves. */
	for (int i = 0; i < 1000; i++)
		pgfirst_usage_touch(usage, id_of(1), 0, HALF_LIFE);
	assert_usage(usage, 1, 1023, 0);
	ticks(usage, 16);
	assert_usage(usage, 1, 511, 16);
	free(usage);
}

static void
usage_grows_old(void **state)
{
	Usage *usage = usage_new(1);

	(void) state;
	pgfirst_usage_touch(usage, id_of(1), 0, 20);
	ticks(usage, PGFIRST_USAGE_OLDEST / 2);
	assert_int_equal(pgfirst_usage_of(usage, id_of(1), 0, 20).value, 5);
	ticks(usage, 1);
	assert_int_equal(pgfirst_usage_of(usage, id_of(1), 0, 20).value, 0);
	/* Nearly once around: it may have been noted by a process whose clock is ahead. */
	ticks(usage, PGFIRST_USAGE_OLDEST / 2);
	assert_int_equal(pgfirst_usage_of(usage, id_of(1), 0, 20).age, 0);
	free(usage);
}

static void
usage_half_life_follows_the_keys(void **state)
{
	(void) state;
	assert_int_equal(pgfirst_usage_half_life(0), 2);
	assert_int_equal(pgfirst_usage_half_life(8), 2);
	assert_int_equal(pgfirst_usage_half_life(16), 3);
	assert_int_equal(pgfirst_usage_half_life(1 << 20), 19);
	assert_int_equal(pgfirst_usage_half_life(1000 * 1000 * 1000), 20);
}

/* Other keys make one look more used, never less; and seldom. */
static void
usage_errs_to_one_side(void **state)
{
	enum
	{
		KEYS = 1024,
		LINES = 256 /* four cells to a key */
	};
	Usage *usage = usage_new(LINES);
	int wrong = 0;

	(void) state;
	for (uint32_t key = 0; key < KEYS; key++)
		for (uint32_t use = 0; use <= key % 4; use++)
			pgfirst_usage_touch(usage, id_of(key), 0, HALF_LIFE);
	for (uint32_t key = 0; key < KEYS; key++)
	{
		uint32_t value = pgfirst_usage_of(usage, id_of(key), 0, HALF_LIFE).value;

		assert_true(value >= PGFIRST_USAGE_ONE * (1 + key % 4));
		wrong += value > PGFIRST_USAGE_ONE * (1 + key % 4);
	}
	assert_true(wrong < KEYS / 8);
	free(usage);
}

static void
usage_knows_the_salt(void **state)
{
	Usage *usage = usage_new(1024);

	(void) state;
	pgfirst_usage_prefetch(usage, id_of(1), 7);
	assert_int_equal(pgfirst_usage_of(usage, id_of(1), 7, HALF_LIFE).value, 0);
	pgfirst_usage_touch(usage, id_of(1), 7, HALF_LIFE);
	assert_int_equal(pgfirst_usage_of(usage, id_of(1), 7, HALF_LIFE).value, PGFIRST_USAGE_ONE);
	assert_int_equal(pgfirst_usage_of(usage, id_of(1), 8, HALF_LIFE).value, 0);
	free(usage);
}

static void
worth_follows_the_order(void **state)
{
	UsageOf rare = {.value = 10, .age = 5}, often = {.value = 20, .age = 50};

	(void) state;
	assert_true(pgfirst_victim_worth(EVICTION_LRU, rare, 0) >
	            pgfirst_victim_worth(EVICTION_LRU, often, 0));
	assert_true(pgfirst_victim_worth(EVICTION_LFU, rare, 0) <
	            pgfirst_victim_worth(EVICTION_LFU, often, 0));
	often.value = rare.value;
	assert_true(pgfirst_victim_worth(EVICTION_LFU, rare, 0) >
	            pgfirst_victim_worth(EVICTION_LFU, often, 0));
	assert_int_equal(pgfirst_victim_worth(EVICTION_TTL, rare, 1234), 1234);
	assert_int_equal(pgfirst_victim_worth(EVICTION_RANDOM, rare, 1234), 0);
}

static void
assert_taken(Victims *victims, uint32_t key, uint64_t worth)
{
	Victim victim;

	assert_true(pgfirst_victims_take(victims, &victim));
	assert_memory_equal(victim.id, id_of(key), PGFIRST_USAGE_ID_BYTES);
	assert_int_equal(victim.worth, worth);
}

static void
victims_are_the_worst(void **state)
{
	Victims victims = {0};
	Victim victim;

	(void) state;
	assert_false(pgfirst_victims_take(&victims, &victim));
	/* 0, 37, 74, …: all of 0 to 99, in no order. */
	for (uint32_t i = 0; i < 100; i++)
		pgfirst_victims_offer(&victims, id_of(i * 37 % 100), i * 37 % 100);
	assert_int_equal(victims.count, PGFIRST_VICTIMS_MAX);
	for (uint32_t i = 0; i < PGFIRST_VICTIMS_MAX; i++)
		assert_taken(&victims, i, i);
	assert_false(pgfirst_victims_take(&victims, &victim));
}

static void
victims_are_there_once(void **state)
{
	Victims victims = {0};

	(void) state;
	pgfirst_victims_offer(&victims, id_of(1), 10);
	pgfirst_victims_offer(&victims, id_of(2), 20);
	pgfirst_victims_offer(&victims, id_of(3), 20);
	pgfirst_victims_offer(&victims, id_of(1), 30);
	assert_int_equal(victims.count, 3);
	assert_taken(&victims, 2, 20);
	assert_taken(&victims, 3, 20);
	assert_taken(&victims, 1, 30);
	assert_int_equal(victims.count, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(usage_is_of_lines),
	    cmocka_unit_test(usage_counts_and_halves),
	    cmocka_unit_test(usage_grows_old),
	    cmocka_unit_test(usage_half_life_follows_the_keys),
	    cmocka_unit_test(usage_errs_to_one_side),
	    cmocka_unit_test(usage_knows_the_salt),
	    cmocka_unit_test(worth_follows_the_order),
	    cmocka_unit_test(victims_are_the_worst),
	    cmocka_unit_test(victims_are_there_once),
	};

	return cmocka_run_group_tests_name("evict", tests, NULL, NULL);
}
