/* SPDX-License-Identifier: PostgreSQL
 *
 * cjson.c: the library `cjson` of scripts: Lua's values as JSON and back, with the results and the
 * settings of lua-cjson 2.1.0 as redis-server 7 has it.
 *
 * Encoded, a table whose keys are all whole numbers above 0 is an array up to the greatest, holes
 * being null; one that is mostly holes is an error, or on demand an object; every other table is an
 * object, and so is an empty one.  Numbers have 14 digits.  Bytes above 127 go through as they are.
 *
 * Decoded, null is cjson.null, the NULL of light userdata.  By default numbers may be whatever
 * strtod() takes: hexadecimal, infinite, with a plus sign.  A zero byte ends the text, and whatever
 * is behind it is not looked at.
 *
 * Both directions walk what is nested in a loop, with a note for each level, so that a script that
 * sets the limits of depth high comes upon the limit of Lua's stack, never upon that of C's.
 *
 * The settings belong to a library table, and so to the Lua state; cjson.new() makes a table with
 * settings of its own.
 *
 * What differs:
 *   memory     lua-cjson takes it from malloc, and ends the process when there is none.
 *   buffer     encode_keep_buffer is remembered, as every setting, and changes nothing.
 *   nesting    With limits raised that far, it ends one or two levels earlier, near 8,000 arrays or
 *              4,000 objects, because a buffer has its place on the stack.
 *   sparse     The product of keys and encode_sparse_array's ratio does not overflow.
 */
#include "lib/lua/lualibs_int.h"

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- settings ---------------------------------------------------------------------------- */

typedef struct JsonSettings
{
	int sparse_convert; /* encode_sparse_array: convert, */
	int sparse_ratio;   /* ratio, */
	int sparse_safe;    /* safe */
	int encode_max_depth;
	int decode_max_depth;
	int encode_invalid_numbers; /* off, on, null */
	int decode_invalid_numbers;
	int encode_keep_buffer;
	int encode_number_precision;
} JsonSettings;

static const JsonSettings json_defaults = {
    .sparse_convert = 0,
    .sparse_ratio = 2,
    .sparse_safe = 10,
    .encode_max_depth = 1000,
    .decode_max_depth = 1000,
    .encode_invalid_numbers = 0,
    .decode_invalid_numbers = 1,
    .encode_keep_buffer = 1,
    .encode_number_precision = 14,
};

static const char *const json_switch[] = {"off", "on", NULL};
static const char *const json_invalid_numbers[] = {"off", "on", "null", NULL};

/* Every function of the library has them as its upvalue. */
static JsonSettings *
json_settings(lua_State *L)
{
	return lua_touserdata(L, lua_upvalueindex(1));
}

/* At most `count` arguments; those that are missing are nil, which leaves a setting as it is. */
static JsonSettings *
json_settings_arguments(lua_State *L, int count)
{
	luaL_argcheck(L, lua_gettop(L) <= count, count + 1, "found too many arguments");
	lua_settop(L, count);
	return json_settings(L);
}

/* Sets and pushes. */
static int
json_set_integer(lua_State *L, int index, int *setting, int least, int greatest)
{
	if (!lua_isnil(L, index))
	{
		/* Cut to an int, as there, before it is looked at. */
		int value = (int) luaL_checkinteger(L, index);
		const char *words =
		    lua_pushfstring(L, "expected integer between %d and %d", least, greatest);

		/* Redis says 1 whichever it is. */
		luaL_argcheck(L, value >= least && value <= greatest, 1, words);
		lua_pop(L, 1);
		*setting = value;
	}
	lua_pushinteger(L, *setting);
	return 1;
}

/* The same for words; off and on are booleans too, and are answered as such. */
static int
json_set_word(lua_State *L, int index, int *setting, const char *const words[])
{
	if (lua_isboolean(L, index))
		*setting = lua_toboolean(L, index);
	else if (!lua_isnil(L, index))
		*setting = luaL_checkoption(L, index, NULL, words);
	if (*setting <= 1)
		lua_pushboolean(L, *setting);
	else
		lua_pushstring(L, words[*setting]);
	return 1;
}

static int
json_encode_sparse_array(lua_State *L)
{
	JsonSettings *settings = json_settings_arguments(L, 3);

	json_set_word(L, 1, &settings->sparse_convert, json_switch);
	json_set_integer(L, 2, &settings->sparse_ratio, 0, INT_MAX);
	json_set_integer(L, 3, &settings->sparse_safe, 0, INT_MAX);
	return 3;
}

static int
json_encode_max_depth(lua_State *L)
{
	return json_set_integer(L, 1, &json_settings_arguments(L, 1)->encode_max_depth, 1, INT_MAX);
}

static int
json_decode_max_depth(lua_State *L)
{
	return json_set_integer(L, 1, &json_settings_arguments(L, 1)->decode_max_depth, 1, INT_MAX);
}

static int
json_encode_number_precision(lua_State *L)
{
	return json_set_integer(L, 1, &json_settings_arguments(L, 1)->encode_number_precision, 1, 14);
}

static int
json_encode_keep_buffer(lua_State *L)
{
	return json_set_word(L, 1, &json_settings_arguments(L, 1)->encode_keep_buffer, json_switch);
}

static int
json_encode_invalid_numbers(lua_State *L)
{
	return json_set_word(L, 1, &json_settings_arguments(L, 1)->encode_invalid_numbers,
	                     json_invalid_numbers);
}

static int
json_decode_invalid_numbers(lua_State *L)
{
	return json_set_word(L, 1, &json_settings_arguments(L, 1)->decode_invalid_numbers, json_switch);
}

/* ---- encoding ---------------------------------------------------------------------------- */

/* A table that is being written.  Where an object has come to, its last key, is on the stack. */
typedef struct EncodeLevel
{
	unsigned int length; /* of an array; 0: an object */
	unsigned int next;   /* index in an array; of an object 1 at first */
} EncodeLevel;

typedef struct Encoder
{
	lua_State *L;
	const JsonSettings *settings;
	LuaBytes bytes;
	LuaWork work;
	int depth;
	EncodeLevel levels[LUALIBS_LEVELS];
} Encoder;

static void
encode_text(Encoder *encoder, const char *text)
{
	lualibs_bytes_add(&encoder->bytes, text, strlen(text));
}

static void
encode_require(Encoder *encoder, bool good, int index, const char *reason)
{
	if (!good)
		luaL_error(encoder->L, "Cannot serialise %s: %s", luaL_typename(encoder->L, index), reason);
}

/* What is written for a byte in a string, or NULL: itself. */
static const char *
encode_escape(unsigned char byte, char room[8])
{
	switch (byte)
	{
		case '"':
			return "\\\"";
		case '\\':
			return "\\\\";
		case '/':
			return "\\/";
		case '\b':
			return "\\b";
		case '\t':
			return "\\t";
		case '\n':
			return "\\n";
		case '\f':
			return "\\f";
		case '\r':
			return "\\r";
		default:
			if (byte >= ' ' && byte != 0x7f)
				return NULL;
			snprintf(room, 8, "\\u%04x", (unsigned int) byte);
			return room;
	}
}

static void
encode_string(Encoder *encoder, int index)
{
	size_t length;
	const char *text = lua_tolstring(encoder->L, index, &length);
	size_t begin = 0;

	lualibs_bytes_add_char(&encoder->bytes, '"');
	for (size_t i = 0; i < length; i++)
	{
		char room[8];
		const char *escape = encode_escape((unsigned char) text[i], room);

		if (i % LUALIBS_SLICE == LUALIBS_SLICE - 1)
			lualibs_work_done(&encoder->work, 1);
		if (escape == NULL)
			continue;
		lualibs_bytes_add(&encoder->bytes, text + begin, i - begin);
		encode_text(encoder, escape);
		begin = i + 1;
	}
	lualibs_bytes_add(&encoder->bytes, text + begin, length - begin);
	lualibs_bytes_add_char(&encoder->bytes, '"');
}

static void
encode_number(Encoder *encoder, int index)
{
	double number = lua_tonumber(encoder->L, index);
	char text[32];

	if (!isfinite(number))
	{
		encode_require(encoder, encoder->settings->encode_invalid_numbers != 0, index,
		               "must not be NaN or Inf");
		if (encoder->settings->encode_invalid_numbers == 2)
		{
			encode_text(encoder, "null");
			return;
		}
	}
	/* NaN has no sign, whatever it has. */
	snprintf(text, sizeof(text), "%.*g", encoder->settings->encode_number_precision,
	         isnan(number) ? (double) NAN : number);
	encode_text(encoder, text);
}

/*
 * The length of the table at the top as an array; an object if it is not above 0.
 *
 * Keys above INT_MAX become the smallest int, as Redis's conversion has them on x86.  So a table of
 * such keys alone, milliseconds for example, is an object.
 */
static int
encode_array_length(Encoder *encoder)
{
	lua_State *L = encoder->L;
	const JsonSettings *settings = encoder->settings;
	int greatest = 0;
	int64_t count = 0;

	lua_pushnil(L);
	while (lua_next(L, -2) != 0)
	{
		double key = lua_tonumber(L, -2);

		if (lua_type(L, -2) != LUA_TNUMBER || key < 1 || floor(key) != key)
		{
			lua_pop(L, 2);
			return -1;
		}
		if (key > greatest)
			greatest = key > INT_MAX ? INT_MIN : (int) key;
		count++;
		lua_pop(L, 1);
		lualibs_work_done(&encoder->work, 1);
	}
	if (settings->sparse_ratio > 0 && greatest > count * settings->sparse_ratio &&
	    greatest > settings->sparse_safe)
	{
		encode_require(encoder, settings->sparse_convert != 0, -1, "excessively sparse array");
		return -1;
	}
	return greatest;
}

/* Begins the table at the top. */
static void
encode_table(Encoder *encoder)
{
	lua_State *L = encoder->L;
	EncodeLevel *level = &encoder->levels[encoder->depth];
	int length;

	/* Places for a key, a value, an error's words, and for bytes that grow. */
	if (encoder->depth >= encoder->settings->encode_max_depth || encoder->depth >= LUALIBS_LEVELS ||
	    !lua_checkstack(L, 4))
		luaL_error(L, "Cannot serialise, excessive nesting (%d)", encoder->depth + 1);
	encoder->depth++;
	length = encode_array_length(encoder);
	level->length = length > 0 ? (unsigned int) length : 0;
	level->next = 1;
	lualibs_bytes_add_char(&encoder->bytes, length > 0 ? '[' : '{');
	if (length <= 0)
		lua_pushnil(L);
}

/* Writes the value at the top and takes it off, but a table, which it only begins. */
static void
encode_value(Encoder *encoder)
{
	lua_State *L = encoder->L;

	lualibs_work_done(&encoder->work, 1);
	switch (lua_type(L, -1))
	{
		case LUA_TSTRING:
			encode_string(encoder, -1);
			break;
		case LUA_TNUMBER:
			encode_number(encoder, -1);
			break;
		case LUA_TBOOLEAN:
			encode_text(encoder, lua_toboolean(L, -1) ? "true" : "false");
			break;
		case LUA_TNIL:
			encode_text(encoder, "null");
			break;
		case LUA_TTABLE:
			encode_table(encoder);
			return;
		default:
			encode_require(encoder, lua_islightuserdata(L, -1) && lua_touserdata(L, -1) == NULL, -1,
			               "type not supported");
			encode_text(encoder, "null");
			break;
	}
	lua_pop(L, 1);
}

/* The key of an object, under its value at the top. */
static void
encode_key(Encoder *encoder)
{
	lua_State *L = encoder->L;

	if (lua_type(L, -2) == LUA_TSTRING)
		encode_string(encoder, -2);
	else
	{
		encode_require(encoder, lua_type(L, -2) == LUA_TNUMBER, -2,
		               "table key must be a number or string");
		lualibs_bytes_add_char(&encoder->bytes, '"');
		encode_number(encoder, -2);
		lualibs_bytes_add_char(&encoder->bytes, '"');
	}
	lualibs_bytes_add_char(&encoder->bytes, ':');
}

/* The next value of the innermost table, pushed, with all that stands before it; false at its end. */
static bool
encode_next(Encoder *encoder)
{
	lua_State *L = encoder->L;
	EncodeLevel *level = &encoder->levels[encoder->depth - 1];
	bool is_array = level->length > 0;

	if (is_array ? level->next > level->length : lua_next(L, -2) == 0)
	{
		lualibs_bytes_add_char(&encoder->bytes, is_array ? ']' : '}');
		lua_pop(L, 1);
		encoder->depth--;
		return false;
	}
	if (is_array)
		lua_rawgeti(L, -1, (int) level->next);
	if (level->next > 1)
		lualibs_bytes_add_char(&encoder->bytes, ',');
	if (!is_array)
		encode_key(encoder);
	level->next = is_array ? level->next + 1 : 2;
	return true;
}

static int
json_encode(lua_State *L)
{
	Encoder encoder;

	luaL_argcheck(L, lua_gettop(L) == 1, 1, "expected 1 argument");
	encoder.L = L;
	encoder.settings = json_settings(L);
	encoder.depth = 0;
	lualibs_work_begin(&encoder.work, L);
	lua_pushnil(L);
	lua_insert(L, 1);
	lualibs_bytes_begin(&encoder.bytes, L, 1);
	do
	{
		encode_value(&encoder);
		while (encoder.depth > 0 && !encode_next(&encoder))
			;
	} while (encoder.depth > 0);
	lualibs_bytes_push(&encoder.bytes);
	return 1;
}

/* ---- tokens ------------------------------------------------------------------------------ */

/* Their names are seen in errors. */
typedef enum JsonToken
{
	JSON_OBJECT_BEGIN,
	JSON_OBJECT_END,
	JSON_ARRAY_BEGIN,
	JSON_ARRAY_END,
	JSON_STRING, /* pushed */
	JSON_NUMBER, /* in `number` */
	JSON_TRUE,
	JSON_FALSE,
	JSON_NULL,
	JSON_COLON,
	JSON_COMMA,
	JSON_END,
	JSON_ERROR /* what is wrong is in `error` */
} JsonToken;

static const char *const json_token_names[] = {
    "T_OBJ_BEGIN", "T_OBJ_END", "T_ARR_BEGIN", "T_ARR_END", "T_STRING", "T_NUMBER",
    "T_BOOLEAN",   "T_BOOLEAN", "T_NULL",      "T_COLON",   "T_COMMA",  "T_END",
};

/* A table that is being filled; where it is an object, a key is on the stack behind it. */
typedef struct DecodeLevel
{
	bool is_array;
	unsigned int length; /* of an array, so far */
} DecodeLevel;

typedef struct Decoder
{
	lua_State *L;
	const JsonSettings *settings;
	LuaWork work;
	const char *text;
	const char *next;  /* text ends with a zero byte, as a string of Lua does */
	const char *begin; /* of the token, or where in it the error is */
	const char *error;
	double number;
	int depth;
	DecodeLevel levels[LUALIBS_LEVELS];
} Decoder;

static JsonToken
token_wrong(Decoder *decoder, const char *where, const char *error)
{
	decoder->begin = where;
	decoder->error = error;
	return JSON_ERROR;
}

/* The text from `next` on is this word, whatever comes behind it. */
static bool
token_is(const Decoder *decoder, const char *word)
{
	return strncmp(decoder->next, word, strlen(word)) == 0;
}

/* Likewise, in letters of any case; ASCII, because it must not depend on a locale. */
static bool
text_begins(const char *text, const char *word)
{
	for (; *word != '\0'; text++, word++)
	{
		if ((*text | 0x20) != *word)
			return false;
	}
	return true;
}

/*
 * Whether what looks like a number is one that strtod() takes and JSON has not: with a plus sign, a
 * zero in front, hexadecimal, infinite.  What is no number at all may go either way.
 */
static bool
number_is_invalid(const char *text)
{
	if (*text == '+')
		return true;
	if (*text == '-')
		text++;
	if (*text == '0')
		return (text[1] | 0x20) == 'x' || (text[1] >= '0' && text[1] <= '9');
	return text_begins(text, "inf") || text_begins(text, "nan");
}

static JsonToken
token_number(Decoder *decoder)
{
	char *end;

	decoder->number = strtod(decoder->next, &end);
	if (end == decoder->next)
		return token_wrong(decoder, decoder->next, "invalid number");
	decoder->next = end;
	return JSON_NUMBER;
}

/* Four hexadecimal digits, or -1; looks no further than the first byte that is none. */
static int
text_hex4(const char *text)
{
	int value = 0;

	for (int i = 0; i < 4; i++)
	{
		char letter = (char) (text[i] | 0x20);

		if (text[i] >= '0' && text[i] <= '9')
			value = value * 16 + (text[i] - '0');
		else if (letter >= 'a' && letter <= 'f')
			value = value * 16 + (letter - 'a' + 10);
		else
			return -1;
	}
	return value;
}

/* The code point of an escape \uXXXX, or of two that are a pair of surrogates; -1 if it is neither.
 * *length becomes the escape's. */
static int
text_code_point(const char *escape, size_t *length)
{
	int high = text_hex4(escape + 2);
	int low;

	*length = 6;
	if (high < 0 || (high & 0xf800) != 0xd800)
		return high;
	if ((high & 0x400) != 0 || escape[6] != '\\' || escape[7] != 'u')
		return -1;
	low = text_hex4(escape + 8);
	if (low < 0 || (low & 0xfc00) != 0xdc00)
		return -1;
	*length = 12;
	return 0x10000 + ((high & 0x3ff) << 10 | (low & 0x3ff));
}

/* At most 4 bytes; returns how many. */
static size_t
utf8_put(char *to, int code)
{
	if (code < 0x80)
	{
		to[0] = (char) code;
		return 1;
	}
	if (code < 0x800)
	{
		to[0] = (char) (0xc0 | code >> 6);
		to[1] = (char) (0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000)
	{
		to[0] = (char) (0xe0 | code >> 12);
		to[1] = (char) (0x80 | (code >> 6 & 0x3f));
		to[2] = (char) (0x80 | (code & 0x3f));
		return 3;
	}
	to[0] = (char) (0xf0 | code >> 18);
	to[1] = (char) (0x80 | (code >> 12 & 0x3f));
	to[2] = (char) (0x80 | (code >> 6 & 0x3f));
	to[3] = (char) (0x80 | (code & 0x3f));
	return 4;
}

/*
 * Reads the string from `next`, behind its opening quote, into `to`, which has room for as many bytes
 * as are written; no escape is shorter than what it stands for.  Pushes it.
 */
static JsonToken
token_string_escaped(Decoder *decoder, char *to)
{
	static const char escapes[] = "\"\\/btnfr";
	static const char meanings[] = "\"\\/\b\t\n\f\r";
	const char *from = decoder->next;
	size_t length = 0;

	while (*from != '"')
	{
		const char *escape;
		size_t escape_length;
		int code;

		if (*from == '\0')
			return token_wrong(decoder, from, "unexpected end of string");
		if (*from != '\\')
		{
			to[length++] = *from++;
			continue;
		}
		if (from[1] == 'u')
		{
			code = text_code_point(from, &escape_length);
			if (code < 0)
				return token_wrong(decoder, from, "invalid unicode escape code");
			length += utf8_put(to + length, code);
			from += escape_length;
			continue;
		}
		escape = from[1] != '\0' ? strchr(escapes, from[1]) : NULL;
		if (escape == NULL)
			return token_wrong(decoder, from, "invalid escape code");
		to[length++] = meanings[escape - escapes];
		from += 2;
	}
	decoder->next = from + 1;
	lua_pushlstring(decoder->L, to, length);
	return JSON_STRING;
}

static JsonToken
token_string(Decoder *decoder)
{
	const char *begin = ++decoder->next;
	const char *end = begin;
	bool escaped = false;
	char room[512];
	JsonToken token;

	while (*end != '"' && *end != '\0')
	{
		escaped |= *end == '\\';
		end += *end == '\\' && end[1] != '\0' ? 2 : 1;
	}
	if (*end == '"' && !escaped)
	{
		decoder->next = end + 1;
		lua_pushlstring(decoder->L, begin, (size_t) (end - begin));
		return JSON_STRING;
	}
	if ((size_t) (end - begin) <= sizeof(room))
		return token_string_escaped(decoder, room);
	token = token_string_escaped(decoder, lua_newuserdata(decoder->L, (size_t) (end - begin)));
	/* After an error the stack is Lua's. */
	if (token == JSON_STRING)
		lua_remove(decoder->L, -2);
	return token;
}

static JsonToken
token_take(Decoder *decoder, JsonToken token, size_t length)
{
	decoder->next += length;
	return token;
}

static JsonToken
token_next(Decoder *decoder)
{
	bool invalid_numbers = decoder->settings->decode_invalid_numbers != 0;

	while (*decoder->next != '\0' && strchr(" \t\n\r", *decoder->next) != NULL)
		decoder->next++;
	/* The token before, whatever it was, and the blanks. */
	lualibs_work_done(&decoder->work,
	                  1 + (size_t) (decoder->next - decoder->begin) / LUALIBS_SLICE);
	decoder->begin = decoder->next;
	switch (*decoder->next)
	{
		case '\0':
			return JSON_END;
		case '{':
			return token_take(decoder, JSON_OBJECT_BEGIN, 1);
		case '}':
			return token_take(decoder, JSON_OBJECT_END, 1);
		case '[':
			return token_take(decoder, JSON_ARRAY_BEGIN, 1);
		case ']':
			return token_take(decoder, JSON_ARRAY_END, 1);
		case ':':
			return token_take(decoder, JSON_COLON, 1);
		case ',':
			return token_take(decoder, JSON_COMMA, 1);
		case '"':
			return token_string(decoder);
		default:
			break;
	}
	if (*decoder->next == '-' || (*decoder->next >= '0' && *decoder->next <= '9'))
	{
		if (!invalid_numbers && number_is_invalid(decoder->next))
			return token_wrong(decoder, decoder->next, "invalid number");
		return token_number(decoder);
	}
	if (token_is(decoder, "true"))
		return token_take(decoder, JSON_TRUE, 4);
	if (token_is(decoder, "false"))
		return token_take(decoder, JSON_FALSE, 5);
	if (token_is(decoder, "null"))
		return token_take(decoder, JSON_NULL, 4);
	if (invalid_numbers && number_is_invalid(decoder->next))
		return token_number(decoder);
	return token_wrong(decoder, decoder->next, "invalid token");
}

/* ---- decoding ---------------------------------------------------------------------------- */

static void
decode_require(Decoder *decoder, bool good, const char *expected, JsonToken token)
{
	if (!good)
		luaL_error(decoder->L, "Expected %s but found %s at character %d", expected,
		           token == JSON_ERROR ? decoder->error : json_token_names[token],
		           (int) (decoder->begin - decoder->text) + 1);
}

static void
decode_begin(Decoder *decoder, bool is_array)
{
	lua_State *L = decoder->L;

	/* As many places as Redis asks for, and one for a long string's bytes. */
	if (decoder->depth >= decoder->settings->decode_max_depth || decoder->depth >= LUALIBS_LEVELS ||
	    !lua_checkstack(L, is_array ? 3 : 4))
		luaL_error(L, "Found too many nested data structures (%d) at character %d",
		           decoder->depth + 1, (int) (decoder->next - decoder->text));
	decoder->levels[decoder->depth++] = (DecodeLevel){.is_array = is_array};
	lua_newtable(L);
}

/* The key of an object, pushed, and the colon; returns the token behind. */
static JsonToken
decode_key(Decoder *decoder, JsonToken token)
{
	decode_require(decoder, token == JSON_STRING, "object key string", token);
	token = token_next(decoder);
	decode_require(decoder, token == JSON_COLON, "colon", token);
	return token_next(decoder);
}

/* Pushes a value; false if it is a table that has only begun. */
static bool
decode_value(Decoder *decoder, JsonToken token)
{
	lua_State *L = decoder->L;

	switch (token)
	{
		case JSON_STRING:
			break;
		case JSON_NUMBER:
			lua_pushnumber(L, decoder->number);
			break;
		case JSON_TRUE:
		case JSON_FALSE:
			lua_pushboolean(L, token == JSON_TRUE);
			break;
		case JSON_NULL:
			lua_pushlightuserdata(L, NULL);
			break;
		case JSON_OBJECT_BEGIN:
		case JSON_ARRAY_BEGIN:
			decode_begin(decoder, token == JSON_ARRAY_BEGIN);
			return false;
		default:
			decode_require(decoder, false, "value", token);
	}
	return true;
}

/*
 * What stands before the next value of the innermost table, an object's key included; *token becomes
 * the value's first.  False if the table ends instead.  `first`: nothing is in it yet.
 */
static bool
decode_next(Decoder *decoder, bool first, JsonToken *token)
{
	bool is_array = decoder->levels[decoder->depth - 1].is_array;

	*token = token_next(decoder);
	if (*token == (is_array ? JSON_ARRAY_END : JSON_OBJECT_END))
	{
		decoder->depth--;
		return false;
	}
	if (!first)
	{
		decode_require(decoder, *token == JSON_COMMA,
		               is_array ? "comma or array end" : "comma or object end", *token);
		*token = token_next(decoder);
	}
	if (!is_array)
		*token = decode_key(decoder, *token);
	return true;
}

/* Puts the value at the top into the innermost table. */
static void
decode_store(Decoder *decoder)
{
	DecodeLevel *level = &decoder->levels[decoder->depth - 1];

	if (level->is_array)
		lua_rawseti(decoder->L, -2, (int) ++level->length);
	else
		lua_rawset(decoder->L, -3);
}

/* One whole value, left at the top. */
static void
decode_whole(Decoder *decoder)
{
	JsonToken token = token_next(decoder);

	do
	{
		bool complete = decode_value(decoder, token);

		if (complete && decoder->depth > 0)
			decode_store(decoder);
		/* Tables that end are values of the tables they are in. */
		while (decoder->depth > 0 && !decode_next(decoder, !complete, &token))
		{
			complete = true;
			if (decoder->depth > 0)
				decode_store(decoder);
		}
	} while (decoder->depth > 0);
}

static int
json_decode(lua_State *L)
{
	Decoder decoder;
	size_t length;
	JsonToken token;

	luaL_argcheck(L, lua_gettop(L) == 1, 1, "expected 1 argument");
	decoder.L = L;
	decoder.settings = json_settings(L);
	lualibs_work_begin(&decoder.work, L);
	decoder.text = decoder.next = decoder.begin = luaL_checklstring(L, 1, &length);
	decoder.depth = 0;
	/* JSON begins with ASCII: a zero among the first two bytes means that characters are wider. */
	if (length >= 2 && (decoder.text[0] == '\0' || decoder.text[1] == '\0'))
		luaL_error(L, "JSON parser does not support UTF-16 or UTF-32");

	decode_whole(&decoder);
	token = token_next(&decoder);
	decode_require(&decoder, token == JSON_END, "the end", token);
	return 1;
}

/* ---- the library ------------------------------------------------------------------------- */

static int json_new(lua_State *L);

static const luaL_Reg json_functions[] = {
    {"encode", json_encode},
    {"decode", json_decode},
    {"encode_sparse_array", json_encode_sparse_array},
    {"encode_max_depth", json_encode_max_depth},
    {"decode_max_depth", json_decode_max_depth},
    {"encode_number_precision", json_encode_number_precision},
    {"encode_keep_buffer", json_encode_keep_buffer},
    {"encode_invalid_numbers", json_encode_invalid_numbers},
    {"decode_invalid_numbers", json_decode_invalid_numbers},
    {"new", json_new},
    {NULL, NULL},
};

static int
json_new(lua_State *L)
{
	lua_newtable(L);
	memcpy(lua_newuserdata(L, sizeof(json_defaults)), &json_defaults, sizeof(json_defaults));
	lualibs_functions_set(L, json_functions, 1);
	lua_pushlightuserdata(L, NULL);
	lua_setfield(L, -2, "null");
	lua_pushliteral(L, "cjson");
	lua_setfield(L, -2, "_NAME");
	lua_pushliteral(L, "2.1.0");
	lua_setfield(L, -2, "_VERSION");
	return 1;
}

int
pgfirst_lua_open_cjson(lua_State *L)
{
	json_new(L);
	lua_pushvalue(L, -1);
	lua_setglobal(L, "cjson");
	return 1;
}
