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
#include "store/store_int.h"

#define AT_ONCE 32

typedef struct Ahead
{
	BlockNumber block;
	Page page; /* NULL: not in shared buffers, as far as is known */
} Ahead;

static void
ahead_page(PgfirstStore *store, const StoreKey *key, Ahead *ahead)
{
	Buffer buffer;

	ahead->page = NULL;
	if (!pgfirst_leaf_hint(store, key, &ahead->block, &buffer) || !BufferIsValid(buffer))
		return;
	ahead->page = BufferGetPage(buffer);
	__builtin_prefetch(GetBufferDescriptor(buffer - 1), 1);
	__builtin_prefetch(ahead->page);
	__builtin_prefetch(store_page_tail(ahead->page));
}

/* Where the record stands if its leaf is filled evenly; the slot is asked for. */
static const StoreSlot *
ahead_slot(const Ahead *ahead, const StoreKey *key)
{
	uint16 lower = ((PageHeader) ahead->page)->pd_lower;
	uint16 mark = store_page_mark(ahead->page, (uint8) key->space, key->high, key->low);
	uint32 count;

	if (lower < SizeOfPageHeaderData || lower > STORE_TAIL_OFFSET - STORE_SLOT)
		return NULL;
	count = (uint32) ((lower - SizeOfPageHeaderData) / STORE_SLOT);
	return &store_page_slots(ahead->page)[(mark * count) >> 16];
}

static void
prefetch_some(PgfirstStore *store, const StoreKey *keys, int count)
{
	Ahead ahead[AT_ONCE];
	const StoreSlot *slots[AT_ONCE];

	for (int i = 0; i < count; i++)
		pgfirst_leaf_hint_ahead(store, &keys[i]);
	for (int i = 0; i < count; i++)
		ahead_page(store, &keys[i], &ahead[i]);
	for (int i = 0; i < count; i++)
	{
		slots[i] = ahead[i].page != NULL ? ahead_slot(&ahead[i], &keys[i]) : NULL;
		if (slots[i] != NULL)
			__builtin_prefetch(slots[i]);
		else if (ahead[i].page == NULL && ahead[i].block != InvalidBlockNumber)
			(void) PrefetchBuffer(store->relation, MAIN_FORKNUM, ahead[i].block);
	}
	for (int i = 0; i < count; i++)
		if (slots[i] != NULL && slots[i]->offset < STORE_TAIL_OFFSET)
		{
			__builtin_prefetch((char *) ahead[i].page + slots[i]->offset);
			__builtin_prefetch((char *) ahead[i].page + slots[i]->offset + 64);
		}
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
			pgfirst_position_ahead(store, &ids[done + i]);
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
		keys[i] = ops[i].key;
	prefetch_some(ops[0].store, keys, count);
}
