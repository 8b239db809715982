/* SPDX-License-Identifier: PostgreSQL
 *
 * sql_string.c: the commands on strings as functions of SQL: kv.incr, kv.append, kv.getrange and the like.
 *
 * They do what the commands do whose names they have, in the caller's transaction and with PostgreSQL's errors.  What
 * depends on the value that is there locks the key first, so that two who count wait for each other, and the second counts
 * on from what the first has committed.
 *
 * Where Redis has a null, there is an SQL null; where it treats a missing key as an empty string or as 0, so do these.
 * Of Redis's other names for kv.set (SETNX, SETEX, PSETEX, MSET, MSETNX) there is none: kv.set has their
 * options, and several calls in one transaction are one change.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/compat.h"
#include "kv/cmd/value.h"
#include "kv/sql.h"
#include "kv/type/key.h"
#include "lib/number/number.h"

PGFIRST_FUNCTION(pgfirst_kv_append);
PGFIRST_FUNCTION(pgfirst_kv_decr);
PGFIRST_FUNCTION(pgfirst_kv_decrby);
PGFIRST_FUNCTION(pgfirst_kv_getdel);
PGFIRST_FUNCTION(pgfirst_kv_getex);
PGFIRST_FUNCTION(pgfirst_kv_getrange);
PGFIRST_FUNCTION(pgfirst_kv_getset);
PGFIRST_FUNCTION(pgfirst_kv_incr);
PGFIRST_FUNCTION(pgfirst_kv_incrby);
PGFIRST_FUNCTION(pgfirst_kv_incrbyfloat);
PGFIRST_FUNCTION(pgfirst_kv_mget);
PGFIRST_FUNCTION(pgfirst_kv_setrange);
PGFIRST_FUNCTION(pgfirst_kv_string_of);
PGFIRST_FUNCTION(pgfirst_kv_strlen);

/* Reads a string, or its first bytes; a missing one is empty and has no expiry. */
static void
read_or_empty(PgfirstKv *kv, RespSlice key, Size limit, PgfirstKvEntry *entry)
{
	if (!pgfirst_kv_read_part(kv, key, pgfirst_clock_wall_ms(), limit, entry))
		*entry = (PgfirstKvEntry){.found = false};
}

/* ---- numbers ----------------------------------------------------------------------------- */

/* Adds to the key that argument 0 is, in the database that argument `db` is. */
static Datum
increment(FunctionCallInfo fcinfo, int64 by, int db)
{
	RespSlice key = kv_sql_key(fcinfo, 0);
	PgfirstKv *kv = kv_sql_change(PG_GETARG_INT32(db), PGFIRST_KV_GROW, key);
	PgfirstKvEntry entry;
	int64 value = 0;
	char digits[PGFIRST_INT64_TEXT];
	RespSlice slice = {digits, 0};

	read_or_empty(kv, key, PGFIRST_INT64_TEXT, &entry);
	if (entry.found && !pgfirst_int64_parse(entry.value.data, entry.value.length, &value))
		ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
		                errmsg("the value is not an integer or out of range"),
		                errhint("kv.incrbyfloat adds to other numbers.")));
	if (pg_add_s64_overflow(value, by, &value))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
		                errmsg("the increment or decrement would overflow")));
	slice.length = pgfirst_int64_format(value, digits);
	pgfirst_kv_put(kv, key, slice, entry.expiry);
	PG_RETURN_INT64(value);
}

/* kv.incr(key, db) -> bigint */
Datum
pgfirst_kv_incr(PG_FUNCTION_ARGS)
{
	return increment(fcinfo, 1, 1);
}

/* kv.decr(key, db) -> bigint */
Datum
pgfirst_kv_decr(PG_FUNCTION_ARGS)
{
	return increment(fcinfo, -1, 1);
}

/* kv.incrby(key, increment, db) -> bigint */
Datum
pgfirst_kv_incrby(PG_FUNCTION_ARGS)
{
	return increment(fcinfo, PG_GETARG_INT64(1), 2);
}

/* kv.decrby(key, decrement, db) -> bigint */
Datum
pgfirst_kv_decrby(PG_FUNCTION_ARGS)
{
	int64 by = PG_GETARG_INT64(1);

	/* Its opposite is no int64. */
	if (by == PG_INT64_MIN)
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
		                errmsg("the decrement would overflow")));
	return increment(fcinfo, -by, 2);
}

/* kv.incrbyfloat(key, increment, db) -> double precision, the nearest to the text that the key then has. */
Datum
pgfirst_kv_incrbyfloat(PG_FUNCTION_ARGS)
{
	RespSlice key = kv_sql_key(fcinfo, 0);
	long double by = kv_sql_float(fcinfo, 1);
	PgfirstKv *kv = kv_sql_change(PG_GETARG_INT32(2), PGFIRST_KV_GROW, key);
	PgfirstKvEntry entry;
	long double value = 0;
	char digits[PGFIRST_FLOAT_TEXT];
	RespSlice slice = {digits, 0};

	read_or_empty(kv, key, PGFIRST_FLOAT_TEXT, &entry);
	if (entry.found && !pgfirst_float_parse(entry.value.data, entry.value.length, &value))
		ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
		                errmsg("the value is not a valid float")));
	value += by;
	if (isnan(value) || isinf(value) || isinf((double) value))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
		                errmsg("the sum is out of range for type double precision")));
	slice.length = pgfirst_float_format(value, digits);
	pgfirst_kv_put(kv, key, slice, entry.expiry);
	PG_RETURN_FLOAT8((double) value);
}

/* ---- parts ------------------------------------------------------------------------------- */

/* Puts `bytes` at `offset` of the value that was read, zeros where it did not reach as far. */
static int64
overwrite(PgfirstKv *kv, RespSlice key, const PgfirstKvEntry *old, Size offset, RespSlice bytes)
{
	Size length = Max(old->value_length, offset + bytes.length);
	PgfirstRecord record;
	char *place = kv_key_draft(kv, key, length, old->expiry, &record);

	if (old->value_length > 0)
		memcpy(place, old->value.data, old->value_length);
	if (offset > old->value_length)
		memset(place + old->value_length, 0, offset - old->value_length);
	memcpy(place + offset, bytes.data, bytes.length);
	kv_key_put_draft(kv, &record);
	return (int64) length;
}

static void
refuse_too_long(int64 length, RespSlice more)
{
	if (length > (int64) (KV_VALUE_MAX - more.length))
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		                errmsg("a value cannot be longer than %zu bytes", KV_VALUE_MAX)));
}

/* kv.append(key, value, db) -> bigint: the length that it has then. */
Datum
pgfirst_kv_append(PG_FUNCTION_ARGS)
{
	RespSlice key = kv_sql_key(fcinfo, 0);
	RespSlice bytes = kv_sql_value(fcinfo, 1);
	PgfirstKv *kv = kv_sql_change(PG_GETARG_INT32(2), PGFIRST_KV_GROW, key);
	PgfirstKvEntry old;

	read_or_empty(kv, key, SIZE_MAX, &old);
	refuse_too_long((int64) old.value_length, bytes);
	PG_RETURN_INT64(overwrite(kv, key, &old, old.value_length, bytes));
}

/* kv.setrange(key, start, value, db) -> bigint: likewise; nothing, put anywhere, makes no key. */
Datum
pgfirst_kv_setrange(PG_FUNCTION_ARGS)
{
	RespSlice key = kv_sql_key(fcinfo, 0);
	int64 start = PG_GETARG_INT64(1);
	RespSlice bytes = kv_sql_value(fcinfo, 2);
	PgfirstKvEntry old;
	PgfirstKv *kv;

	if (start < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("start is out of range"),
		                errhint("The first byte is 0.")));
	kv = kv_sql_change(PG_GETARG_INT32(3), PGFIRST_KV_GROW, key);
	read_or_empty(kv, key, bytes.length == 0 ? 0 : SIZE_MAX, &old);
	if (bytes.length == 0)
		PG_RETURN_INT64((int64) old.value_length);
	refuse_too_long(start, bytes);
	PG_RETURN_INT64(overwrite(kv, key, &old, (Size) start, bytes));
}

/* kv.getrange(key, start, stop, db) -> bytea: both included, from the end if negative. */
Datum
pgfirst_kv_getrange(PG_FUNCTION_ARGS)
{
	RespSlice key = kv_sql_key(fcinfo, 0);
	int64 start = PG_GETARG_INT64(1);
	int64 stop = PG_GETARG_INT64(2);
	RespSlice part = {"", 0};
	PgfirstKvEntry entry;

	read_or_empty(pgfirst_kv_open(PG_GETARG_INT32(3), PGFIRST_KV_READ), key,
	              stop < 0 || stop >= (int64) KV_VALUE_MAX ? SIZE_MAX : (Size) stop + 1, &entry);
	if (!kv_range_backward(start, stop) &&
	    kv_range_resolve((int64) entry.value_length, &start, &stop))
		part = (RespSlice){entry.value.data + start, (Size) (stop - start) + 1};
	PG_RETURN_DATUM(pgfirst_kv_bytea(part));
}

/* kv.strlen(key, db) -> bigint; 0 if there is no such key. */
Datum
pgfirst_kv_strlen(PG_FUNCTION_ARGS)
{
	RespSlice key = kv_sql_key(fcinfo, 0);
	PgfirstKvEntry entry;

	read_or_empty(pgfirst_kv_open(PG_GETARG_INT32(1), PGFIRST_KV_READ), key, 0, &entry);
	PG_RETURN_INT64((int64) entry.value_length);
}

/* ---- get, and then something else -------------------------------------------------------- */

/* kv.getset(key, value, db) -> bytea: the value that it had, NULL if there was none. */
Datum
pgfirst_kv_getset(PG_FUNCTION_ARGS)
{
	RespSlice key = kv_sql_key(fcinfo, 0);
	RespSlice value = kv_sql_value(fcinfo, 1);
	PgfirstKv *kv = kv_sql_change(PG_GETARG_INT32(2), PGFIRST_KV_GROW, key);
	PgfirstKvEntry old;
	Datum result = 0;

	read_or_empty(kv, key, SIZE_MAX, &old);
	/* Before the put, which may move what it points to. */
	if (old.found)
		result = pgfirst_kv_bytea(old.value);
	pgfirst_kv_put(kv, key, value, 0);
	if (!old.found)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}

/* kv.getdel(key, db) -> bytea: the value, whose key is no more. */
Datum
pgfirst_kv_getdel(PG_FUNCTION_ARGS)
{
	RespSlice key = kv_sql_key(fcinfo, 0);
	PgfirstKv *kv = kv_sql_change(PG_GETARG_INT32(1), PGFIRST_KV_WRITE, key);
	PgfirstKvEntry entry;
	Datum result;

	read_or_empty(kv, key, SIZE_MAX, &entry);
	if (!entry.found)
		PG_RETURN_NULL();
	result = pgfirst_kv_bytea(entry.value);
	pgfirst_kv_delete(kv, key);
	PG_RETURN_DATUM(result);
}

/* kv.getex(key, ttl, db, persist) -> bytea: the value, whose expiry is another one.  Not strict: ttl may be NULL. */
Datum
pgfirst_kv_getex(PG_FUNCTION_ARGS)
{
	int64 now_ms = pgfirst_clock_wall_ms();
	int64 expiry = 0;
	PgfirstKvEntry entry;
	RespSlice key;
	Datum result;
	PgfirstKv *kv;

	kv_sql_refuse_nulls(fcinfo, 4, 1, "only ttl may be null in kv.getex", NULL);
	key = kv_sql_key(fcinfo, 0);
	if (!PG_ARGISNULL(1) && PG_GETARG_BOOL(3))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("ttl and persist exclude each other")));
	if (!PG_ARGISNULL(1))
		expiry = pgfirst_kv_expiry(PG_GETARG_DATUM(1), now_ms, "kv.getdel deletes a key.");
	kv = kv_sql_change(PG_GETARG_INT32(2), PGFIRST_KV_WRITE, key);
	read_or_empty(kv, key, SIZE_MAX, &entry);
	if (!entry.found)
		PG_RETURN_NULL();
	result = pgfirst_kv_bytea(entry.value);
	if ((!PG_ARGISNULL(1) || PG_GETARG_BOOL(3)) && expiry != entry.expiry)
		pgfirst_kv_expire(kv, key, expiry);
	PG_RETURN_DATUM(result);
}

/* ---- many -------------------------------------------------------------------------------- */

/* kv.mget(keys, db) -> bytea[]: the values as of one moment, NULL where there is no such string. */
Datum
pgfirst_kv_mget(PG_FUNCTION_ARGS)
{
	KvSlices keys = kv_sql_slices(fcinfo, 0, true);
	PgfirstKv *kv = pgfirst_kv_open(PG_GETARG_INT32(1), PGFIRST_KV_READ);
	RespSlice *asked;
	PgfirstKvEntry *entries;
	Datum *values;
	bool *nulls;
	int bound = 1;
	int count = 0;

	if (keys.count == 0)
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(BYTEAOID));
	asked = MemoryContextAllocHuge(CurrentMemoryContext, (Size) keys.count * sizeof(RespSlice));
	entries =
	    MemoryContextAllocHuge(CurrentMemoryContext, (Size) keys.count * sizeof(PgfirstKvEntry));
	values = MemoryContextAllocHuge(CurrentMemoryContext, (Size) keys.count * sizeof(Datum));
	nulls = MemoryContextAllocHuge(CurrentMemoryContext, (Size) keys.count * sizeof(bool));
	for (int i = 0; i < keys.count; i++)
		if (keys.at[i].data)
			asked[count++] = keys.at[i];
	pgfirst_kv_read_many(kv, asked, count, pgfirst_clock_wall_ms(), entries);
	count = 0;
	for (int i = 0; i < keys.count; i++)
	{
		const PgfirstKvEntry *entry = keys.at[i].data ? &entries[count++] : NULL;

		nulls[i] = !entry || !entry->found;
		values[i] = nulls[i] ? (Datum) 0 : pgfirst_kv_bytea(entry->value);
	}
	PG_RETURN_ARRAYTYPE_P(construct_md_array(values, nulls, 1, &keys.count, &bound, BYTEAOID, -1,
	                                         false, TYPALIGN_INT));
}

/* Behind the view kv.strings: (value, value_bytes) of one key, both NULL if it is no string any more. */
Datum
pgfirst_kv_string_of(PG_FUNCTION_ARGS)
{
	RespSlice key = kv_sql_key(fcinfo, 0);
	PgfirstKv *kv = pgfirst_kv_open(PG_GETARG_INT32(1), PGFIRST_KV_READ);
	Datum values[2] = {0};
	bool nulls[2] = {true, true};
	PgfirstKvEntry entry;
	TupleDesc shape;

	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "the result of string_of is no row");
	pgfirst_kv_read_many(kv, &key, 1, pgfirst_clock_wall_ms(), &entry);
	nulls[1] = !entry.found;
	nulls[0] = !entry.found || !pgfirst_kv_is_text(entry.value);
	if (!nulls[0])
		values[0] = pgfirst_kv_text(entry.value, "");
	if (!nulls[1])
		values[1] = pgfirst_kv_bytea(entry.value);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls)));
}
