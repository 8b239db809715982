/* SPDX-License-Identifier: PostgreSQL
 *
 * test_number.c: lib/number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "lib/number/number.h"
#include "test/unit/support.h"

static void
number_accepts_canonical(void **state)
{
	static const struct
	{
		const char *text;
		int64_t value;
	} cases[] = {
	    {"0", 0},
	    {"7", 7},
	    {"-1", -1},
	    {"10", 10},
	    {"99", 99},
	    {"100", 100},
	    {"-4096", -4096},
	    {"1234567890123456789", INT64_C(1234567890123456789)},
	    {"9223372036854775807", INT64_MAX},
	    {"-9223372036854775807", -INT64_MAX},
	    {"-9223372036854775808", INT64_MIN},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		int64_t value = 42;

		assert_true(pgfirst_int64_parse(cases[i].text, strlen(cases[i].text), &value));
		assert_int_equal(value, cases[i].value);
	}
}

static void
number_refuses_the_rest(void **state)
{
	static const char *const cases[] = {
	    "",
	    "-",
	    "+",
	    "+1",
	    "01",
	    "00",
	    "-0",
	    "-01",
	    " 1",
	    "1 ",
	    "1\n",
	    "--1",
	    "1-",
	    "1.0",
	    "1e3",
	    "0x10",
	    "a",
	    "/",
	    ":",
	    "1\xb1",
	    "9223372036854775808",
	    "-9223372036854775809",
	    "9999999999999999999",
	    "-9999999999999999999",
	    "18446744073709551616",
	    "18446744073709551617",
	    "100000000000000000000000",
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		int64_t value = 42;

		assert_false(pgfirst_int64_parse(cases[i], strlen(cases[i]), &value));
		assert_int_equal(value, 42);
	}
	assert_false(pgfirst_int64_parse(NULL, 0, &(int64_t){0}));
}

static void
number_stops_at_the_length(void **state)
{
	int64_t value;

	(void) state;
	assert_true(pgfirst_int64_parse("123456", 3, &value));
	assert_int_equal(value, 123);
	assert_false(pgfirst_int64_parse("1\0002", 3, &value));
}

/* Against the C library, around every power of ten and two and at random. */
static void
format_check(int64_t value)
{
	char text[PGFIRST_INT64_TEXT];
	char expected[32];
	int64_t back = ~value;
	size_t length = pgfirst_int64_format(value, text);

	snprintf(expected, sizeof(expected), "%" PRId64, value);
	assert_string_equal(text, expected);
	assert_int_equal(length, strlen(expected));
	assert_true(pgfirst_int64_parse(text, length, &back));
	assert_int_equal(back, value);
}

static void
number_formats_and_reads_back(void **state)
{
	uint64_t random = 1;

	(void) state;
	format_check(0);
	format_check(INT64_MIN);
	format_check(INT64_MAX);
	for (int64_t power = 1; power <= INT64_MAX / 10; power *= 10)
	{
		for (int64_t near = power - 2; near <= power + 2; near++)
		{
			format_check(near);
			format_check(-near);
		}
	}
	for (int bit = 0; bit < 63; bit++)
		format_check(INT64_C(1) << bit);
	for (int i = 0; i < 100000; i++)
		format_check((int64_t) (test_random(&random) >> test_random_below(&random, 64)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(number_accepts_canonical),
	    cmocka_unit_test(number_refuses_the_rest),
	    cmocka_unit_test(number_stops_at_the_length),
	    cmocka_unit_test(number_formats_and_reads_back),
	};

	return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
