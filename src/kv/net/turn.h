/* SPDX-License-Identifier: PostgreSQL
 *
 * turn.h: one turn of the loop: the commands that are ready, as one transaction.
 */
#ifndef PGFIRST_KV_TURN_H
#define PGFIRST_KV_TURN_H

#include "postgres.h"

#include "kv/cmd/command.h"

/*
 * Runs what is READY, within a turn's budget, commits it, and sends what may leave.  Never raises:
 * an error aborts the turn, is logged, and is what its clients are answered with.
 */
extern void kv_turn_run(void);

/* Sends what has become durable since the last turn, so that nobody waits for the next one to be over. */
extern void kv_turn_send(void);

/* Whether there is something to run at once. */
extern bool kv_turn_wanted(void);

/*
 * Whether the last turn had something that is cheaper for many together: a record in the log, or pipelines, whose
 * records are fetched ahead of each other.
 */
extern bool kv_turn_shared(void);

/* Tells subscribers what has been published. */
extern void kv_turn_tell(void);

/* Does what other workers have asked of this one's clients. */
extern void kv_turn_heed(void);

/* Lets clients that are parked for a lock try again. */
extern void kv_turn_lock_free(void);

/* Lets those try for the last time whose time is up, and those again that wait no longer. */
extern void kv_turn_unpark_late(int64 now_us);

/* When the first parked client's time is up, in monotonic microseconds; 0 if none is parked. */
extern int64 kv_turn_next_deadline(void);

/* Before sleeping: withdraws the announcement if nobody is parked any more. */
extern void kv_turn_announce(void);

/* Called once at the start of the worker. */
extern void kv_turn_begin(void);

#endif
