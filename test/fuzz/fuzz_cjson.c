/* SPDX-License-Identifier: PostgreSQL
 *
 * fuzz_cjson.c: any bytes through cjson.decode.  What can be decoded can be encoded, but for numbers
 * that JSON has not, and then comes back as text of the same length: keys may change places.
 */
#include "test/fuzz/fuzz_lua.h"

static const char check[] =
    "local text = ... "
    "cjson.decode_invalid_numbers(#text % 2 == 0) "
    "local value = cjson.decode(text) "
    "local good, first = pcall(cjson.encode, value) "
    "if not good then "
    "  if first == 'not enough memory' or string.find(first, 'NaN or Inf') then return end "
    "  error('broken: ' .. first, 0) "
    "end "
    "local second = cjson.encode(cjson.decode(first)) "
    "if #first ~= #second then error('broken: ' .. first .. ' becomes ' .. second, 0) end ";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_lua_run(check, data, size);
	return 0;
}
