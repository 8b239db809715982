/* SPDX-License-Identifier: PostgreSQL
 *
 * heap.c: a record is a row of an ordinary table.
 *
 *   id uuid PRIMARY KEY, kind int2, expiry int8, body bytea STORAGE EXTERNAL
 *
 * A uuid is ordered as memcmp orders its bytes.  The body comes last and is never compressed, so
 * that the head of a large one is fetched by a slice of its TOAST chunks, and so that a change of
 * the expiry alone writes the same TOAST pointer again and copies nothing.
 *
 * Everything goes through the table's and the index's access method and not through SPI.  One index
 * scan per store stays open for the whole transaction and is only given another id; between two
 * reads it holds no pin, because VACUUM waits for pins on index pages, and because a page that
 * somebody has pinned cannot be pruned, which is what keeps updates in place (HOT) from filling
 * the table.
 *
 * Rows are written by the executor's own helper for index entries, so that whatever indexes the
 * table has are right, also those that REINDEX CONCURRENTLY is building.  The indexes are opened
 * only when the first row needs them: an update that stays on its page needs none.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "executor/executor.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "store/store_int.h"
#include "store/table.h"

StaticAssertDecl(sizeof(PgfirstId) == UUID_LEN, "an id is stored as a uuid");

/* ---- reading ------------------------------------------------------------------------------- */

/* The row that stands in the slot. */
void
pgfirst_heap_row(TupleTableSlot *slot, StoreRow *row)
{
	slot_getsomeattrs(slot, STORE_COLUMNS);
	memcpy(row->id.bytes, DatumGetUUIDP(slot->tts_values[STORE_COLUMN_ID - 1])->data, UUID_LEN);
	row->kind = (uint16) DatumGetInt16(slot->tts_values[STORE_COLUMN_KIND - 1]);
	row->expiry = DatumGetInt64(slot->tts_values[STORE_COLUMN_EXPIRY - 1]);
	row->body = slot->tts_values[STORE_COLUMN_BODY - 1];
	row->tid = slot->tts_tid;
}

/* Brings in at most `limit` bytes of the row's body, into the current memory context. */
void
pgfirst_heap_record(const StoreRow *row, Size limit, PgfirstRecord *record)
{
	struct varlena *body = (struct varlena *) DatumGetPointer(row->body);
	Size length = toast_raw_datum_size(row->body) - VARHDRSZ;
	Size wanted = Min(limit, length);

	record->id = row->id;
	record->kind = row->kind;
	record->expiry = row->expiry;
	record->length = length;
	if (wanted == 0)
		record->data = "";
	else if (VARATT_IS_EXTERNAL(body) || VARATT_IS_COMPRESSED(body))
	{
		struct varlena *fetched =
		    wanted < length ? detoast_attr_slice(body, 0, (int32) wanted) : detoast_attr(body);

		record->data = VARDATA_ANY(fetched);
	}
	else
	{
		char *copy = palloc(wanted);

		memcpy(copy, VARDATA_ANY(body), wanted);
		record->data = copy;
	}
}

/*
 * Memory and resources that a scan takes while it goes on must last as long as the scan: not even
 * the search for one row may run in the caller's memory context or under its resource owner.
 */
static void
heap_scan_begin(PgfirstStore *store)
{
	if (store->slot == NULL)
		store->slot = table_slot_create(store->relation, NULL);
	if (store->scan == NULL)
		store->scan =
		    index_beginscan_compat(store->relation, store->index, pgfirst_snapshot(), 1, 0);
	store->scan->xs_snapshot = pgfirst_snapshot(); /* the one before may be gone */
}

bool
pgfirst_heap_find(PgfirstStore *store, const PgfirstId *id, StoreRow *row)
{
	ResourceOwner old_owner = CurrentResourceOwner;
	MemoryContext old = MemoryContextSwitchTo(pgfirst_store_context());
	ScanKeyData key;
	bool found;

	CurrentResourceOwner = pgfirst_store_owner();
	heap_scan_begin(store);
	store->scan_id = *id;
	ScanKeyInit(&key, STORE_COLUMN_ID, BTEqualStrategyNumber, F_UUID_EQ,
	            PointerGetDatum(&store->scan_id));
	index_rescan(store->scan, &key, 1, NULL, 0);
	found = index_getnext_slot(store->scan, ForwardScanDirection, store->slot);
	CurrentResourceOwner = old_owner;
	MemoryContextSwitchTo(old);

	store->read_id = *id;
	ItemPointerSetInvalid(&store->read_tid);
	if (found)
	{
		pgfirst_heap_row(store->slot, row);
		store->read_tid = row->tid;
	}
	return found;
}

/*
 * The same, when it is likely that the row stands at tid.  There may be any other row by now, or
 * none; if this one is visible and has the id, it is the one, because a snapshot sees one row of
 * an id.
 */
bool
pgfirst_heap_find_at(PgfirstStore *store, const PgfirstId *id, ItemPointer tid, StoreRow *row)
{
	if (ItemPointerIsValid(tid))
	{
		ResourceOwner old_owner = CurrentResourceOwner;
		MemoryContext old = MemoryContextSwitchTo(pgfirst_store_context());
		bool found;

		CurrentResourceOwner = pgfirst_store_owner();
		heap_scan_begin(store);
		found =
		    table_tuple_fetch_row_version(store->relation, tid, pgfirst_snapshot(), store->slot);
		CurrentResourceOwner = old_owner;
		MemoryContextSwitchTo(old);
		if (found)
		{
			pgfirst_heap_row(store->slot, row);
			if (store_id_compare(&row->id, id) == 0)
				return true;
		}
	}
	return pgfirst_heap_find(store, id, row);
}

/*
 * Lets go of the pins of the last find: those of the table's pages, and that of the index page,
 * which the scan keeps where the index is not logged and for which a VACUUM would wait.
 */
void
pgfirst_heap_release(PgfirstStore *store)
{
	ResourceOwner old = CurrentResourceOwner;

	CurrentResourceOwner = pgfirst_store_owner();
	ExecClearTuple(store->slot);
	index_rescan(store->scan, NULL, 1, NULL, 0);
	CurrentResourceOwner = old;
}

/* ---- writing ------------------------------------------------------------------------------- */

struct StoreWriter
{
	PgfirstStore *store;
	MemoryContext context; /* where the writer lives; records come and go in others */
	EState *estate;
	ResultRelInfo *target;
	TupleTableSlot *slot;
	bool indexes_open;
};

StoreWriter *
pgfirst_heap_writer(PgfirstStore *store)
{
	StoreWriter *writer = palloc0(sizeof(StoreWriter));

	writer->store = store;
	writer->context = CurrentMemoryContext;
	writer->slot = MakeSingleTupleTableSlot(RelationGetDescr(store->relation), &TTSOpsVirtual);
	return writer;
}

void
pgfirst_heap_writer_end(StoreWriter *writer)
{
	if (writer->indexes_open)
		ExecCloseIndices(writer->target);
	ExecDropSingleTupleTableSlot(writer->slot);
	if (writer->estate)
		FreeExecutorState(writer->estate);
	pfree(writer);
}

static void
writer_fill(StoreWriter *writer, const PgfirstId *id, uint16 kind, int64 expiry, Datum body)
{
	TupleTableSlot *slot = writer->slot;

	ExecClearTuple(slot);
	slot->tts_values[STORE_COLUMN_ID - 1] = PointerGetDatum(id->bytes);
	slot->tts_values[STORE_COLUMN_KIND - 1] = Int16GetDatum((int16) kind);
	slot->tts_values[STORE_COLUMN_EXPIRY - 1] = Int64GetDatum(expiry);
	slot->tts_values[STORE_COLUMN_BODY - 1] = body;
	memset(slot->tts_isnull, 0, STORE_COLUMNS * sizeof(bool));
	ExecStoreVirtualTuple(slot);
	slot->tts_tableOid = writer->store->oid;
}

static void
writer_index(StoreWriter *writer, bool update, bool only_summarizing)
{
	if (!writer->indexes_open)
	{
		MemoryContext old = MemoryContextSwitchTo(writer->context);

		writer->estate = CreateExecutorState();
		writer->target = makeNode(ResultRelInfo);
		writer->target->ri_RelationDesc = writer->store->relation;
		ExecOpenIndices(writer->target, false);
		writer->indexes_open = true;
		MemoryContextSwitchTo(old);
	}
	if (writer->target->ri_NumIndices > 0)
		list_free(ExecInsertIndexTuplesCompat(writer->target, writer->slot, writer->estate, update,
		                                      only_summarizing));
	ResetPerTupleExprContext(writer->estate);
}

void
pgfirst_heap_insert(StoreWriter *writer, const PgfirstId *id, uint16 kind, int64 expiry, Datum body)
{
	writer_fill(writer, id, kind, expiry, body);
	table_tuple_insert(writer->store->relation, writer->slot, GetCurrentCommandId(true), 0, NULL);
	writer_index(writer, false, false);
}

void
pgfirst_heap_update(StoreWriter *writer, ItemPointer tid, const PgfirstId *id, uint16 kind,
                    int64 expiry, Datum body)
{
	TU_UpdateIndexes indexes;

	writer_fill(writer, id, kind, expiry, body);
	simple_table_tuple_update_compat(writer->store->relation, tid, writer->slot, InvalidSnapshot,
	                                 &indexes);
	if (indexes != TU_None)
		writer_index(writer, true, indexes == TU_Summarizing);
}

void
pgfirst_heap_delete(StoreWriter *writer, ItemPointer tid)
{
	simple_table_tuple_delete(writer->store->relation, tid, InvalidSnapshot);
}
