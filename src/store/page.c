/* SPDX-License-Identifier: PostgreSQL
 *
 * page.c: searching and building pages; see page.h for what they look like.
 *
 * Nothing here locks, logs or looks at transactions.  Pages are built in private memory; what is
 * changed in place, on a shared buffer, is changed in wal.c.
 */
#include "postgres.h"

#include "store/page.h"

/*
 * Ids of records are uniform hashes, so the place of a key between the fences says where it stands
 * on the page: two or three items are looked at instead of six, and each look is a cache miss.
 * After a few guesses that do not close in (parts lie close together, and so do ids that somebody has
 * chosen) the rest is halved as usual.
 */
#define GUESSES 3

static inline int
search_guess(Page page, const StoreKey *key, int low, int high, uint64 from, uint64 to)
{
	double share = (double) (key->high - from) / (double) (to - from);
	int guess = low + (int) (share * (high - low));

	return Min(Max(guess, low), high - 1);
}

int
pgfirst_page_search(Page page, const StoreKey *key)
{
	StoreTail *tail = store_page_tail(page);
	int low = 0;
	int high = store_page_count(page);
	uint64 from = tail->low_space == key->space ? tail->low[0] : 0;
	uint64 to = tail->high_space == key->space ? tail->high[0] : PG_UINT64_MAX;

	for (int guesses = 0; low < high; guesses++)
	{
		int middle = low + (high - low) / 2;
		StoreItem *item;

		if (guesses < GUESSES && high - low > 4 && from <= key->high && key->high < to)
			middle = search_guess(page, key, low, high, from, to);
		item = store_page_item(page, middle);
		if (store_item_compare(item, key) < 0)
		{
			low = middle + 1;
			if (item->space == key->space)
				from = item->high;
		}
		else
		{
			high = middle;
			if (item->space == key->space)
				to = item->high;
		}
	}
	return low;
}

void
pgfirst_page_init(Page page, uint8 kind, uint8 level, uint64 store_id, BlockNumber block)
{
	StoreTail *tail;

	PageInit(page, BLCKSZ, sizeof(StoreTail));
	tail = store_page_tail(page);
	memset(tail, 0, sizeof(*tail));
	tail->high_space = STORE_SPACE_END;
	tail->store_id = store_id;
	tail->block = block;
	tail->right = InvalidBlockNumber;
	tail->kind = kind;
	tail->level = level;
	tail->magic = STORE_MAGIC;
	tail->format = STORE_FORMAT;
}

static StoreItem *
page_grow(Page page, Size size)
{
	PageHeader header = (PageHeader) page;

	if (store_page_hole(page) < size + STORE_SLOT)
		pgfirst_page_damaged("its items do not fit on it");
	header->pd_upper -= size;
	*(uint16 *) ((char *) page + header->pd_lower) = header->pd_upper;
	header->pd_lower += STORE_SLOT;
	return (StoreItem *) ((char *) page + header->pd_upper);
}

void
pgfirst_page_append(Page page, const StoreItem *item)
{
	Size size = store_item_size(page, item);

	memcpy(page_grow(page, size), item, size);
}

void
pgfirst_page_append_child(Page page, const StoreKey *key, BlockNumber child)
{
	StoreItem *item = page_grow(page, STORE_INNER_SIZE);

	memset(item, 0, STORE_INNER_SIZE);
	item->high = key->high;
	item->low = key->low;
	item->space = (uint8) key->space;
	item->length = sizeof(BlockNumber);
	item->child = child;
}

void
pgfirst_page_copy(Page to, Page from, int first, int last)
{
	StoreTail *tail = store_page_tail(from);

	pgfirst_page_init(to, tail->kind, tail->level, tail->store_id, tail->block);
	store_page_set_low(to, store_page_low(from));
	store_page_set_high(to, store_page_high(from));
	store_page_tail(to)->right = tail->right;
	for (int slot = first; slot < last; slot++)
		pgfirst_page_append(to, store_page_item(from, slot));
}
