/* SPDX-License-Identifier: PostgreSQL
 *
 * flush.h: making WAL durable without ever making a loop wait for it.
 *
 * A worker commits its turn without flushing and asks, here, for the position to become durable;
 * the process `pgfirst flush` flushes it and, where synchronous_standby_names says so, waits for
 * the standbys.  One flush serves every turn that ended meanwhile, of every worker: group commit.
 * The loop goes on; replies leave when pgfirst_flush_position() has passed what they depend on.
 *
 * A wait for a standby that is interrupted (the helper is terminated, or cancelled) leaves
 * positions that are flushed here and perhaps nowhere else.  They are never counted as durable; the
 * workers see the interruption and close the connections that wait at those positions, without an
 * answer.
 */
#ifndef PGFIRST_FLUSH_H
#define PGFIRST_FLUSH_H

#include "postgres.h"

#include "access/xlogdefs.h"

/* Everything up to here is durable, on the standbys too where they are configured. */
extern XLogRecPtr pgfirst_flush_position(void);

/*
 * Asks for position to become durable.  The worker's bell PGFIRST_BELL_FLUSH rings when the durable
 * position has moved.
 */
extern void pgfirst_flush_request(XLogRecPtr position);

/*
 * Says that nobody waits for position, which PostgreSQL's WAL writer shall flush when it likes.  It is told by
 * pgfirst_flush_tick(), now and then: told of each commit, it would wake for each.
 */
extern void pgfirst_flush_later(XLogRecPtr position);

/* Tells it now, for a process that ends. */
extern void pgfirst_flush_later_end(void);

/*
 * Says that something was changed without a transaction id.  Recovery to a point in time and delayed
 * standbys tell time by commit records alone; so one transaction is committed each second in which
 * this was called.
 */
extern void pgfirst_flush_note_idless(void);

/*
 * Commits that transaction and tells the WAL writer, each if it is due; outside of a transaction, in a process that
 * never waits for long.  Returns when it wants to be called again, PG_INT64_MAX if there is nothing to do; both
 * monotonic.
 */
extern int64 pgfirst_flush_tick(int64 now_us);

/*
 * Where the last record before position ends.  At a page boundary PostgreSQL's insert position
 * (GetXLogInsertRecPtr) points behind the header of a page that nothing has been written to yet;
 * flushing up to there would fail.
 */
extern XLogRecPtr pgfirst_flush_record_end(XLogRecPtr position);

/*
 * For a backend, which may wait: returns when position is durable.  Raises query_canceled if the
 * wait for a standby is interrupted.
 */
extern void pgfirst_flush_wait(XLogRecPtr position);

/*
 * How many waits have been interrupted since the server started, and up to which position the
 * latest one waited.  Whoever sees the number change closes what waits up to *position.
 */
extern uint64 pgfirst_flush_interruptions(XLogRecPtr *position);

/* Called once by _PG_init: shared memory and the helper process. */
extern void pgfirst_flush_init(void);

#endif
