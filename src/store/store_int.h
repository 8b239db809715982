/* SPDX-License-Identifier: PostgreSQL
 *
 * store_int.h: what the files of the store share with each other, and with nobody else.
 */
#ifndef PGFIRST_STORE_INT_H
#define PGFIRST_STORE_INT_H

#include "postgres.h"

#include "access/tableam.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/resowner.h"

#include "store/page.h"
#include "store/store.h"
#include "store/store_api.h"
#include "store/wal.h"

typedef struct StoreHints StoreHints;

/* Where a leaf probably is; see hints.c. */
typedef struct StoreHint
{
	BlockNumber block; /* InvalidBlockNumber: nothing is known */
	Buffer buffer;     /* where the block probably is */
} StoreHint;

/* A store that is open in this transaction.  Lives in pgfirst_store_context(). */
struct PgfirstStore
{
	PgfirstStore *next;
	Oid oid;
	PgfirstDurability durability;
	bool for_write;           /* RowExclusiveLock is held, else AccessShareLock */
	bool exclusive;           /* nobody else writes: see lock.c */
	bool exclusive_at_commit; /* it will be taken before the write set is applied */
	bool rows_only;           /* open for rows of SQL and for nothing else */

	Relation relation; /* owned by pgfirst_store_owner() */
	StoreHints *hints; /* the process's; see tree.c */
};

/* ---- store.c: what belongs to the transaction --------------------------------------------- */

/* The store that is open in this transaction, or NULL. */
extern PgfirstStore *pgfirst_store_if_open(Oid relation);

/* A store for the time of one call or scan; it has no write set and does not stay open. */
extern void pgfirst_store_borrow(PgfirstStore *store, Relation relation);

/* Closes an open store to which nothing leads: the write set is empty. */
extern void pgfirst_store_close(PgfirstStore *store);

/* Memory and resources that last until the end of the top transaction, savepoints or not. */
extern MemoryContext pgfirst_store_context(void);
extern ResourceOwner pgfirst_store_owner(void);

/* The record of an item that is not large and stays where it is for as long as the record does. */
static inline void
pgfirst_item_record(const StoreItem *item, PgfirstRecord *record)
{
	StoreKey key = store_item_key(item);

	store_key_to_id(&key, &record->id);
	record->kind = item->kind;
	record->expiry = item->expiry;
	record->length = item->length;
	record->data = item->data;
}

/* An item as it is copied from its page. */
typedef union StoreCopy
{
	StoreItem item;
	char bytes[STORE_ITEM_MAX];
} StoreCopy;

/*
 * The record of an item, which is a copy; false if it is large and its parts have been replaced since.
 * The committed record under id, own changes that have gone to the pages included.
 */
extern bool pgfirst_item_read(PgfirstStore *store, const StoreItem *item, Size limit,
                              PgfirstRecord *record);
extern bool pgfirst_committed_get(PgfirstStore *store, const PgfirstId *id, Size limit,
                                  PgfirstRecord *record);

/* Tells whoever watches (a test) that the store has come to this point. */
#define pgfirst_store_point(name)                                                                  \
	do                                                                                             \
	{                                                                                              \
		if (unlikely(pgfirst_store_watch.point != NULL))                                           \
			pgfirst_store_watch.point(name);                                                       \
	} while (0)
extern PgfirstStoreWatch pgfirst_store_watch;

/* ---- tree.c: from a key to its leaf ---------------------------------------------------------- */

/* A page that is pinned and locked. */
typedef struct StoreLeaf
{
	Buffer buffer; /* InvalidBuffer: the store is empty */
	Page page;
	BlockNumber block;
} StoreLeaf;

/* Locks a page of the store, checked to be one; mode as for LockBuffer. */
extern void pgfirst_page_lock(PgfirstStore *store, BlockNumber block, int mode, StoreLeaf *page);
extern void pgfirst_page_unlock(StoreLeaf *page);

/* Raises data_corrupted if a locked page is not a page of the store, in its place. */
extern void pgfirst_page_check(PgfirstStore *store, Page page, BlockNumber block);

/* What a page says it is, without its lock: good for refusing it. */
extern StorePageKind pgfirst_page_kind(PgfirstStore *store, BlockNumber block);

/* Raises data_corrupted about this page. */
pg_noreturn extern void pgfirst_block_damaged(PgfirstStore *store, BlockNumber block,
                                              const char *what);

#define STORE_LOCK_TRY 99 /* beside the modes of LockBuffer */

/* The same exclusively, if it can be had now. */
extern bool pgfirst_page_try(PgfirstStore *store, BlockNumber block, StoreLeaf *page);

/* Locks the leaf on which the key stands or would stand; false if the store is empty. */
extern bool pgfirst_leaf_lock(PgfirstStore *store, const StoreKey *key, int mode, StoreLeaf *leaf);

/*
 * Locks the block of the hint if it is that leaf, with `mode`, which may be STORE_LOCK_TRY: exclusively, if that can be
 * had now.
 */
extern bool pgfirst_leaf_try(PgfirstStore *store, StoreHint *hint, const StoreKey *key, int mode,
                             StoreLeaf *leaf);

/* Locks the leaf of the key for reading, which is probably `block`. */
extern bool pgfirst_leaf_lock_at(PgfirstStore *store, BlockNumber block, const StoreKey *key,
                                 StoreLeaf *leaf);

/* The block of the key's leaf, which nothing keeps from changing. */
extern BlockNumber pgfirst_leaf_block(PgfirstStore *store, const StoreKey *key);

/* A copy of what says what a page is, which may be any page; false if it is zero. */
extern bool pgfirst_page_peek(PgfirstStore *store, BlockNumber block, StoreTail *tail);

/* The page of `level` that covers the key, InvalidBlockNumber if the tree is lower than that. */
extern BlockNumber pgfirst_level_block(PgfirstStore *store, const StoreKey *key, int level);

/*
 * Locks the page of `level` that covers the key, and its parent, exclusively.  parent->buffer is
 * InvalidBuffer when the page is the root.  False if the tree is lower than that.
 */
extern bool pgfirst_level_lock(PgfirstStore *store, const StoreKey *key, int level,
                               StoreLeaf *parent, StoreLeaf *page);

/* The child that holds the key, and its slot, on an inner page that covers it. */
extern int pgfirst_child_slot(Page page, const StoreKey *key);

/* Makes meta and root if the store is empty. */
extern void pgfirst_tree_create(PgfirstStore *store);

/* Whose pages these are; 0 if the store is empty. */
extern uint64 pgfirst_tree_id(PgfirstStore *store);

/* ---- meta.c: free pages and counters --------------------------------------------------------- */

extern StoreMeta pgfirst_meta(PgfirstStore *store);
extern void pgfirst_meta_lock(PgfirstStore *store, int mode, StoreLeaf *meta);
extern void pgfirst_meta_change(StoreEdit *edit, const StoreMeta *meta);

/* Changes the meta page, which is locked, and nothing else. */
extern void pgfirst_meta_write(PgfirstStore *store, StoreLeaf *leaf, const StoreMeta *meta);
extern void pgfirst_meta_tags(PgfirstStore *store, StoreTags tags);

/* Changes the word if it is `from`; false if it was another.  See vacuum.c. */
extern bool pgfirst_meta_tags_swap(PgfirstStore *store, StoreTags from, StoreTags to);

/* Sees to it that `wanted` pages are likely to be available; nothing is locked. */
extern void pgfirst_pages_reserve(PgfirstStore *store, BlockNumber wanted);

/*
 * Takes a page, under the lock of the meta page: the buffer is locked, meta (a private copy) changes.
 * False if there is none.
 */
extern bool pgfirst_page_take(PgfirstStore *store, StoreMeta *meta, StoreLeaf *page);

extern uint64 pgfirst_incarnation_next(PgfirstStore *store);

/* Which in the order of their making an incarnation is; 0 is none. */
extern uint64 pgfirst_incarnation_count(uint64 incarnation);

/* ---- split.c, merge.c: the tree grows and shrinks --------------------------------------------- */

/*
 * Divides the leaf of the key, once, unless `size` bytes of items and their slots fit on it by now.  run: more will follow,
 * in the order of their keys.
 */
extern void pgfirst_tree_make_room(PgfirstStore *store, const StoreKey *key, Size size, bool run);

/* Makes the page a free one in `image`, the first of the list, in meta (a private copy) too. */
extern void pgfirst_free_build(Page image, StoreLeaf *page, StoreMeta *meta);

/* Whether pages of which so much is used are worth merging. */
extern bool pgfirst_merge_fits(Size used, Size used_right);

/* Merges the leaf that covers the key with its right neighbour, if both are empty enough. */
extern bool pgfirst_tree_merge(PgfirstStore *store, const StoreKey *key);

/* Whether it is worth making two of three neighbours of which so much is used. */
extern bool pgfirst_squeeze_fits(Size used, Size used_middle, Size used_right);

/* Makes two of the leaf that covers the key and the two to the right of it, if they have one parent. */
extern bool pgfirst_tree_squeeze(PgfirstStore *store, const StoreKey *key);

/* ---- tidy.c: clearing away ---------------------------------------------------------------------- */

/* Something has happened to the store that may have left something to clear away. */
extern void pgfirst_tidy_wanted(Oid relation);

/* Deletes the parts of an incarnation that nothing leads to; returns how many. */
extern uint64 pgfirst_parts_delete(PgfirstStore *store, uint64 incarnation);

/* Settles what has ended on a leaf that is locked exclusively; false if there was nothing. */
extern bool pgfirst_leaf_settle(PgfirstStore *store, StoreLeaf *leaf);
extern void pgfirst_tidy_init(void);

/* ---- garbage.c: parts that nothing leads to ------------------------------------------------------- */

/* The record's parts are garbage: now, if the transaction commits, if it does not. */
extern void pgfirst_garbage_now(PgfirstStore *store, const StoreLarge *large);
extern void pgfirst_garbage_by_commit(PgfirstStore *store, const StoreLarge *large);
extern void pgfirst_garbage_by_abort(PgfirstStore *store, const StoreLarge *large);
extern void pgfirst_garbage_end(bool committed);

/* Deletes up to about so many parts of those that wait; returns how many. */
extern uint64 pgfirst_garbage_collect(PgfirstStore *store, uint64 parts);

/* The same if many wait, for who is going to write so many parts. */
extern void pgfirst_garbage_keep_pace(PgfirstStore *store, uint64 parts);
extern void pgfirst_garbage_init(void);

/* ---- version.c: committed bytes and next bytes -------------------------------------------------- */

typedef enum StoreTag
{
	STORE_TAG_NONE, /* there is no tagged item */
	STORE_TAG_RUNNING,
	STORE_TAG_MINE,
	STORE_TAG_COMMITTED,
	STORE_TAG_ABORTED
} StoreTag;

/* The items of a key on a leaf. */
typedef struct StoreVersions
{
	int slot;           /* of the first item, or where it would stand */
	int items;          /* 0 to 2 */
	StoreItem *settled; /* without a tag, or NULL */
	StoreItem *tagged;  /* with a tag, or NULL */
	StoreTag tag;
	StoreItem *current; /* what is committed, or NULL */
	StoreItem *visible; /* what this transaction reads: current, or its own */
} StoreVersions;

/* How the transaction of a tag stands; raises data_corrupted if there cannot be such a transaction. */
extern StoreTag pgfirst_tag_state(TransactionId xid);
extern void pgfirst_versions_find(Page page, const StoreKey *key, StoreVersions *versions);

/* Fills in tag, current and visible from settled and tagged. */
extern void pgfirst_versions_resolve(StoreVersions *versions);

/* The same for the key that begins at `slot`; returns the slot of the next key. */
extern int pgfirst_versions_at(Page page, int slot, StoreVersions *versions);

/* How many of the items are neither what is committed nor what may be. */
extern int pgfirst_versions_dead(const StoreVersions *versions);

/* Writes down on a private copy whatever transactions have ended; true if there was anything. */
extern bool pgfirst_page_settle(Page copy, Page page);

/* ---- large.c: records of more than a quarter page ------------------------------------------------- */

/* How many parts a record of so many bytes has, and where part `number` of it begins and ends. */
extern uint32 pgfirst_large_parts(Size length);
extern void pgfirst_large_range(Size length, uint32 number, Size *from, Size *to);

/*
 * Reads a large record's bytes from STORE_LARGE_PREFIX up to `limit` into data (which begins at byte 0);
 * false if the record has been replaced meanwhile.
 */
extern bool pgfirst_large_read(PgfirstStore *store, const StoreLarge *large, Size limit,
                               char *data);

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
	bytea *body; /* STORE_PUT only */
	int64 expiry;
	uint32 hash;
	uint32 unit;               /* the command that changed it; see pgfirst_unit_of() */
	SubTransactionId saved_in; /* the newest savepoint that can give back what was before */
	uint16 kind;               /* of what is put, or was there */
	uint8 change;              /* StoreChange */
} StoreEntry;

extern StoreEntry *pgfirst_writeset_find(PgfirstStore *store, const PgfirstId *id);
extern void pgfirst_writeset_record(const StoreEntry *entry, PgfirstRecord *record);

/* False only if the transaction has put no part whose id begins with the same eight bytes; see pgfirst_store_parts(). */
extern bool pgfirst_writeset_may_have_put(const PgfirstId *id);

/* Those of one store (NULL: of all) that hold a change, sorted by store and id. */
extern StoreEntry **pgfirst_writeset_sorted(PgfirstStore *store, Size *count);

/*
 * The place of the first entry of the store whose id is not below `id`, with or without a change; NULL if there is
 * none, and perhaps if nothing is changed.  Good until the generation changes.
 */
typedef struct StorePlace StorePlace;
extern StorePlace *pgfirst_writeset_seek(PgfirstStore *store, const PgfirstId *id);

/*
 * Commands as units of change.  What a command changes belongs together, and with what it has read
 * of the transaction's own changes; pgfirst_unit_of() gives all entries that belong together the
 * same number.
 */
extern void pgfirst_unit_next(void);
extern bool pgfirst_units_apart(void);
extern void pgfirst_unit_joins(StoreEntry *entry);
extern uint32 pgfirst_unit_of(const StoreEntry *entry);
extern uint32 pgfirst_unit_count(void);

/*
 * What is in the write set is on pages: it is emptied, of the entries of one store or (NULL) of all.
 * Then the generation changes, and pointers to entries are no good any more.
 */
extern void pgfirst_writeset_applied(PgfirstStore *store);
extern uint64 pgfirst_writeset_generation(void);
extern Size pgfirst_writeset_bytes(void);
extern bool pgfirst_writeset_is_empty(void); /* no entries, with or without a change */

extern void pgfirst_writeset_init(void);
extern void pgfirst_writeset_forget(void);
extern void pgfirst_writeset_sub_commit(SubTransactionId child, SubTransactionId parent);
extern void pgfirst_writeset_sub_abort(SubTransactionId child);

/* ---- ordered.c: the entries in their order ---------------------------------------------------------- */

#define PGFIRST_ORDERED_COST 24 /* what it takes for each entry */

/* Of an entry that is about to be put into the write set; before anything is built it does nothing. */
extern void pgfirst_ordered_add(MemoryContext context, StoreEntry *entry);

/* From all entries there are, sorted. */
extern void pgfirst_ordered_build(MemoryContext context, StoreEntry **sorted, Size count);
extern bool pgfirst_ordered_built(void);
extern void pgfirst_ordered_forget(void);
extern StorePlace *pgfirst_ordered_seek(const PgfirstStore *store, const PgfirstId *id);
extern StorePlace *pgfirst_ordered_next(StorePlace *place); /* in the same store */
extern StoreEntry *pgfirst_ordered_entry(const StorePlace *place);

/* ---- apply.c, batch.c, change.c: the write set goes to the pages ----------------------------------- */

extern void pgfirst_apply(void);

/*
 * Puts on pages, before the transaction ends, what the write set holds: all of it, or if there are
 * savepoints that of the store, provided that its table goes away with the innermost one.  False, and
 * nothing has happened, where neither can be.
 */
extern bool pgfirst_apply_early(PgfirstStore *store);
extern bool pgfirst_applied_early(void); /* in this transaction */
extern void pgfirst_apply_forget(void);
extern void pgfirst_apply_ended(void); /* the transaction has ended; cannot fail */
extern void pgfirst_batch_begin(void); /* a transaction opens its first store */

#define STORE_OBSERVED_MAX 32 /* bytes of a record that the observer may ask for */

/* One item to be changed. */
typedef struct StoreOp
{
	StoreKey key;
	PgfirstStore *store;
	StoreEntry *entry; /* NULL: a part */
	uint8 change;      /* StoreChange */
	uint8 flags;       /* of the item */
	uint16 kind;
	uint16 lengths[2]; /* the data, in two pieces */
	const char *data[2];
	int64 expiry;
	StoreHint hint; /* of its leaf */
	bool done;

	/* Set by pgfirst_plan_make(): */
	StoreVersions versions;
	StoreItem *place; /* the key's item that is written over, or NULL */
	int spare;        /* the slot of another key's whose place is taken, or -1 */
	Size need;        /* bytes of the hole */

	/* What the observer is told; the data is copied. */
	StoreLarge replaced; /* the large record that was there; incarnation 0: none */
	bool observed;
	bool before_there;
	bool after_there;
	PgfirstRecord before;
	PgfirstRecord after;
	char before_data[STORE_OBSERVED_MAX];
} StoreOp;

/* The leaves of these ops, in the order of their keys, will be looked at soon.  Fills in their hints. */
extern void pgfirst_ops_prefetch(StoreOp *ops, int count);

/* The leaves of these keys, at most 32, whose last halves are numbers by chance, will be drawn from soon. */
extern void pgfirst_prefetch_drawn(PgfirstStore *store, const StoreKey *keys, int count);

/* Which of so many slots is drawn first. */
extern int pgfirst_sample_slot(uint64 number, int count);

/*
 * Applies ops of one store, in the order of their keys, four leaves at a time; with a transaction id
 * they become visible when it commits, without each at once.
 */
extern void pgfirst_ops_apply_each(StoreOp *ops, int count, TransactionId xid);

/*
 * Applies ops that belong together, in the order of their keys, at once.  False, and no record has changed, if they take
 * more leaves than can be changed at once, or more room on one of them than it is divided for.
 */
extern bool pgfirst_ops_apply_together(StoreOp *ops, int count);

#define STORE_GONE_MAX 8

/* Ops for one locked leaf, in the order of their keys. */
typedef struct StorePlan
{
	StoreLeaf leaf;
	StoreOp *ops;
	int count;
	bool rebuild;                   /* the leaf is replaced by `image` */
	char *image;                    /* a page's room, aligned */
	int gone;                       /* records that were deleted before, and go now, */
	int gone_slots[STORE_GONE_MAX]; /* which begin here */
} StorePlan;

/*
 * Finds out what the ops would do to their leaf, with tag xid (InvalidTransactionId: with none), and
 * shortens the plan to those that fit, as the leaf is or when it is compacted.  Nothing changes yet.
 */
extern void pgfirst_plan_make(StorePlan *plan, TransactionId xid);

/* Makes the changes; inside of the critical section. */
extern void pgfirst_plan_change(StorePlan *plan, StoreEdit *edit, TransactionId xid);

/* Writes down how the tag's transaction has ended; inside of the critical section. */
extern void pgfirst_versions_settle(StoreEdit *edit, const StoreVersions *versions);

/* ---- census.c: counting all records while others write --------------------------------------------- */

/* Whether a change of this record is to be told to the observer; its leaf is locked. */
extern bool pgfirst_census_passed(PgfirstStore *store, const StoreKey *key);
extern void pgfirst_census_init(void);

/* ---- lock.c: which locks this transaction holds --------------------------------------------------- */

/* Takes the lock of the relation under the top transaction. */
extern bool pgfirst_lock_relation(Oid relation, int mode, bool wait);
extern void pgfirst_unlock_relation(Oid relation, int mode);

/* Sub-ids of locks on the store as an object, beside those of columns. */
#define STORE_LOCK_WRITERS (PG_INT16_MAX - 1) /* shared by all who write; see lock.c */
#define STORE_LOCK_SHRINK  PG_INT16_MAX /* one at a time makes the file shorter; see shrink.c */

/* Takes what keeps others from the store, to write records. */
extern bool pgfirst_lock_to_write(Oid relation, bool wait);
extern void pgfirst_lock_before_apply(PgfirstStore *store);
extern void pgfirst_lock_forget(void);
extern void pgfirst_lock_init(void);
extern void pgfirst_lock_sub_commit(SubTransactionId child, SubTransactionId parent);
extern void pgfirst_lock_sub_abort(SubTransactionId child);

/* ---- position.c: what must be durable before it is told -------------------------------------------- */

extern void pgfirst_position_init(void);

/* Readers: adds to pgfirst_store_position(), after the read. */
extern void pgfirst_position_read(PgfirstStore *store, const PgfirstId *id);
extern void pgfirst_position_ahead(PgfirstStore *store, const PgfirstId *id, bool change);
extern void pgfirst_position_read_own(void);
extern void pgfirst_position_add(XLogRecPtr position);
extern void pgfirst_position_restore(XLogRecPtr position); /* reads that nobody is told of */

/* What the absence of records of the whole store depends on, asked for after reading it. */
extern XLogRecPtr pgfirst_position_of_store(PgfirstStore *store);

/* Writers with a transaction id: announce before the first page, end after visibility. */
extern void pgfirst_position_announce(PgfirstStore *store, const PgfirstId *id);
extern void pgfirst_position_end(XLogRecPtr commit);

/* Writers without: the change is visible when its leaf is unlocked, so this comes before. */
extern void pgfirst_position_raise(PgfirstStore *store, const PgfirstId *id, XLogRecPtr end);


extern bool pgfirst_kind_is_part(uint16 kind);

/*
 * Every change of a record on a page raises its stamp and the store's, while the leaf is locked; that of a part
 * (store.h) only the store's.  So does a change that was dropped before it came to a page.
 */
extern void pgfirst_position_touch(PgfirstStore *store, const PgfirstId *id, uint16 kind);
extern uint32 pgfirst_position_stamp(PgfirstStore *store, const PgfirstId *id);
extern uint32 pgfirst_position_stamp_of_store(PgfirstStore *store);

/* Whether somebody raises stamps here: nobody does on a standby. */
extern bool pgfirst_position_stamps(void);

/* ---- together.c: several records as of one moment ---------------------------------------------------- */

/* A record is going to be read: makes room for what is noted of it, while no page is locked. */
extern void pgfirst_together_reserve(void);

/* It, or its absence, was read; its leaf is still locked (NULL: the store is empty). */
extern void pgfirst_together_note(PgfirstStore *store, const PgfirstId *id, const StoreLeaf *leaf,
                                  StoreTag tag);

/* The same of a record that is as it was when it was read, and had this stamp no later. */
extern void pgfirst_together_note_kept(PgfirstStore *store, const PgfirstId *id, uint32 stamp);
extern void pgfirst_together_forget(void);

/* ---- am.c, am_rows.c, am_scan.c: the table access method ----------------------------------------- */

extern bool pgfirst_relation_is_store(Relation relation);

/* The columns of a store's table, as CREATE TABLE takes them. */
extern const char *pgfirst_am_columns(void);

/* The record of which only some pieces have come. */
extern bool pgfirst_rows_pending(void);
extern void pgfirst_rows_pre_commit(void);
extern void pgfirst_rows_forget(void);
extern void pgfirst_rows_sub_commit(SubTransactionId child, SubTransactionId parent);
extern void pgfirst_rows_sub_abort(SubTransactionId child);

extern void pgfirst_am_scans_forget(void);

#endif
