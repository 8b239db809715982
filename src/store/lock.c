/* SPDX-License-Identifier: PostgreSQL
 *
 * lock.c: which locks this transaction holds, and what it does instead of the 1,001st.
 *
 * A record's lock is the key lock of the first eight bytes of its id: records whose ids begin alike
 * (the parts of one collection) share a lock.  PostgreSQL's lock manager keeps the truth; here
 * stands which of these locks are already held, because asking for one again must cost next to
 * nothing, and because they are counted.
 *
 * Savepoints.  Key locks belong to the subtransaction that took them: PostgreSQL releases them on
 * ROLLBACK TO and hands them to the parent on RELEASE.  The list here does the same.  It is a
 * stack, newest last, because subtransactions end in the reverse order of their beginning.
 * Relation locks are taken for the top transaction and outlive any savepoint: an open store stays
 * open.
 *
 * Past the limit there are two ways to keep others away from what this transaction writes:
 *
 *   exclusive now        ShareRowExclusiveLock on the relation.  It conflicts with the writers'
 *                        RowExclusiveLock and not with readers.  For changes that depend on what
 *                        they read, and for whoever must not wait later (wait false).
 *   exclusive at commit  the same lock, taken before the write set is applied.  For changes that
 *                        depend on nothing: the versions they replace are looked up then.
 *
 * Two transactions that both get there while the other has written already are a deadlock, which
 * PostgreSQL finds at once; one of them fails and may try again.
 *
 * A loop that changes hundreds of keys a millisecond pays more for their locks than for the changes. Where it is the
 * only one, it takes one key's lock and, for a second key, that of all writers of the store (pgfirst_store_lock_whole),
 * until the end of its turn.  That is a lock of its own, not one of the relation: all others of such a server take it
 * in a shared mode when they open the store to write.  PostgreSQL does not look into the fast-path locks of every
 * process for it, and it costs as much as one key.  Others who want to write wait for the turn, some milliseconds at
 * most, but not again and again: whoever opens a store to write leaves a sign, before it asks for the lock, and the
 * loop that finds it takes keys one by one for a while.  So an SQL session that writes all the time waits for keys, not
 * for turns.  The sign is only a wish: who leaves it just after the loop has looked waits for one turn.  A command that
 * locks hundreds of keys tries once to have the whole store's whatever the sign says: PostgreSQL's table of a process's
 * own locks keeps the size that it once had, and is gone through twice at each commit.  With a thousand places that took
 * 3 us of each turn from then on, for good.
 *
 * Rejected: no locks at all while nobody has announced itself (a loop would have to tell the others
 * when its turn is over, which is what the lock does), a table of locks of our own (no deadlock
 * detection between keys and everything else), the store's lock for the first key already (how many keys are
 * locked says whether a command can still be put off), and the relation's lock for it (it costs some dozens of keys,
 * so that turns of fewer took each of them, which was a tenth of the CPU of SET without pipelining).
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/inval.h"

#include "base/compat.h"
#include "base/keylock.h"
#include "base/shmem.h"
#include "base/worker.h"
#include "store/store_int.h"

#define TABLE_SIZE 2048 /* a power of two, twice PGFIRST_LOCKS_MAX */
#define TABLE_NONE 0

#define WHOLE_REST_US ((int64) 100 * 1000) /* without the whole store's lock, once somebody wrote */
#define LOCKS_MANY    256 /* from which on it is tried anyway; turns of few keys end before */

typedef struct HeldLock
{
	PgfirstKey key;
	SubTransactionId owner;
} HeldLock;

static struct
{
	int count;
	HeldLock held[PGFIRST_LOCKS_MAX];
	uint16 table[TABLE_SIZE]; /* 1 + where it stands in held; linear probing */

	bool one_loop; /* of this server: the same in all processes */
	/* Of a loop that may take a whole store's lock. */
	bool loop;
	bool whole;             /* in this transaction */
	bool refused;           /* in this transaction it was */
	int spared;             /* locks of keys not taken, because it has the whole store's */
	int64 now;              /* when the transaction began, on pgfirst_clock_monotonic_us */
	int64 whole_not_before; /* on the same clock */
} locks;

typedef struct LockShared
{
	pg_atomic_uint32 writer; /* 1: somebody who is no loop has opened a store to write */
} LockShared;

static LockShared *shared;

StaticAssertDecl(TABLE_SIZE >= 2 * PGFIRST_LOCKS_MAX, "the table of held locks stays half empty");

static PgfirstKey
record_key(PgfirstStore *store, const PgfirstId *id)
{
	PgfirstKey key = {.relation = store->oid};

	memcpy(&key.bits, id->bytes, sizeof(key.bits));
	return key;
}

/* Where the key stands in the table, or would stand. */
static uint32
table_place(const PgfirstKey *key)
{
	uint64 mixed = (key->bits ^ key->relation) * UINT64CONST(0x9E3779B97F4A7C15);
	uint32 place = (uint32) (mixed >> 32) % TABLE_SIZE;

	while (locks.table[place] != TABLE_NONE)
	{
		const PgfirstKey *other = &locks.held[locks.table[place] - 1].key;

		if (other->bits == key->bits && other->relation == key->relation)
			break;
		place = (place + 1) % TABLE_SIZE;
	}
	return place;
}

/* Shortens the stack; the table is made anew, which costs less than deleting from it. */
static void
locks_truncate(int count)
{
	if (locks.count == count)
		return;
	locks.count = count;
	memset(locks.table, TABLE_NONE, sizeof(locks.table));
	for (int i = 0; i < count; i++)
		locks.table[table_place(&locks.held[i].key)] = (uint16) (i + 1);
}

bool
pgfirst_lock_relation(Oid relation, int mode, bool wait)
{
	ResourceOwner old = CurrentResourceOwner;
	bool locked = true;

	CurrentResourceOwner = TopTransactionResourceOwner;
	if (wait)
		LockRelationOid(relation, mode);
	else
		locked = ConditionalLockRelationOid(relation, mode);
	CurrentResourceOwner = old;
	return locked;
}

void
pgfirst_unlock_relation(Oid relation, int mode)
{
	ResourceOwner old = CurrentResourceOwner;

	CurrentResourceOwner = TopTransactionResourceOwner;
	UnlockRelationOid(relation, mode);
	CurrentResourceOwner = old;
	/* Before the end of the transaction: nobody else would wake those who wait. */
	pgfirst_bell_ring(PGFIRST_BELL_LOCK);
}

static bool
store_lock_exclusive(PgfirstStore *store, bool wait)
{
	if (!pgfirst_lock_relation(store->oid, ShareRowExclusiveLock, wait))
		return false;
	store->exclusive = true;
	pgfirst_keylock_loud();
	return true;
}

bool
pgfirst_store_lock_all(PgfirstStore *store, bool wait)
{
	if (!store->for_write)
		elog(ERROR, "store %u is not open for writing", store->oid);
	return store->exclusive || store_lock_exclusive(store, wait);
}

/* ---- the whole store's lock instead of many keys' ------------------------------------------------ */

/* The lock of all writers of the store. */
static bool
lock_writers(Oid relation, int mode, bool wait)
{
	ResourceOwner old = CurrentResourceOwner;
	LOCKTAG tag;
	bool locked = true;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, RelationRelationId, relation, STORE_LOCK_WRITERS);
	CurrentResourceOwner = TopTransactionResourceOwner;
	if (wait)
	{
		/* As with a relation: what has been changed while it waited is heard of. */
		if (LockAcquire(&tag, mode, false, false) == LOCKACQUIRE_OK)
			AcceptInvalidationMessages();
	}
	else
		locked = LockAcquireTry(&tag, mode) != LOCKACQUIRE_NOT_AVAIL;
	CurrentResourceOwner = old;
	return locked;
}

bool
pgfirst_lock_to_write(Oid relation, bool wait)
{
	if (!locks.one_loop || locks.loop)
		return pgfirst_lock_relation(relation, RowExclusiveLock, wait);
	/* Mostly it has been set already, and looking does not take the line from other processes. */
	if (shared != NULL && pg_atomic_read_u32(&shared->writer) == 0)
		pg_atomic_write_u32(&shared->writer, 1);
	return pgfirst_lock_relation(relation, RowExclusiveLock, wait) &&
	       lock_writers(relation, RowExclusiveLock, wait);
}

void
pgfirst_store_expect_loop(void)
{
	locks.one_loop = true;
}

void
pgfirst_store_lock_whole(int64 now_us)
{
	if (!locks.one_loop || shared == NULL)
		return;
	locks.loop = true;
	if (pg_atomic_read_u32(&shared->writer) != 0)
	{
		pg_atomic_write_u32(&shared->writer, 0);
		locks.whole_not_before = now_us + WHOLE_REST_US;
	}
	locks.now = now_us;
	locks.refused = false;
	locks.whole = now_us >= locks.whole_not_before;
}

/* One try; whoever was in the way may stay there for long. */
static bool
lock_whole(PgfirstStore *store)
{
	store->exclusive = lock_writers(store->oid, ExclusiveLock, false);
	if (!store->exclusive)
	{
		locks.whole = false;
		locks.refused = true;
		locks.whole_not_before = locks.now + WHOLE_REST_US;
	}
	return store->exclusive;
}

/* ---- keys -------------------------------------------------------------------------------------- */

bool
pgfirst_store_lock(PgfirstStore *store, const PgfirstId *id, bool conditional, bool wait)
{
	PgfirstKey key = record_key(store, id);
	uint32 place;

	if (!store->for_write)
		elog(ERROR, "store %u is not open for writing", store->oid);
	if (store->exclusive)
	{
		/* A loop bounds its turns by its locks, and what it changes without them takes as long. */
		if (locks.loop)
			locks.spared++;
		return true;
	}
	place = table_place(&key);
	if (locks.table[place] != TABLE_NONE)
		return true;

	if (locks.loop && !locks.refused && locks.count >= (locks.whole ? 1 : LOCKS_MANY) &&
	    lock_whole(store))
		return true;
	if (locks.count == PGFIRST_LOCKS_MAX)
	{
		if (conditional || !wait)
			return store_lock_exclusive(store, wait);
		store->exclusive_at_commit = true;
		return true;
	}

	if (wait)
		pgfirst_keylock_acquire(&key);
	else if (!pgfirst_keylock_try(&key))
	{
		pgfirst_store_point("after a lock refused");
		return false;
	}
	locks.held[locks.count].key = key;
	locks.held[locks.count].owner = GetCurrentSubTransactionId();
	locks.table[place] = (uint16) ++locks.count;
	return true;
}

int
pgfirst_store_lock_holder(PgfirstStore *store, const PgfirstId *id)
{
	PgfirstKey key = record_key(store, id);

	if (locks.count == PGFIRST_LOCKS_MAX && locks.table[table_place(&key)] == TABLE_NONE)
		return pgfirst_keylock_relation_holder(store->oid, ShareRowExclusiveLock);
	return pgfirst_keylock_holder(&key);
}

/* Before the write set is applied: keeps everybody away from what has been put without a lock. */
void
pgfirst_lock_before_apply(PgfirstStore *store)
{
	if (store->exclusive_at_commit && !store->exclusive)
		(void) store_lock_exclusive(store, true);
}

int
pgfirst_store_locks(void)
{
	return locks.count;
}

int
pgfirst_store_locks_spared(void)
{
	return locks.spared;
}

void
pgfirst_lock_forget(void)
{
	locks_truncate(0);
	locks.whole = false;
	locks.spared = 0;
}

void
pgfirst_lock_sub_commit(SubTransactionId child, SubTransactionId parent)
{
	for (int i = locks.count - 1; i >= 0 && locks.held[i].owner == child; i--)
		locks.held[i].owner = parent;
}

void
pgfirst_lock_sub_abort(SubTransactionId child)
{
	int count = locks.count;

	while (count > 0 && locks.held[count - 1].owner == child)
		count--;
	locks_truncate(count);
}

static void
shared_init(void *fresh)
{
	pg_atomic_init_u32(&((LockShared *) fresh)->writer, 0);
}

void
pgfirst_lock_init(void)
{
	pgfirst_shmem_request("pgfirst store locks", sizeof(LockShared), (void **) &shared,
	                      shared_init);
}
