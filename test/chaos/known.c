/* SPDX-License-Identifier: PostgreSQL
 *
 * known.c: what is known of each key, and what may be shown of it; see load.h.
 */
#define _GNU_SOURCE

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "load.h"

#define COMPLAINTS 20 /* that are printed */

Load all;

uint64_t
chance(uint64_t below)
{
	all.random ^= all.random << 13;
	all.random ^= all.random >> 7;
	all.random ^= all.random << 17;
	return all.random % below;
}

int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
wrong(const char *format, ...)
{
	va_list arguments;

	all.wrong++;
	if (all.wrong > COMPLAINTS)
		return;
	va_start(arguments, format);
	printf("wrong: ");
	vprintf(format, arguments);
	printf("\n");
	va_end(arguments);
}

/* ---- keys ------------------------------------------------------------------------------------ */

Key *
key_of(int writer, int slot)
{
	return &all.keys[writer * SLOTS + slot];
}

int
key_slot(const Key *key)
{
	return (int) (key - all.keys) % SLOTS;
}

int
key_writer(const Key *key)
{
	return (int) (key - all.keys) / SLOTS;
}

int
key_parts(const Key *key)
{
	switch (key_slot(key))
	{
		case GROUPED:
			return GROUP;
		case LARGE:
			return MANY;
		case SPREAD:
			return WIDE;
		default:
			return 1;
	}
}

int
key_parts_here(const Key *key)
{
	return key_slot(key) == SPREAD ? WIDE - ELSEWHERE : key_parts(key);
}

void
key_prefix(const Key *key, char *prefix, int size)
{
	static const char *const names[] = {
	    [GROUPED] = "group", [LARGE] = "large", [SPREAD] = "spread"};

	snprintf(prefix, (size_t) size, "chaos:%d:%s:", key_writer(key), names[key_slot(key)]);
}

void
key_name(const Key *key, int part, char *name, int size)
{
	char prefix[48];

	if (key_parts(key) > 1)
	{
		key_prefix(key, prefix, sizeof(prefix));
		snprintf(name, (size_t) size, "%s%d", prefix, part);
	}
	else if (key_slot(key) == COUNTER)
		snprintf(name, (size_t) size, "chaos:%d:count", key_writer(key));
	else
		snprintf(name, (size_t) size, "chaos:%d:%d", key_writer(key), key_slot(key));
}

/* Whether the key is absent after operation n; the last WINDOW operations are remembered. */
static bool
may_be_absent(const Key *key, int64_t n)
{
	if (n == 0 || key->sent - n >= WINDOW)
		return true;
	return key->deletes[n % WINDOW] && !key->refused[n % WINDOW];
}

static bool
may_be_present(const Key *key, int64_t n)
{
	if (n == 0 || key->sent - n >= WINDOW)
		return true;
	return !key->deletes[n % WINDOW] && !key->refused[n % WINDOW];
}

/* Whether the key may be in this state, -1 for absent, for who asked when the floor was `floor`. */
static bool
key_may_be(const Key *key, int64_t floor, int64_t state)
{
	if (state >= 0)
		return state >= floor && state <= key->sent && may_be_present(key, state);
	for (int64_t n = floor; n <= key->sent; n++)
		if (may_be_absent(key, n))
			return true;
	return false;
}

void
key_shown(Key *key, int64_t floor, int64_t state)
{
	char name[64];

	all.shown++;
	if (!key_may_be(key, floor, state))
	{
		key_name(key, 0, name, sizeof(name));
		wrong("%s was shown as %lld, acknowledged %lld when asked, sent %lld", name,
		      (long long) state, (long long) floor, (long long) key->sent);
		return;
	}
	/* An absence is the first deletion that it can be. */
	if (state < 0)
		for (state = floor; !may_be_absent(key, state); state++)
			;
	if (state > key->floor)
		key->floor = state;
}

void
half_shown(const Key *key, const char *by, const char *what)
{
	all.halves++;
	wrong("%s shows half of what belongs together of writer %d: %s", by, key_writer(key), what);
}

void
group_shown(Key *key, int64_t floor, const int64_t *states, const char *by)
{
	int other = 0;

	all.groups += key_parts(key) > 1;
	for (int part = 1; part < key_parts(key) && other == 0; part++)
		if (states[part] != states[0])
			other = part;
	if (other > 0)
	{
		char first[64], name[64], what[256];

		key_name(key, 0, first, sizeof(first));
		key_name(key, other, name, sizeof(name));
		snprintf(what, sizeof(what), "%s is %lld and %s is %lld", first, (long long) states[0],
		         name, (long long) states[other]);
		half_shown(key, by, what);
	}
	key_shown(key, floor, states[0]);
}

/* ---- the shared counters --------------------------------------------------------------------- */

void
shared_answered(int counter, int64_t value)
{
	if (value < 1 || value > all.shared_sent[counter])
	{
		wrong("INCR of shared counter %d was answered %lld, %lld were sent", counter,
		      (long long) value, (long long) all.shared_sent[counter]);
		return;
	}
	if (value >= all.shared_room[counter])
	{
		int64_t room = value * 2 + 1024;

		all.shared_seen[counter] = realloc(all.shared_seen[counter], (size_t) room);
		memset(all.shared_seen[counter] + all.shared_room[counter], 0,
		       (size_t) (room - all.shared_room[counter]));
		all.shared_room[counter] = room;
	}
	if (all.shared_seen[counter][value]++)
		wrong("INCR of shared counter %d was answered %lld twice", counter, (long long) value);
	if (value > all.shared_highest[counter])
		all.shared_highest[counter] = value;
	all.shared_acknowledged[counter]++;
	all.acknowledged++;
}

void
shared_shown(int counter, int64_t value)
{
	if (value < 0)
		value = 0;
	if (value < all.shared_highest[counter] || value < all.shared_acknowledged[counter] ||
	    value > all.shared_sent[counter])
		wrong("shared counter %d is %lld, %lld were acknowledged up to %lld, %lld sent", counter,
		      (long long) value, (long long) all.shared_acknowledged[counter],
		      (long long) all.shared_highest[counter], (long long) all.shared_sent[counter]);
}
