/* SPDX-License-Identifier: PostgreSQL
 *
 * am.c: the table access method pgfirst_store: its callbacks, and what becomes of its files.
 *
 * A store is a table to PostgreSQL, so that backup, pg_dump, COPY, VACUUM, TRUNCATE, tablespaces and
 * rights need no second form.  It is no table to build an application on: its rows (store.h) are
 * pieces of records, made when they are read; they have no place, no versions and no indexes.
 *
 *     made here                                made elsewhere
 *     CREATE TABLE, TRUNCATE                   scans, COPY out, samples, ANALYZE     am_scan.c
 *     SET TABLESPACE                           INSERT, COPY in, CREATE TABLE AS      am_rows.c
 *     VACUUM FULL (through rebuild.c)          VACUUM, freezing                      vacuum.c
 *     sizes                                    everything that is refused            am_refused.c
 *
 * SET LOGGED, SET UNLOGGED and SET ACCESS METHOD are PostgreSQL's own loops: rows out of the old table,
 * rows into the new one, with ids of its own and without what is no row.
 *
 * Only tables with the columns of a store are made with this access method, so that nobody who has
 * set default_table_access_method to it gets a table that is not what it seems; and no temporary
 * ones: the records' locks and the workers are the whole server's.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/multixact.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "catalog/pg_am_d.h"
#include "catalog/storage.h"
#include "catalog/storage_xlog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "storage/smgr.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "store/am_int.h"

PGFIRST_FUNCTION(pgfirst_store_handler);

/* What a record takes beside its bytes: header, slot, and a leaf's third that is free. */
#define RECORD_OVERHEAD (STORE_LEAF_HEADER + STORE_SLOT)
#define LEAF_FILL       (STORE_PAGE_ROOM * 2 / 3)

static TableAmRoutine routine = {.type = T_Invalid};

bool
pgfirst_relation_is_store(Relation relation)
{
	return relation->rd_tableam == &routine;
}

/* ---- files ----------------------------------------------------------------------------------- */

static void
am_check(Relation relation, char persistence)
{
	RowShape shape;

	if (persistence == RELPERSISTENCE_TEMP)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("a pgfirst store cannot be temporary"),
		                errhint("Make the table USING heap, or an unlogged one.")));
	if (relation->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR,
		        (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		         errmsg("\"%s\" cannot be a pgfirst store", RelationGetRelationName(relation)),
		         errdetail("Only tables can."),
		         errhint("Make it USING heap, or SET default_table_access_method = heap.")));
	pgfirst_row_shape_need(relation, &shape);
}

static void
am_set_new_filelocator(Relation relation, const RelFileLocator *locator, char persistence,
                       TransactionId *freeze_xid, MultiXactId *min_multi)
{
	SMgrRelation storage;

	am_check(relation, persistence);
	/* As for a heap: no transaction that could write here is older. */
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
	/* What every process remembers of the tree is void. */
	CacheInvalidateRelcache(relation);
	RelationTruncate(relation, 0);
}

/* Pages know their block and their store, neither of which changes: the files are copied. */
static void
am_copy_data(Relation relation, const RelFileLocator *locator)
{
	char persistence = relation->rd_rel->relpersistence;
	SMgrRelation to;

	/* The copy is made from the files, so what is in buffers goes there first. */
	FlushRelationBuffers(relation);
	to = RelationCreateStorage(*locator, persistence, true);
	RelationCopyStorage(RelationGetSmgr(relation), to, MAIN_FORKNUM, persistence);
	for (ForkNumber fork = MAIN_FORKNUM + 1; fork <= MAX_FORKNUM; fork++)
	{
		if (!smgrexists(RelationGetSmgr(relation), fork))
			continue;
		smgrcreate(to, fork, false);
		if (persistence == RELPERSISTENCE_PERMANENT || fork == INIT_FORKNUM)
			log_smgrcreate(locator, fork);
		RelationCopyStorage(RelationGetSmgr(relation), to, fork, persistence);
	}
	RelationDropStorage(relation);
	smgrclose(to);
}

static void
am_copy_for_cluster(Relation from, Relation to, Relation index, bool sort, TransactionId oldest,
                    TransactionId *freeze_xid, MultiXactId *min_multi, double *records,
                    double *dropped, double *dead)
{
	TransactionId running = GetOldestActiveTransactionId();

	if (index != NULL)
		elog(ERROR, "a store has no indexes");
	*records = pgfirst_rebuild(from, to, dropped);
	*dead = 0;
	/* No page of the copy carries a transaction id. */
	if (TransactionIdPrecedes(*freeze_xid, running))
		*freeze_xid = running;
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static void
am_estimate_size(Relation relation, int32 *widths, BlockNumber *pages, double *rows,
                 double *all_visible)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(relation);
	PgfirstStore store;

	table_block_relation_estimate_size(relation, widths, pages, rows, all_visible, RECORD_OVERHEAD,
	                                   LEAF_FILL);
	*pages = blocks;
	*all_visible = 0;
	pgfirst_store_borrow(&store, relation);
	if (blocks == 0 || pgfirst_tree_id(&store) == 0)
		*rows = 0;
	else
	{
		StoreMeta meta = pgfirst_meta(&store);
		BlockNumber used = meta.used > meta.free_count ? meta.used - meta.free_count : 0;

		*rows *= Min((double) used / blocks, 1);
	}
}

/*
 * A store keeps large values itself.  But ALTER TABLE … SET ACCESS METHOD heap gives the heap a TOAST table
 * only if the store has one, and asks us before it makes the heap; so a table that is being altered gets
 * one, which stays empty unless the table becomes a heap.  One that is being made gets none, and one whose storage
 * parameters are set neither: that asks with a lock which does not do for it, and would fail.
 */
static bool
am_needs_toast_table(Relation relation)
{
	return relation->rd_createSubid == InvalidSubTransactionId &&
	       CheckRelationLockedByMe(relation, AccessExclusiveLock, false);
}

static Oid
am_toast_am(Relation relation)
{
	return HEAP_TABLE_AM_OID;
}

/* ---- the routine ----------------------------------------------------------------------------- */

static void
routine_fill(void)
{
	pgfirst_am_refuse(&routine);

	routine.slot_callbacks = pgfirst_am_slot_callbacks;
	routine.scan_begin = pgfirst_am_scan_begin;
	routine.scan_end = pgfirst_am_scan_end;
	routine.scan_rescan = pgfirst_am_scan_rescan;
	routine.scan_getnextslot = pgfirst_am_scan_next;
	routine.parallelscan_estimate = pgfirst_am_parallel_estimate;
	routine.parallelscan_initialize = pgfirst_am_parallel_initialize;
	routine.parallelscan_reinitialize = pgfirst_am_parallel_reinitialize;
	routine.scan_analyze_next_block = pgfirst_am_analyze_block;
	routine.scan_analyze_next_tuple = pgfirst_am_analyze_row;
	routine.scan_sample_next_block = pgfirst_am_sample_block;
	routine.scan_sample_next_tuple = pgfirst_am_sample_row;

	routine.tuple_insert = pgfirst_am_insert;
	routine.multi_insert = pgfirst_am_multi_insert;
	routine.finish_bulk_insert = pgfirst_am_finish_insert;

	routine.relation_set_new_filelocator = am_set_new_filelocator;
	routine.relation_nontransactional_truncate = am_nontransactional_truncate;
	routine.relation_copy_data = am_copy_data;
	routine.relation_copy_for_cluster = am_copy_for_cluster;
	routine.relation_vacuum = pgfirst_am_vacuum;
	routine.relation_size = table_block_relation_size;
	routine.relation_estimate_size = am_estimate_size;
	routine.relation_needs_toast_table = am_needs_toast_table;
	routine.relation_toast_am = am_toast_am;
	routine.type = T_TableAmRoutine;
}

/* The handler of CREATE ACCESS METHOD pgfirst_store. */
Datum
pgfirst_store_handler(PG_FUNCTION_ARGS)
{
	if (routine.type != T_TableAmRoutine)
		routine_fill();
	PG_RETURN_POINTER(&routine);
}
