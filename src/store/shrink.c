/* SPDX-License-Identifier: PostgreSQL
 *
 * shrink.c: the file becomes shorter.
 *
 * A store that has lost records has free pages, anywhere in its file.  When they are many, the pages of the tree that
 * stand at the end of the file move into free ones further in front, and what is behind the last page in use is given
 * back.  VACUUM does it, and whoever keeps the store in order, a slice at a time, beside readers and writers; only the
 * cut needs everybody away, and is left for the next time where that cannot be had at once.
 *
 * `front`, in the meta page, is how long the file shall be: a little more than the pages in use, so that writers find
 * some free ones meanwhile and do not put new pages at the end.  Zero: nobody shrinks.  A page behind it that the tree
 * or the free list lets go is set aside: it has a kind of its own (STORE_PAGE_ASIDE), nothing leads to it, and
 * nobody takes it.  One phase after the other:
 *
 *   begin    front is written down:                                                  meta
 *   drain    the free list is walked, and what is behind `front` taken out of it:    meta | page, aside | the one before
 *   move     for a page of the tree behind `front`, a free one in front is set
 *            aside, and `place` in the meta page says which:                         meta | place, aside
 *            and takes all that is on the page:                            place | page, aside | parent | left neighbour
 *   lower    `used` goes down over all pages that are aside:                          meta
 *   back     `front` goes up over all pages below `used`, and those that are
 *            aside, because others were in the way, are free again:                   meta | page, free
 *            and then is zero; a place that was not used is free, too:                meta | place, free
 *   cut      what the file has behind `used` is given back.
 *
 * What holds at each moment: a page that is aside is `place`, or behind `front`, or behind `used`.  Who frees a page
 * looks at `front` with the meta page locked (merge.c), so this is so while merges go on; and each line above is one
 * WAL record, so it is so after a crash.  Whoever finds a front that he has not written goes on with `lower`, and
 * begins anew; also where the file is not to be cut, as nobody takes what merges set aside meanwhile.  A place that an
 * error has left is used by the next move.  Behind `used` pages may stay aside: they are taken like pages of zeros
 * (meta.c), or cut off.
 *
 * Locks.  Who shrinks holds RowShareLock on the relation, as tidying does, and a lock of PostgreSQL's that nobody else
 * asks for: so there is one at a time, beside loops that keep all other writers out, and none beside kv.check().  A
 * move locks the parent and then the page, as a split does; the left neighbour is only tried, as others who hold it may
 * be on their way to the right; then the place, to which nobody has a way.  With the meta page locked, which others ask
 * for when they hold pages of the tree, only such pages are locked as cannot be of the tree before it is let go: free
 * ones, which are taken off the list under the same lock, and those aside.  Whoever comes to a page that has moved, by
 * an old hint or link, finds that it is none of the tree and goes from the root (tree.c).
 *
 * A front leaves an eighth of what was free, which may be much of a file that has lost nearly everything; so pass
 * follows pass while they gain something, and the file is cut once, behind the last.  Where writers need more pages
 * than they were left, the pass ends early.
 *
 * The cut needs AccessExclusiveLock, which is asked for and not waited for: a queue behind a long reader would stop the
 * store.  On a standby replay does wait for it, as long as max_standby_streaming_delay says, and keeps it until it sees
 * the commit; so nobody cuts for little, and the commit follows at once.  Even asking takes a transaction id where
 * standbys are told of such locks; so first is looked whether it can be had.  The file is cut whatever becomes of the
 * transaction, so what processes know of blocks and buffers (hints.c) has to be forgotten whatever becomes of it: they
 * are told at once, and not by its commit, before the file is cut and while nobody can learn it anew.  For the same
 * reason the log is flushed before up to the last change of `used`, behind which there are no moves from what is cut:
 * not every minor version of PostgreSQL does that itself.  Then the lock is given back: the commit may have to wait for
 * a standby.
 *
 * Rejected: a list in the order of blocks (each merge would look for its place in it); moving the leaves in the order
 * of their keys, as VACUUM FULL does (all pages are written, not only those at the end); a move without setting a place
 * aside before (five pages, see wal.c); leaving the page as it is for another record (a standby that is promoted in
 * between would read it by its hints); going down the file to put pages back (what a merge sets aside behind that would
 * be lost).
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "catalog/storage.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/sinval.h"
#include "storage/standby.h"
#include "utils/inval.h"

#include "base/compat.h"
#include "store/hints.h"
#include "store/store_int.h"

#define FREE_MIN      32 /* pages that have to be free; */
#define FREE_FRACTION 8  /* and of all, one in so many */
#define LEFT_FRACTION 8  /* of the free ones, one in so many is left to writers */
#define LEFT_MIN      8
#define LOOKS_MAX     8 /* pages looked at under one lock of the meta page */
#define DRAIN_ROUNDS  4 /* so many steps for each page of the file */
/* Pages that a file may be longer than it is used: more than writers extend it by, */
#define CUT_MIN      32
#define CUT_FRACTION 16 /* and of those in use, one for so many */
#define PASSES_MAX   8
#define VAIN_MAX     2 /* passes that are repeated because writers took what they were to gain */
#define TRIES_MAX    8 /* for a left neighbour that somebody is at */

typedef enum ShrinkPhase
{
	SHRINK_BEGIN = 0, /* a cursor of zeros */
	SHRINK_DRAIN,
	SHRINK_MOVE,
	SHRINK_LOWER,
	SHRINK_BACK,
	SHRINK_CUT
} ShrinkPhase;

static void
phase_begin(PgfirstShrink *shrink, ShrinkPhase phase, BlockNumber at)
{
	shrink->phase = phase;
	shrink->at = at;
	shrink->steps = 0;
}

/* ---- pages aside --------------------------------------------------------------------------------- */

static void
aside_build(Page image, const StoreLeaf *page)
{
	pgfirst_page_init(image, STORE_PAGE_ASIDE, 0, store_page_tail(page->page)->store_id,
	                  page->block);
}

/*
 * Takes `page` off the free list, in meta (a private copy) too, and sets it aside; `before` leads to it, or NULL: it is
 * the first.
 */
static void
list_take(PgfirstStore *store, StoreLeaf *leaf, StoreMeta *meta, StoreLeaf *before, StoreLeaf *page)
{
	BlockNumber next = store_page_tail(page->page)->right;
	PGAlignedBlock aside;
	StoreRecord record;
	StoreEdit *edits[3];

	aside_build(aside.data, page);
	meta->free_count--;
	if (before == NULL)
		meta->free_head = next;
	pgfirst_record_begin(&record, store->relation);
	edits[0] = pgfirst_record_page(&record, leaf->buffer);
	edits[1] = pgfirst_record_page(&record, page->buffer);
	edits[2] = before != NULL ? pgfirst_record_page(&record, before->buffer) : NULL;
	pgfirst_record_change(&record);
	pgfirst_meta_change(edits[0], meta);
	pgfirst_edit_replace(edits[1], aside.data);
	if (before != NULL)
	{
		StoreTail *tail = store_page_tail(edits[2]->page);

		tail->right = next;
		pgfirst_edit_touch(edits[2], &tail->right, sizeof(tail->right));
	}
	(void) pgfirst_record_insert(&record);
}

/* Makes a page free that is aside, in meta (a private copy) too, which is written with it. */
static void
page_put_back(PgfirstStore *store, StoreLeaf *leaf, StoreMeta *meta, BlockNumber block)
{
	PGAlignedBlock freed;
	StoreLeaf page;
	StoreRecord record;
	StoreEdit *edits[2];

	pgfirst_page_lock(store, block, BUFFER_LOCK_EXCLUSIVE, &page);
	pgfirst_free_build(freed.data, &page, meta);
	pgfirst_record_begin(&record, store->relation);
	edits[0] = pgfirst_record_page(&record, leaf->buffer);
	edits[1] = pgfirst_record_page(&record, page.buffer);
	pgfirst_record_change(&record);
	pgfirst_meta_change(edits[0], meta);
	pgfirst_edit_replace(edits[1], freed.data);
	(void) pgfirst_record_insert(&record);
	pgfirst_page_unlock(&page);
}

/* ---- begin ------------------------------------------------------------------------------------- */

static bool
is_worth_it(PgfirstStore *store, const StoreMeta *meta)
{
	if (meta->used <= STORE_ROOT_BLOCK || meta->free_count >= meta->used)
		pgfirst_block_damaged(store, STORE_META_BLOCK,
		                      "it counts more free pages than pages in use");
	return meta->free_count >= FREE_MIN && meta->free_count >= meta->used / FREE_FRACTION;
}

static void
shrink_begin(PgfirstStore *store, PgfirstShrink *shrink, bool ends)
{
	StoreLeaf leaf;
	StoreMeta meta = pgfirst_meta(store);

	if (meta.front == 0 && (ends || !is_worth_it(store, &meta)))
	{
		phase_begin(shrink, SHRINK_CUT, InvalidBlockNumber);
		return;
	}
	pgfirst_meta_lock(store, BUFFER_LOCK_EXCLUSIVE, &leaf);
	meta = *store_page_meta(leaf.page);
	if (meta.front != 0)
	{
		phase_begin(shrink, SHRINK_LOWER, InvalidBlockNumber);
		shrink->anew = true;
	}
	else if (ends || !is_worth_it(store, &meta))
		phase_begin(shrink, SHRINK_CUT, InvalidBlockNumber);
	else
	{
		meta.front = meta.used - meta.free_count + Max(meta.free_count / LEFT_FRACTION, LEFT_MIN);
		pgfirst_meta_write(store, &leaf, &meta);
		phase_begin(shrink, SHRINK_DRAIN, InvalidBlockNumber);
		shrink->passed = true;
		shrink->used = meta.used;
	}
	shrink->front = meta.front;
	pgfirst_page_unlock(&leaf);
}

/* ---- drain --------------------------------------------------------------------------------------- */

/*
 * Goes one page further in the free list, from `at` (InvalidBlockNumber: from its head), which stays on it.  Where that
 * has been taken meanwhile, and the next one so stands elsewhere, it begins anew; not for ever, as others may be quick,
 * and damage may have made a ring of the list.
 */
static void
drain_step(PgfirstStore *store, PgfirstShrink *shrink)
{
	StoreLeaf leaf, before = {.buffer = InvalidBuffer}, page;
	StoreMeta meta;
	BlockNumber next;

	pgfirst_meta_lock(store, BUFFER_LOCK_EXCLUSIVE, &leaf);
	meta = *store_page_meta(leaf.page);
	next = meta.free_head;
	/* Looked at before it is locked: what is free now stays so, and a page of the tree must not be waited for. */
	if (shrink->at != InvalidBlockNumber && pgfirst_page_kind(store, shrink->at) == STORE_PAGE_FREE)
	{
		pgfirst_page_lock(store, shrink->at, BUFFER_LOCK_EXCLUSIVE, &before);
		next = store_page_tail(before.page)->right;
	}
	if (next == InvalidBlockNumber || ++shrink->steps > DRAIN_ROUNDS * (uint64) meta.used)
		phase_begin(shrink, SHRINK_MOVE, meta.used);
	else if (next < meta.front)
		shrink->at = next;
	else
	{
		if (next == shrink->at || pgfirst_page_kind(store, next) != STORE_PAGE_FREE)
			pgfirst_block_damaged(store, next, "it is on the free list and not free");
		pgfirst_page_lock(store, next, BUFFER_LOCK_EXCLUSIVE, &page);
		list_take(store, &leaf, &meta, BufferIsValid(before.buffer) ? &before : NULL, &page);
		pgfirst_page_unlock(&page);
	}
	pgfirst_page_unlock(&before);
	pgfirst_page_unlock(&leaf);
}

/* ---- move ---------------------------------------------------------------------------------------- */

static bool
place_is_aside(PgfirstStore *store, const StoreMeta *meta)
{
	return meta->place != 0 && pgfirst_page_kind(store, meta->place) == STORE_PAGE_ASIDE;
}

/* A page in front that is aside; false if none is free. */
static bool
place_take(PgfirstStore *store, BlockNumber *place)
{
	*place = InvalidBlockNumber;
	while (*place == InvalidBlockNumber)
	{
		StoreLeaf leaf, page;
		StoreMeta meta;
		BlockNumber head;

		CHECK_FOR_INTERRUPTS();
		pgfirst_meta_lock(store, BUFFER_LOCK_EXCLUSIVE, &leaf);
		meta = *store_page_meta(leaf.page);
		head = meta.free_head;
		if (place_is_aside(store, &meta))
			*place = meta.place;
		else if (head == InvalidBlockNumber)
		{
			pgfirst_page_unlock(&leaf);
			return false;
		}
		else
		{
			if (pgfirst_page_kind(store, head) != STORE_PAGE_FREE)
				pgfirst_block_damaged(store, head, "it is on the free list and not free");
			pgfirst_page_lock(store, head, BUFFER_LOCK_EXCLUSIVE, &page);
			/* What a merge has freed before there was a front may stand behind it. */
			if (head < meta.front)
				meta.place = *place = head;
			list_take(store, &leaf, &meta, NULL, &page);
			pgfirst_page_unlock(&page);
		}
		pgfirst_page_unlock(&leaf);
	}
	pgfirst_store_point("a place is aside");
	return true;
}

/* The key before this one; false for the first. */
static bool
key_before(StoreKey *key)
{
	if (key->low-- > 0)
		return true;
	if (key->high-- > 0)
		return true;
	return key->space-- > 0;
}

/* Locks the page to the left, if there is one, and says whether it is known now. */
static bool
left_try(PgfirstStore *store, BlockNumber block, const StoreLeaf *page, StoreLeaf *left)
{
	StoreTail *tail;

	left->buffer = InvalidBuffer;
	if (block == InvalidBlockNumber)
		return true;
	if (!pgfirst_page_try(store, block, left))
		return false;
	tail = store_page_tail(left->page);
	if (tail->kind == STORE_PAGE_TREE && tail->level == store_page_tail(page->page)->level &&
	    tail->right == page->block)
		return true;
	pgfirst_page_unlock(left);
	return false;
}

/* All of them are locked. */
static void
move_to(PgfirstStore *store, StoreLeaf *parent, StoreLeaf *left, StoreLeaf *page, StoreLeaf *place)
{
	StoreKey low = store_page_low(page->page);
	StoreItem *item = store_page_item(parent->page, pgfirst_child_slot(parent->page, &low));
	PGAlignedBlock moved, aside;
	StoreRecord record;
	StoreEdit *edits[4];

	if (store_page_tail(place->page)->kind != STORE_PAGE_ASIDE)
		pgfirst_page_damaged("it was set aside and is in use");
	memcpy(moved.data, page->page, BLCKSZ);
	store_page_tail(moved.data)->block = place->block;
	aside_build(aside.data, page);

	pgfirst_record_begin(&record, store->relation);
	edits[0] = pgfirst_record_page(&record, place->buffer);
	edits[1] = pgfirst_record_page(&record, page->buffer);
	edits[2] = pgfirst_record_page(&record, parent->buffer);
	edits[3] = BufferIsValid(left->buffer) ? pgfirst_record_page(&record, left->buffer) : NULL;
	pgfirst_record_change(&record);
	pgfirst_edit_replace(edits[0], moved.data);
	pgfirst_edit_replace(edits[1], aside.data);
	item->child = place->block;
	pgfirst_edit_touch(edits[2], &item->child, sizeof(item->child));
	if (edits[3] != NULL)
	{
		StoreTail *tail = store_page_tail(left->page);

		tail->right = place->block;
		pgfirst_edit_touch(edits[3], &tail->right, sizeof(tail->right));
	}
	(void) pgfirst_record_insert(&record);
}

/* One try; false: somebody was in the way. */
static bool
move_try(PgfirstStore *store, BlockNumber block, const StoreTail *tail, BlockNumber free)
{
	StoreKey low = {.high = tail->low[0], .low = tail->low[1], .space = tail->low_space};
	StoreKey before = low;
	BlockNumber neighbour = InvalidBlockNumber;
	StoreLeaf parent, left, page, place;
	bool moved = false;

	if (key_before(&before))
	{
		neighbour = pgfirst_level_block(store, &before, tail->level);
		if (neighbour == InvalidBlockNumber)
			return false;
	}
	if (!pgfirst_level_lock(store, &low, tail->level, &parent, &page))
		return false;
	if (page.block == block && BufferIsValid(parent.buffer) &&
	    left_try(store, neighbour, &page, &left))
	{
		pgfirst_page_lock(store, free, BUFFER_LOCK_EXCLUSIVE, &place);
		move_to(store, &parent, &left, &page, &place);
		pgfirst_page_unlock(&place);
		pgfirst_page_unlock(&left);
		moved = true;
	}
	pgfirst_page_unlock(&page);
	pgfirst_page_unlock(&parent);
	return moved;
}

/* Moves the page before `at`, if it is one of the tree. */
static void
move_step(PgfirstStore *store, PgfirstShrink *shrink)
{
	BlockNumber block = shrink->at - 1;
	BlockNumber place;
	StoreTail tail;
	bool moved = false;

	if (block < shrink->front)
	{
		phase_begin(shrink, SHRINK_LOWER, InvalidBlockNumber);
		return;
	}
	shrink->at = block;
	if (!pgfirst_page_peek(store, block, &tail) || tail.kind != STORE_PAGE_TREE)
		return;
	if (!place_take(store, &place))
	{
		phase_begin(shrink, SHRINK_LOWER, InvalidBlockNumber);
		return;
	}
	for (int tries = 0; !moved && tries < TRIES_MAX; tries++)
	{
		moved = move_try(store, block, &tail, place);
		if (!moved && (!pgfirst_page_peek(store, block, &tail) || tail.kind != STORE_PAGE_TREE))
			break;
	}
	if (moved)
		pgfirst_store_point("after a move");
}

/* ---- lower, back, cut ------------------------------------------------------------------------------- */

static void
lower_step(PgfirstStore *store, PgfirstShrink *shrink)
{
	StoreLeaf leaf;
	StoreMeta meta;
	BlockNumber used;

	pgfirst_meta_lock(store, BUFFER_LOCK_EXCLUSIVE, &leaf);
	meta = *store_page_meta(leaf.page);
	used = meta.used;
	while (meta.used > meta.front && used - meta.used < LOOKS_MAX &&
	       pgfirst_page_kind(store, meta.used - 1) == STORE_PAGE_ASIDE)
		meta.used--;
	if (meta.used < used)
		pgfirst_meta_write(store, &leaf, &meta);
	shrink->gained |= meta.used < used;
	pgfirst_page_unlock(&leaf);
	if (used - meta.used < LOOKS_MAX)
		phase_begin(shrink, SHRINK_BACK, InvalidBlockNumber);
}

/* Whether another pass may bring more: the file had much more than it needed, or writers were in the way. */
static bool
is_worth_another(PgfirstShrink *shrink)
{
	bool another = shrink->passed && ++shrink->passes < PASSES_MAX &&
	               (shrink->gained || shrink->vain < VAIN_MAX);

	shrink->vain = shrink->gained ? 0 : shrink->vain + 1;
	shrink->passed = shrink->gained = false;
	return another;
}

static void
back_step(PgfirstStore *store, PgfirstShrink *shrink)
{
	StoreLeaf leaf;
	StoreMeta meta;
	BlockNumber block, end;

	pgfirst_store_point("before pages are put back");
	pgfirst_meta_lock(store, BUFFER_LOCK_EXCLUSIVE, &leaf);
	meta = *store_page_meta(leaf.page);
	block = meta.front;
	end = Min(meta.used, block + LOOKS_MAX);
	while (block < end && pgfirst_page_kind(store, block) != STORE_PAGE_ASIDE)
		block++;
	if (block < end)
	{
		meta.front = block + 1;
		page_put_back(store, &leaf, &meta, block);
	}
	else if (block < meta.used)
	{
		meta.front = block;
		pgfirst_meta_write(store, &leaf, &meta);
	}
	else
	{
		bool left = place_is_aside(store, &meta);
		BlockNumber place = meta.place;

		meta.front = meta.place = 0;
		if (left)
			page_put_back(store, &leaf, &meta, place);
		else
			pgfirst_meta_write(store, &leaf, &meta);
		phase_begin(shrink, shrink->anew || is_worth_another(shrink) ? SHRINK_BEGIN : SHRINK_CUT,
		            InvalidBlockNumber);
		if (shrink->anew)
			shrink->anew = shrink->gained = false; /* that was another's */
	}
	shrink->front = meta.front;
	pgfirst_page_unlock(&leaf);
}

/* Whether somebody else holds a lock on the relation, which may be any. */
static bool
is_used(PgfirstStore *store)
{
	LOCKTAG tag;
	int count;

	SET_LOCKTAG_RELATION(tag, store->relation->rd_lockInfo.lockRelId.dbId,
	                     store->relation->rd_lockInfo.lockRelId.relId);
	pfree(GetLockConflicts(&tag, AccessExclusiveLock, &count));
	return count > 0;
}

/* Everybody forgets where blocks of the store were, on standbys as well, without waiting for a commit. */
static void
hints_withdraw(PgfirstStore *store)
{
	SharedInvalidationMessage message;

	memset(&message, 0, sizeof(message));
	message.rc.id = SHAREDINVALRELCACHE_ID;
	message.rc.dbId = store->relation->rd_lockInfo.lockRelId.dbId;
	message.rc.relId = store->oid;
	if (RelationNeedsWAL(store->relation) && XLogStandbyInfoActive())
		LogStandbyInvalidations(1, &message, false);
	SendSharedInvalidMessages(&message, 1);
	pgfirst_hints_forget(store->hints);
}

/* Whatever the log has of pages behind `used` is on disk. */
static void
moves_flush(PgfirstStore *store)
{
	StoreLeaf leaf;
	XLogRecPtr end;

	if (!RelationNeedsWAL(store->relation))
		return;
	pgfirst_meta_lock(store, BUFFER_LOCK_SHARE, &leaf);
	end = PageGetLSN(leaf.page);
	pgfirst_page_unlock(&leaf);
	XLogFlush(end);
}

/* False: somebody uses the store. */
static bool
cut_try(PgfirstStore *store)
{
	BlockNumber used = pgfirst_meta(store).used;

	if (RelationGetNumberOfBlocks(store->relation) < used + Max(CUT_MIN, used / CUT_FRACTION))
		return true;
	pgfirst_store_point("before a cut");
	if (is_used(store))
		return false;
	moves_flush(store);
	if (!pgfirst_lock_relation(store->oid, AccessExclusiveLock, false))
		return false;
	used = pgfirst_meta(store).used;
	hints_withdraw(store);
	RelationTruncate(store->relation, used);
	pgfirst_unlock_relation(store->oid, AccessExclusiveLock);
	ForceSyncCommit();
	pgfirst_store_point("after a cut");
	return true;
}

/* Until the transaction ends nobody else shrinks the store. */
static bool
shrink_lock(PgfirstStore *store)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, store->oid, STORE_LOCK_SHRINK);
	return LockAcquireTry(&tag, ExclusiveLock) != LOCKACQUIRE_NOT_AVAIL;
}

PgfirstShrinkResult
pgfirst_store_shrink(PgfirstStore *store, PgfirstShrink *shrink, uint32 steps,
                     PgfirstShrinkMode mode)
{
	bool ends = mode == PGFIRST_SHRINK_END ||
	            (mode == PGFIRST_SHRINK_AS_SET && !RelationMayBeCut(store->relation));
	StoreMeta meta;

	if (!pgfirst_lock_relation(store->oid, RowShareLock, false) || !shrink_lock(store))
		return PGFIRST_SHRINK_BUSY;
	if (pgfirst_tree_id(store) == 0)
		return PGFIRST_SHRINK_DONE;
	meta = pgfirst_meta(store);
	if (meta.front != shrink->front)
		*shrink = (PgfirstShrink){0}; /* somebody else has gone on with it, or left it */
	/* Writers need more than was left to them. */
	if ((shrink->phase == SHRINK_DRAIN || shrink->phase == SHRINK_MOVE) &&
	    (ends || meta.used > shrink->used + LEFT_MIN))
		phase_begin(shrink, SHRINK_LOWER, InvalidBlockNumber);
	for (uint32 i = 0; i < steps; i++)
	{
		CHECK_FOR_INTERRUPTS();
		switch ((ShrinkPhase) shrink->phase)
		{
			case SHRINK_BEGIN:
				shrink_begin(store, shrink, ends);
				break;
			case SHRINK_DRAIN:
				drain_step(store, shrink);
				break;
			case SHRINK_MOVE:
				move_step(store, shrink);
				break;
			case SHRINK_LOWER:
				lower_step(store, shrink);
				break;
			case SHRINK_BACK:
				back_step(store, shrink);
				break;
			case SHRINK_CUT:
				if (ends)
					return PGFIRST_SHRINK_DONE;
				return cut_try(store) ? PGFIRST_SHRINK_DONE : PGFIRST_SHRINK_BUSY;
		}
		pgfirst_store_point("after a step of shrinking");
	}
	return PGFIRST_SHRINK_MORE;
}
