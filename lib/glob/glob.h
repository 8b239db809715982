/* SPDX-License-Identifier: PostgreSQL
 *
 * glob.h: Redis's patterns (KEYS, SCAN MATCH, CONFIG GET): * ? [abc] [^abc] [a-z] and \ to escape.
 * Bytes, not characters.  An unclosed [ reads to the end of the pattern, as in Redis.
 */
#ifndef PGFIRST_GLOB_H
#define PGFIRST_GLOB_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether the whole text matches.  Takes time in the order of pattern length times text length
 * whatever the pattern (one backtrack point, no recursion), so that "a*a*a*a*b" stalls nobody.
 */
extern bool pgfirst_glob_match(const char *pattern, size_t pattern_length, const char *text,
                               size_t text_length, bool ignore_case);

/*
 * The same within so many steps, each a look at one byte of the pattern.  *steps becomes what is
 * left; 0 means that they did not suffice, and false then says nothing.  For patterns and texts of
 * strangers: two megabytes of each are four million million steps.
 */
extern bool pgfirst_glob_match_within(const char *pattern, size_t pattern_length, const char *text,
                                      size_t text_length, bool ignore_case, size_t *steps);

#endif
