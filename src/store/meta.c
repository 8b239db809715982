/* SPDX-License-Identifier: PostgreSQL
 *
 * meta.c: the first page of a store: which pages are free, and what else there is one of.
 *
 * New pages come from the free list, else from the end of the used part of the file (meta.used).
 * The file is extended before any page is locked, by more than is needed; what lies behind meta.used
 * holds nothing and is not missed by anybody, so a crash between extension and use loses nothing.
 * Every page below meta.used is the meta page, in the tree, on the free list, or aside while the file is made
 * shorter (shrink.c), whenever the server stops: whoever moves a page from one to another does it in one record.
 *
 * Incarnations are handed out from a counter, a batch at a time to each process, and mixed so that
 * parts spread over the tree as ids do.  What is left of a batch when a process ends is lost;
 * there are enough.
 */
#include "postgres.h"

#include "storage/lmgr.h"

#include "base/compat.h"
#include "store/hints.h"
#include "store/store_int.h"

#define EXTEND_MIN         2
#define EXTEND_MAX         64
#define EXTEND_FRACTION    64 /* of the file, at a time */
#define INCARNATIONS_BATCH 64

void
pgfirst_meta_lock(PgfirstStore *store, int mode, StoreLeaf *meta)
{
	pgfirst_page_lock(store, STORE_META_BLOCK, mode, meta);
	if (store_page_tail(meta->page)->kind != STORE_PAGE_META)
		pgfirst_page_damaged("it is not the first page of a store");
}

/* How many pages could be taken without extending the file. */
static BlockNumber
pages_available(PgfirstStore *store, const StoreMeta *meta)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(store->relation);

	return meta->free_count + (blocks > meta->used ? blocks - meta->used : 0);
}

void
pgfirst_pages_reserve(PgfirstStore *store, BlockNumber wanted)
{
	StoreLeaf leaf;
	StoreMeta meta;
	BlockNumber blocks;

	pgfirst_meta_lock(store, BUFFER_LOCK_SHARE, &leaf);
	meta = *store_page_meta(leaf.page);
	pgfirst_page_unlock(&leaf);
	if (meta.free_count >= wanted || pages_available(store, &meta) >= wanted)
		return;

	pgfirst_store_point("before an extension");
	LockRelationForExtension(store->relation, ExclusiveLock);
	blocks = RelationGetNumberOfBlocks(store->relation);
	/* Else the file would be made longer for ever. */
	if (meta.used > blocks)
		pgfirst_block_damaged(store, STORE_META_BLOCK, "it counts more pages than the file has");
	if (blocks < meta.used + wanted)
	{
		BlockNumber more = Min(Max(meta.used / EXTEND_FRACTION, EXTEND_MIN), EXTEND_MAX);

		for (BlockNumber i = 0; i < Max(more, wanted); i++)
			ReleaseBuffer(ReadBuffer(store->relation, P_NEW));
	}
	UnlockRelationForExtension(store->relation, ExclusiveLock);
}

bool
pgfirst_page_take(PgfirstStore *store, StoreMeta *meta, StoreLeaf *page)
{
	if (meta->free_count > 0)
	{
		/* Looked at before: a damaged list may lead to a page that this process has locked. */
		if (pgfirst_page_kind(store, meta->free_head) != STORE_PAGE_FREE)
			pgfirst_block_damaged(store, meta->free_head, "it is on the free list and not free");
		pgfirst_page_lock(store, meta->free_head, BUFFER_LOCK_EXCLUSIVE, page);
		if (store_page_tail(page->page)->right == page->block)
			pgfirst_page_damaged("the free list leads from it to itself");
		meta->free_head = store_page_tail(page->page)->right;
		meta->free_count--;
		return true;
	}
	if (RelationGetNumberOfBlocks(store->relation) <= meta->used)
		return false;
	page->block = meta->used++;
	page->buffer = ReadBuffer(store->relation, page->block);
	page->page = BufferGetPage(page->buffer);
	/* The same, and nothing may be written over: what is behind the used pages is zero, or was set aside. */
	if (!PageIsNew(page->page) && store_page_tail(page->page)->kind != STORE_PAGE_ASIDE)
		pgfirst_block_damaged(store, page->block,
		                      "it is in use, and the first page counts it as unused");
	LockBuffer(page->buffer, BUFFER_LOCK_EXCLUSIVE);
	return true;
}

void
pgfirst_meta_change(StoreEdit *edit, const StoreMeta *meta)
{
	*store_page_meta(edit->page) = *meta;
	pgfirst_edit_touch(edit, store_page_meta(edit->page), sizeof(StoreMeta));
}

void
pgfirst_meta_write(PgfirstStore *store, StoreLeaf *leaf, const StoreMeta *meta)
{
	StoreRecord record;
	StoreEdit *edit;

	pgfirst_record_begin(&record, store->relation);
	edit = pgfirst_record_page(&record, leaf->buffer);
	pgfirst_record_change(&record);
	pgfirst_meta_change(edit, meta);
	(void) pgfirst_record_insert(&record);
}

StoreMeta
pgfirst_meta(PgfirstStore *store)
{
	StoreLeaf leaf;
	StoreMeta meta;

	pgfirst_meta_lock(store, BUFFER_LOCK_SHARE, &leaf);
	meta = *store_page_meta(leaf.page);
	pgfirst_page_unlock(&leaf);
	return meta;
}

void
pgfirst_meta_tags(PgfirstStore *store, StoreTags tags)
{
	StoreMeta meta = pgfirst_meta(store);
	StoreLeaf leaf;

	if (meta.tags == tags)
		return;
	pgfirst_meta_lock(store, BUFFER_LOCK_EXCLUSIVE, &leaf);
	meta = *store_page_meta(leaf.page);
	if (meta.tags != tags)
	{
		meta.tags = tags;
		pgfirst_meta_write(store, &leaf, &meta);
	}
	pgfirst_page_unlock(&leaf);
}

bool
pgfirst_meta_tags_swap(PgfirstStore *store, StoreTags from, StoreTags to)
{
	StoreLeaf leaf;
	StoreMeta meta;
	bool swapped;

	pgfirst_meta_lock(store, BUFFER_LOCK_EXCLUSIVE, &leaf);
	meta = *store_page_meta(leaf.page);
	swapped = meta.tags == (uint32) from;
	if (swapped)
	{
		meta.tags = to;
		pgfirst_meta_write(store, &leaf, &meta);
	}
	pgfirst_page_unlock(&leaf);
	return swapped;
}

/* A bijection: no two counts give the same incarnation. */
static uint64
incarnation_mix(uint64 count)
{
	count ^= count >> 33;
	count *= UINT64CONST(0xFF51AFD7ED558CCD);
	count ^= count >> 33;
	count *= UINT64CONST(0xC4CEB9FE1A85EC53);
	count ^= count >> 33;
	return count;
}

/* Back again: by the inverses of the factors. */
uint64
pgfirst_incarnation_count(uint64 incarnation)
{
	incarnation ^= incarnation >> 33;
	incarnation *= UINT64CONST(0x9CB4B2F8129337DB);
	incarnation ^= incarnation >> 33;
	incarnation *= UINT64CONST(0x4F74430C22A54005);
	incarnation ^= incarnation >> 33;
	return incarnation;
}

uint64
pgfirst_store_incarnation(PgfirstStore *store)
{
	if (pgfirst_tree_id(store) == 0)
		pgfirst_tree_create(store);
	return pgfirst_incarnation_next(store);
}

uint64
pgfirst_incarnation_next(PgfirstStore *store)
{
	StoreBatch *batch = &store->hints->batch;

	if (batch->next == batch->end)
	{
		StoreLeaf leaf;
		StoreMeta meta;
		StoreBatch fresh;

		pgfirst_meta_lock(store, BUFFER_LOCK_EXCLUSIVE, &leaf);
		meta = *store_page_meta(leaf.page);
		fresh.next = meta.incarnations;
		meta.incarnations += INCARNATIONS_BATCH;
		fresh.end = meta.incarnations;
		pgfirst_meta_write(store, &leaf, &meta);
		*batch = fresh; /* not before the page says so, which may fail */
		pgfirst_page_unlock(&leaf);
	}
	return incarnation_mix(batch->next++);
}
