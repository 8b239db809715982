/* SPDX-License-Identifier: PostgreSQL
 *
 * parse.c: RESP commands and inline commands, from bytes to arguments.
 *
 *      *2\r\n        $3\r\n        GET\r\n        $1\r\n        k\r\n
 *      COUNT         BULK_LENGTH   BULK           BULK_LENGTH   BULK          -> DONE
 *
 *      GET "a key"\r\n
 *      INLINE                                                                 -> DONE
 *
 * The parser is a small state machine over a buffer that only grows until the command is complete.
 * Nothing is copied: an argument is an offset and a length, so that the caller may move its buffer.
 * Inline arguments are the exception, because quotes and escapes make them differ from what was
 * sent.
 *
 * What decides is the content of the buffer, never how it arrived.  Redis looks at how much has
 * been read when it calls a line too long; here a line is too long if its first inline_len + 1
 * bytes hold no line end.  The same bytes give the same result in any split, which the unit tests
 * and the fuzzer check.
 *
 * Work per byte is constant: a line is searched with memchr() from where the last search ended, and
 * a bulk string is skipped by arithmetic.  Memory follows the bytes that have come, not the ones
 * announced: an argument takes at least six bytes of the buffer before it takes a place in the
 * array, and the array at most doubles.
 *
 * Kept from Redis, because clients may rely on it: a length line ends at its \r and the byte behind
 * it is not looked at, nor are the two bytes behind a bulk string; numbers are canonical (no "+1",
 * no "01"); a wrong type byte is reported when its line is complete.  Not kept: a zero byte is a
 * byte like any other, where Redis's C strings stall on it until the line is too long.
 */
#include "lib/resp/resp.h"

#include <stdio.h>
#include <string.h>

#include "lib/number/number.h"

#define ARGUMENTS_FIRST 16   /* places of the argument array when it is first needed */
#define ARGUMENTS_KEEP  64   /* places that survive a reset */
#define INLINE_KEEP     1024 /* bytes of inline_text that survive a reset */

/* Redis keeps the count in an int; above that it is invalid even where AUTH is still to come. */
#define COUNT_MAX INT32_MAX

/* What a length line gives if it holds no number: above every limit, so that it is refused. */
#define NOT_A_NUMBER INT64_MAX

enum
{
	STATE_START,       /* nothing seen of the next command */
	STATE_INLINE,      /* within an inline command */
	STATE_COUNT,       /* within "*<count>\r\n" */
	STATE_BULK_LENGTH, /* within "$<length>\r\n" */
	STATE_BULK,        /* within the argument and its \r\n; position is where it starts */
	STATE_DONE,        /* the result was handed out */
	STATE_ERROR        /* so was an error; only a reset gets out of here */
};

static RespStatus
parser_fail(RespParser *parser, const char *error)
{
	parser->argc = 0;
	parser->consumed = parser->line;
	parser->error = error;
	parser->state = STATE_ERROR;
	return RESP_ERROR;
}

static RespStatus
parser_finish(RespParser *parser)
{
	parser->consumed = parser->position;
	parser->state = STATE_DONE;
	return RESP_COMMAND;
}

static void
parser_begin(RespParser *parser)
{
	parser->argc = 0;
	parser->consumed = 0;
	parser->error = NULL;
	parser->inline_used = false;
	parser->line = 0;
	parser->position = 0;
	parser->expected = 0;
	parser->bulk = 0;
	parser->state = STATE_START;
}

/* Doubles the argument array.  The fields change only after the allocator has returned. */
static bool
arguments_grow(RespParser *parser)
{
	size_t capacity =
	    parser->arguments_capacity > 0 ? parser->arguments_capacity * 2 : ARGUMENTS_FIRST;
	struct RespArgument *arguments;

	arguments = parser->allocator.resize(parser->allocator.context, parser->arguments,
	                                     capacity * sizeof(*arguments));
	if (arguments == NULL)
		return false;
	parser->arguments = arguments;
	parser->arguments_capacity = capacity;
	return true;
}

static inline bool
argument_add(RespParser *parser, size_t offset, size_t length)
{
	if (parser->argc == parser->arguments_capacity && !arguments_grow(parser))
		return false;
	parser->arguments[parser->argc].offset = offset;
	parser->arguments[parser->argc].length = length;
	parser->argc++;
	return true;
}

/*
 * Looks for the end of the line that starts at parser->line.  RESP_COMMAND: *end is where it
 * stands.  RESP_ERROR: there is none within the limit.  The search goes one byte back, because a
 * length line is not complete with its \r, which is then found again.
 */
static RespStatus
line_find_end(RespParser *parser, const char *data, size_t length, char last, size_t *end)
{
	size_t limit = parser->limits.inline_len;
	bool too_long = length - parser->line > limit;
	size_t from = parser->position > parser->line ? parser->position - 1 : parser->line;
	size_t within = too_long ? parser->line + limit + 1 : length;
	const char *found = NULL;

	if (within > from)
		found = memchr(data + from, last, within - from);
	if (found == NULL)
	{
		parser->position = within;
		return too_long ? RESP_ERROR : RESP_MORE;
	}
	*end = (size_t) (found - data);
	parser->position = *end + 1;
	return RESP_COMMAND;
}

/*
 * Reads the length line at parser->line: a type byte, a number, \r and one more byte.  On
 * RESP_COMMAND *value is the number, or NOT_A_NUMBER, and the position is behind the line.
 * RESP_ERROR: the line is too long.
 */
static RespStatus
length_line_parse_slowly(RespParser *parser, const char *data, size_t length, int64_t *value)
{
	size_t end;
	RespStatus status = line_find_end(parser, data, length, '\r', &end);

	if (status != RESP_COMMAND)
		return status;
	if (length - end < 2)
		return RESP_MORE;
	*value = NOT_A_NUMBER;
	/* The line may be empty, without even a type byte. */
	if (end > parser->line)
		pgfirst_int64_parse(data + parser->line + 1, end - parser->line - 1, value);
	parser->position = end + 2;
	return RESP_COMMAND;
}

/*
 * The same for the lines that clients send: one to three digits, all there.  Whatever this does
 * not take, the slow way decides, so that both always agree.
 */
static inline RespStatus
length_line_parse(RespParser *parser, const char *data, size_t length, int64_t *value)
{
	const char *p;
	unsigned int number;
	size_t digits = 1;

	if (length - parser->line < 6 || parser->limits.inline_len < 4)
		return length_line_parse_slowly(parser, data, length, value);
	p = data + parser->line + 1;
	number = (unsigned int) (unsigned char) p[0] - '0';
	if (number > 9)
		return length_line_parse_slowly(parser, data, length, value);
	while (digits < 3 && number > 0)
	{
		unsigned int digit = (unsigned int) (unsigned char) p[digits] - '0';

		if (digit > 9)
			break;
		number = number * 10 + digit;
		digits++;
	}
	if (p[digits] != '\r')
		return length_line_parse_slowly(parser, data, length, value);
	*value = number;
	parser->position = parser->line + digits + 3;
	return RESP_COMMAND;
}

/* Reads "*<count>\r\n".  RESP_COMMAND: the count is known. */
static RespStatus
count_parse(RespParser *parser, const char *data, size_t length)
{
	int64_t count;
	RespStatus status = length_line_parse(parser, data, length, &count);

	if (status == RESP_MORE)
		return RESP_MORE;
	if (status == RESP_ERROR)
		return parser_fail(parser, "ERR Protocol error: too big mbulk count string");
	if (count > COUNT_MAX)
		return parser_fail(parser, "ERR Protocol error: invalid multibulk length");
	if (count > 0 && (uint64_t) count > parser->limits.arguments)
		return parser_fail(parser, parser->limits.unauthenticated
		                               ? "ERR Protocol error: unauthenticated multibulk length"
		                               : "ERR Protocol error: invalid multibulk length");
	parser->expected = count > 0 ? (size_t) count : 0;
	parser->line = parser->position;
	parser->state = STATE_BULK_LENGTH;
	return RESP_COMMAND;
}

static RespStatus
bulk_expected_fail(RespParser *parser, char got)
{
	/* The text becomes a reply line of its own and is a C string. */
	if (got == '\r' || got == '\n' || got == '\0')
		got = ' ';
	snprintf(parser->error_text, sizeof(parser->error_text),
	         "ERR Protocol error: expected '$', got '%c'", got);
	return parser_fail(parser, parser->error_text);
}

/* Reads "$<length>\r\n".  RESP_COMMAND: the length is known. */
static inline RespStatus
bulk_length_parse(RespParser *parser, const char *data, size_t length)
{
	int64_t bulk = NOT_A_NUMBER;
	RespStatus status = length_line_parse(parser, data, length, &bulk);

	if (status == RESP_MORE)
		return RESP_MORE;
	if (status == RESP_ERROR)
		return parser_fail(parser, "ERR Protocol error: too big bulk count string");
	if (data[parser->line] != '$')
		return bulk_expected_fail(parser, data[parser->line]);
	if (bulk < 0 || bulk == NOT_A_NUMBER)
		return parser_fail(parser, "ERR Protocol error: invalid bulk length");
	if ((uint64_t) bulk > parser->limits.bulk)
		return parser_fail(parser, parser->limits.unauthenticated
		                               ? "ERR Protocol error: unauthenticated bulk length"
		                               : "ERR Protocol error: invalid bulk length");
	parser->bulk = (size_t) bulk;
	parser->line = parser->position;
	parser->state = STATE_BULK;
	return RESP_COMMAND;
}

static RespStatus
arguments_parse(RespParser *parser, const char *data, size_t length)
{
	while (parser->argc < parser->expected)
	{
		size_t left;

		if (parser->state == STATE_BULK_LENGTH)
		{
			RespStatus status = bulk_length_parse(parser, data, length);

			if (status != RESP_COMMAND)
				return status;
		}
		left = length - parser->position;
		if (left < 2 || left - 2 < parser->bulk)
			return RESP_MORE;
		if (!argument_add(parser, parser->position, parser->bulk))
			return parser_fail(parser, "ERR out of memory");
		parser->position += parser->bulk + 2;
		parser->line = parser->position;
		parser->state = STATE_BULK_LENGTH;
	}
	return parser_finish(parser);
}

/* ---- inline commands --------------------------------------------------------------------- */

static inline bool
byte_is_space(char byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* What ends a word outside quotes: fewer bytes than are skipped before one, as in Redis. */
static inline bool
byte_ends_word(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static int
hex_value(char byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	if (byte >= 'a' && byte <= 'f')
		return byte - 'a' + 10;
	if (byte >= 'A' && byte <= 'F')
		return byte - 'A' + 10;
	return -1;
}

/* The escape behind a backslash in double quotes: its byte; *from moves behind it. */
static char
escape_read(const char **from, const char *end)
{
	const char *p = *from;

	if (end - p >= 3 && p[0] == 'x' && hex_value(p[1]) >= 0 && hex_value(p[2]) >= 0)
	{
		*from = p + 3;
		return (char) (hex_value(p[1]) << 4 | hex_value(p[2]));
	}
	*from = p + 1;
	switch (*p)
	{
		case 'n':
			return '\n';
		case 'r':
			return '\r';
		case 't':
			return '\t';
		case 'b':
			return '\b';
		case 'a':
			return '\a';
		default:
			return *p;
	}
}

/*
 * Copies a quoted run, whose opening quote has been read, without its quotes.  False if the
 * closing quote is missing or anything but a space stands behind it.
 */
static bool
quoted_read(const char **from, const char *end, char quote, char **to)
{
	const char *p = *from;

	while (p < end && *p != quote)
	{
		if (quote == '"' && *p == '\\' && end - p >= 2)
		{
			p++;
			*(*to)++ = escape_read(&p, end);
		}
		else if (quote == '\'' && *p == '\\' && end - p >= 2 && p[1] == '\'')
		{
			*(*to)++ = '\'';
			p += 2;
		}
		else
			*(*to)++ = *p++;
	}
	if (p == end)
		return false;
	*from = p + 1;
	return *from == end || byte_is_space(**from);
}

/* Copies one word; quotes may open within it, and a closing quote ends it. */
static bool
word_read(const char **from, const char *end, char **to)
{
	while (*from < end && !byte_ends_word(**from))
	{
		char byte = *(*from)++;

		if (byte == '"' || byte == '\'')
			return quoted_read(from, end, byte, to);
		*(*to)++ = byte;
	}
	return true;
}

/* Unquoting never lengthens, so that room for the line is room for its arguments. */
static bool
inline_text_reserve(RespParser *parser, size_t length)
{
	char *text;

	if (length <= parser->inline_capacity)
		return true;
	text = parser->allocator.resize(parser->allocator.context, parser->inline_text, length);
	if (text == NULL)
		return false;
	parser->inline_text = text;
	parser->inline_capacity = length;
	return true;
}

static RespStatus
inline_parse(RespParser *parser, const char *data, size_t length)
{
	const char *from = data;
	const char *end;
	char *to;
	size_t line_end;
	RespStatus status = line_find_end(parser, data, length, '\n', &line_end);

	if (status == RESP_MORE)
		return RESP_MORE;
	if (status == RESP_ERROR)
		return parser_fail(parser, "ERR Protocol error: too big inline request");
	if (!inline_text_reserve(parser, line_end))
		return parser_fail(parser, "ERR out of memory");

	end = data + line_end;
	if (end > from && end[-1] == '\r')
		end--;
	to = parser->inline_text;
	/* Not zero if the allocator jumped out of an earlier attempt. */
	parser->argc = 0;
	for (;;)
	{
		char *start = to;

		while (from < end && byte_is_space(*from))
			from++;
		if (from == end)
			break;
		if (!word_read(&from, end, &to))
			return parser_fail(parser, "ERR Protocol error: unbalanced quotes in request");
		if (!argument_add(parser, (size_t) (start - parser->inline_text), (size_t) (to - start)))
			return parser_fail(parser, "ERR out of memory");
	}
	parser->inline_used = true;
	parser->position = line_end + 1;
	return parser_finish(parser);
}

/* ---- the parser -------------------------------------------------------------------------- */

void
pgfirst_resp_parser_init(RespParser *parser, RespAllocator allocator, RespLimits limits)
{
	memset(parser, 0, sizeof(*parser));
	parser->allocator = allocator;
	parser->limits = limits;
}

static void
parser_trim(RespParser *parser, size_t keep_arguments, size_t keep_inline)
{
	if (parser->arguments_capacity > keep_arguments)
	{
		struct RespArgument *arguments = parser->arguments;

		parser->arguments = NULL;
		parser->arguments_capacity = 0;
		parser->allocator.resize(parser->allocator.context, arguments, 0);
	}
	if (parser->inline_capacity > keep_inline)
	{
		char *text = parser->inline_text;

		parser->inline_text = NULL;
		parser->inline_capacity = 0;
		parser->allocator.resize(parser->allocator.context, text, 0);
	}
}

void
pgfirst_resp_parser_reset(RespParser *parser)
{
	parser_begin(parser);
	parser_trim(parser, ARGUMENTS_KEEP, INLINE_KEEP);
}

bool
pgfirst_resp_parser_put(RespParser *parser, const size_t *lengths, size_t argc)
{
	size_t offset = 0;

	parser_begin(parser);
	for (size_t i = 0; i < argc; i++)
	{
		if (!argument_add(parser, offset, lengths[i]))
			return false;
		offset += lengths[i];
	}
	parser->consumed = offset;
	return true;
}

bool
pgfirst_resp_parser_take(RespParser *parser, const struct RespArgument *arguments, size_t argc,
                         size_t consumed)
{
	parser_begin(parser);
	while (parser->arguments_capacity < argc)
		if (!arguments_grow(parser))
			return false;
	if (argc > 0)
		memcpy(parser->arguments, arguments, argc * sizeof(*arguments));
	parser->argc = argc;
	parser->position = consumed;
	(void) parser_finish(parser);
	return true;
}

void
pgfirst_resp_parser_free(RespParser *parser)
{
	parser_begin(parser);
	parser_trim(parser, 0, 0);
}

RespStatus
pgfirst_resp_parse(RespParser *parser, const char *data, size_t length)
{
	if (parser->state == STATE_DONE)
		parser_begin(parser);
	if (parser->state == STATE_START)
	{
		if (length == 0)
			return RESP_MORE;
		parser->state = data[0] == '*' ? STATE_COUNT : STATE_INLINE;
	}
	if (parser->state == STATE_ERROR)
		return RESP_ERROR;
	if (parser->state == STATE_INLINE)
		return inline_parse(parser, data, length);
	if (parser->state == STATE_COUNT)
	{
		RespStatus status = count_parse(parser, data, length);

		if (status != RESP_COMMAND)
			return status;
	}
	return arguments_parse(parser, data, length);
}

size_t
pgfirst_resp_parser_needs(const RespParser *parser)
{
	if (parser->state == STATE_DONE || parser->state == STATE_ERROR)
		return 1;
	if (parser->state != STATE_BULK)
		return parser->position + 1;
	if (parser->bulk > SIZE_MAX - 2 - parser->position)
		return SIZE_MAX;
	return parser->position + parser->bulk + 2;
}

RespSlice
pgfirst_resp_argument(const RespParser *parser, const char *data, size_t i)
{
	const struct RespArgument *argument = &parser->arguments[i];
	RespSlice slice;

	slice.data = (parser->inline_used ? parser->inline_text : data) + argument->offset;
	slice.length = argument->length;
	return slice;
}
