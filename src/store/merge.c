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
 * The neighbour is set aside instead where the file is being made shorter (shrink.c).
 *
 * A freed page may be reused at once; whoever still comes to it finds other fences (see tree.c).
 *
 * How empty is enough: when both together fill nine tenths of a page.  With three quarters a store
 * that grew and shrank at random for two minutes was 2.05 times as large as its live bytes.  An empty
 * page always goes, whatever stands on the other.
 *
 * The neighbour is only tried: who changes records may hold it and want the page.
 */
#include "postgres.h"

#include "store/store_int.h"

#define MERGED_MAX (STORE_PAGE_ROOM / 10 * 9)

bool
pgfirst_merge_fits(Size used, Size used_right)
{
	return used == 0 || used_right == 0 || used + used_right <= MERGED_MAX;
}

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
		if (slot < store_page_count(parent.page) &&
		    pgfirst_page_try(store, store_page_item(parent.page, slot)->child, &right))
		{
			StoreKey border = store_page_high(page.page);
			StoreKey low = store_page_low(right.page);

			if (store_page_tail(right.page)->kind != STORE_PAGE_TREE ||
			    store_page_tail(right.page)->level != level ||
			    store_key_compare(&low, &border) != 0)
				pgfirst_page_damaged("it is not what its parent says");
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

bool
pgfirst_tree_merge(PgfirstStore *store, const StoreKey *key)
{
	bool merged = merge_level(store, key, 0);

	/* What that leaves of the parents. */
	for (int level = 1; merged && merge_level(store, key, level); level++)
		;
	if (merged)
		(void) merge_level(store, key, 0);
	return merged;
}
