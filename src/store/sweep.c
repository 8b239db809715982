/* SPDX-License-Identifier: PostgreSQL
 *
 * sweep.c: upkeep over a whole store.
 *
 * A sweep looks at a slice of the records, in id order, and remembers where it stopped; there is no
 * index on expiry, which every write would have to pay for.  Its walk holds no locks, so what it
 * finds is only a suspicion: each victim is locked without waiting, read again and judged again
 * before it is deleted.  A sweep that has no locks left stops early and goes on from there the next
 * time, because the lock that replaces the 1,001st would keep all writers out.
 *
 * A census reads everything as of a moment at which nobody was writing, so that whoever keeps counts
 * can build them and then follow the observer's reports.  ShareLock on the relation conflicts with
 * every writer's lock and writers hold theirs until after their commit hooks; so while it is held,
 * everything committed has been reported, and the snapshot taken under it sees exactly that.  It is
 * released before the long part begins.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "miscadmin.h"
#include "storage/lockdefs.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "store/store_int.h"

/* The id that follows; false at the last one. */
static bool
id_advance(PgfirstId *id)
{
	for (int i = sizeof(id->bytes) - 1; i >= 0; i--)
		if (++id->bytes[i] != 0)
			return true;
	return false;
}

PgfirstSweep
pgfirst_store_sweep(PgfirstStore *store, PgfirstId *cursor, uint64 max_records, int64 now_ms,
                    bool (*garbage)(const PgfirstRecord *record, void *context), void *context,
                    Size limit)
{
	MemoryContext per_record =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst sweep", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(per_record);
	PgfirstSweep result = {0};
	XLogRecPtr position = pgfirst_store_position();
	PgfirstWalk *walk;
	PgfirstRecord record;

	pgfirst_snapshot_renew();
	walk = pgfirst_store_walk(store, cursor, limit);

#define IS_VICTIM(r)                                                                               \
	(((r)->expiry != 0 && (r)->expiry <= now_ms) || (garbage != NULL && garbage((r), context)))

	while (result.seen < max_records && !result.wrapped)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(per_record);
		if (!pgfirst_walk_next(walk, &record))
		{
			result.wrapped = true;
			break;
		}
		*cursor = record.id;
		if (IS_VICTIM(&record))
		{
			PgfirstId id = record.id;

			if (pgfirst_store_locks() == PGFIRST_LOCKS_MAX && !store->exclusive)
				break;
			if (pgfirst_store_lock(store, &id, true, false) &&
			    pgfirst_store_get(store, &id, limit, &record) && IS_VICTIM(&record) &&
			    pgfirst_store_delete(store, &id))
				result.deleted++;
		}
		result.seen++;
		result.wrapped = !id_advance(cursor);
	}
#undef IS_VICTIM

	if (result.wrapped)
		memset(cursor, 0, sizeof(*cursor));
	pgfirst_walk_end(walk);
	pgfirst_position_restore(position);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(per_record);
	return result;
}

bool
pgfirst_store_census(PgfirstStore *store, Size limit, bool wait, void (*at_rest)(void *),
                     void (*each)(const PgfirstRecord *record, void *context), void *context)
{
	ResourceOwner old_owner = CurrentResourceOwner;
	MemoryContext per_record;
	MemoryContext old;
	Snapshot snapshot;
	TableScanDesc scan;
	TupleTableSlot *slot;

	if (!pgfirst_lock_relation(store->oid, ShareLock, wait))
		return false;
	at_rest(context);
	pgfirst_snapshot_renew();
	snapshot = RegisterSnapshotOnOwner(pgfirst_snapshot(), pgfirst_store_owner());
	pgfirst_unlock_relation(store->oid, ShareLock);

	per_record =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst census", ALLOCSET_DEFAULT_SIZES);
	CurrentResourceOwner = pgfirst_store_owner();
	slot = table_slot_create(store->relation, NULL);
	scan = table_beginscan(store->relation, snapshot, 0, NULL);
	CurrentResourceOwner = old_owner;
	old = MemoryContextSwitchTo(per_record);
	for (;;)
	{
		PgfirstRecord record;
		StoreRow row;
		bool found;

		CHECK_FOR_INTERRUPTS();
		CurrentResourceOwner = pgfirst_store_owner();
		MemoryContextSwitchTo(old);
		found = table_scan_getnextslot(scan, ForwardScanDirection, slot);
		MemoryContextSwitchTo(per_record);
		CurrentResourceOwner = old_owner;
		if (!found)
			break;
		pgfirst_heap_row(slot, &row);
		pgfirst_heap_record(&row, limit, &record);
		each(&record, context);
		MemoryContextReset(per_record);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(per_record);

	CurrentResourceOwner = pgfirst_store_owner();
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	CurrentResourceOwner = old_owner;
	return true;
}
