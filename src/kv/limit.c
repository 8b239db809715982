/* SPDX-License-Identifier: PostgreSQL
 *
 * limit.c: how large a database may become, and what happens when it would become larger; see limit.h.
 *
 * By default a database has no limit and nothing is ever evicted, so that no cache can take a queue's
 * place.  max_size limits the bytes that the records of living keys take of the file (count.c knows them);
 * the file itself has room for changes between and may be about twice as large.  It is the database's own limit:
 * the keys of all tenants count, whoever fills it is refused with everybody else, and whosever keys are used
 * least are evicted.  (Rejected: the default tenant's keys alone, so that another tenant's had no limit, and
 * everybody was refused for what one tenant had; a limit for each tenant, for which each had to be
 * counted.)
 *
 *       0                          max_size                     max_size + 1/16
 *       ├──────────────────────────────┼──────────────────────────────┤
 *       │          evictor rests       │  evictor works, writers go on │ writers wait for it
 *       └───────────────────────── ▲ ──┴──────────────────────────────┘
 *                    it works down to here: max_size - 1/64
 *
 * Without eviction, commands that take room are refused beyond max_size, in Redis's words.  With it the
 * process `pgfirst upkeep` evicts (net/evict.c): no client's loop has that to do, and what is evicted is
 * deleted as by DEL.  Writers who are faster than it are parked until it has caught up; so the database
 * stays below its limit and a sixteenth, and what the turns under way write.
 *
 * Which keys are used is noted in a table of fixed size in shared memory, lib/evict/usage.h, for all
 * databases that evict: a read changes no page and nothing of it is logged.  Nothing of it survives a
 * restart either; the cache learns anew, by what is asked for.
 *
 * Rejected: a queue of keys in the order of their use (a list in shared memory with an entry per key,
 * changed under a lock by every read); noting uses in the records (every read a write, and on a logged
 * store WAL); eviction by the worker that writes (its other clients would wait for it).
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/wait_event.h"

#include "base/clock.h"
#include "base/shmem.h"
#include "base/xact.h"
#include "kv/count.h"
#include "kv/limit.h"
#include "kv/settings.h"

#define HARD_PART    16 /* of max_size, by which it is exceeded at most */
#define RESERVE_PART 64 /* of it, below which eviction ends */
#define WAIT_MS      5

typedef struct LimitShared
{
	Latch *evictor; /* of a PGPROC, which is shared memory that outlives the process; NULL: none */
	pg_atomic_uint32 asked;
} LimitShared;

static LimitShared *shared;
static Usage *usage;

static struct
{
	bool configured; /* by the transaction under way */
	bool news;       /* by one that has committed; its locks are being released */
} mine;

static bool
only_expiring(KvEviction eviction)
{
	return eviction >= KV_EVICT_VOLATILE_LRU;
}

static EvictionOrder
order_of(KvEviction eviction)
{
	switch (eviction)
	{
		case KV_EVICT_ALLKEYS_LRU:
		case KV_EVICT_VOLATILE_LRU:
			return EVICTION_LRU;
		case KV_EVICT_ALLKEYS_LFU:
		case KV_EVICT_VOLATILE_LFU:
			return EVICTION_LFU;
		case KV_EVICT_VOLATILE_TTL:
			return EVICTION_TTL;
		default:
			return EVICTION_RANDOM;
	}
}

/* ---- room -------------------------------------------------------------------------------- */

static void
evictor_wake(void)
{
	Latch *evictor = shared->evictor;

	if (pg_atomic_read_u32(&shared->asked) == 0 && pg_atomic_exchange_u32(&shared->asked, 1) == 0 &&
	    evictor)
		SetLatch(evictor);
}

KvRoom
kv_limit_room(int number)
{
	const KvSettings *settings = kv_database_settings(number);
	KvCount count;
	int64 bytes;

	if (likely(settings->max_size == 0))
		return KV_ROOM;
	bytes = kv_count_bytes(number);
	/* Not counted yet: after a start, or when its table has been written anew. */
	if (bytes == 0)
		evictor_wake();
	if (bytes <= settings->max_size)
		return KV_ROOM;
	if (settings->eviction == KV_EVICT_NOTHING ||
	    (only_expiring(settings->eviction) && kv_count_all(number, &count) && count.expires == 0))
		return KV_ROOM_NONE;
	evictor_wake();
	return bytes - settings->max_size > settings->max_size / HARD_PART ? KV_ROOM_SOON : KV_ROOM;
}

/*
 * Whoever has locked keys already is not kept waiting with them: they may be what the evictor waits for,
 * and what one transaction changes is limited as it is.
 */
void
kv_limit_require(int number)
{
	int64 deadline_us = pgfirst_clock_monotonic_us() + (int64) pgfirst_redis_lock_timeout * 1000;
	KvRoom room;

	while ((room = kv_limit_room(number)) == KV_ROOM_SOON && pgfirst_store_locks() == 0 &&
	       pgfirst_clock_monotonic_us() < deadline_us)
	{
		CHECK_FOR_INTERRUPTS();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, WAIT_MS,
		                 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	if (room == KV_ROOM || (room == KV_ROOM_SOON && pgfirst_store_locks() > 0))
		return;
	ereport(ERROR,
	        (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED), errmsg("database %d is full", number),
	         errdetail("Its keys take " INT64_FORMAT " bytes; its max_size is " INT64_FORMAT ".",
	                   kv_count_bytes(number), kv_database_settings(number)->max_size),
	         room == KV_ROOM_SOON
	             ? errhint("Keys are evicted more slowly than others write; pg_stat_activity shows "
	                       "what the process \"pgfirst upkeep\" waits for.")
	             : errhint("Delete keys, or let it be larger or evict keys, with kv.configure(%d, "
	                       "max_size => …, eviction => …).",
	                       number)));
}

/* ---- uses -------------------------------------------------------------------------------- */

void
kv_limit_attach(KvSpace *space)
{
	EvictionOrder order = order_of(kv_database_settings(space->number)->eviction);
	KvCount count;

	space->usage = order == EVICTION_LRU || order == EVICTION_LFU ? usage : NULL;
	space->salt = pgfirst_store_relation(space->store);
	if (space->usage)
		space->half_life = pgfirst_usage_half_life(
		    kv_count_all(space->number, &count) ? (uint64) Max(count.keys, 0) : 0);
}

/* ---- the evictor ------------------------------------------------------------------------- */

static void
evictor_leaves(int code, Datum arg)
{
	shared->evictor = NULL;
}

void
kv_limit_evictor(void)
{
	shared->evictor = &MyProc->procLatch;
	pg_atomic_write_u32(&shared->asked, 0);
	before_shmem_exit(evictor_leaves, 0);
}

bool
kv_limit_asked(void)
{
	return pg_atomic_read_u32(&shared->asked) != 0 &&
	       pg_atomic_exchange_u32(&shared->asked, 0) != 0;
}

/*
 * It is woken when the transaction's locks are gone: by then everybody can hear of what has changed, and the
 * evictor, which looks at the settings of each slice anew, sees them.
 */
void
kv_limit_configured(void)
{
	mine.configured = true;
}

static void
limit_commit(XLogRecPtr position)
{
	mine.news = mine.configured;
	mine.configured = false;
}

static void
limit_abort(void)
{
	mine.configured = false;
}

static void
limit_released(void)
{
	if (likely(!mine.news))
		return;
	mine.news = false;
	evictor_wake();
}

int64
kv_limit_excess(int number)
{
	const KvSettings *settings = kv_database_settings(number);
	int64 bytes;

	if (settings->max_size == 0 || settings->eviction == KV_EVICT_NOTHING)
		return 0;
	bytes = kv_count_bytes(number);
	if (bytes <= settings->max_size)
		return 0;
	return bytes - settings->max_size + settings->max_size / RESERVE_PART;
}

bool
kv_limit_worth(const KvSpace *space, const PgfirstRecord *record, uint64 *worth)
{
	KvEviction eviction = kv_database_settings(space->number)->eviction;
	UsageOf used = {0};

	if (only_expiring(eviction) && record->expiry == 0)
		return false;
	if (space->usage)
		used = pgfirst_usage_of(space->usage, record->id.bytes, space->salt, space->half_life);
	*worth = pgfirst_victim_worth(order_of(eviction), used, record->expiry);
	return true;
}

static void
limit_shared_init(void *fresh)
{
	pg_atomic_init_u32(&((LimitShared *) fresh)->asked, 0);
}

/* The lines of the table: a power of two of them, within what the setting allows. */
static uint32
usage_lines(void)
{
	Size bytes = (Size) pgfirst_redis_usage_memory * 1024;
	uint32 lines = 1;

	while (pgfirst_usage_size(lines * 2) <= bytes)
		lines *= 2;
	return lines;
}

static void
usage_init(void *fresh)
{
	pgfirst_usage_begin(fresh, usage_lines());
}

void
kv_limit_init(void)
{
	static const PgfirstXactHooks hooks = {
	    .name = "limits", .commit = limit_commit, .abort = limit_abort, .released = limit_released};

	pgfirst_xact_register(PGFIRST_XACT_LIMIT, &hooks);
	pgfirst_shmem_request("pgfirst kv limits", sizeof(LimitShared), (void **) &shared,
	                      limit_shared_init);
	pgfirst_shmem_request("pgfirst kv usage", pgfirst_usage_size(usage_lines()), (void **) &usage,
	                      usage_init);
}
