/* SPDX-License-Identifier: PostgreSQL
 *
 * garbage.c: parts of large records that nothing leads to any more, soon after that is so.
 *
 * Whoever replaces or deletes a large record leaves its parts.  Deleting them in the same transaction
 * would have to be undone if that fails, and would make a small change of a huge record a huge one.
 * So they are queued, in shared memory, when it is certain: those of the record that was replaced when
 * the transaction has committed, those of the record that replaces it when it has failed.  They are
 * deleted by the next who writes to the store, about as much as he writes himself, and by whoever
 * keeps the store in order.  So the garbage of a store that is written to is bounded, and a store that
 * is not written to has none after a while.
 *
 * An entry says in which file the parts are: after TRUNCATE, or when that is rolled back, the relation
 * has another one, with incarnations of its own.
 *
 * What the queue loses is not lost.  When it overflows, and when a crash has emptied it, the parts are found by the
 * next pass over the store (tidy.c), which asks each first part for its owner.
 *
 * Queues stand in a few slots, by the store's oid; an entry of another store that shares the slot
 * goes to the end of it again, and is left to the pass over its own store when there is no room.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/spin.h"
#include "utils/memutils.h"

#include "base/shmem.h"
#include "store/store_int.h"

#define QUEUES       16
#define QUEUE_LENGTH 1024
#define LAPS_MAX     64  /* then nobody writes to that store, or it is gone */
#define QUEUED_PARTS 512 /* that may wait for others than the writers of the store */

typedef struct Garbage
{
	Oid database;
	Oid relation;
	uint64 store_id; /* the file in which the parts are: a relation may have another one by now */
	uint64 incarnation;
	uint32 parts;
	uint32 laps; /* how often others have put it back */
} Garbage;

typedef struct GarbageQueue
{
	slock_t lock;
	uint32 first;
	uint32 count;
	uint64 parts; /* of all entries */
	Garbage entries[QUEUE_LENGTH];
} GarbageQueue;

static GarbageQueue *queues;

/* What the transaction under way leaves if it commits, and if it does not. */
typedef struct Left
{
	Garbage *entries; /* in pgfirst_store_context() */
	uint32 count;
	uint32 room;
} Left;

static struct
{
	Left by_commit;
	Left by_abort;
} left;

/* ---- the queues ------------------------------------------------------------------------------ */

static GarbageQueue *
queue_of(Oid relation)
{
	return &queues[murmurhash32(relation) % QUEUES];
}

/* Cannot fail. */
static void
queue_push(const Garbage *garbage)
{
	GarbageQueue *queue = queue_of(garbage->relation);
	bool room;

	SpinLockAcquire(&queue->lock);
	room = queue->count < QUEUE_LENGTH;
	if (room)
	{
		queue->entries[(queue->first + queue->count++) % QUEUE_LENGTH] = *garbage;
		queue->parts += garbage->parts;
	}
	SpinLockRelease(&queue->lock);
	/* Also for who is slow to write again: the pass over the store empties the queue. */
	pgfirst_tidy_wanted(garbage->relation);
}

static bool
queue_pop(GarbageQueue *queue, Garbage *garbage)
{
	bool there;

	SpinLockAcquire(&queue->lock);
	there = queue->count > 0;
	if (there)
	{
		*garbage = queue->entries[queue->first];
		queue->first = (queue->first + 1) % QUEUE_LENGTH;
		queue->count--;
		queue->parts -= garbage->parts;
	}
	SpinLockRelease(&queue->lock);
	return there;
}

uint64
pgfirst_garbage_collect(PgfirstStore *store, uint64 parts)
{
	GarbageQueue *queue = queue_of(store->oid);
	uint32 entries = queue->count;
	uint64 deleted = 0;
	Garbage garbage;

	while (entries-- > 0 && deleted < parts && queue_pop(queue, &garbage))
	{
		if (garbage.relation != store->oid || garbage.database != MyDatabaseId)
		{
			if (++garbage.laps < LAPS_MAX)
				queue_push(&garbage);
		}
		else if (garbage.store_id == pgfirst_tree_id(store))
			deleted += pgfirst_parts_delete(store, garbage.incarnation);
	}
	return deleted;
}

void
pgfirst_garbage_keep_pace(PgfirstStore *store, uint64 parts)
{
	if (queue_of(store->oid)->parts > QUEUED_PARTS)
		(void) pgfirst_garbage_collect(store, 2 * parts + 16);
}

/* ---- transactions ----------------------------------------------------------------------------- */

static Garbage
garbage_of(PgfirstStore *store, const StoreLarge *large)
{
	return (Garbage){.database = MyDatabaseId,
	                 .relation = store->oid,
	                 .store_id = pgfirst_tree_id(store),
	                 .parts = pgfirst_large_parts(large->length),
	                 .incarnation = large->incarnation};
}

static void
left_add(Left *list, const Garbage *garbage)
{
	if (list->count == list->room)
	{
		uint32 room = list->room == 0 ? 16 : list->room * 2;

		list->entries = list->room == 0
		                    ? MemoryContextAlloc(pgfirst_store_context(), room * sizeof(Garbage))
		                    : repalloc_huge(list->entries, room * sizeof(Garbage));
		list->room = room;
	}
	list->entries[list->count++] = *garbage;
}

void
pgfirst_garbage_now(PgfirstStore *store, const StoreLarge *large)
{
	Garbage garbage = garbage_of(store, large);

	queue_push(&garbage);
}

void
pgfirst_garbage_by_commit(PgfirstStore *store, const StoreLarge *large)
{
	Garbage garbage = garbage_of(store, large);

	left_add(&left.by_commit, &garbage);
}

void
pgfirst_garbage_by_abort(PgfirstStore *store, const StoreLarge *large)
{
	Garbage garbage = garbage_of(store, large);

	left_add(&left.by_abort, &garbage);
}

/* The transaction has ended.  Cannot fail. */
void
pgfirst_garbage_end(bool committed)
{
	const Left *list = committed ? &left.by_commit : &left.by_abort;

	for (uint32 i = 0; i < list->count; i++)
		queue_push(&list->entries[i]);
	memset(&left, 0, sizeof(left));
}

static void
queues_init(void *fresh)
{
	GarbageQueue *all = fresh;

	for (int i = 0; i < QUEUES; i++)
		SpinLockInit(&all[i].lock);
}

void
pgfirst_garbage_init(void)
{
	pgfirst_shmem_request("pgfirst store garbage", QUEUES * sizeof(GarbageQueue), (void **) &queues,
	                      queues_init);
}
