/* SPDX-License-Identifier: PostgreSQL
 *
 * space.c: what the file of a store is filled with.
 *
 * Every block is looked at once, in the order of the file, under its own share lock; every byte of it
 * is live, free, garbage or overhead.  Nothing is locked meanwhile, so a page that is split or merged
 * behind or before the scan is counted twice or not at all: these are numbers to look at.
 *
 * Which parts belong to nobody is not looked up: the parts that the records that count have, which
 * follow from their lengths, are subtracted from those that there are.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "store/store_int.h"

/* What an item and its slot take. */
static uint64
item_bytes(const StoreItem *item)
{
	return store_leaf_size(item->length) + STORE_SLOT;
}

/* What one part of a large record of this length takes. */
static uint64
part_bytes(Size length, uint32 number)
{
	Size from, to;

	pgfirst_large_range(length, number, &from, &to);
	return store_leaf_size(to - from + (number == 0 ? STORE_PART_OWNER : 0)) + STORE_SLOT;
}

/* What all of them take: but for the first and the last they are alike. */
static uint64
length_parts_bytes(Size length)
{
	uint32 parts = pgfirst_large_parts(length);
	uint64 bytes = part_bytes(length, 0);

	if (parts > 1)
		bytes += part_bytes(length, parts - 1);
	if (parts > 2)
		bytes += (parts - 2) * part_bytes(length, 1);
	return bytes;
}

static uint64
parts_bytes(const StoreItem *item)
{
	StoreLarge large;

	memcpy(&large, item->data, STORE_LARGE_HEADER);
	if (item->length < STORE_LARGE_HEADER || large.length <= STORE_INLINE_MAX ||
	    large.length > PGFIRST_RECORD_MAX)
		pgfirst_page_damaged("a large record has an impossible length");
	return length_parts_bytes(large.length);
}

uint64
pgfirst_store_file_bytes(PgfirstStore *store)
{
	return (uint64) RelationGetNumberOfBlocks(store->relation) * BLCKSZ;
}

uint64
pgfirst_store_footprint(Size length)
{
	if (length <= STORE_INLINE_MAX)
		return store_leaf_size(length) + STORE_SLOT;
	return store_leaf_size(STORE_LARGE_HEADER + STORE_LARGE_PREFIX) + STORE_SLOT +
	       length_parts_bytes(length);
}

/* parts: bytes of committed parts, without those that records lead to. */
static void
leaf_space(Page page, PgfirstSpace *space, int64 *parts)
{
	for (int slot = 0; slot < store_page_count(page);)
	{
		StoreVersions versions;
		StoreItem *current;

		slot = pgfirst_versions_at(page, slot, &versions);
		current = versions.current;
		if (versions.settled != NULL && versions.settled != current)
			space->garbage += item_bytes(versions.settled);
		if (versions.tagged != NULL && versions.tagged != current)
		{
			/* What is being written may come to be. */
			if (versions.tag == STORE_TAG_RUNNING || versions.tag == STORE_TAG_MINE)
				space->live += item_bytes(versions.tagged);
			else
				space->garbage += item_bytes(versions.tagged);
		}
		if (current == NULL)
			continue;
		if (current->space == STORE_SPACE_PARTS)
		{
			*parts += (int64) item_bytes(current);
			continue;
		}
		space->live += item_bytes(current);
		space->records++;
		if (current->flags & STORE_ITEM_LARGE)
		{
			uint64 bytes = parts_bytes(current);

			space->large_records++;
			space->live += bytes;
			*parts -= (int64) bytes;
		}
	}
}

static void
page_space(PgfirstStore *store, Page page, BlockNumber block, PgfirstSpace *space, int64 *parts)
{
	StoreTail *tail = store_page_tail(page);

	pgfirst_page_check(store, page, block);
	switch (tail->kind)
	{
		case STORE_PAGE_FREE:
		case STORE_PAGE_ASIDE:
			space->free_pages++;
			space->free += BLCKSZ;
			break;
		case STORE_PAGE_TREE:
			space->free += store_page_hole(page);
			space->garbage += tail->dead;
			if (block == STORE_ROOT_BLOCK)
				space->depth = tail->level + 1;
			if (tail->level == 0)
				leaf_space(page, space, parts);
			break;
		default:
			break;
	}
}

void
pgfirst_store_space(PgfirstStore *store, PgfirstSpace *space)
{
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
	int64 parts = 0;

	memset(space, 0, sizeof(*space));
	space->blocks = RelationGetNumberOfBlocks(store->relation);
	space->bytes = space->blocks * BLCKSZ;
	/* Whose pages these must be; 0 if the store is empty, and then all pages are zero. */
	(void) pgfirst_tree_id(store);
	for (BlockNumber block = 0; block < space->blocks; block++)
	{
		Buffer buffer =
		    ReadBufferExtended(store->relation, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
		Page page = BufferGetPage(buffer);

		CHECK_FOR_INTERRUPTS();
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		if (PageIsNew(page))
			space->free += BLCKSZ;
		else
			page_space(store, page, block, space, &parts);
		UnlockReleaseBuffer(buffer);
	}
	FreeAccessStrategy(strategy);

	/* Records whose parts have been passed before they were written have counted too much. */
	if (parts > 0)
		space->garbage += (uint64) parts;
	else
		space->live -= Min(space->live, (uint64) -parts);
	space->overhead = space->bytes - Min(space->bytes, space->live + space->free + space->garbage);
}
