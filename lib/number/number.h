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

/* The longest float in full: 4,933 digits, the sign, the point and 17 digits behind it. */
#define PGFIRST_FLOAT_TEXT 5120

/*
 * Reads what strtold() takes whole: decimal, hexadecimal, exponents, a plus sign, infinity.  False for
 * spaces, "nan", what is too large or too small for a long double, and texts of PGFIRST_FLOAT_TEXT
 * bytes and more; *value untouched.
 */
extern bool pgfirst_float_parse(const char *text, size_t length, long double *value);

/*
 * Writes a finite value and a final zero, rounded to 17 digits behind the point and without exponent;
 * returns the length without the final zero.
 */
extern size_t pgfirst_float_format(long double value, char text[PGFIRST_FLOAT_TEXT]);

#endif
