/* SPDX-License-Identifier: PostgreSQL
 *
 * tidy.c: what nobody else has had a reason to clear away, leaf by leaf.
 *
 *   tags     of transactions that have ended are settled: the replaced or rolled back version goes.
 *   parts    of large records that no record leads to are deleted: part 0 names the owner, and if
 *            no version of the owner leads here and the writer has ended, none ever will, because an
 *            incarnation is given to a record once.  So are parts without a part 0.
 *   leaves   that have become empty enough are merged, two into one or three into two; see merge.c.
 *
 * All this needs no lock of a record and no transaction id, changes nothing that anybody can see, and
 * is one WAL record at a time.  So the store need not be open to write: RowShareLock on its relation is
 * beside writers, and beside the loop that keeps all others out, and not beside kv.check(), to which pages that
 * change would look like damage.  It is done by whoever keeps the store in order, a slice of leaves
 * at a time, when something has happened since that could have left anything; a counter in shared
 * memory, per store (hashed), says that.  It begins at zero when the server starts, and one pass is
 * made anyway: for what a crash has left.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"

#include "base/shmem.h"
#include "store/store_int.h"

#define COUNTERS     256
#define USED_UNKNOWN (2 * STORE_PAGE_ROOM) /* of a leaf: too much for any other */
#define SETTLE_MAX   16  /* versions settled one by one; more are logged as a whole page */
#define SUSPECTS_MAX 128 /* large records whose parts begin on one leaf */

static pg_atomic_uint32 *counters;

/* Parts on a leaf that may have no owner. */
typedef struct Suspect
{
	uint64 incarnation;
	bool headless; /* part 0 is not on this leaf */
	StoreKey owner;
} Suspect;

/* ---- when there is something to do ----------------------------------------------------------- */

static pg_atomic_uint32 *
counter_of(Oid relation)
{
	return &counters[murmurhash32(relation) % COUNTERS];
}

void
pgfirst_tidy_wanted(Oid relation)
{
	if (counters != NULL)
		pg_atomic_fetch_add_u32(counter_of(relation), 1);
}

uint32
pgfirst_store_untidy(PgfirstStore *store)
{
	return pg_atomic_read_u32(counter_of(store->oid));
}

/* ---- tags ------------------------------------------------------------------------------------ */

static bool
versions_ended(const StoreVersions *versions)
{
	return versions->tag == STORE_TAG_COMMITTED || versions->tag == STORE_TAG_ABORTED;
}

bool
pgfirst_leaf_settle(PgfirstStore *store, StoreLeaf *leaf)
{
	StoreVersions ended[SETTLE_MAX];
	PGAlignedBlock image;
	StoreRecord record;
	StoreEdit *edit;
	int count = 0;

	for (int slot = 0; slot < store_page_count(leaf->page);)
	{
		StoreVersions versions;

		slot = pgfirst_versions_at(leaf->page, slot, &versions);
		if (!versions_ended(&versions))
			continue;
		if (count < SETTLE_MAX)
			ended[count] = versions;
		count++;
	}
	if (count == 0)
		return false;
	if (count > SETTLE_MAX)
		(void) pgfirst_page_settle(image.data, leaf->page);

	pgfirst_record_begin(&record, store->relation);
	edit = pgfirst_record_page(&record, leaf->buffer);
	pgfirst_record_change(&record);
	if (count > SETTLE_MAX)
		pgfirst_edit_replace(edit, image.data);
	else
		for (int i = count - 1; i >= 0; i--)
			pgfirst_versions_settle(edit, &ended[i]);
	(void) pgfirst_record_insert(&record);
	return true;
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* The incarnations that have parts on the leaf, and no running writer. */
static int
leaf_suspects(Page page, Suspect *suspects)
{
	int count = 0;

	for (int slot = 0; slot < store_page_count(page) && count < SUSPECTS_MAX; slot++)
	{
		StoreItem *item = store_page_item(page, slot);
		Suspect *suspect = &suspects[count];
		PgfirstId owner;

		if (item->space != STORE_SPACE_PARTS ||
		    (count > 0 && suspects[count - 1].incarnation == item->high))
			continue;
		if (item->xid != InvalidTransactionId)
		{
			StoreTag tag = pgfirst_tag_state(item->xid);

			if (tag == STORE_TAG_RUNNING || tag == STORE_TAG_MINE)
				continue;
		}
		suspect->incarnation = item->high;
		suspect->headless = item->low != 0;
		count++;
		if (suspect->headless)
			continue;
		if (item->length < STORE_PART_OWNER)
			pgfirst_page_damaged("the first part of a record has no owner");
		memcpy(owner.bytes, item->data, sizeof(owner.bytes));
		suspect->owner = store_key_of_id(&owner);
	}
	return count;
}

/*
 * Parts are written and deleted from the first one on.  Where that one is missing, a crash has stopped
 * who deleted them; where it is not, it says more.
 */
static bool
head_is_there(PgfirstStore *store, uint64 incarnation)
{
	StoreKey key = {.space = STORE_SPACE_PARTS, .high = incarnation};
	StoreVersions versions;
	StoreLeaf leaf;

	(void) pgfirst_leaf_lock(store, &key, BUFFER_LOCK_SHARE, &leaf);
	pgfirst_versions_find(leaf.page, &key, &versions);
	pgfirst_page_unlock(&leaf);
	return versions.items > 0;
}

static bool
item_leads_to(const StoreItem *item, uint64 incarnation)
{
	StoreLarge large;

	if (item == NULL || !(item->flags & STORE_ITEM_LARGE) || item->length < STORE_LARGE_HEADER)
		return false;
	memcpy(&large, item->data, STORE_LARGE_HEADER);
	return large.incarnation == incarnation;
}

/* Whether any version of the owner, committed or to be, leads to the parts. */
static bool
suspect_is_owned(PgfirstStore *store, const Suspect *suspect)
{
	StoreVersions versions;
	StoreLeaf leaf;
	bool owned;

	if (suspect->headless)
		return head_is_there(store, suspect->incarnation);
	(void) pgfirst_leaf_lock(store, &suspect->owner, BUFFER_LOCK_SHARE, &leaf);
	pgfirst_versions_find(leaf.page, &suspect->owner, &versions);
	/* What has been replaced or rolled back leads nowhere, though it may still stand there. */
	if (versions_ended(&versions))
		owned = item_leads_to(versions.current, suspect->incarnation);
	else
		owned = item_leads_to(versions.settled, suspect->incarnation) ||
		        item_leads_to(versions.tagged, suspect->incarnation);
	pgfirst_page_unlock(&leaf);
	return owned;
}

/* A leaf at a time; leaves that this empties are merged at once, or a store of large records would grow. */
uint64
pgfirst_parts_delete(PgfirstStore *store, uint64 incarnation)
{
	StoreKey key = {.space = STORE_SPACE_PARTS, .high = incarnation};
	uint64 deleted = 0;

	while (key.space == STORE_SPACE_PARTS && key.high == incarnation)
	{
		StoreLeaf leaf;
		StoreRecord record;
		StoreEdit *edit;
		StoreKey low;
		bool empty, ends_here;
		int first, last;

		CHECK_FOR_INTERRUPTS();
		(void) pgfirst_leaf_lock(store, &key, BUFFER_LOCK_EXCLUSIVE, &leaf);
		first = last = pgfirst_page_search(leaf.page, &key);
		while (last < store_page_count(leaf.page))
		{
			StoreItem *item = store_page_item(leaf.page, last);

			if (item->space != STORE_SPACE_PARTS || item->high != incarnation)
				break;
			last++;
		}
		ends_here = last < store_page_count(leaf.page);
		if (last > first)
		{
			pgfirst_record_begin(&record, store->relation);
			edit = pgfirst_record_page(&record, leaf.buffer);
			pgfirst_record_change(&record);
			for (int slot = last - 1; slot >= first; slot--)
				pgfirst_edit_remove(edit, slot);
			(void) pgfirst_record_insert(&record);
			deleted += (uint64) (last - first);
		}
		low = store_page_low(leaf.page);
		empty = last > first && store_page_used(leaf.page) < STORE_PAGE_ROOM / 2;
		key = ends_here ? (StoreKey){.space = STORE_SPACE_END} : store_page_high(leaf.page);
		pgfirst_page_unlock(&leaf);
		if (empty)
			(void) pgfirst_tree_merge(store, &low);
	}
	return deleted;
}

/* ---- a slice --------------------------------------------------------------------------------- */

/* Clears the leaf at *key; returns what is used of it then, and moves *key to the next. */
static Size
tidy_leaf(PgfirstStore *store, StoreKey *key, PgfirstTidy *result)
{
	Suspect suspects[SUSPECTS_MAX];
	StoreKey here = *key;
	StoreLeaf leaf;
	bool ended = false;
	Size used;
	int count;

	(void) pgfirst_leaf_lock(store, key, BUFFER_LOCK_SHARE, &leaf);
	for (int slot = 0; slot < store_page_count(leaf.page) && !ended;)
	{
		StoreVersions versions;

		slot = pgfirst_versions_at(leaf.page, slot, &versions);
		ended = versions_ended(&versions);
	}
	count = leaf_suspects(leaf.page, suspects);
	used = store_page_used(leaf.page);
	*key = store_page_high(leaf.page);
	pgfirst_page_unlock(&leaf);
	result->leaves++;

	if (ended)
	{
		(void) pgfirst_leaf_lock(store, &here, BUFFER_LOCK_EXCLUSIVE, &leaf);
		result->settled += pgfirst_leaf_settle(store, &leaf);
		used = store_page_used(leaf.page);
		pgfirst_page_unlock(&leaf);
	}
	for (int i = 0; i < count; i++)
		if (!suspect_is_owned(store, &suspects[i]))
			result->parts += pgfirst_parts_delete(store, suspects[i].incarnation);
	return used;
}

PgfirstTidy
pgfirst_store_tidy(PgfirstStore *store, PgfirstTidyCursor *cursor, uint32 leaves)
{
	PgfirstTidy result = {0};
	StoreKey key;
	StoreKey before, second; /* the leaf before this one, and the one before that */
	Size before_used = USED_UNKNOWN, second_used = USED_UNKNOWN;

	StaticAssertStmt(sizeof(StoreKey) == sizeof(cursor->opaque), "a cursor holds a key");
	result.busy = !pgfirst_lock_relation(store->oid, RowShareLock, false);
	if (result.busy)
		return result;
	memcpy(&key, cursor->opaque, sizeof(key));
	if (pgfirst_tree_id(store) == 0)
		key.space = STORE_SPACE_END;
	before = second = key;
	if (key.space != STORE_SPACE_END)
		result.parts = pgfirst_garbage_collect(store, (uint64) leaves * 4);
	while (key.space != STORE_SPACE_END && result.leaves < leaves)
	{
		StoreKey here = key;
		Size used;

		CHECK_FOR_INTERRUPTS();
		used = tidy_leaf(store, &key, &result);
		if (pgfirst_merge_fits(before_used, used) && pgfirst_tree_merge(store, &before))
		{
			result.merged++;
			key = before; /* it may take over the next one, too */
			before = second;
			before_used = second_used;
			second_used = USED_UNKNOWN;
			continue;
		}
		if (pgfirst_squeeze_fits(second_used, before_used, used) &&
		    pgfirst_tree_squeeze(store, &second))
		{
			result.merged++;
			key = second;
			before_used = second_used = USED_UNKNOWN;
			continue;
		}
		second = before;
		second_used = before_used;
		before = here;
		before_used = used;
	}
	result.wrapped = key.space == STORE_SPACE_END;
	if (result.wrapped)
		memset(&key, 0, sizeof(key));
	memcpy(cursor->opaque, &key, sizeof(key));
	return result;
}

static void
counters_init(void *fresh)
{
	pg_atomic_uint32 *all = fresh;

	for (int i = 0; i < COUNTERS; i++)
		pg_atomic_init_u32(&all[i], 0);
}

void
pgfirst_tidy_init(void)
{
	pgfirst_shmem_request("pgfirst store tidy", COUNTERS * sizeof(pg_atomic_uint32),
	                      (void **) &counters, counters_init);
}
