/* SPDX-License-Identifier: PostgreSQL
 *
 * am_int.h: what the files of the table access method share with each other.
 */
#ifndef PGFIRST_STORE_AM_INT_H
#define PGFIRST_STORE_AM_INT_H

#include "postgres.h"

#include "access/tableam.h"
#include "executor/tuptable.h"

#include "base/compat.h"
#include "store/store_int.h"

/* The columns of a row; see store.h. */
typedef enum RowColumn
{
	ROW_TENANT,
	ROW_KEY,
	ROW_PIECE,
	ROW_PIECES,
	ROW_TYPE,
	ROW_EXPIRY,
	ROW_PAYLOAD,
	ROW_COLUMNS
} RowColumn;

/* ---- am_rows.c: rows into records ------------------------------------------------------------ */

/* Where in the table's rows the columns stand. */
typedef struct RowShape
{
	int place[ROW_COLUMNS];
} RowShape;

/* False if the table has other columns than a store's. */
extern bool pgfirst_row_shape(TupleDesc columns, RowShape *shape);
extern void pgfirst_row_shape_need(Relation relation, RowShape *shape);

extern const PgfirstRowCodec *pgfirst_row_codec(void);

/* A place for the row with this number, which leads nowhere. */
extern void pgfirst_row_place(TupleTableSlot *slot, uint64 number);

extern void pgfirst_am_insert(Relation relation, TupleTableSlot *slot, CommandId command,
                              int options, struct BulkInsertStateData *state);
extern void pgfirst_am_multi_insert(Relation relation, TupleTableSlot **slots, int count,
                                    CommandId command, int options,
                                    struct BulkInsertStateData *state);
extern void pgfirst_am_finish_insert(Relation relation, int options);

/* ---- am_scan.c: records into rows ------------------------------------------------------------ */

extern const TupleTableSlotOps *pgfirst_am_slot_callbacks(Relation relation);
extern TableScanDesc pgfirst_am_scan_begin(Relation relation, Snapshot snapshot, int nkeys,
                                           struct ScanKeyData *key, ParallelTableScanDesc parallel,
                                           uint32 flags);
extern void pgfirst_am_scan_end(TableScanDesc scan);
extern void pgfirst_am_scan_rescan(TableScanDesc scan, struct ScanKeyData *key, bool set_params,
                                   bool allow_strategy, bool allow_sync, bool allow_pagemode);
extern bool pgfirst_am_scan_next(TableScanDesc scan, ScanDirection direction, TupleTableSlot *slot);
extern Size pgfirst_am_parallel_estimate(Relation relation);
extern Size pgfirst_am_parallel_initialize(Relation relation, ParallelTableScanDesc parallel);
extern void pgfirst_am_parallel_reinitialize(Relation relation, ParallelTableScanDesc parallel);
extern bool pgfirst_am_analyze_block(TableScanDesc scan, ANALYZE_BLOCK_SOURCE);
extern bool pgfirst_am_analyze_row(TableScanDesc scan, TransactionId oldest, double *live,
                                   double *dead, TupleTableSlot *slot);
extern bool pgfirst_am_sample_block(TableScanDesc scan, struct SampleScanState *state);
extern bool pgfirst_am_sample_row(TableScanDesc scan, struct SampleScanState *state,
                                  TupleTableSlot *slot);

/* Whether this process is reading rows of the relation just now. */
extern bool pgfirst_am_scanning(Oid relation);

/* ---- am_refused.c: what a store has no rows, indexes or versions for ------------------------- */

/* Fills in every callback that refuses. */
extern void pgfirst_am_refuse(TableAmRoutine *routine);

/* ---- vacuum.c, rebuild.c --------------------------------------------------------------------- */

extern void pgfirst_am_vacuum(Relation relation, struct VacuumParams *params,
                              BufferAccessStrategy strategy);

/* Copies what is committed into the relation `to`, which is empty; returns how many records. */
extern double pgfirst_rebuild(Relation from, Relation to, double *dropped);

#endif
