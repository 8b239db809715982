/* SPDX-License-Identifier: PostgreSQL
 *
 * across.c: commands that carry a key elsewhere (COPY, MOVE, RENAME, RENAMENX), and FLUSHALL.
 *
 * What one of them changes is one unit, also in two databases: nobody sees half of it, and a crash
 * leaves all or nothing of it - except where one of the databases is volatile, which a crash empties.
 * The reply waits for the more durable of the two.
 *
 * The value is written anew at its other place, because a record holds its key and stands where the
 * key belongs.  A large one is read into memory of its own, which is given back before the write
 * set takes its copy; so no more than two copies are there at a time.
 *
 * A command that cannot lock what it needs in another database must not have taken anything else
 * when it is tried again: what it gives back would wake those who wait in other workers, which try and
 * give back in turn, and so for as long as all of them wait.  So dispatch asks here which key that is
 * (kv_command_elsewhere), and locks what stopped the command last time first.
 */
#include "postgres.h"

#include <limits.h>

#include "kv/cmd/commands.h"
#include "kv/cmd/elements.h"
#include "kv/cmd/generic.h"
#include "lib/number/number.h"

/* What is wrong with the arguments. */
typedef enum Wrong
{
	WRONG_NOT,
	WRONG_SYNTAX,
	WRONG_INTEGER,
	WRONG_RANGE,
	WRONG_DATABASE,
	WRONG_SAME
} Wrong;

typedef struct Target
{
	int number;   /* the database */
	int argument; /* the key there */
	bool replace;
} Target;

static Wrong
database_of(const KvCall *call, int i, int *number)
{
	RespSlice argument = kv_argument(call, i);
	int64 value;

	if (!pgfirst_int64_parse(argument.data, argument.length, &value))
		return WRONG_INTEGER;
	if (value < INT_MIN || value > INT_MAX)
		return WRONG_RANGE;
	if (!kv_database_exists((int) value))
		return WRONG_DATABASE;
	*number = (int) value;
	return WRONG_NOT;
}

/* Whether the first two arguments are the same key. */
static bool
is_same_key(const KvCall *call)
{
	RespSlice from = kv_argument(call, 1);
	RespSlice to = kv_argument(call, 2);

	return from.length == to.length && memcmp(from.data, to.data, to.length) == 0;
}

/* COPY source destination [DB number] [REPLACE] */
static Wrong
copy_target(const KvCall *call, int home, Target *target)
{
	*target = (Target){.number = home, .argument = 2};
	for (int i = 3; i < call->argc; i++)
	{
		Wrong wrong = WRONG_NOT;

		if (kv_argument_is(call, i, "REPLACE"))
			target->replace = true;
		else if (kv_argument_is(call, i, "DB") && i + 1 < call->argc)
			wrong = database_of(call, ++i, &target->number);
		else
			wrong = WRONG_SYNTAX;
		if (wrong != WRONG_NOT)
			return wrong;
	}
	return target->number == home && is_same_key(call) ? WRONG_SAME : WRONG_NOT;
}

/* MOVE key number */
static Wrong
move_target(const KvCall *call, int home, Target *target)
{
	Wrong wrong;

	*target = (Target){.number = home, .argument = 1};
	wrong = database_of(call, 2, &target->number);
	return wrong == WRONG_NOT && target->number == home ? WRONG_SAME : wrong;
}

bool
kv_command_elsewhere(const KvCall *call, const KvCommand *command, int home, int *number,
                     int *argument)
{
	Target target;
	Wrong wrong = command->function == kv_cmd_move ? move_target(call, home, &target)
	                                               : copy_target(call, home, &target);

	*number = target.number;
	*argument = target.argument;
	return wrong == WRONG_NOT && target.number != home;
}

static KvOutcome
reply_wrong(KvCall *call, Wrong wrong)
{
	if (wrong == WRONG_SYNTAX)
		kv_reply_syntax(call);
	else if (wrong == WRONG_INTEGER)
		kv_reply_error(call, "ERR value is not an integer or out of range");
	else if (wrong == WRONG_RANGE)
		kv_reply_error(call, "ERR value is out of range, value must between %d and %d", INT_MIN,
		               INT_MAX);
	else if (wrong == WRONG_DATABASE)
		kv_reply_error(call, "ERR DB index is out of range");
	else
		kv_reply_error(call, "ERR source and destination objects are the same");
	return KV_DONE;
}

/* The database, which dispatch has opened. */
static KvSpace *
space_of(int number)
{
	KvSpace *space = kv_space_open(number, true, false);

	if (!space)
		elog(ERROR, "database %d was not opened", number);
	return space;
}

/* The reply waits for what is changed in `space`, too. */
static void
reply_depends_on(KvCall *call, KvSpace *space)
{
	call->durable |= space->durability == PGFIRST_DURABLE;
}

/* The same of a collection. */
static bool
carry_elements(KvCall *call, KvType type, KvSpace *to, int i, KvOutcome *outcome)
{
	KvElements elements;

	kv_elements_of_key(call, type, &elements);
	if (!kv_room_for(call, kv_elements_copy_size(&elements), outcome))
		return false;
	kv_elements_copy(&elements, to, kv_argument(call, i));
	return true;
}

/*
 * Puts what the first key holds, with its expiry, under the key that argument i is in `to`.  `found` is
 * what is known of it.  False if there is no room: *outcome is what the command returns.
 */
static bool
carry(KvCall *call, const KvEntry *found, KvSpace *to, int i, KvOutcome *outcome)
{
	RespSlice key = kv_argument(call, i);
	PgfirstRecord record;
	MemoryContext old;
	KvEntry entry;

	if (found->type != KV_TYPE_STRING)
		return carry_elements(call, found->type, to, i, outcome);
	if (!kv_room_for(call, KV_HEAD_LIMIT(key.length) + found->value_length, outcome))
		return false;
	old = MemoryContextSwitchTo(kv_scratch());
	if (!kv_key_read(call->space, kv_argument(call, 1), call->now_ms, true, &entry))
		elog(ERROR, "a key that is locked has gone");
	MemoryContextSwitchTo(old);
	kv_key_record(to, key, entry.value, entry.expiry, &record);
	(void) kv_scratch();
	pgfirst_store_put(to->store, &record);
	pfree(unconstify(char *, record.data));
	return true;
}

/* COPY and MOVE. */
static KvOutcome
carry_to(KvCall *call, const Target *target, bool take)
{
	KvSpace *from = call->space;
	KvSpace *to = space_of(target->number);
	KvOutcome outcome = KV_DONE;
	KvEntry found, there;
	bool carried = kv_key_find(call, from, 1, &found) &&
	               (target->replace || !kv_key_find(call, to, target->argument, &there));

	if (carried && !carry(call, &found, to, target->argument, &outcome))
		return outcome;
	if (carried && take)
		kv_key_delete(from, kv_argument(call, 1));
	reply_depends_on(call, to);
	pgfirst_resp_write_integer(call->reply, carried);
	return KV_DONE;
}

/* COPY source destination [DB number] [REPLACE] */
KvOutcome
kv_cmd_copy(KvCall *call)
{
	Target target;
	Wrong wrong = copy_target(call, call->session->database, &target);

	return wrong != WRONG_NOT ? reply_wrong(call, wrong) : carry_to(call, &target, false);
}

/* MOVE key number */
KvOutcome
kv_cmd_move(KvCall *call)
{
	Target target;
	Wrong wrong = move_target(call, call->session->database, &target);

	return wrong != WRONG_NOT ? reply_wrong(call, wrong) : carry_to(call, &target, true);
}

/* Renames the first key to the second, which is not itself. */
static bool
rename_key(KvCall *call, const KvEntry *found, KvOutcome *outcome)
{
	*outcome = KV_DONE;
	if (found->type != KV_TYPE_STRING)
	{
		KvElements elements;

		kv_elements_of_key(call, found->type, &elements);
		kv_elements_move(&elements, kv_argument(call, 2));
		return true;
	}
	if (!carry(call, found, call->space, 2, outcome))
		return false;
	kv_key_delete(call->space, kv_argument(call, 1));
	return true;
}

/* Whether there is what is to be renamed; answers if not. */
static bool
find_source(KvCall *call, KvEntry *found)
{
	if (kv_key_find(call, call->space, 1, found))
		return true;
	kv_reply_error(call, "ERR no such key");
	return false;
}

/* RENAME key newkey */
KvOutcome
kv_cmd_rename(KvCall *call)
{
	KvOutcome outcome;
	KvEntry found;

	if (!find_source(call, &found))
		return KV_DONE;
	if (!is_same_key(call) && !rename_key(call, &found, &outcome))
		return outcome;
	kv_reply_ok(call);
	return KV_DONE;
}

/* RENAMENX key newkey */
KvOutcome
kv_cmd_renamenx(KvCall *call)
{
	KvOutcome outcome;
	KvEntry found, there;
	bool vacant;

	if (!find_source(call, &found))
		return KV_DONE;
	vacant = !kv_key_find(call, call->space, 2, &there);
	if (vacant && !rename_key(call, &found, &outcome))
		return outcome;
	pgfirst_resp_write_integer(call->reply, vacant);
	return KV_DONE;
}

/* FLUSHALL [ASYNC | SYNC]: both are done at once; dispatch has locked the epochs. */
KvOutcome
kv_cmd_flushall(KvCall *call)
{
	if (call->argc > 2 ||
	    (call->argc == 2 && !kv_argument_is(call, 1, "ASYNC") && !kv_argument_is(call, 1, "SYNC")))
	{
		kv_reply_syntax(call);
		return KV_DONE;
	}
	for (int number = 0; number < kv_database_count(); number++)
	{
		KvSpace *space;

		if (!kv_database_exists(number))
			continue;
		space = space_of(number);
		kv_space_flush(space);
		reply_depends_on(call, space);
	}
	kv_reply_ok(call);
	return KV_DONE;
}
