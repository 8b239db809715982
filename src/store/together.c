/* SPDX-License-Identifier: PostgreSQL
 *
 * together.c: several records as they were at one moment.
 *
 * Records are read one after the other, and there is no snapshot; a command that changes two of them
 * may come between.  Locks would make readers wait for writers.  So what is read is noted, and looked
 * at once more when all has been read: if nothing has changed, then everything was as it was read at
 * the moment in between, and if something has, it is read again.
 *
 * What is noted of a record is the stamp of its slot (position.c), which every change of its bytes on
 * a page raises while the leaf is locked, and whether its tag's transaction was running; that one
 * commits without touching the page.  Both only go forward: what is found as it was has not changed.
 *
 * On a standby replay changes pages and runs no code of ours.  There the page's own position is the
 * stamp, which moves with every record next to this one as well.
 *
 * Mostly nobody else writes.  The slot of the store has a stamp too; when that has not moved, and no
 * tag of a running transaction was met, nothing needs to be looked at again.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "utils/memutils.h"

#include "store/store_int.h"

typedef struct Noted
{
	PgfirstId id;
	uint32 stamp;
	StoreTag tag;
} Noted;

static struct
{
	PgfirstStore *store; /* NULL: nothing is noted */
	int depth;           /* who begins while another has begun is part of that */
	uint32 store_stamp;
	bool look_again; /* the tag of a running transaction was met, or nobody raises stamps here */
	bool recovery;
	Noted *noted;
	Size count;
	Size room;
} together;

/* leaf NULL: the store is empty. */
static uint32
stamp_of(PgfirstStore *store, const PgfirstId *id, const StoreLeaf *leaf)
{
	if (!together.recovery)
		return pgfirst_position_stamp(store, id);
	return leaf == NULL ? 0 : (uint32) PageGetLSN(leaf->page);
}

void
pgfirst_store_together_begin(PgfirstStore *store)
{
	if (together.depth++ > 0)
		return;
	together.store = store;
	together.store_stamp = pgfirst_position_stamp_of_store(store);
	together.recovery = together.look_again = RecoveryInProgress();
	together.noted = NULL;
	together.count = together.room = 0;
	pg_read_barrier();
}

void
pgfirst_together_forget(void)
{
	together.store = NULL;
	together.depth = 0;
}

void
pgfirst_together_note(PgfirstStore *store, const PgfirstId *id, const StoreLeaf *leaf, StoreTag tag)
{
	if (likely(together.store != store))
		return;
	if (together.count == together.room)
	{
		Size room = together.room == 0 ? 32 : together.room * 2;

		together.noted = together.room == 0
		                     ? MemoryContextAlloc(pgfirst_store_context(), room * sizeof(Noted))
		                     : repalloc_huge(together.noted, room * sizeof(Noted));
		together.room = room;
	}
	together.look_again |= tag == STORE_TAG_RUNNING;
	together.noted[together.count++] =
	    (Noted){.id = *id, .stamp = stamp_of(store, id, leaf), .tag = tag};
}

static bool
is_as_noted(PgfirstStore *store, const Noted *noted)
{
	StoreKey key = store_key_of_id(&noted->id);
	StoreVersions versions;
	StoreLeaf leaf;
	bool same;

	if (!pgfirst_leaf_lock(store, &key, BUFFER_LOCK_SHARE, &leaf))
		return noted->tag == STORE_TAG_NONE && stamp_of(store, &noted->id, NULL) == noted->stamp;
	pgfirst_versions_find(leaf.page, &key, &versions);
	same = versions.tag == noted->tag && stamp_of(store, &noted->id, &leaf) == noted->stamp;
	pgfirst_page_unlock(&leaf);
	return same;
}

bool
pgfirst_store_together_end(void)
{
	PgfirstStore *store = together.store;
	bool same = true;

	if (--together.depth > 0)
		return true;
	together.store = NULL;
	pg_read_barrier();
	if (together.look_again || pgfirst_position_stamp_of_store(store) != together.store_stamp)
		for (Size i = 0; i < together.count && same; i++)
			same = is_as_noted(store, &together.noted[i]);
	if (together.noted != NULL)
		pfree(together.noted);
	return same;
}

/* ---- one record, over several transactions --------------------------------------------------- */

/*
 * The same two things, kept by the caller.  Unlike above, a tag that has ended may have been settled
 * meanwhile, which is no change; so of the tag only counts whether its transaction was running: then
 * it may have committed since, and the record is taken for changed.
 */
static void
record_look(PgfirstStore *store, PgfirstStamp *stamp)
{
	StoreKey key = store_key_of_id(&stamp->id);
	bool recovery = RecoveryInProgress();
	StoreVersions versions;
	StoreLeaf leaf;

	stamp->running = false;
	stamp->stamp = 0;
	if (!pgfirst_leaf_lock(store, &key, BUFFER_LOCK_SHARE, &leaf))
	{
		if (!recovery)
			stamp->stamp = pgfirst_position_stamp(store, &stamp->id);
		return;
	}
	pgfirst_versions_find(leaf.page, &key, &versions);
	stamp->running = versions.tag == STORE_TAG_RUNNING;
	stamp->stamp =
	    recovery ? (uint32) PageGetLSN(leaf.page) : pgfirst_position_stamp(store, &stamp->id);
	pgfirst_page_unlock(&leaf);
}

void
pgfirst_store_stamp(PgfirstStore *store, const PgfirstId *id, PgfirstStamp *stamp)
{
	stamp->id = *id;
	record_look(store, stamp);
}

bool
pgfirst_store_stamp_holds(PgfirstStore *store, const PgfirstStamp *stamp)
{
	PgfirstStamp now = {.id = stamp->id};

	record_look(store, &now);
	return !stamp->running && !now.running && now.stamp == stamp->stamp;
}

bool
pgfirst_store_stamp_stands(PgfirstStore *store, const PgfirstStamp *stamp)
{
	return !stamp->running && pgfirst_position_stamp(store, &stamp->id) == stamp->stamp;
}
