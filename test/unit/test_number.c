/* SPDX-License-Identifier: PostgreSQL
 *
 * test_number.c: lib/number.  The floats were compared with redis-server's INCRBYFLOAT.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
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

static void
float_reads_and_formats(void **state)
{
	static const struct
	{
		const char *text;
		const char *formatted;
	} cases[] = {
	    {"0", "0"},
	    {"-0", "0"},
	    {"+1", "1"},
	    {"007", "7"},
	    {"100", "100"},
	    {".5", "0.5"},
	    {"5.", "5"},
	    {"-1.50", "-1.5"},
	    {"1e3", "1000"},
	    {"5.0e3", "5000"},
	    {"0x10", "16"},
	    {"0x1p-3", "0.125"},
	    {"3.14159265358979323846", "3.14159265358979324"},
	    {"1e-17", "0.00000000000000001"},
	    {"4e-18", "0"},
	    {"-4e-18", "0"},
	    {"-6e-18", "-0.00000000000000001"},
	    {"9223372036854775807", "9223372036854775807"},
	    {"1e-4950", "0"},
	};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		char text[PGFIRST_FLOAT_TEXT];
		long double value = 42;
		size_t length;

		assert_true(pgfirst_float_parse(cases[i].text, strlen(cases[i].text), &value));
		length = pgfirst_float_format(value, text);
		assert_string_equal(text, cases[i].formatted);
		assert_int_equal(length, strlen(text));
	}
}

static void
float_refuses_the_rest(void **state)
{
	static const char *const cases[] = {
	    "",  " ",   " 1",  "\n1", "1 ",   "1\n", "abc", "1a",     "1e",      "1_0",    ".",
	    "-", "--1", "nan", "NaN", "-nan", "0x",  "1,5", "1e5000", "-1e5000", "1e-5000"};
	long double value = 42;
	char zeros[PGFIRST_FLOAT_TEXT];

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_false(pgfirst_float_parse(cases[i], strlen(cases[i]), &value));
	assert_false(pgfirst_float_parse("1\0", 2, &value));
	memset(zeros, '0', sizeof(zeros));
	assert_false(pgfirst_float_parse(zeros, sizeof(zeros), &value));
	assert_true(value == 42);
	assert_true(pgfirst_float_parse(zeros, sizeof(zeros) - 1, &value));
	assert_true(value == 0);
}

static void
float_of_any_size(void **state)
{
	char text[PGFIRST_FLOAT_TEXT];
	long double value;

	(void) state;
	assert_true(pgfirst_float_parse("-inf", 4, &value) && isinf(value));
	assert_true(pgfirst_float_parse("infinity", 8, &value) && isinf(value));
	/* Stops at the length, and finds room for the longest there is. */
	assert_true(pgfirst_float_parse("12345", 3, &value) && value == 123);
	assert_true(pgfirst_float_parse("-1.1897e4932", 12, &value));
	assert_int_equal(pgfirst_float_format(value, text), 4934);
	assert_int_equal(strlen(text), 4934);
#if LDBL_MANT_DIG == 64
	assert_memory_equal(text, "-11896999999999999999751387414459318079503594524064816292598097",
	                    63);
#endif
	assert_true(pgfirst_float_parse("0.1", 3, &value));
	assert_int_equal(pgfirst_float_format(value + 0.2L, text), 3);
	assert_string_equal(text, "0.3");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(number_accepts_canonical),
	    cmocka_unit_test(number_refuses_the_rest),
	    cmocka_unit_test(number_stops_at_the_length),
	    cmocka_unit_test(number_formats_and_reads_back),
	    cmocka_unit_test(float_reads_and_formats),
	    cmocka_unit_test(float_refuses_the_rest),
	    cmocka_unit_test(float_of_any_size),
	};

	return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
