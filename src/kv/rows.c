/* SPDX-License-Identifier: PostgreSQL
 *
 * rows.c: what of a store's records are rows, and what becomes of rows; see store.h.
 *
 * A row is a living key of the present epoch: neither what FLUSHDB has emptied nor what has expired comes
 * back out of a dump.  The record of the epoch is no row.  A row that is inserted becomes a key of the
 * epoch of the table that it is inserted into, placed by this cluster's secret; so nothing in a
 * dump depends on where it was made, and a table may have another name.
 *
 * The epoch is read when a scan meets the first key, and again when it meets a key of a later one.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/clock.h"
#include "kv/database.h"
#include "kv/ready.h"
#include "kv/rows.h"
#include "kv/type/elements.h"
#include "kv/type/key.h"

typedef struct RowsReader
{
	PgfirstStore *store;
	KvSpace space;
	bool space_known;
} RowsReader;

static void
rows_need_databases(void)
{
	if (kv_databases_ready(true) != KV_READY)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
		                errmsg("extension pgfirst_kv is not installed in this database"),
		                errdetail("Its secret places the keys of every store."),
		                errhint("CREATE EXTENSION pgfirst CASCADE installs it.")));
}

static void *
rows_reader(PgfirstStore *store)
{
	RowsReader *reader = palloc0(sizeof(RowsReader));

	reader->store = store;
	return reader;
}

/*
 * Reads all of a collection whose record a scan has met, as of one moment, which is now: by then the key may be
 * another.  False if it is gone.
 */
static bool
rows_gather(KvSpace *space, const PgfirstRecord *record, KvEntry *entry)
{
	PgfirstId id = record->id;
	bool there;

	do
	{
		int64 now_ms = pgfirst_clock_wall_ms();
		PgfirstRecord now;
		KvElements elements;

		CHECK_FOR_INTERRUPTS();
		pgfirst_store_together_begin(space->store);
		there = pgfirst_store_get(space->store, &id, SIZE_MAX, &now) &&
		        kv_record_entry(space, &now, now_ms, entry);
		if (!there || entry->layout != KV_LAYOUT_PAGED)
			continue;
		there = kv_elements_find_key(space, entry->key, entry->type, now_ms, &elements);
		if (there)
		{
			entry->value = kv_elements_dump(&elements);
			entry->value_length = entry->value.length;
		}
	} while (!pgfirst_store_together_end());
	return there;
}

static bool
rows_row(void *context, const PgfirstRecord *record, PgfirstRow *row)
{
	RowsReader *reader = context;
	KvEntry entry;
	KvHead head;

	if (record->kind != KV_KIND_DIRECTORY)
		return false;
	kv_record_head(record, &head);
	if (!reader->space_known || reader->space.tenant != head.tenant)
	{
		rows_need_databases();
		kv_space_of_store(&reader->space, reader->store, head.tenant, false);
		reader->space_known = true;
	}
	if (head.epoch > reader->space.epoch)
		kv_space_refresh(&reader->space);
	if (!kv_record_entry(&reader->space, record, pgfirst_clock_wall_ms(), &entry))
		return false;
	if (entry.layout == KV_LAYOUT_PAGED && !rows_gather(&reader->space, record, &entry))
		return false;
	*row = (PgfirstRow){.tenant = (int32) head.tenant,
	                    .key = entry.key.data,
	                    .key_length = entry.key.length,
	                    .type = kv_type_name(entry.type),
	                    .expiry = entry.expiry,
	                    .payload = entry.value.data,
	                    .payload_length = entry.value_length};
	return true;
}

static void
rows_record(PgfirstStore *store, const PgfirstRow *row, PgfirstRecord *record)
{
	KvType type = kv_type_of((RespSlice){row->type, strlen(row->type)});
	RespSlice key = {row->key, row->key_length};
	RespSlice payload = {row->payload, row->payload_length};
	KvSpace space;

	rows_need_databases();
	if (type == KV_TYPE_NONE)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
		                errmsg("a key cannot have the type \"%s\"", row->type),
		                errhint("This version of pgfirst knows string, hash, set, list, zset "
		                        "and stream.")));
	if (row->key_length > KV_KEY_MAX || row->payload_length > KV_VALUE_MAX)
		ereport(ERROR,
		        (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("a key or its value is too long"),
		         errdetail("Each has at most %zu bytes.", Min(KV_KEY_MAX, KV_VALUE_MAX))));
	kv_space_of_store(&space, store, (uint32) row->tenant, true);
	if (type == KV_TYPE_STRING)
		kv_key_record(&space, key, payload, row->expiry, record);
	else
		kv_elements_restore(&space, key, type, payload, row->expiry, record);
	if (kv_type_is_waited_for(type))
		kv_ready_note(&space, key);
}

void
kv_rows_init(void)
{
	static const PgfirstRowCodec codec = {
	    .change_hint = "Keys are changed by kv.set and kv.del, and through the Redis door.",
	    .reader = rows_reader,
	    .row = rows_row,
	    .record = rows_record};

	pgfirst_store_rows(&codec);
}
