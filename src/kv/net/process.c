/* SPDX-License-Identifier: PostgreSQL
 *
 * process.c: how the processes of kv come to their database; see process.h.
 *
 * The database may be missing, at start or for good.  A process can connect once in its life, and
 * fails with FATAL if the database is not there; so a failed attempt is remembered in shared memory,
 * and the next process looks first, without a database, and waits quietly until it is.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/wait_event.h"

#include "base/shmem.h"
#include "base/worker.h"
#include "kv/access.h"
#include "kv/net/process.h"
#include "kv/settings.h"

#define DATABASE_LOOK_MS 1000
#define LOCK_WAIT_MAX    "200ms"

typedef struct ProcessShared
{
	bool connect_failed[KV_WORKERS_MAX + 1]; /* the last attempt of this slot's process */
} ProcessShared;

static ProcessShared *shared;

/*
 * Whether the configured database can be connected to.  Reads the table and not its index: a process
 * without a database finds shared indexes only if some other process has left a cache file.
 */
static bool
database_is_there(void)
{
	Relation databases = table_open(DatabaseRelationId, AccessShareLock);
	SysScanDesc scan;
	ScanKeyData name;
	HeapTuple tuple;
	bool there;

	ScanKeyInit(&name, Anum_pg_database_datname, BTEqualStrategyNumber, F_NAMEEQ,
	            CStringGetDatum(pgfirst_redis_database));
	scan = systable_beginscan(databases, InvalidOid, false, NULL, 1, &name);
	tuple = systable_getnext(scan);
	there = HeapTupleIsValid(tuple) && ((Form_pg_database) GETSTRUCT(tuple))->datallowconn;
	systable_endscan(scan);
	table_close(databases, AccessShareLock);
	return there;
}

/* Waits, without a database, until the configured one exists; then a new process connects to it. */
static void
wait_for_database(int slot)
{
	bool exists;

	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	for (;;)
	{
		pgfirst_worker_interrupts();
		pgfirst_worker_reload();
		StartTransactionCommand();
		exists = database_is_there();
		CommitTransactionCommand();
		if (exists)
		{
			shared->connect_failed[slot] = false;
			proc_exit(1);
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, DATABASE_LOOK_MS,
		                 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

static void
override(const char *name, const char *value)
{
	/* Not every version has every setting. */
	if (GetConfigOption(name, true, false))
		SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

void
kv_process_connect(int slot, const char *name)
{
	if (shared->connect_failed[slot])
		wait_for_database(slot);
	shared->connect_failed[slot] = true;
	BackgroundWorkerInitializeConnection(pgfirst_redis_database, NULL, 0);
	shared->connect_failed[slot] = false;
	kv_access_trust();

	/* It may do everything, so nobody else says what an operator of its SQL means. */
	override("search_path", "pg_catalog, pg_temp");
	/* The flush helper makes commits durable; replies wait for it. */
	override("synchronous_commit", "off");
	override("default_transaction_isolation", "read committed");
	override("default_transaction_read_only", "off");
	override("default_transaction_deferrable", "off");
	override("lock_timeout", "0");
	override("statement_timeout", "0");
	override("transaction_timeout", "0");
	override("idle_in_transaction_session_timeout", "0");
	override("idle_session_timeout", "0");
	pgstat_report_appname(name);
}

void
kv_process_bound_waits(void)
{
	override("lock_timeout", LOCK_WAIT_MAX);
}

void
kv_process_init(void)
{
	pgfirst_shmem_request("pgfirst kv processes", sizeof(ProcessShared), (void **) &shared, NULL);
}
