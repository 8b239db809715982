/* SPDX-License-Identifier: PostgreSQL
 *
 * glob.c: Redis's patterns without Redis's exponential time.
 *
 * Every element of a pattern except * takes exactly one byte of the text.  So when a part between
 * two stars has matched somewhere, matching it further right can never help a later part: only the
 * last star needs to be tried again, one byte later each time.  One remembered place replaces the
 * recursion; a text of n bytes and a pattern of m take n * m steps at worst.
 *
 * What a class means follows Redis to the letter, since patterns are stored in applications:
 *
 *      []x]    the first ] closes, even at once: an empty class, which matches nothing
 *      [^]     an empty class inverted matches any byte
 *      [z-a]   the same as [a-z]
 *      [a-]    a range up to ], which leaves the class open
 *      [a      an open class reads to the end of the pattern
 *      [\]a]   \ makes the next byte an ordinary one, which is compared with its case
 *
 * Two things differ on purpose.  A range compares unsigned bytes, where Redis takes the C
 * compiler's char, signed on one machine and not on another.  And stars alone match the empty
 * text, where Redis's matcher says no, but its commands, which look for "*" first, say yes.
 */
#include "lib/glob/glob.h"

#include <stdint.h>

typedef struct GlobText
{
	const unsigned char *next;
	const unsigned char *end;
} GlobText;

/* ASCII only: what matches may not depend on the locale. */
static inline unsigned char
byte_fold(unsigned char byte, bool ignore_case)
{
	return ignore_case && byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte;
}

static bool
range_contains(unsigned char first, unsigned char last, unsigned char byte, bool ignore_case)
{
	/* Ordered before folding, as in Redis; [Z-a] ignoring case is therefore empty. */
	unsigned char low = byte_fold(first < last ? first : last, ignore_case);
	unsigned char high = byte_fold(first < last ? last : first, ignore_case);
	unsigned char folded = byte_fold(byte, ignore_case);

	return low <= folded && folded <= high;
}

/* The class whose [ has just been read; moves the pattern behind its end. */
static bool
class_matches(GlobText *pattern, unsigned char byte, bool ignore_case)
{
	const unsigned char *p = pattern->next;
	const unsigned char *end = pattern->end;
	bool inverted = p < end && *p == '^';
	bool found = false;

	if (inverted)
		p++;
	while (p < end && *p != ']')
	{
		if (*p == '\\' && end - p >= 2)
		{
			found |= p[1] == byte;
			p += 2;
		}
		else if (end - p >= 3 && p[1] == '-')
		{
			found |= range_contains(p[0], p[2], byte, ignore_case);
			p += 3;
		}
		else
		{
			found |= byte_fold(*p, ignore_case) == byte_fold(byte, ignore_case);
			p++;
		}
	}
	pattern->next = p < end ? p + 1 : end;
	return found != inverted;
}

/* Whether the pattern's next element, which is no star, matches the byte; moves behind it. */
static bool
element_matches(GlobText *pattern, unsigned char byte, bool ignore_case)
{
	unsigned char element = *pattern->next++;

	if (element == '?')
		return true;
	if (element == '[')
		return class_matches(pattern, byte, ignore_case);
	if (element == '\\' && pattern->next < pattern->end)
		element = *pattern->next++;
	return byte_fold(element, ignore_case) == byte_fold(byte, ignore_case);
}

/* Takes the steps off; false, and none left, if there are not enough. */
static inline bool
steps_take(size_t *steps, size_t taken)
{
	if (*steps <= taken)
	{
		*steps = 0;
		return false;
	}
	*steps -= taken;
	return true;
}

bool
pgfirst_glob_match_within(const char *pattern, size_t pattern_length, const char *text,
                          size_t text_length, bool ignore_case, size_t *steps)
{
	GlobText want = {(const unsigned char *) pattern,
	                 (const unsigned char *) pattern + pattern_length};
	const unsigned char *have = (const unsigned char *) text;
	const unsigned char *have_end = have + text_length;
	const unsigned char *after_star = NULL; /* pattern behind the last star */
	const unsigned char *star_have = NULL;  /* where the text went on behind it */

	while (have < have_end)
	{
		const unsigned char *looked_at = want.next;
		bool matches;

		if (want.next < want.end && *want.next == '*')
		{
			after_star = ++want.next;
			star_have = have;
			/* A star at the very end matches whatever follows. */
			if (after_star == want.end)
				return true;
			if (!steps_take(steps, 1))
				return false;
			continue;
		}
		matches = want.next < want.end && element_matches(&want, *have, ignore_case);
		if (!steps_take(steps, (size_t) (want.next - looked_at) + 1))
			return false;
		if (matches)
			have++;
		else if (after_star != NULL)
		{
			want.next = after_star;
			have = ++star_have;
		}
		else
			return false;
	}
	while (want.next < want.end && *want.next == '*')
	{
		want.next++;
		if (!steps_take(steps, 1))
			return false;
	}
	return want.next == want.end;
}

bool
pgfirst_glob_match(const char *pattern, size_t pattern_length, const char *text, size_t text_length,
                   bool ignore_case)
{
	size_t steps = SIZE_MAX;

	return pgfirst_glob_match_within(pattern, pattern_length, text, text_length, ignore_case,
	                                 &steps);
}
