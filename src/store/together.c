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
 * Parts of other records raise no stamp: whoever reads one has read the record to which it belongs, whose stamp
 * does for all of them.
 *
 * On a standby replay changes pages and runs no code of ours.  There the page's own position is the
 * stamp, which moves with every record next to this one as well.
 *
 * Mostly nobody else writes.  The slot of the store has a stamp too; when that has not moved, and no
 * tag of a running transaction was met, nothing needs to be looked at again.  Then notes were taken for nothing, each
 * of a slot that is in no cache: a seventh of the time of a pipelined MGET of ten.  So what is quickly read again (a
 * brief read) notes nothing; when somebody has written it is read again, and the next ones take notes.
 *
 * A script may read the same records a million times, and each note takes 40 bytes.  So when there are some
 * thousands, those that say the same are put together: what is kept grows with what was read, not with how
 * often.  A command that reads many different ones, once, pays for two sorts at most.  A record that was read in two
 * states keeps two notes, of which one will not hold.  Beyond NOTES_MAX the stamp of the store must do: whoever reads
 * so much finds that nobody has written to the store, or is told that something has changed.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "utils/memutils.h"

#include "store/store_int.h"

/* Where notes that say the same are put together; the last is the most, 40 MB: no command names more keys. */
#define NOTES_FEW  ((Size) 4 * 1024)
#define NOTES_MANY ((Size) 64 * 1024)
#define NOTES_MAX  ((Size) 1024 * 1024)

#define BRIEF_WARY 64 /* brief reads that take notes behind one that should have */

typedef struct Noted
{
	PgfirstStore *store;
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
	bool brief;    /* nothing is noted */
	bool too_many; /* some reads are not */
	Noted *noted;
	Size count;
	Size room;
} together;

/* How many more brief reads take notes: one without has met somebody who writes. */
static int wary;

/* leaf NULL: the store is empty. */
static uint32
stamp_of(PgfirstStore *store, const PgfirstId *id, const StoreLeaf *leaf)
{
	if (!together.recovery)
		return pgfirst_position_stamp(store, id);
	return leaf == NULL ? 0 : (uint32) PageGetLSN(leaf->page);
}

static void
together_begin(PgfirstStore *store, bool brief)
{
	if (together.depth++ > 0)
		return;
	together.brief = brief;
	together.store = store;
	together.store_stamp = pgfirst_position_stamp_of_store(store);
	together.recovery = together.look_again = RecoveryInProgress();
	together.noted = NULL;
	together.count = together.room = 0;
	together.too_many = false;
	pg_read_barrier();
}

void
pgfirst_store_together_begin(PgfirstStore *store)
{
	together_begin(store, false);
}

void
pgfirst_store_together_begin_brief(PgfirstStore *store)
{
	together_begin(store, wary == 0 && !RecoveryInProgress());
	wary -= wary > 0;
}

void
pgfirst_together_forget(void)
{
	together.store = NULL;
	together.depth = 0;
}

/* Any order in which those that say the same stand next to each other. */
static int
noted_compare(const void *a, const void *b)
{
	const Noted *one = a;
	const Noted *other = b;
	int order = memcmp(&one->id, &other->id, sizeof(PgfirstId));

	if (order == 0 && one->store != other->store)
		order = (uintptr_t) one->store < (uintptr_t) other->store ? -1 : 1;
	if (order == 0 && one->stamp != other->stamp)
		order = one->stamp < other->stamp ? -1 : 1;
	if (order == 0 && one->tag != other->tag)
		order = one->tag < other->tag ? -1 : 1;
	return order;
}

static void
notes_put_together(void)
{
	Size kept = 0;

	qsort(together.noted, together.count, sizeof(Noted), noted_compare);
	for (Size i = 1; i < together.count; i++)
		if (noted_compare(&together.noted[kept], &together.noted[i]) != 0)
			together.noted[++kept] = together.noted[i];
	together.count = kept + 1;
}

void
pgfirst_together_reserve(void)
{
	Size room = together.room;

	if (likely(together.store == NULL) || together.brief || together.count < room)
		return;
	if (room == NOTES_FEW || room == NOTES_MANY || (room == NOTES_MAX && !together.too_many))
		notes_put_together();
	if (room > 0 && together.count <= room / 2)
		return;
	together.too_many = room == NOTES_MAX;
	if (together.too_many)
		return;
	together.room = room == 0 ? 32 : room * 2;
	together.noted =
	    room == 0 ? MemoryContextAlloc(pgfirst_store_context(), together.room * sizeof(Noted))
	              : repalloc_huge(together.noted, together.room * sizeof(Noted));
}

/* Whoever changes the page next writes down how a tag's transaction has ended, which changes nothing. */
static StoreTag
tag_unless_ended(StoreTag tag)
{
	return tag == STORE_TAG_COMMITTED || tag == STORE_TAG_ABORTED ? STORE_TAG_NONE : tag;
}

/* Whether it has to be noted, and not only what makes another look at the notes needed. */
static bool
is_noted(PgfirstStore *store, StoreTag tag)
{
	together.look_again |= tag == STORE_TAG_RUNNING || store != together.store;
	return !together.brief;
}

static void
note(PgfirstStore *store, const PgfirstId *id, uint32 stamp, StoreTag tag)
{
	if (together.count < together.room)
		together.noted[together.count++] =
		    (Noted){.store = store, .id = *id, .stamp = stamp, .tag = tag_unless_ended(tag)};
}

void
pgfirst_together_note(PgfirstStore *store, const PgfirstId *id, const StoreLeaf *leaf, StoreTag tag)
{
	if (unlikely(together.store != NULL) && is_noted(store, tag))
		note(store, id, stamp_of(store, id, leaf), tag);
}

void
pgfirst_together_note_kept(PgfirstStore *store, const PgfirstId *id, uint32 stamp)
{
	if (likely(together.store == NULL))
		return;
	pgfirst_together_reserve();
	if (is_noted(store, STORE_TAG_NONE))
		note(store, id, stamp, STORE_TAG_NONE);
}

static bool
is_as_noted(const Noted *noted)
{
	PgfirstStore *store = noted->store;
	StoreKey key = store_key_of_id(&noted->id);
	StoreVersions versions;
	StoreLeaf leaf;
	bool same;

	if (!pgfirst_leaf_lock(store, &key, BUFFER_LOCK_SHARE, &leaf))
		return noted->tag == STORE_TAG_NONE && stamp_of(store, &noted->id, NULL) == noted->stamp;
	pgfirst_versions_find(leaf.page, &key, &versions);
	same = tag_unless_ended(versions.tag) == noted->tag &&
	       stamp_of(store, &noted->id, &leaf) == noted->stamp;
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
	{
		same = !together.too_many && !together.brief;
		if (together.brief)
			wary = BRIEF_WARY;
		for (Size i = 0; i < together.count && same; i++)
			same = is_as_noted(&together.noted[i]);
	}
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

	stamp->recovery = recovery;
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
	pgfirst_position_read(store, &stamp->id);
	return !stamp->running && !now.running && now.recovery == stamp->recovery &&
	       now.stamp == stamp->stamp;
}

bool
pgfirst_store_stamp_stands(PgfirstStore *store, const PgfirstStamp *stamp)
{
	return !stamp->running && !stamp->recovery &&
	       pgfirst_position_stamp(store, &stamp->id) == stamp->stamp;
}
