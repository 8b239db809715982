/* SPDX-License-Identifier: PostgreSQL
 *
 * entry.c: one entry: cache.get, set, add, touch and delete.
 *
 * What depends on whether the entry is there (add, touch, delete) locks it first and looks after that, so of
 * two sessions that add the same one the second waits, and is told false if the first commits.
 */
#include "postgres.h"

#include "fmgr.h"

#include "base/clock.h"
#include "base/compat.h"
#include "cache/cache_int.h"

PGFIRST_FUNCTION(pgfirst_cache_get);
PGFIRST_FUNCTION(pgfirst_cache_get_json);
PGFIRST_FUNCTION(pgfirst_cache_get_bytes);
PGFIRST_FUNCTION(pgfirst_cache_set);
PGFIRST_FUNCTION(pgfirst_cache_set_json);
PGFIRST_FUNCTION(pgfirst_cache_set_bytes);
PGFIRST_FUNCTION(pgfirst_cache_add);
PGFIRST_FUNCTION(pgfirst_cache_add_json);
PGFIRST_FUNCTION(pgfirst_cache_add_bytes);
PGFIRST_FUNCTION(pgfirst_cache_touch);
PGFIRST_FUNCTION(pgfirst_cache_delete);

/* ---- get --------------------------------------------------------------------------------- */

static Datum
entry_get(FunctionCallInfo fcinfo, CacheKind kind)
{
	RespSlice key = cache_key(PG_GETARG_DATUM(0));
	PgfirstKv *kv = cache_open(PGFIRST_KV_READ);
	PgfirstKvEntry entry;
	bool found = pgfirst_kv_read(kv, key, pgfirst_clock_wall_ms(), &entry);

	pgfirst_kv_count_lookups(kv, found, !found);
	if (!found)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(cache_result(&entry, kind));
}

/* cache.get(key) -> text; NULL if there is no such entry, an error if it is not UTF-8. */
Datum
pgfirst_cache_get(PG_FUNCTION_ARGS)
{
	return entry_get(fcinfo, CACHE_TEXT);
}

/* cache.get_json(key) -> jsonb; an error if it is not JSON. */
Datum
pgfirst_cache_get_json(PG_FUNCTION_ARGS)
{
	return entry_get(fcinfo, CACHE_JSON);
}

/* cache.get_bytes(key) -> bytea */
Datum
pgfirst_cache_get_bytes(PG_FUNCTION_ARGS)
{
	return entry_get(fcinfo, CACHE_BYTES);
}

/* ---- set, add ---------------------------------------------------------------------------- */

typedef struct EntryDraft
{
	RespSlice key;
	RespSlice value;
	int64 expiry;
} EntryDraft;

/* What the arguments (key, value, ttl) say. */
static EntryDraft
entry_draft(FunctionCallInfo fcinfo, CacheKind kind, const char *function)
{
	cache_refuse_null(fcinfo, 0, function);
	cache_refuse_null(fcinfo, 1, function);
	return (EntryDraft){.key = cache_key(PG_GETARG_DATUM(0)),
	                    .value = cache_value(PG_GETARG_DATUM(1), kind),
	                    .expiry = cache_expiry(fcinfo, 2)};
}

static Datum
entry_set(FunctionCallInfo fcinfo, CacheKind kind)
{
	EntryDraft draft = entry_draft(fcinfo, kind, "set");
	PgfirstKv *kv = cache_open(PGFIRST_KV_GROW);

	pgfirst_kv_lock(kv, &draft.key, 1, false);
	pgfirst_kv_put(kv, draft.key, draft.value, draft.expiry);
	PG_RETURN_VOID();
}

static Datum
entry_add(FunctionCallInfo fcinfo, CacheKind kind)
{
	EntryDraft draft = entry_draft(fcinfo, kind, "add");
	PgfirstKv *kv = cache_open(PGFIRST_KV_GROW);
	PgfirstKvEntry entry;

	pgfirst_kv_lock(kv, &draft.key, 1, true);
	if (pgfirst_kv_find(kv, draft.key, pgfirst_clock_wall_ms(), &entry))
		PG_RETURN_BOOL(false);
	pgfirst_kv_put(kv, draft.key, draft.value, draft.expiry);
	PG_RETURN_BOOL(true);
}

/* cache.set(key, value, ttl): from commit on, for ttl or for ever. */
Datum
pgfirst_cache_set(PG_FUNCTION_ARGS)
{
	return entry_set(fcinfo, CACHE_TEXT);
}

Datum
pgfirst_cache_set_json(PG_FUNCTION_ARGS)
{
	return entry_set(fcinfo, CACHE_JSON);
}

Datum
pgfirst_cache_set_bytes(PG_FUNCTION_ARGS)
{
	return entry_set(fcinfo, CACHE_BYTES);
}

/* cache.add(key, value, ttl) -> boolean: whether it was absent, and has been set. */
Datum
pgfirst_cache_add(PG_FUNCTION_ARGS)
{
	return entry_add(fcinfo, CACHE_TEXT);
}

Datum
pgfirst_cache_add_json(PG_FUNCTION_ARGS)
{
	return entry_add(fcinfo, CACHE_JSON);
}

Datum
pgfirst_cache_add_bytes(PG_FUNCTION_ARGS)
{
	return entry_add(fcinfo, CACHE_BYTES);
}

/* ---- touch, delete ----------------------------------------------------------------------- */

/* Locks the entry of argument 0; whether it is there. */
static bool
entry_lock(PgfirstKv *kv, RespSlice key)
{
	PgfirstKvEntry entry;

	pgfirst_kv_lock(kv, &key, 1, true);
	return pgfirst_kv_find(kv, key, pgfirst_clock_wall_ms(), &entry);
}

/* cache.touch(key, ttl) -> boolean: whether it is there, and expires then from now on. */
Datum
pgfirst_cache_touch(PG_FUNCTION_ARGS)
{
	RespSlice key;
	int64 expiry;
	PgfirstKv *kv;

	cache_refuse_null(fcinfo, 0, "touch");
	key = cache_key(PG_GETARG_DATUM(0));
	expiry = cache_expiry(fcinfo, 1);
	kv = cache_open(PGFIRST_KV_WRITE);
	if (!entry_lock(kv, key))
		PG_RETURN_BOOL(false);
	pgfirst_kv_expire(kv, key, expiry);
	PG_RETURN_BOOL(true);
}

/* cache.delete(key) -> boolean: whether it was there. */
Datum
pgfirst_cache_delete(PG_FUNCTION_ARGS)
{
	RespSlice key = cache_key(PG_GETARG_DATUM(0));
	PgfirstKv *kv = cache_open(PGFIRST_KV_WRITE);

	if (!entry_lock(kv, key))
		PG_RETURN_BOOL(false);
	pgfirst_kv_delete(kv, key);
	PG_RETURN_BOOL(true);
}
