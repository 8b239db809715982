/* SPDX-License-Identifier: PostgreSQL
 *
 * apply.c: the write set goes to the pages, before the transaction commits.
 *
 * In the order of stores and ids, so that two transactions that lock whole stores do it in the same
 * order and neighbours on index pages are visited together.  Each record's committed version is
 * looked up now, with a fresh snapshot: nobody else can change it any more, because its lock is
 * held or the whole store is.  A hint of where it stands saves the search.
 *
 * An error (a full disk) aborts the transaction like any other before commit.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "store/store_int.h"

static struct
{
	PgfirstObserver function;
	Size limit;
} observer;

void
pgfirst_store_observe(PgfirstObserver function, Size limit)
{
	observer.function = function;
	observer.limit = limit;
}

/* Writes one record; the current memory context is thrown away afterwards. */
static void
apply_entry(StoreWriter *writer, StoreEntry *entry)
{
	PgfirstStore *store = entry->store;
	PgfirstRecord before;
	PgfirstRecord after;
	StoreRow row;
	bool found = pgfirst_heap_find_at(store, &entry->id, &entry->tid, &row);

	if (found && observer.function != NULL)
		pgfirst_heap_record(&row, observer.limit, &before);

	if (entry->change == STORE_PUT)
	{
		pgfirst_writeset_record(entry, &after);
		if (found)
			pgfirst_heap_update(writer, &row.tid, &entry->id, entry->kind, entry->expiry,
			                    PointerGetDatum(entry->body));
		else
			pgfirst_heap_insert(writer, &entry->id, entry->kind, entry->expiry,
			                    PointerGetDatum(entry->body));
	}
	else if (found && entry->change == STORE_EXPIRY)
	{
		after = before;
		after.expiry = entry->expiry;
		pgfirst_heap_update(writer, &row.tid, &entry->id, row.kind, entry->expiry, row.body);
	}
	else if (found)
		pgfirst_heap_delete(writer, &row.tid);
	pgfirst_heap_release(store);

	if (observer.function != NULL && (found || entry->change == STORE_PUT))
		observer.function(store->oid, found ? &before : NULL,
		                  entry->change == STORE_DELETED ? NULL : &after);
}

void
pgfirst_apply(void)
{
	MemoryContext context;
	MemoryContext per_record;
	MemoryContext old;
	StoreEntry **entries;
	StoreWriter *writer = NULL;
	Size count;

	if (!pgfirst_store_changed())
		return;

	context = AllocSetContextCreate(CurrentMemoryContext, "pgfirst apply", ALLOCSET_SMALL_SIZES);
	per_record = AllocSetContextCreate(context, "pgfirst apply record", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);

	entries = pgfirst_writeset_sorted(NULL, &count);
	for (Size i = 0; i < count; i++)
		if (i == 0 || entries[i]->store != entries[i - 1]->store)
			pgfirst_lock_before_apply(entries[i]->store);
	for (Size i = 0; i < count; i++)
		pgfirst_position_announce(entries[i]->store, &entries[i]->id);

	pgfirst_snapshot_renew();
	PushActiveSnapshot(pgfirst_snapshot());
	for (Size i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (i == 0 || entries[i]->store != entries[i - 1]->store)
		{
			if (writer != NULL)
				pgfirst_heap_writer_end(writer);
			writer = pgfirst_heap_writer(entries[i]->store);
		}
		MemoryContextSwitchTo(per_record);
		apply_entry(writer, entries[i]);
		MemoryContextSwitchTo(context);
		MemoryContextReset(per_record);
	}
	pgfirst_heap_writer_end(writer);
	PopActiveSnapshot();

	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
