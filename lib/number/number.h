/* SPDX-License-Identifier: PostgreSQL
 *
 * number.h: numbers as Redis reads and writes them.
 */
#ifndef PGFIRST_NUMBER_H
#define PGFIRST_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PGFIRST_INT64_TEXT 21 /* bytes of the longest int64 as text, with the final zero */

/*
 * Reads a canonical decimal int64: optional '-', no '+', no leading zeros, no spaces, no "-0",
 * nothing behind, in range.  False otherwise, *value untouched.
 */
extern bool pgfirst_int64_parse(const char *text, size_t length, int64_t *value);

/* Writes value and a final zero; returns the length without it. */
extern size_t pgfirst_int64_format(int64_t value, char text[PGFIRST_INT64_TEXT]);

#endif
