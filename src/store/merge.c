/* SPDX-License-Identifier: PostgreSQL
 *
 * merge.c: the tree becomes smaller.
 *
 * A page that is empty enough takes over what stands on its right neighbour, under the same parent;
 * the neighbour goes to the free list.  One WAL record of four pages:
 *
 *     page, with both | neighbour, free | parent, with one item less | meta
 *
 * and when the root has one child left, the root takes its place: root | child, free | meta.
 * A page without records, on either side, always goes.  The first child of a parent is
 * never taken over by the last child of another: then the border between the parents would move, and
 * with it pages above that do not fit into the record.  A parent that has become empty enough is
 * merged in the same way.
 *
 * Two neighbours that are too full for one page, and a third, may be little enough for two.  Then the middle leaf gives
 * to the left one until both are equally full, and takes over what stands on the right one, in two records, between
 * which the tree is as whole as ever:
 *
 *     left leaf, with more | middle leaf, with less | parent, in which the middle one begins later
 *     middle leaf, with both | right leaf, free | parent, with one item less | meta
 *
 * The border between two leaves may move because nobody's way depends on it: who comes to one of them for a key that
 * stands on the other now finds it outside of the fences (tree.c).
 *
 * The neighbour is set aside instead where the file is being made shorter (shrink.c).
 *
 * A freed page may be reused at once; whoever still comes to it finds other fences (see tree.c).
 *
 * How empty is enough: when pages are not fuller than nine tenths then.  With three quarters a store
 * that grew and shrank at random for two minutes was 2.05 times as large as its live bytes.  An empty
 * page always goes, whatever stands on the other.  By pairs alone, leaves of records that were set and deleted at
 * random were 0.60 full, by threes 0.70.
 *
 * Neighbours are only tried: who changes records may hold them and want the page.
 *
 * Rejected: that a full leaf gives to a right neighbour that is half empty instead of being split (0.63 full).
 */
#include "postgres.h"

#include "store/store_int.h"

#define MERGED_MAX (STORE_PAGE_ROOM / 10 * 9)

/* Three do not become two to the byte: the border lies between two records. */
#define SQUEEZED_SLACK (STORE_PAGE_ROOM / 32)

/* ---- what is worth it ----------------------------------------------------------------------------- */

bool
pgfirst_merge_fits(Size used, Size used_right)
{
	return used == 0 || used_right == 0 || used + used_right <= MERGED_MAX;
}

bool
pgfirst_squeeze_fits(Size used, Size used_middle, Size used_right)
{
	return used + used_middle + used_right <= 2 * MERGED_MAX - SQUEEZED_SLACK;
}

/* ---- pages that go ---------------------------------------------------------------------------------- */

/* What the two pages become. */
static void
merge_build(Page image, Page page, Page right)
{
	pgfirst_page_init_like(image, page);
	store_page_set_high(image, store_page_high(right));
	store_page_tail(image)->right = store_page_tail(right)->right;
	pgfirst_page_copy(image, page, 0, store_page_count(page));
	pgfirst_page_copy(image, right, 0, store_page_count(right));
}

void
pgfirst_free_build(Page image, StoreLeaf *page, StoreMeta *meta)
{
	pgfirst_page_init(image, STORE_PAGE_FREE, 0, store_page_tail(page->page)->store_id,
	                  page->block);
	store_page_tail(image)->right = meta->free_head;
	meta->free_head = page->block;
	meta->free_count++;
}

/* What becomes of a page that the tree lets go. */
static void
gone_build(Page image, StoreLeaf *page, StoreMeta *meta)
{
	if (meta->front != 0 && page->block >= meta->front)
		pgfirst_page_init(image, STORE_PAGE_ASIDE, 0, store_page_tail(page->page)->store_id,
		                  page->block);
	else
		pgfirst_free_build(image, page, meta);
}

static void
merge_pages(PgfirstStore *store, StoreLeaf *parent, int slot, StoreLeaf *page, StoreLeaf *right)
{
	PGAlignedBlock merged, freed;
	StoreLeaf leaf;
	StoreMeta meta;
	StoreRecord record;
	StoreEdit *edits[4];

	merge_build(merged.data, page->page, right->page);
	pgfirst_meta_lock(store, BUFFER_LOCK_EXCLUSIVE, &leaf);
	meta = *store_page_meta(leaf.page);
	gone_build(freed.data, right, &meta);

	pgfirst_record_begin(&record, store->relation);
	edits[0] = pgfirst_record_page(&record, page->buffer);
	edits[1] = pgfirst_record_page(&record, right->buffer);
	edits[2] = pgfirst_record_page(&record, parent->buffer);
	edits[3] = pgfirst_record_page(&record, leaf.buffer);
	pgfirst_record_change(&record);
	pgfirst_edit_replace(edits[0], merged.data);
	pgfirst_edit_replace(edits[1], freed.data);
	pgfirst_edit_remove(edits[2], slot);
	pgfirst_meta_change(edits[3], &meta);
	(void) pgfirst_record_insert(&record);
	pgfirst_page_unlock(&leaf);
}

/* The root takes the place of its only child. */
static void
root_lower(PgfirstStore *store, StoreLeaf *root, StoreLeaf *child)
{
	PGAlignedBlock top, freed;
	StoreLeaf leaf;
	StoreMeta meta;
	StoreRecord record;
	StoreEdit *edits[3];

	pgfirst_page_init_like(top.data, child->page);
	store_page_tail(top.data)->block = STORE_ROOT_BLOCK;
	pgfirst_page_copy(top.data, child->page, 0, store_page_count(child->page));
	pgfirst_meta_lock(store, BUFFER_LOCK_EXCLUSIVE, &leaf);
	meta = *store_page_meta(leaf.page);
	gone_build(freed.data, child, &meta);

	pgfirst_record_begin(&record, store->relation);
	edits[0] = pgfirst_record_page(&record, root->buffer);
	edits[1] = pgfirst_record_page(&record, child->buffer);
	edits[2] = pgfirst_record_page(&record, leaf.buffer);
	pgfirst_record_change(&record);
	pgfirst_edit_replace(edits[0], top.data);
	pgfirst_edit_replace(edits[1], freed.data);
	pgfirst_meta_change(edits[2], &meta);
	(void) pgfirst_record_insert(&record);
	pgfirst_page_unlock(&leaf);
}

/* Locks the page in this slot of the parent, which must be the right neighbour, if there is one and nobody has it. */
static bool
sibling_try(PgfirstStore *store, StoreLeaf *parent, int slot, StoreLeaf *page, StoreLeaf *right)
{
	StoreKey border = store_page_high(page->page);
	StoreKey low;

	if (slot >= store_page_count(parent->page) ||
	    !pgfirst_page_try(store, store_page_item(parent->page, slot)->child, right))
		return false;
	low = store_page_low(right->page);
	if (store_page_tail(right->page)->kind != STORE_PAGE_TREE ||
	    store_page_tail(right->page)->level != store_page_tail(page->page)->level ||
	    store_key_compare(&low, &border) != 0)
		pgfirst_page_damaged("it is not what its parent says");
	return true;
}

/* ---- two pages become one -------------------------------------------------------------------------- */

static bool
merge_level(PgfirstStore *store, const StoreKey *key, int level)
{
	StoreLeaf parent, page, right;
	bool merged = false;
	int slot;

	if (!pgfirst_level_lock(store, key, level, &parent, &page))
		return false;
	if (BufferIsValid(parent.buffer))
	{
		slot = pgfirst_child_slot(parent.page, key) + 1;
		if (sibling_try(store, &parent, slot, &page, &right))
		{
			merged = pgfirst_merge_fits(store_page_used(page.page), store_page_used(right.page));
			if (merged)
				merge_pages(store, &parent, slot, &page, &right);
			pgfirst_page_unlock(&right);
		}
		else if (parent.block == STORE_ROOT_BLOCK && store_page_count(parent.page) == 1)
		{
			root_lower(store, &parent, &page);
			merged = true;
		}
	}
	pgfirst_page_unlock(&page);
	pgfirst_page_unlock(&parent);
	if (merged)
		pgfirst_store_point("after a merge");
	return merged;
}

/* What that leaves of the parents. */
static void
parents_merge(PgfirstStore *store, const StoreKey *key)
{
	for (int level = 1; merge_level(store, key, level); level++)
		;
}

bool
pgfirst_tree_merge(PgfirstStore *store, const StoreKey *key)
{
	bool merged = merge_level(store, key, 0);

	if (merged)
	{
		parents_merge(store, key);
		(void) merge_level(store, key, 0);
	}
	return merged;
}

/* ---- three leaves become two --------------------------------------------------------------------- */

/*
 * How many items of the middle leaf go to the left, so that both are equally full then; never between two versions
 * of a record.  0 if items are too large for that.
 */
static int
squeeze_count(Page left, Page middle, Page right)
{
	Size on_left = store_page_used(left);
	Size on_right = store_page_used(middle) + store_page_used(right);
	StoreKey before = store_page_low(left);
	int count = store_page_count(middle);
	int slot;

	for (slot = 0; slot < count; slot++)
	{
		const StoreItem *item = store_page_item(middle, slot);
		Size bytes = store_item_size(middle, item) + STORE_SLOT;

		if (on_left >= on_right && store_item_compare(item, &before) != 0)
			break;
		before = store_item_key(item);
		on_left += bytes;
		on_right -= bytes;
	}
	return slot < count && on_left <= MERGED_MAX && on_right <= MERGED_MAX ? slot : 0;
}

/* So many items of a page, in slot `child` of the parent, go to its left neighbour. */
static void
border_move(PgfirstStore *store, StoreLeaf *parent, int child, StoreLeaf *left, StoreLeaf *page,
            int items)
{
	PGAlignedBlock first, second;
	StoreKey border = store_item_key(store_page_item(page->page, items));
	StoreKey low = store_page_low(page->page);
	StoreKey high = store_page_high(page->page);
	StoreRecord record;
	StoreEdit *edits[3];
	StoreItem *item;

	/* One damaged leaf must not become three pages. */
	if (store_key_compare(&low, &border) >= 0 || store_key_compare(&border, &high) >= 0)
		pgfirst_page_damaged_at(page->page, "its items are not in order");
	pgfirst_page_init_like(first.data, left->page);
	store_page_set_high(first.data, border);
	pgfirst_page_copy(first.data, left->page, 0, store_page_count(left->page));
	pgfirst_page_copy(first.data, page->page, 0, items);
	pgfirst_page_init_like(second.data, page->page);
	store_page_set_low(second.data, border);
	pgfirst_page_copy(second.data, page->page, items, store_page_count(page->page));

	pgfirst_record_begin(&record, store->relation);
	edits[0] = pgfirst_record_page(&record, left->buffer);
	edits[1] = pgfirst_record_page(&record, page->buffer);
	edits[2] = pgfirst_record_page(&record, parent->buffer);
	pgfirst_record_change(&record);
	pgfirst_edit_replace(edits[0], first.data);
	pgfirst_edit_replace(edits[1], second.data);
	item = pgfirst_edit_take(edits[2], child, child, &border, STORE_INNER_SIZE);
	item->length = sizeof(BlockNumber);
	item->child = page->block;
	(void) pgfirst_record_insert(&record);
}

static bool
squeeze_pages(PgfirstStore *store, StoreLeaf *parent, int slot, StoreLeaf *left, StoreLeaf *middle)
{
	StoreLeaf right;
	int items;

	if (!sibling_try(store, parent, slot + 1, middle, &right))
		return false;
	items = squeeze_count(left->page, middle->page, right.page);
	if (items > 0)
	{
		border_move(store, parent, slot, left, middle, items);
		pgfirst_store_point("a border has moved");
		merge_pages(store, parent, slot + 1, middle, &right);
	}
	pgfirst_page_unlock(&right);
	return items > 0;
}

bool
pgfirst_tree_squeeze(PgfirstStore *store, const StoreKey *key)
{
	StoreLeaf parent, left, middle;
	bool squeezed = false;

	if (!pgfirst_level_lock(store, key, 0, &parent, &left))
		return false;
	if (BufferIsValid(parent.buffer))
	{
		int slot = pgfirst_child_slot(parent.page, key) + 1;

		if (sibling_try(store, &parent, slot, &left, &middle))
		{
			squeezed = squeeze_pages(store, &parent, slot, &left, &middle);
			pgfirst_page_unlock(&middle);
		}
	}
	pgfirst_page_unlock(&left);
	pgfirst_page_unlock(&parent);
	if (squeezed)
	{
		pgfirst_store_point("after a merge");
		parents_merge(store, key);
	}
	return squeezed;
}
