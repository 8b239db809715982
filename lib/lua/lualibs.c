/* SPDX-License-Identifier: PostgreSQL
 *
 * lualibs.c: what the four libraries share: making a library, bytes that grow, and ticks.
 *
 * luaL_Buffer would do for bytes, but it goes by single characters and joins pieces of 8 KB again and
 * again.  Userdata that doubles copies each byte twice at most.
 */
#include "lib/lua/lualibs_int.h"

#include <string.h>

void
lualibs_work_begin(LuaWork *work, lua_State *L)
{
	work->L = L;
	work->done = 0;
}

void
lualibs_work_tick(LuaWork *work)
{
	work->done = 0;
	pgfirst_lua_tick(work->L);
}

void
lualibs_functions_set(lua_State *L, const luaL_Reg *functions, int upvalues)
{
	for (; functions->name != NULL; functions++)
	{
		for (int i = 0; i < upvalues; i++)
			lua_pushvalue(L, -upvalues);
		lua_pushcclosure(L, functions->func, upvalues);
		lua_setfield(L, -upvalues - 2, functions->name);
	}
	lua_pop(L, upvalues);
}

void
lualibs_bytes_begin(LuaBytes *bytes, lua_State *L, int place)
{
	bytes->L = L;
	bytes->place = place;
	bytes->data = bytes->first;
	bytes->length = 0;
	bytes->capacity = sizeof(bytes->first);
}

char *
lualibs_bytes_reserve(LuaBytes *bytes, size_t more)
{
	size_t needed = bytes->length + more;

	if (needed > bytes->capacity)
	{
		size_t capacity = needed > 2 * bytes->capacity ? needed : 2 * bytes->capacity;
		char *data = lua_newuserdata(bytes->L, capacity);

		memcpy(data, bytes->data, bytes->length);
		/* The old userdata, if any, is garbage from here on. */
		lua_replace(bytes->L, bytes->place);
		bytes->data = data;
		bytes->capacity = capacity;
	}
	return bytes->data + bytes->length;
}

void
lualibs_bytes_add(LuaBytes *bytes, const char *data, size_t length)
{
	memcpy(lualibs_bytes_reserve(bytes, length), data, length);
	bytes->length += length;
}

void
lualibs_bytes_push(LuaBytes *bytes)
{
	lua_pushlstring(bytes->L, bytes->data, bytes->length);
}
