/* SPDX-License-Identifier: PostgreSQL
 *
 * am_scan.c: a store's records as rows: scans, ANALYZE, samples.
 *
 * A scan is a walk (walk.c), so it gives the newest committed records, and this transaction's own, in
 * the order of their ids, each as of one moment: a record is read once, whole, and its pieces are given
 * from that copy.  The snapshot of the query means nothing here.  Between two rows nothing is
 * pinned or locked; a cursor may stay open over savepoints, and while others change the store.
 * As everywhere, nobody is shown what a crash could take back: before rows of a leaf are given,
 * what they depend on is durable.
 *
 * A scan needs a lock on the relation, which its caller has, and no store that is open until the
 * end of the transaction: that would keep the transaction from dropping or truncating the table
 * afterwards.  So it uses the open store where there is one (its write set is to be seen) and else
 * one of its own, for as long as it lasts.
 *
 * In a parallel scan the first participant who comes gives all rows and the others none: a walk has no
 * blocks to divide, and who wants to be faster than one process is not scanning a store.  The write set
 * is in the leader's memory; where there is one, only the leader may be first, and a parallel worker
 * that has been given a whole plan (debug_parallel_query) has to refuse.
 *
 * ANALYZE and TABLESAMPLE go by blocks.  A block that is no leaf gives nothing.  ANALYZE gives the first
 * piece of each record that stands on the block and counts the others: reading a gigabyte to learn
 * what is typical would cost more than it tells.  That piece may be shortened.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/relscan.h"
#include "access/tsmapi.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/flush.h"
#include "store/am_int.h"

#define UNIX_EPOCH_USECS ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)
#define ANALYZED_BYTES   ((Size) 128 * 1024) /* of a record; a sample has up to 30,000 of them */

typedef enum ScanPart
{
	SCAN_UNDECIDED,
	SCAN_ALL,
	SCAN_NOTHING
} ScanPart;

typedef struct StoreScan
{
	TableScanDescData base;
	RowShape shape;
	PgfirstStore own;
	PgfirstStore *store;
	MemoryContext record_context; /* the record under way */
	MemoryContext piece_context;  /* the row given last */
	MemoryContext reader_context;
	void *reader;
	PgfirstWalk *walk;
	ScanPart part;
	XLogRecPtr durable; /* has been waited for */
	uint64 rows;        /* given */

	/* The record under way. */
	bool row_there;
	PgfirstRow row;
	const char *read_end; /* of the record's bytes */
	Size pieces;
	Size piece; /* the next one, from 0 */

	/* ANALYZE and samples: a copy of the block's page, and its committed records. */
	BlockNumber blocks;
	BlockNumber block;
	PGAlignedBlock page;
	int items;
	int item; /* the next one */
	double dead;
	uint16 item_offset[STORE_SLOTS_MAX];
} StoreScan;

typedef struct StoreParallelScan
{
	ParallelBlockTableScanDescData base; /* of which only the common part is used */
	pg_atomic_uint32 taken;
	bool leader_only;
} StoreParallelScan;

/* Scans that have begun and not ended in this transaction; those that an error ended stay counted. */
#define SCANNED_MAX 16
static struct
{
	int count;
	bool overflow;
	Oid relations[SCANNED_MAX];
} scanned;

static void
scanned_add(Oid relation)
{
	if (scanned.count < SCANNED_MAX)
		scanned.relations[scanned.count++] = relation;
	else
		scanned.overflow = true;
}

static void
scanned_remove(Oid relation)
{
	for (int i = scanned.count - 1; i >= 0; i--)
		if (scanned.relations[i] == relation)
		{
			scanned.relations[i] = scanned.relations[--scanned.count];
			return;
		}
}

bool
pgfirst_am_scanning(Oid relation)
{
	for (int i = 0; i < scanned.count; i++)
		if (scanned.relations[i] == relation)
			return true;
	return scanned.overflow;
}

void
pgfirst_am_scans_forget(void)
{
	scanned.count = 0;
	scanned.overflow = false;
}

/* ---- slots ----------------------------------------------------------------------------------- */

/*
 * The slots are virtual ones.  Two things differ: ANALYZE sorts the copies that it keeps by their
 * places, which virtual slots do not pass on; and whoever asks for xmin is told why there is none.
 */
static TupleTableSlotOps slot_ops;

static HeapTuple
slot_copy_tuple(TupleTableSlot *slot)
{
	HeapTuple tuple = TTSOpsVirtual.copy_heap_tuple(slot);

	tuple->t_self = slot->tts_tid;
	tuple->t_tableOid = slot->tts_tableOid;
	return tuple;
}

static Datum
slot_system_column(TupleTableSlot *slot, int number, bool *null)
{
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
	                errmsg("rows of a pgfirst store have no system columns"),
	                errdetail("They are made when they are read.")));
}

const TupleTableSlotOps *
pgfirst_am_slot_callbacks(Relation relation)
{
	if (slot_ops.base_slot_size == 0)
	{
		slot_ops = TTSOpsVirtual;
		slot_ops.copy_heap_tuple = slot_copy_tuple;
		slot_ops.getsysattr = slot_system_column;
	}
	return &slot_ops;
}

static Datum
bytea_datum(const char *bytes, Size length)
{
	bytea *value = palloc(VARHDRSZ + length);

	SET_VARSIZE(value, VARHDRSZ + length);
	memcpy(VARDATA(value), bytes, length);
	return PointerGetDatum(value);
}

/* Puts the next piece of the record under way into the slot. */
static void
scan_give_piece(StoreScan *scan, TupleTableSlot *slot)
{
	const PgfirstRow *row = &scan->row;
	Size from = scan->piece * PGFIRST_ROW_PIECE_MAX;
	Size length = Min(row->payload_length - from, PGFIRST_ROW_PIECE_MAX);
	const int *place = scan->shape.place;
	MemoryContext old;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, (Size) slot->tts_tupleDescriptor->natts * sizeof(bool));
	for (int column = 0; column < ROW_COLUMNS; column++)
		slot->tts_isnull[place[column]] = false;

	/* One copy of the payload at a time, however many pieces there are. */
	MemoryContextReset(scan->piece_context);
	old = MemoryContextSwitchTo(scan->piece_context);
	slot->tts_values[place[ROW_TENANT]] = Int32GetDatum(row->tenant);
	slot->tts_values[place[ROW_KEY]] = bytea_datum(row->key, row->key_length);
	slot->tts_values[place[ROW_PIECE]] = Int32GetDatum((int32) scan->piece + 1);
	slot->tts_values[place[ROW_PIECES]] = Int32GetDatum((int32) scan->pieces);
	slot->tts_values[place[ROW_TYPE]] = CStringGetTextDatum(row->type);
	if (row->expiry == 0)
		slot->tts_isnull[place[ROW_EXPIRY]] = true;
	else
		slot->tts_values[place[ROW_EXPIRY]] =
		    TimestampTzGetDatum(row->expiry * 1000 - UNIX_EPOCH_USECS);
	slot->tts_values[place[ROW_PAYLOAD]] = bytea_datum(row->payload + from, length);
	MemoryContextSwitchTo(old);

	slot->tts_tableOid = RelationGetRelid(scan->base.rs_rd);
	pgfirst_row_place(slot, scan->rows++);
	ExecStoreVirtualTuple(slot);
	scan->row_there = ++scan->piece < scan->pieces;
	pgstat_count_heap_getnext(scan->base.rs_rd);
}

/* Whether the record is a row, which scan_give_piece() is then to give. */
static bool
scan_take(StoreScan *scan, const PgfirstRecord *record, Size limit)
{
	if (!pgfirst_row_codec()->row(scan->reader, record, &scan->row))
		return false;
	scan->pieces =
	    Max((scan->row.payload_length + PGFIRST_ROW_PIECE_MAX - 1) / PGFIRST_ROW_PIECE_MAX, 1);
	scan->piece = 0;
	scan->read_end = record->data + Min(record->length, limit);
	scan->row_there = true;
	return true;
}

/* The pieces are given one by one; meanwhile a record of the write set may go to the pages. */
static void
scan_keep_record(StoreScan *scan, const PgfirstRecord *record)
{
	char *copy;

	/* What the codec has put together itself stays where it is. */
	if (scan->row.payload < record->data || scan->row.payload > record->data + record->length)
		return;
	copy = MemoryContextAllocHuge(scan->record_context, record->length);
	memcpy(copy, record->data, record->length);
	scan->row.key = copy + (scan->row.key - record->data);
	scan->row.payload = copy + (scan->row.payload - record->data);
}

/* ---- scans ----------------------------------------------------------------------------------- */

/*
 * A parallel worker knows nothing of changes that its leader has not put on pages.  The leader that has
 * some holds a writer's lock.
 */
static void
scan_refuse_blind(Relation relation)
{
	VirtualTransactionId *writers;
	LOCKTAG tag;
	int count;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, RelationGetRelid(relation));
	writers = GetLockConflicts(&tag, ShareLock, &count);
	for (int i = 0; i < count; i++)
		if (ProcNumberGetProc(VXID_PROC_NUMBER(writers[i])) == MyProc->lockGroupLeader)
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			                errmsg("cannot read store \"%s\" in a parallel worker after the "
			                       "transaction has changed it",
			                       RelationGetRelationName(relation)),
			                errhint("Set max_parallel_workers_per_gather to 0.")));
	pfree(writers);
}

/* Everything that a new beginning makes anew. */
static void
scan_restart(StoreScan *scan)
{
	if (scan->walk != NULL)
		pgfirst_walk_end(scan->walk);
	scan->walk = NULL;
	scan->part = scan->base.rs_parallel == NULL ? SCAN_ALL : SCAN_UNDECIDED;
	scan->row_there = false;
	scan->rows = 0;
	scan->block = InvalidBlockNumber;
	scan->items = scan->item = 0;
	MemoryContextReset(scan->record_context);
	MemoryContextReset(scan->piece_context);
	MemoryContextReset(scan->reader_context);
	scan->reader = NULL;
}

TableScanDesc
pgfirst_am_scan_begin(Relation relation, Snapshot snapshot, int nkeys, struct ScanKeyData *key,
                      ParallelTableScanDesc parallel, uint32 flags)
{
	StoreScan *scan;

	if (nkeys > 0)
		elog(ERROR, "a scan of a store takes no keys");
	RelationIncrementReferenceCount(relation);
	scan = palloc0(sizeof(StoreScan));
	scan->base.rs_rd = relation;
	scan->base.rs_snapshot = snapshot;
	scan->base.rs_flags = flags;
	scan->base.rs_parallel = parallel;
	pgfirst_row_shape_need(relation, &scan->shape);
	if (parallel == NULL && IsParallelWorker())
		scan_refuse_blind(relation);
	scan->store = pgfirst_store_if_open(RelationGetRelid(relation));
	if (scan->store == NULL)
	{
		pgfirst_store_borrow(&scan->own, relation);
		scan->store = &scan->own;
	}
	scan->record_context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst row record", ALLOCSET_DEFAULT_SIZES);
	scan->piece_context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst row", ALLOCSET_DEFAULT_SIZES);
	scan->reader_context =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst row reader", ALLOCSET_SMALL_SIZES);
	scan_restart(scan);
	scanned_add(RelationGetRelid(relation));
	pgstat_count_heap_scan(relation);
	return &scan->base;
}

void
pgfirst_am_scan_rescan(TableScanDesc base, struct ScanKeyData *key, bool set_params,
                       bool allow_strategy, bool allow_sync, bool allow_pagemode)
{
	scan_restart((StoreScan *) base);
	pgstat_count_heap_scan(base->rs_rd);
}

void
pgfirst_am_scan_end(TableScanDesc base)
{
	StoreScan *scan = (StoreScan *) base;

	scan_restart(scan);
	scanned_remove(RelationGetRelid(base->rs_rd));
	MemoryContextDelete(scan->record_context);
	MemoryContextDelete(scan->piece_context);
	MemoryContextDelete(scan->reader_context);
	RelationDecrementReferenceCount(base->rs_rd);
	if (base->rs_flags & SO_TEMP_SNAPSHOT)
		UnregisterSnapshot(base->rs_snapshot);
	pfree(scan);
}

static void *
scan_reader(StoreScan *scan)
{
	MemoryContext old;

	if (scan->reader != NULL)
		return scan->reader;
	old = MemoryContextSwitchTo(scan->reader_context);
	scan->reader = pgfirst_row_codec()->reader(scan->store);
	MemoryContextSwitchTo(old);
	return scan->reader;
}

/* Nobody is shown what a crash could take back. */
static void
scan_wait(StoreScan *scan, XLogRecPtr position)
{
	if (position <= scan->durable)
		return;
	pgfirst_flush_wait(position);
	scan->durable = position;
}

/* Finds the next record that is a row. */
static bool
scan_next_record(StoreScan *scan)
{
	XLogRecPtr before = pgfirst_store_position();
	XLogRecPtr depends = 0;
	PgfirstRecord record;
	MemoryContext old;
	bool found = false;

	(void) scan_reader(scan);
	if (scan->walk == NULL)
		scan->walk = pgfirst_store_walk(scan->store, NULL, SIZE_MAX);
	/* What was read last has been given. */
	MemoryContextReset(scan->record_context);
	old = MemoryContextSwitchTo(scan->record_context);
	while (!found && pgfirst_walk_next(scan->walk, &record))
	{
		CHECK_FOR_INTERRUPTS();
		/* The reader may begin to count anew. */
		depends = Max(depends, pgfirst_store_position_others());
		found = scan_take(scan, &record, SIZE_MAX);
		if (!found)
			MemoryContextReset(scan->record_context);
	}
	if (found && scan->pieces > 1 && pgfirst_store_changed())
		scan_keep_record(scan, &record);
	MemoryContextSwitchTo(old);
	depends = Max(depends, pgfirst_store_position_others());
	pgfirst_position_restore(before);
	scan_wait(scan, depends);
	return found;
}

/* Whether this participant is the one who scans. */
static bool
scan_is_mine(StoreScan *scan)
{
	StoreParallelScan *parallel = (StoreParallelScan *) scan->base.rs_parallel;

	if (scan->part == SCAN_UNDECIDED)
		scan->part = (!parallel->leader_only || !IsParallelWorker()) &&
		                     pg_atomic_exchange_u32(&parallel->taken, 1) == 0
		                 ? SCAN_ALL
		                 : SCAN_NOTHING;
	return scan->part == SCAN_ALL;
}

bool
pgfirst_am_scan_next(TableScanDesc base, ScanDirection direction, TupleTableSlot *slot)
{
	StoreScan *scan = (StoreScan *) base;

	if (ScanDirectionIsBackward(direction))
		ereport(ERROR,
		        (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		         errmsg("cannot read store \"%s\" backwards", RelationGetRelationName(base->rs_rd)),
		         errhint("Add ORDER BY to the query; what is sorted can be read in both "
		                 "directions.")));
	if (scan_is_mine(scan) && (scan->row_there || scan_next_record(scan)))
	{
		scan_give_piece(scan, slot);
		return true;
	}
	ExecClearTuple(slot);
	return false;
}

/* ---- parallel scans -------------------------------------------------------------------------- */

Size
pgfirst_am_parallel_estimate(Relation relation)
{
	return sizeof(StoreParallelScan);
}

Size
pgfirst_am_parallel_initialize(Relation relation, ParallelTableScanDesc parallel)
{
	StoreParallelScan *shared = (StoreParallelScan *) parallel;

	(void) table_block_parallelscan_initialize(relation, parallel);
	shared->leader_only =
	    pgfirst_store_if_open(RelationGetRelid(relation)) != NULL && pgfirst_store_changed();
	if (shared->leader_only && !parallel_leader_participation)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("cannot read store \"%s\" in parallel workers after the "
		                       "transaction has changed it",
		                       RelationGetRelationName(relation)),
		                errhint("Set parallel_leader_participation to on.")));
	pg_atomic_init_u32(&shared->taken, 0);
	return sizeof(StoreParallelScan);
}

void
pgfirst_am_parallel_reinitialize(Relation relation, ParallelTableScanDesc parallel)
{
	pg_atomic_write_u32(&((StoreParallelScan *) parallel)->taken, 0);
}

/* ---- by blocks: ANALYZE and samples ---------------------------------------------------------- */

/* Whether the page is a leaf of this store; what lies behind the used part of the file is none. */
static bool
scan_page_is_leaf(StoreScan *scan, Page page)
{
	StoreTail *tail = store_page_tail(page);

	return !PageIsNew(page) && pgfirst_tree_id(scan->store) != 0 &&
	       ((PageHeader) page)->pd_special == STORE_TAIL_OFFSET && tail->magic == STORE_MAGIC &&
	       tail->store_id == pgfirst_tree_id(scan->store) && tail->kind == STORE_PAGE_TREE &&
	       tail->level == 0;
}

/*
 * Copies the page of a block and notes its records; none if it is no leaf.  Which version of each is the
 * committed one is asked under the lock: later VACUUM may have settled the page, and PostgreSQL may have
 * forgotten how the transaction ended.
 */
static void
scan_take_page(StoreScan *scan, Buffer buffer)
{
	Page page = scan->page.data;
	StoreVersions versions;

	scan->items = scan->item = 0;
	scan->dead = 0;
	scan->row_there = false;
	/* Read before the page is locked: it may have to look at another one. */
	(void) pgfirst_tree_id(scan->store);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(page, BufferGetPage(buffer), BLCKSZ);
	for (int slot = 0; scan_page_is_leaf(scan, page) && slot < store_page_count(page);)
	{
		slot = pgfirst_versions_at(page, slot, &versions);
		scan->dead += pgfirst_versions_dead(&versions);
		if (versions.visible != NULL && versions.visible->space == STORE_SPACE_RECORDS)
			scan->item_offset[scan->items++] = (uint16) ((char *) versions.visible - (char *) page);
	}
	UnlockReleaseBuffer(buffer);
}

/* Reads so much of the record of an item of the page; false if it is no row. */
static bool
scan_take_item(StoreScan *scan, int number, Size limit)
{
	const StoreItem *item = (StoreItem *) (scan->page.data + scan->item_offset[number]);
	PgfirstRecord record;
	MemoryContext old;
	bool found;

	(void) scan_reader(scan);
	MemoryContextReset(scan->record_context);
	old = MemoryContextSwitchTo(scan->record_context);
	found = pgfirst_item_read(scan->store, item, limit, &record) && scan_take(scan, &record, limit);
	MemoryContextSwitchTo(old);
	return found;
}

bool
pgfirst_am_analyze_block(TableScanDesc base, ANALYZE_BLOCK_SOURCE)
{
	StoreScan *scan = (StoreScan *) base;
	Buffer buffer = AnalyzeNextBuffer(base->rs_rd);

	if (!BufferIsValid(buffer))
		return false;
	scan->block = BufferGetBlockNumber(buffer);
	scan_take_page(scan, buffer);
	return true;
}

bool
pgfirst_am_analyze_row(TableScanDesc base, TransactionId oldest, double *live, double *dead,
                       TupleTableSlot *slot)
{
	StoreScan *scan = (StoreScan *) base;

	*dead += scan->dead;
	scan->dead = 0;
	while (scan->item < scan->items)
	{
		if (!scan_take_item(scan, scan->item++, ANALYZED_BYTES))
			continue;
		*live += (double) scan->pieces;
		if (scan->row.payload > scan->read_end)
			continue; /* the key alone is longer than what is typical of anything */
		scan->row.payload_length =
		    Min(scan->row.payload_length, (Size) (scan->read_end - scan->row.payload));
		scan_give_piece(scan, slot);
		scan->row_there = false;
		return true;
	}
	ExecClearTuple(slot);
	return false;
}

bool
pgfirst_am_sample_block(TableScanDesc base, struct SampleScanState *state)
{
	StoreScan *scan = (StoreScan *) base;
	TsmRoutine *method = state->tsmroutine;

	CHECK_FOR_INTERRUPTS();
	if (scan->block == InvalidBlockNumber)
		scan->blocks = RelationGetNumberOfBlocks(base->rs_rd);
	if (method->NextSampleBlock != NULL)
		scan->block = method->NextSampleBlock(state, scan->blocks);
	else
		scan->block = scan->block == InvalidBlockNumber ? 0 : scan->block + 1;
	if (scan->block == InvalidBlockNumber || scan->block >= scan->blocks)
	{
		scan->block = InvalidBlockNumber;
		return false;
	}
	scan_take_page(scan, ReadBuffer(base->rs_rd, scan->block));
	scan_wait(scan, pgfirst_position_of_store(scan->store));
	return true;
}

bool
pgfirst_am_sample_row(TableScanDesc base, struct SampleScanState *state, TupleTableSlot *slot)
{
	StoreScan *scan = (StoreScan *) base;

	while (!scan->row_there)
	{
		OffsetNumber number =
		    state->tsmroutine->NextSampleTuple(state, scan->block, (OffsetNumber) scan->items);

		if (!OffsetNumberIsValid(number))
		{
			ExecClearTuple(slot);
			return false;
		}
		/* A record is drawn with all of its pieces. */
		(void) scan_take_item(scan, number - 1, SIZE_MAX);
	}
	scan_give_piece(scan, slot);
	return true;
}
