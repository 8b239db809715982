/* SPDX-License-Identifier: PostgreSQL
 *
 * test_resp.c: lib/resp.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <cmocka.h>

#include "lib/resp/resp.h"
#include "test/unit/support.h"
#include "test/unit/transcript.h"

static const RespLimits default_limits = {
    .bulk = (size_t) 512 << 20, .arguments = 1024 * 1024, .inline_len = 64 * 1024};

static const RespLimits unauthenticated_limits = {
    .bulk = 16384, .arguments = 10, .inline_len = 64 * 1024, .unauthenticated = true};

/* Small enough that random streams meet each of them. */
static const RespLimits tight_limits = {.bulk = 20, .arguments = 6, .inline_len = 24};

static size_t
split_bytes(void *context)
{
	(void) context;
	return 1;
}

static size_t
split_randomly(void *context)
{
	return 1 + test_random_below(context, 1 + test_random_below(context, 40));
}

/* What the stream gives, whole and byte by byte, which must be the same. */
static void
assert_stream(const char *stream, size_t length, RespLimits limits, const char *expected)
{
	Transcript whole = transcript_make(stream, length, limits, NULL, NULL);
	Transcript bytes = transcript_make(stream, length, limits, split_bytes, NULL);

	assert_string_equal(whole.text, expected);
	assert_int_equal(whole.length, strlen(expected));
	assert_int_equal(bytes.length, whole.length);
	assert_memory_equal(bytes.text, whole.text, whole.length);
	free(whole.text);
	free(bytes.text);
}

static void
assert_parses(const char *stream, const char *expected)
{
	assert_stream(stream, strlen(stream), default_limits, expected);
}

/* ---- commands ---------------------------------------------------------------------------- */

static void
parse_takes_commands(void **state)
{
	(void) state;
	assert_parses("", "MORE 0");
	assert_parses("*1\r\n$4\r\nPING\r\n", "[4:PING]=14 MORE 0");
	assert_parses("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*2\r\n$3\r\nGET\r\n$1\r\nl\r\n",
	              "[3:GET][1:k]=20 [3:GET][1:l]=20 MORE 0");
	assert_parses("*2\r\n$0\r\n\r\n$10\r\n0123456789\r\n", "[0:][10:0123456789]=27 MORE 0");
	assert_parses("*2\r\n$3\r\nGET\r\n$1\r\nk", "MORE 18");
	assert_parses("*2\r\n$3\r\nGET\r\n$1", "MORE 15");
	assert_parses("*2", "MORE 2");
	assert_parses("*2\r", "MORE 3");
	assert_parses("*1\r\n$4\r\nPING\r\nGET k\n*1\r\n", "[4:PING]=14 [3:GET][1:k]=6 MORE 4");
}

static void
parse_takes_any_bytes(void **state)
{
	static const char stream[] = "*1\r\n$6\r\n\r\n\0*$1\r\nGET \0k\n";
	static const char expected[] = "[6:\r\n\0*$1]=16 [3:GET][2:\0k]=7 MORE 0";
	Transcript bytes =
	    transcript_make(stream, sizeof(stream) - 1, default_limits, split_bytes, NULL);

	(void) state;
	assert_int_equal(bytes.length, sizeof(expected) - 1);
	assert_memory_equal(bytes.text, expected, sizeof(expected) - 1);
	free(bytes.text);
}

static void
parse_skips_empty_commands(void **state)
{
	(void) state;
	assert_parses("*0\r\n*-1\r\n\r\n\n  \t \r\n*1\r\n$1\r\nx\r\n",
	              "=4 =5 =2 =1 =6 [1:x]=11 MORE 0");
	assert_parses("*-9223372036854775808\r\n", "=23 MORE 0");
}

/* Redis does not look at the byte behind \r, nor at what should be the end of a bulk string. */
static void
parse_is_as_lenient_as_redis(void **state)
{
	(void) state;
	assert_parses("*1\rX$1\r?xAB", "[1:x]=11 MORE 0");
}

static void
parse_refuses_counts(void **state)
{
	static const char *const cases[] = {"*x\r\n",
	                                    "*\r\n",
	                                    "*01\r\n",
	                                    "*00000\r\n",
	                                    "*+1\r\n",
	                                    "*-0\r\n",
	                                    "*1 \r\n  ",
	                                    "* 1\r\n  ",
	                                    "*1\n\r\n",
	                                    "*1x3\r\n  ",
	                                    "*1048577\r\n",
	                                    "*2147483648\r\n",
	                                    "*9223372036854775807\r\n",
	                                    "*99999999999999999999\r\n",
	                                    "*-9223372036854775809\r\n"};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_parses(cases[i], "ERROR ERR Protocol error: invalid multibulk length =0");
	assert_stream("*1\0\r\n", 5, default_limits,
	              "ERROR ERR Protocol error: invalid multibulk length =0");
	assert_parses("*1048576\r\n", "MORE 10");
}

static void
parse_refuses_lengths(void **state)
{
	static const char *const cases[] = {"$x\r\n",
	                                    "$\r\n",
	                                    "$-1\r\n",
	                                    "$01\r\n",
	                                    "$+1\r\n",
	                                    "$1x\r\n  ",
	                                    "$536870913\r\n",
	                                    "$9223372036854775807\r\n",
	                                    "$9223372036854775808\r\n",
	                                    "$99999999999999999999\r\n"};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		char stream[64];

		snprintf(stream, sizeof(stream), "*2\r\n$1\r\nx\r\n%s", cases[i]);
		assert_parses(stream, "ERROR ERR Protocol error: invalid bulk length =11");
	}
	assert_parses("*1\r\n$536870912\r\n", "MORE 16");
}

static void
parse_names_the_wrong_type(void **state)
{
	(void) state;
	assert_parses("*1\r\n:1\r\nxxxx", "ERROR ERR Protocol error: expected '$', got ':' =4");
	assert_parses("*1\r\nGET\r\n", "ERROR ERR Protocol error: expected '$', got 'G' =4");
	assert_parses("*1\r\n*1\r\n$1\r\n", "ERROR ERR Protocol error: expected '$', got '*' =4");
	/* What would break the reply's line is shown as a space. */
	assert_parses("*1\r\n\r\n", "ERROR ERR Protocol error: expected '$', got ' ' =4");
	assert_parses("*1\r\n\nx\r\n", "ERROR ERR Protocol error: expected '$', got ' ' =4");
	assert_stream("*1\r\n\0x\r\n", 8, default_limits,
	              "ERROR ERR Protocol error: expected '$', got ' ' =4");
	/* Not before the line is complete. */
	assert_parses("*1\r\nGET", "MORE 7");
}

static void
parse_limits_before_authentication(void **state)
{
	(void) state;
	assert_stream("*10\r\n", 5, unauthenticated_limits, "MORE 5");
	assert_stream("*11\r\n", 5, unauthenticated_limits,
	              "ERROR ERR Protocol error: unauthenticated multibulk length =0");
	assert_stream("*2147483648\r\n", 13, unauthenticated_limits,
	              "ERROR ERR Protocol error: invalid multibulk length =0");
	assert_stream("*x\r\n", 4, unauthenticated_limits,
	              "ERROR ERR Protocol error: invalid multibulk length =0");
	assert_stream("*1\r\n$16384\r\n", 12, unauthenticated_limits, "MORE 12");
	assert_stream("*1\r\n$16385\r\n", 12, unauthenticated_limits,
	              "ERROR ERR Protocol error: unauthenticated bulk length =4");
	assert_stream("*1\r\n$-1\r\n", 9, unauthenticated_limits,
	              "ERROR ERR Protocol error: invalid bulk length =4");
	assert_stream("*1\r\n$x\r\n", 8, unauthenticated_limits,
	              "ERROR ERR Protocol error: invalid bulk length =4");
}

/* A prefix, then filler bytes, then the end. */
static void
assert_long_line(const char *prefix, size_t filler, const char *end, const char *expected)
{
	size_t length = strlen(prefix) + filler + strlen(end);
	char *stream = malloc(length + 1);
	Transcript whole;

	assert_non_null(stream);
	memcpy(stream, prefix, strlen(prefix));
	memset(stream + strlen(prefix), '1', filler);
	strcpy(stream + strlen(prefix) + filler, end);
	whole = transcript_make(stream, length, default_limits, NULL, NULL);
	assert_string_equal(whole.text, expected);
	free(whole.text);
	free(stream);
}

static void
parse_limits_lines(void **state)
{
	static const char count_error[] = "ERROR ERR Protocol error: too big mbulk count string =0";
	static const char bulk_error[] = "ERROR ERR Protocol error: too big bulk count string =4";
	static const char inline_error[] = "ERROR ERR Protocol error: too big inline request =0";

	(void) state;
	/* 64 KB of a line without its end are still waited for, one byte more is not. */
	assert_long_line("*", 65535, "", "MORE 65536");
	assert_long_line("*", 65536, "", count_error);
	assert_long_line("*", 65536, "\r\n", count_error);
	assert_long_line("*", 65535, "\r\n", "ERROR ERR Protocol error: invalid multibulk length =0");
	assert_long_line("*1\r\n$", 65535, "", "MORE 65540");
	assert_long_line("*1\r\n$", 65536, "", bulk_error);
	assert_long_line("*1\r\n$", 65535, "\r\n", "ERROR ERR Protocol error: invalid bulk length =4");
	assert_long_line("", 65536, "", "MORE 65536");
	assert_long_line("", 65537, "", inline_error);
	assert_long_line("", 65537, "\n", inline_error);
	assert_long_line("\"", 65535, "\n",
	                 "ERROR ERR Protocol error: unbalanced quotes in request =0");
}

static void
parse_stays_in_error(void **state)
{
	TestMemory memory = {.remaining = -1};
	RespParser parser;

	(void) state;
	pgfirst_resp_parser_init(&parser, (RespAllocator){test_resize, &memory}, default_limits);
	assert_int_equal(pgfirst_resp_parse(&parser, "*x\r\n", 4), RESP_ERROR);
	assert_int_equal(pgfirst_resp_parser_needs(&parser), 1);
	assert_int_equal(pgfirst_resp_parse(&parser, "*1\r\n$1\r\nx\r\n", 11), RESP_ERROR);
	assert_string_equal(parser.error, "ERR Protocol error: invalid multibulk length");
	pgfirst_resp_parser_reset(&parser);
	assert_null(parser.error);
	assert_int_equal(pgfirst_resp_parse(&parser, "*1\r\n$1\r\nx\r\n", 11), RESP_COMMAND);
	pgfirst_resp_parser_free(&parser);
	assert_int_equal(memory.in_use, 0);
}

static void
parse_says_what_it_needs(void **state)
{
	TestMemory memory = {.remaining = -1};
	RespLimits unlimited = {.bulk = SIZE_MAX, .arguments = SIZE_MAX, .inline_len = SIZE_MAX - 1};
	static const char stream[] = "*2\r\n$1000\r\n";
	static const char huge[] = "*1\r\n$9223372036854775806\r\n";
	RespParser parser;

	(void) state;
	pgfirst_resp_parser_init(&parser, (RespAllocator){test_resize, &memory}, unlimited);
	assert_int_equal(pgfirst_resp_parser_needs(&parser), 1);
	assert_int_equal(pgfirst_resp_parse(&parser, NULL, 0), RESP_MORE);
	assert_int_equal(pgfirst_resp_parser_needs(&parser), 1);
	assert_int_equal(pgfirst_resp_parse(&parser, stream, 2), RESP_MORE);
	assert_int_equal(pgfirst_resp_parser_needs(&parser), 3);
	assert_int_equal(pgfirst_resp_parse(&parser, stream, 3), RESP_MORE);
	assert_int_equal(pgfirst_resp_parser_needs(&parser), 4);
	assert_int_equal(pgfirst_resp_parse(&parser, stream, 4), RESP_MORE);
	assert_int_equal(pgfirst_resp_parser_needs(&parser), 5);
	assert_int_equal(pgfirst_resp_parse(&parser, stream, 11), RESP_MORE);
	assert_int_equal(pgfirst_resp_parser_needs(&parser), 11 + 1000 + 2);
	/* A declared length alone takes no memory. */
	assert_int_equal(memory.peak, 0);

	pgfirst_resp_parser_reset(&parser);
	assert_int_equal(pgfirst_resp_parse(&parser, huge, sizeof(huge) - 1), RESP_MORE);
	assert_int_equal(pgfirst_resp_parser_needs(&parser), (size_t) INT64_MAX - 1 + 26 + 2);
	/* Only a 32-bit size_t overflows here; the sum must saturate in any case. */
	parser.bulk = SIZE_MAX - 10;
	assert_true(pgfirst_resp_parser_needs(&parser) == SIZE_MAX);
	pgfirst_resp_parser_free(&parser);
}

static void
parser_takes_a_command_from_elsewhere(void **state)
{
	static const size_t lengths[] = {3, 0, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	static const char data[] = "SETvalueabcdefghijklmno";
	TestMemory memory = {.remaining = -1};
	RespParser parser;

	(void) state;
	pgfirst_resp_parser_init(&parser, (RespAllocator){test_resize, &memory}, default_limits);
	assert_int_equal(pgfirst_resp_parse(&parser, "*2\r\n$1", 6), RESP_MORE);
	assert_true(pgfirst_resp_parser_put(&parser, lengths, 18));
	assert_int_equal(parser.argc, 18);
	assert_int_equal(parser.consumed, sizeof(data) - 1);
	for (size_t i = 0, at = 0; i < 18; at += lengths[i++])
	{
		RespSlice argument = pgfirst_resp_argument(&parser, data, i);

		assert_ptr_equal(argument.data, data + at);
		assert_int_equal(argument.length, lengths[i]);
	}
	/* It forgets what it had begun, and the next command is read as always. */
	assert_int_equal(pgfirst_resp_parse(&parser, "PING\r\n", 6), RESP_COMMAND);
	assert_int_equal(parser.argc, 1);
	pgfirst_resp_parser_free(&parser);

	memory.remaining = 0;
	pgfirst_resp_parser_init(&parser, (RespAllocator){test_resize, &memory}, default_limits);
	assert_false(pgfirst_resp_parser_put(&parser, lengths, 1));
	pgfirst_resp_parser_free(&parser);
	assert_int_equal(memory.in_use, 0);
}

static void
parser_takes_over_what_another_has_found(void **state)
{
	static const char data[] = "*2\r\n$3\r\nGET\r\n$5\r\na key\r\n*1\r\n$4\r\nPING\r\n";
	struct RespArgument arguments[20] = {{8, 3}, {17, 5}};
	TestMemory memory = {.remaining = -1};
	RespParser parser;
	RespSlice argument;

	(void) state;
	pgfirst_resp_parser_init(&parser, (RespAllocator){test_resize, &memory}, default_limits);
	/* It had begun itself. */
	assert_int_equal(pgfirst_resp_parse(&parser, data, 20), RESP_MORE);
	assert_true(pgfirst_resp_parser_take(&parser, arguments, 2, 24));
	assert_int_equal(parser.argc, 2);
	assert_int_equal(parser.consumed, 24);
	argument = pgfirst_resp_argument(&parser, data, 1);
	assert_ptr_equal(argument.data, data + 17);
	assert_int_equal(argument.length, 5);
	assert_int_equal(pgfirst_resp_parser_needs(&parser), 1);
	/* The next command is read as always. */
	assert_int_equal(pgfirst_resp_parse(&parser, data + 24, sizeof(data) - 25), RESP_COMMAND);
	assert_int_equal(parser.argc, 1);
	assert_int_equal(parser.consumed, 14);
	/* More than it has room for. */
	assert_true(pgfirst_resp_parser_take(&parser, arguments, 20, 100));
	assert_int_equal(parser.argc, 20);
	pgfirst_resp_parser_free(&parser);

	memory.remaining = 0;
	pgfirst_resp_parser_init(&parser, (RespAllocator){test_resize, &memory}, default_limits);
	assert_false(pgfirst_resp_parser_take(&parser, arguments, 2, 24));
	assert_int_equal(pgfirst_resp_parse(&parser, "*1\r\n$4", 6), RESP_MORE);
	pgfirst_resp_parser_free(&parser);
	assert_int_equal(memory.in_use, 0);
}

/* ---- inline ------------------------------------------------------------------------------ */

static void
parse_splits_inline_commands(void **state)
{
	(void) state;
	assert_parses("PING\r\n", "[4:PING]=6 MORE 0");
	assert_parses("PING\n", "[4:PING]=5 MORE 0");
	assert_parses("PING", "MORE 4");
	assert_parses("PING\r", "MORE 5");
	assert_parses(" SET \t key\v  value \r\n", "[3:SET][4:key\v][5:value]=21 MORE 0");
	assert_parses("\v\fGET k\r\r\n", "[3:GET][1:k]=10 MORE 0");
	assert_parses("$3\r\n", "[2:$3]=4 MORE 0");
	assert_parses("GET / HTTP/1.1\r\nHost: x\r\n\r\n",
	              "[3:GET][1:/][8:HTTP/1.1]=16 [5:Host:][1:x]=9 =2 MORE 0");
}

static void
parse_unquotes_inline_commands(void **state)
{
	(void) state;
	assert_parses("\"a b\" 'c d'\r\n", "[3:a b][3:c d]=13 MORE 0");
	assert_parses("\"\" ''\n", "[0:][0:]=6 MORE 0");
	assert_parses("\"\\r\\t\\b\\a\\q\\\\\\\"\"\n", "[7:\r\t\b\aq\\\"]=17 MORE 0");
	assert_parses("\"\\n\"\n", "[1:\n]=5 MORE 0");
	assert_parses("\"\\x41\\x4a\\xfF\\xAb\"\n", "[4:AJ\xff\xab]=19 MORE 0");
	/* Not hexadecimal, so an escaped x. */
	assert_parses("\"\\x4g\\xg4\\x4\"\n", "[8:x4gxg4x4]=14 MORE 0");
	assert_parses("\"\\x/0\\x:0\\x@0\\x`0\"\n", "[12:x/0x:0x@0x`0]=19 MORE 0");
	assert_parses("'a\\'b' 'a\\nb' 'a\"b' \"a'b\"\n", "[3:a'b][4:a\\nb][3:a\"b][3:a'b]=26 MORE 0");
	/* A quote may open within a word. */
	assert_parses("foo\"bar baz\" x\n", "[10:foobar baz][1:x]=15 MORE 0");
	assert_parses("\"a\"\v\"b\"\n", "[1:a][1:b]=8 MORE 0");
}

static void
parse_refuses_unbalanced_quotes(void **state)
{
	static const char *const cases[] = {"\"a\n",   "'a\n",     "a'\n",    "\"a\"b\n",
	                                    "'a'b\n",  "'a''b'\n", "\"a\\\n", "\"a\\\"\n",
	                                    "'a\\'\n", "'a\\\r\n", "x \"\n"};

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_parses(cases[i], "ERROR ERR Protocol error: unbalanced quotes in request =0");
}

/* ---- memory ------------------------------------------------------------------------------ */

static void
parse_reports_failed_allocations(void **state)
{
	static const char stream[] = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
	static const char line[] = "GET k\r\n";

	(void) state;
	/* The array; the text of an inline command; its array. */
	for (int i = 0; i < 3; i++)
	{
		TestMemory memory = {.remaining = i == 2 ? 1 : 0};
		const char *data = i == 0 ? stream : line;
		RespParser parser;

		pgfirst_resp_parser_init(&parser, (RespAllocator){test_resize, &memory}, default_limits);
		assert_int_equal(pgfirst_resp_parse(&parser, data, strlen(data)), RESP_ERROR);
		assert_string_equal(parser.error, "ERR out of memory");
		assert_int_equal(parser.argc, 0);
		pgfirst_resp_parser_reset(&parser);
		memory.remaining = -1;
		assert_int_equal(pgfirst_resp_parse(&parser, data, strlen(data)), RESP_COMMAND);
		assert_int_equal(parser.argc, 2);
		pgfirst_resp_parser_free(&parser);
		assert_int_equal(memory.in_use, 0);
	}
}

typedef struct JumpingMemory
{
	TestMemory memory;
	jmp_buf target;
	bool jumps;
} JumpingMemory;

static void *
resize_or_jump(void *context, void *block, size_t size)
{
	JumpingMemory *jumping = context;

	if (size > 0 && jumping->jumps)
		longjmp(jumping->target, 1);
	return test_resize(&jumping->memory, block, size);
}

/* Makes the parser's next allocation jump out of it; the call that was left is then made again. */
static void
assert_parses_after_jump(RespParser *parser, JumpingMemory *jumping, const char *stream,
                         size_t argc)
{
	jumping->jumps = true;
	if (setjmp(jumping->target) == 0)
	{
		pgfirst_resp_parse(parser, stream, strlen(stream));
		fail_msg("there was no allocation");
	}
	jumping->jumps = false;
	assert_int_equal(pgfirst_resp_parse(parser, stream, strlen(stream)), RESP_COMMAND);
	assert_int_equal(parser->argc, argc);
}

/* As palloc() does. */
static void
parse_survives_jumping_allocators(void **state)
{
	JumpingMemory jumping = {.memory.remaining = -1};
	RespParser parser;

	(void) state;
	pgfirst_resp_parser_init(&parser, (RespAllocator){resize_or_jump, &jumping}, default_limits);
	assert_parses_after_jump(&parser, &jumping, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", 2);
	assert_parses_after_jump(&parser, &jumping,
	                         "GET the-text-of-a-line-that-is-longer-than-the-next\n", 2);
	/* Here the array grows in the middle of the line. */
	assert_parses_after_jump(&parser, &jumping, "1 2 3 4 5 6 7 8 9 a b c d e f g h\n", 17);
	pgfirst_resp_parser_free(&parser);
	assert_int_equal(jumping.memory.in_use, 0);
}

static void
parse_keeps_and_gives_back_memory(void **state)
{
	TestMemory memory = {.remaining = -1};
	RespParser parser;
	Transcript large = {0};
	size_t kept;

	(void) state;
	pgfirst_resp_parser_init(&parser, (RespAllocator){test_resize, &memory}, default_limits);
	assert_int_equal(memory.in_use, 0);
	assert_int_equal(pgfirst_resp_parse(&parser, "*1\r\n$1\r\nx\r\n", 11), RESP_COMMAND);
	assert_int_equal(pgfirst_resp_parse(&parser, "GET 'k'\n", 8), RESP_COMMAND);
	kept = memory.in_use;
	assert_true(kept > 0);

	/* The same again takes nothing more. */
	memory.remaining = 0;
	for (int i = 0; i < 100; i++)
	{
		assert_int_equal(pgfirst_resp_parse(&parser, "*1\r\n$1\r\nx\r\n", 11), RESP_COMMAND);
		assert_int_equal(pgfirst_resp_parse(&parser, "GET 'k'\n", 8), RESP_COMMAND);
	}
	pgfirst_resp_parser_reset(&parser);
	assert_int_equal(memory.in_use, kept);

	/* Large ones are given back by a reset. */
	memory.remaining = -1;
	for (int i = 0; i < 2000; i++)
		transcript_add(&large, "w ", 2);
	transcript_add(&large, "\n", 1);
	assert_int_equal(pgfirst_resp_parse(&parser, large.text, large.length), RESP_COMMAND);
	assert_int_equal(parser.argc, 2000);
	assert_true(memory.in_use > 2000 * sizeof(struct RespArgument));
	pgfirst_resp_parser_reset(&parser);
	assert_int_equal(memory.in_use, 0);
	pgfirst_resp_parser_free(&parser);
	free(large.text);
}

/* ---- random streams ---------------------------------------------------------------------- */

static void
stream_add_command(Transcript *stream, uint64_t *random)
{
	static const char bytes[] = "abc\r\n$*\"' \\1";
	size_t count = test_random_below(random, 6);
	char text[32];

	transcript_add(stream, text, (size_t) snprintf(text, sizeof(text), "*%zu\r\n", count));
	for (size_t i = 0; i < count; i++)
	{
		size_t length = test_random_below(random, 20);

		transcript_add(stream, text, (size_t) snprintf(text, sizeof(text), "$%zu\r\n", length));
		for (size_t j = 0; j < length; j++)
			text[j] = bytes[test_random_below(random, sizeof(bytes) - 1)];
		transcript_add(stream, text, length);
		transcript_add(stream, "\r\n", 2);
	}
}

static void
stream_add_inline(Transcript *stream, uint64_t *random)
{
	static const char *const words[] = {"GET", "\"a b\"",  "'c'", "\"\\x41\\n\"", "''",
	                                    " ",   "\t\"'\" ", "x",   "\"open",       "1234567890"};
	size_t count = test_random_below(random, 5);

	for (size_t i = 0; i < count; i++)
	{
		const char *word = words[test_random_below(random, sizeof(words) / sizeof(words[0]))];

		transcript_add(stream, word, strlen(word));
		transcript_add(stream, " ", 1);
	}
	transcript_add(stream, test_random_below(random, 2) ? "\r\n" : "\n", 1 + (stream->length == 0));
}

/* Commands of both kinds; in half of the streams some bytes are then changed. */
static Transcript
stream_make(uint64_t *random)
{
	static const char bytes[] = "*$\r\n0123456789-\"' x";
	Transcript stream = {0};
	size_t commands = 1 + test_random_below(random, 6);

	for (size_t i = 0; i < commands; i++)
	{
		if (test_random_below(random, 4) > 0)
			stream_add_command(&stream, random);
		else
			stream_add_inline(&stream, random);
	}
	if (test_random_below(random, 2) == 0)
	{
		size_t changes = 1 + test_random_below(random, 3);

		for (size_t i = 0; i < changes; i++)
			stream.text[test_random_below(random, stream.length)] =
			    bytes[test_random_below(random, sizeof(bytes) - 1)];
	}
	if (test_random_below(random, 4) == 0)
		stream.length = test_random_below(random, stream.length + 1);
	return stream;
}

static void
parse_does_not_depend_on_splits(void **state)
{
	uint64_t random = 20240229;
	unsigned int errors = 0;
	unsigned int more = 0;

	(void) state;
	for (int i = 0; i < 30000; i++)
	{
		Transcript stream = stream_make(&random);
		RespLimits limits = i % 2 ? default_limits : tight_limits;
		Transcript whole = transcript_make(stream.text, stream.length, limits, NULL, NULL);
		Transcript bytes = transcript_make(stream.text, stream.length, limits, split_bytes, NULL);

		assert_int_equal(bytes.length, whole.length);
		assert_memory_equal(bytes.text, whole.text, whole.length);
		for (int j = 0; j < 3; j++)
		{
			Transcript pieces =
			    transcript_make(stream.text, stream.length, limits, split_randomly, &random);

			assert_int_equal(pieces.length, whole.length);
			assert_memory_equal(pieces.text, whole.text, whole.length);
			free(pieces.text);
		}
		errors += strstr(whole.text, "ERROR") != NULL;
		more += strstr(whole.text, "MORE 0") == NULL;
		free(bytes.text);
		free(whole.text);
		free(stream.text);
	}
	/* The streams were worth it. */
	assert_true(errors >= 3000 && errors <= 25000);
	assert_true(more - errors >= 1000 && more - errors <= 25000);
}

/* ---- replies ----------------------------------------------------------------------------- */

typedef struct Reply
{
	TestMemory memory;
	RespBuffer buffer;
} Reply;

static void
reply_begin(Reply *reply, int protocol)
{
	memset(reply, 0, sizeof(*reply));
	reply->memory.remaining = -1;
	pgfirst_resp_buffer_init(&reply->buffer, (RespAllocator){test_resize, &reply->memory},
	                         protocol);
}

static void
reply_end(Reply *reply, const char *expected)
{
	assert_false(reply->buffer.failed);
	assert_int_equal(reply->buffer.length, strlen(expected));
	assert_memory_equal(reply->buffer.data, expected, strlen(expected));
	pgfirst_resp_buffer_free(&reply->buffer);
	assert_int_equal(reply->memory.in_use, 0);
}

static void
write_everything(RespBuffer *buffer)
{
	pgfirst_resp_write_simple(buffer, "OK");
	pgfirst_resp_write_error(buffer, "ERR a\r\nb", 8);
	pgfirst_resp_write_integer(buffer, 7);
	pgfirst_resp_write_integer(buffer, -7);
	pgfirst_resp_write_integer(buffer, INT64_MIN);
	pgfirst_resp_write_bulk(buffer, "hello\r\n", 7);
	pgfirst_resp_write_bulk(buffer, NULL, 0);
	pgfirst_resp_write_text(buffer, "twelve bytes");
	pgfirst_resp_write_null(buffer);
	pgfirst_resp_write_null_array(buffer);
	pgfirst_resp_write_array(buffer, 3);
	pgfirst_resp_write_map(buffer, 6);
	pgfirst_resp_write_set(buffer, 1000);
	pgfirst_resp_write_push(buffer, 2);
	pgfirst_resp_write_boolean(buffer, true);
	pgfirst_resp_write_boolean(buffer, false);
	pgfirst_resp_write_verbatim(buffer, "txt", "some text", 9);
	pgfirst_resp_write_raw(buffer, "+raw\r\n", 6);
	pgfirst_resp_write_double(buffer, 1.5);
}

static void
write_speaks_both_protocols(void **state)
{
	Reply reply;

	(void) state;
	reply_begin(&reply, 2);
	write_everything(&reply.buffer);
	reply_end(&reply, "+OK\r\n-ERR a  b\r\n:7\r\n:-7\r\n:-9223372036854775808\r\n"
	                  "$7\r\nhello\r\n\r\n$0\r\n\r\n$12\r\ntwelve bytes\r\n$-1\r\n*-1\r\n"
	                  "*3\r\n*12\r\n*1000\r\n*2\r\n:1\r\n:0\r\n$9\r\nsome text\r\n+raw\r\n"
	                  "$3\r\n1.5\r\n");
	reply_begin(&reply, 3);
	write_everything(&reply.buffer);
	reply_end(&reply, "+OK\r\n-ERR a  b\r\n:7\r\n:-7\r\n:-9223372036854775808\r\n"
	                  "$7\r\nhello\r\n\r\n$0\r\n\r\n$12\r\ntwelve bytes\r\n_\r\n_\r\n"
	                  "*3\r\n%6\r\n~1000\r\n>2\r\n#t\r\n#f\r\n=13\r\ntxt:some text\r\n+raw\r\n"
	                  ",1.5\r\n");
}

static void
write_formats_doubles(void **state)
{
	static const struct
	{
		double value;
		const char *text;
	} cases[] = {
	    {0.0, "0"},
	    {-0.0, "-0"},
	    {3.0, "3"},
	    {-17.0, "-17"},
	    {0.1, "0.1"},
	    {-2.5, "-2.5"},
	    {0.1 + 0.2, "0.30000000000000004"},
	    {1.0 / 3.0, "0.3333333333333333"},
	    {5e-324, "5e-324"},
	    {1e15, "1000000000000000"},
	    {4503599627370495.0, "4503599627370495"},
	    {1e17, "1e+17"},
	    {1.7976931348623157e308, "1.7976931348623157e+308"},
	};
	Reply reply;
	char expected[64];

	(void) state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		reply_begin(&reply, 3);
		pgfirst_resp_write_double(&reply.buffer, cases[i].value);
		snprintf(expected, sizeof(expected), ",%s\r\n", cases[i].text);
		reply_end(&reply, expected);
		reply_begin(&reply, 2);
		pgfirst_resp_write_double(&reply.buffer, cases[i].value);
		snprintf(expected, sizeof(expected), "$%zu\r\n%s\r\n", strlen(cases[i].text),
		         cases[i].text);
		reply_end(&reply, expected);
	}
	reply_begin(&reply, 3);
	pgfirst_resp_write_double(&reply.buffer, (double) INFINITY);
	pgfirst_resp_write_double(&reply.buffer, (double) -INFINITY);
	pgfirst_resp_write_double(&reply.buffer, (double) NAN);
	reply_end(&reply, ",inf\r\n,-inf\r\n,nan\r\n");
}

static void
write_doubles_that_read_back(void **state)
{
	uint64_t random = 99;

	(void) state;
	for (int i = 0; i < 20000; i++)
	{
		uint64_t bits = test_random(&random);
		double value;
		Reply reply;

		memcpy(&value, &bits, sizeof(value));
		if (isnan(value) || isinf(value))
			continue;
		reply_begin(&reply, 3);
		pgfirst_resp_write_double(&reply.buffer, value);
		pgfirst_resp_write_raw(&reply.buffer, "", 1);
		assert_true(strtod(reply.buffer.data + 1, NULL) == value);
		pgfirst_resp_buffer_free(&reply.buffer);
	}
}

/* Twenty million bytes in small pieces: few allocations, and nothing gets lost. */
static void
write_grows_geometrically(void **state)
{
	Reply reply;

	(void) state;
	reply_begin(&reply, 3);
	reply.memory.remaining = 20;
	for (int i = 0; i < 2000000; i++)
		pgfirst_resp_write_bulk(&reply.buffer, "abcd", 4);
	assert_false(reply.buffer.failed);
	assert_int_equal(reply.buffer.length, 20000000);
	for (int i = 0; i < 2000000; i++)
		assert_memory_equal(reply.buffer.data + 10 * i, "$4\r\nabcd\r\n", 10);
	pgfirst_resp_buffer_free(&reply.buffer);

	/* One large element gets what it takes, at once. */
	reply_begin(&reply, 3);
	reply.memory.remaining = 1;
	assert_non_null(pgfirst_resp_reserve(&reply.buffer, 5000000));
	assert_int_equal(reply.buffer.capacity, 5000000);
	pgfirst_resp_buffer_free(&reply.buffer);
}

static void
write_grows_slower_when_large(void **state)
{
	Reply reply;

	(void) state;
	reply_begin(&reply, 3);
	assert_non_null(pgfirst_resp_reserve(&reply.buffer, (size_t) 64 << 20));
	reply.buffer.length = (size_t) 64 << 20;
	assert_non_null(pgfirst_resp_reserve(&reply.buffer, 1));
	assert_int_equal(reply.buffer.capacity, (size_t) 80 << 20);
	pgfirst_resp_buffer_free(&reply.buffer);
}

static void
write_fails_whole(void **state)
{
	Reply reply;
	char *large = calloc(1, 2000);

	(void) state;
	assert_non_null(large);
	reply_begin(&reply, 2);
	pgfirst_resp_write_integer(&reply.buffer, 1);
	reply.memory.remaining = 0;
	pgfirst_resp_write_bulk(&reply.buffer, large, 2000);
	assert_true(reply.buffer.failed);
	/* Later elements would be taken for the lost one's reply, even though they would fit. */
	reply.memory.remaining = -1;
	write_everything(&reply.buffer);
	assert_null(pgfirst_resp_reserve(&reply.buffer, 1));
	assert_int_equal(reply.buffer.length, 4);
	assert_memory_equal(reply.buffer.data, ":1\r\n", 4);
	pgfirst_resp_buffer_free(&reply.buffer);
	assert_false(reply.buffer.failed);
	assert_int_equal(reply.memory.in_use, 0);

	/* The same for every element as the first one. */
	reply_begin(&reply, 3);
	reply.memory.remaining = 0;
	write_everything(&reply.buffer);
	assert_true(reply.buffer.failed);
	assert_int_equal(reply.buffer.length, 0);
	pgfirst_resp_buffer_free(&reply.buffer);
	free(large);
}

static void
write_refuses_impossible_lengths(void **state)
{
	static const size_t lengths[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 40, SIZE_MAX / 2 + 1};

	(void) state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
	{
		for (int element = 0; element < 4; element++)
		{
			Reply reply;

			reply_begin(&reply, 3);
			pgfirst_resp_write_integer(&reply.buffer, 1);
			if (element == 0)
				pgfirst_resp_write_bulk(&reply.buffer, "x", lengths[i]);
			else if (element == 1)
				pgfirst_resp_write_verbatim(&reply.buffer, "txt", "x", lengths[i]);
			else if (element == 2)
				pgfirst_resp_write_error(&reply.buffer, "x", lengths[i]);
			else
				pgfirst_resp_write_raw(&reply.buffer, "x", lengths[i]);
			assert_true(reply.buffer.failed);
			assert_int_equal(reply.buffer.length, 4);
			pgfirst_resp_buffer_free(&reply.buffer);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(parse_takes_commands),
	    cmocka_unit_test(parse_takes_any_bytes),
	    cmocka_unit_test(parse_skips_empty_commands),
	    cmocka_unit_test(parse_is_as_lenient_as_redis),
	    cmocka_unit_test(parse_refuses_counts),
	    cmocka_unit_test(parse_refuses_lengths),
	    cmocka_unit_test(parse_names_the_wrong_type),
	    cmocka_unit_test(parse_limits_before_authentication),
	    cmocka_unit_test(parse_limits_lines),
	    cmocka_unit_test(parse_stays_in_error),
	    cmocka_unit_test(parse_says_what_it_needs),
	    cmocka_unit_test(parser_takes_a_command_from_elsewhere),
	    cmocka_unit_test(parser_takes_over_what_another_has_found),
	    cmocka_unit_test(parse_splits_inline_commands),
	    cmocka_unit_test(parse_unquotes_inline_commands),
	    cmocka_unit_test(parse_refuses_unbalanced_quotes),
	    cmocka_unit_test(parse_reports_failed_allocations),
	    cmocka_unit_test(parse_survives_jumping_allocators),
	    cmocka_unit_test(parse_keeps_and_gives_back_memory),
	    cmocka_unit_test(parse_does_not_depend_on_splits),
	    cmocka_unit_test(write_speaks_both_protocols),
	    cmocka_unit_test(write_formats_doubles),
	    cmocka_unit_test(write_doubles_that_read_back),
	    cmocka_unit_test(write_grows_geometrically),
	    cmocka_unit_test(write_grows_slower_when_large),
	    cmocka_unit_test(write_fails_whole),
	    cmocka_unit_test(write_refuses_impossible_lengths),
	};

	return cmocka_run_group_tests_name("resp", tests, NULL, NULL);
}
