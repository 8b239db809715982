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

/* Where the record would be if its leaf were filled evenly; the slot is asked for. */
static uint16 *
ahead_slot(const Ahead *ahead, const StoreKey *key)
{
	StoreTail *tail = store_page_tail(ahead->page);
	uint16 lower = ((PageHeader) ahead->page)->pd_lower;
	double from = (double) tail->low[0];
	double to = (double) tail->high[0];
	double share = to > from ? ((double) key->high - from) / (to - from) : 0.5;
	int count;

	if (lower < SizeOfPageHeaderData || lower > STORE_TAIL_OFFSET || !(share >= 0 && share <= 1))
		return NULL;
	count = (int) ((lower - SizeOfPageHeaderData) / STORE_SLOT);
	return &store_page_slots(ahead->page)[(int) (share * Max(count - 1, 0))];
}

static void
prefetch_some(PgfirstStore *store, const PgfirstId *ids, int count)
{
	StoreKey keys[AT_ONCE];
	Ahead ahead[AT_ONCE];
	uint16 *slots[AT_ONCE];

	for (int i = 0; i < count; i++)
	{
		keys[i] = store_key_of_id(&ids[i]);
		pgfirst_leaf_hint_ahead(store, &keys[i]);
		pgfirst_position_ahead(store, &ids[i]);
	}
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
		if (slots[i] != NULL && *slots[i] < STORE_TAIL_OFFSET)
		{
			__builtin_prefetch((char *) ahead[i].page + *slots[i]);
			__builtin_prefetch((char *) ahead[i].page + *slots[i] + 64);
		}
}

void
pgfirst_store_prefetch(PgfirstStore *store, const PgfirstId *ids, int count)
{
	if (pgfirst_tree_id(store) == 0)
		return;
	for (int i = 0; i < count; i += AT_ONCE)
		prefetch_some(store, &ids[i], Min(count - i, AT_ONCE));
}
