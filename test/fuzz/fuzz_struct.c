/* SPDX-License-Identifier: PostgreSQL
 *
 * fuzz_struct.c: any bytes through struct.unpack, the format being what stands before the first line's
 * end.  It ends within the data, where struct.size says if it can say, and what has been unpacked can be
 * packed into as many bytes.
 */
#include "test/fuzz/fuzz_lua.h"

static const char check[] =
    "local input = ... "
    "local split = string.find(input, '\\n', 1, true) or #input + 1 "
    "local format, data = string.sub(input, 1, split - 1), string.sub(input, split + 1) "
    "pcall(struct.unpack, format, data, #format - 3) "
    "local sized, size = pcall(struct.size, format) "
    "local values = {struct.unpack(format, data)} "
    "local after = table.remove(values) "
    "if after < 1 or after > #data + 1 then error('broken: goes on at ' .. after, 0) end "
    "if sized and size ~= after - 1 then error('broken: ' .. size .. ' and ' .. after, 0) end "
    "local good, packed = pcall(struct.pack, format, unpack(values)) "
    "if good and sized and #packed ~= size then error('broken: ' .. size .. ' and ' .. #packed, 0) "
    "end ";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_lua_run(check, data, size);
	return 0;
}
