/* SPDX-License-Identifier: PostgreSQL
 *
 * fuzz_cmsgpack.c: any bytes through cmsgpack.unpack.  One by one they must be the same values as all at
 * once, errors too, and packed they are as many again.
 */
#include "test/fuzz/fuzz_lua.h"

static const char check[] =
    "local data = ... "
    "local function gather(good, ...) return good, good and select('#', ...) or ..., {...} end "
    "local good, count, values = gather(pcall(cmsgpack.unpack, data)) "
    "local from, ones = 0, 0 "
    "local fine, wrong = pcall(function() "
    "  while from >= 0 and #data > 0 do from = cmsgpack.unpack_one(data, from) ones = ones + 1 end "
    "end) "
    "if count == 'not enough memory' or wrong == 'not enough memory' then return end "
    "if good ~= fine or (good and count ~= ones) then error('broken: ' .. count .. ' and ' .. "
    "ones, 0) end "
    "if not good or count == 0 then return end "
    "local packed = cmsgpack.pack(unpack(values, 1, count)) "
    "local again, number = gather(pcall(cmsgpack.unpack, packed)) "
    "if again and number ~= count then error('broken: ' .. count .. ' become ' .. number, 0) end ";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_lua_run(check, data, size);
	return 0;
}
