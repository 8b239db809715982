/* SPDX-License-Identifier: PostgreSQL
 *
 * command.h: the one table of commands, and what a command's function gets and gives.
 *
 * A row of the table says everything about a command that is not its effect: arity, flags, where
 * its keys are, its group and its text. Dispatch, arity errors, locking, COMMAND and COMMAND DOCS are
 * made from it, and a test holds docs/kv.md against it.
 *
 * A command validates its arguments completely before it changes anything, and its changes go to
 * the write set.  So a command that answers with an error has had no effect, and one that cannot go
 * on (somebody has its key) is simply called again later.
 */
#ifndef PGFIRST_KV_COMMAND_H
#define PGFIRST_KV_COMMAND_H

#include "postgres.h"

#include "kv/access.h"
#include "kv/cmd/session.h"
#include "kv/database.h"
#include "kv/limit.h"
#include "kv/ready.h"
#include "kv/type/key.h"
#include "lib/resp/resp.h"

typedef enum KvFlag
{
	KV_READ = 1 << 0,        /* reads keys */
	KV_WRITE = 1 << 1,       /* changes keys: refused on a standby, locks what it names */
	KV_FAST = 1 << 2,        /* constant time, for COMMAND */
	KV_NO_AUTH = 1 << 3,     /* allowed before authentication */
	KV_LOADING = 1 << 4,     /* allowed while the extension is missing: touches no key */
	KV_ADMIN = 1 << 5,       /* needs admin in every database */
	KV_BLIND = 1 << 6,       /* changes keys mostly without having read them */
	KV_SUBCOMMANDS = 1 << 7, /* a container: the first argument names the row */
	KV_FLUSHES = 1 << 8,     /* empties the database: its epoch is locked as well */
	KV_NOW = 1 << 9,         /* runs at once between MULTI and EXEC, too */
	KV_NO_MULTI = 1 << 10,   /* refused there */
	KV_ELSEWHERE = 1 << 11,  /* may change a key of another database, which is locked as well */
	KV_EVERYWHERE = 1 << 12, /* empties all databases: the epochs of all of them are locked */
	KV_SCRIPT = 1 << 13,    /* runs commands of a script; argument 2 says how many keys follow it */
	KV_NO_SCRIPT = 1 << 14, /* refused within scripts */
	KV_STREAMS = 1 << 17,   /* the keys are the first half of what follows the word STREAMS */
	KV_LISTENING = 1 << 16, /* allowed in RESP2 to who has subscribed to something */
	/*
	 * The argument before the first key says how many there are; where the row has a last key, the one behind
	 * that says how many more follow it.
	 */
	KV_COUNTED = 1 << 15,
	KV_NAMES_MEMBER = 1 << 18, /* argument 2 names a member or a field */
	KV_NAMES_SCORED = 1 << 19, /* argument 3 names a member, mostly, behind its score */
	KV_WAITS = 1 << 27,        /* may wait for its keys; not within MULTI and scripts */
	KV_GROWS = 1 << 20,        /* takes room: refused in a database that is full (Redis: denyoom) */
	KV_HARMLESS = 1 << 24,     /* of KV_ADMIN: Redis calls it so, but anybody may */
	KV_SERVER = 1 << 25,  /* of KV_ADMIN: concerns all tenants, so the default one's admins may */
	KV_READERS = 1 << 26, /* names no key, but is for those who may read */
	KV_RESHAPES = 1 << 28 /* changes the connection: its database, role, protocol, name, … */
} KvFlag;

/* What became of a call. */
typedef enum KvOutcome
{
	KV_DONE,       /* answered */
	KV_PARK_LOCK,  /* call again when a lock was released */
	KV_PARK_TURN,  /* call again in the next turn */
	KV_PARK_SLICE, /* call again in a turn to come, each of which has one slice of such work */
	KV_PARK_COUNT, /* call again when the keys have been counted */
	KV_PARK_NEWS   /* call again at session->call_again_us, or when a pause is lifted */
} KvOutcome;

typedef struct KvCall KvCall;
typedef KvOutcome (*KvFunction)(KvCall *call);

typedef struct KvCommand
{
	const char *name;      /* lower case */
	const char *container; /* of a subcommand: its command; else NULL */
	KvFunction function;
	int arity; /* with the name; negative: at least */
	uint32 flags;
	int first_key; /* argument numbers, 0: no keys */
	int last_key;  /* negative: from the end */
	int key_step;
	const char *group; /* Redis's: string, bitmap, generic, connection, server */
	const char *since; /* the Redis version it came with */
	const char *complexity;
	const char *summary;
	const char *arguments; /* as the documentation shows them */
} KvCommand;

struct KvCall
{
	KvSession *session;
	RespBuffer *reply; /* the session's */
	const KvCommand *command;
	const RespParser *parser; /* its arguments */
	const char *data;
	int argc;
	int64 now_ms; /* the turn's clock, for expiry */
	/*
	 * The session's database, opened by dispatch for KV_READ and KV_WRITE.  The reply waits until what
	 * was changed there is durable; who changes several databases leaves the most durable one here.
	 */
	KvSpace *space;
	bool *auth_used; /* one password verification a turn */
	bool *sliced;    /* one slice a turn of what takes many */
	bool read_only;  /* the server is a standby */
	bool available;  /* the extension is there */
	bool busy;       /* whether it is, and which databases, is locked just now */
	bool last_try;   /* it has waited long enough: answer with an error instead of parking */
	/* Set by a command that returns KV_PARK_NEWS: the arguments that are keys it waits for. */
	int waits_first;
	int waits_last;
	KvType waits_type;
	/* Of a command that is called again, the key that has something; NULL: any of those it waits for. */
	const KvReadyKey *ready;
	bool lengthy;   /* set by the command: it moved many bytes, as its kind rarely does */
	bool ends_turn; /* likewise: it has locks that others should not wait for */
	bool executed;  /* the command's function was called */
	bool atomic;    /* it is part of an EXEC or a script: it must not park, but for locks */
	bool prepared;  /* EXEC has locked everything, and made room */
	/* Of a command that reads a collection: see reading.h. */
	struct KvReading *reading;
	bool looked_up; /* what it looks up has been counted */

	/* Monotonic: when the EXEC or the script that it is part of has to be over; 0: neither. */
	int64 until_us;

	/* Of a command that a script runs. */
	bool locks_reads; /* locks the keys that it only reads as well */
	bool reads_only;  /* the script may change nothing */

	/* Set by dispatch, for whoever holds the reply back until it is true. */
	bool wrote;   /* it may have changed keys */
	bool durable; /* of a durable database */
};

/*
 * What a command of so many bytes takes of the write set at most, unless it reads what it writes: memory
 * for small values is given out in powers of two.
 */
#define KV_CHANGE_COST(bytes, argc)                                                                \
	((Size) (bytes) + Min((Size) (bytes), (Size) (argc) *8192) + (Size) (argc) *216)

/* Argument i; 0 is the command's name. */
static inline RespSlice
kv_argument(const KvCall *call, int i)
{
	return pgfirst_resp_argument(call->parser, call->data, (size_t) i);
}

/* Whether argument i is this word, in any case. */
extern bool kv_argument_is(const KvCall *call, int i, const char *word);

/* Reads argument i as an integer; answers with Redis's error and returns false if it is none. */
extern bool kv_argument_integer(KvCall *call, int i, int64 *value);

/*
 * Whether a pattern of the client's matches, within this many steps: some tens of milliseconds.
 * When they do not suffice, *steps is 0 and kv_reply_pattern() says so.
 */
#define KV_PATTERN_STEPS ((size_t) 20 * 1000 * 1000)
extern bool kv_pattern_matches(RespSlice pattern, RespSlice bytes, bool ignore_case, size_t *steps);
extern void kv_reply_pattern(KvCall *call);

/* Answers that the extension is not where pgfirst.redis_database says that it is. */
extern void kv_reply_not_installed(KvCall *call);

/* ---- replies ----------------------------------------------------------------------------- */

extern void kv_reply_error(KvCall *call, const char *format, ...) pg_attribute_printf(2, 3);
extern void kv_reply_ok(KvCall *call);
extern void kv_reply_syntax(KvCall *call);
extern void kv_reply_slice(KvCall *call, RespSlice slice);

/* How often a command on so many arguments reads them to find all as of one moment. */
static inline int
kv_tries_together(int argc)
{
	return Min(Max(200 * 1000 / argc, 4), 1000);
}

/*
 * Memory for what reading one of many keys brings in.  Every call empties it: whoever has switched
 * to it calls once more at the end.
 */
extern MemoryContext kv_scratch(void);

/* A copy in the current context. */
extern RespSlice kv_slice_copy(RespSlice slice);

/* ---- the table --------------------------------------------------------------------------- */

extern const KvCommand kv_commands[];
extern const int kv_commands_count;

/* The row of this name (and container, or NULL), in any case; NULL if there is none. */
extern const KvCommand *kv_command_find(const char *container, RespSlice name);

/* Whether it is a script that may change keys, of which it need not have told. */
static inline bool
kv_command_is_writing_script(const KvCommand *command)
{
	return (command->flags & KV_SCRIPT) && !(command->flags & KV_READ);
}

/* Numbers of the arguments that are keys, as the table has them; returns how many there are. */
extern int kv_command_keys(const KvCommand *command, int argc, int *first, int *last, int *step);

/* Which arguments are keys. */
typedef struct KvKeys
{
	int count;
	int apart; /* one before the others: the destination of ZUNIONSTORE; 0: none */
	int first; /* of the others */
	int step;
} KvKeys;

/*
 * Those of a call.  Of scripts, and where a number says how many, they depend on the arguments.  The command's name is
 * argument `shift` of the call.  -1 if they cannot be told.
 */
extern int kv_command_keys_of(const KvCommand *command, const KvCall *call, int shift,
                              KvKeys *keys);

/* The number of the argument that is key number i of them. */
static inline int
kv_key_argument(const KvKeys *keys, int i)
{
	if (keys->apart == 0)
		return keys->first + i * keys->step;
	return i == 0 ? keys->apart : keys->first + (i - 1) * keys->step;
}

/*
 * Runs the command in call->parser: finds it, checks what the table says (arity, authentication,
 * availability, standby), opens the database, takes the locks and calls its function.  Everything
 * but parking ends in exactly one reply.
 */
extern KvOutcome kv_command_run(KvCall *call);

/* The same for a command that MULTI has kept: it is not kept again. */
extern KvOutcome kv_command_run_now(KvCall *call);

/*
 * The same for a command of a script, which has call->atomic set: what scripts may not do is refused, in
 * Redis's words for them.  It may return KV_PARK_LOCK.
 */
extern KvOutcome kv_command_run_scripted(KvCall *call);

/* The row of the command in call->parser, its subcommand's if it has one; NULL after answering. */
extern const KvCommand *kv_command_look(KvCall *call);

/*
 * Somebody has what the command needs: KV_PARK_LOCK, or on the last try KV_DONE after an error that names
 * the process, if it is known (else 0), and `what` it holds.
 */
extern KvOutcome kv_locked_out(KvCall *call, int holder, const char *what);

/* The level that the command needs, in its database, or for admin in all. */
extern KvLevel kv_command_level(const KvCommand *command);

/*
 * Whether these levels suffice for a command in this database; what it names in another one aside.  call: with
 * its arguments, or NULL: whatever they are.
 */
extern bool kv_command_allowed(const KvCommand *command, const KvCall *call, KvLevels levels,
                               int database);

/* Its name as Redis says it: "config|set".  In the current memory context. */
extern const char *kv_command_name(const KvCommand *command);

/* Whether the command is in a category of ACL CAT. */
extern bool kv_command_in_category(const KvCommand *command, RespSlice category);

/*
 * Something is locked of which nobody says when it is free again: KV_PARK_NEWS, or after
 * pgfirst.redis_lock_timeout KV_DONE, as above.
 */
extern KvOutcome kv_locked_out_for_now(KvCall *call, int holder, const char *what);

/* Opens and locks what a kept SWAPDB needs; true if it will answer with an error, too. */
extern bool kv_swapdb_ready(KvCall *exec, const KvCall *kept, KvOutcome *outcome);

/*
 * Whether the database that the command makes larger, if it does, has room; `home` is where it runs.  A
 * script only waits while keys are evicted: what it does is looked at when it does it.
 */
extern KvRoom kv_command_room(const KvCall *call, const KvCommand *command, int home);

/* ---- multi.c ----------------------------------------------------------------------------- */

/* Whether commands are being kept for EXEC. */
extern bool kv_multi_is_open(const KvSession *session);

/* The database in which the next command would run: a SELECT that is kept comes before it. */
extern int kv_multi_database(const KvSession *session);

/* Keeps the command, and answers. */
extern void kv_multi_keep(KvCall *call);

/* A command was refused, or answered with an error afterwards: EXEC will refuse all of them. */
extern void kv_multi_break(KvSession *session);

/* The turn has failed: an EXEC that was under way in it is over. */
extern void kv_multi_failed(KvSession *session);

/* EXEC itself was refused, with the error that the reply has from byte `start` on. */
extern void kv_multi_abort(KvCall *call, Size start);

/* How many commands are kept, -1 outside of a transaction; and how many keys are watched. */
extern int kv_multi_commands(const KvSession *session);
extern int kv_multi_watched(const KvSession *session);

/* Whether what MULTI keeps changes keys. */
extern bool kv_multi_writes(const KvSession *session);

/* The database that SELECT with these arguments would select; `number` if it would fail. */
extern int kv_select_target(const KvCall *call, int number);
/*
 * Whether so many bytes of changes fit into this turn.  If not, *outcome is what the command returns: it
 * comes again in the next turn, or has been answered.
 */
extern bool kv_room_for(KvCall *call, Size bytes, KvOutcome *outcome);

/* What a command returns that found no room: it comes again in the next turn, or has been answered. */
extern KvOutcome kv_no_room(KvCall *call);

/* What the arguments take when they are written. */
extern Size kv_arguments_cost(const KvCall *call);

/*
 * The key that a command with KV_ELSEWHERE names in another database than `home`, where it runs: the
 * database's number and which argument the key is.  False if it names none, or will be refused.
 */
extern bool kv_command_elsewhere(const KvCall *call, const KvCommand *command, int home,
                                 int *number, int *argument);

#endif
