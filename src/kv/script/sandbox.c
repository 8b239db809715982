/* SPDX-License-Identifier: PostgreSQL
 *
 * sandbox.c: what a script finds, and cannot change.
 *
 * As in Redis 7: Lua's base functions without those that reach files or other code, the libraries string,
 * table, math and coroutine, redis, cjson, cmsgpack, struct and bit, and the globals KEYS and ARGV; all
 * of them read-only, because the next script, of another client, finds the same tables.
 *
 * Lua 5.1 knows no read-only tables.  Scripts hold an empty table in place of each (the guard), whose
 * metatable leads to the original and refuses changes.  What would go past the metatable (rawset,
 * rawget, next, setmetatable, table.insert) is replaced by functions that know guards.  No script ever
 * holds an original:
 *
 *     globals of a script = guard -> originals of all globals -> "nonexistent global variable"
 *     string, table, …    = guard -> the library
 *     ("x"):upper()         the metatable of strings leads to the library; getmetatable("") gives a
 *                           guard of a copy that leads to its guard
 *
 * Lua 5.1 also trusts its programs more than a server may.  Replaced therefore:
 *
 *     load, loadstring      the parser loses what the collector takes meanwhile: it stands still
 *     coroutine.resume,     run the other coroutine on the C stack, as deep as one likes: they ask how
 *     .wrap, pcall, xpcall  deep it is.  And none of them catches the end of a run (kv_run_unwind).
 *     string.find, …        and all else that takes long in C, or takes precompiled code: see lib/lua/bounded.c
 *     math.random           Redis's generator, which begins anywhere and goes on from script to script;
 *                           the C library's belongs to PostgreSQL
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "kv/script/script_int.h"
#include "lib/lua/bounded.h"
#include "lib/lua/lualibs.h"
#include "lib/lua/tick.h"

#define READ_ONLY    "Attempt to modify a readonly table"
#define RANDOM_START 0x330E /* of the generator lrand48(), below the seed */
#define RANDOM_MAX   PG_INT32_MAX

/* The key under which the metatable of a guard has the original; its address is what counts. */
static const char original_key;
/* In the registry: the table of global variables, and the guard for the metatable of strings. */
static const char globals_key;
static const char string_guard_key;

/* ---- guards ---------------------------------------------------------------------------------- */

/* If the value at `index` is a guard: true, with its original on the stack. */
static bool
guard_original(lua_State *lua, int index)
{
	if (!lua_istable(lua, index) || !lua_getmetatable(lua, index))
		return false;
	lua_pushlightuserdata(lua, unconstify(char *, &original_key));
	lua_rawget(lua, -2);
	lua_remove(lua, -2);
	if (!lua_isnil(lua, -1))
		return true;
	lua_pop(lua, 1);
	return false;
}

static bool
is_guard(lua_State *lua, int index)
{
	if (!guard_original(lua, index))
		return false;
	lua_pop(lua, 1);
	return true;
}

/* As Redis words it from within a function of C: without the place in the script. */
static int
raise_read_only(lua_State *lua)
{
	lua_pushliteral(lua, READ_ONLY);
	return lua_error(lua);
}

static int
guard_newindex(lua_State *lua)
{
	return luaL_error(lua, READ_ONLY);
}

void
kv_sandbox_protect(lua_State *lua)
{
	lua_newtable(lua); /* the guard */
	lua_newtable(lua); /* its metatable */
	lua_pushvalue(lua, -3);
	lua_setfield(lua, -2, "__index");
	lua_pushcfunction(lua, guard_newindex);
	lua_setfield(lua, -2, "__newindex");
	lua_pushboolean(lua, 0);
	lua_setfield(lua, -2, "__metatable");
	lua_pushlightuserdata(lua, unconstify(char *, &original_key));
	lua_pushvalue(lua, -4);
	lua_rawset(lua, -3);
	lua_setmetatable(lua, -2);
	lua_replace(lua, -2);
}

/* ---- functions that know guards ---------------------------------------------------------------- */

/* rawget(table, key) */
static int
base_rawget(lua_State *lua)
{
	luaL_checktype(lua, 1, LUA_TTABLE);
	luaL_checkany(lua, 2);
	lua_settop(lua, 2);
	if (guard_original(lua, 1))
		lua_replace(lua, 1);
	lua_rawget(lua, 1);
	return 1;
}

/* rawset(table, key, value) */
static int
base_rawset(lua_State *lua)
{
	luaL_checktype(lua, 1, LUA_TTABLE);
	luaL_checkany(lua, 2);
	luaL_checkany(lua, 3);
	lua_settop(lua, 3);
	if (is_guard(lua, 1))
		return raise_read_only(lua);
	lua_rawset(lua, 1);
	return 1;
}

/* next(table [, key]) */
static int
base_next(lua_State *lua)
{
	luaL_checktype(lua, 1, LUA_TTABLE);
	lua_settop(lua, 2);
	if (guard_original(lua, 1))
		lua_replace(lua, 1);
	if (lua_next(lua, 1))
		return 2;
	lua_pushnil(lua);
	return 1;
}

/* pairs(table) */
static int
base_pairs(lua_State *lua)
{
	luaL_checktype(lua, 1, LUA_TTABLE);
	lua_pushvalue(lua, lua_upvalueindex(1));
	lua_pushvalue(lua, 1);
	lua_pushnil(lua);
	return 3;
}

/* getmetatable(value) */
static int
base_getmetatable(lua_State *lua)
{
	luaL_checkany(lua, 1);
	if (lua_type(lua, 1) == LUA_TSTRING)
	{
		lua_pushlightuserdata(lua, unconstify(char *, &string_guard_key));
		lua_rawget(lua, LUA_REGISTRYINDEX);
	}
	else if (is_guard(lua, 1) || !lua_getmetatable(lua, 1))
		lua_pushnil(lua);
	else
		(void) luaL_getmetafield(lua, 1, "__metatable"); /* in place of the metatable, if there */
	return 1;
}

/* setmetatable(table, metatable) */
static int
base_setmetatable(lua_State *lua)
{
	int type = lua_type(lua, 2);

	luaL_checktype(lua, 1, LUA_TTABLE);
	luaL_argcheck(lua, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table expected");
	if (is_guard(lua, 1))
		return raise_read_only(lua);
	if (luaL_getmetafield(lua, 1, "__metatable"))
		return luaL_error(lua, "cannot change a protected metatable");
	lua_settop(lua, 2);
	lua_setmetatable(lua, 1);
	return 1;
}

/* table.insert(table, [position,] value); the function that it stands for is upvalue 1. */
static int
table_insert(lua_State *lua)
{
	if (is_guard(lua, 1))
		return raise_read_only(lua);
	return lua_tocfunction(lua, lua_upvalueindex(1))(lua);
}

/* ---- loading code ------------------------------------------------------------------------------ */

static void pass_on_stop(lua_State *lua);

/*
 * loadstring(text [, name]); upvalue 1 is that of lib/lua, which refuses precompiled code.  What Lua 5.1's parser
 * has read is known to nobody while it works, so the collector stands still.
 */
static int
base_loadstring(lua_State *lua)
{
	int results;

	/* What is wrong with these would end the function with the collector standing still. */
	(void) luaL_optstring(lua, 2, luaL_checkstring(lua, 1));
	lua_gc(lua, LUA_GCSTOP, 0);
	kv_run->state->parsing = true;
	results = lua_tocfunction(lua, lua_upvalueindex(1))(lua);
	kv_run->state->parsing = false;
	lua_gc(lua, LUA_GCRESTART, 0);
	pass_on_stop(lua);
	return results;
}

/*
 * load(function [, name]): all pieces are there before the parser begins, because the function could
 * have the collector run.  Upvalues: table.concat, loadstring.
 */
static int
base_load(lua_State *lua)
{
	const char *name = luaL_optstring(lua, 2, "=(load)");

	luaL_checktype(lua, 1, LUA_TFUNCTION);
	lua_settop(lua, 2);
	lua_newtable(lua);
	for (int i = 1;; i++)
	{
		lua_pushvalue(lua, 1);
		lua_call(lua, 0, 1);
		if (lua_isnil(lua, -1) || (lua_isstring(lua, -1) && lua_objlen(lua, -1) == 0))
			break;
		if (!lua_isstring(lua, -1))
			return luaL_error(lua, "reader function must return a string");
		lua_rawseti(lua, 3, i);
	}
	lua_settop(lua, 3);
	lua_pushvalue(lua, lua_upvalueindex(2));
	lua_pushvalue(lua, lua_upvalueindex(1));
	lua_pushvalue(lua, 3);
	lua_call(lua, 1, 1);
	lua_pushstring(lua, name);
	lua_call(lua, 2, LUA_MULTRET);
	return lua_gettop(lua) - 3;
}

/* ---- calls that could go too deep, or catch what they must not ----------------------------------- */

static void
check_depth(lua_State *lua)
{
	if (stack_is_too_deep())
		luaL_error(lua, "stack overflow");
}

/* After something that catches errors: the end of a run is none. */
static void
pass_on_stop(lua_State *lua)
{
	if (kv_run && kv_run->stop != KV_STOP_NOT)
		kv_run_unwind(lua);
}

/* As in Redis, an error of a command reaches who has caught it as its text. */
static void
error_as_text(lua_State *lua)
{
	if (!lua_istable(lua, -1))
		return;
	lua_pushliteral(lua, "err");
	lua_rawget(lua, -2);
	if (lua_isstring(lua, -1))
		lua_replace(lua, -2);
	else
		lua_pop(lua, 1);
}

/* pcall(function, ...) */
static int
base_pcall(lua_State *lua)
{
	int status;

	luaL_checkany(lua, 1);
	check_depth(lua);
	status = lua_pcall(lua, lua_gettop(lua) - 1, LUA_MULTRET, 0);
	pass_on_stop(lua);
	if (status != 0)
		error_as_text(lua);
	lua_pushboolean(lua, status == 0);
	lua_insert(lua, 1);
	return lua_gettop(lua);
}

/*
 * Calls the handler of xpcall(), upvalue 1; but not when the run ends: where a hook has raised that, Lua
 * calls no hook, and the handler could go on for ever.
 */
static int
error_handled(lua_State *lua)
{
	if (kv_run && kv_run->stop != KV_STOP_NOT)
		return 1;
	lua_pushvalue(lua, lua_upvalueindex(1));
	lua_insert(lua, 1);
	lua_call(lua, 1, 1);
	return 1;
}

/* xpcall(function, handler) */
static int
base_xpcall(lua_State *lua)
{
	int status;

	luaL_checkany(lua, 2);
	check_depth(lua);
	lua_settop(lua, 2);
	lua_pushcclosure(lua, error_handled, 1);
	lua_insert(lua, 1);
	status = lua_pcall(lua, 0, LUA_MULTRET, 1);
	pass_on_stop(lua);
	lua_pushboolean(lua, status == 0);
	lua_replace(lua, 1);
	return lua_gettop(lua);
}

/* coroutine.resume(coroutine, ...); Lua's own is upvalue 1. */
static int
coroutine_resume(lua_State *lua)
{
	int results;

	check_depth(lua);
	results = lua_tocfunction(lua, lua_upvalueindex(1))(lua);
	pass_on_stop(lua);
	return results;
}

/* What coroutine.wrap() returns: upvalue 1 is Lua's, which has no upvalue of its own that we could not see. */
static int
coroutine_wrapped(lua_State *lua)
{
	check_depth(lua);
	lua_pushvalue(lua, lua_upvalueindex(1));
	lua_insert(lua, 1);
	lua_call(lua, lua_gettop(lua) - 1, LUA_MULTRET);
	return lua_gettop(lua);
}

/* coroutine.wrap(function) */
static int
coroutine_wrap(lua_State *lua)
{
	int results = lua_tocfunction(lua, lua_upvalueindex(1))(lua);

	lua_pushcclosure(lua, coroutine_wrapped, 1);
	return results;
}

/* ---- random numbers ---------------------------------------------------------------------------- */

/* math.random([m [, n]]) */
static int
math_random(lua_State *lua)
{
	uint64 next =
	    (kv_run->state->random * UINT64CONST(0x5DEECE66D) + 0xB) & ((UINT64CONST(1) << 48) - 1);
	lua_Number random = (lua_Number) ((next >> 17) % RANDOM_MAX) / (lua_Number) RANDOM_MAX;
	int low = 1, high;

	kv_run->state->random = next;
	if (lua_gettop(lua) == 0)
	{
		lua_pushnumber(lua, random);
		return 1;
	}
	if (lua_gettop(lua) > 2)
		return luaL_error(lua, "wrong number of arguments");
	if (lua_gettop(lua) == 2)
		low = luaL_checkint(lua, 1);
	high = luaL_checkint(lua, lua_gettop(lua));
	luaL_argcheck(lua, low <= high, lua_gettop(lua), "interval is empty");
	lua_pushnumber(lua, floor(random * ((lua_Number) high - low + 1)) + low);
	return 1;
}

/* math.randomseed(seed) */
static int
math_randomseed(lua_State *lua)
{
	uint32 seed = (uint32) luaL_checkint(lua, 1);

	kv_run->state->random = ((uint64) seed << 16) | RANDOM_START;
	return 0;
}

/* ---- opening ----------------------------------------------------------------------------------- */

static int
missing_global(lua_State *lua)
{
	return luaL_error(lua, "Script attempted to access nonexistent global variable '%s'",
	                  lua_tostring(lua, 2));
}

static void
open_library(lua_State *lua, const char *name, lua_CFunction open)
{
	lua_pushcfunction(lua, open);
	lua_pushstring(lua, name);
	lua_call(lua, 1, 0);
}

/* Puts `function` in place of a field of a global table, which becomes its upvalue. */
static void
wrap_field(lua_State *lua, const char *table, const char *field, lua_CFunction function)
{
	lua_getglobal(lua, table);
	lua_getfield(lua, -1, field);
	lua_pushcclosure(lua, function, 1);
	lua_setfield(lua, -2, field);
	lua_pop(lua, 1);
}

static void
wrap_base(lua_State *lua)
{
	static const luaL_Reg functions[] = {{"rawget", base_rawget},
	                                     {"rawset", base_rawset},
	                                     {"next", base_next},
	                                     {"getmetatable", base_getmetatable},
	                                     {"setmetatable", base_setmetatable},
	                                     {"pcall", base_pcall},
	                                     {"xpcall", base_xpcall},
	                                     {NULL, NULL}};

	for (const luaL_Reg *function = functions; function->name; function++)
		lua_register(lua, function->name, function->func);
	lua_getglobal(lua, "next");
	lua_pushcclosure(lua, base_pairs, 1);
	lua_setglobal(lua, "pairs");
	lua_getglobal(lua, "loadstring");
	lua_pushcclosure(lua, base_loadstring, 1);
	lua_setglobal(lua, "loadstring");
	lua_getglobal(lua, "table");
	lua_getfield(lua, -1, "concat");
	lua_getglobal(lua, "loadstring");
	lua_pushcclosure(lua, base_load, 2);
	lua_setglobal(lua, "load");
	lua_pop(lua, 1);
	wrap_field(lua, "table", "insert", table_insert);
	wrap_field(lua, "coroutine", "resume", coroutine_resume);
	wrap_field(lua, "coroutine", "wrap", coroutine_wrap);
	wrap_field(lua, "math", "random", math_random);
	wrap_field(lua, "math", "randomseed", math_randomseed);
}

/* What strings lead to; scripts get a guard of a copy that leads to the guard of the library. */
static void
guard_strings(lua_State *lua)
{
	lua_pushlightuserdata(lua, unconstify(char *, &string_guard_key));
	lua_newtable(lua);
	lua_getglobal(lua, "string");
	lua_setfield(lua, -2, "__index");
	kv_sandbox_protect(lua);
	lua_rawset(lua, LUA_REGISTRYINDEX);
}

/* Copies what scripts may have from the globals to the table on top, libraries as guards. */
static void
copy_globals(lua_State *lua)
{
	static const char *const names[] = {
	    "_VERSION", "assert",    "collectgarbage", "error",        "gcinfo",   "getmetatable",
	    "ipairs",   "load",      "loadstring",     "next",         "pairs",    "pcall",
	    "rawequal", "rawget",    "rawset",         "select",       "tonumber", "tostring",
	    "type",     "unpack",    "xpcall",         "setmetatable", "string",   "table",
	    "math",     "coroutine", "redis",          "cjson",        "cmsgpack", "struct",
	    "bit"};

	for (int i = 0; i < (int) lengthof(names); i++)
	{
		lua_getglobal(lua, names[i]);
		if (lua_istable(lua, -1))
			kv_sandbox_protect(lua);
		lua_pushvalue(lua, -1);
		lua_setglobal(lua, names[i]);
		lua_setfield(lua, -2, names[i]);
	}
}

void
kv_sandbox_open(lua_State *lua)
{
	open_library(lua, "", luaopen_base); /* coroutine, too */
	open_library(lua, LUA_STRLIBNAME, luaopen_string);
	open_library(lua, LUA_TABLIBNAME, luaopen_table);
	open_library(lua, LUA_MATHLIBNAME, luaopen_math);
	pgfirst_lua_bound(lua);
	pgfirst_lua_set_tick(lua, kv_run_look);
	open_library(lua, "cjson", pgfirst_lua_open_cjson);
	open_library(lua, "cmsgpack", pgfirst_lua_open_cmsgpack);
	open_library(lua, "struct", pgfirst_lua_open_struct);
	open_library(lua, "bit", pgfirst_lua_open_bit);
	(void) kv_api_open(lua);
	lua_setglobal(lua, "redis");
	wrap_base(lua);

	/* The table of all globals, which only we hold; names without a value lead to an error. */
	lua_newtable(lua);
	copy_globals(lua);
	guard_strings(lua);
	lua_newtable(lua);
	lua_pushcfunction(lua, missing_global);
	lua_setfield(lua, -2, "__index");
	lua_setmetatable(lua, -2);
	lua_pushlightuserdata(lua, unconstify(char *, &globals_key));
	lua_pushvalue(lua, -2);
	lua_rawset(lua, LUA_REGISTRYINDEX);

	lua_pushvalue(lua, -1);
	kv_sandbox_protect(lua);
	lua_pushliteral(lua, "_G");
	lua_pushvalue(lua, -2);
	lua_rawset(lua, -4);
	lua_replace(lua, LUA_GLOBALSINDEX);
	lua_pop(lua, 1);
}

void
kv_sandbox_global(lua_State *lua, const char *name)
{
	lua_pushlightuserdata(lua, unconstify(char *, &globals_key));
	lua_rawget(lua, LUA_REGISTRYINDEX);
	lua_pushstring(lua, name);
	lua_pushvalue(lua, -3);
	lua_rawset(lua, -3);
	lua_pop(lua, 2);
}
