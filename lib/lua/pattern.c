/* SPDX-License-Identifier: PostgreSQL
 *
 * pattern.c: the patterns of Lua 5.1 without recursion; what uses them is in search.c.
 *
 * A pattern is a row of items, each of which takes some bytes of the subject; only items with a
 * quantifier leave a choice of how many.  Lua's own matcher recurses at every quantifier and every
 * parenthesis: a million of "a?" end the process.  Here the choices that are still open lie in an
 * array, the latest last, and when an item fails, the latest is changed and the row taken up again
 * behind it:
 *
 *      pattern   a * ( b - ) c            a choice holds   where the pattern goes on,
 *                ▲     ▲                                   where the subject does,
 *      choices   1     2                                   how far it can still change,
 *                                                          which captures there were
 *
 * An item is passed once on the way through a pattern, so there are at most as many choices as
 * quantifiers.  A few lie in the matcher itself, on C's stack; more in userdata, up to CHOICES_MOST
 * (4 MB), beyond which the error is "pattern too complex".  That is more than Lua's own matcher has
 * room for on 8 MB of C's stack: it ends, and the process with it, at some 104,000.
 *
 * Of C's stack a match takes 3 KB whatever the pattern, and so does gsub, which may call itself
 * through its function: Lua ends that at 200 calls, some 400 KB in all (Lua's own: 1.8 MB).
 *
 * Captures need no record of their own.  They are numbered as they open, each closes once, and a
 * choice is never older than the captures before it.  So how many there were, and which of them were
 * open, is all that must be put back.
 *
 * Time stays exponential in the number of quantifiers at worst, as the semantics of back references
 * demand of everybody.  What helps is that every item, every byte that a quantifier takes and every
 * byte of a class that is read counts as a step, and that steps tick.
 *
 * To Lua 5.1 a pattern ends at its first zero byte (%z stands for one), and one without special
 * characters up to there is looked for as it is, zeros included.  That stays.  So does that an error
 * in a pattern is only found when the subject leads there.  Classes are ASCII's: Lua asks the C
 * library, whose answer would depend on the database's locale.
 */
#include "lib/lua/pattern_int.h"

#include <string.h>

#define CAPTURE_POSITION SIZE_MAX /* as the length of a capture "()" */

void
pattern_matcher_begin(Matcher *matcher, lua_State *L, const char *subject, size_t length, int place)
{
	matcher->work = (BoundedWork){L, 0};
	matcher->subject = subject;
	matcher->subject_end = subject + length;
	matcher->place = place;
	matcher->choice_room = CHOICES_FIRST;
	matcher->choices = matcher->first_choices;
}

/* luaL_error() never returns, but does not say so to the compiler. */
static _Noreturn void
pattern_error(Matcher *matcher, const char *message)
{
	for (;;)
		luaL_error(matcher->work.L, message);
}

/* ---- items ------------------------------------------------------------------------------- */

static inline bool
byte_is_letter(unsigned char byte)
{
	return ((unsigned int) byte | 0x20) - 'a' < 26;
}

/* %a and its like.  What is no class stands for itself. */
static bool
class_contains(unsigned char class, unsigned char byte)
{
	bool contains;

	switch (class | 0x20)
	{
		case 'a':
			contains = byte_is_letter(byte);
			break;
		case 'c':
			contains = byte < ' ' || byte == 0x7f;
			break;
		case 'd':
			contains = pattern_byte_is_digit(byte);
			break;
		case 'l':
			contains = (unsigned int) byte - 'a' < 26;
			break;
		case 'p':
			contains =
			    byte > ' ' && byte < 0x7f && !byte_is_letter(byte) && !pattern_byte_is_digit(byte);
			break;
		case 's':
			contains = byte == ' ' || (unsigned int) byte - '\t' < 5;
			break;
		case 'u':
			contains = (unsigned int) byte - 'A' < 26;
			break;
		case 'w':
			contains = byte_is_letter(byte) || pattern_byte_is_digit(byte);
			break;
		case 'x':
			contains = pattern_byte_is_digit(byte) || ((unsigned int) byte | 0x20) - 'a' < 6;
			break;
		case 'z':
			contains = byte == 0;
			break;
		default:
			return class == byte;
	}
	/* A capital inverts. */
	return contains != ((class & 0x20) == 0);
}

/* A set from its [ to its ]. */
static bool
set_contains(Matcher *matcher, const char *set, const char *close, unsigned char byte)
{
	const char *p = set + 1;
	bool inverted = *p == '^';
	bool found = false;

	if (inverted)
		p++;
	while (p < close && !found)
	{
		if (*p == '%')
		{
			found = class_contains((unsigned char) p[1], byte);
			p += 2;
		}
		else if (p[1] == '-' && p + 2 < close)
		{
			found = (unsigned char) p[0] <= byte && byte <= (unsigned char) p[2];
			p += 3;
		}
		else
			found = (unsigned char) *p++ == byte;
	}
	matcher->work.done += (size_t) (p - set);
	return found != inverted;
}

/* Where the single item that starts at p ends, before its quantifier. */
static inline const char *
item_end(Matcher *matcher, const char *p)
{
	const char *item = p;

	if (*p == '%')
	{
		if (p[1] == '\0')
			pattern_error(matcher, "malformed pattern (ends with '%%')");
		return p + 2;
	}
	if (*p != '[')
		return p + 1;
	p++;
	if (*p == '^')
		p++;
	/* A ] that comes first is an ordinary character. */
	do
	{
		if (*p == '\0')
			pattern_error(matcher, "malformed pattern (missing ']')");
		if (*p++ == '%' && *p != '\0')
			p++;
	} while (*p != ']');
	matcher->work.done += (size_t) (p - item);
	return p + 1;
}

static inline bool
item_matches(Matcher *matcher, const char *item, const char *end, char byte)
{
	switch (*item)
	{
		case '.':
			return true;
		case '%':
			return class_contains((unsigned char) item[1], (unsigned char) byte);
		case '[':
			return set_contains(matcher, item, end - 1, (unsigned char) byte);
		default:
			return *item == byte;
	}
}

/* How far the item can be repeated from s on. */
static inline const char *
item_repeat(Matcher *matcher, const char *item, const char *end, const char *s)
{
	if (*item == '.')
		return matcher->subject_end;
	while (s < matcher->subject_end && item_matches(matcher, item, end, *s))
	{
		s++;
		bounded_work_done(&matcher->work, 1);
	}
	return s;
}

/* ---- choices ----------------------------------------------------------------------------- */

static void
choices_grow(Matcher *matcher)
{
	lua_State *L = matcher->work.L;
	size_t size = matcher->choice_count * sizeof(Choice);
	Choice *choices;

	if (matcher->choice_room == CHOICES_MOST)
		pattern_error(matcher, "pattern too complex");
	choices = lua_newuserdata(L, 2 * size);
	memcpy(choices, matcher->choices, size);
	lua_replace(L, matcher->place);
	matcher->choices = choices;
	matcher->choice_room *= 2;
}

static inline Choice *
choice_add(Matcher *matcher, const char *after, const char *at)
{
	Choice *choice;

	if (matcher->choice_count == matcher->choice_room)
		choices_grow(matcher);
	choice = &matcher->choices[matcher->choice_count++];
	choice->after = after;
	choice->at = at;
	choice->open = matcher->open;
	choice->level = (uint8_t) matcher->level;
	return choice;
}

static inline void
choice_add_greedy(Matcher *matcher, const char *after, const char *at, const char *least)
{
	Choice *choice = choice_add(matcher, after, at);

	choice->u.least = least;
	choice->lazy = false;
}

static inline void
choice_add_lazy(Matcher *matcher, const char *after, const char *at, const char *item)
{
	Choice *choice = choice_add(matcher, after, at);

	choice->u.item = item;
	choice->lazy = true;
}

/* Changes the latest choice that can be changed and goes back to behind it; false: there is none. */
static inline bool
choice_change(Matcher *matcher, const char **s, const char **p)
{
	while (matcher->choice_count > 0)
	{
		Choice *choice = &matcher->choices[matcher->choice_count - 1];
		bool changed = true;

		bounded_work_done(&matcher->work, 1);
		if (!choice->lazy)
		{
			/* At its least there is nothing left to be changed. */
			if (--choice->at == choice->u.least)
				matcher->choice_count--;
		}
		else if (choice->at < matcher->subject_end &&
		         item_matches(matcher, choice->u.item, choice->after - 1, *choice->at))
			choice->at++;
		else
		{
			matcher->choice_count--;
			changed = false;
		}
		if (changed)
		{
			*s = choice->at;
			*p = choice->after;
			matcher->open = choice->open;
			matcher->level = choice->level;
			return true;
		}
	}
	return false;
}

/* ---- the row of items -------------------------------------------------------------------- */

/* Each of these takes what stands at *p of the pattern and at *s of the subject and moves behind;
 * false, and both may be anywhere, if it does not match. */

static void
capture_open(Matcher *matcher, const char **s, const char **p)
{
	Capture *capture;

	if (matcher->level == CAPTURES_MOST)
		pattern_error(matcher, "too many captures");
	capture = &matcher->captures[matcher->level];
	capture->start = *s;
	capture->length = CAPTURE_POSITION;
	if ((*p)[1] == ')')
		*p += 2;
	else
	{
		matcher->open |= UINT32_C(1) << matcher->level;
		*p += 1;
	}
	matcher->level++;
}

static void
capture_close(Matcher *matcher, const char **s, const char **p)
{
	int last = matcher->level - 1;

	while (last >= 0 && (matcher->open >> last & 1) == 0)
		last--;
	if (last < 0)
		pattern_error(matcher, "invalid pattern capture");
	matcher->open &= ~(UINT32_C(1) << last);
	matcher->captures[last].length = (size_t) (*s - matcher->captures[last].start);
	*p += 1;
}

/* %1 to %9.  One to a position never matches. */
static bool
reference_match(Matcher *matcher, const char **s, const char **p)
{
	int index = (*p)[1] - '1';
	const Capture *capture;

	if (index < 0 || index >= matcher->level || (matcher->open >> index & 1) != 0)
		pattern_error(matcher, "invalid capture index");
	capture = &matcher->captures[index];
	if ((size_t) (matcher->subject_end - *s) < capture->length ||
	    !bounded_bytes_equal(&matcher->work, capture->start, *s, capture->length))
		return false;
	*s += capture->length;
	*p += 2;
	return true;
}

/* %bxy */
static bool
balance_match(Matcher *matcher, const char **s, const char **p)
{
	const char *at = *s;
	char opens = (*p)[2];
	char closes = opens != '\0' ? (*p)[3] : '\0';
	size_t depth = 1;

	if (closes == '\0')
		pattern_error(matcher, "unbalanced pattern");
	/* At the subject's end stands a zero, which opens nothing. */
	if (*at != opens)
		return false;
	while (++at < matcher->subject_end)
	{
		bounded_work_done(&matcher->work, 1);
		if (*at == closes)
		{
			if (--depth == 0)
			{
				*s = at + 1;
				*p += 4;
				return true;
			}
		}
		else if (*at == opens)
			depth++;
	}
	return false;
}

/* %f[set]: here begins what the set contains; before and behind the subject stand zeros. */
static bool
frontier_match(Matcher *matcher, const char **s, const char **p)
{
	const char *set = *p + 2;
	const char *end;
	char before = *s == matcher->subject ? '\0' : (*s)[-1];

	if (*set != '[')
		pattern_error(matcher, "missing '[' after '%%f' in pattern");
	end = item_end(matcher, set);
	*p = end;
	return !set_contains(matcher, set, end - 1, (unsigned char) before) &&
	       set_contains(matcher, set, end - 1, (unsigned char) **s);
}

/* One byte, and what its quantifier makes of it. */
static inline bool
item_match(Matcher *matcher, const char **s, const char **p)
{
	const char *item = *p;
	const char *end = item_end(matcher, item);
	const char *at = *s;
	const char *most;

	*p = end + 1;
	switch (*end)
	{
		case '?':
			if (at < matcher->subject_end && item_matches(matcher, item, end, *at))
			{
				choice_add_greedy(matcher, *p, at + 1, at);
				*s = at + 1;
			}
			return true;
		case '+':
		case '*':
			most = item_repeat(matcher, item, end, at);
			if (*end == '+' && at++ == most)
				return false;
			if (most > at)
				choice_add_greedy(matcher, *p, most, at);
			*s = most;
			return true;
		case '-':
			choice_add_lazy(matcher, *p, at, item);
			return true;
		default:
			*p = end;
			*s = at + 1;
			return at < matcher->subject_end && item_matches(matcher, item, end, *at);
	}
}

static inline bool
element_match(Matcher *matcher, const char **s, const char **p)
{
	switch (**p)
	{
		case '(':
			capture_open(matcher, s, p);
			return true;
		case ')':
			capture_close(matcher, s, p);
			return true;
		case '$':
			if ((*p)[1] != '\0')
				break;
			*p += 1;
			return *s == matcher->subject_end;
		case '%':
			if ((*p)[1] == 'b')
				return balance_match(matcher, s, p);
			if ((*p)[1] == 'f')
				return frontier_match(matcher, s, p);
			if (pattern_byte_is_digit((unsigned char) (*p)[1]))
				return reference_match(matcher, s, p);
			break;
		default:
			break;
	}
	return item_match(matcher, s, p);
}

const char *
pattern_match(Matcher *matcher, const char *s, const char *p)
{
	matcher->level = 0;
	matcher->open = 0;
	matcher->choice_count = 0;
	while (*p != '\0')
	{
		bounded_work_done(&matcher->work, 1);
		if (!element_match(matcher, &s, &p) && !choice_change(matcher, &s, &p))
			return NULL;
	}
	return s;
}

/* The byte that every match begins with; zero if that cannot be said at a glance. */
static char
pattern_first_byte(const char *p)
{
	if (*p == '\0' || strchr("^$*+?.([%-)", *p) != NULL)
		return '\0';
	return p[1] == '\0' || strchr("*?-", p[1]) == NULL ? *p : '\0';
}

const char *
pattern_search(Matcher *matcher, const char **s, const char *p)
{
	char first = pattern_first_byte(p);

	for (; *s <= matcher->subject_end; ++*s)
	{
		const char *end;

		if (first != '\0')
		{
			*s = memchr(*s, first, (size_t) (matcher->subject_end - *s));
			if (*s == NULL)
				return NULL;
		}
		bounded_work_done(&matcher->work, 1);
		end = pattern_match(matcher, *s, p);
		if (end != NULL)
			return end;
	}
	return NULL;
}

/* ---- captures ---------------------------------------------------------------------------- */

void
pattern_capture_push(Matcher *matcher, int index, const char *s, const char *end)
{
	lua_State *L = matcher->work.L;
	const Capture *capture;

	if (index >= matcher->level)
	{
		if (index != 0)
			pattern_error(matcher, "invalid capture index");
		lua_pushlstring(L, s, (size_t) (end - s));
		return;
	}
	capture = &matcher->captures[index];
	if ((matcher->open >> index & 1) != 0)
		pattern_error(matcher, "unfinished capture");
	if (capture->length == CAPTURE_POSITION)
		lua_pushinteger(L, capture->start - matcher->subject + 1);
	else
		lua_pushlstring(L, capture->start, capture->length);
}

int
pattern_captures_push(Matcher *matcher, const char *s, const char *end)
{
	int count = matcher->level > 0 ? matcher->level : 1;

	luaL_checkstack(matcher->work.L, count, "too many captures");
	for (int i = 0; i < count; i++)
		pattern_capture_push(matcher, i, s, end);
	return count;
}
