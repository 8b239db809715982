/* SPDX-License-Identifier: PostgreSQL
 *
 * sql_stream.c: the commands on streams as functions of SQL: kv.xadd, kv.xrange and the like; see sql_elements.h.
 *
 * Ids are text, as they are to Redis's clients. An entry is a row, and its pairs, which have an order and may repeat a field, are
 * two arrays.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/compat.h"
#include "kv/cmd/stream.h"
#include "kv/sql_elements.h"
#include "kv/type/packed.h"

PGFIRST_FUNCTION(pgfirst_kv_stream_of);
PGFIRST_FUNCTION(pgfirst_kv_xadd);
PGFIRST_FUNCTION(pgfirst_kv_xdel);
PGFIRST_FUNCTION(pgfirst_kv_xdel_many);
PGFIRST_FUNCTION(pgfirst_kv_xlen);
PGFIRST_FUNCTION(pgfirst_kv_xrange);
PGFIRST_FUNCTION(pgfirst_kv_xtrim);
PGFIRST_FUNCTION(pgfirst_kv_xtrim_minid);

/* Opens the stream that argument 0 is for a change. */
static KvStream *
stream_open(FunctionCallInfo fcinfo, int db, PgfirstKvAccess access, KvElements *elements)
{
	kv_sql_open_locked(fcinfo, db, access, KV_TYPE_STREAM, elements);
	return &elements->of.stream;
}

/* ---- ids --------------------------------------------------------------------------------- */

static void
refuse_id(RespSlice id)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
	                errmsg("\"%.*s\" is not the ID of an entry", (int) Min(id.length, 64), id.data),
	                errhint("An ID is milliseconds and a number, such as 1700000000000-0.")));
}

static KvStreamId
id_of(RespSlice slice)
{
	KvStreamId id;

	if (!kv_stream_id_parse(slice, 0, &id, NULL))
		refuse_id(slice);
	return id;
}

/* Argument n as an end of a range; false if no id is in it. */
static bool
argument_bound(FunctionCallInfo fcinfo, int n, bool start, KvStreamId *id)
{
	RespSlice slice = kv_sql_value(fcinfo, n);
	KvStreamBound bound = kv_stream_bound_parse(slice, start, id);

	if (bound == KV_STREAM_BOUND_WRONG)
		refuse_id(slice);
	return bound == KV_STREAM_BOUND;
}

/* ---- changing ---------------------------------------------------------------------------- */

static void
choose_id(const KvStream *stream, KvStreamNewId *wanted)
{
	KvStreamChoice choice = kv_stream_choose_id(stream, pgfirst_clock_wall_ms(), wanted);
	char last[KV_STREAM_ID_TEXT];

	if (choice == KV_STREAM_ID_NONE_LEFT)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		                errmsg("the stream has had the highest ID and takes no more entries")));
	if (choice == KV_STREAM_ID_CHOSEN)
		return;
	kv_stream_id_format(stream->at.head.last, last);
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
	                errmsg("the ID of an entry must be higher than the last one"),
	                errdetail("The last ID of the stream is %s.", last)));
}

/* kv.xadd(key, field or fields, value or values, db, id) -> text: the id that it has. */
Datum
pgfirst_kv_xadd(PG_FUNCTION_ARGS)
{
	KvSlices fields = kv_sql_slices(fcinfo, 1, false);
	KvSlices values = kv_sql_slices(fcinfo, 2, false);
	RespSlice id = kv_sql_value(fcinfo, 4);
	char shown[KV_STREAM_ID_TEXT];
	KvElements elements;
	KvStreamNewId wanted;
	RespSlice entry;
	KvStream *stream;
	Size pairs = 0;
	char *end;

	if (fields.count != values.count)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("there are %d fields and %d values", fields.count, values.count)));
	if (fields.count == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("an entry needs a field at least")));
	if (!kv_stream_new_id_parse(id, &wanted))
		refuse_id(id);
	stream = stream_open(fcinfo, 3, PGFIRST_KV_GROW, &elements);
	choose_id(stream, &wanted);
	for (int i = 0; i < fields.count; i++)
		pairs += kv_packed_size(fields.at[i], values.at[i]);
	entry = kv_stream_entry_new(wanted.id, pairs, &end);
	for (int i = 0; i < fields.count; i++)
		end = kv_packed_write(end, fields.at[i], values.at[i]);
	kv_stream_append(stream, entry);
	kv_stream_close(stream);
	kv_stream_id_format(wanted.id, shown);
	PG_RETURN_TEXT_P(cstring_to_text(shown));
}

/* (key, id or ids, db): how many were there. */
static int64
delete_entries(FunctionCallInfo fcinfo)
{
	KvSlices slices = kv_sql_slices(fcinfo, 1, false);
	KvElements elements;
	KvStreamId *ids = palloc(Max(slices.count, 1) * sizeof(*ids));
	KvStream *stream;
	uint64 deleted;

	for (int i = 0; i < slices.count; i++)
		ids[i] = id_of(slices.at[i]);
	stream = stream_open(fcinfo, 2, PGFIRST_KV_WRITE, &elements);
	deleted = kv_stream_delete(stream, ids, (Size) slices.count);
	kv_stream_close(stream);
	return (int64) deleted;
}

/* kv.xdel(key, id, db) -> boolean */
Datum
pgfirst_kv_xdel(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(delete_entries(fcinfo) > 0);
}

/* kv.xdel(key, ids, db) -> bigint */
Datum
pgfirst_kv_xdel_many(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(delete_entries(fcinfo));
}

static int64
drop(KvStream *stream, uint64 count)
{
	kv_stream_drop(stream, count);
	kv_stream_close(stream);
	return (int64) count;
}

/* kv.xtrim(key, maxlen, db) -> bigint: how many it took away. */
Datum
pgfirst_kv_xtrim(PG_FUNCTION_ARGS)
{
	int64 most = PG_GETARG_INT64(1);
	KvElements elements;
	KvStream *stream;

	if (most < 0)
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("maxlen must not be negative")));
	stream = stream_open(fcinfo, 2, PGFIRST_KV_WRITE, &elements);
	PG_RETURN_INT64(
	    drop(stream, kv_stream_count(stream) - Min(kv_stream_count(stream), (uint64) most)));
}

/* kv.xtrim(key, minid, db) -> bigint: how many it took away. */
Datum
pgfirst_kv_xtrim_minid(PG_FUNCTION_ARGS)
{
	KvStreamId id = id_of(kv_sql_value(fcinfo, 1));
	KvElements elements;
	KvStream *stream = stream_open(fcinfo, 2, PGFIRST_KV_WRITE, &elements);

	PG_RETURN_INT64(drop(stream, kv_stream_count_before(stream, id, PG_UINT64_MAX)));
}

/* ---- reading ----------------------------------------------------------------------------- */

static void
read_nothing(KvSqlRead *call)
{
}

/* kv.xlen(key, db) -> bigint */
Datum
pgfirst_kv_xlen(PG_FUNCTION_ARGS)
{
	KvSqlRead call = {.fcinfo = fcinfo, .type = KV_TYPE_STREAM, .read = read_nothing};

	kv_sql_read(&call, 1);
	PG_RETURN_INT64((int64) kv_stream_count(&call.elements.of.stream));
}

/* The next column: the fields of an entry, or the values; as text NULL in place of what is not valid UTF-8. */
static void
put_pairs(KvSqlRows *rows, RespSlice pairs, bool values, bool as_text)
{
	MemoryContext old = MemoryContextSwitchTo(rows->row);
	KvSqlArray array;
	KvPacked pair;
	int count = 0;

	for (Size at = 0; kv_packed_next(pairs.data, pairs.length, at, &pair); at = pair.end)
		count++;
	array = kv_sql_array(count);
	count = 0;
	for (Size at = 0; kv_packed_next(pairs.data, pairs.length, at, &pair); at = pair.end)
	{
		RespSlice slice = values ? pair.value : pair.member;

		array.nulls[count] = as_text && !pgfirst_kv_is_text(slice);
		array.values[count] = array.nulls[count] ? (Datum) 0
		                      : as_text          ? pgfirst_kv_text(slice, "")
		                                         : pgfirst_kv_bytea(slice);
		count++;
	}
	kv_sql_put(rows, kv_sql_array_datum(&array, as_text ? TEXTOID : BYTEAOID));
	MemoryContextSwitchTo(old);
}

static void
put_entry(KvSqlRows *rows, RespSlice entry, bool both)
{
	MemoryContext old = MemoryContextSwitchTo(rows->row);
	RespSlice pairs = kv_stream_entry_pairs(entry);
	char id[KV_STREAM_ID_TEXT];

	kv_stream_id_format(kv_stream_entry_id(entry), id);
	kv_sql_put(rows, CStringGetTextDatum(id));
	MemoryContextSwitchTo(old);
	if (both)
	{
		put_pairs(rows, pairs, false, true);
		put_pairs(rows, pairs, true, true);
	}
	put_pairs(rows, pairs, false, false);
	put_pairs(rows, pairs, true, false);
	kv_sql_row_end(rows);
}

static void
put_range(KvSqlRead *call, KvStreamId from, KvStreamId to, bool back, uint64 most)
{
	KvStream *stream = &call->elements.of.stream;
	KvStreamWalk walk;
	RespSlice entry;

	if (kv_stream_count(stream) == 0 || kv_stream_id_compare(from, to) > 0)
		return;
	kv_stream_walk(stream, from, to, back, &walk);
	for (; most > 0 && kv_stream_next(&walk, &entry); most--)
		put_entry(&call->rows, entry, call->lenient);
	kv_stream_walk_end(&walk);
}

static void
read_range(KvSqlRead *call)
{
	FunctionCallInfo fcinfo = call->fcinfo;
	int64 count = PG_GETARG_INT64(5);
	KvStreamId from, to;
	bool any = argument_bound(fcinfo, 1, true, &from);

	if (argument_bound(fcinfo, 2, false, &to) && any)
		put_range(call, from, to, PG_GETARG_BOOL(4), count < 0 ? PG_UINT64_MAX : (uint64) count);
}

/* kv.xrange(key, start, stop, db, rev, count): (id, fields, field_values) of each */
Datum
pgfirst_kv_xrange(PG_FUNCTION_ARGS)
{
	return kv_sql_read_rows(fcinfo, 3, KV_TYPE_STREAM, read_range);
}

static void
read_all(KvSqlRead *call)
{
	put_range(call, (KvStreamId){0, 0}, KV_STREAM_ID_MAX, false, PG_UINT64_MAX);
}

/* Behind the view kv.stream_entries: (id, fields, field_values, fields_bytes, field_values_bytes) of one key. */
Datum
pgfirst_kv_stream_of(PG_FUNCTION_ARGS)
{
	return kv_sql_read_view(fcinfo, KV_TYPE_STREAM, read_all);
}
