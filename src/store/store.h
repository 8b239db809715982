/* SPDX-License-Identifier: PostgreSQL
 *
 * store.h: records by 128-bit id. The contract between what keeps bytes and what gives them meaning.
 *
 * A record is bytes under an id, with a kind and an expiry.  The store knows nothing of Redis, of
 * keys or of queues.  Everything happens in a transaction, and in it through the write set:
 *
 *   - Reads give the newest committed version, whatever the isolation level, merged with what this
 *     transaction has put into its write set.
 *   - Changes go into the write set, in memory, and to the pages at PRE_COMMIT.  Rollback discards
 *     them, ROLLBACK TO SAVEPOINT discards those of the savepoint.  A command that fails before
 *     its first put leaves nothing behind.
 *   - Who wants to change a record takes its lock first (pgfirst_store_lock) and reads after that;
 *     then nobody else changes it before this transaction ends.
 *   - Every read adds to pgfirst_store_position(): the WAL position that must be durable before
 *     anybody is told what was read.  What was read from the own write set gives
 *     PGFIRST_POSITION_OWN, known when the transaction has committed.
 *
 * The contract test (test/t, "store contract") runs random programs against this header and a map
 * in memory and compares; whatever implements the header must pass it unchanged.
 */
#ifndef PGFIRST_STORE_H
#define PGFIRST_STORE_H

#include "postgres.h"

#include "access/xlogdefs.h"

typedef struct PgfirstId
{
	uint8 bytes[16]; /* ordered as memcmp orders them */
} PgfirstId;

/* A record as it is read or put. */
typedef struct PgfirstRecord
{
	PgfirstId id;
	uint16 kind;      /* the caller's; the store compares it with nothing */
	int64 expiry;     /* milliseconds since 1970 UTC, 0 for never */
	const char *data; /* read: min(length, limit) bytes at least; put: length bytes */
	Size length;      /* of the whole record, at most PGFIRST_RECORD_MAX */
} PgfirstRecord;

#define PGFIRST_RECORD_MAX   ((Size) 1000 * 1024 * 1024)
#define PGFIRST_POSITION_OWN PG_UINT64_MAX

/* How fast a change of this store is durable. */
typedef enum PgfirstDurability
{
	PGFIRST_DURABLE, /* logged; the reply waits for the flush and the standbys */
	PGFIRST_RELAXED, /* logged; the reply waits for nothing */
	PGFIRST_VOLATILE /* not logged; empty after a crash of the server */
} PgfirstDurability;

/* ---- stores ------------------------------------------------------------------------------ */

typedef struct PgfirstStore PgfirstStore; /* open until the end of the transaction */

/*
 * Makes an empty store as an ordinary table of the current user and returns its oid.  The caller
 * holds the right to create in the schema.
 */
extern Oid pgfirst_store_create(const char *schema, const char *name, bool logged);

/*
 * Opens the store.  wait false: NULL when a lock on the relation that is needed cannot be had now.
 * Raises undefined_table when the relation is gone, wrong_object_type when it is no store.
 * Opening twice in a transaction is cheap and gives the same store.
 */
extern PgfirstStore *pgfirst_store_open(Oid relation, PgfirstDurability durability, bool for_write,
                                        bool wait);

/* ---- reading ----------------------------------------------------------------------------- */

/*
 * The record under id, expired or not.  `limit` says how many bytes of data the caller will look
 * at (SIZE_MAX for all): a large record need not be brought in for its head.  data stays valid
 * until the record is changed or the transaction ends, in the current memory context or in the
 * write set.
 */
extern bool pgfirst_store_get(PgfirstStore *store, const PgfirstId *id, Size limit,
                              PgfirstRecord *record);

/* The same for a record that the transaction is likely to read many times. */
extern bool pgfirst_store_get_hot(PgfirstStore *store, const PgfirstId *id, Size limit,
                                  PgfirstRecord *record);

/*
 * What shows later whether a record has been changed: by any process, and whether it is there or not.
 * Records are hashed to what is remembered, so now and then it is another one that was changed.  What
 * the transaction under way has changed itself shows only when it has ended; hence _changes.
 */
typedef struct PgfirstStamp
{
	PgfirstId id;
	uint32 stamp;
	bool running;  /* somebody was changing it */
	bool recovery; /* the server was a standby */
} PgfirstStamp;

extern void pgfirst_store_stamp(PgfirstStore *store, const PgfirstId *id, PgfirstStamp *stamp);

/* Whether the record is as it was. */
extern bool pgfirst_store_stamp_holds(PgfirstStore *store, const PgfirstStamp *stamp);

/*
 * Nearly the same without a look at the record, for one that nobody was changing when it was remembered;
 * not on a standby.
 */
extern bool pgfirst_store_stamp_stands(PgfirstStore *store, const PgfirstStamp *stamp);

/* Whether the transaction has changed the record. */
extern bool pgfirst_store_changes(PgfirstStore *store, const PgfirstId *id);

/*
 * Several records as of one moment: what is read by pgfirst_store_get, or _hot, between begin and end is noted,
 * and end says whether all of it was true at one moment.  If not, it is read again.  Of pairs within each
 * other only the outermost says so, of all stores; `store` is the one that is read most.
 *
 * _brief is for what is quickly read again, once more than would have to be: the first time nothing is noted.
 */
extern void pgfirst_store_together_begin(PgfirstStore *store);
extern void pgfirst_store_together_begin_brief(PgfirstStore *store);
extern bool pgfirst_store_together_end(void);

/*
 * Says that these records will be read soon: those that are on disk are brought in together.  Costs
 * little and changes nothing.
 */
extern void pgfirst_store_prefetch(PgfirstStore *store, const PgfirstId *ids, int count);

/* record NULL: there is none; it is valid until this returns: whether to go on. */
typedef bool (*PgfirstStoreRead)(void *context, int i, const PgfirstRecord *record);

/*
 * Reads these records one after the other, all that is in them, each while the next ones are on their way.  What does
 * not fit into an item is brought into `scratch`, which is emptied.  False if `read` did not go on.
 */
extern bool pgfirst_store_get_each(PgfirstStore *store, const PgfirstId *ids, int count,
                                   MemoryContext scratch, PgfirstStoreRead read, void *context);

/*
 * Walks the records in id order from `from` (NULL: from the first).  A record that is there
 * throughout the walk is returned once.  Changes during the walk may or may not be seen; a new
 * walk from the last id on sees them.
 */
typedef struct PgfirstWalk PgfirstWalk;
extern PgfirstWalk *pgfirst_store_walk(PgfirstStore *store, const PgfirstId *from, Size limit);

/*
 * The same over what belongs to one record, which changes whenever any of it does: whoever has read that one
 * knows what the walk depends on, so it adds nothing to pgfirst_store_position() itself.
 */
extern PgfirstWalk *pgfirst_store_walk_parts(PgfirstStore *store, const PgfirstId *from,
                                             Size limit);

/* Goes on with the first record that is not before `id`, which must not be behind it. */
extern void pgfirst_walk_seek(PgfirstWalk *walk, const PgfirstId *id);
extern bool pgfirst_walk_next(PgfirstWalk *walk, PgfirstRecord *record);
extern void pgfirst_walk_end(PgfirstWalk *walk);

/*
 * A record by chance, of those that begin with the same eight bytes as `first` and are not before it, read as by
 * pgfirst_store_get().  For ids that are spread as hashes are; then records differ by one part in the square root of what
 * a page has of them.  False where it cannot say: where a page has none, where the transaction has put some, or by bad
 * luck; another call may, and a walk from a number by chance can.
 */
extern bool pgfirst_store_sample(PgfirstStore *store, const PgfirstId *first,
                                 PgfirstRecord *record);

/*
 * What the reads since the last reset depend on; see the head of this file.  A reset is also where a
 * command begins: reads after it see whatever is committed by then, reads between two resets may
 * see one state of the store.  What is read under a lock is always the newest.
 */
extern XLogRecPtr pgfirst_store_position(void);
/* The same without PGFIRST_POSITION_OWN: what they depend on of other transactions. */
extern XLogRecPtr pgfirst_store_position_others(void);
extern void pgfirst_store_position_reset(void);

/* ---- changing ---------------------------------------------------------------------------- */

/*
 * Takes the record's lock until the end of the transaction, or of the savepoint that is rolled back.
 * Ids that begin with the same eight bytes share a lock.  wait false: returns false, having waited
 * for nothing, when somebody else holds it.
 *
 * Locks stand in memory shared by the whole server, so one transaction takes at most
 * PGFIRST_LOCKS_MAX of them.  From then on `conditional` says whether the caller's change depends
 * on what it reads: if it does, all other writers of the store are locked out now, if it does not,
 * only while this transaction commits; but whoever does not want to wait (wait false) must not have
 * to at commit either, and locks them out now.
 */
#define PGFIRST_LOCKS_MAX 1000
extern bool pgfirst_store_lock(PgfirstStore *store, const PgfirstId *id, bool conditional,
                               bool wait);

/*
 * Locks all other writers of the store out until the end of the transaction: for who is going to
 * change more records than it may lock.  wait false: false when somebody writes just now.
 */
extern bool pgfirst_store_lock_all(PgfirstStore *store, bool wait);

/* While the server starts: one process, and no more, is going to call pgfirst_store_lock_whole(). */
extern void pgfirst_store_expect_loop(void);

/*
 * For that one, a loop of short transactions, at the beginning of each: when it has to lock a second record, it
 * tries to lock all other writers of the store out until the end of the transaction instead; unless others have
 * opened stores to write just now.  now_us is of pgfirst_clock_monotonic_us().
 */
extern void pgfirst_store_lock_whole(int64 now_us);

/* How many locks of records this transaction has. */
extern int pgfirst_store_locks(void);

/* How often a loop that has the whole store's has been asked for another one since. */
extern int pgfirst_store_locks_spared(void);

/* The process that holds the lock that pgfirst_store_lock could not have; 0 if it is gone by now. */
extern int pgfirst_store_lock_holder(PgfirstStore *store, const PgfirstId *id);

/* Whether the write set takes `bytes` more within pgfirst.write_set_limit. */
extern bool pgfirst_store_room(Size bytes);

/*
 * Puts the record, new or instead of the one under its id.  The bytes are copied.  Raises
 * program_limit_exceeded when the write set is full, read_only_sql_transaction and its relatives
 * where writing is forbidden.
 */
extern void pgfirst_store_put(PgfirstStore *store, const PgfirstRecord *record);

/*
 * The bytes of a record that this transaction has put, to be changed where they are, as a put of as many would change
 * them; NULL if it has not, since its last savepoint or mark: then it must be put.
 */
extern char *pgfirst_store_edit(PgfirstStore *store, const PgfirstId *id);

/* Changes only when the record under id expires; false if there is none. */
extern bool pgfirst_store_expire(PgfirstStore *store, const PgfirstId *id, int64 expiry);

/*
 * Forgets what the transaction has changed in the store so far, and keeps the locks.  A savepoint that is
 * rolled back brings back what had been changed before it.
 */
extern void pgfirst_store_drop_changes(PgfirstStore *store);

/*
 * A point to which a loop can take back what it changes from here on, without savepoints: what is kept
 * belongs to whoever set the mark before, or to the transaction; what is undone is as it was, but the
 * locks stay.  Marks may stand within each other; all are gone when the transaction fails.
 */
extern void pgfirst_store_mark(void);
extern void pgfirst_store_mark_keep(void);
extern void pgfirst_store_mark_undo(void);

/*
 * The first eight bytes of ids, in the order of the machine, that this store has never given to anybody: for
 * records that belong together.  They are spread as hashes are.  The store is open to write.
 */
extern uint64 pgfirst_store_incarnation(PgfirstStore *store);

/* Deletes the record under id; false if there is none. */
extern bool pgfirst_store_delete(PgfirstStore *store, const PgfirstId *id);

/* The same of one that this command has got, and whose lock it holds: it is not looked for again. */
extern void pgfirst_store_delete_known(PgfirstStore *store, const PgfirstRecord *record);

/*
 * From here on each command of this transaction (what lies between two calls of
 * pgfirst_store_position_reset) stands for itself: what one command changes becomes visible as a
 * whole, but not together with what others change, and perhaps earlier than the transaction's
 * commit.  For a loop that serves many clients in one transaction.  A small change then takes no
 * transaction id.
 */
extern void pgfirst_store_commands_apart(void);

/*
 * From here on, and for what has been changed before, that is no longer so: all of it becomes visible when
 * the transaction commits.  For a command that changes more than records.
 */
extern void pgfirst_store_commands_together(void);

/* Whether commands of this transaction have become visible before it committed, or failed to. */
extern bool pgfirst_store_applied_apart(void);

/* Whether this transaction has changed anything that is not yet on pages. */
extern bool pgfirst_store_changed(void);

/* ---- rows ------------------------------------------------------------------------------------ */

/*
 * A record as SQL, COPY and pg_dump see it: a row of the store's table for each piece of at most
 * PGFIRST_ROW_PIECE_MAX bytes of its payload.  The table's columns:
 *
 *     tenant int4, key bytea, piece int4 (from 1), pieces int4, type text, expiry timestamptz,
 *     payload bytea
 *
 * What the bytes of a record mean only its capability knows; it registers how its records become
 * rows, and rows records.  Neither ids nor secrets are in a row, so rows go from one cluster to
 * another.
 */
#define PGFIRST_ROW_PIECE_MAX ((Size) 1024 * 1024)

typedef struct PgfirstRow
{
	int32 tenant;
	const char *key;
	Size key_length;
	const char *type;
	int64 expiry; /* as in the record */
	const char *payload;
	Size payload_length;
} PgfirstRow;

typedef struct PgfirstRowCodec
{
	/* How records are changed, for the hints of errors: a sentence. */
	const char *change_hint;

	/*
	 * For one scan: whatever `row` wants to remember, allocated in the current context.  `row` says
	 * whether the record is a row, and what of it; only the first bytes of the record may have been
	 * read, so it looks at no byte of the payload.  Of a row that takes more than this record it puts
	 * key and payload together in the current context.
	 */
	void *(*reader)(PgfirstStore *store);
	bool (*row)(void *reader, const PgfirstRecord *record, PgfirstRow *row);

	/*
	 * Makes the record of a row, which has all of its payload; raises what is wrong with it.  Puts other records that
	 * belong to it itself, calling pgfirst_rows_spill() after each.
	 */
	void (*record)(PgfirstStore *store, const PgfirstRow *row, PgfirstRecord *record);
} PgfirstRowCodec;

/*
 * For who makes records of rows: when much is in memory that was put, and it may go to the pages before the
 * transaction ends, it does.
 */
extern void pgfirst_rows_spill(PgfirstStore *store);

/* One codec; it lives as long as the process. */
extern void pgfirst_store_rows(const PgfirstRowCodec *codec);

/* The table, and the number of its file: another one after TRUNCATE, VACUUM FULL and their like. */
extern Oid pgfirst_store_relation(const PgfirstStore *store);
extern Oid pgfirst_store_storage(const PgfirstStore *store);

/* ---- upkeep ------------------------------------------------------------------------------ */

/*
 * Looks at up to max_records records from *cursor on and deletes those that are expired at
 * `now_ms` or that `garbage` says are garbage, skipping whoever is locked.  Advances *cursor, and
 * sets it to zero at the end of the store; stops before max_records when the transaction has no
 * locks left.  Runs inside the caller's transaction, through its write set, and adds nothing to
 * pgfirst_store_position().
 */
typedef struct PgfirstSweep
{
	uint64 seen;
	uint64 deleted;
	uint64 garbage; /* of them, those that had not expired */
	bool wrapped;   /* reached the end */
} PgfirstSweep;
extern PgfirstSweep pgfirst_store_sweep(PgfirstStore *store, PgfirstId *cursor, uint64 max_records,
                                        int64 now_ms,
                                        bool (*garbage)(const PgfirstRecord *record, void *context),
                                        void *context, Size limit);

/*
 * Clears away what changes have left on the next `leaves` pages from *cursor (zero: the first) on:
 * replaced versions, bytes of large records that nothing leads to, pages that are almost empty.  The store may be
 * open for reading; takes no lock of a record and no transaction id.  *cursor is zero again at the end.
 */
typedef struct PgfirstTidyCursor
{
	uint64 opaque[3];
} PgfirstTidyCursor;

typedef struct PgfirstTidy
{
	uint32 leaves;  /* looked at */
	uint32 settled; /* of them with versions that were cleared away */
	uint32 merged;
	uint64 parts; /* of large records, deleted */
	bool wrapped;
	bool busy; /* somebody keeps everybody away from the pages; nothing was done */
} PgfirstTidy;
extern PgfirstTidy pgfirst_store_tidy(PgfirstStore *store, PgfirstTidyCursor *cursor,
                                      uint32 leaves);

/*
 * Makes the file shorter where many of its pages are free (see shrink.c): some steps at a time.  A cursor of zeros
 * begins. BUSY: somebody uses the store, or does the same; it may be called again.  Until the transaction ends nobody
 * else shrinks the store.
 */
typedef enum PgfirstShrinkMode
{
	PGFIRST_SHRINK_ASKED,
	PGFIRST_SHRINK_AS_SET, /* by the table's vacuum_truncate; where it is off: */
	PGFIRST_SHRINK_END     /* what was begun is ended, and no more */
} PgfirstShrinkMode;

typedef struct PgfirstShrink
{
	uint32 phase;
	uint32 at;
	uint32 front; /* that it has written down */
	uint32 used;  /* pages in use when it did */
	uint64 steps;
	bool anew;   /* what others have begun is ended first */
	bool passed; /* there was a pass, */
	bool gained; /* not in vain */
	int passes;
	int vain; /* so many of the last ones */
} PgfirstShrink;

typedef enum PgfirstShrinkResult
{
	PGFIRST_SHRINK_MORE,
	PGFIRST_SHRINK_DONE,
	PGFIRST_SHRINK_BUSY
} PgfirstShrinkResult;

extern PgfirstShrinkResult pgfirst_store_shrink(PgfirstStore *store, PgfirstShrink *shrink,
                                                uint32 steps, PgfirstShrinkMode mode);

/* A number that changes whenever there may be something to clear away. */
extern uint32 pgfirst_store_untidy(PgfirstStore *store);

/*
 * Called for every record that a transaction changes, as it goes to the pages (after is NULL for a
 * delete, before is NULL for a new one; at most `limit` bytes of data are promised).  May not fail
 * and may not touch the store; what it learns becomes valid only when the transaction commits.
 * One observer: whoever keeps counts.
 */
typedef void (*PgfirstObserver)(Oid relation, const PgfirstRecord *before,
                                const PgfirstRecord *after);
extern void pgfirst_store_observe(PgfirstObserver observer, Size limit);

/*
 * Records of these kinds are parts of others: whoever changes one that is in use also changes, in the same
 * command, the record to which it belongs.  So a change of a part is not shown by stamps, nor to who reads
 * several records as of one moment: both look at the other record.  Stamps are hashed; else each of a million
 * parts would look like a change of whatever else is watched.
 */
extern void pgfirst_store_parts(uint16 first, uint16 last);

/*
 * Stops writers of the store (wait false: returns false when somebody writes just now, or a transaction that has
 * changed pages goes on), calls `at_rest` while nobody writes and everything committed has been observed, lets them go
 * on, and then gives every record to `each`.  Meanwhile the observer hears of changes of those records that have been
 * given, and of no others; so what `each` has been given and what the observer hears of from at_rest on make the
 * whole.  How counts are built.
 */
extern bool pgfirst_store_census(PgfirstStore *store, Size limit, bool wait,
                                 void (*at_rest)(void *),
                                 void (*each)(const PgfirstRecord *record, void *context),
                                 void *context);

/*
 * Holds everything that stands on the store's pages against what must be so, and calls `problem` for
 * each thing that is wrong: block is the page's number or PGFIRST_NO_BLOCK, text a short sentence.
 * Never raises data_corrupted and ends on any bytes.  What bytes mean is asked of `record` (may be
 * NULL), for every version of every record: it returns what is wrong, or NULL.  It is given
 * `available` bytes of data; if it wants more it says how many in all in *wanted, returns NULL and
 * is asked again, if they are there.
 *
 * Writers, other checks and whoever tidies are locked out meanwhile, readers are not; wait false: returns false when
 * one of them is there just now.  On a standby nobody can be: what is replayed meanwhile may look like damage.
 */
#define PGFIRST_NO_BLOCK PG_UINT32_MAX

typedef struct PgfirstCheck
{
	void (*problem)(uint32 block, const char *text, void *context);
	const char *(*record)(const PgfirstRecord *record, Size available, Size *wanted, void *context);
	void *context;
} PgfirstCheck;
extern bool pgfirst_store_check(PgfirstStore *store, bool wait, const PgfirstCheck *check);

/*
 * What the store's file is filled with.  Goes over the pages once, while others write, so it is
 * exact only when nobody does.
 */
typedef struct PgfirstSpace
{
	uint64 blocks;   /* of the file */
	uint64 bytes;    /* the same in bytes: the sum of the next four */
	uint64 live;     /* records, their slots and their parts */
	uint64 free;     /* free pages, the unused end of the file, holes */
	uint64 garbage;  /* dead bytes, versions replaced or rolled back, parts that nothing leads to */
	uint64 overhead; /* headers and fences, the pages above the leaves, the first page */
	uint64 records;
	uint64 large_records; /* of them, those with parts */
	uint64 free_pages;
	int depth; /* pages from the root to a leaf, both included; 0: the store is empty */
} PgfirstSpace;
extern void pgfirst_store_space(PgfirstStore *store, PgfirstSpace *space);

/* The bytes of its file, that is, of the greatest part of it. */
extern uint64 pgfirst_store_file_bytes(PgfirstStore *store);

/* What a record of this length takes of a file: it counts for so much in `live`. */
extern uint64 pgfirst_store_footprint(Size length);

/* Called once by _PG_init. */
extern void pgfirst_store_init(void);

#endif
