/* SPDX-License-Identifier: PostgreSQL
 *
 * reply.c: replies as Lua values, and Lua values as replies.
 *
 * As Redis does it, in both protocols; a script gets those of RESP2 unless it asks for RESP3:
 *
 *     reply                        in Lua
 *     integer                      number
 *     bulk string                  string
 *     array, push                  table with 1, 2, …
 *     simple string                table with the field ok
 *     error                        table with the field err
 *     null                         false; with RESP3 nil
 *     map, set                     table with the field map or set, a table with the elements as keys
 *     double                       table with the field double
 *     boolean                      boolean
 *     big number                   table with the field big_number
 *     verbatim string              table with the field verbatim_string: format and string
 *
 * The other way a number loses its fraction, true is 1, false and nil are null, and an array ends before
 * its first nil.
 *
 * The replies that are read here were written by our own commands, so what cannot be read is an error of
 * ours.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "kv/script/script_int.h"
#include "lib/number/number.h"

/* ---- to Lua ------------------------------------------------------------------------------------ */

typedef struct Source
{
	const char *at;
	const char *end;
} Source;

static void value_push(lua_State *lua, Source *source);

static void
reserve_stack(lua_State *lua)
{
	if (stack_is_too_deep() || !lua_checkstack(lua, 8))
		luaL_error(lua, "a reply of too many levels");
}

/* The rest of the line, behind its first byte. */
static RespSlice
line_read(lua_State *lua, Source *source)
{
	const char *end = memchr(source->at, '\r', (size_t) (source->end - source->at));
	RespSlice line = {source->at + 1, 0};

	if (!end || end + 2 > source->end)
		luaL_error(lua, "a reply that cannot be read");
	line.length = (size_t) (end - line.data);
	source->at = end + 2;
	return line;
}

static int64
number_read(lua_State *lua, Source *source)
{
	RespSlice line = line_read(lua, source);
	int64 value = 0;

	if (!pgfirst_int64_parse(line.data, line.length, &value))
		luaL_error(lua, "a reply that cannot be read");
	return value;
}

static void
bulk_push(lua_State *lua, Source *source, bool verbatim)
{
	int64 length = number_read(lua, source);

	if (length < 0)
	{
		lua_pushboolean(lua, 0);
		return;
	}
	if (!verbatim)
		lua_pushlstring(lua, source->at, (size_t) length);
	else
	{
		lua_newtable(lua);
		lua_newtable(lua);
		lua_pushlstring(lua, source->at, 3);
		lua_setfield(lua, -2, "format");
		lua_pushlstring(lua, source->at + 4, (size_t) length - 4);
		lua_setfield(lua, -2, "string");
		lua_setfield(lua, -2, "verbatim_string");
	}
	source->at += length + 2;
}

static void
array_push(lua_State *lua, Source *source)
{
	int64 count = number_read(lua, source);

	if (count < 0)
	{
		lua_pushboolean(lua, 0);
		return;
	}
	lua_createtable(lua, (int) Min(count, 1 << 20), 0);
	for (int64 i = 1; i <= count; i++)
	{
		kv_run_step(lua);
		value_push(lua, source);
		lua_rawseti(lua, -2, (int) i);
	}
}

/* A map, or a set, whose elements are keys with the value true. */
static void
map_push(lua_State *lua, Source *source, bool map)
{
	int64 count = number_read(lua, source);

	lua_newtable(lua);
	lua_newtable(lua);
	for (int64 i = 0; i < count; i++)
	{
		kv_run_step(lua);
		value_push(lua, source);
		if (map)
			value_push(lua, source);
		else
			lua_pushboolean(lua, 1);
		if (lua_isnil(lua, -2))
			lua_pop(lua, 2); /* no key in Lua */
		else
			lua_rawset(lua, -3);
	}
	lua_setfield(lua, -2, map ? "map" : "set");
}

static void
field_push(lua_State *lua, RespSlice words, const char *field)
{
	lua_newtable(lua);
	lua_pushlstring(lua, words.data, words.length);
	lua_setfield(lua, -2, field);
}

static void
double_push(lua_State *lua, RespSlice words)
{
	char digits[128];

	memcpy(digits, words.data, Min(words.length, sizeof(digits) - 1));
	digits[Min(words.length, sizeof(digits) - 1)] = '\0';
	lua_newtable(lua);
	lua_pushnumber(lua, strtod(digits, NULL));
	lua_setfield(lua, -2, "double");
}

static void
error_push(lua_State *lua, RespSlice words)
{
	kv_lua_push_error(lua, words.data, words.length);
	lua_pushboolean(lua, 1);
	lua_setfield(lua, -2, "ignore_error_stats_update");
}

static void
value_push(lua_State *lua, Source *source)
{
	RespSlice line;

	reserve_stack(lua);
	if (source->at >= source->end)
		luaL_error(lua, "a reply that cannot be read");
	switch (*source->at)
	{
		case ':':
			lua_pushnumber(lua, (lua_Number) number_read(lua, source));
			return;
		case '$':
			bulk_push(lua, source, false);
			return;
		case '=':
			bulk_push(lua, source, true);
			return;
		case '*':
		case '>':
			array_push(lua, source);
			return;
		case '%':
			map_push(lua, source, true);
			return;
		case '~':
			map_push(lua, source, false);
			return;
		default:
			break;
	}
	line = line_read(lua, source);
	switch (line.data[-1])
	{
		case '+':
			field_push(lua, line, "ok");
			return;
		case '-':
			error_push(lua, (RespSlice){line.data - 1, line.length + 1});
			return;
		case '_':
			lua_pushnil(lua);
			return;
		case '#':
			lua_pushboolean(lua, line.data[0] == 't');
			return;
		case ',':
			double_push(lua, line);
			return;
		case '(':
			field_push(lua, line, "big_number");
			return;
		default:
			luaL_error(lua, "a reply that cannot be read");
	}
}

void
kv_reply_to_lua(lua_State *lua, const char *data, Size length)
{
	Source source = {data, data + length};

	value_push(lua, &source);
}

/* ---- from Lua ---------------------------------------------------------------------------------- */

/* The field of the table on top, on the stack if it has this type; else nothing. */
static bool
field_get(lua_State *lua, const char *field, int type)
{
	lua_pushstring(lua, field);
	lua_rawget(lua, -2);
	if (lua_type(lua, -1) == type)
		return true;
	lua_pop(lua, 1);
	return false;
}

static void
write_error(lua_State *lua, RespBuffer *reply)
{
	size_t length;
	const char *words = lua_tolstring(lua, -1, &length);

	while (length > 0 && (words[length - 1] == '\n' || words[length - 1] == '\r'))
		length--;
	pgfirst_resp_write_error(reply, words, length);
}

static void
keep_in_line(char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (bytes[i] == '\r' || bytes[i] == '\n')
			bytes[i] = ' ';
}

/* The text on top in one line, as a reply of this kind: '+', … */
static void
write_line(lua_State *lua, RespBuffer *reply, char kind)
{
	size_t length;
	const char *words = lua_tolstring(lua, -1, &length);
	char *line = pgfirst_resp_reserve(reply, length + 3);

	if (!line)
		return;
	line[0] = kind;
	memcpy(line + 1, words, length);
	keep_in_line(line + 1, length);
	line[length + 1] = '\r';
	line[length + 2] = '\n';
	reply->length += length + 3;
}

/* Elements of the table on top; what is neither a map nor a set is an array up to its first nil. */
static void
write_elements(lua_State *lua, RespBuffer *reply, bool map)
{
	size_t count = 0;

	for (lua_pushnil(lua); lua_next(lua, -2); lua_pop(lua, 1))
		count++;
	if (map)
		pgfirst_resp_write_map(reply, count);
	else
		pgfirst_resp_write_set(reply, count);
	for (lua_pushnil(lua); lua_next(lua, -2);)
	{
		lua_pushvalue(lua, -2);
		kv_lua_to_reply(lua, reply);
		if (map)
			kv_lua_to_reply(lua, reply);
		else
			lua_pop(lua, 1);
	}
}

static void
write_array(lua_State *lua, RespBuffer *reply)
{
	int count = 0;

	for (;;)
	{
		bool end;

		lua_rawgeti(lua, -1, count + 1);
		end = lua_isnil(lua, -1);
		lua_pop(lua, 1);
		if (end)
			break;
		count++;
	}
	pgfirst_resp_write_array(reply, (size_t) count);
	for (int i = 1; i <= count; i++)
	{
		lua_rawgeti(lua, -1, i);
		kv_lua_to_reply(lua, reply);
	}
}

static void
write_big_number(lua_State *lua, RespBuffer *reply)
{
	size_t length;
	const char *words = lua_tolstring(lua, -1, &length);

	if (reply->protocol != 2)
	{
		write_line(lua, reply, '(');
		return;
	}
	pgfirst_resp_write_bulk(reply, words, length);
	if (!reply->failed)
		keep_in_line(reply->data + reply->length - length - 2, length);
}

/* The table on top is the value of verbatim_string. */
static bool
write_verbatim(lua_State *lua, RespBuffer *reply)
{
	size_t length, format_length;
	const char *words, *format;

	if (!field_get(lua, "string", LUA_TSTRING))
		return false;
	lua_insert(lua, -2);
	if (!field_get(lua, "format", LUA_TSTRING))
	{
		lua_insert(lua, -2);
		lua_pop(lua, 1);
		return false;
	}
	format = lua_tolstring(lua, -1, &format_length);
	words = lua_tolstring(lua, -3, &length);
	if (format_length >= 3)
		pgfirst_resp_write_verbatim(reply, format, words, length);
	else
		pgfirst_resp_write_bulk(reply, words, length);
	lua_pop(lua, 1);
	lua_insert(lua, -2);
	lua_pop(lua, 1);
	return true;
}

/* The table on top, by the fields that say what it is. */
static void
write_table(lua_State *lua, RespBuffer *reply)
{
	if (field_get(lua, "err", LUA_TSTRING))
		write_error(lua, reply);
	else if (field_get(lua, "ok", LUA_TSTRING))
		write_line(lua, reply, '+');
	else if (field_get(lua, "double", LUA_TNUMBER))
		pgfirst_resp_write_double(reply, lua_tonumber(lua, -1));
	else if (field_get(lua, "map", LUA_TTABLE))
		write_elements(lua, reply, true);
	else if (field_get(lua, "set", LUA_TTABLE))
		write_elements(lua, reply, false);
	else if (field_get(lua, "big_number", LUA_TSTRING))
		write_big_number(lua, reply);
	else
	{
		if (field_get(lua, "verbatim_string", LUA_TTABLE))
		{
			bool written = write_verbatim(lua, reply);

			lua_pop(lua, 1);
			if (written)
				return;
		}
		write_array(lua, reply);
		return;
	}
	lua_pop(lua, 1);
}

/* A number without its fraction; what no integer can hold is the smallest one, as on this processor. */
static int64
whole(lua_Number number)
{
	if (number >= -9223372036854775808.0 && number < 9223372036854775808.0)
		return (int64) number;
	return PG_INT64_MIN;
}

void
kv_lua_to_reply(lua_State *lua, RespBuffer *reply)
{
	size_t length;
	const char *words;

	kv_run_step(lua);
	/* Nobody will read it any more. */
	if (reply->failed)
		luaL_error(lua, "the reply takes too much memory");
	if (stack_is_too_deep() || !lua_checkstack(lua, 8))
	{
		pgfirst_resp_write_error(reply, "ERR reached lua stack limit", 27);
		lua_pop(lua, 1);
		return;
	}
	switch (lua_type(lua, -1))
	{
		case LUA_TSTRING:
			words = lua_tolstring(lua, -1, &length);
			pgfirst_resp_write_bulk(reply, words, length);
			break;
		case LUA_TNUMBER:
			pgfirst_resp_write_integer(reply, whole(lua_tonumber(lua, -1)));
			break;
		case LUA_TBOOLEAN:
			if (kv_run->protocol == 3)
				pgfirst_resp_write_boolean(reply, lua_toboolean(lua, -1));
			else if (lua_toboolean(lua, -1))
				pgfirst_resp_write_integer(reply, 1);
			else
				pgfirst_resp_write_null(reply);
			break;
		case LUA_TTABLE:
			write_table(lua, reply);
			break;
		default:
			pgfirst_resp_write_null(reply);
			break;
	}
	lua_pop(lua, 1);
}
