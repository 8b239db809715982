/* SPDX-License-Identifier: PostgreSQL
 *
 * cmsgpack.c: the library `cmsgpack` of scripts: Lua's values as MessagePack and back, with the
 * results of lua-cmsgpack 0.4.0 as redis-server 7 has it.
 *
 *   cmsgpack.pack(values…)                         a string, the values one behind the other
 *   cmsgpack.unpack(string)                        all of its values
 *   cmsgpack.unpack_one(string [, from])           where to go on, or -1, and the next value
 *   cmsgpack.unpack_limit(string, count [, from])  the same with as many as count values
 *
 * Packed, a number is an integer if it is one, in as few bytes as it takes, else a float if that is
 * exact, else a double.  A table is an array if its keys are 1 to n, an empty one too, else a map.
 * What has no counterpart is nil, and so is a table that is in sixteen others: it may contain itself.
 *
 * Unpacked, integers of 64 bits are signed, whatever they say (to a script, 2^63 is negative).  A
 * table's length is believed only as far as there are bytes.  Nesting is followed in a loop, so that
 * depth costs Lua's stack and not C's; Lua refuses at some 4,000 levels, in Redis's words.
 *
 * What differs: pack of a string of 4 GB and more is an error, not a wrong length.  The library's
 * _COPYRIGHT is our own.
 */
#include "lib/lua/lualibs_int.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define MSGPACK_NESTING 16

enum
{
	MSGPACK_FIXMAP = 0x80,
	MSGPACK_FIXARRAY = 0x90,
	MSGPACK_FIXSTR = 0xa0,
	MSGPACK_NIL = 0xc0,
	MSGPACK_FALSE = 0xc2,
	MSGPACK_TRUE = 0xc3,
	MSGPACK_FLOAT = 0xca,
	MSGPACK_DOUBLE = 0xcb,
	MSGPACK_UINT8 = 0xcc,
	MSGPACK_UINT16 = 0xcd,
	MSGPACK_UINT32 = 0xce,
	MSGPACK_UINT64 = 0xcf,
	MSGPACK_INT8 = 0xd0,
	MSGPACK_INT16 = 0xd1,
	MSGPACK_INT32 = 0xd2,
	MSGPACK_INT64 = 0xd3,
	MSGPACK_STR8 = 0xd9,
	MSGPACK_STR16 = 0xda,
	MSGPACK_STR32 = 0xdb,
	MSGPACK_ARRAY16 = 0xdc,
	MSGPACK_ARRAY32 = 0xdd,
	MSGPACK_MAP16 = 0xde,
	MSGPACK_MAP32 = 0xdf,
	MSGPACK_NEGATIVE = 0xe0
};

/* ---- packing ----------------------------------------------------------------------------- */

typedef struct Packer
{
	lua_State *L;
	LuaBytes bytes;
	LuaWork work;
} Packer;

/* A byte of type and the low `size` bytes of a number, most significant first. */
static void
pack_head(Packer *packer, int type, uint64_t number, size_t size)
{
	char *to = lualibs_bytes_reserve(&packer->bytes, 1 + size);

	to[0] = (char) type;
	for (size_t i = size; i > 0; i--)
	{
		to[i] = (char) (number & 0xff);
		number >>= 8;
	}
	packer->bytes.length += 1 + size;
}

static void
pack_integer(Packer *packer, int64_t value)
{
	uint64_t bits = (uint64_t) value;

	if (value >= -32 && value <= INT8_MAX)
		pack_head(packer, (int) (bits & 0xff), 0, 0);
	else if (value < 0)
	{
		if (value >= INT8_MIN)
			pack_head(packer, MSGPACK_INT8, bits, 1);
		else if (value >= INT16_MIN)
			pack_head(packer, MSGPACK_INT16, bits, 2);
		else if (value >= INT32_MIN)
			pack_head(packer, MSGPACK_INT32, bits, 4);
		else
			pack_head(packer, MSGPACK_INT64, bits, 8);
	}
	else if (value <= UINT8_MAX)
		pack_head(packer, MSGPACK_UINT8, bits, 1);
	else if (value <= UINT16_MAX)
		pack_head(packer, MSGPACK_UINT16, bits, 2);
	else if (value <= UINT32_MAX)
		pack_head(packer, MSGPACK_UINT32, bits, 4);
	else
		pack_head(packer, MSGPACK_UINT64, bits, 8);
}

static void
pack_number(Packer *packer, double value)
{
	float single = (float) value;
	uint32_t bits32;
	uint64_t bits64;

	if (value >= -9223372036854775808.0 && value < 9223372036854775808.0 && floor(value) == value)
		pack_integer(packer, (int64_t) value);
	else if (value == (double) single)
	{
		memcpy(&bits32, &single, sizeof(bits32));
		pack_head(packer, MSGPACK_FLOAT, bits32, 4);
	}
	else
	{
		memcpy(&bits64, &value, sizeof(bits64));
		pack_head(packer, MSGPACK_DOUBLE, bits64, 8);
	}
}

static void
pack_string(Packer *packer)
{
	size_t length;
	const char *text = lua_tolstring(packer->L, -1, &length);

	luaL_argcheck(packer->L, length <= UINT32_MAX, 0, "MessagePack has no strings of 4 GB.");
	if (length < 32)
		pack_head(packer, MSGPACK_FIXSTR | (int) length, 0, 0);
	else if (length <= UINT8_MAX)
		pack_head(packer, MSGPACK_STR8, length, 1);
	else if (length <= UINT16_MAX)
		pack_head(packer, MSGPACK_STR16, length, 2);
	else
		pack_head(packer, MSGPACK_STR32, length, 4);
	lualibs_bytes_add(&packer->bytes, text, length);
	lualibs_work_done(&packer->work, length / LUALIBS_SLICE);
}

/* The head of an array or a map, whose three sizes follow one another in the same way. */
static void
pack_table_head(Packer *packer, int fixed, int type16, uint32_t count)
{
	if (count <= 15)
		pack_head(packer, fixed | (int) count, 0, 0);
	else if (count <= UINT16_MAX)
		pack_head(packer, type16, count, 2);
	else
		pack_head(packer, type16 + 1, count, 4);
}

/*
 * Whether the keys of the table at the top are 1 to n.  Keys are whole numbers above 0 and different
 * from one another, so that they are if the greatest of them is their number.
 */
static bool
table_is_array(Packer *packer)
{
	lua_State *L = packer->L;
	double greatest = 0;
	double count = 0;

	luaL_checkstack(L, 2, "in function table_is_an_array");
	lua_pushnil(L);
	while (lua_next(L, -2) != 0)
	{
		double key = lua_tonumber(L, -2);

		lua_pop(L, 1);
		if (lua_type(L, -1) != LUA_TNUMBER || key <= 0 || key > INT32_MAX || floor(key) != key)
		{
			lua_pop(L, 1);
			return false;
		}
		greatest = key > greatest ? key : greatest;
		count++;
		lualibs_work_done(&packer->work, 1);
	}
	return greatest == count;
}

static void pack_value(Packer *packer, int level);

static void
pack_array(Packer *packer, int level)
{
	lua_State *L = packer->L;
	uint32_t count = (uint32_t) lua_objlen(L, -1);

	pack_table_head(packer, MSGPACK_FIXARRAY, MSGPACK_ARRAY16, count);
	luaL_checkstack(L, 2, "in function mp_encode_lua_table_as_array");
	for (uint32_t i = 1; i <= count; i++)
	{
		lua_rawgeti(L, -1, (int) i);
		pack_value(packer, level + 1);
	}
}

static void
pack_map(Packer *packer, int level)
{
	lua_State *L = packer->L;
	uint32_t count = 0;

	luaL_checkstack(L, 4, "in function mp_encode_lua_table_as_map");
	lua_pushnil(L);
	for (; lua_next(L, -2) != 0; count++)
	{
		lua_pop(L, 1);
		lualibs_work_done(&packer->work, 1);
	}
	pack_table_head(packer, MSGPACK_FIXMAP, MSGPACK_MAP16, count);
	lua_pushnil(L);
	while (lua_next(L, -2) != 0)
	{
		/* A copy of the key: packing takes it off. */
		lua_pushvalue(L, -2);
		pack_value(packer, level + 1);
		pack_value(packer, level + 1);
	}
}

/* Packs the value at the top and takes it off. */
static void
pack_value(Packer *packer, int level)
{
	lua_State *L = packer->L;

	lualibs_work_done(&packer->work, 1);
	switch (lua_type(L, -1))
	{
		case LUA_TSTRING:
			pack_string(packer);
			break;
		case LUA_TBOOLEAN:
			pack_head(packer, lua_toboolean(L, -1) ? MSGPACK_TRUE : MSGPACK_FALSE, 0, 0);
			break;
		case LUA_TNUMBER:
			pack_number(packer, lua_tonumber(L, -1));
			break;
		case LUA_TTABLE:
			if (level == MSGPACK_NESTING)
				pack_head(packer, MSGPACK_NIL, 0, 0);
			else if (table_is_array(packer))
				pack_array(packer, level);
			else
				pack_map(packer, level);
			break;
		default:
			pack_head(packer, MSGPACK_NIL, 0, 0);
			break;
	}
	lua_pop(L, 1);
}

static int
msgpack_pack(lua_State *L)
{
	int count = lua_gettop(L);
	Packer packer;

	luaL_argcheck(L, count > 0, 0, "MessagePack pack needs input.");
	/* More than this needs; but a script may count on where the limit is. */
	luaL_argcheck(L, lua_checkstack(L, count), 0, "Too many arguments for MessagePack pack.");
	packer.L = L;
	lualibs_work_begin(&packer.work, L);
	lua_pushnil(L);
	lualibs_bytes_begin(&packer.bytes, L, count + 1);
	for (int i = 1; i <= count; i++)
	{
		lua_pushvalue(L, i);
		pack_value(&packer, 0);
	}
	lualibs_bytes_push(&packer.bytes);
	return 1;
}

/* ---- unpacking --------------------------------------------------------------------------- */

/* A table that is being filled; on the stack it has behind it the key of the value to come. */
typedef struct UnpackLevel
{
	uint32_t count;
	uint32_t done;
	bool is_map;
	bool has_key; /* of a map: a key is there, its value comes next */
} UnpackLevel;

typedef struct Unpacker
{
	lua_State *L;
	LuaWork work;
	const unsigned char *next;
	size_t left;
	int depth;
	UnpackLevel levels[LUALIBS_LEVELS];
} Unpacker;

/* The next `size` bytes, which are taken. */
static const unsigned char *
unpack_take(Unpacker *unpacker, size_t size)
{
	const unsigned char *taken = unpacker->next;

	if (size > unpacker->left)
		luaL_error(unpacker->L, "Missing bytes in input.");
	unpacker->next += size;
	unpacker->left -= size;
	return taken;
}

static uint64_t
unpack_unsigned(Unpacker *unpacker, size_t size)
{
	const unsigned char *from = unpack_take(unpacker, size);
	uint64_t bits = 0;

	for (size_t i = 0; i < size; i++)
		bits = bits << 8 | from[i];
	return bits;
}

static void
unpack_string(Unpacker *unpacker, size_t length)
{
	const unsigned char *from = unpack_take(unpacker, length);

	lua_pushlstring(unpacker->L, (const char *) from, length);
	lualibs_work_done(&unpacker->work, length / LUALIBS_SLICE);
}

static void
unpack_float(Unpacker *unpacker)
{
	uint32_t bits = (uint32_t) unpack_unsigned(unpacker, sizeof(bits));
	float value;

	memcpy(&value, &bits, sizeof(value));
	lua_pushnumber(unpacker->L, value);
}

static void
unpack_double(Unpacker *unpacker)
{
	uint64_t bits = unpack_unsigned(unpacker, sizeof(bits));
	double value;

	memcpy(&value, &bits, sizeof(value));
	lua_pushnumber(unpacker->L, value);
}

/* Begins a table one level deeper.  Lua's stack ends before the levels do, and if not, likewise. */
static void
unpack_table(Unpacker *unpacker, bool is_map, uint64_t count)
{
	UnpackLevel *level = &unpacker->levels[unpacker->depth];

	lua_newtable(unpacker->L);
	if (!is_map)
		luaL_checkstack(unpacker->L, 1, "in function mp_decode_to_lua_array");
	level->count = (uint32_t) count;
	level->done = 0;
	level->is_map = is_map;
	level->has_key = false;
	unpacker->depth++;
}

/* What the first byte says by its high bits; false if that is nothing. */
static bool
unpack_fixed(Unpacker *unpacker, int type)
{
	if (type < MSGPACK_FIXMAP)
		lua_pushinteger(unpacker->L, type);
	else if (type < MSGPACK_FIXARRAY)
		unpack_table(unpacker, true, (uint64_t) type & 0xf);
	else if (type < MSGPACK_FIXSTR)
		unpack_table(unpacker, false, (uint64_t) type & 0xf);
	else if (type < MSGPACK_NIL)
		unpack_string(unpacker, (size_t) type & 0x1f);
	else if (type >= MSGPACK_NEGATIVE)
		lua_pushinteger(unpacker->L, type - 256);
	else
		return false;
	return true;
}

/* The next value, or the beginning of one that is a table. */
static void
unpack_next(Unpacker *unpacker)
{
	lua_State *L = unpacker->L;
	int type = *unpack_take(unpacker, 1);

	luaL_checkstack(L, unpacker->depth < LUALIBS_LEVELS ? 1 : LUALIBS_LEVELS + 1,
	                "too many return values at once; use unpack_one or unpack_limit instead.");
	switch (type)
	{
		case MSGPACK_NIL:
			lua_pushnil(L);
			break;
		case MSGPACK_FALSE:
		case MSGPACK_TRUE:
			lua_pushboolean(L, type == MSGPACK_TRUE);
			break;
		case MSGPACK_FLOAT:
			unpack_float(unpacker);
			break;
		case MSGPACK_DOUBLE:
			unpack_double(unpacker);
			break;
		case MSGPACK_UINT8:
		case MSGPACK_UINT16:
		case MSGPACK_UINT32:
		case MSGPACK_UINT64:
			lua_pushnumber(L, (double) (int64_t) unpack_unsigned(
			                      unpacker, (size_t) 1 << (type - MSGPACK_UINT8)));
			break;
		case MSGPACK_INT8:
			lua_pushinteger(L, (int8_t) unpack_unsigned(unpacker, 1));
			break;
		case MSGPACK_INT16:
			lua_pushinteger(L, (int16_t) unpack_unsigned(unpacker, 2));
			break;
		case MSGPACK_INT32:
			lua_pushinteger(L, (int32_t) unpack_unsigned(unpacker, 4));
			break;
		case MSGPACK_INT64:
			lua_pushnumber(L, (double) (int64_t) unpack_unsigned(unpacker, 8));
			break;
		case MSGPACK_STR8:
		case MSGPACK_STR16:
		case MSGPACK_STR32:
			unpack_string(unpacker, unpack_unsigned(unpacker, (size_t) 1 << (type - MSGPACK_STR8)));
			break;
		case MSGPACK_ARRAY16:
		case MSGPACK_ARRAY32:
			unpack_table(unpacker, false,
			             unpack_unsigned(unpacker, type == MSGPACK_ARRAY16 ? 2 : 4));
			break;
		case MSGPACK_MAP16:
		case MSGPACK_MAP32:
			unpack_table(unpacker, true, unpack_unsigned(unpacker, type == MSGPACK_MAP16 ? 2 : 4));
			break;
		default:
			if (!unpack_fixed(unpacker, type))
				luaL_error(L, "Bad data format in input.");
	}
}

/* Puts the value at the top into the table of the innermost level, or keeps it there as a key. */
static void
unpack_store(Unpacker *unpacker)
{
	UnpackLevel *level = &unpacker->levels[unpacker->depth - 1];

	level->has_key = level->is_map && !level->has_key;
	if (level->has_key)
		return;
	/* An error for keys that none can be, nil and NaN. */
	lua_rawset(unpacker->L, -3);
	level->done++;
}

/* One whole value, left at the top. */
static void
unpack_value(Unpacker *unpacker)
{
	do
	{
		int depth = unpacker->depth;

		unpack_next(unpacker);
		lualibs_work_done(&unpacker->work, 1);
		if (depth > 0 && unpacker->depth == depth)
			unpack_store(unpacker);
		/* Tables that are complete are values of the tables they are in. */
		while (unpacker->depth > 0 && unpacker->levels[unpacker->depth - 1].done ==
		                                  unpacker->levels[unpacker->depth - 1].count)
		{
			unpacker->depth--;
			if (unpacker->depth > 0)
				unpack_store(unpacker);
		}
		if (unpacker->depth > 0 && !unpacker->levels[unpacker->depth - 1].is_map)
			lua_pushnumber(unpacker->L, unpacker->levels[unpacker->depth - 1].done + 1.0);
	} while (unpacker->depth > 0);
}

/* The argument 1 is the only one on the stack. */
static int
unpack_values(lua_State *L, lua_Integer limit, lua_Integer from, bool all)
{
	Unpacker unpacker;
	size_t length;
	const char *data = luaL_checklstring(L, 1, &length);
	int count;

	/* It says length where it means the limit. */
	if (from < 0 || limit < 0)
		return luaL_error(L, "Invalid request to unpack with offset of %d and limit of %d.",
		                  (int) from, (int) length);
	if ((size_t) from > length)
		return luaL_error(L, "Start offset %d greater than input length %d.", (int) from,
		                  (int) length);
	unpacker.L = L;
	lualibs_work_begin(&unpacker.work, L);
	unpacker.next = (const unsigned char *) data + from;
	unpacker.left = length - (size_t) from;
	unpacker.depth = 0;
	for (count = 0; unpacker.left > 0 && (all || count < limit); count++)
		unpack_value(&unpacker);
	if (all)
		return count;

	luaL_checkstack(L, 1, "in function mp_unpack_full");
	lua_pushinteger(L, unpacker.left == 0 ? -1 : (lua_Integer) (length - unpacker.left));
	lua_insert(L, 2);
	return count + 1;
}

static int
msgpack_unpack(lua_State *L)
{
	return unpack_values(L, 0, 0, true);
}

/* Leaves the first argument; nothing where there is none, because errors tell nothing from nil. */
static void
arguments_drop(lua_State *L)
{
	lua_settop(L, lua_gettop(L) > 0 ? 1 : 0);
}

static int
msgpack_unpack_one(lua_State *L)
{
	lua_Integer from = luaL_optinteger(L, 2, 0);

	arguments_drop(L);
	return unpack_values(L, 1, from, false);
}

static int
msgpack_unpack_limit(lua_State *L)
{
	lua_Integer limit = luaL_checkinteger(L, 2);
	lua_Integer from = luaL_optinteger(L, 3, 0);

	arguments_drop(L);
	return unpack_values(L, limit, from, limit == 0 && from == 0);
}

static const luaL_Reg msgpack_functions[] = {
    {"pack", msgpack_pack},
    {"unpack", msgpack_unpack},
    {"unpack_one", msgpack_unpack_one},
    {"unpack_limit", msgpack_unpack_limit},
    {NULL, NULL},
};

int
pgfirst_lua_open_cmsgpack(lua_State *L)
{
	lua_newtable(L);
	lualibs_functions_set(L, msgpack_functions, 0);
	lua_pushliteral(L, "cmsgpack");
	lua_setfield(L, -2, "_NAME");
	lua_pushliteral(L, "lua-cmsgpack 0.4.0");
	lua_setfield(L, -2, "_VERSION");
	lua_pushliteral(L, "the pgfirst authors");
	lua_setfield(L, -2, "_COPYRIGHT");
	lua_pushliteral(L, "MessagePack C implementation for Lua");
	lua_setfield(L, -2, "_DESCRIPTION");
	lua_pushvalue(L, -1);
	lua_setglobal(L, "cmsgpack");
	return 1;
}
