/* SPDX-License-Identifier: PostgreSQL
 *
 * packed.c: members and their values, one behind the other; see packed.h.
 */
#include "postgres.h"

#include "kv/type/packed.h"

static int
length_bytes(Size length)
{
	int bytes = 1;

	while (length >= 0x80)
	{
		length >>= 7;
		bytes++;
	}
	return bytes;
}

static char *
length_write(char *at, Size length)
{
	while (length >= 0x80)
	{
		*at++ = (char) (length | 0x80);
		length >>= 7;
	}
	*at++ = (char) length;
	return at;
}

/* False if it does not end before `end`, or is longer than any. */
static bool
length_read(const char *run, Size end, Size *at, Size *length)
{
	*length = 0;
	for (int shift = 0; *at < end && shift < 7 * KV_PACKED_LENGTHS / 2; shift += 7)
	{
		uint8 byte = (uint8) run[(*at)++];

		*length |= (Size) (byte & 0x7F) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

bool
kv_packed_look(const char *run, Size length, Size at, KvPacked *packed)
{
	Size member, value;

	packed->begin = at;
	if (!length_read(run, length, &at, &member) || !length_read(run, length, &at, &value) ||
	    member > length - at || value > length - at - member)
		return false;
	packed->member = (RespSlice){run + at, member};
	packed->value = (RespSlice){run + at + member, value};
	packed->end = at + member + value;
	return true;
}

bool
kv_packed_next(const char *run, Size length, Size at, KvPacked *packed)
{
	if (at >= length)
		return false;
	if (!kv_packed_look(run, length, at, packed))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
		                errmsg("the members of a collection in the store are damaged")));
	return true;
}

bool
kv_packed_find(const char *run, Size length, RespSlice member, KvPacked *packed)
{
	for (Size at = 0; kv_packed_next(run, length, at, packed); at = packed->end)
		if (packed->member.length == member.length &&
		    memcmp(packed->member.data, member.data, member.length) == 0)
			return true;
	return false;
}

Size
kv_packed_size(RespSlice member, RespSlice value)
{
	return (Size) length_bytes(member.length) + (Size) length_bytes(value.length) + member.length +
	       value.length;
}

char *
kv_packed_write(char *at, RespSlice member, RespSlice value)
{
	at = length_write(at, member.length);
	at = length_write(at, value.length);
	memcpy(at, member.data, member.length);
	at += member.length;
	memcpy(at, value.data, value.length);
	return at + value.length;
}
