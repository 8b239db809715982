/* SPDX-License-Identifier: PostgreSQL
 *
 * sql_set.c: the commands on sets as functions of SQL: kv.sadd, kv.smembers and the like; see sql_elements.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "kv/cmd/set.h"
#include "kv/sql_elements.h"

PGFIRST_FUNCTION(pgfirst_kv_sadd);
PGFIRST_FUNCTION(pgfirst_kv_sadd_many);
PGFIRST_FUNCTION(pgfirst_kv_scard);
PGFIRST_FUNCTION(pgfirst_kv_sdiff);
PGFIRST_FUNCTION(pgfirst_kv_set_of);
PGFIRST_FUNCTION(pgfirst_kv_sinter);
PGFIRST_FUNCTION(pgfirst_kv_sismember);
PGFIRST_FUNCTION(pgfirst_kv_smembers);
PGFIRST_FUNCTION(pgfirst_kv_smismember);
PGFIRST_FUNCTION(pgfirst_kv_smove);
PGFIRST_FUNCTION(pgfirst_kv_spop);
PGFIRST_FUNCTION(pgfirst_kv_srandmember);
PGFIRST_FUNCTION(pgfirst_kv_srem);
PGFIRST_FUNCTION(pgfirst_kv_srem_many);
PGFIRST_FUNCTION(pgfirst_kv_sunion);

/* Opens the set that argument 0 is for a change. */
static KvMembers *
set_open(FunctionCallInfo fcinfo, int db, PgfirstKvAccess access, KvElements *elements)
{
	kv_sql_open_locked(fcinfo, db, access, KV_TYPE_SET, elements);
	return &elements->of.members;
}

/* ---- changing ---------------------------------------------------------------------------- */

/* (key, member or members, db): how many are new. */
static int64
add_members(FunctionCallInfo fcinfo)
{
	KvSlices members = kv_sql_slices(fcinfo, 1, false);
	KvElements elements;
	KvMembers *set = set_open(fcinfo, 2, PGFIRST_KV_GROW, &elements);
	int64 added = 0;

	for (int i = 0; i < members.count; i++)
		added += kv_elements_add(set, members.at[i]);
	kv_members_close(set);
	return added;
}

/* kv.sadd(key, member, db) -> boolean */
Datum
pgfirst_kv_sadd(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(add_members(fcinfo) > 0);
}

/* kv.sadd(key, members, db) -> bigint */
Datum
pgfirst_kv_sadd_many(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(add_members(fcinfo));
}

/* (key, member or members, db): how many were there. */
static int64
remove_members(FunctionCallInfo fcinfo)
{
	KvSlices members = kv_sql_slices(fcinfo, 1, false);
	KvElements elements;
	KvMembers *set = set_open(fcinfo, 2, PGFIRST_KV_WRITE, &elements);
	int64 removed = 0;

	for (int i = 0; i < members.count; i++)
		removed += kv_members_remove(set, members.at[i]);
	kv_members_close(set);
	return removed;
}

/* kv.srem(key, member, db) -> boolean */
Datum
pgfirst_kv_srem(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(remove_members(fcinfo) > 0);
}

/* kv.srem(key, members, db) -> bigint */
Datum
pgfirst_kv_srem_many(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(remove_members(fcinfo));
}

/* kv.smove(source, destination, member, db) -> boolean: whether it was there. */
Datum
pgfirst_kv_smove(PG_FUNCTION_ARGS)
{
	RespSlice keys[] = {kv_sql_key(fcinfo, 0), kv_sql_key(fcinfo, 1)};
	RespSlice member = kv_sql_value(fcinfo, 2);
	PgfirstKv *kv = kv_sql_change_two(PG_GETARG_INT32(3), PGFIRST_KV_WRITE, keys[0], keys[1]);
	KvElements from, to;
	RespSlice value;

	kv_sql_open(kv, keys[0], KV_TYPE_SET, &from);
	pgfirst_kv_shown();
	if (from.of.members.count == 0)
		PG_RETURN_BOOL(false);
	kv_sql_open(kv, keys[1], KV_TYPE_SET, &to);
	if (!kv_elements_find(&from.of.members, member, &value))
		PG_RETURN_BOOL(false);
	if (kv_sql_same(keys[0], keys[1]))
		PG_RETURN_BOOL(true);
	(void) kv_members_remove(&from.of.members, member);
	(void) kv_elements_add(&to.of.members, member);
	kv_members_close(&from.of.members);
	kv_members_close(&to.of.members);
	PG_RETURN_BOOL(true);
}

/* kv.spop(key, db) -> bytea: one by chance; NULL if there is no set. */
Datum
pgfirst_kv_spop(PG_FUNCTION_ARGS)
{
	KvElements elements;
	KvMembers *set = set_open(fcinfo, 1, PGFIRST_KV_WRITE, &elements);
	KvMembersPlace place;
	RespSlice member;

	if (set->count == 0 || !kv_elements_random(set, &place))
		PG_RETURN_NULL();
	member = kv_slice_copy(place.packed.member);
	kv_members_remove_at(set, &place);
	kv_members_close(set);
	PG_RETURN_DATUM(pgfirst_kv_bytea(member));
}

/* ---- reading one set --------------------------------------------------------------------- */

typedef struct ReadMembers
{
	KvSqlRead call;
	KvSlices members;
	KvSqlArray are;
} ReadMembers;

static void
read_members(KvSqlRead *call)
{
	ReadMembers *read = (ReadMembers *) call;
	KvMembers *set = &call->elements.of.members;

	for (int i = 0; i < read->members.count; i++)
	{
		RespSlice value;

		read->are.nulls[i] = !read->members.at[i].data;
		read->are.values[i] = BoolGetDatum(!read->are.nulls[i] && set->count > 0 &&
		                                   kv_elements_find(set, read->members.at[i], &value));
	}
}

/* Whether the member, or members, that argument 1 has are some. */
static KvSqlArray
are_members(FunctionCallInfo fcinfo)
{
	ReadMembers read = {.call = {.fcinfo = fcinfo, .type = KV_TYPE_SET, .read = read_members}};

	read.members = kv_sql_slices(fcinfo, 1, true);
	read.are = kv_sql_array(read.members.count);
	kv_sql_read(&read.call, 2);
	return read.are;
}

/* kv.sismember(key, member, db) -> boolean */
Datum
pgfirst_kv_sismember(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(are_members(fcinfo).values[0]);
}

/* kv.smismember(key, members, db) -> boolean[] */
Datum
pgfirst_kv_smismember(PG_FUNCTION_ARGS)
{
	KvSqlArray are = are_members(fcinfo);

	PG_RETURN_DATUM(kv_sql_array_datum(&are, BOOLOID));
}

static void
read_nothing(KvSqlRead *call)
{
}

/* kv.scard(key, db) -> bigint */
Datum
pgfirst_kv_scard(PG_FUNCTION_ARGS)
{
	KvSqlRead call = {.fcinfo = fcinfo, .type = KV_TYPE_SET, .read = read_nothing};

	kv_sql_read(&call, 1);
	PG_RETURN_INT64((int64) call.elements.of.members.count);
}

static void
read_all(KvSqlRead *call)
{
	RespSlice member, value;
	KvMembersWalk walk;

	kv_members_walk(&call->elements.of.members, 0, &walk);
	while (kv_members_next(&walk, &member, &value))
	{
		if (call->lenient)
			kv_sql_put_both(&call->rows, member);
		else
			kv_sql_put_bytes(&call->rows, member);
		kv_sql_row_end(&call->rows);
	}
	kv_members_walk_end(&walk);
}

/* kv.smembers(key, db): setof bytea */
Datum
pgfirst_kv_smembers(PG_FUNCTION_ARGS)
{
	return kv_sql_read_rows(fcinfo, 1, KV_TYPE_SET, read_all);
}

/* Behind the view kv.set_members: (member, member_bytes) of one key. */
Datum
pgfirst_kv_set_of(PG_FUNCTION_ARGS)
{
	return kv_sql_read_view(fcinfo, KV_TYPE_SET, read_all);
}

static void
read_random(KvSqlRead *call)
{
	FunctionCallInfo fcinfo = call->fcinfo;

	kv_elements_choose(&call->elements.of.members, PG_GETARG_INT64(2), kv_sql_row, &call->rows);
}

/* kv.srandmember(key, db, count): setof bytea; -count that may repeat, if it is negative. */
Datum
pgfirst_kv_srandmember(PG_FUNCTION_ARGS)
{
	if (PG_GETARG_INT64(2) < -PG_INT64_MAX / 2)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("count is out of range")));
	return kv_sql_read_rows(fcinfo, 1, KV_TYPE_SET, read_random);
}

/* ---- reading several --------------------------------------------------------------------- */

typedef struct ReadSets
{
	PgfirstKv *kv;
	KvSetOperation operation;
	KvSlices keys;
	KvSqlRows rows;
} ReadSets;

static void
read_sets(void *context)
{
	ReadSets *read = context;
	KvInputs sets;

	tuplestore_clear(read->rows.store);
	kv_inputs_begin(&sets, read->keys.count);
	for (int i = 0; i < read->keys.count; i++)
	{
		KvElements elements;

		kv_sql_open(read->kv, read->keys.at[i], KV_TYPE_SET, &elements);
		kv_inputs_add(&sets, &elements.of.members);
	}
	kv_sets_combine(read->operation, &sets, kv_sql_row, &read->rows);
	kv_inputs_end(&sets);
}

/* (keys, db) */
static Datum
combine(FunctionCallInfo fcinfo, KvSetOperation operation)
{
	ReadSets read = {.operation = operation, .keys = kv_sql_slices(fcinfo, 0, false)};

	kv_sql_rows_begin(fcinfo, &read.rows);
	read.kv = pgfirst_kv_open(PG_GETARG_INT32(1), PGFIRST_KV_READ);
	if (read.keys.count > 0)
		pgfirst_kv_read_together(read.kv, KV_SQL_TRIES, read_sets, &read);
	return (Datum) 0;
}

/* kv.sinter(keys, db): setof bytea */
Datum
pgfirst_kv_sinter(PG_FUNCTION_ARGS)
{
	return combine(fcinfo, KV_SET_INTER);
}

/* kv.sunion(keys, db): setof bytea */
Datum
pgfirst_kv_sunion(PG_FUNCTION_ARGS)
{
	return combine(fcinfo, KV_SET_UNION);
}

/* kv.sdiff(keys, db): setof bytea */
Datum
pgfirst_kv_sdiff(PG_FUNCTION_ARGS)
{
	return combine(fcinfo, KV_SET_DIFF);
}
