/* SPDX-License-Identifier: PostgreSQL
 *
 * wal.h: changing pages, and one WAL record for each set of changes; see wal.c for the rules.
 *
 *     pgfirst_record_begin(&record, relation);
 *     leaf = pgfirst_record_page(&record, buffer);      as many as pgfirst_record_limit(), exclusively locked
 *     pgfirst_record_change(&record);                   from here on nothing may raise
 *     pgfirst_edit_remove(leaf, slot); …
 *     end = pgfirst_record_insert(&record);             pages still locked
 */
#ifndef PGFIRST_STORE_WAL_H
#define PGFIRST_STORE_WAL_H

#include "postgres.h"

#include "access/xlogdefs.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "store/page.h"

#define STORE_RECORD_PAGES 4  /* changed by one WAL record */
#define STORE_CHANGE_PAGES 64 /* changed at once where nothing is logged */
#define STORE_EDIT_PIECES  80
#define STORE_EDIT_BYTES   (BLCKSZ / 2) /* more than this is logged as the whole page */

/* What has changed on one page. */
typedef struct StoreEdit
{
	Buffer buffer;
	Page page;
	bool image; /* no pieces are noted: the whole page is logged, or the store is not */
	int pieces;
	struct
	{
		uint16 offset;
		uint16 length;
	} piece[STORE_EDIT_PIECES];
} StoreEdit;

typedef struct StoreRecord
{
	Relation relation;
	bool logged;
	int limit; /* of pages */
	int pages;
	StoreEdit edits[STORE_CHANGE_PAGES];
#ifdef PGFIRST_GENERIC_XLOG
	struct GenericXLogState *generic;
#endif
} StoreRecord;

/* How many pages of the relation can be changed at once. */
static inline int
pgfirst_record_limit(Relation relation)
{
	return RelationNeedsWAL(relation) ? STORE_RECORD_PAGES : STORE_CHANGE_PAGES;
}

extern void pgfirst_record_begin(StoreRecord *record, Relation relation);
extern StoreEdit *pgfirst_record_page(StoreRecord *record, Buffer buffer);
extern void pgfirst_record_change(StoreRecord *record);

/* The end of the record; InvalidXLogRecPtr for a store that is not logged. */
extern XLogRecPtr pgfirst_record_insert(StoreRecord *record);

/* ---- edits: inside of pgfirst_record_change and _insert, and none of them can fail ---------- */

/* So many bytes have been changed. */
extern void pgfirst_edit_touch(StoreEdit *edit, const void *start, Size length);

/* The page becomes what `image`, built in private memory, is. */
extern void pgfirst_edit_replace(StoreEdit *edit, Page image);

/* Makes room for an item of this key at `slot`, in the hole: `size` bytes, zero but for the key. */
extern StoreItem *pgfirst_edit_insert(StoreEdit *edit, int slot, const StoreKey *key, Size size);

/* Takes the item out; its bytes become dead. */
extern void pgfirst_edit_remove(StoreEdit *edit, int slot);

/*
 * Gives the place of the item in slot `from`, which has at least `size` bytes, to an item of this key, zero
 * otherwise, in slot `to`, counted without the other.
 */
extern StoreItem *pgfirst_edit_take(StoreEdit *edit, int from, int to, const StoreKey *key,
                                    Size size);

/* The items of `slot` and the next one, which have the same key, change places. */
extern void pgfirst_edit_swap(StoreEdit *edit, int slot);

/* `bytes` of the page's items are dead from now on. */
extern void pgfirst_edit_dead(StoreEdit *edit, Size bytes);

#endif
