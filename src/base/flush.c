/* SPDX-License-Identifier: PostgreSQL
 *
 * flush.c: the process that flushes and waits so that loops need not; see flush.h.
 *
 *     worker                         shared memory              pgfirst flush
 *     commits its turn, unflushed
 *     requested = max(requested, x) ------> requested --------> XLogFlush(requested)
 *     goes on with other clients                                waits for standbys
 *     bell: sends what may leave    <------ durable   <-------- durable = requested, rings
 *
 * While one flush is under way the next requests gather, and are served together: the slower the
 * disk, the larger the groups.
 *
 * What nobody waits for (a relaxed database) is left to PostgreSQL's WAL writer.  As long as that has not flushed, and it
 * does so every wal_writer_delay, each asynchronous commit wakes it: thousands of times a second, each time for a few
 * hundred bytes.  So turns without a transaction id commit as if they had only read (xact.h), and a process
 * tells it of them LATER_US after it did so last, or LATER_BYTES, between two turns.  That is what a crash may take of a
 * relaxed database beyond three times wal_writer_delay; and while a script of a second runs, what was changed just before it.
 *
 * Rejected: flushing in the worker's own turn (a reader would wait a disk's time for every other
 * client's write), and leaving it to the WAL writer (it knows nothing of standbys and sleeps for
 * wal_writer_delay).
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "postmaster/bgworker.h"
#include "replication/syncrep.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "utils/wait_event.h"

#include "base/clock.h"
#include "base/flush.h"
#include "base/shmem.h"
#include "base/worker.h"

#define TICK_US        ((int64) 1000000)
#define TICK_FAILED_US (60 * TICK_US)
#define LATER_US       ((int64) 10000)
#define LATER_BYTES    ((uint64) 256 * 1024)

typedef struct FlushShared
{
	pg_atomic_uint64 requested;
	pg_atomic_uint64 durable;
	pg_atomic_uint64 interruptions;
	pg_atomic_uint64 interrupted_at; /* written before interruptions is raised */
	pg_atomic_uint32 idless;         /* changes without a transaction id since the last tick */
	pg_atomic_uint64 next_tick;      /* monotonic; whoever moves it on makes the tick */
	Latch *helper;                   /* of a PGPROC; NULL while no helper runs */
} FlushShared;

static FlushShared *shared;

/* Of this process: what the WAL writer shall flush, and what it was told of. */
static struct
{
	XLogRecPtr position;
	XLogRecPtr told;
	int64 next_us;
} later;

extern PGDLLEXPORT void pgfirst_flush_main(Datum arg);

static void
atomic_raise(pg_atomic_uint64 *word, uint64 value)
{
	uint64 seen = pg_atomic_read_u64(word);

	while (seen < value && !pg_atomic_compare_exchange_u64(word, &seen, value))
		;
}

XLogRecPtr
pgfirst_flush_position(void)
{
	return pg_atomic_read_u64(&shared->durable);
}

void
pgfirst_flush_request(XLogRecPtr position)
{
	Latch *helper;

	if (pg_atomic_read_u64(&shared->requested) >= position)
		return;
	atomic_raise(&shared->requested, position);
	pg_memory_barrier();
	helper = shared->helper;
	if (helper)
		SetLatch(helper);
}

uint64
pgfirst_flush_interruptions(XLogRecPtr *position)
{
	uint64 count = pg_atomic_read_u64(&shared->interruptions);

	pg_read_barrier();
	*position = pg_atomic_read_u64(&shared->interrupted_at);
	return count;
}

/* ---- what nobody waits for ------------------------------------------------------------------- */

void
pgfirst_flush_later(XLogRecPtr position)
{
	later.position = Max(later.position, position);
}

void
pgfirst_flush_later_end(void)
{
	if (later.position > later.told)
		XLogSetAsyncXactLSN(later.position);
	later.told = later.position;
}

/* Returns when the WAL writer is to be told. */
static int64
later_tell(int64 now_us)
{
	if (later.position <= later.told)
		return PG_INT64_MAX;
	if (now_us < later.next_us && later.position - later.told < LATER_BYTES)
		return later.next_us;
	pgfirst_flush_later_end();
	later.next_us = now_us + LATER_US;
	return PG_INT64_MAX;
}

/* ---- the time of changes without a transaction id ---------------------------------------------- */

void
pgfirst_flush_note_idless(void)
{
	if (pg_atomic_read_u32(&shared->idless) == 0)
		pg_atomic_write_u32(&shared->idless, 1);
}

/* Gives recovery something to tell the time by. */
static void
flush_tick(void)
{
	int mode = synchronous_commit;

	pg_atomic_write_u32(&shared->idless, 0);
	/* Nobody waits for this one, least of all whoever waits for a flush. */
	synchronous_commit = SYNCHRONOUS_COMMIT_OFF;
	StartTransactionCommand();
	(void) GetTopTransactionId();
	CommitTransactionCommand();
	synchronous_commit = mode;
}

/*
 * Not the helper's work: it may wait for a standby for hours, and relaxed databases go on meanwhile.
 * When there are no transaction ids left to give out, changes without one still go on; then recovery
 * does without the time.
 */
static int64
idless_tick(int64 now_us)
{
	uint64 next = pg_atomic_read_u64(&shared->next_tick);
	MemoryContext caller = CurrentMemoryContext;
	int mode = synchronous_commit;

	if (pg_atomic_read_u32(&shared->idless) == 0 || RecoveryInProgress())
		return PG_INT64_MAX;
	if (now_us < (int64) next)
		return (int64) next;
	if (!pg_atomic_compare_exchange_u64(&shared->next_tick, &next, (uint64) (now_us + TICK_US)))
		return now_us + TICK_US;

	PG_TRY();
	{
		flush_tick();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		synchronous_commit = mode;
		pg_atomic_write_u64(&shared->next_tick, (uint64) (now_us + TICK_FAILED_US));
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	return now_us + TICK_US;
}

int64
pgfirst_flush_tick(int64 now_us)
{
	return Min(later_tell(now_us), idless_tick(now_us));
}

/* ---- the helper -------------------------------------------------------------------------------- */

/*
 * Whether the standbys have what they were asked for.  SyncRepWaitForLSN does not say why it came
 * back, so the condition itself is looked at.
 */
static bool
flush_standbys_have(XLogRecPtr position)
{
	int mode;
	XLogRecPtr reached;

	if (!SyncRepRequested() || SyncRepStandbyNames == NULL || SyncRepStandbyNames[0] == '\0')
		return true;
	mode = synchronous_commit == SYNCHRONOUS_COMMIT_REMOTE_WRITE   ? SYNC_REP_WAIT_WRITE
	       : synchronous_commit == SYNCHRONOUS_COMMIT_REMOTE_APPLY ? SYNC_REP_WAIT_APPLY
	                                                               : SYNC_REP_WAIT_FLUSH;
	LWLockAcquire(SyncRepLock, LW_SHARED);
	reached = WalSndCtl->lsn[mode];
	LWLockRelease(SyncRepLock);
	return reached >= position;
}

XLogRecPtr
pgfirst_flush_record_end(XLogRecPtr position)
{
	uint64 in_page = position % XLOG_BLCKSZ;
	bool first_page = XLogSegmentOffset(position, wal_segment_size) < XLOG_BLCKSZ;

	if (in_page == (first_page ? SizeOfXLogLongPHD : SizeOfXLogShortPHD))
		return position - in_page;
	return position;
}

/* Flushes, and waits for the standbys; false if that wait was interrupted. */
static bool
flush_and_wait(XLogRecPtr position)
{
	XLogRecPtr end = pgfirst_flush_record_end(position);

	XLogFlush(end);
	HOLD_INTERRUPTS();
	SyncRepWaitForLSN(end, true);
	RESUME_INTERRUPTS();
	return flush_standbys_have(end);
}

static void
flush_up_to(XLogRecPtr position)
{
	bool done = flush_and_wait(position);

	/* The standbys may have been taken out of the configuration meanwhile. */
	if (!done && pgfirst_worker_reload())
		done = flush_standbys_have(pgfirst_flush_record_end(position));
	if (done)
		atomic_raise(&shared->durable, position);
	else
	{
		pg_atomic_write_u64(&shared->interrupted_at, position);
		pg_write_barrier();
		pg_atomic_fetch_add_u64(&shared->interruptions, 1);
	}
	pgfirst_bell_ring(PGFIRST_BELL_FLUSH);
}

void
pgfirst_flush_wait(XLogRecPtr position)
{
	if (position <= pgfirst_flush_position() || flush_and_wait(position))
		return;
	CHECK_FOR_INTERRUPTS();
	ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED),
	                errmsg("interrupted while waiting for a standby to have what was read"),
	                errdetail("What was read is committed, but a failover could still lose it.")));
}

static void
flush_helper_leaves(int code, Datum arg)
{
	shared->helper = NULL;
}

void
pgfirst_flush_main(Datum arg)
{
	pgfirst_worker_start();
	/* No database: it touches only WAL. A connection all the same, for the process's statistics. */
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	before_shmem_exit(flush_helper_leaves, 0);
	shared->helper = &MyProc->procLatch;
	pg_memory_barrier();

	for (;;)
	{
		XLogRecPtr requested;

		/* A process that always has something to do never waits, and would not hear of it. */
		if (!PostmasterIsAlive())
			proc_exit(1);
		ResetLatch(MyLatch);
		pgfirst_worker_interrupts();
		pgfirst_worker_reload();

		requested = pg_atomic_read_u64(&shared->requested);
		if (requested > pg_atomic_read_u64(&shared->durable) && !RecoveryInProgress())
			flush_up_to(requested);
		else
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0, PG_WAIT_EXTENSION);
	}
}

static void
flush_shared_init(void *fresh)
{
	FlushShared *fresh_shared = fresh;

	pg_atomic_init_u64(&fresh_shared->requested, 0);
	pg_atomic_init_u64(&fresh_shared->durable, 0);
	pg_atomic_init_u64(&fresh_shared->interruptions, 0);
	pg_atomic_init_u64(&fresh_shared->interrupted_at, 0);
	pg_atomic_init_u32(&fresh_shared->idless, 0);
	pg_atomic_init_u64(&fresh_shared->next_tick, 0);
}

void
pgfirst_flush_init(void)
{
	pgfirst_shmem_request("pgfirst flush", sizeof(FlushShared), (void **) &shared,
	                      flush_shared_init);
	pgfirst_worker_register("pgfirst flush", "pgfirst_flush_main", 0);
}
