/* SPDX-License-Identifier: PostgreSQL
 *
 * rebuild.c: VACUUM FULL: a new tree with what is committed, packed.
 *
 * The old tree is read in the order of its keys and the new one is built from below, a page of each
 * level at a time.  When a page is full, the next page of its level gets its block, the full one is
 * written with the fence and the link that it needs (and only now, because the marks of its slots depend on
 * the fences), and the level above hears of it.  The only
 * page of the highest level is the root and goes to the root's block.
 *
 *     level 2                    [ root ............        written last, as block 1
 *     level 1        [ ...... ]→[ .....                     pages behind [ are under construction
 *     level 0   [ ]→[ ]→[ ]→[ ]→[ ...
 *
 * Ids stay, hence nothing that a capability knows of its records changes.  What nobody can see any
 * more does not come along: dead versions, free pages, and parts that their record does not lead to.
 * Leaves are filled to nine tenths, because the next records fall anywhere.
 *
 * Nobody else is there: VACUUM FULL holds an exclusive lock on the old table, and nobody sees the new one.
 * Its pages are logged whole, one by one; a crash leaves a table that was never committed.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lmgr.h"

#include "base/compat.h"
#include "store/am_int.h"

#define LEVELS_MAX 12 /* more than block numbers can fill */
#define LEAF_ROOM  (STORE_PAGE_ROOM - STORE_PAGE_ROOM / 10)

typedef struct RebuildLevel
{
	PGAlignedBlock page;
	BlockNumber block; /* InvalidBlockNumber: perhaps the root */
} RebuildLevel;

typedef struct Rebuild
{
	PgfirstStore from;
	PgfirstStore to;
	uint64 store_id;
	BlockNumber used;
	int levels;
	RebuildLevel *level[LEVELS_MAX];
	double records;
	double dropped;

	/* The parts under way. */
	uint64 incarnation;
	bool incarnation_wanted;
} Rebuild;

/* ---- pages ----------------------------------------------------------------------------------- */

/* Writes a page, built in private memory, to its block. */
static void
rebuild_write(Rebuild *rebuild, BlockNumber block, Page page)
{
	PGAlignedBlock image;
	Relation relation = rebuild->to.relation;
	StoreRecord record;
	StoreEdit *edit;
	Buffer buffer;

	if (store_page_tail(page)->kind == STORE_PAGE_TREE)
	{
		pgfirst_page_init_like(image.data, page);
		pgfirst_page_copy(image.data, page, 0, store_page_count(page));
	}
	else
		memcpy(image.data, page, BLCKSZ);
	store_page_tail(image.data)->block = block;
	while (RelationGetNumberOfBlocks(relation) <= block)
		ReleaseBuffer(ReadBuffer(relation, P_NEW));
	buffer = ReadBuffer(relation, block);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	pgfirst_record_begin(&record, relation);
	edit = pgfirst_record_page(&record, buffer);
	pgfirst_record_change(&record);
	pgfirst_edit_replace(edit, image.data);
	(void) pgfirst_record_insert(&record);
	UnlockReleaseBuffer(buffer);
}

static void
level_begin(Rebuild *rebuild, int number, const StoreKey *low)
{
	RebuildLevel *level = rebuild->level[number];

	pgfirst_page_init(level->page.data, STORE_PAGE_TREE, (uint8) number, rebuild->store_id,
	                  STORE_ROOT_BLOCK);
	store_page_set_low(level->page.data, *low);
}

static RebuildLevel *
level_of(Rebuild *rebuild, int number)
{
	if (number == LEVELS_MAX)
		elog(ERROR, "the tree of a store would be too high");
	if (number == rebuild->levels)
	{
		rebuild->level[number] = palloc(sizeof(RebuildLevel));
		rebuild->level[number]->block = InvalidBlockNumber;
		level_begin(rebuild, number, &(StoreKey){0});
		rebuild->levels++;
	}
	return rebuild->level[number];
}

static void level_finish(Rebuild *rebuild, int number, const StoreKey *high);

static void
level_add_child(Rebuild *rebuild, int number, const StoreKey *low, BlockNumber child)
{
	RebuildLevel *level = level_of(rebuild, number);

	if (store_page_hole(level->page.data) < STORE_INNER_SIZE + STORE_SLOT)
		level_finish(rebuild, number, low);
	pgfirst_page_append_child(level->page.data, low, child);
}

/* The page of the level is full; the next one begins at `high`. */
static void
level_finish(Rebuild *rebuild, int number, const StoreKey *high)
{
	RebuildLevel *level = rebuild->level[number];
	StoreTail *tail = store_page_tail(level->page.data);
	BlockNumber block = level->block;
	StoreKey low = store_page_low(level->page.data);

	if (block == InvalidBlockNumber)
		block = rebuild->used++;
	level->block = rebuild->used++;
	store_page_set_high(level->page.data, *high);
	tail->right = level->block;
	rebuild_write(rebuild, block, level->page.data);
	level_begin(rebuild, number, high);
	level_add_child(rebuild, number + 1, &low, block);
}

/* Nothing more comes: the last page of each level, and the root. */
static void
levels_end(Rebuild *rebuild)
{
	for (int number = 0;; number++)
	{
		RebuildLevel *level = level_of(rebuild, number);
		StoreKey low = store_page_low(level->page.data);

		if (level->block == InvalidBlockNumber)
		{
			rebuild_write(rebuild, STORE_ROOT_BLOCK, level->page.data);
			return;
		}
		rebuild_write(rebuild, level->block, level->page.data);
		level_add_child(rebuild, number + 1, &low, level->block);
	}
}

static void
rebuild_write_meta(Rebuild *rebuild)
{
	PGAlignedBlock meta;

	pgfirst_page_init(meta.data, STORE_PAGE_META, 0, rebuild->store_id, STORE_META_BLOCK);
	((PageHeader) meta.data)->pd_lower = SizeOfPageHeaderData + sizeof(StoreMeta);
	*store_page_meta(meta.data) =
	    (StoreMeta){.incarnations = pgfirst_meta(&rebuild->from).incarnations,
	                .used = rebuild->used,
	                .free_head = InvalidBlockNumber,
	                .tags = STORE_TAGS_NONE};
	rebuild_write(rebuild, STORE_META_BLOCK, meta.data);
}

/* ---- items ----------------------------------------------------------------------------------- */

/* Whether the record that owns the parts, of which this is part 0, still leads to them. */
static bool
part_is_wanted(Rebuild *rebuild, const StoreItem *part)
{
	StoreVersions versions;
	StoreLarge large;
	PgfirstId id;
	StoreKey key;
	StoreLeaf leaf;
	bool wanted = false;

	if (part->length < STORE_PART_OWNER)
		return false;
	memcpy(id.bytes, part->data, STORE_PART_OWNER);
	key = store_key_of_id(&id);
	if (!pgfirst_leaf_lock(&rebuild->from, &key, BUFFER_LOCK_SHARE, &leaf))
		return false;
	pgfirst_versions_find(leaf.page, &key, &versions);
	if (versions.visible != NULL && (versions.visible->flags & STORE_ITEM_LARGE))
	{
		memcpy(&large, versions.visible->data, STORE_LARGE_HEADER);
		wanted = large.incarnation == part->high;
	}
	pgfirst_page_unlock(&leaf);
	return wanted;
}

static bool
item_is_wanted(Rebuild *rebuild, const StoreItem *item)
{
	if (item->space != STORE_SPACE_PARTS)
		return true;
	if (item->low == 0 || item->high != rebuild->incarnation)
	{
		rebuild->incarnation = item->high;
		rebuild->incarnation_wanted = item->low == 0 && part_is_wanted(rebuild, item);
	}
	return rebuild->incarnation_wanted;
}

static void
rebuild_add(Rebuild *rebuild, const StoreItem *item)
{
	RebuildLevel *level = level_of(rebuild, 0);
	Page page = level->page.data;
	Size size = store_leaf_size(item->length) + STORE_SLOT;
	StoreKey key = store_item_key(item);

	if (store_page_count(page) > 0 &&
	    (store_page_hole(page) < size || store_page_used(page) + size > LEAF_ROOM))
		level_finish(rebuild, 0, &key);
	pgfirst_page_append(page, item);
	store_page_item(page, store_page_count(page) - 1)->xid = InvalidTransactionId;
	rebuild->records += item->space == STORE_SPACE_RECORDS;
}

static void
rebuild_leaf(Rebuild *rebuild, Page page)
{
	for (int slot = 0; slot < store_page_count(page);)
	{
		StoreVersions versions;

		slot = pgfirst_versions_at(page, slot, &versions);
		rebuild->dropped += pgfirst_versions_dead(&versions);
		if (versions.visible != NULL && item_is_wanted(rebuild, versions.visible))
			rebuild_add(rebuild, versions.visible);
	}
}

double
pgfirst_rebuild(Relation from, Relation to, double *dropped)
{
	Rebuild *rebuild = palloc0(sizeof(Rebuild));
	BlockNumber block = InvalidBlockNumber;
	StoreKey next = {0};
	PGAlignedBlock copy;

	*dropped = 0;
	pgfirst_store_borrow(&rebuild->from, from);
	pgfirst_store_borrow(&rebuild->to, to);
	if (pgfirst_tree_id(&rebuild->from) == 0)
		return 0;
	while (rebuild->store_id == 0 || rebuild->store_id == pgfirst_tree_id(&rebuild->from))
		if (!pg_strong_random(&rebuild->store_id, sizeof(rebuild->store_id)))
			ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
			                errmsg("could not draw a random number for a new store")));
	rebuild->used = STORE_ROOT_BLOCK + 1;
	while (next.space != STORE_SPACE_END)
	{
		StoreLeaf leaf;

		CHECK_FOR_INTERRUPTS();
		if (!pgfirst_leaf_lock_at(&rebuild->from, block, &next, &leaf))
			break;
		memcpy(copy.data, leaf.page, BLCKSZ);
		pgfirst_page_unlock(&leaf);
		rebuild_leaf(rebuild, copy.data);
		next = store_page_high(copy.data);
		block = store_page_tail(copy.data)->right;
	}
	levels_end(rebuild);
	rebuild_write_meta(rebuild);
	*dropped = rebuild->dropped;
	return rebuild->records;
}
