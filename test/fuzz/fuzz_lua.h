/* SPDX-License-Identifier: PostgreSQL
 *
 * fuzz_lua.h: what the fuzzers of lib/lua share: a Lua state for each input, and in it a function written in
 * Lua that is called with the input and says what must hold.
 *
 * The last byte of an input decides when memory runs out, in one input of four: an error then is fine.
 * In all others an error is fine only if it does not begin with "broken".
 */
#ifndef PGFIRST_FUZZ_LUA_H
#define PGFIRST_FUZZ_LUA_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "test/unit/lua_state.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void
fuzz_lua_require(bool condition, const char *what)
{
	if (!condition)
	{
		fprintf(stderr, "%s\n", what);
		abort();
	}
}

/* `source` is a chunk; the input is its argument. */
static inline void
fuzz_lua_run(const char *source, const uint8_t *data, size_t size)
{
	TestLuaMemory memory = {.limit = (size_t) 256 << 20, .remaining = -1};
	lua_State *L;

	if (size == 0)
		return;
	L = test_lua_new(&memory);
	fuzz_lua_require(L != NULL && luaL_loadstring(L, source) == 0, "there is no state");
	lua_pushlstring(L, (const char *) data, size - 1);
	if (data[size - 1] < 64)
		memory.remaining = data[size - 1];
	if (lua_pcall(L, 1, 0, 0) != 0)
		fuzz_lua_require(strncmp(lua_tostring(L, -1), "broken", 6) != 0, lua_tostring(L, -1));
	lua_close(L);
	fuzz_lua_require(memory.in_use == 0, "memory is left");
}

#endif
