/* SPDX-License-Identifier: PostgreSQL
 *
 * sql_elements.c: what the functions of SQL on collections share; see sql_elements.h.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "kv/sql_elements.h"

/* ---- collections ------------------------------------------------------------------------- */

/* False if the key is of another type. */
static bool
elements_open(PgfirstKv *kv, RespSlice key, KvType type, int64 now_ms, KvElements *elements)
{
	elements->type = type;
	if (type == KV_TYPE_LIST)
		return kv_list_open(kv, key, now_ms, &elements->of.list);
	if (type == KV_TYPE_ZSET)
		return kv_zset_open(kv, key, now_ms, &elements->of.zset);
	if (type == KV_TYPE_STREAM)
		return kv_stream_open(kv, key, now_ms, &elements->of.stream);
	return kv_members_open(kv, key, type, now_ms, &elements->of.members);
}

void
kv_sql_open(PgfirstKv *kv, RespSlice key, KvType type, KvElements *elements)
{
	int64 now_ms = pgfirst_clock_wall_ms();
	KvEntry entry;

	if (elements_open(kv, key, type, now_ms, elements))
		return;
	(void) kv_key_read(kv, key, now_ms, false, &entry);
	ereport(ERROR,
	        (errcode(ERRCODE_WRONG_OBJECT_TYPE),
	         errmsg("the key holds a %s, not a %s", kv_type_name(entry.type), kv_type_name(type))));
}

void
kv_sql_open_locked(FunctionCallInfo fcinfo, int db, PgfirstKvAccess access, KvType type,
                   KvElements *elements)
{
	RespSlice key = kv_sql_key(fcinfo, 0);

	kv_sql_open(kv_sql_change(PG_GETARG_INT32(db), access, key), key, type, elements);
	/* No part of it is newer than the record of its key. */
	pgfirst_kv_shown();
}

int64
kv_sql_count(FunctionCallInfo fcinfo, int n)
{
	int64 count = PG_GETARG_INT64(n);

	if (count < 0)
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("count must not be negative")));
	return count;
}

/* ---- rows -------------------------------------------------------------------------------- */

void
kv_sql_rows_begin(FunctionCallInfo fcinfo, KvSqlRows *rows)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool composite = get_call_result_type(fcinfo, NULL, NULL) == TYPEFUNC_COMPOSITE;

	InitMaterializedSRF(fcinfo, composite ? 0 : MAT_SRF_USE_EXPECTED_DESC);
	rows->store = result->setResult;
	rows->shape = result->setDesc;
	rows->row = AllocSetContextCreate(CurrentMemoryContext, "pgfirst row", ALLOCSET_DEFAULT_SIZES);
	rows->columns = 0;
}

static void
put(KvSqlRows *rows, Datum value, bool null)
{
	rows->values[rows->columns] = value;
	rows->nulls[rows->columns++] = null;
}

void
kv_sql_put(KvSqlRows *rows, Datum value)
{
	put(rows, value, false);
}

void
kv_sql_put_bytes(KvSqlRows *rows, RespSlice bytes)
{
	MemoryContext old = MemoryContextSwitchTo(rows->row);

	put(rows, pgfirst_kv_bytea(bytes), false);
	MemoryContextSwitchTo(old);
}

void
kv_sql_put_both(KvSqlRows *rows, RespSlice bytes)
{
	bool is_text = pgfirst_kv_is_text(bytes);
	MemoryContext old = MemoryContextSwitchTo(rows->row);

	put(rows, is_text ? pgfirst_kv_text(bytes, "") : (Datum) 0, !is_text);
	MemoryContextSwitchTo(old);
	kv_sql_put_bytes(rows, bytes);
}

void
kv_sql_put_number(KvSqlRows *rows, int64 number)
{
	put(rows, Int64GetDatum(number), false);
}

void
kv_sql_put_float(KvSqlRows *rows, double number)
{
	put(rows, Float8GetDatum(number), false);
}

void
kv_sql_row_end(KvSqlRows *rows)
{
	tuplestore_putvalues(rows->store, rows->shape, rows->values, rows->nulls);
	MemoryContextReset(rows->row);
	rows->columns = 0;
	CHECK_FOR_INTERRUPTS();
}

bool
kv_sql_row(void *rows, RespSlice member, RespSlice value)
{
	kv_sql_put_bytes(rows, member);
	kv_sql_row_end(rows);
	return true;
}

/* ---- arrays ------------------------------------------------------------------------------ */

KvSqlArray
kv_sql_array(int count)
{
	Size room = (Size) Max(count, 1);

	return (KvSqlArray){.values =
	                        MemoryContextAllocHuge(CurrentMemoryContext, room * sizeof(Datum)),
	                    .nulls = MemoryContextAllocHuge(CurrentMemoryContext, room * sizeof(bool)),
	                    .count = count};
}

Datum
kv_sql_array_datum(KvSqlArray *array, Oid type)
{
	int bound = 1;

	if (array->count == 0)
		return PointerGetDatum(construct_empty_array(type));
	if (type == BYTEAOID || type == TEXTOID)
		return PointerGetDatum(construct_md_array(array->values, array->nulls, 1, &array->count,
		                                          &bound, type, -1, false, TYPALIGN_INT));
	if (type == FLOAT8OID)
		return PointerGetDatum(construct_md_array(array->values, array->nulls, 1, &array->count,
		                                          &bound, type, sizeof(float8), FLOAT8PASSBYVAL,
		                                          TYPALIGN_DOUBLE));
	Assert(type == BOOLOID);
	return PointerGetDatum(construct_md_array(array->values, array->nulls, 1, &array->count, &bound,
	                                          type, sizeof(bool), true, TYPALIGN_CHAR));
}

/* ---- reading ----------------------------------------------------------------------------- */

static void
read_try(void *context)
{
	KvSqlRead *call = context;
	bool fits = true;

	if (call->rows.store)
		tuplestore_clear(call->rows.store);
	if (call->lenient)
		fits = elements_open(call->kv, call->key, call->type, pgfirst_clock_wall_ms(),
		                     &call->elements);
	else
		kv_sql_open(call->kv, call->key, call->type, &call->elements);
	if (fits)
		call->read(call);
}

void
kv_sql_read(KvSqlRead *call, int db)
{
	FunctionCallInfo fcinfo = call->fcinfo;

	call->key = kv_sql_key(fcinfo, 0);
	call->kv = pgfirst_kv_open(PG_GETARG_INT32(db), PGFIRST_KV_READ);
	pgfirst_kv_read_together(call->kv, KV_SQL_TRIES, read_try, call);
}

Datum
kv_sql_read_rows(FunctionCallInfo fcinfo, int db, KvType type, void (*read)(KvSqlRead *call))
{
	KvSqlRead call = {.fcinfo = fcinfo, .type = type, .read = read};

	kv_sql_rows_begin(fcinfo, &call.rows);
	kv_sql_read(&call, db);
	return (Datum) 0;
}

Datum
kv_sql_read_view(FunctionCallInfo fcinfo, KvType type, void (*read)(KvSqlRead *call))
{
	KvSqlRead call = {.fcinfo = fcinfo, .type = type, .read = read, .lenient = true};

	kv_sql_rows_begin(fcinfo, &call.rows);
	kv_sql_read(&call, 1);
	return (Datum) 0;
}
