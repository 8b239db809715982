/* SPDX-License-Identifier: PostgreSQL
 *
 * am.c: the table access method pgfirst_store.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/multixact.h"
#include "access/tableam.h"
#include "catalog/storage.h"
#include "catalog/storage_xlog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/smgr.h"
#include "utils/inval.h"

#include "base/compat.h"
#include "store/store_int.h"

PGFIRST_FUNCTION(pgfirst_store_handler);

static const TableAmRoutine routine;

bool
pgfirst_relation_is_store(Relation relation)
{
	return relation->rd_tableam == &routine;
}

const char *
pgfirst_am_columns(void)
{
	return "key bytea, piece int4, pieces int4, type text, expiry timestamptz, payload bytea";
}

static const TupleTableSlotOps *
am_slot_callbacks(Relation relation)
{
	return &TTSOpsVirtual;
}

static void
am_set_new_filelocator(Relation relation, const RelFileLocator *locator, char persistence,
                       TransactionId *freeze_xid, MultiXactId *min_multi)
{
	SMgrRelation storage;

	*freeze_xid = RecentXmin;
	*min_multi = GetOldestMultiXactId();
	storage = RelationCreateStorage(*locator, persistence, true);
	/* After a crash an unlogged store is what its empty init fork is. */
	if (persistence == RELPERSISTENCE_UNLOGGED)
	{
		smgrcreate(storage, INIT_FORKNUM, false);
		log_smgrcreate(locator, INIT_FORKNUM);
		smgrimmedsync(storage, INIT_FORKNUM);
	}
	smgrclose(storage);
}

static void
am_nontransactional_truncate(Relation relation)
{
	CacheInvalidateRelcache(relation);
	RelationTruncate(relation, 0);
}

static void
am_vacuum(Relation relation, struct VacuumParams *params, BufferAccessStrategy strategy)
{
}

static bool
am_needs_toast_table(Relation relation)
{
	return false;
}

static void
am_estimate_size(Relation relation, int32 *widths, BlockNumber *pages, double *tuples,
                 double *all_visible)
{
	*pages = RelationGetNumberOfBlocks(relation);
	*tuples = *pages * 40.0;
	*all_visible = 0;
}

static const TableAmRoutine routine = {
    .type = T_TableAmRoutine,
    .slot_callbacks = am_slot_callbacks,
    .relation_set_new_filelocator = am_set_new_filelocator,
    .relation_nontransactional_truncate = am_nontransactional_truncate,
    .relation_vacuum = am_vacuum,
    .relation_size = table_block_relation_size,
    .relation_needs_toast_table = am_needs_toast_table,
    .relation_estimate_size = am_estimate_size,
};

/* The handler of CREATE ACCESS METHOD pgfirst_store. */
Datum
pgfirst_store_handler(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&routine);
}
