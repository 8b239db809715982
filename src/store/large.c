/* SPDX-License-Identifier: PostgreSQL
 *
 * large.c: records of more than a quarter page.
 *
 * The record's own item keeps its first bytes, for whoever looks only at the head, and says under
 * which incarnation the rest stands: parts 0, 1, 2, … next to each other in the tree.  A record that
 * is written again gets another incarnation, so parts never change, and a reader who finds all
 * parts of one has what was written as one.  A part that is missing means that the record has been
 * replaced since its item was read; then the reader begins again.
 *
 * Parts are written before the item that leads to them, with the same tag, or with it in one WAL
 * record.  Parts that no record leads to (replaced, deleted, rolled back, left by a crash) are
 * garbage; part 0 names its owner, so that the sweep can tell.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "store/store_int.h"

#define FIRST_BYTES (STORE_INLINE_MAX - STORE_PART_OWNER)

uint32
pgfirst_large_parts(Size length)
{
	Size rest = length - STORE_LARGE_PREFIX;

	return 1 + (rest <= FIRST_BYTES
	                ? 0
	                : (uint32) ((rest - FIRST_BYTES + STORE_INLINE_MAX - 1) / STORE_INLINE_MAX));
}

void
pgfirst_large_range(Size length, uint32 number, Size *from, Size *to)
{
	*from = STORE_LARGE_PREFIX;
	if (number > 0)
		*from += FIRST_BYTES + (Size) (number - 1) * STORE_INLINE_MAX;
	*to = Min(length, STORE_LARGE_PREFIX + FIRST_BYTES + (Size) number * STORE_INLINE_MAX);
}

/* Copies what the leaf has of the parts from *number on; false if it does not have that one. */
static bool
leaf_copy_parts(Page page, const StoreLarge *large, Size limit, uint32 *number, char *data)
{
	StoreKey key = {.space = STORE_SPACE_PARTS, .high = large->incarnation, .low = *number};
	uint32 first = *number;
	uint32 parts = pgfirst_large_parts(large->length);

	for (int slot = pgfirst_page_search(page, &key); slot < store_page_count(page); slot++)
	{
		StoreItem *item = store_page_item(page, slot);
		Size skip = *number == 0 ? STORE_PART_OWNER : 0;
		Size from, to;

		if (*number == parts || store_item_compare(item, &key) != 0)
			break;
		pgfirst_large_range(large->length, *number, &from, &to);
		if (from >= limit)
			break;
		if (item->length != to - from + skip)
			pgfirst_page_damaged("a part of a record has another length than it must");
		memcpy(data + from, item->data + skip, Min(to, limit) - from);
		key.low = ++*number;
	}
	return *number > first;
}

bool
pgfirst_large_read(PgfirstStore *store, const StoreLarge *large, Size limit, char *data)
{
	uint32 parts = pgfirst_large_parts(large->length);
	uint32 number = 0;
	Size from, to;

	while (number < parts)
	{
		StoreKey key = {.space = STORE_SPACE_PARTS, .high = large->incarnation, .low = number};
		StoreLeaf leaf;
		bool found;

		pgfirst_large_range(large->length, number, &from, &to);
		if (from >= limit)
			break;
		CHECK_FOR_INTERRUPTS();
		if (!pgfirst_leaf_lock(store, &key, BUFFER_LOCK_SHARE, &leaf))
			return false;
		found = leaf_copy_parts(leaf.page, large, limit, &number, data);
		pgfirst_page_unlock(&leaf);
		if (!found)
			return false;
	}
	return true;
}
