/* SPDX-License-Identifier: PostgreSQL
 *
 * many.c: many entries in one call: cache.get_many, set_many and delete_many.
 *
 * get_many reads all of them as of one moment: of what another transaction sets together it finds all or
 * nothing.  set_many and delete_many lock first, all of them in an order of their own (that of their
 * records), so that calls which name the same entries in any order wait for each other and never fail.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"

#include "base/clock.h"
#include "base/compat.h"
#include "cache/cache_int.h"

PGFIRST_FUNCTION(pgfirst_cache_get_many);
PGFIRST_FUNCTION(pgfirst_cache_get_many_bytes);
PGFIRST_FUNCTION(pgfirst_cache_set_many);
PGFIRST_FUNCTION(pgfirst_cache_set_many_json);
PGFIRST_FUNCTION(pgfirst_cache_set_many_bytes);
PGFIRST_FUNCTION(pgfirst_cache_set_many_object);
PGFIRST_FUNCTION(pgfirst_cache_delete_many);

typedef struct CachePairs
{
	int count;
	RespSlice *keys;
	RespSlice *values;
} CachePairs;

static RespSlice *
slices(int count)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, Max(count, 1) * sizeof(RespSlice));
}

/* ---- keys -------------------------------------------------------------------------------- */

/* The elements of an array; those that are NULL stand in *nulls. */
static Datum *
array_elements(Datum array, CacheKind kind, bool **nulls, int *count)
{
	static const Oid types[] = {
	    [CACHE_TEXT] = TEXTOID, [CACHE_JSON] = JSONBOID, [CACHE_BYTES] = BYTEAOID};
	Datum *elements;

	deconstruct_array(DatumGetArrayTypeP(array), types[kind], -1, false, TYPALIGN_INT, &elements,
	                  nulls, count);
	return elements;
}

/* The keys of an array without those that are NULL, which no entry has. */
static RespSlice *
array_keys(Datum array, int *count)
{
	bool *nulls;
	int elements_count;
	Datum *elements = array_elements(array, CACHE_TEXT, &nulls, &elements_count);
	RespSlice *keys = slices(elements_count);

	*count = 0;
	for (int i = 0; i < elements_count; i++)
		if (!nulls[i])
			keys[(*count)++] = cache_key(elements[i]);
	return keys;
}

/* ---- get_many ---------------------------------------------------------------------------- */

static Datum
many_get(FunctionCallInfo fcinfo, CacheKind kind)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	PgfirstKvEntry *entries;
	int64 found = 0;
	int count;
	RespSlice *keys;
	PgfirstKv *kv;

	InitMaterializedSRF(fcinfo, 0);
	keys = array_keys(PG_GETARG_DATUM(0), &count);
	entries = MemoryContextAllocHuge(CurrentMemoryContext, Max(count, 1) * sizeof(PgfirstKvEntry));
	kv = cache_open(PGFIRST_KV_READ);
	pgfirst_kv_read_many(kv, keys, count, pgfirst_clock_wall_ms(), entries);
	for (int i = 0; i < count; i++)
	{
		bool nulls[2] = {false, false};
		Datum row[2];

		CHECK_FOR_INTERRUPTS();
		if (!entries[i].found)
			continue;
		row[0] = pgfirst_kv_text(keys[i], "");
		row[1] = cache_result(&entries[i], kind);
		tuplestore_putvalues(result->setResult, result->setDesc, row, nulls);
		pfree(DatumGetPointer(row[0]));
		pfree(DatumGetPointer(row[1]));
		found++;
	}
	pgfirst_kv_count_lookups(kv, found, count - found);
	return (Datum) 0;
}

/* cache.get_many(keys) -> (key, value) of those that are there, in the order of the keys. */
Datum
pgfirst_cache_get_many(PG_FUNCTION_ARGS)
{
	return many_get(fcinfo, CACHE_TEXT);
}

Datum
pgfirst_cache_get_many_bytes(PG_FUNCTION_ARGS)
{
	return many_get(fcinfo, CACHE_BYTES);
}

/* ---- set_many ---------------------------------------------------------------------------- */

/* Sets them all; of pairs with the same key the last one. */
static Datum
pairs_set(const CachePairs *pairs, int64 expiry)
{
	PgfirstKv *kv = cache_open_many(PGFIRST_KV_GROW, (Size) pairs->count);

	pgfirst_kv_lock(kv, pairs->keys, pairs->count, false);
	for (int i = 0; i < pairs->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		pgfirst_kv_put(kv, pairs->keys[i], pairs->values[i], expiry);
	}
	PG_RETURN_INT32(pairs->count);
}

static Datum
many_set(FunctionCallInfo fcinfo, CacheKind kind)
{
	Datum *keys, *values;
	bool *no_key, *no_value;
	int keys_count, values_count;
	CachePairs pairs;

	cache_refuse_null(fcinfo, 0, "set_many");
	cache_refuse_null(fcinfo, 1, "set_many");
	keys = array_elements(PG_GETARG_DATUM(0), CACHE_TEXT, &no_key, &keys_count);
	values = array_elements(PG_GETARG_DATUM(1), kind, &no_value, &values_count);
	if (keys_count != values_count)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("there are %d keys and %d values", keys_count, values_count),
		                errhint("Each key takes the value at its place.")));
	pairs =
	    (CachePairs){.count = keys_count, .keys = slices(keys_count), .values = slices(keys_count)};
	for (int i = 0; i < keys_count; i++)
	{
		if (no_key[i] || no_value[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			                errmsg("%s number %d is null", no_key[i] ? "key" : "value", i + 1),
			                errhint("cache.delete_many deletes entries.")));
		pairs.keys[i] = cache_key(keys[i]);
		pairs.values[i] = cache_value(values[i], kind);
	}
	return pairs_set(&pairs, cache_expiry(fcinfo, 2));
}

/* cache.set_many(keys, contents, ttl) -> integer: how many pairs. */
Datum
pgfirst_cache_set_many(PG_FUNCTION_ARGS)
{
	return many_set(fcinfo, CACHE_TEXT);
}

Datum
pgfirst_cache_set_many_json(PG_FUNCTION_ARGS)
{
	return many_set(fcinfo, CACHE_JSON);
}

Datum
pgfirst_cache_set_many_bytes(PG_FUNCTION_ARGS)
{
	return many_set(fcinfo, CACHE_BYTES);
}

/* The members of an object. */
static CachePairs
object_pairs(Jsonb *object)
{
	int room = (int) JB_ROOT_COUNT(object);
	CachePairs pairs = {.keys = slices(room), .values = slices(room)};
	JsonbIterator *at = JsonbIteratorInit(&object->root);
	JsonbIteratorToken token;
	JsonbValue part;

	(void) JsonbIteratorNext(&at, &part, true);
	while ((token = JsonbIteratorNext(&at, &part, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			pairs.keys[pairs.count] = cache_key(PointerGetDatum(
			    cstring_to_text_with_len(part.val.string.val, part.val.string.len)));
		else if (token == WJB_VALUE)
			pairs.values[pairs.count++] =
			    cache_value(JsonbPGetDatum(JsonbValueToJsonb(&part)), CACHE_JSON);
	}
	return pairs;
}

/* cache.set_many(entries, ttl) -> integer: each member of an object is an entry. */
Datum
pgfirst_cache_set_many_object(PG_FUNCTION_ARGS)
{
	Jsonb *object;
	CachePairs pairs;

	cache_refuse_null(fcinfo, 0, "set_many");
	object = PG_GETARG_JSONB_P(0);
	if (!JB_ROOT_IS_OBJECT(object))
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		         errmsg("the entries must be a JSON object"), errhint("Its names are the keys.")));
	pairs = object_pairs(object);
	return pairs_set(&pairs, cache_expiry(fcinfo, 1));
}

/* ---- delete_many ------------------------------------------------------------------------- */

/* cache.delete_many(keys) -> integer: how many were there. */
Datum
pgfirst_cache_delete_many(PG_FUNCTION_ARGS)
{
	int count;
	RespSlice *keys = array_keys(PG_GETARG_DATUM(0), &count);
	PgfirstKv *kv = cache_open_many(PGFIRST_KV_WRITE, (Size) count);
	int64 now_ms;
	int deleted = 0;

	pgfirst_kv_lock(kv, keys, count, true);
	now_ms = pgfirst_clock_wall_ms();
	for (int i = 0; i < count; i++)
	{
		PgfirstKvEntry entry;

		CHECK_FOR_INTERRUPTS();
		if (!pgfirst_kv_find(kv, keys[i], now_ms, &entry))
			continue;
		pgfirst_kv_delete(kv, keys[i]);
		deleted++;
	}
	PG_RETURN_INT32(deleted);
}
