/* SPDX-License-Identifier: PostgreSQL
 *
 * census.c: counting all records while others go on writing.
 *
 * Whoever keeps counts (the observer) hears of every change.  To begin, it needs the number of what is
 * there, and each change in that number or heard of, but not both.  There is no snapshot that could
 * say what belongs to the number.  So the census goes through the leaves in order, with a cursor in
 * shared memory that says how far it has come, and every change asks, while it holds the lock of its
 * leaf: behind the cursor, it is told to the observer; in front of it, it will be found there.
 *
 *   - The census reads a leaf and moves the cursor to its end under one share lock, the change is made
 *     and the cursor looked at under one exclusive lock: the two are one before the other.
 *   - A change that is tagged with a transaction id happens later, at the commit.  So the census
 *     does not pass a leaf with the tag of a running transaction but waits for its end; tags are
 *     put on pages shortly before the commit, but for those of a transaction that is too large for memory, for which
 *     who has other things to do does not wait.  Then what was tagged in front of the cursor is found
 *     as it came out, and what was tagged behind it is told when it commits.
 *   - Changes that were made before the cursor existed are told at their commit as well.  ShareLock on
 *     the relation, held while the cursor is set up, conflicts with every writer's lock, and writers
 *     hold theirs until after their commit hooks; so then there are none.
 *
 * Rejected: keeping writers out until all is counted (ten million records take seconds).
 */
#include "postgres.h"

#include "access/transam.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "storage/spin.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/shmem.h"
#include "store/store_int.h"

#define CENSUSES_MAX 16 /* at the same time, in the whole server */

#define RUNNER_WAIT_US ((int64) 100 * 1000) /* for a transaction, by who has other things to do */
#define RUNNER_STEP_US 500

typedef struct CensusSlot
{
	Oid database;
	Oid relation; /* InvalidOid: the slot is free */
	StoreKey cursor;
} CensusSlot;

typedef struct CensusShared
{
	slock_t lock;
	volatile int active;
	CensusSlot slots[CENSUSES_MAX];
} CensusShared;

static CensusShared *shared;

bool
pgfirst_census_passed(PgfirstStore *store, const StoreKey *key)
{
	bool passed = true;

	if (likely(shared == NULL || shared->active == 0))
		return true;
	SpinLockAcquire(&shared->lock);
	for (int i = 0; i < CENSUSES_MAX; i++)
		if (shared->slots[i].relation == store->oid && shared->slots[i].database == MyDatabaseId)
			passed = store_key_compare(key, &shared->slots[i].cursor) < 0;
	SpinLockRelease(&shared->lock);
	return passed;
}

/* False if there is no slot, or somebody else counts this store. */
static bool
census_begin(PgfirstStore *store, CensusSlot **slot)
{
	*slot = NULL;
	SpinLockAcquire(&shared->lock);
	for (int i = 0; i < CENSUSES_MAX; i++)
	{
		CensusSlot *other = &shared->slots[i];

		if (other->relation == store->oid && other->database == MyDatabaseId)
		{
			*slot = NULL;
			break;
		}
		if (!OidIsValid(other->relation) && *slot == NULL)
			*slot = other;
	}
	if (*slot != NULL)
	{
		**slot = (CensusSlot){.database = MyDatabaseId, .relation = store->oid};
		shared->active++;
	}
	SpinLockRelease(&shared->lock);
	return *slot != NULL;
}

static void
census_move(CensusSlot *slot, const StoreKey *to)
{
	SpinLockAcquire(&shared->lock);
	slot->cursor = *to;
	SpinLockRelease(&shared->lock);
}

/* Also when the process ends in the middle of it. */
static void
census_end(int code, Datum arg)
{
	CensusSlot *slot = (CensusSlot *) DatumGetPointer(arg);

	SpinLockAcquire(&shared->lock);
	slot->relation = InvalidOid;
	shared->active--;
	SpinLockRelease(&shared->lock);
}

/* The running transaction whose tag stands on the leaf, if there is one. */
static TransactionId
leaf_runner(Page page)
{
	StoreVersions versions;

	for (int slot = 0; slot < store_page_count(page);)
	{
		slot = pgfirst_versions_at(page, slot, &versions);
		if (versions.tag == STORE_TAG_RUNNING)
			return versions.tagged->xid;
	}
	return InvalidTransactionId;
}

/* Counts from `next` on: a leaf that was merged with the one before it has counted records in front. */
static void
leaf_count(PgfirstStore *store, Page page, const StoreKey *next, Size limit,
           void (*each)(const PgfirstRecord *record, void *context), void *context)
{
	for (int slot = pgfirst_page_search(page, next); slot < store_page_count(page);)
	{
		StoreVersions versions;
		PgfirstRecord record;

		slot = pgfirst_versions_at(page, slot, &versions);
		if (versions.visible == NULL || versions.visible->space != STORE_SPACE_RECORDS)
			continue;
		(void) pgfirst_item_read(store, versions.visible, limit, &record);
		each(&record, context);
	}
}

/* Waits until the transaction has ended; false: it goes on for longer than `wait_us`, if that is not zero. */
static bool
runner_wait(TransactionId runner, int64 wait_us)
{
	int64 until_us = pgfirst_clock_monotonic_us() + wait_us;

	if (wait_us == 0)
	{
		XactLockTableWait(runner, NULL, NULL, XLTW_None);
		return true;
	}
	while (!XactLockTableTry(runner))
	{
		if (pgfirst_clock_monotonic_us() >= until_us)
			return false;
		CHECK_FOR_INTERRUPTS();
		pg_usleep(RUNNER_STEP_US);
	}
	return true;
}

static bool
census_run(PgfirstStore *store, CensusSlot *slot, Size limit, int64 wait_us,
           void (*each)(const PgfirstRecord *record, void *context), void *context)
{
	StoreKey next = {.space = STORE_SPACE_RECORDS};
	BlockNumber block = InvalidBlockNumber;
	StoreLeaf leaf;

	while (next.space == STORE_SPACE_RECORDS && pgfirst_leaf_lock_at(store, block, &next, &leaf))
	{
		TransactionId runner = leaf_runner(leaf.page);
		StoreTail *tail = store_page_tail(leaf.page);

		if (TransactionIdIsValid(runner))
		{
			pgfirst_page_unlock(&leaf);
			if (!runner_wait(runner, wait_us))
				return false;
			continue;
		}
		leaf_count(store, leaf.page, &next, limit, each, context);
		next = store_page_high(leaf.page);
		block = tail->right;
		census_move(slot, &next);
		pgfirst_page_unlock(&leaf);
		MemoryContextReset(CurrentMemoryContext);
		CHECK_FOR_INTERRUPTS();
		pgfirst_store_point("a leaf is counted");
	}
	return true;
}

bool
pgfirst_store_census(PgfirstStore *store, Size limit, bool wait, void (*at_rest)(void *),
                     void (*each)(const PgfirstRecord *record, void *context), void *context)
{
	MemoryContext per_leaf;
	MemoryContext old;
	CensusSlot *slot;
	bool whole;

	if (limit > STORE_LARGE_PREFIX)
		elog(ERROR, "a census reads %d bytes of a record at most", STORE_LARGE_PREFIX);
	if (!pgfirst_lock_relation(store->oid, ShareLock, wait))
		return false;
	if (!census_begin(store, &slot))
	{
		pgfirst_unlock_relation(store->oid, ShareLock);
		return false;
	}
	per_leaf =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst census", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(per_leaf);
	PG_ENSURE_ERROR_CLEANUP(census_end, PointerGetDatum(slot));
	{
		at_rest(context);
		pgfirst_unlock_relation(store->oid, ShareLock);
		whole = census_run(store, slot, limit, wait ? 0 : RUNNER_WAIT_US, each, context);
	}
	PG_END_ENSURE_ERROR_CLEANUP(census_end, PointerGetDatum(slot));
	census_end(0, PointerGetDatum(slot));
	MemoryContextSwitchTo(old);
	MemoryContextDelete(per_leaf);
	return whole;
}

static void
census_shared_init(void *fresh)
{
	SpinLockInit(&((CensusShared *) fresh)->lock);
}

void
pgfirst_census_init(void)
{
	pgfirst_shmem_request("pgfirst store census", sizeof(CensusShared), (void **) &shared,
	                      census_shared_init);
}
