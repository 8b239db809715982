/* SPDX-License-Identifier: PostgreSQL
 *
 * tick.c: the tick's place is the state's registry, under the address of a constant here, which no
 * other library can use by accident and no script can reach.  One lookup in thousands of steps.
 */
#include "lib/lua/tick.h"

#include <string.h>

static const char tick_key = 0;

void
pgfirst_lua_set_tick(lua_State *L, PgfirstLuaTick tick)
{
	/* Not light userdata: C does not promise that a function's address fits there. */
	lua_pushlightuserdata(L, (void *) &tick_key);
	memcpy(lua_newuserdata(L, sizeof(tick)), &tick, sizeof(tick));
	lua_rawset(L, LUA_REGISTRYINDEX);
}

void
pgfirst_lua_tick(lua_State *L)
{
	PgfirstLuaTick tick = NULL;
	const void *kept;

	lua_pushlightuserdata(L, (void *) &tick_key);
	lua_rawget(L, LUA_REGISTRYINDEX);
	kept = lua_touserdata(L, -1);
	if (kept != NULL)
		memcpy(&tick, kept, sizeof(tick));
	lua_pop(L, 1);
	if (tick != NULL)
		tick(L);
}
