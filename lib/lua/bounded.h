/* SPDX-License-Identifier: PostgreSQL
 *
 * bounded.h: Lua 5.1's own libraries made fit for scripts of strangers.
 */
#ifndef PGFIRST_LUA_BOUNDED_H
#define PGFIRST_LUA_BOUNDED_H

#include <lua.h>

/*
 * Replaces, in a state where base, string and table are open, those of their functions that could
 * run long or deep in C where no hook is called.  What they answer, and their errors, stay Lua
 * 5.1.5's to the letter, except as said in bounded.c.  From then on they tick (tick.h).
 *
 * To be called once, before any script runs.  Wants ten free places on the stack; raises an error
 * when memory runs out.
 */
extern void pgfirst_lua_bound(lua_State *L);

#endif
