/* SPDX-License-Identifier: PostgreSQL
 *
 * fuzz_number.c: any bytes as a number.  A text that parses is the one that its value is written
 * as; the first eight bytes, taken as a value, survive being written and read.  The C library is
 * asked for its opinion as well.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/number/number.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static void
text_check(const char *text, size_t length)
{
	const int64_t untouched = INT64_C(0x5a5a5a5a5a5a5a5a);
	int64_t value = untouched;
	char back[PGFIRST_INT64_TEXT];
	char terminated[64];
	char *end;
	long long expected;

	if (pgfirst_int64_parse(text, length, &value))
	{
		require(pgfirst_int64_format(value, back) == length);
		require(memcmp(back, text, length) == 0 && back[length] == '\0');
		return;
	}
	require(value == untouched);

	/* Refused: not a number for the C library either, out of range, or not canonical. */
	if (length == 0 || length >= sizeof(terminated) || memchr(text, '\0', length) != NULL)
		return;
	memcpy(terminated, text, length);
	terminated[length] = '\0';
	errno = 0;
	expected = strtoll(terminated, &end, 10);
	if (errno == 0 && end == terminated + length)
		require(pgfirst_int64_format(expected, back) != length || memcmp(back, text, length) != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size > 0 ? size : 1);
	int64_t value;

	require(text != NULL);
	memcpy(text, data, size);
	text_check(text, size);
	free(text);

	if (size >= sizeof(value))
	{
		char written[PGFIRST_INT64_TEXT];

		memcpy(&value, data, sizeof(value));
		text_check(written, pgfirst_int64_format(value, written));
		require(strtoll(written, NULL, 10) == value);
	}
	return 0;
}
