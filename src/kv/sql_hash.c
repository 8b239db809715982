/* SPDX-License-Identifier: PostgreSQL
 *
 * sql_hash.c: the commands on hashes as functions of SQL: kv.hset, kv.hgetall and the like; see sql_elements.h.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/int.h"
#include "fmgr.h"

#include "base/compat.h"
#include "kv/cmd/elements.h"
#include "kv/sql_elements.h"
#include "lib/number/number.h"

PGFIRST_FUNCTION(pgfirst_kv_hash_of);
PGFIRST_FUNCTION(pgfirst_kv_hdel);
PGFIRST_FUNCTION(pgfirst_kv_hdel_many);
PGFIRST_FUNCTION(pgfirst_kv_hexists);
PGFIRST_FUNCTION(pgfirst_kv_hget);
PGFIRST_FUNCTION(pgfirst_kv_hgetall);
PGFIRST_FUNCTION(pgfirst_kv_hincrby);
PGFIRST_FUNCTION(pgfirst_kv_hincrbyfloat);
PGFIRST_FUNCTION(pgfirst_kv_hlen);
PGFIRST_FUNCTION(pgfirst_kv_hmget);
PGFIRST_FUNCTION(pgfirst_kv_hset);
PGFIRST_FUNCTION(pgfirst_kv_hset_many);
PGFIRST_FUNCTION(pgfirst_kv_hsetnx);

/* Opens the hash that argument 0 is for a change. */
static void
hash_open(FunctionCallInfo fcinfo, int db, PgfirstKvAccess access, KvElements *elements)
{
	kv_sql_open_locked(fcinfo, db, access, KV_TYPE_HASH, elements);
}

/* ---- changing ---------------------------------------------------------------------------- */

/* (key, field or fields, value or values, db): how many of them are new. */
static int64
set_fields(FunctionCallInfo fcinfo)
{
	KvSlices fields = kv_sql_slices(fcinfo, 1, false);
	KvSlices values = kv_sql_slices(fcinfo, 2, false);
	KvElements hash;
	int64 added = 0;

	if (fields.count != values.count)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("there are %d fields and %d values", fields.count, values.count)));
	hash_open(fcinfo, 3, PGFIRST_KV_GROW, &hash);
	for (int i = 0; i < fields.count; i++)
		added += kv_members_put(&hash.of.members, fields.at[i], values.at[i]);
	kv_members_close(&hash.of.members);
	return added;
}

/* kv.hset(key, field, value, db) -> boolean: whether the field is new. */
Datum
pgfirst_kv_hset(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(set_fields(fcinfo) > 0);
}

/* kv.hset(key, fields, field_values, db) -> bigint */
Datum
pgfirst_kv_hset_many(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(set_fields(fcinfo));
}

/* kv.hsetnx(key, field, value, db) -> boolean: whether it was set, which only a new one is. */
Datum
pgfirst_kv_hsetnx(PG_FUNCTION_ARGS)
{
	RespSlice field = kv_sql_value(fcinfo, 1);
	RespSlice value = kv_sql_value(fcinfo, 2);
	KvMembersPlace place;
	KvElements hash;

	hash_open(fcinfo, 3, PGFIRST_KV_GROW, &hash);
	if (kv_members_look(&hash.of.members, field, &place))
		PG_RETURN_BOOL(false);
	kv_members_put_at(&hash.of.members, field, value, &place);
	kv_members_close(&hash.of.members);
	PG_RETURN_BOOL(true);
}

/* (key, field or fields, db): how many were there. */
static int64
delete_fields(FunctionCallInfo fcinfo)
{
	KvSlices fields = kv_sql_slices(fcinfo, 1, false);
	KvElements hash;
	int64 removed = 0;

	hash_open(fcinfo, 2, PGFIRST_KV_WRITE, &hash);
	for (int i = 0; i < fields.count; i++)
		removed += kv_members_remove(&hash.of.members, fields.at[i]);
	kv_members_close(&hash.of.members);
	return removed;
}

/* kv.hdel(key, field, db) -> boolean */
Datum
pgfirst_kv_hdel(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(delete_fields(fcinfo) > 0);
}

/* kv.hdel(key, fields, db) -> bigint */
Datum
pgfirst_kv_hdel_many(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(delete_fields(fcinfo));
}

/* kv.hincrby(key, field, increment, db) -> bigint: the sum. */
Datum
pgfirst_kv_hincrby(PG_FUNCTION_ARGS)
{
	RespSlice field = kv_sql_value(fcinfo, 1);
	char digits[PGFIRST_INT64_TEXT];
	KvMembersPlace place;
	KvElements hash;
	RespSlice slice;
	int64 value = 0;

	hash_open(fcinfo, 3, PGFIRST_KV_GROW, &hash);
	if (kv_members_look(&hash.of.members, field, &place) &&
	    !pgfirst_int64_parse(place.packed.value.data, place.packed.value.length, &value))
		ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
		                errmsg("the value is not an integer or out of range"),
		                errhint("kv.hincrbyfloat adds to other numbers.")));
	if (pg_add_s64_overflow(value, PG_GETARG_INT64(2), &value))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
		                errmsg("the increment or decrement would overflow")));
	slice = (RespSlice){digits, pgfirst_int64_format(value, digits)};
	kv_members_put_at(&hash.of.members, field, slice, &place);
	kv_members_close(&hash.of.members);
	PG_RETURN_INT64(value);
}

/* kv.hincrbyfloat(key, field, increment, db) -> double precision, the nearest to the text that the field then has. */
Datum
pgfirst_kv_hincrbyfloat(PG_FUNCTION_ARGS)
{
	RespSlice field = kv_sql_value(fcinfo, 1);
	long double by = kv_sql_float(fcinfo, 2);
	char digits[PGFIRST_FLOAT_TEXT];
	long double value = 0;
	KvMembersPlace place;
	KvElements hash;
	RespSlice slice;

	hash_open(fcinfo, 3, PGFIRST_KV_GROW, &hash);
	if (kv_members_look(&hash.of.members, field, &place) &&
	    !pgfirst_float_parse(place.packed.value.data, place.packed.value.length, &value))
		ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
		                errmsg("the value is not a valid float")));
	value += by;
	if (isnan(value) || isinf((double) value))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
		                errmsg("the sum is out of range for type double precision")));
	slice = (RespSlice){digits, pgfirst_float_format(value, digits)};
	kv_members_put_at(&hash.of.members, field, slice, &place);
	kv_members_close(&hash.of.members);
	PG_RETURN_FLOAT8((double) value);
}

/* ---- reading some fields ----------------------------------------------------------------- */

typedef struct ReadFields
{
	KvSqlRead call;
	KvSlices fields;
	KvSqlArray values;
} ReadFields;

static void
read_fields(KvSqlRead *call)
{
	ReadFields *read = (ReadFields *) call;

	for (int i = 0; i < read->fields.count; i++)
	{
		RespSlice value;

		read->values.nulls[i] =
		    !read->fields.at[i].data ||
		    !kv_elements_find(&call->elements.of.members, read->fields.at[i], &value);
		read->values.values[i] = read->values.nulls[i] ? (Datum) 0 : pgfirst_kv_bytea(value);
	}
}

/* The values of the field, or fields, that argument 1 has. */
static KvSqlArray
get_fields(FunctionCallInfo fcinfo)
{
	ReadFields read = {.call = {.fcinfo = fcinfo, .type = KV_TYPE_HASH, .read = read_fields}};

	read.fields = kv_sql_slices(fcinfo, 1, true);
	read.values = kv_sql_array(read.fields.count);
	kv_sql_read(&read.call, 2);
	return read.values;
}

/* kv.hget(key, field, db) -> bytea; NULL if there is no such field. */
Datum
pgfirst_kv_hget(PG_FUNCTION_ARGS)
{
	KvSqlArray values = get_fields(fcinfo);

	if (values.nulls[0])
		PG_RETURN_NULL();
	PG_RETURN_DATUM(values.values[0]);
}

/* kv.hmget(key, fields, db) -> bytea[] */
Datum
pgfirst_kv_hmget(PG_FUNCTION_ARGS)
{
	KvSqlArray values = get_fields(fcinfo);

	PG_RETURN_DATUM(kv_sql_array_datum(&values, BYTEAOID));
}

/* kv.hexists(key, field, db) -> boolean */
Datum
pgfirst_kv_hexists(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!get_fields(fcinfo).nulls[0]);
}

static void
read_nothing(KvSqlRead *call)
{
}

/* kv.hlen(key, db) -> bigint */
Datum
pgfirst_kv_hlen(PG_FUNCTION_ARGS)
{
	KvSqlRead call = {.fcinfo = fcinfo, .type = KV_TYPE_HASH, .read = read_nothing};

	kv_sql_read(&call, 1);
	PG_RETURN_INT64((int64) call.elements.of.members.count);
}

/* ---- reading all ------------------------------------------------------------------------- */

static void
read_all(KvSqlRead *call)
{
	RespSlice field, value;
	KvMembersWalk walk;

	kv_members_walk(&call->elements.of.members, 0, &walk);
	while (kv_members_next(&walk, &field, &value))
	{
		if (call->lenient)
		{
			kv_sql_put_both(&call->rows, field);
			kv_sql_put_both(&call->rows, value);
		}
		else
		{
			kv_sql_put_bytes(&call->rows, field);
			kv_sql_put_bytes(&call->rows, value);
		}
		kv_sql_row_end(&call->rows);
	}
	kv_members_walk_end(&walk);
}

/* kv.hgetall(key, db): (field, value) of each */
Datum
pgfirst_kv_hgetall(PG_FUNCTION_ARGS)
{
	return kv_sql_read_rows(fcinfo, 1, KV_TYPE_HASH, read_all);
}

/* Behind the view kv.hash_fields: (field, field_bytes, value, value_bytes) of one key. */
Datum
pgfirst_kv_hash_of(PG_FUNCTION_ARGS)
{
	return kv_sql_read_view(fcinfo, KV_TYPE_HASH, read_all);
}
