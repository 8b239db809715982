/* SPDX-License-Identifier: PostgreSQL
 *
 * tick.h: how long work in C lets the engine look at the clock.
 *
 * The hook that counts a script's instructions is not called while a C function runs.  So a function
 * whose work a script can make long calls pgfirst_lua_tick() once for every few thousand of its
 * steps, and what the engine has set looks whether the script may go on.
 */
#ifndef PGFIRST_LUA_TICK_H
#define PGFIRST_LUA_TICK_H

#include <lua.h>

/*
 * Either returns, with the stack as it was and at most five places of it used meanwhile, or raises
 * a Lua error, which ends the function that ticks.
 */
typedef void (*PgfirstLuaTick)(lua_State *L);

/* For the state and all its coroutines; NULL for none.  Raises an error when memory runs out. */
extern void pgfirst_lua_set_tick(lua_State *L, PgfirstLuaTick tick);

/* Calls it, if one is set.  Wants two free places on the stack, besides the tick's own. */
extern void pgfirst_lua_tick(lua_State *L);

#endif
