/* SPDX-License-Identifier: PostgreSQL
 *
 * walk.c: the records in id order, the committed ones merged with the write set.
 *
 * Two sorted streams: the records as they stand on the leaves, and the entries of the write set in their
 * order (ordered.c), which is kept up to date, so that to begin a walk takes no longer the more has been
 * changed.  Where both have an id, the entry counts.  Every record is looked up in the
 * write set once more, so that what has been put or deleted since the walk began is told as it is
 * now wherever a record leads to it.  Entries and their places stay where they are until the transaction ends,
 * therefore a walk survives whatever is changed, rolled back or released meanwhile.  Where the write set
 * is applied before the end of the transaction, the walk goes on behind the record that it returned
 * last, without entries: what they held is on the leaves.
 *
 * A leaf is copied and let go of before its records are returned.  Which versions are the committed
 * ones is found out at that moment and not when they are returned: that may be hours later, when
 * VACUUM has settled the leaf and PostgreSQL has forgotten how their transactions ended.  The next leaf is the one that
 * covers the key at which this one ended, whatever has been split or merged meanwhile.  So a record
 * that is there throughout is returned once, and nothing is locked or pinned between two calls.
 * What the walk returns depends on the absence of everything that it passes over, hence on the
 * position of the whole store, asked for after each leaf.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "store/store_int.h"

struct PgfirstWalk
{
	PgfirstStore *store;
	MemoryContext context;
	Size limit;
	bool parts; /* its position is told by another record */
	XLogRecPtr position;
	uint64 generation; /* of the entries */
	StoreKey from;     /* behind the record that was returned last */

	PGAlignedBlock leaf; /* a copy */
	int items;           /* of it that are to be returned */
	int at;              /* the next of them */
	uint16 item_offset[STORE_SLOTS_MAX];
	StoreKey next;     /* where to go on when it is done */
	BlockNumber right; /* the block of that leaf, probably */
	bool leaves_end;
	StoreItem *item; /* the next record, not yet returned, or NULL */
	PgfirstId item_id;

	StorePlace *place; /* of the next entry, or NULL */
};

static PgfirstWalk *
walk_begin(PgfirstStore *store, const PgfirstId *from, Size limit, bool parts)
{
	MemoryContext context =
	    AllocSetContextCreate(pgfirst_store_context(), "pgfirst walk", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	PgfirstWalk *walk = palloc0(sizeof(PgfirstWalk));
	PgfirstId first = {{0}};

	walk->store = store;
	walk->context = context;
	walk->limit = limit;
	if (from != NULL)
		first = *from;
	walk->next = walk->from = store_key_of_id(&first);
	walk->generation = pgfirst_writeset_generation();
	walk->right = InvalidBlockNumber;
	walk->parts = parts;
	walk->position = parts ? InvalidXLogRecPtr : pgfirst_position_of_store(store);
	walk->place = pgfirst_writeset_seek(store, &first);
	MemoryContextSwitchTo(old);
	return walk;
}

PgfirstWalk *
pgfirst_store_walk(PgfirstStore *store, const PgfirstId *from, Size limit)
{
	return walk_begin(store, from, limit, false);
}

PgfirstWalk *
pgfirst_store_walk_parts(PgfirstStore *store, const PgfirstId *from, Size limit)
{
	return walk_begin(store, from, limit, true);
}

/* Notes which items of the leaf, from the first that is not below walk->next on, are to be returned. */
static void
walk_items(PgfirstWalk *walk, Page page)
{
	StoreKey last = walk->next;

	walk->items = walk->at = 0;
	for (int slot = pgfirst_page_search(page, &last); slot < store_page_count(page);)
	{
		StoreVersions versions;
		StoreKey key = store_item_key(store_page_item(page, slot));
		int order = store_key_compare(&last, &key);

		/* A damaged page must not send the walk back, or nobody would come to the end. */
		if (order > 0 || (order == 0 && walk->items > 0) || walk->items == STORE_SLOTS_MAX)
			pgfirst_page_damaged_at(page, "its records are not in order");
		last = key;
		if (key.space != STORE_SPACE_RECORDS)
			break;
		slot = pgfirst_versions_at(page, slot, &versions);
		if (versions.visible != NULL)
			walk->item_offset[walk->items++] = (uint16) ((char *) versions.visible - (char *) page);
	}
}

/* Copies the leaf on which the walk goes on; false at the end. */
static bool
walk_leaf(PgfirstWalk *walk)
{
	StoreLeaf leaf;
	StoreTail *tail;

	pgfirst_store_point("before a leaf of a walk");
	CHECK_FOR_INTERRUPTS();
	if (walk->next.space != STORE_SPACE_RECORDS ||
	    !pgfirst_leaf_lock_at(walk->store, walk->right, &walk->next, &leaf))
		return false;
	walk_items(walk, leaf.page);
	memcpy(walk->leaf.data, leaf.page, BLCKSZ);
	pgfirst_page_unlock(&leaf);
	if (!walk->parts)
		walk->position = pgfirst_position_of_store(walk->store);
	tail = store_page_tail(walk->leaf.data);
	walk->next = store_page_high(walk->leaf.data);
	walk->right = tail->right;
	return true;
}

/* Makes sure that walk->item is the next record of the leaves, if there is one. */
static bool
walk_item(PgfirstWalk *walk)
{
	while (walk->item == NULL && !walk->leaves_end)
	{
		StoreKey key;

		if (walk->at == walk->items)
		{
			walk->leaves_end = !walk_leaf(walk);
			continue;
		}
		walk->item = (StoreItem *) (walk->leaf.data + walk->item_offset[walk->at++]);
		key = store_item_key(walk->item);
		store_key_to_id(&key, &walk->item_id);
	}
	return walk->item != NULL;
}

/* The entries are gone: begins again where it is, with what is on the leaves. */
static void
walk_resume(PgfirstWalk *walk)
{
	walk->generation = pgfirst_writeset_generation();
	walk->place = NULL;
	walk->item = NULL;
	walk->items = walk->at = 0;
	walk->leaves_end = false;
	walk->next = walk->from;
	walk->right = InvalidBlockNumber;
}

static bool
walk_found(PgfirstWalk *walk, const PgfirstRecord *record)
{
	walk->from = store_key_of_id(&record->id);
	if (++walk->from.low == 0 && ++walk->from.high == 0)
		walk->from.space = STORE_SPACE_END;
	return true;
}

bool
pgfirst_walk_next(PgfirstWalk *walk, PgfirstRecord *record)
{
	if (walk->generation != pgfirst_writeset_generation())
		walk_resume(walk);
	for (;;)
	{
		bool there = walk_item(walk);
		StoreItem *item = walk->item;
		StoreEntry *entry = walk->place != NULL ? pgfirst_ordered_entry(walk->place) : NULL;
		int order = entry == NULL ? 1
		            : !there
		                ? -1
		                : memcmp(entry->id.bytes, walk->item_id.bytes, sizeof(entry->id.bytes));

		pgfirst_position_add(walk->position);
		if (entry == NULL && !there)
			return false;

		/* What is in both streams is taken once, as the write set has it. */
		if (order <= 0)
			walk->place = pgfirst_ordered_next(walk->place);
		if (order >= 0)
			walk->item = NULL;
		if (order > 0)
			entry = pgfirst_writeset_find(walk->store, &walk->item_id);

		if (entry != NULL && entry->change != STORE_UNCHANGED)
			pgfirst_position_read_own();
		if (entry != NULL && entry->change == STORE_PUT)
		{
			pgfirst_writeset_record(entry, record);
			return walk_found(walk, record);
		}
		if (order < 0 || (entry != NULL && entry->change == STORE_DELETED))
			continue;

		/* The parts of what the copied leaf says may be gone by now. */
		if (!pgfirst_item_read(walk->store, item, walk->limit, record))
		{
			bool found = pgfirst_committed_get(walk->store, &walk->item_id, walk->limit, record);

			if (!walk->parts)
				pgfirst_position_read(walk->store, &walk->item_id);
			if (!found)
				continue;
		}
		if (entry != NULL && entry->change == STORE_EXPIRY)
			record->expiry = entry->expiry;
		return walk_found(walk, record);
	}
}

/* What of the copied leaf is before that is passed over; if all of it is, it is left. */
void
pgfirst_walk_seek(PgfirstWalk *walk, const PgfirstId *id)
{
	StoreKey key = store_key_of_id(id);

	if (walk->generation != pgfirst_writeset_generation())
		walk_resume(walk);
	walk->from = key;
	walk->place = pgfirst_writeset_seek(walk->store, id);
	if (walk->item != NULL && memcmp(walk->item_id.bytes, id->bytes, sizeof(id->bytes)) >= 0)
		return;
	walk->item = NULL;
	while (walk->at < walk->items)
	{
		StoreItem *item = (StoreItem *) (walk->leaf.data + walk->item_offset[walk->at]);

		if (store_item_compare(item, &key) >= 0)
			return;
		walk->at++;
	}
	if (!walk->leaves_end && store_key_compare(&walk->next, &key) < 0)
	{
		walk->next = key;
		walk->right = InvalidBlockNumber;
	}
}

void
pgfirst_walk_end(PgfirstWalk *walk)
{
	MemoryContextDelete(walk->context);
}
