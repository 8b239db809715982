/* SPDX-License-Identifier: PostgreSQL
 *
 * range.c: commands on parts of strings: their length, a piece of them, what is behind their end.
 *
 * A value is one record, so a change of a part writes all of it; Redis changes it in place.  Reading
 * brings in the value as far as the part that is asked for.
 */
#include "postgres.h"

#include "kv/cmd/commands.h"
#include "kv/cmd/value.h"

/* STRLEN key */
KvOutcome
kv_cmd_strlen(KvCall *call)
{
	KvEntry entry;

	if (kv_value_read(call, 1, 0, &entry))
		pgfirst_resp_write_integer(call->reply, (int64) entry.value_length);
	(void) kv_scratch();
	return KV_DONE;
}

/* GETRANGE key start end, and SUBSTR, its old name */
KvOutcome
kv_cmd_getrange(KvCall *call)
{
	int64 start, end;
	KvEntry entry;

	if (!kv_argument_integer(call, 2, &start) || !kv_argument_integer(call, 3, &end))
		return KV_DONE;
	if (!kv_value_read_to(call, 1, end, &entry))
		return KV_DONE;
	if (kv_range_backward(start, end) ||
	    !kv_range_resolve((int64) entry.value_length, &start, &end))
		pgfirst_resp_write_bulk(call->reply, "", 0);
	else
		pgfirst_resp_write_bulk(call->reply, entry.value.data + start, (size_t) (end - start) + 1);
	(void) kv_scratch();
	return KV_DONE;
}

/* Puts `bytes` at `offset` of the value that was read, zeros where it did not reach as far. */
static KvOutcome
overwrite(KvCall *call, const KvEntry *old, Size offset, RespSlice bytes)
{
	Size length = Max(old->value_length, offset + bytes.length);
	KvDraft draft;
	KvOutcome outcome = kv_draft_change(call, 1, old, length, &draft);

	if (!draft.bytes)
		return outcome;
	if (offset > old->value_length)
		memset(draft.bytes + old->value_length, 0, offset - old->value_length);
	memcpy(draft.bytes + offset, bytes.data, bytes.length);
	kv_draft_put(call, &draft);
	pgfirst_resp_write_integer(call->reply, (int64) length);
	return KV_DONE;
}

/* APPEND key value: also of nothing to a key that is missing, which makes an empty one. */
KvOutcome
kv_cmd_append(KvCall *call)
{
	RespSlice bytes = kv_argument(call, 2);
	KvEntry old;

	if (!kv_value_read(call, 1, SIZE_MAX, &old))
		return KV_DONE;
	if (kv_value_may_grow(call, (int64) old.value_length, (int64) bytes.length))
		return overwrite(call, &old, old.value_length, bytes);
	(void) kv_scratch();
	return KV_DONE;
}

/* SETRANGE key offset value: nothing, put anywhere, changes nothing and makes no key. */
KvOutcome
kv_cmd_setrange(KvCall *call)
{
	RespSlice bytes = kv_argument(call, 3);
	int64 offset;
	KvEntry old;

	if (!kv_argument_integer(call, 2, &offset))
		return KV_DONE;
	if (offset < 0)
	{
		kv_reply_error(call, "ERR offset is out of range");
		return KV_DONE;
	}
	if (!kv_value_read(call, 1, bytes.length == 0 ? 0 : SIZE_MAX, &old))
		return KV_DONE;
	if (bytes.length == 0)
	{
		pgfirst_resp_write_integer(call->reply, (int64) old.value_length);
		return KV_DONE;
	}
	if (kv_value_may_grow(call, offset, (int64) bytes.length))
		return overwrite(call, &old, (Size) offset, bytes);
	(void) kv_scratch();
	return KV_DONE;
}
