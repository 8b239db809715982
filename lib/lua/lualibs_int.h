/* SPDX-License-Identifier: PostgreSQL
 *
 * lualibs_int.h: what the four libraries share: making a library, bytes that grow, and ticks.
 */
#ifndef PGFIRST_LUALIBS_INT_H
#define PGFIRST_LUALIBS_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <lua.h>
#include <lauxlib.h>

#include "lib/lua/lualibs.h"

/*
 * Levels of nesting that a loop keeps account of.  Each level has at least one value on the stack of
 * a C function, which Lua limits to this number, so that Lua always is the first to refuse.
 */
#define LUALIBS_LEVELS LUAI_MAXCSTACK

/* Puts the functions into the table under `upvalues` values at the top, gives each of them those as
 * upvalues, and takes them off. */
extern void lualibs_functions_set(lua_State *L, const luaL_Reg *functions, int upvalues);

/* ---- ticks ------------------------------------------------------------------------------- */

#define LUALIBS_WORK  4096 /* elements from one tick to the next */
#define LUALIBS_SLICE 16   /* bytes of a string that weigh as much as an element */

typedef struct LuaWork
{
	lua_State *L;
	PgfirstLuaTick tick;
	size_t done; /* since the last tick */
} LuaWork;

extern void lualibs_work_begin(LuaWork *work, lua_State *L);
extern void lualibs_work_tick(LuaWork *work);

static inline void
lualibs_work_done(LuaWork *work, size_t elements)
{
	work->done += elements;
	if (work->done >= LUALIBS_WORK)
		lualibs_work_tick(work);
}

/* ---- bytes ------------------------------------------------------------------------------- */

/*
 * A run of bytes that grows: first in the struct itself, then in userdata, which lies at `place` of
 * the stack as long as it is in use.  Growing takes one more place at the top for a moment.
 *
 * No sum of lengths can overflow: each is of something that is in memory.
 */
typedef struct LuaBytes
{
	lua_State *L;
	int place;
	char *data;
	size_t length;
	size_t capacity;
	char first[1024];
} LuaBytes;

/* place holds nil, or anything else that may be lost. */
extern void lualibs_bytes_begin(LuaBytes *bytes, lua_State *L, int place);
/* Room for `more` bytes behind length; returns where they go. */
extern char *lualibs_bytes_reserve(LuaBytes *bytes, size_t more);
extern void lualibs_bytes_add(LuaBytes *bytes, const char *data, size_t length);
extern void lualibs_bytes_push(LuaBytes *bytes); /* a string, at the top of the stack */

static inline void
lualibs_bytes_add_char(LuaBytes *bytes, char byte)
{
	*lualibs_bytes_reserve(bytes, 1) = byte;
	bytes->length++;
}

#endif
