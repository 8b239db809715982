/* SPDX-License-Identifier: PostgreSQL
 *
 * bit.c: commands on strings as rows of bits.
 *
 * Bit 0 is the highest of the first byte, so that the bits of a string are in the order in which
 * they are written down.  Everything here counts in bits and in 64 of them: 512 MB are 2^32.
 *
 * A range of bytes is made one of bits, and what is searched or counted is bits first to last: whole
 * bytes in its middle, and up to seven bits at both ends.
 */
#include "postgres.h"

#include "port/pg_bitutils.h"

#include "kv/cmd/commands.h"
#include "kv/cmd/value.h"
#include "lib/number/number.h"

static inline int
bit_at(const char *bytes, int64 place)
{
	return ((unsigned char) bytes[place >> 3] >> (7 - (place & 7))) & 1;
}

/* ---- one bit ----------------------------------------------------------------------------- */

/* Reads argument i as the place of a bit; answers and returns false if no string has one there. */
static bool
argument_place(KvCall *call, int i, int64 *place)
{
	RespSlice argument = kv_argument(call, i);

	if (pgfirst_int64_parse(argument.data, argument.length, place) && *place >= 0 &&
	    *place >> 3 < (int64) KV_VALUE_MAX)
		return true;
	kv_reply_error(call, "ERR bit offset is not an integer or out of range");
	return false;
}

/* GETBIT key offset */
KvOutcome
kv_cmd_getbit(KvCall *call)
{
	int64 place;
	KvEntry entry;

	if (!argument_place(call, 2, &place) || !kv_value_read_to(call, 1, place >> 3, &entry))
		return KV_DONE;
	pgfirst_resp_write_integer(
	    call->reply, place >> 3 < (int64) entry.value_length ? bit_at(entry.value.data, place) : 0);
	(void) kv_scratch();
	return KV_DONE;
}

/* SETBIT key offset value: writes nothing if the bit is there and has this value. */
KvOutcome
kv_cmd_setbit(KvCall *call)
{
	RespSlice argument = kv_argument(call, 3);
	KvOutcome outcome;
	int64 place, value;
	int before = 0;
	bool there;
	KvEntry old;
	KvDraft draft;
	Size length;
	char mask;

	if (!argument_place(call, 2, &place))
		return KV_DONE;
	if (!pgfirst_int64_parse(argument.data, argument.length, &value) || value < 0 || value > 1)
	{
		kv_reply_error(call, "ERR bit is not an integer or out of range");
		return KV_DONE;
	}
	if (!kv_value_read(call, 1, SIZE_MAX, &old))
		return KV_DONE;
	there = place >> 3 < (int64) old.value_length;
	if (there)
		before = bit_at(old.value.data, place);
	if (!there || before != value)
	{
		length = Max(old.value_length, (Size) (place >> 3) + 1);
		outcome = kv_draft_change(call, 1, &old, length, &draft);
		if (!draft.bytes)
			return outcome;
		memset(draft.bytes + old.value_length, 0, length - old.value_length);
		mask = (char) (1 << (7 - (place & 7)));
		if (value)
			draft.bytes[place >> 3] |= mask;
		else
			draft.bytes[place >> 3] &= ~mask;
		kv_draft_put(call, &draft);
	}
	(void) kv_scratch();
	pgfirst_resp_write_integer(call->reply, before);
	return KV_DONE;
}

/* ---- ranges ------------------------------------------------------------------------------ */

typedef struct BitRange
{
	int64 start, end; /* as given, in bytes or bits */
	bool bits;
} BitRange;

/* BYTE or BIT at argument i; answers and returns false if it is another word. */
static bool
argument_unit(KvCall *call, int i, BitRange *range)
{
	range->bits = kv_argument_is(call, i, "BIT");
	if (range->bits || kv_argument_is(call, i, "BYTE"))
		return true;
	kv_reply_syntax(call);
	return false;
}

/* Reads the value as far as the range goes, and makes the range one of bits; *empty if it is. */
static bool
read_range(KvCall *call, BitRange *range, KvEntry *entry, bool *empty)
{
	/* Shifted, because -1 to -8 are all in the last byte. */
	int64 last = range->bits ? range->end >> 3 : range->end;

	if (!kv_value_read_to(call, 1, last, entry))
		return false;
	*empty = !kv_range_resolve((int64) entry->value_length * (range->bits ? 8 : 1), &range->start,
	                           &range->end);
	if (!*empty && !range->bits)
	{
		range->start = range->start * 8;
		range->end = range->end * 8 + 7;
	}
	return true;
}

static int64
count_bits(const char *bytes, int64 first, int64 last)
{
	int64 count = 0;

	for (; first <= last && (first & 7) != 0; first++)
		count += bit_at(bytes, first);
	for (; last >= first && (last & 7) != 7; last--)
		count += bit_at(bytes, last);
	if (first < last)
		count += (int64) pg_popcount(bytes + (first >> 3), (int) ((last - first + 1) >> 3));
	return count;
}

/* BITCOUNT key [start end [BYTE | BIT]] */
KvOutcome
kv_cmd_bitcount(KvCall *call)
{
	BitRange range = {0, -1, false};
	KvEntry entry;
	bool backward, empty;

	if (call->argc == 3 || call->argc > 5)
	{
		kv_reply_syntax(call);
		return KV_DONE;
	}
	if (call->argc > 3 &&
	    (!kv_argument_integer(call, 2, &range.start) || !kv_argument_integer(call, 3, &range.end)))
		return KV_DONE;
	if (call->argc > 4 && !argument_unit(call, 4, &range))
		return KV_DONE;
	backward = kv_range_backward(range.start, range.end);
	if (!read_range(call, &range, &entry, &empty))
		return KV_DONE;
	empty |= backward;
	pgfirst_resp_write_integer(call->reply,
	                           empty ? 0 : count_bits(entry.value.data, range.start, range.end));
	(void) kv_scratch();
	return KV_DONE;
}

/* The first such bit; -1 if there is none. */
static int64
find_bit(const char *bytes, int64 first, int64 last, int bit)
{
	const uint64 others = bit ? 0 : PG_UINT64_MAX;

	while (first <= last)
	{
		uint64 word;

		if ((first & 7) == 0 && last - first >= 63)
		{
			memcpy(&word, bytes + (first >> 3), sizeof(word));
			if (word == others)
			{
				first += 64;
				continue;
			}
		}
		if (bit_at(bytes, first) == bit)
			return first;
		first++;
	}
	return -1;
}

/*
 * BITPOS key bit [start [end [BYTE | BIT]]]: behind a string of ones is the first zero, unless the
 * command said where to end; a missing key is zeros without end, an empty range has no bits at all.
 */
KvOutcome
kv_cmd_bitpos(KvCall *call)
{
	BitRange range = {0, -1, false};
	int64 bit;
	int64 place = -1;
	KvEntry entry;
	bool empty;

	if (!kv_argument_integer(call, 2, &bit))
		return KV_DONE;
	if (bit != 0 && bit != 1)
	{
		kv_reply_error(call, "ERR The bit argument must be 1 or 0.");
		return KV_DONE;
	}
	if (call->argc > 6)
	{
		kv_reply_syntax(call);
		return KV_DONE;
	}
	if (call->argc > 3 && !kv_argument_integer(call, 3, &range.start))
		return KV_DONE;
	if (call->argc > 5 && !argument_unit(call, 5, &range))
		return KV_DONE;
	if (call->argc > 4 && !kv_argument_integer(call, 4, &range.end))
		return KV_DONE;
	if (!read_range(call, &range, &entry, &empty))
		return KV_DONE;
	if (entry.type == KV_TYPE_NONE)
		place = bit ? -1 : 0;
	else if (!empty)
	{
		place = find_bit(entry.value.data, range.start, range.end, (int) bit);
		if (place == -1 && bit == 0 && call->argc < 5)
			place = range.end + 1;
	}
	pgfirst_resp_write_integer(call->reply, place);
	(void) kv_scratch();
	return KV_DONE;
}

/* ---- BITOP ------------------------------------------------------------------------------- */

typedef enum BitOperation
{
	BIT_AND,
	BIT_OR,
	BIT_XOR,
	BIT_NOT
} BitOperation;

static bool
argument_operation(KvCall *call, int i, BitOperation *operation)
{
	static const char *const words[] = {"AND", "OR", "XOR", "NOT"};

	for (int w = 0; w < (int) lengthof(words); w++)
	{
		if (!kv_argument_is(call, i, words[w]))
			continue;
		*operation = (BitOperation) w;
		return true;
	}
	kv_reply_syntax(call);
	return false;
}

/* Folds one more string into the result; a string that is too short has zeros behind its end. */
static void
fold(BitOperation operation, char *result, Size length, RespSlice source)
{
	switch (operation)
	{
		case BIT_AND:
			for (Size i = 0; i < source.length; i++)
				result[i] &= source.data[i];
			memset(result + source.length, 0, length - source.length);
			break;
		case BIT_OR:
			for (Size i = 0; i < source.length; i++)
				result[i] |= source.data[i];
			break;
		case BIT_XOR:
			for (Size i = 0; i < source.length; i++)
				result[i] ^= source.data[i];
			break;
		case BIT_NOT:
			for (Size i = 0; i < source.length; i++)
				result[i] = ~source.data[i];
			break;
	}
}

/*
 * BITOP AND | OR | XOR | NOT destkey key [key ...]
 *
 * All keys are locked, so that what the first look says of their lengths is still true in the
 * second.  In memory are the result and one of the strings at a time.
 */
KvOutcome
kv_cmd_bitop(KvCall *call)
{
	BitOperation operation;
	KvOutcome outcome;
	KvDraft draft;
	KvEntry entry;
	Size length = 0;

	if (!argument_operation(call, 1, &operation))
		return KV_DONE;
	if (operation == BIT_NOT && call->argc != 4)
	{
		kv_reply_error(call, "ERR BITOP NOT must be called with a single source key.");
		return KV_DONE;
	}
	for (int i = 3; i < call->argc; i++)
	{
		if (!kv_value_read(call, i, 0, &entry))
			return KV_DONE;
		kv_count_lookup(call, entry.type != KV_TYPE_NONE);
		length = Max(length, entry.value_length);
	}
	if (length == 0)
	{
		kv_key_delete(call->space, kv_argument(call, 2));
		pgfirst_resp_write_integer(call->reply, 0);
		return KV_DONE;
	}
	outcome = kv_draft_begin(call, 2, length, 0, &draft);
	if (!draft.bytes)
		return outcome;
	for (int i = 3; i < call->argc; i++)
	{
		(void) kv_value_read(call, i, SIZE_MAX, &entry);
		if (i > 3 || operation == BIT_NOT)
			fold(operation, draft.bytes, length, entry.value);
		else
		{
			if (entry.value.length > 0)
				memcpy(draft.bytes, entry.value.data, entry.value.length);
			memset(draft.bytes + entry.value.length, 0, length - entry.value.length);
		}
	}
	(void) kv_scratch();
	kv_draft_put(call, &draft);
	pgfirst_resp_write_integer(call->reply, (int64) length);
	return KV_DONE;
}
