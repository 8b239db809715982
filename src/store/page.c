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
 * Ids of records are uniform hashes, so the mark says where on the page the key stands, give or take a
 * few; from there it is a few steps.  Where keys are not uniform (parts lie close together, and so do
 * ids that somebody has chosen) the steps become long, and the rest is halved as usual.
 */
#define STEPS_MAX 16

/* The first slot from `low` on whose mark is not below `mark`, or `high`; probably about at `place`. */
static int
search_mark(const StoreSlot *slots, int low, int high, int place, uint16 mark)
{
	for (int steps = 0; steps < STEPS_MAX; steps++)
	{
		if (place > low && slots[place - 1].mark >= mark)
			place--;
		else if (place < high && slots[place].mark < mark)
			place++;
		else
			return place;
	}
	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (slots[middle].mark < mark)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int
pgfirst_page_search_mark(Page page, int count, int place, uint16 mark)
{
	return search_mark(store_page_slots(page), 0, count, place, mark);
}

int
pgfirst_page_search(Page page, const StoreKey *key)
{
	const StoreSlot *slots = store_page_slots(page);
	int count = store_page_count(page);
	uint16 top;
	uint16 mark = store_page_mark_top(page, (uint8) key->space, key->high, key->low, &top);
	int low = search_mark(slots, 0, count, store_page_place(mark, top, count), mark);
	int high = low;

	/* Of those with the same mark, mostly one, the items decide. */
	for (int step = 1; high < count && slots[high].mark == mark; step *= 2)
	{
		if (store_item_compare(store_page_item(page, high), key) >= 0)
			break;
		low = high + 1;
		high = Min(low + step - 1, count);
	}
	if (high < count && slots[high].mark != mark)
		high =
		    mark == PG_UINT16_MAX ? count : search_mark(slots, low, high, low, (uint16) (mark + 1));
	while (low < high)
	{
		int middle = low + (high - low) / 2;

		if (store_item_compare(store_page_item(page, middle), key) < 0)
			low = middle + 1;
		else
			high = middle;
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
page_grow(Page page, const StoreKey *key, Size size)
{
	PageHeader header = (PageHeader) page;
	StoreSlot *slot = (StoreSlot *) ((char *) page + header->pd_lower);

	if (store_page_hole(page) < size + STORE_SLOT)
		pgfirst_page_damaged("its items do not fit on it");
	header->pd_upper -= size;
	slot->offset = header->pd_upper;
	slot->mark = store_page_mark(page, (uint8) key->space, key->high, key->low);
	header->pd_lower += STORE_SLOT;
	return (StoreItem *) ((char *) page + header->pd_upper);
}

void
pgfirst_page_append(Page page, const StoreItem *item)
{
	Size size = store_item_size(page, item);
	StoreKey key = store_item_key(item);

	memcpy(page_grow(page, &key, size), item, size);
}

void
pgfirst_page_append_child(Page page, const StoreKey *key, BlockNumber child)
{
	StoreItem *item = page_grow(page, key, STORE_INNER_SIZE);

	memset(item, 0, STORE_INNER_SIZE);
	item->high = key->high;
	item->low = key->low;
	item->space = (uint8) key->space;
	item->length = sizeof(BlockNumber);
	item->child = child;
}

void
pgfirst_page_init_like(Page to, Page from)
{
	StoreTail *tail = store_page_tail(from);

	pgfirst_page_init(to, tail->kind, tail->level, tail->store_id, tail->block);
	store_page_set_low(to, store_page_low(from));
	store_page_set_high(to, store_page_high(from));
	store_page_tail(to)->right = tail->right;
}

void
pgfirst_page_copy(Page to, Page from, int first, int last)
{
	for (int slot = first; slot < last; slot++)
		pgfirst_page_append(to, store_page_item(from, slot));
}
