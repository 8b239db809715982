/* SPDX-License-Identifier: PostgreSQL
 *
 * generic.c: commands on keys of any type.
 */
#include "postgres.h"

#include "kv/cmd/commands.h"
#include "kv/cmd/generic.h"

bool
kv_key_find(KvCall *call, KvSpace *space, int i, KvEntry *entry)
{
	MemoryContext old = MemoryContextSwitchTo(kv_scratch());
	bool found = kv_key_read(space, kv_argument(call, i), call->now_ms, false, entry);

	MemoryContextSwitchTo(old);
	entry->key = entry->value = (RespSlice){NULL, 0};
	(void) kv_scratch();
	return found;
}

/* DEL key [key ...] */
KvOutcome
kv_cmd_del(KvCall *call)
{
	int64 deleted = 0;
	KvEntry entry;

	for (int i = 1; i < call->argc; i++)
	{
		if (!kv_key_find(call, call->space, i, &entry))
			continue;
		kv_key_delete(call->space, kv_argument(call, i));
		deleted++;
	}
	pgfirst_resp_write_integer(call->reply, deleted);
	return KV_DONE;
}

/* EXISTS key [key ...]: a key named twice counts twice. */
KvOutcome
kv_cmd_exists(KvCall *call)
{
	int tries = kv_tries_together(call->argc);
	int64 found;
	KvEntry entry;

	do
	{
		found = 0;
		pgfirst_store_together_begin_brief(call->space->store);
		for (int i = 1; i < call->argc; i++)
			found += kv_key_find(call, call->space, i, &entry);
	} while (!pgfirst_store_together_end() && --tries > 0);
	pgfirst_resp_write_integer(call->reply, found);
	return KV_DONE;
}

/* TOUCH key [key ...]: that they have been read is what it is about. */
KvOutcome
kv_cmd_touch(KvCall *call)
{
	return kv_cmd_exists(call);
}

/* TYPE key */
KvOutcome
kv_cmd_type(KvCall *call)
{
	KvEntry entry;

	(void) kv_key_find(call, call->space, 1, &entry);
	pgfirst_resp_write_simple(call->reply, kv_type_name(entry.type));
	return KV_DONE;
}
