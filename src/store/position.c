/* SPDX-License-Identifier: PostgreSQL
 *
 * position.c: the WAL position that must be durable before a reply may leave.
 *
 * A worker commits without waiting for the flush, so what a reader sees may still be taken back by
 * a power cut.  Nobody may be told of it before it is durable.  Pages help little: they do not carry
 * the position of the commit that made a version visible, and their own moves with every change of
 * a neighbour.  So the positions stand in shared memory, in hashed slots; two records in one slot
 * make a reply wait a little longer than it must, never shorter.
 *
 * A change without a transaction id is visible when its leaf is unlocked.  The slot is raised to the
 * end of its WAL record before that, so whoever has seen the change, under the leaf's lock, finds
 * the position afterwards.  A change with one becomes visible at the commit:
 *
 *   slot:  pending   transactions that have announced a change of a record here and not yet ended
 *          position  end of the newest commit record of those that have
 *
 *   writer                                      reader
 *   1  pending++            (pre-commit)        a  finds that the writer has committed
 *   2  inserts the commit record                b  takes its version
 *   3  becomes visible      (ProcArrayLock)     c  reads pending
 *   4  position = max(position, end of 2)       d  reads position
 *   5  pending--            (commit hook)
 *
 * What must hold: if the reader takes the writer's version, (c, d) give at least the end of 2.
 * Taking it means 3 before a, through ProcArrayLock, so 1 is visible at c.  If c finds pending
 * above zero, the answer is the current end of all WAL, which is past 2 because 2 was before 3.
 * If c finds zero, it has seen 5, and d, with a read barrier in between, sees 4, which a full
 * barrier (the atomic subtraction) keeps before 5.  Reading d before c would be wrong: 4 and 5
 * could fall in between.  Overestimates are possible (the writer may abort) and harmless.
 *
 * Walks depend on the absence of everything that they did not return, so each transaction also
 * announces itself in a slot of its store.  These stand in an array of their own: a record that
 * shared a slot with its whole store would wait for every commit.  The same slot says, by the same argument, that
 * nothing in the store waits for anything any more; then the slots of records, which are in no cache, are not
 * looked at.
 *
 * Which slots this transaction has announced in is remembered in static arrays, because the commit
 * hook may not allocate; a bit for each keeps a write set of a million records at 65,536 steps.
 *
 * Relaxed and volatile stores promise nothing before the reply and take no part.  In recovery
 * nothing is written, and what is read comes from WAL that is durable elsewhere: position 0.  After
 * a crash the slots start at zero, and everything that recovery has brought back is durable.
 *
 * Rejected: the position of the page (a commit does not touch it, and a reader of one record would
 * wait for the writers of its neighbours); one position for the whole
 * server (every read would wait for the newest commit of anybody).
 */
#include "postgres.h"

#include "access/xlog.h"
#include "common/hashfn.h"
#include "port/atomics.h"

#include "base/compat.h"
#include "base/flush.h"
#include "base/shmem.h"
#include "store/store_int.h"

#define RECORD_SLOTS 65536
#define STORE_SLOTS  256
#define SLOTS        (RECORD_SLOTS + STORE_SLOTS)
#define SLOTS_AHEAD  16 /* are on their way when a transaction ends */

typedef struct PositionSlot
{
	pg_atomic_uint32 pending;
	pg_atomic_uint32 stamp; /* of changes; see together.c */
	pg_atomic_uint64 position;
} PositionSlot;

static PositionSlot *slots;

static struct
{
	uint16 first; /* 0: there are none */
	uint16 last;
} parts; /* kinds of records that belong to others */

static struct
{
	XLogRecPtr read; /* what the reads since the last reset depend on */
	bool own;        /* and whether on this transaction's own changes too */
	uint32 count;    /* of slots announced in by this transaction */
	uint32 announced[SLOTS];
	uint64 bits[(SLOTS + 63) / 64];
} positions;

static uint32
record_slot(Oid relation, const PgfirstId *id)
{
	uint64 half[2];

	memcpy(half, id->bytes, sizeof(half));
	return hash_combine(murmurhash32((uint32) half[0] ^ (uint32) (half[1] >> 32)),
	                    murmurhash32((uint32) (half[0] >> 32) ^ (uint32) half[1] ^ relation)) %
	       RECORD_SLOTS;
}

static uint32
store_slot(Oid relation)
{
	return RECORD_SLOTS + murmurhash32(relation) % STORE_SLOTS;
}

static XLogRecPtr
slot_position(PositionSlot *slot)
{
	uint32 pending = pg_atomic_read_u32(&slot->pending);

	pg_read_barrier();
	if (pending > 0)
		return pgfirst_flush_record_end(GetXLogInsertRecPtr());
	return (XLogRecPtr) pg_atomic_read_u64(&slot->position);
}

/* ---- readers ------------------------------------------------------------------------------ */

void
pgfirst_position_add(XLogRecPtr position)
{
	if (position > positions.read)
		positions.read = position;
}

void
pgfirst_position_restore(XLogRecPtr position)
{
	positions.own = position == PGFIRST_POSITION_OWN;
	if (!positions.own)
		positions.read = position;
}

void
pgfirst_position_read_own(void)
{
	positions.own = true;
}

/* Whether whatever was changed in the store is durable, or is waited for anyway. */
static bool
all_is_durable(PgfirstStore *store)
{
	PositionSlot *slot = &slots[store_slot(store->oid)];
	XLogRecPtr position;

	if (pg_atomic_read_u32(&slot->pending) > 0)
		return false;
	pg_read_barrier();
	position = (XLogRecPtr) pg_atomic_read_u64(&slot->position);
	return position <= positions.read || position <= pgfirst_flush_position();
}

void
pgfirst_position_read(PgfirstStore *store, const PgfirstId *id)
{
	if (store->durability != PGFIRST_DURABLE || slots == NULL || RecoveryInProgress())
		return;
	if (!all_is_durable(store))
		pgfirst_position_add(slot_position(&slots[record_slot(store->oid, id)]));
}

/* It will be asked for soon, or changed. */
void
pgfirst_position_ahead(PgfirstStore *store, const PgfirstId *id, bool change)
{
	if (slots == NULL ||
	    (!change && (store->durability != PGFIRST_DURABLE || all_is_durable(store))))
		return;
	if (change)
		__builtin_prefetch(&slots[record_slot(store->oid, id)], 1);
	else
		__builtin_prefetch(&slots[record_slot(store->oid, id)]);
}

XLogRecPtr
pgfirst_position_of_store(PgfirstStore *store)
{
	if (store->durability != PGFIRST_DURABLE || slots == NULL || RecoveryInProgress())
		return 0;
	return slot_position(&slots[store_slot(store->oid)]);
}

XLogRecPtr
pgfirst_store_position(void)
{
	return positions.own ? PGFIRST_POSITION_OWN : positions.read;
}

XLogRecPtr
pgfirst_store_position_others(void)
{
	return positions.read;
}

void
pgfirst_store_position_reset(void)
{
	positions.read = 0;
	positions.own = false;
	pgfirst_unit_next();
}

/* ---- writers ------------------------------------------------------------------------------- */

static void
slot_raise(PositionSlot *slot, XLogRecPtr position)
{
	uint64 seen = pg_atomic_read_u64(&slot->position);

	while (seen < position &&
	       !pg_atomic_compare_exchange_u64(&slot->position, &seen, (uint64) position))
		;
}

static void
announce(uint32 slot)
{
	uint64 bit = UINT64CONST(1) << (slot % 64);

	if (positions.bits[slot / 64] & bit)
		return;
	positions.bits[slot / 64] |= bit;
	positions.announced[positions.count++] = slot;
	pg_atomic_fetch_add_u32(&slots[slot].pending, 1);
}

void
pgfirst_position_announce(PgfirstStore *store, const PgfirstId *id)
{
	if (store->durability != PGFIRST_DURABLE || slots == NULL)
		return;
	announce(record_slot(store->oid, id));
	announce(store_slot(store->oid));
}

void
pgfirst_position_raise(PgfirstStore *store, const PgfirstId *id, XLogRecPtr end)
{
	if (store->durability != PGFIRST_DURABLE || slots == NULL || end == InvalidXLogRecPtr)
		return;
	slot_raise(&slots[record_slot(store->oid, id)], end);
	slot_raise(&slots[store_slot(store->oid)], end);
}

void
pgfirst_store_parts(uint16 first, uint16 last)
{
	parts.first = first;
	parts.last = last;
}

bool
pgfirst_kind_is_part(uint16 kind)
{
	return parts.first != 0 && kind >= parts.first && kind <= parts.last;
}

void
pgfirst_position_touch(PgfirstStore *store, const PgfirstId *id, uint16 kind)
{
	if (slots == NULL)
		return;
	/* First: who sees the record's stamp raised, and the store's not, would take the record for unchanged since. */
	pg_atomic_fetch_add_u32(&slots[store_slot(store->oid)].stamp, 1);
	if (!pgfirst_kind_is_part(kind))
		pg_atomic_fetch_add_u32(&slots[record_slot(store->oid, id)].stamp, 1);
}

bool
pgfirst_position_stamps(void)
{
	return slots != NULL && !RecoveryInProgress();
}

uint32
pgfirst_position_stamp(PgfirstStore *store, const PgfirstId *id)
{
	return slots == NULL ? 0 : pg_atomic_read_u32(&slots[record_slot(store->oid, id)].stamp);
}

uint32
pgfirst_position_stamp_of_store(PgfirstStore *store)
{
	return slots == NULL ? 0 : pg_atomic_read_u32(&slots[store_slot(store->oid)].stamp);
}

/* The transaction has ended; commit is InvalidXLogRecPtr when it was rolled back. */
void
pgfirst_position_end(XLogRecPtr commit)
{
	for (uint32 i = 0; i < positions.count; i++)
	{
		PositionSlot *slot = &slots[positions.announced[i]];

		if (i + SLOTS_AHEAD < positions.count)
			__builtin_prefetch(&slots[positions.announced[i + SLOTS_AHEAD]], 1);
		slot_raise(slot, commit);
		pg_atomic_fetch_sub_u32(&slot->pending, 1);
		positions.bits[positions.announced[i] / 64] = 0;
	}
	positions.count = 0;
}

static void
slots_init(void *fresh)
{
	PositionSlot *all = fresh;

	for (uint32 i = 0; i < SLOTS; i++)
	{
		pg_atomic_init_u32(&all[i].pending, 0);
		pg_atomic_init_u32(&all[i].stamp, 0);
		pg_atomic_init_u64(&all[i].position, 0);
	}
}

void
pgfirst_position_init(void)
{
	pgfirst_shmem_request("pgfirst store positions", SLOTS * sizeof(PositionSlot), (void **) &slots,
	                      slots_init);
}
