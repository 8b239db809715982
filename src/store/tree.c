/* SPDX-License-Identifier: PostgreSQL
 *
 * tree.c: from a key to its leaf.
 *
 * A B-link tree without left links.  Every page says which keys may stand on it (low and high
 * fence) and which page begins where it ends.  Whoever comes to a page checks the fences:
 *
 *     outside    the page was split or merged, or has become another one: begin again at the root
 *     inside     this is the page, wherever the way here led from
 *
 * A split or merge changes page, neighbour and parent in one record, so whoever begins again finds the way.  To go on
 * to the right would do, too, for a page that was split; but from one that has become another the way may lead
 * over all leaves there are.  Only a hint, which is likely to be a little out of date, is followed so, a few steps.
 *
 * Therefore nothing that leads to a page has to be right, only likely: a freed page may be reused at
 * once, on a standby too, whoever still holds its number.  (nbtree keeps a deleted page until no
 * snapshot can hold a link to it; one forgotten transaction, and nothing is ever reused.)  And
 * therefore each process remembers where leaves are (hints.c), and most reads go straight to theirs.
 *
 * Locks of pages.  Readers hold one at a time.  Those who change the shape of the tree hold them
 * downwards and then to the right (parent, page, its right neighbours), then the meta page, then
 * pages that are free and which therefore nobody waits for.  Those who change records hold up to
 * four leaves, wait only for the first of them and try the others: what they take for a leaf may be
 * another page by now, and one above those that they hold.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lmgr.h"

#include "base/compat.h"
#include "store/hints.h"
#include "store/store_int.h"

#define HOPS_MAX     4     /* to the right, before it is quicker to begin at the root */
#define RESTARTS_MAX 10000 /* a tree that leads nowhere so often is damaged */
#define HINTS_HONEST 64    /* see page_lock_recent */
#define LEVELS_MAX   256   /* a level is a byte */

/* Incarnations begin somewhere in the first 2^40, so that hardly two files give out the same. */
#define INCARNATIONS_SHIFT 24


static struct
{
	uint32 looks;

	/* The page that was locked last, for pgfirst_page_damaged(). */
	Relation relation;
	BlockNumber block;
} tree;

/* ---- pages ------------------------------------------------------------------------------- */

void
pgfirst_page_damaged_at(Page page, const char *what)
{
	/* Its relation is the last one unless a walk of another goes on; its number it says itself. */
	tree.block = store_page_tail(page)->block;
	pgfirst_page_damaged(what);
}

void
pgfirst_page_damaged(const char *what)
{
	ereport(ERROR,
	        (errcode(ERRCODE_DATA_CORRUPTED),
	         errmsg("page %u of store \"%s\" is damaged", tree.block,
	                tree.relation ? RelationGetRelationName(tree.relation) : "?"),
	         errdetail("What is wrong: %s.", what),
	         errhint("Restore the database from a backup, or empty the store with TRUNCATE.")));
}

void
pgfirst_block_damaged(PgfirstStore *store, BlockNumber block, const char *what)
{
	tree.relation = store->relation;
	tree.block = block;
	pgfirst_page_damaged(what);
}

static inline void
page_check(Page page, BlockNumber block, uint64 store_id)
{
	PageHeader header = (PageHeader) page;
	StoreTail *tail = store_page_tail(page);

	if (likely(header->pd_special == STORE_TAIL_OFFSET && tail->magic == STORE_MAGIC &&
	           tail->format == STORE_FORMAT && tail->block == block && tail->store_id == store_id &&
	           header->pd_lower >= SizeOfPageHeaderData && header->pd_lower % STORE_SLOT == 0 &&
	           header->pd_lower <= header->pd_upper && header->pd_upper <= STORE_TAIL_OFFSET &&
	           header->pd_upper % 8 == 0))
		return;
	if (PageIsNew(page))
		pgfirst_page_damaged("it is zero");
	if (header->pd_special != STORE_TAIL_OFFSET || tail->magic != STORE_MAGIC ||
	    tail->format != STORE_FORMAT)
		pgfirst_page_damaged("it is not a page of a store");
	if (tail->store_id != store_id)
		pgfirst_page_damaged("it belongs to another store");
	if (tail->block != block)
		pgfirst_page_damaged("it belongs to another place");
	pgfirst_page_damaged("its header is wrong");
}

/*
 * Pins a page of the store.  A number that is not in the file came from a damaged page; PostgreSQL would
 * take one such (InvalidBlockNumber, which is P_NEW) for the wish to make the file longer.  The length
 * of the file is asked for only when it is not long enough as last known.
 */
static Buffer
page_pin(PgfirstStore *store, BlockNumber block)
{
	StoreHints *hints = store->hints;

	if (unlikely(block >= hints->blocks))
	{
		hints->blocks = RelationGetNumberOfBlocks(store->relation);
		if (block >= hints->blocks)
			pgfirst_block_damaged(store, block,
			                      "another page leads to it, and the file ends before it");
	}
	return ReadBuffer(store->relation, block);
}

void
pgfirst_page_check(PgfirstStore *store, Page page, BlockNumber block)
{
	tree.relation = store->relation;
	tree.block = block;
	page_check(page, block, pgfirst_tree_id(store));
}

static bool
page_take(PgfirstStore *store, Buffer buffer, BlockNumber block, int mode, StoreLeaf *page)
{
	uint64 store_id = pgfirst_tree_id(store); /* which may have to lock the meta page to find out */

	if (mode != STORE_LOCK_TRY)
		LockBuffer(buffer, mode);
	else if (!ConditionalLockBuffer(buffer))
	{
		ReleaseBuffer(buffer);
		page->buffer = InvalidBuffer;
		return false;
	}
	page->buffer = buffer;
	page->page = BufferGetPage(buffer);
	page->block = block;
	tree.relation = store->relation;
	tree.block = block;
	page_check(page->page, block, store_id);
	return true;
}

void
pgfirst_page_lock(PgfirstStore *store, BlockNumber block, int mode, StoreLeaf *page)
{
	(void) page_take(store, page_pin(store, block), block, mode, page);
}

StorePageKind
pgfirst_page_kind(PgfirstStore *store, BlockNumber block)
{
	Buffer buffer = page_pin(store, block);
	StorePageKind kind = store_page_tail(BufferGetPage(buffer))->kind;

	ReleaseBuffer(buffer);
	return kind;
}

bool
pgfirst_page_try(PgfirstStore *store, BlockNumber block, StoreLeaf *page)
{
	return page_take(store, page_pin(store, block), block, STORE_LOCK_TRY, page);
}

/*
 * The same, when it is known where the block was last.  That saves the look into the buffer table
 * but does not count as a use of the page, which might so be evicted as if nobody needed it; every
 * so often the honest way is taken.
 */
static bool
page_lock_recent(PgfirstStore *store, StoreHint *hint, int mode, StoreLeaf *page)
{
	Buffer buffer = hint->buffer;

	if (!BufferIsValid(buffer) || tree.looks++ % HINTS_HONEST == 0 ||
	    !ReadRecentBuffer(RelationStorage(store->relation), MAIN_FORKNUM, hint->block, buffer))
	{
		buffer = page_pin(store, hint->block);
		hint->buffer = buffer;
	}
	return page_take(store, buffer, hint->block, mode, page);
}

void
pgfirst_page_unlock(StoreLeaf *page)
{
	if (!BufferIsValid(page->buffer))
		return;
	UnlockReleaseBuffer(page->buffer);
	page->buffer = InvalidBuffer;
}

/* ---- the store --------------------------------------------------------------------------- */

bool
pgfirst_page_peek(PgfirstStore *store, BlockNumber block, StoreTail *tail)
{
	Buffer buffer = ReadBuffer(store->relation, block);
	bool there;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	there = !PageIsNew(BufferGetPage(buffer));
	*tail = *store_page_tail(BufferGetPage(buffer));
	UnlockReleaseBuffer(buffer);
	return there;
}

/*
 * The meta page of a store is zero only until the first change, which fills it and the root at once.
 * A file that has more than that, and a meta page of zeros, has lost it, and is not empty.
 */
static bool
meta_peek(PgfirstStore *store, StoreTail *tail)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(store->relation);
	StoreTail root;

	if (blocks <= STORE_ROOT_BLOCK)
		return false;
	if (pgfirst_page_peek(store, STORE_META_BLOCK, tail))
		return true;
	if (blocks == STORE_ROOT_BLOCK + 1 && !pgfirst_page_peek(store, STORE_ROOT_BLOCK, &root))
		return false;
	/* Unless it has been filled meanwhile. */
	if (pgfirst_page_peek(store, STORE_META_BLOCK, tail))
		return true;
	pgfirst_block_damaged(store, STORE_META_BLOCK, "it is zero");
}

uint64
pgfirst_tree_id(PgfirstStore *store)
{
	StoreHints *hints = store->hints;
	StoreTail tail;

	if (likely(hints->store_id != 0))
		return hints->store_id;
	if (!meta_peek(store, &tail))
		return 0;
	if (tail.magic != STORE_MAGIC || tail.kind != STORE_PAGE_META || tail.store_id == 0)
		pgfirst_block_damaged(store, STORE_META_BLOCK, "it is not the first page of a store");
	if (tail.format != STORE_FORMAT)
		ereport(ERROR,
		        (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		         errmsg("store \"%s\" has format %u, which this version of pgfirst does not know",
		                RelationGetRelationName(store->relation), tail.format),
		         errdetail("This version reads and writes format %d.", STORE_FORMAT),
		         errhint("Run the version of pgfirst that wrote it, and dump and restore.")));
	hints->store_id = tail.store_id;
	return hints->store_id;
}

void
pgfirst_tree_create(PgfirstStore *store)
{
	Relation relation = store->relation;
	PGAlignedBlock meta, root;
	Buffer buffers[2];
	uint64 store_id = 0;

	while (store_id == 0)
		if (!pg_strong_random(&store_id, sizeof(store_id)))
			ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
			                errmsg("could not draw a random number for a new store")));
	pgfirst_page_init(meta.data, STORE_PAGE_META, 0, store_id, STORE_META_BLOCK);
	pgfirst_page_init(root.data, STORE_PAGE_TREE, 0, store_id, STORE_ROOT_BLOCK);
	((PageHeader) meta.data)->pd_lower = SizeOfPageHeaderData + sizeof(StoreMeta);
	*store_page_meta(meta.data) = (StoreMeta){.incarnations = 1 + (store_id >> INCARNATIONS_SHIFT),
	                                          .used = STORE_ROOT_BLOCK + 1,
	                                          .free_head = InvalidBlockNumber};

	LockRelationForExtension(relation, ExclusiveLock);
	for (BlockNumber block = 0; block < 2; block++)
	{
		bool there = RelationGetNumberOfBlocks(relation) > block;

		buffers[block] = ReadBuffer(relation, there ? block : P_NEW);
		LockBuffer(buffers[block], BUFFER_LOCK_EXCLUSIVE);
	}
	if (PageIsNew(BufferGetPage(buffers[0])))
	{
		StoreRecord record;
		StoreEdit *edits[2];

		pgfirst_record_begin(&record, relation);
		for (int i = 0; i < 2; i++)
			edits[i] = pgfirst_record_page(&record, buffers[i]);
		pgfirst_record_change(&record);
		pgfirst_edit_replace(edits[0], meta.data);
		pgfirst_edit_replace(edits[1], root.data);
		pgfirst_record_insert(&record);
	}
	UnlockReleaseBuffer(buffers[1]);
	UnlockReleaseBuffer(buffers[0]);
	UnlockRelationForExtension(relation, ExclusiveLock);
}

/* ---- from the root ----------------------------------------------------------------------- */

static inline bool
page_is_tree(const StoreLeaf *page)
{
	return store_page_tail(page->page)->kind == STORE_PAGE_TREE;
}

static bool
page_is_below(const StoreLeaf *page, const StoreKey *key)
{
	StoreKey high = store_page_high(page->page);

	return store_key_compare(key, &high) >= 0;
}

int
pgfirst_child_slot(Page page, const StoreKey *key)
{
	int slot = pgfirst_page_search(page, key);

	if (slot == store_page_count(page) || store_item_compare(store_page_item(page, slot), key) > 0)
		slot--;
	if (slot < 0)
		pgfirst_page_damaged_at(page, "its first child begins behind its low fence");
	return slot;
}

static void
tree_restart(StoreLeaf *page, int *restarts)
{
	pgfirst_page_unlock(page);
	CHECK_FOR_INTERRUPTS();
	if (++*restarts > RESTARTS_MAX)
		pgfirst_page_damaged("the tree does not lead to every key");
}

/*
 * Goes down from the root to the page of `level` that covers the key, and locks that one with `mode`
 * and those above with share locks, one at a time.  False if the root is lower.
 */
static bool
tree_descend(PgfirstStore *store, const StoreKey *key, int level, int mode, StoreLeaf *page)
{
	int restarts = 0;
	BlockNumber block = STORE_ROOT_BLOCK;
	int lock = BUFFER_LOCK_SHARE;
	int above =
	    LEVELS_MAX; /* the level of the page that led here: children that lead up would not end */

	for (;;)
	{
		StoreTail *tail;

		pgfirst_page_lock(store, block, lock, page);
		tail = store_page_tail(page->page);
		if (block == STORE_ROOT_BLOCK && tail->level < level)
		{
			pgfirst_page_unlock(page);
			return false;
		}
		if (!page_is_tree(page) || tail->level < level || tail->level >= above ||
		    !store_page_covers(page->page, key))
		{
			tree_restart(page, &restarts);
			block = STORE_ROOT_BLOCK;
			lock = BUFFER_LOCK_SHARE;
			above = LEVELS_MAX;
		}
		else if (tail->level > level)
		{
			block = store_page_item(page->page, pgfirst_child_slot(page->page, key))->child;
			lock = tail->level == level + 1 ? mode : BUFFER_LOCK_SHARE;
			above = tail->level;
			pgfirst_page_unlock(page);
			pgfirst_store_point("before a child");
		}
		else if (lock == mode)
			return true;
		else
		{
			lock = mode; /* the root, which was locked as an inner page */
			pgfirst_page_unlock(page);
		}
	}
}

/*
 * Locks the child of a page that is locked exclusively.  What is on the level that children are on is
 * none of the pages that this process or another holds on the way to it, so waiting for it ends;
 * what a damaged parent leads to might be one of them, and is looked at before.
 */
static void
child_lock(PgfirstStore *store, StoreLeaf *parent, const StoreKey *key, StoreLeaf *page)
{
	StoreItem *item = store_page_item(parent->page, pgfirst_child_slot(parent->page, key));
	int level = store_page_tail(parent->page)->level - 1;
	Buffer buffer = page_pin(store, item->child);
	StoreTail *tail = store_page_tail(BufferGetPage(buffer));

	if (tail->kind != STORE_PAGE_TREE || tail->level != level)
		pgfirst_page_damaged_at(parent->page, "a child is not what it says");
	(void) page_take(store, buffer, item->child, BUFFER_LOCK_EXCLUSIVE, page);
	if (!page_is_tree(page) || tail->level != level || !store_page_covers(page->page, key))
		pgfirst_page_damaged("it is not what its parent says");
}

BlockNumber
pgfirst_level_block(PgfirstStore *store, const StoreKey *key, int level)
{
	StoreLeaf page;

	if (!tree_descend(store, key, level, BUFFER_LOCK_SHARE, &page))
		return InvalidBlockNumber;
	pgfirst_page_unlock(&page);
	return page.block;
}

bool
pgfirst_level_lock(PgfirstStore *store, const StoreKey *key, int level, StoreLeaf *parent,
                   StoreLeaf *page)
{
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		parent->buffer = InvalidBuffer;
		if (tree_descend(store, key, level + 1, BUFFER_LOCK_EXCLUSIVE, parent))
		{
			child_lock(store, parent, key, page);
			return true;
		}
		pgfirst_page_lock(store, STORE_ROOT_BLOCK, BUFFER_LOCK_EXCLUSIVE, page);
		if (!page_is_tree(page))
			pgfirst_page_damaged("it is not the root of a tree");
		if (store_page_tail(page->page)->level == level)
			return true;
		if (store_page_tail(page->page)->level < level)
		{
			pgfirst_page_unlock(page);
			return false;
		}
		pgfirst_page_unlock(page); /* it has grown meanwhile */
	}
}

/* ---- leaves ------------------------------------------------------------------------------ */

static inline bool
leaf_is_it(const StoreLeaf *leaf, const StoreKey *key)
{
	return page_is_tree(leaf) && store_page_tail(leaf->page)->level == 0 &&
	       store_page_covers(leaf->page, key);
}

bool
pgfirst_leaf_try(PgfirstStore *store, StoreHint *hint, const StoreKey *key, int mode,
                 StoreLeaf *leaf)
{
	Buffer probably = hint->buffer;

	if (!page_lock_recent(store, hint, mode, leaf))
		return false;
	if (!leaf_is_it(leaf, key))
	{
		pgfirst_page_unlock(leaf);
		return false;
	}
	if (unlikely(hint->buffer != probably))
	{
		StoreHint *known = pgfirst_hint(store->hints, key);

		if (known->block == hint->block)
			known->buffer = hint->buffer;
	}
	return true;
}

bool
pgfirst_leaf_lock_at(PgfirstStore *store, BlockNumber block, const StoreKey *key, StoreLeaf *leaf)
{
	if (pgfirst_tree_id(store) != 0 && block != InvalidBlockNumber)
	{
		pgfirst_page_lock(store, block, BUFFER_LOCK_SHARE, leaf);
		if (leaf_is_it(leaf, key))
			return true;
		pgfirst_page_unlock(leaf);
	}
	return pgfirst_leaf_lock(store, key, BUFFER_LOCK_SHARE, leaf);
}

BlockNumber
pgfirst_leaf_block(PgfirstStore *store, const StoreKey *key)
{
	StoreLeaf leaf;

	if (!pgfirst_leaf_lock(store, key, BUFFER_LOCK_SHARE, &leaf))
		return InvalidBlockNumber;
	pgfirst_page_unlock(&leaf);
	return leaf.block;
}

bool
pgfirst_leaf_lock(PgfirstStore *store, const StoreKey *key, int mode, StoreLeaf *leaf)
{
	StoreHint *hint;
	StoreHint next;

	leaf->buffer = InvalidBuffer;
	if (pgfirst_tree_id(store) == 0)
		return false;
	hint = pgfirst_hint(store->hints, key);
	for (int hops = 0; hint->block != InvalidBlockNumber && hops < HOPS_MAX; hops++)
	{
		StoreTail *tail;
		bool beyond;

		(void) page_lock_recent(store, hint, mode, leaf);
		if (leaf_is_it(leaf, key))
		{
			if (hops > 0)
				pgfirst_hint_learn(store->hints, key, leaf);
			return true;
		}
		tail = store_page_tail(leaf->page);
		beyond = page_is_tree(leaf) && tail->level == 0 && page_is_below(leaf, key);
		next = (StoreHint){.block = beyond ? tail->right : InvalidBlockNumber,
		                   .buffer = InvalidBuffer};
		hint = &next;
		pgfirst_page_unlock(leaf);
	}
	(void) tree_descend(store, key, 0, mode, leaf);
	pgfirst_hint_learn(store->hints, key, leaf);
	return true;
}
