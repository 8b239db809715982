/* SPDX-License-Identifier: PostgreSQL
 *
 * strings.c: functions of the string library that handle a whole string at once.
 *
 * None of them is slow, but a script may hold a string of a hundred megabytes, and call them so often
 * between two calls of the engine's hook that minutes pass.  So they tick when a string is long.
 *
 * string.rep of Lua 5.1 adds the string as often as it is asked to, even one without a byte.
 *
 * Letters are ASCII's.  Lua asks the C library, whose answer would depend on the database's locale;
 * redis-server, whose scripts these are, has the locale "C" here.
 */
#include "lib/lua/bounded_int.h"

#include <stdint.h>
#include <string.h>

static int
string_sub(lua_State *L)
{
	size_t length;
	const char *string = luaL_checklstring(L, 1, &length);
	ptrdiff_t first = bounded_position(luaL_checkinteger(L, 2), length);
	ptrdiff_t last = bounded_position(luaL_optinteger(L, 3, -1), length);

	if (first < 1)
		first = 1;
	if (last > (ptrdiff_t) length)
		last = (ptrdiff_t) length;
	if (first > last)
	{
		lua_pushlstring(L, "", 0);
		return 1;
	}
	bounded_string_work(L, (size_t) (last - first));
	lua_pushlstring(L, string + first - 1, (size_t) (last - first) + 1);
	return 1;
}

static int
string_rep(lua_State *L)
{
	size_t length;
	const char *string = luaL_checklstring(L, 1, &length);
	int count = luaL_checkint(L, 2);
	BoundedBytes result;
	size_t wanted;

	lua_settop(L, 3);
	bounded_bytes_begin(&result, L, 3);
	if (count > 0 && length > 0)
	{
		/* Where a size_t ends, userdata has ended long before: not enough memory. */
		wanted = length < SIZE_MAX / (size_t) count ? length * (size_t) count : SIZE_MAX / 2;
		bounded_string_work(L, wanted);
		bounded_bytes_reserve(&result, wanted);
		memcpy(result.data, string, length);
		/* What is there doubles. */
		for (result.length = length; result.length < wanted;)
		{
			size_t more = wanted - result.length;

			if (more > result.length)
				more = result.length;
			memcpy(result.data + result.length, result.data, more);
			result.length += more;
		}
	}
	lua_pushlstring(L, result.data, result.length);
	return 1;
}

/* Changes the case of 26 letters from the first on. */
static int
string_change_case(lua_State *L, unsigned int first_letter)
{
	size_t length;
	const char *string = luaL_checklstring(L, 1, &length);
	BoundedBytes result;
	char *changed;

	bounded_string_work(L, length);
	lua_settop(L, 2);
	bounded_bytes_begin(&result, L, 2);
	changed = bounded_bytes_reserve(&result, length);
	for (size_t i = 0; i < length; i++)
	{
		unsigned char byte = (unsigned char) string[i];

		changed[i] = (char) (byte ^ (byte - first_letter < 26 ? 0x20 : 0));
	}
	lua_pushlstring(L, changed, length);
	return 1;
}

static int
string_lower(lua_State *L)
{
	return string_change_case(L, 'A');
}

static int
string_upper(lua_State *L)
{
	return string_change_case(L, 'a');
}

static int
string_reverse(lua_State *L)
{
	size_t length;
	const char *string = luaL_checklstring(L, 1, &length);
	BoundedBytes result;
	char *reversed;

	bounded_string_work(L, length);
	lua_settop(L, 2);
	bounded_bytes_begin(&result, L, 2);
	reversed = bounded_bytes_reserve(&result, length);
	for (size_t i = 0; i < length; i++)
		reversed[i] = string[length - 1 - i];
	lua_pushlstring(L, reversed, length);
	return 1;
}

const luaL_Reg bounded_string_functions[] = {{"sub", string_sub},         {"rep", string_rep},
                                             {"lower", string_lower},     {"upper", string_upper},
                                             {"reverse", string_reverse}, {NULL, NULL}};
