/* SPDX-License-Identifier: PostgreSQL
 *
 * bounded.c: which of Lua 5.1's own functions are replaced, and why the others may stay.
 *
 * A script comes from a client and runs in the server's process.  The engine bounds its memory, by
 * the state's allocator, to some 128 MB, and its time, by a hook that Lua calls every so many
 * instructions.  But the hook is not called while a C function runs.  So each function was looked at
 * for three things: time that the memory does not bound, stack of C, and what a script could do to
 * go on without the hook.  In the end two sizes of time count: a single call, and as many calls as
 * there are between two hooks, with the longest strings and tables that there can be.
 *
 *   replaced    string.find match gmatch gfind gsub   deep recursion, exponential time (pattern.c)
 *               table.sort                            quadratic time (sort.c)
 *               string.rep                            two thousand million times nothing (strings.c)
 *               table.insert                          at -2147483648 (tables.c)
 *               string.sub lower upper reverse, table.concat remove maxn foreach foreachi
 *                                                     linear, but often called
 *   wrapped     string.format dump                    linear, but often called: tick when the result
 *                                                     is long
 *   changed     collectgarbage    A full cycle takes as long as memory is large: it ticks.  The
 *                                 collector's pace belongs to the engine: with a pause and a step
 *                                 of 0 every allocation would be a full cycle.  stop, restart,
 *                                 setpause and setstepmul answer as ever and change nothing.
 *               load loadstring   Text only.  Bytecode is not checked by Lua 5.1, and made by hand
 *                                 it reads and writes any memory.  It is taken for text, and so
 *                                 its first byte is a syntax error, with the words that the
 *                                 parser has for it.
 *   removed     newproxy          Userdata whose metatable a script can get at: its __gc is called
 *                                 with all hooks off, and may loop for ever.
 *   may stay    string.byte, unpack    8000 results at most, the limit of C functions' stack
 *               string.char len        linear in arguments, of which there are at most 8000; constant
 *               table.getn setn        a search by halves; an error
 *               tostring, tonumber     call Lua or are linear; __tostring that calls tostring ends
 *                                      at 200 C calls, less than 200 KB of C's stack
 *               pcall, xpcall, error, assert, coroutine.*, metamethods in a chain
 *                                      end at 200 C calls, counted across coroutines, or at 100
 *                                      links
 *               next, pairs, ipairs    next skips what is empty: linear in the table's size
 *               math.*, select, rawequal, rawget, rawset, type, gcinfo, getmetatable,
 *               setmetatable, getfenv, setfenv
 *                                      constant
 *
 * Operators are not functions and stay too: a .. b and a < b of long strings are linear, the latter
 * by the C library's strcoll().  load's parser ends at 200 levels.  What reads files (dofile,
 * loadfile, io, require) or prints is for the engine to leave out.
 */
#include "lib/lua/bounded.h"

#include <lualib.h>
#include <string.h>

#include "lib/lua/bounded_int.h"

/* ---- steps and bytes --------------------------------------------------------------------- */

bool
bounded_bytes_equal(BoundedWork *work, const char *a, const char *b, size_t length)
{
	while (length > BOUNDED_LONG)
	{
		if (memcmp(a, b, BOUNDED_LONG) != 0)
			return false;
		a += BOUNDED_LONG;
		b += BOUNDED_LONG;
		length -= BOUNDED_LONG;
		bounded_work_done(work, BOUNDED_STEPS);
	}
	bounded_work_done(work, length / BOUNDED_SLICE);
	return memcmp(a, b, length) == 0;
}

void
bounded_bytes_begin(BoundedBytes *bytes, lua_State *L, int place)
{
	bytes->L = L;
	bytes->place = place;
	bytes->data = bytes->first;
	bytes->length = 0;
	bytes->capacity = sizeof(bytes->first);
}

char *
bounded_bytes_reserve(BoundedBytes *bytes, size_t more)
{
	size_t needed = bytes->length + more;

	if (needed > bytes->capacity)
	{
		size_t capacity = needed > 2 * bytes->capacity ? needed : 2 * bytes->capacity;
		char *data = lua_newuserdata(bytes->L, capacity);

		bounded_string_work(bytes->L, bytes->length);
		memcpy(data, bytes->data, bytes->length);
		lua_replace(bytes->L, bytes->place);
		bytes->data = data;
		bytes->capacity = capacity;
	}
	return bytes->data + bytes->length;
}

void
bounded_bytes_add(BoundedBytes *bytes, const char *data, size_t length)
{
	memcpy(bounded_bytes_reserve(bytes, length), data, length);
	bytes->length += length;
}

/* ---- functions that tick when their result, a string, is long ------------------------------ */

/*
 * Lua's own function is the upvalue.  It is not called through Lua but as a part of this one, so
 * that its errors name the script's line and the function as the script calls it.
 */
static int
call_ticking(lua_State *L)
{
	int results = lua_tocfunction(L, lua_upvalueindex(1))(L);

	bounded_string_work(L, lua_objlen(L, -1));
	return results;
}

/* ---- collectgarbage ---------------------------------------------------------------------- */

/* The pace that is set, which cannot be asked for but by setting another. */
static int
collector_pace(lua_State *L, int what)
{
	int pace = lua_gc(L, what, 200);

	lua_gc(L, what, pace);
	return pace;
}

static int
base_collectgarbage(lua_State *L)
{
	static const char *const names[] = {"collect", "count",    "step",       "stop",
	                                    "restart", "setpause", "setstepmul", NULL};
	int option = luaL_checkoption(L, 1, "collect", names);
	int size = luaL_optint(L, 2, 0);

	switch (option)
	{
		case 0:
			pgfirst_lua_tick(L);
			lua_pushnumber(L, lua_gc(L, LUA_GCCOLLECT, 0));
			break;
		case 1:
			lua_pushnumber(L, lua_gc(L, LUA_GCCOUNT, 0) + lua_gc(L, LUA_GCCOUNTB, 0) / 1024.0);
			break;
		case 2:
			pgfirst_lua_tick(L);
			lua_pushboolean(L, lua_gc(L, LUA_GCSTEP, size));
			break;
		case 5:
			lua_pushnumber(L, collector_pace(L, LUA_GCSETPAUSE));
			break;
		case 6:
			lua_pushnumber(L, collector_pace(L, LUA_GCSETSTEPMUL));
			break;
		default:
			lua_pushnumber(L, 0);
			break;
	}
	return 1;
}

/* ---- load and loadstring ----------------------------------------------------------------- */

/*
 * Lua takes what begins with an escape character for bytecode.  Every chunk is given to it behind a
 * space, which changes no text, not even the numbers of its lines.  It ticks between two pieces, which are
 * small: the parser can be made to take tens of microseconds for a byte.
 */
#define CHUNK_PIECE 4096

typedef struct ChunkSource
{
	const char *text; /* NULL: from the function at 1, whose last piece is kept at 3 */
	size_t length;
	bool begun;
} ChunkSource;

static const char *
chunk_read(lua_State *L, void *context, size_t *length)
{
	ChunkSource *source = context;
	const char *piece = source->text;

	if (!source->begun)
	{
		source->begun = true;
		*length = 1;
		return " ";
	}
	pgfirst_lua_tick(L);
	if (piece != NULL)
	{
		*length = source->length < CHUNK_PIECE ? source->length : CHUNK_PIECE;
		source->text += *length;
		source->length -= *length;
		return *length > 0 ? piece : NULL;
	}
	luaL_checkstack(L, 2, "too many nested functions");
	lua_pushvalue(L, 1);
	lua_call(L, 0, 1);
	*length = 0;
	if (lua_isnil(L, -1))
	{
		lua_pop(L, 1);
		return NULL;
	}
	if (!lua_isstring(L, -1))
		luaL_error(L, "reader function must return a string");
	lua_replace(L, 3);
	return lua_tolstring(L, 3, length);
}

/* The function, or nil and the error. */
static int
chunk_load(lua_State *L, ChunkSource *source, const char *name)
{
	if (lua_load(L, chunk_read, source, name) == 0)
		return 1;
	lua_pushnil(L);
	lua_insert(L, -2);
	return 2;
}

static int
base_load(lua_State *L)
{
	ChunkSource source = {NULL, 0, false};
	const char *name = luaL_optstring(L, 2, "=(load)");

	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 3);
	return chunk_load(L, &source, name);
}

static int
base_loadstring(lua_State *L)
{
	ChunkSource source = {NULL, 0, false};
	const char *name;

	source.text = luaL_checklstring(L, 1, &source.length);
	name = luaL_optstring(L, 2, source.text);
	return chunk_load(L, &source, name);
}

/* ---- all of them ------------------------------------------------------------------------- */

static const luaL_Reg base_functions[] = {{"collectgarbage", base_collectgarbage},
                                          {"load", base_load},
                                          {"loadstring", base_loadstring},
                                          {NULL, NULL}};

/* Into the table at the top. */
static void
functions_replace(lua_State *L, const luaL_Reg *functions)
{
	for (; functions->name != NULL; functions++)
	{
		lua_pushcfunction(L, functions->func);
		lua_setfield(L, -2, functions->name);
	}
}

/* In the table at the top. */
static void
function_wrap(lua_State *L, const char *name)
{
	lua_getfield(L, -1, name);
	lua_pushcclosure(L, call_ticking, 1);
	lua_setfield(L, -2, name);
}

void
pgfirst_lua_bound(lua_State *L)
{
	lua_getglobal(L, LUA_STRLIBNAME);
	functions_replace(L, bounded_search_functions);
	functions_replace(L, bounded_string_functions);
	/* Lua 5.0's name for it; one function with two names. */
	lua_getfield(L, -1, "gmatch");
	lua_setfield(L, -2, "gfind");
	function_wrap(L, "format");
	function_wrap(L, "dump");
	lua_pop(L, 1);

	lua_getglobal(L, LUA_TABLIBNAME);
	functions_replace(L, bounded_table_functions);
	lua_pop(L, 1);

	lua_pushvalue(L, LUA_GLOBALSINDEX);
	functions_replace(L, base_functions);
	lua_pushnil(L);
	lua_setfield(L, -2, "newproxy");
	lua_pop(L, 1);
}
