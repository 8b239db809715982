/* SPDX-License-Identifier: PostgreSQL
 *
 * test_luabounded.c: lib/lua's replacements of Lua's own functions, beside those in one state.
 *
 * Most of it is Lua: a chunk that raises an error fails its test.  luapair.h has same() and
 * compare(), which raise one where the two differ.
 *
 * Seen to fail: a set whose first ] closes it, a back reference to a capture that is still open, a
 * choice that does not put back how many captures there were or which were open (all found by the
 * random comparisons), sort's median at (low + high + 1) / 2; with the steps left out of sort_less(),
 * of strings' lengths there, of table_insert(), of balance_match() or of set_contains(); with
 * CHOICES_MOST at 2^21; without the space before a chunk, with newproxy left, and with a pace that
 * collector_pace() does not put back.  What then never ends is ended by alarm().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "test/unit/luapair.h"
#include "test/unit/support.h"

/* What must end by itself; generous, since sanitizers are slow and the machine may be busy. */
#define SECONDS_MOST 300

static uintptr_t stack_begin;
static uintptr_t stack_deepest;

static void
stack_look(void)
{
	uintptr_t here = (uintptr_t) __builtin_frame_address(0);

	if (here < stack_deepest)
		stack_deepest = here;
}

static void
tick_looks_at_stack(lua_State *L)
{
	stack_look();
	luapair_tick(L);
}

/* deepest(): looks how deep C's stack is, for functions that are called back. */
static int
lua_deepest(lua_State *L)
{
	(void) L;
	stack_look();
	return 0;
}

static int
lua_ticks(lua_State *L)
{
	lua_pushinteger(L, luapair_ticks);
	return 1;
}

static lua_State *
state_open(void)
{
	lua_State *L = luapair_open();

	assert_non_null(L);
	lua_register(L, "ticks", lua_ticks);
	lua_register(L, "deepest", lua_deepest);
	luapair_budget = -1;
	return L;
}

static void
run(const char *chunk)
{
	lua_State *L = state_open();

	alarm(SECONDS_MOST);
	assert_true(luapair_run(L, chunk));
	alarm(0);
	lua_close(L);
}

/* ---- patterns ---------------------------------------------------------------------------- */

static void
pattern_agrees_on_random(void **state)
{
	(void) state;
	run("local parts = {'a', 'b', 'c', '.', '%a', '%c', '%d', '%l', '%p', '%s', '%u', '%w', '%x',\n"
	    "	'%z', '%S', '%A', '%Q', '%.', '[ab]', '[^a]', '[a-c]', '[c-a]', '[%w_]', '[]]', "
	    "'[^]',\n"
	    "	'[a-]', '[a-%d]', '[%', '(', ')', '()', '(', ')', '(a)', '(.-)', '%1', '%2', '*', "
	    "'+',\n"
	    "	'-', '?', '*', '-', '?', '^', '$', '%b()', '%bab', '%b', '%f[%w]', '%f[^%z]', '%f', "
	    "'%',\n"
	    "	'[', ']', '\\0', '\\255', '0', 'A'}\n"
	    "local bytes = {'a', 'a', 'a', 'b', 'b', 'c', '(', ')', '0', '1', ' ', '\\n', '\\0', 'A',\n"
	    "	'\\127', '\\200', '\\255', '.', '_', ']', '-', '^', '%'}\n"
	    "local templates = {'%0', '%1', '%2', '%', 'x', '%%', '\\0', '%a', '%9', 'yy', 5}\n"
	    "local random = math.random\n"
	    "local function some(parts, most)\n"
	    "	local made = {}\n"
	    "	for i = 1, random(0, most) do made[i] = parts[random(#parts)] end\n"
	    "	return table.concat(made)\n"
	    "end\n"
	    "local found = 0\n"
	    "math.randomseed(1)\n"
	    "for i = 1, 40000 do\n"
	    "	if compare(some(bytes, 14), some(parts, random(2, 9)),\n"
	    "			random(5) == 1 and random(-16, 18) or nil, random(20) == 1,\n"
	    "			some(templates, 4), random(4) == 1 and random(-1, 4) or nil, random(6, 9)) "
	    "then\n"
	    "		found = found + 1\n"
	    "	end\n"
	    "end\n"
	    "assert(found > 8000, found)\n");
}

static void
pattern_agrees_on_cases(void **state)
{
	(void) state;
	run("local subjects = {'', 'a', 'abc', 'THE (quick) fox', 'a\\0b', '\\0', '  key = value  ',\n"
	    "	'f(a(b)c)d)', 'x^y', 'a$b', '[x]', 'user:17:name', ('ab'):rep(50), 12.5}\n"
	    "local patterns = {'', '^', '$', '^$', '.', '^.', '.$', 'a', '^a', 'a*', 'a+', 'a-', "
	    "'a?',\n"
	    "	'(%w+)', '(%w+)%s*=%s*(%w+)', '^%s*(.-)%s*$', '%b()', '%f[%a]%a+%f[%A]', '()', "
	    "'()a()',\n"
	    "	'(a)(b)(c)', '((a)(b))', '(a*(.)%w(%s*))', '(.)%1', '()%1', '%z', '[%z]', 'a\\0b', "
	    "'\\0',\n"
	    "	'a.\\0', '[\\0]', '[^%z]+', '[a-', '[', '[]', '[^', '[^]', '[]]', '[a-]', '[%a-z]', "
	    "'%',\n"
	    "	'a%', '%b', '%bx', '%f', '%fa', '(', ')', '(a', 'a)', '(()', '%1', '(%1)', '%0', "
	    "'(a)%2',\n"
	    "	('(.)'):rep(32), ('()'):rep(33), ('(a'):rep(33), '[^a-z]', '[%]]', '^^', '$$', 'a^',\n"
	    "	'[[]', '.-b', '.-$', '(.-)%s', ':(%d+):', '[%w_]+', '%%', '*', '+', '?', '-', ']', 7}\n"
	    "for _, subject in ipairs(subjects) do\n"
	    "	for _, pattern in ipairs(patterns) do\n"
	    "		for _, init in ipairs{0, 1, 2, -1, -2, 5, 100, -100} do\n"
	    "			compare(subject, pattern, init, init == 2, '<%0%1>', nil, 9)\n"
	    "		end\n"
	    "		compare(subject, pattern, nil, nil, '%', 1, 6)\n"
	    "	end\n"
	    "end\n");
}

static void
pattern_arguments_agree(void **state)
{
	(void) state;
	run("for _, name in ipairs{'find', 'match', 'gmatch', 'gfind', 'gsub'} do\n"
	    "	local ours, theirs = string[name], stock[name]\n"
	    "	same(name, ours, theirs)\n"
	    "	same(name, ours, theirs, nil)\n"
	    "	same(name, ours, theirs, 'a')\n"
	    "	same(name, ours, theirs, 'a', nil)\n"
	    "	same(name, ours, theirs, 'a', {})\n"
	    "	same(name, ours, theirs, true, 'a')\n"
	    "	if name ~= 'gmatch' and name ~= 'gfind' then\n"
	    "		same(name, ours, theirs, 'a', 'a', {}, 'x')\n"
	    "		same(name, ours, theirs, 'a', 'a', 'x', 'x')\n"
	    "		same(name, ours, theirs, 'a', 'a', nil)\n"
	    "		same(name, ours, theirs, 'a', 'a', true)\n"
	    "		same(name, ours, theirs, 'aaa', 'a', '2', '2')\n"
	    "	end\n"
	    "end\n"
	    "assert(string.gfind == string.gmatch)\n"
	    /* An error names the script's line, and a method by its name. */
	    "local function failure(f) return select(2, pcall(f)) end\n"
	    "assert(failure(loadstring('return (\"x\"):find(\"[\")', '=s')) ==\n"
	    "	\"s:1: malformed pattern (missing ']')\")\n"
	    "assert(failure(loadstring('return (\"x\"):find()', '=s')) ==\n"
	    "	\"s:1: bad argument #1 to 'find' (string expected, got no value)\")\n"
	    "assert(failure(loadstring('return string.rep(\"x\", {})', '=s')) ==\n"
	    "	\"s:1: bad argument #2 to 'rep' (number expected, got table)\")\n"
	    "assert(failure(loadstring('return (\"%d\"):format({})', '=s')) ==\n"
	    "	\"s:1: bad argument #1 to 'format' (number expected, got table)\")\n"
	    /* What __index answers, and that a function may raise an error. */
	    "local indexed = setmetatable({}, {__index = function(_, key) return key .. key end})\n"
	    "assert(string.gsub('abc', '[ac]', indexed) == 'aabcc')\n"
	    "same('gsub', string.gsub, stock.gsub, 'abc', 'b', function() error({}) end == nil)\n"
	    "same('gsub', string.gsub, stock.gsub, 'abc', 'b', function() error('own', 0) end)\n");
}

/* Long results leave the struct for userdata, and long patterns the matcher. */
static void
pattern_agrees_on_long(void **state)
{
	(void) state;
	run("local long = ('abc '):rep(20000)\n"
	    "compare(long, '%w+', nil, nil, '<%0>', nil, 9)\n"
	    "compare(long, '(%w)(%w)', nil, nil, '%2%1', nil, 9)\n"
	    "compare(long, '.*x', -3000, nil, '', 10, 9)\n"
	    "compare(long, long:sub(1, -2) .. 'x', nil, true, 'x', nil, 9)\n"
	    "assert(long:find(('abc '):rep(20000), 1, true) == 1)\n"
	    "assert(not long:find(('abc '):rep(19990) .. 'x', 1, true))\n"
	    "assert(not (long .. 'x'):find('x' .. long, 1, true))\n"
	    "assert(not (long .. long):find('axc ' .. long:sub(5), 1, true))\n"
	    "assert(not ('y' .. long .. long):find('x' .. long:sub(2) .. long, 1, true))\n"
	    "assert(not ('x' .. long .. long):find('x' .. long .. 'y' .. long, 1, true))\n"
	    "assert((long .. 'x' .. long):find('^(.*)x%1$'))\n"
	    "for _, quantifier in ipairs{'?', '*', '-', '+'} do\n"
	    "	local pattern = ('[ab]' .. quantifier):rep(300)\n"
	    "	compare(('ab'):rep(400), pattern .. '$', 500, nil, 'x', 2, 9)\n"
	    "	compare(('ab'):rep(400), pattern .. 'c', 800, nil, 'x', 2, 9)\n"
	    "	compare(('ab'):rep(400), '(' .. pattern .. ')b', 200, nil, 'x', 2, 9)\n"
	    "end\n");
}

static void
pattern_stack_is_bounded(void **state)
{
	lua_State *L = state_open();

	(void) state;
	pgfirst_lua_set_tick(L, tick_looks_at_stack);
	stack_begin = stack_deepest = (uintptr_t) __builtin_frame_address(0);
	alarm(SECONDS_MOST);
	assert_true(
	    luapair_run(L, "local function failure(...) return select(2, pcall(string.find, ...)) end\n"
	                   "local many = 1000000\n"
	                   "local as = ('a'):rep(many)\n"
	                   "assert(failure(as, ('a?'):rep(many)) == 'pattern too complex')\n"
	                   "assert(failure(as, ('a-'):rep(many)) == 'pattern too complex')\n"
	                   "assert(failure('', ('a-'):rep(many)) == 'pattern too complex')\n"
	                   "assert(failure(as, ('a?'):rep(131073) .. 'b') == 'pattern too complex')\n"
	                   /* What is no choice costs nothing. */
	                   "assert(string.find('', ('a?'):rep(many)) == 1)\n"
	                   "assert(string.find(as, ('a'):rep(many)) == 1)\n"
	                   "assert(string.find(as, ('[ab]'):rep(many)) == 1)\n"
	                   "assert(select(2, string.find(as, ('a?'):rep(131072))) == 131072)\n"
	                   "assert(select(2, string.find(as, ('a*'):rep(131072))) == many)\n"
	                   "assert(string.find(('('):rep(many) .. (')'):rep(many), '^%b()$') == 1)\n"
	                   "assert(failure('a', ('('):rep(many)) == 'too many captures')\n"));
	assert_true(stack_deepest < stack_begin);
	assert_true(stack_begin - stack_deepest < 64 * 1024);
	/* gsub within gsub, up to Lua's own end. */
	assert_true(luapair_run(L, "local function again(found)\n"
	                           "	deepest()\n"
	                           "	return (string.gsub(found, '.', again))\n"
	                           "end\n"
	                           "local ok, message = pcall(again, 'x')\n"
	                           "assert(not ok and string.find(message, 'C stack overflow'))\n"));
#if !defined(__SANITIZE_ADDRESS__) && defined(__OPTIMIZE__)
	assert_true(stack_begin - stack_deepest < 512 * 1024);
#endif
	alarm(0);
	lua_close(L);
}

static void
pattern_time_ticks(void **state)
{
	(void) state;
	run("local as = ('a'):rep(3000)\n"
	    "local function ends(f, ...)\n"
	    "	budget(100)\n"
	    "	local ok, message = pcall(f, ...)\n"
	    "	budget(-1)\n"
	    "	assert(not ok and message == 'too long', message)\n"
	    /* Nothing is left behind that the next call would see. */
	    "	compare('a b', '(%w) (%w)', nil, nil, '%2%1', nil, 9)\n"
	    "end\n"
	    "for _, quantifiers in ipairs{'.-.-.-.-.-.-b', '.*.*.*.*.*.*b', 'a?a-a+a*a-b',\n"
	    "		'(.-)(.-)(.-)%3%2%1b', '[^b]-[^b]-[^b]-b', '%a*%a*%a*%a*b'} do\n"
	    "	ends(string.find, as, quantifiers)\n"
	    "	ends(string.match, as, quantifiers)\n"
	    "	ends(string.gmatch(as, quantifiers))\n"
	    "	ends(string.gsub, as, quantifiers, '')\n"
	    "end\n"
	    "ends(string.find, ('('):rep(100000), '%b()')\n"
	    "ends(string.find, ('x'):rep(100000), '[' .. ('a'):rep(100000) .. ']')\n"
	    "ends(string.find, ('x'):rep(5000), '[^' .. ('a'):rep(100000) .. ']*')\n"
	    "ends(string.find, ('x'):rep(100000), '%f[' .. ('a'):rep(100000) .. ']')\n"
	    "ends(string.find, ('a'):rep(100000), '^(a-)' .. ('.-'):rep(9) .. '%1b')\n"
	    "local half = ('a'):rep(1000000)\n"
	    "ends(string.find, half .. half, half .. 'b', 1, true)\n"
	    "ends(string.gsub, half, '', ('%%'):rep(1000))\n"
	    /* A function in C hears of no hook. */
	    "ends(string.gsub, half, 'a', string.len)\n");
}

/* ---- sort and tables --------------------------------------------------------------------- */

static void
sort_agrees(void **state)
{
	(void) state;
	run("local random = math.random\n"
	    "local orders = {\n"
	    "	function(a, b) note(a.id, b.id) return a.key < b.key end,\n"
	    "	function(a, b) note(a.id, b.id) return a.key > b.key end,\n"
	    /* Those that contradict themselves: the same error, or the same result. */
	    "	function(a, b) note(a and a.id, b and b.id) return a.key <= b.key end,\n"
	    "	function(a, b) note(a and a.id, b and b.id) return true end,\n"
	    "	function(a, b) note(a and a.id, b and b.id) return (log.n * 7919) % 5 < 2 end,\n"
	    "	function(a, b) note(a.id, b.id) if log.n > 90 then error('own', 0) end\n"
	    "		return a.key < b.key end,\n"
	    "}\n"
	    "math.randomseed(2)\n"
	    "for i = 1, 20000 do\n"
	    "	local ours, theirs = {}, {}\n"
	    "	local keys = random(1, 30)\n"
	    "	for j = 1, random(0, random(40)) do\n"
	    "		ours[j] = {id = j, key = random(keys)}\n"
	    "		theirs[j] = ours[j]\n"
	    "	end\n"
	    "	local order = orders[random(#orders)]\n"
	    "	local function sorting(sort, values) return function() return sort(values, order) end "
	    "end\n"
	    "	same('sort', sorting(table.sort, ours), sorting(stock.sort, theirs))\n"
	    "	for j = 0, #theirs + 2 do assert(ours[j] == theirs[j]) end\n"
	    "end\n"
	    "for i = 1, 2000 do\n"
	    "	local ours, theirs = {}, {}\n"
	    "	for j = 1, random(0, 60) do\n"
	    "		local value = random(20)\n"
	    "		if random(300) == 1 then value = {} elseif i % 2 == 0 then value = 's' .. value "
	    "end\n"
	    "		ours[j], theirs[j] = value, value\n"
	    "	end\n"
	    "	local function sorting(sort, values) return function() return sort(values) end end\n"
	    "	same('sort', sorting(table.sort, ours), sorting(stock.sort, theirs))\n"
	    "	for j = 0, #theirs + 2 do assert(ours[j] == theirs[j]) end\n"
	    "end\n"
	    "same('sort', table.sort, stock.sort)\n"
	    "same('sort', table.sort, stock.sort, 'x')\n"
	    "same('sort', table.sort, stock.sort, {2, 1}, 5)\n"
	    "same('sort', table.sort, stock.sort, {2, 1}, nil)\n"
	    "same('sort', table.sort, stock.sort, {2, {}, 1})\n");
}

static void
sort_time_ticks(void **state)
{
	(void) state;
	run("local function ends(...)\n"
	    "	budget(100)\n"
	    "	local ok, message = pcall(table.sort, ...)\n"
	    "	budget(-1)\n"
	    "	assert(not ok and message == 'too long', message)\n"
	    "end\n"
	    "local many, alike, long = {}, {}, {}\n"
	    "for i = 1, 500000 do many[i] = (i * 7919) % 500000 end\n"
	    "ends(many)\n"
	    "ends(many, rawequal)\n"
	    "for i = 1, 2000 do long[i] = ('a'):rep(100000) .. i end\n"
	    "ends(long)\n"
	    /* A table against which the median of three is always nearly the least: built by sorting,
	     * as McIlroy's adversary does ("A Killer Adversary for Quicksort", 1999). */
	    "local size, gas, solid, candidate = 3000, 3000, 0, 0\n"
	    "local values, order = {}, {}\n"
	    "for i = 1, size do values[i], order[i] = gas, i end\n"
	    "table.sort(order, function(a, b)\n"
	    "	if values[a] == gas and values[b] == gas then\n"
	    "		local freeze = a == candidate and a or b\n"
	    "		values[freeze], solid = solid, solid + 1\n"
	    "	end\n"
	    "	if values[a] == gas then candidate = a elseif values[b] == gas then candidate = b end\n"
	    "	return values[a] < values[b]\n"
	    "end)\n"
	    "local before = ticks()\n"
	    "table.sort(values)\n"
	    "assert(ticks() - before > 200, ticks() - before)\n"
	    "for i = 2, size do assert(values[i - 1] <= values[i]) end\n");
}

static void
tables_agree(void **state)
{
	(void) state;
	run("local random = math.random\n"
	    "local function both(name, size, ...)\n"
	    "	local ours, theirs = {}, {}\n"
	    "	for i = 1, size do ours[i], theirs[i] = i * 10, i * 10 end\n"
	    "	local arguments, count = {...}, select('#', ...)\n"
	    "	local function calling(library, values)\n"
	    "		return function() return library[name](values, unpack(arguments, 1, count)) end\n"
	    "	end\n"
	    "	same(name, calling(table, ours), calling(stock, theirs))\n"
	    "	for i = -20, size + 20 do assert(ours[i] == theirs[i]) end\n"
	    "end\n"
	    "for size = 0, 5 do\n"
	    "	for place = -3, 9 do\n"
	    "		both('insert', size, place, 'x')\n"
	    "		both('insert', size, place, nil)\n"
	    "		both('remove', size, place)\n"
	    "	end\n"
	    "	both('insert', size, 'x')\n"
	    "	both('insert', size)\n"
	    "	both('insert', size, 1, 2, 3)\n"
	    "	both('insert', size, 'x', 2)\n"
	    "	both('remove', size)\n"
	    "	both('remove', size, 'x')\n"
	    "	both('maxn', size)\n"
	    "	for first = -1, 6 do\n"
	    "		both('concat', size, ', ', first)\n"
	    "		for last = -1, 6 do both('concat', size, ', ', first, last) end\n"
	    "		both('concat', size, 5, first, nil)\n"
	    "	end\n"
	    "	both('concat', size)\n"
	    "	both('concat', size, {})\n"
	    "	both('concat', size, '', {})\n"
	    "	both('concat', size, '', 1, {})\n"
	    "	for _, name in ipairs{'foreach', 'foreachi'} do\n"
	    "		both(name, size)\n"
	    "		both(name, size, note)\n"
	    "		both(name, size, function(key, value) note(key, value) if key == 3 then return 'y' "
	    "end end)\n"
	    "		both(name, size, function() error('own', 0) end)\n"
	    "	end\n"
	    "end\n"
	    "for _, name in ipairs{'insert', 'remove', 'maxn', 'foreach', 'foreachi', 'concat'} do\n"
	    "	same(name, table[name], stock[name])\n"
	    "	same(name, table[name], stock[name], 'x', 1)\n"
	    "end\n"
	    "assert(table.maxn{[1.5] = 1, [-2] = 1, x = 1, [1e9] = 1} == 1e9)\n"
	    "assert(table.maxn{} == 0)\n"
	    "same('concat', table.concat, stock.concat, {1, 'x', 2.5, {}}, ';', 1, 3)\n"
	    "same('concat', table.concat, stock.concat, {1, 'x', 2.5, {}}, ';')\n"
	    "same('concat', table.concat, stock.concat, {[2147483647] = 'x'}, '', 2147483647, "
	    "2147483647)\n"
	    "local many = {}\n"
	    "for i = 1, 3000 do many[i] = i end\n"
	    "same('concat', table.concat, stock.concat, many, ', ')\n");
}

static void
tables_time_ticks(void **state)
{
	(void) state;
	run("local function ticking(f, ...)\n"
	    "	budget(3)\n"
	    "	local ok, message = pcall(f, ...)\n"
	    "	budget(-1)\n"
	    "	assert(not ok and message == 'too long', message)\n"
	    "end\n"
	    "ticking(table.insert, {}, -2147483648, 1)\n"
	    "local many = {}\n"
	    "for i = 1, 30000 do many[i] = '' end\n"
	    "ticking(table.insert, many, 1, 1)\n"
	    "ticking(table.remove, many, 1)\n"
	    "ticking(table.maxn, many)\n"
	    "ticking(table.foreach, many, math.randomseed)\n"
	    "ticking(table.foreachi, many, math.randomseed)\n"
	    "ticking(table.concat, many)\n");
}

/* ---- strings, and the base library ------------------------------------------------------- */

static void
strings_agree(void **state)
{
	(void) state;
	run("local bytes = {}\n"
	    "for i = 0, 255 do bytes[i] = string.char(i) end\n"
	    "local all = bytes[0] .. table.concat(bytes)\n"
	    "for _, subject in ipairs{'', 'a', 'Hello', all, ('xy'):rep(2000), 12} do\n"
	    "	for _, name in ipairs{'upper', 'lower', 'reverse'} do\n"
	    "		same(name, string[name], stock[name], subject)\n"
	    "	end\n"
	    "	for _, count in ipairs{-1, 0, 1, 2, 3, 100, '7', 1.5} do\n"
	    "		same('rep', string.rep, stock.rep, subject, count)\n"
	    "	end\n"
	    "	for first = -7, 7 do\n"
	    "		same('sub', string.sub, stock.sub, subject, first)\n"
	    "		for last = -7, 7 do same('sub', string.sub, stock.sub, subject, first, last) end\n"
	    "	end\n"
	    "	same('sub', string.sub, stock.sub, subject, -2147483648, 2147483647)\n"
	    "	same('format', string.format, stock.format, '%5.1s|%q|%s', subject, subject, subject)\n"
	    "end\n"
	    "for _, name in ipairs{'upper', 'lower', 'reverse', 'rep', 'sub', 'format', 'dump'} do\n"
	    "	same(name, string[name], stock[name])\n"
	    "	same(name, string[name], stock[name], {})\n"
	    "	same(name, string[name], stock[name], 'a', {})\n"
	    "end\n"
	    "same('dump', string.dump, stock.dump, same)\n"
	    "assert(string.rep('', 2147483647) == '')\n");
}

static void
strings_tick_when_long(void **state)
{
	(void) state;
	run("local long = ('x'):rep(100000)\n"
	    "local function ticking(f, ...)\n"
	    "	local before = ticks()\n"
	    "	f(...)\n"
	    "	assert(ticks() > before)\n"
	    "end\n"
	    "ticking(string.rep, long, 2)\n"
	    "ticking(string.sub, long, 2)\n"
	    "ticking(string.upper, long)\n"
	    "ticking(string.lower, long)\n"
	    "ticking(string.reverse, long)\n"
	    "ticking(string.format, '%s', long)\n"
	    "ticking(table.concat, {long, long})\n"
	    "ticking(string.dump, loadstring('return \"' .. long .. '\"'))\n"
	    "ticking(loadstring, 'return \"' .. long .. '\"')\n"
	    "ticking(load, function() end)\n"
	    "ticking(collectgarbage)\n"
	    "ticking(collectgarbage, 'step', 5)\n"
	    "local before = ticks()\n"
	    "local _ = ('a'):rep(10), ('ab'):sub(1, 1), ('a'):upper(), ('%d'):format(5), "
	    "table.concat{}\n"
	    "assert(ticks() == before)\n");
}

static void
collector_keeps_its_pace(void **state)
{
	(void) state;
	run("assert(stock.collectgarbage('setpause', 150) == 200)\n"
	    "assert(stock.collectgarbage('setstepmul', 300) == 200)\n"
	    "assert(collectgarbage('setpause', 0) == 150)\n"
	    "assert(collectgarbage('setstepmul', 0) == 300)\n"
	    "assert(stock.collectgarbage('setpause', 200) == 150)\n"
	    "assert(stock.collectgarbage('setstepmul', 200) == 300)\n"
	    "assert(collectgarbage('stop') == 0 and collectgarbage('restart') == 0)\n"
	    /* It was not stopped: garbage goes. */
	    "collectgarbage('stop')\n"
	    "local lost = setmetatable({}, {__mode = 'k'})\n"
	    "lost[{}] = true\n"
	    "for i = 1, 200000 do local _ = {} end\n"
	    "assert(next(lost) == nil)\n"
	    "assert(collectgarbage() == 0 and collectgarbage('collect') == 0)\n"
	    "local before = collectgarbage('count')\n"
	    "assert(before > 1 and before ~= math.floor(before) or before == collectgarbage('count'))\n"
	    "assert(type(collectgarbage('step')) == 'boolean')\n"
	    "same('collectgarbage', collectgarbage, stock.collectgarbage, 'x')\n"
	    "same('collectgarbage', collectgarbage, stock.collectgarbage, {})\n"
	    "same('collectgarbage', collectgarbage, stock.collectgarbage, 'count', {})\n"
	    "assert(newproxy == nil)\n");
}

static void
load_takes_text_only(void **state)
{
	(void) state;
	run("local code = string.dump(function() return 5 end)\n"
	    "assert(stock.loadstring(code)() == 5)\n"
	    "local f, message = loadstring(code, '=code')\n"
	    "assert(not f and message == \"code:1: unexpected symbol near 'char(27)'\", message)\n"
	    "f, message = load(function() local piece = code code = nil return piece end)\n"
	    "assert(not f and message == \"(load):1: unexpected symbol near 'char(27)'\", message)\n"
	    "for _, text in ipairs{'return 1, nil, 3', '', 'x =', '\\n\\nx y', '#x', '-- x', 'return "
	    "...',\n"
	    "		' ', 'return \"' .. ('y'):rep(70000) .. '\"', 17} do\n"
	    "	for _, name in ipairs{'none', '=named', '@file'} do\n"
	    "		local function result(load, ...)\n"
	    "			local f, message = load(...)\n"
	    "			if not f then return f, message end\n"
	    "			return f(8, 9)\n"
	    "		end\n"
	    "		if name == 'none' then name = nil end\n"
	    "		local function reading(load)\n"
	    "			local rest = tostring(text)\n"
	    "			return load(function()\n"
	    "				local piece = rest:sub(1, 3)\n"
	    "				rest = rest:sub(4)\n"
	    "				return piece ~= '' and piece or nil\n"
	    "			end, name)\n"
	    "		end\n"
	    "		same('loadstring', function() return result(loadstring, text, name) end,\n"
	    "			function() return result(stock.loadstring, text, name) end)\n"
	    "		if #tostring(text) < 100 then\n"
	    "			same('load', function() return result(reading, load) end,\n"
	    "				function() return result(reading, stock.load) end)\n"
	    "		end\n"
	    "	end\n"
	    "end\n"
	    "for _, name in ipairs{'load', 'loadstring'} do\n"
	    "	local ours, theirs = _G[name], stock[name]\n"
	    "	same(name, ours, theirs)\n"
	    "	same(name, ours, theirs, {})\n"
	    "	same(name, ours, theirs, function() return {} end)\n"
	    "	same(name, ours, theirs, function() error('own', 0) end)\n"
	    "	same(name, ours, theirs, 'x = ', {})\n"
	    "end\n");
}

/* ---- ticks and memory -------------------------------------------------------------------- */

static void
tick_may_be_missing(void **state)
{
	lua_State *L = luaL_newstate();

	(void) state;
	assert_non_null(L);
	luaL_openlibs(L);
	pgfirst_lua_bound(L);
	luapair_ticks = 0;
	assert_true(luapair_run(L, "assert(not (('a'):rep(200000)):find('.b'))"));
	pgfirst_lua_set_tick(L, luapair_tick);
	assert_int_equal(luapair_ticks, 0);
	luapair_budget = -1;
	assert_true(luapair_run(L, "assert(not (('a'):rep(200000)):find('.b'))"));
	assert_true(luapair_ticks > 0);
	luapair_ticks = 0;
	/* Coroutines have the same. */
	assert_true(luapair_run(
	    L, "coroutine.wrap(function() assert(not (('a'):rep(200000)):find('.b')) end)()"));
	assert_true(luapair_ticks > 0);
	luapair_ticks = 0;
	pgfirst_lua_set_tick(L, NULL);
	assert_true(luapair_run(L, "assert(not (('a'):rep(200000)):find('.b'))"));
	assert_int_equal(luapair_ticks, 0);
	assert_int_equal(lua_gettop(L), 0);
	lua_close(L);
}

/* Some 16 MB for the whole state. */
static void *
limited_resize(void *context, void *block, size_t old_size, size_t size)
{
	TestMemory *memory = context;

	if (size > old_size && memory->in_use + (size - old_size) > (size_t) 16 << 20)
		return NULL;
	return test_resize(memory, block, size);
}

static void
memory_is_the_state_s(void **state)
{
	TestMemory memory = {.remaining = -1};
	lua_State *L = lua_newstate(limited_resize, &memory);

	(void) state;
	assert_non_null(L);
	luaL_openlibs(L);
	pgfirst_lua_bound(L);
	assert_true(luapair_run(L, "local function fails(f, ...)\n"
	                           "	collectgarbage()\n"
	                           "	local ok, message = pcall(f, ...)\n"
	                           "	assert(not ok and message == 'not enough memory', message)\n"
	                           "	collectgarbage()\n"
	                           "	assert(string.gsub('a b', '%w', '<%0>') == '<a> <b>')\n"
	                           "end\n"
	                           "local half = ('a'):rep(1000000)\n"
	                           "fails(string.rep, 'a', 2147483647)\n"
	                           "fails(string.rep, half, 2147483647)\n"
	                           "fails(string.gsub, half, 'a', ('%0'):rep(100))\n"
	                           "fails(string.gsub, half, 'a', half)\n"));
	lua_close(L);
	assert_int_equal(memory.in_use, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pattern_agrees_on_random),
	    cmocka_unit_test(pattern_agrees_on_cases),
	    cmocka_unit_test(pattern_arguments_agree),
	    cmocka_unit_test(pattern_agrees_on_long),
	    cmocka_unit_test(pattern_stack_is_bounded),
	    cmocka_unit_test(pattern_time_ticks),
	    cmocka_unit_test(sort_agrees),
	    cmocka_unit_test(sort_time_ticks),
	    cmocka_unit_test(tables_agree),
	    cmocka_unit_test(tables_time_ticks),
	    cmocka_unit_test(strings_agree),
	    cmocka_unit_test(strings_tick_when_long),
	    cmocka_unit_test(collector_keeps_its_pace),
	    cmocka_unit_test(load_takes_text_only),
	    cmocka_unit_test(tick_may_be_missing),
	    cmocka_unit_test(memory_is_the_state_s),
	};

	return cmocka_run_group_tests_name("luabounded", tests, NULL, NULL);
}
