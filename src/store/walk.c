/* SPDX-License-Identifier: PostgreSQL
 *
 * walk.c: the records in id order, the committed ones merged with the write set.
 *
 * Two sorted streams: the rows as an index scan gives them under a snapshot taken at the beginning,
 * and the entries of the write set that hold whole records.  Where both have an id, the entry
 * counts.  Every row is looked up in the write set once more, so that what has been put or deleted
 * since the walk began is told as it is now wherever a row leads to it.  Entries stay where they
 * are until the transaction ends, therefore a walk survives whatever is changed, rolled back or
 * released meanwhile.
 *
 * The walk has a scan, a slot and a registration of the snapshot of its own: records may be read
 * and locked, and other walks made, while it stands.  What it returns depends on the absence of
 * everything that it passes over, hence on the position of the whole store as of its snapshot.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

#include "base/compat.h"
#include "store/store_int.h"
#include "store/table.h"

struct PgfirstWalk
{
	PgfirstStore *store;
	MemoryContext context;
	Size limit;
	PgfirstId from;
	XLogRecPtr position;

	Snapshot snapshot;
	IndexScanDesc scan;
	TupleTableSlot *slot;
	StoreRow row;
	bool row_there; /* in slot, not yet returned */
	bool rows_end;

	StoreEntry **entries;
	Size entry;
	Size entry_count;
};

/* The first entry whose id is not below `id`. */
static Size
entries_seek(StoreEntry **entries, Size count, const PgfirstId *id)
{
	Size low = 0;
	Size high = count;

	while (low < high)
	{
		Size middle = low + (high - low) / 2;

		if (store_id_compare(&entries[middle]->id, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

PgfirstWalk *
pgfirst_store_walk(PgfirstStore *store, const PgfirstId *from, Size limit)
{
	MemoryContext context =
	    AllocSetContextCreate(pgfirst_store_context(), "pgfirst walk", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ResourceOwner old_owner = CurrentResourceOwner;
	PgfirstWalk *walk = palloc0(sizeof(PgfirstWalk));
	ScanKeyData key;

	walk->store = store;
	walk->context = context;
	walk->limit = limit;
	if (from != NULL)
		walk->from = *from;

	CurrentResourceOwner = pgfirst_store_owner();
	walk->snapshot = RegisterSnapshot(pgfirst_snapshot());
	walk->position = pgfirst_position_of_store(store);
	walk->slot = table_slot_create(store->relation, NULL);
	walk->scan = index_beginscan_compat(store->relation, store->index, walk->snapshot, 1, 0);
	ScanKeyInit(&key, STORE_COLUMN_ID, BTGreaterEqualStrategyNumber, F_UUID_GE,
	            PointerGetDatum(&walk->from));
	index_rescan(walk->scan, &key, 1, NULL, 0);
	CurrentResourceOwner = old_owner;

	walk->entries = pgfirst_writeset_sorted(store, &walk->entry_count);
	walk->entry = entries_seek(walk->entries, walk->entry_count, &walk->from);
	MemoryContextSwitchTo(old);
	return walk;
}

/* Makes sure that the next row stands in the slot, if there is one. */
static bool
walk_row(PgfirstWalk *walk)
{
	ResourceOwner old_owner = CurrentResourceOwner;
	MemoryContext old;

	if (walk->row_there || walk->rows_end)
		return walk->row_there;

	old = MemoryContextSwitchTo(walk->context);
	CurrentResourceOwner = pgfirst_store_owner();
	walk->row_there = index_getnext_slot(walk->scan, ForwardScanDirection, walk->slot);
	CurrentResourceOwner = old_owner;
	MemoryContextSwitchTo(old);
	if (walk->row_there)
		pgfirst_heap_row(walk->slot, &walk->row);
	else
		walk->rows_end = true;
	return walk->row_there;
}

bool
pgfirst_walk_next(PgfirstWalk *walk, PgfirstRecord *record)
{
	pgfirst_position_add(walk->position);
	for (;;)
	{
		bool row = walk_row(walk);
		StoreEntry *entry = walk->entry < walk->entry_count ? walk->entries[walk->entry] : NULL;
		int order = entry == NULL ? 1 : !row ? -1 : store_id_compare(&entry->id, &walk->row.id);

		if (entry == NULL && !row)
			return false;

		/* What is in both streams is taken once, as the write set has it. */
		if (order <= 0)
			walk->entry++;
		if (order >= 0)
			walk->row_there = false;
		if (order > 0)
			entry = pgfirst_writeset_find(walk->store, &walk->row.id);

		if (entry != NULL && entry->change != STORE_UNCHANGED)
			pgfirst_position_read_own();
		if (entry != NULL && entry->change == STORE_PUT)
		{
			pgfirst_writeset_record(entry, record);
			return true;
		}
		if (order < 0 || (entry != NULL && entry->change == STORE_DELETED))
			continue;

		pgfirst_heap_record(&walk->row, walk->limit, record);
		if (entry != NULL && entry->change == STORE_EXPIRY)
			record->expiry = entry->expiry;
		return true;
	}
}

void
pgfirst_walk_end(PgfirstWalk *walk)
{
	ResourceOwner old = CurrentResourceOwner;

	CurrentResourceOwner = pgfirst_store_owner();
	ExecDropSingleTupleTableSlot(walk->slot);
	index_endscan(walk->scan);
	UnregisterSnapshot(walk->snapshot);
	CurrentResourceOwner = old;
	MemoryContextDelete(walk->context);
}
