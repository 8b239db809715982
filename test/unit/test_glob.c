/* SPDX-License-Identifier: PostgreSQL
 *
 * test_glob.c: lib/glob.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/glob/glob.h"
#include "test/unit/support.h"

/* In blocks of exactly their size, so that a sanitizer sees a byte read beyond them. */
static bool
match_in_blocks(const char *pattern, const char *text, bool ignore_case)
{
	size_t pattern_length = strlen(pattern);
	size_t text_length = strlen(text);
	char *pattern_block = malloc(pattern_length + (pattern_length == 0));
	char *text_block = malloc(text_length + (text_length == 0));
	bool matches;

	assert_non_null(pattern_block);
	assert_non_null(text_block);
	memcpy(pattern_block, pattern, pattern_length);
	memcpy(text_block, text, text_length);
	matches =
	    pgfirst_glob_match(pattern_block, pattern_length, text_block, text_length, ignore_case);
	free(pattern_block);
	free(text_block);
	return matches;
}

static bool
match(const char *pattern, const char *text)
{
	return match_in_blocks(pattern, text, false);
}

static bool
match_ignoring_case(const char *pattern, const char *text)
{
	return match_in_blocks(pattern, text, true);
}

static void
glob_matches_literals(void **state)
{
	(void) state;
	assert_true(match("", ""));
	assert_false(match("", "a"));
	assert_false(match("a", ""));
	assert_true(match("abc", "abc"));
	assert_false(match("abc", "abd"));
	assert_false(match("abc", "ab"));
	assert_false(match("ab", "abc"));
	assert_false(match("abc", "ABC"));
	assert_true(pgfirst_glob_match("a\0b", 3, "a\0b", 3, false));
	assert_false(pgfirst_glob_match("a\0b", 3, "a\0c", 3, false));
}

static void
glob_matches_stars(void **state)
{
	(void) state;
	assert_true(match("*", ""));
	assert_true(match("**", ""));
	assert_true(match("*", "anything"));
	assert_true(match("a*", "a"));
	assert_true(match("a**", "a"));
	assert_true(match("*a", "a"));
	assert_true(match("*a", "aaab a"));
	assert_false(match("*a", "ab"));
	assert_true(match("a*b*c", "abc"));
	assert_true(match("a*b*c", "a-b-b-c-c"));
	assert_false(match("a*b*c", "a-c-b"));
	assert_true(match("*aab", "aaab"));
	assert_true(match("user:*:name", "user:17:name"));
	assert_false(match("user:*:name", "user:17:names"));
}

static void
glob_matches_single_bytes(void **state)
{
	(void) state;
	assert_true(match("?", "a"));
	assert_false(match("?", ""));
	assert_false(match("?", "ab"));
	assert_true(match("h?llo", "hallo"));
	assert_true(match("*?", "x"));
	assert_false(match("*?", ""));
	assert_true(match("??", "\xc3\xa9"));
}

static void
glob_matches_escapes(void **state)
{
	(void) state;
	assert_true(match("\\*", "*"));
	assert_false(match("\\*", "a"));
	assert_true(match("\\?\\[", "?["));
	assert_true(match("\\\\", "\\"));
	assert_true(match("a\\b", "ab"));
	/* A backslash at the end stands for itself. */
	assert_true(match("a\\", "a\\"));
	assert_false(match("a\\", "a"));
}

static void
glob_matches_classes(void **state)
{
	(void) state;
	assert_true(match("h[ae]llo", "hallo"));
	assert_true(match("h[ae]llo", "hello"));
	assert_false(match("h[ae]llo", "hillo"));
	assert_true(match("h[^e]llo", "hallo"));
	assert_false(match("h[^e]llo", "hello"));
	assert_true(match("[a^]", "^"));
	assert_true(match("[a-c]", "b"));
	assert_true(match("[c-a]", "b"));
	assert_false(match("[a-c]", "d"));
	assert_false(match("[^c-a]", "b"));
	assert_true(match("[0-9a-f]", "e"));
	assert_true(match("[ab-]", "b"));
	assert_false(match("[abc]", ""));
	/* Bytes are unsigned: the range below goes up to 0xff. */
	assert_true(match("[a-\xff]", "\xc3"));
	assert_false(match("[a-\xff]", "A"));
}

static void
glob_matches_odd_classes(void **state)
{
	(void) state;
	/* The first ] closes. */
	assert_false(match("[]", "]"));
	assert_false(match("[]a]", "a"));
	assert_true(match("[^]", "a"));
	assert_true(match("[^]a]", "xa]"));
	/* [a-] is a range up to ], and open. */
	assert_true(match("[a-]", "a"));
	assert_true(match("[a-]", "^"));
	assert_false(match("[a-]", "-"));
	assert_true(match("[-a]", "-"));
	assert_true(match("[a-]b", "b"));
	/* Open classes. */
	assert_true(match("[abc", "b"));
	assert_false(match("[abc", "d"));
	assert_true(match("[^abc", "d"));
	assert_true(match("[a-c", "b"));
	assert_true(match("[a-", "-"));
	assert_false(match("[a-", "A"));
	assert_true(match("[^", "x"));
	assert_false(match("[", "["));
	assert_false(match("[", ""));
	/* Escapes within. */
	assert_true(match("[\\]]", "]"));
	assert_true(match("[\\^a]", "^"));
	assert_true(match("[a\\-z]", "-"));
	assert_false(match("[a\\-z]", "b"));
	assert_true(match("[a\\", "\\"));
	assert_true(match("[a-\\]", "]"));
}

static void
glob_ignores_case(void **state)
{
	(void) state;
	assert_true(match_ignoring_case("MaxMemory*", "maxmemory-policy"));
	assert_true(match_ignoring_case("maxmemory", "MAXMEMORY"));
	assert_true(match_ignoring_case("\\A", "a"));
	assert_true(match_ignoring_case("[ABC]x", "bX"));
	assert_true(match_ignoring_case("[A-C]", "b"));
	assert_true(match_ignoring_case("[a-c]", "B"));
	assert_false(match_ignoring_case("[a-c]", "D"));
	/* Ordered before folding, and escaped bytes of a class keep their case. */
	assert_false(match_ignoring_case("[Z-a]", "z"));
	assert_false(match_ignoring_case("[\\A]", "a"));
	/* ASCII only. */
	assert_false(match_ignoring_case("\xc3\x89", "\xc3\xa9"));
	assert_false(match_ignoring_case("[", "{"));
	assert_false(match_ignoring_case("@", "`"));
}

/*
 * The obvious definition of what stars mean, in exponential time.  A pattern of elements that take
 * one byte each comes from pgfirst_glob_match() itself, one element at a time.
 */
static bool
match_obviously(const char *pattern, size_t pattern_length, const char *text, size_t text_length)
{
	size_t element = 1;

	if (pattern_length == 0)
		return text_length == 0;
	if (pattern[0] == '*')
		return match_obviously(pattern + 1, pattern_length - 1, text, text_length) ||
		       (text_length > 0 &&
		        match_obviously(pattern, pattern_length, text + 1, text_length - 1));
	if (pattern[0] == '\\' && pattern_length > 1)
		element = 2;
	if (pattern[0] == '[')
	{
		if (element < pattern_length && pattern[element] == '^')
			element++;
		while (element < pattern_length && pattern[element] != ']')
		{
			size_t left = pattern_length - element;

			if (pattern[element] == '\\' && left >= 2)
				element += 2;
			else
				element += left >= 3 && pattern[element + 1] == '-' ? 3 : 1;
		}
		if (element < pattern_length)
			element++;
	}
	return text_length > 0 && pgfirst_glob_match(pattern, element, text, 1, false) &&
	       match_obviously(pattern + element, pattern_length - element, text + 1, text_length - 1);
}

static void
glob_agrees_with_the_definition(void **state)
{
	static const char pattern_bytes[] = "**?ab[]^\\-";
	static const char text_bytes[] = "ab-]^";
	uint64_t random = 7;
	unsigned int matches = 0;

	(void) state;
	for (int i = 0; i < 300000; i++)
	{
		char pattern[10];
		char text[8];
		size_t pattern_length = test_random_below(&random, sizeof(pattern));
		size_t text_length = test_random_below(&random, sizeof(text));
		bool expected;

		for (size_t j = 0; j < pattern_length; j++)
			pattern[j] = pattern_bytes[test_random_below(&random, sizeof(pattern_bytes) - 1)];
		for (size_t j = 0; j < text_length; j++)
			text[j] = text_bytes[test_random_below(&random, sizeof(text_bytes) - 1)];
		expected = match_obviously(pattern, pattern_length, text, text_length);
		if (pgfirst_glob_match(pattern, pattern_length, text, text_length, false) != expected)
			fail_msg("pattern %.*s, text %.*s", (int) pattern_length, pattern, (int) text_length,
			         text);
		matches += expected;
	}
	assert_true(matches > 10000);
}

/*
 * 2000 stars against 20000 bytes: 4 * 10^7 steps at worst here, more than the age of the universe
 * in a matcher that tries every star again.  alarm() ends the program should that come back.
 */
static void
glob_takes_polynomial_time(void **state)
{
	enum
	{
		STARS = 2000,
		TEXT = 20000
	};
	char *pattern = malloc(2 * STARS + 1);
	char *text = malloc(TEXT);

	(void) state;
	assert_non_null(pattern);
	assert_non_null(text);
	alarm(60);
	for (int i = 0; i < STARS; i++)
		memcpy(pattern + 2 * i, "a*", 2);
	pattern[2 * STARS] = 'b';
	memset(text, 'a', TEXT);
	assert_false(pgfirst_glob_match(pattern, 2 * STARS + 1, text, TEXT, false));
	text[TEXT - 1] = 'b';
	assert_true(pgfirst_glob_match(pattern, 2 * STARS + 1, text, TEXT, false));
	alarm(0);
	free(pattern);
	free(text);
}

/* The steps that suffice do, one less does not, wherever they run out. */
static void
glob_keeps_to_its_steps(void **state)
{
	static const struct
	{
		const char *pattern;
		const char *text;
	} cases[] = {
	    {"abc", "abc"}, {"*[xyzc]", "aaaac"}, {"a***", "a"}, {"*a*b", "aab"}, {"[abc]*d", "cd"}};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const char *pattern = cases[i].pattern;
		const char *text = cases[i].text;
		size_t enough = 1;
		size_t steps = SIZE_MAX;

		assert_true(
		    pgfirst_glob_match_within(pattern, strlen(pattern), text, strlen(text), false, &steps));
		enough = SIZE_MAX - steps + 1;
		for (size_t given = 0; given <= enough; given++)
		{
			steps = given;
			assert_int_equal(pgfirst_glob_match_within(pattern, strlen(pattern), text, strlen(text),
			                                           false, &steps),
			                 given == enough);
			assert_int_equal(steps, given == enough);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(glob_matches_literals),
	    cmocka_unit_test(glob_matches_stars),
	    cmocka_unit_test(glob_matches_single_bytes),
	    cmocka_unit_test(glob_matches_escapes),
	    cmocka_unit_test(glob_matches_classes),
	    cmocka_unit_test(glob_matches_odd_classes),
	    cmocka_unit_test(glob_ignores_case),
	    cmocka_unit_test(glob_agrees_with_the_definition),
	    cmocka_unit_test(glob_takes_polynomial_time),
	    cmocka_unit_test(glob_keeps_to_its_steps),
	};

	return cmocka_run_group_tests_name("glob", tests, NULL, NULL);
}
