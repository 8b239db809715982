/* SPDX-License-Identifier: PostgreSQL
 *
 * evict.c: what makes room in databases that have become too large; see limit.c for when.
 *
 *     look      at some records behind a place that chance chooses: ids are hashes, so those that stand
 *               next to each other have nothing else in common, and mostly they are on one page
 *     offer     each to the pool of the worst that were seen, with what the policy says it is worth
 *     take      the worst of the pool: lock it, read it again, judge it again, delete it
 *
 * An evicted key is deleted as by DEL: who watches it notices, a logged database logs it, standbys
 * follow.  A key that somebody has locked stays, as does one that was used since it was seen; keys
 * of flushed epochs are left to the sweep, and expired ones, when they are met, count as expired.
 *
 * The limit is the database's, so the keys of all tenants are what may go, and none is worth more for whose it is.
 *
 * A slice is short, because locks of keys last until its transaction ends, and because the sweep has
 * the same process.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "base/compat.h"
#include "kv/limit.h"
#include "kv/net/epochs.h"
#include "kv/net/evict.h"
#include "kv/position.h"
#include "kv/type/key.h"

#define SLICE_US     5000
#define SLICE_KEYS   400 /* whose locks it has at most */
#define SLICE_LOOKS  400
#define LOOK_RECORDS 16

/* What is remembered of a database from slice to slice. */
static struct
{
	Oid storage;
	Victims victims;
} pools[KV_DATABASES];

/* Whether the record is a key, of whichever tenant, that is not flushed. */
static bool
is_key(KvEpochsMet *met, const PgfirstRecord *record)
{
	KvHead head;

	if (record->kind != KV_KIND_DIRECTORY)
		return false;
	kv_record_head(record, &head);
	return head.epoch == kv_epoch_met(met, head.tenant);
}

/* Whether another tenant has flushed it: then it counts until it is gone (count.h). */
static bool
is_flushed(KvEpochsMet *met, const PgfirstRecord *record)
{
	KvHead head;

	if (record->kind != KV_KIND_DIRECTORY)
		return false;
	kv_record_head(record, &head);
	return head.tenant != met->space->tenant && head.epoch < kv_epoch_met(met, head.tenant);
}

/* What is expired or flushed is worth nothing. */
static bool
is_candidate(KvEpochsMet *met, const PgfirstRecord *record, int64 now_ms, uint64 *worth)
{
	bool flushed = is_flushed(met, record);

	if (!flushed && !is_key(met, record))
		return false;
	if (flushed || (record->expiry != 0 && record->expiry <= now_ms))
	{
		*worth = 0;
		return true;
	}
	return kv_limit_worth(met->space, record, worth);
}

static void
look(KvEpochsMet *met, Victims *victims, int64 now_ms)
{
	PgfirstRecord record;
	PgfirstWalk *walk;
	PgfirstId from;
	int wraps = 0;

	for (Size i = 0; i < sizeof(from); i += sizeof(uint64))
	{
		uint64 chance = pg_prng_uint64(&pg_global_prng_state);

		memcpy(from.bytes + i, &chance, sizeof(chance));
	}
	walk = pgfirst_store_walk(met->space->store, &from, sizeof(KvHead));
	for (int seen = 0; seen < LOOK_RECORDS;)
	{
		uint64 worth;

		if (pgfirst_walk_next(walk, &record))
		{
			if (is_candidate(met, &record, now_ms, &worth))
				pgfirst_victims_offer(victims, record.id.bytes, worth);
			seen++;
			continue;
		}
		if (++wraps > 1)
			break;
		pgfirst_walk_end(walk);
		walk = pgfirst_store_walk(met->space->store, NULL, sizeof(KvHead));
	}
	pgfirst_walk_end(walk);
}

/* Deletes the worst of the pool; returns the bytes that gives, 0 if it may stay or is locked. */
static int64
take(KvEpochsMet *met, Victims *victims, int64 now_ms, KvEvicted *result)
{
	PgfirstStore *store = met->space->store;
	PgfirstRecord record;
	PgfirstId id;
	Victim victim;
	uint64 worth;
	bool flushed;

	if (!pgfirst_victims_take(victims, &victim))
		return 0;
	memcpy(id.bytes, victim.id, sizeof(id.bytes));
	kv_position_reset(); /* each for itself */
	if (!pgfirst_store_lock(store, &id, true, false) ||
	    !pgfirst_store_get(store, &id, sizeof(KvHead), &record) ||
	    !is_candidate(met, &record, now_ms, &worth) || worth > victim.worth)
		return 0;
	flushed = is_flushed(met, &record);
	if (!pgfirst_store_delete(store, &id))
		return 0;
	if (flushed)
		return (int64) pgfirst_store_footprint(record.length);
	if (record.expiry != 0 && record.expiry <= now_ms)
		result->expired++;
	else
		result->evicted++;
	return (int64) pgfirst_store_footprint(record.length);
}

bool
kv_evict_slice(int number, KvEvicted *result)
{
	int64 excess = kv_limit_excess(number);
	int64 deadline_us = pgfirst_clock_monotonic_us() + SLICE_US;
	int64 now_ms = pgfirst_clock_wall_ms();
	KvEpochsMet met = {.space = kv_space_open(number, true, false)};
	MemoryContext each, caller;

	*result = (KvEvicted){0};
	if (!met.space)
		return false;
	if (pools[number].storage != kv_database_storage(number))
		pools[number].victims.count = 0;
	pools[number].storage = kv_database_storage(number);
	each = AllocSetContextCreate(CurrentMemoryContext, "pgfirst evict", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(each);
	for (int looks = 0; looks < SLICE_LOOKS && excess > 0; looks++)
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(each);
		look(&met, &pools[number].victims, now_ms);
		excess -= take(&met, &pools[number].victims, now_ms, result);
		if (pgfirst_store_locks() >= SLICE_KEYS || pgfirst_clock_monotonic_us() >= deadline_us)
			break;
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(each);
	result->fruitless = result->evicted + result->expired == 0;
	return true;
}
