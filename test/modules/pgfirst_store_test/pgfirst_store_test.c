/* SPDX-License-Identifier: PostgreSQL
 *
 * pgfirst_store_test.c: the contract of the store, callable from SQL.
 *
 * Nothing but store.h is used, through the table that the library publishes; so the test runs
 * unchanged against whatever implements the header.  A store's durability follows from the first
 * letter of its name: r relaxed, v volatile, anything else durable.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/uuid.h"

#include "store/store_api.h"

#include "body.h"

PG_MODULE_MAGIC;

#define GARBAGE_KIND 77

static const PgfirstStoreApi *
api(void)
{
	const PgfirstStoreApi *table = *find_rendezvous_variable(PGFIRST_STORE_API);

	if (table == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("pgfirst is not loaded")));
	return table;
}

static PgfirstStore *
open_store(Oid relation, bool for_write, bool wait)
{
	char *name = get_rel_name(relation);
	PgfirstDurability durability = name == NULL     ? PGFIRST_DURABLE
	                               : name[0] == 'r' ? PGFIRST_RELAXED
	                               : name[0] == 'v' ? PGFIRST_VOLATILE
	                                                : PGFIRST_DURABLE;

	return api()->store_open(relation, durability, for_write, wait);
}

static PgfirstId
arg_id(Datum datum)
{
	PgfirstId id;

	memcpy(id.bytes, DatumGetUUIDP(datum)->data, sizeof(id.bytes));
	return id;
}

static Datum
id_datum(const PgfirstId *id)
{
	pg_uuid_t *uuid = palloc(sizeof(pg_uuid_t));

	memcpy(uuid->data, id->bytes, sizeof(uuid->data));
	return UUIDPGetDatum(uuid);
}

static Size
arg_limit(int64 bytes)
{
	return bytes < 0 ? SIZE_MAX : (Size) bytes;
}

static char *
record_text(const PgfirstRecord *record, Size limit)
{
	return psprintf("%d,%lld,%zu,%llx", record->kind, (long long) record->expiry, record->length,
	                (unsigned long long) body_sum(record->data, Min(limit, record->length)));
}

PG_FUNCTION_INFO_V1(test_make);
Datum
test_make(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(
	    api()->store_create("public", text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_BOOL(1)));
}

PG_FUNCTION_INFO_V1(test_open);
Datum
test_open(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(open_store(PG_GETARG_OID(0), PG_GETARG_BOOL(1), PG_GETARG_BOOL(2)) != NULL);
}

PG_FUNCTION_INFO_V1(test_lock);
Datum
test_lock(PG_FUNCTION_ARGS)
{
	PgfirstId id = arg_id(PG_GETARG_DATUM(1));

	PG_RETURN_BOOL(api()->store_lock(open_store(PG_GETARG_OID(0), true, true), &id,
	                                 PG_GETARG_BOOL(2), PG_GETARG_BOOL(3)));
}

PG_FUNCTION_INFO_V1(test_holder);
Datum
test_holder(PG_FUNCTION_ARGS)
{
	PgfirstId id = arg_id(PG_GETARG_DATUM(1));

	PG_RETURN_INT32(api()->store_lock_holder(open_store(PG_GETARG_OID(0), true, true), &id));
}

PG_FUNCTION_INFO_V1(test_get);
Datum
test_get(PG_FUNCTION_ARGS)
{
	PgfirstId id = arg_id(PG_GETARG_DATUM(1));
	Size limit = arg_limit(PG_GETARG_INT64(2));
	PgfirstStore *store = open_store(PG_GETARG_OID(0), false, true);
	PgfirstRecord record;

	if (PG_GETARG_BOOL(3))
		api()->store_position_reset();
	if (!api()->store_get(store, &id, limit, &record))
		PG_RETURN_NULL();
	if (memcmp(record.id.bytes, id.bytes, sizeof(id.bytes)) != 0)
		elog(ERROR, "another record came back");
	PG_RETURN_TEXT_P(cstring_to_text(record_text(&record, limit)));
}

PG_FUNCTION_INFO_V1(test_put);
Datum
test_put(PG_FUNCTION_ARGS)
{
	PgfirstRecord record = {.id = arg_id(PG_GETARG_DATUM(1)),
	                        .kind = (uint16) PG_GETARG_INT32(2),
	                        .expiry = PG_GETARG_INT64(3),
	                        .length = (Size) PG_GETARG_INT64(5)};
	char *data = MemoryContextAllocHuge(CurrentMemoryContext, record.length + 8);

	body_fill(data, record.length, (uint64) PG_GETARG_INT64(4));
	record.data = data;
	api()->store_put(open_store(PG_GETARG_OID(0), true, true), &record);
	/* The bytes were copied: what becomes of ours must not matter. */
	memset(data, 0x7f, record.length);
	pfree(data);
	PG_RETURN_BOOL(true);
}

PG_FUNCTION_INFO_V1(test_expire);
Datum
test_expire(PG_FUNCTION_ARGS)
{
	PgfirstId id = arg_id(PG_GETARG_DATUM(1));

	PG_RETURN_BOOL(
	    api()->store_expire(open_store(PG_GETARG_OID(0), true, true), &id, PG_GETARG_INT64(2)));
}

PG_FUNCTION_INFO_V1(test_delete);
Datum
test_delete(PG_FUNCTION_ARGS)
{
	PgfirstId id = arg_id(PG_GETARG_DATUM(1));

	PG_RETURN_BOOL(api()->store_delete(open_store(PG_GETARG_OID(0), true, true), &id));
}

/* The next place that is behind the record that was returned; NULL if none is left. */
static const PgfirstId *
seek_behind(const PgfirstId *record, Datum *places, int count, int *at, PgfirstId *place)
{
	while (*at < count)
	{
		*place = arg_id(places[(*at)++]);
		if (memcmp(place->bytes, record->bytes, sizeof(place->bytes)) > 0)
			return place;
	}
	return NULL;
}

/* With places the walk is one over parts, and goes on at the next of them after each record. */
PG_FUNCTION_INFO_V1(test_walk);
Datum
test_walk(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext row = AllocSetContextCreate(CurrentMemoryContext, "row", ALLOCSET_DEFAULT_SIZES);
	Size limit = arg_limit(PG_GETARG_INT64(2));
	PgfirstStore *store = open_store(PG_GETARG_OID(0), false, true);
	PgfirstId from, place;
	Datum *places = NULL;
	int count = 0;
	int at = 0;
	PgfirstWalk *walk;
	PgfirstRecord record;

	InitMaterializedSRF(fcinfo, 0);
	if (!PG_ARGISNULL(1))
		from = arg_id(PG_GETARG_DATUM(1));
	if (!PG_ARGISNULL(3))
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(3), UUIDOID, UUID_LEN, false, TYPALIGN_CHAR,
		                  &places, NULL, &count);
	api()->store_position_reset();
	walk = (count > 0 ? api()->store_walk_parts
	                  : api()->store_walk)(store, PG_ARGISNULL(1) ? NULL : &from, limit);
	for (;;)
	{
		MemoryContext old = MemoryContextSwitchTo(row);
		bool more = api()->walk_next(walk, &record);

		if (more)
		{
			Datum values[2] = {id_datum(&record.id),
			                   CStringGetTextDatum(record_text(&record, limit))};
			bool nulls[2] = {false, false};

			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
			if (seek_behind(&record.id, places, count, &at, &place))
				api()->walk_seek(walk, &place);
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(row);
		if (!more)
			break;
	}
	api()->walk_end(walk);
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(test_sample);
Datum
test_sample(PG_FUNCTION_ARGS)
{
	PgfirstStore *store = open_store(PG_GETARG_OID(0), false, true);
	PgfirstId first = arg_id(PG_GETARG_DATUM(1));
	PgfirstRecord record;

	if (!api()->store_sample(store, &first, &record))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(
	    psprintf("%s %s", DatumGetCString(DirectFunctionCall1(uuid_out, id_datum(&record.id))),
	             record_text(&record, SIZE_MAX))));
}

/* Numbers that no two calls share, spread over all that there are. */
PG_FUNCTION_INFO_V1(test_incarnation);
Datum
test_incarnation(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64((int64) api()->store_incarnation(open_store(PG_GETARG_OID(0), true, true)));
}

static bool
is_garbage(const PgfirstRecord *record, void *context)
{
	return record->kind == GARBAGE_KIND;
}

static Datum
row_datum(FunctionCallInfo fcinfo, Datum *values, int count)
{
	bool nulls[8] = {false};
	TupleDesc descriptor;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE ||
	    descriptor->natts != count)
		elog(ERROR, "wrong result type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

PG_FUNCTION_INFO_V1(test_sweep);
Datum
test_sweep(PG_FUNCTION_ARGS)
{
	PgfirstId cursor = arg_id(PG_GETARG_DATUM(1));
	PgfirstSweep sweep;
	Datum values[5];

	api()->store_position_reset();
	sweep =
	    api()->store_sweep(open_store(PG_GETARG_OID(0), true, true), &cursor,
	                       (uint64) PG_GETARG_INT64(2), PG_GETARG_INT64(3), is_garbage, NULL, 0);
	values[0] = Int64GetDatum((int64) sweep.seen);
	values[1] = Int64GetDatum((int64) sweep.deleted);
	values[2] = BoolGetDatum(sweep.wrapped);
	values[3] = id_datum(&cursor);
	values[4] = Int64GetDatum((int64) sweep.garbage);
	return row_datum(fcinfo, values, 5);
}

/* A whole pass; how many pages were merged. */
PG_FUNCTION_INFO_V1(test_tidy);
Datum
test_tidy(PG_FUNCTION_ARGS)
{
	PgfirstStore *store = open_store(PG_GETARG_OID(0), true, true);
	PgfirstTidyCursor cursor = {{0}};
	PgfirstTidy tidy;
	int64 merged = 0;

	do
	{
		tidy = api()->store_tidy(store, &cursor, 64);
		merged += tidy.merged;
	} while (!tidy.wrapped);
	PG_RETURN_INT64(merged);
}

static void
check_problem(uint32 block, const char *words, void *context)
{
	appendStringInfo((StringInfo) context, "%spage %u: %s", ((StringInfo) context)->len ? "; " : "",
	                 block, words);
}

PG_FUNCTION_INFO_V1(test_check);
Datum
test_check(PG_FUNCTION_ARGS)
{
	StringInfoData problems;
	PgfirstCheck check = {.problem = check_problem, .context = &problems};

	initStringInfo(&problems);
	if (!api()->store_check(open_store(PG_GETARG_OID(0), true, true), true, &check))
		elog(ERROR, "waited, and could not check");
	PG_RETURN_TEXT_P(cstring_to_text(problems.data));
}

typedef struct Census
{
	int64 records;
	int64 expiries;
	int at_rest;
} Census;

static void
census_at_rest(void *context)
{
	((Census *) context)->at_rest++;
}

static void
census_each(const PgfirstRecord *record, void *context)
{
	((Census *) context)->records++;
	((Census *) context)->expiries += record->expiry;
}

PG_FUNCTION_INFO_V1(test_census);
Datum
test_census(PG_FUNCTION_ARGS)
{
	Census census = {0};
	Datum values[3];

	if (!api()->store_census(open_store(PG_GETARG_OID(0), false, true), 0, PG_GETARG_BOOL(1),
	                         census_at_rest, census_each, &census))
		PG_RETURN_NULL();
	values[0] = Int64GetDatum(census.records);
	values[1] = Int64GetDatum(census.expiries);
	values[2] = Int32GetDatum(census.at_rest);
	return row_datum(fcinfo, values, 3);
}

PG_FUNCTION_INFO_V1(test_changed);
Datum
test_changed(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(api()->store_changed());
}

PG_FUNCTION_INFO_V1(test_room);
Datum
test_room(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(api()->store_room((Size) PG_GETARG_INT64(0)));
}

PG_FUNCTION_INFO_V1(test_position);
Datum
test_position(PG_FUNCTION_ARGS)
{
	PG_RETURN_LSN(api()->store_position());
}

PG_FUNCTION_INFO_V1(test_reset);
Datum
test_reset(PG_FUNCTION_ARGS)
{
	api()->store_position_reset();
	PG_RETURN_VOID();
}

/* ---- the observer ----------------------------------------------------------------------------- */

static StringInfo observations;

static void
observer(Oid relation, const PgfirstRecord *before, const PgfirstRecord *after)
{
	const PgfirstRecord *record = after ? after : before;

	appendStringInfo(observations, "%s%s %02x:", observations->len ? "; " : "",
	                 get_rel_name(relation), record->id.bytes[15]);
	if (before)
		appendStringInfo(observations, " %d,%lld,%zu", before->kind, (long long) before->expiry,
		                 before->length);
	appendStringInfoString(observations, " ->");
	if (after)
		appendStringInfo(observations, " %d,%lld,%zu", after->kind, (long long) after->expiry,
		                 after->length);
}

PG_FUNCTION_INFO_V1(test_observe);
Datum
test_observe(PG_FUNCTION_ARGS)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	observations = makeStringInfo();
	MemoryContextSwitchTo(old);
	api()->store_observe(PG_GETARG_BOOL(0) ? observer : NULL, 4);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(test_observed);
Datum
test_observed(PG_FUNCTION_ARGS)
{
	text *all = cstring_to_text(observations->data);

	resetStringInfo(observations);
	PG_RETURN_TEXT_P(all);
}

/* ---- many at once ----------------------------------------------------------------------------- */

PG_FUNCTION_INFO_V1(test_count_up);
Datum
test_count_up(PG_FUNCTION_ARGS)
{
	PgfirstStore *store = open_store(PG_GETARG_OID(0), true, true);
	PgfirstId id = arg_id(PG_GETARG_DATUM(1));
	PgfirstRecord record;

	/* Read before the lock, on purpose: what is read after it must be newer. */
	api()->store_position_reset();
	(void) api()->store_get(store, &id, SIZE_MAX, &record);
	if (!api()->store_lock(store, &id, true, true))
		elog(ERROR, "waited, and did not get the lock");
	if (!api()->store_get(store, &id, SIZE_MAX, &record))
	{
		memset(&record, 0, sizeof(record));
		record.id = id;
		record.data = "";
	}
	record.expiry++;
	api()->store_put(store, &record);
	PG_RETURN_INT64(record.expiry);
}

PG_FUNCTION_INFO_V1(test_put_position);
Datum
test_put_position(PG_FUNCTION_ARGS)
{
	PgfirstStore *store = open_store(PG_GETARG_OID(0), true, true);
	PgfirstRecord record = {.id = arg_id(PG_GETARG_DATUM(1)), .kind = 1, .data = "", .length = 0};

	if (!api()->store_lock(store, &record.id, true, true))
		elog(ERROR, "waited, and did not get the lock");
	record.expiry = (int64) GetXLogInsertRecPtr();
	api()->store_put(store, &record);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(test_check_positions);
Datum
test_check_positions(PG_FUNCTION_ARGS)
{
	PgfirstStore *store = open_store(PG_GETARG_OID(0), false, true);
	PgfirstId id = arg_id(PG_GETARG_DATUM(1));
	bool good = true;

	for (int i = 0; good && i < PG_GETARG_INT32(2); i++)
	{
		PgfirstRecord record;
		bool found;

		CHECK_FOR_INTERRUPTS();
		api()->store_position_reset();
		if (PG_GETARG_BOOL(3))
		{
			PgfirstWalk *walk = api()->store_walk(store, &id, 0);

			/* Of what comes first: before the record is there, that is another one. */
			found = api()->walk_next(walk, &record) &&
			        memcmp(record.id.bytes, id.bytes, sizeof(id.bytes)) == 0;
			api()->walk_end(walk);
		}
		else
			found = api()->store_get(store, &id, 0, &record);

		/* It was put before its commit record was written. */
		good = !found || api()->store_position() > (XLogRecPtr) record.expiry;
	}
	PG_RETURN_BOOL(good);
}

/* ---- stopping at a point ------------------------------------------------------------------------ */

static struct
{
	char name[64];
	int64 lock;
} stop;

static void
stop_here(const char *name)
{
	if (strcmp(name, stop.name) != 0)
		return;
	stop.name[0] = '\0';
	DirectFunctionCall1(pg_advisory_lock_int8, Int64GetDatum(stop.lock));
	DirectFunctionCall1(pg_advisory_unlock_int8, Int64GetDatum(stop.lock));
}

PG_FUNCTION_INFO_V1(test_stop_at);
Datum
test_stop_at(PG_FUNCTION_ARGS)
{
	PgfirstStoreWatch *watch = *find_rendezvous_variable(PGFIRST_STORE_WATCH);

	strlcpy(stop.name, text_to_cstring(PG_GETARG_TEXT_PP(0)), sizeof(stop.name));
	stop.lock = PG_GETARG_INT64(1);
	watch->point = stop_here;
	PG_RETURN_VOID();
}
