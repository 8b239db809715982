/* SPDX-License-Identifier: PostgreSQL
 *
 * hash.c: commands on hashes.  What a hash is stands in members.h.
 *
 * Whoever reads more than the key's record reads all of it as of one moment (kv_reply_together).  Whoever changes a
 * hash has its key locked, and reads what nobody else changes.
 */
#include "postgres.h"

#include <math.h>

#include "common/int.h"
#include "common/pg_prng.h"

#include "kv/cmd/commands.h"
#include "kv/cmd/elements.h"
#include "kv/cmd/generic.h"
#include "kv/cmd/value.h"
#include "kv/type/members.h"
#include "lib/number/number.h"

/* Opens the hash that argument 1 is; false after answering that it is none. */
static bool
hash_open(KvCall *call, KvMembers *hash)
{
	return kv_elements_open(call, 1, KV_TYPE_HASH, hash);
}

/* ---- changing -------------------------------------------------------------------------------- */

/* Answers and returns false if a field has no value. */
static bool
fields_in_pairs(KvCall *call)
{
	if (call->argc % 2 == 0)
		return true;
	kv_reply_error(call, "ERR wrong number of arguments for '%s' command", call->command->name);
	return false;
}

/* Puts the fields from argument 2 on; false if there is no room for them or no hash. */
static bool
hash_set(KvCall *call, int64 *added, KvOutcome *outcome)
{
	KvMembers hash;

	*outcome = KV_DONE;
	*added = 0;
	if (!fields_in_pairs(call) || !hash_open(call, &hash) || !kv_elements_room(call, outcome))
		return false;
	for (int i = 2; i < call->argc; i += 2)
		*added += kv_members_put(&hash, kv_argument(call, i), kv_argument(call, i + 1));
	kv_members_close(&hash);
	return true;
}

/* HSET key field value [field value ...] */
KvOutcome
kv_cmd_hset(KvCall *call)
{
	KvOutcome outcome;
	int64 added;

	if (hash_set(call, &added, &outcome))
		pgfirst_resp_write_integer(call->reply, added);
	return outcome;
}

/* HMSET key field value [field value ...] */
KvOutcome
kv_cmd_hmset(KvCall *call)
{
	KvOutcome outcome;
	int64 added;

	if (hash_set(call, &added, &outcome))
		kv_reply_ok(call);
	return outcome;
}

/* HSETNX key field value */
KvOutcome
kv_cmd_hsetnx(KvCall *call)
{
	KvOutcome outcome = KV_DONE;
	KvMembersPlace place;
	KvMembers hash;
	bool found;

	if (!hash_open(call, &hash) || !kv_elements_room(call, &outcome))
		return outcome;
	found = kv_members_look(&hash, kv_argument(call, 2), &place);
	if (!found)
		kv_members_put_at(&hash, kv_argument(call, 2), kv_argument(call, 3), &place);
	kv_members_close(&hash);
	pgfirst_resp_write_integer(call->reply, !found);
	return KV_DONE;
}

/* HDEL key field [field ...] */
KvOutcome
kv_cmd_hdel(KvCall *call)
{
	KvMembers hash;
	int64 removed = 0;

	if (!hash_open(call, &hash))
		return KV_DONE;
	for (int i = 2; i < call->argc; i++)
		removed += kv_members_remove(&hash, kv_argument(call, i));
	kv_members_close(&hash);
	pgfirst_resp_write_integer(call->reply, removed);
	return KV_DONE;
}

/* HINCRBY key field increment */
KvOutcome
kv_cmd_hincrby(KvCall *call)
{
	KvOutcome outcome = KV_DONE;
	KvMembersPlace place;
	KvMembers hash;
	RespSlice slice;
	char digits[PGFIRST_INT64_TEXT];
	int64 value = 0;
	int64 by;

	if (!kv_argument_integer(call, 3, &by) || !hash_open(call, &hash) ||
	    !kv_elements_room(call, &outcome))
		return outcome;
	if (kv_members_look(&hash, kv_argument(call, 2), &place) &&
	    !pgfirst_int64_parse(place.packed.value.data, place.packed.value.length, &value))
	{
		kv_reply_error(call, "ERR hash value is not an integer");
		return KV_DONE;
	}
	if (pg_add_s64_overflow(value, by, &value))
	{
		kv_reply_error(call, "ERR increment or decrement would overflow");
		return KV_DONE;
	}
	slice = (RespSlice){digits, pgfirst_int64_format(value, digits)};
	kv_members_put_at(&hash, kv_argument(call, 2), slice, &place);
	kv_members_close(&hash);
	pgfirst_resp_write_integer(call->reply, value);
	return KV_DONE;
}

/* HINCRBYFLOAT key field increment: answers with the very text that the field then has. */
KvOutcome
kv_cmd_hincrbyfloat(KvCall *call)
{
	RespSlice argument = kv_argument(call, 3);
	KvOutcome outcome = KV_DONE;
	KvMembersPlace place;
	KvMembers hash;
	RespSlice slice;
	char digits[PGFIRST_FLOAT_TEXT];
	long double value = 0;
	long double by;

	if (!pgfirst_float_parse(argument.data, argument.length, &by))
	{
		kv_reply_error(call, "ERR value is not a valid float");
		return KV_DONE;
	}
	if (isnan(by) || isinf(by))
	{
		kv_reply_error(call, "ERR value is NaN or Infinity");
		return KV_DONE;
	}
	if (!hash_open(call, &hash) || !kv_elements_room(call, &outcome))
		return outcome;
	if (kv_members_look(&hash, kv_argument(call, 2), &place) &&
	    !pgfirst_float_parse(place.packed.value.data, place.packed.value.length, &value))
	{
		kv_reply_error(call, "ERR hash value is not a float");
		return KV_DONE;
	}
	value += by;
	if (isnan(value) || isinf(value))
	{
		kv_reply_error(call, "ERR increment would produce NaN or Infinity");
		return KV_DONE;
	}
	slice = (RespSlice){digits, pgfirst_float_format(value, digits)};
	kv_members_put_at(&hash, kv_argument(call, 2), slice, &place);
	kv_members_close(&hash);
	kv_reply_slice(call, slice);
	return KV_DONE;
}

/* ---- reading some fields --------------------------------------------------------------------- */

/*
 * Reads argument 2's value, which may stand in `hash` itself; false after answering that there is no hash, or none is
 * the key.
 */
static bool
field_read(KvCall *call, KvMembers *hash, RespSlice *value, bool *found)
{
	*found = false;
	if (!hash_open(call, hash))
		return false;
	*found = hash->count > 0 && kv_members_find(hash, kv_argument(call, 2), value);
	kv_count_lookup(call, hash->count > 0);
	return true;
}

static void
read_hget(KvCall *call)
{
	KvMembers hash;
	RespSlice value;
	bool found;

	if (!field_read(call, &hash, &value, &found))
		return;
	if (found)
		kv_reply_slice(call, value);
	else
		pgfirst_resp_write_null(call->reply);
}

/* HGET key field */
KvOutcome
kv_cmd_hget(KvCall *call)
{
	return kv_reply_together(call, read_hget);
}

static void
read_hexists(KvCall *call)
{
	KvMembers hash;
	RespSlice value;
	bool found;

	if (field_read(call, &hash, &value, &found))
		pgfirst_resp_write_integer(call->reply, found);
}

/* HEXISTS key field */
KvOutcome
kv_cmd_hexists(KvCall *call)
{
	return kv_reply_together(call, read_hexists);
}

static void
read_hstrlen(KvCall *call)
{
	KvMembers hash;
	RespSlice value;
	bool found;

	if (field_read(call, &hash, &value, &found))
		pgfirst_resp_write_integer(call->reply, found ? (int64) value.length : 0);
}

/* HSTRLEN key field */
KvOutcome
kv_cmd_hstrlen(KvCall *call)
{
	return kv_reply_together(call, read_hstrlen);
}

static void
read_hmget(KvCall *call)
{
	KvMembers hash;

	if (!hash_open(call, &hash))
		return;
	kv_count_lookup(call, hash.count > 0);
	pgfirst_resp_write_array(call->reply, (size_t) call->argc - 2);
	for (int i = 2; i < call->argc && !call->reply->failed; i++)
	{
		RespSlice value;

		if (kv_elements_find(&hash, kv_argument(call, i), &value))
			kv_reply_slice(call, value);
		else
			pgfirst_resp_write_null(call->reply);
	}
}

/* HMGET key field [field ...] */
KvOutcome
kv_cmd_hmget(KvCall *call)
{
	return kv_reply_together(call, read_hmget);
}

/* HLEN key */
KvOutcome
kv_cmd_hlen(KvCall *call)
{
	return kv_elements_count(call, KV_TYPE_HASH);
}

/* ---- reading all ----------------------------------------------------------------------------- */

static void
read_hgetall(KvCall *call)
{
	KvMembers hash;

	if (!hash_open(call, &hash))
		return;
	kv_elements_write(call, &hash, pgfirst_resp_write_map, KV_MEMBER | KV_VALUE);
}

/* HGETALL key */
KvOutcome
kv_cmd_hgetall(KvCall *call)
{
	return kv_reply_together(call, read_hgetall);
}

static void
read_hkeys(KvCall *call)
{
	KvMembers hash;

	if (!hash_open(call, &hash))
		return;
	kv_elements_write(call, &hash, pgfirst_resp_write_array, KV_MEMBER);
}

/* HKEYS key */
KvOutcome
kv_cmd_hkeys(KvCall *call)
{
	return kv_reply_together(call, read_hkeys);
}

static void
read_hvals(KvCall *call)
{
	KvMembers hash;

	if (!hash_open(call, &hash))
		return;
	kv_elements_write(call, &hash, pgfirst_resp_write_array, KV_VALUE);
}

/* HVALS key */
KvOutcome
kv_cmd_hvals(KvCall *call)
{
	return kv_reply_together(call, read_hvals);
}

/* With its value: RESP3 has pairs. */
static bool
pair_write(void *context, RespSlice field, RespSlice value)
{
	KvCall *call = context;

	if (call->reply->protocol == 3)
		pgfirst_resp_write_array(call->reply, 2);
	kv_reply_slice(call, field);
	kv_reply_slice(call, value);
	return !call->reply->failed;
}

static void
read_hrandfield(KvCall *call)
{
	kv_elements_read_random(call, KV_TYPE_HASH, "WITHVALUES", pair_write);
}

/* HRANDFIELD key [count [WITHVALUES]] */
KvOutcome
kv_cmd_hrandfield(KvCall *call)
{
	return kv_reply_together(call, read_hrandfield);
}

/* HSCAN key cursor [MATCH pattern] [COUNT count] */
KvOutcome
kv_cmd_hscan(KvCall *call)
{
	return kv_elements_scan(call, KV_TYPE_HASH);
}
