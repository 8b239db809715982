/* SPDX-License-Identifier: PostgreSQL
 *
 * ready.h: keys that somebody waits for, and who has something for them.
 *
 * A client of BLPOP and its like waits for a key, in the loop of its worker.  Whoever gives a key new elements notes
 * it, in whatever process: another worker, or a transaction in SQL.  When the transaction has committed, and its locks
 * are free, the workers with clients that wait for such keys are woken.  Nobody looks again and again.
 *
 * Keys are hashed to slots.  A worker that is woken for a slot calls the command of the first client for each key
 * that is waited for in it, which looks for itself; and when that has got something, of the next one.
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

#include "store/store.h"

#define KV_READY_SLOTS 4096

extern uint32 kv_ready_slot(const PgfirstId *id);

/* The transaction under way gives this key something. */
extern void kv_ready_note(const PgfirstId *id);

/*
 * For a worker: the keys noted since it asked last, in the transaction under way; false when there are no more, or
 * nobody waits in this process for any.  Of very many keys in one transaction it is told as other workers are.
 */
extern bool kv_ready_next(PgfirstId *id);

/* A client of this worker waits for the slot, or does not any more. */
extern void kv_ready_wait(uint32 slot);
extern void kv_ready_leave(uint32 slot);

/* For a worker that was woken: calls `each` for all slots for which others have something. */
extern void kv_ready_rung(void (*each)(uint32 slot));

/* Worker `number`, from 1, begins. */
extern void kv_ready_begin(int number);

/* Called once by _PG_init. */
extern void kv_ready_init(void);

#endif
