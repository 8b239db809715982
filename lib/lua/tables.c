/* SPDX-License-Identifier: PostgreSQL
 *
 * tables.c: functions of the table library that walk through a table.
 *
 * insert and remove move everything behind the place, in C, and to insert at -2147483648 moves so
 * many elements whatever the table's length.  The others look at every element; a function that is
 * called for each need not be one in Lua, of whose instructions the hook would hear.
 *
 * Elements are read and written without metamethods, as in Lua 5.1.
 */
#include "lib/lua/bounded_int.h"

/* The length of the table at 1, as Lua 5.1's libraries take it. */
static int
table_length(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	return (int) lua_objlen(L, 1);
}

static int
table_insert(lua_State *L)
{
	BoundedWork work = {L, 0};
	int free = table_length(L) + 1;
	int position = free;

	if (lua_gettop(L) == 3)
	{
		position = luaL_checkint(L, 2);
		if (position > free)
			free = position;
		for (int i = free; i > position; i--)
		{
			lua_rawgeti(L, 1, i - 1);
			lua_rawseti(L, 1, i);
			bounded_work_done(&work, 1);
		}
	}
	else if (lua_gettop(L) != 2)
		return luaL_error(L, "wrong number of arguments to 'insert'");
	lua_rawseti(L, 1, position);
	return 0;
}

static int
table_remove(lua_State *L)
{
	BoundedWork work = {L, 0};
	int last = table_length(L);
	int position = luaL_optint(L, 2, last);

	if (position < 1 || position > last)
		return 0;
	lua_rawgeti(L, 1, position);
	for (; position < last; position++)
	{
		lua_rawgeti(L, 1, position + 1);
		lua_rawseti(L, 1, position);
		bounded_work_done(&work, 1);
	}
	lua_pushnil(L);
	lua_rawseti(L, 1, last);
	return 1;
}

static int
table_maxn(lua_State *L)
{
	BoundedWork work = {L, 0};
	lua_Number most = 0;

	luaL_checktype(L, 1, LUA_TTABLE);
	lua_pushnil(L);
	while (lua_next(L, 1) != 0)
	{
		lua_pop(L, 1);
		if (lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) > most)
			most = lua_tonumber(L, -1);
		bounded_work_done(&work, 1);
	}
	lua_pushnumber(L, most);
	return 1;
}

static int
table_foreach(lua_State *L)
{
	BoundedWork work = {L, 0};

	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_pushnil(L);
	while (lua_next(L, 1) != 0)
	{
		lua_pushvalue(L, 2);
		lua_pushvalue(L, -3);
		lua_pushvalue(L, -3);
		lua_call(L, 2, 1);
		if (!lua_isnil(L, -1))
			return 1;
		lua_pop(L, 2);
		bounded_work_done(&work, 1);
	}
	return 0;
}

static int
table_foreachi(lua_State *L)
{
	BoundedWork work = {L, 0};
	int length = table_length(L);

	luaL_checktype(L, 2, LUA_TFUNCTION);
	for (int i = 1; i <= length; i++)
	{
		lua_pushvalue(L, 2);
		lua_pushinteger(L, i);
		lua_rawgeti(L, 1, i);
		lua_call(L, 2, 1);
		if (!lua_isnil(L, -1))
			return 1;
		lua_pop(L, 1);
		bounded_work_done(&work, 1);
	}
	return 0;
}

static int
table_concat(lua_State *L)
{
	enum
	{
		PLACE = 3
	};
	BoundedWork work = {L, 0};
	size_t between_length;
	const char *between = luaL_optlstring(L, 2, "", &between_length);
	int length = table_length(L);
	int first = luaL_optint(L, 3, 1);
	int last = lua_isnoneornil(L, 4) ? length : luaL_checkint(L, 4);
	BoundedBytes result;

	lua_settop(L, PLACE);
	bounded_bytes_begin(&result, L, PLACE);
	/* Wider than int: last may be the largest there is. */
	for (long long i = first; i <= last; i++)
	{
		size_t value_length;
		const char *value;

		lua_rawgeti(L, 1, (int) i);
		if (!lua_isstring(L, -1))
			return luaL_error(L, "invalid value (%s) at index %d in table for 'concat'",
			                  luaL_typename(L, -1), (int) i);
		value = lua_tolstring(L, -1, &value_length);
		bounded_bytes_add(&result, value, value_length);
		lua_pop(L, 1);
		if (i < last)
			bounded_bytes_add(&result, between, between_length);
		bounded_work_done(&work, 1 + (value_length + between_length) / BOUNDED_SLICE);
	}
	lua_pushlstring(L, result.data, result.length);
	return 1;
}

const luaL_Reg bounded_table_functions[] = {
    {"insert", table_insert},   {"remove", table_remove},
    {"maxn", table_maxn},       {"concat", table_concat},
    {"foreach", table_foreach}, {"foreachi", table_foreachi},
    {"sort", bounded_sort},     {NULL, NULL}};
