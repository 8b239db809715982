/* SPDX-License-Identifier: PostgreSQL
 *
 * sweep.c: upkeep over a whole store.
 *
 * A sweep looks at a slice of the records, in id order, and remembers where it stopped; there is no
 * index on expiry, which every write would have to pay for.  Its walk holds no locks, so what it
 * finds is only a suspicion: each victim is locked without waiting, read again and judged again
 * before it is deleted.  A sweep that has no locks left stops early and goes on from there the next
 * time, because the lock that replaces the 1,001st would keep all writers out.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

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

	walk = pgfirst_store_walk(store, cursor, limit);

#define IS_EXPIRED(r) ((r)->expiry != 0 && (r)->expiry <= now_ms)
#define IS_VICTIM(r)  (IS_EXPIRED(r) || (garbage != NULL && garbage((r), context)))

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

			pgfirst_unit_next(); /* each for itself */
			if (pgfirst_store_locks() == PGFIRST_LOCKS_MAX && !store->exclusive)
				break;
			if (pgfirst_store_lock(store, &id, true, false) &&
			    pgfirst_store_get(store, &id, limit, &record) && IS_VICTIM(&record) &&
			    pgfirst_store_delete(store, &id))
			{
				result.deleted++;
				result.garbage += !IS_EXPIRED(&record);
			}
		}
		result.seen++;
		result.wrapped = !id_advance(cursor);
	}
#undef IS_VICTIM
#undef IS_EXPIRED

	if (result.wrapped)
		memset(cursor, 0, sizeof(*cursor));
	pgfirst_walk_end(walk);
	pgfirst_position_restore(position);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(per_record);
	return result;
}
