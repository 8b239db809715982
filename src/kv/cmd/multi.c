/* SPDX-License-Identifier: PostgreSQL
 *
 * multi.c: MULTI, EXEC, DISCARD, WATCH and UNWATCH.
 *
 * Between MULTI and EXEC dispatch checks a client's commands as always and then keeps them, with the bytes
 * that came, in the client's own memory.  EXEC runs them in one turn as one unit of the write set: other
 * clients see all of it or nothing, and so does whoever looks after a crash.
 *
 *     open       the databases in which the commands will be
 *     lock       every key that they change or read, and the watched ones; one that somebody has parks
 *                EXEC, which begins again when it is free, as any command does
 *     compare    what is watched
 *     run        the commands, with call->atomic: from here on none of them parks
 *
 * Nothing is changed before the last step, so that EXEC can be called again, and in the last step nothing
 * is left that could keep it from being finished, but its time: the worker serves nobody else meanwhile, and so
 * an EXEC ends after pgfirst.redis_script_timeout, as a script does.  What it has changed is taken back, unless
 * it has changed what databases are, which only their administrators may.  The commit is not in that time; how
 * much there is to commit is bounded by pgfirst.write_set_limit.  FLUSHDB within a transaction moves later keys to the
 * next epoch, where nobody else can have locked them, because nobody knows it yet.
 *
 * A transaction that only reads locks nothing, as no reader does: it is run again until all it has read was
 * true at one moment, like a command on several keys; and if that does not come soon, it locks after all.
 *
 * What SQL reads by several calls, in one statement too, it reads one after the other; see docs/kv.md.
 *
 * WATCH.  What is remembered of a record is the stamp of its slot (see store.h), which every change of
 * any process raises, and whether it was being changed then; and what the stamp does not tell: the epoch
 * and the file of the database, and when the key will have expired.  Slots are hashed: a change of
 * another record may look like one of this, about once in 65,536 changes, and EXEC answers null as if
 * the key had been changed; clients that watch try again anyway.  FLUSHDB gives every key another record: it changes
 * what was there, but not a key that was not, unless that comes and goes in the next epoch, whose record is remembered as
 * well; after two of them it counts as changed.  Of a collection only the key's record counts, which is
 * written with every change of an element (collection.h).  The watched keys are locked while EXEC
 * compares and until it commits, or two transactions that each watch what the other changes could
 * both succeed.
 *
 * Rejected: to run the commands at once and to undo them on DISCARD (others would wait for the client's
 * locks from one of its packets to the next); to copy what is watched and compare the bytes (a value
 * that was changed and changed back is a change).
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "kv/cmd/commands.h"
#include "kv/cmd/stats.h"
#include "kv/id.h"
#include "kv/limit.h"
#include "kv/publish.h"
#include "kv/script/script.h"

#define FIRST_BYTES   512
#define KEPT_HEADER   sizeof(const KvCommand *)
#define KEPT_CHEAP    ((Size) 4096)       /* bytes of a command */
#define KEPT_STEPS    64                  /* cheap commands between two looks at the clock */
#define READ_AGAIN_US ((int64) 20 * 1000) /* from when on a transaction that reads locks as well */

typedef struct KvWatch
{
	PgfirstStamp record;
	PgfirstStamp next; /* the record in the next epoch, if the key is not there */
	uint32 tenant;
	int database;
	Oid storage;
	uint64 epoch;
	bool there;
	int64 expiry;
	Size length;
	char *key;
} KvWatch;

/* The key that EXEC could not lock: where its command begins, and which argument it is (0: none). */
typedef struct KvBlocked
{
	int database;
	int argument;
	Size from;
} KvBlocked;

struct KvMulti
{
	bool open;    /* between MULTI and EXEC */
	bool late;    /* EXEC was given up, because it has gone on for too long */
	bool spent;   /* EXEC has begun to run it; still there if an error has ended the turn */
	bool broken;  /* a command was refused: EXEC will refuse all */
	bool flushes; /* one of them empties a database */
	int commands;
	bool catalog; /* one changes what databases are, which cannot be taken back */
	int database; /* in which the next command would run */
	bool insists; /* locks, although it changes nothing */
	KvBlocked blocked;
	int64 keys; /* that are named, as often as they are */
	Size data;  /* what commands that change keys may take of the write set */
	char *bytes;
	Size length;
	Size capacity;

	KvWatch *watches;
	int watched;
	int watches_capacity;
};

static RespParser kept_parser;

/* ---- memory, which is the client's ----------------------------------------------------------- */

static void *
resize(KvSession *session, void *block, Size size)
{
	const RespAllocator *allocator = &session->reply.allocator;

	return allocator->resize(allocator->context, block, size);
}

static void
reply_no_memory(KvCall *call)
{
	kv_reply_error(call, "OOM the buffers of all clients together would exceed "
	                     "pgfirst.redis_client_memory");
}

/* NULL after answering. */
static struct KvMulti *
multi_of(KvCall *call)
{
	KvSession *session = call->session;

	if (session->multi && session->multi->spent)
		kv_multi_forget(session);
	if (!session->multi)
	{
		session->multi = resize(session, NULL, sizeof(struct KvMulti));
		if (session->multi)
			memset(session->multi, 0, sizeof(struct KvMulti));
		else
			reply_no_memory(call);
	}
	return session->multi;
}

static void
watches_forget(KvSession *session)
{
	struct KvMulti *multi = session->multi;

	for (int i = 0; multi && i < multi->watched; i++)
		(void) resize(session, multi->watches[i].key, 0);
	if (multi)
		multi->watched = 0;
}

void
kv_multi_forget(KvSession *session)
{
	struct KvMulti *multi = session->multi;

	if (!multi)
		return;
	watches_forget(session);
	if (multi->watches)
		(void) resize(session, multi->watches, 0);
	if (multi->bytes)
		(void) resize(session, multi->bytes, 0);
	(void) resize(session, multi, 0);
	session->multi = NULL;
}

bool
kv_multi_is_open(const KvSession *session)
{
	return session->multi && session->multi->open && !session->multi->spent;
}

int
kv_multi_database(const KvSession *session)
{
	return kv_multi_is_open(session) ? session->multi->database : session->database;
}

int
kv_multi_commands(const KvSession *session)
{
	return kv_multi_is_open(session) ? session->multi->commands : -1;
}

bool
kv_multi_writes(const KvSession *session)
{
	return kv_multi_is_open(session) && session->multi->data > 0;
}

int
kv_multi_watched(const KvSession *session)
{
	return session->multi ? session->multi->watched : 0;
}

/* ---- keeping --------------------------------------------------------------------------------- */

void
kv_multi_break(KvSession *session)
{
	struct KvMulti *multi = session->multi;

	if (!kv_multi_is_open(session))
		return;
	multi->broken = true;
	if (multi->bytes)
		(void) resize(session, multi->bytes, 0);
	multi->bytes = NULL;
	multi->length = multi->capacity = 0;
}

void
kv_multi_failed(KvSession *session)
{
	if (session->multi && session->multi->spent)
		kv_multi_forget(session);
}

static bool
multi_reserve(KvSession *session, Size more)
{
	struct KvMulti *multi = session->multi;
	Size capacity = Max(multi->capacity, FIRST_BYTES);
	char *bytes;

	while (capacity < multi->length + more)
		capacity *= 2;
	if (capacity == multi->capacity)
		return true;
	bytes = resize(session, multi->bytes, capacity);
	if (!bytes)
		return false;
	multi->bytes = bytes;
	multi->capacity = capacity;
	return true;
}

/* A command as it is kept: which it is, and the bytes that came. */
static void
multi_append(struct KvMulti *multi, const KvCall *call)
{
	memcpy(multi->bytes + multi->length, &call->command, KEPT_HEADER);
	memcpy(multi->bytes + multi->length + KEPT_HEADER, call->data, call->parser->consumed);
	multi->length += KEPT_HEADER + call->parser->consumed;
	multi->commands++;
}

static bool
changes_catalog(const KvCommand *command)
{
	return command->function == kv_cmd_swapdb || command->function == kv_cmd_config_set;
}

void
kv_multi_keep(KvCall *call)
{
	struct KvMulti *multi = call->session->multi;
	Size length = call->parser->consumed;
	KvKeys keys;

	if (call->command->function == kv_cmd_select)
		multi->database = kv_select_target(call, multi->database);
	if (multi->broken)
	{
		pgfirst_resp_write_simple(call->reply, "QUEUED");
		return;
	}
	/* A script may have to begin again, when somebody has a key of which it had not told. */
	if (multi->catalog && (call->command->flags & KV_SCRIPT))
	{
		kv_multi_break(call->session);
		kv_reply_error(call, "ERR a script must come before SWAPDB and CONFIG SET within a "
		                     "transaction");
		return;
	}
	if (!multi_reserve(call->session, KEPT_HEADER + length))
	{
		kv_multi_break(call->session);
		reply_no_memory(call);
		return;
	}
	multi_append(multi, call);
	multi->keys += Max(kv_command_keys_of(call->command, call, 0, &keys), 0);
	multi->catalog |= changes_catalog(call->command);
	if ((call->command->flags & KV_WRITE) || kv_command_is_writing_script(call->command))
		multi->data += KV_CHANGE_COST(length, call->argc);
	multi->flushes |= (call->command->flags & (KV_FLUSHES | KV_EVERYWHERE)) != 0;
	pgfirst_resp_write_simple(call->reply, "QUEUED");
}

void
kv_multi_abort(KvCall *call, Size start)
{
	RespBuffer *reply = call->reply;
	StringInfoData why;

	initStringInfo(&why);
	appendBinaryStringInfo(&why, reply->data + start + 1, (int) (reply->length - start - 3));
	reply->length = start;
	kv_reply_error(call, "EXECABORT Transaction discarded because of: %s",
	               strncmp(why.data, "ERR ", 4) == 0 ? why.data + 4 : why.data);
	pfree(why.data);
	kv_multi_forget(call->session);
}

/* MULTI */
KvOutcome
kv_cmd_multi(KvCall *call)
{
	struct KvMulti *multi = multi_of(call);

	if (!multi)
		return KV_DONE;
	if (multi->open)
		kv_reply_error(call, "ERR MULTI calls can not be nested");
	else
	{
		multi->open = true;
		multi->database = call->session->database;
		kv_reply_ok(call);
	}
	return KV_DONE;
}

/* DISCARD */
KvOutcome
kv_cmd_discard(KvCall *call)
{
	if (!kv_multi_is_open(call->session))
	{
		kv_reply_error(call, "ERR DISCARD without MULTI");
		return KV_DONE;
	}
	kv_multi_forget(call->session);
	kv_reply_ok(call);
	return KV_DONE;
}

/* ---- WATCH ----------------------------------------------------------------------------------- */

/* False without memory. */
static bool
watch(KvCall *call, RespSlice key)
{
	KvSession *session = call->session;
	struct KvMulti *multi = session->multi;
	KvWatch *watch;
	KvEntry entry;
	PgfirstId id;

	if (multi->watched == multi->watches_capacity)
	{
		int capacity = Max(multi->watches_capacity * 2, 4);
		KvWatch *watches = resize(session, multi->watches, (Size) capacity * sizeof(KvWatch));

		if (!watches)
			return false;
		multi->watches = watches;
		multi->watches_capacity = capacity;
	}
	watch = &multi->watches[multi->watched];
	watch->key = resize(session, NULL, Max(key.length, 1));
	if (!watch->key)
		return false;
	memcpy(watch->key, key.data, key.length);
	watch->length = key.length;
	watch->tenant = session->tenant;
	watch->database = session->database;
	watch->storage = kv_database_storage(session->database);
	watch->epoch = call->space->epoch;
	/* The stamp comes first: what changes while the key is read is a change. */
	kv_space_id(call->space, key.data, key.length, &id);
	pgfirst_store_stamp(call->space->store, &id, &watch->record);
	watch->there = kv_key_read(call->space, key, call->now_ms, false, &entry);
	watch->expiry = watch->there ? entry.expiry : 0;
	if (!watch->there)
	{
		kv_id(watch->tenant, watch->epoch + 1, key.data, key.length, &id);
		pgfirst_store_stamp(call->space->store, &id, &watch->next);
	}
	multi->watched++;
	return true;
}

/* WATCH key [key ...] */
KvOutcome
kv_cmd_watch(KvCall *call)
{
	if (kv_multi_is_open(call->session))
	{
		kv_reply_error(call, "ERR WATCH inside MULTI is not allowed");
		return KV_DONE;
	}
	if (call->read_only && kv_database_durability(call->session->database) == PGFIRST_VOLATILE)
	{
		kv_reply_error(call, "ERR database %d is volatile: a standby does not have it",
		               call->session->database);
		return KV_DONE;
	}
	if (!multi_of(call))
		return KV_DONE;
	call->space = kv_space_open(call->session->database, false, false);
	if (!call->space)
		return kv_locked_out(call, kv_space_holder(call->session->database), "the database");
	/* What this turn has changed gets its stamp when the turn ends. */
	for (int i = 1; i < call->argc; i++)
	{
		RespSlice key = kv_argument(call, i);
		PgfirstId id;

		kv_space_id(call->space, key.data, key.length, &id);
		if (pgfirst_store_changes(call->space->store, &id))
			return KV_PARK_TURN;
	}
	for (int i = 1; i < call->argc; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!watch(call, kv_argument(call, i)))
		{
			reply_no_memory(call);
			return KV_DONE;
		}
	}
	kv_reply_ok(call);
	return KV_DONE;
}

/* UNWATCH */
KvOutcome
kv_cmd_unwatch(KvCall *call)
{
	watches_forget(call->session);
	kv_reply_ok(call);
	return KV_DONE;
}

static bool
stamp_holds(KvSpace *space, const PgfirstStamp *stamp)
{
	return !pgfirst_store_changes(space->store, &stamp->id) &&
	       pgfirst_store_stamp_holds(space->store, stamp);
}

/* Whether the key is as it was; its database is open, and its lock is ours if anything is changed. */
static bool
watch_holds(KvCall *call, KvSpace *space, const KvWatch *watch)
{
	RespSlice key = {watch->key, watch->length};
	KvEntry entry;

	if (watch->tenant != call->session->tenant ||
	    watch->storage != kv_database_storage(watch->database))
		return false;
	if (watch->epoch != space->epoch)
		return !watch->there && watch->epoch + 1 == space->epoch &&
		       stamp_holds(space, &watch->record) && stamp_holds(space, &watch->next) &&
		       !kv_key_read(space, key, call->now_ms, false, &entry);
	if (watch->expiry != 0 && watch->expiry <= call->now_ms)
		return false;
	return stamp_holds(space, &watch->record);
}

/* ---- EXEC ------------------------------------------------------------------------------------ */

/* The kept commands, one after the other. */
typedef struct KeptWalk
{
	KvCall call; /* of the command under way */
	Size at;     /* where it ends */
	Size from;   /* and begins */
	int steps;   /* since the last look at the clock */
} KeptWalk;

static void *
parser_resize(void *context, void *block, size_t size)
{
	if (size == 0)
	{
		if (block)
			pfree(block);
		return NULL;
	}
	return block ? repalloc_huge(block, size) : MemoryContextAllocHuge(TopMemoryContext, size);
}

/* Whether it locks all its keys. */
static bool
multi_locks(const KvCall *call)
{
	const struct KvMulti *multi = call->session->multi;

	return (multi->data > 0 || multi->insists) && !call->read_only;
}

static void
kept_begin(KeptWalk *walk, const KvCall *exec, Size from)
{
	if (!kept_parser.allocator.resize)
	{
		RespAllocator allocator = {.resize = parser_resize};

		pgfirst_resp_parser_init(&kept_parser, allocator, exec->parser->limits);
	}
	kept_parser.limits = exec->parser->limits;
	pgfirst_resp_parser_reset(&kept_parser);
	walk->call = *exec;
	walk->call.parser = &kept_parser;
	walk->call.atomic = walk->call.prepared = true;
	walk->call.locks_reads = multi_locks(exec);
	walk->call.last_try =
	    false; /* or it might answer with an error what it should have waited for */
	walk->at = from;
	walk->steps = 0;
}

static bool
kept_next(KeptWalk *walk)
{
	const struct KvMulti *multi = walk->call.session->multi;

	CHECK_FOR_INTERRUPTS();
	if (walk->at == multi->length)
	{
		pgfirst_resp_parser_reset(&kept_parser);
		return false;
	}
	walk->from = walk->at;
	memcpy(&walk->call.command, multi->bytes + walk->at, KEPT_HEADER);
	walk->at += KEPT_HEADER;
	walk->call.data = multi->bytes + walk->at;
	if (pgfirst_resp_parse(&kept_parser, walk->call.data, multi->length - walk->at) != RESP_COMMAND)
		elog(ERROR, "a command that was kept for EXEC cannot be read");
	walk->call.argc = (int) kept_parser.argc;
	walk->call.space = NULL;
	walk->call.wrote = walk->call.durable = walk->call.lengthy = false;
	walk->at += kept_parser.consumed;
	return true;
}

/* Nothing to keep an eye on.  DBSIZE is not, behind a change, when it goes through all keys. */
static bool
kept_is_cheap(const KeptWalk *walk)
{
	const KvCommand *command = walk->call.command;

	return (command->flags & (KV_FAST | KV_BLIND)) && !walk->call.lengthy &&
	       walk->at - walk->from <= KEPT_CHEAP && command->function != kv_cmd_dbsize;
}

/* Whether the time of the EXEC is over: looks behind what may have taken long, and else now and then. */
static bool
kept_is_late(KeptWalk *walk)
{
	if (++walk->steps < KEPT_STEPS && kept_is_cheap(walk))
		return false;
	walk->steps = 0;
	return pgfirst_clock_monotonic_us() >= walk->call.until_us;
}

/* ---- opening and locking ----------------------------------------------------------------------- */

/* What opening and locking has come to. */
typedef enum Ready
{
	READY_YES,
	READY_PARK,    /* with the outcome */
	READY_ANSWERED /* with an error */
} Ready;

static Ready
not_now(KvCall *call, int holder, const char *what, KvOutcome *outcome)
{
	*outcome = kv_locked_out(call, holder, what);
	return *outcome == KV_DONE ? READY_ANSWERED : READY_PARK;
}

static Ready
database_open(KvCall *call, int number, bool writable, KvSpace **space, KvOutcome *outcome)
{
	*space = kv_space_open(number, writable, false);
	return *space ? READY_YES : not_now(call, kv_space_holder(number), "the database", outcome);
}

static Ready
key_lock(KvCall *call, KvSpace *space, RespSlice key, KvOutcome *outcome)
{
	if (kv_key_lock(space, key, true, false))
		return READY_YES;
	return not_now(call, kv_key_lock_holder(space, key), "a key", outcome);
}

/* Opens a database for the transaction; if it has more keys than there are locks, as a whole. */
static Ready
database_ready(KvCall *call, int number, KvSpace **space, KvOutcome *outcome)
{
	const struct KvMulti *multi = call->session->multi;
	bool locks = multi_locks(call);
	Ready ready = database_open(call, number, locks, space, outcome);

	if (*space && locks && multi->keys + multi->watched > PGFIRST_LOCKS_MAX &&
	    !pgfirst_store_lock_all((*space)->store, false))
		ready = not_now(call, kv_space_writer(number), "the database", outcome);
	return ready;
}

/* Locks argument i of the command under way in an open database, and remembers it if that fails. */
static Ready
argument_ready(KvCall *call, const KeptWalk *walk, KvSpace *space, int i, KvOutcome *outcome)
{
	Ready ready = key_lock(call, space, kv_argument(&walk->call, i), outcome);

	if (ready != READY_YES)
		call->session->multi->blocked =
		    (KvBlocked){.database = space->number, .from = walk->from, .argument = i};
	return ready;
}

static Ready
epoch_ready(KvCall *call, int number, KvOutcome *outcome)
{
	KvSpace *space;
	Ready ready = database_ready(call, number, &space, outcome);

	if (ready == READY_YES && !kv_space_flush_lock(space, false))
		ready = not_now(call, 0, "the database", outcome);
	return ready;
}

/* What the command under way, which runs in database `home`, will change in others. */
static Ready
others_ready(KvCall *call, const KeptWalk *walk, const KvCommand *command, int home,
             KvOutcome *outcome)
{
	Ready ready = READY_YES;
	int number, argument;
	KvSpace *space;

	if ((command->flags & KV_ELSEWHERE) &&
	    kv_command_elsewhere(&walk->call, command, home, &number, &argument))
	{
		if (kv_level_in(call->session->levels, number) < KV_LEVEL_WRITE)
			return READY_YES;
		ready = database_ready(call, number, &space, outcome);
		return ready == READY_YES ? argument_ready(call, walk, space, argument, outcome) : ready;
	}
	if (!(command->flags & KV_EVERYWHERE))
		return READY_YES;
	for (number = 0; number < kv_database_count() && ready == READY_YES; number++)
		if (kv_database_exists(number))
			ready = epoch_ready(call, number, outcome);
	return ready;
}

/* Whether there is room for what the command under way adds to its database; as dispatch looks. */
static Ready
room_ready(KvCall *call, const KeptWalk *walk, const KvCommand *command, int number,
           KvOutcome *outcome)
{
	KvRoom room = kv_command_room(&walk->call, command, number);

	*outcome = KV_PARK_LOCK;
	if (room == KV_ROOM)
		return READY_YES;
	if (room == KV_ROOM_SOON && !call->last_try)
		return READY_PARK;
	*outcome = KV_DONE;
	kv_reply_error(call, "EXECABORT Transaction discarded because of: %s", KV_OOM_WORDS);
	return READY_ANSWERED;
}

/* Opens and locks what the command under way will need, which will run in database `number`. */
static Ready
command_ready(KvCall *call, const KeptWalk *walk, const KvCommand *command, int number,
              KvOutcome *outcome)
{
	KvSpace *space;
	Ready ready;
	KvKeys keys;

	if (!(command->flags & (KV_READ | KV_WRITE | KV_SCRIPT)) || !kv_database_exists(number) ||
	    !kv_command_allowed(command, &walk->call, call->session->levels, number) ||
	    (call->read_only &&
	     ((command->flags & KV_WRITE) || kv_database_durability(number) == PGFIRST_VOLATILE)))
		return READY_YES; /* it will say what is wrong, if anything is */
	if (command->function == kv_cmd_swapdb && !kv_swapdb_ready(call, &walk->call, outcome))
		return *outcome == KV_DONE ? READY_ANSWERED : READY_PARK;
	ready = room_ready(call, walk, command, number, outcome);
	if (ready != READY_YES)
		return ready;
	ready = database_ready(call, number, &space, outcome);
	if (ready == READY_YES && (command->flags & KV_FLUSHES))
		ready = epoch_ready(call, number, outcome);
	if (ready == READY_YES)
		ready = others_ready(call, walk, command, number, outcome);
	if (!multi_locks(call))
		return ready;
	(void) kv_command_keys_of(command, &walk->call, 0, &keys);
	for (int i = 0; i < keys.count && ready == READY_YES; i++)
		ready = argument_ready(call, walk, space, kv_key_argument(&keys, i), outcome);
	return ready;
}

static Ready
commands_ready(KvCall *call, KvOutcome *outcome)
{
	int number = call->session->database;
	Ready ready = READY_YES;
	KeptWalk walk;

	kept_begin(&walk, call, 0);
	while (ready == READY_YES && kept_next(&walk))
	{
		const KvCommand *command = walk.call.command;

		if (command->function == kv_cmd_select)
			number = kv_select_target(&walk.call, number);
		else
			ready = command_ready(call, &walk, command, number, outcome);
		if (ready == READY_YES && kept_is_late(&walk))
		{
			kv_script_reply_late(call);
			*outcome = KV_DONE;
			ready = READY_ANSWERED;
		}
	}
	return ready;
}

/*
 * What was in the way the last time comes first: to try it in vain then takes nothing, and so wakes
 * nobody else who waits.
 */
static Ready
blocked_ready(KvCall *call, KvOutcome *outcome)
{
	KvBlocked blocked = call->session->multi->blocked;
	KvSpace *space;
	KeptWalk walk;
	Ready ready;

	if (blocked.argument == 0 || !kv_database_exists(blocked.database))
		return READY_YES;
	ready = database_open(call, blocked.database, true, &space, outcome);
	if (ready != READY_YES)
		return ready;
	kept_begin(&walk, call, blocked.from);
	(void) kept_next(&walk);
	return key_lock(call, space, kv_argument(&walk.call, blocked.argument), outcome);
}

/* Compares what is watched; a key is locked first if the transaction locks. */
static Ready
watches_hold(KvCall *call, bool *hold, KvOutcome *outcome)
{
	const struct KvMulti *multi = call->session->multi;
	Ready ready = READY_YES;

	*hold = true;
	for (int i = 0; i < multi->watched && *hold && ready == READY_YES; i++)
	{
		const KvWatch *watch = &multi->watches[i];
		KvSpace *space;

		CHECK_FOR_INTERRUPTS();
		*hold = kv_database_exists(watch->database);
		if (!*hold)
			break;
		ready = database_ready(call, watch->database, &space, outcome);
		if (ready == READY_YES && multi_locks(call))
			ready = key_lock(call, space, (RespSlice){watch->key, watch->length}, outcome);
		if (ready != READY_YES)
			break;
		/* Null tells something of the key, too. */
		call->durable |= space->durability == PGFIRST_DURABLE;
		*hold = watch_holds(call, space, watch);
	}
	return ready;
}

/* Whether the turn has room for the changes; otherwise the next one may have. */
static Ready
turn_ready(KvCall *call, KvOutcome *outcome)
{
	const struct KvMulti *multi = call->session->multi;

	*outcome = KV_PARK_TURN;
	/* What a command that empties a database drops must be of this tenant alone. */
	if (multi->flushes && kv_space_others_write())
		return READY_PARK;
	if (multi_locks(call) && pgfirst_store_locks() > 0 &&
	    pgfirst_store_locks() + multi->keys + multi->watched > PGFIRST_LOCKS_MAX)
		return READY_PARK;
	if (multi->data == 0 || kv_room_for(call, multi->data, outcome))
		return READY_YES;
	return *outcome == KV_DONE ? READY_ANSWERED : READY_PARK;
}

/* ---- running ----------------------------------------------------------------------------------- */

/*
 * What a command reads is forgotten behind it.  Once the replies are too many for the client's memory
 * it will be disconnected; what changes something is carried out nevertheless, as a whole.
 *
 * Only a script may not come to its end: it needs a key of which nobody knew, and somebody has it.  And all of
 * it may take too long; but what has changed the catalog is carried out to its end.
 */
static KvOutcome
run_each(KvCall *call)
{
	MemoryContext each =
	    AllocSetContextCreate(CurrentMemoryContext, "pgfirst exec", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(each);
	struct KvMulti *multi = call->session->multi;
	KvOutcome outcome = KV_DONE;
	bool sealed = false;
	KeptWalk walk;

	pgfirst_resp_write_array(call->reply, (size_t) multi->commands);
	kept_begin(&walk, call, 0);
	while (outcome == KV_DONE && !multi->late && kept_next(&walk) &&
	       (multi->data > 0 || !call->reply->failed))
	{
		outcome = kv_command_run_now(&walk.call);
		if (outcome != KV_DONE && !(walk.call.command->flags & KV_SCRIPT))
			elog(ERROR, "command \"%s\" could not be finished within EXEC",
			     walk.call.command->name);
		call->wrote |= walk.call.wrote;
		call->durable |= walk.call.durable;
		call->ends_turn |= walk.call.ends_turn;
		sealed |= changes_catalog(walk.call.command);
		multi->late = outcome == KV_DONE && !sealed && kept_is_late(&walk);
		MemoryContextReset(each);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(each);
	return outcome;
}

/* The same; what is not finished has not been begun, or was given up, which is answered. */
static KvOutcome
run_kept(KvCall *call)
{
	const struct KvMulti *multi = call->session->multi;
	int database = call->session->database;
	Size start = call->reply->length;
	int messages = kv_publish_mark();
	KvOutcome outcome;
	KvEpochs epochs;

	kv_spaces_note(&epochs);
	pgfirst_store_mark();
	outcome = run_each(call);
	if (outcome == KV_DONE && !multi->late)
	{
		pgfirst_store_mark_keep();
		return KV_DONE;
	}
	pgfirst_store_mark_undo();
	kv_publish_take_back(messages);
	kv_spaces_return(&epochs);
	call->reply->length = start;
	call->session->database = database;
	call->wrote = false;
	if (multi->late)
	{
		kv_script_reply_late(call);
		return KV_DONE;
	}
	if (!call->last_try)
		return outcome;
	kv_reply_error(call, "ERR what a script needs is locked for longer than "
	                     "pgfirst.redis_lock_timeout");
	return KV_DONE;
}

static PgfirstStore *
some_open_store(void)
{
	for (int number = 0; number < KV_DATABASES; number++)
		if (kv_space_opened(number))
			return kv_space_opened(number)->store;
	return NULL;
}

/*
 * Runs a transaction that only reads, until what it has read was true at one moment, at which what is
 * watched was still as it had been.  Others may write too fast for that; then it locks, like one that
 * changes something, and is called again.  On a standby there are no locks, and it takes what it has.
 */
static KvOutcome
read_kept(KvCall *call)
{
	struct KvMulti *multi = call->session->multi;
	PgfirstStore *store = some_open_store();
	int64 deadline_us = pgfirst_clock_monotonic_us() + READ_AGAIN_US;
	int database = call->session->database;
	int messages = kv_publish_mark();
	Size start = call->reply->length;
	KvOutcome outcome = KV_DONE, ignored;
	bool hold = true;
	bool same;

	do
	{
		call->reply->length = start;
		call->session->database = database;
		kv_publish_take_back(messages);
		if (store)
			pgfirst_store_together_begin(store);
		outcome = run_kept(call);
		same = !store || pgfirst_store_together_end();
		if (outcome != KV_DONE || multi->late)
			return outcome;
		(void) watches_hold(call, &hold, &ignored);
	} while (!same && hold && !call->reply->failed && pgfirst_clock_monotonic_us() < deadline_us);
	if (!hold)
	{
		call->reply->length = start;
		call->session->database = database;
		kv_publish_take_back(messages);
		pgfirst_resp_write_null_array(call->reply);
	}
	else if (!same && !call->read_only && !call->reply->failed)
	{
		call->reply->length = start;
		call->session->database = database;
		kv_publish_take_back(messages);
		multi->insists = true;
		return KV_PARK_TURN;
	}
	return KV_DONE;
}

/* Opens, locks and compares. */
static Ready
exec_ready(KvCall *call, bool *hold, KvOutcome *outcome)
{
	Ready ready = turn_ready(call, outcome);

	*hold = true;
	if (ready == READY_YES && !kv_script_unblocked(call, outcome))
		ready = *outcome == KV_DONE ? READY_ANSWERED : READY_PARK;
	if (ready == READY_YES)
		ready = blocked_ready(call, outcome);
	if (ready == READY_YES)
		ready = commands_ready(call, outcome);
	if (ready == READY_YES)
		ready = watches_hold(call, hold, outcome);
	return ready;
}

/* EXEC */
KvOutcome
kv_cmd_exec(KvCall *call)
{
	struct KvMulti *multi = call->session->multi;
	KvOutcome outcome = KV_DONE;
	bool hold;
	Ready ready;

	if (!kv_multi_is_open(call->session))
	{
		kv_reply_error(call, "ERR EXEC without MULTI");
		return KV_DONE;
	}
	if (multi->broken)
	{
		kv_reply_error(call, "EXECABORT Transaction discarded because of previous errors.");
		kv_multi_forget(call->session);
		return KV_DONE;
	}
	multi->spent = true; /* unless it is called again; an error ends it as well */
	call->until_us = kv_script_until(call);
	ready = exec_ready(call, &hold, &outcome);
	if (ready == READY_YES)
	{
		outcome = KV_DONE;
		if (!hold)
			pgfirst_resp_write_null_array(call->reply);
		else if (multi_locks(call) || multi->commands == 0)
			outcome = run_kept(call);
		else
			outcome = read_kept(call);
		if (outcome == KV_DONE)
			ready = READY_ANSWERED;
	}
	if (ready == READY_ANSWERED)
		kv_multi_forget(call->session);
	else
		multi->spent = false;
	return outcome;
}
