/* SPDX-License-Identifier: PostgreSQL
 *
 * check_int.h: what the files that check a store share: check.c, check_page.c and check_parts.c.
 */
#ifndef PGFIRST_STORE_CHECK_INT_H
#define PGFIRST_STORE_CHECK_INT_H

#include "postgres.h"

#include "storage/bufmgr.h"

#include "store/store_int.h"

#define CHECK_LEVELS 256 /* a level is a byte */
#define CHECK_SLOTS  ((int) (STORE_PAGE_ROOM / STORE_SLOT))

/* The page that was visited last on a level, from which its right neighbour is known. */
typedef struct CheckLevel
{
	bool known;
	BlockNumber block;
	BlockNumber right;
	StoreKey high;
} CheckLevel;

typedef struct CheckParts CheckParts;

typedef struct StoreCheck
{
	PgfirstStore *store;
	const PgfirstCheck *caller;
	BufferAccessStrategy strategy;
	BlockNumber blocks; /* of the file */
	StoreMeta meta;
	uint64 store_id;
	XLogRecPtr wal_end;       /* no page was changed later; 0: not known */
	TransactionId oldest;     /* that a tag may name */
	TransactionId next;       /* that no tag names yet */
	uint8 *seen;              /* a bit for each block that has been reached */
	BlockNumber parents_lost; /* pages whose children could not be followed */
	CheckLevel levels[CHECK_LEVELS];
	CheckParts *parts;
} StoreCheck;

/* A copy of a page, and the items of it that can be looked at. */
typedef struct CheckPage
{
	PGAlignedBlock copy;
	BlockNumber block;
	int count;
	bool whole; /* these are all */
	uint16 offset[CHECK_SLOTS];
} CheckPage;

static inline StoreItem *
check_item(CheckPage *page, int i)
{
	return (StoreItem *) (page->copy.data + page->offset[i]);
}

extern void pgfirst_check_report(StoreCheck *check, BlockNumber block, const char *format, ...)
    pg_attribute_printf(3, 4);

/* ---- check_page.c ---------------------------------------------------------------------------- */

/* Copies a page; false (and reported) if it cannot be read or is no page of the store's. */
extern bool pgfirst_check_read(StoreCheck *check, BlockNumber block, CheckPage *page);

/* The same for a page that must be zero, or may be. */
extern bool pgfirst_check_read_raw(StoreCheck *check, BlockNumber block, CheckPage *page);

/* Finds the page's items, and reports what is wrong with their places and their order. */
extern void pgfirst_check_items(StoreCheck *check, CheckPage *page);

/* The versions of the key at item *i, which moves behind them; false (and reported) if they are wrong. */
extern bool pgfirst_check_versions(StoreCheck *check, CheckPage *page, int *i,
                                   StoreVersions *versions);

/* ---- check_parts.c --------------------------------------------------------------------------- */

/*
 * Records are told before parts, and parts in the order of their keys, as the leaves have them.
 * `item` is committed, or will be if its transaction commits.
 */
extern void pgfirst_check_parts_begin(StoreCheck *check);
extern void pgfirst_check_large(StoreCheck *check, BlockNumber block, const StoreItem *item);
extern void pgfirst_check_part(StoreCheck *check, BlockNumber block, const StoreItem *item);
extern void pgfirst_check_parts_end(StoreCheck *check);

#endif
