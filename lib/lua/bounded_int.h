/* SPDX-License-Identifier: PostgreSQL
 *
 * bounded_int.h: what the files of the bounded functions share: the count of steps up to a tick, and
 * bytes that grow.
 */
#ifndef PGFIRST_LUA_BOUNDED_INT_H
#define PGFIRST_LUA_BOUNDED_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <lua.h>
#include <lauxlib.h>

#include "lib/lua/tick.h"

/* ---- steps ------------------------------------------------------------------------------- */

#define BOUNDED_STEPS 4096 /* from one tick to the next; each takes some nanoseconds */
#define BOUNDED_SLICE 16   /* bytes of a string that are copied or compared in a step's time */

/* A function that handles a whole string at once ticks if the string is longer than that. */
#define BOUNDED_LONG ((size_t) BOUNDED_STEPS * BOUNDED_SLICE)

typedef struct BoundedWork
{
	lua_State *L;
	size_t done; /* since the last tick */
} BoundedWork;

static inline void
bounded_work_done(BoundedWork *work, size_t steps)
{
	work->done += steps;
	if (work->done >= BOUNDED_STEPS)
	{
		work->done = 0;
		pgfirst_lua_tick(work->L);
	}
}

/* Before work on a whole string of the length. */
static inline void
bounded_string_work(lua_State *L, size_t length)
{
	if (length >= BOUNDED_LONG)
		pgfirst_lua_tick(L);
}

/* Whether they are equal; ticks as long ones are compared. */
extern bool bounded_bytes_equal(BoundedWork *work, const char *a, const char *b, size_t length);

/* ---- bytes ------------------------------------------------------------------------------- */

/*
 * A string that grows: first in the struct itself, then in userdata at `place` of Lua's stack, so
 * that an error leaves nothing behind.  luaL_Buffer would take 8 KB of C's stack for each of up to
 * 200 nested calls.  No sum of lengths overflows: what is added is in memory already.
 */
typedef struct BoundedBytes
{
	lua_State *L;
	int place; /* holds nil before */
	char *data;
	size_t length;
	size_t capacity;
	char first[256];
} BoundedBytes;

extern void bounded_bytes_begin(BoundedBytes *bytes, lua_State *L, int place);
/* Room for `more` behind length; takes a place at the top of Lua's stack for a moment. */
extern char *bounded_bytes_reserve(BoundedBytes *bytes, size_t more);
extern void bounded_bytes_add(BoundedBytes *bytes, const char *data, size_t length);

/* ---- the functions ----------------------------------------------------------------------- */

/* A position as scripts give it, from the end if negative, in a string of the length; not below 0. */
static inline ptrdiff_t
bounded_position(lua_Integer position, size_t length)
{
	if (position < 0)
		position += (ptrdiff_t) length + 1;
	return position > 0 ? position : 0;
}

extern const luaL_Reg bounded_search_functions[];
extern const luaL_Reg bounded_string_functions[];
extern const luaL_Reg bounded_table_functions[];
extern int bounded_sort(lua_State *L);

#endif
