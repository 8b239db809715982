/* SPDX-License-Identifier: PostgreSQL
 *
 * fuzz_resp.c: any bytes, in any pieces, through the parser.
 *
 * The input says how it is to be cut, and with which limits:
 *
 *      | limits | pieces | sizes of the pieces ... | the stream ... |
 *         1        1        `pieces` bytes            the rest
 *
 * What the parser makes of the pieces must be what it makes of the whole; transcript.h holds it to
 * its promises about memory and about bytes read on the way.  What it understood is then written as
 * a reply, and must come back.
 */
#include <stddef.h>
#include <stdint.h>

#include "lib/resp/resp.h"
#include "test/unit/support.h"
#include "test/unit/transcript.h"

typedef struct Pieces
{
	const uint8_t *sizes;
	size_t count;
	size_t next;
} Pieces;

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Over and over again; without sizes byte by byte. */
static size_t
split_as_told(void *context)
{
	Pieces *pieces = context;

	if (pieces->count == 0)
		return 1;
	return 1 + (size_t) pieces->sizes[pieces->next++ % pieces->count];
}

static RespLimits
limits_choose(uint8_t choice)
{
	RespLimits limits = {
	    .bulk = (size_t) 512 << 20, .arguments = 1024 * 1024, .inline_len = 64 * 1024};

	if (choice & 1)
		limits.bulk = 24;
	if (choice & 2)
		limits.arguments = 5;
	if (choice & 4)
		limits.inline_len = (size_t) choice >> 4;
	if (choice & 8)
		limits.unauthenticated = true;
	return limits;
}

/* Writes each command as an array of bulk strings, parses that, and compares. */
static void
commands_come_back(const char *stream, size_t length)
{
	TestMemory memory = {.remaining = -1};
	RespAllocator allocator = {test_resize, &memory};
	RespParser parser;
	RespParser again;
	RespBuffer buffer;
	size_t start = 0;

	pgfirst_resp_parser_init(&parser, allocator, limits_choose(0));
	pgfirst_resp_parser_init(&again, allocator, limits_choose(0));
	pgfirst_resp_buffer_init(&buffer, allocator, 3);
	while (pgfirst_resp_parse(&parser, stream + start, length - start) == RESP_COMMAND)
	{
		buffer.length = 0;
		pgfirst_resp_write_array(&buffer, parser.argc);
		for (size_t i = 0; i < parser.argc; i++)
		{
			RespSlice slice = pgfirst_resp_argument(&parser, stream + start, i);

			pgfirst_resp_write_bulk(&buffer, slice.data, slice.length);
		}
		TRANSCRIPT_REQUIRE(!buffer.failed);
		TRANSCRIPT_REQUIRE(pgfirst_resp_parse(&again, buffer.data, buffer.length) == RESP_COMMAND);
		TRANSCRIPT_REQUIRE(again.argc == parser.argc && again.consumed == buffer.length);
		for (size_t i = 0; i < parser.argc; i++)
		{
			RespSlice sent = pgfirst_resp_argument(&parser, stream + start, i);
			RespSlice back = pgfirst_resp_argument(&again, buffer.data, i);

			TRANSCRIPT_REQUIRE(back.length == sent.length &&
			                   memcmp(back.data, sent.data, sent.length) == 0);
		}
		start += parser.consumed;
	}
	pgfirst_resp_parser_free(&parser);
	pgfirst_resp_parser_free(&again);
	pgfirst_resp_buffer_free(&buffer);
	TRANSCRIPT_REQUIRE(memory.in_use == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Pieces pieces = {0};
	RespLimits limits;
	const char *stream;
	size_t length;
	Transcript whole;
	Transcript split;

	if (size < 2)
		return 0;
	limits = limits_choose(data[0]);
	pieces.sizes = data + 2;
	pieces.count = data[1] < size - 2 ? data[1] : size - 2;
	stream = (const char *) pieces.sizes + pieces.count;
	length = size - 2 - pieces.count;

	whole = transcript_make(stream, length, limits, NULL, NULL);
	split = transcript_make(stream, length, limits, split_as_told, &pieces);
	TRANSCRIPT_REQUIRE(whole.length == split.length &&
	                   memcmp(whole.text, split.text, whole.length) == 0);
	free(whole.text);
	free(split.text);
	commands_come_back(stream, length);
	return 0;
}
