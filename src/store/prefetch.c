/* SPDX-License-Identifier: PostgreSQL
 *
 * prefetch.c: what will be read soon is on its way while something else is done.
 *
 * Two sorts of waiting.  A leaf that is not in shared buffers has to come from the disk: PostgreSQL is
 * told which blocks are wanted, and the kernel reads them together.  And a leaf that is in shared
 * buffers is mostly not in the processor's caches: to find a record one looks at the hint, the
 * buffer's descriptor, both ends of the page, a slot, and the item, each where the one before has
 * said, each a hundred nanoseconds away.  For one record nothing can be done; for sixteen, all first
 * looks are asked for together, then all second looks, and so on, and the waiting is done once.
 *
 * Nothing is pinned or locked: what is looked at here decides only what is asked for next, and may be
 * anything by the time it is looked at.  Bounds are checked so that no address leaves the page.
 */
#include "postgres.h"

#include "storage/buf_internals.h"

#include "base/compat.h"
#include "store/hints.h"
#include "store/store_int.h"

#define AT_ONCE      32
#define VERSIONS_MAX 2

typedef struct Ahead
{
	BlockNumber block;
	Page page; /* NULL: not in shared buffers, as far as is known */
	int slots;
	int place; /* of the record's slot, probably */
	uint16 mark;
} Ahead;

static void
ahead_page(PgfirstStore *store, const StoreKey *key, Ahead *ahead)
{
	StoreHint *hint = pgfirst_hint(store->hints, key);

	ahead->page = NULL;
	ahead->block = hint->block;
	if (hint->block == InvalidBlockNumber || !BufferIsValid(hint->buffer))
		return;
	ahead->page = BufferGetPage(hint->buffer);
	__builtin_prefetch(GetBufferDescriptor(hint->buffer - 1), 1);
	__builtin_prefetch(ahead->page);
	__builtin_prefetch(store_page_tail(ahead->page));
}

/* The slots around the place where the record stands if its leaf is filled evenly are asked for. */
static void
ahead_slots(Ahead *ahead, const StoreKey *key)
{
	uint16 lower = *(volatile uint16 *) &((PageHeader) ahead->page)->pd_lower; /* once */
	uint16 top;

	ahead->slots = 0;
	if (lower < SizeOfPageHeaderData + STORE_SLOT || lower > STORE_TAIL_OFFSET)
		return;
	ahead->slots = (lower - (int) SizeOfPageHeaderData) / STORE_SLOT;
	ahead->mark = store_page_mark_top(ahead->page, (uint8) key->space, key->high, key->low, &top);
	ahead->place = store_page_place(ahead->mark, top, ahead->slots);
	__builtin_prefetch(&store_page_slots(ahead->page)[ahead->place]);
}

/* The items with the record's mark, mostly one or two versions of it, are asked for. */
static void
ahead_items(const Ahead *ahead)
{
	const StoreSlot *slots = store_page_slots(ahead->page);
	int slot = pgfirst_page_search_mark(ahead->page, ahead->slots, ahead->place, ahead->mark);
	int end = slot + VERSIONS_MAX < ahead->slots ? slot + VERSIONS_MAX : ahead->slots;

	for (; slot < end && slots[slot].mark == ahead->mark; slot++)
	{
		uint16 offset = slots[slot].offset;

		if (offset >= STORE_TAIL_OFFSET)
			break;
		__builtin_prefetch((char *) ahead->page + offset);
		__builtin_prefetch((char *) ahead->page + offset + 64);
	}
}

static void
prefetch_some(PgfirstStore *store, const StoreKey *keys, int count)
{
	Ahead ahead[AT_ONCE];

	for (int i = 0; i < count; i++)
		__builtin_prefetch(pgfirst_hint(store->hints, &keys[i]));
	for (int i = 0; i < count; i++)
		ahead_page(store, &keys[i], &ahead[i]);
	for (int i = 0; i < count; i++)
	{
		if (ahead[i].page != NULL)
			ahead_slots(&ahead[i], &keys[i]);
		else if (ahead[i].block != InvalidBlockNumber)
			(void) PrefetchBuffer(store->relation, MAIN_FORKNUM, ahead[i].block);
	}
	for (int i = 0; i < count; i++)
		if (ahead[i].page != NULL && ahead[i].slots > 0)
			ahead_items(&ahead[i]);
}

void
pgfirst_store_prefetch(PgfirstStore *store, const PgfirstId *ids, int count)
{
	StoreKey keys[AT_ONCE];

	if (pgfirst_tree_id(store) == 0)
		return;
	for (int done = 0; done < count; done += AT_ONCE)
	{
		int n = Min(count - done, AT_ONCE);

		for (int i = 0; i < n; i++)
		{
			keys[i] = store_key_of_id(&ids[done + i]);
			pgfirst_position_ahead(store, &ids[done + i], false);
		}
		prefetch_some(store, keys, n);
	}
}

void
pgfirst_ops_prefetch(const StoreOp *ops, int count)
{
	StoreKey keys[AT_ONCE];

	Assert(count <= AT_ONCE);
	for (int i = 0; i < count; i++)
	{
		keys[i] = ops[i].key;
		if (ops[i].entry != NULL)
			pgfirst_position_ahead(ops[i].store, &ops[i].entry->id, true);
	}
	prefetch_some(ops[0].store, keys, count);
}
