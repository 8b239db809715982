/* SPDX-License-Identifier: PostgreSQL
 *
 * am_refused.c: what cannot be done with the rows of a store, and what to do instead.
 *
 * Rows are made when they are read.  They have no place to come back to, so nothing that keeps a ctid
 * can work: indexes, UPDATE, DELETE, row locks, row triggers after the fact.  Each callback of
 * PostgreSQL's that would need one raises feature_not_supported with a hint.  Some can hardly be
 * reached without another that has refused before (a store has no index to fetch from); they refuse
 * all the same, because a NULL there would be a crash.
 */
#include "postgres.h"

#include "access/tableam.h"

#include "base/compat.h"
#include "store/am_int.h"

pg_noreturn static void refuse(Relation relation, const char *what, const char *hint);

/* what: "update rows of", …; hint NULL: how records are changed. */
static void
refuse(Relation relation, const char *what, const char *hint)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
	                relation != NULL
	                    ? errmsg("cannot %s store \"%s\"", what, RelationGetRelationName(relation))
	                    : errmsg("cannot %s a store", what),
	                errdetail("Its rows are made when they are read."),
	                errhint("%s", hint != NULL ? hint : pgfirst_row_codec()->change_hint)));
}

#define HINT_COPY                                                                                     \
	"Copy the rows into an ordinary table, with CREATE TABLE … USING heap AS TABLE …, and go on " \
	"there."
#define HINT_INDEX                                                                                 \
	"A store finds its keys without an index. For others, copy the rows into an ordinary table, "  \
	"with CREATE TABLE … USING heap AS TABLE …, and index that."

/* ---- by place -------------------------------------------------------------------------------- */

static void
refuse_set_tidrange(TableScanDesc scan, ItemPointer first, ItemPointer last)
{
	refuse(scan->rs_rd, "find rows by ctid in", HINT_COPY);
}

static bool
refuse_next_tidrange(TableScanDesc scan, ScanDirection direction, TupleTableSlot *slot)
{
	refuse(scan->rs_rd, "find rows by ctid in", HINT_COPY);
}

static bool
refuse_tid_valid(TableScanDesc scan, ItemPointer tid)
{
	refuse(scan->rs_rd, "find rows by ctid in", HINT_COPY);
}

static void
refuse_latest_tid(TableScanDesc scan, ItemPointer tid)
{
	refuse(scan->rs_rd, "find rows by ctid in", HINT_COPY);
}

static bool
refuse_fetch_row_version(Relation relation, ItemPointer tid, Snapshot snapshot,
                         TupleTableSlot *slot)
{
	/* Who comes here: UPDATE, row triggers after an INSERT, foreign keys. */
	ereport(ERROR,
	        (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
	         errmsg("cannot update rows of store \"%s\", or look at them again after they were "
	                "inserted",
	                RelationGetRelationName(relation)),
	         errdetail("Its rows are made when they are read."),
	         errhint("%s Triggers can be BEFORE, or for each statement.",
	                 pgfirst_row_codec()->change_hint)));
}

static bool
refuse_satisfies_snapshot(Relation relation, TupleTableSlot *slot, Snapshot snapshot)
{
	refuse(relation, "look at versions of rows of", HINT_COPY);
}

/* ---- indexes --------------------------------------------------------------------------------- */

static IndexFetchTableData *
refuse_index_fetch_begin(Relation relation)
{
	refuse(relation, "use an index on", HINT_INDEX);
}

static void
refuse_index_fetch_reset(IndexFetchTableData *fetch)
{
	refuse(fetch->rel, "use an index on", HINT_INDEX);
}

static void
refuse_index_fetch_end(IndexFetchTableData *fetch)
{
	refuse(fetch->rel, "use an index on", HINT_INDEX);
}

static bool
refuse_index_fetch_tuple(IndexFetchTableData *fetch, ItemPointer tid, Snapshot snapshot,
                         TupleTableSlot *slot, bool *call_again, bool *all_dead)
{
	refuse(fetch->rel, "use an index on", HINT_INDEX);
}

static TransactionId
refuse_index_delete(Relation relation, TM_IndexDeleteOp *state)
{
	refuse(relation, "use an index on", HINT_INDEX);
}

static double
refuse_index_build(Relation table, Relation index, struct IndexInfo *info, bool allow_sync,
                   bool any_visible, bool progress, BlockNumber start, BlockNumber blocks,
                   IndexBuildCallback callback, void *state, TableScanDesc scan)
{
	refuse(table, "make an index on", HINT_INDEX);
}

static void
refuse_index_validate(Relation table, Relation index, struct IndexInfo *info, Snapshot snapshot,
                      struct ValidateIndexState *state)
{
	refuse(table, "make an index on", HINT_INDEX);
}

#ifdef BITMAP_HAS_BLOCKS
static bool
refuse_bitmap_block(TableScanDesc scan, struct TBMIterateResult *result)
{
	refuse(scan->rs_rd, "use an index on", HINT_INDEX);
}
#endif

static bool
refuse_bitmap_tuple(BITMAP_TUPLE_ARGUMENTS)
{
	refuse(scan->rs_rd, "use an index on", HINT_INDEX);
}

/* ---- changes --------------------------------------------------------------------------------- */

static void
refuse_insert_speculative(Relation relation, TupleTableSlot *slot, CommandId command, int options,
                          struct BulkInsertStateData *state, uint32 token)
{
	refuse(relation, "INSERT … ON CONFLICT into", NULL);
}

static void
refuse_complete_speculative(Relation relation, TupleTableSlot *slot, uint32 token, bool succeeded)
{
	refuse(relation, "INSERT … ON CONFLICT into", NULL);
}

static TM_Result
refuse_delete(Relation relation, ItemPointer tid, CommandId command, Snapshot snapshot,
              Snapshot crosscheck, bool wait, TM_FailureData *failure, bool changing_part)
{
	refuse(relation, "delete rows of", NULL);
}

static TM_Result
refuse_update(Relation relation, ItemPointer tid, TupleTableSlot *slot, CommandId command,
              Snapshot snapshot, Snapshot crosscheck, bool wait, TM_FailureData *failure,
              LockTupleMode *mode, TU_UpdateIndexes *update_indexes)
{
	refuse(relation, "update rows of", NULL);
}

static TM_Result
refuse_lock(Relation relation, ItemPointer tid, Snapshot snapshot, TupleTableSlot *slot,
            CommandId command, LockTupleMode mode, LockWaitPolicy wait_policy, uint8 flags,
            TM_FailureData *failure)
{
	refuse(relation, "lock rows of", NULL);
}

static void
refuse_toast_slice(Relation relation, Oid value, int32 size, int32 offset, int32 length,
                   struct varlena *result)
{
	refuse(relation, "keep parts of other tables in", HINT_COPY);
}

void
pgfirst_am_refuse(TableAmRoutine *routine)
{
	routine->scan_set_tidrange = refuse_set_tidrange;
	routine->scan_getnextslot_tidrange = refuse_next_tidrange;
	routine->tuple_tid_valid = refuse_tid_valid;
	routine->tuple_get_latest_tid = refuse_latest_tid;
	routine->tuple_fetch_row_version = refuse_fetch_row_version;
	routine->tuple_satisfies_snapshot = refuse_satisfies_snapshot;

	routine->index_fetch_begin = refuse_index_fetch_begin;
	routine->index_fetch_reset = refuse_index_fetch_reset;
	routine->index_fetch_end = refuse_index_fetch_end;
	routine->index_fetch_tuple = refuse_index_fetch_tuple;
	routine->index_delete_tuples = refuse_index_delete;
	routine->index_build_range_scan = refuse_index_build;
	routine->index_validate_scan = refuse_index_validate;
#ifdef BITMAP_HAS_BLOCKS
	routine->scan_bitmap_next_block = refuse_bitmap_block;
#endif
	routine->scan_bitmap_next_tuple = refuse_bitmap_tuple;

	routine->tuple_insert_speculative = refuse_insert_speculative;
	routine->tuple_complete_speculative = refuse_complete_speculative;
	routine->tuple_delete = refuse_delete;
	routine->tuple_update = refuse_update;
	routine->tuple_lock = refuse_lock;
	routine->relation_fetch_toast_slice = refuse_toast_slice;
}
