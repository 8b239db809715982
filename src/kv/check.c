/* SPDX-License-Identifier: PostgreSQL
 *
 * check.c: kv.check, which finds damage, and kv.store_space, behind the view kv.space.
 *
 * The store knows what must be so on its pages; here stands what records mean: that a key stands under
 * the hash of itself, and that heads are heads.  The store is opened without reading anything of
 * it, its epoch included, because what is read in the usual way raises data_corrupted.
 *
 * On a standby writers cannot be locked out, because the writer is recovery.  So a finding counts only
 * if nothing has been replayed meanwhile.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

#include "base/compat.h"
#include "kv/database.h"
#include "kv/id.h"
#include "kv/type/key.h"
#include "kv/type/list_node.h"
#include "kv/type/packed.h"
#include "kv/type/stream.h"

PGFIRST_FUNCTION(pgfirst_kv_check);
PGFIRST_FUNCTION(pgfirst_kv_store_space);

#define CHECK_COLUMNS 3
#define SPACE_COLUMNS 11

typedef struct Check
{
	int number;
	ReturnSetInfo *result;
	uint64 problems;
} Check;

/* ---- databases --------------------------------------------------------------------------- */

/* A standby has no volatile databases. */
static bool
database_is_here(int number)
{
	return kv_database_exists(number) &&
	       !(RecoveryInProgress() && kv_database_durability(number) == PGFIRST_VOLATILE);
}

static PgfirstStore *
database_store(int number)
{
	return pgfirst_store_open(kv_database_relation(number), kv_database_durability(number), false,
	                          true);
}

static void
databases_find(void)
{
	if (kv_databases_ready(true) != KV_READY)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
		                errmsg("extension pgfirst_kv is not installed in this database"),
		                errhint("CREATE EXTENSION pgfirst CASCADE installs it.")));
}

/* ---- records ----------------------------------------------------------------------------- */

static const char *
epoch_fault(const Check *check, const PgfirstRecord *record, Size available, Size *wanted)
{
	KvSpace space = {.number = check->number};
	KvEpochRecord epoch;
	PgfirstId id;

	if (record->length <= sizeof(epoch) && available < record->length)
	{
		*wanted = record->length;
		return NULL;
	}
	if (!kv_epoch_record(record, &epoch))
		return "is an epoch of another length";
	space.tenant = epoch.tenant;
	kv_space_epoch_id(&space, &id);
	if (memcmp(&id, &record->id, sizeof(id)) != 0)
		return "is an epoch in another's place";
	return NULL;
}

static const char *
key_fault(const Check *check, const PgfirstRecord *record, Size available, Size *wanted)
{
	KvHead head;
	KvSpace space = {.number = check->number};
	PgfirstId id;

	if (record->length < sizeof(head) || available < sizeof(head))
		return "is shorter than the head of a key";
	memcpy(&head, record->data, sizeof(head));
	if (head.format != KV_HEAD_FORMAT)
		return "has a head of an unknown format";
	if (head.type == KV_TYPE_NONE || strcmp(kv_type_name((KvType) head.type), "none") == 0)
		return "is of an unknown type";
	if (record->length - sizeof(head) < head.key_length)
		return "is shorter than its key";
	if (available < KV_HEAD_LIMIT(head.key_length))
	{
		*wanted = KV_HEAD_LIMIT(head.key_length);
		return NULL;
	}
	space.tenant = head.tenant;
	space.epoch = head.epoch;
	kv_space_id(&space, record->data + sizeof(head), head.key_length, &id);
	if (memcmp(&id, &record->id, sizeof(id)) != 0)
		return "is not where the hash of its key is";
	return NULL;
}

/* Members stand under the hash of themselves. */
static const char *
members_fault(const PgfirstRecord *record, Size available, Size *wanted)
{
	KvPacked packed;

	if (available < record->length)
	{
		*wanted = record->length;
		return NULL;
	}
	if (record->length == 0)
		return "has no members";
	for (Size at = 0; at < record->length; at = packed.end)
	{
		PgfirstId id;

		if (!kv_packed_look(record->data, record->length, at, &packed))
			return "has members that are damaged";
		kv_id_of_member(kv_id_incarnation(&record->id), packed.member.data, packed.member.length,
		                &id);
		if (memcmp(&id, &record->id, sizeof(id)) != 0)
			return "has a member that is not where its hash is";
	}
	return NULL;
}

/* An entry of a stream is its id, and fields with values. */
static const char *
entry_fault(const PgfirstRecord *record, Size available, Size *wanted)
{
	RespSlice pairs;
	KvPacked packed;

	if (kv_id_number(&record->id) == 0 || kv_id_number(&record->id) >= KV_ID_MEMBER)
		return "is an entry in another's place";
	if (record->length <= sizeof(KvStreamId))
		return "is an entry without fields";
	if (available < record->length)
	{
		*wanted = record->length;
		return NULL;
	}
	pairs = kv_stream_entry_pairs((RespSlice){record->data, record->length});
	for (Size at = 0; at < pairs.length; at = packed.end)
		if (!kv_packed_look(pairs.data, pairs.length, at, &packed))
			return "is an entry with fields that are damaged";
	return NULL;
}

static const char *
check_record(const PgfirstRecord *record, Size available, Size *wanted, void *context)
{
	const Check *check = context;

	switch (record->kind)
	{
		case KV_KIND_EPOCH:
			return epoch_fault(check, record, available, wanted);
		case KV_KIND_DIRECTORY:
			return key_fault(check, record, available, wanted);
		case KV_KIND_ANCHOR:
			return record->length != sizeof(PgfirstId) ? "is an anchor of another length"
			       : kv_id_number(&record->id) != 0    ? "is an anchor in another's place"
			                                           : NULL;
		case KV_KIND_MEMBERS:
			return members_fault(record, available, wanted);
		case KV_KIND_NODE:
			return kv_id_number(&record->id) == 0 || kv_id_number(&record->id) >= KV_ID_MEMBER
			           ? "is a node in another's place"
			           : NULL;
		case KV_KIND_ENTRY:
			return entry_fault(record, available, wanted);
		case KV_KIND_ELEMENTS:
			if (available < record->length)
			{
				*wanted = record->length;
				return NULL;
			}
			return kv_list_node_fault(record);
		default:
			return "is of an unknown kind";
	}
}

/* ---- kv.check ---------------------------------------------------------------------------- */

static void
check_problem(uint32 block, const char *text_value, void *context)
{
	Check *check = context;
	Datum values[CHECK_COLUMNS];
	bool nulls[CHECK_COLUMNS] = {false};

	values[0] = Int32GetDatum(check->number);
	values[1] = Int64GetDatum((int64) block);
	nulls[1] = block == PGFIRST_NO_BLOCK;
	values[2] = CStringGetTextDatum(text_value);
	tuplestore_putvalues(check->result->setResult, check->result->setDesc, values, nulls);
	check->problems++;
}

static void
check_database(int number, bool wait, ReturnSetInfo *result)
{
	Check check = {.number = number, .result = result};
	PgfirstCheck what = {.problem = check_problem, .record = check_record, .context = &check};
	XLogRecPtr replayed = RecoveryInProgress() ? GetXLogReplayRecPtr(NULL) : InvalidXLogRecPtr;

	if (!pgfirst_store_check(database_store(number), wait, &what))
		ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE),
		                errmsg("database %d is being written to", number),
		                errhint("kv.check(%d) waits for the writers to end.", number)));
	if (check.problems > 0 && RecoveryInProgress() && GetXLogReplayRecPtr(NULL) != replayed)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
		                errmsg("database %d was changed by recovery while it was checked", number),
		                errhint("Pause the recovery with pg_wal_replay_pause() and check again.")));
}

/* kv.check(db, wait) -> (db, block, problem): what is wrong, and no row if nothing is. */
Datum
pgfirst_kv_check(PG_FUNCTION_ARGS)
{
	bool wait = PG_ARGISNULL(1) || PG_GETARG_BOOL(1);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	databases_find();
	if (!PG_ARGISNULL(0))
	{
		int number = PG_GETARG_INT32(0);

		if (!kv_database_exists(number))
			ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
			                errmsg("database %d does not exist", number)));
		if (!database_is_here(number))
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			                errmsg("database %d is volatile: a standby does not have it", number)));
	}
	InitMaterializedSRF(fcinfo, 0);
	for (int number = 0; number < KV_DATABASES; number++)
		if (PG_ARGISNULL(0) ? database_is_here(number) : number == PG_GETARG_INT32(0))
			check_database(number, wait, result);
	return (Datum) 0;
}

/* ---- kv.space ---------------------------------------------------------------------------- */

/* Behind the view kv.space: a row for each database. */
Datum
pgfirst_kv_store_space(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	databases_find();
	InitMaterializedSRF(fcinfo, 0);
	for (int number = 0; number < KV_DATABASES; number++)
	{
		Datum values[SPACE_COLUMNS];
		bool nulls[SPACE_COLUMNS] = {false};
		PgfirstSpace space;

		if (!database_is_here(number))
			continue;
		pgfirst_store_space(database_store(number), &space);
		values[0] = Int32GetDatum(number);
		values[1] = Int64GetDatum((int64) space.blocks);
		values[2] = Int64GetDatum((int64) space.bytes);
		values[3] = Int64GetDatum((int64) space.live);
		values[4] = Int64GetDatum((int64) space.free);
		values[5] = Int64GetDatum((int64) space.garbage);
		values[6] = Int64GetDatum((int64) space.overhead);
		values[7] = Int64GetDatum((int64) space.records);
		values[8] = Int64GetDatum((int64) space.large_records);
		values[9] = Int64GetDatum((int64) space.free_pages);
		values[10] = Int32GetDatum(space.depth);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
