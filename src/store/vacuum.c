/* SPDX-License-Identifier: PostgreSQL
 *
 * vacuum.c: VACUUM: writes down the outcome of every transaction that has ended, and freezes.
 *
 * A store has no dead rows that somebody's snapshot might still want, so nothing is removed for the
 * sake of space.  What VACUUM is for are the transaction ids on its pages: each needs pg_xact to
 * know what became of it.  VACUUM goes through all leaves and settles whatever has ended, which
 * also gives back what aborted transactions have left.  Behind that it makes the file shorter, if much of it is
 * free (shrink.c).
 *
 * Freezing.  F is the oldest transaction, of the whole server, that is running before the first leaf is
 * looked at.  All older ones have ended: what they have tagged is settled by this pass, and they tag
 * nothing any more.  So no page has a tag older than F afterwards, and relfrozenxid becomes F.
 * Snapshots mean nothing to a store; a forgotten one does not hold F back as it holds back OldestXmin.
 *
 * Leaves are visited in the order of their keys, parts included.  Splits and merges move items to other
 * pages but not to other keys, so an item that has a tag when the pass begins is met where its key
 * is.  A leaf is share-locked to be looked at, exclusively only if there is something to write,
 * and then one record is written, of one page.
 *
 * Nothing to do.  meta.tags says whether a page may carry a tag at all, so that an unchanged store takes
 * no pass.  Writers and VACUUM hand it over:
 *
 *     writer                                   VACUUM
 *     1  has its transaction id                a  tags := VACUUM, if it is SOME
 *     2  tags := SOME, unless it is            b  waits for nobody, but looks who has a transaction
 *     3  tags leaves                              id, or a writer's lock, now
 *     4  ends                                  c  goes through all leaves
 *                                              d  tags := NONE, if it is still VACUUM,
 *                                                 the pass has left no tag,
 *                                                 and those of b had all ended before c
 *
 * What must hold: where d writes NONE, no leaf has a tag or will get one from a writer that does not
 * say SOME again.  Take a writer's look at step 2.
 *   - After d: it finds NONE and writes SOME.
 *   - Between a and d: it finds VACUUM and writes SOME.  Both change the page under its exclusive lock, so
 *     d finds SOME and leaves it.
 *   - Before a: it found SOME, said nothing, and may tag at any time until it ends.  At b it runs, with a
 *     transaction id (1) and a writer's lock on the table, or it has ended.  If it runs, d does
 *     not write NONE.  If it has ended, its tags were there before c, which settles them.
 * b asks twice, because either answer is enough: nobody at all holds a writer's lock on this table, or
 * every running transaction got its id after a.  The first is there for the transaction that was
 * forgotten elsewhere, the second for workers, which always hold the lock and seldom have an id.
 * Where neither holds, the word stays VACUUM, and the next VACUUM tries again.
 *
 * Crashes.  All three words are logged, SOME before the tags that it stands for, NONE after the pages
 * that it relies on, in one stream; whatever prefix of it is replayed is a state that was there.
 */
#include "postgres.h"

#include "access/multixact.h"
#include "access/transam.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "store/am_int.h"

#define SHRINK_STEPS    64
#define SHRINK_REST_US  1000
#define SHRINK_BUSY_MAX 300

typedef struct VacuumPass
{
	double records;
	double dead;    /* versions that were settled away */
	double running; /* tags that stay */
} VacuumPass;

/* Counts what the leaf has; true if something has ended. */
static bool
leaf_look(Page page, VacuumPass *pass)
{
	bool ended = false;

	for (int slot = 0; slot < store_page_count(page);)
	{
		StoreVersions versions;

		slot = pgfirst_versions_at(page, slot, &versions);
		if (versions.current != NULL && versions.current->space == STORE_SPACE_RECORDS)
			pass->records++;
		pass->dead += pgfirst_versions_dead(&versions);
		if (versions.tag == STORE_TAG_RUNNING || versions.tag == STORE_TAG_MINE)
			pass->running++;
		else if (versions.tag != STORE_TAG_NONE)
			ended = true;
	}
	return ended;
}

/* Settles the leaf that covers *next, and moves on to the one behind it. */
static void
vacuum_leaf(PgfirstStore *store, StoreKey *next, BlockNumber *block, VacuumPass *pass)
{
	VacuumPass seen = {0};
	StoreLeaf leaf;

	if (!pgfirst_leaf_lock_at(store, *block, next, &leaf))
	{
		next->space = STORE_SPACE_END;
		return;
	}
	if (leaf_look(leaf.page, &seen))
	{
		pgfirst_page_unlock(&leaf);
		(void) pgfirst_leaf_lock(store, next, BUFFER_LOCK_EXCLUSIVE, &leaf);
		seen = (VacuumPass){0};
		(void) leaf_look(leaf.page, &seen);
		(void) pgfirst_leaf_settle(store, &leaf);
	}
	*next = store_page_high(leaf.page);
	*block = store_page_tail(leaf.page)->right;
	pgfirst_page_unlock(&leaf);
	pass->records += seen.records;
	pass->dead += seen.dead;
	pass->running += seen.running;
}

/* Step b: whether nobody is left who may have looked before step a. */
static bool
writers_are_new(Relation relation, TransactionId since)
{
	LOCKTAG tag;
	int count;

	if (!TransactionIdPrecedes(GetOldestActiveTransactionId(), since))
		return true;
	SET_LOCKTAG_RELATION(tag, relation->rd_lockInfo.lockRelId.dbId,
	                     relation->rd_lockInfo.lockRelId.relId);
	pfree(GetLockConflicts(&tag, ShareLock, &count));
	return count == 0;
}

static void
vacuum_pass(PgfirstStore *store, VacuumPass *pass)
{
	BlockNumber block = InvalidBlockNumber;
	StoreKey next = {0};
	bool clean;

	(void) pgfirst_meta_tags_swap(store, STORE_TAGS_SOME, STORE_TAGS_VACUUM);
	pgfirst_store_point("a vacuum begins");
	clean = writers_are_new(store->relation, XidFromFullTransactionId(ReadNextFullTransactionId()));
	while (next.space != STORE_SPACE_END)
	{
		VacuumDelayPoint();
		vacuum_leaf(store, &next, &block, pass);
	}
	pgfirst_store_point("a vacuum ends");
	if (clean && pass->running == 0)
		(void) pgfirst_meta_tags_swap(store, STORE_TAGS_VACUUM, STORE_TAGS_NONE);
}

/*
 * The file is cut in a moment in which nobody uses the store; if there is none for a while, or if somebody waits for
 * VACUUM to end, behind whom all writers would wait, the next one does it.
 * Between slices it rests: who waits for the first page has to get it.
 */
static void
vacuum_shrink(PgfirstStore *store, PgfirstShrinkMode mode)
{
	PgfirstShrink shrink = {0};

	for (int busy = 0; busy < SHRINK_BUSY_MAX;)
	{
		PgfirstShrinkResult result = pgfirst_store_shrink(store, &shrink, SHRINK_STEPS, mode);

		if (result == PGFIRST_SHRINK_DONE ||
		    LockHasWaitersRelation(store->relation, ShareUpdateExclusiveLock))
			break;
		busy += result == PGFIRST_SHRINK_BUSY;
		pg_usleep(SHRINK_REST_US);
		VacuumDelayPoint();
	}
}

static void
statistics_update(Relation relation, double records, TransactionId frozen)
{
	/* No page ever carries a multixact. */
	UpdateRelationStatistics(relation, RelationGetNumberOfBlocks(relation), records, frozen,
	                         GetOldestMultiXactId());
}

void
pgfirst_am_vacuum(Relation relation, struct VacuumParams *params, BufferAccessStrategy strategy)
{
	TimestampTz start = GetCurrentTimestamp();
	TransactionId frozen = GetOldestActiveTransactionId();
	VacuumPass pass = {0};
	PgfirstStore store;
	double records = relation->rd_rel->reltuples;

	pgfirst_store_borrow(&store, relation);
	if (pgfirst_tree_id(&store) == 0)
		records = 0;
	else if (records < 0 || pgfirst_meta(&store).tags != STORE_TAGS_NONE ||
	         (params->options & VACOPT_DISABLE_PAGE_SKIPPING))
	{
		vacuum_pass(&store, &pass);
		records = pass.records;
	}
	/* First: whatever stops it must not take back that the table is frozen, which is written in place. */
	statistics_update(relation, records, frozen);
	if (pgfirst_tree_id(&store) != 0)
		vacuum_shrink(&store, params->truncate != VACOPTVALUE_DISABLED ? PGFIRST_SHRINK_ASKED
		                                                               : PGFIRST_SHRINK_END);
	statistics_update(relation, records, frozen);
	ReportVacuum(RelationGetRelid(relation), relation->rd_rel->relisshared,
	             (PgStat_Counter) records, 0, start);
	ereport((params->options & VACOPT_VERBOSE) ? INFO : DEBUG2,
	        (errmsg("vacuumed store \"%s\": %.0f records, %.0f dead versions removed",
	                RelationGetRelationName(relation), records, pass.dead),
	         errdetail("%.0f changes are under way. Frozen up to transaction %u.", pass.running,
	                   frozen)));
}
