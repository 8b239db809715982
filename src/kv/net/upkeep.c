/* SPDX-License-Identifier: PostgreSQL
 *
 * upkeep.c: what a worker does between turns.
 *
 *   look      every second until the extension is there, then every five: is it there? A snapshot
 *             is taken on the way, so that RecentXmin does not stand still under an idle worker.
 *   first     makes databases 0 to 3 when there are none.
 *   census    counts the databases whose number of keys is not known; again soon when somebody
 *             was just writing, because DBSIZE waits for it.
 *   sweep     deletes expired and flushed keys, a slice at a time: a slice is short enough not to be
 *             noticed between two turns, and they follow each other quickly only while there is
 *             much to delete.
 *
 * first, census and sweep are the first worker's, and not a standby's.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "kv/cmd/stats.h"
#include "kv/count.h"
#include "kv/database.h"
#include "kv/net/upkeep.h"
#include "kv/type/key.h"
#include "store/store.h"

#define SECOND_US ((int64) 1000000)

#define LOOK_MISSING_US   (1 * SECOND_US)
#define LOOK_THERE_US     (5 * SECOND_US)
#define LOOK_UNCOUNTED_US (SECOND_US / 10)

/* The space of a million expired keys is free within a minute; a quiet store costs next to nothing. */
#define SWEEP_SLICE    400               /* records looked at at a time */
#define SWEEP_DENSE_US (SECOND_US / 100) /* to the next slice after one with much to delete */
#define SWEEP_THIN_US  (SECOND_US / 20)  /* after one with little */
#define SWEEP_REST_US  (2 * SECOND_US)   /* after a whole pass */

static struct
{
	MemoryContext context;
	int64 next_look;
	int64 next_sweep;
	bool available;
	int sweep_number; /* of the database being swept */
	PgfirstId sweep_cursor;
	bool all_counted;
	uint64 swept_epoch[KV_DATABASES]; /* a whole pass has seen nothing older */
	uint64 pass_epoch;                /* of the pass under way */
} upkeep;

/* Runs one piece in a transaction of its own; false, logged, if it failed. */
static bool
in_transaction(void (*piece)(int worker), int worker)
{
	MemoryContext caller = CurrentMemoryContext;
	volatile bool done = false;

	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		MemoryContextSwitchTo(upkeep.context);
		kv_spaces_forget();
		piece(worker);
		CommitTransactionCommand();
		done = true;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(upkeep.context);
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	MemoryContextReset(upkeep.context);
	return done;
}

/* ---- look, first, census ----------------------------------------------------------------- */

static void
look(int worker)
{
	KvReady ready = kv_databases_ready(false);

	(void) GetLatestSnapshot();
	if (ready != KV_BUSY)
		upkeep.available = ready == KV_READY;
}

static void
make_first_databases(int worker)
{
	char *command;

	if (kv_databases_ready(false) != KV_READY || kv_database_count() > 0)
		return;
	command =
	    psprintf("SELECT %s.create_database(number) FROM pg_catalog.generate_series(0, 3) number",
	             quote_identifier(get_namespace_name(kv_schema())));
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (SPI_execute(command, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not make the first databases");
	SPI_finish();
	PopActiveSnapshot();
}

static void
count_databases(int worker)
{
	upkeep.all_counted = true;
	if (kv_databases_ready(false) != KV_READY)
		return;
	for (int number = 0; number < KV_DATABASES; number++)
	{
		KvSpace *space;
		KvCount count;

		if (!kv_database_exists(number) || kv_count_get(number, &count))
			continue;
		space = kv_space_open(number, false, false);
		upkeep.all_counted &= space && kv_count_census(space);
	}
}

/* ---- sweep ------------------------------------------------------------------------------- */

static bool
sweep_is_garbage(const PgfirstRecord *record, void *context)
{
	const KvSpace *space = context;
	KvHead head;

	if (record->kind != KV_KIND_DIRECTORY)
		return false;
	kv_record_head(record, &head);
	return head.tenant == space->tenant && head.epoch < space->epoch;
}

/* Whether a pass over the database would find anything; opens it. */
static KvSpace *
sweep_open(int number)
{
	KvCount count;
	KvSpace *space;

	if (!kv_database_exists(number) || !kv_count_get(number, &count))
		return NULL;
	space = kv_space_open(number, true, false);
	if (!space || (count.expires == 0 && space->epoch == upkeep.swept_epoch[number]))
		return NULL;
	return space;
}

static void
sweep_slice(int worker)
{
	KvSpace *space;
	PgfirstSweep sweep;
	int64 now_us = pgfirst_clock_monotonic_us();
	bool begins;

	upkeep.next_sweep = now_us + SWEEP_REST_US;
	if (kv_databases_ready(false) != KV_READY)
		return;
	space = sweep_open(upkeep.sweep_number);
	if (!space)
	{
		memset(&upkeep.sweep_cursor, 0, sizeof(upkeep.sweep_cursor));
		upkeep.sweep_number = (upkeep.sweep_number + 1) % KV_DATABASES;
		if (upkeep.sweep_number != 0)
			upkeep.next_sweep = now_us;
		return;
	}
	begins = true;
	for (int i = 0; i < (int) sizeof(upkeep.sweep_cursor.bytes); i++)
		begins &= upkeep.sweep_cursor.bytes[i] == 0;
	if (begins)
		upkeep.pass_epoch = space->epoch;
	sweep = pgfirst_store_sweep(space->store, &upkeep.sweep_cursor, SWEEP_SLICE,
	                            pgfirst_clock_wall_ms(), sweep_is_garbage, space, sizeof(KvHead));
	kv_stats_add(&kv_stats->expired_keys, (int64) sweep.deleted);
	upkeep.next_sweep = now_us + (sweep.deleted * 4 > sweep.seen ? SWEEP_DENSE_US : SWEEP_THIN_US);
	if (!sweep.wrapped)
		return;
	upkeep.swept_epoch[upkeep.sweep_number] = upkeep.pass_epoch;
	upkeep.sweep_number = (upkeep.sweep_number + 1) % KV_DATABASES;
	upkeep.next_sweep = now_us + SWEEP_REST_US;
}

int64
kv_upkeep_run(int worker, int64 now_us)
{
	bool first_worker = worker == 1 && !RecoveryInProgress();

	if (!upkeep.context)
		upkeep.context =
		    AllocSetContextCreate(TopMemoryContext, "pgfirst upkeep", ALLOCSET_DEFAULT_SIZES);
	if (now_us >= upkeep.next_look)
	{
		if (!in_transaction(look, worker))
			upkeep.available = false;
		upkeep.next_look = now_us + (upkeep.available ? LOOK_THERE_US : LOOK_MISSING_US);
		if (upkeep.available && first_worker)
		{
			in_transaction(make_first_databases, worker);
			if (in_transaction(count_databases, worker) && !upkeep.all_counted)
				upkeep.next_look = now_us + LOOK_UNCOUNTED_US;
		}
	}
	if (!upkeep.available || !first_worker)
		return upkeep.next_look;
	if (now_us >= upkeep.next_sweep && !in_transaction(sweep_slice, worker))
		upkeep.next_sweep = now_us + SWEEP_REST_US;
	return Min(upkeep.next_look, upkeep.next_sweep);
}
