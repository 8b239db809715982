/* SPDX-License-Identifier: PostgreSQL
 *
 * value.c: what the commands on strings share; see value.h.
 */
#include "postgres.h"

#include "kv/cmd/value.h"

#define LENGTHY ((Size) 4096)

void
kv_reply_wrong_type(KvCall *call)
{
	kv_reply_error(call, "WRONGTYPE Operation against a key holding the wrong kind of value");
}

/* ---- reading ----------------------------------------------------------------------------- */

/* So many bytes of the value; false if there is no such key. */
static bool
value_bring(KvCall *call, int i, Size limit, KvEntry *entry)
{
	MemoryContext old = MemoryContextSwitchTo(kv_scratch());
	bool found = kv_key_read_part(call->space, kv_argument(call, i), call->now_ms, limit, entry);

	MemoryContextSwitchTo(old);
	return found;
}

/* Counts the lookup, however often it has read; false after answering that the key is no string. */
static bool
value_take(KvCall *call, bool found, KvEntry *entry)
{
	if (!(call->command->flags & KV_WRITE))
		kv_count_lookup(call, found);
	if (!found)
	{
		*entry = (KvEntry){.type = KV_TYPE_NONE};
		return true;
	}
	call->lengthy |= entry->value.length > LENGTHY;
	if (entry->type == KV_TYPE_STRING)
		return true;
	kv_reply_wrong_type(call);
	return false;
}

bool
kv_value_read(KvCall *call, int i, Size limit, KvEntry *entry)
{
	return value_take(call, value_bring(call, i, limit, entry), entry);
}

/* Whether all up to this place is there, or to the end; *limit is what has to be read for that. */
static bool
value_reaches(const KvEntry *entry, int64 last, Size *limit)
{
	int64 end = last < 0 ? Max((int64) entry->value_length + last, 0) : last;

	end = Min(end, (int64) entry->value_length - 1);
	*limit = (Size) (end + 1);
	return end < (int64) entry->value.length;
}

/*
 * Where the end is must be read first if `last` counts from there, unless all is wanted.  Nothing keeps others from changing
 * the value between the two reads; if somebody does that twice, all of it is read.
 */
bool
kv_value_read_to(KvCall *call, int i, int64 last, KvEntry *entry)
{
	Size limit = last < -1 ? 0 : last == -1 ? SIZE_MAX : (Size) last + 1;
	bool found = value_bring(call, i, limit, entry);

	for (int tries = 0;
	     found && entry->type == KV_TYPE_STRING && !value_reaches(entry, last, &limit); tries++)
		found = value_bring(call, i, tries < 2 ? limit : SIZE_MAX, entry);
	return value_take(call, found, entry);
}

bool
kv_range_resolve(int64 length, int64 *start, int64 *end)
{
	if (*start < 0)
		*start = Max(*start + length, 0);
	if (*end < 0)
		*end = Max(*end + length, 0);
	*end = Min(*end, length - 1);
	return *start <= *end;
}

/* ---- replacing --------------------------------------------------------------------------- */

bool
kv_value_may_grow(KvCall *call, int64 length, int64 more)
{
	if (length <= (int64) KV_VALUE_MAX && more <= (int64) KV_VALUE_MAX - length)
		return true;
	kv_reply_error(call, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
	return false;
}

/*
 * Within EXEC it is too late to come again: what there is no room for is refused like what there never
 * is any for.
 */
KvOutcome
kv_draft_begin(KvCall *call, int i, Size length, int64 expiry, KvDraft *draft)
{
	RespSlice key = kv_argument(call, i);
	KvOutcome outcome;

	draft->bytes = NULL;
	if (!kv_room_for(call, KV_HEAD_LIMIT(key.length) + length, &outcome))
		return outcome;
	draft->bytes = kv_key_draft(call->space, key, length, expiry, &draft->record);
	call->lengthy |= length > LENGTHY;
	return KV_DONE;
}

KvOutcome
kv_draft_change(KvCall *call, int i, const KvEntry *old, Size length, KvDraft *draft)
{
	KvOutcome outcome = kv_draft_begin(call, i, length, old->expiry, draft);
	Size kept = Min(length, old->value.length);

	if (draft->bytes && kept > 0)
		memcpy(draft->bytes, old->value.data, kept);
	(void) kv_scratch();
	return outcome;
}

void
kv_draft_put(KvCall *call, KvDraft *draft)
{
	kv_key_put_draft(call->space, &draft->record);
	draft->bytes = NULL;
}
