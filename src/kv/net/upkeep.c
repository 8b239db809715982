/* SPDX-License-Identifier: PostgreSQL
 *
 * upkeep.c: the process that keeps the databases in order, so that no client's loop has to.
 *
 *   look      every second until the extension is there, then every five: is it there?
 *   first     makes databases 0 to 3 when there are none.
 *   census    counts the databases whose number of keys is not known: a scan, after a start, a crash
 *             or a promotion; again soon when somebody was just writing, because DBSIZE waits for it.
 *   tidy      clears away what changes have left on the pages, a slice at a time, when there has been any.
 *   sweep     deletes expired and flushed keys, a slice at a time: a slice holds its keys' locks too
 *             shortly to be noticed, and slices follow each other quickly only while there is much
 *             to delete.
 *
 * A standby only looks.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

#include "base/clock.h"
#include "base/flush.h"
#include "base/worker.h"
#include "kv/cmd/stats.h"
#include "kv/count.h"
#include "kv/database.h"
#include "kv/net/process.h"
#include "kv/net/upkeep.h"
#include "kv/type/key.h"
#include "store/store.h"

extern PGDLLEXPORT void pgfirst_upkeep_main(Datum arg);

#define SECOND_US ((int64) 1000000)

#define LOOK_MISSING_US   (1 * SECOND_US)
#define LOOK_THERE_US     (5 * SECOND_US)
#define LOOK_UNCOUNTED_US (SECOND_US / 10)

/* The space of a million expired keys is free within a minute; a quiet store costs next to nothing. */
#define SWEEP_SLICE     800               /* records looked at at a time */
#define SWEEP_SHARE     20                /* of a core it takes one part in so many, */
#define SWEEP_DENSE_US  (SECOND_US / 200) /* but this long from one slice to the next at least */
#define SWEEP_THIN_US   (SECOND_US / 20)  /* and this long at most */
#define SWEEP_REST_US   (2 * SECOND_US)   /* after a whole pass */
#define SWEEP_ANYWAY_US (600 * SECOND_US) /* even if there seems to be nothing to do */

/* A store that is locked, by a turn of a worker or by an ALTER TABLE, is asked for again. */
#define BUSY_US    (SECOND_US / 500)
#define BUSY_TRIES 10

#define TIDY_SLICE   64 /* pages looked at at a time */
#define TIDY_BUSY_US (SECOND_US / 50)
#define TIDY_REST_US (2 * SECOND_US)

static struct
{
	MemoryContext context;
	int64 next_tidy;
	int tidy_number; /* of the database being tidied */
	int tidy_tries;  /* to open it, in vain */
	PgfirstTidyCursor tidy_cursor;
	uint32 tidied[KV_DATABASES]; /* what a whole pass began with */
	bool tidied_once[KV_DATABASES];
	uint32 tidy_began;
	int64 next_look;
	int64 next_sweep;
	bool available;
	int sweep_number; /* of the database being swept */
	int sweep_tries;  /* to open it, in vain */
	PgfirstId sweep_cursor;
	bool all_counted;
	int count_number;                 /* of the database being counted */
	uint64 swept_epoch[KV_DATABASES]; /* a whole pass has seen nothing older */
	int64 swept_at[KV_DATABASES];     /* when it ended; monotonic */
	uint64 pass_epoch;                /* of the pass under way */
} upkeep;

/* Runs one piece in a transaction of its own; false, logged, if it failed. */
static bool
in_transaction(void (*piece)(void))
{
	MemoryContext caller = CurrentMemoryContext;
	volatile bool done = false;

	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		pgfirst_store_commands_apart();
		MemoryContextSwitchTo(upkeep.context);
		kv_spaces_forget();
		piece();
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
look(void)
{
	upkeep.available = kv_databases_ready(true) == KV_READY;
}

static void
make_first_databases(void)
{
	char *command;

	if (kv_databases_ready(true) != KV_READY || kv_database_count() > 0)
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
count_database(void)
{
	KvSpace *space;
	KvCount count;

	if (kv_databases_ready(true) != KV_READY || !kv_database_exists(upkeep.count_number) ||
	    kv_count_get(upkeep.count_number, &count))
		return;
	space = kv_space_open(upkeep.count_number, false, false);
	upkeep.all_counted &= space && kv_count_census(space);
}

/* Each in a transaction of its own: what fails in one says nothing about the others. */
static void
count_databases(void)
{
	upkeep.all_counted = true;
	for (upkeep.count_number = 0; upkeep.count_number < KV_DATABASES; upkeep.count_number++)
		(void) in_transaction(count_database);
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

/*
 * Opens a database to write; NULL if there is none or it is locked.  *tries is not 0 if it is worth
 * trying again, at *next.
 */
static KvSpace *
open_patiently(int number, int *tries, int64 *next)
{
	bool exists = kv_database_exists(number);
	KvSpace *space = exists ? kv_space_open(number, true, false) : NULL;

	if (space || !exists || *tries == BUSY_TRIES)
		*tries = 0;
	else
	{
		++*tries;
		*next = pgfirst_clock_monotonic_us() + BUSY_US;
	}
	return space;
}

/* Whether a pass over the database would find anything; opens it. */
static KvSpace *
sweep_open(int number)
{
	int64 now_us = pgfirst_clock_monotonic_us();
	bool may_expire, stale;
	KvCount count;
	KvSpace *space;

	space = open_patiently(number, &upkeep.sweep_tries, &upkeep.next_sweep);
	if (!space)
		return NULL;
	/* An unknown number may be any. What a slow transaction has put into an old epoch is rare. */
	may_expire = !kv_count_get(number, &count) || count.expires > 0;
	stale = now_us - upkeep.swept_at[number] > SWEEP_ANYWAY_US;
	if (!may_expire && !stale && space->epoch == upkeep.swept_epoch[number])
		return NULL;
	return space;
}

static void
sweep_slice(void)
{
	KvSpace *space;
	PgfirstSweep sweep;
	int64 now_us = pgfirst_clock_monotonic_us();
	int64 took_us;
	bool begins;

	upkeep.next_sweep = now_us + SWEEP_REST_US;
	if (kv_databases_ready(true) != KV_READY)
		return;
	space = sweep_open(upkeep.sweep_number);
	if (!space && upkeep.sweep_tries > 0)
		return;
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
	took_us = pgfirst_clock_monotonic_us() - now_us;
	upkeep.next_sweep = now_us + Min(Max(took_us * SWEEP_SHARE, SWEEP_DENSE_US), SWEEP_THIN_US);
	if (!sweep.wrapped)
		return;
	upkeep.swept_epoch[upkeep.sweep_number] = upkeep.pass_epoch;
	upkeep.swept_at[upkeep.sweep_number] = now_us;
	upkeep.sweep_number = (upkeep.sweep_number + 1) % KV_DATABASES;
	upkeep.next_sweep = now_us + SWEEP_REST_US;
}

/* ---- tidy -------------------------------------------------------------------------------- */

static bool
cursor_at_start(const PgfirstTidyCursor *cursor)
{
	return cursor->opaque[0] == 0 && cursor->opaque[1] == 0 && cursor->opaque[2] == 0;
}

static void
tidy_slice(void)
{
	int number = upkeep.tidy_number;
	int64 now_us = pgfirst_clock_monotonic_us();
	KvSpace *space;
	PgfirstTidy tidy = {.wrapped = true};

	if (kv_databases_ready(true) != KV_READY)
	{
		upkeep.next_tidy = now_us + TIDY_REST_US;
		return;
	}
	space = open_patiently(number, &upkeep.tidy_tries, &upkeep.next_tidy);
	if (upkeep.tidy_tries > 0)
		return;
	if (space != NULL)
	{
		uint32 untidy = pgfirst_store_untidy(space->store);

		if (cursor_at_start(&upkeep.tidy_cursor))
			upkeep.tidy_began = untidy;
		if (!upkeep.tidied_once[number] || untidy != upkeep.tidied[number])
			tidy = pgfirst_store_tidy(space->store, &upkeep.tidy_cursor, TIDY_SLICE);
		if (tidy.wrapped)
		{
			upkeep.tidied[number] = upkeep.tidy_began;
			upkeep.tidied_once[number] = true;
		}
	}
	upkeep.next_tidy = now_us + (tidy.leaves > 0 ? TIDY_BUSY_US : 0);
	if (!tidy.wrapped)
		return;
	memset(&upkeep.tidy_cursor, 0, sizeof(upkeep.tidy_cursor));
	upkeep.tidy_number = (number + 1) % KV_DATABASES;
	if (upkeep.tidy_number == 0)
		upkeep.next_tidy = now_us + TIDY_REST_US;
}

/* Does what is due; returns when it wants to be called again. */
static int64
upkeep_run(int64 now_us)
{
	bool writable = !RecoveryInProgress();

	if (now_us >= upkeep.next_look)
	{
		if (!in_transaction(look))
			upkeep.available = false;
		upkeep.next_look = now_us + (upkeep.available ? LOOK_THERE_US : LOOK_MISSING_US);
		if (upkeep.available && writable)
		{
			in_transaction(make_first_databases);
			count_databases();
			if (!upkeep.all_counted)
				upkeep.next_look = now_us + LOOK_UNCOUNTED_US;
		}
	}
	if (!upkeep.available || !writable)
		return upkeep.next_look;
	/* What fails in one database must not keep the others waiting. */
	if (now_us >= upkeep.next_sweep && !in_transaction(sweep_slice))
	{
		upkeep.next_sweep = now_us + SWEEP_REST_US;
		memset(&upkeep.sweep_cursor, 0, sizeof(upkeep.sweep_cursor));
		upkeep.sweep_number = (upkeep.sweep_number + 1) % KV_DATABASES;
	}
	if (now_us >= upkeep.next_tidy && !in_transaction(tidy_slice))
	{
		upkeep.next_tidy = now_us + TIDY_REST_US;
		memset(&upkeep.tidy_cursor, 0, sizeof(upkeep.tidy_cursor));
		upkeep.tidy_number = (upkeep.tidy_number + 1) % KV_DATABASES;
	}
	return Min(Min(upkeep.next_look, upkeep.next_sweep), upkeep.next_tidy);
}

void
pgfirst_upkeep_main(Datum arg)
{
	pgfirst_worker_start();
	kv_process_connect(KV_UPKEEP_SLOT, "pgfirst upkeep");
	upkeep.context =
	    AllocSetContextCreate(TopMemoryContext, "pgfirst upkeep", ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		int64 now_us = pgfirst_clock_monotonic_us();
		int64 due_us = upkeep_run(now_us);
		int64 tick_us = pgfirst_flush_tick(now_us);
		int64 wait_ms;

		pgfirst_worker_interrupts();
		pgfirst_worker_reload();
		wait_ms = (Min(due_us, tick_us) - pgfirst_clock_monotonic_us() + 999) / 1000;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, Max(wait_ms, 0),
		                 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

void
kv_upkeep_init(void)
{
	pgfirst_worker_register("pgfirst upkeep", "pgfirst_upkeep_main", 0);
}
