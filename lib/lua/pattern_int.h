/* SPDX-License-Identifier: PostgreSQL
 *
 * pattern_int.h: the matcher of Lua's patterns (pattern.c), for the functions that use it (search.c).
 */
#ifndef PGFIRST_LUA_PATTERN_INT_H
#define PGFIRST_LUA_PATTERN_INT_H

#include <stdint.h>

#include "lib/lua/bounded_int.h"

#define CAPTURES_MOST 32 /* LUA_MAXCAPTURES */
#define CHOICES_FIRST 16
#define CHOICES_MOST  131072 /* beyond: "pattern too complex" */

typedef struct Capture
{
	const char *start;
	size_t length; /* once it is closed */
} Capture;

/*
 * A greedy choice goes on at `at`, and can be changed to less as long as that is beyond `least`.  A
 * lazy one (its item is not NULL) goes on at `at`, and can take one more if its item matches there.
 */
typedef struct Choice
{
	const char *after; /* the item and its quantifier, in the pattern */
	const char *at;    /* in the subject */
	union
	{
		const char *least; /* greedy */
		const char *item;  /* lazy */
	} u;
	uint32_t open;
	uint8_t level;
	bool lazy;
} Choice;

typedef struct Matcher
{
	BoundedWork work;
	const char *subject;
	const char *subject_end;
	uint32_t open; /* bit i: capture i has no end yet */
	int level;     /* captures so far */
	int place;     /* of Lua's stack, for the userdata of choices */
	size_t choice_count;
	size_t choice_room;
	Choice *choices;
	Capture captures[CAPTURES_MOST];
	Choice first_choices[CHOICES_FIRST];
} Matcher;

/* place holds a value that may be lost. */
extern void pattern_matcher_begin(Matcher *matcher, lua_State *L, const char *subject,
                                  size_t length, int place);

/* Where the match of the whole pattern that begins at s ends; NULL if there is none. */
extern const char *pattern_match(Matcher *matcher, const char *s, const char *p);

/* The first match that begins at *s or later; *s becomes its begin.  NULL: there is none. */
extern const char *pattern_search(Matcher *matcher, const char **s, const char *p);

/* The capture of the match that has just been found, or its position, on Lua's stack. */
extern void pattern_capture_push(Matcher *matcher, int index, const char *s, const char *end);

/* All of them; returns how many.  Of a pattern without captures the whole match is the first. */
extern int pattern_captures_push(Matcher *matcher, const char *s, const char *end);

static inline bool
pattern_byte_is_digit(unsigned char byte)
{
	return (unsigned int) byte - '0' < 10;
}

#endif
