/* SPDX-License-Identifier: PostgreSQL
 *
 * upkeep.c: the process that keeps the databases in order, so that no client's loop has to.
 *
 *   look      every second until the extension is there, then every five: is it there?
 *   first     makes those of databases 0 to 3 that are missing, unless somebody has dropped them.
 *   roles     deletes the rights and tenants of roles that have been dropped.
 *   census    counts the databases whose number of keys is not known: a scan, after a start, a crash
 *             or a promotion; again soon when somebody was just writing, because DBSIZE waits for it.
 *   tidy      clears away what changes have left on the pages, a slice at a time, when there has been any.
 *   shrink    makes the file shorter where a pass of tidying has left much of it free, a slice at a time and beside
 *             further passes: it may take hours, which the other databases are not to wait for.
 *   sweep     deletes expired and flushed keys, a slice at a time: a slice holds its keys' locks too
 *             shortly to be noticed, and slices follow each other quickly only while there is much
 *             to delete.
 *   evict     makes room in databases that are larger than they may be, at once when a writer asks for it, or when
 *             a smaller size was configured.
 *
 * A standby only looks.
 *
 * What must not be made again is remembered where it is dropped, in the extension's table `dropped`, by number and
 * in dumps as well.  Rejected: to make the first databases where there is none (who has made another one never
 * gets them); in the script of CREATE EXTENSION (a dump creates the extension and then brings the databases that
 * there were: it would meet them, and those that had been dropped would be back); to remember that
 * they have been made (who drops one before that would see it come).
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
#include "kv/access.h"
#include "kv/catalog.h"
#include "kv/cmd/stats.h"
#include "kv/count.h"
#include "kv/database.h"
#include "kv/limit.h"
#include "kv/net/epochs.h"
#include "kv/net/evict.h"
#include "kv/net/process.h"
#include "kv/net/upkeep.h"
#include "kv/type/collection.h"
#include "kv/type/key.h"
#include "store/store.h"

extern PGDLLEXPORT void pgfirst_upkeep_main(Datum arg);

#define SECOND_US ((int64) 1000000)

#define FIRST_DATABASES 4

#define LOOK_MISSING_US   (1 * SECOND_US)
#define LOOK_THERE_US     (5 * SECOND_US)
#define LOOK_UNCOUNTED_US (SECOND_US / 10)

/* The space of a million expired keys is free within a minute; a quiet store costs next to nothing. */
#define SWEEP_SLICE     800               /* records looked at at a time */
#define SWEEP_SHARE     20                /* of a core it takes one part in so many, */
#define SWEEP_DENSE_US  (SECOND_US / 200) /* but this long from one slice to the next at least */
#define SWEEP_THIN_US   (SECOND_US / 20)  /* and this long at most */
#define SWEEP_ANYWAY_US (600 * SECOND_US) /* even if there seems to be nothing to do */

/* A store that is locked, by a turn of a worker or by an ALTER TABLE, is asked for again. */
#define BUSY_US    (SECOND_US / 500)
#define BUSY_TRIES 10

#define EVICT_FRUITLESS_US (SECOND_US / 20) /* after a slice that has found nothing */

#define TIDY_SLICE     64               /* pages looked at at a time */
#define SHRINK_SLICE   64               /* steps of making the file shorter */
#define SHRINK_SHARE   20               /* as SWEEP_SHARE; */
#define SHRINK_REST_US (SECOND_US / 10) /* at most: what has been begun keeps pages from writers */
#define TIDY_BUSY_US   (SECOND_US / 50)

/*
 * After a round through all databases.  Where keys come and go so fast that a round has merged pages, the next one will
 * too: with two seconds in between, a file was 1.69 times as large as what lived in it, with half a second 1.55.
 */
#define REST_US      (2 * SECOND_US)
#define REST_GAIN_US (SECOND_US / 2)
#define FAILURES_MAX 10 /* so often the time to the next try is doubled */

/* Through all databases, one after the other, and then from the first again. */
typedef struct UpkeepRound
{
	int64 next; /* when it goes on */
	int number; /* of the database that it is at */
	int tries;  /* to open it, in vain */
	bool gains; /* it is worth being repeated soon */
} UpkeepRound;

/* How far a database is swept.  A pass that could not go on keeps its place. */
typedef struct UpkeepSweep
{
	Oid storage; /* of the file; what stands here says nothing of another */
	PgfirstId cursor;
	uint64 epoch;               /* with which the pass under way began */
	uint64 done;                /* a whole pass has seen nothing older */
	uint64 others_flushes;      /* kv_count_others() when the pass began */
	uint64 others_flushes_done; /* the same of the last whole pass */
	int64 ended;                /* when that pass ended; monotonic */
	bool garbage;               /* the pass under way has found some */
	bool garbage_last;          /* that pass had */
} UpkeepSweep;

typedef struct UpkeepTidy
{
	Oid storage;
	PgfirstTidyCursor cursor;
	uint32 began; /* pgfirst_store_untidy() with which the pass under way began */
	uint32 done;  /* the same of the last whole pass */
	bool once;    /* there was one */
} UpkeepTidy;

typedef struct UpkeepShrink
{
	Oid storage;
	PgfirstShrink cursor;
	bool due; /* what could be merged has been, and the file may be too long by now */
	int failures;
	int64 next; /* after them */
} UpkeepShrink;

static struct
{
	MemoryContext context;
	bool available;

	int64 next_look;
	bool first_later; /* somebody was changing the list of databases */
	bool all_counted;
	int count_number; /* of the database being counted */

	UpkeepRound sweep;
	UpkeepSweep sweeps[KV_DATABASES];
	UpkeepRound tidy;
	UpkeepTidy tidies[KV_DATABASES];
	UpkeepRound shrink;
	UpkeepShrink shrinks[KV_DATABASES];

	int64 next_evict;
	int evict_number; /* of the database under way */
	bool evict_busy;  /* it was locked */
	KvEvicted evicted;
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

/* ---- look, first, roles, census ------------------------------------------------------------ */

static void
look(void)
{
	upkeep.available = kv_databases_ready(true) == KV_READY;
}

static void
run_sql(const char *command, int expected)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (SPI_execute(command, false, 0) != expected)
		elog(ERROR, "could not execute: %s", command);
	SPI_finish();
	PopActiveSnapshot();
}

static bool
first_databases_there(void)
{
	for (int number = 0; number < FIRST_DATABASES; number++)
		if (!kv_database_exists(number))
			return false;
	return true;
}

/* Whoever is changing the list of databases is not waited for. */
static void
make_first_databases(void)
{
	const char *schema;

	upkeep.first_later = false;
	if (kv_databases_ready(true) != KV_READY || first_databases_there())
		return;
	upkeep.first_later = !kv_catalog_lock(false);
	if (upkeep.first_later)
		return;
	schema = quote_identifier(get_namespace_name(kv_schema()));
	run_sql(psprintf("SELECT %1$s.create_database(n) "
	                 "FROM pg_catalog.generate_series(0, %2$d) n "
	                 "WHERE NOT EXISTS (SELECT FROM %1$s.database d WHERE d.number = n) "
	                 "AND NOT EXISTS (SELECT FROM %1$s.dropped d WHERE d.number = n)",
	                 schema, FIRST_DATABASES - 1),
	        SPI_OK_SELECT);
}

/* What the tables say of roles that have been dropped is about nobody, or one day about somebody else. */
static void
forget_dropped_roles(void)
{
	const char *schema;

	if (kv_databases_ready(true) != KV_READY || !kv_access_ready(false) ||
	    !kv_access_lock_dropped())
		return;
	schema = quote_identifier(get_namespace_name(kv_schema()));
	run_sql(psprintf("DELETE FROM %s.access a WHERE a.grantee <> 0 AND NOT EXISTS "
	                 "(SELECT FROM pg_catalog.pg_roles r WHERE r.oid = a.grantee)",
	                 schema),
	        SPI_OK_DELETE);
	run_sql(psprintf("DELETE FROM %s.tenancy t WHERE NOT EXISTS "
	                 "(SELECT FROM pg_catalog.pg_roles r WHERE r.oid = t.role)",
	                 schema),
	        SPI_OK_DELETE);
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

/* ---- rounds ------------------------------------------------------------------------------ */

/* On to the next database; to the first one after a rest. */
static void
round_pass_on(UpkeepRound *round, int64 now_us)
{
	round->tries = 0;
	round->number = (round->number + 1) % KV_DATABASES;
	round->next = now_us;
	if (round->number > 0)
		return;
	round->next += round->gains ? REST_GAIN_US : REST_US;
	round->gains = false;
}

/* Its database is locked: tries again soon, some times. */
static void
round_is_busy(UpkeepRound *round, int64 now_us)
{
	if (++round->tries <= BUSY_TRIES)
		round->next = now_us + BUSY_US;
	else
		round_pass_on(round, now_us);
}

/*
 * Opens the round's database; NULL if there is none, or if it is locked.  Then the round either tries again
 * soon or has passed on.  Where databases cannot be had at all, it rests.
 */
static KvSpace *
round_open(UpkeepRound *round, bool writable, int64 now_us)
{
	KvSpace *space;
	bool exists;

	round->next = now_us + REST_US;
	if (kv_databases_ready(true) != KV_READY)
		return NULL;
	exists = kv_database_exists(round->number);
	space = exists ? kv_space_open(round->number, writable, false) : NULL;
	if (!space && exists)
		round_is_busy(round, now_us);
	else if (!space)
		round_pass_on(round, now_us);
	return space;
}

/* The slice took so long that the next one should not be before `next_us`. */
static void
round_slice_done(UpkeepRound *round, bool wrapped, int64 now_us, int64 next_us)
{
	round->next = next_us;
	round->tries = 0;
	if (!wrapped)
		return;
	round_pass_on(round, now_us);
	round->next = Max(round->next, next_us);
}

static bool
all_zero(const void *cursor, Size size)
{
	const char *bytes = cursor;

	for (Size i = 0; i < size; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

/* ---- sweep ------------------------------------------------------------------------------- */

typedef struct SweepContext
{
	KvEpochsMet epochs;
	KvPartsMet parts;
} SweepContext;

static bool
sweep_is_garbage(const PgfirstRecord *record, void *context)
{
	SweepContext *sweep = context;
	KvHead head;

	if (kv_record_is_part(record))
		return kv_part_is_garbage(record, &sweep->parts);
	if (record->kind != KV_KIND_DIRECTORY)
		return false;
	kv_record_head(record, &head);
	return head.epoch < kv_epoch_met(&sweep->epochs, head.tenant);
}

/* Whether there is anything for a pass over the database to find. */
static bool
sweep_is_due(int number, const KvSpace *space, int64 now_us)
{
	const UpkeepSweep *sweep = &upkeep.sweeps[number];
	KvCountOthers others;
	KvCount count;

	/*
	 * Who finds garbage goes on, until a whole pass has found none: an anchor goes before the parts behind it, and
	 * what is locked is passed over.
	 */
	if (sweep->garbage || sweep->garbage_last)
		return true;
	/* An unknown number may be any.  What a slow transaction has put into an old epoch is rare. */
	return !kv_count_get(number, &count) || count.expires > 0 || space->epoch != sweep->done ||
	       !kv_count_others(number, &others) || others.count.expires > 0 ||
	       others.flushes != sweep->others_flushes_done || others.count.dropped > 0 ||
	       now_us - sweep->ended > SWEEP_ANYWAY_US;
}

static void
sweep_slice(void)
{
	UpkeepRound *round = &upkeep.sweep;
	UpkeepSweep *sweep = &upkeep.sweeps[round->number];
	int64 now_us = pgfirst_clock_monotonic_us();
	int64 took_us;
	KvSpace *space;
	SweepContext met = {0};
	PgfirstSweep slice;

	space = round_open(round, true, now_us);
	if (!space)
		return;
	if (sweep->storage != kv_database_storage(round->number))
		*sweep = (UpkeepSweep){.storage = kv_database_storage(round->number)};
	if (!sweep_is_due(round->number, space, now_us))
	{
		round_pass_on(round, now_us);
		return;
	}
	if (all_zero(&sweep->cursor, sizeof(sweep->cursor)))
	{
		KvCountOthers others = {0};

		sweep->epoch = space->epoch;
		if (kv_count_others(round->number, &others))
			sweep->others_flushes = others.flushes;
	}
	met.epochs.space = space;
	met.parts.store = space->store;
	slice = pgfirst_store_sweep(space->store, &sweep->cursor, SWEEP_SLICE, pgfirst_clock_wall_ms(),
	                            sweep_is_garbage, &met, sizeof(KvHead));
	kv_stats_add(&kv_stats->expired_keys, (int64) (slice.deleted - slice.garbage));
	sweep->garbage |= slice.garbage > 0;
	if (slice.wrapped)
	{
		sweep->garbage_last = sweep->garbage;
		sweep->garbage = false;
		sweep->done = sweep->epoch;
		sweep->others_flushes_done = sweep->others_flushes;
		sweep->ended = now_us;
	}
	took_us = pgfirst_clock_monotonic_us() - now_us;
	round_slice_done(round, slice.wrapped, now_us,
	                 now_us + Min(Max(took_us * SWEEP_SHARE, SWEEP_DENSE_US), SWEEP_THIN_US));
}

/* ---- tidy -------------------------------------------------------------------------------- */

static void
tidy_slice(void)
{
	UpkeepRound *round = &upkeep.tidy;
	UpkeepTidy *tidy = &upkeep.tidies[round->number];
	int64 now_us = pgfirst_clock_monotonic_us();
	KvSpace *space;
	uint32 untidy;
	PgfirstTidy slice;

	/* It changes pages and no record: it need not keep out a loop that has the whole store's lock, nor be let in. */
	space = round_open(round, false, now_us);
	if (!space)
		return;
	if (tidy->storage != kv_database_storage(round->number))
		*tidy = (UpkeepTidy){.storage = kv_database_storage(round->number)};
	untidy = pgfirst_store_untidy(space->store);
	if (tidy->once && untidy == tidy->done)
	{
		upkeep.shrinks[round->number].due = true;
		round_pass_on(round, now_us);
		return;
	}
	if (all_zero(&tidy->cursor, sizeof(tidy->cursor)))
		tidy->began = untidy;
	slice = pgfirst_store_tidy(space->store, &tidy->cursor, TIDY_SLICE);
	if (slice.busy)
	{
		round_is_busy(round, now_us);
		return;
	}
	round->gains |= slice.merged > 0;
	if (slice.wrapped)
	{
		tidy->done = tidy->began;
		tidy->once = true;
		upkeep.shrinks[round->number].due = true;
	}
	round_slice_done(round, slice.wrapped, now_us, now_us + TIDY_BUSY_US);
}

/* ---- shrink ------------------------------------------------------------------------------ */

static void
shrink_slice(void)
{
	UpkeepRound *round = &upkeep.shrink;
	UpkeepShrink *shrink = &upkeep.shrinks[round->number];
	int64 now_us = pgfirst_clock_monotonic_us();
	int64 took_us;
	KvSpace *space;

	if (!shrink->due || now_us < shrink->next)
	{
		round_pass_on(round, now_us);
		return;
	}
	space = round_open(round, false, now_us);
	if (!space)
		return;
	if (shrink->storage != kv_database_storage(round->number))
		*shrink = (UpkeepShrink){.storage = kv_database_storage(round->number), .due = true};
	switch (
	    pgfirst_store_shrink(space->store, &shrink->cursor, SHRINK_SLICE, PGFIRST_SHRINK_AS_SET))
	{
		case PGFIRST_SHRINK_MORE:
			took_us = pgfirst_clock_monotonic_us() - now_us;
			round_slice_done(round, false, now_us,
			                 now_us +
			                     Min(Max(took_us * SHRINK_SHARE, TIDY_BUSY_US), SHRINK_REST_US));
			break;
		case PGFIRST_SHRINK_DONE:
			*shrink = (UpkeepShrink){.storage = shrink->storage};
			round_pass_on(round, now_us);
			break;
		case PGFIRST_SHRINK_BUSY:
			round_is_busy(round, now_us);
			break;
	}
}

/* ---- evict ------------------------------------------------------------------------------- */

static void
evict_slice(void)
{
	upkeep.evict_busy = false;
	if (kv_databases_ready(true) != KV_READY || !kv_database_exists(upkeep.evict_number) ||
	    kv_limit_excess(upkeep.evict_number) == 0)
		return;
	upkeep.evict_busy = !kv_evict_slice(upkeep.evict_number, &upkeep.evicted);
}

/* Whether a database with a limit waits to be counted. */
static bool
limit_unknown(void)
{
	KvCount count;

	for (int number = 0; number < KV_DATABASES; number++)
		if (kv_database_exists(number) && kv_database_settings(number)->max_size > 0 &&
		    !kv_count_get(number, &count))
			return true;
	return false;
}

/* A slice for each database that is too large; says when to go on. */
static int64
evict_slices(int64 now_us)
{
	int64 next_us = now_us + REST_US;

	/* Outside of a transaction nobody hears what has been configured since the last one. */
	if (!in_transaction(look) || !upkeep.available)
		return next_us;
	for (int number = 0; number < KV_DATABASES; number++)
	{
		if (!kv_database_exists(number) || kv_limit_excess(number) == 0)
			continue;
		upkeep.evict_number = number;
		upkeep.evicted = (KvEvicted){0};
		if (!in_transaction(evict_slice))
			continue;
		kv_stats_add(&kv_stats->evicted_keys, upkeep.evicted.evicted);
		kv_stats_add(&kv_stats->expired_keys, upkeep.evicted.expired);
		kv_count_evicted(number, upkeep.evicted.evicted);
		if (kv_limit_excess(number) > 0)
			next_us = Min(next_us, now_us + (upkeep.evict_busy          ? BUSY_US
			                                 : upkeep.evicted.fruitless ? EVICT_FRUITLESS_US
			                                                            : 0));
	}
	return next_us;
}

/* Does what is due; returns when it wants to be called again. */
static int64
upkeep_run(int64 now_us)
{
	bool writable = !RecoveryInProgress();
	bool asked = kv_limit_asked();
	UpkeepShrink *shrink;

	if (asked && limit_unknown())
		upkeep.next_look = Min(upkeep.next_look, now_us + LOOK_UNCOUNTED_US);
	if (now_us >= upkeep.next_look)
	{
		if (!in_transaction(look))
			upkeep.available = false;
		upkeep.next_look = now_us + (upkeep.available ? LOOK_THERE_US : LOOK_MISSING_US);
		if (upkeep.available && writable)
		{
			in_transaction(make_first_databases);
			if (upkeep.first_later)
				upkeep.next_look = now_us + LOOK_MISSING_US;
			in_transaction(forget_dropped_roles);
			count_databases();
			if (!upkeep.all_counted)
				upkeep.next_look = now_us + LOOK_UNCOUNTED_US;
		}
	}
	if (!upkeep.available || !writable)
		return upkeep.next_look;
	/* What fails in one database must not keep the others waiting. */
	if (now_us >= upkeep.sweep.next && !in_transaction(sweep_slice))
	{
		memset(&upkeep.sweeps[upkeep.sweep.number].cursor, 0, sizeof(PgfirstId));
		round_slice_done(&upkeep.sweep, true, now_us, now_us + REST_US);
	}
	if (now_us >= upkeep.tidy.next && !in_transaction(tidy_slice))
	{
		UpkeepTidy *tidy = &upkeep.tidies[upkeep.tidy.number];

		tidy->cursor = (PgfirstTidyCursor){{0}};
		round_slice_done(&upkeep.tidy, true, now_us, now_us + REST_US);
	}
	/* A slice may have passed on to the next database when its commit, with a cut, fails. */
	shrink = &upkeep.shrinks[upkeep.shrink.number];
	if (now_us >= upkeep.shrink.next && !in_transaction(shrink_slice))
	{
		shrink->cursor = (PgfirstShrink){0};
		/* Damage that stops it is met anew each time, and what comes before is logged. */
		shrink->next = now_us + (REST_US << shrink->failures);
		shrink->failures = Min(shrink->failures + 1, FAILURES_MAX);
		round_slice_done(&upkeep.shrink, true, now_us, now_us + REST_US);
	}
	if (asked || now_us >= upkeep.next_evict)
		upkeep.next_evict = evict_slices(now_us);
	return Min(Min(upkeep.next_look, upkeep.next_evict),
	           Min(Min(upkeep.sweep.next, upkeep.tidy.next), upkeep.shrink.next));
}

void
pgfirst_upkeep_main(Datum arg)
{
	pgfirst_worker_start();
	kv_process_connect(KV_UPKEEP_SLOT, "pgfirst upkeep");
	upkeep.context =
	    AllocSetContextCreate(TopMemoryContext, "pgfirst upkeep", ALLOCSET_DEFAULT_SIZES);
	kv_limit_evictor();
	for (;;)
	{
		int64 now_us = pgfirst_clock_monotonic_us();
		int64 due_us = upkeep_run(now_us);
		int64 tick_us = pgfirst_flush_tick(now_us);
		int64 wait_ms;

		kv_stats_sample(now_us);
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
