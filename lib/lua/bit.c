/* SPDX-License-Identifier: PostgreSQL
 *
 * bit.c: the library `bit` of scripts: operations on 32 bits, with the results of LuaBitOp 1.0.2.
 *
 * A number stands for its low 32 bits.  Beyond 2^31 that wants an exact answer without a conversion
 * that C leaves undefined: adding 2^52 + 2^51 shifts a double so that its mantissa ends with the
 * integer, rounded to the nearest even, in two's complement; the low half of its bytes is the
 * answer.  What is larger than 2^51 loses its low bits that way, and infinity and NaN become 0.
 *
 * Results are signed, as a script sees them: bit.bnot(0) is -1.
 *
 * What differs: bit.tohex(x, -2147483648) gives eight digits; there it is a crash or the memory
 * beside them, depending on the version.
 */
#include "lib/lua/lualibs_int.h"

#include <stdint.h>
#include <string.h>

static uint32_t
bit_argument(lua_State *L, int index)
{
	double shifted = lua_tonumber(L, index) + 6755399441055744.0;
	uint64_t bytes;

	memcpy(&bytes, &shifted, sizeof(bytes));
	/* What is no number reads as 0; only then is it worth asking. */
	if ((uint32_t) bytes == 0 && !lua_isnumber(L, index))
		luaL_typerror(L, index, "number");
	return (uint32_t) bytes;
}

static int
bit_return(lua_State *L, uint32_t bits)
{
	lua_pushnumber(L, (int32_t) bits);
	return 1;
}

static int
bit_tobit(lua_State *L)
{
	return bit_return(L, bit_argument(L, 1));
}

static int
bit_bnot(lua_State *L)
{
	return bit_return(L, ~bit_argument(L, 1));
}

/* From the last argument to the second, because that is the order in which errors show. */
static int
bit_band(lua_State *L)
{
	uint32_t bits = bit_argument(L, 1);

	for (int i = lua_gettop(L); i > 1; i--)
		bits &= bit_argument(L, i);
	return bit_return(L, bits);
}

static int
bit_bor(lua_State *L)
{
	uint32_t bits = bit_argument(L, 1);

	for (int i = lua_gettop(L); i > 1; i--)
		bits |= bit_argument(L, i);
	return bit_return(L, bits);
}

static int
bit_bxor(lua_State *L)
{
	uint32_t bits = bit_argument(L, 1);

	for (int i = lua_gettop(L); i > 1; i--)
		bits ^= bit_argument(L, i);
	return bit_return(L, bits);
}

static uint32_t
bits_rotate_left(uint32_t bits, uint32_t count)
{
	/* The second shift is by 0, not by 32, when the first is. */
	return bits << (count & 31) | bits >> ((32 - count) & 31);
}

static int
bit_lshift(lua_State *L)
{
	uint32_t bits = bit_argument(L, 1);

	return bit_return(L, bits << (bit_argument(L, 2) & 31));
}

static int
bit_rshift(lua_State *L)
{
	uint32_t bits = bit_argument(L, 1);

	return bit_return(L, bits >> (bit_argument(L, 2) & 31));
}

static int
bit_arshift(lua_State *L)
{
	uint32_t bits = bit_argument(L, 1);
	uint32_t count = bit_argument(L, 2) & 31;
	/* The sign, as often as it must come in from the left. */
	uint32_t sign = (bits & UINT32_C(0x80000000)) != 0 ? ~(UINT32_MAX >> count) : 0;

	return bit_return(L, bits >> count | sign);
}

static int
bit_rol(lua_State *L)
{
	uint32_t bits = bit_argument(L, 1);

	return bit_return(L, bits_rotate_left(bits, bit_argument(L, 2)));
}

static int
bit_ror(lua_State *L)
{
	uint32_t bits = bit_argument(L, 1);

	return bit_return(L, bits_rotate_left(bits, 32 - (bit_argument(L, 2) & 31)));
}

static int
bit_bswap(lua_State *L)
{
	uint32_t bits = bit_argument(L, 1);

	return bit_return(L, bits >> 24 | (bits >> 8 & 0xff00) | (bits & 0xff00) << 8 | bits << 24);
}

/* bit.tohex(x [, digits]): eight digits, or as many as told; capitals where that is negative. */
static int
bit_tohex(lua_State *L)
{
	uint32_t bits = bit_argument(L, 1);
	int32_t wanted = lua_isnone(L, 2) ? 8 : (int32_t) bit_argument(L, 2);
	const char *digits = wanted < 0 ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[8];
	int count = wanted <= -8 || wanted >= 8 ? 8 : wanted < 0 ? -wanted : wanted;

	for (int i = count; i-- > 0; bits >>= 4)
		text[i] = digits[bits & 15];
	lua_pushlstring(L, text, (size_t) count);
	return 1;
}

static const luaL_Reg bit_functions[] = {
    {"tobit", bit_tobit}, {"bnot", bit_bnot},     {"band", bit_band},     {"bor", bit_bor},
    {"bxor", bit_bxor},   {"lshift", bit_lshift}, {"rshift", bit_rshift}, {"arshift", bit_arshift},
    {"rol", bit_rol},     {"ror", bit_ror},       {"bswap", bit_bswap},   {"tohex", bit_tohex},
    {NULL, NULL},
};

int
pgfirst_lua_open_bit(lua_State *L)
{
	lua_newtable(L);
	lualibs_functions_set(L, bit_functions, 0);
	lua_pushvalue(L, -1);
	lua_setglobal(L, "bit");
	return 1;
}
