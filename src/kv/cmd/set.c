/* SPDX-License-Identifier: PostgreSQL
 *
 * set.c: commands on sets.  What a set is stands in members.h.  What several sets
 * give is found as combine.h says.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "utils/memutils.h"

#include "kv/cmd/combine.h"
#include "kv/cmd/commands.h"
#include "kv/cmd/elements.h"
#include "kv/cmd/set.h"
#include "kv/cmd/value.h"
#include "kv/type/members.h"
#include "lib/number/number.h"

static const RespSlice nothing = {"", 0};

static bool
set_open(KvCall *call, int i, KvMembers *set)
{
	return kv_elements_open(call, i, KV_TYPE_SET, set);
}

/* ---- changing -------------------------------------------------------------------------------- */

/* SADD key member [member ...] */
KvOutcome
kv_cmd_sadd(KvCall *call)
{
	KvOutcome outcome = KV_DONE;
	KvMembers set;
	int64 added = 0;

	if (!set_open(call, 1, &set) || !kv_elements_room(call, &outcome))
		return outcome;
	for (int i = 2; i < call->argc; i++)
		added += kv_elements_add(&set, kv_argument(call, i));
	kv_members_close(&set);
	pgfirst_resp_write_integer(call->reply, added);
	return KV_DONE;
}

/* SREM key member [member ...] */
KvOutcome
kv_cmd_srem(KvCall *call)
{
	KvMembers set;
	int64 removed = 0;

	if (!set_open(call, 1, &set))
		return KV_DONE;
	for (int i = 2; i < call->argc; i++)
		removed += kv_members_remove(&set, kv_argument(call, i));
	kv_members_close(&set);
	pgfirst_resp_write_integer(call->reply, removed);
	return KV_DONE;
}

/* SMOVE source destination member */
KvOutcome
kv_cmd_smove(KvCall *call)
{
	RespSlice from = kv_argument(call, 1);
	RespSlice to = kv_argument(call, 2);
	RespSlice member = kv_argument(call, 3);
	KvOutcome outcome = KV_DONE;
	KvMembers source, destination;
	RespSlice value;
	bool found;

	if (!set_open(call, 1, &source) || (source.count > 0 && !set_open(call, 2, &destination)) ||
	    !kv_elements_room(call, &outcome))
		return outcome;
	found = source.count > 0 && kv_elements_find(&source, member, &value);
	if (found && !(from.length == to.length && memcmp(from.data, to.data, to.length) == 0))
	{
		(void) kv_members_remove(&source, member);
		(void) kv_elements_add(&destination, member);
		kv_members_close(&source);
		kv_members_close(&destination);
	}
	pgfirst_resp_write_integer(call->reply, found);
	return KV_DONE;
}

/* ---- by chance ------------------------------------------------------------------------------- */

/* Answers and returns false if there is a count that is none, or is negative and must not be. */
static bool
count_argument(KvCall *call, bool positive, int64 *count)
{
	if (call->argc > 3)
	{
		kv_reply_syntax(call);
		return false;
	}
	if (call->argc == 2)
		return true;
	return positive ? kv_elements_pop_count(call, count) : kv_argument_random(call, 2, count);
}

/* Up to this part of a paged set members are drawn, each for itself; more are taken in one walk. */
#define POP_PART 16

static void
pop_drawn(KvCall *call, KvMembers *set, int64 count)
{
	KvMembersPlace place;

	for (; count > 0; count--)
	{
		if (!kv_elements_random(set, &place))
			kv_collection_damaged();
		kv_reply_slice(call, place.packed.member);
		kv_members_remove_at(set, &place);
	}
}

/*
 * Goes through all members of a paged set and takes each with the chance that makes `count` in the end.  They
 * are removed afterwards, because the walk may stand on several that are in one record.
 */
static void
pop_sampled(KvCall *call, KvMembers *set, int64 count)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pgfirst members taken",
	                                              ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	RespSlice *taken = MemoryContextAllocHuge(context, (Size) count * sizeof(RespSlice));
	uint64 left = set->count;
	RespSlice member, value;
	KvMembersWalk walk;
	int64 found = 0;

	kv_members_walk(set, 0, &walk);
	while (found < count && left > 0 && kv_members_next(&walk, &member, &value))
	{
		if (pg_prng_uint64_range(&pg_global_prng_state, 1, left--) > (uint64) (count - found))
			continue;
		kv_reply_slice(call, member);
		taken[found++] = kv_slice_copy(member);
	}
	kv_members_walk_end(&walk);
	if (found < count)
		kv_collection_damaged();
	for (int64 i = 0; i < count; i++)
	{
		(void) MemoryContextSwitchTo(kv_scratch());
		(void) kv_members_remove(set, taken[i]);
	}
	(void) kv_scratch();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* What is left of the set is garbage. */
static void
pop_whole(KvCall *call, KvMembers *set)
{
	RespSlice member, value;
	KvMembersWalk walk;

	kv_members_walk(set, 0, &walk);
	while (kv_members_next(&walk, &member, &value))
		kv_reply_slice(call, member);
	kv_members_walk_end(&walk);
	kv_key_delete(set->space, set->key);
}

static void
pop_members(KvCall *call, KvMembers *set, int64 count, bool whole)
{
	if (whole)
		pop_whole(call, set);
	else if (set->layout == KV_LAYOUT_PAGED && count > 1 && count > (int64) set->count / POP_PART)
		pop_sampled(call, set, count);
	else
		pop_drawn(call, set, count);
	kv_members_close(set);
}

/* SPOP key [count] */
KvOutcome
kv_cmd_spop(KvCall *call)
{
	KvOutcome outcome = KV_DONE;
	KvMembers set;
	int64 count = 1;
	bool whole;

	if (!count_argument(call, true, &count) || !set_open(call, 1, &set))
		return KV_DONE;
	count = Min(count, (int64) set.count);
	whole = kv_removal_is_whole((uint64) count, set.count);
	if (!kv_elements_room_for(call, kv_removal_size((uint64) count, set.count), &outcome))
		return outcome;
	if (call->argc == 3)
		pgfirst_resp_write_set(call->reply, (size_t) count);
	else if (count == 0)
		pgfirst_resp_write_null(call->reply);
	pop_members(call, &set, count, whole);
	return KV_DONE;
}

static void
read_srandmember(KvCall *call)
{
	KvMembersPlace place;
	KvMembers set;
	int64 count = 1;

	if (!count_argument(call, false, &count) || !set_open(call, 1, &set))
		return;
	kv_count_lookup(call, set.count > 0);
	if (call->argc == 3)
		kv_elements_write_random(call, &set, count, 1, kv_elements_write_one);
	else if (set.count > 0 && kv_elements_random(&set, &place))
		kv_reply_slice(call, place.packed.member);
	else
		pgfirst_resp_write_null(call->reply);
}

/* SRANDMEMBER key [count] */
KvOutcome
kv_cmd_srandmember(KvCall *call)
{
	return kv_reply_together(call, read_srandmember);
}

/* ---- reading one set ------------------------------------------------------------------------- */

static void
read_smismember(KvCall *call)
{
	KvMembers set;

	if (!set_open(call, 1, &set))
		return;
	kv_count_lookup(call, set.count > 0);
	if (call->command->function == kv_cmd_smismember)
		pgfirst_resp_write_array(call->reply, (size_t) call->argc - 2);
	for (int i = 2; i < call->argc; i++)
	{
		RespSlice value;

		pgfirst_resp_write_integer(
		    call->reply, set.count > 0 && kv_elements_find(&set, kv_argument(call, i), &value));
	}
}

/* SMISMEMBER key member [member ...] */
KvOutcome
kv_cmd_smismember(KvCall *call)
{
	return kv_reply_together(call, read_smismember);
}

/* SISMEMBER key member */
KvOutcome
kv_cmd_sismember(KvCall *call)
{
	return kv_reply_together(call, read_smismember);
}

static void
read_smembers(KvCall *call)
{
	KvMembers set;

	if (!set_open(call, 1, &set))
		return;
	kv_count_lookup(call, set.count > 0);
	kv_elements_write(call, &set, pgfirst_resp_write_set, KV_MEMBER);
}

/* SMEMBERS key */
KvOutcome
kv_cmd_smembers(KvCall *call)
{
	return kv_reply_together(call, read_smembers);
}

/* SCARD key */
KvOutcome
kv_cmd_scard(KvCall *call)
{
	return kv_elements_count(call, KV_TYPE_SET);
}

/* SSCAN key cursor [MATCH pattern] [COUNT count] */
KvOutcome
kv_cmd_sscan(KvCall *call)
{
	return kv_elements_scan(call, KV_TYPE_SET);
}

/* ---- reading several sets -------------------------------------------------------------------- */

void
kv_sets_combine(KvSetOperation operation, KvInputs *sets, KvEachMember each, void *context)
{
	KvCombination combination = {
	    .operation = operation, .inputs = sets, .found = each, .context = context};

	kv_combine(&combination);
}

/* What a reply is made of: its length stands before the members, of which nobody knows how many there will be. */
typedef struct Found
{
	RespBuffer members;
	int64 count;
} Found;

static bool
found_add(void *context, RespSlice member, RespSlice value)
{
	Found *found = context;

	found->count++;
	pgfirst_resp_write_bulk(&found->members, member.data, member.length);
	return !found->members.failed;
}

static void
reply_members(KvCall *call, KvSetOperation operation)
{
	Found found = {.count = 0};
	KvInputs sets;

	if (!kv_inputs_open(call, 1, call->argc - 1, false, &sets))
		return;
	pgfirst_resp_buffer_init(&found.members, call->reply->allocator, call->reply->protocol);
	kv_sets_combine(operation, &sets, found_add, &found);
	pgfirst_resp_write_set(call->reply, (size_t) found.count);
	pgfirst_resp_write_raw(call->reply, found.members.data, found.members.length);
	call->reply->failed |= found.members.failed;
	pgfirst_resp_buffer_free(&found.members);
	kv_inputs_end(&sets);
}

static void
read_sinter(KvCall *call)
{
	reply_members(call, KV_SET_INTER);
}

/* SINTER key [key ...] */
KvOutcome
kv_cmd_sinter(KvCall *call)
{
	return kv_reply_together(call, read_sinter);
}

static void
read_sunion(KvCall *call)
{
	reply_members(call, KV_SET_UNION);
}

/* SUNION key [key ...] */
KvOutcome
kv_cmd_sunion(KvCall *call)
{
	return kv_reply_together(call, read_sunion);
}

static void
read_sdiff(KvCall *call)
{
	reply_members(call, KV_SET_DIFF);
}

/* SDIFF key [key ...] */
KvOutcome
kv_cmd_sdiff(KvCall *call)
{
	return kv_reply_together(call, read_sdiff);
}

/* Reads numkeys and LIMIT, 0 if there is none; answers and returns false if one is wrong. */
static bool
sintercard_options(KvCall *call, int *count, int64 *limit)
{
	RespSlice number = kv_argument(call, 1);
	int64 keys;

	if (!pgfirst_int64_parse(number.data, number.length, &keys) || keys < 1)
	{
		kv_reply_error(call, "ERR numkeys should be greater than 0");
		return false;
	}
	if (keys > call->argc - 2)
	{
		kv_reply_error(call, "ERR Number of keys can't be greater than number of args");
		return false;
	}
	*count = (int) keys;
	*limit = 0;
	for (int i = 2 + *count; i < call->argc; i += 2)
	{
		if (!kv_argument_is(call, i, "LIMIT") || i + 1 == call->argc)
		{
			kv_reply_syntax(call);
			return false;
		}
		number = kv_argument(call, i + 1);
		if (!pgfirst_int64_parse(number.data, number.length, limit) || *limit < 0)
		{
			kv_reply_error(call, "ERR LIMIT can't be negative");
			return false;
		}
	}
	return true;
}

typedef struct Counted
{
	int64 count;
	int64 limit;
} Counted;

static bool
counted_add(void *context, RespSlice member, RespSlice value)
{
	Counted *counted = context;

	return ++counted->count != counted->limit;
}

static void
read_sintercard(KvCall *call)
{
	Counted counted = {.count = 0};
	KvInputs sets;
	int count;

	if (!sintercard_options(call, &count, &counted.limit) ||
	    !kv_inputs_open(call, 2, count, false, &sets))
		return;
	kv_sets_combine(KV_SET_INTER, &sets, counted_add, &counted);
	pgfirst_resp_write_integer(call->reply, counted.count);
	kv_inputs_end(&sets);
}

/* SINTERCARD numkeys key [key ...] [LIMIT limit] */
KvOutcome
kv_cmd_sintercard(KvCall *call)
{
	return kv_reply_together(call, read_sintercard);
}

/* ---- storing what several sets give ---------------------------------------------------------- */

static bool
stored_add(void *context, RespSlice member, RespSlice value)
{
	(void) kv_members_put(context, member, nothing);
	return true;
}

static KvOutcome
store_members(KvCall *call, KvSetOperation operation)
{
	int count = call->argc - 2;
	KvOutcome outcome = KV_DONE;
	KvMembers stored;
	KvInputs sets;
	Size most = 0;

	if (!kv_inputs_open(call, 2, count, false, &sets))
		return KV_DONE;
	for (int i = 0; i < count; i++)
		most = operation == KV_SET_UNION ? most + kv_members_copy_size(sets.at[i])
		                                 : Max(most, kv_members_copy_size(sets.at[i]));
	if (kv_elements_room_for(call, most, &outcome))
	{
		kv_members_new(call->space, kv_argument(call, 1), KV_TYPE_SET, &stored);
		kv_sets_combine(operation, &sets, stored_add, &stored);
		kv_members_close(&stored);
		pgfirst_resp_write_integer(call->reply, (int64) stored.count);
	}
	kv_inputs_end(&sets);
	return outcome;
}

/* SINTERSTORE destination key [key ...] */
KvOutcome
kv_cmd_sinterstore(KvCall *call)
{
	return store_members(call, KV_SET_INTER);
}

/* SUNIONSTORE destination key [key ...] */
KvOutcome
kv_cmd_sunionstore(KvCall *call)
{
	return store_members(call, KV_SET_UNION);
}

/* SDIFFSTORE destination key [key ...] */
KvOutcome
kv_cmd_sdiffstore(KvCall *call)
{
	return store_members(call, KV_SET_DIFF);
}
