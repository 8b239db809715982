/* SPDX-License-Identifier: PostgreSQL
 *
 * set.c: commands on sets.  What a set is stands in members.h.
 *
 * Commands on several sets go through the members of one and look each up in the others; nothing is gathered in
 * between, so what they need of memory is the reply, or what they store.  A union has of each set what is in none
 * before it.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "utils/memutils.h"

#include "kv/cmd/commands.h"
#include "kv/cmd/elements.h"
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
	RespSlice argument;

	if (call->argc > 3)
	{
		kv_reply_syntax(call);
		return false;
	}
	if (call->argc == 2)
		return true;
	if (!positive && !kv_argument_integer(call, 2, count))
		return false;
	argument = kv_argument(call, 2);
	if (pgfirst_int64_parse(argument.data, argument.length, count) &&
	    *count >= (positive ? 0 : -PG_INT64_MAX / 2))
		return true;
	kv_reply_error(call, positive ? "ERR value is out of range, must be positive"
	                              : "ERR value is out of range");
	return false;
}

/* Up to this part of a paged set members are drawn, each for itself; more are taken in one walk. */
#define POP_PART 16

static void
pop_drawn(KvCall *call, KvMembers *set, int64 count)
{
	RespSlice member, value;

	for (; count > 0 && kv_elements_random(set, &member, &value); count--)
	{
		char *name = pnstrdup(member.data, member.length);

		kv_reply_slice(call, member);
		(void) kv_members_remove(set, (RespSlice){name, member.length});
		pfree(name);
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
	while (found < count && kv_members_next(&walk, &member, &value))
	{
		if (pg_prng_uint64_range(&pg_global_prng_state, 1, left--) > (uint64) (count - found))
			continue;
		kv_reply_slice(call, member);
		taken[found++] = (RespSlice){pnstrdup(member.data, member.length), member.length};
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
	whole = count == (int64) set.count && count > KV_DELETE_FEW;
	if (!kv_room_for(call, KV_MEMBERS_COST + KV_CHANGE_COST(0, whole ? 0 : Min(count, INT_MAX / 2)),
	                 &outcome))
		return outcome;
	if (call->argc == 3)
		pgfirst_resp_write_set(call->reply, (size_t) count);
	else if (count == 0)
		pgfirst_resp_write_null(call->reply);
	pop_members(call, &set, count, whole);
	return KV_DONE;
}

static void
member_write(KvCall *call, RespSlice member, RespSlice value, bool values)
{
	kv_reply_slice(call, member);
}

static void
read_srandmember(KvCall *call)
{
	RespSlice member, value;
	KvMembers set;
	int64 count = 1;

	if (!count_argument(call, false, &count) || !set_open(call, 1, &set))
		return;
	kv_count_lookup(call, set.count > 0);
	if (call->argc == 3)
		kv_elements_write_random(call, &set, count, false, member_write);
	else if (set.count > 0 && kv_elements_random(&set, &member, &value))
		kv_reply_slice(call, member);
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

typedef enum SetOperation
{
	SET_INTER,
	SET_UNION,
	SET_DIFF
} SetOperation;

/* The sets that arguments name, and where the members of the result go. */
typedef struct SetJob
{
	SetOperation operation;
	int count;
	KvMembers *sets;
	RespBuffer *found; /* of a reply */
	KvMembers *stored;
	int64 limit; /* of the result */
	int64 members;
} SetJob;

/* Opens the sets; false after answering that one is none. */
static bool
job_open(KvCall *call, SetJob *job, int first)
{
	job->sets = MemoryContextAllocHuge(CurrentMemoryContext, (Size) job->count * sizeof(KvMembers));
	for (int i = 0; i < job->count; i++)
		if (!set_open(call, first + i, &job->sets[i]))
			return false;
	return true;
}

static bool
set_has(SetJob *job, int i, RespSlice member)
{
	RespSlice value;

	return job->sets[i].count > 0 && kv_elements_find(&job->sets[i], member, &value);
}

/* Whether a member of set number i belongs to the result on account of that set. */
static bool
job_takes(SetJob *job, int i, RespSlice member)
{
	for (int other = 0; other < job->count; other++)
	{
		if (other == i || (job->operation == SET_UNION && other > i))
			continue;
		if (set_has(job, other, member) != (job->operation == SET_INTER))
			return false;
	}
	return true;
}

static void
job_through(SetJob *job, int i)
{
	RespSlice member, value;
	KvMembersWalk walk;

	kv_members_walk(&job->sets[i], 0, &walk);
	while (job->members < job->limit && kv_members_next(&walk, &member, &value))
	{
		if (!job_takes(job, i, member))
			continue;
		job->members++;
		if (job->found)
			pgfirst_resp_write_bulk(job->found, member.data, member.length);
		if (job->stored)
			(void) kv_members_put(job->stored, member, nothing);
	}
	kv_members_walk_end(&walk);
}

static void
job_run(SetJob *job)
{
	int smallest = 0;

	if (job->operation == SET_UNION)
	{
		for (int i = 0; i < job->count; i++)
			job_through(job, i);
		return;
	}
	for (int i = 1; job->operation == SET_INTER && i < job->count; i++)
		if (job->sets[i].count < job->sets[smallest].count)
			smallest = i;
	job_through(job, smallest);
}

static void
reply_members(KvCall *call, SetOperation operation)
{
	SetJob job = {.operation = operation, .count = call->argc - 1, .limit = PG_INT64_MAX};
	RespBuffer found;

	if (!job_open(call, &job, 1))
		return;
	pgfirst_resp_buffer_init(&found, call->reply->allocator, call->reply->protocol);
	job.found = &found;
	job_run(&job);
	pgfirst_resp_write_set(call->reply, (size_t) job.members);
	pgfirst_resp_write_raw(call->reply, found.data, found.length);
	call->reply->failed |= found.failed;
	pgfirst_resp_buffer_free(&found);
	pfree(job.sets);
}

static void
read_sinter(KvCall *call)
{
	reply_members(call, SET_INTER);
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
	reply_members(call, SET_UNION);
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
	reply_members(call, SET_DIFF);
}

/* SDIFF key [key ...] */
KvOutcome
kv_cmd_sdiff(KvCall *call)
{
	return kv_reply_together(call, read_sdiff);
}

/* Reads numkeys and LIMIT; answers and returns false if one is wrong. */
static bool
sintercard_options(KvCall *call, SetJob *job)
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
	job->count = (int) keys;
	job->limit = 0;
	for (int i = 2 + job->count; i < call->argc; i += 2)
	{
		if (!kv_argument_is(call, i, "LIMIT") || i + 1 == call->argc)
		{
			kv_reply_syntax(call);
			return false;
		}
		number = kv_argument(call, i + 1);
		if (!pgfirst_int64_parse(number.data, number.length, &job->limit) || job->limit < 0)
		{
			kv_reply_error(call, "ERR LIMIT can't be negative");
			return false;
		}
	}
	if (job->limit == 0)
		job->limit = PG_INT64_MAX;
	return true;
}

static void
read_sintercard(KvCall *call)
{
	SetJob job = {.operation = SET_INTER};

	if (!sintercard_options(call, &job) || !job_open(call, &job, 2))
		return;
	job_run(&job);
	pgfirst_resp_write_integer(call->reply, job.members);
	pfree(job.sets);
}

/* SINTERCARD numkeys key [key ...] [LIMIT limit] */
KvOutcome
kv_cmd_sintercard(KvCall *call)
{
	return kv_reply_together(call, read_sintercard);
}

/* ---- storing what several sets give ---------------------------------------------------------- */

static KvOutcome
store_members(KvCall *call, SetOperation operation)
{
	SetJob job = {.operation = operation, .count = call->argc - 2, .limit = PG_INT64_MAX};
	RespSlice key = kv_argument(call, 1);
	KvOutcome outcome = KV_DONE;
	KvMembers stored;
	Size most = 0;

	if (!job_open(call, &job, 2))
		return KV_DONE;
	for (int i = 0; i < job.count; i++)
		most = operation == SET_UNION ? most + kv_members_copy_size(&job.sets[i])
		                              : Max(most, kv_members_copy_size(&job.sets[i]));
	if (!kv_room_for(call, most + KV_MEMBERS_COST, &outcome))
		return outcome;
	kv_members_new(call->space, key, KV_TYPE_SET, &stored);
	job.stored = &stored;
	job_run(&job);
	kv_members_close(&stored);
	pgfirst_resp_write_integer(call->reply, job.members);
	pfree(job.sets);
	return KV_DONE;
}

/* SINTERSTORE destination key [key ...] */
KvOutcome
kv_cmd_sinterstore(KvCall *call)
{
	return store_members(call, SET_INTER);
}

/* SUNIONSTORE destination key [key ...] */
KvOutcome
kv_cmd_sunionstore(KvCall *call)
{
	return store_members(call, SET_UNION);
}

/* SDIFFSTORE destination key [key ...] */
KvOutcome
kv_cmd_sdiffstore(KvCall *call)
{
	return store_members(call, SET_DIFF);
}
