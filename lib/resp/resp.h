/* SPDX-License-Identifier: PostgreSQL
 *
 * resp.h: the Redis protocol, RESP2, RESP3 and inline, as bytes in and bytes out.
 *
 * Pure: no sockets, no PostgreSQL, no memory that the caller did not hand in through a
 * RespAllocator. So the same code runs in the server, in the program, under the unit tests and
 * under the fuzzer.
 *
 * Parsing is incremental.  The caller keeps the bytes of the unfinished command in one buffer and
 * calls pgfirst_resp_parse() whenever more have arrived.  The buffer may move between calls; its
 * content so far may not change.  The parser remembers how far it came, so that a client that
 * sends a byte a second costs one look at each byte.  Declared lengths are checked against the
 * limits and are never allocated ahead of the bytes.
 */
#ifndef PGFIRST_RESP_H
#define PGFIRST_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * realloc() with a context: block NULL allocates, size 0 frees and returns NULL.  Returns NULL on
 * failure, leaving block as it was; the parser and the writer then report the failure, they never
 * abort.  An allocator that longjmps (palloc's) is allowed: state stays consistent.
 */
typedef struct RespAllocator
{
	void *(*resize)(void *context, void *block, size_t size);
	void *context;
} RespAllocator;

/* A run of bytes that belongs to somebody else; may hold zeros. */
typedef struct RespSlice
{
	const char *data;
	size_t length;
} RespSlice;

/* ---- reading commands -------------------------------------------------------------------- */

typedef struct RespLimits
{
	size_t bulk;          /* bytes of one argument (Redis: proto-max-bulk-len, 512 MB) */
	size_t arguments;     /* arguments of one command (Redis: 1024 * 1024, or 10 before AUTH) */
	size_t inline_len;    /* bytes of an inline command or of a length line (Redis: 64 KB) */
	bool unauthenticated; /* Redis words the limit errors differently before AUTH */
} RespLimits;

typedef enum RespStatus
{
	RESP_MORE,    /* the command is not complete yet */
	RESP_COMMAND, /* argc, arguments and consumed are set; argc 0 is an empty line, to be skipped */
	RESP_ERROR    /* error is set; the connection cannot go on after answering it */
} RespStatus;

typedef struct RespParser
{
	RespLimits limits; /* may be changed between commands */

	/* The result of the last call that returned RESP_COMMAND or RESP_ERROR. */
	size_t argc;
	size_t consumed;   /* bytes of the buffer that the command took */
	const char *error; /* Redis's words without the leading "-" ("ERR Protocol error: …") */

	/* Private from here on. */
	RespAllocator allocator;
	struct RespArgument *arguments;
	size_t arguments_capacity;
	char *inline_text; /* the unquoted arguments of an inline command, or NULL */
	size_t inline_capacity;
	bool inline_used; /* arguments point into inline_text, not into the caller's buffer */
	int state;
	size_t line;     /* where the unfinished line starts */
	size_t position; /* first byte not yet looked at */
	size_t expected; /* arguments the command announced */
	size_t bulk;     /* bytes the current argument announced */
	char error_text[64];
} RespParser;

struct RespArgument
{
	size_t offset;
	size_t length;
};

/* Makes an empty parser.  No memory is taken before the first command. */
extern void pgfirst_resp_parser_init(RespParser *parser, RespAllocator allocator,
                                     RespLimits limits);

/* Forgets the current command and gives back memory above a small keep-size. */
extern void pgfirst_resp_parser_reset(RespParser *parser);

/* Gives all memory back. */
extern void pgfirst_resp_parser_free(RespParser *parser);

/*
 * Looks at data[0 .. length), which starts at the first byte of the unfinished command.  After
 * RESP_COMMAND the caller uses the arguments, drops `consumed` bytes and calls again with what is
 * left; the next call begins a new command by itself.
 */
extern RespStatus pgfirst_resp_parse(RespParser *parser, const char *data, size_t length);

/*
 * How many bytes the buffer must at least hold before the next call can get further (a lower
 * bound, at most one argument ahead); lets the caller read a large argument in few calls.
 */
extern size_t pgfirst_resp_parser_needs(const RespParser *parser);

/*
 * Makes the parser hold a command that nobody has sent: `argc` arguments of these lengths, one directly
 * behind the other in the data that pgfirst_resp_argument() is given.  False without memory.
 */
extern bool pgfirst_resp_parser_put(RespParser *parser, const size_t *lengths, size_t argc);

/*
 * Makes the parser hold a command that another one, with the same limits or stricter ones, has found at the first byte of
 * the unfinished command: where its arguments are, and how many bytes it took.  False without memory.
 */
extern bool pgfirst_resp_parser_take(RespParser *parser, const struct RespArgument *arguments,
                                     size_t argc, size_t consumed);

/* Argument number i of the command just parsed; data is the buffer given to the parser. */
extern RespSlice pgfirst_resp_argument(const RespParser *parser, const char *data, size_t i);

/* ---- writing replies --------------------------------------------------------------------- */

/*
 * A growing run of reply bytes.  protocol is 2 or 3 and decides how null, map, set, double,
 * boolean, verbatim and push are written.  A failed allocation sets failed and drops what does not
 * fit whole; the caller then closes the connection.
 */
typedef struct RespBuffer
{
	char *data;
	size_t length;
	size_t capacity;
	int protocol;
	bool failed;
	RespAllocator allocator;
} RespBuffer;

extern void pgfirst_resp_buffer_init(RespBuffer *buffer, RespAllocator allocator, int protocol);
extern void pgfirst_resp_buffer_free(RespBuffer *buffer);

/* Room for `more` bytes behind length; returns where they go, NULL on failure. */
extern char *pgfirst_resp_reserve(RespBuffer *buffer, size_t more);

extern void pgfirst_resp_write_raw(RespBuffer *buffer, const char *data, size_t length);
/* "+text"; text holds no line ends. */
extern void pgfirst_resp_write_simple(RespBuffer *buffer, const char *text);
/* "-text"; line ends in text are written as spaces. */
extern void pgfirst_resp_write_error(RespBuffer *buffer, const char *text, size_t length);
extern void pgfirst_resp_write_integer(RespBuffer *buffer, int64_t value);
extern void pgfirst_resp_write_bulk(RespBuffer *buffer, const char *data, size_t length);
extern void pgfirst_resp_write_text(RespBuffer *buffer, const char *text); /* bulk of a C string */
extern void pgfirst_resp_write_null(RespBuffer *buffer);                   /* $-1 or _ */
extern void pgfirst_resp_write_null_array(RespBuffer *buffer);             /* *-1 or _ */
extern void pgfirst_resp_write_array(RespBuffer *buffer, size_t count);
extern void pgfirst_resp_write_map(RespBuffer *buffer,
                                   size_t pairs); /* RESP2: array of 2 * pairs */
extern void pgfirst_resp_write_set(RespBuffer *buffer, size_t count);
extern void pgfirst_resp_write_push(RespBuffer *buffer, size_t count);
extern void pgfirst_resp_write_double(RespBuffer *buffer,
                                      double value); /* shortest that reads back */
extern void pgfirst_resp_write_boolean(RespBuffer *buffer, bool value);
/* format is three letters, "txt" or "mkd"; RESP2 writes a bulk string. */
extern void pgfirst_resp_write_verbatim(RespBuffer *buffer, const char *format, const char *data,
                                        size_t length);

#endif
