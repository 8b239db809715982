/* SPDX-License-Identifier: PostgreSQL
 *
 * write.c: replies, RESP2 and RESP3, from values to bytes.
 *
 *      header     type byte, number, \r\n          "*3\r\n"   ":42\r\n"   "$5\r\n"
 *      bulk       header, bytes, \r\n              "$5\r\nhello\r\n"
 *
 * Every element reserves all of its room before it writes its first byte.  If there is none, the
 * buffer is marked as failed and takes nothing any more: a reply with a hole would shift all later
 * replies of a pipeline by one, and the client would believe them.  The caller asks `failed` once,
 * at the end of its turn, instead of after each element.
 *
 * The buffer doubles while it is small, so that appending costs constant time per byte.  Above
 * 64 MB it grows by a quarter, which is still a constant factor and wastes less.
 */
#include "lib/resp/resp.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/number/number.h"

#define BUFFER_FIRST   512
#define BUFFER_DOUBLES ((size_t) 64 << 20)

/* Bytes of the longest header: type, number, \r\n, and the zero that formatting leaves. */
#define HEADER_BYTES (1 + PGFIRST_INT64_TEXT + 2)

/* Below 2^52 every integral double is written without an exponent, as Redis does. */
#define DOUBLE_INTEGRAL 4503599627370496.0
#define DOUBLE_BYTES    32

void
pgfirst_resp_buffer_init(RespBuffer *buffer, RespAllocator allocator, int protocol)
{
	memset(buffer, 0, sizeof(*buffer));
	buffer->allocator = allocator;
	buffer->protocol = protocol;
}

void
pgfirst_resp_buffer_free(RespBuffer *buffer)
{
	char *data = buffer->data;

	buffer->data = NULL;
	buffer->length = 0;
	buffer->capacity = 0;
	buffer->failed = false;
	if (data != NULL)
		buffer->allocator.resize(buffer->allocator.context, data, 0);
}

static bool
buffer_grow(RespBuffer *buffer, size_t more)
{
	size_t capacity = buffer->capacity;
	char *data = NULL;

	if (capacity < BUFFER_FIRST)
		capacity = BUFFER_FIRST;
	else if (capacity < BUFFER_DOUBLES)
		capacity *= 2;
	else if (capacity <= SIZE_MAX - capacity / 4)
		capacity += capacity / 4;

	if (more <= SIZE_MAX - buffer->length)
	{
		if (capacity < buffer->length + more)
			capacity = buffer->length + more;
		data = buffer->allocator.resize(buffer->allocator.context, buffer->data, capacity);
	}
	if (data == NULL)
	{
		buffer->failed = true;
		return false;
	}
	buffer->data = data;
	buffer->capacity = capacity;
	return true;
}

static inline char *
buffer_reserve(RespBuffer *buffer, size_t more)
{
	if (buffer->failed)
		return NULL;
	if ((buffer->data == NULL || more > buffer->capacity - buffer->length) &&
	    !buffer_grow(buffer, more))
		return NULL;
	return buffer->data + buffer->length;
}

char *
pgfirst_resp_reserve(RespBuffer *buffer, size_t more)
{
	return buffer_reserve(buffer, more);
}

/* ---- pieces; the caller has reserved their room ------------------------------------------ */

static inline char *
line_end_put(char *to)
{
	to[0] = '\r';
	to[1] = '\n';
	return to + 2;
}

static inline char *
bytes_put(char *to, const char *data, size_t length)
{
	/* An empty slice may have no address, which memcpy() does not allow. */
	if (length > 0)
		memcpy(to, data, length);
	return to + length;
}

static inline char *
header_put(char *to, char type, int64_t value)
{
	*to++ = type;
	/* Most numbers in replies are single digits: counts, flags, short lengths. */
	if (value >= 0 && value < 10)
		*to++ = (char) ('0' + value);
	else
		to += pgfirst_int64_format(value, to);
	return line_end_put(to);
}

/* ---- elements ---------------------------------------------------------------------------- */

static inline void
header_write(RespBuffer *buffer, char type, int64_t value)
{
	char *to = buffer_reserve(buffer, HEADER_BYTES);

	if (to != NULL)
		buffer->length = (size_t) (header_put(to, type, value) - buffer->data);
}

/* A type byte, text, \r\n. */
static void
line_write(RespBuffer *buffer, char type, const char *text, size_t length)
{
	/* A length near SIZE_MAX is asked for as such and refused. */
	char *to = buffer_reserve(buffer, length <= SIZE_MAX - 3 ? length + 3 : SIZE_MAX);

	if (to == NULL)
		return;
	*to++ = type;
	to = bytes_put(to, text, length);
	buffer->length = (size_t) (line_end_put(to) - buffer->data);
}

/* A header with the length of prefix and data together, both, \r\n. */
static inline void
blob_write(RespBuffer *buffer, char type, const char *prefix, size_t prefix_length,
           const char *data, size_t length)
{
	size_t frame = HEADER_BYTES + prefix_length + 2;
	char *to = buffer_reserve(buffer, length <= SIZE_MAX - frame ? length + frame : SIZE_MAX);

	if (to == NULL)
		return;
	to = header_put(to, type, (int64_t) (prefix_length + length));
	to = bytes_put(to, prefix, prefix_length);
	to = bytes_put(to, data, length);
	buffer->length = (size_t) (line_end_put(to) - buffer->data);
}

void
pgfirst_resp_write_raw(RespBuffer *buffer, const char *data, size_t length)
{
	char *to = buffer_reserve(buffer, length);

	if (to != NULL)
		buffer->length = (size_t) (bytes_put(to, data, length) - buffer->data);
}

void
pgfirst_resp_write_simple(RespBuffer *buffer, const char *text)
{
	line_write(buffer, '+', text, strlen(text));
}

void
pgfirst_resp_write_error(RespBuffer *buffer, const char *text, size_t length)
{
	size_t start = buffer->length + 1;

	line_write(buffer, '-', text, length);
	if (buffer->failed)
		return;
	for (size_t i = 0; i < length; i++)
	{
		if (buffer->data[start + i] == '\r' || buffer->data[start + i] == '\n')
			buffer->data[start + i] = ' ';
	}
}

void
pgfirst_resp_write_integer(RespBuffer *buffer, int64_t value)
{
	header_write(buffer, ':', value);
}

void
pgfirst_resp_write_bulk(RespBuffer *buffer, const char *data, size_t length)
{
	blob_write(buffer, '$', NULL, 0, data, length);
}

void
pgfirst_resp_write_text(RespBuffer *buffer, const char *text)
{
	blob_write(buffer, '$', NULL, 0, text, strlen(text));
}

void
pgfirst_resp_write_null(RespBuffer *buffer)
{
	if (buffer->protocol >= 3)
		pgfirst_resp_write_raw(buffer, "_\r\n", 3);
	else
		pgfirst_resp_write_raw(buffer, "$-1\r\n", 5);
}

void
pgfirst_resp_write_null_array(RespBuffer *buffer)
{
	if (buffer->protocol >= 3)
		pgfirst_resp_write_raw(buffer, "_\r\n", 3);
	else
		pgfirst_resp_write_raw(buffer, "*-1\r\n", 5);
}

void
pgfirst_resp_write_array(RespBuffer *buffer, size_t count)
{
	header_write(buffer, '*', (int64_t) count);
}

void
pgfirst_resp_write_map(RespBuffer *buffer, size_t pairs)
{
	if (buffer->protocol >= 3)
		header_write(buffer, '%', (int64_t) pairs);
	else
		header_write(buffer, '*', (int64_t) pairs * 2);
}

void
pgfirst_resp_write_set(RespBuffer *buffer, size_t count)
{
	header_write(buffer, buffer->protocol >= 3 ? '~' : '*', (int64_t) count);
}

void
pgfirst_resp_write_push(RespBuffer *buffer, size_t count)
{
	header_write(buffer, buffer->protocol >= 3 ? '>' : '*', (int64_t) count);
}

/*
 * The shortest text that reads back.  Fifteen digits of text survive being a double, so that with
 * fewer there is nothing to be won (%g drops zeros); seventeen digits bring every double back.
 * Below DBL_MIN doubles have fewer digits.
 */
static size_t
double_format(double value, char text[DOUBLE_BYTES])
{
	int length = 0;

	if (isnan(value))
		return (size_t) snprintf(text, DOUBLE_BYTES, "nan");
	if (isinf(value))
		return (size_t) snprintf(text, DOUBLE_BYTES, value > 0 ? "inf" : "-inf");
	if (fabs(value) < DOUBLE_INTEGRAL && value == (double) (int64_t) value &&
	    !(value == 0 && signbit(value)))
		return pgfirst_int64_format((int64_t) value, text);

	for (int digits = fabs(value) < DBL_MIN ? 1 : 15; digits <= 17; digits++)
	{
		length = snprintf(text, DOUBLE_BYTES, "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	return (size_t) length;
}

void
pgfirst_resp_write_double(RespBuffer *buffer, double value)
{
	char text[DOUBLE_BYTES];
	size_t length = double_format(value, text);

	if (buffer->protocol >= 3)
		line_write(buffer, ',', text, length);
	else
		pgfirst_resp_write_bulk(buffer, text, length);
}

void
pgfirst_resp_write_boolean(RespBuffer *buffer, bool value)
{
	if (buffer->protocol >= 3)
		pgfirst_resp_write_raw(buffer, value ? "#t\r\n" : "#f\r\n", 4);
	else
		header_write(buffer, ':', value);
}

void
pgfirst_resp_write_verbatim(RespBuffer *buffer, const char *format, const char *data, size_t length)
{
	char prefix[4] = {format[0], format[1], format[2], ':'};

	if (buffer->protocol >= 3)
		blob_write(buffer, '=', prefix, sizeof(prefix), data, length);
	else
		pgfirst_resp_write_bulk(buffer, data, length);
}
