/* SPDX-License-Identifier: PostgreSQL
 *
 * pgfirst_store_watch.c: stops the store at a point of its code, in whichever process comes there.
 *
 * The library calls whoever has set PgfirstStoreWatch.point at points that bear names
 * (pgfirst_store_point).  This module, preloaded behind pgfirst, counts how often the whole server
 * has come to each, and does at one of them what it was told through SQL:
 *
 *     crash   kills every process of the server as a power cut would, with the WAL up to the newest
 *             record of this process flushed, so that recovery ends exactly there
 *     cut     the same without a flush: recovery ends wherever the WAL writer has come to
 *     raise   an error, as if the disk were full; never at "after a record"
 *     hold    stays there until it is let go, or until the server ends
 *     pause   stays there for a second: nobody has to end a transaction to let it go, which might
 *             wake up whoever is to be forgotten
 *
 * What is to be done stands in shared memory, so there is no moment in which some processes know it
 * and others do not.  The points are inside of locks of pages: nothing here waits for a lock that
 * somebody else could hold for long.
 */
#include "postgres.h"

#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include "access/transam.h"
#include "access/xlog.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/pmsignal.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "store/store_api.h"
#include "store/wal.h"

PG_MODULE_MAGIC;

#define IDS_OF_PAGES ((uint64) 1 << 20) /* a multiple of those that pages of pg_xact hold */
#define PAUSE_US     1000000L
#define POINTS_MAX   32
#define POINT_SIZE   32

typedef enum WatchAction
{
	WATCH_NOTHING,
	WATCH_CRASH,
	WATCH_CUT,
	WATCH_RAISE,
	WATCH_HOLD,
	WATCH_PAUSE
} WatchAction;

static const char *const action_names[] = {"nothing", "crash", "cut", "raise", "hold", "pause"};

typedef struct WatchShared
{
	slock_t lock;
	WatchAction action;
	char point[POINT_SIZE]; /* empty: at every point */
	char who[POINT_SIZE];   /* backend_type begins so; empty: anybody */
	int64 passes;           /* that are left before the action */
	int64 times;            /* it is repeated; negative: for ever */
	int holder;             /* pid of who is held, or 0 */
	int count;
	struct
	{
		char name[POINT_SIZE];
		int64 passed;
	} points[POINTS_MAX];
} WatchShared;

static WatchShared *shared;
static shmem_request_hook_type previous_request;
static shmem_startup_hook_type previous_startup;

extern PGDLLEXPORT void _PG_init(void);

/* ---- what is done --------------------------------------------------------------------------- */

/* Whether the process is a child of the postmaster's. */
static bool
is_child(pid_t pid)
{
	char path[64];
	char line[512];
	char *behind;
	int parent = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
	file = fopen(path, "r");
	if (file == NULL)
		return false;
	behind = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
	fclose(file);
	return behind != NULL && sscanf(behind + 1, " %*c %d", &parent) == 1 && parent == PostmasterPid;
}

/* The postmaster is stopped first, or it would see its children die and tidy up. */
static void
power_cut(bool flush)
{
	DIR *all;
	struct dirent *entry;

	if (flush)
		XLogFlush(XactLastRecEnd);
	kill(PostmasterPid, SIGSTOP);
	all = opendir("/proc");
	while (all != NULL && (entry = readdir(all)) != NULL)
	{
		pid_t pid = (pid_t) atoi(entry->d_name);

		if (pid > 0 && pid != MyProcPid && is_child(pid))
			kill(pid, SIGKILL);
	}
	kill(PostmasterPid, SIGKILL);
	kill(MyProcPid, SIGKILL);
	for (;;)
		pause();
}

static void
hold_here(void)
{
	for (;;)
	{
		int holder;

		SpinLockAcquire(&shared->lock);
		holder = shared->holder;
		SpinLockRelease(&shared->lock);
		if (holder != MyProcPid)
			return;
		if (!PostmasterIsAlive())
			_exit(1);
		pg_usleep(1000);
	}
}

static void
count_point(const char *name)
{
	int i = 0;

	while (i < shared->count && strcmp(shared->points[i].name, name) != 0)
		i++;
	if (i == POINTS_MAX)
		return;
	if (i == shared->count)
		strlcpy(shared->points[shared->count++].name, name, POINT_SIZE);
	shared->points[i].passed++;
}

static void
watch_point(const char *name)
{
	WatchAction action = WATCH_NOTHING;
	const char *type = GetBackendTypeDesc(MyBackendType);

	if (MyBgworkerEntry != NULL)
		type = MyBgworkerEntry->bgw_type;
	SpinLockAcquire(&shared->lock);
	count_point(name);
	if (shared->action != WATCH_NOTHING && shared->times != 0 &&
	    (shared->point[0] == '\0' || strcmp(shared->point, name) == 0) &&
	    strncmp(shared->who, type, strlen(shared->who)) == 0 &&
	    (shared->action != WATCH_RAISE || strcmp(name, "after a record") != 0) &&
	    shared->passes-- <= 0)
	{
		action = shared->action;
		shared->passes = 0;
		if (shared->times > 0)
			shared->times--;
		if (action == WATCH_HOLD || action == WATCH_PAUSE)
			shared->holder = MyProcPid;
	}
	SpinLockRelease(&shared->lock);

	if (action == WATCH_CRASH || action == WATCH_CUT)
		power_cut(action == WATCH_CRASH);
	else if (action == WATCH_HOLD)
		hold_here();
	else if (action == WATCH_PAUSE)
		pg_usleep(PAUSE_US);
	else if (action == WATCH_RAISE)
		ereport(ERROR, (errcode(ERRCODE_DISK_FULL), errmsg("injected at \"%s\"", name)));
}

/* ---- what is told --------------------------------------------------------------------------- */

static void
check_loaded(void)
{
	if (shared == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("pgfirst_store_watch is not preloaded")));
}

/* arm(action, point, passes, times, who) */
PG_FUNCTION_INFO_V1(watch_arm);
Datum
watch_arm(PG_FUNCTION_ARGS)
{
	char *action = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char *point = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char *who = text_to_cstring(PG_GETARG_TEXT_PP(4));
	int number = 0;

	check_loaded();
	while (number < lengthof(action_names) && strcmp(action, action_names[number]) != 0)
		number++;
	if (number == lengthof(action_names))
		elog(ERROR, "no action \"%s\"", action);
	SpinLockAcquire(&shared->lock);
	shared->action = (WatchAction) number;
	strlcpy(shared->point, point, POINT_SIZE);
	strlcpy(shared->who, who, POINT_SIZE);
	shared->passes = PG_GETARG_INT64(2);
	shared->times = PG_GETARG_INT64(3);
	shared->holder = 0;
	SpinLockRelease(&shared->lock);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(watch_holder);
Datum
watch_holder(PG_FUNCTION_ARGS)
{
	int holder;

	check_loaded();
	SpinLockAcquire(&shared->lock);
	holder = shared->holder;
	SpinLockRelease(&shared->lock);
	PG_RETURN_INT32(holder);
}

PG_FUNCTION_INFO_V1(watch_passed);
Datum
watch_passed(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	WatchShared copy;

	check_loaded();
	SpinLockAcquire(&shared->lock);
	copy = *shared;
	SpinLockRelease(&shared->lock);
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < copy.count; i++)
	{
		Datum values[2] = {CStringGetTextDatum(copy.points[i].name),
		                   Int64GetDatum(copy.points[i].passed)};
		bool nulls[2] = {false, false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* Puts so many pages into a record, which is never written. */
PG_FUNCTION_INFO_V1(watch_record);
Datum
watch_record(PG_FUNCTION_ARGS)
{
	const PgfirstStoreWatch *watch = *find_rendezvous_variable(PGFIRST_STORE_WATCH);
	StoreRecord record = {.limit = STORE_RECORD_PAGES};

	check_loaded();
	for (int i = 0; i < PG_GETARG_INT32(0); i++)
		(void) watch->record_page(&record, 1);
	PG_RETURN_INT32(record.pages);
}

/* ---- transaction ids -------------------------------------------------------------------------- */

/*
 * Goes so many transaction ids ahead at least, as if transactions had used them up.  The next one is
 * the first of a page of pg_xact and of pg_subtrans, so that whoever takes it makes these; the pages in
 * between are missed by nobody, because no transaction has had their ids.
 */
PG_FUNCTION_INFO_V1(watch_skip_ids);
Datum
watch_skip_ids(PG_FUNCTION_ARGS)
{
	uint64 next;

	LWLockAcquire(XidGenLock, LW_EXCLUSIVE);
	next = U64FromFullTransactionId(TransamVariables->nextXid) + (uint64) PG_GETARG_INT64(0);
	next += IDS_OF_PAGES - next % IDS_OF_PAGES;
	if ((uint32) next == 0)
		next += IDS_OF_PAGES;
	TransamVariables->nextXid = FullTransactionIdFromU64(next);
	LWLockRelease(XidGenLock);
	PG_RETURN_VOID();
}

/* ---- loading ---------------------------------------------------------------------------------- */

static void
watch_request(void)
{
	if (previous_request)
		previous_request();
	RequestAddinShmemSpace(sizeof(WatchShared));
}

static void
watch_startup(void)
{
	bool found;

	if (previous_startup)
		previous_startup();
	shared = ShmemInitStruct("pgfirst store watch", sizeof(WatchShared), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(*shared));
		SpinLockInit(&shared->lock);
	}
	((PgfirstStoreWatch *) *find_rendezvous_variable(PGFIRST_STORE_WATCH))->point = watch_point;
}

void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	if (*find_rendezvous_variable(PGFIRST_STORE_WATCH) == NULL)
		elog(ERROR, "pgfirst_store_watch is to be preloaded behind pgfirst");
	previous_request = shmem_request_hook;
	shmem_request_hook = watch_request;
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = watch_startup;
}
