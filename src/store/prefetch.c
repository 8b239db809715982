/* SPDX-License-Identifier: PostgreSQL
 *
 * prefetch.c: what will be read soon is on its way while something else is done.
 *
 * Two sorts of waiting.  A leaf that is not in shared buffers has to come from the disk: PostgreSQL is
 * told which blocks are wanted, and the kernel reads them together.  And a leaf that is in shared
 * buffers is mostly not in the processor's caches: to find a record one looks at the hint, the
 * buffer's descriptor, both ends of the page, a slot, and the item, each where the one before has
 * said, each a hundred nanoseconds away.  For one record nothing can be done; for many, first looks of several
 * are asked for before the second look of the first of them, and so on, and the waiting is done once.
 *
 * Whoever reads all of them then, one behind the other, goes straight to the slots that were seen.
 *
 * Nothing is pinned or locked: what is looked at here decides only what is asked for next, and may be
 * anything by the time it is looked at.  Bounds are checked so that no address leaves the page.
 */
#include "postgres.h"

#include "storage/buf_internals.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "store/hints.h"
#include "store/store_int.h"

#define AT_ONCE      32
#define VERSIONS_MAX 2
#define STEPS_APART  8 /* records between two steps of one */

typedef struct Ahead
{
	StoreKey key;
	StoreHint *hint;
	StoreHint where; /* as it said */
	Page page;       /* NULL: not in shared buffers, as far as is known */
	int slots;
	int place; /* of the record's slot, probably, or of the one that is drawn */
	uint16 mark;
} Ahead;

static void
ahead_hint(PgfirstStore *store, Ahead *ahead)
{
	ahead->hint = pgfirst_hint(store->hints, &ahead->key);
	__builtin_prefetch(ahead->hint);
}

static void
ahead_page(PgfirstStore *store, Ahead *ahead)
{
	const StoreHint *hint = &ahead->where;

	ahead->where = *ahead->hint;
	ahead->page = NULL;
	if (hint->block == InvalidBlockNumber)
		return;
	if (!BufferIsValid(hint->buffer))
	{
		(void) PrefetchBuffer(store->relation, MAIN_FORKNUM, hint->block);
		return;
	}
	ahead->page = BufferGetPage(hint->buffer);
	__builtin_prefetch(GetBufferDescriptor(hint->buffer - 1), 1);
	__builtin_prefetch(ahead->page);
	__builtin_prefetch(store_page_tail(ahead->page));
}

/* The slots around the place where the record stands if its leaf is filled evenly are asked for; or the one drawn. */
static void
ahead_slots(Ahead *ahead, bool drawn)
{
	const StoreKey *key = &ahead->key;
	uint16 lower;
	uint16 top;

	ahead->slots = 0;
	if (ahead->page == NULL)
		return;
	lower = *(volatile uint16 *) &((PageHeader) ahead->page)->pd_lower; /* once */
	if (lower < SizeOfPageHeaderData + STORE_SLOT || lower > STORE_TAIL_OFFSET)
		return;
	ahead->slots = (lower - (int) SizeOfPageHeaderData) / STORE_SLOT;
	ahead->mark = store_page_mark_top(ahead->page, (uint8) key->space, key->high, key->low, &top);
	ahead->place = drawn ? pgfirst_sample_slot(key->low, ahead->slots)
	                     : store_page_place(ahead->mark, top, ahead->slots);
	__builtin_prefetch(&store_page_slots(ahead->page)[ahead->place]);
}

static bool
ahead_item(const Ahead *ahead, int slot)
{
	uint16 offset = store_page_slots(ahead->page)[slot].offset;

	if (offset >= STORE_TAIL_OFFSET)
		return false;
	__builtin_prefetch((char *) ahead->page + offset);
	__builtin_prefetch((char *) ahead->page + offset + 64);
	return true;
}

/* The items with the record's mark, mostly one or two versions of it, are asked for; or the one drawn. */
static void
ahead_items(Ahead *ahead, bool drawn)
{
	const StoreSlot *slots;
	int slot, end;

	if (ahead->slots == 0)
		return;
	if (drawn)
	{
		(void) ahead_item(ahead, ahead->place);
		return;
	}
	slots = store_page_slots(ahead->page);
	slot = pgfirst_page_search_mark(ahead->page, ahead->slots, ahead->place, ahead->mark);
	ahead->place = slot;
	end = slot + VERSIONS_MAX < ahead->slots ? slot + VERSIONS_MAX : ahead->slots;
	while (slot < end && slots[slot].mark == ahead->mark && ahead_item(ahead, slot))
		slot++;
}

/*
 * Each step of a record is some records behind the one before it, which is as good as all first steps before all second
 * ones for what comes from memory, and better for the address that has to be translated first: that holds up
 * the loop at the step to the page, and what later steps calculate is done meanwhile.
 */
static pg_attribute_always_inline void
prefetch_these(PgfirstStore *store, Ahead ahead[AT_ONCE], int count, bool drawn)
{
	for (int i = 0; i < count; i++)
		ahead_hint(store, &ahead[i]);
	for (int i = 0; i < count + 2 * STEPS_APART; i++)
	{
		int slots = i - STEPS_APART;
		int items = slots - STEPS_APART;

		if (i < count)
			ahead_page(store, &ahead[i]);
		if (slots >= 0 && slots < count)
			ahead_slots(&ahead[slots], drawn);
		if (items >= 0)
			ahead_items(&ahead[items], drawn);
	}
}

static void
prefetch_some(PgfirstStore *store, Ahead ahead[AT_ONCE], int count)
{
	prefetch_these(store, ahead, count, false);
}

void
pgfirst_prefetch_drawn(PgfirstStore *store, const StoreKey *keys, int count)
{
	Ahead ahead[AT_ONCE];

	Assert(count <= AT_ONCE);
	if (pgfirst_tree_id(store) == 0)
		return;
	for (int i = 0; i < count; i++)
		ahead[i].key = keys[i];
	prefetch_these(store, ahead, count, true);
}

void
pgfirst_store_prefetch(PgfirstStore *store, const PgfirstId *ids, int count)
{
	Ahead ahead[AT_ONCE];

	if (pgfirst_tree_id(store) == 0)
		return;
	for (int done = 0; done < count; done += AT_ONCE)
	{
		int n = Min(count - done, AT_ONCE);

		for (int i = 0; i < n; i++)
		{
			ahead[i].key = store_key_of_id(&ids[done + i]);
			pgfirst_position_ahead(store, &ids[done + i], false);
		}
		prefetch_some(store, ahead, n);
	}
}

/* The versions of the record on its leaf, which is locked now: where its slot was seen, if it is still there. */
static void
ahead_versions(const Ahead *ahead, Page page, StoreVersions *versions)
{
	const StoreSlot *slots = store_page_slots(page);
	int slot = ahead->place;

	if (ahead->slots > 0 && slot < store_page_count(page) && slots[slot].mark == ahead->mark &&
	    (slot == 0 || slots[slot - 1].mark != ahead->mark) &&
	    store_item_compare(store_page_item(page, slot), &ahead->key) == 0)
		(void) pgfirst_versions_at(page, slot, versions);
	else
		pgfirst_versions_find(page, &ahead->key, versions);
}

/* Copies what is committed of the record; false if that is not all that it takes. */
static bool
ahead_copy(PgfirstStore *store, Ahead *ahead, const PgfirstId *id, StoreCopy *copy, bool *found)
{
	StoreVersions versions;
	StoreLeaf leaf;

	if (pgfirst_writeset_find(store, id) != NULL || ahead->where.block == InvalidBlockNumber)
		return false;
	pgfirst_together_reserve();
	if (!pgfirst_leaf_try(store, &ahead->where, &ahead->key, BUFFER_LOCK_SHARE, &leaf))
		return false;
	ahead_versions(ahead, leaf.page, &versions);
	pgfirst_together_note(store, id, &leaf, versions.tag);
	*found = versions.visible != NULL;
	if (*found)
		memcpy(copy, versions.visible, STORE_LEAF_HEADER + versions.visible->length);
	pgfirst_page_unlock(&leaf);
	return !*found || !(copy->item.flags & STORE_ITEM_LARGE);
}

static bool
ahead_read(PgfirstStore *store, Ahead *ahead, const PgfirstId *id, int i, MemoryContext scratch,
           PgfirstStoreRead read, void *context)
{
	PgfirstRecord record;
	MemoryContext old;
	StoreCopy copy;
	bool found, more;

	if (ahead_copy(store, ahead, id, &copy, &found))
	{
		pgfirst_position_read(store, id);
		if (!found)
			return read(context, i, NULL);
		pgfirst_item_record(&copy.item, &record);
		return read(context, i, &record);
	}
	old = MemoryContextSwitchTo(scratch);
	found = pgfirst_store_get(store, id, SIZE_MAX, &record);
	MemoryContextSwitchTo(old);
	more = read(context, i, found ? &record : NULL);
	MemoryContextReset(scratch);
	return more;
}

bool
pgfirst_store_get_each(PgfirstStore *store, const PgfirstId *ids, int count, MemoryContext scratch,
                       PgfirstStoreRead read, void *context)
{
	Ahead ahead[AT_ONCE];

	for (int done = 0; done < count; done += AT_ONCE)
	{
		int n = Min(count - done, AT_ONCE);

		for (int i = 0; i < n; i++)
		{
			ahead[i].key = store_key_of_id(&ids[done + i]);
			ahead[i].where.block = InvalidBlockNumber;
			pgfirst_position_ahead(store, &ids[done + i], false);
		}
		if (pgfirst_tree_id(store) != 0)
			prefetch_some(store, ahead, n);
		for (int i = 0; i < n; i++)
			if (!ahead_read(store, &ahead[i], &ids[done + i], done + i, scratch, read, context))
				return false;
	}
	return true;
}

void
pgfirst_ops_prefetch(StoreOp *ops, int count)
{
	Ahead ahead[AT_ONCE];

	Assert(count <= AT_ONCE);
	for (int i = 0; i < count; i++)
	{
		ahead[i].key = ops[i].key;
		if (ops[i].entry != NULL)
			pgfirst_position_ahead(ops[i].store, &ops[i].entry->id, true);
	}
	prefetch_some(ops[0].store, ahead, count);
	for (int i = 0; i < count; i++)
		ops[i].hint = ahead[i].where;
}
