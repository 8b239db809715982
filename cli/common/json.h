/* SPDX-License-Identifier: PostgreSQL
 *
 * json.h: JSON out. Values are written in the order of the calls; commas look after themselves.
 *
 * A name is given inside an object and NULL inside an array.  Bytes that are not UTF-8 (a path can
 * hold any) are written as U+FFFD, so that what comes out is always valid JSON.
 */
#ifndef PGFIRST_CLI_JSON_H
#define PGFIRST_CLI_JSON_H

#include "cli/common/text.h"

typedef struct JsonWriter
{
	TextBuffer text;
	bool comma;
	int depth;
} JsonWriter;

extern void json_object(JsonWriter *json, const char *name);
extern void json_object_end(JsonWriter *json);
extern void json_array(JsonWriter *json, const char *name);
extern void json_array_end(JsonWriter *json);
extern void json_text(JsonWriter *json, const char *name, const char *value); /* NULL is null */
extern void json_integer(JsonWriter *json, const char *name, int64_t value);
extern void json_number(JsonWriter *json, const char *name, double value); /* three decimals */
extern void json_boolean(JsonWriter *json, const char *name, bool value);
extern void json_null(JsonWriter *json, const char *name);

/* Prints what was written, and a line end, to stdout. */
extern void json_print(JsonWriter *json);

#endif
