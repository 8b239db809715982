/* SPDX-License-Identifier: PostgreSQL
 *
 * sort.c: table.sort.
 *
 * Where elements are equal but can be told apart, the order in which they end up is the algorithm's,
 * and scripts have come to depend on it; a comparison function sees in which order it is called.
 * So this is the algorithm of Lua 5.1, comparison for comparison and move for move: quicksort by
 * the median of the first, middle and last element, of which the first and last then end the inner
 * loops.  It can be led into quadratic time.  Rather than to another algorithm, that leads to ticks:
 * one for every few thousand comparisons, whoever makes them.  A comparison function in Lua has its
 * own count of instructions, but one written in C has none.
 *
 * Recursion goes into the smaller part only, so that it is no deeper than the logarithm of the
 * table's length: 31 at most.  Nothing lies on Lua's stack across it.
 */
#include "lib/lua/bounded_int.h"

#define ARRAY    1 /* places on Lua's stack */
#define FUNCTION 2

typedef struct Sort
{
	BoundedWork work;
	bool by_function;
	bool may_be_strings; /* what is compared now: takes as long as they are */
} Sort;

/* Whether the value at index a is less than the one at b; both are negative. */
static bool
sort_less(Sort *sort, int a, int b)
{
	lua_State *L = sort->work.L;
	bool less;

	bounded_work_done(&sort->work, 1);
	if (!sort->by_function)
	{
		/* lua_objlen() would change a number. */
		if (sort->may_be_strings && lua_type(L, a) == LUA_TSTRING)
			bounded_work_done(&sort->work, lua_objlen(L, a) / BOUNDED_SLICE);
		return lua_lessthan(L, a, b);
	}
	lua_pushvalue(L, FUNCTION);
	lua_pushvalue(L, a - 1);
	lua_pushvalue(L, b - 2);
	lua_call(L, 2, 1);
	less = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return less;
}

/* Takes two values off and stores the top one at i, the other at j. */
static void
sort_store(lua_State *L, int i, int j)
{
	lua_rawseti(L, ARRAY, i);
	lua_rawseti(L, ARRAY, j);
}

/* Exchanges the elements at low and high if the latter is less; says whether it was. */
static bool
sort_pair(Sort *sort, int low, int high)
{
	lua_rawgeti(sort->work.L, ARRAY, low);
	lua_rawgeti(sort->work.L, ARRAY, high);
	if (sort_less(sort, -1, -2))
	{
		sort_store(sort->work.L, low, high);
		return true;
	}
	lua_pop(sort->work.L, 2);
	return false;
}

/* Orders the first, middle and last element; false if there is nothing between them to be sorted. */
static bool
sort_median(Sort *sort, int low, int high)
{
	lua_State *L = sort->work.L;
	int middle = low + (high - low) / 2;

	sort->may_be_strings = true;
	sort_pair(sort, low, high);
	if (high - low == 1)
		return false;
	/* Not sort_pair(): a function that compares sees which of the two is read first. */
	lua_rawgeti(L, ARRAY, middle);
	lua_rawgeti(L, ARRAY, low);
	if (sort_less(sort, -2, -1))
		sort_store(L, middle, low);
	else
	{
		lua_pop(L, 1);
		lua_rawgeti(L, ARRAY, high);
		if (sort_less(sort, -1, -2))
			sort_store(L, middle, high);
		else
			lua_pop(L, 2);
	}
	return high - low > 2;
}

/*
 * Parts what lies between low and high - 1 by the median of the three; returns where the median has
 * come to stand.  The inner loops have no other end than an element that is not less: a comparison
 * that contradicts itself leads them out of the range, and so to the error.
 */
static int
sort_partition(Sort *sort, int low, int high)
{
	lua_State *L = sort->work.L;
	int middle = low + (high - low) / 2;
	int i = low;
	int j = high - 1;

	lua_rawgeti(L, ARRAY, middle);
	lua_pushvalue(L, -1);
	lua_rawgeti(L, ARRAY, high - 1);
	sort_store(L, middle, high - 1);
	/* The median stays on the stack below the two elements that are looked at, one of which is
	 * compared with it: if it is no string, no strings are compared. */
	sort->may_be_strings = lua_type(L, -1) == LUA_TSTRING;
	for (;;)
	{
		for (lua_rawgeti(L, ARRAY, ++i); sort_less(sort, -1, -2); lua_rawgeti(L, ARRAY, ++i))
		{
			if (i > high)
				luaL_error(L, "invalid order function for sorting");
			lua_pop(L, 1);
		}
		for (lua_rawgeti(L, ARRAY, --j); sort_less(sort, -3, -1); lua_rawgeti(L, ARRAY, --j))
		{
			if (j < low)
				luaL_error(L, "invalid order function for sorting");
			lua_pop(L, 1);
		}
		if (j < i)
			break;
		sort_store(L, i, j);
	}
	lua_pop(L, 3);
	lua_rawgeti(L, ARRAY, high - 1);
	lua_rawgeti(L, ARRAY, i);
	sort_store(L, high - 1, i);
	return i;
}

static void
sort_range(Sort *sort, int low, int high)
{
	while (low < high)
	{
		int place;

		if (!sort_median(sort, low, high))
			return;
		place = sort_partition(sort, low, high);
		if (place - low < high - place)
		{
			sort_range(sort, low, place - 1);
			low = place + 1;
		}
		else
		{
			sort_range(sort, place + 1, high);
			high = place - 1;
		}
	}
}

int
bounded_sort(lua_State *L)
{
	Sort sort = {.work = {L, 0}};
	int length;

	luaL_checktype(L, ARRAY, LUA_TTABLE);
	length = (int) lua_objlen(L, ARRAY);
	if (!lua_isnoneornil(L, FUNCTION))
		luaL_checktype(L, FUNCTION, LUA_TFUNCTION);
	lua_settop(L, FUNCTION);
	sort.by_function = !lua_isnil(L, FUNCTION);
	sort_range(&sort, 1, length);
	return 0;
}
