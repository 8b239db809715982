/* SPDX-License-Identifier: PostgreSQL
 *
 * split.c: room for another item.
 *
 * A split is one WAL record of at most four pages, atomic, so that no crash leaves half of one:
 *
 *     a page          left half | right half (a new page) | parent, with one item more | meta
 *     the root        root, with two items | left half (new) | right half (new)        | meta
 *
 * It changes no record, and whoever needs the room does it before its own change, under no lock: a
 * split that fails for want of disk fails a change that has not begun.  When the parent has no room
 * for another item it is split first, by a record of its own, and everything begins again.
 *
 * Where to split: half of the bytes to each side.  But what is numbered one after the other (the parts of a large record, the
 * nodes of a list, which grows at both ends) mostly comes behind the last of its row or in front of the first.  A leaf that
 * is full then is split there, and stays full; what stands in front of a row that grows forwards, and is of others,
 * leaves it for good.  So is a leaf into which many records go at once, in the order of their keys.
 */
#include "postgres.h"

#include "store/store_int.h"

/* ---- where to split ---------------------------------------------------------------------- */

static bool
same_key(const StoreItem *a, const StoreItem *b)
{
	return a->high == b->high && a->low == b->low && a->space == b->space;
}

/* Numbers that are given out one after the other are closer than this, and hashes of members are not. */
#define NEAR (UINT64CONST(1) << 32)

/* Whether the item in this slot, if there is one, is in one row of numbers with the key. */
static bool
is_near(Page page, int slot, const StoreKey *key)
{
	const StoreItem *item;

	if (slot < 0 || slot >= store_page_count(page))
		return false;
	item = store_page_item(page, slot);
	return item->space == key->space && item->high == key->high &&
	       (item->low > key->low ? item->low - key->low : key->low - item->low) < NEAR;
}

/*
 * The first slot of the right half, never between two versions of a record, and the first key that may stand there.
 * 0 <= slot <= count on leaves; 0 and count leave one of them empty, for what comes there.
 */
static int
split_slot(Page page, const StoreKey *key, bool run, StoreKey *border)
{
	int count = store_page_count(page);
	Size half = (store_page_used(page) - (Size) count * STORE_SLOT) / 2;
	Size bytes = 0;
	int place = pgfirst_page_search(page, key);
	int slot;

	if (store_page_tail(page)->level == 0)
	{
		bool behind = is_near(page, place - 1, key);
		bool in_front = is_near(page, place, key);

		if ((run && place > 0) || (behind && !in_front))
		{
			*border = place < count ? store_item_key(store_page_item(page, place)) : *key;
			return place;
		}
		/* What is there already and becomes larger is not in front of itself. */
		if (in_front && !behind && store_page_item(page, place)->low != key->low)
		{
			*border = store_item_key(store_page_item(page, place));
			if (place > 0)
			{
				/* What stands in front is of others, who would share each leaf that the row fills. */
				StoreItem *other = store_page_item(page, place - 1);

				border->low =
				    other->space == key->space && other->high == key->high ? other->low + 1 : 0;
			}
			return place;
		}
	}
	for (slot = 1; slot < count - 1; slot++)
	{
		bytes += store_item_size(page, store_page_item(page, slot - 1));
		if (bytes >= half)
			break;
	}
	if (same_key(store_page_item(page, slot - 1), store_page_item(page, slot)))
		slot += slot + 1 < count ? 1 : -1;
	*border = store_item_key(store_page_item(page, slot));
	return slot;
}

/* ---- splits ------------------------------------------------------------------------------ */

typedef struct SplitHalves
{
	PGAlignedBlock left;
	PGAlignedBlock right;
	StoreKey border;
} SplitHalves;

/* Builds both halves of `whole`, as they will be in these blocks. */
static void
split_build(SplitHalves *halves, Page whole, const StoreKey *key, bool run, BlockNumber left,
            BlockNumber right)
{
	int count = store_page_count(whole);
	int slot = split_slot(whole, key, run, &halves->border);
	StoreKey low = store_page_low(whole);
	StoreKey high = store_page_high(whole);
	StoreTail *tail;

	if (store_key_compare(&low, &halves->border) >= 0 ||
	    store_key_compare(&halves->border, &high) >= 0)
		pgfirst_page_damaged_at(whole, "its items are not in order");
	pgfirst_page_init_like(halves->left.data, whole);
	tail = store_page_tail(halves->left.data);
	tail->block = left;
	store_page_set_high(halves->left.data, halves->border);
	tail->right = right;
	pgfirst_page_copy(halves->left.data, whole, 0, slot);
	pgfirst_page_init_like(halves->right.data, whole);
	tail = store_page_tail(halves->right.data);
	tail->block = right;
	store_page_set_low(halves->right.data, halves->border);
	pgfirst_page_copy(halves->right.data, whole, slot, count);
}

static bool
split_root(PgfirstStore *store, const StoreKey *key, bool run, StoreLeaf *root, Page whole)
{
	SplitHalves halves;
	PGAlignedBlock top;
	StoreLeaf leaf, left, right;
	StoreMeta meta;
	StoreRecord record;
	StoreEdit *edits[4];
	StoreTail *tail = store_page_tail(root->page);
	StoreKey low = store_page_low(root->page);

	pgfirst_meta_lock(store, BUFFER_LOCK_EXCLUSIVE, &leaf);
	meta = *store_page_meta(leaf.page);
	if (!pgfirst_page_take(store, &meta, &left))
	{
		pgfirst_page_unlock(&leaf);
		return false;
	}
	if (!pgfirst_page_take(store, &meta, &right))
	{
		pgfirst_page_unlock(&left);
		pgfirst_page_unlock(&leaf);
		return false;
	}
	split_build(&halves, whole, key, run, left.block, right.block);
	pgfirst_page_init(top.data, STORE_PAGE_TREE, tail->level + 1, tail->store_id, STORE_ROOT_BLOCK);
	pgfirst_page_append_child(top.data, &low, left.block);
	pgfirst_page_append_child(top.data, &halves.border, right.block);

	pgfirst_record_begin(&record, store->relation);
	edits[0] = pgfirst_record_page(&record, root->buffer);
	edits[1] = pgfirst_record_page(&record, left.buffer);
	edits[2] = pgfirst_record_page(&record, right.buffer);
	edits[3] = pgfirst_record_page(&record, leaf.buffer);
	pgfirst_record_change(&record);
	pgfirst_edit_replace(edits[0], top.data);
	pgfirst_edit_replace(edits[1], halves.left.data);
	pgfirst_edit_replace(edits[2], halves.right.data);
	pgfirst_meta_change(edits[3], &meta);
	(void) pgfirst_record_insert(&record);
	pgfirst_page_unlock(&right);
	pgfirst_page_unlock(&left);
	pgfirst_page_unlock(&leaf);
	return true;
}

static bool
split_page(PgfirstStore *store, const StoreKey *key, bool run, StoreLeaf *parent, StoreLeaf *page,
           Page whole)
{
	SplitHalves halves;
	StoreLeaf leaf, right;
	StoreMeta meta;
	StoreRecord record;
	StoreEdit *edits[4];
	StoreItem *item;
	int slot;

	pgfirst_meta_lock(store, BUFFER_LOCK_EXCLUSIVE, &leaf);
	meta = *store_page_meta(leaf.page);
	if (!pgfirst_page_take(store, &meta, &right))
	{
		pgfirst_page_unlock(&leaf);
		return false;
	}
	split_build(&halves, whole, key, run, page->block, right.block);
	slot = pgfirst_child_slot(parent->page, key) + 1;

	pgfirst_record_begin(&record, store->relation);
	edits[0] = pgfirst_record_page(&record, parent->buffer);
	edits[1] = pgfirst_record_page(&record, page->buffer);
	edits[2] = pgfirst_record_page(&record, right.buffer);
	edits[3] = pgfirst_record_page(&record, leaf.buffer);
	pgfirst_record_change(&record);
	item = pgfirst_edit_insert(edits[0], slot, &halves.border, STORE_INNER_SIZE);
	item->length = sizeof(BlockNumber);
	item->child = right.block;
	pgfirst_edit_replace(edits[1], halves.left.data);
	pgfirst_edit_replace(edits[2], halves.right.data);
	pgfirst_meta_change(edits[3], &meta);
	(void) pgfirst_record_insert(&record);
	pgfirst_page_unlock(&right);
	pgfirst_page_unlock(&leaf);
	return true;
}

/* Writes the page again without its dead bytes: a parent that has lost children. */
static void
page_compact(PgfirstStore *store, StoreLeaf *page)
{
	PGAlignedBlock copy;
	StoreRecord record;
	StoreEdit *edit;

	pgfirst_page_init_like(copy.data, page->page);
	pgfirst_page_copy(copy.data, page->page, 0, store_page_count(page->page));
	pgfirst_record_begin(&record, store->relation);
	edit = pgfirst_record_page(&record, page->buffer);
	pgfirst_record_change(&record);
	pgfirst_edit_replace(edit, copy.data);
	(void) pgfirst_record_insert(&record);
}

/*
 * Splits the page of `level` that covers the key, unless `size` bytes fit on it by now.  Returns the
 * level that has to be split before, or -1: done.
 */
static int
split_level(PgfirstStore *store, const StoreKey *key, int level, Size size, bool run)
{
	StoreLeaf parent, page;
	PGAlignedBlock whole;
	int first = -1;
	bool done = false;

	while (!done && first < 0)
	{
		pgfirst_pages_reserve(store, 2);
		if (!pgfirst_level_lock(store, key, level, &parent, &page))
			elog(ERROR, "the tree of store %u has no level %d", store->oid, level);
		if (level == 0)
			(void) pgfirst_page_settle(whole.data, page.page);
		else
		{
			pgfirst_page_init_like(whole.data, page.page);
			pgfirst_page_copy(whole.data, page.page, 0, store_page_count(page.page));
		}
		if (store_page_hole(whole.data) >= size)
			done = true;
		else if (!BufferIsValid(parent.buffer))
			done = split_root(store, key, run, &page, whole.data);
		else if (store_page_hole(parent.page) >= STORE_INNER_SIZE + STORE_SLOT)
			done = split_page(store, key, run, &parent, &page, whole.data);
		else if (store_page_hole(parent.page) + store_page_tail(parent.page)->dead >=
		         STORE_INNER_SIZE + STORE_SLOT)
			page_compact(store, &parent);
		else
			first = level + 1;
		pgfirst_page_unlock(&page);
		pgfirst_page_unlock(&parent);
	}
	return first;
}

void
pgfirst_tree_make_room(PgfirstStore *store, const StoreKey *key, Size size, bool run)
{
	int level = 0;

	/* Up to the first parent with room, and down again. */
	while (level >= 0)
	{
		int first =
		    split_level(store, key, level, level == 0 ? size : STORE_INNER_SIZE + STORE_SLOT, run);

		pgfirst_store_point("after a split");
		level = first >= 0 ? first : level - 1;
	}
}
