/* SPDX-License-Identifier: PostgreSQL
 *
 * text.c: strings, sizes and durations as people write and read them.
 */
#include "cli/common/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static _Noreturn void
memory_exhausted(void)
{
	fputs("pgfirst: out of memory\n", stderr);
	exit(1);
}

void *
memory_take(size_t size)
{
	void *block = calloc(1, size);

	if (block == NULL)
		memory_exhausted();
	return block;
}

char *
text_copy(const char *text)
{
	char *copy = memory_take(strlen(text) + 1);

	strcpy(copy, text);
	return copy;
}

char *
text_format(const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		memory_exhausted();
	va_end(arguments);
	return text;
}

bool
text_starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool
text_equals(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

char *
text_trim(char *text)
{
	size_t length;

	while (isspace((unsigned char) *text))
		text++;
	length = strlen(text);
	while (length > 0 && isspace((unsigned char) text[length - 1]))
		text[--length] = '\0';
	return text;
}

const char *
text_tail(const char *text, int count)
{
	size_t length = strlen(text);
	const char *start;

	while (length > 0 && text[length - 1] == '\n')
		length--;
	start = text + length;
	while (start > text)
	{
		if (start[-1] == '\n' && --count <= 0)
			break;
		start--;
	}
	return text_format("%.*s", (int) (text + length - start), start);
}

char *
text_shell_quote(const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	                            "_-./:=@%+,";
	TextBuffer quoted = {0};

	if (*text != '\0' && strspn(text, plain) == strlen(text))
		return text_copy(text);
	text_append(&quoted, "'");
	for (; *text != '\0'; text++)
	{
		if (*text == '\'')
			text_append(&quoted, "'\\''");
		else
			text_append_bytes(&quoted, text, 1);
	}
	text_append(&quoted, "'");
	return quoted.data;
}

char *
text_size(int64_t bytes)
{
	static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
	double value = (double) bytes;
	int unit = 0;

	while (value >= 1024 && unit < 4)
	{
		value /= 1024;
		unit++;
	}
	/* One decimal where it says something: "1.5 GB", "64 MB". */
	if (unit == 0 || value >= 100 || value - (double) (int64_t) value < 0.05 ||
	    value - (double) (int64_t) value >= 0.95)
		return text_format("%.0f %s", value, units[unit]);
	return text_format("%.1f %s", value, units[unit]);
}

char *
text_duration(int64_t seconds)
{
	long long s = seconds;

	if (s < 120)
		return text_format("%lld s", s);
	if (s < 7200)
		return text_format("%lld min", s / 60);
	if (s < 172800)
		return text_format("%lld h", s / 3600);
	return text_format("%lld days %lld h", s / 86400, s % 86400 / 3600);
}

int64_t
text_parse_size(const char *text)
{
	static const struct
	{
		const char *name;
		int64_t factor;
	} units[] = {{"k", 1LL << 10}, {"kB", 1LL << 10}, {"m", 1LL << 20}, {"MB", 1LL << 20},
	             {"g", 1LL << 30}, {"GB", 1LL << 30}, {"t", 1LL << 40}, {"TB", 1LL << 40}};
	double value;
	char *end;

	if (!isdigit((unsigned char) *text))
		return -1;
	errno = 0;
	value = strtod(text, &end);
	if (errno != 0)
		return -1;
	while (*end == ' ')
		end++;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
	{
		if (strcasecmp(end, units[i].name) == 0 && value * (double) units[i].factor < 9e18)
			return (int64_t) (value * (double) units[i].factor);
	}
	return -1;
}

static void
text_reserve(TextBuffer *buffer, size_t more)
{
	size_t needed = buffer->length + more + 1;

	if (needed <= buffer->capacity)
		return;
	buffer->capacity = needed < 256 ? 256 : needed * 2;
	buffer->data = realloc(buffer->data, buffer->capacity);
	if (buffer->data == NULL)
		memory_exhausted();
}

void
text_append_bytes(TextBuffer *buffer, const char *data, size_t length)
{
	text_reserve(buffer, length);
	memcpy(buffer->data + buffer->length, data, length);
	buffer->length += length;
	buffer->data[buffer->length] = '\0';
}

void
text_append(TextBuffer *buffer, const char *text)
{
	text_append_bytes(buffer, text, strlen(text));
}

void
text_appendf(TextBuffer *buffer, const char *format, ...)
{
	va_list arguments;
	char *text;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		memory_exhausted();
	text_append_bytes(buffer, text, (size_t) length);
	free(text);
}

void
text_list_add(TextList *list, const char *text)
{
	if (list->count + 2 > list->capacity)
	{
		list->capacity = list->capacity * 2 + 16;
		list->items = realloc(list->items, (size_t) list->capacity * sizeof(char *));
		if (list->items == NULL)
			memory_exhausted();
	}
	list->items[list->count++] = text != NULL ? text_copy(text) : NULL;
	list->items[list->count] = NULL;
}
