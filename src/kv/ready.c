/* SPDX-License-Identifier: PostgreSQL
 *
 * ready.c: keys that somebody waits for, and who has something for them; see ready.h.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "port/atomics.h"
#include "port/pg_bitutils.h"

#include "base/shmem.h"
#include "base/worker.h"
#include "base/xact.h"
#include "kv/ready.h"
#include "kv/settings.h"

#define WORKERS   64
#define WORDS     (KV_READY_SLOTS / 64)
#define NOTES_MAX 64

typedef struct ReadyShared
{
	pg_atomic_uint32 waiting[KV_READY_SLOTS]; /* clients, of all workers */
	pg_atomic_uint64 rung[WORKERS][WORDS];    /* a bit for each slot */
} ReadyShared;

static ReadyShared *shared;

static struct
{
	int number;  /* of this worker, 0 if it is none */
	int waiting; /* clients of its own */
	bool rung;   /* by itself */

	/* Of the transaction under way: the slots for others, and what its own loop has not been told. */
	bool ended;
	bool noted;
	uint64 slots[WORDS];
	int count;
	int told;
	KvReadyKey keys[NOTES_MAX];
} mine;

KvReadyKey
kv_ready_key(const KvSpace *space, RespSlice key)
{
	uint64 seed = (uint64) space->tenant << 32 | (uint32) space->number;

	return (KvReadyKey){
	    .hash = hash_bytes_extended((const unsigned char *) key.data, (int) key.length, seed),
	    .tenant = space->tenant,
	    .number = space->number};
}

/* ---- what is noted ----------------------------------------------------------------------------- */

/* Later, as if others had rung. */
static void
ring_oneself(uint32 slot)
{
	pg_atomic_fetch_or_u64(&shared->rung[mine.number - 1][slot / 64], UINT64CONST(1) << slot % 64);
	mine.rung = true;
}

void
kv_ready_note(const KvSpace *space, RespSlice name)
{
	KvReadyKey key = kv_ready_key(space, name);
	uint32 slot = kv_ready_slot(&key);

	mine.noted = true;
	mine.slots[slot / 64] |= UINT64CONST(1) << slot % 64;
	if (mine.waiting == 0)
		return;
	/* Whoever pushes in a loop pushes to the same key. */
	if (mine.count > mine.told && kv_ready_same(&mine.keys[mine.count - 1], &key))
		return;
	if (mine.count == NOTES_MAX)
		ring_oneself(slot);
	else
		mine.keys[mine.count++] = key;
}

void
kv_ready_note_all(void)
{
	mine.noted = true;
	memset(mine.slots, 0xff, sizeof(mine.slots));
	kv_ready_ask_all();
}

bool
kv_ready_next(KvReadyKey *key)
{
	if (mine.waiting == 0 || mine.told == mine.count)
	{
		mine.count = mine.told = 0;
		return false;
	}
	*key = mine.keys[mine.told++];
	return true;
}

/* ---- workers ----------------------------------------------------------------------------------- */

void
kv_ready_wait(uint32 slot)
{
	mine.waiting++;
	pg_atomic_fetch_add_u32(&shared->waiting[slot], 1);
}

void
kv_ready_leave(uint32 slot)
{
	mine.waiting--;
	pg_atomic_fetch_sub_u32(&shared->waiting[slot], 1);
}

void
kv_ready_ask_all(void)
{
	if (mine.waiting == 0)
		return;
	for (int word = 0; word < WORDS; word++)
		pg_atomic_write_u64(&shared->rung[mine.number - 1][word], PG_UINT64_MAX);
	mine.rung = true;
}

void
kv_ready_heard(void)
{
	mine.rung = true;
}

bool
kv_ready_waiting(void)
{
	return mine.rung;
}

/* A bit goes before its slot is asked about, and no sooner: an error leaves those that were not. */
void
kv_ready_rung(bool (*each)(uint32 slot))
{
	mine.rung = false;
	for (int word = 0; word < WORDS; word++)
	{
		pg_atomic_uint64 *rung = &shared->rung[mine.number - 1][word];
		uint64 bits = pg_atomic_read_u64(rung);

		for (; bits != 0; bits &= bits - 1)
		{
			int bit = pg_rightmost_one_pos64(bits);

			pg_atomic_fetch_and_u64(rung, ~(UINT64CONST(1) << bit));
			if (!each((uint32) (word * 64 + bit)))
			{
				mine.rung = true;
				return;
			}
		}
	}
}

/* ---- transactions ---------------------------------------------------------------------------- */

/* This worker's own clients have been asked within the turn, or will be. */
static bool
slot_ring(uint32 slot)
{
	if (pg_atomic_read_u32(&shared->waiting[slot]) == 0)
		return false;
	for (int worker = 1; worker <= pgfirst_redis_workers; worker++)
		if (worker != mine.number)
			pg_atomic_fetch_or_u64(&shared->rung[worker - 1][slot / 64], UINT64CONST(1)
			                                                                 << slot % 64);
	return true;
}

static void
ready_commit(XLogRecPtr position)
{
	mine.ended = true;
}

static void
ready_abort(void)
{
	mine.ended = true;
}

/*
 * After the locks, because whoever is woken wants them.  Of a transaction that has failed something may be visible all
 * the same, where units are applied apart; who is woken for nothing waits on.  Of what is behind a savepoint that is
 * rolled back the notes stay.
 */
static void
ready_released(void)
{
	bool ring = false;

	if (!mine.ended)
		return;
	mine.ended = false;
	mine.count = mine.told = 0;
	if (!mine.noted)
		return;
	/* What has become visible did so before this. */
	pg_memory_barrier();
	for (int word = 0; word < WORDS; word++)
		for (uint64 bits = mine.slots[word]; bits != 0; bits &= bits - 1)
			ring |= slot_ring((uint32) (word * 64 + pg_rightmost_one_pos64(bits)));
	if (ring)
		pgfirst_bell_ring(PGFIRST_BELL_READY);
	mine.noted = false;
	memset(mine.slots, 0, sizeof(mine.slots));
}

/* ---- start ----------------------------------------------------------------------------------- */

void
kv_ready_begin(int number)
{
	mine.number = number;
}

static void
ready_shared_init(void *fresh)
{
	ReadyShared *all = fresh;

	for (int i = 0; i < KV_READY_SLOTS; i++)
		pg_atomic_init_u32(&all->waiting[i], 0);
	for (int worker = 0; worker < WORKERS; worker++)
		for (int word = 0; word < WORDS; word++)
			pg_atomic_init_u64(&all->rung[worker][word], 0);
}

void
kv_ready_init(void)
{
	static const PgfirstXactHooks hooks = {.name = "keys that others wait for",
	                                       .commit = ready_commit,
	                                       .abort = ready_abort,
	                                       .released = ready_released};

	pgfirst_shmem_request("pgfirst kv ready", sizeof(ReadyShared), (void **) &shared,
	                      ready_shared_init);
	pgfirst_xact_register(PGFIRST_XACT_READY, &hooks);
}
