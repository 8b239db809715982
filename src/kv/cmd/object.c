/* SPDX-License-Identifier: PostgreSQL
 *
 * object.c: OBJECT: how a value is kept.
 *
 * Redis tells of its memory; here values stand on pages, and only what programs look at is told.
 * ENCODING follows from the value by the rules by which Redis chooses when it is set: programs that
 * test for "int" want to know whether they may count with it.  Redis itself forgets that a value is
 * short, or a number, once it has been changed in place (APPEND, SETRANGE), and this does not.
 * Nothing is shared, so REFCOUNT is 1.  Accesses are not recorded, as that would make every read a
 * write: IDLETIME is 0, what a key has that is used all the time, so nobody evicts by it, and FREQ is
 * refused as by a Redis that does not keep it.
 */
#include "postgres.h"

#include "kv/cmd/commands.h"
#include "kv/cmd/generic.h"
#include "lib/number/number.h"

#define INT_MAX_LENGTH    20 /* of a value that may be a number */
#define EMBSTR_MAX_LENGTH 44

/* Whether the key that the command names is there; answers if not. */
static bool
find_object(KvCall *call, KvEntry *entry)
{
	if (kv_key_find(call, call->space, 2, entry))
		return true;
	pgfirst_resp_write_null(call->reply);
	return false;
}

static const char *
string_encoding(const KvEntry *entry)
{
	int64 value;

	if (entry->value_length <= INT_MAX_LENGTH &&
	    pgfirst_int64_parse(entry->value.data, entry->value.length, &value))
		return "int";
	return entry->value_length <= EMBSTR_MAX_LENGTH ? "embstr" : "raw";
}

/* OBJECT ENCODING key */
KvOutcome
kv_cmd_object_encoding(KvCall *call)
{
	KvEntry entry;

	if (!find_object(call, &entry))
		return KV_DONE;
	if (entry.type != KV_TYPE_STRING)
	{
		pgfirst_resp_write_text(call->reply, entry.type == KV_TYPE_STREAM       ? "stream"
		                                     : entry.layout == KV_LAYOUT_INLINE ? "listpack"
		                                     : entry.type == KV_TYPE_LIST       ? "quicklist"
		                                     : entry.type == KV_TYPE_ZSET       ? "skiplist"
		                                                                        : "hashtable");
		return KV_DONE;
	}
	/* Only a short one is read; if others have changed it by now, its bytes are those of that moment. */
	if (entry.value_length > EMBSTR_MAX_LENGTH)
		pgfirst_resp_write_text(call->reply, "raw");
	else if (kv_key_read(call->space, kv_argument(call, 2), call->now_ms, true, &entry))
		pgfirst_resp_write_text(call->reply, string_encoding(&entry));
	else
		pgfirst_resp_write_null(call->reply);
	return KV_DONE;
}

/* OBJECT FREQ key */
KvOutcome
kv_cmd_object_freq(KvCall *call)
{
	KvEntry entry;

	if (find_object(call, &entry))
		kv_reply_error(call, "ERR An LFU maxmemory policy is not selected, access frequency not "
		                     "tracked. Please note that when switching between policies at "
		                     "runtime LRU and LFU data will take some time to adjust.");
	return KV_DONE;
}

/* OBJECT IDLETIME key */
KvOutcome
kv_cmd_object_idletime(KvCall *call)
{
	KvEntry entry;

	if (find_object(call, &entry))
		pgfirst_resp_write_integer(call->reply, 0);
	return KV_DONE;
}

/* OBJECT REFCOUNT key */
KvOutcome
kv_cmd_object_refcount(KvCall *call)
{
	KvEntry entry;

	if (find_object(call, &entry))
		pgfirst_resp_write_integer(call->reply, 1);
	return KV_DONE;
}
