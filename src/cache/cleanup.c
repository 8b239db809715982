/* SPDX-License-Identifier: PostgreSQL
 *
 * cleanup.c: cache.cleanup(): what has expired goes now, and its space is free to be used again.
 *
 * The background sweep does the same by and by in the database that the Redis door serves; this is for who
 * does not want to wait for it, or has no door.
 *
 * A million expired entries cannot be deleted in the caller's transaction: it may lock a thousand, and would
 * have to keep all other writers out for the rest.  Nor need they be: nobody sees an expired entry, so it
 * matters to nobody in which transaction it goes.  A process that is started for it deletes some hundreds at
 * a time, each time in a transaction of its own, passes over whatever somebody has locked just now, and
 * tidies the pages.  The caller waits, and is told how many went.  A caller who is cancelled takes the process
 * along; what is deleted by then stays deleted.
 *
 * Rejected: asking the process of the background sweep, which serves one PostgreSQL database only.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/spin.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/wait_event.h"

#include "base/compat.h"
#include "base/shmem.h"
#include "cache/cache_int.h"

PGFIRST_FUNCTION(pgfirst_cache_cleanup);
extern PGDLLEXPORT void pgfirst_cleanup_main(Datum arg);

#define JOBS 8 /* at a time, of the whole server */

#define BUSY_WAIT_MS 10
#define BUSY_TRIES   500

typedef enum JobEnd
{
	JOB_FAILED, /* until it says otherwise; the log says why */
	JOB_BUSY,
	JOB_DONE
} JobEnd;

/* Belongs to the caller; the process knows by the ticket whether he still waits. */
typedef struct Job
{
	uint64 ticket; /* 0: nobody's */
	Oid database;
	int number;
	JobEnd end;
	uint64 deleted;
} Job;

typedef struct CleanupShared
{
	slock_t lock;
	uint64 tickets;
	Job jobs[JOBS];
} CleanupShared;

static CleanupShared *shared;

/* ---- the process ------------------------------------------------------------------------- */

/* One step in a transaction of its own; false if somebody is in the way. */
static bool
step(int number, PgfirstKvSweep *sweep)
{
	bool opened;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	opened = pgfirst_kv_sweep(number, sweep);
	CommitTransactionCommand();
	return opened;
}

static JobEnd
sweep_all(int number, PgfirstKvSweep *sweep)
{
	int tries = 0;

	while (!sweep->done)
	{
		CHECK_FOR_INTERRUPTS();
		if (step(number, sweep))
		{
			tries = 0;
			continue;
		}
		if (++tries > BUSY_TRIES)
			return JOB_BUSY;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, BUSY_WAIT_MS,
		                 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	return JOB_DONE;
}

void
pgfirst_cleanup_main(Datum arg)
{
	Job *job = &shared->jobs[DatumGetInt32(arg)];
	PgfirstKvSweep sweep = {.swept = false};
	uint64 ticket;
	Job mine;
	JobEnd end;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	memcpy(&ticket, MyBgworkerEntry->bgw_extra, sizeof(ticket));
	SpinLockAcquire(&shared->lock);
	mine = *job;
	SpinLockRelease(&shared->lock);
	if (mine.ticket != ticket)
		return;
	BackgroundWorkerInitializeConnectionByOid(mine.database, InvalidOid, 0);
	/* A crash brings back what nobody sees anyway. */
	SetConfigOption("synchronous_commit", "off", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("statement_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	pgstat_report_appname("pgfirst cleanup");

	end = sweep_all(mine.number, &sweep);
	SpinLockAcquire(&shared->lock);
	if (job->ticket == mine.ticket)
	{
		job->end = end;
		job->deleted = sweep.deleted;
	}
	SpinLockRelease(&shared->lock);
}

/* ---- the caller -------------------------------------------------------------------------- */

/* A free place, or -1. */
static int
job_take(Job *mine)
{
	int place = -1;

	SpinLockAcquire(&shared->lock);
	for (int i = 0; i < JOBS && place < 0; i++)
		if (shared->jobs[i].ticket == 0)
			place = i;
	if (place >= 0)
	{
		mine->ticket = ++shared->tickets;
		shared->jobs[place] = *mine;
	}
	SpinLockRelease(&shared->lock);
	return place;
}

static void
job_give_back(int place, Job *mine)
{
	SpinLockAcquire(&shared->lock);
	*mine = shared->jobs[place];
	shared->jobs[place].ticket = 0;
	SpinLockRelease(&shared->lock);
}

static bool
process_start(int place, const Job *mine, BackgroundWorkerHandle **process)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	strlcpy(worker.bgw_name, "pgfirst cleanup", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "pgfirst cleanup", BGW_MAXLEN);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "pgfirst", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "pgfirst_cleanup_main", sizeof(worker.bgw_function_name));
	worker.bgw_main_arg = Int32GetDatum(place);
	worker.bgw_notify_pid = MyProcPid;
	memcpy(worker.bgw_extra, &mine->ticket, sizeof(mine->ticket));
	return RegisterDynamicBackgroundWorker(&worker, process);
}

/* Waits for the end of the process; takes it along when the caller is cancelled. */
static void
process_wait(BackgroundWorkerHandle *process, int place, Job *mine)
{
	BgwHandleStatus status;

	PG_TRY();
	{
		status = WaitForBackgroundWorkerShutdown(process);
	}
	PG_CATCH();
	{
		TerminateBackgroundWorker(process);
		job_give_back(place, mine);
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (status == BGWH_POSTMASTER_DIED)
		proc_exit(1);
}

/* cache.cleanup() -> bigint: how many expired entries went. */
Datum
pgfirst_cache_cleanup(PG_FUNCTION_ARGS)
{
	Job mine = {.database = MyDatabaseId, .number = pgfirst_cache_database};
	BackgroundWorkerHandle *process;
	int place;

	/* Whether the caller may, and whether there is anything. */
	(void) cache_open(PGFIRST_KV_WRITE);
	place = job_take(&mine);
	if (place < 0)
		ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
		                errmsg("%d clean-ups are running already", JOBS),
		                errhint("Call cache.cleanup() again later.")));
	if (!process_start(place, &mine, &process))
	{
		job_give_back(place, &mine);
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
		                errmsg("no background process is free for the clean-up"),
		                errhint("Call cache.cleanup() again later, or increase "
		                        "max_worker_processes.")));
	}
	process_wait(process, place, &mine);
	job_give_back(place, &mine);
	if (mine.end == JOB_BUSY)
		ereport(
		    ERROR,
		    (errcode(ERRCODE_LOCK_NOT_AVAILABLE), errmsg("database %d is locked", mine.number),
		     errdetail("The clean-up has deleted " UINT64_FORMAT " expired entries.", mine.deleted),
		     errhint("Call cache.cleanup() in a transaction that has locked nothing.")));
	if (mine.end == JOB_FAILED)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("the clean-up has failed"),
		                errhint("The server's log says why.")));
	PG_RETURN_INT64((int64) mine.deleted);
}

static void
cleanup_shared_init(void *fresh)
{
	SpinLockInit(&((CleanupShared *) fresh)->lock);
}

void
cache_cleanup_init(void)
{
	pgfirst_shmem_request("pgfirst cache clean-ups", sizeof(CleanupShared), (void **) &shared,
	                      cleanup_shared_init);
}
