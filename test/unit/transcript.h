/* SPDX-License-Identifier: PostgreSQL
 *
 * transcript.h: what the parser makes of a stream that arrives in given pieces, as text.  Two
 * transcripts are equal exactly if the caller of the parser could see no difference.
 *
 *      [3:GET][1:k]=22 ERROR ERR Protocol error: … =0
 *      [4:PING]=14 MORE 7
 *
 * (the arguments with their lengths, the bytes consumed; at the end the error, or how many bytes
 * are left over).
 *
 * On the way it holds the parser to its other promises: the buffer is moved before every call and
 * is exactly as long as it claims to be, so that a sanitizer sees any byte read beyond it; what the
 * parser needs is more than it has and never more than the command takes; memory stays within a
 * multiple of what has arrived.
 */
#ifndef PGFIRST_TEST_TRANSCRIPT_H
#define PGFIRST_TEST_TRANSCRIPT_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/resp/resp.h"
#include "test/unit/support.h"

/*
 * Six bytes of the wire make one argument of sixteen bytes in an array that is up to twice too
 * large; a byte of an inline command makes at most half an argument and one byte of text.
 */
#define TRANSCRIPT_MEMORY_FACTOR 20
#define TRANSCRIPT_MEMORY_BASE   1024

typedef struct Transcript
{
	char *text;
	size_t length;
	size_t capacity;
} Transcript;

#define TRANSCRIPT_REQUIRE(condition)                                                              \
	do                                                                                             \
	{                                                                                              \
		if (!(condition))                                                                          \
		{                                                                                          \
			fprintf(stderr, "%s:%d: the parser broke: %s\n", __FILE__, __LINE__, #condition);      \
			abort();                                                                               \
		}                                                                                          \
	} while (0)

static inline void
transcript_add(Transcript *transcript, const void *data, size_t length)
{
	if (transcript->length + length + 1 > transcript->capacity)
	{
		transcript->capacity = 2 * (transcript->length + length + 1);
		transcript->text = realloc(transcript->text, transcript->capacity);
		TRANSCRIPT_REQUIRE(transcript->text != NULL);
	}
	if (length > 0)
		memcpy(transcript->text + transcript->length, data, length);
	transcript->length += length;
	transcript->text[transcript->length] = '\0';
}

static inline void
transcript_add_command(Transcript *transcript, const RespParser *parser, const char *data)
{
	char number[40];

	for (size_t i = 0; i < parser->argc; i++)
	{
		RespSlice slice = pgfirst_resp_argument(parser, data, i);

		transcript_add(transcript, number,
		               (size_t) snprintf(number, sizeof(number), "[%zu:", slice.length));
		transcript_add(transcript, slice.data, slice.length);
		transcript_add(transcript, "]", 1);
	}
	transcript_add(transcript, number,
	               (size_t) snprintf(number, sizeof(number), "=%zu ", parser->consumed));
}

/* Tells how many more bytes arrive before the parser is called again; more than zero. */
typedef size_t (*TranscriptSplit)(void *context);

/*
 * Feeds stream[0 .. length) in the pieces that split says (NULL: all at once).  The caller frees
 * the text.
 */
static inline Transcript
transcript_make(const char *stream, size_t length, RespLimits limits, TranscriptSplit split,
                void *context)
{
	Transcript transcript = {0};
	TestMemory memory = {.remaining = -1};
	RespAllocator allocator = {test_resize, &memory};
	RespParser parser;
	RespStatus status = RESP_MORE;
	size_t start = 0;
	size_t arrived = 0;
	size_t needs = 1;
	char end[200];

	transcript_add(&transcript, "", 0);
	pgfirst_resp_parser_init(&parser, allocator, limits);
	while (status != RESP_ERROR && (arrived < length || status == RESP_COMMAND))
	{
		size_t have;
		char *data;

		if (status == RESP_MORE)
		{
			size_t piece = split != NULL ? split(context) : length;

			arrived += piece < length - arrived ? piece : length - arrived;
		}
		have = arrived - start;
		data = malloc(have > 0 ? have : 1);
		TRANSCRIPT_REQUIRE(data != NULL);
		memcpy(data, stream + start, have);
		status = pgfirst_resp_parse(&parser, data, have);

		TRANSCRIPT_REQUIRE(status == RESP_MORE || have >= needs);
		TRANSCRIPT_REQUIRE(memory.in_use <=
		                   TRANSCRIPT_MEMORY_BASE + TRANSCRIPT_MEMORY_FACTOR * arrived);
		needs = pgfirst_resp_parser_needs(&parser);
		if (status == RESP_MORE)
			TRANSCRIPT_REQUIRE(needs > have);
		else
			TRANSCRIPT_REQUIRE(parser.consumed <= have);
		if (status == RESP_COMMAND)
		{
			TRANSCRIPT_REQUIRE(parser.consumed > 0);
			transcript_add_command(&transcript, &parser, data);
			start += parser.consumed;
		}
		free(data);
	}
	if (status == RESP_ERROR)
		snprintf(end, sizeof(end), "ERROR %s =%zu", parser.error, parser.consumed);
	else
		snprintf(end, sizeof(end), "MORE %zu", length - start);
	transcript_add(&transcript, end, strlen(end));
	pgfirst_resp_parser_free(&parser);
	TRANSCRIPT_REQUIRE(memory.in_use == 0);
	return transcript;
}

#endif
