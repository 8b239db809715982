/* SPDX-License-Identifier: PostgreSQL
 *
 * count.c: how many keys a database has, and bytes; see count.h.
 *
 * While a transaction applies its write set, the observer adds up what it changes, per database and
 * epoch.  The commit hook adds the sum to shared memory: it runs when the changes are visible and
 * before the locks are released, so the census, which starts at a moment when no writer holds its
 * lock, sees every change exactly once - in the records or in the sum.
 *
 * A sum counts only for the epoch that the number is about.  FLUSHDB commits a new epoch, which
 * starts at zero; what belongs to an older one (a slow transaction, the sweep that removes what was
 * flushed) changes nothing.
 *
 * A number is about one store: the relation, in its PostgreSQL database, that was counted.  Numbered
 * databases exist in every PostgreSQL database that has the extension, and a store can be dropped and
 * made again; neither says anything about the number of another.  Its file can be exchanged as well
 * (TRUNCATE, VACUUM FULL, SET LOGGED), with other records in it and epochs that begin anew; so a number is
 * about a file.  Nobody writes while that happens, and whoever comes later finds the other file when
 * it opens the store, before its first change.
 *
 * All this is about the default tenant.  A number for every tenant would be a table without bounds in shared
 * memory, so another's keys are counted when it asks (DBSIZE goes through them in slices).  Of the others
 * that is known which limits and the sweep must know: the records of all of them together, and how often one of
 * them has emptied a database.  Whose epoch is over cannot be told of a sum: what another tenant has flushed
 * counts until the sweep has taken it, which begins with it at once.
 *
 * The parts of a collection say nothing of a tenant, so their bytes count for all of them together.  There is an
 * anchor with the parts of each, and a key's record that leads to it, until the key goes: the difference
 * is what the sweep has still to find.
 *
 * SWAPDB exchanges what two numbers mean.  What is known goes with the stores, at its commit, while nobody
 * else has either of them open.
 *
 * Rejected: a counter record per database (every write of every client would change it), and
 * counting when asked (ten million keys take seconds).
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/spin.h"
#include "utils/memutils.h"

#include "base/shmem.h"
#include "base/xact.h"
#include "kv/count.h"
#include "kv/type/key.h"

typedef struct CountShared
{
	struct
	{
		slock_t lock;
		bool known;
		Oid owner; /* the PostgreSQL database */
		Oid relation;
		Oid storage;
		uint64 epoch;
		KvCount count;
		KvCount others; /* records of all other tenants, flushed ones included */
		uint64 others_flushes;
		int64 evicted;
	} databases[KV_DATABASES];
} CountShared;

/* What the transaction under way changes in one store and epoch. */
typedef struct CountChange
{
	int number;
	Oid relation;
	Oid storage;
	uint64 epoch; /* OTHERS: of other tenants, whatever their epochs */
	KvCount count;
	uint64 flushes; /* of other tenants */
} CountChange;

#define OTHERS PG_UINT64_MAX

#define COUNT_CHANGES_MAX 64
#define COUNT_SWAPS_MAX   64

static CountShared *shared;
static struct
{
	int changes_count;
	bool overflowed; /* too many places: the numbers become unknown */
	CountChange changes[COUNT_CHANGES_MAX];
	int swaps_count; /* of databases, to be done in this order */
	struct
	{
		uint8 a, b;
	} swaps[COUNT_SWAPS_MAX];
} mine;

/* Whether the number is about this store and file; under the lock, or as a hint. */
static bool
count_is_of(int number, Oid relation, Oid storage)
{
	return OidIsValid(relation) && shared->databases[number].owner == MyDatabaseId &&
	       shared->databases[number].relation == relation &&
	       shared->databases[number].storage == storage;
}

/* Of what others change at the same time, under its lock. */
static void
count_add(volatile KvCount *count, const KvCount *more)
{
	count->keys += more->keys;
	count->expires += more->expires;
	count->bytes += more->bytes;
	count->dropped += more->dropped;
}

static CountChange *
change_for(int number, Oid relation, uint64 epoch)
{
	Oid storage = kv_database_storage(number);
	CountChange *change;

	for (int i = mine.changes_count - 1; i >= 0; i--)
		if (mine.changes[i].number == number && mine.changes[i].relation == relation &&
		    mine.changes[i].storage == storage && mine.changes[i].epoch == epoch)
			return &mine.changes[i];
	if (mine.changes_count == COUNT_CHANGES_MAX)
	{
		mine.overflowed = true;
		return NULL;
	}
	change = &mine.changes[mine.changes_count++];
	*change =
	    (CountChange){.number = number, .relation = relation, .storage = storage, .epoch = epoch};
	return change;
}

static void
count_part(int number, Oid relation, const PgfirstRecord *record, int sign)
{
	CountChange *change = change_for(number, relation, OTHERS);

	if (!change)
		return;
	change->count.dropped += record->kind == KV_KIND_ANCHOR ? sign : 0;
	change->count.bytes += sign * (int64) pgfirst_store_footprint(record->length);
}

static void
count_record(int number, Oid relation, const PgfirstRecord *record, int sign)
{
	KvHead head;
	CountChange *change;

	memcpy(&head, record->data, Min(record->length, sizeof(head)));
	if (head.layout == KV_LAYOUT_PAGED && (change = change_for(number, relation, OTHERS)) != NULL)
		change->count.dropped -= sign;
	/* An older epoch's records are garbage that no number counts. */
	if (head.tenant == 0 && count_is_of(number, relation, kv_database_storage(number)) &&
	    head.epoch < shared->databases[number].epoch)
		return;
	change = change_for(number, relation, head.tenant == 0 ? head.epoch : OTHERS);
	if (!change)
		return;
	change->count.keys += sign;
	change->count.expires += record->expiry != 0 ? sign : 0;
	change->count.bytes += sign * (int64) pgfirst_store_footprint(record->length);
}

static void
count_observe(Oid relation, const PgfirstRecord *before, const PgfirstRecord *after)
{
	int number = kv_database_number(relation);

	if (number < 0)
		return;
	if (after && after->kind == KV_KIND_EPOCH)
	{
		KvEpochRecord epoch;
		CountChange *change = NULL;

		if (kv_epoch_record(after, &epoch))
			change = change_for(number, relation, epoch.tenant == 0 ? epoch.epoch : OTHERS);
		if (change && epoch.tenant != 0)
			change->flushes++;
		return;
	}
	if (before && before->kind == KV_KIND_DIRECTORY)
		count_record(number, relation, before, -1);
	else if (before && kv_record_is_part(before))
		count_part(number, relation, before, -1);
	if (after && after->kind == KV_KIND_DIRECTORY)
		count_record(number, relation, after, 1);
	else if (after && kv_record_is_part(after))
		count_part(number, relation, after, 1);
}

static void
count_forget(void)
{
	mine.changes_count = 0;
	mine.overflowed = false;
	mine.swaps_count = 0;
}

/*
 * What is known of two stores changes places with them.  If a savepoint has taken the exchange back, what
 * stands under a number is about another store than its own, and is counted anew.
 */
static void
count_swap(int a, int b)
{
	typeof(shared->databases[0]) *first = &shared->databases[Min(a, b)];
	typeof(shared->databases[0]) *second = &shared->databases[Max(a, b)];
	typeof(shared->databases[0]) held;

	SpinLockAcquire(&first->lock);
	SpinLockAcquire(&second->lock);
	/* The locks as well: both are held. */
	held = *first;
	*first = *second;
	*second = held;
	SpinLockRelease(&second->lock);
	SpinLockRelease(&first->lock);
}

void
kv_count_swap(int a, int b)
{
	/* The catalog has too few databases for so many exchanges to be meant; what is unknown is counted. */
	if (mine.swaps_count == COUNT_SWAPS_MAX)
		return;
	mine.swaps[mine.swaps_count].a = (uint8) a;
	mine.swaps[mine.swaps_count++].b = (uint8) b;
}

/* The number that the store has now: its own transaction may have exchanged it since. */
static int
change_place(const CountChange *change)
{
	for (int i = 0; i < KV_DATABASES && mine.swaps_count > 0; i++)
		if (count_is_of(i, change->relation, change->storage))
			return i;
	return change->number;
}

static void
count_commit(XLogRecPtr position)
{
	for (int i = 0; i < mine.swaps_count; i++)
		count_swap(mine.swaps[i].a, mine.swaps[i].b);
	for (int i = 0; i < mine.changes_count; i++)
	{
		CountChange *change = &mine.changes[i];
		int number = change_place(change);
		volatile typeof(shared->databases[0]) *database = &shared->databases[number];

		SpinLockAcquire(&database->lock);
		if (!count_is_of(number, change->relation, change->storage))
		{
			SpinLockRelease(&database->lock);
			continue;
		}
		if (mine.overflowed)
			database->known = false;
		if (change->epoch == OTHERS)
		{
			count_add(&database->others, &change->count);
			database->others_flushes += change->flushes;
			SpinLockRelease(&database->lock);
			continue;
		}
		/* A new epoch starts at zero, whoever of those who use it commits first. */
		if (change->epoch > database->epoch)
		{
			database->epoch = change->epoch;
			database->count.keys = 0;
			database->count.expires = 0;
			database->count.bytes = 0;
		}
		if (change->epoch == database->epoch)
			count_add(&database->count, &change->count);
		SpinLockRelease(&database->lock);
	}
	count_forget();
}

/* What became visible although the transaction failed is in no sum. */
static void
count_abort(void)
{
	for (int i = 0; pgfirst_store_applied_apart() && i < mine.changes_count; i++)
	{
		volatile typeof(shared->databases[0]) *database =
		    &shared->databases[mine.changes[i].number];

		SpinLockAcquire(&database->lock);
		if (count_is_of(mine.changes[i].number, mine.changes[i].relation, mine.changes[i].storage))
			database->known = false;
		SpinLockRelease(&database->lock);
	}
	count_forget();
}

bool
kv_count_get(int number, KvCount *count)
{
	Oid relation = kv_database_relation(number);
	bool known;

	SpinLockAcquire(&shared->databases[number].lock);
	known = shared->databases[number].known &&
	        count_is_of(number, relation, kv_database_storage(number));
	*count = shared->databases[number].count;
	SpinLockRelease(&shared->databases[number].lock);
	return known;
}

bool
kv_count_others(int number, KvCountOthers *others)
{
	KvCount count;

	if (!kv_count_get(number, &count))
		return false;
	SpinLockAcquire(&shared->databases[number].lock);
	others->count = shared->databases[number].others;
	others->flushes = shared->databases[number].others_flushes;
	SpinLockRelease(&shared->databases[number].lock);
	return true;
}

bool
kv_count_all(int number, KvCount *count)
{
	KvCountOthers others;

	if (!kv_count_get(number, count) || !kv_count_others(number, &others))
		return false;
	count_add(count, &others.count);
	return true;
}

int64
kv_count_bytes(int number)
{
	const volatile typeof(shared->databases[0]) *database = &shared->databases[number];

	return database->known &&
	               count_is_of(number, kv_database_relation(number), kv_database_storage(number))
	           ? database->count.bytes + database->others.bytes
	           : 0;
}

void
kv_count_evicted(int number, int64 keys)
{
	SpinLockAcquire(&shared->databases[number].lock);
	shared->databases[number].evicted += keys;
	SpinLockRelease(&shared->databases[number].lock);
}

int64
kv_count_evictions(int number)
{
	int64 evicted;

	SpinLockAcquire(&shared->databases[number].lock);
	evicted =
	    shared->databases[number].owner == MyDatabaseId ? shared->databases[number].evicted : 0;
	SpinLockRelease(&shared->databases[number].lock);
	return evicted;
}

/* ---- the census -------------------------------------------------------------------------- */

typedef struct Census
{
	KvSpace *space;
	Oid relation;
	Oid storage;
	bool stale; /* flushed after the space was opened */
	KvCount count;
	KvCount others;
} Census;

static void
census_at_rest(void *context)
{
	Census *census = context;
	int number = census->space->number;

	SpinLockAcquire(&shared->databases[number].lock);
	if (!count_is_of(number, census->relation, census->storage))
	{
		shared->databases[number].known = false;
		shared->databases[number].owner = MyDatabaseId;
		shared->databases[number].relation = census->relation;
		shared->databases[number].storage = census->storage;
		shared->databases[number].epoch = 0;
		shared->databases[number].evicted = 0;
	}
	census->stale = shared->databases[number].epoch > census->space->epoch;
	if (!census->stale)
	{
		shared->databases[number].epoch = census->space->epoch;
		shared->databases[number].count = (KvCount){0};
		shared->databases[number].others = (KvCount){0};
	}
	SpinLockRelease(&shared->databases[number].lock);
}

static void
census_each(const PgfirstRecord *record, void *context)
{
	Census *census = context;
	KvCount *count = &census->count;
	KvHead head;

	if (kv_record_is_part(record))
	{
		census->others.dropped += record->kind == KV_KIND_ANCHOR;
		census->others.bytes += (int64) pgfirst_store_footprint(record->length);
	}
	if (record->kind != KV_KIND_DIRECTORY)
		return;
	kv_record_head(record, &head);
	census->others.dropped -= head.layout == KV_LAYOUT_PAGED;
	if (head.tenant != census->space->tenant)
		count = &census->others;
	else if (head.epoch != census->space->epoch)
		return;
	count->keys++;
	count->expires += record->expiry != 0;
	count->bytes += (int64) pgfirst_store_footprint(record->length);
}

bool
kv_count_census(KvSpace *space)
{
	int number = space->number;
	Census census = {.space = space,
	                 .relation = kv_database_relation(number),
	                 .storage = pgfirst_store_storage(space->store)};
	KvCount now;

	if (kv_count_get(number, &now))
		return true;
	if (!pgfirst_store_census(space->store, sizeof(KvHead), false, census_at_rest, census_each,
	                          &census) ||
	    census.stale)
		return false;
	SpinLockAcquire(&shared->databases[number].lock);
	/* Flushed meanwhile: what was counted is gone, and the number started from zero by itself. */
	if (shared->databases[number].epoch == space->epoch)
		count_add(&shared->databases[number].count, &census.count);
	count_add(&shared->databases[number].others, &census.others);
	shared->databases[number].known = true;
	SpinLockRelease(&shared->databases[number].lock);
	return true;
}

KvCount
kv_count_walk(KvSpace *space)
{
	MemoryContext each =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst kv count", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = CurrentMemoryContext;
	PgfirstWalk *walk = pgfirst_store_walk(space->store, NULL, sizeof(KvHead));
	Census census = {.space = space};
	PgfirstRecord record;

	MemoryContextSwitchTo(each);
	while (pgfirst_walk_next(walk, &record))
	{
		CHECK_FOR_INTERRUPTS();
		census_each(&record, &census);
		MemoryContextReset(each);
	}
	MemoryContextSwitchTo(caller);
	pgfirst_walk_end(walk);
	MemoryContextDelete(each);
	return census.count;
}

static void
count_shared_init(void *fresh)
{
	CountShared *fresh_shared = fresh;

	for (int i = 0; i < KV_DATABASES; i++)
		SpinLockInit(&fresh_shared->databases[i].lock);
}

void
kv_count_init(void)
{
	static const PgfirstXactHooks hooks = {
	    .name = "key counts", .commit = count_commit, .abort = count_abort};

	pgfirst_shmem_request("pgfirst kv counts", sizeof(CountShared), (void **) &shared,
	                      count_shared_init);
	pgfirst_xact_register(PGFIRST_XACT_KV, &hooks);
	pgfirst_store_observe(count_observe, sizeof(KvHead));
}
