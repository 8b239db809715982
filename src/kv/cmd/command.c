/* SPDX-License-Identifier: PostgreSQL
 *
 * command.c: from a parsed command to its reply; see command.h.
 *
 * Everything that all commands share is checked here, in Redis's order and in its words: does the
 * command exist, is the number of arguments right, may this client, may this server.  Then the
 * database is opened and every key that a writing command names is locked - tried, never waited for
 * - and the command's function runs with nothing left that could make it wait.
 */
#include "postgres.h"

#include <ctype.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/formatting.h"
#include "utils/memutils.h"

#include "base/clock.h"
#include "kv/auth.h"
#include "kv/cmd/commands.h"
#include "kv/cmd/pause.h"
#include "kv/cmd/reading.h"
#include "kv/cmd/stats.h"
#include "kv/limit.h"
#include "kv/settings.h"
#include "lib/glob/glob.h"
#include "lib/number/number.h"

bool
kv_argument_is(const KvCall *call, int i, const char *word)
{
	RespSlice argument = kv_argument(call, i);

	return argument.length == strlen(word) &&
	       pg_strncasecmp(argument.data, word, argument.length) == 0;
}

bool
kv_argument_integer(KvCall *call, int i, int64 *value)
{
	RespSlice argument = kv_argument(call, i);

	if (pgfirst_int64_parse(argument.data, argument.length, value))
		return true;
	kv_reply_error(call, "ERR value is not an integer or out of range");
	return false;
}

/* ---- replies ----------------------------------------------------------------------------- */

void
kv_reply_error(KvCall *call, const char *format, ...)
{
	char words[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(words, sizeof(words), format, arguments);
	va_end(arguments);
	kv_stats_add(&kv_stats->error_replies, 1);
	pgfirst_resp_write_error(call->reply, words, strlen(words));
}

void
kv_reply_ok(KvCall *call)
{
	pgfirst_resp_write_simple(call->reply, "OK");
}

void
kv_reply_syntax(KvCall *call)
{
	kv_reply_error(call, "ERR syntax error");
}

void
kv_reply_slice(KvCall *call, RespSlice slice)
{
	pgfirst_resp_write_bulk(call->reply, slice.data, slice.length);
}

bool
kv_pattern_matches(RespSlice pattern, RespSlice bytes, bool ignore_case, size_t *steps)
{
	return pgfirst_glob_match_within(pattern.data, pattern.length, bytes.data, bytes.length,
	                                 ignore_case, steps);
}

void
kv_reply_pattern(KvCall *call)
{
	kv_reply_error(call, "ERR the pattern takes too long to match; a shorter one, or shorter runs "
	                     "in its brackets, would not");
}

void
kv_reply_not_installed(KvCall *call)
{
	kv_reply_error(call,
	               "LOADING extension pgfirst_kv is not installed in database \"%s\"; CREATE "
	               "EXTENSION pgfirst CASCADE installs it",
	               pgfirst_redis_database);
}

MemoryContext
kv_scratch(void)
{
	static MemoryContext scratch;

	if (!scratch)
		scratch = AllocSetContextCreate(TopMemoryContext, "pgfirst redis scratch",
		                                ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(scratch);
	return scratch;
}

RespSlice
kv_slice_copy(RespSlice slice)
{
	char *copy = MemoryContextAllocHuge(CurrentMemoryContext, Max(slice.length, 1));

	memcpy(copy, slice.data, slice.length);
	return (RespSlice){copy, slice.length};
}

/* ---- finding ----------------------------------------------------------------------------- */

/* The index is made once per process.  No name of the table has an upper case letter. */
#define INDEX_SIZE 512

static struct
{
	bool made;
	int16 first[INDEX_SIZE]; /* row plus one */
	int16 next[INDEX_SIZE];  /* by row */
} command_index;

static uint32
index_of(const char *name, Size length)
{
	uint32 hash = (uint32) length;

	/* The bit makes a letter lower case, and of anything else something else. */
	for (Size i = 0; i < length; i++)
		hash = hash * 31 + (uint32) ((unsigned char) name[i] | 0x20);
	return hash % INDEX_SIZE;
}

static void
index_make(void)
{
	for (int row = 0; row < kv_commands_count; row++)
	{
		uint32 slot = index_of(kv_commands[row].name, strlen(kv_commands[row].name));

		command_index.next[row] = command_index.first[slot];
		command_index.first[slot] = (int16) (row + 1);
	}
	command_index.made = true;
}

/* Whether the bytes are this name of the table, in any case. */
static bool
name_is(const char *name, RespSlice bytes)
{
	for (Size i = 0; i < bytes.length; i++)
	{
		char byte = bytes.data[i];

		if (byte >= 'A' && byte <= 'Z')
			byte += 'a' - 'A';
		if (name[i] != byte || byte == '\0')
			return false;
	}
	return name[bytes.length] == '\0';
}

const KvCommand *
kv_command_find(const char *container, RespSlice name)
{
	if (!command_index.made)
		index_make();
	if (name.length > 64)
		return NULL;
	for (int row = command_index.first[index_of(name.data, name.length)]; row != 0;
	     row = command_index.next[row - 1])
	{
		const KvCommand *command = &kv_commands[row - 1];

		if (name_is(command->name, name) && (container == NULL) == (command->container == NULL) &&
		    (container == NULL || strcmp(container, command->container) == 0))
			return command;
	}
	return NULL;
}

int
kv_command_keys(const KvCommand *command, int argc, int *first, int *last, int *step)
{
	*first = command->first_key;
	*step = command->key_step;
	*last = command->last_key < 0 ? argc + command->last_key : command->last_key;
	if (*first == 0 || *last < *first)
		return 0;
	return (*last - *first) / *step + 1;
}

/* The keys are the first half of what follows STREAMS, of which the first one from argument first_key on counts. */
static int
keys_of_streams(const KvCommand *command, const KvCall *call, int shift, int *first)
{
	int at = shift + command->first_key;
	int keys;

	while (at < call->argc && !kv_argument_is(call, at, "STREAMS"))
		at++;
	keys = (call->argc - at - 1) / 2;
	*first = at - shift + 1;
	return keys > 0 ? keys : -1;
}

int
kv_command_keys_of(const KvCommand *command, const KvCall *call, int shift, KvKeys *keys)
{
	int argc = call->argc - shift;
	RespSlice number;
	int64 counted;
	int last;

	keys->apart = 0;
	keys->step = 1;
	if (command->flags & KV_STREAMS)
		return keys->count = keys_of_streams(command, call, shift, &keys->first);
	if (!(command->flags & (KV_SCRIPT | KV_COUNTED)))
		return keys->count = kv_command_keys(command, argc, &keys->first, &last, &keys->step);
	if (command->flags & KV_SCRIPT)
		keys->first = 3;
	else if (command->last_key == 0)
		keys->first = command->first_key;
	else
	{
		keys->apart = command->first_key;
		keys->first = command->last_key + 2;
	}
	keys->count = -1;
	if (argc < keys->first)
		return -1;
	number = kv_argument(call, shift + keys->first - 1);
	if (pgfirst_int64_parse(number.data, number.length, &counted) && counted >= 0 &&
	    counted <= argc - keys->first)
		keys->count = (int) counted + (keys->apart > 0 && counted > 0);
	return keys->count;
}

/* ---- checking ---------------------------------------------------------------------------- */

/* Redis quotes the beginning of what it did not understand, up to 128 bytes of it. */
static void
reply_unknown(KvCall *call)
{
	RespSlice name = kv_argument(call, 0);
	StringInfoData args;

	initStringInfo(&args);
	for (int i = 1; i < call->argc && args.len < 128; i++)
	{
		RespSlice argument = kv_argument(call, i);

		appendStringInfo(&args, "'%.*s' ", (int) Min(argument.length, (Size) (128 - args.len)),
		                 argument.data);
	}
	kv_reply_error(call, "ERR unknown command '%.*s', with args beginning with: %s",
	               (int) Min(name.length, 128), name.data, args.data);
	pfree(args.data);
}

const KvCommand *
kv_command_look(KvCall *call)
{
	const KvCommand *command = kv_command_find(NULL, kv_argument(call, 0));
	const KvCommand *sub;

	if (!command)
	{
		reply_unknown(call);
		return NULL;
	}
	if (!(command->flags & KV_SUBCOMMANDS) || call->argc < 2)
		return command;
	sub = kv_command_find(command->name, kv_argument(call, 1));
	if (!sub)
	{
		RespSlice name = kv_argument(call, 1);

		kv_reply_error(call, "ERR unknown subcommand '%.*s'. Try %s HELP.",
		               (int) Min(name.length, 128), name.data,
		               asc_toupper(command->name, strlen(command->name)));
	}
	return sub;
}

static bool
arity_fits(const KvCommand *command, int argc)
{
	return command->arity >= 0 ? argc == command->arity : argc >= -command->arity;
}

const char *
kv_command_name(const KvCommand *command)
{
	return command->container ? psprintf("%s|%s", command->container, command->name)
	                          : command->name;
}

KvLevel
kv_command_level(const KvCommand *command)
{
	if ((command->flags & KV_ADMIN) && !(command->flags & KV_HARMLESS))
		return KV_LEVEL_ADMIN;
	if (command->flags & KV_WRITE)
		return KV_LEVEL_WRITE;
	return (command->flags & (KV_READ | KV_READERS)) || command->first_key > 0 ? KV_LEVEL_READ
	                                                                           : KV_LEVEL_NONE;
}

/* The same for a call of it in this database: who copies a key to another one only reads here. */
static KvLevel
level_of_call(const KvCommand *command, const KvCall *call, int database)
{
	int other, argument;

	if (call && command->function == kv_cmd_copy &&
	    kv_command_elsewhere(call, command, database, &other, &argument))
		return KV_LEVEL_READ;
	return kv_command_level(command);
}

bool
kv_command_allowed(const KvCommand *command, const KvCall *call, KvLevels levels, int database)
{
	KvLevel level = level_of_call(command, call, database);

	return level == KV_LEVEL_ADMIN ? kv_access_everywhere(levels)
	                               : kv_level_in(levels, database) >= level;
}

static bool
refuse(KvCall *call, const char *remedy)
{
	kv_reply_error(call, "NOPERM User %s has no permissions to run the '%s' command; %s",
	               kv_auth_role_name(call->session), kv_command_name(call->command), remedy);
	return false;
}

/* Answers and returns false if the role may not. */
static bool
granted(KvCall *call, int database)
{
	const KvCommand *command = call->command;
	const KvSession *session = call->session;
	KvLevel level = level_of_call(command, call, database);
	int other, argument;

	if (level > KV_LEVEL_NONE && (command->flags & KV_SERVER) && session->tenant != 0)
		return refuse(call, "it concerns the tenants of the whole server");
	if (!kv_command_allowed(command, call, session->levels, database))
	{
		if (level == KV_LEVEL_ADMIN)
			return refuse(call, psprintf("kv.grant('%s', NULL, 'admin') gives them",
			                             kv_auth_role_name(session)));
		return refuse(call, psprintf("kv.grant('%s', %d, '%s') gives them",
		                             kv_auth_role_name(session), database, kv_level_name(level)));
	}
	if (!(command->flags & KV_ELSEWHERE) ||
	    !kv_command_elsewhere(call, command, database, &other, &argument) ||
	    kv_level_in(session->levels, other) >= KV_LEVEL_WRITE)
		return true;
	kv_reply_error(
	    call,
	    "NOPERM No permissions to access a key; in database %d, where kv.grant('%s', %d, "
	    "'write') gives them",
	    other, kv_auth_role_name(session), other);
	return false;
}

/* Answers and returns false if the client may not or the server cannot. */
static bool
permitted(KvCall *call)
{
	const KvCommand *command = call->command;
	int database = kv_multi_database(call->session);
	bool keyless = (command->flags & KV_LOADING) != 0;

	if (!OidIsValid(call->session->role) && !(command->flags & KV_NO_AUTH))
	{
		kv_reply_error(call, "NOAUTH Authentication required.");
		return false;
	}
	if (command->flags & KV_NO_AUTH)
		return true;
	if (!keyless && !call->available)
	{
		kv_reply_not_installed(call);
		return false;
	}
	if (!keyless && !kv_database_exists(database))
	{
		kv_reply_error(call, "LOADING database %d is not there; kv.create_database(%d) makes it",
		               database, database);
		return false;
	}
	/* Without the extension there is no schema, and nothing that is anybody's. */
	if (!call->session->usage &&
	    (!keyless || (call->available && kv_command_level(command) > KV_LEVEL_NONE)))
		return refuse(call, "GRANT USAGE ON SCHEMA kv gives them");
	if (!granted(call, database))
		return false;
	if (call->read_only && (command->flags & KV_WRITE))
	{
		kv_reply_error(call, "READONLY You can't write against a read only replica.");
		return false;
	}
	return true;
}

/* ---- locking ----------------------------------------------------------------------------- */

KvOutcome
kv_locked_out(KvCall *call, int holder, const char *what)
{
	if (!call->last_try)
		return KV_PARK_LOCK;
	if (holder != 0)
		kv_reply_error(call,
		               "ERR %s is locked by the transaction of process %d, for longer than "
		               "pgfirst.redis_lock_timeout; pg_stat_activity shows what it does",
		               what, holder);
	else
		kv_reply_error(call, "ERR %s is locked for longer than pgfirst.redis_lock_timeout", what);
	return KV_DONE;
}

/*
 * It tries for a moment, in which other workers begin nothing new, and then rests for ten: it may be SQL that
 * is in the way, for much longer than the others should stand still.
 */
#define TRY_AGAIN_US  1000
#define TRY_MOMENT_US 5000
#define TRY_ROUND_US  50000

KvOutcome
kv_locked_out_for_now(KvCall *call, int holder, const char *what)
{
	KvSession *session = call->session;
	int64 timeout_us = (int64) pgfirst_redis_lock_timeout * 1000;
	int64 now_us = pgfirst_clock_monotonic_us();
	int64 round_us;

	if (session->wait_until_us == 0)
		session->wait_until_us = now_us + timeout_us;
	call->ends_turn = true; /* it may have locked a part */
	call->last_try = now_us >= session->wait_until_us;
	if (kv_locked_out(call, holder, what) == KV_DONE)
		return KV_DONE;
	round_us = (now_us - (session->wait_until_us - timeout_us)) % TRY_ROUND_US;
	session->call_again_us = now_us + TRY_AGAIN_US;
	if (round_us < TRY_MOMENT_US)
		kv_pause_briefly(now_us);
	else
		session->call_again_us = now_us + TRY_ROUND_US - round_us;
	return KV_PARK_NEWS;
}

/* Tries the lock of the key that argument i is; KV_DONE with call->space NULL is answered. */
static KvOutcome
lock_key(KvCall *call, int i)
{
	RespSlice key = kv_argument(call, i);
	int holder;

	/* Conditional: past the lock limit a turn must have the store's lock now or not at all. */
	if (kv_key_lock(call->space, key, true, false))
		return KV_DONE;
	holder = kv_key_lock_holder(call->space, key);
	call->space = NULL;
	call->session->blocked_argument = i;
	return kv_locked_out(call, holder, "the key");
}

/* Tries the locks of all keys that the command names in its database; as above. */
static KvOutcome
lock_keys(KvCall *call, int blocked)
{
	KvOutcome outcome = KV_DONE;
	KvKeys keys;

	/* Of those that cannot be told the command will say so. */
	if (kv_command_keys_of(call->command, call, 0, &keys) <= 0)
		return KV_DONE;
	/*
	 * A transaction has so many locks; what others have taken of them is back in the next turn.  A script may
	 * have taken them itself, and goes on with the store's.
	 */
	if (!call->atomic && pgfirst_store_locks() > 0 &&
	    pgfirst_store_locks() + keys.count > PGFIRST_LOCKS_MAX)
	{
		call->space = NULL;
		return KV_PARK_TURN;
	}
	if (keys.count > PGFIRST_LOCKS_MAX)
	{
		if (pgfirst_store_lock_all(call->space->store, false))
			return KV_DONE;
		call->space = NULL;
		return kv_locked_out(call, kv_space_writer(call->session->database), "the database");
	}
	/* What stopped it last time comes first: to try in vain then takes nothing and wakes nobody. */
	if (blocked >= kv_key_argument(&keys, 0) && blocked <= kv_key_argument(&keys, keys.count - 1))
		outcome = lock_key(call, blocked);
	for (int i = 0; i < keys.count && call->space; i++)
		outcome = lock_key(call, kv_key_argument(&keys, i));
	return outcome;
}

/* Opens another database and tries the lock of the key that argument i is, or of the epoch if i is 0. */
static KvOutcome
lock_elsewhere(KvCall *call, int number, int i)
{
	KvSpace *space = kv_space_open(number, true, false);
	int holder;

	if (space)
	{
		PgfirstId id;

		if (i > 0)
			kv_space_id(space, kv_argument(call, i).data, kv_argument(call, i).length, &id);
		else
			kv_space_epoch_id(space, &id);
		if (pgfirst_store_lock(space->store, &id, true, false))
			return KV_DONE;
		holder = pgfirst_store_lock_holder(space->store, &id);
	}
	else
		holder = kv_space_holder(number);
	call->space = NULL;
	call->session->blocked_argument = -1 - number;
	return kv_locked_out(call, holder, space && i > 0 ? "the key" : "the database");
}

/* Opens and locks what the command needs beside the keys of its own database; as above. */
static KvOutcome
lock_others(KvCall *call, int blocked)
{
	KvOutcome outcome = KV_DONE;
	int number, argument;

	if ((call->command->flags & KV_ELSEWHERE) &&
	    kv_command_elsewhere(call, call->command, call->session->database, &number, &argument))
		return lock_elsewhere(call, number, argument);
	if (!(call->command->flags & KV_EVERYWHERE))
		return KV_DONE;
	if (blocked < 0 && kv_database_exists(-1 - blocked))
		outcome = lock_elsewhere(call, -1 - blocked, 0);
	for (number = 0; number < kv_database_count() && call->space; number++)
		if (kv_database_exists(number))
			outcome = lock_elsewhere(call, number, 0);
	return outcome;
}

/* Opens the database and locks what the command names; KV_DONE with call->space set is success. */
static KvOutcome
prepare(KvCall *call)
{
	bool writes = (call->command->flags & KV_WRITE) != 0 || call->locks_reads;
	bool flushes = (call->command->flags & (KV_FLUSHES | KV_EVERYWHERE)) != 0;
	int number = call->session->database;
	int blocked = call->session->blocked_argument;
	KvOutcome outcome = KV_DONE;

	call->session->blocked_argument = 0;
	if (call->read_only && kv_database_durability(number) == PGFIRST_VOLATILE)
	{
		kv_reply_error(call, "ERR database %d is volatile: a standby does not have it", number);
		return KV_DONE;
	}
	if (flushes && !call->prepared && kv_space_flush_mixed())
		return KV_PARK_TURN;
	call->space = kv_space_open(number, writes, false);
	if (!call->space)
		return kv_locked_out(call, kv_space_holder(number), "the database");
	if (!writes || call->prepared)
		return KV_DONE;
	if ((call->command->flags & KV_FLUSHES) && lock_elsewhere(call, number, 0) != KV_DONE)
		return KV_PARK_LOCK;
	if (!call->space)
		return KV_DONE;
	if (blocked < 0)
		outcome = lock_others(call, blocked);
	if (call->space)
		outcome = lock_keys(call, blocked);
	if (call->space && blocked >= 0)
		outcome = lock_others(call, blocked);
	return outcome;
}

bool
kv_room_for(KvCall *call, Size bytes, KvOutcome *outcome)
{
	*outcome = KV_DONE;
	if (pgfirst_store_room(bytes))
		return true;
	*outcome = kv_no_room(call);
	return false;
}

KvOutcome
kv_no_room(KvCall *call)
{
	/* It is others' changes that leave too little; with a turn to itself it may fit. */
	if (pgfirst_store_changed() && !call->atomic)
		return KV_PARK_TURN;
	kv_reply_error(call, "OOM command not allowed when the changes of one turn would exceed "
	                     "pgfirst.write_set_limit");
	return KV_DONE;
}

Size
kv_arguments_cost(const KvCall *call)
{
	Size bytes = 0;

	for (int i = 1; i < call->argc; i++)
		bytes += kv_argument(call, i).length;
	return KV_CHANGE_COST(bytes, call->argc);
}

/* Whether it shows or stops other clients of the tenant; what publishes looks for itself. */
static bool
reaches_clients(const KvCommand *command)
{
	return command->container && strcmp(command->container, "client") == 0;
}

/*
 * Finds out anew who the client is if something has changed; false if that cannot be done just now and the
 * command needs it.  Within EXEC it stays as it was when that began, which is all or nothing.
 */
static bool
standing(KvCall *call, KvOutcome *outcome)
{
	KvSession *session = call->session;
	bool new = session->granted == 0; /* nobody has said yet whose tenant it is */
	bool needs = kv_command_level(call->command) > KV_LEVEL_NONE ||
	             !(call->command->flags & (KV_LOADING | KV_NO_AUTH)) ||
	             (new &&reaches_clients(call->command));

	kv_tenant_use(session->tenant);
	if (!OidIsValid(session->role) || call->atomic || kv_auth_is_current(session, call->now_ms))
		return true;
	if (new && call->busy)
	{
		if (needs)
			*outcome = kv_locked_out(call, 0, "the list of databases");
		return !needs;
	}
	if (kv_auth_look(session, call->available && !call->busy, call->now_ms) == KV_STANDING_BUSY &&
	    needs)
	{
		*outcome = kv_locked_out(call, 0, "the list of rights");
		return false;
	}
	kv_tenant_use(session->tenant);
	return true;
}

KvRoom
kv_command_room(const KvCall *call, const KvCommand *command, int home)
{
	bool script = kv_command_is_writing_script(command);
	int number, argument;
	KvRoom room;

	if (!(command->flags & KV_GROWS) && !script)
		return KV_ROOM;
	if (!(command->flags & KV_ELSEWHERE) ||
	    !kv_command_elsewhere(call, command, home, &number, &argument))
		number = home;
	room = kv_limit_room(number);
	return script && room == KV_ROOM_NONE ? KV_ROOM : room;
}

/*
 * Whether the database has room for a command that takes some; if not, it waits for the evictor or is refused.
 * EXEC has looked before.
 */
static bool
room_in_database(KvCall *call, KvOutcome *outcome)
{
	KvRoom room;

	if (call->atomic)
		return true;
	room = kv_command_room(call, call->command, call->session->database);
	if (room == KV_ROOM || (room == KV_ROOM_SOON && kv_multi_is_open(call->session)))
		return true;
	if (room == KV_ROOM_SOON && !call->last_try)
		*outcome = KV_PARK_LOCK; /* what is evicted was locked */
	else
		kv_reply_error(call, KV_OOM_WORDS);
	return false;
}

/* Finds the command and checks what the table says; false if that has ended it, with the outcome. */
static bool
acceptable(KvCall *call, KvOutcome *outcome)
{
	/* One that EXEC has kept is known. */
	const KvCommand *command = call->command ? call->command : kv_command_look(call);

	*outcome = KV_DONE;
	if (!command)
		return false;
	call->command = command;
	if (!arity_fits(command, call->argc))
	{
		kv_reply_error(call, "ERR wrong number of arguments for '%s%s%s' command",
		               command->container ? command->container : "", command->container ? "|" : "",
		               command->name);
		return false;
	}
	call->session->last_command = command;
	/* What EXEC has kept came before. */
	if (!call->atomic && kv_session_only_listens(call->session) && !(command->flags & KV_LISTENING))
	{
		kv_reply_error(
		    call,
		    "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
		    "RESET are allowed in this context",
		    kv_command_name(command));
		return false;
	}
	if (!standing(call, outcome))
		return false;
	kv_keys_spare(call->session->no_touch && command->function != kv_cmd_touch);
	if (call->busy && OidIsValid(call->session->role) &&
	    (kv_command_level(command) > KV_LEVEL_NONE ||
	     !(command->flags & (KV_LOADING | KV_NO_AUTH))))
	{
		*outcome = kv_locked_out(call, 0, "the list of databases");
		return false;
	}
	return permitted(call) && room_in_database(call, outcome);
}

/* Opens and locks what the command needs, and calls its function. */
static KvOutcome
execute(KvCall *call)
{
	uint32 flags = call->command->flags;

	if (flags & (KV_READ | KV_WRITE))
	{
		KvOutcome outcome;

		/* What is prepared has its locks: those of an EXEC or a script. */
		call->locks_reads |= !call->prepared && !call->read_only && kv_reading_insists(call);
		outcome = prepare(call);
		if (!call->space)
			return outcome;
		call->durable = call->space->durability == PGFIRST_DURABLE;
		if ((flags & KV_WRITE) && !call->prepared &&
		    !kv_room_for(call, kv_arguments_cost(call), &outcome))
			return outcome;
		call->wrote = (flags & KV_WRITE) != 0;
	}
	call->executed = true;
	call->session->reshaped |= (flags & KV_RESHAPES) != 0;
	return call->command->function(call);
}

KvOutcome
kv_command_run_now(KvCall *call)
{
	KvOutcome outcome;

	return acceptable(call, &outcome) ? execute(call) : outcome;
}

/* The command of a script's call; NULL after answering that scripts have none like it. */
static const KvCommand *
scripted_command(KvCall *call)
{
	const KvCommand *command = kv_command_find(NULL, kv_argument(call, 0));

	if (command && (command->flags & KV_SUBCOMMANDS) && call->argc > 1)
		command = kv_command_find(command->name, kv_argument(call, 1));
	if (!command)
		kv_reply_error(call, "ERR Unknown Redis command called from script");
	else if (!arity_fits(command, call->argc))
		kv_reply_error(call, "ERR Wrong number of args calling Redis command from script");
	else if (command->flags & KV_NO_SCRIPT)
		kv_reply_error(call, "ERR This Redis command is not allowed from script");
	else if (call->reads_only && (command->flags & KV_WRITE))
		kv_reply_error(call, "ERR Write commands are not allowed from read-only scripts.");
	else
		return command;
	return NULL;
}

KvOutcome
kv_command_run_scripted(KvCall *call)
{
	call->command = scripted_command(call);
	if (!call->command || !permitted(call))
		return KV_DONE;
	/* While keys are evicted it goes on: the evictor waits for nobody who holds a script's locks. */
	if (kv_command_room(call, call->command, call->session->database) == KV_ROOM_NONE)
	{
		kv_reply_error(call, KV_OOM_WORDS);
		return KV_DONE;
	}
	return execute(call);
}

KvOutcome
kv_command_run(KvCall *call)
{
	KvSession *session = call->session;
	Size start = call->reply->length;
	KvOutcome outcome;

	if (!acceptable(call, &outcome))
	{
		if (outcome != KV_DONE)
			return outcome;
		if (call->command && call->command->function == kv_cmd_exec && !call->reply->failed)
			kv_multi_abort(call, start);
		else
			kv_multi_break(session);
		return KV_DONE;
	}
	if (kv_pause_holds(call, &session->call_again_us))
		return KV_PARK_NEWS;
	if (!kv_multi_is_open(session) || (call->command->flags & KV_NOW))
		return execute(call);
	if (call->command->flags & KV_NO_MULTI)
	{
		kv_reply_error(call, "ERR Command not allowed inside a transaction");
		kv_multi_break(session);
	}
	else
		kv_multi_keep(call);
	return KV_DONE;
}
