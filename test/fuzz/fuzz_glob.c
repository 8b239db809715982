/* SPDX-License-Identifier: PostgreSQL
 *
 * fuzz_glob.c: any pattern against any text.
 *
 *      | options | length of the pattern | the pattern ... | the text ... |
 *         1         1
 *
 * Both stand in blocks of exactly their size, so that a byte read beyond is seen.  libFuzzer's own
 * -timeout watches the time.  Besides, what follows must hold for every pattern and text:
 *   - the text with each byte escaped is a pattern that matches it, and so it is with a star in
 *     place of any run of its bytes;
 *   - a star before or behind a pattern that matches changes nothing;
 *   - what matches with its case matches without, where no class is involved.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/glob/glob.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool condition)
{
	if (!condition)
		abort();
}

static char *
block_copy(const void *data, size_t length)
{
	char *block = malloc(length > 0 ? length : 1);

	require(block != NULL);
	memcpy(block, data, length);
	return block;
}

/* Behind `to`; returns the new end. */
static char *
escaped_put(char *to, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		*to++ = '\\';
		*to++ = text[i];
	}
	return to;
}

/* Escaped as a whole, and with a star in place of the bytes from first to last. */
static void
escaped_text_matches(const char *text, size_t length, size_t first, size_t last)
{
	char *pattern = malloc(2 * length + 1);
	char *end;

	require(pattern != NULL);
	end = escaped_put(pattern, text, length);
	require(pgfirst_glob_match(pattern, (size_t) (end - pattern), text, length, false));
	end = escaped_put(pattern, text, first);
	*end++ = '*';
	end = escaped_put(end, text + last, length - last);
	require(pgfirst_glob_match(pattern, (size_t) (end - pattern), text, length, false));
	free(pattern);
}

static void
stars_change_nothing(const char *pattern, size_t pattern_length, const char *text,
                     size_t text_length, bool ignore_case)
{
	char *starred = malloc(pattern_length + 2);

	require(starred != NULL);
	starred[0] = '*';
	memcpy(starred + 1, pattern, pattern_length);
	require(pgfirst_glob_match(starred, pattern_length + 1, text, text_length, ignore_case));
	/* Behind an open class or a final backslash the star would mean something else. */
	if (memchr(pattern, '[', pattern_length) == NULL &&
	    memchr(pattern, '\\', pattern_length) == NULL)
	{
		starred[pattern_length + 1] = '*';
		require(pgfirst_glob_match(starred, pattern_length + 2, text, text_length, ignore_case));
	}
	free(starred);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t pattern_length;
	size_t text_length;
	size_t first;
	bool ignore_case;
	char *pattern;
	char *text;

	if (size < 2)
		return 0;
	ignore_case = data[0] & 1;
	pattern_length = data[1] < size - 2 ? data[1] : size - 2;
	text_length = size - 2 - pattern_length;
	pattern = block_copy(data + 2, pattern_length);
	text = block_copy(data + 2 + pattern_length, text_length);

	first = data[0] % (text_length + 1);
	escaped_text_matches(text, text_length, first, first + data[1] % (text_length - first + 1));
	if (pgfirst_glob_match(pattern, pattern_length, text, text_length, ignore_case))
	{
		stars_change_nothing(pattern, pattern_length, text, text_length, ignore_case);
		if (memchr(pattern, '[', pattern_length) == NULL)
			require(pgfirst_glob_match(pattern, pattern_length, text, text_length, true));
	}
	free(pattern);
	free(text);
	return 0;
}
