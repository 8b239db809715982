/* SPDX-License-Identifier: PostgreSQL
 *
 * luapair.h: Lua's own functions beside ours in one state, for the unit tests and the fuzzer.
 *
 * In Lua the former stand in the table `stock`.  same() calls one and the other with the same
 * arguments and raises an error where results, errors or what a function saw of its calls differ.
 * Ours goes first, within a budget of ticks: what takes it too long would take the other for ever.
 */
#ifndef PGFIRST_TEST_LUAPAIR_H
#define PGFIRST_TEST_LUAPAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>

#include "lib/lua/bounded.h"
#include "lib/lua/tick.h"

static const char luapair_script[] =
    "local find = string.find\n"
    "stock = {}\n"
    "for _, library in ipairs{string, table, _G} do\n"
    "	for name, value in pairs(library) do\n"
    "		if type(value) == 'function' then stock[name] = value end\n"
    "	end\n"
    "end\n"
    "local function pack(...) return {n = select('#', ...), ...} end\n"
    "local function show(values)\n"
    "	local shown = {}\n"
    "	for i = 1, values.n do\n"
    "		local value = values[i]\n"
    "		shown[i] = type(value) == 'string' and ('%q'):format(value):gsub('%z', '\\\\0')\n"
    "			or tostring(value)\n"
    "	end\n"
    "	return stock.concat(shown, ', ')\n"
    "end\n"
    "local function equal(a, b)\n"
    "	if a.n ~= b.n then return false end\n"
    "	for i = 1, a.n do\n"
    "		if a[i] ~= b[i] then return false end\n"
    "	end\n"
    "	return true\n"
    "end\n"
    /* What functions that are called back see goes here. */
    "log = {n = 0}\n"
    "function note(...)\n"
    "	for i = 1, select('#', ...) do\n"
    "		log.n = log.n + 1\n"
    "		log[log.n] = (select(i, ...))\n"
    "	end\n"
    "end\n"
    /* false if it took too long to be compared, else the results. */
    "function same(name, ours, theirs, ...)\n"
    "	log = {n = 0}\n"
    "	budget(20)\n"
    "	local a = pack(pcall(ours, ...))\n"
    "	budget(-1)\n"
    "	if not a[1] and type(a[2]) == 'string' and\n"
    "			(find(a[2], 'too long', 1, true) or find(a[2], 'too complex', 1, true)) then\n"
    "		return false\n"
    "	end\n"
    "	local a_log = log\n"
    "	log = {n = 0}\n"
    "	local b = pack(pcall(theirs, ...))\n"
    "	if not (equal(a, b) and equal(a_log, log)) then\n"
    "		error(name .. '(' .. show(pack(...)) .. '): ours ' .. show(a) .. ' noting ' ..\n"
    "			show(a_log) .. '; stock ' .. show(b) .. ' noting ' .. show(log), 0)\n"
    "	end\n"
    "	return a\n"
    "end\n"
    "local function all_of(gmatch)\n"
    "	return function(subject, pattern)\n"
    "		local next = gmatch(subject, pattern)\n"
    "		for i = 1, 100 do\n"
    "			local found = pack(next())\n"
    "			note(found.n, unpack(found, 1, found.n))\n"
    "			if found.n == 0 then return end\n"
    "		end\n"
    "	end\n"
    "end\n"
    "local all_ours, all_theirs\n"
    "local answers = {[0] = false, 'x', 17, 'longer than it was', '', nil, nil, true, {}}\n"
    "local function replace(...)\n"
    "	note(select('#', ...), ...)\n"
    "	return answers[(log.n + (select('#', ...))) % answer_kinds]\n"
    "end\n"
    "local replacements = {a = 'A', b = false, ab = 12, [1] = 'one', [2] = '%1', aa = ''}\n"
    /* One pattern through all four functions. */
    "function compare(subject, pattern, init, plain, template, most, kinds)\n"
    "	all_ours = all_ours or all_of(string.gmatch)\n"
    "	all_theirs = all_theirs or all_of(stock.gmatch)\n"
    "	answer_kinds = kinds\n"
    "	local found = same('find', string.find, stock.find, subject, pattern, init, plain)\n"
    "	same('match', string.match, stock.match, subject, pattern, init)\n"
    "	same('gmatch', all_ours, all_theirs, subject, pattern)\n"
    "	same('gsub', string.gsub, stock.gsub, subject, pattern, template, most)\n"
    "	same('gsub', string.gsub, stock.gsub, subject, pattern, replace, most)\n"
    "	same('gsub', string.gsub, stock.gsub, subject, pattern, replacements, most)\n"
    "	return found and found[1] and found[2] ~= nil\n"
    "end\n";

/* Ticks that are left before one raises an error; negative: any number. */
static long luapair_budget = -1;
static long luapair_ticks;

static void
luapair_tick(lua_State *L)
{
	luapair_ticks++;
	if (luapair_budget == 0)
	{
		lua_pushliteral(L, "too long");
		lua_error(L);
	}
	if (luapair_budget > 0)
		luapair_budget--;
}

static int
luapair_set_budget(lua_State *L)
{
	luapair_budget = (long) luaL_checkinteger(L, 1);
	return 0;
}

/* Runs the chunk, and says on stderr what went wrong. */
static inline bool
luapair_run(lua_State *L, const char *chunk)
{
	if (luaL_loadstring(L, chunk) == 0 && lua_pcall(L, 0, 0, 0) == 0)
		return true;
	fprintf(stderr, "%s\n", lua_tostring(L, -1));
	lua_pop(L, 1);
	return false;
}

/* A state with both, or NULL. */
static inline lua_State *
luapair_open(void)
{
	lua_State *L = luaL_newstate();

	if (L == NULL)
		return NULL;
	luaL_openlibs(L);
	lua_register(L, "budget", luapair_set_budget);
	if (!luapair_run(L, luapair_script))
	{
		lua_close(L);
		return NULL;
	}
	pgfirst_lua_set_tick(L, luapair_tick);
	pgfirst_lua_bound(L);
	return L;
}

#endif
