/* SPDX-License-Identifier: PostgreSQL
 *
 * lua_state.h: a Lua state for the unit tests and the fuzzers of lib/lua: Lua's own harmless libraries
 * and ours, and memory with a limit, all of which is counted.
 */
#ifndef PGFIRST_TEST_LUA_STATE_H
#define PGFIRST_TEST_LUA_STATE_H

#include <stddef.h>
#include <stdlib.h>
#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>

#include "lib/lua/lualibs.h"

typedef struct TestLuaMemory
{
	size_t in_use;
	size_t limit;
	long remaining; /* allocations that still succeed; negative: all of them */
} TestLuaMemory;

static inline void *
test_lua_resize(void *context, void *block, size_t old_size, size_t size)
{
	TestLuaMemory *memory = context;
	void *new;

	if (size == 0)
	{
		memory->in_use -= old_size;
		free(block);
		return NULL;
	}
	/* Lua relies on it that what shrinks can be had. */
	if (size > old_size)
	{
		if (memory->remaining == 0 || size - old_size > memory->limit - memory->in_use)
			return NULL;
		if (memory->remaining > 0)
			memory->remaining--;
	}
	new = realloc(block, size);
	if (new != NULL)
		memory->in_use += size - old_size;
	return new;
}

static inline int
test_lua_open(lua_State *L)
{
	const luaL_Reg libraries[] = {
	    {"", luaopen_base},
	    {"table", luaopen_table},
	    {"string", luaopen_string},
	    {"math", luaopen_math},
	    {"cjson", pgfirst_lua_open_cjson},
	    {"cmsgpack", pgfirst_lua_open_cmsgpack},
	    {"struct", pgfirst_lua_open_struct},
	    {"bit", pgfirst_lua_open_bit},
	};

	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++)
	{
		lua_pushcfunction(L, libraries[i].func);
		lua_pushstring(L, libraries[i].name);
		lua_call(L, 1, 0);
	}
	return 0;
}

/* NULL, or a state with all libraries; there is memory for that. */
static inline lua_State *
test_lua_new(TestLuaMemory *memory)
{
	lua_State *L = lua_newstate(test_lua_resize, memory);

	if (L != NULL && lua_cpcall(L, test_lua_open, NULL) != 0)
	{
		lua_close(L);
		return NULL;
	}
	return L;
}

#endif
