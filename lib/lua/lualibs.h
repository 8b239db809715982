/* SPDX-License-Identifier: PostgreSQL
 *
 * lualibs.h: the libraries that a Redis script finds beside Lua 5.1's own: cjson, cmsgpack, struct
 * and bit.
 *
 * They answer as those of redis-server 7 do, with the same errors in the same words, because
 * scripts hand both on to clients.  They are our own because scripts come from clients and run in
 * the server's process:
 *
 *   memory      All of it comes from Lua: buffers are userdata.  So the limit that the state's
 *               allocator sets holds, and where it ends there is Lua's "not enough memory".
 *   the stack   What is nested is walked in a loop.  Only cmsgpack.pack recurses, 16 levels deep,
 *               where it ends, as Redis's does.  A call takes at most 100 KB of C's stack.
 *   time        Loops tick (tick.h) once for some 4096 elements, or 64 KB of text; but not in the middle
 *               of a string that is copied in one piece, or of a number.
 *   state       None but in the Lua state: what cjson is told to do belongs to its table there.
 *
 * A library may be left by longjmp at any call into Lua, with nothing to clean up.
 *
 * Numbers are read and written by the C library, as Lua's own are, and likewise depend on
 * LC_NUMERIC, which PostgreSQL leaves at "C".
 */
#ifndef PGFIRST_LUALIBS_H
#define PGFIRST_LUALIBS_H

#include <lua.h>

/*
 * Each makes its library's table, sets the global of its name to it, leaves it on the stack and
 * returns 1.  They want four free places on the stack, and raise an error when memory runs out.
 */
extern int pgfirst_lua_open_cjson(lua_State *L);
extern int pgfirst_lua_open_cmsgpack(lua_State *L);
extern int pgfirst_lua_open_struct(lua_State *L);
extern int pgfirst_lua_open_bit(lua_State *L);

#endif
