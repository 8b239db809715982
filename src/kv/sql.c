/* SPDX-License-Identifier: PostgreSQL
 *
 * sql.c: the SQL door of kv: kv.get, kv.get_text, kv.set, kv.del and the view kv.keys.
 *
 * The same records as behind the Redis door, inside the caller's transaction: a kv.set is seen by
 * Redis clients when the transaction commits and by nobody if it rolls back.  Reads give the newest
 * committed value whatever the isolation level; who wants to change what it has read locks the key
 * first, as kv.set with nx, xx or keep_ttl does.
 *
 * Text goes in and out as UTF-8, because that is what Redis clients send.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/flush.h"
#include "kv/count.h"
#include "kv/database.h"
#include "kv/limit.h"
#include "kv/position.h"
#include "kv/type/key.h"

PGFIRST_FUNCTION(pgfirst_kv_get);
PGFIRST_FUNCTION(pgfirst_kv_get_text);
PGFIRST_FUNCTION(pgfirst_kv_set);
PGFIRST_FUNCTION(pgfirst_kv_del);
PGFIRST_FUNCTION(pgfirst_kv_keys);
PGFIRST_FUNCTION(pgfirst_kv_database_counts);
PGFIRST_FUNCTION(pgfirst_kv_create_store);
PGFIRST_FUNCTION(pgfirst_kv_catalog_changed);

#define UNIX_EPOCH_USECS ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/* ---- arguments and results --------------------------------------------------------------- */

/* Argument n as bytes: a bytea as it is, a text as UTF-8. */
static RespSlice
argument_bytes(FunctionCallInfo fcinfo, int n)
{
	bytea *value = PG_GETARG_BYTEA_PP(n);
	Oid type = get_fn_expr_argtype(fcinfo->flinfo, n);
	RespSlice bytes = {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};

	if (type == TEXTOID && GetDatabaseEncoding() != PG_UTF8)
	{
		char *utf8 = pg_server_to_any(bytes.data, (int) bytes.length, PG_UTF8);

		if (utf8 != bytes.data)
			bytes = (RespSlice){utf8, strlen(utf8)};
	}
	return bytes;
}

static RespSlice
argument_key(FunctionCallInfo fcinfo, int n)
{
	RespSlice key = argument_bytes(fcinfo, n);

	if (key.length > KV_KEY_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		                errmsg("a key cannot be longer than %zu bytes", KV_KEY_MAX)));
	return key;
}

/* The database that argument n names, ready to be read or written. */
static KvSpace *
argument_space(FunctionCallInfo fcinfo, int n, bool writable)
{
	kv_spaces_forget();
	kv_position_reset();
	if (kv_databases_ready(true) != KV_READY)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
		                errmsg("extension pgfirst_kv is not installed in this database"),
		                errhint("CREATE EXTENSION pgfirst CASCADE installs it.")));
	return kv_space_open(PG_GETARG_INT32(n), writable, true);
}

/* The moment that lies `ttl` from now, in milliseconds since 1970; 0 for a NULL. */
static int64
argument_expiry(FunctionCallInfo fcinfo, int n, int64 now_ms)
{
	TimestampTz moment;
	int64 expiry;

	if (PG_ARGISNULL(n))
		return 0;
	moment = DatumGetTimestampTz(DirectFunctionCall2(
	    timestamptz_pl_interval, TimestampTzGetDatum(now_ms * 1000 - UNIX_EPOCH_USECS),
	    PG_GETARG_DATUM(n)));
	expiry = (moment + UNIX_EPOCH_USECS) / 1000;
	if (expiry <= now_ms)
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		         errmsg("ttl must be at least one millisecond"), errhint("kv.del deletes a key.")));
	return expiry;
}

static Datum
result_text(RespSlice value)
{
	if (!pg_verify_mbstr(PG_UTF8, value.data, (int) value.length, true))
		ereport(ERROR,
		        (errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
		         errmsg("the value is not valid UTF-8"), errhint("kv.get returns it as bytea.")));
	if (GetDatabaseEncoding() != PG_UTF8)
	{
		char *text_value = pg_any_to_server(value.data, (int) value.length, PG_UTF8);

		if (text_value != value.data)
			return CStringGetTextDatum(text_value);
	}
	return PointerGetDatum(cstring_to_text_with_len(value.data, (int) value.length));
}

/* Nobody is shown what a crash could take back: waits until what was read is durable. */
static void
result_durable(void)
{
	/* What the transaction itself has changed is its own business until it commits. */
	pgfirst_flush_wait(kv_position_others());
}

/* ---- functions --------------------------------------------------------------------------- */

static bool
read_value(FunctionCallInfo fcinfo, KvEntry *entry)
{
	RespSlice key = argument_key(fcinfo, 0);
	KvSpace *space = argument_space(fcinfo, 1, false);

	bool found = kv_key_read(space, key, pgfirst_clock_wall_ms(), true, entry);

	result_durable();
	if (!found)
		return false;
	if (entry->type != KV_TYPE_STRING)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
		                errmsg("the key holds a %s, not a string", kv_type_name(entry->type))));
	return true;
}

/* kv.get(key, db) -> bytea; NULL if there is no such key. */
Datum
pgfirst_kv_get(PG_FUNCTION_ARGS)
{
	KvEntry entry;

	if (!read_value(fcinfo, &entry))
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(
	    (bytea *) cstring_to_text_with_len(entry.value.data, (int) entry.value.length));
}

/* kv.get_text(key, db) -> text; NULL if there is no such key, an error if it is not UTF-8. */
Datum
pgfirst_kv_get_text(PG_FUNCTION_ARGS)
{
	KvEntry entry;

	if (!read_value(fcinfo, &entry))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result_text(entry.value));
}

/*
 * kv.set(key, value, ttl, db, nx, xx, keep_ttl) -> boolean: whether it was set, which nx (only if
 * absent) and xx (only if present) decide.  Not strict: ttl may be NULL.
 */
Datum
pgfirst_kv_set(PG_FUNCTION_ARGS)
{
	int64 now_ms = pgfirst_clock_wall_ms();
	RespSlice key, value;
	KvSpace *space;
	int64 expiry;
	bool nx, xx, keep_ttl;

	for (int i = 0; i < 7; i++)
		if (PG_ARGISNULL(i) && i != 2)
			ereport(ERROR,
			        (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			         errmsg("only ttl may be null in kv.set"), errhint("kv.del deletes a key.")));
	key = argument_key(fcinfo, 0);
	value = argument_bytes(fcinfo, 1);
	expiry = argument_expiry(fcinfo, 2, now_ms);
	nx = PG_GETARG_BOOL(4);
	xx = PG_GETARG_BOOL(5);
	keep_ttl = PG_GETARG_BOOL(6);
	if ((nx && xx) || (keep_ttl && expiry != 0))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                nx && xx ? errmsg("nx and xx exclude each other")
		                         : errmsg("ttl and keep_ttl exclude each other")));
	if (value.length > KV_VALUE_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		                errmsg("a value cannot be longer than %zu bytes", KV_VALUE_MAX)));

	space = argument_space(fcinfo, 3, true);
	kv_limit_require(space->number);
	kv_key_lock(space, key, nx || xx || keep_ttl, true);
	if (nx || xx || keep_ttl)
	{
		KvEntry entry;
		bool found = kv_key_read(space, key, now_ms, false, &entry);

		result_durable();
		if ((nx && found) || (xx && !found))
			PG_RETURN_BOOL(false);
		if (keep_ttl && found)
			expiry = entry.expiry;
	}
	kv_key_put(space, key, value, expiry);
	PG_RETURN_BOOL(true);
}

/* kv.del(key, db) -> boolean: whether there was such a key. */
Datum
pgfirst_kv_del(PG_FUNCTION_ARGS)
{
	RespSlice key = argument_key(fcinfo, 0);
	KvSpace *space = argument_space(fcinfo, 1, true);
	KvEntry entry;

	kv_key_lock(space, key, true, true);
	if (!kv_key_read(space, key, pgfirst_clock_wall_ms(), false, &entry))
	{
		result_durable();
		PG_RETURN_BOOL(false);
	}
	result_durable();
	kv_key_delete(space, key);
	PG_RETURN_BOOL(true);
}

#define KEYS_COLUMNS 6
#define KEYS_HEAD    KV_HEAD_LIMIT(256) /* longer keys are read again; values never are */

/* Whether the record, of which the head was read, is a living key; brings a long key in. */
static bool
keys_entry(KvSpace *space, PgfirstRecord *record, int64 now_ms, KvEntry *entry)
{
	PgfirstId id = record->id;
	Size length;

	if (!kv_record_entry(space, record, now_ms, entry))
		return false;
	length = KV_HEAD_LIMIT(entry->key.length);
	return length <= KEYS_HEAD || (pgfirst_store_get(space->store, &id, length, record) &&
	                               kv_record_entry(space, record, now_ms, entry));
}

static void
keys_row(ReturnSetInfo *result, int number, const KvEntry *entry)
{
	Datum values[KEYS_COLUMNS] = {0};
	bool nulls[KEYS_COLUMNS] = {false};

	values[0] = Int32GetDatum(number);
	nulls[1] = !pg_verify_mbstr(PG_UTF8, entry->key.data, (int) entry->key.length, true);
	if (!nulls[1])
		values[1] = result_text(entry->key);
	values[2] = PointerGetDatum(cstring_to_text_with_len(entry->key.data, (int) entry->key.length));
	values[3] = CStringGetTextDatum(kv_type_name(entry->type));
	nulls[4] = entry->expiry == 0;
	values[4] = TimestampTzGetDatum(
	    entry->expiry >= PG_INT64_MAX / 1000 ? DT_NOEND : entry->expiry * 1000 - UNIX_EPOCH_USECS);
	values[5] = Int64GetDatum((int64) entry->value_length);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * The function behind the view kv.keys: (db, key, key_bytes, type, expires_at, bytes) of every live
 * key of the caller's tenant, in the order of the keys' hashes.
 */
Datum
pgfirst_kv_keys(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext row_context =
	    AllocSetContextCreate(CurrentMemoryContext, "kv.keys row", ALLOCSET_DEFAULT_SIZES);
	int64 now_ms = pgfirst_clock_wall_ms();

	InitMaterializedSRF(fcinfo, 0);
	kv_spaces_forget();
	kv_position_reset();
	if (kv_databases_ready(true) != KV_READY)
		return (Datum) 0;
	for (int number = 0; number < KV_DATABASES; number++)
	{
		KvSpace *space;
		PgfirstWalk *walk;
		PgfirstRecord record;
		KvEntry entry;

		/* A standby has no volatile databases. */
		if (!kv_database_exists(number) ||
		    (RecoveryInProgress() && kv_database_durability(number) == PGFIRST_VOLATILE))
			continue;
		space = kv_space_open(number, false, true);
		walk = pgfirst_store_walk(space->store, NULL, KEYS_HEAD);
		for (;;)
		{
			MemoryContext caller = MemoryContextSwitchTo(row_context);
			bool more = pgfirst_walk_next(walk, &record);

			CHECK_FOR_INTERRUPTS();
			if (more && keys_entry(space, &record, now_ms, &entry))
				keys_row(result, number, &entry);
			MemoryContextSwitchTo(caller);
			MemoryContextReset(row_context);
			if (!more)
				break;
		}
		pgfirst_walk_end(walk);
	}
	result_durable();
	return (Datum) 0;
}

/* Behind the view kv.databases: (keys, expiring_keys, bytes, evicted_keys) of one database. */
Datum
pgfirst_kv_database_counts(PG_FUNCTION_ARGS)
{
	int number = PG_GETARG_INT32(0);
	Datum values[4] = {0};
	bool nulls[4] = {false};
	TupleDesc shape;
	KvCount count;

	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "the result of database_counts is no row");
	if (kv_databases_ready(true) != KV_READY || !kv_database_exists(number))
		PG_RETURN_NULL();
	nulls[0] = nulls[1] = nulls[2] = RecoveryInProgress() || !kv_count_get(number, &count);
	if (!nulls[0])
	{
		values[0] = Int64GetDatum(count.keys);
		values[1] = Int64GetDatum(count.expires);
		values[2] = Int64GetDatum(count.bytes);
	}
	values[3] = Int64GetDatum(kv_count_evictions(number));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls)));
}

/* Behind kv.create_database: makes the store, as the current user, and returns its oid. */
Datum
pgfirst_kv_create_store(PG_FUNCTION_ARGS)
{
	char *schema = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(1));

	PG_RETURN_OID(pgfirst_store_create(schema, name, PG_GETARG_BOOL(2)));
}

/* Trigger of the tables that database.c caches: at commit, every process reads them again. */
Datum
pgfirst_kv_catalog_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
		                errmsg("catalog_changed is a trigger function")));
	CacheInvalidateRelcache(trigger->tg_relation);
	/* A trigger returns no tuple by a null pointer, not by an SQL null. */
	return PointerGetDatum(NULL);
}
