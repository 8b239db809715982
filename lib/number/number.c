/* SPDX-License-Identifier: PostgreSQL
 *
 * number.c: int64 as canonical decimal text, both ways.
 *
 * "Canonical" makes the mapping one to one: a text that parses is the very text that formatting
 * its value gives back.  A store may therefore keep such a value as an integer and still answer
 * with the client's own bytes.  That is why "+1", "01", "-0" and " 1" are refused rather than
 * understood.
 *
 * Both directions work on the magnitude as uint64.  Nineteen digits, the most an int64 has, always
 * fit there, so that parsing needs one range check at the end instead of one per digit, and
 * INT64_MIN needs no special case.  Formatting takes two digits per division from a table.
 */
#include "lib/number/number.h"

#include <string.h>

#define INT64_DIGITS 19

static const char digit_pairs[] = "00010203040506070809"
                                  "10111213141516171819"
                                  "20212223242526272829"
                                  "30313233343536373839"
                                  "40414243444546474849"
                                  "50515253545556575859"
                                  "60616263646566676869"
                                  "70717273747576777879"
                                  "80818283848586878889"
                                  "90919293949596979899";

bool
pgfirst_int64_parse(const char *text, size_t length, int64_t *value)
{
	const char *digits = text;
	size_t count = length;
	uint64_t magnitude = 0;
	bool negative = length > 0 && text[0] == '-';

	if (negative)
	{
		digits++;
		count--;
	}
	if (count == 0 || count > INT64_DIGITS)
		return false;
	/* A zero may only stand alone; this refuses "-0" as well. */
	if (digits[0] == '0' && length > 1)
		return false;

	for (size_t i = 0; i < count; i++)
	{
		unsigned int digit = (unsigned int) (unsigned char) digits[i] - '0';

		if (digit > 9)
			return false;
		magnitude = magnitude * 10 + digit;
	}
	if (magnitude > (uint64_t) INT64_MAX + negative)
		return false;

	/* Negated as unsigned, where it is defined for the smallest int64 too. */
	*value = (int64_t) (negative ? 0 - magnitude : magnitude);
	return true;
}

size_t
pgfirst_int64_format(int64_t value, char text[PGFIRST_INT64_TEXT])
{
	char reversed[PGFIRST_INT64_TEXT];
	char *end = reversed + sizeof(reversed);
	char *start = end;
	uint64_t magnitude = value < 0 ? 0 - (uint64_t) value : (uint64_t) value;
	size_t length;

	while (magnitude >= 100)
	{
		start -= 2;
		memcpy(start, digit_pairs + 2 * (magnitude % 100), 2);
		magnitude /= 100;
	}
	if (magnitude >= 10)
	{
		start -= 2;
		memcpy(start, digit_pairs + 2 * magnitude, 2);
	}
	else
		*--start = (char) ('0' + magnitude);
	if (value < 0)
		*--start = '-';

	length = (size_t) (end - start);
	memcpy(text, start, length);
	text[length] = '\0';
	return length;
}
