/* SPDX-License-Identifier: PostgreSQL
 *
 * search.c: string.find, match, gmatch and gsub, on the matcher of pattern.c.
 *
 * They keep to Lua 5.1 where it surprises.  A text without special characters up to its first zero
 * byte is looked for as it is, all of it.  ^ anchors in find, match and gsub, and stands for itself
 * in gmatch.  Behind an empty match the search goes on a byte later, so gsub('abc', '%w*', 'x') is
 * 'xx'.  A % at the very end of a replacement is a zero byte.
 *
 * gsub copies what lies between two matches at once, into bytes that belong to Lua: a function that
 * it calls may raise an error, or call gsub again.
 */
#include "lib/lua/pattern_int.h"

#include <string.h>

/* ---- find and match ---------------------------------------------------------------------- */

/* As in "find me", byte by byte. */
static const char *
plain_search(lua_State *L, const char *subject, size_t subject_length, const char *text,
             size_t text_length)
{
	BoundedWork work = {L, 0};
	const char *last;

	if (text_length == 0)
		return subject;
	if (text_length > subject_length)
		return NULL;
	last = subject + subject_length - text_length;
	while (subject <= last)
	{
		subject = memchr(subject, *text, (size_t) (last - subject) + 1);
		/* The last byte differs more often than not, and costs nothing to look at. */
		if (subject == NULL || (subject[text_length - 1] == text[text_length - 1] &&
		                        bounded_bytes_equal(&work, subject, text, text_length)))
			return subject;
		subject++;
		bounded_work_done(&work, 1);
	}
	return NULL;
}

/* What find answers first: where the match begins and ends. */
static int
places_push(lua_State *L, const char *subject, const char *s, const char *end)
{
	lua_pushinteger(L, s - subject + 1);
	lua_pushinteger(L, end - subject);
	return 2;
}

static int
string_find_or_match(lua_State *L, bool find)
{
	enum
	{
		PLACE = 5
	};
	size_t subject_length;
	size_t pattern_length;
	const char *subject = luaL_checklstring(L, 1, &subject_length);
	const char *pattern = luaL_checklstring(L, 2, &pattern_length);
	size_t from = (size_t) bounded_position(luaL_optinteger(L, 3, 1), subject_length);
	const char *s;
	const char *end;
	Matcher matcher;

	from = from > 0 ? from - 1 : 0;
	from = from < subject_length ? from : subject_length;
	s = subject + from;
	if (find && (lua_toboolean(L, 4) || strpbrk(pattern, "^$*+?.([%-") == NULL))
	{
		s = plain_search(L, s, subject_length - from, pattern, pattern_length);
		if (s != NULL)
			return places_push(L, subject, s, s + pattern_length);
		lua_pushnil(L);
		return 1;
	}
	lua_settop(L, PLACE);
	pattern_matcher_begin(&matcher, L, subject, subject_length, PLACE);
	end = *pattern == '^' ? pattern_match(&matcher, s, pattern + 1)
	                      : pattern_search(&matcher, &s, pattern);
	if (end == NULL)
	{
		lua_pushnil(L);
		return 1;
	}
	if (!find)
		return pattern_captures_push(&matcher, s, end);
	places_push(L, subject, s, end);
	return 2 + (matcher.level == 0 ? 0 : pattern_captures_push(&matcher, s, end));
}

static int
string_find(lua_State *L)
{
	return string_find_or_match(L, true);
}

static int
string_match(lua_State *L)
{
	return string_find_or_match(L, false);
}

/* ---- gmatch ------------------------------------------------------------------------------ */

/* Upvalues: the subject, the pattern, and how much of the subject is done. */
static int
gmatch_next(lua_State *L)
{
	size_t length;
	const char *subject = lua_tolstring(L, lua_upvalueindex(1), &length);
	const char *pattern = lua_tostring(L, lua_upvalueindex(2));
	const char *s = subject + lua_tointeger(L, lua_upvalueindex(3));
	const char *end;
	Matcher matcher;

	lua_settop(L, 1);
	pattern_matcher_begin(&matcher, L, subject, length, 1);
	end = pattern_search(&matcher, &s, pattern);
	if (end == NULL)
		return 0;
	/* Behind an empty match the next begins a byte later. */
	lua_pushinteger(L, end - subject + (end == s));
	lua_replace(L, lua_upvalueindex(3));
	return pattern_captures_push(&matcher, s, end);
}

static int
string_gmatch(lua_State *L)
{
	luaL_checkstring(L, 1);
	luaL_checkstring(L, 2);
	lua_settop(L, 2);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, gmatch_next, 3);
	return 1;
}

/* ---- gsub -------------------------------------------------------------------------------- */

#define REPLACEMENT 3 /* places on Lua's stack */
#define CHOICES     4
#define RESULT      5

static void
value_add(BoundedBytes *result)
{
	size_t length;
	const char *value = lua_tolstring(result->L, -1, &length);

	bounded_bytes_add(result, value, length);
	lua_pop(result->L, 1);
}

/* A replacement that is a string, with %0 to %9 in it. */
static void
template_add(Matcher *matcher, BoundedBytes *result, const char *s, const char *end)
{
	size_t length;
	const char *template = lua_tolstring(result->L, REPLACEMENT, &length);
	const char *template_end = template + length;

	bounded_work_done(&matcher->work, length / BOUNDED_SLICE);
	while (template <template_end)
	{
		const char *escape = memchr(template, '%', (size_t) (template_end - template));

		bounded_bytes_add(result, template,
		                  (size_t) ((escape != NULL ? escape : template_end) - template));
		if (escape == NULL)
			return;
		/* Behind a % at the very end stands the string's zero, and that is what it means. */
		if (!pattern_byte_is_digit((unsigned char) escape[1]))
			bounded_bytes_add(result, escape + 1, 1);
		else if (escape[1] == '0')
			bounded_bytes_add(result, s, (size_t) (end - s));
		else
		{
			pattern_capture_push(matcher, escape[1] - '1', s, end);
			value_add(result);
		}
		bounded_work_done(&matcher->work, 1);
		template = escape + 2;
	}
}

/* What the match from s to end is replaced by. */
static void
replacement_add(Matcher *matcher, BoundedBytes *result, const char *s, const char *end)
{
	lua_State *L = result->L;

	switch (lua_type(L, REPLACEMENT))
	{
		case LUA_TFUNCTION:
			lua_pushvalue(L, REPLACEMENT);
			lua_call(L, pattern_captures_push(matcher, s, end), 1);
			break;
		case LUA_TTABLE:
			pattern_capture_push(matcher, 0, s, end);
			lua_gettable(L, REPLACEMENT);
			break;
		default:
			template_add(matcher, result, s, end);
			return;
	}
	if (!lua_toboolean(L, -1))
	{
		lua_pop(L, 1);
		bounded_bytes_add(result, s, (size_t) (end - s));
		return;
	}
	if (!lua_isstring(L, -1))
		luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
	value_add(result);
}

static int
string_gsub(lua_State *L)
{
	size_t length;
	const char *subject = luaL_checklstring(L, 1, &length);
	const char *pattern = luaL_checkstring(L, 2);
	int type = lua_type(L, REPLACEMENT);
	int most = luaL_optint(L, 4, (int) length + 1);
	bool anchored = *pattern == '^';
	const char *copied = subject; /* up to here the subject is in the result */
	const char *s = subject;
	Matcher matcher;
	BoundedBytes result;
	int count = 0;

	luaL_argcheck(L,
	              type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
	                  type == LUA_TTABLE,
	              REPLACEMENT, "string/function/table expected");
	lua_settop(L, REPLACEMENT);
	lua_settop(L, RESULT);
	pattern_matcher_begin(&matcher, L, subject, length, CHOICES);
	bounded_bytes_begin(&result, L, RESULT);
	while (count < most && s <= matcher.subject_end)
	{
		const char *end = anchored ? pattern_match(&matcher, s, pattern + 1)
		                           : pattern_search(&matcher, &s, pattern);

		if (end == NULL)
			break;
		count++;
		bounded_bytes_add(&result, copied, (size_t) (s - copied));
		replacement_add(&matcher, &result, s, end);
		copied = end;
		s = end > s ? end : s + 1;
		if (anchored)
			break;
	}
	bounded_bytes_add(&result, copied, (size_t) (matcher.subject_end - copied));
	lua_pushlstring(L, result.data, result.length);
	lua_pushinteger(L, count);
	return 2;
}

const luaL_Reg bounded_search_functions[] = {{"find", string_find},
                                             {"match", string_match},
                                             {"gmatch", string_gmatch},
                                             {"gsub", string_gsub},
                                             {NULL, NULL}};
