/* SPDX-License-Identifier: PostgreSQL
 *
 * store_int.h: what the files of the store share with each other, and with nobody else.
 */
#ifndef PGFIRST_STORE_INT_H
#define PGFIRST_STORE_INT_H

#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "executor/tuptable.h"
#include "storage/itemptr.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapshot.h"

#include "store/store.h"

/* A store that is open in this transaction.  Lives in pgfirst_store_context(). */
struct PgfirstStore
{
	PgfirstStore *next;
	Oid oid;
	Oid index_oid;
	PgfirstDurability durability;
	bool for_write;           /* RowExclusiveLock is held, else AccessShareLock */
	bool exclusive;           /* ShareRowExclusiveLock is held: nobody else writes */
	bool exclusive_at_commit; /* it will be taken before the write set is applied */

	Relation relation; /* owned by pgfirst_store_owner() */
	Relation index;
	IndexScanDesc scan; /* for single records; NULL until the first */
	PgfirstId scan_id;  /* what its scan key points to */
	TupleTableSlot *slot;

	/* Where the last record read stands, so that the put that follows need not search again. */
	PgfirstId read_id;
	ItemPointerData read_tid; /* invalid: nothing remembered */
};

static inline int
store_id_compare(const PgfirstId *a, const PgfirstId *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* ---- store.c: what belongs to the transaction --------------------------------------------- */

/* Memory and resources that last until the end of the top transaction, savepoints or not. */
extern MemoryContext pgfirst_store_context(void);
extern ResourceOwner pgfirst_store_owner(void);

/* ---- snapshot.c: the newest committed state ------------------------------------------------ */

/* Registered on pgfirst_store_owner(); valid until the next call. */
extern Snapshot pgfirst_snapshot(void);

/* Whatever is committed by now must be seen by the next read. */
extern void pgfirst_snapshot_renew(void);
extern void pgfirst_snapshot_forget(void);

/* ---- heap.c: records as rows ---------------------------------------------------------------- */

/*
 * The body as it lies in the row, perhaps in a TOAST table, and where the row is; valid while the
 * slot it came from holds the row.
 */
typedef struct StoreRow
{
	PgfirstId id;
	uint16 kind;
	int64 expiry;
	Datum body;
	ItemPointerData tid;
} StoreRow;

extern void pgfirst_heap_row(TupleTableSlot *slot, StoreRow *row);
extern void pgfirst_heap_record(const StoreRow *row, Size limit, PgfirstRecord *record);

/* Finds the committed row under id; pgfirst_heap_release() when done with it. */
extern bool pgfirst_heap_find(PgfirstStore *store, const PgfirstId *id, StoreRow *row);
extern bool pgfirst_heap_find_at(PgfirstStore *store, const PgfirstId *id, ItemPointer tid,
                                 StoreRow *row);
extern void pgfirst_heap_release(PgfirstStore *store);

/* Where rows are written; one for each store, while the write set is applied. */
typedef struct StoreWriter StoreWriter;
extern StoreWriter *pgfirst_heap_writer(PgfirstStore *store);
extern void pgfirst_heap_insert(StoreWriter *writer, const PgfirstId *id, uint16 kind, int64 expiry,
                                Datum body);
extern void pgfirst_heap_update(StoreWriter *writer, ItemPointer tid, const PgfirstId *id,
                                uint16 kind, int64 expiry, Datum body);
extern void pgfirst_heap_delete(StoreWriter *writer, ItemPointer tid);
extern void pgfirst_heap_writer_end(StoreWriter *writer);

/* ---- writeset.c: what this transaction will write --------------------------------------------- */

typedef enum StoreChange
{
	STORE_UNCHANGED, /* was changed by a savepoint that has been rolled back */
	STORE_PUT,
	STORE_EXPIRY, /* the committed record with another expiry */
	STORE_DELETED
} StoreChange;

/* One record of the write set.  Stays where it is until the transaction ends. */
typedef struct StoreEntry
{
	PgfirstId id;
	PgfirstStore *store;
	bytea *body; /* STORE_PUT only; with its header, as the row takes it */
	int64 expiry;
	uint32 hash;
	SubTransactionId saved_in; /* the newest savepoint that can give back what was before */
	ItemPointerData tid;       /* where the committed row probably is, or invalid */
	uint16 kind;
	uint8 change; /* StoreChange */
} StoreEntry;

extern StoreEntry *pgfirst_writeset_find(PgfirstStore *store, const PgfirstId *id);
extern void pgfirst_writeset_record(const StoreEntry *entry, PgfirstRecord *record);

/* Those of one store (NULL: of all) that hold a change, sorted by store and id. */
extern StoreEntry **pgfirst_writeset_sorted(PgfirstStore *store, Size *count);

extern void pgfirst_writeset_init(void);
extern void pgfirst_writeset_forget(void);
extern void pgfirst_writeset_sub_commit(SubTransactionId child, SubTransactionId parent);
extern void pgfirst_writeset_sub_abort(SubTransactionId child);

/* ---- apply.c: the write set goes to the pages ---------------------------------------------------- */

extern void pgfirst_apply(void);

/* ---- lock.c: which locks this transaction holds --------------------------------------------------- */

/* Takes the lock of the relation under the top transaction. */
extern bool pgfirst_lock_relation(Oid relation, int mode, bool wait);
extern void pgfirst_unlock_relation(Oid relation, int mode);
extern void pgfirst_lock_before_apply(PgfirstStore *store);
extern void pgfirst_lock_forget(void);
extern void pgfirst_lock_sub_commit(SubTransactionId child, SubTransactionId parent);
extern void pgfirst_lock_sub_abort(SubTransactionId child);

/* ---- position.c: what must be durable before it is told -------------------------------------------- */

extern void pgfirst_position_init(void);

/* Readers: adds to pgfirst_store_position(), after the read. */
extern void pgfirst_position_read(PgfirstStore *store, const PgfirstId *id);
extern void pgfirst_position_read_own(void);
extern void pgfirst_position_add(XLogRecPtr position);
extern void pgfirst_position_restore(XLogRecPtr position); /* reads that nobody is told of */

/* What a snapshot of the whole store depends on, asked for after it was taken. */
extern XLogRecPtr pgfirst_position_of_store(PgfirstStore *store);

/* Writers: announce before the commit record, end after visibility; neither allocates. */
extern void pgfirst_position_announce(PgfirstStore *store, const PgfirstId *id);
extern void pgfirst_position_end(XLogRecPtr commit);

#endif
