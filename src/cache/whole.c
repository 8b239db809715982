/* SPDX-License-Identifier: PostgreSQL
 *
 * whole.c: the cache as a whole: cache.clear, cache.stats, and the view cache.entries.
 *
 * Clearing is one record, whatever the number of entries, and waits for nobody who writes: the entries are
 * of an older epoch then, which nobody reads, and the sweep takes them away.  It is the FLUSHDB of Redis
 * clients, in the caller's transaction.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/clock.h"
#include "base/compat.h"
#include "cache/cache_int.h"

PGFIRST_FUNCTION(pgfirst_cache_clear);
PGFIRST_FUNCTION(pgfirst_cache_entries);
PGFIRST_FUNCTION(pgfirst_cache_stats);

/* cache.clear() */
Datum
pgfirst_cache_clear(PG_FUNCTION_ARGS)
{
	pgfirst_kv_flush(cache_open(PGFIRST_KV_WRITE));
	PG_RETURN_VOID();
}

/* ---- entries ----------------------------------------------------------------------------- */

#define ENTRIES_COLUMNS 5

static void
entries_row(const PgfirstKvEntry *entry, void *context)
{
	ReturnSetInfo *result = context;
	bool nulls[ENTRIES_COLUMNS] = {false};
	Datum values[ENTRIES_COLUMNS] = {0};

	nulls[0] = !pgfirst_kv_is_text(entry->key);
	if (!nulls[0])
		values[0] = pgfirst_kv_text(entry->key, "");
	values[1] = pgfirst_kv_bytea(entry->key);
	values[2] = CStringGetTextDatum(entry->type);
	values[3] = Int64GetDatum((int64) entry->value_length);
	nulls[4] = entry->expiry == 0;
	values[4] = TimestampTzGetDatum(pgfirst_kv_timestamp(entry->expiry));
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Behind cache.entries: (key, key_bytes, type, bytes, expires_at) of every entry that has not expired. */
Datum
pgfirst_cache_entries(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, 0);
	pgfirst_kv_each(cache_open(PGFIRST_KV_READ), pgfirst_clock_wall_ms(), entries_row,
	                fcinfo->resultinfo);
	return (Datum) 0;
}

/* ---- stats ------------------------------------------------------------------------------- */

static const char *
durability_name(PgfirstDurability durability)
{
	switch (durability)
	{
		case PGFIRST_DURABLE:
			return "durable";
		case PGFIRST_RELAXED:
			return "relaxed";
		case PGFIRST_VOLATILE:
			break;
	}
	return "volatile";
}

#define STATS_COLUMNS 8

/* cache.stats() -> (db, durability, entries, expiring, bytes, hits, misses, since) */
Datum
pgfirst_cache_stats(PG_FUNCTION_ARGS)
{
	PgfirstKv *kv = cache_open(PGFIRST_KV_READ);
	PgfirstKvSize size = pgfirst_kv_size(kv);
	PgfirstKvLookups lookups = pgfirst_kv_lookups(kv);
	bool nulls[STATS_COLUMNS] = {false};
	Datum values[STATS_COLUMNS];
	TupleDesc shape;

	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "cache.stats must return a row");
	values[0] = Int32GetDatum(pgfirst_cache_database);
	values[1] = CStringGetTextDatum(durability_name(pgfirst_kv_durability(kv)));
	values[2] = Int64GetDatum(size.keys);
	values[3] = Int64GetDatum(size.expires);
	values[4] = Int64GetDatum(size.bytes);
	values[5] = Int64GetDatum(lookups.hits);
	values[6] = Int64GetDatum(lookups.misses);
	values[7] = TimestampTzGetDatum(lookups.since);
	nulls[5] = nulls[6] = nulls[7] = !lookups.counted;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls)));
}
