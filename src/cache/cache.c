/* SPDX-License-Identifier: PostgreSQL
 *
 * cache.c: the start of cache, and what its functions share.
 *
 * An entry is a string key of one numbered database of kv, pgfirst.cache_database: no table, no record and
 * no index of its own.  So whatever Redis clients set there SQL gets, and the reverse; expiry, locks,
 * savepoints, dumps and standbys are kv's.
 *
 * A value is bytes.  Text is kept as UTF-8 and jsonb as its text, because that is what a Redis client
 * writes and reads.  The reader says which it wants: cache.get, cache.get_json, cache.get_bytes.
 * Rejected: a mark in the record that says what was put in.  What Redis clients set has none and what they
 * change loses it, rows of a dump have no place for it, and so no reader could rely on it.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/jsonb.h"

#include "base/clock.h"
#include "base/compat.h"
#include "cache/cache.h"
#include "cache/cache_int.h"

#define KEY_SHOWN 200 /* bytes of a key in an error's context */

int pgfirst_cache_database = 1;

PgfirstKv *
cache_open(PgfirstKvAccess access)
{
	return pgfirst_kv_open(pgfirst_cache_database, access);
}

PgfirstKv *
cache_open_many(PgfirstKvAccess access, Size keys)
{
	return pgfirst_kv_open_many(pgfirst_cache_database, access, keys);
}

RespSlice
cache_key(Datum key)
{
	return pgfirst_kv_key(key, true);
}

RespSlice
cache_value(Datum value, CacheKind kind)
{
	if (kind == CACHE_JSON)
	{
		Jsonb *json = DatumGetJsonbP(value);

		value = CStringGetTextDatum(JsonbToCString(NULL, &json->root, VARSIZE(json)));
	}
	return pgfirst_kv_value(value, kind != CACHE_BYTES);
}

/* ---- results ----------------------------------------------------------------------------- */

static void
result_context(void *argument)
{
	const PgfirstKvEntry *entry = argument;

	if (pgfirst_kv_is_text(entry->key))
		errcontext("cache entry \"%.*s\"", (int) Min(entry->key.length, KEY_SHOWN),
		           entry->key.data);
}

static Datum
result_json(RespSlice value)
{
	Datum json = pgfirst_kv_text(value, "cache.get_bytes returns it as bytea.");

	return DirectFunctionCall1(jsonb_in, CStringGetDatum(TextDatumGetCString(json)));
}

Datum
cache_result(const PgfirstKvEntry *entry, CacheKind kind)
{
	ErrorContextCallback context = {.previous = error_context_stack,
	                                .callback = result_context,
	                                .arg = unconstify(PgfirstKvEntry *, entry)};
	Datum result;

	if (kind == CACHE_BYTES)
		return pgfirst_kv_bytea(entry->value);
	error_context_stack = &context;
	result = kind == CACHE_JSON
	             ? result_json(entry->value)
	             : pgfirst_kv_text(entry->value, "cache.get_bytes returns it as bytea.");
	error_context_stack = context.previous;
	return result;
}

/* ---- arguments --------------------------------------------------------------------------- */

int64
cache_expiry(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? 0
	                       : pgfirst_kv_expiry(PG_GETARG_DATUM(n), pgfirst_clock_wall_ms(),
	                                           "cache.delete deletes an entry.");
}

void
cache_refuse_null(FunctionCallInfo fcinfo, int n, const char *function)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
		        (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
		         errmsg("only ttl may be null in cache.%s", function),
		         errhint("cache.delete deletes an entry; a ttl that is null means for ever.")));
}

void
pgfirst_cache_init(void)
{
	DefineCustomIntVariable("pgfirst.cache_database",
	                        "Sets the numbered database that the functions of cache are about.",
	                        "The same number in a redis:// URL shows the same entries.",
	                        &pgfirst_cache_database, 1, 0, 15, PGC_SUSET, 0, NULL, NULL, NULL);
	cache_cleanup_init();
}
