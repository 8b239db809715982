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

	/* Of the transaction under way. */
	int count;
	int told; /* of the notes, to this worker's own loop */
	bool many;
	bool ended;
	bool committed;
	PgfirstId notes[NOTES_MAX];
} mine;

uint32
kv_ready_slot(const PgfirstId *id)
{
	uint32 bits;

	memcpy(&bits, id->bytes + 4, sizeof(bits));
	return murmurhash32(bits) % KV_READY_SLOTS;
}

void
kv_ready_note(const PgfirstId *id)
{
	/* The last ones only: whoever pushes in a loop pushes to the same key. */
	for (int i = mine.count - 1; i >= mine.told && i >= mine.count - 4; i--)
		if (memcmp(&mine.notes[i], id, sizeof(*id)) == 0)
			return;
	if (mine.count == NOTES_MAX)
		mine.many = true;
	else
		mine.notes[mine.count++] = *id;
}

bool
kv_ready_next(PgfirstId *id)
{
	if (mine.waiting == 0)
		mine.told = mine.count;
	if (mine.told == mine.count)
		return false;
	*id = mine.notes[mine.told++];
	return true;
}

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
kv_ready_rung(void (*each)(uint32 slot))
{
	for (int word = 0; word < WORDS; word++)
	{
		pg_atomic_uint64 *rung = &shared->rung[mine.number - 1][word];
		uint64 bits = pg_atomic_read_u64(rung) == 0 ? 0 : pg_atomic_exchange_u64(rung, 0);

		for (; bits != 0; bits &= bits - 1)
			each((uint32) word * 64 + (uint32) pg_rightmost_one_pos64(bits));
	}
}

/* ---- transactions ---------------------------------------------------------------------------- */

static bool
slot_ring(uint32 slot)
{
	if (pg_atomic_read_u32(&shared->waiting[slot]) == 0)
		return false;
	/* This worker's own clients have been asked within the turn, or will be: of too many keys nobody was told. */
	for (int worker = 1; worker <= pgfirst_redis_workers; worker++)
		if (worker != mine.number || mine.many)
			pg_atomic_fetch_or_u64(&shared->rung[worker - 1][slot / 64], UINT64CONST(1)
			                                                                 << (slot % 64));
	return true;
}

static void
ready_commit(XLogRecPtr position)
{
	mine.ended = mine.committed = true;
}

static void
ready_abort(void)
{
	mine.ended = true;
	mine.committed = false;
}

/*
 * After the locks, because whoever is woken wants them.  Of what is behind a savepoint that is rolled back the notes
 * stay: who is woken in vain waits on.
 */
static void
ready_released(void)
{
	bool ring = false;

	if (!mine.ended)
		return;
	if (mine.count > 0 && mine.committed && shared != NULL)
	{
		/* What has become visible did so before this. */
		pg_memory_barrier();
		for (int i = 0; i < mine.count && !mine.many; i++)
			ring |= slot_ring(kv_ready_slot(&mine.notes[i]));
		for (uint32 slot = 0; slot < KV_READY_SLOTS && mine.many; slot++)
			ring |= slot_ring(slot);
		if (ring)
			pgfirst_bell_ring(PGFIRST_BELL_READY);
	}
	mine.count = mine.told = 0;
	mine.many = mine.ended = mine.committed = false;
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
