/* SPDX-License-Identifier: PostgreSQL
 *
 * float.c: long double as decimal text, both ways, as INCRBYFLOAT reads and writes it.
 *
 * Clients compare what they read with what Redis would have written, digit for digit, so that
 * the arithmetic is Redis's: that of long double, and 17 digits behind the point without the zeros
 * at their end.  That is more than a double holds, and it makes 0.1 + 0.2 read "0.3".
 *
 * The C library does the work.  Both ways depend on LC_NUMERIC, which PostgreSQL leaves at "C".
 */
#include "lib/number/number.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLOAT_DIGITS 17

bool
pgfirst_float_parse(const char *text, size_t length, long double *value)
{
	char copy[PGFIRST_FLOAT_TEXT];
	long double parsed;
	char *end;

	/* Spaces in front are the only thing that strtold() would pass over. */
	if (length == 0 || length >= sizeof(copy) || strchr(" \t\n\v\f\r", text[0]) != NULL)
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';

	errno = 0;
	parsed = strtold(copy, &end);
	if (end != copy + length || isnan(parsed))
		return false;
	/* What became a subnormal number is out of range too, but still a number. */
	if (errno == ERANGE && (isinf(parsed) || parsed == 0))
		return false;
	*value = parsed;
	return true;
}

size_t
pgfirst_float_format(long double value, char text[PGFIRST_FLOAT_TEXT])
{
	size_t length = (size_t) snprintf(text, PGFIRST_FLOAT_TEXT, "%.*Lf", FLOAT_DIGITS, value);

	while (text[length - 1] == '0')
		length--;
	if (text[length - 1] == '.')
		length--;
	text[length] = '\0';
	if (strcmp(text, "-0") == 0)
		memmove(text, text + 1, length--);
	return length;
}
