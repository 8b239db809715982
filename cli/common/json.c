/* SPDX-License-Identifier: PostgreSQL
 *
 * json.c: JSON out, indented by two for people who look at it.
 */
#include "cli/common/json.h"

#include <stdio.h>
#include <string.h>

/*
 * The length of the UTF-8 sequence at data, 0 if it is not one.  Overlong forms, surrogates and
 * what is beyond U+10FFFF are not (RFC 3629).
 */
static int
utf8_length(const unsigned char *data)
{
	int length;

	if (data[0] < 0x80)
		return 1;
	if (data[0] >= 0xC2 && data[0] <= 0xDF)
		length = 2;
	else if ((data[0] & 0xF0) == 0xE0)
		length = 3;
	else if (data[0] >= 0xF0 && data[0] <= 0xF4)
		length = 4;
	else
		return 0;
	for (int i = 1; i < length; i++)
	{
		if ((data[i] & 0xC0) != 0x80)
			return 0;
	}
	if ((data[0] == 0xE0 && data[1] < 0xA0) || (data[0] == 0xED && data[1] > 0x9F) ||
	    (data[0] == 0xF0 && data[1] < 0x90) || (data[0] == 0xF4 && data[1] > 0x8F))
		return 0;
	return length;
}

static void
json_quote(JsonWriter *json, const char *value)
{
	const unsigned char *at = (const unsigned char *) value;

	text_append(&json->text, "\"");
	while (*at != '\0')
	{
		int length = utf8_length(at);

		if (length == 0)
		{
			text_append(&json->text, "\\ufffd");
			at++;
			continue;
		}
		if (*at == '"' || *at == '\\')
			text_appendf(&json->text, "\\%c", *at);
		else if (*at == '\n')
			text_append(&json->text, "\\n");
		else if (*at == '\t')
			text_append(&json->text, "\\t");
		else if (*at < 0x20 || *at == 0x7F)
			text_appendf(&json->text, "\\u%04x", *at);
		else
			text_append_bytes(&json->text, (const char *) at, (size_t) length);
		at += length;
	}
	text_append(&json->text, "\"");
}

/* What stands before every value: the comma, the line, the name. */
static void
json_begin(JsonWriter *json, const char *name)
{
	if (json->comma)
		text_append(&json->text, ",");
	if (json->depth > 0)
		text_appendf(&json->text, "\n%*s", json->depth * 2, "");
	if (name != NULL)
	{
		json_quote(json, name);
		text_append(&json->text, ": ");
	}
	json->comma = true;
}

static void
json_open(JsonWriter *json, const char *name, const char *bracket)
{
	json_begin(json, name);
	text_append(&json->text, bracket);
	json->comma = false;
	json->depth++;
}

static void
json_close(JsonWriter *json, const char *bracket)
{
	bool empty = !json->comma;

	json->depth--;
	if (!empty)
		text_appendf(&json->text, "\n%*s", json->depth * 2, "");
	text_append(&json->text, bracket);
	json->comma = true;
}

void
json_object(JsonWriter *json, const char *name)
{
	json_open(json, name, "{");
}

void
json_object_end(JsonWriter *json)
{
	json_close(json, "}");
}

void
json_array(JsonWriter *json, const char *name)
{
	json_open(json, name, "[");
}

void
json_array_end(JsonWriter *json)
{
	json_close(json, "]");
}

void
json_text(JsonWriter *json, const char *name, const char *value)
{
	json_begin(json, name);
	if (value != NULL)
		json_quote(json, value);
	else
		text_append(&json->text, "null");
}

void
json_integer(JsonWriter *json, const char *name, int64_t value)
{
	json_begin(json, name);
	text_appendf(&json->text, "%lld", (long long) value);
}

void
json_number(JsonWriter *json, const char *name, double value)
{
	json_begin(json, name);
	text_appendf(&json->text, "%.3f", value);
}

void
json_boolean(JsonWriter *json, const char *name, bool value)
{
	json_begin(json, name);
	text_append(&json->text, value ? "true" : "false");
}

void
json_null(JsonWriter *json, const char *name)
{
	json_text(json, name, NULL);
}

void
json_print(JsonWriter *json)
{
	puts(json->text.data);
	fflush(stdout);
}
