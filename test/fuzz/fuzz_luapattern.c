/* SPDX-License-Identifier: PostgreSQL
 *
 * fuzz_luapattern.c: any pattern against any subject, in our matcher and in Lua's own.
 *
 *      | options | init | most | length of the pattern | ... of the template | pattern | template | subject |
 *         1         1      1             1                       1
 *
 * find, match, gmatch, and gsub with the template, with a function and with a table must give the
 * same results, errors and calls (compare() in luapair.h).  Ours goes first within so many ticks;
 * what is too long for them is not given to Lua's own, which would not end.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "test/unit/luapair.h"

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static lua_State *L;
	const char *text = (const char *) data + 5;
	size_t pattern_length;
	size_t template_length;

	if (size < 5)
		return 0;
	if (L == NULL && (L = luapair_open()) == NULL)
		abort();
	size -= 5;
	pattern_length = data[3] < size ? data[3] : size;
	size -= pattern_length;
	template_length = data[4] < size ? data[4] : size;
	size -= template_length;

	lua_getglobal(L, "compare");
	lua_pushlstring(L, text + pattern_length + template_length, size);
	lua_pushlstring(L, text, pattern_length);
	if ((data[0] & 1) != 0)
		lua_pushinteger(L, (lua_Integer) data[1] - 128);
	else
		lua_pushnil(L);
	lua_pushboolean(L, (data[0] & 2) != 0);
	lua_pushlstring(L, text + pattern_length, template_length);
	if ((data[0] & 4) != 0)
		lua_pushinteger(L, (lua_Integer) data[2] - 2);
	else
		lua_pushnil(L);
	lua_pushinteger(L, 6 + data[0] / 64);
	if (lua_pcall(L, 7, 0, 0) != 0)
	{
		fprintf(stderr, "%s\n", lua_tostring(L, -1));
		abort();
	}
	return 0;
}
