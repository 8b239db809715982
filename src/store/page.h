/* SPDX-License-Identifier: PostgreSQL
 *
 * page.h: what stands on the pages of a store.
 *
 * A store is a tree of pages.  Block 0 is the meta page, block 1 the root, which never moves: a tree
 * that grows puts its old root's contents into new pages below.  All other blocks are inner pages,
 * leaves, or free.  A relation without blocks, and one whose meta page is zero, is an empty store.
 *
 *      0        24                pd_lower      pd_upper              pd_special        8192
 *      +--------+-----------------+-------------+---------------------+-----------------+
 *      | header | slots, 4 bytes  |    hole     | items, each aligned | StoreTail       |
 *      |        | each, in order  |             | to 8, in any order  | 64 bytes        |
 *      +--------+-----------------+-------------+---------------------+-----------------+
 *
 * A slot is the offset of its item, and its mark: sixteen bits that say where between the fences the
 * item's key lies.  They are in the order of the keys, so a search touches the slots, which lie
 * together, and then mostly one item, instead of one item per step, each in another cache line.
 * They depend on the fences, which never change without the page being written anew.
 *
 * An item begins with its key; the items are in the order of
 * their keys.  In an inner page item i leads to the child that holds the keys from its own up to
 * the next item's, or up to the page's high fence; the first item's key is the page's low fence.
 *
 *     leaf item                                         inner item
 *      0   8   high half of the id                       0   8   high half
 *      8   8   low half                                  8   8   low half
 *     16   1   space                                    16   1   space
 *     17   1   flags                                    17   1   zero
 *     18   2   length of the data                       18   2   4
 *     20   4   xid: who changes it, 0: committed        20   4   child
 *     24   8   expiry
 *     32   2   kind
 *     34   n   data
 *
 * Versions.  The committed bytes of a record are an item without an xid.  While a transaction changes
 * the record, the next bytes are a second item under the same key, behind the first, tagged with
 * the transaction's top-level id; a deletion is a tagged item with STORE_ITEM_DELETED.  A key has at
 * most one item of each sort.  When the tag's transaction has ended, readers take the tagged item if
 * it committed and the other one if not; whoever changes the page next writes that down.
 *
 * Spaces.  Records stand in space 0.  A record that is longer than STORE_INLINE_MAX keeps its first
 * bytes there, and the rest in parts in space 1, under (incarnation, part number): an incarnation
 * is written once and never changed, so parts have no second version; their tag says whose they
 * are while it is not certain that they stay.
 *
 *     data of a large record               data of part 0                data of the others
 *      0   8  incarnation                   0  16  the record's id        0   n  bytes
 *      8   4  length of the record         16   n  bytes
 *     12   n  its first bytes
 *
 * The dead bytes are those of items that no slot leads to any more, and of the ends of items that
 * were overwritten by shorter ones.  They count for the page and go when it is compacted.
 *
 * Everything is in the byte order of the machine, as on all pages of PostgreSQL.  The halves of an
 * id are integers, so that keys are compared as integers; as such they are ordered as memcmp orders
 * the bytes of the id.
 */
#ifndef PGFIRST_STORE_PAGE_H
#define PGFIRST_STORE_PAGE_H

#include "postgres.h"

#include "access/transam.h"
#include "port/pg_bitutils.h"
#include "port/pg_bswap.h"
#include "storage/block.h"
#include "storage/bufpage.h"

#include "base/compat.h"
#include "store/store.h"

#define STORE_FORMAT 2
#define STORE_MAGIC  0x7067

#define STORE_META_BLOCK ((BlockNumber) 0)
#define STORE_ROOT_BLOCK ((BlockNumber) 1)

/* ---- keys -------------------------------------------------------------------------------- */

typedef enum StoreSpace
{
	STORE_SPACE_RECORDS = 0,
	STORE_SPACE_PARTS = 1,
	STORE_SPACE_END = 2 /* no key stands here: the fence behind the last page */
} StoreSpace;

typedef struct StoreKey
{
	uint64 high;
	uint64 low;
	uint32 space;
	uint32 zero;
} StoreKey;

static inline StoreKey
store_key_of_id(const PgfirstId *id)
{
	StoreKey key = {.space = STORE_SPACE_RECORDS};

	memcpy(&key.high, id->bytes, 8);
	memcpy(&key.low, id->bytes + 8, 8);
	key.high = pg_ntoh64(key.high);
	key.low = pg_ntoh64(key.low);
	return key;
}

static inline void
store_key_to_id(const StoreKey *key, PgfirstId *id)
{
	uint64 half = pg_hton64(key->high);

	memcpy(id->bytes, &half, 8);
	half = pg_hton64(key->low);
	memcpy(id->bytes + 8, &half, 8);
}

static inline int
store_key_compare(const StoreKey *a, const StoreKey *b)
{
	if (a->space != b->space)
		return a->space < b->space ? -1 : 1;
	if (a->high != b->high)
		return a->high < b->high ? -1 : 1;
	if (a->low != b->low)
		return a->low < b->low ? -1 : 1;
	return 0;
}

/* ---- pages ------------------------------------------------------------------------------- */

typedef enum StorePageKind
{
	STORE_PAGE_META = 1,
	STORE_PAGE_TREE = 2, /* level 0: a leaf */
	STORE_PAGE_FREE = 3, /* right leads to the next free page */
	STORE_PAGE_ASIDE = 4 /* nothing leads to it; see shrink.c */
} StorePageKind;

/* One cache line. */
typedef struct StoreTail
{
	uint64 low[2];     /* fences: the first key that may stand here, */
	uint64 high[2];    /* and the first that may not any more */
	uint64 store_id;   /* drawn when the store was made: whose page this is */
	BlockNumber block; /* where it belongs */
	BlockNumber right; /* the page that begins at high, InvalidBlockNumber: none */
	uint16 dead;       /* bytes between pd_upper and pd_special that belong to no item */
	uint8 kind;
	uint8 level;
	uint16 magic;
	uint16 format;
	uint8 low_space;
	uint8 high_space;
	uint8 zero[6];
} StoreTail;

typedef struct StoreMeta
{
	uint64 incarnations;   /* the next one to be given out */
	BlockNumber used;      /* blocks from here on hold nothing yet */
	BlockNumber free_head; /* the first free page */
	uint32 free_count;
	uint32 tags;       /* StoreTags */
	BlockNumber front; /* here the file is being made to end; 0: it is not */
	BlockNumber place; /* the page in front of it that was set aside last */
} StoreMeta;

/* Whether any page may carry a transaction id; what a VACUUM of an unchanged store looks at. */
typedef enum StoreTags
{
	STORE_TAGS_NONE = 0,
	STORE_TAGS_SOME = 1,
	STORE_TAGS_VACUUM = 2 /* a VACUUM is looking; whoever tags meanwhile says so */
} StoreTags;

/* Where an item is, and roughly which. */
typedef struct StoreSlot
{
	uint16 offset;
	uint16 mark; /* see store_page_mark() */
} StoreSlot;

/* What leaf items and inner items have in common. */
typedef struct StoreItem
{
	uint64 high;
	uint64 low;
	uint8 space;
	uint8 flags;
	uint16 length;
	union
	{
		BlockNumber child; /* inner */
		TransactionId xid; /* leaf */
	};
	/* leaf only: */
	int64 expiry;
	uint16 kind;
	char data[FLEXIBLE_ARRAY_MEMBER];
} StoreItem;

#define STORE_ITEM_DELETED 1 /* with a tag: the transaction deletes the record */
#define STORE_ITEM_LARGE   2 /* the data is a StoreLarge */

typedef struct StoreLarge
{
	uint64 incarnation;
	uint32 length;
} StoreLarge;

#define STORE_LARGE_HEADER 12
#define STORE_PART_OWNER   16 /* bytes of the owner's id in part 0 */

#define STORE_LEAF_HEADER offsetof(StoreItem, data)
#define STORE_INNER_SIZE  24
#define STORE_TAIL_OFFSET (BLCKSZ - sizeof(StoreTail))
#define STORE_PAGE_ROOM   (STORE_TAIL_OFFSET - SizeOfPageHeaderData)
#define STORE_SLOT        sizeof(StoreSlot)
#define STORE_SLOTS_MAX   ((int) (STORE_PAGE_ROOM / (STORE_INNER_SIZE + STORE_SLOT)))

/* Four of the largest items fit on a page, so that two versions of one fit beside those of another. */
#define STORE_ITEM_MAX     (TYPEALIGN_DOWN(8, STORE_PAGE_ROOM / 4 - STORE_SLOT))
#define STORE_INLINE_MAX   (STORE_ITEM_MAX - STORE_LEAF_HEADER)
#define STORE_LARGE_PREFIX 240 /* bytes of a large record that stand with the record itself */

StaticAssertDecl(sizeof(StoreTail) == 64, "StoreTail is stored");
StaticAssertDecl(offsetof(StoreTail, store_id) == 32 && offsetof(StoreTail, dead) == 48 &&
                     offsetof(StoreTail, format) == 54 && offsetof(StoreTail, zero) == 58,
                 "StoreTail is stored");
StaticAssertDecl(sizeof(StoreTail) % MAXIMUM_ALIGNOF == 0, "pd_special is aligned");
StaticAssertDecl(sizeof(StoreMeta) == 32, "StoreMeta is stored");
StaticAssertDecl(offsetof(StoreItem, xid) == 20 && offsetof(StoreItem, expiry) == 24 &&
                     offsetof(StoreItem, kind) == 32 && STORE_LEAF_HEADER == 34,
                 "StoreItem is stored");
StaticAssertDecl(4 * (STORE_ITEM_MAX + STORE_SLOT) <= STORE_PAGE_ROOM, "four items fit");
StaticAssertDecl(SizeOfPageHeaderData == 24, "the page header is PostgreSQL's");

static inline StoreTail *
store_page_tail(Page page)
{
	return (StoreTail *) ((char *) page + STORE_TAIL_OFFSET);
}

static inline StoreKey
store_page_low(Page page)
{
	StoreTail *tail = store_page_tail(page);

	return (StoreKey){.high = tail->low[0], .low = tail->low[1], .space = tail->low_space};
}

static inline StoreKey
store_page_high(Page page)
{
	StoreTail *tail = store_page_tail(page);

	return (StoreKey){.high = tail->high[0], .low = tail->high[1], .space = tail->high_space};
}

static inline void
store_page_set_low(Page page, StoreKey key)
{
	StoreTail *tail = store_page_tail(page);

	tail->low[0] = key.high;
	tail->low[1] = key.low;
	tail->low_space = (uint8) key.space;
}

static inline void
store_page_set_high(Page page, StoreKey key)
{
	StoreTail *tail = store_page_tail(page);

	tail->high[0] = key.high;
	tail->high[1] = key.low;
	tail->high_space = (uint8) key.space;
}

static inline StoreMeta *
store_page_meta(Page page)
{
	return (StoreMeta *) PageGetContents(page);
}

static inline StoreSlot *
store_page_slots(Page page)
{
	return (StoreSlot *) ((char *) page + SizeOfPageHeaderData);
}

static inline int
store_page_count(Page page)
{
	return (int) ((((PageHeader) page)->pd_lower - SizeOfPageHeaderData) / STORE_SLOT);
}

/* Bytes in the hole. */
static inline Size
store_page_hole(Page page)
{
	return ((PageHeader) page)->pd_upper - ((PageHeader) page)->pd_lower;
}

/* Bytes of items and slots that are in use. */
static inline Size
store_page_used(Page page)
{
	return STORE_PAGE_ROOM - store_page_hole(page) - store_page_tail(page)->dead;
}

static inline StoreKey
store_item_key(const StoreItem *item)
{
	return (StoreKey){.high = item->high, .low = item->low, .space = item->space};
}

static inline int
store_item_compare(const StoreItem *item, const StoreKey *key)
{
	if (item->space != key->space)
		return item->space < key->space ? -1 : 1;
	if (item->high != key->high)
		return item->high < key->high ? -1 : 1;
	if (item->low != key->low)
		return item->low < key->low ? -1 : 1;
	return 0;
}

/* What a leaf item with so much data takes, its slot not included. */
static inline Size
store_leaf_size(Size length)
{
	return TYPEALIGN(8, STORE_LEAF_HEADER + length);
}

static inline bool
store_page_covers(Page page, const StoreKey *key)
{
	StoreKey low = store_page_low(page);
	StoreKey high = store_page_high(page);

	return store_key_compare(&low, key) <= 0 && store_key_compare(key, &high) < 0;
}

/*
 * The mark of a key on this page, which covers it; and the largest that a key between the fences can
 * have, which is at least half of what 16 bits hold unless the fences are close together.
 */
static inline uint16
store_page_mark_top(Page page, uint8 space, uint64 high, uint64 low, uint16 *top)
{
	StoreTail *tail = store_page_tail(page);
	bool bounded = tail->high_space == tail->low_space;
	bool narrow = bounded && tail->low[0] == tail->high[0];
	uint64 first = narrow ? tail->low[1] : tail->low[0];
	uint64 range = (narrow ? tail->high[1] : bounded ? tail->high[0] : PG_UINT64_MAX) - first;
	int bits = range == 0 ? 0 : pg_leftmost_one_pos64(range) + 1;
	int shift = bits > 16 ? bits - 16 : 0;

	*top = (uint16) (range >> shift);
	if (space != tail->low_space)
		return PG_UINT16_MAX;
	return (uint16) (((narrow ? low : high) - first) >> shift);
}

static inline uint16
store_page_mark(Page page, uint8 space, uint64 high, uint64 low)
{
	uint16 top;

	return store_page_mark_top(page, space, high, low, &top);
}

/* Which of `count` slots has the mark, if keys are spread evenly between the fences. */
static inline int
store_page_place(uint16 mark, uint16 top, int count)
{
	int place = (int) ((uint32) mark * (uint32) count / ((uint32) top + 1));

	return place < count ? place : count;
}

/* ---- page.c ------------------------------------------------------------------------------ */

/* Raises data_corrupted about the page that was locked last. */
pg_noreturn extern void pgfirst_page_damaged(const char *what);

/* The same about this page, or the one that it is a copy of. */
pg_noreturn extern void pgfirst_page_damaged_at(Page page, const char *what);

/*
 * The item of a slot, checked to lie where items lie and to be no longer than items are (readers copy
 * it into so much memory); raises data_corrupted if it does not.
 */
static inline StoreItem *
store_page_item(Page page, int slot)
{
	uint16 offset = store_page_slots(page)[slot].offset;
	StoreItem *item = (StoreItem *) ((char *) page + offset);
	bool leaf = store_page_tail(page)->level == 0;

	if (unlikely(offset < ((PageHeader) page)->pd_upper || offset % 8 != 0 ||
	             offset + STORE_INNER_SIZE > STORE_TAIL_OFFSET ||
	             (leaf ? item->length > STORE_INLINE_MAX ||
	                         offset + store_leaf_size(item->length) > STORE_TAIL_OFFSET
	                   : item->length != sizeof(BlockNumber))))
		pgfirst_page_damaged_at(page, "an item lies outside of its page");
	return item;
}

/* The first slot whose item's key is not below `key`. */
extern int pgfirst_page_search(Page page, const StoreKey *key);

/*
 * The first of `count` slots whose mark is not below `mark`, beginning at `place`; `count` if there is
 * none.  Looks at nothing but these slots, so that the page need not be locked.
 */
extern int pgfirst_page_search_mark(Page page, int count, int place, uint16 mark);

/* Makes an empty tree page in `page`. */
extern void pgfirst_page_init(Page page, uint8 kind, uint8 level, uint64 store_id,
                              BlockNumber block);

/* Makes an empty page with the kind, the place and the fences of another. */
extern void pgfirst_page_init_like(Page to, Page from);

/* Appends a copy of an item behind all others: how pages are built in private memory. */
extern void pgfirst_page_append(Page page, const StoreItem *item);
extern void pgfirst_page_append_child(Page page, const StoreKey *key, BlockNumber child);

/*
 * Appends the items of a page from slot `first` up to `last` (exclusive).  Fences are set before items
 * are appended, because marks depend on them.
 */
extern void pgfirst_page_copy(Page to, Page from, int first, int last);

static inline Size
store_item_size(Page page, const StoreItem *item)
{
	return store_page_tail(page)->level == 0 ? store_leaf_size(item->length) : STORE_INNER_SIZE;
}

#endif
