/* SPDX-License-Identifier: PostgreSQL
 *
 * ready.h: keys that somebody waits for, and who has something for them.
 *
 * A client of BLPOP and its like waits for a key, in the loop of its worker.  Whoever gives a key new elements notes
 * it, in whatever process: another worker, or a transaction in SQL.  When the transaction has committed, and its locks
 * are free, the workers with clients that wait for such keys are woken.  Nobody looks again and again.
 *
 * Keys are hashed to slots.  A worker that is woken for a slot calls the commands of the clients that wait for keys
 * in it, in the order in which they came, and each looks for itself, until one has found nothing.  Those who wait for
 * entries of a stream take nothing away: all of them are called.
 *
 *     who waits                               who pushes
 *     1  counts itself in its slot            a  its change becomes visible
 *     2  looks at the key once more           b  reads the slot's count
 *     3  sleeps                               c  if that is above zero, leaves a bit and rings
 *
 * If 2 does not see a, then 1 was before b, and c rings.  (Counting and reading are full barriers.)
 */
#ifndef PGFIRST_KV_READY_H
#define PGFIRST_KV_READY_H

#include "postgres.h"

#include "kv/database.h"
#include "lib/resp/resp.h"

#define KV_READY_SLOTS 4096

/*
 * A key of whatever epoch: who waits while a database is emptied waits on.  Keys of one tenant and database may share
 * a hash; then those who wait for one are asked in vain when the other has something.
 */
typedef struct KvReadyKey
{
	uint64 hash;
	uint32 tenant;
	int32 number; /* of the database */
} KvReadyKey;

extern KvReadyKey kv_ready_key(const KvSpace *space, RespSlice key);

static inline bool
kv_ready_same(const KvReadyKey *a, const KvReadyKey *b)
{
	return a->hash == b->hash && a->tenant == b->tenant && a->number == b->number;
}

static inline uint32
kv_ready_slot(const KvReadyKey *key)
{
	return (uint32) (key->hash % KV_READY_SLOTS);
}

/* The transaction under way gives this key something; or any key may have something when it is done. */
extern void kv_ready_note(const KvSpace *space, RespSlice key);
extern void kv_ready_note_all(void);

/*
 * For a worker: the keys noted since it asked last, in the transaction under way; false when there are no more, or
 * nobody waits in this process for any.  Of what it was not told because there were too many it is woken for as by others.
 */
extern bool kv_ready_next(KvReadyKey *key);

/* For a worker: all of its clients that wait are to be asked. */
extern void kv_ready_ask_all(void);

/* A client of this worker waits for the slot, or does not any more. */
extern void kv_ready_wait(uint32 slot);
extern void kv_ready_leave(uint32 slot);

/* For a worker: others have rung. */
extern void kv_ready_heard(void);

/* For a worker: whether there are slots to call `each` for; it is called for all of them, or until it says no. */
extern bool kv_ready_waiting(void);
extern void kv_ready_rung(bool (*each)(uint32 slot));

/* Worker `number`, from 1, begins. */
extern void kv_ready_begin(int number);

/* Called once by _PG_init. */
extern void kv_ready_init(void);

#endif
