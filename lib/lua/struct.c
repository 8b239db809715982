/* SPDX-License-Identifier: PostgreSQL
 *
 * struct.c: the library `struct` of scripts: numbers and strings as C lays them out, with the
 * formats and the results of struct 0.2 as redis-server 7 has it.
 *
 *   > <      big or little endian; at first as the machine is
 *   !n       alignment, a power of 2 (8 without n; at first 1): what follows goes to a multiple of its
 *            own size, but at most of n
 *   b B h H l L T    1, 2, 8 and, T, 8 bytes; small letters are signed
 *   in In    n bytes, at most 32 (4 without n)
 *   f d      float, double
 *   s        a string and a zero byte
 *   cn       n bytes of a string (1 without n); c0: all of it, and when unpacking as many as the
 *            number before says
 *   x        a byte of padding
 *
 *   struct.pack(format, values…)           a string
 *   struct.unpack(format, data [, from])   the values, and where the rest begins
 *   struct.size(format)                    bytes
 *
 * Numbers of more than 8 bytes have zeros, or are not looked at, beyond those.  Where Redis leaves
 * the answer to the processor (numbers out of range, a sign where there are no 8 bytes), this gives
 * what the same code does on x86-64, written out.
 *
 * Positions are not checked before the first option: one behind the data, as a negative one is, has
 * no room for an option of any size, and alignment, which could bring it round to 0, is an option.
 */
#include "lib/lua/lualibs_int.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

#define STRUCT_INTEGER_MAX 32
#define STRUCT_ALIGN       8 /* what "!" means */

typedef struct StructFormat
{
	lua_State *L;
	const char *next; /* ends with a zero byte, as a string of Lua does */
	bool little;
	size_t align;
} StructFormat;

/* ---- formats ----------------------------------------------------------------------------- */

static bool
struct_machine_is_little(void)
{
	const uint16_t probe = 1;
	unsigned char low;

	memcpy(&low, &probe, 1);
	return low == 1;
}

static void
struct_format_begin(StructFormat *format, lua_State *L)
{
	format->L = L;
	format->next = luaL_checkstring(L, 1);
	format->little = struct_machine_is_little();
	format->align = 1;
}

static bool
struct_is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

/* The number that stands there, an int as in errors about it, or the one meant by none. */
static int
struct_format_number(StructFormat *format, int otherwise)
{
	int number = 0;

	if (!struct_is_digit(*format->next))
		return otherwise;
	for (; struct_is_digit(*format->next); format->next++)
	{
		int digit = *format->next - '0';

		if (number > (INT_MAX - digit) / 10)
			luaL_error(format->L, "integral size overflow");
		number = number * 10 + digit;
	}
	return number;
}

/* How many bytes an option stands for; reads the number behind it.  0: as many as need be, or none. */
static size_t
struct_format_size(StructFormat *format, char option)
{
	int size;

	switch (option)
	{
		case 'b':
		case 'B':
		case 'x':
			return 1;
		case 'h':
		case 'H':
			return sizeof(short);
		case 'l':
		case 'L':
			return sizeof(long);
		case 'T':
			return sizeof(size_t);
		case 'f':
			return sizeof(float);
		case 'd':
			return sizeof(double);
		case 'c':
			return (size_t) struct_format_number(format, 1);
		case 'i':
		case 'I':
			size = struct_format_number(format, sizeof(int));
			if (size > STRUCT_INTEGER_MAX)
				luaL_error(format->L, "integral size %d is larger than limit of %d", size,
				           STRUCT_INTEGER_MAX);
			return (size_t) size;
		default:
			return 0;
	}
}

/* Bytes to leave out before a value of this size.  Sizes that are no power of 2 get what the
 * arithmetic gives. */
static size_t
struct_format_padding(const StructFormat *format, size_t position, char option, size_t size)
{
	if (size == 0 || option == 'c')
		return 0;
	if (size > format->align)
		size = format->align;
	return (size - (position & (size - 1))) & (size - 1);
}

/* Options that stand for no value. */
static void
struct_format_control(StructFormat *format, char option)
{
	int align;

	switch (option)
	{
		case ' ':
			return;
		case '>':
			format->little = false;
			return;
		case '<':
			format->little = true;
			return;
		case '!':
			align = struct_format_number(format, STRUCT_ALIGN);
			if (align <= 0 || (align & (align - 1)) != 0)
				luaL_error(format->L, "alignment %d is not a power of 2", align);
			format->align = (size_t) align;
			return;
		default:
			luaL_argerror(format->L, 1,
			              lua_pushfstring(format->L, "invalid format option '%c'", option));
	}
}

static bool
struct_is_integer(char option)
{
	return option != '\0' && strchr("bBhHlLTiI", option) != NULL;
}

/* ---- values ------------------------------------------------------------------------------ */

/* The 64 bits of a number's integer part.  Beyond them: the smallest int64, and 0 from 2^64 on. */
static uint64_t
struct_integer_bits(double number)
{
	if (number >= 18446744073709551616.0)
		return 0;
	if (number >= 9223372036854775808.0)
		return (uint64_t) number;
	if (number >= -9223372036854775808.0)
		return (uint64_t) (int64_t) number;
	return UINT64_C(1) << 63;
}

static void
struct_integer_put(char *to, size_t size, bool little, uint64_t bits)
{
	for (size_t i = 0; i < size; i++)
	{
		to[little ? i : size - 1 - i] = (char) (bits & 0xff);
		bits >>= 8;
	}
}

static double
struct_integer_get(const char *from, size_t size, bool little, bool is_signed)
{
	uint64_t bits = 0;
	uint64_t sign;

	for (size_t i = size; i-- > 0;)
		bits = bits << 8 | (unsigned char) from[little ? i : size - 1 - i];
	if (!is_signed)
		return (double) bits;
	/* A shift takes the low six bits of its count, as there: of i9 the sign is that of i1. */
	sign = UINT64_MAX << ((size * 8 - 1) & 63);
	if ((bits & sign) != 0)
		bits |= sign;
	return (double) (int64_t) bits;
}

/* The bytes of a float or double, in the machine's order or the other way round. */
static void
struct_bytes_turn(char *bytes, size_t size, const StructFormat *format)
{
	if (format->little == struct_machine_is_little())
		return;
	for (size_t i = 0; i < size / 2; i++)
	{
		char kept = bytes[i];

		bytes[i] = bytes[size - 1 - i];
		bytes[size - 1 - i] = kept;
	}
}

/* ---- pack -------------------------------------------------------------------------------- */

static void
struct_pack_float(StructFormat *format, LuaBytes *bytes, int index, size_t size)
{
	double value = luaL_checknumber(format->L, index);
	float single = (float) value;
	char raw[sizeof(double)];

	memcpy(raw, size == sizeof(single) ? (const void *) &single : (const void *) &value, size);
	struct_bytes_turn(raw, size, format);
	lualibs_bytes_add(bytes, raw, size);
}

/* Returns how many bytes of the string were wanted. */
static void
struct_pack_string(StructFormat *format, LuaBytes *bytes, LuaWork *work, int index, size_t size)
{
	size_t length;
	const char *text = luaL_checklstring(format->L, index, &length);

	/* The argument behind is the one that Redis complains of. */
	luaL_argcheck(format->L, length >= size, index + 1, "string too short");
	if (size == 0)
		size = length;
	lualibs_bytes_add(bytes, text, size);
	lualibs_work_done(work, size / LUALIBS_SLICE);
}

static int
struct_pack(lua_State *L)
{
	StructFormat format;
	LuaBytes bytes;
	LuaWork work;
	int index = 2;

	struct_format_begin(&format, L);
	lualibs_work_begin(&work, L);
	/* Arguments that are missing read as this nil, and are called so. */
	lua_pushnil(L);
	lua_pushnil(L);
	lualibs_bytes_begin(&bytes, L, lua_gettop(L));
	while (*format.next != '\0')
	{
		char option = *format.next++;
		size_t size = struct_format_size(&format, option);
		size_t padding = struct_format_padding(&format, bytes.length, option, size);

		memset(lualibs_bytes_reserve(&bytes, padding), 0, padding);
		bytes.length += padding;
		if (struct_is_integer(option))
		{
			uint64_t bits = struct_integer_bits(luaL_checknumber(L, index++));

			struct_integer_put(lualibs_bytes_reserve(&bytes, size), size, format.little, bits);
			bytes.length += size;
		}
		else if (option == 'f' || option == 'd')
			struct_pack_float(&format, &bytes, index++, size);
		else if (option == 'c' || option == 's')
		{
			struct_pack_string(&format, &bytes, &work, index++, size);
			if (option == 's')
				lualibs_bytes_add_char(&bytes, '\0');
		}
		else if (option == 'x')
			lualibs_bytes_add_char(&bytes, '\0');
		else
			struct_format_control(&format, option);
		lualibs_work_done(&work, 1);
	}
	lualibs_bytes_push(&bytes);
	return 1;
}

/* ---- unpack ------------------------------------------------------------------------------ */

/* The number before a c0, which it takes the place of, as a length. */
static size_t
struct_unpack_length(lua_State *L, int results)
{
	double number;

	if (results == 0 || !lua_isnumber(L, -1))
		luaL_error(L, "format 'c0' needs a previous size");
	number = lua_tonumber(L, -1);
	lua_pop(L, 1);
	return (size_t) struct_integer_bits(number);
}

static void
struct_unpack_float(StructFormat *format, const char *from, size_t size)
{
	char raw[sizeof(double)];
	float single;
	double value;

	memcpy(raw, from, size);
	struct_bytes_turn(raw, size, format);
	if (size == sizeof(single))
	{
		memcpy(&single, raw, sizeof(single));
		value = single;
	}
	else
		memcpy(&value, raw, sizeof(value));
	lua_pushnumber(format->L, value);
}

static void
struct_check_room(lua_State *L, size_t length, size_t position, size_t size)
{
	luaL_argcheck(L, position <= length && size <= length - position, 2, "data string too short");
}

static int
struct_unpack(lua_State *L)
{
	StructFormat format;
	LuaWork work;
	const char *data;
	size_t length, position;
	int results = 0;

	struct_format_begin(&format, L);
	data = luaL_checklstring(L, 2, &length);
	position = (size_t) luaL_optinteger(L, 3, 1);
	luaL_argcheck(L, position > 0, 3, "offset must be 1 or greater");
	position--;
	lualibs_work_begin(&work, L);
	while (*format.next != '\0')
	{
		char option = *format.next++;
		size_t size = struct_format_size(&format, option);

		position += struct_format_padding(&format, position, option, size);
		struct_check_room(L, length, position, size);
		/* For a value, and in the end the position. */
		luaL_checkstack(L, 2, "too many results");
		results++;
		if (struct_is_integer(option))
			lua_pushnumber(L, struct_integer_get(data + position, size, format.little,
			                                     option >= 'a' && option <= 'z'));
		else if (option == 'f' || option == 'd')
			struct_unpack_float(&format, data + position, size);
		else if (option == 'c')
		{
			if (size == 0)
			{
				size = struct_unpack_length(L, --results);
				struct_check_room(L, length, position, size);
			}
			lua_pushlstring(L, data + position, size);
		}
		else if (option == 's')
		{
			const char *end = memchr(data + position, '\0', length - position);

			if (end == NULL)
				luaL_error(L, "unfinished string in data");
			size = (size_t) (end - (data + position)) + 1;
			lua_pushlstring(L, data + position, size - 1);
		}
		else
		{
			results--;
			if (option != 'x')
				struct_format_control(&format, option);
		}
		position += size;
		lualibs_work_done(&work, 1 + size / LUALIBS_SLICE);
	}
	lua_pushinteger(L, (lua_Integer) (position + 1));
	return results + 1;
}

/* ---- size -------------------------------------------------------------------------------- */

static int
struct_size(lua_State *L)
{
	StructFormat format;
	LuaWork work;
	size_t position = 0;

	struct_format_begin(&format, L);
	lualibs_work_begin(&work, L);
	while (*format.next != '\0')
	{
		char option = *format.next++;
		size_t size = struct_format_size(&format, option);

		position += struct_format_padding(&format, position, option, size);
		luaL_argcheck(L, option != 's', 1, "option 's' has no fixed size");
		luaL_argcheck(L, option != 'c' || size > 0, 1, "option 'c0' has no fixed size");
		/* Letters and digits that mean nothing pass here, and only here. */
		if (!struct_is_digit(option) && !((option | 0x20) >= 'a' && (option | 0x20) <= 'z'))
			struct_format_control(&format, option);
		position += size;
		lualibs_work_done(&work, 1);
	}
	lua_pushinteger(L, (lua_Integer) position);
	return 1;
}

static const luaL_Reg struct_functions[] = {
    {"pack", struct_pack},
    {"unpack", struct_unpack},
    {"size", struct_size},
    {NULL, NULL},
};

int
pgfirst_lua_open_struct(lua_State *L)
{
	lua_newtable(L);
	lualibs_functions_set(L, struct_functions, 0);
	lua_pushvalue(L, -1);
	lua_setglobal(L, "struct");
	return 1;
}
