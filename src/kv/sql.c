/* SPDX-License-Identifier: PostgreSQL
 *
 * sql.c: the SQL door of kv: kv.get, kv.get_text, kv.set, kv.del and the view kv.keys.  sql_string.c, sql_key.c and
 * their like have the functions that are named as commands.
 *
 * The same records as behind the Redis door, inside the caller's transaction: a kv.set is seen by
 * Redis clients when the transaction commits and by nobody if it rolls back.  Reads give the newest
 * committed value whatever the isolation level; who wants to change what it has read locks the key
 * first, as kv.set with nx, xx or keep_ttl does.
 *
 * The tenant is the current user's, and so are the rights; opening a database asks for both (access.h).
 *
 * Text goes in and out as UTF-8, because that is what Redis clients send.  The way to the records is face.c's.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "common/shortest_dec.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/tuplestore.h"

#include "base/clock.h"
#include "base/compat.h"
#include "kv/access.h"
#include "kv/count.h"
#include "kv/database.h"
#include "kv/kv.h"
#include "kv/limit.h"
#include "kv/sql.h"
#include "lib/number/number.h"

PGFIRST_FUNCTION(pgfirst_kv_get);
PGFIRST_FUNCTION(pgfirst_kv_get_text);
PGFIRST_FUNCTION(pgfirst_kv_set);
PGFIRST_FUNCTION(pgfirst_kv_del);
PGFIRST_FUNCTION(pgfirst_kv_keys);
PGFIRST_FUNCTION(pgfirst_kv_database_counts);
PGFIRST_FUNCTION(pgfirst_kv_create_store);
PGFIRST_FUNCTION(pgfirst_kv_catalog_changed);

/* ---- arguments and results --------------------------------------------------------------- */

static bool
argument_is_text(FunctionCallInfo fcinfo, int n)
{
	return get_fn_expr_argtype(fcinfo->flinfo, n) == TEXTOID;
}

RespSlice
kv_sql_key(FunctionCallInfo fcinfo, int n)
{
	return pgfirst_kv_key(PG_GETARG_DATUM(n), argument_is_text(fcinfo, n));
}

RespSlice
kv_sql_value(FunctionCallInfo fcinfo, int n)
{
	return pgfirst_kv_value(PG_GETARG_DATUM(n), argument_is_text(fcinfo, n));
}

static void
refuse_null_element(void)
{
	ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
	                errmsg("the elements of an array must not be null")));
}

KvSlices
kv_sql_slices(FunctionCallInfo fcinfo, int n, bool keep_nulls)
{
	Oid type = get_fn_expr_argtype(fcinfo->flinfo, n);
	bool is_text = type == TEXTARRAYOID;
	KvSlices slices = {.count = 1};
	Datum *elements;
	bool *nulls;

	if (!is_text && type != BYTEAARRAYOID)
	{
		slices.at = palloc(sizeof(RespSlice));
		*slices.at = kv_sql_value(fcinfo, n);
		return slices;
	}
	deconstruct_array(DatumGetArrayTypeP(PG_GETARG_DATUM(n)), is_text ? TEXTOID : BYTEAOID, -1,
	                  false, TYPALIGN_INT, &elements, &nulls, &slices.count);
	slices.at = MemoryContextAllocHuge(CurrentMemoryContext,
	                                   (Size) Max(slices.count, 1) * sizeof(RespSlice));
	for (int i = 0; i < slices.count; i++)
	{
		if (nulls[i] && !keep_nulls)
			refuse_null_element();
		slices.at[i] = nulls[i] ? (RespSlice){NULL, 0} : pgfirst_kv_value(elements[i], is_text);
	}
	return slices;
}

long double
kv_sql_float(FunctionCallInfo fcinfo, int n)
{
	double given = PG_GETARG_FLOAT8(n);
	char digits[DOUBLE_SHORTEST_DECIMAL_LEN];
	long double value = 0;

	if (isnan(given) || isinf(given))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
		                errmsg("the increment would produce NaN or infinity")));
	if (!pgfirst_float_parse(digits, (size_t) double_to_shortest_decimal_buf(given, digits),
	                         &value))
		elog(ERROR, "a number cannot be read that was written");
	return value;
}

PgfirstKv *
kv_sql_change(int number, PgfirstKvAccess access, RespSlice key)
{
	PgfirstKv *kv = pgfirst_kv_open(number, access);

	pgfirst_kv_lock(kv, &key, 1, true);
	return kv;
}

PgfirstKv *
kv_sql_change_two(int number, PgfirstKvAccess access, RespSlice one, RespSlice other)
{
	PgfirstKv *kv = pgfirst_kv_open(number, access);
	RespSlice keys[] = {one, other};

	pgfirst_kv_lock(kv, keys, kv_sql_same(one, other) ? 1 : 2, true);
	return kv;
}

void
kv_sql_refuse_nulls(FunctionCallInfo fcinfo, int count, int but, const char *words,
                    const char *hint)
{
	for (int i = 0; i < count; i++)
		if (PG_ARGISNULL(i) && i != but)
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s", words),
			                hint ? errhint("%s", hint) : 0));
}

/* The moment that lies `ttl` from now; 0 for a NULL. */
static int64
argument_expiry(FunctionCallInfo fcinfo, int n, int64 now_ms)
{
	return PG_ARGISNULL(n) ? 0
	                       : pgfirst_kv_expiry(PG_GETARG_DATUM(n), now_ms, "kv.del deletes a key.");
}

/* ---- functions --------------------------------------------------------------------------- */

static bool
read_value(FunctionCallInfo fcinfo, PgfirstKvEntry *entry)
{
	RespSlice key = kv_sql_key(fcinfo, 0);

	return pgfirst_kv_read(pgfirst_kv_open(PG_GETARG_INT32(1), PGFIRST_KV_READ), key,
	                       pgfirst_clock_wall_ms(), entry);
}

/* kv.get(key, db) -> bytea; NULL if there is no such key. */
Datum
pgfirst_kv_get(PG_FUNCTION_ARGS)
{
	PgfirstKvEntry entry;

	if (!read_value(fcinfo, &entry))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(pgfirst_kv_bytea(entry.value));
}

/* kv.get_text(key, db) -> text; NULL if there is no such key, an error if it is not UTF-8. */
Datum
pgfirst_kv_get_text(PG_FUNCTION_ARGS)
{
	PgfirstKvEntry entry;

	if (!read_value(fcinfo, &entry))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(pgfirst_kv_text(entry.value, "kv.get returns it as bytea."));
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
	PgfirstKv *kv;
	int64 expiry;
	bool nx, xx, keep_ttl;

	kv_sql_refuse_nulls(fcinfo, 7, 2, "only ttl may be null in kv.set", "kv.del deletes a key.");
	key = kv_sql_key(fcinfo, 0);
	value = kv_sql_value(fcinfo, 1);
	expiry = argument_expiry(fcinfo, 2, now_ms);
	nx = PG_GETARG_BOOL(4);
	xx = PG_GETARG_BOOL(5);
	keep_ttl = PG_GETARG_BOOL(6);
	if ((nx && xx) || (keep_ttl && expiry != 0))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                nx && xx ? errmsg("nx and xx exclude each other")
		                         : errmsg("ttl and keep_ttl exclude each other")));
	kv = pgfirst_kv_open(PG_GETARG_INT32(3), PGFIRST_KV_GROW);
	pgfirst_kv_lock(kv, &key, 1, nx || xx || keep_ttl);
	if (nx || xx || keep_ttl)
	{
		PgfirstKvEntry entry;
		bool found = pgfirst_kv_find(kv, key, now_ms, &entry);

		if ((nx && found) || (xx && !found))
			PG_RETURN_BOOL(false);
		if (keep_ttl && found)
			expiry = entry.expiry;
	}
	pgfirst_kv_put(kv, key, value, expiry);
	PG_RETURN_BOOL(true);
}

/* kv.del(key, db) -> boolean: whether there was such a key. */
Datum
pgfirst_kv_del(PG_FUNCTION_ARGS)
{
	RespSlice key = kv_sql_key(fcinfo, 0);
	PgfirstKv *kv = pgfirst_kv_open(PG_GETARG_INT32(1), PGFIRST_KV_WRITE);
	PgfirstKvEntry entry;

	pgfirst_kv_lock(kv, &key, 1, true);
	if (!pgfirst_kv_find(kv, key, pgfirst_clock_wall_ms(), &entry))
		PG_RETURN_BOOL(false);
	pgfirst_kv_delete(kv, key);
	PG_RETURN_BOOL(true);
}

#define KEYS_COLUMNS 6

typedef struct KeysResult
{
	ReturnSetInfo *rows;
	int number;
} KeysResult;

static void
keys_row(const PgfirstKvEntry *entry, void *context)
{
	const KeysResult *result = context;
	Datum values[KEYS_COLUMNS] = {0};
	bool nulls[KEYS_COLUMNS] = {false};

	values[0] = Int32GetDatum(result->number);
	nulls[1] = !pgfirst_kv_is_text(entry->key);
	if (!nulls[1])
		values[1] = pgfirst_kv_text(entry->key, "");
	values[2] = pgfirst_kv_bytea(entry->key);
	values[3] = CStringGetTextDatum(entry->type);
	nulls[4] = entry->expiry == 0;
	values[4] = TimestampTzGetDatum(pgfirst_kv_timestamp(entry->expiry));
	values[5] = Int64GetDatum((int64) entry->value_length);
	tuplestore_putvalues(result->rows->setResult, result->rows->setDesc, values, nulls);
}

/*
 * The function behind the view kv.keys: (db, key, key_bytes, type, expires_at, bytes) of every live
 * key of the caller's tenant, in databases that the caller may read, in the order of the keys' hashes.
 */
Datum
pgfirst_kv_keys(PG_FUNCTION_ARGS)
{
	KeysResult result = {.rows = (ReturnSetInfo *) fcinfo->resultinfo};
	int64 now_ms = pgfirst_clock_wall_ms();

	InitMaterializedSRF(fcinfo, 0);
	if (kv_databases_ready(true) != KV_READY)
		return (Datum) 0;
	for (int number = 0; number < KV_DATABASES; number++)
	{
		/* A standby has no volatile databases. */
		if (!kv_database_exists(number) || !kv_access_may_read(number) ||
		    (RecoveryInProgress() && kv_database_durability(number) == PGFIRST_VOLATILE))
			continue;
		result.number = number;
		pgfirst_kv_each(pgfirst_kv_open(number, PGFIRST_KV_READ), now_ms, keys_row, &result);
	}
	return (Datum) 0;
}

/*
 * Behind the view kv.databases: (keys, expiring_keys, bytes, evicted_keys) of one database that the caller may read.
 * Keys are counted for the default tenant, and how many it has is nobody else's business.
 */
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
	if (kv_databases_ready(true) != KV_READY || !kv_database_exists(number) ||
	    !kv_access_may_read(number))
		PG_RETURN_NULL();
	nulls[2] = RecoveryInProgress() || !kv_count_get(number, &count);
	nulls[0] = nulls[1] = nulls[2] || kv_access_my_tenant() != 0;
	if (!nulls[2])
	{
		values[0] = Int64GetDatum(count.keys);
		values[1] = Int64GetDatum(count.expires);
		/* What max_size limits: of all tenants' keys. */
		values[2] = Int64GetDatum(kv_count_all(number, &count) ? count.bytes : 0);
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
	kv_limit_configured();
	/* A trigger returns no tuple by a null pointer, not by an SQL null. */
	return PointerGetDatum(NULL);
}
