/* SPDX-License-Identifier: PostgreSQL
 *
 * keylock.c: one writer at a time for one record; see keylock.h.
 *
 * The tag is LOCKTAG_USERLOCK, which no SQL function of PostgreSQL produces, with the fields
 *
 *     database   relation ^ high half   low half   0
 *
 * 64 bits of a keyed hash of the id are enough: two records that share a tag only wait for each
 * other once in 2^32 pairs, and nothing but the waiting depends on it.  The relation is mixed into
 * the high half because a tag has no field left for it.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"

#include "base/compat.h"
#include "base/keylock.h"
#include "base/worker.h"
#include "base/xact.h"

static struct
{
	bool quiet; /* see pgfirst_keylock_quiet() */
	bool took;  /* this transaction has taken a key's lock */
} mine;

static void
keylock_tag(const PgfirstKey *key, LOCKTAG *tag)
{
	memset(tag, 0, sizeof(*tag));
	tag->locktag_field1 = MyDatabaseId;
	tag->locktag_field2 = (uint32) key->relation ^ (uint32) (key->bits >> 32);
	tag->locktag_field3 = (uint32) key->bits;
	tag->locktag_field4 = 0;
	tag->locktag_type = LOCKTAG_USERLOCK;
	tag->locktag_lockmethodid = USER_LOCKMETHOD;
}

void
pgfirst_keylock_acquire(const PgfirstKey *key)
{
	LOCKTAG tag;

	keylock_tag(key, &tag);
	LockAcquire(&tag, ExclusiveLock, false, false);
	mine.took = true;
}

bool
pgfirst_keylock_try(const PgfirstKey *key)
{
	LOCKTAG tag;

	keylock_tag(key, &tag);
	if (LockAcquireTry(&tag, ExclusiveLock) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	mine.took = true;
	return true;
}

/* The first process that holds what conflicts with mode; 0 if none, or if it just left. */
static int
keylock_conflict(const LOCKTAG *tag, LOCKMODE mode)
{
	VirtualTransactionId *holders = GetLockConflicts(tag, mode, NULL);

	for (; VirtualTransactionIdIsValid(*holders); holders++)
	{
		PGPROC *proc = ProcNumberGetProc(VXID_PROC_NUMBER(*holders));

		if (proc && proc->pid != 0)
			return proc->pid;
	}
	return 0;
}

int
pgfirst_keylock_holder(const PgfirstKey *key)
{
	LOCKTAG tag;

	keylock_tag(key, &tag);
	return keylock_conflict(&tag, ExclusiveLock);
}

int
pgfirst_keylock_relation_holder(Oid relation, int mode)
{
	LOCKTAG tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, relation);
	return keylock_conflict(&tag, mode);
}

void
pgfirst_keylock_park(bool parked)
{
	pgfirst_bell_want(PGFIRST_BELL_LOCK, parked);
}

static void
keylock_released(void)
{
	if (!mine.quiet || mine.took)
		pgfirst_bell_ring(PGFIRST_BELL_LOCK);
	mine.quiet = mine.took = false;
}

void
pgfirst_keylock_quiet(void)
{
	mine.quiet = true;
}

void
pgfirst_keylock_loud(void)
{
	mine.quiet = false;
}

void
pgfirst_keylock_init(void)
{
	static const PgfirstXactHooks hooks = {
	    .name = "locks of keys", .released = keylock_released, .sub_released = keylock_released};

	pgfirst_xact_register(PGFIRST_XACT_KEYLOCK, &hooks);
}
